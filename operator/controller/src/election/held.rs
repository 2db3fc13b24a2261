//! The time in which we lead: renewed in the background, over when it is lost.

use std::{fmt, time::Duration};

use salesforce::clock::SharedClock;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    LeaseError, Leases,
    candidate::{Candidate, Outcome, Wanted},
};

/// Why we lead no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// No renewal succeeded within the renew deadline.
    Deadline,
    /// The record is another's, or nobody's (an empty identity).
    Taken {
        /// Whose.
        holder: String,
    },
    /// The renewal was ended: released, or dropped.
    Ended,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline => f.write_str("the Lease could not be renewed before the renew deadline"),
            Self::Taken { holder } if holder.is_empty() => f.write_str("somebody took our name out of the Lease"),
            Self::Taken { holder } => write!(f, "{holder} holds the Lease"),
            Self::Ended => f.write_str("the Lease was given up"),
        }
    }
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Ours until this moment of the monotonic clock.
    Held {
        fresh_until: Duration,
    },
    Over(Loss),
}

/// Tells whether we lead at this moment. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Freshness {
    standing: watch::Receiver<Standing>,
    clock: SharedClock,
}

impl Freshness {
    /// Whether the Lease is ours and was renewed within the renew deadline, by the monotonic clock, now. Does not depend on
    /// the renewal's task having had its turn.
    pub fn is_fresh(&self) -> bool {
        match *self.standing.borrow() {
            Standing::Held { fresh_until } => self.clock.monotonic() < fresh_until,
            Standing::Over(_) => false,
        }
    }

    async fn lost(&self) -> Loss {
        let mut standing = self.standing.clone();
        let over = standing
            .wait_for(|standing| matches!(standing, Standing::Over(_)))
            .await;
        match over.as_deref() {
            Ok(Standing::Over(loss)) => loss.clone(),
            Ok(Standing::Held { .. }) | Err(_) => Loss::Ended,
        }
    }
}

/// The Lease while it is ours. Dropping it ends the renewal and leaves the Lease to expire.
#[derive(Debug)]
pub struct Held {
    freshness: Freshness,
    release: CancellationToken,
    release_timeout: Duration,
    renewal: JoinSet<()>,
}

impl Held {
    /// Begins to renew what a candidate got by a request that was sent at this moment; `None` where the deadline has passed
    /// since.
    pub(super) fn begin<L: Leases>(candidate: Candidate<L>, sent: Duration) -> Option<Self> {
        let clock = SharedClock::clone(&candidate.clock);
        let fresh_until = sent.saturating_add(candidate.settings.renew_deadline);
        if clock.monotonic() >= fresh_until {
            return None;
        }
        tracing::info!(
            identity = %candidate.settings.identity,
            lease = %candidate.settings.name,
            "this replica leads"
        );
        let (sender, standing) = watch::channel(Standing::Held { fresh_until });
        let release = CancellationToken::new();
        let release_timeout = candidate.settings.request_timeout();
        let mut renewal = JoinSet::new();
        let term = Term {
            candidate,
            standing: sender,
            fresh_until,
        };
        renewal.spawn(term.renew(release.clone()));
        Some(Self {
            freshness: Freshness { standing, clock },
            release,
            release_timeout,
            renewal,
        })
    }

    /// Ends when we lead no longer. The process has to exit then, at once. Cancel safe.
    pub async fn lost(&self) -> Loss {
        self.freshness.lost().await
    }

    /// See [`Freshness::is_fresh`].
    pub fn is_fresh(&self) -> bool {
        self.freshness.is_fresh()
    }

    /// For whoever claims in the database.
    pub fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }

    /// Gives the Lease up, so that another replica leads at once. Call it after the last write to the database. Waits for the
    /// API server as long as for one request; a Lease that could not be given up expires.
    pub async fn release(mut self) {
        self.release.cancel();
        let ended = async { while self.renewal.join_next().await.is_some() {} };
        tokio::select! {
            biased;
            () = ended => {}
            () = self.freshness.clock.sleep(self.release_timeout) => {
                tracing::warn!("the Lease could not be released in time, it expires");
            }
        }
    }
}

/// The renewal.
struct Term<L> {
    candidate: Candidate<L>,
    standing: watch::Sender<Standing>,
    fresh_until: Duration,
}

impl<L> Drop for Term<L> {
    /// Whatever ends the renewal ends the term.
    fn drop(&mut self) {
        self.end(Loss::Ended);
    }
}

impl<L> Term<L> {
    fn end(&self, loss: Loss) {
        self.standing.send_if_modified(|standing| {
            let is_held = matches!(standing, Standing::Held { .. });
            if is_held {
                *standing = Standing::Over(loss);
            }
            is_held
        });
    }
}

impl<L: Leases> Term<L> {
    /// Renews until the Lease is lost or to be released.
    async fn renew(mut self, release: CancellationToken) {
        loop {
            let now = self.candidate.clock.monotonic();
            let deadline = self.candidate.clock.sleep(self.fresh_until.saturating_sub(now));
            // The deadline before the outcome: after a pause of the process both may be there.
            let outcome = tokio::select! {
                biased;
                () = release.cancelled() => return self.release().await,
                () = deadline => return self.lose(Loss::Deadline),
                outcome = keep(&mut self.candidate) => outcome,
            };
            match outcome {
                Outcome::Ours { sent } => {
                    self.fresh_until = sent.saturating_add(self.candidate.settings.renew_deadline);
                    self.standing.send_replace(Standing::Held {
                        fresh_until: self.fresh_until,
                    });
                }
                Outcome::Theirs { holder } => return self.lose(Loss::Taken { holder }),
            }
        }
    }

    fn lose(&self, loss: Loss) {
        tracing::error!(identity = %self.candidate.settings.identity, "leadership is lost: {loss}");
        self.end(loss);
    }

    async fn release(mut self) {
        self.end(Loss::Ended);
        match self.candidate.release().await {
            Ok(()) => tracing::info!("the Lease is released"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the Lease could not be released, it expires"
            ),
        }
    }
}

/// Waits for the next renewal and tries it until the API server answers.
async fn keep<L: Leases>(candidate: &mut Candidate<L>) -> Outcome {
    loop {
        candidate.clock.sleep(candidate.settings.retry_period).await;
        match candidate.attempt(Wanted::Keep).await {
            Ok(outcome) => return outcome,
            Err(LeaseError::Conflict) => tracing::debug!("somebody else wrote the Lease, it is read again"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the Lease could not be renewed, it is tried again"
            ),
        }
    }
}
