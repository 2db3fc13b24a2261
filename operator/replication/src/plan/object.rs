//! One object: its mapping, what the resource adds, and the table that comes of it.

use std::collections::BTreeMap;

use crds::{DeleteMode, FieldSpec, Mapping, ObjectSpec, UrlSpec};
use salesforce::describe::{FieldType, ObjectSummary};

use super::{
    column::{Column, ColumnKind, ColumnSource},
    draft::{Draft, DraftValue, Origin},
    field_path::FieldPath,
    findings::{Findings, list},
    hash::PlanHash,
    identifier::{self, Identifier, NameOf, ObjectName, folded},
    index::{self, IndexPlan},
    mapping, mirror,
    schema::{Lookup, Schema},
    suggest,
    template::{self, UrlTemplate},
};
use crate::{destination::Capabilities, soql};

/// The primary key of every table.
const SALESFORCE_ID: &str = "salesforce_id";
/// The stamp of every table.
const SYSTEM_MODSTAMP: &str = "system_modstamp";
/// What [`Deletes::Mark`] adds.
const MARKS: [&str; 2] = ["is_deleted", "deleted_at"];

/// Most characters of a statement (salesforce-api.md 7).
const MAX_STATEMENT: usize = 100_000;
/// What a query that goes on behind a row has more than the first one, with room.
const LONGEST_CONDITION: usize = 300;

/// What happens to a row whose record is deleted in Salesforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    /// The row leaves the table.
    Remove,
    /// The row stays, with `is_deleted` and `deleted_at`.
    Mark,
    /// The row stays as it is.
    Ignore,
}

impl Deletes {
    /// The word for it, as it stands in a resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "Remove",
            Self::Mark => "Mark",
            Self::Ignore => "Ignore",
        }
    }
}

impl From<DeleteMode> for Deletes {
    fn from(mode: DeleteMode) -> Self {
        match mode {
            DeleteMode::Remove => Self::Remove,
            DeleteMode::Mark => Self::Mark,
            DeleteMode::Ignore => Self::Ignore,
        }
    }
}

/// One object as planned: nothing optional is left that stands for a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPlan {
    /// The object.
    pub object: ObjectName,
    /// Its table.
    pub table: Identifier,
    /// The select list of every query of rows, without duplicates; positions in it are what columns refer to.
    pub select: Vec<FieldPath>,
    /// Position of `Id` in the select list.
    pub id: usize,
    /// Position of `SystemModstamp` in the select list.
    pub stamp: usize,
    /// Position of `IsDeleted` in the select list, where describe has the field; without it every row is live.
    pub is_deleted: Option<usize>,
    /// All columns of the table in order: `salesforce_id` (the primary key) first, `system_modstamp` second; with
    /// [`Deletes::Mark`] the last two are `is_deleted` and `deleted_at`.
    pub columns: Vec<Column>,
    /// The delete mode.
    pub deletes: Deletes,
    /// Indexes beside the primary key.
    pub indexes: Vec<IndexPlan>,
    /// Hash of all that changes a row's look.
    pub hash: PlanHash,
}

/// What all objects of a plan are made against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) schema: &'a Schema,
    /// `https://host`, without a slash at its end.
    pub(super) instance: &'a str,
    pub(super) capabilities: Capabilities,
}

/// The mapping of an object that names none.
pub(super) fn mapping_of(spec: &ObjectSpec) -> Mapping {
    spec.mapping.unwrap_or(if mapping::knows(&spec.name) {
        Mapping::Directory
    } else {
        Mapping::Mirror
    })
}

/// Plans one object. `None` where something is wrong, which is then among the findings.
pub(super) fn make(spec: &ObjectSpec, context: Context<'_>, findings: &mut Findings<'_>) -> Option<ObjectPlan> {
    let before = findings.problems();
    let ObjectSpec {
        name,
        table,
        mapping: _,
        fields,
        exclude,
        urls,
        condition: _,
        deletes,
        indexes,
    } = spec;
    let summary = usable_object(name, context.schema, findings)?;
    let Some(describe) = context.schema.describe(&summary.name) else {
        findings.problem("its fields could not be read (describe)");
        return None;
    };
    let lookup = Lookup::new(context.schema, describe);
    let deletes = Deletes::from(*deletes);
    let mapping = mapping_of(spec);
    let table = table_name(table.as_deref(), &summary.name, context.capabilities, findings);

    let mut select = Select::new(lookup, findings)?;
    let mut drafts = defaults(mapping, lookup, exclude, context.capabilities, findings);
    add_fields(&mut drafts, fields, mapping, lookup, findings);
    add_urls(&mut drafts, urls, findings);
    check_names(&drafts, deletes, context.capabilities, findings);

    let columns = columns(&drafts, lookup, context.instance, &mut select, findings);
    let columns = framed(columns, &select, deletes);
    let indexes = index::make(&table, indexes, &columns, context.capabilities, findings);
    check_size(&columns, context.capabilities, findings);
    warn(lookup, &select.paths, deletes, findings);

    let Select { paths, is_deleted } = select;
    let plan = ObjectPlan {
        object: ObjectName::new(summary.name.as_str()),
        table,
        id: 0,
        stamp: 1,
        is_deleted,
        hash: PlanHash::of(&columns, &paths, deletes),
        select: paths,
        columns,
        deletes,
        indexes,
    };
    if soql::query(&plan, &soql::Rows::Live, None, None).len() + LONGEST_CONDITION > MAX_STATEMENT {
        findings.problem(format!(
            "its query would have more than {MAX_STATEMENT} characters, the most that Salesforce takes: exclude fields"
        ));
    }
    (findings.problems() == before).then_some(plan)
}

