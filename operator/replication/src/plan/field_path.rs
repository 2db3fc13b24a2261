//! Where a value comes from in Salesforce: a field of the object, or of a parent one level up.

use std::{fmt, sync::Arc};

/// A field of the object, or of a parent one level up: `Email`, `Account.Name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    /// The relationship's name, for a parent's field.
    pub relationship: Option<Arc<str>>,
    /// The field's API name.
    pub field: Arc<str>,
}

impl FieldPath {
    /// A field of the object itself.
    pub fn own(field: impl Into<Arc<str>>) -> Self {
        Self {
            relationship: None,
            field: field.into(),
        }
    }

    /// A field of a parent.
    pub fn linked(relationship: impl Into<Arc<str>>, field: impl Into<Arc<str>>) -> Self {
        Self {
            relationship: Some(relationship.into()),
            field: field.into(),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.relationship {
            Some(relationship) => write!(f, "{relationship}.{}", self.field),
            None => f.write_str(&self.field),
        }
    }
}

/// How a path was written, before describe has been asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written<'a> {
    /// `Email`
    Own(&'a str),
    /// `Account.Name`
    Linked(&'a str, &'a str),
    /// `Account.Owner.Name`
    TooDeep,
    /// Nothing, or nothing beside a point.
    Broken,
}

impl<'a> Written<'a> {
    /// Takes a written path apart.
    pub(super) fn parse(text: &'a str) -> Self {
        match text.split_once('.') {
            None if text.is_empty() => Self::Broken,
            None => Self::Own(text),
            Some((relationship, field)) if relationship.is_empty() || field.is_empty() => Self::Broken,
            Some((_, field)) if field.contains('.') => Self::TooDeep,
            Some((relationship, field)) => Self::Linked(relationship, field),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_level_at_most() {
        for (text, expected) in [
            ("Email", Written::Own("Email")),
            ("Account.Name", Written::Linked("Account", "Name")),
            ("Account.Owner.Name", Written::TooDeep),
            ("", Written::Broken),
            (".Name", Written::Broken),
            ("Account.", Written::Broken),
        ] {
            assert_eq!(Written::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_path_is_shown_as_soql_wants_it() {
        assert_eq!(FieldPath::own("Email").to_string(), "Email");
        assert_eq!(FieldPath::linked("Account", "Name").to_string(), "Account.Name");
    }
}
