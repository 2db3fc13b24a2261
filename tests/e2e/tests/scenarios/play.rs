//! An org, a database and sessions between them, on clocks that stand still until a test moves them.
//!
//! Sessions run in the test's own process, so that a test can let hours pass between two ticks and do something at a certain
//! point of a run. The same resource can be given to the binary, where a process matters: an exit code, a message, a signal.
//! The org's clock and the process's clock stand still together, so that "in the same second" and "25 minutes later" are
//! what they say; the binary goes by the machine's clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use crds::SalesforceReplicatorSpec;
use e2e::{
    binary::{self, Outcome},
    compare::{self, Compared, Record},
    database::{Cell, Database},
    resource::{PASSWORD, TOKEN, USERNAME},
    stage::{Kind, Stage},
};
use jiff::Timestamp;
use replication::{
    Error, Result,
    budget::ByteBudget,
    connect::{Options, Secrets, Session},
    plan::{ColumnSource, FieldPath, ObjectName, ObjectPlan},
    progress::{Event, Observer, RunKind, RunReport},
    replicator::{Environment, TickReport, TickRequest, Tuning},
    retry::Randomness,
};
use salesforce::{
    AllowHttp,
    clock::{Clock, Sleep},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulator::{Config, Control, Row, Rule, What};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Rows of a page: as few as Salesforce serves, so that a few hundred records are several pages.
const PAGE_ROWS: u16 = 200;

/// The longest pause between two tries; what is waited for longer is a limit.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A clock that stands still. Pauses between tries are over at once, limits when the clock is moved.
#[derive(Debug)]
pub(crate) struct StillClock {
    began: Timestamp,
    ahead: watch::Sender<Duration>,
}

impl StillClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        self.began + *self.ahead.borrow()
    }

    fn monotonic(&self) -> Duration {
        *self.ahead.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if duration <= LONGEST_PAUSE {
            return Box::pin(tokio::task::yield_now());
        }
        let mut ahead = self.ahead.subscribe();
        let until = *self.ahead.borrow() + duration;
        Box::pin(async move {
            if ahead.wait_for(|ahead| *ahead >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[derive(Debug)]
struct Longest;

impl Randomness for Longest {
    fn below(&self, bound: u64) -> u64 {
        bound.saturating_sub(1)
    }
}

type Hook = Box<dyn FnMut(&str, RunKind, &Event) + Send>;

/// Remembers events, and lets a test do something at one, inside the run.
pub(crate) struct Recorder {
    events: watch::Sender<Vec<(String, RunKind, Event)>>,
    hook: Mutex<Option<Hook>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// Does something at each event.
    pub(crate) fn at_each(&self, hook: impl FnMut(&str, RunKind, &Event) + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Does something once, at the first such event.
    pub(crate) fn once_at(
        &self,
        wanted: impl Fn(&str, RunKind, &Event) -> bool + Send + 'static,
        act: impl FnOnce() + Send + 'static,
    ) {
        let mut act = Some(act);
        self.at_each(move |object, kind, event| {
            if wanted(object, kind, event)
                && let Some(act) = act.take()
            {
                act();
            }
        });
    }

    /// Waits until there has been such an event.
    pub(crate) async fn until(&self, wanted: impl Fn(&str, RunKind, &Event) -> bool) {
        let mut events = self.events.subscribe();
        let came = events.wait_for(|events| events.iter().any(|(object, kind, event)| wanted(object, *kind, event)));
        came.await.map(drop).unwrap();
    }

    /// Looks away, and forgets what came.
    pub(crate) fn ignore(&self) {
        *self.hook.lock().unwrap() = None;
        self.events.send_modify(Vec::clear);
    }
}

impl Observer for Recorder {
    fn observe(&self, object: &ObjectName, kind: RunKind, event: &Event) {
        // Taken out for the call: a hook may move the clock, and with it what waits for it.
        let hook = self.hook.lock().unwrap().take();
        if let Some(mut hook) = hook {
            hook(object.as_str(), kind, event);
            self.hook.lock().unwrap().get_or_insert(hook);
        }
        self.events
            .send_modify(|events| events.push((object.to_string(), kind, event.clone())));
    }
}

/// The secrets of the simulator's administrator, and of the test's database.
#[derive(Debug)]
struct TestSecrets(BTreeMap<&'static str, String>);

impl Secrets for TestSecrets {
    fn secret(&self, _name: &str, key: &str) -> Result<Option<SecretString>> {
        Ok(self.0.get(key).cloned().map(SecretString::from))
    }

    fn places(&self, _name: &str, _key: &str) -> String {
        "in the test".to_owned()
    }
}

/// An org, a database, and a resource between them.
pub(crate) struct Play {
    pub(crate) stage: Stage,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) recorder: Arc<Recorder>,
    /// `spec.objects`.
    pub(crate) objects: Value,
    /// `spec.consistency`. All long kinds are off, unless a test is about them.
    pub(crate) consistency: Value,
    pub(crate) segment_rows: Option<u64>,
    /// `namespace/name`.
    pub(crate) replicator: String,
    pub(crate) adopt: Option<String>,
}

impl Play {
    /// An org as `config` says and an empty database, for the spec's `objects`.
    pub(crate) async fn new(kind: Kind, name: &str, config: Config, objects: Value) -> Self {
        let stage = Stage::new(kind, name, config, &[]).await;
        // In the middle of a second: stamps have whole ones.
        let now = Timestamp::from_second(stage.org.now().as_second()).unwrap();
        stage.org.hold_clock(true);
        stage.org.set_clock(now + Duration::from_millis(1_500));
        Self {
            clock: Arc::new(StillClock {
                began: stage.org.now(),
                ahead: watch::Sender::default(),
            }),
            recorder: Arc::new(Recorder {
                events: watch::Sender::default(),
                hook: Mutex::default(),
            }),
            stage,
            objects,
            consistency: json!({"overlap": "10m", "verifyEvery": "0s", "reconcileEvery": "0s", "refreshEvery": "0s"}),
            segment_rows: None,
            replicator: "default/crm".to_owned(),
            adopt: None,
        }
    }

    pub(crate) fn org(&self) -> &Control {
        &self.stage.org
    }

    pub(crate) fn database(&self) -> &Database {
        self.stage.database()
    }

    /// The resource as a session takes it.
    pub(crate) fn spec(&self) -> SalesforceReplicatorSpec {
        let destination = match self.database() {
            Database::Postgres { .. } => json!({"postgres": {"secretRef": {"name": "database"}}}),
            Database::Sqlite { file } => json!({"sqlite": {"file": file.file_name().unwrap().to_str().unwrap()}}),
        };
        serde_json::from_value(json!({
            "connection": {
                "loginUrl": self.stage.resource.login_url,
                "auth": {"password": {"secretRef": {"name": "org"}}},
            },
            "destination": destination,
            "objects": self.objects,
            "consistency": self.consistency,
        }))
        .unwrap()
    }

    fn options(&self) -> Options {
        Options {
            replicator: self.replicator.clone(),
            allow_http: AllowHttp::LoopbackOnly,
            adopt: self.adopt.clone(),
            sqlite_directory: self.stage.folder().to_owned(),
            environment: Environment {
                random: Arc::new(Longest),
                budget: ByteBudget::default(),
                tuning: Tuning {
                    segment_rows: self.segment_rows,
                    page_rows: Some(PAGE_ROWS),
                },
                ..Environment::new(
                    Arc::<StillClock>::clone(&self.clock),
                    Arc::<Recorder>::clone(&self.recorder),
                )
            },
        }
    }

    async fn open(&self) -> Result<Session> {
        let mut secrets = BTreeMap::from([
            ("username", USERNAME.to_owned()),
            ("password", PASSWORD.to_owned()),
            ("securityToken", TOKEN.to_owned()),
        ]);
        if let Database::Postgres { url } = self.database() {
            secrets.insert("url", url.clone());
        }
        Session::open(&self.spec(), &TestSecrets(secrets), &self.options()).await
    }

    /// A session as a process that starts has it.
    pub(crate) async fn session(&self) -> Session {
        self.open().await.unwrap()
    }

    /// Why a process that starts ends at once.
    pub(crate) async fn refused(&self) -> Error {
        self.open().await.unwrap_err()
    }

    /// Runs a command of the binary on the resource.
    pub(crate) async fn command(&mut self, command: &[&str]) -> Outcome {
        self.write_resource();
        self.stage.command(command).await
    }

    /// Runs a command of the binary, which ends with an exit code.
    pub(crate) async fn exits(&mut self, command: &[&str], code: i32) {
        drop(self.command(command).await.exits(code));
    }

    /// Starts the binary and does not wait for it.
    pub(crate) fn start(&mut self, command: &[&str]) -> tokio::process::Child {
        self.write_resource();
        self.stage.start(command)
    }

    fn write_resource(&mut self) {
        // JSON is YAML.
        let objects = self.objects.as_array().unwrap().iter();
        self.stage.resource.objects = objects.map(ToString::to_string).collect();
        self.stage.resource.more = format!("  consistency: {}\n", self.consistency);
    }

    /// Moves the clocks of the org and of the process.
    pub(crate) fn advance(&self, by: Duration) {
        advance(self.org(), &self.clock, by);
    }

    /// So much later than now, on the process's clock.
    pub(crate) fn clock_ahead(&self, by: Duration) -> Duration {
        self.clock.monotonic() + by
    }

    /// What moves both clocks, for a hook.
    pub(crate) fn mover(&self) -> impl Fn(Duration) + Send + 'static {
        let (org, clock) = (self.org().clone(), Arc::clone(&self.clock));
        move |by| advance(&org, &clock, by)
    }

    pub(crate) fn create(&self, object: &str, values: &[(&str, &str)]) -> String {
        self.org().create(object, values).unwrap()
    }

    pub(crate) fn update(&self, object: &str, id: &str, values: &[(&str, &str)]) {
        self.org().update(object, id, values).unwrap();
    }

    pub(crate) fn delete(&self, object: &str, ids: &[String]) {
        for id in ids {
            self.org().delete(object, id).unwrap();
        }
    }

    /// Ids of live records in their order.
    pub(crate) fn ids(&self, object: &str) -> Vec<String> {
        let rows = self.org().rows_of(object, &["Id"]).unwrap();
        rows.filter(|row| !row.deleted).map(|row| row.id).collect()
    }

    /// A column of one row: `-` where there is no such row, `∅` for NULL.
    pub(crate) async fn column(&self, table: &str, column: &str, id: &str) -> String {
        let table = self.database().table(table);
        let statement = format!("SELECT {column} FROM {table} WHERE salesforce_id = '{id}'");
        let rows = self.database().query(&statement).await;
        match rows.into_iter().next().map(|mut row| row.remove(0)) {
            None => "-".to_owned(),
            Some(None) => "∅".to_owned(),
            Some(Some(text)) => text,
        }
    }

    pub(crate) async fn rows(&self, table: &str) -> i64 {
        let table = self.database().table(table);
        self.database().number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// A column of an object's state.
    pub(crate) async fn state(&self, object: &str, column: &str) -> Cell {
        let states = self.database().table("_replication_state");
        let statement = format!("SELECT {column} FROM {states} WHERE object = '{object}'");
        let rows = self.database().query(&statement).await;
        rows.into_iter().next().and_then(|mut row| row.remove(0))
    }

    /// All that stands in some tables.
    pub(crate) async fn dump(&self, tables: &[&str]) -> BTreeMap<String, Vec<Vec<Cell>>> {
        let mut dump = BTreeMap::new();
        for table in tables {
            let statement = format!("SELECT * FROM {} ORDER BY 1, 2", self.database().table(table));
            dump.insert((*table).to_owned(), self.database().query(&statement).await);
        }
        dump
    }

    /// Each live record is a row, with the same value in every column that is a field's, be it a parent's, and there are no
    /// other rows. The state counts them, and nothing waits to be deleted.
    pub(crate) async fn assert_equal(&self, session: &Session) {
        self.assert_equal_where(session, |_, _| true).await;
    }

    /// The same for records that meet a condition, by their object.
    pub(crate) async fn assert_equal_where(&self, session: &Session, meets: impl Fn(&str, &Row) -> bool) {
        for plan in &session.plan().objects {
            self.assert_table(plan, |row| meets(plan.object.as_str(), row)).await;
        }
    }

    async fn assert_table(&self, plan: &ObjectPlan, meets: impl Fn(&Row) -> bool) {
        let object = plan.object.as_str();
        let columns = self.compared(plan);
        let parents = self.parents(plan);
        let records: BTreeMap<String, Record> = self
            .org()
            .rows(object)
            .unwrap()
            .filter(|row| !row.deleted && meets(row))
            .map(|row| {
                let values = columns
                    .iter()
                    .map(|column| (column.field.clone(), value(&row, &column.field, &parents)));
                (row.id.clone(), values.collect())
            })
            .collect();
        compare::assert_equal(self.database(), plan.table.as_str(), &columns, &records).await;
        assert_eq!(
            self.state(object, "rows").await,
            Some(records.len().to_string()),
            "{object}: the state counts its rows"
        );
        let pending = self.database().table("_pending_delete");
        let pending = format!("SELECT count(*) FROM {pending} WHERE object = '{object}'");
        assert_eq!(
            self.database().number(&pending).await,
            0,
            "{object}: nothing waits to be deleted"
        );
    }

    /// Columns that are a field's.
    fn compared(&self, plan: &ObjectPlan) -> Vec<Compared> {
        let schema = self.org().schema();
        let own = schema.object(plan.object.as_str()).unwrap();
        let of = |path: &FieldPath| match &path.relationship {
            None => own.field(&path.field),
            Some(relationship) => {
                let reference = own.relationship(relationship).unwrap();
                schema.object(&reference.reference_to[0]).unwrap().field(&path.field)
            }
        };
        plan.columns
            .iter()
            .filter_map(|column| {
                let ColumnSource::Field(position) = &column.source else {
                    return None;
                };
                let path = &plan.select[*position];
                Some(Compared {
                    column: column.name.as_str().to_owned(),
                    field: path.to_string(),
                    field_type: of(path).unwrap().field_type.as_str().to_owned(),
                })
            })
            .collect()
    }

    /// Records of parents, by the relationship's name and their Id, with the reference that leads to them.
    fn parents(&self, plan: &ObjectPlan) -> BTreeMap<String, (String, BTreeMap<String, Row>)> {
        let schema = self.org().schema();
        let own = schema.object(plan.object.as_str()).unwrap();
        let relationships: BTreeSet<&str> = plan
            .select
            .iter()
            .filter_map(|path| path.relationship.as_deref())
            .collect();
        relationships
            .into_iter()
            .map(|relationship| {
                let reference = own.relationship(relationship).unwrap();
                let rows = reference
                    .reference_to
                    .iter()
                    .flat_map(|object| self.org().rows(object).unwrap());
                let rows = rows
                    .filter(|row| !row.deleted)
                    .map(|row| (row.id.clone(), row))
                    .collect();
                (relationship.to_owned(), (reference.name.clone(), rows))
            })
            .collect()
    }

    /// Makes a call hang. What came of it is let go by [`Play::let_go`].
    pub(crate) fn hang(&self, call: &str, object: &str, after: u64) {
        self.org().add_rule(Rule::at(call, What::Hang).of(object).after(after));
    }

    /// Waits until the call hangs.
    pub(crate) async fn hangs(&self) {
        binary::until("a call that hangs", async || self.org().rules().is_empty()).await;
    }

    /// Ends the connections of what hangs: it is asked again.
    pub(crate) fn let_go(&self) {
        self.org().release_hanging();
    }
}

fn advance(org: &Control, clock: &StillClock, by: Duration) {
    org.advance_clock(by.try_into().unwrap());
    clock.advance(by);
}

fn value(row: &Row, path: &str, parents: &BTreeMap<String, (String, BTreeMap<String, Row>)>) -> Cell {
    let Some((relationship, field)) = path.split_once('.') else {
        return row.fields.get(path).cloned().flatten();
    };
    let (reference, rows) = &parents[relationship];
    let parent = rows.get(row.fields.get(reference)?.as_deref()?)?;
    parent.fields.get(field).cloned().flatten()
}

/// One tick of all objects.
pub(crate) async fn tick(session: &mut Session) -> TickReport {
    session.tick(&TickRequest::default(), &CancellationToken::new()).await
}

/// One tick in which every run succeeds.
pub(crate) async fn good(session: &mut Session) -> Vec<RunReport> {
    succeeded(tick(session).await)
}

/// One tick of a kind in which every run succeeds.
pub(crate) async fn good_kind(session: &mut Session, kind: RunKind) -> Vec<RunReport> {
    succeeded(asked(session, kind).await)
}

/// One tick of a kind.
pub(crate) async fn asked(session: &mut Session, kind: RunKind) -> TickReport {
    let request = TickRequest {
        kind: Some(kind),
        ..TickRequest::default()
    };
    session.tick(&request, &CancellationToken::new()).await
}

/// One tick that confirms held deletes.
pub(crate) async fn confirm(session: &mut Session, object: &str, token: &str) -> TickReport {
    let request = TickRequest {
        confirm: [(object.to_owned(), token.to_owned())].into(),
        ..TickRequest::default()
    };
    session.tick(&request, &CancellationToken::new()).await
}

#[track_caller]
fn succeeded(report: TickReport) -> Vec<RunReport> {
    assert!(report.succeeded(), "{report:#?}");
    report.runs
}

/// Kinds of the runs, in order.
pub(crate) fn kinds(runs: &[RunReport]) -> Vec<RunKind> {
    runs.iter().map(|run| run.kind).collect()
}

/// Kinds of the runs of one object, in order.
pub(crate) fn kinds_of(runs: &[RunReport], object: &str) -> Vec<RunKind> {
    runs.iter()
        .filter(|run| run.object == object)
        .map(|run| run.kind)
        .collect()
}

/// Contacts and nothing else but a few users.
pub(crate) fn contacts(contacts: u64) -> Config {
    Config {
        contacts,
        ..e2e::stage::empty_org()
    }
}
