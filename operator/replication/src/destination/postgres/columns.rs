//! Columns that change their type: the one beside takes the place of the old one (see `layout` for how it came there).
//!
//! When every row has been written by the plan, all exchanges are made in one transaction that only changes the catalogue
//! under its lock. It waits for that for a few seconds at most, since readers wait behind it. Indexes of the plan on such columns are built
//! on the ones beside before, with nobody waiting, and renamed with them; rights and comments are carried over. So readers
//! find the column, its index and their rights before and after.
//!
//! Rows that the plan could not write (marked, held, rejected ones) would lose their values with the old column. They are
//! carried over before, where a cast cannot fail; and values of fields that are excluded by now are taken out of all
//! rows. Both are done before the lock, so that readers do not wait while the table is searched.
//!
//! Whether something of somebody else depends on the old column is looked at under the lock, when nobody can add a
//! view any more. Then the old one stays, and the one beside it goes.

use salesforce::ErrorKind;

use super::{
    Context,
    connect::Session,
    failure::{Doing, refusal},
    layout::{Found, Layout, Standing},
    state::{self, Known},
    statement::{Emptying, Grant, beside, beside_indexes, carry, emptying, exchange},
    tables,
};
use crate::{
    Result,
    destination::ColumnInUse,
    plan::{Column, ColumnSource},
    state::Epoch,
};

/// Rights on single columns, and their comments.
const GRANTS: &str = "SELECT a.attname::text, g.privilege_type, \
     CASE g.grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END, g.is_grantable \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, pg_catalog.aclexplode(a.attacl) g \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3::text[]::name[]) ORDER BY 1, 2, 3";

const COMMENTS: &str = "SELECT a.attname::text, pg_catalog.col_description(c.oid, a.attnum) \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3::text[]::name[]) ORDER BY 1";

/// What an exchange did.
pub(super) struct Settled {
    pub(super) in_use: Vec<ColumnInUse>,
    /// Where the table has other columns than before, the epoch: a process that writes into the old ones must let go.
    pub(super) epoch: Option<Epoch>,
}

/// Exchanges what can be exchanged.
pub(super) async fn settle(context: &Context, session: &mut Session, known: Known) -> Result<Settled> {
    state::look(context, session, known).await?;
    let found = Found::read(&context.database, session, &context.plan).await?;
    let emptying = needed_emptying(context, session, &found).await?;
    let is_settled = found.left_over(&context.plan).is_empty() && !exchanging(context, &found);
    if is_settled && emptying.is_none() {
        return Ok(Settled {
            in_use: in_use(context, &found),
            epoch: None,
        });
    }
    let exchangeable = exchangeable(context, &found);
    let names: Vec<&str> = exchangeable.iter().map(|column| column.name.as_str()).collect();
    let indexes = beside_indexes(context.schema(), &context.plan, &names);
    // Readers would find a column without its index.
    if let Some(unbuilt) = tables::build(context, session, &indexes).await?.into_iter().next() {
        return Err(refusal(ErrorKind::Fatal, unbuilt.message));
    }

    let doing = Doing::ExchangingColumns(context.table());
    context.database.simple(doing, session, "BEGIN").await?;
    // Whatever fails here costs the connection, and so is rolled back.
    state::fence(context, session, known).await?;
    if let Some(Emptying { empty, is_needed: _ }) = &emptying {
        let query = sqlx::raw_sql(empty.sql()).execute(&mut session.connection);
        context.database.within(doing, query).await?;
    }
    let (in_use, epoch) = if is_settled {
        (
            in_use(context, &found),
            state::claim(context, session, known, None).await?,
        )
    } else {
        carry_over(context, session, &found, &exchangeable).await?;
        Box::pin(exchange_locked(context, session, known)).await?
    };
    context.database.simple(doing, session, "COMMIT").await?;
    Ok(Settled {
        in_use,
        epoch: Some(epoch),
    })
}

/// What takes values of excluded fields out of the table, where it has any.
async fn needed_emptying(context: &Context, session: &mut Session, found: &Found) -> Result<Option<Emptying>> {
    let is_excluded = |column: &&Column| column.source == ColumnSource::Null;
    let names: Vec<String> = context
        .plan
        .columns
        .iter()
        .filter(is_excluded)
        .flat_map(|column| [column.name.as_str().to_owned(), beside(column.name.as_str())])
        .filter(|name| found.columns.contains_key(name))
        .collect();
    let Some(emptying) = emptying(context.schema(), &context.plan, &names) else {
        return Ok(None);
    };
    let query = sqlx::query_scalar(emptying.is_needed.sql()).persistent(false);
    let is_needed: bool = context
        .database
        .within(
            Doing::ExchangingColumns(context.table()),
            query.fetch_one(&mut session.connection),
        )
        .await?;
    Ok(is_needed.then_some(emptying))
}

