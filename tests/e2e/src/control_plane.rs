//! A real Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager, without Docker and without root.
//!
//! Nothing stands in for the API server, since the real one alone says whether it takes the definition, what it defaults
//! and prunes, who owns a field, and what a Role allows. It is there in some seconds. `scripts/kubernetes` says where the
//! programs are, and builds them where they are not.
//!
//! [`ControlPlane::shared`] is for all tests of the process, each in a [namespace](ControlPlane::namespace) of its own.
//! [`ControlPlane::start`] is for a test that stops the API server or takes the definition away. RBAC is in force: the
//! [operator](ControlPlane::operator) has the rights that are shipped, any other [service
//! account](ControlPlane::service_account) none. Give its kubeconfig to the process under test;
//! [`ControlPlane::requests_of`] tells what it asked for.

use std::{
    io::Write,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use serde_json::json;
use tokio::sync::OnceCell;

use self::{
    audit::Request,
    certificates::Certificates,
    process::{Folder, Process},
    user::{Server, User},
};

pub mod audit;
mod certificates;
mod process;
pub mod rights;
pub mod user;

/// The definition, as it is shipped.
pub const DEFINITION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds/salesforcereplicator.yaml");

/// Says where the programs are.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kubernetes");

/// Longest wait for something that must happen: a machine with other work to do is slow.
const LIMIT: Duration = Duration::from_mins(3);

/// Between two looks at something that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(20);

/// How often other ports are tried where somebody else was faster to take one.
const TRIES: usize = 5;

/// How long a service account's token is good, in seconds: longer than any test, and at least ten minutes.
const TOKEN_SECONDS: i64 = 7200;

/// A running control plane. It ends when it is dropped, and with the test process.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped before the folder that they write to.
    processes: Mutex<Processes>,
    admin: User,
    programs: PathBuf,
    certificates: Certificates,
    ports: Ports,
    folder: Folder,
}

/// What runs, in the order in which it is stopped: who asks before whom it asks.
#[derive(Debug, Default)]
struct Processes {
    controller_manager: Option<Process>,
    api_server: Option<Process>,
    etcd: Option<Process>,
}

impl Processes {
    /// What the first of them said last that has ended by itself.
    fn ended(&mut self) -> Option<String> {
        let Self {
            controller_manager,
            api_server,
            etcd,
        } = self;
        [etcd, api_server, controller_manager]
            .into_iter()
            .flatten()
            .find_map(Process::ended)
    }
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    etcd: u16,
    peers: u16,
    api_server: u16,
}

