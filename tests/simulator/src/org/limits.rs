//! The org's allowance of calls: so many in any 24 hours, and so many long ones at a time (salesforce-api.md 3.8).

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What `LimitInfoHeader` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Calls of the last 24 hours.
    pub current: u64,
    /// Calls allowed in 24 hours.
    pub limit: u64,
}

/// Counts calls. Kept by the minute: 1 440 numbers whatever the traffic.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// Minute since 1970, calls in it.
    minutes: VecDeque<(i64, u64)>,
    /// Calls made by others, as far as a test says so.
    others: u64,
    /// Requests that are being answered: number, begin.
    running: BTreeMap<u64, Timestamp>,
    next: u64,
}

/// Why a call is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The 24 hours' calls are used up.
    Daily,
    /// Too many long requests are running.
    Concurrent,
}

impl Limits {
    /// Counts a call, unless the limit is reached.
    pub(crate) fn take(&mut self, now: Timestamp, limit: u64) -> Result<Usage, Refused> {
        self.forget(now);
        if self.used() >= limit {
            return Err(Refused::Daily);
        }
        let minute = now.as_second().div_euclid(60);
        match self.minutes.back_mut() {
            Some((last, count)) if *last == minute => *count += 1,
            Some(_) | None => self.minutes.push_back((minute, 1)),
        }
        Ok(Usage {
            current: self.used(),
            limit,
        })
    }

    /// What was used, without counting.
    pub(crate) fn usage(&mut self, now: Timestamp, limit: u64) -> Usage {
        self.forget(now);
        Usage {
            current: self.used(),
            limit,
        }
    }

    /// Makes the counter show `used`, as if others had called.
    pub(crate) fn set_used(&mut self, used: u64) {
        self.minutes.clear();
        self.others = used;
    }

    /// Notes that a request is being answered. Refused where `most` requests have been running for `long` or more.
    pub(crate) fn begin(&mut self, now: Timestamp, most: u32, long: SignedDuration) -> Result<u64, Refused> {
        let long_ones = self
            .running
            .values()
            .filter(|&&begin| now.duration_since(begin) >= long)
            .count();
        if u32::try_from(long_ones).unwrap_or(u32::MAX) >= most {
            return Err(Refused::Concurrent);
        }
        self.next += 1;
        self.running.insert(self.next, now);
        Ok(self.next)
    }

    /// The request of [`Limits::begin`] was answered.
    pub(crate) fn end(&mut self, request: u64) {
        self.running.remove(&request);
    }

    fn used(&self) -> u64 {
        self.others + self.minutes.iter().map(|(_, count)| count).sum::<u64>()
    }

    fn forget(&mut self, now: Timestamp) {
        let oldest = now.as_second().div_euclid(60) - 24 * 60;
        while self.minutes.front().is_some_and(|(minute, _)| *minute <= oldest) {
            self.minutes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).expect("in range")
    }

    #[test]
    fn the_daily_limit_is_that_of_any_24_hours() {
        let mut limits = Limits::default();
        assert_eq!(limits.take(at(0), 2), Ok(Usage { current: 1, limit: 2 }));
        assert_eq!(limits.take(at(12), 2), Ok(Usage { current: 2, limit: 2 }));
        assert_eq!(limits.take(at(23), 2), Err(Refused::Daily));
        assert_eq!(limits.usage(at(23), 2).current, 2, "a refused call is not counted");
        assert_eq!(limits.take(at(24), 2), Ok(Usage { current: 2, limit: 2 }));
        limits.set_used(9);
        assert_eq!(limits.usage(at(24), 10).current, 9);
    }

    #[test]
    fn only_long_requests_count_as_concurrent() {
        let mut limits = Limits::default();
        let long = SignedDuration::from_secs(20);
        let first = limits.begin(at(0), 1, long).expect("room");
        assert!(limits.begin(at(0), 1, long).is_ok(), "short requests are unlimited");
        assert_eq!(limits.begin(at(1), 1, long), Err(Refused::Concurrent));
        limits.end(first);
        assert_eq!(limits.begin(at(1), 2, long).map(|_| ()), Ok(()));
    }
}
