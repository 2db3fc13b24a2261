//! Segments, and the loop that writes rows.
//!
//! A segment is one `BEGIN IMMEDIATE` transaction. Rows go straight into the table, one by one through one prepared
//! statement, which is as fast as SQLite is (performance.md 1.3); a temporary table in between would cost the load twice.
//! Each row meets the guard in the order of reading, so of two rows for one Id the newer stamp counts, and at equal
//! stamps the later read, as the contract has it. Rows that were read by Id just now meet no guard: among them the later
//! read counts.
//!
//! What is no row is collected in tables of the connection and settled at the end of the segment (`merge`), so that a later
//! read can still take it back:
//!
//! * deleted records: a live row that is not older takes its entry out, and one that is older is skipped; a row that the
//!   segment inserted before it found the newer delete is taken back;
//! * records that left: any live row behind them takes the entry out;
//! * columns whose values do not fit: another form of the record that is not older replaces them, and an older one is
//!   skipped. A record that does not fit and is older than the table's row is old news and no entry.
//!
//! **New or changed.** An upsert tells that a row was written and not which of the two it was. The connection's last
//! inserted rowid tells: it is set by an insert and left alone by the update of an upsert. Rowids ascend inside a
//! segment, for nothing but the row taken back leaves the table in it, so equal means updated.

use rusqlite::{Connection, ErrorCode, Statement, params};

use super::{
    encode::{self, BindError},
    session::{Parts, Session},
    state, statement,
    turns::Turn,
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::{Left, Load},
    plan::{Column, ColumnKind, ColumnSource, Deletes, Identifier, ObjectPlan},
    value::{self, Problem},
};

/// A segment under way. It holds the turn until it ends.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) load: Load,
    /// Rows with a higher rowid were inserted by this segment.
    highest_rowid: i64,
    /// What the object had at the begin.
    pub(super) had: Had,
    /// What the segment found that is no row.
    pub(super) found: Found,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    /// Entries that live rows took out of `_pending_delete`, and rows that fit out of `_rejected_row`.
    pub(super) taken_out: u64,
    /// Given back when the segment is dropped, after its transaction has ended.
    _turn: Turn,
}

/// Entries of an object before a segment, that its rows may take out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Had {
    /// Pending deletes, which live rows take out.
    pub(super) pending: bool,
    /// Rejected rows, which rows that fit take out.
    pub(super) rejected: bool,
}

/// Which tables of the connection a segment has put anything into.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    /// Deleted records.
    pub(super) deletes: bool,
    /// Records that left.
    pub(super) left: bool,
    /// Values that do not fit.
    pub(super) rejected: bool,
}

impl Session {
    /// Opens a segment. The epoch is looked at first: no other process can write before this segment ends.
    pub(super) fn begin(&mut self, load: Load, turn: Turn) -> Result<()> {
        self.expect_idle()?;
        let doing = format!("begin to write to table {}", self.plan.table);
        let connection = self.connection()?;
        let begun = connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|error| self.failure(&doing, error))?;
        let segment = self.first_look(load, turn);
        match segment {
            Ok(segment) => {
                self.segment = Some(segment);
                Ok(())
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    fn first_look(&mut self, load: Load, turn: Turn) -> Result<Segment> {
        self.compare_epoch()?;
        let doing = format!("read table {}", self.plan.table);
        let object = self.plan.object.clone();
        let highest_rowid = self.statements.highest_rowid.clone();
        let connection = self.connection()?;
        let look = |connection: &Connection| {
            connection.execute(statement::RESET_LAST_ROWID, [])?;
            let highest_rowid = connection
                .prepare_cached(&highest_rowid)?
                .query_row([], |row| row.get(0))?;
            let has = |sql| {
                let mut select = connection.prepare_cached(sql)?;
                select.query_row([object.as_str()], |row| row.get::<_, bool>(0))
            };
            let had = Had {
                pending: has(statement::HAS_PENDING)?,
                rejected: has(statement::HAS_REJECTED)?,
            };
            Ok((highest_rowid, had))
        };
        let (highest_rowid, had) = look(connection).map_err(|error| self.failure(&doing, error))?;
        Ok(Segment {
            load,
            highest_rowid,
            had,
            found: Found::default(),
            inserted: 0,
            updated: 0,
            taken_out: 0,
            _turn: turn,
        })
    }

    /// Notes records that left. After an error the segment is gone.
    pub(super) fn leave(&mut self, left: &[Left]) -> Result<()> {
        let noted = self.parts().and_then(|mut parts| {
            let doing = format!("note what left table {}", parts.plan.table);
            parts.leave(left).map_err(|error| parts.failure(&doing, error))
        });
        if noted.is_err() {
            self.roll_back();
        }
        noted
    }

    /// Writes the rows of a batch. After an error the segment is gone.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<()> {
        let written = self.parts().and_then(|mut parts| parts.write(batch));
        if written.is_err() {
            self.roll_back();
        }
        written
    }
}

/// What the loop needs of the plan, and its buffers.
struct Writer<'a> {
    plan: &'a ObjectPlan,
    load: Load,
    /// Each column as its values are written, and as it is planned.
    columns: Vec<(&'a Column, &'a Column)>,
    stamp: String,
    scratch: String,
}

