//! Which records a table holds: `where`, and what the Directory mapping implies.

use std::collections::BTreeSet;

use e2e::stage::{Kind, empty_org};
use replication::progress::RunKind::{Incremental, Initial, Reconcile, Refresh, Verify};
use serde_json::json;
use simulator::{Config, Row, schema::PersonAccounts};

use super::{
    for_both,
    play::{HOUR, MINUTE, Play, asked, contacts, good, good_kind, kinds, kinds_of},
};

for_both!(
    a_bad_where_is_named_by_plan,
    rows_leave_and_enter_a_condition_in_one_pass,
    a_row_that_enters_between_two_calls_stays,
    a_commit_25_minutes_late_changes_who_meets_it,
    a_changed_where_reconciles_at_once,
    a_converted_lead_leaves,
    a_user_who_is_deactivated_leaves_and_comes_back,
    person_accounts_arrive_once,
);

fn in_germany(_object: &str, row: &Row) -> bool {
    row.fields["MailingCountry"].as_deref() == Some("Germany")
}

/// A third of the contacts are in Germany.
async fn third(kind: Kind, name: &str) -> Play {
    let objects = json!([{"name": "Contact", "mapping": "Mirror", "where": "MailingCountry = 'Germany'"}]);
    let play = Play::new(kind, name, contacts(300), objects).await;
    for (n, id) in play.ids("Contact").iter().enumerate() {
        let country = if n % 3 == 0 { "Germany" } else { "Austria" };
        play.update("Contact", id, &[("MailingCountry", country)]);
    }
    play.advance(30 * MINUTE);
    play
}

async fn a_bad_where_is_named_by_plan(kind: Kind, name: &str) {
    let mut play = Play::new(kind, name, contacts(10), json!([])).await;
    for (condition, words) in [
        ("MailingCountri = 'Germany'", ["MailingCountri", "MailingCountry"]),
        ("MailingCountry = 'Germany", ["closing quote", "character 18"]),
        ("(Email != null", ["character 1", ")"]),
        ("Email != null ORDER BY Email", ["ORDER BY", "character 15"]),
        ("MailingCountry = Germany", ["Germany", "quotes"]),
        ("Account.Owner.Name = 'x'", ["Account.Owner.Name", "one level"]),
    ] {
        play.objects = json!([{"name": "Contact", "where": condition}, {"name": "Account"}]);
        // A run goes on with the object that is right.
        for (command, option, code) in [("plan", "-ojson", 3), ("run", "--once", 7)] {
            let told = play.command(&[command, option]).await.exits(code).all();
            for word in ["Contact: where", words[0], words[1]] {
                assert!(told.contains(word), "{command} {condition}: {word} is not in {told}");
            }
        }
    }
    assert_eq!(play.state("Account", "phase").await, Some("Live".to_owned()));
    // What is allowed and changes without a stamp is warned of.
    play.objects =
        json!([{"name": "Contact", "where": "Account.Industry = 'Energy' AND CreatedDate > LAST_N_DAYS:30"}]);
    let told = play.command(&["plan"]).await.exits(0).all();
    assert!(
        told.contains("LAST_N_DAYS:30") && told.contains("Account.Industry"),
        "{told}"
    );
    assert!(told.contains("Reconcile"), "{told}");
}

async fn rows_leave_and_enter_a_condition_in_one_pass(kind: Kind, name: &str) {
    let play = third(kind, name).await;
    let mut session = play.session().await;
    assert_eq!(good(&mut session).await[0].rows, 100);
    play.advance(30 * MINUTE);
    let ids = play.ids("Contact");
    play.update("Contact", &ids[0], &[("MailingCountry", "Austria")]);
    play.update("Contact", &ids[1], &[("MailingCountry", "Germany")]);
    play.update("Contact", &ids[3], &[("LastName", "Stays")]);
    play.update("Contact", &ids[4], &[("LastName", "Stays away")]);
    play.delete("Contact", &ids[6..8]);
    let runs = good(&mut session).await;
    assert_eq!((runs[0].rows_written, runs[0].rows_deleted, runs[0].rows), (2, 2, 99));
    play.assert_equal_where(&session, in_germany).await;
    // There and back again within one interval.
    play.update("Contact", &ids[9], &[("MailingCountry", "Austria")]);
    play.advance(MINUTE);
    play.update(
        "Contact",
        &ids[9],
        &[("MailingCountry", "Germany"), ("LastName", "Is back")],
    );
    good(&mut session).await;
    play.assert_equal_where(&session, in_germany).await;
    for _ in 0..2 {
        play.advance(30 * MINUTE);
        good(&mut session).await;
    }
    let runs = good(&mut session).await;
    assert_eq!(
        (runs[0].rows_read, runs[0].api_calls),
        (0, 1),
        "no changes are one call"
    );
}

