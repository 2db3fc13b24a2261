//! What a person wants to know when it happens.
//!
//! Events are found by comparing how a replicator stood with how it stands ([`between`], pure), so a state that lasts is
//! told once, and a process that starts, which recalls how it stood from the status, tells nothing anew. No event says that
//! a periodic run succeeded.

use std::{sync::Arc, time::Duration};

use crds::{Reason, SalesforceReplicator};
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use salesforce::ErrorKind;

use crate::{
    metrics::Metrics,
    standing::{ObjectStanding, Standing},
    status::cut,
};

/// Who tells.
const CONTROLLER: &str = "salesforce-replicator.io/operator";

/// Bytes of a note that the API server takes.
const NOTE_BYTES: usize = 1024;

/// How long publishing one may take: it must not hold up a reconcile.
const PUBLISH: Duration = Duration::from_secs(5);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) is_warning: bool,
    pub(crate) reason: Reason,
    pub(crate) note: String,
}

impl Happening {
    pub(crate) fn normal(reason: Reason, note: impl Into<String>) -> Self {
        Self {
            is_warning: false,
            reason,
            note: note.into(),
        }
    }

    pub(crate) fn warning(reason: Reason, note: impl Into<String>) -> Self {
        Self {
            is_warning: true,
            reason,
            note: note.into(),
        }
    }
}

/// What happened between two looks.
pub(crate) fn between(before: &Standing, after: &Standing) -> Vec<Happening> {
    let mut happened = Vec::new();
    match (&before.trouble, &after.trouble) {
        (former, Some(trouble)) if former.as_ref().is_none_or(|former| former.reason != trouble.reason) => {
            let reason = match trouble.kind {
                _ if trouble.reason == Reason::InvalidSchedule || trouble.reason == Reason::NotServed => {
                    Reason::InvalidSpec
                }
                ErrorKind::Invalid if trouble.reason != Reason::SchemaConflict => Reason::InvalidSpec,
                ErrorKind::Credentials => Reason::CredentialsInvalid,
                ErrorKind::Quota => Reason::QuotaExhausted,
                ErrorKind::Invalid | ErrorKind::Transient | ErrorKind::Fatal => Reason::RunFailed,
            };
            happened.push(Happening::warning(reason, trouble.message.clone()));
        }
        (Some(_), None) => happened.push(Happening::normal(
            Reason::RunRecovered,
            "what kept it from running is mended",
        )),
        (_, Some(_) | None) => {}
    }
    if before.last_manual != after.last_manual
        && let Some(manual) = &after.last_manual
    {
        happened.push(Happening::normal(
            Reason::ManualRunCompleted,
            format!("the manual run {manual} is complete"),
        ));
    }
    let pairs: Vec<(&ObjectStanding, &ObjectStanding)> = after
        .objects
        .iter()
        .filter_map(|object| {
            let former = before.objects.iter().find(|former| former.name == object.name)?;
            Some((former, object))
        })
        .collect();
    happened.extend(of_objects(&pairs));
    let removed: Vec<&str> = before
        .objects
        .iter()
        .filter(|former| !after.objects.iter().any(|object| object.name == former.name))
        .map(|former| former.name.as_str())
        .collect();
    if !removed.is_empty() {
        happened.push(Happening::normal(
            Reason::ObjectRemoved,
            format!(
                "{} left the spec; the tables are kept and no longer updated",
                removed.join(", ")
            ),
        ));
    }
    happened
}

/// What happened to objects, those with the same fate in one event.
fn of_objects(pairs: &[(&ObjectStanding, &ObjectStanding)]) -> Vec<Happening> {
    let told = |say: &dyn Fn(&ObjectStanding, &ObjectStanding) -> Option<String>| {
        let said: Vec<String> = pairs.iter().filter_map(|(before, after)| say(before, after)).collect();
        (!said.is_empty()).then(|| said.join("; "))
    };
    let mut happened = Vec::new();
    let mut push = |is_warning, reason, note: Option<String>| {
        happened.extend(note.map(|note| Happening {
            is_warning,
            reason,
            note,
        }));
    };
    push(
        false,
        Reason::InitialRunCompleted,
        told(&|before, after| {
            (!before.is_live && after.is_live).then(|| {
                format!(
                    "{}: {} rows in table {}",
                    after.name,
                    after.rows.unwrap_or(0),
                    after.table
                )
            })
        }),
    );
    push(
        true,
        Reason::RunFailed,
        told(&|before, after| {
            let failure = after.current_failure()?;
            before
                .current_failure()
                .is_none()
                .then(|| format!("{}: {}", after.name, failure.trouble.message))
        }),
    );
    push(
        false,
        Reason::RunRecovered,
        told(&|before, after| {
            (before.current_failure().is_some() && after.current_failure().is_none()).then(|| after.name.clone())
        }),
    );
    push(
        true,
        Reason::DeleteGuard,
        told(&|before, after| {
            let held = after.held.as_ref().filter(|_| before.held != after.held)?;
            Some(format!(
                "{}: {} deletes are held; token {}",
                after.name, held.count, held.token
            ))
        }),
    );
    push(
        true,
        Reason::FieldMissing,
        told(&|before, after| {
            let mut missing = after
                .degraded
                .iter()
                .filter(|found| found.reason == Reason::FieldMissing.as_str() && !before.degraded.contains(found));
            Some(missing.next()?.message.clone())
        }),
    );
    push(
        false,
        Reason::SchemaChanged,
        told(&|before, after| {
            let kind = after.changing.filter(|_| before.changing.is_none() && before.is_live)?;
            Some(format!(
                "{}: rows are brought to the changed plan by a {kind}",
                after.name
            ))
        }),
    );
    happened
}

/// Publishes events.
#[derive(Clone)]
pub(crate) struct Publisher {
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

impl Publisher {
    pub(crate) fn new(client: Client, instance: &str, metrics: Arc<Metrics>) -> Self {
        let reporter = Reporter {
            controller: CONTROLLER.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            metrics,
        }
    }

    /// Publishes what happened to a resource. What is not taken is logged and counted.
    pub(crate) async fn publish(&self, resource: &SalesforceReplicator, happened: &[Happening]) {
        for Happening {
            is_warning,
            reason,
            note,
        } in happened
        {
            let event = Event {
                type_: if *is_warning {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: reason.as_str().to_owned(),
                note: Some(cut(note, NOTE_BYTES)),
                action: "Replicate".to_owned(),
                secondary: None,
            };
            let reference = resource.object_ref(&());
            let published = tokio::time::timeout(PUBLISH, self.recorder.publish(&event, &reference)).await;
            let error = match published {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "no answer in time".to_owned(),
            };
            tracing::warn!(%reason, error, "an event was not published");
            self.metrics.event_failures.with_label_values::<&str>(&[]).inc();
        }
    }
}

#[cfg(test)]
mod tests;
