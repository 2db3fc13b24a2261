//! Columns that change their type while others use the table.

use std::time::Duration;

use replication::{
    Error,
    destination::{
        ColumnInUse, Contents, Deletions, Destination, Left, Listed, Load, ObjectTable, StateWrite, Stretch,
        postgres::{Postgres, PostgresTable},
    },
    guard::Guard,
    plan::{Column, ColumnKind, ColumnSource, Deletes, Identifier, IndexPlan, IndexedRows, ObjectPlan, PlanHash},
    state::{Checkpoint, Counts},
};
use salesforce::ErrorKind;

use super::fixture::{GUARD, Place, batch, checkpoint, merge, now, open, plan, unique};

const TEXT: ColumnKind = ColumnKind::Text { length: None };

/// Contact with a column `value` of a kind, an index on it, and a hash of its own.
fn valued(kind: ColumnKind) -> ObjectPlan {
    let mut plan = plan(&[("value", kind)]);
    plan.indexes.push(IndexPlan {
        name: Identifier::new("contact_value_idx"),
        columns: vec![Identifier::new("value"), Identifier::new("spelled")],
        rows: IndexedRows::All,
    });
    plan.hash = PlanHash(kind.word().to_owned());
    plan
}

fn of(plan: &ObjectPlan) -> Checkpoint {
    Checkpoint {
        plan_hash: plan.hash.0.clone(),
        ..checkpoint()
    }
}

/// Rows as they were read by Id.
async fn overwrite(table: &mut PostgresTable, plan: &ObjectPlan, rows: &[&[&str]]) -> Counts {
    table.begin(Load::Overwrite).await.unwrap();
    table.write(batch(plan, rows)).await.unwrap();
    table
        .commit(&of(plan), Deletions::Apply(GUARD), StateWrite::WithRows, now())
        .await
        .unwrap()
}

/// A place whose table has `value` as text with the values given.
async fn of_text(values: &[&str]) -> (Place, Postgres) {
    let place = Place::new().await;
    let destination = place.destination().await;
    destination.prepare().await.unwrap();
    let plan = valued(TEXT);
    let mut table = open(&destination, &plan).await;
    table.read_state().await.unwrap();
    table.create(&of(&plan), now()).await.unwrap();
    let rows: Vec<[&str; 2]> = values.iter().map(|value| [*value, *value]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 2]>::as_slice).collect();
    overwrite(&mut table, &plan, &rows).await;
    table.build_indexes().await.unwrap();
    (place, destination)
}

/// The table under another plan, made as that has it.
async fn adapted(destination: &Postgres, plan: &ObjectPlan) -> PostgresTable {
    let mut table = open(destination, plan).await;
    let state = table.read_state().await.unwrap().unwrap();
    assert_eq!(table.create(&state.checkpoint, now()).await.unwrap(), Contents::Rows);
    table
}

async fn values(place: &Place) -> Vec<String> {
    let rows = place
        .server
        .query("SELECT coalesce(value::text, '-') FROM contact ORDER BY salesforce_id")
        .await;
    rows.into_iter().flatten().flatten().collect()
}

async fn type_of_value(place: &Place) -> String {
    let sql = "SELECT data_type FROM information_schema.columns WHERE table_schema = current_schema() \
               AND table_name = 'contact' AND column_name = 'value'";
    place.server.value(sql).await
}

/// Columns that no reader knows.
async fn beside(place: &Place) -> Vec<String> {
    let sql = "SELECT attname FROM pg_attribute WHERE attrelid = 'contact'::regclass AND attname LIKE '#%' \
               AND NOT attisdropped ORDER BY 1";
    place.server.query(sql).await.into_iter().flatten().flatten().collect()
}

fn in_use(used_by: &[&str]) -> Vec<ColumnInUse> {
    vec![ColumnInUse {
        column: Identifier::new("value"),
        used_by: used_by.iter().map(|name| (*name).to_owned()).collect(),
    }]
}

