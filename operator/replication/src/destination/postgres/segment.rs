//! What is between `begin` and `commit`.
//!
//! A segment without rows costs the server one small query: the transaction, the temporary table and the COPY begin with
//! the first row. It then goes: COPY, fence, merge, deletes, state, commit. If nothing changed, it is committed without
//! state, which writes nothing and empties the temporary table; a rollback would leave its dead rows there, for every
//! later merge to walk over.
//!
//! Deleted records are staged too, in the same table as the live ones, so that the newest of all rows for one Id decides; so
//! are records that left, and records with a value that does not fit, of which only key and stamp can be staged.
//! A direct load has no staging; the few of these that it may meet are kept encoded and staged at its end, or
//! earlier when there are many. So are live rows of which only the server can tell whether it can store them (see `bounds`):
//! they are tried there, and merged.

use jiff::Timestamp;

use super::{
    Context,
    bounds::{Measured, Page},
    connect::Session,
    deletes,
    encode::{Kind, Unfit, put_header, put_trailer},
    failure::{Doing, is_unique_violation},
    load::{CHUNK_BYTES, Copy, Ended},
    merge,
    rejected::{self, Rejections},
    state::{self, Known, Noted},
    tables,
    trial::{self, Long},
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::{Deletions, Left, Load, StateWrite},
    plan::Deletes,
    state::{Checkpoint, Counts, Epoch},
};

/// Which table a COPY goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Into {
    Table,
    Staging,
}

/// Whether a transaction begins for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    ToCome,
    /// It only looks at what is noted, and must not even make the staging table.
    None,
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
    /// What a direct load does not put into the table, encoded for the staging table.
    aside: Vec<u8>,
    tally: Tally,
    rejections: Rejections,
    /// Staged rows with a value that may be too long for an index.
    long: Vec<Long>,
    order: Order,
}

/// What a segment has taken so far.
#[derive(Debug, Clone, std::marker::Copy)]
struct Tally {
    load: Load,
    /// What earlier segments noted.
    noted: Noted,
    /// Rows that the server took straight into the table.
    loaded: u64,
    /// Rows staged: the order of reading.
    staged: i64,
    /// Those of them that are live.
    live: u64,
    /// Those that are deleted or left.
    gone: u64,
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
    pub(super) fn new(load: Load, noted: Noted) -> Self {
        Self {
            copy: None,
            session: None,
            buffer: Vec::new(),
            aside: Vec::new(),
            tally: Tally {
                load,
                noted,
                loaded: 0,
                staged: 0,
                live: 0,
                gone: 0,
                repeated: false,
            },
            rejections: Rejections::default(),
            long: Vec::new(),
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
            match context.encoder.kind(batch, row)? {
                Kind::Live => self.take(context, connection, batch, row).await?,
                Kind::Deleted | Kind::Left | Kind::Rejected => {
                    if self.has_use_for_gone(context) {
                        self.set_aside(context, connection, (batch, row), Kind::Deleted).await?;
                    }
                }
            }
            self.drain(context, connection).await?;
        }
        Ok(())
    }

    /// Notes records that left.
    pub(super) async fn leave(
        &mut self,
        context: &Context,
        connection: &mut Option<Session>,
        left: &[Left],
    ) -> Result<()> {
        if !self.has_use_for_gone(context) {
            return Ok(());
        }
        for record in left {
            let order = self.stage(&record.id, Kind::Left);
            let into = self.staging(context, connection).await?;
            context.encoder.left(record, order, into);
            self.drain(context, connection).await?;
        }
        Ok(())
    }

    /// Where deletes are ignored, a record that is gone only ends the list of its values that do not fit.
    fn has_use_for_gone(&self, context: &Context) -> bool {
        match context.plan.deletes {
            Deletes::Remove | Deletes::Mark => true,
            Deletes::Ignore => self.tally.noted.rejected || !self.rejections.is_empty(),
        }
    }

    /// Takes a live row, or notes why it does not fit.
    async fn take(
        &mut self,
        context: &Context,
        connection: &mut Option<Session>,
        batch: &Batch,
        row: usize,
    ) -> Result<()> {
        // The order counts only where the row fits.
        let order = self.tally.staged + 1;
        let target = match self.tally.load {
            Load::Direct => Into::Table,
            Load::Merge | Load::Overwrite => Into::Staging,
        };
        self.open(context, connection, target).await?;
        let start = self.buffer.len();
        let unfit = match target {
            Into::Table => context.encoder.direct(batch, row, &mut self.buffer)?,
            Into::Staging => context.encoder.staged(batch, row, order, &mut self.buffer)?,
        };
        if unfit.is_empty() {
            let bytes = self.buffer.get(start..).unwrap_or_default();
            let Measured { indexed, page } = match target {
                Into::Table => context.encoder.measure_direct(bytes),
                Into::Staging => context.encoder.measure_staged(bytes),
            };
            if page == Page::Fits && (indexed.is_none() || target == Into::Staging) {
                if target == Into::Staging {
                    self.stage(context.encoder.id(batch, row), Kind::Live);
                }
                self.note_long(context, order, indexed);
                return Ok(());
            }
            self.buffer.truncate(start);
            return self
                .try_row(context, connection, (batch, row), Measured { indexed, page })
                .await;
        }
        let order = self
            .set_aside(context, connection, (batch, row), Kind::Rejected)
            .await?;
        let names = |unfit: &Unfit| context.encoder.column(unfit).to_owned();
        for unfit in &unfit {
            self.rejections.push(order, &names(unfit), unfit.problem);
        }
        Ok(())
    }

