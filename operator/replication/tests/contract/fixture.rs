//! The plan, the rows and the short ways that the tests share.

use std::sync::Arc;

use jiff::Timestamp;
use replication::{
    Result,
    batch::Batch,
    budget::BytePermit,
    destination::{Deletions, Destination, Left, Load, ObjectTable, StateWrite},
    guard::Guard,
    plan::{
        Column, ColumnKind, ColumnSource, Deletes, FieldPath, Identifier, IndexPlan, IndexedRows, ObjectName,
        ObjectPlan, Periods, PlanHash, TemplatePart, UrlTemplate, VerifyBy,
    },
    state::{Checkpoint, Counts, Owner, Phase, State},
};

use super::Harness;

/// The table of the destination of a harness.
pub(crate) type Table<H> = <<H as Harness>::Destination as Destination>::Table;

/// Fields of the select list, in order.
const FIELDS: [&str; 13] = [
    "LastName",
    "Id",
    "SystemModstamp",
    "IsDeleted",
    "Active__c",
    "Visits__c",
    "Serial__c",
    "Amount__c",
    "Birthdate",
    "OpensAt__c",
    "LastSeen__c",
    "Account.Name",
    "AccountId",
];

/// Position of a field in the select list.
pub(crate) fn position(field: &str) -> usize {
    FIELDS
        .iter()
        .position(|known| *known == field)
        .unwrap_or_else(|| panic!("no field {field}"))
}

fn column(name: &str, kind: ColumnKind, source: ColumnSource) -> Column {
    Column {
        name: Identifier::new(name),
        kind,
        source,
    }
}

/// A column that holds a field of [`FIELDS`].
pub(crate) fn field(name: &str, kind: ColumnKind, field: &str) -> Column {
    column(name, kind, ColumnSource::Field(position(field)))
}

/// Text without a known length.
pub(crate) const TEXT: ColumnKind = ColumnKind::Text { length: None };

/// A decimal as describe would tell it.
pub(crate) const DECIMAL: ColumnKind = ColumnKind::Decimal {
    precision: 18,
    scale: 2,
};

/// A Contact with a column of each kind.
pub(crate) fn contact(deletes: Deletes) -> ObjectPlan {
    let mut columns = vec![
        field("salesforce_id", ColumnKind::Id, "Id"),
        field("system_modstamp", ColumnKind::Timestamp, "SystemModstamp"),
        field("last_name", ColumnKind::Text { length: Some(80) }, "LastName"),
        field("active", ColumnKind::Boolean, "Active__c"),
        field("visits", ColumnKind::Int, "Visits__c"),
        field("serial", ColumnKind::Long, "Serial__c"),
        field("amount", DECIMAL, "Amount__c"),
        field("birthdate", ColumnKind::Date, "Birthdate"),
        field("opens_at", ColumnKind::Time, "OpensAt__c"),
        field("last_seen", ColumnKind::Timestamp, "LastSeen__c"),
        field("account_name", TEXT, "Account.Name"),
        column(
            "url",
            TEXT,
            ColumnSource::Template(UrlTemplate {
                parts: vec![
                    TemplatePart::Literal("https://acme.my.salesforce.com/".into()),
                    TemplatePart::Field(position("Id")),
                    TemplatePart::Literal("?name=".into()),
                    TemplatePart::Field(position("LastName")),
                ],
            }),
        ),
        column("fax", TEXT, ColumnSource::Empty),
    ];
    if deletes == Deletes::Mark {
        columns.push(column("is_deleted", ColumnKind::Boolean, ColumnSource::IsDeleted));
        columns.push(column("deleted_at", ColumnKind::Timestamp, ColumnSource::DeletedAt));
    }
    ObjectPlan {
        object: ObjectName::new("Contact"),
        table: Identifier::new("contact"),
        select: FIELDS.iter().map(|field| path(field)).collect(),
        id: position("Id"),
        stamp: Some(position("SystemModstamp")),
        is_deleted: Some(position("IsDeleted")),
        columns,
        deletes,
        indexes: vec![
            IndexPlan {
                name: Identifier::new("contact_last_name_idx"),
                columns: vec![Identifier::new("last_name")],
                rows: IndexedRows::All,
            },
            IndexPlan {
                name: Identifier::new("contact_account_name_last_name_idx"),
                columns: vec![Identifier::new("account_name"), Identifier::new("last_name")],
                rows: IndexedRows::All,
            },
        ],
        condition: None,
        links: Vec::new(),
        verify_by: VerifyBy::Log,
        periods: Periods::default(),
        missing_fields: Vec::new(),
        hash: PlanHash("hash of the plan".into()),
    }
}

