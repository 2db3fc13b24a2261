//! "`read_state` remembers the epoch it read. The first commit (or `create`, or `touch` never) claims the object: it
//! makes the epoch one higher where it is still the one read; later ones lock the state row and compare, just before
//! merging. Whoever finds another epoch gets `Error::Fenced`, nothing is written."

use replication::{
    Error, Result,
    destination::{Destination, Load, ObjectTable, StateWrite},
    plan::Deletes,
    state::Counts,
};

use super::{
    Harness,
    fixture::{ADMIT, LAST, MERGE, Row, batch, checkpoint, contact, counts, created, epoch, moment, names, open},
};

fn assert_fenced<T: std::fmt::Debug>(result: &Result<T>) {
    assert!(
        matches!(result, Err(Error::Fenced { object }) if object.as_str() == "Contact"),
        "{result:?}"
    );
}

/// A database with a table whose creator is gone.
async fn prepared<H: Harness>() -> H {
    let harness = H::start().await;
    drop(created(&harness, &contact(Deletes::Remove)).await);
    harness
}

/// "The first commit claims the object ... later ones compare."
pub(crate) async fn the_first_commit_claims_and_later_ones_do_not<H: Harness>() {
    let harness = prepared::<H>().await;
    let before = epoch(&harness).await;
    let mut table = open(&harness.destination(), &contact(Deletes::Remove)).await;
    assert_eq!(epoch(&harness).await, before, "reading claims nothing");
    for second in 1..=3 {
        MERGE.write(&mut table, &[Row::new(1, second)]).await.unwrap();
        assert_eq!(epoch(&harness).await, before + 1);
    }
}

/// "(or `create`)"
pub(crate) async fn create_claims_and_the_first_commit_does_not_claim_again<H: Harness>() {
    let harness = prepared::<H>().await;
    let before = epoch(&harness).await;
    let mut table = open(&harness.destination(), &contact(Deletes::Remove)).await;
    table.create(&checkpoint(0), moment(0)).await.unwrap();
    assert_eq!(epoch(&harness).await, before + 1);
    MERGE.write(&mut table, &[Row::new(1, 1)]).await.unwrap();
    table.create(&checkpoint(0), moment(0)).await.unwrap();
    assert_eq!(epoch(&harness).await, before + 1);
}

/// "Whoever finds another epoch gets `Error::Fenced`, nothing is written", whether it had claimed or only read.
pub(crate) async fn a_claim_fences_the_other_process<H: Harness>() {
    let plan = contact(Deletes::Remove);
    for claimed_before in [false, true] {
        let harness = prepared::<H>().await;
        let mut stalled = open(&harness.destination(), &plan).await;
        if claimed_before {
            MERGE
                .write(&mut stalled, &[Row::new(1, 1).name("Before")])
                .await
                .unwrap();
        }
        let mut successor = open(&harness.destination(), &plan).await;
        MERGE
            .write(&mut successor, &[Row::new(1, 2).name("Successor")])
            .await
            .unwrap();
        let before = harness.fingerprint().await;

        assert_fenced(&MERGE.write(&mut stalled, &[Row::new(1, 3).name("Stalled")]).await);
        stalled.rollback().await.unwrap();
        assert_fenced(&LAST.always().write(&mut stalled, &[Row::deleted(1, 3)]).await);
        stalled.rollback().await.unwrap();
        assert_fenced(&stalled.create(&checkpoint(9), moment(9)).await);
        assert_eq!(harness.fingerprint().await, before);
        assert_eq!(names(&harness, &plan).await, ["Successor 10:00:02"]);
        assert_eq!(
            MERGE.write(&mut successor, &[Row::new(1, 4).name("On")]).await.unwrap(),
            counts(0, 1, 0)
        );
    }
}

/// The same by `create` alone.
pub(crate) async fn create_of_a_second_process_is_fenced<H: Harness>() {
    let harness = prepared::<H>().await;
    let plan = contact(Deletes::Remove);
    let mut first = open(&harness.destination(), &plan).await;
    let mut second = open(&harness.destination(), &plan).await;
    first.create(&checkpoint(1), moment(1)).await.unwrap();
    let before = harness.fingerprint().await;
    assert_fenced(&second.create(&checkpoint(2), moment(2)).await);
    assert_eq!(harness.fingerprint().await, before);
    MERGE.write(&mut first, &[Row::new(1, 1)]).await.unwrap();
}

/// Design 6.9: "(no row: an insert)": of two processes that found no state one wins.
pub(crate) async fn a_first_create_of_two_wins<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let destination = harness.destination();
    destination.prepare().await.unwrap();
    let mut first = open(&destination, &plan).await;
    let mut second = open(&harness.destination(), &plan).await;
    first.create(&checkpoint(1), moment(1)).await.unwrap();
    assert_fenced(&second.create(&checkpoint(2), moment(2)).await);
    MERGE.write(&mut first, &[Row::new(1, 1)]).await.unwrap();
}

