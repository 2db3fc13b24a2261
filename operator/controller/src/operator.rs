//! The process: waits for its definition, its Lease and its turn, runs the controllers, and ends in order.
//!
//! **Start.** Nothing is started that would fail for want of the `CustomResourceDefinition`: the process waits for it and says so in
//! `/readyz`. Workers start when the Lease is held, and never before.
//!
//! **Namespaces.** Several namespaces cannot share a store of resources (each list replaces all of it), so each has a controller
//! of its own; all share the limits of the process.
//!
//! **End.** On a signal: no new runs; those under way end with their segment, or roll back when their time is up; the last
//! status is written; then, after the last write to a database, the Lease is released. When the Lease is *lost* nothing of
//! this happens: another process may write by now, so this one ends at once, and the epoch in each database fences what
//! is still on its way (design 6.9).

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, future};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt as _,
    client::ClientBuilder,
    core::PartialObjectMeta,
    runtime::{
        Controller, Predicate as _, WatchStreamExt as _, controller::Config as ControllerConfig, predicates, reflector,
        reflector::ObjectRef, utils::PredicateConfig, watcher,
    },
};
use replication::{
    budget::ByteBudget,
    connect::Options,
    progress::Silent,
    replicator::{Environment, Leadership},
    retry::Randomness,
};
use salesforce::{AllowHttp, clock::SharedClock};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Result,
    api_server::{self, ConfigError},
    election::{Election, ElectionSettings, Freshness, Held, KubeLeases},
    events::Publisher,
    guarded::Guarded,
    metrics::Metrics,
    reconcile::{self, Context},
    requests::CountRequests,
    serve::{Health, Heartbeat, Routes, Server},
    supervisor::{AT_ONCE, Supervisor},
    wake::{self, WakeUps},
    worker::{PATIENCE, Workshop},
};

/// How often the definition is looked for.
const LOOK_FOR_DEFINITION: Duration = Duration::from_secs(10);

/// What the API server answers for a resource that it does not know: plain text, and so without a reason.
const NOT_FOUND: u16 = 404;

/// How often the process says that it turns, and how long it may be silent.
const BEAT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_mins(1);

/// Passes at once.
const CONCURRENCY: u16 = 8;

/// Changes of one resource within this are one pass.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// What is kept of the grace period for the passes under way, and for the last status and the Lease.
const LAST_PASSES: Duration = Duration::from_secs(2);
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How the operator runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Namespaces whose resources are served; empty is all of them.
    pub watch_namespaces: Vec<String>,
    /// The folder of SQLite files, one folder for each namespace in it. Without it such resources are refused.
    pub sqlite_directory: Option<PathBuf>,
    /// Where http is allowed.
    pub allow_http: AllowHttp,
    /// Runs at once in the whole process.
    pub max_active_runs: usize,
    /// Bytes of rows in flight in the whole process.
    pub memory_budget: usize,
    /// Where `/livez` and `/readyz` are answered.
    pub health_address: SocketAddr,
    /// Where `/metrics` is answered.
    pub metrics_address: SocketAddr,
    /// Whether series with the label `object` are exported.
    pub object_metrics: bool,
    /// The Lease; `None` where no other replica can be.
    pub election: Option<ElectionSettings>,
    /// How long an end may take: the pod's `terminationGracePeriodSeconds`.
    pub grace: Duration,
    /// Only Secrets with these labels are watched; empty is all of them.
    pub secret_selector: String,
    /// Version of the program, and the commit that it was built from.
    pub version: &'static str,
    /// Empty where it is not known.
    pub revision: String,
}

/// What the process says of itself.
struct State {
    heartbeat: Heartbeat,
    metrics: Arc<Metrics>,
    /// What is missing before it can do its work.
    missing: Mutex<Option<String>>,
}

impl Health for State {
    fn live(&self) -> std::result::Result<(), String> {
        self.heartbeat.check()
    }

