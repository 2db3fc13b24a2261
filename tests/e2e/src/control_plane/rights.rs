//! The rights of the operator, as they are shipped.
//!
//! A process under test gets exactly those of the documents in `deploy`: what it may do here, it may do in a cluster, and
//! what is missing there is missing here.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::{ControlPlane, user::User};
use crate::binary::until;

/// The folder with the documents.
pub const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");

/// The service account, and whatever else is named after the operator.
pub const NAME: &str = "salesforce-replicator";

/// What the operator may do in a namespace whose resources it serves, or in all: the rules of a role, in the order in which
/// they are shipped. Whatever is shipped is held against this, and this against what an operator asks for in its life.
pub fn serving() -> Value {
    json!([
        {
            "apiGroups": ["salesforce-replicator.io"],
            "resources": ["salesforcereplicators"],
            "verbs": ["list", "watch", "patch"],
        },
        {
            "apiGroups": ["salesforce-replicator.io"],
            "resources": ["salesforcereplicators/status"],
            "verbs": ["patch"],
        },
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]},
    ])
}

/// What it may do in its own namespace to elect a leader by a Lease of that name.
pub fn electing(lease: &str) -> Value {
    json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [lease],
            "verbs": ["get", "update"],
        },
    ])
}

/// Where an operator watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// In all namespaces.
    Cluster,
    /// In these, with no right on any other.
    Namespaces(&'a [&'a str]),
}

/// The documents of a file.
///
/// # Panics
/// When it is not there, or is no YAML.
pub fn documents(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{DEPLOY}/{file}")).expect(file);
    serde_saphyr::from_multiple(&text).expect(file)
}

/// Moves documents from the namespace that they are shipped for into that of a test.
fn moved(mut documents: Vec<Value>, namespace: &str, operator: &str) -> Vec<Value> {
    for document in &mut documents {
        let metadata = &mut document["metadata"];
        if metadata["namespace"].is_string() {
            metadata["namespace"] = json!(namespace);
        }
        let subjects = document.get_mut("subjects").and_then(Value::as_array_mut);
        for subject in subjects.into_iter().flatten() {
            subject["namespace"] = json!(operator);
        }
        // There is one for each operator of a cluster that tests share.
        if document["kind"] == "ClusterRoleBinding" {
            document["metadata"]["name"] = json!(format!("{NAME}-{operator}"));
        }
    }
    documents
}

impl ControlPlane {
    /// The operator's service account in `namespace`, with the rights that are shipped, in force.
    ///
    /// # Panics
    /// When they cannot be given.
    pub async fn operator(&self, namespace: &str, scope: Scope<'_>) -> User {
        let mut items = moved(documents("base/service-account.yaml"), namespace, namespace);
        items.extend(moved(documents("base/election.yaml"), namespace, namespace));
        let everywhere = [""];
        let watched = match scope {
            Scope::Cluster => {
                items.extend(moved(documents("overlays/cluster/rights.yaml"), namespace, namespace));
                &everywhere
            }
            Scope::Namespaces(watched) => {
                for there in watched {
                    items.extend(moved(documents("overlays/namespaced/rights.yaml"), there, namespace));
                }
                watched
            }
        };
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.admin().apply(&list.to_string()).await;
        let user = self.service_account(namespace, NAME).await;
        // The authorizer hears of roles by a watch of its own.
        until("the rights are in force", async || {
            let mut all = self
                .may(&user, "create", "coordination.k8s.io", "leases", namespace)
                .await;
            for there in watched {
                all &= self.may(&user, "list", "", "secrets", there).await;
            }
            all
        })
        .await;
        user
    }

    /// Whether somebody may do something in a namespace, or in all where it is empty. `resource` may have a subresource
    /// behind a slash and a name behind a colon.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub async fn may(&self, user: &User, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
        let (resource, name) = resource.split_once(':').unwrap_or((resource, ""));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.name.clone()),
                resource_attributes: Some(ResourceAttributes {
                    verb: given(verb),
                    group: given(group),
                    resource: given(resource),
                    subresource: given(subresource),
                    name: given(name),
                    namespace: given(namespace),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client());
        let answer = reviews.create(&PostParams::default(), &review).await;
        answer.expect("an answer").status.expect("a verdict").allowed
    }
}
