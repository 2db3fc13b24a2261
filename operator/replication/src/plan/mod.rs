//! Spec -> plan: what the user wrote becomes what it means.
//!
//! A spec has options and defaults; a plan has none left: every column is typed from describe, every conflict is
//! reported at once and not one by one. What is wrong with one object keeps that object from running and no other one; what
//! is wrong with the resource as a whole keeps all of them. Making a plan is pure (spec, describe, what the destination can do) and
//! `run` takes a plan and decides nothing about configuration any more.
//!
//! Describes are fetched before, in two steps, since a linked field needs the describe of its parent:
//!
//! 1. [`Schema::new`] with describeGlobal; describe of [`objects_needed`]; [`Schema::extend`];
//! 2. describe of [`parents_needed`], where there are any; [`Schema::extend`];
//! 3. [`make`].

mod calls;
mod column;
mod columns;
mod condition;
mod draft;
mod existing;
mod field_path;
mod findings;
mod hash;
mod identifier;
mod index;
mod links;
mod mapping;
mod mirror;
mod object;
mod periods;
mod schema;
mod select;
mod suggest;
mod template;
mod unplanned;
mod unserved;
mod view;
mod warnings;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    time::Duration,
};

use crds::{Consistency, Mapping, SalesforceReplicatorSpec, Schedule};
use url::Url;

pub use self::{
    calls::{ApiCalls, ObjectCalls},
    column::{Column, ColumnKind, ColumnSource},
    field_path::FieldPath,
    hash::PlanHash,
    identifier::{Identifier, ObjectName},
    index::{IndexPlan, IndexedRows},
    object::{Condition, Deletes, Link, LinkedColumn, ObjectPlan, Periods, VerifyBy},
    schema::Schema,
    template::{TemplatePart, UrlTemplate},
    unplanned::Unplanned,
    view::{ColumnView, IndexView, KindView, LinkView, ObjectView, PlanView, UnplannedView},
};
use self::{findings::Findings, identifier::folded, object::Context, schema::Lookup};
use crate::{Problems, destination::Capabilities};

/// All that a plan is made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What the user wrote.
    pub spec: &'a SalesforceReplicatorSpec,
    /// What the org has: describeGlobal, and the describes of [`objects_needed`] and [`parents_needed`].
    pub schema: &'a Schema,
    /// The org's own address, from the login's answer: what `{instanceUrl}` stands for.
    pub instance_url: &'a Url,
    /// What the destination can do.
    pub capabilities: Capabilities,
    /// The columns that the tables of [`tables_needed`] have at this moment.
    pub existing: &'a BTreeMap<Identifier, Vec<String>>,
}

/// A spec as it is meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Each object that can be planned, in the order of the spec.
    pub objects: Vec<ObjectPlan>,
    /// The others, in the same order.
    pub unplanned: Vec<Unplanned>,
    /// How far each Incremental looks back before the watermark.
    pub overlap: Duration,
    /// How many objects run at once.
    pub parallelism: NonZeroUsize,
    /// `maxDeletePercent`, 0 to 100.
    pub max_delete_percent: u8,
    /// `apiBudgetPercent`, 1 to 95.
    pub api_budget_percent: u8,
    /// API calls a day.
    pub api_calls: ApiCalls,
    /// What an administrator should know before it shows in the data; each names its object.
    pub warnings: Vec<String>,
    /// Defaults that this version does not do yet.
    pub not_served: Vec<String>,
}

/// The objects of the spec that the org has, in describe's case: the first step of describing. Those that it lacks are
/// problems of [`make`].
pub fn objects_needed(spec: &SalesforceReplicatorSpec, schema: &Schema) -> Vec<ObjectName> {
    let names: BTreeSet<&str> = spec
        .objects
        .iter()
        .filter_map(|object| schema.summary(&object.name))
        .map(|summary| summary.name.as_str())
        .collect();
    names.into_iter().map(ObjectName::new).collect()
}

/// The tables whose columns the plan needs to know: those of all objects that the org has.
pub fn tables_needed(spec: &SalesforceReplicatorSpec, schema: &Schema, capabilities: Capabilities) -> Vec<Identifier> {
    let known = spec
        .objects
        .iter()
        .filter(|object| schema.summary(&object.name).is_some());
    known
        .map(|object| object::table_of(object, schema, capabilities))
        .collect()
}

/// The parents whose fields are needed, in a column, a template or a condition, and whose describe is not there yet: the second step. Empty where no field is
/// linked.
pub fn parents_needed(spec: &SalesforceReplicatorSpec, schema: &Schema) -> Vec<ObjectName> {
    let mut parents = BTreeSet::new();
    for object in &spec.objects {
        let Some(describe) = schema.describe(&object.name) else {
            continue;
        };
        let lookup = Lookup::new(schema, describe);
        let mut need = |path: &str| parents.extend(lookup.parent_needed(path));
        match object::mapping_of(object) {
            Mapping::Directory => mapping::linked_fields(lookup.name()).for_each(&mut need),
            Mapping::Mirror | Mapping::None => {}
        }
        for field in &object.fields {
            need(&field.source);
        }
        for url in &object.urls {
            for name in template::names(&url.template) {
                need(&name);
            }
        }
        if let Some(condition) = &object.condition {
            for path in condition::fields(condition, lookup.name()) {
                need(path);
            }
        }
    }
    parents
        .into_iter()
        .filter(|parent| schema.describe(parent).is_none())
        .map(ObjectName::new)
        .collect()
}

