//! How often each kind of run is due.

use std::{fmt::Write as _, time::Duration};

use crds::{Consistency, Period};

use super::{findings::Findings, object::Periods};

/// Where Reconcile's period is written.
pub(super) const RECONCILE_SETTING: &str = "consistency.reconcileEvery";

/// Most of `maxDeletePercent`, and what it is where it is written wrongly: then there is no plan.
const MOST_PERCENT: u8 = 100;

/// The periods of an object. `moves` says that it has columns that change without a stamp.
pub(super) fn of(consistency: &Consistency, moves: bool) -> Periods {
    let Consistency {
        overlap: _,
        verify_every,
        reconcile_every,
        refresh_every,
        max_delete_percent: _,
    } = consistency;
    let refresh_default = if moves {
        Consistency::DEFAULT_REFRESH_EVERY
    } else {
        Consistency::DEFAULT_REFRESH_EVERY_PLAIN
    };
    let period = |written: &Option<Period>, default: Period| {
        let period = written.as_ref().map_or(default.get(), Period::get);
        (!period.is_zero()).then_some(period)
    };
    Periods {
        verify: period(verify_every, Consistency::DEFAULT_VERIFY_EVERY),
        reconcile: period(reconcile_every, Consistency::DEFAULT_RECONCILE_EVERY),
        refresh: period(refresh_every, refresh_default),
    }
}

/// `maxDeletePercent`, checked.
pub(super) fn max_delete_percent(consistency: &Consistency, findings: &mut Findings<'_>) -> u8 {
    let written = consistency
        .max_delete_percent
        .unwrap_or(Consistency::DEFAULT_MAX_DELETE_PERCENT);
    match u8::try_from(written) {
        Ok(percent) if percent <= MOST_PERCENT => percent,
        Ok(_) | Err(_) => {
            findings.problem(format!(
                "consistency.maxDeletePercent: {written} is no part of the rows in percent: write 0 to {MOST_PERCENT}"
            ));
            MOST_PERCENT
        }
    }
}

/// As a person writes a period: `1h30m`.
pub(super) fn text(period: Duration) -> String {
    let seconds = period.as_secs();
    let mut text = String::new();
    for (number, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')] {
        if number > 0 {
            // Writing into a String cannot fail.
            write!(text, "{number}{unit}").ok();
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consistency(verify: &str, reconcile: &str, refresh: &str) -> Consistency {
        Consistency {
            verify_every: Some(verify.parse().unwrap()),
            reconcile_every: Some(reconcile.parse().unwrap()),
            refresh_every: Some(refresh.parse().unwrap()),
            ..Consistency::default()
        }
    }

    #[test]
    fn what_is_written_counts_and_no_time_at_all_is_never() {
        let hours = |hours| Some(Duration::from_hours(hours));
        for (consistency, moves, expected) in [
            (Consistency::default(), true, (hours(1), hours(24), hours(24))),
            (Consistency::default(), false, (hours(1), hours(24), hours(168))),
            (consistency("2h", "12h", "48h"), true, (hours(2), hours(12), hours(48))),
            (consistency("2h", "12h", "48h"), false, (hours(2), hours(12), hours(48))),
            (consistency("0s", "0m", "0h"), true, (None, None, None)),
        ] {
            let periods = of(&consistency, moves);
            assert_eq!(
                (periods.verify, periods.reconcile, periods.refresh),
                expected,
                "{consistency:?}"
            );
        }
    }

    #[test]
    fn a_period_is_shown_as_it_is_written() {
        for (seconds, expected) in [
            (3600, "1h"),
            (5400, "1h30m"),
            (604_800, "168h"),
            (61, "1m1s"),
            (0, "0s"),
        ] {
            assert_eq!(text(Duration::from_secs(seconds)), expected);
        }
    }
}
