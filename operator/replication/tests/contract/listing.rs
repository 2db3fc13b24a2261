//! "A listing goes by `compare`, stretch by stretch in ascending order of Ids (bytewise)."

use replication::{
    Error,
    destination::{Destination, Differences, Listed, ObjectTable, Stretch},
    plan::Deletes,
    state::{Checkpoint, Listing, ListingKind},
};

use super::{
    Harness,
    fixture::{
        ADMIT, LAST, MERGE, Row, Table, checkpoint, contact, counts, created, epoch, id, moment, named, number_of,
        open, state_of,
    },
};

/// Records of a listing with the seconds of their stamps.
pub(crate) fn listed(records: &[(u32, u32)]) -> Vec<Listed> {
    let listed = |(n, second): &(u32, u32)| Listed {
        id: id(*n),
        stamp: moment(*second),
    };
    records.iter().map(listed).collect()
}

/// A database whose table has rows 1 to `rows` of second 5.
async fn with_rows<H: Harness>(rows: u32, deletes: Deletes) -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(deletes)).await;
    let rows: Vec<_> = (1..=rows).map(|n| Row::new(n, 5)).collect();
    MERGE.write(&mut table, &rows).await.unwrap();
    (harness, table)
}

/// Compares the stretch behind `after` up to `until`.
async fn compare(
    table: &mut impl ObjectTable,
    after: Option<u32>,
    until: Option<u32>,
    records: &[(u32, u32)],
) -> replication::Result<Differences> {
    let (after, until) = (after.map(id), until.map(id));
    let listed = listed(records);
    let stretch = Stretch {
        after: after.as_deref(),
        until: until.as_deref(),
        listed: &listed,
    };
    table.compare(stretch).await
}

async fn surplus(table: &mut impl ObjectTable) -> Vec<u32> {
    let ids = table.surplus(None, 1000).await.unwrap();
    ids.iter().map(|id| number_of(id)).collect()
}

fn numbers(ids: &[String]) -> Vec<u32> {
    ids.iter().map(|id| number_of(id)).collect()
}

/// `Differences`: missing, differing, surplus, over a whole table.
pub(crate) async fn a_stretch_tells_what_differs<H: Harness>() {
    let (_harness, mut table) = with_rows::<H>(6, Deletes::Remove).await;
    let records = [(0, 5), (1, 5), (2, 4), (3, 6), (5, 5), (7, 5), (8, 5)];
    let differences = compare(&mut table, None, None, &records).await.unwrap();
    assert_eq!(numbers(&differences.missing), [0, 7, 8]);
    assert_eq!(numbers(&differences.differing), [2, 3]);
    assert_eq!(differences.surplus, 2);
    assert_eq!(surplus(&mut table).await, [4, 6]);
}

/// A table that is as it was listed writes nothing and claims nothing; nor does a stretch that notes what is noted.
pub(crate) async fn a_stretch_without_surplus_writes_nothing<H: Harness>() {
    let (harness, table) = with_rows::<H>(3, Deletes::Remove).await;
    drop(table);
    let mut table = open(&harness.destination(), &contact(Deletes::Remove)).await;
    let before = harness.fingerprint().await;
    let same = compare(&mut table, None, None, &[(1, 5), (2, 5), (3, 5)])
        .await
        .unwrap();
    assert_eq!(same, Differences::default());
    let more = compare(&mut table, None, Some(4), &[(1, 5), (2, 6), (3, 5), (4, 5)])
        .await
        .unwrap();
    assert_eq!((numbers(&more.missing), numbers(&more.differing)), (vec![4], vec![2]));
    compare(&mut table, Some(4), None, &[]).await.unwrap();
    assert_eq!(harness.fingerprint().await, before);

    let noted = compare(&mut table, Some(1), None, &[(2, 5)]).await.unwrap();
    assert_eq!(noted.surplus, 1);
    let before = harness.fingerprint().await;
    let again = compare(&mut table, Some(1), None, &[(2, 5)]).await.unwrap();
    assert_eq!(again.surplus, 1, "it is told again");
    assert_eq!(harness.fingerprint().await, before, "and is not noted again");
}

