//! Objects that come, go, change their tables, and do not wait for each other.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use e2e::{
    binary,
    stage::{Kind, empty_org},
};
use replication::{
    connect::Session,
    progress::{
        Event,
        RunKind::{self, Incremental, Initial, Reconcile, Refresh, Verify},
        RunReport,
    },
    replicator::TickRequest,
};
use serde_json::json;
use simulator::Config;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    for_both,
    play::{HOUR, MINUTE, Play, good, kinds, kinds_of},
};

for_both!(
    an_object_that_left_is_kept_listed_and_taken_back,
    a_table_changed_and_changed_back,
    a_load_of_hours_holds_up_nobody,
    a_reconcile_makes_room_for_its_incremental,
    a_refresh_makes_room_for_its_incremental,
    the_end_of_a_listing_makes_room_for_its_incremental,
);

fn config() -> Config {
    Config {
        contacts: 300,
        accounts: 900,
        ..empty_org()
    }
}

fn retired(session: &Session) -> Vec<(String, String)> {
    let tables = session.retired_tables().iter();
    tables
        .map(|retired| (retired.table.clone(), retired.object.clone()))
        .collect()
}

async fn an_object_that_left_is_kept_listed_and_taken_back(kind: Kind, name: &str) {
    let both = json!([{"name": "Contact"}, {"name": "Account"}]);
    let mut play = Play::new(kind, name, config(), both.clone()).await;
    let mut session = play.session().await;
    good(&mut session).await;
    assert_eq!(retired(&session), []);
    let accounts = play.ids("Account");

    play.objects = json!([{"name": "Contact"}]);
    play.advance(30 * MINUTE);
    play.update("Account", &accounts[1], &[("Name", "Not seen")]);
    play.delete("Account", &accounts[2..5]);
    let added = play.create("Account", &[("Name", "New")]);
    let before = play.dump(&["account"]).await;
    session = play.session().await;
    good(&mut session).await;
    assert_eq!(retired(&session), [("account".to_owned(), "Account".to_owned())]);
    assert_eq!(play.dump(&["account"]).await, before, "it is kept as it was");
    assert_eq!(play.state("Account", "object").await, None);
    // Every process knows it.
    session = play.session().await;
    good(&mut session).await;
    assert_eq!(retired(&session), [("account".to_owned(), "Account".to_owned())]);

    play.objects = both;
    play.advance(30 * MINUTE);
    session = play.session().await;
    let runs = good(&mut session).await;
    assert_eq!(kinds_of(&runs, "Account")[0], Initial);
    assert_eq!(
        runs.iter().find(|run| run.object == "Account").unwrap().rows_written,
        2,
        "the rest was there"
    );
    assert_eq!(retired(&session), []);
    assert_eq!(play.column("account", "display_name", &added).await, "New");
    assert_eq!(
        kinds_of(&runs, "Account")[1],
        Refresh,
        "what is gone since is found by a listing"
    );
    play.assert_equal(&session).await;
}

async fn a_table_changed_and_changed_back(kind: Kind, name: &str) {
    let mut play = Play::new(kind, name, config(), json!([{"name": "Contact"}])).await;
    play.consistency["reconcileEvery"] = json!("24h");
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");

    play.objects = json!([{"name": "Contact", "table": "people"}]);
    play.advance(30 * MINUTE);
    play.update("Contact", &ids[1], &[("LastName", "In people")]);
    session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Initial]);
    play.assert_equal(&session).await;
    assert_ne!(
        play.column("contact", "surname", &ids[1]).await,
        "In people",
        "the former table is kept as it was"
    );
    session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    assert_eq!(retired(&session), [("contact".to_owned(), "Contact".to_owned())]);

    play.delete("Contact", &ids[2..5]);
    play.org().hard_delete("Contact", &ids[7]).unwrap();
    play.objects = json!([{"name": "Contact"}]);
    play.advance(30 * MINUTE);
    session = play.session().await;
    let runs = good(&mut session).await;
    assert_eq!(
        kinds(&runs)[..2],
        [Initial, Refresh],
        "what is gone since is found by a listing"
    );
    assert_eq!(runs[1].rows_deleted, 4);
    play.assert_equal(&session).await;
    session = play.session().await;
    good(&mut session).await;
    assert_eq!(retired(&session), [("people".to_owned(), "Contact".to_owned())]);
}

/// A tick that comes back although something hangs, when an object's turn is over; all runs that have ended.
async fn tick_beside(play: &Play, session: &mut Session, object: &str) -> Vec<RunReport> {
    let request = TickRequest {
        until: Some(play.clock_ahead(MINUTE)),
        ..TickRequest::default()
    };
    let recorder = Arc::clone(&play.recorder);
    let cancel = CancellationToken::new();
    let (report, ()) = tokio::join!(session.tick(&request, &cancel), async {
        let has_ended = |event: &Event| matches!(event, Event::Ended(_));
        recorder
            .until(|name, _, event| name == object && has_ended(event))
            .await;
        play.advance(MINUTE);
    });
    play.recorder.ignore();
    assert!(report.succeeded(), "{report:#?}");
    let (mut runs, mut running) = (report.runs, report.running);
    // What it does after it has told its end is soon over.
    let look = TickRequest {
        objects: Some(BTreeSet::new()),
        until: Some(Duration::ZERO),
        ..TickRequest::default()
    };
    binary::until("the end of its turn", async || {
        let report = session.tick(&look, &cancel).await;
        runs.extend(report.runs);
        running = report.running;
        !running.iter().any(|running| running == object)
    })
    .await;
    assert_eq!(running, ["Account"]);
    runs
}

