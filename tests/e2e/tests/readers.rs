//! Readers see all rows at any moment, and what somebody else made on a table stays and works.
//!
//! A reader looks again and again, on a connection of its own and with the rights of somebody who may only read: at a view
//! on the table, and at the table. The run waits at each of its events until the reader has looked once more, so that there
//! is a look behind each page and each commit. The table's rows were spoilt before, so that every one of them is written.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use e2e::{
    database::Database,
    stage::{Kind, empty_org},
};
use replication::{
    progress::{
        Event,
        RunKind::{self, Reconcile, Refresh},
    },
    replicator::TickRequest,
};
use serde_json::json;
use simulator::{
    Config,
    schema::{Field, FieldType},
};
use sqlx::{Connection as _, Row as _};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::scenarios::{
    for_both,
    play::{HOUR, Play, contacts, good, good_kind, kinds},
};

for_both!(
    readers_during_a_refresh,
    readers_during_a_reconcile,
    readers_during_a_new_column,
    readers_during_an_exchange_of_a_column,
);

/// What a reader has seen: for the view and for the table, the number of rows and what stands in a column that does not
/// change.
type Look = [(usize, String); 2];

/// A reader that looks until it is told to stop.
struct Reader {
    looks: watch::Receiver<u64>,
    /// Stops it also where a test fails: a thread that goes on would be waited for.
    stop: DropGuard,
    task: JoinSet<BTreeSet<Look>>,
}

impl Reader {
    /// Begins to look at a column of a table.
    async fn start(play: &Play, table: &'static str, column: &'static str) -> Self {
        let (send, mut looks) = watch::channel(0);
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        let (until, statements) = (stop.clone(), statements(play.database(), table, column));
        match play.database().clone() {
            Database::Postgres { url } => drop(task.spawn(look_postgres(url, statements, send, until))),
            Database::Sqlite { file } => {
                drop(task.spawn_blocking(move || look_sqlite(&file, &statements, &send, &until)));
            }
        }
        looks.wait_for(|looks| *looks > 0).await.unwrap();
        Self {
            looks,
            stop: stop.drop_guard(),
            task,
        }
    }

    /// Makes the runs of a session wait at each event for one more look.
    fn pace(&self, play: &Play, kind: RunKind) -> watch::Receiver<u64> {
        let (count, counted) = watch::channel(0);
        let looks = self.looks.clone();
        play.recorder.at_each(move |_, run, event| {
            if run != kind || !matches!(event, Event::Read(_) | Event::Committed(_)) {
                return;
            }
            let mut looks = looks.clone();
            let now = *looks.borrow();
            tokio::task::block_in_place(|| {
                // One look may have begun before the event; the one after it has not.
                let more = looks.wait_for(|looks| *looks >= now + 2);
                tokio::runtime::Handle::current().block_on(more).map(drop).unwrap();
            });
            count.send_modify(|count| *count += 1);
        });
        counted
    }

    /// Ends it; all that it saw, each thing once.
    async fn end(mut self) -> BTreeSet<Look> {
        drop(self.stop);
        self.task.join_next().await.unwrap().unwrap()
    }
}

/// The role that may only read.
fn role(url: &str) -> String {
    let database = url.rsplit('/').next().unwrap_or_default();
    format!("reader_of_{database}")
}

fn statements(database: &Database, table: &str, column: &str) -> [String; 2] {
    let view = match database {
        Database::Postgres { .. } => format!("reports.{table}_names"),
        Database::Sqlite { .. } => format!("{table}_names"),
    };
    let names = format!("SELECT salesforce_id, {column} FROM {view} ORDER BY salesforce_id");
    let rows = format!(
        "SELECT salesforce_id, {column} FROM {} ORDER BY salesforce_id",
        database.table(table)
    );
    [names, rows]
}

fn look(rows: &[(String, Option<String>)]) -> (usize, String) {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    rows.hash(&mut hasher);
    (rows.len(), format!("{:x}", hasher.finish()))
}

async fn look_postgres(
    url: String,
    statements: [String; 2],
    looks: watch::Sender<u64>,
    stop: CancellationToken,
) -> BTreeSet<Look> {
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let set = format!("SET ROLE {}", role(&url));
    sqlx::raw_sql(sqlx::AssertSqlSafe(set))
        .execute(&mut connection)
        .await
        .unwrap();
    let mut seen = BTreeSet::new();
    while !stop.is_cancelled() {
        let mut found = Vec::new();
        for statement in &statements {
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
                .fetch_all(&mut connection)
                .await
                .unwrap();
            let rows: Vec<_> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            found.push(look(&rows));
        }
        seen.insert(found.try_into().unwrap());
        looks.send_modify(|looks| *looks += 1);
    }
    seen
}

