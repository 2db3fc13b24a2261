//! Statements that make and change tables, columns and indexes.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{super::layout::Layout, Names, Statement, literal, quote, type_name};
use crate::plan::{Column, ColumnKind, ColumnSource, Deletes, Identifier, IndexPlan, IndexedRows, ObjectPlan};

/// Begins the name of a column that stands beside one of another type, and that of an index on it. No plan has a `#` in a
/// name, and no reader knows it.
const BESIDE: &str = "#new ";

/// Longest identifier: NAMEDATALEN - 1.
const MAX_BYTES: usize = 63;

/// Whether a column is one beside another.
pub(crate) fn is_beside(name: &str) -> bool {
    name.starts_with('#')
}

/// The name of what stands beside `name`: always the same, so that each process finds it.
pub(crate) fn beside(name: &str) -> String {
    if BESIDE.len() + name.len() <= MAX_BYTES {
        return format!("{BESIDE}{name}");
    }
    let mut hash = String::new();
    for byte in Sha256::digest(name).iter().take(4) {
        // Writing to a String cannot fail.
        write!(hash, "{byte:02x}").ok();
    }
    let mut end = MAX_BYTES - BESIDE.len() - hash.len() - 1;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{BESIDE}{}_{hash}", name.get(..end).unwrap_or_default())
}

/// Statements that make one index.
#[derive(Debug)]
pub(crate) struct IndexStatements {
    pub(crate) name: String,
    pub(crate) create: Statement,
    pub(crate) create_concurrently: Statement,
    /// Only called where the index is not there or not valid.
    pub(crate) drop_invalid: Statement,
}

/// The definition of a column, as in CREATE TABLE and ADD COLUMN.
fn column_definition(name: &str, column: &Column, key: bool) -> String {
    let mut definition = format!("{} {}", quote(name), type_name(column.kind));
    if key {
        // Ids ascend and are compared bytewise; a collation by ICU costs a load 20 to 54 % (performance.md 2.4).
        definition.push_str(" COLLATE \"C\" PRIMARY KEY");
    }
    if column.source == ColumnSource::IsDeleted && column.kind == ColumnKind::Boolean {
        // So that `WHERE NOT is_deleted` finds the rows that were there before the column was.
        definition.push_str(" NOT NULL DEFAULT false");
    }
    definition
}

pub(super) fn create_table(names: &Names, plan: &ObjectPlan) -> Statement {
    let definitions: Vec<String> = plan
        .columns
        .iter()
        .enumerate()
        .map(|(position, column)| {
            let definition = column_definition(column.name.as_str(), column, position == 0);
            if position == 1 && plan.stamp.is_some() {
                format!("{definition} NOT NULL")
            } else {
                definition
            }
        })
        .collect();
    Statement::new(format!(
        "CREATE TABLE {} (\n  {}\n)",
        names.table,
        definitions.join(",\n  ")
    ))
}

/// A column that a table is to get.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Beside {
    /// Under its own name.
    Itself,
    /// Beside one of its name that has another type; `stale` where one of a third type stands there already.
    Another { stale: bool },
}

/// Adds columns to a table that is there. The lock that it takes stops readers, so it does not wait long for it.
pub(crate) fn add_columns(schema: &str, plan: &ObjectPlan, columns: &[(&Column, Beside)]) -> Statement {
    let changes = columns.iter().flat_map(|(column, place)| {
        let name = column.name.as_str();
        match place {
            Beside::Itself => vec![format!("ADD COLUMN {}", column_definition(name, column, false))],
            Beside::Another { stale } => {
                let name = beside(name);
                let add = format!("ADD COLUMN {}", column_definition(&name, column, false));
                if *stale {
                    // Of several changes of one statement, columns are dropped first.
                    vec![format!("DROP COLUMN {}", quote(&name)), add]
                } else {
                    vec![add]
                }
            }
        }
    });
    let changes: Vec<String> = changes.collect();
    Statement::new(format!(
        "SET LOCAL lock_timeout = '5s'; ALTER TABLE {} {}",
        table_of(schema, plan),
        changes.join(", ")
    ))
}

fn table_of(schema: &str, plan: &ObjectPlan) -> String {
    format!("{}.{}", quote(schema), quote(plan.table.as_str()))
}

