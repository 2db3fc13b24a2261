//! Columns of another type, where SQLite is unlike other databases: affinity, dependants that are bound by their text, and
//! constraints in a table's own text.

use std::sync::Arc;

use rusqlite::Connection;

use super::{AT, Place, checkpoint, contact, owner};
use crate::{
    batch::Batch,
    budget::BytePermit,
    destination::{
        Contents, Deletions, Destination, Load, ObjectTable, StateWrite,
        sqlite::{Sqlite, SqliteTable},
    },
    plan::{ColumnKind, ObjectPlan, PlanHash},
    state::{Checkpoint, Counts},
};

const TEXT: ColumnKind = ColumnKind::Text { length: None };

/// The fixture's plan with a surname of this kind.
fn plan(kind: ColumnKind) -> ObjectPlan {
    let mut plan = contact();
    plan.columns[2].kind = kind;
    plan.hash = PlanHash(format!("surname is {}", kind.word()));
    plan
}

/// Opens the table and makes it as planned; the state says who wrote its rows.
async fn adapted(destination: &Sqlite, kind: ColumnKind) -> SqliteTable {
    let plan = plan(kind);
    let first = Checkpoint {
        plan_hash: plan.hash.0.clone(),
        ..checkpoint()
    };
    destination.prepare().await.unwrap();
    let mut table = destination.open(Arc::new(plan), owner()).await.unwrap();
    let state = table.read_state().await.unwrap();
    let checkpoint = state.map_or(first, |state| state.checkpoint);
    table.create(&checkpoint, AT).await.unwrap();
    table
}

async fn write(table: &mut SqliteTable, kind: ColumnKind, rows: &[(u32, u32, &str)]) -> Counts {
    let mut batch = Batch::new(contact().select.len(), BytePermit::unbounded());
    for (n, second, surname) in rows {
        batch.begin_row();
        batch.set(0, &format!("003{n:012}AAA"));
        batch.set(1, &format!("2024-05-01T10:00:{second:02}.000Z"));
        batch.set(2, "false");
        batch.set(3, surname);
    }
    table.begin(Load::Merge).await.unwrap();
    table.write(batch).await.unwrap();
    let checkpoint = Checkpoint {
        plan_hash: plan(kind).hash.0,
        ..checkpoint()
    };
    table
        .commit(&checkpoint, Deletions::Keep, StateWrite::WithRows, AT)
        .await
        .unwrap()
}