impl Parts<'_> {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let plan = self.plan;
        let doing = format!("write to table {}", plan.table);
        let sql = match self.segment.load {
            Load::Direct => &self.statements.insert,
            Load::Merge => &self.statements.upsert,
            Load::Overwrite => &self.statements.overwrite,
        };
        let prepared = self.connection.prepare_cached(sql);
        let mut statement = prepared.map_err(|error| self.failure(&doing, error))?;
        let mut writer = Writer {
            plan,
            load: self.segment.load,
            columns: statement::bound(self.layout).zip(statement::bound(plan)).collect(),
            stamp: String::new(),
            scratch: String::new(),
        };
        for row in 0..batch.rows() {
            let written = match writer.begin_row(batch, row)? {
                Record { id, deleted: true } => self.find_delete(id, &writer.stamp).map(|()| Wrote::Nothing),
                Record { id, deleted: false } => match self.is_news(id, &writer.stamp) {
                    Ok(true) => {
                        let wrote = writer.write(self.connection, &mut statement, batch, row)?;
                        self.settle_rejected(id, &writer.stamp, &wrote).map(|()| wrote)
                    }
                    Ok(false) => Ok(Wrote::Nothing),
                    Err(error) => Err(error),
                },
            };
            match written.map_err(|error| self.failure(&doing, error))? {
                Wrote::Nothing | Wrote::Rejected(_) => {}
                Wrote::Inserted => self.segment.inserted += 1,
                Wrote::Updated => self.segment.updated += 1,
                Wrote::Failed(error) => return Err(self.failure(&doing, error)),
            }
        }
        Ok(())
    }

    fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(parameters)
    }

    fn ask(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<bool> {
        let mut select = self.connection.prepare_cached(sql)?;
        select.query_row(parameters, |row| row.get(0))
    }

    /// Remembers a deleted record, and takes its row back where this segment inserted an older form of it.
    fn find_delete(&mut self, id: &str, stamp: &str) -> rusqlite::Result<()> {
        match self.plan.deletes {
            Deletes::Remove | Deletes::Mark => {}
            Deletes::Ignore => return self.find_left(id, None),
        }
        self.run(statement::FIND_DELETE, [id, stamp])?;
        self.segment.found.deletes = true;
        if self.segment.found.rejected {
            self.run(statement::UNFIND_REJECTED, [id, stamp])?;
        }
        let highest_rowid = self.segment.highest_rowid;
        if self.run(&self.statements.undo_insert, params![id, stamp, highest_rowid])? > 0 {
            self.segment.inserted = self.segment.inserted.saturating_sub(1);
            // The rowid is free again, and the next row may get it.
            self.run(statement::RESET_LAST_ROWID, [])?;
        }
        Ok(())
    }

    fn leave(&mut self, left: &[Left]) -> rusqlite::Result<()> {
        for Left { id, stamp } in left {
            self.find_left(id, stamp.map(state::text).as_deref())?;
        }
        Ok(())
    }

    /// Remembers a record that left. Where deletes are ignored there is nothing to remember but that its values, which did
    /// not fit, are gone.
    fn find_left(&mut self, id: &str, stamp: Option<&str>) -> rusqlite::Result<()> {
        if self.segment.found.rejected {
            self.run(statement::DISPROVE_REJECTED, [id])?;
        }
        let is_remembered = match self.plan.deletes {
            Deletes::Remove | Deletes::Mark => true,
            Deletes::Ignore => self.segment.had.rejected,
        };
        if is_remembered {
            self.run(statement::FIND_LEFT, params![id, stamp])?;
            self.segment.found.left = true;
        }
        Ok(())
    }

    /// Takes out what a live row disproves; false where the segment has a newer form of its record.
    fn is_news(&mut self, id: &str, stamp: &str) -> rusqlite::Result<bool> {
        let by_id = match self.segment.load {
            Load::Direct | Load::Merge => false,
            Load::Overwrite => true,
        };
        if self.segment.had.pending {
            let object = self.plan.object.as_str();
            let entries = if by_id {
                self.run(statement::DISPROVE_PENDING, [object, id])?
            } else {
                self.run(statement::TAKE_OUT_PENDING, [object, id, stamp])?
            };
            self.segment.taken_out += u64::try_from(entries).unwrap_or_default();
        }
        if self.segment.found.left {
            self.run(statement::UNFIND_LEFT, [id])?;
        }
        if self.segment.found.deletes {
            if by_id {
                self.run(statement::DISPROVE_DELETE, [id])?;
            } else {
                self.run(statement::UNFIND_DELETE, [id, stamp])?;
                if self.ask(statement::IS_FOUND_DELETED, [id])? {
                    return Ok(false);
                }
            }
        }
        let is_older = self.segment.found.rejected && !by_id && self.ask(statement::IS_FOUND_REJECTED, [id, stamp])?;
        Ok(!is_older)
    }

    /// Remembers which values of a row did not fit, or that all of them do.
    fn settle_rejected(&mut self, id: &str, stamp: &str, wrote: &Wrote) -> rusqlite::Result<()> {
        if self.segment.found.rejected {
            self.run(statement::DISPROVE_REJECTED, [id])?;
        }
        let rejected = match wrote {
            Wrote::Rejected(rejected) => rejected,
            Wrote::Nothing | Wrote::Inserted | Wrote::Updated | Wrote::Failed(_) => {
                if self.segment.had.rejected {
                    let object = self.plan.object.as_str();
                    let entries = self.run(&self.statements.forget_rejected, [object, id, stamp])?;
                    self.segment.taken_out += u64::try_from(entries).unwrap_or_default();
                }
                return Ok(());
            }
        };
        let is_guarded = match self.segment.load {
            Load::Direct | Load::Merge => true,
            Load::Overwrite => false,
        };
        if is_guarded && self.ask(&self.statements.is_newer, [id, stamp])? {
            return Ok(());
        }
        for (column, reason) in rejected {
            self.run(statement::FIND_REJECTED, [id, column.as_str(), reason, stamp])?;
        }
        self.segment.found.rejected = true;
        Ok(())
    }
}

