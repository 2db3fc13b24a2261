//! The workers of a process: started, given orders, stopped and waited for.
//!
//! One worker for each resource, by namespace and name. A resource that was deleted and made anew under its name is another one: the worker
//! of the former ends before the new one begins, since both would write the same tables. A worker that panics is begun
//! anew after a pause and never takes the process with it.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crds::{Reason, SalesforceReplicator};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};
use replication::retry::ACROSS_TICKS;
use salesforce::ErrorKind;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    asked::Asked,
    board::Board,
    metrics::Metrics,
    secrets::Snapshot,
    standing::{Activity, Standing, Trouble},
    status::{self, Written},
    wake::{Wake, WakeUps},
    worker::{Behind, Order, PATIENCE, Worker, Workshop, order},
};

/// How long a worker that was told to stop at once may take: connections are dropped, transactions roll back.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(10);

/// Namespace and name of a resource.
pub(crate) type Key = (String, String);

/// Which resource it is.
pub(crate) fn key(resource: &impl kube::ResourceExt) -> Key {
    (resource.namespace().unwrap_or_default(), resource.name_any())
}

/// The workers of one controller.
#[derive(Debug)]
pub(crate) struct Supervisor {
    workshop: Workshop,
    metrics: Arc<Metrics>,
    wake_ups: Arc<WakeUps>,
    entries: Mutex<BTreeMap<Key, Arc<Entry>>>,
    tasks: Mutex<JoinSet<()>>,
    /// No worker begins any more.
    is_ending: AtomicBool,
}

/// What is known of one resource.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) uid: String,
    pub(crate) board: Arc<Board>,
    post: Mutex<Post>,
    /// What the reconciler remembers between its passes.
    pub(crate) memory: Mutex<Memory>,
}

/// What the reconciler remembers of a resource between its passes.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// How it stood when events were last published.
    pub(crate) seen: Standing,
    pub(crate) was_suspended: Option<bool>,
    /// When a status was last sent, on the monotonic clock.
    pub(crate) sent: Option<Duration>,
    /// The Secrets as they were last read.
    pub(crate) secrets: Arc<Snapshot>,
    /// The trouble with credentials for which they were read anew.
    pub(crate) read_for: Option<String>,
    /// The resource as it was last seen, for the last status of the process.
    pub(crate) resource: Option<Arc<SalesforceReplicator>>,
    /// The status that was last written.
    pub(crate) written: Written,
}

/// Where a worker stands.
#[derive(Debug, Default)]
struct Post {
    /// The last one that began.
    running: Option<Running>,
    /// The resource is gone, or its successor came: no worker begins any more, whatever a pass that is still under way orders.
    is_forgotten: bool,
}

/// A worker under way.
#[derive(Debug, Clone)]
struct Running {
    orders: watch::Sender<Order>,
    ending: CancellationToken,
    stop: CancellationToken,
    /// Cancelled when the worker has ended.
    ended: CancellationToken,
}

impl Supervisor {
    pub(crate) fn new(workshop: Workshop, metrics: Arc<Metrics>, wake_ups: Arc<WakeUps>) -> Self {
        Self {
            workshop,
            metrics,
            wake_ups,
            entries: Mutex::default(),
            tasks: Mutex::default(),
            is_ending: AtomicBool::new(false),
        }
    }

