//! One object: its mapping, what the resource adds, and the table that comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crds::{Consistency, DeleteMode, Mapping, ObjectSpec};
use salesforce::describe::ObjectSummary;

use super::{
    column::Column,
    columns::{self, Resolving},
    condition, draft,
    existing::Existing,
    field_path::FieldPath,
    findings::Findings,
    hash::PlanHash,
    identifier::{self, Identifier, NameOf, ObjectName},
    index::{self, IndexPlan, Indexable},
    links::{self, Refreshed},
    mapping, mirror, periods,
    schema::{Lookup, Schema},
    select::Select,
    suggest, warnings,
};
use crate::{destination::Capabilities, soql};

/// Most characters of a statement (salesforce-api.md 7).
const MAX_STATEMENT: usize = 100_000;
/// Most relations from child to parent of a statement (salesforce-api.md 7).
const MAX_PARENTS: usize = 55;
/// What a query that goes on behind a row has more than the first one, with room.
const LONGEST_CONDITION: usize = 300;
/// Ids that one query asks for at most.
const IDS_OF_A_QUERY: usize = 200;
/// `'003000000000001AAA', `
const CHARACTERS_OF_AN_ID: usize = 22;

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
    /// Position of `SystemModstamp` in the select list. Few objects lack the field: nobody can ask for what changed of them, so
    /// each run is a Refresh, and their `system_modstamp` is NULL.
    pub stamp: Option<usize>,
    /// Position of `IsDeleted` in the select list, where describe has the field; without it every row is live.
    pub is_deleted: Option<usize>,
    /// All columns of the table in order: `salesforce_id` (the primary key) first, `system_modstamp` second
    /// ([`ColumnSource::Null`](super::ColumnSource::Null) without a stamp); with
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
    /// values (design 6.8). Of an index, whose columns are all that it names, the column.
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

impl Condition {
    /// Whether Salesforce's answer is about what the resource wrote as `where`, and not about what the mapping implies or about
    /// the rest of a query that selects `select`.
    pub fn is_meant_by(&self, error: &salesforce::Error, select: &[FieldPath]) -> bool {
        // What the mapping implies has no parentheses and stands first.
        let Some((_, written)) = self.soql.split_once('(') else {
            return false;
        };
        let names = |field: &str| {
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let mut words = written.split(|letter| !is_part(letter));
            words.any(|word| word.eq_ignore_ascii_case(field))
        };
        let Some(fault) = error.as_fault() else {
            return false;
        };
        match fault.code() {
            // All else in a query is ours.
            "MALFORMED_QUERY" | "INVALID_QUERY_FILTER_OPERATOR" | "INVALID_FILTER_VALUE" | "MALFORMED_ID" => true,
            "INVALID_FIELD" => {
                let is_selected = |field: &str| select.iter().any(|path| path.field.eq_ignore_ascii_case(field));
                fault.filtered_field().is_some_and(names)
                    || fault
                        .missing_field()
                        .is_some_and(|field| names(field) && !is_selected(field))
            }
            _ => false,
        }
    }
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

impl VerifyBy {
    fn of(summary: &ObjectSummary) -> Self {
        if summary.replicateable {
            Self::Log
        } else {
            Self::Listing
        }
    }
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

impl Periods {
    /// Whether Reconcile is ever due: by its own period, or in Verify's place.
    pub fn reconciles(self, verify_by: VerifyBy) -> bool {
        self.listing(verify_by).is_some()
    }

    /// How often all Ids are listed: where Salesforce's log tells nothing, as often as Verify would be due too.
    pub fn listing(self, verify_by: VerifyBy) -> Option<Duration> {
        match verify_by {
            VerifyBy::Log => self.reconcile,
            VerifyBy::Listing => [self.reconcile, self.verify].into_iter().flatten().min(),
        }
    }
}

/// What all objects of a plan are made against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) schema: &'a Schema,
    /// `https://host`, without a slash at its end.
    pub(super) instance: &'a str,
    pub(super) capabilities: Capabilities,
    /// Columns that are there.
    pub(super) existing: &'a BTreeMap<Identifier, Vec<String>>,
    pub(super) consistency: &'a Consistency,
    /// Whether Contact is replicated too.
    pub(super) with_contacts: bool,
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
        condition,
        deletes,
        indexes,
    } = spec;
    let summary = usable_object(name, context.schema, findings)?;
    let Some(describe) = context.schema.describe(&summary.name) else {
        findings.missing_object("its fields could not be read (describe)");
        return None;
    };
    let lookup = Lookup::new(context.schema, describe);
    let deletes = Deletes::from(*deletes);
    let mapping = mapping_of(spec);
    let table = table_of(spec, context.schema, context.capabilities);
    check_name(&table, context.capabilities, findings);
    let existing = Existing(context.existing.get(&table).map_or(&[], Vec::as_slice));

