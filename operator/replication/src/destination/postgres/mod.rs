//! PostgreSQL from version 13 on.
//!
//! The server's CPU is what bounds a load, not ours (performance.md, "Read this first"), so the way of a row is the one
//! that costs the server least: binary COPY straight into the table for rows that cannot be there yet, binary COPY into
//! a temporary table and one guarded statement for all others.
//!
//! | file | knows |
//! | --- | --- |
//! | `connect` | URL, TLS, settings, what the server is |
//! | `statement` | every piece of SQL that has a name in it |
//! | `tables` | state tables, object tables, indexes |
//! | `layout`, `columns` | columns whose type changes: where their values go, and the exchange |
//! | `retire` | tables that leave |
//! | `purge` | all that a replicator has is dropped |
//! | `readiness` | what would refuse a first run |
//! | `encode`, `array` | text of a field to bytes, of a row or of a parameter |
//! | `load` | a COPY under way |
//! | `merge` | staged rows into the table |
//! | `deletes` | pending deletes: noted, held, confirmed, applied |
//! | `rejected` | records with values that do not fit |
//! | `listing` | the table against what Salesforce listed |
//! | `linked` | children of parents that changed |
//! | `state` | `_replication_state`, the epoch, whose tables these are |
//! | `segment` | what is between `begin` and `commit` |
//! | `object` | one open table: what calls do with its connection |
//! | `failure` | what the server says, as errors |
//!
//! **Connections.** Each open table has one. Whatever uses it takes it out and puts it back only when all went well:
//! after an error, and when the caller's future is dropped in the middle, it is closed, the server rolls back, and the next
//! `begin` opens another. So no half-read answer is ever taken for the answer to something else.

mod array;
mod bounds;
mod columns;
mod connect;
mod deletes;
mod encode;
mod failure;
mod layout;
mod linked;
mod listing;
mod load;
mod merge;
mod object;
mod purge;
mod readiness;
mod rejected;
mod retire;
mod segment;
mod state;
mod statement;
mod tables;
mod trial;

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use salesforce::ErrorKind;
use secrecy::SecretString;

pub use self::object::PostgresTable;
use self::{
    connect::{Server, Session, Target},
    encode::Encoder,
    failure::{Doing, failure, refusal},
    layout::Layout,
    statement::{StateStatements, Statement, TableStatements, session_settings},
};
use crate::{
    Error, Result,
    destination::{Capabilities, Destination, Purged, RetiredTable},
    plan::{Identifier, ObjectName, ObjectPlan},
    state::Owner,
};

/// Rows of a SOAP segment: 25 pages of 2000. More than 20 000 cost nothing measurable less (performance.md 2.3), and
/// this is what is read again at most after a crash.
const SEGMENT_ROWS: u64 = 50_000;

/// Which database, and how it is used.
pub struct PostgresConfig {
    /// `postgres://user:password@host:5432/database?sslmode=verify-full`.
    pub url: SecretString,
    /// The schema that holds tables and state; made where it is missing.
    pub schema: String,
    /// Certificates, PEM, that the server's is checked against, besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The statement that merges; `None` chooses by the server's version.
    pub merge: Option<MergeStatement>,
    /// Time limits of our sessions.
    pub limits: Limits,
}

impl PostgresConfig {
    /// A URL and a schema, the rest by default.
    pub fn new(url: impl Into<String>, schema: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            schema: schema.into(),
            ca_pem: None,
            merge: None,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            schema,
            ca_pem,
            merge,
            limits,
        } = self;
        f.debug_struct("PostgresConfig")
            .field("schema", schema)
            .field("ca_pem", &ca_pem.is_some())
            .field("merge", merge)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

/// How staged rows are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeStatement {
    /// MERGE: PostgreSQL 15 and later.
    Merge,
    /// UPDATE .. FROM and INSERT .. NOT EXISTS: any version.
    UpdateInsert,
}

/// Time limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `statement_timeout`. A COPY counts from its first to its last row, the waiting for Salesforce included.
    pub statement: Duration,
    /// `lock_timeout`.
    pub lock: Duration,
    /// `idle_in_transaction_session_timeout`: how long a process that stalls between fence and commit can keep its
    /// successor waiting. A COPY that waits for rows is not idle in this sense, but a segment is until its first chunk of
    /// rows is full and the COPY begins. So this is longer than a run keeps a segment open (`run::segment`, half a minute).
    pub idle_in_transaction: Duration,
    /// How often another connection looks whether the server is still at work on a statement that has no time limit.
    pub look: Duration,
}

impl Default for Limits {
    /// An hour, a minute, a minute, five minutes.
    fn default() -> Self {
        Self {
            statement: Duration::from_hours(1),
            lock: Duration::from_mins(1),
            idle_in_transaction: Duration::from_mins(1),
            look: Duration::from_mins(5),
        }
    }
}

/// A PostgreSQL database. Cloning shares it.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("endpoint", &self.inner.target.endpoint)
            .field("merge", &self.inner.merge)
            .finish_non_exhaustive()
    }
}

/// What all tables of a database share.
struct Inner {
    target: Target,
    limits: Limits,
    merge: MergeStatement,
    state: StateStatements,
}

