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
//! Between segments, with none open: [`ObjectTable::compare`] and [`ObjectTable::outdated_parents`], which look at the
//! table; [`ObjectTable::surplus`] and [`ObjectTable::pending`], which give what was noted; [`ObjectTable::confirm`].
//!
//! **Committed** means: rows, deletes and checkpoint are in the database together and durable, or none of them is.
//!
//! **The guard.** A merged row is written only where its stamp is newer than the table's, or equal and a column
//! differs; an older one never is. Of two rows for one Id in a segment the newer stamp counts, at equal stamps the later
//! read (performance.md 1.4). With [`Load::Overwrite`] a row is written wherever any column differs, its stamp among them,
//! whatever is newer; a marked row that is read as live is unmarked.
//!
//! **Without a stamp** (a plan whose [`stamp`](crate::plan::ObjectPlan::stamp) is `None`) all records are of one age: the column
//! is NULL, and every sentence about stamps is read as if they were equal. A listing tells no row that differs, and a marked
//! row's `deleted_at` is the time at which its deletion was found.
//!
//! **Deleted records** (`IsDeleted` true in the batch) never become rows. With [`Deletes::Remove`](crate::plan::Deletes)
//! and `Mark` they are noted in `_pending_delete` in the segment that found them, if the table has the row, not yet
//! marked, with a stamp that is not newer; a live read with a stamp that is not older takes the entry out. They are
//! applied by the commit that says [`Deletions::Apply`], the run's last. With `Ignore` they are dropped.
//!
//! **Records that left** ([`ObjectTable::leave`]): absent from Salesforce, or outside the condition. They are noted like
//! deleted records, with the stamp that is given or, where the table's is newer or none is given, with the table's own, so
//! that the entry always applies to the row that is there. A live row of the same segment that comes after it takes the
//! entry out again; with `Ignore` nothing is noted.
//!
//! **The delete guard.** [`Deletions::Apply`] asks [`Guard`](crate::guard::Guard) within the transaction: the object's
//! pending entries that are not confirmed against the window and the rows of the state. What it admits is applied, except
//! entries found before [`found_since`](crate::guard::Guard::found_since), and enters the window; what it holds stays
//! noted, and [`Counts::held`] tells how many. The rows that it counts are those that are not marked. Confirmed entries are applied whatever it says, under the same exception, and do not enter
//! the window.
//!
//! **Rejected rows.** A value that does not fit its column rejects its row, not the segment: the row is not written, its
//! former version stays, and `_rejected_row` has one entry for each column that does not fit, with the reason and since
//! when, never the value. So does a value that an index of the plan cannot take, be it built or not, and a row that the database
//! cannot store (its entry has the column `*`). The entries go when the row is written, found unchanged through the guard, noted as deleted and applied, or has left; an entry
//! that is there with the same reason is left alone. A record without Id or stamp is still [`Error::Value`](crate::Error::Value).
//!
//! **A listing** goes by [`ObjectTable::compare`], stretch by stretch in ascending order of Ids (bytewise). Rows of the table
//! that a stretch should have had and lacks, marked ones apart, are noted in `_surplus_row`: candidates only, which the
//! engine reads by Id before they leave. Rejected records that the stretch lacks and that have no such row are told apart
//! ([`Differences::vanished`]), to be read by Id as well. A stretch from the beginning forgets what an earlier listing noted, and so does the
//! first commit whose checkpoint has no listing.
//!
//! **Nothing changed.** A commit with [`StateWrite::WithRows`] whose segment changed no row and noted no delete writes
//! nothing at all, the state included, and says so with empty [`Counts`] and [`ObjectTable::has_written_state`]. The same
//! holds where only deletes are held that were held before.
//!
//! **One writer.** `read_state` remembers the epoch it read. The first commit (or `create`, but never `touch`) claims the
//! object: it makes the epoch one higher where it is still the one read, or, where there is no state, begins with one that no
//! former state of the object had ([`Epoch::first`](crate::state::Epoch::first)). Each commit takes the object's lock (PostgreSQL:
//! an advisory one, since locking a row writes; SQLite: the file's) and compares, just before merging. Whoever finds another
//! epoch gets [`Error::Fenced`](crate::Error::Fenced), nothing is written.
//!
//! **Whose tables.** `prepare` refuses state tables newer than this binary. `read_state` refuses the object when the
//! state belongs to another org or replicator, and when the object's table exists without being in the state; both are
//! [`Error::SchemaConflict`](crate::Error::SchemaConflict) and name whose it is. The state of a replicator that the
//! owner adopts is not refused; the first claim writes the owner's name into it.
//!
//! **Tables that leave.** [`Destination::retire`] puts the tables of objects that are not replicated any more on the
//! list of retired tables and forgets their state; [`ObjectTable::create`] does so with the former table of an object whose
//! state names another one. They keep their rows and are never written. A retired table of ours that is named again is
//! taken off the list by `create`, which then finds [`Contents::Rows`].
//!
//! **Purging.** [`Destination::purge`] drops every table of a replicator, those that are retired too, whatever org their rows
//! came from, and forgets its state; the state tables go with the last replicator, the schema stays. Each object is claimed
//! before its table is dropped, so that a process that still has it open is fenced. A table that something of
//! somebody else depends on stays, with its state, and the error names what depends; the others are dropped all the same.
//! What is not a table of ours any more (another has its name by now) is left alone and forgotten. To purge again goes
//! on where it ended.
//!
//! **Changed columns.** `create` adds columns that are missing. A column whose type differs from the plan's
//! stays until [`ObjectTable::settle_columns`]: meanwhile its values go into a column beside it, made by `create`, that readers
//! do not know. A column that the plan does not have, or has as [`ColumnSource::Empty`](crate::plan::ColumnSource::Empty), keeps
//! its type and its values. Columns are never dropped but in exchange for one of another type.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Result,
    batch::Batch,
    guard::{Guard, HeldDeletes},
    plan::{Identifier, Link, ObjectName, ObjectPlan},
    state::{Checkpoint, Counts, Owner, State},
};

