//! Columns whose type in Salesforce changed: a new column beside the old one, filled by this plan's runs, and exchanged for
//! it when every row has been written.
//!
//! SQLite stores any value in any column, but not unchanged: by the affinity that the declared type gives a column, the text
//! `007` becomes the number 7 where numbers are declared. So a declared type that differs is exchanged here as in PostgreSQL,
//! while kinds that are declared alike (a date that becomes text) need nothing but new values.
//!
//! **The layout** of a table is its plan with the names and kinds that its columns have at the moment: statements are written
//! for it. A value goes into the column beside the old one where that is there. Where it is not, the exchange has failed
//! since something needs the old column; then values go into the old column as far as they fit its type.
//!
//! **Rows that the plan did not write** (marked ones, those whose delete is held, rejected ones, and where deletes are ignored
//! those that a listing lacked) have nothing in the column beside. They keep their value where it fits the new type, as far
//! as the declared types tell: a boolean, declared like a whole number, becomes the text `1`.
//!
//! **What depends on a column** names it by its text, and finds the new column under the name of the old one. So views and
//! triggers are no hindrance: SQLite refuses to drop a column that one of them names, for it looks at each step alone, and
//! with `writable_schema` it leaves their text unread until the name is there again, in the same transaction. Indexes are
//! dropped and made again from their own statements. A constraint or a generated column that somebody has put into the table
//! itself was written for the old type, and is left alone with its column.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};

use super::{
    connect::failure,
    session::Session,
    statement::{self, quote},
    tables::{Found, columns, find},
};
use crate::{
    Result,
    destination::{ColumnDifference, ColumnFate, ColumnInUse},
    plan::{Column, ColumnKind, ColumnSource, Identifier, ObjectPlan},
};

/// Who wrote the rows that a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// All of them this plan: a column of another type is one that could not be exchanged.
    OfThisPlan,
    /// Another plan, or nobody knows.
    OfAnother,
}

/// The name of the column beside one that is exchanged. No column of a plan has a blank and parentheses in its name unless
/// somebody wrote exactly this.
fn beside(column: &Column) -> Identifier {
    Identifier::new(format!("{} (next)", column.name))
}

/// Whether a name is that of a column beside one that is exchanged.
pub(super) fn is_beside(found: &[Found], name: &str) -> bool {
    name.strip_suffix(" (next)")
        .is_some_and(|bare| find(found, bare).is_some())
}

/// Whether a column may have another type than planned. Key, stamp and mark never change theirs; what is empty keeps what
/// it has.
pub(super) fn is_exchangeable(position: usize, column: &Column) -> bool {
    match column.source {
        ColumnSource::Field(_) | ColumnSource::Template(_) => position >= 2,
        ColumnSource::Empty | ColumnSource::Null => true,
        ColumnSource::IsDeleted | ColumnSource::DeletedAt => false,
    }
}

/// The columns that a row brings values for, behind key and stamp.
fn filled(plan: &ObjectPlan) -> impl Iterator<Item = &Column> {
    statement::bound(plan).skip(if plan.stamp.is_some() { 2 } else { 1 })
}

/// The plan with the names and kinds of the columns that its values go into at the moment.
pub(super) fn layout(plan: &ObjectPlan, found: &[Found]) -> ObjectPlan {
    let mut layout = plan.clone();
    for column in layout.columns.iter_mut().skip(2) {
        match column.source {
            ColumnSource::Field(_) | ColumnSource::Template(_) => {}
            ColumnSource::Empty | ColumnSource::Null | ColumnSource::IsDeleted | ColumnSource::DeletedAt => continue,
        }
        let Some(old) = find(found, column.name.as_str()).filter(|found| !found.is_as(column.kind)) else {
            continue;
        };
        let beside = beside(column);
        if find(found, beside.as_str()).is_some() {
            column.name = beside;
        } else {
            column.kind = kept_kind(old, column.kind);
        }
    }
    layout
}

