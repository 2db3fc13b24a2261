//! One seed: an org, a resource and a process between them, step by step.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use e2e::{
    database::Database,
    resource::{PASSWORD, TOKEN, USERNAME},
    scramble::Scramble,
    stage::empty_org,
    story::Story,
    truth::{self, Depth, Difference, Known},
};
use fastrand::Rng;
use jiff::SignedDuration;
use replication::{
    Error, Result,
    budget::ByteBudget,
    connect::{Options, Secrets, Session},
    plan::PlanView,
    progress::RunKind,
    replicator::{Environment, TickReport, TickRequest, Tuning},
    retry::SystemRandomness,
    state::Phase,
};
use salesforce::{AllowHttp, clock::Clock as _};
use secrecy::SecretString;
use simulator::{Config, Control, Simulator};
use tokio_util::sync::CancellationToken;

use super::{clock::Clocks, faults, meddler::Meddler, reshape::Shaper, resource::Resource};

/// Kinds that a tick may ask for.
const KINDS: [RunKind; 4] = [
    RunKind::Incremental,
    RunKind::Verify,
    RunKind::Reconcile,
    RunKind::Refresh,
];

/// Opening a session fails as long as faults are left that hit it; so often at most.
const OPENINGS: u32 = 12;

/// A tick takes less in real time, unless it waits for something that never comes.
const LONGEST_TICK: Duration = Duration::from_mins(5);

/// A window of Verify is longer than this (two minutes).
const WINDOW: Duration = Duration::from_mins(4);

/// One seed.
pub(crate) struct Life {
    rng: Rng,
    story: Story,
    org: Simulator,
    control: Control,
    database: Database,
    directory: PathBuf,
    clocks: Arc<Clocks>,
    meddler: Arc<Meddler>,
    scramble: Arc<Mutex<Scramble>>,
    resource: Resource,
    session: Option<Session>,
    /// Runs outlive their tick.
    running: bool,
    /// Nothing happens that an Incremental alone would miss, and so it has to do alone.
    tame: bool,
    shaper: Shaper,
    known: BTreeMap<&'static str, Known>,
    /// A copy of the database, and what was known of its tables when it was made.
    backup: Option<(Database, BTreeMap<&'static str, Known>)>,
    /// How many copies there were: what a process that ended has not finished must not meet a new one.
    copies: u32,
}

/// How a tick is asked for.
#[derive(Debug, Default)]
struct Asked {
    kind: Option<RunKind>,
    objects: Option<&'static str>,
    only_due: bool,
    /// Comes back at once, and runs go on.
    leaves: bool,
}

impl Life {
    /// Lives through one seed; fails where something is lost or twice.
    pub(crate) async fn live(seed: u64, database: Database, directory: PathBuf, story: Story) {
        let mut rng = Rng::with_seed(seed);
        let tame = rng.u32(..3) == 0;
        let resource = Resource::random(&mut rng, tame);
        let org = Simulator::start(config(&mut rng, seed)).await.unwrap();
        let control = org.control();
        let names: Vec<&str> = resource.objects.iter().map(|entry| entry.object).collect();
        let mut changed = names.clone();
        changed.extend(
            ["Account", "Contact", "User"]
                .iter()
                .filter(|name| !names.contains(name)),
        );
        let mut scramble = Scramble::new(&control, rng.u64(..), &changed).telling(&story);
        if !tame {
            scramble = scramble.wild();
        }
        for condition in e2e::condition::CONDITIONS
            .iter()
            .filter(|known| names.contains(&known.object))
        {
            for (object, field, values) in condition.decided_by {
                scramble.favour(object, field, values);
            }
        }
        scramble.favour("User", "IsActive", &["true", "false"]);
        scramble.vary_settings();
        let scramble = Arc::new(Mutex::new(scramble));
        let clocks = Arc::new(Clocks::default());
        let mut life = Self {
            meddler: Arc::new(Meddler::new(&control, &clocks, &scramble, &story)),
            shaper: Shaper::new(&control, &story, &names),
            known: names.iter().map(|name| (*name, Known::default())).collect(),
            rng,
            story,
            org,
            control,
            database,
            directory,
            clocks,
            scramble,
            resource,
            session: None,
            running: false,
            tame,
            backup: None,
            copies: 0,
        };
        life.story.tell(format!("{:#?}", life.resource));
        for _ in 0..life.rng.u32(1..=3) {
            life.any_tick().await;
            for _ in 0..life.rng.u32(4..16) {
                life.step().await;
            }
            life.check().await;
        }
    }

