//! Connections, their settings and their threads, and what SQLite's errors mean.
//!
//! **A thread for each table.** SQLite's calls block, and a crossing of threads for each row is what makes async
//! drivers for it 22 times slower (performance.md 1.3). So a table's connection lives on a thread of its own, and what
//! crosses is one job for each call of the contract: a batch of some hundred rows. Jobs go through a bounded channel,
//! answers come back by a oneshot. A dropped [`Thread`] closes its channel: the thread ends after the job that it is at,
//! and the connection that it drops rolls back what was open. A panic in a job has the same end.
//!
//! **Durability.** The journal is a write-ahead log with `synchronous = NORMAL`: a commit is handed to the operating
//! system, and survives any end of this process, `kill -9` included. When the *machine* loses power the last commits may
//! be lost, but never a part of one, and never one before an older one: the file is then as it was after an earlier
//! commit. Rows and checkpoint are in one transaction, so an earlier commit is an earlier checkpoint, and the next run
//! goes on from there and reads again what was lost. FULL would add a wait for the disk to each commit and protect
//! nothing that is not read again anyway. In any journal mode but the write-ahead log NORMAL could damage the file, so
//! there FULL is used.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use salesforce::ErrorKind;
use tokio::sync::{mpsc, oneshot};

use super::statement;
use crate::{Error, Result};

/// How long a write waits for another process that writes to the file, before the run is tried again later. A segment of
/// another replicator lasts half a minute at most (`run::segment`); a person's session with an open transaction lasts
/// longer, and must not hold a run for ever.
const BUSY_TIMEOUT: Duration = Duration::from_mins(1);

/// Page cache of a connection, KiB. 256 MiB are not faster than 2 (performance.md 1.3); 8 keep the upper levels of the
/// key's tree of a few million rows.
const CACHE_KIB: i64 = 8192;

/// The write-ahead log is cut back to this after a checkpoint, bytes: some segments of 20 000 rows.
const JOURNAL_BYTES: i64 = 64 * 1024 * 1024;

/// Statements that a connection keeps prepared: those of a table and of the state are some fifty.
const STATEMENTS: usize = 64;

/// Jobs that may wait for a thread. A table makes one call at a time.
const JOBS: usize = 2;

/// Opens a file that is there. `None` where it is not; a folder that is not there is an error all the same.
pub(super) fn open_existing(path: &Path) -> Result<Option<Connection>> {
    match path.try_exists() {
        Ok(true) => connect(path, OpenFlags::empty()).map(Some),
        Ok(false) if folder_of(path).is_dir() => Ok(None),
        Ok(false) => Err(no_folder(path, None)),
        Err(error) => Err(no_folder(path, Some(error))),
    }
}

/// Opens a file, and makes it where it is not there.
pub(super) fn open_or_create(path: &Path) -> Result<Connection> {
    match open_existing(path)? {
        Some(connection) => Ok(connection),
        None => connect(path, OpenFlags::SQLITE_OPEN_CREATE),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The path is absolute, so no name in it can be taken for a URI or for `:memory:`.
fn connect(path: &Path, create: OpenFlags) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let opened = Connection::open_with_flags(path, flags);
    let connection = opened.map_err(|error| failure(path, "open the file", error))?;
    configure(&connection).map_err(|error| failure(path, "open the file", error))?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // In memory, for a container's file system may be read-only outside the folder of the database.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
    let synchronous = if is_write_ahead(connection)? { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.execute_batch(statement::CREATE_TEMPORARY)
}

fn is_write_ahead(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

/// Makes the write-ahead log the file's journal, which is remembered in the file: readers then never wait for a writer,
/// nor a writer for them.
pub(super) fn use_write_ahead_log(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error| failure(path, "switch the file to a write-ahead log", error);
    if is_write_ahead(connection).map_err(failed)? {
        return Ok(());
    }
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Error::Database {
            kind: ErrorKind::Invalid,
            message: format!(
                "{}: SQLite cannot keep a write-ahead log here; put the file on a local file system, network file \
                 systems lack the shared memory that it needs",
                path.display()
            ),
            source: None,
        });
    }
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)
}

/// A thread that owns a `T` and works on it, job after job.
#[derive(Debug)]
pub(super) struct Thread<T> {
    jobs: mpsc::Sender<Job<T>>,
}

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

