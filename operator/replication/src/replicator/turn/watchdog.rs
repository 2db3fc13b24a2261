//! A run that stands still.
//!
//! Every wait that leaves the process has an end of its own: a request to Salesforce some minutes, a statement of the database an
//! hour. A run that shows no sign of life for longer than all of them hangs for a reason that nobody thought of, and would hang
//! for ever: it is given up, its segment rolls back, and the object is tried again as after any failure. A sign of life is a call
//! that came back, rows that were read or written, or the right to run that was passed on. To wait for that right is no
//! standstill: others use it. Nor is the making of an index, which takes as long as the database is at work on it, and which the
//! destination itself looks after.

use std::time::Duration;

use salesforce::clock::SharedClock;

use super::report::Measure;
use crate::run::Slot;

/// How long a run may show no sign of life: twice what the longest statement may take, since an end of a run has several.
pub(super) const STALLED: Duration = Duration::from_hours(2);

/// How often is looked.
const LOOK: Duration = Duration::from_mins(5);

/// What moves when a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signs {
    calls: u64,
    rows: [u64; 3],
    passed: u64,
}

/// Ends when the run has stood still.
pub(super) async fn stalled(measure: &Measure, slot: &Slot, clock: &SharedClock) {
    let (mut seen, mut since) = (signs(measure, slot).0, clock.monotonic());
    loop {
        clock.sleep(LOOK).await;
        let (signs, is_waiting) = signs(measure, slot);
        let now = clock.monotonic();
        if is_waiting || signs != seen {
            (seen, since) = (signs, now);
        } else if now.saturating_sub(since) >= STALLED {
            return;
        }
    }
}

fn signs(measure: &Measure, slot: &Slot) -> (Signs, bool) {
    let tally = &measure.tally;
    let (is_waiting, passed) = slot.waits();
    let signs = Signs {
        calls: measure.client.calls(),
        rows: [tally.rows_read(), tally.rows_written(), tally.rows_deleted()],
        passed,
    };
    (signs, is_waiting || tally.is_patient())
}