/// The same plan for another object and table.
pub(crate) fn named(mut plan: ObjectPlan, object: &str, table: &str) -> ObjectPlan {
    plan.object = ObjectName::new(object);
    plan.table = Identifier::new(table);
    plan.indexes.clear();
    plan
}

fn path(text: &str) -> FieldPath {
    match text.split_once('.') {
        Some((relationship, field)) => FieldPath {
            relationship: Some(relationship.into()),
            field: field.into(),
        },
        None => FieldPath {
            relationship: None,
            field: text.into(),
        },
    }
}

/// The owner of everything that is ours.
pub(crate) fn owner() -> Owner {
    Owner {
        replicator: "telephony/crm".into(),
        organization_id: "00D000000000001AAA".into(),
        adopts: None,
    }
}

/// The Id of the nth record.
pub(crate) fn id(n: u32) -> String {
    format!("003{n:012}AAA")
}

/// A stamp, as Salesforce writes it, `second` seconds after a fixed hour.
pub(crate) fn stamp(second: u32) -> String {
    let hour = 10 + second / 3600;
    format!(
        "2024-05-{:02}T{:02}:{:02}:{:02}.000Z",
        1 + hour / 24,
        hour % 24,
        second / 60 % 60,
        second % 60
    )
}

/// The same as a time.
pub(crate) fn moment(second: u32) -> Timestamp {
    stamp(second).parse().unwrap()
}

/// A record as the source reads it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    values: Vec<(usize, String)>,
}

impl Row {
    /// The live record `n`, changed last at `second`.
    pub(crate) fn new(n: u32, second: u32) -> Self {
        Self { values: Vec::new() }
            .with("Id", &id(n))
            .with("SystemModstamp", &stamp(second))
            .with("IsDeleted", "false")
    }

    /// The record `n`, deleted at `second`.
    pub(crate) fn deleted(n: u32, second: u32) -> Self {
        Self::new(n, second).with("IsDeleted", "true")
    }

    /// With the value of a field, which replaces one set before.
    pub(crate) fn with(mut self, field: &str, value: &str) -> Self {
        self = self.without(field);
        self.values.push((position(field), value.into()));
        self
    }

    /// With NULL for a field.
    pub(crate) fn without(mut self, field: &str) -> Self {
        self.values.retain(|(known, _)| *known != position(field));
        self
    }

    /// With a last name.
    pub(crate) fn name(self, name: &str) -> Self {
        self.with("LastName", name)
    }
}

/// The rows as one batch.
pub(crate) fn batch(rows: &[Row]) -> Batch {
    let mut batch = Batch::new(FIELDS.len(), BytePermit::unbounded());
    for row in rows {
        batch.begin_row();
        for (position, value) in &row.values {
            batch.set(*position, value);
        }
    }
    batch
}

/// A checkpoint whose watermark is `second`.
pub(crate) fn checkpoint(second: u32) -> Checkpoint {
    Checkpoint {
        phase: Phase::Live,
        plan_hash: "hash of the plan".into(),
        query_start: Some(moment(second)),
        watermark: Some(moment(second)),
        last_id: None,
        checked_at: None,
        verified_until: None,
        reconciled_at: None,
        refreshed_at: None,
        listing: None,
    }
}

/// Opens a table and reads its state, as a run does.
pub(crate) async fn open<D: Destination>(destination: &D, plan: &ObjectPlan) -> D::Table {
    let mut table = destination.open(Arc::new(plan.clone()), owner()).await.unwrap();
    table.read_state().await.unwrap();
    table
}

