//! The org's data: schema, rows, transactions.
//!
//! Reading goes through [`Record`]s, writing through [`Change`]. A transaction keeps what it wrote to itself until it is
//! committed; stamps are those of the moment of writing, which is what makes late commits (salesforce-api.md 6.3).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    WriteError,
    change::{Change, Context},
    record::Record,
    table::{Look, Table, Version},
};
use crate::{
    data::{Content, Generator, StampRange},
    schema::{Field, Object, Schema},
};

/// Schema, rows, transactions.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) schema: Schema,
    pub(crate) generator: Generator,
    /// By the object's name in describe's case.
    tables: BTreeMap<String, Table>,
    /// Fields as they were made, where they have been renamed: object, present name.
    pub(super) origins: BTreeMap<(String, String), Field>,
    /// Labels in other languages: language, object, field.
    pub(crate) translations: BTreeMap<(String, String, Option<String>), String>,
    /// Rows withdrawn from users without View All Data or View All: user name in lower case and object, numbers.
    pub(super) hidden: BTreeMap<(String, String), BTreeSet<u64>>,
    /// Commits so far.
    sequence: u64,
    transactions: BTreeMap<u64, Transaction>,
    next_transaction: u64,
}

/// What was written and not yet committed.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(crate) begun: Timestamp,
    /// Object and number, and the row as it will be.
    pub(crate) rows: BTreeMap<(String, u64), Version>,
    /// Entries of the delete log: object, number, time in seconds.
    pub(crate) log: Vec<(String, u64, i64)>,
}

impl Transaction {
    fn new(begun: Timestamp) -> Self {
        Self {
            begun,
            rows: BTreeMap::new(),
            log: Vec::new(),
        }
    }
}

/// Who looks at rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Viewer {
    /// In lower case.
    pub(crate) username: String,
    pub(crate) user_id: String,
    pub(crate) view_all_data: bool,
    /// Objects of which every row is seen.
    pub(crate) view_all: Arc<BTreeSet<String>>,
    /// Rows of others are seen unless they are hidden.
    pub(crate) public_read: bool,
}

impl Store {
    pub(crate) fn new(schema: Schema, generator: Generator) -> Self {
        let tables = schema
            .objects()
            .iter()
            .map(|object| (object.name.clone(), Table::new(generator.rows(&object.name))))
            .collect();
        Self {
            schema,
            generator,
            tables,
            origins: BTreeMap::new(),
            translations: BTreeMap::new(),
            hidden: BTreeMap::new(),
            sequence: 0,
            transactions: BTreeMap::new(),
            next_transaction: 0,
        }
    }

    /// An object by name, in any case.
    pub(crate) fn object(&self, name: &str) -> Result<&Object, WriteError> {
        self.schema
            .object(name)
            .ok_or_else(|| WriteError::new("INVALID_TYPE", format!("sObject type '{name}' is not supported.")))
    }

    /// The rows of an object; every object of the schema has a table.
    pub(crate) fn table(&self, object: &Object) -> Option<&Table> {
        self.tables.get(&object.name)
    }

    pub(super) fn tables_mut(&mut self) -> &mut BTreeMap<String, Table> {
        &mut self.tables
    }

    pub(super) fn table_mut(&mut self, object: &str) -> &mut Table {
        self.tables.entry(object.to_owned()).or_default()
    }

    /// The field as the generator knows it: before it was renamed.
    pub(crate) fn origin<'a>(&'a self, object: &Object, field: &'a Field) -> &'a Field {
        if self.origins.is_empty() {
            return field;
        }
        self.origins
            .get(&(object.name.clone(), field.name.clone()))
            .unwrap_or(field)
    }

    /// The row of this number, if anybody sees it.
    pub(crate) fn record<'a>(&'a self, object: &'a Object, n: u64, look: Look) -> Option<Record<'a>> {
        let table = self.table(object)?;
        let found = table.find(n, look)?;
        Some(Record {
            store: self,
            object,
            table,
            n,
            found,
            look,
        })
    }

    /// Whether a user sees a row (sharing, not field-level security): without View All Data, or View All of the object, only
    /// own rows and those of objects that have no owner, unless the org lets everybody read everything.
    pub(crate) fn sees(&self, viewer: &Viewer, record: &Record<'_>) -> bool {
        if viewer.view_all_data || viewer.view_all.contains(&record.object.name) {
            return true;
        }
        let hidden = self.hidden.get(&(viewer.username.clone(), record.object.name.clone()));
        if hidden.is_some_and(|rows| rows.contains(&record.n)) {
            return false;
        }
        viewer.public_read || record.value_of("OwnerId").is_none_or(|owner| owner == viewer.user_id)
    }

    /// Hides a row from a user without View All Data, or shows it again.
    pub(crate) fn hide(&mut self, username: &str, object: &str, n: u64, hidden: bool) {
        let rows = self
            .hidden
            .entry((username.to_lowercase(), object.to_owned()))
            .or_default();
        if hidden {
            rows.insert(n);
        } else {
            rows.remove(&n);
        }
    }

