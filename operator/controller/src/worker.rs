//! The worker of one replicator: opens a session, ticks by the timetable, and follows the orders of the reconciler.
//!
//! A worker is one task. It owns the session, so nobody else can run an object of its replicator; what it should do
//! comes in as the newest [`Order`], what it does goes out by its [`Board`]. Whatever happens it goes on: an error is told and tried again
//! when its kind says so, a panic is a failed run.
//!
//! **Changes.** What a change of the resource costs depends on what changed. A new manual value, a confirmation and a new trigger
//! are taken by the session that is there. Anything that a plan or a login depends on ends the session: its runs end with the segment
//! that is open, for at most [`PATIENCE`], then they are cancelled and roll back. Either way the next session goes on at the
//! checkpoint.
//!
//! **Credentials.** A worker that was refused waits for its order to change, since each login with a wrong password brings a
//! user nearer to being locked out; once an hour it looks again.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crds::{Reason, SalesforceReplicatorSpec, Schedule};
use jiff::Timestamp;
use replication::{
    connect::{Options, Session},
    progress::RunError,
    replicator::{TickReport, TickRequest},
    retry::{ACROSS_TICKS, HOURLY, Randomness},
    timetable::{Due, STRETCH, Timetable},
};
use salesforce::{ErrorKind, Retry, clock::SharedClock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    asked::{self, Asked, Wish},
    board::Board,
    secrets::Snapshot,
    standing::{Activity, Org, Reads, Tick, Trouble},
    supervisor::Key,
};

/// How long runs may take to end with their segment before they are cancelled. A segment is open for half a minute at most, and its
/// commit takes seconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

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
    fn is_served_by(&self, other: &Self) -> bool {
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
    fn lets_run(&self, former: &Self) -> bool {
        !self.spec.suspend && self.is_served_by(former)
    }
}

/// What every worker of the process has.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    /// What a session needs, without what is each replicator's own.
    pub(crate) options: Options,
    pub(crate) clock: SharedClock,
    pub(crate) random: Arc<dyn Randomness>,
}

impl Workshop {
    /// What a session of one replicator needs. SQLite files lie in a folder of the namespace.
    pub(crate) fn options(&self, (namespace, name): &Key) -> Options {
        let mut options = self.options.clone();
        options.replicator = format!("{namespace}/{name}");
        options.sqlite_directory.push(namespace);
        options
    }
}

/// One worker.
pub(crate) struct Worker {
    pub(crate) workshop: Workshop,
    pub(crate) key: Key,
    /// `namespace/name`, for logs.
    pub(crate) replicator: String,
    pub(crate) orders: watch::Receiver<Order>,
    /// The order that it follows.
    pub(crate) follows: Order,
    pub(crate) board: Arc<Board>,
    /// Ends the worker: runs end with their segment.
    pub(crate) ending: CancellationToken,
    /// Ends it at once: runs roll back.
    pub(crate) stop: CancellationToken,
    /// The last tick that the status tells of, where it may be gone on behind, and the order that it was for: another one is
    /// followed at once.
    pub(crate) behind: Option<(Timestamp, Order)>,
    /// What a person asked for.
    pub(crate) asked: Asked,
}

/// A session, and the order that it was opened for.
struct Opened {
    session: Session,
    order: Order,
    ending: CancellationToken,
    timetable: Timetable,
    /// Whether a tick of all objects ran since.
    has_ticked: bool,
    /// Objects whose runs went on when the last tick came back.
    busy: Vec<String>,
}

/// Why a wait ended.
enum Woken {
    /// It is time.
    Time,
    /// Another order came.
    Order,
    /// The worker is to end.
    End,
}

