//! "Records that left: absent from Salesforce, or outside the condition. They are noted like deleted records."

use replication::{
    destination::{Load, ObjectTable},
    plan::Deletes,
};

use super::{
    Harness,
    fixture::{
        LAST, MERGE, OVERWRITE, Row, Table, batch, contact, counts, created, id, left, lines, names, pending,
        state_value,
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

/// "With the stamp that is given or, where the table's is newer or none is given, with the table's own, so that the entry
/// always applies to the row that is there."
pub(crate) async fn who_left_is_noted_with_a_stamp_that_applies<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark] {
        let plan = contact(deletes);
        let (harness, mut table) = with_rows::<H>(deletes).await;
        let gone = vec![left(1, Some(7)), left(2, Some(4)), left(3, None)];
        assert_eq!(MERGE.at(8).leave(&mut table, gone).await.unwrap(), counts(0, 0, 0));
        assert!(table.has_written_state());
        let expected = [(1, "10:00:07"), (2, "10:00:05"), (3, "10:00:05")];
        assert_eq!(
            pending(&harness).await,
            expected.map(|(n, stamp)| format!("{} {stamp}", id(n)))
        );
        assert_eq!(
            names(&harness, &plan).await.len(),
            3,
            "nothing leaves before the last segment"
        );

        assert_eq!(LAST.at(9).write(&mut table, &[]).await.unwrap(), counts(0, 0, 3));
        assert!(pending(&harness).await.is_empty());
        let rows = if deletes == Deletes::Remove { "0" } else { "3" };
        assert_eq!(state_value(&harness, "rows").await.as_deref(), Some(rows));
        match deletes {
            Deletes::Mark => {
                let found = lines(
                    &harness,
                    &plan,
                    &["last_name", "is_deleted", "deleted_at", "system_modstamp"],
                )
                .await;
                let at = |second: u32| format!("true 2024-05-01T10:00:0{second}.000Z 2024-05-01T10:00:0{second}.000Z");
                let expected = [("Meyer", 7), ("Huber", 5), ("Kunz", 5)];
                assert_eq!(found, expected.map(|(name, second)| format!("{name} {}", at(second))));
            }
            Deletes::Remove | Deletes::Ignore => assert!(names(&harness, &plan).await.is_empty()),
        }
    }
}

/// Noted "if the table has the row, not yet marked"; else nothing is written.
pub(crate) async fn who_is_not_there_or_marked_does_not_leave<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Mark).await;
    LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
    let before = harness.fingerprint().await;
    let gone = vec![left(1, Some(8)), left(1, None), left(9, Some(8))];
    assert_eq!(LAST.leave(&mut table, gone).await.unwrap(), counts(0, 0, 0));
    assert!(!table.has_written_state());
    assert_eq!(harness.fingerprint().await, before);
}

/// "With `Ignore` nothing is noted."
pub(crate) async fn with_ignore_nobody_leaves<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Ignore).await;
    let before = harness.fingerprint().await;
    let gone = vec![left(1, Some(8)), left(2, None), left(9, None)];
    assert_eq!(LAST.leave(&mut table, gone).await.unwrap(), counts(0, 0, 0));
    assert_eq!(harness.fingerprint().await, before);
    assert_eq!(names(&harness, &contact(Deletes::Ignore)).await.len(), 3);
}

/// "A live row of the same segment that comes after it takes the entry out again", whatever its stamp.
pub(crate) async fn a_live_row_behind_it_takes_it_back<H: Harness>() {
    for load in [Load::Merge, Load::Overwrite] {
        for (row, changed) in [
            (Row::new(1, 5).name("Meyer"), 0),
            (Row::new(1, 6).name("Meyer"), 1),
            (Row::new(1, 4).name("Meyer"), u64::from(load == Load::Overwrite)),
        ] {
            let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
            let before = harness.fingerprint().await;
            table.begin(load).await.unwrap();
            table.leave(vec![left(1, None), left(1, Some(4))]).await.unwrap();
            table.write(batch(&[row])).await.unwrap();
            assert_eq!(
                LAST.commit(&mut table).await.unwrap(),
                counts(0, changed, 0),
                "{load:?}"
            );
            assert!(pending(&harness).await.is_empty());
            assert_eq!(harness.fingerprint().await == before, changed == 0, "{load:?}");
            assert_eq!(names(&harness, &contact(Deletes::Remove)).await.len(), 3);
        }
    }
}

