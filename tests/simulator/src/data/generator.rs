//! Record n of an object, and the order of SystemModstamp.
//!
//! Stamps are given by rank: row n has rank `(a * n + b) mod rows`, with `a` prime to the number of rows, so that the row of
//! a rank can be computed too. Stamps ascend with the rank; a range of stamps is therefore a range of ranks, found by
//! bisection, and its rows follow from their ranks. A list sorted by stamp would need 16 bytes a row and a start of seconds
//! for a million rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::content::{Content, Moment};
use super::hash::{Dice, mix, name};
use super::{edge, id, people, phone, places, text};
use crate::schema::{Field, FieldType, Object, Schema};

/// The time over which stamps are spread: two years.
const PERIOD_SECONDS: u64 = 2 * 365 * 86_400;

/// The longest time between two stamps that differ: a day, so that a small org is young.
const MOST_STEP_SECONDS: u64 = 86_400;

/// Ranks of a block, of which the first `TIED` share a second.
const BLOCK: u64 = 64;
const TIED: u64 = 40;

/// From so many rows on, a bulk load has given `LOADED` of them one second: more than a page of 2000.
const LOAD_FROM: u64 = 10_000;
const LOADED: u64 = 2500;

/// Makes the records of an org.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    until: Timestamp,
    spreads: BTreeMap<String, Spread>,
}

/// A range of stamps: whole seconds, `from` inclusive, `to` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StampRange {
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
}

impl Generator {
    /// A generator of an org without rows, all of whose records are older than `until`.
    pub fn new(seed: u64, until: Timestamp) -> Self {
        let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
        Self {
            seed,
            until,
            spreads: BTreeMap::new(),
        }
    }

    /// Gives an object so many rows, 0 to `rows` - 1. The number is part of what a record is made from: it is set once.
    #[must_use]
    pub fn with_rows(mut self, object: &str, rows: u64) -> Self {
        self.spreads
            .insert(object.to_owned(), Spread::new(mix(self.seed ^ name(object)), rows));
        self
    }

    /// How many rows an object has; its API name in describe's case.
    pub fn rows(&self, object: &str) -> u64 {
        self.spreads.get(object).map_or(0, |spread| spread.rows)
    }

    /// The Id of record `n`, which need not be below [`Generator::rows`]. Empty where the object has no prefix.
    pub fn id(object: &Object, n: u64) -> String {
        object
            .key_prefix
            .as_deref()
            .map(|prefix| id::format(prefix, n))
            .unwrap_or_default()
    }

    /// The number of the record with this Id (15 or 18 characters), if the Id is one of this object, generated or not.
    pub fn number(object: &Object, text: &str) -> Option<u64> {
        let (prefix, n) = id::parse(text)?;
        (object.key_prefix.as_deref() == Some(prefix)).then_some(n)
    }