#[tokio::test]
async fn a_column_is_exchanged_and_readers_see_the_old_one_until_then() {
    let (place, destination) = of_text(&["1", "2"]).await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    assert_eq!(
        overwrite(&mut table, &plan, &[&["1", "10"], &["2", "20"]])
            .await
            .updated,
        2
    );
    assert_eq!(values(&place).await, ["1", "2"]);
    assert_eq!(type_of_value(&place).await, "text");
    let known = destination
        .existing_columns(std::slice::from_ref(&plan.table))
        .await
        .unwrap();
    assert_eq!(
        known[&plan.table],
        ["salesforce_id", "system_modstamp", "spelled", "value"],
        "the plan does not see what readers do not"
    );
    assert_eq!(
        overwrite(&mut table, &plan, &[&["1", "10"], &["2", "20"]]).await,
        Counts::default()
    );

    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
    assert_eq!(values(&place).await, ["10", "20"]);
    assert_eq!(type_of_value(&place).await, "integer");
    assert_eq!(beside(&place).await, Vec::<String>::new());
    // The same table goes on, and so does one that is opened anew.
    assert_eq!(overwrite(&mut table, &plan, &[&["1", "11"]]).await.updated, 1);
    let mut table = open(&destination, &plan).await;
    let state = table.read_state().await.unwrap().unwrap();
    assert_eq!(state.checkpoint.plan_hash, plan.hash.0);
    assert_eq!(
        overwrite(&mut table, &plan, &[&["1", "11"], &["2", "21"]])
            .await
            .updated,
        1
    );
    assert_eq!(values(&place).await, ["11", "21"]);
    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
}

#[tokio::test]
async fn indexes_rights_comments_and_triggers_are_there_after_an_exchange() {
    let (place, destination) = of_text(&["1"]).await;
    let (reader, clerk) = (unique("reader"), unique("clerk"));
    place
        .server
        .query(&format!(
            "CREATE ROLE {reader}; CREATE ROLE {clerk}; GRANT SELECT ON contact TO {reader}; \
             GRANT SELECT (value), UPDATE (value) ON contact TO {clerk}; \
             GRANT SELECT (value) ON contact TO {reader} WITH GRANT OPTION; \
             COMMENT ON COLUMN contact.value IS 'it''s theirs'; \
             CREATE TABLE seen (id text); \
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO \"{}\".seen VALUES (NEW.salesforce_id); RETURN NEW; END $$; \
             CREATE TRIGGER theirs AFTER UPDATE ON contact FOR EACH ROW EXECUTE FUNCTION note()",
            place.schema
        ))
        .await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["1", "10"]]).await;
    table.settle_columns().await.unwrap();

    let index =
        "SELECT indexdef FROM pg_indexes WHERE indexname = 'contact_value_idx' AND schemaname = current_schema()";
    assert!(place.server.value(index).await.ends_with("(value, spelled)"));
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'contact_value_idx'::regclass";
    assert_eq!(place.server.value(valid).await, "t");
    for (role, right, expected) in [
        (&clerk, "SELECT", "t"),
        (&clerk, "UPDATE", "t"),
        (&clerk, "INSERT", "f"),
        (&reader, "SELECT", "t"),
        (&reader, "SELECT WITH GRANT OPTION", "t"),
    ] {
        let sql = format!("SELECT has_column_privilege('{role}', 'contact', 'value', '{right}')");
        assert_eq!(place.server.value(&sql).await, expected, "{role} {right}");
    }
    let comment = "SELECT col_description('contact'::regclass, attnum) FROM pg_attribute \
                   WHERE attrelid = 'contact'::regclass AND attname = 'value'";
    assert_eq!(place.server.value(comment).await, "it's theirs");
    overwrite(&mut table, &plan, &[&["1", "11"]]).await;
    assert_eq!(place.server.value("SELECT count(*) FROM seen").await, "2");
    place
        .server
        .query(&format!("DROP OWNED BY {reader}, {clerk}; DROP ROLE {reader}, {clerk}"))
        .await;
}

#[tokio::test]
async fn values_of_the_new_type_that_do_not_fit_reject_their_row() {
    let (place, destination) = of_text(&["1", "2"]).await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    let counts = overwrite(&mut table, &plan, &[&["1", "10"], &["2", "many"]]).await;
    assert_eq!((counts.updated, counts.rejected), (1, 1));
    let entries = place
        .server
        .query("SELECT column_name, reason FROM _rejected_row")
        .await;
    assert_eq!(
        entries,
        [[Some("value".to_owned()), Some("is not a number".to_owned())]],
        "the column is told by the name that people know"
    );
    table.settle_columns().await.unwrap();
    assert_eq!(values(&place).await, ["10", "-"]);
}

