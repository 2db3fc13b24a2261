//! What a plan costs: API calls of Salesforce a day.
//!
//! An org has a daily number of calls that all its integrations share, and the first question of its administrator is
//! how many of them this one takes.

use std::time::Duration;

use crds::Schedule;
use jiff::Timestamp;
use serde::Serialize;

/// A week, so that a cron line with days of the week is counted with its rest.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// A Monday at midnight UTC without a change of clocks in its week: 2026-01-05. Counting a cron line needs some week, and
/// a plan must not depend on the day it is made.
const MONDAY: i64 = 1_767_571_200;

/// API calls that an object's changes need a day, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiCalls {
    /// Ticks a day, on average over a week, rounded up. 0 where only a person starts them.
    pub runs_per_day: u64,
    /// Calls a day where nothing changes: one for each object and tick. Each 2000 changed rows are one more.
    pub calls_per_day: u64,
}

impl ApiCalls {
    pub(super) fn of(schedule: &Schedule, objects: usize) -> Self {
        let runs_per_day = match schedule {
            Schedule::Interval(interval) => WEEK.as_secs().div_ceil(interval.as_secs().max(1)).div_ceil(7),
            Schedule::Cron(_) => ticks_of_week(schedule).div_ceil(7),
            Schedule::Manual => 0,
        };
        let objects = u64::try_from(objects).unwrap_or(u64::MAX);
        Self {
            runs_per_day,
            calls_per_day: runs_per_day.saturating_mul(objects),
        }
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

    fn calls(trigger: &Trigger, objects: usize) -> (u64, u64) {
        let calls = ApiCalls::of(&Schedule::new(trigger).unwrap(), objects);
        (calls.runs_per_day, calls.calls_per_day)
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
            assert_eq!(calls(&trigger, objects), expected, "{name}");
        }
    }
}
