//! One pass over one resource: dereference, validate, supervise, status (design section 9).
//!
//! A pass changes nothing but what it must: it gives the worker its order, writes the status where it differs, and publishes what
//! happened. It runs when the spec, an annotation or a finalizer changed, when a Secret that the resource refers to changed, when
//! its worker tells of a change of state, and once in a while, since a watch can lag behind. Our own writes of status do
//! not come back here: the watch is filtered by generation.
//!
//! Validation needs no network, so what is wrong with the spec is told at once and all together; what Salesforce or the
//! database has to say comes from the worker.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crds::{Reason, SalesforceReplicator, SalesforceReplicatorSpec, SalesforceReplicatorStatus, Schedule, annotation};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    core::PartialObjectMeta,
    runtime::{
        controller::Action,
        reflector::{ObjectRef, Store},
    },
};
use replication::{Error as Engine, plan, retry::Randomness};
use salesforce::{ErrorKind, Retry};

use crate::{
    Error, Result, cleanup, conditions,
    events::{self, Happening, Publisher},
    guarded::Guarded,
    metrics::Metrics,
    requests::in_time,
    secrets::{self, Snapshot},
    standing::{Activity, Standing, Trouble},
    status,
    supervisor::{self, Entry, Key, Supervisor},
    unreadable,
    worker::{Order, PATIENCE},
};

/// A resource is looked at again after so long though nobody woke us: watches can lag. With jitter up to twice as long.
const RESYNC: Duration = Duration::from_mins(30);

/// What every pass of one controller has.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) publisher: Publisher,
    pub(crate) resources: Store<Guarded>,
    pub(crate) secrets: Store<PartialObjectMeta<Secret>>,
    /// Whether SQLite files have a folder.
    pub(crate) serves_sqlite: bool,
    /// Passes that failed in a row, by resource: kube gives no number of tries.
    pub(crate) failures: Mutex<BTreeMap<Key, u32>>,
}

/// One pass.
///
/// # Errors
/// The API server's. What goes wrong with Salesforce or a database is no error of a pass: it stands in the status.
pub(crate) async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action> {
    let clock = Arc::clone(&context.supervisor.workshop().clock);
    let started = clock.monotonic();
    let key = supervisor::key(guarded.as_ref());
    let done = match &guarded.0 {
        Ok(resource) => Box::pin(pass(resource, &context)).await,
        Err(invalid) => unreadable::pass(&guarded, &invalid.problem, &context).await,
    };
    let took = clock.monotonic().saturating_sub(started);
    let metrics = &context.metrics;
    metrics
        .reconciliation_duration
        .with_label_values::<&str>(&[])
        .observe(took.as_secs_f64());
    match &done {
        Ok(_) => {
            context.failures().remove(&key);
            metrics.reconciliations.with_label_values(&["success"]).inc();
        }
        Err(error) => {
            *context.failures().entry(key).or_default() += 1;
            metrics.reconciliations.with_label_values(&["error"]).inc();
            metrics.reconciliation_errors.with_label_values(&[error.reason()]).inc();
        }
    }
    done
}

/// When a pass that failed is made again.
#[expect(clippy::needless_pass_by_value, reason = "kube's signature")]
pub(crate) fn after_error(guarded: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let key = supervisor::key(guarded.as_ref());
    let (namespace, name) = &key;
    if error.is_conflict() {
        tracing::info!(namespace, name, %error, "somebody else was faster");
        return Action::requeue(Duration::from_secs(1));
    }
    let failures = context.failures().get(&key).copied().unwrap_or(1);
    let pause = match error.retry() {
        Retry::After(pause) => pause,
        Retry::Backoff => replication::retry::Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(256),
        }
        .pause(failures, context.random()),
        Retry::WhenResourceChanges | Retry::WhenSecretChanges | Retry::Hourly => replication::retry::HOURLY,
    };
    tracing::warn!(namespace, name, %error, ?pause, "a pass failed");
    Action::requeue(pause)
}

