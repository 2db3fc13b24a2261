//! What the operator asks of the API server: no more than it may, and nothing at all where nothing happens.

use std::collections::BTreeSet;

use e2e::{
    binary::until,
    control_plane::{
        audit::Request,
        rights::{NAME, electing, serving},
    },
};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::site;

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_denied_and_a_resource_at_rest_causes_no_write() {
    let mut site = site("rights").await;
    site.stage.resource.more = "  trigger: {schedule: '0 3 1 1 *'}\n".to_owned();
    let operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    site.until_condition("Synchronizing", "False/WaitingForSchedule").await;
    let passes = "salesforce_replicator_reconciliations_total{outcome=\"success\"}";
    let writes = || {
        site.plane
            .requests_of(&site.user)
            .into_iter()
            .filter(|request| request.writes() && request.resource != "leases")
            .count()
    };
    until("all was told", async || {
        site.plane
            .requests_of(&site.user)
            .iter()
            .any(|request| request.resource == "events")
    })
    .await;
    let (before, so_far) = (writes(), operator.metric(passes).await.unwrap());
    // An annotation that says nothing to us makes a pass, and changes nothing.
    for number in 0..3 {
        site.patch(json!({"metadata": {"annotations": {"example.com/note": number.to_string()}}}))
            .await;
        until("a pass", async || {
            operator.metric(passes).await.unwrap() > so_far + f64::from(number)
        })
        .await;
    }
    assert_eq!(writes(), before);
    let denied: BTreeSet<String> = site
        .plane
        .requests_of(&site.user)
        .into_iter()
        .filter(|request| request.code == 403 || request.code == 401)
        .map(|request| format!("{} {}", request.verb, request.resource))
        .collect();
    assert!(denied.is_empty(), "{denied:?}");
}

/// What rules allow, each verb of each resource apart.
fn allowed(rules: &Value) -> BTreeSet<String> {
    let listed = |rule: &Value, key: &str| -> Vec<String> {
        let values = rule[key].as_array().into_iter().flatten();
        values.map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let rules = rules.as_array().into_iter().flatten();
    rules
        .flat_map(|rule| {
            let verbs = listed(rule, "verbs");
            listed(rule, "resources")
                .into_iter()
                .flat_map(move |resource| verbs.clone().into_iter().map(move |verb| format!("{verb} {resource}")))
        })
        .collect()
}

fn asked(request: &Request) -> String {
    format!("{} {}", request.verb, request.resource)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_life_each_right_that_is_shipped_is_used_and_no_request_is_denied() {
    let mut site = site("lifelong").await;
    site.stage.resource.more += "  deletionPolicy: Delete\n";
    let operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    site.patch(json!({"spec": {"suspend": true}})).await;
    site.until_condition("Suspended", "True/Active").await;
    site.patch(json!({"spec": {"suspend": false}})).await;
    site.until_condition("Suspended", "False/AsExpected").await;
    site.set_secret("database", json!({"url": "postgres://nobody:x@127.0.0.1:1/nothing"}))
        .await;
    site.until_condition("DestinationReady", "False/ConnectionFailed").await;
    site.api().delete("crm", &DeleteParams::default()).await.unwrap();
    let requests = || site.plane.requests_of(&site.user);
    // What is told again and again is one event, counted.
    until("cleanup has failed twice", async || {
        requests().iter().any(|request| asked(request) == "patch events")
    })
    .await;
    site.patch(json!({"metadata": {"annotations": {"salesforce-replicator.io/skip-cleanup": "true"}}}))
        .await;
    until("the resource is gone", async || {
        site.api().get_opt("crm").await.unwrap().is_none()
    })
    .await;
    assert_eq!(operator.stop().await.code, Some(0));

    let mut used = BTreeSet::new();
    until("the audit log has the Lease's release", async || {
        let requests = requests();
        let denied: BTreeSet<String> = requests
            .iter()
            .filter(|request| request.code == 401 || request.code == 403)
            .map(asked)
            .collect();
        assert!(denied.is_empty(), "{denied:?}");
        used = requests.iter().map(asked).collect();
        used.contains("update leases")
    })
    .await;
    let mut shipped = allowed(&serving());
    shipped.extend(allowed(&electing(NAME)));
    let unused: BTreeSet<_> = shipped.difference(&used).collect();
    assert!(unused.is_empty(), "{unused:?}");
}
