//! Rows that the server may not be able to store, tried there.
//!
//! A trial is made in a savepoint, since a statement that fails would take the whole segment with it. What is known to be near
//! a bound is tried before (see `bounds`); what the table has beside the plan, kept columns or somebody's index, shows only when
//! rows are merged into it.
//!
//! **Rows that the table refuses** are found by merging halves of the segment, and halves of a half that is refused, until they
//! are alone. What was taken stays, so each level of halves writes each row once at most.
//!
//! **Values of an index** are tried in a temporary table that has the plan's indexes and nothing else, which works also where
//! the object's table has none yet, as in a first load. All of a segment are tried at once; where that fails, in halves, until
//! the row that cannot be is alone.
//!
//! **Rows too long for a page** are tried by staging them alone.

use std::collections::BTreeSet;

use super::{
    Context,
    bounds::{ALL_COLUMNS, TOO_LONG_FOR_INDEX, TOO_LONG_FOR_PAGE, TOO_LONG_FOR_TABLE},
    connect::Session,
    failure::{Doing, is_beyond_limit},
    load::{Copy, Ended},
    merge,
    rejected::Rejections,
    statement::{MergeSql, Statement},
};
use crate::{Error, Result, state::Counts, value::Problem};

/// A staged row with a value that may be too long for an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Long {
    /// Its place in the order of reading.
    pub(super) order: i64,
    /// The column of the value.
    pub(super) column: String,
}

/// What is wrong with a row that no page takes.
pub(super) const ROW: (&str, Problem) = (ALL_COLUMNS, TOO_LONG_FOR_PAGE);

/// Stages one encoded row alone. Gives the connection back, and whether the server took the row.
pub(super) async fn stage(context: &Context, mut session: Session, bytes: Vec<u8>) -> Result<(Session, bool)> {
    let (database, doing) = (&context.database, Doing::Loading(context.table()));
    database.simple(doing, &mut session, "SAVEPOINT row_alone").await?;
    let mut copy = Copy::new(session, &context.statements.copy_staging);
    database.within(doing, copy.feed(bytes)).await?;
    let Ended { session, rows } = database.within(doing, async { Ok(copy.finish().await) }).await?;
    match (session, rows) {
        (Some(mut session), Ok(_)) => {
            let end = "RELEASE SAVEPOINT row_alone";
            database.simple(doing, &mut session, end).await?;
            Ok((session, true))
        }
        (Some(mut session), Err(error)) if is_beyond_limit(&error) => {
            let back = "ROLLBACK TO SAVEPOINT row_alone; RELEASE SAVEPOINT row_alone";
            database.simple(doing, &mut session, back).await?;
            Ok((session, false))
        }
        (_, Err(error)) => Err(database.failure(error, doing)),
        (None, Ok(_)) => Err(Error::Internal("a COPY ended well and lost its connection".to_owned())),
    }
}

/// Brings the staged live rows into the table but for those that it cannot store, which are turned into rejected ones.
pub(super) async fn merge(
    context: &Context,
    session: &mut Session,
    sql: &MergeSql,
    rejections: &mut Rejections,
) -> Result<Counts> {
    let (database, doing) = (&context.database, Doing::Merging(context.table()));
    // It ends with the transaction: nearly all segments are taken as a whole.
    database.simple(doing, session, "SAVEPOINT whole").await?;
    if let Some(counts) = merge::merge(context, session, sql).await? {
        return Ok(counts);
    }
    database.simple(doing, session, "ROLLBACK TO SAVEPOINT whole").await?;
    let statements = &context.statements.trial;
    let query = sqlx::query_scalar(statements.live.sql()).fetch_all(&mut session.connection);
    let orders: Vec<i64> = database.within(doing, query).await?;
    simple(context, session, &statements.index_staging).await?;
    let (mut counts, mut refused) = (Counts::default(), Vec::new());
    let mut untried: Vec<&[i64]> = vec![&orders];
    while let Some(part) = untried.pop() {
        let ([first, ..], [.., last]) = (part, part) else {
            continue;
        };
        let merged = if part.len() < orders.len() {
            merge_part(context, session, &sql.of_part(*first, *last)).await?
        } else {
            None
        };
        match merged {
            Some(merged) => counts += merged,
            None if first == last => refused.push(*first),
            None => {
                let (first, second) = part.split_at(part.len() / 2);
                untried.extend([second, first]);
            }
        }
    }
    simple(context, session, &statements.drop_staging_index).await?;
    for order in &refused {
        rejections.push(*order, ALL_COLUMNS, TOO_LONG_FOR_TABLE);
    }
    refuse(context, session, refused).await?;
    Ok(counts)
}

