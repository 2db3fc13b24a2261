//! What the API server may answer: each is met once, nothing is lost, and nobody asks in a loop.

use e2e::{
    binary::until,
    gate::{Answer, Gate},
    operator::Site,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::site;

const REPLICATORS: &str = "/salesforcereplicators";
const STATUS: &str = "/salesforcereplicators/crm/status";
const LEASE: &str = "/leases/";

/// Passes that failed, by reason.
const CONFLICTS: &str = r#"salesforce_replicator_reconciliation_errors_total{reason="Conflict"}"#;
const FAILURES: &str = r#"salesforce_replicator_reconciliation_errors_total{reason="ApiServer"}"#;
const RESTARTS: &str = r#"salesforce_replicator_watch_restarts_total{kind="SalesforceReplicator"}"#;

/// A site whose operator comes through a gate.
async fn gated(name: &str) -> (Site, Gate) {
    let mut site = site(name).await;
    let (user, gate) = Gate::of(&site.user).await;
    site.user = user;
    (site, gate)
}

async fn ready(site: &Site) {
    site.until_condition("Ready", "True/UpToDate").await;
}

/// A run that is asked for by hand is made.
async fn runs(site: &Site, manual: &str) {
    site.patch(json!({"spec": {"trigger": {"manual": manual}}})).await;
    done(site, manual).await;
}

async fn done(site: &Site, manual: &str) {
    site.until("the run that was asked for is made", |status| {
        status.last_manual_run.as_deref() == Some(manual)
    })
    .await;
}

/// Requests of a verb for the resource that the API server has seen from the operator.
fn seen(site: &Site, verb: &str, resource: &str) -> usize {
    let requests = site.plane.requests_of(&site.user);
    let is = |request: &&e2e::control_plane::audit::Request| request.verb == verb && request.resource == resource;
    requests.iter().filter(is).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_somebody_changed_between_read_and_write_is_read_again() {
    let (mut site, gate) = gated("conflict").await;
    site.stage.resource.more += "  deletionPolicy: Delete\n";
    let operator = site.operator(&["--no-leader-election"]).await;
    let held = gate.hold("PATCH", "/salesforcereplicators/crm?");
    site.apply().await;
    held.reached().await;
    // The finalizer is on its way, with the version that was read.
    site.patch(json!({"metadata": {"finalizers": ["example.com/other"]}}))
        .await;
    held.let_go();
    ready(&site).await;
    let mut finalizers = site.resource().await.metadata.finalizers.unwrap_or_default();
    finalizers.sort();
    assert_eq!(finalizers, ["example.com/other", "salesforce-replicator.io/cleanup"]);
    assert_eq!(operator.metric(CONFLICTS).await, Some(1.0));
    assert_eq!(
        seen(&site, "patch", "salesforcereplicators"),
        2,
        "the one that failed, and one more"
    );
    site.patch(json!({"metadata": {"finalizers": null}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_somebody_changed_between_read_and_write_is_read_again_and_kept() {
    let (site, gate) = gated("lease-conflict").await;
    let operator = site.begin().await;
    ready(&site).await;
    let leases: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
        kube::Api::namespaced(site.plane.client(), &site.namespace);
    let lease = async || leases.get("salesforce-replicator").await.unwrap();
    let before = lease().await.spec.unwrap();
    let held = gate.hold("PUT", LEASE);
    held.reached().await;
    let note = Patch::Merge(json!({"metadata": {"annotations": {"example.com/note": "1"}}}));
    let params = PatchParams::default();
    leases.patch("salesforce-replicator", &params, &note).await.unwrap();
    held.let_go();
    until("the Lease is renewed", async || {
        let after = lease().await;
        let is_noted = after
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|notes| notes.contains_key("example.com/note"));
        is_noted && after.spec.is_some_and(|after| after.renew_time > before.renew_time)
    })
    .await;
    let conflicts = || {
        let requests = site.plane.requests_of(&site.user);
        requests
            .iter()
            .filter(|request| request.resource == "leases" && request.code == 409)
            .count()
    };
    until("the conflict is in the log", async || conflicts() == 1).await;
    let after = lease().await.spec.unwrap();
    assert_eq!(after.holder_identity, before.holder_identity);
    assert_eq!(after.lease_transitions, before.lease_transitions);
    assert_eq!(operator.metric("salesforce_replicator_leader").await, Some(1.0));
    runs(&site, "after").await;
    assert_eq!(operator.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_cut_in_mid_object_and_whose_history_is_gone_begins_anew_and_misses_nothing() {
    let (site, gate) = gated("gone").await;
    let operator = site.operator(&["--no-leader-election"]).await;
    site.apply().await;
    ready(&site).await;
    let (lists, watches) = (
        seen(&site, "list", "salesforcereplicators"),
        seen(&site, "watch", "salesforcereplicators"),
    );
    gate.answer("GET", "salesforcereplicators?&watch=true", [Answer::gone()]);
    gate.cut_next_event();
    // The half of this event is all that arrives of it.
    site.patch(json!({"spec": {"trigger": {"manual": "meanwhile"}}})).await;
    done(&site, "meanwhile").await;
    assert!(gate.is_done());
    assert!(operator.metric(RESTARTS).await.unwrap() >= 1.0);
    runs(&site, "after").await;
    let lists = seen(&site, "list", "salesforcereplicators") - lists;
    let watches = seen(&site, "watch", "salesforcereplicators") - watches;
    assert!(
        (1..=2).contains(&lists) && (1..=3).contains(&watches),
        "{lists} lists, {watches} watches"
    );
    assert_eq!(operator.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_too_busy_is_asked_again_and_the_status_comes() {
    let (site, gate) = gated("busy").await;
    let operator = site.operator(&["--no-leader-election"]).await;
    let busy = || Answer::failure(429, "TooManyRequests").retry_after(1);
    gate.answer("PATCH", STATUS, [busy(), busy()]);
    gate.answer("GET", "/secrets/", [busy()]);
    site.apply().await;
    ready(&site).await;
    runs(&site, "after").await;
    assert!(gate.is_done());
    let failed = operator.metric(FAILURES).await.unwrap();
    assert!(failed <= 3.0, "{failed} passes failed");
    assert_eq!(operator.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_fails_is_asked_again_after_a_pause_and_the_status_comes() {
    let (site, gate) = gated("failing").await;
    let operator = site.operator(&["--no-leader-election"]).await;
    site.apply().await;
    ready(&site).await;
    let fails = || Answer::failure(500, "InternalError");
    gate.answer("PATCH", STATUS, [fails(), fails(), fails()]);
    gate.answer("POST", "/events", [fails()]);
    let id = site.stage.org.id("Account", 0).unwrap();
    site.stage.org.update("Account", &id, &[("Name", "Seeblick")]).unwrap();
    site.patch(json!({"spec": {"trigger": {"manual": "after"}}})).await;
    done(&site, "after").await;
    until("each failure is met", async || gate.is_done()).await;
    assert_eq!(operator.metric(FAILURES).await, Some(3.0), "each fails one pass");
    let row = format!("SELECT display_name FROM salesforce.account WHERE salesforce_id = '{id}'");
    assert_eq!(
        site.stage.database().query(&row).await[0][0].as_deref(),
        Some("Seeblick")
    );
    let lost = "salesforce_replicator_event_publish_failures_total";
    until("the event that was lost is counted", async || {
        operator.metric(lost).await == Some(1.0)
    })
    .await;
    assert_eq!(operator.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_is_made_again() {
    let (site, gate) = gated("list-fails").await;
    gate.answer("GET", REPLICATORS, [Answer::failure(500, "InternalError")]);
    let operator = site.operator(&["--no-leader-election"]).await;
    site.apply().await;
    ready(&site).await;
    assert!(gate.is_done());
    let listed: Value = serde_json::to_value(site.status().await).unwrap();
    assert_eq!(listed["objectsReady"], "2/2");
    assert_eq!(operator.stop().await.code, Some(0));
}
