//! The org's daily calls: what others use too is left to them.

use e2e::stage::Kind;
use replication::{
    connect::Session,
    progress::{
        Event,
        RunKind::{Incremental, Initial, Refresh, Verify},
        RunReport,
    },
    replicator::{TickReport, TickRequest},
};
use salesforce::{ErrorKind, clock::Clock as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    for_both,
    play::{MINUTE, Play, asked, contacts, good, kinds, tick},
};

for_both!(
    long_kinds_wait_and_incremental_goes_on,
    all_kinds_wait_when_nearly_all_calls_are_used,
    what_a_person_wants_now_does_not_wait_and_the_guard_stays,
    a_first_load_stops_and_goes_on,
    a_refresh_stops_and_goes_on,
);

const LIMIT: u64 = 10_000;

async fn play(kind: Kind, name: &str, rows: u64) -> Play {
    let mut play = Play::new(kind, name, contacts(rows), json!([{"name": "Contact"}])).await;
    play.consistency["verifyEvery"] = json!("1h");
    play.segment_rows = Some(200);
    play.org().change_settings(|settings| settings.daily_calls = LIMIT);
    play
}

/// A tick as the schedule makes it: what waits is left out.
async fn regular(session: &mut Session) -> TickReport {
    let request = TickRequest {
        only_due: true,
        ..TickRequest::default()
    };
    session.tick(&request, &CancellationToken::new()).await
}

/// A run that waits says so, why, and when it is looked at again.
#[track_caller]
fn waits(play: &Play, run: &RunReport, part: &str) {
    let error = run.error.as_ref().unwrap_or_else(|| panic!("it ran: {run:#?}"));
    assert_eq!((error.kind, error.reason), (ErrorKind::Quota, "QuotaExhausted"));
    assert!(error.message.contains(part), "{}", error.message);
    assert!(
        error.message.contains("of the org's 10000 API calls"),
        "{}",
        error.message
    );
    assert_eq!(run.next_try_time, Some(play.clock.now() + 15 * MINUTE));
}

fn near(run: &RunReport) -> bool {
    run.degraded.iter().any(|degradation| degradation.reason == "QuotaNear")
}

async fn long_kinds_wait_and_incremental_goes_on(kind: Kind, name: &str) {
    let play = play(kind, name, 100).await;
    let mut session = play.session().await;
    assert!(!near(&good(&mut session).await[0]));
    let ids = play.ids("Contact");
    play.advance(61 * MINUTE);
    play.org().hard_delete("Contact", &ids[5]).unwrap();
    play.org().set_usage(8_000);
    for round in ["First", "Second", "Third"] {
        play.update("Contact", &ids[3], &[("LastName", round)]);
        let report = regular(&mut session).await;
        assert_eq!(kinds(&report.runs), [Incremental, Verify], "{report:#?}");
        assert!(report.runs[0].error.is_none() && near(&report.runs[0]), "{report:#?}");
        waits(
            &play,
            &report.runs[1],
            "from 8000 (80 %, connection.apiBudgetPercent) on",
        );
        assert_eq!(play.org().counters().of("getDeleted"), 0);
        assert_eq!(play.column("contact", "surname", &ids[3]).await, round);
        play.advance(MINUTE);
    }
    // It did not wait for its quarter of an hour: the Incremental brought the news.
    play.org().set_usage(7_990);
    let report = regular(&mut session).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(kinds(&report.runs), [Incremental, Verify]);
    assert!(
        !near(&report.runs[0]) && report.runs[1].rows_deleted == 1,
        "{report:#?}"
    );
    play.assert_equal(&session).await;
}

