//! What the server does for a comparison: its counters say whether it read the table or an index of it.

use replication::{
    batch::Batch,
    budget::BytePermit,
    destination::{Deletions, Left, Listed, Load, ObjectTable, StateWrite, Stretch, postgres::PostgresTable},
    plan::{
        Column, ColumnKind, ColumnSource, Deletes, FieldPath, Identifier, IndexPlan, IndexedRows, Link, LinkedColumn,
        ObjectName, ObjectPlan,
    },
};

use super::fixture::{GUARD, Place, checkpoint, merge, now, open, plan};

const ROWS: usize = 20_000;
const STAMP: &str = "2024-05-01T10:00:00.000Z";

fn id(number: usize) -> String {
    format!("003{number:012}AAA")
}

fn account(number: usize) -> String {
    format!("001{number:012}AAA")
}

/// Contacts of a hundred accounts, with an index on their reference.
fn children() -> ObjectPlan {
    let decimal = ColumnKind::Decimal {
        precision: 18,
        scale: 2,
    };
    let mut plan = plan(&[("account_id", ColumnKind::Id), ("account_revenue", decimal)]);
    plan.indexes = vec![IndexPlan {
        name: Identifier::new("contact_account_id_idx"),
        columns: vec![Identifier::new("account_id")],
        rows: IndexedRows::All,
    }];
    plan
}

fn link() -> Link {
    let path = |field: &str| FieldPath {
        relationship: None,
        field: field.into(),
    };
    Link {
        parent: ObjectName::new("Account"),
        reference: path("AccountId"),
        select: ["Id", "SystemModstamp", "AnnualRevenue"].map(path).to_vec(),
        is_deleted: None,
        replicateable: true,
        reference_column: Some(3),
        compared: vec![LinkedColumn { column: 4, field: 2 }],
    }
}

/// A table that is filled and known to the planner.
async fn filled(place: &Place) -> PostgresTable {
    let plan = children();
    let mut table = place.created(&plan).await;
    let mut batch = Batch::new(plan.columns.len(), BytePermit::unbounded());
    for number in 0..ROWS {
        batch.begin_row();
        let account = account(number % 100);
        let values = [id(number).as_str(), STAMP, "a", &account, "1.50"].map(str::to_owned);
        for (column, value) in values.iter().enumerate() {
            batch.set(column, value);
        }
    }
    merge(&mut table, batch).await.unwrap();
    table.build_indexes().await.unwrap();
    drop(table);
    place.server.query("ANALYZE contact").await;
    let mut table = open(&place.destination().await, &plan).await;
    table.read_state().await.unwrap();
    table
}

/// Scans that the server has counted: of the table, of its key, of the index on its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scans {
    table: u64,
    key: u64,
    reference: u64,
}

/// Waits until the counters, which sessions tell late, are as they should be.
async fn scans(place: &Place, expected: impl Fn(u64, Scans) -> bool) -> Scans {
    let sql = "SELECT pg_stat_clear_snapshot(), t.n_tup_ins, t.seq_scan, k.idx_scan, r.idx_scan FROM pg_stat_user_tables t \
               JOIN pg_stat_user_indexes k ON k.relid = t.relid AND k.indexrelname = 'contact_pkey' \
               JOIN pg_stat_user_indexes r ON r.relid = t.relid AND r.indexrelname = 'contact_account_id_idx' \
               WHERE t.schemaname = current_schema()";
    let mut seen = Vec::new();
    for _ in 0..20_000 {
        let row = place.server.query(sql).await.remove(0).split_off(1);
        seen = row
            .into_iter()
            .flatten()
            .map(|number| number.parse().unwrap())
            .collect::<Vec<u64>>();
        let [inserted, table, key, reference] = seen.as_slice() else {
            panic!("{seen:?}")
        };
        let scans = Scans {
            table: *table,
            key: *key,
            reference: *reference,
        };
        if expected(*inserted, scans) {
            return scans;
        }
        tokio::task::yield_now().await;
    }
    panic!("inserted, scans of the table, the key and the reference: {seen:?}");
}

