//! Which rows match, and in which order they come.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::ast::{Operator, RelativeDate};
use super::checked::{Checked, Comparand, FieldPath, Hop, Key, Test};
use super::hints::{self, Hints};
use super::number::Number;
use super::order::SortKey;
use super::relative;
use crate::data::id;
use crate::schema::{Comparison, FieldType};

/// A record as the evaluation sees it.
pub trait Row: Sized {
    /// The value of a field of this record, by its API name in describe's case, as Salesforce writes it; null, and a field
    /// that the record's object does not have, are `None`.
    fn value(&self, field: &str) -> Option<Cow<'_, str>>;

    /// The record that a reference points to, deleted or not; `None` where it is null or points to nothing.
    fn parent(&self, hop: &Hop) -> Option<Self>;
}

/// When and where a query runs: what TODAY is.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The org's clock.
    pub now: Timestamp,
    /// The time zone of the user who asks.
    pub zone: TimeZone,
}

/// A query ready to be run.
#[derive(Debug)]
pub struct Program {
    predicate: Option<Predicate>,
    order: Vec<Key>,
    hints: Hints,
}

impl Program {
    /// Prepares a checked query. `run` answers a semi-join's subquery with the values of its one column; nulls are left
    /// out. It is called once for each semi-join.
    pub fn compile(checked: &Checked, moment: &Moment, run: &mut dyn FnMut(&Checked) -> Vec<String>) -> Self {
        let predicate = checked.condition.as_ref().map(|test| predicate(test, moment, run));
        let hints = hints::of(predicate.as_ref(), &checked.order);
        Self {
            predicate,
            order: checked.order.clone(),
            hints,
        }
    }

    /// True for the rows of the answer.
    pub fn matches(&self, row: &impl Row) -> bool {
        self.predicate.as_ref().is_none_or(|predicate| holds(predicate, row))
    }

    /// What ORDER BY compares. Equal keys keep the order in which rows came.
    pub fn sort_key(&self, row: &impl Row) -> SortKey {
        let mut key = SortKey::default();
        for part in &self.order {
            reach(row, &part.path.hops, &part.path.field, |value| key.push(part, value));
        }
        key
    }

    /// How rows may be found and ordered without looking at all.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }
}

/// A condition with everything resolved that does not depend on the row.
#[derive(Debug)]
pub(super) enum Predicate {
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    Compare {
        path: FieldPath,
        operator: Operator,
        value: Fixed,
    },
    In {
        path: FieldPath,
        negated: bool,
        values: Vec<Fixed>,
    },
    /// Ids of 18 characters.
    Ids {
        path: FieldPath,
        negated: bool,
        ids: BTreeSet<String>,
    },
    /// Texts in lower case.
    Texts {
        path: FieldPath,
        negated: bool,
        texts: BTreeSet<String>,
    },
    Includes {
        path: FieldPath,
        negated: bool,
        sets: Vec<Vec<String>>,
    },
}

/// A value to compare with.
#[derive(Debug)]
pub(super) enum Fixed {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    Pattern(Vec<Wildcard>),
    Id(String),
    Date(Date),
    DateTime(Timestamp),
    Time(Time),
    /// Days from the first, inclusive, to the second, exclusive.
    Days(Date, Date),
    /// The same as points in time.
    Times(Timestamp, Timestamp),
}

/// A piece of a LIKE pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcard {
    Any,
    One,
    Letter(char),
}

fn predicate(test: &Test, moment: &Moment, run: &mut dyn FnMut(&Checked) -> Vec<String>) -> Predicate {
    match test {
        Test::And(parts) => Predicate::And(parts.iter().map(|part| predicate(part, moment, run)).collect()),
        Test::Or(parts) => Predicate::Or(parts.iter().map(|part| predicate(part, moment, run)).collect()),
        Test::Not(inner) => Predicate::Not(Box::new(predicate(inner, moment, run))),
        Test::Compare { path, operator, value } => Predicate::Compare {
            path: path.clone(),
            operator: *operator,
            value: fixed(path, value, moment),
        },
        Test::In { path, negated, values } => list(path, *negated, values, moment),
        Test::Includes { path, negated, sets } => Predicate::Includes {
            path: path.clone(),
            negated: *negated,
            sets: sets.clone(),
        },
        Test::SemiJoin { path, negated, query } => {
            let ids = run(query).iter().filter_map(|value| id::to_18(value)).collect();
            Predicate::Ids {
                path: path.clone(),
                negated: *negated,
                ids,
            }
        }
    }
}

