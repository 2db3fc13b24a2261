//! The only place where SQL text meets identifiers.
//!
//! Names are quoted by [`quote`] and become part of a statement here and nowhere else; values of records never do, they
//! are bound as parameters. The statements of one table are written once, when it is opened, and prepared once by the
//! connection's cache, which finds them by their text.

use crate::plan::{Column, ColumnKind, ColumnSource, Deletes, IndexPlan, ObjectPlan};

/// The tables and the view that hold what a destination remembers (design 6.1), each with the statement that makes it.
///
/// Keyed tables are without rowid: their key is all that they are searched by, and `last_insert_rowid` stays that of
/// the object's table (see [`super::load`]).
pub(super) const STATE_RELATIONS: [(&str, &str); 7] = [
    (
        "_replication_meta",
        "CREATE TABLE _replication_meta (one INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (one = 1), \
         schema_version INTEGER NOT NULL)",
    ),
    (
        "_replication_state",
        "CREATE TABLE _replication_state (object TEXT NOT NULL PRIMARY KEY, replicator TEXT NOT NULL, \
         organization_id TEXT NOT NULL, table_name TEXT NOT NULL, plan_hash TEXT NOT NULL, phase TEXT NOT NULL, \
         query_start TEXT, watermark TEXT, last_id TEXT, job_id TEXT, job_api_version TEXT, locator TEXT, \
         rows INTEGER NOT NULL DEFAULT 0, deletes_window TEXT, verified_until TEXT, reconciled_at TEXT, \
         refreshed_at TEXT, checked_at TEXT, epoch INTEGER NOT NULL, updated_at TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        "_pending_delete",
        "CREATE TABLE _pending_delete (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, stamp TEXT NOT NULL, \
         found_at TEXT NOT NULL, PRIMARY KEY (object, salesforce_id)) WITHOUT ROWID",
    ),
    (
        "_listed_row",
        "CREATE TABLE _listed_row (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, system_modstamp TEXT, \
         PRIMARY KEY (object, salesforce_id)) WITHOUT ROWID",
    ),
    (
        "_rejected_row",
        "CREATE TABLE _rejected_row (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, column_name TEXT NOT NULL, \
         reason TEXT NOT NULL, since TEXT NOT NULL, PRIMARY KEY (object, salesforce_id, column_name)) WITHOUT ROWID",
    ),
    (
        "_retired_table",
        "CREATE TABLE _retired_table (table_name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, object TEXT NOT NULL, \
         replicator TEXT NOT NULL, organization_id TEXT NOT NULL, retired_at TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        "_freshness",
        "CREATE VIEW _freshness AS SELECT table_name AS \"table\", watermark, verified_until, checked_at \
         FROM _replication_state",
    ),
];

/// What a connection keeps for itself, in memory: deletes found by the segment under way, and a place for
/// [`RESET_LAST_ROWID`].
pub(super) const CREATE_TEMPORARY: &str = "\
    CREATE TEMP TABLE found_delete (salesforce_id TEXT NOT NULL PRIMARY KEY, stamp TEXT NOT NULL) WITHOUT ROWID; \
    CREATE TEMP TABLE last_rowid (unused INTEGER)";

/// Sets the connection's last inserted rowid to one that no row of a table has.
pub(super) const RESET_LAST_ROWID: &str = "INSERT OR REPLACE INTO temp.last_rowid (rowid) VALUES (-1)";

/// `?1` Id, `?2` stamp: a deleted record of the segment. The newest stamp stays.
pub(super) const FIND_DELETE: &str = "INSERT INTO temp.found_delete (salesforce_id, stamp) VALUES (?1, ?2) \
    ON CONFLICT (salesforce_id) DO UPDATE SET stamp = excluded.stamp WHERE excluded.stamp > stamp";

/// `?1` Id, `?2` stamp: a live record of the segment that is not older than its deleted form.
pub(super) const UNFIND_DELETE: &str = "DELETE FROM temp.found_delete WHERE salesforce_id = ?1 AND stamp <= ?2";

/// `?1` Id: whether the segment has a newer, deleted form of a record.
pub(super) const IS_FOUND_DELETED: &str = "SELECT EXISTS (SELECT 1 FROM temp.found_delete WHERE salesforce_id = ?1)";

/// The segment's deletes are noted, or dropped.
pub(super) const FORGET_FOUND: &str = "DELETE FROM temp.found_delete";

/// `?1` object, `?2` Id, `?3` stamp: a live read takes the pending delete out.
pub(super) const TAKE_OUT_PENDING: &str =
    "DELETE FROM _pending_delete WHERE object = ?1 AND salesforce_id = ?2 AND stamp <= ?3";

/// `?1` object: whether it has pending deletes.
pub(super) const HAS_PENDING: &str = "SELECT EXISTS (SELECT 1 FROM _pending_delete WHERE object = ?1)";

/// `?1` object: its pending deletes are applied, or dropped.
pub(super) const FORGET_PENDING: &str = "DELETE FROM _pending_delete WHERE object = ?1";