/// `None` where the table does not take one of the rows; then it has none of them.
async fn merge_part(context: &Context, session: &mut Session, sql: &MergeSql) -> Result<Option<Counts>> {
    let (database, doing) = (&context.database, Doing::Merging(context.table()));
    database.simple(doing, session, "SAVEPOINT part").await?;
    let merged = merge::merge(context, session, sql).await?;
    let end = match merged {
        Some(_) => "RELEASE SAVEPOINT part",
        None => "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part",
    };
    database.simple(doing, session, end).await?;
    Ok(merged)
}

async fn simple(context: &Context, session: &mut Session, statement: &Statement) -> Result<()> {
    let doing = Doing::Merging(context.table());
    let query = sqlx::raw_sql(statement.sql()).execute(&mut session.connection);
    context.database.within(doing, query).await?;
    Ok(())
}

/// Turns staged rows into rejected ones.
async fn refuse(context: &Context, session: &mut Session, orders: Vec<i64>) -> Result<()> {
    let query = sqlx::query(context.statements.trial.refuse.sql())
        .bind(orders)
        .persistent(false);
    let refused = query.execute(&mut session.connection);
    context
        .database
        .within(Doing::Merging(context.table()), refused)
        .await?;
    Ok(())
}

/// Turns staged rows with values that no index of the plan takes into rejected ones.
pub(super) async fn refuse_long(
    context: &Context,
    session: &mut Session,
    long: &[Long],
    rejections: &mut Rejections,
) -> Result<()> {
    let (database, doing) = (&context.database, Doing::Merging(context.table()));
    let statements = &context.statements.trial;
    for statement in &statements.create {
        let query = sqlx::raw_sql(statement.sql()).execute(&mut session.connection);
        database.within(doing, query).await?;
    }
    let orders: Vec<i64> = long.iter().map(|long| long.order).collect();
    let query = sqlx::query_as(statements.places.sql()).bind(&orders).persistent(false);
    let places: Vec<(i64, String)> = database.within(doing, query.fetch_all(&mut session.connection)).await?;
    let mut untried: Vec<&[(i64, String)]> = vec![&places];
    let mut refused = BTreeSet::new();
    while let Some(part) = untried.pop() {
        if part.is_empty() || takes(context, session, part).await? {
            continue;
        }
        match part {
            [(order, _)] => {
                refused.insert(*order);
            }
            several => {
                let (first, second) = several.split_at(several.len() / 2);
                untried.extend([second, first]);
            }
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    for long in long.iter().filter(|long| refused.contains(&long.order)) {
        rejections.push(long.order, &long.column, TOO_LONG_FOR_INDEX);
    }
    refuse(context, session, refused.into_iter().collect()).await
}

/// Whether the indexes take all of these rows.
async fn takes(context: &Context, session: &mut Session, places: &[(i64, String)]) -> Result<bool> {
    let (database, doing) = (&context.database, Doing::Merging(context.table()));
    database.simple(doing, session, "SAVEPOINT trial").await?;
    let places: Vec<&str> = places.iter().map(|(_, place)| place.as_str()).collect();
    let query = sqlx::query(context.statements.trial.insert.sql())
        .bind(places)
        .persistent(false);
    let trying = async {
        match query.execute(&mut session.connection).await {
            Err(error) if is_beyond_limit(&error) => Ok(false),
            tried => tried.map(|_done| true),
        }
    };
    let taken = database.within(doing, trying).await?;
    let back = "ROLLBACK TO SAVEPOINT trial; RELEASE SAVEPOINT trial";
    database.simple(doing, session, back).await?;
    Ok(taken)
}
