//! When the next tick is due, and when the plan has to be made again before it.
//!
//! Ticks go from start to start. A tick that is due while another runs is not lost and not queued: when the running one
//! ends, one tick stands for all that were due, and the others are counted as missed. Between ticks an object that failed
//! is tried again when its error says so, alone. An object that failed for what the resource asks for (a field that is gone, say)
//! would fail again with the plan that it failed with, so the org is described and the plan made again before it is tried.
//!
//! Waiting is done in short stretches against the wall clock, since a laptop that slept, or a clock that was set, must not
//! move a schedule of "every day at six"; an interval is measured on the monotonic clock, which nobody sets.
//!
//! Pure but for the clock that comes in: who ticks, and what else may wake it, is the caller's.

use std::{collections::BTreeSet, time::Duration};

use crds::Schedule;
use jiff::Timestamp;
use salesforce::{ErrorKind, clock::SharedClock};

use crate::{progress::RunReport, replicator::TickReport};

/// The longest stretch of waiting after which the wall clock is looked at again.
pub const STRETCH: Duration = Duration::from_secs(30);

/// How long the next tick may be waited for at least: a tick that is due by now has time to begin.
const SHORTEST: Duration = Duration::from_secs(1);

/// How old a describe may be (design 6.8): fields are added, and permissions change, without a word.
const DESCRIBED: Duration = Duration::from_hours(1);

/// More missed ticks than this are not counted one by one: a cron line of every minute, ten weeks asleep.
const MOST_MISSED: u64 = 100_000;

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A tick of all objects, those that failed and have waited among them.
    Tick,
    /// A tick of those alone.
    Retry,
    /// Nothing, for so long at most.
    Wait(Duration),
}

/// When the ticks of one replicator are due.
#[derive(Debug)]
pub struct Timetable {
    schedule: Schedule,
    clock: SharedClock,
    last: Start,
    /// When it began to go by this schedule.
    since: Start,
    /// Due times since the last start by schedules before this one.
    earlier: u64,
    /// When the plan was made, on the monotonic clock.
    planned: Duration,
    /// Objects whose last run failed for what the resource asks for (design 6.10).
    outdated: BTreeSet<String>,
    /// Whether one of them failed in the last tick.
    is_new: bool,
}

/// When a tick started, or a schedule began, on both clocks.
#[derive(Debug, Clone, Copy)]
struct Start {
    wall: Timestamp,
    monotonic: Duration,
    /// What had passed since `wall` when `monotonic` was read: a tick of a former process.
    before: Duration,
}

impl Start {
    fn now(clock: &SharedClock) -> Self {
        Self {
            wall: clock.now(),
            monotonic: clock.monotonic(),
            before: Duration::ZERO,
        }
    }

    fn passed(&self, clock: &SharedClock) -> Duration {
        let here = clock.monotonic().saturating_sub(self.monotonic);
        self.before.saturating_add(here)
    }
}

impl Timetable {
    /// Of a replicator whose plan was made, and whose first tick starts, at this moment.
    pub fn new(schedule: Schedule, clock: SharedClock) -> Self {
        let last = Start::now(&clock);
        Self {
            schedule,
            planned: clock.monotonic(),
            clock,
            last,
            since: last,
            earlier: 0,
            outdated: BTreeSet::new(),
            is_new: false,
        }
    }

    /// Goes on behind a tick that started at `last`, wall clock, perhaps in another process.
    #[must_use]
    pub fn behind(mut self, last: Timestamp) -> Self {
        self.last.before = Duration::try_from(self.last.wall.duration_since(last)).unwrap_or(Duration::ZERO);
        self.last.wall = last.min(self.last.wall);
        self.since = self.last;
        self
    }

    /// Goes by another schedule, from the last start on. Times before this moment at which it would have been due were none.
    pub fn follow(&mut self, schedule: Schedule) {
        if schedule != self.schedule {
            self.earlier = self.earlier.saturating_add(self.dues());
            self.since = Start::now(&self.clock);
            self.schedule = schedule;
        }
    }

