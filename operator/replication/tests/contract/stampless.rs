//! "Without a stamp all records are of one age: the column is NULL, and every sentence about stamps is read as if they were
//! equal. A listing tells no row that differs, and a marked row's `deleted_at` is the time at which its deletion was found."

use jiff::Timestamp;
use replication::{
    destination::{Listed, ObjectTable, Stretch},
    plan::{ColumnSource, Deletes, ObjectPlan},
    state::Counts,
};

use super::{
    Harness,
    fixture::{
        DIRECT, LAST, MERGE, OVERWRITE, Row, Table, contact, counts, created, id, left, lines, pending, rejected,
        stamp, state_of,
    },
};

fn stampless(deletes: Deletes) -> ObjectPlan {
    let mut plan = contact(deletes);
    plan.stamp = None;
    plan.columns[1].source = ColumnSource::Null;
    plan
}

fn row(n: u32, name: &str) -> Row {
    Row::new(n, 0).without("SystemModstamp").name(name)
}

fn deleted(n: u32) -> Row {
    Row::deleted(n, 0).without("SystemModstamp")
}

async fn with_rows<H: Harness>(deletes: Deletes) -> (H, Table<H>, ObjectPlan) {
    let harness = H::start().await;
    let plan = stampless(deletes);
    let mut table = created(&harness, &plan).await;
    let rows = [row(1, "Meyer"), row(2, "Huber"), row(3, "Maier")];
    assert_eq!(DIRECT.write(&mut table, &rows).await.unwrap(), counts(3, 0, 0));
    (harness, table, plan)
}

async fn names<H: Harness>(harness: &H, plan: &ObjectPlan) -> Vec<String> {
    lines(harness, plan, &["last_name", "system_modstamp"]).await
}

pub(crate) async fn rows_are_told_apart_by_their_values<H: Harness>() {
    for segment in [MERGE, OVERWRITE] {
        let (harness, mut table, plan) = with_rows::<H>(Deletes::Remove).await;
        assert_eq!(names(&harness, &plan).await, ["Meyer -", "Huber -", "Maier -"]);
        let before = harness.fingerprint().await;
        let same = [row(1, "Meyer"), row(2, "Huber"), row(3, "Maier")];
        assert_eq!(
            segment.at(60).write(&mut table, &same).await.unwrap(),
            Counts::default()
        );
        assert_eq!(harness.fingerprint().await, before);
        let changed = [row(1, "Meyer"), row(2, "Hueber"), row(4, "Mayr"), row(4, "Mayer")];
        let written = segment.write(&mut table, &changed).await.unwrap();
        assert_eq!(written.inserted, 1);
        assert_eq!(
            names(&harness, &plan).await,
            ["Meyer -", "Hueber -", "Maier -", "Mayer -"],
            "of two the later read counts"
        );
        assert_eq!(state_of(&harness, &plan).await.rows, 4);
    }
}

pub(crate) async fn deletes_are_held_and_applied<H: Harness>() {
    let (harness, mut table, plan) = with_rows::<H>(Deletes::Remove).await;
    MERGE.write(&mut table, &[deleted(1)]).await.unwrap();
    OVERWRITE
        .leave(&mut table, vec![left(2, None), left(9, None)])
        .await
        .unwrap();
    assert_eq!(pending(&harness).await.len(), 2);
    // Noted again, nothing is written.
    let before = harness.fingerprint().await;
    OVERWRITE.at(60).leave(&mut table, vec![left(2, None)]).await.unwrap();
    MERGE.at(60).write(&mut table, &[deleted(1)]).await.unwrap();
    assert_eq!(harness.fingerprint().await, before);
    // A live read takes an entry out, whichever way it is written.
    for segment in [MERGE, OVERWRITE] {
        segment.write(&mut table, &[row(1, "Meyer")]).await.unwrap();
        assert_eq!(pending(&harness).await.len(), 1);
        MERGE.write(&mut table, &[deleted(1)]).await.unwrap();
        assert_eq!(pending(&harness).await.len(), 2);
    }
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap().deleted, 2);
    assert_eq!(names(&harness, &plan).await, ["Maier -"]);
    // One that came and went in a segment never becomes a row.
    MERGE.write(&mut table, &[row(5, "Kurz"), deleted(5)]).await.unwrap();
    LAST.write(&mut table, &[]).await.unwrap();
    assert_eq!(names(&harness, &plan).await, ["Maier -"]);
}

pub(crate) async fn a_marked_row_has_the_time_at_which_its_deletion_was_found<H: Harness>() {
    let (harness, mut table, plan) = with_rows::<H>(Deletes::Mark).await;
    OVERWRITE.at(7).leave(&mut table, vec![left(1, None)]).await.unwrap();
    assert_eq!(LAST.at(9).write(&mut table, &[]).await.unwrap().deleted, 1);
    let marks = async || lines(&harness, &plan, &["last_name", "deleted_at", "system_modstamp"]).await;
    let marked = format!("Meyer {} -", stamp(7));
    assert_eq!(marks().await, [marked.as_str(), "Huber - -", "Maier - -"]);
    assert_eq!(
        MERGE.write(&mut table, &[row(1, "Meyer")]).await.unwrap(),
        counts(0, 1, 0)
    );
    assert_eq!(marks().await, ["Meyer - -", "Huber - -", "Maier - -"], "it came back");
}

pub(crate) async fn a_listing_finds_what_is_missing_and_surplus<H: Harness>() {
    let (_harness, mut table, _plan) = with_rows::<H>(Deletes::Remove).await;
    let listed: Vec<Listed> = [1, 3, 4]
        .map(|n| Listed {
            id: id(n),
            stamp: Timestamp::MIN,
        })
        .into();
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &listed,
    };
    let found = table.compare(stretch).await.unwrap();
    assert_eq!(
        (found.missing, found.differing, found.surplus),
        (vec![id(4)], vec![], 1)
    );
    assert_eq!(table.surplus(None, 10).await.unwrap(), [id(2)]);
}

pub(crate) async fn values_that_do_not_fit_reject_their_rows<H: Harness>() {
    let (harness, mut table, plan) = with_rows::<H>(Deletes::Remove).await;
    let unfit = row(1, "Mayer").with("Visits__c", "many");
    MERGE
        .at(5)
        .write(&mut table, std::slice::from_ref(&unfit))
        .await
        .unwrap();
    assert_eq!(rejected(&harness).await, ["1 visits 10:00:05"]);
    assert_eq!(names(&harness, &plan).await[0], "Meyer -", "the former version stays");
    let before = harness.fingerprint().await;
    MERGE.at(60).write(&mut table, &[unfit]).await.unwrap();
    assert_eq!(harness.fingerprint().await, before);
    // Found unchanged through the guard, it is as it was read.
    MERGE.write(&mut table, &[row(1, "Meyer")]).await.unwrap();
    assert!(rejected(&harness).await.is_empty());
}
