//! What the tables have to hold, kept up from run to run.
//!
//! The org alone does not say what a table has to hold: with the delete modes `Mark` and `Ignore` it holds rows that the
//! org has no more, and a formula holds what it was when the record itself changed last, as long as nobody reads the record
//! again. So the expectation is carried along: after each run it is brought up to the org as it is then, and compared with
//! the tables.
//!
//! * A column that is the record's own is what the org has, always; so is a parent's value, which a changed parent brings.
//! * What only a Refresh brings (a formula, a value of parents of several types) is what the org has where the record changed
//!   since the last look; else it is that or what it was.
//! * A record that is deleted, or is not to be in the table any more, leaves (`Remove`), stays with `is_deleted`, the stamp
//!   of its deletion and its other values as they were (`Mark`), or stays as it was (`Ignore`). One that came and went between
//!   two runs was never there. A row that is marked is not marked again, so where one was deleted, undeleted and deleted while
//!   the org was read, the stamp is that of any of these deletions.

use std::collections::BTreeMap;

use serde_json::Value;
use simulator::{Control, Row, schema::Schema};

use crate::{
    column::{Arrives, Column, Records, Source, own},
    compare::normal,
    condition::Meets,
    database::{Cell, Database},
};

/// What the tables of a resource have to hold.
#[derive(Debug)]
pub struct Replica {
    database: Database,
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    object: String,
    name: String,
    deletes: Deletes,
    columns: Vec<Column>,
    /// Which records the table is to hold.
    meets: Option<Meets>,
    rows: BTreeMap<String, Expected>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deletes {
    Remove,
    Mark,
    Ignore,
}

#[derive(Debug)]
struct Expected {
    stamp: Cell,
    deleted: bool,
    cells: Vec<Allowed>,
}

#[derive(Debug, Clone)]
enum Allowed {
    One(Cell),
    Either(Cell, Cell),
    /// A moment from one to another, both among them.
    Within(Cell, Cell),
    /// It was replicated while it changed.
    Any,
}

/// What happened since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The org was at rest while it was read.
    Rest,
    /// It changed while it was read: whatever a deleted record was in between may have been replicated.
    Unrest,
}

impl Replica {
    /// Of a resource whose `plan -o json` this is.
    ///
    /// # Panics
    /// Where the plan names what the org does not have.
    pub fn new(plan: &Value, schema: &Schema, database: &Database) -> Self {
        let objects = plan["objects"].as_array().expect("objects").iter();
        let tables = objects.map(|object| Table::new(object, schema)).collect();
        Self {
            database: database.clone(),
            tables,
        }
    }

    /// Only records that meet this are to be in the table of an object.
    ///
    /// # Panics
    /// Where the resource does not have the object.
    pub fn restrict(&mut self, object: &str, meets: Meets) {
        let table = self.tables.iter_mut().find(|table| table.object == object);
        table.expect("an object of the resource").meets = Some(meets);
    }

    /// Brings the expectation up to the org as it is, and fails where the tables are something else.
    ///
    /// # Panics
    /// Where they are.
    pub async fn check(&mut self, org: &Control, since: Since) {
        let mut records = Records::new();
        let mut needed: Vec<&str> = self.tables.iter().map(|table| table.object.as_str()).collect();
        needed.extend(self.tables.iter().flat_map(Table::parents));
        for object in needed {
            if !records.contains_key(object) {
                let rows = org.rows(object).expect("the object is there");
                records.insert(object.to_owned(), rows.map(|row| (row.id.clone(), row)).collect());
            }
        }
        for table in &mut self.tables {
            let before = table.rows.len();
            table.observe(&self.database, &records, since);
            let told = format!("{}, {before} rows before", table.name);
            table.compare(&self.database, &records, since, &told).await;
        }
    }
}