/// The object in describeGlobal, where it can be replicated.
fn usable_object<'a>(name: &str, schema: &'a Schema, findings: &mut Findings<'_>) -> Option<&'a ObjectSummary> {
    let Some(summary) = schema.summary(name) else {
        let hint = suggest::hint(name, schema.object_names());
        findings.problem(format!(
            "the object does not exist, or the Salesforce user may not see it{hint}"
        ));
        return None;
    };
    let suffix = summary
        .name
        .rsplit_once("__")
        .map(|(_, suffix)| suffix.to_ascii_lowercase());
    let refused = if summary.deprecated_and_hidden {
        "the object is kept by Salesforce for itself (deprecatedAndHidden)"
    } else if !summary.queryable {
        "the object cannot be queried"
    } else if summary.custom_setting {
        "the object is a custom setting, which holds the org's configuration and no records"
    } else {
        match suffix.as_deref() {
            Some("mdt") => "the object is a custom metadata type, whose queries Salesforce does not page",
            Some("b") => "the object is a big object, which Salesforce reads by its own index only",
            Some("x") => "the object is external: its records are not in Salesforce",
            Some("e") => "the object is a platform event, which has no records",
            Some(_) | None => return Some(summary),
        }
    };
    findings.problem(refused);
    None
}

fn table_name(
    written: Option<&str>,
    object: &str,
    capabilities: Capabilities,
    findings: &mut Findings<'_>,
) -> Identifier {
    let table = match written {
        Some(name) => Identifier::new(name),
        None => Identifier::from_api_name(object, capabilities),
    };
    if let Err(because) = identifier::check(table.as_str(), NameOf::Table, capabilities) {
        findings.problem(format!("table {table} {because}"));
    }
    table
}

fn defaults(
    mapping: Mapping,
    lookup: Lookup<'_>,
    exclude: &[String],
    capabilities: Capabilities,
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
        Mapping::Mirror => mirror::drafts(lookup, exclude, capabilities, findings),
        Mapping::None => {
            if !exclude.is_empty() {
                findings.problem("exclude has nothing to leave out: the mapping None has no columns of its own");
            }
            Vec::new()
        }
    }
}

