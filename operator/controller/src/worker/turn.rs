//! What a worker does when something is due: one tick, and what it tells of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crds::Reason;
use jiff::Timestamp;
use replication::{
    connect::Session,
    progress::RunError,
    replicator::{TickReport, TickRequest},
    timetable::Due,
};

use super::{
    Opened, Order, PATIENCE, Worker, order,
    session::{planned, usage},
};
use crate::{
    asked::{self, Wish},
    standing::{Activity, Tick, Trouble},
};

impl Worker {
    /// Does what is due. Gives how long nothing will be, where nothing was.
    pub(super) async fn turn(&mut self, opened: &mut Opened) -> Option<Duration> {
        let wish = self.manual(&opened.order);
        let (confirm, new) = self.confirmations(&opened.order);
        let is_first = !opened.has_ticked;
        let schedule = opened.session.schedule();
        let waited = waited(&opened.session);
        let is_free = schedule.next_try_in().is_none_or(|left| left.is_zero());
        let due = match opened.timetable.due(schedule.next_try_in()) {
            _ if is_first || wish == Wish::New => Due::Tick,
            // The tick that it was asked of failed as a whole.
            Due::Retry if wish == Wish::Again => Due::Tick,
            Due::Wait(_) if !new.is_empty() => Due::Retry,
            due @ (Due::Tick | Due::Retry | Due::Wait(_)) => due,
        };
        if let Due::Wait(wait) = due {
            self.board.update(|standing| {
                standing.goes_on(opened.order.generation);
                standing.activity = if schedule.next_try_in().is_some() {
                    Activity::BackingOff
                } else {
                    Activity::Waiting
                };
                standing.plans_next(opened.timetable.next_time(), schedule.next_try());
            });
            return Some(wait);
        }
        let timetable = &opened.timetable;
        if !is_first && (timetable.wants_plan(&waited) || wish == Wish::New && timetable.is_outdated()) {
            opened.timetable.planned();
            self.replan(opened).await;
        }
        let is_whole = match due {
            Due::Retry => false,
            Due::Tick | Due::Wait(_) => {
                let missed = opened.timetable.start();
                self.board.update(|standing| standing.missed += missed);
                true
            }
        };
        let manual = opened.order.spec.trigger.manual.clone();
        let manual = manual.filter(|_| is_whole && (wish == Wish::New || wish == Wish::Again && is_free));
        let request = TickRequest {
            kind: None,
            objects: (!is_whole).then(|| waited.into_iter().chain(new.iter().cloned()).collect()),
            only_due: manual.is_none() && new.is_empty(),
            manual: manual.is_some(),
            confirm,
            until: opened.timetable.until(),
        };
        if let Some(manual) = &manual {
            self.asked.begins(manual);
        }
        self.asked.gives(&request.confirm);
        let report = self.tick(opened, &request, is_whole).await?;
        opened.has_ticked |= is_whole;
        opened.timetable.note(&report);
        let objects = opened.session.plan().objects.iter().map(|plan| plan.object.as_str());
        let is_cut = opened.ending.is_cancelled() && asked::is_cut(objects, &report);
        self.tell_tick(opened, &report, is_whole, is_cut);
        self.asked.answered(&request.confirm, &opened.busy, &report);
        if let Some(manual) = self.asked.ended(manual.is_some(), is_cut, &report) {
            self.board.update(|standing| standing.last_manual = Some(manual));
        }
        opened.busy.clone_from(&report.running);
        None
    }

    /// One tick. It is given up where an order comes that its session does not serve; `None` then. What is tried again between
    /// two ticks of all objects belongs to the one before: it has no start of its own, or the next tick would be counted
    /// from it.
    async fn tick(&mut self, opened: &mut Opened, request: &TickRequest, is_whole: bool) -> Option<TickReport> {
        let start = self.workshop.clock.now();
        self.board.update(|standing| {
            standing.activity = Activity::Running;
            standing.goes_on(opened.order.generation);
            if is_whole {
                standing.tick = Some(Tick::begun(id(start), start));
            }
        });
        let Opened {
            session, order, ending, ..
        } = opened;
        let cancel = self.stop.child_token();
        let mut tick = Box::pin(session.tick(request, &cancel));
        let report = tokio::select! {
            biased;
            report = &mut tick => report,
            () = order::comes(&mut self.orders, |newer| !newer.lets_run(order)) => {
                ending.cancel();
                let patience = self.workshop.clock.sleep(PATIENCE);
                tokio::select! {
                    biased;
                    _ = &mut tick => {}
                    () = patience => {
                        cancel.cancel();
                        tick.await;
                    }
                }
                return None;
            }
        };
        Some(report)
    }

    fn tell_tick(&self, opened: &Opened, report: &TickReport, is_whole: bool, is_cut: bool) {
        let session = &opened.session;
        let is_cancelled = |error: &&RunError| error.reason == Reason::Cancelled.as_str();
        let trouble = report
            .error
            .as_ref()
            .filter(|error| !is_cancelled(error))
            .map(Trouble::from);
        self.board.update(|standing| {
            // One that was cut off has no end: the process that comes next begins with another.
            if let Some(tick) = standing.tick.as_mut().filter(|_| is_whole && !is_cut) {
                tick.end = Some(report.end_time);
            }
            if trouble.is_some() || is_whole && !is_cut && report.running.is_empty() {
                standing.acts_upon(opened.order.generation);
            }
            standing.usage = usage(session).or(standing.usage);
            // A tick makes the plan again where the org has changed under it.
            standing.plans(planned(session));
            if is_whole || trouble.is_some() || report.runs.iter().any(|run| run.error.is_none()) {
                standing.trouble = trouble;
            }
            standing.activity = if session.schedule().next_try_in().is_some() {
                Activity::BackingOff
            } else {
                Activity::Waiting
            };
            standing.plans_next(opened.timetable.next_time(), report.next_try_time);
            standing.retired = session
                .retired_tables()
                .iter()
                .map(|retired| retired.table.clone())
                .collect();
        });
    }

    pub(super) fn manual(&self, order: &Order) -> Wish {
        let last = self.board.standing().last_manual;
        self.asked.manual(order.spec.trigger.manual.as_deref(), last.as_deref())
    }

    /// Tokens that were not answered yet, and the objects of those that are new. One for an object without held deletes is of an
    /// annotation that stayed from another time.
    pub(super) fn confirmations(&self, order: &Order) -> (BTreeMap<String, String>, BTreeSet<String>) {
        if order.confirm.is_empty() {
            return Default::default();
        }
        let mut standing = self.board.standing();
        let mut is_held = |object: &str| standing.object(object).is_some_and(|object| object.held.is_some());
        let given = order.confirm.iter().filter(|(object, _)| is_held(object));
        self.asked
            .tokens(&given.map(|(object, token)| (object.clone(), token.clone())).collect())
    }
}

/// Objects that failed and have waited, those that cannot be planned among them.
fn waited(session: &Session) -> BTreeSet<String> {
    let schedule = session.schedule();
    let plan = session.plan();
    let unplanned = plan.unplanned.iter().map(|unplanned| &unplanned.object);
    let objects = plan.objects.iter().map(|plan| &plan.object).chain(unplanned);
    let waited = objects.filter(|object| schedule.failures(object) > 0 && schedule.is_due(object));
    waited.map(ToString::to_string).collect()
}

/// The name of a tick in status and logs.
fn id(start: Timestamp) -> String {
    start.strftime("%Y%m%d-%H%M%S").to_string()
}
