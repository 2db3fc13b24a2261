//! Pending deletes: noted, taken out, held, confirmed, applied.
//!
//! Noting writes no row of the table, so a delete that turns out to be none (the record was undeleted, or is read as live a
//! moment later) has cost nothing. Applying is the last thing of a run, when all deletes are known and the guard can see
//! how many they are (`crate::guard`). It asks inside the transaction, behind the fence: nobody adds an entry in between.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use super::{
    Context,
    connect::Session,
    encode::Moment,
    failure::Doing,
    merge::of_object,
    state::{self, Known},
    statement::{Pending, Statement},
};
use crate::{
    Result,
    destination::Load,
    guard::{self, Guard, HeldDeletes, Tokenizer},
    plan::Deletes,
    state::Epoch,
};

/// Takes pending deletes out that a staged row disproves; returns how many. A row that was read by Id just now disproves
/// whatever was found before.
pub(super) async fn take_out(context: &Context, session: &mut Session, load: Load) -> Result<u64> {
    let deletes = &context.statements.deletes;
    let statement = match load {
        Load::Direct | Load::Merge => &deletes.take_out,
        Load::Overwrite => &deletes.take_out_overwritten,
    };
    of_object(context, session, statement).await
}

/// Notes the staged records that are deleted or left and whose rows are here; returns how many.
pub(super) async fn note(context: &Context, session: &mut Session, load: Load, at: Timestamp) -> Result<u64> {
    match context.plan.deletes {
        Deletes::Remove | Deletes::Mark => {}
        Deletes::Ignore => return Ok(0),
    }
    let query = sqlx::query(context.statements.deletes.note.sql())
        .bind(context.plan.object.as_str())
        .bind(Moment(at))
        .bind(load == Load::Overwrite)
        .persistent(false);
    let done = context
        .database
        .within(Doing::Merging(context.table()), query.execute(&mut session.connection))
        .await?;
    Ok(done.rows_affected())
}

/// Forgets why staged records that are deleted or left were rejected. Those whose rows are here are rejected until the
/// delete is applied; where deletes are ignored it never is.
pub(super) async fn forget_rejected(context: &Context, session: &mut Session) -> Result<u64> {
    let deletes = &context.statements.deletes;
    let statement = match context.plan.deletes {
        Deletes::Remove | Deletes::Mark => &deletes.forget_rejected_absent,
        Deletes::Ignore => &deletes.forget_rejected_staged,
    };
    of_object(context, session, statement).await
}

/// The table as it is before deletes are applied.
pub(super) struct Losing {
    /// Its rows, marked ones included.
    pub(super) rows: i64,
    /// Rows that it lost within the guard's window.
    pub(super) recent: u64,
    /// Whether rejected rows are listed.
    pub(super) rejected: bool,
}

/// What the pending deletes did.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Rows that left or were marked.
    pub(super) deleted: u64,
    /// Those of them that nobody had confirmed.
    pub(super) unconfirmed: u64,
    /// Entries that the guard holds.
    pub(super) held: u64,
    /// Entries that were taken off a list.
    pub(super) entries: u64,
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// What the guard says of the pending deletes.
struct Verdict {
    /// Entries that nobody has confirmed.
    open: u64,
    /// Entries that somebody has.
    confirmed: u64,
    /// Whether those that nobody has confirmed may go.
    admitted: bool,
}

