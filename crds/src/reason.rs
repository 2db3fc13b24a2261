//! Why a condition is as it is: the closed list.
//!
//! Condition reasons, event reasons and metric labels use the same words, so that what `kubectl` shows can be searched
//! in alerts and dashboards. The libraries below this package's users give the words as text (`Error::reason()`), and
//! [`Reason::from_str`](std::str::FromStr) takes them in; a word that is not here is a defect, not a new reason.

use std::{fmt, str::FromStr};

macro_rules! reasons {
    ($($group:literal { $($(#[doc = $doc:literal])+ $name:ident,)+ })+) => {
        /// Why a condition is as it is; event reasons and metric labels are the same words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($($(#[doc = $doc])+ $name,)+)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            /// All of them, by what they are about.
            pub const GROUPS: &'static [(&'static str, &'static [Self])] = &[$(($group, &[$(Self::$name,)+]),)+];

            /// The CamelCase word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$name => stringify!($name),)+)+
                }
            }

            /// What it says, as a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $($(Self::$name => concat!($($doc),+).trim_ascii(),)+)+
                }
            }
        }
    };
}

reasons! {
    "What is well" {
        /// Every object was replicated in time.
        UpToDate,
        /// The last login worked.
        Authenticated,
        /// The tables are as planned.
        Applied,
        /// Nothing is wrong.
        AsExpected,
    }
    "What goes on" {
        /// Nothing is known yet.
        Pending,
        /// A first load is under way; tables are partial.
        InitialRun,
        /// Columns, conditions or tables changed, and the rows are being brought to it.
        PlanChanged,
        /// A run is in progress.
        RunInProgress,
        /// The next run is due by interval or schedule.
        WaitingForSchedule,
        /// A new value of `spec.trigger.manual` is awaited.
        WaitingForManual,
        /// A failed run is tried again after a pause.
        BackingOff,
        /// `spec.suspend` is true.
        Suspended,
        /// `spec.suspend` was set, and a run in progress ends.
        Requested,
        /// `spec.suspend` is in effect.
        Active,
    }
    "What the resource asks for" {
        /// The resource asks for what does not exist or contradicts itself.
        InvalidSpec,
        /// The org has changed so that no plan can be made; objects go on by the one from before.
        PlanOutdated,
        /// The cron line or the time zone is not one.
        InvalidSchedule,
        /// The resource asks for what this version does not do.
        NotServed,
        /// A field of the spec is not visible any more.
        FieldMissing,
        /// Salesforce does not have a field, or hides it from the user.
        InvalidField,
        /// Salesforce does not have an object, or hides it from the user.
        InvalidObject,
        /// Salesforce does not understand a query.
        InvalidQuery,
        /// The way to Salesforce is not usable as it stands in the resource.
        InvalidConnection,
    }
    "Credentials" {
        /// Credentials are missing.
        CredentialsMissing,
        /// The Secret does not exist.
        SecretNotFound,
        /// The Secret lacks a key.
        KeyMissing,
        /// Salesforce refused the login.
        LoginRejected,
        /// User, password or token are wrong.
        InvalidCredentials,
        /// The password has expired.
        PasswordExpired,
        /// Logging in waits after a refusal, so that the user is not locked out.
        LoginPaused,
        /// The way of logging in will be retired.
        LoginRetiring,
        /// The org does not accept logins with a password over SOAP.
        SoapLoginUnavailable,
        /// The user lacks a right in Salesforce.
        AccessDenied,
    }
    "Salesforce" {
        /// Salesforce cannot be reached, or does not answer.
        SourceUnreachable,
        /// Salesforce does not answer at the moment.
        SalesforceUnavailable,
        /// The org is locked, disabled or in maintenance.
        OrgUnavailable,
        /// The host's certificate is not trusted.
        CertificateNotTrusted,
        /// Salesforce answered with an error of its own.
        SalesforceFault,
        /// An answer is larger than this program holds.
        ResponseTooLarge,
        /// An answer cannot be read.
        UnreadableAnswer,
        /// An answer is not one to the question.
        UnexpectedAnswer,
        /// The session ended and could not be renewed.
        SessionLost,
        /// A query took longer than Salesforce allows.
        QueryTimeout,
        /// A query's locator is dead; the query begins anew.
        QueryLocatorExpired,
        /// Salesforce does not list changes of so long ago, or so many.
        ReplicationWindow,
        /// The org's API calls are used up.
        QuotaExhausted,
        /// The org's API calls are nearly used up.
        QuotaNear,
        /// Rows of the org are invisible to the user.
        PartialVisibility,
    }
    "The destination" {
        /// The database cannot be reached.
        DestinationUnreachable,
        /// The connection to the database failed.
        ConnectionFailed,
        /// The database refused a right.
        PermissionDenied,
        /// The database refused user or password.
        DatabaseCredentials,
        /// The database does not answer at the moment.
        DatabaseUnavailable,
        /// The database answered with an error.
        DatabaseError,
        /// Tables could not be made or changed.
        MigrationFailed,
        /// Tables or state belong to somebody else, or are not as planned.
        SchemaConflict,
        /// A column that should change is used by somebody's view.
        ColumnInUse,
        /// The database refuses to build an index; rows are written without it.
        IndexNotBuilt,
        /// Another process replicates the object.
        Fenced,
    }
    "Runs" {
        /// Some objects failed.
        ObjectsFailing,
        /// A run failed.
        RunFailed,
        /// A run panicked.
        RunPanicked,
        /// A run showed no sign of life for two hours and was given up.
        RunStalled,
        /// A run was cancelled.
        Cancelled,
        /// The last success is too long ago.
        Stale,
        /// Deletes are held until somebody confirms them.
        DeleteGuard,
        /// Values do not fit their columns.
        RowsRejected,
        /// A defect of this program.
        InternalError,
    }
    "What happened, as events tell it" {
        /// A first load is complete.
        InitialRunCompleted,
        /// Runs work again.
        RunRecovered,
        /// A manual run is complete.
        ManualRunCompleted,
        /// Fields or types changed in Salesforce.
        SchemaChanged,
        /// A Secret changed and was read anew.
        CredentialsRotated,
        /// Credentials do not work.
        CredentialsInvalid,
        /// The replicator runs again.
        Resumed,
        /// An object left the spec.
        ObjectRemoved,
        /// Tables were dropped with the resource.
        TablesDropped,
        /// Tables could not be dropped with the resource.
        CleanupFailed,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no [`Reason`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownReason(String);

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not in the list of reasons", self.0)
    }
}

impl std::error::Error for UnknownReason {}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn reasons_are_unique_and_what_the_api_server_accepts() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for word in words {
            assert!(word.starts_with(|first: char| first.is_ascii_uppercase()), "{word}");
            assert!(
                word.chars().all(|character| character.is_ascii_alphanumeric()),
                "{word}"
            );
            assert!(word.len() <= 128, "{word}");
        }
    }

    #[test]
    fn each_reason_has_a_sentence_and_a_group() {
        for reason in Reason::ALL {
            let meaning = reason.meaning();
            assert!(
                meaning.ends_with('.') && meaning == meaning.trim() && !meaning.contains("  "),
                "{reason}: {meaning}"
            );
        }
        let grouped: Vec<_> = Reason::GROUPS
            .iter()
            .flat_map(|(_, reasons)| *reasons)
            .copied()
            .collect();
        assert_eq!(grouped, Reason::ALL);
        assert_eq!(
            Reason::DeleteGuard.meaning(),
            "Deletes are held until somebody confirms them."
        );
    }

    #[test]
    fn reasons_come_back_from_their_words() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        assert!("upToDate".parse::<Reason>().is_err());
    }
}
