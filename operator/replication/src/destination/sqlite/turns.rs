//! Who writes to the file: one at a time, in order of arrival.
//!
//! SQLite has one writer, and waiting for it in its busy handler is neither fair nor free, so tables of one destination
//! wait here. Whoever holds the turn can learn that others wait for it.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};

/// The right to write to the file, until it is dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

/// The turns of one file.
#[derive(Debug, Default)]
pub(super) struct Turns {
    writer: Arc<Mutex<()>>,
    /// How many wait.
    waiting: watch::Sender<usize>,
}

/// One that waits, until it is dropped.
struct Waits<'a>(&'a watch::Sender<usize>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

impl Turns {
    /// Waits for the turn. Cancel safe.
    pub(super) async fn take(&self) -> Turn {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _waits = Waits(&self.waiting);
        Arc::clone(&self.writer).lock_owned().await
    }

    /// Ends when somebody waits.
    pub(super) async fn wanted(&self) {
        // The sender is ours, so the only answer is yes.
        self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await.ok();
    }
}
