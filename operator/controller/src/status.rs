//! The status of a resource: built from how its replicator stands, and written where it differs from what is there.
//!
//! Building is pure. What is built depends on the standing, the spec, the status that was written before, and the time
//! only where time changes a condition ("stale"); it never holds a value that differs on each pass. `lastTransitionTime`
//! is kept while a condition's status stays, so two passes without a change build the same status, and the second sends
//! nothing: that is what keeps an operator from waking itself for ever.
//!
//! Changes of state are sent at once; progress alone waits for its turn ([`is_due`]).

use std::{collections::BTreeSet, time::Duration};

use crds::{
    Condition, HeldDeletes, LastRun, ObjectStatus, Reason, SalesforceReplicator, SalesforceReplicatorSpec,
    SalesforceReplicatorStatus, Schedule, Time,
};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Resource as _, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
};
use replication::progress::RunKind;
use serde::Serialize;
use serde_json::json;

use crate::{
    Result,
    conditions::{self, Verdict},
    requests::in_time,
    standing::{ObjectStanding, Standing, Tick},
};

/// The field manager of everything that the operator writes.
pub(crate) const MANAGER: &str = "salesforce-replicator";

/// Bytes of `lastError`: 200 failing objects must fit beside the managed fields (kubernetes.md 2.1).
const ERROR_BYTES: usize = 256;

/// Bytes of a condition's message; the API server takes 32 768.
pub(crate) const MESSAGE_BYTES: usize = 2048;

/// How often progress alone is written; every 60 s where there are more objects than this.
const MANY_OBJECTS: usize = 20;

/// The status that says how a replicator stands.
pub(crate) fn build(
    spec: &SalesforceReplicatorSpec,
    standing: &Standing,
    schedule: Option<&Schedule>,
    former: Option<&SalesforceReplicatorStatus>,
    now: Timestamp,
) -> SalesforceReplicatorStatus {
    let Standing {
        generation,
        next_generation: _,
        activity: _,
        org,
        usage,
        reads: _,
        trouble: _,
        objects,
        tick,
        last_success,
        next_run,
        next_try,
        last_manual,
        missed,
        panics: _,
        rotations: _,
        retired,
    } = standing;
    let former_conditions = former.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let verdicts = conditions::judge(standing, spec.suspend, schedule, now);
    let conditions = crds::ConditionType::ALL
        .into_iter()
        .zip(verdicts)
        .map(|(of, verdict)| {
            let former = former_conditions.iter().find(|former| former.type_ == of.as_str());
            let verdict = match (verdict, former) {
                (None | Some(Verdict { holds: None, .. }), Some(former)) => return former.clone(),
                (Some(verdict), _) => verdict,
                (None, None) => Verdict {
                    of,
                    holds: None,
                    reason: Reason::Suspended,
                    message: "spec.suspend was true from the beginning".to_owned(),
                },
            };
            condition(&verdict, former, *generation, now)
        })
        .collect();
    let known = |value: fn(&SalesforceReplicatorStatus) -> Option<String>| former.and_then(value);
    SalesforceReplicatorStatus {
        observed_generation: *generation,
        conditions,
        instance_url: org
            .as_ref()
            .map(|org| org.instance_url.clone())
            .or_else(|| known(|status| status.instance_url.clone())),
        organization_id: org
            .as_ref()
            .map(|org| org.organization_id.clone())
            .or_else(|| known(|status| status.organization_id.clone())),
        api_usage: *usage,
        objects_ready: Some(format!(
            "{}/{}",
            objects.iter().filter(|object| object.is_ready()).count(),
            objects.len()
        )),
        last_run: tick.as_ref().map(|tick| last_run(tick, objects)),
        last_success_time: last_success.map(time),
        next_run_time: next_run.filter(|_| !spec.suspend).map(time),
        next_try_time: next_try.filter(|_| !spec.suspend).map(time),
        last_manual_run: last_manual.clone(),
        missed_runs: (*missed > 0).then(|| signed(*missed)),
        retired_tables: retired.clone(),
        objects: objects.iter().map(object_status).collect(),
    }
}

