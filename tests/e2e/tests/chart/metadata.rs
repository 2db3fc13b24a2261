//! What the chart says of itself, and that its values, their schema and the tests know the same keys.

use std::{collections::BTreeSet, path::Path};

use e2e::{
    control_plane::ControlPlane,
    helm::{CHART, Documents},
};
use serde_json::Value;

use super::{accepted::refusal, cases};

fn read(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("the file is there");
    serde_saphyr::from_str(&text).expect("YAML")
}

fn chart() -> Value {
    read(&Path::new(CHART).join("Chart.yaml"))
}

#[test]
fn it_has_the_version_of_this_workspace() {
    let chart = chart();
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{key}");
    }
}

#[test]
fn it_asks_for_the_oldest_kubernetes_that_is_served() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kubernetes");
    let script = std::fs::read_to_string(script).unwrap();
    let oldest = script.lines().find_map(|line| line.strip_prefix("oldest=")).unwrap();
    assert_eq!(chart()["kubeVersion"], format!(">={oldest}.0-0"));
}

#[tokio::test]
async fn its_example_is_a_resource() {
    let control_plane = ControlPlane::shared().await;
    let chart = chart();
    let annotation = |name: &str| {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str();
        serde_saphyr::from_str::<Vec<Value>>(text.expect(name)).expect("YAML")
    };
    let examples = Documents(annotation("crdsExamples"));
    assert_eq!(examples.0.len(), 1);
    let own = control_plane.namespace("example").await;
    assert_eq!(refusal(control_plane, &examples, &own).await, None);
    let [definition] = &annotation("crds")[..] else {
        panic!("one definition");
    };
    assert_eq!(definition["kind"], crds::KIND);
    let version = definition["version"].as_str().unwrap();
    assert_eq!(format!("{}/{version}", crds::GROUP), crds::API_VERSION);
}

/// Paths of all keys, `/image/tag`; what is below a key with no keys of ours is left out.
fn keys(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    let Some(object) = value.as_object().filter(|object| !object.is_empty() || at.is_empty()) else {
        into.insert(at.to_owned());
        return;
    };
    for (key, value) in object {
        keys(value, &format!("{at}/{key}"), into);
    }
}

/// Whether the schema has no keys of its own there: labels, or something of Kubernetes.
fn is_free(schema: &Value, path: &str) -> bool {
    let mut at = schema;
    for key in path.split('/').skip(1) {
        let Some(properties) = at.get("properties") else {
            return true;
        };
        at = properties
            .get(key)
            .unwrap_or_else(|| panic!("{path}: the schema does not know {key}"));
    }
    false
}

/// Paths of all keys that the schema knows.
fn properties(schema: &Value, at: &str, into: &mut Vec<String>) {
    match schema["properties"].as_object() {
        Some(object) => {
            for (key, value) in object {
                properties(value, &format!("{at}/{key}"), into);
            }
        }
        None => into.push(at.to_owned()),
    }
}

#[test]
fn schema_and_values_have_the_same_keys() {
    let schema = read(&Path::new(CHART).join("values.schema.json"));
    let values = read(&Path::new(CHART).join("values.yaml"));
    let mut stated = BTreeSet::new();
    keys(&values, "", &mut stated);
    for path in &stated {
        is_free(&schema, path);
    }
    let mut known = Vec::new();
    properties(&schema, "", &mut known);
    // For charts that depend on this one; and what Kubernetes has beside what is asked for.
    for more in ["/global", "/enabled", "/resources/claims"] {
        known.retain(|path| path != more);
    }
    for path in known {
        let mut at = &values;
        for key in path.split('/').skip(1) {
            at = at.get(key).unwrap_or_else(|| panic!("values.yaml has no {path}"));
        }
    }
}

#[test]
fn each_value_is_described() {
    let readme = std::fs::read_to_string(Path::new(CHART).join("README.md")).unwrap();
    // A row of helm-docs: key, type, default, description.
    let described: BTreeSet<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .filter(|(_, rest)| rest.rsplit_once(" | ").is_some_and(|(_, words)| words.contains(' ')))
        .map(|(key, _)| key)
        .collect();
    let mut stated = BTreeSet::new();
    keys(&read(&Path::new(CHART).join("values.yaml")), "", &mut stated);
    for path in stated {
        let key = path.trim_start_matches('/').replace('/', ".");
        let within = |known: &&str| key == **known || key.starts_with(&format!("{known}."));
        assert!(described.iter().any(within), "{key} has no comment");
    }
}

#[test]
fn each_value_is_set_by_a_case() {
    let schema = read(&Path::new(CHART).join("values.schema.json"));
    let mut stated = BTreeSet::new();
    keys(&read(&Path::new(CHART).join("values.yaml")), "", &mut stated);
    let mut set = BTreeSet::new();
    for case in cases() {
        if let Some(file) = case.values {
            keys(&read(&file), "", &mut set);
        }
    }
    let touched = |path: &String| {
        set.iter()
            .any(|other| other == path || other.starts_with(&format!("{path}/")))
    };
    let untouched: Vec<_> = stated
        .iter()
        .filter(|path| !is_free(&schema, path) && !touched(path))
        .collect();
    assert!(untouched.is_empty(), "no case sets {untouched:?}");
}
