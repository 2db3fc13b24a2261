//! When to try again: the one place that decides it.
//!
//! There are two distances. *Within a run* a single call to Salesforce that failed for a passing reason (a 503, a cut
//! connection, a locked row) is made again a few times, with pauses of a second and more: most of these are over before
//! anybody could look. *Across ticks* an object whose run failed waits as its error's kind demands: a transient one
//! with growing pauses, a quota until the time given, everything that a person must mend once an hour, since somebody may
//! have mended it on the other side, where this process cannot see it (a permission, a field, a right in the database).
//! Nothing is ever given up: an object that has failed for a week is tried again all the same (design 6.10).
//!
//! Pauses double up to a bound and carry jitter of half their length, so that hundreds of replicators that lost the
//! same org at the same moment do not come back at the same moment. Randomness and time come in as parameters.
//!
//! Two errors are transient by kind and yet never repeated as they are: a query that ran into Salesforce's own time
//! limit, since it would run into it again after two more minutes, and a locator that is dead. What to do about both is
//! known to the reader of a run (`run::reader`), which goes on with a different query.
//!
//! Where an answer says itself when to come back (`Retry-After`), no call is made earlier. A run waits a minute for it;
//! what takes longer ends the run, and the object waits.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use salesforce::{ErrorKind, Retry, clock::SharedClock};

use crate::plan::ObjectName;

/// Tries of one call within a run, the first included. With the pauses of [`WITHIN_RUN`] they span 8 to 15 seconds: a
/// restart of one of Salesforce's application servers, not an outage, which is the business of the next tick.
pub const TRIES: u32 = 5;

/// Pauses between tries of one call.
pub const WITHIN_RUN: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
};

/// The longest pause between two tries of one call that an answer may ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// Pauses between runs of an object that failed for a passing reason. Ten minutes at most: an outage that is over is
/// noticed soon, and one call each ten minutes disturbs nobody.
pub const ACROSS_TICKS: Backoff = Backoff {
    first: Duration::from_secs(10),
    longest: Duration::from_mins(10),
};

/// What a person must mend is looked at once an hour (design 6.10).
pub const HOURLY: Duration = Duration::from_hours(1);

/// Source of the jitter.
pub trait Randomness: fmt::Debug + Send + Sync + 'static {
    /// A number from 0 to `bound`, exclusive; 0 where `bound` is 0.
    fn below(&self, bound: u64) -> u64;
}

/// The process's random numbers. Not for secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { fastrand::u64(0..bound) }
    }
}

/// Pauses that double from `first` up to `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause, before jitter.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row (1 is the first): between half of the doubled pause and all of it.
    pub fn pause(&self, failures: u32, random: &dyn Randomness) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let half = whole / 2;
        let half_millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(random.below(half_millis.saturating_add(1)))
    }
}

/// Repeats calls to Salesforce within a run. Cloning shares clock and randomness.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    clock: SharedClock,
    random: Arc<dyn Randomness>,
}

impl Retries {
    /// The wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn new(clock: SharedClock, random: Arc<dyn Randomness>) -> Self {
        Self { clock, random }
    }

    /// Makes a call, and makes it again while it fails for a passing reason, [`TRIES`] times in all. Cancel safe where
    /// the call is.
    pub(crate) async fn call<T, F>(&self, mut call: impl FnMut() -> F) -> salesforce::Result<T>
    where
        F: Future<Output = salesforce::Result<T>>,
    {
        let mut failures = 0;
        loop {
            match call().await {
                Ok(value) => return Ok(value),
                Err(error) => {
                    failures += 1;
                    let asked = match error.retry() {
                        Retry::After(asked) => asked,
                        Retry::Backoff | Retry::WhenResourceChanges | Retry::WhenSecretChanges | Retry::Hourly => {
                            Duration::ZERO
                        }
                    };
                    if failures >= TRIES || !is_passing(&error) || asked > LONGEST_ASKED {
                        return Err(error);
                    }
                    let pause = WITHIN_RUN.pause(failures, self.random.as_ref()).max(asked);
                    tracing::debug!(%error, failures, ?pause, "a call to Salesforce failed, it is made again");
                    self.clock.sleep(pause).await;
                }
            }
        }
    }

    /// Waits as after `failures` failures in a row.
    pub(crate) async fn pause(&self, failures: u32) {
        self.clock.sleep(WITHIN_RUN.pause(failures, self.random.as_ref())).await;
    }
}

