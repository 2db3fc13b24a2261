//! What an object's state and plan ask for.
//!
//! Pure: the state as the destination has it, what this process knows beyond it, the plan and the time. So it is the same after
//! a restart as before, and a table of cases shows it.

use std::time::Duration;

use jiff::Timestamp;

use super::turn::Turn;
use crate::{
    Error, Result,
    plan::{ObjectPlan, PlanHash, VerifyBy},
    progress::RunKind,
    run::{Memory, listing::Begin, verify},
    state::{ListingKind, Phase, State},
};

/// A run that is needed, and where it begins.
#[derive(Debug)]
pub(super) enum Need {
    Initial(Option<State>),
    Incremental {
        memory: Memory,
        from: Timestamp,
    },
    Verify {
        memory: Memory,
        from: Timestamp,
    },
    Listing {
        memory: Memory,
        kind: ListingKind,
    },
    /// No first run, but perhaps long ones.
    Long(Memory),
    Nothing,
}

/// The time on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Timestamp,
    /// Salesforce's.
    pub(super) server: Timestamp,
}

impl Need {
    pub(super) fn kind(&self) -> RunKind {
        match self {
            Self::Initial(_) => RunKind::Initial,
            Self::Incremental { .. } | Self::Long(_) | Self::Nothing => RunKind::Incremental,
            Self::Verify { .. } => RunKind::Verify,
            Self::Listing { kind, .. } => match kind {
                ListingKind::Reconcile => RunKind::Reconcile,
                ListingKind::Refresh => RunKind::Refresh,
            },
        }
    }
}

/// The first run of a turn.
///
/// # Errors
/// [`Error::SchemaConflict`] where the state contradicts itself.
pub(super) fn first(turn: &Turn, state: Option<State>) -> Result<Need> {
    let Some(state) = state else {
        return Ok(Need::Initial(None));
    };
    if state.table_name != turn.plan.table.as_str() {
        // Into the new table; the other one is retired.
        return Ok(Need::Initial(None));
    }
    if state.checkpoint.phase == Phase::Initial {
        return Ok(Need::Initial(Some(state)));
    }
    let memory = merged(turn.known.as_ref().map(|known| &known.memory), state);
    match turn.asked {
        Some(RunKind::Initial) => Ok(Need::Nothing),
        Some(RunKind::Verify | RunKind::Reconcile | RunKind::Refresh) => Ok(Need::Long(memory)),
        Some(RunKind::Incremental) | None => of(RunKind::Incremental, &turn.plan, &memory),
    }
}

/// The state with what this process knows beyond it. That counts only under the epoch that it was learned under: after
/// another process has written, what is in the destination is the truth (design 6.9).
pub(super) fn merged(known: Option<&Memory>, state: State) -> Memory {
    let known = known
        .filter(|memory| memory.state.epoch == state.epoch)
        // A Refresh that came to its end without our knowing: what it wrote may be older than what was there, and only what
        // the state says is read again (design 6.2).
        .filter(|memory| memory.state.checkpoint.refreshed_at == state.checkpoint.refreshed_at);
    Memory {
        watermark: known
            .and_then(|memory| memory.watermark)
            .max(state.checkpoint.watermark),
        verified_until: known
            .and_then(|memory| memory.verified_until)
            .max(state.checkpoint.verified_until),
        state,
    }
}

/// A run of a kind over a complete table.
///
/// # Errors
/// [`Error::SchemaConflict`] where the state says that the table is complete, and not as of when.
pub(super) fn of(kind: RunKind, plan: &ObjectPlan, memory: &Memory) -> Result<Need> {
    let memory = memory.clone();
    let refreshing = memory.state.checkpoint.listing.as_ref();
    let refreshing = refreshing.is_some_and(|listing| listing.kind == ListingKind::Refresh);
    Ok(match kind {
        RunKind::Initial => Need::Initial(None),
        RunKind::Incremental => match memory.watermark {
            Some(from) => Need::Incremental { memory, from },
            None => {
                return Err(Error::SchemaConflict {
                    message: format!(
                        "{}: its state says that it is complete, and not as of when; have the object loaded anew: drop its \
                         table and delete the row with object = '{}' from _replication_state",
                        plan.object, plan.object
                    ),
                });
            }
        },
        RunKind::Verify => match (memory.verified_until, plan.verify_by) {
            (Some(from), VerifyBy::Log) => Need::Verify { memory, from },
            // Nothing was ever verified, or cannot be by the log.
            (None, VerifyBy::Log) | (_, VerifyBy::Listing) => return of(RunKind::Reconcile, plan, &memory),
        },
        // A Refresh that was broken off compares everything too, and until it is complete its rows may be old.
        RunKind::Reconcile if !refreshing => Need::Listing {
            kind: ListingKind::Reconcile,
            memory,
        },
        RunKind::Reconcile | RunKind::Refresh => Need::Listing {
            kind: ListingKind::Refresh,
            memory,
        },
    })
}

