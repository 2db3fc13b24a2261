//! Every query of every dashboard, and the alerts, in a real Prometheus that scrapes a real operator.
//!
//! Three resources are so that each panel has something to show: one with an object that fails, deletes that are held, a row
//! that is rejected, few API calls left and a watch that broke; one whose Secret is missing and whose last success is long ago; one
//! that is suspended. A query that finds nothing then, or only what is no number, would be an empty panel.

use std::collections::BTreeSet;

use e2e::{
    binary::until,
    line::Line,
    operator::{Operator, Site},
    prometheus::{Prometheus, Sample},
    stage::empty_org,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use simulator::{Config, Rule, What, schema::FieldType};

use super::{alerts, dashboards, runbook};

/// A number that its column does not take.
const UNFIT: &str = "99999999999";

/// The resource that has not worked for long.
const OLD: &str = "old";

/// The resource that is suspended.
const QUIET: &str = "quiet";

/// Calls that Salesforce counts as used of a hundred: Incrementals go on to 95.
const USED: u64 = 93;

/// The objects of the spec; a `where` that changes nothing starts a Reconcile.
fn objects(of_accounts: &Value) -> Value {
    let number = json!([{"source": "Text20__c", "column": "number"}]);
    json!([
        {"name": "Contact"},
        of_accounts,
        {"name": "Lead"},
        {"name": "Specimen__c", "table": "specimen", "mapping": "None", "fields": number},
    ])
}

/// Text that describe calls a number: what Salesforce sends is whatever was written.
fn call_it(site: &Site, field_type: FieldType) {
    let changed = site
        .stage
        .org
        .change_field("Specimen__c", "Text20__c", |field| field.field_type = field_type);
    changed.unwrap();
}

/// Writes a value into that field.
fn write(site: &Site, number: u64, value: &str) {
    let id = site.stage.org.id("Specimen__c", number).unwrap();
    call_it(site, FieldType::String);
    site.stage
        .org
        .update("Specimen__c", &id, &[("Text20__c", value)])
        .unwrap();
    call_it(site, FieldType::Int);
}

/// An org, a namespace with three resources, and nothing that runs.
async fn place() -> Site {
    let config = Config {
        contacts: 300,
        accounts: 40,
        leads: 10,
        specimens: 20,
        ..empty_org()
    };
    let listed = objects(&json!({"name": "Account"}));
    let listed: Vec<String> = listed.as_array().unwrap().iter().map(Value::to_string).collect();
    let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    let site = Box::pin(Site::new("monitoring", config, &listed)).await;
    for number in 0..20 {
        write(&site, number, &number.to_string());
    }
    for (name, suspend) in [(OLD, false), (QUIET, true)] {
        let resource = json!({
            "apiVersion": crds::API_VERSION,
            "kind": crds::KIND,
            "metadata": {"name": name, "namespace": site.namespace},
            "spec": {
                "connection": {"auth": {"password": {"secretRef": {"name": "nobody"}}}},
                "destination": {"postgres": {"secretRef": {"name": "nowhere"}}},
                "objects": [{"name": "Contact"}],
                "suspend": suspend,
            },
        });
        site.plane.admin().apply(&resource.to_string()).await;
        // As an operator left it that ran months ago.
        let status = json!({
            "apiVersion": crds::API_VERSION,
            "kind": crds::KIND,
            "metadata": {"name": name},
            "status": {"lastSuccessTime": "2026-01-01T00:00:00Z"},
        });
        let params = PatchParams::apply("salesforce-replicator").force();
        site.api()
            .patch_status(name, &params, &Patch::Apply(&status))
            .await
            .unwrap();
    }
    site
}

/// Brings the resource `crm` into everything that a panel is about.
async fn provoke(site: &Site, operator: &Operator) {
    let account = json!({"name": "Account", "where": "Name != null"});
    site.patch(json!({"spec": {"objects": objects(&account)}})).await;
    let drift = "salesforce_replicator_object_drift_rows{object=\"Account\"";
    until("a Reconcile has compared everything", async || {
        operator.metric(drift).await.is_some()
    })
    .await;
    site.until_condition("Ready", "True/UpToDate").await;

    let org = &site.stage.org;
    for number in 0..150 {
        org.delete("Contact", &org.id("Contact", number).unwrap()).unwrap();
    }
    write(site, 3, UNFIT);
    org.add_rule(Rule::at_any(What::query_timeout()).of("Lead").forever());
    org.set_usage(site.status().await.api_usage.unwrap().limit.unsigned_abs() * USED / 100);
    site.patch(json!({"spec": {"trigger": {"manual": "1"}}})).await;
    let of = |status: &crds::SalesforceReplicatorStatus, name: &str| {
        status
            .objects
            .iter()
            .find(|object| object.name == name)
            .cloned()
            .unwrap()
    };
    site.until("deletes are held, a row is rejected, an object fails", |status| {
        of(status, "Contact").held_deletes.is_some()
            && of(status, "Specimen__c").rejected == Some(1)
            && of(status, "Lead").last_error.is_some()
    })
    .await;
}

/// As Grafana replaces variables, for the resources of this namespace.
fn interpolated(expr: &str, namespace: &str) -> String {
    expr.replace("$namespace", namespace)
        .replace("$replicator", &format!("(crm|{OLD}|{QUIET})"))
        .replace("$__rate_interval", "2m")
        .replace("$__range", "10m")
}

/// A query of a panel, and what a person is to see of its answer.
struct Query {
    /// For the reader of a failure.
    title: String,
    expr: String,
    /// Labels that a legend or a column shows.
    shows: BTreeSet<String>,
}

fn queries(namespace: &str) -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards::all() {
        for panel in dashboards::panels(&dashboard) {
            for target in panel["targets"].as_array().unwrap() {
                let legend = target["legendFormat"].as_str().unwrap();
                let labels = legend
                    .split("{{")
                    .skip(1)
                    .map(|label| label.split_once("}}").unwrap().0);
                let expr = interpolated(target["expr"].as_str().unwrap(), namespace);
                assert!(
                    !expr.contains('$'),
                    "{name}: {}: a variable is left: {expr}",
                    panel["title"]
                );
                queries.push(Query {
                    title: format!("{name}: {} {}", panel["title"], target["refId"]),
                    expr,
                    shows: labels.map(str::to_owned).collect(),
                });
            }
        }
    }
    queries
}

