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
//! Ticks take `&mut self`: there is one at a time, and whoever drops its future or cancels its token stops the tasks of
//! all its runs. Open segments roll back, checkpoints stay.

mod turn;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use salesforce::{Client, ErrorKind, Retry, clock::SharedClock};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::turn::{Ended, Shared, Turn, Turned, fits};
use crate::{
    Error, Problems, Result,
    budget::ByteBudget,
    destination::{Destination, ObjectTable as _},
    plan::{ObjectName, ObjectPlan},
    progress::{Observer, RunError, RunKind, RunReport},
    retry::{Randomness, Retries, Schedule, SystemRandomness},
    run::Memory,
    state::{Owner, State},
};

/// What a replicator is made of.
#[derive(Debug)]
pub struct Parts<D> {
    /// Whose rows they are.
    pub owner: Owner,
    /// The objects.
    pub plans: Vec<Arc<ObjectPlan>>,
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
    /// Sizes.
    pub tuning: Tuning,
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
}

/// What a tick did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TickReport {
    /// Wall clock.
    pub start_time: Timestamp,
    /// Wall clock.
    pub end_time: Timestamp,
    /// One for each object that ran, in the resource's order.
    pub runs: Vec<RunReport>,
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
    parallelism: usize,
    memory: BTreeMap<ObjectName, Memory>,
    schedule: Schedule,
    prepared: bool,
}

