//! The runs: one pass over one object, of one kind (design section 6).
//!
//! A run gets a plan, a client with its own count of calls and the table with its state as it was read just before. It
//! makes no decisions about configuration, knows no SQL and keeps nothing: where to go on is in the state that it commits
//! with its rows, and what it found out besides is in what it returns.
//!
//! * [`initial`]: all live rows, for the first time.
//! * [`incremental`]: what changed since the watermark, and what changed parents mean for their children ([`linked`]).
//! * [`verify`]: late commits and hard deletes, by Salesforce's log.
//! * [`listing`]: all records by Id: Reconcile compares their stamps, Refresh reads their rows.
//!
//! [`segment`], [`settle`] and [`watermark`] are the ideas that they share, [`reader`] is how rows come in.

use std::{
    pin::Pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use jiff::{Timestamp, Unit};
use salesforce::clock::SharedClock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Result,
    batch::Batch,
    destination::{ObjectTable, observed::DestinationObserver},
    plan::{ObjectName, ObjectPlan},
    progress::{Drift, Event, Observer, RunKind},
    quota::Allowance,
    soql::Shape,
    source::Feed,
    state::{Counts, State},
};

pub(crate) mod incremental;
pub(crate) mod initial;
pub(crate) mod linked;
pub(crate) mod listing;
pub(crate) mod reader;
pub(crate) mod segment;
pub(crate) mod settle;
pub(crate) mod verify;
pub(crate) mod watermark;

/// What one run of one object works with.
#[derive(Debug)]
pub(crate) struct Context<'run> {
    pub(crate) plan: &'run ObjectPlan,
    pub(crate) kind: RunKind,
    pub(crate) feed: Feed,
    pub(crate) clock: &'run SharedClock,
    pub(crate) observer: &'run dyn Observer,
    pub(crate) destination: &'run dyn DestinationObserver,
    pub(crate) limits: segment::Limits,
    pub(crate) overlap: Duration,
    pub(crate) tally: &'run Tally,
    /// Whole rows of the plan.
    pub(crate) whole: Arc<Shape>,
    /// `maxDeletePercent`.
    pub(crate) max_delete_percent: u8,
    /// When the run began, wall clock.
    pub(crate) started: Timestamp,
    /// The right to run, which long runs pass on between segments.
    pub(crate) slot: &'run Slot,
    /// An Incremental of the object is due, which a long run makes room for.
    pub(crate) due: &'run AtomicBool,
    /// How many of the org's API calls it may find used.
    pub(crate) allowance: Allowance,
    /// The run is to end with the segment that is open.
    pub(crate) ending: &'run CancellationToken,
}

/// Rights to run: those of one replicator, of which there are as many as `parallelism`, and beside them those of the whole
/// process, where it has a limit. Cloning shares both.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    own: Arc<Semaphore>,
    process: Option<Arc<Semaphore>>,
}

impl Slots {
    pub(crate) fn new(parallelism: usize, process: Option<Arc<Semaphore>>) -> Self {
        Self {
            own: Arc::new(Semaphore::new(parallelism.max(1))),
            process,
        }
    }

    /// Waits for both. In this order everywhere: whoever holds a right of the process waits for nothing.
    async fn acquire(self) -> Rights {
        // The semaphores are never closed.
        let own = self.own.acquire_owned().await.ok();
        let process = match self.process {
            Some(process) => process.acquire_owned().await.ok(),
            None => None,
        };
        Rights {
            _own: own,
            _process: process,
        }
    }
}

/// Held while a run works.
#[derive(Debug)]
struct Rights {
    _own: Option<OwnedSemaphorePermit>,
    _process: Option<OwnedSemaphorePermit>,
}

/// A place among those who wait for the right to run.
pub(crate) struct Place {
    all: Slots,
    waiting: Pin<Box<dyn Future<Output = Rights> + Send>>,
}

