//! The API server's audit log: who asked for what.
//!
//! It is how a test sees what the operator does, and above all what it does not do: no write in a second pass with
//! nothing changed, no read of a Secret that did not change. Administrators, the tests among them, and the control plane's
//! own parts are left out.

use std::path::Path;

use serde::Deserialize;

/// What is logged: the metadata of each finished request, a watch when it begins and when it ends.
pub(super) const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, userGroups: ["system:masters"]}
  - {level: None, users: ["system:anonymous", "system:apiserver"]}
  - {level: Metadata}
"#;

/// A request that the API server has answered, or a watch that it has begun to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The user's name.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The plural, in small letters, with the subresource: `salesforcereplicators/status`. A path where it is none.
    pub resource: String,
    /// The namespace, empty where the request is for all, or the resource has none.
    pub namespace: String,
    /// The object's name, empty where the request is for many.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// How the client calls itself.
    pub user_agent: String,
}

impl Request {
    /// Whether it asks for a change.
    pub fn writes(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: Name,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: Option<Reference>,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    code: u16,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let Event {
            stage: _,
            verb,
            request_uri,
            user,
            user_agent,
            object_ref,
            response_status,
        } = event;
        let (resource, namespace, name) = match object_ref {
            Some(of) if of.subresource.is_empty() => (of.resource, of.namespace, of.name),
            Some(of) => (format!("{}/{}", of.resource, of.subresource), of.namespace, of.name),
            None => (request_uri, String::new(), String::new()),
        };
        Self {
            user: user.username,
            verb,
            resource,
            namespace,
            name,
            code: response_status.code,
            user_agent,
        }
    }
}

/// The requests of a log. A line that is being written does not count yet.
pub(super) fn read(log: &Path) -> Vec<Request> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut requests = Vec::new();
    for line in whole.lines() {
        let event: Event = serde_json::from_str(line).expect("the log has a JSON object on each line");
        // A watch is told when it begins; its end says nothing new.
        let is_told = (event.verb == "watch") == (event.stage == "ResponseStarted");
        if is_told {
            requests.push(event.into());
        }
    }
    requests
}
