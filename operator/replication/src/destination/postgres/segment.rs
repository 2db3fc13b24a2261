//! What is between `begin` and `commit`.
//!
//! A segment without rows costs the server one small query: the transaction, the temporary table and the COPY begin with
//! the first row. It then goes: COPY, fence, merge, deletes, state, commit. If nothing changed, it is committed without
//! state, which writes nothing and empties the temporary table; a rollback would leave its dead rows there, for every
//! later merge to walk over.
//!
//! Deleted records are staged too, in the same table as the live ones, so that the newest of all rows for one Id decides.
//! A direct load has no staging; the few deleted records that it may meet are kept encoded and staged at its end, or
//! earlier when there are many.

use jiff::Timestamp;

use super::{
    Context,
    connect::Session,
    encode::{RowKind, put_header, put_trailer},
    failure::{Doing, is_unique_violation},
    load::{CHUNK_BYTES, Copy, Ended},
    merge,
    state::{self, Known},
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::{Deletions, Load, StateWrite},
    plan::Deletes,
    state::{Checkpoint, Counts, Epoch},
};

/// Which table a COPY goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Into {
    Table,
    Staging,
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    /// The COPY under way, and where it goes.
    copy: Option<(Copy, Into)>,
    /// The connection inside the segment's transaction, between two COPYs.
    session: Option<Session>,
    /// Rows encoded and not yet handed on, of the COPY under way.
    buffer: Vec<u8>,
    /// Deleted records of a direct load, encoded for the staging table.
    aside: Vec<u8>,
    tally: Tally,
    order: Order,
}

/// What a segment has taken so far.
#[derive(Debug, Clone, std::marker::Copy)]
struct Tally {
    load: Load,
    /// Whether deletes of earlier segments are pending.
    pending: bool,
    /// Rows that the server took straight into the table.
    loaded: u64,
    /// Rows staged: the order of reading.
    staged: i64,
    /// Deleted records among them.
    deleted: u64,
    /// Whether an Id may have been staged twice.
    repeated: bool,
}

/// Whether Ids came strictly ascending, so that none came twice.
#[derive(Debug, Default)]
struct Order {
    last: String,
    broken: bool,
}

impl Order {
    fn see(&mut self, id: &str) {
        if self.broken {
            return;
        }
        if id <= self.last.as_str() {
            self.broken = true;
        } else {
            self.last.clear();
            self.last.push_str(id);
        }
    }
}

/// How a segment ends.
pub(super) struct Ending<'a> {
    pub(super) known: Known,
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) deletions: Deletions,
    pub(super) state: StateWrite,
    pub(super) at: Timestamp,
}

impl Segment {
    pub(super) fn new(load: Load, pending: bool) -> Self {
        Self {
            copy: None,
            session: None,
            buffer: Vec::new(),
            aside: Vec::new(),
            tally: Tally {
                load,
                pending,
                loaded: 0,
                staged: 0,
                deleted: 0,
                repeated: false,
            },
            order: Order::default(),
        }
    }

    /// Takes the rows of a batch.
    pub(super) async fn write(
        &mut self,
        context: &Context,
        connection: &mut Option<Session>,
        batch: &Batch,
    ) -> Result<()> {
        for row in 0..batch.rows() {
            let kind = context.encoder.kind(batch, row)?;
            match (kind, self.tally.load) {
                (RowKind::Ignored, _) => {}
                (RowKind::Live, Load::Direct) => {
                    self.open(context, connection, Into::Table).await?;
                    context.encoder.direct(batch, row, &mut self.buffer)?;
                }
                (RowKind::Deleted, Load::Direct) => {
                    let order = self.stage(context, batch, row, kind);
                    context.encoder.staged(batch, row, order, kind, &mut self.aside)?;
                    if self.aside.len() >= CHUNK_BYTES {
                        self.flush_aside(context, connection).await?;
                    }
                }
                (RowKind::Live | RowKind::Deleted, Load::Merge) => {
                    self.open(context, connection, Into::Staging).await?;
                    let order = self.stage(context, batch, row, kind);
                    context.encoder.staged(batch, row, order, kind, &mut self.buffer)?;
                }
            }
            if self.buffer.len() >= CHUNK_BYTES {
                self.feed(context).await?;
            }
        }
        Ok(())
    }

