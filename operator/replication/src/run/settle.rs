//! Settle: what Salesforce says of some records by Id is what the table has of them afterwards.
//!
//! **Goal.** There are many ways to learn that a row may be wrong: it stands in Salesforce's log of changes or of
//! deletes, a listing has it with another stamp or lacks it, it changed and may not meet the condition any more, its
//! delete was held for a week. One answer fits all of them, and it rests on nothing but the moment at which it is given.
//!
//! **The way.** The Ids are read by queryAll, with the condition. A row that comes back is written wherever it differs,
//! whatever its stamp; one that comes back deleted is noted as a delete; one that does not come back is absent, or
//! outside the condition, and is noted as having left. Notes are applied under the guard when the run ends.
//!
//! An answer counts only when it is whole: the [`Reader`] gives its end when a query has given all rows that it told of, and
//! every other end is an error, after which nothing is taken for absent.
//!
//! **Rejected.** Looking at `Id, IsDeleted, SystemModstamp` first and reading only what differs: the number of Ids in a
//! statement bounds both queries alike, so it saves bytes and no calls, and misses a row that changed twice within one second.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{Context, reader::Reader};
use crate::{
    Result,
    batch::Batch,
    destination::{Deletions, Left, Load, ObjectTable, StateWrite},
    guard::Guard,
    plan::Deletes,
    progress::RunKind,
    state::{Checkpoint, Counts, State},
};

/// Pending deletes that are looked at at once.
const PENDING: u32 = 2000;

/// Segments that are opened when there is something to write.
#[derive(Debug)]
pub(crate) struct Segments<'a, 'run, T> {
    context: &'a Context<'run>,
    table: &'a mut T,
    load: Load,
    open: Option<Open>,
    /// Whether any commit wrote a row or a note.
    wrote: bool,
    inserted: u64,
}

#[derive(Debug)]
struct Open {
    since: Duration,
    rows: u64,
    bytes: usize,
}

/// What came of some Ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Records that came back, deleted ones included.
    pub(crate) came: u64,
    /// Records that did not.
    pub(crate) left: u64,
}

impl<'a, 'run, T: ObjectTable> Segments<'a, 'run, T> {
    pub(crate) fn new(context: &'a Context<'run>, table: &'a mut T, load: Load) -> Self {
        Self {
            context,
            table,
            load,
            open: None,
            wrote: false,
            inserted: 0,
        }
    }

    /// The table, between segments.
    pub(crate) fn table(&mut self) -> &mut T {
        self.table
    }

    /// Whether any commit changed anything.
    pub(crate) fn wrote(&self) -> bool {
        self.wrote
    }

    /// Rows that came in as new.
    pub(crate) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// The next rows of a query. A segment that is open does not wait for long: it ends with what it has.
    pub(crate) async fn next(&mut self, reader: &mut Reader<'_>, checkpoint: &Checkpoint) -> Result<Option<Batch>> {
        if let Some(open) = &self.open {
            let left = self
                .context
                .limits
                .left(self.context.clock.monotonic().saturating_sub(open.since));
            tokio::select! {
                biased;
                next = reader.next() => return next,
                () = self.table.wanted() => {}
                () = self.context.clock.sleep(left) => {}
            }
            self.commit(checkpoint).await?;
        }
        reader.next().await
    }

    /// Writes rows.
    pub(crate) async fn write(&mut self, batch: Batch) -> Result<()> {
        let (rows, bytes) = (u64::try_from(batch.rows()).unwrap_or(u64::MAX), batch.bytes());
        self.context.read(&batch);
        let open = self.enter().await?;
        open.rows = open.rows.saturating_add(rows);
        open.bytes = open.bytes.saturating_add(bytes);
        self.table.write(batch).await
    }