#[tokio::test]
async fn a_stretch_is_read_by_the_key() {
    let place = Place::new().await;
    let mut table = filled(&place).await;
    let before = scans(&place, |inserted, _| inserted == 20_000).await;
    let listed: Vec<Listed> = (1001..=1500)
        .filter(|number| number % 100 != 0)
        .map(|number| Listed {
            id: id(number),
            stamp: STAMP.parse().unwrap(),
        })
        .collect();
    let (after, until) = (id(1000), id(1500));
    let stretch = Stretch {
        after: Some(&after),
        until: Some(&until),
        listed: &listed,
    };
    let differences = table.compare(stretch).await.unwrap();
    assert_eq!((differences.missing.len(), differences.surplus), (0, 5));
    drop(table);
    let scans = scans(&place, |_, scans| scans.key > before.key).await;
    assert_eq!(scans.table, before.table, "the whole table was read");
}

#[tokio::test]
async fn children_are_found_by_the_index_of_their_reference() {
    let place = Place::new().await;
    let mut table = filled(&place).await;
    let before = scans(&place, |inserted, _| inserted == 20_000).await;
    let mut parents = Batch::new(3, BytePermit::unbounded());
    for (number, revenue) in [(1, "1.5"), (2, "1.51"), (3, "15E-1"), (200, "7")] {
        parents.begin_row();
        parents.set(0, &account(number));
        parents.set(1, STAMP);
        parents.set(2, revenue);
    }
    let outdated = table.outdated_parents(&link(), parents).await.unwrap();
    assert_eq!(outdated, [account(2)]);
    drop(table);
    let scans = scans(&place, |_, scans| scans.reference > before.reference).await;
    assert_eq!(scans.table, before.table, "the whole table was read");
}

#[tokio::test]
async fn marked_rows_are_counted_by_their_index() {
    let place = Place::new().await;
    let mut plan = plan(&[]);
    plan.deletes = Deletes::Mark;
    for (name, kind, source) in [
        ("is_deleted", ColumnKind::Boolean, ColumnSource::IsDeleted),
        ("deleted_at", ColumnKind::Timestamp, ColumnSource::DeletedAt),
    ] {
        plan.columns.push(Column {
            name: Identifier::new(name),
            kind,
            source,
        });
    }
    // Instead of the one that the children need, so that the counters have it.
    plan.indexes = vec![IndexPlan {
        name: Identifier::new("contact_account_id_idx"),
        columns: vec![Identifier::new("deleted_at")],
        rows: IndexedRows::Marked,
    }];
    let mut table = place.created(&plan).await;
    let mut batch = Batch::new(plan.select.len(), BytePermit::unbounded());
    for number in 0..ROWS {
        batch.begin_row();
        for (column, value) in [id(number).as_str(), STAMP, "a"].into_iter().enumerate() {
            batch.set(column, value);
        }
    }
    merge(&mut table, batch).await.unwrap();
    table.build_indexes().await.unwrap();
    place
        .server
        .query("UPDATE contact SET is_deleted = true, deleted_at = system_modstamp WHERE salesforce_id < '003000000000009'")
        .await;
    place.server.query("VACUUM ANALYZE contact").await;
    let before = scans(&place, |inserted, _| inserted == 20_000).await;
    table.begin(Load::Merge).await.unwrap();
    let left = Left {
        id: id(1000),
        stamp: None,
    };
    table.leave(vec![left]).await.unwrap();
    let counts = table
        .commit(&checkpoint(), Deletions::Apply(GUARD), StateWrite::WithRows, now())
        .await
        .unwrap();
    assert_eq!(counts.deleted, 1);
    drop(table);
    let scans = scans(&place, |_, scans| scans.reference > before.reference).await;
    assert_eq!(scans.table, before.table, "the whole table was read");
}
