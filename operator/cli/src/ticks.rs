//! Tick after tick, by the trigger.
//!
//! Ticks go from start to start. A tick that is due while another runs is not lost and not queued: when the running one
//! ends, one tick stands for all that were due. Between ticks an object that failed is tried again when its error says
//! so, alone. An object that failed for what the resource asks for (a field that is gone, say) would fail again with the
//! plan that it failed with, so the org is described and the plan made again before it is tried. Waiting is done in short stretches against the wall clock, since a laptop that slept, or a clock that was
//! set, must not move a schedule of "every day at six"; an interval is measured on the monotonic clock, which nobody sets.

use std::{collections::BTreeSet, future::Future, time::Duration};

use crds::{SalesforceReplicatorSpec, Schedule};
use jiff::Timestamp;
use replication::{
    connect::Session,
    progress::RunReport,
    replicator::{TickReport, TickRequest},
};
use salesforce::{ErrorKind, clock::Clock};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// The longest stretch of waiting after which the wall clock is looked at again.
const STRETCH: Duration = Duration::from_secs(30);

/// How long the next tick may be waited for at least: a tick that is due by now has time to begin.
const SHORTEST: Duration = Duration::from_secs(1);

/// How old a describe may be (design 6.8): fields are added, and permissions change, without a word.
const DESCRIBED: Duration = Duration::from_hours(1);

/// What can be run tick by tick.
pub(crate) trait Ticking {
    /// Runs each object once.
    fn tick(&mut self, request: &TickRequest, cancel: &CancellationToken) -> impl Future<Output = TickReport> + Send;

    /// How long until the first object that failed may be tried again; `None` where none failed.
    fn next_try_in(&self) -> Option<Duration>;

    /// Objects that failed and have waited.
    fn waited(&self) -> BTreeSet<String>;

    /// Describes the org and makes the plan again. Where that fails all stays as it was.
    fn replan(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A session and the resource that it is of.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    /// The session.
    pub(crate) session: Session,
    /// What its plan is made from.
    pub(crate) spec: &'a SalesforceReplicatorSpec,
}

impl Ticking for Planned<'_> {
    async fn tick(&mut self, request: &TickRequest, cancel: &CancellationToken) -> TickReport {
        Box::pin(self.session.tick(request, cancel)).await
    }

    fn next_try_in(&self) -> Option<Duration> {
        self.session.schedule().next_try_in()
    }

    fn waited(&self) -> BTreeSet<String> {
        let schedule = self.session.schedule();
        let objects = self.session.plan().objects.iter().map(|plan| &plan.object);
        let waited = objects.filter(|object| schedule.failures(object) > 0 && schedule.is_due(object));
        waited.map(ToString::to_string).collect()
    }

    async fn replan(&mut self) -> Result<(), Failure> {
        Ok(Box::pin(self.session.replan(self.spec)).await?)
    }
}

/// Ticks at once as `regular` says, and then by the schedule, until `cancel`; tells each report.
///
/// # Errors
/// What `tell` fails with.
pub(crate) async fn go_on(
    ticking: &mut impl Ticking,
    schedule: &Schedule,
    regular: &TickRequest,
    clock: &dyn Clock,
    cancel: &CancellationToken,
    mut tell: impl FnMut(&TickReport) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut last = Start::now(clock);
    let mut planned = clock.monotonic();
    let mut request = regular.clone();
    // A person wanted the first one.
    let regular = TickRequest {
        manual: false,
        ..regular.clone()
    };
    let mut outdated = BTreeSet::new();
    loop {
        // A load or a listing that takes longer goes on beside the next ticks.
        let until_next = last.until_next(schedule, clock);
        request.until = until_next.map(|left| clock.monotonic().saturating_add(left.max(SHORTEST)));
        let report = Box::pin(ticking.tick(&request, cancel)).await;
        tell(&report)?;
        note_outdated(&mut outdated, &report);
        let due = loop {
            if cancel.is_cancelled() {
                return Ok(());
            }
            match next(last.until_next(schedule, clock), ticking.next_try_in()) {
                Next::Tick => break Next::Tick,
                Next::Retry => break Next::Retry,
                Next::Wait(wait) => tokio::select! {
                    biased;
                    () = cancel.cancelled() => {}
                    () = clock.sleep(wait.min(STRETCH)) => {}
                },
            }
        };
        let is_old = clock.monotonic().saturating_sub(planned) >= DESCRIBED;
        let is_new = report.runs.iter().any(is_invalid);
        if is_old || is_new || !outdated.is_disjoint(&ticking.waited()) {
            planned = clock.monotonic();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                planned = ticking.replan() => match planned {
                    Ok(()) => tracing::debug!("the org was described and the plan made again"),
                    // Other objects go on by the old plan, and this one fails once more and says why.
                    Err(failure) => tracing::warn!(error = %failure, "the plan cannot be made again"),
                },
            }
        }
        request = match due {
            Next::Tick | Next::Wait(_) => {
                last = Start::now(clock);
                regular.clone()
            }
            Next::Retry => TickRequest {
                objects: Some(ticking.waited()),
                ..regular.clone()
            },
        };
    }
}

