//! What is told of a run: one that ended, one that did not begin, one whose task panicked.
//!
//! Reports are made in one place, so that a run that failed early tells as much of its object as one that succeeded: what
//! was known before stays known (its rows, what is held, what is rejected), and only what this run found out differs.

use jiff::Timestamp;
use salesforce::Client;

use super::{Ended, Known, Outcome, Shared, Turn};
use crate::{
    Error, Result,
    destination::{ColumnInUse, Destination, UnbuiltIndex},
    plan::{ObjectName, ObjectPlan, Unplanned},
    progress::{Degradation, Event, RunError, RunKind, RunReport},
    quota::{self, Spent},
    replicator::needs,
    run::Tally,
    state::{Phase, State},
};

/// A run under way, as far as its report needs it.
pub(super) struct Measure {
    pub(super) kind: RunKind,
    start_time: Timestamp,
    pub(super) client: Client,
    pub(super) tally: Tally,
    pub(super) state: Option<State>,
}

impl<D: Destination> Shared<D> {
    pub(super) fn measure(&self, kind: RunKind) -> Measure {
        Measure {
            kind,
            start_time: self.environment.clock.now(),
            client: self.client.counted(),
            tally: Tally::default(),
            state: None,
        }
    }

    pub(super) fn report(&self, turn: &Turn, measure: &Measure, outcome: &Result<Known>) -> RunReport {
        let Measure {
            kind,
            start_time,
            client,
            tally,
            state,
        } = measure;
        let known = outcome
            .as_ref()
            .ok()
            .or(turn.known.as_ref().filter(|_| state.is_none()));
        let memory = known.map(|known| &known.memory);
        let state = memory.map(|memory| &memory.state).or(state.as_ref());
        let is_listing = matches!(kind, RunKind::Reconcile | RunKind::Refresh);
        let mut degraded = degraded_by(&turn.plan);
        degraded.extend(turn.degraded.iter().cloned());
        degraded.extend(
            known
                .iter()
                .flat_map(|known| &known.in_use)
                .map(|in_use| degraded_column(&turn.plan, in_use)),
        );
        degraded.extend(
            known
                .iter()
                .flat_map(|known| &known.unbuilt)
                .map(|unbuilt| degraded_index(&turn.plan, unbuilt)),
        );
        // An Incremental that went on while others would wait.
        if *kind == RunKind::Incremental && outcome.is_ok() {
            degraded.extend(self.near_quota(turn));
        }
        RunReport {
            object: turn.plan.object.to_string(),
            table: turn.plan.table.to_string(),
            kind: *kind,
            start_time: *start_time,
            end_time: self.environment.clock.now(),
            rows_read: tally.rows_read(),
            rows_written: tally.rows_written(),
            rows_deleted: tally.rows_deleted(),
            api_calls: client.calls(),
            removed_characters: tally.removed_characters(),
            rows: state.map_or(0, |state| state.rows),
            watermark: memory.map_or_else(
                || state.and_then(|state| state.checkpoint.watermark),
                |memory| memory.watermark,
            ),
            rejected: state.map_or(0, |state| state.rejected),
            held: known.or(turn.known.as_ref()).and_then(|known| known.held.clone()),
            drift: is_listing.then(|| tally.drift()),
            changing: state
                .filter(|state| state.checkpoint.phase == Phase::Live)
                .and_then(|state| needs::change(&turn.plan, state)),
            degraded,
            error: outcome.as_ref().err().map(RunError::from),
            is_unplanned: false,
            next_try_time: None,
        }
    }

    /// What waits while an Incremental goes on.
    fn near_quota(&self, turn: &Turn) -> Option<Degradation> {
        let Spent { used, limit, percent } = self.allowance(turn).spent(RunKind::Verify, self.client.api_usage())?;
        Some(Degradation {
            reason: "QuotaNear",
            message: format!(
                "{used} of the org's {limit} API calls in 24 hours are used, by anybody: from {percent} % on \
                 (connection.apiBudgetPercent) first loads and comparisons wait, and from {} % on everything does",
                quota::INCREMENTAL_PERCENT.max(percent)
            ),
        })
    }

