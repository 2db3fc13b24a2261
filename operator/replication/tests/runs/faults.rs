//! What Salesforce and the network do to a run.

use std::time::Duration;

use replication::{
    progress::{Event, RunKind},
    replicator::TickReport,
    state::Phase,
};
use salesforce::ErrorKind;
use serde_json::json;
use simulator::{Config, CursorRows, Rule, What};
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_tick, only, query, tick};

const MINUTE: Duration = Duration::from_mins(1);

async fn contacts(rows: u64) -> Bench {
    Bench::start(
        Config {
            contacts: rows,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await
}

fn error_of(report: &TickReport) -> (ErrorKind, &'static str, &str) {
    let error = report
        .error
        .as_ref()
        .or_else(|| report.runs[0].error.as_ref())
        .expect("an error");
    (error.kind, error.reason, &error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expires_at_any_call_is_renewed_and_nothing_is_lost() {
    // 4 pages of Initial; then the only call of an Incremental.
    for call in 0..4 {
        let bench = contacts(700).await;
        let mut session = bench.session().await;
        bench.add_rule(Rule::at_any(What::EndSession).after(call));
        good_tick(&mut session).await;
        bench.assert_equal(&session);
        assert!(bench.control().rules().is_empty(), "call {call} was never made");
    }
    let bench = contacts(300).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    for _ in 0..3 {
        bench.advance(12 * MINUTE);
        let id = &bench.ids("Contact")[17];
        bench.update("Contact", id, &[("LastName", "After the session")]);
        bench.add_rule(Rule::at("queryAll", What::EndSession));
        assert_eq!(good_tick(&mut session).await[0].rows_written, 1);
        bench.assert_equal(&session);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_locator_in_mid_run_is_resumed_behind_the_last_row() {
    let bench = contacts(900).await;
    for (rule, after) in [
        (What::KillLocators, 1),
        (What::dead_locator(), 2),
        (What::dead_locator(), 0),
    ] {
        bench.add_rule(Rule::at("queryMore", rule).after(after));
    }
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert!(bench.control().rules().is_empty());
    assert_eq!((runs[0].rows, runs[0].rows_read), (900, 900), "nothing is read twice");
    bench.assert_equal(&session);
    let resumed = bench.control().calls(100).into_iter().filter_map(|call| call.soql);
    assert_eq!(resumed.filter(|soql| soql.contains("Id > '")).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn locators_that_always_die_cost_calls_and_no_rows() {
    let bench = contacts(1_500).await;
    bench.add_rule(Rule::at("queryMore", What::dead_locator()).forever());
    let mut session = bench.session().await;
    assert_eq!(good_tick(&mut session).await[0].rows_read, 1_500);
    bench.assert_equal(&session);
    bench.advance(60 * MINUTE);
    for id in bench.ids("Contact").iter().take(700) {
        bench.update("Contact", id, &[("LastName", "In one second, and young")]);
    }
    assert_eq!(good_tick(&mut session).await[0].rows_written, 700);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_can_never_be_read_ends_the_run_with_its_error() {
    let bench = contacts(500).await;
    let text = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope
        xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"
        xmlns:sf="urn:sobject.partner.soap.sforce.com"><soapenv:Body><queryAllResponse><result><done>true</done>
        <records><sf:type>Contact</sf:type><sf:Id>003</sf:LastName></records></result></queryAllResponse>
        </soapenv:Body></soapenv:Envelope>"#;
    bench.add_rule(Rule::at("queryAll", What::ReplaceBody { text: text.to_owned() }).forever());
    let mut session = bench.session().await;
    let report = tick(&mut session).await;
    let (kind, reason, _) = error_of(&report);
    assert_eq!((kind, reason), (ErrorKind::Transient, "UnreadableAnswer"));
    // What is covered of contacts and of accounts before it, the first query and five restarts.
    assert_eq!(report.runs[0].api_calls, 8, "{report:#?}");
    assert_eq!(bench.clock.slept().len(), 5);
    bench.control().clear_rules();
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_before_its_page_is_sent_does_not_hide_the_rows_before_it() {
    // Later pages show values of the moment: rows come in their old places, with stamps that are far ahead.
    let bench = contacts(2_000).await;
    bench
        .control()
        .change_settings(|settings| settings.cursor_rows = CursorRows::Live);
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.advance(24 * 60 * MINUTE);
    let ids = bench.ids("Contact");
    for (n, id) in ids.iter().enumerate() {
        bench
            .control()
            .advance_clock(jiff::SignedDuration::from_secs(i64::from(n % 3 == 0)));
        bench.update("Contact", id, &[("LastName", &format!("Mass {n}"))]);
    }
    bench.advance(60 * MINUTE);
    // The size is told before the first batch is taken, when no more than seven pages can have been asked for. The last
    // rows of the eighth change now, and the locator of the ninth dies.
    let control = bench.control();
    let mut moved = Some(ids[1_590..1_600].to_vec());
    bench.recorder.at_each(move |_, event| {
        if matches!(event, Event::Size(_)) {
            for id in moved.take().into_iter().flatten() {
                control.update("Contact", &id, &[("LastName", "Moved")]).unwrap();
            }
        }
    });
    bench.add_rule(Rule::at("queryMore", What::dead_locator()).after(7));
    assert!(good_tick(&mut session).await[0].rows_read >= 2_000);
    assert!(bench.control().rules().is_empty());
    // Right away, and not only when the overlap of the next run comes to it.
    bench.assert_equal(&session);
    bench.recorder.ignore();
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_runs_too_long_is_asked_in_smaller_parts() {
    let bench = contacts(500).await;
    bench.add_rule(Rule::at("queryAll", What::query_timeout()));
    let mut session = bench.session().await;
    assert_eq!(good_tick(&mut session).await[0].rows, 500);
    bench.assert_equal(&session);
    // In pages of 200 rows, of which each query gives one.
    let limits = |bench: &Bench, limit: &str| {
        bench
            .control()
            .calls(200)
            .into_iter()
            .filter_map(|call| call.soql)
            .filter(|soql| soql.ends_with(limit))
            .count()
    };
    assert_eq!(limits(&bench, "LIMIT 2000"), 3);

    bench.advance(30 * MINUTE);
    for id in bench.ids("Contact").iter().take(450) {
        bench.update("Contact", id, &[("LastName", "Slow")]);
    }
    bench.add_rule(Rule::at("queryAll", What::query_timeout()).of("Contact").times(2));
    assert_eq!(good_tick(&mut session).await[0].rows_written, 450);
    assert_eq!(limits(&bench, "LIMIT 200"), 3);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_always_runs_too_long_is_an_error_and_not_an_empty_table() {
    let bench = contacts(500).await;
    bench.add_rule(Rule::at("queryAll", What::query_timeout()).forever());
    let mut session = bench.session().await;
    let report = tick(&mut session).await;
    let (kind, reason, _) = error_of(&report);
    assert_eq!((kind, reason), (ErrorKind::Transient, "QueryTimeout"));
    assert_eq!(report.runs[0].rows, 0);
    let state = session.inspect().await.remove(0).state.unwrap().unwrap();
    assert_eq!(state.checkpoint.phase, Phase::Initial);
    assert_eq!(session.schedule().failures(&session.plan().objects[0].object), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_of_single_calls_are_not_the_end_of_a_run() {
    let passing = [
        What::fault("SERVER_UNAVAILABLE", "busy"),
        What::html(503),
        What::html(502),
        What::html(200),
        What::Reset,
        What::CutBody { at: 60 },
    ];
    for what in passing {
        for call in ["queryAll", "queryMore", "getServerTimestamp"] {
            let bench = contacts(450).await;
            bench.add_rule(Rule::at(call, what.clone()).times(3));
            let mut session = bench.session().await;
            assert_eq!(good_tick(&mut session).await[0].rows, 450, "{what:?} at {call}");
            bench.assert_equal(&session);
            assert!(!bench.clock.slept().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_breaks_in_the_middle_gives_no_half_row() {
    let bench = contacts(450).await;
    bench.add_rule(Rule::at(
        "queryMore",
        What::InvalidUtf8 {
            element: Some("LastName".to_owned()),
        },
    ));
    let mut session = bench.session().await;
    let report = tick(&mut session).await;
    if !report.succeeded() {
        bench.control().clear_rules();
        good_tick(&mut session).await;
    }
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_that_stays_down_fails_the_run_keeps_what_arrived_and_is_tried_again() {
    let bench = contacts(900).await;
    bench.add_rule(Rule::at("queryMore", What::html(503)).after(2).forever());
    let mut session = bench.session().await;
    let report = tick(&mut session).await;
    let (kind, reason, message) = error_of(&report);
    assert_eq!(
        (kind, reason),
        (ErrorKind::Transient, "SalesforceUnavailable"),
        "{message}"
    );
    assert!(report.next_try_time.is_some());
    // Three pages arrived, in one segment that is smaller than planned.
    assert_eq!(query(&bench.file(), "SELECT count(*) FROM contact"), [["600"]]);
    let waits = session.schedule().next_try_in().unwrap();
    assert!(
        Duration::from_secs(5) <= waits && waits <= Duration::from_secs(10),
        "{waits:?}"
    );
    bench.control().clear_rules();
    let runs = good_tick(&mut session).await;
    assert_eq!(
        (runs[0].kind, runs[0].rows_read, runs[0].rows),
        (RunKind::Initial, 300, 900)
    );
    assert_eq!(session.schedule().next_try_in(), None);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orgs_quota_is_waited_for() {
    let bench = contacts(500).await;
    let mut session = bench.session().await;
    bench.add_rule(Rule::at("queryAll", What::quota()).forever());
    let report = tick(&mut session).await;
    assert_eq!(error_of(&report).0, ErrorKind::Quota);
    assert!(session.schedule().next_try_in().unwrap() >= Duration::from_mins(1));
    assert_eq!(
        bench.control().counters().of("queryAll"),
        1,
        "a used-up quota is not asked again and again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_disappears_in_mid_life_is_told_with_its_object() {
    // Without a field of the condition there is no plan to go on by.
    let objects = json!([{"name": "Contact", "where": "Email != null"}, {"name": "Account"}]);
    let bench = Bench::start(Config::default(), objects).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.update("Contact", &bench.ids("Contact")[0], &[("LastName", "Seen")]);
    bench
        .control()
        .withdraw("admin@example.com", "Contact", Some("Email"))
        .unwrap();
    let report = tick(&mut session).await;
    let (kind, _, message) = error_of(&report);
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.starts_with("Contact: "), "{message}");
    assert!(report.runs[1].error.is_none());
    // Waits an hour, while the other object goes on.
    let due = replication::replicator::TickRequest {
        only_due: true,
        ..Default::default()
    };
    let report = session.tick(&due, &CancellationToken::new()).await;
    assert_eq!(
        report.runs.iter().map(|run| run.object.as_str()).collect::<Vec<_>>(),
        ["Account"]
    );
    bench
        .control()
        .grant("admin@example.com", "Contact", Some("Email"))
        .unwrap();
    session.replan(&bench.spec()).await.unwrap();
    let report = session.tick(&only(&["contact"]), &CancellationToken::new()).await;
    assert!(report.succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_cost_one_login_and_not_one_for_each_object() {
    let bench = Bench::start(
        Config::default(),
        json!([{"name": "Contact"}, {"name": "Account"}, {"name": "Lead"}, {"name": "User"}]),
    )
    .await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench
        .control()
        .change_user(
            "admin@example.com",
            simulator::UserChange {
                password: Some("another".to_owned()),
                ..Default::default()
            },
        )
        .unwrap();
    bench.control().end_sessions(None);
    bench.control().reset_calls();
    let report = tick(&mut session).await;
    assert_eq!(report.runs.len(), 4);
    for run in &report.runs {
        assert_eq!(run.error.as_ref().unwrap().kind, ErrorKind::Credentials, "{run:#?}");
    }
    assert!(
        bench.control().counters().of("login") <= 2,
        "{:?}",
        bench.control().counters()
    );
    assert_eq!(session.schedule().next_try_in().unwrap().as_secs().div_ceil(60), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_page_lacks_are_asked_for_again() {
    let missing = || What::MissingElement {
        element: "records".to_owned(),
    };
    // The query's own answer, a page in the middle and the last one; twice in a row; in parts.
    let timeout = Rule::at("queryAll", What::query_timeout());
    for rules in [
        vec![Rule::at("queryAll", missing())],
        vec![Rule::at("queryMore", missing())],
        vec![Rule::at("queryMore", missing()).after(2)],
        vec![Rule::at("queryAll", missing()).times(2)],
        vec![timeout.clone(), Rule::at("queryAll", missing()).after(1)],
        vec![timeout, Rule::at("queryAll", missing()).after(3)],
    ] {
        let bench = contacts(650).await;
        for rule in rules {
            bench.add_rule(rule);
        }
        let mut session = bench.session().await;
        good_tick(&mut session).await;
        assert!(bench.control().rules().is_empty());
        bench.assert_equal(&session);
        bench.advance(60 * MINUTE);
        for id in bench.ids("Contact") {
            bench.update("Contact", &id, &[("LastName", "Changed")]);
        }
        bench.add_rule(Rule::at("queryMore", missing()).after(1));
        assert_eq!(good_tick(&mut session).await[0].rows_written, 650);
        bench.assert_equal(&session);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_never_come_are_an_error_and_not_the_end() {
    let bench = contacts(500).await;
    let missing = What::MissingElement {
        element: "records".to_owned(),
    };
    bench.add_rule(Rule::at("queryAll", missing.clone()).after(1).forever());
    bench.add_rule(Rule::at("queryMore", missing).forever());
    let mut session = bench.session().await;
    let report = tick(&mut session).await;
    let (kind, reason, message) = error_of(&report);
    assert_eq!((kind, reason), (ErrorKind::Transient, "UnexpectedAnswer"));
    assert!(
        message.starts_with("Contact: ") && message.contains("0 of 300"),
        "{message}"
    );
    // The one whose second page is empty, and those behind it, without progress.
    assert_eq!(bench.control().counters().of("queryAll"), 6);
    let state = session.inspect().await.remove(0).state.unwrap().unwrap();
    assert_eq!((state.checkpoint.phase, state.rows), (Phase::Initial, 200));
    bench.control().clear_rules();
    assert_eq!(good_tick(&mut session).await[0].rows_read, 300);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_vanish_between_two_pages_cost_one_query_more() {
    let bench = contacts(900).await;
    bench
        .control()
        .change_settings(|settings| settings.cursor_rows = CursorRows::Live);
    let (control, ids) = (bench.control(), bench.ids("Contact"));
    let mut gone = Some(ids[890..].to_vec());
    bench.recorder.at_each(move |_, event| {
        // No more than four pages can have been asked for by now.
        if matches!(event, Event::Size(_)) {
            for id in gone.take().into_iter().flatten() {
                control.hard_delete("Contact", &id).unwrap();
            }
        }
    });
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].rows, 890);
    assert_eq!(bench.control().counters().of("queryAll"), 2);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_asked_for_in_small_parts() {
    let bench = contacts(450).await;
    // Compressing this much takes its time.
    bench.control().change_settings(|settings| settings.compress = false);
    let text = "x".repeat(33 * 1024 * 1024);
    bench.add_rule(Rule::at("queryAll", What::ReplaceBody { text: text.clone() }));
    let mut session = bench.session().await;
    assert_eq!(good_tick(&mut session).await[0].rows, 450);
    bench.assert_equal(&session);
    let soql = bench.control().calls(200).into_iter().filter_map(|call| call.soql);
    assert_eq!(soql.filter(|soql| soql.ends_with("LIMIT 200")).count(), 3);

    bench.advance(60 * MINUTE);
    bench.add_rule(Rule::at("queryAll", What::ReplaceBody { text }).forever());
    let report = tick(&mut session).await;
    assert_eq!(error_of(&report).1, "ResponseTooLarge");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_which_two_hundred_are_too_large_are_asked_for_in_smaller_parts() {
    let bench = contacts(450).await;
    bench.control().change_settings(|settings| settings.compress = false);
    let text = "x".repeat(33 * 1024 * 1024);
    let large = |rows| Rule::at("queryAll", What::ReplaceBody { text: text.clone() }).above_rows(rows);
    // What two hundred are too large for is behind the first few of them.
    bench.add_rule(large(10).times(5));
    let mut session = bench.session().await;
    assert_eq!(good_tick(&mut session).await[0].rows, 450);
    bench.assert_equal(&session);
    let soql = bench.control().calls(200).into_iter().filter_map(|call| call.soql);
    let limits: Vec<String> = soql
        .filter(|soql| soql.contains("MailingCity"))
        .map(|soql| soql.rsplit_once(" LIMIT ").map_or("-", |(_, limit)| limit).to_owned())
        .collect();
    let tens = |several: usize| std::iter::repeat_n("10", several);
    let expected: Vec<&str> = ["-", "200", "50"]
        .into_iter()
        .chain(tens(10))
        .chain(["50"])
        .chain(tens(10))
        .chain(["50"])
        .chain(tens(10))
        .chain(["50", "50", "50", "50"])
        .collect();
    assert_eq!(limits, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_alone_is_named() {
    let bench = contacts(450).await;
    bench.control().change_settings(|settings| settings.compress = false);
    let ids = bench.ids("Contact");
    let text = "x".repeat(33 * 1024 * 1024);
    let large = Rule::at("queryAll", What::ReplaceBody { text });
    let mut session = bench.session().await;
    // After three queries that asked for too much ten records fit, and of the next ten not even the first.
    bench.add_rule(large.clone().above_rows(10).times(3));
    bench.add_rule(large.above_rows(0).after(4).times(2));
    let report = tick(&mut session).await;
    let error = report.runs[0].error.as_ref().unwrap();
    assert_eq!(error.reason, "ResponseTooLarge");
    assert!(error.message.starts_with("Contact "), "{}", error.message);
    assert!(
        error.message.contains("leave its longest fields out"),
        "{}",
        error.message
    );
    let named = ids.iter().position(|id| error.message.contains(id.as_str()));
    assert_eq!(named, Some(10), "{}", error.message);
    assert_eq!(query(&bench.file(), "SELECT count(*) FROM contact"), [["10"]]);
    bench.advance(60 * MINUTE);
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}
