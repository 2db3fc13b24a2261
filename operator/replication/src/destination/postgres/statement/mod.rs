//! The only place where SQL text meets identifiers.
//!
//! sqlx takes dynamic SQL only inside [`AssertSqlSafe`]; it stands in this file and nowhere else, so that this folder is
//! what a reviewer reads. Names are quoted by [`quote`], the few literals by [`literal`]; values of records never become part
//! of a statement: they go by COPY or as parameters.

mod columns;
mod deletes;
mod listing;
mod purge;
mod rows;
mod state;
mod trial;

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

pub(super) use self::{
    columns::{
        Beside, Emptying, Grant, IndexStatements, add_columns, beside, beside_indexes, carry, emptying, exchange,
        is_beside,
    },
    deletes::Pending,
    listing::outdated_parents,
    purge::PurgeStatements,
    rows::{MergeSql, TableStatements},
    state::{RELATIONS_OF_ONE, STATE_RELATIONS, StateStatements},
};
use super::layout::Layout;
use crate::plan::{Column, ColumnKind, ColumnSource, Deletes, ObjectPlan};

/// A statement whose names are quoted.
#[derive(Debug, Clone)]
pub(super) struct Statement(Arc<str>);

impl Statement {
    fn new(sql: impl Into<Arc<str>>) -> Self {
        Self(sql.into())
    }

    /// For sqlx.
    pub(super) fn sql(&self) -> SqlStr {
        AssertSqlSafe(Arc::clone(&self.0)).into_sql_str()
    }

    /// For COPY, and for people.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Quotes an identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a literal; `standard_conforming_strings` is on in our sessions, so that a backslash is only a backslash.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The type of a column. numeric has no scale: one would round in silence (design section 7).
pub(super) fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Id | ColumnKind::Text { length: _ } => "text",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Int => "integer",
        ColumnKind::Long => "bigint",
        ColumnKind::Decimal { precision: _, scale: _ } => "numeric",
        ColumnKind::Date => "date",
        ColumnKind::Time => "time without time zone",
        ColumnKind::Timestamp => "timestamp with time zone",
    }
}

/// What a session sets for itself. The server's own defaults may be anything.
///
/// `jit` is off: a merge of a segment is costly enough to trigger it, and compiling a guard of some thirty columns takes
/// longer than the rows of one segment can give back.
///
/// `random_page_cost` is that of an SSD. With the default of 4 the planner thinks 50 000 look-ups by key dearer than a hash
/// of the whole table: 430 ms a segment at a million rows, and more with each row, where the look-ups take 100 ms (Ids in
/// order) to 240 ms (scattered) at any size. Forbidding hash joins would be surer, but triggers of others run in our
/// session too. Notices ("relation already exists") are no news.
pub(super) fn session_settings(statement_timeout_ms: u128, lock_timeout_ms: u128, idle_timeout_ms: u128) -> Statement {
    Statement::new(format!(
        "SET statement_timeout = {statement_timeout_ms}; SET lock_timeout = {lock_timeout_ms}; \
         SET idle_in_transaction_session_timeout = {idle_timeout_ms}; SET standard_conforming_strings = on; \
         SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; SET jit = off; \
         SET random_page_cost = 1.1"
    ))
}

/// The kind of column that a type of the server's stands for; `None` for a type that we do not make.
pub(super) fn kind_of(type_name: &str) -> Option<ColumnKind> {
    match type_name {
        "text" => Some(ColumnKind::Text { length: None }),
        "boolean" => Some(ColumnKind::Boolean),
        "integer" => Some(ColumnKind::Int),
        "bigint" => Some(ColumnKind::Long),
        "numeric" => Some(ColumnKind::Decimal { precision: 0, scale: 0 }),
        "date" => Some(ColumnKind::Date),
        "time without time zone" => Some(ColumnKind::Time),
        "timestamp with time zone" => Some(ColumnKind::Timestamp),
        _ => None,
    }
}

/// Columns whose values are written, with their positions in the plan: all but those that stay empty.
pub(super) fn written(plan: &ObjectPlan) -> impl Iterator<Item = (usize, &Column)> {
    let columns = plan.columns.iter().enumerate();
    columns.filter(|(_, column)| match column.source {
        ColumnSource::Field(_)
        | ColumnSource::Template(_)
        | ColumnSource::Null
        | ColumnSource::IsDeleted
        | ColumnSource::DeletedAt => true,
        ColumnSource::Empty => false,
    })
}

/// The quoted names of a plan, as they are in the table.
struct Names {
    schema: String,
    table: String,
    /// The table as a literal, for `::regclass`.
    table_literal: String,
    pending: String,
    rejected: String,
    surplus: String,
    key: String,
    stamp: String,
    /// Whether rows have a stamp. Else it is NULL, all rows are of one age, and only values tell them apart.
    stamped: bool,
    /// All written columns, key and stamp first.
    columns: Vec<String>,
    /// Their types.
    types: Vec<&'static str>,
    /// Those of them after key and stamp.
    compared: Vec<String>,
    /// The two columns of the delete mode `Mark`.
    mark: Option<Mark>,
    deletes: Deletes,
}

/// The two columns of the delete mode `Mark`, quoted.
struct Mark {
    is_deleted: String,
    deleted_at: String,
}

impl Names {
    fn new(schema: &str, plan: &ObjectPlan, layout: &Layout) -> Self {
        let schema = quote(schema);
        let table = format!("{schema}.{}", quote(plan.table.as_str()));
        let places = || written(plan).filter_map(|(position, _)| layout.place(position));
        let columns: Vec<String> = places().map(|place| quote(&place.name)).collect();
        let column = |position: usize| columns.get(position).cloned().unwrap_or_default();
        let marked = |source: &ColumnSource| {
            let position = plan.columns.iter().position(|column| column.source == *source)?;
            layout.place(position).map(|place| quote(&place.name))
        };
        let mark = || {
            Some(Mark {
                is_deleted: marked(&ColumnSource::IsDeleted)?,
                deleted_at: marked(&ColumnSource::DeletedAt)?,
            })
        };
        Self {
            table_literal: literal(&table),
            table,
            pending: format!("{schema}._pending_delete"),
            rejected: format!("{schema}._rejected_row"),
            surplus: format!("{schema}._surplus_row"),
            schema,
            key: column(0),
            stamp: column(1),
            stamped: plan.stamp.is_some(),
            types: places().map(|place| type_name(place.kind)).collect(),
            compared: columns.iter().skip(2).cloned().collect(),
            columns,
            mark: match plan.deletes {
                Deletes::Mark => mark(),
                Deletes::Remove | Deletes::Ignore => None,
            },
            deletes: plan.deletes,
        }
    }

    /// The columns with a prefix: `s."a", s."b"`.
    fn prefixed(&self, prefix: &str) -> String {
        self.columns
            .iter()
            .map(|column| format!("{prefix}.{column}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// ` AND NOT t."is_deleted"` where rows are marked, else nothing.
    fn and_unmarked(&self) -> String {
        self.mark
            .as_ref()
            .map(|mark| format!(" AND NOT t.{}", mark.is_deleted))
            .unwrap_or_default()
    }
}