async fn a_load_of_hours_holds_up_nobody(kind: Kind, name: &str) {
    let mut play = Play::new(kind, name, config(), json!([{"name": "Contact"}])).await;
    play.segment_rows = Some(200);
    let mut session = play.session().await;
    good(&mut session).await;
    play.objects = json!([{"name": "Account"}, {"name": "Contact"}]);
    play.hang("queryMore", "Account", 2);
    session = play.session().await;
    play.recorder.ignore();
    let ids = play.ids("Contact");
    for round in 0..3 {
        let surname = format!("Round {round}");
        play.update("Contact", &ids[5], &[("LastName", &surname)]);
        let runs = tick_beside(&play, &mut session, "Contact").await;
        assert_eq!(kinds(&runs), [Incremental], "{runs:#?}");
        assert_eq!(play.column("contact", "surname", &ids[5]).await, surname);
    }
    play.hangs().await;
    assert_eq!(play.state("Account", "phase").await.as_deref(), Some("Initial"));
    play.let_go();
    let report = session.tick(&TickRequest::default(), &CancellationToken::new()).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(kinds_of(&report.runs, "Account")[0], Initial);
    assert_eq!(report.running, [""; 0]);
    play.assert_equal(&session).await;
}

async fn a_reconcile_makes_room_for_its_incremental(kind: Kind, name: &str) {
    Box::pin(makes_room(kind, name, Reconcile, &[Incremental, Reconcile])).await;
}

async fn a_refresh_makes_room_for_its_incremental(kind: Kind, name: &str) {
    Box::pin(makes_room(
        kind,
        name,
        Refresh,
        &[Incremental, Refresh, Incremental, Verify],
    ))
    .await;
}

async fn makes_room(kind: Kind, name: &str, long: RunKind, expected: &[RunKind]) {
    let mut play = Play::new(kind, name, config(), json!([{"name": "Account"}])).await;
    play.segment_rows = Some(200);
    let mut session = play.session().await;
    good(&mut session).await;
    play.recorder.ignore();
    let ids = play.ids("Account");
    play.advance(HOUR);
    play.hang("queryMore", "Account", 1);
    let request = TickRequest {
        kind: Some(long),
        until: Some(play.clock_ahead(MINUTE)),
        ..TickRequest::default()
    };
    let cancel = CancellationToken::new();
    let (report, ()) = tokio::join!(session.tick(&request, &cancel), async {
        play.hangs().await;
        play.advance(MINUTE);
    });
    assert_eq!(report.running, ["Account"], "{report:#?}");
    play.update("Account", &ids[10], &[("Name", "Behind the pass")]);
    play.update("Account", &ids[890], &[("Name", "Before the pass")]);
    play.delete("Account", &ids[5..7]);

    // By the next tick, and before the long run has gone on for more than one segment.
    let (mut read, before) = (0, watch::Sender::new(None));
    let seen = before.subscribe();
    play.recorder.at_each(move |_, run, event| match event {
        Event::Read(rows) if run == long => read = *rows,
        Event::Ended(_) if run == Incremental => {
            before.send_if_modified(|before| before.is_none() && before.replace(read).is_none());
        }
        Event::Started | Event::Size(_) | Event::Read(_) | Event::Committed(_) | Event::Ended(_) => {}
    });
    let next = TickRequest::default();
    let (report, ()) = tokio::join!(session.tick(&next, &cancel), async { play.let_go() });
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(kinds(&report.runs), expected);
    let read = seen.borrow().unwrap();
    assert!(
        read <= 600,
        "it went on for {read} rows first, of which 400 were read before"
    );
    play.assert_equal(&session).await;
    assert_eq!(
        play.column("account", "display_name", &ids[10]).await,
        "Behind the pass"
    );
}

/// Surplus of hours is settled batch by batch; the pass goes on behind the last one, and does not list anew.
async fn the_end_of_a_listing_makes_room_for_its_incremental(kind: Kind, name: &str) {
    let play = Play::new(kind, name, config(), json!([{"name": "Account"}])).await;
    let mut session = play.session().await;
    good(&mut session).await;
    play.recorder.ignore();
    let ids = play.ids("Account");
    play.advance(HOUR);
    for id in ["001AAAAAAAAAAAAAAA", "001zzzzzzzzzzzzzzz"] {
        let columns = "salesforce_id, system_modstamp, display_name";
        let statement = format!(
            "INSERT INTO {} ({columns}) VALUES ('{id}', '2020-01-01T00:00:00.000Z', 'nobody')",
            play.database().table("account")
        );
        play.database().query(&statement).await;
    }
    // The first query lists, the second one asks for the surplus by Id.
    play.hang("queryAll", "Account", 1);
    let request = TickRequest {
        kind: Some(Reconcile),
        until: Some(play.clock_ahead(MINUTE)),
        ..TickRequest::default()
    };
    let cancel = CancellationToken::new();
    let (report, ()) = tokio::join!(session.tick(&request, &cancel), async {
        play.hangs().await;
        play.advance(MINUTE);
    });
    assert_eq!(report.running, ["Account"], "{report:#?}");
    play.update("Account", &ids[10], &[("Name", "Meanwhile")]);
    let asked = play.org().counters().of_object("queryAll", "Account");
    let next = TickRequest::default();
    let (report, ()) = tokio::join!(session.tick(&next, &cancel), async { play.let_go() });
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(kinds(&report.runs), [Incremental, Reconcile]);
    assert_eq!(play.column("account", "display_name", &ids[10]).await, "Meanwhile");
    play.assert_equal(&session).await;
    // The hanging one is answered or asked again; then the Incremental's changes, and the deletes that it may apply by then.
    let more = play.org().counters().of_object("queryAll", "Account") - asked;
    assert!(more <= 3, "{more} queries: it listed again, or settled again");
}
