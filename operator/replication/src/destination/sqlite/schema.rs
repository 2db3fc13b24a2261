//! The state tables (design 6.1): made, and brought forward from older versions.
//!
//! A migration adds what is missing, table by table and column by column, by what is there and not by the version alone, so
//! that it may be broken off, repeated, and meet a table that somebody restored from an older copy of the file. All of it is
//! one transaction with the version that it reaches. Rows are kept.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::{
    connect::{failure, use_write_ahead_log},
    tables::{columns, exists},
};
use crate::{Error, Result, state::SCHEMA_VERSION};

/// The tables and the view that hold what a destination remembers, each with the statement that makes it.
///
/// Keyed tables are without rowid: their key is all that they are searched by, and `last_insert_rowid` stays that of
/// the object's table (see [`super::load`]).
const RELATIONS: [(&str, &str); 7] = [
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
         refreshed_at TEXT, checked_at TEXT, epoch INTEGER NOT NULL, updated_at TEXT NOT NULL, listing_kind TEXT, \
         listing_plan_hash TEXT, listing_started TEXT, listing_covered TEXT, listing_last_id TEXT) WITHOUT ROWID",
    ),
    (
        "_pending_delete",
        "CREATE TABLE _pending_delete (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, stamp TEXT NOT NULL, \
         found_at TEXT NOT NULL, confirmed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (object, salesforce_id)) \
         WITHOUT ROWID",
    ),
    (
        "_surplus_row",
        "CREATE TABLE _surplus_row (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, \
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

/// Their names, the view first, since it reads one of the tables.
pub(super) fn relations() -> impl Iterator<Item = &'static str> {
    RELATIONS.iter().rev().map(|(name, _create)| *name)
}

/// Columns that version 2 added to tables of version 1, with their definitions.
const ADDED: [(&str, &str, &str); 6] = [
    ("_replication_state", "listing_kind", "TEXT"),
    ("_replication_state", "listing_plan_hash", "TEXT"),
    ("_replication_state", "listing_started", "TEXT"),
    ("_replication_state", "listing_covered", "TEXT"),
    ("_replication_state", "listing_last_id", "TEXT"),
    ("_pending_delete", "confirmed", "INTEGER NOT NULL DEFAULT 0"),
];

/// A table of version 1 that version 2 does without: listings are compared as they come.
const DROPPED: &str = "DROP TABLE IF EXISTS _listed_row";

/// How the state tables are.
pub(super) enum Found {
    /// As this program writes them.
    Ready,
    /// Some are missing, or all of them are of an older version.
    Behind,
}

/// Makes the state tables that are not there, brings older ones forward, and sets their version. Writes nothing where
/// there is nothing to do.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<()> {
    use_write_ahead_log(connection, path)?;
    if let Found::Ready = look(connection, path)? {
        return Ok(());
    }
    let failed = |error| failure(path, "make the state tables", error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    // Another process may have made them since, a newer program too; from here on none can.
    if let Found::Behind = look(&transaction, path)? {
        bring_forward(&transaction).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

pub(super) fn look(connection: &Connection, path: &Path) -> Result<Found> {
    let failed = |error| failure(path, "read the state tables", error);
    let version = version(connection).map_err(failed)?;
    if version.is_some_and(|version| version > SCHEMA_VERSION) {
        return Err(Error::SchemaConflict {
            message: format!(
                "{}: the state tables have version {} and this program knows {SCHEMA_VERSION}; use the newer program \
                 that made them",
                path.display(),
                version.unwrap_or_default()
            ),
        });
    }
    if version != Some(SCHEMA_VERSION) {
        return Ok(Found::Behind);
    }
    for (name, _create) in RELATIONS {
        if !exists(connection, name).map_err(failed)? {
            return Ok(Found::Behind);
        }
    }
    Ok(Found::Ready)
}

fn version(connection: &Connection) -> rusqlite::Result<Option<i32>> {
    if !exists(connection, "_replication_meta")? {
        return Ok(None);
    }
    let select = "SELECT schema_version FROM _replication_meta";
    connection.query_row(select, [], |row| row.get(0)).optional()
}

fn bring_forward(connection: &Connection) -> rusqlite::Result<()> {
    for (name, create) in RELATIONS {
        if !exists(connection, name)? {
            connection.execute_batch(create)?;
        }
    }
    for (table, column, definition) in ADDED {
        let found = columns(connection, table)?;
        if !found.iter().any(|found| found.name == column) {
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {definition}"))?;
        }
    }
    connection.execute_batch(DROPPED)?;
    connection.execute(
        "INSERT INTO _replication_meta (one, schema_version) VALUES (1, ?1) \
         ON CONFLICT DO UPDATE SET schema_version = excluded.schema_version",
        [SCHEMA_VERSION],
    )?;
    Ok(())
}