    /// Counts a row that is staged; returns its place.
    fn stage(&mut self, context: &Context, batch: &Batch, row: usize, kind: RowKind) -> i64 {
        self.order.see(context.encoder.id(batch, row));
        self.tally.repeated = self.order.broken;
        self.tally.staged += 1;
        if kind == RowKind::Deleted {
            self.tally.deleted += 1;
        }
        self.tally.staged
    }

    /// Makes sure that a COPY into the given table is under way.
    async fn open(&mut self, context: &Context, connection: &mut Option<Session>, target: Into) -> Result<()> {
        match &self.copy {
            Some((_, current)) if *current == target => return Ok(()),
            Some(_) => self.end_copy(context).await?,
            None => {}
        }
        let session = self.enter(context, connection).await?;
        let statement = match target {
            Into::Table => &context.statements.copy_direct,
            Into::Staging => &context.statements.copy_staging,
        };
        self.copy = Some((Copy::new(session, statement), target));
        put_header(&mut self.buffer);
        Ok(())
    }

    /// The connection, inside the segment's transaction and with the staging table on it.
    async fn enter(&mut self, context: &Context, connection: &mut Option<Session>) -> Result<Session> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let database = &context.database;
        let mut session = match connection.take() {
            Some(session) => session,
            None => database.session().await?,
        };
        if !session.staged {
            // Outside of the transaction, so that a rollback does not take it away.
            let statement = &context.statements.create_staging;
            let query = sqlx::raw_sql(statement.sql()).execute(&mut session.connection);
            database.within(Doing::Staging(context.table()), query).await?;
            session.staged = true;
        }
        database
            .simple(Doing::Loading(context.table()), &mut session, "BEGIN")
            .await?;
        Ok(session)
    }

    /// Hands the buffer on.
    async fn feed(&mut self, context: &Context) -> Result<()> {
        let Some((copy, _)) = &mut self.copy else { return Ok(()) };
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8));
        context
            .database
            .within(Doing::Loading(context.table()), copy.feed(bytes))
            .await
    }

    /// Ends the COPY under way.
    ///
    /// # Errors
    /// [`Error::RowsExist`] where a row of a direct load was there already.
    async fn end_copy(&mut self, context: &Context) -> Result<()> {
        if self.copy.is_none() {
            return Ok(());
        }
        put_trailer(&mut self.buffer);
        self.feed(context).await?;
        let Some((copy, target)) = self.copy.take() else {
            return Ok(());
        };
        let doing = Doing::Loading(context.table());
        let Ended { session, rows } = context
            .database
            .within(doing, async { Ok(copy.finish().await) })
            .await?;
        self.session = session;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) if target == Into::Table && is_unique_violation(&error) => {
                return Err(Error::RowsExist {
                    object: context.plan.object.clone(),
                });
            }
            Err(error) => return Err(context.database.failure(error, doing)),
        };
        if target == Into::Table {
            self.tally.loaded += rows;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Stages the deleted records of a direct load.
    async fn flush_aside(&mut self, context: &Context, connection: &mut Option<Session>) -> Result<()> {
        if self.aside.is_empty() {
            return Ok(());
        }
        self.open(context, connection, Into::Staging).await?;
        self.buffer.append(&mut self.aside);
        self.end_copy(context).await
    }

    /// Merges, applies, writes the state, commits. Returns what changed, and the epoch if the state was written.
    pub(super) async fn commit(
        mut self,
        context: &Context,
        connection: &mut Option<Session>,
        ending: Ending<'_>,
    ) -> Result<(Counts, Option<Epoch>)> {
        let copied = async {
            self.end_copy(context).await?;
            self.flush_aside(context, connection).await
        };
        match copied.await {
            Err(error @ Error::RowsExist { .. }) => {
                // The connection is in order; only the transaction is not wanted.
                *connection = self.give_up(context).await;
                return Err(error);
            }
            copied => copied?,
        }
        let applies = match (ending.deletions, context.plan.deletes) {
            (Deletions::Apply, Deletes::Remove | Deletes::Mark) => self.tally.pending || self.tally.deleted > 0,
            (Deletions::Keep, _) | (Deletions::Apply, Deletes::Ignore) => false,
        };
        if self.session.is_none() && !applies && ending.state == StateWrite::WithRows {
            return Ok((Counts::default(), None));
        }
        let mut session = self.enter(context, connection).await?;
        let outcome = self.tally.conclude(context, &mut session, &ending, applies).await;
        if matches!(outcome, Err(Error::Fenced { .. })) {
            // The connection is in order; only the transaction is not wanted.
            context
                .database
                .simple(Doing::WritingState(context.table()), &mut session, "ROLLBACK")
                .await?;
            *connection = Some(session);
            return outcome;
        }
        let concluded = outcome?;
        *connection = Some(session);
        Ok(concluded)
    }

    /// Gives the segment up; returns the connection where it is in order.
    pub(super) async fn give_up(self, context: &Context) -> Option<Session> {
        let database = &context.database;
        let doing = Doing::Loading(context.table());
        // A connection that cannot roll back, or does not answer, is closed, which rolls back.
        let session = match self.copy {
            Some((copy, _)) => database.within(doing, async { Ok(copy.abort().await) }).await.ok()?,
            None => self.session,
        };
        let mut session = session?;
        database.simple(doing, &mut session, "ROLLBACK").await.ok()?;
        Some(session)
    }
}

