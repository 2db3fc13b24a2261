//! Staged rows into the table, and deletes out of it.
//!
//! Rows that may be there already are copied into a temporary table first (once for each connection, emptied by each
//! commit) and merged by one statement that writes only what is newer or differs: MERGE from PostgreSQL 15 on, UPDATE
//! and INSERT before. `INSERT .. ON CONFLICT` would lock, and so log, every row that it skips: 325 MiB of WAL for a
//! million rows that did not change (performance.md 1.2).
//!
//! These statements go by the simple protocol, unprepared: a prepared one would keep the plan that was good for the
//! first segment, and ten rows and fifty thousand want different ones. For the same reason those with parameters are not
//! kept.
//!
//! All of it happens inside the transaction of the segment, between fence and state.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::{Either, Row as _};

use super::{
    Context,
    connect::Session,
    encode::Moment,
    failure::Doing,
    statement::{MergeSql, Statement},
};
use crate::{Result, state::Counts};

/// Takes all but one of the staged rows of one Id away.
pub(super) async fn drop_repeated(context: &Context, session: &mut Session) -> Result<()> {
    execute(context, session, &context.statements.drop_repeated).await?;
    Ok(())
}

/// Merges the staged live rows.
pub(super) async fn merge(context: &Context, session: &mut Session) -> Result<Counts> {
    match &context.statements.merge {
        MergeSql::Merge(statement) => merge_counted(context, session, statement).await,
        MergeSql::UpdateInsert { update, insert } => {
            let updated = execute(context, session, update).await?;
            let inserted = execute(context, session, insert).await?;
            Ok(Counts {
                inserted,
                updated,
                deleted: 0,
            })
        }
    }
}

/// MERGE tells how many rows it touched, the server's own counters of this transaction how many of them came in.
async fn merge_counted(context: &Context, session: &mut Session, statement: &Statement) -> Result<Counts> {
    let answers = async {
        let mut stream = sqlx::raw_sql(statement.sql()).fetch_many(&mut session.connection);
        let mut inserted = Vec::with_capacity(2);
        let mut touched = Vec::with_capacity(3);
        while let Some(answer) = stream.try_next().await? {
            match answer {
                Either::Left(done) => touched.push(done.rows_affected()),
                Either::Right(row) => inserted.push(row.try_get::<i64, _>(0)?),
            }
        }
        Ok((inserted, touched))
    };
    let (inserted, touched) = context
        .database
        .within(Doing::Merging(context.table()), answers)
        .await?;
    // Three statements answer: a number, the merge, the number again.
    let touched = touched.get(1).copied().unwrap_or_default();
    let inserted = match inserted.as_slice() {
        [before, after] => u64::try_from(after - before).unwrap_or_default().min(touched),
        _ => 0,
    };
    Ok(Counts {
        inserted,
        updated: touched - inserted,
        deleted: 0,
    })
}

/// Takes pending deletes out that a staged live row disproves; returns how many.
pub(super) async fn take_out_pending(context: &Context, session: &mut Session) -> Result<u64> {
    of_object(context, session, &context.statements.take_out_pending).await
}

/// Notes the staged deleted records whose rows are here; returns how many.
pub(super) async fn note_pending(context: &Context, session: &mut Session, at: Timestamp) -> Result<u64> {
    let query = sqlx::query(context.statements.note_pending.sql())
        .bind(context.plan.object.as_str())
        .bind(Moment(at))
        .persistent(false);
    let done = context
        .database
        .within(Doing::Merging(context.table()), query.execute(&mut session.connection))
        .await?;
    Ok(done.rows_affected())
}

/// What the pending deletes did.
pub(super) struct Applied {
    /// Rows that left or were marked.
    pub(super) deleted: u64,
    /// Entries that were taken off the list.
    pub(super) entries: u64,
}

/// Applies the pending deletes of the object.
pub(super) async fn apply_pending(context: &Context, session: &mut Session) -> Result<Applied> {
    let deleted = of_object(context, session, &context.statements.apply_pending).await?;
    let entries = of_object(context, session, &context.statements.forget_pending).await?;
    Ok(Applied { deleted, entries })
}

async fn of_object(context: &Context, session: &mut Session, statement: &Statement) -> Result<u64> {
    let query = sqlx::query(statement.sql())
        .bind(context.plan.object.as_str())
        .persistent(false);
    let done = context
        .database
        .within(Doing::Merging(context.table()), query.execute(&mut session.connection))
        .await?;
    Ok(done.rows_affected())
}

async fn execute(context: &Context, session: &mut Session, statement: &Statement) -> Result<u64> {
    let query = sqlx::raw_sql(statement.sql()).execute(&mut session.connection);
    Ok(context
        .database
        .within(Doing::Merging(context.table()), query)
        .await?
        .rows_affected())
}
