//! SQLite: one file, for a small site or a laptop, with the same promises as a server.
//!
//! * `connect`: connections on threads of their own, their settings, durability, errors
//! * `statement`: all SQL that holds identifiers
//! * `encode`: how each kind of value is stored
//! * `load` and `merge`: the segment, row by row, and its end
//! * `schema`: the state tables and their versions
//! * `state`: `_replication_state`, the epoch, whose tables
//! * `retire`: tables that objects have left
//! * `purge`: all that a replicator has is dropped
//! * `tables`: DDL and its comparison with what is there
//! * `exchange`: columns whose type changed
//! * `listing`: stretches of a listing, surplus, held deletes and what confirms them
//! * `parents`: which parents of linked fields have other values
//! * `session`: what the thread of a table owns
//! * `readiness`: what would refuse a first run
//! * `turns`: who writes
//!
//! **One writer.** SQLite lets one transaction write at a time, for the whole file. Segments of several objects
//! therefore take turns, by a mutex that the clones of a [`Sqlite`] share and that serves in order of arrival: a turn is
//! taken before `BEGIN IMMEDIATE` and given back after COMMIT or ROLLBACK, and a segment that waits for rows while another
//! object waits for its turn is told so (`turns`). Other processes, and other `Sqlite` of the
//! same file, are waited for by SQLite's busy handler. Readers never wait and are never waited for.
//!
//! **Durability.** A commit survives any end of this process. After a loss of power the file may be as it was some
//! commits earlier, rows and checkpoint alike, so that the next run reads again what is missing (`connect` says why that
//! is enough).
//!
//! **Values** are TEXT, INTEGER (booleans are 0 and 1), NUMERIC (whole numbers of 64 bits are exact, others to 15
//! significant digits), and TEXT in ISO 8601 for times: `2015-02-10T01:56:14.000Z`, `2015-02-10`, `01:56:14.000`.
//!
//! **The key** is TEXT with BINARY collation beside SQLite's rowid: tables without rowid are slower here and hardly
//! smaller (performance.md 1.3).

mod connect;
mod encode;
mod exchange;
mod listing;
mod load;
mod merge;
mod parents;
mod purge;
mod readiness;
mod retire;
mod schema;
mod session;
mod state;
mod statement;
mod tables;
#[cfg(test)]
mod tests;
mod turns;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use self::{
    connect::Thread,
    listing::OwnedStretch,
    merge::Committed,
    session::Session,
    turns::{Turn, Turns},
};
use super::{
    Capabilities, ColumnDifference, ColumnInUse, Contents, Deletions, Destination, Differences, Left, Load,
    ObjectTable, Purged, RetiredTable, StateWrite, Stretch, UnbuiltIndex,
};
use crate::{
    Error, Result,
    batch::Batch,
    guard::{Guard, HeldDeletes},
    plan::{Identifier, Link, ObjectName, ObjectPlan},
    state::{Checkpoint, Counts, Owner, State},
};

/// Rows of a segment. Smaller ones are not faster to read again, larger ones keep other objects waiting for their turn
/// (performance.md 1.3: commits of 20 000 rows cost nothing).
const SEGMENT_ROWS: u64 = 20_000;

/// SQLite has no limit for identifiers. This is far above Salesforce's names (80 characters) and still a name.
const MAX_IDENTIFIER_BYTES: usize = 255;

/// `SQLITE_MAX_COLUMN` as it is built.
const MAX_COLUMNS: usize = 2000;

/// A SQLite file. Clones share the turns of their writers.
#[derive(Debug, Clone)]
pub struct Sqlite {
    path: PathBuf,
    turns: Arc<Turns>,
}

/// One object's table: a thread with a connection. Dropping it rolls an open segment back and ends the thread.
#[derive(Debug)]
pub struct SqliteTable {
    thread: Thread<Session>,
    turns: Arc<Turns>,
    /// Whether the last commit wrote the state.
    wrote_state: bool,
}

impl Sqlite {
    /// Names a file; a relative path is taken from the working folder. Nothing is opened: [`Destination::prepare`] makes
    /// the file where it is not there.
    ///
    /// # Errors
    /// [`Error::Database`] where the path is a folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self {
            path: connect::absolute(path.as_ref())?,
            turns: Arc::default(),
        })
    }

    /// The file, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Destination for Sqlite {
    type Table = SqliteTable;

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "SQLite",
            max_identifier_bytes: MAX_IDENTIFIER_BYTES,
            max_columns: MAX_COLUMNS,
            exact_digits: Some(15),
            segment_rows: SEGMENT_ROWS,
        }
    }

    fn ddl(&self, plan: &ObjectPlan) -> Vec<String> {
        let indexes = plan.indexes.iter().map(|index| statement::create_index(plan, index));
        std::iter::once(statement::create_table(plan)).chain(indexes).collect()
    }

    /// Cancel safe: what was begun on the blocking thread ends there.
    async fn prepare(&self) -> Result<()> {
        let turn = self.turns.take().await;
        let path = self.path.clone();
        blocking("preparing", move || {
            holding(turn, || {
                let mut connection = connect::open_or_create(&path)?;
                schema::prepare(&mut connection, &path)
            })
        })
        .await
    }

    async fn existing_columns(&self, tables: &[Identifier]) -> Result<BTreeMap<Identifier, Vec<String>>> {
        let path = self.path.clone();
        let tables = tables.to_vec();
        blocking("reading the columns of", move || {
            tables::existing_columns(&path, &tables)
        })
        .await
    }

    /// Cancel safe like `prepare`.
    async fn retire(&self, owner: &Owner, kept: &[ObjectName], at: Timestamp) -> Result<Vec<RetiredTable>> {
        let turn = self.turns.take().await;
        let path = self.path.clone();
        let (owner, kept) = (owner.clone(), kept.to_vec());
        blocking("retiring tables of", move || {
            holding(turn, || retire::retire(&path, &owner, &kept, at))
        })
        .await
    }

    /// Cancel safe like `prepare`.
    async fn purge(&self, replicator: &str) -> Result<Purged> {
        let turn = self.turns.take().await;
        let path = self.path.clone();
        let replicator = replicator.to_owned();
        blocking("dropping tables of", move || {
            holding(turn, || purge::purge(&path, &replicator))
        })
        .await
    }

    async fn open(&self, plan: Arc<ObjectPlan>, owner: Owner) -> Result<SqliteTable> {
        let name = plan.table.clone();
        let thread = Thread::start(name.as_str(), Session::new(self.path.clone(), plan, owner))?;
        let table = SqliteTable {
            thread,
            turns: Arc::clone(&self.turns),
            wrote_state: false,
        };
        // An unreadable file is told here and not at the first use.
        table
            .thread
            .call(|session| session.connection_if_there().map(|_connection| ()))
            .await?;
        Ok(table)
    }
}