#[tokio::test]
async fn a_view_keeps_the_column_and_its_type() {
    let (place, destination) = of_text(&["1"]).await;
    overwrite_type(&place, "integer").await;
    place
        .server
        .query(
            "CREATE VIEW theirs AS SELECT value FROM contact; \
             CREATE MATERIALIZED VIEW stored AS SELECT count(value) AS many FROM contact",
        )
        .await;
    let plan = valued(TEXT);
    let mut table = adapted(&destination, &plan).await;
    assert_eq!(beside(&place).await, Vec::<String>::new(), "it could not be exchanged");
    let counts = overwrite(&mut table, &plan, &[&["1", "12"], &["2", "a dozen"]]).await;
    assert_eq!((counts.updated, counts.inserted, counts.rejected), (1, 0, 1));
    assert_eq!(place.server.value("SELECT value FROM theirs").await, "12");
    let used_by = [
        format!("materialized view {}.stored", place.schema),
        format!("view {}.theirs", place.schema),
    ];
    let expected = in_use(&used_by.each_ref().map(String::as_str));
    assert_eq!(table.settle_columns().await.unwrap(), expected);
    assert_eq!(type_of_value(&place).await, "integer");

    // A process that starts anew finds the same, and nothing to do.
    let mut table = open(&destination, &plan).await;
    let state = table.read_state().await.unwrap().unwrap();
    assert_eq!(state.checkpoint.plan_hash, plan.hash.0);
    assert_eq!(overwrite(&mut table, &plan, &[&["1", "13"]]).await.updated, 1);
    assert_eq!(table.settle_columns().await.unwrap(), expected);

    // When the views are gone, the rows are no more as the plan has them, and the exchange is made.
    place
        .server
        .query("DROP VIEW theirs; DROP MATERIALIZED VIEW stored")
        .await;
    let mut table = open(&destination, &plan).await;
    let state = table.read_state().await.unwrap().unwrap();
    assert_ne!(state.checkpoint.plan_hash, plan.hash.0);
    table.create(&state.checkpoint, now()).await.unwrap();
    let counts = overwrite(&mut table, &plan, &[&["1", "13"], &["2", "a dozen"]]).await;
    assert_eq!((counts.updated, counts.inserted, counts.rejected), (1, 1, 0));
    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
    assert_eq!(values(&place).await, ["13", "a dozen"]);
    let state = table.read_state().await.unwrap().unwrap();
    assert_eq!((state.checkpoint.plan_hash, state.rejected), (plan.hash.0, 0));
}

/// Gives `value` another type, as a former plan would have made it, with its index.
async fn overwrite_type(place: &Place, type_name: &str) {
    place
        .server
        .query(&format!(
            "ALTER TABLE contact ALTER COLUMN value TYPE {type_name} USING value::{type_name}; \
             UPDATE _replication_state SET plan_hash = 'former'"
        ))
        .await;
}

#[tokio::test]
async fn a_view_that_is_made_in_the_meantime_keeps_the_old_values() {
    let (place, destination) = of_text(&["1", "2"]).await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["1", "10"]]).await;
    place
        .server
        .query("CREATE VIEW theirs AS SELECT value || '!' AS loud FROM contact")
        .await;
    let expected = in_use(&[&format!("view {}.theirs", place.schema)]);
    assert_eq!(table.settle_columns().await.unwrap(), expected);
    assert_eq!(beside(&place).await, Vec::<String>::new());
    assert_eq!(values(&place).await, ["1", "2"]);
    // From then on values go into the old column, whose type takes any of them.
    overwrite(&mut table, &plan, &[&["1", "10"], &["2", "twenty"]]).await;
    assert_eq!(values(&place).await, ["10", "twenty"]);
    assert_eq!(table.settle_columns().await.unwrap(), expected);
}