impl Worker {
    /// Works until it is told to end.
    pub(crate) async fn work(&mut self) {
        let mut opened: Option<Opened> = None;
        let mut failures = 0;
        loop {
            let order = self.orders.borrow_and_update().clone();
            self.follows = order.clone();
            if self.ending.is_cancelled() || order.spec.suspend {
                self.close(opened.take(), order.spec.suspend).await;
                if self.ending.is_cancelled() {
                    self.board.update(|standing| standing.activity = Activity::Waiting);
                    return;
                }
                self.suspended(&order);
                match self.wait(None).await {
                    Woken::End | Woken::Order | Woken::Time => continue,
                }
            }
            // One that was told to end runs nothing any more, though the order that ended it was taken back.
            let is_over = |opened: &Opened| opened.ending.is_cancelled() || !order.is_served_by(&opened.order);
            if opened.as_ref().is_some_and(is_over) {
                self.close(opened.take(), false).await;
                failures = 0;
                self.behind = None;
                continue;
            }
            let Some(schedule) = Schedule::new(&order.spec.trigger).ok() else {
                // The reconciler gives no such order; the next one will be another.
                self.wait(Some(HOURLY)).await;
                continue;
            };
            let Some(mut current) = self.session(opened.take(), order, &schedule, &mut failures).await else {
                continue;
            };
            let wait = self.turn(&mut current).await;
            opened = Some(current);
            if let Some(wait) = wait {
                self.wait(Some(wait)).await;
            }
        }
    }

    /// The session that is there, under the new order, or one that is opened. `None` where there is none yet; it was waited for
    /// then.
    async fn session(
        &mut self,
        opened: Option<Opened>,
        order: Order,
        schedule: &Schedule,
        failures: &mut u32,
    ) -> Option<Opened> {
        if let Some(mut current) = opened {
            current.timetable.follow(self.apart(schedule));
            current.order = order;
            return Some(current);
        }
        if let Some(wait) = self.may_wait(&order, schedule) {
            self.wait(Some(wait)).await;
            return None;
        }
        match self.open(&order, schedule).await {
            Ok(opened) => {
                *failures = 0;
                opened
            }
            Err(error) => {
                *failures = failures.saturating_add(1);
                let pause = self.failed(&order, &error, *failures);
                // One that came while the session was being opened was not waited for.
                if self.orders.borrow().is_same(&order) {
                    self.back_off(pause).await;
                }
                None
            }
        }
    }

    /// After a start of the process: how long until the first tick, where the last one is known and nothing asks for another.
    fn may_wait(&mut self, order: &Order, schedule: &Schedule) -> Option<Duration> {
        let (last, of) = self.behind.as_ref()?;
        if !order.is_served_by(of) {
            self.behind = None;
            return None;
        }
        if self.manual(order) != Wish::None || !self.confirmations(order).0.is_empty() {
            return None;
        }
        let timetable = self.timetable(schedule, Some(*last));
        self.board.update(|standing| {
            standing.acts_upon(order.generation);
            standing.activity = Activity::Waiting;
            standing.plans_next(timetable.next_time(), None);
        });
        match timetable.due(None) {
            Due::Wait(wait) => Some(wait),
            Due::Tick | Due::Retry => None,
        }
    }

    /// A schedule whose intervals are a little shorter, each replicator by its own part, so that those of a process that
    /// started do not stay in step.
    fn apart(&self, schedule: &Schedule) -> Schedule {
        match schedule {
            Schedule::Interval(interval) => Schedule::Interval(jittered(*interval, &self.replicator)),
            Schedule::Cron(_) | Schedule::Manual => schedule.clone(),
        }
    }

    fn timetable(&self, schedule: &Schedule, behind: Option<Timestamp>) -> Timetable {
        let timetable = Timetable::new(self.apart(schedule), Arc::clone(&self.workshop.clock));
        match behind {
            Some(last) => timetable.behind(last),
            None => timetable,
        }
    }

