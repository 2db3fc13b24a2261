//! Several objects, several processes, and what a tick refuses.

use std::{collections::BTreeSet, time::Duration};

use replication::{
    Error,
    connect::Session,
    progress::{Event, RunKind, RunReport},
    replicator::TickRequest,
};
use salesforce::ErrorKind;
use serde_json::json;
use simulator::{
    Config, Rule, What,
    schema::{Field, FieldType},
};
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_tick, only, query, tick};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_fails_does_not_stop_the_others() {
    let bench = Bench::start(
        Config {
            contacts: 250,
            ..Config::default()
        },
        json!([{"name": "Contact"}, {"name": "Account"}, {"name": "Lead"}]),
    )
    .await;
    let mut session = bench.session().await;
    bench.add_rule(
        Rule::at("queryAll", What::fault("INSUFFICIENT_ACCESS", "no"))
            .of("Account")
            .forever(),
    );
    let report = tick(&mut session).await;
    assert!(!report.succeeded());
    let failed: Vec<_> = report
        .runs
        .iter()
        .filter(|run| run.error.is_some())
        .map(|run| run.object.as_str())
        .collect();
    assert_eq!(failed, ["Account"]);
    assert_eq!(
        query(&bench.file(), "SELECT object, phase FROM _replication_state ORDER BY 1"),
        [["Account", "Initial"], ["Contact", "Live"], ["Lead", "Live"]]
    );
    bench.control().clear_rules();
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_vanishes_does_not_stop_the_run_that_finds_it_gone() {
    let config = Config {
        contacts: 250,
        ..Config::default()
    };
    let objects = json!([{"name": "Contact", "mapping": "Mirror"}, {"name": "Account"}]);
    let bench = Bench::start(config, objects).await;
    let mut session = bench.session().await;
    let user = "admin@example.com";
    bench.control().withdraw(user, "Contact", Some("Email")).unwrap();
    let has_email = |session: &Session| {
        session.plan().objects[0]
            .columns
            .iter()
            .any(|column| column.name.as_str() == "email")
    };
    assert!(has_email(&session));
    bench.control().reset_calls();
    // The run that finds it gone goes on without it, in the same tick.
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].object.as_str(), runs[0].rows), ("Contact", 250));
    assert!(!has_email(&session));
    let described = || bench.control().counters().of("describeGlobal");
    assert_eq!((bench.control().counters().of("login"), described()), (0, 1));
    // What the org does not lack by a fresh describe fails as before, and is asked for once in a tick.
    bench.add_rule(
        Rule::at(
            "queryAll",
            What::fault("INVALID_FIELD", "No such column 'Nix' on entity 'Contact'"),
        )
        .of("Contact")
        .forever(),
    );
    let report = tick(&mut session).await;
    let error = report.runs[0].error.as_ref().unwrap();
    assert_eq!((error.reason, described()), ("InvalidField", 2));
    bench.control().clear_rules();
    bench.control().grant(user, "Contact", Some("Email")).unwrap();
    session.replan(&bench.spec()).await.unwrap();
    assert_eq!(good_tick(&mut session).await[0].rows, 250);
    bench.assert_equal(&session);

    // A resource that cannot be planned leaves the session as it is.
    let mut spec = bench.spec();
    spec.parallelism = 0;
    assert!(matches!(session.replan(&spec).await, Err(Error::Plan(_))));
    good_tick(&mut session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_cannot_begin_is_no_failure_of_an_object_that_was_not_due() {
    let config = Config {
        contacts: 250,
        ..Config::default()
    };
    let bench = Bench::start(config, json!([{"name": "Contact"}, {"name": "Account"}])).await;
    let mut session = bench.session().await;
    bench.add_rule(
        Rule::at("queryAll", What::fault("INSUFFICIENT_ACCESS", "no"))
            .of("Contact")
            .forever(),
    );
    tick(&mut session).await;
    bench.advance(Duration::from_mins(30));
    bench.remove_file();
    let cancel = CancellationToken::new();
    session.tick(&only(&["Account"]), &cancel).await;
    // Contact has waited for its hour, Account for half of it.
    bench.advance(Duration::from_mins(31));
    std::fs::write(
        bench.file(),
        "this is no database, and long enough to be none".repeat(50),
    )
    .unwrap();
    let due = TickRequest {
        only_due: true,
        ..TickRequest::default()
    };
    assert!(session.tick(&due, &cancel).await.error.is_some());
    let failures = |session: &Session| {
        let plans = &session.plan().objects;
        [0, 1].map(|n| session.schedule().failures(&plans[n].object))
    };
    assert_eq!(failures(&session), [2, 1]);
    // A name that is misspelt is nobody's failure.
    assert!(session.tick(&only(&["Kontakt"]), &cancel).await.error.is_some());
    assert_eq!(failures(&session), [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failed_run_and_nothing_more() {
    let bench = Bench::start(
        Config {
            contacts: 250,
            ..Config::default()
        },
        json!([{"name": "Contact"}, {"name": "Account"}]),
    )
    .await;
    let mut session = bench.session().await;
    bench.recorder.at_each(|object, event| {
        assert!(
            object != "Account" || !matches!(event, Event::Read(_)),
            "a defect, for the test"
        );
    });
    let report = tick(&mut session).await;
    let [contact, account] = &report.runs[..] else {
        panic!("{report:#?}")
    };
    assert!(contact.error.is_none());
    let error = account.error.as_ref().unwrap();
    assert_eq!((error.kind, error.reason), (ErrorKind::Fatal, "RunPanicked"));
    assert!(error.message.contains("Account"), "{}", error.message);
    bench.recorder.ignore();
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_share_a_small_budget_and_one_writer() {
    let mut bench = Bench::start(
        Config { contacts: 2_000, accounts: 1_000, leads: 1_000, ..Config::default() },
        json!([{"name": "Contact"}, {"name": "Account"}, {"name": "Lead"}, {"name": "Opportunity"}, {"name": "Case"}, {"name": "User"}]),
    )
    .await;
    bench.budget = replication::budget::ByteBudget::new(0);
    bench.parallelism = 6;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_runs() {
    let bench = Bench::start(
        Config {
            contacts: 250,
            ..Config::default()
        },
        json!([{"name": "Contact"}, {"name": "Account"}]),
    )
    .await;
    let mut session = bench.session().await;
    let cancel = CancellationToken::new();
    let report = session.tick(&only(&["ACCOUNT"]), &cancel).await;
    assert_eq!(
        report
            .runs
            .iter()
            .map(|run| (run.object.as_str(), run.kind))
            .collect::<Vec<_>>(),
        [("Account", RunKind::Initial)]
    );

    // An object without state starts with Initial whatever is asked; one that is complete has nothing to do there.
    let incremental = TickRequest {
        kind: Some(RunKind::Incremental),
        ..TickRequest::default()
    };
    let report = session.tick(&incremental, &cancel).await;
    assert_eq!(
        report.runs.iter().map(|run| run.kind).collect::<Vec<_>>(),
        [RunKind::Initial, RunKind::Incremental]
    );
    let initial = TickRequest {
        kind: Some(RunKind::Initial),
        ..TickRequest::default()
    };
    let report = session.tick(&initial, &cancel).await;
    assert!(report.succeeded() && report.runs.is_empty());

    for kind in [RunKind::Verify, RunKind::Reconcile, RunKind::Refresh] {
        let request = TickRequest {
            kind: Some(kind),
            ..only(&["Account"])
        };
        let report = session.tick(&request, &cancel).await;
        assert_eq!(report.runs.first().map(|run| run.kind), Some(kind), "{report:#?}");
    }
    let calls = bench.counted();
    let report = session.tick(&only(&["Kontakt"]), &cancel).await;
    assert!(report.error.unwrap().message.contains("Kontakt"));
    assert_eq!(bench.counted(), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_forgotten_when_another_process_has_written() {
    let bench = Bench::start(
        Config {
            contacts: 250,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await;
    let mut first = bench.session().await;
    good_tick(&mut first).await;
    let epoch = || {
        let rows = query(&bench.file(), "SELECT epoch FROM _replication_state");
        rows[0][0].parse::<i64>().unwrap()
    };
    let began = epoch();
    let id = bench.ids("Contact")[3].clone();
    for round in 0..3 {
        bench.advance(Duration::from_mins(20));
        bench.update("Contact", &id, &[("LastName", &format!("Round {round}"))]);
        let mut second = bench.session().await;
        good_tick(&mut second).await;
        bench.advance(Duration::from_mins(20));
        bench.update("Contact", &id, &[("LastName", &format!("Round {round}, later"))]);
        good_tick(&mut first).await;
        bench.assert_equal(&first);
    }
    assert_eq!(epoch() - began, 6, "one claim for each process that wrote");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_put_back_is_read_on_from_what_it_says() {
    let bench = Bench::start(Config::default(), json!([{"name": "Contact"}])).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let id = bench.ids("Contact")[3].clone();
    let backup = |sql: &str| query(&bench.file(), sql).remove(0);
    let state = backup("SELECT epoch, watermark FROM _replication_state");
    let row = backup(&format!(
        "SELECT surname, system_modstamp FROM contact WHERE salesforce_id = '{id}'"
    ));
    bench.advance(Duration::from_mins(30));
    bench.update("Contact", &id, &[("LastName", "After the backup")]);
    good_tick(&mut session).await;
    bench.advance(Duration::from_mins(30));
    good_tick(&mut session).await;

    // As a backup has it: the row, and the state that goes with it.
    let connection = rusqlite::Connection::open(bench.file()).unwrap();
    connection
        .execute(
            "UPDATE contact SET surname = ?, system_modstamp = ? WHERE salesforce_id = ?",
            [&row[0], &row[1], &id],
        )
        .unwrap();
    connection
        .execute(
            "UPDATE _replication_state SET epoch = ?, watermark = ?",
            [&state[0], &state[1]],
        )
        .unwrap();
    drop(connection);
    assert_ne!(bench.column("contact", "surname", &id), "After the backup");
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_rows_and_writes_nothing() {
    let objects = json!([{"name": "Contact", "urls": [{"column": "contact_url_1", "template": "{instanceUrl}/{Id}"}]}]);
    let bench = Bench::start(
        Config {
            contacts: 250,
            ..Config::default()
        },
        objects,
    )
    .await;
    let session = bench.session().await;
    let preview = session.preview("contact", 3).await.unwrap();
    assert_eq!(preview.rows.len(), 3);
    let url = preview
        .columns
        .iter()
        .position(|column| column == "contact_url_1")
        .unwrap();
    let id = preview.rows[0].raw[0].clone().unwrap();
    assert!(preview.rows[0].mapped[url].as_ref().unwrap().ends_with(&id));
    assert!(!bench.file().exists());
    assert!(matches!(session.preview("Kontakt", 3).await, Err(Error::Plan(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_resource_lacks_is_told_before_anything_runs() {
    let mut bench = Bench::start(
        Config {
            contacts: 250,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await;
    bench.secrets.0.remove("password");
    let error = bench.refused().await;
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Credentials, "KeyMissing"));
    assert!(
        error.message().contains("org") && error.message().contains("password"),
        "{error}"
    );

    bench.secrets.0.insert("password", "Tr0ub4dor".to_owned());
    let error = bench.refused().await;
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(
        !error.message().contains("Tr0ub4dor") && !error.message().contains("TOKEN123"),
        "{error}"
    );

    bench.secrets = super::fixture::TestSecrets::right();
    bench.objects =
        json!([{"name": "Contact", "fields": [{"source": "Emial", "column": "mail"}]}, {"name": "Kontakt__c"}]);
    let Error::Plan(problems) = bench.refused().await else {
        panic!("another error")
    };
    let all: BTreeSet<_> = problems.0.iter().cloned().collect();
    assert!(
        all.iter()
            .any(|problem| problem.contains("Emial") && problem.contains("Email")),
        "{all:?}"
    );
    assert!(all.iter().any(|problem| problem.contains("Kontakt__c")), "{all:?}");
    assert!(!bench.file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_cannot_be_made_again_is_told_with_each_run_until_one_can() {
    let config = Config {
        contacts: 250,
        ..Config::default()
    };
    let bench = Bench::start(config, json!([{"name": "Contact", "mapping": "Mirror"}])).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    // Two fields for one column.
    for name in ["Second_Name__c", "SecondName__c"] {
        let field = Field::new(name, FieldType::String).length(40);
        bench.control().add_field("Contact", field).unwrap();
    }
    bench.advance(Duration::from_hours(1));
    assert!(matches!(session.replan(&bench.spec()).await, Err(Error::Plan(_))));
    let outdated = |runs: &[RunReport]| -> Vec<String> {
        let degraded = runs.iter().flat_map(|run| &run.degraded);
        let outdated = degraded.filter(|degraded| degraded.reason == "PlanOutdated");
        outdated.map(|degraded| degraded.message.clone()).collect()
    };
    for _ in 0..2 {
        let told = outdated(&good_tick(&mut session).await);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("Contact: ") && told[0].contains("second_name__c"),
            "{told:?}"
        );
    }
    // What passes by itself is told by the runs that it fails.
    bench.add_rule(Rule::at("describeGlobal", What::html(503)).forever());
    session.replan(&bench.spec()).await.unwrap_err();
    bench.control().clear_rules();
    assert_eq!(
        outdated(&good_tick(&mut session).await).len(),
        1,
        "what was told stays told"
    );
    bench.control().remove_field("Contact", "SecondName__c").unwrap();
    session.replan(&bench.spec()).await.unwrap();
    assert_eq!(outdated(&good_tick(&mut session).await), Vec::<String>::new());
    bench.assert_equal(&session);
}
