//! A plan as `plan -f` shows it: for people as text, for programs as JSON or YAML.
//!
//! Apart from the plan itself, which is what a run needs and may change with it.

use std::time::Duration;

use serde::Serialize;

use super::{
    ApiCalls, ObjectCalls, Plan, Unplanned,
    column::{Column, ColumnKind, ColumnSource},
    field_path::FieldPath,
    index::IndexedRows,
    object::{Link, LinkedColumn, ObjectPlan, Periods, VerifyBy},
    periods,
    template::{TemplatePart, UrlTemplate},
};
use crate::soql;

/// A plan as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// Each object that can be planned, in the order of the spec.
    pub objects: Vec<ObjectView>,
    /// Objects that cannot be planned: they do not run, and the others do.
    pub unplanned: Vec<UnplannedView>,
    /// How many percent of a table's rows may be deleted within 24 hours before they are held; 100 switches the guard off.
    pub max_delete_percent: u8,
    /// From how many percent of the org's daily calls on, used by anybody, all kinds of run but Incremental wait.
    pub api_budget_percent: u8,
    /// API calls a day.
    pub api_calls: ApiCalls,
    /// What an administrator should know.
    pub warnings: Vec<String>,
    /// Defaults that this version does not do yet.
    pub not_served: Vec<String>,
}

/// An object as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// API name.
    pub object: String,
    /// Its table.
    pub table: String,
    /// The delete mode.
    pub deletes: &'static str,
    /// Which records the table holds, as SOQL; all of them where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Columns in order.
    pub columns: Vec<ColumnView>,
    /// Indexes beside the primary key.
    pub indexes: Vec<IndexView>,
    /// Parents whose changes reach the table.
    pub links: Vec<LinkView>,
    /// Each kind of run after the first load, how often it is due, and its API calls.
    pub kinds: Vec<KindView>,
    /// Fields that Salesforce does not tell any more while their columns are there.
    pub missing_fields: Vec<String>,
    /// The statements that would make the table, by the destination.
    pub ddl: Vec<String>,
    /// The query of the first load.
    pub soql: String,
    /// Hash of all that changes a row's look; behind a slash that of the condition, where there is one.
    pub hash: String,
}

/// An object that cannot be planned, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnplannedView {
    /// API name.
    pub object: String,
    /// Its table, which stays as it is.
    pub table: String,
    /// The CamelCase word.
    pub reason: &'static str,
    /// All that is wrong, each a sentence that begins with the object.
    pub problems: Vec<String>,
}

/// A column as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnView {
    /// Its name.
    pub name: String,
    /// What it holds: `text(80)`, `decimal(18,2)`, `boolean`.
    pub kind: String,
    /// Where it comes from: a field, a template with names in braces, or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// An index as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexView {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// `marked` where it has only rows that are marked as deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<&'static str>,
}

/// Parents of one relationship as they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkView {
    /// The parents' object.
    pub parent: String,
    /// The field that holds the parent's Id.
    pub reference: String,
    /// The parents' fields that are needed.
    pub fields: Vec<String>,
    /// Columns that are compared: only children that differ in one of them are read again. Empty: all children of a
    /// changed parent are.
    pub compared: Vec<String>,
    /// Whether Verify finds changes of the parents that were committed late.
    pub verified: bool,
}

/// A kind of run as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindView {
    /// `Incremental`, `Verify`, `Reconcile`, `Refresh`.
    pub kind: &'static str,
    /// How often it is due: `1h`, `never`; `each run` of Incremental, or of Refresh where there are no stamps; `by Reconcile` of a Verify whose place that takes.
    pub every: String,
    /// API calls a day where nothing changes, without the pages of Reconcile and Refresh.
    pub calls_per_day: u64,
}

impl PlanView {
    /// The view of a plan; `ddl` are the statements by which the destination would make an object's table.
    pub fn new(plan: &Plan, ddl: impl Fn(&ObjectPlan) -> Vec<String>) -> Self {
        let Plan {
            objects,
            unplanned,
            overlap: _,
            parallelism: _,
            max_delete_percent,
            api_budget_percent,
            api_calls,
            warnings,
            not_served,
        } = plan;
        Self {
            objects: objects
                .iter()
                .map(|object| ObjectView::new(object, api_calls.of_object(object), ddl(object)))
                .collect(),
            unplanned: unplanned.iter().map(UnplannedView::new).collect(),
            max_delete_percent: *max_delete_percent,
            api_budget_percent: *api_budget_percent,
            api_calls: *api_calls,
            warnings: warnings.clone(),
            not_served: not_served.clone(),
        }
    }
}

impl UnplannedView {
    fn new(unplanned: &Unplanned) -> Self {
        let Unplanned {
            object,
            table,
            reason,
            problems,
        } = unplanned;
        Self {
            object: object.to_string(),
            table: table.to_string(),
            reason,
            problems: problems.0.clone(),
        }
    }
}