/// Prepares the database, opens the table and creates it.
pub(crate) async fn created<H: Harness>(harness: &H, plan: &ObjectPlan) -> Table<H> {
    let destination = harness.destination();
    destination.prepare().await.unwrap();
    let mut table = open(&destination, plan).await;
    table.create(&checkpoint(0), moment(0)).await.unwrap();
    table
}

/// A segment of one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    load: Load,
    deletions: Deletions,
    state: StateWrite,
    second: u32,
}

/// A guarded segment in mid-run that writes its state only with rows.
pub(crate) const MERGE: Segment = Segment {
    load: Load::Merge,
    deletions: Deletions::Keep,
    state: StateWrite::WithRows,
    second: 1,
};

/// A guard that holds nothing.
pub(crate) const ADMIT: Deletions = Deletions::Apply(Guard {
    max_percent: 100,
    found_since: None,
});

/// The same as the last one of a run, whose guard holds nothing.
pub(crate) const LAST: Segment = Segment {
    load: Load::Merge,
    deletions: ADMIT,
    state: StateWrite::WithRows,
    second: 1,
};

/// A segment of a first load.
pub(crate) const DIRECT: Segment = Segment {
    load: Load::Direct,
    deletions: Deletions::Keep,
    state: StateWrite::Always,
    second: 1,
};

/// Rows that were read by Id.
pub(crate) const OVERWRITE: Segment = Segment {
    load: Load::Overwrite,
    deletions: Deletions::Keep,
    state: StateWrite::WithRows,
    second: 1,
};

impl Segment {
    /// As the last one of a run, with a guard of so many percent.
    pub(crate) const fn guarded(self, max_percent: u8) -> Self {
        Self {
            deletions: Deletions::Apply(Guard {
                max_percent,
                found_since: None,
            }),
            ..self
        }
    }

    /// The same, for nothing but what was found at this second or later.
    pub(crate) fn guarded_since(self, max_percent: u8, second: u32) -> Self {
        Self {
            deletions: Deletions::Apply(Guard {
                max_percent,
                found_since: Some(moment(second)),
            }),
            ..self
        }
    }

    /// With the state written in any case.
    pub(crate) const fn always(self) -> Self {
        Self {
            state: StateWrite::Always,
            ..self
        }
    }

    /// With the checkpoint of this second.
    pub(crate) const fn at(self, second: u32) -> Self {
        Self { second, ..self }
    }

    /// Writes rows in one batch and commits them.
    pub(crate) async fn write(self, table: &mut impl ObjectTable, rows: &[Row]) -> Result<Counts> {
        self.write_batches(table, vec![batch(rows)]).await
    }

    /// Writes batches and commits them.
    pub(crate) async fn write_batches(self, table: &mut impl ObjectTable, batches: Vec<Batch>) -> Result<Counts> {
        table.begin(self.load).await?;
        for batch in batches {
            table.write(batch).await?;
        }
        self.commit(table).await
    }

    /// Notes records that left and commits them.
    pub(crate) async fn leave(self, table: &mut impl ObjectTable, left: Vec<Left>) -> Result<Counts> {
        table.begin(self.load).await?;
        table.leave(left).await?;
        self.commit(table).await
    }

    /// Commits the open segment.
    pub(crate) async fn commit(self, table: &mut impl ObjectTable) -> Result<Counts> {
        let (checkpoint, at) = (checkpoint(self.second), moment(self.second));
        table.commit(&checkpoint, self.deletions, self.state, at).await
    }
}

/// The record `n` left; at this second, where that is known.
pub(crate) fn left(n: u32, second: Option<u32>) -> Left {
    Left {
        id: id(n),
        stamp: second.map(moment),
    }
}

/// Counts in one word.
pub(crate) fn counts(inserted: u64, updated: u64, deleted: u64) -> Counts {
    Counts {
        inserted,
        updated,
        deleted,
        ..Counts::default()
    }
}

