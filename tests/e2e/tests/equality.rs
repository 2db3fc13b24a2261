//! Is the replica what the org is, row by row and value by value, whatever happened in between?

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    binary, condition,
    replica::{Replica, Since},
    scramble::{self, Scramble},
    stage::{Kind, Stage, empty_org},
};
use jiff::SignedDuration;
use serde_json::Value;
use simulator::{Config, CursorRows, Rule, What};

/// Rounds of changes and runs.
const ROUNDS: u32 = 10;

/// Changes at random delete more than the guard lets through.
const UNGUARDED: &str = "  consistency: {maxDeletePercent: 100}";

/// Between two looks at the counters of an org.
const LOOK: Duration = Duration::from_millis(2);

/// Every field of every object by Mirror, in all three delete modes.
const MIRRORED: [&str; 8] = [
    "{name: Specimen__c, deletes: Mark}",
    "{name: Contact, mapping: Mirror, deletes: Mark, fields: [{source: Account.Name, column: account_name}]}",
    "{name: Account, mapping: Mirror, fields: [{source: Parent.Name, column: parent_name}]}",
    "{name: Lead, mapping: Mirror, deletes: Ignore}",
    "{name: User, mapping: Mirror}",
    "{name: Opportunity, deletes: Mark}",
    "{name: Task}",
    "{name: Case, deletes: Ignore}",
];

/// The telephone directory with URLs of our own.
const DIRECTORY: [&str; 4] = [
    "{name: Contact, urls: [{column: contact_url_3, template: 'https://phone.example/{LastName}?of={Account.Name}'}], exclude: [HomePhone]}",
    "{name: Account, deletes: Mark, urls: [{column: search, template: 'https://phone.example/{Name}/{Phone}'}]}",
    "{name: Lead}",
    "{name: User}",
];

#[tokio::test]
async fn postgres_mirrors_all_types_through_random_changes() {
    Box::pin(series(Kind::Postgres, "mirror", &MIRRORED)).await;
}

#[tokio::test]
async fn sqlite_mirrors_all_types_through_random_changes() {
    Box::pin(series(Kind::Sqlite, "mirror", &MIRRORED)).await;
}

#[tokio::test]
async fn postgres_keeps_a_directory_through_random_changes() {
    Box::pin(series(Kind::Postgres, "directory", &DIRECTORY)).await;
}

#[tokio::test]
async fn sqlite_keeps_a_directory_through_random_changes() {
    Box::pin(series(Kind::Sqlite, "directory", &DIRECTORY)).await;
}