/// The reverse: who left "behind the rows that were written into it before" leaves in the form that they gave it.
pub(crate) async fn who_leaves_behind_a_live_row_leaves<H: Harness>() {
    for load in [Load::Merge, Load::Overwrite] {
        let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
        table.begin(load).await.unwrap();
        table.write(batch(&[Row::new(1, 6).name("Meier")])).await.unwrap();
        table.leave(vec![left(1, None)]).await.unwrap();
        assert_eq!(MERGE.commit(&mut table).await.unwrap(), counts(0, 1, 0));
        assert_eq!(pending(&harness).await, [format!("{} 10:00:06", id(1))]);
        assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 1));
        assert_eq!(
            names(&harness, &contact(Deletes::Remove)).await,
            ["Huber 10:00:05", "Kunz 10:00:05"]
        );
    }
}

/// Segments have several batches, and records leave in between.
pub(crate) async fn who_leaves_and_who_comes_back_across_batches<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    table.begin(Load::Overwrite).await.unwrap();
    table.leave(vec![left(1, None), left(2, None)]).await.unwrap();
    table.write(batch(&[Row::new(1, 5).name("Meyer")])).await.unwrap();
    table.leave(vec![left(3, None)]).await.unwrap();
    table
        .write(batch(&[Row::new(3, 5).name("Kunz"), Row::new(4, 5)]))
        .await
        .unwrap();
    table.leave(vec![left(1, None)]).await.unwrap();
    assert_eq!(LAST.commit(&mut table).await.unwrap(), counts(1, 0, 2));
    assert_eq!(
        lines(&harness, &contact(Deletes::Remove), &["salesforce_id"]).await,
        [id(3), id(4)]
    );
}

/// To leave again is no change, and moves the entry to no later place among those that are held.
pub(crate) async fn leaving_again_changes_nothing<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    MERGE
        .at(10)
        .leave(&mut table, vec![left(1, Some(7)), left(2, None)])
        .await
        .unwrap();
    let held = table.held().await.unwrap().unwrap();
    let before = harness.fingerprint().await;
    let again = vec![left(1, None), left(1, Some(7)), left(2, Some(3)), left(2, None)];
    MERGE.at(20).leave(&mut table, again).await.unwrap();
    assert_eq!(harness.fingerprint().await, before);

    MERGE.at(30).leave(&mut table, vec![left(1, Some(9))]).await.unwrap();
    let expected = [format!("{} 10:00:09", id(1)), format!("{} 10:00:05", id(2))];
    assert_eq!(pending(&harness).await, expected, "a newer stamp is taken");
    assert_eq!(table.held().await.unwrap().unwrap(), held);
}

/// "A live read with a stamp that is not older takes the entry out"; one that was read by Id does so "whatever is newer".
pub(crate) async fn who_left_earlier_comes_back<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    let gone = || vec![left(1, Some(7)), left(2, None), left(3, Some(7))];
    MERGE.leave(&mut table, gone()).await.unwrap();
    let read = [Row::new(1, 6).name("Meyer"), Row::new(2, 5).name("Huber")];
    assert_eq!(MERGE.write(&mut table, &read).await.unwrap(), counts(0, 1, 0));
    let expected = [1, 3].map(|n| format!("{} 10:00:07", id(n)));
    assert_eq!(
        pending(&harness).await,
        expected,
        "the read of row 1 is older than its entry"
    );

    let read = [Row::new(1, 4).name("Meyer"), Row::new(3, 5).name("Kunz")];
    assert_eq!(OVERWRITE.write(&mut table, &read).await.unwrap(), counts(0, 1, 0));
    assert!(pending(&harness).await.is_empty());
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 0));
    assert_eq!(
        names(&harness, &plan).await,
        ["Meyer 10:00:04", "Huber 10:00:05", "Kunz 10:00:05"]
    );
}

/// What a segment noted goes with its rollback.
pub(crate) async fn a_rollback_takes_leaving_back<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(Deletes::Remove).await;
    let before = harness.fingerprint().await;
    table.begin(Load::Merge).await.unwrap();
    table.leave(vec![left(1, None)]).await.unwrap();
    table.rollback().await.unwrap();
    assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 0));
    assert_eq!(harness.fingerprint().await, before);
}
