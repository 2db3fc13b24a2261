//! "Deleted records never become rows." They are noted by the segment that found them and applied by the run's last.

use replication::{
    destination::{Load, ObjectTable},
    plan::Deletes,
};

use super::{
    Harness,
    fixture::{
        DIRECT, LAST, MERGE, Row, Table, batch, checkpoint, contact, contents, counts, created, id, lines, moment,
        named, names, open, pending, state_value,
    },
};

/// A database whose table has rows 1 to 3 of second 5.
async fn with_rows<H: Harness>(deletes: Deletes) -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(deletes)).await;
    let rows = [
        Row::new(1, 5).name("Meyer"),
        Row::new(2, 5).name("Huber"),
        Row::new(3, 5).name("Kunz"),
    ];
    MERGE.write(&mut table, &rows).await.unwrap();
    (harness, table)
}

/// `Deletes::Remove`: "The row leaves the table."
pub(crate) async fn removed_rows_leave_with_the_last_segment<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    let written = LAST
        .write(&mut table, &[Row::deleted(1, 6), Row::new(2, 6).name("Huber")])
        .await
        .unwrap();
    assert_eq!(written, counts(0, 1, 1));
    assert_eq!(
        names(&harness, &contact(Deletes::Remove)).await,
        ["Huber 10:00:06", "Kunz 10:00:05"]
    );
    assert!(pending(&harness).await.is_empty());
}

/// `Deletes::Mark`: "The row stays, with `is_deleted` and `deleted_at`". Both stamps are those of the deletion.
pub(crate) async fn marked_rows_stay_and_say_so<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Mark).await;
    assert_eq!(
        LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap(),
        counts(0, 0, 1)
    );
    let columns = ["last_name", "system_modstamp", "is_deleted", "deleted_at"];
    assert_eq!(
        lines(&harness, &contact(Deletes::Mark), &columns).await,
        [
            "Meyer 2024-05-01T10:00:06.000Z true 2024-05-01T10:00:06.000Z",
            "Huber 2024-05-01T10:00:05.000Z false -",
            "Kunz 2024-05-01T10:00:05.000Z false -",
        ]
    );
    assert!(pending(&harness).await.is_empty());
}

/// "With `Ignore` they are dropped."
pub(crate) async fn ignored_deletes_are_dropped<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Ignore).await;
    let before = harness.fingerprint().await;
    assert_eq!(
        LAST.write(&mut table, &[Row::deleted(1, 6), Row::deleted(9, 6)])
            .await
            .unwrap(),
        counts(0, 0, 0)
    );
    assert_eq!(harness.fingerprint().await, before);
    assert_eq!(names(&harness, &contact(Deletes::Ignore)).await.len(), 3);
    assert!(pending(&harness).await.is_empty());
}

/// "They are applied by the commit that says `Deletions::Apply`", also in a segment without rows of its own.
pub(crate) async fn pending_deletes_wait_for_the_commit_that_applies<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    assert_eq!(
        MERGE
            .write(&mut table, &[Row::deleted(1, 6), Row::deleted(3, 7)])
            .await
            .unwrap(),
        counts(0, 0, 0)
    );
    assert_eq!(
        names(&harness, &plan).await.len(),
        3,
        "nothing leaves before the last segment"
    );
    assert_eq!(
        pending(&harness).await,
        [format!("{} 10:00:06", id(1)), format!("{} 10:00:07", id(3))]
    );
    assert_eq!(
        MERGE.write(&mut table, &[Row::new(4, 6).name("Voss")]).await.unwrap(),
        counts(1, 0, 0)
    );
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 2));
    assert_eq!(names(&harness, &plan).await, ["Huber 10:00:05", "Voss 10:00:06"]);
    assert!(pending(&harness).await.is_empty());
}

/// "Noted ..., if the table has the row".
pub(crate) async fn deletes_are_noted_only_for_rows_that_are_there<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    let other = named(contact(Deletes::Remove), "Lead", "lead");
    let mut lead = created(&harness, &other).await;
    MERGE.write(&mut lead, &[Row::new(9, 1)]).await.unwrap();
    let before = harness.fingerprint().await;
    assert_eq!(
        MERGE
            .write(&mut table, &[Row::deleted(8, 6), Row::deleted(9, 6)])
            .await
            .unwrap(),
        counts(0, 0, 0)
    );
    assert!(pending(&harness).await.is_empty());
    assert_eq!(harness.fingerprint().await, before);
    assert_eq!(
        names(&harness, &other).await.len(),
        1,
        "another object's row with the Id stays"
    );
}

