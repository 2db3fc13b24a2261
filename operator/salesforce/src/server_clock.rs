//! Salesforce's clock, between two looks at it.
//!
//! Watermarks are points on Salesforce's clock, and one that is ahead of it loses rows. So the clock that is carried on
//! starts when the answer has arrived (Salesforce's own clock read at least what it answered by then), and runs
//! slightly slower than ours: a node's monotonic clock may be wrong by [`DRIFT`] while NTP slews it. An hour after a
//! look it is less than two seconds behind, which the overlap of each run covers many times.

use std::time::Duration;

use jiff::Timestamp;

/// One part in 2000 (500 ppm): the most that Linux lets NTP slew a clock.
const DRIFT: u32 = 2000;

/// One look at Salesforce's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerClock {
    told: Timestamp,
    received: Duration,
    session: u64,
}

impl ServerClock {
    /// What Salesforce told, when the answer was here on the monotonic clock, and in which session.
    pub(crate) fn new(told: Timestamp, received: Duration, session: u64) -> Self {
        Self {
            told,
            received,
            session,
        }
    }

    /// Serial number of the session in which it was asked.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// The time at `monotonic`.
    pub(crate) fn now(&self, monotonic: Duration) -> Timestamp {
        let passed = monotonic.saturating_sub(self.received);
        let passed = passed.saturating_sub(passed / DRIFT);
        // Beyond the year 9999 the clock stands still.
        self.told.checked_add(passed).unwrap_or(self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_and_stays_behind() {
        let told: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let clock = ServerClock::new(told, Duration::from_secs(100), 1);
        assert_eq!(clock.now(Duration::from_secs(100)), told);
        assert_eq!(clock.now(Duration::from_secs(50)), told);
        let hour_later = clock.now(Duration::from_secs(3700));
        assert_eq!(hour_later.to_string(), "2026-11-24T10:59:58.2Z");
    }
}
