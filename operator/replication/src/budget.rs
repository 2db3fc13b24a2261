//! One byte budget for the whole process.
//!
//! Rows in flight are the only memory that could grow with an org, so they are counted in bytes and never in rows: a
//! batch takes its permit before it is filled and gives it back when it is dropped, after its rows were handed to the
//! database's driver. Nobody who holds a permit waits for another one, so there is no deadlock; a slow database thus
//! stops the reading of HTTP (performance.md 2.6).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of rows that one batch holds before it is handed on: 256 KiB (performance.md 2.6).
pub const BATCH_BYTES: usize = 256 * 1024;

/// A share of the process's memory for rows in flight. Cloning shares it.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    batches: Arc<Semaphore>,
}

/// The right to hold one batch in memory; dropping it gives the bytes back.
#[derive(Debug)]
pub struct BytePermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    /// A budget of `bytes`, rounded down to whole batches, at least two: one being filled, one being written.
    pub fn new(bytes: usize) -> Self {
        Self { batches: Arc::new(Semaphore::new((bytes / BATCH_BYTES).max(2))) }
    }

    /// Waits until one more batch may be filled. Cancel safe.
    pub async fn acquire(&self) -> BytePermit {
        // The semaphore is never closed, so acquiring cannot fail; a permit without one would only loosen the bound.
        BytePermit { _permit: Arc::clone(&self.batches).acquire_owned().await.ok() }
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
