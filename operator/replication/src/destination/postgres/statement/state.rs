//! Statements on the state tables of one schema.

use super::{Statement, quote};
use crate::state::SCHEMA_VERSION;

/// The tables and the view of a schema that hold what a destination remembers (design 6.1).
pub(crate) const STATE_RELATIONS: [&str; 7] = [
    "_replication_meta",
    "_replication_state",
    "_pending_delete",
    "_surplus_row",
    "_rejected_row",
    "_retired_table",
    "_freshness",
];

/// The same of version 1.
pub(crate) const RELATIONS_OF_ONE: [&str; 7] = [
    "_replication_meta",
    "_replication_state",
    "_pending_delete",
    "_listed_row",
    "_rejected_row",
    "_retired_table",
    "_freshness",
];

/// Statements on the state tables of one schema.
#[derive(Debug)]
pub(crate) struct StateStatements {
    /// The tables and the view, in one transaction.
    pub(crate) create: Vec<Statement>,
    /// Only the schema, where it is missing.
    pub(crate) create_schema: Statement,
    pub(crate) read_version: Statement,
    /// From version 1 to 2, in one transaction.
    pub(crate) migrate: Vec<Statement>,
    /// `$1` object, `$2` table.
    pub(crate) read: Statement,
    /// `$1` object.
    pub(crate) read_found: Statement,
    /// `$1` table.
    pub(crate) read_retired: Statement,
    /// `$1` table.
    pub(crate) forget_retired: Statement,
    /// See [`state`](super::super::state) for the parameters.
    pub(crate) insert: Statement,
    pub(crate) update: Statement,
    pub(crate) touch: Statement,
    /// `$1` object, `$2` epoch, `$3` the next one, `$4` replicator, `$5` wall clock where it is known.
    pub(crate) claim: Statement,
    /// `$1` object, `$2` replicator, `$3` the one that it adopts, `$4` org.
    pub(crate) adopt_retired: Statement,
    /// `$1` object, `$2` rows.
    pub(crate) set_rows: Statement,
    /// `$1` the owner's replicator and the one that it adopts, `$2` org, `$3` objects that stay, in lower case: object and table.
    pub(crate) read_leaving: Statement,
    /// `$1` table, `$2` object, `$3` replicator, `$4` org, `$5` wall clock.
    pub(crate) retire: Statement,
    /// `$1` object.
    pub(crate) forget_state: Statement,
    /// `$1` the owner's replicator and the one that it adopts, `$2` org, `$3` schema.
    pub(crate) list_retired: Statement,
    /// `$1` object: pending deletes that nobody has confirmed, in the order of their token.
    pub(crate) held: Statement,
    /// The same, `$2` at most.
    pub(crate) first_held: Statement,
    /// `$1` object, `$2` how many.
    pub(crate) confirm: Statement,
    /// `$1` object, `$2` behind this Id, `$3` at most.
    pub(crate) list_surplus: Statement,
    /// `$1` object, `$2` behind this Id, `$3` at most.
    pub(crate) list_pending: Statement,
    /// `$1` object: what was noted of its rows.
    pub(crate) forget_pending: Statement,
    pub(crate) forget_surplus: Statement,
    pub(crate) forget_rejected: Statement,
}

