//! Tables that leave: kept, listed, not written any more.
//!
//! Retiring is writing the object's state away, so it goes by the object's lock: a process that is in the middle of a commit
//! ends it first, and one that comes later finds no epoch and lets go.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{
    Context, Inner,
    connect::Session,
    encode::Moment,
    failure::Doing,
    merge::of_object,
    state::lock,
    tables::{has_relation, state_relations},
};
use crate::{Result, destination::RetiredTable, plan::ObjectName, state::Owner};

/// The owner's names: its own, and that of the replicator that it adopts.
pub(super) fn names(owner: &Owner) -> Vec<&str> {
    std::iter::once(owner.replicator.as_str())
        .chain(owner.adopts.as_deref())
        .collect()
}

/// Retires the tables of the owner's objects that are not kept; gives all of its retired tables.
pub(super) async fn retire(
    database: &Inner,
    session: &mut Session,
    owner: &Owner,
    kept: &[ObjectName],
    at: Timestamp,
) -> Result<Vec<RetiredTable>> {
    if state_relations(database, session, &["_replication_state", "_retired_table"])
        .await?
        .len()
        < 2
    {
        return Ok(Vec::new());
    }
    if !leaving(database, session, owner, kept).await?.is_empty() {
        let doing = Doing::Retiring;
        database.simple(doing, session, "BEGIN").await?;
        // In the order of their names, so that two processes that retire do not wait for each other in a circle.
        let leaving = leaving(database, session, owner, kept).await?;
        for (object, _) in &leaving {
            lock(database, session, &database.lock_name(object), doing).await?;
        }
        for (object, table) in self::leaving(database, session, owner, kept).await? {
            if leaving.iter().any(|(locked, _)| *locked == object) {
                retire_one(database, session, owner, (&object, &table), at).await?;
            }
        }
        database.simple(doing, session, "COMMIT").await?;
    }
    list(database, session, owner).await
}

/// Objects, and their tables, whose state is to go.
async fn leaving(
    database: &Inner,
    session: &mut Session,
    owner: &Owner,
    kept: &[ObjectName],
) -> Result<Vec<(String, String)>> {
    let kept: Vec<String> = kept.iter().map(|object| object.as_str().to_ascii_lowercase()).collect();
    let query = sqlx::query_as(database.state.read_leaving.sql())
        .bind(names(owner))
        .bind(&owner.organization_id)
        .bind(kept);
    database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await
}

async fn retire_one(
    database: &Inner,
    session: &mut Session,
    owner: &Owner,
    (object, table): (&str, &str),
    at: Timestamp,
) -> Result<()> {
    if has_relation(database, session, table).await? {
        note(database, session, owner, (object, table), at).await?;
    }
    let state = &database.state;
    let noted = [&state.forget_pending, &state.forget_surplus, &state.forget_rejected];
    for statement in noted.into_iter().chain([&state.forget_state]) {
        let query = sqlx::query(statement.sql()).bind(object);
        database
            .within(Doing::Retiring, query.execute(&mut session.connection))
            .await?;
    }
    Ok(())
}

async fn note(
    database: &Inner,
    session: &mut Session,
    owner: &Owner,
    (object, table): (&str, &str),
    at: Timestamp,
) -> Result<()> {
    let query = sqlx::query(database.state.retire.sql())
        .bind(table)
        .bind(object)
        .bind(&owner.replicator)
        .bind(&owner.organization_id)
        .bind(Moment(at));
    database
        .within(Doing::Retiring, query.execute(&mut session.connection))
        .await?;
    Ok(())
}

async fn list(database: &Inner, session: &mut Session, owner: &Owner) -> Result<Vec<RetiredTable>> {
    let query = sqlx::query(database.state.list_retired.sql())
        .bind(names(owner))
        .bind(&owner.organization_id)
        .bind(database.schema());
    let rows = database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await?;
    let tables = rows.iter().map(|row| {
        let Moment(retired_at) = row.try_get(2)?;
        Ok(RetiredTable {
            table: row.try_get(0)?,
            object: row.try_get(1)?,
            retired_at,
        })
    });
    tables
        .collect::<sqlx::Result<_>>()
        .map_err(|error| database.failure(error, Doing::ReadingState))
}

/// Retires the table that an object was in, where its state names another one than the plan; within the transaction that
/// claims. What was noted of its rows is of no use for the next table.
pub(super) async fn leave_behind(context: &Context, session: &mut Session, table: &str, at: Timestamp) -> Result<()> {
    let database = &context.database;
    if has_relation(database, session, table).await? {
        let object = context.plan.object.as_str();
        note(database, session, &context.owner, (object, table), at).await?;
    }
    forget_noted(context, session).await
}

/// Forgets what was noted of the rows of a table that is not this one.
pub(super) async fn forget_noted(context: &Context, session: &mut Session) -> Result<()> {
    of_object(context, session, &context.database.state.forget_rejected).await?;
    forget_deletes(context, session).await
}

/// Forgets deletes of rows that are not there: the guard would hold them for good. Rejected rows need none.
pub(super) async fn forget_deletes(context: &Context, session: &mut Session) -> Result<()> {
    let state = &context.database.state;
    for statement in [&state.forget_pending, &state.forget_surplus] {
        of_object(context, session, statement).await?;
    }
    Ok(())
}
