//! What goes wrong between Salesforce and the database.

use std::{fmt, time::Duration};

use salesforce::{ErrorKind, Retry};

use crate::{
    guard::HeldDeletes,
    plan::{Identifier, ObjectName},
    progress::RunKind,
    quota::Spent,
};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that ends a run, or keeps one from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Salesforce, or the way to it.
    #[error(transparent)]
    Salesforce(#[from] salesforce::Error),
    /// The resource asks for what describe or the destination does not have. All problems at once.
    #[error("the resource cannot be planned: {0}")]
    Plan(Problems),
    /// The resource asks for what describe does not have of one object: it does not run, others do. All problems at once.
    #[error("{problems}")]
    Unplanned {
        /// The CamelCase word: `InvalidObject`, `InvalidField`, `InvalidSpec`.
        reason: &'static str,
        /// What is wrong, each a sentence that begins with the object.
        problems: Problems,
    },
    /// A secret of the resource is not there or cannot be read. Its value is not told.
    #[error("{message}")]
    Secret {
        /// The CamelCase word: `SecretNotFound`, `KeyMissing`.
        reason: &'static str,
        /// Which secret and key, and where it is looked for.
        message: String,
    },
    /// Salesforce does not know the object or one of its fields any more, or hides it from this user.
    #[error(
        "{object}: {}; {} was removed, or the user may not see it any more; restore it, give the right back (field-level security of \
         a permission set), or take it out of the resource",
        source.message(), gone(source)
    )]
    SchemaChanged {
        /// The object.
        object: ObjectName,
        /// What Salesforce said.
        #[source]
        source: salesforce::Error,
    },
    /// Salesforce does not take the condition of the resource.
    #[error("{object}: where: {}; mend `where` of this object", source.message())]
    Condition {
        /// The object.
        object: ObjectName,
        /// What Salesforce said.
        #[source]
        source: salesforce::Error,
    },
    /// Tables or state belong to somebody else, or are not as planned. Nothing was written.
    #[error("{message}")]
    SchemaConflict {
        /// Whose it is and what to do.
        message: String,
    },
    /// Salesforce told of more rows than it gave, in query after query.
    #[error(
        "{object}: Salesforce tells of rows that it does not give ({given} of {size} came); what came is kept, the rest is \
         asked for again by the next run; if this stays, ask Salesforce's support about queries of this object"
    )]
    RowsMissing {
        /// The object.
        object: ObjectName,
        /// Rows that the last query gave.
        given: u64,
        /// Rows that it told of, as a word where it told no number.
        size: String,
    },
    /// A record is larger than an answer may be.
    #[error(
        "{object} {id}: the record alone is too large: {}; leave its longest fields out (exclude, or the mapping None and fields), or \
         shorten them in Salesforce; records before it are kept, those behind it wait",
        source.message()
    )]
    RecordTooLarge {
        /// The object.
        object: ObjectName,
        /// The record's Id.
        id: String,
        /// What the client said.
        #[source]
        source: salesforce::Error,
    },
    /// The database, or the way to it.
    #[error("{message}")]
    Database {
        /// Who can mend it.
        kind: ErrorKind,
        /// What was being done, to which table, what to do. No values, no SQL with literals.
        message: String,
        /// The driver's error, for the log.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A value does not fit its column. The value itself is not told.
    #[error("{object} {id}: the value for column {column} {problem}")]
    Value {
        /// The object.
        object: ObjectName,
        /// The record's Id.
        id: String,
        /// The column.
        column: Identifier,
        /// What is wrong, without the value: "is not a number".
        problem: &'static str,
    },
    /// A row of a direct load was there already. The engine reads the segment again through the guard.
    #[error("{object}: rows of a first load are in the table already")]
    RowsExist {
        /// The object.
        object: ObjectName,
    },
    /// Another process has claimed the object since its state was read. Nothing was written.
    #[error("{object}: another process replicates it now; this one lets go")]
    Fenced {
        /// The object.
        object: ObjectName,
    },
    /// Somebody confirmed deletes that are not, or not any more, those that are held.
    #[error("{object}: the token that was given is not for the deletes that are held now: {}; nothing was deleted", now_held(held.as_ref(), object))]
    NotHeld {
        /// The object.
        object: ObjectName,
        /// What is held.
        held: Option<HeldDeletes>,
    },
    /// So many of the org's calls are used that a run of this kind waits.
    #[error(
        "{object}: {kind} waits: {} of the org's {} API calls in 24 hours are used, by anybody, and from {} ({} %{}) on it leaves the \
         rest to others; it goes on by itself when fewer are used, and a run by trigger.manual does not wait; Setup, System \
         Overview, API Usage tells who uses them",
        spent.used, spent.limit, spent.bound(), spent.percent, budget_named(*kind)
    )]
    Budget {
        /// The object.
        object: ObjectName,
        /// The kind of run.
        kind: RunKind,
        /// What is used.
        spent: Spent,
    },
    /// Something that this version does not do yet.
    #[error("{0}")]
    NotServed(String),
    /// A run showed no sign of life for so long that it was given up; what was committed stays.
    #[error(
        "{object}: the run stood still for {} minutes, longer than any answer may take, and was given up; it is begun again where \
         it ended; if this comes back, report it with the operator's log",
        after.as_secs() / 60
    )]
    Stalled {
        /// The object.
        object: ObjectName,
        /// For how long.
        after: Duration,
    },
    /// A run panicked; what was committed stays.
    #[error("{object}: the run panicked, which is a defect of this program: the log has its place; please report it")]
    Panicked {
        /// The object.
        object: ObjectName,
    },
    /// The run was cancelled; what was committed stays.
    #[error("cancelled")]
    Cancelled,
    /// A defect of ours: a task panicked or a channel closed out of order.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Problems of a plan, each a sentence that names the object and the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

