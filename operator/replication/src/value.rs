//! What Salesforce writes, read exactly.
//!
//! Every value arrives as text, from SOAP and from Bulk alike, and a destination parses it once, straight to its own
//! form. No float stands in between: a currency of `0.1` has to stay `0.1`, so numbers are read as their decimal digits.
//! The two APIs spell one value differently (`108` and `108.0`, `1.0E7` and `10000000`, `Z` and `+0000`; salesforce-api.md
//! section 5); all spellings lead to one canonical form here, or each switch of the API would rewrite rows.
//!
//! Problems are fixed sentences without the value, since values never reach an error or a log.

/// What is wrong with a value, to be read after "the value for column x": `is not a number`.
pub type Problem = &'static str;

/// Result with a [`Problem`].
pub type Result<T> = std::result::Result<T, Problem>;

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The longest number taken, digits and exponent together. Salesforce's doubles reach 1.8E308 and its decimals have
/// 18 digits; a longer one is no number of Salesforce, and PostgreSQL's numeric ends at 131 072 digits.
const MAX_DIGITS: i32 = 1000;

const NOT_BOOLEAN: Problem = "is neither true nor false";
const NOT_NUMBER: Problem = "is not a number";
const NOT_WHOLE: Problem = "is not a whole number";
const NUMBER_TOO_LONG: Problem = "is a number with too many digits";
const NOT_32_BITS: Problem = "does not fit a whole number of 32 bits";
const NOT_64_BITS: Problem = "does not fit a whole number of 64 bits";
const NOT_DATE: Problem = "is not a date";
const NOT_DATETIME: Problem = "is not a date and time";
const NOT_TIME: Problem = "is not a time of day";

/// Reads `true` or `false`; also `1` and `0`, which XML Schema allows for the same.
///
/// # Errors
/// Anything else.
pub fn boolean(text: &str) -> Result<bool> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(NOT_BOOLEAN),
    }
}

/// Reads a whole number of 32 bits. Bulk writes the integers of some objects as `108.0`.
///
/// # Errors
/// No number, a fraction, or out of range.
pub fn int(text: &str) -> Result<i32> {
    i32::try_from(long(text).map_err(|problem| if problem == NOT_64_BITS { NOT_32_BITS } else { problem })?)
        .map_err(|_out_of_range| NOT_32_BITS)
}

/// Reads a whole number of 64 bits.
///
/// # Errors
/// No number, a fraction, or out of range.
pub fn long(text: &str) -> Result<i64> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    Decimal::parse(text)?.to_i64()
}

/// A decimal number: the digits as they stand in the text, without leading and trailing zeros, and where its point is.
///
/// Its value is `0.d1d2d3.. * 10^point`; zero has no digits. Nothing is copied or rounded.
#[derive(Debug, Clone, Copy)]
pub struct Decimal<'a> {
    negative: bool,
    /// Digits before the point in the text, then those after it.
    whole: &'a [u8],
    fraction: &'a [u8],
    point: i32,
}

