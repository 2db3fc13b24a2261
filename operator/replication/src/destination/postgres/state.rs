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
    Context, Inner,
    connect::Session,
    encode::Moment,
    failure::{Doing, is_undefined},
    retire::names,
    tables,
};
use crate::{
    Error, Result,
    guard::DeletesWindow,
    plan::ObjectName,
    state::{Checkpoint, Epoch, Listing, ListingKind, Owner, Phase, State},
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

impl Known {
    /// Whether the state is there and the next write claims it.
    fn is_unclaimed(self) -> bool {
        match self {
            Self::Nothing | Self::Overtaken | Self::Absent | Self::At { claimed: true, .. } => false,
            Self::At { claimed: false, .. } => true,
        }
    }
}

const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

/// Takes the lock of a schema or of an object in it until the transaction ends.
pub(super) async fn lock(database: &Inner, session: &mut Session, what: &str, doing: Doing<'_>) -> Result<()> {
    let query = sqlx::query(LOCK).bind(what).execute(&mut session.connection);
    database.within(doing, query).await?;
    Ok(())
}

/// What the state says of an object at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    epoch: Epoch,
    pub(super) rows: i64,
    pub(super) window: DeletesWindow,
    pub(super) noted: Noted,
}

/// What is noted of an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Pending deletes.
    pub(super) pending: bool,
    /// Rejected rows.
    pub(super) rejected: bool,
    /// Surplus of a listing.
    pub(super) surplus: bool,
}

/// What the state says at this moment; `None` without state.
async fn read_found(context: &Context, session: &mut Session, missing: Missing) -> Result<Option<Found>> {
    let query = sqlx::query(context.database.state.read_found.sql()).bind(context.plan.object.as_str());
    let answer = async {
        match (query.fetch_optional(&mut session.connection).await, missing) {
            (Err(error), Missing::IsNoState) if is_undefined(&error) => Ok(None),
            (answer, Missing::IsNoState | Missing::IsAnError) => answer,
        }
    };
    let row = context.database.within(Doing::ReadingState, answer).await?;
    let found = |row: PgRow| -> sqlx::Result<Found> {
        let window: Option<String> = row.try_get(2)?;
        Ok(Found {
            epoch: Epoch(row.try_get(0)?),
            rows: row.try_get(1)?,
            window: window_of(window.as_deref()),
            noted: Noted {
                pending: row.try_get(3)?,
                rejected: row.try_get(4)?,
                surplus: row.try_get(5)?,
            },
        })
    };
    row.map(found)
        .transpose()
        .map_err(|error| context.database.failure(error, Doing::ReadingState))
}

/// What the state says at this moment, whoever has written it; outside of a transaction.
pub(super) async fn read_now(context: &Context, session: &mut Session) -> Result<Option<Found>> {
    read_found(context, session, Missing::IsNoState).await
}

fn window_of(json: Option<&str>) -> DeletesWindow {
    json.map(DeletesWindow::from_json).unwrap_or_default()
}

/// What it means that the state's table is missing.
#[derive(Debug, Clone, Copy)]
enum Missing {
    /// The object has no state.
    IsNoState,
    /// Inside a transaction, which PostgreSQL has ended by then.
    IsAnError,
}

/// Refuses where another process has written since; outside of a transaction. Gives what is noted.
pub(super) async fn look(context: &Context, session: &mut Session, known: Known) -> Result<Noted> {
    let found = read_found(context, session, Missing::IsNoState).await?;
    compare(context, known, found.as_ref())?;
    Ok(found.map(|found| found.noted).unwrap_or_default())
}

/// Refuses where another process has written since.
fn compare(context: &Context, known: Known, found: Option<&Found>) -> Result<()> {
    let same = match known {
        Known::Nothing => return Err(Error::Internal("a segment before the state was read".to_owned())),
        Known::Overtaken => false,
        Known::Absent => found.is_none(),
        Known::At { epoch, claimed: _ } => found.is_some_and(|found| found.epoch == epoch),
    };
    if same { Ok(()) } else { Err(fenced(context)) }
}

fn fenced(context: &Context) -> Error {
    Error::Fenced {
        object: context.plan.object.clone(),
    }
}

/// Lock, then compare; within a transaction. Gives what the state says; nothing where there is none yet.
pub(super) async fn fence(context: &Context, session: &mut Session, known: Known) -> Result<Option<Found>> {
    let doing = Doing::WritingState(context.table());
    lock(&context.database, session, &context.lock_name(), doing).await?;
    let found = read_found(context, session, Missing::IsAnError).await?;
    compare(context, known, found.as_ref())?;
    Ok(found)
}

/// What a transaction changes of the state besides the checkpoint.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// By how much the number of rows changes.
    pub(super) rows: i64,
    /// The window of deletes, whole.
    pub(super) window: DeletesWindow,
}

