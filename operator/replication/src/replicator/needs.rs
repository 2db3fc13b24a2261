//! What an object's state and plan ask for.
//!
//! Pure: the state as the destination has it, what this process knows beyond it, the plan and the time. So it is the same after
//! a restart as before, and a table of cases shows it.

use std::time::Duration;

use jiff::Timestamp;

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
pub(super) fn first(
    plan: &ObjectPlan,
    asked: Option<RunKind>,
    known: Option<&Memory>,
    state: Option<State>,
) -> Result<Need> {
    let Some(state) = state else {
        return Ok(Need::Initial(None));
    };
    if state.table_name != plan.table.as_str() {
        // Into the new table; the other one is retired.
        return Ok(Need::Initial(None));
    }
    if state.checkpoint.phase == Phase::Initial {
        return Ok(Need::Initial(Some(state)));
    }
    let memory = merged(known, state);
    match asked {
        Some(RunKind::Initial) => Ok(Need::Nothing),
        // Nobody can ask for what changed: it is refreshed.
        Some(RunKind::Incremental) | None if plan.stamp.is_none() => Ok(Need::Long(memory)),
        Some(RunKind::Verify | RunKind::Reconcile | RunKind::Refresh) => Ok(Need::Long(memory)),
        Some(RunKind::Incremental) | None => of(RunKind::Incremental, plan, &memory),
    }
}

