//! State tables, schemas, indexes.

use replication::{
    Error,
    destination::{Destination, ObjectTable},
    plan::ColumnKind,
};
use salesforce::ErrorKind;
use tokio::task::JoinSet;

use super::fixture::{Place, batch, checkpoint, merge, now, open, plan};

#[tokio::test(flavor = "multi_thread")]
async fn indexes_that_another_session_builds_are_no_finished_ones() {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut table = place.created(&plan).await;
    let lock = format!("hashtextextended('salesforce-replicator/{}/Contact', 1)", place.schema);
    place.server.query(&format!("SELECT pg_advisory_lock({lock})")).await;
    let error = table.build_indexes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.message().contains("contact"), "{error}");
    place.server.query(&format!("SELECT pg_advisory_unlock({lock})")).await;
    table.build_indexes().await.unwrap();
    let built =
        "SELECT count(*) FROM pg_indexes WHERE indexname = 'contact_spelled_idx' AND schemaname = current_schema";
    assert_eq!(place.server.value(built).await, "1");
}

#[tokio::test]
async fn many_processes_prepare_one_schema_at_once() {
    let place = Place::new().await;
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        let destination = place.destination().await;
        processes.spawn(async move { destination.prepare().await });
    }
    while let Some(prepared) = processes.join_next().await {
        prepared.unwrap().unwrap();
    }
    let versions = place.server.query("SELECT schema_version FROM _replication_meta").await;
    assert_eq!(versions.len(), 1);
    let logged = "SELECT relpersistence FROM pg_class WHERE oid = '_surplus_row'::regclass";
    assert_eq!(place.server.value(logged).await, "p");
}