impl SqliteTable {
    /// Waits for the right to write. Refuses to wait for a segment of this very table, which would never end.
    async fn turn(&self) -> Result<Turn> {
        self.thread.call(|session| session.expect_idle()).await?;
        Ok(self.turns.take().await)
    }
}

impl ObjectTable for SqliteTable {
    async fn read_state(&mut self) -> Result<Option<State>> {
        self.thread.call(Session::read_state).await
    }

    async fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<Contents> {
        let turn = self.turn().await?;
        let checkpoint = checkpoint.clone();
        self.thread
            .call(move |session| holding(turn, || session.create(&checkpoint, at)))
            .await
    }

    async fn begin(&mut self, load: Load) -> Result<()> {
        let turn = self.turn().await?;
        self.thread.call(move |session| session.begin(load, turn)).await
    }

    async fn write(&mut self, batch: Batch) -> Result<()> {
        self.thread.call(move |session| session.write(&batch)).await
    }

    async fn commit(
        &mut self,
        checkpoint: &Checkpoint,
        deletions: Deletions,
        state: StateWrite,
        at: Timestamp,
    ) -> Result<Counts> {
        let checkpoint = checkpoint.clone();
        let committed = self
            .thread
            .call(move |session| session.commit(&checkpoint, deletions, state, at));
        let Committed { counts, state_written } = committed.await?;
        self.wrote_state = state_written;
        Ok(counts)
    }

    fn has_written_state(&self) -> bool {
        self.wrote_state
    }

    async fn wanted(&self) {
        self.turns.wanted().await;
    }

    async fn rollback(&mut self) -> Result<()> {
        self.thread
            .call(|session| {
                session.roll_back();
                Ok(())
            })
            .await
    }

    async fn build_indexes(&mut self) -> Result<Vec<UnbuiltIndex>> {
        let turn = self.turn().await?;
        self.thread
            .call(move |session| holding(turn, || session.build_indexes()))
            .await?;
        // SQLite takes values of any length.
        Ok(Vec::new())
    }

    async fn touch(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<()> {
        let turn = self.turn().await?;
        let checkpoint = checkpoint.clone();
        self.thread
            .call(move |session| holding(turn, || session.touch(&checkpoint, at)))
            .await
    }

    async fn leave(&mut self, left: Vec<Left>) -> Result<()> {
        self.thread.call(move |session| session.leave(&left)).await
    }

    async fn compare(&mut self, stretch: Stretch<'_>) -> Result<Differences> {
        let turn = self.turn().await?;
        let stretch = OwnedStretch::from(stretch);
        self.thread
            .call(move |session| holding(turn, || session.compare(&stretch)))
            .await
    }

    async fn surplus(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let after = after.unwrap_or_default().to_owned();
        self.thread.call(move |session| session.surplus(&after, limit)).await
    }

    async fn pending(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let after = after.unwrap_or_default().to_owned();
        self.thread.call(move |session| session.pending(&after, limit)).await
    }

    async fn column_differences(&mut self) -> Result<Vec<ColumnDifference>> {
        self.thread.call(Session::column_differences).await
    }

    async fn held(&mut self) -> Result<Option<HeldDeletes>> {
        self.thread.call(Session::held).await
    }

    async fn confirm(&mut self, token: &str, at: Timestamp) -> Result<bool> {
        let turn = self.turn().await?;
        let token = token.to_owned();
        self.thread
            .call(move |session| holding(turn, || session.confirm(&token, at)))
            .await
    }

    async fn admits(&mut self, guard: Guard, at: Timestamp) -> Result<bool> {
        self.thread.call(move |session| session.admits(guard, at)).await
    }

    async fn outdated_parents(&mut self, link: &Link, parents: Batch) -> Result<Vec<String>> {
        let link = link.clone();
        self.thread
            .call(move |session| session.outdated_parents(&link, &parents))
            .await
    }

    async fn settle_columns(&mut self) -> Result<Vec<ColumnInUse>> {
        let turn = self.turn().await?;
        self.thread
            .call(move |session| holding(turn, || session.settle_columns()))
            .await
    }
}

/// Does what blocks on a thread that may. `doing` ends before "a SQLite file".
async fn blocking<R: Send + 'static>(doing: &str, work: impl FnOnce() -> Result<R> + Send + 'static) -> Result<R> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Internal(format!("{doing} a SQLite file: {error}")))?
}

/// Does the work, and gives the turn back after it.
fn holding<R>(turn: Turn, work: impl FnOnce() -> R) -> R {
    let done = work();
    drop(turn);
    done
}
