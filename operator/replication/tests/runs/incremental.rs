//! What changed since.

use std::time::Duration;

use replication::progress::RunKind;
use serde_json::json;
use simulator::{Config, Rule, What};

use super::fixture::{Bench, good_tick, query};
use crate::postgres::fixture::Place;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn creates_updates_deletes_and_undeletes_arrive() {
    for deletes in ["Remove", "Mark", "Ignore"] {
        let objects = json!([{"name": "Contact", "deletes": deletes}]);
        let bench = Bench::start(
            Config {
                contacts: 300,
                ..Config::default()
            },
            objects,
        )
        .await;
        let mut session = bench.session().await;
        good_tick(&mut session).await;
        let ids = bench.ids("Contact");

        bench.advance(30 * MINUTE);
        let created = bench.create("Contact", &[("LastName", "Müller & Söhne"), ("Phone", "+49 8151 123")]);
        bench.update(
            "Contact",
            &ids[5],
            &[("LastName", "Changed"), ("Email", "c@example.com")],
        );
        bench.delete("Contact", &ids[7]);
        bench.delete("Contact", &ids[9]);
        let runs = good_tick(&mut session).await;
        let deleted = if deletes == "Ignore" { 0 } else { 2 };
        assert_eq!(
            (runs[0].kind, runs[0].rows_written, runs[0].rows_deleted),
            (RunKind::Incremental, 2, deleted),
            "{deletes}"
        );
        assert_eq!(bench.column("contact", "surname", &created), "Müller & Söhne");
        assert_eq!(bench.column("contact", "surname", &ids[5]), "Changed");
        let rows = query(
            &bench.file(),
            &format!("SELECT count(*) FROM contact WHERE salesforce_id = '{}'", ids[7]),
        );
        assert_eq!(rows, [[if deletes == "Remove" { "0" } else { "1" }]], "{deletes}");
        if deletes == "Mark" {
            assert_eq!(bench.column("contact", "is_deleted", &ids[7]), "1");
        }
        if deletes == "Remove" {
            bench.assert_equal(&session);
        }

        bench.advance(30 * MINUTE);
        bench.undelete("Contact", &ids[9]);
        good_tick(&mut session).await;
        assert_ne!(bench.column("contact", "surname", &ids[9]), "-");
        if deletes == "Mark" {
            assert_eq!(bench.column("contact", "is_deleted", &ids[9]), "0");
        }
        if deletes == "Remove" {
            bench.assert_equal(&session);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_of_changes_leaves_the_table_equal_to_the_org_after_each_tick() {
    let config = Config {
        contacts: 500,
        specimens: 150,
        ..Config::default()
    };
    let bench = Bench::start(
        config,
        json!([{"name": "Contact", "mapping": "Mirror"}, {"name": "Specimen__c"}]),
    )
    .await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let mut ids = bench.ids("Contact");
    let mut gone: Vec<String> = Vec::new();
    for round in 0..6 {
        bench.advance(7 * MINUTE);
        for n in 0..10 {
            let at = (round * 37 + n * 11) % ids.len();
            match (round + n) % 4 {
                0 => bench.update(
                    "Contact",
                    &ids[at],
                    &[("LastName", &format!("Round {round} {n}")), ("Email", "")],
                ),
                1 => ids.push(bench.create("Contact", &[("LastName", &format!("New {round} {n}"))])),
                2 => {
                    let id = ids.swap_remove(at);
                    bench.delete("Contact", &id);
                    gone.push(id);
                }
                _ => {
                    if let Some(id) = gone.pop() {
                        bench.undelete("Contact", &id);
                        ids.push(id);
                    }
                }
            }
        }
        if round == 3 {
            // Another process goes on from what the destination says.
            session = bench.session().await;
        }
        good_tick(&mut session).await;
        bench.assert_equal(&session);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changes_cost_one_call_for_each_object_and_write_nothing() {
    let objects = json!([{"name": "Contact"}, {"name": "Account"}]);
    let bench = Bench::start(
        Config {
            contacts: 300,
            ..Config::default()
        },
        objects,
    )
    .await;
    let mut session = bench.session().await;
    bench.advance(60 * MINUTE);
    good_tick(&mut session).await;
    for _ in 0..3 {
        bench.advance(4 * MINUTE);
        let (calls, watch) = (bench.counted(), bench.watch());
        let runs = good_tick(&mut session).await;
        // Contacts have accounts as parents, which are asked for too.
        assert_eq!(bench.counted() - calls, 3);
        assert_eq!(runs.iter().map(|run| run.api_calls).collect::<Vec<_>>(), [2, 1]);
        assert!(runs.iter().all(|run| run.rows_written == 0));
        watch.assert_unwritten();
    }
    // So it is for a process that starts: its session has asked for Salesforce's clock.
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(runs.iter().map(|run| run.api_calls).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_overlap_reads_again_is_not_written_again() {
    let bench = Bench::start(
        Config {
            contacts: 300,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let id = bench.ids("Contact")[0].clone();
    bench.advance(20 * MINUTE);
    bench.update("Contact", &id, &[("LastName", "Once")]);
    let watch = bench.watch();
    assert_eq!(good_tick(&mut session).await[0].rows_written, 1);
    watch.assert_written();
    bench.advance(3 * MINUTE);
    let watch = bench.watch();
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].rows_read, runs[0].rows_written, runs[0].api_calls), (1, 0, 2));
    watch.assert_unwritten();
    // The bound is the last watermark minus the overlap, and that has to pass the change.
    bench.advance(8 * MINUTE);
    assert_eq!(good_tick(&mut session).await[0].rows_read, 1);
    bench.advance(MINUTE);
    assert_eq!(good_tick(&mut session).await[0].rows_read, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_without_a_change_write_nothing() {
    let place = Place::new().await;
    for schema in [None, Some(place.schema.clone())] {
        let mut bench = Bench::start(
            Config {
                contacts: 700,
                ..Config::default()
            },
            json!([{"name": "Contact"}]),
        )
        .await;
        bench.segment_rows = Some(200);
        bench.schema = schema;
        let mut session = bench.session().await;
        good_tick(&mut session).await;
        bench.advance(20 * MINUTE);
        for id in bench.ids("Contact") {
            bench.update("Contact", &id, &[("LastName", "Once")]);
        }
        assert_eq!(good_tick(&mut session).await[0].rows_written, 700);
        let state = session.inspect().await.remove(0).state.unwrap();
        assert_eq!(state.as_ref().unwrap().checkpoint.query_start, None);
        bench.advance(3 * MINUTE);
        let runs = good_tick(&mut session).await;
        assert_eq!((runs[0].rows_read, runs[0].rows_written), (700, 0));
        assert_eq!(session.inspect().await.remove(0).state.unwrap(), state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_the_resource_names_later_is_built() {
    let place = Place::new().await;
    for schema in [None, Some(place.schema.clone())] {
        let config = Config {
            contacts: 300,
            ..Config::default()
        };
        let mut bench = Bench::start(config, json!([{"name": "Contact"}])).await;
        bench.schema = schema;
        good_tick(&mut bench.session().await).await;
        bench.objects = json!([{"name": "Contact", "indexes": [["email"], ["surname"]]}]);
        let mut session = bench.session().await;
        good_tick(&mut session).await;
        if bench.schema.is_some() {
            let indexes = format!(
                "SELECT count(*) FROM pg_indexes WHERE schemaname = '{}' AND tablename = 'contact'",
                place.schema
            );
            // The key, the reference to the account, and the two.
            assert_eq!(place.server.value(&indexes).await, "4");
        } else {
            let indexes =
                "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'contact' AND sql > ''";
            assert_eq!(query(&bench.file(), indexes), [["3"]]);
            let (mut again, watch) = (bench.session().await, bench.watch());
            good_tick(&mut again).await;
            watch.assert_unwritten();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_object_is_told_complete_each_quarter_of_an_hour_without_a_claim() {
    let bench = Bench::start(
        Config {
            contacts: 300,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    let state = "SELECT epoch, watermark, checked_at FROM _replication_state";
    let before = query(&bench.file(), state);
    bench.advance(14 * MINUTE);
    good_tick(&mut session).await;
    assert_eq!(query(&bench.file(), state), before);
    bench.advance(2 * MINUTE);
    let runs = good_tick(&mut session).await;
    let after = query(&bench.file(), state);
    assert_eq!(after[0][0], before[0][0], "no claim");
    assert_ne!(after[0][2], before[0][2]);
    let watermark = session
        .inspect()
        .await
        .remove(0)
        .state
        .unwrap()
        .unwrap()
        .checkpoint
        .watermark;
    assert_eq!(watermark, runs[0].watermark);
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_within_a_second_at_a_pages_edge_are_all_read() {
    let bench = Bench::start(
        Config {
            contacts: 500,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.advance(20 * MINUTE);
    // The clock of the org stands still: one second for all, over the edges of two pages.
    bench.control().hold_clock(true);
    for (n, id) in bench.ids("Contact").iter().take(410).enumerate() {
        bench.update("Contact", id, &[("LastName", &format!("Tie {n}"))]);
    }
    bench.add_rule(Rule::at("queryMore", What::KillLocators));
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].rows_written, 410);
    bench.assert_equal(&session);
}
