//! The delete guard: what is beyond it is held, is told with its token, and goes by that token; nothing else does.

use e2e::stage::Kind;
use replication::{
    guard::HeldDeletes,
    progress::{
        RunKind::{Incremental, Reconcile},
        RunReport,
    },
    replicator::TickReport,
};
use serde_json::{Value, json};

use crate::scenarios::{
    for_both,
    play::{DAY, MINUTE, Play, asked, confirm, contacts, good, good_kind, kinds},
};

for_both!(
    an_org_emptied_by_mistake,
    a_where_with_a_typing_error,
    a_where_with_a_typing_error_is_mended,
    nine_percent_every_five_minutes,
    a_table_of_forty_rows,
    hard_deletes_of_a_listing,
    a_token_lets_go_what_it_was_given_for,
    marks_are_held_as_well,
    what_is_ignored_is_not_held,
);

async fn play(kind: Kind, name: &str, rows: u64) -> Play {
    let play = Play::new(kind, name, contacts(rows), json!([{"name": "Contact"}])).await;
    play.org().hold_clock(false);
    play
}

/// The same on clocks that a test moves.
async fn still(kind: Kind, name: &str, rows: u64) -> Play {
    Play::new(kind, name, contacts(rows), json!([{"name": "Contact"}])).await
}

/// What the binary holds, as it tells it: exit code 8, a message with the token, and the report of each run.
async fn held(play: &mut Play, arguments: &[&str]) -> (String, Value) {
    let arguments: Vec<&str> = [&["run", "--once", "-ojson"], arguments].concat();
    let outcome = play.command(&arguments).await.exits(8);
    let report = outcome.json();
    let last = report["runs"].as_array().unwrap().last().unwrap().clone();
    let (count, token) = (
        &last["held"]["count"],
        last["held"]["token"].as_str().unwrap_or_default(),
    );
    assert!(token.starts_with(&format!("{count}-")), "{report:#}");
    let advice = format!("--confirm-deletes Contact={token}");
    assert!(outcome.stderr.contains(&advice), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains(&format!("{count} deletes are held")),
        "{}",
        outcome.stderr
    );
    (token.to_owned(), last)
}

/// Lets go what a token is for; the run's own report.
async fn let_go(play: &mut Play, token: &str) -> Value {
    let confirmed = format!("Contact={token}");
    let arguments = ["run", "--once", "-ojson", "--confirm-deletes", &confirmed];
    play.command(&arguments).await.exits(0).json()
}

async fn pending(play: &Play) -> i64 {
    let table = play.database().table("_pending_delete");
    play.database().number(&format!("SELECT count(*) FROM {table}")).await
}

/// The held deletes of a run that did all it could.
#[track_caller]
fn of(runs: &[RunReport]) -> HeldDeletes {
    let last = runs.last().unwrap();
    last.held
        .clone()
        .unwrap_or_else(|| panic!("nothing is held: {last:#?}"))
}

#[track_caller]
fn not_held(report: &TickReport) -> &str {
    let error = report.runs.iter().find_map(|run| run.error.as_ref());
    let error = error.unwrap_or_else(|| panic!("the token was taken: {report:#?}"));
    assert_eq!(error.reason, "DeleteGuard", "{report:#?}");
    &error.message
}

async fn an_org_emptied_by_mistake(kind: Kind, name: &str) {
    let mut play = play(kind, name, 600).await;
    play.exits(&["run", "--once"], 0).await;
    let ids = play.ids("Contact");
    play.delete("Contact", &ids);
    let (token, report) = held(&mut play, &[]).await;
    assert_eq!(
        (&report["held"]["count"], &report["rowsDeleted"], &report["rows"]),
        (&json!(600), &json!(0), &json!(600))
    );
    assert_eq!(play.rows("contact").await, 600);
    // It is said again, with the same token, and upserts go on.
    let made = play.create("Contact", &[("LastName", "Still served")]);
    let (again, _) = held(&mut play, &[]).await;
    assert_eq!(again, token);
    assert_eq!(play.column("contact", "surname", &made).await, "Still served");

    // Most of it comes back out of the recycle bin.
    for id in &ids[..400] {
        play.org().undelete("Contact", id).unwrap();
    }
    let (rest, report) = held(&mut play, &[]).await;
    assert_eq!(report["held"]["count"], 200, "{report:#}");
    // The first token is not for what is held now, and lets nothing go.
    let confirmed = format!("Contact={token}");
    let outcome = play
        .command(&["run", "--once", "--confirm-deletes", &confirmed])
        .await
        .exits(8);
    assert!(outcome.stderr.contains(&rest), "{}", outcome.stderr);
    assert_eq!(play.rows("contact").await, 601);

    let report = let_go(&mut play, &rest).await;
    assert_eq!(report["runs"][0]["rowsDeleted"], 200, "{report:#}");
    let session = play.session().await;
    play.assert_equal(&session).await;
}

