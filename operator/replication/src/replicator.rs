//! One replicator, tick by tick.
//!
//! A tick runs each object once: an Incremental, or the Initial that it needs first. Objects run apart, a few at
//! once, each in a task of its own with a connection of its own: one that fails or panics has a failed run, and the
//! others do not notice (design 6.2). There is one exception: when Salesforce refuses the *credentials*, objects that
//! have not begun do not begin, since each would log in again, and a user with a wrong password is soon locked out.
//!
//! Between ticks a replicator remembers, for each object, the state as the destination has it and the watermark that it
//! may be ahead by. Each run reads the state first, before it reads Salesforce, and trusts the memory only if the epoch
//! is the one that it knows: else another process has written since, and what is in the destination is the truth
//! (design 6.9). A process that comes back from a long stop thus reads some rows twice and never misses one.
//!
//! **Long runs outlive their tick.** A tick that is given a time to come back at leaves what still goes on to the next
//! ones: an Initial of one object never holds up the Incremental of another. The right to run, of which there are
//! `parallelism`, is passed on between segments, in the order in which it was asked for; and a listing of an object makes room
//! for the Incremental of its own when the next tick asks for one.
//!
//! Ticks take `&mut self`: there is one at a time. Whoever cancels the token or drops the replicator stops the tasks of all
//! runs. Open segments roll back, checkpoints stay.

mod needs;
pub(crate) mod outlook;
mod turn;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use salesforce::{CallObserver, Client, Retry, clock::SharedClock};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{Id, JoinSet},
};
use tokio_util::sync::CancellationToken;

pub use self::outlook::{Leaving, Outlook};
use self::turn::{Ended, Known, Outcome, Shared, Turn};
use crate::{
    Error, Problems, Result,
    budget::ByteBudget,
    destination::{Destination, ObjectTable as _, RetiredTable, observed::DestinationObserver},
    plan::{ObjectName, ObjectPlan, Unplanned},
    progress::{Degradation, Observer, RunError, RunKind, RunReport, Silent},
    quota::Allowance,
    retry::{Randomness, Retries, Schedule, SystemRandomness},
    run::{Place, Slots},
    state::{Owner, State},
};

/// What a replicator is made of.
#[derive(Debug)]
pub struct Parts<D> {
    /// Whose rows they are.
    pub owner: Owner,
    /// The objects.
    pub plans: Vec<Arc<ObjectPlan>>,
    /// Objects of the resource that cannot be planned.
    pub unplanned: Vec<Unplanned>,
    /// What keeps objects from being as good as they could be, beside what their plans and tables say.
    pub degraded: BTreeMap<ObjectName, Vec<Degradation>>,
    /// The way to Salesforce.
    pub client: Client,
    /// The database.
    pub destination: D,
    /// What runs share with the rest of the process.
    pub environment: Environment,
    /// What the resource says about runs.
    pub settings: Settings,
}

/// What runs share with the rest of the process. Cloning shares all of it.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Time.
    pub clock: SharedClock,
    /// Jitter of retries.
    pub random: Arc<dyn Randomness>,
    /// Memory for rows in flight.
    pub budget: ByteBudget,
    /// Who is told what runs do.
    pub observer: Arc<dyn Observer>,
    /// Who is told of calls to Salesforce.
    pub calls: Option<Arc<dyn CallObserver>>,
    /// Who is told what the database does.
    pub destination: Arc<dyn DestinationObserver>,
    /// Sizes.
    pub tuning: Tuning,
    /// Runs at once of all replicators that share this; `None` leaves it to each one's `parallelism`.
    pub active_runs: Option<Arc<Semaphore>>,
    /// Whether this process may claim objects.
    pub leadership: Arc<dyn Leadership>,
    /// Once this is cancelled, runs end with the segment that is open, and none begins.
    pub ending: CancellationToken,
}

/// Says whether this process may claim objects. One that has lost its right would otherwise take them from its successor
/// (design 6.9). Asked before the state of an object is read, so an implementation answers at once.
pub trait Leadership: std::fmt::Debug + Send + Sync + 'static {
    /// Whether the right is held at this moment.
    fn is_held(&self) -> bool;
}

