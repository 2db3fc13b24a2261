//! An org, a folder with a resource, and a database: what a test plays on.

use std::path::Path;

use simulator::{Config, Control, Simulator};
use tempfile::TempDir;

use crate::{
    binary::{self, Outcome},
    database::Database,
    resource::Resource,
};

/// Which database a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// An org, a folder with a resource, and a database.
#[derive(Debug)]
pub struct Stage {
    /// The handle on the org.
    pub org: Control,
    /// What is written before each command.
    pub resource: Resource,
    folder: TempDir,
    _simulator: Simulator,
}

/// An org with no rows but those of a few users.
pub fn empty_org() -> Config {
    Config {
        contacts: 0,
        accounts: 0,
        leads: 0,
        opportunities: 0,
        tasks: 0,
        cases: 0,
        users: 3,
        specimens: 0,
        ..Config::default()
    }
}

impl Stage {
    /// A running org and an empty database; `name` is that of the test.
    ///
    /// # Panics
    /// When one of them cannot be had.
    pub async fn new(kind: Kind, name: &str, config: Config, objects: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let database = match kind {
            Kind::Postgres => Database::postgres(name).await,
            Kind::Sqlite => Database::sqlite(folder.path()),
        };
        let simulator = Simulator::start(config).await.expect("the org starts");
        Self {
            org: simulator.control(),
            resource: Resource::new(&simulator.url(), &database, objects),
            folder,
            _simulator: simulator,
        }
    }

    /// The working folder of the binary.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Which database it is.
    pub fn kind(&self) -> Kind {
        match self.database() {
            Database::Postgres { .. } => Kind::Postgres,
            Database::Sqlite { .. } => Kind::Sqlite,
        }
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.resource.database
    }

    /// Writes the resource and gives the arguments of a command on it.
    pub fn arguments<'a>(&self, command: &'a [&'a str]) -> Vec<String> {
        let file = self.resource.write(self.folder());
        let mut arguments: Vec<String> = command.iter().map(ToString::to_string).collect();
        arguments.extend(["-f".into(), file]);
        arguments
    }

    /// Runs a command on the resource as it is now.
    pub async fn command(&self, command: &[&str]) -> Outcome {
        let arguments = self.arguments(command);
        binary::run(self.folder(), &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Replicates once.
    ///
    /// # Panics
    /// Where the binary says that it did not.
    pub async fn once(&self) -> serde_json::Value {
        self.command(&["run", "--once", "-o", "json"]).await.exits(0).json()
    }

    /// Starts to replicate and does not wait for it.
    pub fn start(&self, command: &[&str]) -> tokio::process::Child {
        let arguments = self.arguments(command);
        binary::start(self.folder(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
