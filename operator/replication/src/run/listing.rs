//! A pass over all records by Id: Reconcile and Refresh.
//!
//! **Goal.** Whatever was missed for whatever reason is found, named as drift and mended: rows that a permission or a sharing
//! rule showed or hid, changes without a stamp, what somebody did to the table. And a new column gets its values.
//!
//! **The way.** Both go through all live records that meet the condition, in the order of their Ids, stretch by stretch. A
//! *Reconcile* reads Ids and stamps, has the table compared, and settles what is missing or differs. A *Refresh* reads whole rows
//! and merges them, so that only what differs is written. Both have the table note its rows that the stretch lacks. Where
//! a stretch is committed, the state has its last Id, and a pass that is broken off goes on behind it, in this process or
//! another.
//!
//! **Rejected records** that have vanished without a word in Salesforce's log are no rows that could be surplus. The ones
//! that a stretch lacks are settled with it, and their entries go where Salesforce does not have them.
//!
//! **Surplus** is only a candidate: a row may have arrived since its stretch was listed. When the listing is whole, each
//! candidate is settled by Id, and so is each delete that is still held; only then are deletes applied, under the guard.
//!
//! **A Refresh is old news.** Its pages may show a row, and the parent's values in it, as they were before an Incremental
//! wrote them anew, and at equal stamps the table cannot tell. So while one is under way the state keeps the watermark that it
//! began with, and an Incremental and a Verify follow its end from there (design 6.2).
//!
//! **Yielding.** A pass of hours makes room for the Incremental of its own object between two stretches, and goes on by a
//! new query behind its last Id; so it does at its end, where the surplus of a table may take as long.
//!
//! **Rejected.** A table of all Ids listed so far, compared at the end: it is as long as the org is large, and has to survive
//! crashes; candidates are as few as the surplus. Truncating and filling anew, or swapping tables: readers would see an
//! empty table, and views and grants of others would be gone.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Context, Memory, reader::Reader, settle::Segments, verify};
use crate::{
    Result,
    batch::Batch,
    destination::{ColumnInUse, Listed, Load, ObjectTable, StateWrite, Stretch},
    guard::Guard,
    plan::{Deletes, PlanHash},
    progress::Drift,
    soql::Shape,
    state::{Checkpoint, Listing, ListingKind},
};

/// Surplus rows that are looked at at once.
const SURPLUS: u32 = 2000;

/// How a pass ended.
#[derive(Debug)]
pub(crate) enum Passed {
    /// All records were listed, and the table is as they are.
    Done {
        /// What is known now.
        memory: Box<Memory>,
        /// Columns that could not be exchanged.
        in_use: Vec<ColumnInUse>,
    },
    /// It made room for an Incremental and goes on by another call, which is to begin with this rest.
    Yielded(Box<Memory>, Option<Rest>),
}

/// What a pass that has been through all stretches has still to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Pending deletes behind this Id, then the surplus.
    Pending(Option<String>),
    /// Surplus behind this Id.
    Surplus(Option<String>),
}

/// What whoever begins a pass knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begin {
    /// All stretches before the one that it goes on with were compared: by this process, or there were none. Else perhaps not
    /// the last of them, since another process, or an earlier life of this one, was broken off.
    pub(crate) compared: bool,
    /// Salesforce's log does not reach back so far: it takes the place of a Verify.
    pub(crate) beyond: bool,
    /// It made room at its end.
    pub(crate) rest: Option<Rest>,
}

/// Begins a pass of a kind, or goes on with the one that the state has.
///
/// # Errors
/// Salesforce's and the destination's; what was committed stays, and the next call goes on behind it.
pub(crate) async fn run<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    memory: &Memory,
    kind: ListingKind,
    begin: Begin,
) -> Result<Passed> {
    let state = &memory.state;
    let hash = &context.plan.hash.0;
    // One without a last Id is only announced, or there is nothing to list.
    let is_begun = |listing: &Listing| listing.last_id.is_some() || begin.rest.is_some();
    let under_way = state
        .checkpoint
        .listing
        .clone()
        .filter(|listing| listing.kind == kind && listing.plan_hash == *hash && is_begun(listing));
    let rest = begin.rest.clone().filter(|_| under_way.is_some());
    let listing = match under_way {
        Some(listing) => listing,
        None => start(context, kind).await?,
    };
    let former = PlanHash(state.checkpoint.plan_hash.clone());
    let is_stamped = context.plan.stamp.is_some();
    let is_as_before =
        is_stamped && former.condition() == context.plan.hash.condition() && state.checkpoint.reconciled_at.is_some();
    let mut pass = Pass {
        context,
        kind,
        // What changed later is no drift: the next Incremental would have brought it. Nor is anything where there is none. Nor is what enters or leaves by
        // another condition, or what another life of the table has left in it.
        drift_before: memory.watermark.filter(|_| is_as_before),
        verifies: takes_the_place_of_verify(memory, &listing, begin.beyond),
        is_new: state.checkpoint.listing.as_ref() != Some(&listing),
        checkpoint: Checkpoint {
            listing: Some(listing),
            ..state.checkpoint.clone()
        },
    };
    let finished = match kind {
        _ if rest.is_some() => true,
        ListingKind::Reconcile => pass.stamps(table).await?,
        ListingKind::Refresh => pass.rows(table).await?,
    };
    let settled = if finished {
        pass.settle_rest(table, rest.unwrap_or(Rest::Pending(None))).await?
    } else {
        Settled::MakingRoom(None)
    };
    if let Settled::MakingRoom(rest) = settled {
        let known = super::remember(context, table, memory.watermark, memory.verified_until).await?;
        return Ok(Passed::Yielded(Box::new(known), rest));
    }
    let is_whole = kind == ListingKind::Reconcile || begin.compared;
    pass.end(table, memory, is_whole).await
}

