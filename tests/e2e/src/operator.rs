//! The operator as its own process against a real API server, with the rights that are shipped, and what it works on.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use crds::{SalesforceReplicator, SalesforceReplicatorStatus};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use simulator::Config;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Child,
};

use crate::{
    binary::{self, Outcome, until},
    control_plane::{ControlPlane, rights::Scope, user::User},
    stage::{Kind, Stage},
};

/// Longest wait for something that must happen.
const LIMIT: std::time::Duration = std::time::Duration::from_mins(3);

/// An operator process. It is killed when it is dropped.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    log: PathBuf,
    health: SocketAddr,
    metrics: SocketAddr,
}

impl Operator {
    /// Starts the binary as `user`, and waits until it listens. `folder` takes its log.
    ///
    /// # Panics
    /// When it does not.
    pub async fn start(user: &User, folder: &Path, arguments: &[&str]) -> Self {
        let log = (0..1000)
            .map(|number| folder.join(format!("operator-{number}.log")))
            .find(|file| !file.exists())
            .expect("a free name");
        let mut all = vec!["operator", "--log-format", "json", "--grace-period", "20"];
        all.extend(["--health-address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"]);
        all.extend(arguments);
        let mut command = binary::command(folder, &all);
        command
            .env("KUBECONFIG", &user.kubeconfig)
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the folder can be written to"));
        let mut child = command.spawn().expect("the binary starts");
        let mut addresses = None;
        until("the operator listens", async || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{ended:?}: {}", read(&log));
            addresses = listening(&read(&log), "Probes").zip(listening(&read(&log), "Metrics"));
            addresses.is_some()
        })
        .await;
        let (health, metrics) = addresses.expect("it listens");
        Self {
            child,
            log,
            health,
            metrics,
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// The answer to a path, with its status.
    ///
    /// # Panics
    /// When there is none.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let address = if path == "/metrics" { self.metrics } else { self.health };
        let stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let (mut stream, request) = (
            stream,
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        );
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, body.to_owned())
    }

    /// Where it is scraped.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    /// A scrape.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.1
    }

    /// The value of a series, by the beginning of its line.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics().await;
        let line = text.lines().find(|line| line.starts_with(series))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    /// Memory in use, KiB.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the system tells memory")
    }

    /// Time of CPU used, seconds.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let fields = stat.rsplit_once(')').expect("a name in parentheses").1;
        let ticks = fields.split_whitespace().skip(11).take(2);
        // A hundred ticks a second on every system that Linux runs on today.
        ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
    }

    fn proc(&self, file: &str) -> String {
        let process = self.child.id().expect("it runs");
        std::fs::read_to_string(format!("/proc/{process}/{file}")).expect("the system tells")
    }

    /// Sends a signal by its name.
    pub async fn signal(&self, name: &str) {
        binary::signal(&self.child, name).await;
    }

    /// SIGTERM, and what it says at its end.
    pub async fn stop(self) -> Outcome {
        self.signal("TERM").await;
        self.ended().await
    }

    /// SIGKILL.
    pub async fn kill(self) {
        self.signal("KILL").await;
        self.ended().await;
    }

    /// Waits for its end.
    pub async fn ended(self) -> Outcome {
        let mut outcome = binary::ended(self.child).await;
        outcome.stderr = read(&self.log);
        outcome
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// Where it said that it listens.
fn listening(log: &str, serves: &str) -> Option<SocketAddr> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["message"] == "listening" && line["serves"] == serves)?["address"]
        .as_str()?
        .parse()
        .ok()
}

/// A namespace of the shared API server with an org, a database and a resource to apply.
pub struct Site {
    /// The API server.
    pub plane: &'static ControlPlane,
    /// Of the operator, its Lease and the resource.
    pub namespace: String,
    /// As whom the operator works.
    pub user: User,
    /// The org, the database and the resource.
    pub stage: Stage,
}

impl Site {
    /// Nothing is applied and no operator runs yet.
    pub async fn new(name: &str, config: Config, objects: &[&str]) -> Self {
        let plane = ControlPlane::shared().await;
        let namespace = plane.namespace(name).await;
        let user = plane.operator(&namespace, Scope::Namespaces(&[&namespace])).await;
        let database = format!("operator_{}", name.replace('-', "_"));
        let mut stage = Stage::new(Kind::Postgres, &database, config, objects).await;
        stage.resource.more.push_str("  trigger: {interval: 30s}\n");
        Self {
            plane,
            namespace,
            user,
            stage,
        }
    }

