//! What is shipped for Prometheus and Grafana: alerts, their runbook, dashboards.
//!
//! What the alerts do is tested by promtool (`make alerts`). Here it is seen that none is without such a test, that all of it names
//! metrics that exist, and, by a real Prometheus that scrapes a real operator, that each query finds something.

mod alerts;
mod dashboards;
mod live;
mod runbook;
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use e2e::control_plane::rights::DEPLOY;
use serde_json::Value;

/// Before the name of each metric.
const PREFIX: &str = "salesforce_replicator_";

/// The files of a folder of `deploy/monitoring`, by how their names end.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("{DEPLOY}/monitoring/{folder}")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "{folder}/*.{extension}");
    files
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn yaml(file: &Path) -> Value {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn docs(page: &str) -> String {
    text(&Path::new(DEPLOY).join("../docs").join(page))
}

/// An alert of the rules that are shipped.
struct Alert {
    name: String,
    expr: String,
    rule: Value,
}

impl Alert {
    /// Whether it is about a resource, and not about the operator.
    fn is_of_a_resource(&self) -> bool {
        self.expr.contains("by (replicator_namespace, replicator")
    }
}

fn alerts() -> Vec<Alert> {
    let mut alerts = Vec::new();
    for file in files("rules", "yaml") {
        let rules = yaml(&file);
        for rule in rules["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap())
        {
            alerts.push(Alert {
                name: rule["alert"].as_str().unwrap().to_owned(),
                expr: rule["expr"].as_str().unwrap().to_owned(),
                rule: rule.clone(),
            });
        }
    }
    alerts
}

/// The metrics of the list that the operator's code prints, by name, with their type.
fn metrics() -> BTreeMap<String, String> {
    let page = docs("metrics.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
    });
    rows.collect()
}

/// The metrics that an expression names.
fn named(expr: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    expr.split(|letter| !is_part(letter))
        .filter(|word| word.starts_with(PREFIX))
        .map(str::to_owned)
        .collect()
}

/// Whether a series of this name is exported.
fn is_exported(series: &str, metrics: &BTreeMap<String, String>) -> bool {
    let of_histogram = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| {
        let base = series.strip_suffix(end)?;
        metrics.get(base).filter(|kind| *kind == "histogram")
    });
    of_histogram.is_some() || metrics.get(series).is_some_and(|kind| kind != "histogram")
}

#[test]
fn a_metric_that_is_not_exported_is_noticed() {
    let metrics = metrics();
    let found =
        named("rate(salesforce_replicator_run_duration_seconds_bucket{a=\"b\"}[5m]) > salesforce_replicator_leader");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|series| is_exported(series, &metrics)));
    for wrong in ["leaders", "run_duration_seconds", "leader_count"] {
        assert!(!is_exported(&format!("{PREFIX}{wrong}"), &metrics), "{wrong}");
    }
}
