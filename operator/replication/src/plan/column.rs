//! What a column holds and where its value comes from.
//!
//! Types come from describe, never from values (design section 7): a table whose types depend on what was there on the
//! day of the first load cannot be filled by the second.

use salesforce::describe::{FieldDescribe, FieldType};

use super::{identifier::Identifier, template::UrlTemplate};

/// What a column holds. Types come from describe, never from values (design section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A record Id of 18 characters.
    Id,
    /// Text of at most `length` characters where describe tells it.
    Text {
        /// Characters, as describe's `length`.
        length: Option<u32>,
    },
    /// true or false.
    Boolean,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// double, currency and percent: a decimal number as written; `precision` and `scale` are describe's and only a hint.
    Decimal {
        /// Digits in all.
        precision: u16,
        /// Digits after the point.
        scale: u16,
    },
    /// A day.
    Date,
    /// A time of day, milliseconds.
    Time,
    /// A moment, UTC, milliseconds.
    Timestamp,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSource {
    /// The value at this position of the select list.
    Field(usize),
    /// A URL made from other values of the row.
    Template(UrlTemplate),
    /// Nothing: the column is there and NULL (a Directory column that has no field, or a missing one; then it keeps what it has).
    Empty,
    /// NULL, whatever was there and of whatever type: a field that the resource excludes from its column.
    Null,
    /// `is_deleted` of the delete mode `Mark`: false for a row that was read as live.
    IsDeleted,
    /// `deleted_at` of the delete mode `Mark`: NULL for a row that was read as live.
    DeletedAt,
}

/// A column as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the destination.
    pub name: Identifier,
    /// What it holds.
    pub kind: ColumnKind,
    /// Where its value comes from.
    pub source: ColumnSource,
}

/// Why a field cannot become a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoColumn {
    /// address and location: their components are fields of their own.
    Compound,
    /// base64: one record in each answer, and not by Bulk.
    Binary,
    /// Salesforce keeps the field for itself.
    Hidden,
    /// A type that this version does not know.
    Unknown(String),
}

impl ColumnKind {
    /// The word for it, as `plan` shows it and the plan's hash holds it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text { length: _ } => "text",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Decimal { precision: _, scale: _ } => "decimal",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
        }
    }

    /// The kind of a field's column (salesforce-api.md 5.4).
    pub(super) fn of(field: &FieldDescribe) -> Result<Self, NoColumn> {
        if field.deprecated_and_hidden {
            return Err(NoColumn::Hidden);
        }
        let length = (field.length > 0).then_some(field.length);
        Ok(match &field.field_type {
            // Some system objects call references what are names of 255 characters.
            FieldType::Reference if field.length > 18 => Self::Text { length },
            FieldType::Id | FieldType::Reference => Self::Id,
            FieldType::String
            | FieldType::Picklist
            | FieldType::MultiPicklist
            | FieldType::Combobox
            | FieldType::TextArea
            | FieldType::Phone
            | FieldType::Url
            | FieldType::Email
            | FieldType::EncryptedString
            | FieldType::DataCategoryGroupReference => Self::Text { length },
            FieldType::AnyType | FieldType::Json | FieldType::ComplexValue => Self::Text { length: None },
            FieldType::Boolean => Self::Boolean,
            FieldType::Int => Self::Int,
            FieldType::Long => Self::Long,
            FieldType::Double | FieldType::Currency | FieldType::Percent => decimal(field),
            FieldType::Date => Self::Date,
            FieldType::Time => Self::Time,
            FieldType::DateTime => Self::Timestamp,
            FieldType::Address | FieldType::Location => return Err(NoColumn::Compound),
            FieldType::Base64 => return Err(NoColumn::Binary),
            FieldType::Unknown(name) => return Err(NoColumn::Unknown(name.clone())),
        })
    }
}

/// Describe's precision and scale; with `highScaleNumber` there are 8 decimals whatever it says.
fn decimal(field: &FieldDescribe) -> ColumnKind {
    const HIGH_SCALE: u32 = 8;
    let more = if field.high_scale_number {
        HIGH_SCALE.saturating_sub(field.scale)
    } else {
        0
    };
    let digits = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    ColumnKind::Decimal {
        precision: digits(field.precision + more),
        scale: digits(field.scale + more),
    }
}

