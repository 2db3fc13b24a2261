//! The operator: reconciles `SalesforceReplicator` resources and supervises their workers (design section 9).
//!
//! [`operator::run`] is the process. A controller of kube's calls [`reconcile`] for a resource whose spec, Secrets or worker
//! changed; a pass gives the resource's worker its order ([`supervisor`], [`worker`]) and reports how it stands ([`status`],
//! [`events`], [`metrics`]). How it stands is kept in one place ([`standing`], on the [`board`]), which workers and runs write
//! and the reconciler reads. What a worker does is the business of the `replication` library, which knows no Kubernetes.

#![expect(
    rustdoc::private_intra_doc_links,
    reason = "the modules are the engineer's way in, and nobody else's"
)]

pub mod api_server;
pub mod election;
pub mod metrics;
pub mod operator;
pub mod serve;

mod asked;
mod board;
mod cleanup;
mod conditions;
mod error;
mod events;
#[cfg(test)]
mod fixture;
mod guarded;
mod reconcile;
mod requests;
mod secrets;
mod standing;
mod status;
mod supervisor;
mod unreadable;
mod wake;
mod worker;

pub use error::{Error, Result};