/// The state as another process reads it.
pub(crate) async fn state_of<H: Harness>(harness: &H, plan: &ObjectPlan) -> State {
    let mut table = harness
        .destination()
        .open(Arc::new(plan.clone()), owner())
        .await
        .unwrap();
    table.read_state().await.unwrap().unwrap()
}

/// All values of a table as the suite spells them, in order of the Ids.
pub(crate) async fn contents<H: Harness>(harness: &H, plan: &ObjectPlan) -> Vec<Vec<Option<String>>> {
    let columns: Vec<_> = plan
        .columns
        .iter()
        .map(|column| H::text_of(column.name.as_str(), column.kind))
        .collect();
    harness
        .query(&format!(
            "SELECT {} FROM {} ORDER BY salesforce_id",
            columns.join(", "),
            plan.table
        ))
        .await
}

/// Some columns of a table as text, NULL as `-`, a line for each row in order of the Ids.
pub(crate) async fn lines<H: Harness>(harness: &H, plan: &ObjectPlan, columns: &[&str]) -> Vec<String> {
    let all = contents(harness, plan).await;
    let positions: Vec<_> = columns
        .iter()
        .map(|name| {
            plan.columns
                .iter()
                .position(|column| column.name.as_str() == *name)
                .unwrap()
        })
        .collect();
    let line = |row: &Vec<Option<String>>| {
        positions
            .iter()
            .map(|column| row[*column].as_deref().unwrap_or("-"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    all.iter().map(line).collect()
}

/// The time of day of stamps in a text, without fractions.
fn clock_of(text: &str) -> String {
    text.replace("2024-05-01T", "").replace(".000Z", "")
}

/// Last names with the second of their stamps: `Meyer 10:00:05`.
pub(crate) async fn names<H: Harness>(harness: &H, plan: &ObjectPlan) -> Vec<String> {
    lines(harness, plan, &["last_name", "system_modstamp"])
        .await
        .iter()
        .map(|line| clock_of(line))
        .collect()
}

/// The Ids in `_pending_delete` with the seconds of their stamps.
pub(crate) async fn pending<H: Harness>(harness: &H) -> Vec<String> {
    let stamp = H::text_of("stamp", ColumnKind::Timestamp);
    let sql = format!("SELECT salesforce_id, {stamp} FROM _pending_delete WHERE object = 'Contact' ORDER BY 1");
    harness
        .query(&sql)
        .await
        .iter()
        .map(|row| {
            format!(
                "{} {}",
                row[0].as_deref().unwrap(),
                clock_of(row[1].as_deref().unwrap())
            )
        })
        .collect()
}

/// The entries of `_rejected_row`: number of the record, column, and the second of `since`.
pub(crate) async fn rejected<H: Harness>(harness: &H) -> Vec<String> {
    let since = H::text_of("since", ColumnKind::Timestamp);
    let sql =
        format!("SELECT salesforce_id, column_name, {since} FROM _rejected_row WHERE object = 'Contact' ORDER BY 1, 2");
    let line = |row: &Vec<Option<String>>| {
        let [Some(id), Some(column), Some(since)] = row.as_slice() else {
            panic!("{row:?}")
        };
        format!("{} {column} {}", number_of(id), clock_of(since))
    };
    harness.query(&sql).await.iter().map(line).collect()
}

/// The number of the record with an Id.
pub(crate) fn number_of(id: &str) -> u32 {
    id.get(3..15).unwrap().parse().unwrap()
}

/// One value of the state row of Contact.
pub(crate) async fn state_value<H: Harness>(harness: &H, expression: &str) -> Option<String> {
    let rows = harness
        .query(&format!(
            "SELECT {expression} FROM _replication_state WHERE object = 'Contact'"
        ))
        .await;
    assert_eq!(rows.len(), 1, "one state row");
    rows[0][0].clone()
}

/// The epoch of Contact.
pub(crate) async fn epoch<H: Harness>(harness: &H) -> i64 {
    state_value(harness, "epoch").await.unwrap().parse().unwrap()
}
