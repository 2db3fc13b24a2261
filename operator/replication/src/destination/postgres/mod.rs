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
//! | `encode` | text of a field to bytes |
//! | `load` | a COPY under way |
//! | `merge` | staged rows into the table, deletes out of it |
//! | `state` | `_replication_state`, the epoch, whose tables these are |
//! | `segment` | what is between `begin` and `commit` |
//! | `failure` | what the server says, as errors |
//!
//! **Connections.** Each open table has one. Whatever uses it takes it out and puts it back only when all went well:
//! after an error, and when the caller's future is dropped in the middle, it is closed, the server rolls back, and the next
//! `begin` opens another. So no half-read answer is ever taken for the answer to something else.

mod connect;
mod encode;
mod failure;
mod load;
mod merge;
mod segment;
mod state;
mod statement;
mod tables;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use salesforce::ErrorKind;
use secrecy::SecretString;

use self::{
    connect::{Server, Session, Target},
    encode::Encoder,
    failure::{Doing, failure, refusal},
    segment::Segment,
    state::Known,
    statement::{StateStatements, Statement, TableStatements, session_settings},
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::{Capabilities, Contents, Deletions, Destination, Load, ObjectTable, StateWrite},
    plan::ObjectPlan,
    state::{Checkpoint, Counts, Owner, Phase, State},
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
}

impl Default for Limits {
    /// An hour, a minute, a minute.
    fn default() -> Self {
        Self {
            statement: Duration::from_hours(1),
            lock: Duration::from_mins(1),
            idle_in_transaction: Duration::from_mins(1),
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

/// What stays the same for an open table.
struct Context {
    database: Arc<Inner>,
    plan: Arc<ObjectPlan>,
    owner: Owner,
    statements: TableStatements,
    encoder: Encoder,
}

impl Context {
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
        TableStatements::new(self.inner.schema(), plan, self.inner.merge).ddl()
    }

    async fn prepare(&self) -> Result<()> {
        let mut session = self.inner.session().await?;
        tables::prepare(&self.inner, &mut session).await
    }

    async fn open(&self, plan: Arc<ObjectPlan>, owner: Owner) -> Result<PostgresTable> {
        let connection = Some(self.inner.session().await?);
        let context = Context {
            statements: TableStatements::new(self.inner.schema(), &plan, self.inner.merge),
            encoder: Encoder::new(&plan),
            database: Arc::clone(&self.inner),
            plan,
            owner,
        };
        Ok(PostgresTable {
            context,
            connection,
            known: Known::Nothing,
            state_names_table: false,
            unfinished: None,
            wrote_state: false,
            segment: None,
        })
    }
}

/// One object's table in PostgreSQL.
pub struct PostgresTable {
    context: Context,
    /// The connection, while no segment has it.
    connection: Option<Session>,
    known: Known,
    /// Whether the object's state names this table, as it was read or written last.
    state_names_table: bool,
    /// The plan's hash of a first load into this table that was not finished when the state was read.
    unfinished: Option<String>,
    /// Whether the last commit wrote the state.
    wrote_state: bool,
    segment: Option<Segment>,
}

impl fmt::Debug for PostgresTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTable")
            .field("object", &self.context.plan.object)
            .field("table", &self.context.plan.table)
            .field("known", &self.known)
            .field("segment", &self.segment)
            .finish_non_exhaustive()
    }
}

impl PostgresTable {
    /// Takes the connection, or opens one. Whoever takes it puts it back when all went well.
    async fn take(&mut self) -> Result<Session> {
        match self.connection.take() {
            Some(session) => Ok(session),
            None => self.context.database.session().await,
        }
    }

    /// A read that finds its connection dead is done once more on another one: the server may have restarted since.
    async fn take_alive(&mut self) -> Result<Session> {
        let mut session = self.take().await?;
        if self.context.database.target.answers(&mut session).await {
            Ok(session)
        } else {
            self.context.database.session().await
        }
    }

    /// After an error that tells that another process writes, nothing is written until the state is read again.
    fn remember<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::Fenced { .. })) {
            self.known = Known::Overtaken;
        }
        outcome
    }
}

