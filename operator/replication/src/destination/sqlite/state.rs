//! `_replication_state`: read, claimed, written; whose object and whose table it is.
//!
//! Times are written in the one form of the database, with milliseconds; what is finer is cut off, which for a
//! watermark errs on the side of reading again.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{
    connect::failure,
    exchange, retire,
    session::Session,
    statement,
    tables::{Made, exists, make_table},
};
use crate::{
    Error, Result,
    destination::Contents,
    guard::DeletesWindow,
    plan::{ObjectName, ObjectPlan},
    state::{Checkpoint, Epoch, Listing, ListingKind, Owner, Phase, State},
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
    /// It is this.
    Known(i64),
    /// The table is counted.
    Counted,
}

/// What a transaction writes of the state.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) rows: Rows,
    /// The window of deletes, where it changed.
    pub(super) window: Option<&'a DeletesWindow>,
    pub(super) at: Timestamp,
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
        self.look_at_columns()?;
        self.knowledge = Knowledge::Read(state.as_ref().map(|state| state.epoch.0));
        Ok(state)
    }

    /// Claims the object, writes its state and makes its table, in one transaction.
    pub(super) fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<Contents> {
        self.expect_idle()?;
        let doing = format!("make table {}", self.plan.table);
        let (claimed, contents) = self.in_transaction(&doing, |session, connection| {
            let failed = |error| session.failure(&doing, error);
            let plan = &session.plan;
            session.compare_epoch_on(connection)?;
            let state = read(connection, &plan.object).map_err(failed)?;
            check_owner(connection, &session.path, plan, &session.owner, state.as_ref())?;
            let is_here = |state: &&State| state.table_name.eq_ignore_ascii_case(plan.table.as_str());
            let stays = state.as_ref().filter(is_here);
            if stays.is_some_and(|state| is_given_up(state, checkpoint)) {
                let drop = statement::drop_table(plan);
                connection.execute_batch(&drop).map_err(failed)?;
            }
            let rows = match stays {
                Some(state) if is_of_plan(state, plan) => exchange::Rows::OfThisPlan,
                Some(_) | None => exchange::Rows::OfAnother,
            };
            let made = make_table(connection, &session.path, plan, rows)?;
            if let Some(left) = state.as_ref().filter(|state| !is_here(state)) {
                retire::note(connection, left, &session.owner, at).map_err(failed)?;
            }
            if stays.is_none() {
                retire::take_back(connection, plan.table.as_str()).map_err(failed)?;
            }
            if stays.is_none() || made == Made::New {
                // What was noted was noted of rows that are in another table, or gone.
                retire::forget(connection, &plan.object).map_err(failed)?;
            }
            let mut has_rows = connection
                .prepare_cached(&session.statements.has_rows)
                .map_err(failed)?;
            let has_rows: bool = has_rows.query_row([], |row| row.get(0)).map_err(failed)?;
            if !has_rows {
                // Deletes of rows that are not there: the guard would hold them for good. Rejected rows need none.
                retire::forget_deletes(connection, &plan.object).map_err(failed)?;
            }
            // An empty table may have been emptied by somebody else.
            let rows = if stays.is_none() || !has_rows {
                Rows::Counted
            } else {
                Rows::Changed(0)
            };
            let write = Write {
                checkpoint,
                rows,
                window: None,
                at,
            };
            let claimed = session.write_state_on(connection, &write)?;
            Ok((claimed, if has_rows { Contents::Rows } else { Contents::Empty }))
        })?;
        self.look_at_columns()?;
        self.knowledge = claimed;
        Ok(contents)
    }

    /// Writes what a run without rows moves, where the epoch is still the one known.
    pub(super) fn touch(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<()> {
        self.expect_idle()?;
        let doing = format!("write the state of {}", self.plan.object);
        self.in_transaction(&doing, |session, connection| {
            let epoch = session.known_epoch()?;
            let touched = connection
                .prepare_cached(
                    "UPDATE _replication_state SET watermark = ?3, checked_at = ?4, verified_until = ?5, \
                     reconciled_at = ?6, refreshed_at = ?7, updated_at = ?8 WHERE object = ?1 AND epoch = ?2",
                )
                .and_then(|mut update| {
                    update.execute(params![
                        session.plan.object.as_str(),
                        epoch,
                        optional_text(checkpoint.watermark),
                        optional_text(checkpoint.checked_at),
                        optional_text(checkpoint.verified_until),
                        optional_text(checkpoint.reconciled_at),
                        optional_text(checkpoint.refreshed_at),
                        text(at)
                    ])
                })
                .map_err(|error| session.failure(&doing, error))?;
            if touched == 1 { Ok(()) } else { Err(session.fenced()) }
        })
    }

    /// The epoch of a state that is there.
    fn known_epoch(&self) -> Result<i64> {
        match self.knowledge {
            Knowledge::Claimed(epoch) | Knowledge::Read(Some(epoch)) => Ok(epoch),
            Knowledge::Read(None) | Knowledge::NotRead => Err(self.unread()),
        }
    }

    /// Claims the object for a transaction that writes no checkpoint; the answer is what is known once that is committed.
    pub(super) fn claim_on(&self, connection: &Connection, at: Option<Timestamp>) -> Result<Knowledge> {
        let known = self.known_epoch()?;
        let epoch = match self.knowledge {
            Knowledge::Claimed(epoch) => epoch,
            Knowledge::Read(_) | Knowledge::NotRead => known.saturating_add(1),
        };
        let claimed = connection
            .prepare_cached(
                "UPDATE _replication_state SET epoch = ?3, replicator = ?4, updated_at = coalesce(?5, updated_at) \
                 WHERE object = ?1 AND epoch = ?2",
            )
            .and_then(|mut update| {
                update.execute(params![
                    self.plan.object.as_str(),
                    known,
                    epoch,
                    self.owner.replicator,
                    optional_text(at)
                ])
            })
            .map_err(|error| self.failure(&format!("claim {}", self.plan.object), error))?;
        if claimed == 1 {
            self.adopt_retired(connection)?;
            Ok(Knowledge::Claimed(epoch))
        } else {
            Err(self.fenced())
        }
    }

    /// Compares the epoch of the open segment's transaction with the one known.
    pub(super) fn compare_epoch(&mut self) -> Result<()> {
        self.with_connection(Self::compare_epoch_on)
    }

    pub(super) fn compare_epoch_on(&self, connection: &Connection) -> Result<()> {
        let known = match self.knowledge {
            Knowledge::NotRead => return Err(self.unread()),
            Knowledge::Read(epoch) => epoch,
            Knowledge::Claimed(epoch) => Some(epoch),
        };
        let found = connection
            .prepare_cached("SELECT epoch FROM _replication_state WHERE object = ?1")
            .and_then(|mut select| {
                select
                    .query_row([self.plan.object.as_str()], |row| row.get(0))
                    .optional()
            });
        let found: Option<i64> = match found {
            // The last replicator was purged, and the state tables went with it.
            Err(_) if known.is_some() && exists(connection, "_replication_state").is_ok_and(|there| !there) => None,
            found => found.map_err(|error| self.failure(&format!("read the state of {}", self.plan.object), error))?,
        };
        if found == known { Ok(()) } else { Err(self.fenced()) }
    }

    /// Writes the state in the open segment's transaction; the answer is what is known once that is committed.
    pub(super) fn write_state(&mut self, write: &Write<'_>) -> Result<Knowledge> {
        self.with_connection(|session, connection| session.write_state_on(connection, write))
    }

    /// What a listing noted is forgotten by the open segment, whose run lists nothing.
    pub(super) fn forget_surplus(&mut self) -> Result<()> {
        self.with_connection(|session, connection| {
            let forgotten = connection
                .prepare_cached(statement::FORGET_SURPLUS)
                .and_then(|mut forget| forget.execute([session.plan.object.as_str()]));
            match forgotten {
                Ok(_rows) => Ok(()),
                Err(error) => Err(session.failure("write the state tables", error)),
            }
        })
    }

    /// The first write claims: it makes the epoch one higher where it is still the one read, or inserts the first, which no
    /// former life of the object had.
    fn write_state_on(&self, connection: &Connection, write: &Write<'_>) -> Result<Knowledge> {
        let failed = |error| self.failure(&format!("write the state of {}", self.plan.object), error);
        let (known, epoch) = match self.knowledge {
            Knowledge::NotRead => return Err(self.unread()),
            Knowledge::Read(None) => (None, Epoch::first(write.at).0),
            Knowledge::Read(Some(epoch)) => (Some(epoch), epoch.saturating_add(1)),
            Knowledge::Claimed(epoch) => (Some(epoch), epoch),
        };
        if known.is_none() {
            self.insert_state(connection, epoch)?;
        }
        let (change, counted) = match write.rows {
            Rows::Changed(change) => (change, None),
            Rows::Known(rows) => (0, Some(rows)),
            Rows::Counted => {
                let mut count = connection.prepare_cached(&self.statements.count_rows).map_err(failed)?;
                (
                    0,
                    Some(count.query_row([], |row| row.get::<_, i64>(0)).map_err(failed)?),
                )
            }
        };
        let Checkpoint {
            phase,
            plan_hash,
            query_start,
            watermark,
            last_id,
            checked_at,
            verified_until,
            reconciled_at,
            refreshed_at,
            listing,
        } = write.checkpoint;
        let listing = listing.as_ref();
        let written = connection
            .prepare_cached(UPDATE_STATE)
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
                    text(write.at),
                    counted,
                    change,
                    epoch,
                    optional_text(*verified_until),
                    optional_text(*reconciled_at),
                    optional_text(*refreshed_at),
                    listing.map(|listing| listing.kind.as_str()),
                    listing.map(|listing| listing.plan_hash.as_str()),
                    listing.map(|listing| text(listing.started)),
                    listing.and_then(|listing| optional_text(listing.covered)),
                    listing.and_then(|listing| listing.last_id.as_deref()),
                    write.window.is_some(),
                    write.window.and_then(DeletesWindow::to_json),
                    self.owner.replicator
                ])
            })
            .map_err(failed)?;
        if written == 1 {
            self.adopt_retired(connection)?;
            Ok(Knowledge::Claimed(epoch))
        } else {
            Err(self.fenced())
        }
    }

    /// The first write of a session takes over what the adopted replicator retired of the object.
    fn adopt_retired(&self, connection: &Connection) -> Result<()> {
        match self.knowledge {
            Knowledge::Claimed(_) => Ok(()),
            Knowledge::Read(_) | Knowledge::NotRead => retire::adopt(connection, &self.plan.object, &self.owner)
                .map_err(|error| self.failure(&format!("claim {}", self.plan.object), error)),
        }
    }

    /// The object's first state, to be updated in the same transaction.
    fn insert_state(&self, connection: &Connection, epoch: i64) -> Result<()> {
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
            .map_err(|error| self.failure(&format!("write the state of {}", self.plan.object), error))?;
        if inserted == 1 { Ok(()) } else { Err(self.fenced()) }
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

/// `?1` object, `?2` the epoch known, then what is written. The owner's name is written too: it may have adopted the state.
const UPDATE_STATE: &str = "UPDATE _replication_state SET table_name = ?3, plan_hash = ?4, phase = ?5, query_start = ?6, \
    watermark = ?7, last_id = ?8, checked_at = ?9, updated_at = ?10, rows = coalesce(?11, rows + ?12), epoch = ?13, \
    verified_until = ?14, reconciled_at = ?15, refreshed_at = ?16, listing_kind = ?17, listing_plan_hash = ?18, \
    listing_started = ?19, listing_covered = ?20, listing_last_id = ?21, \
    deletes_window = iif(?22, ?23, deletes_window), replicator = ?24 WHERE object = ?1 AND epoch = ?2";

/// A first load that another plan has begun and not finished.
fn is_given_up(state: &State, checkpoint: &Checkpoint) -> bool {
    state.checkpoint.phase == Phase::Initial
        && state.checkpoint.plan_hash != checkpoint.plan_hash
        // Else it has rows of another life, and readers.
        && state.checkpoint.reconciled_at.is_some()
}

/// Whether every row of the table was written by this plan.
fn is_of_plan(state: &State, plan: &ObjectPlan) -> bool {
    let written_by = crate::plan::PlanHash(state.checkpoint.plan_hash.clone());
    state.checkpoint.phase == Phase::Live && written_by.rows() == plan.hash.rows()
}

/// Reads one object's state, `None` also where the state tables are not there.
fn read(connection: &Connection, object: &ObjectName) -> rusqlite::Result<Option<State>> {
    if !exists(connection, "_replication_state")? {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "SELECT replicator, organization_id, table_name, rows, epoch, deletes_window, phase, plan_hash, query_start, \
             watermark, last_id, checked_at, verified_until, reconciled_at, refreshed_at, listing_kind, \
             listing_plan_hash, listing_started, listing_covered, listing_last_id, \
             (SELECT count(*) FROM _pending_delete p WHERE p.object = s.object), \
             (SELECT count(*) FROM _pending_delete p WHERE p.object = s.object AND p.confirmed), \
             (SELECT count(DISTINCT r.salesforce_id) FROM _rejected_row r WHERE r.object = s.object) \
             FROM _replication_state s WHERE object = ?1",
        )?
        .query_row([object.as_str()], |row| {
            let window: Option<String> = row.get(5)?;
            Ok(State {
                object: object.clone(),
                owner: owner(row)?,
                table_name: row.get(2)?,
                rows: row.get(3)?,
                pending: number(row, 20)?,
                confirmed: number(row, 21)?,
                rejected: number(row, 22)?,
                deletes_window: window
                    .map(|window| DeletesWindow::from_json(&window))
                    .unwrap_or_default(),
                epoch: Epoch(row.get(4)?),
                checkpoint: Checkpoint {
                    phase: word(row, 6, Phase::parse)?,
                    plan_hash: row.get(7)?,
                    query_start: time(row, 8)?,
                    watermark: time(row, 9)?,
                    last_id: row.get(10)?,
                    checked_at: time(row, 11)?,
                    verified_until: time(row, 12)?,
                    reconciled_at: time(row, 13)?,
                    refreshed_at: time(row, 14)?,
                    listing: listing(row)?,
                },
            })
        })
        .optional()
}

/// Whose a state or a retired table is: its first two columns.
pub(super) fn owner(row: &Row<'_>) -> rusqlite::Result<Owner> {
    Ok(Owner {
        replicator: row.get(0)?,
        organization_id: row.get(1)?,
        adopts: None,
    })
}

/// The listing of a state, whole or none.
fn listing(row: &Row<'_>) -> rusqlite::Result<Option<Listing>> {
    let Some(started) = time(row, 17)? else {
        return Ok(None);
    };
    Ok(Some(Listing {
        kind: word(row, 15, ListingKind::parse)?,
        plan_hash: row.get(16)?,
        started,
        covered: time(row, 18)?,
        last_id: row.get(19)?,
    }))
}

fn unreadable(column: usize, problem: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, problem.into())
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|number| u64::try_from(number).unwrap_or_default())
}

fn word<T>(row: &Row<'_>, column: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(column, "is no word of this program"))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
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
    let of_another = |found: &&Owner| !owner.may_write(&found.replicator, &found.organization_id);
    if let Some(found) = state.map(|state| &state.owner).filter(of_another) {
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
    let swapped = retire::of_another_org(connection, owner);
    if let Some((object, found)) = swapped.map_err(|error| failure(path, "look for another org", error))? {
        return Err(Error::SchemaConflict {
            message: format!(
                "{}: {object} is replicated by {} from org {}, and {} would come from org {}; use another file, or remove the \
                 tables of the other org first",
                path.display(),
                found.replicator,
                found.organization_id,
                plan.object,
                owner.organization_id
            ),
        });
    }
    let table = plan.table.as_str();
    if state.is_some_and(|state| state.table_name.eq_ignore_ascii_case(table)) {
        return Ok(());
    }
    let whose = retire::whose_table(connection, plan, owner);
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
