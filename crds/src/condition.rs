//! The six conditions of a resource.

use std::fmt;

/// Types of conditions, in the order in which the status lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The spec is accepted and the last run of every object succeeded in time.
    Ready,
    /// A run is in progress.
    Synchronizing,
    /// The Secret is there and the last login worked.
    CredentialsValid,
    /// The database is reachable, the tables are as planned and ours.
    DestinationReady,
    /// It works, but not wholly; alone it leaves `Ready` as it is.
    Degraded,
    /// `spec.suspend` is in effect.
    Suspended,
}

impl ConditionType {
    /// All of them, in the order of the status.
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::Synchronizing,
        Self::CredentialsValid,
        Self::DestinationReady,
        Self::Degraded,
        Self::Suspended,
    ];

    /// As it stands in `status.conditions[].type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Synchronizing => "Synchronizing",
            Self::CredentialsValid => "CredentialsValid",
            Self::DestinationReady => "DestinationReady",
            Self::Degraded => "Degraded",
            Self::Suspended => "Suspended",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
