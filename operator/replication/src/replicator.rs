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
use tracing::Instrument as _;

use crate::{
    Error, Problems, Result,
    budget::ByteBudget,
    destination::{Destination, ObjectTable},
    plan::{ObjectName, ObjectPlan},
    progress::{Event, Observer, RunError, RunKind, RunReport},
    retry::{Randomness, Retries, Schedule, SystemRandomness},
    run::{Context, Memory, Tally, incremental, initial, segment::Limits},
    source::Feed,
    state::{Owner, Phase, State},
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

/// What the tasks of all objects need.
#[derive(Debug)]
struct Shared<D> {
    owner: Owner,
    client: Client,
    destination: D,
    environment: Environment,
    overlap: Duration,
}

/// One object's turn in a tick.
#[derive(Debug, Clone)]
struct Turn {
    plan: Arc<ObjectPlan>,
    asked: Option<RunKind>,
    memory: Option<Memory>,
    cancel: CancellationToken,
}

/// What came of it.
#[derive(Debug)]
struct Ended {
    report: RunReport,
    outcome: Result<Memory>,
}

impl Environment {
    /// The machine's clock, the process's random numbers, the default budget.
    pub fn new(clock: SharedClock, observer: Arc<dyn Observer>) -> Self {
        Self {
            clock,
            random: Arc::new(SystemRandomness),
            budget: ByteBudget::default(),
            observer,
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
                if !matches!(error, Error::Cancelled | Error::NotServed(_)) {
                    for plan in self.plans.iter().filter(|plan| request.names(&plan.object)) {
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
        let turns: Vec<_> = self
            .plans
            .iter()
            .filter(|plan| request.names(&plan.object))
            .filter(|plan| !request.only_due || self.schedule.is_due(&plan.object))
            .map(|plan| Turn {
                plan: Arc::clone(plan),
                asked: request.kind,
                memory: self.memory.get(&plan.object).cloned(),
                cancel: cancel.clone(),
            })
            .collect();
        if turns.is_empty() {
            return Ok(turns);
        }
        let shared = Arc::clone(&self.shared);
        let prepared = self.prepared;
        let ready = async move {
            let environment = &shared.environment;
            let retries = Retries::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
            retries.call(|| shared.client.org()).await?;
            if !prepared {
                shared.destination.prepare().await?;
            }
            Ok::<_, Error>(())
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Cancelled),
            ready = Box::pin(ready) => ready?,
        }
        self.prepared = true;
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
                self.schedule.failed(object, error.retry());
            }
        }
    }
}

/// What came of an object's turn.
enum Turned {
    /// A run.
    Ran(Box<Ended>),
    /// It is past the kind of run that was asked for.
    NothingToDo,
}

/// What a run has learned before it ends, for the report of one that fails.
struct Seen {
    kind: RunKind,
    state: Option<State>,
}

/// What an object's state asks for.
enum Need {
    Initial(Option<State>),
    Incremental { state: State, from: Timestamp },
    Nothing,
}

impl<D: Destination> Shared<D> {
    /// One object's turn: opens its table, reads its state, runs what it needs.
    async fn take(self: Arc<Self>, turn: Turn) -> Turned {
        let start_time = self.environment.clock.now();
        let client = self.client.counted();
        let tally = Tally::default();
        let mut seen = Seen { kind: turn.presumed(), state: None };
        let outcome = {
            let span = tracing::info_span!("run", replicator = self.owner.replicator, object = %turn.plan.object);
            let run = Box::pin(self.run(&turn, &client, &tally, &mut seen).instrument(span));
            tokio::select! {
                biased;
                () = turn.cancel.cancelled() => Err(Error::Cancelled),
                outcome = run => outcome,
            }
        };
        let outcome = match outcome {
            Ok(None) => return Turned::NothingToDo,
            Ok(Some(memory)) => Ok(memory),
            Err(error) => Err(error),
        };
        let Seen { kind, state } = seen;
        let known = outcome.as_ref().ok();
        let report = RunReport {
            object: turn.plan.object.to_string(),
            table: turn.plan.table.to_string(),
            kind,
            start_time,
            end_time: self.environment.clock.now(),
            rows_read: tally.rows_read(),
            rows_written: tally.rows_written(),
            rows_deleted: tally.rows_deleted(),
            api_calls: client.calls(),
            removed_characters: tally.removed_characters(),
            rows: known.map(|memory| &memory.state).or(state.as_ref()).map_or(0, |state| state.rows),
            watermark: known.map_or_else(
                || state.and_then(|state| state.checkpoint.watermark),
                |memory| memory.watermark,
            ),
            error: outcome.as_ref().err().map(RunError::from),
        };
        self.tell_end(&turn.plan.object, &report);
        Turned::Ran(Box::new(Ended { report, outcome }))
    }

    /// `None` where there is nothing of the asked kind to do.
    async fn run(&self, turn: &Turn, client: &Client, tally: &Tally, seen: &mut Seen) -> Result<Option<Memory>> {
        let plan = &turn.plan;
        let environment = &self.environment;
        let mut table = self.destination.open(Arc::clone(plan), self.owner.clone()).await?;
        let state = fits(plan, table.read_state().await?)?;
        seen.state.clone_from(&state);
        let need = turn.need(state)?;
        seen.kind = match &need {
            Need::Initial(_) => RunKind::Initial,
            Need::Incremental { .. } => RunKind::Incremental,
            Need::Nothing => return Ok(None),
        };
        let retries = Retries::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
        let context = Context {
            plan,
            kind: seen.kind,
            feed: Feed::new(plan, client.clone(), &environment.budget, retries),
            clock: &environment.clock,
            observer: environment.observer.as_ref(),
            limits: Limits::new(self.destination.capabilities().segment_rows),
            overlap: self.overlap,
            tally,
        };
        context.tell(&Event::Started);
        match need {
            Need::Initial(state) => Box::pin(initial::run(&context, &mut table, state.as_ref()))
                .await
                .map(Some),
            Need::Incremental { state, from } => Box::pin(incremental::run(&context, &mut table, &state, from))
                .await
                .map(Some),
            Need::Nothing => Ok(None),
        }
    }

    /// The report of an object whose turn did not begin.
    fn unstarted(&self, turn: &Turn, at: Timestamp, error: RunError) -> RunReport {
        let report = RunReport {
            object: turn.plan.object.to_string(),
            table: turn.plan.table.to_string(),
            kind: turn.presumed(),
            start_time: at,
            end_time: self.environment.clock.now(),
            rows_read: 0,
            rows_written: 0,
            rows_deleted: 0,
            api_calls: 0,
            removed_characters: 0,
            rows: turn.memory.as_ref().map_or(0, |memory| memory.state.rows),
            watermark: turn.memory.as_ref().and_then(|memory| memory.watermark),
            error: Some(error),
        };
        self.tell_end(&turn.plan.object, &report);
        report
    }

    /// A turn whose task panicked.
    fn broken(&self, turn: &Turn, start: Timestamp) -> Ended {
        let error = Error::Internal(format!(
            "the run of {} panicked; the log has its place, which is what a report of this defect needs",
            turn.plan.object
        ));
        Ended {
            report: self.unstarted(turn, start, RunError::from(&error)),
            outcome: Err(error),
        }
    }

    fn tell_end(&self, object: &ObjectName, report: &RunReport) {
        // A run that found nothing is not worth a line; one that failed gets its own.
        if report.error.is_none() && (report.rows_written > 0 || report.rows_deleted > 0) {
            let RunReport {
                kind,
                rows_read,
                rows_written,
                rows_deleted,
                api_calls,
                ..
            } = report;
            let replicator = &self.owner.replicator;
            tracing::info!(replicator, %object, ?kind, rows_read, rows_written, rows_deleted, api_calls, "rows changed");
        }
        self.environment
            .observer
            .observe(object, report.kind, &Event::Ended(report.clone()));
    }
}

impl Turn {
    /// The kind of run as far as it is known before the state is read.
    fn presumed(&self) -> RunKind {
        match (&self.memory, self.asked) {
            (Some(_), _) => RunKind::Incremental,
            (None, asked) => asked.unwrap_or(RunKind::Initial),
        }
    }

    /// The run that a state asks for.
    fn need(&self, state: Option<State>) -> Result<Need> {
        let Some(state) = state else {
            return Ok(Need::Initial(None));
        };
        match state.checkpoint.phase {
            Phase::Initial => Ok(Need::Initial(Some(state))),
            Phase::Live if self.asked == Some(RunKind::Initial) => Ok(Need::Nothing),
            Phase::Live => {
                let remembered = self
                    .memory
                    .as_ref()
                    .filter(|memory| memory.state.epoch == state.epoch)
                    .and_then(|memory| memory.watermark);
                let Some(from) = remembered.max(state.checkpoint.watermark) else {
                    return Err(Error::SchemaConflict {
                        message: format!(
                            "{}: its state says that it is complete, and not as of when; {}",
                            self.plan.object,
                            anew(&self.plan)
                        ),
                    });
                };
                Ok(Need::Incremental { state, from })
            }
        }
    }
}

impl TickRequest {
    /// An object that is asked for and not there.
    fn unknown(&self, plans: &[Arc<ObjectPlan>]) -> Option<&str> {
        let is_known = |name: &&String| plans.iter().any(|plan| plan.object.as_str().eq_ignore_ascii_case(name));
        self.objects.iter().flatten().find(|name| !is_known(name)).map(String::as_str)
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

/// Gives the state back if it was written by the same plan. Another one needs every row read again, which is the
/// business of Refresh.
fn fits(plan: &ObjectPlan, state: Option<State>) -> Result<Option<State>> {
    let Some(state) = state else { return Ok(None) };
    let changed = |message: String| {
        Err(Error::PlanChanged {
            object: plan.object.clone(),
            message,
        })
    };
    if state.table_name != plan.table.as_str() {
        return changed(format!(
            "its rows are in table {}, and the resource now asks for table {}; moving to another table is not served by \
             this version: name the former table again, or {}",
            state.table_name,
            plan.table,
            anew(plan)
        ));
    }
    if state.checkpoint.plan_hash != plan.hash.0 {
        return changed(format!(
            "the resource asks for other columns, templates or deletes than the rows of table {} were written with; \
             filling them needs a Refresh, which this version does not serve: go back to the former mapping, or {}",
            plan.table,
            anew(plan)
        ));
    }
    Ok(Some(state))
}

/// How an administrator has an object loaded from the beginning.
fn anew(plan: &ObjectPlan) -> String {
    format!(
        "have the object loaded anew: drop its table and delete the row with object = '{}' from _replication_state",
        plan.object
    )
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
