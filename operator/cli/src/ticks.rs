//! Tick after tick, by the trigger, until somebody stops it: a [`Timetable`] says when, and this loop waits for it.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use crds::{SalesforceReplicatorSpec, Schedule};
use replication::{
    connect::Session,
    replicator::{TickReport, TickRequest},
    timetable::{Due, Timetable},
};
use salesforce::clock::SharedClock;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

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
        let plan = self.session.plan();
        let unplanned = plan.unplanned.iter().map(|unplanned| &unplanned.object);
        let objects = plan.objects.iter().map(|plan| &plan.object).chain(unplanned);
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
    clock: &SharedClock,
    cancel: &CancellationToken,
    mut tell: impl FnMut(&TickReport) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut timetable = Timetable::new(schedule.clone(), Arc::clone(clock));
    let mut request = regular.clone();
    // A person wanted the first one.
    let regular = TickRequest {
        manual: false,
        ..regular.clone()
    };
    loop {
        request.until = timetable.until();
        let report = Box::pin(ticking.tick(&request, cancel)).await;
        tell(&report)?;
        timetable.note(&report);
        let due = loop {
            if cancel.is_cancelled() {
                return Ok(());
            }
            match timetable.due(ticking.next_try_in()) {
                Due::Wait(wait) => tokio::select! {
                    biased;
                    () = cancel.cancelled() => {}
                    () = clock.sleep(wait) => {}
                },
                due @ (Due::Tick | Due::Retry) => break due,
            }
        };
        if timetable.wants_plan(&ticking.waited()) {
            timetable.planned();
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
            Due::Tick | Due::Wait(_) => {
                timetable.start();
                regular.clone()
            }
            Due::Retry => TickRequest {
                objects: Some(ticking.waited()),
                ..regular.clone()
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use crds::Trigger;
    use jiff::Timestamp;
    use replication::progress::{RunError, RunKind, RunReport};
    use salesforce::{
        ErrorKind,
        clock::{Clock, Sleep},
    };

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
            &(Arc::clone(&clock) as SharedClock),
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
}
