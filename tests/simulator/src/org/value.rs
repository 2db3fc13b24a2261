//! Texts that are written into fields: checked by the field's type, and brought into the form that the API sends.

use jiff::{Timestamp, civil};

use super::WriteError;
use crate::{
    clock::{to_wire, whole_second},
    data::id,
    schema::{Field, FieldType, Object},
};

/// The text as the API sends it; empty is null, as Salesforce stores no empty strings.
///
/// # Errors
/// What Salesforce answers to a value that does not fit.
pub(crate) fn normal(object: &Object, field: &Field, text: &str) -> Result<Option<String>, WriteError> {
    if text.is_empty() {
        return if field.field_type == FieldType::Boolean {
            Err(bad(
                object,
                field,
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                "a boolean is never null",
            ))
        } else {
            Ok(None)
        };
    }
    let wrong = |what: &str| bad(object, field, "INVALID_TYPE_ON_FIELD_IN_RECORD", what);
    let normal = match field.field_type {
        FieldType::Boolean if matches!(text, "true" | "false") => text.to_owned(),
        FieldType::Boolean => return Err(wrong("neither true nor false")),
        FieldType::Int => text
            .parse::<i32>()
            .map_err(|error| wrong(&error.to_string()))?
            .to_string(),
        FieldType::Long => text
            .parse::<i64>()
            .map_err(|error| wrong(&error.to_string()))?
            .to_string(),
        FieldType::Double | FieldType::Currency | FieldType::Percent => {
            let number: f64 = text
                .parse()
                .map_err(|error: std::num::ParseFloatError| wrong(&error.to_string()))?;
            if !number.is_finite() {
                return Err(wrong("not a finite number"));
            }
            text.to_owned()
        }
        FieldType::Date => text
            .parse::<civil::Date>()
            .map_err(|error| wrong(&error.to_string()))?
            .to_string(),
        FieldType::DateTime => to_wire(whole_second(
            text.parse::<Timestamp>().map_err(|error| wrong(&error.to_string()))?,
        )),
        FieldType::Time => {
            let time: civil::Time = text
                .trim_end_matches('Z')
                .parse()
                .map_err(|error: jiff::Error| wrong(&error.to_string()))?;
            time.strftime("%H:%M:%S.%3fZ").to_string()
        }
        FieldType::Id | FieldType::Reference => {
            id::to_18(text).ok_or_else(|| bad(object, field, "MALFORMED_ID", "not an Id"))?
        }
        FieldType::Address | FieldType::Location => return Err(wrong("a compound is written by its components")),
        FieldType::String
        | FieldType::Picklist
        | FieldType::MultiPicklist
        | FieldType::Combobox
        | FieldType::TextArea
        | FieldType::Phone
        | FieldType::Url
        | FieldType::Email
        | FieldType::EncryptedString
        | FieldType::DataCategoryGroupReference => {
            let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            if field.length > 0 && length > field.length {
                return Err(bad(object, field, "STRING_TOO_LONG", "data value too large"));
            }
            text.to_owned()
        }
        FieldType::Base64 | FieldType::AnyType | FieldType::Json | FieldType::ComplexValue => text.to_owned(),
    };
    Ok(Some(normal))
}

/// Whether a text that was written before fits a type: what survives a conversion.
pub(crate) fn fits(object: &Object, field: &Field, text: &str) -> bool {
    normal(object, field, text).is_ok()
}

fn bad(object: &Object, field: &Field, code: &str, what: &str) -> WriteError {
    WriteError::new(code, format!("{}.{}: {what}", object.name, field.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(field_type: FieldType, text: &str) -> Result<Option<String>, String> {
        let object = Object::new("Thing__c", "a00", "Thing", "Things");
        normal(&object, &Field::new("Field__c", field_type), text).map_err(|error| error.code)
    }

    #[test]
    fn texts_come_out_as_the_api_sends_them() {
        for (field_type, text, normal) in [
            (FieldType::String, "a", Some("a")),
            (FieldType::String, "", None),
            (FieldType::Date, "2026-02-01", Some("2026-02-01")),
            (
                FieldType::DateTime,
                "2026-02-01T10:00:00.9+01:00",
                Some("2026-02-01T09:00:00.000Z"),
            ),
            (FieldType::Time, "09:30:00", Some("09:30:00.000Z")),
            (FieldType::Reference, "001Sm0000000001", Some("001Sm0000000001AAA")),
            (FieldType::Double, "1.0E7", Some("1.0E7")),
        ] {
            match (written(field_type, text), normal) {
                (Ok(Some(text)), Some(normal)) if field_type == FieldType::Reference => {
                    assert_eq!(text.get(..15), normal.get(..15));
                }
                (result, normal) => assert_eq!(result, Ok(normal.map(str::to_owned))),
            }
        }
    }

    #[test]
    fn texts_that_do_not_fit_are_refused() {
        for (field_type, text) in [
            (FieldType::Boolean, "yes"),
            (FieldType::Boolean, ""),
            (FieldType::Int, "1.5"),
            (FieldType::Double, "NaN"),
            (FieldType::Date, "01.02.2026"),
            (FieldType::Address, "x"),
        ] {
            assert_eq!(
                written(field_type, text),
                Err("INVALID_TYPE_ON_FIELD_IN_RECORD".to_owned()),
                "{text}"
            );
        }
        assert_eq!(written(FieldType::Reference, "x"), Err("MALFORMED_ID".to_owned()));
        assert_eq!(
            written(FieldType::String, &"x".repeat(256)),
            Err("STRING_TOO_LONG".to_owned())
        );
    }
}
