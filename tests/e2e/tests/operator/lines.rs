//! Lines to the database and to the API server that are cut and mended.

use e2e::{
    binary::until,
    line::Line,
    operator::{Operator, condition},
};
use serde_json::json;

use super::site;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_told_and_noticed_when_it_is_back() {
    let site = site("database-down").await;
    let e2e::database::Database::Postgres { url } = site.stage.database() else {
        panic!("PostgreSQL");
    };
    let mut url = url::Url::parse(url).unwrap();
    let line = Line::to(&format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432))).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(line.address().port())).unwrap();
    let _operator = site.begin().await;
    site.set_secret("database", json!({"url": url.as_str()})).await;
    site.until_condition("Ready", "True/UpToDate").await;
    line.cut();
    site.patch(json!({"spec": {"trigger": {"manual": "1"}}})).await;
    let status = site.until_condition("Ready", "False/DestinationUnreachable").await;
    assert_eq!(condition(&status, "DestinationReady"), "False/ConnectionFailed");
    assert_eq!(condition(&status, "CredentialsValid"), "True/Authenticated");
    line.mend();
    let status = site.until_condition("Ready", "True/UpToDate").await;
    assert_eq!(condition(&status, "DestinationReady"), "True/Applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_is_told_with_the_time_of_the_next_try() {
    let site = site("quota").await;
    let _operator = site.begin().await;
    let status = site.until_condition("Ready", "True/UpToDate").await;
    let limit = status.api_usage.unwrap().limit;
    site.stage.org.set_usage(u64::try_from(limit).unwrap());
    let status = site.until_condition("Ready", "False/QuotaExhausted").await;
    assert!(status.next_try_time.is_some());
    site.stage.org.set_usage(10);
    // A person does not wait for the next try.
    site.patch(json!({"spec": {"trigger": {"manual": "1"}}})).await;
    site.until_condition("Ready", "True/UpToDate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_cut_begins_anew_and_misses_nothing() {
    let mut site = site("watch").await;
    let (user, line) = Line::to_api_server(&site.user).await;
    site.user = user;
    let operator = site.operator(&["--no-leader-election"]).await;
    site.apply().await;
    site.until_condition("Ready", "True/UpToDate").await;
    line.cut();
    site.patch(json!({"spec": {"trigger": {"manual": "meanwhile"}}})).await;
    let restarts = "salesforce_replicator_watch_restarts_total{kind=\"SalesforceReplicator\"}";
    until("the watch is broken", async || {
        operator.metric(restarts).await.unwrap() > 0.0
    })
    .await;
    line.mend();
    site.until("what changed meanwhile is done", |status| {
        status.last_manual_run.as_deref() == Some("meanwhile")
    })
    .await;
    assert_eq!(operator.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_renew_its_lease_ends() {
    let site = site("lease").await;
    let (user, line) = Line::to_api_server(&site.user).await;
    let arguments = [
        "--watch-namespaces",
        &site.namespace,
        "--lease-namespace",
        &site.namespace,
    ];
    let operator = Operator::start(&user, site.stage.folder(), &arguments).await;
    until("it leads", async || {
        operator.metric("salesforce_replicator_leader").await == Some(1.0)
    })
    .await;
    line.cut();
    let ended = operator.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("was lost"), "{}", ended.stderr);
}
