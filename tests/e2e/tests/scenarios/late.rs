//! Changes that a look at the newest stamps does not show.

use e2e::stage::Kind;
use replication::progress::RunKind::{Incremental, Initial, Reconcile, Refresh, Verify};
use serde_json::{Value, json};

use super::{
    for_both,
    play::{DAY, HOUR, MINUTE, Play, asked, contacts, good, good_kind, kinds},
};

for_both!(
    changed_in_the_same_second_as_the_watermark,
    a_commit_25_minutes_late,
    a_commit_that_outlasts_a_verify,
    a_late_commit_without_a_log_of_deletes,
    changed_twice_inside_one_verify_window,
    undeleted_after_get_deleted,
    twenty_days_suspended,
    a_transaction_open_when_initial_began,
    a_field_filled_while_its_permission_was_withdrawn,
);

/// Verify every hour, and no other long kind.
fn verify_hourly() -> Value {
    json!({"overlap": "10m", "verifyEvery": "1h", "reconcileEvery": "0s", "refreshEvery": "0s"})
}

async fn play(kind: Kind, name: &str) -> Play {
    Play::new(kind, name, contacts(300), json!([{"name": "Contact"}])).await
}

async fn changed_in_the_same_second_as_the_watermark(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    // Without an overlap nothing but the bound itself decides.
    play.consistency["overlap"] = json!("0s");
    let mut session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Initial]);
    let ids = play.ids("Contact");
    for (round, changed) in ids[10..40].chunks(10).enumerate() {
        // Three times within one second: before a run, between two, and after it.
        for (place, id) in changed.iter().enumerate() {
            play.update("Contact", id, &[("LastName", &format!("Round {round}, {place}"))]);
            let runs = good(&mut session).await;
            assert_eq!((kinds(&runs), runs[0].rows_written), (vec![Incremental], 1));
        }
        play.assert_equal(&session).await;
        // As another process finds it, which has nothing in memory.
        let id = play.create("Contact", &[("LastName", "Once more in this second")]);
        session = play.session().await;
        good(&mut session).await;
        assert_eq!(play.column("contact", "surname", &id).await, "Once more in this second");
        play.advance(MINUTE / 60);
    }
    play.assert_equal(&session).await;
}

async fn a_commit_25_minutes_late(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.consistency = verify_hourly();
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(5 * MINUTE);
    let open = play.org().begin();
    open.update("Contact", &ids[3], &[("LastName", "Late")]).unwrap();
    open.delete("Contact", &ids[4]).unwrap();
    let made = open.create("Contact", &[("LastName", "Made late")]).unwrap();
    for _ in 0..5 {
        play.advance(5 * MINUTE);
        assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    }
    open.commit().unwrap();
    play.advance(5 * MINUTE);
    good(&mut session).await;
    assert_eq!(
        play.column("contact", "surname", &made).await,
        "-",
        "the overlap does not reach so far"
    );
    assert_ne!(play.column("contact", "surname", &ids[4]).await, "-");
    play.advance(30 * MINUTE);
    let runs = good(&mut session).await;
    assert_eq!(kinds(&runs), [Incremental, Verify]);
    assert_eq!((runs[1].rows_written, runs[1].rows_deleted), (2, 1));
    play.assert_equal(&session).await;
}

/// Comparing stamps does not find it, since the stamp was seen; the log of changes does, though that of deletes is gone.
async fn a_late_commit_without_a_log_of_deletes(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.consistency = verify_hourly();
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(5 * MINUTE);
    play.update("Contact", &ids[3], &[("LastName", "Seen")]);
    let open = play.org().begin();
    open.update("Contact", &ids[3], &[("LastName", "Late")]).unwrap();
    good(&mut session).await;
    assert_eq!(play.column("contact", "surname", &ids[3]).await, "Seen");
    play.advance(25 * MINUTE);
    open.commit().unwrap();
    play.org().purge_delete_log("Contact").unwrap();
    play.advance(35 * MINUTE);
    // A tick of all kinds would have a Refresh follow, which finds it as well.
    let runs = good_kind(&mut session, Verify).await;
    assert_eq!(kinds(&runs), [Reconcile]);
    assert_eq!(play.column("contact", "surname", &ids[3]).await, "Late");
    play.assert_equal(&session).await;
}

