//! What a destination tells of itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use replication::{
    connect::Session,
    destination::observed::{ConnectionState, DestinationObserver, SegmentOutcome},
    plan::ObjectName,
    progress::RunKind,
};
use serde_json::json;
use simulator::Config;

use super::fixture::{Bench, good_kind, good_tick, tick};

/// What was told so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Told {
    in_use: i64,
    idle: i64,
    /// Whether one was ever in this state.
    was: (bool, bool),
    committed: u64,
    failed: u64,
    unchanged: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Notebook(Mutex<Told>);

impl Notebook {
    fn told(&self) -> Told {
        self.0.lock().unwrap().clone()
    }

    /// What has come since.
    fn since(&self, before: &Told) -> (u64, u64, u64) {
        let now = self.told();
        let unchanged = |told: &Told| told.unchanged.get("Contact").copied().unwrap_or_default();
        (
            now.committed - before.committed,
            now.failed - before.failed,
            unchanged(&now) - unchanged(before),
        )
    }
}

impl DestinationObserver for Notebook {
    fn connection(&self, from: Option<ConnectionState>, to: Option<ConnectionState>) {
        let mut told = self.0.lock().unwrap();
        for (state, more) in [(from, -1), (to, 1)] {
            match state {
                Some(ConnectionState::InUse) => told.in_use += more,
                Some(ConnectionState::Idle) => told.idle += more,
                None => {}
            }
        }
        told.was = (told.was.0 || told.in_use > 0, told.was.1 || told.idle > 0);
        assert!(told.in_use >= 0 && told.idle >= 0, "{told:?}");
    }

    fn segment(&self, outcome: SegmentOutcome, _took: Duration) {
        let mut told = self.0.lock().unwrap();
        match outcome {
            SegmentOutcome::Committed => told.committed += 1,
            SegmentOutcome::Failed => told.failed += 1,
        }
    }

    fn unchanged(&self, object: &ObjectName, rows: u64) {
        *self.0.lock().unwrap().unchanged.entry(object.to_string()).or_default() += rows;
    }
}

async fn observed(contacts: u64) -> (Bench, Arc<Notebook>, Session) {
    let config = Config {
        contacts,
        ..Config::default()
    };
    let bench = Bench::start(config, json!([{"name": "Contact"}])).await;
    let notebook = Arc::<Notebook>::default();
    let mut options = bench.options();
    options.environment.destination = Arc::<Notebook>::clone(&notebook);
    let session = Session::open(&bench.spec(), &bench.secrets, &options).await.unwrap();
    (bench, notebook, session)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_need_no_write_are_told_and_segments_that_wrote() {
    let (bench, notebook, mut session) = observed(300).await;
    good_tick(&mut session).await;
    let loaded = notebook.told();
    assert!(loaded.committed > 0 && loaded.was == (true, true), "{loaded:?}");
    assert_eq!(notebook.since(&Told::default()), (loaded.committed, 0, 0));
    bench.advance(Duration::from_mins(30));
    let ids = bench.ids("Contact");
    bench.update("Contact", &ids[3], &[("LastName", "Neu")]);
    bench.delete("Contact", &ids[4]);
    good_tick(&mut session).await;
    assert_eq!(notebook.since(&loaded), (1, 0, 0));
    // Both lie within the overlap and are read again; a deleted one is no row.
    let before = notebook.told();
    good_tick(&mut session).await;
    assert_eq!(notebook.since(&before), (0, 0, 1));
    let before = notebook.told();
    good_kind(&mut session, RunKind::Reconcile).await;
    assert_eq!(
        notebook.since(&before).2,
        299,
        "all that were listed are as they should be"
    );
    let before = notebook.told();
    good_kind(&mut session, RunKind::Refresh).await;
    assert_eq!(
        notebook.since(&before).2,
        299 + 1,
        "once, though they are written and compared, and what the Incremental behind it reads again"
    );
    let told = notebook.told();
    assert_eq!((told.in_use, told.idle), (0, 0), "no connection is held between ticks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_the_database_did_not_take_is_told() {
    let (bench, notebook, mut session) = observed(20).await;
    good_tick(&mut session).await;
    let connection = rusqlite::Connection::open(bench.file()).unwrap();
    let trigger = "CREATE TRIGGER no BEFORE UPDATE ON contact BEGIN SELECT RAISE(ABORT, 'no'); END";
    connection.execute_batch(trigger).unwrap();
    let before = notebook.told();
    bench.update("Contact", &bench.ids("Contact")[0], &[("LastName", "Neu")]);
    let report = tick(&mut session).await;
    assert!(report.runs[0].error.is_some(), "{report:?}");
    assert_eq!(notebook.since(&before), (0, 1, 0));
    let told = notebook.told();
    assert_eq!((told.in_use, told.idle), (0, 0));
}
