//! The rows of one object: those of the generator, and on top of them what was changed.
//!
//! A row is known by its number: the generator's are 0 to `base` - 1, later ones follow, so that Ids ascend with it. Only rows
//! that were changed, created or deleted take memory: each has its versions, oldest first, so that a query can go on with
//! the rows as they were when it began. Values of a version stand on top of the generator's, field by field.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::delete_log::DeleteLog;

/// Text of a field by its API name; `None` is null. A field that is not there is as the generator has it.
pub(crate) type Values = BTreeMap<String, Option<String>>;

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// There.
    Live,
    /// Deleted; queryAll shows it until `gone_from`.
    Deleted {
        /// From then on nobody sees it.
        gone_from: Timestamp,
        /// In the recycle bin: it can be undeleted.
        in_bin: bool,
        /// The row whose deletion took this one along.
        with: Option<(String, u64)>,
    },
    /// Nobody sees it again.
    Gone,
}

/// A row at some time.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// Commit that made it.
    pub(crate) sequence: u64,
    /// SystemModstamp, in seconds.
    pub(crate) stamp: i64,
    /// What differs from the generator.
    pub(crate) values: Arc<Values>,
    /// What became of it.
    pub(crate) state: State,
}

/// The rows of one object.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Rows of the generator.
    pub(crate) base: u64,
    /// Number of the next row to be created. Ids are given when a row is written, also where it is never committed.
    next: AtomicU64,
    versions: BTreeMap<u64, Vec<Version>>,
    /// (stamp, number) of every row that has versions.
    by_stamp: BTreeSet<(i64, u64)>,
    /// What getDeleted reads.
    pub(crate) deletes: DeleteLog,
}

/// How a row is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// The org's time: rows vanish by it.
    pub(crate) now: Timestamp,
    /// The commit up to which changes are seen; all, where none is given.
    pub(crate) as_of: Option<u64>,
}

/// Whether a row is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'a> {
    /// As the generator makes it.
    Base,
    /// In this version.
    Changed(&'a Version),
}

impl<'a> Found<'a> {
    /// The version, if it has one.
    pub(crate) fn version(self) -> Option<&'a Version> {
        match self {
            Self::Base => None,
            Self::Changed(version) => Some(version),
        }
    }

    /// In the recycle bin, or on its way out of sight.
    pub(crate) fn deleted(self) -> bool {
        self.version().is_some_and(|version| version.state != State::Live)
    }
}

impl Table {
    pub(crate) fn new(base: u64) -> Self {
        Self {
            base,
            next: AtomicU64::new(base),
            ..Self::default()
        }
    }

    /// Above every number that was ever given.
    pub(crate) fn end(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// A number for a row to be created.
    pub(crate) fn take_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The row of this number, unless nobody sees it.
    pub(crate) fn find(&self, n: u64, look: Look) -> Option<Found<'_>> {
        let version = self.versions.get(&n).and_then(|versions| {
            versions
                .iter()
                .rev()
                .find(|version| look.as_of.is_none_or(|sequence| version.sequence <= sequence))
        });
        match version {
            None => (n < self.base).then_some(Found::Base),
            Some(version) => match &version.state {
                State::Gone => None,
                State::Deleted { gone_from, .. } if *gone_from <= look.now => None,
                State::Live | State::Deleted { .. } => Some(Found::Changed(version)),
            },
        }
    }

    /// Whether this row has versions.
    pub(crate) fn is_changed(&self, n: u64) -> bool {
        self.versions.contains_key(&n)
    }

    /// Numbers of the rows that have versions, from a stamp (inclusive) to another (exclusive), by stamp and number.
    pub(crate) fn changed_by_stamp(&self, from: Option<i64>, to: Option<i64>) -> impl Iterator<Item = (i64, u64)> {
        let from = (from.unwrap_or(i64::MIN), 0);
        let to = (to.unwrap_or(i64::MAX), 0);
        let range = (from < to).then(|| self.by_stamp.range(from..to)).into_iter().flatten();
        range.copied()
    }

    /// Numbers of all rows that have versions, ascending.
    pub(crate) fn changed(&self) -> impl Iterator<Item = u64> {
        self.versions.keys().copied()
    }

    /// Adds a version on top.
    pub(crate) fn push(&mut self, n: u64, version: Version) {
        let versions = self.versions.entry(n).or_default();
        if let Some(last) = versions.last() {
            self.by_stamp.remove(&(last.stamp, n));
        }
        self.by_stamp.insert((version.stamp, n));
        versions.push(version);
    }

    /// Renames a field in all versions: a name of the schema changed.
    pub(crate) fn rename_field(&mut self, from: &str, to: &str) {
        self.rewrite(|values| {
            if let Some(value) = values.remove(from) {
                values.insert(to.to_owned(), value);
            }
        });
    }

    /// Drops what versions know of a field, or what of it does not please.
    pub(crate) fn drop_values(&mut self, field: &str, keep: impl Fn(&str) -> bool) {
        self.rewrite(|values| match values.get(field) {
            Some(Some(text)) if !keep(text) => {
                values.insert(field.to_owned(), None);
            }
            Some(_) | None => {}
        });
    }

    /// Forgets a field in all versions.
    pub(crate) fn forget_field(&mut self, field: &str) {
        self.rewrite(|values| {
            values.remove(field);
        });
    }

    fn rewrite(&mut self, change: impl Fn(&mut Values)) {
        for version in self.versions.values_mut().flatten() {
            change(Arc::make_mut(&mut version.values));
        }
    }
}