/// How far a pass came.
enum Settled {
    /// To its end.
    All,
    /// It makes room.
    MakingRoom(Option<Rest>),
}

async fn start(context: &Context<'_>, kind: ListingKind) -> Result<Listing> {
    let started = context.server_now().await?;
    let covered = match kind {
        ListingKind::Reconcile => verify::covered_before(context, started).await?,
        // A Verify follows it.
        ListingKind::Refresh => None,
    };
    Ok(Listing {
        kind,
        plan_hash: context.plan.hash.0.clone(),
        started,
        covered,
        last_id: None,
    })
}

/// Whether nothing can be verified from where it was verified last.
fn takes_the_place_of_verify(memory: &Memory, listing: &Listing, beyond: bool) -> bool {
    let reached = memory
        .verified_until
        .map(|until| until.duration_until(listing.started).unsigned_abs());
    beyond || reached.is_none_or(|reached| reached >= verify::REACH)
}

/// A pass under way.
struct Pass<'a, 'run> {
    context: &'a Context<'run>,
    kind: ListingKind,
    drift_before: Option<Timestamp>,
    /// Salesforce's log does not reach back to where a Verify would begin, and this takes its place.
    verifies: bool,
    /// The state does not have it yet.
    is_new: bool,
    checkpoint: Checkpoint,
}

impl Pass<'_, '_> {
    fn last_id(&self) -> Option<String> {
        let listing = self.checkpoint.listing.as_ref();
        listing.and_then(|listing| listing.last_id.clone())
    }

    /// The checkpoint behind a stretch.
    fn behind(&self, last_id: Option<String>) -> Checkpoint {
        let mut checkpoint = self.checkpoint.clone();
        if let Some(listing) = &mut checkpoint.listing {
            listing.last_id = last_id.or_else(|| listing.last_id.take());
        }
        checkpoint
    }

    /// Ids and stamps, compared and settled. `false` where it makes room.
    async fn stamps<T: ObjectTable>(&mut self, table: &mut T) -> Result<bool> {
        let context = self.context;
        let shape = Shape::listing(context.plan);
        let (id, stamp) = (shape.id, shape.stamp);
        let mut reader = Reader::of_live_rows(context, shape, self.last_id());
        loop {
            let mut listed = Vec::new();
            let mut ended = true;
            let begun = context.clock.monotonic();
            while let Some(batch) = reader.next().await? {
                context.read(&batch);
                listed.extend(rows_of(&batch, id, stamp));
                if self.is_long(listed.len(), 0, begun) {
                    ended = false;
                    break;
                }
            }
            let last = listed.last().map(|listed: &Listed| listed.id.clone());
            let until = if ended { None } else { last.clone() };
            let after = self.last_id();
            let wanted = self
                .compare(table, &listed, (after.as_deref(), until.as_deref()))
                .await?;
            drop(listed);
            let mut segments = Segments::new(context, table, Load::Overwrite);
            segments.settle(&self.checkpoint, &wanted).await?;
            let behind = self.behind(last);
            segments.commit_state(&behind).await?;
            self.checkpoint = behind;
            if ended {
                return Ok(true);
            }
            context.pause().await?;
            if context.must_yield() {
                return Ok(false);
            }
        }
    }

