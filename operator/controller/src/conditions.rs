//! From how a replicator stands to the six conditions. Pure.
//!
//! `Ready` sums up: it is true only where the spec is accepted, every object is complete, and the data is not stale; an object
//! that failed, deletes that are held, rows that were rejected and rows that are not yet as a changed plan has them are
//! each a reason to say so. It goes by what was achieved and not by what was tried: a replicator that is silent for too
//! long is not ready, though nothing failed. While a resource is suspended `Ready` keeps its value, since nobody expects
//! anything of it.

use std::{collections::BTreeSet, time::Duration};

use crds::{ConditionType, Reason, Schedule};
use jiff::Timestamp;

use crate::standing::{Activity, ObjectStanding, Standing, Trouble};

/// A success that is younger than this is never stale: an interval of seconds must not make a short outage an alarm
/// (design section 9).
const FRESH: Duration = Duration::from_mins(15);

/// One condition, before it is compared with the one that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) of: ConditionType,
    /// `None` is Unknown.
    pub(crate) holds: Option<bool>,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Verdict {
    fn new(of: ConditionType, holds: impl Into<Option<bool>>, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            of,
            holds: holds.into(),
            reason,
            message: message.into(),
        }
    }

    /// As it stands in `status.conditions[].status`.
    pub(crate) fn status(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// Whose matter an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Spec,
    Credentials,
    Salesforce,
    Destination,
    Run,
}

/// Whose matter a reason is, and the word that `Ready` has for it (kubernetes.md 2.2).
fn of(reason: Reason) -> (Side, Reason) {
    match reason {
        Reason::InvalidSchedule => (Side::Spec, Reason::InvalidSchedule),
        Reason::InvalidSpec
        | Reason::NotServed
        | Reason::InvalidField
        | Reason::InvalidObject
        | Reason::InvalidQuery
        | Reason::InvalidConnection
        | Reason::FieldMissing
        | Reason::PlanOutdated => (Side::Spec, Reason::InvalidSpec),
        Reason::CredentialsMissing | Reason::SecretNotFound | Reason::KeyMissing => {
            (Side::Credentials, Reason::CredentialsMissing)
        }
        Reason::LoginRejected
        | Reason::InvalidCredentials
        | Reason::PasswordExpired
        | Reason::LoginPaused
        | Reason::LoginRetiring
        | Reason::SoapLoginUnavailable
        | Reason::CredentialsInvalid => (Side::Credentials, Reason::LoginRejected),
        Reason::QuotaExhausted | Reason::QuotaNear => (Side::Salesforce, Reason::QuotaExhausted),
        Reason::AccessDenied
        | Reason::SourceUnreachable
        | Reason::SalesforceUnavailable
        | Reason::OrgUnavailable
        | Reason::CertificateNotTrusted
        | Reason::SalesforceFault
        | Reason::ResponseTooLarge
        | Reason::UnreadableAnswer
        | Reason::UnexpectedAnswer
        | Reason::SessionLost
        | Reason::QueryTimeout
        | Reason::QueryLocatorExpired
        | Reason::ReplicationWindow
        | Reason::PartialVisibility => (Side::Salesforce, Reason::SourceUnreachable),
        Reason::SchemaConflict => (Side::Destination, Reason::SchemaConflict),
        Reason::DestinationUnreachable
        | Reason::ConnectionFailed
        | Reason::PermissionDenied
        | Reason::DatabaseCredentials
        | Reason::DatabaseUnavailable
        | Reason::DatabaseError
        | Reason::MigrationFailed
        | Reason::ColumnInUse
        | Reason::IndexNotBuilt => (Side::Destination, Reason::DestinationUnreachable),
        Reason::DeleteGuard => (Side::Run, Reason::DeleteGuard),
        Reason::RowsRejected => (Side::Run, Reason::RowsRejected),
        Reason::RunPanicked => (Side::Run, Reason::RunPanicked),
        Reason::UpToDate
        | Reason::Authenticated
        | Reason::Applied
        | Reason::AsExpected
        | Reason::Pending
        | Reason::InitialRun
        | Reason::PlanChanged
        | Reason::RunInProgress
        | Reason::WaitingForSchedule
        | Reason::WaitingForManual
        | Reason::BackingOff
        | Reason::Suspended
        | Reason::Requested
        | Reason::Active
        | Reason::Fenced
        | Reason::ObjectsFailing
        | Reason::RunFailed
        | Reason::RunStalled
        | Reason::Cancelled
        | Reason::Stale
        | Reason::InternalError
        | Reason::InitialRunCompleted
        | Reason::RunRecovered
        | Reason::ManualRunCompleted
        | Reason::SchemaChanged
        | Reason::CredentialsRotated
        | Reason::Resumed
        | Reason::ObjectRemoved
        | Reason::TablesDropped
        | Reason::CleanupFailed => (Side::Run, Reason::ObjectsFailing),
    }
}

