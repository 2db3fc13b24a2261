//! What was typed after `kubectl sfr`. Flags that kubectl has too are called as there.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use crds::Period;

use crate::arguments::Format;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-sfr",
    bin_name = "kubectl sfr",
    version,
    about = "Shows how the Salesforce replicators of a cluster stand, and tells them what to do",
    after_help = "Examples:\n  \
                  kubectl sfr status\n  \
                  kubectl sfr status crm -n telephony\n  \
                  kubectl sfr run crm --wait --timeout 30m\n  \
                  kubectl sfr suspend crm\n  \
                  kubectl sfr confirm-deletes crm Contact\n\n\
                  Exit codes are those of salesforce-replicator --help.",
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 120
)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Which cluster, and where in it.
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// How to print results on standard output.
    #[arg(short, long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// Which cluster, and where in it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClusterArguments {
    /// The namespace. Default: that of the context.
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// The context of the kubeconfig. Default: its current one.
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// The kubeconfig. Default: KUBECONFIG, else ~/.kube/config, else the service account of the pod.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how all replicators stand, or all of one: conditions, objects, the last run, deletes that are held
    Status(Status),
    /// Run now, whatever the trigger says
    Run(Run),
    /// Start no more runs; one in progress ends at the end of its segment
    Suspend(Named),
    /// Run again by the trigger
    Resume(Named),
    /// Let go the deletes that are held, and no more than those
    ConfirmDeletes(ConfirmDeletes),
}

/// Show how replicators stand.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this one, in full.
    pub(crate) name: Option<String>,
    /// Those of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub(crate) all_namespaces: bool,
}

/// Run now.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The replicator.
    pub(crate) name: String,
    /// Wait until the run is over; the exit code says how it ended.
    #[arg(long)]
    pub(crate) wait: bool,
    /// With --wait: how long at most, such as 30m or 1h30m; the run itself goes on. 0s is without an end: a first load may take
    /// hours.
    #[arg(long, requires = "wait", value_name = "PERIOD", default_value = "0s")]
    pub(crate) timeout: Period,
}

/// One replicator.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The replicator.
    pub(crate) name: String,
}

/// Let held deletes go.
#[derive(Debug, Args)]
pub(crate) struct ConfirmDeletes {
    /// The replicator.
    pub(crate) name: String,
    /// Only this object, by API name. Default: all whose deletes are held.
    pub(crate) object: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("kubectl-sfr").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_of_kubectl_stand_before_or_behind_the_command() {
        for line in [
            "run crm --wait -n telephony --context prod --kubeconfig k.yaml -o json",
            "-n telephony --context prod --kubeconfig k.yaml -o json run crm --wait",
        ] {
            let Arguments {
                command,
                cluster,
                output,
            } = parse(line).unwrap();
            assert!(
                matches!(&command, Command::Run(run) if run.name == "crm" && run.wait),
                "{line}"
            );
            assert_eq!(cluster.namespace.as_deref(), Some("telephony"), "{line}");
            assert_eq!(cluster.context.as_deref(), Some("prod"), "{line}");
            assert_eq!(cluster.kubeconfig, Some(PathBuf::from("k.yaml")), "{line}");
            assert_eq!(output, Format::Json, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "",
            "run",
            "suspend",
            "resume crm other",
            "confirm-deletes",
            "status crm -A",
            "status -A -n telephony",
            "status -o wide",
            "run crm --timeout 30m",
            "run crm --wait --timeout soon",
            "plan -f crm.yaml",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["status", "status crm", "status -A", "confirm-deletes crm Contact -y"] {
            parse(line).unwrap();
        }
    }
}