/// A list of Ids or texts becomes a set: lists of hundreds of Ids are what replication asks with.
fn list(path: &FieldPath, negated: bool, values: &[Comparand], moment: &Moment) -> Predicate {
    let path = path.clone();
    let mut ids = BTreeSet::new();
    let mut texts = BTreeSet::new();
    for value in values {
        match value {
            Comparand::Id(id) => ids.insert(id.clone()),
            Comparand::Text(text) => texts.insert(text.clone()),
            Comparand::Null
            | Comparand::Boolean(_)
            | Comparand::Number(_)
            | Comparand::Pattern(_)
            | Comparand::Date(_)
            | Comparand::DateTime(_)
            | Comparand::Time(_)
            | Comparand::Relative(_) => {
                let values = values.iter().map(|value| fixed(&path, value, moment)).collect();
                return Predicate::In { path, negated, values };
            }
        };
    }
    if texts.is_empty() {
        Predicate::Ids { path, negated, ids }
    } else {
        Predicate::Texts { path, negated, texts }
    }
}

fn fixed(path: &FieldPath, value: &Comparand, moment: &Moment) -> Fixed {
    match value {
        Comparand::Null => Fixed::Null,
        Comparand::Boolean(truth) => Fixed::Boolean(*truth),
        Comparand::Number(number) => Fixed::Number(*number),
        Comparand::Text(text) => Fixed::Text(text.clone()),
        Comparand::Pattern(pattern) => Fixed::Pattern(wildcards(pattern)),
        Comparand::Id(id) => Fixed::Id(id.clone()),
        Comparand::Date(date) => Fixed::Date(*date),
        Comparand::DateTime(time) => Fixed::DateTime(*time),
        Comparand::Time(time) => Fixed::Time(*time),
        Comparand::Relative(literal) => days(path, *literal, moment),
    }
}

/// A relative date: days for a date, midnight to midnight in the user's zone for a dateTime.
fn days(path: &FieldPath, literal: RelativeDate, moment: &Moment) -> Fixed {
    let today = moment.now.to_zoned(moment.zone.clone()).date();
    let (from, to) = relative::span(literal, today);
    if path.field_type == FieldType::Date {
        return Fixed::Days(from, to);
    }
    let midnight = |date: Date, edge| {
        date.to_zoned(moment.zone.clone())
            .map_or(edge, |zoned| zoned.timestamp())
    };
    Fixed::Times(midnight(from, Timestamp::MIN), midnight(to, Timestamp::MAX))
}

/// Gives the value at the end of a path; a null parent makes it null.
fn reach<R: Row, T>(row: &R, hops: &[Hop], field: &str, then: impl FnOnce(Option<&str>) -> T) -> T {
    match hops.split_first() {
        None => then(row.value(field).as_deref()),
        Some((hop, rest)) => match row.parent(hop) {
            None => then(None),
            Some(parent) => reach(&parent, rest, field, then),
        },
    }
}

fn holds<R: Row>(predicate: &Predicate, row: &R) -> bool {
    match predicate {
        Predicate::And(parts) => parts.iter().all(|part| holds(part, row)),
        Predicate::Or(parts) => parts.iter().any(|part| holds(part, row)),
        Predicate::Not(inner) => !holds(inner, row),
        Predicate::Compare { path, operator, value } => reach(row, &path.hops, &path.field, |found| {
            compares(path, found, *operator, value)
        }),
        Predicate::In { path, negated, values } => reach(row, &path.hops, &path.field, |found| {
            values.iter().any(|value| compares(path, found, Operator::Equal, value)) != *negated
        }),
        Predicate::Ids { path, negated, ids } => reach(row, &path.hops, &path.field, |found| {
            found.is_some_and(|own| ids.contains(own) || id::to_18(own).is_some_and(|long| ids.contains(&long)))
                != *negated
        }),
        Predicate::Texts { path, negated, texts } => reach(row, &path.hops, &path.field, |found| {
            found.is_some_and(|own| texts.contains(&own.to_lowercase())) != *negated
        }),
        Predicate::Includes { path, negated, sets } => reach(row, &path.hops, &path.field, |found| {
            let found = found.unwrap_or("").to_lowercase();
            let chosen: BTreeSet<&str> = found.split(';').collect();
            sets.iter()
                .any(|set| set.iter().all(|value| chosen.contains(value.as_str())))
                != *negated
        }),
    }
}

