//! When nothing changed: one call for each object, and not one write.
//!
//! The org counts the calls, the database counts the writes: SQLite by its data version and the bytes of its files,
//! PostgreSQL by its statistics of rows and by the position of its log, for which it needs a server of its own.

use std::{
    fmt::Debug,
    hash::{DefaultHasher, Hasher as _},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
};

use crds::SalesforceReplicatorSpec;
use e2e::{
    binary,
    database::Database,
    resource::{PASSWORD, TOKEN, USERNAME},
    stage::{Kind, Stage, empty_org},
};
use jiff::SignedDuration;
use replication::{
    Result,
    connect::{Options, Secrets, Session},
    progress::Silent,
    replicator::{Environment, TickRequest},
};
use salesforce::{AllowHttp, clock::SystemClock};
use secrecy::SecretString;
use serde_json::json;
use simulator::Config;
use tokio_util::sync::CancellationToken;

/// Objects with linked columns, marks and calculated fields among them.
const OBJECTS: [&str; 5] = [
    "{name: Contact, deletes: Mark}",
    "{name: Account}",
    "{name: Lead, deletes: Ignore}",
    "{name: Specimen__c, fields: [{source: Account__r.Name, column: account_name}]}",
    "{name: User, mapping: Mirror}",
];

/// What must not be written.
#[derive(Debug, Clone, Copy)]
enum What {
    /// Anything at all: no row was read.
    Anything,
    /// Rows of tables that last: rows were read, and compared by way of a temporary table.
    Rows,
}

#[tokio::test]
async fn postgres_is_not_written_to() {
    let server = Server::start();
    let url = server.url.clone();
    let mut stage = Stage::new(Kind::Sqlite, "unchanged", config(), &OBJECTS).await;
    stage.resource.database = Database::Postgres { url };
    // Statistics of a session are published when it ends.
    let counted = async |stage: &Stage, what: What| {
        let database = stage.database();
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        binary::until("the end of sessions", async || database.number(others).await == 0).await;
        let (list, log) = match what {
            // Catalogs too: a temporary table is rows there.
            What::Anything => ("pg_stat_all_tables", "SELECT pg_current_wal_insert_lsn() - '0/0'"),
            What::Rows => ("pg_stat_user_tables", "SELECT 0"),
        };
        let rows = format!(
            "SELECT relname::text, n_tup_ins, n_tup_upd, n_tup_del FROM {list} \
             WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY relid"
        );
        (database.query(&rows).await, database.number(log).await)
    };
    Box::pin(unwritten(&stage, counted)).await;
}

#[tokio::test]
async fn sqlite_is_not_written_to() {
    let stage = Stage::new(Kind::Sqlite, "unchanged", config(), &OBJECTS).await;
    let Database::Sqlite { file } = stage.database().clone() else {
        unreachable!()
    };
    let log = file.with_extension("db-wal");
    // As long as a connection is open nobody folds the log into the file, and its data version tells of others' writes.
    let watcher = rusqlite::Connection::open(&file).unwrap();
    let counted = async |_: &Stage, _: What| {
        let version: i64 = watcher.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap();
        (version, digest(&file), digest(&log))
    };
    Box::pin(unwritten(&stage, counted)).await;
}

