//! How rows leave and come back inside a transaction: delete, undelete, hard delete, the recycle bin, merge
//! (salesforce-api.md 6.5).

use jiff::{SignedDuration, Timestamp};

use super::{
    WriteError,
    change::{Change, Stamps, number, set},
    table::{State, Values, Version},
};
use crate::{clock::to_wire, data::Generator, schema::Object};

impl Change<'_> {
    /// Deletes a row, and with it those whose parent it is.
    pub(crate) fn delete(&mut self, object: &str, id: &str) -> Result<(), WriteError> {
        let object = self.store.object(object)?;
        if !object.deletable {
            return Err(WriteError::new(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                format!("rows of {} cannot be deleted", object.name),
            ));
        }
        self.delete_row(object, number(object, id)?, None, None)
    }

    /// Takes a row back out of the recycle bin, with those that went with it.
    pub(crate) fn undelete(&mut self, object: &str, id: &str) -> Result<(), WriteError> {
        let object = self.store.object(object)?;
        let n = number(object, id)?;
        let row = self.row(object, n)?;
        if !matches!(row.state, State::Deleted { in_bin: true, .. }) {
            return Err(WriteError::new(
                "UNDELETE_FAILED",
                format!("{} {id} is not in the recycle bin", object.name),
            ));
        }
        self.restore(object, n, &row);
        for child in self.store.schema.objects() {
            let Some(table) = self.store.table(child) else { continue };
            for number in self.with_pending(child, table.changed().collect()) {
                let Ok(row) = self.row(child, number) else { continue };
                let along = matches!(&row.state, State::Deleted { in_bin: true, with: Some((name, parent)), .. }
                    if *name == object.name && *parent == n);
                if along {
                    self.restore(child, number, &row);
                }
            }
        }
        Ok(())
    }

    /// Deletes rows past the recycle bin: nobody sees them again, and only the delete log tells.
    pub(crate) fn hard_delete(&mut self, object: &str, id: &str) -> Result<(), WriteError> {
        let object = self.store.object(object)?;
        let n = number(object, id)?;
        let row = self.row(object, n)?;
        if row.state == State::Live {
            self.log(object, n);
        }
        let stamp = self.context.now.as_second();
        self.put(object, n, Values::clone(&row.values), State::Gone, stamp);
        Ok(())
    }

    /// Empties the recycle bin of an object: its rows stay visible to queryAll for a while. Returns how many they were.
    pub(crate) fn empty_bin(&mut self, object: &str) -> Result<u64, WriteError> {
        let object = self.store.object(object)?;
        let Some(table) = self.store.table(object) else {
            return Ok(0);
        };
        let mut emptied = 0;
        for n in self.with_pending(object, table.changed().collect()) {
            let Ok(row) = self.row(object, n) else { continue };
            if self.leave_bin(object, n, &row) {
                emptied += 1;
            }
        }
        Ok(emptied)
    }

    /// Takes one row out of the recycle bin for good.
    pub(crate) fn empty_from_bin(&mut self, object: &str, id: &str) -> Result<(), WriteError> {
        let object = self.store.object(object)?;
        let n = number(object, id)?;
        let row = self.row(object, n)?;
        if self.leave_bin(object, n, &row) {
            return Ok(());
        }
        Err(WriteError::new(
            "INVALID_ID_FIELD",
            format!("{} {id} is not in the recycle bin", object.name),
        ))
    }

    fn leave_bin(&mut self, object: &Object, n: u64, row: &Version) -> bool {
        let State::Deleted { in_bin: true, with, .. } = row.state.clone() else {
            return false;
        };
        let gone_from = later(
            self.context.now,
            SignedDuration::from_hours(i64::from(self.context.gone_hours)),
        );
        let state = State::Deleted {
            gone_from,
            in_bin: false,
            with,
        };
        self.put(object, n, Values::clone(&row.values), state, row.stamp);
        true
    }

    /// Merges rows into one: the losers are deleted and point to it, their children become its own.
    pub(crate) fn merge(&mut self, object: &str, master: &str, losers: &[String]) -> Result<(), WriteError> {
        let object = self.store.object(object)?;
        if !object.mergeable {
            return Err(WriteError::new(
                "INVALID_TYPE_FOR_OPERATION",
                format!("{} cannot be merged", object.name),
            ));
        }
        let winner = number(object, master)?;
        let winner_id = Generator::id(object, winner);
        if losers.iter().any(|loser| number(object, loser) == Ok(winner)) {
            return Err(WriteError::new(
                "INVALID_OPERATION",
                "a row cannot be merged into itself",
            ));
        }
        for loser in losers {
            let n = number(object, loser)?;
            for relationship in self.store.schema.child_relationships(&object.name) {
                let child = self.store.object(&relationship.child_object)?;
                for number in self.children(child, &relationship.field, object, n) {
                    let id = Generator::id(child, number);
                    let moved = [(relationship.field.clone(), winner_id.clone())];
                    self.update(&child.name, &id, &moved, Stamps::Both)?;
                }
            }
            self.delete_row(object, n, None, Some(&winner_id))?;
        }
        self.update(&object.name, master, &[], Stamps::Both)
    }

    fn delete_row(
        &mut self,
        object: &Object,
        n: u64,
        with: Option<(String, u64)>,
        master: Option<&str>,
    ) -> Result<(), WriteError> {
        let row = self.row(object, n)?;
        if row.state != State::Live {
            return Err(WriteError::new(
                "ENTITY_IS_DELETED",
                format!("a row of {} is deleted already", object.name),
            ));
        }
        let cascade = with.clone().unwrap_or_else(|| (object.name.clone(), n));
        let mut all = Values::clone(&row.values);
        let now = to_wire(self.context.now);
        for field in ["LastModifiedDate", "SystemModstamp"] {
            set(object, &mut all, field, &now);
        }
        set(object, &mut all, "LastModifiedById", &self.context.user_id);
        if let Some(master) = master {
            set(object, &mut all, "MasterRecordId", master);
        }
        let gone_from = later(
            self.context.now,
            SignedDuration::from_hours(24 * i64::from(self.context.bin_days)),
        );
        self.put(
            object,
            n,
            all,
            State::Deleted {
                gone_from,
                in_bin: true,
                with,
            },
            self.context.now.as_second(),
        );
        self.log(object, n);
        for relationship in self.store.schema.child_relationships(&object.name) {
            if !relationship.cascade_delete && !relationship.restricted_delete {
                continue;
            }
            let child = self.store.object(&relationship.child_object)?;
            for number in self.children(child, &relationship.field, object, n) {
                if relationship.restricted_delete {
                    let message = format!("rows of {} point to a row of {}", child.name, object.name);
                    return Err(WriteError::new("DELETE_FAILED", message));
                }
                self.delete_row(child, number, Some(cascade.clone()), None)?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, object: &Object, n: u64, row: &Version) {
        let mut all = Values::clone(&row.values);
        let now = to_wire(self.context.now);
        for field in ["LastModifiedDate", "SystemModstamp"] {
            set(object, &mut all, field, &now);
        }
        all.remove("MasterRecordId");
        self.put(object, n, all, State::Live, self.context.now.as_second());
    }
}

fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}
