//! Staged rows into the table.
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
use sqlx::{Either, Row as _};

use super::{
    Context,
    connect::Session,
    failure::{Doing, is_beyond_limit},
    statement::{MergeSql, Statement},
};
use crate::{Result, state::Counts};

/// Takes all but one of the staged rows of one Id away.
pub(super) async fn drop_repeated(context: &Context, session: &mut Session) -> Result<()> {
    let query = sqlx::raw_sql(context.statements.drop_repeated.sql()).execute(&mut session.connection);
    context.database.within(Doing::Merging(context.table()), query).await?;
    Ok(())
}

/// Brings the staged live rows into the table. `None` where the server cannot store one of them: the transaction, or the
/// savepoint around it, is lost then.
pub(super) async fn merge(context: &Context, session: &mut Session, sql: &MergeSql) -> Result<Option<Counts>> {
    let merging = async {
        let merged = match sql {
            MergeSql::Merge(statement) => merge_counted(session, statement).await,
            MergeSql::UpdateInsert { update, insert } => update_insert(session, update, insert).await,
        };
        match merged {
            Err(error) if is_beyond_limit(&error) => Ok(None),
            merged => merged.map(Some),
        }
    };
    context.database.within(Doing::Merging(context.table()), merging).await
}

async fn update_insert(session: &mut Session, update: &Statement, insert: &Statement) -> sqlx::Result<Counts> {
    let updated = sqlx::raw_sql(update.sql()).execute(&mut session.connection).await?;
    let inserted = sqlx::raw_sql(insert.sql()).execute(&mut session.connection).await?;
    Ok(Counts {
        inserted: inserted.rows_affected(),
        updated: updated.rows_affected(),
        ..Counts::default()
    })
}

/// MERGE tells how many rows it touched, the server's own counters of this transaction how many of them came in.
async fn merge_counted(session: &mut Session, statement: &Statement) -> sqlx::Result<Counts> {
    let mut inserted = Vec::with_capacity(2);
    let mut touched = Vec::with_capacity(3);
    {
        let mut stream = sqlx::raw_sql(statement.sql()).fetch_many(&mut session.connection);
        while let Some(answer) = stream.try_next().await? {
            match answer {
                Either::Left(done) => touched.push(done.rows_affected()),
                Either::Right(row) => inserted.push(row.try_get::<i64, _>(0)?),
            }
        }
    }
    // Three statements answer: a number, the merge, the number again.
    let touched = touched.get(1).copied().unwrap_or_default();
    let inserted = match inserted.as_slice() {
        [before, after] => u64::try_from(after - before).unwrap_or_default().min(touched),
        _ => 0,
    };
    Ok(Counts {
        inserted,
        updated: touched - inserted,
        ..Counts::default()
    })
}

/// Runs a statement whose only parameter is the object; returns how many rows it changed.
pub(super) async fn of_object(context: &Context, session: &mut Session, statement: &Statement) -> Result<u64> {
    let query = sqlx::query(statement.sql())
        .bind(context.plan.object.as_str())
        .persistent(false);
    let done = context
        .database
        .within(Doing::Merging(context.table()), query.execute(&mut session.connection))
        .await?;
    Ok(done.rows_affected())
}
