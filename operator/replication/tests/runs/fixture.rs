//! An org, a SQLite file, and a session between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use crds::SalesforceReplicatorSpec;
use jiff::Timestamp;
use replication::{
    Error, Result,
    budget::ByteBudget,
    connect::{Options, Secrets, Session},
    plan::{ColumnKind, ColumnSource, ObjectName, ObjectPlan},
    progress::{Event, Observer, RunKind, RunReport},
    replicator::{Environment, TickReport, TickRequest, Tuning},
    retry::Randomness,
    value,
};
use salesforce::{
    AllowHttp,
    clock::{Clock, Sleep, SystemClock},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulator::{Config, Control, Rule, Simulator};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Rows of a page: as few as Salesforce serves, so that a few hundred records are several pages.
pub(crate) const PAGE_ROWS: u16 = 200;

/// The longest pause between two tries of a test.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// The machine's clock, which can be moved. Pauses between tries are over at once; longer waits, which are limits, end
/// when the clock is moved.
#[derive(Debug)]
pub(crate) struct TestClock {
    machine: SystemClock,
    ahead: watch::Sender<Duration>,
    slept: Mutex<Vec<Duration>>,
    /// Longer waits that have begun.
    long: watch::Sender<u64>,
}

impl TestClock {
    /// How many long waits have begun, as they begin: each ends only when the clock is moved.
    pub(crate) fn long_sleeps(&self) -> watch::Receiver<u64> {
        self.long.subscribe()
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }

    /// The pauses so far.
    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.machine.now() + *self.ahead.borrow()
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic() + *self.ahead.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if duration > LONGEST_PAUSE {
            let mut ahead = self.ahead.subscribe();
            let until = *self.ahead.borrow() + duration;
            self.long.send_modify(|sleeps| *sleeps += 1);
            return Box::pin(async move {
                if ahead.wait_for(|ahead| *ahead >= until).await.is_err() {
                    std::future::pending::<()>().await;
                }
            });
        }
        self.slept.lock().unwrap().push(duration);
        Box::pin(tokio::task::yield_now())
    }
}

/// The longest pause, always.
#[derive(Debug)]
struct Longest;

impl Randomness for Longest {
    fn below(&self, bound: u64) -> u64 {
        bound.saturating_sub(1)
    }
}

/// Remembers events, and lets a test wait for one, or do something at it.
pub(crate) struct Recorder {
    events: watch::Sender<Vec<(String, RunKind, Event)>>,
    at: Mutex<Option<Hook>>,
}

type Hook = Box<dyn FnMut(&str, &Event) + Send>;

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    fn new() -> Self {
        Self {
            events: watch::Sender::new(Vec::new()),
            at: Mutex::new(None),
        }
    }

    /// Does something at each event, inside the run.
    pub(crate) fn at_each(&self, hook: impl FnMut(&str, &Event) + Send + 'static) {
        *self.at.lock().unwrap() = Some(Box::new(hook));
    }

    /// Blocks until there was an event of an object; for hooks.
    pub(crate) fn block_until(&self, object: &str, wanted: impl Fn(&Event) -> bool) {
        let mut events = self.events.subscribe();
        tokio::task::block_in_place(|| {
            let came = events.wait_for(|events| events.iter().any(|(name, _, event)| name == object && wanted(event)));
            tokio::runtime::Handle::current().block_on(came).map(drop).unwrap();
        });
    }

    /// Looks away again.
    pub(crate) fn ignore(&self) {
        *self.at.lock().unwrap() = None;
    }

    /// All events of an object so far.
    pub(crate) fn of(&self, object: &str) -> Vec<Event> {
        self.events
            .borrow()
            .iter()
            .filter(|(name, ..)| name == object)
            .map(|(.., event)| event.clone())
            .collect()
    }
}

