//! What happens in the middle of a run: between its answers and its commits.
//!
//! It listens to the events of runs and acts inside them, so that it depends on what a run does and not on how fast the
//! machine is.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use e2e::{scramble::Scramble, story::Story};
use fastrand::Rng;
use replication::{
    plan::ObjectName,
    progress::{Event, Observer, RunKind},
};
use simulator::Control;
use tokio_util::sync::CancellationToken;

use super::clock::Clocks;

/// Acts at events.
#[derive(Debug)]
pub(crate) struct Meddler {
    org: Control,
    clocks: Arc<Clocks>,
    scramble: Arc<Mutex<Scramble>>,
    story: Story,
    plan: Mutex<Plan>,
}

/// How it acts.
#[derive(Debug)]
struct Plan {
    rng: Rng,
    /// So many times more.
    left: u32,
    /// At one in so many events.
    one_in: u32,
    /// At its last act.
    cancel: Option<CancellationToken>,
}

impl Meddler {
    pub(crate) fn new(org: &Control, clocks: &Arc<Clocks>, scramble: &Arc<Mutex<Scramble>>, story: &Story) -> Self {
        Self {
            org: org.clone(),
            clocks: Arc::clone(clocks),
            scramble: Arc::clone(scramble),
            story: story.clone(),
            plan: Mutex::new(Plan {
                rng: Rng::with_seed(0),
                left: 0,
                one_in: 1,
                cancel: None,
            }),
        }
    }

    /// Acts from here on; the last act cancels the token.
    pub(crate) fn begin(&self, mut rng: Rng, cancel: Option<CancellationToken>) {
        let (left, one_in) = (rng.u32(1..6), rng.u32(1..6));
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Plan {
            rng,
            left,
            one_in,
            cancel,
        };
    }

    /// Looks on again.
    pub(crate) fn rest(&self) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.left = 0;
        plan.cancel = None;
    }

    fn act(&self, rng: &mut Rng) {
        let mut scramble = self.scramble.lock().unwrap_or_else(PoisonError::into_inner);
        match rng.u32(..20) {
            0..14 => scramble.work(rng.u32(1..5)),
            14..18 => {
                let by = Duration::from_secs(rng.u64(..400));
                self.story.tell(format!("  {by:?} pass"));
                scramble.pass(by.try_into().unwrap());
                self.clocks.pass(by);
            }
            18 => {
                self.story.tell("  all locators die");
                self.org.kill_locators();
            }
            _ => {
                self.story.tell("  all sessions end");
                self.org.end_sessions(None);
            }
        }
    }
}

impl Observer for Meddler {
    fn observe(&self, object: &ObjectName, kind: RunKind, event: &Event) {
        let now = self.org.now().strftime("%d %H:%M:%S");
        match event {
            Event::Started | Event::Read(_) | Event::Size(_) => {
                self.story.tell(format!("  {now} {object} {kind:?}: {event:?}"));
            }
            Event::Committed(counts) => self.story.tell(format!(
                "  {now} {object} {kind:?}: +{} ~{} -{} held {} rejected {}",
                counts.inserted, counts.updated, counts.deleted, counts.held, counts.rejected
            )),
            Event::Ended(report) => {
                let error = report.error.as_ref().map_or("", |error| error.message.as_str());
                let changing = report.changing;
                self.story.tell(format!(
                    "  {now} {object} {kind:?} ended, changing {changing:?}: {error}"
                ));
            }
        }
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let one_in = plan.one_in;
        if plan.left == 0 || plan.rng.u32(..one_in) != 0 {
            return;
        }
        plan.left -= 1;
        if plan.left == 0
            && let Some(cancel) = plan.cancel.take()
        {
            self.story.tell("  cancelled");
            cancel.cancel();
        } else {
            self.act(&mut plan.rng);
        }
    }
}