/// Carries values of rows that the plan did not write into the columns beside.
async fn carry_over(context: &Context, session: &mut Session, found: &Found, exchangeable: &[&Column]) -> Result<()> {
    let columns: Vec<(&Column, &str)> = exchangeable
        .iter()
        .map(|column| (*column, found.type_of(column.name.as_str())))
        .collect();
    let layout = Layout::of(&context.plan, found);
    let Some(statement) = carry(context.schema(), &context.plan, &layout, &columns) else {
        return Ok(());
    };
    let doing = Doing::ExchangingColumns(context.table());
    let query = sqlx::query(statement.sql())
        .bind(context.plan.object.as_str())
        .persistent(false);
    context
        .database
        .within(doing, query.execute(&mut session.connection))
        .await?;
    Ok(())
}

/// What is done under the table's lock.
async fn exchange_locked(context: &Context, session: &mut Session, known: Known) -> Result<(Vec<ColumnInUse>, Epoch)> {
    let doing = Doing::ExchangingColumns(context.table());
    // A table cannot be changed while deferred triggers of others wait for the end of the transaction.
    context
        .database
        .simple(doing, session, "SET CONSTRAINTS ALL IMMEDIATE")
        .await?;
    let query = sqlx::raw_sql(context.statements.lock_table.sql()).execute(&mut session.connection);
    context.database.within(doing, query).await?;
    let found = Found::read(&context.database, session, &context.plan).await?;
    let names: Vec<String> = exchangeable(context, &found)
        .iter()
        .map(|column| column.name.as_str().to_owned())
        .collect();
    let grants = read_grants(context, session, &names).await?;
    let query = sqlx::query_as(COMMENTS)
        .bind(context.schema())
        .bind(context.table())
        .bind(&names);
    let exchanged: Vec<(String, Option<String>)> = context
        .database
        .within(doing, query.fetch_all(&mut session.connection))
        .await?;
    let mut unwanted = found.left_over(&context.plan);
    unwanted.extend(
        context
            .plan
            .columns
            .iter()
            .filter(|column| is_kept(&found, column))
            .map(|column| beside(column.name.as_str())),
    );
    for statement in exchange(context.schema(), &context.plan, &exchanged, &grants, &unwanted) {
        let query = sqlx::raw_sql(statement.sql()).execute(&mut session.connection);
        context.database.within(doing, query).await?;
    }
    let epoch = state::claim(context, session, known, None).await?;
    Ok((in_use(context, &found), epoch))
}

async fn read_grants(context: &Context, session: &mut Session, columns: &[String]) -> Result<Vec<Grant>> {
    let query = sqlx::query_as(GRANTS)
        .bind(context.schema())
        .bind(context.table())
        .bind(columns);
    let grants: Vec<(String, String, Option<String>, bool)> = context
        .database
        .within(
            Doing::ExchangingColumns(context.table()),
            query.fetch_all(&mut session.connection),
        )
        .await?;
    let grants = grants
        .into_iter()
        .map(|(column, privilege, role, with_grant_option)| Grant {
            column,
            privilege,
            role,
            with_grant_option,
        });
    Ok(grants.collect())
}

fn exchanging(context: &Context, found: &Found) -> bool {
    let is_exchanging = |column: &Column| found.standing(column) == Standing::Exchanging;
    context.plan.columns.iter().any(is_exchanging)
}

/// Columns with one beside them on which nothing depends.
fn exchangeable<'a>(context: &'a Context, found: &Found) -> Vec<&'a Column> {
    let is_free = |column: &&Column| {
        found.standing(column) == Standing::Exchanging && found.used_by(column.name.as_str()).is_empty()
    };
    context.plan.columns.iter().filter(is_free).collect()
}

/// A column with one beside it that stays, since something depends on it.
fn is_kept(found: &Found, column: &Column) -> bool {
    found.standing(column) == Standing::Exchanging && !found.used_by(column.name.as_str()).is_empty()
}

fn in_use(context: &Context, found: &Found) -> Vec<ColumnInUse> {
    context
        .plan
        .columns
        .iter()
        .filter(|column| is_kept(found, column) || matches!(found.standing(column), Standing::InUse { .. }))
        .map(|column| ColumnInUse {
            column: column.name.clone(),
            used_by: found.used_by(column.name.as_str()).to_vec(),
        })
        .collect()
}
