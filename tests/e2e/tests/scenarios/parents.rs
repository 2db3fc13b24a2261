//! What changes while it is read: parents behind their children, records behind the page that has them.

use std::sync::Arc;

use e2e::stage::{Kind, empty_org};
use replication::{
    progress::{
        Event,
        RunKind::{self, Incremental, Initial, Refresh, Verify},
    },
    replicator::TickRequest,
};
use serde_json::json;
use simulator::{Config, CursorRows};
use tokio_util::sync::CancellationToken;

use super::{
    for_both,
    play::{MINUTE, Play, good, good_kind, kinds},
};

for_both!(
    a_parent_renamed_while_initial_reads_its_child,
    a_parent_renamed_while_incremental_reads_its_child,
    a_parent_renamed_by_a_late_commit,
    a_record_changed_while_refresh_reads_its_old_page,
    a_record_changed_between_two_looks_of_a_refresh,
    a_polymorphic_parent_comes_by_refresh,
);

async fn play(kind: Kind, name: &str) -> Play {
    let config = Config {
        contacts: 700,
        accounts: 50,
        ..empty_org()
    };
    let mut play = Play::new(kind, name, config, json!([{"name": "Contact"}])).await;
    play.segment_rows = Some(200);
    play
}

/// The n-th contact that has an account, with the account.
fn child(play: &Play, n: usize) -> (String, String) {
    let rows = play.org().rows_of("Contact", &["AccountId"]).unwrap();
    let mut with_account = rows.filter_map(|row| Some((row.id, row.fields["AccountId"].clone()?)));
    with_account.nth(n).unwrap()
}

fn is_read(kind: RunKind) -> impl Fn(&str, RunKind, &Event) -> bool + Send + 'static {
    move |_, run, event| run == kind && matches!(event, Event::Read(_))
}

/// Renames an account as soon as rows of a run of this kind were read and not yet written, and lets time pass until its end,
/// more than the overlap.
fn rename_at_first_rows(play: &Play, kind: RunKind, account: &str, to: &'static str) {
    let (org, account, advance) = (play.org().clone(), account.to_owned(), play.mover());
    play.recorder.once_at(is_read(kind), move || {
        advance(MINUTE);
        org.update("Account", &account, &[("Name", to)]).unwrap();
        advance(24 * MINUTE);
    });
}

async fn a_parent_renamed_while_initial_reads_its_child(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    play.org()
        .change_settings(|settings| settings.cursor_rows = CursorRows::AsOfQuery);
    let (contact, account) = child(&play, 0);
    rename_at_first_rows(&play, Initial, &account, "Renamed GmbH");
    let mut session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Initial]);
    assert_ne!(play.column("contact", "company", &contact).await, "Renamed GmbH");
    good(&mut session).await;
    assert_eq!(play.column("contact", "company", &contact).await, "Renamed GmbH");
    play.assert_equal(&session).await;
}

async fn a_parent_renamed_while_incremental_reads_its_child(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let (contact, account) = child(&play, 5);
    play.advance(30 * MINUTE);
    play.update("Contact", &contact, &[("LastName", "Child")]);
    // The parents were read before, the child is being written.
    rename_at_first_rows(&play, Incremental, &account, "Umbenannt AG");
    good(&mut session).await;
    play.recorder.ignore();
    assert_eq!(play.column("contact", "surname", &contact).await, "Child");
    assert_ne!(play.column("contact", "company", &contact).await, "Umbenannt AG");
    good(&mut session).await;
    assert_eq!(play.column("contact", "company", &contact).await, "Umbenannt AG");
    play.assert_equal(&session).await;
}

/// Nothing of the children changes, and the parent's stamp is older than the overlap when it is seen.
async fn a_parent_renamed_by_a_late_commit(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let (contact, account) = child(&play, 9);
    play.advance(MINUTE);
    let open = play.org().begin();
    open.update("Account", &account, &[("Name", "Spät & Co.")]).unwrap();
    for _ in 0..4 {
        play.advance(8 * MINUTE);
        good(&mut session).await;
    }
    open.commit().unwrap();
    good(&mut session).await;
    assert_ne!(play.column("contact", "company", &contact).await, "Spät & Co.");
    play.advance(5 * MINUTE);
    good_kind(&mut session, Verify).await;
    play.assert_equal(&session).await;
}

