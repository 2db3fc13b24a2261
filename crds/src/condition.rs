//! The six conditions of a resource.

use std::fmt;

macro_rules! conditions {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Types of conditions, in the order in which the status lists them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ConditionType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ConditionType {
            /// All of them, in the order of the status.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$name),+];

            /// As it stands in `status.conditions[].type`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it says where it is true, as a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

conditions! {
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

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
