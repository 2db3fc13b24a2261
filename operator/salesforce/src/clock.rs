//! Time comes in through a parameter.
//!
//! Everything that asks for the time or waits asks a [`Clock`], so that a test can move time and a wait can be
//! awaited as an event. Two clocks are needed: the wall clock, for what people read and for tokens that expire, and
//! a monotonic one, for time-outs and for carrying Salesforce's clock on between two looks at it (an NTP step of the
//! node must never move a watermark).

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;

/// A future that ends when a [`Clock`] says so.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Source of time. Implementations are cheap to ask.
pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// The wall clock, UTC. May jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process. Never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits for `duration` on the monotonic clock. Dropping the future cancels the wait.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A clock that is shared by everything in one process.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// The same, ready to be shared.
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}