/// `touch`: "`Error::Fenced` where another process has claimed the object"; "claims nothing".
pub(crate) async fn touch_is_fenced_and_claims_nothing<H: Harness>() {
    let harness = prepared::<H>().await;
    let plan = contact(Deletes::Remove);
    let before = epoch(&harness).await;
    let mut first = open(&harness.destination(), &plan).await;
    let mut second = open(&harness.destination(), &plan).await;
    first.touch(&checkpoint(1), moment(1)).await.unwrap();
    second.touch(&checkpoint(2), moment(2)).await.unwrap();
    first.touch(&checkpoint(3), moment(3)).await.unwrap();
    assert_eq!(epoch(&harness).await, before);
    MERGE.write(&mut second, &[Row::new(1, 1)]).await.unwrap();
    let written = harness.fingerprint().await;
    assert_fenced(&first.touch(&checkpoint(4), moment(4)).await);
    assert_eq!(harness.fingerprint().await, written);
    second.touch(&checkpoint(5), moment(5)).await.unwrap();
}

/// Design 6.9: "reads anew at the next tick and may claim again".
pub(crate) async fn who_was_fenced_reads_anew_and_claims<H: Harness>() {
    let harness = prepared::<H>().await;
    let plan = contact(Deletes::Remove);
    let mut first = open(&harness.destination(), &plan).await;
    let mut second = open(&harness.destination(), &plan).await;
    MERGE.write(&mut first, &[Row::new(1, 1).name("First")]).await.unwrap();
    for second_of in 2..=4 {
        assert_fenced(&MERGE.write(&mut second, &[Row::new(1, second_of)]).await);
        second.rollback().await.unwrap();
        second.read_state().await.unwrap().unwrap();
        MERGE
            .write(&mut second, &[Row::new(1, second_of).name("Second")])
            .await
            .unwrap();
        std::mem::swap(&mut first, &mut second);
    }
    assert_eq!(names(&harness, &plan).await, ["Second 10:00:04"]);
}

/// "Later ones lock the state row and compare, just before merging": a claim between a segment's begin and its commit
/// counts. Where an open segment keeps all writers out, the claim waits for the commit, and is fenced itself.
pub(crate) async fn a_claim_in_the_middle_of_a_segment_fences_its_commit<H: Harness>() {
    let harness = prepared::<H>().await;
    let plan = contact(Deletes::Remove);
    let mut first = open(&harness.destination(), &plan).await;
    MERGE.write(&mut first, &[Row::new(1, 1).name("Before")]).await.unwrap();
    for load in [Load::Merge, Load::Direct] {
        let mut second = open(&harness.destination(), &plan).await;
        first.read_state().await.unwrap();
        first.begin(load).await.unwrap();
        first.write(batch(&[Row::new(2, 2).name("Middle")])).await.unwrap();
        if H::SEGMENT_LOCKS_DATABASE {
            let (at, moment) = (checkpoint(2), moment(2));
            let commit = first.commit(&at, ADMIT, StateWrite::WithRows, moment);
            let claim = second.create(&at, moment);
            let (committed, claimed): (Result<Counts>, _) = tokio::join!(commit, claim);
            assert_eq!(committed.unwrap(), counts(1, 0, 0));
            assert_fenced(&claimed);
            harness.query("DELETE FROM contact WHERE last_name = 'Middle'").await;
        } else {
            second.create(&checkpoint(2), moment(2)).await.unwrap();
            let before = harness.fingerprint().await;
            assert_fenced(
                &first
                    .commit(&checkpoint(3), ADMIT, StateWrite::WithRows, moment(3))
                    .await,
            );
            first.rollback().await.unwrap();
            assert_eq!(harness.fingerprint().await, before);
            assert_eq!(names(&harness, &plan).await, ["Before 10:00:01"]);
        }
    }
}

/// A commit that writes nothing has nothing to claim for.
pub(crate) async fn a_segment_that_changes_nothing_claims_nothing<H: Harness>() {
    let harness = prepared::<H>().await;
    let plan = contact(Deletes::Remove);
    let before = epoch(&harness).await;
    let mut first = open(&harness.destination(), &plan).await;
    let mut second = open(&harness.destination(), &plan).await;
    assert_eq!(LAST.write(&mut first, &[]).await.unwrap(), Counts::default());
    assert_eq!(epoch(&harness).await, before);
    MERGE.write(&mut second, &[Row::new(1, 1)]).await.unwrap();
    assert_eq!(epoch(&harness).await, before + 1);
}

/// A claim is part of its transaction: rolled back, it was none.
pub(crate) async fn a_rolled_back_claim_is_made_again<H: Harness>() {
    let harness = prepared::<H>().await;
    let plan = contact(Deletes::Remove);
    let before = epoch(&harness).await;
    let mut table = open(&harness.destination(), &plan).await;
    table.begin(Load::Merge).await.unwrap();
    table.write(batch(&[Row::new(1, 1)])).await.unwrap();
    table.rollback().await.unwrap();
    assert_eq!(epoch(&harness).await, before);
    MERGE.write(&mut table, &[Row::new(1, 1)]).await.unwrap();
    assert_eq!(epoch(&harness).await, before + 1);
    MERGE.write(&mut table, &[Row::new(2, 1)]).await.unwrap();
}