pub mod observed;
pub mod postgres;
mod purging;
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
    /// Rows that were read by Id just now: wherever they differ.
    Overwrite,
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
    Apply(Guard),
}

/// Whether a commit writes the state even if no row changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateWrite {
    /// In any case.
    Always,
    /// Only with rows.
    WithRows,
    /// In any case, and the rows of the table are counted before the guard looks: at the end of a listing, since somebody may
    /// have emptied or filled the table by hand.
    Counted,
}

/// One record of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Id, 18 characters.
    pub id: String,
    /// SystemModstamp.
    pub stamp: Timestamp,
}

/// A stretch of a listing: all records whose Ids are behind `after` and not behind `until`.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    /// The last Id of the stretch before; `None` at the beginning.
    pub after: Option<&'a str>,
    /// The last Id of this one; `None` where nothing follows.
    pub until: Option<&'a str>,
    /// What Salesforce listed, ascending by Id.
    pub listed: &'a [Listed],
}

/// How a stretch differs from the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Listed and not in the table, rejected ones apart.
    pub missing: Vec<String>,
    /// In the table with another stamp, or marked; rejected ones apart.
    pub differing: Vec<String>,
    /// Rows of the table that the stretch lacks; they are noted.
    pub surplus: u64,
    /// Rejected records that the stretch lacks and of which no row is surplus: nothing else would ever end their entries. With
    /// `Ignore`, whose surplus stays, those with a row are among them.
    pub vanished: Vec<String>,
}

/// A record that is not among those that the table is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Id, 18 characters.
    pub id: String,
    /// Its stamp, or that of its deletion, where it is known.
    pub stamp: Option<Timestamp>,
}

/// A table that is kept and not written any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredTable {
    /// Its name.
    pub table: String,
    /// The object that it held.
    pub object: String,
    /// Since when, wall clock.
    pub retired_at: Timestamp,
}