/// Which run makes the rows of a complete table as the plan has them, where they are not (design 6.8).
pub(super) fn change(plan: &ObjectPlan, state: &State) -> Option<RunKind> {
    let listing = state.checkpoint.listing.as_ref();
    // Rows of a listing for a plan that was given up are in the table.
    let is_mixed =
        listing.is_some_and(|listing| listing.kind == ListingKind::Refresh && listing.plan_hash != plan.hash.0);
    let former = listing.map(|listing| &listing.plan_hash).into_iter();
    let former: Vec<PlanHash> = former
        .chain([&state.checkpoint.plan_hash])
        .map(|hash| PlanHash(hash.clone()))
        .collect();
    if is_mixed || former.iter().any(|former| former.rows() != plan.hash.rows()) {
        Some(RunKind::Refresh)
    } else if former.iter().any(|former| former.condition() != plan.hash.condition()) {
        Some(RunKind::Reconcile)
    } else {
        None
    }
}

/// The listing that makes the rows as the plan has them.
pub(super) fn listing(plan: &ObjectPlan, state: &State) -> Option<ListingKind> {
    match change(plan, state)? {
        RunKind::Refresh => Some(ListingKind::Refresh),
        RunKind::Reconcile | RunKind::Verify | RunKind::Incremental | RunKind::Initial => Some(ListingKind::Reconcile),
    }
}

/// Whether this process knows what was compared by the listing under way.
pub(super) fn begin(plan: &ObjectPlan, memory: &Memory) -> Begin {
    let listing = memory.state.checkpoint.listing.as_ref();
    let is_resumed = listing.is_some_and(|listing| listing.plan_hash == plan.hash.0 && listing.last_id.is_some());
    if is_resumed { Begin::Unknown } else { Begin::Known }
}

/// Whether the table has to be made as the plan has it, before a run writes to it.
pub(super) fn must_adapt(plan: &ObjectPlan, state: &State) -> bool {
    let is_here = state.table_name == plan.table.as_str() && state.checkpoint.phase == Phase::Live;
    let listing = state.checkpoint.listing.as_ref();
    let is_adapted = listing.is_some_and(|listing| listing.plan_hash == plan.hash.0);
    is_here && !is_adapted && change(plan, state).is_some()
}

/// The next of the long kinds that are due and were not `tried` by this turn. `verified_at` is when this process tried a
/// Verify last, wall clock: a transaction that stays open keeps what is covered where it is.
pub(super) fn long(
    plan: &ObjectPlan,
    memory: &Memory,
    (tried, verified_at): (&[RunKind], Option<Timestamp>),
    now: Now,
) -> Option<RunKind> {
    let state = &memory.state;
    let change = change(plan, state);
    let under_way = state
        .checkpoint
        .listing
        .as_ref()
        .filter(|listing| listing.plan_hash == plan.hash.0)
        .map(|listing| listing.kind);
    let is_due = |last: Option<Timestamp>, period: Option<Duration>, now: Timestamp| {
        period.is_some_and(|period| last.is_none_or(|last| since(last, now) >= period))
    };
    // What never was is needed, however seldom it is wanted: rows of another life may be in the table.
    let is_needed =
        |last: Option<Timestamp>, period: Option<Duration>| last.is_none() || is_due(last, period, now.wall);
    let periods = plan.periods;
    let refresh = change == Some(RunKind::Refresh)
        || under_way == Some(ListingKind::Refresh)
        || is_needed(state.checkpoint.refreshed_at, periods.refresh);
    let is_verified = match plan.verify_by {
        VerifyBy::Log => memory
            .verified_until
            .is_some_and(|until| until > now.server || since(until, now.server) < verify::REACH),
        VerifyBy::Listing => false,
    };
    let verify = is_verified
        && is_due(memory.verified_until, periods.verify, now.server)
        && is_due(verified_at, periods.verify, now.wall);
    // Where the log cannot tell, comparing everything takes the place of a Verify.
    let instead = !is_verified && is_due(state.checkpoint.reconciled_at, periods.verify, now.wall);
    let reconcile = change == Some(RunKind::Reconcile)
        || under_way == Some(ListingKind::Reconcile)
        || instead
        || is_needed(state.checkpoint.reconciled_at, periods.reconcile);
    [
        (RunKind::Verify, verify),
        // It reads every row and finds the surplus: it is a Reconcile too, and comes before one.
        (RunKind::Refresh, refresh),
        (RunKind::Reconcile, reconcile),
    ]
    .into_iter()
    .find_map(|(kind, is_due)| (is_due && !tried.contains(&kind)).then_some(kind))
}

/// From `earlier` to `later`. A clock that went back makes everything due.
fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    if earlier > later {
        return Duration::MAX;
    }
    later.duration_since(earlier).unsigned_abs()
}