/// Whether the same call may work in a moment.
fn is_passing(error: &salesforce::Error) -> bool {
    error.kind() == ErrorKind::Transient && !error.is_query_timeout() && !error.is_dead_locator()
}

/// Which objects wait after a failure, and until when. Pauses are measured on the monotonic clock.
#[derive(Debug)]
pub struct Schedule {
    clock: SharedClock,
    random: Arc<dyn Randomness>,
    waiting: BTreeMap<ObjectName, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    failures: u32,
    until: Duration,
}

impl Schedule {
    /// Nothing waits.
    pub fn new(clock: SharedClock, random: Arc<dyn Randomness>) -> Self {
        Self {
            clock,
            random,
            waiting: BTreeMap::new(),
        }
    }

    /// An object's run failed: it waits as `retry` says.
    pub fn failed(&mut self, object: &ObjectName, retry: Retry) {
        let failures = self.failures(object).saturating_add(1);
        let pause = match retry {
            Retry::Backoff => ACROSS_TICKS.pause(failures, self.random.as_ref()),
            Retry::After(pause) => pause,
            Retry::WhenResourceChanges | Retry::WhenSecretChanges | Retry::Hourly => HOURLY,
        };
        let until = self.clock.monotonic().saturating_add(pause);
        self.waiting.insert(object.clone(), Waiting { failures, until });
    }

    /// An object's run succeeded: it waits for nothing.
    pub fn succeeded(&mut self, object: &ObjectName) {
        self.waiting.remove(object);
    }

    /// Failures in a row.
    pub fn failures(&self, object: &ObjectName) -> u32 {
        self.waiting.get(object).map_or(0, |waiting| waiting.failures)
    }

    /// Whether an object may run: it did not fail, or has waited.
    pub fn is_due(&self, object: &ObjectName) -> bool {
        self.waiting
            .get(object)
            .is_none_or(|waiting| waiting.until <= self.clock.monotonic())
    }

    /// When an object that waits may run again, wall clock.
    pub(crate) fn next_try_of(&self, object: &ObjectName) -> Option<Timestamp> {
        let left = self.waiting.get(object)?.until.saturating_sub(self.clock.monotonic());
        self.clock.now().checked_add(left).ok()
    }

    /// How long until the first waiting object may run; `None` where none waits, zero where one has waited.
    pub fn next_try_in(&self) -> Option<Duration> {
        self.next_try_in_but(|_| false)
    }

    /// The same without some objects.
    pub(crate) fn next_try_in_but(&self, without: impl Fn(&ObjectName) -> bool) -> Option<Duration> {
        let waiting = self.waiting.iter().filter(|(object, _)| !without(object));
        let until = waiting.map(|(_, waiting)| waiting.until).min()?;
        Some(until.saturating_sub(self.clock.monotonic()))
    }

