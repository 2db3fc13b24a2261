//! What Salesforce says of time and of its log, and is not so, or not all of it.

use std::{fmt::Write as _, time::Duration};

use jiff::{SignedDuration, Timestamp};
use replication::{
    connect::Session,
    progress::{Event, RunKind},
    replicator::{TickReport, TickRequest},
};
use serde_json::json;
use simulator::{Config, Rule, What};
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_kind, good_tick, query};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn contacts(count: u64) -> Bench {
    let config = Config {
        contacts: count,
        ..Config::default()
    };
    Bench::start(
        config,
        json!([{"name": "Contact", "mapping": "None",
        "fields": [{"source": "LastName", "column": "surname"}]}]),
    )
    .await
}

/// A moment of the state of Contact.
fn state(bench: &Bench, column: &str) -> Timestamp {
    let sql = format!("SELECT {column} FROM _replication_state");
    query(&bench.file(), &sql)[0][0].parse().unwrap()
}

/// Salesforce's clock a day ahead, for one session that also verifies; then it is right again. Nobody can tell when it went wrong:
/// what changed and was deleted since is found by the next Verify.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ahead_hides_nothing_once_it_is_right() {
    let bench = contacts(300).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let ids = bench.ids("Contact");

    bench.control().advance_clock(DAY);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    good_kind(&mut session, RunKind::Verify).await;
    let ahead = state(&bench, "watermark");

    bench.control().advance_clock(-DAY);
    bench.advance(30 * MINUTE);
    bench.update("Contact", &ids[3], &[("LastName", "By the right clock")]);
    bench.control().hard_delete("Contact", &ids[5]).unwrap();
    bench.advance(20 * MINUTE);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    assert!(state(&bench, "watermark") < ahead, "readers are not told of tomorrow");
    good_kind(&mut session, RunKind::Verify).await;
    assert_eq!(bench.column("contact", "surname", &ids[3]), "By the right clock");
    bench.assert_equal(&session);
    assert!(state(&bench, "verified_until") < ahead);

    // From here on all is as ever.
    let watch = bench.watch();
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].rows_written, runs[0].api_calls), (0, 1));
    watch.assert_unwritten();
}

/// The same where nothing was verified meanwhile: then it is known from where on changes were asked for in vain.
#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_by_a_clock_that_was_ahead_is_made_good_by_the_next() {
    let bench = contacts(300).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let id = &bench.ids("Contact")[3];
    bench.control().advance_clock(DAY);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.control().advance_clock(-DAY);
    bench.advance(30 * MINUTE);
    bench.update("Contact", id, &[("LastName", "By the right clock")]);
    bench.advance(20 * MINUTE);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    assert_eq!(bench.column("contact", "surname", id), "By the right clock");
    bench.assert_equal(&session);
}

/// A run that is cancelled when something has happened in it.
async fn break_off(bench: &Bench, session: &mut Session, kind: RunKind, when: fn(&Event) -> bool) -> TickReport {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    bench.recorder.at_each(move |_, event| {
        if when(event) {
            stop.cancel();
        }
    });
    let request = TickRequest {
        kind: Some(kind),
        ..TickRequest::default()
    };
    let report = session.tick(&request, &cancel).await;
    bench.recorder.ignore();
    assert_eq!(report.runs[0].error.as_ref().unwrap().reason, "Cancelled");
    report
}

/// A table that was loaded, and a session since by a clock that is a day ahead.
async fn tomorrow(rows: u64) -> (Bench, Session) {
    let mut bench = contacts(rows).await;
    bench.segment_rows = Some(100);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.control().advance_clock(DAY);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    (bench, session)
}

/// A Refresh that is under way keeps the watermark where it is, but not one of tomorrow.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_was_broken_off_does_not_keep_tomorrows_watermark() {
    let (bench, mut session) = Box::pin(tomorrow(300)).await;
    good_kind(&mut session, RunKind::Verify).await;
    let report = break_off(&bench, &mut session, RunKind::Refresh, |event| {
        matches!(event, Event::Read(_))
    })
    .await;
    assert_eq!(report.runs[0].kind, RunKind::Refresh);
    let (watermark, verified) = (state(&bench, "watermark"), state(&bench, "verified_until"));

    bench.control().advance_clock(-DAY);
    bench.advance(30 * MINUTE);
    let mut session = bench.session().await;
    good_kind(&mut session, RunKind::Incremental).await;
    assert!(
        state(&bench, "watermark") < watermark,
        "readers are not told of tomorrow"
    );
    good_kind(&mut session, RunKind::Verify).await;
    assert!(state(&bench, "verified_until") < verified);
    let listing = query(&bench.file(), "SELECT listing_kind FROM _replication_state");
    assert_eq!(listing[0][0], "Refresh", "it is still to go on");
}

