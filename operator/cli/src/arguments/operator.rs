//! Arguments of `operator`: each has an environment variable, so that a chart needs no file and a pod no shell.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

const HELP: &str = "\
Examples:
  salesforce-replicator operator
  salesforce-replicator operator --watch-namespaces telephony,sales
  salesforce-replicator operator --no-leader-election --health-address 127.0.0.1:8081

The way to the cluster is KUBECONFIG, or in a pod the service account. Logs are text on a terminal, else JSON.";

/// Run the operator.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Operator {
    /// Namespaces whose resources are served, separated by commas. Default: all of them, which needs a ClusterRole.
    #[arg(long, env = "SFR_WATCH_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub(crate) watch_namespaces: Vec<String>,
    /// Folder of SQLite files, DIR/NAMESPACE/FILE. Without it, resources with destination.sqlite are refused.
    #[arg(long, env = "SFR_SQLITE_DIRECTORY", value_name = "DIR")]
    pub(crate) sqlite_directory: Option<PathBuf>,
    /// Runs of objects at once in the whole process.
    #[arg(long, env = "SFR_MAX_ACTIVE_RUNS", value_name = "RUNS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_active_runs: u16,
    /// Memory for rows in flight in the whole process, MiB.
    #[arg(long, env = "SFR_MEMORY_BUDGET", value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) memory_budget: u16,
    /// Where /livez and /readyz are answered.
    #[arg(
        long,
        env = "SFR_HEALTH_ADDRESS",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    pub(crate) health_address: SocketAddr,
    /// Where /metrics is answered.
    #[arg(
        long,
        env = "SFR_METRICS_ADDRESS",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    pub(crate) metrics_address: SocketAddr,
    /// Export no series with the label object.
    #[arg(long, env = "SFR_NO_OBJECT_METRICS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_object_metrics: bool,
    /// Hold no Lease. Only where no other operator can serve the same resources.
    #[arg(long, env = "SFR_NO_LEADER_ELECTION", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_leader_election: bool,
    /// Namespace of the Lease. Default: the pod's own.
    #[arg(long, env = "SFR_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) lease_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(
        long,
        env = "SFR_LEASE_NAME",
        value_name = "NAME",
        default_value = "salesforce-replicator"
    )]
    pub(crate) lease_name: String,
    /// Name of this pod, for the holder of the Lease and events. Default: the host's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// Seconds from SIGTERM to the end at most: terminationGracePeriodSeconds of the pod.
    #[arg(long, env = "SFR_GRACE_PERIOD", value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(6..))]
    pub(crate) grace_period: u16,
    /// Watch only Secrets with these labels. Default: all, of which only names and versions are held.
    #[arg(long, env = "SFR_SECRET_SELECTOR", value_name = "SELECTOR", default_value = "")]
    pub(crate) secret_selector: String,
}