    /// The same on the wall clock, for people.
    pub fn next_try(&self) -> Option<Timestamp> {
        self.clock.now().checked_add(self.next_try_in()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use salesforce::clock::{Clock, Sleep};

    use super::*;

    /// Always the highest or the lowest number.
    #[derive(Debug)]
    enum Loaded {
        High,
        Low,
    }

    impl Randomness for Loaded {
        fn below(&self, bound: u64) -> u64 {
            match self {
                Self::High => bound.saturating_sub(1),
                Self::Low => 0,
            }
        }
    }

    /// A clock that moves by what is slept.
    #[derive(Debug, Default)]
    struct Sleeper {
        slept: Mutex<Vec<Duration>>,
    }

    impl Clock for Sleeper {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + self.monotonic()
        }

        fn monotonic(&self) -> Duration {
            self.slept.lock().unwrap().iter().sum()
        }

        fn sleep(&self, duration: Duration) -> Sleep {
            self.slept.lock().unwrap().push(duration);
            Box::pin(std::future::ready(()))
        }
    }

    fn seconds(pauses: &[Duration]) -> Vec<u64> {
        pauses.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn pauses_double_up_to_their_bound_with_jitter_of_half() {
        let high: Vec<_> = (1..=8)
            .map(|failures| ACROSS_TICKS.pause(failures, &Loaded::High))
            .collect();
        assert_eq!(seconds(&high), [10, 20, 40, 80, 160, 320, 600, 600]);
        let low: Vec<_> = (1..=8)
            .map(|failures| ACROSS_TICKS.pause(failures, &Loaded::Low))
            .collect();
        assert_eq!(seconds(&low), [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(ACROSS_TICKS.pause(u32::MAX, &Loaded::High), ACROSS_TICKS.longest);
    }

    #[tokio::test]
    async fn a_call_is_not_made_earlier_than_the_answer_asks() {
        let busy = |seconds: u64| salesforce::Error::Status {
            place: salesforce::Place {
                call: salesforce::Call::QueryMore,
                object: None,
                host: Arc::from("example.com"),
            },
            status: 503,
            retry_after: (seconds > 0).then(|| Duration::from_secs(seconds)),
        };
        let clock = Arc::new(Sleeper::default());
        let retries = Retries::new(Arc::<Sleeper>::clone(&clock), Arc::new(Loaded::High));
        let mut answers = [busy(0), busy(1), busy(60)].into_iter();
        let called = retries.call(|| std::future::ready(answers.next().map_or(Ok(()), Err)));
        assert!(called.await.is_ok());
        assert_eq!(seconds(&clock.slept.lock().unwrap()), [1, 2, 60]);

        let mut calls = 0;
        let called = retries.call(|| {
            calls += 1;
            std::future::ready(Err::<(), _>(busy(61)))
        });
        assert_eq!(called.await.unwrap_err().retry(), Retry::After(Duration::from_secs(61)));
        assert_eq!(calls, 1, "the object waits, not the run");
    }

    #[test]
    fn an_object_waits_as_its_error_demands_and_is_never_given_up() {
        let clock = Arc::new(Sleeper::default());
        let mut schedule = Schedule::new(Arc::<Sleeper>::clone(&clock), Arc::new(Loaded::High));
        let (contact, account) = (ObjectName::new("Contact"), ObjectName::new("Account"));
        assert!(schedule.is_due(&contact));
        assert_eq!(schedule.next_try_in(), None);

        schedule.failed(&contact, Retry::Backoff);
        schedule.failed(&account, Retry::WhenSecretChanges);
        assert!(!schedule.is_due(&contact));
        assert_eq!(schedule.next_try_in(), Some(Duration::from_secs(10)));
        assert_eq!(schedule.next_try(), Some(Timestamp::from_second(10).unwrap()));

        drop(clock.sleep(Duration::from_secs(10)));
        assert!(schedule.is_due(&contact));
        assert!(!schedule.is_due(&account));
        schedule.failed(&contact, Retry::Backoff);
        assert_eq!(
            (schedule.failures(&contact), schedule.next_try_in()),
            (2, Some(Duration::from_secs(20)))
        );
        schedule.failed(&contact, Retry::After(Duration::from_mins(15)));
        assert_eq!(schedule.next_try_in(), Some(Duration::from_mins(15)));

        schedule.succeeded(&contact);
        assert!(schedule.is_due(&contact));
        assert_eq!(schedule.failures(&contact), 0);
        drop(clock.sleep(HOURLY));
        assert!(schedule.is_due(&account));
        assert_eq!(schedule.next_try_in(), Some(Duration::ZERO));
    }
}
