//! The contract of a destination.
//!
//! A run knows nothing of SQL; a destination knows nothing of Salesforce. Between them stand two traits, kept by
//! PostgreSQL and SQLite alike and proven by one suite of contract tests (`tests/contract/`), whose tests cite the
//! sentences below.
//!
//! **Order of calls.** [`Destination::prepare`] once for each process; then for each object [`Destination::open`], and
//! on the table: [`ObjectTable::read_state`]; before an Initial [`ObjectTable::create`]; then segments, each
//! [`ObjectTable::begin`], any number of [`ObjectTable::write`], and [`ObjectTable::commit`] or
//! [`ObjectTable::rollback`]; after an Initial [`ObjectTable::build_indexes`]. Dropping a table in the middle of a
//! segment rolls it back.
//!
//! **Committed** means: rows, deletes and checkpoint are in the database together and durable, or none of them is.
//!
//! **The guard.** A merged row is written only where its stamp is newer than the table's, or equal and a column
//! differs; an older one never is. Of two rows for one Id in a segment the newer stamp counts, at equal stamps the later
//! read (performance.md 1.4).
//!
//! **Deleted records** (`IsDeleted` true in the batch) never become rows. With [`Deletes::Remove`](crate::plan::Deletes)
//! and `Mark` they are noted in `_pending_delete` in the segment that found them, if the table has the row, not yet
//! marked, with a stamp that is not newer; a live read with a stamp that is not older takes the entry out. They are
//! applied by the commit that says [`Deletions::Apply`], the run's last. With `Ignore` they are dropped.
//!
//! **Nothing changed.** A commit with [`StateWrite::WithRows`] whose segment changed no row and noted no delete writes
//! nothing at all, the state included, and says so with empty [`Counts`] and [`ObjectTable::has_written_state`].
//!
//! **One writer.** `read_state` remembers the epoch it read. The first commit (or `create`, but never `touch`) claims the
//! object: it makes the epoch one higher where it is still the one read. Each commit takes the object's lock (PostgreSQL:
//! an advisory one, since locking a row writes; SQLite: the file's) and compares, just before merging. Whoever finds another
//! epoch gets [`Error::Fenced`](crate::Error::Fenced), nothing is written.
//!
//! **Whose tables.** `prepare` refuses state tables newer than this binary. `read_state` refuses the object when the
//! state belongs to another org or replicator, and when the object's table exists without being in the state; both are
//! [`Error::SchemaConflict`](crate::Error::SchemaConflict) and name whose it is.

use std::{future::Future, sync::Arc};

use jiff::Timestamp;

use crate::{
    Result,
    batch::Batch,
    plan::ObjectPlan,
    state::{Checkpoint, Counts, Owner, State},
};

pub mod postgres;
pub mod sqlite;

/// What a plan must know of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Its name in messages: `PostgreSQL`, `SQLite`.
    pub name: &'static str,
    /// Longest identifier, bytes.
    pub max_identifier_bytes: usize,
    /// Most columns of a table.
    pub max_columns: usize,
    /// Digits that a number with decimals keeps exactly; `None`: all.
    pub exact_digits: Option<u32>,
    /// Rows of a SOAP segment: how many are read again at most after a crash.
    pub segment_rows: u64,
}

/// How the rows of a segment enter the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Straight into the table: only for rows that cannot be there yet. A unique violation is answered with
    /// [`Error::RowsExist`](crate::Error::RowsExist), after which the segment is to be read again with [`Load::Merge`].
    Direct,
    /// Through the guard.
    Merge,
}

/// What `create` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// No rows.
    Empty,
    /// Rows are there already.
    Rows,
}

/// Whether a commit applies the pending deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletions {
    /// Not yet: segments of the same run follow.
    Keep,
    /// This is the run's last segment.
    Apply,
}

/// Whether a commit writes the state even if no row changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateWrite {
    /// In any case.
    Always,
    /// Only with rows.
    WithRows,
}

/// A database. Cloning shares it.
pub trait Destination: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// One object's table, with a connection of its own.
    type Table: ObjectTable;

    /// What a plan must know.
    fn capabilities(&self) -> Capabilities;

    /// The statements that would make an object's table and indexes, for `plan`. Pure.
    fn ddl(&self, plan: &ObjectPlan) -> Vec<String>;

    /// Makes or migrates the state tables and the `_freshness` view. Writes nothing where they are as they should be.
    ///
    /// # Errors
    /// The database cannot be reached, a right is missing, or the state tables are newer than this binary.
    fn prepare(&self) -> impl Future<Output = Result<()>> + Send;

    /// Opens the table of one object for `owner`. Writes nothing.
    ///
    /// # Errors
    /// The database cannot be reached.
    fn open(&self, plan: Arc<ObjectPlan>, owner: Owner) -> impl Future<Output = Result<Self::Table>> + Send;
}

/// One object's table. See the [module](self) for the order of calls and what they promise.
pub trait ObjectTable: Send + 'static {
    /// The object's state, `None` where it has none (also where [`Destination::prepare`] never ran). Writes nothing.
    ///
    /// # Errors
    /// [`Error::SchemaConflict`](crate::Error::SchemaConflict) where state or table belong to somebody else.
    fn read_state(&mut self) -> impl Future<Output = Result<Option<State>>> + Send;

    /// Claims the object, writes `checkpoint` as its state and makes its table where it is not there, all in one
    /// transaction. Called with the state's own checkpoint it only claims. Where the table has no rows, the state counts
    /// none either: somebody may have emptied or dropped it.
    ///
    /// A first load that another plan has begun and not finished is given up: where the state read is of phase `Initial`
    /// and has another `plan_hash` than `checkpoint`, its table is dropped and made anew. It is partial by contract, and
    /// what it holds may be gone from Salesforce by now.
    ///
    /// # Errors
    /// [`Error::Fenced`](crate::Error::Fenced), a missing right, a table that is not as planned.
    fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> impl Future<Output = Result<Contents>> + Send;

    /// Opens a segment.
    fn begin(&mut self, load: Load) -> impl Future<Output = Result<()>> + Send;

    /// Takes rows into the open segment. Rows deleted in Salesforce are told by the plan's `is_deleted` position.
    ///
    /// # Errors
    /// [`Error::Value`](crate::Error::Value) where a value does not fit its column: names object, Id and column.
    fn write(&mut self, batch: Batch) -> impl Future<Output = Result<()>> + Send;

    /// Merges, applies deletes, writes the checkpoint, commits. `at` is the wall clock, for `updated_at`.
    fn commit(
        &mut self,
        checkpoint: &Checkpoint,
        deletions: Deletions,
        state: StateWrite,
        at: Timestamp,
    ) -> impl Future<Output = Result<Counts>> + Send;

    /// Whether the last commit wrote the state; `false` before the first one.
    fn has_written_state(&self) -> bool;

    /// Ends when somebody else waits for what the open segment holds, so that a segment without work lets go. Never ends
    /// where a segment keeps nobody waiting. Cancel safe.
    fn wanted(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Gives the open segment up. Without one it does nothing.
    fn rollback(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Makes the indexes of the plan that are not there yet.
    fn build_indexes(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Writes `checked_at` and the watermark without rows, where the epoch is still the one known; claims nothing.
    ///
    /// # Errors
    /// [`Error::Fenced`](crate::Error::Fenced) where another process has claimed the object.
    fn touch(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> impl Future<Output = Result<()>> + Send;
}
