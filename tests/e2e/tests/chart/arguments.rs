//! The operator of the binary takes the arguments that the chart gives it, and each of its flags can be set by a value.

use std::collections::{BTreeMap, BTreeSet};

use e2e::{binary, helm::Helm};
use serde_json::Value;

use super::{cases, container};

/// Flags that the chart has no value for, and why.
const WITHOUT: [&str; 9] = [
    // The ports are the chart's own.
    "--health-address",
    "--metrics-address",
    // A variable of the pod tells it.
    "--pod-name",
    // The pod's own namespace.
    "--lease-namespace",
    // Not for an operator, or by extraArgs.
    "--allow-http",
    "--output",
    "--verbose",
    "--help",
    "--version",
];

/// The flags of `operator` and their defaults.
async fn flags() -> BTreeMap<String, Option<String>> {
    let folder = tempfile::tempdir().unwrap();
    let help = binary::run(folder.path(), &["operator", "--help"])
        .await
        .exits(0)
        .stdout;
    let mut flags = BTreeMap::new();
    let mut last = None;
    for line in help.lines() {
        let line = line.trim();
        let long = line
            .starts_with('-')
            .then(|| line.split([' ', ',', '.']).find(|word| word.starts_with("--")));
        if let Some(flag) = long.flatten() {
            flags.insert(flag.to_owned(), None);
            last = Some(flag.to_owned());
        }
        let default = line.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
        if let (Some(flag), Some((value, _))) = (&last, default) {
            flags.insert(flag.clone(), Some(value.to_owned()));
        }
    }
    flags
}

fn arguments(container: &Value) -> Vec<&str> {
    let arguments = container["args"].as_array().expect("arguments");
    arguments
        .iter()
        .map(|argument| argument.as_str().expect("a text"))
        .collect()
}

#[tokio::test]
async fn the_binary_takes_the_arguments_of_each_way() {
    let helm = Helm::offline().await;
    let folder = tempfile::tempdir().unwrap();
    let mut given = BTreeSet::new();
    for case in cases() {
        let documents = case.documents(&helm, "replication").await;
        let mut arguments = arguments(container(&documents));
        given.extend(
            arguments
                .iter()
                .filter_map(|argument| argument.split('=').next().map(str::to_owned)),
        );
        // What stands before it is read before it.
        arguments.push("--help");
        let outcome = binary::run(folder.path(), &arguments).await;
        assert_eq!(outcome.code, Some(0), "{}: {}", case.name, outcome.stderr);
    }
    let known: BTreeSet<String> = flags().await.into_keys().collect();
    assert!(known.len() > WITHOUT.len(), "{known:?}");
    let missing: Vec<_> = known
        .iter()
        .filter(|flag| !given.contains(*flag) && !WITHOUT.contains(&flag.as_str()))
        .collect();
    assert!(missing.is_empty(), "no value of the chart sets {missing:?}");
    let stale: Vec<_> = WITHOUT.iter().filter(|flag| !known.contains(**flag)).collect();
    assert!(stale.is_empty(), "the binary has no {stale:?}");
}

#[tokio::test]
async fn what_the_chart_gives_by_default_is_the_binarys_own_default() {
    let documents = Helm::offline().await.documents(&[]).await;
    let container = container(&documents);
    let flags = flags().await;
    for argument in arguments(container).into_iter().skip(1) {
        let (flag, value) = argument.split_once('=').expect("a flag with a value");
        assert_eq!(flags[flag].as_deref(), Some(value), "{flag}");
    }
    for (port, flag) in [("metrics", "--metrics-address"), ("health", "--health-address")] {
        let ports = container["ports"].as_array().expect("ports");
        let port = ports.iter().find(|entry| entry["name"] == port).expect("it is there");
        let address = format!("0.0.0.0:{}", port["containerPort"]);
        assert_eq!(flags[flag].as_deref(), Some(&*address), "{flag}");
    }
}

#[tokio::test]
async fn the_pod_ends_when_the_operator_was_told_that_it_will() {
    let documents = Helm::offline()
        .await
        .documents(&["terminationGracePeriodSeconds=20"])
        .await;
    assert!(arguments(container(&documents)).contains(&"--grace-period=20"));
    let deployment = documents.one("Deployment", "salesforce-replicator");
    assert_eq!(
        deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
        20
    );
}
