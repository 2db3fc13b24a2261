//! What the database says of itself: versions of the state's tables, and how fresh a table is.

use e2e::stage::Kind;
use replication::progress::RunKind::{Incremental, Initial, Verify};
use serde_json::json;

use super::{
    for_both,
    play::{HOUR, MINUTE, Play, contacts, good, kinds},
};

for_both!(
    state_of_version_1_is_brought_forward,
    state_of_a_newer_version_is_refused,
    freshness_is_told_every_quarter_of_an_hour,
);

/// What takes the state's tables back to version 1.
fn back_to_version_1(kind: Kind) -> Vec<String> {
    let listing = [
        "listing_kind",
        "listing_plan_hash",
        "listing_started",
        "listing_covered",
        "listing_last_id",
    ];
    let schema = match kind {
        Kind::Postgres => "salesforce.",
        Kind::Sqlite => "",
    };
    let (unlogged, collate, moment) = match kind {
        Kind::Postgres => ("UNLOGGED ", " COLLATE \"C\"", "timestamptz"),
        Kind::Sqlite => ("", "", "TEXT"),
    };
    let mut statements: Vec<String> = listing
        .iter()
        .map(|column| format!("ALTER TABLE {schema}_replication_state DROP COLUMN {column}"))
        .collect();
    statements.extend([
        format!("ALTER TABLE {schema}_pending_delete DROP COLUMN confirmed"),
        format!("DROP TABLE {schema}_surplus_row"),
        format!(
            "CREATE {unlogged}TABLE {schema}_listed_row (object text{collate} NOT NULL, salesforce_id text{collate} NOT NULL, \
             system_modstamp {moment}, PRIMARY KEY (object, salesforce_id))"
        ),
        format!("UPDATE {schema}_replication_meta SET schema_version = 1"),
        // That version knew no long kinds.
        format!("UPDATE {schema}_replication_state SET verified_until = NULL, reconciled_at = NULL, refreshed_at = NULL"),
    ]);
    statements
}

async fn state_of_version_1_is_brought_forward(kind: Kind, name: &str) {
    let mut play = Play::new(kind, name, contacts(300), json!([{"name": "Contact"}])).await;
    play.org().hold_clock(false);
    play.consistency = json!({"overlap": "10m", "verifyEvery": "1h", "reconcileEvery": "24h", "refreshEvery": "0s"});
    play.exits(&["run", "--once"], 0).await;
    let ids = play.ids("Contact");
    let (epoch, query_start) = (
        play.state("Contact", "epoch").await,
        play.state("Contact", "watermark").await,
    );
    for statement in back_to_version_1(kind) {
        play.database().execute(&statement).await;
    }
    // It broke off between noting a delete and applying it; the record has come back since.
    let pending = play.database().table("_pending_delete");
    let moment = "2026-11-01 10:00:00+00";
    let moment = if kind == Kind::Sqlite {
        "2026-11-01T10:00:00.000Z"
    } else {
        moment
    };
    let noted = format!(
        "INSERT INTO {pending} VALUES ('Contact', '{}', '{moment}', '{moment}')",
        ids[7]
    );
    play.database().execute(&noted).await;
    let before = play.dump(&["contact"]).await;
    play.update("Contact", &ids[1], &[("LastName", "After the update of the binary")]);

    let report = play.command(&["run", "--once", "-ojson"]).await.exits(0).json();
    assert_eq!(
        report["runs"][0]["kind"], "Incremental",
        "nothing is loaded again: {report:#}"
    );
    assert_eq!(play.rows("contact").await, 300);
    let meta = play.database().table("_replication_meta");
    assert_eq!(
        play.database()
            .number(&format!("SELECT schema_version FROM {meta}"))
            .await,
        2
    );
    assert!(
        play.state("Contact", "reconciled_at").await.is_some(),
        "what was never compared is: {report:#}"
    );
    assert!(play.state("Contact", "epoch").await > epoch);
    assert!(play.state("Contact", "watermark").await >= query_start);
    let after = play.dump(&["contact"]).await;
    let changed = before["contact"]
        .iter()
        .zip(&after["contact"])
        .filter(|(before, after)| before != after);
    assert_eq!(
        changed.count(),
        1,
        "one row has changed, the others are those of before"
    );
    let session = play.session().await;
    play.assert_equal(&session).await;
}

async fn state_of_a_newer_version_is_refused(kind: Kind, name: &str) {
    let mut play = Play::new(kind, name, contacts(20), json!([{"name": "Contact"}])).await;
    play.exits(&["run", "--once"], 0).await;
    let meta = play.database().table("_replication_meta");
    play.database()
        .execute(&format!("UPDATE {meta} SET schema_version = 99"))
        .await;
    let before = play.dump(&["contact", "_replication_state"]).await;
    play.update(
        "Contact",
        &play.ids("Contact")[1],
        &[("LastName", "Not for this binary")],
    );
    let told = play.command(&["run", "--once"]).await.exits(6).all();
    assert!(told.contains("99") && told.contains("newer"), "{told}");
    assert_eq!(play.dump(&["contact", "_replication_state"]).await, before);
}

/// `[watermark, verified_until, checked_at]` of the view.
async fn freshness(play: &Play) -> Vec<Option<String>> {
    let view = play.database().table("_freshness");
    let statement = format!("SELECT watermark, verified_until, checked_at FROM {view} WHERE \"table\" = 'contact'");
    play.database().query(&statement).await.remove(0)
}

async fn freshness_is_told_every_quarter_of_an_hour(kind: Kind, name: &str) {
    let mut play = Play::new(kind, name, contacts(50), json!([{"name": "Contact"}])).await;
    // Each hour, with something to spare: Salesforce's clock is known to within the time that a call takes.
    play.consistency["verifyEvery"] = json!("58m");
    let mut session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Initial]);
    let ids = play.ids("Contact");
    let mut told = freshness(&play).await;
    assert!(told.iter().all(Option::is_some), "{told:?}");
    let mut writes = Vec::new();
    for minute in (5..=120).step_by(5) {
        play.advance(5 * MINUTE);
        let runs = good(&mut session).await;
        if minute % 60 == 5 {
            assert!(!kinds(&runs).contains(&Verify), "{minute}");
        }
        let now = freshness(&play).await;
        if now != told {
            writes.push(minute);
            // What is complete is told with it.
            assert!(now[0] > told[0] && now[2] > told[2], "{minute}: {told:?}, then {now:?}");
            told = now;
        }
    }
    // Verify's own word comes with the ticks that verify.
    let quarters: Vec<i32> = (15..=120).step_by(15).collect();
    assert!(quarters.iter().all(|minute| writes.contains(minute)), "{writes:?}");
    assert!(
        writes.len() <= quarters.len() + 2,
        "more often than every quarter: {writes:?}"
    );
    let verified = told[1].clone();
    play.advance(2 * HOUR);
    good(&mut session).await;
    assert!(freshness(&play).await[1] > verified);

    // Rows bring it at once.
    play.advance(MINUTE);
    play.update("Contact", &ids[1], &[("LastName", "Fresh")]);
    let before = freshness(&play).await;
    assert_eq!(kinds(&good(&mut session).await), [Incremental]);
    let now = freshness(&play).await;
    assert!(now[0] > before[0] && now[2] > before[2], "{before:?}, then {now:?}");
}