/// Writes the checkpoint and claims where that has not been done. Returns the epoch that holds once the transaction is
/// committed.
pub(super) async fn write(
    context: &Context,
    session: &mut Session,
    known: Known,
    checkpoint: &Checkpoint,
    change: &Change,
    at: Timestamp,
) -> Result<Epoch> {
    let Owner {
        replicator,
        organization_id,
        adopts: _,
    } = &context.owner;
    let state = &context.database.state;
    let Change { rows, window } = change;
    let statement = match known {
        Known::At { .. } => &state.update,
        Known::Nothing | Known::Overtaken | Known::Absent => &state.insert,
    };
    let query = sqlx::query(statement.sql())
        .bind(context.plan.object.as_str())
        .bind(replicator);
    let (next, query) = match known {
        Known::Nothing => return Err(Error::Internal("a write before the state was read".to_owned())),
        Known::Overtaken => return Err(fenced(context)),
        Known::Absent => (Epoch::first(at), query.bind(organization_id)),
        Known::At { epoch, claimed } => (next_epoch(epoch, claimed), query.bind(epoch.0)),
    };
    let query = query
        .bind(context.table())
        .bind(*rows)
        .bind(window.to_json())
        .bind(next.0);
    let query = bind_checkpoint(query, checkpoint).bind(Moment(at));
    write_one(context, session, query).await?;
    if known.is_unclaimed() {
        adopt_retired(context, session).await?;
    }
    Ok(next)
}

fn next_epoch(epoch: Epoch, claimed: bool) -> Epoch {
    if claimed { epoch } else { Epoch(epoch.0 + 1) }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_checkpoint<'q>(query: Query<'q>, checkpoint: &'q Checkpoint) -> Query<'q> {
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
    } = checkpoint;
    let listing = listing.as_ref();
    query
        .bind(phase.as_str())
        .bind(plan_hash)
        .bind(query_start.map(Moment))
        .bind(watermark.map(Moment))
        .bind(last_id)
        .bind(checked_at.map(Moment))
        .bind(verified_until.map(Moment))
        .bind(reconciled_at.map(Moment))
        .bind(refreshed_at.map(Moment))
        .bind(listing.map(|listing| listing.kind.as_str()))
        .bind(listing.map(|listing| listing.plan_hash.as_str()))
        .bind(listing.map(|listing| Moment(listing.started)))
        .bind(listing.and_then(|listing| listing.covered).map(Moment))
        .bind(listing.and_then(|listing| listing.last_id.as_deref()))
}

