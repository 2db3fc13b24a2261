//! What a plan costs: API calls of Salesforce a day.
//!
//! An org has a daily number of calls that all its integrations share, and the first question of its administrator is
//! how many of them this one takes. What depends on the number of rows cannot be told before they have been counted, so
//! these are the calls of a day on which nothing changes, without the pages of listings: Reconcile and Refresh read one
//! page more for each 2000 rows, Incremental and Verify one for each 2000 that changed. Logins and describes are a handful
//! an hour for all objects together, and are left out.

use std::time::Duration;

use crds::{Connection, Schedule};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    findings::Findings,
    object::{ObjectPlan, VerifyBy},
};
use crate::quota;

/// A week, so that a cron line with days of the week is counted with its rest.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// A Monday at midnight UTC without a change of clocks in its week: 2026-01-05. Counting a cron line needs some week, and
/// a plan must not depend on the day it is made.
const MONDAY: i64 = 1_767_571_200;

/// `apiBudgetPercent`, checked.
pub(super) fn api_budget_percent(connection: &Connection, findings: &mut Findings<'_>) -> u8 {
    let most = quota::INCREMENTAL_PERCENT;
    match u8::try_from(connection.api_budget_percent) {
        Ok(percent) if (1..=most).contains(&percent) => percent,
        Ok(_) | Err(_) => {
            findings.problem(format!(
                "connection.apiBudgetPercent: {} is no budget in percent of the org's daily calls: write 1 to {most}",
                connection.api_budget_percent
            ));
            most
        }
    }
}

/// API calls that a replicator needs a day, at least. Averages over a week, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiCalls {
    /// Ticks a day. 0 where only a person starts them.
    pub runs_per_day: u64,
    /// Calls a day where nothing changes, without the pages of Reconcile and Refresh: the sum of what follows.
    pub calls_per_day: u64,
    /// The same by kind, of all objects.
    pub by_kind: ObjectCalls,
    #[serde(skip)]
    ticks_per_week: u64,
}

/// API calls a day by kind, where nothing changes, without the pages of Reconcile and Refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectCalls {
    /// One for the object and one for each link, at each tick.
    pub incremental: u64,
    /// The server's time, getUpdated and getDeleted, and getUpdated of each link's parents.
    pub verify: u64,
    /// getUpdated of the object and of each link's parents, and the first page; where Reconcile takes Verify's place it
    /// runs as often, and has the page only.
    pub reconcile: u64,
    /// The first page, and the Incremental and the Verify that follow at its end; of an object without a stamp the first page at
    /// each tick.
    pub refresh: u64,
}

impl ObjectCalls {
    /// Of all kinds.
    pub fn sum(self) -> u64 {
        let Self {
            incremental,
            verify,
            reconcile,
            refresh,
        } = self;
        [incremental, verify, reconcile, refresh]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            incremental: self.incremental.saturating_add(other.incremental),
            verify: self.verify.saturating_add(other.verify),
            reconcile: self.reconcile.saturating_add(other.reconcile),
            refresh: self.refresh.saturating_add(other.refresh),
        }
    }
}

impl ApiCalls {
    pub(super) fn of(schedule: &Schedule, objects: &[ObjectPlan]) -> Self {
        let ticks_per_week = match schedule {
            Schedule::Interval(interval) => WEEK.as_secs().div_ceil(interval.as_secs().max(1)),
            Schedule::Cron(_) => ticks_of_week(schedule),
            Schedule::Manual => 0,
        };
        let mut calls = Self {
            runs_per_day: ticks_per_week.div_ceil(7),
            calls_per_day: 0,
            by_kind: ObjectCalls::default(),
            ticks_per_week,
        };
        calls.by_kind = objects
            .iter()
            .map(|object| calls.of_object(object))
            .fold(ObjectCalls::default(), ObjectCalls::plus);
        calls.calls_per_day = calls.by_kind.sum();
        calls
    }

    /// The part of one object.
    pub fn of_object(&self, plan: &ObjectPlan) -> ObjectCalls {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        if plan.stamp.is_none() {
            return ObjectCalls {
                refresh: self.runs_per_day,
                ..ObjectCalls::default()
            };
        }
        let listed_links = plan.links.iter().filter(|link| link.replicateable).count();
        let incremental = 1 + number(plan.links.len());
        let (verify, reconcile) = match plan.verify_by {
            VerifyBy::Log => (3 + number(listed_links), 2 + number(listed_links)),
            VerifyBy::Listing => (0, 1),
        };
        ObjectCalls {
            incremental: self.runs_per_day.saturating_mul(incremental),
            verify: self.daily(plan.periods.verify, verify),
            reconcile: self.daily(plan.periods.listing(plan.verify_by), reconcile),
            refresh: self.daily(plan.periods.refresh, 1 + incremental + verify),
        }
    }

