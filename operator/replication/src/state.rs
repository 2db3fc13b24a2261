//! What a destination remembers of each object, written in the transaction of the rows (design 6.1).
//!
//! Nothing else says where to go on: after any crash the state says exactly what the table holds.

use jiff::Timestamp;

use crate::{guard::DeletesWindow, plan::ObjectName};

/// Version of the state tables that this binary writes; older ones are migrated forward, newer ones refused.
pub const SCHEMA_VERSION: i32 = 2;

/// Whose rows these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `namespace/name` of the resource; `default/name` without Kubernetes.
    pub replicator: String,
    /// The org's Id, 18 characters.
    pub organization_id: String,
    /// Another replicator, `namespace/name`, whose state of the same org this one may take over (design 6.1, `--adopt`).
    pub adopts: Option<String>,
}

impl Owner {
    /// Whether state of `replicator` for `organization_id` may be written by this owner: it is its own, or that of the one
    /// that it adopts.
    pub fn may_write(&self, replicator: &str, organization_id: &str) -> bool {
        let is_known = self.replicator == replicator || self.adopts.as_deref() == Some(replicator);
        is_known && self.organization_id == organization_id
    }
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

impl Epoch {
    /// The first one of a state that is made at this moment, in microseconds. A state that was forgotten (retired, purged) takes
    /// its count with it: if the next one began at the same number, a writer that stalled in the former life would be
    /// let in by the new one.
    pub fn first(at: Timestamp) -> Self {
        Self(at.as_microsecond().max(1))
    }
}

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
    /// Number of its entries in `_pending_delete`.
    pub pending: u64,
    /// Number of those that somebody has confirmed.
    pub confirmed: u64,
    /// Number of records in `_rejected_row`.
    pub rejected: u64,
    /// Deletes of the last 24 hours.
    pub deletes_window: DeletesWindow,
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
    /// Up to here late commits and hard deletes have been looked for, Salesforce's clock.
    pub verified_until: Option<Timestamp>,
    /// When a Reconcile, or what covers one, was last complete, wall clock.
    pub reconciled_at: Option<Timestamp>,
    /// When a Refresh, or what covers one, was last complete, wall clock.
    pub refreshed_at: Option<Timestamp>,
    /// The listing under way, which goes on behind its last Id.
    pub listing: Option<Listing>,
}

/// A pass over all records by Id that is under way: a Reconcile or a Refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which of the two.
    pub kind: ListingKind,
    /// [`crate::plan::PlanHash`] that it began with. Under another one it begins anew.
    pub plan_hash: String,
    /// Before its first query, Salesforce's clock.
    pub started: Timestamp,
    /// What getUpdated covered just before its first query, never later than `started`; `None` where that is not served.
    pub covered: Option<Timestamp>,
    /// The last Id that was committed; `None` before the first segment.
    pub last_id: Option<String>,
}

/// A kind of run that lists all records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingKind {
    /// Ids and stamps.
    Reconcile,
    /// Whole rows.
    Refresh,
}

impl ListingKind {
    /// As it is written in `_replication_state.listing_kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reconcile => "Reconcile",
            Self::Refresh => "Refresh",
        }
    }

    /// Reads what [`ListingKind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "Reconcile" => Some(Self::Reconcile),
            "Refresh" => Some(Self::Refresh),
            _ => None,
        }
    }
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
    /// Records whose values do not fit and that are therefore listed in `_rejected_row`, now or still.
    pub rejected: u64,
    /// Deletes that the guard holds. Known only after a commit that applies.
    pub held: u64,
}

impl Counts {
    /// Whether no row was written.
    pub fn is_empty(&self) -> bool {
        let Self {
            inserted,
            updated,
            deleted,
            rejected: _,
            held: _,
        } = self;
        [inserted, updated, deleted].iter().all(|rows| **rows == 0)
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.rejected += other.rejected;
        self.held = other.held;
    }
}
