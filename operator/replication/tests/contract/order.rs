//! Whatever order segments come in, and however often, the table is the same in the end.
//!
//! Reads of one record are its versions: a stamp, a value, deleted or live. They are dealt into segments at random,
//! some of them twice. A record that is never deleted must then be there in its newest version.
//!
//! A removed row leaves no trace, so an old page that is written after a delete was applied, or after it found no row,
//! brings the row back. What takes it away is the next reading in the order of stamps, which each run is, and which the
//! overlap of runs makes of everything recent. So for all records the property is stated after one such reading.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::{Just, Strategy, any},
    prop_assert, prop_assert_eq,
    test_runner::{Config, TestCaseError, TestRunner},
};
use replication::{
    destination::{Destination, ObjectTable},
    plan::{Deletes, ObjectPlan},
    state::Counts,
};

use super::{
    Harness,
    fixture::{LAST, MERGE, Row, checkpoint, contact, id, lines, moment, named, open},
};

/// Record and second of a read.
type Read = (u32, u32);

/// What is read, and how: segments of reads, and which versions are deleted.
#[derive(Debug, Clone)]
struct Scenario {
    segments: Vec<Vec<Read>>,
    deleted: BTreeSet<Read>,
    deletes: Deletes,
}

const RECORDS: u32 = 4;
const VERSIONS: u32 = 6;

fn dealt(reads: Vec<Read>) -> impl Strategy<Value = Vec<Vec<Read>>> {
    (Just(reads).prop_shuffle(), 1_usize..5).prop_map(|(reads, size)| reads.chunks(size).map(<[_]>::to_vec).collect())
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let reads = proptest::collection::vec((1..=RECORDS, 1..=VERSIONS), 1..24);
    let gone = proptest::collection::btree_set((1..=RECORDS, 1..=VERSIONS), 0..12);
    (reads, gone, any::<bool>()).prop_flat_map(|(reads, gone, mark)| {
        let deletes = if mark { Deletes::Mark } else { Deletes::Remove };
        dealt(reads).prop_map(move |segments| Scenario {
            segments,
            deleted: gone.clone(),
            deletes,
        })
    })
}

impl Scenario {
    fn reads(&self) -> impl Iterator<Item = Read> {
        self.segments.iter().flatten().copied()
    }

    fn row(&self, read: Read) -> Row {
        let (record, second) = read;
        if self.deleted.contains(&read) {
            Row::deleted(record, second)
        } else {
            Row::new(record, second).name(&format!("version {second}"))
        }
    }

    /// All reads once more, as a run has them: by stamp and Id.
    fn in_order(&self) -> Vec<Row> {
        let ordered: BTreeSet<_> = self.reads().map(|(record, second)| (second, record)).collect();
        ordered
            .into_iter()
            .map(|(second, record)| self.row((record, second)))
            .collect()
    }

    /// The rows that must be live in the end: the newest version of each record, if it is not deleted.
    fn expected(&self) -> Vec<String> {
        let mut newest = BTreeMap::<u32, u32>::new();
        for (record, second) in self.reads() {
            let known = newest.entry(record).or_default();
            *known = (*known).max(second);
        }
        let live = newest.into_iter().filter(|read| !self.deleted.contains(read));
        live.map(|(record, second)| format!("{} version {second}", id(record)))
            .collect()
    }

    /// Those of them whose record has no deleted version at all.
    fn never_deleted(&self) -> Vec<String> {
        let deleted: BTreeSet<_> = self
            .reads()
            .filter(|read| self.deleted.contains(read))
            .map(|read| id(read.0))
            .collect();
        self.expected()
            .into_iter()
            .filter(|line| !deleted.iter().any(|id| line.starts_with(id.as_str())))
            .collect()
    }
}

/// Ids and names of the rows that are not marked.
async fn live_rows<H: Harness>(harness: &H, plan: &ObjectPlan) -> Vec<String> {
    let mut columns = vec!["salesforce_id", "last_name"];
    if plan.deletes == Deletes::Mark {
        columns.push("is_deleted");
    }
    let rows = lines(harness, plan, &columns).await;
    let live = rows.iter().filter(|line| !line.ends_with(" true"));
    live.map(|line| line.trim_end_matches(" false").to_owned()).collect()
}

async fn check<H: Harness>(
    harness: &H,
    destination: &H::Destination,
    case: u32,
    scenario: &Scenario,
) -> Result<(), TestCaseError> {
    let plan = named(
        contact(scenario.deletes),
        &format!("Contact{case}"),
        &format!("contact_{case}"),
    );
    let mut table = open(destination, &plan).await;
    table.create(&checkpoint(0), moment(0)).await.unwrap();
    for segment in &scenario.segments {
        let rows: Vec<_> = segment.iter().map(|read| scenario.row(*read)).collect();
        MERGE.write(&mut table, &rows).await.unwrap();
    }
    let found = live_rows(harness, &plan).await;
    for line in scenario.never_deleted() {
        prop_assert!(found.contains(&line), "{} is missing in {:?}", line, found);
    }
    for rows in scenario.in_order().chunks(3) {
        MERGE.write(&mut table, rows).await.unwrap();
    }
    LAST.write(&mut table, &[]).await.unwrap();
    prop_assert_eq!(live_rows(harness, &plan).await, scenario.expected());

    let again = LAST
        .write(&mut table, &scenario.in_order()[scenario.in_order().len() - 1..])
        .await
        .unwrap();
    prop_assert_eq!(again, Counts::default(), "what was read last is there");
    Ok(())
}

/// Style 2.8: "any order and repetition of segments yields the same table".
pub(crate) fn segments_in_any_order_and_repetition_yield_the_same_table<H: Harness>() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let harness = runtime.block_on(H::start());
    let destination = harness.destination();
    runtime.block_on(destination.prepare()).unwrap();
    let case = std::cell::Cell::new(0);
    let config = Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&scenarios(), |scenario| {
        case.set(case.get() + 1);
        runtime.block_on(check(&harness, &destination, case.get(), &scenario))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
