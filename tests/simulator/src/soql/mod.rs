//! SOQL: parser, check against a schema, evaluation.
//!
//! The way of a query, in the order of Salesforce's own errors:
//!
//! ```text
//! parse(text)                  -> Query       syntax: MALFORMED_QUERY, and the limits of length
//! check(text, &query, &view)   -> Checked     names and types: INVALID_TYPE, INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR, ..
//! Program::compile(&checked, &moment, &mut |subquery: &Checked| -> Vec<String>)  -> Program
//!                                             relative dates become spans, semi-joins become sets of values
//! program.matches(&row)        -> bool
//! program.sort_key(&row)       -> SortKey     Ord; compares as ORDER BY says
//! program.hints()              -> &Hints      what the org may use instead of looking at every row
//! ```
//!
//! Rows are anything that implements [`Row`]: a value by canonical field name, and the parent by a reference field. The org
//! decides what a row is; nothing is copied to evaluate a condition.
//!
//! Semantics that are easily got wrong, and are as in Salesforce here: text is compared without case, Ids with case
//! (15 and 18 characters are equal); `= null` and `!= null` are the tests for null; `!=` and NOT IN are true for null,
//! `<` and its like are false, LIKE is false, NOT of a comparison is its complement; a path through a null parent is null;
//! nulls sort first in both directions unless NULLS LAST is written; AND and OR may not be mixed without parentheses.

pub mod ast;
mod check;
mod checked;
mod error;
mod evaluate;
mod hints;
mod lexer;
mod number;
mod order;
mod parser;
mod relative;

pub use check::check;
pub use checked::{Checked, Children, Column, FieldPath, Hop, Key};
pub use error::QueryError;
pub use evaluate::{Moment, Program, Row};
pub use hints::{Hints, OrderHint};
pub use order::SortKey;
pub use parser::parse;
