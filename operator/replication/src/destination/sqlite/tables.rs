//! Tables, columns and indexes: made where they are missing, compared where they are there.
//!
//! A table in which somebody else's columns stand between ours stays as it is. Columns whose type changed are exchanged
//! (`exchange`), except key, stamp and mark: of another type than planned, these are a conflict that is named.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    connect::{failure, open_existing},
    exchange,
    session::{Session, rollback},
    statement,
};
use crate::{
    Error, Result,
    plan::{ColumnKind, Identifier, ObjectPlan},
};

/// Whether there is a table or view of this name, in any case of its letters.
pub(super) fn exists(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE)",
        )?
        .query_row([name], |row| row.get(0))
}

/// A column as it is in the database.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) declared: String,
    key: bool,
    /// NOT NULL without a default.
    pub(super) is_demanding: bool,
}

impl Found {
    /// Whether the column is declared as a column of this kind would be.
    pub(super) fn is_as(&self, kind: ColumnKind) -> bool {
        self.declared.eq_ignore_ascii_case(statement::type_name(kind))
    }
}

/// The columns of a table in its order, none where it is not there.
pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Found>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, pk, \"notnull\" AND dflt_value IS NULL AND pk = 0 FROM pragma_table_info(?1)",
    )?;
    let rows = statement.query_map([table], |row| {
        Ok(Found {
            name: row.get(0)?,
            declared: row.get(1)?,
            key: row.get::<_, i64>(2)? == 1,
            is_demanding: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// Names of the columns of each table that is there, without those that stand beside others for a time.
pub(super) fn existing_columns(path: &Path, tables: &[Identifier]) -> Result<BTreeMap<Identifier, Vec<String>>> {
    let mut existing = BTreeMap::new();
    let Some(connection) = open_existing(path)? else {
        return Ok(existing);
    };
    for table in tables {
        let found = columns(&connection, table.as_str())
            .map_err(|error| failure(path, &format!("read the columns of table {table}"), error))?;
        let names = found.iter().map(|column| column.name.clone());
        let names: Vec<String> = names.filter(|name| !exchange::is_beside(&found, name)).collect();
        if !names.is_empty() {
            existing.insert(table.clone(), names);
        }
    }
    Ok(existing)
}

/// The column of a name, in any case of its letters, as SQLite finds it.
pub(super) fn find<'a>(found: &'a [Found], name: &str) -> Option<&'a Found> {
    found.iter().find(|found| found.name.eq_ignore_ascii_case(name))
}

/// What became of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It was not there.
    New,
    /// It was there; it has the columns that it lacked.
    Completed,
}

/// Makes the table of a plan, or adds the columns that it lacks, those beside columns of another type among them (see
/// [`exchange`]). Inside the caller's transaction.
///
/// # Errors
/// [`Error::SchemaConflict`] that names every column that is not as planned and cannot be made so.
pub(super) fn make_table(
    connection: &Connection,
    path: &Path,
    plan: &ObjectPlan,
    rows: exchange::Rows,
) -> Result<Made> {
    let failed = |error| failure(path, &format!("make table {}", plan.table), error);
    if !exists(connection, plan.table.as_str()).map_err(failed)? {
        connection
            .execute_batch(&statement::create_table(plan))
            .map_err(failed)?;
        return Ok(Made::New);
    }
    let found = columns(connection, plan.table.as_str()).map_err(failed)?;
    check_frame(&found, plan, path)?;
    for column in &plan.columns {
        if find(&found, column.name.as_str()).is_none() {
            connection
                .execute_batch(&statement::add_column(plan, column))
                .map_err(failed)?;
        }
    }
    exchange::make_columns(connection, plan, &found, rows).map_err(failed)?;
    Ok(Made::Completed)
}

/// Key, stamp and mark are never exchanged: they have one type for ever, so another one is not ours.
fn check_frame(found: &[Found], plan: &ObjectPlan, path: &Path) -> Result<()> {
    let mut problems = Vec::new();
    for (position, column) in plan.columns.iter().enumerate() {
        let name = column.name.as_str();
        let (key, needed) = (position == 0, position < 2);
        match find(found, name) {
            Some(found) if !found.is_as(column.kind) && !exchange::is_exchangeable(position, column) => {
                let planned = statement::type_name(column.kind);
                problems.push(format!("column {name} is {} and should be {planned}", found.declared));
            }
            Some(found) if key && !found.key => problems.push(format!("column {name} is not the primary key")),
            None if needed => problems.push(format!("column {name} is missing")),
            Some(_) | None => {}
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::SchemaConflict {
        message: format!(
            "{}: table {} of {} is not as planned: {}; give the object another table, or drop this one to have it \
             filled anew",
            path.display(),
            plan.table,
            plan.object,
            problems.join(", ")
        ),
    })
}

impl Session {
    /// Makes the indexes of the plan that are not there yet, each in a transaction of its own.
    pub(super) fn build_indexes(&mut self) -> Result<()> {
        let plan = std::sync::Arc::clone(&self.plan);
        let path = self.path.clone();
        let connection = self.connection()?;
        for index in &plan.indexes {
            let failed = |error| {
                failure(
                    &path,
                    &format!("build index {} on table {}", index.name, plan.table),
                    error,
                )
            };
            match table_of_index(connection, index.name.as_str()).map_err(failed)? {
                Some(table) if table.eq_ignore_ascii_case(plan.table.as_str()) => {}
                Some(table) => {
                    return Err(Error::SchemaConflict {
                        message: format!(
                            "{}: index {} belongs to table {table}; drop it, or rename the table of {}",
                            path.display(),
                            index.name,
                            plan.object
                        ),
                    });
                }
                None => {
                    let built = connection.execute_batch(&statement::create_index(&plan, index));
                    if built.is_err() {
                        rollback(connection);
                    }
                    built.map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

fn table_of_index(connection: &Connection, index: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ?1 COLLATE NOCASE";
    connection.query_row(sql, params![index], |row| row.get(0)).optional()
}
