//! The only place where SQL text meets identifiers.
//!
//! sqlx takes dynamic SQL only inside [`AssertSqlSafe`]; it stands here and nowhere else, so that this file is what a
//! reviewer reads. Names are quoted by [`quote`], the few literals by [`literal`]; values of records never become part
//! of a statement: they go by COPY or as parameters.

use std::{fmt::Write as _, sync::Arc};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::MergeStatement;
use crate::{
    plan::{Column, ColumnKind, ColumnSource, Deletes, IndexPlan, ObjectPlan},
    state::SCHEMA_VERSION,
};

/// A statement whose names are quoted.
#[derive(Debug, Clone)]
pub(super) struct Statement(Arc<str>);

impl Statement {
    fn new(sql: impl Into<Arc<str>>) -> Self {
        Self(sql.into())
    }

    /// For sqlx.
    pub(super) fn sql(&self) -> SqlStr {
        AssertSqlSafe(Arc::clone(&self.0)).into_sql_str()
    }

    /// For COPY, and for people.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Quotes an identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a literal; `standard_conforming_strings` is on in our sessions, so that a backslash is only a backslash.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The tables and the view of a schema that hold what a destination remembers (design 6.1).
pub(super) const STATE_RELATIONS: [&str; 7] = [
    "_replication_meta",
    "_replication_state",
    "_pending_delete",
    "_listed_row",
    "_rejected_row",
    "_retired_table",
    "_freshness",
];

/// The type of a column. numeric has no scale: one would round in silence (design section 7).
pub(super) fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Id | ColumnKind::Text { length: _ } => "text",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Int => "integer",
        ColumnKind::Long => "bigint",
        ColumnKind::Decimal { precision: _, scale: _ } => "numeric",
        ColumnKind::Date => "date",
        ColumnKind::Time => "time without time zone",
        ColumnKind::Timestamp => "timestamp with time zone",
    }
}

/// What a session sets for itself. The server's own defaults may be anything.
///
/// `jit` is off: a merge of a segment is costly enough to trigger it, and compiling a guard of some thirty columns takes
/// longer than the rows of one segment can give back.
///
/// `random_page_cost` is that of an SSD. With the default of 4 the planner thinks 50 000 look-ups by key dearer than a hash
/// of the whole table: 430 ms a segment at a million rows, and more with each row, where the look-ups take 100 ms (Ids in
/// order) to 240 ms (scattered) at any size. Forbidding hash joins would be surer, but triggers of others run in our
/// session too. Notices ("relation already exists") are no news.
pub(super) fn session_settings(statement_timeout_ms: u128, lock_timeout_ms: u128, idle_timeout_ms: u128) -> Statement {
    Statement::new(format!(
        "SET statement_timeout = {statement_timeout_ms}; SET lock_timeout = {lock_timeout_ms}; \
         SET idle_in_transaction_session_timeout = {idle_timeout_ms}; SET standard_conforming_strings = on; \
         SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; SET jit = off; \
         SET random_page_cost = 1.1"
    ))
}

/// Statements on the state tables of one schema.
#[derive(Debug)]
pub(super) struct StateStatements {
    /// The schema, the tables and the view, in one transaction.
    pub(super) create: Vec<Statement>,
    /// Only the schema, where it is missing.
    pub(super) create_schema: Statement,
    pub(super) read_version: Statement,
    /// `$1` object, `$2` table.
    pub(super) read: Statement,
    /// `$1` object.
    pub(super) read_epoch: Statement,
    /// `$1` table.
    pub(super) read_retired: Statement,
    /// `$1` table.
    pub(super) forget_retired: Statement,
    /// See [`super::state`] for the parameters.
    pub(super) insert: Statement,
    pub(super) update: Statement,
    pub(super) touch: Statement,
    /// `$1` object, `$2` rows.
    pub(super) set_rows: Statement,
}

