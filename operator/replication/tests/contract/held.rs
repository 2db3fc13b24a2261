//! "The delete guard. `Deletions::Apply` asks `Guard` within the transaction: the object's pending entries that are not confirmed
//! against the window and the rows of the state."

use replication::{Error, destination::ObjectTable, plan::Deletes, state::Counts};

use super::{
    Harness,
    fixture::{
        LAST, MERGE, Row, Table, contact, counts, created, epoch, id, left, lines, moment, names, open, pending,
        state_of, state_value,
    },
};

/// A day, in seconds.
const DAY: u32 = 86_400;

/// A database whose table has rows 1 to `rows` of second 5.
async fn with_rows<H: Harness>(rows: u32, deletes: Deletes) -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(deletes)).await;
    let rows: Vec<_> = (1..=rows).map(|n| Row::new(n, 5).name(&format!("Name {n}"))).collect();
    MERGE.write(&mut table, &rows).await.unwrap();
    (harness, table)
}

fn deleted(ids: impl IntoIterator<Item = u32>) -> Vec<Row> {
    ids.into_iter().map(|n| Row::deleted(n, 6)).collect()
}

fn holding(held: u64, other: Counts) -> Counts {
    Counts { held, ..other }
}

/// "What it holds stays noted, and `Counts::held` tells how many"; what it admits is applied. Upserts go on.
pub(crate) async fn what_is_held_stays_noted<H: Harness>() {
    for deletes in [Deletes::Remove, Deletes::Mark] {
        let plan = contact(deletes);
        let (harness, mut table) = with_rows::<H>(6, deletes).await;
        let mut rows = deleted(1..=4);
        rows.push(Row::new(7, 6).name("New"));
        let guarded = LAST.guarded(10);
        assert_eq!(
            guarded.write(&mut table, &rows).await.unwrap(),
            holding(4, counts(1, 0, 0))
        );
        assert_eq!(names(&harness, &plan).await.len(), 7);
        assert_eq!(pending(&harness).await.len(), 4);
        let state = state_of(&harness, &plan).await;
        assert_eq!((state.pending, state.confirmed, state.rows), (4, 0, 7));
        assert_eq!(state.deletes_window.recent(moment(2)), 0);

        // One of them was none: the other three are admitted.
        let undeleted = [Row::new(4, 7).name("Back")];
        assert_eq!(guarded.write(&mut table, &undeleted).await.unwrap(), counts(0, 1, 3));
        assert!(pending(&harness).await.is_empty());
        let state = state_of(&harness, &plan).await;
        let rows = if deletes == Deletes::Remove { 4 } else { 7 };
        assert_eq!((state.pending, state.rows), (0, rows));
        assert_eq!(
            state.deletes_window.recent(moment(2)),
            3,
            "what it admits enters the window"
        );
    }
}

/// "The same holds where only deletes are held that were held before."
pub(crate) async fn held_again_writes_nothing<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(4, Deletes::Remove).await;
    let guarded = LAST.guarded(10);
    assert_eq!(
        guarded.write(&mut table, &deleted(1..=3)).await.unwrap(),
        holding(3, counts(0, 0, 0))
    );
    let before = harness.fingerprint().await;
    let unchanged = [Row::new(4, 5).name("Name 4")];
    for rows in [deleted(1..=3), Vec::new(), unchanged.to_vec()] {
        let written = guarded.at(60).write(&mut table, &rows).await.unwrap();
        assert_eq!(written, holding(3, counts(0, 0, 0)));
        assert!(!table.has_written_state());
    }
    assert_eq!(harness.fingerprint().await, before);
}

/// Deletes of the last 24 hours count: "against the window".
pub(crate) async fn the_window_counts_across_commits_for_a_day<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(10, Deletes::Remove).await;
    let guarded = LAST.guarded(10);
    assert_eq!(
        guarded.at(100).write(&mut table, &deleted(1..=3)).await.unwrap(),
        counts(0, 0, 3)
    );
    // Three more of ten are more than half together.
    assert_eq!(
        guarded.at(4000).write(&mut table, &deleted(4..=6)).await.unwrap(),
        holding(3, counts(0, 0, 0))
    );
    // Another process reads the window from the database.
    drop(table);
    let mut table = open(&harness.destination(), &plan).await;
    assert_eq!(
        guarded.at(100 + DAY - 1).write(&mut table, &[]).await.unwrap(),
        holding(3, counts(0, 0, 0))
    );
    assert_eq!(
        guarded.at(100 + DAY).write(&mut table, &[]).await.unwrap(),
        counts(0, 0, 3)
    );
    assert_eq!(names(&harness, &plan).await.len(), 4);
    let window = state_of(&harness, &plan).await.deletes_window;
    assert_eq!(window.recent(moment(101 + DAY)), 3);
}

