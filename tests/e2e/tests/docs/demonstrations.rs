//! The demonstrations, which the README begins with, end well.

use std::{path::Path, process::Stdio};

use e2e::binary::Outcome;
use tokio::process::Command;

use super::page::ROOT;

/// A target of the Makefile, with an org that is quick to read. Where all tests were built at once the programs are there already.
async fn make(target: &str) {
    let mut command = Command::new("make");
    command
        .arg(target)
        .current_dir(ROOT)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.env("DEMO_CONTACTS", "500").env("DEMO_ACCOUNTS", "100");
    if let Some(folder) = std::env::var_os("SFR_TEST_BINARY")
        .as_deref()
        .and_then(|binary| Path::new(binary).parent())
        && ["simulator", "examples/control-plane"]
            .iter()
            .all(|program| folder.join(program).is_file())
    {
        command.env("BINARIES", folder);
    }
    let outcome: Outcome = command.output().await.expect("make starts").into();
    let shown = outcome.exits(0).stdout;
    assert!(shown.contains("Seeblick Telefonie GmbH"), "the change arrives: {shown}");
}

#[tokio::test]
async fn demo() {
    make("demo").await;
}

#[tokio::test]
async fn demo_kubernetes() {
    make("demo-kubernetes").await;
}
