//! Values by type, with the edges that conversions get wrong, in the text form of salesforce-api.md section 5.4.

use std::borrow::Cow;

use jiff::civil;

use super::hash::Dice;
use super::text;
use crate::schema::{Field, FieldType};

/// A value for a field of this type; one in five is null where the field is nillable.
pub(super) fn value(field: &Field, dice: &mut Dice) -> Option<Cow<'static, str>> {
    if field.nillable && dice.once_in(5) {
        return None;
    }
    let most = usize::try_from(field.length).unwrap_or(usize::MAX);
    let owned = match field.field_type {
        FieldType::String | FieldType::Combobox | FieldType::Picklist | FieldType::MultiPicklist => line(dice, most),
        FieldType::TextArea => text::paragraphs(dice, most),
        FieldType::Phone => dice.digits(10),
        FieldType::Url => format!("https://example.com/{}?q=a&r=%20", dice.below(100_000)),
        FieldType::Email => format!("someone{}@example.com", dice.below(100_000)),
        FieldType::EncryptedString => format!("4012 8888 {} 1881", dice.digits(4)),
        FieldType::DataCategoryGroupReference => dice.text(&["Products", "Regions", "All__c"]).to_owned(),
        FieldType::Boolean => return Some(Cow::Borrowed(if dice.once_in(2) { "true" } else { "false" })),
        FieldType::Int => int(field.digits, dice),
        FieldType::Long => long(dice),
        FieldType::Double | FieldType::Currency | FieldType::Percent => double(field, dice),
        FieldType::Date => date(dice),
        FieldType::DateTime => format!("{}T{}.000Z", date(dice), clock(dice)),
        FieldType::Time => match dice.below(6) {
            0 => "00:00:00.000Z".to_owned(),
            1 => "23:59:59.999Z".to_owned(),
            _ => format!("{}.{:03}Z", clock(dice), dice.below(1000)),
        },
        FieldType::Base64 => {
            let bytes: Vec<u8> = (0..dice.below(90))
                .map(|_| u8::try_from(dice.below(256)).unwrap_or(0))
                .collect();
            if bytes.is_empty() {
                return None;
            }
            base64(&bytes)
        }
        FieldType::AnyType => match dice.below(4) {
            0 => double(field, dice),
            1 => date(dice),
            2 => dice.text(&["true", "false"]).to_owned(),
            _ => text::line(dice, 255),
        },
        FieldType::Json => format!("{{\"n\":{},\"t\":\"ä & <b>\"}}", dice.below(100)),
        FieldType::ComplexValue => format!("value={}", dice.below(100)),
        FieldType::Id | FieldType::Reference | FieldType::Address | FieldType::Location => return None,
    };
    Some(Cow::Owned(owned))
}

/// The xsi:type that an anyType value of this text has on the wire.
pub(super) fn any_type(text: &str) -> &'static str {
    if text == "true" || text == "false" {
        "xsd:boolean"
    } else if text.parse::<civil::Date>().is_ok() && text.len() == 10 {
        "xsd:date"
    } else if text.parse::<f64>().is_ok() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        "xsd:double"
    } else {
        "xsd:string"
    }
}

fn line(dice: &mut Dice, most: usize) -> String {
    match dice.below(12) {
        0 => text::cut("0".to_owned(), most),
        1 => text::cut("ÄÖÜ äöü ß € \u{1F600} 'single' \"double\" <tag> & ]]>".to_owned(), most),
        2 => {
            let mut long = String::new();
            while long.chars().count() < most {
                long.push_str("Überlänge-");
            }
            text::cut(long, most)
        }
        3 => text::cut(format!("{:07}", dice.below(10_000_000)), most),
        _ => text::line(dice, most),
    }
}

fn int(digits: u32, dice: &mut Dice) -> String {
    if digits >= 10 && dice.once_in(10) {
        return dice.text(&["2147483647", "-2147483648"]).to_owned();
    }
    match dice.below(12) {
        0 => "0".to_owned(),
        1 => "-1".to_owned(),
        2 => "9".repeat(usize::try_from(digits.clamp(1, 9)).unwrap_or(1)),
        3 => format!("-{}", dice.digits(digits.clamp(1, 9))),
        _ => dice.below(5000).to_string(),
    }
}

fn long(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => i64::MAX.to_string(),
        1 => i64::MIN.to_string(),
        // One more than a double can hold exactly.
        2 => "9007199254740993".to_owned(),
        3 => "0".to_owned(),
        4 => format!("-{}", dice.digits(15)),
        _ => dice.below(1_000_000_000_000).to_string(),
    }
}

