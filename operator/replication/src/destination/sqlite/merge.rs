//! The end of a segment: deletes are noted, guarded and applied, and all is committed or nothing is.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    session::{Parts, Session},
    state::{self, Write},
    statement::{self, TableStatements},
};
use crate::{
    Result,
    destination::{Deletions, Load, StateWrite},
    guard::{DeletesWindow, Guard},
    plan::Deletes,
    state::{Checkpoint, Counts},
};

/// What a commit did.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) counts: Counts,
    pub(super) state_written: bool,
}

/// What a segment changed, beside its rows.
#[derive(Debug, Default)]
struct Settled {
    /// Entries of `_pending_delete` and `_rejected_row` that were made, changed, or taken away.
    entries: u64,
    /// Rows that left, or were marked.
    deleted: u64,
    /// Records whose values do not fit.
    rejected: u64,
    /// Deletes that the guard holds.
    held: u64,
    /// The window, where deletes entered it.
    window: Option<DeletesWindow>,
    /// Rows of the table before deletes were applied, where it was counted.
    counted: Option<u64>,
}

/// What the guard says of the pending deletes.
struct Verdict {
    /// Entries that nobody has confirmed.
    unconfirmed: u64,
    /// The window, as the state has it.
    window: DeletesWindow,
    /// Whether those that nobody has confirmed may go.
    is_admitted: bool,
}

/// How many rows a table has, marked ones included.
#[derive(Debug, Clone, Copy)]
enum Whole {
    /// Those of the state, and so many that a segment has inserted.
    OfState(u64),
    /// So many, by counting.
    Counted(u64),
}

/// What asks the guard, for a commit and between segments alike.
struct Asking<'a> {
    connection: &'a Connection,
    statements: &'a TableStatements,
    object: &'a str,
}

impl Asking<'_> {
    fn number(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<u64> {
        let mut select = self.connection.prepare_cached(sql)?;
        let number: i64 = select.query_row(parameters, |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or_default())
    }

    fn ask(&self, guard: Guard, whole: Whole, at: Timestamp) -> rusqlite::Result<Verdict> {
        let unconfirmed = self.number(statement::COUNT_UNCONFIRMED, [self.object])?;
        let (rows, window) = self.rows_and_window()?;
        let marked = match &self.statements.count_marked {
            Some(count) if unconfirmed > 0 => self.number(count, [])?,
            Some(_) | None => 0,
        };
        let rows = match whole {
            Whole::OfState(inserted) => rows + inserted,
            Whole::Counted(counted) => counted,
        };
        let is_admitted = guard.admits(unconfirmed, window.recent(at), rows.saturating_sub(marked));
        Ok(Verdict {
            unconfirmed,
            window,
            is_admitted,
        })
    }

    /// As the state has them; nothing where the object has none yet.
    fn rows_and_window(&self) -> rusqlite::Result<(u64, DeletesWindow)> {
        let mut select = self
            .connection
            .prepare_cached("SELECT rows, deletes_window FROM _replication_state WHERE object = ?1")?;
        let found = select
            .query_row([self.object], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
            })
            .optional()?;
        let (rows, window) = found.unwrap_or_default();
        let window = window.map(|window| DeletesWindow::from_json(&window));
        Ok((u64::try_from(rows).unwrap_or_default(), window.unwrap_or_default()))
    }
}

impl Session {
    /// Notes and applies deletes, writes the state, commits. A segment that changed nothing is rolled back instead, so
    /// that not even the write-ahead log grows. After an error nothing is written and the segment is gone.
    pub(super) fn commit(
        &mut self,
        checkpoint: &Checkpoint,
        deletions: Deletions,
        write: StateWrite,
        at: Timestamp,
    ) -> Result<Committed> {
        let committed = self.try_commit(checkpoint, deletions, write, at);
        // Ends the transaction where it was not committed, and the turn in any case.
        self.roll_back();
        committed
    }

    /// Whether the guard would let the pending deletes go, as the table is now.
    pub(super) fn admits(&mut self, guard: Guard, at: Timestamp) -> Result<bool> {
        self.expect_idle()?;
        match self.plan.deletes {
            Deletes::Remove | Deletes::Mark => {}
            // They are dropped, however many they are.
            Deletes::Ignore => return Ok(true),
        }
        self.with_connection(|session, connection| {
            let asking = Asking {
                connection,
                statements: &session.statements,
                object: session.plan.object.as_str(),
            };
            let verdict = asking.ask(guard, Whole::OfState(0), at);
            verdict
                .map(|verdict| verdict.is_admitted)
                .map_err(|error| session.failure("look at the pending deletes", error))
        })
    }

