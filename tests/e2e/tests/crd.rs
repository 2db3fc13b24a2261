//! The definition on a real API server.
//!
//! Only there is it proven that the definition is accepted at all, with the cost of its rules, and what it refuses,
//! defaults and prunes. The same resource is also read from files, with no API server between: so each wrong resource here
//! is given to [`crds::validate`] too, which has to refuse it at the same place, and by a rule with the same words.

use crds::{SalesforceReplicator, validate::validate};
use e2e::control_plane::ControlPlane;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde_json::{Value, json};

mod bounds;
mod rules;
mod seen;
mod stored;

/// As little as there can be.
fn minimal() -> Value {
    json!({
        "apiVersion": crds::API_VERSION,
        "kind": crds::KIND,
        "metadata": {"name": "crm"},
        "spec": {
            "connection": {"auth": {"password": {"secretRef": {"name": "crm-salesforce"}}}},
            "destination": {"sqlite": {"file": "crm.db"}},
            "objects": [{"name": "Contact"}],
        },
    })
}

/// The minimal resource with a part of its spec in another way.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = minimal();
    set(&mut document, &format!("/spec{pointer}"), value);
    document
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).expect("the parent is there");
    match key.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[key] = value,
    }
}

/// Something that the API server has against a resource.
#[derive(Debug)]
struct Cause {
    field: String,
    message: String,
}

/// A namespace to make resources in.
struct Place {
    api: Api<DynamicObject>,
    namespace: String,
}

impl Place {
    async fn new(name: &str) -> Self {
        let control_plane = ControlPlane::shared().await;
        let namespace = control_plane.namespace(name).await;
        let kind = ApiResource::erase::<SalesforceReplicator>(&());
        Self {
            api: Api::namespaced_with(control_plane.client(), &namespace, &kind),
            namespace,
        }
    }

    /// Makes a resource and gives what was stored.
    async fn create(&self, document: Value) -> DynamicObject {
        let object = serde_json::from_value(document).expect("an object");
        let created = self.api.create(&PostParams::default(), &object).await;
        created.expect("it is accepted")
    }

    /// What the API server has against a resource; nothing is stored.
    async fn causes(&self, document: &Value) -> Vec<Cause> {
        let object = serde_json::from_value(document.clone()).expect("an object");
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match self.api.create(&params, &object).await {
            Ok(_) => Vec::new(),
            Err(error) => causes_of(error),
        }
    }

    /// Asserts that a resource is accepted, here and from a file.
    async fn accepts(&self, document: &Value) {
        let causes = self.causes(document).await;
        assert!(causes.is_empty(), "{document}: {causes:?}");
        if let Err(problems) = validate(document) {
            panic!("{document}: {problems:?}");
        }
    }

    /// Asserts that a rule refuses a resource at `field` with exactly these words, here and from a file.
    async fn refuses(&self, document: &Value, field: &str, words: &str) {
        let causes = self.causes(document).await;
        let [Cause { field: found, message }] = &causes[..] else {
            panic!("{words}: {causes:?}");
        };
        assert_eq!(found, field, "{words}");
        assert!(message.ends_with(&format!(": {words}")), "{message} is not {words}");
        let problems = validate(document).expect_err(words);
        let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [words]);
    }
}

/// The causes of a refusal, but for the remark that rules were not looked at since the schema was not met.
fn causes_of(error: kube::Error) -> Vec<Cause> {
    let kube::Error::Api(status) = error else {
        panic!("the API server answers: {error}");
    };
    assert_eq!(status.code, 422, "{}", status.message);
    let causes = status.details.expect("a refusal has details").causes;
    let told = causes
        .into_iter()
        .filter(|cause| !cause.message.contains("some validation rules were not checked"));
    told.map(|cause| Cause {
        field: cause.field,
        message: cause.message,
    })
    .collect()
}