fn now_held(held: Option<&HeldDeletes>, object: &ObjectName) -> String {
    match held {
        Some(HeldDeletes { count, token }) => format!(
            "{count} are, with the token {token}; look at them, and where they are meant let exactly them go by \
             run --once --confirm-deletes {object}={token}"
        ),
        None => "none are".to_owned(),
    }
}

/// What Salesforce does not know any more, as far as it names it.
fn gone(error: &salesforce::Error) -> String {
    let field = error.as_fault().and_then(|fault| fault.missing_field());
    field.map_or_else(|| "the object or a field".to_owned(), |field| format!("field {field}"))
}

/// Where the bound of a kind is written.
fn budget_named(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Incremental => "",
        RunKind::Initial | RunKind::Verify | RunKind::Reconcile | RunKind::Refresh => ", connection.apiBudgetPercent",
    }
}

impl Error {
    /// Who can mend it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Salesforce(error) => error.kind(),
            Self::Plan(_)
            | Self::Unplanned { .. }
            | Self::NotServed(_)
            | Self::NotHeld { .. }
            | Self::SchemaChanged { .. }
            | Self::Condition { .. }
            | Self::SchemaConflict { .. }
            | Self::RecordTooLarge { .. } => ErrorKind::Invalid,
            Self::Secret { .. } => ErrorKind::Credentials,
            Self::Budget { .. } => ErrorKind::Quota,
            Self::Database { kind, .. } => *kind,
            Self::Value { .. } | Self::Panicked { .. } | Self::Internal(_) => ErrorKind::Fatal,
            Self::RowsMissing { .. }
            | Self::RowsExist { .. }
            | Self::Fenced { .. }
            | Self::Stalled { .. }
            | Self::Cancelled => ErrorKind::Transient,
        }
    }

    /// When to try again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Salesforce(error) => error.retry(),
            // The token is not given again, and without it the run is as any other.
            Self::NotHeld { .. } => Retry::Backoff,
            Self::Plan(_)
            | Self::Unplanned { .. }
            | Self::Secret { .. }
            | Self::SchemaChanged { .. }
            | Self::Condition { .. }
            | Self::SchemaConflict { .. }
            | Self::RecordTooLarge { .. }
            | Self::RowsMissing { .. }
            | Self::Database { .. }
            | Self::Value { .. }
            | Self::RowsExist { .. }
            | Self::Fenced { .. }
            | Self::Budget { .. }
            | Self::NotServed(_)
            | Self::Stalled { .. }
            | Self::Panicked { .. }
            | Self::Cancelled
            | Self::Internal(_) => self.kind().retry(),
        }
    }

    /// Condition reason, event reason and metric label, from the closed list in `crds`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Salesforce(error) => error.reason(),
            Self::Plan(_) => "InvalidSpec",
            Self::NotServed(_) => "NotServed",
            Self::Unplanned { reason, .. } | Self::Secret { reason, .. } => reason,
            Self::SchemaChanged { source, .. }
            | Self::Condition { source, .. }
            | Self::RecordTooLarge { source, .. } => source.reason(),
            Self::NotHeld { .. } => "DeleteGuard",
            Self::SchemaConflict { .. } => "SchemaConflict",
            Self::RowsMissing { .. } => "UnexpectedAnswer",
            Self::Database { kind, .. } => match kind {
                ErrorKind::Credentials => "DatabaseCredentials",
                ErrorKind::Invalid | ErrorKind::Fatal | ErrorKind::Quota => "DatabaseError",
                ErrorKind::Transient => "DatabaseUnavailable",
            },
            Self::Value { .. } => "RowsRejected",
            Self::RowsExist { .. } => "DatabaseError",
            Self::Budget { .. } => "QuotaExhausted",
            Self::Fenced { .. } => "Fenced",
            Self::Stalled { .. } => "RunStalled",
            Self::Panicked { .. } => "RunPanicked",
            Self::Cancelled => "Cancelled",
            Self::Internal(_) => "InternalError",
        }
    }

    /// For an administrator's eyes: the text without its sources, which go to the log.
    pub fn message(&self) -> String {
        match self {
            Self::Salesforce(error) => error.message(),
            Self::Plan(_)
            | Self::Unplanned { .. }
            | Self::Secret { .. }
            | Self::SchemaChanged { .. }
            | Self::Condition { .. }
            | Self::NotHeld { .. }
            | Self::SchemaConflict { .. }
            | Self::RecordTooLarge { .. }
            | Self::RowsMissing { .. }
            | Self::Database { .. }
            | Self::Value { .. }
            | Self::RowsExist { .. }
            | Self::Fenced { .. }
            | Self::Budget { .. }
            | Self::NotServed(_)
            | Self::Stalled { .. }
            | Self::Panicked { .. }
            | Self::Cancelled
            | Self::Internal(_) => self.to_string(),
        }
    }
}
