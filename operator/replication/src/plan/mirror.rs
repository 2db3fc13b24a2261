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
    schema::{Lookup, NotFound},
};
use crate::destination::Capabilities;

/// Fields that every table has under a name of its own.
const IN_EVERY_TABLE: [&str; 2] = ["Id", "SystemModstamp"];

/// The mapping's columns for the object, in describe's order.
pub(super) fn drafts(
    lookup: Lookup<'_>,
    exclude: &[String],
    (existing, capabilities): (Existing<'_>, Capabilities),
    findings: &mut Findings<'_>,
) -> Vec<Draft> {
    check_excluded(lookup, exclude, existing, findings);
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
/// there, and less so where the Salesforce user may not read it any more.
pub(super) fn add_left_out(
    drafts: &mut Vec<Draft>,
    lookup: Lookup<'_>,
    exclude: &[String],
    (existing, capabilities): (Existing<'_>, Capabilities),
) {
    for name in exclude {
        let (name, kind) = match lookup.find(name) {
            Ok(found) if found.path.relationship.is_none() => match ColumnKind::of(found.field) {
                Ok(kind) => (found.field.name.as_str(), kind),
                Err(_) => continue,
            },
            // Nothing but NULL is written into the column, whatever its type.
            Err(NotFound::Missing(_)) if !name.contains('.') => (name.as_str(), ColumnKind::Text { length: None }),
            Ok(_) | Err(_) => continue,
        };
        if IN_EVERY_TABLE.contains(&name) || name == "IsDeleted" {
            continue;
        }
        let column = Identifier::from_api_name(name, capabilities).as_str().to_owned();
        let is_taken = drafts.iter().any(|draft| folded(&draft.column) == folded(&column));
        if existing.has(&column) && !is_taken {
            drafts.push(Draft {
                column,
                value: DraftValue::Excluded(kind),
                origin: Origin::Default,
            });
        }
    }
}

/// A name that no field has is a slip, which would replicate what was to be left out: before there is a table it is a
/// problem. Later on the field may have been withdrawn, and then it is left out as it should be (design 6.8).
fn check_excluded(lookup: Lookup<'_>, exclude: &[String], existing: Existing<'_>, findings: &mut Findings<'_>) {
    for name in exclude {
        if IN_EVERY_TABLE.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            findings.problem(format!("exclude: {name} is in every table and cannot be left out"));
        } else if name.contains('.') {
            findings.problem(format!(
                "exclude: the Mirror mapping takes no field of a parent, so there is no {name}"
            ));
        } else if let Err(not_found) = lookup.find(name) {
            let text = format!("exclude: field {name} {}", not_found.because());
            match not_found {
                NotFound::Missing(_) if existing.is_there() => findings.warning(text),
                NotFound::Missing(_) | NotFound::Wrong(_) => findings.problem(text),
            }
        }
    }
}
