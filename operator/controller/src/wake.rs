//! How workers wake the reconciler of their resource.
//!
//! A wake-up that is not yet answered stands for all that follow, so a channel that is full loses nothing: its entries
//! say which resource, and the resource is looked at as it is then.

use std::fmt;

use crds::SalesforceReplicator;
use kube::{core::DeserializeGuard, runtime::reflector::ObjectRef};
use tokio::sync::mpsc;

/// A resource as the watch gives it: one that cannot be read does not stop the others.
pub(crate) type Guarded = DeserializeGuard<SalesforceReplicator>;

/// Wakes the reconciler of one resource. Cloning shares the way.
#[derive(Clone)]
pub(crate) struct Wake {
    resource: ObjectRef<Guarded>,
    send: mpsc::Sender<ObjectRef<Guarded>>,
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wake")
            .field("resource", &self.resource.name)
            .finish_non_exhaustive()
    }
}

impl Wake {
    pub(crate) fn new(resource: ObjectRef<Guarded>, send: mpsc::Sender<ObjectRef<Guarded>>) -> Self {
        Self { resource, send }
    }

    /// Soon, and not now: whoever calls holds nothing up.
    pub(crate) fn wake(&self) {
        // Full: the reconciler has more to do than it can. It looks at each resource again at the next wake-up, or resync.
        self.send.try_send(self.resource.clone()).ok();
    }
}
