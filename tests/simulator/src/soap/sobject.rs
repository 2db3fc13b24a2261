//! Records on the wire (salesforce-api.md 5.3).
//!
//! First the type, then the Id (nil where it was not selected), then every selected field in the order of the select list, null
//! ones as nil. So an Id that was selected stands there twice.

use super::envelope::Writer;
use crate::{
    data::Generator,
    org::{
        query::{Node, Runner, Scope},
        record::Record,
    },
    schema::{Field, FieldType, Object},
    soql::Program,
};

/// Members of an address, in the order of the WSDL: those of location come first.
const ADDRESS: [(&str, &str); 10] = [
    ("latitude", "Latitude"),
    ("longitude", "Longitude"),
    ("city", "City"),
    ("country", "Country"),
    ("countryCode", "CountryCode"),
    ("geocodeAccuracy", "GeocodeAccuracy"),
    ("postalCode", "PostalCode"),
    ("state", "State"),
    ("stateCode", "StateCode"),
    ("street", "Street"),
];

/// A select list, made ready for the rows of one page: fields are looked up once, child queries compiled once.
pub(super) enum Part<'a> {
    Field(&'a Field, String),
    Parent {
        reference: Option<&'a Field>,
        polymorphic: bool,
        element: String,
        nodes: &'a [Node],
    },
    Children {
        element: String,
        reference: &'a str,
        query: &'a crate::soql::Checked,
        program: Box<Program>,
        nodes: &'a [Node],
    },
    /// A field that the schema has lost since the query began: null.
    Lost(String),
}

/// Makes a select list ready.
pub(super) fn parts<'a>(runner: &Runner<'a>, object: &'a Object, nodes: &'a [Node], scope: Scope) -> Vec<Part<'a>> {
    nodes
        .iter()
        .map(|node| match node {
            Node::Field(name) => match object.field(name) {
                Some(field) => Part::Field(field, format!("sf:{}", field.name)),
                None => Part::Lost(format!("sf:{name}")),
            },
            Node::Parent { hop, nodes } => Part::Parent {
                reference: object.field(&hop.reference),
                polymorphic: hop.targets.len() > 1,
                element: format!("sf:{}", hop.relationship),
                nodes,
            },
            Node::Children {
                relationship,
                reference,
                query,
                nodes,
            } => Part::Children {
                element: format!("sf:{relationship}"),
                reference,
                query,
                program: Box::new(runner.compile(query, scope)),
                nodes,
            },
        })
        .collect()
}

/// Writes the members of a record. Returns the number of child records in it.
pub(super) fn members<'a>(
    writer: &mut Writer,
    runner: &Runner<'a>,
    record: &Record<'a>,
    parts: &[Part<'a>],
    scope: Scope,
) -> u64 {
    writer.leaf("sf:type", &record.object.name);
    let with_id = parts
        .iter()
        .any(|part| matches!(part, Part::Field(field, _) if field.name == "Id"));
    writer.leaf_or_nil("sf:Id", with_id.then(|| record.id()).as_deref());
    let mut children = 0;
    for part in parts {
        match part {
            Part::Field(field, element) => self::field(writer, record, field, element),
            Part::Lost(element) => writer.nil(element),
            Part::Parent {
                reference,
                polymorphic,
                element,
                nodes,
            } => {
                let found = reference.and_then(|reference| record.parent(reference));
                parent(writer, found, *polymorphic, element, nodes);
            }
            Part::Children {
                element,
                reference,
                query,
                program,
                nodes,
            } => {
                let found = runner.children(record, reference, query, program, scope);
                children += u64::try_from(found.len()).unwrap_or(u64::MAX);
                nested(writer, runner, &found, element, nodes, scope);
            }
        }
    }
    children
}