    fn ready(&self) -> std::result::Result<(), String> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.clone().map_or(Ok(()), Err)
    }

    fn metrics(&self) -> String {
        self.metrics.text()
    }
}

impl State {
    fn misses(&self, what: Option<&str>) {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = what.map(str::to_owned);
    }
}

/// The Lease, as the engine asks for it before it claims an object.
#[derive(Debug)]
struct Leads(Freshness);

impl Leadership for Leads {
    fn is_held(&self) -> bool {
        self.0.is_fresh()
    }
}

/// Runs the operator until `shutdown`, and then to its orderly end.
///
/// # Errors
/// No API server is configured, an address is taken, a setting is not usable; the Lease was lost, and then the process
/// has to end at once.
pub async fn run(
    settings: Settings,
    clock: SharedClock,
    random: Arc<dyn Randomness>,
    shutdown: CancellationToken,
) -> Result<()> {
    let metrics = Metrics::new(settings.version, &settings.revision, settings.object_metrics)
        .map_err(|error| Error::Settings(format!("metrics: {error}")))?;
    let metrics = Arc::new(metrics);
    let client = client(&metrics)?;
    let state = Arc::new(State {
        heartbeat: Heartbeat::new(Arc::clone(&clock), SILENCE),
        metrics: Arc::clone(&metrics),
        missing: Mutex::new(Some("the operator starts".to_owned())),
    });
    let stop_serving = CancellationToken::new();
    let mut servers = serve(&settings, &state, &clock, &stop_serving).await?;
    let work = Box::pin(lead(&settings, client, &state, (&clock, &random), &shutdown));
    let beat = async {
        loop {
            state.heartbeat.beat();
            clock.sleep(BEAT).await;
        }
    };
    let done = tokio::select! {
        biased;
        done = work => done,
        () = beat => Ok(()),
    };
    stop_serving.cancel();
    if done.is_ok() {
        while servers.join_next().await.is_some() {}
    }
    done
}

/// A client that counts its requests.
fn client(metrics: &Arc<Metrics>) -> Result<Client> {
    let config = api_server::inferred().map_err(|error| match error {
        ConfigError::Proxy(error) => Error::Settings(error.to_string()),
        ConfigError::Kubeconfig(_) | ConfigError::Neither { .. } => Error::NoCluster(error.to_string()),
    })?;
    let builder = ClientBuilder::try_from(config)
        .map_err(|error| Error::Settings(format!("the way to the Kubernetes API server cannot be used: {error}")))?;
    Ok(builder.with_layer(&CountRequests::new(Arc::clone(metrics))).build())
}

async fn serve(
    settings: &Settings,
    state: &Arc<State>,
    clock: &SharedClock,
    stop: &CancellationToken,
) -> Result<JoinSet<()>> {
    let mut servers = JoinSet::new();
    for (routes, address, flag) in [
        (Routes::Probes, settings.health_address, "--health-address"),
        (Routes::Metrics, settings.metrics_address, "--metrics-address"),
    ] {
        let server = Server::bind(routes, address, flag)
            .await
            .map_err(|error| Error::Settings(error.to_string()))?;
        tracing::info!(address = %server.address(), serves = ?routes, "listening");
        let health: Arc<dyn Health> = Arc::<State>::clone(state);
        servers.spawn(server.run(health, Arc::clone(clock), stop.clone()));
    }
    Ok(servers)
}

