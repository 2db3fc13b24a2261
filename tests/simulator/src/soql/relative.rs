//! Relative date literals: from a word to a span of days.

use jiff::Span;
use jiff::civil::Date;

use super::ast::{DateUnit, RelativeDate};

/// The literal of this word, in any case, or of `WORD:n`.
pub(super) fn parse(word: &str, n: Option<i32>) -> Option<RelativeDate> {
    let upper = word.to_uppercase();
    if let Some(n) = n {
        let (unit, kind) = if let Some(unit) = upper.strip_prefix("LAST_N_") {
            (unit, 0)
        } else if let Some(unit) = upper.strip_prefix("NEXT_N_") {
            (unit, 1)
        } else {
            (upper.strip_prefix("N_")?.strip_suffix("_AGO")?, 2)
        };
        let unit = match unit.strip_prefix("FISCAL_").unwrap_or(unit) {
            "DAYS" => DateUnit::Day,
            "WEEKS" => DateUnit::Week,
            "MONTHS" => DateUnit::Month,
            "QUARTERS" => DateUnit::Quarter,
            "YEARS" => DateUnit::Year,
            _ => return None,
        };
        return Some(match kind {
            0 => RelativeDate::LastN { unit, n },
            1 => RelativeDate::NextN { unit, n },
            _ => RelativeDate::NAgo { unit, n },
        });
    }
    match upper.as_str() {
        "TODAY" => return Some(RelativeDate::Today),
        "YESTERDAY" => return Some(RelativeDate::Yesterday),
        "TOMORROW" => return Some(RelativeDate::Tomorrow),
        "LAST_90_DAYS" => return Some(RelativeDate::Last90Days),
        "NEXT_90_DAYS" => return Some(RelativeDate::Next90Days),
        _ => {}
    }
    let (which, unit) = upper.split_once('_')?;
    let shift = match which {
        "LAST" => -1,
        "THIS" => 0,
        "NEXT" => 1,
        _ => return None,
    };
    let unit = match unit {
        "WEEK" => DateUnit::Week,
        "MONTH" => DateUnit::Month,
        "QUARTER" | "FISCAL_QUARTER" => DateUnit::Quarter,
        "YEAR" | "FISCAL_YEAR" => DateUnit::Year,
        _ => return None,
    };
    Some(RelativeDate::Shifted { unit, shift })
}

/// The days of a literal: from the first, inclusive, to the second, exclusive. Dates beyond the calendar are its edges.
pub(super) fn span(literal: RelativeDate, today: Date) -> (Date, Date) {
    let day = |n: i32| shifted(today, DateUnit::Day, n);
    match literal {
        RelativeDate::Today => (today, day(1)),
        RelativeDate::Yesterday => (day(-1), today),
        RelativeDate::Tomorrow => (day(1), day(2)),
        // The current day counts in the last days, not in the next ones.
        RelativeDate::Last90Days => (day(-90), day(1)),
        RelativeDate::Next90Days => (day(1), day(91)),
        RelativeDate::Shifted { unit, shift } => units(today, unit, shift, shift.saturating_add(1)),
        RelativeDate::LastN { unit: DateUnit::Day, n } => (day(n.saturating_neg()), day(1)),
        RelativeDate::LastN { unit, n } => units(today, unit, n.saturating_neg(), 0),
        RelativeDate::NextN { unit, n } => units(today, unit, 1, n.saturating_add(1)),
        RelativeDate::NAgo { unit, n } => units(today, unit, n.saturating_neg(), n.saturating_neg().saturating_add(1)),
    }
}

fn units(today: Date, unit: DateUnit, from: i32, to: i32) -> (Date, Date) {
    let start = start_of(today, unit);
    (shifted(start, unit, from), shifted(start, unit, to))
}

fn start_of(today: Date, unit: DateUnit) -> Date {
    match unit {
        DateUnit::Day => today,
        DateUnit::Week => shifted(
            today,
            DateUnit::Day,
            -i32::from(today.weekday().to_sunday_zero_offset()),
        ),
        DateUnit::Month => today.first_of_month(),
        DateUnit::Quarter => shifted(
            today.first_of_month(),
            DateUnit::Month,
            -i32::from((today.month() - 1) % 3),
        ),
        DateUnit::Year => today.first_of_year(),
    }
}

fn shifted(date: Date, unit: DateUnit, n: i32) -> Date {
    // Beyond these numbers every span of the calendar ends anyway; jiff's spans have limits of their own.
    let n = n.clamp(-3_000_000, 3_000_000);
    let span: Result<Span, jiff::Error> = match unit {
        DateUnit::Day => Span::new().try_days(n),
        DateUnit::Week => Span::new().try_weeks(n),
        DateUnit::Month => Span::new().try_months(n),
        DateUnit::Quarter => Span::new().try_months(n.saturating_mul(3)),
        DateUnit::Year => Span::new().try_years(n),
    };
    let edge = if n < 0 { Date::MIN } else { Date::MAX };
    span.and_then(|span| date.checked_add(span)).unwrap_or(edge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn spans_of_a_tuesday() {
        let today = date(2026, 11, 24);
        let of = |word: &str, n| span(parse(word, n).unwrap(), today);
        assert_eq!(of("today", None), (today, date(2026, 11, 25)));
        assert_eq!(of("YESTERDAY", None), (date(2026, 11, 23), today));
        assert_eq!(of("THIS_WEEK", None), (date(2026, 11, 22), date(2026, 11, 29)));
        assert_eq!(of("LAST_MONTH", None), (date(2026, 10, 1), date(2026, 11, 1)));
        assert_eq!(of("THIS_QUARTER", None), (date(2026, 10, 1), date(2027, 1, 1)));
        assert_eq!(of("NEXT_FISCAL_YEAR", None), (date(2027, 1, 1), date(2028, 1, 1)));
        assert_eq!(of("LAST_N_DAYS", Some(7)), (date(2026, 11, 17), date(2026, 11, 25)));
        assert_eq!(of("NEXT_N_DAYS", Some(2)), (date(2026, 11, 25), date(2026, 11, 27)));
        assert_eq!(of("LAST_N_MONTHS", Some(2)), (date(2026, 9, 1), date(2026, 11, 1)));
        assert_eq!(of("N_DAYS_AGO", Some(3)), (date(2026, 11, 21), date(2026, 11, 22)));
        assert_eq!(of("N_YEARS_AGO", Some(1)), (date(2025, 1, 1), date(2026, 1, 1)));
        assert_eq!(of("LAST_90_DAYS", None).0, date(2026, 8, 26));
        assert_eq!(of("LAST_N_YEARS", Some(i32::MAX)).0, Date::MIN);
        assert!(
            parse("SOMEDAY", None).is_none() && parse("LAST_DAY", None).is_none() && parse("TODAY", Some(1)).is_none()
        );
    }
}
