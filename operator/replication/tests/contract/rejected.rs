//! "A value that does not fit its column rejects its row, not the segment: the row is not written, its former version stays,
//! and `_rejected_row` has one entry for each column that does not fit."

use replication::{
    destination::{Load, ObjectTable, Stretch},
    plan::Deletes,
    state::Counts,
};

use super::{
    Harness,
    fixture::{
        DIRECT, LAST, MERGE, OVERWRITE, Row, Table, batch, contact, counts, created, id, left, names, number_of,
        pending, rejected, state_of,
    },
    listing::listed,
};

async fn with_meyer<H: Harness>(deletes: Deletes) -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(deletes)).await;
    MERGE.write(&mut table, &[Row::new(1, 5).name("Meyer")]).await.unwrap();
    (harness, table)
}

/// A record whose number of visits does not fit.
fn unfit(n: u32, second: u32) -> Row {
    Row::new(n, second).name("Unfit").with("Visits__c", "many")
}

fn rejecting(rejected: u64, other: Counts) -> Counts {
    Counts { rejected, ..other }
}

/// "Rejects its row, not the segment ... its former version stays", in every load.
pub(crate) async fn the_others_are_written_and_the_former_version_stays<H: Harness>() {
    let plan = contact(Deletes::Remove);
    for load in [MERGE, OVERWRITE] {
        let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
        let rows = [
            Row::new(2, 6).name("Huber"),
            unfit(1, 6).with("Birthdate", "soon"),
            unfit(3, 6),
            Row::new(4, 6).name("Kunz"),
        ];
        let written = load.at(9).write(&mut table, &rows).await.unwrap();
        assert_eq!(written, rejecting(2, counts(2, 0, 0)));
        assert_eq!(
            names(&harness, &plan).await,
            ["Meyer 10:00:05", "Huber 10:00:06", "Kunz 10:00:06"]
        );
        let entries = ["1 birthdate 10:00:09", "1 visits 10:00:09", "3 visits 10:00:09"];
        assert_eq!(rejected(&harness).await, entries);
        let state = state_of(&harness, &plan).await;
        assert_eq!((state.rejected, state.rows), (2, 3), "records, not entries");
    }
    let harness = H::start().await;
    let mut table = created(&harness, &plan).await;
    let rows = [unfit(1, 6), Row::new(2, 6).name("Huber")];
    let written = DIRECT.at(9).write(&mut table, &rows).await.unwrap();
    assert_eq!(written, rejecting(1, counts(1, 0, 0)));
    assert_eq!(rejected(&harness).await, ["1 visits 10:00:09"]);
    assert_eq!(names(&harness, &plan).await, ["Huber 10:00:06"]);
}

/// "An entry that is there with the same reason is left alone": the segment then writes nothing, and still says how many
/// are listed. Another reason is another entry.
pub(crate) async fn the_same_rejection_writes_nothing<H: Harness>() {
    let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
    MERGE
        .at(9)
        .write(&mut table, &[unfit(1, 6), unfit(3, 6)])
        .await
        .unwrap();
    let before = harness.fingerprint().await;
    for load in [MERGE, OVERWRITE, LAST] {
        let written = load
            .at(20)
            .write(&mut table, &[unfit(1, 7), unfit(3, 6)])
            .await
            .unwrap();
        assert_eq!(written, rejecting(2, counts(0, 0, 0)));
        assert!(!table.has_written_state());
        assert_eq!(harness.fingerprint().await, before);
    }
    let reasons = harness.query("SELECT reason FROM _rejected_row").await;
    let other = Row::new(1, 8).with("Visits__c", "2147483648");
    MERGE.at(30).write(&mut table, &[other]).await.unwrap();
    assert!(table.has_written_state());
    assert_eq!(rejected(&harness).await, ["1 visits 10:00:30", "3 visits 10:00:09"]);
    assert_ne!(harness.query("SELECT reason FROM _rejected_row").await, reasons);
}

/// "One entry for each column that does not fit": one that fits again has none, while the row is still rejected.
pub(crate) async fn a_column_that_fits_again_loses_its_entry<H: Harness>() {
    let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
    let both = unfit(1, 6).with("Birthdate", "soon");
    MERGE.at(9).write(&mut table, &[both]).await.unwrap();
    MERGE
        .at(10)
        .write(&mut table, &[unfit(1, 7).with("Active__c", "perhaps")])
        .await
        .unwrap();
    assert_eq!(rejected(&harness).await, ["1 active 10:00:10", "1 visits 10:00:09"]);
}