/// Waits for the definition and the Lease, and works while it is held.
async fn lead(
    settings: &Settings,
    client: Client,
    state: &Arc<State>,
    (clock, random): (&SharedClock, &Arc<dyn Randomness>),
    shutdown: &CancellationToken,
) -> Result<()> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        () = definition(&client, state, clock) => {}
    }
    // A replica that waits for another to die is ready to take over.
    state.misses(None);
    let held = match &settings.election {
        None => None,
        Some(election) => {
            let leases = KubeLeases::new(client.clone(), election);
            let contest = Election::new(leases, election.clone(), Arc::clone(clock), Arc::clone(random))
                .map_err(Error::Settings)?;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                held = contest.acquire() => Some(held),
            }
        }
    };
    tracing::info!("leading");
    state.metrics.leader.set(1);
    let mut environment = Environment::new(Arc::clone(clock), Arc::new(Silent));
    environment.random = Arc::clone(random);
    environment.budget = ByteBudget::new(settings.memory_budget);
    environment.active_runs = Some(Arc::new(Semaphore::new(settings.max_active_runs)));
    if let Some(held) = &held {
        environment.leadership = Arc::new(Leads(held.freshness()));
    }
    let work = Box::pin(control(settings, &client, state, environment, shutdown));
    tokio::select! {
        biased;
        lost = lost(held.as_ref()) => {
            // Nothing else may be done: somebody else may lead.
            return Err(Error::LeaseLost(lost));
        }
        () = work => {}
    }
    if let Some(held) = held {
        held.release().await;
    }
    state.metrics.leader.set(0);
    tracing::info!("ended");
    Ok(())
}

async fn lost(held: Option<&Held>) -> String {
    match held {
        Some(held) => held.lost().await.to_string(),
        None => future::pending().await,
    }
}

/// Waits until the API server knows our resource.
async fn definition(client: &Client, state: &State, clock: &SharedClock) {
    let group_version = format!("{}/{}", crds::GROUP, crds::VERSION);
    let mut told = false;
    loop {
        let listed = tokio::time::timeout(LOOK_FOR_DEFINITION, client.list_api_group_resources(&group_version)).await;
        let missing = match listed {
            Ok(Ok(resources)) if resources.resources.iter().any(|resource| resource.kind == crds::KIND) => {
                state.metrics.crd_missing.set(0);
                return;
            }
            Ok(Ok(_)) => format!("the API server does not know {} of {group_version}", crds::KIND),
            Ok(Err(kube::Error::Api(status))) if status.code == NOT_FOUND => {
                format!("the CustomResourceDefinition of {} is not installed", crds::KIND)
            }
            Ok(Err(error)) => format!("the API server cannot be asked: {error}"),
            Err(_elapsed) => "the API server does not answer".to_owned(),
        };
        state.metrics.crd_missing.set(1);
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(missing, "waiting; apply what `salesforce-replicator crd` prints");
        }
        state.misses(Some(&missing));
        clock.sleep(LOOK_FOR_DEFINITION).await;
    }
}

/// Runs the controllers until `shutdown`; then lets runs end and writes the last status.
async fn control(
    settings: &Settings,
    client: &Client,
    state: &Arc<State>,
    environment: Environment,
    shutdown: &CancellationToken,
) {
    let namespaces: BTreeSet<Option<&str>> = if settings.watch_namespaces.is_empty() {
        BTreeSet::from([None])
    } else {
        settings
            .watch_namespaces
            .iter()
            .map(|namespace| Some(namespace.as_str()))
            .collect()
    };
    let instance = settings
        .election
        .as_ref()
        .map_or("salesforce-replicator", |election| election.identity.as_str());
    let publisher = Publisher::new(
        client.clone(),
        instance,
        Arc::clone(&state.metrics),
        Arc::clone(&environment.clock),
    );
    let (contexts, controllers): (Vec<_>, Vec<_>) = namespaces
        .into_iter()
        .map(|namespace| controller(settings, client, state, (&environment, &publisher), namespace, shutdown))
        .unzip();
    let clock = &environment.clock;
    let controlled = future::join_all(controllers);
    // Beside the passes under way: one may wait for a database for minutes, and meanwhile no run may begin.
    let ended = async {
        shutdown.cancelled().await;
        let patience = patience(settings.grace);
        tracing::info!(?patience, "no new runs; those under way end with their segment");
        future::join_all(contexts.iter().map(|context| context.supervisor.end(patience))).await;
    };
    let (mut controlled, mut ended) = (Box::pin(controlled), Box::pin(ended));
    tokio::select! {
        biased;
        _ = &mut controlled => ended.await,
        () = &mut ended => tokio::select! {
            biased;
            _ = &mut controlled => {}
            () = clock.sleep(LAST_PASSES) => tracing::warn!("not every pass came to its end"),
        },
    }
    let last_words = future::join_all(contexts.iter().map(|context| reconcile::last_reports(context)));
    tokio::select! {
        biased;
        _ = last_words => {}
        () = clock.sleep(LAST_WORDS) => tracing::warn!("not every last status was written"),
    }
}

