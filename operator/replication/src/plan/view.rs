//! A plan as `plan -f` shows it: for people as text, for programs as JSON or YAML.
//!
//! Apart from the plan itself, which is what a run needs and may change with it.

use serde::Serialize;

use super::{
    ApiCalls, Plan,
    column::{Column, ColumnKind, ColumnSource},
    field_path::FieldPath,
    object::ObjectPlan,
    template::{TemplatePart, UrlTemplate},
};
use crate::soql;

/// A plan as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// Each object, in the order of the spec.
    pub objects: Vec<ObjectView>,
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
    /// Columns in order.
    pub columns: Vec<ColumnView>,
    /// Indexes beside the primary key.
    pub indexes: Vec<IndexView>,
    /// The statements that would make the table, by the destination.
    pub ddl: Vec<String>,
    /// The query of the first load.
    pub soql: String,
    /// Hash of all that changes a row's look.
    pub hash: String,
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
}

impl PlanView {
    /// The view of a plan; `ddl` are the statements by which the destination would make an object's table.
    pub fn new(plan: &Plan, ddl: impl Fn(&ObjectPlan) -> Vec<String>) -> Self {
        let Plan {
            objects,
            overlap: _,
            parallelism: _,
            api_calls,
            warnings,
            not_served,
        } = plan;
        Self {
            objects: objects
                .iter()
                .map(|object| ObjectView::new(object, ddl(object)))
                .collect(),
            api_calls: *api_calls,
            warnings: warnings.clone(),
            not_served: not_served.clone(),
        }
    }
}

impl ObjectView {
    fn new(plan: &ObjectPlan, ddl: Vec<String>) -> Self {
        let ObjectPlan {
            object,
            table,
            select,
            id: _,
            stamp: _,
            is_deleted: _,
            columns,
            deletes,
            indexes,
            hash,
        } = plan;
        Self {
            object: object.to_string(),
            table: table.to_string(),
            deletes: deletes.as_str(),
            columns: columns.iter().map(|column| ColumnView::new(column, select)).collect(),
            indexes: indexes
                .iter()
                .map(|index| IndexView {
                    name: index.name.to_string(),
                    columns: index.columns.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            ddl,
            soql: soql::query(plan, &soql::Rows::Live, None, None),
            hash: hash.0.clone(),
        }
    }
}

impl ColumnView {
    fn new(column: &Column, select: &[FieldPath]) -> Self {
        let Column { name, kind, source } = column;
        let source = match source {
            ColumnSource::Field(position) => select.get(*position).map(ToString::to_string),
            ColumnSource::Template(template) => Some(written(template, select)),
            ColumnSource::Empty => None,
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
