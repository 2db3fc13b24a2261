//! What the chart lets the operator do: what it needs, where it needs it, and no more.

use e2e::{
    control_plane::rights::{NAME, electing, serving},
    helm::{Documents, Helm},
};
use serde_json::{Value, json};

/// Roles and bindings, `Kind/name.namespace`, in order.
fn roles(documents: &Documents) -> Vec<String> {
    let mut names = documents.names();
    names.retain(|name| name.contains("Role"));
    names.sort();
    names
}

#[tokio::test]
async fn for_all_namespaces_it_is_a_cluster_role() {
    let documents = Helm::offline().await.documents(&[]).await;
    assert_eq!(documents.one("ClusterRole", NAME)["rules"], serving());
    assert_eq!(
        documents.one("Role", "salesforce-replicator-election")["rules"],
        electing(NAME)
    );
    assert_eq!(
        roles(&documents),
        [
            "ClusterRole/salesforce-replicator",
            "ClusterRole/salesforce-replicator-edit",
            "ClusterRole/salesforce-replicator-view",
            "ClusterRoleBinding/salesforce-replicator",
            "Role/salesforce-replicator-election.salesforce-replicator",
            "RoleBinding/salesforce-replicator-election.salesforce-replicator",
        ]
    );
}

#[tokio::test]
async fn for_some_namespaces_it_is_a_role_in_each_and_nothing_on_the_cluster() {
    let documents = Helm::offline()
        .await
        .documents(&["watchNamespaces={telephony,sales}"])
        .await;
    assert_eq!(
        roles(&documents),
        [
            "Role/salesforce-replicator-election.salesforce-replicator",
            "Role/salesforce-replicator.sales",
            "Role/salesforce-replicator.telephony",
            "RoleBinding/salesforce-replicator-election.salesforce-replicator",
            "RoleBinding/salesforce-replicator.sales",
            "RoleBinding/salesforce-replicator.telephony",
        ]
    );
    for role in documents.of_kind("Role") {
        let elects = role["metadata"]["name"] == "salesforce-replicator-election";
        assert_eq!(role["rules"], if elects { electing(NAME) } else { serving() });
    }
}

#[tokio::test]
async fn each_binding_gives_a_role_that_is_there_to_the_account_of_the_pod() {
    let helm = Helm::offline().await;
    for settings in [&[][..], &["serviceAccount.name=crm", "leaderElection.leaseName=crm"]] {
        for scope in [&[][..], &["watchNamespaces={telephony,sales}"]] {
            let documents = helm.documents(&[settings, scope].concat()).await;
            let deployment = documents.one("Deployment", NAME);
            let account = &deployment["spec"]["template"]["spec"]["serviceAccountName"];
            documents.one("ServiceAccount", account.as_str().unwrap());
            let bindings: Vec<&Value> = ["RoleBinding", "ClusterRoleBinding"]
                .into_iter()
                .flat_map(|kind| documents.of_kind(kind))
                .collect();
            for binding in &bindings {
                let subject = json!([{"kind": "ServiceAccount", "name": account, "namespace": NAME}]);
                assert_eq!(binding["subjects"], subject);
                let kind = binding["roleRef"]["kind"].as_str().unwrap();
                let there = documents.of_kind(kind).into_iter().any(|role| {
                    role["metadata"]["name"] == binding["roleRef"]["name"]
                        && role["metadata"]["namespace"] == binding["metadata"]["namespace"]
                });
                assert!(there, "{binding}");
            }
            assert_eq!(bindings.len(), if scope.is_empty() { 2 } else { 3 });
        }
    }
    let named = helm.documents(&["leaderElection.leaseName=crm"]).await;
    assert_eq!(
        named.one("Role", "salesforce-replicator-election")["rules"],
        electing("crm")
    );
}

#[tokio::test]
async fn without_election_there_is_no_right_on_leases_and_without_rbac_none_at_all() {
    let helm = Helm::offline().await;
    let alone = helm.documents(&["leaderElection.enabled=false"]).await;
    assert!(
        !roles(&alone).iter().any(|name| name.contains("election")),
        "{:?}",
        roles(&alone)
    );
    let none = helm.documents(&["rbac.create=false"]).await;
    assert!(roles(&none).is_empty(), "{:?}", roles(&none));
}
