//! `_replication_state`: read, claimed, written; whose object and whose table it is.
//!
//! Times are written in the one form of the database, with milliseconds; what is finer is cut off, which for a
//! watermark errs on the side of reading again.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{
    connect::failure,
    session::Session,
    statement,
    tables::{exists, make_table},
};
use crate::{
    Error, Result,
    destination::Contents,
    plan::{ObjectName, ObjectPlan},
    state::{Checkpoint, Epoch, Owner, Phase, State},
    value,
};

/// What a session knows of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// `read_state` was not called.
    NotRead,
    /// The epoch that was read, `None` where there was no state.
    Read(Option<i64>),
    /// The epoch is this session's own.
    Claimed(i64),
}

/// What becomes of the counter of rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows {
    /// It grows by this.
    Changed(i64),
    /// The table is counted.
    Counted,
}

/// A moment in the form of the database.
pub(super) fn text(at: Timestamp) -> String {
    let mut text = String::with_capacity(24);
    value::write_datetime(at.as_microsecond(), &mut text);
    text
}

fn optional_text(at: Option<Timestamp>) -> Option<String> {
    at.map(text)
}

impl Session {
    /// Reads the object's state and remembers its epoch.
    ///
    /// # Errors
    /// [`Error::SchemaConflict`] where state or table belong to somebody else.
    pub(super) fn read_state(&mut self) -> Result<Option<State>> {
        self.expect_idle()?;
        self.knowledge = Knowledge::NotRead;
        let (path, plan, owner) = (self.path.clone(), std::sync::Arc::clone(&self.plan), self.owner.clone());
        let state = match self.connection_if_there()? {
            None => None,
            Some(connection) => {
                let failed = |error| failure(&path, &format!("read the state of {}", plan.object), error);
                // One transaction, so that state and tables are of one moment. It reads only and ends by its drop.
                let transaction = connection.transaction().map_err(failed)?;
                let state = read(&transaction, &plan.object).map_err(failed)?;
                check_owner(&transaction, &path, &plan, &owner, state.as_ref())?;
                state
            }
        };
        self.knowledge = Knowledge::Read(state.as_ref().map(|state| state.epoch.0));
        Ok(state)
    }

    /// Claims the object, writes its state and makes its table, in one transaction.
    pub(super) fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<Contents> {
        self.expect_idle()?;
        let doing = format!("make table {}", self.plan.table);
        let (claimed, contents) = self.in_transaction(&doing, |session, connection| {
            let failed = |error| session.failure(&doing, error);
            session.compare_epoch_on(connection)?;
            let state = read(connection, &session.plan.object).map_err(failed)?;
            check_owner(connection, &session.path, &session.plan, &session.owner, state.as_ref())?;
            let given_up = state.as_ref().filter(|state| {
                state.checkpoint.phase == Phase::Initial
                    && state.checkpoint.plan_hash != checkpoint.plan_hash
                    && state.table_name.eq_ignore_ascii_case(session.plan.table.as_str())
            });
            if given_up.is_some() {
                let drop = statement::drop_table(&session.plan);
                connection.execute_batch(&drop).map_err(failed)?;
            }
            make_table(connection, &session.path, &session.plan)?;
            let moved = match &state {
                Some(state) if !state.table_name.eq_ignore_ascii_case(session.plan.table.as_str()) => {
                    retire(connection, state, at).map_err(failed)?;
                    true
                }
                Some(_) => false,
                None => true,
            };
            if moved {
                take_back(connection, session.plan.table.as_str()).map_err(failed)?;
            }
            let mut has_rows = connection
                .prepare_cached(&session.statements.has_rows)
                .map_err(failed)?;
            let has_rows: bool = has_rows.query_row([], |row| row.get(0)).map_err(failed)?;
            // An empty table may have been emptied by somebody else.
            let rows = if moved || !has_rows {
                Rows::Counted
            } else {
                Rows::Changed(0)
            };
            let claimed = session.write_state_on(connection, checkpoint, rows, at)?;
            Ok((claimed, if has_rows { Contents::Rows } else { Contents::Empty }))
        })?;
        self.knowledge = claimed;
        Ok(contents)
    }

