//! Runs that are broken off from our side.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use replication::{
    budget::ByteBudget,
    progress::{Event, RunKind},
    replicator::TickRequest,
    state::Phase,
};
use serde_json::json;
use simulator::{Config, Rule, What};
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_tick, query, tick};

const SEGMENT_ROWS: u64 = 400;

/// Contacts with few columns, so that there are many rows in little time.
async fn many(rows: u64) -> Bench {
    let objects =
        json!([{"name": "Contact", "mapping": "None", "fields": [{"source": "LastName", "column": "surname"}]}]);
    let mut bench = Bench::start(
        Config {
            contacts: rows,
            ..Config::default()
        },
        objects,
    )
    .await;
    bench.segment_rows = Some(SEGMENT_ROWS);
    bench
}

/// Does something when this many rows of Contact have been read.
fn when_read(bench: &Bench, rows: u64, act: impl FnOnce() + Send + 'static) {
    let mut act = Some(act);
    bench.recorder.at_each(move |object, event| {
        if let Event::Read(read) = event
            && object == "Contact"
            && *read >= rows
            && let Some(act) = act.take()
        {
            act();
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_load_goes_on_in_another_process_and_reads_one_segment_again_at_most() {
    let bench = many(1_300).await;
    let mut session = bench.session().await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    when_read(&bench, 700, move || stop.cancel());
    let report = session.tick(&TickRequest::default(), &cancel).await;
    let run = &report.runs[0];
    assert_eq!(run.error.as_ref().unwrap().reason, "Cancelled");
    assert_eq!(session.schedule().next_try_in(), None, "whoever cancels does not fail");
    drop(session);
    bench.recorder.ignore();

    let committed = query(&bench.file(), "SELECT count(*), max(salesforce_id) FROM contact");
    let rows: u64 = committed[0][0].parse().unwrap();
    assert!(
        rows >= SEGMENT_ROWS && rows < run.rows_read,
        "{rows} of {}",
        run.rows_read
    );
    let mut session = bench.session().await;
    let state = session.inspect().await.remove(0).state.unwrap().unwrap();
    assert_eq!(
        (state.checkpoint.phase, state.rows.try_into()),
        (Phase::Initial, Ok(rows))
    );
    assert_eq!(state.checkpoint.last_id.as_deref(), Some(committed[0][1].as_str()));

    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].kind, runs[0].rows), (RunKind::Initial, 1_300));
    assert_eq!(runs[0].rows_read, 1_300 - rows);
    assert_eq!(
        runs[0].watermark, state.checkpoint.query_start,
        "the first query of all is what counts"
    );
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_already_are_merged_and_the_load_goes_on() {
    let bench = many(1_300).await;
    let mut session = bench.session().await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    when_read(&bench, 1_000, move || stop.cancel());
    session.tick(&TickRequest::default(), &cancel).await;
    bench.recorder.ignore();
    // The place to go on lies inside what is committed, as after a backup that was put back.
    let connection = rusqlite::Connection::open(bench.file()).unwrap();
    let earlier =
        "UPDATE _replication_state SET last_id = (SELECT salesforce_id FROM contact ORDER BY 1 LIMIT 1 OFFSET 99)";
    assert_eq!(connection.execute(earlier, []).unwrap(), 1);
    drop(connection);
    let first = bench.ids("Contact")[150].clone();
    bench.update("Contact", &first, &[("LastName", "Meanwhile")]);
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].kind, runs[0].rows), (RunKind::Initial, 1_300));
    assert!(runs[0].rows_read >= 1_200, "{}", runs[0].rows_read);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_tick_rolls_its_segment_back() {
    let bench = many(600).await;
    let mut session = bench.session().await;
    let (reached, mut wait) = tokio::sync::mpsc::channel(1);
    when_read(&bench, 200, move || reached.try_send(()).unwrap());
    tokio::select! {
        report = tick(&mut session) => panic!("it ended: {report:#?}"),
        _ = wait.recv() => {}
    }
    bench.recorder.ignore();
    assert_eq!(query(&bench.file(), "SELECT count(*) FROM contact"), [["0"]]);
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_is_requested_before_this_one_is_parsed() {
    // Wide rows, so that a page is several batches; and the run has but one batch to fill.
    let objects = json!([{"name": "Contact", "mapping": "Mirror"}]);
    let mut bench = Bench::start(
        Config {
            contacts: 800,
            ..Config::default()
        },
        objects,
    )
    .await;
    bench.budget = ByteBudget::new(0);
    let held = [bench.budget.acquire().await, bench.budget.acquire().await];
    // The database is locked as soon as the first page is there: its first batch can be handed to nobody.
    let (file, lock) = (bench.file(), Arc::new(Mutex::new(None)));
    let keep = Arc::clone(&lock);
    bench.recorder.at_each(move |_, event| {
        if matches!(event, Event::Size(_)) {
            let connection = rusqlite::Connection::open(&file).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            *keep.lock().unwrap() = Some(connection);
        }
    });
    let mut session = bench.session().await;
    let control = bench.control();
    let requested = async {
        while control.counters().of("queryMore") == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        report = tick(&mut session) => panic!("{report:#?}"),
        () = requested => {}
    }
    let read = bench
        .recorder
        .of("Contact")
        .into_iter()
        .filter(|event| matches!(event, Event::Read(_)))
        .count();
    assert_eq!(
        read, 0,
        "the first page is not even begun, and the second one is on its way"
    );
    assert_eq!(
        bench.control().counters().of("queryMore"),
        1,
        "a third page has to wait"
    );
    drop((held, lock));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_that_breaks_off_goes_on_from_its_segments() {
    let bench = many(1_200).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.advance(Duration::from_hours(24));
    // Everything changes, ten rows in twenty seconds; two are deleted early.
    let ids = bench.ids("Contact");
    for (n, id) in ids.iter().enumerate() {
        if n % 10 == 0 {
            bench.control().advance_clock(jiff::SignedDuration::from_secs(20));
        }
        if n == 10 || n == 11 {
            bench.delete("Contact", id);
        } else {
            bench.update("Contact", id, &[("LastName", &format!("Changed {n}"))]);
        }
    }
    bench.advance(Duration::from_hours(1));
    let before = session.inspect().await.remove(0).state.unwrap().unwrap();
    bench.add_rule(Rule::at("queryMore", What::html(503)).after(4).forever());
    let report = tick(&mut session).await;
    assert!(report.runs[0].error.is_some());
    let state = session.inspect().await.remove(0).state.unwrap().unwrap();
    assert!(state.checkpoint.watermark > before.checkpoint.watermark);
    assert_eq!(state.pending, 2);
    assert_eq!(state.rows, 1_200, "deletes are applied by the last segment");
    bench.control().clear_rules();

    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    // 1000 rows had arrived; behind them are 200, before them the overlap of ten minutes with its 300.
    assert!(
        (500..=520).contains(&runs[0].rows_read),
        "{} rows read",
        runs[0].rows_read
    );
    assert_eq!((runs[0].rows, runs[0].rows_deleted), (1_198, 2));
    bench.assert_equal(&session);
    let state = session.inspect().await.remove(0).state.unwrap().unwrap();
    assert_eq!(state.pending, 0);
}
