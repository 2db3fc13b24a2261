//! What a column of a table holds, by the org's own rows.
//!
//! `plan -o json` says where each column comes from; what is in that place stands in the org. Nothing of the replicator's
//! own code is asked, so that an error of its cannot hide itself.

use std::collections::BTreeMap;

use serde_json::Value;
use simulator::{
    Row,
    data::Content,
    schema::{Field, Schema},
};

use crate::{compare::lines, database::Cell};

/// A column, and what it holds.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// As describe calls it.
    pub(crate) field_type: String,
    /// When a new value arrives.
    pub(crate) arrives: Arrives,
}

/// Where a column's value comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Field(String),
    Parent(Parent),
    Template(Vec<Piece>),
    Empty,
    IsDeleted,
    DeletedAt,
}

/// A field of a parent.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) reference: String,
    pub(crate) objects: Vec<String>,
    pub(crate) field: String,
}

/// A part of a template.
#[derive(Debug)]
pub(crate) enum Piece {
    Literal(String),
    Field(String),
    Parent(Parent),
}

/// When a new value arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arrives {
    /// With the record's own change.
    WithRecord,
    /// With the parent's, too.
    WithParent,
    /// With the record's own, or a Refresh: a formula, a parent of several types.
    Refreshed,
}

/// Rows by object and Id.
pub type Records = BTreeMap<String, BTreeMap<String, Row>>;

impl Column {
    /// A column of `plan -o json`.
    pub(crate) fn new(column: &Value, object: &str, schema: &Schema) -> Self {
        let name = column["name"].as_str().expect("a name").to_owned();
        let plain = |source, field_type: &str| Self {
            name: name.clone(),
            source,
            field_type: field_type.to_owned(),
            arrives: Arrives::WithRecord,
        };
        let source = match (name.as_str(), column["source"].as_str()) {
            ("is_deleted", Some(text)) if text.contains(' ') => return plain(Source::IsDeleted, "boolean"),
            ("deleted_at", Some(text)) if text.contains(' ') => return plain(Source::DeletedAt, "datetime"),
            (_, None) => return plain(Source::Empty, "string"),
            (_, Some(source)) => source,
        };
        if source.starts_with("http") {
            let pieces = pieces(source, object, schema);
            let latest = pieces.iter().map(|(_, arrives)| *arrives).max();
            return Self {
                name,
                source: Source::Template(pieces.into_iter().map(|(piece, _)| piece).collect()),
                field_type: "string".to_owned(),
                arrives: latest.unwrap_or(Arrives::WithRecord),
            };
        }
        if source.contains('.') {
            let (parent, field_type, arrives) = parent(source, object, schema);
            return Self {
                name,
                source: Source::Parent(parent),
                field_type,
                arrives,
            };
        }
        let field = own_field(source, object, schema);
        Self {
            name,
            source: Source::Field(field.name.clone()),
            field_type: field.field_type.as_str().to_owned(),
            arrives: arrives(field, Arrives::WithRecord),
        }
    }

    /// Objects whose values are linked.
    pub(crate) fn parents(&self) -> Vec<&str> {
        let objects = self.linked().flat_map(|parent| &parent.objects);
        objects.map(String::as_str).collect()
    }

    /// The parents' fields that it needs.
    pub(crate) fn linked(&self) -> impl Iterator<Item = &Parent> {
        let (own, pieces): (Option<&Parent>, &[Piece]) = match &self.source {
            Source::Parent(parent) => (Some(parent), &[]),
            Source::Template(pieces) => (None, pieces),
            Source::Field(_) | Source::Empty | Source::IsDeleted | Source::DeletedAt => (None, &[]),
        };
        own.into_iter().chain(pieces.iter().filter_map(|piece| match piece {
            Piece::Parent(parent) => Some(parent),
            Piece::Literal(_) | Piece::Field(_) => None,
        }))
    }

    /// The record's own fields that its template needs.
    pub(crate) fn own_fields(&self) -> impl Iterator<Item = &str> {
        let pieces: &[Piece] = match &self.source {
            Source::Template(pieces) => pieces,
            Source::Field(_) | Source::Parent(_) | Source::Empty | Source::IsDeleted | Source::DeletedAt => &[],
        };
        pieces.iter().filter_map(|piece| match piece {
            Piece::Field(field) => Some(field.as_str()),
            Piece::Literal(_) | Piece::Parent(_) => None,
        })
    }

    /// What a live record has there.
    pub(crate) fn value(&self, row: &Row, records: &Records) -> Cell {
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
}

impl Parent {
    /// The parent's row, if anybody sees it.
    pub(crate) fn row<'a>(&self, row: &Row, records: &'a Records) -> Option<&'a Row> {
        let id = own(row, &self.reference)?;
        self.objects.iter().find_map(|object| records.get(object)?.get(&id))
    }

    fn value(&self, row: &Row, records: &Records) -> Cell {
        own(self.row(row, records)?, &self.field)
    }
}

/// A field's own value.
pub(crate) fn own(row: &Row, field: &str) -> Cell {
    row.fields.get(field).cloned().flatten()
}

fn own_field<'a>(name: &str, object: &str, schema: &'a Schema) -> &'a Field {
    let field = schema.object(object).and_then(|object| object.field(name));
    field.unwrap_or_else(|| panic!("{object} has no field {name}"))
}

fn arrives(field: &Field, at_best: Arrives) -> Arrives {
    // Case.ContactEmail and its like are no formulas to describe, and follow their contact all the same.
    let derived = field.calculated || matches!(field.content, Content::ParentValue { .. });
    if derived { Arrives::Refreshed } else { at_best }
}

/// `Account.Name` of Contact, its type, and when it arrives.
fn parent(path: &str, object: &str, schema: &Schema) -> (Parent, String, Arrives) {
    let (relationship, field) = path.split_once('.').expect("one level up");
    let child = schema.object(object).expect("the object is there");
    let reference = child
        .relationship(relationship)
        .unwrap_or_else(|| panic!("{object} has no {relationship}"));
    let field = own_field(field, &reference.reference_to[0], schema);
    let several = reference.reference_to.len() > 1;
    let parent = Parent {
        reference: reference.name.clone(),
        objects: reference.reference_to.clone(),
        field: field.name.clone(),
    };
    let arrives = if several {
        Arrives::Refreshed
    } else {
        arrives(field, Arrives::WithParent)
    };
    (parent, field.field_type.as_str().to_owned(), arrives)
}

/// A template in its parts.
fn pieces(template: &str, object: &str, schema: &Schema) -> Vec<(Piece, Arrives)> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, tail)) = rest.split_once('{') {
        let (name, after) = tail.split_once('}').expect("braces are closed");
        pieces.push((Piece::Literal(literal.to_owned()), Arrives::WithRecord));
        pieces.push(if name.contains('.') {
            let (parent, _, arrives) = parent(name, object, schema);
            (Piece::Parent(parent), arrives)
        } else {
            let field = own_field(name, object, schema);
            (Piece::Field(field.name.clone()), arrives(field, Arrives::WithRecord))
        });
        rest = after;
    }
    pieces.push((Piece::Literal(rest.to_owned()), Arrives::WithRecord));
    pieces
}

/// RFC 3986, 2.3: all but the unreserved characters.
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in lines(value).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.extend(["%", &format!("{byte:02X}")]),
        }
    }
    text
}
