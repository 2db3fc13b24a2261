//! What a test does with the org, in the process or over HTTP.

pub(crate) mod http;
mod http_rows;
mod http_setup;
mod rows;
mod setup;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use rows::{Row, Rows, Transaction};
pub use setup::{UserChange, UserState};

use crate::{
    calls::{Call, Counters},
    config::Settings,
    lock,
    org::{Org, limits::Usage},
    rules::Rule,
};

/// A handle on a running org; cheap to clone. Everything takes effect with the next call of a client.
#[derive(Debug, Clone)]
pub struct Control {
    org: Arc<Org>,
}

impl Control {
    pub(crate) fn new(org: Arc<Org>) -> Self {
        Self { org }
    }

    /// The org's time.
    pub fn now(&self) -> Timestamp {
        self.org.clock.now()
    }

    /// Sets the org's clock, forwards or back.
    pub fn set_clock(&self, moment: Timestamp) {
        self.org.clock.set(moment);
    }

    /// Moves the org's clock; a negative duration moves it back.
    pub fn advance_clock(&self, by: SignedDuration) {
        self.org.clock.advance(by);
    }

    /// Lets the org's clock stand still, or run.
    pub fn hold_clock(&self, held: bool) {
        self.org.clock.hold(held);
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.org.settings()
    }

    /// Changes settings.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        self.org.change_settings(change);
    }

    /// Adds a rule at the end of the queue.
    pub fn add_rule(&self, rule: Rule) {
        lock(&self.org.rules).add(rule);
    }

    /// The rules that have not acted as often as they were told.
    pub fn rules(&self) -> Vec<Rule> {
        lock(&self.org.rules).waiting().to_vec()
    }

    /// Takes all rules out.
    pub fn clear_rules(&self) {
        lock(&self.org.rules).clear();
    }

    /// Ends the connections of hanging requests.
    pub fn release_hanging(&self) {
        self.org.release_hanging();
    }

    /// Counters since the start or the last reset.
    pub fn counters(&self) -> Counters {
        lock(&self.org.calls).counters()
    }

    /// The last calls, oldest first.
    pub fn calls(&self, most: usize) -> Vec<Call> {
        lock(&self.org.calls).log(most)
    }

    /// Counts calls from zero and forgets the log.
    pub fn reset_calls(&self) {
        lock(&self.org.calls).reset();
    }

    /// Calls of the last 24 hours, and the limit.
    pub fn usage(&self) -> Usage {
        let limit = self.settings().daily_calls;
        lock(&self.org.limits).usage(self.org.clock.now(), limit)
    }

    /// Makes the org look as if so many calls had been made in the last 24 hours.
    pub fn set_usage(&self, current: u64) {
        lock(&self.org.limits).set_used(current);
    }

    /// Ends the session of a user, or of all.
    pub fn end_sessions(&self, username: Option<&str>) {
        lock(&self.org.access).end_sessions(username);
    }

    /// Every locator dies.
    pub fn kill_locators(&self) {
        lock(&self.org.cursors).clear();
    }

    /// How many queries can be read on.
    pub fn open_locators(&self) -> usize {
        lock(&self.org.cursors).count()
    }
}
