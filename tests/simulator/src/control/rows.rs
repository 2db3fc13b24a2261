//! Changes of rows, and what every row is.

use std::{collections::BTreeMap, sync::Arc};

use super::Control;
use crate::{
    org::{
        Org, WriteError,
        change::{Change, Context, Stamps, number},
        people::{Converted, Person},
    },
    schema::{Field, Object},
    soap::envelope::is_forbidden,
};

/// A list of fields and texts, as a test writes it. An empty text is null.
pub(super) fn owned(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|&(field, text)| (field.to_owned(), text.to_owned()))
        .collect()
}

impl Control {
    /// Makes a row with these values; returns its Id.
    ///
    /// # Errors
    /// What Salesforce answers to a create that it refuses.
    pub fn create(&self, object: &str, values: &[(&str, &str)]) -> Result<String, WriteError> {
        self.write(None, |change| change.create(object, &owned(values)))
    }

    /// Makes many rows in one transaction, all with one stamp; `values` is asked for each of them.
    ///
    /// # Errors
    /// As [`Control::create`]; then none is made.
    pub fn create_many(
        &self,
        object: &str,
        rows: u64,
        values: impl Fn(u64) -> Vec<(String, String)>,
    ) -> Result<Vec<String>, WriteError> {
        self.write(None, |change| {
            (0..rows).map(|row| change.create(object, &values(row))).collect()
        })
    }

    /// Changes a row, as a person does: SystemModstamp and `LastModifiedDate` move.
    ///
    /// # Errors
    /// What Salesforce answers to an update that it refuses.
    pub fn update(&self, object: &str, id: &str, values: &[(&str, &str)]) -> Result<(), WriteError> {
        self.update_with(object, id, values, Stamps::Both)
    }

    /// Changes a row, and the stamps that `stamps` says: none for what formulas and data fixes do.
    ///
    /// # Errors
    /// As [`Control::update`].
    pub fn update_with(
        &self,
        object: &str,
        id: &str,
        values: &[(&str, &str)],
        stamps: Stamps,
    ) -> Result<(), WriteError> {
        self.write(None, |change| change.update(object, id, &owned(values), stamps))
    }