    /// Writes `checked_at` and the watermark where the epoch is still the one known.
    pub(super) fn touch(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<()> {
        self.expect_idle()?;
        let doing = format!("write the state of {}", self.plan.object);
        self.in_transaction(&doing, |session, connection| {
            let epoch = match session.knowledge {
                Knowledge::Claimed(epoch) | Knowledge::Read(Some(epoch)) => epoch,
                Knowledge::Read(None) | Knowledge::NotRead => return Err(session.unread()),
            };
            let touched = connection
                .prepare_cached(
                    "UPDATE _replication_state SET watermark = ?3, checked_at = ?4, updated_at = ?5 \
                     WHERE object = ?1 AND epoch = ?2",
                )
                .and_then(|mut update| {
                    update.execute(params![
                        session.plan.object.as_str(),
                        epoch,
                        optional_text(checkpoint.watermark),
                        optional_text(checkpoint.checked_at),
                        text(at)
                    ])
                })
                .map_err(|error| session.failure(&doing, error))?;
            if touched == 1 { Ok(()) } else { Err(session.fenced()) }
        })
    }

    /// Compares the epoch of the open segment's transaction with the one known.
    pub(super) fn compare_epoch(&mut self) -> Result<()> {
        self.with_connection(Self::compare_epoch_on)
    }

    fn compare_epoch_on(&self, connection: &Connection) -> Result<()> {
        let known = match self.knowledge {
            Knowledge::NotRead => return Err(self.unread()),
            Knowledge::Read(epoch) => epoch,
            Knowledge::Claimed(epoch) => Some(epoch),
        };
        let found: Option<i64> = connection
            .prepare_cached("SELECT epoch FROM _replication_state WHERE object = ?1")
            .and_then(|mut select| {
                select
                    .query_row([self.plan.object.as_str()], |row| row.get(0))
                    .optional()
            })
            .map_err(|error| self.failure(&format!("read the state of {}", self.plan.object), error))?;
        if found == known { Ok(()) } else { Err(self.fenced()) }
    }

    /// Writes the state in the open segment's transaction; the answer is what is known once that is committed.
    pub(super) fn write_state(&mut self, checkpoint: &Checkpoint, rows: Rows, at: Timestamp) -> Result<Knowledge> {
        self.with_connection(|session, connection| session.write_state_on(connection, checkpoint, rows, at))
    }

    /// The first write claims: it makes the epoch one higher where it is still the one read, or inserts the first.
    fn write_state_on(
        &self,
        connection: &Connection,
        checkpoint: &Checkpoint,
        rows: Rows,
        at: Timestamp,
    ) -> Result<Knowledge> {
        let failed = |error| self.failure(&format!("write the state of {}", self.plan.object), error);
        let Checkpoint {
            phase,
            plan_hash,
            query_start,
            watermark,
            last_id,
            checked_at,
        } = checkpoint;
        let (known, epoch) = match self.knowledge {
            Knowledge::NotRead => return Err(self.unread()),
            Knowledge::Read(None) => (None, 1),
            Knowledge::Read(Some(epoch)) => (Some(epoch), epoch.saturating_add(1)),
            Knowledge::Claimed(epoch) => (Some(epoch), epoch),
        };
        if known.is_none() {
            let inserted = connection
                .prepare_cached(
                    "INSERT INTO _replication_state (object, replicator, organization_id, table_name, plan_hash, phase, \
                     epoch, updated_at) VALUES (?1, ?2, ?3, ?4, '', '', ?5, '') ON CONFLICT (object) DO NOTHING",
                )
                .and_then(|mut insert| {
                    insert.execute(params![
                        self.plan.object.as_str(),
                        self.owner.replicator,
                        self.owner.organization_id,
                        self.plan.table.as_str(),
                        epoch
                    ])
                })
                .map_err(failed)?;
            if inserted == 0 {
                return Err(self.fenced());
            }
        }
        let (change, counted) = match rows {
            Rows::Changed(change) => (change, None),
            Rows::Counted => {
                let mut count = connection.prepare_cached(&self.statements.count_rows).map_err(failed)?;
                (
                    0,
                    Some(count.query_row([], |row| row.get::<_, i64>(0)).map_err(failed)?),
                )
            }
        };
        let written = connection
            .prepare_cached(
                "UPDATE _replication_state SET table_name = ?3, plan_hash = ?4, phase = ?5, query_start = ?6, \
                 watermark = ?7, last_id = ?8, checked_at = ?9, updated_at = ?10, rows = coalesce(?11, rows + ?12), \
                 epoch = ?13 WHERE object = ?1 AND epoch = ?2",
            )
            .and_then(|mut update| {
                update.execute(params![
                    self.plan.object.as_str(),
                    known.unwrap_or(epoch),
                    self.plan.table.as_str(),
                    plan_hash,
                    phase.as_str(),
                    optional_text(*query_start),
                    optional_text(*watermark),
                    last_id,
                    optional_text(*checked_at),
                    text(at),
                    counted,
                    change,
                    epoch
                ])
            })
            .map_err(failed)?;
        if written == 1 {
            Ok(Knowledge::Claimed(epoch))
        } else {
            Err(self.fenced())
        }
    }

    fn fenced(&self) -> Error {
        Error::Fenced {
            object: self.plan.object.clone(),
        }
    }

    fn unread(&self) -> Error {
        Error::Internal(format!(
            "{}: its state was not read before it was written",
            self.plan.object
        ))
    }
}

/// Reads one object's state, `None` also where the state tables are not there.
fn read(connection: &Connection, object: &ObjectName) -> rusqlite::Result<Option<State>> {
    if !exists(connection, "_replication_state")? {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "SELECT replicator, organization_id, table_name, rows, epoch, phase, plan_hash, query_start, watermark, \
             last_id, checked_at FROM _replication_state WHERE object = ?1",
        )?
        .query_row([object.as_str()], |row| {
            Ok(State {
                object: object.clone(),
                owner: Owner {
                    replicator: row.get(0)?,
                    organization_id: row.get(1)?,
                },
                table_name: row.get(2)?,
                rows: row.get(3)?,
                epoch: Epoch(row.get(4)?),
                checkpoint: Checkpoint {
                    phase: phase(row, 5)?,
                    plan_hash: row.get(6)?,
                    query_start: time(row, 7)?,
                    watermark: time(row, 8)?,
                    last_id: row.get(9)?,
                    checked_at: time(row, 10)?,
                    verified_until: None,
                    reconciled_at: None,
                    refreshed_at: None,
                    listing: None,
                },
            })
        })
        .optional()
}

fn unreadable(column: usize, problem: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, problem.into())
}

