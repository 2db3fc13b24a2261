//! A run that hangs where no limit of its own ends it.

use std::{pin::pin, time::Duration};

use salesforce::{ErrorKind, clock::Clock as _};
use serde_json::json;
use simulator::{Config, Rule, What};

use super::fixture::{Bench, good_tick, tick};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stands_still_is_given_up_and_begun_again() {
    let config = Config {
        contacts: 300,
        ..Config::default()
    };
    let bench = Bench::start(config, json!([{"name": "Contact"}])).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.advance(Duration::from_mins(30));
    let id = bench.ids("Contact")[0].clone();
    bench.update("Contact", &id, &[("LastName", "Neu")]);
    bench.add_rule(Rule::at("queryAll", What::Hang).times(u64::MAX));
    let begun = bench.clock.monotonic();
    let mut sleeps = bench.clock.long_sleeps();
    let report = {
        let mut ticking = pin!(tick(&mut session));
        let passing = async {
            loop {
                tokio::select! {
                    report = &mut ticking => return report,
                    sleep = sleeps.changed() => {
                        sleep.unwrap();
                        bench.clock.advance(Duration::from_mins(10));
                    }
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_mins(1), passing).await;
        ended.expect("it is given up")
    };
    let error = report.runs[0].error.as_ref().unwrap();
    assert_eq!((error.kind, error.reason), (ErrorKind::Transient, "RunStalled"));
    let stood = bench.clock.monotonic().saturating_sub(begun);
    assert!(stood >= Duration::from_hours(2), "{stood:?}");
    assert!(report.next_try_time.is_some(), "{report:#?}");

    bench.control().clear_rules();
    bench.control().release_hanging();
    let runs = good_tick(&mut session).await;
    assert_eq!(runs[0].rows_written, 1);
    bench.assert_equal(&session);
}
