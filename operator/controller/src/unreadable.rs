//! A resource that cannot be read: written by hand past the schema, or by a newer version.
//!
//! Its metadata and its status can be read all the same. Its worker ends, since nobody knows what it is to do; the status says
//! so in `Ready` and `Synchronizing` and keeps all else that it has (what was asked for by hand and answered, counts, when it last
//! worked), so that nothing is done twice when the spec is mended. The pass counts as one that failed. One that is being deleted
//! does not stay for ever: without `deletionPolicy: Delete` it is let go, with it the tables are dropped where at least the
//! destination can be read, and the annotation `skip-cleanup` lets it go in any case.

use std::{sync::Arc, time::Duration};

use crds::{Condition, ConditionType, DeletionPolicy, Destination, Reason, SalesforceReplicator};
use jiff::Timestamp;
use kube::{
    Api, Resource as _,
    api::{ApiResource, DynamicObject, ListParams, ObjectMeta},
    runtime::controller::Action,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    Error, Result, cleanup,
    events::Happening,
    guarded::{self, Guarded},
    reconcile::{self, Context},
    requests::in_time,
    secrets::Snapshot,
    status::{self, MESSAGE_BYTES, cut, time},
    supervisor::{self, Entry, Key},
    worker::PATIENCE,
};

/// A list that came before, or after, the watch is looked at again by then.
const SOON: Duration = Duration::from_secs(1);

/// One pass over such a resource.
///
/// # Errors
/// That it cannot be read; the API server's; or that the tables of one that is being deleted could not be dropped.
pub(crate) async fn pass(guarded: &Guarded, problem: &str, context: &Context) -> Result<Action> {
    let key = supervisor::key(guarded);
    if let Some(entry) = context.supervisor.known(&key) {
        end(guarded, &key, &entry, context).await?;
    }
    let (namespace, name) = &key;
    let kind = ApiResource::erase::<SalesforceReplicator>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind);
    // By a list, since the operator has no right to get: else it learns of resources by its watch.
    let alone = ListParams::default().fields(&format!("metadata.name={name}"));
    let listed = in_time(format!("reading {namespace}/{name}"), api.list(&alone)).await?;
    let Some(object) = listed.items.into_iter().next() else {
        return Ok(Action::await_change());
    };
    if !is_of(&object.metadata, guarded.meta()) {
        return Ok(Action::requeue(SOON));
    }
    if guarded.meta().deletion_timestamp.is_some() {
        if cleanup::has_finalizer(guarded) {
            let (policy, destination) = destroyed(&object.data);
            let destination = destination.as_ref().map_err(Clone::clone);
            cleanup::drop_and_release(guarded, (policy, destination), &Snapshot::default(), context).await?;
        }
        return Ok(Action::await_change());
    }
    let message = format!("the resource cannot be read: {problem}");
    let now = context.supervisor.workshop().clock.now();
    if let Some(status) = refused(&object.data, guarded.meta().generation, &message, now) {
        status::write(&context.api(namespace), guarded, &status).await?;
        let happened = [Happening::warning(Reason::InvalidSpec, message)];
        context.publisher.publish(guarded, &happened).await;
    }
    Err(Error::Unreadable {
        resource: format!("{namespace}/{name}"),
        problem: problem.to_owned(),
    })
}

/// Ends the worker that it had while it could be read. What its runs have come to is written before it is forgotten: a value of `manual`
/// that was run would be run again.
async fn end(guarded: &Guarded, key: &Key, entry: &Arc<Entry>, context: &Context) -> Result<()> {
    context.supervisor.stop(entry, PATIENCE).await;
    if guarded.meta().uid.as_deref() == Some(entry.uid.as_str()) {
        reconcile::last_report(entry, context).await?;
    }
    context.supervisor.forget(key, entry).await;
    Ok(())
}

/// Whether what was read is what the watch has told of: the same resource, and the same spec. Another one may be quite readable, and its
/// tables are not to be dropped for what the former one said.
fn is_of(read: &ObjectMeta, told: &ObjectMeta) -> bool {
    read.uid == told.uid && read.generation == told.generation
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
    let destination = guarded::read(&spec["destination"], "spec.destination");
    let destination = destination.map_err(|problem| format!("the resource's destination cannot be read: {problem}"));
    (policy, destination)
}

/// The whole status with conditions that say that the resource cannot be read, and that nothing runs; `None` where it says so already.
fn refused(data: &Value, generation: Option<i64>, message: &str, now: Timestamp) -> Option<Value> {
    let former = data["status"].as_object().cloned().unwrap_or_default();
    let mut status = former.clone();
    let conditions = status.get("conditions").and_then(Value::as_array);
    let mut conditions = conditions.cloned().unwrap_or_default();
    for (of, reason, message) in [
        (ConditionType::Ready, Reason::InvalidSpec, message),
        (
            ConditionType::Synchronizing,
            Reason::BackingOff,
            "nothing runs until the resource can be read",
        ),
    ] {
        let of = of.as_str();
        let place = conditions.iter_mut().find(|condition| condition["type"] == of);
        let former = place.as_deref().and_then(|former| Condition::deserialize(former).ok());
        let since = former.as_ref().filter(|former| former.status == "False");
        let condition = Condition {
            type_: of.to_owned(),
            status: "False".to_owned(),
            reason: reason.as_str().to_owned(),
            message: cut(message, MESSAGE_BYTES),
            observed_generation: generation,
            last_transition_time: since.map_or_else(|| time(now), |former| former.last_transition_time.clone()),
        };
        match place {
            Some(_) if former.as_ref() == Some(&condition) => {}
            Some(place) => *place = json!(condition),
            None => conditions.push(json!(condition)),
        }
    }
    status.insert("conditions".to_owned(), Value::Array(conditions));
    status.insert("observedGeneration".to_owned(), json!(generation));
    status.remove("nextRunTime");
    status.remove("nextTryTime");
    (status != former).then_some(Value::Object(status))
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
        let data = json!({"status": {"lastManualRun": "a", "missedRuns": 3, "observedGeneration": 1, "nextRunTime": since,
            "conditions": [condition("Ready", "True"), condition("Degraded", "False"), condition("Synchronizing", "True")]}});
        let (first, later) = (at("2026-11-28T10:00:00Z"), at("2026-11-28T11:00:00Z"));
        let status = refused(&data, Some(2), "no", first).unwrap();
        assert_eq!(
            (&status["lastManualRun"], &status["missedRuns"]),
            (&json!("a"), &json!(3))
        );
        assert_eq!(status["conditions"][1], condition("Degraded", "False"));
        let synchronizing = &status["conditions"][2];
        assert_eq!(
            (&synchronizing["status"], &synchronizing["reason"]),
            (&json!("False"), &json!("BackingOff"))
        );
        assert!(status["nextRunTime"].is_null());
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
    fn what_was_read_is_acted_upon_only_where_the_watch_told_of_it() {
        let meta = |uid: &str, generation| ObjectMeta {
            uid: Some(uid.to_owned()),
            generation: Some(generation),
            ..ObjectMeta::default()
        };
        assert!(is_of(&meta("1", 2), &meta("1", 2)));
        assert!(!is_of(&meta("1", 3), &meta("1", 2)), "the spec has changed since");
        assert!(!is_of(&meta("2", 2), &meta("1", 2)), "it was deleted and made anew");
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
