//! A destination that tells what it does: connections, segments and their time, rows that needed no write.
//!
//! It stands in front of another one and lets every call through, so that neither the databases nor the runs know that
//! somebody counts, and both databases are counted in the same way. A segment's time is that of its calls: what a run waits
//! for rows in between is Salesforce's time and not the database's.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use salesforce::clock::SharedClock;

use super::{
    Capabilities, ColumnDifference, ColumnInUse, Contents, Deletions, Destination, Differences, Left, Load,
    ObjectTable, Purged, RetiredTable, StateWrite, Stretch, UnbuiltIndex,
};
use crate::{
    Error, Result,
    batch::Batch,
    guard::{Guard, HeldDeletes},
    plan::{Identifier, Link, ObjectName, ObjectPlan},
    progress::Silent,
    state::{Checkpoint, Counts, Owner, State},
    value,
};

/// Is told what a destination does. Calls must not block.
pub trait DestinationObserver: fmt::Debug + Send + Sync + 'static {
    /// A connection goes from one state to another; `None` is before it is there, and after it is gone.
    fn connection(&self, from: Option<ConnectionState>, to: Option<ConnectionState>);

    /// A segment ended that the database had to do with; `took` is what the database needed for it.
    fn segment(&self, outcome: SegmentOutcome, took: Duration);

    /// Rows that were read and that the table has as they are.
    fn unchanged(&self, object: &ObjectName, rows: u64);
}

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// It is being made, a statement is under way, or a segment is open.
    InUse,
    /// It is held and has nothing to do.
    Idle,
}

/// What came of a segment. One that was given up, or that had nothing to write, is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentOutcome {
    /// Something was written.
    Committed,
    /// The database failed.
    Failed,
}

impl DestinationObserver for Silent {
    fn connection(&self, _from: Option<ConnectionState>, _to: Option<ConnectionState>) {}

    fn segment(&self, _outcome: SegmentOutcome, _took: Duration) {}

    fn unchanged(&self, _object: &ObjectName, _rows: u64) {}
}

/// A destination, observed.
#[derive(Debug, Clone)]
pub struct Observed<D> {
    inner: D,
    observer: Arc<dyn DestinationObserver>,
    clock: SharedClock,
}

/// One object's table, observed.
#[derive(Debug)]
pub struct ObservedTable<T> {
    inner: T,
    plan: Arc<ObjectPlan>,
    line: Line,
}

/// The connection of a table.
#[derive(Debug)]
struct Line {
    observer: Arc<dyn DestinationObserver>,
    clock: SharedClock,
    state: ConnectionState,
    segment: Option<Segment>,
}

/// An open segment.
#[derive(Debug, Default)]
struct Segment {
    took: Duration,
    /// Live rows that came into it.
    rows: u64,
}

impl<D> Observed<D> {
    /// Tells `observer` what `inner` does.
    pub fn new(inner: D, observer: Arc<dyn DestinationObserver>, clock: SharedClock) -> Self {
        Self { inner, observer, clock }
    }

    fn line(&self) -> Line {
        let state = ConnectionState::InUse;
        self.observer.connection(None, Some(state));
        Line {
            observer: Arc::clone(&self.observer),
            clock: Arc::clone(&self.clock),
            state,
            segment: None,
        }
    }
}

impl Line {
    fn be(&mut self, state: ConnectionState) {
        if self.state != state {
            self.observer.connection(Some(self.state), Some(state));
            self.state = state;
        }
    }

    fn rest(&mut self) {
        if self.segment.is_none() {
            self.be(ConnectionState::Idle);
        }
    }

    async fn call<R>(&mut self, call: impl Future<Output = Result<R>> + Send) -> Result<R> {
        self.be(ConnectionState::InUse);
        let begun = self.clock.monotonic();
        let done = call.await;
        let took = self.clock.monotonic().saturating_sub(begun);
        if let Some(segment) = &mut self.segment {
            segment.took = segment.took.saturating_add(took);
        }
        if matches!(done, Err(Error::Database { .. }))
            && let Some(segment) = self.segment.take()
        {
            self.observer.segment(SegmentOutcome::Failed, segment.took);
        }
        self.rest();
        done
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.observer.connection(Some(self.state), None);
    }
}

impl<D: Destination> Destination for Observed<D> {
    type Table = ObservedTable<D::Table>;

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn ddl(&self, plan: &ObjectPlan) -> Vec<String> {
        self.inner.ddl(plan)
    }

    async fn prepare(&self) -> Result<()> {
        self.line().call(self.inner.prepare()).await
    }

    async fn existing_columns(&self, tables: &[Identifier]) -> Result<BTreeMap<Identifier, Vec<String>>> {
        self.line().call(self.inner.existing_columns(tables)).await
    }