    /// The xsi:type that an anyType value of this text has on the wire.
    pub fn any_type(text: &str) -> &'static str {
        edge::any_type(text)
    }

    /// SystemModstamp of record `n`.
    pub fn modstamp(&self, object: &Object, n: u64) -> Timestamp {
        self.spreads
            .get(&object.name)
            .map_or(self.until, |spread| spread.stamp(self.until, spread.rank(n)))
    }

    /// The rows whose stamp lies in the range, ordered by (SystemModstamp, Id).
    pub fn rows_by_stamp(&self, object: &Object, range: StampRange) -> impl Iterator<Item = u64> + use<> {
        let spread = self
            .spreads
            .get(&object.name)
            .copied()
            .unwrap_or_else(|| Spread::new(0, 0));
        let (start, end) = self.ranks(spread, range);
        StampOrder {
            spread,
            rank: start,
            end,
            tied: Vec::new(),
        }
    }

    /// How many rows [`Generator::rows_by_stamp`] gives, without making them.
    pub fn count_by_stamp(&self, object: &Object, range: StampRange) -> u64 {
        let spread = self
            .spreads
            .get(&object.name)
            .copied()
            .unwrap_or_else(|| Spread::new(0, 0));
        let (start, end) = self.ranks(spread, range);
        end.saturating_sub(start)
    }

    /// One field of record `n`, as Salesforce writes it and before XML escapes. `None` is null; compounds have no text.
    pub fn value<'a>(&self, schema: &Schema, object: &Object, field: &'a Field, n: u64) -> Option<Cow<'a, str>> {
        let object_salt = name(&object.name);
        let record = Dice::new(self.seed, object_salt, n);
        let mut dice = record.fork(name(&field.name));
        let null = |dice: &mut Dice| field.nillable && dice.once_in(5);
        let most = usize::try_from(field.length).unwrap_or(usize::MAX);
        let value = match field.content {
            Content::Null => None,
            Content::ByType if field.field_type == FieldType::Reference => self.parent(schema, object, field, n, dice),
            Content::ByType => edge::value(field, &mut dice),
            Content::Fixed(fixed) => Some(Cow::Borrowed(fixed)),
            Content::OwnId => Some(Cow::Owned(Self::id(object, n))),
            Content::Person(part) => people::part(record, n, part).map(Cow::Owned),
            Content::CompanyName => Some(Cow::Owned(people::company(record, n))),
            Content::Website => people::website(record, n).map(Cow::Owned),
            Content::EmailOf if field.nillable => people::email(record, n).map(Cow::Owned),
            Content::EmailOf => Some(Cow::Owned(format!("user{n}@example.com"))),
            Content::Phone(number) => phone::of(record, number).map(Cow::Owned),
            Content::Address(number, part) => places::part(record, number, part),
            Content::OneOfValues | Content::Line | Content::Paragraphs if null(&mut dice) => None,
            Content::OneOfValues => one_of_values(field, &mut dice),
            Content::Moment(moment) => Some(Cow::Owned(wire(self.moment(object, n, moment, record)))),
            Content::Parent => self.parent(schema, object, field, n, dice),
            Content::UserRef => {
                let users = schema.object("User")?;
                let user = dice.below(self.rows(&users.name).max(1));
                Some(Cow::Owned(Self::id(users, user)))
            }
            Content::TrueOnceIn(times) => {
                let truth = times > 0 && dice.once_in(u64::from(times));
                Some(Cow::Borrowed(if truth { "true" } else { "false" }))
            }
            Content::AutoNumber(prefix) => Some(Cow::Owned(format!("{prefix}{n:08}"))),
            Content::ParentValue {
                reference,
                field: parent_field,
            } => self.parent_value(schema, object, (reference, parent_field), n),
            Content::Line => Some(Cow::Owned(text::line(&mut dice, most))),
            Content::Paragraphs => Some(Cow::Owned(text::paragraphs(&mut dice, most))),
        };
        fitting(field, value)
    }

    fn moment(&self, object: &Object, n: u64, moment: Moment, record: Dice) -> Timestamp {
        let stamp = self.modstamp(object, n);
        let mut dice = record.fork(7);
        // One in ten was last changed by an automated process, up to an hour after the last person.
        let modified = if dice.once_in(10) {
            earlier(stamp, dice.below(3600))
        } else {
            stamp
        };
        match moment {
            Moment::SystemModstamp => stamp,
            Moment::LastModified => modified,
            Moment::Created => earlier(modified, dice.below(400 * 86_400)),
        }
    }

    /// The parent of a record. Children of one parent are far apart in Id, as in real orgs.
    fn parent(
        &self,
        schema: &Schema,
        object: &Object,
        field: &Field,
        n: u64,
        mut dice: Dice,
    ) -> Option<Cow<'static, str>> {
        let targets: Vec<&Object> = field
            .reference_to
            .iter()
            .filter_map(|target| schema.object(target))
            .filter(|target| self.rows(&target.name) > 0)
            .collect();
        let target = *dice.pick(&targets)?;
        let rows = self.rows(&target.name);
        if target.name == object.name {
            // To a row before it, so that there is no cycle; most have none.
            return (n > 0 && dice.below(10) < 3).then(|| Cow::Owned(Self::id(target, dice.below(n.min(rows)))));
        }
        if field.nillable && dice.once_in(20) {
            return None;
        }
        Some(Cow::Owned(Self::id(target, n.checked_rem(rows)?)))
    }

    fn parent_value(
        &self,
        schema: &Schema,
        object: &Object,
        (reference, parent_field): (&str, &str),
        n: u64,
    ) -> Option<Cow<'static, str>> {
        let parent_id = self.value(schema, object, object.field(reference)?, n)?;
        let (prefix, parent) = id::parse(&parent_id)?;
        let target = schema.object_by_prefix(prefix)?;
        let field = target.field(parent_field)?;
        self.value(schema, target, field, parent)
            .map(|value| Cow::Owned(value.into_owned()))
    }

    fn ranks(&self, spread: Spread, range: StampRange) -> (u64, u64) {
        let first_not_before = |bound: Timestamp| {
            let (mut low, mut high) = (0, spread.rows);
            while low < high {
                let middle = low + (high - low) / 2;
                if spread.stamp(self.until, middle) < bound {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        (
            range.from.map_or(0, first_not_before),
            range.to.map_or(spread.rows, first_not_before),
        )
    }
}

/// A point in time as SOAP writes it: UTC, milliseconds always .000.
pub(crate) fn wire(time: Timestamp) -> String {
    // By hand: a formatter that reads its format anew costs more than the rest of a row's stamp.
    let utc = jiff::tz::Offset::UTC.to_datetime(time);
    let mut text = String::with_capacity(24);
    let mut push = |value: i64, width: u32, end: char| {
        for place in (0..width).rev() {
            let digit = value / 10_i64.pow(place) % 10;
            text.push(char::from(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0))));
        }
        text.push(end);
    };
    push(i64::from(utc.year()), 4, '-');
    push(i64::from(utc.month()), 2, '-');
    push(i64::from(utc.day()), 2, 'T');
    push(i64::from(utc.hour()), 2, ':');
    push(i64::from(utc.minute()), 2, ':');
    push(i64::from(utc.second()), 2, '.');
    push(0, 3, 'Z');
    text
}

