//! The binary behind a proxy: the variables that the chart's sample for a proxy sets, and the certificates that it brings; and the
//! plugin of kubectl, which goes to the API server as kubectl does.
//!
//! No other test speaks TLS to the org. The proxy reads along with a certificate of its own authority, as those of companies do.

use std::path::PathBuf;

use e2e::{
    binary::{self, Outcome},
    control_plane::{ControlPlane, user::User},
    database::Database,
    proxy::Proxy,
    resource::Resource,
};
use serde_json::Value;
use simulator::{Config, Simulator};
use tempfile::TempDir;

/// A name that no machine has.
const HOST: &str = "acme.my.salesforce.invalid";

/// An org, and the proxy before it.
struct Place {
    folder: TempDir,
    proxy: Proxy,
    authority: PathBuf,
    database: Database,
    _org: Simulator,
}

impl Place {
    async fn new() -> Self {
        let config = Config {
            behind_tls: true,
            accounts: 30,
            ..Config::default()
        };
        let org = Simulator::start(config).await.unwrap();
        let url = org.url();
        let (proxy, pem) = Proxy::inspecting(HOST, url.authority()).await;
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("authority.crt");
        std::fs::write(&authority, pem).unwrap();
        Self {
            database: Database::sqlite(folder.path()),
            folder,
            proxy,
            authority,
            _org: org,
        }
    }

    /// A run with these variables; `change` may change the resource.
    async fn run(&self, change: impl Fn(String) -> String, environment: &[(&str, &str)]) -> Outcome {
        let resource = Resource::new(&format!("https://{HOST}"), &self.database, &["{name: Account}"]);
        std::fs::write(self.folder.path().join("crm.yaml"), change(resource.yaml())).unwrap();
        binary::command(self.folder.path(), &["run", "-f", "crm.yaml", "--once"])
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .envs(environment.iter().copied())
            .output()
            .await
            .unwrap()
            .into()
    }

    async fn rows(&self) -> i64 {
        let table = self.database.table("account");
        self.database.number(&format!("SELECT count(*) FROM {table}")).await
    }
}

fn unchanged(yaml: String) -> String {
    yaml
}

#[tokio::test(flavor = "multi_thread")]
async fn salesforce_is_reached_through_the_proxy_of_the_environment_with_its_authority() {
    let place = Place::new().await;
    let authority = place.authority.to_string_lossy();
    let environment = [("HTTPS_PROXY", &*place.proxy.url()), ("SSL_CERT_FILE", &*authority)];
    let outcome = place.run(unchanged, &environment).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.all());
    assert_eq!(place.rows().await, 30);
    let asked = place.proxy.asked();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|host| *host == format!("{HOST}:443")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_resource_may_hold_the_proxys_authority() {
    let place = Place::new().await;
    let pem = std::fs::read_to_string(&place.authority).unwrap();
    let indented = pem.replace('\n', "\n    ");
    let with_authority = |yaml: String| {
        let named = yaml.replace("    auth:", "    caSecretRef: {name: authority}\n    auth:");
        assert_ne!(named, yaml);
        format!(
            "{named}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: authority}}\nstringData:\n  ca.crt: |\n    {indented}\n"
        )
    };
    let outcome = place.run(with_authority, &[("HTTPS_PROXY", &*place.proxy.url())]).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.all());
    assert_eq!(place.rows().await, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_nobody_named_is_not_trusted_and_the_error_says_where_to_name_it() {
    let place = Place::new().await;
    let outcome = place.run(unchanged, &[("HTTPS_PROXY", &*place.proxy.url())]).await;
    assert_eq!(outcome.code, Some(3), "{}", outcome.all());
    assert!(outcome.stderr.contains("is not trusted"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("spec.connection.caSecretRef"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_no_proxy_is_not_asked_of_the_proxy() {
    let place = Place::new().await;
    let environment = [
        ("HTTPS_PROXY", &*place.proxy.url()),
        ("NO_PROXY", ".salesforce.invalid"),
    ];
    let outcome = place.run(unchanged, &environment).await;
    assert_eq!(outcome.code, Some(5), "{}", outcome.all());
    assert_eq!(place.proxy.asked(), Vec::<String>::new());
}

/// Asks the API server by the plugin, which kubectl starts by its name.
async fn plugin(user: &User, environment: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let output = binary::command(folder.path(), &["status", "--all-namespaces"])
        .arg0("/usr/local/bin/kubectl-sfr")
        .env("KUBECONFIG", &user.kubeconfig)
        .envs(environment.iter().copied())
        .output()
        .await
        .unwrap();
    let outcome = Outcome::from(output);
    assert_eq!(outcome.code, Some(0), "{environment:?}: {}", outcome.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_goes_through_the_proxy_unless_the_server_is_one_of_no_proxy() {
    let admin = ControlPlane::shared().await.admin();
    let server = url::Url::parse(&admin.server()).unwrap();
    let proxy = Proxy::to(server.authority()).await;
    let url = proxy.url();
    for none in ["127.0.0.1", "127.0.0.0/8", "*"] {
        plugin(admin, &[("HTTPS_PROXY", &url), ("NO_PROXY", none)]).await;
        assert_eq!(proxy.asked(), Vec::<String>::new(), "{none}");
    }
    plugin(admin, &[("HTTPS_PROXY", &url), ("NO_PROXY", "10.0.0.0/8")]).await;
    assert_eq!(proxy.asked(), [server.authority()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_a_kubeconfig_is_for_its_server_whatever_the_environment_says() {
    let admin = ControlPlane::shared().await.admin();
    let server = url::Url::parse(&admin.server()).unwrap();
    let proxy = Proxy::to(server.authority()).await;
    let mut kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(&admin.kubeconfig).unwrap()).unwrap();
    kubeconfig["clusters"][0]["cluster"]["proxy-url"] = proxy.url().replace("127.0.0.1", "localhost").into();
    let folder = tempfile::tempdir().unwrap();
    let mut user = admin.clone();
    user.kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&user.kubeconfig, kubeconfig.to_string()).unwrap();
    let environment = [("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")];
    plugin(&user, &environment).await;
    assert_eq!(proxy.asked(), [server.authority()]);
}
