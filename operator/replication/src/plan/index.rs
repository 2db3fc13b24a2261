//! Indexes beside the primary key: those that the resource asks for, and those that runs need.
//!
//! A run that finds a parent changed looks for its children by their reference, and one that finds deletes counts the marked
//! rows, of which the guard must know; without an index each of them would read the whole table.

use crds::Mapping;

use super::{
    column::{Column, ColumnKind, ColumnSource},
    columns::MARKS,
    existing::Existing,
    findings::{Findings, list},
    identifier::{Identifier, folded},
    object::Link,
    suggest,
};
use crate::destination::Capabilities;

/// Longest value that an index of PostgreSQL surely takes: 2704 bytes (a third of a page), at 4 bytes a character.
const SURE_CHARACTERS: u32 = 676;

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPlan {
    /// Its name, unique in the schema and the same for the same columns.
    pub name: Identifier,
    /// Columns in order.
    pub columns: Vec<Identifier>,
    /// Which rows it has.
    pub rows: IndexedRows,
}

/// The rows of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexedRows {
    /// All of them.
    All,
    /// Those that are marked as deleted.
    Marked,
}

/// Adds what runs need to what the resource asks for.
pub(super) fn add_needed(
    indexes: &mut Vec<IndexPlan>,
    table: &Identifier,
    columns: &[Column],
    links: &[Link],
    capabilities: Capabilities,
) {
    let references = links.iter().filter(|link| !link.compared.is_empty());
    for column in references.filter_map(|link| columns.get(link.reference_column?)) {
        let begins_with_it = |index: &IndexPlan| index.columns.first() == Some(&column.name);
        if !indexes.iter().any(begins_with_it) {
            indexes.push(IndexPlan {
                name: Identifier::of_index(table, std::slice::from_ref(&column.name), capabilities),
                columns: vec![column.name.clone()],
                rows: IndexedRows::All,
            });
        }
    }
    let deleted_at = columns.iter().find(|column| column.source == ColumnSource::DeletedAt);
    indexes.extend(deleted_at.map(|column| IndexPlan {
        name: Identifier::of_marks(table, capabilities),
        columns: vec![column.name.clone()],
        rows: IndexedRows::Marked,
    }));
}

/// The columns that an index can have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indexable<'a> {
    /// Those of the plan.
    columns: &'a [Column],
    /// Those of the table.
    existing: Existing<'a>,
    capabilities: Capabilities,
}

impl<'a> Indexable<'a> {
    pub(super) fn new(
        columns: &'a [Column],
        mapping: Mapping,
        existing: Existing<'a>,
        capabilities: Capabilities,
    ) -> Self {
        Self {
            columns,
            // In the other mappings a field that was withdrawn is named, so that its column is planned all the same.
            existing: match mapping {
                Mapping::Mirror => existing,
                Mapping::Directory | Mapping::None => Existing(&[]),
            },
            capabilities,
        }
    }
}

/// The indexes that the resource asks for. `missing` takes the columns that only the table has: their fields may have been
/// withdrawn (design 6.8), and then their indexes stay with them.
pub(super) fn make(
    table: &Identifier,
    written: &[Vec<String>],
    indexable: Indexable<'_>,
    missing: &mut Vec<String>,
    findings: &mut Findings<'_>,
) -> Vec<IndexPlan> {
    let Indexable {
        columns, capabilities, ..
    } = indexable;
    let mut plans: Vec<IndexPlan> = Vec::with_capacity(written.len());
    for names in written {
        let text = names.join(", ");
        let Some(resolved) = resolve(names, &text, indexable, findings) else {
            continue;
        };
        warn_of_long_values(&resolved, &text, capabilities, findings);
        let names: Vec<Identifier> = resolved.iter().map(Indexed::name).collect();
        for name in resolved.iter().filter_map(Indexed::left) {
            if !missing.iter().any(|known| known == name) {
                missing.push(name.to_owned());
            }
        }
        if names.len() == 1 && names.first() == columns.first().map(|key| &key.name) {
            findings.problem(format!("index ({text}) is the primary key, which every table has"));
        } else if plans.iter().any(|plan| plan.columns == names) {
            findings.problem(format!("index ({text}) is listed twice"));
        } else {
            plans.push(IndexPlan {
                name: Identifier::of_index(table, &names, capabilities),
                columns: names,
                rows: IndexedRows::All,
            });
        }
    }
    plans
}

/// A column of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexed<'a> {
    /// The plan has it.
    Planned(&'a Column),
    /// Only the table has it, under this name.
    Left(&'a str),
}

impl<'a> Indexed<'a> {
    fn find(name: &str, indexable: Indexable<'a>) -> Option<Self> {
        let planned = indexable
            .columns
            .iter()
            .find(|column| folded(column.name.as_str()) == folded(name));
        let left = || {
            let found = indexable.existing.find(name)?;
            // Marks have no field: they stay behind where the delete mode was changed.
            (!MARKS.contains(&folded(found).as_str())).then_some(found)
        };
        planned.map(Self::Planned).or_else(|| left().map(Self::Left))
    }

    fn name(&self) -> Identifier {
        match self {
            Self::Planned(column) => column.name.clone(),
            Self::Left(name) => Identifier::new(*name),
        }
    }

    fn left(&self) -> Option<&'a str> {
        match self {
            Self::Planned(_) => None,
            Self::Left(name) => Some(name),
        }
    }
}

fn resolve<'a>(
    names: &[String],
    text: &str,
    indexable: Indexable<'a>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Indexed<'a>>> {
    if names.is_empty() {
        findings.problem("an index without columns: name at least one");
        return None;
    }
    let mut resolved: Vec<Indexed<'_>> = Vec::with_capacity(names.len());
    let mut whole = true;
    for name in names {
        match Indexed::find(name, indexable) {
            Some(column) if resolved.contains(&column) => {
                findings.problem(format!("index ({text}) has column {name} twice"));
                whole = false;
            }
            Some(column) => resolved.push(column),
            None => {
                let columns = indexable.columns.iter().map(|column| column.name.as_str());
                let hint = suggest::hint(name, columns);
                findings.problem(format!("index ({text}): the table has no column {name}{hint}"));
                whole = false;
            }
        }
    }
    let left: Vec<&str> = resolved.iter().filter_map(Indexed::left).collect();
    if whole && !left.is_empty() {
        findings.warning(format!(
            "index ({text}): nothing feeds {} any more, since the field does not exist, or the Salesforce user may not read it; \
             the index stays",
            list(left.iter().map(|name| format!("column {name}")))
        ));
    }
    whole.then_some(resolved)
}

/// PostgreSQL refuses a row whose value is too long for an index.
fn warn_of_long_values(columns: &[Indexed<'_>], text: &str, capabilities: Capabilities, findings: &mut Findings<'_>) {
    if capabilities.name != "PostgreSQL" {
        return;
    }
    for column in columns {
        // Nothing is written into one that is left.
        let Indexed::Planned(column) = column else { continue };
        let sure = match column.kind {
            ColumnKind::Text { length } => length.is_some_and(|length| length <= SURE_CHARACTERS),
            ColumnKind::Id
            | ColumnKind::Boolean
            | ColumnKind::Int
            | ColumnKind::Long
            | ColumnKind::Decimal { .. }
            | ColumnKind::Date
            | ColumnKind::Time
            | ColumnKind::Timestamp => true,
        };
        if !sure {
            findings.warning(format!(
                "index ({text}): values of column {} may be longer than the 2704 bytes that PostgreSQL can index; a row \
                 with such a value cannot be written",
                column.name
            ));
        }
    }
}