async fn all_kinds_wait_when_nearly_all_calls_are_used(kind: Kind, name: &str) {
    let mut play = play(kind, name, 100).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(20 * MINUTE);
    play.org().set_usage(9_499);
    assert!(near(&good(&mut session).await[0]), "it is told by the run's own call");
    play.update("Contact", &ids[3], &[("LastName", "Waits")]);
    let calls = play.org().counters().counted;
    let report = tick(&mut session).await;
    assert_eq!(kinds(&report.runs), [Incremental], "{report:#?}");
    waits(&play, &report.runs[0], "from 9500 (95 %) on");
    assert_eq!(play.org().counters().counted, calls, "no call was made");
    let next = report.next_try_time.unwrap();
    assert_eq!(report.runs[0].next_try_time, Some(next));
    assert_eq!(report.end_time + 15 * MINUTE, next);
    assert!(regular(&mut session).await.runs.is_empty(), "it has not waited yet");

    play.advance(15 * MINUTE);
    let report = regular(&mut session).await;
    waits(&play, &report.runs[0], "from 9500 (95 %) on");
    assert_eq!(
        play.org().counters().counted,
        calls + 1,
        "one call asks how many are used"
    );
    let outcome = play.command(&["run", "--once"]).await.exits(5);
    assert!(outcome.stderr.contains("Incremental waits"), "{}", outcome.all());

    play.advance(15 * MINUTE);
    play.org().set_usage(9_000);
    let report = regular(&mut session).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(play.column("contact", "surname", &ids[3]).await, "Waits");
    play.assert_equal(&session).await;
}

async fn what_a_person_wants_now_does_not_wait_and_the_guard_stays(kind: Kind, name: &str) {
    let play = play(kind, name, 100).await;
    play.org().set_usage(9_600);
    let mut session = play.session().await;
    let report = tick(&mut session).await;
    assert_eq!(kinds(&report.runs), [Initial]);
    waits(&play, &report.runs[0], "Initial waits");
    let manual = TickRequest {
        manual: true,
        ..TickRequest::default()
    };
    let cancel = CancellationToken::new();
    let report = session.tick(&manual, &cancel).await;
    assert!(report.succeeded() && kinds(&report.runs) == [Initial], "{report:#?}");
    play.advance(61 * MINUTE);
    play.delete("Contact", &play.ids("Contact")[..60]);
    let report = session.tick(&manual, &cancel).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(kinds(&report.runs), [Incremental, Verify]);
    assert!(report.runs[0].held.is_some() && !near(&report.runs[0]), "{report:#?}");
    assert_eq!(play.rows("contact").await, 100);
}

/// From the first rows of a kind on, others have used so many calls that it waits.
fn crowd(play: &Play, wanted: replication::progress::RunKind) {
    let org = play.org().clone();
    play.recorder.once_at(
        move |_, kind, event| kind == wanted && matches!(event, Event::Read(_)),
        move || org.set_usage(8_000),
    );
}

async fn a_first_load_stops_and_goes_on(kind: Kind, name: &str) {
    let play = play(kind, name, 3_000).await;
    let mut session = play.session().await;
    crowd(&play, Initial);
    let report = tick(&mut session).await;
    waits(&play, &report.runs[0], "Initial waits");
    let first = report.runs[0].rows_read;
    assert!(0 < first && first < 3_000, "{report:#?}");
    assert_eq!(play.rows("contact").await, i64::try_from(first).unwrap());
    play.recorder.ignore();
    play.org().set_usage(0);
    assert!(regular(&mut session).await.runs.is_empty(), "it has not waited yet");
    play.advance(15 * MINUTE);
    let report = regular(&mut session).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(report.runs[0].rows_read, 3_000 - first, "it goes on where it stopped");
    play.assert_equal(&session).await;
}

async fn a_refresh_stops_and_goes_on(kind: Kind, name: &str) {
    let play = play(kind, name, 3_000).await;
    let mut session = play.session().await;
    good(&mut session).await;
    crowd(&play, Refresh);
    let report = asked(&mut session, Refresh).await;
    assert_eq!(kinds(&report.runs), [Refresh]);
    waits(&play, &report.runs[0], "Refresh waits");
    let first = report.runs[0].rows_read;
    assert!(0 < first && first < 3_000, "{report:#?}");
    play.recorder.ignore();
    // The Incremental goes on, the Refresh does not.
    let report = regular(&mut session).await;
    assert_eq!(kinds(&report.runs), [Incremental, Refresh], "{report:#?}");
    waits(&play, &report.runs[1], "Refresh waits");
    assert_eq!(report.runs[1].rows_read, 0);
    play.org().set_usage(0);
    let report = regular(&mut session).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(kinds(&report.runs)[..4], [Incremental, Refresh, Incremental, Verify]);
    assert_eq!(report.runs[1].rows_read, 3_000 - first, "it goes on where it stopped");
    play.assert_equal(&session).await;
}