    async fn step(&mut self) {
        match self.rng.u32(..100) {
            0..32 => {
                let changes = self.rng.u32(1..25);
                self.scramble().work(changes);
            }
            32..62 => self.any_tick().await,
            62..76 => self.some_time(),
            76..82 => {
                let objects: Vec<String> = self.resource.objects.iter().map(|entry| entry.object.into()).collect();
                for _ in 0..self.rng.u32(1..4) {
                    let fault = faults::fault(&mut self.rng, &objects);
                    self.story.tell(format!("fault {fault:?}"));
                    self.control.add_rule(fault);
                }
            }
            82..84 => {
                let entry = self.rng.usize(..self.resource.objects.len());
                let (object, rows) = (self.resource.objects[entry].object, self.rng.usize(20..320));
                self.scramble().import(object, rows).unwrap();
            }
            84..88 if !self.tame => {
                self.shaper.reshape(&mut self.rng, &mut self.known);
                self.scramble().look_again();
            }
            88..91 if !self.tame => self.shaper.permit(&mut self.rng, &self.resource),
            84..93 => {
                self.crash();
                match self.rng.u32(..6) {
                    0..3 if self.backup.is_none() => self.back_up().await,
                    0..2 => self.put_back(),
                    _ => {}
                }
            }
            93..95 => drop(self.replan().await),
            95 => self.scramble().vary_settings(),
            _ => {
                let place = self.rng.usize(..self.resource.objects.len());
                let entry = &mut self.resource.objects[place];
                if self.rng.bool() {
                    entry.change_condition(&mut self.rng);
                } else {
                    entry.change_columns();
                }
                self.story.tell(format!("resource: {entry:?}"));
                self.crash();
            }
        }
    }

    fn scramble(&self) -> MutexGuard<'_, Scramble> {
        self.scramble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process ends without a word; another one begins when it is needed.
    fn crash(&mut self) {
        self.story.tell("the process ends");
        self.session = None;
        self.running = false;
    }

    /// Copies the database, between two processes.
    async fn back_up(&mut self) {
        self.story.tell("the database is copied");
        self.copies += 1;
        let copy = self.database.copy(&format!("chaos_copy_{}", self.copies)).await;
        self.backup = Some((copy, self.known.clone()));
    }

    /// Goes on in the copy, as who has lost a database and put its backup back.
    fn put_back(&mut self) {
        let Some((backup, mut known)) = self.backup.take() else {
            return;
        };
        self.story.tell("the copy takes the place of the database");
        self.database = backup;
        for (object, known) in &mut known {
            known
                .unstamped
                .append(&mut self.known.get_mut(object).unwrap().unstamped);
        }
        self.known = known;
    }

    /// Lets time pass on some of the clocks.
    fn some_time(&mut self) {
        let rng = &mut self.rng;
        let by = Duration::from_secs(match rng.u32(..20) {
            0..5 => rng.u64(..5),
            5..14 => rng.u64(..400),
            14..17 => rng.u64(..1_500),
            17..19 => rng.u64(..20_000),
            _ if self.tame => rng.u64(..86_400),
            _ => rng.u64(..20 * 86_400),
        });
        let way = rng.u32(..10);
        let step = SignedDuration::from_secs(rng.i64(-7_200..7_200));
        match way {
            0 => {
                self.story.tell(format!("the wall clock is set by {step:#}"));
                self.clocks.step(step);
            }
            1 => {
                self.story.tell(format!("the machine sleeps for {by:?}"));
                let by = by.try_into().unwrap();
                self.scramble().pass(by);
                self.clocks.step(by);
            }
            _ => self.pass(by),
        }
    }

