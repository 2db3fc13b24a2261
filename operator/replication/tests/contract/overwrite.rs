//! "With `Load::Overwrite` a row is written wherever any column differs, its stamp among them, whatever is newer; a marked row
//! that is read as live is unmarked."

use replication::plan::Deletes;

use super::{
    Harness,
    fixture::{LAST, MERGE, OVERWRITE, Row, Table, contact, counts, created, id, lines, names, pending, state_value},
};

async fn with_meyer<H: Harness>(deletes: Deletes) -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(deletes)).await;
    let row = Row::new(1, 5).name("Meyer").with("Visits__c", "3");
    MERGE.write(&mut table, &[row]).await.unwrap();
    (harness, table)
}

/// "Whatever is newer", and new rows too.
pub(crate) async fn a_row_read_by_id_is_written_whatever_is_newer<H: Harness>() {
    let plan = contact(Deletes::Remove);
    for second in [4, 5, 6] {
        let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
        let rows = [Row::new(1, second).name("Huber"), Row::new(2, second).name("Kunz")];
        assert_eq!(OVERWRITE.write(&mut table, &rows).await.unwrap(), counts(1, 1, 0));
        let expected = [format!("Huber 10:00:0{second}"), format!("Kunz 10:00:0{second}")];
        assert_eq!(names(&harness, &plan).await, expected);
        assert_eq!(lines(&harness, &plan, &["visits"]).await, ["-", "-"]);
        assert_eq!(state_value(&harness, "rows").await.as_deref(), Some("2"));
    }
}

/// "Any column differs, its stamp among them."
pub(crate) async fn a_stamp_that_differs_is_written<H: Harness>() {
    let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
    let row = |second| [Row::new(1, second).name("Meyer").with("Visits__c", "3")];
    assert_eq!(OVERWRITE.write(&mut table, &row(4)).await.unwrap(), counts(0, 1, 0));
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await, ["Meyer 10:00:04"]);
    let before = harness.fingerprint().await;
    assert_eq!(OVERWRITE.write(&mut table, &row(4)).await.unwrap(), counts(0, 0, 0));
    assert_eq!(harness.fingerprint().await, before, "an equal row is not written");
}

/// "A marked row that is read as live is unmarked", also with an older stamp than that of its deletion.
pub(crate) async fn a_marked_row_read_by_id_is_unmarked<H: Harness>() {
    let plan = contact(Deletes::Mark);
    for second in [5, 6, 7] {
        let (harness, mut table) = with_meyer::<H>(Deletes::Mark).await;
        LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
        let live = [Row::new(1, second).name("Meyer")];
        assert_eq!(OVERWRITE.write(&mut table, &live).await.unwrap(), counts(0, 1, 0));
        let columns = ["last_name", "system_modstamp", "is_deleted", "deleted_at"];
        let expected = format!("Meyer 2024-05-01T10:00:0{second}.000Z false -");
        assert_eq!(lines(&harness, &plan, &columns).await, [expected]);
    }
}

/// "Deleted records never become rows": those read by Id are noted like others.
pub(crate) async fn deleted_records_read_by_id_are_noted<H: Harness>() {
    let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
    let read = [Row::deleted(1, 6), Row::deleted(2, 6)];
    assert_eq!(OVERWRITE.write(&mut table, &read).await.unwrap(), counts(0, 0, 0));
    assert_eq!(pending(&harness).await, [format!("{} 10:00:06", id(1))]);
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 1));
    assert!(names(&harness, &contact(Deletes::Remove)).await.is_empty());
}

/// Rows read by Id count "whatever their stamp": a row that somebody or a wrong clock made newer than its deletion leaves all the
/// same.
pub(crate) async fn a_deleted_record_read_by_id_leaves_though_its_row_be_newer<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark] {
        let plan = contact(deletes);
        let (harness, mut table) = with_meyer::<H>(deletes).await;
        LAST.write(&mut table, &[Row::new(1, 9).name("Meyer")]).await.unwrap();
        OVERWRITE.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
        assert_eq!(pending(&harness).await, [format!("{} 10:00:09", id(1))]);
        assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 1));
        let expected = if deletes == Deletes::Mark {
            vec!["Meyer true"]
        } else {
            vec![]
        };
        assert_eq!(
            lines(&harness, &plan, &["last_name", "is_deleted"][..=expected.len()]).await,
            expected
        );
    }
}
