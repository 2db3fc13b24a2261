//! The delete log of one object: what getDeleted reads (salesforce-api.md 6.1, 6.5).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// Entries that are kept for each user licence.
const ENTRIES_A_LICENCE: u64 = 5_000;

/// Hours between two purges, and the age below which no entry is purged.
const PURGE_HOURS: i64 = 2;

/// Deleted rows by the time of their deletion.
#[derive(Debug, Default)]
pub(crate) struct DeleteLog {
    /// (deletion in seconds, number)
    entries: BTreeSet<(i64, u64)>,
    by_row: BTreeMap<u64, i64>,
    /// When entries were purged last.
    purged: Option<Timestamp>,
    /// When it was last looked whether there are too many.
    inspected: Option<Timestamp>,
}

impl DeleteLog {
    /// Notes a deletion; an earlier one of the same row is replaced.
    pub(crate) fn note(&mut self, n: u64, at: i64) {
        self.forget(n);
        self.entries.insert((at, n));
        self.by_row.insert(n, at);
    }

    /// Takes a row out.
    fn forget(&mut self, n: u64) {
        if let Some(at) = self.by_row.remove(&n) {
            self.entries.remove(&(at, n));
        }
    }

    /// The deletions from `from` to `to`, both inclusive, in seconds.
    pub(crate) fn range(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, u64)> {
        let range = (from <= to).then(|| self.entries.range((from, 0)..=(to, u64::MAX)));
        range.into_iter().flatten().copied()
    }

    /// Before this nothing is known any more.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.purged
    }

    /// Throws all entries away.
    pub(crate) fn purge(&mut self, now: Timestamp) {
        self.entries.clear();
        self.by_row.clear();
        self.purged = Some(now);
    }

    /// What Salesforce does every two hours: entries beyond 5 000 for each licence go, oldest first, unless they are
    /// younger than two hours.
    pub(crate) fn inspect(&mut self, now: Timestamp, licences: u32) {
        let interval = SignedDuration::from_hours(PURGE_HOURS);
        if self.inspected.is_some_and(|last| now.duration_since(last) < interval) {
            return;
        }
        self.inspected = Some(now);
        let most = ENTRIES_A_LICENCE * u64::from(licences);
        let young = now.as_second() - interval.as_secs();
        while u64::try_from(self.entries.len()).unwrap_or(u64::MAX) > most {
            match self.entries.first() {
                Some(&(at, n)) if at <= young => {
                    self.forget(n);
                    self.purged = Some(now);
                }
                Some(_) | None => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn a_row_is_listed_once_and_ranges_are_inclusive() {
        let mut log = DeleteLog::default();
        log.note(7, 100);
        log.note(3, 160);
        log.note(7, 200);
        assert_eq!(log.range(100, 160).collect::<Vec<_>>(), [(160, 3)]);
        assert_eq!(log.range(160, 200).collect::<Vec<_>>(), [(160, 3), (200, 7)]);
        assert_eq!(log.range(201, 100).count(), 0);
        log.forget(3);
        assert_eq!(log.range(0, 1_000).collect::<Vec<_>>(), [(200, 7)]);
    }

    #[test]
    fn the_log_is_purged_every_two_hours_but_for_young_entries() {
        let mut log = DeleteLog::default();
        log.inspect(at(0), 1);
        for n in 0..6_000 {
            log.note(n, i64::try_from(n).expect("small"));
        }
        log.inspect(at(7_199), 1);
        assert_eq!(log.earliest(), None, "not yet two hours since it was looked at");
        log.inspect(at(7_700), 1);
        assert_eq!(
            log.range(0, 10_000).count(),
            5_499,
            "entries up to second 500 are two hours old"
        );
        log.inspect(at(100_000), 1);
        assert_eq!(
            (log.range(0, 10_000).count(), log.earliest()),
            (5_000, Some(at(100_000)))
        );
        log.inspect(at(200_000), 1);
        assert_eq!(log.earliest(), Some(at(100_000)), "nothing was purged");
    }
}