/// "The rows that it counts are those that are not marked": years of marks do not thin out what is left.
pub(crate) async fn marked_rows_do_not_count_for_the_guard<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(10, Deletes::Mark).await;
    let guarded = LAST.guarded(10);
    assert_eq!(
        guarded.at(100).write(&mut table, &deleted(1..=5)).await.unwrap(),
        counts(0, 0, 5)
    );
    assert_eq!(state_value(&harness, "rows").await.as_deref(), Some("10"));
    // A day later three are more than half of the five that are left, and two are not.
    assert_eq!(
        guarded.at(200 + DAY).write(&mut table, &deleted(6..=7)).await.unwrap(),
        counts(0, 0, 2)
    );
    assert_eq!(
        guarded
            .at(300 + 2 * DAY)
            .write(&mut table, &deleted(8..=9))
            .await
            .unwrap(),
        holding(2, counts(0, 0, 0))
    );
}

/// Rows that come in the same segment count as well.
pub(crate) async fn rows_of_the_same_segment_count<H: Harness>() {
    let (_harness, mut table) = with_rows::<H>(4, Deletes::Remove).await;
    let mut rows = deleted(1..=3);
    rows.extend([Row::new(5, 6), Row::new(6, 6)]);
    assert_eq!(
        LAST.guarded(10).write(&mut table, &rows).await.unwrap(),
        counts(2, 0, 3)
    );
}

/// "Except entries found before `found_since`", whatever the guard says.
pub(crate) async fn older_entries_wait_until_they_were_looked_at<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(20, Deletes::Remove).await;
    MERGE.at(10).write(&mut table, &deleted([1, 2])).await.unwrap();
    MERGE.at(20).write(&mut table, &deleted([3])).await.unwrap();
    let since = LAST.guarded_since(100, 20);
    assert_eq!(
        since.at(30).write(&mut table, &deleted([4])).await.unwrap(),
        counts(0, 0, 2)
    );
    assert_eq!(pending(&harness).await.len(), 2);
    let before = harness.fingerprint().await;
    assert_eq!(
        LAST.guarded_since(100, 40).at(50).write(&mut table, &[]).await.unwrap(),
        counts(0, 0, 0),
        "they wait and are not held"
    );
    assert_eq!(harness.fingerprint().await, before);
    // Found again is not found anew.
    assert_eq!(
        LAST.guarded_since(100, 40)
            .at(50)
            .write(&mut table, &deleted([1]))
            .await
            .unwrap(),
        counts(0, 0, 0)
    );
    assert_eq!(LAST.at(60).write(&mut table, &[]).await.unwrap(), counts(0, 0, 2));
    assert_eq!(names(&harness, &plan).await.len(), 16);
}

/// `held`: "The pending deletes that nobody has confirmed ... in the order of `(found_at, salesforce_id)`"; what is found later
/// comes behind, so that the token of the first is theirs for as long as they are there.
pub(crate) async fn held_deletes_have_an_order_and_a_token<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(9, Deletes::Remove).await;
    assert_eq!(table.held().await.unwrap(), None);
    MERGE.at(20).write(&mut table, &deleted([5, 3])).await.unwrap();
    let first = table.held().await.unwrap().unwrap();
    assert_eq!(first.count, 2);
    assert_eq!(first.token, token(&[3, 5]));
    MERGE.at(30).leave(&mut table, vec![left(1, None)]).await.unwrap();
    let second = table.held().await.unwrap().unwrap();
    assert_eq!((second.count, second.token), (3, token(&[3, 5, 1])));

    let before = harness.fingerprint().await;
    assert_eq!(table.pending(None, 10).await.unwrap(), [id(1), id(3), id(5)]);
    assert_eq!(table.pending(None, 2).await.unwrap(), [id(1), id(3)]);
    assert_eq!(table.pending(Some(&id(1)), 10).await.unwrap(), [id(3), id(5)]);
    assert!(table.pending(Some(&id(5)), 10).await.unwrap().is_empty());
    assert_eq!(harness.fingerprint().await, before);
}

/// The token of records in this order.
fn token(records: &[u32]) -> String {
    let mut tokenizer = replication::guard::Tokenizer::default();
    for n in records {
        tokenizer.see(&id(*n));
    }
    tokenizer.token()
}

/// `confirm`: "the first so many of those that nobody has confirmed, if their hash is the token's". "Confirmed entries are
/// applied whatever it says ... and do not enter the window."
pub(crate) async fn confirmed_deletes_are_applied_and_no_others<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(6, Deletes::Remove).await;
    let guarded = LAST.guarded(10);
    guarded.at(10).write(&mut table, &deleted(1..=4)).await.unwrap();
    let held = table.held().await.unwrap().unwrap();
    // One more is found before somebody confirms.
    guarded.at(20).write(&mut table, &deleted([5])).await.unwrap();

    assert!(table.confirm(&held.token, moment(30)).await.unwrap());
    let state = state_of(&harness, &plan).await;
    assert_eq!((state.pending, state.confirmed), (5, 4));
    assert_eq!(table.held().await.unwrap().unwrap().token, token(&[5]));
    assert_eq!(names(&harness, &plan).await.len(), 6, "to confirm removes nothing");

    let later = LAST.guarded_since(10, 40);
    assert_eq!(
        later.at(50).write(&mut table, &[]).await.unwrap(),
        counts(0, 0, 0),
        "the same exception"
    );
    assert_eq!(guarded.at(60).write(&mut table, &[]).await.unwrap(), counts(0, 0, 5));
    let window = state_of(&harness, &plan).await.deletes_window;
    assert_eq!(window.recent(moment(61)), 1, "only what nobody confirmed");
    assert_eq!(lines(&harness, &plan, &["salesforce_id"]).await, [id(6)]);
}