fn condition(verdict: &Verdict, former: Option<&Condition>, generation: Option<i64>, now: Timestamp) -> Condition {
    let status = verdict.status();
    let unchanged = former.filter(|former| former.status == status);
    Condition {
        type_: verdict.of.as_str().to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.as_str().to_owned(),
        message: cut(&verdict.message, MESSAGE_BYTES),
        observed_generation: generation,
        last_transition_time: unchanged.map_or_else(|| time(now), |former| former.last_transition_time.clone()),
    }
}

/// A tick, with what its runs have done so far.
fn last_run(tick: &Tick, objects: &[ObjectStanding]) -> LastRun {
    let under_way = || objects.iter().filter_map(|object| object.progress);
    let heaviest = under_way().map(|progress| progress.kind).max();
    let (read, written, deleted) = under_way().fold((0, 0, 0), |(read, written, deleted), progress| {
        (
            read + progress.read,
            written + progress.written,
            deleted + progress.deleted,
        )
    });
    LastRun {
        id: tick.id.clone(),
        kind: kind(
            heaviest
                .filter(|_| tick.end.is_none())
                .map_or(tick.kind, |kind| kind.max(tick.kind)),
        ),
        start_time: time(tick.start),
        end_time: tick.end.map(time),
        duration: tick.end.map(|end| duration(end.duration_since(tick.start))),
        rows_read: signed(tick.rows_read + read),
        rows_written: signed(tick.rows_written + written),
        rows_deleted: signed(tick.rows_deleted + deleted),
        api_calls: signed(tick.api_calls),
    }
}

fn object_status(object: &ObjectStanding) -> ObjectStatus {
    let failure = object.current_failure();
    let counts = object.progress.map_or(
        (object.last.read, object.last.written, object.last.deleted),
        |progress| (progress.read, progress.written, progress.deleted),
    );
    let is_known = object.rows.is_some() || object.progress.is_some();
    ObjectStatus {
        name: object.name.clone(),
        table: object.table.clone(),
        phase: object.phase(),
        api: object.reads.as_ref().map(|reads| reads.api.clone()),
        api_reason: object.reads.as_ref().map(|reads| reads.reason.clone()),
        watermark: object.watermark.map(time),
        rows: object.rows,
        rows_read: is_known.then(|| signed(counts.0)),
        rows_written: is_known.then(|| signed(counts.1)),
        rows_deleted: is_known.then(|| signed(counts.2)),
        rejected: (object.rejected > 0).then(|| signed(object.rejected)),
        held_deletes: object.held.as_ref().map(|held| HeldDeletes {
            count: signed(held.count),
            token: held.token.clone(),
        }),
        last_success_time: object.last_success.map(time),
        last_error: failure.map(|failure| cut(&failure.trouble.message, ERROR_BYTES)),
        consecutive_failures: failure.map(|failure| signed(failure.count)),
    }
}

/// A time as the API server keeps it: whole seconds.
pub(crate) fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn kind(kind: RunKind) -> crds::RunKind {
    match kind {
        RunKind::Initial => crds::RunKind::Initial,
        RunKind::Incremental => crds::RunKind::Incremental,
        RunKind::Verify => crds::RunKind::Verify,
        RunKind::Reconcile => crds::RunKind::Reconcile,
        RunKind::Refresh => crds::RunKind::Refresh,
    }
}

