//! `salesforce-replicator.io/v1alpha1`. It grows by optional fields only; a later version is a module beside this one.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each struct, pub and all, inside a function"
)]
#![expect(
    clippy::doc_link_with_quotes,
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "comments on fields are what kubectl explain prints: text, not Markdown"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod connection;
mod consistency;
mod destination;
mod object;
mod status;
mod trigger;

#[cfg(test)]
pub(crate) mod tests;

pub use connection::{
    Auth, BulkApi, CaSecretRef, ClientCredentialsAuth, Connection, JwtBearerAuth, PasswordAuth, SecretRef,
};
pub use consistency::{Consistency, PhoneNumbers};
pub use destination::{Destination, MySql, Postgres, Sqlite, UrlSecretRef};
pub use object::{DeleteMode, FieldSpec, Mapping, ObjectSpec, UrlSpec};
pub use status::{ApiUsage, HeldDeletes, LastRun, ObjectPhase, ObjectStatus, RunKind, SalesforceReplicatorStatus};
pub use trigger::Trigger;

/// Which org, which objects, which database, how often.
#[derive(CustomResource, Serialize, Deserialize, Debug, Clone, PartialEq, KubeSchema)]
#[kube(
    group = "salesforce-replicator.io",
    version = "v1alpha1",
    kind = "SalesforceReplicator",
    plural = "salesforcereplicators",
    singular = "salesforcereplicator",
    shortname = "sfr",
    category = "replication",
    namespaced,
    status = "SalesforceReplicatorStatus",
    derive = "PartialEq",
    cel,
    doc = "Replicates Salesforce objects into a SQL database.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether the spec is accepted and every object is up to date"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is ready, or is not"
    ),
    printcolumn(
        name = "Objects",
        type_ = "string",
        json_path = ".status.objectsReady",
        description = "Objects that are up to date, of all"
    ),
    printcolumn(
        name = "Last Success",
        type_ = "date",
        json_path = ".status.lastSuccessTime",
        description = "When all objects were last replicated"
    ),
    printcolumn(
        name = "Next Run",
        type_ = "string",
        json_path = ".status.nextRunTime",
        description = "When the next run starts",
        priority = "1"
    ),
    printcolumn(
        name = "Suspended",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "Whether no run is started",
        priority = "1"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 63").message("metadata.name must be at most 63 characters"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "self.objects.map(o, (has(o.fields) ? size(o.fields) : 0) + (has(o.exclude) ? size(o.exclude) : 0)).sum() <= 2000")
    .message("fields and exclude must have at most 2000 entries in all objects together").field_path(".objects"))]
pub struct SalesforceReplicatorSpec {
    /// The Salesforce org that is read, and as whom.
    pub connection: Connection,
    /// The database that is written: exactly one of postgres, mysql and sqlite.
    pub destination: Destination,
    /// When to run. Nothing given: every 5 minutes. Only manual given: only when its value changes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trigger: Trigger,
    /// The objects, 1 to 200. An object that is taken off the list keeps its table, which is no longer updated.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub objects: Vec<ObjectSpec>,
    /// How telephone numbers without a country code are read. Default: they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PhoneNumbers")]
    pub phone_numbers: Option<PhoneNumbers>,
    /// How often what is compared, and when deletes are held.
    #[serde(default, skip_serializing_if = "is_default")]
    pub consistency: Consistency,
    /// How many objects run at once. Default 2.
    #[serde(default = "default_parallelism")]
    #[schemars(range(min = 1, max = 32))]
    pub parallelism: i32,
    /// Where runs are executed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub execution: Execution,
    /// Starts no further runs while true; a run in progress ends. Default false.
    #[serde(default)]
    pub suspend: bool,
    /// What happens to the tables with the resource: Retain or Delete. Default Retain.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl SalesforceReplicatorSpec {
    /// `parallelism` where none is given.
    pub const DEFAULT_PARALLELISM: i32 = 2;
}

fn default_parallelism() -> i32 {
    SalesforceReplicatorSpec::DEFAULT_PARALLELISM
}

/// A section that says nothing is not written, and has no `default: {}` in the schema: the API server would write an
/// empty section into every resource, which GitOps tools show as drift.
fn is_default<T: Default + PartialEq>(section: &T) -> bool {
    *section == T::default()
}

/// Where runs are executed.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// Which runs get a pod of their own: Never, LongRuns or Always. Default Never, the only value that this version
    /// serves.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == 'Never'").message("execution.jobs must be Never: this version runs everything in the operator"))]
    pub jobs: Jobs,
}

/// Which runs get a pod of their own.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
pub enum Jobs {
    /// None: all run in the operator.
    #[default]
    Never,
    /// Those that read everything.
    LongRuns,
    /// All.
    Always,
}

/// What happens to the tables with the resource.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Retain,
    /// They are dropped.
    Delete,
}
