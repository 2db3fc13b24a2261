//! Tables, columns and indexes: making them, and comparing them with what is there.
//!
//! A table that is complete is never changed but by adding columns; a column of another type is a conflict that a person
//! has to settle. No table is ever swapped or emptied, so grants, views and triggers of others stay (design 6.2).

use std::collections::BTreeMap;

use salesforce::ErrorKind;
use sqlx::Row as _;

use super::{
    Context, Inner,
    connect::Session,
    failure::{Doing, refusal},
    state::{conflict, foreign_table, retired_by_us},
    statement::{IndexStatements, STATE_RELATIONS, add_columns, type_name},
};
use crate::{Result, destination::Contents, plan::Column, state::SCHEMA_VERSION};

const RELATIONS: &str = "SELECT c.relname::text FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]::name[]) ORDER BY 1";

const HAS_SCHEMA: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";

const COLUMNS: &str = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), c.relkind = 'r', \
     EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1 \
     AND i.indkey[0] = a.attnum) \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const INDEX: &str = "SELECT i.indisvalid, t.relname::text FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

/// An index may take hours, and CONCURRENTLY waits for transactions that were there before.
const PATIENT: &str = "SET statement_timeout = 0; SET lock_timeout = '1h'";

const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 1))";
const UNLOCK: &str = "SELECT pg_advisory_unlock(hashtextextended($1, 1))";

/// Which of the names are tables, views or indexes of our schema.
pub(super) async fn relations(context: &Context, session: &mut Session, names: &[&str]) -> Result<Vec<String>> {
    state_relations(&context.database, session, names).await
}

async fn state_relations(database: &Inner, session: &mut Session, names: &[&str]) -> Result<Vec<String>> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let query = sqlx::query_scalar(RELATIONS).bind(database.schema()).bind(names);
    database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await
}

/// Makes the state tables, or finds them as they should be.
pub(super) async fn prepare(database: &Inner, session: &mut Session) -> Result<()> {
    if is_prepared(database, session).await? {
        return Ok(());
    }
    let doing = Doing::MakingState;
    database.simple(doing, session, "BEGIN").await?;
    lock_schema(database, session).await?;
    // Another process may have made them while this one waited.
    if is_prepared(database, session).await? {
        return database.simple(doing, session, "COMMIT").await;
    }
    let has_schema: bool = database
        .within(
            doing,
            sqlx::query_scalar(HAS_SCHEMA)
                .bind(database.schema())
                .fetch_one(&mut session.connection),
        )
        .await?;
    // CREATE SCHEMA IF NOT EXISTS asks for the right to make one even where it is there.
    let schema = (!has_schema).then_some(&database.state.create_schema);
    for statement in schema.into_iter().chain(&database.state.create) {
        database
            .within(doing, sqlx::raw_sql(statement.sql()).execute(&mut session.connection))
            .await?;
    }
    database.simple(doing, session, "COMMIT").await
}

async fn lock_schema(database: &Inner, session: &mut Session) -> Result<()> {
    let query = sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").bind(database.lock_name(""));
    database
        .within(Doing::MakingState, query.execute(&mut session.connection))
        .await?;
    Ok(())
}

/// Whether all state tables are there, in our version.
async fn is_prepared(database: &Inner, session: &mut Session) -> Result<bool> {
    let there = state_relations(database, session, &STATE_RELATIONS).await?;
    let schema = database.schema();
    if there.is_empty() {
        return Ok(false);
    }
    if !there.iter().any(|name| name == "_replication_meta") {
        return Err(conflict(format!(
            "schema {schema} has {}, but no _replication_meta: it was not made by replication; use another schema",
            there.join(", ")
        )));
    }
    let query = sqlx::query_scalar(database.state.read_version.sql());
    let version: i32 = database
        .within(Doing::ReadingState, query.fetch_one(&mut session.connection))
        .await?;
    if version > SCHEMA_VERSION {
        return Err(conflict(format!(
            "the state tables of schema {schema} have version {version}, and this program knows {SCHEMA_VERSION}: a newer \
             one has been here; use that"
        )));
    }
    if version < SCHEMA_VERSION || there.len() < STATE_RELATIONS.len() {
        return Err(conflict(format!(
            "the state tables of schema {schema} are incomplete (version {version}): somebody changed them; restore them, \
             or drop the schema's tables so that replication begins anew"
        )));
    }
    Ok(true)
}

