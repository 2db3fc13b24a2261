//! Watermark and overlap.
//!
//! **Goal.** Each Incremental reads what changed and little else; no change is missed without a word.
//!
//! **The way.** The watermark is a moment on *Salesforce's* clock up to which every visible change has been read: the
//! start of the last complete run's first query. It is not the highest stamp that was seen: a run that finds nothing has
//! also learned something, and stamps later than the query may arrive while it goes on (salesforce-api.md 6.3, 3), behind
//! which earlier ones are still to come. And it is not the node's clock, which may be minutes off.
//!
//! The next query asks for `SystemModstamp >= watermark - overlap`, inclusive. The overlap is there since a stamp is set
//! when a row is written inside a transaction and is visible only from its commit on: rows of a transaction that took
//! minutes appear *behind* the watermark (salesforce-api.md 6.3, 1). What the overlap reads again is not written again:
//! the table's guard leaves an unchanged row alone. Transactions that take longer than the overlap, and hard deletes, are
//! the business of Verify.
//!
//! A segment in the middle of a run moves the watermark as far as rows have arrived *in order*, never past the
//! run's `query_start` and never back. After a crash the next run goes on from there, with its own `query_start`.
//!
//! There is a trap in it. Nobody promises that a page shows its rows as they were when the query was made
//! (salesforce-api.md 6.1): a row that changed since may come in its old place with its new stamp, far ahead of rows that
//! are still to come, and a mark that followed it would lose them after a crash. Such a stamp is as young as the query,
//! or as a transaction that was open then, which the overlap bounds. So only rows that are *settled*, older than
//! `query_start - overlap`, move the mark, and only they are a place where another query may go on. Where even these come
//! out of order, the mark goes back to the lowest of them and stays there: too low a mark only reads rows again.
//!
//! **In memory, and sometimes written.** A run that found nothing writes nothing; its watermark is carried in memory to
//! the next one. It is written with the next rows, with a `checked_at` that is due, or when it has moved an hour, so
//! that a restart of the process re-reads an hour at most. Memory counts only as long as the epoch in the state is the
//! one that it was learned under: after another process has written, what is in the state is the truth.
//!
//! **Rejected.** `>` instead of `>=`: many rows share one second, and the rest of it would be lost. The highest stamp
//! minus nothing: loses late commits. A fixed end of the window: rows that change in between would fall out of this
//! window and be read in the next one only if that is never skipped.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// The watermark is written without rows when it has moved this far (design 6.3).
const WRITTEN_AFTER: Duration = Duration::from_hours(1);

/// `checked_at` is not written more often than this (design 6.1).
const CHECKED_AFTER: Duration = Duration::from_mins(15);

/// Two of Salesforce's servers are not further apart.
const CLOCKS_DIFFER: Duration = Duration::from_mins(2);

/// How far the watermark may move while a run goes on.
#[derive(Debug)]
pub(crate) struct Mark {
    watermark: Timestamp,
    query_start: Timestamp,
    settled: Timestamp,
    reached: Option<Timestamp>,
    in_order: bool,
}

impl Mark {
    /// A run from `watermark` whose first query starts at `query_start`; see [`settled_before`] for `settled`.
    pub(crate) fn new(watermark: Timestamp, query_start: Timestamp, settled: Timestamp) -> Self {
        Self {
            watermark,
            query_start,
            settled,
            reached: None,
            in_order: true,
        }
    }

    /// A row arrived; `None` is a stamp that cannot be read.
    pub(crate) fn see(&mut self, stamp: Option<Timestamp>) {
        match stamp {
            Some(stamp) if stamp >= self.settled => {}
            Some(stamp) if self.reached.is_some_and(|reached| stamp < reached) => {
                self.in_order = false;
                self.reached = Some(stamp);
            }
            Some(stamp) if self.in_order => self.reached = Some(stamp),
            Some(_) => {}
            None => self.in_order = false,
        }
    }

    /// Up to here every change has been read if all rows seen are committed.
    pub(crate) fn so_far(&self) -> Timestamp {
        self.reached.unwrap_or(self.watermark).max(self.watermark)
    }

    /// Rows with an older stamp are where the query has put them.
    pub(crate) fn settled(&self) -> Timestamp {
        self.settled
    }

    /// The watermark of a run that is complete. Salesforce's clock may have been read lower than by the run before.
    pub(crate) fn complete(&self) -> Timestamp {
        self.query_start.max(self.watermark)
    }
}

/// Where a run begins whose first query starts at `query_start`.
///
/// A watermark that is ahead of Salesforce's clock by more than the overlap comes from a moment in which that clock was wrong, and
/// changes since then were asked for in vain. When it went wrong nobody knows; but what is verified is known to be here, and
/// where that is ahead too, Verify goes through the whole log.
pub(crate) fn begin(
    watermark: Timestamp,
    verified_until: Option<Timestamp>,
    query_start: Timestamp,
    overlap: Duration,
) -> Timestamp {
    if since(query_start, watermark) > overlap.max(CLOCKS_DIFFER) {
        verified_until.map_or(query_start, |verified| verified.min(query_start))
    } else {
        watermark
    }
}