/// Half of the contacts are in Germany.
async fn halves(kind: Kind, name: &str) -> Play {
    let mut play = play(kind, name, 500).await;
    play.objects = json!([{"name": "Contact", "mapping": "Mirror", "where": "MailingCountry = 'Germany'"}]);
    for (n, id) in play.ids("Contact").iter().enumerate() {
        let country = if n % 2 == 0 { "Germany" } else { "Austria" };
        play.update("Contact", id, &[("MailingCountry", country)]);
    }
    play.exits(&["run", "--once"], 0).await;
    assert_eq!(play.rows("contact").await, 250);
    play
}

async fn a_where_with_a_typing_error(kind: Kind, name: &str) {
    let mut play = halves(kind, name).await;
    play.objects[0]["where"] = json!("MailingCountry = 'Germanny'");
    let (token, report) = held(&mut play, &[]).await;
    assert_eq!(
        (&report["kind"], &report["held"]["count"]),
        (&json!("Reconcile"), &json!(250)),
        "{report:#}"
    );
    assert_eq!(play.rows("contact").await, 250);
    // Somebody wants it like that.
    let report = let_go(&mut play, &token).await;
    assert_eq!(report["runs"][0]["rowsDeleted"], 250, "{report:#}");
    assert_eq!((play.rows("contact").await, pending(&play).await), (0, 0));
    play.exits(&["run", "--once"], 0).await;
}

async fn a_where_with_a_typing_error_is_mended(kind: Kind, name: &str) {
    let mut play = halves(kind, name).await;
    let before = play.dump(&["contact"]).await;
    play.objects[0]["where"] = json!("MailingCountry = 'Germanny'");
    let (token, _) = held(&mut play, &[]).await;
    play.objects[0]["where"] = json!("MailingCountry = 'Germany'");
    play.exits(&["run", "--once"], 0).await;
    assert_eq!(play.dump(&["contact"]).await, before);
    assert_eq!(pending(&play).await, 0);
    // What was held is no more, and the token for it is worth nothing.
    let confirmed = format!("Contact={token}");
    play.exits(&["run", "--once", "--confirm-deletes", &confirmed], 8).await;
    assert_eq!(play.dump(&["contact"]).await, before);
}

async fn nine_percent_every_five_minutes(kind: Kind, name: &str) {
    let play = still(kind, name, 1_200).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    let mut expected = 1_200;
    let mut at = 0;
    for round in 0..6 {
        play.advance(5 * MINUTE);
        let nine = 108.min(ids.len() - at);
        play.delete("Contact", &ids[at..at + nine]);
        at += nine;
        let runs = good(&mut session).await;
        if round == 0 {
            assert_eq!(
                (runs[0].rows_deleted, &runs[0].held),
                (108, &None),
                "nine percent are let through"
            );
            expected -= 108;
        } else {
            assert_eq!(
                (of(&runs).count, runs[0].rows_deleted),
                (round * 108, 0),
                "round {round}"
            );
        }
        assert_eq!(play.rows("contact").await, expected);
        if round == 3 {
            // Nor does another process forget the window.
            session = play.session().await;
        }
    }
    // A day later they are still too many at once; a few more are not let through beside them.
    play.advance(DAY + MINUTE);
    play.delete("Contact", &ids[at..at + 20]);
    let token = of(&good(&mut session).await);
    assert_eq!((token.count, play.rows("contact").await), (560, expected));
    let report = confirm(&mut session, "Contact", &token.token).await;
    assert!(report.succeeded(), "{report:#?}");
    play.assert_equal(&session).await;

    // What was confirmed does not count for the window: nine percent of the rest are let through.
    play.advance(5 * MINUTE);
    play.delete("Contact", &ids[at + 20..at + 20 + 47]);
    let runs = good(&mut session).await;
    assert_eq!((runs[0].rows_deleted, &runs[0].held), (47, &None));
    play.assert_equal(&session).await;
}

async fn a_table_of_forty_rows(kind: Kind, name: &str) {
    let play = still(kind, name, 40).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(MINUTE);
    play.delete("Contact", &ids[..12]);
    let runs = good(&mut session).await;
    assert_eq!(
        (runs[0].rows_deleted, &runs[0].held),
        (12, &None),
        "less than a half is a small table's daily life"
    );
    play.advance(MINUTE);
    play.delete("Contact", &ids[12..20]);
    assert_eq!(
        good(&mut session).await[0].rows_deleted,
        8,
        "half of the table as it was a day ago"
    );
    play.advance(MINUTE);
    play.delete("Contact", &ids[20..21]);
    let token = of(&good(&mut session).await);
    assert_eq!(
        (token.count, play.rows("contact").await),
        (1, 20),
        "one more than half of it"
    );
    let report = confirm(&mut session, "Contact", &token.token).await;
    assert!(report.succeeded(), "{report:#?}");
    play.assert_equal(&session).await;

    // All of the rest.
    play.advance(MINUTE);
    play.delete("Contact", &ids[21..]);
    let token = of(&good(&mut session).await);
    assert_eq!((token.count, play.rows("contact").await), (19, 19));
    let report = confirm(&mut session, "Contact", &token.token).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(play.rows("contact").await, 0);
}