impl Postgres {
    /// Reads the URL, connects once and looks at the server. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Database`]: a URL that cannot be read or asks for what is not served, a server that cannot be reached,
    /// refuses the login, has no such database, is older than 13 or not in UTF-8, or a pooler in transaction mode. No
    /// message shows the password.
    pub async fn connect(config: PostgresConfig) -> Result<Self> {
        let target = Target::new(&config)?;
        let Server { has_merge } = target.probe(&config.limits).await?;
        let PostgresConfig {
            url: _,
            schema,
            ca_pem: _,
            merge,
            limits,
        } = config;
        let merge = match merge {
            Some(MergeStatement::Merge) if !has_merge => {
                return Err(refusal(
                    ErrorKind::Invalid,
                    "MERGE was asked for; it needs PostgreSQL 15 or later, with track_counts on",
                ));
            }
            Some(chosen) => chosen,
            None if has_merge => MergeStatement::Merge,
            None => MergeStatement::UpdateInsert,
        };
        let state = StateStatements::new(&schema);
        Ok(Self {
            inner: Arc::new(Inner {
                target,
                limits,
                merge,
                state,
            }),
        })
    }
}

impl Inner {
    fn schema(&self) -> &str {
        &self.target.endpoint.schema
    }

    /// What an advisory lock's number is made of.
    fn lock_name(&self, object: &str) -> String {
        format!("salesforce-replicator/{}/{object}", self.schema())
    }

    async fn session(&self) -> Result<Session> {
        self.target.session(&self.limits).await
    }

    fn settings(&self) -> Statement {
        let Limits {
            statement,
            lock,
            idle_in_transaction,
            look: _,
        } = self.limits;
        session_settings(statement.as_millis(), lock.as_millis(), idle_in_transaction.as_millis())
    }

    fn failure(&self, error: sqlx::Error, doing: Doing<'_>) -> Error {
        failure(error, doing, &self.target.endpoint)
    }

    async fn within<T>(&self, doing: Doing<'_>, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
        self.target.within(&self.limits, doing, answer).await
    }

    /// A statement without names: BEGIN, COMMIT, SET.
    async fn simple(&self, doing: Doing<'_>, session: &mut Session, statement: &'static str) -> Result<()> {
        self.within(doing, sqlx::raw_sql(statement).execute(&mut session.connection))
            .await?;
        Ok(())
    }
}

/// What stays the same for an open table, until its columns change.
struct Context {
    database: Arc<Inner>,
    plan: Arc<ObjectPlan>,
    owner: Owner,
    layout: Layout,
    statements: TableStatements,
    encoder: Encoder,
}

impl Context {
    fn new(database: Arc<Inner>, plan: Arc<ObjectPlan>, owner: Owner) -> Self {
        let layout = Layout::planned(&plan);
        Self {
            statements: TableStatements::new(database.schema(), &plan, &layout, database.merge),
            encoder: Encoder::new(&plan, &layout),
            database,
            plan,
            owner,
            layout,
        }
    }

    /// Takes another layout where it is another one; says so. A staging table that is there is of no use then.
    fn lay_out(&mut self, layout: Layout) -> bool {
        if self.layout == layout {
            return false;
        }
        self.statements = TableStatements::new(self.database.schema(), &self.plan, &layout, self.database.merge);
        self.encoder = Encoder::new(&self.plan, &layout);
        self.layout = layout;
        true
    }

    fn table(&self) -> &str {
        self.plan.table.as_str()
    }

    fn schema(&self) -> &str {
        self.database.schema()
    }

    fn lock_name(&self) -> String {
        self.database.lock_name(self.plan.object.as_str())
    }
}

impl Destination for Postgres {
    type Table = PostgresTable;

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "PostgreSQL",
            // NAMEDATALEN - 1.
            max_identifier_bytes: 63,
            // 1600 is the server's limit, and the staging table has two more than the table.
            max_columns: 1598,
            exact_digits: None,
            segment_rows: SEGMENT_ROWS,
        }
    }

    fn ddl(&self, plan: &ObjectPlan) -> Vec<String> {
        TableStatements::new(self.inner.schema(), plan, &Layout::planned(plan), self.inner.merge).ddl()
    }

    async fn prepare(&self) -> Result<()> {
        let mut session = self.inner.session().await?;
        tables::prepare(&self.inner, &mut session).await
    }

    async fn existing_columns(&self, tables: &[Identifier]) -> Result<BTreeMap<Identifier, Vec<String>>> {
        let mut session = self.inner.session().await?;
        tables::column_names(&self.inner, &mut session, tables).await
    }

    async fn retire(&self, owner: &Owner, kept: &[ObjectName], at: Timestamp) -> Result<Vec<RetiredTable>> {
        let mut session = self.inner.session().await?;
        Box::pin(retire::retire(&self.inner, &mut session, owner, kept, at)).await
    }

    async fn purge(&self, replicator: &str) -> Result<Purged> {
        let mut session = self.inner.session().await?;
        Box::pin(purge::purge(&self.inner, &mut session, replicator)).await
    }

    async fn open(&self, plan: Arc<ObjectPlan>, owner: Owner) -> Result<PostgresTable> {
        let session = self.inner.session().await?;
        let context = Context::new(Arc::clone(&self.inner), plan, owner);
        Ok(PostgresTable::new(context, session))
    }
}