impl StateStatements {
    pub(crate) fn new(schema: &str) -> Self {
        let schema = quote(schema);
        let forget = |table: &str| Statement::new(format!("DELETE FROM {schema}.{table} WHERE object = $1"));
        let ids_of = |table: &str| {
            Statement::new(format!(
                "SELECT salesforce_id FROM {schema}.{table} WHERE object = $1 AND salesforce_id > $2 \
                 ORDER BY salesforce_id LIMIT $3"
            ))
        };
        let held = format!(
            "SELECT salesforce_id FROM {schema}._pending_delete WHERE object = $1 AND NOT confirmed \
             ORDER BY found_at, salesforce_id"
        );
        Self {
            create: create_state(&schema),
            create_schema: Statement::new(format!("CREATE SCHEMA IF NOT EXISTS {schema}")),
            read_version: Statement::new(format!("SELECT schema_version FROM {schema}._replication_meta")),
            migrate: migrate_state(&schema),
            read: read_state(&schema),
            read_found: Statement::new(format!(
                "SELECT epoch, rows, deletes_window::text, \
                 EXISTS (SELECT FROM {schema}._pending_delete n WHERE n.object = $1), \
                 EXISTS (SELECT FROM {schema}._rejected_row n WHERE n.object = $1), \
                 EXISTS (SELECT FROM {schema}._surplus_row n WHERE n.object = $1) \
                 FROM {schema}._replication_state WHERE object = $1"
            )),
            read_retired: Statement::new(format!(
                "SELECT replicator, organization_id, object FROM {schema}._retired_table WHERE table_name = $1"
            )),
            forget_retired: Statement::new(format!("DELETE FROM {schema}._retired_table WHERE table_name = $1")),
            insert: insert_state(&schema),
            update: update_state(&schema),
            touch: Statement::new(format!(
                "UPDATE {schema}._replication_state SET watermark = $3, checked_at = $4, verified_until = $5, \
                 reconciled_at = $6, refreshed_at = $7, updated_at = $8 WHERE object = $1 AND epoch = $2"
            )),
            claim: Statement::new(format!(
                "UPDATE {schema}._replication_state SET epoch = $3, replicator = $4, updated_at = coalesce($5, updated_at) \
                 WHERE object = $1 AND epoch = $2"
            )),
            adopt_retired: Statement::new(format!(
                "UPDATE {schema}._retired_table SET replicator = $2 \
                 WHERE object = $1 AND replicator = $3 AND organization_id = $4"
            )),
            set_rows: Statement::new(format!(
                "UPDATE {schema}._replication_state SET rows = $2 WHERE object = $1"
            )),
            read_leaving: Statement::new(format!(
                "SELECT object, table_name FROM {schema}._replication_state WHERE replicator = ANY ($1) \
                 AND organization_id = $2 AND lower(object) <> ALL ($3) ORDER BY object"
            )),
            retire: Statement::new(format!(
                "INSERT INTO {schema}._retired_table (table_name, object, replicator, organization_id, retired_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (table_name) DO UPDATE SET object = excluded.object, \
                 replicator = excluded.replicator, organization_id = excluded.organization_id, \
                 retired_at = excluded.retired_at"
            )),
            forget_state: forget("_replication_state"),
            list_retired: Statement::new(format!(
                "SELECT r.table_name, r.object, r.retired_at FROM {schema}._retired_table r \
                 WHERE r.replicator = ANY ($1) AND r.organization_id = $2 AND EXISTS (SELECT FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $3 AND c.relname = r.table_name) ORDER BY r.table_name"
            )),
            confirm: Statement::new(format!(
                "UPDATE {schema}._pending_delete p SET confirmed = true FROM ({held} LIMIT $2) h \
                 WHERE p.object = $1 AND p.salesforce_id = h.salesforce_id"
            )),
            first_held: Statement::new(format!("{held} LIMIT $2")),
            held: Statement::new(held),
            list_surplus: ids_of("_surplus_row"),
            list_pending: ids_of("_pending_delete"),
            forget_pending: forget("_pending_delete"),
            forget_surplus: forget("_surplus_row"),
            forget_rejected: forget("_rejected_row"),
        }
    }
}

fn read_state(schema: &str) -> Statement {
    Statement::new(format!(
        "SELECT s.object, s.replicator, s.organization_id, s.table_name, s.rows, s.epoch, s.phase, s.plan_hash, \
         s.query_start, s.watermark, s.last_id, s.checked_at, s.verified_until, s.reconciled_at, s.refreshed_at, \
         s.listing_kind, s.listing_plan_hash, s.listing_started, s.listing_covered, s.listing_last_id, \
         s.deletes_window::text AS deletes_window, \
         (SELECT count(*) FROM {schema}._pending_delete p WHERE p.object = s.object) AS pending, \
         (SELECT count(*) FROM {schema}._pending_delete p WHERE p.object = s.object AND p.confirmed) AS confirmed, \
         (SELECT count(DISTINCT r.salesforce_id) FROM {schema}._rejected_row r WHERE r.object = s.object) AS rejected \
         FROM {schema}._replication_state s WHERE s.object = $1 OR s.table_name = $2 \
         OR (s.replicator = ANY ($3) AND s.organization_id <> $4)"
    ))
}

/// What a checkpoint is bound to, in the order of [`state::write`](super::super::state::write).
const CHECKPOINT: [&str; 15] = [
    "phase",
    "plan_hash",
    "query_start",
    "watermark",
    "last_id",
    "checked_at",
    "verified_until",
    "reconciled_at",
    "refreshed_at",
    "listing_kind",
    "listing_plan_hash",
    "listing_started",
    "listing_covered",
    "listing_last_id",
    "updated_at",
];

/// Parameters before those of the checkpoint, of both statements that write the state.
const BEFORE: usize = 7;

/// `$1` object, `$2` replicator, `$3` org, `$4` table, `$5` rows, `$6` the window, `$7` epoch, then the checkpoint.
fn insert_state(schema: &str) -> Statement {
    let parameters: Vec<String> = (1..=CHECKPOINT.len())
        .map(|number| format!("${}", number + BEFORE))
        .collect();
    Statement::new(format!(
        "INSERT INTO {schema}._replication_state (object, replicator, organization_id, table_name, rows, deletes_window, \
         epoch, {}) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, {}) ON CONFLICT (object) DO NOTHING",
        CHECKPOINT.join(", "),
        parameters.join(", ")
    ))
}