impl<'a> Decimal<'a> {
    /// Reads `-12`, `12.50`, `.5`, `1.0E7`, `1.5e-3`.
    ///
    /// # Errors
    /// No number (`NaN` and `Infinity` are none), or more than a thousand digits.
    pub fn parse(text: &'a str) -> Result<Self> {
        let bytes = text.as_bytes();
        let (negative, rest) = match bytes.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, bytes),
        };
        let (whole, rest) = split_digits(rest);
        let (fraction, rest) = match rest.split_first() {
            Some((b'.', rest)) => split_digits(rest),
            _ => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(NOT_NUMBER);
        }
        let exponent = match rest.split_first() {
            None => 0,
            Some((b'e' | b'E', rest)) => exponent(rest)?,
            Some(_) => return Err(NOT_NUMBER),
        };
        let mut decimal = Self {
            negative,
            whole,
            fraction,
            point: i32::try_from(whole.len()).map_err(too_long)?,
        };
        decimal.trim()?;
        if decimal.len() > 0 {
            decimal.point += exponent;
            if decimal.point.abs() > MAX_DIGITS || decimal.digit_count()? > MAX_DIGITS {
                return Err(NUMBER_TOO_LONG);
            }
        }
        Ok(decimal)
    }

    /// Takes zeros off both ends; zero loses all its digits, its point and its sign.
    fn trim(&mut self) -> Result<()> {
        let zeros = leading_zeros(self.whole);
        self.whole = self.whole.get(zeros..).unwrap_or_default();
        self.point -= i32::try_from(zeros).map_err(too_long)?;
        self.fraction = without_trailing_zeros(self.fraction);
        if self.whole.is_empty() {
            let zeros = leading_zeros(self.fraction);
            self.fraction = self.fraction.get(zeros..).unwrap_or_default();
            self.point -= i32::try_from(zeros).map_err(too_long)?;
        }
        if self.fraction.is_empty() {
            self.whole = without_trailing_zeros(self.whole);
        }
        if self.len() == 0 {
            self.negative = false;
            self.point = 0;
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.whole.len() + self.fraction.len()
    }

    fn digit_count(&self) -> Result<i32> {
        i32::try_from(self.len()).map_err(too_long)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Number of significant digits; zero has none.
    pub fn digits(&self) -> i32 {
        // Bounded by MAX_DIGITS when it was read.
        i32::try_from(self.len()).unwrap_or(MAX_DIGITS)
    }

    /// Digits before the decimal point, negative by the zeros that follow the point.
    pub fn point(&self) -> i32 {
        self.point
    }

    /// Digits after the decimal point when it is written out.
    pub fn scale(&self) -> i32 {
        (self.digits() - self.point).max(0)
    }

    /// The digit, 0 to 9, at a position counted from the first significant one; 0 outside.
    pub fn digit(&self, position: i32) -> u8 {
        let Ok(position) = usize::try_from(position) else {
            return 0;
        };
        let byte = match self.whole.get(position) {
            Some(byte) => Some(byte),
            None => self.fraction.get(position - self.whole.len()),
        };
        byte.map_or(0, |byte| byte - b'0')
    }

    /// As a whole number.
    fn to_i64(self) -> Result<i64> {
        if self.scale() > 0 {
            return Err(NOT_WHOLE);
        }
        let mut number: i64 = 0;
        for position in 0..self.point {
            let digit = i64::from(self.digit(position));
            number = number
                .checked_mul(10)
                .and_then(|tens| {
                    if self.negative {
                        tens.checked_sub(digit)
                    } else {
                        tens.checked_add(digit)
                    }
                })
                .ok_or(NOT_64_BITS)?;
        }
        Ok(number)
    }

    /// Writes it out without exponent and needless zeros: `10000000`, `-0.5`, `0`. Equal numbers give equal text.
    pub fn write_plain(&self, into: &mut String) {
        if self.negative {
            into.push('-');
        }
        if self.point <= 0 {
            into.push('0');
        }
        for position in 0..self.point {
            into.push(char::from(b'0' + self.digit(position)));
        }
        if self.scale() > 0 {
            into.push('.');
            for position in self.point..self.digits() {
                into.push(char::from(b'0' + self.digit(position)));
            }
        }
    }

    /// [`Decimal::write_plain`] into a text of its own.
    pub fn to_plain(&self) -> String {
        let mut text = String::new();
        self.write_plain(&mut text);
        text
    }
}

fn too_long(_: std::num::TryFromIntError) -> Problem {
    NUMBER_TOO_LONG
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn leading_zeros(digits: &[u8]) -> usize {
    digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len())
}

fn without_trailing_zeros(digits: &[u8]) -> &[u8] {
    let end = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(0, |last| last + 1);
    digits.get(..end).unwrap_or_default()
}

fn exponent(bytes: &[u8]) -> Result<i32> {
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NOT_NUMBER);
    }
    let mut exponent: i32 = 0;
    for digit in digits {
        exponent = exponent * 10 + i32::from(digit - b'0');
        if exponent > 2 * MAX_DIGITS {
            return Err(NUMBER_TOO_LONG);
        }
    }
    Ok(if negative { -exponent } else { exponent })
}

/// Reads `2015-02-10` as days since 1970-01-01. Salesforce's dates reach from 1700 to 4000; four digits are taken.
///
/// # Errors
/// Anything else.
pub fn date(text: &str) -> Result<i32> {
    read_date(text.as_bytes()).ok_or(NOT_DATE)
}

