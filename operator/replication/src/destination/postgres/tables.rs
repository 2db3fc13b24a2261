//! Tables, columns and indexes: making them, and comparing them with what is there.
//!
//! A table that is complete is never changed but by adding columns; a column of another type gets one beside it (`layout`,
//! `columns`). No table is ever swapped or emptied, so grants, views and triggers of others stay (design 6.2).

use std::collections::BTreeMap;

use salesforce::ErrorKind;

use super::{
    Context, Inner,
    connect::Session,
    failure::{Doing, is_depended_on, refusal},
    layout::{Found, Layout, Standing},
    state::{conflict, foreign_table, lock, retired_by_us},
    statement::{
        Beside, IndexStatements, RELATIONS_OF_ONE, STATE_RELATIONS, Statement, add_columns, is_beside, type_name,
    },
};
use crate::{
    Result,
    destination::{Contents, UnbuiltIndex},
    plan::{Column, ColumnSource, Identifier},
    state::SCHEMA_VERSION,
};

const RELATIONS: &str = "SELECT c.relname::text FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]::name[]) ORDER BY 1";

const HAS_SCHEMA: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";

const COLUMN_NAMES: &str = "SELECT c.relname::text, a.attname::text \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]::name[]) AND c.relkind = 'r' \
     AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const INDEX: &str = "SELECT i.indisvalid, t.relname::text FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

/// An index may take hours, and CONCURRENTLY waits for transactions that were there before.
/// What forgets silent connections is kept awake, and the server learns that its client is gone.
const PATIENT: &str = "SET statement_timeout = 0; SET lock_timeout = '1h'; SET tcp_keepalives_idle = 60; \
     SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6";

/// Lets the server end a statement whose client is gone, which holds the lock of the next one. Since version 14, and not on
/// every system.
const CHECK_CLIENT: &str = "SELECT set_config(name, '10s', false) FROM pg_catalog.pg_settings \
     WHERE name = 'client_connection_check_interval'";

const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 1))";
const UNLOCK: &str = "SELECT pg_advisory_unlock(hashtextextended($1, 1))";

/// Which of the names are tables, views or indexes of our schema.
pub(super) async fn relations(context: &Context, session: &mut Session, names: &[&str]) -> Result<Vec<String>> {
    state_relations(&context.database, session, names).await
}

/// Whether a table, or whatever else, has this name.
pub(super) async fn has_relation(database: &Inner, session: &mut Session, name: &str) -> Result<bool> {
    Ok(!state_relations(database, session, &[name]).await?.is_empty())
}

/// The same without an object.
pub(super) async fn state_relations(database: &Inner, session: &mut Session, names: &[&str]) -> Result<Vec<String>> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let query = sqlx::query_scalar(RELATIONS).bind(database.schema()).bind(names);
    database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await
}

/// How the state tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// As they should be.
    Yes,
    /// None is there.
    No,
    /// Of version 1.
    One,
}

/// Makes the state tables, migrates them, or finds them as they should be.
pub(super) async fn prepare(database: &Inner, session: &mut Session) -> Result<()> {
    // A migration of another process may come between the two questions of a look, so what looks wrong is looked at again
    // under the lock.
    if matches!(look_at_state(database, session).await, Ok(Prepared::Yes)) {
        return Ok(());
    }
    let doing = Doing::MakingState;
    database.simple(doing, session, "BEGIN").await?;
    lock_schema(database, session).await?;
    // Another process may have done it while this one waited.
    let statements = match look_at_state(database, session).await? {
        Prepared::Yes => return database.simple(doing, session, "COMMIT").await,
        Prepared::One => &database.state.migrate,
        Prepared::No => {
            make_schema(database, session).await?;
            &database.state.create
        }
    };
    for statement in statements {
        database
            .within(doing, sqlx::raw_sql(statement.sql()).execute(&mut session.connection))
            .await?;
    }
    database.simple(doing, session, "COMMIT").await
}

/// CREATE SCHEMA IF NOT EXISTS asks for the right to make one even where it is there.
async fn make_schema(database: &Inner, session: &mut Session) -> Result<()> {
    let doing = Doing::MakingState;
    let query = sqlx::query_scalar(HAS_SCHEMA)
        .bind(database.schema())
        .fetch_one(&mut session.connection);
    let has_schema: bool = database.within(doing, query).await?;
    if !has_schema {
        let query = sqlx::raw_sql(database.state.create_schema.sql()).execute(&mut session.connection);
        database.within(doing, query).await?;
    }
    Ok(())
}

async fn lock_schema(database: &Inner, session: &mut Session) -> Result<()> {
    lock(database, session, &database.lock_name(""), Doing::MakingState).await
}

