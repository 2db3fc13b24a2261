//! A replicator goes, and its tables with it.
//!
//! As in PostgreSQL: each object is claimed in a transaction that does nothing else, then table and state go in one of
//! their own. SQLite drops a table that a view reads, and the view is broken from then on. So the views that can be read
//! before are read after, and where one of them cannot any more the table comes back. The file stays, also where nothing is
//! left in it: it may hold what others have put there.

use std::{collections::BTreeSet, path::Path};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use salesforce::ErrorKind;

use super::{
    connect::{failure, open_existing},
    retire, schema, statement,
    tables::exists,
};
use crate::{
    Error, Result,
    destination::{Purged, purging::Purging},
    plan::ObjectName,
};

/// Drops all that a replicator has in the file.
pub(super) fn purge(path: &Path, replicator: &str) -> Result<Purged> {
    let failed = |error| failure(path, "read the replication state", error);
    let Some(mut connection) = open_existing(path)? else {
        return Ok(Purged::default());
    };
    if !exists(&connection, "_replication_state").map_err(failed)? {
        return Ok(Purged::default());
    }
    schema::prepare(&mut connection, path)?;
    let mut purge = Purge {
        path,
        connection,
        replicator,
        purging: Purging::default(),
    };
    purge.objects()?;
    purge.retired()?;
    purge.state()?;
    purge.purging.end()
}

/// A purge under way.
struct Purge<'a> {
    path: &'a Path,
    connection: Connection,
    replicator: &'a str,
    purging: Purging,
}

