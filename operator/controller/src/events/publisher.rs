//! Publishing: an event of its own for each text.
//!
//! kube's recorder takes all events of one reason about one resource for a series, and of a series only the first text is kept: the
//! second object whose first load is complete would be counted and not named. So events are made here, one for each text, and
//! only what says the same again within [`SERIES`] is a series: a run that fails, recovers and fails again tells it once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crds::Reason;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
};
use salesforce::clock::SharedClock;
use serde_json::json;

use super::Happening;
use crate::{metrics::Metrics, status::cut};

/// Who tells.
const CONTROLLER: &str = "salesforce-replicator.io/operator";

/// What was done when it happened.
const ACTION: &str = "Replicate";

/// Bytes of a note that the API server takes.
pub(super) const NOTE_BYTES: usize = 1024;

/// Bytes of the name of an instance that it takes.
const INSTANCE_BYTES: usize = 128;

/// How long publishing one may take: it must not hold up a reconcile.
const PUBLISH: Duration = Duration::from_secs(5);

/// How long the same text is told by the event that is there; as other parts of Kubernetes have it.
const SERIES: Duration = Duration::from_mins(6);

/// Publishes events. Cloning shares what was told.
#[derive(Clone)]
pub(crate) struct Publisher {
    client: Client,
    instance: String,
    metrics: Arc<Metrics>,
    clock: SharedClock,
    told: Arc<Mutex<Told>>,
}

/// What was told within [`SERIES`].
#[derive(Default)]
struct Told {
    /// By the resource's uid, the reason and the text.
    series: BTreeMap<(String, Reason, String), Series>,
    /// The number in the name of the last event: names are times, and two must not be the same.
    last: i128,
}

/// An event, and how often it was told.
#[derive(Clone)]
struct Series {
    name: String,
    count: i32,
    last: Duration,
}

impl Publisher {
    pub(crate) fn new(client: Client, instance: &str, metrics: Arc<Metrics>, clock: SharedClock) -> Self {
        Self {
            client,
            instance: cut(instance, INSTANCE_BYTES),
            metrics,
            clock,
            told: Arc::default(),
        }
    }

    /// Publishes what happened to a resource. What is not taken is logged and counted.
    pub(crate) async fn publish(&self, resource: &impl Resource<DynamicType = ()>, happened: &[Happening]) {
        let about = resource.object_ref(&());
        for happened in happened {
            let published = tokio::time::timeout(PUBLISH, self.tell(&about, happened)).await;
            let error = match published {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "no answer in time".to_owned(),
            };
            tracing::warn!(reason = %happened.reason, error, "an event was not published");
            self.metrics.event_failures.with_label_values::<&str>(&[]).inc();
        }
    }

    async fn tell(&self, about: &ObjectReference, happened: &Happening) -> kube::Result<()> {
        let namespace = about.namespace.as_deref().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let (series, is_new) = self.told().next(about, happened, &self.clock);
        if !is_new {
            let now = MicroTime(self.clock.now());
            let again = json!({"series": {"count": series.count, "lastObservedTime": now}});
            let params = PatchParams::default();
            match events.patch(&series.name, &params, &Patch::Merge(&again)).await {
                Ok(_) => return Ok(()),
                // Events are kept for an hour, and anybody may delete one.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let created = events
            .create(&PostParams::default(), &self.event(about, happened, &series.name))
            .await;
        if created.is_err() {
            self.told().forget(about, happened);
        }
        created.map(drop)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, about: &ObjectReference, happened: &Happening, name: &str) -> Event {
        let Happening {
            is_warning,
            reason,
            note,
        } = happened;
        Event {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some(ACTION.to_owned()),
            event_time: Some(MicroTime(self.clock.now())),
            note: Some(cut(note, NOTE_BYTES)),
            reason: Some(reason.as_str().to_owned()),
            regarding: Some(about.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(if *is_warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        }
    }
}

impl Told {
    /// The event that tells it, and whether it is a new one.
    fn next(&mut self, about: &ObjectReference, happened: &Happening, clock: &SharedClock) -> (Series, bool) {
        let now = clock.monotonic();
        self.series.retain(|_, series| now.saturating_sub(series.last) < SERIES);
        let key = key(about, happened);
        if let Some(series) = self.series.get_mut(&key) {
            series.count = series.count.saturating_add(1);
            series.last = now;
            return (series.clone(), false);
        }
        self.last = clock.now().as_nanosecond().max(self.last + 1);
        let name = about.name.as_deref().unwrap_or_default();
        let series = Series {
            name: format!("{name}.{:x}", self.last),
            count: 1,
            last: now,
        };
        self.series.insert(key, series.clone());
        (series, true)
    }

    /// It could not be told.
    fn forget(&mut self, about: &ObjectReference, happened: &Happening) {
        self.series.remove(&key(about, happened));
    }
}

fn key(about: &ObjectReference, happened: &Happening) -> (String, Reason, String) {
    let uid = about.uid.clone().unwrap_or_default();
    (uid, happened.reason, happened.note.clone())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use salesforce::clock::{Clock, Sleep};

    use super::*;
    use crate::fixture::at;

    #[derive(Debug, Default)]
    struct Moved(Mutex<Duration>);

    impl Clock for Moved {
        fn now(&self) -> Timestamp {
            at("2026-11-28T10:00:00Z")
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _duration: Duration) -> Sleep {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn each_text_has_an_event_of_its_own_and_the_same_again_is_a_series_for_a_while() {
        let moved = Arc::<Moved>::default();
        let clock: SharedClock = Arc::<Moved>::clone(&moved);
        let about = ObjectReference {
            name: Some("crm".to_owned()),
            uid: Some("1".to_owned()),
            ..ObjectReference::default()
        };
        let mut told = Told::default();
        let mut tell = |note: &str| {
            let happened = Happening::normal(Reason::InitialRunCompleted, note);
            let (series, is_new) = told.next(&about, &happened, &clock);
            (series.name, series.count, is_new)
        };
        let contact = tell("Contact");
        let account = tell("Account");
        assert_eq!((contact.1, contact.2, account.1, account.2), (1, true, 1, true));
        assert_ne!(contact.0, account.0);
        assert_eq!(tell("Contact"), (contact.0.clone(), 2, false));
        *moved.0.lock().unwrap() = SERIES;
        let later = tell("Contact");
        assert!(later.2 && later.0 != contact.0, "{later:?}");
    }
}
