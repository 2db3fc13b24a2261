//! Tables, columns and indexes: made where they are missing, compared where they are there.
//!
//! Existing columns are never changed: SQLite has no DDL for that, and a table in which somebody else's columns stand
//! between ours stays as it is. A column of another type than planned is a conflict that is named.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{
    connect::{failure, use_write_ahead_log},
    session::{Session, rollback},
    statement,
};
use crate::{
    Error, Result,
    plan::{Column, ObjectPlan},
    state::SCHEMA_VERSION,
};

/// Makes the state tables that are not there, and sets their version. Writes nothing where there is nothing to do.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<()> {
    use_write_ahead_log(connection, path)?;
    let failed = |error| failure(path, "make the state tables", error);
    if missing_relations(connection, path)?.is_empty() {
        return Ok(());
    }
    // Another process may have made them since; from here on none can.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    for create in missing_relations(&transaction, path)? {
        transaction.execute_batch(create).map_err(failed)?;
    }
    transaction
        .execute(
            "INSERT INTO _replication_meta (schema_version) VALUES (?1) ON CONFLICT DO NOTHING",
            [SCHEMA_VERSION],
        )
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The statements for the state tables that are missing.
fn missing_relations(connection: &Connection, path: &Path) -> Result<Vec<&'static str>> {
    let failed = |error| failure(path, "read the state tables", error);
    let mut missing = Vec::new();
    for (name, create) in statement::STATE_RELATIONS {
        if !exists(connection, name).map_err(failed)? {
            missing.push(create);
        } else if name == "_replication_meta" {
            let version = connection.query_row("SELECT schema_version FROM _replication_meta", [], |row| row.get(0));
            let version: Option<i32> = version.optional().map_err(failed)?;
            check_version(path, version.unwrap_or(SCHEMA_VERSION))?;
        }
    }
    Ok(missing)
}

fn check_version(path: &Path, version: i32) -> Result<()> {
    if version > SCHEMA_VERSION {
        return Err(Error::SchemaConflict {
            message: format!(
                "{}: the state tables have version {version} and this program knows {SCHEMA_VERSION}; use the newer \
                 program that made them",
                path.display()
            ),
        });
    }
    Ok(())
}

/// Whether there is a table or view of this name, in any case of its letters.
pub(super) fn exists(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE)",
        )?
        .query_row([name], |row| row.get(0))
}

/// A column as it is in the database.
struct Found {
    name: String,
    declared: String,
    key: bool,
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Found>> {
    let mut statement = connection.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
    let rows = statement.query_map([table], |row| {
        Ok(Found {
            name: row.get(0)?,
            declared: row.get(1)?,
            key: row.get::<_, i64>(2)? == 1,
        })
    })?;
    rows.collect()
}

/// Makes the table of a plan, or adds the columns that it lacks. Inside the caller's transaction.
///
/// # Errors
/// [`Error::SchemaConflict`] that names every column that is not as planned.
pub(super) fn make_table(connection: &Connection, path: &Path, plan: &ObjectPlan) -> Result<()> {
    let failed = |error| failure(path, &format!("make table {}", plan.table), error);
    if !exists(connection, plan.table.as_str()).map_err(failed)? {
        return connection.execute_batch(&statement::create_table(plan)).map_err(failed);
    }
    let found = columns(connection, plan.table.as_str()).map_err(failed)?;
    for column in missing_columns(&found, plan, path)? {
        connection
            .execute_batch(&statement::add_column(plan, column))
            .map_err(failed)?;
    }
    Ok(())
}

/// The columns to add, after a comparison of those that are there.
fn missing_columns<'plan>(found: &[Found], plan: &'plan ObjectPlan, path: &Path) -> Result<Vec<&'plan Column>> {
    let mut missing = Vec::new();
    let mut problems = Vec::new();
    for (position, column) in plan.columns.iter().enumerate() {
        let name = column.name.as_str();
        let planned = statement::type_name(column.kind);
        let key = position == 0;
        match found.iter().find(|found| found.name.eq_ignore_ascii_case(name)) {
            Some(found) if !found.declared.eq_ignore_ascii_case(planned) => {
                problems.push(format!("column {name} is {} and should be {planned}", found.declared));
            }
            Some(found) if key && !found.key => problems.push(format!("column {name} is not the primary key")),
            Some(_) => {}
            None if position < 2 => problems.push(format!("column {name} is missing")),
            None => missing.push(column),
        }
    }
    if problems.is_empty() {
        return Ok(missing);
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
