use std::collections::BTreeSet;

use crds::{Schedule, Trigger};
use replication::{
    destination::observed::{ConnectionState, SegmentOutcome},
    progress::RunKind,
};
use serde_json::json;

use super::*;
use crate::{
    fixture::{at, ended, failed, live, report, spec},
    standing::Standing,
    status,
};

const TEN: &str = "2026-11-28T10:00:00Z";

fn metrics() -> Metrics {
    Metrics::new("1.2.3", "abc", true).unwrap()
}

fn follow(replicator: &ReplicatorMetrics, standing: &Standing) {
    let spec = spec(&json!({}));
    let schedule = Schedule::new(&Trigger::default()).unwrap();
    let status = status::build(&spec, standing, Some(&schedule), None, at(TEN));
    replicator.follow(&spec, Some(&schedule), standing, &status, at(TEN));
}

#[test]
fn all_series_of_a_replicator_go_with_it() {
    let metrics = metrics();
    for name in ["crm", "sales"] {
        let replicator = metrics.replicator("telephony", name).unwrap();
        replicator.observe("Contact", &ended(report("Contact", RunKind::Initial)));
        follow(&replicator, &live());
    }
    let both = metrics.text();
    assert!(
        both.contains(
            r#"salesforce_replicator_object_rows_total{object="Contact",operation="read",replicator="crm",replicator_namespace="telephony"} 100"#
        ),
        "{both}"
    );
    assert_eq!(
        both.matches("# TYPE salesforce_replicator_object_rows_total").count(),
        1
    );
    metrics.forget("telephony", "crm");
    let left = metrics.text();
    assert!(!left.contains(r#"replicator="crm""#), "{left}");
    assert!(left.contains(r#"replicator="sales""#));
}

#[test]
fn series_of_an_object_go_when_it_leaves_the_spec() {
    let metrics = metrics();
    let replicator = metrics.replicator("telephony", "crm").unwrap();
    let mut standing = live();
    replicator.observe("Contact", &ended(report("Contact", RunKind::Reconcile)));
    let failed = failed("Contact", RunKind::Incremental, crds::Reason::QueryTimeout);
    replicator.observe("Contact", &failed);
    follow(&replicator, &standing);
    assert!(metrics.text().contains(r#"object="Contact""#));
    standing.lists(&spec(&json!({"objects": [{"name": "Account"}]})));
    follow(&replicator, &standing);
    let left = metrics.text();
    assert!(!left.contains(r#"object="Contact""#), "{left}");
    assert!(left.contains(r#"object="Account""#));
}

#[test]
fn a_condition_has_one_status_and_a_time_that_is_not_known_has_no_series() {
    let metrics = metrics();
    let replicator = metrics.replicator("telephony", "crm").unwrap();
    follow(&replicator, &live());
    let text = metrics.text();
    let holding: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("salesforce_replicator_condition{") && line.ends_with(" 1"))
        .collect();
    assert_eq!(holding.len(), 6, "{holding:?}");
    // Five minutes are the interval, and what is younger than a quarter of an hour is never stale.
    let stale = live().last_success.unwrap() + std::time::Duration::from_mins(15);
    assert!(text.contains(&format!(
        "salesforce_replicator_stale_timestamp_seconds{{replicator=\"crm\",replicator_namespace=\"telephony\"}} {}",
        stale.as_second()
    )));
    assert!(text.contains(
        "salesforce_replicator_expected_interval_seconds{replicator=\"crm\",replicator_namespace=\"telephony\"} 300"
    ));
    assert!(!text.contains("salesforce_replicator_next_run_timestamp_seconds{"));
}

#[test]
fn a_condition_has_one_reason() {
    let metrics = metrics();
    let replicator = metrics.replicator("telephony", "crm").unwrap();
    let ready = || -> Vec<String> {
        let text = metrics.text();
        let reasons = text.lines().filter(|line| {
            line.starts_with("salesforce_replicator_condition_reason{") && line.contains(r#"type="Ready""#)
        });
        reasons.map(str::to_owned).collect()
    };
    let mut standing = live();
    follow(&replicator, &standing);
    let first = ready();
    assert!(
        first.len() == 1 && first[0].contains(r#"reason="UpToDate""#),
        "{first:?}"
    );
    standing.objects[0].rejected = 1;
    follow(&replicator, &standing);
    let then = ready();
    assert!(
        then.len() == 1 && then[0].contains(r#"reason="RowsRejected""#),
        "{then:?}"
    );
}

#[test]
fn what_a_database_does_is_counted_and_stands_at_zero_before() {
    let metrics = metrics();
    let replicator = metrics.replicator("telephony", "crm").unwrap();
    follow(&replicator, &live());
    let own = r#"replicator="crm",replicator_namespace="telephony""#;
    let shows = |line: &str| {
        let text = metrics.text();
        let line = format!("salesforce_replicator_{line}");
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    };
    let rows = |operation: &str, rows: u64| {
        shows(&format!(
            "object_rows_total{{object=\"Contact\",operation=\"{operation}\",{own}}} {rows}"
        ));
    };
    for operation in ["read", "upserted", "deleted", "skipped"] {
        rows(operation, 0);
    }
    for result in ["committed", "failed"] {
        shows(&format!("destination_segments_total{{{own},result=\"{result}\"}} 0"));
    }
    shows(&format!("destination_segment_duration_seconds_count{{{own}}} 0"));
    for state in ["idle", "in_use"] {
        shows(&format!("destination_connections{{{own},state=\"{state}\"}} 0"));
    }
    replicator.connection(None, Some(ConnectionState::InUse));
    replicator.connection(None, Some(ConnectionState::InUse));
    replicator.connection(Some(ConnectionState::InUse), Some(ConnectionState::Idle));
    replicator.segment(SegmentOutcome::Committed, std::time::Duration::from_millis(300));
    replicator.segment(SegmentOutcome::Failed, std::time::Duration::from_mins(1));
    replicator.unchanged("Contact", 7);
    rows("skipped", 7);
    for result in ["committed", "failed"] {
        shows(&format!("destination_segments_total{{{own},result=\"{result}\"}} 1"));
    }
    shows(&format!("destination_segment_duration_seconds_count{{{own}}} 1"));
    shows(&format!(
        "destination_segment_duration_seconds_bucket{{{own},le=\"0.5\"}} 1"
    ));
    shows(&format!(
        "destination_segment_duration_seconds_bucket{{{own},le=\"0.25\"}} 0"
    ));
    for state in ["idle", "in_use"] {
        shows(&format!("destination_connections{{{own},state=\"{state}\"}} 1"));
    }
    replicator.connection(Some(ConnectionState::Idle), None);
    shows(&format!("destination_connections{{{own},state=\"idle\"}} 0"));
}

#[test]
fn without_object_metrics_no_series_names_an_object() {
    let metrics = Metrics::new("1.2.3", "", false).unwrap();
    let replicator = metrics.replicator("telephony", "crm").unwrap();
    replicator.observe("Contact", &ended(report("Contact", RunKind::Initial)));
    replicator.unchanged("Contact", 7);
    follow(&replicator, &live());
    assert!(!metrics.text().contains("object="));
}

#[test]
fn what_a_scrape_shows_is_in_the_list_and_the_other_way_round() {
    let metrics = metrics();
    metrics.kube_requests.with_label_values(&["GET", "200"]).inc();
    let replicator = metrics.replicator("telephony", "crm").unwrap();
    let mut standing = live();
    standing.next_run = Some(at(TEN));
    standing.usage = Some(crds::ApiUsage { used: 1, limit: 10 });
    replicator.observe("Contact", &ended(crate::fixture::drifted("Contact")));
    let took = std::time::Duration::from_millis(70);
    salesforce::CallObserver::called(replicator.as_ref(), salesforce::Call::QueryAll, Ok(()), took);
    let failed = failed("Contact", RunKind::Incremental, crds::Reason::QueryTimeout);
    replicator.observe("Contact", &failed);
    follow(&replicator, &standing);
    let text = metrics.text();
    let shown: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(str::to_owned)
        .collect();
    let listed: BTreeSet<String> = family::ALL
        .iter()
        .map(|family| format!("{} {}", family.full_name(), family.kind.as_str()))
        .collect();
    assert_eq!(shown, listed);
    for family in family::ALL {
        let help = format!("# HELP {} {}", family.full_name(), family.help);
        assert!(text.contains(&help), "{help}");
    }
}
