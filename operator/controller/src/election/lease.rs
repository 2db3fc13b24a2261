//! The requests that the protocol makes, and nothing else of the API server.

#[cfg(test)]
mod tests;

use std::{fmt, future::Future};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};

use super::ElectionSettings;

/// Why a request for the Lease came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else wrote the Lease since it was read, or made it first.
    #[error("the Lease was written by somebody else in between")]
    Conflict,
    /// No answer within the time limit. Whether it was done is not known.
    #[error("the API server did not answer in time")]
    TimedOut,
    /// The API server said no.
    #[error("{0}")]
    Refused(String),
    /// The request or its answer was lost. Whether it was done is not known.
    #[error("the API server cannot be reached, or its answer not be read")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One Lease. No request waits longer than the API server does; time limits are the caller's, who drops the future.
pub trait Leases: fmt::Debug + Send + Sync + 'static {
    /// The Lease as it is on the server now, never from a cache; `None` where it is not there.
    fn get(&self) -> impl Future<Output = Result<Option<Lease>, LeaseError>> + Send;

    /// Makes it. Gives it as it was stored.
    ///
    /// # Errors
    /// [`LeaseError::Conflict`] where it is there already.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;

    /// Replaces the version that `lease` was read at. Gives it as it was stored.
    ///
    /// # Errors
    /// [`LeaseError::Conflict`] where that is not the version of the server any more, or the Lease is gone.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, LeaseError>> + Send;
}

/// The Lease on a Kubernetes API server.
#[derive(Clone)]
pub struct KubeLeases {
    api: Api<Lease>,
    namespace: String,
    name: String,
}

impl fmt::Debug for KubeLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            api: _,
            namespace,
            name,
        } = self;
        write!(f, "KubeLeases({namespace}/{name})")
    }
}

impl KubeLeases {
    /// The Lease that the settings name.
    pub fn new(client: Client, settings: &ElectionSettings) -> Self {
        let ElectionSettings { namespace, name, .. } = settings;
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.clone(),
            name: name.clone(),
        }
    }

    fn failed(&self, error: kube::Error) -> LeaseError {
        let kube::Error::Api(status) = error else {
            return LeaseError::Unreachable(Box::new(error));
        };
        if status.code == 409 {
            return LeaseError::Conflict;
        }
        let remedy = if status.is_forbidden() {
            "; the operator's role needs create on leases of coordination.k8s.io, and get and update on this one"
        } else {
            ""
        };
        LeaseError::Refused(format!(
            "Lease {}/{}: {} (HTTP {}){remedy}",
            self.namespace, self.name, status.message, status.code
        ))
    }
}

impl Leases for KubeLeases {
    async fn get(&self) -> Result<Option<Lease>, LeaseError> {
        self.api.get_opt(&self.name).await.map_err(|error| self.failed(error))
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let created = self.api.create(&PostParams::default(), lease).await;
        created.map_err(|error| self.failed(error))
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        match self.api.replace(&self.name, &PostParams::default(), lease).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Err(LeaseError::Conflict),
            replaced => replaced.map_err(|error| self.failed(error)),
        }
    }
}
