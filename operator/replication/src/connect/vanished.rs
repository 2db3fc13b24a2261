//! What vanished between two describes.
//!
//! A field that was removed, or that the user may not read any more, fails the first query that names it, though the plan
//! of an org without it may be a good one: its column keeps its values. So the org is described and the plan made again in
//! the same tick, and objects whose plan is another one now run by that. Once: what fails by the new plan too waits as
//! everything that fails (design 6.8).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::Session;
use crate::{
    plan::PlanHash,
    progress::RunReport,
    replicator::{TickReport, TickRequest},
};

impl Session {
    /// Runs objects again whose runs failed for what the org does not have any more, where a fresh plan does without it.
    pub(super) async fn go_on(
        &mut self,
        report: TickReport,
        request: &TickRequest,
        cancel: &CancellationToken,
    ) -> TickReport {
        let former = self.outdated(&report);
        if former.is_empty() || cancel.is_cancelled() {
            return report;
        }
        let spec = Arc::clone(&self.spec);
        let planned = tokio::select! {
            biased;
            () = cancel.cancelled() => return report,
            planned = Box::pin(self.replan(&spec)) => planned,
        };
        if let Err(error) = planned {
            tracing::warn!(error = error.message(), "the plan cannot be made again");
            return report;
        }
        let plans = self.plan.objects.iter();
        let changed = plans.filter(|plan| former.get(plan.object.as_str()).is_some_and(|hash| *hash != plan.hash));
        let changed: BTreeSet<String> = changed.map(|plan| plan.object.to_string()).collect();
        if changed.is_empty() {
            return report;
        }
        tracing::info!(objects = ?changed, "the org has changed, the runs go on by a new plan");
        let again = TickRequest {
            objects: Some(changed),
            // What was confirmed was taken by the run that failed.
            confirm: BTreeMap::new(),
            ..request.clone()
        };
        let again = self.tick_once(&again, cancel).await;
        let mut report = merge(report, again);
        let unplanned = self.plan.unplanned.iter().map(|unplanned| &unplanned.object);
        let objects: Vec<_> = self
            .plan
            .objects
            .iter()
            .map(|plan| &plan.object)
            .chain(unplanned)
            .collect();
        report
            .runs
            .sort_by_key(|run| objects.iter().position(|object| object.as_str() == run.object));
        report
    }

    /// Objects that have a plan and whose run failed for what the org lacks, with the plan that it failed by.
    fn outdated(&self, report: &TickReport) -> BTreeMap<String, PlanHash> {
        let failed: BTreeSet<&str> = report
            .runs
            .iter()
            .filter(|run| is_vanished(run))
            .map(|run| run.object.as_str())
            .collect();
        let plans = self.plan.objects.iter();
        plans
            .filter(|plan| failed.contains(plan.object.as_str()))
            .map(|plan| (plan.object.to_string(), plan.hash.clone()))
            .collect()
    }
}

fn is_vanished(run: &RunReport) -> bool {
    let error = run.error.as_ref();
    error.is_some_and(|error| matches!(error.reason, "InvalidField" | "InvalidObject"))
}

/// One tick of two: a run that was made again stands for the one that failed, with its calls.
fn merge(mut report: TickReport, mut again: TickReport) -> TickReport {
    for run in &mut again.runs {
        let failed = report
            .runs
            .extract_if(.., |failed| failed.object == run.object && is_vanished(failed));
        run.api_calls += failed.map(|failed| failed.api_calls).sum::<u64>();
    }
    report.runs.append(&mut again.runs);
    TickReport {
        start_time: report.start_time,
        runs: report.runs,
        error: report.error.or(again.error),
        ..again
    }
}