fn phase(row: &Row<'_>, column: usize) -> rusqlite::Result<Phase> {
    Phase::parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(column, "is no phase"))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    let micros = value::datetime(text).map_err(|problem| unreadable(column, problem))?;
    Timestamp::from_microsecond(micros)
        .map(Some)
        .map_err(|_range| unreadable(column, "is out of range"))
}

/// Refuses state and table of somebody else, and says whose they are.
fn check_owner(
    connection: &Connection,
    path: &Path,
    plan: &ObjectPlan,
    owner: &Owner,
    state: Option<&State>,
) -> Result<()> {
    if let Some(found) = state.map(|state| &state.owner).filter(|found| *found != owner) {
        return Err(Error::SchemaConflict {
            message: format!(
                "{}: {} is replicated by {} from org {}, not by {} from org {}; use another file, or let the other \
                 replicator go and adopt its tables",
                path.display(),
                plan.object,
                found.replicator,
                found.organization_id,
                owner.replicator,
                owner.organization_id
            ),
        });
    }
    let table = plan.table.as_str();
    if state.is_some_and(|state| state.table_name.eq_ignore_ascii_case(table)) {
        return Ok(());
    }
    let whose = whose_table(connection, plan, owner);
    match whose.map_err(|error| failure(path, &format!("look for table {table}"), error))? {
        None => Ok(()),
        Some(whose) => Err(Error::SchemaConflict {
            message: format!(
                "{}: table {table} for {} is there already and {whose}; give {} another table, or drop this one",
                path.display(),
                plan.object,
                plan.object
            ),
        }),
    }
}

/// Whose a table is that is not in the object's state: `None` where it is not there, or retired by us.
fn whose_table(connection: &Connection, plan: &ObjectPlan, owner: &Owner) -> rusqlite::Result<Option<String>> {
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
        let sql = "SELECT replicator, organization_id FROM _retired_table WHERE table_name = ?1";
        let retired = connection
            .query_row(sql, [table], |row| {
                Ok(Owner {
                    replicator: row.get(0)?,
                    organization_id: row.get(1)?,
                })
            })
            .optional()?;
        match retired {
            Some(retired) if retired == *owner => return Ok(None),
            Some(Owner {
                replicator,
                organization_id,
            }) => {
                return Ok(Some(format!(
                    "was kept for replicator {replicator}, org {organization_id}"
                )));
            }
            None => {}
        }
    }
    Ok(Some("was not made by this program".to_owned()))
}

/// Notes a table that the object leaves: it stays, and stays ours.
fn retire(connection: &Connection, state: &State, at: Timestamp) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO _retired_table (table_name, object, replicator, organization_id, retired_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            state.table_name,
            state.object.as_str(),
            state.owner.replicator,
            state.owner.organization_id,
            text(at)
        ],
    )?;
    Ok(())
}

/// A table of an object's state is not retired.
fn take_back(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM _retired_table WHERE table_name = ?1", [table])?;
    Ok(())
}