#[tokio::test]
async fn whatever_would_go_with_the_column_in_silence_is_named() {
    let (place, destination) = of_text(&["1"]).await;
    place
        .server
        .query(
            "CREATE INDEX theirs ON contact (lower(value)); \
             ALTER TABLE contact ADD CONSTRAINT short CHECK (length(value) < 9)",
        )
        .await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    let in_use = table.settle_columns().await.unwrap();
    assert_eq!(in_use.len(), 1);
    assert_eq!(
        in_use[0].used_by,
        ["constraint short on table contact", "index theirs"].map(|name| name
            .replace("contact", &format!("{}.contact", place.schema))
            .replace("index theirs", &format!("index {}.theirs", place.schema)))
    );
    let kept =
        "SELECT count(*) FROM pg_class WHERE relname = 'theirs' AND relnamespace = current_schema()::regnamespace";
    assert_eq!(place.server.value(kept).await, "1");
}

#[tokio::test]
async fn a_type_that_is_not_ours_is_exchanged_or_told() {
    let (place, destination) = of_text(&["1"]).await;
    overwrite_type(&place, "double precision").await;
    let plan = valued(ColumnKind::Int);
    place
        .server
        .query("CREATE VIEW theirs AS SELECT value FROM contact")
        .await;
    let mut table = open(&destination, &plan).await;
    let state = table.read_state().await.unwrap().unwrap();
    let error = table.create(&state.checkpoint, now()).await.unwrap_err();
    let Error::SchemaConflict { message } = &error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("column value") && message.contains("double precision") && message.contains(".theirs"),
        "{message}"
    );
    place.server.query("DROP VIEW theirs").await;
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["1", "5"]]).await;
    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
    assert_eq!(
        (type_of_value(&place).await.as_str(), values(&place).await),
        ("integer", vec!["5".to_owned()])
    );
}

#[tokio::test]
async fn a_process_that_starts_anew_goes_on_with_the_column_beside() {
    let (place, destination) = of_text(&["1", "2"]).await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["1", "10"]]).await;
    drop(table);
    let mut table = open(&destination, &plan).await;
    let state = table.read_state().await.unwrap().unwrap();
    // `overwrite` wrote the plan's hash, as a pass that ended without its exchange would have.
    assert_ne!(state.checkpoint.plan_hash, plan.hash.0, "the rows are read again");
    assert_eq!(
        overwrite(&mut table, &plan, &[&["1", "10"], &["2", "20"]])
            .await
            .updated,
        1
    );
    table.settle_columns().await.unwrap();
    assert_eq!(values(&place).await, ["10", "20"]);
}

#[tokio::test]
async fn a_plan_that_is_taken_back_and_one_that_changes_again() {
    let (place, destination) = of_text(&["1", "2"]).await;
    let int = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &int).await;
    overwrite(&mut table, &int, &[&["1", "10"]]).await;
    // Another type before the exchange: the column beside is made anew.
    let date = valued(ColumnKind::Date);
    let mut table = adapted(&destination, &date).await;
    assert_eq!(beside(&place).await, ["#new value"]);
    overwrite(&mut table, &date, &[&["1", "2024-05-01"]]).await;
    // Back to the first: the old column has old values, which the hash must not hide.
    place
        .server
        .query("UPDATE _replication_state SET plan_hash = 'text'")
        .await;
    let text = valued(TEXT);
    let mut table = open(&destination, &text).await;
    let state = table.read_state().await.unwrap().unwrap();
    assert_ne!(state.checkpoint.plan_hash, text.hash.0);
    assert_eq!(
        overwrite(&mut table, &text, &[&["1", "one"], &["2", "2"]])
            .await
            .updated,
        1
    );
    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
    assert_eq!(beside(&place).await, Vec::<String>::new());
    assert_eq!(values(&place).await, ["one", "2"]);
    let state = table.read_state().await.unwrap().unwrap();
    assert_eq!(state.checkpoint.plan_hash, text.hash.0);
}

#[tokio::test]
async fn a_column_that_the_plan_leaves_empty_keeps_type_and_values() {
    let (place, destination) = of_text(&["1"]).await;
    let mut plan = valued(ColumnKind::Int);
    plan.columns[3].source = ColumnSource::Empty;
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["other", "10"]]).await;
    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
    assert_eq!(
        (type_of_value(&place).await.as_str(), values(&place).await),
        ("text", vec!["1".to_owned()])
    );
}

