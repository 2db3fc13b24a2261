//! What a worker is told to do, and what one order may leave of the work for another.

use std::{collections::BTreeMap, sync::Arc};

use crds::SalesforceReplicatorSpec;
use tokio::sync::watch;

use crate::secrets::Snapshot;

/// What a worker is to do: the resource as it was last seen, with what it refers to.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) generation: i64,
    pub(crate) spec: Arc<SalesforceReplicatorSpec>,
    pub(crate) secrets: Arc<Snapshot>,
    /// Another replicator whose tables are taken over.
    pub(crate) adopt: Option<String>,
    /// Held deletes that somebody lets go: the token by object.
    pub(crate) confirm: BTreeMap<String, String>,
}

impl Order {
    /// Whether a session that was opened for `other` serves this one too.
    pub(super) fn is_served_by(&self, other: &Self) -> bool {
        let Self {
            generation: _,
            spec,
            secrets,
            adopt,
            confirm: _,
        } = self;
        let SalesforceReplicatorSpec {
            connection,
            destination,
            trigger: _,
            objects,
            phone_numbers,
            consistency,
            parallelism,
            execution,
            suspend: _,
            deletion_policy: _,
        } = spec.as_ref();
        *connection == other.spec.connection
            && *destination == other.spec.destination
            && *objects == other.spec.objects
            && *phone_numbers == other.spec.phone_numbers
            && *consistency == other.spec.consistency
            && *parallelism == other.spec.parallelism
            && *execution == other.spec.execution
            && secrets.is_same(&other.secrets)
            && *adopt == other.adopt
    }

    /// Whether the runs under way may go on beside it.
    pub(super) fn lets_run(&self, former: &Self) -> bool {
        !self.spec.suspend && self.is_served_by(former)
    }

    /// Whether it says the same. Specs are compared by value: the watch gives a new one for each change of status.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let Self {
            generation,
            spec,
            secrets,
            adopt,
            confirm,
        } = self;
        *generation == other.generation
            && *spec == other.spec
            && secrets.is_same(&other.secrets)
            && *adopt == other.adopt
            && *confirm == other.confirm
    }
}

/// Ends when an order is there that is such a one.
pub(crate) async fn comes(orders: &mut watch::Receiver<Order>, is_such: impl FnMut(&Order) -> bool) {
    if orders.wait_for(is_such).await.is_err() {
        // Nobody gives orders any more: the worker is told to end in another way.
        std::future::pending::<()>().await;
    }
}