/// The statements of one object's table.
#[derive(Debug)]
pub(super) struct TableStatements {
    /// Parameters are those of [`bound`], in its order.
    pub(super) insert: String,
    /// The same through the guard.
    pub(super) upsert: String,
    /// `?1` Id, `?2` stamp, `?3` the highest rowid before the segment: takes back a row that this segment inserted.
    pub(super) undo_insert: String,
    /// `?1` object, `?2` found at.
    pub(super) note_deletes: String,
    /// `?1` object.
    pub(super) apply_deletes: String,
    pub(super) highest_rowid: String,
    pub(super) has_rows: String,
    pub(super) count_rows: String,
}

impl TableStatements {
    pub(super) fn new(plan: &ObjectPlan) -> Self {
        let table = quote(plan.table.as_str());
        let key = name_at(plan, 0);
        let stamp = name_at(plan, 1);
        let insert = insert(plan);
        Self {
            upsert: format!("{insert}{}", on_conflict(plan)),
            insert,
            undo_insert: format!("DELETE FROM {table} WHERE {key} = ?1 AND {stamp} <= ?2 AND rowid > ?3"),
            note_deletes: note_deletes(plan),
            apply_deletes: apply_deletes(plan),
            highest_rowid: format!("SELECT coalesce(max(rowid), 0) FROM {table}"),
            has_rows: format!("SELECT EXISTS (SELECT 1 FROM {table})"),
            count_rows: format!("SELECT count(*) FROM {table}"),
        }
    }
}

/// Quotes an identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn name_at(plan: &ObjectPlan, position: usize) -> String {
    plan.columns
        .get(position)
        .map(|column| quote(column.name.as_str()))
        .unwrap_or_default()
}

/// The declared type of a column (design section 7), and so its affinity.
pub(super) fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Boolean | ColumnKind::Int | ColumnKind::Long => "INTEGER",
        ColumnKind::Decimal { precision: _, scale: _ } => "NUMERIC",
        // Dates and times in ISO 8601: readable, and as fast as numbers (performance.md 1.3).
        ColumnKind::Id
        | ColumnKind::Text { length: _ }
        | ColumnKind::Date
        | ColumnKind::Time
        | ColumnKind::Timestamp => "TEXT",
    }
}

/// A column as in CREATE TABLE and ADD COLUMN.
fn definition(column: &Column) -> String {
    let mut text = format!("{} {}", quote(column.name.as_str()), type_name(column.kind));
    if column.source == ColumnSource::IsDeleted {
        // So that `WHERE NOT is_deleted` finds the rows that were there before the column was.
        text.push_str(" NOT NULL DEFAULT 0");
    }
    text
}

/// Drops the table of a first load that is given up.
pub(super) fn drop_table(plan: &ObjectPlan) -> String {
    format!("DROP TABLE IF EXISTS {}", quote(plan.table.as_str()))
}

/// Makes the table of a plan, with its key and no other index.
pub(super) fn create_table(plan: &ObjectPlan) -> String {
    let columns: Vec<String> = plan
        .columns
        .iter()
        .enumerate()
        .map(|(position, column)| match position {
            // Ids differ by case; BINARY is SQLite's default and stands here for the reader.
            0 => format!("{} NOT NULL COLLATE BINARY PRIMARY KEY", definition(column)),
            1 => format!("{} NOT NULL", definition(column)),
            _ => definition(column),
        })
        .collect();
    format!(
        "CREATE TABLE {} (\n  {}\n)",
        quote(plan.table.as_str()),
        columns.join(",\n  ")
    )
}

/// Adds a column to a table that is there.
pub(super) fn add_column(plan: &ObjectPlan, column: &Column) -> String {
    format!(
        "ALTER TABLE {} ADD COLUMN {}",
        quote(plan.table.as_str()),
        definition(column)
    )
}

/// Makes an index.
pub(super) fn create_index(plan: &ObjectPlan, index: &IndexPlan) -> String {
    let columns: Vec<String> = index.columns.iter().map(|column| quote(column.as_str())).collect();
    format!(
        "CREATE INDEX {} ON {} ({})",
        quote(index.name.as_str()),
        quote(plan.table.as_str()),
        columns.join(", ")
    )
}

/// Columns whose values come with a row, in the order of the parameters.
pub(super) fn bound(plan: &ObjectPlan) -> impl Iterator<Item = &Column> {
    plan.columns.iter().filter(|column| match column.source {
        ColumnSource::Field(_) | ColumnSource::Template(_) => true,
        ColumnSource::Empty | ColumnSource::IsDeleted | ColumnSource::DeletedAt => false,
    })
}

/// Columns that a write of a row sets. A column that stays empty is none of them, so it keeps the values that it had
/// before its field went away (design 6.8).
fn written(plan: &ObjectPlan) -> impl Iterator<Item = &Column> {
    plan.columns.iter().filter(|column| match column.source {
        ColumnSource::Field(_) | ColumnSource::Template(_) | ColumnSource::IsDeleted | ColumnSource::DeletedAt => true,
        ColumnSource::Empty => false,
    })
}

