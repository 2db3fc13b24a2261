//! Incremental: what changed since the watermark.
//!
//! One query for changes, deleted records among them, in the order of their stamps. Where it gives nothing, the run has
//! cost one call and nothing is written; where it gives only what the overlap reads again, nothing is written either,
//! which the table finds out. See [`watermark`] for where a run begins and how its mark moves.
//!
//! A segment that another one follows leaves the run's `query_start` in the state where it writes anything, and then the
//! last one takes it out. So a state
//! with a `query_start` in phase `Live` tells that a run was broken off, and that deletes may be pending which it found:
//! the next run's last segment is then committed even if it found nothing.

use jiff::Timestamp;

use crate::{
    Error, Result,
    batch::Batch,
    destination::{Deletions, Load, ObjectTable, StateWrite},
    plan::ObjectPlan,
    run::{
        Context, Memory,
        reader::Reader,
        segment::{self, Filled},
        watermark::{self, Mark},
    },
    state::{Checkpoint, State},
};

/// Brings the table up to the moment at which the run began. `from` is the watermark that the run before carried here,
/// else the state's.
///
/// # Errors
/// Salesforce's and the destination's; what was committed stays and the next run goes on from there.
pub(crate) async fn run<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    state: &State,
    from: Timestamp,
) -> Result<Memory> {
    let query_start = context.server_now().await?;
    let settled = watermark::settled_before(query_start, context.overlap);
    let mut mark = Mark::new(from, query_start, settled);
    let since = watermark::lower_bound(from, context.overlap);
    let mut reader = Reader::of_changes(context, since, settled);
    let mut next = reader.next().await?;
    let unfinished = state.checkpoint.query_start.is_some();
    if next.is_none() && !unfinished {
        return touch(context, table, state.clone(), mark.complete()).await;
    }

    let mut checkpoint = Checkpoint {
        watermark: Some(from),
        ..state.checkpoint.clone()
    };
    let mut write = if unfinished {
        StateWrite::Always
    } else {
        StateWrite::WithRows
    };
    loop {
        let mut waiting = false;
        table.begin(Load::Merge).await?;
        let filled = match next.take() {
            Some(batch) => {
                let seen = |batch: &Batch| see(&mut mark, context.plan, batch);
                segment::fill(context, table, &mut reader, batch, seen).await?
            }
            None => Filled::End,
        };
        let now = context.clock.now();
        let broken: Option<Error> = match filled {
            Filled::End => {
                checkpoint.query_start = None;
                checkpoint.watermark = Some(mark.complete());
                checkpoint.checked_at = Some(now);
                commit(context, table, &checkpoint, Deletions::Apply, write).await?;
                break;
            }
            Filled::Full(batch) => {
                next = Some(batch);
                None
            }
            Filled::Waiting => {
                waiting = true;
                None
            }
            Filled::Broken(error) => Some(error),
        };
        checkpoint.query_start = Some(query_start);
        checkpoint.watermark = Some(mark.so_far());
        commit(context, table, &checkpoint, Deletions::Keep, StateWrite::WithRows).await?;
        if let Some(error) = broken {
            return Err(error);
        }
        if table.has_written_state() {
            // This segment has left its query_start in the state.
            write = StateWrite::Always;
        }
        if waiting {
            next = reader.next().await?;
        }
    }
    let memory = super::remember(context, table, Some(mark.complete())).await?;
    if memory.state.checkpoint.watermark == memory.watermark {
        return Ok(memory);
    }
    touch(context, table, memory.state, mark.complete()).await
}

/// Commits the open segment.
async fn commit<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    checkpoint: &Checkpoint,
    deletions: Deletions,
    write: StateWrite,
) -> Result<()> {
    let counts = table.commit(checkpoint, deletions, write, context.clock.now()).await?;
    if !counts.is_empty() {
        context.committed(counts);
    }
    Ok(())
}

/// Ends a run that wrote nothing: now and then the state is told that all is well.
async fn touch<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    mut state: State,
    watermark: Timestamp,
) -> Result<Memory> {
    let now = context.clock.now();
    if watermark::is_touch_due(state.checkpoint.watermark, watermark, state.checkpoint.checked_at, now) {
        state.checkpoint.watermark = Some(watermark);
        state.checkpoint.checked_at = Some(now);
        table.touch(&state.checkpoint, now).await?;
    }
    Ok(Memory {
        state,
        watermark: Some(watermark),
    })
}

/// Shows the mark the stamps of a batch.
fn see(mark: &mut Mark, plan: &ObjectPlan, batch: &Batch) {
    for row in 0..batch.rows() {
        mark.see(batch.moment(row, plan.stamp));
    }
}
