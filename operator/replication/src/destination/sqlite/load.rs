//! Segments, and the loop that writes rows.
//!
//! A segment is one `BEGIN IMMEDIATE` transaction. Rows go straight into the table, one by one through one prepared
//! statement, which is as fast as SQLite is (performance.md 1.3); a temporary table in between would cost the load twice.
//! Each row meets the guard in the order of reading, so of two rows for one Id the newer stamp counts, and at equal
//! stamps the later read, as the contract has it. For deleted records the same takes three steps: they are collected
//! in a table of the connection; a live row that is not older takes its entry out, and one that is older is skipped;
//! a row that the segment inserted before it found the newer delete is taken back.
//!
//! **New or changed.** An upsert tells that a row was written and not which of the two it was. The connection's last
//! inserted rowid tells: it is set by an insert and left alone by the update of an upsert. Rowids ascend inside a
//! segment, for nothing but the row taken back leaves the table in it, so equal means updated.

use rusqlite::{Connection, ErrorCode, Statement, params};

use super::{
    encode::{self, BindError},
    session::{Parts, Session},
    statement,
    turns::Turn,
};
use crate::{
    Error, Result,
    batch::Batch,
    destination::Load,
    plan::{Column, ColumnKind, ColumnSource, Deletes, Identifier, ObjectPlan},
    value::{self, Problem},
};

/// A segment under way. It holds the turn until it ends.
#[derive(Debug)]
pub(super) struct Segment {
    load: Load,
    /// Rows with a higher rowid were inserted by this segment.
    highest_rowid: i64,
    /// Whether the object had pending deletes at the begin, which live rows then take out.
    pub(super) has_pending: bool,
    /// Whether the segment found a deleted record.
    pub(super) found_deletes: bool,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    /// Entries that live rows took out of `_pending_delete`.
    pub(super) taken_out: u64,
    /// Given back when the segment is dropped, after its transaction has ended.
    _turn: Turn,
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
            let mut has_pending = connection.prepare_cached(statement::HAS_PENDING)?;
            let has_pending = has_pending.query_row([object.as_str()], |row| row.get(0))?;
            Ok((highest_rowid, has_pending))
        };
        let (highest_rowid, has_pending) = look(connection).map_err(|error| self.failure(&doing, error))?;
        Ok(Segment {
            load,
            highest_rowid,
            has_pending,
            found_deletes: false,
            inserted: 0,
            updated: 0,
            taken_out: 0,
            _turn: turn,
        })
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
    columns: Vec<&'a Column>,
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
        };
        let prepared = self.connection.prepare_cached(sql);
        let mut statement = prepared.map_err(|error| self.failure(&doing, error))?;
        let mut writer = Writer {
            plan,
            load: self.segment.load,
            columns: statement::bound(plan).collect(),
            stamp: String::new(),
            scratch: String::new(),
        };
        for row in 0..batch.rows() {
            let written = match writer.begin_row(batch, row)? {
                Record { id, deleted: true } => match plan.deletes {
                    Deletes::Remove | Deletes::Mark => self.find_delete(id, &writer.stamp).map(|()| Wrote::Nothing),
                    Deletes::Ignore => Ok(Wrote::Nothing),
                },
                Record { id, deleted: false } => match self.disproves_delete(id, &writer.stamp) {
                    Ok(true) => Ok(writer.write(self.connection, &mut statement, batch, row)?),
                    Ok(false) => Ok(Wrote::Nothing),
                    Err(error) => Err(error),
                },
            };
            match written.map_err(|error| self.failure(&doing, error))? {
                Wrote::Nothing => {}
                Wrote::Inserted => self.segment.inserted += 1,
                Wrote::Updated => self.segment.updated += 1,
                Wrote::Failed(error) => return Err(self.failure(&doing, error)),
            }
        }
        Ok(())
    }

    /// Remembers a deleted record, and takes its row back where this segment inserted an older form of it.
    fn find_delete(&mut self, id: &str, stamp: &str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(statement::FIND_DELETE)?
            .execute([id, stamp])?;
        self.segment.found_deletes = true;
        let mut undo = self.connection.prepare_cached(&self.statements.undo_insert)?;
        if undo.execute(params![id, stamp, self.segment.highest_rowid])? > 0 {
            self.segment.inserted = self.segment.inserted.saturating_sub(1);
            // The rowid is free again, and the next row may get it.
            self.connection
                .prepare_cached(statement::RESET_LAST_ROWID)?
                .execute([])?;
        }
        Ok(())
    }

    /// Takes out the deletes that a live row disproves; false where the segment has a newer delete of its record.
    fn disproves_delete(&mut self, id: &str, stamp: &str) -> rusqlite::Result<bool> {
        if self.segment.has_pending {
            let mut take_out = self.connection.prepare_cached(statement::TAKE_OUT_PENDING)?;
            let entries = take_out.execute([self.plan.object.as_str(), id, stamp])?;
            self.segment.taken_out += u64::try_from(entries).unwrap_or_default();
        }
        if self.segment.found_deletes {
            self.connection
                .prepare_cached(statement::UNFIND_DELETE)?
                .execute([id, stamp])?;
            let mut found = self.connection.prepare_cached(statement::IS_FOUND_DELETED)?;
            let newer: bool = found.query_row([id], |row| row.get(0))?;
            return Ok(!newer);
        }
        Ok(true)
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
    Failed(rusqlite::Error),
}

impl Writer<'_> {
    /// Reads key, stamp and the mark of deletion; the stamp stays in `self.stamp`, in the form of the database.
    fn begin_row<'b>(&mut self, batch: &'b Batch, row: usize) -> Result<Record<'b>> {
        let id = batch
            .get(row, self.plan.id)
            .ok_or_else(|| self.value_error("", self.name_at(0), "is missing"))?;
        let problem = match batch.get(row, self.plan.stamp) {
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

    /// Binds the columns of a row and runs the statement.
    fn write(
        &mut self,
        connection: &Connection,
        statement: &mut Statement<'_>,
        batch: &Batch,
        row: usize,
    ) -> Result<Wrote> {
        for position in 0..self.columns.len() {
            let Some(column) = self.columns.get(position).copied() else {
                break;
            };
            let bound = match &column.source {
                // Key and stamp of the row are checked and in their form.
                ColumnSource::Field(field) if *field == self.plan.stamp && column.kind == ColumnKind::Timestamp => {
                    encode::bind(statement, position + 1, TEXT, Some(&self.stamp), &mut self.scratch)
                }
                ColumnSource::Field(field) => encode::bind(
                    statement,
                    position + 1,
                    column.kind,
                    batch.get(row, *field),
                    &mut self.scratch,
                ),
                ColumnSource::Template(template) => {
                    let url = template.render(|field| batch.get(row, field));
                    encode::bind(statement, position + 1, TEXT, url.as_deref(), &mut self.scratch)
                }
                // Written as literals of the statement, or not at all.
                ColumnSource::Empty | ColumnSource::IsDeleted | ColumnSource::DeletedAt => Ok(()),
            };
            match bound {
                Ok(()) => {}
                Err(BindError::Sqlite(error)) => return Ok(Wrote::Failed(error)),
                Err(BindError::Value(problem)) => {
                    let id = batch.get(row, self.plan.id).unwrap_or_default();
                    return Err(self.value_error(id, column.name.clone(), problem));
                }
            }
        }
        self.run(connection, statement)
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
