//! What is shipped for a cluster, without Helm.

use std::collections::BTreeMap;

use e2e::{
    binary::until,
    control_plane::{
        ControlPlane,
        rights::{DEPLOY, NAME, Scope, documents, electing, serving},
    },
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

const OVERLAYS: [&str; 2] = ["cluster", "namespaced"];

/// The documents of an overlay, by kind and name.
async fn rendered(overlay: &str) -> BTreeMap<(String, String), Value> {
    let admin = ControlPlane::shared().await.admin();
    let text = admin
        .kubectl(&["kustomize", &format!("{DEPLOY}/overlays/{overlay}")])
        .await
        .exits(0)
        .stdout;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let key = |document: &Value| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&document["kind"]), text(&document["metadata"]["name"]))
    };
    documents
        .into_iter()
        .map(|document| (key(&document), document))
        .collect()
}

#[tokio::test]
async fn each_overlay_is_accepted_and_its_pod_is_admitted_as_restricted() {
    let control_plane = ControlPlane::shared().await;
    let pods: Api<Pod> = Api::namespaced(control_plane.client(), NAME);
    for overlay in OVERLAYS {
        let folder = format!("{DEPLOY}/overlays/{overlay}");
        let apply = ["apply", "--server-side", "-k", &folder];
        let outcome = control_plane.admin().kubectl(&apply).await.exits(0);
        assert_eq!(outcome.stderr, "", "no warning");
        // Only a pod that Pod Security lets in is made, and this one asks for what the overlay says.
        let own = json!("--watch-namespaces=$(POD_NAMESPACE)");
        until("there is a pod", async || {
            let pods = pods.list(&ListParams::default()).await.expect("the API server answers");
            pods.iter().any(|pod| {
                let pod = serde_json::to_value(pod).expect("JSON");
                let arguments = pod.pointer("/spec/containers/0/args").and_then(Value::as_array);
                arguments.is_some_and(|arguments| arguments.contains(&own) == (overlay == "namespaced"))
            })
        })
        .await;
    }
}

#[tokio::test]
async fn a_namespaced_operator_has_no_right_on_the_cluster() {
    let kinds = |documents: &BTreeMap<(String, String), Value>| -> Vec<String> {
        documents.keys().map(|(kind, _)| kind.clone()).collect()
    };
    let cluster = kinds(&rendered("cluster").await);
    assert!(cluster.contains(&"ClusterRole".to_owned()), "{cluster:?}");
    let namespaced = kinds(&rendered("namespaced").await);
    assert!(
        !namespaced.iter().any(|kind| kind.starts_with("ClusterRole")),
        "{namespaced:?}"
    );
}

#[tokio::test]
async fn rights_are_these_and_no_more() {
    for (overlay, kind) in OVERLAYS.into_iter().zip(["ClusterRole", "Role"]) {
        let documents = rendered(overlay).await;
        let granted = |name: &str, kind: &str| documents[&(kind.to_owned(), name.to_owned())]["rules"].clone();
        assert_eq!(granted(NAME, kind), serving(), "{overlay}");
        assert_eq!(
            granted("salesforce-replicator-election", "Role"),
            electing(NAME),
            "{overlay}"
        );
        let bindings = documents
            .keys()
            .filter(|(kind, _)| kind.ends_with("RoleBinding"))
            .count();
        assert_eq!(bindings, 2, "{overlay}: the operator has no other role");
    }
}

#[tokio::test]
async fn people_with_a_role_of_kubernetes_see_or_change_replicators() {
    let control_plane = ControlPlane::shared().await;
    let people = std::fs::read_to_string(format!("{DEPLOY}/overlays/cluster/people.yaml")).expect("it is there");
    control_plane.admin().apply(&people).await;
    let namespace = control_plane.namespace("people").await;
    for (role, changes) in [("view", false), ("edit", true), ("admin", true)] {
        let person = control_plane.service_account(&namespace, role).await;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": role, "namespace": namespace}],
        });
        control_plane.admin().apply(&binding.to_string()).await;
        let may = async |verb: &str, resource: &str| {
            control_plane
                .may(&person, verb, "salesforce-replicator.io", resource, &namespace)
                .await
        };
        // Roles are put together by a controller.
        until("the role is in force", async || {
            may("list", "salesforcereplicators").await
        })
        .await;
        if changes {
            until("both roles are in force", async || {
                may("create", "salesforcereplicators").await
            })
            .await;
        }
        for verb in ["create", "update", "patch", "delete"] {
            assert_eq!(may(verb, "salesforcereplicators").await, changes, "{role} {verb}");
        }
        assert!(
            !may("patch", "salesforcereplicators/status").await,
            "{role}: status is the operator's"
        );
    }
}

#[tokio::test]
async fn the_rights_reach_as_far_as_the_scope() {
    let control_plane = ControlPlane::shared().await;
    let own = control_plane.namespace("operator").await;
    let watched = control_plane.namespace("watched").await;
    let other = control_plane.namespace("other").await;
    let narrow = control_plane.operator(&own, Scope::Namespaces(&[&watched])).await;
    let may = async |verb: &str, group: &str, resource: &str, namespace: &str| {
        control_plane.may(&narrow, verb, group, resource, namespace).await
    };
    let ours = "salesforce-replicator.io";
    assert!(may("list", ours, "salesforcereplicators", &watched).await);
    assert!(may("patch", ours, "salesforcereplicators/status", &watched).await);
    assert!(may("update", "coordination.k8s.io", "leases:salesforce-replicator", &own).await);
    for (verb, group, resource, namespace) in [
        ("list", ours, "salesforcereplicators", &other),
        ("list", ours, "salesforcereplicators", &String::new()),
        ("get", "", "secrets", &other),
        ("get", "", "secrets", &own),
        ("update", "", "secrets", &watched),
        ("delete", ours, "salesforcereplicators", &watched),
        ("update", "coordination.k8s.io", "leases:another", &own),
        ("delete", "coordination.k8s.io", "leases:salesforce-replicator", &own),
        ("create", "coordination.k8s.io", "leases", &watched),
    ] {
        assert!(
            !may(verb, group, resource, namespace).await,
            "{verb} {group}/{resource} {namespace}"
        );
    }

    let wide = control_plane.operator(&other, Scope::Cluster).await;
    for namespace in [&own, &watched, &String::new()] {
        assert!(
            control_plane
                .may(&wide, "list", ours, "salesforcereplicators", namespace)
                .await
        );
        assert!(control_plane.may(&wide, "get", "", "secrets", namespace).await);
    }
    assert!(
        !control_plane
            .may(&wide, "create", "coordination.k8s.io", "leases", &own)
            .await
    );
}

#[test]
fn the_image_has_the_version_of_this_workspace() {
    let [deployment] = &documents("base/deployment.yaml")[..] else {
        panic!("one document");
    };
    let image = deployment.pointer("/spec/template/spec/containers/0/image");
    assert_eq!(
        image,
        Some(&json!(format!("ghcr.io/{NAME}/{NAME}:{}", env!("CARGO_PKG_VERSION"))))
    );
}