impl Observer for Recorder {
    fn observe(&self, object: &ObjectName, kind: RunKind, event: &Event) {
        self.events
            .send_modify(|events| events.push((object.to_string(), kind, event.clone())));
        // Taken out for the call: a hook that panics must not poison the next one.
        let hook = self.at.lock().unwrap().take();
        if let Some(mut hook) = hook {
            hook(object.as_str(), event);
            self.at.lock().unwrap().get_or_insert(hook);
        }
    }
}

/// The secrets of the simulator's administrator.
#[derive(Debug)]
pub(crate) struct TestSecrets(pub(crate) BTreeMap<&'static str, String>);

impl TestSecrets {
    pub(crate) fn right() -> Self {
        Self(BTreeMap::from([
            ("username", "admin@example.com".to_owned()),
            ("password", "correct horse".to_owned()),
            ("securityToken", "TOKEN123".to_owned()),
            ("url", std::env::var("SFR_TEST_POSTGRES_URL").unwrap_or_default()),
        ]))
    }
}

impl Secrets for TestSecrets {
    fn secret(&self, _name: &str, key: &str) -> Result<Option<SecretString>> {
        Ok(self.0.get(key).cloned().map(SecretString::from))
    }

    fn places(&self, _name: &str, _key: &str) -> String {
        "in the test".to_owned()
    }
}

/// An org, a folder for the database, and what a session needs.
pub(crate) struct Bench {
    pub(crate) org: Simulator,
    directory: TempDir,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) secrets: TestSecrets,
    pub(crate) budget: ByteBudget,
    pub(crate) objects: Value,
    pub(crate) overlap: &'static str,
    /// What else `spec.consistency` says. All long kinds are off, unless a test is about them.
    pub(crate) consistency: Value,
    pub(crate) parallelism: u32,
    pub(crate) segment_rows: Option<u64>,
    /// The schema in PostgreSQL; without one the database is a SQLite file.
    pub(crate) schema: Option<String>,
}

impl Bench {
    /// An org as `config` says, replicating `objects` (the spec's list).
    pub(crate) async fn start(config: Config, objects: Value) -> Self {
        Self {
            org: Simulator::start(config).await.unwrap(),
            directory: TempDir::new().unwrap(),
            clock: Arc::new(TestClock {
                machine: SystemClock::new(),
                ahead: watch::Sender::default(),
                slept: Mutex::default(),
                long: watch::Sender::default(),
            }),
            recorder: Arc::new(Recorder::new()),
            secrets: TestSecrets::right(),
            budget: ByteBudget::default(),
            objects,
            overlap: "10m",
            consistency: json!({"verifyEvery": "0s", "reconcileEvery": "0s", "refreshEvery": "0s"}),
            parallelism: 2,
            segment_rows: None,
            schema: None,
        }
    }

    pub(crate) fn control(&self) -> Control {
        self.org.control()
    }

