//! The session of a worker: how it is opened, described anew and closed.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crds::Schedule;
use replication::{
    connect::Session,
    replicator::TickRequest,
    retry::{ACROSS_TICKS, HOURLY},
    timetable::{Due, Timetable},
};
use salesforce::{ErrorKind, Retry};

use super::{Opened, Order, PATIENCE, Worker, order};
use crate::{
    asked::Wish,
    board::Board,
    standing::{Activity, Org, Reads, Standing, Trouble},
};

impl Worker {
    /// The session that is there, under the new order, or one that is opened. `None` where there is none yet; it was waited for
    /// then.
    pub(super) async fn session(
        &mut self,
        opened: Option<Opened>,
        order: Order,
        schedule: &Schedule,
        failures: &mut u32,
    ) -> Option<Opened> {
        if let Some(mut current) = opened {
            current.timetable.follow(self.apart(schedule));
            current.order = order;
            return Some(current);
        }
        if let Some(wait) = self.may_wait(&order, schedule) {
            self.wait(Some(wait)).await;
            return None;
        }
        match self.open(&order, schedule).await {
            Ok(opened) => {
                *failures = 0;
                opened
            }
            Err(error) => {
                *failures = failures.saturating_add(1);
                let pause = self.failed(&order, &error, *failures);
                // One that came while the session was being opened was not waited for.
                if self.orders.borrow().is_same(&order) {
                    self.back_off(pause).await;
                }
                None
            }
        }
    }

    /// After a start of the process: how long until the first tick, where the last one is known and nothing asks for another.
    fn may_wait(&mut self, order: &Order, schedule: &Schedule) -> Option<Duration> {
        self.behind.take_if(|behind| !order.is_served_by(&behind.of));
        let (schedule, clock) = (self.apart(schedule), &self.workshop.clock);
        let behind = self.behind.as_mut()?;
        let timetable = behind
            .timetable
            .get_or_insert_with(|| Timetable::new(schedule.clone(), Arc::clone(clock)).behind(behind.last));
        timetable.follow(schedule);
        let (due, next) = (timetable.due(None), timetable.next_time());
        if self.manual(order) != Wish::None || !self.confirmations(order).0.is_empty() {
            return None;
        }
        self.board.update(|standing| {
            standing.acts_upon(order.generation);
            standing.activity = Activity::Waiting;
            standing.plans_next(next, None);
        });
        match due {
            Due::Wait(wait) => Some(wait),
            Due::Tick | Due::Retry => None,
        }
    }

    /// A schedule whose intervals are a little shorter, each replicator by its own part, so that those of a process that
    /// started do not stay in step.
    fn apart(&self, schedule: &Schedule) -> Schedule {
        match schedule {
            Schedule::Interval(interval) => Schedule::Interval(jittered(*interval, &self.replicator)),
            Schedule::Cron(_) | Schedule::Manual => schedule.clone(),
        }
    }

