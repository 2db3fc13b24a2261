//! The first load.

use replication::{
    progress::{Event, RunKind},
    state::Phase,
};
use serde_json::json;
use simulator::Config;

use super::fixture::{Bench, good_tick, query};

#[tokio::test(flavor = "multi_thread")]
async fn after_initial_every_table_equals_the_org_value_by_value() {
    let config = Config {
        contacts: 900,
        accounts: 300,
        leads: 300,
        specimens: 250,
        ..Config::default()
    };
    let objects = json!([
        {"name": "Contact"},
        {"name": "Account", "mapping": "Mirror"},
        {"name": "Lead", "mapping": "Mirror", "deletes": "Mark"},
        {"name": "Specimen__c"},
    ]);
    let bench = Bench::start(config, objects).await;
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(
        runs.iter().map(|run| run.object.as_str()).collect::<Vec<_>>(),
        ["Contact", "Account", "Lead", "Specimen__c"]
    );
    assert!(runs.iter().all(|run| run.kind == RunKind::Initial));
    let contact = &runs[0];
    assert_eq!(
        (
            contact.rows_read,
            contact.rows_written,
            contact.rows_deleted,
            contact.rows
        ),
        (900, 900, 0, 900)
    );
    bench.assert_equal(&session);

    let states = session.inspect().await;
    for (inspection, run) in states.into_iter().zip(&runs) {
        let state = inspection.state.unwrap().unwrap();
        assert_eq!(state.checkpoint.phase, Phase::Live);
        assert_eq!((state.checkpoint.query_start, state.checkpoint.last_id), (None, None));
        assert_eq!(state.checkpoint.watermark, run.watermark);
        assert!(state.checkpoint.watermark.is_some() && state.checkpoint.checked_at.is_some());
        assert_eq!(state.rows, i64::try_from(run.rows_read).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_rows_becomes_an_empty_table_that_is_complete() {
    let bench = Bench::start(
        Config {
            leads: 0,
            ..Config::default()
        },
        json!([{"name": "Lead", "indexes": [["email"]]}]),
    )
    .await;
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!((runs[0].rows_read, runs[0].rows), (0, 0));
    assert!(query(&bench.file(), "SELECT * FROM lead").is_empty());
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].kind, RunKind::Incremental);
    bench.create("Lead", &[("LastName", "Neu"), ("Company", "Neu GmbH")]);
    assert_eq!(good_tick(&mut session).await[0].rows_written, 1);
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_loaded_in_segments_and_observers_hear_of_each() {
    let config = Config {
        contacts: 1_200,
        accounts: 10,
        ..Config::default()
    };
    let objects = json!([{"name": "Contact", "mapping": "None", "fields": [{"source": "LastName", "column": "surname"}],
        "indexes": [["surname"]]}]);
    let mut bench = Bench::start(config, objects).await;
    bench.segment_rows = Some(500);
    let mut session = bench.session().await;
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].rows, 1_200);
    // What is covered before the first query, and 6 pages of 200 rows; describe, login and Salesforce's clock are not of
    // the run.
    assert_eq!(runs[0].api_calls, 7);
    let events = bench.recorder.of("Contact");
    assert!(matches!(events.first(), Some(Event::Started)));
    assert!(matches!(events.get(1), Some(Event::Size(1_200))), "{:?}", events.get(1));
    assert!(matches!(events.last(), Some(Event::Ended(_))));
    let committed = events
        .iter()
        .filter(|event| matches!(event, Event::Committed(_)))
        .count();
    // A segment ends with the batch that fills it.
    assert_eq!(committed, 2, "{events:?}");
    let read = events.iter().rev().find_map(|event| match event {
        Event::Read(rows) => Some(*rows),
        Event::Started | Event::Size(_) | Event::Committed(_) | Event::Ended(_) => None,
    });
    assert_eq!(read, Some(1_200));
    assert_eq!(
        query(
            &bench.file(),
            "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = 'contact'"
        ),
        [["1"]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_the_load_goes_on_arrives_with_the_first_incremental() {
    let bench = Bench::start(
        Config {
            contacts: 600,
            ..Config::default()
        },
        json!([{"name": "Contact"}]),
    )
    .await;
    let first = bench.ids("Contact")[0].clone();
    let control = bench.control();
    let mut pending = Some(first.clone());
    bench.recorder.at_each(move |_, event| {
        if matches!(event, Event::Read(_))
            && let Some(id) = pending.take()
        {
            // It is read already, and will not come again in this load.
            control.update("Contact", &id, &[("LastName", "Later")]).unwrap();
        }
    });
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    assert_ne!(bench.column("contact", "surname", &first), "Later");
    good_tick(&mut session).await;
    assert_eq!(bench.column("contact", "surname", &first), "Later");
    bench.assert_equal(&session);
}
