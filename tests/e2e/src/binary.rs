//! `salesforce-replicator` as a process.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tokio::process::{Child, Command};

/// Variable with the path of the binary, where it was built along with the tests: building it alone unites other features
/// of its dependencies, and so compiles half of them again.
const BUILT: &str = "SFR_TEST_BINARY";

/// The binary, built if it is not current. Cargo's lock makes parallel test processes wait for one build.
///
/// # Panics
/// When it cannot be built.
pub fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(built) = std::env::var_os(BUILT) {
            return built.into();
        }
        let test = std::env::current_exe().expect("a test has a path");
        let target = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
        let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "cli"]);
        if target.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "`cargo build --package cli` failed"
        );
        let binary = target.join("salesforce-replicator");
        assert!(
            binary.is_file(),
            "{} is not there: run the tests by `make test-rust`",
            binary.display()
        );
        binary
    })
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error: messages and logs.
    pub stderr: String,
}

impl Outcome {
    /// Both outputs, for a search.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Itself, if the exit code is `code`.
    ///
    /// # Panics
    /// Where it is another; prints what the binary said.
    #[track_caller]
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
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
    ///
    /// # Panics
    /// Where it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The binary with `args`, in `folder`, with no terminal and nothing of the caller's environment that it would read.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(path());
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SFR_") || text == "RUST_LOG" || text.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs the binary to its end.
///
/// # Panics
/// When it cannot be started.
pub async fn run(folder: &Path, args: &[&str]) -> Outcome {
    command(folder, args).output().await.expect("the binary starts").into()
}

/// Longest wait for something that must happen: a machine with other work to do is slow, and a test that reaches this has
/// failed.
const LIMIT: Duration = Duration::from_mins(3);

/// Between two looks at something that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(2);

/// Starts the binary and does not wait for it.
///
/// # Panics
/// When it cannot be started.
pub fn start(folder: &Path, args: &[&str]) -> Child {
    command(folder, args).spawn().expect("the binary starts")
}

/// Sends a process a signal by its name: `KILL`, `TERM`, `INT`. One that has ended already gets none.
///
/// # Panics
/// When there is no `kill`.
pub async fn signal(child: &Child, name: &str) {
    if let Some(process) = child.id() {
        let sent = Command::new("kill").args(["-s", name, &process.to_string()]).output();
        sent.await.expect("there is a command kill");
    }
}

/// Waits until a process has ended, and gives what it said. What no signal ended has `Some` code.
///
/// # Panics
/// When it does not end.
pub async fn ended(child: Child) -> Outcome {
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    output.expect("it ends").expect("it can be waited for").into()
}

/// Waits until something is so.
///
/// # Panics
/// When it does not become so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(
        tokio::time::timeout(LIMIT, wait).await.is_ok(),
        "waited in vain: {what}"
    );
}
