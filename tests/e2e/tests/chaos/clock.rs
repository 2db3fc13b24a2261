//! The process's clocks: the wall clock, which people set and NTP steps, and the monotonic one, which stands still while a
//! machine is suspended.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use salesforce::clock::{Clock, Sleep, SystemClock};
use tokio::sync::watch;

/// Pauses between tries are over at once; longer waits are limits, and end when the clock is moved.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Clocks that a test moves.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    machine: SystemClock,
    wall: watch::Sender<SignedDuration>,
    monotonic: watch::Sender<Duration>,
}

impl Clocks {
    /// Time passes.
    pub(crate) fn pass(&self, by: Duration) {
        self.step(by.try_into().unwrap());
        self.monotonic.send_modify(|ahead| *ahead += by);
    }

    /// The wall clock alone is set.
    pub(crate) fn step(&self, by: SignedDuration) {
        self.wall.send_modify(|ahead| *ahead += by);
    }
}

impl Clock for Clocks {
    fn now(&self) -> Timestamp {
        self.machine.now() + *self.wall.borrow()
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic() + *self.monotonic.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if duration <= LONGEST_PAUSE {
            return Box::pin(tokio::task::yield_now());
        }
        let mut ahead = self.monotonic.subscribe();
        let until = *self.monotonic.borrow() + duration;
        Box::pin(async move {
            if ahead.wait_for(|ahead| *ahead >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
