//! The life of a release on a real API server, with the real helm: install, upgrade, rollback, uninstall.

use std::path::Path;

use e2e::{
    binary::until,
    control_plane::ControlPlane,
    helm::{CHART, Helm, copied},
};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::json;

use super::RELEASE;

const DEFINITION: &str = "salesforcereplicators.salesforce-replicator.io";

/// What kubectl calls the resource.
const SHOWN: &str = "salesforcereplicator.salesforce-replicator.io/crm";

const RESOURCE: &str = "
apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {name: crm, namespace: default}
spec:
  connection: {auth: {password: {secretRef: {name: crm-salesforce}}}}
  destination: {postgres: {secretRef: {name: crm-database}}}
  objects: [{name: Contact}]
";

/// A control plane of its own, without the definition, and helm.
struct Place {
    control_plane: ControlPlane,
    helm: Helm,
}

impl Place {
    async fn new() -> Self {
        let control_plane = ControlPlane::start().await;
        let helm = Helm::of(control_plane.admin()).await;
        let place = Self { control_plane, helm };
        place.kubectl(&["delete", "crd", DEFINITION]).await;
        place
    }

    async fn kubectl(&self, arguments: &[&str]) -> String {
        self.control_plane.admin().kubectl(arguments).await.exits(0).stdout
    }

    /// helm in the namespace of the release.
    async fn helm(&self, arguments: &[&str]) -> String {
        let all = [arguments, &["--namespace", "replication"]].concat();
        self.helm.run(&all).await.exits(0).stdout
    }

    async fn definition(&self) -> Option<CustomResourceDefinition> {
        let api: Api<CustomResourceDefinition> = Api::all(self.control_plane.client());
        api.get_opt(DEFINITION).await.unwrap()
    }

    async fn deployment(&self) -> Option<Deployment> {
        let api: Api<Deployment> = Api::namespaced(self.control_plane.client(), "replication");
        api.get_opt(RELEASE).await.unwrap()
    }

    async fn established(&self) {
        let crd = format!("crd/{DEFINITION}");
        self.kubectl(&["wait", "--for=condition=Established", "--timeout=2m", &crd])
            .await;
    }
}

/// A later version of the chart, with a changed definition.
fn later(folder: &Path) -> String {
    let chart = folder.join("later");
    copied(&chart);
    let change = |file: &str, from: &str, to: &str| {
        let file = chart.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{}", file.display());
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    };
    change("Chart.yaml", "\nversion: ", "\nversion: 1");
    change(
        "files/crds/salesforcereplicator.yaml",
        "  - additionalPrinterColumns:\n",
        "  - additionalPrinterColumns:\n    - {name: Later, type: string, jsonPath: .metadata.uid}\n",
    );
    chart.to_string_lossy().into_owned()
}