/// `Stretch`: "all records whose Ids are behind `after` and not behind `until`"; the rest of the table is not looked at.
pub(crate) async fn a_stretch_ends_where_it_says<H: Harness>() {
    let (_harness, mut table) = with_rows::<H>(9, Deletes::Remove).await;
    let first = compare(&mut table, None, Some(3), &[(1, 5), (3, 5)]).await.unwrap();
    assert_eq!((first.surplus, surplus(&mut table).await), (1, vec![2]));
    let second = compare(&mut table, Some(3), Some(6), &[(4, 5), (6, 7)]).await.unwrap();
    assert_eq!((numbers(&second.differing), second.surplus), (vec![6], 1));
    assert_eq!(surplus(&mut table).await, [2, 5], "stretches add up");
    let last = compare(&mut table, Some(6), None, &[(7, 5)]).await.unwrap();
    assert_eq!((last.missing.len(), last.surplus), (0, 2));
    assert_eq!(surplus(&mut table).await, [2, 5, 8, 9]);
    let behind = compare(&mut table, Some(9), None, &[(11, 5)]).await.unwrap();
    assert_eq!((numbers(&behind.missing), behind.surplus), (vec![11], 0));
}

/// Ids differ by case, and their order is bytewise: capitals before small letters, digits before both.
pub(crate) async fn ids_are_in_the_order_of_their_bytes<H: Harness>() {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(Deletes::Remove)).await;
    let ids = [
        "003000000000001AAA",
        "00300000000000BAAA",
        "00300000000000Zaaa",
        "00300000000000bAAA",
        "00300000000000zAAA",
    ];
    let rows: Vec<_> = ids.iter().map(|id| Row::new(1, 5).with("Id", id)).collect();
    MERGE.write(&mut table, &rows).await.unwrap();
    let all: Vec<_> = ids
        .iter()
        .map(|id| Listed {
            id: (*id).to_owned(),
            stamp: moment(5),
        })
        .collect();
    for (listed, after, until) in [
        (&all[..], None, None),
        (&all[..3], None, Some(ids[2])),
        (&all[3..], Some(ids[2]), None),
        (&all[2..4], Some(ids[1]), Some(ids[3])),
    ] {
        let stretch = Stretch { after, until, listed };
        assert_eq!(
            table.compare(stretch).await.unwrap(),
            Differences::default(),
            "{after:?} {until:?}"
        );
    }
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &[],
    };
    assert_eq!(table.compare(stretch).await.unwrap().surplus, 5);
    assert_eq!(table.surplus(None, 10).await.unwrap(), ids);
}

/// "Marked ones apart": a marked row is no surplus; listed, it differs ("with another stamp, or marked").
pub(crate) async fn marked_rows_are_no_surplus<H: Harness>() {
    let (_harness, mut table) = with_rows::<H>(3, Deletes::Mark).await;
    LAST.write(&mut table, &[Row::deleted(1, 6), Row::deleted(2, 6)])
        .await
        .unwrap();
    let differences = compare(&mut table, None, None, &[(2, 6), (3, 5)]).await.unwrap();
    assert_eq!(numbers(&differences.differing), [2]);
    assert_eq!((differences.missing.len(), differences.surplus), (0, 0));
}

/// `surplus`: "At most `limit` Ids of noted surplus behind `after`, ascending."
pub(crate) async fn surplus_is_read_in_pieces<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(5, Deletes::Remove).await;
    compare(&mut table, None, None, &[]).await.unwrap();
    let before = harness.fingerprint().await;
    assert_eq!(table.surplus(None, 2).await.unwrap(), [id(1), id(2)]);
    assert_eq!(table.surplus(Some(&id(2)), 2).await.unwrap(), [id(3), id(4)]);
    assert_eq!(table.surplus(Some(&id(4)), 2).await.unwrap(), [id(5)]);
    assert!(table.surplus(Some(&id(5)), 2).await.unwrap().is_empty());
    assert_eq!(harness.fingerprint().await, before);
    let other = named(contact(Deletes::Remove), "Lead", "lead");
    let mut lead = created(&harness, &other).await;
    assert!(
        lead.surplus(None, 2).await.unwrap().is_empty(),
        "each object has its own"
    );
}

/// "A stretch from the beginning forgets what an earlier listing noted."
pub(crate) async fn a_new_listing_forgets_the_earlier_one<H: Harness>() {
    let (_harness, mut table) = with_rows::<H>(3, Deletes::Remove).await;
    compare(&mut table, None, None, &[(3, 5)]).await.unwrap();
    assert_eq!(surplus(&mut table).await, [1, 2]);
    compare(&mut table, None, Some(2), &[(1, 5)]).await.unwrap();
    assert_eq!(surplus(&mut table).await, [2]);
    let none = compare(&mut table, None, None, &[(1, 5), (2, 5), (3, 5)])
        .await
        .unwrap();
    assert_eq!(none, Differences::default());
    assert!(surplus(&mut table).await.is_empty());
}

