//! What goes wrong when one talks to Salesforce, and what to do then.
//!
//! Each error answers four questions: [`Error::kind`] (who can mend it), [`Error::retry`] (when to try again),
//! [`Error::reason`] (the CamelCase word of a condition, an event and a metric) and [`Error::message`] (for an
//! administrator's eyes: object, field, position, what to do; never a secret or a field's value). `Debug` and the
//! chain of sources are for the log and obey the same ban.

use std::time::Duration;

/// Who can mend an error, and so how it is retried. Used by every crate above this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The resource asks for something that is not there. Until the resource changes, else hourly.
    Invalid,
    /// Wrong or expired credentials. Until the Secret changes, else one login an hour.
    Credentials,
    /// A limit of the org is used up. Until the time given.
    Quota,
    /// It may work in a moment. Back off with jitter.
    Transient,
    /// A person should look. Hourly.
    Fatal,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// When the resource changes, else hourly with a fresh describe.
    WhenResourceChanges,
    /// When the Secret changes, else one login an hour.
    WhenSecretChanges,
    /// Not before this much time has passed.
    After(Duration),
    /// With growing pauses and jitter.
    Backoff,
    /// Once an hour.
    Hourly,
}

impl ErrorKind {
    /// The retry that a kind implies when Salesforce or the database gave no time of its own.
    pub fn retry(self) -> Retry {
        match self {
            Self::Invalid => Retry::WhenResourceChanges,
            Self::Credentials => Retry::WhenSecretChanges,
            Self::Quota => Retry::After(Duration::from_secs(900)),
            Self::Transient => Retry::Backoff,
            Self::Fatal => Retry::Hourly,
        }
    }
}

/// What went wrong when talking to Salesforce.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A defect of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Who can mend it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Internal(_) => ErrorKind::Fatal,
        }
    }

    /// When to try again.
    pub fn retry(&self) -> Retry {
        self.kind().retry()
    }

    /// The CamelCase word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Internal(_) => "InternalError",
        }
    }

    /// For an administrator's eyes.
    pub fn message(&self) -> String {
        self.to_string()
    }
}
