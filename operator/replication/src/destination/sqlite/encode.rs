//! The text of a field to a parameter of SQLite.
//!
//! | kind | stored as |
//! | --- | --- |
//! | Id, text | TEXT, as it is |
//! | boolean | INTEGER 0 or 1 |
//! | int, long | INTEGER |
//! | decimal | INTEGER where the value is whole and fits 64 bits (so all of Salesforce's 18 digits are exact), else REAL: the nearest double, exact in decimal to 15 significant digits |
//! | date | TEXT `2015-02-10` |
//! | time | TEXT `01:56:14.000`, without zone |
//! | datetime | TEXT `2015-02-10T01:56:14.000Z`, always UTC, always milliseconds: comparing texts compares times |
//!
//! Text that is in this form already, as nearly all of Salesforce's is, is bound from the batch as it stands; only the
//! other spellings are written anew, into one buffer that is used again. SQLite copies what is bound.

use rusqlite::{
    Statement, ToSql,
    types::{Null, ToSqlOutput, ValueRef},
};

use crate::{
    plan::ColumnKind,
    value::{self, Decimal, Problem},
};

/// Length of `2015-02-10T01:56:14.000Z`.
const DATETIME_LENGTH: usize = 24;

/// Length of `01:56:14.000`.
const TIME_LENGTH: usize = 12;

/// A decimal whose nearest double is infinite.
const TOO_LARGE: Problem = "is a number too large for a double";

/// Why a value could not be bound.
#[derive(Debug)]
pub(super) enum BindError {
    /// The value does not fit its column.
    Value(Problem),
    /// SQLite refused the parameter.
    Sqlite(rusqlite::Error),
}

impl From<Problem> for BindError {
    fn from(problem: Problem) -> Self {
        Self::Value(problem)
    }
}

impl From<rusqlite::Error> for BindError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Text that is bound without a copy of ours.
struct Text<'a>(&'a str);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_bytes())))
    }
}

/// Binds the value of a field as the column's kind asks for. `parameter` counts from 1; `scratch` is any buffer.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    parameter: usize,
    kind: ColumnKind,
    text: Option<&str>,
    scratch: &mut String,
) -> Result<(), BindError> {
    let Some(text) = text else {
        return Ok(statement.raw_bind_parameter(parameter, Null)?);
    };
    match kind {
        ColumnKind::Id | ColumnKind::Text { length: _ } => statement.raw_bind_parameter(parameter, Text(text))?,
        ColumnKind::Boolean => statement.raw_bind_parameter(parameter, i64::from(value::boolean(text)?))?,
        ColumnKind::Int => statement.raw_bind_parameter(parameter, i64::from(value::int(text)?))?,
        ColumnKind::Long => statement.raw_bind_parameter(parameter, value::long(text)?)?,
        ColumnKind::Decimal { precision: _, scale: _ } => match number(text)? {
            Number::Whole(number) => statement.raw_bind_parameter(parameter, number)?,
            Number::Real(number) => statement.raw_bind_parameter(parameter, number)?,
        },
        ColumnKind::Date => {
            // A date has one spelling only.
            value::date(text)?;
            statement.raw_bind_parameter(parameter, Text(text))?;
        }
        ColumnKind::Time => statement.raw_bind_parameter(parameter, Text(time(text, scratch)?))?,
        ColumnKind::Timestamp => statement.raw_bind_parameter(parameter, Text(datetime(text, scratch)?))?,
    }
    Ok(())
}

/// A decimal as SQLite stores it.
#[derive(Debug, PartialEq)]
enum Number {
    Whole(i64),
    Real(f64),
}

fn number(text: &str) -> Result<Number, Problem> {
    let decimal = Decimal::parse(text)?;
    if decimal.scale() == 0
        && let Ok(whole) = value::long(text)
    {
        return Ok(Number::Whole(whole));
    }
    // Rust rounds to the nearest double, and reads every spelling that Decimal does.
    match text.parse::<f64>() {
        Ok(real) if real.is_finite() => Ok(Number::Real(real)),
        Ok(_) | Err(_) => Err(TOO_LARGE),
    }
}

/// A time of day in the form of the database.
fn time<'a>(text: &'a str, scratch: &'a mut String) -> Result<&'a str, Problem> {
    let micros = value::time(text)?;
    let bare = text.strip_suffix('Z').unwrap_or(text);
    if bare.len() == TIME_LENGTH {
        return Ok(bare);
    }
    scratch.clear();
    value::write_time(micros, scratch);
    Ok(scratch)
}

/// A moment in the form of the database.
///
/// # Errors
/// The text is no moment.
pub(super) fn datetime<'a>(text: &'a str, scratch: &'a mut String) -> Result<&'a str, Problem> {
    let micros = value::datetime(text)?;
    if text.len() == DATETIME_LENGTH && text.ends_with('Z') {
        return Ok(text);
    }
    scratch.clear();
    value::write_datetime(micros, scratch);
    Ok(scratch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        for text in ["12", "12.0", "12.000", "1.2E1", "+12", "0012"] {
            assert_eq!(number(text), Ok(Number::Whole(12)), "{text}");
        }
        assert_eq!(number("-0.0"), Ok(Number::Whole(0)));
        assert_eq!(
            number("999999999999999999"),
            Ok(Number::Whole(999_999_999_999_999_999)),
            "18 digits"
        );
        assert_eq!(number("9223372036854775807"), Ok(Number::Whole(i64::MAX)));
        assert_eq!(
            number("9223372036854775808"),
            Ok(Number::Real(9_223_372_036_854_775_808.0))
        );
    }

    #[test]
    fn fractions_are_the_nearest_double() {
        assert_eq!(number("0.1"), Ok(Number::Real(0.1)));
        assert_eq!(number("-12.50"), Ok(Number::Real(-12.5)));
        assert_eq!(number("1.5E-3"), Ok(Number::Real(0.0015)));
        assert_eq!(number(".5"), Ok(Number::Real(0.5)));
        assert_eq!(number("1E400"), Err(TOO_LARGE));
    }

    #[test]
    fn fifteen_digits_come_back_as_they_were() {
        for text in [
            "0.123456789012345",
            "123456789012.345",
            "99999999999999.9",
            "1234567.12345678",
        ] {
            let Ok(Number::Real(real)) = number(text) else {
                panic!("{text} is no fraction")
            };
            assert_eq!(real.to_string(), text);
        }
    }

    #[test]
    fn times_have_one_form_each() {
        let mut scratch = String::new();
        for text in [
            "2015-02-10T01:56:14.000Z",
            "2015-02-10T01:56:14.000+0000",
            "2015-02-10T03:56:14+02:00",
        ] {
            assert_eq!(datetime(text, &mut scratch), Ok("2015-02-10T01:56:14.000Z"), "{text}");
        }
        for text in ["09:30:00.000Z", "09:30:00.000", "09:30:00Z", "09:30:00.000000Z"] {
            assert_eq!(time(text, &mut scratch), Ok("09:30:00.000"), "{text}");
        }
        assert!(datetime("2015-02-10", &mut scratch).is_err());
        assert!(time("9:30", &mut scratch).is_err());
    }

    #[test]
    fn more_precision_than_milliseconds_is_cut_to_the_one_form() {
        let mut scratch = String::new();
        assert_eq!(
            datetime("2015-02-10T01:56:14.00012Z", &mut scratch),
            Ok("2015-02-10T01:56:14.000Z")
        );
        // 23 characters and a Z are not enough to be the form.
        assert_eq!(datetime("2015-02-10T01:56+0000", &mut scratch).ok(), None);
    }
}
