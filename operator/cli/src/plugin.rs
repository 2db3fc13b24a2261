//! `kubectl sfr`: how a replicator stands, and what a person says to it.
//!
//! The binary behind another name: kubectl finds plugins by it. All of this can be done with `kubectl get -o yaml`, `patch` and
//! `annotate` too; the plugin knows the names, does not overwrite what somebody else said, and asks before rows go. It
//! talks to the API server alone, with the rights of whoever calls it: the operator does the rest.

pub(crate) mod arguments;

mod cluster;
mod confirm;
mod order;
mod status;
mod wait;

use std::{ffi::OsStr, path::Path};

use self::{
    arguments::{Arguments, Command},
    cluster::Cluster,
};
use crate::{exit::Exit, failure::Failure, session::Context};

/// The name that kubectl looks for.
const NAME: &str = "kubectl-sfr";

/// Whether the process was called by the plugin's name.
pub(crate) fn is_called(program: &OsStr) -> bool {
    Path::new(program).file_stem() == Some(OsStr::new(NAME))
}

/// Does what was asked for.
pub(crate) async fn execute(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    let cluster = Cluster::connect(&arguments.cluster)?;
    match arguments.command {
        Command::Status(status) => status::show(status, &cluster, context).await,
        Command::Run(run) => Box::pin(order::run(run, &cluster, context)).await,
        Command::Suspend(named) => order::suspend(&named.name, true, &cluster, context).await,
        Command::Resume(named) => order::suspend(&named.name, false, &cluster, context).await,
        Command::ConfirmDeletes(confirm) => confirm::confirm(confirm, &cluster, context).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_plugin_from_the_program() {
        for (program, is_plugin) in [
            ("kubectl-sfr", true),
            ("/root/.cargo/bin/kubectl-sfr", true),
            ("salesforce-replicator", false),
            ("/opt/kubectl-sfr/salesforce-replicator", false),
            ("", false),
        ] {
            assert_eq!(is_called(OsStr::new(program)), is_plugin, "{program}");
        }
    }
}
