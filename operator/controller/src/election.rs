//! Who leads, when the operator has several replicas: one Lease, by client-go's protocol.
//!
//! Two replicas must not run the same replicators at once. Kubernetes offers an object that only one of them can write, the
//! Lease, and every other operator uses it in the same way; a person who looks at it with kubectl finds what they know.
//!
//! **The protocol.** A candidate reads the Lease again and again. It takes it where it is not there, where nobody holds it,
//! or where its holder has *expired*: where this candidate has seen the same record, unchanged, for as long as the record's
//! own duration, on its own monotonic clock, since it first saw it. `renewTime` is written for people; no decision reads it,
//! since the clocks of two nodes differ by more than a Lease is long. Taking and renewing replace the object that was
//! read, with its resourceVersion, so that of two that try at once one gets a 409 and reads again.
//!
//! **The holder** renews at each retry period. Its lease is *fresh* until the renew deadline has passed since it **sent** the
//! request that renewed last: other candidates begin to count when they see the record change, which is later, and count
//! longer than the deadline, so a holder that can look at its clock knows that it has lost before anybody can have taken over.
//! Each request has a time limit of its own, a third of the deadline: the client underneath repeats requests that an
//! overloaded server refuses, for longer than a Lease lasts.
//!
//! **Loss** is final. The deadline has passed, or the record is not ours any more: [`Held::lost`] ends, and the process has
//! to exit at once, without tidying up: tasks and SQL in flight outlive a dropped future. A holder never takes back what it
//! lost, not even an empty Lease; somebody may have led in between.
//!
//! **What it cannot do.** A process that is stopped between looking at its clock and writing writes late, whatever a Lease says.
//! That is why the database is fenced by epochs (`replication::destination`), and why [`Freshness`] is asked just before an
//! epoch is claimed: a process that slept for minutes finds itself not fresh and leaves its successor's epoch alone.
//!
//! Rejected: the crates that patch without a resourceVersion or compare wall clocks (two leaders are possible), and ending a
//! term by a timer alone (the timer of a stopped process is stopped too; freshness is computed when it is asked for).

mod candidate;
mod held;
mod lease;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use replication::retry::Randomness;
use salesforce::clock::SharedClock;

use self::candidate::{Candidate, Outcome, Wanted};
pub use self::{
    held::{Freshness, Held, Loss},
    lease::{KubeLeases, LeaseError, Leases},
};

/// Candidates look again after the retry period and up to 1.2 times as much again, so that they do not come in step
/// (client-go's `JitterFactor`).
const JITTER_PERCENT: u32 = 120;

/// How one Lease is contended for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who we are, in `holderIdentity`: no other process may ever have the same.
    pub identity: String,
    /// How long others watch an unchanged record before they take over. Whole seconds.
    pub lease_duration: Duration,
    /// How long we believe that we lead after the last renewal. Shorter than the duration.
    pub renew_deadline: Duration,
    /// Pause between two tries.
    pub retry_period: Duration,
}

impl ElectionSettings {
    /// client-go's periods: 15 s, 10 s, 2 s.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    /// An identity for a process in this pod (or on this host): the name, which a person recognises, and a random part, since
    /// a container that restarts keeps the name of its pod.
    pub fn identity(pod: &str, random: &dyn Randomness) -> String {
        format!("{pod}_{:016x}", random.below(u64::MAX))
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// A sentence that says which settings do not fit, and why.
    pub fn check(&self) -> Result<(), String> {
        let Self {
            namespace,
            name,
            identity,
            lease_duration,
            renew_deadline,
            retry_period,
        } = self;
        for (value, what) in [
            (namespace, "namespace"),
            (name, "name"),
            (identity, "holder's identity"),
        ] {
            if value.is_empty() {
                return Err(format!("leader election: the Lease's {what} is empty"));
            }
        }
        if lease_duration.subsec_nanos() != 0 || i32::try_from(lease_duration.as_secs()).is_err() {
            return Err(format!(
                "leader election: the lease duration of {lease_duration:?} is not a number of whole seconds that a Lease \
                 can hold"
            ));
        }
        if renew_deadline >= lease_duration {
            return Err(format!(
                "leader election: the renew deadline of {renew_deadline:?} has to be shorter than the lease duration of \
                 {lease_duration:?}, or two replicas lead at once"
            ));
        }
        if retry_period.is_zero() || longest_pause(*retry_period) >= *renew_deadline {
            return Err(format!(
                "leader election: the retry period of {retry_period:?} has to be above zero, and with its jitter \
                 ({:?}) shorter than the renew deadline of {renew_deadline:?}, or a renewal has no second try",
                longest_pause(*retry_period)
            ));
        }
        Ok(())
    }

    /// Time limit of one request.
    fn request_timeout(&self) -> Duration {
        self.renew_deadline / 3
    }

    /// The Lease's duration as it is written.
    fn lease_seconds(&self) -> i32 {
        i32::try_from(self.lease_duration.as_secs()).unwrap_or(i32::MAX)
    }
}

fn longest_pause(retry_period: Duration) -> Duration {
    retry_period + retry_period * JITTER_PERCENT / 100
}

/// The contest for one Lease.
#[derive(Debug)]
pub struct Election<L> {
    leases: Arc<L>,
    settings: Arc<ElectionSettings>,
    clock: SharedClock,
    random: Arc<dyn Randomness>,
}

impl<L: Leases> Election<L> {
    /// A contest with settings that were checked.
    ///
    /// # Errors
    /// Those of [`ElectionSettings::check`].
    pub fn new(
        leases: L,
        settings: ElectionSettings,
        clock: SharedClock,
        random: Arc<dyn Randomness>,
    ) -> Result<Self, String> {
        settings.check()?;
        Ok(Self {
            leases: Arc::new(leases),
            settings: Arc::new(settings),
            clock,
            random,
        })
    }

    /// Waits until we lead. Never gives up: what the API server refuses is told in the log and tried again. Cancel safe: a
    /// Lease that was just being taken then expires by itself.
    pub async fn acquire(&self) -> Held {
        let mut candidate = Candidate::new(
            Arc::clone(&self.leases),
            Arc::clone(&self.settings),
            Arc::clone(&self.clock),
        );
        let mut leader = None;
        loop {
            match candidate.attempt(Wanted::Take).await {
                Ok(Outcome::Ours { sent }) => {
                    // An answer may be so late that what it grants is over.
                    if let Some(held) = Held::begin(candidate, sent) {
                        return held;
                    }
                    candidate = Candidate::new(
                        Arc::clone(&self.leases),
                        Arc::clone(&self.settings),
                        Arc::clone(&self.clock),
                    );
                }
                Ok(Outcome::Theirs { holder }) => {
                    if leader.as_ref() != Some(&holder) {
                        tracing::info!(leader = %holder, lease = %self.settings.name, "another replica leads");
                        leader = Some(holder);
                    }
                }
                Err(LeaseError::Conflict) => tracing::debug!("another candidate wrote the Lease first"),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    lease = %self.settings.name,
                    "the Lease cannot be taken, it is tried again"
                ),
            }
            self.clock.sleep(self.pause()).await;
        }
    }

    /// Until the next look at the Lease.
    fn pause(&self) -> Duration {
        let retry_period = self.settings.retry_period;
        let jitter = longest_pause(retry_period).saturating_sub(retry_period);
        let jitter_millis = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
        retry_period + Duration::from_millis(self.random.below(jitter_millis.saturating_add(1)))
    }
}
