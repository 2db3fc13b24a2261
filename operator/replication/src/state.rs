//! What a destination remembers of each object, written in the transaction of the rows (design 6.1).
//!
//! Nothing else says where to go on: after any crash the state says exactly what the table holds.

use jiff::Timestamp;

use crate::plan::ObjectName;

/// Version of the state tables that this binary writes; older ones are migrated forward, newer ones refused.
pub const SCHEMA_VERSION: i32 = 1;

/// Whose rows these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `namespace/name` of the resource; `default/name` without Kubernetes.
    pub replicator: String,
    /// The org's Id, 18 characters.
    pub organization_id: String,
}

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The first load is under way; the table is partial.
    Initial,
    /// The table is complete as of the watermark.
    Live,
}

impl Phase {
    /// As it is written in `_replication_state.phase`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "Initial",
            Self::Live => "Live",
        }
    }

    /// Reads what [`Phase::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "Initial" => Some(Self::Initial),
            "Live" => Some(Self::Live),
            _ => None,
        }
    }
}

/// The fencing token of an object: whoever writes has made it one higher than what it read (design 6.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// One row of `_replication_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The object; the key.
    pub object: ObjectName,
    /// Whose it is.
    pub owner: Owner,
    /// The table that holds its rows.
    pub table_name: String,
    /// Number of rows in the table, carried along by each segment.
    pub rows: i64,
    /// Who may write.
    pub epoch: Epoch,
    /// What a segment moves.
    pub checkpoint: Checkpoint,
}

/// The part of the state that a run moves, written whole with each segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How far the object is.
    pub phase: Phase,
    /// [`crate::plan::PlanHash`] of the rows in the table.
    pub plan_hash: String,
    /// Start of the first query of the run under way, Salesforce's clock; kept across resumes.
    pub query_start: Option<Timestamp>,
    /// Up to here every visible change has been read, Salesforce's clock.
    pub watermark: Option<Timestamp>,
    /// The last Id committed of a load in the order of Ids.
    pub last_id: Option<String>,
    /// When the object was last found complete, wall clock.
    pub checked_at: Option<Timestamp>,
}

/// What one segment changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that came in as new.
    pub inserted: u64,
    /// Rows that were there and differed.
    pub updated: u64,
    /// Rows that left, or were marked.
    pub deleted: u64,
}

impl Counts {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
    }
}