/// Asks the guard about the pending deletes of a table of so many rows, marked ones included, that lost so many within its
/// window.
async fn ask(
    context: &Context,
    session: &mut Session,
    (guard, doing): (Guard, Doing<'_>),
    (rows, recent): (i64, u64),
) -> Result<Verdict> {
    let query = sqlx::query_as(context.statements.deletes.count.sql())
        .bind(context.plan.object.as_str())
        .persistent(false);
    let (open, confirmed, marked): (i64, i64, i64) = context
        .database
        .within(doing, query.fetch_one(&mut session.connection))
        .await?;
    let open = number(open);
    Ok(Verdict {
        open,
        confirmed: number(confirmed),
        admitted: guard.admits(open, recent, number(rows - marked)),
    })
}

/// Whether the guard would let the pending deletes go, as the table is now; outside of a transaction.
pub(super) async fn admits(context: &Context, session: &mut Session, guard: Guard, at: Timestamp) -> Result<bool> {
    let Some(found) = state::read_now(context, session).await? else {
        // Nothing can be noted of an object without state.
        return Ok(true);
    };
    match context.plan.deletes {
        Deletes::Remove | Deletes::Mark => {}
        // They are dropped, however many they are.
        Deletes::Ignore => return Ok(true),
    }
    let table = (found.rows, found.window.recent(at));
    let verdict = ask(context, session, (guard, Doing::ReadingState), table).await?;
    Ok(verdict.admitted)
}

/// Applies the pending deletes that the guard lets through or somebody has confirmed.
pub(super) async fn apply(context: &Context, session: &mut Session, guard: Guard, table: Losing) -> Result<Applied> {
    let statements = &context.statements.deletes;
    match context.plan.deletes {
        Deletes::Remove | Deletes::Mark => {}
        // Noted when the mode was another: dropped like those that are found.
        Deletes::Ignore => {
            return Ok(Applied {
                entries: choose(context, session, &statements.forget, (None, Pending::All)).await?,
                ..Applied::default()
            });
        }
    }
    let doing = Doing::Merging(context.table());
    let Verdict {
        open,
        confirmed,
        admitted,
    } = ask(context, session, (guard, doing), (table.rows, table.recent)).await?;
    let held = if admitted { 0 } else { open };
    let pending = if admitted { Pending::All } else { Pending::Confirmed };
    if confirmed == 0 && (held > 0 || open == 0) {
        return Ok(Applied {
            held,
            ..Applied::default()
        });
    }
    let chosen = (guard.found_since, pending);
    let query = bind_chosen(sqlx::query(statements.apply.sql()), context, chosen);
    let row = context
        .database
        .within(doing, query.fetch_one(&mut session.connection))
        .await?;
    let count = |column: usize| {
        let count: sqlx::Result<i64> = sqlx::Row::try_get(&row, column);
        count
            .map(number)
            .map_err(|error| context.database.failure(error, doing))
    };
    let (deleted, unconfirmed) = (count(0)?, count(1)?);
    let mut entries = 0;
    if table.rejected {
        entries += choose(context, session, &statements.forget_rejected, chosen).await?;
    }
    entries += choose(context, session, &statements.forget, chosen).await?;
    Ok(Applied {
        deleted,
        unconfirmed,
        held,
        entries,
    })
}

type Chosen = (Option<Timestamp>, Pending);
type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_chosen<'q>(query: Query<'q>, context: &'q Context, (since, pending): Chosen) -> Query<'q> {
    let only_confirmed = match pending {
        Pending::All => false,
        Pending::Confirmed => true,
    };
    query
        .bind(context.plan.object.as_str())
        .bind(since.map(Moment))
        .bind(only_confirmed)
        .persistent(false)
}

async fn choose(context: &Context, session: &mut Session, statement: &Statement, chosen: Chosen) -> Result<u64> {
    let query = bind_chosen(sqlx::query(statement.sql()), context, chosen);
    let done = context
        .database
        .within(Doing::Merging(context.table()), query.execute(&mut session.connection))
        .await?;
    Ok(done.rows_affected())
}

/// Ids of a list behind `after`.
pub(super) async fn ids(
    context: &Context,
    session: &mut Session,
    statement: &Statement,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    let query = sqlx::query_scalar(statement.sql())
        .bind(context.plan.object.as_str())
        // Nothing is before the empty text.
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit));
    context
        .database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await
}

/// The pending deletes that nobody has confirmed, as a person sees them.
pub(super) async fn held(context: &Context, session: &mut Session) -> Result<Option<HeldDeletes>> {
    let query = sqlx::query_scalar(context.database.state.held.sql()).bind(context.plan.object.as_str());
    let tokenizer = tokenize(context, query.fetch(&mut session.connection)).await?;
    Ok((tokenizer.count() > 0).then(|| HeldDeletes {
        count: tokenizer.count(),
        token: tokenizer.token(),
    }))
}

async fn tokenize(
    context: &Context,
    mut ids: impl futures_util::Stream<Item = sqlx::Result<String>> + Unpin,
) -> Result<Tokenizer> {
    let reading = async {
        let mut tokenizer = Tokenizer::default();
        while let Some(id) = ids.try_next().await? {
            tokenizer.see(&id);
        }
        Ok(tokenizer)
    };
    context.database.within(Doing::ReadingState, reading).await
}

/// Confirms the pending deletes that the token is for; `None` where it is not for what is held, and nothing is written.
pub(super) async fn confirm(
    context: &Context,
    session: &mut Session,
    known: Known,
    token: &str,
    at: Timestamp,
) -> Result<Option<Epoch>> {
    let Some(count) = guard::count_of(token).and_then(|count| i64::try_from(count).ok()) else {
        return Ok(None);
    };
    let doing = Doing::WritingState(context.table());
    let state = &context.database.state;
    context.database.simple(doing, session, "BEGIN").await?;
    state::fence(context, session, known).await?;
    let query = sqlx::query_scalar(state.first_held.sql())
        .bind(context.plan.object.as_str())
        .bind(count);
    let tokenizer = tokenize(context, query.fetch(&mut session.connection)).await?;
    if tokenizer.token() != token {
        context.database.simple(doing, session, "ROLLBACK").await?;
        return Ok(None);
    }
    let query = sqlx::query(state.confirm.sql())
        .bind(context.plan.object.as_str())
        .bind(count);
    context
        .database
        .within(doing, query.execute(&mut session.connection))
        .await?;
    let epoch = state::claim(context, session, known, Some(at)).await?;
    context.database.simple(doing, session, "COMMIT").await?;
    Ok(Some(epoch))
}