/// A column as it is.
struct Existing {
    type_name: String,
    is_plain_table: bool,
    is_key: bool,
}

/// What [`make`] did.
pub(super) struct Made {
    pub(super) contents: Contents,
    /// The number of rows, where the state does not know it, or may be wrong.
    pub(super) rows: Option<i64>,
}

/// Makes the object's table, or compares it and adds what is missing; within a transaction. `is_ours` says whether the
/// state names this table.
pub(super) async fn make(context: &Context, session: &mut Session, is_ours: bool) -> Result<Made> {
    let doing = Doing::MakingTable(context.table());
    let existing = existing_columns(context, session).await?;
    if existing.is_empty() {
        let statement = &context.statements.create_table;
        context
            .database
            .within(doing, sqlx::raw_sql(statement.sql()).execute(&mut session.connection))
            .await?;
        return Ok(Made {
            contents: Contents::Empty,
            rows: Some(0),
        });
    }
    let taken_back = !is_ours && retired_by_us(context, session).await?;
    if !is_ours && !taken_back {
        return Err(foreign_table(context));
    }
    let missing = compare(context, &existing)?;
    if !missing.is_empty() {
        let statement = add_columns(context.schema(), &context.plan, &missing);
        context
            .database
            .within(doing, sqlx::raw_sql(statement.sql()).execute(&mut session.connection))
            .await?;
    }
    let mut rows = None;
    if taken_back {
        let query = sqlx::query(context.database.state.forget_retired.sql()).bind(context.table());
        context
            .database
            .within(doing, query.execute(&mut session.connection))
            .await?;
        let query = sqlx::query_scalar(context.statements.count_rows.sql());
        rows = Some(
            context
                .database
                .within(doing, query.fetch_one(&mut session.connection))
                .await?,
        );
    }
    if has_rows(context, session, doing).await? {
        return Ok(Made {
            contents: Contents::Rows,
            rows,
        });
    }
    Ok(Made {
        contents: Contents::Empty,
        rows: Some(0),
    })
}

/// Drops the table of a first load that is given up; within a transaction.
pub(super) async fn give_up(context: &Context, session: &mut Session) -> Result<()> {
    let query = sqlx::raw_sql(context.statements.drop_table.sql()).execute(&mut session.connection);
    context
        .database
        .within(Doing::MakingTable(context.table()), query)
        .await?;
    Ok(())
}

async fn has_rows(context: &Context, session: &mut Session, doing: Doing<'_>) -> Result<bool> {
    let query = sqlx::query_scalar(context.statements.has_rows.sql());
    context
        .database
        .within(doing, query.fetch_one(&mut session.connection))
        .await
}

async fn existing_columns(context: &Context, session: &mut Session) -> Result<BTreeMap<String, Existing>> {
    let doing = Doing::MakingTable(context.table());
    let query = sqlx::query(COLUMNS).bind(context.schema()).bind(context.table());
    let rows = context
        .database
        .within(doing, query.fetch_all(&mut session.connection))
        .await?;
    let columns = rows.iter().map(|row| {
        let existing = Existing {
            type_name: row.try_get(1)?,
            is_plain_table: row.try_get(2)?,
            is_key: row.try_get(3)?,
        };
        Ok((row.try_get(0)?, existing))
    });
    columns
        .collect::<sqlx::Result<_>>()
        .map_err(|error| context.database.failure(error, doing))
}

