//! Tables that an object has left: they keep their rows, stay ours, and are taken back when they are named again.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{
    connect::{failure, open_existing},
    state, statement,
    tables::exists,
};
use crate::{
    Error, Result,
    destination::RetiredTable,
    plan::{ObjectName, ObjectPlan},
    state::{Owner, State},
};

/// Retires the tables of the owner's objects that are not among `kept`, and gives all that are retired.
pub(super) fn retire(path: &Path, owner: &Owner, kept: &[ObjectName], at: Timestamp) -> Result<Vec<RetiredTable>> {
    let Some(mut connection) = open_existing(path)? else {
        return Ok(Vec::new());
    };
    let failed = |error| failure(path, "retire tables", error);
    let is_prepared = exists(&connection, "_replication_state").and_then(|there| {
        let retired = exists(&connection, "_retired_table")?;
        Ok(there && retired)
    });
    if !is_prepared.map_err(failed)? {
        return Ok(Vec::new());
    }
    if !left(&connection, owner, kept).map_err(failed)?.is_empty() {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        for (object, table) in left(&transaction, owner, kept).map_err(failed)? {
            note_table(&transaction, &object, &table, owner, at).map_err(failed)?;
            forget(&transaction, &object).map_err(failed)?;
            transaction
                .execute("DELETE FROM _replication_state WHERE object = ?1", [object.as_str()])
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
    }
    retired(&connection, path, owner)
}

/// The owner's name, that of the replicator that it adopts (its own again where it adopts none), and its org.
fn names(owner: &Owner) -> [&str; 3] {
    let adopted = owner.adopts.as_deref().unwrap_or(&owner.replicator);
    [&owner.replicator, adopted, &owner.organization_id]
}

/// Objects of the owner that are not among those kept, with their tables.
fn left(connection: &Connection, owner: &Owner, kept: &[ObjectName]) -> rusqlite::Result<Vec<(ObjectName, String)>> {
    let mut select = connection.prepare(
        "SELECT object, table_name FROM _replication_state WHERE replicator IN (?1, ?2) AND organization_id = ?3 \
         ORDER BY object",
    )?;
    let rows = select.query_map(names(owner), |row| {
        Ok((ObjectName::new(row.get::<_, String>(0)?), row.get(1)?))
    })?;
    let mut left: Vec<(ObjectName, String)> = rows.collect::<rusqlite::Result<_>>()?;
    let is_kept = |object: &ObjectName| {
        kept.iter()
            .any(|kept| kept.as_str().eq_ignore_ascii_case(object.as_str()))
    };
    left.retain(|(object, _)| !is_kept(object));
    Ok(left)
}

/// Retired tables of the owner that are still there: one that a person has dropped is nothing to tell of.
fn retired(connection: &Connection, path: &Path, owner: &Owner) -> Result<Vec<RetiredTable>> {
    let failed = |error| failure(path, "read the retired tables", error);
    let mut select = connection
        .prepare(
            "SELECT table_name, object, retired_at FROM _retired_table WHERE replicator IN (?1, ?2) \
             AND organization_id = ?3 AND EXISTS (SELECT 1 FROM sqlite_schema s WHERE s.type = 'table' AND s.name = table_name COLLATE NOCASE) \
             ORDER BY table_name COLLATE BINARY",
        )
        .map_err(failed)?;
    let rows = select
        .query_map(names(owner), |row| {
            let retired_at = state::time(row, 2)?;
            Ok((row.get(0)?, row.get(1)?, retired_at))
        })
        .map_err(failed)?;
    rows.map(|row| {
        let (table, object, retired_at) = row.map_err(failed)?;
        let retired_at = retired_at.ok_or_else(|| Error::Internal("a retired table without a time".to_owned()))?;
        Ok(RetiredTable {
            table,
            object,
            retired_at,
        })
    })
    .collect()
}

/// An object of the owner, or of the replicator that it adopts, that came from another org, and whose it is: the resource was
/// pointed at another one.
pub(super) fn of_another_org(connection: &Connection, owner: &Owner) -> rusqlite::Result<Option<(String, Owner)>> {
    if !exists(connection, "_replication_state")? {
        return Ok(None);
    }
    let sql = "SELECT replicator, organization_id, object FROM _replication_state \
               WHERE replicator IN (?1, ?2) AND organization_id <> ?3 ORDER BY object LIMIT 1";
    connection
        .query_row(sql, names(owner), |row| Ok((row.get(2)?, state::owner(row)?)))
        .optional()
}

/// Whose a table is that is not in the object's state: `None` where it is not there, or
/// was the same object's and retired by us. Rows of two objects are never mixed.
pub(super) fn whose_table(
    connection: &Connection,
    plan: &ObjectPlan,
    owner: &Owner,
) -> rusqlite::Result<Option<String>> {
    let table = plan.table.as_str();
    if !exists(connection, table)? {
        return Ok(None);
    }
    if exists(connection, "_replication_state")? {
        let sql = "SELECT object, replicator, organization_id FROM _replication_state \
                   WHERE table_name = ?1 COLLATE NOCASE AND object <> ?2";
        let other = connection.query_row(sql, [table, plan.object.as_str()], |row| {
            let (object, replicator, org): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("holds {object} of replicator {replicator}, org {org}"))
        });
        if let Some(other) = other.optional()? {
            return Ok(Some(other));
        }
    }
    if exists(connection, "_retired_table")? {
        let sql = "SELECT replicator, organization_id, object FROM _retired_table WHERE table_name = ?1";
        let retired = connection.query_row(sql, [table], |row| Ok((state::owner(row)?, row.get::<_, String>(2)?)));
        match retired.optional()? {
            Some((retired, object)) if owner.may_write(&retired.replicator, &retired.organization_id) => {
                if object == plan.object.as_str() {
                    return Ok(None);
                }
                return Ok(Some(format!("is retired and holds {object}")));
            }
            Some((
                Owner {
                    replicator,
                    organization_id,
                    adopts: _,
                },
                _object,
            )) => {
                return Ok(Some(format!(
                    "was kept for replicator {replicator}, org {organization_id}"
                )));
            }
            None => {}
        }
    }
    Ok(Some("was not made by this program".to_owned()))
}