async fn a_record_changed_while_refresh_reads_its_old_page(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    play.org()
        .change_settings(|settings| settings.cursor_rows = CursorRows::AsOfQuery);
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    let (contact, account) = child(&play, 3);
    play.advance(30 * MINUTE);
    let (org, advance) = (play.org().clone(), play.mover());
    let (first, last, deleted) = (ids[4].clone(), ids[650].clone(), ids[660].clone());
    play.recorder.once_at(is_read(Refresh), move || {
        // On the page in hand, on one that is still to come and shows the record as it was, and one that it has and that is
        // no more.
        org.update("Contact", &first, &[("LastName", "Changed")]).unwrap();
        org.update("Contact", &last, &[("LastName", "Changed")]).unwrap();
        org.delete("Contact", &deleted).unwrap();
        org.update("Account", &account, &[("Name", "Seiteneinsteiger KG")])
            .unwrap();
        advance(45 * MINUTE);
    });
    let runs = good_kind(&mut session, Refresh).await;
    assert_eq!(kinds(&runs), [Refresh, Incremental, Verify], "a Refresh is old news");
    assert_eq!(play.column("contact", "company", &contact).await, "Seiteneinsteiger KG");
    play.assert_equal(&session).await;
}

/// The Refresh makes room for an Incremental that brings the new values, and goes on with what it read before.
async fn a_record_changed_between_two_looks_of_a_refresh(kind: Kind, name: &str) {
    for cursor_rows in [CursorRows::Live, CursorRows::AsOfQuery] {
        let play = play(kind, name).await;
        play.org()
            .change_settings(|settings| settings.cursor_rows = cursor_rows);
        let mut session = play.session().await;
        good(&mut session).await;
        let ids = play.ids("Contact");
        let (contact, account) = child(&play, 600);
        play.advance(30 * MINUTE);
        play.hang("queryMore", "Contact", 1);
        let refresh = TickRequest {
            kind: Some(Refresh),
            until: Some(play.clock_ahead(MINUTE)),
            ..TickRequest::default()
        };
        let cancel = CancellationToken::new();
        let (report, ()) = tokio::join!(session.tick(&refresh, &cancel), async {
            play.hangs().await;
            play.advance(MINUTE);
        });
        assert_eq!(report.running, ["Contact"]);
        play.update("Contact", &ids[3], &[("LastName", "Changed")]);
        play.update("Contact", &ids[680], &[("LastName", "Changed")]);
        play.update("Account", &account, &[("Name", "Zwischendurch OHG")]);
        play.advance(30 * MINUTE);
        // The next tick's Incremental is due: the Refresh makes room for it.
        let org = play.org().clone();
        let recorder = Arc::clone(&play.recorder);
        let next = TickRequest::default();
        let (report, ()) = tokio::join!(session.tick(&next, &cancel), async {
            org.release_hanging();
            recorder
                .until(|_, kind, event| kind == Refresh && matches!(event, Event::Ended(_)))
                .await;
        });
        assert!(report.succeeded(), "{report:#?}");
        let found = kinds(&report.runs);
        assert_eq!(found, [Incremental, Refresh, Incremental, Verify], "{cursor_rows:?}");
        assert_eq!(play.column("contact", "company", &contact).await, "Zwischendurch OHG");
        play.assert_equal(&session).await;
    }
}

async fn a_polymorphic_parent_comes_by_refresh(kind: Kind, name: &str) {
    let config = Config {
        leads: 120,
        users: 5,
        ..empty_org()
    };
    let objects = json!([{"name": "Lead", "fields": [{"source": "Owner.Name", "column": "owner_name"}]}]);
    let mut play = Play::new(kind, name, config, objects).await;
    let told = play.command(&["plan"]).await.exits(0).all();
    assert!(told.contains("Owner") && told.contains("Refresh"), "{told}");
    let mut session = play.session().await;
    good(&mut session).await;
    let lead = play.org().rows_of("Lead", &["OwnerId"]).unwrap().next().unwrap();
    let owner = lead.fields["OwnerId"].clone().unwrap();
    play.advance(30 * MINUTE);
    play.update("User", &owner, &[("LastName", "Neuname")]);
    good(&mut session).await;
    assert!(!play.column("lead", "owner_name", &lead.id).await.contains("Neuname"));
    good_kind(&mut session, Refresh).await;
    assert!(play.column("lead", "owner_name", &lead.id).await.contains("Neuname"));
}