/// Always may: a process that nobody else stands by for.
#[derive(Debug, Clone, Copy)]
pub struct Unrivalled;

impl Leadership for Unrivalled {
    fn is_held(&self) -> bool {
        true
    }
}

/// Sizes that are right by default, and that measurements and tests may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tuning {
    /// Rows of a segment at most; `None` is what the destination asks for.
    pub segment_rows: Option<u64>,
    /// Rows of a page, 200 to 2000; `None` is the client's default.
    pub page_rows: Option<u16>,
}

/// What the resource says about runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How far an Incremental reads back behind the watermark.
    pub overlap: Duration,
    /// Objects at once, at least one.
    pub parallelism: usize,
    /// `maxDeletePercent`, 0 to 100.
    pub max_delete_percent: u8,
    /// `apiBudgetPercent`, 1 to 95.
    pub api_budget_percent: u8,
}

/// What a tick is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TickRequest {
    /// Only runs of this kind; an object without state starts with Initial whatever is asked. `None` is what each
    /// object needs.
    pub kind: Option<RunKind>,
    /// Only these objects, by API name in any case; `None` is all of them.
    pub objects: Option<BTreeSet<String>>,
    /// Leave out objects that wait after a failure: see [`Schedule`].
    pub only_due: bool,
    /// Held deletes to let go: the token by the object's API name, in any case (`--confirm-deletes`). An object whose runs
    /// go on from an earlier tick does not take it: it is to be given again.
    pub confirm: BTreeMap<String, String>,
    /// A person wants it now (`spec.trigger.manual`): no run waits for the budget of API calls. The guard of deletes stays.
    pub manual: bool,
    /// When the tick is to come back although runs still go on, on the monotonic clock: they go on beside the next ticks, which
    /// report them when they end. `None` waits for all of them.
    pub until: Option<Duration>,
}

/// What a tick did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TickReport {
    /// Wall clock.
    pub start_time: Timestamp,
    /// Wall clock.
    pub end_time: Timestamp,
    /// One for each run that ended, in the resource's order and then in that of their ends.
    pub runs: Vec<RunReport>,
    /// Objects whose runs go on.
    pub running: Vec<String>,
    /// What kept every object from running. Then `runs` is empty.
    pub error: Option<RunError>,
    /// When an object that failed is tried again, wall clock; the regular tick may come before.
    pub next_try_time: Option<Timestamp>,
}

/// Objects of one org and their tables in one database.
#[derive(Debug)]
pub struct Replicator<D: Destination> {
    shared: Arc<Shared<D>>,
    plans: Vec<Arc<ObjectPlan>>,
    unplanned: Vec<Unplanned>,
    degraded: BTreeMap<ObjectName, Vec<Degradation>>,
    slots: Slots,
    known: BTreeMap<ObjectName, Known>,
    schedule: Schedule,
    /// Which objects wait with their long kinds after one of them failed.
    long_schedule: Schedule,
    /// What waits for the budget of API calls, and may run as soon as fewer are used.
    over_budget: BTreeSet<(ObjectName, RunKind)>,
    prepared: bool,
    retired: Vec<RetiredTable>,
    turns: Turns,
}

/// Turns under way; they may outlive their tick.
#[derive(Debug)]
struct Turns {
    tasks: JoinSet<()>,
    running: BTreeMap<Id, Turn>,
    send: mpsc::UnboundedSender<Ended>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

impl Environment {
    /// The machine's clock, the process's random numbers, the default budget.
    pub fn new(clock: SharedClock, observer: Arc<dyn Observer>) -> Self {
        Self {
            clock,
            random: Arc::new(SystemRandomness),
            budget: ByteBudget::default(),
            observer,
            calls: None,
            destination: Arc::new(Silent),
            tuning: Tuning::default(),
            active_runs: None,
            leadership: Arc::new(Unrivalled),
            ending: CancellationToken::new(),
        }
    }
}

impl TickReport {
    /// Whether the tick ran and all its runs succeeded.
    pub fn succeeded(&self) -> bool {
        self.error.is_none() && self.runs.iter().all(|run| run.error.is_none())
    }