    /// Notes records that left.
    pub(crate) async fn leave(&mut self, left: Vec<Left>) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let open = self.enter().await?;
        open.rows = open.rows.saturating_add(u64::try_from(left.len()).unwrap_or(u64::MAX));
        self.table.leave(left).await
    }

    async fn enter(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            self.table.begin(self.load).await?;
        }
        let clock = self.context.clock;
        Ok(self.open.get_or_insert_with(|| Open {
            since: clock.monotonic(),
            rows: 0,
            bytes: 0,
        }))
    }

    /// Commits where the open segment is full.
    pub(crate) async fn commit_if_full(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(Open { since, rows, bytes }) = &self.open else {
            return Ok(());
        };
        let open_for = self.context.clock.monotonic().saturating_sub(*since);
        if self.context.limits.is_full(*rows, *bytes, open_for) {
            self.commit(checkpoint).await?;
        }
        Ok(())
    }

    /// Commits the open segment, where there is one.
    pub(crate) async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        if self.open.take().is_none() {
            return Ok(());
        }
        let now = self.context.clock.now();
        let counts = self
            .table
            .commit(checkpoint, Deletions::Keep, StateWrite::WithRows, now)
            .await?;
        self.count(counts);
        Ok(())
    }

    /// Commits the open segment, or one without rows, and the checkpoint in any case.
    pub(crate) async fn commit_state(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.enter().await?;
        self.open = None;
        let now = self.context.clock.now();
        let counts = self
            .table
            .commit(checkpoint, Deletions::Keep, StateWrite::Always, now)
            .await?;
        self.count(counts);
        Ok(())
    }

    /// Ends the run: applies deletes and commits.
    pub(crate) async fn finish(&mut self, checkpoint: &Checkpoint, guard: Guard, write: StateWrite) -> Result<Counts> {
        self.enter().await?;
        self.open = None;
        let now = self.context.clock.now();
        let counts = self
            .table
            .commit(checkpoint, Deletions::Apply(guard), write, now)
            .await?;
        self.count(counts);
        Ok(counts)
    }

    fn count(&mut self, counts: Counts) {
        self.wrote |= self.table.has_written_state();
        self.inserted = self.inserted.saturating_add(counts.inserted);
        if !counts.is_empty() {
            self.context.committed(counts);
        }
    }

    /// Reads records by Id and brings the table to what Salesforce says of them.
    pub(crate) async fn settle(&mut self, checkpoint: &Checkpoint, ids: &[String]) -> Result<Settled> {
        let context = self.context;
        let mut settled = Settled::default();
        for (number, chunk) in ids.chunks(context.whole.ids_at_once()).enumerate() {
            // Of some hundred Ids the second hundred may wait; what is settled is so when they are looked at again.
            if number > 0 && context.kind.is_long() {
                context.within_budget()?;
            }
            let mut absent: BTreeSet<&str> = chunk.iter().map(String::as_str).collect();
            let mut reader = Reader::among(context, Arc::clone(&context.whole), "Id", chunk);
            while let Some(batch) = self.next(&mut reader, checkpoint).await? {
                for row in 0..batch.rows() {
                    if let Some(id) = batch.get(row, context.plan.id)
                        && absent.remove(id)
                    {
                        settled.came += 1;
                    }
                }
                self.write(batch).await?;
            }
            settled.left += u64::try_from(absent.len()).unwrap_or(u64::MAX);
            let left = absent.into_iter().map(|id| Left {
                id: id.to_owned(),
                stamp: None,
            });
            self.leave(left.collect()).await?;
            match context.kind {
                RunKind::Initial | RunKind::Incremental => self.commit_if_full(checkpoint).await?,
                // With no segment open, which others might wait for: who waits for the right to run holds nothing.
                RunKind::Verify | RunKind::Reconcile | RunKind::Refresh => {
                    self.commit(checkpoint).await?;
                    context.pause().await?;
                }
            }
        }
        Ok(settled)
    }

    /// Settles all pending deletes, so that they may be applied.
    async fn settle_pending(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let mut after: Option<String> = None;
        while let Some(last) = self.settle_some_pending(checkpoint, after.as_deref()).await? {
            after = Some(last);
        }
        Ok(())
    }

    /// Settles pending deletes behind an Id; gives the last of them, nothing where there are none.
    pub(crate) async fn settle_some_pending(
        &mut self,
        checkpoint: &Checkpoint,
        after: Option<&str>,
    ) -> Result<Option<String>> {
        self.commit(checkpoint).await?;
        let ids = self.table.pending(after, PENDING).await?;
        if !ids.is_empty() {
            self.settle(checkpoint, &ids).await?;
            self.commit(checkpoint).await?;
        }
        Ok(ids.into_iter().next_back())
    }
}

/// The guard for a run that begins with `state`. Where deletes that an earlier run noted may go by now, or somebody has
/// confirmed them, they are settled first, so that none is applied that Salesforce takes back (design 6.7).
pub(crate) async fn guard<T: ObjectTable>(context: &Context<'_>, table: &mut T, state: &State) -> Result<Guard> {
    let guard = Guard {
        max_percent: context.max_delete_percent,
        found_since: Some(context.started),
    };
    if !may_go(context, table, guard, state).await? {
        return Ok(guard);
    }
    let mut segments = Segments::new(context, table, Load::Overwrite);
    segments.settle_pending(&state.checkpoint).await?;
    segments.commit(&state.checkpoint).await?;
    Ok(Guard {
        found_since: None,
        ..guard
    })
}

/// Whether noted deletes of an earlier run may be applied by this one.
async fn may_go<T: ObjectTable>(context: &Context<'_>, table: &mut T, guard: Guard, state: &State) -> Result<bool> {
    if state.pending == 0 || context.plan.deletes == Deletes::Ignore {
        return Ok(false);
    }
    Ok(state.confirmed > 0 || table.admits(guard, context.started).await?)
}