fn look_sqlite(
    file: &Path,
    statements: &[String; 2],
    looks: &watch::Sender<u64>,
    stop: &CancellationToken,
) -> BTreeSet<Look> {
    let connection = rusqlite::Connection::open(file).unwrap();
    let mut seen = BTreeSet::new();
    while !stop.is_cancelled() {
        let look = |statement: &String| {
            let mut prepared = connection.prepare(statement).unwrap();
            let rows = prepared.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            look(&rows.collect::<rusqlite::Result<Vec<_>>>().unwrap())
        };
        seen.insert([look(&statements[0]), look(&statements[1])]);
        looks.send_modify(|looks| *looks += 1);
    }
    seen
}

/// Makes what somebody else may have on a table: a view, rights, and a trigger that notes each change of a row.
async fn somebody_elses(play: &Play, table: &str, column: &str) {
    let statements = match play.database() {
        Database::Postgres { url } => {
            let role = role(url);
            format!(
                "CREATE SCHEMA reports;
                 CREATE VIEW reports.{table}_names AS SELECT salesforce_id, {column} FROM salesforce.{table};
                 CREATE TABLE reports.noted (operation text, salesforce_id text);
                 CREATE FUNCTION reports.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     INSERT INTO reports.noted VALUES (TG_OP, coalesce(NEW.salesforce_id, OLD.salesforce_id)); RETURN NULL; END $$;
                 CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON salesforce.{table}
                     FOR EACH ROW EXECUTE FUNCTION reports.note();
                 CREATE ROLE {role};
                 GRANT USAGE ON SCHEMA salesforce, reports TO {role};
                 GRANT SELECT ON reports.{table}_names TO {role};
                 GRANT SELECT (salesforce_id, {column}) ON salesforce.{table} TO {role}"
            )
        }
        Database::Sqlite { .. } => format!(
            "CREATE VIEW {table}_names AS SELECT salesforce_id, {column} FROM {table};
             CREATE TABLE noted (operation TEXT, salesforce_id TEXT);
             CREATE TRIGGER note_insert AFTER INSERT ON {table} BEGIN INSERT INTO noted VALUES ('INSERT', NEW.salesforce_id); END;
             CREATE TRIGGER note_update AFTER UPDATE ON {table} BEGIN INSERT INTO noted VALUES ('UPDATE', NEW.salesforce_id); END;
             CREATE TRIGGER note_delete AFTER DELETE ON {table} BEGIN INSERT INTO noted VALUES ('DELETE', OLD.salesforce_id); END"
        ),
    };
    play.database().execute(&statements).await;
}

fn noted_table(play: &Play) -> &'static str {
    match play.stage.kind() {
        Kind::Postgres => "reports.noted",
        Kind::Sqlite => "noted",
    }
}

/// What the trigger has noted: rows by operation.
async fn noted(play: &Play) -> Vec<(String, i64)> {
    let statement = format!(
        "SELECT operation, count(DISTINCT salesforce_id) FROM {} GROUP BY operation ORDER BY operation",
        noted_table(play)
    );
    let rows = play.database().query(&statement).await;
    rows.into_iter()
        .map(|row| (row[0].clone().unwrap(), row[1].as_deref().unwrap().parse().unwrap()))
        .collect()
}

/// Who the table is to the database: another one in its place would be another.
async fn identity(play: &Play, table: &str) -> Option<String> {
    let statement = match play.stage.kind() {
        Kind::Postgres => format!(
            "SELECT c.oid::text || ' ' || pg_relation_filenode(c.oid)::text FROM pg_class c WHERE c.oid = 'salesforce.{table}'::regclass"
        ),
        Kind::Sqlite => format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}' AND type = 'table'"),
    };
    play.database().query(&statement).await.remove(0).remove(0)
}

/// Spoils every row, and forgets what the trigger noted of it.
async fn spoil(play: &Play, table: &str, assignment: &str) {
    let statement = format!(
        "UPDATE {} SET {assignment}; DELETE FROM {}",
        play.database().table(table),
        noted_table(play)
    );
    play.database().execute(&statement).await;
}