    /// Logs in, describes, plans, connects. `None`: another order came meanwhile, or the end.
    async fn open(&mut self, order: &Order, schedule: &Schedule) -> Result<Option<Opened>, replication::Error> {
        self.board.update(|standing| {
            standing.activity = Activity::Running;
            standing.lists(&order.spec);
        });
        let ending = self.ending.child_token();
        let mut options = self.workshop.options(&self.key);
        options.adopt.clone_from(&order.adopt);
        options.environment.ending = ending.clone();
        options.environment.observer = Arc::<Board>::clone(&self.board);
        options.environment.calls = Some(self.board.calls());
        options.environment.destination = Arc::<Board>::clone(&self.board);
        if order.spec.destination.sqlite.is_some() {
            make_folder(&options.sqlite_directory).await?;
        }
        let session = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(None),
            () = self.ending.cancelled() => return Ok(None),
            () = replaced(&mut self.orders, order) => return Ok(None),
            session = Box::pin(Session::open(&order.spec, order.secrets.as_ref(), &options)) => session?,
        };
        let last = self.behind.take().map(|(last, _)| last);
        let timetable = self.timetable(schedule, last.or_else(|| Some(self.workshop.clock.now())));
        let opened = Opened {
            session,
            order: order.clone(),
            ending,
            timetable,
            has_ticked: false,
            busy: Vec::new(),
        };
        self.tell_session(&opened);
        Ok(Some(opened))
    }

    fn tell_session(&self, opened: &Opened) {
        let Opened { session, order, .. } = opened;
        self.board.update(|standing| {
            standing.follows(order.generation);
            standing.trouble = None;
            standing.org = Some(Org {
                instance_url: session.org().instance_url.as_str().trim_end_matches('/').to_owned(),
                organization_id: session.org().organization_id.clone(),
            });
            standing.usage = usage(session);
            standing.reads = Some(Reads::of(&order.spec.connection));
            standing.plans(planned(session));
        });
    }

    /// Does what is due. Gives how long nothing will be, where nothing was.
    async fn turn(&mut self, opened: &mut Opened) -> Option<Duration> {
        let wish = self.manual(&opened.order);
        let (confirm, new) = self.confirmations(&opened.order);
        let is_first = !opened.has_ticked;
        let schedule = opened.session.schedule();
        let waited = waited(&opened.session);
        let is_free = schedule.next_try_in().is_none_or(|left| left.is_zero());
        let due = match opened.timetable.due(schedule.next_try_in()) {
            _ if is_first || wish == Wish::New => Due::Tick,
            // The tick that it was asked of failed as a whole.
            Due::Retry if wish == Wish::Again => Due::Tick,
            Due::Wait(_) if !new.is_empty() => Due::Retry,
            due @ (Due::Tick | Due::Retry | Due::Wait(_)) => due,
        };
        if let Due::Wait(wait) = due {
            self.board.update(|standing| {
                standing.goes_on(opened.order.generation);
                standing.activity = if schedule.next_try_in().is_some() {
                    Activity::BackingOff
                } else {
                    Activity::Waiting
                };
                standing.plans_next(opened.timetable.next_time(), schedule.next_try());
            });
            return Some(wait);
        }
        let timetable = &opened.timetable;
        if !is_first && (timetable.wants_plan(&waited) || wish == Wish::New && timetable.is_outdated()) {
            opened.timetable.planned();
            self.replan(opened).await;
        }
        let is_whole = match due {
            Due::Retry => false,
            Due::Tick | Due::Wait(_) => {
                let missed = opened.timetable.start();
                self.board.update(|standing| standing.missed += missed);
                true
            }
        };
        let manual = opened.order.spec.trigger.manual.clone();
        let manual = manual.filter(|_| is_whole && (wish == Wish::New || wish == Wish::Again && is_free));
        let request = TickRequest {
            kind: None,
            objects: (!is_whole).then(|| waited.into_iter().chain(new.iter().cloned()).collect()),
            only_due: manual.is_none() && new.is_empty(),
            manual: manual.is_some(),
            confirm,
            until: opened.timetable.until(),
        };
        if let Some(manual) = &manual {
            self.asked.begins(manual);
        }
        self.asked.gives(&request.confirm);
        let report = self.tick(opened, &request, is_whole).await?;
        opened.has_ticked |= is_whole;
        opened.timetable.note(&report);
        let objects = opened.session.plan().objects.iter().map(|plan| plan.object.as_str());
        let is_cut = opened.ending.is_cancelled() && asked::is_cut(objects, &report);
        self.tell_tick(opened, &report, is_whole, is_cut);
        self.asked.answered(&request.confirm, &opened.busy, &report);
        if let Some(manual) = self.asked.ended(manual.is_some(), is_cut, &report) {
            self.board.update(|standing| standing.last_manual = Some(manual));
        }
        opened.busy.clone_from(&report.running);
        None
    }

    /// One tick. It is given up where an order comes that its session does not serve; `None` then. What is tried again between
    /// two ticks of all objects belongs to the one before: it has no start of its own, or the next tick would be counted
    /// from it.
    async fn tick(&mut self, opened: &mut Opened, request: &TickRequest, is_whole: bool) -> Option<TickReport> {
        let start = self.workshop.clock.now();
        self.board.update(|standing| {
            standing.activity = Activity::Running;
            standing.goes_on(opened.order.generation);
            if is_whole {
                standing.tick = Some(Tick::begun(id(start), start));
            }
        });
        let Opened {
            session, order, ending, ..
        } = opened;
        let cancel = self.stop.child_token();
        let mut tick = Box::pin(session.tick(request, &cancel));
        let report = tokio::select! {
            biased;
            report = &mut tick => report,
            () = replaced(&mut self.orders, order) => {
                ending.cancel();
                let patience = self.workshop.clock.sleep(PATIENCE);
                tokio::select! {
                    biased;
                    _ = &mut tick => {}
                    () = patience => {
                        cancel.cancel();
                        tick.await;
                    }
                }
                return None;
            }
        };
        Some(report)
    }

    fn tell_tick(&self, opened: &Opened, report: &TickReport, is_whole: bool, is_cut: bool) {
        let session = &opened.session;
        let is_cancelled = |error: &&RunError| error.reason == Reason::Cancelled.as_str();
        let trouble = report
            .error
            .as_ref()
            .filter(|error| !is_cancelled(error))
            .map(Trouble::from);
        self.board.update(|standing| {
            // One that was cut off has no end: the process that comes next begins with another.
            if let Some(tick) = standing.tick.as_mut().filter(|_| is_whole && !is_cut) {
                tick.end = Some(report.end_time);
            }
            if trouble.is_some() || is_whole && !is_cut && report.running.is_empty() {
                standing.acts_upon(opened.order.generation);
            }
            standing.usage = usage(session).or(standing.usage);
            // A tick makes the plan again where the org has changed under it.
            standing.plans(planned(session));
            if is_whole || trouble.is_some() || report.runs.iter().any(|run| run.error.is_none()) {
                standing.trouble = trouble;
            }
            standing.activity = if session.schedule().next_try_in().is_some() {
                Activity::BackingOff
            } else {
                Activity::Waiting
            };
            standing.plans_next(opened.timetable.next_time(), report.next_try_time);
            standing.retired = session
                .retired_tables()
                .iter()
                .map(|retired| retired.table.clone())
                .collect();
        });
    }

    /// Describes the org and makes the plan again. Where that fails the others go on by the old one.
    async fn replan(&mut self, opened: &mut Opened) {
        let Opened {
            session, order, ending, ..
        } = opened;
        let planned = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = ending.cancelled() => return,
            () = replaced(&mut self.orders, order) => return,
            planned = Box::pin(session.replan(&order.spec)) => planned,
        };
        match planned {
            Ok(()) => self.tell_session(opened),
            Err(error) => tracing::warn!(
                replicator = self.replicator,
                reason = error.reason(),
                error = error.message(),
                "the plan cannot be made again"
            ),
        }
    }

    /// A session could not be opened. Gives the pause before the next try.
    fn failed(&self, order: &Order, error: &replication::Error, failures: u32) -> Duration {
        let pause = match error.retry() {
            Retry::Backoff => ACROSS_TICKS.pause(failures, self.workshop.random.as_ref()),
            Retry::After(pause) => pause,
            Retry::WhenResourceChanges | Retry::WhenSecretChanges | Retry::Hourly => HOURLY,
        };
        tracing::warn!(
            replicator = self.replicator,
            reason = error.reason(),
            error = error.message(),
            ?pause,
            "not connected"
        );
        let next_try = self.workshop.clock.now().checked_add(pause).ok();
        self.board.update(|standing| {
            standing.acts_upon(order.generation);
            standing.activity = Activity::BackingOff;
            standing.trouble = Some(Trouble::from(error));
            standing.next_try = next_try;
            standing.next_run = None;
        });
        pause
    }

    async fn back_off(&mut self, pause: Duration) {
        let clock = Arc::clone(&self.workshop.clock);
        let until = clock.monotonic().saturating_add(pause);
        loop {
            let left = until.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return;
            }
            match self.wait(Some(left)).await {
                Woken::Time => {}
                Woken::Order | Woken::End => return,
            }
        }
    }

    /// Lets the runs of a session end, and forgets it.
    async fn close(&mut self, opened: Option<Opened>, is_suspending: bool) {
        let Some(mut opened) = opened else { return };
        self.asked.interrupted();
        if is_suspending {
            self.board.update(|standing| standing.activity = Activity::Suspending);
        }
        opened.ending.cancel();
        // Runs that outlived their tick end with their segment; a tick that asks for nothing waits for them.
        let nothing = TickRequest {
            objects: Some(BTreeSet::new()),
            ..TickRequest::default()
        };
        let cancel = self.stop.child_token();
        let mut tick = Box::pin(opened.session.tick(&nothing, &cancel));
        let patience = self.workshop.clock.sleep(PATIENCE);
        tokio::select! {
            biased;
            _ = &mut tick => {}
            () = self.stop.cancelled() => {}
            () = patience => {}
        }
        drop(tick);
        drop(opened);
        self.board.update(crate::standing::Standing::interrupted);
    }

    fn suspended(&self, order: &Order) {
        let now = self.workshop.clock.now();
        self.board.update(|standing| {
            standing.suspended(now);
            standing.acts_upon(order.generation);
            standing.activity = Activity::Suspended;
            (standing.next_run, standing.next_try) = (None, None);
            standing.lists(&order.spec);
        });
    }

    /// Waits for as long, but not when an order comes or the end.
    async fn wait(&mut self, longest: Option<Duration>) -> Woken {
        let clock = Arc::clone(&self.workshop.clock);
        let time = async {
            match longest {
                Some(longest) => clock.sleep(longest.min(STRETCH)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Woken::End,
            () = self.ending.cancelled() => Woken::End,
            changed = self.orders.changed() => if changed.is_ok() { Woken::Order } else { Woken::End },
            () = time => Woken::Time,
        }
    }

    fn manual(&self, order: &Order) -> Wish {
        let last = self.board.standing().last_manual;
        self.asked.manual(order.spec.trigger.manual.as_deref(), last.as_deref())
    }

    /// Tokens that were not answered yet, and the objects of those that are new. One for an object without held deletes is of an
    /// annotation that stayed from another time.
    fn confirmations(&self, order: &Order) -> (BTreeMap<String, String>, BTreeSet<String>) {
        if order.confirm.is_empty() {
            return Default::default();
        }
        let mut standing = self.board.standing();
        let mut is_held = |object: &str| standing.object(object).is_some_and(|object| object.held.is_some());
        let given = order.confirm.iter().filter(|(object, _)| is_held(object));
        self.asked
            .tokens(&given.map(|(object, token)| (object.clone(), token.clone())).collect())
    }
}

/// Makes the folder of a namespace's SQLite files.
async fn make_folder(folder: &Path) -> Result<(), replication::Error> {
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|error| replication::Error::Database {
            kind: ErrorKind::Transient,
            message: format!(
                "the folder {} of SQLite files cannot be made: {}; the operator needs the right to write there",
                folder.display(),
                error.kind()
            ),
            source: Some(Box::new(error)),
        })
}