fn compares(path: &FieldPath, found: Option<&str>, operator: Operator, value: &Fixed) -> bool {
    // A boolean is never null (salesforce-api.md section 5.4); where one is missing it counts as false.
    let found = if path.field_type == FieldType::Boolean {
        Some(found.unwrap_or("false"))
    } else {
        found
    };
    let Some(found) = found else {
        return match (operator, value) {
            (Operator::Equal, Fixed::Null) => true,
            // "Not equal" to a value is true for null, every other comparison false.
            (operator, value) => operator == Operator::NotEqual && !matches!(value, Fixed::Null),
        };
    };
    match value {
        Fixed::Null => operator == Operator::NotEqual,
        Fixed::Pattern(pattern) => like(&found.to_lowercase().chars().collect::<Vec<_>>(), pattern),
        Fixed::Days(from, to) => found.parse().is_ok_and(|date: Date| in_span(&date, from, to, operator)),
        Fixed::Times(from, to) => found
            .parse()
            .is_ok_and(|time: Timestamp| in_span(&time, from, to, operator)),
        Fixed::Boolean(truth) => decide(operator, found.eq_ignore_ascii_case("true").cmp(truth)),
        Fixed::Number(number) => Number::parse(found).is_some_and(|own| decide(operator, own.compare(number))),
        Fixed::Text(text) => decide(operator, found.to_lowercase().as_str().cmp(text)),
        Fixed::Id(id) => decide(
            operator,
            found.get(..15).unwrap_or(found).cmp(id.get(..15).unwrap_or(id)),
        ),
        Fixed::Date(date) => found.parse().is_ok_and(|own: Date| decide(operator, own.cmp(date))),
        Fixed::DateTime(time) => found
            .parse()
            .is_ok_and(|own: Timestamp| decide(operator, own.cmp(time))),
        Fixed::Time(time) => found
            .trim_end_matches('Z')
            .parse()
            .is_ok_and(|own: Time| decide(operator, own.cmp(time))),
    }
}

fn decide(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        // A pattern was told by its value; nothing else is like anything.
        Operator::Like => false,
    }
}

/// How a value lies to a span of days: "greater" is after its end, "less or equal" before its end.
fn in_span<T: Ord>(value: &T, from: &T, to: &T, operator: Operator) -> bool {
    match operator {
        Operator::Equal => from <= value && value < to,
        Operator::NotEqual => value < from || to <= value,
        Operator::Less => value < from,
        Operator::LessOrEqual => value < to,
        Operator::Greater => to <= value,
        Operator::GreaterOrEqual => from <= value,
        Operator::Like => false,
    }
}

fn wildcards(pattern: &str) -> Vec<Wildcard> {
    let mut pieces = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        pieces.push(match letter {
            '%' => Wildcard::Any,
            '_' => Wildcard::One,
            '\\' => Wildcard::Letter(letters.next().unwrap_or('\\')),
            letter => Wildcard::Letter(letter),
        });
    }
    pieces
}

/// Greedy matching with one place to go back to: the last `%`. Linear but for patterns of many `%`.
fn like(text: &[char], pattern: &[Wildcard]) -> bool {
    let (mut at, mut piece) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(at) {
        match pattern.get(piece) {
            Some(Wildcard::Any) => {
                retry = Some((at, piece));
                piece += 1;
                continue;
            }
            Some(Wildcard::One) => {
                at += 1;
                piece += 1;
                continue;
            }
            Some(Wildcard::Letter(wanted)) if wanted == letter => {
                at += 1;
                piece += 1;
                continue;
            }
            Some(Wildcard::Letter(_)) | None => {}
        }
        let Some((start, any)) = retry else { return false };
        retry = Some((start + 1, any));
        at = start + 1;
        piece = any + 1;
    }
    pattern.iter().skip(piece).all(|rest| *rest == Wildcard::Any)
}

/// How SOQL compares the values of a key, for [`SortKey`].
pub(super) fn comparison(path: &FieldPath) -> Comparison {
    path.field_type.comparison()
}

#[cfg(test)]
mod tests;