    /// Whole rows, merged. `false` where it makes room.
    async fn rows<T: ObjectTable>(&mut self, table: &mut T) -> Result<bool> {
        let context = self.context;
        if self.is_new {
            // From here on the state's watermark stays.
            let mut segments = Segments::new(context, table, Load::Merge);
            segments.commit_state(&self.checkpoint).await?;
        }
        let shape = Arc::clone(&context.whole);
        let (id, stamp) = (shape.id, shape.stamp);
        let mut reader = Reader::of_live_rows(context, shape, self.last_id());
        loop {
            let mut segments = Segments::new(context, table, Load::Merge);
            let (mut listed, mut bytes): (Vec<Listed>, usize) = (Vec::new(), 0);
            let mut ended = true;
            let begun = context.clock.monotonic();
            while let Some(batch) = segments.next(&mut reader, &self.checkpoint).await? {
                listed.extend(rows_of(&batch, id, stamp));
                bytes = bytes.saturating_add(batch.bytes());
                segments.write(batch).await?;
                if self.is_long(listed.len(), bytes, begun) {
                    ended = false;
                    break;
                }
            }
            let last = listed.last().map(|listed| listed.id.clone());
            let until = if ended { None } else { last.clone() };
            // The place moves when the stretch is compared too: who is broken off in between reads it again, and else its
            // surplus would never be found.
            segments.commit(&self.checkpoint).await?;
            self.count_missing(segments.inserted(), &listed);
            let after = self.last_id();
            let mut wanted = self
                .compare(table, &listed, (after.as_deref(), until.as_deref()))
                .await?;
            wanted.sort_unstable();
            // Rows that are newer here than in the answer, since somebody changed them or the answer is old.
            let mut segments = Segments::new(context, table, Load::Overwrite);
            segments.settle(&self.checkpoint, &wanted).await?;
            let behind = self.behind(last);
            segments.commit_state(&behind).await?;
            self.checkpoint = behind;
            if ended {
                return Ok(true);
            }
            context.pause().await?;
            if context.must_yield() {
                return Ok(false);
            }
        }
    }

    /// Rows that a Refresh has inserted were missing, apart from those that are younger than the last Incremental.
    fn count_missing(&self, inserted: u64, listed: &[Listed]) {
        let Some(before) = self.drift_before else { return };
        let young = listed.iter().filter(|listed| listed.stamp >= before).count();
        self.context.drifted(Drift {
            missing: inserted.saturating_sub(u64::try_from(young).unwrap_or(u64::MAX)),
            ..Drift::default()
        });
    }

    /// Whether a stretch has to end.
    fn is_long(&self, rows: usize, bytes: usize, begun: Duration) -> bool {
        let open = self.context.clock.monotonic().saturating_sub(begun);
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.context.limits.is_full(rows, bytes, open)
    }

    /// Has a stretch compared; gives the Ids that are to be read.
    async fn compare<T: ObjectTable>(
        &self,
        table: &mut T,
        listed: &[Listed],
        (after, until): (Option<&str>, Option<&str>),
    ) -> Result<Vec<String>> {
        let stretch = Stretch { after, until, listed };
        let differences = table.compare(stretch).await?;
        let is_drift = |id: &&String| {
            let found = listed.binary_search_by(|row| row.id.as_str().cmp(id));
            let stamp = found.ok().and_then(|index| listed.get(index)).map(|row| row.stamp);
            stamp
                .zip(self.drift_before)
                .is_some_and(|(stamp, before)| stamp < before)
        };
        let count = |ids: &[String]| u64::try_from(ids.iter().filter(is_drift).count()).unwrap_or(u64::MAX);
        self.context.drifted(Drift {
            missing: count(&differences.missing),
            differing: count(&differences.differing),
            surplus: 0,
        });
        let mut wanted = differences.missing;
        wanted.extend(differences.differing);
        if self.kind == ListingKind::Reconcile {
            // A Refresh writes all of them, and what needed no write is counted there.
            let unchanged = listed.len().saturating_sub(wanted.len());
            let unchanged = u64::try_from(unchanged).unwrap_or(u64::MAX);
            self.context.destination.unchanged(self.context.object(), unchanged);
        }
        wanted.extend(differences.vanished);
        Ok(wanted)
    }