/// What can be told without Salesforce: settings that contradict each other or that this version does not serve. [`make`]
/// tells them too; this is for before the login.
///
/// # Errors
/// All problems at once.
pub fn check_settings(spec: &SalesforceReplicatorSpec) -> Result<(), Problems> {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let mut findings = Findings::new(&mut problems, &mut warnings);
    unserved::check(spec, &mut findings);
    schedule(spec, &mut findings);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Problems(findings::texts(problems)))
    }
}

/// Makes the plan. Pure: the same input makes the same plan.
///
/// # Errors
/// The resource as a whole cannot be planned. All problems at once, those of its objects too, each a sentence that names the
/// object and the field, and what to do. What is wrong with some objects alone is in the plan.
pub fn make(input: Input<'_>) -> Result<Plan, Problems> {
    let Input {
        spec,
        schema,
        instance_url,
        capabilities,
        existing,
    } = input;
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let mut findings = Findings::new(&mut problems, &mut warnings);
    let not_served = unserved::check(spec, &mut findings);

    let instance = instance_url.origin().ascii_serialization();
    let context = Context {
        schema,
        instance: &instance,
        capabilities,
        existing,
        consistency: &spec.consistency,
        with_contacts: spec
            .objects
            .iter()
            .any(|object| object.name.eq_ignore_ascii_case("Contact")),
    };
    if spec.objects.is_empty() {
        findings.problem("objects: at least one is needed");
    }
    check_names(spec, schema, &mut findings);
    let (mut objects, mut unplanned) = (Vec::new(), Vec::new());
    for object in &spec.objects {
        let (mut wrong, mut known) = (Vec::new(), Vec::new());
        let mut of_object = Findings::new(&mut wrong, &mut known);
        if let Some(plan) = object::make(object, context, &mut of_object.of(&object.name)) {
            objects.push(plan);
            warnings.append(&mut known);
        } else {
            unplanned.push(Unplanned::new(object, (schema, capabilities), wrong));
        }
    }
    let mut behind = Vec::new();
    let mut findings = Findings::new(&mut behind, &mut warnings);
    check_tables(spec, schema, capabilities, &mut findings);
    let schedule = schedule(spec, &mut findings);
    let parallelism = usize::try_from(spec.parallelism).ok().and_then(NonZeroUsize::new);
    if parallelism.is_none() {
        findings.problem("parallelism: at least 1 is needed");
    }
    let max_delete_percent = periods::max_delete_percent(&spec.consistency, &mut findings);
    let api_budget_percent = calls::api_budget_percent(&spec.connection, &mut findings);

    match (schedule, parallelism) {
        (Some(schedule), Some(parallelism)) if problems.is_empty() && behind.is_empty() => Ok(Plan {
            overlap: spec
                .consistency
                .overlap
                .as_ref()
                .unwrap_or(&Consistency::DEFAULT_OVERLAP)
                .get(),
            parallelism,
            max_delete_percent,
            api_budget_percent,
            api_calls: ApiCalls::of(&schedule, &objects),
            objects,
            unplanned,
            warnings,
            not_served,
        }),
        _ => {
            let mut all = findings::texts(problems);
            all.extend(unplanned.into_iter().flat_map(|object| object.problems.0));
            all.extend(findings::texts(behind));
            Err(Problems(all))
        }
    }
}

fn schedule(spec: &SalesforceReplicatorSpec, findings: &mut Findings<'_>) -> Option<Schedule> {
    match Schedule::new(&spec.trigger) {
        Ok(schedule) => Some(schedule),
        Err(errors) => {
            for error in errors {
                findings.problem(format!("trigger: {error}"));
            }
            None
        }
    }
}

/// An object stands in the list once, whatever its case.
fn check_names(spec: &SalesforceReplicatorSpec, schema: &Schema, findings: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for object in &spec.objects {
        let name = schema
            .summary(&object.name)
            .map_or(object.name.as_str(), |summary| summary.name.as_str());
        if !seen.insert(folded(name)) {
            findings.of(&object.name).problem("the object is listed twice");
        }
    }
}

/// A table holds one object, also where something else is wrong with one of them.
fn check_tables(
    spec: &SalesforceReplicatorSpec,
    schema: &Schema,
    capabilities: Capabilities,
    findings: &mut Findings<'_>,
) {
    let mut tables: BTreeMap<String, &str> = BTreeMap::new();
    for object in &spec.objects {
        let table = object::table_of(object, schema, capabilities);
        match tables.get(&folded(table.as_str())) {
            // The same object twice is told as that.
            Some(other) if other.eq_ignore_ascii_case(&object.name) => {}
            Some(other) => findings.of(&object.name).problem(format!(
                "table {table} is that of {other} already: give one of them another name"
            )),
            None => drop(tables.insert(folded(table.as_str()), object.name.as_str())),
        }
    }
}
