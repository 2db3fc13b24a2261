//! The operator: reconciles `SalesforceReplicator` resources and supervises their workers.

pub mod election;
pub mod serve;
