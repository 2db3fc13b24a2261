//! What the operator asks of the API server: no more than it may, and nothing at all where nothing happens.

use std::collections::BTreeSet;

use e2e::binary::until;
use serde_json::json;

use super::site;

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_denied_and_a_resource_at_rest_causes_no_write() {
    let mut site = site("rights").await;
    site.stage.resource.more = "  trigger: {schedule: '0 3 1 1 *'}\n".to_owned();
    let operator = site.operator(&[]).await;
    site.apply().await;
    site.until_condition("Ready", "True/UpToDate").await;
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
