//! A real API server takes what each way renders, without a warning.

use std::{process::Stdio, sync::OnceLock};

use e2e::{
    control_plane::ControlPlane,
    helm::{Documents, Helm},
};
use serde_json::{Value, json};

use super::cases;

/// The folder with the definitions of the Prometheus Operator.
fn prometheus_operator() -> &'static str {
    static FOLDER: OnceLock<String> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/prometheus-operator");
        let found = std::process::Command::new(script).stderr(Stdio::inherit()).output();
        let found = found.expect("scripts/prometheus-operator starts");
        assert!(found.status.success(), "scripts/prometheus-operator says why");
        String::from_utf8(found.stdout).expect("UTF-8").trim_end().to_owned()
    })
}

/// Lets the API server know what the Prometheus Operator knows.
pub(super) async fn with_prometheus_operator(control_plane: &ControlPlane) {
    for plural in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let file = format!("{}/monitoring.coreos.com_{plural}.yaml", prometheus_operator());
        let apply = ["apply", "--server-side", "-f", &file];
        let applied = control_plane.admin().kubectl(&apply).await;
        assert_eq!(applied.code, Some(0), "{}", applied.stderr);
        let name = format!("crd/{plural}.monitoring.coreos.com");
        let wait = ["wait", "--for=condition=Established", "--timeout=2m", &name];
        let served = control_plane.admin().kubectl(&wait).await;
        assert_eq!(served.code, Some(0), "{}", served.stderr);
    }
}

/// What stands against documents, if anything. Pods are held against the Pod Security Standard "restricted".
pub(super) async fn refusal(control_plane: &ControlPlane, documents: &Documents, own: &str) -> Option<String> {
    let mut namespaces: Vec<&str> = documents
        .0
        .iter()
        .filter_map(|document| document["metadata"]["namespace"].as_str())
        .collect();
    namespaces.push(own);
    let namespaces: Vec<Value> = namespaces
        .into_iter()
        .map(|name| {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": name,
                "labels": {"pod-security.kubernetes.io/warn": "restricted"},
            }})
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": namespaces});
    control_plane.admin().apply(&list.to_string()).await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("documents.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": documents.0});
    std::fs::write(&file, list.to_string()).expect("there is room for a file");
    let file = file.to_string_lossy();
    let mut arguments = vec!["apply", "--server-side", "--force-conflicts", "--dry-run=server"];
    arguments.extend(["--validate=strict", "-f", &file]);
    let outcome = control_plane.admin().kubectl(&arguments).await;
    (outcome.code != Some(0) || !outcome.stderr.is_empty()).then_some(outcome.stderr)
}

#[tokio::test]
async fn an_api_server_takes_each_way_without_a_warning() {
    let control_plane = ControlPlane::shared().await;
    with_prometheus_operator(control_plane).await;
    let helm = Helm::offline().await;
    let own = control_plane.namespace("chart").await;
    for case in cases() {
        let documents = case.documents(&helm, &own).await;
        assert_eq!(refusal(control_plane, &documents, &own).await, None, "{}", case.name);
    }
    // An unknown field and a pod that is not restricted are noticed.
    let plain = helm.documents(&[]).await;
    let changed = |pointer: &str, value: Value| {
        let mut documents = plain.clone();
        let deployment = documents.0.iter_mut().find(|document| document["kind"] == "Deployment");
        let spec = deployment.expect("a deployment").pointer_mut("/spec/template/spec");
        *spec.expect("a pod").pointer_mut(pointer).expect("it is there") = value;
        documents
    };
    let unknown = changed("/containers/0/livenessProbe", json!({"htpGet": {}}));
    let refused = refusal(control_plane, &unknown, &own).await.expect("a refusal");
    assert!(refused.contains("htpGet"), "{refused}");
    let root = changed("/securityContext", json!({}));
    let warned = refusal(control_plane, &root, &own).await.expect("a warning");
    assert!(warned.contains("would violate PodSecurity"), "{warned}");
}

#[tokio::test]
async fn helm_finds_nothing_to_complain_of() {
    let helm = Helm::offline().await;
    for case in cases() {
        let values = case.values.map(|file| file.to_string_lossy().into_owned());
        let mut arguments = vec!["lint", "--strict", "--quiet", e2e::helm::CHART];
        arguments.extend(["--kube-version", e2e::helm::KUBERNETES]);
        arguments.extend(values.iter().flat_map(|file| ["--values", file]));
        let outcome = helm.run(&arguments).await.exits(0);
        assert!(!outcome.all().contains("[WARNING]"), "{}: {}", case.name, outcome.all());
    }
}
