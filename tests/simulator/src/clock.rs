//! The org's own clock.
//!
//! Everything that Salesforce stamps, expires or counts by the hour reads this clock and no other, so a test can let two
//! hours, or fifteen days, pass in no time. It starts at the machine's time or at a fixed moment, runs on with the
//! machine's monotonic clock unless it is held, and can be set and moved. It may be set back: the clock of a server that
//! was wrong is a case that clients meet.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::lock;

/// How the clock starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClockStart {
    /// At the machine's time; runs.
    #[default]
    Machine,
    /// At this moment; runs.
    At(Timestamp),
    /// At this moment; stands still until it is moved or let run.
    Held(Timestamp),
}

/// The clock.
#[derive(Debug)]
pub(crate) struct OrgClock {
    /// The moment that was set last, and when that was; `None` while it is held.
    state: Mutex<(Timestamp, Option<Instant>)>,
}

impl OrgClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the machine's time is what the org's clock starts from"
    )]
    pub(crate) fn new(start: ClockStart) -> Self {
        let state = match start {
            ClockStart::Machine => (Timestamp::now(), Some(Instant::now())),
            ClockStart::At(moment) => (moment, Some(Instant::now())),
            ClockStart::Held(moment) => (moment, None),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// The time, with its fraction.
    pub(crate) fn now(&self) -> Timestamp {
        let (set, since) = *lock(&self.state);
        let elapsed = since.map_or(Duration::ZERO, |since| since.elapsed());
        set.saturating_add(SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO))
            .unwrap_or(set)
    }

    /// The time as stamps have it: whole seconds (salesforce-api.md 5.4).
    pub(crate) fn stamp(&self) -> Timestamp {
        whole_second(self.now())
    }

    /// Sets the time; whether it runs stays as it was.
    #[expect(clippy::disallowed_methods, reason = "the moment from which the clock runs on")]
    pub(crate) fn set(&self, moment: Timestamp) {
        let mut state = lock(&self.state);
        *state = (moment, state.1.map(|_| Instant::now()));
    }

    /// Moves the time; a negative duration moves it back.
    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut state = lock(&self.state);
        state.0 = state.0.saturating_add(by).unwrap_or(state.0);
    }

    /// Lets it stand still, or run.
    #[expect(clippy::disallowed_methods, reason = "the moment from which the clock runs on")]
    pub(crate) fn hold(&self, held: bool) {
        let now = self.now();
        *lock(&self.state) = (now, (!held).then(Instant::now));
    }
}

/// Without the fraction of a second.
pub(crate) fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// Without seconds: what getUpdated and getDeleted make of their dates (salesforce-api.md 6.1).
pub(crate) fn whole_minute(moment: Timestamp) -> Timestamp {
    let seconds = moment.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(60)).unwrap_or(moment)
}

/// As SOAP writes it: UTC, milliseconds, `Z`.
pub(crate) fn to_wire(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn a_held_clock_moves_only_when_told() {
        let clock = OrgClock::new(ClockStart::Held(at("2026-11-01T10:00:00.250Z")));
        assert_eq!(clock.now(), at("2026-11-01T10:00:00.250Z"));
        assert_eq!(clock.stamp(), at("2026-11-01T10:00:00Z"));
        clock.advance(SignedDuration::from_hours(2));
        assert_eq!(clock.now(), at("2026-11-01T12:00:00.250Z"));
        clock.advance(SignedDuration::from_hours(-3));
        assert_eq!(clock.now(), at("2026-11-01T09:00:00.250Z"));
        clock.set(at("2030-01-01T00:00:00Z"));
        assert_eq!(clock.now(), at("2030-01-01T00:00:00Z"));
    }

    #[test]
    fn a_running_clock_never_stands_before_its_start() {
        let clock = OrgClock::new(ClockStart::At(at("2026-11-01T10:00:00Z")));
        assert!(clock.now() >= at("2026-11-01T10:00:00Z"));
        clock.hold(true);
        let held = clock.now();
        assert_eq!(clock.now(), held);
    }

    #[test]
    fn wire_and_truncation() {
        let moment = at("2026-11-01T10:00:59.9876Z");
        assert_eq!(to_wire(moment), "2026-11-01T10:00:59.987Z");
        assert_eq!(to_wire(whole_second(moment)), "2026-11-01T10:00:59.000Z");
        assert_eq!(to_wire(whole_minute(moment)), "2026-11-01T10:00:00.000Z");
        assert_eq!(whole_minute(at("1969-12-31T23:59:59Z")), at("1969-12-31T23:59:00Z"));
    }
}