    /// A tick of all objects starts. Gives the number of due times that passed without one.
    pub fn start(&mut self) -> u64 {
        let missed = self.missed();
        self.last = Start::now(&self.clock);
        (self.since, self.earlier) = (self.last, 0);
        missed
    }

    /// Due times since the last start, without the one that is answered now.
    fn missed(&self) -> u64 {
        let dues = self.earlier.saturating_add(self.dues());
        dues.saturating_sub(1).min(MOST_MISSED)
    }

    /// Due times of this schedule since it is followed.
    fn dues(&self) -> u64 {
        match &self.schedule {
            Schedule::Interval(interval) => {
                // They count from the last start, and so do those that would have been before.
                let count = |passed: Duration| {
                    let dues = passed.as_nanos().checked_div(interval.as_nanos());
                    dues.and_then(|dues| u64::try_from(dues).ok()).unwrap_or(0)
                };
                let until_since = self.passed().saturating_sub(self.since.passed(&self.clock));
                count(self.passed()).saturating_sub(count(until_since))
            }
            Schedule::Cron(_) => {
                let now = self.clock.now();
                let times = std::iter::successors(self.schedule.next_after(self.since.wall), |time| {
                    self.schedule.next_after(*time)
                });
                let due = times.take_while(|time| *time <= now);
                due.take(usize::try_from(MOST_MISSED).unwrap_or(usize::MAX))
                    .fold(0, |count, _| count + 1)
            }
            Schedule::Manual => 0,
        }
    }

    fn passed(&self) -> Duration {
        self.last.passed(&self.clock)
    }

    /// How long until the next tick of all objects is due. Zero for a time that has passed, `None` for never.
    pub fn until_next(&self) -> Option<Duration> {
        match &self.schedule {
            Schedule::Interval(interval) => Some(interval.saturating_sub(self.passed())),
            Schedule::Cron(_) => {
                let due = self.schedule.next_after(self.last.wall)?;
                Some(Duration::try_from(due.duration_since(self.clock.now())).unwrap_or(Duration::ZERO))
            }
            Schedule::Manual => None,
        }
    }

    /// The same on the wall clock, for people.
    pub fn next_time(&self) -> Option<Timestamp> {
        match &self.schedule {
            Schedule::Cron(_) => self.schedule.next_after(self.last.wall),
            Schedule::Interval(_) | Schedule::Manual => self.clock.now().checked_add(self.until_next()?).ok(),
        }
    }

    /// When a tick that starts now is to come back although runs still go on, on the monotonic clock
    /// ([`TickRequest::until`](crate::replicator::TickRequest::until)): a load or a listing that takes longer goes on
    /// beside the next ticks.
    pub fn until(&self) -> Option<Duration> {
        let left = self.until_next()?.max(SHORTEST);
        Some(self.clock.monotonic().saturating_add(left))
    }

    /// What is to be done now, where the first object that failed may be tried again in `retry_in`.
    pub fn due(&self, retry_in: Option<Duration>) -> Due {
        match (self.until_next(), retry_in) {
            (Some(Duration::ZERO), _) => Due::Tick,
            (_, Some(Duration::ZERO)) => Due::Retry,
            (until_tick, until_retry) => {
                let wait = [until_tick, until_retry].into_iter().flatten().min();
                Due::Wait(wait.unwrap_or(STRETCH).min(STRETCH))
            }
        }
    }

    /// Keeps what a tick says of the plan that it went by.
    pub fn note(&mut self, report: &TickReport) {
        // An object without a plan was found wanting when the plan was made: only its hour brings another look.
        self.is_new = report.runs.iter().any(|run| is_invalid(run) && !run.is_unplanned);
        for run in &report.runs {
            if is_invalid(run) {
                self.outdated.insert(run.object.clone());
            } else {
                self.outdated.remove(&run.object);
            }
        }
    }

