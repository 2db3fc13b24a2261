//! `_replication_state` and the epoch.
//!
//! **The fence.** Whoever writes holds an advisory lock on the object from just before its merge until its transaction
//! ends, and compares the epoch after it got the lock: two processes never merge into one table at once, and the one
//! that was overtaken finds another epoch. `SELECT .. FOR UPDATE` on the state's row would do the same, but locking a row
//! writes its header, and so WAL, even for a segment in which nothing changed; an advisory lock writes nothing. The
//! statement that writes the state still says `WHERE epoch = ..`, so that the fence holds against a writer without the lock.
//!
//! **The claim** is folded into the first statement that writes the state: it makes the epoch one higher than what was
//! read. A process that finds nothing to do for days claims nothing.

use jiff::Timestamp;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    Context,
    connect::Session,
    encode::Moment,
    failure::{Doing, is_undefined},
    tables,
};
use crate::{
    Error, Result,
    plan::ObjectName,
    state::{Checkpoint, Epoch, Owner, Phase, State},
};

/// What is known of the object's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: `read_state` has not been called.
    Nothing,
    /// Another process has claimed the object since `read_state` was called.
    Overtaken,
    /// There is no state yet.
    Absent,
    /// The epoch as it was read, or as we made it.
    At {
        epoch: Epoch,
        /// Whether it is ours.
        claimed: bool,
    },
}

const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

/// Takes the lock of a schema or of an object in it until the transaction ends.
pub(super) async fn lock(context: &Context, session: &mut Session, what: &str, doing: Doing<'_>) -> Result<()> {
    let query = sqlx::query(LOCK).bind(what).execute(&mut session.connection);
    context.database.within(doing, query).await?;
    Ok(())
}

/// Epoch and whether deletes are pending, as they are at this moment; `None` without state.
async fn read_epoch(context: &Context, session: &mut Session, missing: Missing) -> Result<Option<(Epoch, bool)>> {
    let query = sqlx::query(context.database.state.read_epoch.sql()).bind(context.plan.object.as_str());
    let answer = async {
        match (query.fetch_optional(&mut session.connection).await, missing) {
            (Err(error), Missing::IsNoState) if is_undefined(&error) => Ok(None),
            (answer, Missing::IsNoState | Missing::IsAnError) => answer,
        }
    };
    let row = context.database.within(Doing::ReadingState, answer).await?;
    let read = |error| context.database.failure(error, Doing::ReadingState);
    row.map(|row| Ok((Epoch(row.try_get(0).map_err(read)?), row.try_get(1).map_err(read)?)))
        .transpose()
}

/// What it means that the state's table is missing.
#[derive(Debug, Clone, Copy)]
enum Missing {
    /// The object has no state.
    IsNoState,
    /// Inside a transaction, which PostgreSQL has ended by then.
    IsAnError,
}

/// Epoch and whether deletes are pending, outside of a transaction.
pub(super) async fn look_at_epoch(context: &Context, session: &mut Session) -> Result<Option<(Epoch, bool)>> {
    read_epoch(context, session, Missing::IsNoState).await
}

/// Refuses where another process has written since.
pub(super) fn compare(context: &Context, known: Known, found: Option<Epoch>) -> Result<()> {
    let same = match known {
        Known::Nothing => return Err(Error::Internal("a segment before the state was read".to_owned())),
        Known::Overtaken => false,
        Known::Absent => found.is_none(),
        Known::At { epoch, claimed: _ } => found == Some(epoch),
    };
    if same { Ok(()) } else { Err(fenced(context)) }
}

fn fenced(context: &Context) -> Error {
    Error::Fenced {
        object: context.plan.object.clone(),
    }
}

/// Lock, then compare; within a transaction.
pub(super) async fn fence(context: &Context, session: &mut Session, known: Known) -> Result<()> {
    lock(
        context,
        session,
        &context.lock_name(),
        Doing::WritingState(context.table()),
    )
    .await?;
    let found = read_epoch(context, session, Missing::IsAnError).await?;
    compare(context, known, found.map(|(epoch, _)| epoch))
}