impl Place {
    /// Takes the next place, behind those that were taken before.
    pub(crate) fn take(all: &Slots) -> Self {
        let mut waiting: Pin<Box<dyn Future<Output = Rights> + Send>> = Box::pin(all.clone().acquire());
        // A place is taken by the first look, and looks that come later keep it.
        if let Some(rights) = waiting.as_mut().now_or_never() {
            waiting = Box::pin(std::future::ready(rights));
        }
        Self {
            all: all.clone(),
            waiting,
        }
    }

    /// Waits for its turn.
    pub(crate) async fn wait(self) -> Slot {
        let rights = self.waiting.await;
        Slot {
            all: self.all,
            rights: std::sync::Mutex::new(Some(rights)),
            passed: AtomicU64::new(0),
        }
    }
}

/// The right to run beside others.
#[derive(Debug)]
pub(crate) struct Slot {
    all: Slots,
    rights: std::sync::Mutex<Option<Rights>>,
    /// How often it was passed on.
    passed: AtomicU64,
}

impl Slot {
    /// Whether the run waits for its right, and how often it has passed it on.
    pub(crate) fn waits(&self) -> (bool, u64) {
        let rights = self.rights.lock().unwrap_or_else(PoisonError::into_inner);
        (rights.is_none(), self.passed.load(Ordering::Relaxed))
    }

    /// Lets those run who have waited longer. A load of hours thus never holds up the Incremental of another object for
    /// longer than one of its segments takes.
    pub(crate) async fn pass_on(&self) {
        let rights = self.rights.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(rights);
        self.passed.fetch_add(1, Ordering::Relaxed);
        let again = self.all.clone().acquire().await;
        *self.rights.lock().unwrap_or_else(PoisonError::into_inner) = Some(again);
    }
}

/// What a run has done so far; outlives the run, so that one that failed is counted too.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows_read: AtomicU64,
    rows_written: AtomicU64,
    rows_deleted: AtomicU64,
    removed_characters: AtomicU64,
    missing: AtomicU64,
    differing: AtomicU64,
    surplus: AtomicU64,
    /// Whether the run waits for the database, which may take as long as it needs.
    patient: AtomicBool,
}

/// Work of the database that has no time limit.
struct Patience<'tally>(&'tally AtomicBool);

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What is known of an object after a run that succeeded, carried to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// As the destination has it.
    pub(crate) state: State,
    /// Where the next Incremental begins; ahead of the state's when runs found nothing to write, and while a Refresh is
    /// under way.
    pub(crate) watermark: Option<Timestamp>,
    /// Where the next Verify begins; the same holds.
    pub(crate) verified_until: Option<Timestamp>,
}

