//! Values that fit a field, and are what systems stumble over.

use fastrand::Rng;
use simulator::schema::{Field, FieldType};

/// Texts that somebody once lost on the way from one system to another.
const TEXTS: [&str; 30] = [
    "Müller & Söhne GmbH",
    "O'Brien",
    "\"quoted\"",
    "a,b;c\td",
    "two\nlines",
    "two\r\nlines, of DOS",
    "an old\rMac",
    " blank before",
    "blank behind ",
    "  ",
    "<b>bold</b> &amp; &lt;",
    "]]>",
    "\\N",
    "\\",
    "\\.",
    "NULL",
    "null",
    "0",
    "-",
    "true",
    "😀 👩‍👩‍👧",
    "日本語",
    "العربية",
    "e\u{301} and é",
    "\u{feff}mark",
    "%41%",
    "{Id}",
    "$1 ?1 :a",
    "'; DROP TABLE contact; --",
    "\u{a0}no\u{a0}break\u{2028}line",
];

/// A value for a field; an empty one is null. References are the business of whoever knows the rows.
pub(super) fn value(rng: &mut Rng, field: &Field) -> String {
    if field.nillable && rng.u32(..6) == 0 {
        return String::new();
    }
    match field.field_type {
        FieldType::Boolean => rng.bool().to_string(),
        FieldType::Int => rng.i32(-999_999..999_999).to_string(),
        FieldType::Long => rng.i64(..).to_string(),
        FieldType::Double | FieldType::Currency | FieldType::Percent => number(rng, field),
        FieldType::Date => format!(
            "{:04}-{:02}-{:02}",
            rng.u32(1700..=4000),
            rng.u32(1..=12),
            rng.u32(1..=28)
        ),
        FieldType::DateTime => {
            let (day, time) = (rng.u32(1..=28), rng.u32(..60));
            format!(
                "{:04}-{:02}-{day:02}T{:02}:{time:02}:{time:02}Z",
                rng.u32(1700..=4000),
                rng.u32(1..=12),
                rng.u32(..24)
            )
        }
        FieldType::Time => format!(
            "{:02}:{:02}:{:02}.{:03}Z",
            rng.u32(..24),
            rng.u32(..60),
            rng.u32(..60),
            rng.u32(..1000)
        ),
        FieldType::Picklist | FieldType::Combobox | FieldType::MultiPicklist if !field.picklist_values.is_empty() => {
            pick(rng, &field.picklist_values).value
        }
        FieldType::String
        | FieldType::Picklist
        | FieldType::MultiPicklist
        | FieldType::Combobox
        | FieldType::TextArea
        | FieldType::Phone
        | FieldType::Url
        | FieldType::Email
        | FieldType::EncryptedString
        | FieldType::DataCategoryGroupReference
        | FieldType::Base64
        | FieldType::AnyType
        | FieldType::Json
        | FieldType::ComplexValue
        | FieldType::Id
        | FieldType::Reference
        | FieldType::Location
        | FieldType::Address => text(rng, field),
    }
}

/// Texts, cut to the field's length, and now and then one that fills it.
fn text(rng: &mut Rng, field: &Field) -> String {
    let length = usize::try_from(field.length).expect("a length").clamp(1, 40_000);
    let piece = pick(rng, &TEXTS);
    let text: String = match rng.u32(..10) {
        0 => piece.chars().cycle().take(length).collect(),
        1..5 => format!("{piece} {}", rng.u32(..)).chars().take(length).collect(),
        _ => piece.chars().take(length).collect(),
    };
    let blank = text.trim().is_empty();
    if blank && !field.nillable { "x".into() } else { text }
}

/// A number with as many digits as the field takes, in one of the forms that Salesforce writes.
fn number(rng: &mut Rng, field: &Field) -> String {
    let whole = field.precision.saturating_sub(field.scale).clamp(1, 14);
    let sign = if rng.bool() { "-" } else { "" };
    let digits = rng.u32(1..=whole);
    let before = rng.u64(..10_u64.pow(digits));
    match rng.u32(..6) {
        0 => "0.0".into(),
        1 => format!("{sign}{}.{}E{}", rng.u32(1..10), rng.u32(..10), rng.u32(..whole)),
        2 if field.scale > 2 => format!("{sign}{}.0E-{}", rng.u32(1..10), rng.u32(1..field.scale.min(9))),
        _ if field.scale == 0 => format!("{sign}{before}.0"),
        _ => {
            let scale = usize::try_from(rng.u32(1..=field.scale)).expect("small");
            let after: String = (0..scale).map(|_| rng.digit(10)).collect();
            format!("{sign}{before}.{after}")
        }
    }
}

/// Whether a person may change it.
pub(super) fn is_written(field: &Field) -> bool {
    let kept = matches!(
        field.field_type,
        FieldType::Base64 | FieldType::AnyType | FieldType::ComplexValue | FieldType::Json | FieldType::Id
    );
    field.updateable && !field.calculated && !field.auto_number && !kept && !field.field_type.is_compound()
}

/// One of them.
pub(super) fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())].clone()
}
