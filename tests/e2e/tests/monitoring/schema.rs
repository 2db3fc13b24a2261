//! Grafana reads the dashboards: they are held against the Go types that its makers generate from its schema (`tests/tools/grafana`).
//!
//! Grafana itself is not run. Its types know keys, kinds of values and the options of each panel, and not which words an option takes.

use std::{path::Path, process::Output};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{dashboards, files};

const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/grafana");

async fn held(dashboards: &[&Path]) -> Output {
    let mut go = Command::new("go");
    go.args(["run", "-mod=readonly", "."])
        .args(dashboards)
        .current_dir(TOOL);
    go.env("GOWORK", "off").env("CGO_ENABLED", "0");
    go.output()
        .await
        .expect("this needs Go 1.21 or newer (https://go.dev/dl)")
}

#[tokio::test]
async fn grafanas_types_take_each_dashboard() {
    let files: Vec<_> = files("dashboards", "json")
        .iter()
        .map(|file| file.canonicalize().unwrap())
        .collect();
    let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
    let found = held(&files).await;
    let told = String::from_utf8_lossy(&found.stdout) + String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success(), "{told}");
}

#[tokio::test]
async fn what_grafana_does_not_know_is_noticed() {
    let fleet = &dashboards::all()["fleet"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.json");
    for (pointer, key, value, told) in [
        ("/panels/0/options", "colourMode", json!("value"), "unexpected field"),
        ("/panels/0/options", "wideLayout", json!("yes"), "cannot unmarshal"),
        ("/panels/0/options", "reduceOptions", Value::Null, "required field"),
        ("/panels/0/targets/0", "promql", json!("up"), "unexpected field"),
        ("/panels/0", "type", json!("statistics"), "no panel \"statistics\""),
        (
            "/templating/list/0",
            "includeEverything",
            json!(true),
            "unexpected field",
        ),
    ] {
        let mut changed = fleet.clone();
        changed.pointer_mut(pointer).unwrap()[key] = value;
        std::fs::write(&file, changed.to_string()).unwrap();
        let found = held(&[&file]).await;
        let said = String::from_utf8_lossy(&found.stdout);
        assert!(!found.status.success() && said.contains(told), "{key}: {said}");
    }
}