/// As what a value is written into a column that keeps its type. Whatever is written into a declared text becomes text; into
/// declared numbers goes nothing but numbers.
fn kept_kind(old: &Found, planned: ColumnKind) -> ColumnKind {
    if old.is_as(ColumnKind::Long) {
        return ColumnKind::Long;
    }
    let decimal = ColumnKind::Decimal {
        precision: 18,
        scale: 0,
    };
    match planned {
        ColumnKind::Boolean | ColumnKind::Int | ColumnKind::Long | ColumnKind::Decimal { .. } => planned,
        ColumnKind::Id | ColumnKind::Text { .. } | ColumnKind::Date | ColumnKind::Time | ColumnKind::Timestamp => {
            if old.is_as(decimal) { decimal } else { planned }
        }
    }
}

/// Makes the columns beside those of another type, and drops those that an earlier plan made and this one has no use for.
pub(super) fn make_columns(
    connection: &Connection,
    plan: &ObjectPlan,
    found: &[Found],
    rows: Rows,
) -> rusqlite::Result<()> {
    for column in filled(plan) {
        let differs = find(found, column.name.as_str()).is_some_and(|old| !old.is_as(column.kind));
        let next = Column {
            name: beside(column),
            ..column.clone()
        };
        let there = find(found, next.name.as_str());
        let fits = there.is_some_and(|there| there.is_as(column.kind));
        if there.is_some() && !(differs && fits) {
            drop_beside(connection, plan, &next.name)?;
        }
        // One that is not there although this plan has written all rows was given up: something needs the old column.
        if differs && !fits && (rows == Rows::OfAnother || there.is_some()) {
            connection.execute_batch(&statement::add_column(plan, &next))?;
        }
    }
    Ok(())
}

/// Nobody knows the column, so views need not be looked at: one that is broken for another reason would forbid it.
fn drop_beside(connection: &Connection, plan: &ObjectPlan, name: &Identifier) -> rusqlite::Result<()> {
    connection.pragma_update(None, "legacy_alter_table", true)?;
    let dropped = connection.execute_batch(&statement::drop_column(plan, name));
    connection.pragma_update(None, "legacy_alter_table", false)?;
    dropped
}

impl Session {
    /// Writes the statements anew where the table's columns are others than they are written for.
    pub(super) fn look_at_columns(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let doing = format!("read the columns of table {}", plan.table);
        let Some(connection) = self.connection_if_there()? else {
            return Ok(());
        };
        let found = columns(connection, plan.table.as_str()).map_err(|error| self.failure(&doing, error))?;
        self.use_layout(layout(&plan, &found));
        Ok(())
    }

    /// How the columns of the table differ from the plan's.
    pub(super) fn column_differences(&mut self) -> Result<Vec<ColumnDifference>> {
        let plan = Arc::clone(&self.plan);
        let doing = format!("read the columns of table {}", plan.table);
        let Some(connection) = self.connection_if_there()? else {
            return Ok(Vec::new());
        };
        let found = columns(connection, plan.table.as_str()).map_err(|error| self.failure(&doing, error))?;
        Ok(differences(&plan, &found))
    }

    /// Exchanges the columns of another type, in one transaction.
    pub(super) fn settle_columns(&mut self) -> Result<Vec<ColumnInUse>> {
        self.expect_idle()?;
        let doing = format!("exchange columns of table {}", self.plan.table);
        let plan = Arc::clone(&self.plan);
        let path = self.path.clone();
        let failed = |error| failure(&path, &doing, error);
        let connection = self.connection()?;
        let has_values = has_excluded(connection, &plan).map_err(failed)?;
        if !has_values && unsettled(connection, &plan).map_err(failed)?.is_empty() {
            return Ok(Vec::new());
        }
        let in_use = self.in_transaction(&doing, |session, connection| {
            session.compare_epoch_on(connection)?;
            if has_values {
                empty_excluded(connection, &plan).map_err(failed)?;
            }
            let mut in_use = Vec::new();
            for (column, state) in unsettled(connection, &plan).map_err(failed)? {
                let used_by = settle(connection, &plan, column, state).map_err(failed)?;
                if !used_by.is_empty() {
                    in_use.push(ColumnInUse {
                        column: column.name.clone(),
                        used_by,
                    });
                }
            }
            Ok(in_use)
        })?;
        self.look_at_columns()?;
        Ok(in_use)
    }
}