impl NoColumn {
    /// Ends a sentence that begins with the field: "X ..".
    pub(super) fn because(&self) -> String {
        match self {
            Self::Compound => {
                "is a compound field (address or location): name its parts, such as MailingStreet".to_owned()
            }
            Self::Binary => "holds binary data (base64), which is not replicated".to_owned(),
            Self::Hidden => "is kept by Salesforce for itself (deprecatedAndHidden)".to_owned(),
            Self::Unknown(name) => format!("has the type {name}, which this version does not know"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(field_type: FieldType) -> FieldDescribe {
        FieldDescribe {
            name: "X__c".to_owned(),
            field_type,
            length: 40,
            precision: 18,
            scale: 2,
            ..FieldDescribe::default()
        }
    }

    #[test]
    fn each_field_type_has_its_column() {
        let text = Ok(ColumnKind::Text { length: Some(40) });
        let long_text = Ok(ColumnKind::Text { length: None });
        let decimal = Ok(ColumnKind::Decimal {
            precision: 18,
            scale: 2,
        });
        for (field_type, expected) in [
            (FieldType::String, text.clone()),
            (FieldType::Picklist, text.clone()),
            (FieldType::MultiPicklist, text.clone()),
            (FieldType::Combobox, text.clone()),
            (FieldType::TextArea, text.clone()),
            (FieldType::Phone, text.clone()),
            (FieldType::Url, text.clone()),
            (FieldType::Email, text.clone()),
            (FieldType::EncryptedString, text.clone()),
            (FieldType::DataCategoryGroupReference, text.clone()),
            (FieldType::AnyType, long_text.clone()),
            (FieldType::Json, long_text.clone()),
            (FieldType::ComplexValue, long_text),
            (FieldType::Id, Ok(ColumnKind::Id)),
            (FieldType::Reference, text),
            (FieldType::Boolean, Ok(ColumnKind::Boolean)),
            (FieldType::Int, Ok(ColumnKind::Int)),
            (FieldType::Long, Ok(ColumnKind::Long)),
            (FieldType::Double, decimal.clone()),
            (FieldType::Currency, decimal.clone()),
            (FieldType::Percent, decimal),
            (FieldType::Date, Ok(ColumnKind::Date)),
            (FieldType::Time, Ok(ColumnKind::Time)),
            (FieldType::DateTime, Ok(ColumnKind::Timestamp)),
            (FieldType::Address, Err(NoColumn::Compound)),
            (FieldType::Location, Err(NoColumn::Compound)),
            (FieldType::Base64, Err(NoColumn::Binary)),
            (
                FieldType::Unknown("vector".to_owned()),
                Err(NoColumn::Unknown("vector".to_owned())),
            ),
        ] {
            assert_eq!(ColumnKind::of(&field(field_type.clone())), expected, "{field_type:?}");
        }
    }

    #[test]
    fn a_reference_of_eighteen_characters_is_an_id_and_no_length_is_no_limit() {
        let mut reference = field(FieldType::Reference);
        reference.length = 18;
        assert_eq!(ColumnKind::of(&reference), Ok(ColumnKind::Id));
        let mut text = field(FieldType::String);
        text.length = 0;
        assert_eq!(ColumnKind::of(&text), Ok(ColumnKind::Text { length: None }));
    }

    #[test]
    fn high_scale_numbers_have_eight_decimals() {
        let mut number = field(FieldType::Double);
        number.high_scale_number = true;
        assert_eq!(
            ColumnKind::of(&number),
            Ok(ColumnKind::Decimal {
                precision: 24,
                scale: 8
            })
        );
    }

    #[test]
    fn a_hidden_field_has_no_column() {
        let mut hidden = field(FieldType::String);
        hidden.deprecated_and_hidden = true;
        assert_eq!(ColumnKind::of(&hidden), Err(NoColumn::Hidden));
    }
}