    /// Calls a day of a kind that is due every `period`, with `calls` each time. It runs at a tick, so never more often.
    fn daily(&self, period: Option<Duration>, calls: u64) -> u64 {
        let Some(period) = period else { return 0 };
        let due = WEEK.as_secs().div_ceil(period.as_secs().max(1));
        due.min(self.ticks_per_week).saturating_mul(calls).div_ceil(7)
    }
}

fn ticks_of_week(schedule: &Schedule) -> u64 {
    let Ok(monday) = Timestamp::from_second(MONDAY) else {
        return 0;
    };
    let Ok(end) = monday.checked_add(WEEK) else { return 0 };
    let mut ticks = 0;
    // A cron line has a minute as its finest part, so the week has 10080 ticks at most.
    let mut at = monday;
    while let Some(next) = schedule.next_after(at).filter(|next| *next > at && *next <= end) {
        ticks += 1;
        at = next;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use crds::Trigger;

    use super::*;
    use crate::{
        fixture,
        plan::{FieldPath, Link, ObjectName, Periods},
    };

    fn link(replicateable: bool) -> Link {
        Link {
            parent: ObjectName::new("Account"),
            reference: FieldPath::own("AccountId"),
            select: Vec::new(),
            is_deleted: None,
            replicateable,
            reference_column: None,
            compared: Vec::new(),
        }
    }

    fn object(verify_by: VerifyBy, links: Vec<Link>, hours: [u64; 3]) -> ObjectPlan {
        let [verify, reconcile, refresh] = hours.map(|hours| (hours > 0).then(|| Duration::from_hours(hours)));
        let periods = Periods {
            verify,
            reconcile,
            refresh,
        };
        ObjectPlan {
            links,
            verify_by,
            periods,
            ..fixture::contact()
        }
    }

    fn of(trigger: &Trigger, objects: &[ObjectPlan]) -> ApiCalls {
        ApiCalls::of(&Schedule::new(trigger).unwrap(), objects)
    }

    #[test]
    fn each_tick_is_one_call_per_object() {
        let interval = |text: &str| Trigger {
            interval: Some(text.parse().unwrap()),
            ..Trigger::default()
        };
        let cron = |line: &str| Trigger {
            schedule: Some(line.to_owned()),
            ..Trigger::default()
        };
        let manual = Trigger {
            manual: Some("a".to_owned()),
            ..Trigger::default()
        };
        for (name, trigger, objects, expected) in [
            ("default of 5 minutes", Trigger::default(), 2, (288, 576)),
            ("interval", interval("30s"), 1, (2880, 2880)),
            ("interval of two days", interval("48h"), 1, (1, 1)),
            ("cron", cron("*/15 * * * *"), 3, (96, 288)),
            ("cron on working days", cron("0 6 * * MON-FRI"), 7, (1, 7)),
            ("only by hand", manual, 5, (0, 0)),
        ] {
            let plain = object(VerifyBy::Log, Vec::new(), [0, 0, 0]);
            let calls = of(&trigger, &vec![plain; objects]);
            assert_eq!((calls.runs_per_day, calls.calls_per_day), expected, "{name}");
        }
    }

    #[test]
    fn kinds_and_links_have_their_calls() {
        use VerifyBy::{Listing, Log};
        let kinds = |calls: ObjectCalls| [calls.incremental, calls.verify, calls.reconcile, calls.refresh];
        for (name, object, expected) in [
            ("no links", object(Log, vec![], [1, 24, 168]), [288, 72, 2, 1]),
            ("a link", object(Log, vec![link(true)], [1, 24, 24]), [576, 96, 3, 7]),
            (
                "a link that is not listed",
                object(Log, vec![link(true), link(false)], [1, 24, 24]),
                [864, 96, 3, 8],
            ),
            (
                "not listed itself",
                object(Listing, vec![link(true)], [1, 24, 24]),
                [576, 0, 24, 3],
            ),
            (
                "not listed, no Verify",
                object(Listing, vec![], [0, 24, 0]),
                [288, 0, 1, 0],
            ),
            ("all off", object(Log, vec![link(true)], [0, 0, 0]), [576, 0, 0, 0]),
            (
                "no stamp",
                ObjectPlan {
                    stamp: None,
                    ..object(Listing, vec![], [0, 0, 0])
                },
                [0, 0, 0, 288],
            ),
        ] {
            let calls = of(&Trigger::default(), std::slice::from_ref(&object));
            assert_eq!(kinds(calls.by_kind), expected, "{name}");
            assert_eq!(calls.by_kind, calls.of_object(&object), "{name}");
            assert_eq!(calls.calls_per_day, expected.iter().sum::<u64>(), "{name}");
        }
    }

    #[test]
    fn a_kind_runs_at_ticks_only() {
        let daily = Trigger {
            schedule: Some("0 6 * * *".to_owned()),
            ..Trigger::default()
        };
        let calls = of(&daily, &[object(VerifyBy::Log, vec![], [1, 12, 24])]);
        assert_eq!(
            calls.by_kind,
            ObjectCalls {
                incremental: 1,
                verify: 3,
                reconcile: 2,
                refresh: 5
            }
        );
    }
}
