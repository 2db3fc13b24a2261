//! The whole protocol on a clock that only the tests move: candidates of one store, each with a line to it that can be cut.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use salesforce::clock::{Clock, Sleep};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Time that stands still until [`Timeline::advance`]. Each replica has its own wall clock, which may go wrong.
#[derive(Debug, Default)]
struct Timeline {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl Timeline {
    /// Moves time, stopping at each moment that somebody waits for.
    async fn advance(&self, by: Duration) {
        let target = self.now() + by;
        loop {
            settle().await;
            let Some(next) = self.next_wake(target) else {
                break;
            };
            self.wake(next);
        }
        self.wake(target);
        settle().await;
    }

    /// Moves time as it moves for a process that is stopped: nobody notices.
    fn stop_process_for(&self, by: Duration) {
        self.inner.lock().unwrap().now += by;
    }

    fn now(&self) -> Duration {
        self.inner.lock().unwrap().now
    }

    fn next_wake(&self, until: Duration) -> Option<Duration> {
        let mut inner = self.inner.lock().unwrap();
        inner.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
        let wakes = inner.sleepers.iter().map(|(at, _)| *at);
        wakes.filter(|at| *at <= until).min()
    }

    fn wake(&self, at: Duration) {
        let mut inner = self.inner.lock().unwrap();
        inner.now = inner.now.max(at);
        let now = inner.now;
        inner.sleepers.retain(|(at, _)| *at > now);
    }
}

/// Lets every task do what it can do now.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A turn for every other task.
async fn yield_to_others() {
    tokio::task::yield_now().await;
}

/// The clock of one replica.
#[derive(Debug)]
struct Replica {
    timeline: Arc<Timeline>,
    wall_is_ahead_by: jiff::SignedDuration,
}

impl Clock for Replica {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + self.timeline.now() + self.wall_is_ahead_by
    }

    fn monotonic(&self) -> Duration {
        self.timeline.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let (sender, woken) = oneshot::channel();
        {
            let mut inner = self.timeline.inner.lock().unwrap();
            let at = inner.now + duration;
            if duration > Duration::ZERO {
                inner.sleepers.push((at, sender));
            }
        }
        Box::pin(async move {
            woken.await.ok();
        })
    }
}

/// No jitter, or as much as there can be.
#[derive(Debug, Clone, Copy)]
enum Jitter {
    None,
    All,
}

impl Randomness for Jitter {
    fn below(&self, bound: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::All => bound.saturating_sub(1),
        }
    }
}

/// The API server.
#[derive(Debug, Default)]
struct Server {
    lease: Mutex<Option<Lease>>,
    version: AtomicU64,
    /// How many writes were refused with 409.
    conflicts: AtomicU64,
    /// How many requests were refused by [`State::Refusing`].
    refusals: AtomicU64,
}

impl Server {
    fn spec(&self) -> LeaseSpec {
        let lease = self.lease.lock().unwrap();
        lease.as_ref().and_then(|lease| lease.spec.clone()).expect("a lease")
    }

    fn holder(&self) -> String {
        self.spec().holder_identity.unwrap_or_default()
    }

    fn store(&self, mut lease: Lease, stored: &mut Option<Lease>) -> Lease {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        lease.metadata.resource_version = Some(version.to_string());
        *stored = Some(lease.clone());
        lease
    }

    fn conflict(&self) -> LeaseError {
        self.conflicts.fetch_add(1, Ordering::SeqCst);
        LeaseError::Conflict
    }

    fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let mut stored = self.lease.lock().unwrap();
        if stored.is_some() {
            return Err(self.conflict());
        }
        Ok(self.store(lease.clone(), &mut stored))
    }

    fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let mut stored = self.lease.lock().unwrap();
        let version = stored.as_ref().map(|stored| stored.metadata.resource_version.clone());
        if version != Some(lease.metadata.resource_version.clone()) {
            return Err(self.conflict());
        }
        Ok(self.store(lease.clone(), &mut stored))
    }

    /// Somebody with kubectl.
    fn edit(&self, edit: impl FnOnce(&mut Lease)) {
        let mut stored = self.lease.lock().unwrap();
        let mut lease = stored.clone().expect("a lease");
        edit(&mut lease);
        self.store(lease, &mut stored);
    }

    fn set_holder(&self, holder: &str) {
        self.edit(|lease| lease.spec.as_mut().unwrap().holder_identity = Some(holder.to_owned()));
    }
}