/// "With a stamp that is not newer": equal counts as deleted, newer does not.
pub(crate) async fn a_newer_row_is_not_noted_for_deletion<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    MERGE
        .write(
            &mut table,
            &[Row::deleted(1, 4), Row::deleted(2, 5), Row::deleted(3, 6)],
        )
        .await
        .unwrap();
    assert_eq!(
        pending(&harness).await,
        [format!("{} 10:00:05", id(2)), format!("{} 10:00:06", id(3))]
    );
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 2));
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await, ["Meyer 10:00:05"]);
}

/// "A live read with a stamp that is not older takes the entry out."
pub(crate) async fn a_live_read_takes_the_pending_delete_out<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    MERGE
        .write(&mut table, &[Row::deleted(1, 6), Row::deleted(2, 6)])
        .await
        .unwrap();
    let live = [Row::new(1, 7).name("Meyer"), Row::new(2, 6).name("Huber")];
    assert_eq!(MERGE.write(&mut table, &live).await.unwrap(), counts(0, 2, 0));
    assert!(pending(&harness).await.is_empty());
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 0));
    assert_eq!(
        names(&harness, &contact(Deletes::Remove)).await,
        ["Meyer 10:00:07", "Huber 10:00:06", "Kunz 10:00:05"]
    );
}

/// The same sentence, the other way: an older read leaves it.
pub(crate) async fn an_older_live_read_leaves_the_pending_delete_in<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    MERGE.write(&mut table, &[Row::deleted(1, 8)]).await.unwrap();
    MERGE.write(&mut table, &[Row::new(1, 7).name("Meyer")]).await.unwrap();
    assert_eq!(pending(&harness).await, [format!("{} 10:00:08", id(1))]);
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 1));
    assert_eq!(
        names(&harness, &contact(Deletes::Remove)).await,
        ["Huber 10:00:05", "Kunz 10:00:05"]
    );
}

/// `ColumnSource::IsDeleted`: "false for a row that was read as live"; an undelete has a newer stamp.
pub(crate) async fn an_undelete_unmarks_the_row<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Mark).await;
    LAST.write(&mut table, &[Row::deleted(1, 6), Row::deleted(2, 6)])
        .await
        .unwrap();
    let live = [Row::new(1, 7).name("Meyer"), Row::new(2, 6).name("Huber")];
    assert_eq!(LAST.write(&mut table, &live).await.unwrap(), counts(0, 2, 0));
    let columns = ["last_name", "system_modstamp", "is_deleted", "deleted_at"];
    assert_eq!(
        lines(&harness, &contact(Deletes::Mark), &columns).await[..2],
        [
            "Meyer 2024-05-01T10:00:07.000Z false -",
            "Huber 2024-05-01T10:00:06.000Z false -"
        ]
    );
}

/// "An older one never is" holds for marked rows too: a page read before the deletion cannot bring the row back.
pub(crate) async fn an_old_live_read_does_not_unmark_the_row<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Mark).await;
    LAST.write(&mut table, &[Row::deleted(1, 7)]).await.unwrap();
    for second in [5, 6] {
        assert_eq!(
            LAST.write(&mut table, &[Row::new(1, second).name("Meyer")])
                .await
                .unwrap(),
            counts(0, 0, 0),
            "{second}"
        );
    }
    assert_eq!(
        lines(&harness, &contact(Deletes::Mark), &["is_deleted"]).await,
        ["true", "false", "false"]
    );
}

/// "Noted ..., if the table has the row, not yet marked".
pub(crate) async fn a_marked_row_is_not_noted_again<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Mark).await;
    LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
    let before = harness.fingerprint().await;
    for row in [Row::deleted(1, 6), Row::deleted(1, 7)] {
        assert_eq!(LAST.write(&mut table, &[row]).await.unwrap(), counts(0, 0, 0));
    }
    assert_eq!(harness.fingerprint().await, before);
    assert_eq!(
        lines(&harness, &contact(Deletes::Mark), &["deleted_at"]).await[0],
        "2024-05-01T10:00:06.000Z"
    );
}

