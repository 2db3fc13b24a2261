//! A small object, and a schema for each test.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use jiff::Timestamp;
use replication::{
    Result,
    batch::Batch,
    budget::BytePermit,
    destination::{
        Deletions, Destination, Load, ObjectTable, StateWrite,
        postgres::{Postgres, PostgresConfig, PostgresTable},
    },
    guard::Guard,
    plan::{
        Column, ColumnKind, ColumnSource, Deletes, FieldPath, Identifier, IndexPlan, IndexedRows, ObjectName,
        ObjectPlan, Periods, PlanHash, VerifyBy,
    },
    state::{Checkpoint, Counts, Owner, Phase},
};

use super::server::Server;

/// A schema of its own on the shared server, and a superuser's eye on it.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) schema: String,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name that no other test has.
pub(crate) fn unique(what: &str) -> String {
    format!("{what}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Place {
    /// Connects; the schema is not there yet.
    pub(crate) async fn new() -> Self {
        let schema = unique("own");
        let server = Server::connect().await;
        server.query(&format!("SET search_path = \"{schema}\"")).await;
        Self { server, schema }
    }

    pub(crate) fn config(&self) -> PostgresConfig {
        PostgresConfig::new(self.server.url(), &self.schema)
    }

    pub(crate) async fn destination(&self) -> Postgres {
        Postgres::connect(self.config()).await.unwrap()
    }

    /// A table that is ready for segments.
    pub(crate) async fn created(&self, plan: &ObjectPlan) -> PostgresTable {
        let destination = self.destination().await;
        destination.prepare().await.unwrap();
        let mut table = open(&destination, plan).await;
        table.read_state().await.unwrap();
        table.create(&checkpoint(), now()).await.unwrap();
        table
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.server.drop_schema(&self.schema);
    }
}

pub(crate) async fn open(destination: &Postgres, plan: &ObjectPlan) -> PostgresTable {
    destination.open(Arc::new(plan.clone()), owner()).await.unwrap()
}

/// The owner of everything that is ours.
pub(crate) fn owner() -> Owner {
    Owner {
        replicator: "telephony/crm".into(),
        organization_id: "00D000000000001AAA".into(),
        adopts: None,
    }
}

/// Lets a tenth of the table go.
pub(crate) const GUARD: Guard = Guard {
    max_percent: 10,
    found_since: None,
};

pub(crate) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub(crate) fn checkpoint() -> Checkpoint {
    Checkpoint {
        phase: Phase::Live,
        plan_hash: "hash".into(),
        query_start: None,
        watermark: None,
        last_id: None,
        checked_at: None,
        verified_until: None,
        reconciled_at: None,
        refreshed_at: None,
        listing: None,
    }
}

/// `Contact` into `contact`: Id, stamp, and a column of text and of each of the kinds given.
pub(crate) fn plan(kinds: &[(&str, ColumnKind)]) -> ObjectPlan {
    let text = ("spelled", ColumnKind::Text { length: None });
    let all = [
        ("salesforce_id", ColumnKind::Id),
        ("system_modstamp", ColumnKind::Timestamp),
        text,
    ];
    let columns: Vec<Column> = all
        .iter()
        .chain(kinds)
        .enumerate()
        .map(|(position, (name, kind))| Column {
            name: Identifier::new(*name),
            kind: *kind,
            source: ColumnSource::Field(position),
        })
        .collect();
    let select = columns.iter().map(|column| FieldPath {
        relationship: None,
        field: column.name.as_str().into(),
    });
    ObjectPlan {
        object: ObjectName::new("Contact"),
        table: Identifier::new("contact"),
        select: select.collect(),
        id: 0,
        stamp: Some(1),
        is_deleted: None,
        deletes: Deletes::Remove,
        indexes: vec![IndexPlan {
            name: Identifier::new("contact_spelled_idx"),
            columns: vec![Identifier::new("spelled")],
            rows: IndexedRows::All,
        }],
        condition: None,
        links: Vec::new(),
        verify_by: VerifyBy::Log,
        periods: Periods::default(),
        missing_fields: Vec::new(),
        hash: PlanHash("hash".into()),
        columns,
    }
}

/// Rows with Ids in order, one stamp, and the values of the other columns.
pub(crate) fn batch(plan: &ObjectPlan, rows: &[&[&str]]) -> Batch {
    let mut batch = Batch::new(plan.columns.len(), BytePermit::unbounded());
    for (number, values) in rows.iter().enumerate() {
        batch.begin_row();
        batch.set(0, &format!("003{number:012}AAA"));
        batch.set(1, "2024-05-01T10:00:00.000Z");
        for (column, value) in values.iter().enumerate() {
            batch.set(column + 2, value);
        }
    }
    batch
}

/// One guarded segment.
pub(crate) async fn merge(table: &mut PostgresTable, batch: Batch) -> Result<Counts> {
    table.begin(Load::Merge).await?;
    table.write(batch).await?;
    table
        .commit(&checkpoint(), Deletions::Apply(GUARD), StateWrite::WithRows, now())
        .await
}

/// Text of 2600 characters that cannot be compressed, another for each seed: the plan's index takes it alone, and no index takes
/// it with more.
pub(crate) fn noise(seed: u32) -> String {
    (0..325_u32).fold(String::new(), |noise, n| {
        format!("{noise}{:08x}", (n + seed * 325).wrapping_mul(2_654_435_761))
    })
}
