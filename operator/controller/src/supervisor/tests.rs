//! Workers that begin, end and panic: their clock does.

use std::sync::atomic::AtomicBool;

use replication::{connect::Options, progress::Silent, replicator::Environment, retry::Randomness};
use salesforce::{
    AllowHttp,
    clock::{Clock, Sleep},
};
use serde_json::json;

use super::*;
use crate::fixture::{at, spec};

/// Longest wait for something that must happen.
const LIMIT: Duration = Duration::from_mins(1);

/// A clock that panics in the worker's hand as long as it is broken, stands still, and knows for how long others sleep.
#[derive(Debug, Default)]
struct Broken {
    is_whole: AtomicBool,
    monotonic: Mutex<Duration>,
    slept: watch::Sender<Vec<Duration>>,
}

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        assert!(self.is_whole.load(Ordering::SeqCst), "the clock is broken");
        at("2026-11-28T10:00:00Z")
    }

    fn monotonic(&self) -> Duration {
        *self.monotonic.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.slept.send_modify(|slept| slept.push(duration));
        Box::pin(std::future::pending())
    }
}

#[derive(Debug)]
struct Longest;

impl Randomness for Longest {
    fn below(&self, bound: u64) -> u64 {
        bound.saturating_sub(1)
    }
}

fn order(generation: i64) -> Order {
    Order {
        generation,
        spec: Arc::new(spec(&json!({"suspend": true}))),
        secrets: Arc::new(Snapshot::new("telephony")),
        adopt: None,
        confirm: BTreeMap::new(),
    }
}

fn workshop(clock: &Arc<Broken>) -> Workshop {
    let shared: salesforce::clock::SharedClock = Arc::<Broken>::clone(clock);
    Workshop {
        options: Options {
            replicator: String::new(),
            allow_http: AllowHttp::LoopbackOnly,
            adopt: None,
            sqlite_directory: std::path::PathBuf::new(),
            environment: Environment::new(Arc::clone(&shared), Arc::new(Silent)),
        },
        clock: shared,
        random: Arc::new(Longest),
    }
}

#[tokio::test]
async fn after_a_panic_an_order_is_followed_at_once_and_begins_a_new_series() {
    let clock = Arc::<Broken>::default();
    let workshop = workshop(&clock);
    let key = ("telephony".to_owned(), "crm".to_owned());
    let metrics = Metrics::new("1", "", true).unwrap();
    let metrics = metrics.replicator("telephony", "crm").unwrap();
    let wake_ups = Arc::<WakeUps>::default();
    let standing = Standing::recall(&order(1).spec, None);
    let wake = Wake::new(key.clone(), Arc::clone(&wake_ups));
    let board = Arc::new(Board::new(standing, metrics, wake));
    let orders = watch::Sender::new(order(1));
    let tokens = (CancellationToken::new(), CancellationToken::new());
    let ending = tokens.0.clone();
    let mut work = JoinSet::new();
    work.spawn(supervise(
        workshop,
        key,
        orders.subscribe(),
        Arc::clone(&board),
        tokens,
        None,
    ));
    let until = async |wanted: &dyn Fn(&Standing) -> bool| {
        let waiting = async {
            while !wanted(&board.standing()) {
                wake_ups.next().await;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.unwrap();
    };
    let mut slept = clock.slept.subscribe();
    for panics in 1..=3 {
        until(&|standing| standing.panics == panics).await;
        let standing = board.standing();
        assert_eq!(standing.trouble.unwrap().reason, Reason::RunPanicked);
        let pauses = u64::try_from(
            slept
                .wait_for(|slept| slept.len() as u64 >= panics)
                .await
                .unwrap()
                .len(),
        );
        assert_eq!(pauses, Ok(panics));
        orders.send_replace(order(1 + i64::try_from(panics).unwrap()));
    }
    until(&|standing| standing.panics == 4).await;
    let pauses = slept.wait_for(|slept| slept.len() == 4).await.unwrap().clone();
    assert!(pauses.iter().all(|pause| *pause == ACROSS_TICKS.first), "{pauses:?}");
    clock.is_whole.store(true, Ordering::SeqCst);
    orders.send_replace(order(5));
    until(&|standing| standing.activity == Activity::Suspended && standing.generation == Some(5)).await;
    ending.cancel();
    work.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn the_order_at_which_a_worker_panicked_is_none_that_came_since() {
    let clock = Arc::<Broken>::default();
    clock.is_whole.store(true, Ordering::SeqCst);
    let metrics = Arc::new(Metrics::new("1", "", true).unwrap());
    let wake_ups = Arc::<WakeUps>::default();
    let supervisor = Supervisor::new(workshop(&clock), metrics, Arc::clone(&wake_ups));
    let resource = SalesforceReplicator::new("crm", spec(&json!({"suspend": true})));
    let key = key(&resource);
    let entry = supervisor.entry(&resource).await.unwrap();
    let until = async |wanted: &dyn Fn(&Standing) -> bool| {
        let waiting = async {
            while !wanted(&entry.board.standing()) {
                wake_ups.next().await;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.unwrap();
    };
    for generation in [1, 2] {
        supervisor.order(&key, &entry, order(generation), None);
        until(&|standing| standing.activity == Activity::Suspended && standing.generation == Some(generation)).await;
    }
    clock.is_whole.store(false, Ordering::SeqCst);
    supervisor.order(&key, &entry, order(3), None);
    until(&|standing| standing.panics > 0).await;
    let paused = clock.slept.borrow().clone();
    assert_eq!((entry.board.standing().panics, paused.len()), (1, 1));
    supervisor.end(PATIENCE).await;
}

#[tokio::test]
async fn no_worker_begins_for_a_resource_that_was_forgotten_while_a_pass_was_under_way() {
    let clock = Arc::<Broken>::default();
    clock.is_whole.store(true, Ordering::SeqCst);
    let metrics = Arc::new(Metrics::new("1", "", true).unwrap());
    let supervisor = Supervisor::new(workshop(&clock), metrics, Arc::default());
    let mut resource = SalesforceReplicator::new("crm", spec(&json!({"suspend": true})));
    resource.metadata.uid = Some("1".to_owned());
    let key = key(&resource);
    let under_way = || supervisor.tasks.lock().unwrap().len();
    let former = supervisor.entry(&resource).await.unwrap();
    supervisor.order(&key, &former, order(1), None);
    assert_eq!(under_way(), 1);
    supervisor.forget(&key, &former).await;
    supervisor.order(&key, &former, order(2), None);
    while supervisor.tasks.lock().unwrap().try_join_next().is_some() {}
    assert_eq!(under_way(), 0);
    let known = supervisor.entry(&resource).await.unwrap();
    assert!(!Arc::ptr_eq(&known, &former), "one that comes back is another");
    supervisor.order(&key, &known, order(2), None);
    assert_eq!(under_way(), 1);
    supervisor.end(PATIENCE).await;
}
