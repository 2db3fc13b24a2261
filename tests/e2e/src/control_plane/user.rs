//! Somebody who talks to the API server: an administrator, or a service account with its token.

use std::path::{Path, PathBuf};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::binary::Outcome;

/// Somebody who talks to the API server.
#[derive(Debug, Clone)]
pub struct User {
    /// The name, as in the audit log: `admin`, `system:serviceaccount:NAMESPACE:NAME`.
    pub name: String,
    /// The file to give to a process as `KUBECONFIG`.
    pub kubeconfig: PathBuf,
    config: Config,
    kubectl: PathBuf,
}

impl User {
    /// Writes the kubeconfig of somebody to `file`.
    pub(super) async fn new(
        name: &str,
        server: &Server<'_>,
        credentials: Value,
        namespace: &str,
        file: PathBuf,
    ) -> Self {
        // JSON is YAML.
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": {
                "server": server.url,
                "certificate-authority": server.authority,
            }}],
            "users": [{"name": name, "user": credentials}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": name, "namespace": namespace}}],
            "current-context": "tests",
        });
        std::fs::write(&file, kubeconfig.to_string()).expect("the folder can be written to");
        let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        Self {
            name: name.to_owned(),
            kubeconfig: file,
            config: config.expect("a kubeconfig"),
            kubectl: server.kubectl.clone(),
        }
    }

    /// The same user, who comes to the API server by another way. `name` tells the kubeconfigs apart.
    ///
    /// # Panics
    /// When the kubeconfig is none.
    #[must_use]
    pub fn behind(&self, server: &str, name: &str) -> Self {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let mut kubeconfig: Value = serde_json::from_str(&text).expect("a kubeconfig");
        kubeconfig["clusters"][0]["cluster"]["server"] = json!(server);
        let mut user = self.clone();
        user.kubeconfig.set_extension(name);
        std::fs::write(&user.kubeconfig, kubeconfig.to_string()).expect("the folder can be written to");
        user
    }

    /// Where the API server is, as the kubeconfig says.
    ///
    /// # Panics
    /// When it does not.
    pub fn server(&self) -> String {
        self.config.cluster_url.to_string()
    }

    /// A client. It belongs to the runtime that it is made in: each test makes its own.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn client(&self) -> Client {
        Client::try_from(self.config.clone()).expect("a client")
    }

    /// Runs kubectl to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn kubectl(&self, arguments: &[&str]) -> Outcome {
        let output = self.kubectl_command(arguments).output();
        output.await.expect("kubectl starts").into()
    }

    /// kubectl, not started yet.
    pub fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        // What another server on this port served, or this one a moment ago, must not be remembered.
        command
            .env("KUBECACHEDIR", "/dev/null")
            .env("KUBERC", "off")
            .kill_on_drop(true);
        command
    }

    /// Applies the documents of a YAML text by server-side apply.
    ///
    /// # Panics
    /// When one of them is refused.
    pub async fn apply(&self, yaml: &str) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let file = folder.path().join("documents.yaml");
        std::fs::write(&file, yaml).expect("the folder can be written to");
        let file = file.to_string_lossy();
        let outcome = self
            .kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file])
            .await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }
}

/// What all kubeconfigs have in common.
#[derive(Debug)]
pub(super) struct Server<'a> {
    /// Where the API server listens.
    pub(super) url: String,
    /// The file with the authority's certificate.
    pub(super) authority: &'a Path,
    /// The program.
    pub(super) kubectl: PathBuf,
}
