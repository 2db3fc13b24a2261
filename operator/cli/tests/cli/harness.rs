//! An org, a working folder, and the binary in it.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use simulator::{Config, Control, Row, Simulator};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};

/// Longest wait for something that must happen; a test that needs it has failed.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A finished run of the binary.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Asserts how it ended.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }
}

/// A working folder without an org.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The binary with these arguments, in the folder, without anything of this process's environment that it reads.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), arguments)
    }

    /// The same, started as from a terminal: what a shell runs in its background is born deaf to Ctrl-C, tests and
    /// their children too.
    pub(crate) fn command_that_heeds_signals(&self, arguments: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_salesforce-replicator");
        let arguments = ["--default-signal=INT", binary]
            .into_iter()
            .chain(arguments.iter().copied());
        start("/usr/bin/env", self.folder.path(), &arguments.collect::<Vec<_>>())
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments)).await
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    start(env!("CARGO_BIN_EXE_salesforce-replicator"), folder, arguments)
}

fn start(program: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(crate) async fn finish(mut command: Command) -> Finished {
    let output = tokio::time::timeout(LIMIT, command.output())
        .await
        .expect("it ends in time")
        .unwrap();
    Finished::from(output)
}

/// Runs a command that reads standard input to its end.
pub(crate) async fn feed(mut command: Command, input: &str) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    Finished::from(
        tokio::time::timeout(LIMIT, child.wait_with_output())
            .await
            .expect("it ends in time")
            .unwrap(),
    )
}

/// Sends a signal and gives the end.
pub(crate) async fn stop(mut child: Child, signal: &str) -> ExitStatus {
    let process = child.id().unwrap().to_string();
    let sent = Command::new("kill").args([signal, &process]).status().await.unwrap();
    assert!(sent.success());
    tokio::time::timeout(LIMIT, child.wait())
        .await
        .expect("it stops in time")
        .unwrap()
}

/// An org and a working folder with `crm.yaml` for it.
pub(crate) struct Bench {
    pub(crate) desk: Desk,
    pub(crate) org: Control,
    pub(crate) url: String,
    _simulator: Simulator,
}

impl Bench {
    /// 300 contacts, 40 accounts, 20 leads.
    pub(crate) async fn new() -> Self {
        let config = Config {
            contacts: 300,
            accounts: 40,
            leads: 20,
            ..Config::default()
        };
        let simulator = Simulator::start(config).await.unwrap();
        let url = simulator.url().to_string().trim_end_matches('/').to_owned();
        let bench = Self {
            desk: Desk::new(),
            org: simulator.control(),
            url,
            _simulator: simulator,
        };
        bench.write(&["Contact", "Account"], "");
        bench
    }

    /// Writes `crm.yaml` with these objects and more of the spec.
    pub(crate) fn write(&self, objects: &[&str], more: &str) {
        let list: Vec<_> = objects.iter().map(|name| format!("    - {{name: {name}}}\n")).collect();
        self.desk.write(
            "crm.yaml",
            &format!("{}{}", self.resource(&list.concat(), more), secret("correct horse")),
        );
    }

    /// A resource of this org.
    pub(crate) fn resource(&self, objects: &str, more: &str) -> String {
        format!(
            "apiVersion: salesforce-replicator.io/v1alpha1\n\
             kind: SalesforceReplicator\n\
             metadata: {{name: crm}}\n\
             spec:\n  \
             connection:\n    \
             loginUrl: {}\n    \
             auth: {{password: {{secretRef: {{name: crm-salesforce}}}}}}\n  \
             destination: {{sqlite: {{file: crm.db}}}}\n  \
             objects:\n{objects}{more}",
            self.url
        )
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        self.desk.run(arguments).await
    }

    /// One number out of the database.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.desk.path("crm.db")).unwrap()
    }

    /// Waits until the org has had a call about an object.
    pub(crate) async fn called(&self, call: &str, object: &str) {
        let wait = async {
            while !self
                .org
                .calls(100)
                .iter()
                .any(|made| made.call == call && made.object.as_deref() == Some(object))
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("the call comes in time");
    }
}

/// A field of a row of the org; empty is none.
pub(crate) fn field<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.fields
        .get(name)
        .and_then(Option::as_deref)
        .filter(|value| !value.is_empty())
}

/// The Secret of `crm.yaml`.
pub(crate) fn secret(password: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: crm-salesforce}}\n\
         stringData: {{username: admin@example.com, password: {password}, securityToken: TOKEN123}}\n"
    )
}

/// Compares with a file of `tests/golden`; `UPDATE_GOLDEN=1` writes it.
#[track_caller]
pub(crate) fn assert_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{name} differs; UPDATE_GOLDEN=1 cargo test -p cli writes it. Found:\n{found}"
    );
}
