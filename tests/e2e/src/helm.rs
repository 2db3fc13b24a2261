//! helm, and the chart that it is given.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

use crate::{binary::Outcome, control_plane::user::User};

/// The chart's folder.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/salesforce-replicator");

/// Says where helm is, and builds it where it is not.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/program");

/// The version that a chart is rendered for without an API server: helm's own guess changes with its version.
pub const KUBERNETES: &str = "1.36.0";

/// helm with a home of its own, so that nothing of the caller's is read or written.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    home: TempDir,
    kubeconfig: PathBuf,
}

impl Helm {
    /// Without an API server.
    ///
    /// # Panics
    /// When there is none and none can be built.
    pub async fn offline() -> Self {
        let home = tempfile::tempdir().expect("there is room for a folder");
        Self {
            program: program().await,
            kubeconfig: home.path().join("none"),
            home,
        }
    }

    /// As somebody who talks to an API server.
    ///
    /// # Panics
    /// When there is none and none can be built.
    pub async fn of(user: &User) -> Self {
        Self {
            kubeconfig: user.kubeconfig.clone(),
            ..Self::offline().await
        }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HELM_") {
                command.env_remove(name);
            }
        }
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(folder, self.home.path().join(folder));
        }
        command.env("KUBECONFIG", &self.kubeconfig);
        command.output().await.expect("helm starts").into()
    }

    /// The first number of its version.
    ///
    /// # Panics
    /// When it does not tell.
    pub async fn major(&self) -> u32 {
        let told = self
            .run(&["version", "--template", "{{.Version}}"])
            .await
            .exits(0)
            .stdout;
        let major = told.trim_start_matches('v').split('.').next();
        major.and_then(|major| major.parse().ok()).expect("a version")
    }

    /// What the chart is for a release of that name in that namespace, or why it is refused.
    ///
    /// # Panics
    /// When helm cannot be started.
    pub async fn template(&self, release: &str, namespace: &str, arguments: &[&str]) -> Outcome {
        let mut all = vec!["template", release, CHART, "--namespace", namespace];
        all.extend(["--kube-version", KUBERNETES]);
        all.extend(arguments);
        self.run(&all).await
    }

    /// The documents of the chart by default but for `settings`, each `KEY=VALUE`, as a release of its own name.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn documents(&self, settings: &[&str]) -> Documents {
        let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
        let rendered = self.template("salesforce-replicator", "salesforce-replicator", &arguments);
        Documents::of(&rendered.await.exits(0).stdout)
    }
}

/// Documents of a YAML text.
#[derive(Debug, Clone, Default)]
pub struct Documents(pub Vec<Value>);

impl Documents {
    /// # Panics
    /// When the text is no YAML.
    pub fn of(yaml: &str) -> Self {
        let all: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
        Self(all.into_iter().filter(|document| !document.is_null()).collect())
    }

    /// Those of a kind.
    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|document| document["kind"] == kind).collect()
    }

    /// The one of a kind and name.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[track_caller]
    pub fn one(&self, kind: &str, name: &str) -> &Value {
        let mut found = self.of_kind(kind);
        found.retain(|document| document["metadata"]["name"] == name);
        match found[..] {
            [one] => one,
            _ => panic!("{} of {kind} {name} among {:?}", found.len(), self.names()),
        }
    }

    /// Kind and name of each, `Kind/name`, or `Kind/name.namespace`.
    pub fn names(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = |document: &Value| {
            let metadata = &document["metadata"];
            let namespace = text(&metadata["namespace"]);
            let dot = if namespace.is_empty() { "" } else { "." };
            format!(
                "{}/{}{dot}{namespace}",
                text(&document["kind"]),
                text(&metadata["name"])
            )
        };
        self.0.iter().map(name).collect()
    }
}

/// A copy of the chart, for a test that changes it.
///
/// # Panics
/// When there is no room.
pub fn copied(into: &Path) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("there is room for a folder");
        for entry in std::fs::read_dir(from).expect("it can be read") {
            let entry = entry.expect("it can be read");
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).expect("there is room for a file");
            }
        }
    }
    copy(Path::new(CHART), into);
}

async fn program() -> PathBuf {
    static PATH: OnceCell<PathBuf> = OnceCell::const_new();
    let find = || async {
        let mut command = Command::new(PROGRAM);
        let found = command.arg("helm").stderr(Stdio::inherit()).output().await;
        let found = found.expect("scripts/program starts");
        assert!(found.status.success(), "scripts/program says why");
        PathBuf::from(String::from_utf8(found.stdout).expect("UTF-8").trim_end())
    };
    PATH.get_or_init(find).await.clone()
}