/// Readers wait behind a lock that waits, so it does not wait for long.
#[tokio::test]
async fn a_long_reader_makes_the_exchange_try_again_later() {
    let (place, destination) = of_text(&["1"]).await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["1", "10"]]).await;
    table.settle_columns().await.unwrap();
    let text = valued(TEXT);
    let mut config = place.config();
    config.limits.lock = Duration::from_millis(100);
    let impatient = Postgres::connect(config).await.unwrap();
    let mut table = adapted(&impatient, &text).await;
    overwrite(&mut table, &text, &[&["1", "ten"]]).await;
    // Not even an index is waited for: it was built before.
    place
        .server
        .query("BEGIN; LOCK TABLE contact IN ACCESS SHARE MODE")
        .await;
    let error = table.settle_columns().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.message().contains("holds a lock"), "{}", error.message());
    place.server.query("ROLLBACK").await;
    assert_eq!(values(&place).await, ["10"]);
    table.read_state().await.unwrap();
    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
    assert_eq!(values(&place).await, ["ten"]);
}

#[tokio::test]
async fn an_exchange_fences_who_writes_into_the_old_column() {
    let (_place, destination) = of_text(&["1"]).await;
    let plan = valued(ColumnKind::Int);
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["1", "10"]]).await;
    let mut other = open(&destination, &plan).await;
    other.read_state().await.unwrap();
    assert_eq!(other.settle_columns().await.unwrap(), Vec::new());
    let fenced = merge(&mut table, batch(&plan, &[&["1", "11"]])).await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
    let fenced = table.settle_columns().await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
}

/// A table under `plan` with a row for each of the values.
async fn of_kind(plan: &ObjectPlan, values: &[&str]) -> (Place, Postgres, PostgresTable) {
    let place = Place::new().await;
    let destination = place.destination().await;
    destination.prepare().await.unwrap();
    let mut table = open(&destination, plan).await;
    table.read_state().await.unwrap();
    table.create(&of(plan), now()).await.unwrap();
    let rows: Vec<[&str; 2]> = values.iter().map(|value| ["same", *value]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 2]>::as_slice).collect();
    overwrite(&mut table, plan, &rows).await;
    (place, destination, table)
}

fn id(number: usize) -> String {
    format!("003{number:012}AAA")
}

/// The records of these numbers left; a guard of so many percent is asked.
async fn leave(table: &mut PostgresTable, plan: &ObjectPlan, numbers: &[usize], max_percent: u8) -> Counts {
    let left = numbers.iter().map(|number| Left {
        id: id(*number),
        stamp: None,
    });
    table.begin(Load::Merge).await.unwrap();
    table.leave(left.collect()).await.unwrap();
    let guard = Guard {
        max_percent,
        found_since: None,
    };
    table
        .commit(&of(plan), Deletions::Apply(guard), StateWrite::WithRows, now())
        .await
        .unwrap()
}

/// The plan with the columns of the delete mode `Mark`.
fn marking(mut plan: ObjectPlan) -> ObjectPlan {
    for (name, kind, source) in [
        ("is_deleted", ColumnKind::Boolean, ColumnSource::IsDeleted),
        ("deleted_at", ColumnKind::Timestamp, ColumnSource::DeletedAt),
    ] {
        plan.columns.push(Column {
            name: Identifier::new(name),
            kind,
            source,
        });
    }
    plan.deletes = Deletes::Mark;
    plan
}

/// Rows that Salesforce does not give, or not so that they fit, keep their values through an exchange.
#[tokio::test]
async fn rows_that_no_pass_writes_keep_their_values_where_they_fit() {
    let former = marking(valued(ColumnKind::Long));
    let (place, destination, mut table) = of_kind(&former, &["10", "20", "30", "40", "3000000000"]).await;
    // The second and the last are marked; below the third is held, and the fourth rejected.
    assert_eq!(leave(&mut table, &former, &[1, 4], 100).await.deleted, 2);

    for (kind, read, expected) in [
        (TEXT, "11", ["11", "20", "30", "40", "3000000000"]),
        // Text says nothing of what fits, so only what was read is there afterwards.
        (ColumnKind::Int, "12", ["12", "-", "-", "-", "-"]),
    ] {
        let plan = marking(valued(kind));
        let mut table = adapted(&destination, &plan).await;
        assert_eq!(leave(&mut table, &plan, &[0, 2], 0).await.held, 2);
        place
            .server
            .query(&format!(
                "DELETE FROM _rejected_row; INSERT INTO _rejected_row VALUES ('Contact', '{}', 'spelled', 'is odd', now())",
                id(3)
            ))
            .await;
        overwrite(&mut table, &plan, &[&["same", read]]).await;
        assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
        assert_eq!(values(&place).await, expected);
    }
}

