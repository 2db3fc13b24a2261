//! "A merged row is written only where its stamp is newer than the table's, or equal and a column differs; an older one
//! never is. Of two rows for one Id in a segment the newer stamp counts, at equal stamps the later read."

use replication::{plan::Deletes, state::Counts};

use super::{
    Harness,
    fixture::{MERGE, Row, Table, batch, contact, counts, created, lines, names},
};

/// A database whose table has one row, `Meyer` of second 5.
async fn with_meyer<H: Harness>() -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(Deletes::Remove)).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5).name("Meyer").with("Visits__c", "3")])
        .await
        .unwrap();
    (harness, table)
}

/// Writes one row over `Meyer` and expects what is said.
async fn over_meyer<H: Harness>(row: Row, expected_counts: Counts, expected: &str) {
    let (harness, mut table) = with_meyer::<H>().await;
    assert_eq!(MERGE.write(&mut table, &[row]).await.unwrap(), expected_counts);
    let columns = ["last_name", "visits", "system_modstamp"];
    assert_eq!(lines(&harness, &contact(Deletes::Remove), &columns).await, [expected]);
}

/// "An older one never is."
pub(crate) async fn an_older_row_is_not_written<H: Harness>() {
    let row = Row::new(1, 4).name("Huber").with("Visits__c", "9");
    over_meyer::<H>(row, counts(0, 0, 0), "Meyer 3 2024-05-01T10:00:05.000Z").await;
}

/// "Only where its stamp is newer than the table's."
pub(crate) async fn a_newer_row_is_written<H: Harness>() {
    let row = Row::new(1, 6).name("Meyer").with("Visits__c", "3");
    over_meyer::<H>(row, counts(0, 1, 0), "Meyer 3 2024-05-01T10:00:06.000Z").await;
}

/// "Or equal and a column differs."
pub(crate) async fn an_equal_stamp_with_a_difference_is_written<H: Harness>() {
    let row = Row::new(1, 5).name("Meyer").with("Visits__c", "4");
    over_meyer::<H>(row, counts(0, 1, 0), "Meyer 4 2024-05-01T10:00:05.000Z").await;
}

/// The same, the other way.
pub(crate) async fn an_equal_stamp_without_a_difference_is_not_written<H: Harness>() {
    let row = Row::new(1, 5).name("Meyer").with("Visits__c", "3");
    over_meyer::<H>(row, counts(0, 0, 0), "Meyer 3 2024-05-01T10:00:05.000Z").await;
}

/// NULL is compared as a value: `IS DISTINCT FROM`, not `<>`.
pub(crate) async fn a_difference_to_null_is_a_difference<H: Harness>() {
    let row = Row::new(1, 5).name("Meyer");
    over_meyer::<H>(row, counts(0, 1, 0), "Meyer - 2024-05-01T10:00:05.000Z").await;
    let row = Row::new(1, 5)
        .name("Meyer")
        .with("Visits__c", "3")
        .with("Birthdate", "2001-01-01");
    over_meyer::<H>(row, counts(0, 1, 0), "Meyer 3 2024-05-01T10:00:05.000Z").await;
}

/// "Of two rows for one Id in a segment the newer stamp counts", in whatever order they were read.
pub(crate) async fn of_two_rows_in_a_segment_the_newer_counts<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let old = Row::new(1, 6).name("Huber");
    let new = Row::new(1, 7).name("Kunz");
    for rows in [[old.clone(), new.clone()], [new, old]] {
        let (harness, mut table) = with_meyer::<H>().await;
        MERGE.write(&mut table, &rows).await.unwrap();
        assert_eq!(names(&harness, &plan).await, ["Kunz 10:00:07"]);
    }
    let old = Row::new(2, 6).name("Huber");
    let new = Row::new(2, 7).name("Kunz");
    for rows in [[old.clone(), new.clone()], [new, old]] {
        let (harness, mut table) = with_meyer::<H>().await;
        let written = MERGE.write(&mut table, &rows).await.unwrap();
        assert_eq!(written.inserted, 1, "one row came in");
        assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:05", "Kunz 10:00:07"]);
    }
}

/// "At equal stamps the later read."
pub(crate) async fn of_two_rows_with_equal_stamps_the_later_read_counts<H: Harness>() {
    let plan = contact(Deletes::Remove);
    for n in [1, 2] {
        let (harness, mut table) = with_meyer::<H>().await;
        let rows = [Row::new(n, 6).name("Huber"), Row::new(n, 6).name("Kunz")];
        MERGE.write(&mut table, &rows).await.unwrap();
        let found = names(&harness, &plan).await;
        assert_eq!(found.last().map(String::as_str), Some("Kunz 10:00:06"), "{found:?}");
    }
}

/// The same where the rows are in several batches of one segment.
pub(crate) async fn of_two_rows_across_batches_the_newer_counts<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_meyer::<H>().await;
    let batches = [
        [Row::new(1, 8).name("Newest"), Row::new(2, 6).name("First")],
        [Row::new(1, 7).name("Middle"), Row::new(2, 6).name("Second")],
        [Row::new(1, 6).name("Oldest"), Row::new(2, 6).name("Third")],
    ];
    MERGE
        .write_batches(&mut table, batches.iter().map(|rows| batch(rows)).collect())
        .await
        .unwrap();
    assert_eq!(names(&harness, &plan).await, ["Newest 10:00:08", "Third 10:00:06"]);
}
