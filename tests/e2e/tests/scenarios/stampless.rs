//! Objects without SystemModstamp: each run reads all of it, and the table is the org's all the same.

use e2e::stage::Kind;
use replication::progress::RunKind::{Incremental, Initial, Reconcile, Refresh};
use serde_json::json;

use super::{
    for_both,
    play::{HOUR, MINUTE, Play, confirm, contacts, good, good_kind, kinds, kinds_of, tick},
};

for_both!(
    every_tick_brings_what_changed_and_what_left,
    a_tick_that_finds_nothing_writes_no_row,
    deletes_are_held_by_the_guard,
    a_mark_tells_when_a_deletion_was_found,
    a_condition_is_kept,
    others_are_not_read_whole,
);

/// Shares of so many contacts with a user.
async fn shared(kind: Kind, name: &str, object: serde_json::Value, shares: u64) -> Play {
    let play = Play::new(kind, name, contacts(shares), json!([object])).await;
    let user = play.ids("User").remove(0);
    for contact in play.ids("Contact") {
        let values = [
            ("ContactId", contact.as_str()),
            ("UserOrGroupId", user.as_str()),
            ("ContactAccessLevel", "Read"),
            ("RowCause", "Manual"),
        ];
        play.create("ContactShare", &values);
    }
    play
}

async fn every_tick_brings_what_changed_and_what_left(kind: Kind, name: &str) {
    let object = json!({"name": "ContactShare", "fields": [{"source": "Contact.LastName", "column": "surname"}]});
    let mut play = shared(kind, name, object, 450).await;
    play.segment_rows = Some(100);
    let mut session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Initial]);
    play.assert_equal(&session).await;
    let first = play.ids("Contact").remove(0);
    for round in 0..3 {
        play.advance(5 * MINUTE);
        let ids = play.ids("ContactShare");
        play.update("ContactShare", &ids[7], &[("ContactAccessLevel", "Edit")]);
        play.update("Contact", &first, &[("LastName", &format!("Round {round}"))]);
        play.delete("ContactShare", &ids[20..22]);
        play.org().hard_delete("ContactShare", &ids[30]).unwrap();
        let runs = good(&mut session).await;
        assert_eq!(kinds(&runs), [Refresh], "{runs:#?}");
        let drift = runs[0].drift.unwrap();
        assert_eq!((runs[0].rows_deleted, drift.missing, drift.surplus), (3, 0, 0));
        assert_eq!(runs[0].rows_written, 2);
        play.assert_equal(&session).await;
        let column = async |column| play.column("contact_share", column, &ids[0]).await;
        assert_eq!(column("system_modstamp").await, "∅");
        assert_eq!(column("surname").await, format!("Round {round}"));
    }
    // Another process goes on with it.
    play.objects[0]["indexes"] = json!([["row_cause"]]);
    let mut session = play.session().await;
    play.advance(2 * HOUR);
    assert_eq!(kinds(&good(&mut session).await), [Refresh]);
    play.assert_equal(&session).await;
    let watermark = play.state("ContactShare", "watermark").await;
    play.advance(5 * MINUTE);
    good(&mut session).await;
    assert_ne!(
        play.state("ContactShare", "watermark").await,
        watermark,
        "readers see how fresh it is"
    );
}

async fn a_tick_that_finds_nothing_writes_no_row(kind: Kind, name: &str) {
    let play = shared(kind, name, json!({"name": "ContactShare"}), 250).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let tables = ["contact_share", "_pending_delete", "_rejected_row"];
    let before = play.dump(&tables).await;
    for _ in 0..2 {
        play.advance(5 * MINUTE);
        let calls = play.org().counters().counted;
        let runs = good(&mut session).await;
        assert_eq!(
            (runs[0].rows_read, runs[0].rows_written, runs[0].rows_deleted),
            (250, 0, 0)
        );
        assert_eq!(play.org().counters().counted - calls, 2, "its two pages");
        assert_eq!(play.dump(&tables).await, before);
    }
    let runs = good_kind(&mut session, Reconcile).await;
    assert_eq!((kinds(&runs), runs[0].rows_written), (vec![Reconcile], 0));
    assert_eq!(play.dump(&tables).await, before);
}

async fn deletes_are_held_by_the_guard(kind: Kind, name: &str) {
    let play = shared(kind, name, json!({"name": "ContactShare"}), 150).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("ContactShare");
    play.delete("ContactShare", &ids[..120]);
    play.update("ContactShare", &ids[140], &[("ContactAccessLevel", "All")]);
    let mut token = String::new();
    for _ in 0..2 {
        play.advance(5 * MINUTE);
        let report = tick(&mut session).await;
        let held = report.runs[0].held.clone().unwrap();
        assert_eq!((held.count, play.rows("contact_share").await), (120, 150));
        let level = play.column("contact_share", "contact_access_level", &ids[140]).await;
        assert_eq!(level, "All", "what changed is written all the same");
        token = held.token;
    }
    let report = confirm(&mut session, "ContactShare", &token).await;
    assert!(report.succeeded(), "{report:#?}");
    play.assert_equal(&session).await;
}

async fn a_mark_tells_when_a_deletion_was_found(kind: Kind, name: &str) {
    let play = shared(kind, name, json!({"name": "ContactShare", "deletes": "Mark"}), 150).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("ContactShare");
    play.delete("ContactShare", &ids[..1]);
    play.advance(5 * MINUTE);
    assert_eq!(good(&mut session).await[0].rows_deleted, 1);
    let marked = play.column("contact_share", "deleted_at", &ids[0]).await;
    assert!(!marked.contains("1970") && marked != "∅", "{marked}");
    play.advance(5 * MINUTE);
    let runs = good(&mut session).await;
    assert_eq!((runs[0].rows_deleted, runs[0].rows_written), (0, 0), "{runs:#?}");
    assert_eq!(play.column("contact_share", "deleted_at", &ids[0]).await, marked);
}

async fn a_condition_is_kept(kind: Kind, name: &str) {
    let object = json!({"name": "ContactShare", "where": "ContactAccessLevel = 'Read'"});
    let play = shared(kind, name, object, 150).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("ContactShare");
    play.update("ContactShare", &ids[3], &[("ContactAccessLevel", "Edit")]);
    play.advance(5 * MINUTE);
    let runs = good(&mut session).await;
    assert_eq!((kinds(&runs), runs[0].rows_deleted), (vec![Refresh], 1));
    play.update("ContactShare", &ids[3], &[("ContactAccessLevel", "Read")]);
    play.advance(5 * MINUTE);
    assert_eq!(good(&mut session).await[0].rows_written, 1);
    play.assert_equal(&session).await;
}

async fn others_are_not_read_whole(kind: Kind, name: &str) {
    let mut play = shared(kind, name, json!({"name": "ContactShare"}), 150).await;
    play.objects = json!([{"name": "ContactShare"}, {"name": "Contact"}]);
    let mut session = play.session().await;
    good(&mut session).await;
    play.advance(5 * MINUTE);
    let runs = good(&mut session).await;
    assert_eq!(kinds_of(&runs, "ContactShare"), [Refresh]);
    assert_eq!(kinds_of(&runs, "Contact"), [Incremental]);
}
