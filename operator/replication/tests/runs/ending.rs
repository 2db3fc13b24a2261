//! Runs that are asked to end, and those that share the rights of the process.

use std::sync::Arc;

use replication::{connect::Session, progress::Event, replicator::TickRequest};
use serde_json::json;
use simulator::Config;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::fixture::{Bench, good_tick, query};

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_asked_to_end_commits_the_open_segment_and_goes_on_behind_it() {
    let config = Config {
        contacts: 1_300,
        ..Config::default()
    };
    let mut bench = Bench::start(config, json!([{"name": "Contact", "mapping": "None"}])).await;
    bench.segment_rows = Some(400);
    let options = bench.options();
    let ending = options.environment.ending.clone();
    let asked = ending.clone();
    // In the middle of the second segment.
    bench.recorder.at_each(move |_, event| {
        if matches!(event, Event::Read(600..)) {
            asked.cancel();
        }
    });
    let mut session = Session::open(&bench.spec(), &bench.secrets, &options).await.unwrap();
    let report = session.tick(&TickRequest::default(), &CancellationToken::new()).await;
    assert_eq!(report.runs[0].error.as_ref().unwrap().reason, "Cancelled");
    assert_eq!(query(&bench.file(), "SELECT count(*) FROM contact"), [["800"]]);
    let again = session.tick(&TickRequest::default(), &CancellationToken::new()).await;
    assert_eq!(again.error.unwrap().reason, "Cancelled");

    bench.recorder.ignore();
    let runs = good_tick(&mut bench.session().await).await;
    assert_eq!((runs[0].rows_read, runs[0].rows), (500, 1_300));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_beyond_the_limit_of_the_process() {
    let objects = json!([{"name": "Account", "mapping": "None"}]);
    let config = Config {
        accounts: 30,
        ..Config::default()
    };
    let (waiting, free) = (
        Bench::start(config.clone(), objects.clone()).await,
        Bench::start(config, objects).await,
    );
    let rights = Arc::new(Semaphore::new(1));
    let taken = Arc::clone(&rights).acquire_owned().await.unwrap();
    let mut options = waiting.options();
    options.environment.active_runs = Some(rights);
    let mut session = Session::open(&waiting.spec(), &waiting.secrets, &options)
        .await
        .unwrap();
    let (request, cancel) = (TickRequest::default(), CancellationToken::new());
    let mut tick = Box::pin(session.tick(&request, &cancel));
    tokio::select! {
        _ = &mut tick => panic!("it ran without the right to"),
        // Another replicator, which shares no limit, does all of its work meanwhile.
        () = async {
            for _ in 0..3 {
                good_tick(&mut free.session().await).await;
            }
        } => {}
    }
    assert!(waiting.recorder.of("Account").is_empty());
    drop(taken);
    let report = tick.await;
    assert!(report.succeeded() && report.runs[0].rows == 30, "{report:?}");
}