impl Tally {
    /// What follows the last row: fence, changes, state, commit.
    async fn conclude(
        self,
        context: &Context,
        session: &mut Session,
        ending: &Ending<'_>,
        applies: bool,
    ) -> Result<(Counts, Option<Epoch>)> {
        let Ending {
            known,
            checkpoint,
            deletions: _,
            state,
            at,
        } = ending;
        state::fence(context, session, *known).await?;
        let (counts, listed) = self.change(context, session, applies, *at).await?;
        let doing = Doing::WritingState(context.table());
        if counts.is_empty() && listed == 0 && *state == StateWrite::WithRows {
            context.database.simple(doing, session, "COMMIT").await?;
            return Ok((Counts::default(), None));
        }
        let removed = match context.plan.deletes {
            Deletes::Remove => counts.deleted,
            // A marked row stays a row.
            Deletes::Mark | Deletes::Ignore => 0,
        };
        let rows = signed(counts.inserted) - signed(removed);
        let epoch = state::write(context, session, *known, checkpoint, rows, *at).await?;
        context.database.simple(doing, session, "COMMIT").await?;
        Ok((counts, Some(epoch)))
    }

    /// Changes the table and the list of pending deletes; returns how many entries of the list changed.
    async fn change(
        self,
        context: &Context,
        session: &mut Session,
        applies: bool,
        at: Timestamp,
    ) -> Result<(Counts, u64)> {
        let mut counts = Counts {
            inserted: self.loaded,
            ..Counts::default()
        };
        let mut listed = 0;
        if self.staged > 0 {
            if self.repeated {
                merge::drop_repeated(context, session).await?;
            }
            if self.load == Load::Merge {
                counts += merge::merge(context, session).await?;
            }
            if self.pending {
                listed += merge::take_out_pending(context, session).await?;
            }
        }
        if self.deleted > 0 {
            listed += merge::note_pending(context, session, at).await?;
        }
        if applies {
            let merge::Applied { deleted, entries } = merge::apply_pending(context, session).await?;
            counts.deleted = deleted;
            listed += entries;
        }
        Ok((counts, listed))
    }
}

fn signed(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
