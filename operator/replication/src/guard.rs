//! The delete guard: how many rows may leave before a person has to say so (design 6.7).
//!
//! **Goal.** An org that was emptied by mistake, a condition with a typing error, a permission that was withdrawn: none of
//! them may empty the table that somebody answers the telephone with.
//!
//! **The way.** Deletes are first noted, and applied at the end of a run, so that all of them are known when the guard
//! looks. It looks at the deletes of the last 24 hours too: nine percent every five minutes is a table emptied within the
//! hour. What it holds stays noted, upserts go on, and a person lets go exactly what was held by naming a token: the number of
//! deletes and a hash of their Ids in the order in which they were found. What is found later is not let go by it.
//!
//! A table of a few rows may lose a few: below 100 deletes, only more than half of the table is held.
//!
//! Everything here is pure. Destinations ask it inside the transaction that applies.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// How long a delete counts.
const WINDOW: Duration = Duration::from_hours(24);

/// Deletes within this are one entry of the window, so that it has a hundred entries at most.
const GRAIN: Duration = Duration::from_mins(15);

/// Bytes of a token's hash: enough that no other set of deletes has it by chance, and short enough to be copied.
const HASH_BYTES: usize = 6;

/// So many deletes are let through, unless they are more than half of the table (design 6.7).
const FEW: u64 = 100;

/// How a commit that applies deletes is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// `maxDeletePercent`, 0 to 100; 100 holds nothing.
    pub max_percent: u8,
    /// Only entries found at this time or later are applied, be they let through or confirmed: older ones were held, or left
    /// by a run that was broken off, and must first be looked at again. `None` where that has been done.
    pub found_since: Option<Timestamp>,
}

impl Guard {
    /// Whether `pending` deletes may be applied to a table of `rows` rows, those included, that lost `recent` more
    /// within the window.
    pub fn admits(&self, pending: u64, recent: u64, rows: u64) -> bool {
        if self.max_percent >= 100 {
            return true;
        }
        let deletes = u128::from(pending) + u128::from(recent);
        let whole = u128::from(rows) + u128::from(recent);
        let is_much = deletes * 100 > whole * u128::from(self.max_percent);
        let is_many = deletes > u128::from(FEW) || deletes * 2 > whole;
        !(is_much && is_many)
    }
}

/// Deletes of the last 24 hours that nobody confirmed, as `_replication_state.deletes_window` keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletesWindow {
    /// Begin of a grain and the deletes in it, ascending.
    entries: Vec<(Timestamp, u64)>,
}

impl DeletesWindow {
    /// Deletes that still count at `now`.
    pub fn recent(&self, now: Timestamp) -> u64 {
        let from = now.checked_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let counted = self.entries.iter().filter(|(at, _)| *at > from);
        counted.map(|(_, deletes)| deletes).sum()
    }

    /// Adds deletes applied at `now`, and forgets what does not count any more.
    pub fn add(&mut self, deletes: u64, now: Timestamp) {
        let from = now.checked_sub(WINDOW).unwrap_or(Timestamp::MIN);
        self.entries.retain(|(at, _)| *at > from);
        if deletes == 0 {
            return;
        }
        match self.entries.last_mut() {
            // A clock that went back adds to the last grain, which counts longer.
            Some((at, sum)) if now < at.checked_add(GRAIN).unwrap_or(Timestamp::MAX) => *sum += deletes,
            Some(_) | None => self.entries.push((now, deletes)),
        }
    }

    /// As the destination keeps it: `[["2026-11-24T10:00:00Z",12],..]`; `None` where nothing counts.
    pub fn to_json(&self) -> Option<String> {
        if self.entries.is_empty() {
            return None;
        }
        serde_json::to_string(&self.entries).ok()
    }

    /// Reads what [`DeletesWindow::to_json`] wrote. What cannot be read counts nothing.
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text)
            .map(|entries| Self { entries })
            .unwrap_or_default()
    }
}

