//! Everything around the operator goes away and comes back.

use e2e::{
    binary::until,
    control_plane::{ControlPlane, rights::Scope},
    operator::{Operator, condition},
};
use serde_json::json;
use simulator::{Rule, What};

use super::{count, site};

#[tokio::test(flavor = "multi_thread")]
async fn an_org_that_is_down_is_told_and_noticed_when_it_is_back() {
    let site = site("down").await;
    let _operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    let down = What::Http {
        status: 503,
        body: String::new(),
        content_type: "text/plain".to_owned(),
        retry_after: None,
    };
    site.stage.org.add_rule(Rule::at_any(down).times(u64::MAX));
    site.patch(json!({"spec": {"trigger": {"manual": "1"}}})).await;
    let status = site.until_condition("Ready", "False/SourceUnreachable").await;
    assert!(status.next_try_time.is_some());
    site.stage.org.clear_rules();
    site.until_condition("Ready", "True/UpToDate").await;
    for reason in ["RunFailed", "RunRecovered"] {
        site.until_event(reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_killed_in_a_first_load_goes_on_at_its_checkpoint() {
    let mut config = super::small_org();
    config.contacts = 6000;
    let site = Box::pin(e2e::operator::Site::new("killed", config, &["{name: Contact}"])).await;
    let operator = site.begin().await;
    site.until("rows are read", |status| {
        status
            .objects
            .iter()
            .any(|object| object.rows_read.is_some_and(|rows| rows > 0))
            || condition(status, "Ready") == "True/UpToDate"
    })
    .await;
    operator.kill().await;
    let operator = site.operator(&[]).await;
    site.until_condition("Ready", "True/UpToDate").await;
    assert_eq!(count(&site, "contact").await, 6000);
    assert_eq!(operator.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_operator_at_once() {
    let site = site("twice").await;
    let hanging = Rule::at("query", What::Hang).times(u64::MAX);
    site.stage.org.add_rule(hanging);
    let operator = site.begin().await;
    until("a run hangs", async || site.stage.org.counters().of("query") > 0).await;
    operator.signal("TERM").await;
    until("it waits for the run", async || operator.log().contains("no new runs")).await;
    operator.signal("TERM").await;
    let ended = operator.ended().await;
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    assert!(!ended.stderr.contains("\"ended\""), "it did not wait: {}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_stops_no_replication() {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await));
    let mut site = site("away").await;
    site.plane = plane;
    site.namespace = plane.namespace("away").await;
    site.user = plane
        .operator(&site.namespace, Scope::Namespaces(&[&site.namespace]))
        .await;
    let operator: Operator = site.operator(&["--no-leader-election"]).await;
    site.apply().await;
    site.until_condition("Ready", "True/UpToDate").await;
    plane.stop_api_server();
    let id = site.stage.org.id("Account", 0).unwrap();
    site.stage.org.update("Account", &id, &[("Name", "Seeblick")]).unwrap();
    let row = format!("SELECT display_name FROM salesforce.account WHERE salesforce_id = '{id}'");
    until("the row is there though nobody could be told", async || {
        site.stage.database().query(&row).await[0][0].as_deref() == Some("Seeblick")
    })
    .await;
    assert_eq!(operator.get("/livez").await.0, 200);
    plane.start_api_server().await;
    site.patch(json!({"spec": {"trigger": {"manual": "after"}}})).await;
    site.until("the watch goes on", |status| {
        status.last_manual_run.as_deref() == Some("after")
    })
    .await;
    assert_eq!(operator.stop().await.code, Some(0));
}
