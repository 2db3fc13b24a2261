//! Rows that come slowly must not keep others waiting.

use std::{pin::pin, sync::Arc, time::Duration};

use replication::{progress::Event, replicator::TickReport};
use serde_json::{Value, json};
use simulator::{Config, Rule, What};
use tokio::sync::mpsc;

use super::fixture::{Bench, good_tick, query, tick};
use crate::postgres::fixture::Place;

async fn org(objects: Value) -> Bench {
    let config = Config {
        contacts: 700,
        accounts: 300,
        ..Config::default()
    };
    Bench::start(config, objects).await
}

/// What of Contact has happened, as it happens; at `rows` read rows of it the clock is moved by half a minute.
fn follow(bench: &Bench, rows: u64) -> mpsc::Receiver<Event> {
    let (tell, told) = mpsc::channel(100);
    let clock = Arc::clone(&bench.clock);
    bench.recorder.at_each(move |name, event| {
        if name == "Contact" {
            if matches!(event, Event::Read(read) if *read == rows) {
                clock.advance(Duration::from_secs(30));
            }
            // Whoever follows has seen enough when the channel is closed or full.
            tell.try_send(event.clone()).ok();
        }
    });
    told
}

/// Drives a tick until a commit was told, and then to its end.
async fn tick_with<F: Future<Output = ()>>(
    bench: &Bench,
    mut told: mpsc::Receiver<Event>,
    meanwhile: impl FnOnce() -> F,
) -> TickReport {
    let mut session = bench.session().await;
    let mut ticking = pin!(tick(&mut session));
    let committed = async {
        while let Some(event) = told.recv().await {
            if matches!(event, Event::Committed(_)) {
                return;
            }
        }
    };
    tokio::select! {
        report = &mut ticking => panic!("{report:#?}"),
        committed = tokio::time::timeout(Duration::from_mins(1), committed) => committed.expect("nothing is committed"),
    }
    meanwhile().await;
    bench.control().release_hanging();
    ticking.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_waits_for_long_is_committed_as_it_is() {
    let bench = org(json!([{"name": "Contact"}])).await;
    bench.add_rule(Rule::at("queryMore", What::Hang).after(1));
    let told = follow(&bench, 400);
    let report = tick_with(&bench, told, async || {
        assert_eq!(query(&bench.file(), "SELECT count(*) FROM contact"), [["400"]]);
        // Nobody who wants to write has to wait.
        let other = rusqlite::Connection::open(bench.file()).unwrap();
        other.busy_timeout(Duration::ZERO).unwrap();
        other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();
    })
    .await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!((report.runs[0].rows_read, report.runs[0].rows), (700, 700));

    let mut session = bench.session().await;
    bench.assert_equal(&session);
    bench.recorder.ignore();
    bench.advance(Duration::from_hours(1));
    for id in bench.ids("Contact") {
        bench.update("Contact", &id, &[("LastName", "Changed")]);
    }
    bench.advance(Duration::from_mins(1));
    let deleted = bench.ids("Contact")[3].clone();
    bench.delete("Contact", &deleted);
    bench.advance(Duration::from_hours(1));
    bench.add_rule(Rule::at("queryMore", What::Hang).after(2));
    let told = follow(&bench, 600);
    let report = tick_with(&bench, told, async || {
        let changed = "SELECT count(*) FROM contact WHERE surname = 'Changed'";
        assert_eq!(query(&bench.file(), changed), [["600"]]);
    })
    .await;
    assert!(report.succeeded(), "{report:#?}");
    let run = &report.runs[0];
    assert_eq!((run.rows_read, run.rows_written, run.rows_deleted), (700, 699, 1));
    bench.assert_equal(&session);
    bench.recorder.ignore();
    good_tick(&mut session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_of_postgres_that_waits_for_long_is_committed_as_it_is() {
    let place = Place::new().await;
    let mut bench = org(json!([{"name": "Contact"}])).await;
    bench.schema = Some(place.schema.clone());
    bench.add_rule(Rule::at("queryMore", What::Hang).after(1));
    let told = follow(&bench, 400);
    let report = tick_with(&bench, told, async || {
        assert_eq!(place.server.value("SELECT count(*) FROM contact").await, "400");
    })
    .await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(place.server.value("SELECT count(*) FROM contact").await, "700");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_waits_for_rows_lets_another_one_write() {
    let bench = org(json!([{"name": "Contact"}, {"name": "Account"}])).await;
    bench.add_rule(Rule::at("queryMore", What::Hang).of("Contact").forever());
    // The clock stands still. Account begins when Contact's segment is open and waits for its second page.
    let (tell, told) = mpsc::channel(100);
    let recorder = Arc::clone(&bench.recorder);
    bench.recorder.at_each(move |name, event| {
        if name == "Account" {
            if matches!(event, Event::Started) {
                recorder.block_until("Contact", |event| matches!(event, Event::Read(_)));
            }
            tell.try_send(event.clone()).ok();
        }
    });
    let report = tick_with(&bench, told, async || bench.control().clear_rules()).await;
    assert!(report.succeeded(), "{report:#?}");
    bench.assert_equal(&bench.session().await);
}