    /// Whether the org is to be described, and the plan made again, before the next tick; `waited` are the objects that failed and
    /// have waited.
    pub fn wants_plan(&self, waited: &BTreeSet<String>) -> bool {
        let is_old = self.clock.monotonic().saturating_sub(self.planned) >= DESCRIBED;
        is_old || self.is_new || !self.outdated.is_disjoint(waited)
    }

    /// Whether an object waits that failed for what the resource asks for. A person who wants a run now may have mended it.
    pub fn is_outdated(&self) -> bool {
        !self.outdated.is_empty()
    }

    /// The plan was made again, or could not be: it is not tried again at once.
    pub fn planned(&mut self) {
        self.planned = self.clock.monotonic();
        self.is_new = false;
    }
}

/// Whether a run failed for what the resource asks for: a new plan may ask for something else.
fn is_invalid(run: &RunReport) -> bool {
    run.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Invalid)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use crds::Trigger;
    use salesforce::clock::{Clock, Sleep};

    use super::*;
    use crate::progress::{RunError, RunKind};

    #[derive(Debug)]
    struct Virtual(Mutex<(Timestamp, Duration)>);

    impl Virtual {
        fn at(text: &str) -> Arc<Self> {
            Arc::new(Self(Mutex::new((at(text), Duration::from_secs(1000)))))
        }

        fn pass(&self, seconds: u64) {
            let mut both = self.0.lock().unwrap();
            let passed = Duration::from_secs(seconds);
            *both = (both.0 + passed, both.1 + passed);
        }

        fn set_wall(&self, text: &str) {
            self.0.lock().unwrap().0 = at(text);
        }
    }

    impl Clock for Virtual {
        fn now(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }

        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap().1
        }

        fn sleep(&self, _duration: Duration) -> Sleep {
            Box::pin(std::future::pending())
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(line: &str) -> Schedule {
        let trigger = Trigger {
            schedule: Some(line.into()),
            ..Trigger::default()
        };
        Schedule::new(&trigger).unwrap()
    }

    fn every_minute(clock: &Arc<Virtual>) -> Timetable {
        Timetable::new(Schedule::Interval(Duration::from_mins(1)), Arc::<Virtual>::clone(clock))
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_no_interval_and_a_machine_that_slept_runs_at_once() {
        let clock = Virtual::at("2026-11-24T05:59:00Z");
        let interval = every_minute(&clock);
        let mut daily = Timetable::new(cron("0 6 * * *"), Arc::<Virtual>::clone(&clock));
        clock.set_wall("2026-11-26T07:00:00Z");
        assert_eq!(interval.until_next(), Some(Duration::from_mins(1)));
        assert_eq!((daily.until_next(), daily.due(None)), (Some(Duration::ZERO), Due::Tick));
        assert_eq!(daily.start(), 2, "of three mornings one is answered");
        assert_eq!(daily.until_next(), Some(Duration::from_hours(23)));
    }

    #[test]
    fn ticks_that_were_due_while_another_ran_are_one_and_counted() {
        let clock = Virtual::at("2026-11-24T10:00:00Z");
        let mut timetable = every_minute(&clock);
        clock.pass(59);
        assert_eq!(timetable.due(None), Due::Wait(Duration::from_secs(1)));
        clock.pass(1);
        assert_eq!((timetable.due(None), timetable.start()), (Due::Tick, 0));
        clock.pass(200);
        assert_eq!((timetable.due(None), timetable.start()), (Due::Tick, 2));
        assert_eq!(timetable.next_time(), Some(at("2026-11-24T10:05:20Z")));
    }

    #[test]
    fn a_schedule_that_changed_missed_nothing_before_it_was_there() {
        let clock = Virtual::at("2026-11-24T10:00:00Z");
        let schedule = |minutes| Schedule::Interval(Duration::from_mins(minutes));
        let timetable = |minutes| Timetable::new(schedule(minutes), Arc::<Virtual>::clone(&clock));
        let (mut interval, mut line, mut same) = (timetable(24 * 60), timetable(24 * 60), timetable(5));
        let mut slowed = timetable(5);
        clock.pass(20 * 60 * 60);
        interval.follow(schedule(5));
        line.follow(cron("*/5 * * * *"));
        same.follow(schedule(5));
        slowed.follow(schedule(24 * 60));
        assert_eq!((interval.due(None), line.due(None)), (Due::Tick, Due::Tick));
        assert_eq!((interval.start(), line.start()), (0, 0));
        assert_eq!((same.start(), slowed.start()), (239, 239), "of 240 one is answered");
        let mut late = timetable(24 * 60);
        clock.pass(60 * 60);
        late.follow(schedule(5));
        clock.pass(11 * 60);
        assert_eq!(late.start(), 1, "two were due since");
        clock.pass(11 * 60);
        assert_eq!(late.start(), 1);
    }

    #[test]
    fn a_process_that_starts_goes_on_behind_the_last_tick_of_the_one_before() {
        let clock = Virtual::at("2026-11-24T10:00:00Z");
        let soon = every_minute(&clock).behind(at("2026-11-24T09:59:30Z"));
        assert_eq!(soon.until_next(), Some(Duration::from_secs(30)));
        let mut late = every_minute(&clock).behind(at("2026-11-24T09:50:30Z"));
        assert_eq!((late.due(None), late.start()), (Due::Tick, 8));
        let ahead = every_minute(&clock).behind(at("2026-11-25T00:00:00Z"));
        assert_eq!(
            ahead.until_next(),
            Some(Duration::from_mins(1)),
            "a clock that went back"
        );
        let daily = Timetable::new(cron("0 6 * * *"), Arc::<Virtual>::clone(&clock)).behind(at("2026-11-24T06:00:01Z"));
        assert_eq!(daily.until_next(), Some(Duration::from_hours(20)));
    }

    #[test]
    fn the_plan_is_made_again_for_what_ran_and_failed_and_for_what_has_no_plan_only_in_its_hour() {
        let clock = Virtual::at("2026-11-24T10:00:00Z");
        let failed = |is_unplanned| TickReport {
            start_time: clock.now(),
            end_time: clock.now(),
            runs: vec![RunReport {
                error: Some(RunError {
                    kind: ErrorKind::Invalid,
                    reason: "InvalidField",
                    message: "what happened".to_owned(),
                }),
                is_unplanned,
                ..RunReport::new("Contact", "contact", RunKind::Incremental, clock.now())
            }],
            running: Vec::new(),
            error: None,
            next_try_time: None,
        };
        let (nobody, it) = (BTreeSet::new(), BTreeSet::from(["Contact".to_owned()]));
        let mut timetable = every_minute(&clock);
        assert!(!timetable.is_outdated());
        timetable.note(&failed(false));
        assert!(timetable.wants_plan(&nobody));
        timetable.note(&failed(true));
        assert!(!timetable.wants_plan(&nobody) && timetable.wants_plan(&it));
        assert!(timetable.is_outdated());
    }

    #[test]
    fn what_failed_is_tried_again_between_ticks_and_a_tick_is_before_it() {
        let clock = Virtual::at("2026-11-24T10:00:00Z");
        let timetable = every_minute(&clock);
        assert_eq!(timetable.due(Some(Duration::ZERO)), Due::Retry);
        assert_eq!(
            timetable.due(Some(Duration::from_secs(7))),
            Due::Wait(Duration::from_secs(7))
        );
        clock.pass(60);
        assert_eq!(timetable.due(Some(Duration::ZERO)), Due::Tick);
        let manual = Timetable::new(Schedule::Manual, Arc::<Virtual>::clone(&clock));
        assert_eq!(manual.due(None), Due::Wait(STRETCH));
        assert_eq!(manual.until(), None);
    }
}
