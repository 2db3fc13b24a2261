//! Indexes beside the primary key: those that the resource asks for, and those that runs need.
//!
//! A run that finds a parent changed looks for its children by their reference, and one that finds deletes counts the marked
//! rows, of which the guard must know; without an index each of them would read the whole table.

use super::{
    column::{Column, ColumnKind, ColumnSource},
    findings::Findings,
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

pub(super) fn make(
    table: &Identifier,
    written: &[Vec<String>],
    columns: &[Column],
    capabilities: Capabilities,
    findings: &mut Findings<'_>,
) -> Vec<IndexPlan> {
    let mut plans: Vec<IndexPlan> = Vec::with_capacity(written.len());
    for names in written {
        let text = names.join(", ");
        let Some(resolved) = resolve(names, &text, columns, findings) else {
            continue;
        };
        warn_of_long_values(&resolved, &text, capabilities, findings);
        let names: Vec<Identifier> = resolved.iter().map(|column| column.name.clone()).collect();
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

fn resolve<'a>(
    names: &[String],
    text: &str,
    columns: &'a [Column],
    findings: &mut Findings<'_>,
) -> Option<Vec<&'a Column>> {
    if names.is_empty() {
        findings.problem("an index without columns: name at least one");
        return None;
    }
    let mut resolved: Vec<&Column> = Vec::with_capacity(names.len());
    let mut whole = true;
    for name in names {
        match columns
            .iter()
            .find(|column| folded(column.name.as_str()) == folded(name))
        {
            Some(column) if resolved.contains(&column) => {
                findings.problem(format!("index ({text}) has column {name} twice"));
                whole = false;
            }
            Some(column) => resolved.push(column),
            None => {
                let hint = suggest::hint(name, columns.iter().map(|column| column.name.as_str()));
                findings.problem(format!("index ({text}): the table has no column {name}{hint}"));
                whole = false;
            }
        }
    }
    whole.then_some(resolved)
}

/// PostgreSQL refuses a row whose value is too long for an index, and with it the whole segment.
fn warn_of_long_values(columns: &[&Column], text: &str, capabilities: Capabilities, findings: &mut Findings<'_>) {
    if capabilities.name != "PostgreSQL" {
        return;
    }
    for column in columns {
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
