//! Initial: all live rows, for the first time.
//!
//! Rows come in the order of their Ids and are committed segment by segment with the last Id, so a load that was
//! broken off goes on behind it, in the same process or in another. The first query's start is kept across all resumes:
//! it becomes the watermark, so that the first Incremental sees whatever changed while the load went on, be it days.
//!
//! Rows go straight into a table that was empty. Where a row turns out to be there already, the segment is read again
//! through the guard, and so is the rest: a table is filled from somewhere else, and the guard is right for any row.
//!
//! The place to go on is worth what the table holds. Where the table turns out to be empty, since somebody dropped or
//! emptied it meanwhile, the load begins at the first Id.
//!
//! So it does where the plan has changed meanwhile: its rows are of another plan, and the table is made anew.
//!
//! The indexes are built when all rows are in, and before the state says `Live`: a crash in between leaves the phase at
//! `Initial`, reads no row again and builds what is missing.

use std::sync::Arc;

use crate::{
    Error, Result,
    batch::Batch,
    destination::{Contents, Deletions, Load, ObjectTable, StateWrite, UnbuiltIndex},
    guard::Guard,
    run::{Context, Memory, reader::Reader, segment, verify},
    state::{Checkpoint, Phase, State},
};

/// Loads the object, from its beginning or from where its state says.
///
/// Gives what is known then, and the indexes that the database refuses.
///
/// # Errors
/// Salesforce's and the destination's; what was committed stays and the next call goes on behind it.
pub(crate) async fn run<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    state: Option<&State>,
) -> Result<(Memory, Vec<UnbuiltIndex>)> {
    let hash = &context.plan.hash.0;
    let begun = state.map(|state| &state.checkpoint);
    let mut checkpoint = begun
        .filter(|begun| begun.phase == Phase::Initial && begun.plan_hash == *hash)
        .cloned()
        .unwrap_or_else(|| Checkpoint {
            phase: Phase::Initial,
            plan_hash: hash.clone(),
            query_start: None,
            watermark: None,
            last_id: None,
            checked_at: None,
            verified_until: None,
            reconciled_at: None,
            refreshed_at: None,
            listing: None,
        });
    if checkpoint.query_start.is_none() {
        first_query(context, &mut checkpoint).await?;
    }
    let contents = table.create(&checkpoint, context.clock.now()).await?;
    if contents == Contents::Empty && checkpoint.last_id.is_some() {
        let object = context.object();
        tracing::warn!(%object, "the rows that were loaded before are gone, the load begins anew");
        checkpoint.last_id = None;
        first_query(context, &mut checkpoint).await?;
    }
    // Rows of another life may be some that Salesforce has no more, or look otherwise. A load that began with them says so
    // to the end of it, across all resumes, and a Refresh and a Reconcile are due at once.
    if checkpoint.last_id.is_none() {
        let alone = (contents == Contents::Empty).then(|| context.clock.now());
        (checkpoint.reconciled_at, checkpoint.refreshed_at) = (alone, alone);
    }
    // Rows behind the last Id that was committed cannot be there yet.
    let load = match contents {
        Contents::Empty => Load::Direct,
        Contents::Rows if checkpoint.last_id.is_some() => Load::Direct,
        Contents::Rows => Load::Merge,
    };
    match load_rows(context, table, &mut checkpoint, load).await {
        Err(Error::RowsExist { object }) if load == Load::Direct => {
            tracing::info!(%object, "rows are in the table already, the rest of the load is merged");
            table.rollback().await?;
            (checkpoint.reconciled_at, checkpoint.refreshed_at) = (None, None);
            load_rows(context, table, &mut checkpoint, Load::Merge).await?;
        }
        loaded => loaded?,
    }
    let unbuilt = context.tally.patiently(table.build_indexes()).await?;

    let now = context.clock.now();
    let query_start = checkpoint.query_start;
    checkpoint = Checkpoint {
        phase: Phase::Live,
        query_start: None,
        watermark: query_start,
        last_id: None,
        checked_at: Some(now),
        reconciled_at: checkpoint.reconciled_at.map(|_| now),
        refreshed_at: checkpoint.refreshed_at.map(|_| now),
        ..checkpoint
    };
    let guard = Guard {
        max_percent: context.max_delete_percent,
        found_since: None,
    };
    table.begin(Load::Merge).await?;
    let counts = table
        .commit(&checkpoint, Deletions::Apply(guard), StateWrite::Always, now)
        .await?;
    if !counts.is_empty() {
        context.committed(counts);
    }
    let memory = super::remember(context, table, query_start, checkpoint.verified_until).await?;
    Ok((memory, unbuilt))
}

/// Looks at Salesforce's clock, and at what is visible, before the first query (design 6.4): a transaction that is open now
/// commits rows which no query of this load may see.
async fn first_query(context: &Context<'_>, checkpoint: &mut Checkpoint) -> Result<()> {
    let query_start = context.server_now().await?;
    checkpoint.query_start = Some(query_start);
    checkpoint.verified_until = verify::covered_before(context, query_start).await?;
    Ok(())
}

/// Reads and commits segments until there are no more rows.
async fn load_rows<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    checkpoint: &mut Checkpoint,
    load: Load,
) -> Result<()> {
    let mut reader = Reader::of_live_rows(context, Arc::clone(&context.whole), checkpoint.last_id.clone());
    let mut next = reader.next().await?;
    while let Some(batch) = next.take() {
        table.begin(load).await?;
        let mut last_id = None;
        let seen = |batch: &Batch| {
            last_id = batch
                .get(batch.rows().saturating_sub(1), context.plan.id)
                .map(str::to_owned);
        };
        let filled = segment::fill(context, table, &mut reader, batch, seen).await?;
        // Only what is committed moves the checkpoint: rows that are there already may show at the commit, and then the
        // segment is read again.
        let moved = Checkpoint {
            last_id: last_id.or_else(|| checkpoint.last_id.clone()),
            ..checkpoint.clone()
        };
        let counts = table
            .commit(&moved, Deletions::Keep, StateWrite::Always, context.clock.now())
            .await?;
        *checkpoint = moved;
        context.committed(counts);
        match filled {
            segment::Filled::Full(batch) => next = Some(batch),
            segment::Filled::Waiting => next = reader.next().await?,
            segment::Filled::End => {}
            segment::Filled::Broken(error) => return Err(error),
        }
        context.pause().await?;
        if next.is_some() {
            context.within_budget()?;
        }
    }
    Ok(())
}