    /// Calls of all runs that Salesforce counted.
    pub fn api_calls(&self) -> u64 {
        self.runs.iter().map(|run| run.api_calls).sum()
    }
}

impl<D: Destination> Replicator<D> {
    /// Knows its objects and has done nothing yet.
    pub fn new(parts: Parts<D>) -> Self {
        let Parts {
            owner,
            plans,
            unplanned,
            degraded,
            client,
            destination,
            environment,
            settings,
        } = parts;
        let schedule = || Schedule::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
        let (schedule, long_schedule) = (schedule(), schedule());
        let slots = Slots::new(settings.parallelism, environment.active_runs.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "reports of runs, a few for each tick, and never rows; a run must not wait for the next tick to tell"
        )]
        let (send, ended) = mpsc::unbounded_channel();
        Self {
            shared: Arc::new(Shared {
                owner,
                client,
                destination,
                environment,
                overlap: settings.overlap,
                max_delete_percent: settings.max_delete_percent,
                api_budget_percent: settings.api_budget_percent,
            }),
            plans,
            unplanned,
            degraded,
            slots,
            known: BTreeMap::new(),
            schedule,
            long_schedule,
            over_budget: BTreeSet::new(),
            prepared: false,
            retired: Vec::new(),
            turns: Turns {
                tasks: JoinSet::new(),
                running: BTreeMap::new(),
                send,
                ended,
            },
        }
    }

    /// The objects.
    pub fn plans(&self) -> &[Arc<ObjectPlan>] {
        &self.plans
    }

    /// The database.
    pub fn destination(&self) -> &D {
        &self.shared.destination
    }

    /// Which objects wait after a failure.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Goes on by other plans of the same objects. What is remembered of an object stays: its next run compares its state
    /// with the plan, as every run does.
    pub fn replan(
        &mut self,
        (plans, unplanned): (Vec<Arc<ObjectPlan>>, Vec<Unplanned>),
        degraded: BTreeMap<ObjectName, Vec<Degradation>>,
    ) {
        for turn in self.turns.running.values() {
            let hash = &turn.plan.hash;
            if !plans
                .iter()
                .any(|plan| plan.object == turn.plan.object && plan.hash == *hash)
            {
                turn.outdated.store(true, Ordering::Relaxed);
                turn.due.store(true, Ordering::Relaxed);
            }
        }
        for plan in &plans {
            // What failed by the former plan does not wait for its hour.
            if !self
                .plans
                .iter()
                .any(|former| former.object == plan.object && former.hash == plan.hash)
            {
                self.schedule.succeeded(&plan.object);
                self.long_schedule.succeeded(&plan.object);
            }
        }
        self.plans = plans;
        self.unplanned = unplanned;
        self.degraded = degraded;
    }

    /// Reads what the destination says of each object, in the order of [`Replicator::plans`]. Writes nothing.
    pub async fn states(&self) -> Vec<Result<Option<State>>> {
        let mut states = Vec::with_capacity(self.plans.len());
        for plan in &self.plans {
            let opened = self
                .shared
                .destination
                .open(Arc::clone(plan), self.shared.owner.clone())
                .await;
            states.push(match opened {
                Ok(mut table) => table.read_state().await,
                Err(error) => Err(error),
            });
        }
        states
    }

    /// Reads what the destination has of each object and what its next run would do, in the order of [`Replicator::plans`].
    /// Writes nothing.
    pub async fn outlooks(&self) -> Vec<Result<(Option<State>, Outlook)>> {
        let mut outlooks = Vec::with_capacity(self.plans.len());
        for plan in &self.plans {
            outlooks.push(self.outlook(plan).await);
        }
        outlooks
    }

    async fn outlook(&self, plan: &Arc<ObjectPlan>) -> Result<(Option<State>, Outlook)> {
        let owner = self.shared.owner.clone();
        let mut table = self.shared.destination.open(Arc::clone(plan), owner).await?;
        let state = table.read_state().await?;
        let differences = table.column_differences().await?;
        let outlook = outlook::of(plan, state.as_ref(), differences)?;
        Ok((state, outlook))
    }

