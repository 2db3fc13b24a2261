//! The only place where SQL text meets identifiers.
//!
//! Names are quoted by [`quote`] and become part of a statement here and nowhere else; values of records never do, they
//! are bound as parameters. The statements of one table are written once, when it is opened, and prepared once by the
//! connection's cache, which finds them by their text.

use crate::plan::{Column, ColumnKind, ColumnSource, Deletes, Identifier, IndexPlan, IndexedRows, ObjectPlan};

/// What a connection keeps for itself, in memory: what the segment under way found and settles at its end, and a place
/// for [`RESET_LAST_ROWID`].
///
/// * `found_delete`: deleted records
/// * `found_left`: records that left; without a stamp where none is known
/// * `found_rejected`: columns whose values do not fit, with the stamp of their record
pub(super) const CREATE_TEMPORARY: &str = "\
    CREATE TEMP TABLE found_delete (salesforce_id TEXT NOT NULL PRIMARY KEY, stamp TEXT NOT NULL) WITHOUT ROWID; \
    CREATE TEMP TABLE found_left (salesforce_id TEXT NOT NULL PRIMARY KEY, stamp TEXT) WITHOUT ROWID; \
    CREATE TEMP TABLE found_rejected (salesforce_id TEXT NOT NULL, column_name TEXT NOT NULL, reason TEXT NOT NULL, \
    stamp TEXT NOT NULL, PRIMARY KEY (salesforce_id, column_name)) WITHOUT ROWID; \
    CREATE TEMP TABLE last_rowid (unused INTEGER)";

/// Sets the connection's last inserted rowid to one that no row of a table has.
pub(super) const RESET_LAST_ROWID: &str = "INSERT OR REPLACE INTO temp.last_rowid (rowid) VALUES (-1)";

/// `?1` Id, `?2` stamp: a deleted record of the segment. The newest stamp stays.
pub(super) const FIND_DELETE: &str = "INSERT INTO temp.found_delete (salesforce_id, stamp) VALUES (?1, ?2) \
    ON CONFLICT (salesforce_id) DO UPDATE SET stamp = excluded.stamp WHERE excluded.stamp > stamp";

/// `?1` Id, `?2` stamp: a live record of the segment that is not older than its deleted form.
pub(super) const UNFIND_DELETE: &str = "DELETE FROM temp.found_delete WHERE salesforce_id = ?1 AND stamp <= ?2";

/// `?1` Id: a record that was read by Id just now and is live, whatever was found before.
pub(super) const DISPROVE_DELETE: &str = "DELETE FROM temp.found_delete WHERE salesforce_id = ?1";

/// `?1` Id: whether the segment has a newer, deleted form of a record.
pub(super) const IS_FOUND_DELETED: &str = "SELECT EXISTS (SELECT 1 FROM temp.found_delete WHERE salesforce_id = ?1)";

/// `?1` Id, `?2` stamp or NULL: a record that left. The newest stamp stays.
pub(super) const FIND_LEFT: &str = "INSERT INTO temp.found_left (salesforce_id, stamp) VALUES (?1, ?2) \
    ON CONFLICT (salesforce_id) DO UPDATE SET stamp = excluded.stamp WHERE excluded.stamp > coalesce(stamp, '')";

/// `?1` Id: a live record of the segment that comes after its leaving.
pub(super) const UNFIND_LEFT: &str = "DELETE FROM temp.found_left WHERE salesforce_id = ?1";

/// `?1` Id, `?2` column, `?3` reason, `?4` stamp of the record.
pub(super) const FIND_REJECTED: &str =
    "INSERT INTO temp.found_rejected (salesforce_id, column_name, reason, stamp) VALUES (?1, ?2, ?3, ?4)";

/// `?1` Id, `?2` stamp: another form of a rejected record that is not older.
pub(super) const UNFIND_REJECTED: &str = "DELETE FROM temp.found_rejected WHERE salesforce_id = ?1 AND stamp <= ?2";

