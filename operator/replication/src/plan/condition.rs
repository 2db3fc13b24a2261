//! Which records a table is to hold: the resource's `where`, and what the Directory mapping implies.
//!
//! A condition is written by a person and sent to Salesforce behind conditions of our own, so it is read before: it has to
//! be one condition and nothing behind it, its fields have to be there and be ones that can be filtered by. A field that
//! describe lacks is an error whatever the table has: without it nobody can say which records belong in the table, and
//! an empty answer would be taken for a reason to delete.
//!
//! Conditions that change without the record's stamp are served, with a warning: Incremental sees changed records only,
//! so those that enter or leave in this way are found when all Ids are listed (Reconcile).

mod read;
mod relative;
mod token;
mod typing;

use std::collections::BTreeSet;

use crds::Mapping;

use super::{
    findings::{Findings, list},
    mapping,
    object::Condition,
    periods,
    schema::{Found, Lookup, NotFound},
};

/// What a table is to hold, and what its queries need for it.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// `None`: all records.
    pub(super) condition: Option<Condition>,
    /// Relationships that the condition goes up.
    pub(super) relationships: BTreeSet<String>,
}

/// Written paths of the fields that a condition names; none of a text that cannot be read.
pub(super) fn fields<'a>(text: &'a str, object: &str) -> Vec<&'a str> {
    let fields = read::read(text).fields;
    fields.into_iter().map(|(field, _)| unprefixed(field, object)).collect()
}

/// The condition of an object.
pub(super) fn make(
    written: Option<&str>,
    mapping: Mapping,
    lookup: Lookup<'_>,
    with_contacts: bool,
    reconciles: bool,
    findings: &mut Findings<'_>,
) -> Selection {
    let mut selection = Selection::default();
    let mut conditions = match mapping {
        Mapping::Directory => mapping::conditions(lookup, with_contacts, findings),
        Mapping::Mirror | Mapping::None => Vec::new(),
    };
    if let Some(text) = written {
        let soql = check(text, lookup, reconciles, &mut selection.relationships, findings);
        conditions.push(format!("({soql})"));
    }
    if !conditions.is_empty() {
        selection.condition = Some(Condition {
            soql: conditions.join(" AND "),
        });
    }
    selection
}

/// Reads a written condition, tells what is wrong with it, and gives its text.
fn check(
    text: &str,
    lookup: Lookup<'_>,
    reconciles: bool,
    relationships: &mut BTreeSet<String>,
    findings: &mut Findings<'_>,
) -> String {
    if text.trim().is_empty() {
        findings.problem("where: the condition is empty: write one, or leave it out");
        return String::new();
    }
    let read::Reading {
        soql,
        fields,
        comparisons,
        mut moving,
        problem,
    } = read::read(text);
    let mut told = BTreeSet::new();
    for (written, at) in fields {
        let field = unprefixed(written, lookup.name());
        let first = told.insert(field.to_ascii_lowercase());
        match lookup.find(field) {
            Ok(found) => {
                if let Some(relationship) = &found.path.relationship {
                    relationships.insert(relationship.to_string());
                }
                if first && !found.field.filterable {
                    findings.problem(format!(
                        "where: Salesforce does not filter by field {} (character {at}): take another one",
                        found.path
                    ));
                }
                moving.extend(moves(&found));
            }
            Err(NotFound::Missing(because)) if first => {
                findings.missing_field(format!("where: field {written} (character {at}) {because}"));
            }
            Err(NotFound::Wrong(because)) if first => {
                findings.problem(format!("where: field {written} (character {at}) {because}"));
            }
            Err(_) => {}
        }
    }
    for comparison in &comparisons {
        // Fields that are not there, or not to be filtered by, are told already.
        let found = lookup.find(unprefixed(comparison.field, lookup.name()));
        if let Some(problem) = found
            .ok()
            .filter(|found| found.field.filterable)
            .and_then(|found| typing::problem(&found, comparison))
        {
            findings.problem(format!("where: {problem}"));
        }
    }
    if let Some(problem) = problem {
        findings.problem(format!("where: {problem}"));
    } else if !moving.is_empty() {
        let found_by = if reconciles {
            format!("are found by Reconcile only ({})", periods::RECONCILE_SETTING)
        } else {
            format!("are not found, since {} is 0s", periods::RECONCILE_SETTING)
        };
        findings.warning(format!(
            "where: records that begin or cease to meet it without a change of their own {found_by}: {}",
            list(moving)
        ));
    }
    soql
}

/// Why a field may change without the record's stamp.
fn moves(found: &Found<'_>) -> Option<String> {
    if found.path.relationship.is_some() {
        Some(format!("{} (field of a parent)", found.path))
    } else if found.field.calculated {
        Some(format!("{} (formula or roll-up)", found.path))
    } else {
        None
    }
}

/// SOQL lets a field be named with its object before it: `Contact.Email`.
fn unprefixed<'a>(field: &'a str, object: &str) -> &'a str {
    match field.split_once('.') {
        Some((first, rest)) if first.eq_ignore_ascii_case(object) => rest,
        Some(_) | None => field,
    }
}
