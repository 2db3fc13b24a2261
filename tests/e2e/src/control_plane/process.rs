//! Processes that end with the test process, however it ends.
//!
//! The control plane is shared by the tests of a process and lies in a static, whose destructor never runs; and a test
//! process may be killed. So the kernel is asked to kill a process when the *thread* that started it ends (`setpriv
//! --pdeathsig`). The thread of a test ends with the test: all are started by one thread that lives as long as the
//! process. What they leave on the disk is removed by a shell that waits for the end of its input.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{Sender, SyncSender, channel, sync_channel},
    },
};

/// A command, and where to send what came of it.
type Order = (Command, SyncSender<io::Result<Child>>);

/// Starts a process from the thread that outlives all tests.
fn spawn(command: Command) -> Child {
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        std::thread::Builder::new()
            .name("control-plane".into())
            .spawn(move || {
                for (mut command, answer) in orders {
                    answer.send(command.spawn()).expect("somebody waits for the process");
                }
            })
            .expect("a thread starts");
        sender
    });
    let (answer, outcome) = sync_channel(1);
    let name = command.get_program().to_string_lossy().into_owned();
    starter.send((command, answer)).expect("the thread lives");
    let outcome = outcome.recv().expect("the thread answers");
    outcome.unwrap_or_else(|error| panic!("{name} does not start: {error}"))
}

/// A program that runs until it is dropped or the test process ends.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with its output in `folder`.
    pub(super) fn start(program: &Path, arguments: &[String], folder: &Path) -> Self {
        let name = program.file_name().expect("a program has a name").to_string_lossy();
        let log = folder.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the folder can be written to");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output);
        Self {
            name: name.into_owned(),
            child: spawn(command),
            log,
        }
    }

    /// What it said last, if it has ended.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("a child can be asked")?;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n");
        Some(format!("{} ended ({status}):\n{last}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

/// A folder that goes with the test process.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    remover: Child,
    input: Option<ChildStdin>,
}

impl Folder {
    /// A new one.
    pub(super) fn new() -> Self {
        let path = tempfile::Builder::new()
            .prefix("sfr-control-plane.")
            .tempdir()
            .expect("there is room for a folder")
            .keep();
        // Ctrl-C reaches the shell as well, and whoever writes to the folder is being killed at the same moment.
        let script = "trap '' HUP INT TERM; cat; for _ in 1 2 3 4 5; do rm -rf \"$0\" && exit; sleep 1; done";
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut remover = spawn(command);
        let input = remover.stdin.take();
        Self { path, remover, input }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.input.take());
        self.remover.wait().ok();
    }
}