/// `?1` Id: a later form of a rejected record, whatever its stamp.
pub(super) const DISPROVE_REJECTED: &str = "DELETE FROM temp.found_rejected WHERE salesforce_id = ?1";

/// `?1` Id, `?2` stamp: whether the segment has a newer form of a record whose values do not fit.
pub(super) const IS_FOUND_REJECTED: &str =
    "SELECT EXISTS (SELECT 1 FROM temp.found_rejected WHERE salesforce_id = ?1 AND stamp > ?2)";

/// How many records the segment rejects.
pub(super) const COUNT_REJECTED: &str = "SELECT count(DISTINCT salesforce_id) FROM temp.found_rejected";

/// `?1` object, `?2` since when: entries of the segment's rejected records. One that is there with the same reason is left
/// alone.
pub(super) const NOTE_REJECTED: &str = "INSERT INTO _rejected_row (object, salesforce_id, column_name, reason, since) \
    SELECT ?1, salesforce_id, column_name, reason, ?2 FROM temp.found_rejected WHERE true \
    ON CONFLICT (object, salesforce_id, column_name) DO UPDATE SET reason = excluded.reason, since = excluded.since \
    WHERE reason <> excluded.reason";

/// `?1` object: entries of the segment's rejected records for columns that fit by now.
pub(super) const FORGET_FITTING: &str = "DELETE FROM _rejected_row WHERE object = ?1 \
    AND salesforce_id IN (SELECT salesforce_id FROM temp.found_rejected) AND NOT EXISTS (SELECT 1 \
    FROM temp.found_rejected f WHERE f.salesforce_id = _rejected_row.salesforce_id \
    AND f.column_name = _rejected_row.column_name)";

/// What the segment found is settled.
pub(super) const FORGET_FOUND: [&str; 3] = [
    "DELETE FROM temp.found_delete",
    "DELETE FROM temp.found_left",
    "DELETE FROM temp.found_rejected",
];

/// `?1` object, `?2` Id, `?3` stamp: a live read takes the pending delete out.
pub(super) const TAKE_OUT_PENDING: &str =
    "DELETE FROM _pending_delete WHERE object = ?1 AND salesforce_id = ?2 AND stamp <= ?3";

/// `?1` object, `?2` Id: so does one that was read by Id just now, whatever its stamp.
pub(super) const DISPROVE_PENDING: &str = "DELETE FROM _pending_delete WHERE object = ?1 AND salesforce_id = ?2";

/// `?1` object: whether it has pending deletes.
pub(super) const HAS_PENDING: &str = "SELECT EXISTS (SELECT 1 FROM _pending_delete WHERE object = ?1)";

/// `?1` object: whether it has rejected rows.
pub(super) const HAS_REJECTED: &str = "SELECT EXISTS (SELECT 1 FROM _rejected_row WHERE object = ?1)";

/// `?1` object: how many of its pending deletes nobody has confirmed.
pub(super) const COUNT_UNCONFIRMED: &str = "SELECT count(*) FROM _pending_delete WHERE object = ?1 AND NOT confirmed";

/// `?1` object, `?2` found at this time or later, `?3` whether it is only those that are confirmed: rejected rows of
/// records whose deletes are applied.
pub(super) const FORGET_REJECTED_OF_APPLIED: &str = "DELETE FROM _rejected_row WHERE object = ?1 AND salesforce_id IN \
    (SELECT salesforce_id FROM _pending_delete WHERE object = ?1 AND found_at >= ?2 AND confirmed >= ?3)";

/// The same parameters: the pending deletes that are applied.
pub(super) const FORGET_APPLIED: &str =
    "DELETE FROM _pending_delete WHERE object = ?1 AND found_at >= ?2 AND confirmed >= ?3";

/// `?1` object: its pending deletes are dropped.
pub(super) const FORGET_PENDING: &str = "DELETE FROM _pending_delete WHERE object = ?1";

