//! `outdated_parents`: "Those of the parents in the batch that have a child in the table with another value in one of the link's
//! compared columns."

use replication::{
    batch::Batch,
    budget::BytePermit,
    destination::ObjectTable,
    plan::{
        ColumnKind, Deletes, FieldPath, Identifier, IndexPlan, IndexedRows, Link, LinkedColumn, ObjectName, ObjectPlan,
    },
};

use super::{
    Harness,
    fixture::{LAST, MERGE, Row, Table, contact, created, field, number_of},
};

/// Contacts with the reference to their account.
fn plan(deletes: Deletes) -> ObjectPlan {
    let mut plan = contact(deletes);
    // The mark's columns are the last ones.
    plan.columns
        .insert(12, field("account_id", ColumnKind::Id, "AccountId"));
    plan
}

fn column_at(plan: &ObjectPlan, name: &str) -> usize {
    plan.columns
        .iter()
        .position(|column| column.name.as_str() == name)
        .unwrap()
}

/// Accounts whose Name is in `account_name`, and numbers of theirs in columns of other kinds.
fn link(plan: &ObjectPlan) -> Link {
    let compared = [
        ("account_name", 3),
        ("visits", 4),
        ("amount", 5),
        ("last_seen", 6),
        ("active", 7),
    ];
    let own = |field: &str| FieldPath {
        relationship: None,
        field: field.into(),
    };
    Link {
        parent: ObjectName::new("Account"),
        reference: own("AccountId"),
        select: [
            "Id",
            "SystemModstamp",
            "IsDeleted",
            "Name",
            "Visits__c",
            "Amount__c",
            "LastSeen__c",
            "Active__c",
        ]
        .map(own)
        .to_vec(),
        is_deleted: Some(2),
        replicateable: true,
        reference_column: Some(column_at(plan, "account_id")),
        compared: compared
            .map(|(name, field)| LinkedColumn {
                column: column_at(plan, name),
                field,
            })
            .to_vec(),
    }
}

/// The Id of the nth account.
fn account(n: u32) -> String {
    format!("001{n:012}AAA")
}

/// Parents: number, and the values behind IsDeleted.
fn parents(rows: &[(u32, [&str; 5])]) -> Batch {
    let mut batch = Batch::new(8, BytePermit::unbounded());
    for (n, values) in rows {
        batch.begin_row();
        batch.set(0, &account(*n));
        batch.set(1, "2024-05-01T10:00:09.000Z");
        batch.set(2, "false");
        for (position, value) in (3..).zip(values) {
            batch.set(position, value);
        }
    }
    batch
}

fn child(n: u32, of: u32) -> Row {
    Row::new(n, 5).with("AccountId", &account(of))
}

const ACME: [&str; 5] = ["Acme", "108", "12.50", "2024-05-01T08:00:00.000Z", "true"];

/// A child with the values of [`ACME`].
fn acme(n: u32, of: u32) -> Row {
    child(n, of)
        .with("Account.Name", ACME[0])
        .with("Visits__c", ACME[1])
        .with("Amount__c", ACME[2])
        .with("LastSeen__c", ACME[3])
        .with("Active__c", ACME[4])
}

/// The numbers of the accounts that are outdated.
async fn outdated(table: &mut impl ObjectTable, link: &Link, batch: Batch) -> Vec<u32> {
    let mut ids = table.outdated_parents(link, batch).await.unwrap();
    ids.sort_unstable();
    ids.iter().map(|id| number_of(id)).collect()
}

/// With an index on the reference and without.
async fn with_children<H: Harness>(indexed: bool, deletes: Deletes, rows: &[Row]) -> (H, Table<H>, Link) {
    let harness = H::start().await;
    let mut plan = plan(deletes);
    if indexed {
        plan.indexes.push(IndexPlan {
            name: Identifier::new("contact_account_id_idx"),
            columns: vec![Identifier::new("account_id")],
            rows: IndexedRows::All,
        });
    }
    let mut table = created(&harness, &plan).await;
    MERGE.write(&mut table, rows).await.unwrap();
    table.build_indexes().await.unwrap();
    let link = link(&plan);
    (harness, table, link)
}

