//! What a run says of itself while it goes on, and at its end.
//!
//! The engine tells an [`Observer`]; progress bars of the command line, the status of the resource and the metrics of
//! the operator are observers.

use std::fmt;

use jiff::Timestamp;
use salesforce::ErrorKind;
use serde::Serialize;

use crate::{guard::HeldDeletes, plan::ObjectName, state::Counts};

/// One of the five kinds of run (design 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RunKind {
    /// All live rows, for the first time.
    Initial,
    /// What changed since the watermark.
    Incremental,
    /// Late commits and hard deletes.
    Verify,
    /// All Ids with their stamps compared.
    Reconcile,
    /// Every row read again.
    Refresh,
}

impl RunKind {
    /// Whether it follows the Incrementals at its own pace. An Initial does not: nothing goes before it.
    pub(crate) fn is_long(self) -> bool {
        match self {
            Self::Initial | Self::Incremental => false,
            Self::Verify | Self::Reconcile | Self::Refresh => true,
        }
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initial => "Initial",
            Self::Incremental => "Incremental",
            Self::Verify => "Verify",
            Self::Reconcile => "Reconcile",
            Self::Refresh => "Refresh",
        })
    }
}

/// What happened to one object's run.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run began.
    Started,
    /// The number of rows that the first query will give is known.
    Size(u64),
    /// Rows were read from Salesforce; the sum so far.
    Read(u64),
    /// A segment was committed.
    Committed(Counts),
    /// The run ended.
    Ended(Box<RunReport>),
}

/// Is told what runs do. Calls must not block.
pub trait Observer: std::fmt::Debug + Send + Sync + 'static {
    /// Something happened to the run of `kind` over `object`.
    fn observe(&self, object: &ObjectName, kind: RunKind, event: &Event);
}

/// Looks away.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _object: &ObjectName, _kind: RunKind, _event: &Event) {}
}

/// One run of one object, ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// The object.
    pub object: String,
    /// Its table.
    pub table: String,
    /// The kind of run.
    pub kind: RunKind,
    /// Wall clock.
    pub start_time: Timestamp,
    /// Wall clock.
    pub end_time: Timestamp,
    /// Rows that Salesforce sent, deleted ones included.
    pub rows_read: u64,
    /// Rows inserted or updated.
    pub rows_written: u64,
    /// Rows removed or marked.
    pub rows_deleted: u64,
    /// Calls of this run's own that Salesforce counted.
    pub api_calls: u64,
    /// Characters that XML forbids, removed from values.
    pub removed_characters: u64,
    /// Rows in the table.
    pub rows: i64,
    /// Up to here every visible change has been read, Salesforce's clock.
    pub watermark: Option<Timestamp>,
    /// Rows whose values do not fit: they stay as they were, and `_rejected_row` lists them.
    pub rejected: u64,
    /// Deletes that the guard holds until somebody confirms them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldDeletes>,
    /// What a Reconcile found, or what a Refresh did beside its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The plan has changed, and rows are not as it says until this kind of run is complete (`Ready=False/PlanChanged`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changing: Option<RunKind>,
    /// What keeps the object from being as good as it could be: `Degraded`.
    pub degraded: Vec<Degradation>,
    /// What ended it early.
    pub error: Option<RunError>,
    /// Whether there is no plan of the object, so that nothing ran.
    #[serde(skip)]
    pub is_unplanned: bool,
    /// Where it ended early, when it is tried again at the latest, wall clock. Known when its tick reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_time: Option<Timestamp>,
}

impl RunReport {
    /// Of a run that did nothing yet.
    pub fn new(object: impl Into<String>, table: impl Into<String>, kind: RunKind, at: Timestamp) -> Self {
        Self {
            object: object.into(),
            table: table.into(),
            kind,
            start_time: at,
            end_time: at,
            rows_read: 0,
            rows_written: 0,
            rows_deleted: 0,
            api_calls: 0,
            removed_characters: 0,
            rows: 0,
            watermark: None,
            rejected: 0,
            held: None,
            drift: None,
            changing: None,
            degraded: Vec::new(),
            error: None,
            is_unplanned: false,
            next_try_time: None,
        }
    }
}

/// How a table differed from Salesforce when all Ids were compared. Changes that the next Incremental would have brought
/// are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Records without a row.
    pub missing: u64,
    /// Rows that were not as the record is.
    pub differing: u64,
    /// Rows without a record.
    pub surplus: u64,
}

/// A reason for `Degraded`, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Degradation {
    /// The CamelCase word: `FieldMissing`, `ColumnInUse`, `IndexNotBuilt`, `PlanOutdated`, `PartialVisibility`, `QuotaNear`.
    pub reason: &'static str,
    /// For an administrator's eyes.
    pub message: String,
}

/// An error as a report tells it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunError {
    /// Who can mend it.
    #[serde(serialize_with = "kind_name")]
    pub kind: ErrorKind,
    /// The CamelCase word.
    pub reason: &'static str,
    /// For an administrator's eyes.
    pub message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn kind_name<S: serde::Serializer>(kind: &ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{kind:?}"))
}
