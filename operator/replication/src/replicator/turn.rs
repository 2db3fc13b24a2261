//! One object's turn: the runs that it needs, one after the other, and what came of each.
//!
//! The turn runs in a task of its own. It opens the object's table, reads the state before it reads Salesforce, and finds
//! out from the two what there is to do ([`needs`](super::needs)): the Incremental or Initial first, then the long kinds that
//! are due. A long run may outlive the tick that began it; when the next tick's Incremental is due meanwhile, it makes
//! room for it at the end of a segment (design 6.2). Each run is reported when it ends; the turn keeps nothing.

mod report;
mod watchdog;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use salesforce::{Client, ErrorKind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::report::Measure;
use super::{
    Environment,
    needs::{self, Need},
};
use crate::{
    Error, Result,
    destination::{Capabilities, ColumnInUse, Destination, ObjectTable, UnbuiltIndex},
    guard::HeldDeletes,
    plan::{Deletes, ObjectName, ObjectPlan},
    progress::{Degradation, Event, RunError, RunKind, RunReport},
    quota::Allowance,
    retry::Retries,
    run::{
        Context, Memory, Place, incremental, initial,
        listing::{self, Begin, Passed, Rest},
        segment::Limits,
        verify::{self, Verified},
    },
    soql::Shape,
    source::Feed,
    state::{Checkpoint, Listing, Owner, State},
};

/// What the tasks of all objects need.
#[derive(Debug)]
pub(super) struct Shared<D> {
    pub(super) owner: Owner,
    pub(super) client: Client,
    pub(super) destination: D,
    pub(super) environment: Environment,
    pub(super) overlap: Duration,
    pub(super) max_delete_percent: u8,
    pub(super) api_budget_percent: u8,
}

/// One object's turn.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) plan: Arc<ObjectPlan>,
    pub(super) asked: Option<RunKind>,
    /// Held deletes that somebody confirms.
    pub(super) confirm: Option<String>,
    pub(super) known: Option<Known>,
    /// What the user's rights say.
    pub(super) degraded: Vec<Degradation>,
    /// Long kinds wait after a failure.
    pub(super) long_waits: bool,
    /// Set where a person wants it now: no run waits for the budget of API calls.
    pub(super) manual: Arc<AtomicBool>,
    /// Set when an Incremental is due while a long run is under way.
    pub(super) due: Arc<AtomicBool>,
    /// Set when the plan is not the resource's any more: a listing ends where it is.
    pub(super) outdated: Arc<AtomicBool>,
    /// What Salesforce said to a turn of the same tick whose credentials it refused.
    pub(super) refused: Arc<Mutex<Option<RunError>>>,
    pub(super) cancel: CancellationToken,
}

/// What is known of an object between its runs.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) memory: Memory,
    pub(super) held: Option<HeldDeletes>,
    pub(super) in_use: Vec<ColumnInUse>,
    /// Indexes that could not be built.
    pub(super) unbuilt: Vec<UnbuiltIndex>,
    /// When a Verify was tried last, wall clock.
    pub(super) verified_at: Option<Timestamp>,
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) object: ObjectName,
    pub(super) report: RunReport,
    pub(super) outcome: Outcome,
}

/// How a run ended, for the next one.
#[derive(Debug)]
pub(super) enum Outcome {
    Ran(Box<Result<Known>>),
    /// It did not begin, since Salesforce has refused the credentials of another object.
    Refused,
}

/// How one call of a run ended.
enum Performed {
    Done {
        memory: Memory,
        in_use: Vec<ColumnInUse>,
        /// `None` where it built no indexes.
        unbuilt: Option<Vec<UnbuiltIndex>>,
    },
    /// A listing made room, and goes on by this rest.
    Yielded(Memory, Option<Rest>),
    /// Salesforce's log does not reach back so far: a Reconcile takes the place of this Verify.
    Beyond(Memory),
}

/// Where a long run is.
enum Stage {
    Finished(Known),
    /// See [`Performed`].
    Yielded(Memory, Option<Rest>),
    /// See [`Performed`].
    Beyond(Memory),
}