/// `1m12s`, as the spec writes periods; below a minute with a decimal.
fn duration(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match seconds {
        0..60 => format!("{:.1}s", length.as_secs_f64().max(0.0)),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// At most so many bytes, cut between characters.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    const MORE: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(MORE.len()));
    format!("{}{MORE}", text.get(..end).unwrap_or_default())
}

/// Whether a status has to be sent now: it differs from the one that stands, and either something other than counters
/// differs, or the counters have waited for long enough since `last`.
pub(crate) fn is_due(
    former: Option<&SalesforceReplicatorStatus>,
    status: &SalesforceReplicatorStatus,
    since_last: Option<Duration>,
) -> bool {
    let Some(former) = former else { return true };
    if former == status {
        return false;
    }
    state_of(former) != state_of(status)
        || since_last.is_none_or(|since| since >= progress_period(status.objects.len()))
}

/// How often progress alone is written (design section 9).
pub(crate) fn progress_period(objects: usize) -> Duration {
    if objects > MANY_OBJECTS {
        Duration::from_mins(1)
    } else {
        Duration::from_secs(10)
    }
}

/// The part of a status that is state; the rest is progress.
fn state_of(status: &SalesforceReplicatorStatus) -> SalesforceReplicatorStatus {
    let mut state = status.clone();
    state.api_usage = None;
    state.next_try_time = None;
    if let Some(run) = &mut state.last_run {
        (run.rows_read, run.rows_written, run.rows_deleted, run.api_calls) = (0, 0, 0, 0);
        run.kind = crds::RunKind::Incremental;
    }
    if state.last_run.as_ref().is_some_and(|run| run.end_time.is_none()) {
        state.last_success_time = None;
    }
    for object in &mut state.objects {
        (object.rows, object.rows_read, object.rows_written, object.rows_deleted) = (None, None, None, None);
        (object.watermark, object.last_success_time) = (None, None);
    }
    state
}

/// The status that was last written, and for which versions of the resource it stands.
///
/// The store of resources may be behind our own writes, and then what it holds is older than what we know; and it may be ahead of
/// them, since somebody else has changed the resource, or has wiped its status. Versions are opaque, so they are only compared
/// for being the same: those that were in the store when we wrote are behind, any other one is the truth.
#[derive(Debug, Default)]
pub(crate) struct Written {
    status: Option<SalesforceReplicatorStatus>,
    /// Of the resource with that status.
    version: Option<String>,
    /// Versions that the store had, or was still to have, when something was written since.
    behind: BTreeSet<String>,
}

impl Written {
    /// The status of a resource as the store has it, or as we know better.
    pub(crate) fn standing(&mut self, resource: &SalesforceReplicator) -> Option<SalesforceReplicatorStatus> {
        let version = resource.resource_version();
        if version.as_ref().is_some_and(|version| self.behind.contains(version)) {
            return self.status.clone();
        }
        self.behind.clear();
        if version.is_some() && version == self.version {
            return self.status.clone();
        }
        resource.status.clone()
    }

    /// A status was written for a resource as the store had it, which has this version since.
    pub(crate) fn wrote(
        &mut self,
        resource: &SalesforceReplicator,
        version: Option<String>,
        status: &SalesforceReplicatorStatus,
    ) {
        self.behind.extend(resource.resource_version());
        self.behind.extend(self.version.take());
        self.version = version;
        if let Some(version) = &self.version {
            // Nothing has changed by it.
            self.behind.remove(version);
        }
        self.status = Some(status.clone());
    }
}

/// Writes a status by server-side apply. Gives the version that the resource has with it: what others have written beside ours may be of
/// any form.
///
/// # Errors
/// The API server does not take it, or does not answer.
pub(crate) async fn write(
    api: &Api<PartialObjectMeta<SalesforceReplicator>>,
    resource: &impl ResourceExt,
    status: &impl Serialize,
) -> Result<Option<String>> {
    let name = resource.name_any();
    let doing = format!(
        "writing the status of {}/{name}",
        resource.namespace().unwrap_or_default()
    );
    let body = json!({
        "apiVersion": SalesforceReplicator::api_version(&()),
        "kind": SalesforceReplicator::kind(&()),
        "metadata": {"name": name, "uid": resource.uid()},
        "status": status,
    });
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&body));
    let written = in_time(doing, api.patch_status(&name, &params, &patch)).await?;
    Ok(written.resource_version())
}

/// The `Ready` condition of a status.
pub(crate) fn ready(status: &SalesforceReplicatorStatus) -> Option<(&str, Option<Reason>)> {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == crds::ConditionType::Ready.as_str())?;
    Some((ready.status.as_str(), ready.reason.parse().ok()))
}

#[cfg(test)]
mod tests;