impl StateStatements {
    pub(super) fn new(schema: &str) -> Self {
        let schema = quote(schema);
        Self {
            create: create_state(&schema),
            create_schema: Statement::new(format!("CREATE SCHEMA IF NOT EXISTS {schema}")),
            read_version: Statement::new(format!("SELECT schema_version FROM {schema}._replication_meta")),
            read: Statement::new(format!(
                "SELECT object, replicator, organization_id, table_name, rows, epoch, phase, plan_hash, query_start, \
                 watermark, last_id, checked_at FROM {schema}._replication_state WHERE object = $1 OR table_name = $2"
            )),
            read_epoch: Statement::new(format!(
                "SELECT epoch, EXISTS (SELECT FROM {schema}._pending_delete p WHERE p.object = $1) \
                 FROM {schema}._replication_state WHERE object = $1"
            )),
            read_retired: Statement::new(format!(
                "SELECT replicator, organization_id FROM {schema}._retired_table WHERE table_name = $1"
            )),
            forget_retired: Statement::new(format!("DELETE FROM {schema}._retired_table WHERE table_name = $1")),
            insert: Statement::new(format!(
                "INSERT INTO {schema}._replication_state (object, replicator, organization_id, table_name, rows, epoch, \
                 phase, plan_hash, query_start, watermark, last_id, checked_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (object) DO NOTHING"
            )),
            update: Statement::new(format!(
                "UPDATE {schema}._replication_state SET epoch = $3, rows = rows + $4, table_name = $5, phase = $6, \
                 plan_hash = $7, query_start = $8, watermark = $9, last_id = $10, checked_at = $11, updated_at = $12 \
                 WHERE object = $1 AND epoch = $2"
            )),
            touch: Statement::new(format!(
                "UPDATE {schema}._replication_state SET watermark = $3, checked_at = $4, updated_at = $5 \
                 WHERE object = $1 AND epoch = $2"
            )),
            set_rows: Statement::new(format!(
                "UPDATE {schema}._replication_state SET rows = $2 WHERE object = $1"
            )),
        }
    }
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
             epoch bigint NOT NULL, updated_at timestamptz NOT NULL)"
        ),
        format!(
            "CREATE TABLE {schema}._pending_delete (\
             object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
             stamp timestamptz NOT NULL, found_at timestamptz NOT NULL, PRIMARY KEY (object, salesforce_id))"
        ),
        format!(
            "CREATE UNLOGGED TABLE {schema}._listed_row (\
             object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
             system_modstamp timestamptz, PRIMARY KEY (object, salesforce_id))"
        ),
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

/// How staged rows enter the table.
#[derive(Debug)]
pub(super) enum MergeSql {
    /// One simple query of three statements: rows inserted so far in this transaction, MERGE, the same number again.
    /// MERGE tells only the sum of what it did.
    Merge(Statement),
    /// Two statements, each of which tells its number.
    UpdateInsert { update: Statement, insert: Statement },
}

/// Statements on one object's table.
#[derive(Debug)]
pub(super) struct TableStatements {
    pub(super) create_table: Statement,
    pub(super) drop_table: Statement,
    pub(super) indexes: Vec<IndexStatements>,
    pub(super) copy_direct: Statement,
    pub(super) create_staging: Statement,
    pub(super) copy_staging: Statement,
    pub(super) drop_repeated: Statement,
    pub(super) merge: MergeSql,
    /// `$1` object: pending deletes that a staged live row disproves.
    pub(super) take_out_pending: Statement,
    /// `$1` object, `$2` found at.
    pub(super) note_pending: Statement,
    /// `$1` object.
    pub(super) apply_pending: Statement,
    /// `$1` object.
    pub(super) forget_pending: Statement,
    pub(super) has_rows: Statement,
    pub(super) count_rows: Statement,
}

/// Statements that make one index.
#[derive(Debug)]
pub(super) struct IndexStatements {
    pub(super) name: String,
    pub(super) create: Statement,
    pub(super) create_concurrently: Statement,
    /// Only called where the index is not there or not valid.
    pub(super) drop_invalid: Statement,
}

/// Columns that only the staging table has. A plan's names have no `#`.
const READ: &str = "\"#read\"";
const DELETED: &str = "\"#deleted\"";

