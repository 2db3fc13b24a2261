//! One table's connection, and what it remembers between calls. All of it lives on the table's thread.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;

use super::{
    connect::{failure, open_existing},
    load::Segment,
    state::Knowledge,
    statement::TableStatements,
};
use crate::{Error, Result, plan::ObjectPlan, state::Owner};

/// What the thread of a table owns.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) path: PathBuf,
    pub(super) plan: Arc<ObjectPlan>,
    /// The plan with the columns that its values go into at the moment, see `exchange`.
    pub(super) layout: Arc<ObjectPlan>,
    pub(super) owner: Owner,
    pub(super) statements: TableStatements,
    pub(super) knowledge: Knowledge,
    // Dropped before the turn that the segment holds: the transaction ends first.
    connection: Option<Connection>,
    pub(super) segment: Option<Segment>,
}

impl Session {
    pub(super) fn new(path: PathBuf, plan: Arc<ObjectPlan>, owner: Owner) -> Self {
        Self {
            path,
            statements: TableStatements::new(&plan),
            layout: Arc::clone(&plan),
            plan,
            owner,
            knowledge: Knowledge::NotRead,
            connection: None,
            segment: None,
        }
    }

    /// Writes the statements for these columns.
    pub(super) fn use_layout(&mut self, layout: ObjectPlan) {
        if *self.layout != layout {
            self.statements = TableStatements::new(&layout);
            self.layout = Arc::new(layout);
        }
    }

    /// The connection, `None` where the file is not there.
    pub(super) fn connection_if_there(&mut self) -> Result<Option<&mut Connection>> {
        if self.connection.is_none() {
            self.connection = open_existing(&self.path)?;
        }
        Ok(self.connection.as_mut())
    }

    /// The connection to a file that must be there.
    pub(super) fn connection(&mut self) -> Result<&mut Connection> {
        let path = self.path.clone();
        self.connection_if_there()?.ok_or_else(|| Error::Database {
            kind: salesforce::ErrorKind::Invalid,
            message: format!(
                "{}: the file is not there; was it moved away while in use?",
                path.display()
            ),
            source: None,
        })
    }

    /// The parts that a segment works with, all at once.
    pub(super) fn parts(&mut self) -> Result<Parts<'_>> {
        let Self {
            path,
            plan,
            layout,
            owner: _,
            statements,
            knowledge: _,
            connection,
            segment,
        } = self;
        match (connection, segment) {
            (Some(connection), Some(segment)) => Ok(Parts {
                path,
                plan,
                layout,
                statements,
                connection,
                segment,
            }),
            _ => Err(Error::Internal(format!("{}: there is no open segment", plan.object))),
        }
    }

    /// Refuses a call that has no place inside a segment.
    pub(super) fn expect_idle(&self) -> Result<()> {
        match self.segment {
            None => Ok(()),
            Some(_) => Err(Error::Internal(format!("{}: a segment is open", self.plan.object))),
        }
    }

    /// Gives the open segment up, and the turn with it.
    pub(super) fn roll_back(&mut self) {
        if let Some(connection) = &self.connection {
            rollback(connection);
        }
        self.segment = None;
    }

    /// An error of SQLite on this file.
    pub(super) fn failure(&self, doing: &str, error: rusqlite::Error) -> Error {
        failure(&self.path, doing, error)
    }

    /// Lends the connection to a body that reads the rest of the session.
    pub(super) fn with_connection<R>(&mut self, body: impl FnOnce(&Self, &Connection) -> Result<R>) -> Result<R> {
        self.connection()?;
        let Some(connection) = self.connection.take() else {
            return Err(Error::Internal("a connection was lost".to_owned()));
        };
        let result = body(self, &connection);
        self.connection = Some(connection);
        result
    }

    /// Runs the body of a transaction that is not a segment: `BEGIN IMMEDIATE`, and COMMIT or ROLLBACK by its result.
    pub(super) fn in_transaction<R>(
        &mut self,
        doing: &str,
        body: impl FnOnce(&Self, &Connection) -> Result<R>,
    ) -> Result<R> {
        self.with_connection(|session, connection| {
            let result = connection
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(|error| session.failure(doing, error))
                .and_then(|()| body(session, connection))
                .and_then(|done| {
                    // A body that found nothing to write has rolled back.
                    if !connection.is_autocommit() {
                        connection
                            .execute_batch("COMMIT")
                            .map_err(|error| session.failure(doing, error))?;
                    }
                    Ok(done)
                });
            if result.is_err() {
                rollback(connection);
            }
            result
        })
    }
}

impl Drop for Session {
    /// Ends the transaction before the turn is given on, so that the next one in the row need not wait in SQLite.
    fn drop(&mut self) {
        self.roll_back();
    }
}

/// See [`Session::parts`].
pub(super) struct Parts<'a> {
    pub(super) path: &'a Path,
    pub(super) plan: &'a ObjectPlan,
    pub(super) layout: &'a ObjectPlan,
    pub(super) statements: &'a TableStatements,
    pub(super) connection: &'a Connection,
    pub(super) segment: &'a mut Segment,
}

impl Parts<'_> {
    pub(super) fn failure(&self, doing: &str, error: rusqlite::Error) -> Error {
        failure(self.path, doing, error)
    }
}

/// Rolls back what is open. SQLite has done it itself after some errors (a full disk), and closing the connection does
/// it too, so an error here has no consequence.
pub(super) fn rollback(connection: &Connection) {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").ok();
    }
}