/// Writes the checkpoint and claims where that has not been done; `rows` is by how much the number of rows changes.
/// Returns the epoch that holds once the transaction is committed.
pub(super) async fn write(
    context: &Context,
    session: &mut Session,
    known: Known,
    checkpoint: &Checkpoint,
    rows: i64,
    at: Timestamp,
) -> Result<Epoch> {
    let Owner {
        replicator,
        organization_id,
    } = &context.owner;
    let state = &context.database.state;
    let (epoch, query) = match known {
        Known::Nothing => return Err(Error::Internal("a write before the state was read".to_owned())),
        Known::Overtaken => return Err(fenced(context)),
        Known::Absent => {
            let query = sqlx::query(state.insert.sql())
                .bind(context.plan.object.as_str())
                .bind(replicator)
                .bind(organization_id)
                .bind(context.table())
                .bind(rows);
            (Epoch(1), query)
        }
        Known::At { epoch, claimed } => {
            let next = if claimed { epoch } else { Epoch(epoch.0 + 1) };
            let query = sqlx::query(state.update.sql())
                .bind(context.plan.object.as_str())
                .bind(epoch.0)
                .bind(next.0)
                .bind(rows)
                .bind(context.table());
            (next, query)
        }
    };
    let Checkpoint {
        phase,
        plan_hash,
        query_start,
        watermark,
        last_id,
        checked_at,
    } = checkpoint;
    let query = query
        .bind(phase.as_str())
        .bind(plan_hash)
        .bind(query_start.map(Moment))
        .bind(watermark.map(Moment))
        .bind(last_id)
        .bind(checked_at.map(Moment))
        .bind(Moment(at));
    let doing = Doing::WritingState(context.table());
    let written = context
        .database
        .within(doing, query.execute(&mut session.connection))
        .await?;
    if written.rows_affected() == 1 {
        Ok(epoch)
    } else {
        Err(fenced(context))
    }
}

/// Writes `checked_at` and the watermark alone.
pub(super) async fn touch(
    context: &Context,
    session: &mut Session,
    known: Known,
    checkpoint: &Checkpoint,
    at: Timestamp,
) -> Result<()> {
    let epoch = match known {
        Known::Nothing | Known::Absent => return Err(Error::Internal("a touch without a state".to_owned())),
        Known::Overtaken => return Err(fenced(context)),
        Known::At { epoch, claimed: _ } => epoch,
    };
    let query = sqlx::query(context.database.state.touch.sql())
        .bind(context.plan.object.as_str())
        .bind(epoch.0)
        .bind(checkpoint.watermark.map(Moment))
        .bind(checkpoint.checked_at.map(Moment))
        .bind(Moment(at));
    let doing = Doing::WritingState(context.table());
    let written = context
        .database
        .within(doing, query.execute(&mut session.connection))
        .await?;
    if written.rows_affected() == 1 {
        Ok(())
    } else {
        Err(fenced(context))
    }
}

/// Writes the number of rows, where the table and not the state knows it; within a transaction that has claimed.
pub(super) async fn set_rows(context: &Context, session: &mut Session, rows: i64) -> Result<()> {
    let query = sqlx::query(context.database.state.set_rows.sql())
        .bind(context.plan.object.as_str())
        .bind(rows);
    let doing = Doing::WritingState(context.table());
    context
        .database
        .within(doing, query.execute(&mut session.connection))
        .await?;
    Ok(())
}

