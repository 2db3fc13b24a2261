//! One object's table, open: what the calls of the contract do with its connection, its epoch and its layout.

use std::fmt;

use jiff::Timestamp;

use super::{
    Context, columns,
    connect::Session,
    deletes,
    failure::Doing,
    layout::{Found, Layout},
    linked, listing, retire,
    segment::{self, Segment},
    state::{self, Known},
    statement::Statement,
    tables,
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::{
        ColumnDifference, ColumnInUse, Contents, Deletions, Differences, Left, Load, ObjectTable, StateWrite, Stretch,
        UnbuiltIndex,
    },
    guard::{Guard, HeldDeletes},
    plan::Link,
    state::{Checkpoint, Counts, Epoch, Phase, State},
};

/// Begins the plan's hash of an object whose rows stand in columns that are not exchanged: no plan has such a hash, so its
/// rows are read again, and the columns exchanged at the end.
const APART: &str = "columns-apart-";

/// One object's table in PostgreSQL.
pub struct PostgresTable {
    context: Context,
    /// The connection, while no segment has it.
    connection: Option<Session>,
    known: Known,
    /// The table that the object's state names, as it was read or written last.
    state_table: Option<String>,
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

/// What a claim did.
struct Claimed {
    epoch: Epoch,
    contents: Contents,
    layout: Layout,
}

impl PostgresTable {
    pub(super) fn new(context: Context, session: Session) -> Self {
        Self {
            context,
            connection: Some(session),
            known: Known::Nothing,
            state_table: None,
            unfinished: None,
            wrote_state: false,
            segment: None,
        }
    }

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

    fn claimed(&mut self, epoch: Option<Epoch>) {
        if let Some(epoch) = epoch {
            self.known = Known::At { epoch, claimed: true };
        }
    }

    /// Puts the connection back where its staging table still fits.
    fn put_back(&mut self, session: Session, layout: Layout) {
        let is_another = self.context.lay_out(layout);
        if !is_another || !session.staged {
            self.connection = Some(session);
        }
    }

    fn names_this_table(&self) -> bool {
        self.state_table.as_deref() == Some(self.context.table())
    }

    async fn ids(
        &mut self,
        statement: impl FnOnce(&Context) -> &Statement,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let statement = statement(&self.context);
        let ids = deletes::ids(&self.context, &mut session, statement, after, limit).await?;
        self.connection = Some(session);
        Ok(ids)
    }

    /// Claims the object, writes the checkpoint and makes the table, in one transaction.
    async fn claim(&self, session: &mut Session, checkpoint: &Checkpoint, at: Timestamp) -> Result<Claimed> {
        let context = &self.context;
        let doing = Doing::MakingTable(context.table());
        context.database.simple(doing, session, "BEGIN").await?;
        let found = state::fence(context, session, self.known).await?;
        if self
            .unfinished
            .as_ref()
            .is_some_and(|hash| *hash != checkpoint.plan_hash)
        {
            tables::give_up(context, session).await?;
        }
        // The table first: a conflict is found before anything is written.
        let made = tables::make(context, session, self.names_this_table()).await?;
        if let Some(table) = self.state_table.as_deref()
            && !self.names_this_table()
        {
            retire::leave_behind(context, session, table, at).await?;
        }
        if made.is_new {
            retire::forget_noted(context, session).await?;
        } else if made.contents == Contents::Empty {
            retire::forget_deletes(context, session).await?;
        }
        let change = state::Change {
            rows: 0,
            window: found.map(|found| found.window).unwrap_or_default(),
        };
        let epoch = state::write(context, session, self.known, checkpoint, &change, at).await?;
        if let Some(rows) = made.rows {
            state::set_rows(context, session, rows).await?;
        }
        context.database.simple(doing, session, "COMMIT").await?;
        Ok(Claimed {
            epoch,
            contents: made.contents,
            layout: made.layout,
        })
    }
}

impl ObjectTable for PostgresTable {
    async fn read_state(&mut self) -> Result<Option<State>> {
        self.segment = None;
        self.known = Known::Nothing;
        let mut session = self.take_alive().await?;
        let mut state = state::read(&self.context, &mut session).await?;
        let found = Found::read(&self.context.database, &mut session, &self.context.plan).await?;
        self.put_back(session, Layout::of(&self.context.plan, &found));
        self.state_table = state.as_ref().map(|state| state.table_name.clone());
        self.unfinished = state
            .as_ref()
            .filter(|state| self.names_this_table() && state.checkpoint.phase == Phase::Initial)
            // Else the load found rows of another life in the table, and readers.
            .filter(|state| state.checkpoint.reconciled_at.is_some())
            .map(|state| state.checkpoint.plan_hash.clone());
        self.known = match &state {
            Some(state) => Known::At {
                epoch: state.epoch,
                claimed: false,
            },
            None => Known::Absent,
        };
        if let Some(State { checkpoint, .. }) = &mut state
            && self.names_this_table()
            && checkpoint.phase == Phase::Live
            && checkpoint.plan_hash == self.context.plan.hash.0
            && found.is_apart(&self.context.plan)
        {
            checkpoint.plan_hash.insert_str(0, APART);
        }
        Ok(state)
    }

