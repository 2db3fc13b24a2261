//! The moment of a kill.
//!
//! A moment is drawn from a **rehearsal**: one undisturbed run of the same kind over changes of the same size, of which it
//! is known when the org was called and when it ended. A time is drawn from its length, every one as likely as any other,
//! and told as the last call before it and what had passed since then. So a kill hits parsing, staging, commits and the
//! end of a run as often as they take long, and on a slow machine it still comes behind the same call. Every third kill
//! comes while the next call hangs: then all that was read before is on its way into the open segment, or in it.

use std::time::Duration;

use e2e::{
    binary::{self, Outcome},
    stage::Stage,
};
use fastrand::Rng;
use simulator::{Control, Rule, What};
use tokio::time::Instant;

/// Calls with which every command begins: login, describe, clock, the user's rights.
const OPENING: u64 = 6;

/// Between two looks at the counters of an org.
const LOOK: Duration = Duration::from_millis(1);

/// An undisturbed run.
#[derive(Debug)]
pub(super) struct Rehearsal {
    /// When each call was seen, since the start.
    calls: Vec<Duration>,
    /// When the process had ended.
    end: Duration,
}

/// When a kill comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// So many calls were answered, and the next one hangs.
    Hanging(u64),
    /// So many calls were made, and this has passed since.
    Behind(u64, Duration),
}

impl Rehearsal {
    /// Runs a command to its end, which must be a good one.
    pub(super) async fn of(stage: &Stage, command: &[&str]) -> Self {
        stage.org.reset_calls();
        let start = Instant::now();
        let ended = binary::ended(stage.start(command));
        tokio::pin!(ended);
        let mut calls = Vec::new();
        loop {
            tokio::select! {
                biased;
                outcome = &mut ended => {
                    drop(outcome.exits(0));
                    let end = start.elapsed();
                    return Self { calls, end };
                }
                () = tokio::time::sleep(LOOK) => {
                    let seen = usize::try_from(made(&stage.org)).unwrap();
                    calls.resize(seen.max(calls.len()), start.elapsed());
                }
            }
        }
    }

    /// A moment between the first call of a run's own and its end.
    pub(super) fn moment(&self, rng: &mut Rng) -> Moment {
        let made = u64::try_from(self.calls.len()).unwrap();
        if rng.u32(..3) == 0 {
            return Moment::Hanging(rng.u64(OPENING.min(made - 1)..made));
        }
        let opened = self.calls[usize::try_from(OPENING).unwrap().min(self.calls.len()) - 1];
        let span = u64::try_from(self.end.saturating_sub(opened).as_micros()).unwrap();
        let at = opened + Duration::from_micros(rng.u64(..=span));
        let before = self.calls.partition_point(|call| *call <= at);
        Moment::Behind(
            u64::try_from(before).unwrap(),
            at.saturating_sub(self.calls[before - 1]),
        )
    }
}

/// Starts a command and kills it. What it said where it ended first.
pub(super) async fn kill(stage: &Stage, command: &[&str], moment: Moment) -> Option<Outcome> {
    let org = &stage.org;
    org.reset_calls();
    if let Moment::Hanging(calls) = moment {
        org.add_rule(Rule::at_any(What::Hang).after(calls));
    }
    let mut child = stage.start(command);
    binary::until("the moment of the kill, or an early end", async || {
        let is_now = match moment {
            Moment::Hanging(_) => org.rules().is_empty(),
            Moment::Behind(calls, _) => made(org) >= calls,
        };
        is_now || child.try_wait().unwrap().is_some()
    })
    .await;
    if let Moment::Behind(_, passed) = moment {
        // Nothing tells that a process is in the middle of what it does between two calls.
        tokio::time::sleep(passed).await;
    }
    binary::signal(&child, "KILL").await;
    let outcome = binary::ended(child).await;
    org.clear_rules();
    org.release_hanging();
    outcome.code.is_some().then_some(outcome)
}

/// Calls made since the last reset.
fn made(org: &Control) -> u64 {
    org.counters().calls.values().sum()
}
