//! Query cursors: which rows a query found, and how far they were read.
//!
//! A cursor holds row numbers and no rows, and numbers that follow each other take no more than their first and their
//! count: the cursor of a million rows in order of Id is one pair. A locator is good for one queryMore (salesforce-api.md
//! 5.2).

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::query::Prepared;
use crate::{config::LocatorForm, data::id};

/// Numbers in an order of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// First number and count.
    runs: Vec<(u64, u64)>,
    count: u64,
}

impl Numbers {
    /// Appends a number.
    pub(crate) fn push(&mut self, n: u64) {
        self.count += 1;
        match self.runs.last_mut() {
            Some((first, count)) if *first + *count == n => *count += 1,
            Some(_) | None => self.runs.push((n, 1)),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs.iter().flat_map(|&(first, count)| first..first + count)
    }

    /// The number at a place, and the place after it.
    fn at(&self, place: Place) -> Option<(u64, Place)> {
        let &(first, count) = self.runs.get(place.run)?;
        let n = first + place.offset;
        let next = if place.offset + 1 < count {
            Place {
                run: place.run,
                offset: place.offset + 1,
            }
        } else {
            Place {
                run: place.run + 1,
                offset: 0,
            }
        };
        Some((n, next))
    }
}

impl FromIterator<u64> for Numbers {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut list = Self::default();
        for n in numbers {
            list.push(n);
        }
        list
    }
}

/// A place in [`Numbers`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    run: usize,
    offset: u64,
}

/// A query that is being read.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    /// What is selected.
    pub(crate) query: Arc<Prepared>,
    rows: Arc<Numbers>,
    place: Place,
    /// Rows read so far.
    pub(crate) read: u64,
    /// Rows of a page where queryMore does not say.
    pub(crate) page_rows: u64,
    /// The commit up to which the query saw changes.
    pub(crate) sequence: u64,
    made: Timestamp,
    username: String,
    /// Identity of the query in locators.
    number: u64,
}

impl Cursor {
    pub(crate) fn new(query: Arc<Prepared>, rows: Numbers, sequence: u64, made: Timestamp, username: &str) -> Self {
        Self {
            query,
            rows: Arc::new(rows),
            place: Place::default(),
            read: 0,
            page_rows: 2_000,
            sequence,
            made,
            username: username.to_owned(),
            number: 0,
        }
    }

    /// Rows in all.
    pub(crate) fn size(&self) -> u64 {
        self.rows.count()
    }

    /// Whether every row was read.
    pub(crate) fn is_done(&self) -> bool {
        self.rows.at(self.place).is_none()
    }

    /// The number of the next row.
    pub(crate) fn next(&mut self) -> Option<u64> {
        let (n, next) = self.rows.at(self.place)?;
        self.place = next;
        self.read += 1;
        Some(n)
    }
}

/// All cursors, by locator.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    open: BTreeMap<String, Cursor>,
    made: u64,
}

impl Cursors {
    /// Keeps a cursor; returns the locator of its next page.
    pub(crate) fn keep(&mut self, mut cursor: Cursor, form: LocatorForm) -> String {
        let locator = match form {
            LocatorForm::Cursor => {
                self.made += 1;
                id::format("0r8", self.made)
            }
            LocatorForm::Historic => {
                if cursor.number == 0 {
                    self.made += 1;
                    cursor.number = self.made;
                }
                format!("{}-{}", id::format("01g", cursor.number), cursor.read)
            }
        };
        self.open.insert(locator.clone(), cursor);
        locator
    }

    /// Takes the cursor of a locator: the locator is used up.
    pub(crate) fn take(&mut self, locator: &str, username: &str, now: Timestamp, hours: u32) -> Option<Cursor> {
        let lifetime = SignedDuration::from_hours(i64::from(hours));
        self.open.retain(|_, cursor| now.duration_since(cursor.made) < lifetime);
        match self.open.get(locator) {
            Some(cursor) if cursor.username == username => self.open.remove(locator),
            Some(_) | None => None,
        }
    }

    /// The object that a locator's query is about.
    pub(crate) fn object(&self, locator: &str) -> Option<&str> {
        self.open.get(locator).map(|cursor| cursor.query.object.as_str())
    }

    /// All locators die.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_order_take_one_pair() {
        let list: Numbers = (0..1_000_000).collect();
        assert_eq!((list.runs.len(), list.count()), (1, 1_000_000));
        let list: Numbers = [5, 6, 7, 3, 9, 10].into_iter().collect();
        let mut place = Place::default();
        let mut read = Vec::new();
        while let Some((n, next)) = list.at(place) {
            read.push(n);
            place = next;
        }
        assert_eq!(read, [5, 6, 7, 3, 9, 10]);
    }
}