    /// Logs in, describes, plans, connects. `None`: another order came meanwhile, or the end.
    async fn open(&mut self, order: &Order, schedule: &Schedule) -> Result<Option<Opened>, replication::Error> {
        self.board.update(|standing| {
            standing.activity = Activity::Running;
            standing.lists(&order.spec);
        });
        let ending = self.ending.child_token();
        let mut options = self.workshop.options(&self.key);
        options.adopt.clone_from(&order.adopt);
        options.environment.ending = ending.clone();
        options.environment.observer = Arc::<Board>::clone(&self.board);
        options.environment.calls = Some(self.board.calls());
        options.environment.destination = Arc::<Board>::clone(&self.board);
        if order.spec.destination.sqlite.is_some() {
            make_folder(&options.sqlite_directory).await?;
        }
        let session = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(None),
            () = self.ending.cancelled() => return Ok(None),
            () = order::comes(&mut self.orders, |newer| !newer.lets_run(order)) => return Ok(None),
            session = Box::pin(Session::open(&order.spec, order.secrets.as_ref(), &options)) => session?,
        };
        let timetable = self.behind.take().and_then(|behind| behind.timetable);
        let timetable =
            timetable.unwrap_or_else(|| Timetable::new(self.apart(schedule), Arc::clone(&self.workshop.clock)));
        let opened = Opened {
            session,
            order: order.clone(),
            ending,
            timetable,
            has_ticked: false,
            busy: Vec::new(),
        };
        self.tell_session(&opened);
        Ok(Some(opened))
    }

    fn tell_session(&self, opened: &Opened) {
        let Opened { session, order, .. } = opened;
        self.board.update(|standing| {
            standing.follows(order.generation);
            standing.trouble = None;
            standing.org = Some(Org {
                instance_url: session.org().instance_url.as_str().trim_end_matches('/').to_owned(),
                organization_id: session.org().organization_id.clone(),
            });
            standing.usage = usage(session);
            standing.reads = Some(Reads::of(&order.spec.connection));
            standing.plans(planned(session));
        });
    }

    /// Describes the org and makes the plan again. Where that fails the others go on by the old one.
    pub(super) async fn replan(&mut self, opened: &mut Opened) {
        let Opened {
            session, order, ending, ..
        } = opened;
        let planned = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = ending.cancelled() => return,
            () = order::comes(&mut self.orders, |newer| !newer.lets_run(order)) => return,
            planned = Box::pin(session.replan(&order.spec)) => planned,
        };
        match planned {
            Ok(()) => self.tell_session(opened),
            Err(error) => tracing::warn!(
                replicator = self.replicator,
                reason = error.reason(),
                error = error.message(),
                "the plan cannot be made again"
            ),
        }
    }

    /// A session could not be opened. Gives the pause before the next try.
    fn failed(&self, order: &Order, error: &replication::Error, failures: u32) -> Duration {
        let pause = match error.retry() {
            Retry::Backoff => ACROSS_TICKS.pause(failures, self.workshop.random.as_ref()),
            Retry::After(pause) => pause,
            Retry::WhenResourceChanges | Retry::WhenSecretChanges | Retry::Hourly => HOURLY,
        };
        tracing::warn!(
            replicator = self.replicator,
            reason = error.reason(),
            error = error.message(),
            ?pause,
            "not connected"
        );
        let next_try = self.workshop.clock.now().checked_add(pause).ok();
        self.board.update(|standing| {
            standing.acts_upon(order.generation);
            standing.activity = Activity::BackingOff;
            standing.trouble = Some(Trouble::from(error));
            standing.next_try = next_try;
            standing.next_run = None;
        });
        pause
    }

    /// Lets the runs of a session end, and forgets it.
    pub(super) async fn close(&mut self, opened: Option<Opened>, is_suspending: bool) {
        let Some(mut opened) = opened else { return };
        self.asked.interrupted();
        if is_suspending {
            self.board.update(|standing| standing.activity = Activity::Suspending);
        }
        opened.ending.cancel();
        // Runs that outlived their tick end with their segment; a tick that asks for nothing waits for them.
        let nothing = TickRequest {
            objects: Some(BTreeSet::new()),
            ..TickRequest::default()
        };
        let cancel = self.stop.child_token();
        let mut tick = Box::pin(opened.session.tick(&nothing, &cancel));
        let patience = self.workshop.clock.sleep(PATIENCE);
        tokio::select! {
            biased;
            _ = &mut tick => {}
            () = self.stop.cancelled() => {}
            () = patience => {}
        }
        drop(tick);
        drop(opened);
        self.board.update(Standing::interrupted);
    }
}

/// Makes the folder of a namespace's SQLite files.
async fn make_folder(folder: &Path) -> Result<(), replication::Error> {
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|error| replication::Error::Database {
            kind: ErrorKind::Transient,
            message: format!(
                "the folder {} of SQLite files cannot be made: {}; the operator needs the right to write there",
                folder.display(),
                error.kind()
            ),
            source: Some(Box::new(error)),
        })
}

/// The objects with their tables, and whether each of their ticks is a Refresh.
pub(super) fn planned(session: &Session) -> impl Iterator<Item = (&str, &str, bool)> {
    let plans = session.plan().objects.iter();
    plans.map(|plan| (plan.object.as_str(), plan.table.as_str(), plan.stamp.is_none()))
}

pub(super) fn usage(session: &Session) -> Option<crds::ApiUsage> {
    let usage = session.client().api_usage()?;
    Some(crds::ApiUsage {
        used: i64::try_from(usage.used).ok()?,
        limit: i64::try_from(usage.limit).ok()?,
    })
}

/// An interval shortened by up to a twentieth, by the replicator's name.
fn jittered(interval: Duration, replicator: &str) -> Duration {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(replicator);
    let part = u32::try_from(hash % 1000).unwrap_or(0);
    interval.saturating_sub(interval / 20 * part / 1000)
}