async fn hard_deletes_of_a_listing(kind: Kind, name: &str) {
    let play = still(kind, name, 700).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(MINUTE);
    for id in &ids[..350] {
        play.org().hard_delete("Contact", id).unwrap();
    }
    play.advance(20 * DAY);
    let runs = good_kind(&mut session, Reconcile).await;
    let token = of(&runs);
    assert_eq!((token.count, runs[0].drift.unwrap().surplus), (350, 350));
    assert_eq!(play.rows("contact").await, 700);
    // The next listing finds them again and holds the same.
    play.advance(DAY);
    let again = of(&good_kind(&mut session, Reconcile).await);
    assert_eq!(again, token);
    let report = confirm(&mut session, "contact", &token.token).await;
    assert!(report.succeeded(), "{report:#?}");
    play.assert_equal(&session).await;
}

async fn a_token_lets_go_what_it_was_given_for(kind: Kind, name: &str) {
    let play = still(kind, name, 1_000).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(30 * MINUTE);
    play.delete("Contact", &ids[..300]);
    let token = of(&good(&mut session).await);
    assert_eq!(token.count, 300);
    for wrong in ["300-000000000000", "1-0123456789ab", "299-ffffffffffff"] {
        let report = confirm(&mut session, "Contact", wrong).await;
        let message = not_held(&report);
        assert!(
            message.contains("Contact") && message.contains(&token.token),
            "{message}"
        );
        assert_eq!(play.rows("contact").await, 1_000);
    }

    // Later deletes, found by a run of their own, and some that the confirming run itself finds. One came back by a change
    // that this run sees, and one by a late commit, of which nothing tells.
    let late = play.org().begin();
    late.undelete("Contact", &ids[8]).unwrap();
    play.advance(5 * MINUTE);
    play.delete("Contact", &ids[300..600]);
    let both = of(&good(&mut session).await);
    assert_eq!(both.count, 600);
    assert_ne!(both.token, token.token);
    play.advance(25 * MINUTE);
    assert_eq!(of(&good(&mut session).await), both);
    late.commit().unwrap();
    play.delete("Contact", &ids[600..610]);
    play.org().undelete("Contact", &ids[7]).unwrap();
    let report = confirm(&mut session, "Contact", &token.token).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(
        report.runs[0].rows_deleted, 298,
        "the first 300 without those that came back"
    );
    let rest = of(&report.runs);
    assert_eq!(rest.count, 310);
    assert_eq!(play.rows("contact").await, 702);
    assert_ne!(play.column("contact", "surname", &ids[7]).await, "-");
    assert_ne!(play.column("contact", "surname", &ids[8]).await, "-");
    assert_ne!(play.column("contact", "surname", &ids[300]).await, "-");
    // A second time it is for nothing.
    not_held(&confirm(&mut session, "Contact", &token.token).await);
    assert_eq!(play.rows("contact").await, 702);
    // Nor do other runs take the rest with them.
    play.advance(30 * MINUTE);
    assert_eq!(of(&good_kind(&mut session, Incremental).await), rest);
    assert_eq!(of(&asked(&mut session, Reconcile).await.runs), rest);

    let report = confirm(&mut session, "Contact", &rest.token).await;
    assert!(report.succeeded(), "{report:#?}");
    play.assert_equal(&session).await;
}

async fn marks_are_held_as_well(kind: Kind, name: &str) {
    let mut play = still(kind, name, 400).await;
    play.objects = json!([{"name": "Contact", "deletes": "Mark"}]);
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    let marked = async |play: &Play| {
        let table = play.database().table("contact");
        play.database()
            .number(&format!(
                "SELECT count(*) FROM {table} WHERE is_deleted AND deleted_at IS NOT NULL"
            ))
            .await
    };
    play.advance(30 * MINUTE);
    play.delete("Contact", &ids[..200]);
    let token = of(&good(&mut session).await);
    assert_eq!(
        (token.count, marked(&play).await, play.rows("contact").await),
        (200, 0, 400)
    );
    play.org().undelete("Contact", &ids[3]).unwrap();
    let report = confirm(&mut session, "Contact", &token.token).await;
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!((marked(&play).await, play.rows("contact").await), (199, 400));
    // Marked ones are not counted again.
    play.advance(30 * MINUTE);
    assert_eq!(good_kind(&mut session, Reconcile).await[0].held, None);
    assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    assert_eq!(marked(&play).await, 199);
}

async fn what_is_ignored_is_not_held(kind: Kind, name: &str) {
    let mut play = play(kind, name, 300).await;
    play.objects = json!([{"name": "Contact", "deletes": "Ignore"}]);
    play.exits(&["run", "--once"], 0).await;
    let before = play.dump(&["contact"]).await;
    play.delete("Contact", &play.ids("Contact"));
    for kind in ["incremental", "verify", "reconcile", "refresh"] {
        let report = play
            .command(&["run", "--once", "--kind", kind, "-ojson"])
            .await
            .exits(0)
            .json();
        assert_eq!(report["runs"][0]["held"], Value::Null, "{report:#}");
        if kind == "reconcile" {
            assert_eq!(report["runs"][0]["drift"]["surplus"], 0, "{report:#}");
        }
    }
    assert_eq!(play.dump(&["contact"]).await, before);
    assert_eq!(pending(&play).await, 0);
}
