//! What a condition and an order say about where its rows are, so that a million generated rows need not be looked at.
//!
//! Hints are safe, not sharp: every matching row lies within them, and rows within them still have to be tested unless
//! [`Hints::exact`] is set. `AND` intersects, `OR` takes the hull, `NOT` and everything else says nothing. The keyset idiom
//! `(SystemModstamp = t AND Id > x) OR SystemModstamp > t` so becomes "from t on".

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::ast::Operator;
use super::checked::{FieldPath, Key};
use super::evaluate::{Fixed, Predicate};
use crate::data::{StampRange, id};
use crate::schema::Object;

/// Where the rows of an answer are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints {
    /// Only rows with these Ids (18 characters) can match.
    pub ids: Option<BTreeSet<String>>,
    /// Only rows whose SystemModstamp lies here can match.
    pub stamp: StampRange,
    /// Every row within the hints matches: they are the whole condition.
    pub exact: bool,
    /// The order asked for.
    pub order: OrderHint,
    from: Option<Bound>,
    to: Option<Bound>,
}

/// Orders that need no sorting of rows that come by Id or by stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderHint {
    /// No ORDER BY: any order will do.
    #[default]
    Any,
    /// By Id.
    Id,
    /// By Id, descending.
    IdDescending,
    /// By SystemModstamp, and by Id within a second.
    StampThenId,
    /// Something else: sort by [`super::SortKey`].
    Other,
}

/// An Id and whether it belongs to the range itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    id: String,
    inclusive: bool,
}

/// More than any record's number: 62^9.
const NUMBERS: u64 = 13_537_086_546_263_552;

