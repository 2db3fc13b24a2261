//! A resource that cannot be read: written by hand past the schema, or by a newer version.
//!
//! Its metadata and its status can be read all the same. Its worker ends, since nobody knows what it is to do; the status says so in
//! `Ready` and keeps all else that it has (what was asked for by hand and answered, counts, when it last worked), so that
//! nothing is done twice when the spec is mended. One that is being deleted does not stay for ever: without
//! `deletionPolicy: Delete` it is let go, with it the tables are dropped where at least the destination can be read, and
//! the annotation `skip-cleanup` lets it go in any case.

use std::fmt;

use crds::{Condition, ConditionType, DeletionPolicy, Destination, Reason, SalesforceReplicator};
use jiff::Timestamp;
use kube::{
    Api, Resource as _,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    runtime::controller::Action,
};
use serde_json::{Value, json};

use crate::{
    Error, Result, cleanup,
    events::Happening,
    reconcile::Context,
    secrets::Snapshot,
    status::{MANAGER, MESSAGE_BYTES, REQUEST, cut, time},
    supervisor,
    wake::Guarded,
};

/// One pass over such a resource.
///
/// # Errors
/// The API server's, or that the tables of one that is being deleted could not be dropped.
pub(crate) async fn pass(guarded: &Guarded, error: &impl fmt::Display, context: &Context) -> Result<Action> {
    let key = supervisor::key(guarded);
    if let Some(entry) = context.supervisor.known(&key) {
        context.supervisor.forget(&key, &entry).await;
    }
    let (namespace, name) = &key;
    tracing::warn!(namespace, name, %error, "a resource cannot be read");
    let kind = ApiResource::erase::<SalesforceReplicator>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind);
    let doing = format!("reading {namespace}/{name}");
    // By a list, since the operator has no right to get: else it learns of resources by its watch.
    let alone = ListParams::default().fields(&format!("metadata.name={name}"));
    let Some(object) = in_time(&doing, api.list(&alone)).await?.items.pop() else {
        return Ok(Action::await_change());
    };
    if guarded.meta().deletion_timestamp.is_some() {
        if cleanup::has_finalizer(guarded) {
            let (policy, destination) = destroyed(&object.data);
            let destination = destination.as_ref().map_err(Clone::clone);
            cleanup::drop_and_release(guarded, (policy, destination), &Snapshot::default(), context).await?;
        }
        return Ok(Action::await_change());
    }
    let message = format!("the resource cannot be read: {error}");
    let now = context.supervisor.workshop().clock.now();
    let Some(status) = refused(&object.data, guarded.meta().generation, &message, now) else {
        return Ok(Action::requeue(replication::retry::HOURLY));
    };
    let body = json!({
        "apiVersion": SalesforceReplicator::api_version(&()),
        "kind": SalesforceReplicator::kind(&()),
        "metadata": {"name": name, "uid": object.metadata.uid},
        "status": status,
    });
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&body));
    let doing = format!("writing the status of {namespace}/{name}");
    in_time(&doing, api.patch_status(name, &params, &patch)).await?;
    let happened = [Happening::warning(Reason::InvalidSpec, message)];
    context.publisher.publish(guarded, &happened).await;
    Ok(Action::requeue(replication::retry::HOURLY))
}

async fn in_time<T>(doing: &str, request: impl Future<Output = kube::Result<T>>) -> Result<T> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Error::kubernetes(doing, error)),
        Err(_elapsed) => Err(Error::Timeout {
            doing: doing.to_owned(),
            seconds: REQUEST.as_secs(),
        }),
    }
}

/// What is to be done with the tables, as far as it can be read.
fn destroyed(data: &Value) -> (DeletionPolicy, Result<Destination, String>) {
    let spec = &data["spec"];
    let policy = &spec["deletionPolicy"];
    let policy = if policy.is_null() {
        Ok(DeletionPolicy::default())
    } else {
        serde_json::from_value(policy.clone())
    };
    let Ok(policy) = policy else {
        // It may mean to drop them, which is asked and not guessed.
        let told = "the resource's deletionPolicy cannot be read".to_owned();
        return (DeletionPolicy::Delete, Err(told));
    };
    let destination = serde_json::from_value(spec["destination"].clone());
    let destination = destination.map_err(|error| format!("the resource's destination cannot be read: {error}"));
    (policy, destination)
}

