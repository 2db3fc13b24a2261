//! What the chart does not take, and that it says which value it is.

use std::path::Path;

use e2e::{
    binary::Outcome,
    helm::{CHART, Helm},
};
use serde_json::{Value, json};

use super::RELEASE;

async fn template(helm: &Helm, values: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, values).unwrap();
    helm.template(RELEASE, "replication", &["--values", &file.to_string_lossy()])
        .await
}

/// Whether a refusal by the schema names a value: helm 4 by a pointer, helm 3 by a path with dots.
fn names(refusal: &str, pointer: &str) -> bool {
    let dotted = pointer.trim_start_matches('/').replace('/', ".");
    refusal.contains(&format!("'{pointer}'")) || refusal.contains(&format!("- {dotted}:"))
}

#[tokio::test]
async fn a_value_that_is_wrong_is_refused_by_name() {
    let helm = Helm::offline().await;
    for (values, pointer) in [
        ("nameOverride: CRM", "/nameOverride"),
        ("fullnameOverride: crm_replicator", "/fullnameOverride"),
        ("commonLabels: {team: 7}", "/commonLabels/team"),
        ("image: {repository: 'crm:latest'}", "/image/repository"),
        ("image: {repository: ''}", "/image/repository"),
        ("image: {tag: 'a b'}", "/image/tag"),
        ("image: {tag: 1.0}", "/image/tag"),
        ("image: {digest: sha256:12}", "/image/digest"),
        ("image: {pullPolicy: always}", "/image/pullPolicy"),
        ("imagePullSecrets: [registry]", "/imagePullSecrets/0"),
        ("watchNamespaces: telephony", "/watchNamespaces"),
        ("watchNamespaces: [Sales]", "/watchNamespaces/0"),
        ("watchNamespaces: ['a,b']", "/watchNamespaces/0"),
        ("watchNamespaces: [sales, sales]", "/watchNamespaces"),
        ("crds: {keep: 'yes'}", "/crds/keep"),
        ("serviceAccount: {name: a/b}", "/serviceAccount/name"),
        ("replicaCount: two", "/replicaCount"),
        ("replicaCount: -1", "/replicaCount"),
        ("leaderElection: {leaseName: A}", "/leaderElection/leaseName"),
        (
            "podDisruptionBudget: {maxUnavailable: all}",
            "/podDisruptionBudget/maxUnavailable",
        ),
        (
            "topologySpreadConstraints: [{topologyKey: zone}]",
            "/topologySpreadConstraints/0",
        ),
        ("terminationGracePeriodSeconds: 5", "/terminationGracePeriodSeconds"),
        ("maxActiveRuns: 0", "/maxActiveRuns"),
        ("memoryBudget: 64Mi", "/memoryBudget"),
        ("log: {format: xml}", "/log/format"),
        ("extraArgs: --allow-http", "/extraArgs"),
        ("extraEnv: {HTTPS_PROXY: x}", "/extraEnv"),
        ("extraEnv: [{value: x}]", "/extraEnv/0"),
        ("extraVolumeMounts: [{name: x}]", "/extraVolumeMounts/0"),
        ("sqlite: {size: 8 GB}", "/sqlite/size"),
        ("sqlite: {accessModes: [ReadOnlyMany]}", "/sqlite/accessModes/0"),
        ("livenessProbe: {httpGet: {path: /}}", "/livenessProbe"),
        ("readinessProbe: {periodSeconds: 0}", "/readinessProbe/periodSeconds"),
        (
            "networkPolicy: {apiServer: {ports: []}}",
            "/networkPolicy/apiServer/ports",
        ),
        (
            "networkPolicy: {apiServer: {cidrs: [10.0.0.1]}}",
            "/networkPolicy/apiServer/cidrs/0",
        ),
        (
            "networkPolicy: {egress: {databasePorts: [0]}}",
            "/networkPolicy/egress/databasePorts/0",
        ),
        ("metrics: {service: {port: http}}", "/metrics/service/port"),
        ("serviceMonitor: {interval: 30}", "/serviceMonitor/interval"),
        ("podMonitor: {scrapeTimeout: 1 s}", "/podMonitor/scrapeTimeout"),
        (
            "prometheusRule: {thresholds: {SalesforceReplicatorMissedRuns: few}}",
            "/prometheusRule/thresholds/SalesforceReplicatorMissedRuns",
        ),
        (
            "prometheusRule: {for: {SalesforceReplicatorStale: soon}}",
            "/prometheusRule/for/SalesforceReplicatorStale",
        ),
        ("dashboards: {namespace: Grafana}", "/dashboards/namespace"),
        ("extraObjects: [7]", "/extraObjects/0"),
    ] {
        let outcome = template(&helm, values).await;
        assert_ne!(outcome.code, Some(0), "{values}");
        assert!(names(&outcome.stderr, pointer), "{values}: {}", outcome.stderr);
    }
}

