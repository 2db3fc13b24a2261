//! State tables of version 1, as the program made them that knew no other, become those of version 2.

use replication::{
    Error,
    destination::{Destination, ObjectTable},
    state::Phase,
};
use tokio::task::JoinSet;

use super::fixture::{Place, batch, merge, open, plan};

/// Every statement of version 1, word by word, and a row in each of its tables.
const VERSION_1: &str = r#"
CREATE TABLE _replication_meta (one boolean PRIMARY KEY DEFAULT true CHECK (one), schema_version integer NOT NULL);
CREATE TABLE _replication_state (object text COLLATE "C" PRIMARY KEY, replicator text NOT NULL, organization_id text NOT NULL,
 table_name text NOT NULL, plan_hash text NOT NULL, phase text NOT NULL, query_start timestamptz, watermark timestamptz,
 last_id text, job_id text, job_api_version text, locator text, rows bigint NOT NULL DEFAULT 0, deletes_window jsonb,
 verified_until timestamptz, reconciled_at timestamptz, refreshed_at timestamptz, checked_at timestamptz,
 epoch bigint NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE _pending_delete (object text COLLATE "C" NOT NULL, salesforce_id text COLLATE "C" NOT NULL,
 stamp timestamptz NOT NULL, found_at timestamptz NOT NULL, PRIMARY KEY (object, salesforce_id));
CREATE UNLOGGED TABLE _listed_row (object text COLLATE "C" NOT NULL, salesforce_id text COLLATE "C" NOT NULL,
 system_modstamp timestamptz, PRIMARY KEY (object, salesforce_id));
CREATE TABLE _rejected_row (object text COLLATE "C" NOT NULL, salesforce_id text COLLATE "C" NOT NULL,
 column_name text COLLATE "C" NOT NULL, reason text NOT NULL, since timestamptz NOT NULL,
 PRIMARY KEY (object, salesforce_id, column_name));
CREATE TABLE _retired_table (table_name text COLLATE "C" PRIMARY KEY, object text NOT NULL, replicator text NOT NULL,
 organization_id text NOT NULL, retired_at timestamptz NOT NULL);
CREATE VIEW _freshness AS SELECT table_name AS "table", watermark, verified_until, checked_at FROM _replication_state;
INSERT INTO _replication_meta (schema_version) VALUES (1);
CREATE TABLE contact (salesforce_id text COLLATE "C" PRIMARY KEY, system_modstamp timestamp with time zone NOT NULL,
 spelled text);
INSERT INTO contact VALUES ('003000000000000AAA', '2024-05-01T10:00:00Z', 'a'), ('003000000000001AAA', '2024-05-01T10:00:00Z', 'b');
INSERT INTO _replication_state (object, replicator, organization_id, table_name, plan_hash, phase, query_start, watermark,
 rows, epoch, checked_at, updated_at) VALUES ('Contact', 'telephony/crm', '00D000000000001AAA', 'contact', 'hash', 'Live',
 '2026-11-24T10:00:00Z', '2026-11-24T10:00:00Z', 2, 7, '2026-11-24T11:00:00Z', '2026-11-24T11:00:00Z');
INSERT INTO _pending_delete VALUES ('Contact', '003000000000001AAA', '2024-05-01T11:00:00Z', '2026-11-24T11:00:00Z');
INSERT INTO _listed_row VALUES ('Contact', '003000000000001AAA', NULL);
INSERT INTO _retired_table VALUES ('former', 'Lead', 'telephony/crm', '00D000000000001AAA', '2026-11-23T00:00:00Z');
"#;

async fn of_version_1() -> Place {
    let place = Place::new().await;
    place
        .server
        .query(&format!("CREATE SCHEMA \"{}\"; {VERSION_1}", place.schema))
        .await;
    place
}

/// Columns of the state tables, their types, defaults and keys.
async fn shape(place: &Place) -> Vec<Vec<Option<String>>> {
    let columns = "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default \
                   FROM information_schema.columns WHERE table_schema = current_schema() AND table_name LIKE '\\_%' \
                   UNION ALL SELECT t.relname, pg_get_indexdef(i.indexrelid), t.relpersistence::text, NULL, NULL, NULL \
                   FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
                   WHERE t.relnamespace = current_schema()::regnamespace AND t.relname LIKE '\\_%' ORDER BY 1, 2";
    let rows = place.server.query(columns).await;
    rows.into_iter()
        .map(|row| {
            row.into_iter()
                .map(|text| text.map(|text| text.replace(&place.schema, "")))
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn version_1_becomes_version_2_and_keeps_its_rows() {
    let place = of_version_1().await;
    let destination = place.destination().await;
    destination.prepare().await.unwrap();

    let fresh = Place::new().await;
    fresh.destination().await.prepare().await.unwrap();
    assert_eq!(shape(&place).await, shape(&fresh).await);
    assert_eq!(
        place.server.value("SELECT schema_version FROM _replication_meta").await,
        "2"
    );
    assert_eq!(
        place.server.value("SELECT to_regclass('_listed_row') IS NULL").await,
        "t"
    );
    assert_eq!(
        place
            .server
            .value("SELECT watermark = '2026-11-24T10:00:00Z' FROM _freshness")
            .await,
        "t"
    );
    assert_eq!(
        place.server.value("SELECT table_name FROM _retired_table").await,
        "former"
    );

    let plan = plan(&[]);
    let mut table = open(&destination, &plan).await;
    let state = table.read_state().await.unwrap().unwrap();
    assert_eq!((state.rows, state.epoch.0, state.checkpoint.phase), (2, 7, Phase::Live));
    assert_eq!((state.pending, state.confirmed, state.rejected), (1, 0, 0));
    assert_eq!(state.checkpoint.watermark, "2026-11-24T10:00:00Z".parse().ok());
    assert_eq!(state.checkpoint.listing, None);
    // The delete that version 1 noted is applied, and the object goes on.
    let counts = merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap();
    assert_eq!((counts.inserted, counts.updated, counts.deleted), (0, 0, 1));
}

#[tokio::test]
async fn many_processes_migrate_one_schema_at_once() {
    let place = of_version_1().await;
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        let destination = place.destination().await;
        processes.spawn(async move { destination.prepare().await });
    }
    while let Some(prepared) = processes.join_next().await {
        prepared.unwrap().unwrap();
    }
    let pending = "SELECT count(*) FROM _pending_delete WHERE NOT confirmed";
    assert_eq!(place.server.value(pending).await, "1");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_version_1_whole() {
    let place = of_version_1().await;
    // Somebody's table has the name of one that the migration makes.
    place.server.query("CREATE VIEW _surplus_row AS SELECT 1 AS one").await;
    place.destination().await.prepare().await.unwrap_err();
    let version = "SELECT schema_version FROM _replication_meta";
    assert_eq!(place.server.value(version).await, "1");
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() \
                   AND column_name IN ('confirmed', 'listing_kind')";
    assert_eq!(place.server.value(columns).await, "0");
    place.server.query("DROP VIEW _surplus_row").await;
    place.destination().await.prepare().await.unwrap();
    assert_eq!(place.server.value(version).await, "2");
}

#[tokio::test]
async fn a_version_1_that_lacks_a_table_is_refused() {
    let place = of_version_1().await;
    place.server.query("DROP TABLE _rejected_row").await;
    let error = place.destination().await.prepare().await.unwrap_err();
    assert!(
        matches!(&error, Error::SchemaConflict { message } if message.contains("incomplete (version 1)")),
        "{error:?}"
    );
}
