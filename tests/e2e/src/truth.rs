//! What the tables have to hold by the org as it is, whatever happened before.
//!
//! At rest, when all changes are committed and the runs that a [`Depth`] names have ended, nothing of the past counts any more
//! but which records once were in the table: those that left since are marked, or stay, as the delete mode says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use simulator::{Control, Row, schema::Schema};

use crate::{
    column::{Arrives, Column, Records, Source, own},
    compare::normal,
    condition::Meets,
    database::{Cell, Database},
};

/// Which runs have ended since the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// An Incremental and a Verify: the records' own values and those of their parents are right.
    Stored,
    /// A Refresh and a Reconcile too: everything is.
    Everything,
}

/// What is known of a table beside the plan and the org.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Which records it is to hold; all of these have to be met.
    pub meets: Vec<Meets>,
    /// A record may begin or cease to meet them without a change of its own.
    pub moves: bool,
    /// Fields whose values changed without a stamp, as an administrator's change of the schema does.
    pub unstamped: BTreeSet<String>,
    /// Records that were seen in it.
    pub seen: BTreeSet<String>,
}

/// A difference between a table and the org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The record, if it is about one.
    pub id: Option<String>,
    /// For a person.
    pub text: String,
}

/// A table and what it has to hold.
struct Table<'a> {
    database: &'a Database,
    depth: Depth,
    name: &'a str,
    deletes: &'a str,
    columns: Vec<Column>,
    /// Empty columns may have old values.
    keeps: bool,
    known: &'a mut Known,
    /// Records whose values do not fit.
    rejected: BTreeSet<String>,
}

/// All rows of the org that tables may depend on.
///
/// # Panics
/// Where an object goes while it is read.
pub fn records(org: &Control) -> Records {
    let schema = org.schema();
    let mut records = Records::new();
    for object in schema.objects() {
        let rows = org.rows(&object.name).expect("the object is there");
        records.insert(object.name.clone(), rows.map(|row| (row.id.clone(), row)).collect());
    }
    records
}

/// Compares a table (an entry of `objects` of `plan -o json`) with the org, and takes in what is in it.
///
/// # Panics
/// Where the plan is none, or the database does not answer.
pub async fn compare(
    database: &Database,
    plan: &Value,
    (schema, records): (&Schema, &Records),
    known: &mut Known,
    depth: Depth,
) -> Vec<Difference> {
    let text = |name: &str| plan[name].as_str().expect("a text");
    let object = text("object");
    let columns = plan["columns"].as_array().expect("columns").iter();
    let rejected = format!(
        "SELECT salesforce_id FROM {} WHERE object = '{object}'",
        database.table("_rejected_row")
    );
    let rejected = database
        .query(&rejected)
        .await
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let table = Table {
        database,
        depth,
        name: text("table"),
        deletes: text("deletes"),
        columns: columns.map(|column| Column::new(column, object, schema)).collect(),
        keeps: plan["missingFields"]
            .as_array()
            .is_some_and(|missing| !missing.is_empty()),
        known,
        rejected,
    };
    let rows = table.read().await;
    let mut differences = table.compare(&records[object], records, &rows);
    let counted = format!(
        "SELECT rows FROM {} WHERE object = '{object}'",
        database.table("_replication_state")
    );
    let counted = database.number(&counted).await;
    if usize::try_from(counted) != Ok(rows.len()) {
        differences.push(Difference {
            id: None,
            text: format!("the state counts {counted} rows, {} are there", rows.len()),
        });
    }
    table.known.seen.extend(rows.into_keys());
    for difference in &mut differences {
        difference.text = format!("{}: {}", table.name, difference.text);
    }
    differences
}