/// The staging table of a connection; a connection serves one object.
const STAGING: &str = "pg_temp.\"#staging\"";

impl TableStatements {
    pub(super) fn new(schema: &str, plan: &ObjectPlan, merge: MergeStatement) -> Self {
        let names = Names::new(schema, plan);
        Self {
            create_table: create_table(&names, plan),
            // The lock that it takes stops readers, so it does not wait long for it.
            drop_table: Statement::new(format!(
                "SET LOCAL lock_timeout = '5s'; DROP TABLE IF EXISTS {}",
                names.table
            )),
            indexes: plan
                .indexes
                .iter()
                .map(|index| index_statements(&names, index))
                .collect(),
            copy_direct: Statement::new(format!(
                "COPY {} ({}) FROM STDIN (FORMAT binary)",
                names.table,
                names.columns.join(", ")
            )),
            create_staging: create_staging(plan),
            copy_staging: Statement::new(format!(
                "COPY {STAGING} ({READ}, {DELETED}, {}) FROM STDIN (FORMAT binary)",
                names.columns.join(", ")
            )),
            drop_repeated: drop_repeated(&names),
            merge: merge_sql(&names, merge),
            take_out_pending: take_out_pending(&names),
            note_pending: note_pending(&names, plan),
            apply_pending: apply_pending(&names, plan),
            forget_pending: Statement::new(format!("DELETE FROM {} WHERE object = $1", names.pending)),
            has_rows: Statement::new(format!("SELECT EXISTS (SELECT FROM {})", names.table)),
            count_rows: Statement::new(format!("SELECT count(*) FROM {}", names.table)),
        }
    }

    /// What makes the table and its indexes, for `plan`.
    pub(super) fn ddl(&self) -> Vec<String> {
        std::iter::once(&self.create_table)
            .chain(self.indexes.iter().map(|index| &index.create))
            .map(|statement| statement.as_str().to_owned())
            .collect()
    }
}

/// Columns whose values are written: all but those that stay empty.
pub(super) fn written(plan: &ObjectPlan) -> impl Iterator<Item = &Column> {
    plan.columns.iter().filter(|column| match column.source {
        ColumnSource::Field(_) | ColumnSource::Template(_) | ColumnSource::IsDeleted | ColumnSource::DeletedAt => true,
        ColumnSource::Empty => false,
    })
}

/// The quoted names of a plan.
struct Names {
    schema: String,
    table: String,
    /// The table as a literal, for `::regclass`.
    table_literal: String,
    pending: String,
    key: String,
    stamp: String,
    /// All written columns, key and stamp first.
    columns: Vec<String>,
    /// Those of them after key and stamp.
    compared: Vec<String>,
}

impl Names {
    fn new(schema: &str, plan: &ObjectPlan) -> Self {
        let schema = quote(schema);
        let table = format!("{schema}.{}", quote(plan.table.as_str()));
        let columns: Vec<String> = written(plan).map(|column| quote(column.name.as_str())).collect();
        let column = |position: usize| columns.get(position).cloned().unwrap_or_default();
        Self {
            table_literal: literal(&table),
            table,
            pending: format!("{schema}._pending_delete"),
            schema,
            key: column(0),
            stamp: column(1),
            compared: columns.iter().skip(2).cloned().collect(),
            columns,
        }
    }

