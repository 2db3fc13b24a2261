//! What the server and the driver say, as errors that tell an administrator what to do.
//!
//! The message names what was being done, the server's own short text where it holds only names, and the remedy. The
//! source, for the log, has SQLSTATE, table and constraint. Neither has the server's detail or context: those quote
//! values (`Key (email)=(..) already exists`, `COPY contact, line 7, column ..`).

use std::fmt;

use salesforce::ErrorKind;
use sqlx::postgres::PgDatabaseError;

use crate::Error;

/// Where a database is, for messages: never the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `host:port`, or the socket's folder.
    pub(super) server: String,
    pub(super) database: String,
    pub(super) role: String,
    pub(super) schema: String,
}

/// What was being done when something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing<'a> {
    Connecting,
    ReadingState,
    MakingState,
    MakingTable(&'a str),
    Staging(&'a str),
    Loading(&'a str),
    Merging(&'a str),
    WritingState(&'a str),
    Indexing(&'a str),
    ReadingTable(&'a str),
    Comparing(&'a str),
    ExchangingColumns(&'a str),
    Retiring,
    Purging(&'a str),
}

impl fmt::Display for Doing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::ReadingState => f.write_str("reading the replication state"),
            Self::MakingState => f.write_str("making the state tables"),
            Self::MakingTable(table) => write!(f, "making table {table}"),
            Self::Staging(table) => write!(f, "making the temporary table for {table}"),
            Self::Loading(table) => write!(f, "loading rows for {table}"),
            Self::Merging(table) => write!(f, "merging rows into {table}"),
            Self::WritingState(table) => write!(f, "writing the replication state of {table}"),
            Self::Indexing(table) => write!(f, "building the indexes of {table}"),
            Self::ReadingTable(table) => write!(f, "reading the columns of {table}"),
            Self::Comparing(table) => write!(f, "comparing table {table}"),
            Self::ExchangingColumns(table) => write!(f, "exchanging columns of table {table}"),
            Self::Retiring => f.write_str("retiring tables"),
            Self::Purging(table) => write!(f, "dropping table {table}"),
        }
    }
}

impl Doing<'_> {
    /// The right that is missing when the server refuses, as a statement that gives it.
    fn grant(self, endpoint: &Endpoint) -> String {
        let Endpoint {
            database, role, schema, ..
        } = endpoint;
        match self {
            Self::Connecting => format!("GRANT CONNECT ON DATABASE \"{database}\" TO \"{role}\""),
            Self::MakingState => format!(
                "GRANT CREATE ON DATABASE \"{database}\" TO \"{role}\" or, where the schema is there, \
                 GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"{role}\""
            ),
            Self::MakingTable(_) | Self::Indexing(_) | Self::ExchangingColumns(_) | Self::Purging(_) => format!(
                "GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"{role}\"; a table that is there must belong to that role"
            ),
            Self::Staging(_) => format!("GRANT TEMPORARY ON DATABASE \"{database}\" TO \"{role}\""),
            Self::ReadingState
            | Self::ReadingTable(_)
            | Self::Loading(_)
            | Self::Merging(_)
            | Self::Comparing(_)
            | Self::WritingState(_)
            | Self::Retiring => format!(
                "GRANT USAGE ON SCHEMA \"{schema}\" TO \"{role}\" and \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{schema}\" TO \"{role}\""
            ),
        }
    }
}

/// What the log may know of a server's error.
#[derive(Debug, thiserror::Error)]
#[error("SQLSTATE {code}, table {table:?}, constraint {constraint:?}, routine {routine:?}")]
struct ServerError {
    code: String,
    table: Option<String>,
    constraint: Option<String>,
    routine: Option<String>,
}

impl ServerError {
    fn new(error: &PgDatabaseError) -> Self {
        Self {
            code: error.code().to_owned(),
            table: error.table().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
            routine: error.routine().map(str::to_owned),
        }
    }
}

/// An error of ours, without a source.
pub(super) fn refusal(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::Database {
        kind,
        message: message.into(),
        source: None,
    }
}

/// SQLSTATE of a DROP that something else depends on.
const DEPENDENT_OBJECTS: &str = "2BP01";

/// SQLSTATE of a row that is larger than what the server can store: of a page, or of an index.
const BEYOND_LIMIT: &str = "54000";

/// SQLSTATE of a NULL where none may be.
const NOT_NULL: &str = "23502";

/// Whether something of somebody else depends on what was to be dropped.
pub(super) fn is_depended_on(error: &sqlx::Error) -> bool {
    code(error) == Some(DEPENDENT_OBJECTS)
}

/// Whether a row is larger than what the server can store: of a page, or of an index.
pub(super) fn is_beyond_limit(error: &sqlx::Error) -> bool {
    code(error) == Some(BEYOND_LIMIT)
}

/// Whether a row was there already.
pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    code(error) == Some("23505")
}

/// Whether a table or its schema is not there.
pub(super) fn is_undefined(error: &sqlx::Error) -> bool {
    matches!(code(error), Some("42P01" | "3F000"))
}

fn server_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

fn code(error: &sqlx::Error) -> Option<&str> {
    server_error(error).map(PgDatabaseError::code)
}

/// Turns what sqlx says into our error.
pub(super) fn failure(error: sqlx::Error, doing: Doing<'_>, endpoint: &Endpoint) -> Error {
    let at = format!("PostgreSQL at {}, database {}", endpoint.server, endpoint.database);
    if let Some(server) = server_error(&error) {
        let (kind, explanation) = explain(server, doing, endpoint);
        return Error::Database {
            kind,
            message: format!("{at}: {doing}: {explanation}"),
            source: Some(Box::new(ServerError::new(server))),
        };
    }
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "sqlx's list is long and open, and none of the rest depends on the moment"
    )]
    let (kind, explanation) = match &error {
        sqlx::Error::Io(io) if is_tls(io) => tls_explanation(),
        sqlx::Error::Tls(_) => tls_explanation(),
        sqlx::Error::Io(io) if doing == Doing::Connecting && is_file(io, endpoint) => (
            ErrorKind::Invalid,
            "a file that the URL names (sslrootcert, sslcert, sslkey) cannot be read here",
        ),
        sqlx::Error::Io(_) if doing == Doing::Connecting => (
            ErrorKind::Transient,
            "the server cannot be reached; check host, port and network policies",
        ),
        sqlx::Error::Io(_) => (
            ErrorKind::Transient,
            "the connection was lost; what was not committed is done again",
        ),
        sqlx::Error::Protocol(_) => (
            ErrorKind::Transient,
            "the server's answer was not understood; if this stays, connect to the server itself and not through what is between",
        ),
        _ => (
            ErrorKind::Fatal,
            "the driver failed; please report it with what the log says",
        ),
    };
    Error::Database {
        kind,
        message: format!("{at}: {doing}: {explanation}"),
        source: Some(Box::new(error)),
    }
}

/// rustls reports a certificate that it does not trust as an I/O error with invalid data.
fn is_tls(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

/// A network has no such errors; certificates and keys are read in the middle of connecting. For a socket they mean the
/// socket itself.
fn is_file(error: &std::io::Error, endpoint: &Endpoint) -> bool {
    !endpoint.server.starts_with('/')
        && matches!(
            error.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
        )
}

fn tls_explanation() -> (ErrorKind, &'static str) {
    (
        ErrorKind::Invalid,
        "no TLS connection as asked for: the server offers none, or its certificate is not trusted or is for another \
         name; check sslmode in the URL and give the CA (caSecretRef)",
    )
}

/// What a time limit of ours means.
pub(super) fn timed_out(doing: Doing<'_>, endpoint: &Endpoint) -> Error {
    refusal(
        ErrorKind::Transient,
        format!(
            "PostgreSQL at {}, database {}: {doing}: no answer in time; it is tried again; if this stays, look for what keeps the \
             server busy or holds locks (pg_stat_activity)",
            endpoint.server, endpoint.database
        ),
    )
}

/// Who can mend it and what to say, by SQLSTATE.
fn explain(error: &PgDatabaseError, doing: Doing<'_>, endpoint: &Endpoint) -> (ErrorKind, String) {
    let Endpoint {
        role, database, schema, ..
    } = endpoint;
    let said = error.message();
    if let Some(explanation) = explain_passing(error.code()) {
        return (ErrorKind::Transient, explanation.to_owned());
    }
    if let Some(explained) = explain_row(error, database) {
        return explained;
    }
    match error.code() {
        "28P01" | "28000" => (
            ErrorKind::Credentials,
            format!("the server refuses role {role}: wrong password, or no access from here in pg_hba.conf"),
        ),
        "3D000" => (
            ErrorKind::Invalid,
            format!("there is no database {database}; make it or mend the URL"),
        ),
        "42501" => (
            ErrorKind::Fatal,
            format!("{said}; a right is missing: {}", doing.grant(endpoint)),
        ),
        // The detail names objects, and no row.
        DEPENDENT_OBJECTS => (
            ErrorKind::Fatal,
            format!(
                "{said}: {}; drop what depends on it, or give the object another table",
                error.detail().unwrap_or_default().replace('\n', ", ")
            ),
        ),
        "42P01" | "42703" | "3F000" => (
            ErrorKind::Fatal,
            format!(
                "{said}; somebody dropped or renamed what replication made in schema {schema}: restore it, or drop the \
                 object's table and its row of _replication_state to have it filled anew"
            ),
        ),
        code if is_passing(code) => (ErrorKind::Transient, format!("{said}; it is tried again")),
        code => (
            ErrorKind::Fatal,
            format!("{said} (SQLSTATE {code}); the server's log has more of it"),
        ),
    }
}

/// What is over sooner or later.
fn explain_passing(code: &str) -> Option<&'static str> {
    Some(match code {
        "53300" => "the server has no free connection; end others, or raise max_connections",
        "53100" => "the server's disk is full; free some space",
        "57P01" | "57P02" | "57P03" => "the server is shutting down, starting, or ended our session",
        "25P03" => "the session was idle for too long and was ended",
        "57014" => {
            "the statement took too long, or somebody cancelled it; it is tried again; if this stays, look for what slows the \
             server down (pg_stat_activity)"
        }
        "55P03" => {
            "another session holds a lock on the table for too long; it is tried again; if this stays, end that session \
             (pg_locks, pg_terminate_backend)"
        }
        "25006" => {
            "the server takes no writes: a standby, or default_transaction_read_only is on; give the URL of the primary, or switch \
             that off"
        }
        "40P01" | "40001" => {
            "another session wrote the same rows at the same moment, and the server ended this transaction (deadlock or \
             serialization failure); its rows are read again"
        }
        _ => return None,
    })
}

/// What is wrong with a row, or with what somebody has put on its table.
fn explain_row(error: &PgDatabaseError, database: &str) -> Option<(ErrorKind, String)> {
    let said = error.message();
    Some(match error.code() {
        // Only our key and NOT NULL of key and stamp come from us, and the encoder keeps to those.
        NOT_NULL => (
            ErrorKind::Fatal,
            format!(
                "column {} of table {} takes no NULL, which replication did not ask for; drop its NOT NULL, or give it a default",
                error.column().unwrap_or("(unnamed)"),
                error.table().unwrap_or("(unnamed)")
            ),
        ),
        code if code.starts_with("23") => (
            ErrorKind::Fatal,
            format!(
                "a row breaks constraint {} of table {}, which replication did not make; drop it",
                error.constraint().unwrap_or("(unnamed)"),
                error.table().unwrap_or("(unnamed)")
            ),
        ),
        // Which index it is stands in the text; which row, in the detail.
        BEYOND_LIMIT => (
            ErrorKind::Fatal,
            format!(
                "{said}: one row is too long; where an index is named that is not the resource's, drop it, else take the column of \
                 long values out of indexes, or exclude fields"
            ),
        ),
        "22021" | "22P05" => (
            ErrorKind::Fatal,
            format!(
                "the encoding of database {database} does not have a character of {}; use a database with encoding UTF8",
                column_of(error)
            ),
        ),
        // A data exception quotes the value.
        code if code.starts_with("22") => (
            ErrorKind::Fatal,
            format!(
                "the server refuses a value of {} (SQLSTATE {code}); exclude its field, or drop what somebody has put on the table: \
                 a trigger, a generated column, an index over an expression",
                column_of(error)
            ),
        ),
        // Raised by somebody's trigger: the text may quote a value.
        code if code.starts_with("P0") => (
            ErrorKind::Fatal,
            format!(
                "{} raised an error (SQLSTATE {code}), which replication did not make; mend it, or drop its trigger",
                function_of(error)
            ),
        ),
        _ => return None,
    })
}

/// The column that the server was at, as far as it says so. What follows its name in the server's context quotes the value.
fn column_of(error: &PgDatabaseError) -> String {
    let named = || {
        let copy = error.r#where()?.strip_prefix("COPY ")?.lines().next()?;
        let (place, column) = copy.split_once(", column ")?;
        // Without a column the line's own text is quoted here.
        let (_, line) = place.rsplit_once(", line ")?;
        let is_number = line.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| column.split(':').next()).flatten()
    };
    error.column().or_else(named).map_or_else(
        || "a column that it does not name".to_owned(),
        |column| format!("column {column}"),
    )
}

/// The function that raised an error, as far as the server names it: `PL/pgSQL function shout() line 1 at RAISE`.
fn function_of(error: &PgDatabaseError) -> String {
    let named = error.r#where().and_then(|context| {
        let (name, _) = context.strip_prefix("PL/pgSQL function ")?.split_once(" line ")?;
        // A block of code has its text there.
        (!name.contains(['\n', '\''])).then(|| format!("function {name}"))
    });
    named.unwrap_or_else(|| "a trigger or function".to_owned())
}

/// Classes that pass by themselves: connection exceptions, rollbacks (deadlock), resources, operator intervention.
fn is_passing(code: &str) -> bool {
    ["08", "40", "53", "57", "58"]
        .iter()
        .any(|class| code.starts_with(class))
}
