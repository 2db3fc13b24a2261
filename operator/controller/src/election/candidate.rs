//! One try to take or to keep the Lease, and what a candidate remembers from one to the next.

use std::{future::Future, sync::Arc, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use salesforce::clock::SharedClock;

use super::{ElectionSettings, LeaseError, Leases};

/// What a released Lease lasts: long enough to be valid, so short that nobody waits for it (client-go's).
const RELEASED_SECONDS: i32 = 1;

/// What a try is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To become the leader.
    Take,
    /// To stay the leader: what is not ours any more is left alone.
    Keep,
}

/// How a try ended that the API server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The record is ours, by a request that was sent at this moment of the monotonic clock.
    Ours { sent: Duration },
    /// Somebody else's, or nobody's where it was to be kept.
    Theirs { holder: String },
}

/// The Lease as it was last seen.
#[derive(Debug)]
struct Seen {
    lease: Lease,
    /// Since when its record has been the same, by our monotonic clock.
    since: Duration,
}

/// One participant of the contest.
#[derive(Debug)]
pub(super) struct Candidate<L> {
    leases: Arc<L>,
    pub(super) settings: Arc<ElectionSettings>,
    pub(super) clock: SharedClock,
    seen: Option<Seen>,
}

impl<L: Leases> Candidate<L> {
    /// A candidate that has seen nothing.
    pub(super) fn new(leases: Arc<L>, settings: Arc<ElectionSettings>, clock: SharedClock) -> Self {
        Self {
            leases,
            settings,
            clock,
            seen: None,
        }
    }

    /// One try.
    ///
    /// # Errors
    /// A request failed, or another candidate was faster: the next try reads again.
    pub(super) async fn attempt(&mut self, wanted: Wanted) -> Result<Outcome, LeaseError> {
        // What we wrote last needs no reading: the version tells whether it is still there.
        if wanted == Wanted::Keep
            && let Some(kept) = self.seen.as_ref().and_then(|seen| self.kept(&seen.lease))
        {
            match self.write(kept).await {
                Err(LeaseError::Conflict) => {}
                written => return written,
            }
        }
        let Some(lease) = self.within(self.leases.get()).await? else {
            return self.create().await;
        };
        self.look_at(&lease);
        if let Some(kept) = self.kept(&lease) {
            return self.write(kept).await;
        }
        if wanted == Wanted::Take && self.is_free(&lease) {
            return self.write(self.taken(lease)).await;
        }
        Ok(Outcome::Theirs {
            holder: holder(&lease).to_owned(),
        })
    }

    /// Writes that nobody holds the Lease, where it is ours. For a holder that has stopped to use it.
    ///
    /// # Errors
    /// A request failed, or somebody wrote at the same time.
    pub(super) async fn release(&mut self) -> Result<(), LeaseError> {
        // A renewal may have been given up in the middle, so what we remember may be old.
        let Some(mut lease) = self.within(self.leases.get()).await? else {
            return Ok(());
        };
        if holder(&lease) != self.settings.identity {
            return Ok(());
        }
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(RELEASED_SECONDS);
        spec.acquire_time = Some(self.now());
        spec.renew_time = Some(self.now());
        self.within(self.leases.replace(&lease)).await?;
        Ok(())
    }

    /// Remembers a record, and since when it has been the same. The rest of the object may change as it likes.
    fn look_at(&mut self, lease: &Lease) {
        let now = self.clock.monotonic();
        let since = match &self.seen {
            Some(seen) if seen.lease.spec == lease.spec => seen.since,
            Some(_) | None => now,
        };
        self.seen = Some(Seen {
            lease: lease.clone(),
            since,
        });
    }

    /// Whether anybody may take it: nobody holds it, or whoever does has not renewed it for its whole duration.
    fn is_free(&self, lease: &Lease) -> bool {
        if holder(lease).is_empty() {
            return true;
        }
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let duration = seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(self.settings.lease_duration, Duration::from_secs);
        let since = self.seen.as_ref().map(|seen| seen.since);
        since.is_some_and(|since| self.clock.monotonic().saturating_sub(since) >= duration)
    }

    /// The Lease renewed, where it is ours.
    fn kept(&self, lease: &Lease) -> Option<Lease> {
        if holder(lease) != self.settings.identity {
            return None;
        }
        let mut lease = lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.lease_duration_seconds = Some(self.settings.lease_seconds());
        spec.renew_time = Some(self.now());
        Some(lease)
    }

    /// The Lease with us as its new holder.
    fn taken(&self, mut lease: Lease) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.settings.identity.clone());
        spec.lease_duration_seconds = Some(self.settings.lease_seconds());
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
        spec.acquire_time = Some(self.now());
        spec.renew_time = Some(self.now());
        lease
    }

    async fn create(&mut self) -> Result<Outcome, LeaseError> {
        let lease = Lease {
            metadata: ObjectMeta {
                namespace: Some(self.settings.namespace.clone()),
                name: Some(self.settings.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.settings.identity.clone()),
                lease_duration_seconds: Some(self.settings.lease_seconds()),
                lease_transitions: Some(0),
                acquire_time: Some(self.now()),
                renew_time: Some(self.now()),
                ..LeaseSpec::default()
            }),
        };
        let sent = self.clock.monotonic();
        let created = self.within(self.leases.create(&lease)).await?;
        self.look_at(&created);
        Ok(Outcome::Ours { sent })
    }

    /// Replaces the Lease with one that is ours.
    async fn write(&mut self, lease: Lease) -> Result<Outcome, LeaseError> {
        let sent = self.clock.monotonic();
        let written = self.within(self.leases.replace(&lease)).await?;
        self.look_at(&written);
        Ok(Outcome::Ours { sent })
    }

    async fn within<T>(&self, request: impl Future<Output = Result<T, LeaseError>>) -> Result<T, LeaseError> {
        tokio::select! {
            biased;
            answer = request => answer,
            () = self.clock.sleep(self.settings.request_timeout()) => Err(LeaseError::TimedOut),
        }
    }

    fn now(&self) -> MicroTime {
        MicroTime(self.clock.now())
    }
}

fn holder(lease: &Lease) -> &str {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}