    async fn retire(&self, owner: &Owner, kept: &[ObjectName], at: Timestamp) -> Result<Vec<RetiredTable>> {
        self.line().call(self.inner.retire(owner, kept, at)).await
    }

    async fn purge(&self, replicator: &str) -> Result<Purged> {
        self.line().call(self.inner.purge(replicator)).await
    }

    async fn open(&self, plan: Arc<ObjectPlan>, owner: Owner) -> Result<Self::Table> {
        let mut line = self.line();
        let inner = line.call(self.inner.open(Arc::clone(&plan), owner)).await?;
        Ok(ObservedTable { inner, plan, line })
    }
}

impl<T: ObjectTable> ObjectTable for ObservedTable<T> {
    async fn read_state(&mut self) -> Result<Option<State>> {
        self.line.call(self.inner.read_state()).await
    }

    async fn column_differences(&mut self) -> Result<Vec<ColumnDifference>> {
        self.line.call(self.inner.column_differences()).await
    }

    async fn create(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<Contents> {
        self.line.call(self.inner.create(checkpoint, at)).await
    }

    async fn begin(&mut self, load: Load) -> Result<()> {
        self.line.segment = Some(Segment::default());
        self.line.call(self.inner.begin(load)).await
    }

    async fn write(&mut self, batch: Batch) -> Result<()> {
        if let Some(segment) = &mut self.line.segment {
            segment.rows = segment.rows.saturating_add(live_rows(&self.plan, &batch));
        }
        self.line.call(self.inner.write(batch)).await
    }

    async fn leave(&mut self, left: Vec<Left>) -> Result<()> {
        self.line.call(self.inner.leave(left)).await
    }

    async fn commit(
        &mut self,
        checkpoint: &Checkpoint,
        deletions: Deletions,
        state: StateWrite,
        at: Timestamp,
    ) -> Result<Counts> {
        let commit = self.inner.commit(checkpoint, deletions, state, at);
        let done = self.line.call(commit).await;
        let segment = self.line.segment.take();
        self.line.rest();
        let counts = done?;
        if let Some(Segment { took, rows }) = segment {
            let observer = &self.line.observer;
            if !counts.is_empty() || self.inner.has_written_state() {
                observer.segment(SegmentOutcome::Committed, took);
            }
            let handled = [counts.inserted, counts.updated, counts.rejected].into_iter().sum();
            observer.unchanged(&self.plan.object, rows.saturating_sub(handled));
        }
        Ok(counts)
    }

    fn has_written_state(&self) -> bool {
        self.inner.has_written_state()
    }

    fn wanted(&self) -> impl Future<Output = ()> + Send {
        self.inner.wanted()
    }

    async fn rollback(&mut self) -> Result<()> {
        self.line.segment = None;
        self.line.call(self.inner.rollback()).await
    }

    async fn build_indexes(&mut self) -> Result<Vec<UnbuiltIndex>> {
        self.line.call(self.inner.build_indexes()).await
    }

    async fn touch(&mut self, checkpoint: &Checkpoint, at: Timestamp) -> Result<()> {
        self.line.call(self.inner.touch(checkpoint, at)).await
    }

    async fn compare(&mut self, stretch: Stretch<'_>) -> Result<Differences> {
        self.line.call(self.inner.compare(stretch)).await
    }

    async fn surplus(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.line.call(self.inner.surplus(after, limit)).await
    }

    async fn pending(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.line.call(self.inner.pending(after, limit)).await
    }

    async fn held(&mut self) -> Result<Option<HeldDeletes>> {
        self.line.call(self.inner.held()).await
    }

    async fn confirm(&mut self, token: &str, at: Timestamp) -> Result<bool> {
        self.line.call(self.inner.confirm(token, at)).await
    }

    async fn admits(&mut self, guard: Guard, at: Timestamp) -> Result<bool> {
        self.line.call(self.inner.admits(guard, at)).await
    }

    async fn outdated_parents(&mut self, link: &Link, parents: Batch) -> Result<Vec<String>> {
        self.line.call(self.inner.outdated_parents(link, parents)).await
    }

    async fn settle_columns(&mut self) -> Result<Vec<ColumnInUse>> {
        self.line.call(self.inner.settle_columns()).await
    }
}

/// Rows of a batch that Salesforce does not call deleted.
fn live_rows(plan: &ObjectPlan, batch: &Batch) -> u64 {
    let Some(position) = plan.is_deleted else {
        return count(batch.rows());
    };
    let is_deleted = |row: usize| {
        batch
            .get(row, position)
            .is_some_and(|text| value::boolean(text) == Ok(true))
    };
    count((0..batch.rows()).filter(|row| !is_deleted(*row)).count())
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