/// How long segments under way may take, so that all that follows has its time before the process is killed.
fn patience(grace: Duration) -> Duration {
    let after = AT_ONCE + LAST_PASSES + LAST_WORDS;
    grace.saturating_sub(after).max(grace / 2).min(PATIENCE)
}

/// The controller of one namespace, or of all.
fn controller(
    settings: &Settings,
    client: &Client,
    state: &Arc<State>,
    (environment, publisher): (&Environment, &Publisher),
    namespace: Option<&str>,
    shutdown: &CancellationToken,
) -> (Arc<Context>, impl Future<Output = ()> + use<>) {
    let wake_ups = Arc::<WakeUps>::default();
    let workshop = Workshop {
        options: Options {
            replicator: String::new(),
            allow_http: settings.allow_http,
            adopt: None,
            sqlite_directory: settings.sqlite_directory.clone().unwrap_or_default(),
            environment: environment.clone(),
        },
        clock: Arc::clone(&environment.clock),
        random: Arc::clone(&environment.random),
    };
    let supervisor = Arc::new(Supervisor::new(
        workshop,
        Arc::clone(&state.metrics),
        Arc::clone(&wake_ups),
    ));
    let (secrets, secret_writer) = reflector::store::<PartialObjectMeta<Secret>>();
    let (reader, writer) = reflector::store::<Guarded>();
    let context = Arc::new(Context {
        client: client.clone(),
        supervisor: Arc::clone(&supervisor),
        metrics: Arc::clone(&state.metrics),
        publisher: publisher.clone(),
        resources: reader.clone(),
        secrets,
        serves_sqlite: settings.sqlite_directory.is_some(),
        failures: Mutex::default(),
    });
    let gone = Arc::new(tokio::sync::Notify::new());
    let changed = changed_resources(scoped(client, namespace), writer, Arc::clone(&gone), &state.metrics);
    let selector = watcher::Config::default().labels(&settings.secret_selector);
    let secret_events = changed_secrets(scoped(client, namespace), selector, secret_writer, &state.metrics);
    let work = Controller::for_stream(changed, reader.clone())
        .watches_stream(secret_events, users_of(reader.clone()))
        .reconcile_on(wake::stream(wake_ups, Arc::clone(&environment.clock)))
        .with_config(ControllerConfig::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(reconcile::reconcile, reconcile::after_error, Arc::clone(&context))
        .for_each(|_| future::ready(()));
    let controlled = async move {
        let mut janitor = Box::pin(forget_deleted(supervisor, reader, gone));
        let mut work = Box::pin(work);
        tokio::select! {
            biased;
            () = &mut work => {}
            () = &mut janitor => {}
        }
    };
    (context, controlled)
}

/// Whether a resource has a status, for the filter of the watch: one that somebody wiped is written anew at once. What a status
/// says is no part of it, or our own writes would come back.
fn has_status(resource: &Guarded) -> Option<u64> {
    let status = resource.0.as_ref().ok()?.status.as_ref()?;
    (!status.conditions.is_empty()).then_some(1)
}

/// Resources whose spec, annotations or finalizers changed. Tells when some may be gone.
fn changed_resources(
    api: Api<Guarded>,
    writer: reflector::store::Writer<Guarded>,
    gone: Arc<tokio::sync::Notify>,
    metrics: &Arc<Metrics>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static {
    let metrics = Arc::clone(metrics);
    let changed = predicates::generation
        .combine(predicates::annotations)
        .combine(predicates::finalizers)
        .combine(has_status);
    watcher(api, watcher::Config::default().any_semantic())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(watcher::Event::Delete(_)) => gone.notify_one(),
            Ok(watcher::Event::InitDone) => {
                metrics.crd_missing.set(0);
                gone.notify_one();
            }
            Ok(watcher::Event::Apply(_) | watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Err(error) => {
                if is_not_found(error) {
                    metrics.crd_missing.set(1);
                }
                broke(&metrics, "SalesforceReplicator", error);
            }
        })
        .applied_objects()
        .predicate_filter(changed, PredicateConfig::default())
}

/// Secrets that came, changed or went, without their values.
fn changed_secrets(
    api: Api<PartialObjectMeta<Secret>>,
    selector: watcher::Config,
    writer: reflector::store::Writer<PartialObjectMeta<Secret>>,
    metrics: &Arc<Metrics>,
) -> impl Stream<Item = Result<PartialObjectMeta<Secret>, watcher::Error>> + Send + 'static {
    let metrics = Arc::clone(metrics);
    watcher(api, selector)
        .default_backoff()
        .modify(|secret| {
            // Versions are all that is needed; labels and annotations of ten thousand Secrets are megabytes.
            secret.managed_fields_mut().clear();
            secret.annotations_mut().clear();
            secret.labels_mut().clear();
        })
        .reflect(writer)
        .inspect(move |event| {
            if let Err(error) = event {
                broke(&metrics, "Secret", error);
            }
        })
        .touched_objects()
        .predicate_filter(predicates::resource_version, PredicateConfig::default())
}