impl Table<'_> {
    async fn read(&self) -> BTreeMap<String, Vec<Cell>> {
        let list: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        let statement = format!(
            "SELECT salesforce_id, {} FROM {}",
            list.join(", "),
            self.database.table(self.name)
        );
        let rows = self.database.query(&statement).await.into_iter();
        rows.map(|mut row| {
            let cells = row.split_off(1);
            (row.pop().flatten().expect("a row has an Id"), cells)
        })
        .collect()
    }

    fn compare(
        &self,
        own_records: &BTreeMap<String, Row>,
        records: &Records,
        rows: &BTreeMap<String, Vec<Cell>>,
    ) -> Vec<Difference> {
        let is_wanted = |row: &Row| !row.deleted && self.known.meets.iter().all(|meets| meets(row, records));
        let wanted: BTreeMap<&String, &Row> = own_records.iter().filter(|(_, row)| is_wanted(row)).collect();
        let may_move = self.known.moves && self.depth == Depth::Stored;
        let mut found = Vec::new();
        let mut tell = |id: &str, text: String| {
            if self.depth == Depth::Everything || !self.rejected.contains(id) {
                found.push(Difference {
                    id: Some(id.to_owned()),
                    text: format!("{id} {text}"),
                });
            }
        };
        for (id, record) in &wanted {
            match rows.get(*id) {
                // It may have left and come back since the last Reconcile, without a stamp.
                Some(cells) if may_move && self.may_have_left(cells) => {}
                Some(cells) => {
                    for (column, cell) in self.columns.iter().zip(cells) {
                        if let Some(text) = self.differs(column, record, records, cell) {
                            tell(id, text);
                        }
                    }
                }
                None if may_move => {}
                None => tell(id, "is missing".to_owned()),
            }
        }
        for (id, cells) in rows.iter().filter(|(id, _)| !wanted.contains_key(id)) {
            let marked = self.marked(cells);
            match self.deletes {
                "Ignore" => {}
                "Mark" if marked == (Some(true), true) => {}
                _ if may_move => {}
                "Mark" => tell(id, format!("should have left, and its mark is {marked:?}")),
                _ => tell(id, "should have left".to_owned()),
            }
        }
        if self.deletes != "Remove" {
            let lost = self.known.seen.iter().filter(|id| !rows.contains_key(*id));
            lost.for_each(|id| tell(id, "was in the table and should have stayed".to_owned()));
        }
        found
    }

    /// Whether the row may be that of a record that did not meet the condition when it was looked at last.
    fn may_have_left(&self, cells: &[Cell]) -> bool {
        match self.deletes {
            "Ignore" => true,
            "Mark" => self.marked(cells).0 == Some(true),
            _ => false,
        }
    }

    /// `is_deleted`, and whether there is a `deleted_at`.
    fn marked(&self, cells: &[Cell]) -> (Option<bool>, bool) {
        let cell = |is: fn(&Source) -> bool| {
            let place = self.columns.iter().position(|column| is(&column.source));
            place.and_then(|place| cells[place].clone())
        };
        let deleted = cell(|source| matches!(source, Source::IsDeleted));
        let at = cell(|source| matches!(source, Source::DeletedAt));
        let deleted = deleted.map(|deleted| normal(self.database, "boolean", &deleted) == "true");
        (deleted, at.is_some())
    }

    fn differs(&self, column: &Column, record: &Row, records: &Records, actual: &Cell) -> Option<String> {
        let stored = self.depth == Depth::Stored;
        let is_exempt = match &column.source {
            Source::Empty => self.keeps,
            Source::IsDeleted | Source::DeletedAt => false,
            Source::Field(field) => stored && self.known.unstamped.contains(field),
            // What a parent that is gone had in it, nobody can tell any more.
            Source::Parent(_) | Source::Template(_) => {
                let own_fields = column.own_fields().any(|field| self.known.unstamped.contains(field));
                stored
                    && (own_fields
                        || column.linked().any(|parent| {
                            let is_gone =
                                own(record, &parent.reference).is_some() && parent.row(record, records).is_none();
                            is_gone
                                || parent
                                    .objects
                                    .iter()
                                    .any(|object| self.known.unstamped.contains(&format!("{object}.{}", parent.field)))
                        }))
            }
        };
        if is_exempt || (stored && column.arrives == Arrives::Refreshed) {
            return None;
        }
        let form = |cell: Cell| {
            let cell = cell.filter(|value| !value.is_empty());
            cell.map(|value| normal(self.database, &column.field_type, &value))
        };
        let (wanted, actual) = (form(column.value(record, records)), form(actual.clone()));
        (wanted != actual).then(|| format!("{}: {wanted:?} in the org, {actual:?} in the table", column.name))
    }
}
