//! "A commit with `StateWrite::WithRows` whose segment changed no row and noted no delete writes nothing at all, the
//! state included, and says so with empty `Counts`."

use replication::{plan::Deletes, state::Counts};

use super::{
    Harness,
    fixture::{LAST, MERGE, Row, Table, contact, counts, created, epoch, id, names, pending, stamp, state_value},
};

fn rows() -> [Row; 3] {
    [
        Row::new(1, 5)
            .name("Meyer")
            .with("Amount__c", "12.50")
            .with("Active__c", "true"),
        Row::new(2, 5)
            .name("Huber")
            .with("LastSeen__c", "2015-02-10T01:56:14.000Z"),
        Row::new(3, 5)
            .with("OpensAt__c", "07:30:00.000Z")
            .with("Birthdate", "1980-12-01"),
    ]
}

async fn with_rows<H: Harness>(deletes: Deletes) -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(deletes)).await;
    assert_eq!(MERGE.write(&mut table, &rows()).await.unwrap(), counts(3, 0, 0));
    (harness, table)
}

/// Watermark of the state.
async fn watermark<H: Harness>(harness: &H) -> String {
    let expression = H::text_of("watermark", replication::plan::ColumnKind::Timestamp);
    state_value(harness, &expression).await.unwrap()
}

/// "Writes nothing at all": equal rows, older rows, deletes of rows that are not there.
pub(crate) async fn an_unchanged_segment_writes_nothing<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark, Deletes::Ignore] {
        let (harness, mut table) = with_rows::<H>(deletes).await;
        let before = harness.fingerprint().await;
        let mut read = rows().to_vec();
        read.extend([Row::new(1, 4).name("Old"), Row::deleted(8, 4)]);
        for segment in [MERGE, LAST] {
            let written = segment.at(60).write(&mut table, &read).await.unwrap();
            assert!(written.is_empty(), "{written:?}");
        }
        assert_eq!(harness.fingerprint().await, before);
        assert_eq!(watermark(&harness).await, stamp(1), "the state is not written either");
    }
}

/// The same without any row.
pub(crate) async fn an_empty_segment_writes_nothing<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    let before = harness.fingerprint().await;
    assert_eq!(
        LAST.at(60).write_batches(&mut table, vec![]).await.unwrap(),
        Counts::default()
    );
    assert_eq!(LAST.at(60).write(&mut table, &[]).await.unwrap(), Counts::default());
    assert_eq!(harness.fingerprint().await, before);
}

/// `StateWrite::Always`: "In any case."
pub(crate) async fn a_segment_without_rows_writes_its_state_when_told_to<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    assert_eq!(
        LAST.at(60).always().write(&mut table, &rows()).await.unwrap(),
        Counts::default()
    );
    assert_eq!(watermark(&harness).await, stamp(60));
    assert_eq!(state_value(&harness, "rows").await.as_deref(), Some("3"));
}

/// "... and noted no delete": a noted one is written, with the state.
pub(crate) async fn a_noted_delete_writes_the_state<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    assert_eq!(
        MERGE.at(60).write(&mut table, &[Row::deleted(1, 6)]).await.unwrap(),
        Counts::default()
    );
    assert_eq!(pending(&harness).await, [format!("{} 10:00:06", id(1))]);
    assert_eq!(watermark(&harness).await, stamp(60));
}

/// A delete that is held is read again with each overlap; noting what is noted changes nothing.
pub(crate) async fn a_repeated_delete_writes_nothing<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    MERGE.at(60).write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
    let before = harness.fingerprint().await;
    assert_eq!(
        MERGE.at(61).write(&mut table, &[Row::deleted(1, 6)]).await.unwrap(),
        Counts::default()
    );
    assert_eq!(harness.fingerprint().await, before);
}

/// A live read that only takes a pending delete out has changed no row, yet it must be kept: else the last segment
/// would remove a row that lives.
pub(crate) async fn a_taken_out_delete_is_kept_although_no_row_changed<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    MERGE.write(&mut table, &[Row::deleted(2, 5)]).await.unwrap();
    assert_eq!(pending(&harness).await.len(), 1);
    let claimed = epoch(&harness).await;
    assert_eq!(MERGE.write(&mut table, &rows()).await.unwrap(), Counts::default());
    assert!(pending(&harness).await.is_empty());
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), Counts::default());
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await.len(), 3);
    assert_eq!(epoch(&harness).await, claimed);
}