async fn a_commit_that_outlasts_a_verify(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.consistency = verify_hourly();
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(20 * MINUTE);
    let open = play.org().begin();
    open.update("Contact", &ids[3], &[("LastName", "Very late")]).unwrap();
    play.advance(45 * MINUTE);
    play.update("Contact", &ids[5], &[("LastName", "In time")]);
    assert_eq!(kinds(&good(&mut session).await), [Incremental, Verify]);
    assert_ne!(play.column("contact", "surname", &ids[3]).await, "Very late");
    // Another process goes by what the state says is verified.
    session = play.session().await;
    play.advance(40 * MINUTE);
    open.commit().unwrap();
    let runs = good(&mut session).await;
    assert_eq!(kinds(&runs), [Incremental, Verify]);
    play.assert_equal(&session).await;
}

async fn changed_twice_inside_one_verify_window(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.consistency = verify_hourly();
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(MINUTE);
    // The first is read, the second has the same stamp and is committed late.
    play.update("Contact", &ids[1], &[("LastName", "First")]);
    let same_second = play.org().begin();
    same_second
        .update("Contact", &ids[1], &[("LastName", "Second")])
        .unwrap();
    // Both are committed late, one after the other.
    let early = play.org().begin();
    early.update("Contact", &ids[2], &[("LastName", "First")]).unwrap();
    for _ in 0..3 {
        good(&mut session).await;
        play.advance(8 * MINUTE);
    }
    assert_eq!(play.column("contact", "surname", &ids[1]).await, "First");
    early.commit().unwrap();
    same_second.commit().unwrap();
    let later = play.org().begin();
    later.update("Contact", &ids[2], &[("LastName", "Second")]).unwrap();
    for _ in 0..3 {
        good(&mut session).await;
        play.advance(8 * MINUTE);
    }
    later.commit().unwrap();
    assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    assert_eq!(play.column("contact", "surname", &ids[1]).await, "First");
    assert_ne!(play.column("contact", "surname", &ids[2]).await, "Second");
    play.advance(15 * MINUTE);
    let runs = good(&mut session).await;
    assert_eq!(kinds(&runs), [Incremental, Verify]);
    assert_eq!(runs[1].rows_written, 2);
    assert_eq!(play.column("contact", "surname", &ids[2]).await, "Second");
    play.assert_equal(&session).await;
}

async fn undeleted_after_get_deleted(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(5 * MINUTE);
    let open = play.org().begin();
    for id in &ids[1..4] {
        open.delete("Contact", id).unwrap();
    }
    play.advance(25 * MINUTE);
    open.commit().unwrap();
    // One comes back before the log is read, and the log has it all the same.
    play.org().undelete("Contact", &ids[3]).unwrap();
    play.advance(5 * MINUTE);

    // One comes back between the log's answer and the look at the records.
    play.org().reset_calls();
    play.hang("queryAll", "Contact", 0);
    let (report, ()) = tokio::join!(asked(&mut session, Verify), async {
        play.hangs().await;
        assert_eq!(play.org().counters().of_object("getDeleted", "Contact"), 1);
        play.org().undelete("Contact", &ids[1]).unwrap();
        play.let_go();
    });
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(report.runs[0].rows_deleted, 1);
    play.assert_equal(&session).await;
    assert_eq!(play.column("contact", "surname", &ids[2]).await, "-");
}