/// "The entries go when the row is written."
pub(crate) async fn a_row_that_is_written_loses_its_entries<H: Harness>() {
    for load in [MERGE, OVERWRITE] {
        let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
        MERGE.write(&mut table, &[unfit(1, 6), unfit(3, 6)]).await.unwrap();
        let fit = [Row::new(1, 7).name("Meier"), Row::new(3, 7).name("Kunz")];
        assert_eq!(load.write(&mut table, &fit).await.unwrap(), counts(1, 1, 0));
        assert!(rejected(&harness).await.is_empty());
        assert_eq!(state_of(&harness, &contact(Deletes::Remove)).await.rejected, 0);
    }
}

/// "Found unchanged through the guard": the record has its former values again. That is a change, and kept.
pub(crate) async fn a_row_that_is_found_unchanged_loses_its_entries<H: Harness>() {
    for load in [MERGE, OVERWRITE] {
        let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
        MERGE.write(&mut table, &[unfit(1, 5)]).await.unwrap();
        assert_eq!(rejected(&harness).await.len(), 1);
        let written = load.write(&mut table, &[Row::new(1, 5).name("Meyer")]).await.unwrap();
        assert_eq!(written, counts(0, 0, 0));
        assert!(table.has_written_state());
        assert!(rejected(&harness).await.is_empty());
    }
}

/// An older page is no news of the record, whether its values fit or not.
pub(crate) async fn an_older_row_changes_no_entry<H: Harness>() {
    let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
    let before = harness.fingerprint().await;
    assert_eq!(MERGE.write(&mut table, &[unfit(1, 4)]).await.unwrap(), counts(0, 0, 0));
    assert_eq!(
        harness.fingerprint().await,
        before,
        "an older row is never written, so it is not rejected"
    );

    MERGE.at(9).write(&mut table, &[unfit(1, 6)]).await.unwrap();
    let before = harness.fingerprint().await;
    MERGE.write(&mut table, &[Row::new(1, 4).name("Old")]).await.unwrap();
    assert_eq!(harness.fingerprint().await, before);
    assert_eq!(rejected(&harness).await, ["1 visits 10:00:09"]);
}

/// "Of two rows for one Id in a segment the newer stamp counts", also where one of them does not fit.
pub(crate) async fn in_a_segment_the_newer_of_fit_and_unfit_counts<H: Harness>() {
    for n in [1, 9] {
        for (first, second, listed) in [
            (unfit(n, 6), Row::new(n, 7), false),
            (Row::new(n, 7), unfit(n, 6), false),
            (unfit(n, 7), Row::new(n, 6), true),
            (Row::new(n, 6), unfit(n, 7), true),
            (unfit(n, 6), Row::new(n, 6), false),
            (Row::new(n, 6), unfit(n, 6), true),
        ] {
            let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
            let rows = [first, second];
            table.begin(Load::Merge).await.unwrap();
            for row in &rows {
                table.write(batch(std::slice::from_ref(row))).await.unwrap();
            }
            let written = LAST.at(9).commit(&mut table).await.unwrap();
            assert_eq!(written.rejected, u64::from(listed), "{rows:?}");
            assert_eq!(rejected(&harness).await.len(), usize::from(listed), "{rows:?}");
        }
    }
}

/// "Noted as deleted and applied": until then the row is there, and so is what its last form lacked.
pub(crate) async fn a_deleted_row_loses_its_entries_when_it_leaves<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark] {
        let (harness, mut table) = with_meyer::<H>(deletes).await;
        MERGE
            .at(9)
            .write(&mut table, &[unfit(1, 6), unfit(3, 6)])
            .await
            .unwrap();
        MERGE.write(&mut table, &[Row::deleted(1, 7)]).await.unwrap();
        assert_eq!(rejected(&harness).await, ["1 visits 10:00:09", "3 visits 10:00:09"]);
        assert_eq!(LAST.write(&mut table, &[]).await.unwrap(), counts(0, 0, 1));
        assert_eq!(rejected(&harness).await, ["3 visits 10:00:09"]);
    }
}

/// "Or has left", by `leave` as by a deletion: a record that never was a row has nothing to be applied.
pub(crate) async fn a_record_without_a_row_loses_its_entries_at_once<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark, Deletes::Ignore] {
        let (harness, mut table) = with_meyer::<H>(deletes).await;
        MERGE
            .at(9)
            .write(&mut table, &[unfit(3, 6), unfit(4, 6), unfit(5, 6)])
            .await
            .unwrap();
        MERGE.leave(&mut table, vec![left(3, None)]).await.unwrap();
        assert!(table.has_written_state());
        MERGE.write(&mut table, &[Row::deleted(4, 7)]).await.unwrap();
        assert!(pending(&harness).await.is_empty());
        assert_eq!(rejected(&harness).await, ["5 visits 10:00:09"], "{deletes:?}");
    }
}

