//! An org, a database and a folder with a resource: what the tests of faults begin with.

pub(crate) mod long;

use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    sync::{Arc, OnceLock},
};

use e2e::{
    binary::{self, Outcome},
    compare::{Compared, assert_equal},
    database::Database,
    resource::{PASSWORD, Resource, TOKEN},
};
use simulator::{Config, Control, Rule, Simulator, What, schema::Schema};
use tempfile::TempDir;
use tokio::{sync::Semaphore, task::JoinSet};

/// Processes at once. Most of a test of faults is waiting for a retry.
const AT_ONCE: usize = 8;

/// Calls of a run that loads rows, in their order; the last two are the pages.
pub(crate) const CALLS: [&str; 6] = [
    "login",
    "describeGlobal",
    "describeSObjects",
    "getServerTimestamp",
    "queryAll",
    "queryMore",
];

/// 450 rows of the object with a field of each type. Two of them are long texts, so its pages have 200 rows: three pages.
pub(crate) const SPECIMEN: &str = "{name: Specimen__c}";

/// An org, a database, a folder.
pub(crate) struct Bench {
    pub(crate) org: Control,
    pub(crate) resource: Resource,
    folder: TempDir,
    /// What is in the org's specimens, as they were at the first look.
    values: OnceLock<Vec<String>>,
    _simulator: Simulator,
}

/// A small org with three pages of specimens.
pub(crate) fn config() -> Config {
    Config {
        contacts: 30,
        accounts: 10,
        leads: 10,
        opportunities: 0,
        tasks: 0,
        cases: 0,
        users: 3,
        specimens: 450,
        ..Config::default()
    }
}

impl Bench {
    /// With a SQLite file in the folder.
    pub(crate) async fn sqlite(objects: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::sqlite(folder.path());
        Self::new(config(), folder, &database, objects).await
    }

    /// With a PostgreSQL database of its own.
    pub(crate) async fn postgres(name: &str, objects: &[&str]) -> Self {
        let database = Database::postgres(name).await;
        Self::new(config(), tempfile::tempdir().expect("a folder"), &database, objects).await
    }

    /// With what is given.
    pub(crate) async fn new(config: Config, folder: TempDir, database: &Database, objects: &[&str]) -> Self {
        let simulator = Simulator::start(config).await.expect("an org");
        let url = simulator.url().to_string();
        let resource = Resource::new(url.trim_end_matches('/'), database, objects);
        Self {
            org: simulator.control(),
            resource,
            folder,
            values: OnceLock::new(),
            _simulator: simulator,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> &Database {
        &self.resource.database
    }

    /// Runs a command on the resource as it is now.
    pub(crate) async fn run(&self, command: &str, more: &[&str]) -> Outcome {
        let file = self.resource.write(self.folder.path());
        let arguments: Vec<&str> = [command, "-f", file.as_str()]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let outcome = binary::run(self.folder.path(), &arguments).await;
        self.assert_discreet(&outcome.all());
        outcome
    }

    /// Replicates once.
    pub(crate) async fn once(&self) -> Outcome {
        self.run("run", &["--once"]).await
    }

    /// Replicates once, which must succeed.
    pub(crate) async fn replicate(&self) {
        let outcome = self.once().await.exits(0);
        assert!(outcome.stdout.starts_with("OBJECT"), "{}", outcome.stdout);
    }

    /// Calls of this name since the last reset.
    pub(crate) fn calls(&self, call: &str) -> u64 {
        self.org.counters().of(call)
    }

    pub(crate) fn strike(&self, rules: impl IntoIterator<Item = Rule>) {
        rules.into_iter().for_each(|rule| self.org.add_rule(rule));
    }

    /// Asserts that what was printed holds no secret, no session id and no value of a specimen.
    #[track_caller]
    pub(crate) fn assert_discreet(&self, printed: &str) {
        let mut banned: Vec<String> = vec![self.resource.password.clone(), PASSWORD.into(), TOKEN.into()];
        banned.extend(self.resource.token.clone());
        // <organization>!<opaque>
        banned.push("00D000000000001!".into());
        if let Database::Postgres { url } = self.database() {
            let url = url::Url::parse(url).expect("a URL");
            banned.extend(url.password().map(str::to_owned));
        }
        banned.extend(self.values.get_or_init(|| values(&self.org)).iter().cloned());
        let told: Vec<&String> = banned.iter().filter(|text| printed.contains(text.as_str())).collect();
        assert!(told.is_empty(), "{told:?} in:\n{printed}");
    }

    /// Asserts that each table of the resource holds the org's live rows, value by value.
    pub(crate) async fn assert_equal(&self) {
        let plan = self.run("plan", &["-o", "json"]).await.exits(0).json();
        let schema = self.org.schema();
        for object in plan["objects"].as_array().expect("objects") {
            let name = object["object"].as_str().expect("a name");
            let columns = columns(&schema, name, &object["columns"]);
            assert!(columns.len() > 3, "too little to compare: {object}");
            let rows = self
                .org
                .rows(name)
                .expect("the object is there")
                .filter(|row| !row.deleted);
            let records: BTreeMap<_, _> = rows.map(|row| (row.id, row.fields)).collect();
            assert!(!records.is_empty(), "{name} has no rows");
            assert_equal(
                self.database(),
                object["table"].as_str().expect("a table"),
                &columns,
                &records,
            )
            .await;
        }
    }
}

/// Values that are too long to be in a log by chance, of some rows of each page.
fn values(org: &Control) -> Vec<String> {
    let fields = ["Text__c", "Phone__c", "Email__c", "LongText__c"];
    let rows = org
        .rows_of("Specimen__c", &fields)
        .expect("the object is there")
        .step_by(7);
    rows.flat_map(|row| row.fields.into_values())
        .flatten()
        .filter(|value| value.len() > 6)
        .collect()
}

/// Columns that hold a field as it is.
fn columns(schema: &Schema, object: &str, columns: &serde_json::Value) -> Vec<Compared> {
    let object = schema.object(object).expect("the object is there");
    let columns = columns.as_array().expect("columns").iter();
    let compared = columns.filter_map(|column| {
        let field = object.field(column["source"].as_str()?)?;
        Some(Compared {
            column: column["name"].as_str()?.to_owned(),
            field: field.name.clone(),
            field_type: field.field_type.as_str().to_owned(),
        })
    });
    compared.collect()
}

/// An answer without this element.
pub(crate) fn missing(element: &str) -> What {
    What::MissingElement {
        element: element.to_owned(),
    }
}

/// An answer with another text in this element.
pub(crate) fn wrong(element: &str, text: &str) -> What {
    What::WrongValue {
        element: element.to_owned(),
        text: text.to_owned(),
    }
}

/// Runs cases side by side, a few at once, and tells all that failed.
pub(crate) async fn each<C, F>(cases: impl IntoIterator<Item = C>, check: impl Fn(C) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for case in cases {
        let (places, work) = (Arc::clone(&places), check(case));
        running.spawn(async move {
            let _place = places.acquire().await;
            work.await;
        });
    }
    let mut failed = 0;
    while let Some(ended) = running.join_next().await {
        // What went wrong was printed by the task's panic.
        failed += u32::from(ended.is_err());
    }
    assert_eq!(failed, 0, "cases failed; each is told above");
}
