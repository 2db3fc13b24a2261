//! Alerts and dashboards of the chart are those of `deploy/monitoring`, but for what values say otherwise.

use std::path::Path;

use e2e::{
    control_plane::{ControlPlane, rights::DEPLOY},
    helm::{Documents, Helm},
};
use serde_json::{Value, json};

use super::{
    RELEASE,
    accepted::{refusal, with_prometheus_operator},
    files,
    same::kustomized,
};

/// The groups of all rule files.
fn groups() -> Vec<Value> {
    let files = files(&Path::new(DEPLOY).join("monitoring/rules"));
    let groups: Vec<Value> = files
        .iter()
        .map(|file| serde_saphyr::from_str::<Value>(&std::fs::read_to_string(file).unwrap()).expect("YAML"))
        .flat_map(|file| file["groups"].as_array().expect("groups").clone())
        .collect();
    assert!(!groups.is_empty());
    groups
}

fn alerts(groups: &[Value]) -> Vec<&Value> {
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"));
    rules.filter(|rule| rule["alert"].is_string()).collect()
}

async fn rendered(settings: &[&str]) -> Vec<Value> {
    let documents = Helm::offline()
        .await
        .documents(&[&["prometheusRule.enabled=true"], settings].concat())
        .await;
    let groups = documents.one("PrometheusRule", RELEASE)["spec"]["groups"].clone();
    serde_json::from_value(groups).expect("groups")
}

#[tokio::test]
async fn alerts_are_those_that_are_shipped() {
    assert_eq!(rendered(&[]).await, groups());
}

#[tokio::test]
async fn each_alert_can_be_left_out_and_is_kept_otherwise() {
    let shipped = groups();
    let names: Vec<&str> = alerts(&shipped)
        .iter()
        .filter_map(|alert| alert["alert"].as_str())
        .collect();
    let [first, .., last] = names[..] else {
        panic!("several alerts: {names:?}");
    };
    let left = rendered(&[&format!("prometheusRule.disabled={{{first},{last}}}")]).await;
    let expected: Vec<&Value> = alerts(&shipped)
        .into_iter()
        .filter(|alert| alert["alert"] != first && alert["alert"] != last)
        .collect();
    assert_eq!(alerts(&left), expected);
    // A group without rules is none.
    let none = rendered(&[&format!("prometheusRule.disabled={{{}}}", names.join(","))]).await;
    assert!(alerts(&none).is_empty());
    assert!(none.iter().all(|group| group["rules"] != json!([])), "{none:?}");
}

#[tokio::test]
async fn threshold_time_and_severity_of_an_alert_can_be_others() {
    let shipped = groups();
    let mut compared = 0;
    for alert in alerts(&shipped) {
        let name = alert["alert"].as_str().unwrap();
        let expression = alert["expr"].as_str().unwrap();
        let words: Vec<&str> = expression.split_whitespace().collect();
        let numbers = words
            .windows(2)
            .filter(|pair| ["<", ">"].contains(&pair[0]) && pair[1].parse::<f64>().is_ok())
            .count();
        assert!(numbers <= 1, "{name}: which number is the threshold? {expression}");
        let mut settings = vec![
            format!("prometheusRule.for.{name}=7m"),
            format!("prometheusRule.severities.{name}=page"),
            "prometheusRule.alertLabels.team=crm".to_owned(),
        ];
        if numbers == 1 {
            settings.push(format!("prometheusRule.thresholds.{name}=0.125"));
            compared += 1;
        }
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let changed = rendered(&settings).await;
        let changed = alerts(&changed)
            .into_iter()
            .find(|other| other["alert"] == name)
            .cloned()
            .unwrap();
        assert_eq!(changed["for"], "7m");
        assert_eq!(changed["labels"], json!({"severity": "page", "team": "crm"}));
        assert_eq!(changed["annotations"], alert["annotations"]);
        let words: Vec<&str> = changed["expr"].as_str().unwrap().split_whitespace().collect();
        assert_eq!(words.contains(&"0.125"), numbers == 1, "{name}: {}", changed["expr"]);
    }
    assert!(compared > 0, "some alert has a threshold");
}

#[tokio::test]
async fn dashboards_are_those_that_are_shipped() {
    let mut files = files(&Path::new(DEPLOY).join("monitoring/dashboards"));
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    assert!(!files.is_empty());
    let documents = Helm::offline().await.documents(&["dashboards.enabled=true"]).await;
    let config = documents.one("ConfigMap", "salesforce-replicator-dashboards");
    let data = config["data"].as_object().unwrap();
    assert_eq!(data.len(), files.len());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let shipped = std::fs::read_to_string(&file).unwrap();
        assert_eq!(data[&name], shipped, "{name}");
    }
}

#[tokio::test]
async fn an_api_server_takes_the_components() {
    let control_plane = ControlPlane::shared().await;
    with_prometheus_operator(control_plane).await;
    let components = ["service-monitor", "alerts", "dashboards", "sqlite"];
    for overlay in ["cluster", "namespaced"] {
        let mut documents = kustomized(overlay, &components).await;
        // Made for the trial, with another label.
        documents.0.retain(|document| document["kind"] != "Namespace");
        assert_eq!(refusal(control_plane, &documents, RELEASE).await, None, "{overlay}");
    }
}

#[tokio::test]
async fn a_monitor_finds_the_port_that_the_operator_serves() {
    let helm = Helm::offline().await;
    let service = helm.documents(&["serviceMonitor.enabled=true"]).await;
    let monitor = service.one("ServiceMonitor", RELEASE);
    let selected = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let found: Vec<&Value> = service
        .of_kind("Service")
        .into_iter()
        .filter(|found| {
            selected
                .iter()
                .all(|(key, value)| found["metadata"]["labels"][key] == *value)
        })
        .collect();
    let [found] = found[..] else {
        panic!("one Service is selected: {found:?}");
    };
    assert_eq!(
        monitor["spec"]["endpoints"][0]["port"],
        found["spec"]["ports"][0]["name"]
    );
    let Documents(pods) = helm.documents(&["podMonitor.enabled=true"]).await;
    let find = |kind: &str| pods.iter().find(|document| document["kind"] == kind).expect(kind);
    let selected = &find("PodMonitor")["spec"]["selector"]["matchLabels"];
    assert_eq!(*selected, find("Deployment")["spec"]["selector"]["matchLabels"]);
    let ports = &find("Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert_eq!(
        find("PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"],
        ports[0]["name"]
    );
    assert_eq!(found["spec"]["ports"][0]["targetPort"], ports[0]["name"]);
}
