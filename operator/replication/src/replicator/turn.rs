//! One object's turn in a tick: what it needs, and what came of it.
//!
//! The turn runs in a task of its own. It opens the object's table, reads the state before it reads Salesforce, and finds
//! out from the two what there is to do. What it learns goes back with its report; it keeps nothing.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use salesforce::Client;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Environment;
use crate::{
    Error, Result,
    destination::{Destination, ObjectTable as _},
    plan::{ObjectName, ObjectPlan},
    progress::{Event, RunError, RunKind, RunReport},
    retry::Retries,
    run::{Context, Memory, Tally, incremental, initial, segment::Limits},
    source::Feed,
    state::{Owner, Phase, State},
};

/// What the tasks of all objects need.
#[derive(Debug)]
pub(super) struct Shared<D> {
    pub(super) owner: Owner,
    pub(super) client: Client,
    pub(super) destination: D,
    pub(super) environment: Environment,
    pub(super) overlap: Duration,
}

/// One object's turn in a tick.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) plan: Arc<ObjectPlan>,
    pub(super) asked: Option<RunKind>,
    pub(super) memory: Option<Memory>,
    pub(super) cancel: CancellationToken,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) report: RunReport,
    pub(super) outcome: Result<Memory>,
}

/// What came of an object's turn.
pub(super) enum Turned {
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

    /// One object's turn: opens its table, reads its state, runs what it needs.
    pub(super) async fn take(self: Arc<Self>, turn: Turn) -> Turned {
        let start_time = self.environment.clock.now();
        let client = self.client.counted();
        let tally = Tally::default();
        let mut seen = Seen {
            kind: turn.presumed(),
            state: None,
        };
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
            rows: known
                .map(|memory| &memory.state)
                .or(state.as_ref())
                .map_or(0, |state| state.rows),
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
            limits: Limits::new(
                environment
                    .tuning
                    .segment_rows
                    .unwrap_or(self.destination.capabilities().segment_rows),
            ),
            overlap: self.overlap,
            tally,
        };
        context.tell(&Event::Started);
        match need {
            Need::Initial(state) => Box::pin(initial::run(&context, &mut table, state.as_ref()))
                .await
                .map(Some),
            Need::Incremental { state, from } => {
                let memory = Box::pin(incremental::run(&context, &mut table, &state, from)).await?;
                if turn.memory.is_none() {
                    // The resource may name indexes that it did not name at the first load. After the rows, which must
                    // not wait for them.
                    table.build_indexes().await?;
                }
                Ok(Some(memory))
            }
            Need::Nothing => Ok(None),
        }
    }

    /// The report of an object whose turn did not begin.
    pub(super) fn unstarted(&self, turn: &Turn, at: Timestamp, error: RunError) -> RunReport {
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
    pub(super) fn broken(&self, turn: &Turn, start: Timestamp) -> Ended {
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

/// Gives the state back if it was written by the same plan. Another one needs every row read again, which is the
/// business of Refresh; a first load that is not finished begins anew.
pub(super) fn fits(plan: &ObjectPlan, state: Option<State>) -> Result<Option<State>> {
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
    if state.checkpoint.phase == Phase::Live && state.checkpoint.plan_hash != plan.hash.0 {
        return changed(format!(
            "its plan is not the one that the rows of table {} were written with: the resource asks for other columns, \
             templates or deletes, or the org has changed (a field was added, removed, hidden from the user or made \
             visible, or the org's address is another); filling the table anew needs a Refresh, which this version does not \
             serve: go back to the former mapping, undo the org's change or leave the field out, or {}",
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