/// The whole status with a `Ready` that says that the resource cannot be read; `None` where it says so already.
fn refused(data: &Value, generation: Option<i64>, message: &str, now: Timestamp) -> Option<Value> {
    let of = ConditionType::Ready.as_str();
    let mut status = data["status"].as_object().cloned().unwrap_or_default();
    let conditions = status.get("conditions").and_then(Value::as_array);
    let mut conditions = conditions.cloned().unwrap_or_default();
    let place = conditions.iter().position(|condition| condition["type"] == of);
    let former = place.and_then(|place| conditions.get(place)).cloned();
    let former = former.and_then(|former| serde_json::from_value::<Condition>(former).ok());
    let since = former.as_ref().filter(|former| former.status == "False");
    let ready = Condition {
        type_: of.to_owned(),
        status: "False".to_owned(),
        reason: Reason::InvalidSpec.as_str().to_owned(),
        message: cut(message, MESSAGE_BYTES),
        observed_generation: generation,
        last_transition_time: since.map_or_else(|| time(now), |former| former.last_transition_time.clone()),
    };
    if former.as_ref() == Some(&ready) {
        return None;
    }
    let ready = json!(ready);
    match place.and_then(|place| conditions.get_mut(place)) {
        Some(condition) => *condition = ready,
        None => conditions.insert(0, ready),
    }
    status.insert("conditions".to_owned(), Value::Array(conditions));
    status.insert("observedGeneration".to_owned(), json!(generation));
    Some(Value::Object(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    #[test]
    fn a_status_keeps_all_that_it_has_and_says_once_that_the_resource_cannot_be_read() {
        let since = "2026-11-28T09:00:00Z";
        let condition = |of: &str, status: &str| {
            json!({"type": of, "status": status, "reason": "UpToDate", "message": "",
            "observedGeneration": 1, "lastTransitionTime": since})
        };
        let data = json!({"status": {"lastManualRun": "a", "missedRuns": 3, "observedGeneration": 1,
            "conditions": [condition("Ready", "True"), condition("Degraded", "False")]}});
        let (first, later) = (at("2026-11-28T10:00:00Z"), at("2026-11-28T11:00:00Z"));
        let status = refused(&data, Some(2), "no", first).unwrap();
        assert_eq!(
            (&status["lastManualRun"], &status["missedRuns"]),
            (&json!("a"), &json!(3))
        );
        assert_eq!(status["conditions"][1], condition("Degraded", "False"));
        let ready = &status["conditions"][0];
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&json!("False"), &json!("InvalidSpec"))
        );
        assert_eq!(ready["lastTransitionTime"], "2026-11-28T10:00:00Z");
        let data = json!({"status": status});
        assert_eq!(refused(&data, Some(2), "no", later), None);
        let changed = refused(&data, Some(3), "neither", later).unwrap();
        assert_eq!(changed["conditions"][0]["lastTransitionTime"], "2026-11-28T10:00:00Z");
        assert_eq!(
            refused(&json!({}), Some(1), "no", first).unwrap()["conditions"][0]["status"],
            "False"
        );
    }

    #[test]
    fn tables_are_dropped_only_where_it_can_be_read_that_they_are_to_be() {
        let destination = json!({"sqlite": {"file": "crm.db"}});
        let (policy, _) = destroyed(&json!({"spec": {"destination": destination}}));
        assert_eq!(policy, DeletionPolicy::Retain);
        let (policy, read) = destroyed(&json!({"spec": {"destination": destination, "deletionPolicy": "Delete"}}));
        assert!(policy == DeletionPolicy::Delete && read.is_ok());
        for spec in [
            json!({"destination": destination, "deletionPolicy": "Archive"}),
            json!({"destination": {"sqlite": 7}, "deletionPolicy": "Delete"}),
        ] {
            let (policy, read) = destroyed(&json!({ "spec": spec }));
            assert!(policy == DeletionPolicy::Delete && read.is_err(), "{spec}");
        }
    }
}