/// Ends when an order came beside which the runs of this one may not go on.
async fn replaced(orders: &mut watch::Receiver<Order>, order: &Order) {
    if orders.wait_for(|newer| !newer.lets_run(order)).await.is_err() {
        // Nobody gives orders any more: the worker is told to end in another way.
        std::future::pending::<()>().await;
    }
}

/// Objects that failed and have waited, those that cannot be planned among them.
fn waited(session: &Session) -> BTreeSet<String> {
    let schedule = session.schedule();
    let plan = session.plan();
    let unplanned = plan.unplanned.iter().map(|unplanned| &unplanned.object);
    let objects = plan.objects.iter().map(|plan| &plan.object).chain(unplanned);
    let waited = objects.filter(|object| schedule.failures(object) > 0 && schedule.is_due(object));
    waited.map(ToString::to_string).collect()
}

/// The objects with their tables, and whether each of their ticks is a Refresh.
fn planned(session: &Session) -> impl Iterator<Item = (&str, &str, bool)> {
    let plans = session.plan().objects.iter();
    plans.map(|plan| (plan.object.as_str(), plan.table.as_str(), plan.stamp.is_none()))
}

fn usage(session: &Session) -> Option<crds::ApiUsage> {
    let usage = session.client().api_usage()?;
    Some(crds::ApiUsage {
        used: i64::try_from(usage.used).ok()?,
        limit: i64::try_from(usage.limit).ok()?,
    })
}

/// The name of a tick in status and logs.
fn id(start: Timestamp) -> String {
    start.strftime("%Y%m%d-%H%M%S").to_string()
}

/// An interval shortened by up to a twentieth, by the replicator's name.
fn jittered(interval: Duration, replicator: &str) -> Duration {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(replicator);
    let part = u32::try_from(hash % 1000).unwrap_or(0);
    interval.saturating_sub(interval / 20 * part / 1000)
}

#[cfg(test)]
mod tests;