/// How a replica's line to the API server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Requests are refused.
    Refusing,
    /// Nothing arrives, nobody answers.
    Hanging,
    /// Requests are done, answers are lost.
    Deaf,
    /// Writes are done when the line is good again.
    SlowToWrite,
}

/// A replica's line to the API server.
#[derive(Debug, Clone)]
struct Line {
    server: Arc<Server>,
    state: Arc<watch::Sender<State>>,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Read,
    Write,
}

impl Line {
    async fn pass<T>(&self, request: Request, perform: impl Fn(&Server) -> T) -> Result<T, LeaseError> {
        // Whatever else can happen happens before the request arrives.
        yield_to_others().await;
        let state = *self.state.borrow();
        match (state, request) {
            (State::Good, _) | (State::SlowToWrite, Request::Read) => Ok(perform(&self.server)),
            (State::Refusing, _) => {
                self.server.refusals.fetch_add(1, Ordering::SeqCst);
                Err(LeaseError::Refused("no".to_owned()))
            }
            (State::Hanging, _) => std::future::pending().await,
            (State::Deaf, _) => {
                perform(&self.server);
                std::future::pending().await
            }
            (State::SlowToWrite, Request::Write) => {
                let mut state = self.state.subscribe();
                state.wait_for(|state| *state == State::Good).await.expect("a line");
                Ok(perform(&self.server))
            }
        }
    }
}

impl Leases for Line {
    async fn get(&self) -> Result<Option<Lease>, LeaseError> {
        let get = |server: &Server| server.lease.lock().unwrap().clone();
        self.pass(Request::Read, get).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.pass(Request::Write, |server| server.create(lease)).await?
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.pass(Request::Write, |server| server.replace(lease)).await?
    }
}

/// Time, an API server, and replicas that want the same Lease.
#[derive(Debug, Default)]
struct Stage {
    timeline: Arc<Timeline>,
    server: Arc<Server>,
}

/// A replica that wants to lead, until it does.
struct Contender {
    line: Line,
    task: JoinSet<Held>,
}

impl Contender {
    /// Whether it leads by now.
    fn leads(&mut self) -> Option<Held> {
        self.task.try_join_next().map(|held| held.expect("it does not panic"))
    }
}

impl Stage {
    fn contender(&self, identity: &str) -> Contender {
        self.contender_with(identity, Jitter::None, jiff::SignedDuration::ZERO)
    }

    fn contender_with(&self, identity: &str, jitter: Jitter, wall_is_ahead_by: jiff::SignedDuration) -> Contender {
        let line = Line {
            server: Arc::clone(&self.server),
            state: Arc::new(watch::channel(State::Good).0),
        };
        let clock = Replica {
            timeline: Arc::clone(&self.timeline),
            wall_is_ahead_by,
        };
        let settings = ElectionSettings::new("telephony", "salesforce-replicator", identity);
        let election = Election::new(line.clone(), settings, Arc::new(clock), Arc::new(jitter)).unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { election.acquire().await });
        Contender { line, task }
    }

    /// The first one there, leading.
    async fn leader(&self, identity: &str) -> (Held, Line) {
        let mut contender = self.contender(identity);
        self.advance(0).await;
        (contender.leads().expect("nobody else is there"), contender.line)
    }

    async fn advance(&self, seconds: u64) {
        self.timeline.advance(SECOND * u32::try_from(seconds).unwrap()).await;
    }

    /// Second by second until the contender leads; how many they were.
    async fn wait_for(&self, contender: &mut Contender) -> (Held, u64) {
        for seconds in 0..100 {
            if let Some(held) = contender.leads() {
                return (held, seconds);
            }
            self.advance(1).await;
        }
        panic!("it does not lead in 100 seconds");
    }
}

/// How it was lost, if it was.
async fn loss(held: &Held) -> Option<Loss> {
    tokio::select! {
        biased;
        loss = held.lost() => Some(loss),
        () = settle() => None,
    }
}

#[tokio::test]
async fn the_first_one_makes_the_lease_and_keeps_it() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    let made = stage.server.spec();
    assert_eq!(made.holder_identity.as_deref(), Some("a"));
    assert_eq!(
        (made.lease_duration_seconds, made.lease_transitions),
        (Some(15), Some(0))
    );
    assert_eq!(made.acquire_time, made.renew_time);

    let mut other = stage.contender("b");
    stage.advance(3600).await;
    assert!(other.leads().is_none());
    assert!(held.is_fresh());
    assert_eq!(loss(&held).await, None);
    let kept = stage.server.spec();
    assert_eq!(
        (&kept.acquire_time, kept.lease_transitions),
        (&made.acquire_time, Some(0))
    );
    let renewals = stage.server.version.load(Ordering::SeqCst);
    assert_eq!(renewals, 1801, "one at each retry period");
}