async fn twenty_days_suspended(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.consistency = json!({"overlap": "10m", "verifyEvery": "1h", "reconcileEvery": "24h", "refreshEvery": "0s"});
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    for round in 0..2 {
        let ids = &ids[round * 10..];
        play.advance(MINUTE);
        play.org().hard_delete("Contact", &ids[1]).unwrap();
        play.delete("Contact", &ids[2..4]);
        play.update("Contact", &ids[5], &[("LastName", "Twenty days ago")]);
        play.advance(20 * DAY);
        play.update("Contact", &ids[6], &[("LastName", "Today")]);
        // The process slept with the machine, or another one is started.
        if round == 1 {
            session = play.session().await;
        }
        let runs = good(&mut session).await;
        // Which parents changed cannot be told either, so that every row is read again after it.
        let found = kinds(&runs);
        assert_eq!(
            found[..3],
            [Incremental, Reconcile, Refresh],
            "the log does not reach so far"
        );
        assert_eq!(runs[1].drift.unwrap().surplus, 3);
        play.assert_equal(&session).await;
        // From here on the log tells everything again.
        play.org().hard_delete("Contact", &ids[7]).unwrap();
        play.advance(HOUR + 5 * MINUTE);
        assert_eq!(kinds(&good(&mut session).await), [Incremental, Verify]);
        play.assert_equal(&session).await;
    }
}

async fn a_transaction_open_when_initial_began(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    play.consistency = verify_hourly();
    let ids = play.ids("Contact");
    let open = play.org().begin();
    open.update("Contact", &ids[3], &[("LastName", "Open")]).unwrap();
    open.delete("Contact", &ids[4]).unwrap();
    let made = open.create("Contact", &[("LastName", "Made")]).unwrap();
    play.advance(15 * MINUTE);
    let mut session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Initial]);
    assert_eq!(play.rows("contact").await, 300);
    play.advance(15 * MINUTE);
    open.commit().unwrap();
    assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    assert_eq!(play.column("contact", "surname", &made).await, "-");
    play.advance(45 * MINUTE);
    // What is verified is in the state.
    session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Incremental, Verify]);
    play.assert_equal(&session).await;
    assert_eq!(play.column("contact", "surname", &made).await, "Made");
}

async fn a_field_filled_while_its_permission_was_withdrawn(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    let before = play.column("contact", "department", &ids[2]).await;
    play.update("Contact", &ids[1], &[("Department", "")]);
    good(&mut session).await;
    let user = e2e::resource::USERNAME;
    play.org().withdraw(user, "Contact", Some("Department")).unwrap();
    play.advance(30 * MINUTE);

    // The run that finds it gone goes on by a fresh plan, which keeps the values.
    let runs = good(&mut session).await;
    let degraded = &runs.last().unwrap().degraded;
    assert!(
        degraded.iter().any(|found| found.reason == "FieldMissing"),
        "{degraded:?}"
    );
    play.update(
        "Contact",
        &ids[1],
        &[("Department", "Filled meanwhile"), ("LastName", "Seen")],
    );
    play.org()
        .update_with(
            "Contact",
            &ids[3],
            &[("Department", "By a data fix")],
            simulator::Stamps::Neither,
        )
        .unwrap();
    let runs = good(&mut session).await;
    for run in &runs {
        let missing = run.degraded.iter().find(|degraded| degraded.reason == "FieldMissing");
        assert!(missing.unwrap().message.contains("Department"), "{run:#?}");
    }
    assert_eq!(play.column("contact", "surname", &ids[1]).await, "Seen");
    assert_eq!(play.column("contact", "department", &ids[1]).await, "∅");
    assert_eq!(play.column("contact", "department", &ids[2]).await, before);
    play.advance(2 * HOUR);
    good(&mut session).await;

    play.org().grant(user, "Contact", Some("Department")).unwrap();
    good_kind(&mut session, Incremental).await;
    assert_eq!(
        play.column("contact", "department", &ids[1]).await,
        "∅",
        "no stamp tells of it"
    );
    session.replan(&play.spec()).await.unwrap();
    let runs = good(&mut session).await;
    assert!(kinds(&runs).contains(&Refresh), "{runs:#?}");
    assert!(runs.last().unwrap().degraded.is_empty());
    play.assert_equal(&session).await;
}
