//! A column before it is planned: its names are not resolved to positions yet, and it may still be replaced.

use super::{column::ColumnKind, field_path::FieldPath};

/// A column before it is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) column: String,
    pub(super) value: DraftValue,
    pub(super) origin: Origin,
}

/// Where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DraftValue {
    /// A field that describe has.
    Field(FieldPath, ColumnKind),
    /// A URL template as written.
    Template(String),
    /// Nothing.
    Empty(ColumnKind),
}

/// Who wants the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The mapping.
    Default,
    /// The resource itself.
    Spec,
}

impl Draft {
    /// What the column is made of, for a sentence.
    pub(super) fn described(&self) -> String {
        match &self.value {
            DraftValue::Field(path, _) => format!("field {path}"),
            DraftValue::Template(_) => "a URL".to_owned(),
            DraftValue::Empty(_) => "an empty column".to_owned(),
        }
    }
}
