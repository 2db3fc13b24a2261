//! When a trigger is due.
//!
//! An interval counts from the start of one run to the start of the next. A cron line counts in the local time of its
//! zone, where twice a year a time is skipped or comes twice. What an administrator means by "at half past two" then is
//! one run: at the first instant after the gap, or at the first of the two. So a line with a fixed hour is searched in
//! local time, and each hit is turned into an instant. A line whose hour is `*` means "so many times an hour, always":
//! searched in local time it would pause for an hour in autumn, so it is searched among instants.
//!
//! Times that passed while nobody looked are not listed: [`Schedule::next_after`] the last start gives the first of them,
//! which is due at once, and the run that follows stands for all.

use std::{fmt, time::Duration};

use jiff::{
    Timestamp, Zoned,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::Trigger;

/// When a trigger is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// This long after the start of the last run.
    Interval(Duration),
    /// By a cron line.
    Cron(Box<Cron>),
    /// Only when `manual` changes.
    Manual,
}

/// A cron line in its time zone.
#[derive(Debug, Clone)]
pub struct Cron {
    line: String,
    time_zone: TimeZone,
    /// The line in its zone, where every hour counts; else the line as if local time were UTC.
    crontab: cronexpr::Crontab,
    every_hour: bool,
}

/// A cron line or a time zone is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleError {
    /// The cron line.
    Line {
        /// As it was written.
        line: String,
        /// What is wrong.
        problem: String,
    },
    /// The time zone's name.
    TimeZone(String),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, problem } => write!(
                f,
                "{line:?} is not a cron line: {problem}; five fields are expected (minute, hour, day of month, month, \
                 day of week), such as \"*/15 6-20 * * MON-FRI\""
            ),
            Self::TimeZone(name) => {
                write!(
                    f,
                    "{name:?} is not a time zone: write its IANA name, such as Europe/Berlin"
                )
            }
        }
    }
}

impl std::error::Error for ScheduleError {}

impl Schedule {
    /// What a trigger means.
    ///
    /// # Errors
    /// The cron line or the time zone is not one; all that is wrong at once.
    pub fn new(trigger: &Trigger) -> Result<Self, Vec<ScheduleError>> {
        let Trigger {
            interval,
            schedule,
            time_zone,
            manual,
        } = trigger;
        match (schedule, interval, manual) {
            (Some(line), _, _) => {
                Cron::new(line, time_zone.as_deref().unwrap_or("UTC")).map(|cron| Self::Cron(Box::new(cron)))
            }
            (None, Some(interval), _) => Ok(Self::Interval(interval.get())),
            (None, None, None) => Ok(Self::Interval(Trigger::DEFAULT_INTERVAL.get())),
            (None, None, Some(_)) => Ok(Self::Manual),
        }
    }

    /// The first time after the start of the last run at which a run is due; it may lie in the past, and then a run is due
    /// at once, for all that were missed. `None`: never by the clock.
    pub fn next_after(&self, last_start: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Interval(interval) => last_start.checked_add(*interval).ok(),
            Self::Cron(cron) => cron.next_after(last_start),
            Self::Manual => None,
        }
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        // All else follows from these.
        self.line == other.line && self.time_zone == other.time_zone
    }
}

impl Eq for Cron {}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval(interval) => write!(f, "every {}", period(*interval)),
            Self::Cron(cron) => {
                write!(f, "at {} ({})", cron.line, cron.time_zone.iana_name().unwrap_or("UTC"))
            }
            Self::Manual => f.write_str("only when trigger.manual changes"),
        }
    }
}

/// A length of time as [`Period`](crate::Period) is written.
fn period(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.concat()
    }
}

impl Cron {
    fn new(line: &str, zone: &str) -> Result<Self, Vec<ScheduleError>> {
        let time_zone = TimeZone::get(zone).map_err(|_unknown| ScheduleError::TimeZone(zone.to_owned()));
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let every_hour = fields.get(1) == Some(&"*");
        let searched_in = if every_hour && time_zone.is_ok() { zone } else { "UTC" };
        let crontab = if fields.len() == 5 {
            cronexpr::parse_crontab(&format!("{} {searched_in}", fields.join(" "))).map_err(|error| problem(&error))
        } else {
            Err(format!("it has {} fields", fields.len()))
        };
        let crontab = crontab
            .and_then(
                |crontab| match crontab.find_next(cronexpr::MakeTimestamp(Timestamp::UNIX_EPOCH)) {
                    Ok(_some_time) => Ok(crontab),
                    Err(_never) => Err("it never comes within four years".to_owned()),
                },
            )
            .map_err(|problem| ScheduleError::Line {
                line: line.to_owned(),
                problem,
            });
        match (time_zone, crontab) {
            (Ok(time_zone), Ok(crontab)) => Ok(Self {
                line: fields.join(" "),
                time_zone,
                crontab,
                every_hour,
            }),
            (time_zone, crontab) => Err(time_zone.err().into_iter().chain(crontab.err()).collect()),
        }
    }

    fn next_after(&self, last_start: Timestamp) -> Option<Timestamp> {
        if self.every_hour {
            return self.find_next(last_start).map(|next| next.timestamp());
        }
        let mut local = last_start.to_zoned(self.time_zone.clone()).datetime();
        loop {
            let as_utc = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
            local = self.find_next(as_utc)?.datetime();
            let instant = self.instant(local)?;
            // The second of two equal local times: its line has run at the first.
            if instant > last_start {
                return Some(instant);
            }
        }
    }