    /// Stages a live row that the table, or even a page, may not take.
    async fn try_row(
        &mut self,
        context: &Context,
        connection: &mut Option<Session>,
        (batch, row): (&Batch, usize),
        Measured { indexed, page }: Measured,
    ) -> Result<()> {
        let order = self.tally.staged + 1;
        let is_staged = match page {
            Page::Fits => {
                let into = self.staging(context, connection).await?;
                context.encoder.staged(batch, row, order, into)?;
                true
            }
            Page::TooLong => false,
            Page::Doubtful => {
                let mut bytes = Vec::new();
                put_header(&mut bytes);
                context.encoder.staged(batch, row, order, &mut bytes)?;
                put_trailer(&mut bytes);
                self.end_copy(context).await?;
                let session = self.enter(context, connection, Rows::ToCome).await?;
                let (session, is_staged) = trial::stage(context, session, bytes).await?;
                self.session = Some(session);
                is_staged
            }
        };
        if is_staged {
            self.stage(context.encoder.id(batch, row), Kind::Live);
            self.note_long(context, order, indexed);
            return Ok(());
        }
        let order = self
            .set_aside(context, connection, (batch, row), Kind::Rejected)
            .await?;
        let (column, problem) = trial::ROW;
        self.rejections.push(order, column, problem);
        Ok(())
    }

    fn note_long(&mut self, context: &Context, order: i64, column: Option<usize>) {
        self.long.extend(column.map(|column| Long {
            order,
            column: context.encoder.name_of(column).to_owned(),
        }));
    }

    /// Stages key and stamp of a row; returns its place.
    async fn set_aside(
        &mut self,
        context: &Context,
        connection: &mut Option<Session>,
        (batch, row): (&Batch, usize),
        kind: Kind,
    ) -> Result<i64> {
        let order = self.stage(context.encoder.id(batch, row), kind);
        let into = self.staging(context, connection).await?;
        context.encoder.staged_key(batch, row, (order, kind), into)?;
        Ok(order)
    }

    /// Where rows for the staging table are encoded to.
    async fn staging(&mut self, context: &Context, connection: &mut Option<Session>) -> Result<&mut Vec<u8>> {
        match self.tally.load {
            Load::Direct => Ok(&mut self.aside),
            Load::Merge | Load::Overwrite => {
                self.open(context, connection, Into::Staging).await?;
                Ok(&mut self.buffer)
            }
        }
    }

    /// Hands on what is enough to be worth it.
    async fn drain(&mut self, context: &Context, connection: &mut Option<Session>) -> Result<()> {
        if self.aside.len() >= CHUNK_BYTES {
            self.flush_aside(context, connection).await?;
        }
        if self.buffer.len() >= CHUNK_BYTES {
            self.feed(context).await?;
        }
        Ok(())
    }

