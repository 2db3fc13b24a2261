//! Columns whose type in Salesforce changed: a new column beside the old one, filled by this plan's runs, and exchanged for
//! it when every row has been written.
//!
//! SQLite stores any value in any column, but not unchanged: by the affinity that the declared type gives a column, the text
//! `007` becomes the number 7 where numbers are declared. So a declared type that differs is exchanged here as in PostgreSQL,
//! while kinds that are declared alike (a date that becomes text) need nothing but new values.
//!
//! **The layout** of a table is its plan with the names and kinds that its columns have at the moment: statements are written
//! for it. A value goes into the column beside the old one where that is there. Where it is not, the exchange has failed
//! since somebody's view needs the old column; then values go into the old column as far as they fit its type.
//!
//! A view or trigger is bound to a column by its text alone, so SQLite refuses to drop a column that one of them names. Indexes
//! are no hindrance: they are dropped and made again from their own statements.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    session::Session,
    statement::{self, quote},
    tables::{Found, columns, find},
};
use crate::{
    Result,
    destination::ColumnInUse,
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
        ColumnSource::Empty => true,
        ColumnSource::IsDeleted | ColumnSource::DeletedAt => false,
    }
}

/// The columns that a row brings values for, behind key and stamp.
fn filled(plan: &ObjectPlan) -> impl Iterator<Item = &Column> {
    statement::bound(plan).skip(2)
}

/// The plan with the names and kinds of the columns that its values go into at the moment.
pub(super) fn layout(plan: &ObjectPlan, found: &[Found]) -> ObjectPlan {
    let mut layout = plan.clone();
    for column in layout.columns.iter_mut().skip(2) {
        match column.source {
            ColumnSource::Field(_) | ColumnSource::Template(_) => {}
            ColumnSource::Empty | ColumnSource::IsDeleted | ColumnSource::DeletedAt => continue,
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
        // One that is not there although this plan has written all rows was given up for a view.
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

    /// Exchanges the columns that stand beside others, in one transaction.
    pub(super) fn settle_columns(&mut self) -> Result<Vec<ColumnInUse>> {
        self.expect_idle()?;
        let doing = format!("exchange columns of table {}", self.plan.table);
        let plan = Arc::clone(&self.plan);
        let (path, name) = (self.path.clone(), plan.table.clone());
        let failed = |error| super::connect::failure(&path, &doing, error);
        let found = columns(self.connection()?, name.as_str()).map_err(failed)?;
        if !filled(&plan).any(|column| find(&found, beside(column).as_str()).is_some()) {
            return Ok(Vec::new());
        }
        let in_use = self.in_transaction(&doing, |session, connection| {
            session.compare_epoch_on(connection)?;
            let found = columns(connection, name.as_str()).map_err(failed)?;
            let mut in_use = Vec::new();
            for column in filled(&plan).filter(|column| find(&found, beside(column).as_str()).is_some()) {
                let differs = find(&found, column.name.as_str()).is_some_and(|old| !old.is_as(column.kind));
                let used_by = if differs {
                    exchange(connection, &plan, column).map_err(failed)?
                } else {
                    drop_beside(connection, &plan, &beside(column)).map_err(failed)?;
                    Vec::new()
                };
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

/// Exchanges one column; the answer is what hindered it, after which only the column beside it is gone.
fn exchange(connection: &Connection, plan: &ObjectPlan, column: &Column) -> rusqlite::Result<Vec<String>> {
    connection.execute_batch("SAVEPOINT exchange")?;
    let used_by = try_exchange(connection, plan, column)?;
    if !used_by.is_empty() {
        connection.execute_batch("ROLLBACK TO exchange")?;
        drop_beside(connection, plan, &beside(column))?;
    }
    connection.execute_batch("RELEASE exchange")?;
    Ok(used_by)
}

fn try_exchange(connection: &Connection, plan: &ObjectPlan, column: &Column) -> rusqlite::Result<Vec<String>> {
    let indexes = indexes_of(connection, plan.table.as_str(), column.name.as_str())?;
    for (index, _create) in &indexes {
        connection.execute_batch(&format!("DROP INDEX {}", quote(index)))?;
    }
    let mut used_by = Vec::new();
    // One hindrance is told at a time. It is taken out of the way to find the next one; all of that is rolled back.
    while let Err(error) = connection.execute_batch(&statement::drop_column(plan, &column.name)) {
        let Some(hindrance) = Hindrance::of(&error) else {
            return Err(error);
        };
        let removed = hindrance.remove(connection)?;
        used_by.push(hindrance.name);
        if !removed {
            break;
        }
    }
    if !used_by.is_empty() {
        used_by.sort_unstable();
        return Ok(used_by);
    }
    connection.execute_batch(&statement::rename_column(plan, &beside(column), &column.name))?;
    for (index, create) in indexes {
        match connection.execute_batch(&create) {
            Ok(()) => {}
            // Somebody's index forbids what the new values have twice.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                return Ok(vec![index]);
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

/// What SQLite names when it refuses to drop a column: `error in view names after drop column: no such column: ..`,
/// `cannot drop column "x": UNIQUE`.
struct Hindrance {
    kind: String,
    name: String,
}

impl Hindrance {
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
            let (kind, rest) = rest.split_once(' ')?;
            let name = rest.split_once(" after ").or_else(|| rest.split_once(": "))?.0;
            return Some(Self {
                kind: kind.to_owned(),
                name: name.to_owned(),
            });
        }
        let constraint = text.strip_prefix("cannot drop ")?.rsplit_once(": ")?.1;
        Some(Self {
            kind: String::new(),
            name: format!("a constraint ({constraint})"),
        })
    }

    /// Whether it could be taken out of the way.
    fn remove(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let drop = match self.kind.as_str() {
            "view" => "DROP VIEW",
            "trigger" => "DROP TRIGGER",
            _ => return Ok(false),
        };
        let select = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
        let there: Option<i64> = connection
            .query_row(select, [&self.name], |row| row.get(0))
            .optional()?;
        if there.is_none() {
            return Ok(false);
        }
        connection.execute_batch(&format!("{drop} {}", quote(&self.name)))?;
        Ok(true)
    }
}