/// The first call has the Ids of all changes, the second the rows that meet the condition.
async fn a_row_that_enters_between_two_calls_stays(kind: Kind, name: &str) {
    let play = third(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(30 * MINUTE);
    for id in [&ids[1], &ids[3], &ids[6]] {
        play.update("Contact", id, &[("LastName", "Changed")]);
    }
    play.hang("queryAll", "Contact", 1);
    let (report, ()) = tokio::join!(asked(&mut session, Incremental), async {
        play.hangs().await;
        play.advance(MINUTE);
        play.update("Contact", &ids[1], &[("MailingCountry", "Germany")]);
        play.update("Contact", &ids[3], &[("MailingCountry", "Austria")]);
        // Not among the Ids of the first call.
        play.update("Contact", &ids[2], &[("MailingCountry", "Germany")]);
        play.let_go();
    });
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(play.column("contact", "last_name", &ids[1]).await, "Changed");
    assert_eq!(play.column("contact", "last_name", &ids[3]).await, "-");
    good(&mut session).await;
    play.assert_equal_where(&session, in_germany).await;
}

async fn a_commit_25_minutes_late_changes_who_meets_it(kind: Kind, name: &str) {
    let play = third(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.advance(5 * MINUTE);
    let open = play.org().begin();
    open.update("Contact", &ids[0], &[("MailingCountry", "Austria")])
        .unwrap();
    open.update("Contact", &ids[1], &[("MailingCountry", "Germany")])
        .unwrap();
    play.advance(25 * MINUTE);
    good(&mut session).await;
    open.commit().unwrap();
    play.advance(5 * MINUTE);
    good(&mut session).await;
    assert_ne!(
        play.column("contact", "last_name", &ids[0]).await,
        "-",
        "the overlap does not reach so far"
    );
    play.org().hard_delete("Contact", &ids[3]).unwrap();
    play.advance(5 * MINUTE);
    good_kind(&mut session, Verify).await;
    play.assert_equal_where(&session, in_germany).await;
}

async fn a_changed_where_reconciles_at_once(kind: Kind, name: &str) {
    let mut play = third(kind, name).await;
    play.consistency["maxDeletePercent"] = json!(100);
    let mut session = play.session().await;
    good(&mut session).await;
    let ids = play.ids("Contact");
    play.objects[0]["where"] = json!("MailingCountry IN ('Germany', 'Austria')");
    session = play.session().await;
    let runs = good(&mut session).await;
    assert_eq!(kinds(&runs), [Incremental, Reconcile]);
    assert_eq!(
        (runs[0].changing, runs[1].changing, runs[1].rows),
        (Some(Reconcile), None, 300)
    );
    play.assert_equal(&session).await;

    // Columns too: a Refresh does both.
    play.objects[0]["where"] = json!("MailingCountry = 'Austria'");
    play.objects[0]["fields"] = json!([{"source": "Department", "column": "division"}]);
    session = play.session().await;
    let runs = good(&mut session).await;
    assert_eq!(kinds(&runs), [Incremental, Refresh, Incremental, Verify]);
    let last = runs.last().unwrap();
    assert_eq!((last.changing, last.rows), (None, 200));
    assert_eq!(play.column("contact", "last_name", &ids[0]).await, "-");
    play.assert_equal_where(&session, |object, row| !in_germany(object, row))
        .await;

    // And none at all.
    play.objects[0].as_object_mut().unwrap().remove("where");
    session = play.session().await;
    assert_eq!(kinds(&good(&mut session).await), [Incremental, Reconcile]);
    play.assert_equal(&session).await;
    assert_eq!(kinds(&good(&mut session).await), [Incremental]);
}

async fn a_converted_lead_leaves(kind: Kind, name: &str) {
    let config = Config {
        leads: 200,
        converted_leads: 30,
        ..empty_org()
    };
    let objects = json!([{"name": "Lead"}, {"name": "Contact"}]);
    let play = Play::new(kind, name, config, objects).await;
    let is_open = |object: &str, row: &Row| object != "Lead" || row.fields["IsConverted"].as_deref() != Some("true");
    let mut session = play.session().await;
    assert_eq!(good(&mut session).await[0].rows, 170);
    play.assert_equal_where(&session, is_open).await;
    play.advance(30 * MINUTE);
    let open = play.org().rows("Lead").unwrap().filter(|row| is_open("Lead", row));
    let ids: Vec<String> = open.map(|row| row.id).collect();
    let converted = play.org().convert_lead(&ids[5]).unwrap();
    play.update("Lead", &ids[6], &[("LastName", "Stays")]);
    // Found by Verify, since it is committed late.
    let late = play.org().begin();
    late.convert_lead(&ids[7]).unwrap();
    good(&mut session).await;
    assert_eq!(play.column("lead", "surname", &ids[5]).await, "-");
    assert_ne!(
        play.column("contact", "surname", &converted.contact).await,
        "-",
        "the person is a contact now"
    );
    play.advance(25 * MINUTE);
    good(&mut session).await;
    late.commit().unwrap();
    play.advance(5 * MINUTE);
    good_kind(&mut session, Verify).await;
    play.assert_equal_where(&session, is_open).await;
}

async fn a_user_who_is_deactivated_leaves_and_comes_back(kind: Kind, name: &str) {
    let config = Config {
        users: 60,
        inactive_users: 7,
        technical_users: 5,
        ..empty_org()
    };
    let play = Play::new(kind, name, config, json!([{"name": "User"}])).await;
    let is_here = |_: &str, row: &Row| {
        row.fields["IsActive"].as_deref() == Some("true") && row.fields["UserType"].as_deref() == Some("Standard")
    };
    let mut session = play.session().await;
    good(&mut session).await;
    play.assert_equal_where(&session, is_here).await;
    let here = play.org().rows("User").unwrap().filter(|row| is_here("User", row));
    let ids: Vec<String> = here.map(|row| row.id).collect();
    play.advance(30 * MINUTE);
    play.update("User", &ids[20], &[("IsActive", "false")]);
    good(&mut session).await;
    assert_eq!(play.column("user", "surname", &ids[20]).await, "-");
    play.assert_equal_where(&session, is_here).await;
    play.advance(30 * MINUTE);
    play.update("User", &ids[20], &[("IsActive", "true"), ("LastName", "Rückkehr")]);
    good(&mut session).await;
    assert_eq!(play.column("user", "surname", &ids[20]).await, "Rückkehr");
    play.assert_equal_where(&session, is_here).await;
    good_kind(&mut session, Reconcile).await;
    play.assert_equal_where(&session, is_here).await;
}

async fn person_accounts_arrive_once(kind: Kind, name: &str) {
    let config = Config {
        contacts: 80,
        accounts: 30,
        persons: 20,
        person_accounts: PersonAccounts::Enabled,
        ..empty_org()
    };
    let mut play = Play::new(kind, name, config, json!([{"name": "Contact"}, {"name": "Account"}])).await;
    let is_business =
        |object: &str, row: &Row| object != "Account" || row.fields["IsPersonAccount"].as_deref() != Some("true");
    let mut session = play.session().await;
    let runs = good(&mut session).await;
    assert_eq!((kinds_of(&runs, "Account"), runs[1].rows), (vec![Initial], 30));
    play.assert_equal_where(&session, is_business).await;
    play.advance(30 * MINUTE);
    let person = play
        .org()
        .create_person(&[("LastName", "Privat"), ("FirstName", "Paula")])
        .unwrap();
    let business = play.create("Account", &[("Name", "Geschäft GmbH")]);
    good(&mut session).await;
    assert_eq!(play.column("contact", "surname", &person.contact).await, "Privat");
    assert_eq!(play.column("account", "display_name", &person.account).await, "-");
    assert_ne!(play.column("account", "display_name", &business).await, "-");
    // A change of one of the two reaches the row.
    play.update("Account", &person.account, &[("LastName", "Neu")]);
    good(&mut session).await;
    assert_eq!(play.column("contact", "surname", &person.contact).await, "Neu");
    play.assert_equal_where(&session, is_business).await;

    // Without contacts the person is in the table of accounts.
    play.objects = json!([{"name": "Account"}]);
    play.advance(HOUR);
    session = play.session().await;
    good(&mut session).await;
    play.assert_equal(&session).await;
    let names: BTreeSet<String> = session
        .retired_tables()
        .iter()
        .map(|retired| retired.table.clone())
        .collect();
    assert_eq!(names, BTreeSet::from(["contact".to_owned()]));
}
