//! What the tables have to hold, kept up from run to run.
//!
//! The org alone does not say what a table has to hold: with the delete modes `Mark` and `Ignore` it holds rows that the
//! org has no more, and a linked column or a formula holds what it was when the record itself changed last, as long as
//! nobody reads the record again. So the expectation is carried along: after each run it is brought up to the org as it
//! is then, and compared with the tables.
//!
//! * A column that is the record's own is what the org has, always.
//! * A **derived** one (a parent's value, a URL with one, a formula) is what the org has where the record changed since
//!   the last look; else it is that or what it was.
//! * A deleted record leaves (`Remove`), stays with `is_deleted`, the stamp of its deletion and its other values as they
//!   were (`Mark`), or stays as it was (`Ignore`). One that came and went between two runs was never there.

use std::collections::BTreeMap;

use serde_json::Value;
use simulator::{Control, Row, data::Content, schema::Schema};

use crate::{
    compare::normal,
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
    rows: BTreeMap<String, Expected>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deletes {
    Remove,
    Mark,
    Ignore,
}

#[derive(Debug)]
struct Column {
    name: String,
    source: Source,
    /// As describe calls it.
    field_type: String,
    derived: bool,
}

#[derive(Debug)]
enum Source {
    Field(String),
    Parent(Parent),
    Template(Vec<Piece>),
    Empty,
    IsDeleted,
    DeletedAt,
}

#[derive(Debug)]
struct Parent {
    reference: String,
    objects: Vec<String>,
    field: String,
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Field(String),
    Parent(Parent),
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

type Records = BTreeMap<String, BTreeMap<String, Row>>;

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
            rows: BTreeMap::new(),
        }
    }

    /// Objects whose values are linked.
    fn parents(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for column in &self.columns {
            match &column.source {
                Source::Parent(parent) => names.extend(parent.objects.iter().map(String::as_str)),
                Source::Template(pieces) => {
                    for piece in pieces {
                        if let Piece::Parent(parent) = piece {
                            names.extend(parent.objects.iter().map(String::as_str));
                        }
                    }
                }
                Source::Field(_) | Source::Empty | Source::IsDeleted | Source::DeletedAt => {}
            }
        }
        names
    }

    fn observe(&mut self, database: &Database, records: &Records, since: Since) {
        let org = &records[&self.object];
        for (id, row) in org {
            let stamp = own(row, "SystemModstamp").map(|stamp| normal(database, "datetime", &stamp));
            let known = self.rows.get_mut(id);
            if row.deleted {
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
                    both.map(|((column, now), before)| column.allowed(now, before))
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
        self.stamp.clone_from(stamp);
        for (column, cell) in columns.iter().zip(&mut self.cells) {
            match &column.source {
                Source::IsDeleted => *cell = Allowed::One(Some("true".into())),
                Source::DeletedAt => *cell = Allowed::One(stamp.clone()),
                Source::Field(field) if field == "SystemModstamp" => *cell = Allowed::One(stamp.clone()),
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
            Self::Any => true,
        }
    }
}

impl Column {
    fn new(column: &Value, object: &str, schema: &Schema) -> Self {
        let name = column["name"].as_str().expect("a name").to_owned();
        let own = |source, field_type: &str, derived| Self {
            name: name.clone(),
            source,
            field_type: field_type.to_owned(),
            derived,
        };
        let source = match (name.as_str(), column["source"].as_str()) {
            ("is_deleted", Some(text)) if text.contains(' ') => return own(Source::IsDeleted, "boolean", false),
            ("deleted_at", Some(text)) if text.contains(' ') => return own(Source::DeletedAt, "datetime", false),
            (_, None) => return own(Source::Empty, "string", false),
            (_, Some(source)) => source,
        };
        if source.starts_with("http") {
            let pieces = pieces(source, object, schema);
            let derived = pieces.iter().any(|piece| matches!(piece, Piece::Parent(_)));
            return own(Source::Template(pieces), "string", derived);
        }
        if source.contains('.') {
            let (parent, field_type) = parent(source, object, schema);
            return own(Source::Parent(parent), &field_type, true);
        }
        let field = schema.object(object).and_then(|object| object.field(source));
        let field = field.unwrap_or_else(|| panic!("{object} has no field {source}"));
        own(
            Source::Field(field.name.clone()),
            field.field_type.as_str(),
            // Case.ContactEmail and its like are no formulas to describe, and follow their contact all the same.
            field.calculated || matches!(field.content, Content::ParentValue { .. }),
        )
    }

    fn value(&self, row: &Row, records: &Records) -> Cell {
        match &self.source {
            Source::Field(field) => own(row, field),
            Source::Parent(parent) => parent.value(row, records),
            Source::Template(pieces) => {
                let mut url = String::new();
                for piece in pieces {
                    let value = match piece {
                        Piece::Literal(text) => {
                            url += text;
                            continue;
                        }
                        Piece::Field(field) => own(row, field),
                        Piece::Parent(parent) => parent.value(row, records),
                    };
                    url += &encoded(&value.filter(|value| !value.is_empty())?);
                }
                Some(url)
            }
            Source::IsDeleted => Some("false".into()),
            Source::Empty | Source::DeletedAt => None,
        }
    }

    fn allowed(&self, now: Cell, before: &Allowed) -> Allowed {
        match before {
            _ if !self.derived => Allowed::One(now),
            Allowed::One(before) => Allowed::Either(before.clone(), now),
            Allowed::Either(..) | Allowed::Any => Allowed::Any,
        }
    }
}

impl Parent {
    fn value(&self, row: &Row, records: &Records) -> Cell {
        let id = own(row, &self.reference)?;
        let parent = self.objects.iter().find_map(|object| records.get(object)?.get(&id))?;
        own(parent, &self.field)
    }
}

/// `Account.Name` of Contact, and its type.
fn parent(path: &str, object: &str, schema: &Schema) -> (Parent, String) {
    let (relationship, field) = path.split_once('.').expect("one level up");
    let child = schema.object(object).expect("the object is there");
    let reference = child
        .relationship(relationship)
        .unwrap_or_else(|| panic!("{object} has no {relationship}"));
    let target = schema.object(&reference.reference_to[0]).expect("the parent is there");
    let target_field = target
        .field(field)
        .unwrap_or_else(|| panic!("{} has no {field}", target.name));
    let parent = Parent {
        reference: reference.name.clone(),
        objects: reference.reference_to.clone(),
        field: target_field.name.clone(),
    };
    (parent, target_field.field_type.as_str().to_owned())
}

/// A template in its parts.
fn pieces(template: &str, object: &str, schema: &Schema) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, tail)) = rest.split_once('{') {
        let (name, after) = tail.split_once('}').expect("braces are closed");
        pieces.push(Piece::Literal(literal.to_owned()));
        pieces.push(if name.contains('.') {
            Piece::Parent(parent(name, object, schema).0)
        } else {
            Piece::Field(name.to_owned())
        });
        rest = after;
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    pieces
}

/// RFC 3986, 2.3: all but the unreserved characters.
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in crate::compare::lines(value).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.extend(["%", &format!("{byte:02X}")]),
        }
    }
    text
}

fn own(row: &Row, field: &str) -> Cell {
    row.fields.get(field).cloned().flatten()
}
