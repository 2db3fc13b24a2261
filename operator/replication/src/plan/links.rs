//! Parents whose fields are in the table, and how a change of theirs is found (design 6.5).
//!
//! A parent that changes moves no stamp of its children. So the changed parents are read by their own stamp, and where a
//! value differs from the table's, their children are read again. For that a parent needs a stamp; the children need
//! columns that hold the parents' values as they are, and the reference by which they are found. A template mixes its
//! values with other text, so what a parent's row would make of it cannot be told from the parent alone.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    column::{Column, ColumnSource},
    field_path::FieldPath,
    findings::{Findings, list},
    identifier::ObjectName,
    object::{Link, LinkedColumn, Periods},
    schema::{Lookup, Relationship},
    template::{TemplatePart, UrlTemplate},
};

/// The links of an object, in the order in which its select list names them. None without a stamp: each run reads every
/// record then, and brings the values of parents.
pub(super) fn make(
    lookup: Lookup<'_>,
    (select, stamp): (&[FieldPath], Option<usize>),
    columns: &[Column],
    refreshed: Refreshed,
    findings: &mut Findings<'_>,
) -> Vec<Link> {
    let mut links = Vec::new();
    if stamp.is_none() {
        return links;
    }
    let mut seen = BTreeSet::new();
    for name in select.iter().filter_map(|path| path.relationship.as_deref()) {
        if !seen.insert(name) {
            continue;
        }
        let Some(relationship) = lookup.relationship(name) else {
            continue;
        };
        let paths = select.iter().filter(|path| path.relationship.as_deref() == Some(name));
        let fields = || list(paths.clone().map(ToString::to_string));
        let Relationship {
            reference,
            parent,
            polymorphic,
        } = relationship;
        let parents = &parent.summary.name;
        let unseen = if polymorphic {
            Some("fields of parents of several types".to_owned())
        } else if !parent.summary.queryable || parent.field("Id").is_none() {
            Some(format!("fields of {parents} (which cannot be queried)"))
        } else if parent.field("SystemModstamp").is_none() {
            Some(format!("fields of {parents} (which has no SystemModstamp)"))
        } else if !reference.filterable {
            Some(format!(
                "fields of {parents} (by {} Salesforce does not filter)",
                reference.name
            ))
        } else {
            None
        };
        if let Some(unseen) = unseen {
            findings.warning(format!("{unseen} arrive {}: {}", refreshed.arrival(), fields()));
            continue;
        }
        if !parent.summary.replicateable {
            findings.warning(format!(
                "Salesforce does not list the changes of {parents} (it is not replicateable): those that are committed late \
                 arrive {}: {}",
                refreshed.arrival(),
                fields()
            ));
        }
        links.push(link(name, relationship, select, columns));
    }
    links
}

/// Whether a Refresh is ever due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refreshed {
    /// It is.
    Yes,
    /// `refreshEvery` is 0s.
    Never,
}

impl Refreshed {
    pub(super) fn of(periods: Periods) -> Self {
        if periods.refresh.is_some() {
            Self::Yes
        } else {
            Self::Never
        }
    }

    /// When values arrive that change without a stamp.
    pub(super) fn arrival(self) -> &'static str {
        match self {
            Self::Yes => "only with the record's next change or a Refresh",
            Self::Never => "only with the record's next change, since consistency.refreshEvery is 0s",
        }
    }
}

fn link(name: &str, relationship: Relationship<'_>, select: &[FieldPath], columns: &[Column]) -> Link {
    let Relationship {
        reference,
        parent,
        polymorphic: _,
    } = relationship;
    let reference = FieldPath::own(reference.name.as_str());
    let mut parents = vec![FieldPath::own("Id"), FieldPath::own("SystemModstamp")];
    let is_deleted = parent.field("IsDeleted").map(|_| {
        parents.push(FieldPath::own("IsDeleted"));
        parents.len() - 1
    });
    // The field of the parent at a position of the child's select list, where it is one of this relationship.
    let linked = |position: usize| {
        select
            .get(position)
            .filter(|path| path.relationship.as_deref() == Some(name))
    };
    for path in (0..select.len()).filter_map(linked) {
        if !parents.iter().any(|known| known.field == path.field) {
            parents.push(FieldPath::own(Arc::clone(&path.field)));
        }
    }
    let is_needed_by = |template: &UrlTemplate| {
        template.parts.iter().any(|part| match part {
            TemplatePart::Field(position) => linked(*position).is_some(),
            TemplatePart::Literal(_) => false,
        })
    };
    let by_template = columns.iter().any(|column| match &column.source {
        ColumnSource::Template(template) => is_needed_by(template),
        ColumnSource::Field(_)
        | ColumnSource::Empty
        | ColumnSource::Null
        | ColumnSource::IsDeleted
        | ColumnSource::DeletedAt => false,
    });
    let holding = |column: &Column| match column.source {
        ColumnSource::Field(position) => select.get(position),
        ColumnSource::Template(_)
        | ColumnSource::Empty
        | ColumnSource::Null
        | ColumnSource::IsDeleted
        | ColumnSource::DeletedAt => None,
    };
    let compared = columns.iter().enumerate().filter_map(|(column, planned)| {
        let path = holding(planned).filter(|path| path.relationship.as_deref() == Some(name))?;
        let field = parents.iter().position(|known| known.field == path.field)?;
        Some(LinkedColumn { column, field })
    });
    Link {
        parent: ObjectName::new(parent.summary.name.as_str()),
        compared: if by_template { Vec::new() } else { compared.collect() },
        reference_column: columns.iter().position(|column| holding(column) == Some(&reference)),
        reference,
        is_deleted,
        replicateable: parent.summary.replicateable,
        select: parents,
    }
}