#[tokio::test]
async fn a_dead_leader_is_followed_after_a_full_duration_of_watching() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    stage.advance(100).await;
    drop(held);
    // Ten more seconds before anybody watches count for nothing.
    stage.advance(10).await;
    let acquired = stage.server.spec().acquire_time;
    let mut other = stage.contender("b");
    let (_held, seconds) = stage.wait_for(&mut other).await;
    assert_eq!(seconds, 16, "15 seconds, and the next look after them");
    let taken = stage.server.spec();
    assert_eq!(
        (stage.server.holder().as_str(), taken.lease_transitions),
        ("b", Some(1))
    );
    assert!(taken.acquire_time > acquired);
    assert_eq!(taken.acquire_time, taken.renew_time);
}

#[tokio::test]
async fn a_record_that_changes_is_watched_anew_and_other_changes_do_not_count() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    drop(held);
    let mut other = stage.contender("b");
    stage.advance(14).await;
    stage.server.set_holder("c");
    stage.advance(14).await;
    assert!(other.leads().is_none(), "c has been seen for less than 15 seconds");
    stage.server.edit(|lease| {
        lease.metadata.labels = Some([("team".to_owned(), "crm".to_owned())].into());
    });
    let (_held, seconds) = stage.wait_for(&mut other).await;
    assert_eq!(seconds, 4, "seen at 16, expired at 31, looked at at 32");
    assert_eq!(stage.server.conflicts.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_duration_that_counts_is_the_one_of_the_record() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    drop(held);
    stage
        .server
        .edit(|lease| lease.spec.as_mut().unwrap().lease_duration_seconds = Some(60));
    let mut other = stage.contender("b");
    let (_held, seconds) = stage.wait_for(&mut other).await;
    assert_eq!(seconds, 60);
}

#[tokio::test]
async fn wall_clocks_decide_nothing() {
    for hours in [-5, 5] {
        let stage = Stage::default();
        let (held, _line) = stage.leader("a").await;
        // For b the record has been out of date for hours, or is of the future.
        let skew = jiff::SignedDuration::from_hours(hours);
        let mut other = stage.contender_with("b", Jitter::All, skew);
        stage.advance(600).await;
        assert!(other.leads().is_none(), "{hours}");
        assert!(held.is_fresh());
        drop(held);
        let (_held, seconds) = stage.wait_for(&mut other).await;
        assert!((15..=22).contains(&seconds), "{hours}: {seconds}");
        // A renewTime of any kind does not keep an unchanged record alive.
        let MicroTime(renewed) = stage.server.spec().renew_time.unwrap();
        let here = Timestamp::from_second(1_800_000_000).unwrap() + stage.timeline.now();
        assert!(here.duration_until(renewed).abs() > jiff::SignedDuration::from_hours(4));
    }
}

#[tokio::test]
async fn of_two_that_try_at_once_one_gets_a_conflict_and_follows() {
    let stage = Stage::default();
    let mut contenders = [stage.contender("a"), stage.contender("b")];
    stage.advance(60).await;
    let leading = contenders.each_mut().map(Contender::leads);
    assert_eq!(leading.iter().flatten().count(), 1);
    assert_eq!(
        stage.server.conflicts.load(Ordering::SeqCst),
        1,
        "both wanted to make it"
    );
    drop((leading, contenders));

    // The same where it is there and has expired.
    let mut contenders = [stage.contender("c"), stage.contender("d")];
    stage.advance(60).await;
    let leading = contenders.each_mut().map(Contender::leads);
    assert_eq!(leading.iter().flatten().count(), 1);
    assert_eq!(
        stage.server.conflicts.load(Ordering::SeqCst),
        2,
        "both wanted to take it"
    );
    assert_eq!(stage.server.spec().lease_transitions, Some(1));
}