impl ControlPlane {
    /// The one that all tests of this process share. The definition is installed; leave it there.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of its own, for a test that does to it what others would feel. The definition is installed.
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::disallowed_methods, reason = "told to a person, and nothing depends on it")]
    pub async fn start() -> Self {
        let programs = programs().await;
        let begin = Instant::now();
        for _ in 0..TRIES {
            match Self::try_to_start(&programs).await {
                Ok(started) => {
                    // Past the capture of the test's output: whoever waits shall know for what.
                    let seconds = begin.elapsed().as_secs_f64();
                    writeln!(std::io::stderr(), "control plane ready in {seconds:.1} s").ok();
                    return started;
                }
                Err(ended) => assert!(ended.contains("address already in use"), "{ended}"),
            }
        }
        panic!("{TRIES} times somebody else was faster to take a free port");
    }

    async fn try_to_start(programs: &Path) -> Result<Self, String> {
        let folder = Folder::new();
        let path = folder.path();
        let certificates = Certificates::write(path);
        std::fs::write(path.join("audit.yaml"), audit::POLICY).expect("the folder can be written to");
        let [etcd, peers, api_server] = free_ports();
        let ports = Ports {
            etcd,
            peers,
            api_server,
        };
        let server = server(ports.api_server, &certificates, programs);
        let credentials = json!({
            "client-certificate": certificates.admin.certificate,
            "client-key": certificates.admin.key,
        });
        let admin = User::new("admin", &server, credentials, "default", path.join("admin.kubeconfig")).await;
        let started = Self {
            processes: Mutex::default(),
            admin,
            programs: programs.to_owned(),
            certificates,
            ports,
            folder,
        };
        started.processes().etcd = Some(started.run("etcd", &etcd_arguments(ports)));
        started.try_to_start_api_server().await?;
        // Before the controller manager looks at which kinds there are: it looks again only after a while, and collects
        // nothing that it does not know.
        started.install_definition().await;
        let arguments = started.controller_manager_arguments();
        started.processes().controller_manager = Some(started.run("kube-controller-manager", &arguments));
        Ok(started)
    }

    /// The administrator, who may do everything and is not in the audit log.
    pub fn admin(&self) -> &User {
        &self.admin
    }

    /// The administrator's client.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn client(&self) -> Client {
        self.admin.client()
    }

    /// A new namespace for a test; its name begins with `name`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn namespace(&self, name: &str) -> String {
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{name}-")),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let namespaces: Api<Namespace> = Api::all(self.client());
        let made = namespaces.create(&PostParams::default(), &namespace).await;
        made.expect("a namespace").metadata.name.expect("a name")
    }

    /// A service account, made where it is missing, with a token of the API server.
    ///
    /// # Panics
    /// When it cannot be had.
    pub async fn service_account(&self, namespace: &str, name: &str) -> User {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        if accounts.get_opt(name).await.expect("the API server answers").is_none() {
            let mut account = ServiceAccount::default();
            account.metadata.name = Some(name.to_owned());
            let made = accounts.create(&PostParams::default(), &account).await;
            made.expect("a service account");
        }
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await;
        let token = answer.expect("a token").status.expect("an answer").token;
        User::new(
            &format!("system:serviceaccount:{namespace}:{name}"),
            &server(self.ports.api_server, &self.certificates, &self.programs),
            json!({"token": token}),
            namespace,
            self.folder.path().join(format!("{namespace}.{name}.kubeconfig")),
        )
        .await
    }

    /// What somebody has asked for so far, in the order of the answers. The log is written along with the answer, not
    /// before it: wait for what must come with [`binary::until`](crate::binary::until).
    pub fn requests_of(&self, user: &User) -> Vec<Request> {
        let mut requests = audit::read(&self.folder.path().join("audit.log"));
        requests.retain(|request| request.user == user.name);
        requests
    }

    /// Installs the definition, or brings it back, and waits until it is served.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn install_definition(&self) {
        let definition = std::fs::read_to_string(DEFINITION).expect("the definition is there");
        self.admin.apply(&definition).await;
        let name = "crd/salesforcereplicators.salesforce-replicator.io";
        let outcome = self
            .admin
            .kubectl(&["wait", "--for=condition=Established", "--timeout=2m", name])
            .await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }

    /// Kills the API server. etcd keeps everything.
    pub fn stop_api_server(&self) {
        self.processes().api_server = None;
    }

    /// Starts it again, on the same port, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_api_server(&self) {
        if let Err(ended) = self.try_to_start_api_server().await {
            panic!("{ended}");
        }
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, program: &str, arguments: &[String]) -> Process {
        Process::start(&self.programs.join(program), arguments, self.folder.path())
    }

    async fn try_to_start_api_server(&self) -> Result<(), String> {
        let api_server = self.run("kube-apiserver", &self.api_server_arguments());
        self.processes().api_server = Some(api_server);
        let client = self.client();
        let ready = async {
            loop {
                if let Some(ended) = self.processes().ended() {
                    return Err(ended);
                }
                let readyz = http::Request::get("/readyz").body(Vec::new()).expect("a request");
                if client.request_text(readyz).await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(LIMIT, ready)
            .await
            .expect("the API server becomes ready")
    }

    fn api_server_arguments(&self) -> Vec<String> {
        let Certificates {
            authority,
            server,
            admin: _,
            token_key,
            token_public_key,
        } = &self.certificates;
        let folder = self.folder.path();
        let file = |path: &Path| path.display().to_string();
        vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", self.ports.api_server),
            // It must not be a loopback address; nobody uses it.
            "--advertise-address=10.255.0.1".into(),
            "--endpoint-reconciler-type=none".into(),
            format!("--tls-cert-file={}", file(&server.certificate)),
            format!("--tls-private-key-file={}", file(&server.key)),
            format!("--client-ca-file={}", file(authority)),
            format!("--cert-dir={}", file(folder)),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.0.0.0/24".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-signing-key-file={}", file(token_key)),
            format!("--service-account-key-file={}", file(token_public_key)),
            format!("--audit-policy-file={}", file(&folder.join("audit.yaml"))),
            format!("--audit-log-path={}", file(&folder.join("audit.log"))),
            "--audit-log-mode=blocking-strict".into(),
            "--profiling=false".into(),
        ]
    }

    fn controller_manager_arguments(&self) -> Vec<String> {
        let file = |path: &Path| path.display().to_string();
        vec![
            format!("--kubeconfig={}", file(&self.admin.kubeconfig)),
            "--leader-elect=false".into(),
            "--secure-port=0".into(),
            format!(
                "--service-account-private-key-file={}",
                file(&self.certificates.token_key)
            ),
            format!("--root-ca-file={}", file(&self.certificates.authority)),
        ]
    }
}

fn etcd_arguments(ports: Ports) -> Vec<String> {
    let clients = format!("http://127.0.0.1:{}", ports.etcd);
    vec![
        "--data-dir=etcd".into(),
        // A crash of the machine may lose these data.
        "--unsafe-no-fsync=true".into(),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls=http://127.0.0.1:{}", ports.peers),
    ]
}

fn server<'a>(port: u16, certificates: &'a Certificates, programs: &Path) -> Server<'a> {
    Server {
        url: format!("https://127.0.0.1:{port}"),
        authority: &certificates.authority,
        kubectl: programs.join("kubectl"),
    }
}

/// The folder with the programs, which are built where they are missing.
async fn programs() -> PathBuf {
    static FOLDER: OnceCell<PathBuf> = OnceCell::const_new();
    let find = || async {
        let found = tokio::process::Command::from(Command::new(PROGRAMS))
            .stderr(Stdio::inherit())
            .output()
            .await;
        let found = found.expect("scripts/kubernetes starts");
        assert!(found.status.success(), "scripts/kubernetes says why");
        PathBuf::from(String::from_utf8(found.stdout).expect("UTF-8").trim_end())
    };
    FOLDER.get_or_init(find).await.clone()
}

/// Ports that nobody has. They lie below those that the kernel gives to connections, so that one stays free while its
/// server is away.
fn free_ports<const N: usize>() -> [u16; N] {
    let mut held: Vec<TcpListener> = Vec::new();
    while held.len() < N {
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(20_000..32_000))));
    }
    std::array::from_fn(|n| held[n].local_addr().expect("it is bound").port())
}