/// The six conditions; `None` for one that keeps what it has. One that is Unknown keeps it too: nobody has looked since the
/// process started, and what the one before has seen is the best that is known.
pub(crate) fn judge(
    standing: &Standing,
    is_suspended: bool,
    schedule: Option<&Schedule>,
    now: Timestamp,
) -> Vec<Option<Verdict>> {
    let refused = standing
        .trouble
        .as_ref()
        .is_some_and(|trouble| of(trouble.reason).0 == Side::Spec);
    let ready = if is_suspended && !refused {
        None
    } else {
        Some(ready(standing, schedule, now))
    };
    vec![
        ready,
        Some(synchronizing(standing, is_suspended, schedule)),
        Some(credentials(standing)),
        Some(destination(standing)),
        Some(degraded(standing)),
        Some(suspended(standing, is_suspended)),
    ]
}

fn ready(standing: &Standing, schedule: Option<&Schedule>, now: Timestamp) -> Verdict {
    let is = |holds, reason, message: String| Verdict::new(ConditionType::Ready, holds, reason, message);
    if let Some(trouble) = &standing.trouble {
        return is(false, of(trouble.reason).1, trouble.message.clone());
    }
    let objects = &standing.objects;
    if let Some((reason, message)) = failing(objects) {
        return is(false, reason, message);
    }
    let held = named(objects, |object| {
        let held = object.held.as_ref()?;
        Some(format!(
            "{}: {} deletes are held; where they are meant, annotate {}: \"{}={}\"",
            object.name,
            held.count,
            crds::annotation::CONFIRM_DELETES,
            object.name,
            held.token
        ))
    });
    if let Some(message) = held {
        return is(false, Reason::DeleteGuard, message);
    }
    let rejected = named(objects, |object| {
        (object.rejected > 0).then(|| {
            format!(
                "{}: {} rows have values that do not fit their columns and stay as they were; table _rejected_row lists them",
                object.name, object.rejected
            )
        })
    });
    if let Some(message) = rejected {
        return is(false, Reason::RowsRejected, message);
    }
    let first = names(objects, |object| !object.is_live);
    if !first.is_empty() {
        return is(
            false,
            Reason::InitialRun,
            format!("the first load of {first} is not complete"),
        );
    }
    let changing = names(objects, |object| object.changing.is_some());
    if !changing.is_empty() {
        return is(
            false,
            Reason::PlanChanged,
            format!("the rows of {changing} are being brought to the changed plan"),
        );
    }
    match standing.last_success {
        None => is(false, Reason::InitialRun, "no run has been complete yet".to_owned()),
        Some(last)
            if schedule
                .and_then(|schedule| stale_at(schedule, last))
                .is_some_and(|at| at <= now) =>
        {
            is(
                false,
                Reason::Stale,
                format!("the last complete run ended at {}", seconds(last)),
            )
        }
        Some(_) => is(true, Reason::UpToDate, "every object is up to date".to_owned()),
    }
}

/// Objects that fail: under the one reason that all of them have where none works, else as some that fail.
fn failing(objects: &[ObjectStanding]) -> Option<(Reason, String)> {
    let message = named(objects, |object| Some(told(object, &object.current_failure()?.trouble)))?;
    let reasons: BTreeSet<Option<Reason>> = objects
        .iter()
        .map(|object| Some(of(object.current_failure()?.trouble.reason).1))
        .collect();
    let mut reasons = reasons.into_iter();
    match (reasons.next(), reasons.next()) {
        (Some(Some(reason)), None) => Some((reason, message)),
        _ => Some((Reason::ObjectsFailing, message)),
    }
}

/// An error with its object's name, where it does not name it itself.
fn told(object: &ObjectStanding, trouble: &Trouble) -> String {
    if trouble.message.contains(&object.name) {
        trouble.message.clone()
    } else {
        format!("{}: {}", object.name, trouble.message)
    }
}

/// What is said of the first few objects of which something is to be said; `None` where that is none of them.
fn named(objects: &[ObjectStanding], say: impl Fn(&ObjectStanding) -> Option<String>) -> Option<String> {
    const FEW: usize = 3;
    let said: Vec<String> = objects.iter().filter_map(say).collect();
    let more = said.len().saturating_sub(FEW);
    let few = said.iter().take(FEW).cloned().collect::<Vec<_>>().join("; ");
    match (said.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(few),
        (false, more) => Some(format!("{few}; and {more} more objects")),
    }
}

fn names(objects: &[ObjectStanding], which: impl Fn(&ObjectStanding) -> bool) -> String {
    let names: Vec<&str> = objects
        .iter()
        .filter(|object| which(object))
        .map(|object| object.name.as_str())
        .collect();
    names.join(", ")
}

