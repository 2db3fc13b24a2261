//! An object that cannot be planned does not stop the others, and has not left the resource.

use std::time::Duration;

use replication::{
    Error,
    connect::Session,
    progress::{Event, RunKind},
    replicator::{TickReport, TickRequest},
};
use salesforce::ErrorKind;
use serde_json::{Value, json};
use simulator::Config;
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_tick, only, query, tick};

const USER: &str = "admin@example.com";
const HOUR: Duration = Duration::from_hours(1);

async fn bench(objects: Value) -> Bench {
    let config = Config {
        contacts: 30,
        accounts: 10,
        leads: 20,
        ..Config::default()
    };
    Bench::start(config, objects).await
}

/// Object and reason of each run.
fn told(report: &TickReport) -> Vec<(&str, Option<&str>)> {
    let runs = report.runs.iter();
    runs.map(|run| (run.object.as_str(), run.error.as_ref().map(|error| error.reason)))
        .collect()
}

/// A tick by the schedule.
async fn due(session: &mut Session) -> TickReport {
    let request = TickRequest {
        only_due: true,
        ..TickRequest::default()
    };
    session.tick(&request, &CancellationToken::new()).await
}

fn states(bench: &Bench) -> Vec<Vec<String>> {
    query(
        &bench.file(),
        "SELECT object, table_name, rows FROM _replication_state ORDER BY 1",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_run_and_it_is_told_with_its_tick() {
    let bench = bench(json!([
        {"name": "Contcat"},
        {"name": "Account"},
        {"name": "Lead", "mapping": "None", "fields": [{"source": "Compny", "column": "company"}]},
        {"name": "Contact"},
    ]))
    .await;
    let mut session = bench.session().await;
    let report = tick(&mut session).await;
    assert!(!report.succeeded());
    assert_eq!(
        told(&report),
        [
            ("Account", None),
            ("Contact", None),
            ("Contcat", Some("InvalidObject")),
            ("Lead", Some("InvalidField")),
        ]
    );
    let error = report.runs[3].error.as_ref().unwrap();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("Lead: field Compny"), "{error:?}");
    assert_eq!(
        (&*report.runs[3].table, report.runs[3].kind),
        ("lead", RunKind::Initial)
    );
    assert_eq!(
        states(&bench),
        [["Account", "account", "10"], ["Contact", "contact", "30"]]
    );
    bench.assert_equal(&session);
    let ended = bench.recorder.of("Lead");
    assert!(
        matches!(ended.as_slice(), [Event::Ended(report)] if report.error.is_some()),
        "{ended:?}"
    );

    // It can be asked for, alone and beside others; what is not in the resource cannot.
    let cancel = CancellationToken::new();
    assert_eq!(
        told(&session.tick(&only(&["lead"]), &cancel).await),
        [("Lead", Some("InvalidField"))]
    );
    let unknown = session.tick(&only(&["Case"]), &cancel).await.error.unwrap();
    assert!(unknown.message.contains("Case is not an object"), "{unknown:?}");
    assert!(matches!(session.preview("LEAD", 1).await, Err(Error::Unplanned { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_tried_again_by_the_hour_and_runs_when_the_org_has_what_it_needs() {
    let bench = bench(json!([{"name": "Account"}, {"name": "Lead"}])).await;
    bench.control().withdraw(USER, "Lead", None).unwrap();
    let mut session = bench.session().await;
    let lead = [("Account", None), ("Lead", Some("InvalidObject"))];
    assert_eq!(told(&due(&mut session).await), lead);
    assert_eq!(told(&due(&mut session).await), [("Account", None)]);
    bench.advance(HOUR);
    session.replan(&bench.spec()).await.unwrap();
    assert_eq!(told(&due(&mut session).await), lead);
    assert_eq!(told(&due(&mut session).await), [("Account", None)]);

    bench.control().grant(USER, "Lead", None).unwrap();
    session.replan(&bench.spec()).await.unwrap();
    let report = due(&mut session).await;
    assert_eq!(told(&report), [("Account", None), ("Lead", None)]);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_table_is_neither_retired_nor_changed_however_its_name_is_written() {
    let mut bench = bench(json!([{"name": "Account"}, {"name": "Lead"}, {"name": "Contact"}])).await;
    good_tick(&mut bench.session().await).await;
    let before = states(&bench);
    let rows = query(&bench.file(), "SELECT * FROM lead ORDER BY 1");
    bench.control().withdraw(USER, "Lead", None).unwrap();
    // What the org does not show has its name from the resource.
    for name in ["Lead", "lead", "LEAD"] {
        bench.objects = json!([{"name": "Account"}, {"name": name}, {"name": "Contact"}]);
        let mut session = bench.session().await;
        let report = tick(&mut session).await;
        assert_eq!(
            told(&report),
            [("Account", None), ("Contact", None), (name, Some("InvalidObject"))]
        );
        assert!(session.retired_tables().is_empty(), "{:?}", session.retired_tables());
        assert_eq!(states(&bench), before);
        assert_eq!(query(&bench.file(), "SELECT * FROM lead ORDER BY 1"), rows);
    }
    bench.control().grant(USER, "Lead", None).unwrap();
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    let kinds: Vec<_> = runs.iter().map(|run| (run.object.as_str(), run.kind)).collect();
    assert!(kinds.contains(&("Lead", RunKind::Incremental)), "{kinds:?}");

    // It leaves when the resource says so.
    bench.objects = json!([{"name": "Account"}, {"name": "Contact"}]);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    assert_eq!(session.retired_tables()[0].table, "lead");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_ran_tells_what_its_table_has() {
    let bench = bench(json!([{"name": "Account"}, {"name": "Lead", "where": "LeadSource != 'x'"}])).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let rows = query(&bench.file(), "SELECT count(*) FROM lead")[0][0].parse().unwrap();
    bench.control().withdraw(USER, "Lead", Some("LeadSource")).unwrap();
    session.replan(&bench.spec()).await.unwrap();
    let report = due(&mut session).await;
    assert_eq!(told(&report), [("Account", None), ("Lead", Some("InvalidField"))]);
    let lead = &report.runs[1];
    assert_eq!((lead.rows, lead.kind), (rows, RunKind::Incremental));
    assert!(lead.watermark.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_object_can_be_planned_there_is_no_session() {
    let mut bench = bench(json!([{"name": "Contcat"}, {"name": "Lead", "where": "Nmae != null"}])).await;
    let Error::Plan(problems) = bench.refused().await else {
        panic!("no problems of a plan")
    };
    assert_eq!(problems.0.len(), 2, "{problems}");
    // One that is there stays as it was.
    bench.objects = json!([{"name": "Lead"}]);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.objects = json!([{"name": "Lead", "where": "Nmae != null"}]);
    assert!(matches!(session.replan(&bench.spec()).await, Err(Error::Plan(_))));
    good_tick(&mut session).await;
}
