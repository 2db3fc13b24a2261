//! What listings, waiting deletes and confirmations ask of a table between segments.
//!
//! A stretch is compared by one walk: the table's rows of the stretch in the order of their Ids, and the listed records
//! beside them, which come in the same order. Nothing is looked up row by row and nothing is copied into a table first.
//! Ids are compared bytewise on both sides: Rust's order of strings, and SQLite's collation BINARY.

use std::{cmp::Ordering, collections::HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, params, types::Value};

use super::{
    session::{Session, rollback},
    state::Knowledge,
    statement,
};
use crate::{
    Result,
    destination::{Differences, Listed, Stretch},
    guard::{HeldDeletes, Tokenizer, count_of},
    plan::Deletes,
    value,
};

/// A [`Stretch`] that owns what it holds, to cross to the table's thread.
#[derive(Debug)]
pub(super) struct OwnedStretch {
    after: Option<String>,
    until: Option<String>,
    listed: Vec<Listed>,
}

impl From<Stretch<'_>> for OwnedStretch {
    fn from(stretch: Stretch<'_>) -> Self {
        Self {
            after: stretch.after.map(str::to_owned),
            until: stretch.until.map(str::to_owned),
            listed: stretch.listed.to_vec(),
        }
    }
}

impl OwnedStretch {
    /// Behind every Id is what is behind the empty text.
    fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    fn lists(&self, id: &str) -> bool {
        self.listed
            .binary_search_by(|listed| listed.id.as_str().cmp(id))
            .is_ok()
    }

    /// Before every blob is every text, so the empty one is behind the last Id.
    fn until(&self) -> Value {
        self.until
            .as_ref()
            .map_or_else(|| Value::Blob(Vec::new()), |until| Value::Text(until.clone()))
    }
}

/// How a stretch differs, with the Ids of its surplus.
#[derive(Debug, Default)]
struct Walk {
    differences: Differences,
    surplus: Vec<String>,
}

impl Session {
    /// Compares a stretch with the table and notes its surplus. Where nothing is noted or forgotten, nothing is written.
    pub(super) fn compare(&mut self, stretch: &OwnedStretch) -> Result<Differences> {
        let doing = format!("compare table {} with a listing", self.plan.table);
        let (differences, claimed) = self.claiming(&doing, None, |session, connection| {
            let failed = |error| session.failure(&doing, error);
            let Walk { differences, surplus } = session.walk(connection, stretch).map_err(failed)?;
            let changed = session.note_surplus(connection, stretch, &surplus).map_err(failed)?;
            Ok((differences, changed))
        })?;
        self.knowledge = claimed;
        Ok(differences)
    }