impl Purge<'_> {
    fn failed(&self, error: rusqlite::Error) -> Error {
        failure(self.path, "drop a replicator's tables", error)
    }

    fn objects(&mut self) -> Result<()> {
        let sql = "SELECT object, table_name FROM _replication_state WHERE replicator = ?1 ORDER BY object";
        for (object, table) in self.list(sql)? {
            if let Some(epoch) = self.claim(&object)? {
                self.step(|purge, transaction| purge.drop_object(transaction, &object, &table, epoch))?;
            }
        }
        Ok(())
    }

    /// Fences every process that has the object open; `None` where it is not this replicator's any more.
    fn claim(&mut self, object: &str) -> Result<Option<i64>> {
        let sql =
            "UPDATE _replication_state SET epoch = epoch + 1 WHERE object = ?1 AND replicator = ?2 RETURNING epoch";
        let claimed = self
            .connection
            .query_row(sql, [object, self.replicator], |row| row.get(0))
            .optional();
        claimed.map_err(|error| self.failed(error))
    }

    /// Drops the table of an object that was claimed, and its state; gives its name where it was there.
    fn drop_object(
        &self,
        transaction: &Transaction<'_>,
        object: &str,
        table: &str,
        epoch: i64,
    ) -> Result<Option<String>> {
        let sql = "DELETE FROM _replication_state WHERE object = ?1 AND table_name = ?2 AND epoch = ?3";
        let forgotten = transaction.execute(sql, params![object, table, epoch]);
        let is_claimed = forgotten.map_err(|error| self.failed(error))? > 0;
        let object = ObjectName::new(object);
        if !is_claimed {
            return Err(Error::Fenced { object });
        }
        retire::forget(transaction, &object).map_err(|error| self.failed(error))?;
        let is_dropped = self.drop_table(transaction, table, &object)?;
        Ok(is_dropped.then(|| table.to_owned()))
    }

    fn retired(&mut self) -> Result<()> {
        let sql = "SELECT table_name, object FROM _retired_table WHERE replicator = ?1 ORDER BY table_name";
        for (table, object) in self.list(sql)? {
            self.step(|purge, transaction| purge.drop_retired(transaction, &table, &object))?;
        }
        Ok(())
    }

    fn drop_retired(&self, transaction: &Transaction<'_>, table: &str, object: &str) -> Result<Option<String>> {
        let sql = "DELETE FROM _retired_table WHERE table_name = ?1 AND replicator = ?2";
        let forgotten = transaction.execute(sql, [table, self.replicator]);
        // None where it was taken back since the list was read.
        let is_dropped = forgotten.map_err(|error| self.failed(error))? > 0
            && self.drop_table(transaction, table, &ObjectName::new(object))?;
        Ok(is_dropped.then(|| table.to_owned()))
    }

    fn list(&self, sql: &str) -> Result<Vec<(String, String)>> {
        let listed = self.connection.prepare(sql).and_then(|mut select| {
            let rows = select.query_map([self.replicator], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        listed.map_err(|error| self.failed(error))
    }

    /// A transaction: what it dropped, or what stood in its way.
    fn step(&mut self, body: impl FnOnce(&Self, &Transaction<'_>) -> Result<Option<String>>) -> Result<()> {
        // Unchecked, since the body reads the rest of the purge; there is no other transaction on this connection.
        let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| self.failed(error))?;
        let outcome = body(self, &transaction).and_then(|dropped| {
            transaction.commit().map_err(|error| self.failed(error))?;
            Ok(dropped)
        });
        match outcome {
            Ok(Some(table)) => self.purging.dropped(&table),
            Ok(None) => {}
            Err(error) => self.purging.kept(error),
        }
        Ok(())
    }

    /// Drops a table that is there and ours; gives whether it was.
    fn drop_table(&self, transaction: &Transaction<'_>, table: &str, object: &ObjectName) -> Result<bool> {
        let failed = |error| self.failed(error);
        if !exists(transaction, table).map_err(failed)? {
            return Ok(false);
        }
        if !is_ours(transaction, table).map_err(failed)? {
            tracing::warn!(table, %object, "the table is not replication's any more, it is left alone");
            return Ok(false);
        }
        let what = format!("table {table}");
        self.drop_relations(transaction, &what, &[("TABLE", table)])?;
        Ok(true)
    }

    /// Drops tables and views, where no view of others breaks.
    fn drop_relations(&self, transaction: &Transaction<'_>, what: &str, relations: &[(&str, &str)]) -> Result<()> {
        let failed = |error| failure(self.path, &format!("drop {what}"), error);
        let before = readable_views(transaction).map_err(failed)?;
        for (kind, name) in relations {
            transaction
                .execute_batch(&statement::drop_relation(kind, name))
                .map_err(failed)?;
        }
        let after = readable_views(transaction).map_err(failed)?;
        let is_dropped = |view: &String| relations.iter().any(|(_, name)| view == name);
        let broken: Vec<String> = before
            .difference(&after)
            .filter(|view| !is_dropped(view))
            .map(|view| format!("view {view}"))
            .collect();
        if broken.is_empty() {
            return Ok(());
        }
        let (depends, them) = match broken.as_slice() {
            [_] => ("depends", "that"),
            _ => ("depend", "those"),
        };
        Err(Error::Database {
            kind: ErrorKind::Invalid,
            message: format!(
                "{}: {what} cannot be dropped, since {} {depends} on it: drop {them} first, or keep the tables",
                self.path.display(),
                broken.join(", ")
            ),
            source: None,
        })
    }

    /// Drops the state tables when nobody has anything in them.
    fn state(&mut self) -> Result<()> {
        self.step(|purge, transaction| {
            let sql = "SELECT EXISTS (SELECT 1 FROM _replication_state) OR EXISTS (SELECT 1 FROM _retired_table)";
            let is_used: bool = transaction
                .query_row(sql, [], |row| row.get(0))
                .map_err(|error| purge.failed(error))?;
            if !is_used {
                let relations: Vec<(&str, &str)> = schema::relations()
                    .map(|name| (if name == "_freshness" { "VIEW" } else { "TABLE" }, name))
                    .collect();
                purge.drop_relations(transaction, "the state tables", &relations)?;
            }
            Ok(None)
        })
    }
}

/// Whether a table looks like one of ours, and is nobody's by now: who forgot it a moment ago is not in the state any more.
fn is_ours(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE) \
               AND EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = 'salesforce_id' AND pk = 1) \
               AND NOT EXISTS (SELECT 1 FROM _replication_state WHERE table_name = ?1 COLLATE NOCASE)";
    connection.query_row(sql, [table], |row| row.get(0))
}

/// The views whose tables and columns are all there.
fn readable_views(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut select = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'view'")?;
    let views = select.query_map([], |row| row.get(0))?;
    let views: Vec<String> = views.collect::<rusqlite::Result<_>>()?;
    let is_readable = |view: &String| connection.prepare(&statement::read_view(view)).is_ok();
    Ok(views.into_iter().filter(is_readable).collect())
}
