//! Where a worker and its runs write how the replicator stands, and the reconciler reads it.
//!
//! A change of state wakes the reconciler of the resource at once; progress does not, since whoever shows progress looks by itself every
//! few seconds.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use replication::{
    destination::observed::{ConnectionState, DestinationObserver, SegmentOutcome},
    plan::ObjectName,
    progress::{Event, Observer, RunKind},
};
use salesforce::CallObserver;

use crate::{metrics::ReplicatorMetrics, standing::Standing, wake::Wake};

/// How one replicator stands, shared.
#[derive(Debug)]
pub(crate) struct Board {
    standing: Mutex<Standing>,
    metrics: Arc<ReplicatorMetrics>,
    wake: Wake,
}

impl Board {
    pub(crate) fn new(standing: Standing, metrics: Arc<ReplicatorMetrics>, wake: Wake) -> Self {
        Self {
            standing: Mutex::new(standing),
            metrics,
            wake,
        }
    }

    /// How it stands at this moment.
    pub(crate) fn standing(&self) -> Standing {
        self.lock().clone()
    }

    /// Changes what is known, and wakes the reconciler where that makes a difference.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Standing)) {
        let mut standing = self.lock();
        let before = standing.clone();
        change(&mut standing);
        let is_changed = *standing != before;
        drop(standing);
        if is_changed {
            self.wake.wake();
        }
    }

    /// Who is told of calls to Salesforce.
    pub(crate) fn calls(&self) -> Arc<dyn CallObserver> {
        Arc::<ReplicatorMetrics>::clone(&self.metrics)
    }

    pub(crate) fn metrics(&self) -> &Arc<ReplicatorMetrics> {
        &self.metrics
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object's name as the spec spells it: series have that spelling, as the status has it.
fn spelling(standing: &mut Standing, object: &ObjectName) -> Option<String> {
    standing.object(object.as_str()).map(|object| object.name.clone())
}

impl DestinationObserver for Board {
    fn connection(&self, from: Option<ConnectionState>, to: Option<ConnectionState>) {
        self.metrics.connection(from, to);
    }

    fn segment(&self, outcome: SegmentOutcome, took: Duration) {
        self.metrics.segment(outcome, took);
    }

    fn unchanged(&self, object: &ObjectName, rows: u64) {
        let name = spelling(&mut self.lock(), object);
        if let Some(name) = name {
            self.metrics.unchanged(&name, rows);
        }
    }
}

impl Observer for Board {
    fn observe(&self, object: &ObjectName, kind: RunKind, event: &Event) {
        let mut standing = self.lock();
        standing.observe(object.as_str(), kind, event);
        let name = spelling(&mut standing, object);
        drop(standing);
        if let Some(name) = name {
            self.metrics.observe(&name, event);
        }
        match event {
            Event::Started | Event::Ended(_) => self.wake.wake(),
            Event::Size(_) | Event::Read(_) | Event::Committed(_) => {}
        }
    }
}