    let mut select = Select::new(lookup, findings)?;
    let mut drafts = draft::defaults(mapping, lookup, exclude, (existing, context.capabilities), findings);
    let written = draft::written(fields, urls, lookup, existing, findings);
    draft::place(&mut drafts, written, mapping, findings);
    if mapping == Mapping::Mirror {
        mirror::add_left_out(&mut drafts, lookup, exclude, (existing, context.capabilities));
    }
    columns::check_names(&drafts, deletes, context.capabilities, findings);
    columns::warn_of_missing(&drafts, existing, findings);

    let resolving = Resolving {
        lookup,
        existing,
        instance: context.instance,
    };
    let mut missing_fields = Vec::new();
    let columns = columns::columns(&drafts, resolving, &mut select, &mut missing_fields, findings);
    let columns = columns::framed(columns, &select, deletes);
    columns::warn_of_left(&columns, existing, findings);
    let indexable = Indexable::new(&columns, mapping, existing, context.capabilities);
    let mut indexes = index::make(&table, indexes, indexable, &mut missing_fields, findings);
    check_size(&columns, context.capabilities, findings);
    let (paths, stamp, is_deleted) = (select.paths, select.stamp, select.is_deleted);
    let periods = periods::of(context.consistency, warnings::moves(lookup, &paths));
    let (periods, verify_by) = followed(stamp, summary, periods);
    let condition = condition::make(
        condition.as_deref(),
        mapping,
        lookup,
        context.with_contacts,
        stamp.is_none() || periods.reconciles(verify_by),
        findings,
    );
    check_parents(&paths, &condition.relationships, findings);
    let links = links::make(lookup, (&paths, stamp), &columns, Refreshed::of(periods), findings);
    index::add_needed(&mut indexes, &table, &columns, &links, context.capabilities);
    let mut plan = ObjectPlan {
        object: ObjectName::new(summary.name.as_str()),
        table,
        id: 0,
        stamp,
        is_deleted,
        links,
        hash: PlanHash::of(&columns, &paths, deletes, condition.condition.as_ref()),
        select: paths,
        columns,
        deletes,
        indexes,
        condition: None,
        verify_by,
        periods,
        missing_fields,
    };
    warnings::of(&plan, lookup, context.capabilities, findings);
    check_length(&plan, condition.condition.as_ref(), findings);
    plan.condition = condition.condition;
    (findings.problems() == before).then_some(plan)
}

/// Which long kinds follow the Incrementals. None do without a stamp: each run reads every record then.
fn followed(stamp: Option<usize>, summary: &ObjectSummary, periods: Periods) -> (Periods, VerifyBy) {
    match stamp {
        Some(_) => (periods, VerifyBy::of(summary)),
        None => (Periods::default(), VerifyBy::Listing),
    }
}

/// Every query has to fit into a statement: the select list, the condition, and a list of Ids.
fn check_length(plan: &ObjectPlan, condition: Option<&Condition>, findings: &mut Findings<'_>) {
    let length = soql::query(plan, &soql::Rows::Live, None, None).len()
        + LONGEST_CONDITION
        + IDS_OF_A_QUERY * CHARACTERS_OF_AN_ID
        + condition.map_or(0, |condition| condition.soql.len());
    if length > MAX_STATEMENT {
        let remedy = if condition.is_some() {
            "exclude fields, or shorten where"
        } else {
            "exclude fields"
        };
        findings.problem(format!(
            "its query would have more than {MAX_STATEMENT} characters, the most that Salesforce takes: {remedy}"
        ));
    }
}

/// The object in describeGlobal, where it can be replicated.
fn usable_object<'a>(name: &str, schema: &'a Schema, findings: &mut Findings<'_>) -> Option<&'a ObjectSummary> {
    let Some(summary) = schema.summary(name) else {
        let hint = suggest::hint(name, schema.object_names());
        findings.missing_object(format!(
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

fn check_name(table: &Identifier, capabilities: Capabilities, findings: &mut Findings<'_>) {
    if let Err(because) = identifier::check(table.as_str(), NameOf::Table, capabilities) {
        findings.problem(format!("table {table} {because}"));
    }
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

/// A query has a bound of parents, whatever number of their fields it reads or filters by.
fn check_parents(select: &[FieldPath], of_condition: &BTreeSet<String>, findings: &mut Findings<'_>) {
    let selected = select.iter().filter_map(|path| path.relationship.as_deref());
    let parents: BTreeSet<_> = selected.chain(of_condition.iter().map(String::as_str)).collect();
    if parents.len() > MAX_PARENTS {
        findings.problem(format!(
            "its query would read {} parents, and Salesforce takes {MAX_PARENTS}: take fields of fewer parents",
            parents.len()
        ));
    }
}