    /// Tables of objects that are not replicated any more, and former tables of those that are. Known after a first tick.
    pub fn retired_tables(&self) -> &[RetiredTable] {
        &self.retired
    }

    /// Runs each object once, and the long kinds that are due. Errors are in the report; a tick itself does not fail.
    /// Cancel safe: runs whose tick is dropped go on, and a later tick reports them. `cancel` ends them, and so does
    /// dropping the replicator.
    pub async fn tick(&mut self, request: &TickRequest, cancel: &CancellationToken) -> TickReport {
        let start_time = self.shared.environment.clock.now();
        let (runs, error) = match self.begin(request, cancel).await {
            Ok(turns) => {
                let mut runs = self.refuse(request);
                runs.extend(self.run(turns, request.until).await);
                self.sort(&mut runs);
                (runs, None)
            }
            Err(error) => {
                log(&error, None);
                // A request that cannot be served is no failure of an object.
                if !matches!(error, Error::Cancelled | Error::NotServed(_) | Error::Plan(_)) {
                    for plan in self.wanted(request) {
                        self.schedule.failed(&plan.object, error.retry());
                    }
                }
                (Vec::new(), Some(RunError::from(&error)))
            }
        };
        TickReport {
            start_time,
            end_time: self.shared.environment.clock.now(),
            runs,
            running: self
                .turns
                .running
                .values()
                .map(|turn| turn.plan.object.to_string())
                .collect(),
            error,
            next_try_time: self.schedule.next_try(),
        }
    }

    /// The objects whose turn it is.
    fn wanted(&self, request: &TickRequest) -> Vec<Arc<ObjectPlan>> {
        self.plans
            .iter()
            .filter(|plan| request.names(&plan.object))
            .filter(|plan| {
                !request.only_due || self.schedule.is_due(&plan.object) || self.is_in_budget_again(&plan.object)
            })
            .cloned()
            .collect()
    }

    /// Whether an object waits for nothing but the budget of API calls, and Salesforce has told since that fewer are used.
    fn is_in_budget_again(&self, object: &ObjectName) -> bool {
        let allowance = Allowance::Budget(self.shared.api_budget_percent);
        let usage = self.shared.client.api_usage();
        let mut waiting = self
            .over_budget
            .iter()
            .filter(|(waiting, kind)| waiting == object && !kind.is_long());
        waiting.any(|(_, kind)| allowance.spent(*kind, usage).is_none())
    }

    /// Tells of the objects whose turn it is and that cannot be planned. They wait as objects that failed.
    fn refuse(&mut self, request: &TickRequest) -> Vec<RunReport> {
        let mut reports = Vec::new();
        for unplanned in &self.unplanned {
            let object = &unplanned.object;
            // A run by a former plan ends first.
            let runs = self.turns.running.values().any(|turn| turn.plan.object == *object);
            if runs || !request.names(object) || (request.only_due && !self.schedule.is_due(object)) {
                continue;
            }
            let error = unplanned.error();
            log(&error, Some(object));
            self.schedule.failed(object, error.retry());
            let known = self.known.get(object);
            reports.push(self.shared.refused(unplanned, &error, (request.kind, known)));
        }
        reports
    }