/// What a purge dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// The tables, in order of their names; state tables are not among them.
    pub tables: Vec<String>,
}

/// A column that could not be exchanged for one of another type, since something of somebody else depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInUse {
    /// The column.
    pub column: Identifier,
    /// The views, or whatever else it is, that depend on it.
    pub used_by: Vec<String>,
}

/// An index of the plan that could not be built. The table is complete without it, and slower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnbuiltIndex {
    /// The index.
    pub index: Identifier,
    /// What hinders it, and what to do.
    pub message: String,
}

/// A column of a table that is not as planned, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnDifference {
    /// Its name.
    pub column: String,
    /// What comes of it.
    #[serde(flatten)]
    pub fate: ColumnFate,
}

/// What comes of a column that is not as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "fate")]
pub enum ColumnFate {
    /// The table lacks it; it is added.
    Added,
    /// It has another type, and is exchanged for one of the plan's when every row has been read.
    Exchanged {
        /// The type that it has.
        from: String,
        /// The plan's.
        to: String,
    },
    /// It has another type and keeps it, since something of somebody else depends on it.
    InUse {
        /// The type that it has.
        from: String,
        /// The plan's.
        to: String,
        /// What depends on it.
        used_by: Vec<String>,
    },
    /// The plan does not have it: it is kept, and nothing is written into it.
    Kept,
    /// The plan does not have it, and no row can be inserted without a value for it.
    Demanding,
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

    /// Names of the columns that each of the tables has at this moment, in the table's order; tables that are not there are
    /// not in the answer. Writes nothing.
    ///
    /// # Errors
    /// The database cannot be reached.
    fn existing_columns(
        &self,
        tables: &[Identifier],
    ) -> impl Future<Output = Result<BTreeMap<Identifier, Vec<String>>>> + Send;

    /// Retires the tables of the owner's objects that are not among `kept`, whatever the case of their names, and gives all retired tables of the owner in
    /// order of their names. Writes nothing where none is to be retired. What retired objects had noted (pending deletes, surplus,
    /// rejected rows) is forgotten with their state.
    ///
    /// # Errors
    /// The database cannot be reached, or a right is missing.
    fn retire(
        &self,
        owner: &Owner,
        kept: &[ObjectName],
        at: Timestamp,
    ) -> impl Future<Output = Result<Vec<RetiredTable>>> + Send;

    /// Drops all that a replicator (`namespace/name`) has here, each table in a transaction of its own. Needs no plan and no
    /// org. Writes nothing where it has nothing here.
    ///
    /// # Errors
    /// Of kind Invalid where something depends on a table, or on the state tables; a missing right, a lock that others hold.
    /// Several are one error that tells all of them, of the kind that is tried again first.
    fn purge(&self, replicator: &str) -> impl Future<Output = Result<Purged>> + Send;

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
    /// [`Error::SchemaConflict`](crate::Error::SchemaConflict) where state or table belong to somebody else, or any object of
    /// the owner came from another org.
    fn read_state(&mut self) -> impl Future<Output = Result<Option<State>>> + Send;

    /// How the table's columns differ from the plan's, the plan's first; empty where the table is not there. Writes nothing. Not
    /// inside a segment.
    fn column_differences(&mut self) -> impl Future<Output = Result<Vec<ColumnDifference>>> + Send;

    /// Claims the object, writes `checkpoint` as its state and makes its table where it is not there, all in one
    /// transaction. Called with the state's own checkpoint it only claims. Where the table has no rows, the state counts
    /// none either: somebody may have emptied or dropped it.
    ///
    /// A first load that another plan has begun and not finished is given up: where the state read is of phase `Initial`
    /// and has another `plan_hash` than `checkpoint`, its table is dropped and made anew. It is partial by contract, and
    /// what it holds may be gone from Salesforce by now. A table in which that load found rows of another life (its state has
    /// no `reconciled_at`) is not partial, and stays; so does one that a view of somebody else keeps from being dropped, and
    /// its rows are then of another life.
    ///
    /// # Errors
    /// [`Error::Fenced`](crate::Error::Fenced), a missing right, a table that is not as planned.
    fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> impl Future<Output = Result<Contents>> + Send;

