//! The end of a segment: deletes are noted and applied, and all is committed or nothing is.

use jiff::Timestamp;
use rusqlite::params;

use super::{
    session::{Parts, Session},
    state, statement,
};
use crate::{
    Result,
    destination::{Deletions, StateWrite},
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
struct Settled {
    /// Entries of `_pending_delete` that were made, moved to a newer stamp, or taken away.
    entries: u64,
    /// Rows that left, or were marked.
    deleted: u64,
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
            .settle_deletes(deletions, at)
            .map_err(|error| parts.failure(&doing, error))?;
        let counts = Counts {
            inserted: parts.segment.inserted,
            updated: parts.segment.updated,
            deleted: settled.deleted,
        };
        let changed = !counts.is_empty() || settled.entries > 0 || parts.segment.taken_out > 0;
        match write {
            StateWrite::WithRows if !changed => {
                return Ok(Committed {
                    counts,
                    state_written: false,
                });
            }
            StateWrite::WithRows | StateWrite::Always => {}
        }
        let left = match self.plan.deletes {
            Deletes::Remove => counts.deleted,
            // A marked row is still in the table.
            Deletes::Mark | Deletes::Ignore => 0,
        };
        let rows = signed(counts.inserted).saturating_sub(signed(left));
        let claimed = self.write_state(checkpoint, state::Rows::Changed(rows), at)?;
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
    fn settle_deletes(&mut self, deletions: Deletions, at: Timestamp) -> rusqlite::Result<Settled> {
        let object = self.plan.object.as_str();
        let mut settled = Settled { entries: 0, deleted: 0 };
        if self.segment.found_deletes {
            let mut note = self.connection.prepare_cached(&self.statements.note_deletes)?;
            settled.entries += count(note.execute(params![object, state::text(at)])?);
            self.connection.prepare_cached(statement::FORGET_FOUND)?.execute([])?;
        }
        match deletions {
            Deletions::Apply if self.segment.has_pending || settled.entries > 0 => {
                match self.plan.deletes {
                    Deletes::Remove | Deletes::Mark => {
                        let mut apply = self.connection.prepare_cached(&self.statements.apply_deletes)?;
                        settled.deleted = count(apply.execute([object])?);
                    }
                    // Left from a time when the mode was another: dropped like those that are found.
                    Deletes::Ignore => {}
                }
                let mut forget = self.connection.prepare_cached(statement::FORGET_PENDING)?;
                settled.entries += count(forget.execute([object])?);
            }
            Deletions::Apply | Deletions::Keep => {}
        }
        Ok(settled)
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
