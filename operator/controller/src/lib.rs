//! The operator: reconciles `SalesforceReplicator` resources and supervises their workers.

pub mod election;
