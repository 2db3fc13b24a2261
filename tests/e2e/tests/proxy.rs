//! The binary behind a proxy: the variables that the chart's sample for a proxy sets, and the certificates that it brings; and the
//! plugin of kubectl, which goes to the API server as kubectl does: kubectl itself is asked too.
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

/// Another, and the port of the API server there.
const API_SERVER: &str = "kubernetes.invalid:6443";

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

/// Somebody for whom the API server has a name that no machine has, so that only the proxy leads there.
async fn far_away(folder: &TempDir, change: impl Fn(&mut Value)) -> (User, Proxy) {
    let admin = ControlPlane::shared().await.admin();
    let server = url::Url::parse(&admin.server()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(&admin.kubeconfig).unwrap()).unwrap();
    let cluster = &mut kubeconfig["clusters"][0]["cluster"];
    cluster["server"] = format!("https://{API_SERVER}").into();
    cluster["tls-server-name"] = "localhost".into();
    change(cluster);
    let mut user = admin.clone();
    user.kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&user.kubeconfig, kubeconfig.to_string()).unwrap();
    (user, Proxy::to(server.authority()).await)
}

/// Asks the API server by the plugin, which kubectl starts by its name.
async fn plugin(user: &User, environment: &[(&str, &str)]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    binary::command(folder.path(), &["status", "--all-namespaces"])
        .arg0("/usr/local/bin/kubectl-sfr")
        .env("KUBECONFIG", &user.kubeconfig)
        .envs(environment.iter().copied())
        .output()
        .await
        .unwrap()
        .into()
}

async fn kubectl(user: &User, environment: &[(&str, &str)]) -> Outcome {
    let mut command = user.kubectl_command(&["get", "--raw", "/version"]);
    for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied()).output().await.unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_goes_through_the_proxy_where_kubectl_does() {
    let folder = tempfile::tempdir().unwrap();
    let (user, proxy) = far_away(&folder, |_| ()).await;
    let url = proxy.url();
    let bare = url.trim_start_matches("http://");
    let mut asked = 0;
    let places: &[(&[(&str, &str)], bool)] = &[
        (&[("HTTPS_PROXY", &url)], true),
        (&[("HTTPS_PROXY", bare)], true),
        (&[("HTTPS_PROXY", ""), ("https_proxy", &url)], true),
        // The proxy's own host is not what NO_PROXY is about.
        (&[("HTTPS_PROXY", &url), ("NO_PROXY", "localhost,127.0.0.1,")], true),
        (
            &[("HTTPS_PROXY", &url), ("NO_PROXY", "127.0.0.0/8, /var/run/docker.sock")],
            true,
        ),
        (&[("HTTPS_PROXY", &url), ("NO_PROXY", "kubernetes.invalid:443")], true),
        (&[("HTTPS_PROXY", &url), ("NO_PROXY", "*.kubernetes.invalid")], true),
        (&[("HTTPS_PROXY", &url), ("NO_PROXY", "")], true),
        (
            &[("HTTPS_PROXY", &url), ("NO_PROXY", ""), ("no_proxy", "invalid")],
            false,
        ),
        (&[("HTTPS_PROXY", &url), ("NO_PROXY", "kubernetes.invalid:6443")], false),
        (&[("HTTPS_PROXY", &url), ("NO_PROXY", "*.invalid")], false),
        (&[("HTTPS_PROXY", &url), ("NO_PROXY", "localhost,*")], false),
        (&[("HTTP_PROXY", &url)], false),
    ];
    for (environment, is_reached) in places {
        for by_kubectl in [true, false] {
            let outcome = if by_kubectl {
                kubectl(&user, environment).await
            } else {
                plugin(&user, environment).await
            };
            assert_eq!(
                outcome.code == Some(0),
                *is_reached,
                "{environment:?}: {}",
                outcome.all()
            );
            let now = proxy.asked();
            assert_eq!(now.len() > asked, *is_reached, "{environment:?}: {now:?}");
            asked = now.len();
        }
    }
    assert!(
        proxy.asked().iter().all(|server| server == API_SERVER),
        "{:?}",
        proxy.asked()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_this_machine_is_asked_of_no_proxy() {
    let admin = ControlPlane::shared().await.admin();
    let environment = [("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "example.com,")];
    for outcome in [kubectl(admin, &environment).await, plugin(admin, &environment).await] {
        assert_eq!(outcome.code, Some(0), "{}", outcome.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_a_kubeconfig_is_for_its_server_whatever_the_environment_says() {
    let folder = tempfile::tempdir().unwrap();
    let (_, proxy) = far_away(&folder, |_| ()).await;
    let (user, _) = far_away(&folder, |cluster| cluster["proxy-url"] = proxy.url().into()).await;
    let environment = [("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1,*")];
    for outcome in [kubectl(&user, &environment).await, plugin(&user, &environment).await] {
        assert_eq!(outcome.code, Some(0), "{}", outcome.all());
    }
    assert!(proxy.asked().len() >= 2, "{:?}", proxy.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_cannot_be_used_is_told_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let (user, _) = far_away(&folder, |_| ()).await;
    for (proxy, code, told) in [
        (
            "socks5://somebody:secret@127.0.0.1:1",
            2,
            "(127.0.0.1:1) is one for socks5://",
        ),
        ("http://somebody:secret@127.0.0.1:nowhere", 2, "HTTPS_PROXY is no URL"),
        ("http://somebody:secret@127.0.0.1:1", 1, "listing replicators"),
    ] {
        let environment = [
            ("HTTPS_PROXY", proxy),
            ("NO_PROXY", "localhost,"),
            ("RUST_LOG", "trace"),
        ];
        let outcome = plugin(&user, &environment).await;
        assert_eq!(outcome.code, Some(code), "{proxy}: {}", outcome.all());
        assert!(outcome.all().contains(told), "{proxy}: {}", outcome.all());
        assert!(!outcome.all().contains("secret"), "{proxy}: {}", outcome.all());
    }
    let environment = [("HTTPS_PROXY", "socks5://somebody:secret@127.0.0.1:1")];
    let operator = binary::command(
        folder.path(),
        &[
            "operator",
            "--no-leader-election",
            "--health-address=127.0.0.1:0",
            "--metrics-address=127.0.0.1:0",
        ],
    )
    .env("KUBECONFIG", &user.kubeconfig)
    .envs(environment)
    .output()
    .await
    .unwrap();
    let outcome = Outcome::from(operator);
    assert_eq!(outcome.code, Some(2), "{}", outcome.all());
    assert!(
        outcome.stderr.contains("(127.0.0.1:1) is one for socks5://"),
        "{}",
        outcome.all()
    );
    assert!(!outcome.all().contains("secret"), "{}", outcome.all());
}