pub(super) fn index_statements(names: &Names, index: &IndexPlan) -> IndexStatements {
    let columns: Vec<&str> = index.columns.iter().map(Identifier::as_str).collect();
    let rows = match (index.rows, &names.mark) {
        (IndexedRows::Marked, Some(mark)) => format!(" WHERE {}", mark.is_deleted),
        (IndexedRows::Marked, None) | (IndexedRows::All, _) => String::new(),
    };
    index_named(&names.schema, &names.table, index.name.as_str(), (&columns, &rows))
}

fn index_named(schema: &str, table: &str, name: &str, (columns, rows): (&[&str], &str)) -> IndexStatements {
    let quoted = quote(name);
    let columns: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let on = format!("IF NOT EXISTS {quoted} ON {table} ({}){rows}", columns.join(", "));
    IndexStatements {
        name: name.to_owned(),
        create: Statement::new(format!("CREATE INDEX {on}")),
        create_concurrently: Statement::new(format!("CREATE INDEX CONCURRENTLY {on}")),
        drop_invalid: Statement::new(format!("DROP INDEX CONCURRENTLY IF EXISTS {schema}.{quoted}")),
    }
}

/// The indexes of the plan that have one of the columns, on those beside them and under the names beside theirs: so a
/// reader finds an index before and after the exchange.
pub(crate) fn beside_indexes(schema: &str, plan: &ObjectPlan, exchanged: &[&str]) -> Vec<IndexStatements> {
    indexes_of(plan, exchanged)
        .map(|index| {
            let columns: Vec<String> = index
                .columns
                .iter()
                .map(|column| match column.as_str() {
                    name if exchanged.contains(&name) => beside(name),
                    name => name.to_owned(),
                })
                .collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            index_named(
                &quote(schema),
                &table_of(schema, plan),
                &beside(index.name.as_str()),
                // Those of the mark are never exchanged.
                (&columns, ""),
            )
        })
        .collect()
}

fn indexes_of<'a>(plan: &'a ObjectPlan, columns: &'a [&str]) -> impl Iterator<Item = &'a IndexPlan> {
    let has_one = |index: &&IndexPlan| index.columns.iter().any(|column| columns.contains(&column.as_str()));
    plan.indexes.iter().filter(has_one)
}

/// A column's values in another type, for those of its values that fit it; `None` where a cast may fail.
fn cast(column: &str, from: &str, to: ColumnKind) -> Option<String> {
    let to = type_name(to);
    let within = |least: i64, most: i64| {
        // NaN is more than any number.
        format!("CASE WHEN {column} BETWEEN {least} AND {most} AND {column} % 1 = 0 THEN {column}::{to} END")
    };
    match (from, to) {
        (from, to) if from == to => Some(column.to_owned()),
        (_, "text")
        | ("smallint" | "integer", "bigint" | "numeric")
        | ("smallint", "integer")
        | ("bigint", "numeric") => Some(format!("{column}::{to}")),
        ("bigint" | "numeric", "integer") => Some(within(i32::MIN.into(), i32::MAX.into())),
        ("numeric", "bigint") => Some(within(i64::MIN, i64::MAX)),
        _ => None,
    }
}

/// Rows that no pass over what Salesforce has writes: `$1` object.
fn is_unwritten(names: &Names, deletes: Deletes) -> String {
    let Names {
        pending,
        rejected,
        surplus,
        key,
        mark,
        ..
    } = names;
    let mut lists = vec![pending, rejected];
    match deletes {
        Deletes::Remove | Deletes::Mark => {}
        Deletes::Ignore => lists.push(surplus),
    }
    let mut rows: Vec<String> = lists
        .iter()
        .map(|list| format!("t.{key} IN (SELECT n.salesforce_id FROM {list} n WHERE n.object = $1)"))
        .collect();
    rows.extend(mark.as_ref().map(|mark| format!("t.{}", mark.is_deleted)));
    rows.join(" OR ")
}