impl<T: Send + 'static> Thread<T> {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Internal`] where the system has no thread left.
    pub(super) fn start(name: &str, mut owned: T) -> Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job<T>>(JOBS);
        std::thread::Builder::new()
            .name(format!("sqlite {name}"))
            .spawn(move || {
                while let Some(job) = waiting.blocking_recv() {
                    job(&mut owned);
                }
            })
            .map_err(|error| Error::Internal(format!("no thread for table {name}: {error}")))?;
        Ok(Self { jobs })
    }

    /// Runs a job on the thread. Dropping the future does not stop a job that the thread has already.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let gone = || Error::Internal("the thread of a SQLite table has ended".to_owned());
        let (answer, answered) = oneshot::channel();
        let job = move |owned: &mut T| {
            // Nobody waits for the answer of a call that was cancelled.
            answer.send(job(owned)).ok();
        };
        self.jobs.send(Box::new(job)).await.map_err(|_closed| gone())?;
        answered.await.map_err(|_dropped| gone())?
    }
}

fn no_folder(path: &Path, error: Option<io::Error>) -> Error {
    Error::Database {
        kind: ErrorKind::Invalid,
        message: format!(
            "{}: the folder {} is not there or cannot be read; make it, or mount the volume that it should be on",
            path.display(),
            folder_of(path).display()
        ),
        source: error.map(Into::into),
    }
}

/// A file name as given, made absolute.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| no_folder(path, Some(error)))?;
    if absolute.file_name().is_none() || absolute.is_dir() {
        return Err(Error::Database {
            kind: ErrorKind::Invalid,
            message: format!("{}: this is a folder; name a file in it", path.display()),
            source: None,
        });
    }
    Ok(absolute)
}

/// What an error of SQLite means, in words that name the file and what to do. `doing` is an infinitive: `open the file`.
pub(super) fn failure(path: &Path, doing: &str, error: rusqlite::Error) -> Error {
    let (kind, advice) = judge(&error);
    let advice = match (advice, what_is_missing(&error)) {
        (Some(advice), _) => advice.to_owned(),
        (None, Some(missing)) => format!(
            "{missing}; somebody changed the tables: restore them, or drop the object's table and its row of \
             _replication_state to have it filled anew"
        ),
        (None, None) => "SQLite refuses it; the log has its reason".to_owned(),
    };
    Error::Database {
        kind,
        message: format!("{}: cannot {doing}: {advice}", path.display()),
        source: Some(Box::new(without_values(error))),
    }
}

/// The text of a refused constraint may come from somebody's trigger (`RAISE`), which may put a value into it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the driver's enum, open for more")]
fn without_values(error: rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(_)) if code.code == ErrorCode::ConstraintViolation => {
            rusqlite::Error::SqliteFailure(code, None)
        }
        other => other,
    }
}

/// SQLite's own words for a table or column that a statement does not find. They hold names and no value.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver's enum, open for more; two variants carry SQLite's text"
)]
fn what_is_missing(error: &rusqlite::Error) -> Option<&str> {
    let text = match error {
        rusqlite::Error::SqlInputError { msg, .. } => Some(msg.as_str()),
        rusqlite::Error::SqliteFailure(_, text) => text.as_deref(),
        _ => None,
    };
    text.filter(|text| text.starts_with("no such ") || text.contains(" has no column named "))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "SQLite's codes, of which the others say nothing to a person"
)]
fn judge(error: &rusqlite::Error) -> (ErrorKind, Option<&'static str>) {
    let Some(code) = error.sqlite_error_code() else {
        return (ErrorKind::Fatal, None);
    };
    let (kind, advice) = match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => (
            ErrorKind::Transient,
            "another process writes to it and does not come to an end; close it, or wait",
        ),
        ErrorCode::DiskFull => (
            ErrorKind::Transient,
            "the disk is full; free space, nothing that was committed is lost",
        ),
        ErrorCode::SystemIoFailure => (
            ErrorKind::Transient,
            "the disk reports an error; look at the volume and at the system's log",
        ),
        ErrorCode::OutOfMemory => (
            ErrorKind::Transient,
            "there is no memory left; raise the process's limit",
        ),
        ErrorCode::CannotOpen => (
            ErrorKind::Invalid,
            "it cannot be opened; look at the rights of the file, its -wal file and its folder",
        ),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => (
            ErrorKind::Invalid,
            "it may only be read; give this user the right to write to the file and its folder",
        ),
        ErrorCode::DatabaseCorrupt => (
            ErrorKind::Fatal,
            "the file is damaged; move it away, and a new one will be filled from Salesforce",
        ),
        ErrorCode::NotADatabase => (
            ErrorKind::Invalid,
            "this is no SQLite database, or an encrypted one; name another file, or move it away",
        ),
        ErrorCode::TooBig => (ErrorKind::Fatal, "a value is longer than SQLite can hold"),
        ErrorCode::ConstraintViolation => (
            ErrorKind::Fatal,
            "a constraint of the table was violated; remove constraints that somebody added to it",
        ),
        // What is left are defects of ours, and codes that are not made yet.
        _ => return (ErrorKind::Fatal, None),
    };
    (kind, Some(advice))
}