impl Context<'_> {
    pub(crate) fn object(&self) -> &ObjectName {
        &self.plan.object
    }

    pub(crate) fn tell(&self, event: &Event) {
        self.observer.observe(&self.plan.object, self.kind, event);
    }

    /// Counts rows that Salesforce sent.
    pub(crate) fn read(&self, batch: &Batch) {
        let rows = u64::try_from(batch.rows()).unwrap_or(u64::MAX);
        let before = self.tally.rows_read.fetch_add(rows, Ordering::Relaxed);
        self.tally
            .removed_characters
            .fetch_add(batch.removed_characters(), Ordering::Relaxed);
        self.tell(&Event::Read(before.saturating_add(rows)));
    }

    /// Counts what a segment changed.
    pub(crate) fn committed(&self, counts: Counts) {
        self.tally
            .rows_written
            .fetch_add(counts.inserted.saturating_add(counts.updated), Ordering::Relaxed);
        self.tally.rows_deleted.fetch_add(counts.deleted, Ordering::Relaxed);
        self.tell(&Event::Committed(counts));
    }

    /// Adds to what a listing found.
    pub(crate) fn drifted(&self, drift: Drift) {
        let Drift {
            missing,
            differing,
            surplus,
        } = drift;
        self.tally.missing.fetch_add(missing, Ordering::Relaxed);
        self.tally.differing.fetch_add(differing, Ordering::Relaxed);
        self.tally.surplus.fetch_add(surplus, Ordering::Relaxed);
    }

    /// Between two segments of a long run: others may run.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where the run is to end here.
    pub(crate) async fn pause(&self) -> Result<()> {
        if self.ending.is_cancelled() {
            return Err(Error::Cancelled);
        }
        self.slot.pass_on().await;
        Ok(())
    }

    /// Whether a listing has to make room: for the Incremental of its own object, or for others who need the org's calls.
    pub(crate) fn must_yield(&self) -> bool {
        self.due.load(Ordering::Relaxed) || self.within_budget().is_err()
    }

    /// Between two segments of a long run, by what its own calls were told.
    ///
    /// # Errors
    /// [`Error::Budget`] where the rest has to wait.
    pub(crate) fn within_budget(&self) -> Result<()> {
        let usage = self.feed.client().api_usage();
        self.allowance.spent(self.kind, usage).map_or(Ok(()), |spent| {
            Err(Error::Budget {
                object: self.plan.object.clone(),
                kind: self.kind,
                spent,
            })
        })
    }

    /// An error of Salesforce's that ended the run; a field or an object that is gone is told with the object's name.
    pub(crate) fn explain(&self, error: salesforce::Error) -> Error {
        let (condition, select) = (&self.plan.condition, &self.plan.select);
        if condition
            .as_ref()
            .is_some_and(|condition| condition.is_meant_by(&error, select))
        {
            return Error::Condition {
                object: self.plan.object.clone(),
                source: error,
            };
        }
        match error.code() {
            Some("INVALID_FIELD" | "INVALID_TYPE") => Error::SchemaChanged {
                object: self.plan.object.clone(),
                source: error,
            },
            Some(_) | None => Error::Salesforce(error),
        }
    }

    /// Salesforce's clock, cut down to the millisecond: what every destination keeps exactly, so that a watermark is the
    /// same in memory and in the state, and never ahead of the truth.
    pub(crate) async fn server_now(&self) -> Result<Timestamp> {
        let client = self.feed.client();
        let now = self
            .feed
            .retries
            .call(|| client.server_now())
            .await
            .map_err(|error| self.explain(error))?;
        Ok(watermark::floor(now, Unit::Millisecond))
    }
}

impl Tally {
    /// Waits for work of the database that has no time limit and shows no sign of life, as the making of an index.
    pub(crate) async fn patiently<R>(&self, work: impl Future<Output = R>) -> R {
        self.patient.store(true, Ordering::Relaxed);
        let _patience = Patience(&self.patient);
        work.await
    }

    /// Whether such work is under way.
    pub(crate) fn is_patient(&self) -> bool {
        self.patient.load(Ordering::Relaxed)
    }

    pub(crate) fn rows_read(&self) -> u64 {
        self.rows_read.load(Ordering::Relaxed)
    }

    pub(crate) fn rows_written(&self) -> u64 {
        self.rows_written.load(Ordering::Relaxed)
    }

    pub(crate) fn rows_deleted(&self) -> u64 {
        self.rows_deleted.load(Ordering::Relaxed)
    }

    pub(crate) fn removed_characters(&self) -> u64 {
        self.removed_characters.load(Ordering::Relaxed)
    }

    pub(crate) fn drift(&self) -> Drift {
        Drift {
            missing: self.missing.load(Ordering::Relaxed),
            differing: self.differing.load(Ordering::Relaxed),
            surplus: self.surplus.load(Ordering::Relaxed),
        }
    }
}

/// Reads the state that a run has left, for the next one; `watermark` and `verified_until` are what the run knows to be
/// covered.
pub(crate) async fn remember<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    watermark: Option<Timestamp>,
    verified_until: Option<Timestamp>,
) -> Result<Memory> {
    match table.read_state().await? {
        Some(state) => Ok(Memory {
            state,
            watermark,
            verified_until,
        }),
        None => Err(Error::Fenced {
            object: context.plan.object.clone(),
        }),
    }
}