impl Context {
    fn failures(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn random(&self) -> &dyn Randomness {
        self.supervisor.workshop().random.as_ref()
    }

    /// Whether the watch still knows this resource, and no other one of its name.
    fn is_there(&self, resource: &SalesforceReplicator) -> bool {
        let (namespace, name) = supervisor::key(resource);
        let known = self.resources.get(&ObjectRef::new_with(&name, ()).within(&namespace));
        known.is_some_and(|known| known.uid() == resource.uid())
    }

    pub(crate) fn api(&self, namespace: &str) -> Api<PartialObjectMeta<SalesforceReplicator>> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

async fn pass(resource: &SalesforceReplicator, context: &Context) -> Result<Action> {
    let key = supervisor::key(resource);
    if cleanup::is_needed(resource) {
        return cleanup::pass(resource, context).await;
    }
    let Ok(entry) = context.supervisor.entry(resource).await else {
        return Err(Error::Settings(
            "the metrics of a resource could not be made".to_owned(),
        ));
    };
    if !context.is_there(resource) {
        // Whoever looks for those that are gone may have looked before this one was known.
        context.supervisor.forget(&key, &entry).await;
        return Ok(Action::await_change());
    }
    if resource.meta().deletion_timestamp.is_some() {
        context.supervisor.stop(&entry, PATIENCE).await;
        return Ok(Action::await_change());
    }
    cleanup::settle_finalizer(resource, context).await?;
    let schedule = match validate(&resource.spec, context.serves_sqlite) {
        Ok(schedule) => {
            match dereference(resource, &entry, context).await? {
                Ok(secrets) => supervise(resource, &key, &entry, secrets, context),
                Err(trouble) => refuse(resource, &entry, trouble, context).await,
            }
            Some(schedule)
        }
        Err(trouble) => {
            refuse(resource, &entry, trouble, context).await;
            None
        }
    };
    let wait = report(resource, &entry, schedule.as_ref(), context).await?;
    Ok(Action::requeue(wait))
}

/// Everything about a spec that can be said without asking anybody.
fn validate(spec: &SalesforceReplicatorSpec, serves_sqlite: bool) -> Result<Schedule, Trouble> {
    let invalid = |reason, message: String| Trouble::new(ErrorKind::Invalid, reason, message);
    let schedule = Schedule::new(&spec.trigger);
    plan::check_settings(spec).map_err(|problems| {
        let trouble = Trouble::from(&Engine::Plan(problems));
        match &schedule {
            Ok(_) => trouble,
            Err(_) => invalid(Reason::InvalidSchedule, trouble.message),
        }
    })?;
    if spec.destination.sqlite.is_some() && !serves_sqlite {
        return Err(invalid(
            Reason::NotServed,
            "destination.sqlite: this operator has no folder for SQLite files; start it with --sqlite-directory"
                .to_owned(),
        ));
    }
    schedule.map_err(|errors| {
        let messages: Vec<String> = errors.iter().map(|error| format!("trigger: {error}")).collect();
        invalid(Reason::InvalidSchedule, messages.join("; "))
    })
}

/// The Secrets that a resource refers to, read where they are not known at their present version. The inner error is what a person has
/// to mend.
async fn dereference(
    resource: &SalesforceReplicator,
    entry: &Entry,
    context: &Context,
) -> Result<Result<Arc<Snapshot>, Trouble>> {
    let namespace = resource.namespace().unwrap_or_default();
    let (earlier, must_read) = {
        let mut memory = entry.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // A Secret may have changed of which the watch has not told yet: it is read before a refusal is believed.
        let refused = refused_credentials(&entry.board.standing());
        let must_read = refused.is_some() && refused != memory.read_for;
        memory.read_for = refused;
        (Arc::clone(&memory.secrets), must_read)
    };
    let mut snapshot = Snapshot::new(&namespace);
    for name in secrets::names(&resource.spec) {
        let reference = ObjectRef::<PartialObjectMeta<Secret>>::new(name).within(&namespace);
        let version = context
            .secrets
            .get(&reference)
            .and_then(|known| known.resource_version());
        let is_known = version.is_some_and(|version| !must_read && snapshot.keep(&earlier, name, &version));
        if !is_known && let Some(secret) = read_secret(context, &namespace, name).await? {
            snapshot.insert(secret);
        }
    }
    let missing: Vec<String> = secrets::names(&resource.spec)
        .into_iter()
        .filter(|name| !snapshot.versions().contains_key(name))
        .map(|name| format!("Secret {namespace}/{name} does not exist; the resource refers to it"))
        .collect();
    if !missing.is_empty() {
        return Ok(Err(Trouble::new(
            ErrorKind::Credentials,
            Reason::SecretNotFound,
            missing.join("; "),
        )));
    }
    let snapshot = Arc::new(snapshot);
    let is_rotation = !earlier.versions().is_empty() && !snapshot.is_same(&earlier);
    entry.memory.lock().unwrap_or_else(PoisonError::into_inner).secrets = Arc::clone(&snapshot);
    if is_rotation {
        entry.board.update(|standing| standing.rotations += 1);
        let note = "a Secret changed; it was read anew";
        let happened = [Happening::normal(Reason::CredentialsRotated, note)];
        context.publisher.publish(resource, &happened).await;
    }
    Ok(Ok(snapshot))
}

/// What was said when credentials were refused last.
fn refused_credentials(standing: &Standing) -> Option<String> {
    let of_objects = standing
        .objects
        .iter()
        .filter_map(|object| Some(&object.current_failure()?.trouble));
    let mut troubles = standing.trouble.iter().chain(of_objects);
    troubles
        .find(|trouble| trouble.kind == ErrorKind::Credentials)
        .map(|trouble| trouble.message.clone())
}

pub(crate) async fn read_secret(context: &Context, namespace: &str, name: &str) -> Result<Option<Secret>> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    in_time(format!("reading Secret {namespace}/{name}"), api.get_opt(name)).await
}

/// Gives the worker its order.
fn supervise(
    resource: &SalesforceReplicator,
    key: &Key,
    entry: &Arc<Entry>,
    secrets: Arc<Snapshot>,
    context: &Context,
) {
    let annotations = resource.annotations();
    let order = Order {
        generation: resource.meta().generation.unwrap_or_default(),
        spec: Arc::new(resource.spec.clone()),
        secrets,
        adopt: annotations.get(annotation::ADOPT).cloned(),
        confirm: annotation::confirmations(annotations.get(annotation::CONFIRM_DELETES).map_or("", String::as_str)),
    };
    context
        .supervisor
        .order(key, entry, order, supervisor::behind(resource, &entry.board.standing()));
}

/// A resource that cannot run: its worker ends, and the status says why.
async fn refuse(resource: &SalesforceReplicator, entry: &Entry, trouble: Trouble, context: &Context) {
    context.supervisor.stop(entry, PATIENCE).await;
    entry.board.update(|standing| {
        standing.acts_upon(resource.meta().generation.unwrap_or_default());
        standing.lists(&resource.spec);
        standing.interrupted();
        standing.activity = if resource.spec.suspend {
            Activity::Suspended
        } else {
            Activity::BackingOff
        };
        standing.trouble = Some(trouble);
        (standing.next_run, standing.next_try) = (None, None);
    });
}

/// Brings status, metrics and events up to how the replicator stands. Gives how long nothing will change by itself.
pub(crate) async fn report(
    resource: &SalesforceReplicator,
    entry: &Entry,
    schedule: Option<&Schedule>,
    context: &Context,
) -> Result<Duration> {
    let clock = &context.supervisor.workshop().clock;
    let (now, monotonic) = (clock.now(), clock.monotonic());
    let standing = entry.board.standing();
    let (happened, since_last, former) = {
        let mut memory = entry.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut happened = events::between(&memory.seen, &standing);
        happened.extend(suspension(&mut memory.was_suspended, resource.spec.suspend));
        memory.seen = standing.clone();
        let former = memory.written.standing(resource);
        memory.resource = Some(Arc::new(resource.clone()));
        (happened, memory.sent.map(|sent| monotonic.saturating_sub(sent)), former)
    };
    let former = former.as_ref();
    let built = status::build(&resource.spec, &standing, schedule, former, now);
    entry
        .board
        .metrics()
        .follow(&resource.spec, schedule, &standing, &built, now);
    let sent = if standing.generation.is_some() && status::is_due(former, &built, since_last) {
        send(resource, entry, &built, context).await
    } else {
        Ok(())
    };
    // What happened is told though the status could not be written: it is not found again.
    context.publisher.publish(resource, &happened).await;
    sent?;
    Ok(next_look(&standing, schedule, now, context))
}

/// Writes a status and remembers it.
async fn send(
    resource: &SalesforceReplicator,
    entry: &Entry,
    built: &SalesforceReplicatorStatus,
    context: &Context,
) -> Result<()> {
    let api = context.api(&resource.namespace().unwrap_or_default());
    let written = status::write(&api, resource, built).await;
    entry.board.metrics().patched(written.is_ok());
    let version = written?;
    let mut memory = entry.memory.lock().unwrap_or_else(PoisonError::into_inner);
    memory.sent = Some(context.supervisor.workshop().clock.monotonic());
    memory.written.wrote(resource, version, built);
    Ok(())
}

fn suspension(was: &mut Option<bool>, is: bool) -> Option<Happening> {
    match was.replace(is) {
        Some(false) if is => Some(Happening::normal(
            Reason::Suspended,
            "spec.suspend is true: no run is started",
        )),
        Some(true) if !is => Some(Happening::normal(
            Reason::Resumed,
            "runs are started by the trigger again",
        )),
        Some(_) | None => None,
    }
}

/// How long until something about the status may change though nothing happens: progress, or data that becomes stale.
fn next_look(standing: &Standing, schedule: Option<&Schedule>, now: jiff::Timestamp, context: &Context) -> Duration {
    let jitter = context
        .random()
        .below(u64::try_from(RESYNC.as_millis()).unwrap_or(u64::MAX));
    let mut wait = RESYNC + Duration::from_millis(jitter);
    if standing.is_running() {
        wait = wait.min(status::progress_period(standing.objects.len()));
    }
    let stale_at = schedule
        .zip(standing.last_success)
        .and_then(|(schedule, last)| conditions::stale_at(schedule, last));
    if let Some(left) = stale_at.and_then(|at| Duration::try_from(at.duration_since(now)).ok())
        && !left.is_zero()
    {
        wait = wait.min(left + Duration::from_secs(1));
    }
    wait
}

/// The last status of a process whose controllers have stopped.
pub(crate) async fn last_reports(context: &Context) {
    for ((namespace, name), entry) in context.supervisor.all() {
        if let Err(error) = last_report(&entry, context).await {
            tracing::warn!(namespace, name, %error, "the last status was not written");
        }
    }
}

/// How a replicator stood when its worker ended, by the resource as it was then.
///
/// # Errors
/// The API server's.
pub(crate) async fn last_report(entry: &Entry, context: &Context) -> Result<()> {
    let memory = || entry.memory.lock().unwrap_or_else(PoisonError::into_inner);
    let resource = memory().resource.clone();
    let Some(resource) = resource else { return Ok(()) };
    let schedule = Schedule::new(&resource.spec.trigger).ok();
    report(&resource, entry, schedule.as_ref(), context).await.map(drop)
}

#[cfg(test)]
mod tests;
