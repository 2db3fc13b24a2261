//! Telephone numbers as people write them: the forms of directory.md section 3.2 and some more.

use super::hash::Dice;
use super::places::{self, Country};

/// How many forms there are.
pub(super) const FORMS: u64 = 26;

/// Telephone number `number` of a record; null once in four. Number 6 is an internal extension.
pub(super) fn of(record: Dice, number: u8) -> Option<String> {
    let country = places::country(record);
    let mut dice = record.fork(200 + u64::from(number));
    if dice.once_in(4) {
        return None;
    }
    if number == 6 {
        return Some(dice.digits(3));
    }
    let form = dice.below(FORMS);
    Some(written(country, form, number == 2, dice))
}

/// A number of this country in this form.
fn written(country: &Country, form: u64, mobile: bool, mut dice: Dice) -> String {
    let code = country.calling_code;
    let trunk = country.trunk;
    let area = if mobile {
        country.mobile_code
    } else {
        dice.text(country.area_codes)
    };
    let digits = dice.digits(country.local_digits);
    let (front, back) = digits.split_at_checked(4).unwrap_or((&digits, ""));
    let extension = dice.digits(3);
    let mobile_code = country.mobile_code;
    match form {
        0 => format!("+{code} {area} {front}{back}-{extension}"),
        1 => format!("+{code} (0) {area} {front}{back}-{extension}"),
        2 => format!("({trunk}{area}) {front}{back}-{extension}"),
        3 => format!("00{code} {area} {front}{back}"),
        4 => format!("++{code} {area} {front}{back}"),
        5 => format!("+{code}{area}{front}{back}"),
        6 => format!("{trunk}{area}/{front}{back}-{extension}"),
        7 => format!("+{code} {area} {front}{back}-0"),
        8 => format!("{trunk}{area}/{front}{back} x{extension}"),
        9 => format!("{trunk}{area} {front}{back} ext. {extension}"),
        10 => format!("tel:+{code}-{area}-{front}{back};ext={extension}"),
        11 => format!("{trunk}{area} {front}{back} DW 12"),
        12 => format!("{trunk}{area} {front}{back} Durchwahl 12"),
        13 => format!("{trunk}{area} {front}{back}-12 (Sekretariat)"),
        14 => format!("{trunk}{area} {front}{back} / {trunk}{mobile_code} {back}{front}"),
        15 => format!("{trunk}{area} {front}{back}; {trunk}{mobile_code} {back}{front}"),
        16 => format!("Tel. {trunk}{area} {front}{back}"),
        17 => format!("*31#{trunk}{area}{front}{back}"),
        18 => dice.text(&["112", "177", "11833", "23", "4711"]).to_owned(),
        19 => match dice.below(5) {
            0 => "n/a".to_owned(),
            1 => "-".to_owned(),
            2 => "unbekannt".to_owned(),
            3 => format!("+{code}"),
            _ => "siehe Notiz & \"Kontakt\"".to_owned(),
        },
        20 => format!("{trunk}{area}.{front}.{back}"),
        21 => format!("+{code}-{area}-{front}-{back}"),
        22 => full_width(&format!("{trunk}{area}{front}{back}")),
        23 => format!("+{code}\u{a0}{area}\u{a0}{front}\u{a0}{back}"),
        24 => format!("{front}-{back}"),
        _ => format!("({area}) {front}-{back}"),
    }
}

/// Full-width digits, as Japanese keyboards type them.
fn full_width(text: &str) -> String {
    text.chars()
        .map(|digit| match digit.to_digit(10) {
            Some(value) => char::from_u32(0xFF10 + value).unwrap_or(digit),
            None => digit,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_written_in_at_least_twenty_ways() {
        let shape = |text: &str| -> String {
            text.chars()
                .map(|letter| if letter.is_ascii_digit() { '9' } else { letter })
                .collect::<String>()
                .replace("99", "9")
        };
        let shapes: BTreeSet<String> = (0..2000)
            .filter_map(|n| of(Dice::new(7, 1, n), 0))
            .map(|text| shape(&text))
            .collect();
        assert!(shapes.len() >= 20, "{} shapes", shapes.len());
        assert!(
            (0..2000)
                .filter_map(|n| of(Dice::new(7, 1, n), 0))
                .all(|text| text.chars().count() <= 40)
        );
    }
}
