//! From drafts to the columns of a table: names are checked, fields become positions of the select list.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    column::{Column, ColumnKind, ColumnSource},
    draft::{Draft, DraftValue, Origin},
    existing::Existing,
    field_path::FieldPath,
    findings::{Findings, list},
    identifier::{self, Identifier, NameOf, folded},
    object::Deletes,
    schema::{Lookup, NotFound},
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
pub(super) const MARKS: [&str; 2] = ["is_deleted", "deleted_at"];

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

/// What drafts are resolved against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolving<'a> {
    pub(super) lookup: Lookup<'a>,
    pub(super) existing: Existing<'a>,
    /// The org's address, without a slash at its end.
    pub(super) instance: &'a str,
}

/// Resolves drafts to columns. A draft with a problem has no column; then there is no plan either. `missing` takes the
/// fields that describe lacks while their columns are there.
pub(super) fn columns(
    drafts: &[Draft],
    resolving: Resolving<'_>,
    select: &mut Select,
    missing: &mut Vec<String>,
    findings: &mut Findings<'_>,
) -> Vec<Column> {
    let existing = resolving.existing;
    let mut keep = |source: &str, column: &str| {
        if existing.has(column) && !missing.iter().any(|known| known == source) {
            missing.push(source.to_owned());
        }
    };
    let mut columns = Vec::with_capacity(drafts.len() + 4);
    for draft in drafts {
        let (kind, source) = match &draft.value {
            DraftValue::Field(path, kind) => (*kind, ColumnSource::Field(select.position(path))),
            DraftValue::Empty(kind) => (*kind, ColumnSource::Empty),
            DraftValue::Excluded(kind) => (*kind, ColumnSource::Null),
            DraftValue::Missing(source, kind) => {
                keep(source, &draft.column);
                (*kind, ColumnSource::Empty)
            }
            DraftValue::Template(text) => {
                let source = match url_template(text, drafts, resolving, select) {
                    Ok(template) => ColumnSource::Template(template),
                    Err(TemplateFault::Missing(names, because)) if existing.has(&draft.column) => {
                        for name in &names {
                            keep(name, &draft.column);
                        }
                        findings.warning(format!(
                            "the template of column {} {because}; the column keeps the values that it has",
                            draft.column
                        ));
                        ColumnSource::Empty
                    }
                    Err(TemplateFault::Missing(_, because)) => {
                        findings.missing_field(format!("the template of column {} {because}", draft.column));
                        continue;
                    }
                    Err(TemplateFault::Wrong(because)) => {
                        findings.problem(format!("the template of column {} {because}", draft.column));
                        continue;
                    }
                };
                (ColumnKind::Text { length: None }, source)
            }
        };
        columns.push(Column {
            name: Identifier::new(draft.column.as_str()),
            kind,
            source,
        });
    }
    columns
}

/// Tells the fields of the mapping that describe lacks, where nothing took their columns.
pub(super) fn warn_of_missing(drafts: &[Draft], existing: Existing<'_>, findings: &mut Findings<'_>) {
    let missing = drafts.iter().filter_map(|draft| match (&draft.value, draft.origin) {
        (DraftValue::Missing(source, _), Origin::Default) => Some((source, &draft.column)),
        (
            DraftValue::Missing(..)
            | DraftValue::Field(..)
            | DraftValue::Template(_)
            | DraftValue::Empty(_)
            | DraftValue::Excluded(_),
            Origin::Default | Origin::Spec,
        ) => None,
    });
    let (kept, null): (Vec<_>, Vec<_>) = missing.partition(|(_, column)| existing.has(column));
    for (columns, fate) in [(kept, "keep the values that they have"), (null, "stay NULL")] {
        if columns.is_empty() {
            continue;
        }
        let names = list(
            columns
                .iter()
                .map(|(source, column)| format!("{source} (column {column})")),
        );
        findings.warning(format!(
            "the Directory mapping takes fields that do not exist, or that the Salesforce user may not read; their \
             columns {fate}: {names}"
        ));
    }
}

/// Tells the columns of the table that nothing feeds any more: their field went, may not be read, or left the resource.
pub(super) fn warn_of_left(columns: &[Column], existing: Existing<'_>, findings: &mut Findings<'_>) {
    let known: BTreeSet<String> = columns.iter().map(|column| folded(column.name.as_str())).collect();
    let left: Vec<&str> = existing
        .names()
        .filter(|name| !known.contains(&folded(name)) && !MARKS.contains(&folded(name).as_str()))
        .collect();
    if !left.is_empty() {
        findings.warning(format!(
            "these columns of the table belong to nothing that the resource asks for and the Salesforce user may read any more; \
             they keep the values that they have, which grow old: {}",
            list(left)
        ));
    }
}