/// Notes the table that a state names and its object leaves: it stays, and is the owner's, who may have adopted it.
pub(super) fn note(connection: &Connection, state: &State, owner: &Owner, at: Timestamp) -> rusqlite::Result<()> {
    note_table(connection, &state.object, &state.table_name, owner, at)
}

/// With an object that is taken over from another replicator go the tables that it was in before.
pub(super) fn adopt(connection: &Connection, object: &ObjectName, owner: &Owner) -> rusqlite::Result<()> {
    let Owner {
        replicator,
        organization_id,
        adopts: Some(adopted),
    } = owner
    else {
        return Ok(());
    };
    connection
        .prepare_cached(
            "UPDATE _retired_table SET replicator = ?2 WHERE object = ?1 AND replicator = ?3 AND organization_id = ?4",
        )?
        .execute([object.as_str(), replicator, adopted, organization_id])?;
    Ok(())
}

fn note_table(
    connection: &Connection,
    object: &ObjectName,
    table: &str,
    owner: &Owner,
    at: Timestamp,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO _retired_table (table_name, object, replicator, organization_id, retired_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            table,
            object.as_str(),
            owner.replicator,
            owner.organization_id,
            state::text(at)
        ],
    )?;
    Ok(())
}

/// A table of an object's state is not retired.
pub(super) fn take_back(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM _retired_table WHERE table_name = ?1", [table])?;
    Ok(())
}

/// Forgets what was noted of an object's rows.
pub(super) fn forget(connection: &Connection, object: &ObjectName) -> rusqlite::Result<()> {
    connection.execute(statement::FORGET_REJECTED, [object.as_str()])?;
    forget_deletes(connection, object)
}

/// Forgets deletes and surplus that were noted of an object's rows.
pub(super) fn forget_deletes(connection: &Connection, object: &ObjectName) -> rusqlite::Result<()> {
    for sql in [statement::FORGET_PENDING, statement::FORGET_SURPLUS] {
        connection.execute(sql, [object.as_str()])?;
    }
    Ok(())
}