    fn pass(&self, by: Duration) {
        self.story.tell(format!("{by:?} pass"));
        self.scramble().pass(by.try_into().unwrap());
        self.clocks.pass(by);
    }

    /// A tick of any kind, in which anything may happen.
    async fn any_tick(&mut self) {
        let rng = &mut self.rng;
        let asked = Asked {
            kind: if self.tame {
                rng.bool().then_some(RunKind::Incremental)
            } else {
                (rng.u32(..5) < 3).then(|| KINDS[rng.usize(..KINDS.len())])
            },
            objects: (rng.u32(..6) == 0)
                .then(|| self.resource.objects[rng.usize(..self.resource.objects.len())].object),
            only_due: rng.u32(..4) == 0,
            leaves: rng.u32(..5) == 0,
        };
        let token = CancellationToken::new();
        let cancels = rng.u32(..6) == 0;
        if cancels || rng.u32(..3) == 0 {
            let seed = rng.u64(..);
            self.meddler.begin(Rng::with_seed(seed), cancels.then(|| token.clone()));
        }
        let report = self.tick(&asked, &token).await;
        self.meddler.rest();
        self.judge(&report);
        if token.is_cancelled() {
            self.crash();
        }
    }

    async fn tick(&mut self, asked: &Asked, token: &CancellationToken) -> TickReport {
        let until = asked.leaves.then(|| self.clocks.monotonic());
        self.session().await;
        self.story.tell(format!("tick {asked:?}"));
        let request = TickRequest {
            kind: asked.kind,
            objects: asked.objects.map(|object| [object.to_owned()].into()),
            only_due: asked.only_due,
            until,
            ..TickRequest::default()
        };
        let session = self.session.as_mut().unwrap();
        let ticked = tokio::time::timeout(LONGEST_TICK, session.tick(&request, token)).await;
        let report = ticked.unwrap_or_else(|_| panic!("a tick does not end\n{}", self.told(&[])));
        self.story.tell(format!("tick ended, running {:?}", report.running));
        self.running = !report.running.is_empty();
        if let Some(error) = &report.error {
            self.story.tell(format!("  failed: {}", error.message));
        }
        report
    }

    /// Whatever Salesforce does, some errors are ours.
    fn judge(&self, report: &TickReport) {
        let errors = report.runs.iter().filter_map(|run| run.error.as_ref());
        for error in errors.chain(&report.error) {
            let is_ours = matches!(
                error.reason,
                "InternalError"
                    | "DatabaseError"
                    | "DatabaseUnavailable"
                    | "SchemaConflict"
                    | "InvalidSpec"
                    | "NotServed"
            );
            assert!(!is_ours, "{}: {}\n{}", error.reason, error.message, self.told(&[]));
        }
    }

    /// A session, opened where there is none.
    async fn session(&mut self) {
        if self.session.is_some() {
            return;
        }
        for opening in 0..OPENINGS {
            let spec = self.resource.spec(&self.org.url(), &self.database);
            let spec = serde_json::from_value(spec).unwrap();
            match Session::open(&spec, &Given(self.database.clone()), &self.options()).await {
                Ok(session) => {
                    self.story.tell("a process begins");
                    self.session = Some(session);
                    return;
                }
                Err(error @ Error::Salesforce(_)) if opening + 1 < OPENINGS => {
                    self.story.tell(format!("opening fails: {}", error.message()));
                    // A quota and its like stay for hours.
                    if opening > 3 {
                        self.control.clear_rules();
                    }
                }
                Err(error @ Error::Plan(_)) if opening == 0 => {
                    self.story.tell(format!("opening fails: {}", error.message()));
                    self.shaper.restore_all();
                }
                Err(error) => panic!("{}\n{}", error.message(), self.told(&[])),
            }
        }
    }

    fn options(&self) -> Options {
        Options {
            replicator: "default/crm".into(),
            allow_http: AllowHttp::LoopbackOnly,
            adopt: None,
            sqlite_directory: self.directory.clone(),
            environment: Environment {
                random: Arc::new(SystemRandomness),
                budget: ByteBudget::default(),
                tuning: Tuning {
                    segment_rows: Some(60),
                    page_rows: Some(200),
                },
                ..Environment::new(Arc::<Clocks>::clone(&self.clocks), Arc::<Meddler>::clone(&self.meddler))
            },
        }
    }