    async fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<Contents> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let outcome = Box::pin(self.claim(&mut session, checkpoint, at)).await;
        let Claimed {
            epoch,
            contents,
            layout,
        } = self.remember(outcome)?;
        self.put_back(session, layout);
        self.claimed(Some(epoch));
        self.state_table = Some(self.context.table().to_owned());
        self.unfinished = None;
        Ok(contents)
    }

    async fn begin(&mut self, load: Load) -> Result<()> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let looked = state::look(&self.context, &mut session, self.known).await;
        if matches!(looked, Ok(_) | Err(Error::Fenced { .. })) {
            self.connection = Some(session);
        }
        let noted = self.remember(looked)?;
        self.segment = Some(Segment::new(load, noted));
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

    async fn leave(&mut self, left: Vec<Left>) -> Result<()> {
        let Some(mut segment) = self.segment.take() else {
            return Err(Error::Internal("records that left outside of a segment".to_owned()));
        };
        segment.leave(&self.context, &mut self.connection, &left).await?;
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
        if epoch.is_some() {
            self.claimed(epoch);
            self.state_table = Some(self.context.table().to_owned());
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

    async fn build_indexes(&mut self) -> Result<Vec<UnbuiltIndex>> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let unbuilt = Box::pin(tables::build(
            &self.context,
            &mut session,
            &self.context.statements.indexes,
        ))
        .await?;
        self.connection = Some(session);
        Ok(unbuilt)
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

    async fn compare(&mut self, stretch: Stretch<'_>) -> Result<Differences> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let outcome = Box::pin(listing::compare(&self.context, &mut session, self.known, stretch)).await;
        let listing::Compared { differences, epoch } = self.remember(outcome)?;
        self.connection = Some(session);
        self.claimed(epoch);
        Ok(differences)
    }

    async fn surplus(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.ids(|context| &context.database.state.list_surplus, after, limit)
            .await
    }

    async fn pending(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.ids(|context| &context.database.state.list_pending, after, limit)
            .await
    }

    async fn column_differences(&mut self) -> Result<Vec<ColumnDifference>> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let found = Found::read(&self.context.database, &mut session, &self.context.plan).await?;
        self.connection = Some(session);
        Ok(found.differences(&self.context.plan))
    }

    async fn held(&mut self) -> Result<Option<HeldDeletes>> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let held = deletes::held(&self.context, &mut session).await?;
        self.connection = Some(session);
        Ok(held)
    }

    async fn confirm(&mut self, token: &str, at: Timestamp) -> Result<bool> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let outcome = Box::pin(deletes::confirm(&self.context, &mut session, self.known, token, at)).await;
        let epoch = self.remember(outcome)?;
        self.connection = Some(session);
        self.claimed(epoch);
        Ok(epoch.is_some())
    }

    async fn admits(&mut self, guard: Guard, at: Timestamp) -> Result<bool> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let admits = deletes::admits(&self.context, &mut session, guard, at).await?;
        self.connection = Some(session);
        Ok(admits)
    }

    async fn outdated_parents(&mut self, link: &Link, parents: Batch) -> Result<Vec<String>> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let outdated = Box::pin(linked::outdated(&self.context, &mut session, link, &parents)).await?;
        self.connection = Some(session);
        Ok(outdated)
    }

    async fn settle_columns(&mut self) -> Result<Vec<ColumnInUse>> {
        self.rollback().await?;
        let mut session = self.take_alive().await?;
        let outcome = Box::pin(columns::settle(&self.context, &mut session, self.known)).await;
        let columns::Settled { in_use, epoch } = self.remember(outcome)?;
        if epoch.is_some() {
            let found = Found::read(&self.context.database, &mut session, &self.context.plan).await?;
            self.put_back(session, Layout::of(&self.context.plan, &found));
        } else {
            self.connection = Some(session);
        }
        self.claimed(epoch);
        Ok(in_use)
    }
}