/// `?1` object: what a listing noted.
pub(super) const FORGET_SURPLUS: &str = "DELETE FROM _surplus_row WHERE object = ?1";

/// `?1` object: its rejected rows are dropped.
pub(super) const FORGET_REJECTED: &str = "DELETE FROM _rejected_row WHERE object = ?1";

/// `?1` object, `?2` Id.
pub(super) const NOTE_SURPLUS: &str =
    "INSERT INTO _surplus_row (object, salesforce_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

/// `?1` object, `?2` behind this Id, `?3` how many.
pub(super) const READ_SURPLUS: &str =
    "SELECT salesforce_id FROM _surplus_row WHERE object = ?1 AND salesforce_id > ?2 ORDER BY 1 LIMIT ?3";

/// The same parameters.
pub(super) const READ_PENDING: &str =
    "SELECT salesforce_id FROM _pending_delete WHERE object = ?1 AND salesforce_id > ?2 ORDER BY 1 LIMIT ?3";

/// `?1` object: the deletes that are held, in the order of their token.
pub(super) const READ_HELD: &str = "SELECT found_at, salesforce_id FROM _pending_delete WHERE object = ?1 \
    AND NOT confirmed ORDER BY found_at, salesforce_id";

/// `?1` object, `?2` and `?3` the last of them in that order.
pub(super) const CONFIRM: &str = "UPDATE _pending_delete SET confirmed = 1 WHERE object = ?1 AND NOT confirmed \
    AND (found_at, salesforce_id) <= (?2, ?3)";

/// `?1` object, `?2` behind this Id, `?3` up to this one: records with rejected rows.
pub(super) const READ_REJECTED: &str = "SELECT DISTINCT salesforce_id FROM _rejected_row WHERE object = ?1 \
    AND salesforce_id > ?2 AND salesforce_id <= ?3";

/// What counts as the stamp of every record of an object that has none: all are of one age, and only values tell rows apart.
pub(super) const NO_STAMP: &str = "1970-01-01T00:00:00.000Z";

/// The stamp of a row, as it is compared: `prefix` is that of the table.
fn stamp_of(plan: &ObjectPlan, prefix: &str) -> String {
    match plan.stamp {
        Some(_) => format!("{prefix}{}", name_at(plan, 1)),
        None => format!("'{NO_STAMP}'"),
    }
}

/// The statements of one object's table.
#[derive(Debug)]
pub(super) struct TableStatements {
    /// Parameters are those of [`bound`], in its order.
    pub(super) insert: String,
    /// The same through the guard.
    pub(super) upsert: String,
    /// The same wherever a column differs.
    pub(super) overwrite: String,
    /// `?1` Id, `?2` stamp, `?3` the highest rowid before the segment: takes back a row that this segment inserted.
    pub(super) undo_insert: String,
    /// `?1` Id, `?2` stamp: whether the table's row is newer.
    pub(super) is_newer: String,
    /// `?1` object, `?2` Id, `?3` stamp: the rejected rows of a record that the table holds in this form.
    pub(super) forget_rejected: String,
    /// `?1` object: the rejected rows of records that are gone and have no pending delete.
    pub(super) forget_gone: String,
    /// `?1` object, `?2` found at.
    pub(super) note_deletes: String,
    /// The same parameters.
    pub(super) note_left: String,
    /// `?1` object, `?2` found at this time or later, `?3` whether it is those that are confirmed.
    pub(super) apply_deletes: String,
    /// `?1` behind this Id, `?2` up to this one: Id, stamp and whether the row is marked, ascending.
    pub(super) stretch: String,
    pub(super) highest_rowid: String,
    pub(super) has_rows: String,
    pub(super) count_rows: String,
    /// With the mark: how many rows have it.
    pub(super) count_marked: Option<String>,
}

