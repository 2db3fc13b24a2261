//! One object: its mapping, what the resource adds, and the table that comes of it.

use std::{collections::BTreeSet, time::Duration};

use crds::{DeleteMode, Mapping, ObjectSpec};
use salesforce::describe::{FieldType, ObjectSummary};

use super::{
    column::Column,
    columns, draft,
    field_path::FieldPath,
    findings::{Findings, list},
    hash::PlanHash,
    identifier::{self, Identifier, NameOf, ObjectName},
    index::{self, IndexPlan},
    mapping,
    schema::{Lookup, Schema},
    select::Select,
    suggest,
};
use crate::{destination::Capabilities, soql};

/// Most characters of a statement (salesforce-api.md 7).
const MAX_STATEMENT: usize = 100_000;
/// Most relations from child to parent of a statement (salesforce-api.md 7).
const MAX_PARENTS: usize = 55;
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
    /// Which records the table is to hold: the resource's `where` and what the mapping implies. `None`: all of them.
    pub condition: Option<Condition>,
    /// Parents whose fields are in the table or in a template, and whose changes are found by reading them.
    pub links: Vec<Link>,
    /// How late commits and hard deletes are found.
    pub verify_by: VerifyBy,
    /// How often the long kinds of run are due; `None` never.
    pub periods: Periods,
    /// Fields that the resource or the mapping names and describe lacks, while their columns are there: they keep their
    /// values (design 6.8).
    pub missing_fields: Vec<String>,
    /// Hash of all that changes a row's look, and which rows there are.
    pub hash: PlanHash,
}

/// Which records the table is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// SOQL that may stand beside others with AND: parenthesised where it needs to be.
    pub soql: String,
}

/// Parents of one relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The parents' object: `Account`.
    pub parent: ObjectName,
    /// The child's reference: `AccountId`.
    pub reference: FieldPath,
    /// The select list of the parents: `Id`, `SystemModstamp`, `IsDeleted` where describe has it, then the mapped fields. All
    /// are the parent's own.
    pub select: Vec<FieldPath>,
    /// Position of `IsDeleted` in it.
    pub is_deleted: Option<usize>,
    /// Whether getUpdated tells of the parents.
    pub replicateable: bool,
    /// The child's column that holds the reference, as a position in the plan's columns.
    pub reference_column: Option<usize>,
    /// Columns of the child against positions in the parents' select list. Empty where a template needs a field of the
    /// parent: then its column cannot be compared, and all children of a changed parent are read again.
    pub compared: Vec<LinkedColumn>,
}

/// A column of the child and the field of the parent that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedColumn {
    /// Position in the plan's columns.
    pub column: usize,
    /// Position in the link's select list.
    pub field: usize,
}

/// How late commits and hard deletes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyBy {
    /// By Salesforce's log: getUpdated and getDeleted.
    Log,
    /// By a listing: the object is not replicateable, so Reconcile takes Verify's place.
    Listing,
}

/// How often the long kinds of run are due; `None` never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Periods {
    /// Verify.
    pub verify: Option<Duration>,
    /// Reconcile.
    pub reconcile: Option<Duration>,
    /// Refresh.
    pub refresh: Option<Duration>,
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
        table: _,
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
    let table = table_of(spec, context.schema, context.capabilities);
    if let Err(because) = identifier::check(table.as_str(), NameOf::Table, context.capabilities) {
        findings.problem(format!("table {table} {because}"));
    }

    let mut select = Select::new(lookup, findings)?;
    let mut drafts = draft::defaults(mapping, lookup, exclude, context.capabilities, findings);
    let written = draft::written(fields, urls, lookup, findings);
    draft::place(&mut drafts, written, mapping, findings);
    columns::check_names(&drafts, deletes, context.capabilities, findings);

    let columns = columns::columns(&drafts, lookup, context.instance, &mut select, findings);
    let columns = columns::framed(columns, &select, deletes);
    let indexes = index::make(&table, indexes, &columns, context.capabilities, findings);
    check_size(&columns, context.capabilities, findings);
    check_parents(&select.paths, findings);
    warn(lookup, &select.paths, deletes, context.capabilities, findings);

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
        condition: None,
        links: Vec::new(),
        verify_by: VerifyBy::Log,
        periods: Periods::default(),
        missing_fields: Vec::new(),
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

/// The table of an object, written or by default.
pub(super) fn table_of(spec: &ObjectSpec, schema: &Schema, capabilities: Capabilities) -> Identifier {
    let by_default = || {
        let name = schema
            .summary(&spec.name)
            .map_or(spec.name.as_str(), |summary| summary.name.as_str());
        Identifier::from_api_name(name, capabilities)
    };
    spec.table.as_deref().map_or_else(by_default, Identifier::new)
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

/// A query has a bound of parents, whatever number of their fields it reads.
fn check_parents(select: &[FieldPath], findings: &mut Findings<'_>) {
    let parents: BTreeSet<_> = select.iter().filter_map(|path| path.relationship.as_ref()).collect();
    if parents.len() > MAX_PARENTS {
        findings.problem(format!(
            "its query would read {} parents, and Salesforce takes {MAX_PARENTS}: take fields of fewer parents",
            parents.len()
        ));
    }
}

/// What an administrator should know before it shows in the data.
fn warn(
    lookup: Lookup<'_>,
    select: &[FieldPath],
    deletes: Deletes,
    capabilities: Capabilities,
    findings: &mut Findings<'_>,
) {
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
    let polymorphic: Vec<String> = found()
        .filter(|found| found.polymorphic)
        .map(|found| found.path.to_string())
        .collect();
    if !polymorphic.is_empty() {
        findings.warning(format!(
            "fields of parents of several types arrive only with the record's next change or a Refresh: {}",
            list(polymorphic)
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
    if let Some(digits) = capabilities.exact_digits {
        let rounded: Vec<String> = found()
            .filter(|found| found.field.scale > 0 && found.field.precision > digits)
            .map(|found| found.path.to_string())
            .collect();
        if !rounded.is_empty() {
            findings.warning(format!(
                "{} keeps {digits} digits of a number with decimals, longer ones are rounded: {}",
                capabilities.name,
                list(rounded)
            ));
        }
    }
    let summary = lookup.summary();
    if !summary.replicateable {
        findings.warning(
            "Salesforce does not list its changes and deletes (it is not replicateable): late commits and hard deletes \
             are found by Reconcile only",
        );
    }
    // Users are deactivated and never deleted, so that User lacks the field costs nothing.
    if lookup.find("IsDeleted").is_err() && deletes != Deletes::Ignore && lookup.name() != "User" {
        findings.warning("it has no IsDeleted: Incremental cannot see its deletes, Reconcile finds them");
    }
}