/// A row's record.
struct Record<'a> {
    id: &'a str,
    deleted: bool,
}

/// What came of a row.
enum Wrote {
    Nothing,
    Inserted,
    Updated,
    /// These columns' values do not fit.
    Rejected(Vec<(Identifier, Problem)>),
    Failed(rusqlite::Error),
}

impl Writer<'_> {
    /// Reads key, stamp and the mark of deletion; the stamp stays in `self.stamp`, in the form of the database.
    fn begin_row<'b>(&mut self, batch: &'b Batch, row: usize) -> Result<Record<'b>> {
        let id = batch
            .get(row, self.plan.id)
            .ok_or_else(|| self.value_error("", self.name_at(0), "is missing"))?;
        let stamp = match self.plan.stamp {
            Some(position) => batch.get(row, position),
            None => Some(statement::NO_STAMP),
        };
        let problem = match stamp {
            None => Some("is missing"),
            Some(text) => match encode::datetime(text, &mut self.scratch) {
                Ok(stamp) => {
                    self.stamp.clear();
                    self.stamp.push_str(stamp);
                    None
                }
                Err(problem) => Some(problem),
            },
        };
        if let Some(problem) = problem {
            return Err(self.value_error(id, self.name_at(1), problem));
        }
        let deleted = match self.plan.is_deleted.and_then(|position| batch.get(row, position)) {
            None => false,
            Some(text) => {
                value::boolean(text).map_err(|problem| self.value_error(id, Identifier::new("is_deleted"), problem))?
            }
        };
        Ok(Record { id, deleted })
    }

    /// Binds the columns of a row and runs the statement, if all of them fit.
    fn write(
        &mut self,
        connection: &Connection,
        statement: &mut Statement<'_>,
        batch: &Batch,
        row: usize,
    ) -> Result<Wrote> {
        let mut rejected = Vec::new();
        for (position, (column, planned)) in self.columns.iter().enumerate() {
            let scratch = &mut self.scratch;
            let bound = match &column.source {
                // Key and stamp of the row are checked and in their form.
                ColumnSource::Field(field)
                    if Some(*field) == self.plan.stamp && column.kind == ColumnKind::Timestamp =>
                {
                    encode::bind(statement, position + 1, TEXT, Some(&self.stamp), scratch)
                }
                ColumnSource::Field(field) => {
                    encode::bind(statement, position + 1, column.kind, batch.get(row, *field), scratch)
                }
                ColumnSource::Template(template) => {
                    let url = template.render(|field| batch.get(row, field));
                    encode::bind(statement, position + 1, column.kind, url.as_deref(), scratch)
                }
                // Written as literals of the statement, or not at all.
                ColumnSource::Empty | ColumnSource::Null | ColumnSource::IsDeleted | ColumnSource::DeletedAt => Ok(()),
            };
            match bound {
                Ok(()) => {}
                Err(BindError::Sqlite(error)) => return Ok(Wrote::Failed(error)),
                Err(BindError::Value(problem)) => rejected.push((planned.name.clone(), problem)),
            }
        }
        if rejected.is_empty() {
            self.run(connection, statement)
        } else {
            Ok(Wrote::Rejected(rejected))
        }
    }

    fn run(&self, connection: &Connection, statement: &mut Statement<'_>) -> Result<Wrote> {
        let before = connection.last_insert_rowid();
        match statement.raw_execute() {
            Ok(0) => Ok(Wrote::Nothing),
            Ok(_) if connection.last_insert_rowid() == before => Ok(Wrote::Updated),
            Ok(_) => Ok(Wrote::Inserted),
            Err(error) if self.load == Load::Direct && is_unique_violation(&error) => Err(Error::RowsExist {
                object: self.plan.object.clone(),
            }),
            Err(error) => Ok(Wrote::Failed(error)),
        }
    }

    fn name_at(&self, position: usize) -> Identifier {
        let column = self.plan.columns.get(position);
        column.map_or_else(|| Identifier::new(""), |column| column.name.clone())
    }

    fn value_error(&self, id: &str, column: Identifier, problem: Problem) -> Error {
        Error::Value {
            object: self.plan.object.clone(),
            id: id.to_owned(),
            column,
            problem,
        }
    }
}

/// The kind of what is bound as it stands.
const TEXT: ColumnKind = ColumnKind::Text { length: None };

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        failure.code == ErrorCode::ConstraintViolation
            && [
                rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
                rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE,
            ]
            .contains(&failure.extended_code)
    })
}
