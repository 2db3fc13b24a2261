//! The `Mirror` mapping: every field that can be replicated, under its own name.
//!
//! Compound fields (address, location) and binary ones are left out: the parts of the former are fields of their own,
//! the latter come one record at a time. `Id` and `SystemModstamp` are in every table already, and `IsDeleted` would be
//! false in every row. A type that this version does not know is a problem and not left out: a column that is missing
//! without a word is found when somebody needs it.

use super::{
    column::{ColumnKind, NoColumn},
    draft::{Draft, DraftValue, Origin},
    existing::Existing,
    field_path::FieldPath,
    findings::Findings,
    identifier::{Identifier, folded},
    schema::Lookup,
};
use crate::destination::Capabilities;

/// Fields that every table has under a name of its own.
const IN_EVERY_TABLE: [&str; 2] = ["Id", "SystemModstamp"];

/// The mapping's columns for the object, in describe's order.
pub(super) fn drafts(
    lookup: Lookup<'_>,
    exclude: &[String],
    capabilities: Capabilities,
    findings: &mut Findings<'_>,
) -> Vec<Draft> {
    check_excluded(lookup, exclude, findings);
    let is_excluded = |name: &str| exclude.iter().any(|excluded| excluded.eq_ignore_ascii_case(name));
    let mut drafts = Vec::with_capacity(lookup.fields().len());
    for field in lookup.fields() {
        if IN_EVERY_TABLE.contains(&field.name.as_str()) || field.name == "IsDeleted" || is_excluded(&field.name) {
            continue;
        }
        match ColumnKind::of(field) {
            Ok(kind) => drafts.push(Draft {
                column: Identifier::from_api_name(&field.name, capabilities).as_str().to_owned(),
                value: DraftValue::Field(FieldPath::own(field.name.as_str()), kind),
                origin: Origin::Default,
            }),
            Err(NoColumn::Compound | NoColumn::Binary | NoColumn::Hidden) => {}
            Err(unknown @ NoColumn::Unknown(_)) => {
                findings.problem(format!("field {} {}: exclude it", field.name, unknown.because()));
            }
        }
    }
    drafts
}

/// Adds the columns of excluded fields that the table has from before: whoever excludes a field does not want its values
/// there.
pub(super) fn add_left_out(
    drafts: &mut Vec<Draft>,
    lookup: Lookup<'_>,
    exclude: &[String],
    (existing, capabilities): (Existing<'_>, Capabilities),
) {
    for field in lookup.fields() {
        let is_named = exclude.iter().any(|name| name.eq_ignore_ascii_case(&field.name));
        if !is_named || IN_EVERY_TABLE.contains(&field.name.as_str()) || field.name == "IsDeleted" {
            continue;
        }
        let column = Identifier::from_api_name(&field.name, capabilities).as_str().to_owned();
        let is_taken = drafts.iter().any(|draft| folded(&draft.column) == folded(&column));
        if let Ok(kind) = ColumnKind::of(field)
            && existing.has(&column)
            && !is_taken
        {
            drafts.push(Draft {
                column,
                value: DraftValue::Excluded(kind),
                origin: Origin::Default,
            });
        }
    }
}

fn check_excluded(lookup: Lookup<'_>, exclude: &[String], findings: &mut Findings<'_>) {
    for name in exclude {
        if IN_EVERY_TABLE.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            findings.problem(format!("exclude: {name} is in every table and cannot be left out"));
        } else if name.contains('.') {
            findings.problem(format!(
                "exclude: the Mirror mapping takes no field of a parent, so there is no {name}"
            ));
        } else if let Err(not_found) = lookup.find(name) {
            findings.problem(format!("exclude: field {name} {}", not_found.because()));
        }
    }
}