fn earlier(time: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    time.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(time)
}

fn one_of_values<'a>(field: &'a Field, dice: &mut Dice) -> Option<Cow<'a, str>> {
    if field.field_type != FieldType::MultiPicklist {
        return dice
            .pick(&field.picklist_values)
            .map(|value| Cow::Borrowed(value.value.as_str()));
    }
    let chosen: Vec<&str> = field
        .picklist_values
        .iter()
        .filter(|_| dice.once_in(2))
        .map(|value| value.value.as_str())
        .collect();
    (!chosen.is_empty()).then(|| Cow::Owned(chosen.join(";")))
}

/// Cuts a text to the field's length; an empty text is null, and a required one is never null.
fn fitting<'a>(field: &Field, value: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let most = usize::try_from(field.length).unwrap_or(usize::MAX);
    match value {
        Some(text) if most > 0 && text.len() > most => {
            let cut = text::cut(text.into_owned(), most);
            (!cut.is_empty()).then_some(Cow::Owned(cut))
        }
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text),
        None if !field.nillable && field.length > 18 => Some(Cow::Borrowed("x")),
        None => None,
    }
}

/// How the stamps of an object's rows are spread.
#[derive(Debug, Clone, Copy)]
struct Spread {
    rows: u64,
    factor: u64,
    inverse: u64,
    shift: u64,
    step_seconds: u64,
    slots: u64,
}

impl Spread {
    fn new(salt: u64, rows: u64) -> Self {
        // Near the golden section, neighbours in Id are far apart in time.
        let mut factor = (rows / 5 * 3 + rows % 5).max(1);
        let inverse = loop {
            match inverse(factor, rows) {
                Some(inverse) => break inverse,
                None => factor += 1,
            }
        };
        let slots = slot(rows, rows.saturating_sub(1)) + 1;
        let step_seconds = (PERIOD_SECONDS / slots).clamp(1, MOST_STEP_SECONDS);
        Self {
            rows,
            factor,
            inverse,
            shift: salt.checked_rem(rows).unwrap_or(0),
            step_seconds,
            slots,
        }
    }

    fn rank(&self, n: u64) -> u64 {
        modular(n, self.factor, self.shift, self.rows)
    }

    fn row(&self, rank: u64) -> u64 {
        let unshifted = (u128::from(rank) + u128::from(self.rows)) - u128::from(self.shift);
        let product = unshifted.wrapping_mul(u128::from(self.inverse));
        product
            .checked_rem(u128::from(self.rows))
            .and_then(|row| u64::try_from(row).ok())
            .unwrap_or(0)
    }

    fn stamp(&self, until: Timestamp, rank: u64) -> Timestamp {
        let before = self
            .slots
            .saturating_sub(slot(self.rows, rank.min(self.rows.saturating_sub(1))));
        earlier(until, before.saturating_mul(self.step_seconds))
    }
}

/// The second that a rank falls into, counted from the oldest; it never descends.
fn slot(rows: u64, rank: u64) -> u64 {
    let load = rows / 3;
    let rank = if rows >= LOAD_FROM && (load..load + LOADED).contains(&rank) {
        load
    } else {
        rank
    };
    let place = rank % BLOCK;
    (rank / BLOCK) * (BLOCK - TIED + 1) + if place < TIED { 0 } else { place - TIED + 1 }
}

fn modular(n: u64, factor: u64, shift: u64, rows: u64) -> u64 {
    let product = u128::from(n) * u128::from(factor) + u128::from(shift);
    product
        .checked_rem(u128::from(rows))
        .and_then(|rank| u64::try_from(rank).ok())
        .unwrap_or(0)
}

/// The inverse of a factor modulo `rows` (extended Euclid), if they have no common divisor.
fn inverse(factor: u64, rows: u64) -> Option<u64> {
    if rows <= 1 {
        return Some(0);
    }
    let modulus = i128::from(rows);
    let (mut old, mut new) = (i128::from(factor % rows), modulus);
    let (mut old_coefficient, mut coefficient) = (1_i128, 0_i128);
    while new != 0 {
        let quotient = old / new;
        (old, new) = (new, old - quotient * new);
        (old_coefficient, coefficient) = (coefficient, old_coefficient - quotient * coefficient);
    }
    if old != 1 {
        return None;
    }
    u64::try_from(old_coefficient.rem_euclid(modulus)).ok()
}

/// Rows by rank, those of one second sorted by number.
struct StampOrder {
    spread: Spread,
    rank: u64,
    end: u64,
    /// The rows of the current second, last first.
    tied: Vec<u64>,
}

impl Iterator for StampOrder {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.tied.is_empty() && self.rank < self.end {
            let second = slot(self.spread.rows, self.rank);
            while self.rank < self.end && slot(self.spread.rows, self.rank) == second {
                self.tied.push(self.spread.row(self.rank));
                self.rank += 1;
            }
            self.tied.sort_unstable_by(|left, right| right.cmp(left));
        }
        self.tied.pop()
    }
}

#[cfg(test)]
mod tests;
