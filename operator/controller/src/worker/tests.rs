//! A worker between an org and a SQLite file, on a clock that is moved.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use replication::{
    progress::Silent,
    replicator::{Environment, Tuning},
};
use salesforce::{
    AllowHttp,
    clock::{Clock, Sleep, SystemClock},
};
use serde_json::{Value, json};
use simulator::{Config, Rule, Simulator, What};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::{
    metrics::Metrics,
    secrets::Snapshot,
    standing::Standing,
    wake::{Wake, WakeUps},
};

/// Longest wait for something that must happen.
const LIMIT: Duration = Duration::from_mins(1);

/// Pauses between tries of one call are shorter, and over at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// The machine's clock, which can be moved; who waits for long waits for that.
#[derive(Debug)]
struct TestClock {
    machine: SystemClock,
    ahead: watch::Sender<Duration>,
    /// Long waits under way.
    waits: watch::Sender<u64>,
}

/// A long wait that is over when this is dropped.
struct Waiting(watch::Sender<u64>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waits| *waits -= 1);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.machine.now() + *self.ahead.borrow()
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic() + *self.ahead.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if duration <= LONGEST_PAUSE {
            return Box::pin(tokio::task::yield_now());
        }
        let mut ahead = self.ahead.subscribe();
        let until = *self.ahead.borrow() + duration;
        self.waits.send_modify(|waits| *waits += 1);
        let waiting = Waiting(self.waits.clone());
        Box::pin(async move {
            let _waiting = waiting;
            if ahead.wait_for(|ahead| *ahead >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[derive(Debug)]
struct Longest;

impl Randomness for Longest {
    fn below(&self, bound: u64) -> u64 {
        bound.saturating_sub(1)
    }
}

struct Bench {
    org: Simulator,
    folder: TempDir,
    clock: Arc<TestClock>,
    board: Arc<Board>,
    orders: watch::Sender<Order>,
    wakes: Arc<WakeUps>,
    ending: CancellationToken,
    stop: CancellationToken,
    work: JoinSet<()>,
}

impl Bench {
    /// An org, and the first order for its worker.
    async fn new(contacts: u64, more: &Value) -> Self {
        let config = Config {
            contacts,
            accounts: 40,
            ..Config::default()
        };
        let org = Simulator::start(config).await.unwrap();
        let clock = Arc::new(TestClock {
            machine: SystemClock::new(),
            ahead: watch::Sender::default(),
            waits: watch::Sender::default(),
        });
        let wakes = Arc::<WakeUps>::default();
        let wake = Wake::new(("telephony".to_owned(), "crm".to_owned()), Arc::clone(&wakes));
        let metrics = Metrics::new("1", "", true).unwrap();
        let metrics = metrics.replicator("telephony", "crm").unwrap();
        let order = order(&org, 1, more);
        let standing = Standing::recall(&order.spec, None);
        Self {
            org,
            folder: TempDir::new().unwrap(),
            clock,
            board: Arc::new(Board::new(standing, metrics, wake)),
            orders: watch::Sender::new(order),
            wakes,
            ending: CancellationToken::new(),
            stop: CancellationToken::new(),
            work: JoinSet::new(),
        }
    }

    fn start(&mut self, behind: Option<Timestamp>) {
        let mut environment = Environment::new(Arc::<TestClock>::clone(&self.clock), Arc::new(Silent));
        environment.random = Arc::new(Longest);
        environment.tuning = Tuning {
            page_rows: Some(200),
            ..Tuning::default()
        };
        let mut worker = Worker {
            workshop: Workshop {
                options: Options {
                    replicator: String::new(),
                    allow_http: AllowHttp::LoopbackOnly,
                    adopt: None,
                    sqlite_directory: self.folder.path().to_owned(),
                    environment,
                },
                clock: Arc::<TestClock>::clone(&self.clock),
                random: Arc::new(Longest),
            },
            key: ("telephony".to_owned(), "crm".to_owned()),
            replicator: "telephony/crm".to_owned(),
            orders: self.orders.subscribe(),
            follows: self.orders.borrow().clone(),
            board: Arc::clone(&self.board),
            ending: self.ending.clone(),
            stop: self.stop.clone(),
            behind: behind.map(|last| Behind::new(last, self.orders.borrow().clone())),
            asked: Asked::default(),
        };
        self.work.spawn(async move { worker.work().await });
    }

    /// Another generation of the resource.
    fn change(&self, generation: i64, more: &Value) {
        self.orders.send_replace(order(&self.org, generation, more));
    }

    /// Moves time when the worker waits for it.
    async fn advance(&mut self, by: Duration) {
        self.until("it is at rest", |standing| {
            matches!(standing.activity, Activity::Waiting | Activity::BackingOff)
        })
        .await;
        let mut waits = self.clock.waits.subscribe();
        let resting = tokio::time::timeout(LIMIT, waits.wait_for(|waits| *waits > 0)).await;
        drop(resting.expect("it waits for time to pass").unwrap());
        self.org.control().advance_clock(by.try_into().unwrap());
        self.clock.ahead.send_modify(|ahead| *ahead += by);
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&Standing) -> bool) -> Standing {
        let waiting = async {
            loop {
                let standing = self.board.standing();
                if wanted(&standing) {
                    return standing;
                }
                self.wakes.next().await;
            }
        };
        if let Ok(standing) = tokio::time::timeout(LIMIT, Box::pin(waiting)).await {
            return standing;
        }
        panic!("waited in vain: {what}: {:#?}", self.board.standing());
    }
}

fn order(org: &Simulator, generation: i64, more: &Value) -> Order {
    let mut spec = json!({
        "connection": {
            "loginUrl": org.url().to_string(),
            "auth": {"password": {"secretRef": {"name": "org"}}},
        },
        "destination": {"sqlite": {"file": "crm.db"}},
        "objects": [{"name": "Contact"}],
        "trigger": {"interval": "1h"},
        "consistency": {"verifyEvery": "0s", "reconcileEvery": "0s", "refreshEvery": "0s"},
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(json!({
        "metadata": {"name": "org", "resourceVersion": "1"},
        "data": {
            "username": "YWRtaW5AZXhhbXBsZS5jb20=",
            "password": "Y29ycmVjdCBob3JzZQ==",
            "securityToken": "VE9LRU4xMjM=",
        },
    }))
    .unwrap();
    let mut secrets = Snapshot::new("telephony");
    secrets.insert(secret);
    Order {
        generation,
        spec: Arc::new(serde_json::from_value(spec).unwrap()),
        secrets: Arc::new(secrets),
        adopt: None,
        confirm: BTreeMap::new(),
    }
}

fn failures(standing: &Standing, object: &str) -> u64 {
    let object = standing.objects.iter().find(|found| found.name == object).unwrap();
    object.failure.as_ref().map_or(0, |failure| failure.count)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_planned_is_tried_again_in_its_hour_and_causes_no_loop() {
    let more = json!({"objects": [{"name": "Contact"}, {"name": "Nothing__c"}], "trigger": {"manual": "1"}});
    let mut bench = Bench::new(20, &more).await;
    bench.start(None);
    let first = bench
        .until("the first tick", |standing| standing.last_manual.is_some())
        .await;
    assert_eq!(failures(&first, "Nothing__c"), 1);
    bench.advance(HOURLY + Duration::from_secs(1)).await;
    bench
        .until("it is tried again", |standing| failures(standing, "Nothing__c") == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_a_plan_costs_no_describe_at_each_tick_but_a_person_gets_one() {
    let more = |manual: &str| {
        json!({"objects": [{"name": "Contact"}, {"name": "Nothing__c"}],
               "trigger": {"interval": "20m", "manual": manual}})
    };
    let mut bench = Bench::new(20, &more("1")).await;
    bench.start(None);
    bench
        .until("the first tick", |standing| {
            standing.last_manual.as_deref() == Some("1")
        })
        .await;
    let describes = |bench: &Bench| bench.org.control().counters().of("describeGlobal");
    let before = describes(&bench);
    let start = bench.board.standing().tick.unwrap().start;
    bench.advance(Duration::from_mins(21)).await;
    bench
        .until("the next tick", |standing| {
            standing.activity == Activity::Waiting || standing.activity == Activity::BackingOff
        })
        .await;
    bench
        .until("the next tick has ended", |standing| {
            standing
                .tick
                .as_ref()
                .is_some_and(|tick| tick.start > start && tick.end.is_some())
        })
        .await;
    assert_eq!(describes(&bench), before, "nothing says that the org has changed");
    bench.change(2, &more("2"));
    bench
        .until("the manual run", |standing| {
            standing.last_manual.as_deref() == Some("2")
        })
        .await;
    assert_eq!(describes(&bench), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_between_two_ticks_belongs_to_the_one_before() {
    let more = json!({"objects": [{"name": "Contact"}, {"name": "Account"}], "trigger": {"interval": "12h"}});
    let mut bench = Bench::new(20, &more).await;
    let control = bench.org.control();
    let refused = What::Fault {
        code: "OPERATION_TOO_LARGE".to_owned(),
        message: "exceeded 100000 distinct who/what's".to_owned(),
        element: None,
    };
    control.add_rule(Rule::at("queryAll", refused).of("Account").times(u64::MAX));
    bench.start(None);
    let first = bench
        .until("the first tick has ended", |standing| {
            failures(standing, "Account") == 1 && standing.tick.as_ref().is_some_and(|tick| tick.end.is_some())
        })
        .await;
    let first = first.tick.unwrap();
    assert_eq!(first.rows_read, 20);
    control.clear_rules();
    bench.advance(HOURLY + Duration::from_secs(1)).await;
    let mended = bench
        .until("it is tried again", |standing| {
            failures(standing, "Account") == 0 && standing.objects[1].is_live && !standing.is_running()
        })
        .await;
    let tick = mended.tick.unwrap();
    assert_eq!((&tick.id, tick.start, tick.end), (&first.id, first.start, first.end));
    assert_eq!(tick.rows_read, 60, "with the rows of the retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_behind_the_tick_of_a_former_process_follows_a_changed_spec_at_once() {
    let mut bench = Bench::new(20, &json!({})).await;
    bench.start(Some(bench.clock.now()));
    bench
        .until("it waits", |standing| standing.activity == Activity::Waiting)
        .await;
    assert_eq!(bench.org.control().counters().of("login"), 0);
    bench.change(2, &json!({"objects": [{"name": "Account"}]}));
    bench
        .until("the new object is loaded", |standing| {
            standing.generation == Some(2) && standing.objects[0].name == "Account" && standing.objects[0].is_live
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_behind_a_former_process_missed_nothing_by_a_schedule_that_came_meanwhile() {
    let mut bench = Bench::new(20, &json!({"trigger": {"interval": "48h"}})).await;
    let day = SignedDuration::from_hours(24);
    bench.start(Some(bench.clock.now() - day));
    bench
        .until("it waits", |standing| standing.activity == Activity::Waiting)
        .await;
    bench.change(2, &json!({"trigger": {"interval": "5m"}}));
    let loaded = bench
        .until("it runs at once", |standing| standing.objects[0].is_live)
        .await;
    assert_eq!(loaded.missed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_began_in_a_former_process_missed_nothing() {
    let mut bench = Bench::new(20, &json!({"suspend": true})).await;
    bench.start(Some(bench.clock.now()));
    bench
        .until("it is suspended", |standing| standing.activity == Activity::Suspended)
        .await;
    let by = Duration::from_hours(10);
    bench.org.control().advance_clock(by.try_into().unwrap());
    bench.clock.ahead.send_modify(|ahead| *ahead += by);
    bench.change(2, &json!({}));
    let loaded = bench
        .until("it runs at once", |standing| standing.objects[0].is_live)
        .await;
    assert_eq!(loaded.missed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_run_that_fails_waits_as_every_failure_does_and_is_not_lost() {
    let mut bench = Bench::new(20, &json!({})).await;
    bench.start(None);
    bench
        .until("the first load", |standing| standing.objects[0].is_live)
        .await;
    let control = bench.org.control();
    let refused = What::Fault {
        code: "INVALID_LOGIN".to_owned(),
        message: "Invalid username, password, security token; or user locked out.".to_owned(),
        element: None,
    };
    control.add_rule(Rule::at("login", refused).times(u64::MAX));
    control.end_sessions(None);
    bench.advance(HOURLY).await;
    bench
        .until("the login is refused", |standing| failures(standing, "Contact") > 0)
        .await;
    let before = control.counters().of("login");
    bench.change(2, &json!({"trigger": {"interval": "1h", "manual": "1"}}));
    bench
        .until("the manual run fails", |standing| failures(standing, "Contact") == 2)
        .await;
    assert!(control.counters().of("login") <= before + 1);
    control.clear_rules();
    bench.advance(HOURLY).await;
    bench
        .until("it runs with the next tick", |standing| {
            let fails = failures(standing, "Contact") > 0;
            assert!(!fails || standing.last_manual.is_none(), "it has not run");
            !fails && standing.last_manual.as_deref() == Some("1")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_run_that_the_end_of_the_process_cuts_off_is_not_done() {
    let mut bench = Bench::new(600, &json!({"trigger": {"manual": "1"}})).await;
    bench
        .org
        .control()
        .add_rule(Rule::at("queryMore", What::Hang).times(u64::MAX));
    bench.start(None);
    bench
        .until("a run is under way", |standing| standing.objects[0].progress.is_some())
        .await;
    bench.ending.cancel();
    bench.stop.cancel();
    bench.work.join_next().await.unwrap().unwrap();
    let standing = bench.board.standing();
    assert_eq!(standing.last_manual, None);
    assert_eq!(
        standing.tick.unwrap().end,
        None,
        "the next process does not wait behind it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_taken_back_while_runs_end_leaves_no_session_that_never_runs() {
    let mut bench = Bench::new(600, &json!({})).await;
    let control = bench.org.control();
    control.add_rule(Rule::at("queryMore", What::Hang).times(u64::MAX));
    bench.start(None);
    bench
        .until("a run is under way", |standing| standing.objects[0].progress.is_some())
        .await;
    let mut waits = bench.clock.waits.subscribe();
    let before = *waits.borrow_and_update();
    bench.change(2, &json!({"suspend": true}));
    let ending = tokio::time::timeout(LIMIT, waits.wait_for(|waits| *waits > before)).await;
    drop(ending.expect("its runs are to end").unwrap());
    bench.change(3, &json!({}));
    control.clear_rules();
    bench.clock.ahead.send_modify(|ahead| *ahead += PATIENCE);
    let live = bench.until("rows arrive", |standing| standing.objects[0].is_live).await;
    assert_eq!(live.objects[0].rows, Some(600));
}