/// "Deleted records never become rows", whatever the load.
pub(crate) async fn a_delete_in_a_direct_load_never_becomes_a_row<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark, Deletes::Ignore] {
        let harness = H::start().await;
        let plan = contact(deletes);
        let mut table = created(&harness, &plan).await;
        let rows = [Row::deleted(1, 1), Row::new(2, 1).name("Meyer"), Row::deleted(3, 1)];
        assert_eq!(DIRECT.write(&mut table, &rows).await.unwrap(), counts(1, 0, 0));
        assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:01"]);
        assert!(pending(&harness).await.is_empty());
    }
}

/// "Of two rows for one Id in a segment the newer stamp counts, at equal stamps the later read" also where one of them
/// is deleted.
pub(crate) async fn in_a_segment_the_newer_of_row_and_delete_counts<H: Harness>() {
    let plan = contact(Deletes::Remove);
    for n in [1, 9] {
        for (first, second, stays) in [
            (Row::new(n, 6), Row::deleted(n, 7), false),
            (Row::deleted(n, 7), Row::new(n, 6), false),
            (Row::new(n, 7), Row::deleted(n, 6), true),
            (Row::deleted(n, 6), Row::new(n, 7), true),
            (Row::deleted(n, 6), Row::new(n, 6), true),
            (Row::new(n, 6), Row::deleted(n, 6), false),
        ] {
            let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
            let rows = [first, second];
            table.begin(Load::Merge).await.unwrap();
            for row in &rows {
                table.write(batch(std::slice::from_ref(row))).await.unwrap();
            }
            LAST.at(8).always().commit(&mut table).await.unwrap();
            let ids = lines(&harness, &plan, &["salesforce_id"]).await;
            assert_eq!(ids.contains(&id(n)), stays, "{rows:?}");
            assert!(pending(&harness).await.is_empty(), "{rows:?}");
            let count = harness.query("SELECT count(*) FROM contact").await;
            assert_eq!(count[0][0], state_value(&harness, "rows").await, "{rows:?}");
        }
    }
}

/// The same sentence for a record that came and went between two runs: its older form is never written, not even for
/// the time until the deletes are applied.
pub(crate) async fn a_record_that_came_and_went_in_a_segment_never_becomes_a_row<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark] {
        let (harness, mut table) = with_rows::<H>(deletes).await;
        let before = harness.fingerprint().await;
        for rows in [
            [Row::new(9, 6), Row::deleted(9, 7)],
            [Row::deleted(9, 7), Row::new(9, 6)],
        ] {
            assert_eq!(
                MERGE.write(&mut table, &rows).await.unwrap(),
                counts(0, 0, 0),
                "{rows:?}"
            );
            assert_eq!(harness.fingerprint().await, before, "{rows:?}");
        }
        assert_eq!(names(&harness, &contact(deletes)).await.len(), 3);
        assert!(pending(&harness).await.is_empty());
    }
}

/// `ObjectPlan::is_deleted`: "without it every row is live".
pub(crate) async fn without_is_deleted_every_row_is_live<H: Harness>() {
    let harness = H::start().await;
    let mut plan = contact(Deletes::Remove);
    plan.is_deleted = None;
    let mut table = created(&harness, &plan).await;
    assert_eq!(
        LAST.write(&mut table, &[Row::deleted(1, 1), Row::new(2, 1)])
            .await
            .unwrap(),
        counts(2, 0, 0)
    );
    assert_eq!(contents(&harness, &plan).await.len(), 2);
}

/// What a segment noted is in the database, and another process applies it.
pub(crate) async fn a_pending_delete_survives_a_crash<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    MERGE.write(&mut table, &[Row::deleted(2, 6)]).await.unwrap();
    table.begin(Load::Merge).await.unwrap();
    table.write(batch(&[Row::deleted(3, 6)])).await.unwrap();
    drop(table);
    let mut table = open(&harness.destination(), &plan).await;
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 1));
    assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:05", "Kunz 10:00:05"]);
}

/// Deletes that were noted of rows of a table that somebody has emptied are forgotten by `create`: nothing would ever let
/// them go.
pub(crate) async fn deletes_of_an_emptied_table_are_forgotten<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let harness = H::start().await;
    let mut table = created(&harness, &plan).await;
    MERGE
        .write(&mut table, &[Row::new(1, 5), Row::new(2, 5)])
        .await
        .unwrap();
    MERGE.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
    assert_eq!(pending(&harness).await.len(), 1);
    harness.query("DELETE FROM contact").await;
    let mut table = open(&harness.destination(), &plan).await;
    table.create(&checkpoint(7), moment(7)).await.unwrap();
    assert!(pending(&harness).await.is_empty());
}