/// All objects of the values that have keys of ours, by pointer.
fn sections(schema: &Value, at: &str, into: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    into.push(at.to_owned());
    for (key, value) in properties {
        sections(value, &format!("{at}/{key}"), into);
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_in_each_section_of_ours() {
    let schema = std::fs::read_to_string(Path::new(CHART).join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut all = Vec::new();
    sections(&schema, "", &mut all);
    assert!(all.len() > 15, "{all:?}");
    let mut values = json!({});
    for section in &all {
        let mut at = &mut values;
        for key in section.split('/').skip(1) {
            at = &mut at[key];
        }
        at["mistyped"] = json!(true);
    }
    let outcome = template(&Helm::offline().await, &values.to_string()).await;
    assert_ne!(outcome.code, Some(0));
    for section in all {
        let pointer = format!("'{section}': additional properties 'mistyped' not allowed");
        let dotted = section.trim_start_matches('/').replace('/', ".");
        let dotted = if dotted.is_empty() { "(root)" } else { &dotted };
        let older = format!("- {dotted}: Additional property mistyped is not allowed");
        assert!(
            outcome.stderr.contains(&pointer) || outcome.stderr.contains(&older),
            "{section}: {}",
            outcome.stderr
        );
    }
}

#[tokio::test]
async fn values_that_are_wrong_together_are_all_told_at_once() {
    let helm = Helm::offline().await;
    let outcome = template(
        &helm,
        "replicaCount: 2
sqlite: {enabled: true}
leaderElection: {enabled: false}
serviceMonitor: {enabled: true}
podMonitor: {enabled: true}
metrics: {service: {enabled: false}}
serviceAccount: {create: false}
prometheusRule:
  disabled: [SalesforceReplicatorTired]
  thresholds: {SalesforceReplicatorStale: 3}
  for: {Down: 1m}
  severities: {Up: info}
",
    )
    .await;
    assert_ne!(outcome.code, Some(0));
    for told in [
        "replicaCount must be 1 with sqlite.enabled",
        "replicaCount must be 1 without leaderElection.enabled",
        "serviceMonitor.enabled and podMonitor.enabled exclude each other",
        "serviceMonitor.enabled needs metrics.service.enabled",
        "serviceAccount.name is needed where serviceAccount.create is false",
        "prometheusRule.disabled: there is no alert SalesforceReplicatorTired; there are SalesforceReplicator",
        "prometheusRule.thresholds: SalesforceReplicatorStale compares with no number",
        "prometheusRule.for: there is no alert Down",
        "prometheusRule.severities: there is no alert Up",
    ] {
        assert!(outcome.stderr.contains(told), "{told}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn an_older_kubernetes_is_refused() {
    let helm = Helm::offline().await;
    let outcome = helm
        .run(&["template", RELEASE, CHART, "--kube-version", "1.33.9"])
        .await;
    assert_ne!(outcome.code, Some(0));
    assert!(
        outcome.stderr.contains("incompatible with Kubernetes"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn a_chart_that_depends_on_it_may_give_what_helm_gives() {
    let helm = Helm::offline().await;
    let outcome = template(&helm, "global: {registry: x}\nenabled: true\n").await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}
