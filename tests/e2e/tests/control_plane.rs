//! That the control plane of the tests is what the other tests take it for.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use e2e::{
    binary::{signal, until},
    control_plane::{ControlPlane, audit::Request},
};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Secret},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};
use tokio::{io::AsyncReadExt, process::Command};

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_the_audit_log_tells_what_it_did() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("accounts").await;
    let account = control_plane.service_account(&namespace, "reader").await;
    let secrets: Api<Secret> = Api::namespaced(account.client(), &namespace);
    let refused = secrets.get("login").await.expect_err("nobody has allowed it");
    assert!(
        refused.to_string().contains("cannot get resource \"secrets\""),
        "{refused}"
    );

    let role = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {namespace}}}
rules: [{{apiGroups: [''], resources: [secrets], verbs: [list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: reader, namespace: {namespace}}}]
"
    );
    control_plane.admin().apply(&role).await;
    // The authorizer hears of a Role by a watch of its own.
    until("the role is in force", async || {
        secrets.list(&ListParams::default()).await.is_ok()
    })
    .await;

    let told = |request: &Request| (request.verb.clone(), request.resource.clone(), request.code);
    until("both requests are in the log", async || {
        let requests = control_plane.requests_of(&account);
        requests
            .iter()
            .all(|request| !request.writes() && request.namespace == namespace)
            && requests.first().map(told) == Some(("get".into(), "secrets".into(), 403))
            && requests.last().map(told) == Some(("list".into(), "secrets".into(), 200))
    })
    .await;
    assert!(control_plane.requests_of(control_plane.admin()).is_empty());
}

#[tokio::test]
async fn what_is_owned_goes_with_its_owner_and_all_with_the_namespace() {
    let control_plane = ControlPlane::shared().await;
    let name = control_plane.namespace("collected").await;
    let client = control_plane.client();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name);
    let owner = maps.create(&PostParams::default(), &config_map("owner")).await;
    let owner = owner.expect("it is made");
    let mut child = config_map("owned");
    child.metadata.owner_references = Some(vec![OwnerReference {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        name: owner.name_any(),
        uid: owner.uid().expect("a uid"),
        ..OwnerReference::default()
    }]);
    maps.create(&PostParams::default(), &child).await.expect("it is made");
    maps.delete("owner", &DeleteParams::default()).await.expect("it goes");
    until("the owned map goes", async || {
        maps.get_opt("owned").await.is_ok_and(|map| map.is_none())
    })
    .await;

    let namespaces: Api<Namespace> = Api::all(client);
    namespaces
        .delete(&name, &DeleteParams::default())
        .await
        .expect("it goes");
    until("the namespace goes", async || {
        namespaces
            .get_opt(&name)
            .await
            .is_ok_and(|namespace| namespace.is_none())
    })
    .await;
}

#[tokio::test]
async fn the_api_server_comes_back_with_everything_where_it_was() {
    let control_plane = ControlPlane::start().await;
    let namespace = control_plane.namespace("restarted").await;
    let account = control_plane.service_account(&namespace, "operator").await;
    let client = control_plane.client();
    let namespaces: Api<Namespace> = Api::all(client);

    control_plane.stop_api_server();
    assert!(namespaces.get(&namespace).await.is_err());
    control_plane.start_api_server().await;
    namespaces
        .get(&namespace)
        .await
        .expect("the same address, the same data");
    let maps: Api<ConfigMap> = Api::namespaced(account.client(), &namespace);
    let refused = maps.get("any").await.expect_err("nobody has allowed it");
    assert!(
        refused.to_string().contains("forbidden"),
        "the token is still good: {refused}"
    );
}

/// Variable by which the next test knows that it is the process to be killed.
const DOOMED: &str = "SFR_TEST_DOOMED";

#[tokio::test]
async fn nothing_outlives_a_test_process_that_is_killed() {
    if std::env::var_os(DOOMED).is_some() {
        let control_plane = ControlPlane::start().await;
        println!("{}", control_plane.admin().kubeconfig.display());
        std::future::pending::<()>().await;
    }
    let own = std::env::current_exe().expect("a test has a path");
    let mut doomed = Command::new(own)
        .args([
            "--exact",
            "control_plane::nothing_outlives_a_test_process_that_is_killed",
            "--nocapture",
        ])
        .env(DOOMED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a test can be started again");
    let mut output = doomed.stdout.take().expect("it has an output");
    let mut said = Vec::new();
    while !said.ends_with(b"admin.kubeconfig\n") {
        said.push(output.read_u8().await.expect("it says where its folder is"));
    }
    let said = String::from_utf8(said).expect("UTF-8");
    let folder = Path::new(said.lines().last().expect("a line"))
        .parent()
        .expect("a file lies in a folder");
    let processes = processes_of(folder);
    // The API server, etcd and the controller manager; the shell that removes the folder works elsewhere.
    assert_eq!(processes.len(), 3, "{processes:?}");

    signal(&doomed, "KILL").await;
    until("its processes and its folder are gone", async || {
        !folder.exists() && processes.iter().all(|process| works_in(process).is_none())
    })
    .await;
}

/// The working folder of a process; none of one that has ended.
fn works_in(process: &Path) -> Option<PathBuf> {
    std::fs::read_link(process.join("cwd")).ok()
}

/// Processes that work in a folder, as their own folders below `/proc`.
fn processes_of(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .map(|entry| entry.path());
    all.filter(|process| works_in(process).as_deref() == Some(folder))
        .collect()
}
