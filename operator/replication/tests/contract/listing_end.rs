//! How a listing ends: `StateWrite::Counted` counts the rows "before the guard looks", and `admits` tells "whether the guard
//! would let the pending deletes go that nobody has confirmed, as the table is at this moment".

use replication::{
    destination::{Deletions, Load, ObjectTable, StateWrite},
    guard::Guard,
    plan::Deletes,
    state::Counts,
};

use super::{
    Harness,
    fixture::{
        LAST, MERGE, Row, Table, checkpoint, contact, counts, created, id, left, moment, pending, state_of, state_value,
    },
};

/// A day, in seconds.
const DAY: u32 = 86_400;

/// A database whose table has rows 1 to `rows` of second 5.
async fn with_rows<H: Harness>(rows: u32, deletes: Deletes) -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(deletes)).await;
    let rows: Vec<_> = (1..=rows).map(|n| Row::new(n, 5)).collect();
    MERGE.write(&mut table, &rows).await.unwrap();
    (harness, table)
}

const fn guard(max_percent: u8) -> Guard {
    Guard {
        max_percent,
        found_since: None,
    }
}

/// Ends a listing in which these records left, under a guard of 10 %.
async fn end_listing(table: &mut impl ObjectTable, rows: &[Row], gone: &[u32]) -> Counts {
    table.begin(Load::Merge).await.unwrap();
    table.write(super::fixture::batch(rows)).await.unwrap();
    table
        .leave(gone.iter().map(|n| left(*n, None)).collect())
        .await
        .unwrap();
    let deletions = Deletions::Apply(guard(10));
    table
        .commit(&checkpoint(9), deletions, StateWrite::Counted, moment(9))
        .await
        .unwrap()
}

/// The state takes the number of rows from the table, with those that came and without those that left.
pub(crate) async fn rows_are_counted_at_the_end<H: Harness>() {
    for (deletes, expected) in [(Deletes::Remove, "6"), (Deletes::Mark, "7"), (Deletes::Ignore, "7")] {
        let (harness, mut table) = with_rows::<H>(8, deletes).await;
        harness
            .query(&format!(
                "DELETE FROM contact WHERE salesforce_id IN ('{}', '{}')",
                id(7),
                id(8)
            ))
            .await;
        let deleted = u64::from(deletes != Deletes::Ignore);
        let written = end_listing(&mut table, &[Row::new(9, 6)], &[1]).await;
        assert_eq!(written, counts(1, 0, deleted), "{deletes:?}");
        assert!(table.has_written_state());
        assert_eq!(
            state_value(&harness, "rows").await.as_deref(),
            Some(expected),
            "{deletes:?}"
        );

        // "In any case": without a change too.
        assert_eq!(end_listing(&mut table, &[], &[]).await, Counts::default());
        assert!(table.has_written_state());
        assert_eq!(
            state_value(&harness, "rows").await.as_deref(),
            Some(expected),
            "{deletes:?}"
        );
    }
}

/// A table that somebody emptied is not guarded by the rows that it had, nor one that somebody filled.
pub(crate) async fn the_guard_sees_the_rows_that_are_there<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(20, Deletes::Remove).await;
    harness
        .query(&format!("DELETE FROM contact WHERE salesforce_id > '{}'", id(4)))
        .await;
    // Three of the twenty that the state has would be let go.
    let held = Counts {
        held: 3,
        ..Counts::default()
    };
    assert_eq!(end_listing(&mut table, &[], &[1, 2, 3]).await, held);
    assert_eq!(state_value(&harness, "rows").await.as_deref(), Some("4"));
    harness.query("UPDATE _replication_state SET rows = 0").await;
    let back: Vec<_> = (5..=20).map(|n| Row::new(n, 6)).collect();
    assert_eq!(end_listing(&mut table, &back, &[]).await, counts(16, 0, 3));
    assert_eq!(state_value(&harness, "rows").await.as_deref(), Some("17"));
}

/// It says what the commit would do, and writes nothing.
pub(crate) async fn admits_says_what_a_commit_would_do<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark] {
        let (harness, mut table) = with_rows::<H>(6, deletes).await;
        assert!(table.admits(guard(10), moment(9)).await.unwrap(), "nothing is pending");
        LAST.guarded(10)
            .leave(&mut table, (1..=4).map(|n| left(n, None)).collect())
            .await
            .unwrap();
        let before = harness.fingerprint().await;
        assert!(!table.admits(guard(10), moment(9)).await.unwrap());
        assert!(table.admits(guard(100), moment(9)).await.unwrap());
        assert_eq!(harness.fingerprint().await, before);
        assert_eq!(pending(&harness).await.len(), 4);

        // Three of six are not too many; they count for a day, and marked rows count no more.
        let read = [Row::new(4, 7)];
        assert_eq!(LAST.guarded(10).write(&mut table, &read).await.unwrap().deleted, 3);
        LAST.guarded(10).leave(&mut table, vec![left(4, None)]).await.unwrap();
        assert!(!table.admits(guard(10), moment(9)).await.unwrap(), "four within a day");
        assert!(table.admits(guard(10), moment(9 + DAY)).await.unwrap(), "{deletes:?}");
        let token = table.held().await.unwrap().unwrap().token;
        assert!(table.confirm(&token, moment(9)).await.unwrap());
        let plan = contact(deletes);
        assert_eq!(state_of(&harness, &plan).await.confirmed, 1);
    }
}