impl Table {
    fn new(object: &Value, schema: &Schema) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let name = text(&object["object"]);
        let columns = object["columns"].as_array().expect("columns").iter();
        let columns: Vec<Column> = columns.map(|column| Column::new(column, &name, schema)).collect();
        assert!(columns.len() > 2, "{name}: there is nothing to compare");
        Self {
            deletes: match object["deletes"].as_str().expect("a mode") {
                "Remove" => Deletes::Remove,
                "Mark" => Deletes::Mark,
                "Ignore" => Deletes::Ignore,
                other => panic!("an unknown delete mode {other}"),
            },
            name: text(&object["table"]),
            object: name,
            columns,
            meets: None,
            rows: BTreeMap::new(),
        }
    }

    /// Objects whose values are linked.
    fn parents(&self) -> Vec<&str> {
        self.columns.iter().flat_map(Column::parents).collect()
    }

    fn observe(&mut self, database: &Database, records: &Records, since: Since) {
        let org = &records[&self.object];
        for (id, row) in org {
            let stamp = own(row, "SystemModstamp").map(|stamp| normal(database, "datetime", &stamp));
            let known = self.rows.get_mut(id);
            if row.deleted || self.meets.is_some_and(|meets| !meets(row, records)) {
                match (self.deletes, known) {
                    (_, None) => {}
                    (Deletes::Remove, Some(_)) => {
                        self.rows.remove(id);
                    }
                    (Deletes::Ignore, Some(known)) => {
                        known.deleted = true;
                        if since == Since::Unrest {
                            known.cells.fill(Allowed::Any);
                        }
                    }
                    // A marked row is not marked again. It may have come back and left again: if nobody read it in
                    // between, it keeps the stamp of the deletion that was found first.
                    (Deletes::Mark, Some(known)) if known.deleted => {
                        if since == Since::Unrest && known.stamp != stamp {
                            known.cells.fill(Allowed::Any);
                        }
                    }
                    (Deletes::Mark, Some(known)) => known.mark(&self.columns, &stamp, since),
                }
                continue;
            }
            let changed = known.as_ref().is_none_or(|known| known.deleted || known.stamp != stamp);
            let cell = |column: &Column| {
                let value = column.value(row, records).filter(|value| !value.is_empty());
                value.map(|value| normal(database, &column.field_type, &value))
            };
            let now = self.columns.iter().map(cell);
            let cells: Vec<Allowed> = match known {
                Some(known) if !changed => {
                    let both = self.columns.iter().zip(now).zip(&known.cells);
                    both.map(|((column, now), before)| allowed(column, now, before))
                        .collect()
                }
                Some(_) | None => now.map(Allowed::One).collect(),
            };
            let deleted = false;
            self.rows.insert(id.clone(), Expected { stamp, deleted, cells });
        }
    }

    async fn compare(&mut self, database: &Database, records: &Records, since: Since, told: &str) {
        let list: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        let statement = format!(
            "SELECT salesforce_id, {} FROM {}",
            list.join(", "),
            database.table(&self.name)
        );
        let mut differences = Vec::new();
        let mut found = BTreeMap::new();
        for mut row in database.query(&statement).await {
            let cells = row.split_off(1);
            let id = row.pop().flatten().expect("a row has an Id");
            let cells = self.columns.iter().zip(cells);
            let cells: Vec<Cell> = cells
                .map(|(column, cell)| cell.map(|cell| normal(database, &column.field_type, &cell)))
                .collect();
            if found.insert(id.clone(), cells).is_some() {
                differences.push(format!("{id} is there twice"));
            }
        }
        for (id, cells) in &found {
            if !self.rows.contains_key(id)
                && let Some(expected) = self.came_and_went(database, &records[&self.object], id, since)
            {
                self.rows.insert(id.clone(), expected);
            }
            let Some(expected) = self.rows.get_mut(id) else {
                differences.push(format!("{id} is in the table and should not be"));
                continue;
            };
            for ((column, allowed), actual) in self.columns.iter().zip(&mut expected.cells).zip(cells) {
                if !allowed.allows(actual) {
                    let name = &column.name;
                    differences.push(format!("{id}.{name}: {allowed:?} is right, {actual:?} is in the table"));
                }
                *allowed = Allowed::One(actual.clone());
            }
        }
        let missing = self.rows.keys().filter(|id| !found.contains_key(*id));
        differences.extend(missing.map(|id| format!("{id} is missing")));
        let some: Vec<&String> = differences.iter().take(20).collect();
        assert!(
            differences.is_empty(),
            "{told}: {} differences: {some:#?}",
            differences.len()
        );
        assert_eq!(
            database
                .number(&format!(
                    "SELECT rows FROM {} WHERE object = '{}'",
                    database.table("_replication_state"),
                    self.object
                ))
                .await,
            i64::try_from(found.len()).expect("few rows"),
            "{told}: the state counts its rows"
        );
    }

    /// A record that was made, replicated and deleted while the org was read: from now on it is known.
    fn came_and_went(
        &self,
        database: &Database,
        org: &BTreeMap<String, Row>,
        id: &str,
        since: Since,
    ) -> Option<Expected> {
        let row = org.get(id).filter(|row| row.deleted)?;
        if since == Since::Rest || self.deletes == Deletes::Remove {
            return None;
        }
        let stamp = own(row, "SystemModstamp").map(|stamp| normal(database, "datetime", &stamp));
        let mut expected = Expected {
            stamp: None,
            deleted: true,
            cells: vec![Allowed::Any; self.columns.len()],
        };
        if self.deletes == Deletes::Mark {
            expected.mark(&self.columns, &stamp, since);
        }
        Some(expected)
    }
}

impl Expected {
    fn mark(&mut self, columns: &[Column], stamp: &Cell, since: Since) {
        self.deleted = true;
        let former = std::mem::replace(&mut self.stamp, stamp.clone());
        let of_deletion = match since {
            Since::Rest => Allowed::One(stamp.clone()),
            Since::Unrest => Allowed::Within(former, stamp.clone()),
        };
        for (column, cell) in columns.iter().zip(&mut self.cells) {
            match &column.source {
                Source::IsDeleted => *cell = Allowed::One(Some("true".into())),
                Source::DeletedAt => *cell = of_deletion.clone(),
                Source::Field(field) if field == "SystemModstamp" => *cell = of_deletion.clone(),
                Source::Field(_) | Source::Parent(_) | Source::Template(_) | Source::Empty => {
                    if since == Since::Unrest {
                        *cell = Allowed::Any;
                    }
                }
            }
        }
    }
}

impl Allowed {
    fn allows(&self, actual: &Cell) -> bool {
        match self {
            Self::One(one) => one == actual,
            Self::Either(one, other) => one == actual || other == actual,
            // All moments are in one form, whose order is theirs.
            Self::Within(from, to) => actual.is_some() && from <= actual && actual <= to,
            Self::Any => true,
        }
    }
}

/// What a column of a record that did not change itself may hold.
fn allowed(column: &Column, now: Cell, before: &Allowed) -> Allowed {
    match (column.arrives, before) {
        (Arrives::WithRecord | Arrives::WithParent, _) => Allowed::One(now),
        (Arrives::Refreshed, Allowed::One(before)) => Allowed::Either(before.clone(), now),
        (Arrives::Refreshed, Allowed::Either(..) | Allowed::Within(..) | Allowed::Any) => Allowed::Any,
    }
}
