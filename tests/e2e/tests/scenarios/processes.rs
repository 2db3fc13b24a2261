//! Two processes on one replicator: one sleeps, as a node does that is suspended, and wakes up when another has its work.

use e2e::{
    binary,
    stage::{Kind, empty_org},
};
use replication::{
    progress::{
        Event,
        RunKind::{self, Initial, Refresh},
    },
    replicator::TickRequest,
};
use serde_json::json;
use simulator::{Config, Simulator};
use tokio_util::sync::CancellationToken;

use super::{
    for_both,
    play::{MINUTE, Play, contacts, good, kinds},
};

for_both!(
    slept_before_the_first_write_of_initial,
    slept_before_the_first_write_of_incremental,
    slept_in_mid_initial,
    slept_in_mid_refresh,
    woke_between_two_segments,
    a_sandbox_swapped_for_production,
    another_replicator_is_adopted,
    another_replicator_is_adopted_into_another_table,
);

async fn play(kind: Kind, name: &str) -> Play {
    let mut play = Play::new(kind, name, contacts(500), json!([{"name": "Contact"}])).await;
    play.org().hold_clock(false);
    play.consistency = json!({"overlap": "10m", "verifyEvery": "1h", "reconcileEvery": "24h", "refreshEvery": "0s"});
    play
}

/// A process is stopped at its call after so many others, another one does its work, and the first wakes up: it finds that
/// it has no right to write any more, and nothing of what the other wrote is lost.
async fn sleeps(mut play: Play, arguments: &[&str], (call, after): (&str, u64)) {
    let ids = play.ids("Contact");
    play.hang(call, "Contact", after);
    let sleeper = play.start(arguments);
    play.hangs().await;
    binary::signal(&sleeper, "STOP").await;

    let changes = |round: &str| {
        for id in &ids[10..20] {
            play.org().update("Contact", id, &[("LastName", round)]).unwrap();
        }
    };
    changes("While it sleeps");
    play.delete("Contact", &ids[30..33]);
    let other = play.command(arguments).await.exits(0);
    assert_eq!(
        play.column("contact", "surname", &ids[10]).await,
        "While it sleeps",
        "{}",
        other.all()
    );
    let written = play.dump(&["contact", "_replication_state", "_pending_delete"]).await;
    play.update("Contact", &ids[40], &[("LastName", "After the other")]);

    play.let_go();
    binary::signal(&sleeper, "CONT").await;
    let outcome = binary::ended(sleeper).await.exits(6);
    assert!(
        outcome.all().contains("Contact: another process replicates it now"),
        "{}",
        outcome.all()
    );
    assert_eq!(
        play.dump(&["contact", "_replication_state", "_pending_delete"]).await,
        written,
        "it wrote something"
    );
    play.exits(&["run", "--once"], 0).await;
    let session = play.session().await;
    play.assert_equal(&session).await;
}

async fn slept_before_the_first_write_of_initial(kind: Kind, name: &str) {
    // Before the first query it looks at what is visible.
    Box::pin(sleeps(play(kind, name).await, &["run", "--once"], ("getUpdated", 0))).await;
}

async fn slept_before_the_first_write_of_incremental(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.exits(&["run", "--once"], 0).await;
    let ids = play.ids("Contact");
    play.update("Contact", &ids[15], &[("LastName", "Before it sleeps")]);
    play.delete("Contact", &ids[50..52]);
    Box::pin(sleeps(play, &["run", "--once"], ("queryAll", 0))).await;
}

async fn slept_in_mid_initial(kind: Kind, name: &str) {
    Box::pin(sleeps(play(kind, name).await, &["run", "--once"], ("queryAll", 0))).await;
}

async fn slept_in_mid_refresh(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.exits(&["run", "--once"], 0).await;
    // It has claimed the object and written that a Refresh is under way.
    Box::pin(sleeps(play, &["run", "--once", "--kind", "refresh"], ("queryAll", 0))).await;
}

/// Both in this process, so that one can wait between its second and third segment with nothing open.
async fn woke_between_two_segments(kind: Kind, name: &str) {
    let mut play = Play::new(kind, name, contacts(900), json!([{"name": "Contact"}])).await;
    play.segment_rows = Some(200);
    let ids = play.ids("Contact");
    let asked: [(RunKind, &str); 2] = [(Initial, "Made by the second"), (Refresh, "Changed by the second")];
    for (asked, surname) in asked {
        let request = |until| TickRequest {
            kind: (asked == Refresh).then_some(Refresh),
            until,
            ..TickRequest::default()
        };
        let mut first = play.session().await;
        play.hang("queryMore", "Contact", 2);
        let cancel = CancellationToken::new();
        let until = Some(play.clock_ahead(MINUTE));
        let begin = request(until);
        play.recorder.ignore();
        let (report, ()) = tokio::join!(first.tick(&begin, &cancel), async {
            play.hangs().await;
            let are_there = |event: &Event| matches!(event, Event::Read(600));
            play.recorder
                .until(|_, kind, event| kind == asked && are_there(event))
                .await;
            // What is in the open segment is committed.
            play.advance(MINUTE);
        });
        assert_eq!(report.running, ["Contact"], "{report:#?}");
        play.update("Contact", &ids[1], &[("LastName", surname)]);
        play.update("Contact", &ids[899], &[("LastName", surname)]);
        let mut second = play.session().await;
        let report = second.tick(&request(None), &cancel).await;
        assert!(report.succeeded(), "{report:#?}");
        good(&mut second).await;
        play.assert_equal(&second).await;

        play.let_go();
        let report = first.tick(&request(None), &cancel).await;
        let failed: Vec<_> = report.runs.iter().filter_map(|run| run.error.as_ref()).collect();
        assert_eq!(failed.len(), 1, "{report:#?}");
        assert_eq!(failed[0].reason, "Fenced");
        play.assert_equal(&second).await;
        // It reads the state anew and goes on from there.
        play.update("Contact", &ids[2], &[("LastName", surname)]);
        good(&mut first).await;
        play.assert_equal(&first).await;
        play.advance(30 * MINUTE);
    }
}

