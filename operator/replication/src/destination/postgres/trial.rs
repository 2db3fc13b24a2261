//! Rows near the bounds of a page, tried on the server one by one (see `bounds` for which).
//!
//! A trial is made in a savepoint, since a statement that fails would take the whole segment with it.
//!
//! **Values of an index** are tried in a temporary table that has the plan's indexes and nothing else, which works also where
//! the object's table has none yet, as in a first load. All of a segment are tried at once; where that fails, in halves, until
//! the row that cannot be is alone.
//!
//! **Rows too long for a page** are tried by staging them alone.

use std::collections::BTreeSet;

use super::{
    Context,
    bounds::{ALL_COLUMNS, TOO_LONG_FOR_INDEX, TOO_LONG_FOR_PAGE},
    connect::Session,
    failure::{Doing, is_beyond_limit},
    load::{Copy, Ended},
    rejected::Rejections,
};
use crate::{Error, Result, value::Problem};

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
    let end = match &rows {
        Ok(_) => "RELEASE SAVEPOINT row_alone",
        Err(error) if is_beyond_limit(error) => "ROLLBACK TO SAVEPOINT row_alone; RELEASE SAVEPOINT row_alone",
        Err(_) => "",
    };
    match (session, rows) {
        (Some(mut session), rows) if !end.is_empty() => {
            database.simple(doing, &mut session, end).await?;
            Ok((session, rows.is_ok()))
        }
        (_, Err(error)) => Err(database.failure(error, doing)),
        (_, Ok(_)) => Err(Error::Internal("a COPY ended well and lost its connection".to_owned())),
    }
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
    let refused: Vec<i64> = refused.into_iter().collect();
    let query = sqlx::query(statements.refuse.sql()).bind(refused).persistent(false);
    database.within(doing, query.execute(&mut session.connection)).await?;
    Ok(())
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