#[tokio::test]
async fn state_tables_of_somebody_else_are_refused() {
    let place = Place::new().await;
    place
        .server
        .query(&format!(
            "CREATE SCHEMA {}; CREATE TABLE _replication_state (id integer)",
            place.schema
        ))
        .await;
    let error = place.destination().await.prepare().await.unwrap_err();
    assert!(
        matches!(&error, Error::SchemaConflict { message } if message.contains("_replication_meta")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_state_table_that_is_gone_is_told() {
    let place = Place::new().await;
    let destination = place.destination().await;
    destination.prepare().await.unwrap();
    place.server.query("DROP TABLE _rejected_row").await;
    let error = destination.prepare().await.unwrap_err();
    assert!(
        matches!(&error, Error::SchemaConflict { message } if message.contains("incomplete")),
        "{error:?}"
    );
}

#[tokio::test]
async fn names_are_quoted() {
    let mut place = Place::new().await;
    place.schema = format!("{} Ünïcode \"quoted\"; --", place.schema);
    place
        .server
        .query(&format!("SET search_path = \"{}\"", place.schema.replace('"', "\"\"")))
        .await;
    let mut plan = plan(&[("select", ColumnKind::Int), ("with \"quotes\"", ColumnKind::Boolean)]);
    plan.table = replication::plan::Identifier::new("it's a \"table\"");
    let mut table = place.created(&plan).await;
    merge(&mut table, batch(&plan, &[&["a", "1", "true"]])).await.unwrap();
    table.build_indexes().await.unwrap();
    assert_eq!(
        place
            .server
            .value("SELECT \"select\" FROM \"it's a \"\"table\"\"\"")
            .await,
        "1"
    );
    place
        .server
        .query(&format!(
            "DROP SCHEMA \"{}\" CASCADE",
            place.schema.replace('"', "\"\"")
        ))
        .await;
}

#[tokio::test]
async fn an_index_that_was_left_half_built_is_built_anew() {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut table = place.created(&plan).await;
    merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap();
    table.build_indexes().await.unwrap();
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'contact_spelled_idx'::regclass";
    let oid = "SELECT 'contact_spelled_idx'::regclass::oid";
    let first = place.server.value(oid).await;
    assert_eq!(place.server.value(valid).await, "t");
    place
        .server
        .query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'contact_spelled_idx'::regclass")
        .await;
    table.build_indexes().await.unwrap();
    assert_eq!(place.server.value(valid).await, "t");
    let second = place.server.value(oid).await;
    assert_ne!(first, second);
    table.build_indexes().await.unwrap();
    assert_eq!(place.server.value(oid).await, second, "a valid index is left alone");
}

#[tokio::test]
async fn an_index_of_that_name_on_another_table_is_a_conflict() {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut table = place.created(&plan).await;
    place
        .server
        .query("CREATE TABLE other (a integer); CREATE INDEX contact_spelled_idx ON other (a)")
        .await;
    let error = table.build_indexes().await.unwrap_err();
    assert!(
        matches!(&error, Error::SchemaConflict { message } if message.contains("belongs to table other")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_view_in_the_place_of_a_table_is_refused() {
    let place = Place::new().await;
    let destination = place.destination().await;
    destination.prepare().await.unwrap();
    place
        .server
        .query("CREATE VIEW contact AS SELECT 1 AS salesforce_id")
        .await;
    let mut table = open(&destination, &plan(&[])).await;
    let error = table.read_state().await.unwrap_err();
    assert!(
        matches!(&error, Error::SchemaConflict { message } if message.contains("contact")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_retired_table_of_ours_is_taken_back_with_its_rows() {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut table = place.created(&plan).await;
    merge(&mut table, batch(&plan, &[&["a"], &["b"]])).await.unwrap();
    drop(table);
    place
        .server
        .query(
            "INSERT INTO _retired_table SELECT table_name, object, replicator, organization_id, updated_at \
             FROM _replication_state; DELETE FROM _replication_state",
        )
        .await;
    let destination = place.destination().await;
    let mut table = open(&destination, &plan).await;
    assert_eq!(table.read_state().await.unwrap(), None);
    let contents = table.create(&checkpoint(), now()).await.unwrap();
    assert_eq!(contents, replication::destination::Contents::Rows);
    assert_eq!(place.server.value("SELECT rows FROM _replication_state").await, "2");
    assert_eq!(place.server.value("SELECT count(*) FROM _retired_table").await, "0");

    place
        .server
        .query("UPDATE _replication_state SET replicator = 'other/one'")
        .await;
    let error = table.read_state().await.unwrap_err();
    let Error::SchemaConflict { message } = &error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("other/one") && message.contains("telephony/crm"),
        "{message}"
    );
}

#[tokio::test]
async fn a_read_of_the_schema_needs_no_right_to_write() {
    let place = Place::new().await;
    let destination = place.destination().await;
    let mut table = open(&destination, &plan(&[])).await;
    assert_eq!(table.read_state().await.unwrap(), None, "nothing was ever prepared");
    let schemas = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", place.schema);
    assert_eq!(place.server.value(&schemas).await, "0");
}

/// Deletes of rows that somebody took away would be held for good: they are more than the table has.
#[tokio::test]
async fn deletes_of_a_table_that_was_emptied_are_forgotten() {
    let plan = plan(&[("value", ColumnKind::Int)]);
    for emptying in ["TRUNCATE contact", "DROP TABLE contact"] {
        let place = Place::new().await;
        let mut table = place.created(&plan).await;
        merge(&mut table, batch(&plan, &[&["a", "1"], &["b", "2"], &["c", "many"]]))
            .await
            .unwrap();
        let noting = "INSERT INTO _pending_delete SELECT 'Contact', salesforce_id, system_modstamp, now() FROM contact; \
                      INSERT INTO _surplus_row SELECT 'Contact', salesforce_id FROM contact";
        place.server.query(&format!("{noting}; {emptying}")).await;
        let mut table = open(&place.destination().await, &plan).await;
        let state = table.read_state().await.unwrap().unwrap();
        assert_eq!((state.pending, state.rejected), (2, 1));
        table.create(&state.checkpoint, now()).await.unwrap();
        let state = table.read_state().await.unwrap().unwrap();
        let rejected = u64::from(emptying.starts_with("TRUNCATE"));
        assert_eq!(
            (state.rows, state.pending, state.rejected),
            (0, 0, rejected),
            "{emptying}"
        );
        assert_eq!(table.surplus(None, 10).await.unwrap(), Vec::<String>::new());
    }
}
