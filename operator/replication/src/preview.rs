//! The first rows of an object, as Salesforce has them and as they would be written.
//!
//! For the eyes of whoever writes a mapping: each value beside the field it came from, and each column with what would
//! stand in it. One query with a LIMIT, nothing is written. Values are shown as Salesforce spells them, cleaned as every
//! value that enters a batch; how a database spells a number or a time is its own business.

use std::ops::ControlFlow;

use salesforce::{Client, QueryScope, RecordSink, SelectList};
use serde::Serialize;

use crate::{
    Error, Result,
    batch::Batch,
    budget::BytePermit,
    plan::{ColumnSource, ObjectPlan},
    soql::{self, Rows},
};

/// Most rows of a preview: one page.
pub const MOST_ROWS: u32 = 200;

/// The first rows of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The object.
    pub object: String,
    /// Its table.
    pub table: String,
    /// Fields that are read, by path, in the order of the select list.
    pub fields: Vec<String>,
    /// Columns that are written, in the order of the table.
    pub columns: Vec<String>,
    /// The rows, by Id.
    pub rows: Vec<PreviewRow>,
}

/// A row of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewRow {
    /// A value for each field.
    pub raw: Vec<Option<String>>,
    /// A value for each column.
    pub mapped: Vec<Option<String>>,
}

/// Reads the first `rows` live rows, at most [`MOST_ROWS`].
///
/// # Errors
/// Salesforce's.
pub(crate) async fn read(client: &Client, plan: &ObjectPlan, rows: u32) -> Result<Preview> {
    let soql = soql::query(plan, &Rows::Live, None, Some(rows.clamp(1, MOST_ROWS)));
    let page = client.query(QueryScope::All, &soql).await?;
    let select = SelectList::new(plan.select.iter().map(ToString::to_string));
    let mut collected = Collected(Batch::new(plan.select.len(), BytePermit::unbounded()));
    let batch = tokio::task::spawn_blocking(move || page.read_records(&select, &mut collected).map(|_| collected.0))
        .await
        .map_err(|_broken| Error::Internal("the reading of a preview broke off".to_owned()))??;
    Ok(Preview {
        object: plan.object.to_string(),
        table: plan.table.to_string(),
        fields: plan.select.iter().map(ToString::to_string).collect(),
        columns: plan.columns.iter().map(|column| column.name.to_string()).collect(),
        rows: (0..batch.rows()).map(|row| map(plan, &batch, row)).collect(),
    })
}

/// A row as it would be written.
fn map(plan: &ObjectPlan, batch: &Batch, row: usize) -> PreviewRow {
    let value = |position: usize| batch.get(row, position);
    let mapped = plan.columns.iter().map(|column| match &column.source {
        ColumnSource::Field(position) => value(*position).map(str::to_owned),
        ColumnSource::Template(template) => template.render(value),
        ColumnSource::Empty | ColumnSource::Null | ColumnSource::DeletedAt => None,
        ColumnSource::IsDeleted => Some("false".to_owned()),
    });
    PreviewRow {
        mapped: mapped.collect(),
        raw: (0..batch.width()).map(|at| value(at).map(str::to_owned)).collect(),
    }
}

/// Takes the records of a page, which the LIMIT bounds.
struct Collected(Batch);

impl RecordSink for Collected {
    fn begin_record(&mut self) {
        self.0.begin_row();
    }

    fn value(&mut self, column: usize, text: &str) {
        self.0.set(column, text);
    }

    fn end_record(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        plan::{Column, ColumnKind, Identifier, TemplatePart, UrlTemplate},
    };

    #[test]
    fn a_row_shows_what_came_and_what_would_be_written() {
        let mut plan = fixture::contact();
        let column = |name: &str, source| Column {
            name: Identifier::new(name),
            kind: ColumnKind::Text { length: None },
            source,
        };
        let parts = vec![TemplatePart::Literal("https://x/".to_owned()), TemplatePart::Field(3)];
        plan.columns
            .push(column("url", ColumnSource::Template(UrlTemplate { parts })));
        plan.columns.push(column("fax", ColumnSource::Empty));
        plan.columns.push(column("is_deleted", ColumnSource::IsDeleted));
        plan.columns.push(column("deleted_at", ColumnSource::DeletedAt));
        let mut batch = Batch::new(5, BytePermit::unbounded());
        batch.begin_row();
        batch.set(0, "003");
        batch.set(3, "O Hara");
        let row = map(&plan, &batch, 0);
        let text = |values: &[Option<String>]| {
            values
                .iter()
                .map(|v| v.clone().unwrap_or("-".into()))
                .collect::<Vec<_>>()
        };
        assert_eq!(text(&row.raw), ["003", "-", "-", "O Hara", "-"]);
        assert_eq!(
            text(&row.mapped),
            ["003", "-", "O Hara", "-", "https://x/O%20Hara", "-", "false", "-"]
        );
    }
}