/// The same where the Incremental that takes it back is broken off between two of its segments: what it has not read is still to
/// be read.
#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_that_was_broken_off_claims_nothing_that_it_has_not_read() {
    let (bench, mut session) = Box::pin(tomorrow(3_000)).await;
    break_off(&bench, &mut session, RunKind::Refresh, |event| {
        matches!(event, Event::Read(_))
    })
    .await;

    bench.control().advance_clock(-DAY);
    bench.advance(30 * MINUTE);
    let ids = bench.ids("Contact");
    for id in &ids {
        bench.update("Contact", id, &[("LastName", "By the right clock")]);
    }
    bench.advance(60 * MINUTE);
    let mut session = bench.session().await;
    let begun = |event: &Event| matches!(event, Event::Committed(_));
    break_off(&bench, &mut session, RunKind::Incremental, begun).await;
    let mut session = bench.session().await;
    good_kind(&mut session, RunKind::Incremental).await;
    let left = "SELECT count(*) FROM contact WHERE surname <> 'By the right clock'";
    assert_eq!(query(&bench.file(), left)[0][0], "0");
}

/// More changes than getUpdated tells at once: the window is halved, and the rest follows at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_too_long_is_verified_to_its_end() {
    let bench = contacts(300).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench
        .control()
        .change_settings(|settings| settings.replication_ids = 100);
    for id in &bench.ids("Contact")[..150] {
        bench.update("Contact", id, &[("LastName", "Changed")]);
        bench.advance(Duration::from_secs(20));
    }
    bench.advance(5 * MINUTE);
    good_kind(&mut session, RunKind::Verify).await;
    let behind = bench.control().now().duration_since(state(&bench, "verified_until"));
    assert!(behind < SignedDuration::from_mins(2), "{behind:#}");
    bench.assert_equal(&session);
}

/// Six hundred thousand entries of getDeleted are more than one answer may have.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_deletes_that_is_too_large_for_an_answer_is_read_in_parts() {
    let bench = contacts(300).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let ids = bench.ids("Contact");
    bench.advance(30 * MINUTE);
    bench.control().hard_delete("Contact", &ids[5]).unwrap();
    bench.advance(30 * MINUTE);
    bench.control().change_settings(|settings| settings.compress = false);
    let text = " ".repeat(33 << 20);
    bench.add_rule(Rule::at("getDeleted", What::ReplaceBody { text }));
    let runs = good_kind(&mut session, RunKind::Verify).await;
    assert_eq!(runs[0].rows_deleted, 1);
    bench.assert_equal(&session);
}

/// Salesforce should refuse a window that its log does not reach. Where it answers with the rest, that is not all there was.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_begins_later_than_it_was_asked_for_verifies_nothing() {
    let mut bench = contacts(300).await;
    bench.consistency = json!({"verifyEvery": "1h", "reconcileEvery": "0s", "refreshEvery": "0s"});
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let ids = bench.ids("Contact");
    bench.control().hard_delete("Contact", &ids[5]).unwrap();
    bench.advance(90 * MINUTE);
    let now = bench.control().now();
    let mut text = String::from(
        r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><soapenv:Body><getDeletedResponse><result>"#,
    );
    write!(
        text,
        "<earliestDateAvailable>{:.3}</earliestDateAvailable><latestDateCovered>{now:.3}</latestDateCovered>",
        now - 30 * MINUTE
    )
    .unwrap();
    text.push_str("</result></getDeletedResponse></soapenv:Body></soapenv:Envelope>");
    bench.add_rule(Rule::at("getDeleted", What::ReplaceBody { text }));
    let kinds: Vec<RunKind> = good_tick(&mut session).await.iter().map(|run| run.kind).collect();
    assert!(kinds.contains(&RunKind::Reconcile), "{kinds:?}");
    bench.assert_equal(&session);
}

/// A database that came back without its last commits, under the same epoch: what this process remembers beyond them is not so.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_forgotten_when_the_database_has_lost_commits() {
    let bench = contacts(300).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let ids = bench.ids("Contact");
    bench.advance(90 * MINUTE);
    bench.update("Contact", &ids[2], &[("LastName", "Before")]);
    good_tick(&mut session).await;
    let columns = "surname, system_modstamp";
    let of_row = format!("SELECT {columns} FROM contact WHERE salesforce_id = '{}'", ids[3]);
    let row = query(&bench.file(), &of_row).remove(0);
    let watermark = state(&bench, "watermark");

    bench.advance(90 * MINUTE);
    bench.update("Contact", &ids[3], &[("LastName", "Lost")]);
    // Further back than the overlap reaches.
    bench.advance(20 * MINUTE);
    good_tick(&mut session).await;
    assert_eq!(bench.column("contact", "surname", &ids[3]), "Lost");
    let connection = rusqlite::Connection::open(bench.file()).unwrap();
    connection
        .execute(
            &format!("UPDATE contact SET ({columns}) = (?1, ?2) WHERE salesforce_id = ?3"),
            [&row[0], &row[1], &ids[3]],
        )
        .unwrap();
    connection
        .execute(
            "UPDATE _replication_state SET watermark = ?1",
            [watermark_text(&bench, watermark)],
        )
        .unwrap();
    bench.advance(90 * MINUTE);
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

/// A moment as the state has it.
fn watermark_text(bench: &Bench, moment: Timestamp) -> String {
    let text = query(&bench.file(), "SELECT watermark FROM _replication_state")[0][0].clone();
    let digits = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.trim_end_matches('Z').len());
    format!("{moment:.digits$}")
}
