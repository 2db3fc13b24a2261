//! Incremental: what changed since the watermark.
//!
//! Parents first ([`linked`]), then one query for changes, deleted records among them, in the order of their stamps. Where
//! it gives nothing, the run has cost one call, and one for each type of parent, and nothing is written; where it gives only what
//! the overlap reads again, nothing is written either, which the table finds out. See [`watermark`] for where a run begins
//! and how its mark moves.
//!
//! **With a condition** (design 6.6) the query gives the Ids of *all* changed records, whether or not they meet it, and each
//! of them is settled: read again by Id with the condition, so that a row which no longer meets it leaves and one which
//! now does arrives, in one pass. The order matters: a record that begins to meet it between the two reads stays. The watermark
//! moves only when all of them are settled.
//!
//! **While a Refresh is under way** the state keeps the watermark that it began with, and the mark lives in memory alone:
//! a page of the Refresh that was read before a change may come to be written after it (design 6.2).
//!
//! Deletes that an earlier run noted and did not apply, since it was broken off or the guard held them, are looked at again
//! before they go: see [`settle`].

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Context, Memory, linked,
    reader::Reader,
    segment::{self, Filled},
    settle::{self, Segments},
    watermark::{self, Mark},
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::{Deletions, Load, ObjectTable, StateWrite},
    guard::Guard,
    plan::ObjectPlan,
    soql::Shape,
    state::{Checkpoint, ListingKind, State},
};

/// Brings the table up to the moment at which the run began. `memory` is the state with what earlier runs of this process
/// know beyond it; `from` is where it begins.
///
/// # Errors
/// Salesforce's and the destination's; what was committed stays and the next run goes on from there.
pub(crate) async fn run<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    memory: &Memory,
    from: Timestamp,
) -> Result<Memory> {
    let state = &memory.state;
    let query_start = context.server_now().await?;
    let settled = watermark::settled_before(query_start, context.overlap);
    let believed = watermark::begin(from, memory.verified_until, query_start, context.overlap);
    if believed < from {
        tracing::warn!(
            object = %context.object(),
            "the watermark lies ahead of Salesforce's clock, which was wrong for a while: changes are read from where the table is verified"
        );
    }
    let from = believed;
    let mark = Mark::new(from, query_start, settled);
    let reached = mark.complete();
    let since = watermark::lower_bound(from, context.overlap);
    let frozen = is_frozen(state);
    let checkpoint = Checkpoint {
        watermark: if frozen {
            state.checkpoint.watermark.map(|frozen| frozen.min(from))
        } else {
            Some(from)
        },
        query_start: None,
        ..state.checkpoint.clone()
    };
    let guard = settle::guard(context, table, state).await?;
    let wrote_linked = linked::changed_since(context, table, &checkpoint, since, settled).await?;
    let begun = Begun {
        checkpoint,
        mark,
        guard,
        frozen,
        applies: wrote_linked || guard.found_since.is_none(),
    };
    let wrote = match &context.plan.condition {
        None => changes(context, table, since, begun).await?,
        Some(_) => filtered(context, table, since, begun).await?,
    };
    let known = match wrote {
        Wrote::Nothing => Memory {
            watermark: Some(reached),
            ..memory.clone()
        },
        Wrote::Perhaps => super::remember(context, table, Some(reached), memory.verified_until).await?,
    };
    if known.state.checkpoint.watermark == known.watermark {
        return Ok(known);
    }
    touch(context, table, known, reached).await
}

/// A run that has begun.
struct Begun {
    checkpoint: Checkpoint,
    mark: Mark,
    guard: Guard,
    /// The state's watermark does not move.
    frozen: bool,
    /// Deletes may be waiting for the last segment although no row comes.
    applies: bool,
}

enum Wrote {
    Nothing,
    Perhaps,
}

impl Begun {
    /// The checkpoint when the mark is at `watermark`.
    fn at(&self, watermark: Timestamp, checked_at: Option<Timestamp>) -> Checkpoint {
        Checkpoint {
            watermark: if self.frozen {
                self.checkpoint.watermark
            } else {
                Some(watermark)
            },
            checked_at: checked_at.or(self.checkpoint.checked_at),
            ..self.checkpoint.clone()
        }
    }
}