impl TableStatements {
    pub(super) fn new(plan: &ObjectPlan) -> Self {
        let table = quote(plan.table.as_str());
        let key = name_at(plan, 0);
        let stamp = stamp_of(plan, "");
        let insert = insert(plan);
        Self {
            upsert: format!("{insert}{}", on_conflict(plan)),
            overwrite: format!("{insert}{}", on_difference(plan)),
            insert,
            undo_insert: format!("DELETE FROM {table} WHERE {key} = ?1 AND {stamp} <= ?2 AND rowid > ?3"),
            is_newer: format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {key} = ?1 AND {stamp} > ?2)"),
            forget_rejected: format!(
                "DELETE FROM _rejected_row WHERE object = ?1 AND salesforce_id = ?2 \
                 AND EXISTS (SELECT 1 FROM {table} WHERE {key} = ?2 AND {stamp} = ?3)"
            ),
            forget_gone: forget_gone(plan),
            note_deletes: note_deletes(plan),
            note_left: note_left(plan),
            apply_deletes: apply_deletes(plan),
            stretch: format!(
                "SELECT {key}, {stamp}, {} FROM {table} WHERE {key} > ?1 AND {key} <= ?2 ORDER BY {key}",
                mark_column(plan, &ColumnSource::IsDeleted).unwrap_or_else(|| "0".to_owned())
            ),
            highest_rowid: format!("SELECT coalesce(max(rowid), 0) FROM {table}"),
            has_rows: format!("SELECT EXISTS (SELECT 1 FROM {table})"),
            count_rows: format!("SELECT count(*) FROM {table}"),
            count_marked: mark_column(plan, &ColumnSource::IsDeleted)
                .map(|is_deleted| format!("SELECT count(*) FROM {table} WHERE {is_deleted}")),
        }
    }
}

/// Quotes an identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn name_at(plan: &ObjectPlan, position: usize) -> String {
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

/// Drops a table or a view.
pub(super) fn drop_relation(kind: &str, name: &str) -> String {
    format!("DROP {kind} {}", quote(name))
}

