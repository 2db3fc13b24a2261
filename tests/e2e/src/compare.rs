//! Is the table what the org is? Row by row and value by value.
//!
//! Both sides are brought to one form for each type of field: numbers without trailing zeros or exponents, moments as
//! RFC 3339 with milliseconds. What differs is told by Id, column and both values (the rows are made up, so that is no
//! secret), at most twenty at once.

use std::collections::BTreeMap;

use crate::database::{Cell, Database};

/// A record or row: value by field or column.
pub type Record = BTreeMap<String, Cell>;

/// A column to compare: its name, the field it holds and the field's type as describe calls it.
#[derive(Debug, Clone)]
pub struct Compared {
    /// In the table.
    pub column: String,
    /// In the org.
    pub field: String,
    /// `string`, `double`, `datetime` ..
    pub field_type: String,
}

/// Fails where the table does not hold exactly `records`, by Id.
///
/// # Panics
/// Where it differs.
pub async fn assert_equal(database: &Database, table: &str, columns: &[Compared], records: &BTreeMap<String, Record>) {
    let list: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.column)).collect();
    let statement = format!(
        "SELECT salesforce_id, {} FROM {}",
        list.join(", "),
        database.table(table)
    );
    let mut rows = BTreeMap::new();
    for mut row in database.query(&statement).await {
        let values = row.split_off(1);
        let id = row.pop().flatten().expect("a row has an Id");
        assert!(
            rows.insert(id.clone(), values).is_none(),
            "{table}: {id} is there twice"
        );
    }
    let mut differences = Vec::new();
    for (id, record) in records {
        let Some(row) = rows.remove(id) else {
            differences.push(format!("{id} is missing"));
            continue;
        };
        for (column, actual) in columns.iter().zip(row) {
            let wanted = record
                .get(&column.field)
                .cloned()
                .flatten()
                .filter(|value| !value.is_empty());
            let wanted = wanted.map(|value| normal(database, &column.field_type, &value));
            let actual = actual.map(|value| normal(database, &column.field_type, &value));
            if wanted != actual {
                differences.push(format!(
                    "{id}.{}: {wanted:?} in the org, {actual:?} in the table",
                    column.column
                ));
            }
        }
    }
    differences.extend(rows.keys().map(|id| format!("{id} is in the table and not in the org")));
    let told: Vec<&String> = differences.iter().take(20).collect();
    assert!(
        differences.is_empty(),
        "{table}: {} differences, {told:#?}",
        differences.len()
    );
}

/// One form for each type.
pub(crate) fn normal(database: &Database, field_type: &str, value: &str) -> String {
    match field_type {
        "boolean" => matches!(value, "true" | "t" | "1").to_string(),
        "int" | "long" | "double" | "currency" | "percent" => match database {
            Database::Postgres { .. } => decimal(value),
            // NUMERIC of SQLite keeps 15 digits: both sides as the nearest double; -0 plus 0 is 0. What is no number at all
            // is wrong and is shown as it is.
            Database::Sqlite { .. } => match value.parse::<f64>() {
                Ok(number) => format!("{:e}", number + 0.0),
                Err(_) => value.to_owned(),
            },
        },
        "datetime" => {
            let value = if value.contains('T') {
                value.replace("+0000", "Z")
            } else {
                value.replace("+00", "Z")
            };
            let moment: jiff::Timestamp = value.parse().unwrap_or_else(|error| panic!("{value}: {error}"));
            format!("{moment:.3}")
        }
        "time" => {
            let time: jiff::civil::Time = value.trim_end_matches('Z').parse().expect("a time");
            format!("{time:.3}")
        }
        _ => lines(value),
    }
}

/// A number without exponent, leading or trailing zeros.
fn decimal(value: &str) -> String {
    let (sign, value) = value.strip_prefix('-').map_or(("", value), |rest| ("-", rest));
    let (mantissa, exponent) = value.split_once(['e', 'E']).unwrap_or((value, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().expect("an exponent");
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).expect("short") + exponent;
    let (before, after): (String, String) = if point <= 0 {
        (
            "0".into(),
            format!("{}{digits}", "0".repeat(usize::try_from(-point).expect("short"))),
        )
    } else {
        let point = usize::try_from(point).expect("short");
        let padded = format!("{digits:0<point$}");
        (padded[..point].to_owned(), padded[point..].to_owned())
    };
    let before = before.trim_start_matches('0');
    let after = after.trim_end_matches('0');
    let before = if before.is_empty() { "0" } else { before };
    let text = if after.is_empty() {
        before.to_owned()
    } else {
        format!("{before}.{after}")
    };
    if text == "0" { text } else { format!("{sign}{text}") }
}

/// What the batch makes of text: one line end, no characters that XML forbids.
pub(crate) fn lines(value: &str) -> String {
    value
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|character| !matches!(character, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn numbers_have_one_form() {
        for (text, form) in [
            ("1.0E7", "10000000"),
            ("108.0", "108"),
            ("-0.0", "0"),
            ("1.25E-3", "0.00125"),
            ("0012.500", "12.5"),
            ("-1.5e2", "-150"),
            ("123456789012345.678", "123456789012345.678"),
        ] {
            assert_eq!(decimal(text), form);
        }
    }
}
