//! The worker of one replicator: opens a session, ticks by the timetable, and follows the orders of the reconciler.
//!
//! A worker is one task. It owns the session, so nobody else can run an object of its replicator; what it should do
//! comes in as the newest [`Order`], what it does goes out by its [`Board`]. Whatever happens it goes on: an error is told and tried again
//! when its kind says so, a panic is a failed run.
//!
//! **Changes.** What a change of the resource costs depends on what changed. A new manual value, a confirmation and a new trigger
//! are taken by the session that is there. Anything that a plan or a login depends on ends the session: its runs end with the segment
//! that is open, for at most [`PATIENCE`], then they are cancelled and roll back. Either way the next session goes on at the
//! checkpoint.
//!
//! **Credentials.** A worker that was refused waits for its order to change, since each login with a wrong password brings a
//! user nearer to being locked out; once an hour it looks again.

use std::{sync::Arc, time::Duration};

use crds::Schedule;
use jiff::Timestamp;
use replication::{
    connect::{Options, Session},
    retry::{HOURLY, Randomness},
    timetable::{STRETCH, Timetable},
};
use salesforce::clock::SharedClock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{asked::Asked, board::Board, standing::Activity, supervisor::Key};

pub(crate) mod order;
mod session;
mod turn;

pub(crate) use order::Order;

/// How long runs may take to end with their segment before they are cancelled. A segment is open for half a minute at most, and its
/// commit takes seconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What every worker of the process has.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    /// What a session needs, without what is each replicator's own.
    pub(crate) options: Options,
    pub(crate) clock: SharedClock,
    pub(crate) random: Arc<dyn Randomness>,
}

impl Workshop {
    /// What a session of one replicator needs. SQLite files lie in a folder of the namespace.
    pub(crate) fn options(&self, (namespace, name): &Key) -> Options {
        let mut options = self.options.clone();
        options.replicator = format!("{namespace}/{name}");
        options.sqlite_directory.push(namespace);
        options
    }
}

/// One worker.
pub(crate) struct Worker {
    pub(crate) workshop: Workshop,
    pub(crate) key: Key,
    /// `namespace/name`, for logs.
    pub(crate) replicator: String,
    pub(crate) orders: watch::Receiver<Order>,
    /// The order that it follows.
    pub(crate) follows: Order,
    pub(crate) board: Arc<Board>,
    /// Ends the worker: runs end with their segment.
    pub(crate) ending: CancellationToken,
    /// Ends it at once: runs roll back.
    pub(crate) stop: CancellationToken,
    /// The tick of a former process that it may go on behind.
    pub(crate) behind: Option<Behind>,
    /// What a person asked for.
    pub(crate) asked: Asked,
}

/// The last tick that the status tells of, and the order that it was for: another one is followed at once.
#[derive(Debug)]
pub(crate) struct Behind {
    last: Timestamp,
    of: Order,
    /// Made with the first schedule, so that it knows of a change of it.
    timetable: Option<Timetable>,
}

impl Behind {
    pub(crate) fn new(last: Timestamp, of: Order) -> Self {
        Self {
            last,
            of,
            timetable: None,
        }
    }
}

/// A session, and the order that it was opened for.
struct Opened {
    session: Session,
    order: Order,
    ending: CancellationToken,
    timetable: Timetable,
    /// Whether a tick of all objects ran since.
    has_ticked: bool,
    /// Objects whose runs went on when the last tick came back.
    busy: Vec<String>,
}

/// Why a wait ended.
enum Woken {
    /// It is time.
    Time,
    /// Another order came.
    Order,
    /// The worker is to end.
    End,
}

impl Worker {
    /// Works until it is told to end.
    pub(crate) async fn work(&mut self) {
        let mut opened: Option<Opened> = None;
        let mut failures = 0;
        loop {
            let order = self.orders.borrow_and_update().clone();
            self.follows = order.clone();
            if self.ending.is_cancelled() || order.spec.suspend {
                self.close(opened.take(), order.spec.suspend).await;
                if self.ending.is_cancelled() {
                    self.board.update(|standing| standing.activity = Activity::Waiting);
                    return;
                }
                // What would have been due meanwhile was not missed.
                self.behind = None;
                self.suspended(&order);
                match self.wait(None).await {
                    Woken::End | Woken::Order | Woken::Time => continue,
                }
            }
            // One that was told to end runs nothing any more, though the order that ended it was taken back.
            let is_over = |opened: &Opened| opened.ending.is_cancelled() || !order.is_served_by(&opened.order);
            if opened.as_ref().is_some_and(is_over) {
                self.close(opened.take(), false).await;
                failures = 0;
                self.behind = None;
                continue;
            }
            let Some(schedule) = Schedule::new(&order.spec.trigger).ok() else {
                // The reconciler gives no such order; the next one will be another.
                self.wait(Some(HOURLY)).await;
                continue;
            };
            let Some(mut current) = self.session(opened.take(), order, &schedule, &mut failures).await else {
                continue;
            };
            let wait = self.turn(&mut current).await;
            opened = Some(current);
            if let Some(wait) = wait {
                self.wait(Some(wait)).await;
            }
        }
    }

    async fn back_off(&mut self, pause: Duration) {
        let clock = Arc::clone(&self.workshop.clock);
        let until = clock.monotonic().saturating_add(pause);
        loop {
            let left = until.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return;
            }
            match self.wait(Some(left)).await {
                Woken::Time => {}
                Woken::Order | Woken::End => return,
            }
        }
    }

    fn suspended(&self, order: &Order) {
        let now = self.workshop.clock.now();
        self.board.update(|standing| {
            standing.suspended(now);
            standing.acts_upon(order.generation);
            standing.activity = Activity::Suspended;
            (standing.next_run, standing.next_try) = (None, None);
            standing.lists(&order.spec);
        });
    }

    /// Waits for as long, but not when an order comes or the end.
    async fn wait(&mut self, longest: Option<Duration>) -> Woken {
        let clock = Arc::clone(&self.workshop.clock);
        let time = async {
            match longest {
                Some(longest) => clock.sleep(longest.min(STRETCH)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Woken::End,
            () = self.ending.cancelled() => Woken::End,
            changed = self.orders.changed() => if changed.is_ok() { Woken::Order } else { Woken::End },
            () = time => Woken::Time,
        }
    }
}

#[cfg(test)]
mod tests;
