//! A resource as the watch gives it, where parts of it may be written by a newer version, or past the schema by hand.
//!
//! One that cannot be read does not stop the others, which is what kube's `DeserializeGuard` is for. This one takes its place
//! for two reasons. A status that cannot be read keeps nobody from replicating: the spec says what is to be done, and of the status
//! as much is taken over as can be read. And what is wrong with a spec is told by the place of the value and what has
//! to stand there, never by the value: in a spec that is not understood it may be a password that somebody put
//! in the wrong place, and serde's own words hold it.

use std::{borrow::Cow, fmt};

use crds::{SalesforceReplicator, SalesforceReplicatorStatus};
use kube::{Resource, api::ObjectMeta};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, Expected, Unexpected},
};
use serde_json::{Map, Value, json};
use serde_value::ValueDeserializer;

/// A resource, or why it cannot be read.
#[derive(Debug, Clone)]
pub(crate) struct Guarded(pub(crate) Result<SalesforceReplicator, Unreadable>);

/// A resource whose spec cannot be read.
#[derive(Debug, Clone)]
pub(crate) struct Unreadable {
    metadata: ObjectMeta,
    /// The place, and what has to stand there.
    pub(crate) problem: String,
}

impl<'de> Deserialize<'de> for Guarded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Value::deserialize(deserializer)?;
        Self::of(whole).map_err(D::Error::custom)
    }
}

impl Guarded {
    /// The error is of the metadata: without them nobody knows what it is.
    fn of(mut whole: Value) -> Result<Self, String> {
        if let Ok(resource) = SalesforceReplicator::deserialize(&whole) {
            return Ok(Self(Ok(resource)));
        }
        let metadata: ObjectMeta = read(whole.get("metadata").unwrap_or(&Value::Null), "metadata")?;
        let status = whole.as_object_mut().and_then(|whole| whole.remove("status"));
        Ok(Self(match read::<SalesforceReplicator>(&whole, "") {
            Ok(mut resource) => {
                tracing::warn!(
                    namespace = metadata.namespace,
                    name = metadata.name,
                    "not all of a status can be read; what cannot is written anew"
                );
                resource.status = status.map(|status| readable(&status));
                Ok(resource)
            }
            Err(problem) => Err(Unreadable { metadata, problem }),
        }))
    }
}

impl Resource for Guarded {
    type DynamicType = <SalesforceReplicator as Resource>::DynamicType;
    type Scope = <SalesforceReplicator as Resource>::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        SalesforceReplicator::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        SalesforceReplicator::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        SalesforceReplicator::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        SalesforceReplicator::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(resource) => resource.meta(),
            Err(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(resource) => resource.meta_mut(),
            Err(unreadable) => &mut unreadable.metadata,
        }
    }
}

/// Reads a value that stands at `place`.
///
/// # Errors
/// The place in it that cannot be read, and what has to stand there.
pub(crate) fn read<T: DeserializeOwned>(value: &Value, place: &str) -> Result<T, String> {
    let value = serde_value::to_value(value).map_err(|_error| format!("{place} cannot be read"))?;
    let read = serde_path_to_error::deserialize(ValueDeserializer::<Wanted>::new(value));
    read.map_err(|error| {
        let inner = error.path().iter().next().map(|_| error.path().to_string());
        let places = [place, inner.as_deref().unwrap_or_default()];
        let place: Vec<&str> = places.into_iter().filter(|place| !place.is_empty()).collect();
        let (place, wanted) = (place.join("."), error.inner());
        if place.is_empty() {
            wanted.to_string()
        } else {
            format!("{place}: {wanted}")
        }
    })
}

/// As much of a status as can be read: fields, and entries of lists, are each left out by themselves.
fn readable(status: &Value) -> SalesforceReplicatorStatus {
    let mut kept = Map::new();
    for (name, value) in status.as_object().into_iter().flatten() {
        let reads = |value: &Value| SalesforceReplicatorStatus::deserialize(json!({ name: value })).is_ok();
        let entries = value.as_array().map(|entries| {
            let entries = entries.iter().filter_map(|entry| {
                let known = with_known_phase(entry);
                [entry.clone(), known].into_iter().find(|entry| reads(&json!([entry])))
            });
            Value::Array(entries.collect())
        });
        let value = entries.unwrap_or_else(|| value.clone());
        if reads(&value) {
            kept.insert(name.clone(), value);
        }
    }
    SalesforceReplicatorStatus::deserialize(Value::Object(kept)).unwrap_or_default()
}