/// The same while the guard goes on holding the others.
pub(crate) async fn confirmed_deletes_go_while_others_are_held<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(8, Deletes::Remove).await;
    let guarded = LAST.guarded(10);
    MERGE.at(10).write(&mut table, &deleted(1..=2)).await.unwrap();
    let held = table.held().await.unwrap().unwrap();
    guarded.at(20).write(&mut table, &deleted(3..=7)).await.unwrap();
    assert!(table.confirm(&held.token, moment(30)).await.unwrap());
    assert_eq!(
        guarded.at(40).write(&mut table, &[]).await.unwrap(),
        holding(5, counts(0, 0, 2))
    );
    assert_eq!(names(&harness, &plan).await.len(), 6);
    assert_eq!(pending(&harness).await.len(), 5);
}

/// "`false` where the token is not for what is held", and nothing is written.
pub(crate) async fn a_wrong_token_confirms_nothing<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(6, Deletes::Remove).await;
    let right = token(&[1, 2, 3, 4]);
    assert!(!table.confirm(&right, moment(9)).await.unwrap(), "nothing is held");
    LAST.guarded(10)
        .at(10)
        .write(&mut table, &deleted(1..=4))
        .await
        .unwrap();
    let before = harness.fingerprint().await;
    let wrong = [
        token(&[1, 2, 3, 5]),
        token(&[2, 1, 3, 4]),
        token(&[1, 2, 3, 4, 5]),
        right.replace("4-", "3-"),
        "4".to_owned(),
        String::new(),
        "18446744073709551615-0123456789ab".to_owned(),
        "'; DROP TABLE contact; --".to_owned(),
    ];
    for wrong in wrong {
        assert!(!table.confirm(&wrong, moment(20)).await.unwrap(), "{wrong}");
    }
    assert_eq!(harness.fingerprint().await, before);
    assert!(
        table.confirm(&token(&[1, 2]), moment(20)).await.unwrap(),
        "the first two of them"
    );
    assert_eq!(state_of(&harness, &contact(Deletes::Remove)).await.confirmed, 2);
    // What has changed since it was held is another token.
    MERGE
        .at(30)
        .write(&mut table, &[Row::new(3, 7).name("Back")])
        .await
        .unwrap();
    assert!(!table.confirm(&token(&[3, 4]), moment(40)).await.unwrap());
}

/// "A transaction of its own, which claims", and is fenced.
pub(crate) async fn to_confirm_claims_and_is_fenced<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(6, Deletes::Remove).await;
    LAST.guarded(10).write(&mut table, &deleted(1..=4)).await.unwrap();
    let held = table.held().await.unwrap().unwrap();
    let before = epoch(&harness).await;
    let mut other = open(&harness.destination(), &plan).await;
    assert!(!other.confirm("1-0123456789ab", moment(9)).await.unwrap());
    assert_eq!(epoch(&harness).await, before, "a wrong token claims nothing");
    assert!(other.confirm(&held.token, moment(10)).await.unwrap());
    assert_eq!(epoch(&harness).await, before + 1);

    let fenced = table.confirm(&held.token, moment(11)).await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
    let fenced = table.confirm("1-0123456789ab", moment(11)).await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
    assert_eq!(LAST.guarded(10).write(&mut other, &[]).await.unwrap(), counts(0, 0, 4));
    assert_eq!(epoch(&harness).await, before + 1, "it claims once");
}

/// With `Ignore` what was noted under another mode is dropped, not held.
pub(crate) async fn with_ignore_nothing_is_held<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(4, Deletes::Remove).await;
    LAST.guarded(10).write(&mut table, &deleted(1..=3)).await.unwrap();
    drop(table);
    let mut table = open(&harness.destination(), &contact(Deletes::Ignore)).await;
    assert_eq!(LAST.guarded(10).write(&mut table, &[]).await.unwrap(), counts(0, 0, 0));
    assert!(pending(&harness).await.is_empty());
    assert_eq!(names(&harness, &contact(Deletes::Ignore)).await.len(), 4);
}

/// A guard of one object knows nothing of another's deletes.
pub(crate) async fn each_object_has_its_own_deletes<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(4, Deletes::Remove).await;
    let plan = super::fixture::named(contact(Deletes::Remove), "Lead", "lead");
    let mut lead = created(&harness, &plan).await;
    MERGE.write(&mut lead, &[Row::new(1, 5), Row::new(2, 5)]).await.unwrap();
    LAST.guarded(10).write(&mut table, &deleted(1..=3)).await.unwrap();
    assert_eq!(lead.held().await.unwrap(), None);
    assert!(lead.pending(None, 10).await.unwrap().is_empty());
    assert_eq!(
        LAST.guarded(10).write(&mut lead, &deleted([1])).await.unwrap(),
        counts(0, 0, 1)
    );
    assert_eq!(table.held().await.unwrap().unwrap().count, 3);
}