impl Hints {
    /// The numbers of the rows of `object` that the condition on Id leaves, for [`crate::data::Generator`].
    pub fn numbers(&self, object: &Object) -> Range<u64> {
        let prefix = object.key_prefix.as_deref().unwrap_or("");
        // The first number whose Id is not before the bound, by bisection: bounds need not be Ids of this org.
        let first = |bound: &Bound, beyond_equal: bool| {
            let (mut low, mut high) = (0, NUMBERS);
            while low < high {
                let middle = low + (high - low) / 2;
                let own = id::format(prefix, middle);
                let order = own
                    .get(..15)
                    .unwrap_or(&own)
                    .cmp(bound.id.get(..15).unwrap_or(&bound.id));
                if order.is_lt() || (order.is_eq() && beyond_equal) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        let start = self.from.as_ref().map_or(0, |bound| first(bound, !bound.inclusive));
        let end = self.to.as_ref().map_or(NUMBERS, |bound| first(bound, bound.inclusive));
        start..end.max(start)
    }

    fn nothing_known() -> Self {
        Self::default()
    }

    fn and(mut self, other: Self) -> Self {
        self.ids = match (self.ids, other.ids) {
            (Some(left), Some(right)) => Some(left.intersection(&right).cloned().collect()),
            (left, right) => left.or(right),
        };
        self.stamp.from = self.stamp.from.max(other.stamp.from);
        self.stamp.to = least(self.stamp.to, other.stamp.to);
        self.from = greater(self.from, other.from);
        self.to = lesser(self.to, other.to);
        self.exact &= other.exact;
        self
    }

    fn or(self, other: Self) -> Self {
        let both =
            |left: Option<Bound>, right: Option<Bound>, pick: fn(Option<Bound>, Option<Bound>) -> Option<Bound>| {
                if left.is_some() && right.is_some() {
                    pick(left, right)
                } else {
                    None
                }
            };
        Self {
            ids: match (self.ids, other.ids) {
                (Some(left), Some(right)) => Some(left.union(&right).cloned().collect()),
                (_, _) => None,
            },
            stamp: StampRange {
                from: self
                    .stamp
                    .from
                    .zip(other.stamp.from)
                    .map(|(left, right)| left.min(right)),
                to: self.stamp.to.zip(other.stamp.to).map(|(left, right)| left.max(right)),
            },
            exact: false,
            order: OrderHint::Any,
            from: both(self.from, other.from, lesser_from),
            to: both(self.to, other.to, greater_to),
        }
    }
}

/// The hints of a condition and an order.
pub(super) fn of(predicate: Option<&Predicate>, order: &[Key]) -> Hints {
    let mut hints = predicate.map_or(
        Hints {
            exact: true,
            ..Hints::default()
        },
        hints_of,
    );
    hints.order = order_of(order);
    hints
}

fn order_of(order: &[Key]) -> OrderHint {
    match order {
        [] => OrderHint::Any,
        [only, ..] if only.path.is_own("Id") => {
            if only.descending {
                OrderHint::IdDescending
            } else {
                OrderHint::Id
            }
        }
        [stamp] if stamp.path.is_own("SystemModstamp") && !stamp.descending => OrderHint::StampThenId,
        [stamp, id, ..]
            if stamp.path.is_own("SystemModstamp") && id.path.is_own("Id") && !stamp.descending && !id.descending =>
        {
            OrderHint::StampThenId
        }
        [_, ..] => OrderHint::Other,
    }
}

fn hints_of(predicate: &Predicate) -> Hints {
    match predicate {
        Predicate::And(parts) => parts
            .iter()
            .map(hints_of)
            .reduce(Hints::and)
            .unwrap_or_else(Hints::nothing_known),
        Predicate::Or(parts) => parts
            .iter()
            .map(hints_of)
            .reduce(Hints::or)
            .unwrap_or_else(Hints::nothing_known),
        Predicate::Compare { path, operator, value } => compared(path, *operator, value),
        Predicate::Ids {
            path,
            negated: false,
            ids,
        } if path.is_own("Id") => Hints {
            ids: Some(ids.clone()),
            exact: true,
            ..Hints::default()
        },
        Predicate::Ids { .. }
        | Predicate::Texts { .. }
        | Predicate::In { .. }
        | Predicate::Includes { .. }
        | Predicate::Not(_) => Hints::nothing_known(),
    }
}

fn compared(path: &FieldPath, operator: Operator, value: &Fixed) -> Hints {
    match value {
        Fixed::Id(id) if path.is_own("Id") => id_hints(operator, id),
        Fixed::DateTime(time) if path.is_own("SystemModstamp") => stamp_hints(operator, *time, *time),
        Fixed::Times(from, to) if path.is_own("SystemModstamp") => {
            // The last second of the span: midnight belongs to the day after.
            let last = to.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(*to);
            stamp_hints(operator, *from, last)
        }
        Fixed::Null
        | Fixed::Boolean(_)
        | Fixed::Number(_)
        | Fixed::Text(_)
        | Fixed::Pattern(_)
        | Fixed::Id(_)
        | Fixed::Date(_)
        | Fixed::DateTime(_)
        | Fixed::Time(_)
        | Fixed::Days(..)
        | Fixed::Times(..) => Hints::nothing_known(),
    }
}

fn id_hints(operator: Operator, id: &str) -> Hints {
    let bound = |inclusive| {
        Some(Bound {
            id: id.to_owned(),
            inclusive,
        })
    };
    let exact = Hints {
        exact: true,
        ..Hints::default()
    };
    match operator {
        Operator::Equal => Hints {
            ids: Some(BTreeSet::from([id.to_owned()])),
            ..exact
        },
        Operator::Less => Hints {
            to: bound(false),
            ..exact
        },
        Operator::LessOrEqual => Hints {
            to: bound(true),
            ..exact
        },
        Operator::Greater => Hints {
            from: bound(false),
            ..exact
        },
        Operator::GreaterOrEqual => Hints {
            from: bound(true),
            ..exact
        },
        Operator::NotEqual | Operator::Like => Hints::nothing_known(),
    }
}

/// Stamps are whole seconds (salesforce-api.md section 5.4), so bounds are rounded to them. `first` and `last` are the ends of
/// a span, both inclusive; they are equal for a point in time.
fn stamp_hints(operator: Operator, first: Timestamp, last: Timestamp) -> Hints {
    let second_of = |time: Timestamp| time.as_nanosecond().div_euclid(1_000_000_000);
    let not_before =
        |time: Timestamp| second_of(time) + i128::from(time.as_nanosecond().rem_euclid(1_000_000_000) != 0);
    let at = |second: i128| {
        i64::try_from(second)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok())
    };
    let from_on = at(not_before(first));
    let after = at(second_of(last) + 1);
    let stamp = match operator {
        Operator::Equal => StampRange {
            from: from_on,
            to: after,
        },
        Operator::Less => StampRange {
            from: None,
            to: from_on,
        },
        Operator::LessOrEqual => StampRange { from: None, to: after },
        Operator::Greater => StampRange { from: after, to: None },
        Operator::GreaterOrEqual => StampRange {
            from: from_on,
            to: None,
        },
        Operator::NotEqual | Operator::Like => return Hints::nothing_known(),
    };
    Hints {
        stamp,
        exact: true,
        ..Hints::default()
    }
}

fn least(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// The lower bound that leaves less.
fn greater(left: Option<Bound>, right: Option<Bound>) -> Option<Bound> {
    choose(left, right, |left, right| {
        (&left.id, !left.inclusive) >= (&right.id, !right.inclusive)
    })
}

/// The lower bound that leaves more.
fn lesser_from(left: Option<Bound>, right: Option<Bound>) -> Option<Bound> {
    choose(left, right, |left, right| {
        (&left.id, !left.inclusive) <= (&right.id, !right.inclusive)
    })
}

/// The upper bound that leaves less.
fn lesser(left: Option<Bound>, right: Option<Bound>) -> Option<Bound> {
    choose(left, right, |left, right| {
        (&left.id, left.inclusive) <= (&right.id, right.inclusive)
    })
}

/// The upper bound that leaves more.
fn greater_to(left: Option<Bound>, right: Option<Bound>) -> Option<Bound> {
    choose(left, right, |left, right| {
        (&left.id, left.inclusive) >= (&right.id, right.inclusive)
    })
}

fn choose(left: Option<Bound>, right: Option<Bound>, left_wins: fn(&Bound, &Bound) -> bool) -> Option<Bound> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if left_wins(&left, &right) { left } else { right }),
        (left, right) => left.or(right),
    }
}
