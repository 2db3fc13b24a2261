//! What a page plays on: an org, a PostgreSQL server of its own, and where the page asks for it a Kubernetes control plane
//! with a running operator.
//!
//! Commands are run by bash as they stand on the page, one block after the other in one folder; exported variables last to the end
//! of the page. Only the names of hosts are others: the org and the database of the examples are where the simulator and
//! the server of the test listen. The server is not the one that the other tests share: the page makes roles and databases
//! by the names that a reader would take.

use std::{fmt::Write as _, path::Path, process::Stdio, time::Duration};

use e2e::{
    binary::{self, Outcome},
    control_plane::{
        ControlPlane,
        rights::{NAME, documents},
    },
    operator::Operator,
    stage::empty_org,
};
use simulator::{Config, Control, Login, Simulator, UserChange};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::page::{Block, Page, ROOT};

/// The org, the user, its password and token, and the database of all examples.
const ORG: &str = "https://acme.my.salesforce.com";
const USER: &str = "integration@acme.example";
const PASSWORD: &str = "change-me";
const TOKEN: &str = "change-me-too";
const DATABASE: &str = "db.example.com";
/// The namespace of the replicator of the examples.
const NAMESPACE: &str = "telephony";

/// Programs that pages use beside ours, and Debian's packages that have them.
const NEEDED: &[(&str, &str)] = &[
    ("jq", "jq"),
    ("sqlite3", "sqlite3"),
    ("pg_dump", "postgresql-client"),
    ("psql", "postgresql-client"),
];

/// Longest time for a block.
const LIMIT: Duration = Duration::from_mins(5);

/// Between two looks at what a command that does not end has printed.
const LOOK: Duration = Duration::from_millis(50);

/// What is there before the first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The file `crm.yaml`, and the database as `docs/destinations.md` sets it up.
    File,
    /// The file `crm.yaml`, and an empty database server.
    Server,
    /// A database, and a cluster without the operator's definition; an operator waits for it.
    Cluster,
    /// A cluster with an operator and the replicator `crm`, up to date.
    Replicator,
}

/// See the module.
pub(crate) struct Scene {
    folder: TempDir,
    org: Control,
    org_url: String,
    server: Server,
    _simulator: Simulator,
    cluster: Option<(ControlPlane, Operator)>,
}

impl Scene {
    pub(crate) async fn new(start: Start) -> Self {
        let config = Config {
            contacts: 300,
            accounts: 40,
            leads: 20,
            logins: vec![
                Login::new("admin@example.com", "correct horse", "TOKEN123"),
                Login::new(USER, PASSWORD, TOKEN),
            ],
            ..empty_org()
        };
        let simulator = Simulator::start(config).await.expect("the org starts");
        let mut scene = Self {
            folder: tempfile::tempdir().expect("there is room for a folder"),
            org: simulator.control(),
            org_url: simulator.url().as_str().trim_end_matches('/').to_owned(),
            server: Server::start().await,
            _simulator: simulator,
            cluster: None,
        };
        Self::provide().await;
        scene.furnish();
        if start != Start::Server {
            for block in Page::read("docs/destinations.md").blocks {
                if block.word_names().any(|word| word == "setup") {
                    scene.play(&block).await;
                }
            }
        }
        if start != Start::Cluster {
            let sample = std::fs::read_to_string(Path::new(ROOT).join("deploy/samples/kubernetes.yaml"));
            scene.write("crm.yaml", &sample.expect("the sample is there"));
        }
        if matches!(start, Start::Cluster | Start::Replicator) {
            scene.cluster = Some(Box::pin(scene.with_operator(start)).await);
        }
        scene
    }

    /// Installs what is missing of the programs.
    async fn provide() {
        for (program, package) in NEEDED {
            let mut need = Command::new(Path::new(ROOT).join("scripts/need"));
            let done = need.args([program, package]).status().await.expect("the script starts");
            assert!(done.success(), "scripts/need says why");
        }
    }

