//! A resource of a newer version, whose status or spec this one cannot read.

use e2e::{
    binary::until,
    control_plane::{ControlPlane, rights::Scope},
    gate::{Gate, Held},
    operator::{Operator, Site},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use simulator::{Rule, What};

use super::site;

/// The resource, whatever is in it.
async fn raw(site: &Site) -> Option<Value> {
    let kind = ApiResource::erase::<crds::SalesforceReplicator>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(site.plane.client(), &site.namespace, &kind);
    let object = api.get_opt(site.name()).await.unwrap()?;
    Some(json!({"metadata": object.metadata, "status": object.data["status"]}))
}

fn condition(resource: &Value, of: &str) -> Value {
    let conditions = resource["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let condition = conditions.into_iter().find(|condition| condition["type"] == of);
    condition.unwrap_or_default()
}

/// Objects in a phase that this version does not know.
async fn status_of_a_newer_version(site: &Site) {
    let mut objects = raw(site).await.unwrap()["status"]["objects"].clone();
    for object in objects.as_array_mut().unwrap() {
        object["phase"] = json!("Sleeping");
    }
    let patch = Patch::Merge(json!({"status": {"objects": objects}}));
    let kind = ApiResource::erase::<crds::SalesforceReplicator>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(site.plane.client(), &site.namespace, &kind);
    until("the API server takes it", async || {
        let patched = api.patch_status(site.name(), &PatchParams::default(), &patch).await;
        patched.is_ok()
    })
    .await;
}

/// A policy that the API server takes and this version does not know.
async fn write_of_a_newer_version(site: &Site) {
    let patch = Patch::Merge(json!({"spec": {"deletionPolicy": "Archive"}}));
    let kind = ApiResource::erase::<crds::SalesforceReplicator>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(site.plane.client(), &site.namespace, &kind);
    until("the API server takes it", async || {
        api.patch(site.name(), &PatchParams::default(), &patch).await.is_ok()
    })
    .await;
}

/// Words that the API server takes and this version does not know.
async fn definition_of_a_newer_version(plane: &ControlPlane) {
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties";
    let newer = json!([
        {"op": "add", "path": format!("{schema}/spec/properties/deletionPolicy/enum/-"), "value": "Archive"},
        {"op": "add", "path": format!("{schema}/status/properties/objects/items/properties/phase/enum/-"), "value": "Sleeping"},
    ]);
    let newer = newer.to_string();
    let definition = "salesforcereplicators.salesforce-replicator.io";
    let patched = plane
        .admin()
        .kubectl(&["patch", "crd", definition, "--type=json", "-p", &newer])
        .await;
    assert_eq!(patched.code, Some(0), "{}", patched.stderr);
}

/// A run of all objects that ends while a status is on its way, so that the next one would tell of it. Gives the one that is held.
async fn run_that_no_status_tells(site: &Site, operator: &Operator, gate: &Gate, objects: usize) -> Held {
    let runs = async || {
        let ended = "salesforce_replicator_run_duration_seconds_count{";
        let metrics = operator.metrics().await;
        let counts = metrics.lines().filter(|line| line.starts_with(ended));
        counts
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok())
            .sum::<usize>()
    };
    let so_far = runs().await;
    let slowly = What::Delay { milliseconds: 2000 };
    site.stage.org.add_rule(Rule::at_any(slowly));
    let held = gate.hold("PATCH", "/salesforcereplicators/crm/status");
    let patch = Patch::Merge(json!({"spec": {"trigger": {"manual": "c"}}}));
    site.api()
        .patch_metadata(site.name(), &PatchParams::default(), &patch)
        .await
        .unwrap();
    held.reached().await;
    until("it ran", async || runs().await >= so_far + objects).await;
    held
}

async fn is_let_go_by_the_annotation(site: &Site) {
    let plane = site.plane;
    let skip = json!({"metadata": {"annotations": {"salesforce-replicator.io/skip-cleanup": "true"}}});
    let deleted = plane
        .admin()
        .kubectl(&["delete", "sfr", "crm", "-n", &site.namespace, "--wait=false"])
        .await;
    assert_eq!(deleted.code, Some(0), "{}", deleted.stderr);
    site.until_event("CleanupFailed").await;
    assert!(raw(site).await.is_some(), "nobody knows whether the tables are to go");
    let kind = ApiResource::erase::<crds::SalesforceReplicator>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(plane.client(), &site.namespace, &kind);
    let patched = api.patch("crm", &PatchParams::default(), &Patch::Merge(&skip)).await;
    patched.unwrap();
    until("the resource is gone", async || raw(site).await.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_cannot_be_read_stops_nothing_and_a_spec_keeps_the_status_and_is_let_go_when_a_person_says_so() {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await));
    let mut site = site("unreadable").await;
    site.plane = plane;
    site.namespace = plane.namespace("unreadable").await;
    site.user = plane
        .operator(&site.namespace, Scope::Namespaces(&[&site.namespace]))
        .await;
    let (user, gate) = Gate::of(&site.user).await;
    site.user = user;
    definition_of_a_newer_version(plane).await;
    site.stage.resource.more += "  deletionPolicy: Delete\n";
    let operator = site.operator(&["--no-leader-election"]).await;
    site.apply().await;
    site.until_condition("Ready", "True/UpToDate").await;
    site.patch(json!({"spec": {"trigger": {"manual": "a"}}})).await;
    site.until("it ran", |status| status.last_manual_run.as_deref() == Some("a"))
        .await;
    status_of_a_newer_version(&site).await;
    let patch = Patch::Merge(json!({"spec": {"trigger": {"manual": "b"}}}));
    site.api()
        .patch_metadata(site.name(), &PatchParams::default(), &patch)
        .await
        .unwrap();
    let mut before = Value::Null;
    until("it ran, and the phase is written anew", async || {
        before = raw(&site).await.unwrap();
        before["status"]["lastManualRun"] == "b" && before["status"]["objects"][0]["phase"] == "Live"
    })
    .await;

    let objects = before["status"]["objects"].as_array().unwrap().len();
    let held = run_that_no_status_tells(&site, &operator, &gate, objects).await;
    write_of_a_newer_version(&site).await;
    held.let_go();
    let mut after = Value::Null;
    until("it says that it cannot be read", async || {
        after = raw(&site).await.unwrap();
        condition(&after, "Ready")["reason"] == "InvalidSpec"
    })
    .await;
    assert!(
        condition(&after, "Ready")["message"]
            .as_str()
            .unwrap()
            .contains("spec.deletionPolicy"),
        "{after}"
    );
    assert_eq!(after["status"]["lastManualRun"], "c", "{after}");
    for kept in ["objectsReady", "instanceUrl"] {
        assert_eq!(after["status"][kept], before["status"][kept], "{kept}");
    }
    assert_eq!(condition(&after, "Synchronizing")["reason"], "BackingOff", "{after}");
    site.until_event("InvalidSpec").await;
    let failed = r#"salesforce_replicator_reconciliation_errors_total{reason="Unreadable"}"#;
    until("the pass counts as one that failed", async || {
        operator.metric(failed).await.is_some_and(|count| count > 0.0)
    })
    .await;
    let crm = r#"replicator="crm""#;
    assert!(!operator.metrics().await.contains(crm), "its worker has ended");

    is_let_go_by_the_annotation(&site).await;
    assert_eq!(super::count(&site, "contact").await, 300);
    assert_eq!(operator.stop().await.code, Some(0));
}