/// Runs and looks; every look has all rows.
async fn watched<R>(
    play: &Play,
    (table, column): (&'static str, &'static str),
    kind: RunKind,
    run: impl AsyncFnOnce() -> R,
) -> R {
    let identity_before = identity(play, table).await;
    let rows = usize::try_from(play.rows(table).await).unwrap();
    let reader = Reader::start(play, table, column).await;
    let paced = reader.pace(play, kind);
    let done = run().await;
    assert!(*paced.borrow() > 3, "only {} looks within the run", *paced.borrow());
    play.recorder.ignore();
    let seen = reader.end().await;
    assert_eq!(seen.len(), 1, "readers saw {seen:?}");
    let [names, whole] = seen.into_iter().next().unwrap();
    assert_eq!((names.0, &names), (rows, &whole));
    assert_eq!(identity(play, table).await, identity_before, "it is another table");
    // All of it is there and works, for who comes now too.
    let reader = Reader::start(play, table, column).await;
    let after = reader.end().await;
    assert_eq!(after.into_iter().next().unwrap(), [names, whole]);
    done
}

async fn play(kind: Kind, name: &str) -> Play {
    let mut play = Play::new(kind, name, contacts(900), json!([{"name": "Contact"}])).await;
    play.segment_rows = Some(150);
    play
}

async fn readers_during_a_refresh(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    somebody_elses(&play, "contact", "surname").await;
    spoil(&play, "contact", "department = 'spoilt', email = NULL").await;
    play.advance(HOUR);
    let runs = watched(&play, ("contact", "surname"), Refresh, async || {
        good_kind(&mut session, Refresh).await
    })
    .await;
    assert_eq!((runs[0].kind, runs[0].rows_written), (Refresh, 900));
    assert_eq!(noted(&play).await, [("UPDATE".to_owned(), 900)], "rows change in place");
    play.assert_equal(&session).await;
}

async fn readers_during_a_reconcile(kind: Kind, name: &str) {
    let play = play(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    somebody_elses(&play, "contact", "surname").await;
    spoil(
        &play,
        "contact",
        "department = 'spoilt', system_modstamp = '2001-01-01T00:00:00.000Z'",
    )
    .await;
    play.advance(HOUR);
    let runs = watched(&play, ("contact", "surname"), Reconcile, async || {
        good_kind(&mut session, Reconcile).await
    })
    .await;
    assert_eq!((runs[0].kind, runs[0].rows_written), (Reconcile, 900));
    assert_eq!(noted(&play).await, [("UPDATE".to_owned(), 900)], "rows change in place");
    play.assert_equal(&session).await;
}

async fn readers_during_a_new_column(kind: Kind, name: &str) {
    let mut play = play(kind, name).await;
    let mut session = play.session().await;
    good(&mut session).await;
    somebody_elses(&play, "contact", "surname").await;
    play.advance(HOUR);
    play.objects = json!([{"name": "Contact", "fields": [{"source": "LeadSource", "column": "lead_source"}]}]);
    let cancel = CancellationToken::new();
    let report = watched(&play, ("contact", "surname"), Refresh, async || {
        session = play.session().await;
        session.tick(&TickRequest::default(), &cancel).await
    })
    .await;
    assert!(report.succeeded(), "{report:#?}");
    assert!(kinds(&report.runs).contains(&Refresh));
    assert!(noted(&play).await.iter().all(|(operation, _)| operation == "UPDATE"));
    play.assert_equal(&session).await;
}

async fn readers_during_an_exchange_of_a_column(kind: Kind, name: &str) {
    let config = Config {
        specimens: 900,
        ..empty_org()
    };
    let fields = json!([{"source": "Name", "column": "name"}, {"source": "Level__c", "column": "level"}]);
    let objects = json!([{"name": "Specimen__c", "table": "specimen", "mapping": "None", "fields": fields}]);
    let mut play = Play::new(kind, name, config, objects).await;
    play.segment_rows = Some(150);
    let org = play.org().clone();
    org.add_field("Specimen__c", Field::new("Level__c", FieldType::Double).number(8, 0))
        .unwrap();
    for (n, id) in play.ids("Specimen__c").iter().enumerate() {
        play.update("Specimen__c", id, &[("Level__c", &n.to_string())]);
    }
    let mut session = play.session().await;
    good(&mut session).await;
    somebody_elses(&play, "specimen", "name").await;
    play.advance(HOUR);
    org.convert_field("Specimen__c", "Level__c", FieldType::String).unwrap();
    let spec = Arc::new(play.spec());
    let cancel = CancellationToken::new();
    let report = watched(&play, ("specimen", "name"), Refresh, async || {
        session.replan(&spec).await.unwrap();
        session.tick(&TickRequest::default(), &cancel).await
    })
    .await;
    assert!(report.succeeded(), "{report:#?}");
    assert!(kinds(&report.runs).contains(&Refresh));
    let last = report.runs.last().unwrap();
    assert_eq!((last.degraded.len(), last.changing), (0, None), "{last:#?}");
    assert!(noted(&play).await.iter().all(|(operation, _)| operation == "UPDATE"));
    play.assert_equal(&session).await;
}
