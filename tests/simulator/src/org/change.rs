//! Changes of rows inside a transaction: create and update, and the row as the transaction sees it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    WriteError,
    record::Record,
    store::{Store, Transaction},
    table::{Found, Look, State, Values, Version},
    value,
};
use crate::{
    clock::to_wire,
    data::Generator,
    schema::{FieldType, Object},
};

/// When and by whom rows are changed.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Whole seconds.
    pub(crate) now: Timestamp,
    /// The user in the audit fields.
    pub(crate) user_id: String,
    /// Days in the recycle bin.
    pub(crate) bin_days: u32,
    /// Hours that an emptied bin's rows stay visible to queryAll.
    pub(crate) gone_hours: u32,
}

/// What a change does to the stamps of a row (salesforce-api.md 6.2, 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stamps {
    /// A person's change: SystemModstamp and `LastModifiedDate` move.
    #[default]
    Both,
    /// An automated process: SystemModstamp moves.
    SystemModstamp,
    /// A formula, or data changed in the database: nothing moves.
    Neither,
}

/// Work inside one transaction.
pub(crate) struct Change<'a> {
    pub(super) store: &'a Store,
    pub(super) transaction: &'a mut Transaction,
    pub(super) context: &'a Context,
}

impl<'a> Change<'a> {
    pub(super) fn new(store: &'a Store, transaction: &'a mut Transaction, context: &'a Context) -> Self {
        Self {
            store,
            transaction,
            context,
        }
    }

    /// Makes a row; returns its Id.
    pub(crate) fn create(&mut self, object: &str, values: &[(String, String)]) -> Result<String, WriteError> {
        let object = self.store.object(object)?;
        let table = self
            .store
            .table(object)
            .ok_or_else(|| WriteError::missing(&object.name, "its table"))?;
        let now = to_wire(self.context.now);
        let mut all = Values::new();
        for (field, text) in [
            ("CreatedDate", &now),
            ("LastModifiedDate", &now),
            ("SystemModstamp", &now),
            ("CreatedById", &self.context.user_id),
            ("LastModifiedById", &self.context.user_id),
            ("OwnerId", &self.context.user_id),
        ] {
            if object.field(field).is_some() {
                all.insert(field.to_owned(), Some(text.clone()));
            }
        }
        for field in &object.fields {
            if let Some(default) = &field.default_value
                && field.field_type != FieldType::Boolean
                && field.name != "Id"
            {
                all.insert(field.name.clone(), Some(default.clone()));
            }
        }
        read_values(object, values, &mut all)?;
        let n = table.take_number();
        for field in object.fields.iter().filter(|field| field.auto_number) {
            all.insert(field.name.clone(), Some(format!("{n:08}")));
        }
        self.put(object, n, all, State::Live, self.context.now.as_second());
        Ok(Generator::id(object, n))
    }

    /// Changes a row, and the other row of a person account.
    pub(crate) fn update(
        &mut self,
        object: &str,
        id: &str,
        values: &[(String, String)],
        stamps: Stamps,
    ) -> Result<(), WriteError> {
        self.update_row(object, id, values, stamps)?;
        let object = self.store.object(object)?;
        self.mirror(object, id, values, stamps)
    }

    pub(super) fn update_row(
        &mut self,
        object: &str,
        id: &str,
        values: &[(String, String)],
        stamps: Stamps,
    ) -> Result<(), WriteError> {
        let object = self.store.object(object)?;
        let n = number(object, id)?;
        let row = self.row(object, n)?;
        if row.state != State::Live {
            return Err(WriteError::new(
                "ENTITY_IS_DELETED",
                format!("{} {id} is deleted", object.name),
            ));
        }
        let mut all = Values::clone(&row.values);
        let now = to_wire(self.context.now);
        if stamps == Stamps::Both {
            set(object, &mut all, "LastModifiedDate", &now);
            set(object, &mut all, "LastModifiedById", &self.context.user_id);
        }
        if stamps != Stamps::Neither {
            set(object, &mut all, "SystemModstamp", &now);
        }
        read_values(object, values, &mut all)?;
        let stamp = if stamps == Stamps::Neither {
            row.stamp
        } else {
            self.context.now.as_second()
        };
        self.put(object, n, all, State::Live, stamp);
        Ok(())
    }

