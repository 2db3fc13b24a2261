//! What goes wrong between the operator and its cluster.

use salesforce::{ErrorKind, Retry};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that ends a reconcile, or the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server, or the way to it.
    #[error("{doing}: {}", told(source))]
    Kubernetes {
        /// What was being done, to which object.
        doing: String,
        /// What came of it.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("{doing}: no answer within {seconds} s")]
    Timeout {
        /// What was being done, to which object.
        doing: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// There is no way to an API server.
    #[error("no Kubernetes API server is configured: {0}; set KUBECONFIG, or run in a pod with a service account")]
    NoCluster(String),
    /// A setting of the operator is not usable.
    #[error("{0}")]
    Settings(String),
    /// Another process leads, or nobody knows: everything has to stop at once.
    #[error("the Lease {0} was lost: another operator may lead now; this process ends")]
    LeaseLost(String),
    /// A resource that this version does not understand.
    #[error("{resource} cannot be read: {problem}")]
    Unreadable {
        /// `namespace/name`.
        resource: String,
        /// The place in it, and what has to stand there.
        problem: String,
    },
    /// The tables of a deleted resource could not be dropped.
    #[error("{resource}: its tables could not be dropped: {message}")]
    Cleanup {
        /// `namespace/name`.
        resource: String,
        /// Why, and what to do.
        message: String,
    },
}

/// An answer that cannot be read is told without what stands in it.
fn told(error: &kube::Error) -> String {
    if matches!(error, kube::Error::SerdeError(_)) {
        "the API server's answer cannot be read".to_owned()
    } else {
        error.to_string()
    }
}

impl Error {
    /// A failed request.
    pub(crate) fn kubernetes(doing: impl Into<String>, source: kube::Error) -> Self {
        Self::Kubernetes {
            doing: doing.into(),
            source: Box::new(source),
        }
    }

    /// Whether somebody else was faster, or the object is gone: the next pass sees how it is now.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Kubernetes { source, .. } => matches!(
                source.as_ref(),
                kube::Error::Api(status) if status.is_conflict() || status.is_not_found()
            ),
            Self::Timeout { .. }
            | Self::NoCluster(_)
            | Self::Settings(_)
            | Self::LeaseLost(_)
            | Self::Unreadable { .. }
            | Self::Cleanup { .. } => false,
        }
    }

    /// Whether the process has to end without a look back.
    pub fn is_at_once(&self) -> bool {
        matches!(self, Self::LeaseLost(_))
    }

    /// Who can mend it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Kubernetes { .. } | Self::Timeout { .. } | Self::Cleanup { .. } => ErrorKind::Transient,
            Self::NoCluster(_) | Self::Settings(_) | Self::Unreadable { .. } => ErrorKind::Invalid,
            Self::LeaseLost(_) => ErrorKind::Fatal,
        }
    }

    /// When to try again.
    pub fn retry(&self) -> Retry {
        self.kind().retry()
    }

    /// The label of `reconciliation_errors_total`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Kubernetes { .. } if self.is_conflict() => "Conflict",
            Self::Kubernetes { .. } => "ApiServer",
            Self::Timeout { .. } => "Timeout",
            Self::NoCluster(_) | Self::Settings(_) => "Settings",
            Self::LeaseLost(_) => "LeaseLost",
            Self::Unreadable { .. } => "Unreadable",
            Self::Cleanup { .. } => "CleanupFailed",
        }
    }

    /// All values of [`Error::reason`].
    pub(crate) const REASONS: [&'static str; 7] = [
        "Conflict",
        "ApiServer",
        "Timeout",
        "Settings",
        "LeaseLost",
        "Unreadable",
        "CleanupFailed",
    ];
}