#[tokio::test]
async fn an_api_server_that_hangs_costs_the_leadership_before_anybody_can_have_taken_it() {
    for state in [State::Hanging, State::Refusing, State::Deaf] {
        let stage = Stage::default();
        let (held, line) = stage.leader("a").await;
        let mut other = stage.contender("b");
        stage.advance(3).await;
        // The last renewal was sent a second ago.
        line.state.send_replace(state);
        stage.advance(8).await;
        assert!(held.is_fresh(), "{state:?}: the deadline has not passed");
        assert_eq!(loss(&held).await, None);
        stage.advance(1).await;
        assert!(!held.is_fresh(), "{state:?}: 10 seconds after it was sent");
        assert_eq!(loss(&held).await, Some(Loss::Deadline));
        assert!(other.leads().is_none(), "{state:?}");
        let (_held, seconds) = stage.wait_for(&mut other).await;
        // What the server did though nobody was told prolongs the wait, never the term.
        assert!(seconds >= 4, "{state:?}: {seconds}");
        assert_eq!(stage.server.holder(), "b");
        stage.advance(60).await;
        assert!(!held.is_fresh(), "a lost Lease does not come back");
    }
}

#[tokio::test]
async fn a_hang_that_ends_in_time_costs_nothing() {
    let stage = Stage::default();
    let (held, line) = stage.leader("a").await;
    stage.advance(3).await;
    for state in [State::Hanging, State::Deaf, State::Refusing] {
        line.state.send_replace(state);
        stage.advance(5).await;
        line.state.send_replace(State::Good);
        stage.advance(600).await;
        assert!(held.is_fresh(), "{state:?}");
        assert_eq!(loss(&held).await, None, "{state:?}");
    }
    let spec = stage.server.spec();
    assert_eq!((stage.server.holder().as_str(), spec.lease_transitions), ("a", Some(0)));
}

#[tokio::test]
async fn the_deadline_counts_from_before_the_request_was_sent() {
    let stage = Stage::default();
    let (held, line) = stage.leader("a").await;
    line.state.send_replace(State::SlowToWrite);
    // Sent at second 2, answered at second 5, so good until second 12.
    stage.advance(5).await;
    line.state.send_replace(State::Good);
    stage.advance(0).await;
    line.state.send_replace(State::Hanging);
    stage.advance(6).await;
    assert!(held.is_fresh());
    stage.advance(1).await;
    assert!(!held.is_fresh());
    assert_eq!(loss(&held).await, Some(Loss::Deadline));
}

#[tokio::test]
async fn another_holder_ends_the_term_at_the_next_look() {
    for holder in ["b", ""] {
        let stage = Stage::default();
        let (held, _line) = stage.leader("a").await;
        stage.server.set_holder(holder);
        stage.advance(2).await;
        let taken = Loss::Taken {
            holder: holder.to_owned(),
        };
        assert_eq!(loss(&held).await, Some(taken));
        assert!(!held.is_fresh());
        stage.advance(60).await;
        assert_eq!(stage.server.holder(), holder, "it takes nothing back");
        held.release().await;
        assert_eq!(stage.server.holder(), holder, "and gives away what is not its own");
    }
}

#[tokio::test]
async fn a_write_of_somebody_who_is_no_candidate_is_read_and_passed_over() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    for _ in 0..5 {
        stage
            .server
            .edit(|lease| lease.metadata.annotations = Some([("seen".to_owned(), "yes".to_owned())].into()));
        stage.advance(2).await;
    }
    assert_eq!(loss(&held).await, None);
    assert_eq!(stage.server.conflicts.load(Ordering::SeqCst), 5);
    let labels = stage.server.lease.lock().unwrap().clone().unwrap().metadata.annotations;
    assert!(labels.is_some(), "what others wrote stays");
}

#[tokio::test]
async fn a_lease_that_was_deleted_is_made_again_unless_another_was_faster() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    *stage.server.lease.lock().unwrap() = None;
    stage.advance(2).await;
    assert_eq!(stage.server.holder(), "a");
    assert_eq!(loss(&held).await, None);

    *stage.server.lease.lock().unwrap() = None;
    let (_other, _line) = stage.leader("b").await;
    stage.advance(2).await;
    let taken = Loss::Taken { holder: "b".to_owned() };
    assert_eq!(loss(&held).await, Some(taken));
}

#[tokio::test]
async fn a_release_hands_over_at_once() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    let mut other = stage.contender("b");
    stage.advance(7).await;
    let freshness = held.freshness();
    held.release().await;
    assert!(!freshness.is_fresh());
    let released = stage.server.spec();
    assert_eq!(
        (released.holder_identity.as_deref(), released.lease_duration_seconds),
        (Some(""), Some(1))
    );
    assert_eq!(released.lease_transitions, Some(0));
    let (_held, seconds) = stage.wait_for(&mut other).await;
    assert!(seconds <= 2, "{seconds}: at its next look");
    let taken = stage.server.spec();
    assert_eq!(
        (taken.lease_duration_seconds, taken.lease_transitions),
        (Some(15), Some(1))
    );
}