/// Reads a view: whether everything that it names is there.
pub(super) fn read_view(name: &str) -> String {
    format!("SELECT 1 FROM {}", quote(name))
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
            1 if plan.stamp.is_some() => format!("{} NOT NULL", definition(column)),
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

/// Fills a column with the values of another one, as far as its type keeps them.
pub(super) fn copy_column(plan: &ObjectPlan, from: &Identifier, to: &Identifier) -> String {
    format!(
        "UPDATE {} SET {} = {}",
        quote(plan.table.as_str()),
        quote(to.as_str()),
        quote(from.as_str())
    )
}

/// Rows that no pass over what Salesforce has writes. `?1` object.
fn is_unwritten(plan: &ObjectPlan) -> String {
    let key = name_at(plan, 0);
    let mut lists = vec!["_pending_delete", "_rejected_row"];
    match plan.deletes {
        Deletes::Remove | Deletes::Mark => {}
        Deletes::Ignore => lists.push("_surplus_row"),
    }
    let listed = lists.iter().map(|list| {
        // A name of the table's columns would be found before one of these, hence the alias.
        format!("{key} IN (SELECT n.salesforce_id FROM {list} n WHERE n.object = ?1)")
    });
    let rows: Vec<String> = listed.chain(mark_column(plan, &ColumnSource::IsDeleted)).collect();
    rows.join(" OR ")
}

/// Carries values of a column into the one beside it, in rows that this plan did not write, as far as they fit. `?1` object.
/// What a text is as a number SQLite finds out itself, by the affinity of the column that it is put into; what is none is
/// taken out again.
pub(super) fn carry_column(plan: &ObjectPlan, column: &Column, beside: &Identifier) -> Vec<String> {
    let table = quote(plan.table.as_str());
    let (old, new) = (quote(column.name.as_str()), quote(beside.as_str()));
    let rows = is_unwritten(plan);
    let carry = |value: &str| {
        format!("UPDATE {table} SET {new} = {value} WHERE {new} IS NULL AND {old} IS NOT NULL AND ({rows})")
    };
    let unless = |fits: &str| format!("UPDATE {table} SET {new} = NULL WHERE NOT ({fits}) AND ({rows})");
    match column.kind {
        ColumnKind::Text { length: _ } => vec![carry(&format!("CAST({old} AS TEXT)"))],
        ColumnKind::Decimal { precision: _, scale: _ } => {
            vec![carry(&old), unless(&format!("typeof({new}) <> 'text'"))]
        }
        ColumnKind::Long => vec![carry(&old), unless(&format!("typeof({new}) IN ('integer', 'null')"))],
        ColumnKind::Int => {
            let (least, most) = (i32::MIN, i32::MAX);
            let is_int = format!("{new} IS NULL OR typeof({new}) = 'integer' AND {new} BETWEEN {least} AND {most}");
            vec![carry(&old), unless(&is_int)]
        }
        ColumnKind::Boolean | ColumnKind::Id | ColumnKind::Date | ColumnKind::Time | ColumnKind::Timestamp => {
            Vec::new()
        }
    }
}

/// Whether any row has a value in one of these columns; `None` without columns.
pub(super) fn has_values(plan: &ObjectPlan, columns: &[Identifier]) -> Option<String> {
    let table = quote(plan.table.as_str());
    Some(format!(
        "SELECT EXISTS (SELECT 1 FROM {table} WHERE {})",
        are_there(columns)?
    ))
}

/// Takes the values out of these columns; `None` without columns.
pub(super) fn empty_columns(plan: &ObjectPlan, columns: &[Identifier]) -> Option<String> {
    let table = quote(plan.table.as_str());
    let names = columns.iter().map(|column| quote(column.as_str()));
    let changes: Vec<String> = names.map(|name| format!("{name} = NULL")).collect();
    Some(format!(
        "UPDATE {table} SET {} WHERE {}",
        changes.join(", "),
        are_there(columns)?
    ))
}

fn are_there(columns: &[Identifier]) -> Option<String> {
    let names = columns.iter().map(|column| quote(column.as_str()));
    any_of(&names.map(|name| format!("{name} IS NOT NULL")).collect::<Vec<_>>())
}

/// Drops a column in exchange for another one.
pub(super) fn drop_column(plan: &ObjectPlan, column: &Identifier) -> String {
    format!(
        "ALTER TABLE {} DROP COLUMN {}",
        quote(plan.table.as_str()),
        quote(column.as_str())
    )
}

/// Gives a column the name of the one that was dropped.
pub(super) fn rename_column(plan: &ObjectPlan, from: &Identifier, to: &Identifier) -> String {
    format!(
        "ALTER TABLE {} RENAME COLUMN {} TO {}",
        quote(plan.table.as_str()),
        quote(from.as_str()),
        quote(to.as_str())
    )
}

/// Makes an index.
pub(super) fn create_index(plan: &ObjectPlan, index: &IndexPlan) -> String {
    let columns: Vec<String> = index.columns.iter().map(|column| quote(column.as_str())).collect();
    let rows = match index.rows {
        IndexedRows::All => None,
        IndexedRows::Marked => mark_column(plan, &ColumnSource::IsDeleted),
    };
    format!(
        "CREATE INDEX {} ON {} ({}){}",
        quote(index.name.as_str()),
        quote(plan.table.as_str()),
        columns.join(", "),
        rows.map(|is_deleted| format!(" WHERE {is_deleted}"))
            .unwrap_or_default()
    )
}

/// Columns whose values come with a row, in the order of the parameters.
pub(super) fn bound(plan: &ObjectPlan) -> impl Iterator<Item = &Column> {
    plan.columns.iter().filter(|column| match column.source {
        ColumnSource::Field(_) | ColumnSource::Template(_) => true,
        ColumnSource::Empty | ColumnSource::Null | ColumnSource::IsDeleted | ColumnSource::DeletedAt => false,
    })
}

/// Columns that a write of a row sets. A column that stays empty is none of them, so it keeps the values that it had
/// before its field went away (design 6.8).
fn written(plan: &ObjectPlan) -> impl Iterator<Item = &Column> {
    plan.columns.iter().filter(|column| match column.source {
        ColumnSource::Field(_)
        | ColumnSource::Template(_)
        | ColumnSource::Null
        | ColumnSource::IsDeleted
        | ColumnSource::DeletedAt => true,
        ColumnSource::Empty => false,
    })
}

fn insert(plan: &ObjectPlan) -> String {
    let mut parameter = 0;
    let values: Vec<String> = written(plan)
        .map(|column| match column.source {
            ColumnSource::IsDeleted => "0".to_owned(),
            ColumnSource::DeletedAt | ColumnSource::Empty | ColumnSource::Null => "NULL".to_owned(),
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
    let differs = any_of(&differences(plan, 2));
    if plan.stamp.is_none() {
        return format!("{} WHERE {}", assign(plan), differs.as_deref().unwrap_or("false"));
    }
    let stamp = name_at(plan, 1);
    let equal = match differs {
        Some(differs) => format!(" OR {table}.{stamp} = excluded.{stamp} AND {differs}"),
        None => String::new(),
    };
    format!("{} WHERE {table}.{stamp} < excluded.{stamp}{equal}", assign(plan))
}

/// Rows that were read by Id: any column that differs, the stamp among them.
fn on_difference(plan: &ObjectPlan) -> String {
    let differs = any_of(&differences(plan, 1)).unwrap_or_else(|| "false".to_owned());
    format!("{} WHERE {differs}", assign(plan))
}

fn assign(plan: &ObjectPlan) -> String {
    let names = written(plan).skip(1).map(|column| quote(column.name.as_str()));
    let assignments: Vec<String> = names.map(|name| format!("{name} = excluded.{name}")).collect();
    let key = name_at(plan, 0);
    format!(" ON CONFLICT ({key}) DO UPDATE SET {}", assignments.join(", "))
}

/// Written columns behind the first so many that differ.
fn differences(plan: &ObjectPlan, skip: usize) -> Vec<String> {
    let table = quote(plan.table.as_str());
    let names = written(plan).skip(skip).map(|column| quote(column.name.as_str()));
    names
        .map(|name| format!("{table}.{name} IS NOT excluded.{name}"))
        .collect()
}

/// Joins conditions by OR as a balanced tree: SQLite refuses an expression deeper than 1000, and a chain of ORs is as
/// deep as it is long, while a table may have 2000 columns.
pub(super) fn any_of(conditions: &[String]) -> Option<String> {
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
pub(super) fn mark_column(plan: &ObjectPlan, source: &ColumnSource) -> Option<String> {
    match plan.deletes {
        Deletes::Mark => plan
            .columns
            .iter()
            .find(|column| column.source == *source)
            .map(|column| quote(column.name.as_str())),
        Deletes::Remove | Deletes::Ignore => None,
    }
}

/// Notes the deletes that the segment found for rows that the table has, not yet marked, with a stamp that is not newer. Where
/// they were read by Id just now (`?3`), a newer row is a mistake, and its stamp is taken, so that the entry applies to it.
/// An entry that is there with the same stamp is left alone, for noting it again is no change.
fn note_deletes(plan: &ObjectPlan) -> String {
    let table = quote(plan.table.as_str());
    let (key, stamp) = (name_at(plan, 0), stamp_of(plan, "t."));
    let unmarked = mark_column(plan, &ColumnSource::IsDeleted).map(|is_deleted| format!(" AND NOT t.{is_deleted}"));
    format!(
        "INSERT INTO _pending_delete (object, salesforce_id, stamp, found_at) \
         SELECT ?1, d.salesforce_id, max(d.stamp, {stamp}), ?2 FROM temp.found_delete d CROSS JOIN {table} t \
         WHERE t.{key} = d.salesforce_id AND (?3 OR {stamp} <= d.stamp){} \
         ON CONFLICT (object, salesforce_id) DO UPDATE SET stamp = excluded.stamp \
         WHERE excluded.stamp > _pending_delete.stamp",
        unmarked.unwrap_or_default()
    )
}

/// Notes the records that left the segment, for rows that the table has, not yet marked. The stamp is never older than the
/// row's, so that the entry applies to it.
fn note_left(plan: &ObjectPlan) -> String {
    let table = quote(plan.table.as_str());
    let (key, stamp) = (name_at(plan, 0), stamp_of(plan, "t."));
    let unmarked = mark_column(plan, &ColumnSource::IsDeleted).map(|is_deleted| format!(" AND NOT t.{is_deleted}"));
    format!(
        "INSERT INTO _pending_delete (object, salesforce_id, stamp, found_at) \
         SELECT ?1, l.salesforce_id, max(coalesce(l.stamp, ''), {stamp}), ?2 \
         FROM temp.found_left l CROSS JOIN {table} t WHERE t.{key} = l.salesforce_id{} \
         ON CONFLICT (object, salesforce_id) DO UPDATE SET stamp = excluded.stamp \
         WHERE excluded.stamp > _pending_delete.stamp",
        unmarked.unwrap_or_default()
    )
}

/// Nothing of these records will be applied: the table has no row of them, or their mode is Ignore.
fn forget_gone(plan: &ObjectPlan) -> String {
    let table = quote(plan.table.as_str());
    let (key, stamp) = (name_at(plan, 0), stamp_of(plan, "t."));
    format!(
        "DELETE FROM _rejected_row WHERE object = ?1 AND salesforce_id IN (SELECT l.salesforce_id FROM temp.found_left l \
         UNION ALL SELECT d.salesforce_id FROM temp.found_delete d WHERE NOT EXISTS (SELECT 1 FROM {table} t \
         WHERE t.{key} = d.salesforce_id AND {stamp} > d.stamp)) AND NOT EXISTS (SELECT 1 FROM _pending_delete p \
         WHERE p.object = ?1 AND p.salesforce_id = _rejected_row.salesforce_id)"
    )
}

/// Applies the pending deletes of an object. CROSS JOIN keeps the order: the few entries first, and each row by its key.
/// A marked row has the deletion's stamp, so that a page read before the deletion cannot unmark it.
fn apply_deletes(plan: &ObjectPlan) -> String {
    let table = quote(plan.table.as_str());
    let (key, stamp) = (name_at(plan, 0), stamp_of(plan, "t."));
    let is_deleted = mark_column(plan, &ColumnSource::IsDeleted);
    let deleted_at = mark_column(plan, &ColumnSource::DeletedAt);
    let rows = |also: &str| {
        format!(
            "SELECT t.rowid FROM _pending_delete p CROSS JOIN {table} t \
             WHERE p.object = ?1 AND p.found_at >= ?2 AND p.confirmed = ?3 AND t.{key} = p.salesforce_id \
             AND {stamp} <= p.stamp{also}"
        )
    };
    match (is_deleted, deleted_at) {
        // UPDATE .. FROM would look through the whole table.
        (Some(is_deleted), Some(deleted_at)) => {
            let entry = |column: &str| {
                format!(
                    "(SELECT p.{column} FROM _pending_delete p WHERE p.object = ?1 AND p.salesforce_id = {table}.{key})"
                )
            };
            let (at, stamped) = match plan.stamp {
                Some(_) => (entry("stamp"), format!(", {} = {}", name_at(plan, 1), entry("stamp"))),
                // When it was found is all that is known.
                None => (entry("found_at"), String::new()),
            };
            let unmarked = rows(&format!(" AND NOT t.{is_deleted}"));
            format!("UPDATE {table} SET {is_deleted} = 1, {deleted_at} = {at}{stamped} WHERE rowid IN ({unmarked})")
        }
        _ => format!("DELETE FROM {table} WHERE rowid IN ({})", rows("")),
    }
}