/// Whether a run failed for what the resource asks for: a new plan may ask for something else.
fn is_invalid(run: &RunReport) -> bool {
    run.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Invalid)
}

/// Keeps the objects whose last run failed for what the resource asks for (design 6.10).
fn note_outdated(outdated: &mut BTreeSet<String>, report: &TickReport) {
    for run in &report.runs {
        if is_invalid(run) {
            outdated.insert(run.object.clone());
        } else {
            outdated.remove(&run.object);
        }
    }
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A tick of all objects, those that failed and have waited among them.
    Tick,
    /// A tick of those alone.
    Retry,
    /// Nothing, for so long.
    Wait(Duration),
}

fn next(until_tick: Option<Duration>, until_retry: Option<Duration>) -> Next {
    match (until_tick, until_retry) {
        (Some(Duration::ZERO), _) => Next::Tick,
        (_, Some(Duration::ZERO)) => Next::Retry,
        (until_tick, until_retry) => {
            Next::Wait([until_tick, until_retry].into_iter().flatten().min().unwrap_or(STRETCH))
        }
    }
}

/// When a tick started, on both clocks.
#[derive(Debug, Clone, Copy)]
struct Start {
    wall: Timestamp,
    monotonic: Duration,
}

impl Start {
    fn now(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            monotonic: clock.monotonic(),
        }
    }

    /// How long until the next tick is due. Zero for a time that has passed, `None` for never.
    fn until_next(self, schedule: &Schedule, clock: &dyn Clock) -> Option<Duration> {
        match schedule {
            Schedule::Interval(interval) => {
                Some(interval.saturating_sub(clock.monotonic().saturating_sub(self.monotonic)))
            }
            Schedule::Cron(_) => {
                let due = schedule.next_after(self.wall)?;
                Some(Duration::try_from(due.duration_since(clock.now())).unwrap_or(Duration::ZERO))
            }
            Schedule::Manual => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use crds::Trigger;
    use replication::progress::{RunError, RunKind};
    use salesforce::clock::Sleep;

    use super::*;

    /// Time that passes by what is slept, on both clocks.
    #[derive(Debug)]
    struct Virtual(Mutex<(Timestamp, Duration)>);

    impl Virtual {
        fn at(text: &str) -> Arc<Self> {
            Arc::new(Self(Mutex::new((text.parse().unwrap(), Duration::from_secs(1000)))))
        }

        fn pass(&self, seconds: u64) {
            let mut both = self.0.lock().unwrap();
            let passed = Duration::from_secs(seconds);
            *both = (both.0 + passed, both.1 + passed);
        }

        fn set_wall(&self, text: &str) {
            self.0.lock().unwrap().0 = text.parse().unwrap();
        }
    }

    impl Clock for Virtual {
        fn now(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }

        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap().1
        }

        fn sleep(&self, duration: Duration) -> Sleep {
            self.pass(duration.as_secs());
            Box::pin(std::future::ready(()))
        }
    }

    /// Ticks that take time; some fail and are due again after a while.
    struct Fake {
        clock: Arc<Virtual>,
        /// For each tick: seconds that it takes, and seconds until a retry.
        ticks: Vec<(u64, Option<u64>)>,
        retry_at: Option<Duration>,
        /// Kind of the error of runs that fail.
        kind: ErrorKind,
        /// When ticks started, with a star where only what failed was asked for, an exclamation mark
        /// where a person wants it, and plans that were made again.
        seen: Vec<String>,
    }

    impl Ticking for Fake {
        async fn tick(&mut self, request: &TickRequest, cancel: &CancellationToken) -> TickReport {
            let start_time = self.clock.now();
            let time = start_time.to_string();
            let time = time.trim_start_matches("2026-11-24T").trim_end_matches('Z');
            let star = match (&request.objects, request.manual) {
                (Some(_), _) => "*",
                (None, true) => "!",
                (None, false) => "",
            };
            self.seen.push(format!("{time}{star}"));
            let (takes, retry) = self.ticks.remove(0);
            self.clock.pass(takes);
            self.retry_at = retry.map(|seconds| self.clock.monotonic() + Duration::from_secs(seconds));
            if self.ticks.is_empty() {
                cancel.cancel();
            }
            let end_time = self.clock.now();
            TickReport {
                start_time,
                end_time,
                running: Vec::new(),
                runs: vec![run(retry.map(|_| self.kind))],
                error: None,
                next_try_time: None,
            }
        }

        fn next_try_in(&self) -> Option<Duration> {
            Some(self.retry_at?.saturating_sub(self.clock.monotonic()))
        }

        fn waited(&self) -> BTreeSet<String> {
            let waited = self.next_try_in() == Some(Duration::ZERO);
            waited.then(|| "Contact".to_owned()).into_iter().collect()
        }

        async fn replan(&mut self) -> Result<(), Failure> {
            self.seen.push("plan".to_owned());
            Err(Failure::NotThere("a field".to_owned()))
        }
    }

    fn run(failed: Option<ErrorKind>) -> RunReport {
        RunReport {
            error: failed.map(|kind| RunError {
                kind,
                reason: "InvalidField",
                message: "what happened".into(),
            }),
            ..RunReport::new("Contact", "contact", RunKind::Incremental, Timestamp::UNIX_EPOCH)
        }
    }

    /// Starts of ticks after 10:00 on a day; a star marks a retry.
    async fn starts(schedule: &Schedule, ticks: &[(u64, Option<u64>)]) -> Vec<String> {
        starts_with(ErrorKind::Transient, schedule, ticks).await
    }

    /// The same where runs fail with errors of a kind; `plan` where the plan was made again.
    async fn starts_with(kind: ErrorKind, schedule: &Schedule, ticks: &[(u64, Option<u64>)]) -> Vec<String> {
        let clock = Virtual::at("2026-11-24T10:00:00Z");
        let mut fake = Fake {
            clock: Arc::clone(&clock),
            ticks: ticks.to_vec(),
            retry_at: None,
            kind,
            seen: Vec::new(),
        };
        let regular = TickRequest {
            only_due: true,
            manual: true,
            ..TickRequest::default()
        };
        let mut told = 0;
        let tell = |_: &TickReport| {
            told += 1;
            Ok(())
        };
        go_on(
            &mut fake,
            schedule,
            &regular,
            clock.as_ref(),
            &CancellationToken::new(),
            tell,
        )
        .await
        .unwrap();
        assert_eq!(told, ticks.len());
        fake.seen
    }

    #[tokio::test]
    async fn an_interval_goes_from_start_to_start() {
        let every_minute = Schedule::Interval(Duration::from_mins(1));
        let found = starts(&every_minute, &[(5, None), (50, None), (5, None)]).await;
        assert_eq!(found, ["10:00:00!", "10:01:00", "10:02:00"]);
    }

    #[tokio::test]
    async fn ticks_that_were_missed_are_one() {
        let every_minute = Schedule::Interval(Duration::from_mins(1));
        let found = starts(&every_minute, &[(200, None), (5, None), (5, None)]).await;
        assert_eq!(found, ["10:00:00!", "10:03:20", "10:04:20"]);
    }

    #[tokio::test]
    async fn what_failed_is_tried_again_alone_and_does_not_move_the_ticks() {
        let every_minute = Schedule::Interval(Duration::from_mins(1));
        let found = starts(&every_minute, &[(1, Some(10)), (1, Some(20)), (1, None), (1, None)]).await;
        assert_eq!(found, ["10:00:00!", "10:00:11*", "10:00:32*", "10:01:00"]);
    }

    #[tokio::test]
    async fn what_the_org_lacks_is_planned_again_before_it_is_tried_again_and_not_before() {
        let every_minute = Schedule::Interval(Duration::from_mins(1));
        let found = starts_with(
            ErrorKind::Invalid,
            &every_minute,
            &[(1, Some(10)), (1, Some(100)), (1, None), (1, None)],
        )
        .await;
        assert_eq!(
            found,
            ["10:00:00!", "plan", "10:00:11*", "plan", "10:01:00", "10:02:00"]
        );
        let found = starts_with(
            ErrorKind::Invalid,
            &every_minute,
            &[(1, Some(70)), (1, None), (1, None)],
        )
        .await;
        assert_eq!(found, ["10:00:00!", "plan", "10:01:00", "10:02:00"]);
    }

    #[tokio::test]
    async fn a_cron_line_goes_by_the_wall_clock() {
        let trigger = Trigger {
            schedule: Some("*/15 * * * *".into()),
            ..Trigger::default()
        };
        let schedule = Schedule::new(&trigger).unwrap();
        let found = starts(&schedule, &[(1, None), (2000, None), (1, None), (1, None)]).await;
        // At eleven the plan is an hour old.
        assert_eq!(found, ["10:00:00!", "10:15:00", "10:48:20", "plan", "11:00:00"]);
    }

    #[tokio::test]
    async fn without_a_schedule_only_what_failed_is_tried_again() {
        let found = starts(&Schedule::Manual, &[(1, Some(100)), (1, None)]).await;
        assert_eq!(found, ["10:00:00!", "10:01:41*"]);
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_no_interval_and_a_machine_that_slept_runs_at_once() {
        let clock = Virtual::at("2026-11-24T05:59:00Z");
        let start = Start::now(clock.as_ref());
        let every_minute = Schedule::Interval(Duration::from_mins(1));
        let trigger = Trigger {
            schedule: Some("0 6 * * *".into()),
            ..Trigger::default()
        };
        let daily = Schedule::new(&trigger).unwrap();
        clock.set_wall("2026-11-26T07:00:00Z");
        assert_eq!(
            start.until_next(&every_minute, clock.as_ref()),
            Some(Duration::from_mins(1))
        );
        assert_eq!(start.until_next(&daily, clock.as_ref()), Some(Duration::ZERO));
        assert_eq!(
            Start::now(clock.as_ref()).until_next(&daily, clock.as_ref()),
            Some(Duration::from_hours(23))
        );
    }
}