impl Environment {
    /// The machine's clock, the process's random numbers, the default budget.
    pub fn new(clock: SharedClock, observer: Arc<dyn Observer>) -> Self {
        Self {
            clock,
            random: Arc::new(SystemRandomness),
            budget: ByteBudget::default(),
            observer,
            tuning: Tuning::default(),
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
            client,
            destination,
            environment,
            settings,
        } = parts;
        let schedule = Schedule::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
        Self {
            shared: Arc::new(Shared {
                owner,
                client,
                destination,
                environment,
                overlap: settings.overlap,
            }),
            plans,
            parallelism: settings.parallelism.max(1),
            memory: BTreeMap::new(),
            schedule,
            prepared: false,
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
    pub fn replan(&mut self, plans: Vec<Arc<ObjectPlan>>) {
        self.plans = plans;
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
                Ok(mut table) => table.read_state().await.and_then(|state| fits(plan, state)),
                Err(error) => Err(error),
            });
        }
        states
    }

    /// Runs each object once. Errors are in the report; a tick itself does not fail. Cancel safe: dropping the future
    /// stops all runs, as `cancel` does, which also lets them report.
    pub async fn tick(&mut self, request: &TickRequest, cancel: &CancellationToken) -> TickReport {
        let start_time = self.shared.environment.clock.now();
        let (runs, error) = match self.begin(request, cancel).await {
            Ok(turns) => (self.run(turns).await, None),
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
            error,
            next_try_time: self.schedule.next_try(),
        }
    }

    /// The objects whose turn it is.
    fn wanted(&self, request: &TickRequest) -> Vec<Arc<ObjectPlan>> {
        self.plans
            .iter()
            .filter(|plan| request.names(&plan.object))
            .filter(|plan| !request.only_due || self.schedule.is_due(&plan.object))
            .cloned()
            .collect()
    }

    /// What every object needs: a session and the tables of state. Gives the objects whose turn it is.
    async fn begin(&mut self, request: &TickRequest, cancel: &CancellationToken) -> Result<Vec<Turn>> {
        match request.kind {
            None | Some(RunKind::Initial | RunKind::Incremental) => {}
            Some(kind @ (RunKind::Verify | RunKind::Reconcile | RunKind::Refresh)) => {
                return Err(Error::NotServed(format!(
                    "runs of kind {kind:?} are not served by this version; Initial and Incremental are"
                )));
            }
        }
        if let Some(unknown) = request.unknown(&self.plans) {
            let text = format!("{unknown} is not an object of the resource");
            return Err(Error::Plan(Problems(vec![text])));
        }
        let wanted = self.wanted(request).into_iter();
        let turns: Vec<_> = wanted
            .map(|plan| Turn {
                asked: request.kind,
                memory: self.memory.get(&plan.object).cloned(),
                cancel: cancel.clone(),
                plan,
            })
            .collect();
        if turns.is_empty() {
            return Ok(turns);
        }
        let shared = Arc::clone(&self.shared);
        let prepared = self.prepared;
        let plans: Vec<_> = turns.iter().map(|turn| Arc::clone(&turn.plan)).collect();
        let ready = async move {
            let environment = &shared.environment;
            let retries = Retries::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
            retries.call(|| shared.client.org()).await?;
            if !prepared && shared.may_prepare(&plans).await {
                shared.destination.prepare().await?;
                return Ok(true);
            }
            Ok::<_, Error>(prepared)
        };
        self.prepared = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Cancelled),
            ready = Box::pin(ready) => ready?,
        };
        Ok(turns)
    }

    /// Runs objects, `parallelism` at once.
    async fn run(&mut self, turns: Vec<Turn>) -> Vec<RunReport> {
        let order: Vec<_> = turns.iter().map(|turn| turn.plan.object.clone()).collect();
        let mut waiting: VecDeque<_> = turns.into();
        let mut running = JoinSet::new();
        let mut started = BTreeMap::new();
        let mut reports = BTreeMap::new();
        let mut refused: Option<RunError> = None;
        loop {
            while running.len() < self.parallelism
                && let Some(turn) = waiting.pop_front()
            {
                let start = self.shared.environment.clock.now();
                if let Some(error) = &refused {
                    let report = self.shared.unstarted(&turn, start, error.clone());
                    self.schedule.failed(&turn.plan.object, Retry::WhenSecretChanges);
                    reports.insert(turn.plan.object.clone(), report);
                    continue;
                }
                let task = running.spawn(Box::pin(Arc::clone(&self.shared).take(turn.clone())));
                started.insert(task.id(), (turn, start));
            }
            let Some(joined) = running.join_next_with_id().await else {
                break;
            };
            let (id, turned) = match joined {
                Ok((id, turned)) => (id, Some(turned)),
                Err(broken) => (broken.id(), None),
            };
            let Some((turn, start)) = started.remove(&id) else {
                continue;
            };
            let object = &turn.plan.object;
            let ended = match turned {
                Some(Turned::Ran(ended)) => *ended,
                Some(Turned::NothingToDo) => continue,
                None => self.shared.broken(&turn, start),
            };
            if refused.is_none() {
                refused = refusal(&ended);
            }
            self.settle(object, ended.outcome);
            reports.insert(object.clone(), ended.report);
        }
        order.iter().filter_map(|object| reports.remove(object)).collect()
    }

    /// Keeps what a run leaves for the next one.
    fn settle(&mut self, object: &ObjectName, outcome: Result<Memory>) {
        match outcome {
            Ok(memory) => {
                self.memory.insert(object.clone(), memory);
                self.schedule.succeeded(object);
            }
            Err(Error::Cancelled) => {}
            Err(error) => {
                log(&error, Some(object));
                if matches!(error, Error::Fenced { .. }) {
                    self.memory.remove(object);
                }
                if matches!(error, Error::Fenced { .. } | Error::Database { .. }) {
                    // The state's tables may be gone: the schema was dropped, or the file moved away.
                    self.prepared = false;
                }
                self.schedule.failed(object, error.retry());
            }
        }
    }
}

impl TickRequest {
    /// An object that is asked for and not there.
    fn unknown(&self, plans: &[Arc<ObjectPlan>]) -> Option<&str> {
        let is_known = |name: &&String| plans.iter().any(|plan| plan.object.as_str().eq_ignore_ascii_case(name));
        self.objects
            .iter()
            .flatten()
            .find(|name| !is_known(name))
            .map(String::as_str)
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

/// The error of a run that Salesforce refused for its credentials.
fn refusal(ended: &Ended) -> Option<RunError> {
    match &ended.outcome {
        Err(Error::Salesforce(error)) if error.kind() == ErrorKind::Credentials => ended.report.error.clone(),
        Err(_) | Ok(_) => None,
    }
}

/// Errors with their sources go to the log; reports have only the message.
fn log(error: &Error, object: Option<&ObjectName>) {
    let object = object.map(ObjectName::as_str);
    tracing::warn!(object, reason = error.reason(), error = ?error, "a run failed");
}