/// Whether the state's watermark has to stay where it is.
pub(crate) fn is_frozen(state: &State) -> bool {
    let listing = state.checkpoint.listing.as_ref();
    listing.is_some_and(|listing| listing.kind == ListingKind::Refresh)
}

/// All changed rows, whole, in the order of their stamps.
async fn changes<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    since: Timestamp,
    mut begun: Begun,
) -> Result<Wrote> {
    let settled = begun.mark.settled();
    let mut reader = Reader::of_changes(context, Arc::clone(&context.whole), since, settled);
    let mut next = reader.next().await?;
    if next.is_none() && !begun.applies {
        return Ok(Wrote::Nothing);
    }
    loop {
        let mut waiting = false;
        table.begin(Load::Merge).await?;
        let filled = match next.take() {
            Some(batch) => {
                let mark = &mut begun.mark;
                let seen = |batch: &Batch| see(mark, context.plan, batch);
                segment::fill(context, table, &mut reader, batch, seen).await?
            }
            None => Filled::End,
        };
        let broken: Option<Error> = match filled {
            Filled::End => {
                let checkpoint = begun.at(begun.mark.complete(), Some(context.clock.now()));
                commit(context, table, &checkpoint, Deletions::Apply(begun.guard)).await?;
                return Ok(Wrote::Perhaps);
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
        let checkpoint = begun.at(begun.mark.so_far(), None);
        commit(context, table, &checkpoint, Deletions::Keep).await?;
        if let Some(error) = broken {
            return Err(error);
        }
        if waiting {
            next = reader.next().await?;
        }
    }
}

/// The Ids of all changed records, each settled with the condition.
async fn filtered<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    since: Timestamp,
    begun: Begun,
) -> Result<Wrote> {
    let stamps = Shape::stamps(context.plan);
    let (id, settled) = (stamps.id, begun.mark.settled());
    let mut reader = Reader::of_changes(context, stamps, since, settled);
    let mut segments = Segments::new(context, table, Load::Overwrite);
    let mut found = false;
    while let Some(batch) = segments.next(&mut reader, &begun.checkpoint).await? {
        found = true;
        let mut ids = ids_of(&batch, id);
        // Its permit goes back before the rows themselves are read.
        drop(batch);
        ids.sort_unstable();
        ids.dedup();
        segments.settle(&begun.checkpoint, &ids).await?;
    }
    if !found && !begun.applies {
        return Ok(Wrote::Nothing);
    }
    let checkpoint = begun.at(begun.mark.complete(), Some(context.clock.now()));
    segments.finish(&checkpoint, begun.guard, StateWrite::WithRows).await?;
    Ok(Wrote::Perhaps)
}

/// The Ids of a batch.
pub(crate) fn ids_of(batch: &Batch, id: usize) -> Vec<String> {
    (0..batch.rows())
        .filter_map(|row| batch.get(row, id).map(str::to_owned))
        .collect()
}

/// Commits the open segment.
async fn commit<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    checkpoint: &Checkpoint,
    deletions: Deletions,
) -> Result<()> {
    let now = context.clock.now();
    let counts = table.commit(checkpoint, deletions, StateWrite::WithRows, now).await?;
    if !counts.is_empty() {
        context.committed(counts);
    }
    Ok(())
}

/// Ends a run whose watermark the state does not have: now and then it is told that all is well.
async fn touch<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    mut known: Memory,
    watermark: Timestamp,
) -> Result<Memory> {
    let now = context.clock.now();
    let frozen = is_frozen(&known.state);
    let checkpoint = &mut known.state.checkpoint;
    let stays = frozen && checkpoint.watermark <= Some(watermark);
    let written = if stays { Some(watermark) } else { checkpoint.watermark };
    if watermark::is_touch_due(written, watermark, checkpoint.checked_at, now) {
        if !stays {
            checkpoint.watermark = Some(watermark);
        }
        checkpoint.checked_at = Some(now);
        table.touch(checkpoint, now).await?;
    }
    Ok(known)
}

/// Shows the mark the stamps of a batch.
fn see(mark: &mut Mark, plan: &ObjectPlan, batch: &Batch) {
    for row in 0..batch.rows() {
        mark.see(plan.stamp.and_then(|stamp| batch.moment(row, stamp)));
    }
}