/// When a success of this time is too old (design section 9): three intervals and at least 15 minutes; with a cron line, two due times
/// missed by 15 minutes; `None` where only a person starts runs.
pub(crate) fn stale_at(schedule: &Schedule, last: Timestamp) -> Option<Timestamp> {
    match schedule {
        Schedule::Interval(interval) => last.checked_add(interval.saturating_mul(3).max(FRESH)).ok(),
        Schedule::Cron(_) => {
            let second = schedule.next_after(schedule.next_after(last)?)?;
            second.checked_add(FRESH).ok()
        }
        Schedule::Manual => None,
    }
}

fn synchronizing(standing: &Standing, is_suspended: bool, schedule: Option<&Schedule>) -> Verdict {
    let is = |holds, reason, message: &str| Verdict::new(ConditionType::Synchronizing, holds, reason, message);
    if standing.is_running() {
        return is(true, Reason::RunInProgress, "runs are in progress");
    }
    match (standing.activity, schedule) {
        (Activity::Suspending | Activity::Suspended, _) => is(false, Reason::Suspended, "spec.suspend is true"),
        _ if is_suspended => is(false, Reason::Suspended, "spec.suspend is true"),
        (Activity::BackingOff, _) => is(false, Reason::BackingOff, "what failed is tried again after a pause"),
        (_, Some(Schedule::Manual)) => is(
            false,
            Reason::WaitingForManual,
            "a new value of spec.trigger.manual starts a run",
        ),
        (_, Some(Schedule::Interval(_) | Schedule::Cron(_)) | None) => {
            is(false, Reason::WaitingForSchedule, "the next run starts by the trigger")
        }
    }
}

/// The first trouble of this side: what keeps all objects, else what keeps one.
fn trouble_of(standing: &Standing, side: Side) -> Option<(Reason, String)> {
    let whole = standing.trouble.as_ref().filter(|trouble| of(trouble.reason).0 == side);
    if let Some(trouble) = whole {
        return Some((trouble.reason, trouble.message.clone()));
    }
    let mut failed = standing.objects.iter().filter_map(|object| {
        let trouble = &object.current_failure()?.trouble;
        (of(trouble.reason).0 == side).then(|| (trouble.reason, told(object, trouble)))
    });
    failed.next()
}

fn credentials(standing: &Standing) -> Verdict {
    let is = |holds: Option<bool>, reason, message: &str| {
        Verdict::new(ConditionType::CredentialsValid, holds, reason, message)
    };
    match trouble_of(standing, Side::Credentials) {
        Some((reason @ (Reason::SecretNotFound | Reason::KeyMissing), message)) => is(Some(false), reason, &message),
        Some((_, message)) => is(Some(false), Reason::LoginRejected, &message),
        None if standing.org.is_some() => is(Some(true), Reason::Authenticated, "the last login worked"),
        None => is(None, Reason::Pending, "nobody has logged in since the operator started"),
    }
}

fn destination(standing: &Standing) -> Verdict {
    let is = |holds: Option<bool>, reason, message: &str| {
        Verdict::new(ConditionType::DestinationReady, holds, reason, message)
    };
    match trouble_of(standing, Side::Destination) {
        Some((reason @ (Reason::SchemaConflict | Reason::MigrationFailed | Reason::PermissionDenied), message)) => {
            is(Some(false), reason, &message)
        }
        Some((_, message)) => is(Some(false), Reason::ConnectionFailed, &message),
        None if standing.org.is_some() => is(
            Some(true),
            Reason::Applied,
            "the database is reachable and its tables are ours",
        ),
        None => is(
            None,
            Reason::Pending,
            "the database was not asked since the operator started",
        ),
    }
}

fn degraded(standing: &Standing) -> Verdict {
    let is = |holds, reason, message: String| Verdict::new(ConditionType::Degraded, holds, reason, message);
    let found = standing.objects.iter().flat_map(|object| &object.degraded);
    let Some(first) = found.clone().next() else {
        if standing.org.is_none() {
            return Verdict::new(
                ConditionType::Degraded,
                None,
                Reason::Pending,
                "nobody has looked since the operator started",
            );
        }
        return is(false, Reason::AsExpected, "nothing is left out".to_owned());
    };
    let messages: BTreeSet<&str> = found.map(|degradation| degradation.message.as_str()).collect();
    let messages: Vec<&str> = messages.into_iter().collect();
    is(
        true,
        first.reason.parse().unwrap_or(Reason::InternalError),
        messages.join("; "),
    )
}

fn suspended(standing: &Standing, is_suspended: bool) -> Verdict {
    let is = |holds, reason, message: &str| Verdict::new(ConditionType::Suspended, holds, reason, message);
    match (is_suspended, standing.activity) {
        (false, _) => is(false, Reason::AsExpected, "runs are started by the trigger"),
        (true, Activity::Suspending) => is(
            true,
            Reason::Requested,
            "spec.suspend is true; the segment under way ends",
        ),
        (true, _) => is(true, Reason::Active, "spec.suspend is true; no run is started"),
    }
}

/// A time as people read it.
fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests;