fn insert(plan: &ObjectPlan) -> String {
    let mut parameter = 0;
    let values: Vec<String> = written(plan)
        .map(|column| match column.source {
            ColumnSource::IsDeleted => "0".to_owned(),
            ColumnSource::DeletedAt | ColumnSource::Empty => "NULL".to_owned(),
            ColumnSource::Field(_) | ColumnSource::Template(_) => {
                parameter += 1;
                format!("?{parameter}")
            }
        })
        .collect();
    let names: Vec<String> = written(plan).map(|column| quote(column.name.as_str())).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({})",
        quote(plan.table.as_str()),
        names.join(", "),
        values.join(", ")
    )
}

/// The guard (performance.md 1.4): an older stamp here, or an equal one and any column that differs, compared column
/// by column and with NULL as a value.
fn on_conflict(plan: &ObjectPlan) -> String {
    let table = quote(plan.table.as_str());
    let (key, stamp) = (name_at(plan, 0), name_at(plan, 1));
    let names: Vec<String> = written(plan)
        .skip(1)
        .map(|column| quote(column.name.as_str()))
        .collect();
    let assignments: Vec<String> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let differences: Vec<String> = names
        .iter()
        .skip(1)
        .map(|name| format!("{table}.{name} IS NOT excluded.{name}"))
        .collect();
    let equal = match any_of(&differences) {
        Some(differs) => format!(" OR {table}.{stamp} = excluded.{stamp} AND {differs}"),
        None => String::new(),
    };
    format!(
        " ON CONFLICT ({key}) DO UPDATE SET {} WHERE {table}.{stamp} < excluded.{stamp}{equal}",
        assignments.join(", ")
    )
}

/// Joins conditions by OR as a balanced tree: SQLite refuses an expression deeper than 1000, and a chain of ORs is as
/// deep as it is long, while a table may have 2000 columns.
fn any_of(conditions: &[String]) -> Option<String> {
    match conditions {
        [] => None,
        [one] => Some(one.clone()),
        several => {
            let (left, right) = several.split_at(several.len() / 2);
            Some(format!("({} OR {})", any_of(left)?, any_of(right)?))
        }
    }
}

/// One of the two columns of the mark, where the plan has them.
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

/// Notes the deletes that the segment found for rows that the table has, not yet marked, with a stamp that is not newer.
/// An entry that is there with the same stamp is left alone, for noting it again is no change.
fn note_deletes(plan: &ObjectPlan) -> String {
    let table = quote(plan.table.as_str());
    let (key, stamp) = (name_at(plan, 0), name_at(plan, 1));
    let unmarked = mark_column(plan, &ColumnSource::IsDeleted).map(|is_deleted| format!(" AND NOT t.{is_deleted}"));
    format!(
        "INSERT INTO _pending_delete (object, salesforce_id, stamp, found_at) \
         SELECT ?1, d.salesforce_id, d.stamp, ?2 FROM temp.found_delete d CROSS JOIN {table} t \
         WHERE t.{key} = d.salesforce_id AND t.{stamp} <= d.stamp{} \
         ON CONFLICT (object, salesforce_id) DO UPDATE SET stamp = excluded.stamp \
         WHERE excluded.stamp > _pending_delete.stamp",
        unmarked.unwrap_or_default()
    )
}

/// Applies the pending deletes of an object. CROSS JOIN keeps the order: the few entries first, and each row by its key.
/// A marked row has the deletion's stamp, so that a page read before the deletion cannot unmark it.
fn apply_deletes(plan: &ObjectPlan) -> String {
    let table = quote(plan.table.as_str());
    let (key, stamp) = (name_at(plan, 0), name_at(plan, 1));
    let is_deleted = mark_column(plan, &ColumnSource::IsDeleted);
    let deleted_at = mark_column(plan, &ColumnSource::DeletedAt);
    let rows = |also: &str| {
        format!(
            "SELECT t.rowid FROM _pending_delete p CROSS JOIN {table} t \
             WHERE p.object = ?1 AND t.{key} = p.salesforce_id AND t.{stamp} <= p.stamp{also}"
        )
    };
    match (is_deleted, deleted_at) {
        // UPDATE .. FROM would look through the whole table.
        (Some(is_deleted), Some(deleted_at)) => {
            let entry = format!(
                "(SELECT p.stamp FROM _pending_delete p WHERE p.object = ?1 AND p.salesforce_id = {table}.{key})"
            );
            let unmarked = rows(&format!(" AND NOT t.{is_deleted}"));
            format!(
                "UPDATE {table} SET {is_deleted} = 1, {deleted_at} = {entry}, {stamp} = {entry} \
                 WHERE rowid IN ({unmarked})"
            )
        }
        _ => format!("DELETE FROM {table} WHERE rowid IN ({})", rows("")),
    }
}