    fn find_next(&self, after: Timestamp) -> Option<Zoned> {
        self.crontab.find_next(cronexpr::MakeTimestamp(after)).ok()
    }

    /// When a local time comes: the first of two, and the end of the gap for one that does not come at all.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        match self.time_zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                // With the offset before the gap the time lies behind the change, by as much as it is inside the gap.
                let inside = before.to_timestamp(local).ok()?;
                let just_after = inside.checked_add(Duration::from_secs(1)).ok()?;
                self.time_zone
                    .preceding(just_after)
                    .next()
                    .map(|change| change.timestamp())
            }
        }
    }
}

/// What cronexpr says, without its drawing of several lines.
fn problem(error: &cronexpr::Error) -> String {
    let text = error.to_string();
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(line: &str, zone: Option<&str>) -> Schedule {
        let trigger = Trigger {
            schedule: Some(line.into()),
            time_zone: zone.map(Into::into),
            ..Trigger::default()
        };
        Schedule::new(&trigger).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The first `count` due times after `start`.
    fn times(schedule: &Schedule, start: &str, count: usize) -> Vec<String> {
        let mut last = at(start);
        (0..count)
            .map(|_| {
                last = schedule.next_after(last).unwrap();
                last.to_string()
            })
            .collect()
    }

    #[test]
    fn nothing_given_is_every_five_minutes_and_manual_alone_never() {
        let nothing = Schedule::new(&Trigger::default()).unwrap();
        assert_eq!(
            times(&nothing, "2026-11-24T10:00:03Z", 2),
            ["2026-11-24T10:05:03Z", "2026-11-24T10:10:03Z"]
        );
        assert_eq!(nothing.to_string(), "every 5m");
        let manual = Schedule::new(&Trigger {
            manual: Some("a".into()),
            ..Trigger::default()
        })
        .unwrap();
        assert_eq!(manual.next_after(at("2026-11-24T10:00:00Z")), None);
        let both = Trigger {
            manual: Some("a".into()),
            interval: Some("90m".parse().unwrap()),
            ..Trigger::default()
        };
        assert_eq!(Schedule::new(&both).unwrap().to_string(), "every 1h30m");
    }

    #[test]
    fn cron_counts_in_utc_unless_told_otherwise() {
        let utc = cron("*/15 * * * *", None);
        assert_eq!(
            times(&utc, "2026-11-24T10:14:59Z", 2),
            ["2026-11-24T10:15:00Z", "2026-11-24T10:30:00Z"]
        );
        let berlin = cron("0 6 * * MON-FRI", Some("Europe/Berlin"));
        assert_eq!(
            times(&berlin, "2026-11-20T05:00:00Z", 2),
            ["2026-11-23T05:00:00Z", "2026-11-24T05:00:00Z"]
        );
        assert_eq!(berlin.to_string(), "at 0 6 * * MON-FRI (Europe/Berlin)");
    }

    #[test]
    fn a_skipped_time_runs_at_the_next_valid_instant() {
        // 29 March 2026: 02:00 to 03:00 does not exist in Berlin; 03:00 is 01:00 UTC.
        let nightly = cron("30 2 * * *", Some("Europe/Berlin"));
        assert_eq!(
            times(&nightly, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        let several = cron("0,20,40 2 * * *", Some("Europe/Berlin"));
        assert_eq!(
            times(&several, "2026-03-29T00:59:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]
        );
    }

    #[test]
    fn a_repeated_time_runs_once() {
        // 25 October 2026: 02:00 to 03:00 comes twice in Berlin, at 00:00 and at 01:00 UTC.
        let nightly = cron("30 2 * * *", Some("Europe/Berlin"));
        assert_eq!(
            times(&nightly, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // Seen first between the two.
        assert_eq!(times(&nightly, "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn a_line_for_every_hour_does_not_pause_when_the_clock_is_set() {
        let often = cron("*/30 * * * *", Some("Europe/Berlin"));
        assert_eq!(
            times(&often, "2026-10-25T00:15:00Z", 4),
            [
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z"
            ]
        );
        assert_eq!(
            times(&often, "2026-03-29T00:30:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
        );
    }

    #[test]
    fn missed_times_are_due_at_once() {
        let hourly = cron("0 8-18 * * *", None);
        assert_eq!(
            hourly.next_after(at("2026-11-24T08:00:00Z")),
            Some(at("2026-11-24T09:00:00Z"))
        );
    }

    #[test]
    fn lines_and_zones_that_are_none_are_refused_together() {
        let trigger = Trigger {
            schedule: Some("@daily rubbish x y z".into()),
            time_zone: Some("Europe/Berln".into()),
            ..Trigger::default()
        };
        let errors = Schedule::new(&trigger).unwrap_err();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].to_string().contains("Europe/Berln"), "{}", errors[0]);
        for line in [
            "0 0 * * * *",
            "60 * * * *",
            "* * * *",
            "0 0 31 2 *",
            "@hourly",
            "* * * * FOO",
        ] {
            let trigger = Trigger {
                schedule: Some(line.into()),
                ..Trigger::default()
            };
            let errors = Schedule::new(&trigger).unwrap_err();
            let text = errors[0].to_string();
            assert!(text.contains("cron line") && !text.contains('\n'), "{line}: {text}");
        }
    }
}
