//! How workers wake the reconciler of their resource.
//!
//! What waits is a set of resources and not a queue of wake-ups: a resource that waits already is looked at once, as it is then,
//! and stands for all that woke it. So none is lost, however many come and however long the reconciler takes, and there
//! are never more than there are resources. A channel was rejected: a bounded one loses wake-ups when it is full, an unbounded
//! one grows with the events of runs.
//!
//! A resource that was given is held for a while before it is given again. The controller waits for a moment of silence before it
//! makes a pass, and puts it off with each wake-up: one whose runs tell something all the time would never be looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::Stream;
use kube::runtime::reflector::ObjectRef;
use salesforce::clock::SharedClock;
use tokio::sync::Notify;

use crate::{guarded::Guarded, supervisor::Key};

/// How far apart two wake-ups of one resource are: longer than the moment of silence that the controller waits for.
const APART: Duration = Duration::from_secs(1);

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

/// All wake-ups, for the controller, each resource's at most once in [`APART`]. Ends never.
pub(crate) fn stream(wake_ups: Arc<WakeUps>, clock: SharedClock) -> impl Stream<Item = ObjectRef<Guarded>> {
    let paced = Paced {
        wake_ups,
        clock,
        free_at: BTreeMap::new(),
        held: BTreeSet::new(),
    };
    futures_util::stream::unfold(paced, |mut paced| async move {
        let (namespace, name) = paced.next().await;
        Some((ObjectRef::new_with(&name, ()).within(&namespace), paced))
    })
}

/// Wake-ups at a pace.
struct Paced {
    wake_ups: Arc<WakeUps>,
    clock: SharedClock,
    /// When a resource that was looked at not long ago may be looked at again, on the monotonic clock.
    free_at: BTreeMap<Key, Duration>,
    /// Resources that were woken before that.
    held: BTreeSet<Key>,
}

impl Paced {
    async fn next(&mut self) -> Key {
        loop {
            let now = self.clock.monotonic();
            self.free_at.retain(|_, free_at| *free_at > now);
            let free = self.held.iter().find(|key| !self.free_at.contains_key(*key)).cloned();
            if let Some(key) = free {
                self.held.remove(&key);
                return self.gives(key, now);
            }
            let soonest = self.held.iter().filter_map(|key| self.free_at.get(key)).min();
            let time = async {
                match soonest {
                    Some(soonest) => self.clock.sleep(soonest.saturating_sub(now)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = time => {}
                key = self.wake_ups.next() => {
                    self.held.insert(key);
                }
            }
        }
    }

    fn gives(&mut self, key: Key, now: Duration) -> Key {
        self.free_at.insert(key.clone(), now.saturating_add(APART));
        key
    }
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
    use futures_util::{FutureExt as _, StreamExt as _};
    use salesforce::clock::{Clock, Sleep};

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

    /// Stands still until it is moved.
    #[derive(Debug, Default)]
    struct Moved(tokio::sync::watch::Sender<Duration>);

    impl Clock for Moved {
        fn now(&self) -> jiff::Timestamp {
            crate::fixture::at("2026-11-28T10:00:00Z")
        }

        fn monotonic(&self) -> Duration {
            *self.0.borrow()
        }

        fn sleep(&self, duration: Duration) -> Sleep {
            let mut time = self.0.subscribe();
            let until = *time.borrow() + duration;
            Box::pin(async move {
                time.wait_for(|time| *time >= until).await.unwrap();
            })
        }
    }

    #[test]
    fn a_resource_that_is_woken_all_the_time_is_given_now_and_then_and_keeps_no_other_one() {
        let wake_ups = Arc::new(WakeUps::default());
        let clock = Arc::<Moved>::default();
        let shared: SharedClock = Arc::<Moved>::clone(&clock);
        let mut given = Box::pin(stream(Arc::clone(&wake_ups), shared).map(|reference| reference.name));
        let wake = |name: &str| Wake::new(("telephony".to_owned(), name.to_owned()), Arc::clone(&wake_ups)).wake();
        let mut times = Vec::new();
        for tenths in 0..=25 {
            clock.0.send_replace(Duration::from_millis(100 * tenths));
            wake("busy");
            while let Some(Some(name)) = given.next().now_or_never() {
                assert_eq!(name, "busy");
                times.push(tenths);
            }
        }
        assert_eq!(times, [0, 10, 20]);
        wake("other");
        assert_eq!(given.next().now_or_never().flatten().as_deref(), Some("other"));
        clock.0.send_replace(Duration::from_secs(3));
        assert_eq!(
            given.next().now_or_never().flatten().as_deref(),
            Some("busy"),
            "the last wake-up is not lost"
        );
        assert_eq!(given.next().now_or_never(), None);
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
