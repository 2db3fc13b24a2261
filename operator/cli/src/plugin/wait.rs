//! Waiting for a run that was asked for.

use crds::{Condition, ConditionType, Period, Reason, SalesforceReplicator, SalesforceReplicatorStatus};
use kube::{
    ResourceExt,
    runtime::wait::{Error, await_condition},
};

use super::{
    cluster::{self, Cluster},
    status,
};
use crate::{exit::Exit, failure::Failure, session::Context};

/// How waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The run is over, well or not.
    Ran,
    /// It was suspended before it ran.
    Suspended,
    /// Nothing could be run at all; the operator goes on trying.
    NotRun,
    /// Somebody asked for another run.
    Overtaken,
}

/// Waits until the run of this manual value is over, or until the time is up; no time is without an end.
pub(super) async fn wait(
    (name, manual): (&str, &str),
    asked: &SalesforceReplicator,
    timeout: &Period,
    cluster: &Cluster,
    context: &Context,
) -> Result<Exit, Failure> {
    context
        .printer
        .remark(&format!("{name}: asked for the run {manual}, waiting for its end"));
    let generation = asked.metadata.generation;
    // Where it is gone, there is nothing to wait for either.
    let is_over =
        |resource: Option<&SalesforceReplicator>| resource.is_none_or(|seen| end(seen, manual, generation).is_some());
    let is_up = async {
        if timeout.is_zero() {
            std::future::pending::<()>().await;
        } else {
            context.clock.sleep(timeout.get()).await;
        }
    };
    let seen = tokio::select! {
        biased;
        seen = Box::pin(await_condition(cluster.replicators(), name, is_over)) => seen,
        () = is_up => {
            let flags = &cluster.flags;
            return Err(Failure::TimedOut(format!(
                "{name}: the run {manual} is not over after {timeout}; it goes on, `kubectl sfr status {name}{flags}` shows how far it is"
            )));
        }
    };
    let seen = seen.map_err(|error| match error {
        Error::ProbeFailed(error) => watch_failure(name, error),
    })?;
    let Some(resource) = seen.filter(|seen| seen.uid() == asked.uid()) else {
        return Err(Failure::NotThere(format!("{name} was deleted before it ran")));
    };
    let ready = condition(resource.status.as_ref(), ConditionType::Ready);
    let message = ready.map_or("the operator does not say why", |ready| ready.message.as_str());
    match end(&resource, manual, generation) {
        Some(End::Suspended) => Err(Failure::NotThere(format!("{name} was suspended before it ran"))),
        Some(End::Overtaken) => Err(Failure::NotThere(format!(
            "{name}: somebody asked for another run before this one was over"
        ))),
        Some(End::NotRun) => {
            context
                .printer
                .remark(&format!("{name} was not run, and is tried again: {message}"));
            Ok(of_ready(ready))
        }
        Some(End::Ran) | None => {
            let now = context.clock.now();
            context.printer.result(&status::output(&resource), || {
                status::text(&resource, now, &cluster.flags)
            })?;
            Ok(of_ready(ready))
        }
    }
}

fn watch_failure(name: &str, error: kube::runtime::watcher::Error) -> Failure {
    use kube::runtime::watcher::Error;
    let doing = format!("watching {name}");
    match error {
        Error::InitialListFailed(source) | Error::WatchStartFailed(source) | Error::WatchFailed(source) => {
            cluster::failure(&doing, source)
        }
        Error::WatchError(status) => cluster::failure(&doing, kube::Error::Api(status)),
        error @ Error::NoResourceVersion => Failure::Defect(format!("{doing}: {error}")),
    }
}

/// Whether waiting is over, and how. `generation` is that of the spec that asked.
fn end(resource: &SalesforceReplicator, manual: &str, generation: Option<i64>) -> Option<End> {
    let status = resource.status.as_ref();
    if status.and_then(|status| status.last_manual_run.as_deref()) == Some(manual) {
        return Some(End::Ran);
    }
    if resource.spec.trigger.manual.as_deref() != Some(manual) {
        return Some(End::Overtaken);
    }
    if resource.spec.suspend {
        return Some(End::Suspended);
    }
    let backs_off = condition(status, ConditionType::Synchronizing)
        .is_some_and(|found| found.status == "False" && found.reason == Reason::BackingOff.as_str());
    // A run that begins is told together with the generation that asked for it: who backs off then, has failed.
    let is_seen = status.and_then(|status| status.observed_generation) >= generation;
    (backs_off && is_seen).then_some(End::NotRun)
}

pub(super) fn condition(status: Option<&SalesforceReplicatorStatus>, of: ConditionType) -> Option<&Condition> {
    status?
        .conditions
        .iter()
        .find(|condition| condition.type_ == of.as_str())
}

/// How `Ready` ends a process.
fn of_ready(ready: Option<&Condition>) -> Exit {
    match ready {
        Some(ready) if ready.status == "False" => Exit::of_not_ready(&ready.reason),
        _ => Exit::Success,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resource(manual: &str, suspend: bool, status: &Value) -> SalesforceReplicator {
        serde_json::from_value(json!({
            "apiVersion": crds::API_VERSION, "kind": crds::KIND, "metadata": {"name": "crm", "generation": 2},
            "spec": {
                "connection": {"auth": {"password": {"secretRef": {"name": "a"}}}},
                "destination": {"sqlite": {"file": "a.db"}},
                "trigger": {"manual": manual}, "suspend": suspend, "objects": [{"name": "Contact"}],
            },
            "status": status,
        }))
        .unwrap()
    }

    fn synchronizing(reason: &str) -> Value {
        json!([{"type": "Synchronizing", "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-11-28T19:00:00Z"}])
    }

    #[test]
    fn the_wait_ends_with_the_run_and_with_whatever_keeps_it_from_running() {
        let end = |manual: &str, suspend: bool, status: Value| end(&resource(manual, suspend, &status), "a", Some(2));
        assert_eq!(end("a", false, json!({})), None);
        assert_eq!(end("a", false, json!({"lastManualRun": "before"})), None);
        assert_eq!(end("a", false, json!({"lastManualRun": "a"})), Some(End::Ran));
        assert_eq!(end("b", false, json!({"lastManualRun": "a"})), Some(End::Ran));
        assert_eq!(end("b", false, json!({})), Some(End::Overtaken));
        assert_eq!(end("a", true, json!({})), Some(End::Suspended));
        let standing = |generation: i64, reason: &str| json!({"observedGeneration": generation, "conditions": synchronizing(reason)});
        assert_eq!(end("a", false, standing(1, "BackingOff")), None, "of before");
        assert_eq!(end("a", false, standing(2, "WaitingForSchedule")), None);
        assert_eq!(end("a", false, standing(2, "BackingOff")), Some(End::NotRun));
    }
}
