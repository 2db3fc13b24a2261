//! Numbers compared by value: a long of 19 digits would lose its end in a double.

use std::cmp::Ordering;

/// A decimal number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    /// coefficient / 10^decimals; where it has too many digits for that, nothing.
    exact: Option<(i128, u32)>,
    near: f64,
}

/// Digits of an exact coefficient: two of them can be brought to a common scale in an i128.
const EXACT_DIGITS: usize = 19;

impl Number {
    /// Reads Salesforce's and SOQL's notations: sign, digits, point, exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let near: f64 = text.parse().ok().filter(|near: &f64| near.is_finite())?;
        Some(Self {
            exact: exact(text),
            near,
        })
    }

    /// Compares by value.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        if let (Some((left, left_decimals)), Some((right, right_decimals))) = (self.exact, other.exact) {
            let decimals = left_decimals.max(right_decimals);
            let scaled = |coefficient: i128, own: u32| {
                10_i128
                    .checked_pow(decimals - own)
                    .and_then(|factor| coefficient.checked_mul(factor))
            };
            if let (Some(left), Some(right)) = (scaled(left, left_decimals), scaled(right, right_decimals)) {
                return left.cmp(&right);
            }
        }
        self.near.total_cmp(&other.near)
    }
}

fn exact(text: &str) -> Option<(i128, u32)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.len() + fraction.len() > EXACT_DIGITS + 1 {
        return None;
    }
    let coefficient: i128 = format!("{whole}{fraction}").parse().ok()?;
    let decimals = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    match u32::try_from(decimals) {
        Ok(decimals) => Some((coefficient, decimals)),
        Err(_negative) => {
            let factor = 10_i128.checked_pow(decimals.unsigned_abs())?;
            coefficient.checked_mul(factor).map(|whole| (whole, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_not_notations() {
        let compare = |left: &str, right: &str| Number::parse(left).unwrap().compare(&Number::parse(right).unwrap());
        for (left, right) in [
            ("1.0E7", "10000000"),
            ("-0.0", "0"),
            ("108.0", "108"),
            ("+1", "1"),
            ("1.50", "1.5"),
            ("1e-3", "0.001"),
        ] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
        }
        for (less, more) in [
            ("9007199254740992", "9007199254740993"),
            ("-9223372036854775808", "-9223372036854775807"),
            ("-1", "0"),
            ("0.1", "0.10000000001"),
            ("1E300", "2E300"),
            ("2", "10"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
        }
        assert!(Number::parse("x").is_none() && Number::parse("inf").is_none());
    }
}
