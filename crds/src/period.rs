//! Lengths of time as an administrator writes them: `5m`, `1h30m`, `0s`.
//!
//! The text is kept beside its value: what was written comes back unchanged, so that a resource that is read and
//! written again shows no drift. The syntax is the part of Go's durations that needs no fractions; CEL's `duration()`
//! reads it too. Five digits and three parts keep the sum far below the 292 years at which Go's durations overflow.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The pattern of the schema. [`Period::from_str`] accepts exactly this.
const PATTERN: &str = "^([0-9]{1,5}(h|m|s)){1,3}$";

/// A length of time in whole seconds, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    text: Cow<'static, str>,
    value: Duration,
}

/// A text is no [`Period`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodError(String);

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a length of time: write hours, minutes and seconds such as 5m, 1h30m or 0s",
            self.0
        )
    }
}

impl std::error::Error for PeriodError {}

impl Period {
    /// So many minutes; the constants of defaults are written with it.
    pub(crate) const fn constant(text: &'static str, seconds: u64) -> Self {
        Self {
            text: Cow::Borrowed(text),
            value: Duration::from_secs(seconds),
        }
    }

    /// Its value.
    pub fn get(&self) -> Duration {
        self.value
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is no time at all, which switches a kind of run off.
    pub fn is_zero(&self) -> bool {
        self.value.is_zero()
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.value
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let value = seconds(text).ok_or_else(|| PeriodError(text.to_owned()))?;
        Ok(Self {
            text: Cow::Owned(text.to_owned()),
            value: Duration::from_secs(value),
        })
    }
}

fn seconds(text: &str) -> Option<u64> {
    let mut sum = 0;
    let mut parts = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let (digits, unit) = rest.split_at_checked(end)?;
        if !(1..=5).contains(&digits.len()) {
            return None;
        }
        let factor = match unit.chars().next()? {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        sum += digits.parse::<u64>().ok()? * factor;
        parts += 1;
        rest = unit.get(1..)?;
    }
    (1..=3).contains(&parts).then_some(sum)
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": PATTERN, "minLength": 2, "maxLength": 18})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_the_value_that_is_written() {
        for (text, expected) in [
            ("5m", 300),
            ("1h30m", 5400),
            ("0s", 0),
            ("90s", 90),
            ("24h", 86_400),
            ("1h2m3s", 3723),
            ("99999h", 359_996_400),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.get(), Duration::from_secs(expected), "{text}");
            assert_eq!(period.to_string(), text);
        }
        assert!("0s".parse::<Period>().unwrap().is_zero());
    }

    #[test]
    fn other_texts_are_refused_and_named() {
        for text in [
            "", "5", "m", "5 m", "1.5h", "-5m", "5d", "5M", "100000s", "1h1h1h1h", "5m ", "1hm", "五m",
        ] {
            let error = text.parse::<Period>().unwrap_err();
            assert!(error.to_string().contains("such as 5m"), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_pattern_of_the_schema_accepts_what_the_parser_accepts() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for text in [
            "5m", "1h30m", "0s", "99999h", "", "5", "1.5h", "100000s", "1h1h1h1h", "5d", "h", "1h 5m", "1h1h1h",
        ] {
            assert_eq!(pattern.is_match(text), text.parse::<Period>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn text_survives_a_round_trip() {
        let period: Period = serde_json::from_str("\"90m\"").unwrap();
        assert_eq!(serde_json::to_string(&period).unwrap(), "\"90m\"");
        assert!(serde_json::from_str::<Period>("\"soon\"").is_err());
    }
}