    /// Deletes a row into the recycle bin, with its master-detail children.
    ///
    /// # Errors
    /// What Salesforce answers to a delete that it refuses.
    pub fn delete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        self.write(None, |change| change.delete(object, id))
    }

    /// Takes a row back out of the recycle bin.
    ///
    /// # Errors
    /// It is not there.
    pub fn undelete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        self.write(None, |change| change.undelete(object, id))
    }

    /// Deletes a row past the recycle bin: queryAll does not show it.
    ///
    /// # Errors
    /// It is not there.
    pub fn hard_delete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        self.write(None, |change| change.hard_delete(object, id))
    }

    /// Merges rows into one.
    ///
    /// # Errors
    /// A row is not there, or the object cannot be merged.
    pub fn merge(&self, object: &str, master: &str, losers: &[&str]) -> Result<(), WriteError> {
        let losers: Vec<String> = losers.iter().map(|&loser| loser.to_owned()).collect();
        self.write(None, |change| change.merge(object, master, &losers))
    }

    /// Converts a lead into an account and a contact.
    ///
    /// # Errors
    /// It is not there, or converted already.
    pub fn convert_lead(&self, id: &str) -> Result<Converted, WriteError> {
        self.write(None, |change| change.convert_lead(id))
    }

    /// Makes a person account; `values` are fields of Account (`LastName`, `PersonEmail`, ..). A later change of one of its two
    /// rows reaches the other.
    ///
    /// # Errors
    /// The org has no person accounts, or what Salesforce answers to a create that it refuses.
    pub fn create_person(&self, values: &[(&str, &str)]) -> Result<Person, WriteError> {
        self.write(None, |change| change.create_person(&owned(values)))
    }

    /// Empties the recycle bin of an object; returns how many rows were in it.
    ///
    /// # Errors
    /// There is no such object.
    pub fn empty_bin(&self, object: &str) -> Result<u64, WriteError> {
        self.write(None, |change| change.empty_bin(object))
    }

    /// Purges the delete log of an object: getDeleted fails for windows that begin earlier.
    ///
    /// # Errors
    /// There is no such object.
    pub fn purge_delete_log(&self, object: &str) -> Result<(), WriteError> {
        let now = self.org.clock.now();
        self.org.store_mut().purge_deletes(object, now)
    }

    /// Opens a transaction: what is written in it has the stamps of its writing, and is seen from its commit on.
    pub fn begin(&self) -> Transaction {
        let number = self.org.store_mut().begin(self.org.clock.stamp());
        Transaction {
            control: self.clone(),
            number,
        }
    }

    /// A transaction that is open, by its number.
    pub fn transaction(&self, number: u64) -> Transaction {
        Transaction {
            control: self.clone(),
            number,
        }
    }

    /// Every row of an object that queryAll would show to an administrator, by Id, with all its fields.
    ///
    /// # Errors
    /// There is no such object.
    pub fn rows(&self, object: &str) -> Result<Rows, WriteError> {
        self.rows_with(object, None)
    }

    /// The same with these fields only, which is quicker.
    ///
    /// # Errors
    /// There is no such object.
    pub fn rows_of(&self, object: &str, fields: &[&str]) -> Result<Rows, WriteError> {
        self.rows_with(object, Some(fields.iter().map(|field| field.to_lowercase()).collect()))
    }

    fn rows_with(&self, object: &str, fields: Option<Vec<String>>) -> Result<Rows, WriteError> {
        let object = self.org.store().object(object)?.name.clone();
        Ok(Rows {
            org: Arc::clone(&self.org),
            object,
            fields,
            next: 0,
            position: 0,
            buffer: Vec::new(),
        })
    }

    /// One row with all its fields, if queryAll would show it to an administrator.
    ///
    /// # Errors
    /// There is no such object.
    pub fn row(&self, object: &str, id: &str) -> Result<Option<Row>, WriteError> {
        let store = self.org.store();
        let object = store.object(object)?;
        let Ok(n) = number(object, id) else { return Ok(None) };
        Ok(store
            .record(object, n, self.org.look())
            .map(|record| read(&record, None)))
    }

    /// The Id of the n-th row of an object, counted from 0. Generated rows come first.
    ///
    /// # Errors
    /// There is no such object.
    pub fn id(&self, object: &str, n: u64) -> Result<String, WriteError> {
        let store = self.org.store();
        Ok(crate::data::Generator::id(store.object(object)?, n))
    }

    pub(super) fn write<R>(
        &self,
        transaction: Option<u64>,
        work: impl FnOnce(&mut Change<'_>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let context: Context = self.org.context(&self.org.administrator());
        self.org.store_mut().write(transaction, &context, work)
    }
}

/// An open transaction. Dropped without commit it stays open, as a batch job that takes its time.
#[derive(Debug, Clone)]
pub struct Transaction {
    control: Control,
    number: u64,
}

impl Transaction {
    /// Its number, for [`Control::transaction`].
    pub fn number(&self) -> u64 {
        self.number
    }

    /// As [`Control::create`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has the row.
    pub fn create(&self, object: &str, values: &[(&str, &str)]) -> Result<String, WriteError> {
        self.write(|change| change.create(object, &owned(values)))
    }

    /// As [`Control::update`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has the row.
    pub fn update(&self, object: &str, id: &str, values: &[(&str, &str)]) -> Result<(), WriteError> {
        self.update_with(object, id, values, Stamps::Both)
    }

    /// As [`Control::update_with`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has the row.
    pub fn update_with(
        &self,
        object: &str,
        id: &str,
        values: &[(&str, &str)],
        stamps: Stamps,
    ) -> Result<(), WriteError> {
        self.write(|change| change.update(object, id, &owned(values), stamps))
    }