/// A label that is empty, and so not there, in a build that was not told its commit.
const OF_AN_IMAGE: &str = "revision";

/// Whether a person sees something.
fn is_seen(found: &[Sample], shows: &BTreeSet<String>) -> bool {
    found.iter().any(|sample| {
        sample.value.is_finite()
            && shows
                .iter()
                .all(|label| sample.labels.get(label).is_some_and(|value| value != ""))
    })
}

/// The columns of tables that are labels: each is in the answer to one of the table's queries.
async fn columns_are_there(prometheus: &Prometheus, namespace: &str) {
    for (name, dashboard) in dashboards::all() {
        for panel in dashboards::panels(&dashboard)
            .into_iter()
            .filter(|panel| panel["type"] == "table")
        {
            let mut labels = BTreeSet::new();
            for target in panel["targets"].as_array().unwrap() {
                let expr = interpolated(target["expr"].as_str().unwrap(), namespace);
                let found = prometheus.query(&expr).await.unwrap();
                labels.extend(
                    found
                        .into_iter()
                        .flat_map(|sample| sample.labels.into_iter().map(|(label, _)| label)),
                );
            }
            let organize = panel["transformations"].as_array().unwrap().last().unwrap();
            let shown = organize["options"]["renameByName"].as_object().unwrap().keys();
            let missing: Vec<&String> = shown
                .filter(|column| !column.starts_with("Value") && *column != OF_AN_IMAGE && !labels.contains(*column))
                .collect();
            assert!(missing.is_empty(), "{name}: {}: {missing:?}", panel["title"]);
        }
    }
}

/// The alerts of a state by `replicator`, those that wait before they fire included.
async fn raised(prometheus: &Prometheus, replicator: &str) -> BTreeSet<String> {
    let found = prometheus
        .query(&format!("ALERTS{{replicator=\"{replicator}\"}}"))
        .await
        .unwrap();
    let name = |sample: Sample| {
        let name = sample.labels["alertname"].as_str().unwrap();
        name.strip_prefix("SalesforceReplicator").unwrap().to_owned()
    };
    found.into_iter().map(name).collect()
}

