//! How workers wake the reconciler of their resource.
//!
//! What waits is a set of resources and not a queue of wake-ups: a resource that waits already is looked at once, as it is then,
//! and stands for all that woke it. So none is lost, however many come and however long the reconciler takes, and there
//! are never more than there are resources. A channel was rejected: a bounded one loses wake-ups when it is full, an unbounded
//! one grows with the events of runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use crate::{guarded::Guarded, supervisor::Key};

/// The resources of one controller that are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct WakeUps {
    waiting: Mutex<BTreeSet<Key>>,
    came: Notify,
}

impl WakeUps {
    fn add(&self, key: &Key) {
        let is_new = self.lock().insert(key.clone());
        if is_new {
            self.came.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Key>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one, when it is there. For one listener. Cancel safe.
    pub(crate) async fn next(&self) -> Key {
        loop {
            if let Some(key) = self.lock().pop_first() {
                return key;
            }
            self.came.notified().await;
        }
    }
}

/// All wake-ups, for the controller. Ends never.
pub(crate) fn stream(wake_ups: Arc<WakeUps>) -> impl Stream<Item = ObjectRef<Guarded>> {
    futures_util::stream::unfold(wake_ups, |wake_ups| async move {
        let (namespace, name) = wake_ups.next().await;
        Some((ObjectRef::new_with(&name, ()).within(&namespace), wake_ups))
    })
}

/// Wakes the reconciler of one resource. Cloning shares the way.
#[derive(Debug, Clone)]
pub(crate) struct Wake {
    key: Key,
    wake_ups: Arc<WakeUps>,
}

impl Wake {
    pub(crate) fn new(key: Key, wake_ups: Arc<WakeUps>) -> Self {
        Self { key, wake_ups }
    }

    /// Soon, and not now: whoever calls holds nothing up.
    pub(crate) fn wake(&self) {
        self.wake_ups.add(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn no_wake_up_is_lost_and_those_of_one_resource_are_one() {
        let wake_ups = Arc::new(WakeUps::default());
        let wakes: Vec<Wake> = (0..5000)
            .map(|number| {
                let key = ("telephony".to_owned(), format!("crm-{number:04}"));
                Wake::new(key, Arc::clone(&wake_ups))
            })
            .collect();
        for _ in 0..3 {
            wakes.iter().for_each(Wake::wake);
        }
        let woken: Vec<Key> = std::iter::from_fn(|| wake_ups.next().now_or_never()).collect();
        assert_eq!(woken, wakes.iter().map(|wake| wake.key.clone()).collect::<Vec<_>>());
        wakes[7].wake();
        assert_eq!(wake_ups.next().now_or_never(), Some(wakes[7].key.clone()));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let wake_ups = Arc::new(WakeUps::default());
        let wake = Wake::new(("telephony".to_owned(), "crm".to_owned()), Arc::clone(&wake_ups));
        let mut waiting = Box::pin(wake_ups.next());
        assert!(waiting.as_mut().now_or_never().is_none());
        wake.wake();
        assert_eq!(waiting.await.1, "crm");
    }
}