/// Numbers become wider whatever they are, and narrower where they fit.
#[tokio::test]
async fn numbers_of_held_rows_are_carried_where_they_fit() {
    const DECIMAL: ColumnKind = ColumnKind::Decimal {
        precision: 18,
        scale: 2,
    };
    let (place, destination, _table) = of_kind(&valued(ColumnKind::Int), &["1", "-2", "3"]).await;
    for (kind, type_name, before, expected) in [
        (ColumnKind::Long, "bigint", "value", ["1", "-2", "3"]),
        (DECIMAL, "numeric", "value", ["1", "-2", "3"]),
        (
            ColumnKind::Long,
            "bigint",
            "CASE value WHEN 1 THEN 3000000000 WHEN 3 THEN 3.5 ELSE value END",
            ["3000000000", "-2", "-"],
        ),
        (ColumnKind::Int, "integer", "value", ["-", "-2", "-"]),
    ] {
        place
            .server
            .query(&format!("UPDATE contact SET value = {before}"))
            .await;
        let plan = valued(kind);
        let mut table = adapted(&destination, &plan).await;
        leave(&mut table, &plan, &[0, 1, 2], 0).await;
        assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
        assert_eq!(
            (type_of_value(&place).await.as_str(), values(&place).await),
            (type_name, expected.map(str::to_owned).to_vec())
        );
    }
}

/// Where deletes are ignored, rows that a listing lacks stay, and keep their values.
#[tokio::test]
async fn surplus_that_is_ignored_keeps_its_values() {
    let mut former = valued(ColumnKind::Int);
    former.deletes = Deletes::Ignore;
    let (place, destination, _table) = of_kind(&former, &["1", "2", "3"]).await;
    let mut plan = valued(TEXT);
    plan.deletes = Deletes::Ignore;
    let mut table = adapted(&destination, &plan).await;
    overwrite(&mut table, &plan, &[&["same", "one"]]).await;
    let listed = [Listed {
        id: id(0),
        stamp: "2024-05-01T10:00:00Z".parse().unwrap(),
    }];
    let stretch = Stretch {
        after: None,
        until: Some(&id(1)),
        listed: &listed,
    };
    assert_eq!(table.compare(stretch).await.unwrap().surplus, 1);
    assert_eq!(table.surplus(None, 10).await.unwrap(), [id(1)]);
    assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
    assert_eq!(values(&place).await, ["one", "2", "-"]);
}

/// What is excluded leaves marked and held rows too, and only once.
#[tokio::test]
async fn excluded_values_leave_every_row() {
    let (place, destination, mut table) = of_kind(&marking(valued(TEXT)), &["1", "2", "3"]).await;
    leave(&mut table, &marking(valued(TEXT)), &[1], 100).await;
    // With its type, and with another one: nothing is carried over then.
    for kind in [TEXT, ColumnKind::Int] {
        place.server.query("UPDATE contact SET value = '7'").await;
        let mut plan = marking(valued(kind));
        plan.columns[3].source = ColumnSource::Null;
        let mut table = adapted(&destination, &plan).await;
        leave(&mut table, &plan, &[0, 2], 0).await;
        assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
        assert_eq!(values(&place).await, ["-", "-", "-"]);
        let state = table.read_state().await.unwrap().unwrap();
        let rows = "SELECT string_agg(xmin::text, ' ') FROM contact";
        let before = place.server.value(rows).await;
        assert_eq!(table.settle_columns().await.unwrap(), Vec::new());
        assert_eq!(place.server.value(rows).await, before);
        assert_eq!(table.read_state().await.unwrap().unwrap().epoch, state.epoch);
    }
}
