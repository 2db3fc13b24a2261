//! How SQLite goes about our statements: by keys, and never through a table for a few rows.

use rusqlite::Connection;

use super::{
    super::{
        connect, schema,
        statement::{self, TableStatements},
    },
    Place, wide,
};
use crate::plan::{Deletes, Identifier, IndexPlan, IndexedRows};

/// The steps in which SQLite runs a statement.
fn steps(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = rusqlite::params_from_iter(vec!["1"; explain.parameter_count()]);
    let steps = explain.query_map(parameters, |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

/// A file with state tables and a table of each mode.
fn with_tables() -> (Place, Connection, Vec<TableStatements>) {
    let place = Place::new();
    let mut connection = connect::open_or_create(&place.path()).unwrap();
    schema::prepare(&mut connection, &place.path()).unwrap();
    let tables = [Deletes::Remove, Deletes::Mark].map(|deletes| {
        let mut plan = wide(10);
        plan.deletes = deletes;
        plan.table = Identifier::new(format!("contact_{deletes:?}"));
        connection.execute_batch(&statement::create_table(&plan)).unwrap();
        TableStatements::new(&plan)
    });
    (place, connection, tables.into())
}

/// Deletes touch the rows that they name, by their key, and never look through the table.
#[test]
fn statements_for_deletes_never_scan_the_table() {
    let (_place, connection, tables) = with_tables();
    for statements in tables {
        let TableStatements {
            undo_insert,
            note_deletes,
            note_left,
            apply_deletes,
            highest_rowid,
            is_newer,
            forget_rejected,
            forget_gone,
            stretch,
            ..
        } = statements;
        for sql in [
            undo_insert,
            note_deletes,
            note_left,
            apply_deletes,
            highest_rowid,
            is_newer,
            forget_rejected,
            forget_gone,
            stretch,
        ] {
            for step in steps(&connection, &sql) {
                let scan = step.starts_with("SCAN") && (step.contains("contact") || step == "SCAN t");
                assert!(
                    !scan || sql.starts_with("SELECT coalesce(max(rowid)"),
                    "{step} in {sql}"
                );
            }
        }
    }
}

/// What the guard has to know of the marked rows, whatever number of others there is.
#[test]
fn marked_rows_are_counted_by_their_index() {
    let place = Place::new();
    let connection = connect::open_or_create(&place.path()).unwrap();
    let mut plan = wide(10);
    plan.deletes = Deletes::Mark;
    plan.indexes.push(IndexPlan {
        name: Identifier::new("marked"),
        columns: vec![Identifier::new("deleted_at")],
        rows: IndexedRows::Marked,
    });
    connection.execute_batch(&statement::create_table(&plan)).unwrap();
    let index = statement::create_index(&plan, plan.indexes.last().unwrap());
    connection.execute_batch(&index).unwrap();
    let count = TableStatements::new(&plan).count_marked.unwrap();
    let steps = steps(&connection, &count);
    assert!(steps.iter().all(|step| step.contains("INDEX marked")), "{steps:?}");
}

/// A stretch comes in the order of the key, from the key: nothing is sorted.
#[test]
fn a_stretch_is_read_in_the_order_of_the_key() {
    let (_place, connection, tables) = with_tables();
    for TableStatements { stretch, .. } in tables {
        let steps = steps(&connection, &stretch);
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!(
            steps[0].starts_with("SEARCH") && steps[0].contains("INDEX"),
            "{steps:?}"
        );
    }
}

/// State tables are searched by their keys, whatever other objects have noted.
#[test]
fn statements_on_state_tables_search_by_key() {
    let (_place, connection, _tables) = with_tables();
    for sql in [
        statement::TAKE_OUT_PENDING,
        statement::DISPROVE_PENDING,
        statement::HAS_PENDING,
        statement::HAS_REJECTED,
        statement::COUNT_UNCONFIRMED,
        statement::FORGET_REJECTED_OF_APPLIED,
        statement::FORGET_APPLIED,
        statement::FORGET_FITTING,
        statement::READ_SURPLUS,
        statement::READ_PENDING,
        statement::READ_REJECTED,
        statement::CONFIRM,
    ] {
        for step in steps(&connection, sql) {
            let scan = step.starts_with("SCAN _pending") || step.starts_with("SCAN _rejected");
            assert!(!scan && !step.starts_with("SCAN _surplus"), "{step} in {sql}");
        }
    }
}