/// Reads `2015-02-10T01:56:14.000Z`, and the same with an offset (`+0000`, `+02:00`), as microseconds since
/// 1970-01-01T00:00:00Z.
///
/// # Errors
/// Anything else, and a time without offset.
pub fn datetime(text: &str) -> Result<i64> {
    read_datetime(text.as_bytes()).ok_or(NOT_DATETIME)
}

/// Reads `09:30:00.000Z` as microseconds since midnight. Salesforce's times of day have no zone; the `Z` says nothing.
///
/// # Errors
/// Anything else.
pub fn time(text: &str) -> Result<i64> {
    let bytes = text.as_bytes();
    let bytes = bytes.strip_suffix(b"Z").unwrap_or(bytes);
    match read_time(bytes) {
        Some((micros, [])) => Ok(micros),
        _ => Err(NOT_TIME),
    }
}

/// Writes days since 1970-01-01 as `2015-02-10`.
pub fn write_date(days: i32, into: &mut String) {
    let (year, month, day) = civil_from_days(days);
    write_number(year, 4, into);
    into.push('-');
    write_number(month, 2, into);
    into.push('-');
    write_number(day, 2, into);
}

/// Writes microseconds since 1970-01-01T00:00:00Z as `2015-02-10T01:56:14.000Z`, milliseconds as Salesforce has them.
pub fn write_datetime(micros: i64, into: &mut String) {
    let days = micros.div_euclid(MICROS_PER_DAY);
    write_date(i32::try_from(days).unwrap_or_default(), into);
    into.push('T');
    write_time(micros.rem_euclid(MICROS_PER_DAY), into);
    into.push('Z');
}

/// Writes microseconds since midnight as `09:30:00.000`.
pub fn write_time(micros: i64, into: &mut String) {
    let millis = i32::try_from(micros.rem_euclid(MICROS_PER_DAY) / 1000).unwrap_or_default();
    write_number(millis / 3_600_000, 2, into);
    into.push(':');
    write_number(millis / 60_000 % 60, 2, into);
    into.push(':');
    write_number(millis / 1000 % 60, 2, into);
    into.push('.');
    write_number(millis % 1000, 3, into);
}

fn write_number(number: i32, width: u32, into: &mut String) {
    for place in (0..width).rev() {
        let digit = number / 10_i32.pow(place) % 10;
        into.push(u8::try_from(digit).map_or('0', |digit| char::from(b'0' + digit)));
    }
}

fn read_datetime(bytes: &[u8]) -> Option<i64> {
    let (date, rest) = bytes.split_at_checked(10)?;
    let days = read_date(date)?;
    let (micros, zone) = read_time(rest.strip_prefix(b"T")?)?;
    let offset_minutes = read_offset(zone)?;
    Some(i64::from(days) * MICROS_PER_DAY + micros - offset_minutes * 60_000_000)
}

fn read_date(bytes: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let month = number(&[*m1, *m2])?;
    let day = number(&[*d1, *d2])?;
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// Reads `HH:MM:SS` with up to six digits of a fraction; returns microseconds and what follows.
fn read_time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (clock, rest) = bytes.split_at_checked(8)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = clock else {
        return None;
    };
    let hour = number(&[*h1, *h2])?;
    let minute = number(&[*m1, *m2])?;
    let second = number(&[*s1, *s2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, rest) = match rest.split_first() {
        Some((b'.', rest)) => {
            let (digits, rest) = split_digits(rest);
            if digits.is_empty() || digits.len() > 6 {
                return None;
            }
            let missing = 6 - u32::try_from(digits.len()).ok()?;
            (number(digits)? * 10_i32.pow(missing), rest)
        }
        _ => (0, rest),
    };
    Some((
        i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + i64::from(micros),
        rest,
    ))
}

/// Reads `Z`, `+0000` or `+00:00` as minutes east of UTC.
fn read_offset(bytes: &[u8]) -> Option<i64> {
    let (sign, digits) = match bytes {
        b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let ([h1, h2, m1, m2] | [h1, h2, b':', m1, m2]) = digits else {
        return None;
    };
    let hours = number(&[*h1, *h2])?;
    let minutes = number(&[*m1, *m2])?;
    if hours > 18 || minutes > 59 {
        return None;
    }
    Some(i64::from(sign * (hours * 60 + minutes)))
}

/// Up to six digits as a number.
fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i32::from(digit - b'0'))
    })
}

fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so that the leap day is the last
/// of its year, and 400 of them are 146 097 days.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