/// A parent's fields in a record of their own; nil where there is no parent.
fn parent(writer: &mut Writer, found: Option<Record<'_>>, polymorphic: bool, element: &str, nodes: &[Node]) {
    let Some(record) = found else {
        return writer.nil(element);
    };
    writer.open(&format!("{element} xsi:type=\"sf:sObject\""));
    writer.leaf("sf:type", if polymorphic { "Name" } else { &record.object.name });
    let with_id = nodes
        .iter()
        .any(|node| matches!(node, Node::Field(name) if name == "Id"));
    writer.leaf_or_nil("sf:Id", with_id.then(|| record.id()).as_deref());
    for node in nodes {
        match node {
            Node::Field(name) => match record.object.field(name) {
                Some(own) => field(writer, &record, own, &format!("sf:{}", own.name)),
                // The fields of a polymorphic parent are those of `Name`; this object lacks one.
                None => writer.nil(&format!("sf:{name}")),
            },
            Node::Parent { hop, nodes } => {
                let next = record
                    .object
                    .field(&hop.reference)
                    .and_then(|reference| record.parent(reference));
                parent(
                    writer,
                    next,
                    hop.targets.len() > 1,
                    &format!("sf:{}", hop.relationship),
                    nodes,
                );
            }
            Node::Children { .. } => {}
        }
    }
    writer.close(element);
}

/// A child subquery's result; nil where it is empty.
fn nested<'a>(
    writer: &mut Writer,
    runner: &Runner<'a>,
    found: &[Record<'a>],
    element: &str,
    nodes: &'a [Node],
    scope: Scope,
) {
    let Some(first) = found.first() else {
        return writer.nil(element);
    };
    let parts = parts(runner, first.object, nodes, scope);
    writer.open(&format!("{element} xsi:type=\"QueryResult\""));
    writer.flag("done", true);
    writer.nil("queryLocator");
    for record in found {
        writer.open("records xsi:type=\"sf:sObject\"");
        members(writer, runner, record, &parts, scope);
        writer.close("records");
    }
    writer.number("size", found.len());
    writer.close(element);
}

fn field<'a>(writer: &mut Writer, record: &Record<'a>, field: &'a Field, element: &str) {
    if field.field_type == FieldType::Address {
        return address(writer, record, field, element);
    }
    if field.field_type == FieldType::Location {
        return location(writer, record, field, element);
    }
    match record.value(field) {
        Some(text) if field.field_type == FieldType::AnyType => {
            writer.open(&format!("{element} xsi:type=\"{}\"", Generator::any_type(&text)));
            writer.text(&text);
            writer.close(element);
        }
        value => writer.leaf_or_nil(element, value.as_deref()),
    }
}

fn address(writer: &mut Writer, record: &Record<'_>, compound: &Field, element: &str) {
    // MailingAddress has MailingCity: what stands before "Address" is what stands before the member.
    let stem = compound.name.trim_end_matches("__c").trim_end_matches("Address");
    let members = ADDRESS.map(|(member, suffix)| (member, record.value_of(&format!("{stem}{suffix}"))));
    if members.iter().all(|(_, value)| value.is_none()) {
        return writer.nil(element);
    }
    writer.open(&format!("{element} xsi:type=\"address\""));
    for (member, value) in members {
        writer.leaf_or_nil(member, value.as_deref());
    }
    writer.close(element);
}

fn location(writer: &mut Writer, record: &Record<'_>, compound: &Field, element: &str) {
    let part = |axis: &str| {
        let custom = format!("{}__{axis}__s", compound.name.trim_end_matches("__c"));
        record.value_of(&custom).or_else(|| {
            let own = record
                .object
                .components(&compound.name)
                .find(|own| own.name.to_lowercase().contains(axis))?;
            record.value(own)
        })
    };
    let (latitude, longitude) = (part("latitude"), part("longitude"));
    if latitude.is_none() && longitude.is_none() {
        return writer.nil(element);
    }
    writer.open(&format!("{element} xsi:type=\"location\""));
    writer.leaf_or_nil("latitude", latitude.as_deref());
    writer.leaf_or_nil("longitude", longitude.as_deref());
    writer.close(element);
}