    /// What every object needs: a session and the tables of state. Gives the objects whose turn it is.
    async fn begin(&mut self, request: &TickRequest, cancel: &CancellationToken) -> Result<Vec<Turn>> {
        if let Some(unknown) = request.unknown(&self.objects()) {
            let text = format!("{unknown} is not an object of the resource");
            return Err(Error::Plan(Problems(vec![text])));
        }
        let mut turns = Vec::new();
        let refused: Arc<Mutex<Option<RunError>>> = Arc::default();
        for plan in self.wanted(request) {
            let object = &plan.object;
            if let Some(running) = self.turns.running.values().find(|turn| turn.plan.object == *object) {
                running.due.store(true, Ordering::Relaxed);
                running.manual.fetch_or(request.manual, Ordering::Relaxed);
                continue;
            }
            turns.push(Turn {
                asked: request.kind,
                confirm: request.token(object).map(str::to_owned),
                known: self.known.get(object).cloned(),
                degraded: self.degraded.get(object).cloned().unwrap_or_default(),
                // Whether the budget admits them is asked again by each turn: its Incremental brings the answer.
                long_waits: request.only_due
                    && !self.long_schedule.is_due(object)
                    && !self
                        .over_budget
                        .iter()
                        .any(|(waiting, kind)| waiting == object && kind.is_long()),
                manual: Arc::new(AtomicBool::new(request.manual)),
                due: Arc::new(AtomicBool::new(false)),
                outdated: Arc::new(AtomicBool::new(false)),
                refused: Arc::clone(&refused),
                cancel: cancel.clone(),
                plan,
            });
        }
        if turns.is_empty() {
            return Ok(turns);
        }
        let shared = Arc::clone(&self.shared);
        let prepared = self.prepared;
        let plans = self.plans.clone();
        // One that cannot be planned has not left the resource.
        let kept: Vec<ObjectName> = self.objects().into_iter().cloned().collect();
        let ready = async move {
            let environment = &shared.environment;
            let retries = Retries::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
            retries.call(|| shared.client.org()).await?;
            if prepared || !shared.may_prepare(&plans).await {
                return Ok(None);
            }
            // Salesforce may have been asked for long, and another process may know other objects: each turn says that it lets go.
            if !environment.leadership.is_held() {
                return Ok(None);
            }
            shared.destination.prepare().await?;
            let retired = shared
                .destination
                .retire(&shared.owner, &kept, environment.clock.now())
                .await?;
            Ok::<_, Error>(Some(retired))
        };
        let ready = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Cancelled),
            () = self.shared.environment.ending.cancelled() => return Err(Error::Cancelled),
            ready = Box::pin(ready) => ready?,
        };
        if let Some(retired) = ready {
            self.prepared = true;
            self.retired = retired;
        }
        Ok(turns)
    }

    /// Runs objects, `parallelism` at once, until all runs have ended or `until` has come.
    async fn run(&mut self, turns: Vec<Turn>, until: Option<Duration>) -> Vec<RunReport> {
        for turn in turns {
            // In order, each behind all who wait already: those of this tick, and long runs that pass on their right.
            let place = Place::take(&self.slots);
            let work = Arc::clone(&self.shared).take(turn.clone(), place, self.turns.send.clone());
            let task = self.turns.tasks.spawn(Box::pin(work));
            self.turns.running.insert(task.id(), turn);
        }
        let mut reports = Vec::new();
        let clock = Arc::clone(&self.shared.environment.clock);
        loop {
            while let Ok(ended) = self.turns.ended.try_recv() {
                reports.push(self.settle(ended));
            }
            if self.turns.tasks.is_empty() {
                break;
            }
            let left = until.map(|until| until.saturating_sub(clock.monotonic()).min(self.next_try_of_idle()));
            tokio::select! {
                biased;
                Some(ended) = self.turns.ended.recv() => reports.push(self.settle(ended)),
                Some(joined) = self.turns.tasks.join_next_with_id() => {
                    let (id, is_broken) = match joined {
                        Ok((id, ())) => (id, false),
                        Err(broken) => (broken.id(), !broken.is_cancelled()),
                    };
                    if let Some(turn) = self.turns.running.remove(&id).filter(|_| is_broken) {
                        let ended = self.shared.broken(&turn);
                        reports.push(self.settle(ended));
                    }
                }
                () = sleep(&clock, left), if left.is_some() => break,
            }
        }
        reports
    }

    /// The resource's objects: those that can be planned in its order, then the others.
    fn objects(&self) -> Vec<&ObjectName> {
        let unplanned = self.unplanned.iter().map(|unplanned| &unplanned.object);
        self.plans.iter().map(|plan| &plan.object).chain(unplanned).collect()
    }

    fn sort(&self, reports: &mut [RunReport]) {
        let objects = self.objects();
        reports.sort_by_key(|report| objects.iter().position(|object| object.as_str() == report.object));
    }

    /// How long until an object that failed and does not run may be tried again: it does not wait for the long runs of
    /// others.
    fn next_try_of_idle(&self) -> Duration {
        let running = self.turns.running.values().map(|turn| &turn.plan.object);
        let running: BTreeSet<&ObjectName> = running.collect();
        self.schedule
            .next_try_in_but(|object| running.contains(object))
            .unwrap_or(Duration::MAX)
    }

    /// Keeps what a run leaves for the next one.
    fn settle(&mut self, ended: Ended) -> RunReport {
        let Ended {
            object,
            mut report,
            outcome,
        } = ended;
        let outcome = match outcome {
            Outcome::Ran(outcome) => *outcome,
            Outcome::Refused => {
                self.schedule.failed(&object, Retry::WhenSecretChanges);
                return report;
            }
        };
        let is_long = report.kind.is_long();
        let waits = match &outcome {
            Err(Error::Budget { kind, .. }) => Some((object.clone(), *kind)),
            Ok(_) | Err(_) => None,
        };
        let waits_already = waits.as_ref().is_some_and(|waits| self.over_budget.contains(waits));
        if !matches!(outcome, Err(Error::Cancelled)) {
            self.over_budget
                .retain(|(waiting, kind)| *waiting != object || kind.is_long() != is_long);
            self.over_budget.extend(waits);
        }
        match outcome {
            Ok(known) => {
                if report.kind == RunKind::Initial {
                    // It may have taken a table back, and left another one.
                    self.retired.retain(|retired| retired.table != report.table);
                    self.prepared = false;
                }
                self.known.insert(object.clone(), known);
                let schedule = if is_long {
                    &mut self.long_schedule
                } else {
                    &mut self.schedule
                };
                schedule.succeeded(&object);
            }
            Err(Error::Cancelled) => {}
            Err(error) => {
                // What waits for days is one line and not one for each tick.
                if !waits_already {
                    log(&error, Some(&object));
                }
                if matches!(error, Error::Fenced { .. }) {
                    self.known.remove(&object);
                }
                if matches!(error, Error::Fenced { .. } | Error::Database { .. }) {
                    // The state's tables may be gone: the schema was dropped, or the file moved away.
                    self.prepared = false;
                }
                let schedule = if is_long {
                    &mut self.long_schedule
                } else {
                    &mut self.schedule
                };
                schedule.failed(&object, error.retry());
                report.next_try_time = schedule.next_try_of(&object);
            }
        }
        report
    }
}