    /// A turn that did not begin, since an earlier one was refused by Salesforce for its credentials.
    pub(in crate::replicator) fn unstarted(&self, turn: &Turn, error: RunError) -> RunReport {
        let measure = self.measure(turn.presumed());
        let cancelled = Err(Error::Cancelled);
        let mut report = self.report(turn, &measure, &cancelled);
        report.error = Some(error);
        self.tell_end(&turn.plan.object, &report);
        report
    }

    /// An object that cannot be planned. What is known of it is told on.
    pub(in crate::replicator) fn refused(
        &self,
        unplanned: &Unplanned,
        error: &Error,
        (asked, known): (Option<RunKind>, Option<&Known>),
    ) -> RunReport {
        let Unplanned { object, table, .. } = unplanned;
        let now = self.environment.clock.now();
        let empty = RunReport::new(object.as_str(), table.as_str(), presumed(known, asked), now);
        let report = RunReport {
            rows: known.map_or(0, |known| known.memory.state.rows),
            watermark: known.and_then(|known| known.memory.watermark),
            rejected: known.map_or(0, |known| known.memory.state.rejected),
            held: known.and_then(|known| known.held.clone()),
            error: Some(RunError::from(error)),
            is_unplanned: true,
            ..empty
        };
        self.tell_end(object, &report);
        report
    }

    /// A turn whose task panicked.
    pub(in crate::replicator) fn broken(&self, turn: &Turn) -> Ended {
        let object = turn.plan.object.clone();
        let error = Error::Panicked { object };
        Ended {
            object: turn.plan.object.clone(),
            report: self.unstarted(turn, RunError::from(&error)),
            outcome: Outcome::Ran(Box::new(Err(error))),
        }
    }

    pub(super) fn tell_end(&self, object: &ObjectName, report: &RunReport) {
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
            .observe(object, report.kind, &Event::Ended(Box::new(report.clone())));
    }
}

impl Turn {
    /// The kind of run as far as it is known before the state is read.
    pub(super) fn presumed(&self) -> RunKind {
        let kind = presumed(self.known.as_ref(), self.asked);
        if kind == RunKind::Incremental && self.plan.stamp.is_none() {
            return RunKind::Refresh;
        }
        kind
    }
}

fn presumed(known: Option<&Known>, asked: Option<RunKind>) -> RunKind {
    match (known, asked) {
        (Some(_), None) => RunKind::Incremental,
        (_, Some(asked)) => asked,
        (None, None) => RunKind::Initial,
    }
}

/// What a plan itself says of how good its object can be.
fn degraded_by(plan: &ObjectPlan) -> Vec<Degradation> {
    if plan.missing_fields.is_empty() {
        return Vec::new();
    }
    vec![Degradation {
        reason: "FieldMissing",
        message: format!(
            "{}: the org does not have these fields, or the Salesforce user may not read them any more; their columns keep \
             their values: {}",
            plan.object,
            plan.missing_fields.join(", ")
        ),
    }]
}

fn degraded_column(plan: &ObjectPlan, in_use: &ColumnInUse) -> Degradation {
    let ColumnInUse { column, used_by } = in_use;
    Degradation {
        reason: "ColumnInUse",
        message: format!(
            "{}: column {column} of table {} needs another type and keeps the one it has, since {} depends on it: drop and \
             make that anew, then have the object refreshed; until then values that do not fit reject their rows",
            plan.object,
            plan.table,
            used_by.join(", ")
        ),
    }
}

fn degraded_index(plan: &ObjectPlan, unbuilt: &UnbuiltIndex) -> Degradation {
    let UnbuiltIndex { index, message } = unbuilt;
    Degradation {
        reason: "IndexNotBuilt",
        message: format!(
            "{}: index {index} of table {} cannot be built, and queries that need it read the whole table; all else goes on, and \
             it is tried again after each Reconcile and Refresh: {message}",
            plan.object, plan.table
        ),
    }
}