/// An object whose phase has no name here, under the one that it would have without a failure: so it does not look as if it were loaded
/// for the first time.
fn with_known_phase(object: &Value) -> Value {
    let mut object = object.clone();
    let phase = if object.get("lastSuccessTime").is_none() {
        "Pending"
    } else {
        "Live"
    };
    if let Some(object) = object.as_object_mut() {
        object.insert("phase".to_owned(), json!(phase));
    }
    object
}

/// What has to stand where something else does: serde's error without the value.
#[derive(Debug)]
struct Wanted(String);

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wanted {}

impl serde::de::Error for Wanted {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("the value is not of the form that it has to have".to_owned())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("expected one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("a field that is not known; there are {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("{field} is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self(format!("{field} is there twice"))
    }
}

#[cfg(test)]
mod tests {
    use crds::ObjectPhase;
    use kube::ResourceExt as _;

    use super::*;

    fn resource(spec: &Value, status: &Value) -> Guarded {
        let mut whole = json!({
            "apiVersion": SalesforceReplicator::api_version(&()),
            "kind": SalesforceReplicator::kind(&()),
            "metadata": {"namespace": "telephony", "name": "crm", "uid": "1", "generation": 3},
            "spec": {
                "connection": {"auth": {"password": {"secretRef": {"name": "org"}}}},
                "destination": {"postgres": {"secretRef": {"name": "database"}}},
                "objects": [{"name": "Contact"}, {"name": "Account"}],
            },
            "status": status,
        });
        for (key, value) in spec.as_object().unwrap() {
            whole["spec"][key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_status_that_cannot_be_read_keeps_nobody_from_reading_the_spec_and_loses_only_what_cannot() {
        let time = "2026-11-28T10:00:00Z";
        let object = |name: &str, phase: &str| json!({"name": name, "table": "t", "phase": phase, "rows": 7});
        let mut worked = object("Account", "Sleeping");
        worked["lastSuccessTime"] = json!(time);
        let guarded = resource(
            &json!({}),
            &json!({
                "observedGeneration": 3,
                "lastManualRun": "a",
                "missedRuns": "many",
                "lastSuccessTime": time,
                "conditions": [{"type": 7}],
                "objects": [object("Contact", "Live"), worked, object("Lead", "Sleeping"), {"name": "User"}],
            }),
        );
        let status = guarded.0.unwrap().status.unwrap();
        assert_eq!(
            (status.observed_generation, status.last_manual_run.as_deref()),
            (Some(3), Some("a"))
        );
        assert_eq!((status.missed_runs, status.conditions), (None, Vec::new()));
        assert!(status.last_success_time.is_some());
        let objects: Vec<_> = status
            .objects
            .iter()
            .map(|object| (object.name.as_str(), object.phase))
            .collect();
        let phases = [ObjectPhase::Live, ObjectPhase::Live, ObjectPhase::Pending];
        assert_eq!(
            objects,
            ["Contact", "Account", "Lead"]
                .into_iter()
                .zip(phases)
                .collect::<Vec<_>>()
        );
        assert!(status.objects.iter().all(|object| object.rows == Some(7)));
    }

    #[test]
    fn a_spec_that_cannot_be_read_is_told_by_place_and_form_and_never_by_value() {
        let secret = "hunter2";
        for (spec, place) in [
            (
                json!({"deletionPolicy": secret}),
                "spec.deletionPolicy: expected one of Retain, Delete",
            ),
            (json!({"parallelism": secret}), "spec.parallelism: expected "),
            (
                json!({"objects": [{"name": "Contact"}, {"name": "Account", "exclude": secret}]}),
                "spec.objects[1].exclude: expected ",
            ),
            (
                json!({"trigger": {"interval": secret}}),
                "spec.trigger.interval: the value",
            ),
            (
                json!({"connection": {"auth": {"password": {}}}}),
                "spec.connection.auth.password: secretRef is missing",
            ),
            (json!({"objects": secret}), "spec.objects: expected a sequence"),
        ] {
            let guarded = resource(&spec, &json!({}));
            assert_eq!(
                (guarded.name_any().as_str(), guarded.meta().generation),
                ("crm", Some(3))
            );
            let problem = guarded.0.unwrap_err().problem;
            assert!(problem.starts_with(place), "{problem}");
            assert!(!problem.contains(secret), "{problem}");
        }
    }
}