/// Whether the API server does not know the resource any more.
fn is_not_found(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code == NOT_FOUND,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

fn broke(metrics: &Metrics, kind: &str, error: &watcher::Error) {
    metrics.watch_restarts.with_label_values(&[kind]).inc();
    tracing::warn!(kind, %error, "a watch broke, it begins anew");
}

/// The resources that refer to a Secret.
fn users_of(known: reflector::Store<Guarded>) -> impl Fn(PartialObjectMeta<Secret>) -> Vec<ObjectRef<Guarded>> {
    move |secret| {
        let (namespace, name) = (secret.namespace(), secret.name_any());
        let refers = |object: &Guarded| {
            let names_it =
                |resource: &crds::SalesforceReplicator| crate::secrets::names(&resource.spec).contains(name.as_str());
            object.namespace() == namespace && object.0.as_ref().is_ok_and(names_it)
        };
        let users = known.state_filter(refers);
        users
            .iter()
            .map(|object| ObjectRef::from_obj(object.as_ref()))
            .collect()
    }
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Lets go of resources that are gone: the controller is not called for them.
async fn forget_deleted(
    supervisor: Arc<Supervisor>,
    reader: reflector::Store<Guarded>,
    gone: Arc<tokio::sync::Notify>,
) {
    loop {
        gone.notified().await;
        let there: BTreeSet<String> = reader.state().iter().filter_map(|object| object.uid()).collect();
        let left = supervisor
            .all()
            .into_iter()
            .filter(|(_, entry)| !there.contains(&entry.uid));
        let forgotten = left.map(|(key, entry)| {
            let supervisor = Arc::clone(&supervisor);
            async move {
                tracing::info!(
                    namespace = key.0,
                    name = key.1,
                    uid = entry.uid,
                    "the resource is gone, its runs end"
                );
                supervisor.forget(&key, &entry).await;
            }
        });
        future::join_all(forgotten).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_segments_has_its_time() {
        let seconds = |grace| patience(Duration::from_secs(grace)).as_secs();
        assert_eq!([seconds(60), seconds(20), seconds(600)], [43, 10, 60]);
    }
}