/// A double as Java writes it, which is what SOAP carries.
fn double(field: &Field, dice: &mut Dice) -> String {
    // Beyond 15 digits a double is not exact; Salesforce refuses numbers with more.
    let whole_digits = field.precision.saturating_sub(field.scale).clamp(1, 15);
    let decimals = if field.high_scale_number { 8 } else { field.scale }.min(15 - whole_digits.min(14));
    match dice.below(14) {
        0 => "0.0".to_owned(),
        1 => "1.0E7".to_owned(),
        2 => written(true, 1, decimals),
        3 => written(false, u64::pow(10, whole_digits.min(15)) - 1, 0),
        // More decimals than the scale: values set by the API are not rounded (salesforce-api.md 5.4).
        4 if field.scale > 0 => "0.123456789012345".to_owned(),
        5 if field.scale > 0 => "1.2345678E-5".to_owned(),
        6 => written(true, u64::pow(10, whole_digits.min(9)) / 7, 0),
        _ => {
            let most = u64::pow(10, (whole_digits + decimals).min(11));
            written(dice.once_in(8), dice.below(most), decimals)
        }
    }
}

/// `coefficient / 10^decimals` in the notation of Java's `Double.toString`: scientific below 10^-3 and from 10^7.
pub(super) fn written(negative: bool, coefficient: u64, decimals: u32) -> String {
    let mut digits = coefficient.to_string();
    let mut decimals = usize::try_from(decimals).unwrap_or(0);
    while decimals > 0 && digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
        decimals -= 1;
    }
    if coefficient == 0 {
        return "0.0".to_owned();
    }
    let sign = if negative { "-" } else { "" };
    let length = digits.len();
    let scientific = length > decimals + 7 || decimals >= length + 3;
    if scientific {
        let exponent = i64::try_from(length).unwrap_or(0) - 1 - i64::try_from(decimals).unwrap_or(0);
        let (head, tail) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        let tail = tail.trim_end_matches('0');
        let tail = if tail.is_empty() { "0" } else { tail };
        return format!("{sign}{head}.{tail}E{exponent}");
    }
    if decimals == 0 {
        return format!("{sign}{digits}.0");
    }
    let padded = format!("{digits:0>width$}", width = decimals + 1);
    let (head, tail) = padded
        .split_at_checked(padded.len() - decimals)
        .unwrap_or((&padded, "0"));
    format!("{sign}{head}.{tail}")
}

fn date(dice: &mut Dice) -> String {
    if dice.once_in(8) {
        return dice
            .text(&[
                "1700-01-01",
                "4000-12-31",
                "1970-01-01",
                "2000-02-29",
                "1900-03-01",
                "2038-01-20",
                "1582-10-15",
            ])
            .to_owned();
    }
    let year = 1940 + dice.below(90);
    format!("{year}-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28))
}

fn clock(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => "00:00:00".to_owned(),
        1 => "23:59:59".to_owned(),
        _ => format!("{:02}:{:02}:{:02}", dice.below(24), dice.below(60), dice.below(60)),
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_usize, |bits, &byte| (bits << 8) | usize::from(byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let letter = if place > group.len() {
                b'='
            } else {
                ALPHABET.get(digit).copied().unwrap_or(b'A')
            };
            text.push(char::from(letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (negative, coefficient, decimals, text) in [
            (false, 1699, 2, "16.99"),
            (false, 10_800, 2, "108.0"),
            (false, 10_000_000, 0, "1.0E7"),
            (false, 9_999_999, 0, "9999999.0"),
            (true, 1, 2, "-0.01"),
            (false, 1, 3, "0.001"),
            (false, 1, 4, "1.0E-4"),
            (false, 123_456_789, 0, "1.23456789E8"),
            (false, 123_456_789, 4, "12345.6789"),
            (true, 0, 2, "0.0"),
        ] {
            assert_eq!(written(negative, coefficient, decimals), text);
        }
    }

    #[test]
    fn base64_pads() {
        for (bytes, text) in [
            (&b"f"[..], "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn any_type_is_told_by_its_text() {
        for (text, kind) in [
            ("true", "xsd:boolean"),
            ("2015-02-10", "xsd:date"),
            ("1.0E7", "xsd:double"),
            ("inf", "xsd:string"),
            ("é", "xsd:string"),
        ] {
            assert_eq!(any_type(text), kind);
        }
    }
}