    /// Starts an operator for this namespace.
    pub async fn operator(&self, more: &[&str]) -> Operator {
        let mut arguments = vec![
            "--watch-namespaces",
            &self.namespace,
            "--lease-namespace",
            &self.namespace,
        ];
        arguments.extend(more);
        Operator::start(&self.user, self.stage.folder(), &arguments).await
    }

    /// Applies the resource and its Secrets as a user would.
    pub async fn apply(&self) {
        self.plane.admin().apply(&self.documents().join("\n---\n")).await;
    }

    /// Starts an operator with no flags but those of the namespace, and applies the resource.
    pub async fn begin(&self) -> Operator {
        let operator = self.operator(&[]).await;
        self.apply().await;
        operator
    }

    /// Applies the Secrets alone.
    pub async fn secrets_only(&self) {
        let mut documents = self.documents();
        documents.retain(|document| document.contains("kind: Secret"));
        self.plane.admin().apply(&documents.join("\n---\n")).await;
    }

    fn documents(&self) -> Vec<String> {
        let with = format!("metadata: {{namespace: {}, ", self.namespace);
        let yaml = self.stage.resource.yaml();
        yaml.split("\n---\n")
            .map(|document| document.replacen("metadata: {", &with, 1))
            .collect()
    }

    /// The resources of the namespace.
    pub fn api(&self) -> Api<SalesforceReplicator> {
        Api::namespaced(self.plane.client(), &self.namespace)
    }

    /// The Secrets of the namespace.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.plane.client(), &self.namespace)
    }

    /// The name of the resource.
    pub fn name(&self) -> &str {
        &self.stage.resource.name
    }

    /// The resource as it is.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn resource(&self) -> SalesforceReplicator {
        self.api().get(self.name()).await.expect("the resource is there")
    }

    /// Its status.
    pub async fn status(&self) -> SalesforceReplicatorStatus {
        self.resource().await.status.unwrap_or_default()
    }

    /// Waits until the status is as wanted, by a watch, and gives it.
    ///
    /// # Panics
    /// When it does not become so; says how it was.
    pub async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&SalesforceReplicatorStatus) -> bool,
    ) -> SalesforceReplicatorStatus {
        let wanted = |resource: Option<&SalesforceReplicator>| {
            resource
                .and_then(|resource| resource.status.as_ref())
                .is_some_and(&wanted)
        };
        let waiting = await_condition(self.api(), self.name(), wanted);
        if let Ok(found) = tokio::time::timeout(LIMIT, Box::pin(waiting)).await {
            let resource = found.expect("the watch goes on").expect("the resource is there");
            resource.status.expect("a status")
        } else {
            panic!("waited in vain: {what}: {:#?}", self.status().await);
        }
    }

    /// Waits until a condition has a status and a reason: `Ready`, `False/DeleteGuard`.
    pub async fn until_condition(&self, of: &str, wanted: &str) -> SalesforceReplicatorStatus {
        let what = format!("{of} {wanted}");
        Box::pin(self.until(&what, |status| condition(status, of) == wanted)).await
    }

    /// Changes the spec or the metadata by a merge patch.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn patch(&self, patch: Value) {
        self.patch_named(self.name(), patch).await;
    }

    /// The same for another resource of the namespace.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn patch_named(&self, name: &str, patch: Value) {
        let params = PatchParams::default();
        let patched = self.api().patch(name, &params, &Patch::Merge(&patch)).await;
        patched.expect("the patch is taken");
    }

    /// Changes a Secret's keys.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn set_secret(&self, name: &str, values: Value) {
        let patch = json!({ "stringData": values });
        let patched = self
            .secrets()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        patched.expect("the patch is taken");
    }

    /// Waits for an event about the resource. Events are published behind the status that they belong to.
    pub async fn until_event(&self, reason: &str) {
        until(reason, async || self.events().await.iter().any(|told| told == reason)).await;
    }

    /// Reasons of the events about the resource, in the order of their names.
    ///
    /// # Panics
    /// When they cannot be listed.
    pub async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.plane.client(), &self.namespace);
        let list = events.list(&ListParams::default()).await.expect("a list of events");
        let about = |event: &Event| {
            event
                .regarding
                .as_ref()
                .is_some_and(|about| about.name.as_deref() == Some(self.name()))
        };
        list.items
            .into_iter()
            .filter(about)
            .filter_map(|event| event.reason)
            .collect()
    }
}

/// `True/UpToDate` of a condition; empty where it is not there.
pub fn condition(status: &SalesforceReplicatorStatus, of: &str) -> String {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == of)
        .map_or_else(String::new, |condition| {
            format!("{}/{}", condition.status, condition.reason)
        })
}