/// Deletes that the guard holds, and what lets them go.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDeletes {
    /// How many.
    pub count: u64,
    /// What a person has to name: `<count>-<hash>`.
    pub token: String,
}

/// Makes the token of held deletes, Id by Id in the order of `(found_at, salesforce_id)`.
#[derive(Debug, Clone, Default)]
pub struct Tokenizer {
    hasher: Sha256,
    count: u64,
}

impl Tokenizer {
    /// The next Id.
    pub fn see(&mut self, id: &str) {
        self.hasher.update(id.as_bytes());
        self.hasher.update(b"\n");
        self.count += 1;
    }

    /// Ids seen so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The token of the Ids seen so far.
    pub fn token(&self) -> String {
        let hash = self.hasher.clone().finalize();
        let mut token = format!("{}-", self.count);
        for byte in hash.iter().take(HASH_BYTES) {
            // Writing into a String cannot fail.
            write!(token, "{byte:02x}").ok();
        }
        token
    }
}

/// How many deletes a token is for; `None` where it is no token.
pub fn count_of(token: &str) -> Option<u64> {
    let (count, hash) = token.split_once('-')?;
    if hash.len() != 2 * HASH_BYTES || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    count.parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(max_percent: u8) -> Guard {
        Guard {
            max_percent,
            found_since: None,
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minute * 60).unwrap()
    }

    #[test]
    fn an_org_emptied_is_held_and_a_tenth_is_not() {
        assert!(!guard(10).admits(10_000, 0, 10_000));
        assert!(guard(10).admits(1000, 0, 10_000));
        assert!(!guard(10).admits(1001, 0, 10_000));
        assert!(guard(100).admits(10_000, 0, 10_000));
    }

    #[test]
    fn nine_percent_again_and_again_is_held() {
        assert!(guard(10).admits(900, 0, 10_000));
        assert!(!guard(10).admits(900, 900, 9100));
    }

    #[test]
    fn a_small_table_may_lose_some_rows_and_not_most() {
        assert!(guard(10).admits(20, 0, 40));
        assert!(!guard(10).admits(21, 0, 40));
        assert!(guard(10).admits(100, 0, 200));
        assert!(!guard(10).admits(101, 0, 200));
        assert!(guard(10).admits(0, 0, 0));
    }

    #[test]
    fn with_zero_percent_a_few_rows_still_leave() {
        assert!(guard(0).admits(1, 0, 1000));
        assert!(!guard(0).admits(101, 0, 1_000_000));
    }

    #[test]
    fn the_window_counts_a_day_and_stays_short() {
        let mut window = DeletesWindow::default();
        for minute in 0..2000 {
            window.add(1, at(minute));
        }
        // The grain that begins a day ago does not count any more.
        assert_eq!(window.recent(at(2000)), 1440 - 10);
        assert!(window.entries.len() <= 97);
        assert_eq!(window.recent(at(2000 + 1440)), 0);
        window.add(0, at(2000 + 1440));
        assert_eq!(window.to_json(), None);
    }

    #[test]
    fn the_window_is_read_as_it_was_written() {
        let mut window = DeletesWindow::default();
        window.add(7, at(0));
        window.add(5, at(30));
        let json = window.to_json().unwrap();
        assert_eq!(DeletesWindow::from_json(&json), window);
        assert_eq!(DeletesWindow::from_json("nonsense"), DeletesWindow::default());
    }

    #[test]
    fn a_token_is_for_these_ids_in_this_order() {
        let token = |ids: &[&str]| {
            let mut tokenizer = Tokenizer::default();
            for id in ids {
                tokenizer.see(id);
            }
            tokenizer.token()
        };
        let one = token(&["003A", "003B"]);
        assert_eq!(count_of(&one), Some(2));
        assert_ne!(one, token(&["003B", "003A"]));
        assert_ne!(one, token(&["003A"]));
        for wrong in ["", "2", "x-0123456789ab", "0-0123456789ab", "2-0123", "2-zzzzzzzzzzzz"] {
            assert_eq!(count_of(wrong), None, "{wrong}");
        }
    }
}
