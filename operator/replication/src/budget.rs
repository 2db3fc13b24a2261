//! One byte budget for the whole process.
//!
//! Rows in flight are the only memory that could grow with an org, so they are counted in bytes and never in rows: a
//! batch takes its permit before it is filled and gives it back when it is dropped, after its rows were handed to the
//! database's driver. A slow database thus stops the reading of HTTP (performance.md 2.6).
//!
//! Nobody who holds a permit waits for another one. That alone does not exclude a deadlock: where a database has one
//! writer at a time, as SQLite has, runs that wait for their turn hold permits, and the one whose turn it is may need one
//! to come to its end. So each run has a batch of its own beside the budget ([`ByteBudget::with_reserve`]) and always gets
//! on, if slowly.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of rows that one batch holds before it is handed on: 256 KiB (performance.md 2.6).
pub const BATCH_BYTES: usize = 256 * 1024;

/// A share of the process's memory for rows in flight. Cloning shares it.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    batches: Arc<Semaphore>,
    reserve: Option<Arc<Semaphore>>,
}

/// The right to hold one batch in memory; dropping it gives the bytes back.
#[derive(Debug)]
pub struct BytePermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    /// A budget of `bytes`, rounded down to whole batches, at least two: one being filled, one being written.
    pub fn new(bytes: usize) -> Self {
        Self {
            batches: Arc::new(Semaphore::new((bytes / BATCH_BYTES).max(2))),
            reserve: None,
        }
    }

    /// The same budget, with one batch beside it that only this value and its clones can have.
    #[must_use]
    pub fn with_reserve(&self) -> Self {
        Self {
            batches: Arc::clone(&self.batches),
            reserve: Some(Arc::new(Semaphore::new(1))),
        }
    }

    /// Waits until one more batch may be filled. Cancel safe.
    pub async fn acquire(&self) -> BytePermit {
        let shared = Arc::clone(&self.batches).acquire_owned();
        let permit = match &self.reserve {
            None => shared.await,
            Some(reserve) => {
                let own = Arc::clone(reserve).acquire_owned();
                tokio::select! {
                    biased;
                    permit = own => permit,
                    permit = shared => permit,
                }
            }
        };
        // The semaphores are never closed, so acquiring cannot fail; a permit without one would only loosen the bound.
        BytePermit { _permit: permit.ok() }
    }
}

impl BytePermit {
    /// A permit that counts nowhere, for tests and for rows that are made in the process.
    pub fn unbounded() -> Self {
        Self { _permit: None }
    }
}

impl Default for ByteBudget {
    /// 32 MiB: two objects with their channels need 4 MiB (performance.md 2.6), the rest is for more objects.
    fn default() -> Self {
        Self::new(32 * 1024 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_spent_budget_gives_nothing_until_a_batch_is_dropped() {
        let budget = ByteBudget::new(0);
        let first = budget.acquire().now_or_never();
        let second = budget.acquire().now_or_never();
        assert!(first.is_some() && second.is_some());
        assert!(budget.acquire().now_or_never().is_none());
        drop(first);
        assert!(budget.acquire().now_or_never().is_some());
    }

    #[test]
    fn a_run_gets_on_with_its_own_batch_while_others_hold_the_budget() {
        let budget = ByteBudget::new(0);
        let held = [budget.acquire().now_or_never(), budget.acquire().now_or_never()];
        let (run, other) = (budget.with_reserve(), budget.with_reserve());
        for _ in 0..3 {
            let own = run.acquire().now_or_never();
            assert!(own.is_some());
            assert!(
                run.clone().acquire().now_or_never().is_none(),
                "a clone shares the reserve"
            );
        }
        assert!(other.acquire().now_or_never().is_some());
        drop(held);
    }
}