#[tokio::test]
async fn postgres_gets_every_row_of_a_second_that_ends_in_the_middle_of_a_page() {
    Box::pin(ties(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_gets_every_row_of_a_second_that_ends_in_the_middle_of_a_page() {
    Box::pin(ties(Kind::Sqlite)).await;
}

#[tokio::test]
async fn postgres_follows_deletes_and_undeletes_as_the_mode_says() {
    Box::pin(deletes(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_follows_deletes_and_undeletes_as_the_mode_says() {
    Box::pin(deletes(Kind::Sqlite)).await;
}

#[tokio::test]
async fn postgres_marks_a_record_that_is_deleted_twice_by_its_first_deletion() {
    Box::pin(deleted_twice(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_marks_a_record_that_is_deleted_twice_by_its_first_deletion() {
    Box::pin(deleted_twice(Kind::Sqlite)).await;
}

#[tokio::test]
async fn postgres_gets_what_is_committed_late_within_the_overlap() {
    Box::pin(late_commits(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_gets_what_is_committed_late_within_the_overlap() {
    Box::pin(late_commits(Kind::Sqlite)).await;
}

/// Initial, then rounds of random changes, each with a run and a comparison of everything.
async fn series(kind: Kind, name: &str, objects: &[&str]) {
    let seed = scramble::seed();
    println!("SFR_TEST_SEED={seed} makes the same changes again");
    let config = Config {
        seed: seed >> 1,
        contacts: 250,
        accounts: 60,
        leads: 60,
        opportunities: 40,
        tasks: 60,
        cases: 30,
        users: 8,
        inactive_users: 2,
        technical_users: 1,
        converted_leads: 7,
        specimens: 450,
        ..Config::default()
    };
    let mut stage = Stage::new(kind, name, config, objects).await;
    stage.resource.more = UNGUARDED.into();
    let plan = stage.command(&["plan", "-o", "json"]).await.exits(0).json();
    let changed: Vec<&str> = plan["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["object"].as_str().unwrap())
        .collect();
    let mut replica = Replica::new(&plan, &stage.org.schema(), stage.database());
    for object in plan["objects"].as_array().unwrap() {
        let name = object["object"].as_str().unwrap();
        // A Mirror has every record; a Directory leaves out who is not to be called.
        if object["condition"].is_string() {
            replica.restrict(name, condition::implied(name).unwrap());
        }
    }
    let mut scramble = Scramble::new(&stage.org, seed, &changed);
    scramble.work(100);
    stage.once().await;
    replica.check(&stage.org, Since::Rest).await;
    for round in 0..ROUNDS {
        scramble.vary_settings();
        // The oldest version that the client speaks, and three that orgs are left on.
        stage.resource.api_version = ["66.0", "58.0", "41.0", "64.0"][usize::try_from(round).unwrap() % 4].into();
        scramble.pass_time();
        scramble.work(40);
        let since = if round % 3 == 2 {
            change_while_it_runs(&stage, &mut scramble).await;
            Since::Unrest
        } else {
            Since::Rest
        };
        let report = stage.once().await;
        for object in &changed {
            let kinds = runs(&report)
                .filter(|run| run["object"] == *object)
                .map(|run| &run["kind"]);
            let kinds: Vec<&Value> = kinds.collect();
            // Hours pass between two rounds: Verify is due in some of them.
            assert!(kinds[0] == "Incremental", "{report:#}");
            assert!(kinds[1..].iter().all(|kind| *kind == "Verify"), "{report:#}");
        }
        println!("round {round}, {since:?}");
        replica.check(&stage.org, since).await;
        scramble.after_run();
    }
    let (made, refused) = scramble.counts();
    assert!(
        made > 3 * refused,
        "the org refused too much: {refused} changes, {made} were made"
    );
}

/// A run that reads while rows change.
async fn change_while_it_runs(stage: &Stage, scramble: &mut Scramble) {
    let queries = || stage.org.counters().of("queryAll") + stage.org.counters().of("queryMore");
    // Changes before the first query would be read by it: some follow each page.
    let mut seen = queries();
    let child = stage.start(&["run", "--once"]);
    let ended = binary::ended(child);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            outcome = &mut ended => {
                drop(outcome.exits(0));
                break;
            }
            () = tokio::time::sleep(LOOK) => {
                let now = queries();
                if now > seen {
                    seen = now;
                    scramble.work(5);
                }
            }
        }
    }
    scramble.after_run();
}

/// 5 300 rows in one second: a page ends in the middle of it, twice, and the query dies there.
async fn ties(kind: Kind) {
    let objects = [
        "{name: Contact, mapping: None, fields: [{source: LastName, column: last_name}, {source: Email, column: email}]}",
    ];
    let config = Config {
        contacts: 300,
        accounts: 5,
        ..empty_org()
    };
    let mut stage = Stage::new(kind, "ties", config, &objects).await;
    stage.resource.more = UNGUARDED.into();
    let plan = stage.command(&["plan", "-o", "json"]).await.exits(0).json();
    let mut replica = Replica::new(&plan, &stage.org.schema(), stage.database());
    let org = &stage.org;
    stage.once().await;
    replica.check(org, Since::Rest).await;

    let named = |name: &'static str| move |row: u64| vec![("LastName".to_owned(), format!("{name} {row}"))];
    let made = org.create_many("Contact", 5_300, named("Tie")).unwrap();
    org.reset_calls();
    stage.once().await;
    assert_eq!(
        org.counters().of_object("queryMore", "Contact"),
        2,
        "pages end within the second"
    );
    replica.check(org, Since::Rest).await;

    // Two seconds, one behind the other in the order of stamps and mixed in the order of Ids; and a dead locator between
    // two pages, so that another query goes on within a second. Once while the rows are young, once when they are old.
    for (passed, rows) in [
        (0, CursorRows::Live),
        (7_200, CursorRows::AsOfQuery),
        (7_200, CursorRows::Live),
    ] {
        org.hold_clock(true);
        for (row, id) in made.iter().enumerate().filter(|(row, _)| row % 3 != 0) {
            org.update("Contact", id, &[("LastName", &format!("first {passed} {row}"))])
                .unwrap();
        }
        org.advance_clock(SignedDuration::from_secs(1));
        for (row, id) in made.iter().enumerate().filter(|(row, _)| row % 3 == 0) {
            org.update("Contact", id, &[("LastName", &format!("second {passed} {row}"))])
                .unwrap();
        }
        org.hold_clock(false);
        org.advance_clock(SignedDuration::from_secs(passed));
        org.change_settings(|settings| settings.cursor_rows = rows);
        org.add_rule(Rule::at("queryMore", What::dead_locator()));
        org.add_rule(Rule::at("queryMore", What::CutBody { at: 3_000 }).after(1));
        org.reset_calls();
        stage.once().await;
        replica.check(org, Since::Rest).await;
        assert!(org.rules().is_empty(), "both faults came: {:?}", org.rules());
        let again = org
            .calls(100)
            .into_iter()
            .filter_map(|call| call.soql)
            .filter(|soql| soql.contains("Id >"));
        assert!(again.count() >= 2, "other queries went on behind the last row");
    }

    // Half of a second goes, half of the deletes come back within the same second.
    org.hold_clock(true);
    for id in made.iter().step_by(2) {
        org.delete("Contact", id).unwrap();
    }
    for id in made.iter().step_by(4) {
        org.undelete("Contact", id).unwrap();
    }
    org.hold_clock(false);
    stage.once().await;
    replica.check(org, Since::Rest).await;
    assert_eq!(
        stage
            .database()
            .number(&format!("SELECT count(*) FROM {}", stage.database().table("contact")))
            .await,
        300 + 3_975
    );
}

/// Delete and undelete in each mode, told by hand.
async fn deletes(kind: Kind) {
    let objects = [
        "{name: Contact, mapping: None, fields: [{source: LastName, column: name}], deletes: Mark}",
        "{name: Lead, mapping: None, fields: [{source: LastName, column: name}], deletes: Ignore}",
        "{name: Account, mapping: None, fields: [{source: Name, column: name}], deletes: Remove}",
    ];
    let config = Config {
        contacts: 10,
        accounts: 10,
        leads: 10,
        ..empty_org()
    };
    let stage = Stage::new(kind, "deletes", config, &objects).await;
    let (org, database) = (&stage.org, stage.database());
    stage.once().await;
    let ids = BTreeMap::from(["Contact", "Lead", "Account"].map(|object| {
        let values: &[(&str, &str)] = if object == "Account" {
            &[("Name", "Alt")]
        } else {
            &[("LastName", "Alt"), ("Company", "x")]
        };
        let values = if object == "Contact" { &values[..1] } else { values };
        (object, org.create(object, values).unwrap())
    }));
    let row = async |object: &str, columns: &str| {
        let statement = format!(
            "SELECT {columns} FROM {} WHERE salesforce_id = '{}'",
            database.table(&object.to_lowercase()),
            ids[object]
        );
        database.query(&statement).await.pop()
    };
    let name = |text: &str| Some(vec![Some(text.to_owned())]);
    let marked = |flag: bool, set: bool| {
        let (yes, no) = if kind == Kind::Postgres { ("t", "f") } else { ("1", "0") };
        let word = |flag| Some(if flag { yes } else { no }.to_owned());
        Some(vec![Some("Alt".to_owned()), word(flag), word(set)])
    };
    let marks = "name, is_deleted, deleted_at IS NOT NULL AND deleted_at = system_modstamp";
    stage.once().await;
    assert_eq!(
        row("Contact", "name, is_deleted, deleted_at IS NOT NULL").await,
        marked(false, false)
    );

    for (object, id) in &ids {
        org.delete(object, id).unwrap();
    }
    stage.once().await;
    assert_eq!(row("Contact", marks).await, marked(true, true));
    assert_eq!(row("Lead", "name").await, name("Alt"));
    assert_eq!(row("Account", "name").await, None);

    // What is deleted stays so in runs that read it again and in runs that do not.
    stage.once().await;
    org.advance_clock(SignedDuration::from_hours(3));
    stage.once().await;
    assert_eq!(row("Contact", marks).await, marked(true, true));
    assert_eq!(row("Account", "name").await, None);

    for (object, id) in &ids {
        org.undelete(object, id).unwrap();
    }
    stage.once().await;
    assert_eq!(
        row("Contact", "name, is_deleted, deleted_at IS NOT NULL").await,
        marked(false, false)
    );
    assert_eq!(row("Lead", "name").await, name("Alt"));
    assert_eq!(row("Account", "name").await, name("Alt"));

    for (object, id) in &ids {
        let field = if *object == "Account" { "Name" } else { "LastName" };
        org.update(object, id, &[(field, "Neu")]).unwrap();
    }
    stage.once().await;
    for object in ids.keys() {
        assert_eq!(row(object, "name").await, name("Neu"), "{object}");
    }
}

/// A row that is marked is not marked again, and the expectation knows that a run may have seen the first deletion only.
async fn deleted_twice(kind: Kind) {
    let objects = ["{name: Contact, mapping: None, fields: [{source: LastName, column: name}], deletes: Mark}"];
    let config = Config {
        contacts: 5,
        accounts: 1,
        ..empty_org()
    };
    let mut stage = Stage::new(kind, "twice", config, &objects).await;
    stage.resource.more = UNGUARDED.into();
    let plan = stage.command(&["plan", "-o", "json"]).await.exits(0).json();
    let mut replica = Replica::new(&plan, &stage.org.schema(), stage.database());
    let org = &stage.org;
    stage.once().await;
    replica.check(org, Since::Rest).await;

    let id = org.id("Contact", 1).unwrap();
    let deleted_at = format!(
        "SELECT deleted_at FROM {} WHERE salesforce_id = '{id}' AND deleted_at = system_modstamp",
        stage.database().table("contact")
    );
    org.advance_clock(SignedDuration::from_mins(1));
    org.delete("Contact", &id).unwrap();
    stage.once().await;
    let first = stage.database().query(&deleted_at).await;
    assert_eq!(first.len(), 1);
    org.advance_clock(SignedDuration::from_mins(1));
    org.undelete("Contact", &id).unwrap();
    org.delete("Contact", &id).unwrap();
    stage.once().await;
    assert_eq!(stage.database().query(&deleted_at).await, first);
    replica.check(org, Since::Unrest).await;
}

/// Transactions that were open while runs went by, up to the overlap.
async fn late_commits(kind: Kind) {
    let objects = ["{name: Contact, mapping: None, fields: [{source: LastName, column: last_name}]}"];
    let config = Config {
        contacts: 20,
        accounts: 5,
        ..empty_org()
    };
    let stage = Stage::new(kind, "late", config, &objects).await;
    let plan = stage.command(&["plan", "-o", "json"]).await.exits(0).json();
    let mut replica = Replica::new(&plan, &stage.org.schema(), stage.database());
    let org = &stage.org;
    stage.once().await;
    replica.check(org, Since::Rest).await;

    // Nothing that was read before may hide it: the overlap alone does it.
    org.advance_clock(SignedDuration::from_hours(2));
    let transaction = org.begin();
    let made = transaction.create("Contact", &[("LastName", "Late")]).unwrap();
    transaction
        .update("Contact", &org.id("Contact", 1).unwrap(), &[("LastName", "Late too")])
        .unwrap();
    transaction.delete("Contact", &org.id("Contact", 2).unwrap()).unwrap();
    // The watermark moves past the transaction's stamps, and is written with a row.
    org.advance_clock(SignedDuration::from_mins(8));
    org.update("Contact", &org.id("Contact", 3).unwrap(), &[("LastName", "Young")])
        .unwrap();
    stage.once().await;
    replica.check(org, Since::Rest).await;
    let watermark = format!(
        "SELECT watermark FROM {} WHERE object = 'Contact'",
        stage.database().table("_replication_state")
    );
    let watermark = stage.database().query(&watermark).await.pop().unwrap().pop().unwrap();
    transaction.commit().unwrap();
    let stamp = org.row("Contact", &made).unwrap().unwrap().fields["SystemModstamp"].clone();
    assert!(
        watermark.unwrap().replace(' ', "T") > stamp.unwrap(),
        "the watermark is past the late row"
    );
    org.advance_clock(SignedDuration::from_mins(45));
    stage.once().await;
    replica.check(org, Since::Rest).await;
}

fn runs(report: &Value) -> impl Iterator<Item = &Value> {
    report["runs"].as_array().unwrap().iter()
}

/// directory.md 5.5, as it is for an org without Person Accounts.
const CONTACT: [(&str, &str); 26] = [
    ("salesforce_id", "Id"),
    ("system_modstamp", "SystemModstamp"),
    ("display_name", "Name"),
    ("given_name", "FirstName"),
    ("surname", "LastName"),
    ("salutation", "Salutation"),
    ("job_title", "Title"),
    ("department", "Department"),
    ("company", "Account.Name"),
    ("company_id", "AccountId"),
    ("street", "MailingStreet"),
    ("postal_code", "MailingPostalCode"),
    ("city", "MailingCity"),
    ("state", "MailingState"),
    ("country", "MailingCountry"),
    ("phone_business", "Phone"),
    ("phone_company", "Account.Phone"),
    ("phone_mobile", "MobilePhone"),
    ("phone_home", "HomePhone"),
    ("phone_other", "OtherPhone"),
    ("phone_assistant", "AssistantPhone"),
    ("fax", "Fax"),
    ("email", "Email"),
    ("website", "Account.Website"),
    ("do_not_call", "DoNotCall"),
    ("owner_id", "OwnerId"),
];

/// Likewise.
const ACCOUNT: [(&str, &str); 14] = [
    ("salesforce_id", "Id"),
    ("system_modstamp", "SystemModstamp"),
    ("display_name", "Name"),
    ("company", "Name"),
    ("company_id", "Id"),
    ("street", "BillingStreet"),
    ("postal_code", "BillingPostalCode"),
    ("city", "BillingCity"),
    ("state", "BillingState"),
    ("country", "BillingCountry"),
    ("phone_company", "Phone"),
    ("fax", "Fax"),
    ("website", "Website"),
    ("owner_id", "OwnerId"),
];

/// The comparison takes from `plan` which field a column holds; what `plan` should say stands here.
#[tokio::test]
async fn a_directory_has_the_columns_that_its_table_says() {
    let config = Config {
        contacts: 20,
        accounts: 10,
        ..empty_org()
    };
    let stage = Stage::new(Kind::Sqlite, "columns", config, &["{name: Contact}", "{name: Account}"]).await;
    let plan = stage.command(&["plan", "-o", "json"]).await.exits(0).json();
    for (object, fields, record) in [(0, CONTACT.as_slice(), "Contact"), (1, ACCOUNT.as_slice(), "Account")] {
        let columns = plan["objects"][object]["columns"].as_array().unwrap().iter();
        let mut found: BTreeMap<&str, &str> = columns
            .filter_map(|column| Some((column["name"].as_str()?, column["source"].as_str()?)))
            .collect();
        let url = found.remove("contact_url_1").unwrap();
        assert!(url.ends_with(&format!("/lightning/r/{record}/{{Id}}/view")), "{url}");
        let company = found.remove("contact_url_2");
        assert_eq!(
            company.map(|url| url.ends_with("/lightning/r/Account/{AccountId}/view")),
            (object == 0).then_some(true)
        );
        assert_eq!(found, fields.iter().copied().collect());
    }
}