/// Whether the definition is that of the later chart.
async fn is_later(place: &Place) -> bool {
    let definition = place.definition().await.expect("it is installed");
    let columns = definition.spec.versions[0].additional_printer_columns.clone();
    columns.unwrap_or_default().iter().any(|column| column.name == "Later")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_lives_and_what_it_served_outlives_it() {
    let place = Place::new().await;
    let folder = tempfile::tempdir().unwrap();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "replication",
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
    }});
    place.control_plane.admin().apply(&namespace.to_string()).await;

    let told = place.helm(&["install", RELEASE, CHART]).await;
    assert!(
        told.contains("serves SalesforceReplicator resources in all namespaces"),
        "{told}"
    );
    assert!(
        told.contains("kubectl rollout status deployment/salesforce-replicator"),
        "{told}"
    );
    assert!(!told.contains("WARNING"), "{told}");
    place.established().await;
    place.control_plane.admin().apply(RESOURCE).await;
    // Pod Security lets it in, or there is none.
    let pods: Api<Pod> = Api::namespaced(place.control_plane.client(), "replication");
    until("there is a pod", async || {
        !pods.list(&ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;

    let chart = later(folder.path());
    let told = place
        .helm(&["upgrade", RELEASE, &chart, "--set", "replicaCount=2"])
        .await;
    assert!(told.contains("REVISION: 2"), "{told}");
    assert!(is_later(&place).await, "the definition is upgraded, too");
    assert_eq!(place.deployment().await.unwrap().spec.unwrap().replicas, Some(2));
    assert!(
        place
            .kubectl(&["get", "pdb", "--namespace", "replication"])
            .await
            .contains(RELEASE)
    );

    place.helm(&["rollback", RELEASE, "1"]).await;
    assert!(!is_later(&place).await, "the definition is that of the first release");
    assert_eq!(place.deployment().await.unwrap().spec.unwrap().replicas, Some(1));
    assert_eq!(
        place.kubectl(&["get", "sfr", "crm", "--output", "name"]).await.trim(),
        SHOWN
    );

    place.helm(&["uninstall", RELEASE]).await;
    assert!(place.deployment().await.is_none());
    let left = "clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,services,pdb";
    let selector = format!("app.kubernetes.io/instance={RELEASE}");
    let get = [
        "get",
        left,
        "--all-namespaces",
        "--selector",
        &selector,
        "--output",
        "name",
    ];
    assert_eq!(place.kubectl(&get).await, "", "only the definition stays");
    assert_eq!(
        place.kubectl(&["get", "sfr", "crm", "--output", "name"]).await.trim(),
        SHOWN
    );

    // It comes back to what stayed, under the same name.
    place.helm(&["install", RELEASE, CHART]).await;
    assert_eq!(
        place.kubectl(&["get", "sfr", "crm", "--output", "name"]).await.trim(),
        SHOWN
    );

    // Somebody may wish otherwise.
    let told = place
        .helm(&["upgrade", RELEASE, CHART, "--set", "crds.keep=false"])
        .await;
    assert!(
        told.contains("deletes every SalesforceReplicator of the cluster"),
        "{told}"
    );
    place.helm(&["uninstall", RELEASE]).await;
    until("the definition is gone", async || place.definition().await.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_gets_a_volume_and_leaves_it_behind() {
    let place = Place::new().await;
    let strategy = async || {
        let spec = place.deployment().await.expect("it is there").spec.unwrap();
        spec.strategy.unwrap().type_.unwrap()
    };
    place.helm(&["install", RELEASE, CHART, "--create-namespace"]).await;
    assert_eq!(strategy().await, "RollingUpdate");
    place
        .helm(&["upgrade", RELEASE, CHART, "--set", "sqlite.enabled=true"])
        .await;
    assert_eq!(strategy().await, "Recreate");
    place.helm(&["upgrade", RELEASE, CHART, "--reset-values"]).await;
    assert_eq!(strategy().await, "RollingUpdate");
    let claim = [
        "get",
        "pvc",
        "salesforce-replicator-sqlite",
        "--namespace",
        "replication",
    ];
    place.kubectl(&claim).await;
    place.helm(&["uninstall", RELEASE]).await;
    place.kubectl(&claim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_kubectl_installed_is_taken_over_or_left_alone() {
    let place = Place::new().await;
    place.control_plane.install_definition().await;
    let install = [
        "install",
        RELEASE,
        CHART,
        "--namespace",
        "replication",
        "--create-namespace",
    ];
    let refused = place.helm.run(&install).await;
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.stderr.contains("invalid ownership metadata"),
        "{}",
        refused.stderr
    );

    let install = [
        "install",
        RELEASE,
        CHART,
        "--create-namespace",
        "--set",
        "crds.install=false",
    ];
    place.helm(&install).await;
    place.helm(&["uninstall", RELEASE]).await;
    assert!(place.definition().await.is_some(), "it was not the release's");

    // Even where it is an older one.
    let older = std::fs::read_to_string(e2e::control_plane::DEFINITION).unwrap();
    let older = older.replace("    - sfr\n", "    - sfr\n    - older\n");
    place.control_plane.admin().apply(&older).await;
    let mut install = vec!["install", RELEASE, CHART, "--take-ownership"];
    if place.helm.major().await > 3 {
        install.push("--force-conflicts");
    }
    place.helm(&install).await;
    let names = place.definition().await.unwrap().spec.names.short_names;
    assert_eq!(names.unwrap_or_default(), ["sfr"]);
    let owner = place.definition().await.unwrap().annotations()["meta.helm.sh/release-name"].clone();
    assert_eq!(owner, RELEASE);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_without_the_definition_says_that_it_waits_for_it() {
    let place = Place::new().await;
    let settings = "crds.install=false,rbac.create=false,watchNamespaces={telephony}";
    let told = place
        .helm(&["install", RELEASE, CHART, "--create-namespace", "--set", settings])
        .await;
    for text in [
        "resources in the namespace telephony.",
        "kubectl apply --namespace telephony -f crm.yaml",
        "WARNING: the definition is not there",
        "WARNING: rbac.create is false",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
}