/// The state with what this process knows beyond it. That counts only under the epoch that it was learned under: after
/// another process has written, what is in the destination is the truth (design 6.9).
pub(super) fn merged(known: Option<&Memory>, state: State) -> Memory {
    let known = known
        .filter(|memory| memory.state.epoch == state.epoch)
        // A database that came back from a failover or a backup without the last commits under this epoch.
        .filter(|memory| {
            let (learned, stored) = (&memory.state.checkpoint, &state.checkpoint);
            stored.watermark >= learned.watermark && stored.verified_until >= learned.verified_until
        })
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
    Begin {
        compared: !is_resumed,
        beyond: false,
        rest: None,
    }
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
        || is_needed(state.checkpoint.refreshed_at, periods.refresh)
        || plan.stamp.is_none();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        guard::DeletesWindow,
        plan::Periods,
        state::{Checkpoint, Epoch, Listing, Owner},
    };

    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
    }

    fn now(minutes: i64) -> Now {
        Now {
            wall: at(minutes),
            server: at(minutes),
        }
    }

    /// Each kind with its default period.
    fn plan(hash: &str) -> ObjectPlan {
        let mut plan = fixture::contact();
        plan.hash = PlanHash(hash.to_owned());
        plan.periods = Periods {
            verify: Some(HOUR),
            reconcile: Some(DAY),
            refresh: Some(7 * DAY),
        };
        plan
    }

    /// Complete as of minute 0, in every respect.
    fn memory(change: impl FnOnce(&mut Checkpoint)) -> Memory {
        let mut checkpoint = Checkpoint {
            phase: Phase::Live,
            plan_hash: "rows".to_owned(),
            query_start: None,
            watermark: Some(at(0)),
            last_id: None,
            checked_at: Some(at(0)),
            verified_until: Some(at(0)),
            reconciled_at: Some(at(0)),
            refreshed_at: Some(at(0)),
            listing: None,
        };
        change(&mut checkpoint);
        let plan = fixture::contact();
        Memory {
            watermark: checkpoint.watermark,
            verified_until: checkpoint.verified_until,
            state: State {
                object: plan.object,
                owner: Owner {
                    replicator: "default/crm".to_owned(),
                    organization_id: "00D000000000001AAA".to_owned(),
                    adopts: None,
                },
                table_name: plan.table.to_string(),
                rows: 10,
                pending: 0,
                confirmed: 0,
                rejected: 0,
                deletes_window: DeletesWindow::default(),
                epoch: Epoch(1),
                checkpoint,
            },
        }
    }

    fn listing(kind: ListingKind, hash: &str, last_id: Option<&str>) -> Listing {
        Listing {
            kind,
            plan_hash: hash.to_owned(),
            started: at(0),
            covered: None,
            last_id: last_id.map(str::to_owned),
        }
    }

    fn due(plan: &ObjectPlan, memory: &Memory, minutes: i64) -> Option<RunKind> {
        long(plan, memory, (&[], None), now(minutes))
    }

    #[test]
    fn kinds_are_due_by_their_periods() {
        let (plan, memory) = (plan("rows"), memory(|_| {}));
        assert_eq!(due(&plan, &memory, 59), None);
        assert_eq!(due(&plan, &memory, 60), Some(RunKind::Verify));
        let tried = [RunKind::Verify];
        let after = |minutes| long(&plan, &memory, (&tried, None), now(minutes));
        assert_eq!(after(60), None);
        assert_eq!(after(24 * 60), Some(RunKind::Reconcile));
        assert_eq!(after(7 * 24 * 60), Some(RunKind::Refresh));
        // A transaction that stays open keeps what is verified where it is; it is asked for once in a period all the same.
        assert_eq!(long(&plan, &memory, (&[], Some(at(30))), now(89)), None);
        assert_eq!(
            long(&plan, &memory, (&[], Some(at(30))), now(90)),
            Some(RunKind::Verify)
        );
    }

    #[test]
    fn what_is_switched_off_is_not_due_unless_it_never_was() {
        let mut plan = plan("rows");
        plan.periods = Periods::default();
        assert_eq!(due(&plan, &memory(|_| {}), 1_000_000), None);
        let refreshed = memory(|checkpoint| checkpoint.reconciled_at = None);
        assert_eq!(due(&plan, &refreshed, 0), Some(RunKind::Reconcile));
        let never = memory(|checkpoint| checkpoint.refreshed_at = None);
        assert_eq!(due(&plan, &never, 0), Some(RunKind::Refresh));
    }

    #[test]
    fn beyond_the_reach_of_the_log_everything_is_compared() {
        let plan = plan("rows");
        let old = memory(|_| {});
        let fortnight = 15 * 24 * 60;
        let tried = [RunKind::Refresh];
        assert_eq!(
            long(&plan, &old, (&tried, None), now(fortnight)),
            Some(RunKind::Reconcile)
        );
        // What was just compared is not compared again, although nothing could be verified.
        let unverified = memory(|checkpoint| {
            checkpoint.verified_until = None;
            checkpoint.reconciled_at = Some(at(100));
        });
        assert_eq!(due(&plan, &unverified, 159), None);
        assert_eq!(due(&plan, &unverified, 160), Some(RunKind::Reconcile));
        // A clock of Salesforce's that was carried on too slowly.
        let ahead = memory(|checkpoint| checkpoint.verified_until = Some(at(5)));
        assert_ne!(due(&plan, &ahead, 0), Some(RunKind::Reconcile));
    }

    #[test]
    fn what_is_not_in_the_log_is_compared_as_often_as_it_would_be_verified() {
        let mut plan = plan("rows");
        plan.verify_by = VerifyBy::Listing;
        let memory = memory(|checkpoint| checkpoint.verified_until = None);
        assert_eq!(due(&plan, &memory, 59), None);
        assert_eq!(due(&plan, &memory, 60), Some(RunKind::Reconcile));
    }

    #[test]
    fn without_a_stamp_every_turn_is_a_refresh() {
        let mut plan = plan("rows");
        (plan.stamp, plan.verify_by, plan.periods) = (None, VerifyBy::Listing, Periods::default());
        let live = memory(|_| {});
        let first = first(&plan, None, None, Some(live.state.clone())).unwrap();
        assert!(matches!(first, Need::Long(_)), "{first:?}");
        assert_eq!(due(&plan, &live, 0), Some(RunKind::Refresh));
        assert_eq!(long(&plan, &live, (&[RunKind::Refresh], None), now(1_000_000)), None);
    }

    #[test]
    fn a_change_asks_for_the_listing_that_brings_it() {
        let changed = |state: &str, plan_hash: &str| {
            let memory = memory(|checkpoint| checkpoint.plan_hash = state.to_owned());
            change(&plan(plan_hash), &memory.state)
        };
        assert_eq!(changed("rows", "rows"), None);
        assert_eq!(changed("rows", "rows/where"), Some(RunKind::Reconcile));
        assert_eq!(changed("rows/where", "rows"), Some(RunKind::Reconcile));
        assert_eq!(changed("rows/where", "other/where"), Some(RunKind::Refresh));
        assert_eq!(changed("rows/where", "other"), Some(RunKind::Refresh));
    }

    #[test]
    fn a_plan_that_is_changed_back_finds_what_was_begun_for_the_other() {
        let begun = |kind, hash: &str| {
            let memory = memory(|checkpoint| checkpoint.listing = Some(listing(kind, hash, None)));
            change(&plan("rows"), &memory.state)
        };
        assert_eq!(begun(ListingKind::Reconcile, "rows/where"), Some(RunKind::Reconcile));
        assert_eq!(begun(ListingKind::Refresh, "other"), Some(RunKind::Refresh));
        assert_eq!(begun(ListingKind::Refresh, "rows/where"), Some(RunKind::Refresh));
        assert_eq!(begun(ListingKind::Refresh, "rows"), None);
    }

    #[test]
    fn a_listing_under_way_goes_on_and_a_refresh_is_no_reconcile() {
        let plan = plan("rows");
        for (kind, expected) in [
            (ListingKind::Reconcile, RunKind::Reconcile),
            (ListingKind::Refresh, RunKind::Refresh),
        ] {
            let memory = memory(|checkpoint| checkpoint.listing = Some(listing(kind, "rows", Some("003A"))));
            assert_eq!(due(&plan, &memory, 1), Some(expected));
            assert_eq!(of(RunKind::Reconcile, &plan, &memory).unwrap().kind(), expected);
            assert!(!begin(&plan, &memory).compared);
            assert!(!must_adapt(&plan, &memory.state));
        }
        assert!(begin(&plan, &memory(|_| {})).compared);
    }

    #[test]
    fn memory_counts_under_its_epoch_and_not_beyond_a_refresh() {
        let ahead = Memory {
            watermark: Some(at(50)),
            verified_until: Some(at(40)),
            ..memory(|_| {})
        };
        let same = merged(Some(&ahead), memory(|_| {}).state);
        assert_eq!((same.watermark, same.verified_until), (Some(at(50)), Some(at(40))));
        let mut overtaken = memory(|_| {}).state;
        overtaken.epoch = Epoch(2);
        assert_eq!(merged(Some(&ahead), overtaken).watermark, Some(at(0)));
        let refreshed = memory(|checkpoint| checkpoint.refreshed_at = Some(at(60))).state;
        assert_eq!(merged(Some(&ahead), refreshed).watermark, Some(at(0)));
    }

    #[test]
    fn the_first_run_is_what_the_state_needs() {
        let plan = plan("rows");
        let kind = |asked, state: Option<State>| first(&plan, asked, None, state).unwrap();
        assert!(matches!(kind(None, None), Need::Initial(None)));
        assert!(matches!(kind(Some(RunKind::Verify), None), Need::Initial(None)));
        let loading = memory(|checkpoint| checkpoint.phase = Phase::Initial).state;
        assert!(matches!(kind(None, Some(loading)), Need::Initial(Some(_))));
        let mut elsewhere = memory(|_| {}).state;
        elsewhere.table_name = "people".to_owned();
        assert!(matches!(kind(None, Some(elsewhere)), Need::Initial(None)));
        let live = || Some(memory(|_| {}).state);
        assert!(matches!(kind(None, live()), Need::Incremental { .. }));
        assert!(matches!(kind(Some(RunKind::Refresh), live()), Need::Long(_)));
        assert!(matches!(kind(Some(RunKind::Initial), live()), Need::Nothing));
        let unknown = memory(|checkpoint| checkpoint.watermark = None).state;
        assert!(matches!(
            first(&plan, None, None, Some(unknown)),
            Err(Error::SchemaConflict { .. })
        ));
    }
}
