//! How the process ends: the one place where what happened becomes a number.
//!
//! Scripts decide by it, so it is an interface: a number never changes its meaning. The kind of an error says who can
//! mend it, its reason tells Salesforce from the database.

use std::{collections::BTreeMap, process::ExitCode};

use crds::Reason;
use replication::{
    Error,
    check::{Checkup, Finding},
    progress::{RunError, RunReport},
    replicator::TickReport,
};
use salesforce::ErrorKind;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Exit {
    /// All that was asked for is done.
    Success,
    /// A defect of this program.
    Defect,
    /// The command line is not one.
    Usage,
    /// The resource is invalid, or asks for what the org does not have.
    Invalid,
    /// User, password, token or a right; also those of the database.
    Credentials,
    /// Salesforce does not answer, answers with an error, or a limit is reached.
    Salesforce,
    /// The database.
    Destination,
    /// Some objects failed, others did not.
    SomeFailed,
    /// Deletes are held until somebody confirms them.
    DeletesHeld,
    /// Ctrl-C: 128 and SIGINT's number.
    Interrupted,
    /// SIGTERM: 128 and its number.
    Terminated,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Defect => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Credentials => 4,
            Self::Salesforce => 5,
            Self::Destination => 6,
            Self::SomeFailed => 7,
            Self::DeletesHeld => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What an error of the engine means.
    pub(crate) fn of(error: &Error) -> Self {
        Self::of_kind(error.kind(), error.reason())
    }

    /// What an error of Salesforce's client means.
    pub(crate) fn of_salesforce(error: &salesforce::Error) -> Self {
        Self::of_kind(error.kind(), error.reason())
    }

    /// What a check means: its worst finding. The worse, the less a change of the resource helps.
    pub(crate) fn of_checkup(checkup: &Checkup) -> Self {
        let exits = checkup.findings.iter().filter_map(|finding| {
            let Finding { kind, reason, .. } = finding;
            Some(Self::of_kind((*kind)?, reason.unwrap_or_default()))
        });
        exits.max_by_key(|exit| exit.severity()).unwrap_or(Self::Success)
    }

    /// How bad it is, compared with the others that a check may end with.
    fn severity(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Invalid => 1,
            Self::Destination => 2,
            Self::Salesforce => 3,
            Self::Credentials => 4,
            Self::Usage
            | Self::SomeFailed
            | Self::DeletesHeld
            | Self::Interrupted
            | Self::Terminated
            | Self::Defect => 5,
        }
    }

    /// What a tick means. Objects that all failed in the same way say which way; a mixture is 7.
    pub(crate) fn of_tick(report: &TickReport) -> Self {
        if let Some(RunError { kind, reason, .. }) = &report.error {
            return Self::of_kind(*kind, reason);
        }
        // An object ends as the first of its runs that failed, else as its last: what was held before may be free now.
        let mut objects: BTreeMap<&str, &RunReport> = BTreeMap::new();
        for run in &report.runs {
            let known = objects.entry(&run.object).or_insert(run);
            if known.error.is_none() {
                *known = run;
            }
        }
        let exits: Vec<Self> = objects.into_values().map(Self::of_run).collect();
        // Held deletes beside objects that are fine are what a person has to look at, and no failure of some objects.
        let is_calm = exits
            .iter()
            .all(|exit| matches!(exit, Self::Success | Self::DeletesHeld));
        if is_calm && exits.contains(&Self::DeletesHeld) {
            return Self::DeletesHeld;
        }
        let mut exits = exits.into_iter();
        let Some(first) = exits.next() else {
            return Self::Success;
        };
        if exits.all(|exit| exit == first) {
            first
        } else {
            Self::SomeFailed
        }
    }

    fn of_run(report: &RunReport) -> Self {
        match &report.error {
            Some(error) => Self::of_kind(error.kind, error.reason),
            None if report.held.is_some() => Self::DeletesHeld,
            None if report.rejected > 0 => Self::Destination,
            None => Self::Success,
        }
    }

    /// What an error of the Kubernetes API server means.
    pub(crate) fn of_kubernetes(error: &kube::Error) -> Self {
        let code = if let kube::Error::Api(status) = error {
            status.code
        } else {
            0
        };
        match code {
            401 | 403 => Self::Credentials,
            400..500 => Self::Invalid,
            _ if matches!(error, kube::Error::Auth(_)) => Self::Credentials,
            _ => Self::Defect,
        }
    }

    /// What the reason means for which a replicator is not ready. Data that is on its way, or old, is no failure.
    pub(crate) fn of_not_ready(reason: &str) -> Self {
        match reason.parse() {
            Ok(Reason::InvalidSpec | Reason::InvalidSchedule | Reason::NotServed) => Self::Invalid,
            Ok(Reason::CredentialsMissing | Reason::LoginRejected) => Self::Credentials,
            Ok(Reason::SourceUnreachable | Reason::QuotaExhausted) => Self::Salesforce,
            Ok(Reason::DestinationUnreachable | Reason::SchemaConflict | Reason::RowsRejected) => Self::Destination,
            Ok(Reason::ObjectsFailing | Reason::RunFailed) => Self::SomeFailed,
            Ok(Reason::DeleteGuard) => Self::DeletesHeld,
            Ok(Reason::RunPanicked | Reason::InternalError) => Self::Defect,
            _ => Self::Success,
        }
    }

    /// What a kind and a reason mean. A reason that is not in the list says nothing, and the kind decides.
    fn of_kind(kind: ErrorKind, reason: &str) -> Self {
        match reason.parse() {
            Ok(Reason::InternalError | Reason::RunPanicked) => return Self::Defect,
            Ok(Reason::DeleteGuard) => return Self::DeletesHeld,
            Ok(
                Reason::SchemaConflict
                | Reason::PlanChanged
                | Reason::RowsRejected
                | Reason::Fenced
                | Reason::DatabaseError
                | Reason::DatabaseUnavailable
                | Reason::DestinationUnreachable
                | Reason::ConnectionFailed
                | Reason::MigrationFailed,
            ) => return Self::Destination,
            _ => {}
        }
        match kind {
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::Credentials => Self::Credentials,
            ErrorKind::Quota | ErrorKind::Transient | ErrorKind::Fatal => Self::Salesforce,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use replication::{Problems, check::Verdict, guard::HeldDeletes, progress::RunKind};

    use super::*;

    const ALL: [Exit; 11] = [
        Exit::Success,
        Exit::Defect,
        Exit::Usage,
        Exit::Invalid,
        Exit::Credentials,
        Exit::Salesforce,
        Exit::Destination,
        Exit::SomeFailed,
        Exit::DeletesHeld,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    #[test]
    fn numbers_are_those_that_are_documented() {
        let codes: Vec<u8> = ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 130, 143]);
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), ALL.len());
    }

    fn database(kind: ErrorKind) -> Error {
        Error::Database {
            kind,
            message: "the table cannot be made".into(),
            source: None,
        }
    }

    #[test]
    fn errors_end_as_their_kind_and_their_side() {
        for (error, exit) in [
            (
                Error::Plan(Problems(vec!["Kontact: there is no such object".into()])),
                Exit::Invalid,
            ),
            (Error::NotServed("mysql".into()), Exit::Invalid),
            (
                Error::SchemaConflict {
                    message: "the table is somebody else's".into(),
                },
                Exit::Destination,
            ),
            (
                Error::Secret {
                    reason: "KeyMissing",
                    message: "no password".into(),
                },
                Exit::Credentials,
            ),
            (database(ErrorKind::Credentials), Exit::Credentials),
            (database(ErrorKind::Transient), Exit::Destination),
            (database(ErrorKind::Fatal), Exit::Destination),
            (database(ErrorKind::Invalid), Exit::Destination),
            (Error::Internal("a channel closed".into()), Exit::Defect),
        ] {
            assert_eq!(Exit::of(&error), exit, "{error}");
        }
        for (kind, reason, exit) in [
            (ErrorKind::Credentials, "InvalidCredentials", Exit::Credentials),
            (ErrorKind::Quota, "QuotaExhausted", Exit::Salesforce),
            (ErrorKind::Transient, "SalesforceUnavailable", Exit::Salesforce),
            (ErrorKind::Fatal, "SalesforceFault", Exit::Salesforce),
            (ErrorKind::Invalid, "InvalidField", Exit::Invalid),
            (ErrorKind::Invalid, "NotInTheList", Exit::Invalid),
            (ErrorKind::Fatal, "DeleteGuard", Exit::DeletesHeld),
        ] {
            assert_eq!(Exit::of_kind(kind, reason), exit, "{reason}");
        }
    }

    fn run(object: &str) -> RunReport {
        RunReport::new(object, "table", RunKind::Incremental, Timestamp::UNIX_EPOCH)
    }

    fn tick(errors: &[Option<(ErrorKind, &'static str)>]) -> TickReport {
        let error = |(kind, reason)| RunError {
            kind,
            reason,
            message: "what happened".into(),
        };
        let runs = errors.iter().enumerate().map(|(object, failed)| RunReport {
            error: failed.map(error),
            ..run(&format!("Object{object}"))
        });
        TickReport {
            start_time: Timestamp::UNIX_EPOCH,
            end_time: Timestamp::UNIX_EPOCH,
            runs: runs.collect(),
            running: Vec::new(),
            error: None,
            next_try_time: None,
        }
    }

    #[test]
    fn a_check_ends_as_its_worst_finding() {
        let finding = |found: Option<(ErrorKind, &'static str)>| Finding {
            verdict: if found.is_some() {
                Verdict::Problem
            } else {
                Verdict::Warning
            },
            subject: "Contact".into(),
            message: "what is wrong".into(),
            reason: found.map_or(Some("PartialVisibility"), |(_, reason)| Some(reason)),
            kind: found.map(|(kind, _)| kind),
        };
        let ended = |found: &[Option<(ErrorKind, &'static str)>]| {
            let findings = found.iter().map(|found| finding(*found)).collect();
            Exit::of_checkup(&Checkup { findings })
        };
        let invalid = Some((ErrorKind::Invalid, "InvalidSpec"));
        let database = Some((ErrorKind::Transient, "DatabaseUnavailable"));
        let refused = Some((ErrorKind::Credentials, "InvalidCredentials"));
        assert_eq!(ended(&[]), Exit::Success);
        assert_eq!(ended(&[None]), Exit::Success, "a warning");
        assert_eq!(ended(&[invalid, None]), Exit::Invalid);
        assert_eq!(ended(&[invalid, database]), Exit::Destination);
        assert_eq!(ended(&[refused, database, invalid]), Exit::Credentials);
    }

    #[test]
    fn a_tick_ends_as_its_objects_did() {
        let transient = Some((ErrorKind::Transient, "SalesforceUnavailable"));
        let refused = Some((ErrorKind::Credentials, "InvalidCredentials"));
        assert_eq!(Exit::of_tick(&tick(&[])), Exit::Success);
        assert_eq!(Exit::of_tick(&tick(&[None, None])), Exit::Success);
        assert_eq!(Exit::of_tick(&tick(&[None, transient])), Exit::SomeFailed);
        assert_eq!(Exit::of_tick(&tick(&[refused, transient])), Exit::SomeFailed);
        assert_eq!(Exit::of_tick(&tick(&[refused, refused])), Exit::Credentials);
        let mut whole = tick(&[]);
        whole.error = Some(RunError {
            kind: ErrorKind::Invalid,
            reason: "SchemaConflict",
            message: "x".into(),
        });
        assert_eq!(Exit::of_tick(&whole), Exit::Destination);
    }

    #[test]
    fn an_object_ends_as_its_first_failure_or_its_last_run() {
        let held = RunReport {
            held: Some(HeldDeletes {
                count: 1,
                token: "1-0123456789ab".into(),
            }),
            ..run("Contact")
        };
        let rejected = RunReport {
            rejected: 1,
            ..run("Contact")
        };
        let runs = |runs: &[&RunReport]| TickReport {
            runs: runs.iter().map(|run| (*run).clone()).collect(),
            ..tick(&[])
        };
        let fine = run("Contact");
        assert_eq!(Exit::of_tick(&runs(&[&held])), Exit::DeletesHeld);
        assert_eq!(Exit::of_tick(&runs(&[&held, &run("Account")])), Exit::DeletesHeld);
        assert_eq!(Exit::of_tick(&runs(&[&rejected])), Exit::Destination);
        assert_eq!(Exit::of_tick(&runs(&[&held, &fine])), Exit::Success);
        assert_eq!(Exit::of_tick(&runs(&[&fine, &held])), Exit::DeletesHeld);
        let mut failed = tick(&[Some((ErrorKind::Transient, "SalesforceUnavailable"))]);
        failed.runs[0].object = "Contact".into();
        failed.runs.push(fine);
        assert_eq!(Exit::of_tick(&failed), Exit::Salesforce);
    }
}