/// Reads the object's state, and refuses what belongs to somebody else.
pub(super) async fn read(context: &Context, session: &mut Session) -> Result<Option<State>> {
    let table = context.table();
    let there = tables::relations(context, session, &["_replication_state", table]).await?;
    let has_table = there.iter().any(|name| name == table);
    if !there.iter().any(|name| name == "_replication_state") {
        return if has_table {
            Err(foreign_table(context))
        } else {
            Ok(None)
        };
    }
    let query = sqlx::query(context.database.state.read.sql())
        .bind(context.plan.object.as_str())
        .bind(table);
    let rows = context
        .database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await?;
    let mut ours = None;
    for row in &rows {
        let state = state(row).map_err(|error| context.database.failure(error, Doing::ReadingState))?;
        if state.object == context.plan.object {
            ours = Some(state);
        } else {
            return Err(conflict(format!(
                "table {table} of schema {} holds {} of replicator {}, org {}; give {} another table",
                context.schema(),
                state.object,
                state.owner.replicator,
                state.owner.organization_id,
                context.plan.object
            )));
        }
    }
    if let Some(state) = &ours {
        refuse_other_owner(context, &state.owner)?;
    }
    let is_its_table = ours.as_ref().is_some_and(|state| state.table_name == table);
    if has_table && !is_its_table && !retired_by_us(context, session).await? {
        return Err(foreign_table(context));
    }
    Ok(ours)
}

fn refuse_other_owner(context: &Context, owner: &Owner) -> Result<()> {
    if *owner == context.owner {
        return Ok(());
    }
    Err(conflict(format!(
        "{} in schema {} is replicated by {} from org {}; this is {} from org {}: use another schema, or remove the other \
         one with its tables first",
        context.plan.object,
        context.schema(),
        owner.replicator,
        owner.organization_id,
        context.owner.replicator,
        context.owner.organization_id
    )))
}

/// Whether the table was retired by this replicator, and so may be taken back.
///
/// # Errors
/// It was retired by another one.
pub(super) async fn retired_by_us(context: &Context, session: &mut Session) -> Result<bool> {
    let query = sqlx::query(context.database.state.read_retired.sql()).bind(context.table());
    let row = context
        .database
        .within(Doing::ReadingState, query.fetch_optional(&mut session.connection))
        .await?;
    let Some(row) = row else { return Ok(false) };
    let read = |error| context.database.failure(error, Doing::ReadingState);
    let owner = Owner {
        replicator: row.try_get(0).map_err(read)?,
        organization_id: row.try_get(1).map_err(read)?,
    };
    refuse_other_owner(context, &owner)?;
    Ok(true)
}

/// The object's table is there, and nothing says that we made it.
pub(super) fn foreign_table(context: &Context) -> Error {
    conflict(format!(
        "table {} of schema {} was not made by replication: rename or drop it, or give {} another table",
        context.table(),
        context.schema(),
        context.plan.object
    ))
}

pub(super) fn conflict(message: String) -> Error {
    Error::SchemaConflict { message }
}

fn state(row: &PgRow) -> sqlx::Result<State> {
    let moment = |name: &str| {
        row.try_get::<Option<Moment>, _>(name)
            .map(|moment| moment.map(|Moment(time)| time))
    };
    let phase: String = row.try_get("phase")?;
    Ok(State {
        object: ObjectName::new(row.try_get::<String, _>("object")?),
        owner: Owner {
            replicator: row.try_get("replicator")?,
            organization_id: row.try_get("organization_id")?,
        },
        table_name: row.try_get("table_name")?,
        rows: row.try_get("rows")?,
        epoch: Epoch(row.try_get("epoch")?),
        checkpoint: Checkpoint {
            phase: Phase::parse(&phase).ok_or_else(|| sqlx::Error::Protocol("an unknown phase".to_owned()))?,
            plan_hash: row.try_get("plan_hash")?,
            query_start: moment("query_start")?,
            watermark: moment("watermark")?,
            last_id: row.try_get("last_id")?,
            checked_at: moment("checked_at")?,
            verified_until: None,
            reconciled_at: None,
            refreshed_at: None,
            listing: None,
        },
    })
}
