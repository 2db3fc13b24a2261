//! `operator`: reconciles the resources of a cluster.

use std::{env, fs, path::Path, sync::Arc, time::Duration};

use controller::{
    election::ElectionSettings,
    operator::{self, Settings},
};
use replication::retry::{Randomness, SystemRandomness};
use tokio_util::sync::CancellationToken;

use crate::{arguments::operator::Operator, exit::Exit, failure::Failure, session::Context, stop};

/// Where a pod finds the name of its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Runs until a signal comes.
pub(crate) async fn operate(arguments: Operator, context: &Context) -> Result<Exit, Failure> {
    let random: Arc<dyn Randomness> = Arc::new(SystemRandomness);
    let settings = settings(arguments, context, random.as_ref())?;
    let shutdown = CancellationToken::new();
    let work = Box::pin(operator::run(
        settings,
        Arc::clone(&context.clock),
        random,
        shutdown.clone(),
    ));
    let (done, signal) = stop::until_signal(&shutdown, &context.printer, work).await?;
    match done {
        Some(Ok(())) => Ok(Exit::Success),
        // A second signal: who sends it does not want to wait.
        None => Ok(signal.unwrap_or(Exit::Terminated)),
        Some(Err(error)) => Err(Failure::Operator(error)),
    }
}

fn settings(arguments: Operator, context: &Context, random: &dyn Randomness) -> Result<Settings, Failure> {
    let Operator {
        watch_namespaces,
        sqlite_directory,
        max_active_runs,
        memory_budget,
        health_address,
        metrics_address,
        no_object_metrics,
        no_leader_election,
        lease_namespace,
        lease_name,
        pod_name,
        grace_period,
        secret_selector,
    } = arguments;
    let election = if no_leader_election {
        None
    } else {
        let namespace = lease_namespace
            .or_else(|| namespace_of_pod(Path::new(NAMESPACE_FILE)))
            .ok_or_else(|| {
                Failure::Usage(
                    "outside a pod the namespace of the Lease is not known: give --lease-namespace, or \
                     --no-leader-election where no other operator serves the same resources"
                        .to_owned(),
                )
            })?;
        let pod = pod_name
            .or_else(host)
            .unwrap_or_else(|| "salesforce-replicator".to_owned());
        let identity = ElectionSettings::identity(&pod, random);
        Some(ElectionSettings::new(namespace, lease_name, identity))
    };
    if let Some(directory) = sqlite_directory.as_deref().filter(|directory| !directory.is_dir()) {
        return Err(Failure::Usage(format!(
            "--sqlite-directory {}: there is no such folder",
            directory.display()
        )));
    }
    Ok(Settings {
        watch_namespaces: watch_namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
        sqlite_directory,
        allow_http: context.allow_http,
        max_active_runs: usize::from(max_active_runs),
        memory_budget: usize::from(memory_budget) * 1024 * 1024,
        health_address,
        metrics_address,
        object_metrics: !no_object_metrics,
        election,
        grace: Duration::from_secs(u64::from(grace_period)),
        secret_selector,
        version: env!("CARGO_PKG_VERSION"),
        // Told by the image: a binary that had it inside would be linked anew with each commit.
        revision: env::var("SFR_REVISION").unwrap_or_default(),
    })
}

fn namespace_of_pod(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let name = text.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn host() -> Option<String> {
    let name = env::var("HOSTNAME")
        .ok()
        .or_else(|| fs::read_to_string("/etc/hostname").ok())?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