    /// The columns with a prefix: `s."a", s."b"`.
    fn prefixed(&self, prefix: &str) -> String {
        self.columns
            .iter()
            .map(|column| format!("{prefix}.{column}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The definition of a column, as in CREATE TABLE and ADD COLUMN.
fn column_definition(column: &Column, key: bool) -> String {
    let mut definition = format!("{} {}", quote(column.name.as_str()), type_name(column.kind));
    if key {
        // Ids ascend and are compared bytewise; a collation by ICU costs a load 20 to 54 % (performance.md 2.4).
        definition.push_str(" COLLATE \"C\" PRIMARY KEY");
    }
    if column.source == ColumnSource::IsDeleted {
        // So that `WHERE NOT is_deleted` finds the rows that were there before the column was.
        definition.push_str(" NOT NULL DEFAULT false");
    }
    definition
}

fn create_table(names: &Names, plan: &ObjectPlan) -> Statement {
    let definitions: Vec<String> = plan
        .columns
        .iter()
        .enumerate()
        .map(|(position, column)| {
            let definition = column_definition(column, position == 0);
            if position == 1 {
                format!("{definition} NOT NULL")
            } else {
                definition
            }
        })
        .collect();
    Statement::new(format!(
        "CREATE TABLE {} (\n  {}\n)",
        names.table,
        definitions.join(",\n  ")
    ))
}

/// Adds columns to a table that is there. The lock that it takes stops readers, so it does not wait long for it.
pub(super) fn add_columns(schema: &str, plan: &ObjectPlan, columns: &[&Column]) -> Statement {
    let additions: Vec<String> = columns
        .iter()
        .map(|column| format!("ADD COLUMN {}", column_definition(column, false)))
        .collect();
    Statement::new(format!(
        "SET LOCAL lock_timeout = '5s'; ALTER TABLE {}.{} {}",
        quote(schema),
        quote(plan.table.as_str()),
        additions.join(", ")
    ))
}

fn index_statements(names: &Names, index: &IndexPlan) -> IndexStatements {
    let name = quote(index.name.as_str());
    let columns: Vec<String> = index.columns.iter().map(|column| quote(column.as_str())).collect();
    let on = format!("IF NOT EXISTS {name} ON {} ({})", names.table, columns.join(", "));
    IndexStatements {
        name: index.name.as_str().to_owned(),
        create: Statement::new(format!("CREATE INDEX {on}")),
        create_concurrently: Statement::new(format!("CREATE INDEX CONCURRENTLY {on}")),
        drop_invalid: Statement::new(format!("DROP INDEX CONCURRENTLY IF EXISTS {}.{name}", names.schema)),
    }
}

fn create_staging(plan: &ObjectPlan) -> Statement {
    let mut sql = format!("CREATE TEMPORARY TABLE {STAGING} ({READ} bigint NOT NULL, {DELETED} boolean NOT NULL");
    for (position, column) in written(plan).enumerate() {
        let collation = if position == 0 { " COLLATE \"C\"" } else { "" };
        // Writing to a String cannot fail.
        write!(
            sql,
            ", {} {}{collation}",
            quote(column.name.as_str()),
            type_name(column.kind)
        )
        .ok();
    }
    sql.push_str(") ON COMMIT DELETE ROWS");
    Statement::new(sql)
}

/// Of several rows for one Id the newest stamp stays, at equal stamps the later read. Only key, stamp and place are
/// sorted, not the rows.
fn drop_repeated(names: &Names) -> Statement {
    let Names { key, stamp, .. } = names;
    Statement::new(format!(
        "DELETE FROM {STAGING} s USING (SELECT ctid AS place, row_number() OVER (PARTITION BY {key} \
         ORDER BY {stamp} DESC, {READ} DESC) AS number FROM {STAGING}) r WHERE s.ctid = r.place AND r.number > 1"
    ))
}

/// The guard (performance.md 1.4): an older stamp here, or an equal one and any column that differs. Column by column:
/// comparing whole rows costs 1.8 times as much.
fn guard(names: &Names) -> String {
    let stamp = &names.stamp;
    let differs: Vec<String> = names
        .compared
        .iter()
        .map(|column| format!("t.{column} IS DISTINCT FROM s.{column}"))
        .collect();
    if differs.is_empty() {
        return format!("t.{stamp} < s.{stamp}");
    }
    format!(
        "(t.{stamp} < s.{stamp} OR t.{stamp} = s.{stamp} AND ({}))",
        differs.join(" OR ")
    )
}

fn merge_sql(names: &Names, merge: MergeStatement) -> MergeSql {
    let Names {
        table, key, columns, ..
    } = names;
    let guard = guard(names);
    let assignments: Vec<String> = columns
        .iter()
        .skip(1)
        .map(|column| format!("{column} = s.{column}"))
        .collect();
    let assignments = assignments.join(", ");
    let all = columns.join(", ");
    let staged = names.prefixed("s");
    match merge {
        MergeStatement::Merge => {
            let inserted = format!(
                "SELECT pg_stat_get_xact_tuples_inserted({}::regclass)",
                names.table_literal
            );
            MergeSql::Merge(Statement::new(format!(
                "{inserted}; MERGE INTO {table} t USING {STAGING} s ON t.{key} = s.{key} \
                 WHEN MATCHED AND NOT s.{DELETED} AND {guard} THEN UPDATE SET {assignments} \
                 WHEN NOT MATCHED AND NOT s.{DELETED} THEN INSERT ({all}) VALUES ({staged}); {inserted}"
            )))
        }
        MergeStatement::UpdateInsert => MergeSql::UpdateInsert {
            update: Statement::new(format!(
                "UPDATE {table} t SET {assignments} FROM {STAGING} s WHERE t.{key} = s.{key} AND NOT s.{DELETED} AND {guard}"
            )),
            insert: Statement::new(format!(
                "INSERT INTO {table} ({all}) SELECT {staged} FROM {STAGING} s WHERE NOT s.{DELETED} \
                 AND NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = s.{key})"
            )),
        },
    }
}

fn take_out_pending(names: &Names) -> Statement {
    let Names {
        pending, key, stamp, ..
    } = names;
    Statement::new(format!(
        "DELETE FROM {pending} p USING {STAGING} s WHERE p.object = $1 AND p.salesforce_id = s.{key} \
         AND NOT s.{DELETED} AND s.{stamp} >= p.stamp"
    ))
}

/// One of the two columns of the mark, where a table has them.
fn mark_column(plan: &ObjectPlan, source: &ColumnSource) -> Option<String> {
    match plan.deletes {
        Deletes::Mark => plan
            .columns
            .iter()
            .find(|column| column.source == *source)
            .map(|column| quote(column.name.as_str())),
        Deletes::Remove | Deletes::Ignore => None,
    }
}

fn note_pending(names: &Names, plan: &ObjectPlan) -> Statement {
    let Names {
        table,
        pending,
        key,
        stamp,
        ..
    } = names;
    // An entry that is there with the same stamp is left alone: ON CONFLICT would lock it, and a lock is a write.
    let unmarked = mark_column(plan, &ColumnSource::IsDeleted).map(|is_deleted| format!(" AND NOT t.{is_deleted}"));
    let unmarked = unmarked.unwrap_or_default();
    Statement::new(format!(
        "INSERT INTO {pending} AS p (object, salesforce_id, stamp, found_at) \
         SELECT $1, s.{key}, s.{stamp}, $2 FROM {STAGING} s JOIN {table} t ON t.{key} = s.{key} \
         WHERE s.{DELETED} AND t.{stamp} <= s.{stamp}{unmarked} AND NOT EXISTS (SELECT FROM {pending} q \
         WHERE q.object = $1 AND q.salesforce_id = s.{key} AND q.stamp >= s.{stamp}) \
         ON CONFLICT (object, salesforce_id) DO UPDATE SET stamp = excluded.stamp"
    ))
}

fn apply_pending(names: &Names, plan: &ObjectPlan) -> Statement {
    let Names {
        table,
        pending,
        key,
        stamp,
        ..
    } = names;
    let of_object = format!("p.object = $1 AND p.salesforce_id = t.{key} AND t.{stamp} <= p.stamp");
    let is_deleted = mark_column(plan, &ColumnSource::IsDeleted);
    let deleted_at = mark_column(plan, &ColumnSource::DeletedAt);
    Statement::new(match (is_deleted, deleted_at) {
        (Some(is_deleted), Some(deleted_at)) => format!(
            "UPDATE {table} t SET {is_deleted} = true, {deleted_at} = p.stamp, {stamp} = p.stamp FROM {pending} p \
             WHERE {of_object} AND NOT t.{is_deleted}"
        ),
        _ => format!("DELETE FROM {table} t USING {pending} p WHERE {of_object}"),
    })
}