fn differences(plan: &ObjectPlan, found: &[Found]) -> Vec<ColumnDifference> {
    if found.is_empty() {
        return Vec::new();
    }
    let planned = plan.columns.iter().filter_map(|column| {
        let name = column.name.as_str();
        let is_written = filled(plan).any(|filled| filled.name == column.name);
        let fate = match find(found, name) {
            None => ColumnFate::Added,
            Some(old) if is_written && !old.is_as(column.kind) => ColumnFate::Exchanged {
                from: old.declared.clone(),
                to: statement::type_name(column.kind).to_owned(),
            },
            Some(_) => return None,
        };
        Some(ColumnDifference {
            column: name.to_owned(),
            fate,
        })
    });
    let is_planned = |name: &str| {
        plan.columns
            .iter()
            .any(|column| column.name.as_str().eq_ignore_ascii_case(name))
    };
    let foreign = found
        .iter()
        .filter(|old| !is_planned(&old.name) && !is_beside(found, &old.name));
    let foreign = foreign.map(|old| ColumnDifference {
        column: old.name.clone(),
        fate: if old.is_demanding {
            ColumnFate::Demanding
        } else {
            ColumnFate::Kept
        },
    });
    planned.chain(foreign).collect()
}

/// What is to be done with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsettled {
    /// It is exchanged for the one beside it.
    Beside,
    /// It has another type and nothing beside it: an earlier exchange failed.
    Kept,
    /// It has its type, and what stands beside it is of no use.
    LeftOver,
}

fn unsettled<'a>(connection: &Connection, plan: &'a ObjectPlan) -> rusqlite::Result<Vec<(&'a Column, Unsettled)>> {
    let found = columns(connection, plan.table.as_str())?;
    let state = |column: &'a Column| {
        let old = find(&found, column.name.as_str())?;
        let is_beside = find(&found, beside(column).as_str()).is_some();
        match (old.is_as(column.kind), is_beside) {
            (true, false) => None,
            (true, true) => Some((column, Unsettled::LeftOver)),
            (false, true) => Some((column, Unsettled::Beside)),
            (false, false) => Some((column, Unsettled::Kept)),
        }
    };
    Ok(filled(plan).filter_map(state).collect())
}

/// Settles one column; the answer is what hinders its exchange, after which nothing stands beside it.
fn settle(
    connection: &Connection,
    plan: &ObjectPlan,
    column: &Column,
    state: Unsettled,
) -> rusqlite::Result<Vec<String>> {
    if state == Unsettled::LeftOver {
        drop_beside(connection, plan, &beside(column))?;
        return Ok(Vec::new());
    }
    connection.execute_batch("SAVEPOINT exchange")?;
    if state == Unsettled::Kept {
        // Rows were written into the old column as far as they fit, so this is what they are, in the new type.
        let next = Column {
            name: beside(column),
            ..column.clone()
        };
        connection.execute_batch(&statement::add_column(plan, &next))?;
        connection.execute_batch(&statement::copy_column(plan, &column.name, &next.name))?;
    }
    if state == Unsettled::Beside {
        carry_over(connection, plan, column)?;
    }
    let used_by = exchange(connection, plan, column)?;
    if !used_by.is_empty() {
        connection.execute_batch("ROLLBACK TO exchange")?;
        if state == Unsettled::Beside {
            drop_beside(connection, plan, &beside(column))?;
        }
    }
    connection.execute_batch("RELEASE exchange")?;
    Ok(used_by)
}

/// Carries values of rows that this plan did not write into the column beside, as far as they fit its type.
fn carry_over(connection: &Connection, plan: &ObjectPlan, column: &Column) -> rusqlite::Result<()> {
    for sql in statement::carry_column(plan, column, &beside(column)) {
        connection.execute(&sql, [plan.object.as_str()])?;
    }
    Ok(())
}

/// Names of the columns that the table has for excluded fields, those that an earlier plan made beside them too.
fn excluded(connection: &Connection, plan: &ObjectPlan) -> rusqlite::Result<Vec<Identifier>> {
    let found = columns(connection, plan.table.as_str())?;
    let is_excluded = |column: &&Column| column.source == ColumnSource::Null;
    let names = plan.columns.iter().filter(is_excluded);
    Ok(names
        .flat_map(|column| [column.name.clone(), beside(column)])
        .filter(|name| find(&found, name.as_str()).is_some())
        .collect())
}