/// Whether all state tables are there, and in which version.
pub(super) async fn look_at_state(database: &Inner, session: &mut Session) -> Result<Prepared> {
    let names = [STATE_RELATIONS, RELATIONS_OF_ONE].concat();
    let there = state_relations(database, session, &names).await?;
    let schema = database.schema();
    if there.is_empty() {
        return Ok(Prepared::No);
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
    let has_all = |names: &[&str]| names.iter().all(|name| there.iter().any(|there| there == name));
    let prepared = match version {
        SCHEMA_VERSION if has_all(&STATE_RELATIONS) => Some(Prepared::Yes),
        1 if has_all(&RELATIONS_OF_ONE) => Some(Prepared::One),
        _ => None,
    };
    prepared.ok_or_else(|| {
        conflict(format!(
            "the state tables of schema {schema} are incomplete (version {version}): somebody changed them; restore them, \
             or drop the schema's tables so that replication begins anew"
        ))
    })
}

/// Names of the columns that tables have, without those beside others.
pub(super) async fn column_names(
    database: &Inner,
    session: &mut Session,
    tables: &[Identifier],
) -> Result<BTreeMap<Identifier, Vec<String>>> {
    let names: Vec<&str> = tables.iter().map(Identifier::as_str).collect();
    let query = sqlx::query_as(COLUMN_NAMES).bind(database.schema()).bind(names);
    let rows: Vec<(String, String)> = database
        .within(Doing::ReadingState, query.fetch_all(&mut session.connection))
        .await?;
    let mut columns: BTreeMap<Identifier, Vec<String>> = BTreeMap::new();
    for (table, column) in rows.into_iter().filter(|(_, column)| !is_beside(column)) {
        columns.entry(Identifier::new(table)).or_default().push(column);
    }
    Ok(columns)
}

/// What [`make`] did.
pub(super) struct Made {
    /// Whether the table is new.
    pub(super) is_new: bool,
    pub(super) contents: Contents,
    /// The number of rows, where the state does not know it, or may be wrong.
    pub(super) rows: Option<i64>,
    /// Where values go.
    pub(super) layout: Layout,
}

/// Makes the object's table, or compares it and adds what is missing; within a transaction. `is_ours` says whether the
/// state names this table.
pub(super) async fn make(context: &Context, session: &mut Session, is_ours: bool) -> Result<Made> {
    let doing = Doing::MakingTable(context.table());
    let found = Found::read(&context.database, session, &context.plan).await?;
    if found.columns.is_empty() {
        let statement = &context.statements.create_table;
        context
            .database
            .within(doing, sqlx::raw_sql(statement.sql()).execute(&mut session.connection))
            .await?;
        return Ok(Made {
            is_new: true,
            contents: Contents::Empty,
            rows: Some(0),
            layout: Layout::planned(&context.plan),
        });
    }
    let taken_back = !is_ours && retired_by_us(context, session).await?;
    if !is_ours && !taken_back {
        return Err(foreign_table(context));
    }
    let layout = complete(context, session, &found).await?;
    let mut rows = None;
    if taken_back {
        let query = sqlx::query(context.database.state.forget_retired.sql()).bind(context.table());
        context
            .database
            .within(doing, query.execute(&mut session.connection))
            .await?;
        rows = Some(count_rows(context, session, doing).await?);
    }
    let has_rows = has_rows(context, session, doing).await?;
    Ok(Made {
        is_new: false,
        contents: if has_rows { Contents::Rows } else { Contents::Empty },
        rows: if has_rows { rows } else { Some(0) },
        layout,
    })
}

/// Drops the table of a first load that is given up; within a transaction. Where something of somebody else depends on it, a
/// view perhaps, it stays with its rows, and the next load merges into them.
pub(super) async fn give_up(context: &Context, session: &mut Session) -> Result<()> {
    let (database, table) = (&context.database, context.table());
    let doing = Doing::MakingTable(table);
    database.simple(doing, session, "SAVEPOINT give_up").await?;
    let query = sqlx::raw_sql(context.statements.drop_table.sql()).execute(&mut session.connection);
    let dropping = async {
        match query.await {
            Err(error) if is_depended_on(&error) => Ok(false),
            dropped => dropped.map(|_done| true),
        }
    };
    if database.within(doing, dropping).await? {
        return Ok(());
    }
    database.simple(doing, session, "ROLLBACK TO SAVEPOINT give_up").await?;
    tracing::info!(
        table,
        "a view or whatever else depends on the table of a load that was given up: it stays"
    );
    Ok(())
}

async fn has_rows(context: &Context, session: &mut Session, doing: Doing<'_>) -> Result<bool> {
    let query = sqlx::query_scalar(context.statements.has_rows.sql());
    context
        .database
        .within(doing, query.fetch_one(&mut session.connection))
        .await
}

/// Adds the columns that are missing, under their names or beside others.
async fn complete(context: &Context, session: &mut Session, found: &Found) -> Result<Layout> {
    let additions = compare(context, found)?;
    if additions.is_empty() {
        return Ok(Layout::of(&context.plan, found));
    }
    let doing = Doing::MakingTable(context.table());
    let statement = add_columns(context.schema(), &context.plan, &additions);
    context
        .database
        .within(doing, sqlx::raw_sql(statement.sql()).execute(&mut session.connection))
        .await?;
    let found = Found::read(&context.database, session, &context.plan).await?;
    Ok(Layout::of(&context.plan, &found))
}

/// Columns that are to be added; a difference that cannot be mended by adding is a conflict.
fn compare<'a>(context: &'a Context, found: &Found) -> Result<Vec<(&'a Column, Beside)>> {
    let (schema, table) = (context.schema(), context.table());
    if found.columns.values().any(|column| !column.is_plain_table) {
        return Err(conflict(format!(
            "{table} of schema {schema} is no plain table: rename it, or use another table"
        )));
    }
    let mut additions = Vec::new();
    for (position, column) in context.plan.columns.iter().enumerate() {
        let name = column.name.as_str();
        let is_guarding = position < 2;
        match found.standing(column) {
            Standing::Missing if is_guarding => {
                return Err(conflict(format!(
                    "table {schema}.{table} has lost its column {name}: drop the table"
                )));
            }
            Standing::Missing => additions.push((column, Beside::Itself)),
            Standing::Planned if position == 0 && !found.is_key(name) => {
                return Err(conflict(format!(
                    "column {name} of table {schema}.{table} is not its primary key"
                )));
            }
            Standing::Exchanging | Standing::Other { .. } if is_guarding => {
                return Err(another_type(context, found, column, ""));
            }
            Standing::InUse { kind, used_by } if is_guarding || kind.is_none() || is_mark(column) => {
                let because = format!(" and is used by {}", used_by.join(", "));
                return Err(another_type(context, found, column, &because));
            }
            Standing::Planned | Standing::Exchanging | Standing::InUse { .. } => {}
            Standing::Other { kind: _, stale } => additions.push((column, Beside::Another { stale })),
        }
    }
    Ok(additions)
}