/// Why a template has no URL to give.
#[derive(Debug)]
enum TemplateFault {
    /// It names fields that describe lacks, and nothing else is wrong with it: the fields, and the end of a sentence that
    /// begins with the template's column.
    Missing(Vec<String>, String),
    /// The end of such a sentence.
    Wrong(String),
}

fn url_template(
    text: &str,
    drafts: &[Draft],
    resolving: Resolving<'_>,
    select: &mut Select,
) -> Result<UrlTemplate, TemplateFault> {
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    let mut is_wrong = false;
    let pieces = template::parse(text).map_err(TemplateFault::Wrong)?;
    // Positions are taken when all names are known: a template without a URL makes no query longer.
    let mut paths = Vec::new();
    for name in pieces.iter().filter_map(template::Piece::name) {
        match template_field(name, drafts, resolving.lookup) {
            Ok(path) => paths.push(path),
            Err(TemplateFault::Missing(names, because)) => {
                missing.extend(names);
                wrong.push(because);
            }
            Err(TemplateFault::Wrong(because)) => {
                is_wrong = true;
                wrong.push(because);
            }
        }
    }
    let because = wrong.join(", and ");
    if is_wrong {
        return Err(TemplateFault::Wrong(because));
    }
    if !missing.is_empty() {
        return Err(TemplateFault::Missing(missing, because));
    }
    let mut positions = paths
        .iter()
        .map(|path| select.position(path))
        .collect::<Vec<_>>()
        .into_iter();
    Ok(template::assemble(pieces, resolving.instance, |_| {
        positions.next().unwrap_or_default()
    }))
}

/// The field that a template's name stands for: an API name, then a column, then a label.
fn template_field(name: &str, drafts: &[Draft], lookup: Lookup<'_>) -> Result<FieldPath, TemplateFault> {
    let not_found = match lookup.find(name) {
        Ok(found) => {
            return match ColumnKind::of(found.field) {
                Ok(_) => Ok(found.path),
                Err(because) => Err(TemplateFault::Wrong(format!(
                    "names {}, which {}",
                    found.path,
                    because.because()
                ))),
            };
        }
        Err(not_found) => not_found,
    };
    if let Some(draft) = drafts.iter().find(|draft| draft.column.eq_ignore_ascii_case(name)) {
        let wrong = |what: &str| Err(TemplateFault::Wrong(format!("names column {name}, which {what}")));
        return match &draft.value {
            DraftValue::Field(path, _) => Ok(path.clone()),
            DraftValue::Template(_) => wrong("is a URL itself"),
            DraftValue::Empty(_) | DraftValue::Excluded(_) => wrong("has no value"),
            DraftValue::Missing(source, _) => Err(TemplateFault::Missing(
                vec![source.clone()],
                format!(
                    "names column {name}, whose field {source} does not exist, or the Salesforce user may not read it"
                ),
            )),
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
        [] => Err(unknown_name(name, &not_found, drafts, lookup)),
        several => {
            let names = list(several.iter().map(|field| field.name.as_str()));
            Err(TemplateFault::Wrong(format!(
                "names {name}, a label that several fields have: write one of {names}"
            )))
        }
    }
}

/// A name that is no field, column or label.
fn unknown_name(name: &str, not_found: &NotFound, drafts: &[Draft], lookup: Lookup<'_>) -> TemplateFault {
    let columns = drafts.iter().map(|draft| draft.column.as_str());
    let fields = lookup.fields().iter().map(|field| field.name.as_str());
    let hint = if name.contains('.') {
        String::new()
    } else {
        suggest::hint(name, fields.chain(columns))
    };
    let because = if hint.is_empty() {
        format!("names {name}, which {}", not_found.because())
    } else {
        format!("names {name}, which is no field, column or label{hint}")
    };
    match not_found {
        NotFound::Missing(_) => TemplateFault::Missing(vec![name.to_owned()], because),
        NotFound::Wrong(_) => TemplateFault::Wrong(because),
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
        own(
            SYSTEM_MODSTAMP,
            ColumnKind::Timestamp,
            select.stamp.map_or(ColumnSource::Null, ColumnSource::Field),
        ),
    ];
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