    /// Makes the plan again, from the org as it is.
    async fn replan(&mut self) -> Result<()> {
        self.session().await;
        let spec = self.resource.spec(&self.org.url(), &self.database);
        let spec = serde_json::from_value(spec).unwrap();
        let planned = self.session.as_mut().unwrap().replan(&spec).await;
        let told = planned.as_ref().map_or_else(Error::message, |()| "done".into());
        self.story.tell(format!("plan again: {told}"));
        planned
    }

    /// Faults end, transactions end: after the runs that promise it the tables are as the org is.
    async fn check(&mut self) {
        self.story.tell("---- rest");
        self.control.clear_rules();
        if self.rng.bool() {
            self.shaper.restore_all();
        }
        self.catch_up().await;
        if self.rng.bool() {
            let changes = self.rng.u32(1..40);
            self.scramble().work(changes);
        }
        let by = self.rng.u64(..1_700);
        self.pass(Duration::from_secs(by));
        if self.tame {
            self.scramble().end_all();
            self.good_tick(RunKind::Incremental).await;
        } else {
            // What commits now has stamps that lie behind what these two have read.
            if self.rng.u32(..3) > 0 {
                self.good_tick(RunKind::Incremental).await;
                self.good_tick(RunKind::Verify).await;
            }
            self.scramble().end_all();
            self.pass(WINDOW);
            self.good_tick(RunKind::Incremental).await;
            self.good_tick(RunKind::Verify).await;
        }
        self.compare(Depth::Stored).await;
        if self.rng.u32(..3) == 0 {
            return;
        }
        self.good_tick(RunKind::Refresh).await;
        self.good_tick(RunKind::Reconcile).await;
        self.compare(Depth::Everything).await;
        for (object, known) in &mut self.known {
            let mut unstamped = std::mem::take(&mut known.unstamped);
            if let Some((_, kept)) = &mut self.backup {
                kept.get_mut(object).unwrap().unstamped.append(&mut unstamped);
            }
        }
        self.nothing_is_left().await;
        for kind in KINDS {
            for run in self.good_tick(kind).await.runs {
                assert_eq!(
                    (run.rows_written, run.rows_deleted),
                    (0, 0),
                    "{} {:?} wrote once more\n{}",
                    run.object,
                    run.kind,
                    self.told(&[])
                );
            }
        }
    }

    /// The plan is that of the org, and rows are as it says. Where they are so already, no run may heal what is wrong.
    async fn catch_up(&mut self) {
        if let Err(error) = self.replan().await {
            assert!(
                matches!(error, Error::Plan(_)),
                "{}\n{}",
                error.message(),
                self.told(&[])
            );
            self.shaper.restore_all();
            self.replan().await.unwrap();
        }
        if self.has_unplanned() {
            self.shaper.restore_all();
            self.replan().await.unwrap();
            assert!(!self.has_unplanned(), "{}", self.told(&[]));
        }
        if self.running {
            // Some of them began by another plan.
            let report = self.tick(&Asked::default(), &CancellationToken::new()).await;
            self.judge(&report);
        }
        if self.is_as_planned().await {
            return;
        }
        let mut report = self.tick(&Asked::default(), &CancellationToken::new()).await;
        // A real process takes its threads along. Here a thread of one that ended may still claim an object in SQLite.
        if report
            .runs
            .iter()
            .any(|run| run.error.as_ref().is_some_and(|error| error.reason == "Fenced"))
        {
            report = self.tick(&Asked::default(), &CancellationToken::new()).await;
        }
        let is_settled = report.succeeded() && self.is_as_planned().await;
        assert!(is_settled, "{report:#?}\n{}", self.told(&[]));
    }

    /// Objects that the org does not have at the moment, or hides.
    fn has_unplanned(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| !session.plan().unplanned.is_empty())
    }

