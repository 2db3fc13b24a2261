//! Late commits, hard deletes, drift, conditions, linked fields, held deletes: what the long kinds of run are for.

use std::time::Duration;

use replication::{
    progress::{Drift, RunKind, RunReport},
    replicator::TickRequest,
};
use serde_json::json;
use simulator::Config;
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_kind, good_tick, query};

const MINUTE: Duration = Duration::from_mins(1);

fn contacts(contacts: u64) -> Config {
    Config {
        contacts,
        ..Config::default()
    }
}

/// The kinds of the runs of an object, in order.
fn kinds(runs: &[RunReport]) -> Vec<RunKind> {
    runs.iter().map(|run| run.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_what_was_committed_late_and_what_was_hard_deleted() {
    let bench = Bench::start(contacts(300), json!([{"name": "Contact"}])).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let ids = bench.ids("Contact");
    bench.advance(5 * MINUTE);
    let open = bench.control().begin();
    open.update("Contact", &ids[3], &[("LastName", "Late")]).unwrap();
    let late = open.create("Contact", &[("LastName", "Later")]).unwrap();
    bench.advance(25 * MINUTE);
    good_tick(&mut session).await;
    bench.control().hard_delete("Contact", &ids[5]).unwrap();
    open.commit().unwrap();
    bench.advance(5 * MINUTE);
    good_tick(&mut session).await;
    assert_eq!(
        bench.column("contact", "surname", &late),
        "-",
        "the overlap does not reach so far"
    );
    assert_ne!(bench.column("contact", "surname", &ids[5]), "-");

    let runs = good_kind(&mut session, RunKind::Verify).await;
    assert_eq!(kinds(&runs), [RunKind::Verify]);
    assert_eq!((runs[0].rows_written, runs[0].rows_deleted), (2, 1));
    assert_eq!(bench.column("contact", "surname", &late), "Later");
    bench.assert_equal(&session);

    // Nothing is left to verify, and a window of two minutes waits.
    let watch = bench.watch();
    bench.advance(MINUTE);
    let runs = good_kind(&mut session, RunKind::Verify).await;
    assert_eq!((runs[0].rows_read, runs[0].api_calls), (0, 1), "the clock alone");
    watch.assert_unwritten();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_kinds_run_when_they_are_due_and_not_before() {
    let mut bench = Bench::start(contacts(50), json!([{"name": "Contact"}])).await;
    bench.consistency = json!({"verifyEvery": "1h", "reconcileEvery": "6h", "refreshEvery": "24h"});
    let mut session = bench.session().await;
    assert_eq!(kinds(&good_tick(&mut session).await), [RunKind::Initial]);
    bench.advance(30 * MINUTE);
    assert_eq!(kinds(&good_tick(&mut session).await), [RunKind::Incremental]);
    bench.advance(31 * MINUTE);
    assert_eq!(
        kinds(&good_tick(&mut session).await),
        [RunKind::Incremental, RunKind::Verify]
    );
    bench.advance(MINUTE);
    assert_eq!(kinds(&good_tick(&mut session).await), [RunKind::Incremental]);
    bench.advance(300 * MINUTE);
    assert_eq!(
        kinds(&good_tick(&mut session).await),
        [RunKind::Incremental, RunKind::Verify, RunKind::Reconcile]
    );
    // Another process knows it from the state.
    let mut session = bench.session().await;
    bench.advance(MINUTE);
    assert_eq!(kinds(&good_tick(&mut session).await), [RunKind::Incremental]);
    bench.advance(1200 * MINUTE);
    assert_eq!(
        kinds(&good_tick(&mut session).await),
        [
            RunKind::Incremental,
            RunKind::Verify,
            RunKind::Refresh,
            RunKind::Incremental,
            RunKind::Verify
        ]
    );
    bench.advance(MINUTE);
    assert_eq!(kinds(&good_tick(&mut session).await), [RunKind::Incremental]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_reach_of_the_log_reconcile_takes_the_place_of_verify() {
    let mut bench = Bench::start(contacts(300), json!([{"name": "Contact"}])).await;
    bench.consistency = json!({"verifyEvery": "1h", "reconcileEvery": "0s", "refreshEvery": "0s"});
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let ids = bench.ids("Contact");
    bench.control().hard_delete("Contact", &ids[7]).unwrap();
    bench.update("Contact", &ids[8], &[("LastName", "Twenty days ago")]);
    bench.advance(20 * 24 * 60 * MINUTE);
    let runs = good_tick(&mut session).await;
    // Late changes of parents are in the log alone, so a Refresh follows.
    assert_eq!(
        kinds(&runs)[..3],
        [RunKind::Incremental, RunKind::Reconcile, RunKind::Refresh]
    );
    bench.assert_equal(&session);
    // The log that somebody has emptied does the same.
    bench.control().hard_delete("Contact", &ids[9]).unwrap();
    bench.advance(120 * MINUTE);
    bench.control().purge_delete_log("Contact").unwrap();
    let runs = good_tick(&mut session).await;
    // Late changes of parents are in the log alone, so a Refresh follows.
    assert_eq!(
        kinds(&runs)[..3],
        [RunKind::Incremental, RunKind::Reconcile, RunKind::Refresh]
    );
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_mends_a_table_that_somebody_changed_and_tells_the_drift() {
    for segment_rows in [None, Some(37)] {
        let mut bench = Bench::start(contacts(450), json!([{"name": "Contact"}])).await;
        bench.segment_rows = segment_rows;
        let mut session = bench.session().await;
        good_tick(&mut session).await;
        let ids = bench.ids("Contact");
        let gone: Vec<&str> = ids.iter().step_by(50).map(String::as_str).collect();
        let connection = rusqlite::Connection::open(bench.file()).unwrap();
        for id in &gone {
            connection
                .execute("DELETE FROM contact WHERE salesforce_id = ?", [id])
                .unwrap();
        }
        connection
            .execute("UPDATE contact SET system_modstamp = '2001-01-01T00:00:00.000Z', surname = 'x' WHERE salesforce_id = ?", [&ids[1]])
            .unwrap();
        for id in ["003AAAAAAAAAAAAAAA", "003zzzzzzzzzzzzzzz"] {
            connection
                .execute(
                    "INSERT INTO contact (salesforce_id, system_modstamp, surname) VALUES (?, '2020-01-01T00:00:00.000Z', 'nobody')",
                    [id],
                )
                .unwrap();
        }
        connection
            .execute(
                "UPDATE _replication_state SET rows = (SELECT count(*) FROM contact)",
                [],
            )
            .unwrap();
        drop(connection);
        bench.advance(5 * MINUTE);
        let runs = good_kind(&mut session, RunKind::Reconcile).await;
        let drift = Drift {
            missing: 9,
            differing: 1,
            surplus: 2,
        };
        assert_eq!(runs[0].drift, Some(drift));
        assert_eq!((runs[0].rows_written, runs[0].rows_deleted), (10, 2));
        assert_eq!(runs[0].rows, 450);
        bench.assert_equal(&session);
        let runs = good_kind(&mut session, RunKind::Reconcile).await;
        assert_eq!(runs[0].drift, Some(Drift::default()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_added_is_filled_by_a_refresh() {
    let mut bench = Bench::start(contacts(250), json!([{"name": "Contact"}])).await;
    bench.segment_rows = Some(60);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.objects = json!([{"name": "Contact", "fields": [{"source": "Department", "column": "division"}]}]);
    let mut session = bench.session().await;
    bench.advance(MINUTE);
    let runs = good_tick(&mut session).await;
    assert_eq!(
        kinds(&runs),
        [
            RunKind::Incremental,
            RunKind::Refresh,
            RunKind::Incremental,
            RunKind::Verify
        ]
    );
    assert_eq!(runs[0].changing, Some(RunKind::Refresh));
    assert_eq!(runs[1].changing, None);
    bench.assert_equal(&session);
    assert_eq!(kinds(&good_tick(&mut session).await), [RunKind::Incremental]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_leave_and_enter_a_condition_and_a_changed_one_reconciles_at_once() {
    let mut bench = Bench::start(
        contacts(300),
        json!([{"name": "Contact", "mapping": "Mirror", "where": "MailingCountry = 'Germany'"}]),
    )
    .await;
    bench.consistency["maxDeletePercent"] = json!(100);
    let ids = bench.ids("Contact");
    for (n, id) in ids.iter().enumerate() {
        let country = if n % 3 == 0 { "Germany" } else { "Austria" };
        bench.update("Contact", id, &[("MailingCountry", country)]);
    }
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].rows, 100);
    bench.advance(30 * MINUTE);
    bench.update("Contact", &ids[0], &[("MailingCountry", "Austria")]);
    bench.update("Contact", &ids[1], &[("MailingCountry", "Germany")]);
    bench.update("Contact", &ids[3], &[("LastName", "Stays")]);
    bench.delete("Contact", &ids[6]);
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].rows_written, runs[0].rows_deleted, runs[0].rows), (2, 2, 99));
    assert_eq!(bench.column("contact", "last_name", &ids[3]), "Stays");
    assert_eq!(bench.column("contact", "last_name", &ids[0]), "-");
    assert_ne!(bench.column("contact", "last_name", &ids[1]), "-");
    bench.advance(30 * MINUTE);
    good_tick(&mut session).await;
    bench.advance(MINUTE);
    let runs = good_tick(&mut session).await;
    assert_eq!(
        (runs[0].rows_read, runs[0].api_calls),
        (0, 1),
        "no changes are one call"
    );

    bench.objects = json!([{"name": "Contact", "mapping": "Mirror", "where": "MailingCountry = 'Austria'"}]);
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(kinds(&runs), [RunKind::Incremental, RunKind::Reconcile]);
    assert_eq!((runs[1].rows, runs[1].changing), (200, None));
    assert_eq!(bench.column("contact", "last_name", &ids[3]), "-");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_parent_reaches_its_children_in_the_next_incremental() {
    let bench = Bench::start(
        Config {
            contacts: 300,
            accounts: 40,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let row = bench
        .control()
        .rows("Contact")
        .unwrap()
        .find(|row| row.fields["AccountId"].is_some());
    let row = row.unwrap();
    let account = row.fields["AccountId"].clone().unwrap();
    bench.advance(30 * MINUTE);
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].api_calls, 2, "one for the object and one for its parents");
    bench.update("Account", &account, &[("Name", "Neuer Name GmbH")]);
    let runs = good_tick(&mut session).await;
    assert!(runs[0].rows_written > 0 && runs[0].rows_written < 100, "{runs:?}");
    assert_eq!(bench.column("contact", "company", &row.id), "Neuer Name GmbH");
    // In the overlap the parent is seen again, and nothing is read for it.
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].api_calls, runs[0].rows_written), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_beyond_the_guard_are_held_until_their_token_comes() {
    let bench = Bench::start(contacts(1000), json!([{"name": "Contact"}])).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let ids = bench.ids("Contact");
    bench.advance(30 * MINUTE);
    for id in &ids[..150] {
        bench.delete("Contact", id);
    }
    bench.update("Contact", &ids[200], &[("LastName", "Goes on")]);
    let runs = good_tick(&mut session).await;
    let held = runs[0].held.clone().unwrap();
    assert_eq!((held.count, runs[0].rows_deleted, runs[0].rows_written), (150, 0, 1));
    assert_eq!(runs[0].rows, 1000);

    // A quiet run says it again and writes nothing.
    bench.advance(30 * MINUTE);
    good_tick(&mut session).await;
    let watch = bench.watch();
    bench.advance(MINUTE);
    assert_eq!(good_tick(&mut session).await[0].held, Some(held.clone()));
    watch.assert_unwritten();

    // Ten come back, five more go: another token.
    for id in &ids[..10] {
        bench.undelete("Contact", id);
    }
    for id in &ids[150..155] {
        bench.delete("Contact", id);
    }
    let runs = good_tick(&mut session).await;
    let now = runs[0].held.clone().unwrap();
    assert_eq!(now.count, 145);
    let confirm = |token: &str| TickRequest {
        confirm: [("contact".to_owned(), token.to_owned())].into(),
        ..TickRequest::default()
    };
    let cancel = CancellationToken::new();
    let report = session.tick(&confirm(&held.token), &cancel).await;
    let error = report.runs[0].error.clone().unwrap();
    assert_eq!(error.reason, "DeleteGuard");
    assert!(error.message.contains(&now.token), "{}", error.message);
    assert_eq!(query(&bench.file(), "SELECT count(*) FROM contact"), [["1000"]]);

    // Confirmed ones go, apart from one that came back meanwhile and one that was found later.
    bench.undelete("Contact", &ids[20]);
    bench.delete("Contact", &ids[160]);
    let report = session.tick(&confirm(&now.token), &cancel).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(report.runs[0].held, None);
    bench.assert_equal(&session);
}