    /// Live rows that point to a row.
    pub(super) fn children(&self, child: &Object, reference: &str, parent: &Object, n: u64) -> Vec<u64> {
        let Some(field) = child.field(reference) else {
            return Vec::new();
        };
        let id = Generator::id(parent, n);
        let candidates = self.store.may_point_to(child, field, parent, n);
        let points = |number: &u64| {
            let Ok(row) = self.row(child, *number) else {
                return false;
            };
            row.state == State::Live && self.text(child, *number, &row, reference).is_some_and(|own| own == id)
        };
        self.with_pending(child, candidates)
            .into_iter()
            .filter(points)
            .collect()
    }

    /// These rows, and those of the object that this transaction has written.
    pub(super) fn with_pending(&self, object: &Object, mut numbers: Vec<u64>) -> Vec<u64> {
        let own = (object.name.clone(), 0)..=(object.name.clone(), u64::MAX);
        numbers.extend(self.transaction.rows.range(own).map(|((_, n), _)| *n));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The row as this transaction sees it.
    pub(super) fn row(&self, object: &Object, n: u64) -> Result<Version, WriteError> {
        if let Some(pending) = self.transaction.rows.get(&(object.name.clone(), n)) {
            return match &pending.state {
                State::Gone => Err(WriteError::missing(&object.name, &Generator::id(object, n))),
                State::Live | State::Deleted { .. } => Ok(pending.clone()),
            };
        }
        if self.store.is_locked(&object.name, n) {
            return Err(WriteError::new(
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access to this record",
            ));
        }
        let record = self
            .store
            .record(object, n, self.look())
            .ok_or_else(|| WriteError::missing(&object.name, &Generator::id(object, n)))?;
        Ok(match record.found {
            Found::Changed(version) => version.clone(),
            Found::Base => Version {
                sequence: 0,
                stamp: record.stamp(),
                values: Arc::new(BTreeMap::new()),
                state: State::Live,
            },
        })
    }

    fn look(&self) -> Look {
        Look {
            now: self.context.now,
            as_of: None,
        }
    }

    /// A field of a row of this transaction.
    pub(super) fn text(&self, object: &Object, n: u64, row: &Version, field: &str) -> Option<String> {
        let table = self.store.table(object)?;
        let record = Record {
            store: self.store,
            object,
            table,
            n,
            found: Found::Changed(row),
            look: self.look(),
        };
        record.value_of(field).map(std::borrow::Cow::into_owned)
    }

    pub(super) fn put(&mut self, object: &Object, n: u64, values: Values, state: State, stamp: i64) {
        let mut row = Version {
            sequence: 0,
            stamp,
            values: Arc::new(values),
            state,
        };
        if let Some(name) = self.joined_name(object, n, &row) {
            Arc::make_mut(&mut row.values).insert("Name".to_owned(), Some(name).filter(|name| !name.is_empty()));
        }
        self.transaction.rows.insert((object.name.clone(), n), row);
    }

    /// A person's Name, joined from its components where one of them was changed.
    fn joined_name(&self, object: &Object, n: u64, row: &Version) -> Option<String> {
        if !object
            .components("Name")
            .any(|field| row.values.contains_key(&field.name))
        {
            return None;
        }
        let parts: Vec<String> = ["FirstName", "MiddleName", "LastName", "Suffix"]
            .into_iter()
            .filter_map(|part| self.text(object, n, row, part))
            .collect();
        Some(parts.join(" "))
    }

    pub(super) fn log(&mut self, object: &Object, n: u64) {
        self.transaction
            .log
            .push((object.name.clone(), n, self.context.now.as_second()));
    }
}

/// The row's number in an Id of 15 or 18 characters.
pub(crate) fn number(object: &Object, id: &str) -> Result<u64, WriteError> {
    Generator::number(object, id).ok_or_else(|| WriteError::missing(&object.name, id))
}

pub(super) fn set(object: &Object, values: &mut Values, field: &str, text: &str) {
    if object.field(field).is_some() {
        values.insert(field.to_owned(), Some(text.to_owned()));
    }
}

/// Adds what a caller gave. Audit fields may be set, as with "Set Audit Fields upon Record Creation".
fn read_values(object: &Object, given: &[(String, String)], into: &mut Values) -> Result<(), WriteError> {
    for (name, text) in given {
        let field = object.field(name).ok_or_else(|| {
            WriteError::new(
                "INVALID_FIELD",
                format!("No such column '{name}' on sobject of type {}", object.name),
            )
        })?;
        if matches!(field.name.as_str(), "Id" | "IsDeleted" | "SystemModstamp") {
            let message = format!("{}.{} cannot be written", object.name, field.name);
            return Err(WriteError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message));
        }
        into.insert(field.name.clone(), value::normal(object, field, text)?);
    }
    Ok(())
}
