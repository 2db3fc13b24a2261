//! A query whose names and types are right: names in describe's case, values typed by their field.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use super::ast::{Operator, RelativeDate};
use super::number::Number;
use crate::schema::FieldType;

/// A query against one object, checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The object.
    pub object: String,
    /// `count()`: only the number of rows.
    pub count: bool,
    /// The select list in the order written.
    pub columns: Vec<Column>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// OFFSET.
    pub offset: Option<u64>,
    /// ALL ROWS was written: deleted rows too.
    pub all_rows: bool,
    /// ORDER BY.
    pub order: Vec<Key>,
    pub(super) condition: Option<Test>,
}

/// One entry of the select list.
#[derive(Debug, Clone)]
pub enum Column {
    /// A field of the object or of a parent.
    Field(FieldPath),
    /// The children of each row.
    Children(Children),
}

/// A child subquery.
#[derive(Debug, Clone)]
pub struct Children {
    /// The relationship's name, which is the element of the answer.
    pub relationship: String,
    /// The child's field that points to the parent.
    pub field: String,
    /// What is asked of the children; its `object` is the child object.
    pub query: Box<Checked>,
}

/// A field, through parents or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    /// The parents on the way, nearest first.
    pub hops: Vec<Hop>,
    /// The field's name.
    pub field: String,
    /// The field's type.
    pub field_type: FieldType,
}

/// A step to a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// `Account`, `Contact__r`: the element of the answer.
    pub relationship: String,
    /// `AccountId`, `Contact__c`: the field that holds the parent's Id.
    pub reference: String,
    /// The objects that the parent may be. With several, Salesforce answers with the type `Name`.
    pub targets: Vec<String>,
}

/// A key of ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The field.
    pub path: FieldPath,
    /// DESC.
    pub descending: bool,
    /// NULLS LAST.
    pub nulls_last: bool,
}

/// A condition.
#[derive(Debug, Clone)]
pub(super) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Compare {
        path: FieldPath,
        operator: Operator,
        value: Comparand,
    },
    In {
        path: FieldPath,
        negated: bool,
        values: Vec<Comparand>,
    },
    /// Lists of values of which all must be chosen.
    Includes {
        path: FieldPath,
        negated: bool,
        sets: Vec<Vec<String>>,
    },
    SemiJoin {
        path: FieldPath,
        negated: bool,
        query: Box<Checked>,
    },
}

/// A value of its field's type.
#[derive(Debug, Clone)]
pub(super) enum Comparand {
    Null,
    Boolean(bool),
    Number(Number),
    /// In lower case.
    Text(String),
    /// In lower case, with `\%`, `\_` and `\\`.
    Pattern(String),
    /// Of 18 characters.
    Id(String),
    Date(Date),
    DateTime(Timestamp),
    Time(Time),
    Relative(RelativeDate),
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for hop in &self.hops {
            write!(formatter, "{}.", hop.relationship)?;
        }
        formatter.write_str(&self.field)
    }
}

impl FieldPath {
    /// True for this field of the object itself.
    pub fn is_own(&self, field: &str) -> bool {
        self.hops.is_empty() && self.field == field
    }
}
