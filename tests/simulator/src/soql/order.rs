//! ORDER BY as a key that compares itself.

use std::cmp::Ordering;

use super::checked::Key;
use super::evaluate::comparison;
use super::number::Number;
use crate::schema::Comparison;

/// What ORDER BY compares of a row, with directions and the place of nulls built in.
#[derive(Debug, Clone, Default)]
pub struct SortKey {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    descending: bool,
    nulls_last: bool,
    value: Option<Sorted>,
}

#[derive(Debug, Clone)]
enum Sorted {
    Number(Number),
    /// In lower case; dates, times and booleans sort as their text.
    Text(String),
}

impl SortKey {
    pub(super) fn push(&mut self, key: &Key, value: Option<&str>) {
        let value = value.map(|text| match comparison(&key.path) {
            Comparison::Number => Number::parse(text).map_or_else(|| Sorted::Text(text.to_owned()), Sorted::Number),
            Comparison::Text => Sorted::Text(text.to_lowercase()),
            Comparison::Id
            | Comparison::Boolean
            | Comparison::Date
            | Comparison::DateTime
            | Comparison::Time
            | Comparison::None => Sorted::Text(text.to_owned()),
        });
        self.parts.push(Part {
            descending: key.descending,
            nulls_last: key.nulls_last,
            value,
        });
    }
}

impl Part {
    fn compare(&self, other: &Self) -> Ordering {
        let order = match (&self.value, &other.value) {
            (None, None) => return Ordering::Equal,
            // Nulls come first in both directions, unless NULLS LAST is written.
            (None, Some(_)) => {
                return if self.nulls_last {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
            }
            (Some(_), None) => {
                return if self.nulls_last {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
            }
            (Some(Sorted::Number(left)), Some(Sorted::Number(right))) => left.compare(right),
            (Some(Sorted::Text(left)), Some(Sorted::Text(right))) => left.cmp(right),
            (Some(Sorted::Number(_)), Some(Sorted::Text(_))) => Ordering::Less,
            (Some(Sorted::Text(_)), Some(Sorted::Number(_))) => Ordering::Greater,
        };
        if self.descending { order.reverse() } else { order }
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts
            .iter()
            .zip(&other.parts)
            .map(|(left, right)| left.compare(right))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortKey {}
