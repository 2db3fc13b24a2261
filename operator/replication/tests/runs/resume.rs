//! First loads that go on, with tables that are not as the load left them.

use replication::{
    progress::{Event, RunKind},
    replicator::TickRequest,
};
use serde_json::json;
use simulator::Config;
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_tick, query, tick};
use crate::postgres::fixture::Place;

const ROWS: u64 = 1_300;

async fn contacts() -> Bench {
    let objects =
        json!([{"name": "Contact", "mapping": "None", "fields": [{"source": "LastName", "column": "surname"}]}]);
    let mut bench = Bench::start(
        Config {
            contacts: ROWS,
            ..Config::default()
        },
        objects,
    )
    .await;
    bench.segment_rows = Some(400);
    bench
}

/// Begins a load and breaks it off when a segment is committed and the next one is open.
async fn break_off(bench: &Bench) {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    bench.recorder.at_each(move |_, event| {
        if matches!(event, Event::Read(600..)) {
            stop.cancel();
        }
    });
    let mut session = bench.session().await;
    let report = session.tick(&TickRequest::default(), &cancel).await;
    assert_eq!(report.runs[0].error.as_ref().unwrap().reason, "Cancelled");
    bench.recorder.ignore();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_there_already_costs_no_row_of_its_segment() {
    let place = Place::new().await;
    let mut bench = contacts().await;
    bench.schema = Some(place.schema.clone());
    break_off(&bench).await;
    // In the middle of the second segment. PostgreSQL tells of it when the segment is to be committed.
    let id = bench.ids("Contact")[700].clone();
    let row = format!("INSERT INTO contact VALUES ('{id}', '2001-01-01', 'From elsewhere')");
    place.server.query(&row).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let found = place.server.query("SELECT salesforce_id FROM contact ORDER BY 1").await;
    let found: Vec<String> = found.into_iter().flatten().flatten().collect();
    assert!(found == bench.ids("Contact"), "{} rows", found.len());
    let stale = "SELECT count(*) FROM contact WHERE surname = 'From elsewhere'";
    assert_eq!(place.server.value(stale).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_begins_anew_where_its_rows_are_gone() {
    for gone in ["DROP TABLE contact", "DELETE FROM contact"] {
        let bench = contacts().await;
        break_off(&bench).await;
        rusqlite::Connection::open(bench.file())
            .unwrap()
            .execute_batch(gone)
            .unwrap();
        let mut session = bench.session().await;
        let runs = good_tick(&mut session).await;
        assert_eq!((runs[0].rows_read, runs[0].rows), (ROWS, 1_300), "{gone}");
        bench.assert_equal(&session);
        let state = query(&bench.file(), "SELECT phase, rows FROM _replication_state");
        assert_eq!(state, [["Live", "1300"]], "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_into_postgres_begins_anew_where_its_rows_are_gone() {
    for gone in ["DROP TABLE contact", "TRUNCATE contact"] {
        let place = Place::new().await;
        let mut bench = contacts().await;
        bench.schema = Some(place.schema.clone());
        break_off(&bench).await;
        place.server.query(gone).await;
        let mut session = bench.session().await;
        let runs = good_tick(&mut session).await;
        assert_eq!((runs[0].rows_read, runs[0].rows), (ROWS, 1_300), "{gone}");
        assert_eq!(place.server.value("SELECT count(*) FROM contact").await, "1300");
    }
}

/// Breaks a load off, changes the mapping and the org, and loads with the new mapping.
async fn change_mapping(bench: &mut Bench) {
    break_off(bench).await;
    let gone = bench.ids("Contact")[5].clone();
    bench.control().hard_delete("Contact", &gone).unwrap();
    // The same column with another type, and one more.
    bench.objects = json!([{"name": "Contact", "mapping": "None", "fields": [
        {"source": "CreatedDate", "column": "surname"}, {"source": "Email", "column": "email"}]}]);
    let mut session = bench.session().await;
    assert!(session.inspect().await.remove(0).state.is_ok());
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].rows_read, runs[0].rows), (ROWS - 1, 1_299));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_begins_anew_with_another_plan() {
    let mut bench = contacts().await;
    Box::pin(change_mapping(&mut bench)).await;
    bench.assert_equal(&bench.session().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_into_postgres_begins_anew_with_another_plan() {
    let place = Place::new().await;
    let mut bench = contacts().await;
    bench.schema = Some(place.schema.clone());
    Box::pin(change_mapping(&mut bench)).await;
    let found = place
        .server
        .value("SELECT count(*) FROM contact WHERE surname > '2000-01-01'::timestamptz")
        .await;
    assert_eq!(found, "1299");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_made_again() {
    let place = Place::new().await;
    for schema in [None, Some(place.schema.clone())] {
        let mut bench = contacts().await;
        bench.schema = schema;
        let mut session = bench.session().await;
        good_tick(&mut session).await;
        // The tick behind an Initial looks at the tables of state once more.
        good_tick(&mut session).await;
        match &bench.schema {
            Some(schema) => drop(place.server.query(&format!("DROP SCHEMA {schema} CASCADE")).await),
            None => bench.remove_file(),
        }
        let report = tick(&mut session).await;
        let error = report.runs[0].error.as_ref().expect("its database is gone");
        assert!(error.reason.starts_with("Database"), "{error:?}");
        let runs = good_tick(&mut session).await;
        assert_eq!((runs[0].rows_read, runs[0].rows), (ROWS, 1_300));
    }
}

/// DROP TABLE would take the view along, or fail for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_view_reads_is_loaded_with_another_plan_as_it_is() {
    let place = Place::new().await;
    let mut bench = contacts().await;
    bench.schema = Some(place.schema.clone());
    break_off(&bench).await;
    let gone = bench.ids("Contact")[5].clone();
    bench.control().hard_delete("Contact", &gone).unwrap();
    place
        .server
        .query("CREATE VIEW theirs AS SELECT salesforce_id, surname FROM contact")
        .await;
    assert_ne!(place.server.value("SELECT count(*) FROM theirs").await, "0");
    bench.objects = json!([{"name": "Contact", "mapping": "None", "fields": [
        {"source": "FirstName", "column": "surname"}, {"source": "Email", "column": "email"}]}]);
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].kind, RunKind::Initial);
    assert!(
        runs[1..].iter().any(|run| run.kind == RunKind::Refresh),
        "rows of the load that was given up are found by a listing: {runs:#?}"
    );
    let found = place.server.query("SELECT salesforce_id FROM theirs ORDER BY 1").await;
    let found: Vec<String> = found.into_iter().flatten().flatten().collect();
    assert!(found == bench.ids("Contact"), "{} rows", found.len());
    let first_names = "SELECT count(*) FROM contact WHERE surname IS NOT NULL";
    let filled = bench.control().rows("Contact").unwrap();
    let filled = filled
        .filter(|row| !row.deleted && row.fields["FirstName"].is_some())
        .count();
    assert_eq!(place.server.value(first_names).await, filled.to_string());
    assert_eq!(place.server.value("SELECT rows FROM _replication_state").await, "1299");
}
