//! The day's calls, concurrent long calls, counters and the log of calls.

use std::time::Duration;

use jiff::SignedDuration;
use simulator::{Rule, What};

use crate::wire::{Client, USER};

#[tokio::test]
async fn calls_are_counted_and_run_out() {
    let client = Client::ready().await;
    client.control.change_settings(|settings| settings.daily_calls = 3);
    for used in 1..=3 {
        let answer = client.call("<urn:getServerTimestamp/>").await.ok();
        assert_eq!(
            (answer.text("current").unwrap(), answer.text("limit").unwrap()),
            (used.to_string(), "3".to_owned())
        );
    }
    let answer = client.call("<urn:getServerTimestamp/>").await;
    assert_eq!(answer.code(), "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(
        answer.text("sf:exceptionMessage").unwrap(),
        "TotalRequests Limit exceeded."
    );
    assert!(!answer.body.contains("LimitInfoHeader"));
    client
        .control
        .change_settings(|settings| settings.session_seconds = u32::MAX);
    client.control.advance_clock(SignedDuration::from_hours(25));
    client.call("<urn:getServerTimestamp/>").await.ok();
    client.control.set_usage(2);
    assert_eq!(
        client
            .call("<urn:getServerTimestamp/>")
            .await
            .ok()
            .text("current")
            .unwrap(),
        "3"
    );
    assert_eq!(client.control.usage().current, 3);
}

#[tokio::test]
async fn long_calls_exclude_others() {
    let client = Client::ready().await;
    client.control.change_settings(|settings| settings.concurrent_calls = 1);
    client.control.add_rule(Rule::at("getUserInfo", What::Hang));
    let envelope = client.envelope(&client.session, "<urn:getUserInfo/>");
    let path = "/services/Soap/u/66.0";
    let hanging = client.try_post(path, &envelope);
    let others = async {
        while client.control.counters().of("getUserInfo") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.call("<urn:getServerTimestamp/>").await.ok();
        client.control.advance_clock(SignedDuration::from_secs(20));
        let answer = client.call("<urn:getServerTimestamp/>").await;
        assert_eq!(answer.code(), "REQUEST_LIMIT_EXCEEDED");
        assert!(answer.text("faultstring").unwrap().contains("ConcurrentRequests"));
        client.control.release_hanging();
    };
    let (hung, ()) = tokio::join!(hanging, others);
    assert!(hung.is_ok_and(|bytes| bytes.is_empty()), "no answer");
    client.call("<urn:getServerTimestamp/>").await.ok();
}

#[tokio::test]
async fn counters_and_log_tell_what_was_done_and_no_secrets() {
    let client = Client::ready().await;
    client
        .query("SELECT Id FROM Contact WHERE LastName = 'nobody'")
        .await
        .ok();
    client.query_all("SELECT Id FROM lead LIMIT 3").await.ok();
    client.query("SELECT Nix FROM Lead").await;
    client
        .changes("getUpdated", "Lead", "2026-11-10T09:00:00Z", "2026-11-10T10:00:00Z")
        .await
        .ok();
    let counters = client.control.counters();
    assert_eq!(
        (counters.of("login"), counters.of("query"), counters.of("queryAll")),
        (1, 2, 1)
    );
    assert_eq!(
        (
            counters.of_object("query", "Contact"),
            counters.of_object("queryAll", "Lead")
        ),
        (1, 1)
    );
    assert_eq!(
        (counters.counted, counters.rows, counters.faults["INVALID_FIELD"]),
        (4, 3, 1)
    );
    assert!(counters.request_bytes > 1_000 && counters.response_bytes > 1_000 && counters.connections == 5);
    let calls = client.control.calls(4);
    let names: Vec<&str> = calls.iter().map(|call| call.call.as_str()).collect();
    assert_eq!(names, ["query", "queryAll", "query", "getUpdated"]);
    assert_eq!(
        calls[0].soql.as_deref(),
        Some("SELECT Id FROM Contact WHERE LastName = 'nobody'")
    );
    assert_eq!(
        (calls[1].rows, calls[1].object.as_deref(), calls[1].status),
        (3, Some("Lead"), 200)
    );
    assert_eq!(
        (calls[2].fault.as_deref(), calls[2].username.as_deref()),
        (Some("INVALID_FIELD"), Some(USER))
    );
    assert_eq!(
        calls[3].window.as_ref().map(|window| window.0.as_str()),
        Some("2026-11-10T09:00:00Z")
    );
    let everything = format!("{:?}", client.control.calls(100));
    assert!(!everything.contains("correct horse") && !everything.contains(&client.session));
    client.control.reset_calls();
    assert_eq!(client.control.counters(), simulator::Counters::default());
}