/// Everything that stands in the database, as far as it is ours.
const TABLES: [&str; 5] = [
    "contact",
    "account",
    "_replication_state",
    "_pending_delete",
    "_retired_table",
];

async fn a_sandbox_swapped_for_production(kind: Kind, name: &str) {
    let config = Config {
        contacts: 200,
        accounts: 40,
        sandbox: true,
        ..empty_org()
    };
    let mut play = Play::new(kind, name, config, json!([{"name": "Contact"}, {"name": "Account"}])).await;
    play.org().hold_clock(false);
    play.exits(&["run", "--once"], 0).await;
    let sandbox = play.stage.resource.login_url.clone();
    let before = play.dump(&TABLES).await;

    let production = Simulator::start(Config {
        contacts: 150,
        accounts: 40,
        seed: 7,
        organization_id: "00D000000000777EAA".to_owned(),
        ..empty_org()
    })
    .await
    .unwrap();
    play.stage.resource.login_url = production.url().to_string();
    for arguments in [
        ["run", "--once"].as_slice(),
        &["run", "--once", "--kind", "reconcile"],
        &["run", "--once", "--adopt", "default/crm"],
        &["run", "--once", "--adopt", "default/other"],
    ] {
        let told = play.command(arguments).await.exits(6).all();
        assert!(
            told.contains("00D000000000001EAA") && told.contains("00D000000000777EAA"),
            "{arguments:?} does not say whose it is: {told}"
        );
        assert_eq!(play.dump(&TABLES).await, before, "{arguments:?} wrote something");
    }
    // Another object of the same org may be there already, and a new one is not begun either.
    play.objects = json!([{"name": "Contact"}, {"name": "Lead"}]);
    play.command(&["run", "--once"]).await;
    let after = play.dump(&["contact", "account"]).await;
    assert!(
        after.iter().all(|(table, rows)| before[table] == *rows),
        "rows of the sandbox are as they were"
    );

    play.stage.resource.login_url = sandbox;
    play.objects = json!([{"name": "Contact"}, {"name": "Account"}]);
    let report = play.command(&["run", "--once", "-ojson"]).await.exits(0).json();
    assert_eq!(report["runs"][0]["kind"], "Incremental", "{report:#}");
}

async fn another_replicator_is_adopted(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.exits(&["run", "--once"], 0).await;
    let ids = play.ids("Contact");
    let epoch = play.state("Contact", "epoch").await;

    play.stage.resource.name = "telephony".to_owned();
    let before = play.dump(&["contact", "_replication_state"]).await;
    for arguments in [
        ["run", "--once"].as_slice(),
        &["run", "--once", "--adopt", "default/another"],
    ] {
        let told = play.command(arguments).await.exits(6).all();
        assert!(told.contains("default/crm") && told.contains("adopt"), "{told}");
        assert_eq!(play.dump(&["contact", "_replication_state"]).await, before);
    }
    play.update("Contact", &ids[1], &[("LastName", "Seen by the new one")]);
    let adopted = ["run", "--once", "--adopt", "default/crm", "-ojson"];
    let report = play.command(&adopted).await.exits(0).json();
    assert_eq!(
        report["runs"][0]["kind"], "Incremental",
        "nothing is loaded again: {report:#}"
    );
    assert_eq!(report["runs"][0]["rowsWritten"], 1, "{report:#}");
    assert_eq!(
        play.state("Contact", "replicator").await.as_deref(),
        Some("default/telephony")
    );
    assert_ne!(play.state("Contact", "epoch").await, epoch);
    // It need not be said again, and may be.
    play.exits(&["run", "--once"], 0).await;
    play.exits(&adopted, 0).await;

    // The other one has nothing to say here any more.
    play.stage.resource.name = "crm".to_owned();
    let told = play.command(&["run", "--once"]).await.exits(6).all();
    assert!(told.contains("default/telephony"), "{told}");

    // In one process: what it holds in memory counts nothing.
    play.replicator = "default/telephony".to_owned();
    let mut session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await)[0], RunKind::Incremental);
    play.assert_equal(&session).await;
}

/// The tables of another replicator, and another name for one: its rows are loaded before anybody is told that they are there.
async fn another_replicator_is_adopted_into_another_table(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.exits(&["run", "--once"], 0).await;
    play.stage.resource.name = "telephony".to_owned();
    play.objects = json!([{"name": "Contact", "table": "people"}]);
    let report = play
        .command(&["run", "--once", "--adopt", "default/crm", "-ojson"])
        .await
        .exits(0)
        .json();
    assert_eq!(report["runs"][0]["kind"], "Initial", "{report:#}");
    assert_eq!(report["runs"][0]["rows"], 500, "{report:#}");
    play.replicator = "default/telephony".to_owned();
    let session = play.session().await;
    play.assert_equal(&session).await;
}