/// Puts the resource's own fields in the place of defaults, or behind them.
fn add_fields(
    drafts: &mut Vec<Draft>,
    fields: &[FieldSpec],
    mapping: Mapping,
    lookup: Lookup<'_>,
    findings: &mut Findings<'_>,
) {
    for FieldSpec { source, column } in fields {
        let found = match lookup.find(source) {
            Ok(found) => found,
            Err(not_found) => {
                findings.problem(format!("field {source} {} (for column {column})", not_found.because()));
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
        if found.polymorphic {
            findings.warning(format!(
                "{} belongs to a parent of several types: its own changes cannot be looked for, and arrive with the \
                 record's next change or a Refresh",
                found.path
            ));
        }
        let draft = Draft {
            column: column.clone(),
            value: DraftValue::Field(found.path, kind),
            origin: Origin::Spec,
        };
        place(drafts, draft, mapping, findings);
    }
}

fn add_urls(drafts: &mut Vec<Draft>, urls: &[UrlSpec], findings: &mut Findings<'_>) {
    for UrlSpec { column, template } in urls {
        let draft = Draft {
            column: column.clone(),
            value: DraftValue::Template(template.clone()),
            origin: Origin::Spec,
        };
        place(drafts, draft, Mapping::None, findings);
    }
}

/// Takes the place of the default with the same column; under Mirror of the one with the same source, and one whose
/// column is taken from it is left out, with a word.
fn place(drafts: &mut Vec<Draft>, draft: Draft, mapping: Mapping, findings: &mut Findings<'_>) {
    let column = folded(&draft.column);
    let is_default = |known: &Draft| known.origin == Origin::Default;
    let same_source = match (&draft.value, mapping) {
        (DraftValue::Field(path, _), Mapping::Mirror) => drafts.iter().position(|known| {
            is_default(known) && matches!(&known.value, DraftValue::Field(known, _) if known == path)
        }),
        (DraftValue::Field(..) | DraftValue::Template(_) | DraftValue::Empty(_), _) => None,
    };
    let same_column = drafts
        .iter()
        .position(|known| is_default(known) && folded(&known.column) == column);
    match (same_source, same_column) {
        (Some(source), Some(taken)) if source != taken => {
            if let Some(known) = drafts.get_mut(source) {
                *known = draft;
            }
            let lost = drafts.remove(taken);
            findings.warning(format!(
                "{} is left out, since its column {} is taken by fields",
                lost.described(),
                lost.column
            ));
        }
        (Some(position), _) | (None, Some(position)) => {
            if let Some(known) = drafts.get_mut(position) {
                if mapping == Mapping::Mirror && same_source.is_none() {
                    findings.warning(format!(
                        "{} is left out, since its column {} is taken by fields",
                        known.described(),
                        known.column
                    ));
                }
                *known = draft;
            }
        }
        (None, None) => drafts.push(draft),
    }
}

/// Names have to be possible, free and different.
fn check_names(drafts: &[Draft], deletes: Deletes, capabilities: Capabilities, findings: &mut Findings<'_>) {
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

/// The select list while it grows.
struct Select {
    paths: Vec<FieldPath>,
    is_deleted: Option<usize>,
}

impl Select {
    /// Begins with what every query reads.
    fn new(lookup: Lookup<'_>, findings: &mut Findings<'_>) -> Option<Self> {
        let known = |name: &str| lookup.find(name).is_ok();
        if !known("Id") {
            findings.problem("the object has no Id, so its records cannot be told apart");
            return None;
        }
        if !known("SystemModstamp") {
            findings.problem(
                "the object has no SystemModstamp, or the Salesforce user may not read it: changes cannot be told, and \
                 reading all of it at each run is not served yet",
            );
            return None;
        }
        let mut paths = vec![FieldPath::own("Id"), FieldPath::own("SystemModstamp")];
        let is_deleted = known("IsDeleted").then(|| {
            paths.push(FieldPath::own("IsDeleted"));
            paths.len() - 1
        });
        Some(Self { paths, is_deleted })
    }

    fn position(&mut self, path: &FieldPath) -> usize {
        self.paths.iter().position(|known| known == path).unwrap_or_else(|| {
            self.paths.push(path.clone());
            self.paths.len() - 1
        })
    }
}

/// Resolves drafts to columns. A draft with a problem has no column; then there is no plan either.
fn columns(
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
fn framed(columns: Vec<Column>, select: &Select, deletes: Deletes) -> Vec<Column> {
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

fn check_size(columns: &[Column], capabilities: Capabilities, findings: &mut Findings<'_>) {
    if columns.len() > capabilities.max_columns {
        findings.problem(format!(
            "its table would have {} columns, and {} takes {}: exclude fields, or take the mapping None and name them",
            columns.len(),
            capabilities.name,
            capabilities.max_columns
        ));
    }
}

/// What an administrator should know before it shows in the data.
fn warn(lookup: Lookup<'_>, select: &[FieldPath], deletes: Deletes, findings: &mut Findings<'_>) {
    let found = || select.iter().filter_map(|path| lookup.find(&path.to_string()).ok());
    let calculated: Vec<String> = found()
        .filter(|found| found.field.calculated && found.path.relationship.is_none())
        .map(|found| found.path.to_string())
        .collect();
    if !calculated.is_empty() {
        findings.warning(format!(
            "formulas and roll-ups change without a stamp, so their new values arrive only with the record's next \
             change or a Refresh: {}",
            list(calculated)
        ));
    }
    let masked: Vec<String> = found()
        .filter(|found| found.field.field_type == FieldType::EncryptedString)
        .map(|found| found.path.to_string())
        .collect();
    if !masked.is_empty() {
        findings.warning(format!(
            "encrypted fields arrive masked unless the Salesforce user has the permission View Encrypted Data: {}",
            list(masked)
        ));
    }
    let summary = lookup.summary();
    if !summary.replicateable {
        findings.warning(
            "Salesforce does not list its changes and deletes (it is not replicateable): late commits and hard deletes \
             are found by Reconcile only",
        );
    }
    if lookup.find("IsDeleted").is_err() && deletes != Deletes::Ignore {
        findings.warning("it has no IsDeleted: Incremental cannot see its deletes, Reconcile finds them");
    }
}