/// Claims the object, writes the checkpoint and makes the table, in one transaction.
async fn claim(
    context: &Context,
    session: &mut Session,
    (known, state_names_table, unfinished): (Known, bool, Option<&str>),
    checkpoint: &Checkpoint,
    at: Timestamp,
) -> Result<(Known, Contents)> {
    let doing = Doing::MakingTable(context.table());
    context.database.simple(doing, session, "BEGIN").await?;
    state::fence(context, session, known).await?;
    if unfinished.is_some_and(|hash| hash != checkpoint.plan_hash) {
        tables::give_up(context, session).await?;
    }
    // The table first: a conflict is found before anything is written.
    let made = tables::make(context, session, state_names_table).await?;
    let epoch = state::write(context, session, known, checkpoint, 0, at).await?;
    if let Some(rows) = made.rows {
        state::set_rows(context, session, rows).await?;
    }
    context.database.simple(doing, session, "COMMIT").await?;
    Ok((Known::At { epoch, claimed: true }, made.contents))
}

impl ObjectTable for PostgresTable {
    async fn read_state(&mut self) -> Result<Option<State>> {
        self.segment = None;
        self.known = Known::Nothing;
        let mut session = self.take_alive().await?;
        let state = state::read(&self.context, &mut session).await?;
        self.connection = Some(session);
        self.state_names_table = state
            .as_ref()
            .is_some_and(|state| state.table_name == self.context.table());
        self.unfinished = state
            .as_ref()
            .filter(|state| self.state_names_table && state.checkpoint.phase == Phase::Initial)
            .map(|state| state.checkpoint.plan_hash.clone());
        self.known = match &state {
            Some(state) => Known::At {
                epoch: state.epoch,
                claimed: false,
            },
            None => Known::Absent,
        };
        Ok(state)
    }

    async fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<Contents> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let found = (self.known, self.state_names_table, self.unfinished.as_deref());
        let outcome = Box::pin(claim(&self.context, &mut session, found, checkpoint, at)).await;
        let (known, contents) = self.remember(outcome)?;
        self.connection = Some(session);
        self.known = known;
        self.state_names_table = true;
        self.unfinished = None;
        Ok(contents)
    }

    async fn begin(&mut self, load: Load) -> Result<()> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let found = state::look_at_epoch(&self.context, &mut session).await?;
        let compared = state::compare(&self.context, self.known, found.map(|(epoch, _)| epoch));
        self.connection = Some(session);
        self.remember(compared)?;
        self.segment = Some(Segment::new(load, found.is_some_and(|(_, pending)| pending)));
        Ok(())
    }

    async fn write(&mut self, batch: Batch) -> Result<()> {
        let Some(mut segment) = self.segment.take() else {
            return Err(Error::Internal("rows outside of a segment".to_owned()));
        };
        // Whatever fails here drops the segment, and with it the connection.
        segment.write(&self.context, &mut self.connection, &batch).await?;
        self.segment = Some(segment);
        Ok(())
    }

    async fn commit(
        &mut self,
        checkpoint: &Checkpoint,
        deletions: Deletions,
        state: StateWrite,
        at: Timestamp,
    ) -> Result<Counts> {
        let Some(segment) = self.segment.take() else {
            return Err(Error::Internal("a commit outside of a segment".to_owned()));
        };
        let ending = segment::Ending {
            known: self.known,
            checkpoint,
            deletions,
            state,
            at,
        };
        let outcome = Box::pin(segment.commit(&self.context, &mut self.connection, ending)).await;
        let (counts, epoch) = self.remember(outcome)?;
        self.wrote_state = epoch.is_some();
        if let Some(epoch) = epoch {
            self.known = Known::At { epoch, claimed: true };
            self.state_names_table = true;
        }
        Ok(counts)
    }

    fn has_written_state(&self) -> bool {
        self.wrote_state
    }

    async fn rollback(&mut self) -> Result<()> {
        if let Some(segment) = self.segment.take() {
            let session = segment.give_up(&self.context).await;
            self.connection = self.connection.take().or(session);
        }
        Ok(())
    }

    async fn build_indexes(&mut self) -> Result<()> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        Box::pin(tables::build_indexes(&self.context, &mut session)).await?;
        self.connection = Some(session);
        Ok(())
    }

    async fn touch(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<()> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let outcome = state::touch(&self.context, &mut session, self.known, checkpoint, at).await;
        if matches!(outcome, Ok(()) | Err(Error::Fenced { .. })) {
            self.connection = Some(session);
        }
        self.remember(outcome)
    }
}