/// Carries values of columns into those beside them, in rows that this plan did not write: `$1` object. Each column comes
/// with the type that it has. `None` where no column has values that fit.
pub(crate) fn carry(
    schema: &str,
    plan: &ObjectPlan,
    layout: &Layout,
    columns: &[(&Column, &str)],
) -> Option<Statement> {
    let names = Names::new(schema, plan, layout);
    let (mut changes, mut wanted) = (Vec::new(), Vec::new());
    for (column, from) in columns {
        match column.source {
            ColumnSource::Field(_) | ColumnSource::Template(_) => {}
            // Nothing of these is a value of Salesforce.
            ColumnSource::Empty | ColumnSource::Null | ColumnSource::IsDeleted | ColumnSource::DeletedAt => continue,
        }
        let name = column.name.as_str();
        let (old, new) = (format!("t.{}", quote(name)), quote(&beside(name)));
        if let Some(value) = cast(&old, from, column.kind) {
            changes.push(format!("{new} = coalesce(t.{new}, {value})"));
            wanted.push(format!("t.{new} IS NULL AND ({value}) IS NOT NULL"));
        }
    }
    if changes.is_empty() {
        return None;
    }
    Some(Statement::new(format!(
        "UPDATE {} t SET {} WHERE ({}) AND ({})",
        names.table,
        changes.join(", "),
        is_unwritten(&names, plan.deletes),
        wanted.join(" OR ")
    )))
}

/// Whether rows have values in columns that are to be NULL, and what takes them out.
#[derive(Debug)]
pub(crate) struct Emptying {
    pub(crate) is_needed: Statement,
    pub(crate) empty: Statement,
}

/// For the columns of these names; `None` without any.
pub(crate) fn emptying(schema: &str, plan: &ObjectPlan, columns: &[String]) -> Option<Emptying> {
    if columns.is_empty() {
        return None;
    }
    let join = |change: &str, between: &str| {
        let each: Vec<String> = columns
            .iter()
            .map(|column| format!("{}{change}", quote(column)))
            .collect();
        each.join(between)
    };
    let table = table_of(schema, plan);
    let has_values = join(" IS NOT NULL", " OR ");
    Some(Emptying {
        is_needed: Statement::new(format!("SELECT EXISTS (SELECT FROM {table} WHERE {has_values})")),
        empty: Statement::new(format!(
            "UPDATE {table} SET {} WHERE {has_values}",
            join(" = NULL", ", ")
        )),
    })
}

/// A right on one column, which goes with it when it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) column: String,
    /// Of the four that there are for columns.
    pub(crate) privilege: String,
    /// `None`: everybody.
    pub(crate) role: Option<String>,
    pub(crate) with_grant_option: bool,
}

/// Takes columns out of a table and puts those beside them in their places; then the columns beside others that are not
/// wanted any more go. Rights and comments on the columns, and the plan's indexes, are there afterwards as they were.
pub(crate) fn exchange(
    schema: &str,
    plan: &ObjectPlan,
    exchanged: &[(String, Option<String>)],
    grants: &[Grant],
    unwanted: &[String],
) -> Vec<Statement> {
    let table = table_of(schema, plan);
    let mut sql = Vec::new();
    for (column, comment) in exchanged {
        let quoted = quote(column);
        sql.push(format!("ALTER TABLE {table} DROP COLUMN {quoted}"));
        sql.push(format!(
            "ALTER TABLE {table} RENAME COLUMN {} TO {quoted}",
            quote(&beside(column))
        ));
        if let Some(comment) = comment {
            sql.push(format!("COMMENT ON COLUMN {table}.{quoted} IS {}", literal(comment)));
        }
    }
    for Grant {
        column,
        privilege,
        role,
        with_grant_option,
    } in grants
    {
        let role = role.as_deref().map_or("PUBLIC".to_owned(), quote);
        let option = if *with_grant_option { " WITH GRANT OPTION" } else { "" };
        sql.push(format!(
            "GRANT {privilege} ({}) ON {table} TO {role}{option}",
            quote(column)
        ));
    }
    let names: Vec<&str> = exchanged.iter().map(|(column, _)| column.as_str()).collect();
    for index in indexes_of(plan, &names) {
        let name = index.name.as_str();
        sql.push(format!(
            "ALTER INDEX IF EXISTS {}.{} RENAME TO {}",
            quote(schema),
            quote(&beside(name)),
            quote(name)
        ));
    }
    for column in unwanted {
        sql.push(format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {}", quote(column)));
    }
    sql.into_iter().map(Statement::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_others_fit_and_stay_apart() {
        assert_eq!(beside("amount"), "#new amount");
        let long = "ü".repeat(31);
        let other = format!("{}x", "ü".repeat(30));
        for name in [&long, &other] {
            assert!(beside(name).len() <= MAX_BYTES, "{}", beside(name));
            assert!(is_beside(&beside(name)));
        }
        assert_ne!(beside(&long), beside(&other));
    }
}
