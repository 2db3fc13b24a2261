//! Spec -> plan: what the user wrote becomes what it means.
//!
//! A spec has options and defaults; a plan has none left: every column is typed from describe, every conflict is
//! reported at once and not one by one. Making a plan is pure (spec, describe, what the destination can do) and
//! `run` takes a plan and decides nothing about configuration any more.

use std::{fmt, sync::Arc};

/// An sObject's API name, in the case of describe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

/// A SQL identifier, unquoted, checked against the destination's limits when the plan is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Arc<str>);

/// A field of the object, or of a parent one level up: `Email`, `Account.Name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    /// The relationship's name, for a parent's field.
    pub relationship: Option<Arc<str>>,
    /// The field's API name.
    pub field: Arc<str>,
}

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
    /// Nothing: the column is there and NULL (an excluded or missing field of the Directory mapping).
    Empty,
    /// `is_deleted` of the delete mode `Mark`: false for a row that was read as live.
    IsDeleted,
    /// `deleted_at` of the delete mode `Mark`: NULL for a row that was read as live.
    DeletedAt,
}

/// A URL template whose names were resolved to positions of the select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    /// In order. `{instanceUrl}` is a literal here.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a URL template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it is.
    Literal(String),
    /// The value at this position of the select list, percent-encoded; NULL makes the whole URL NULL.
    Field(usize),
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

/// What happens to a row whose record is deleted in Salesforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    /// The row leaves the table.
    Remove,
    /// The row stays, with `is_deleted` and `deleted_at`.
    Mark,
    /// The row stays as it is.
    Ignore,
}

/// A hash over all that changes what a row looks like: columns, deletes, templates (design 6.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHash(pub String);

/// An index that the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPlan {
    /// Its name, unique in the schema and the same for the same columns.
    pub name: Identifier,
    /// Columns in order.
    pub columns: Vec<Identifier>,
}

/// One object as planned: nothing optional is left that stands for a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPlan {
    /// The object.
    pub object: ObjectName,
    /// Its table.
    pub table: Identifier,
    /// The select list of every query of rows, without duplicates; positions in it are what columns refer to.
    pub select: Vec<FieldPath>,
    /// Position of `Id` in the select list.
    pub id: usize,
    /// Position of `SystemModstamp` in the select list.
    pub stamp: usize,
    /// Position of `IsDeleted` in the select list, where describe has the field; without it every row is live.
    pub is_deleted: Option<usize>,
    /// All columns of the table in order: `salesforce_id` (the primary key) first, `system_modstamp` second; with
    /// [`Deletes::Mark`] the last two are `is_deleted` and `deleted_at`.
    pub columns: Vec<Column>,
    /// The delete mode.
    pub deletes: Deletes,
    /// Indexes beside the primary key.
    pub indexes: Vec<IndexPlan>,
    /// Hash of all that changes a row's look.
    pub hash: PlanHash,
}

impl ObjectName {
    /// Takes a name that describe or the resource's schema has checked.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Identifier {
    /// Takes a name that the plan has checked against the destination's limits.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// As text, unquoted: quoting is the business of the destination's `statement` module.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