    /// Numbers of the rows with a stamp in the range, by (stamp, number); `to` is exclusive. What is found may have been
    /// deleted.
    pub(crate) fn by_stamp<'a>(
        &'a self,
        object: &'a Object,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> impl Iterator<Item = (i64, u64)> + 'a {
        let table = self.table(object);
        let mut made = self
            .generator
            .rows_by_stamp(object, StampRange { from, to })
            .filter(move |&n| table.is_some_and(|table| !table.is_changed(n)))
            .map(move |n| (self.generator.modstamp(object, n).as_second(), n))
            .peekable();
        let seconds = |moment: Timestamp| moment.as_second();
        let mut changed = table
            .into_iter()
            .flat_map(move |table| table.changed_by_stamp(from.map(seconds), to.map(seconds)))
            .peekable();
        std::iter::from_fn(move || match (made.peek(), changed.peek()) {
            (Some(left), Some(right)) if left <= right => made.next(),
            (_, Some(_)) => changed.next(),
            (_, None) => made.next(),
        })
    }

    /// Numbers of the rows that may point to a row by a reference field: of all rows a small part, where the generator's
    /// rule allows (child n points to parent n modulo the parents).
    pub(crate) fn may_point_to(&self, child: &Object, reference: &Field, parent: &Object, n: u64) -> Vec<u64> {
        let Some(table) = self.table(child) else {
            return Vec::new();
        };
        let parents = self.generator.rows(&parent.name);
        let by_rule = matches!(reference.content, Content::Parent | Content::ByType) && child.name != parent.name;
        let mut numbers: Vec<u64> = if !by_rule {
            (0..table.base).collect()
        } else if n < parents {
            let step = usize::try_from(parents.max(1)).unwrap_or(usize::MAX);
            (n..table.base).step_by(step).collect()
        } else {
            Vec::new()
        };
        numbers.extend(table.changed());
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Purges the delete log of an object where it is due.
    pub(crate) fn inspect_deletes(&mut self, object: &str, now: Timestamp, licences: u32) {
        let name = self.schema.object(object).map(|object| object.name.clone());
        if let Some(table) = name.and_then(|name| self.tables.get_mut(&name)) {
            table.deletes.inspect(now, licences);
        }
    }

    /// Throws the delete log of an object away.
    pub(crate) fn purge_deletes(&mut self, object: &str, now: Timestamp) -> Result<(), WriteError> {
        let name = self.object(object)?.name.clone();
        self.table_mut(&name).deletes.purge(now);
        Ok(())
    }

    /// Opens a transaction.
    pub(crate) fn begin(&mut self, now: Timestamp) -> u64 {
        self.next_transaction += 1;
        self.transactions.insert(self.next_transaction, Transaction::new(now));
        self.next_transaction
    }

    /// Makes what a transaction wrote visible, all at once.
    pub(crate) fn commit(&mut self, transaction: u64) -> Result<(), WriteError> {
        let transaction = self
            .transactions
            .remove(&transaction)
            .ok_or_else(|| no_transaction(transaction))?;
        self.apply(transaction);
        Ok(())
    }

    /// Forgets what a transaction wrote.
    pub(crate) fn roll_back(&mut self, transaction: u64) -> Result<(), WriteError> {
        self.transactions
            .remove(&transaction)
            .map(|_| ())
            .ok_or_else(|| no_transaction(transaction))
    }

    /// When the oldest open transaction began.
    pub(crate) fn oldest_transaction(&self) -> Option<Timestamp> {
        self.transactions.values().map(|transaction| transaction.begun).min()
    }

    /// Commits so far: what a query sees.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether another open transaction has written this row.
    pub(super) fn is_locked(&self, object: &str, n: u64) -> bool {
        self.transactions
            .values()
            .any(|other| other.rows.contains_key(&(object.to_owned(), n)))
    }

    /// Whether an open transaction has written rows of this object.
    pub(super) fn is_being_written(&self, object: &str) -> bool {
        self.transactions
            .values()
            .any(|open| open.rows.keys().any(|(name, _)| name == object))
    }

    /// Changes rows: in an open transaction, or at once. Where it fails nothing has happened.
    pub(crate) fn write<R>(
        &mut self,
        transaction: Option<u64>,
        context: &Context,
        work: impl FnOnce(&mut Change<'_>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let Some(number) = transaction else {
            let mut at_once = Transaction::new(context.now);
            let result = work(&mut Change::new(self, &mut at_once, context))?;
            self.apply(at_once);
            return Ok(result);
        };
        let before = self
            .transactions
            .remove(&number)
            .ok_or_else(|| no_transaction(number))?;
        let mut after = before.clone();
        let result = work(&mut Change::new(self, &mut after, context));
        self.transactions
            .insert(number, if result.is_ok() { after } else { before });
        result
    }

    fn apply(&mut self, transaction: Transaction) {
        self.sequence += 1;
        let sequence = self.sequence;
        for ((object, n), version) in transaction.rows {
            self.table_mut(&object).push(n, Version { sequence, ..version });
        }
        for (object, n, at) in transaction.log {
            self.table_mut(&object).deletes.note(n, at);
        }
    }
}

fn no_transaction(number: u64) -> WriteError {
    WriteError::new("INVALID_OPERATION", format!("there is no open transaction {number}"))
}