/// Runs of a process over an org at rest: once when the overlap reads nothing, once when it reads changes again.
async fn unwritten<T: PartialEq + Debug>(stage: &Stage, counted: impl AsyncFn(&Stage, What) -> T) {
    let quiet = async |read: u64| {
        let what = if read == 0 { What::Anything } else { What::Rows };
        let before = counted(stage, what).await;
        stage.org.reset_calls();
        let report = stage.once().await;
        let told = |name| -> u64 {
            report["runs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|run| run[name].as_u64().unwrap())
                .sum()
        };
        assert_eq!(
            (told("rowsRead"), told("rowsWritten"), told("rowsDeleted")),
            (read, 0, 0),
            "{report:#}"
        );
        let queries = stage.org.counters();
        let objects = u64::try_from(OBJECTS.len()).unwrap();
        assert_eq!(queries.of("queryAll") + queries.of("query"), objects, "{queries:?}");
        assert_eq!((queries.of("queryMore"), queries.of("retrieve")), (0, 0), "{queries:?}");
        assert_eq!(counted(stage, what).await, before, "something was written");
    };
    stage.once().await;
    quiet(0).await;
    for row in 0..5 {
        stage
            .org
            .update(
                "Contact",
                &stage.org.id("Contact", row).unwrap(),
                &[("Phone", "+49 8151 1")],
            )
            .unwrap();
        stage
            .org
            .update(
                "Specimen__c",
                &stage.org.id("Specimen__c", row).unwrap(),
                &[("Double__c", "1.5")],
            )
            .unwrap();
    }
    for object in ["Contact", "Account", "Lead"] {
        stage.org.delete(object, &stage.org.id(object, 9).unwrap()).unwrap();
    }
    let before = counted(stage, What::Rows).await;
    let report = stage.once().await;
    assert!(counted(stage, What::Rows).await != before, "the count of writes counts");
    let read: u64 = report["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["rowsRead"].as_u64().unwrap())
        .sum();
    assert!(read >= 13, "{report:#}");
    // A process that begins reads from the mark in the state, which runs that wrote nothing did not move.
    quiet(read).await;
    stage.org.advance_clock(SignedDuration::from_mins(30));
    quiet(read).await;
}

#[tokio::test]
async fn postgres_ticks_cost_one_call_for_each_object() {
    let database = Database::postgres("ticks").await;
    let folder = tempfile::tempdir().unwrap();
    Box::pin(ticks(folder.path(), &database)).await;
}

#[tokio::test]
async fn sqlite_ticks_cost_one_call_for_each_object() {
    let folder = tempfile::tempdir().unwrap();
    Box::pin(ticks(folder.path(), &Database::sqlite(folder.path()))).await;
}

/// Ticks of a process that goes on: no login, no describe, no clock; a query for each object.
async fn ticks(folder: &Path, database: &Database) {
    let org = simulator::Simulator::start(config()).await.unwrap();
    let control = org.control();
    let spec: SalesforceReplicatorSpec = serde_json::from_value(json!({
        "connection": {
            "loginUrl": org.url().to_string(),
            "auth": {"password": {"secretRef": {"name": "org"}}},
        },
        "destination": match database {
            Database::Postgres { .. } => json!({"postgres": {"secretRef": {"name": "database"}}}),
            Database::Sqlite { file } => json!({"sqlite": {"file": file.file_name().unwrap().to_str().unwrap()}}),
        },
        "objects": [{"name": "Contact"}, {"name": "Account"}, {"name": "Lead"}, {"name": "User"}, {"name": "Specimen__c"}],
    }))
    .unwrap();
    let options = Options {
        replicator: "default/crm".into(),
        allow_http: AllowHttp::LoopbackOnly,
        adopt: None,
        sqlite_directory: folder.to_owned(),
        environment: Environment::new(Arc::new(SystemClock::new()), Arc::new(Silent)),
    };
    let mut session = Session::open(&spec, &Known(database.clone()), &options).await.unwrap();
    let mut tick = async || {
        let report = session.tick(&TickRequest::default(), &CancellationToken::new()).await;
        assert!(report.succeeded(), "{report:#?}");
        report
    };
    tick().await;
    for changed in [false, true, false] {
        if changed {
            control
                .update("Lead", &control.id("Lead", 1).unwrap(), &[("City", "Starnberg")])
                .unwrap();
        }
        control.reset_calls();
        let report = tick().await;
        let counters = control.counters();
        assert_eq!(counters.calls, [("queryAll".to_owned(), 5)].into(), "{counters:?}");
        assert_eq!((counters.counted, report.api_calls()), (5, 5));
        assert_eq!(
            report.runs.iter().map(|run| run.rows_written).sum::<u64>(),
            u64::from(changed)
        );
    }
}

/// The length of a file, and a hash of its bytes.
fn digest(file: &Path) -> (usize, u64) {
    let bytes = std::fs::read(file).unwrap();
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    (bytes.len(), hasher.finish())
}

fn config() -> Config {
    Config {
        contacts: 60,
        accounts: 20,
        leads: 20,
        specimens: 30,
        users: 4,
        ..empty_org()
    }
}

/// The secrets of the tests' resources.
#[derive(Debug)]
struct Known(Database);

impl Secrets for Known {
    fn secret(&self, _name: &str, key: &str) -> Result<Option<SecretString>> {
        let value = match key {
            "username" => Some(USERNAME.to_owned()),
            "password" => Some(PASSWORD.to_owned()),
            "securityToken" => Some(TOKEN.to_owned()),
            "url" => self.0.destination().1,
            _ => None,
        };
        Ok(value.map(SecretString::from))
    }

    fn places(&self, _name: &str, _key: &str) -> String {
        "in the test".into()
    }
}

/// A PostgreSQL server that nobody else writes to; it lives as long as its input is open.
struct Server {
    process: Child,
    input: Option<ChildStdin>,
    url: String,
}

impl Server {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/with-postgres");
        let mut process = Command::new(script)
            .args(["sh", "-c", "echo \"$SFR_TEST_POSTGRES_URL\"; exec cat"])
            .env_remove("SFR_TEST_POSTGRES_URL")
            // No work of the server's own, which would be in its log.
            .env(
                "SFR_TEST_POSTGRES_FLAGS",
                "-c autovacuum=off -c checkpoint_timeout=1d -c wal_level=minimal -c max_wal_senders=0",
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            input: process.stdin.take(),
            process,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        self.process.wait().ok();
    }
}