    pub(crate) fn spec(&self) -> SalesforceReplicatorSpec {
        let mut consistency = self.consistency.clone();
        consistency["overlap"] = json!(self.overlap);
        let destination = match &self.schema {
            Some(schema) => json!({"postgres": {"secretRef": {"name": "database"}, "schema": schema}}),
            None => json!({"sqlite": {"file": "crm.db"}}),
        };
        serde_json::from_value(json!({
            "connection": {
                "loginUrl": self.org.url().to_string(),
                "auth": {"password": {"secretRef": {"name": "org"}}},
            },
            "destination": destination,
            "objects": self.objects,
            "consistency": consistency,
            "parallelism": self.parallelism,
        }))
        .unwrap()
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            replicator: "default/crm".to_owned(),
            allow_http: AllowHttp::LoopbackOnly,
            adopt: None,
            sqlite_directory: self.directory.path().to_owned(),
            environment: Environment {
                random: Arc::new(Longest),
                budget: self.budget.clone(),
                tuning: Tuning {
                    segment_rows: self.segment_rows,
                    page_rows: Some(PAGE_ROWS),
                },
                ..Environment::new(
                    Arc::<TestClock>::clone(&self.clock),
                    Arc::<Recorder>::clone(&self.recorder),
                )
            },
        }
    }

    /// A session as a process that starts has it.
    pub(crate) async fn session(&self) -> Session {
        Session::open(&self.spec(), &self.secrets, &self.options())
            .await
            .unwrap()
    }

    pub(crate) async fn refused(&self) -> Error {
        Session::open(&self.spec(), &self.secrets, &self.options())
            .await
            .unwrap_err()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("crm.db")
    }

    /// Removes the file, with what SQLite keeps beside it.
    pub(crate) fn remove_file(&self) {
        for entry in std::fs::read_dir(self.directory.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    /// Sees whether anything is written from here on.
    pub(crate) fn watch(&self) -> Watch {
        let watch = Watch {
            connection: rusqlite::Connection::open(self.file()).unwrap(),
            seen: 0,
        };
        Watch {
            seen: watch.version(),
            ..watch
        }
    }

    /// Moves the clocks of the org and of the process.
    pub(crate) fn advance(&self, by: Duration) {
        self.control().advance_clock(by.try_into().unwrap());
        self.clock.advance(by);
    }

    pub(crate) fn create(&self, object: &str, values: &[(&str, &str)]) -> String {
        self.control().create(object, values).unwrap()
    }

    pub(crate) fn update(&self, object: &str, id: &str, values: &[(&str, &str)]) {
        self.control().update(object, id, values).unwrap();
    }

    pub(crate) fn delete(&self, object: &str, id: &str) {
        self.control().delete(object, id).unwrap();
    }

    pub(crate) fn undelete(&self, object: &str, id: &str) {
        self.control().undelete(object, id).unwrap();
    }

    /// Ids of live rows in their order.
    pub(crate) fn ids(&self, object: &str) -> Vec<String> {
        let rows = self.control().rows_of(object, &["Id"]).unwrap();
        rows.filter(|row| !row.deleted).map(|row| row.id).collect()
    }

    /// Calls that Salesforce counts, so far.
    pub(crate) fn counted(&self) -> u64 {
        self.control().counters().counted
    }

    pub(crate) fn add_rule(&self, rule: Rule) {
        self.control().add_rule(rule);
    }

    /// A column of one row, `-` where there is no such row.
    pub(crate) fn column(&self, table: &str, column: &str, id: &str) -> String {
        let rows = query(
            &self.file(),
            &format!("SELECT {column} FROM {table} WHERE salesforce_id = '{id}'"),
        );
        rows.into_iter().next().map_or("-".to_owned(), |mut row| row.remove(0))
    }

    /// The table equals the org: each live record is a row, with the same value in every column that is a field's.
    pub(crate) fn assert_equal(&self, session: &Session) {
        for plan in &session.plan().objects {
            assert_table(&self.control(), &self.file(), plan);
        }
    }
}

/// A connection that notices what others commit.
pub(crate) struct Watch {
    connection: rusqlite::Connection,
    seen: i64,
}

impl Watch {
    /// `data_version` differs after any commit of another connection; a read makes this one look at the file.
    fn version(&self) -> i64 {
        self.connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .unwrap();
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .unwrap()
    }

    pub(crate) fn assert_unwritten(&self) {
        assert_eq!(self.version(), self.seen, "something was written");
    }

    pub(crate) fn assert_written(&self) {
        assert_ne!(self.version(), self.seen, "nothing was written");
    }
}

/// One tick of all objects.
pub(crate) async fn tick(session: &mut Session) -> TickReport {
    session.tick(&TickRequest::default(), &CancellationToken::new()).await
}

/// One tick in which every run succeeds.
pub(crate) async fn good_tick(session: &mut Session) -> Vec<RunReport> {
    let report = tick(session).await;
    assert!(report.succeeded(), "{report:#?}");
    report.runs
}

/// One tick of a kind in which every run succeeds.
pub(crate) async fn good_kind(session: &mut Session, kind: RunKind) -> Vec<RunReport> {
    let request = TickRequest {
        kind: Some(kind),
        ..TickRequest::default()
    };
    let report = session.tick(&request, &CancellationToken::new()).await;
    assert!(report.succeeded(), "{report:#?}");
    report.runs
}

/// A tick of some objects.
pub(crate) fn only(objects: &[&str]) -> TickRequest {
    let objects: BTreeSet<String> = objects.iter().map(|&object| object.to_owned()).collect();
    TickRequest {
        objects: Some(objects),
        ..TickRequest::default()
    }
}

/// Rows of a SQL query as text, NULL as `∅`.
pub(crate) fn query(file: &Path, sql: &str) -> Vec<Vec<String>> {
    let connection = rusqlite::Connection::open(file).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..width).map(|column| Ok(show(row.get_ref(column)?))).collect()
    });
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn show(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => "∅".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        ValueRef::Blob(_) => panic!("a blob"),
    }
}