/// The lower bound of a query for changes. Stamps have whole seconds, so it is cut down to one: a bound in the middle of
/// a second would leave out rows that changed behind it.
pub(crate) fn lower_bound(watermark: Timestamp, overlap: Duration) -> Timestamp {
    floor(watermark.checked_sub(overlap).unwrap_or(Timestamp::MIN), Unit::Second)
}

/// Cut down to a whole unit.
pub(crate) fn floor(at: Timestamp, unit: Unit) -> Timestamp {
    let down = TimestampRound::new().smallest(unit).mode(RoundMode::Floor);
    // Only the very first units of the calendar have none below them.
    at.round(down).unwrap_or(Timestamp::MIN)
}

/// Rows with an older stamp are where the query of `query_start` has put them.
pub(crate) fn settled_before(query_start: Timestamp, overlap: Duration) -> Timestamp {
    lower_bound(query_start, overlap)
}

/// Whether a run that changed no row writes the state all the same.
pub(crate) fn is_touch_due(
    written: Option<Timestamp>,
    watermark: Timestamp,
    checked_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    // One that went back was wrong, see `begin`: whoever starts next must not believe it.
    let moved = written.is_none_or(|written| written > watermark || since(written, watermark) >= WRITTEN_AFTER);
    // A wall clock that went back makes it due as well, or readers would see a time in the future for long.
    let checked = checked_at.is_none_or(|checked| checked > now || since(checked, now) >= CHECKED_AFTER);
    moved || checked
}

/// From `earlier` to `later`, zero where they are the other way round.
fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    later.duration_since(earlier).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn marks(stamps: &[Option<i64>]) -> Timestamp {
        let mut mark = Mark::new(at(100), at(1000), at(900));
        for stamp in stamps {
            mark.see(stamp.map(at));
        }
        mark.so_far()
    }

    #[test]
    fn the_mark_moves_with_rows_in_order() {
        assert_eq!(marks(&[]), at(100));
        assert_eq!(marks(&[Some(200), Some(200), Some(300)]), at(300));
    }

    #[test]
    fn a_row_that_changed_while_the_run_went_on_moves_no_mark_and_breaks_no_order() {
        assert_eq!(marks(&[Some(200), Some(1200)]), at(200));
        assert_eq!(marks(&[Some(200), Some(950), Some(300)]), at(300));
        assert_eq!(marks(&[Some(900)]), at(100));
    }

    #[test]
    fn what_is_settled_is_older_than_the_query_by_the_overlap_in_whole_seconds() {
        let query_start = at(1000) + Duration::from_millis(700);
        assert_eq!(settled_before(query_start, Duration::from_mins(10)), at(400));
        assert_eq!(settled_before(query_start, Duration::ZERO), at(1000));
    }

    #[test]
    fn the_mark_never_moves_back_for_what_the_overlap_reads_again() {
        assert_eq!(marks(&[Some(-500), Some(50)]), at(100));
    }

    #[test]
    fn a_broken_order_holds_the_mark_at_its_lowest_for_the_rest_of_the_run() {
        assert_eq!(marks(&[Some(200), Some(150), Some(400)]), at(150));
        assert_eq!(marks(&[Some(200), Some(150), Some(400), Some(120)]), at(120));
        assert_eq!(marks(&[Some(200), None, Some(400)]), at(200));
    }

    #[test]
    fn a_complete_run_has_read_up_to_its_first_query() {
        let mark = Mark::new(at(100), at(1000), at(900));
        assert_eq!(mark.complete(), at(1000));
        assert_eq!(Mark::new(at(100), at(90), at(0)).complete(), at(100));
    }

    #[test]
    fn a_watermark_ahead_of_the_clock_is_not_believed() {
        let from = |watermark, verified: Option<i64>, overlap| {
            begin(at(watermark), verified.map(at), at(1000), Duration::from_secs(overlap))
        };
        assert_eq!(from(900, Some(300), 600), at(900));
        assert_eq!(from(1500, Some(300), 600), at(1500), "the overlap bridges it");
        assert_eq!(from(1601, Some(300), 600), at(300));
        assert_eq!(from(90_000, Some(80_000), 600), at(1000));
        assert_eq!(from(90_000, None, 600), at(1000));
        assert_eq!(from(1100, Some(300), 0), at(1100), "clocks of two servers");
    }

    #[test]
    fn the_overlap_cannot_leave_the_calendar() {
        assert_eq!(lower_bound(at(600), Duration::from_mins(10)), at(0));
        assert_eq!(
            lower_bound(at(600) + Duration::from_millis(999), Duration::ZERO),
            at(600)
        );
        assert_eq!(lower_bound(Timestamp::MIN, Duration::from_mins(10)), Timestamp::MIN);
    }

    #[test]
    fn nothing_is_written_until_a_quarter_or_the_watermark_is_an_hour_behind() {
        let due = |watermark, checked: i64, now| is_touch_due(Some(at(0)), at(watermark), Some(at(checked)), at(now));
        assert!(!due(899, 0, 899));
        assert!(due(900, 0, 900));
        assert!(!due(3599, 3000, 3599));
        assert!(due(3600, 3000, 3600));
        assert!(due(10, 20, 10));
        assert!(due(-1, 0, 0), "it was wrong");
        assert!(is_touch_due(None, at(0), Some(at(0)), at(0)));
        assert!(is_touch_due(Some(at(0)), at(0), None, at(0)));
    }
}