#[tokio::test]
async fn a_release_waits_no_longer_than_a_request_may_take() {
    let stage = Stage::default();
    let (held, line) = stage.leader("a").await;
    line.state.send_replace(State::Hanging);
    let freshness = held.freshness();
    let mut releasing = JoinSet::new();
    releasing.spawn(held.release());
    stage.advance(3).await;
    assert!(releasing.try_join_next().is_none());
    assert!(!freshness.is_fresh(), "given up before the API server is asked");
    stage.advance(1).await;
    assert!(releasing.try_join_next().is_some());
    assert_eq!(stage.server.holder(), "a", "it expires");
}

#[tokio::test]
async fn a_release_in_the_middle_of_a_renewal_wins() {
    let stage = Stage::default();
    let (held, line) = stage.leader("a").await;
    line.state.send_replace(State::Deaf);
    stage.advance(2).await;
    assert_eq!(stage.server.version.load(Ordering::SeqCst), 2, "renewed, and not told");
    line.state.send_replace(State::Good);
    held.release().await;
    assert_eq!(stage.server.holder(), "");
}

#[tokio::test]
async fn a_process_that_was_stopped_finds_itself_not_fresh() {
    let stage = Stage::default();
    let (held, _line) = stage.leader("a").await;
    stage.advance(60).await;
    let freshness = held.freshness();
    stage.timeline.stop_process_for(SECOND * 9);
    assert!(freshness.is_fresh());
    stage.timeline.stop_process_for(SECOND);
    assert!(!freshness.is_fresh(), "before any task had its turn");
    // And the renewal does not try to catch up.
    let renewed = stage.server.version.load(Ordering::SeqCst);
    stage.advance(0).await;
    assert_eq!(loss(&held).await, Some(Loss::Deadline));
    assert_eq!(stage.server.version.load(Ordering::SeqCst), renewed);
}

#[tokio::test]
async fn a_candidate_that_was_stopped_does_not_begin_a_term_that_is_over() {
    let stage = Stage::default();
    let mut contender = stage.contender("a");
    contender.line.state.send_replace(State::SlowToWrite);
    stage.advance(0).await;
    stage.timeline.stop_process_for(SECOND * 10);
    contender.line.state.send_replace(State::Good);
    settle().await;
    assert_eq!(stage.server.holder(), "a");
    assert!(contender.leads().is_none(), "what it got is over");
    let (held, seconds) = stage.wait_for(&mut contender).await;
    assert_eq!(seconds, 2);
    assert!(held.is_fresh());
    assert_eq!(stage.server.spec().lease_transitions, Some(0), "the record was its own");
}

#[tokio::test]
async fn candidates_do_not_come_in_step() {
    for (jitter, looks) in [(Jitter::None, 50), (Jitter::All, 23)] {
        let stage = Stage::default();
        let contender = stage.contender_with("a", jitter, jiff::SignedDuration::ZERO);
        contender.line.state.send_replace(State::Refusing);
        stage.advance(99).await;
        assert_eq!(stage.server.refusals.load(Ordering::SeqCst), looks, "{jitter:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let good = ElectionSettings::new("telephony", "salesforce-replicator", "a");
    assert_eq!(good.check(), Ok(()));
    let refused = |change: fn(&mut ElectionSettings)| {
        let mut settings = good.clone();
        change(&mut settings);
        settings.check().unwrap_err()
    };
    assert!(refused(|settings| settings.identity.clear()).contains("identity"));
    assert!(refused(|settings| settings.namespace.clear()).contains("namespace"));
    assert!(refused(|settings| settings.renew_deadline = SECOND * 15).contains("two replicas lead"));
    assert!(refused(|settings| settings.lease_duration = Duration::from_millis(15_500)).contains("whole seconds"));
    assert!(refused(|settings| settings.retry_period = Duration::ZERO).contains("above zero"));
    assert!(refused(|settings| settings.retry_period = SECOND * 5).contains("second try"));
}

#[test]
fn an_identity_names_the_pod_and_is_never_the_same() {
    let one = ElectionSettings::identity("operator-7d9f-x2k4q", &Jitter::None);
    let other = ElectionSettings::identity("operator-7d9f-x2k4q", &Jitter::All);
    assert_eq!(one, "operator-7d9f-x2k4q_0000000000000000");
    assert_eq!(other, "operator-7d9f-x2k4q_fffffffffffffffe");
}