/// Whether a row has a value of an excluded field.
fn has_excluded(connection: &Connection, plan: &ObjectPlan) -> rusqlite::Result<bool> {
    match statement::has_values(plan, &excluded(connection, plan)?) {
        Some(sql) => connection.query_row(&sql, [], |row| row.get(0)),
        None => Ok(false),
    }
}

/// Takes the values of excluded fields out of every row.
fn empty_excluded(connection: &Connection, plan: &ObjectPlan) -> rusqlite::Result<()> {
    match statement::empty_columns(plan, &excluded(connection, plan)?) {
        Some(sql) => connection.execute(&sql, []).map(|_rows| ()),
        None => Ok(()),
    }
}

/// Exchanges one column, or says what hinders it; then all of it has to be rolled back.
fn exchange(connection: &Connection, plan: &ObjectPlan, column: &Column) -> rusqlite::Result<Vec<String>> {
    let indexes = indexes_of(connection, plan.table.as_str(), column.name.as_str())?;
    for (index, _create) in &indexes {
        connection.execute_batch(&format!("DROP INDEX {}", quote(index)))?;
    }
    let drop = statement::drop_column(plan, &column.name);
    let rename = statement::rename_column(plan, &beside(column), &column.name);
    let exchange = || {
        connection
            .execute_batch(&drop)
            .and_then(|()| connection.execute_batch(&rename))
    };
    connection.execute_batch("SAVEPOINT attempt")?;
    if let Err(error) = exchange() {
        let Some(hindrance) = Hindrance::of(&error) else {
            return Err(error);
        };
        // The failed statement itself leaves SQLite's picture of the table as it would have become.
        connection.execute_batch("ROLLBACK TO attempt")?;
        match hindrance {
            Hindrance::Table(what) => return Ok(vec![what]),
            Hindrance::Text => {
                connection.pragma_update(None, "writable_schema", true)?;
                let exchanged = exchange();
                connection.pragma_update(None, "writable_schema", false)?;
                exchanged?;
            }
        }
    }
    connection.execute_batch("RELEASE attempt")?;
    for (index, create) in indexes {
        match connection.execute_batch(&create) {
            Ok(()) => {}
            // Somebody's index forbids what the new values have twice.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Ok(vec![format!("index {index}")]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Vec::new())
}

/// Indexes over a column with their statements, and those over expressions or a part of the table, which may need it too.
fn indexes_of(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut select = connection.prepare(
        "SELECT s.name, s.sql FROM pragma_index_list(?1) l JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name \
         WHERE s.sql IS NOT NULL AND (l.partial OR EXISTS (SELECT 1 FROM pragma_index_info(l.name) i \
         WHERE i.name IS NULL OR i.name = ?2 COLLATE NOCASE))",
    )?;
    let rows = select.query_map([table, column], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Why SQLite refuses to drop a column.
#[derive(Debug, PartialEq, Eq)]
enum Hindrance {
    /// A view or trigger whose text names it, or that is broken anyway.
    Text,
    /// Something in the table itself.
    Table(String),
}

impl Hindrance {
    /// Reads `error in view names after drop column: no such column: ..` and `cannot drop UNIQUE column: "x"`.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the driver's enum, open for more; two variants carry SQLite's text"
    )]
    fn of(error: &rusqlite::Error) -> Option<Self> {
        let text = match error {
            rusqlite::Error::SqlInputError { msg, .. } => msg.as_str(),
            rusqlite::Error::SqliteFailure(_, Some(text)) => text.as_str(),
            _ => return None,
        };
        if let Some(rest) = text.strip_prefix("error in ") {
            return Some(match rest.split_once(' ')?.0 {
                "view" | "trigger" => Self::Text,
                _ => Self::Table("a constraint or generated column of the table".to_owned()),
            });
        }
        let constraint = text.strip_prefix("cannot drop ")?.split(" column").next()?;
        Some(Self::Table(format!("the table's {constraint}")))
    }
}
