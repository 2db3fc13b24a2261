//! Date literals whose meaning moves with the calendar.

/// Spans of days that are named without a number.
const SPANS: [&str; 6] = ["WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR"];

/// Units that a number counts, in the plural.
const UNITS: [&str; 7] = [
    "DAYS",
    "WEEKS",
    "MONTHS",
    "QUARTERS",
    "YEARS",
    "FISCAL_QUARTERS",
    "FISCAL_YEARS",
];

/// Whether a word is such a literal, and whether it needs a number: `LAST_N_DAYS:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relative {
    /// `TODAY`, `THIS_MONTH`
    Alone,
    /// `LAST_N_DAYS`
    Numbered,
}

/// The literal of a word, in any case.
pub(super) fn parse(word: &str) -> Option<Relative> {
    let upper = word.to_ascii_uppercase();
    if matches!(
        upper.as_str(),
        "TODAY" | "YESTERDAY" | "TOMORROW" | "LAST_90_DAYS" | "NEXT_90_DAYS"
    ) {
        return Some(Relative::Alone);
    }
    let numbered = upper
        .strip_prefix("LAST_N_")
        .or_else(|| upper.strip_prefix("NEXT_N_"))
        .or_else(|| upper.strip_prefix("N_")?.strip_suffix("_AGO"));
    if let Some(unit) = numbered {
        return UNITS.contains(&unit).then_some(Relative::Numbered);
    }
    let span = ["LAST_", "THIS_", "NEXT_"]
        .into_iter()
        .find_map(|which| upper.strip_prefix(which))?;
    SPANS.contains(&span).then_some(Relative::Alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_that_move_are_known() {
        for (word, expected) in [
            ("today", Some(Relative::Alone)),
            ("LAST_90_DAYS", Some(Relative::Alone)),
            ("This_Fiscal_Quarter", Some(Relative::Alone)),
            ("LAST_N_DAYS", Some(Relative::Numbered)),
            ("NEXT_N_FISCAL_YEARS", Some(Relative::Numbered)),
            ("N_WEEKS_AGO", Some(Relative::Numbered)),
            ("N_WEEKS", None),
            ("LAST_N_PEOPLE", None),
            ("LAST_DAY", None),
            ("Germany", None),
            ("null", None),
        ] {
            assert_eq!(parse(word), expected, "{word}");
        }
    }
}
