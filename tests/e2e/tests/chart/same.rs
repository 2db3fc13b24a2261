//! Helm and kustomize install the same.

use std::path::Path;

use e2e::{
    control_plane::{
        ControlPlane,
        rights::{DEPLOY, NAME},
    },
    helm::{Documents, Helm},
};
use serde_json::{Value, json};

/// What an overlay with components of `deploy` is.
pub(super) async fn kustomized(overlay: &str, components: &[&str]) -> Documents {
    let folder = tempfile::tempdir().unwrap();
    // kustomize takes no absolute paths.
    let deploy = std::fs::canonicalize(DEPLOY).unwrap();
    let here = std::fs::canonicalize(folder.path()).unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let deploy = Path::new(&up).join(deploy.strip_prefix("/").unwrap());
    let path = |part: String| deploy.join(part).to_string_lossy().into_owned();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [path(format!("overlays/{overlay}"))],
        "components": components.iter().map(|name| path(format!("components/{name}"))).collect::<Vec<_>>(),
    });
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let admin = ControlPlane::shared().await.admin();
    let outcome = admin
        .kubectl(&["kustomize", &folder.path().to_string_lossy()])
        .await
        .exits(0);
    Documents::of(&outcome.stdout)
}

/// A document without what each of the two labels and names in its own way: labels, and selectors by them.
fn bare(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(metadata) = document["metadata"].as_object_mut() {
        metadata.remove("annotations");
        let aggregates = |name: &str| name.starts_with("rbac.authorization.k8s.io/") || name == "grafana_dashboard";
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|name, _| aggregates(name));
        }
        if metadata.get("labels").is_some_and(|labels| labels == &json!({})) {
            metadata.remove("labels");
        }
    }
    for pointer in ["/spec/selector", "/spec/template/metadata/labels"] {
        if let Some(found) = document.pointer_mut(pointer) {
            *found = json!("by labels");
        }
    }
    document
}

fn compared(documents: &Documents) -> Vec<(String, Value)> {
    let names = documents.names().into_iter();
    let mut all: Vec<(String, Value)> = names.zip(documents.0.iter().map(bare)).collect();
    // Helm makes the namespace by a flag of its own.
    all.retain(|(name, _)| !name.starts_with("Namespace/"));
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

fn assert_same(kustomized: &Documents, rendered: &Documents) {
    let (kustomized, rendered) = (compared(kustomized), compared(rendered));
    let names = |all: &[(String, Value)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&kustomized), names(&rendered));
    for ((name, left), (_, right)) in kustomized.iter().zip(&rendered) {
        let pretty = |value| serde_json::to_string_pretty(value).unwrap();
        assert_eq!(
            left,
            right,
            "{name}: kustomize\n{}\nHelm\n{}",
            pretty(left),
            pretty(right)
        );
    }
}

#[tokio::test]
async fn for_all_namespaces() {
    let rendered = Helm::offline().await.documents(&[]).await;
    assert_same(&kustomized("cluster", &[]).await, &rendered);
}

#[tokio::test]
async fn for_its_own_namespace() {
    let rendered = Helm::offline()
        .await
        .documents(&[&format!("watchNamespaces={{{NAME}}}")])
        .await;
    let mut kustomized = kustomized("namespaced", &[]).await;
    // A variable stands for the namespace that kustomize does not know.
    for document in &mut kustomized.0 {
        if let Some(container) = document.pointer_mut("/spec/template/spec/containers/0") {
            let environment = container["env"].as_array_mut().unwrap();
            let own = environment.pop().unwrap();
            assert_eq!(own["name"], "POD_NAMESPACE");
            let last = container["args"].as_array_mut().unwrap().last_mut().unwrap();
            assert_eq!(last, "--watch-namespaces=$(POD_NAMESPACE)");
            *last = json!(format!("--watch-namespaces={NAME}"));
        }
    }
    assert_same(&kustomized, &rendered);
}

#[tokio::test]
async fn with_monitoring() {
    let settings = [
        "serviceMonitor.enabled=true",
        "prometheusRule.enabled=true",
        "dashboards.enabled=true",
    ];
    let rendered = Helm::offline().await.documents(&settings).await;
    let components = ["service-monitor", "alerts", "dashboards"];
    assert_same(&kustomized("cluster", &components).await, &rendered);
}

#[tokio::test]
async fn with_a_volume() {
    let rendered = Helm::offline().await.documents(&["sqlite.enabled=true"]).await;
    assert_same(&kustomized("cluster", &["sqlite"]).await, &rendered);
}

#[tokio::test]
async fn the_chart_has_the_definition_that_is_shipped() {
    let shipped = Documents::of(&std::fs::read_to_string(e2e::control_plane::DEFINITION).unwrap());
    let [shipped] = &shipped.0[..] else {
        panic!("one document");
    };
    let helm = Helm::offline().await;
    let rendered = helm.documents(&[]).await;
    let name = shipped["metadata"]["name"].as_str().unwrap();
    let definition = rendered.one("CustomResourceDefinition", name);
    assert_eq!(definition["spec"], shipped["spec"]);
    assert_eq!(
        definition["metadata"]["annotations"],
        json!({"helm.sh/resource-policy": "keep"})
    );
    let goes = helm.documents(&["crds.keep=false"]).await;
    assert!(
        goes.one("CustomResourceDefinition", name)["metadata"]
            .get("annotations")
            .is_none()
    );
    let none = helm.documents(&["crds.install=false"]).await;
    assert!(none.of_kind("CustomResourceDefinition").is_empty());
}