impl ObjectView {
    fn new(plan: &ObjectPlan, calls: ObjectCalls, ddl: Vec<String>) -> Self {
        let ObjectPlan {
            object,
            table,
            select,
            id: _,
            stamp,
            is_deleted: _,
            columns,
            deletes,
            indexes,
            condition,
            links,
            verify_by,
            periods,
            missing_fields,
            hash,
        } = plan;
        Self {
            object: object.to_string(),
            table: table.to_string(),
            deletes: deletes.as_str(),
            condition: condition.as_ref().map(|condition| condition.soql.clone()),
            columns: columns.iter().map(|column| ColumnView::new(column, select)).collect(),
            indexes: indexes
                .iter()
                .map(|index| IndexView {
                    name: index.name.to_string(),
                    columns: index.columns.iter().map(ToString::to_string).collect(),
                    rows: match index.rows {
                        IndexedRows::All => None,
                        IndexedRows::Marked => Some("marked"),
                    },
                })
                .collect(),
            links: links.iter().map(|link| LinkView::new(link, columns)).collect(),
            kinds: match stamp {
                Some(_) => kinds(*periods, *verify_by, calls),
                None => vec![KindView {
                    kind: "Refresh",
                    every: "each run".to_owned(),
                    calls_per_day: calls.refresh,
                }],
            },
            missing_fields: missing_fields.clone(),
            ddl,
            soql: soql::query(plan, &soql::Rows::Live, None, None),
            hash: hash.0.clone(),
        }
    }
}

impl LinkView {
    fn new(link: &Link, columns: &[Column]) -> Self {
        let Link {
            parent,
            reference,
            select,
            is_deleted,
            replicateable,
            reference_column,
            compared,
        } = link;
        // What every query of parents reads stands first; the rest is what columns and templates need.
        let frame = if is_deleted.is_some() { 3 } else { 2 };
        let name = |linked: &LinkedColumn| columns.get(linked.column).map(|column| column.name.to_string());
        Self {
            parent: parent.to_string(),
            reference: reference.to_string(),
            fields: select.iter().skip(frame).map(ToString::to_string).collect(),
            compared: match reference_column {
                Some(_) => compared.iter().filter_map(name).collect(),
                None => Vec::new(),
            },
            verified: *replicateable,
        }
    }
}

/// Each kind of run after the first load.
fn kinds(periods: Periods, verify_by: VerifyBy, calls: ObjectCalls) -> Vec<KindView> {
    let every = |period: Option<Duration>| period.map_or_else(|| "never".to_owned(), periods::text);
    let Periods {
        verify,
        reconcile: _,
        refresh,
    } = periods;
    let verify = match verify_by {
        VerifyBy::Log => every(verify),
        VerifyBy::Listing => "by Reconcile".to_owned(),
    };
    let ObjectCalls {
        incremental,
        verify: verify_calls,
        reconcile: reconcile_calls,
        refresh: refresh_calls,
    } = calls;
    [
        ("Incremental", "each run".to_owned(), incremental),
        ("Verify", verify, verify_calls),
        ("Reconcile", every(periods.listing(verify_by)), reconcile_calls),
        ("Refresh", every(refresh), refresh_calls),
    ]
    .into_iter()
    .map(|(kind, every, calls_per_day)| KindView {
        kind,
        every,
        calls_per_day,
    })
    .collect()
}

impl ColumnView {
    fn new(column: &Column, select: &[FieldPath]) -> Self {
        let Column { name, kind, source } = column;
        let source = match source {
            ColumnSource::Field(position) => select.get(*position).map(ToString::to_string),
            ColumnSource::Template(template) => Some(written(template, select)),
            ColumnSource::Empty | ColumnSource::Null => None,
            ColumnSource::IsDeleted => Some("whether the record is deleted".to_owned()),
            ColumnSource::DeletedAt => Some("when the record was found deleted".to_owned()),
        };
        Self {
            name: name.to_string(),
            kind: shown(*kind),
            source,
        }
    }
}

fn shown(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Text { length: Some(length) } => format!("text({length})"),
        ColumnKind::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        ColumnKind::Text { length: None }
        | ColumnKind::Id
        | ColumnKind::Boolean
        | ColumnKind::Int
        | ColumnKind::Long
        | ColumnKind::Date
        | ColumnKind::Time
        | ColumnKind::Timestamp => kind.word().to_owned(),
    }
}

/// A template with names in the place of positions.
fn written(template: &UrlTemplate, select: &[FieldPath]) -> String {
    template
        .parts
        .iter()
        .map(|part| match part {
            TemplatePart::Literal(text) => text.clone(),
            TemplatePart::Field(position) => {
                format!(
                    "{{{}}}",
                    select.get(*position).map(ToString::to_string).unwrap_or_default()
                )
            }
        })
        .collect()
}