/// `$1` object, `$2` replicator, `$3` the epoch as it is, `$4` table, `$5` rows more, `$6` the window, `$7` the epoch as it
/// is to be, then the checkpoint.
fn update_state(schema: &str) -> Statement {
    let assignments: Vec<String> = CHECKPOINT
        .iter()
        .enumerate()
        .map(|(number, column)| format!("{column} = ${}", number + BEFORE + 1))
        .collect();
    Statement::new(format!(
        "UPDATE {schema}._replication_state SET replicator = $2, table_name = $4, rows = rows + $5, \
         deletes_window = $6::jsonb, epoch = $7, {} WHERE object = $1 AND epoch = $3",
        assignments.join(", ")
    ))
}

/// Candidates of a listing under way. Logged, unlike rows that could be listed again: a count that a crash of the server
/// made wrong would leave rows in the table that are not in Salesforce.
fn create_surplus(schema: &str) -> String {
    format!(
        "CREATE TABLE {schema}._surplus_row (\
         object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
         PRIMARY KEY (object, salesforce_id))"
    )
}

/// Text columns of the state collate bytewise: they are keys and tokens, and sort nowhere.
fn create_state(schema: &str) -> Vec<Statement> {
    [
        format!(
            "CREATE TABLE {schema}._replication_meta (\
             one boolean PRIMARY KEY DEFAULT true CHECK (one), schema_version integer NOT NULL)"
        ),
        format!(
            "CREATE TABLE {schema}._replication_state (\
             object text COLLATE \"C\" PRIMARY KEY, replicator text NOT NULL, organization_id text NOT NULL, \
             table_name text NOT NULL, plan_hash text NOT NULL, phase text NOT NULL, \
             query_start timestamptz, watermark timestamptz, last_id text, \
             job_id text, job_api_version text, locator text, \
             rows bigint NOT NULL DEFAULT 0, deletes_window jsonb, \
             verified_until timestamptz, reconciled_at timestamptz, refreshed_at timestamptz, checked_at timestamptz, \
             epoch bigint NOT NULL, updated_at timestamptz NOT NULL, \
             listing_kind text, listing_plan_hash text, listing_started timestamptz, listing_covered timestamptz, \
             listing_last_id text)"
        ),
        format!(
            "CREATE TABLE {schema}._pending_delete (\
             object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
             stamp timestamptz NOT NULL, found_at timestamptz NOT NULL, confirmed boolean NOT NULL DEFAULT false, \
             PRIMARY KEY (object, salesforce_id))"
        ),
        create_surplus(schema),
        format!(
            "CREATE TABLE {schema}._rejected_row (\
             object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
             column_name text COLLATE \"C\" NOT NULL, reason text NOT NULL, since timestamptz NOT NULL, \
             PRIMARY KEY (object, salesforce_id, column_name))"
        ),
        format!(
            "CREATE TABLE {schema}._retired_table (\
             table_name text COLLATE \"C\" PRIMARY KEY, object text NOT NULL, replicator text NOT NULL, \
             organization_id text NOT NULL, retired_at timestamptz NOT NULL)"
        ),
        format!(
            "CREATE VIEW {schema}._freshness AS SELECT table_name AS \"table\", watermark, verified_until, checked_at \
             FROM {schema}._replication_state"
        ),
        format!("INSERT INTO {schema}._replication_meta (schema_version) VALUES ({SCHEMA_VERSION})"),
    ]
    .into_iter()
    .map(Statement::new)
    .collect()
}

/// What version 2 has that version 1 had not. Columns without a default change the catalogue only, so that this takes no
/// longer with many rows. `_listed_row` was never written.
fn migrate_state(schema: &str) -> Vec<Statement> {
    [
        format!(
            "ALTER TABLE {schema}._replication_state ADD COLUMN listing_kind text, ADD COLUMN listing_plan_hash text, \
             ADD COLUMN listing_started timestamptz, ADD COLUMN listing_covered timestamptz, \
             ADD COLUMN listing_last_id text"
        ),
        format!("ALTER TABLE {schema}._pending_delete ADD COLUMN confirmed boolean NOT NULL DEFAULT false"),
        format!("DROP TABLE IF EXISTS {schema}._listed_row"),
        create_surplus(schema),
        format!("UPDATE {schema}._replication_meta SET schema_version = 2"),
    ]
    .into_iter()
    .map(Statement::new)
    .collect()
}