    /// Opens a segment.
    fn begin(&mut self, load: Load) -> impl Future<Output = Result<()>> + Send;

    /// Takes rows into the open segment. Rows deleted in Salesforce are told by the plan's `is_deleted` position.
    ///
    /// # Errors
    /// [`Error::Value`](crate::Error::Value) where a record has no Id or no readable stamp.
    fn write(&mut self, batch: Batch) -> impl Future<Output = Result<()>> + Send;

    /// Notes records that left in the open segment, behind the rows that were written into it before.
    fn leave(&mut self, left: Vec<Left>) -> impl Future<Output = Result<()>> + Send;

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

    /// Makes the indexes of the plan that are not there yet. Gives those that the database refuses, which is no reason to keep
    /// rows waiting.
    ///
    /// # Errors
    /// What passes by itself; a name that something of somebody else has.
    fn build_indexes(&mut self) -> impl Future<Output = Result<Vec<UnbuiltIndex>>> + Send;

    /// Writes what a checkpoint says of time (watermark, `checked_at`, `verified_until`, `reconciled_at`, `refreshed_at`)
    /// without rows, where the epoch is still the one known; claims nothing.
    ///
    /// # Errors
    /// [`Error::Fenced`](crate::Error::Fenced) where another process has claimed the object.
    fn touch(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> impl Future<Output = Result<()>> + Send;

    /// Compares a stretch of a listing with the table and notes its surplus, in a transaction of its own that claims where it
    /// notes anything. Not inside a segment.
    ///
    /// # Errors
    /// [`Error::Fenced`](crate::Error::Fenced) where another process has claimed the object.
    fn compare(&mut self, stretch: Stretch<'_>) -> impl Future<Output = Result<Differences>> + Send;

    /// At most `limit` Ids of noted surplus behind `after`, ascending. Not inside a segment.
    fn surplus(&mut self, after: Option<&str>, limit: u32) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// At most `limit` Ids of pending deletes behind `after`, ascending. Not inside a segment.
    fn pending(&mut self, after: Option<&str>, limit: u32) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// The pending deletes that nobody has confirmed, as a person sees them; `None` where there are none. Reads all of them,
    /// in the order of `(found_at, salesforce_id)`. Not inside a segment.
    fn held(&mut self) -> impl Future<Output = Result<Option<HeldDeletes>>> + Send;

    /// Confirms the pending deletes that the token is for: the first so many of those that nobody has confirmed, if their
    /// hash is the token's. A transaction of its own, which claims. `false` where the token is not for what is held. Not
    /// inside a segment.
    ///
    /// # Errors
    /// [`Error::Fenced`](crate::Error::Fenced) where another process has claimed the object.
    fn confirm(&mut self, token: &str, at: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Whether the guard would let the pending deletes go that nobody has confirmed, as the table is at this moment. Writes
    /// nothing. Not inside a segment.
    fn admits(&mut self, guard: Guard, at: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Those of the parents in the batch (its select list is the link's) that have a child in the table with another value
    /// in one of the link's compared columns. Only for a link with a reference column and compared columns. Marked children
    /// do not count. Not inside a segment.
    fn outdated_parents(&mut self, link: &Link, parents: Batch) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// Exchanges columns of another type for those beside them, in one transaction, when every row that Salesforce has was
    /// written by this plan. Rows that were not (marked ones, those whose delete is pending, rejected ones, and under `Ignore` those
    /// of `_surplus_row`) keep their value where it fits the new type. Columns whose field is excluded
    /// ([`ColumnSource::Null`](crate::plan::ColumnSource::Null)) are NULL afterwards in every row. Gives those that could not be exchanged; their values stay as they were, and the column beside them is
    /// dropped. The table is to be opened again afterwards. Not inside a segment.
    fn settle_columns(&mut self) -> impl Future<Output = Result<Vec<ColumnInUse>>> + Send;
}
