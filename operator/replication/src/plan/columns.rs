//! From drafts to the columns of a table: names are checked, fields become positions of the select list.

use std::collections::BTreeMap;

use super::{
    column::{Column, ColumnKind, ColumnSource},
    draft::{Draft, DraftValue, Origin},
    field_path::FieldPath,
    findings::{Findings, list},
    identifier::{self, Identifier, NameOf, folded},
    object::Deletes,
    schema::Lookup,
    select::Select,
    suggest,
    template::{self, UrlTemplate},
};
use crate::destination::Capabilities;

/// The primary key of every table.
const SALESFORCE_ID: &str = "salesforce_id";
/// The stamp of every table.
const SYSTEM_MODSTAMP: &str = "system_modstamp";
/// What [`Deletes::Mark`] adds.
const MARKS: [&str; 2] = ["is_deleted", "deleted_at"];

/// Names have to be possible, free and different.
pub(super) fn check_names(drafts: &[Draft], deletes: Deletes, capabilities: Capabilities, findings: &mut Findings<'_>) {
    let mut known: BTreeMap<String, &Draft> = BTreeMap::new();
    for draft in drafts {
        let Draft {
            column,
            value: _,
            origin,
        } = draft;
        let remedy = match origin {
            Origin::Spec => "choose another name",
            Origin::Default => "give the field another column in fields, or exclude it",
        };
        if let Err(because) = identifier::check(column, NameOf::Column, capabilities) {
            findings.problem(format!("column {column} {because}"));
        }
        let name = folded(column);
        if name == SALESFORCE_ID || name == SYSTEM_MODSTAMP {
            findings.problem(format!(
                "column {column} ({}) is in every table already: {remedy}",
                draft.described()
            ));
        }
        if deletes == Deletes::Mark && MARKS.contains(&name.as_str()) {
            findings.problem(format!(
                "column {column} ({}) has the name of one that deletes: Mark adds: {remedy}",
                draft.described()
            ));
        }
        if let Some(other) = known.get(&name) {
            let case = if other.column == *column {
                ""
            } else {
                " (names that differ by case only are the same)"
            };
            findings.problem(format!(
                "{} and {} are both for column {column}{case}: {remedy}",
                other.described(),
                draft.described()
            ));
        } else {
            known.insert(name, draft);
        }
    }
}

/// Resolves drafts to columns. A draft with a problem has no column; then there is no plan either.
pub(super) fn columns(
    drafts: &[Draft],
    lookup: Lookup<'_>,
    instance: &str,
    select: &mut Select,
    findings: &mut Findings<'_>,
) -> Vec<Column> {
    let mut columns = Vec::with_capacity(drafts.len() + 4);
    for draft in drafts {
        let (kind, source) = match &draft.value {
            DraftValue::Field(path, kind) => (*kind, ColumnSource::Field(select.position(path))),
            DraftValue::Empty(kind) => (*kind, ColumnSource::Empty),
            DraftValue::Template(text) => match url_template(text, drafts, lookup, instance, select) {
                Ok(template) => (ColumnKind::Text { length: None }, ColumnSource::Template(template)),
                Err(because) => {
                    findings.problem(format!("the template of column {} {because}", draft.column));
                    continue;
                }
            },
        };
        columns.push(Column {
            name: Identifier::new(draft.column.as_str()),
            kind,
            source,
        });
    }
    columns
}

fn url_template(
    text: &str,
    drafts: &[Draft],
    lookup: Lookup<'_>,
    instance: &str,
    select: &mut Select,
) -> Result<UrlTemplate, String> {
    let mut wrong = Vec::new();
    let pieces = template::parse(text)?;
    let template = template::assemble(pieces, instance, |name| match template_field(name, drafts, lookup) {
        Ok(path) => select.position(&path),
        Err(because) => {
            wrong.push(because);
            0
        }
    });
    if wrong.is_empty() {
        Ok(template)
    } else {
        Err(wrong.join(", and "))
    }
}

/// The field that a template's name stands for: an API name, then a column, then a label.
fn template_field(name: &str, drafts: &[Draft], lookup: Lookup<'_>) -> Result<FieldPath, String> {
    let not_found = match lookup.find(name) {
        Ok(found) => {
            return match ColumnKind::of(found.field) {
                Ok(_) => Ok(found.path),
                Err(because) => Err(format!("names {}, which {}", found.path, because.because())),
            };
        }
        Err(not_found) => not_found,
    };
    if let Some(draft) = drafts.iter().find(|draft| draft.column.eq_ignore_ascii_case(name)) {
        return match &draft.value {
            DraftValue::Field(path, _) => Ok(path.clone()),
            DraftValue::Template(_) => Err(format!("names column {name}, which is a URL itself")),
            DraftValue::Empty(_) => Err(format!("names column {name}, which has no value")),
        };
    }
    if name.eq_ignore_ascii_case(SALESFORCE_ID) {
        return Ok(FieldPath::own("Id"));
    }
    let wanted = name.to_lowercase();
    let labelled: Vec<_> = lookup
        .fields()
        .iter()
        .filter(|field| field.label.to_lowercase() == wanted && ColumnKind::of(field).is_ok())
        .collect();
    match labelled.as_slice() {
        [field] => Ok(FieldPath::own(field.name.as_str())),
        [] => {
            let columns = drafts.iter().map(|draft| draft.column.as_str());
            let fields = lookup.fields().iter().map(|field| field.name.as_str());
            let hint = if name.contains('.') {
                String::new()
            } else {
                suggest::hint(name, fields.chain(columns))
            };
            if hint.is_empty() {
                Err(format!("names {name}, which {}", not_found.because()))
            } else {
                Err(format!("names {name}, which is no field, column or label{hint}"))
            }
        }
        several => {
            let names = list(several.iter().map(|field| field.name.as_str()));
            Err(format!(
                "names {name}, a label that several fields have: write one of {names}"
            ))
        }
    }
}

/// Adds what every table has, before and behind.
pub(super) fn framed(columns: Vec<Column>, select: &Select, deletes: Deletes) -> Vec<Column> {
    let own = |name: &str, kind, source| Column {
        name: Identifier::new(name),
        kind,
        source,
    };
    let mut framed = vec![
        own(SALESFORCE_ID, ColumnKind::Id, ColumnSource::Field(0)),
        own(SYSTEM_MODSTAMP, ColumnKind::Timestamp, ColumnSource::Field(1)),
    ];
    debug_assert!(select.paths.len() >= 2, "Id and SystemModstamp are selected first");
    framed.extend(columns);
    match deletes {
        Deletes::Mark => {
            let [is_deleted, deleted_at] = MARKS;
            framed.push(own(is_deleted, ColumnKind::Boolean, ColumnSource::IsDeleted));
            framed.push(own(deleted_at, ColumnKind::Timestamp, ColumnSource::DeletedAt));
        }
        Deletes::Remove | Deletes::Ignore => {}
    }
    framed
}
