//! Columns before they are planned: what the mapping gives by default, and what the resource puts in its place.
//!
//! Names are not resolved to positions of the select list yet: a column that is replaced must not be read.

use std::collections::BTreeSet;

use crds::{FieldSpec, Mapping, UrlSpec};

use super::{
    column::ColumnKind,
    existing::Existing,
    field_path::FieldPath,
    findings::Findings,
    identifier::folded,
    mapping, mirror,
    schema::{Lookup, NotFound},
};
use crate::destination::Capabilities;

/// What a column holds whose field describe does not tell. The column is there and keeps its type.
const UNKNOWN: ColumnKind = ColumnKind::Text { length: None };

/// A column before it is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) column: String,
    pub(super) value: DraftValue,
    pub(super) origin: Origin,
}

/// Where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DraftValue {
    /// A field that describe has.
    Field(FieldPath, ColumnKind),
    /// A URL template as written.
    Template(String),
    /// Nothing.
    Empty(ColumnKind),
    /// Nothing, and no value that was there before.
    Excluded(ColumnKind),
    /// A field that describe lacks, as it was written: nothing, and what the column has stays.
    Missing(String, ColumnKind),
}

/// Who wants the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The mapping.
    Default,
    /// The resource itself.
    Spec,
}

impl Draft {
    /// Whether both hold the value of the same field.
    pub(super) fn has_field_of(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (DraftValue::Field(own, _), DraftValue::Field(others, _)) => own == others,
            (
                DraftValue::Field(..)
                | DraftValue::Template(_)
                | DraftValue::Empty(_)
                | DraftValue::Excluded(_)
                | DraftValue::Missing(..),
                _,
            ) => false,
        }
    }

    /// What the column is made of, for a sentence.
    pub(super) fn described(&self) -> String {
        match &self.value {
            DraftValue::Field(path, _) => format!("field {path}"),
            DraftValue::Template(_) => "a URL".to_owned(),
            DraftValue::Empty(_) | DraftValue::Excluded(_) => "an empty column".to_owned(),
            DraftValue::Missing(source, _) => format!("field {source}"),
        }
    }
}

/// The columns of the mapping.
pub(super) fn defaults(
    mapping: Mapping,
    lookup: Lookup<'_>,
    exclude: &[String],
    (existing, capabilities): (Existing<'_>, Capabilities),
    findings: &mut Findings<'_>,
) -> Vec<Draft> {
    match mapping {
        Mapping::Directory if mapping::knows(lookup.name()) => mapping::drafts(lookup, exclude, findings),
        Mapping::Directory => {
            findings.problem(
                "the Directory mapping knows Contact, Account, Lead and User only: take Mirror, or None and fields",
            );
            Vec::new()
        }
        Mapping::Mirror => mirror::drafts(lookup, exclude, (existing, capabilities), findings),
        Mapping::None => {
            if !exclude.is_empty() {
                findings.problem("exclude has nothing to leave out: the mapping None has no columns of its own");
            }
            Vec::new()
        }
    }
}

/// The columns that the resource itself names. A field that describe lacks is a problem, unless its column is there: then
/// a permission may have been withdrawn, and the table goes on without it (design 6.8).
pub(super) fn written(
    fields: &[FieldSpec],
    urls: &[UrlSpec],
    lookup: Lookup<'_>,
    existing: Existing<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Draft> {
    let mut drafts = Vec::with_capacity(fields.len() + urls.len());
    for FieldSpec { source, column } in fields {
        let found = match lookup.find(source) {
            Ok(found) => found,
            Err(NotFound::Missing(because)) if existing.has(column) => {
                findings.warning(format!(
                    "field {source} {because} (its column {column} keeps the values that it has)"
                ));
                drafts.push(Draft {
                    column: column.clone(),
                    value: DraftValue::Missing(source.clone(), UNKNOWN),
                    origin: Origin::Spec,
                });
                continue;
            }
            Err(NotFound::Missing(because)) => {
                findings.missing_field(format!("field {source} {because} (for column {column})"));
                continue;
            }
            Err(NotFound::Wrong(because)) => {
                findings.problem(format!("field {source} {because} (for column {column})"));
                continue;
            }
        };
        let kind = match ColumnKind::of(found.field) {
            Ok(kind) => kind,
            Err(because) => {
                findings.problem(format!("field {} {}", found.path, because.because()));
                continue;
            }
        };
        drafts.push(Draft {
            column: column.clone(),
            value: DraftValue::Field(found.path, kind),
            origin: Origin::Spec,
        });
    }
    drafts.extend(urls.iter().map(|UrlSpec { column, template }| Draft {
        column: column.clone(),
        value: DraftValue::Template(template.clone()),
        origin: Origin::Spec,
    }));
    drafts
}

/// Puts the resource's own columns in the place of defaults, or behind them: of the default with the same column, under
/// Mirror first of the one with the same source. A field that a Mirror loses in this way is told.
pub(super) fn place(drafts: &mut Vec<Draft>, written: Vec<Draft>, mapping: Mapping, findings: &mut Findings<'_>) {
    let columns: BTreeSet<String> = written.iter().map(|draft| folded(&draft.column)).collect();
    let mut others = Vec::with_capacity(written.len());
    for draft in written {
        let same_source = drafts
            .iter_mut()
            .find(|known| known.origin == Origin::Default && known.has_field_of(&draft));
        match same_source {
            Some(known) if mapping == Mapping::Mirror => *known = draft,
            Some(_) | None => others.push(draft),
        }
    }
    for draft in others {
        let column = folded(&draft.column);
        let taken = drafts
            .iter_mut()
            .find(|known| known.origin == Origin::Default && folded(&known.column) == column);
        match taken {
            Some(known) => {
                if mapping == Mapping::Mirror {
                    tell_lost(known, findings);
                }
                *known = draft;
            }
            None => drafts.push(draft),
        }
    }
    if mapping == Mapping::Mirror {
        drafts.retain(|draft| {
            let lost = draft.origin == Origin::Default && columns.contains(&folded(&draft.column));
            if lost {
                tell_lost(draft, findings);
            }
            !lost
        });
    }
}

fn tell_lost(draft: &Draft, findings: &mut Findings<'_>) {
    findings.warning(format!(
        "{} is left out, since its column {} is given to another source",
        draft.described(),
        draft.column
    ));
}