/// The same where the record has a row.
pub(crate) async fn a_row_that_left_loses_its_entries<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark] {
        let (harness, mut table) = with_meyer::<H>(deletes).await;
        MERGE.write(&mut table, &[unfit(1, 6)]).await.unwrap();
        assert_eq!(
            LAST.leave(&mut table, vec![left(1, None)]).await.unwrap(),
            counts(0, 0, 1)
        );
        assert!(rejected(&harness).await.is_empty());
    }
}

/// A record whose values do not fit is alive: its read takes the pending delete out.
pub(crate) async fn a_rejected_row_is_a_live_read<H: Harness>() {
    let (harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
    MERGE.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
    assert_eq!(
        LAST.write(&mut table, &[unfit(1, 7)]).await.unwrap(),
        rejecting(1, counts(0, 0, 0))
    );
    assert!(pending(&harness).await.is_empty());
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await, ["Meyer 10:00:05"]);

    table.begin(Load::Overwrite).await.unwrap();
    table.leave(vec![left(1, None)]).await.unwrap();
    table.write(batch(&[unfit(1, 7)])).await.unwrap();
    assert_eq!(LAST.commit(&mut table).await.unwrap(), rejecting(1, counts(0, 0, 0)));
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await, ["Meyer 10:00:05"]);
}

/// "Listed and not in the table, rejected ones apart"; "with another stamp, or marked; rejected ones apart".
pub(crate) async fn rejected_rows_are_no_difference<H: Harness>() {
    let (_harness, mut table) = with_meyer::<H>(Deletes::Remove).await;
    MERGE.write(&mut table, &[unfit(1, 6), unfit(3, 6)]).await.unwrap();
    let listed = listed(&[(1, 6), (2, 6), (3, 6)]);
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &listed,
    };
    let differences = table.compare(stretch).await.unwrap();
    assert_eq!(differences.missing, [id(2)]);
    assert!(differences.differing.is_empty());
    assert_eq!(differences.surplus, 0);
}

/// `Differences::vanished`: "rejected records that the stretch lacks and of which no row is surplus".
pub(crate) async fn rejected_records_that_vanished_are_told<H: Harness>() {
    for (deletes, expected) in [
        (Deletes::Remove, &[3, 4, 6][..]),
        (Deletes::Mark, &[3, 4, 6]),
        (Deletes::Ignore, &[1, 3, 4, 6]),
    ] {
        let (harness, mut table) = with_meyer::<H>(deletes).await;
        MERGE
            .at(9)
            .write(
                &mut table,
                &[
                    unfit(1, 6),
                    unfit(3, 6),
                    unfit(4, 6),
                    unfit(5, 6),
                    unfit(6, 6).with("Birthdate", "soon"),
                ],
            )
            .await
            .unwrap();
        let before = harness.fingerprint().await;
        let listed = listed(&[(2, 6), (5, 6)]);
        let whole = Stretch {
            after: None,
            until: None,
            listed: &listed,
        };
        let numbers = |ids: &[String]| ids.iter().map(|id| number_of(id)).collect::<Vec<_>>();
        let differences = table.compare(whole).await.unwrap();
        assert_eq!(numbers(&differences.vanished), expected, "{deletes:?}");
        assert_eq!(numbers(&differences.missing), [2]);
        assert_eq!(differences.surplus, 1, "the row of the first is surplus");
        assert_eq!(rejected(&harness).await.len(), 6, "nothing is forgotten unasked");
        if deletes == Deletes::Ignore {
            assert_ne!(harness.fingerprint().await, before, "surplus is noted");
        }

        let (after, until) = (id(3), id(5));
        let stretch = Stretch {
            after: Some(&after),
            until: Some(&until),
            listed: &listed[1..],
        };
        let differences = table.compare(stretch).await.unwrap();
        assert_eq!(numbers(&differences.vanished), [4], "{deletes:?}");
    }
}

/// A marked row is no surplus: nothing else would end the entries of its record.
pub(crate) async fn a_marked_row_keeps_no_rejected_record<H: Harness>() {
    let (harness, mut table) = with_meyer::<H>(Deletes::Mark).await;
    LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
    MERGE.at(9).write(&mut table, &[unfit(1, 7)]).await.unwrap();
    assert_eq!(rejected(&harness).await, ["1 visits 10:00:09"]);
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &[],
    };
    assert_eq!(table.compare(stretch).await.unwrap().vanished, [id(1)]);
    LAST.leave(&mut table, vec![left(1, None)]).await.unwrap();
    assert!(rejected(&harness).await.is_empty());
}