    /// As [`Control::delete`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has the row.
    pub fn delete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        self.write(|change| change.delete(object, id))
    }

    /// As [`Control::undelete`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has the row.
    pub fn undelete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        self.write(|change| change.undelete(object, id))
    }

    /// As [`Control::hard_delete`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has the row.
    pub fn hard_delete(&self, object: &str, id: &str) -> Result<(), WriteError> {
        self.write(|change| change.hard_delete(object, id))
    }

    /// As [`Control::merge`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has one of the rows.
    pub fn merge(&self, object: &str, master: &str, losers: &[&str]) -> Result<(), WriteError> {
        let losers: Vec<String> = losers.iter().map(|&loser| loser.to_owned()).collect();
        self.write(|change| change.merge(object, master, &losers))
    }

    /// As [`Control::convert_lead`].
    ///
    /// # Errors
    /// As there; `UNABLE_TO_LOCK_ROW` where another transaction has the row.
    pub fn convert_lead(&self, id: &str) -> Result<Converted, WriteError> {
        self.write(|change| change.convert_lead(id))
    }

    /// Makes everything visible at once.
    ///
    /// # Errors
    /// It is not open any more.
    pub fn commit(self) -> Result<(), WriteError> {
        self.control.org.store_mut().commit(self.number)
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// It is not open any more.
    pub fn roll_back(self) -> Result<(), WriteError> {
        self.control.org.store_mut().roll_back(self.number)
    }

    fn write<R>(&self, work: impl FnOnce(&mut Change<'_>) -> Result<R, WriteError>) -> Result<R, WriteError> {
        self.control.write(Some(self.number), work)
    }
}

/// A row as the API would send it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// 18 characters.
    pub id: String,
    /// In the recycle bin, or on its way out of sight.
    pub deleted: bool,
    /// Text by field, null as `None`, without the characters that XML forbids; compound fields are left out, their
    /// components are there.
    pub fields: BTreeMap<String, Option<String>>,
}

/// Rows by Id. They are read some at a time: what is changed meanwhile may or may not show.
#[derive(Debug)]
pub struct Rows {
    org: Arc<Org>,
    object: String,
    /// In lower case.
    fields: Option<Vec<String>>,
    /// The first row that was not looked at.
    next: u64,
    /// The row after the last one that was given out.
    position: u64,
    /// With their numbers, last first.
    buffer: Vec<(u64, Row)>,
}

/// Rows that are read under one lock.
const READ_AHEAD: u64 = 500;

impl Rows {
    /// Begins at this row instead of the first.
    #[must_use]
    pub(super) fn from(mut self, n: u64) -> Self {
        self.next = n;
        self.position = n;
        self
    }

    /// The number of the row after the last one that was given out.
    pub(super) fn position(&self) -> u64 {
        self.position
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while self.buffer.is_empty() {
            let store = self.org.store();
            let object = store.schema.object(&self.object)?;
            let end = store.table(object)?.end();
            if self.next >= end {
                self.position = end;
                return None;
            }
            let until = end.min(self.next + READ_AHEAD);
            let look = self.org.look();
            let fields = self.fields.as_deref();
            self.buffer = (self.next..until)
                .rev()
                .filter_map(|n| store.record(object, n, look))
                .map(|record| (record.n, read(&record, fields)))
                .collect();
            self.next = until;
        }
        let (n, row) = self.buffer.pop()?;
        self.position = n + 1;
        Some(row)
    }
}

/// The API never sends them (salesforce-api.md 3.1).
fn without_forbidden(text: &str) -> String {
    text.chars().filter(|&character| !is_forbidden(character)).collect()
}

fn read(record: &crate::org::record::Record<'_>, fields: Option<&[String]>) -> Row {
    let object: &Object = record.object;
    let wanted = |field: &&Field| {
        !field.field_type.is_compound() && fields.is_none_or(|fields| fields.contains(&field.name.to_lowercase()))
    };
    Row {
        id: record.id(),
        deleted: record.deleted(),
        fields: object
            .fields
            .iter()
            .filter(wanted)
            .map(|field| {
                (
                    field.name.clone(),
                    record.value(field).map(|text| without_forbidden(&text)),
                )
            })
            .collect(),
    }
}