    fn walk(&self, connection: &Connection, stretch: &OwnedStretch) -> rusqlite::Result<Walk> {
        let (after, until) = (stretch.after(), stretch.until());
        let object = self.plan.object.as_str();
        let mut rejected = connection.prepare_cached(statement::READ_REJECTED)?;
        let rejected = rejected.query_map(params![object, after, until], |row| row.get(0))?;
        let rejected: HashSet<String> = rejected.collect::<rusqlite::Result<_>>()?;

        let mut walk = Walk::default();
        let mut listed = stretch.listed.iter().peekable();
        let mut stamp = String::new();
        let mut select = connection.prepare_cached(&self.statements.stretch)?;
        let mut rows = select.query(params![after, until])?;
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str()?;
            let is_marked: bool = row.get(2)?;
            let mut found = false;
            while let Some(next) = listed.peek() {
                match next.id.as_str().cmp(id) {
                    Ordering::Less => walk.miss(&next.id, &rejected),
                    Ordering::Equal => {
                        stamp.clear();
                        value::write_datetime(next.stamp.as_microsecond(), &mut stamp);
                        let is_stamped = self.plan.stamp.is_some();
                        let differs = is_marked || is_stamped && row.get_ref(1)?.as_str()? != stamp;
                        if differs && !found && !rejected.contains(id) {
                            walk.differences.differing.push(id.to_owned());
                        }
                        found = true;
                    }
                    Ordering::Greater => break,
                }
                listed.next();
            }
            if !found && !is_marked {
                walk.surplus.push(id.to_owned());
            }
        }
        for next in listed {
            walk.miss(&next.id, &rejected);
        }
        walk.differences.surplus = u64::try_from(walk.surplus.len()).unwrap_or(u64::MAX);
        let mut vanished: Vec<String> = rejected
            .into_iter()
            .filter(|id| !stretch.lists(id) && !self.leaves_as_surplus(&walk, id))
            .collect();
        vanished.sort_unstable();
        walk.differences.vanished = vanished;
        Ok(walk)
    }

    fn leaves_as_surplus(&self, walk: &Walk, id: &str) -> bool {
        let leaves = match self.plan.deletes {
            Deletes::Remove | Deletes::Mark => true,
            Deletes::Ignore => false,
        };
        leaves
            && walk
                .surplus
                .binary_search_by(|surplus| surplus.as_str().cmp(id))
                .is_ok()
    }

    /// Notes the surplus, and forgets that of an earlier listing; whether that changed anything.
    fn note_surplus(
        &self,
        connection: &Connection,
        stretch: &OwnedStretch,
        surplus: &[String],
    ) -> rusqlite::Result<bool> {
        let object = self.plan.object.as_str();
        let mut changed = 0;
        if stretch.after.is_none() {
            changed += connection
                .prepare_cached(statement::FORGET_SURPLUS)?
                .execute([object])?;
        }
        let mut note = connection.prepare_cached(statement::NOTE_SURPLUS)?;
        for id in surplus {
            changed += note.execute([object, id])?;
        }
        Ok(changed > 0)
    }

    /// Noted surplus behind an Id.
    pub(super) fn surplus(&mut self, after: &str, limit: u32) -> Result<Vec<String>> {
        self.read_ids(statement::READ_SURPLUS, after, limit)
    }

    /// Pending deletes behind an Id.
    pub(super) fn pending(&mut self, after: &str, limit: u32) -> Result<Vec<String>> {
        self.read_ids(statement::READ_PENDING, after, limit)
    }

    fn read_ids(&mut self, sql: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        self.expect_idle()?;
        self.with_connection(|session, connection| {
            let read = || -> rusqlite::Result<Vec<String>> {
                let mut select = connection.prepare_cached(sql)?;
                let ids = select.query_map(params![session.plan.object.as_str(), after, limit], |row| row.get(0))?;
                ids.collect()
            };
            read().map_err(|error| session.failure("read the state tables", error))
        })
    }

    /// The deletes that nobody has confirmed.
    pub(super) fn held(&mut self) -> Result<Option<HeldDeletes>> {
        self.expect_idle()?;
        self.with_connection(|session, connection| {
            let see = || {
                let mut tokenizer = Tokenizer::default();
                let mut select = connection.prepare_cached(statement::READ_HELD)?;
                let mut rows = select.query([session.plan.object.as_str()])?;
                while let Some(row) = rows.next()? {
                    tokenizer.see(row.get_ref(1)?.as_str()?);
                }
                Ok(tokenizer)
            };
            let tokenizer = see().map_err(|error| session.failure("read the pending deletes", error))?;
            Ok((tokenizer.count() > 0).then(|| HeldDeletes {
                count: tokenizer.count(),
                token: tokenizer.token(),
            }))
        })
    }

    /// Confirms the deletes that a token is for; whether it is for those that are held.
    pub(super) fn confirm(&mut self, token: &str, at: Timestamp) -> Result<bool> {
        let doing = format!("confirm deletes of table {}", self.plan.table);
        let (confirmed, claimed) = self.claiming(&doing, Some(at), |session, connection| {
            let confirmed = session
                .confirm_on(connection, token)
                .map_err(|error| session.failure(&doing, error))?;
            Ok((confirmed, confirmed))
        })?;
        self.knowledge = claimed;
        Ok(confirmed)
    }

    fn confirm_on(&self, connection: &Connection, token: &str) -> rusqlite::Result<bool> {
        let object = self.plan.object.as_str();
        let Some(count) = count_of(token) else {
            return Ok(false);
        };
        let mut tokenizer = Tokenizer::default();
        let mut last = None;
        {
            let mut select = connection.prepare_cached(statement::READ_HELD)?;
            let mut rows = select.query([object])?;
            while tokenizer.count() < count
                && let Some(row) = rows.next()?
            {
                let (found_at, id): (String, String) = (row.get(0)?, row.get(1)?);
                tokenizer.see(&id);
                last = Some((found_at, id));
            }
        }
        let Some((found_at, id)) = last.filter(|_| tokenizer.token() == token) else {
            return Ok(false);
        };
        let mut confirm = connection.prepare_cached(statement::CONFIRM)?;
        confirm.execute([object, &found_at, &id])?;
        Ok(true)
    }

    /// Runs a transaction that is fenced, and that claims and is committed where its body says that it changed something.
    fn claiming<R>(
        &mut self,
        doing: &str,
        at: Option<Timestamp>,
        body: impl FnOnce(&Self, &Connection) -> Result<(R, bool)>,
    ) -> Result<(R, Knowledge)> {
        self.expect_idle()?;
        self.in_transaction(doing, |session, connection| {
            session.compare_epoch_on(connection)?;
            let (done, changed) = body(session, connection)?;
            if changed {
                return Ok((done, session.claim_on(connection, at)?));
            }
            rollback(connection);
            Ok((done, session.knowledge))
        })
    }
}

impl Walk {
    /// A record that is listed and not in the table. A rejected one is known to be missing.
    fn miss(&mut self, id: &str, rejected: &HashSet<String>) {
        let missing = &mut self.differences.missing;
        if !rejected.contains(id) && missing.last().is_none_or(|last| last != id) {
            missing.push(id.to_owned());
        }
    }
}
