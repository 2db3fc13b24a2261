//! State tables that are not as any version made them.

use rusqlite::Connection;

use super::{Place, contact, created};
use crate::{Error, destination::Destination, state::SCHEMA_VERSION};

/// A migration that somebody cut in half by hand is finished, and one table that was dropped is made again.
#[tokio::test]
async fn half_a_migration_is_finished() {
    let place = Place::new();
    let destination = place.destination();
    let table = created(&destination, contact()).await;
    drop(table);
    Connection::open(place.path())
        .unwrap()
        .execute_batch(
            "ALTER TABLE _replication_state DROP COLUMN listing_covered; DROP TABLE _surplus_row; \
             UPDATE _replication_meta SET schema_version = 1",
        )
        .unwrap();
    destination.prepare().await.unwrap();
    assert_eq!(
        place.count("SELECT schema_version FROM _replication_meta"),
        i64::from(SCHEMA_VERSION)
    );
    assert_eq!(
        place.count("SELECT count(*) FROM _replication_state WHERE listing_covered IS NULL"),
        1
    );
    assert_eq!(place.count("SELECT count(*) FROM _surplus_row"), 0);
    Connection::open(place.path())
        .unwrap()
        .execute_batch("DROP TABLE _rejected_row")
        .unwrap();
    destination.prepare().await.unwrap();
    assert_eq!(place.count("SELECT count(*) FROM _rejected_row"), 0);
}

/// A migration that cannot be finished leaves version 1 as it was.
#[tokio::test]
async fn a_migration_is_whole_or_nothing() {
    let place = Place::new();
    let destination = place.destination();
    drop(created(&destination, contact()).await);
    let file = Connection::open(place.path()).unwrap();
    // A view of the name that a table is to have stands in the way of its column.
    file.execute_batch(
        "DROP TABLE _pending_delete; CREATE VIEW _pending_delete AS SELECT 1 AS object; DROP TABLE _surplus_row; \
         UPDATE _replication_meta SET schema_version = 1",
    )
    .unwrap();
    let error = destination.prepare().await.unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error:?}");
    assert!(error.message().contains("crm.db"), "{error}");
    assert_eq!(place.count("SELECT schema_version FROM _replication_meta"), 1);
    let surplus = "SELECT count(*) FROM sqlite_schema WHERE name = '_surplus_row'";
    assert_eq!(place.count(surplus), 0, "what was made before it failed is gone");
    file.execute_batch("DROP VIEW _pending_delete").unwrap();
    destination.prepare().await.unwrap();
    assert_eq!(place.count("SELECT count(*) FROM _pending_delete"), 0);
}