impl<D: Destination> Shared<D> {
    /// Whether the tables of state may be made. Not where all objects belong to somebody else: then nothing is written
    /// (design 6.1), and each turn tells its own conflict. What else goes wrong here is told by the making.
    pub(super) async fn may_prepare(&self, plans: &[Arc<ObjectPlan>]) -> bool {
        for plan in plans {
            let opened = self.destination.open(Arc::clone(plan), self.owner.clone()).await;
            let read = match opened {
                Ok(mut table) => table.read_state().await.map(|_state| ()),
                Err(error) => Err(error),
            };
            if !matches!(read, Err(Error::SchemaConflict { .. })) {
                return true;
            }
        }
        false
    }

    /// One object's turn. It begins when `place` has become a right to run.
    pub(super) async fn take(self: Arc<Self>, turn: Turn, place: Place, reports: mpsc::UnboundedSender<Ended>) {
        let span = tracing::info_span!("run", replicator = self.owner.replicator, object = %turn.plan.object);
        let slot = tokio::select! {
            biased;
            () = turn.cancel.cancelled() => return,
            () = self.environment.ending.cancelled() => return,
            slot = place.wait() => slot,
        };
        let refused = turn.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(error) = refused {
            // Each would log in again, and a user with a wrong password is soon locked out.
            let ended = Ended {
                object: turn.plan.object.clone(),
                report: self.unstarted(&turn, error),
                outcome: Outcome::Refused,
            };
            // Nobody listens when the replicator is gone.
            reports.send(ended).ok();
            return;
        }
        let taken = Taken {
            shared: &self,
            turn: &turn,
            slot,
            reports,
        };
        Box::pin(taken.go()).instrument(span).await;
    }

    fn allowance(&self, turn: &Turn) -> Allowance {
        if turn.manual.load(Ordering::Relaxed) {
            Allowance::All
        } else {
            Allowance::Budget(self.api_budget_percent)
        }
    }
}

/// For runs that are no listing.
const FIRST: Begin = Begin {
    compared: true,
    beyond: false,
    rest: None,
};

/// What follows a long run.
enum After {
    /// It came to its end, as a run of this kind.
    Done(Box<Known>, RunKind),
    /// It failed, and other kinds may still do.
    Failed,
    /// The turn is over.
    Over,
}

impl After {
    fn of(error: &Error) -> Self {
        match error {
            // The other long kinds would wait as well.
            Error::Cancelled
            | Error::Fenced { .. }
            | Error::Database { .. }
            | Error::Budget { .. }
            | Error::Stalled { .. }
            | Error::Panicked { .. }
            | Error::Internal(_) => Self::Over,
            error if error.kind() == ErrorKind::Credentials => Self::Over,
            Error::Salesforce(_)
            | Error::Plan(_)
            | Error::Unplanned { .. }
            | Error::Secret { .. }
            | Error::SchemaChanged { .. }
            | Error::Condition { .. }
            | Error::SchemaConflict { .. }
            | Error::RecordTooLarge { .. }
            | Error::RowsMissing { .. }
            | Error::Value { .. }
            | Error::RowsExist { .. }
            | Error::NotHeld { .. }
            | Error::NotServed(_) => Self::Failed,
        }
    }
}

/// A turn under way.
struct Taken<'a, D> {
    shared: &'a Shared<D>,
    turn: &'a Turn,
    slot: crate::run::Slot,
    reports: mpsc::UnboundedSender<Ended>,
}

