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
    "{name: Account, where: \"Name != null\"}",
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
        if read == 0 {
            // One for each object, those with a condition too, and one for each parent of Contact and Specimen__c.
            let of = |object| queries.of_object("queryAll", object) + queries.of_object("query", object);
            let calls = ["Contact", "Account", "Lead", "Specimen__c", "User"].map(of);
            assert_eq!(calls, [1, 3, 1, 1, 1], "{queries:?}");
        }
        assert_eq!((queries.of("queryMore"), queries.of("retrieve")), (0, 0), "{queries:?}");
        assert_eq!(
            (queries.of("getUpdated"), queries.of("getDeleted")),
            (0, 0),
            "{queries:?}"
        );
        assert_eq!(counted(stage, what).await, before, "something was written");
    };
    stage.once().await;
    if stage.kind() == Kind::Postgres {
        // Whoever reads a page of a catalog clears away what the temporary tables of the first load have left there, and that is
        // in the log too.
        stage.database().execute("VACUUM").await;
    }
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
    for (changed, calls) in [(false, 6), (true, 7), (false, 7)] {
        if changed {
            control
                .update("Lead", &control.id("Lead", 1).unwrap(), &[("City", "Starnberg")])
                .unwrap();
        }
        control.reset_calls();
        let report = tick().await;
        let counters = control.counters();
        // One for each object and one for the accounts of contacts. A lead that the overlap shows is read by its Id, since
        // converted ones leave the directory.
        assert_eq!(counters.calls, [("queryAll".to_owned(), calls)].into(), "{counters:?}");
        assert_eq!((counters.counted, report.api_calls()), (calls, calls));
        assert_eq!(
            report.runs.iter().map(|run| run.rows_written).sum::<u64>(),
            u64::from(changed)
        );
    }
}

#[tokio::test]
async fn postgres_long_runs_that_find_nothing_write_their_state_alone() {
    Box::pin(quiet_long_runs(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_long_runs_that_find_nothing_write_their_state_alone() {
    Box::pin(quiet_long_runs(Kind::Sqlite)).await;
}

/// Verify, Reconcile and Refresh over an org at rest.
async fn quiet_long_runs(kind: Kind) {
    let objects = ["{name: Contact, deletes: Mark}", "{name: Lead}", "{name: Specimen__c}"];
    let stage = Stage::new(kind, "quiet_long", config(), &objects).await;
    stage.once().await;
    let tables = tables(&stage).await;
    assert!(tables.len() > objects.len() + 4, "{tables:?}");
    note_writes(&stage, &tables).await;
    for (word, name, column) in [
        ("verify", "Verify", "verified_until"),
        ("reconcile", "Reconcile", "reconciled_at"),
        ("refresh", "Refresh", "refreshed_at"),
    ] {
        stage.org.advance_clock(SignedDuration::from_mins(30));
        let states = stage.database().table("_replication_state");
        let moved = format!("SELECT object, {column} FROM {states} ORDER BY object");
        let before = stage.database().query(&moved).await;
        stage.database().execute("DELETE FROM noted").await;
        let report = stage
            .command(&["run", "--once", "-o", "json", "--kind", word])
            .await
            .exits(0)
            .json();
        for run in report["runs"].as_array().unwrap() {
            assert_eq!(
                (&run["rowsWritten"], &run["rowsDeleted"]),
                (&0.into(), &0.into()),
                "{report:#}"
            );
        }
        assert_eq!(
            report["runs"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|run| run["kind"] == name)
                .count(),
            3
        );
        let noted = "SELECT place, operation, count(*) FROM noted GROUP BY place, operation ORDER BY 1, 2";
        let written = stage.database().query(noted).await;
        let told: Vec<&str> = written.iter().flatten().flatten().map(String::as_str).collect();
        let &["_replication_state", "UPDATE", times] = told.as_slice() else {
            panic!("{word} wrote {told:?}");
        };
        if word == "verify" {
            assert_eq!(times, "3", "one touch for each object");
        }
        let after = stage.database().query(&moved).await;
        assert!(
            before.iter().zip(&after).all(|(before, after)| before != after),
            "{before:?}, {after:?}"
        );
    }
}

#[tokio::test]
async fn postgres_deletes_that_are_held_are_not_written_again() {
    Box::pin(held(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_deletes_that_are_held_are_not_written_again() {
    Box::pin(held(Kind::Sqlite)).await;
}

/// The same deletes, again and again.
async fn held(kind: Kind) {
    let stage = Stage::new(kind, "held_quiet", config(), &["{name: Contact}"]).await;
    stage.once().await;
    for row in 0..40 {
        stage
            .org
            .delete("Contact", &stage.org.id("Contact", row).unwrap())
            .unwrap();
    }
    let run = async || {
        let outcome = stage
            .command(&["run", "--once", "-o", "json", "--kind", "incremental"])
            .await;
        outcome.exits(8).json()["runs"][0]["held"].clone()
    };
    let first = run().await;
    assert_eq!(first["count"], 40);
    let tables = tables(&stage).await;
    note_writes(&stage, &tables).await;
    for minutes in [0, 5, 30] {
        // Within the overlap they are read again.
        stage.org.advance_clock(SignedDuration::from_mins(minutes));
        assert_eq!(run().await, first);
        let noted = stage.database().query("SELECT place, operation FROM noted").await;
        assert!(noted.is_empty(), "after {minutes} minutes: {noted:?}");
    }
}

/// Names of all tables that replication has made.
async fn tables(stage: &Stage) -> Vec<String> {
    let statement = match stage.kind() {
        Kind::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'salesforce' ORDER BY 1",
        Kind::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1",
    };
    let rows = stage.database().query(statement).await;
    rows.into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}

/// Has each write of each row noted from here on.
async fn note_writes(stage: &Stage, tables: &[String]) {
    let mut statement = "CREATE TABLE noted (place TEXT, operation TEXT);".to_owned();
    if stage.kind() == Kind::Postgres {
        statement += "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
                      $$BEGIN INSERT INTO public.noted VALUES (TG_TABLE_NAME, TG_OP); RETURN NULL; END$$;";
    }
    for table in tables {
        let place = stage.database().table(table);
        match stage.kind() {
            Kind::Postgres => statement.extend([
                "CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ",
                &place,
                " FOR EACH ROW EXECUTE FUNCTION public.note();",
            ]),
            Kind::Sqlite => {
                for operation in ["INSERT", "UPDATE", "DELETE"] {
                    let trigger = format!(
                        "CREATE TRIGGER \"note_{table}_{operation}\" AFTER {operation} ON {place} \
                         BEGIN INSERT INTO noted VALUES ('{table}', '{operation}'); END;"
                    );
                    statement.push_str(&trigger);
                }
            }
        }
    }
    stage.database().execute(&statement).await;
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
