//! The suite for SQLite.

use std::sync::Mutex;

use replication::{destination::sqlite::Sqlite, plan::ColumnKind};
use rusqlite::{Connection, types::Value};

use super::{Harness, contract_suite};

/// A file in a folder of its own.
struct SqliteFile {
    // Closed before its folder goes.
    watcher: Mutex<Option<Connection>>,
    folder: tempfile::TempDir,
}

impl SqliteFile {
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("crm.db")
    }

    fn connect(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        connection
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text),
        Value::Blob(_) => panic!("nothing is stored as a blob"),
    }
}

impl Harness for SqliteFile {
    type Destination = Sqlite;

    const SEGMENT_LOCKS_DATABASE: bool = true;

    const VIEWS_HOLD_COLUMNS: bool = false;

    const VERSION_1: &'static [&'static str] = &[
        "CREATE TABLE _replication_meta (one INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (one = 1), \
         schema_version INTEGER NOT NULL)",
        "CREATE TABLE _replication_state (object TEXT NOT NULL PRIMARY KEY, replicator TEXT NOT NULL, \
         organization_id TEXT NOT NULL, table_name TEXT NOT NULL, plan_hash TEXT NOT NULL, phase TEXT NOT NULL, \
         query_start TEXT, watermark TEXT, last_id TEXT, job_id TEXT, job_api_version TEXT, locator TEXT, \
         rows INTEGER NOT NULL DEFAULT 0, deletes_window TEXT, verified_until TEXT, reconciled_at TEXT, \
         refreshed_at TEXT, checked_at TEXT, epoch INTEGER NOT NULL, updated_at TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE _pending_delete (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, stamp TEXT NOT NULL, \
         found_at TEXT NOT NULL, PRIMARY KEY (object, salesforce_id)) WITHOUT ROWID",
        "CREATE TABLE _listed_row (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, system_modstamp TEXT, \
         PRIMARY KEY (object, salesforce_id)) WITHOUT ROWID",
        "CREATE TABLE _rejected_row (object TEXT NOT NULL, salesforce_id TEXT NOT NULL, column_name TEXT NOT NULL, \
         reason TEXT NOT NULL, since TEXT NOT NULL, PRIMARY KEY (object, salesforce_id, column_name)) WITHOUT ROWID",
        "CREATE TABLE _retired_table (table_name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, object TEXT NOT NULL, \
         replicator TEXT NOT NULL, organization_id TEXT NOT NULL, retired_at TEXT NOT NULL) WITHOUT ROWID",
        "CREATE VIEW _freshness AS SELECT table_name AS \"table\", watermark, verified_until, checked_at \
         FROM _replication_state",
    ];

    async fn start() -> Self {
        Self {
            watcher: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn destination(&self) -> Sqlite {
        Sqlite::open(self.path()).unwrap()
    }

    async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let connection = self.connect();
        let mut statement = connection.prepare(sql).unwrap();
        let width = statement.column_count();
        let rows = statement
            .query_map([], |row| (0..width).map(|column| row.get(column).map(text)).collect())
            .unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// A number that SQLite changes for a connection whenever another one has committed a change. So the connection
    /// that asks is kept.
    async fn fingerprint(&self) -> String {
        let mut watcher = self.watcher.lock().unwrap();
        let connection = watcher.get_or_insert_with(|| self.connect());
        // Reading makes the connection look at the file, also where it only just was opened.
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
            .unwrap();
        connection
            .query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0))
            .unwrap()
            .to_string()
    }

    fn text_of(column: &str, kind: ColumnKind) -> String {
        match kind {
            ColumnKind::Boolean => format!("CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"),
            ColumnKind::Decimal { .. } => {
                format!("CASE typeof({column}) WHEN 'real' THEN printf('%.15g', {column}) ELSE {column} END")
            }
            ColumnKind::Id
            | ColumnKind::Text { .. }
            | ColumnKind::Int
            | ColumnKind::Long
            | ColumnKind::Date
            | ColumnKind::Time
            | ColumnKind::Timestamp => column.to_owned(),
        }
    }

    async fn relations(&self) -> Vec<String> {
        let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name";
        let rows = self.query(sql).await;
        rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
    }

    async fn indexes(&self, table: &str) -> Vec<String> {
        let sql = format!(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = '{table}' AND sql IS NOT NULL ORDER BY name"
        );
        self.query(&sql)
            .await
            .into_iter()
            .map(|row| row[0].clone().unwrap())
            .collect()
    }
}

contract_suite!(SqliteFile);