    /// What commands find: the programs, parts of the repository, the password of the database's administrator.
    fn furnish(&self) {
        let folder = self.folder.path();
        let bin = folder.join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        let link = |from: &Path, to: &Path| std::os::unix::fs::symlink(from, to).expect("a link");
        for name in ["salesforce-replicator", "kubectl-sfr"] {
            link(binary::path(), &bin.join(name));
        }
        let root = Path::new(ROOT).canonicalize().expect("the repository");
        for part in ["charts", "crds", "deploy"] {
            link(&root.join(part), &folder.join(part));
        }
        let url = url::Url::parse(&self.server.url).expect("a URL");
        let administrator = format!("*:*:*:{}:{}\n", url.username(), url.password().expect("a password"));
        std::fs::write(folder.join(".pgpass"), administrator).expect("a file");
        std::fs::set_permissions(
            folder.join(".pgpass"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .expect("it is ours");
        std::fs::write(folder.join(".exported"), "").expect("a file");
    }

    /// A control plane with an operator, and the replicator where it is to be there.
    async fn with_operator(&self, start: Start) -> (ControlPlane, Operator) {
        let plane = Box::pin(ControlPlane::start()).await;
        let admin = plane.admin();
        let kubectl = admin.kubectl_command(&[]);
        let link = std::os::unix::fs::symlink(kubectl.as_std().get_program(), self.folder.path().join("bin/kubectl"));
        link.expect("a link");
        std::fs::copy(&admin.kubeconfig, self.folder.path().join("kubeconfig")).expect("a file");
        let arguments = ["--lease-namespace", NAME];
        for namespace in documents("base/namespace.yaml") {
            admin.apply(&namespace.to_string()).await;
        }
        if start == Start::Cluster {
            let helm = Command::new(Path::new(ROOT).join("scripts/program"))
                .arg("helm")
                .stderr(Stdio::inherit())
                .output();
            let helm: Outcome = helm.await.expect("the script starts").into();
            let helm = std::os::unix::fs::symlink(helm.exits(0).stdout.trim(), self.folder.path().join("bin/helm"));
            helm.expect("a link");
            // What a page installs has a Deployment, whose pod nothing here runs: this process takes its place. As the administrator,
            // since the page makes the service account with its rights only later.
            let delete = ["delete", "crd", "salesforcereplicators.salesforce-replicator.io"];
            let _deleted = admin.kubectl(&delete).await.exits(0);
            let operator = Operator::start(admin, self.folder.path(), &arguments).await;
            return (plane, operator);
        }
        let install = "kubectl apply --server-side -k deploy/overlays/cluster";
        let _installed = self
            .bash(install)
            .output()
            .await
            .map(Outcome::from)
            .expect("bash starts")
            .exits(0);
        let user = plane.service_account(NAME, NAME).await;
        let operator = Operator::start(&user, self.folder.path(), &arguments).await;
        let begin = format!(
            "kubectl create namespace {NAMESPACE}
             kubectl config set-context --current --namespace {NAMESPACE}
             kubectl apply -f crm.yaml
             kubectl wait --for=condition=Ready sfr/crm --timeout=3m"
        );
        let _ready = self
            .bash(&begin)
            .output()
            .await
            .map(Outcome::from)
            .expect("bash starts")
            .exits(0);
        (plane, operator)
    }

    /// A text with the hosts of the test in the place of those of the examples.
    fn told(&self, text: &str) -> String {
        let url = url::Url::parse(&self.server.url).expect("a URL");
        let server = format!("127.0.0.1:{}", url.port().expect("a port"));
        text.replace(ORG, &self.org_url).replace(DATABASE, &server)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, self.told(text)).expect(name);
    }

    /// Plays a block, and gives what it printed; panics where it fails.
    pub(crate) async fn play(&self, block: &Block) -> String {
        self.before(block);
        if let Some(file) = block.word("file") {
            self.write(file, &block.text);
        }
        match block.language.as_str() {
            "console" => self.console(block).await,
            "sql" => self.sql(block).await,
            _ => String::new(),
        }
    }

    /// What has happened in the org when a page comes to this block.
    fn before(&self, block: &Block) {
        match block.word("before") {
            None => {}
            Some("mass-delete") => {
                let rows = self.org.rows("Contact").expect("contacts");
                let ids: Vec<String> = rows.filter(|row| !row.deleted).map(|row| row.id).collect();
                for id in ids.iter().take(ids.len() * 2 / 3) {
                    self.org.delete("Contact", id).expect("it is there");
                }
            }
            Some("no-view-all") => {
                let change = UserChange {
                    view_all_data: Some(false),
                    ..UserChange::default()
                };
                self.org.change_user(USER, change).expect("the user is there");
            }
            Some("hidden-object") => self.org.withdraw(USER, "Account", None).expect("it is there"),
            Some(other) => panic!("line {}: before={other}: no such thing happens", block.line),
        }
    }

    async fn console(&self, block: &Block) -> String {
        let script = super::without_elsewhere(block);
        match block.word("until") {
            None => {
                let code = block.word("exit").map_or(0, |code| code.parse().expect("a number"));
                self.ended(&script, code).await
            }
            Some(word) => self.endless(&script, word).await,
        }
    }

    async fn sql(&self, block: &Block) -> String {
        let statements = self.told(&block.text);
        self.write("block.sql", &statements);
        let command = if let Some(file) = block.word("sqlite") {
            format!("sqlite3 -bail {file} < block.sql")
        } else {
            let user = block.word("as").unwrap_or("postgres");
            let database = block.word("db").unwrap_or("crm");
            let secret = if user == "postgres" {
                String::new()
            } else {
                format!(":{PASSWORD}")
            };
            let url = self.told(&format!("postgres://{user}{secret}@{DATABASE}/{database}"));
            format!("psql --no-psqlrc --set ON_ERROR_STOP=1 '{url}' --file block.sql")
        };
        self.ended(&command, 0).await
    }

    /// Runs commands to their end.
    async fn ended(&self, script: &str, code: i32) -> String {
        let output = tokio::time::timeout(LIMIT, self.bash(script).output()).await;
        let outcome: Outcome = output.expect("it ends").expect("bash starts").into();
        outcome.exits(code).all()
    }

    /// Runs a command that does not end by itself until it has printed a word.
    async fn endless(&self, script: &str, word: &str) -> String {
        let file = self.folder.path().join("endless.log");
        let output = std::fs::File::create(&file).expect("a file");
        let mut command = self.bash(&format!("exec {}", script.trim()));
        command.stdout(output.try_clone().expect("a file")).stderr(output);
        let mut child = command.spawn().expect("bash starts");
        let printed = || std::fs::read_to_string(&file).unwrap_or_default();
        let wait = async {
            while !printed().contains(word) {
                let ended = child.try_wait().expect("a child can be asked");
                assert!(ended.is_none(), "{script}: {ended:?}: {}", printed());
                tokio::time::sleep(LOOK).await;
            }
        };
        let came = tokio::time::timeout(LIMIT, wait).await;
        assert!(came.is_ok(), "{script}: no {word} in {}", printed());
        binary::signal(&child, "TERM").await;
        let _ended = binary::ended(child).await;
        printed()
    }

    /// Ends in order what was started.
    pub(crate) async fn end(self) {
        if let Some((_plane, operator)) = self.cluster {
            let _ended = operator.stop().await;
        }
    }

    fn bash(&self, script: &str) -> Command {
        let folder = self.folder.path();
        let mut whole = String::from("set -euo pipefail\n. ./.exported\n");
        write!(whole, "{}\nexport -p > .exported\n", self.told(script)).expect("room");
        let mut command = Command::new("bash");
        command
            .args(["-c", &whole])
            .current_dir(folder)
            .env_clear()
            .kill_on_drop(true);
        let path = std::env::var("PATH").expect("a path");
        command
            .env("PATH", format!("{}:{path}", folder.join("bin").display()))
            .env("HOME", folder)
            .env("LC_ALL", "C.UTF-8")
            .env("KUBECONFIG", folder.join("kubeconfig"))
            .env("KUBECACHEDIR", "/dev/null")
            .env("KUBERC", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A PostgreSQL server that ends with its standard input, and so with whoever holds this.
struct Server {
    url: String,
    _child: Child,
}

impl Server {
    async fn start() -> Self {
        let mut command = Command::new(Path::new(ROOT).join("scripts/with-postgres"));
        command
            .args(["sh", "-c", "echo \"$SFR_TEST_POSTGRES_URL\"; cat"])
            .env_remove("SFR_TEST_POSTGRES_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the script starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let url = lines
            .next_line()
            .await
            .expect("it can be read")
            .expect("the server starts");
        Self { url, _child: child }
    }
}
