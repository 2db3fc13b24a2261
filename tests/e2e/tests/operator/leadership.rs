//! Two operators and one Lease.

use e2e::binary::until;
use serde_json::json;

use super::{count, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_hands_the_lease_over_at_once() {
    let site = site("rolling").await;
    let first = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    let second = site.operator(&[]).await;
    until("the standby is ready", async || second.get("/readyz").await.0 == 200).await;
    assert_eq!(second.metric("salesforce_replicator_leader").await, Some(0.0));
    assert!(
        !second.metrics().await.contains("replicator=\"crm\""),
        "who does not lead exports no series"
    );
    assert_eq!(first.stop().await.code, Some(0));
    until("the standby leads", async || {
        second.metric("salesforce_replicator_leader").await == Some(1.0)
    })
    .await;
    site.patch(json!({"spec": {"trigger": {"manual": "second"}}})).await;
    site.until("the second one works", |status| {
        status.last_manual_run.as_deref() == Some("second")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_and_continued_writes_nothing_and_ends() {
    let site = site("stalled").await;
    let first = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    let second = site.operator(&[]).await;
    first.signal("STOP").await;
    until("the standby leads", async || {
        second.metric("salesforce_replicator_leader").await == Some(1.0)
    })
    .await;
    let id = site.stage.org.id("Account", 0).unwrap();
    site.stage.org.update("Account", &id, &[("Name", "Seeblick")]).unwrap();
    site.patch(json!({"spec": {"trigger": {"manual": "second"}}})).await;
    site.until("the second one works", |status| {
        status.last_manual_run.as_deref() == Some("second")
    })
    .await;
    let epochs = "SELECT string_agg(epoch::text, ',' ORDER BY object) FROM salesforce._replication_state";
    let before = site.stage.database().query(epochs).await;
    first.signal("CONT").await;
    let ended = first.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("was lost"), "{}", ended.stderr);
    assert_eq!(site.stage.database().query(epochs).await, before);
    assert_eq!(count(&site, "account").await, 40);
}
