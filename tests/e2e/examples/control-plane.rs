//! A Kubernetes control plane as the tests have it, for a person: `make demo-kubernetes` plays on it.
//!
//! When it is ready, it prints a line with two kubeconfigs: of the administrator, and of the operator's service account with
//! the rights that are shipped. It ends with its standard input, and with it all that it started.

#![expect(
    clippy::expect_used,
    reason = "nobody is there who could go on with less than all of it"
)]

use std::io::{self, Write};

use e2e::control_plane::{
    ControlPlane,
    rights::{NAME, Scope, documents},
};

#[tokio::main]
async fn main() {
    let plane = Box::pin(ControlPlane::start()).await;
    for namespace in documents("base/namespace.yaml") {
        plane.admin().apply(&namespace.to_string()).await;
    }
    let operator = plane.operator(NAME, Scope::Cluster).await;
    let (admin, operator) = (plane.admin().kubeconfig.display(), operator.kubeconfig.display());
    writeln!(io::stdout(), "{admin} {operator}").expect("somebody reads it");
    // An error is an end as well.
    io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
}