fn is_mark(column: &Column) -> bool {
    match column.source {
        ColumnSource::IsDeleted | ColumnSource::DeletedAt => true,
        ColumnSource::Field(_) | ColumnSource::Template(_) | ColumnSource::Empty | ColumnSource::Null => false,
    }
}

fn another_type(context: &Context, found: &Found, column: &Column, because: &str) -> crate::Error {
    let name = column.name.as_str();
    conflict(format!(
        "column {name} of table {}.{} has type {}{because}, and {} needs {}: rename or drop the column, or give the field \
         another column",
        context.schema(),
        context.table(),
        found.type_of(name),
        context.plan.object,
        type_name(column.kind)
    ))
}

/// How many rows the table has, marked ones included.
pub(super) async fn count_rows(context: &Context, session: &mut Session, doing: Doing<'_>) -> Result<i64> {
    let query = sqlx::query_scalar(context.statements.count_rows.sql());
    context
        .database
        .within(doing, query.fetch_one(&mut session.connection))
        .await
}

/// Makes the indexes that are not there yet.
///
/// A table with rows gets them CONCURRENTLY, so that nobody waits. A build that is interrupted leaves an index that is
/// there and not valid; it is made anew. Two sessions do not build at once: the second, which cannot know whether the first
/// one comes to an end, tries again later. One that the server refuses is given, and does not keep the others waiting.
pub(super) async fn build(
    context: &Context,
    session: &mut Session,
    indexes: &[IndexStatements],
) -> Result<Vec<UnbuiltIndex>> {
    let doing = Doing::Indexing(context.table());
    let mut unbuilt = Vec::new();
    let mut wanted = Vec::new();
    for index in indexes {
        if !is_built(context, session, index).await? {
            wanted.push(index);
        }
    }
    if wanted.is_empty() {
        return Ok(unbuilt);
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
    match context.database.simple(doing, session, CHECK_CLIENT).await {
        Err(error) if error.kind() == ErrorKind::Transient => return Err(error),
        // Then it ends when it is done.
        Err(_) | Ok(()) => {}
    }
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
        execute_patiently(context, session, &index.drop_invalid).await?;
        match execute_patiently(context, session, statement).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Transient => return Err(error),
            Err(error) => {
                unbuilt.push(UnbuiltIndex {
                    index: Identifier::new(index.name.as_str()),
                    message: error.message(),
                });
                // What is left of it would cost each write, and refuse what it could not take.
                execute_patiently(context, session, &index.drop_invalid).await?;
            }
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
    Ok(unbuilt)
}

/// Without a time limit: an index takes as long as it takes.
async fn execute_patiently(context: &Context, session: &mut Session, statement: &Statement) -> Result<()> {
    let (database, doing) = (&context.database, Doing::Indexing(context.table()));
    let backend = database
        .target
        .backend(&mut session.connection, &database.limits)
        .await?;
    let query = sqlx::raw_sql(statement.sql()).execute(&mut session.connection);
    database
        .target
        .patiently(&database.limits, doing, backend, query)
        .await?;
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