fn assert_table(control: &Control, file: &Path, plan: &ObjectPlan) {
    let own: Vec<(usize, &str, ColumnKind)> = plan
        .columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| match &column.source {
            ColumnSource::Field(position) => {
                let path = &plan.select[*position];
                path.relationship.is_none().then(|| (index, &*path.field, column.kind))
            }
            ColumnSource::Template(_)
            | ColumnSource::Empty
            | ColumnSource::Null
            | ColumnSource::IsDeleted
            | ColumnSource::DeletedAt => None,
        })
        .collect();
    let mut expected = BTreeMap::new();
    for row in control.rows(plan.object.as_str()).unwrap().filter(|row| !row.deleted) {
        let value = |field: &str| row.fields[field].as_deref();
        let values: Vec<String> = own.iter().map(|(_, field, kind)| spell(value(field), *kind)).collect();
        expected.insert(row.id.clone(), values);
    }
    let mut found = BTreeMap::new();
    for row in query(file, &format!("SELECT * FROM \"{}\"", plan.table)) {
        let values: Vec<String> = own
            .iter()
            .map(|(index, _, kind)| match row[*index].as_str() {
                "∅" => "∅".to_owned(),
                text => spell(Some(text), *kind),
            })
            .collect();
        found.insert(row[0].clone(), values);
    }
    let missing: Vec<_> = expected.keys().filter(|id| !found.contains_key(*id)).take(5).collect();
    let surplus: Vec<_> = found.keys().filter(|id| !expected.contains_key(*id)).take(5).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{}: missing {missing:?}, surplus {surplus:?}",
        plan.object
    );
    for (id, expected) in &expected {
        for ((_, field, _), (expected, found)) in own.iter().zip(expected.iter().zip(&found[id])) {
            assert_eq!(found, expected, "{} {id} {field}", plan.object);
        }
    }
}

/// A value in one spelling, whoever wrote it.
fn spell(text: Option<&str>, kind: ColumnKind) -> String {
    let Some(text) = text else { return "∅".to_owned() };
    let mut into = String::new();
    match kind {
        ColumnKind::Id => into.push_str(text),
        ColumnKind::Text { .. } => into.push_str(&text.replace("\r\n", "\n").replace('\r', "\n")),
        ColumnKind::Boolean => into.push_str(&value::boolean(text).unwrap().to_string()),
        ColumnKind::Int | ColumnKind::Long => into.push_str(&value::long(text).unwrap().to_string()),
        ColumnKind::Decimal { .. } => value::Decimal::parse(text).unwrap().write_plain(&mut into),
        ColumnKind::Date => value::write_date(value::date(text).unwrap(), &mut into),
        ColumnKind::Time => value::write_time(value::time(text).unwrap(), &mut into),
        ColumnKind::Timestamp => value::write_datetime(value::datetime(text).unwrap(), &mut into),
    }
    if into.is_empty() { "∅".to_owned() } else { into }
}
