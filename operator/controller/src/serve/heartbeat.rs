//! Whether a loop turns.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use salesforce::clock::SharedClock;

/// Beats each time that a loop goes round. The loop has to go round at least as often as the patience allows, so it needs a
/// timer of its own where nothing else happens.
#[derive(Debug)]
pub struct Heartbeat {
    clock: SharedClock,
    patience: Duration,
    /// The last beat, milliseconds of the monotonic clock.
    last: AtomicU64,
}

impl Heartbeat {
    /// A heart that beat just now.
    pub fn new(clock: SharedClock, patience: Duration) -> Self {
        let heartbeat = Self {
            clock,
            patience,
            last: AtomicU64::new(0),
        };
        heartbeat.beat();
        heartbeat
    }

    /// The loop goes round.
    pub fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// Whether it beat not too long ago.
    ///
    /// # Errors
    /// A sentence that tells since when it has not.
    pub fn check(&self) -> Result<(), String> {
        let quiet = Duration::from_millis(self.now().saturating_sub(self.last.load(Ordering::Relaxed)));
        if quiet <= self.patience {
            return Ok(());
        }
        Err(format!(
            "the operator's loop has not turned for {} s (at most {} s are healthy)",
            quiet.as_secs(),
            self.patience.as_secs()
        ))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}
