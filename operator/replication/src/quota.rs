//! The org's daily calls, and which kinds of run wait for them.
//!
//! An org has a number of API calls in any 24 hours that all its programs share. A replicator that takes the last of them stops
//! the others, and them alone can a person not see coming. So the kinds that read much and are in no hurry wait when
//! `apiBudgetPercent` of the calls are used, by anybody, and an Incremental, which is a call or two, goes on until nearly all
//! are (design 6.10).
//!
//! How many are used is told with each answer of Salesforce's. A number that says *wait* may be old by the time it is
//! looked at, since whoever waits makes no calls, and the calls of a day ago stop counting: so it is asked for again before
//! it is believed. A number that says *go* needs no second look: the run's own answers correct it.

use std::time::Duration;

use salesforce::{ApiUsage, Client};

use crate::progress::RunKind;

/// Percent of the org's calls up to which an Incremental goes on.
pub(crate) const INCREMENTAL_PERCENT: u8 = 95;

/// A number of used calls that is older is asked for again before a run waits for it.
const RECENT: Duration = Duration::from_mins(1);

/// How many of the org's calls a run may find used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// `apiBudgetPercent`, 1 to 95.
    Budget(u8),
    /// A person wants the run now.
    All,
}

/// Calls that are used, and how many of them are too many for a kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Calls of the last 24 hours, by anybody.
    pub used: u64,
    /// Calls allowed.
    pub limit: u64,
    /// Percent of them from which on the kind waits.
    pub percent: u8,
}

impl Spent {
    /// The kind runs again when fewer calls are used.
    pub(crate) fn bound(self) -> u64 {
        let bound = u128::from(self.limit) * u128::from(self.percent);
        u64::try_from(bound.div_ceil(100)).unwrap_or(u64::MAX)
    }
}

impl Allowance {
    /// Whether runs of a kind have to wait. Not where nobody knows how many calls are used.
    pub(crate) fn spent(self, kind: RunKind, usage: Option<ApiUsage>) -> Option<Spent> {
        let Self::Budget(budget) = self else { return None };
        let percent = match kind {
            RunKind::Incremental => budget.max(INCREMENTAL_PERCENT),
            RunKind::Initial | RunKind::Verify | RunKind::Reconcile | RunKind::Refresh => budget,
        };
        let ApiUsage { used, limit } = usage.filter(|usage| usage.limit > 0)?;
        let spent = Spent { used, limit, percent };
        (used >= spent.bound()).then_some(spent)
    }

    /// The same by a number that is not old.
    pub(crate) async fn spent_now(self, kind: RunKind, client: &Client) -> Option<Spent> {
        self.spent(kind, client.api_usage())?;
        // Where it cannot be asked for, what is known is believed: the run could not ask either.
        let usage = client.recent_api_usage(RECENT).await;
        self.spent(kind, usage.unwrap_or_else(|_| client.api_usage()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [RunKind; 5] = [
        RunKind::Initial,
        RunKind::Incremental,
        RunKind::Verify,
        RunKind::Reconcile,
        RunKind::Refresh,
    ];

    fn usage(used: u64, limit: u64) -> ApiUsage {
        ApiUsage { used, limit }
    }

    /// The kinds that wait.
    fn waiting(allowance: Allowance, usage: Option<ApiUsage>) -> Vec<RunKind> {
        let waits = |kind: &RunKind| allowance.spent(*kind, usage).is_some();
        KINDS.into_iter().filter(waits).collect()
    }

    #[test]
    fn long_kinds_wait_from_the_budget_on_and_an_incremental_from_95_percent_on() {
        use RunKind::{Initial, Reconcile, Refresh, Verify};
        let long = [Initial, Verify, Reconcile, Refresh];
        for (percent, used, limit, expected) in [
            (80, 0, 10_000, &[][..]),
            (80, 7_999, 10_000, &[]),
            (80, 8_000, 10_000, &long),
            (80, 9_499, 10_000, &long),
            (80, 9_500, 10_000, &KINDS),
            (80, 12_000, 10_000, &KINDS),
            (95, 9_499, 10_000, &[]),
            (95, 9_500, 10_000, &KINDS),
            (1, 0, 15, &[]),
            (1, 1, 15, &long),
            // 12.8 calls: the thirteenth is above it.
            (80, 12, 16, &[]),
            (80, 13, 16, &long),
            (80, u64::MAX, u64::MAX, &KINDS),
        ] {
            let found = waiting(Allowance::Budget(percent), Some(usage(used, limit)));
            assert_eq!(found, expected, "{used} of {limit}, {percent} %");
        }
    }

    #[test]
    fn nothing_waits_for_what_is_not_known_or_where_a_person_wants_it_now() {
        assert_eq!(waiting(Allowance::Budget(1), None), []);
        assert_eq!(waiting(Allowance::Budget(1), Some(usage(5, 0))), []);
        assert_eq!(waiting(Allowance::All, Some(usage(100, 100))), []);
    }
}