    /// What follows when all is settled: deletes, columns, the state.
    async fn end<T: ObjectTable>(mut self, table: &mut T, memory: &Memory, is_whole: bool) -> Result<Passed> {
        let context = self.context;
        let in_use = match self.kind {
            ListingKind::Refresh => table.settle_columns().await?,
            ListingKind::Reconcile => Vec::new(),
        };
        let now = context.clock.now();
        let listing = self.checkpoint.listing.take();
        let hash = &context.plan.hash;
        let former = PlanHash(self.checkpoint.plan_hash.clone());
        // Stamps say nothing of what rows look like: where that has changed too, a Refresh is still to come.
        let is_as_planned = self.kind == ListingKind::Refresh || former.rows() == hash.rows();
        let mut checkpoint = Checkpoint {
            plan_hash: if is_as_planned { hash.0.clone() } else { former.0 },
            checked_at: Some(now),
            ..self.checkpoint
        };
        match self.kind {
            ListingKind::Reconcile => {
                let covered = listing.and_then(|listing| listing.covered.map(|covered| covered.min(listing.started)));
                if context.plan.links.is_empty() {
                    checkpoint.verified_until = covered.max(checkpoint.verified_until);
                } else if self.verifies {
                    // Stamps say nothing of parents that committed late, and their log was not read.
                    checkpoint.verified_until = covered;
                    checkpoint.refreshed_at = None;
                }
                checkpoint.reconciled_at = Some(now);
            }
            ListingKind::Refresh => {
                checkpoint.refreshed_at = Some(now);
                // Where a stretch may not have been compared, a Reconcile has to follow.
                checkpoint.reconciled_at = if is_whole { Some(now) } else { None };
                if context.plan.stamp.is_none() {
                    // Nothing else tells up to when the rows are right.
                    checkpoint.watermark = listing.map(|listing| listing.started).max(checkpoint.watermark);
                }
            }
        }
        let mut segments = Segments::new(context, table, Load::Overwrite);
        let guard = Guard {
            max_percent: context.max_delete_percent,
            found_since: None,
        };
        segments.finish(&checkpoint, guard, StateWrite::Counted).await?;
        let (watermark, verified_until) = match self.kind {
            ListingKind::Reconcile if self.verifies => (memory.watermark, checkpoint.verified_until),
            ListingKind::Reconcile => (memory.watermark, checkpoint.verified_until.max(memory.verified_until)),
            ListingKind::Refresh => (checkpoint.watermark, checkpoint.verified_until),
        };
        let memory = super::remember(context, table, watermark, verified_until).await?;
        Ok(Passed::Done {
            memory: Box::new(memory),
            in_use,
        })
    }

    /// Settles what may leave.
    async fn settle_rest<T: ObjectTable>(&self, table: &mut T, mut rest: Rest) -> Result<Settled> {
        if self.context.plan.deletes == Deletes::Ignore {
            return Ok(Settled::All);
        }
        let mut segments = Segments::new(self.context, table, Load::Overwrite);
        loop {
            rest = match rest {
                // Before the surplus is noted beside them, which needs no second look.
                Rest::Pending(after) => match segments.settle_some_pending(&self.checkpoint, after.as_deref()).await? {
                    Some(last) => Rest::Pending(Some(last)),
                    None => Rest::Surplus(None),
                },
                Rest::Surplus(after) => match self.settle_some_surplus(&mut segments, after.as_deref()).await? {
                    Some(last) => Rest::Surplus(Some(last)),
                    None => return Ok(Settled::All),
                },
            };
            if self.context.must_yield() {
                return Ok(Settled::MakingRoom(Some(rest)));
            }
        }
    }

    /// Settles noted surplus behind an Id; gives the last of it, nothing where there is none.
    async fn settle_some_surplus<T: ObjectTable>(
        &self,
        segments: &mut Segments<'_, '_, T>,
        after: Option<&str>,
    ) -> Result<Option<String>> {
        let ids = segments.table().surplus(after, SURPLUS).await?;
        let Some(last) = ids.last().cloned() else {
            return Ok(None);
        };
        let noted = pending_until(segments.table(), after, &last).await?;
        let ids: Vec<String> = ids.into_iter().filter(|id| !noted.contains(id)).collect();
        let settled = segments.settle(&self.checkpoint, &ids).await?;
        segments.commit(&self.checkpoint).await?;
        self.context.drifted(Drift {
            surplus: if self.drift_before.is_some() { settled.left } else { 0 },
            ..Drift::default()
        });
        Ok(Some(last))
    }
}

/// The Ids of pending deletes behind one Id and up to another.
async fn pending_until<T: ObjectTable>(table: &mut T, after: Option<&str>, until: &str) -> Result<BTreeSet<String>> {
    let mut noted = BTreeSet::new();
    let mut after = after.map(str::to_owned);
    loop {
        let ids = table.pending(after.as_deref(), SURPLUS).await?;
        let Some(last) = ids.last().cloned() else { break };
        let is_beyond = last.as_str() >= until;
        noted.extend(ids);
        if is_beyond {
            break;
        }
        after = Some(last);
    }
    Ok(noted)
}

/// The records of a batch as a listing has them. One without a readable stamp differs from every row.
fn rows_of(batch: &Batch, id: usize, stamp: Option<usize>) -> impl Iterator<Item = Listed> + '_ {
    (0..batch.rows()).filter_map(move |row| {
        Some(Listed {
            id: batch.get(row, id)?.to_owned(),
            stamp: stamp
                .and_then(|stamp| batch.moment(row, stamp))
                .unwrap_or(Timestamp::MIN),
        })
    })
}