/// Sleeps for `left`; forever where there is no end.
async fn sleep(clock: &SharedClock, left: Option<Duration>) {
    match left {
        Some(left) => clock.sleep(left).await,
        None => std::future::pending().await,
    }
}

impl TickRequest {
    /// An object that is asked for and not there.
    fn unknown(&self, known: &[&ObjectName]) -> Option<&str> {
        let is_known = |name: &&String| known.iter().any(|known| known.as_str().eq_ignore_ascii_case(name));
        let objects = self.objects.iter().flatten();
        objects
            .chain(self.confirm.keys())
            .find(|name| !is_known(name))
            .map(String::as_str)
    }

    /// The token that lets go held deletes of this object.
    fn token(&self, object: &ObjectName) -> Option<&str> {
        let mut tokens = self.confirm.iter();
        tokens
            .find(|(name, _)| name.eq_ignore_ascii_case(object.as_str()))
            .map(|(_, token)| token.as_str())
    }

    /// Whether the request asks for this object.
    fn names(&self, object: &ObjectName) -> bool {
        match &self.objects {
            None => true,
            Some(objects) => objects.iter().any(|name| name.eq_ignore_ascii_case(object.as_str())),
        }
    }
}

impl From<&Error> for RunError {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            reason: error.reason(),
            message: error.message(),
        }
    }
}

/// The message goes to the log as to the report; the sources of an error are for whoever looks closer.
fn log(error: &Error, object: Option<&ObjectName>) {
    let object = object.map(ObjectName::as_str);
    tracing::warn!(object, reason = error.reason(), error = error.message(), "a run failed");
    tracing::debug!(object, error = ?error, "the error with its sources");
}
