//! Many resources in one operator: they become ready, and cost nothing afterwards.
//!
//! `SFR_TEST_RESOURCES` says how many (`make measure-operator` takes 200, and a thousand passes), and the numbers are printed.

use std::time::Instant;

use e2e::{
    binary::until,
    operator::{Operator, Site, condition},
    stage::empty_org,
};
use kube::runtime::wait::await_condition;
use serde_json::json;
use simulator::Config;

/// Resources where nobody says how many.
const FEW: usize = 8;

/// Passes over resources that change in nothing that matters: these where nobody asks for numbers, else those.
const PASSES: (usize, usize) = (200, 1000);

/// What memory may grow by in these passes, KiB: an allocator's play, far below a leak of 16 KiB a pass.
const GROWTH_KIB: u64 = 8 * 1024;

const OBJECTS: &str = "[{name: Contact}, {name: Account}, {name: Lead}, {name: User}, {name: Opportunity}]";

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "told to a person, and nothing depends on it")]
async fn many_resources_become_ready_and_then_cost_nothing() {
    let asked = std::env::var("SFR_TEST_RESOURCES").ok();
    let resources = asked.as_ref().map_or(FEW, |number| number.parse().unwrap());
    let rounds = if asked.is_some() { PASSES.1 } else { PASSES.0 }.div_ceil(resources);
    let config = Config {
        contacts: 200,
        accounts: 40,
        leads: 20,
        opportunities: 20,
        ..empty_org()
    };
    let site = Box::pin(Site::new("scale", config, &["{name: Contact}"])).await;
    site.secrets_only().await;
    let operator = site.operator(&[]).await;
    let begin = Instant::now();
    site.plane.admin().apply(&documents(&site, resources)).await;
    for number in 0..resources {
        let is_ready = |resource: Option<&crds::SalesforceReplicator>| {
            let status = resource.and_then(|resource| resource.status.as_ref());
            status.is_some_and(|status| condition(status, "Ready") == "True/UpToDate")
        };
        await_condition(site.api(), &name(number), is_ready).await.unwrap();
    }
    let ready = begin.elapsed();
    let (first, cpu) = (operator.memory(), operator.cpu_seconds());
    let requests = requests(&operator).await;
    println!(
        "{resources} resources of 5 objects: all ready after {:.1} s; {cpu:.1} s of CPU, {} MiB, {requests} requests to the API server",
        ready.as_secs_f64(),
        first / 1024
    );

    let passes = "salesforce_replicator_reconciliations_total{outcome=\"success\"}";
    let so_far = operator.metric(passes).await.unwrap();
    let writes = || {
        let requests = site.plane.requests_of(&site.user);
        requests
            .iter()
            .filter(|request| request.writes() && request.resource.starts_with("salesforcereplicators"))
            .count()
    };
    // The last status of the last resource may be on its way.
    let mut written = writes();
    until("nobody writes any more", async || {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let before = std::mem::replace(&mut written, writes());
        before == written
    })
    .await;
    let mut warm = 0;
    for round in 0..rounds {
        for number in 0..resources {
            let note = json!({"metadata": {"annotations": {"example.com/round": round.to_string()}}});
            site.patch_named(&name(number), note).await;
        }
        // Changes of one resource that come together are one pass, so the next round waits for this one's.
        let made = f64::from(u32::try_from(resources * (round + 1)).unwrap());
        until("the passes are made", async || {
            operator.metric(passes).await.unwrap() >= so_far + made
        })
        .await;
        if round == rounds / 10 {
            warm = operator.memory();
        }
    }
    let last = operator.memory();
    let more = writes() - written;
    println!(
        "{} passes over what changed in nothing: {warm} KiB, then {last} KiB; {more} writes",
        rounds * resources
    );
    // Counts that waited for their turn may still be told, once for each.
    assert!(more <= resources, "{more} writes");
    assert!(last < warm + GROWTH_KIB, "{warm} KiB, then {last} KiB");
    assert_eq!(operator.stop().await.code, Some(0));
}

fn name(number: usize) -> String {
    format!("crm-{number}")
}

/// Resources that run at once and then not before next year, each into a schema of its own.
fn documents(site: &Site, resources: usize) -> String {
    let documents = (0..resources).map(|number| {
        format!(
            "apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {{namespace: {}, name: {}}}
spec:
  connection:
    loginUrl: {}
    auth: {{password: {{secretRef: {{name: salesforce}}}}}}
  destination: {{postgres: {{secretRef: {{name: database}}, schema: s{number}}}}}
  trigger: {{schedule: '0 3 1 1 *'}}
  objects: {OBJECTS}
",
            site.namespace,
            name(number),
            site.stage.resource.login_url
        )
    });
    documents.collect::<Vec<_>>().join("---\n")
}

/// Requests to the API server so far.
async fn requests(operator: &Operator) -> u64 {
    let text = operator.metrics().await;
    let lines = text
        .lines()
        .filter(|line| line.starts_with("salesforce_replicator_kube_requests_total{"));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}