/// Columns that are missing; a difference that cannot be mended by adding is a conflict.
fn compare<'a>(context: &'a Context, existing: &BTreeMap<String, Existing>) -> Result<Vec<&'a Column>> {
    let (schema, table) = (context.schema(), context.table());
    if existing.values().any(|column| !column.is_plain_table) {
        return Err(conflict(format!(
            "{table} of schema {schema} is no plain table: rename it, or use another table"
        )));
    }
    let mut missing = Vec::new();
    for (position, column) in context.plan.columns.iter().enumerate() {
        let name = column.name.as_str();
        let wanted = type_name(column.kind);
        match existing.get(name) {
            Some(there) if there.type_name != wanted => {
                return Err(conflict(format!(
                    "column {name} of table {schema}.{table} has type {}, and {} needs {wanted}: rename or drop the column, \
                     or give the field another column",
                    there.type_name, context.plan.object
                )));
            }
            Some(there) if position == 0 && !there.is_key => {
                return Err(conflict(format!(
                    "column {name} of table {schema}.{table} is not its primary key"
                )));
            }
            Some(_) => {}
            None if position < 2 => {
                return Err(conflict(format!(
                    "table {schema}.{table} has lost its column {name}: drop the table"
                )));
            }
            None => missing.push(column),
        }
    }
    Ok(missing)
}

/// Makes the indexes that are not there yet.
///
/// A table with rows gets them CONCURRENTLY, so that nobody waits. A build that is interrupted leaves an index that is
/// there and not valid; it is made anew. Two sessions do not build at once: the second, which cannot know whether the first
/// one comes to an end, tries again later.
pub(super) async fn build_indexes(context: &Context, session: &mut Session) -> Result<()> {
    let doing = Doing::Indexing(context.table());
    let mut wanted = Vec::new();
    for index in &context.statements.indexes {
        if !is_built(context, session, index).await? {
            wanted.push(index);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let query = sqlx::query_scalar(TRY_LOCK)
        .bind(context.lock_name())
        .fetch_one(&mut session.connection);
    let alone: bool = context.database.within(doing, query).await?;
    if !alone {
        return Err(refusal(
            ErrorKind::Transient,
            format!(
                "the indexes of table {}.{} are being built by another session, perhaps of a process that has ended; \
                 what is missing then is built later",
                context.schema(),
                context.table()
            ),
        ));
    }
    let concurrently = has_rows(context, session, doing).await?;
    context.database.simple(doing, session, PATIENT).await?;
    for index in wanted {
        // Looked at again under the lock: it may be finished, or left half-done, by now.
        if is_built(context, session, index).await? {
            continue;
        }
        let statement = if concurrently {
            &index.create_concurrently
        } else {
            &index.create
        };
        for statement in [&index.drop_invalid, statement] {
            // Without a time limit of ours: an index takes as long as it takes.
            sqlx::raw_sql(statement.sql())
                .execute(&mut session.connection)
                .await
                .map_err(|error| context.database.failure(error, doing))?;
        }
    }
    let settings = context.database.settings();
    context
        .database
        .within(doing, sqlx::raw_sql(settings.sql()).execute(&mut session.connection))
        .await?;
    let query = sqlx::query(UNLOCK)
        .bind(context.lock_name())
        .execute(&mut session.connection);
    context.database.within(doing, query).await?;
    Ok(())
}

/// Whether an index is there and valid.
async fn is_built(context: &Context, session: &mut Session, index: &IndexStatements) -> Result<bool> {
    let doing = Doing::Indexing(context.table());
    let query = sqlx::query_as(INDEX).bind(context.schema()).bind(&index.name);
    let there: Option<(bool, String)> = context
        .database
        .within(doing, query.fetch_optional(&mut session.connection))
        .await?;
    match there {
        None => Ok(false),
        Some((valid, table)) if table == context.table() => Ok(valid),
        Some((_, table)) => Err(conflict(format!(
            "index {} of schema {} belongs to table {table}: rename or drop it",
            index.name,
            context.schema()
        ))),
    }
}
