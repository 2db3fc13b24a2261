//! The alerts: each is whole, names metrics that exist, and is tested for firing, for clearing, and for a suspended resource.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{alerts, files, is_exported, metrics, named, yaml};

/// Alerts of the operator itself: whether a resource is suspended is nothing to them.
const OF_THE_OPERATOR: [&str; 3] = [
    "SalesforceReplicatorDown",
    "SalesforceReplicatorNoLeader",
    "SalesforceReplicatorReconcileErrors",
];

/// Two tests of promtool whose series differ by `suspended` alone.
const WRONG: &str = "everything is wrong";
const WRONG_AND_SUSPENDED: &str = "everything is wrong with a suspended resource";

/// The tests of promtool, by name.
fn tests() -> BTreeMap<String, Value> {
    let mut tests = BTreeMap::new();
    for file in files("tests", "yaml") {
        for test in yaml(&file)["tests"].as_array().unwrap() {
            let name = test["name"].as_str().unwrap().to_owned();
            assert!(tests.insert(name.clone(), test.clone()).is_none(), "twice: {name}");
        }
    }
    tests
}

/// Minutes, and whether the alert fires then.
fn looks(test: &Value, alert: &str) -> Vec<(u32, bool)> {
    let looks = test["alert_rule_test"].as_array().unwrap().iter();
    looks
        .filter(|look| look["alertname"] == alert)
        .map(|look| {
            let at = look["eval_time"].as_str().unwrap().strip_suffix('m').unwrap();
            let fires = look["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            (at.parse().unwrap(), fires)
        })
        .collect()
}

#[test]
fn each_alert_is_seen_firing_and_clearing_by_itself() {
    let tests = tests();
    for alert in alerts() {
        let name = alert.name;
        let test = &tests[&format!("{name} fires and clears")];
        let fires: Vec<bool> = looks(test, &name).into_iter().map(|(_, fires)| fires).collect();
        assert_eq!(
            fires,
            [vec![false; fires.len() - 2], vec![true, false]].concat(),
            "{name}"
        );
        assert!(fires.len() > 2, "{name}: nothing says that it is silent before");
    }
}

#[test]
fn each_alert_of_a_resource_is_silent_while_that_is_suspended_and_for_no_other_cause() {
    let tests = tests();
    let (wrong, suspended) = (&tests[WRONG], &tests[WRONG_AND_SUSPENDED]);
    let series = |test: &Value, without: bool| -> Vec<String> {
        let series = test["input_series"].as_array().unwrap().iter();
        let is_it = |series: &&Value| {
            series["series"]
                .as_str()
                .unwrap()
                .starts_with("salesforce_replicator_suspended{")
        };
        series
            .filter(|series| is_it(series) != without)
            .map(Value::to_string)
            .collect()
    };
    assert_eq!(series(wrong, true), series(suspended, true));
    assert_eq!((series(wrong, false).len(), series(suspended, false).len()), (1, 1));
    assert_ne!(series(wrong, false), series(suspended, false));
    let of_the_operator: Vec<String> = alerts()
        .into_iter()
        .filter(|alert| !alert.is_of_a_resource())
        .map(|alert| alert.name)
        .collect();
    assert_eq!(of_the_operator, OF_THE_OPERATOR);
    for alert in alerts().into_iter().filter(super::Alert::is_of_a_resource) {
        let fires = looks(wrong, &alert.name);
        let silent: Vec<(u32, bool)> = fires.iter().map(|(at, _)| (*at, false)).collect();
        assert!(fires.len() == 1 && fires[0].1, "{}", alert.name);
        assert_eq!(looks(suspended, &alert.name), silent, "{}", alert.name);
    }
}

#[test]
fn each_alert_names_metrics_that_exist_and_says_what_it_is_about() {
    let metrics = metrics();
    let mut names: Vec<String> = Vec::new();
    for alert in alerts() {
        let expr = named(&alert.expr);
        assert!(!expr.is_empty(), "{}", alert.name);
        for series in expr.into_iter().chain(named(&alert.rule["annotations"].to_string())) {
            assert!(is_exported(&series, &metrics), "{}: {series}", alert.name);
        }
        let severity = alert.rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{}", alert.name);
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(
                alert.rule["annotations"][annotation].is_string(),
                "{}: {annotation}",
                alert.name
            );
        }
        names.push(alert.name);
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two alerts have one name: {names:?}");
}