/// "Another value in one of the link's compared columns", NULL being one, and values being compared, not their spelling.
pub(crate) async fn parents_with_other_values_are_found<H: Harness>() {
    for indexed in [false, true] {
        let rows = [acme(1, 1), acme(2, 1), acme(3, 2), child(4, 3), Row::new(5, 5)];
        let (harness, mut table, link) = with_children::<H>(indexed, Deletes::Remove, &rows).await;
        let before = harness.fingerprint().await;
        let with = |position: usize, value: &'static str| {
            let mut values = ACME;
            values[position] = value;
            values
        };
        let same = ["Acme", "108.0", "12.5", "2024-05-01T08:00:00.000+0000", "true"];
        let unchanged = parents(&[(1, ACME), (2, same), (3, [""; 5]), (4, ["New", "", "", "", ""])]);
        assert!(outdated(&mut table, &link, unchanged).await.is_empty(), "{indexed}");
        for (position, value) in [
            (0, "ACME"),
            (0, ""),
            (1, "109"),
            (2, "12.51"),
            (3, "2024-05-01T08:00:01.000Z"),
            (4, "false"),
            (4, ""),
        ] {
            let changed = parents(&[(1, ACME), (2, with(position, value)), (9, ACME)]);
            assert_eq!(outdated(&mut table, &link, changed).await, [2], "{position} {value}");
        }
        let all = parents(&[
            (2, with(0, "Other")),
            (1, with(1, "")),
            (3, with(0, "First")),
            (4, ACME),
        ]);
        assert_eq!(outdated(&mut table, &link, all).await, [1, 2, 3]);
        assert!(outdated(&mut table, &link, parents(&[])).await.is_empty());
        assert_eq!(harness.fingerprint().await, before, "it looks only");
    }
}

/// One child that has the old value is enough.
pub(crate) async fn one_child_that_differs_is_enough<H: Harness>() {
    for indexed in [false, true] {
        let rows = [
            acme(1, 1),
            acme(2, 1).with("Account.Name", "Former"),
            acme(3, 1),
            acme(4, 2),
        ];
        let (_harness, mut table, link) = with_children::<H>(indexed, Deletes::Remove, &rows).await;
        assert_eq!(outdated(&mut table, &link, parents(&[(1, ACME), (2, ACME)])).await, [1]);
    }
}

/// "Marked children do not count."
pub(crate) async fn marked_children_do_not_count<H: Harness>() {
    for indexed in [false, true] {
        let (_harness, mut table, link) = with_children::<H>(indexed, Deletes::Mark, &[acme(1, 1), acme(2, 2)]).await;
        LAST.write(&mut table, &[Row::deleted(1, 6)]).await.unwrap();
        let other = ["Other", "", "", "", ""];
        assert_eq!(
            outdated(&mut table, &link, parents(&[(1, other), (2, other)])).await,
            [2]
        );
    }
}

/// A parent's value that fits no column of the child is another one than every child's.
pub(crate) async fn a_value_that_does_not_fit_differs<H: Harness>() {
    let (_harness, mut table, link) = with_children::<H>(false, Deletes::Remove, &[acme(1, 1), child(2, 2)]).await;
    let mut unfit = ACME;
    unfit[1] = "many";
    let batch = parents(&[(1, unfit), (2, ["", "many", "", "", ""]), (3, unfit)]);
    assert_eq!(outdated(&mut table, &link, batch).await, [1, 2]);
}

/// Thousands of parents and children.
pub(crate) async fn many_parents_are_compared<H: Harness>() {
    for indexed in [false, true] {
        let rows: Vec<_> = (1..=4000).map(|n| acme(n, n % 2000)).collect();
        let (_harness, mut table, link) = with_children::<H>(indexed, Deletes::Remove, &rows).await;
        let changed = ["New", "108", "12.50", "2024-05-01T08:00:00.000Z", "true"];
        let read: Vec<_> = (1..=3000)
            .map(|n| (n, if n % 500 == 0 { changed } else { ACME }))
            .collect();
        assert_eq!(
            outdated(&mut table, &link, parents(&read)).await,
            [500, 1000, 1500],
            "{indexed}"
        );
    }
}