    /// Counts a row that is staged; returns its place.
    fn stage(&mut self, id: &str, kind: Kind) -> i64 {
        self.order.see(id);
        self.tally.repeated = self.order.broken;
        self.tally.staged += 1;
        match kind {
            Kind::Live => self.tally.live += 1,
            Kind::Deleted | Kind::Left => self.tally.gone += 1,
            Kind::Rejected => {}
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
        let session = self.enter(context, connection, Rows::ToCome).await?;
        let statement = match target {
            Into::Table => &context.statements.copy_direct,
            Into::Staging => &context.statements.copy_staging,
        };
        self.copy = Some((Copy::new(session, statement), target));
        put_header(&mut self.buffer);
        Ok(())
    }

    /// The connection, inside the segment's transaction; with the staging table on it where rows are to come.
    async fn enter(&mut self, context: &Context, connection: &mut Option<Session>, rows: Rows) -> Result<Session> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let database = &context.database;
        let mut session = match connection.take() {
            Some(session) => session,
            None => database.session().await?,
        };
        if !session.staged && rows == Rows::ToCome {
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

    /// Stages what a direct load set aside.
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
        let applies = match ending.deletions {
            Deletions::Apply(_) => self.tally.noted.pending || self.tally.gone > 0,
            Deletions::Keep => false,
        };
        let forgets = self.tally.noted.surplus && ending.checkpoint.listing.is_none();
        if self.session.is_none() && !applies && !forgets && ending.state == StateWrite::WithRows {
            return Ok((Counts::default(), None));
        }
        let mut session = self.enter(context, connection, Rows::None).await?;
        let unstored = Unstored {
            rejections: self.rejections,
            long: self.long,
        };
        let outcome = Box::pin(self.tally.conclude(context, &mut session, &ending, unstored)).await;
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
        mut unstored: Unstored,
    ) -> Result<(Counts, Option<Epoch>)> {
        let Ending {
            known,
            checkpoint,
            deletions,
            state,
            at,
        } = ending;
        let found = state::fence(context, session, *known).await?;
        let mut window = found.as_ref().map(|found| found.window.clone()).unwrap_or_default();
        let former_rows = found.as_ref().map(|found| found.rows).unwrap_or_default();
        let noted = found.map(|found| found.noted).unwrap_or_default();
        let mut changed = self.change(context, session, noted, &mut unstored, *at).await?;
        let rejections = &unstored.rejections;
        let rows = match state {
            StateWrite::Counted => tables::count_rows(context, session, Doing::Merging(context.table())).await?,
            StateWrite::Always | StateWrite::WithRows => former_rows + signed(changed.counts.inserted),
        };
        if let Deletions::Apply(guard) = deletions
            && (noted.pending || self.gone > 0)
        {
            let table = deletes::Losing {
                rows,
                recent: window.recent(*at),
                rejected: noted.rejected || !rejections.is_empty(),
            };
            let applied = deletes::apply(context, session, *guard, table).await?;
            changed.counts.deleted = applied.deleted;
            changed.counts.held = applied.held;
            changed.entries += applied.entries;
            window.add(applied.unconfirmed, *at);
        }
        if noted.surplus && checkpoint.listing.is_none() {
            let forget = &context.database.state.forget_surplus;
            changed.entries += merge::of_object(context, session, forget).await?;
        }
        let Changed { counts, entries } = changed;
        let doing = Doing::WritingState(context.table());
        if counts.is_empty() && entries == 0 && *state == StateWrite::WithRows {
            context.database.simple(doing, session, "COMMIT").await?;
            return Ok((counts, None));
        }
        let removed = match context.plan.deletes {
            Deletes::Remove => counts.deleted,
            // A marked row stays a row.
            Deletes::Mark | Deletes::Ignore => 0,
        };
        let change = state::Change {
            rows: rows - signed(removed) - former_rows,
            window,
        };
        let epoch = state::write(context, session, *known, checkpoint, &change, *at).await?;
        context.database.simple(doing, session, "COMMIT").await?;
        Ok((counts, Some(epoch)))
    }

    /// Brings rows into the table, and what was read of others into the lists.
    async fn change(
        self,
        context: &Context,
        session: &mut Session,
        noted: Noted,
        Unstored { rejections, long }: &mut Unstored,
        at: Timestamp,
    ) -> Result<Changed> {
        let mut counts = Counts {
            inserted: self.loaded,
            ..Counts::default()
        };
        let mut entries = 0;
        let statements = &context.statements;
        if self.loaded > 0 && noted.rejected {
            entries += merge::of_object(context, session, &statements.forget_loaded).await?;
        }
        if self.staged == 0 {
            return Ok(Changed { counts, entries });
        }
        if self.repeated {
            merge::drop_repeated(context, session).await?;
        }
        if !long.is_empty() {
            trial::refuse_long(context, session, long, rejections).await?;
        }
        let merging = match self.load {
            // Of a direct load only live rows that were tried are merged.
            Load::Direct if self.live > 0 => Load::Merge,
            Load::Direct | Load::Merge | Load::Overwrite => self.load,
        };
        if let Some(merging) = statements.merging(merging) {
            counts += trial::merge(context, session, merging, rejections).await?;
            if noted.rejected {
                entries += merge::of_object(context, session, &statements.forget_written).await?;
            }
        }
        if noted.pending {
            entries += deletes::take_out(context, session, self.load).await?;
        }
        if !rejections.is_empty() {
            let noting = rejected::note(context, session, rejections, self.load, at).await?;
            counts.rejected = noting.rows;
            entries += noting.entries;
        }
        if self.gone > 0 {
            entries += deletes::note(context, session, self.load, at).await?;
            if noted.rejected || !rejections.is_empty() {
                entries += deletes::forget_rejected(context, session).await?;
            }
        }
        Ok(Changed { counts, entries })
    }
}

/// What the table cannot take of a segment.
struct Unstored {
    rejections: Rejections,
    /// Rows that may be among it.
    long: Vec<Long>,
}

/// What a segment changed.
struct Changed {
    counts: Counts,
    /// Entries of lists that came, changed or went.
    entries: u64,
}

fn signed(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