/// Runs a statement that must write the object's row.
async fn write_one(context: &Context, session: &mut Session, query: Query<'_>) -> Result<()> {
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

/// Claims where that has not been done, and writes nothing else but the wall clock where it is given; within a transaction that is behind the fence.
pub(super) async fn claim(
    context: &Context,
    session: &mut Session,
    known: Known,
    at: Option<Timestamp>,
) -> Result<Epoch> {
    let (epoch, claimed) = match known {
        Known::Nothing | Known::Absent => return Err(Error::Internal("a claim without a state".to_owned())),
        Known::Overtaken => return Err(fenced(context)),
        Known::At { epoch, claimed } => (epoch, claimed),
    };
    if claimed {
        return Ok(epoch);
    }
    let next = next_epoch(epoch, claimed);
    let query = sqlx::query(context.database.state.claim.sql())
        .bind(context.plan.object.as_str())
        .bind(epoch.0)
        .bind(next.0)
        .bind(&context.owner.replicator)
        .bind(at.map(Moment));
    write_one(context, session, query).await?;
    adopt_retired(context, session).await?;
    Ok(next)
}

/// With an object that is taken over from another replicator go the tables that it was in before.
async fn adopt_retired(context: &Context, session: &mut Session) -> Result<()> {
    let Owner {
        replicator,
        organization_id,
        adopts: Some(adopted),
    } = &context.owner
    else {
        return Ok(());
    };
    let query = sqlx::query(context.database.state.adopt_retired.sql())
        .bind(context.plan.object.as_str())
        .bind(replicator)
        .bind(adopted)
        .bind(organization_id);
    let doing = Doing::WritingState(context.table());
    context
        .database
        .within(doing, query.execute(&mut session.connection))
        .await?;
    Ok(())
}

/// Writes what a run that found nothing knows: when the object was looked at, and up to when it is complete.
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
        .bind(checkpoint.verified_until.map(Moment))
        .bind(checkpoint.reconciled_at.map(Moment))
        .bind(checkpoint.refreshed_at.map(Moment))
        .bind(Moment(at));
    write_one(context, session, query).await
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
        .bind(table)
        .bind(names(&context.owner))
        .bind(&context.owner.organization_id);
    let rows = context
        .database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await?;
    let mut ours = None;
    for row in &rows {
        let state = state(row).map_err(|error| context.database.failure(error, Doing::ReadingState))?;
        if state.object == context.plan.object {
            refuse_other_owner(context, &state)?;
            ours = Some(state);
        } else if state.table_name != table {
            // The resource was pointed at another org: no object of it is written, a new one neither.
            refuse_other_owner(context, &state)?;
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
    let is_its_table = ours.as_ref().is_some_and(|state| state.table_name == table);
    if has_table && !is_its_table && !retired_by_us(context, session).await? {
        return Err(foreign_table(context));
    }
    Ok(ours)
}

fn refuse_other_owner(context: &Context, state: &State) -> Result<()> {
    let Owner {
        replicator,
        organization_id,
        ..
    } = &state.owner;
    refuse_owner_of(context, &state.object, replicator, organization_id)
}

fn refuse_owner_of(context: &Context, object: &ObjectName, replicator: &str, organization_id: &str) -> Result<()> {
    let owner = &context.owner;
    if owner.may_write(replicator, organization_id) {
        return Ok(());
    }
    let how = if owner.organization_id == organization_id {
        "use another schema, let this one adopt it (annotation salesforce-replicator.io/adopt, run --adopt), or remove \
         the other one with its tables first"
    } else {
        "use another schema, or remove the other one with its tables first"
    };
    Err(conflict(format!(
        "{object} in schema {} is replicated by {replicator} from org {organization_id}; this is {} from org {}: {how}",
        context.schema(),
        owner.replicator,
        owner.organization_id
    )))
}

/// Whether the table was retired by this replicator, and so may be taken back.
///
/// # Errors
/// It was retired by another one, or holds another object.
pub(super) async fn retired_by_us(context: &Context, session: &mut Session) -> Result<bool> {
    let query = sqlx::query_as(context.database.state.read_retired.sql()).bind(context.table());
    let retired: Option<(String, String, String)> = context
        .database
        .within(Doing::ReadingState, query.fetch_optional(&mut session.connection))
        .await?;
    let Some((replicator, organization_id, object)) = retired else {
        return Ok(false);
    };
    refuse_owner_of(context, &context.plan.object, &replicator, &organization_id)?;
    if object != context.plan.object.as_str() {
        return Err(conflict(format!(
            "table {} of schema {} is retired and holds {object}: rename or drop it, or give {} another table",
            context.table(),
            context.schema(),
            context.plan.object
        )));
    }
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
    let count = |name: &str| {
        let count: i64 = row.try_get(name)?;
        Ok::<_, sqlx::Error>(u64::try_from(count).unwrap_or_default())
    };
    let window: Option<String> = row.try_get("deletes_window")?;
    Ok(State {
        object: ObjectName::new(row.try_get::<String, _>("object")?),
        owner: Owner {
            replicator: row.try_get("replicator")?,
            organization_id: row.try_get("organization_id")?,
            adopts: None,
        },
        table_name: row.try_get("table_name")?,
        rows: row.try_get("rows")?,
        pending: count("pending")?,
        confirmed: count("confirmed")?,
        rejected: count("rejected")?,
        deletes_window: window_of(window.as_deref()),
        epoch: Epoch(row.try_get("epoch")?),
        checkpoint: checkpoint(row)?,
    })
}

fn moment(row: &PgRow, name: &str) -> sqlx::Result<Option<Timestamp>> {
    let moment: Option<Moment> = row.try_get(name)?;
    Ok(moment.map(|Moment(time)| time))
}

fn unknown(what: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("the state has an unknown {what}"))
}

fn checkpoint(row: &PgRow) -> sqlx::Result<Checkpoint> {
    let phase: String = row.try_get("phase")?;
    Ok(Checkpoint {
        phase: Phase::parse(&phase).ok_or_else(|| unknown("phase"))?,
        plan_hash: row.try_get("plan_hash")?,
        query_start: moment(row, "query_start")?,
        watermark: moment(row, "watermark")?,
        last_id: row.try_get("last_id")?,
        checked_at: moment(row, "checked_at")?,
        verified_until: moment(row, "verified_until")?,
        reconciled_at: moment(row, "reconciled_at")?,
        refreshed_at: moment(row, "refreshed_at")?,
        listing: listing(row)?,
    })
}

fn listing(row: &PgRow) -> sqlx::Result<Option<Listing>> {
    let kind: Option<String> = row.try_get("listing_kind")?;
    let Some(kind) = kind else { return Ok(None) };
    let started = moment(row, "listing_started")?;
    Ok(Some(Listing {
        kind: ListingKind::parse(&kind).ok_or_else(|| unknown("listing_kind"))?,
        plan_hash: row.try_get("listing_plan_hash")?,
        started: started.ok_or_else(|| unknown("listing_started"))?,
        covered: moment(row, "listing_covered")?,
        last_id: row.try_get("listing_last_id")?,
    }))
}