    pub(crate) fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// What is known of a resource; what is known of a former one of its name is let go first.
    pub(crate) async fn entry(&self, resource: &SalesforceReplicator) -> prometheus::Result<Arc<Entry>> {
        let key = key(resource);
        let uid = resource.uid().unwrap_or_default();
        if let Some(known) = self.known(&key) {
            if known.uid == uid && !known.post().is_forgotten {
                return Ok(known);
            }
            self.forget(&key, &known).await;
        }
        let (namespace, name) = &key;
        let metrics = self.metrics.replicator(namespace, name)?;
        let standing = Standing::recall(&resource.spec, resource.status.as_ref());
        let memory = Memory {
            seen: standing.clone(),
            ..Memory::default()
        };
        let wake = Wake::new(key.clone(), Arc::clone(&self.wake_ups));
        let entry = Arc::new(Entry {
            uid,
            board: Arc::new(Board::new(standing, metrics, wake)),
            post: Mutex::default(),
            memory: Mutex::new(memory),
        });
        self.lock().insert(key, Arc::clone(&entry));
        Ok(entry)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn known(&self, key: &Key) -> Option<Arc<Entry>> {
        self.lock().get(key).cloned()
    }

    /// All that are known.
    pub(crate) fn all(&self) -> Vec<(Key, Arc<Entry>)> {
        self.lock()
            .iter()
            .map(|(key, entry)| (key.clone(), Arc::clone(entry)))
            .collect()
    }

    /// Gives a worker its order; starts one where there is none.
    pub(crate) fn order(&self, key: &Key, entry: &Arc<Entry>, order: Order, behind: Option<Timestamp>) {
        let mut post = entry.post();
        if post.is_forgotten || self.is_ending.load(Ordering::Relaxed) {
            return;
        }
        if let Some(running) = post.running.as_ref().filter(|running| !running.ending.is_cancelled()) {
            running.orders.send_if_modified(|current| {
                let is_new = !order.is_same(current);
                if is_new {
                    *current = order;
                }
                is_new
            });
            return;
        }
        let (orders, receiver) = watch::channel(order);
        let started = Running {
            orders,
            ending: CancellationToken::new(),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
        };
        let work = supervise(
            self.workshop.clone(),
            key.clone(),
            receiver,
            Arc::clone(&entry.board),
            (started.ending.clone(), started.stop.clone()),
            behind,
        );
        let ended = started.ended.clone().drop_guard();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _ended = ended;
            work.await;
        });
        post.running = Some(started);
    }

    /// Lets the runs of a resource end and waits for it, at most `patience` and a moment.
    pub(crate) async fn stop(&self, entry: &Entry, patience: Duration) {
        // It stays where it is: whoever else stops the worker waits for its end as well.
        let running = entry.post().running.clone();
        let Some(running) = running else { return };
        running.ending.cancel();
        let clock = &self.workshop.clock;
        tokio::select! {
            biased;
            () = running.ended.cancelled() => return,
            () = clock.sleep(patience) => running.stop.cancel(),
        }
        tokio::select! {
            biased;
            () = running.ended.cancelled() => {}
            () = clock.sleep(AT_ONCE) => tracing::error!("a worker did not stop"),
        }
    }

    /// Nothing is known of a resource any more: its worker ends, its series go. Another resource of its name is not let in before.
    pub(crate) async fn forget(&self, key: &Key, entry: &Arc<Entry>) {
        entry.post().is_forgotten = true;
        self.stop(entry, PATIENCE).await;
        let mut entries = self.lock();
        if entries.get(key).is_some_and(|known| Arc::ptr_eq(known, entry)) {
            entries.remove(key);
            let (namespace, name) = key;
            self.metrics.forget(namespace, name);
        }
    }

    /// Ends all workers, and waits at most `patience` for their segments.
    pub(crate) async fn end(&self, patience: Duration) {
        self.is_ending.store(true, Ordering::Relaxed);
        let all = self.all();
        let ends = all.iter().map(|(_, entry)| self.stop(entry, patience));
        futures_util::future::join_all(ends).await;
    }
}

impl Entry {
    fn post(&self) -> std::sync::MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker, and another one where it panics: after a pause that grows with each panic, or at once where a person orders something
/// else meanwhile. One that has worked for longer than any pause has not failed in a row.
async fn supervise(
    workshop: Workshop,
    key: Key,
    mut orders: watch::Receiver<Order>,
    board: Arc<Board>,
    (ending, stop): (CancellationToken, CancellationToken),
    behind: Option<Timestamp>,
) {
    let replicator = format!("{}/{}", key.0, key.1);
    let mut failures = 0;
    let mut behind = behind.map(|last| Behind::new(last, orders.borrow().clone()));
    loop {
        let begun = workshop.clock.monotonic();
        let mut worker = Worker {
            workshop: workshop.clone(),
            key: key.clone(),
            replicator: replicator.clone(),
            orders: orders.clone(),
            follows: orders.borrow().clone(),
            board: Arc::clone(&board),
            ending: ending.clone(),
            stop: stop.clone(),
            behind: behind.take(),
            asked: Asked::default(),
        };
        if AssertUnwindSafe(Box::pin(worker.work())).catch_unwind().await.is_ok() {
            return;
        }
        let lived = workshop.clock.monotonic().saturating_sub(begun);
        failures = if lived > ACROSS_TICKS.longest { 1 } else { failures + 1 };
        let pause = ACROSS_TICKS.pause(failures, workshop.random.as_ref());
        tracing::error!(replicator, ?pause, "the worker panicked, another one is begun");
        board.update(|standing| {
            standing.interrupted();
            standing.panics += 1;
            standing.activity = Activity::BackingOff;
            standing.trouble = Some(Trouble::new(
                ErrorKind::Fatal,
                Reason::RunPanicked,
                "the worker panicked, which is a defect of this program: the operator's log has its place; please report it",
            ));
        });
        tokio::select! {
            biased;
            () = ending.cancelled() => return,
            () = order::comes(&mut orders, |newer| !newer.is_same(&worker.follows)) => failures = 0,
            () = workshop.clock.sleep(pause) => {}
        }
    }
}

/// The last tick that a status tells of, where a process that starts may go on behind it: it was complete, all was well, and the
/// spec is the one that it was for. Not where something was wrong since: that is looked at again at once.
pub(crate) fn behind(resource: &SalesforceReplicator, standing: &Standing) -> Option<Timestamp> {
    let current = resource.status.as_ref()?;
    let run = current.last_run.as_ref()?;
    let is_ready = status::ready(current).is_some_and(|(holds, _)| holds == "True");
    let is_same = current.observed_generation == resource.meta().generation;
    (is_ready && is_same && standing.trouble.is_none() && run.end_time.is_some()).then_some(run.start_time.0)
}

#[cfg(test)]
mod tests;
