//! Parents whose fields the children have in another form.
//!
//! The parents' values go into a table of the connection, in the form in which children hold them and in columns of the same
//! types, and one statement compares. Where an index finds the children of a parent it goes from parent to children, else
//! it goes once through the children and finds each one's parent by its key: never once through the table for each parent.

use rusqlite::{Connection, params};

use super::{
    encode::{self, BindError},
    session::{Session, rollback},
    statement::{self, quote},
};
use crate::{
    Error, Result,
    batch::Batch,
    plan::{Column, ColumnSource, Link, ObjectPlan},
};

/// Position of the Id in the select list of parents.
const ID: usize = 0;

/// The column of the child that holds the reference, and those that are compared with positions of the parents' fields.
struct Compared<'a> {
    reference: &'a Column,
    columns: Vec<(&'a Column, usize)>,
}

impl<'a> Compared<'a> {
    fn of(link: &Link, layout: &'a ObjectPlan) -> Option<Self> {
        let column = |position: usize| layout.columns.get(position);
        let columns = link
            .compared
            .iter()
            .map(|linked| Some((column(linked.column)?, linked.field)));
        Some(Self {
            reference: column(link.reference_column?)?,
            columns: columns.collect::<Option<_>>()?,
        })
    }
}

impl Session {
    /// The parents of the batch that have a child with another value.
    pub(super) fn outdated_parents(&mut self, link: &Link, parents: &Batch) -> Result<Vec<String>> {
        self.expect_idle()?;
        let doing = format!("compare the parents of table {}", self.plan.table);
        self.with_connection(|session, connection| {
            let Some(compared) = Compared::of(link, &session.layout).filter(|compared| !compared.columns.is_empty())
            else {
                return Err(Error::Internal(format!(
                    "{}: parents of type {} have no columns to be compared with",
                    session.plan.object, link.parent
                )));
            };
            let failed = |error| session.failure(&doing, error);
            // Deferred: it writes nothing but the connection's own table, whose rollback takes it away.
            connection.execute_batch("BEGIN").map_err(failed)?;
            let outdated = compare(connection, &session.layout, &compared, parents);
            rollback(connection);
            outdated.map_err(failed)
        })
    }
}

fn compare(
    connection: &Connection,
    layout: &ObjectPlan,
    compared: &Compared<'_>,
    parents: &Batch,
) -> rusqlite::Result<Vec<String>> {
    let values: Vec<String> = (0..)
        .zip(&compared.columns)
        .map(|(number, (column, _))| format!("value_{number} {}", statement::type_name(column.kind)))
        .collect();
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE parent (id TEXT NOT NULL PRIMARY KEY, is_unfit INTEGER NOT NULL, {})",
        values.join(", ")
    ))?;
    insert(connection, compared, parents)?;
    let mut select = connection.prepare(&comparison(connection, layout, compared)?)?;
    let ids = select.query_map([], |row| row.get(0))?;
    ids.collect()
}

/// Puts the parents into the table of the connection; of one that is read twice the later read. A value that does not fit
/// is another one than every child's.
fn insert(connection: &Connection, compared: &Compared<'_>, parents: &Batch) -> rusqlite::Result<()> {
    let parameters: Vec<String> = (1..)
        .take(compared.columns.len() + 2)
        .map(|number| format!("?{number}"))
        .collect();
    let mut insert = connection.prepare(&format!(
        "INSERT OR REPLACE INTO temp.parent VALUES ({})",
        parameters.join(", ")
    ))?;
    let mut scratch = String::new();
    for row in 0..parents.rows() {
        let Some(id) = parents.get(row, ID) else {
            continue;
        };
        let mut is_unfit = false;
        for (parameter, (column, field)) in (3..).zip(&compared.columns) {
            let value = parents.get(row, *field);
            match encode::bind(&mut insert, parameter, column.kind, value, &mut scratch) {
                Ok(()) => {}
                Err(BindError::Sqlite(error)) => return Err(error),
                Err(BindError::Value(_problem)) => {
                    is_unfit = true;
                    insert.raw_bind_parameter(parameter, rusqlite::types::Null)?;
                }
            }
        }
        insert.raw_bind_parameter(1, id)?;
        insert.raw_bind_parameter(2, is_unfit)?;
        insert.raw_execute()?;
    }
    Ok(())
}

/// CROSS JOIN keeps the order of the tables.
fn comparison(connection: &Connection, layout: &ObjectPlan, compared: &Compared<'_>) -> rusqlite::Result<String> {
    let table = quote(layout.table.as_str());
    let reference = quote(compared.reference.name.as_str());
    let unmarked = statement::mark_column(layout, &ColumnSource::IsDeleted)
        .map(|is_deleted| format!(" AND NOT t.{is_deleted}"))
        .unwrap_or_default();
    let differences: Vec<String> = (0..)
        .zip(&compared.columns)
        .map(|(number, (column, _))| format!("t.{} IS NOT p.value_{number}", quote(column.name.as_str())))
        .chain(std::iter::once("p.is_unfit".to_owned()))
        .collect();
    let differs = statement::any_of(&differences).unwrap_or_else(|| "false".to_owned());
    Ok(
        if is_indexed(connection, layout.table.as_str(), compared.reference.name.as_str())? {
            format!(
                "SELECT p.id FROM temp.parent p WHERE EXISTS (SELECT 1 FROM {table} t WHERE t.{reference} = p.id{unmarked}              AND {differs}) ORDER BY 1"
            )
        } else {
            format!(
                "SELECT DISTINCT p.id FROM {table} t CROSS JOIN temp.parent p WHERE p.id = t.{reference}{unmarked}              AND {differs} ORDER BY 1"
            )
        },
    )
}

/// Whether an index finds rows by this column: one over all rows that begins with it.
fn is_indexed(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) l JOIN pragma_index_info(l.name) i              WHERE NOT l.partial AND i.seqno = 0 AND i.name = ?2 COLLATE NOCASE)",
        )?
        .query_row(params![table, column], |row| row.get(0))
}
