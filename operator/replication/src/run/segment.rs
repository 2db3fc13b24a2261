//! Segment and commit.
//!
//! **Goal.** After a crash at any moment the destination says by itself where to go on, and little is done twice.
//!
//! **The way.** Rows are committed in segments: one transaction holds the rows, what they say of deletes, and the
//! checkpoint behind their last row. There is no moment in which the one is durable without the other, so there is no
//! order of writing that could be wrong, and nothing to repair on start. A segment ends at the number of rows that the
//! destination asks for or at 64 MiB of values, whichever comes first: the database reports the errors of a COPY only
//! at its end, and what a crash costs is the segment that was open. Segments of 50 000 rows cost nothing that could be
//! measured (performance.md 2.3).
//!
//! Nor is a segment open for long: it holds a transaction, and with it what others wait for (in SQLite the right to write to
//! the file, in PostgreSQL the time limits of a session). When rows come so slowly that it would be open for more than
//! half a minute, or as soon as somebody waits for it and no row is there to write, it ends with what it has, and the
//! next rows are waited for with no segment open.
//!
//! When Salesforce fails in the middle of a segment, the rows that arrived are committed as a smaller segment before the
//! run ends with the error: they are in order, so the checkpoint behind them is as good as any. An org that fails
//! after each ten minutes thus still gets loaded. When the *database* fails, the segment is given up: what is in it is
//! unknown. So it is when the run is cancelled, since the wish is to stop now.
//!
//! **Rejected.** A checkpoint of its own transaction, before or after the rows: either rows get lost or each crash writes
//! rows twice. A checkpoint in the resource's status: the status is a report, may be edited, and is not in the
//! transaction. One transaction for the whole load: locks and WAL grow with the org, and a crash at the end reads
//! everything again. A segment for each page: a million rows are 500 commits and merges more.

use std::time::Duration;

use super::{Context, reader::Reader};
use crate::{Error, Result, batch::Batch, destination::ObjectTable};

/// Values in a segment at most, bytes (performance.md 2.3).
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;

/// How long a segment is open at most, its commit apart. Less than a session of PostgreSQL may idle in a transaction (a
/// minute: rows are gathered before the COPY begins), and than another process waits for a SQLite file.
pub(crate) const SEGMENT_TIME: Duration = Duration::from_secs(30);

/// When a segment ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    rows: u64,
    bytes: usize,
    time: Duration,
}

/// Why a segment ended. Its rows are written and not yet committed.
#[derive(Debug)]
pub(crate) enum Filled {
    /// It is full; the next one begins with this.
    Full(Batch),
    /// No row is there, and the segment has been open for long enough. More may come.
    Waiting,
    /// There are no more rows.
    End,
    /// Salesforce failed behind the rows that are in it.
    Broken(Error),
}

impl Limits {
    pub(crate) fn new(rows: u64) -> Self {
        Self {
            rows: rows.max(1),
            bytes: SEGMENT_BYTES,
            time: SEGMENT_TIME,
        }
    }

    /// How much longer a segment may stay open.
    pub(crate) fn left(&self, open: Duration) -> Duration {
        self.time.saturating_sub(open)
    }

    /// Whether a segment has to end before it takes more.
    pub(crate) fn is_full(&self, rows: u64, bytes: usize, open: Duration) -> bool {
        rows >= self.rows || bytes >= self.bytes || self.left(open).is_zero()
    }
}

/// Writes `batch` and what follows into the open segment until it is full. `seen` looks at each batch before it is
/// written.
///
/// # Errors
/// The destination's. The segment is to be rolled back then.
pub(crate) async fn fill<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    reader: &mut Reader<'_>,
    batch: Batch,
    mut seen: impl FnMut(&Batch),
) -> Result<Filled> {
    let (mut rows, mut bytes) = (0_u64, 0_usize);
    let mut batch = batch;
    let opened = context.clock.monotonic();
    let open = || context.clock.monotonic().saturating_sub(opened);
    loop {
        if context.limits.is_full(rows, bytes, open()) {
            return Ok(Filled::Full(batch));
        }
        rows = rows.saturating_add(u64::try_from(batch.rows()).unwrap_or(u64::MAX));
        bytes = bytes.saturating_add(batch.bytes());
        context.read(&batch);
        seen(&batch);
        table.write(batch).await?;
        // A row that is there is taken first; a wait that is given up loses none.
        let next = tokio::select! {
            biased;
            next = reader.next() => next,
            () = table.wanted() => return Ok(Filled::Waiting),
            () = context.clock.sleep(context.limits.left(open())) => return Ok(Filled::Waiting),
        };
        batch = match next {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(Filled::End),
            Err(error) => return Ok(Filled::Broken(error)),
        };
    }
}