impl<D: Destination> Taken<'_, D> {
    async fn go(self) {
        let mut measure = self.shared.measure(self.turn.presumed());
        let token = self.turn.confirm.as_deref();
        let opened = self.unless_cancelled(self.open(&mut measure.state, token)).await;
        let (mut table, state) = match opened {
            Ok(opened) => opened,
            Err(error) => return drop(self.end(&measure, Err(error))),
        };
        let known = self.turn.known.as_ref().map(|known| &known.memory);
        let need = match needs::first(&self.turn.plan, self.turn.asked, known, state) {
            Ok(need) => need,
            Err(error) => return drop(self.end(&measure, Err(error))),
        };
        let is_load = matches!(need, Need::Initial(_));
        let mut known = match need {
            Need::Nothing => return,
            Need::Long(memory) => self.known(memory),
            Need::Initial(_) | Need::Incremental { .. } | Need::Verify { .. } | Need::Listing { .. } => {
                measure.kind = need.kind();
                let first = async {
                    self.is_allowed(measure.kind).await?;
                    self.first(&measure, &mut table, need).await
                };
                let done = self.unless_stalled(&measure, first).await;
                match self.end(&measure, done) {
                    Some(known) => known,
                    None => return,
                }
            }
        };
        let mut follow: VecDeque<RunKind> = VecDeque::new();
        let mut tried = Vec::new();
        // Where each turn is a Refresh, a first load that began with an empty table was one.
        let is_fresh = known.memory.state.checkpoint.refreshed_at.is_some();
        if is_load && is_fresh && self.turn.plan.stamp.is_none() {
            tried.push(RunKind::Refresh);
        }
        loop {
            let kind = match follow.pop_front() {
                Some(kind) => kind,
                None => match self.due(&known, &tried).await {
                    Some(kind) => kind,
                    None => return,
                },
            };
            tried.push(kind);
            if kind == RunKind::Verify {
                known.verified_at = Some(self.shared.environment.clock.now());
            }
            match self.long(kind, &mut table, known.clone()).await {
                After::Done(done, RunKind::Refresh) => {
                    // What it wrote may be older than what was there: an Incremental and a Verify from the state follow.
                    if self.turn.plan.stamp.is_some() {
                        follow = VecDeque::from([RunKind::Incremental, RunKind::Verify]);
                    }
                    known = *done;
                }
                After::Done(done, kind) => {
                    tried.push(kind);
                    known = *done;
                    continue;
                }
                After::Failed if follow.is_empty() => {}
                After::Failed | After::Over => return,
            }
            // On a table whose columns may be others now, or with a segment that was given up.
            let opened = self.unless_cancelled(self.open(&mut None, None)).await;
            match opened {
                Ok((opened, state)) => {
                    table = opened;
                    let Some(state) = state else { return };
                    known.memory = needs::merged(Some(&known.memory), state);
                }
                Err(error) => {
                    let measure = self.shared.measure(RunKind::Incremental);
                    return drop(self.end(&measure, Err(error)));
                }
            }
        }
    }

    /// # Errors
    /// [`Error::Budget`] where a run of the kind has to wait.
    async fn is_allowed(&self, kind: RunKind) -> Result<()> {
        let shared = self.shared;
        let spent = shared.allowance(self.turn).spent_now(kind, &shared.client).await;
        spent.map_or(Ok(()), |spent| {
            Err(Error::Budget {
                object: self.turn.plan.object.clone(),
                kind,
                spent,
            })
        })
    }

    fn known(&self, memory: Memory) -> Known {
        let former = self.turn.known.as_ref();
        Known {
            memory,
            held: former.and_then(|known| known.held.clone()),
            in_use: former.map(|known| known.in_use.clone()).unwrap_or_default(),
            unbuilt: former.map(|known| known.unbuilt.clone()).unwrap_or_default(),
            verified_at: former.and_then(|known| known.verified_at),
        }
    }

    async fn unless_cancelled<R>(&self, work: impl Future<Output = Result<R>>) -> Result<R> {
        tokio::select! {
            biased;
            () = self.turn.cancel.cancelled() => Err(Error::Cancelled),
            done = work => done,
        }
    }

    async fn unless_stalled<R>(&self, measure: &Measure, work: impl Future<Output = Result<R>>) -> Result<R> {
        tokio::select! {
            biased;
            done = self.unless_cancelled(work) => done,
            () = watchdog::stalled(measure, &self.slot, &self.shared.environment.clock) => Err(Error::Stalled {
                object: self.turn.plan.object.clone(),
                after: watchdog::STALLED,
            }),
        }
    }

    /// Reports a run. Gives back what is known where it succeeded.
    fn end(&self, measure: &Measure, outcome: Result<Known>) -> Option<Known> {
        let report = self.shared.report(self.turn, measure, &outcome);
        let object = self.turn.plan.object.clone();
        self.shared.tell_end(&object, &report);
        let known = outcome.as_ref().ok().cloned();
        if let Err(Error::Salesforce(error)) = &outcome
            && error.kind() == ErrorKind::Credentials
        {
            let mut refused = self.turn.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert_with(|| RunError::from(&Error::Salesforce(error.clone())));
        }
        let ended = Ended {
            object,
            report,
            outcome: Outcome::Ran(Box::new(outcome)),
        };
        // Nobody listens when the replicator is gone.
        self.reports.send(ended).ok();
        known
    }

    /// Opens the table, reads its state, confirms held deletes, and makes the table as the plan has it.
    async fn open(&self, seen: &mut Option<State>, token: Option<&str>) -> Result<(D::Table, Option<State>)> {
        let plan = &self.turn.plan;
        let shared = self.shared;
        if !shared.environment.leadership.is_held() {
            // Another process may write now. Whoever read the state before this moment finds another epoch when it claims.
            return Err(Error::Fenced {
                object: plan.object.clone(),
            });
        }
        let mut table = shared.destination.open(Arc::clone(plan), shared.owner.clone()).await?;
        let mut state = table.read_state().await?;
        seen.clone_from(&state);
        let now = shared.environment.clock.now();
        if let Some(token) = token
            && state.is_some()
        {
            if !table.confirm(token, now).await? {
                return Err(Error::NotHeld {
                    object: plan.object.clone(),
                    held: table.held().await?,
                });
            }
            state = table.read_state().await?;
        }
        // Somebody else's state that this run adopts: it is ours before anything else, though there be nothing to write. Where it
        // is of another table, the Initial into ours adopts it, and says nothing of rows before they are there.
        if let Some(adopted) = state.as_ref().filter(|state| {
            state.owner.replicator != shared.owner.replicator && state.table_name == plan.table.as_str()
        }) {
            table.create(&adopted.checkpoint, now).await?;
            state = table.read_state().await?;
        }
        let to_adapt = state.as_ref().filter(|state| needs::must_adapt(plan, state));
        if let Some((live, kind)) = to_adapt.and_then(|live| Some((live, needs::listing(plan, live)?))) {
            // From here on rows are written by the new plan, so the state says that it is not complete before the first one
            // is: whoever goes back to the former plan has to go through all rows as well.
            let listing = Listing {
                kind,
                plan_hash: plan.hash.0.clone(),
                started: shared.client.server_now().await?,
                covered: None,
                last_id: None,
            };
            let checkpoint = Checkpoint {
                listing: Some(listing),
                ..live.checkpoint.clone()
            };
            table.create(&checkpoint, now).await?;
            state = table.read_state().await?;
        }
        Ok((table, state))
    }

    /// The Initial or Incremental of a turn.
    async fn first(&self, measure: &Measure, table: &mut D::Table, need: Need) -> Result<Known> {
        let performed = self.perform(measure, table, need, FIRST).await?;
        match performed {
            Performed::Done {
                memory,
                in_use: _,
                unbuilt,
            } => {
                if let Some(known) = self.turn.known.clone() {
                    let unbuilt = unbuilt.unwrap_or_else(|| known.unbuilt.clone());
                    return self
                        .settle(table, memory, Some(Known { unbuilt, ..known }), measure)
                        .await;
                }
                // The resource may name indexes that it did not name at the first load. After the rows, which must not
                // wait for them.
                let unbuilt = match unbuilt {
                    Some(unbuilt) => unbuilt,
                    None => measure.tally.patiently(table.build_indexes()).await?,
                };
                // Columns that a Refresh of another process could not exchange: this one has to say so too. Where the plan
                // has changed, its own Refresh will find out.
                let in_use = match needs::change(&self.turn.plan, &memory.state) {
                    None => table.settle_columns().await?,
                    Some(_) => Vec::new(),
                };
                let known = self.settle(table, memory, None, measure).await?;
                Ok(Known {
                    in_use,
                    unbuilt,
                    ..known
                })
            }
            Performed::Yielded(..) | Performed::Beyond(_) => {
                Err(Error::Internal("a first run ended as a long one".to_owned()))
            }
        }
    }

    /// What is known after a run.
    async fn settle(
        &self,
        table: &mut D::Table,
        memory: Memory,
        former: Option<Known>,
        measure: &Measure,
    ) -> Result<Known> {
        let waiting = memory.state.pending.saturating_sub(memory.state.confirmed);
        let (held, in_use, unbuilt, verified_at) = former.map_or((None, Vec::new(), Vec::new(), None), |known| {
            (known.held, known.in_use, known.unbuilt, known.verified_at)
        });
        let tally = &measure.tally;
        let wrote = tally.rows_written() > 0 || tally.rows_deleted() > 0 || table.has_written_state();
        let held = match held {
            _ if waiting == 0 || self.turn.plan.deletes == Deletes::Ignore => None,
            Some(held) if held.count == waiting && !wrote => Some(held),
            Some(_) | None => table.held().await?,
        };
        Ok(Known {
            memory,
            held,
            in_use,
            unbuilt,
            verified_at,
        })
    }

    /// The next long kind that is due.
    async fn due(&self, known: &Known, tried: &[RunKind]) -> Option<RunKind> {
        let shared = self.shared;
        if shared.environment.ending.is_cancelled() {
            return None;
        }
        match self.turn.asked {
            Some(RunKind::Initial | RunKind::Incremental) => None,
            Some(asked) => (!tried.contains(&asked)).then_some(asked),
            None if self.turn.long_waits => None,
            None => {
                // Answered from memory; where it has to ask, the run itself would have to.
                let server_now = shared.client.server_now().await.ok()?;
                let now = needs::Now {
                    wall: shared.environment.clock.now(),
                    server: server_now,
                };
                needs::long(&self.turn.plan, &known.memory, (tried, known.verified_at), now)
            }
        }
    }

    /// A long run from its begin to its end, with the Incrementals that it makes room for.
    async fn long(&self, kind: RunKind, table: &mut D::Table, mut known: Known) -> After {
        let mut measure = self.shared.measure(kind);
        let mut begin = needs::begin(&self.turn.plan, &known.memory);
        let error = loop {
            measure.state = Some(known.memory.state.clone());
            let need = match needs::of(measure.kind, &self.turn.plan, &known.memory) {
                Ok(need) => need,
                Err(error) => break error,
            };
            measure.kind = need.kind();
            let work = async {
                self.is_allowed(measure.kind).await?;
                match self.perform(&measure, table, need, begin.clone()).await? {
                    Performed::Done {
                        memory,
                        in_use,
                        unbuilt: _,
                    } => {
                        let known = self.finish(&measure, table, memory, in_use, &known).await?;
                        Ok(Stage::Finished(known))
                    }
                    Performed::Yielded(memory, rest) => Ok(Stage::Yielded(memory, rest)),
                    Performed::Beyond(memory) => Ok(Stage::Beyond(memory)),
                }
            };
            let stage = Box::pin(self.unless_stalled(&measure, work)).await;
            match stage {
                Ok(Stage::Finished(known)) => {
                    self.end(&measure, Ok(known.clone()));
                    return After::Done(Box::new(known), measure.kind);
                }
                Ok(Stage::Beyond(memory)) => {
                    known.memory = memory;
                    measure.kind = RunKind::Reconcile;
                    begin.beyond = true;
                }
                Ok(Stage::Yielded(memory, rest)) => {
                    known.memory = memory;
                    begin.rest = rest;
                    if self.turn.outdated.load(Ordering::Relaxed) {
                        // The next turn goes on by the new plan.
                        break Error::Cancelled;
                    }
                    // It makes room for the Incremental of its object, or for others who need the org's calls.
                    if self.turn.due.swap(false, Ordering::Relaxed) && self.turn.plan.stamp.is_some() {
                        match self.incremental_between(table, &known).await {
                            Some(after) => known = after,
                            None => break Error::Cancelled,
                        }
                    }
                }
                Err(error) => break error,
            }
        };
        let after = After::of(&error);
        self.end(&measure, Err(error));
        after
    }

    /// What follows the last segment of a long run.
    async fn finish(
        &self,
        measure: &Measure,
        table: &mut D::Table,
        memory: Memory,
        in_use: Vec<ColumnInUse>,
        known: &Known,
    ) -> Result<Known> {
        let mut known = known.clone();
        if measure.kind == RunKind::Refresh {
            known.in_use = in_use;
        }
        let reads_all = matches!(measure.kind, RunKind::Reconcile | RunKind::Refresh);
        // Where there is no Incremental, indexes that the resource did not name before are nobody else's business. What
        // hindered one may be gone: a long value, a right.
        if self.turn.plan.stamp.is_none() && self.turn.known.is_none() || reads_all && !known.unbuilt.is_empty() {
            match measure.tally.patiently(table.build_indexes()).await {
                Ok(unbuilt) => known.unbuilt = unbuilt,
                // The run has done its own work, and says anyhow what is not built.
                Err(error) if error.kind() == ErrorKind::Transient && !known.unbuilt.is_empty() => {
                    tracing::warn!(object = %self.turn.plan.object, error = error.message(), "indexes are tried again later");
                }
                Err(error) => return Err(error),
            }
        }
        self.settle(table, memory, Some(known), measure).await
    }

    /// The Incremental that a listing made room for. Where it fails, the listing goes on another time.
    async fn incremental_between(&self, table: &mut D::Table, known: &Known) -> Option<Known> {
        let mut measure = self.shared.measure(RunKind::Incremental);
        measure.state = Some(known.memory.state.clone());
        let work = async {
            self.is_allowed(RunKind::Incremental).await?;
            let need = needs::of(RunKind::Incremental, &self.turn.plan, &known.memory)?;
            match self.perform(&measure, table, need, FIRST).await? {
                Performed::Done {
                    memory,
                    in_use: _,
                    unbuilt: _,
                } => self.settle(table, memory, Some(known.clone()), &measure).await,
                Performed::Yielded(..) | Performed::Beyond(_) => {
                    Err(Error::Internal("an Incremental ended as a long run".to_owned()))
                }
            }
        };
        let done = self.unless_stalled(&measure, work).await;
        self.end(&measure, done)
    }

    /// One call of a run.
    async fn perform(&self, measure: &Measure, table: &mut D::Table, need: Need, begin: Begin) -> Result<Performed> {
        let plan = &self.turn.plan;
        let environment = &self.shared.environment;
        let retries = Retries::new(Arc::clone(&environment.clock), Arc::clone(&environment.random));
        let Capabilities { segment_rows, .. } = self.shared.destination.capabilities();
        let context = Context {
            plan,
            kind: measure.kind,
            feed: Feed::new(measure.client.clone(), &environment.budget, retries),
            clock: &environment.clock,
            destination: environment.destination.as_ref(),
            observer: environment.observer.as_ref(),
            limits: Limits::new(environment.tuning.segment_rows.unwrap_or(segment_rows)),
            overlap: self.shared.overlap,
            tally: &measure.tally,
            whole: Shape::whole(plan),
            max_delete_percent: self.shared.max_delete_percent,
            started: environment.clock.now(),
            slot: &self.slot,
            due: &self.turn.due,
            allowance: self.shared.allowance(self.turn),
            ending: &environment.ending,
        };
        context.tell(&Event::Started);
        let done = |memory| Performed::Done {
            memory,
            in_use: Vec::new(),
            unbuilt: None,
        };
        match need {
            Need::Initial(state) => {
                let (memory, unbuilt) = Box::pin(initial::run(&context, table, state.as_ref())).await?;
                Ok(Performed::Done {
                    memory,
                    in_use: Vec::new(),
                    unbuilt: Some(unbuilt),
                })
            }
            Need::Incremental { memory, from } => Box::pin(incremental::run(&context, table, &memory, from))
                .await
                .map(done),
            Need::Verify { memory, from } => Ok(match Box::pin(verify::run(&context, table, &memory, from)).await? {
                Verified::Done(memory) => done(*memory),
                Verified::Beyond(memory) => Performed::Beyond(*memory),
            }),
            Need::Listing { memory, kind } => Ok(
                match Box::pin(listing::run(&context, table, &memory, kind, begin)).await? {
                    Passed::Done { memory, in_use } => Performed::Done {
                        memory: *memory,
                        in_use,
                        unbuilt: None,
                    },
                    Passed::Yielded(memory, rest) => Performed::Yielded(*memory, rest),
                },
            ),
            Need::Long(_) | Need::Nothing => Err(Error::Internal("a run of no kind".to_owned())),
        }
    }
}