impl Place {
    fn execute(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    /// Each value with the name of its storage class.
    fn stored(&self, column: &str) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let sql = format!("SELECT typeof({column}) || ' ' || {column} FROM contact ORDER BY salesforce_id");
        let mut select = connection.prepare(&sql).unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn text(&self, sql: &str) -> String {
        let connection = Connection::open(self.path()).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// Kinds that are declared alike need no other column: a date that becomes text, an integer that becomes a boolean.
#[tokio::test]
async fn kinds_that_are_declared_alike_need_no_exchange() {
    for (from, old, to, new) in [
        (ColumnKind::Date, "2015-02-10", TEXT, "10.02.2015"),
        (TEXT, "x", ColumnKind::Timestamp, "2015-02-10T01:56:14.000Z"),
        (ColumnKind::Int, "3", ColumnKind::Long, "9223372036854775807"),
    ] {
        let place = Place::new();
        let destination = place.destination();
        let mut table = adapted(&destination, from).await;
        write(&mut table, from, &[(1, 5, old)]).await;
        let before = place.text("SELECT sql FROM sqlite_schema WHERE name = 'contact'");
        let mut table = adapted(&destination, to).await;
        assert_eq!(write(&mut table, to, &[(1, 5, new)]).await.updated, 1);
        assert!(table.settle_columns().await.unwrap().is_empty());
        assert_eq!(place.text("SELECT CAST(surname AS TEXT) FROM contact"), new);
        assert_eq!(
            place.text("SELECT sql FROM sqlite_schema WHERE name = 'contact'"),
            before
        );
    }
}

/// Views, triggers and indexes of somebody else go on as they are, a broken view too.
#[tokio::test]
async fn what_names_the_column_finds_the_new_one() {
    let place = Place::new();
    let destination = place.destination();
    let mut table = adapted(&destination, ColumnKind::Int).await;
    write(&mut table, ColumnKind::Int, &[(1, 5, "3"), (2, 5, "4")]).await;
    place.execute(
        "CREATE VIEW named AS SELECT salesforce_id, surname FROM contact WHERE surname IS NOT NULL; \
         CREATE VIEW on_view AS SELECT surname || '!' AS loud FROM named; \
         CREATE VIEW broken AS SELECT nowhere FROM contact; \
         CREATE TABLE heard (surname); \
         CREATE TRIGGER hears AFTER UPDATE OF surname ON contact BEGIN INSERT INTO heard VALUES (new.surname); END; \
         CREATE INDEX plain ON contact (company, surname); \
         CREATE INDEX partial ON contact (company) WHERE surname IS NOT NULL; \
         CREATE INDEX expression ON contact (lower(surname));",
    );
    let schema =
        "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema WHERE name <> 'contact' ORDER BY name)";
    let before = place.text(schema);
    let mut table = adapted(&destination, TEXT).await;
    write(&mut table, TEXT, &[(1, 6, "007"), (2, 6, "Meyer")]).await;
    assert_eq!(place.stored("surname"), ["integer 3", "integer 4"]);
    assert!(table.settle_columns().await.unwrap().is_empty());

    assert_eq!(place.stored("surname"), ["text 007", "text Meyer"]);
    assert_eq!(place.text("SELECT group_concat(loud, ' ') FROM on_view"), "007! Meyer!");
    assert_eq!(place.text(schema), before, "nothing of theirs has changed");
    assert_eq!(write(&mut table, TEXT, &[(1, 7, "008")]).await.updated, 1);
    assert_eq!(place.text("SELECT group_concat(surname, ' ') FROM heard"), "008");
    assert_eq!(place.text("PRAGMA integrity_check"), "ok");
    let used =
        place.text("SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_index_list('contact') ORDER BY 1)");
    assert!(used.contains("expression partial plain"), "{used}");
}

/// A generated column was written for the old type. The old column stays, takes what fits, and is exchanged when the other is
/// gone.
#[tokio::test]
async fn a_column_that_the_table_itself_needs_stays_until_it_is_free() {
    let place = Place::new();
    let destination = place.destination();
    let mut table = adapted(&destination, ColumnKind::Int).await;
    write(&mut table, ColumnKind::Int, &[(1, 5, "3")]).await;
    place.execute("ALTER TABLE contact ADD COLUMN twice AS (surname * 2)");
    let mut table = adapted(&destination, TEXT).await;
    write(&mut table, TEXT, &[(1, 6, "many")]).await;
    let in_use = table.settle_columns().await.unwrap();
    assert_eq!(in_use.len(), 1);
    assert_eq!(in_use[0].column.as_str(), "surname");
    assert!(in_use[0].used_by[0].contains("generated column"), "{in_use:?}");
    assert_eq!(place.stored("surname"), ["integer 3"], "its values stay as they were");
    assert_eq!(place.count("SELECT count(*) FROM pragma_table_info('contact')"), 4);

    // The state's hash is this plan's by now: another process makes no column beside it again.
    let mut table = adapted(&destination, TEXT).await;
    let written = write(&mut table, TEXT, &[(1, 6, "12"), (2, 6, "many")]).await;
    assert_eq!((written.updated, written.rejected), (1, 1));
    assert_eq!(place.stored("surname"), ["integer 12"]);
    assert_eq!(
        table.settle_columns().await.unwrap(),
        in_use,
        "told for as long as it is so"
    );

    place.execute("ALTER TABLE contact DROP COLUMN twice");
    assert!(table.settle_columns().await.unwrap().is_empty());
    assert_eq!(place.stored("surname"), ["text 12"]);
    assert_eq!(write(&mut table, TEXT, &[(2, 6, "many")]).await.inserted, 1);
    assert_eq!(place.stored("surname"), ["text 12", "text many"]);
}

/// Somebody's unique index forbids what the new values have twice.
#[tokio::test]
async fn a_unique_index_that_the_new_values_break_is_named() {
    let place = Place::new();
    let destination = place.destination();
    let mut table = adapted(&destination, ColumnKind::Int).await;
    write(&mut table, ColumnKind::Int, &[(1, 5, "3"), (2, 5, "4")]).await;
    place.execute("CREATE UNIQUE INDEX only_once ON contact (surname)");
    let mut table = adapted(&destination, TEXT).await;
    write(&mut table, TEXT, &[(1, 6, "same"), (2, 6, "same")]).await;
    let in_use = table.settle_columns().await.unwrap();
    assert_eq!(in_use[0].used_by, ["index only_once"]);
    assert_eq!(place.stored("surname"), ["integer 3", "integer 4"]);
    assert_eq!(
        place.count("SELECT count(*) FROM pragma_index_list('contact') WHERE name = 'only_once'"),
        1
    );
}

/// A first load of another plan is given up whole: its table has the new type from the start.
#[tokio::test]
async fn a_first_load_given_up_needs_no_exchange() {
    let place = Place::new();
    let destination = place.destination();
    destination.prepare().await.unwrap();
    let initial = |kind| Checkpoint {
        phase: crate::state::Phase::Initial,
        plan_hash: plan(kind).hash.0,
        reconciled_at: Some(AT),
        ..checkpoint()
    };
    for (kind, declared) in [(ColumnKind::Int, "INTEGER"), (TEXT, "TEXT")] {
        let mut table = destination.open(Arc::new(plan(kind)), owner()).await.unwrap();
        table.read_state().await.unwrap();
        assert_eq!(table.create(&initial(kind), AT).await.unwrap(), Contents::Empty);
        let sql = "SELECT group_concat(type, ' ') FROM pragma_table_info('contact') WHERE name LIKE 'surname%'";
        assert_eq!(place.text(sql), declared);
    }
}
