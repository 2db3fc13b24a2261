//! A run that hangs where no limit of its own ends it.

use std::{pin::pin, time::Duration};

use replication::{progress::RunKind, replicator::TickRequest};
use salesforce::{ErrorKind, clock::Clock as _};
use serde_json::json;
use simulator::{Config, Rule, What};
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_kind, good_tick, tick};
use crate::postgres::fixture::{Place, noise};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stands_still_is_given_up_and_begun_again() {
    let config = Config {
        contacts: 300,
        ..Config::default()
    };
    let bench = Bench::start(config, json!([{"name": "Contact"}])).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.advance(Duration::from_mins(30));
    let id = bench.ids("Contact")[0].clone();
    bench.update("Contact", &id, &[("LastName", "Neu")]);
    bench.add_rule(Rule::at("queryAll", What::Hang).times(u64::MAX));
    let begun = bench.clock.monotonic();
    let mut sleeps = bench.clock.long_sleeps();
    let report = {
        let mut ticking = pin!(tick(&mut session));
        let passing = async {
            loop {
                tokio::select! {
                    report = &mut ticking => return report,
                    sleep = sleeps.changed() => {
                        sleep.unwrap();
                        bench.clock.advance(Duration::from_mins(10));
                    }
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_mins(1), passing).await;
        ended.expect("it is given up")
    };
    let error = report.runs[0].error.as_ref().unwrap();
    assert_eq!((error.kind, error.reason), (ErrorKind::Transient, "RunStalled"));
    let stood = bench.clock.monotonic().saturating_sub(begun);
    assert!(stood >= Duration::from_hours(2), "{stood:?}");
    assert!(report.next_try_time.is_some(), "{report:#?}");

    bench.control().clear_rules();
    bench.control().release_hanging();
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].rows_written, 1);
    bench.assert_equal(&session);
}

/// Until somebody waits for our own transaction.
async fn kept_waiting(place: &Place) {
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))";
    while place.server.value(waits).await == "0" {
        tokio::task::yield_now().await;
    }
}

/// An index takes as long as it takes: here somebody's transaction keeps it waiting.
#[tokio::test(flavor = "multi_thread")]
async fn the_making_of_an_index_is_no_standstill() {
    let place = Place::new().await;
    let config = Config {
        contacts: 50,
        ..Config::default()
    };
    let object = json!({"name": "Contact", "mapping": "None", "fields": [{"source": "LastName", "column": "surname"}]});
    let mut bench = Bench::start(config, json!([object])).await;
    bench.schema = Some(place.schema.clone());
    good_tick(&mut bench.session().await).await;
    bench.objects[0]["indexes"] = json!([["surname"]]);
    let mut session = bench.session().await;
    place.server.query("BEGIN").await;
    place.server.query("LOCK TABLE contact IN ROW EXCLUSIVE MODE").await;
    let begun = bench.clock.monotonic();
    let mut sleeps = bench.clock.long_sleeps();
    let mut ticking = pin!(tick(&mut session));
    tokio::select! {
        report = &mut ticking => panic!("no index is made: {report:#?}"),
        () = kept_waiting(&place) => {}
    }
    let waiting = async {
        loop {
            tokio::select! {
                report = &mut ticking => panic!("it was not waited for: {report:#?}"),
                sleep = sleeps.changed() => {
                    sleep.unwrap();
                    if bench.clock.monotonic().saturating_sub(begun) > Duration::from_hours(5) {
                        return;
                    }
                    bench.clock.advance(Duration::from_mins(10));
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting)
        .await
        .expect("time passes");
    place.server.query("COMMIT").await;
    let report = ticking.await;
    assert!(report.succeeded(), "{report:#?}");
    let valid = "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema AND indexdef LIKE '%(surname)%'";
    assert_eq!(place.server.value(valid).await, "1");
}

/// The end of a long run obeys a cancel as its rows do: an index that was refused is made when what hindered it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_making_of_an_index_behind_a_long_run() {
    let place = Place::new().await;
    let config = Config {
        contacts: 50,
        ..Config::default()
    };
    let object =
        json!({"name": "Contact", "mapping": "None", "fields": [{"source": "Description", "column": "notes"}]});
    let mut bench = Bench::start(config, json!([object])).await;
    bench.schema = Some(place.schema.clone());
    let id = bench.ids("Contact")[7].clone();
    let long = format!("{}{}", noise(1), noise(2));
    bench.update("Contact", &id, &[("Description", &long)]);
    bench.advance(Duration::from_mins(30));
    good_tick(&mut bench.session().await).await;
    bench.objects[0]["indexes"] = json!([["notes"]]);
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].degraded.len(), 1, "{runs:#?}");
    bench.update("Contact", &id, &[("Description", "short")]);
    bench.advance(Duration::from_mins(30));
    good_kind(&mut session, RunKind::Incremental).await;

    place.server.query("BEGIN").await;
    place.server.query("LOCK TABLE contact IN ROW EXCLUSIVE MODE").await;
    let cancel = CancellationToken::new();
    let reconcile = TickRequest {
        kind: Some(RunKind::Reconcile),
        ..TickRequest::default()
    };
    let mut ticking = pin!(session.tick(&reconcile, &cancel));
    tokio::select! {
        report = &mut ticking => panic!("no index is made: {report:#?}"),
        () = kept_waiting(&place) => {}
    }
    cancel.cancel();
    let report = tokio::time::timeout(Duration::from_mins(1), ticking).await;
    let report = report.expect("it ends");
    assert_eq!(report.runs[0].error.as_ref().unwrap().reason, "Cancelled");
    place.server.query("COMMIT").await;
}