    /// All tables are complete, no listing is under way, and rows are those of the plan.
    async fn is_as_planned(&self) -> bool {
        let session = self.session.as_ref().unwrap();
        let plans = session.plan().objects.iter();
        plans.zip(session.inspect().await).all(|(plan, inspection)| {
            let state = inspection.state.unwrap();
            state.is_some_and(|state| {
                let checkpoint = state.checkpoint;
                let is_whole = checkpoint.phase == Phase::Live && checkpoint.listing.is_none();
                is_whole && checkpoint.plan_hash == plan.hash.0
            })
        })
    }

    async fn good_tick(&mut self, kind: RunKind) -> TickReport {
        let asked = Asked {
            kind: Some(kind),
            ..Asked::default()
        };
        let report = self.tick(&asked, &CancellationToken::new()).await;
        assert!(report.succeeded(), "{report:#?}\n{}", self.told(&[]));
        report
    }

    async fn compare(&mut self, depth: Depth) {
        let session = self.session.as_ref().unwrap();
        let plan = serde_json::to_value(PlanView::new(session.plan(), |_| Vec::new())).unwrap();
        let (schema, records) = (self.control.schema(), truth::records(&self.control));
        let mut differences: Vec<Difference> = Vec::new();
        for object in plan["objects"].as_array().unwrap() {
            let name = object["object"].as_str().unwrap();
            let entry = self.resource.objects.iter().find(|entry| entry.object == name).unwrap();
            let known = self.known.get_mut(name).unwrap();
            known.meets = entry.meets();
            known.moves = entry.condition().is_some_and(|condition| condition.moves);
            differences.extend(truth::compare(&self.database, object, (&schema, &records), known, depth).await);
        }
        let ids: Vec<&str> = differences
            .iter()
            .filter_map(|difference| difference.id.as_deref())
            .take(6)
            .collect();
        let texts: Vec<&str> = differences
            .iter()
            .map(|difference| difference.text.as_str())
            .take(20)
            .collect();
        assert!(
            differences.is_empty(),
            "{depth:?}: {} differences {texts:#?}\n{}",
            differences.len(),
            self.told(&ids)
        );
        self.story.tell(format!("{depth:?}: equal"));
    }

    async fn nothing_is_left(&self) {
        for table in ["_pending_delete", "_surplus_row", "_rejected_row"] {
            let rows = format!("SELECT * FROM {}", self.database.table(table));
            let rows = self.database.query(&rows).await;
            assert!(rows.is_empty(), "{table}: {rows:?}\n{}", self.told(&[]));
        }
    }

    /// What a person needs who follows a failure.
    fn told(&self, ids: &[&str]) -> String {
        let calls = self.control.calls(12).into_iter().map(|call| {
            let soql: String = call.soql.unwrap_or_default().chars().rev().take(300).collect();
            let soql: String = soql.chars().rev().collect();
            format!(
                "{} {} {:?} {:?} {}\n",
                call.at, call.call, call.object, call.fault, soql
            )
        });
        let about = if ids.is_empty() {
            String::new()
        } else {
            self.story.about(ids)
        };
        format!(
            "the last steps:\n{}\nthe last calls:\n{}\nabout {ids:?}:\n{about}",
            self.story.last(120),
            calls.collect::<String>()
        )
    }
}

/// Small orgs, and some with a few pages.
fn config(rng: &mut Rng, seed: u64) -> Config {
    let large = rng.u32(..4) == 0;
    let rows = |rng: &mut Rng, small: u64| {
        if large {
            rng.u64(250..450)
        } else {
            rng.u64(small / 3..small)
        }
    };
    Config {
        seed: seed >> 1,
        contacts: rows(rng, 60),
        accounts: rng.u64(4..20),
        leads: rows(rng, 40),
        opportunities: rows(rng, 30),
        cases: rng.u64(5..30),
        specimens: rows(rng, 40),
        users: rng.u64(4..10),
        inactive_users: 1,
        technical_users: 1,
        converted_leads: 2,
        ..empty_org()
    }
}

/// The secrets of the resource.
#[derive(Debug)]
struct Given(Database);

impl Secrets for Given {
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
