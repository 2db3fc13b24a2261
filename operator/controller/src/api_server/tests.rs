use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use super::without_proxy;

/// Two blocks, of which one is a certificate, in base64.
const AUTHORITY: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFRSUQKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQotLS0tLUJFR0lOIE9USEVSLS0tLS0KQkFVRwotLS0tLUVORCBPVEhFUi0tLS0tCg==";

fn kubeconfig() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "bare", "cluster": {"server": "https://bare.example.com"}},
            {"name": "full", "cluster": {
                "server": "https://full.example.com:6443",
                "certificate-authority-data": AUTHORITY,
                "insecure-skip-tls-verify": true,
                "disable-compression": true,
                "tls-server-name": "kubernetes",
            }},
            {"name": "nowhere", "cluster": {}},
            {"name": "slip", "cluster": {"server": "https://a b"}},
            {"name": "blunt", "cluster": {"server": "https://bare.example.com", "certificate-authority": "/not/there"}},
        ],
        "users": [
            {"name": "token", "user": {"token": "one"}},
            {"name": "exec", "user": {"exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "login",
                "interactiveMode": "Never",
                "provideClusterInfo": true,
            }}},
        ],
        "contexts": [
            {"name": "bare", "context": {"cluster": "bare", "user": "token"}},
            {"name": "nobody", "context": {"cluster": "bare", "user": "nobody"}},
            {"name": "full", "context": {"cluster": "full", "user": "exec", "namespace": "telephony"}},
            {"name": "astray", "context": {"cluster": "none", "user": "token"}},
            {"name": "nowhere", "context": {"cluster": "nowhere", "user": "token"}},
            {"name": "slip", "context": {"cluster": "slip", "user": "token"}},
            {"name": "blunt", "context": {"cluster": "blunt", "user": "token"}},
        ],
        "current-context": "bare",
    })
}

/// What is told of a configuration and of an error. kube's own takes the environment's proxy, which is not compared.
fn told(config: Result<Config, kube::config::KubeconfigError>) -> String {
    match config {
        Ok(mut config) => {
            config.proxy_url = None;
            let cluster = config.auth_info.exec.as_ref().map(|exec| format!("{:?}", exec.cluster));
            format!("{config:?} {cluster:?}")
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_kubeconfig_says_what_it_says_to_kube() {
    let contexts = [
        "bare", "nobody", "full", "astray", "nowhere", "slip", "blunt", "missing",
    ];
    for context in contexts.into_iter().map(Some).chain([None]) {
        let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig()).unwrap();
        let options = KubeConfigOptions {
            context: context.map(ToOwned::to_owned),
            ..KubeConfigOptions::default()
        };
        let of_kube = Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await;
        let ours = without_proxy(kubeconfig, context).map(|(config, _)| config);
        assert_eq!(told(ours), told(of_kube), "{context:?}");
    }
}

#[test]
fn a_kubeconfig_without_a_current_context_names_none() {
    let mut kubeconfig = kubeconfig();
    kubeconfig["current-context"] = Value::Null;
    let error = without_proxy(serde_json::from_value(kubeconfig).unwrap(), None).unwrap_err();
    assert_eq!(error.to_string(), "failed to determine current context");
}