    fn try_commit(
        &mut self,
        checkpoint: &Checkpoint,
        deletions: Deletions,
        write: StateWrite,
        at: Timestamp,
    ) -> Result<Committed> {
        let mut parts = self.parts()?;
        let doing = format!("write the deletes of table {}", parts.plan.table);
        let settled = parts
            .settle(deletions, write, at)
            .map_err(|error| parts.failure(&doing, error))?;
        let counts = Counts {
            inserted: parts.segment.inserted,
            updated: parts.segment.updated,
            deleted: settled.deleted,
            rejected: settled.rejected,
            held: settled.held,
        };
        let changed = !counts.is_empty() || settled.entries > 0 || parts.segment.taken_out > 0;
        match write {
            StateWrite::WithRows if !changed => {
                return Ok(Committed {
                    counts,
                    state_written: false,
                });
            }
            StateWrite::WithRows | StateWrite::Always | StateWrite::Counted => {}
        }
        let left = match self.plan.deletes {
            Deletes::Remove => counts.deleted,
            // A marked row is still in the table.
            Deletes::Mark | Deletes::Ignore => 0,
        };
        let rows = match settled.counted {
            Some(counted) => state::Rows::Known(signed(counted.saturating_sub(left))),
            None => state::Rows::Changed(signed(counts.inserted).saturating_sub(signed(left))),
        };
        let claimed = self.write_state(&Write {
            checkpoint,
            rows,
            window: settled.window.as_ref(),
            at,
        })?;
        if checkpoint.listing.is_none() {
            self.forget_surplus()?;
        }
        let doing = format!("commit to table {}", self.plan.table);
        let connection = self.connection()?;
        let ended = connection.execute_batch("COMMIT");
        ended.map_err(|error| self.failure(&doing, error))?;
        self.knowledge = claimed;
        Ok(Committed {
            counts,
            state_written: true,
        })
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Parts<'_> {
    fn settle(&mut self, deletions: Deletions, write: StateWrite, at: Timestamp) -> rusqlite::Result<Settled> {
        let mut settled = Settled {
            counted: match write {
                StateWrite::WithRows | StateWrite::Always => None,
                StateWrite::Counted => Some(self.asking().number(&self.statements.count_rows, [])?),
            },
            ..Settled::default()
        };
        self.note_gone(&mut settled, at)?;
        self.note_rejected(&mut settled, at)?;
        match deletions {
            Deletions::Apply(guard) if self.segment.had.pending || settled.entries > 0 => match self.plan.deletes {
                Deletes::Remove | Deletes::Mark => self.apply(guard, &mut settled, at)?,
                // Left from a time when the mode was another: dropped like those that are found.
                Deletes::Ignore => settled.entries += self.change(statement::FORGET_PENDING, [self.object()])?,
            },
            Deletions::Apply(_) | Deletions::Keep => {}
        }
        for forget in statement::FORGET_FOUND {
            self.change(forget, [])?;
        }
        Ok(settled)
    }

    fn object(&self) -> &str {
        self.plan.object.as_str()
    }

    fn change(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<u64> {
        let rows = self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    fn asking(&self) -> Asking<'_> {
        Asking {
            connection: self.connection,
            statements: self.statements,
            object: self.object(),
        }
    }

    /// Notes deleted records and those that left.
    fn note_gone(&self, settled: &mut Settled, at: Timestamp) -> rusqlite::Result<()> {
        let object = self.object();
        let is_noted = match self.plan.deletes {
            Deletes::Remove | Deletes::Mark => true,
            Deletes::Ignore => false,
        };
        if self.segment.found.deletes && is_noted {
            let is_read_now = self.segment.load == Load::Overwrite;
            let noted = params![object, state::text(at), is_read_now];
            settled.entries += self.change(&self.statements.note_deletes, noted)?;
        }
        if self.segment.found.left && is_noted {
            settled.entries += self.change(&self.statements.note_left, params![object, state::text(at)])?;
        }
        if self.segment.had.rejected && (self.segment.found.deletes || self.segment.found.left) {
            settled.entries += self.change(&self.statements.forget_gone, [object])?;
        }
        Ok(())
    }

    fn note_rejected(&self, settled: &mut Settled, at: Timestamp) -> rusqlite::Result<()> {
        if !self.segment.found.rejected {
            return Ok(());
        }
        let object = self.object();
        settled.rejected = self.asking().number(statement::COUNT_REJECTED, [])?;
        settled.entries += self.change(statement::FORGET_FITTING, [object])?;
        settled.entries += self.change(statement::NOTE_REJECTED, params![object, state::text(at)])?;
        Ok(())
    }

    /// Applies what somebody has confirmed and what the guard admits. Rejected rows of what is applied go with it.
    fn apply(&self, guard: Guard, settled: &mut Settled, at: Timestamp) -> rusqlite::Result<()> {
        let object = self.object();
        let whole = match settled.counted {
            Some(counted) => Whole::Counted(counted),
            None => Whole::OfState(self.segment.inserted),
        };
        let Verdict {
            unconfirmed,
            mut window,
            is_admitted,
        } = self.asking().ask(guard, whole, at)?;
        let since = guard.found_since.map(state::text).unwrap_or_default();

        let apply = &self.statements.apply_deletes;
        settled.deleted += self.change(apply, params![object, since, true])?;
        if is_admitted {
            let deleted = self.change(apply, params![object, since, false])?;
            if deleted > 0 {
                window.add(deleted, at);
                settled.window = Some(window);
            }
            settled.deleted += deleted;
        } else {
            settled.held = unconfirmed;
        }
        for forget in [statement::FORGET_REJECTED_OF_APPLIED, statement::FORGET_APPLIED] {
            settled.entries += self.change(forget, params![object, since, !is_admitted])?;
        }
        Ok(())
    }
}