fn listing_at(second: u32) -> Checkpoint {
    Checkpoint {
        listing: Some(Listing {
            kind: ListingKind::Reconcile,
            plan_hash: "hash of the plan".into(),
            started: moment(second),
            covered: None,
            last_id: None,
        }),
        ..checkpoint(second)
    }
}

/// "And so does the first commit whose checkpoint has no listing"; those of the listing itself keep it.
pub(crate) async fn a_commit_without_a_listing_forgets_surplus<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(3, Deletes::Remove).await;
    compare(&mut table, None, None, &[(3, 5)]).await.unwrap();
    table.begin(replication::destination::Load::Overwrite).await.unwrap();
    let always = replication::destination::StateWrite::Always;
    table.commit(&listing_at(7), ADMIT, always, moment(7)).await.unwrap();
    assert_eq!(surplus(&mut table).await, [1, 2]);
    let state = state_of(&harness, &contact(Deletes::Remove)).await;
    assert_eq!(state.checkpoint, listing_at(7));
    MERGE.always().write(&mut table, &[]).await.unwrap();
    assert!(surplus(&mut table).await.is_empty());
}

/// Surplus is "candidates only": no row leaves by it.
pub(crate) async fn surplus_rows_stay<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(3, Deletes::Remove).await;
    compare(&mut table, None, None, &[]).await.unwrap();
    assert_eq!(LAST.always().write(&mut table, &[]).await.unwrap(), counts(0, 0, 0));
    let rows = harness.query("SELECT count(*) FROM contact").await;
    assert_eq!(rows, [[Some("3".to_owned())]]);
}

/// "A transaction of its own that claims where it notes anything", and is fenced.
pub(crate) async fn a_comparison_claims_and_is_fenced<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut table) = with_rows::<H>(3, Deletes::Remove).await;
    let before = epoch(&harness).await;
    let mut other = open(&harness.destination(), &plan).await;
    compare(&mut other, None, None, &[(1, 5), (2, 5), (3, 5)])
        .await
        .unwrap();
    assert_eq!(epoch(&harness).await, before, "nothing noted, nothing claimed");
    compare(&mut other, None, None, &[(1, 5)]).await.unwrap();
    assert_eq!(epoch(&harness).await, before + 1);
    compare(&mut other, None, None, &[(2, 5)]).await.unwrap();
    MERGE.write(&mut other, &[Row::new(4, 6)]).await.unwrap();
    assert_eq!(epoch(&harness).await, before + 1, "it claims once");

    let print = harness.fingerprint().await;
    for records in [&[][..], &[(1, 5), (2, 5), (3, 5), (4, 6)]] {
        let fenced = compare(&mut table, None, None, records).await;
        assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
    }
    assert_eq!(harness.fingerprint().await, print);
}

/// A listed record whose stamp could not be read has the earliest one there is: it differs from every row.
pub(crate) async fn the_earliest_stamp_differs_from_every_row<H: Harness>() {
    let (_harness, mut table) = with_rows::<H>(1, Deletes::Remove).await;
    let unreadable = [Listed {
        id: id(1),
        stamp: jiff::Timestamp::MIN,
    }];
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &unreadable,
    };
    assert_eq!(numbers(&table.compare(stretch).await.unwrap().differing), [1]);
}

/// Thousands of records in a stretch, of which some differ.
pub(crate) async fn long_stretches_are_compared<H: Harness>() {
    let (harness, mut table) = with_rows::<H>(5000, Deletes::Remove).await;
    let records: Vec<_> = (1..=5200)
        .filter(|n| n % 1000 != 7)
        .map(|n| (n, if n % 1000 == 8 { 6 } else { 5 }))
        .collect();
    let differences = compare(&mut table, None, None, &records).await.unwrap();
    assert_eq!(differences.missing.len(), 199, "5007 is listed nowhere");
    assert_eq!(numbers(&differences.differing), [8, 1008, 2008, 3008, 4008]);
    assert_eq!(surplus(&mut table).await, [7, 1007, 2007, 3007, 4007]);
    drop(table);
    let mut table = harness
        .destination()
        .open(std::sync::Arc::new(contact(Deletes::Remove)), super::fixture::owner())
        .await
        .unwrap();
    table.read_state().await.unwrap();
    assert_eq!(surplus(&mut table).await.len(), 5, "another process goes on with it");
}