/// Waits until exactly these alerts of a resource fire or wait to.
async fn until_raised(prometheus: &Prometheus, replicator: &str, wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
    let mut found = BTreeSet::new();
    let what = format!("{replicator}: {wanted:?}");
    until(&what, async || {
        let now = raised(prometheus, replicator).await;
        if now != found {
            println!("{replicator}: {now:?}");
            found = now;
        }
        found == wanted
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_finds_something_and_alerts_come_and_go() {
    let mut site = Box::pin(place()).await;
    let (user, line) = Line::to_api_server(&site.user).await;
    site.user = user;
    // A Lease that could not be renewed would end the process.
    let operator = site.operator(&["--no-leader-election"]).await;
    let prometheus = Prometheus::start(&[operator.metrics_address()]).await;
    site.apply().await;
    site.until_condition("Ready", "True/UpToDate").await;
    until_raised(&prometheus, "crm", &[]).await;
    Box::pin(provoke(&site, &operator)).await;
    line.cut();
    let restarts = "salesforce_replicator_watch_restarts_total{kind=\"SalesforceReplicator\"}";
    until("a watch is broken", async || {
        operator.metric(restarts).await.unwrap() > 0.0
    })
    .await;
    line.mend();

    let (account, mut looks) = (site.stage.org.id("Account", 0).unwrap(), 0);
    let mut left = queries(&site.namespace);
    assert!(left.len() > 50, "{}", left.len());
    until("every query has found something", async || {
        let before = left.len();
        // There is something to write in each tick: a rate or a quantile of what ended long ago is no number.
        looks += 1;
        site.stage
            .org
            .update("Account", &account, &[("Name", &format!("Name {looks}"))])
            .unwrap();
        let mut still = Vec::new();
        for query in std::mem::take(&mut left) {
            let found = prometheus.query(&query.expr).await;
            let found = found.unwrap_or_else(|error| panic!("{}: {error}: {}", query.title, query.expr));
            if !is_seen(&found, &query.shows) {
                still.push(query);
            }
        }
        left = still;
        if left.len() != before {
            let titles: Vec<&str> = left.iter().map(|query| query.title.as_str()).collect();
            println!("nothing yet: {titles:?}");
        }
        left.is_empty()
    })
    .await;
    columns_are_there(&prometheus, &site.namespace).await;
    let label = "salesforce_replicator_suspended";
    let of_namespace = format!("{label}{{replicator_namespace=~\"{}\"}}", site.namespace);
    let namespaces = prometheus.label_values("replicator_namespace", label).await.unwrap();
    let replicators = prometheus.label_values("replicator", &of_namespace).await.unwrap();
    assert_eq!(namespaces, [site.namespace.as_str()]);
    assert_eq!(replicators, ["crm", OLD, QUIET]);

    for alert in alerts() {
        let evaluated = prometheus.query(&alert.expr).await;
        evaluated.unwrap_or_else(|error| panic!("{}: {error}", alert.name));
    }
    until_raised(
        &prometheus,
        "crm",
        &["ApiLimitNear", "DeleteGuard", "NotReady", "ObjectFailing"],
    )
    .await;
    until_raised(&prometheus, OLD, &["AuthenticationFailing", "NotReady", "Stale"]).await;
    assert_eq!(raised(&prometheus, QUIET).await, BTreeSet::new());

    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "salesforce-replicator", "namespace": site.namespace},
    });
    site.plane.admin().apply(&lease.to_string()).await;
    Box::pin(runbook::runs(&site, site.plane, "Contact")).await;

    site.stage.org.clear_rules();
    site.stage.org.set_usage(10);
    write(&site, 3, "3");
    let held = site.status().await.objects[0].held_deletes.clone().unwrap();
    let confirm = format!("Contact={}", held.token);
    site.patch(json!({"metadata": {"annotations": {"salesforce-replicator.io/confirm-deletes": confirm}}}))
        .await;
    site.patch(json!({"spec": {"trigger": {"manual": "2"}}})).await;
    site.until_condition("Ready", "True/UpToDate").await;
    until_raised(&prometheus, "crm", &[]).await;
    assert_eq!(operator.stop().await.code, Some(0));
}
