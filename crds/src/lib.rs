//! The API types of `salesforce-replicator.io`, and what has to be the same wherever a resource is read.
//!
//! A `SalesforceReplicator` says which org, which objects, which fields go to which columns, which database and how
//! often. It reaches us in two ways: from a Kubernetes API server, which has applied defaults and refused what the
//! schema refuses, and from a file, where nobody has done either. So the types carry the schema (descriptions,
//! patterns, bounds, CEL rules), [`crd_yaml`] writes it for the API server, and [`validate`] applies the very same
//! schema to a file, with the same words and all problems at once.
//!
//! **Defaults.** Only what is stable for ever has a default in the schema; such a field is no `Option` here. What may
//! change between releases is an `Option` here and gets its value when the plan is made: a default that the API server
//! writes into the stored resource would outlive the release that chose it, and shows up as drift in GitOps tools. The
//! values themselves are constants beside the fields, since their descriptions cite them.
//!
//! **Unknown fields** are ignored when a resource is deserialized (an operator must go on reading what a newer schema
//! allowed), and refused by [`validate`].
//!
//! Knows no Salesforce, no database and no Kubernetes client.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = "
//! apiVersion: salesforce-replicator.io/v1alpha1
//! kind: SalesforceReplicator
//! metadata: {name: crm}
//! spec:
//!   connection: {auth: {password: {secretRef: {name: crm-salesforce}}}}
//!   destination: {sqlite: {file: crm.db}}
//!   objects: [{name: Contact, tabel: people}]
//! ";
//! let problems = crds::validate::validate(&serde_saphyr::from_str(file)?).unwrap_err();
//! assert_eq!(problems[0].to_string(), "spec.objects[0].tabel: unknown field; did you mean table?");
//!
//! let resource = crds::validate::validate(&serde_saphyr::from_str(&file.replace("tabel", "table"))?).unwrap();
//! assert_eq!(resource.spec.objects[0].table.as_deref(), Some("people"));
//! assert_eq!(crds::Schedule::new(&resource.spec.trigger).unwrap().to_string(), "every 5m");
//! # Ok(())
//! # }
//! ```

pub mod annotation;
pub mod validate;

mod condition;
mod manifest;
mod nearest;
mod period;
mod reason;
mod schedule;
mod v1alpha1;

pub use condition::ConditionType;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
pub use kube::core::ObjectMeta;
pub use manifest::{GENERATED, crd, crd_json, crd_yaml};
pub use nearest::nearest;
pub use period::{Period, PeriodError};
pub use reason::Reason;
pub use schedule::{Cron, Schedule, ScheduleError};
pub use v1alpha1::{
    ApiUsage, Auth, BulkApi, CaSecretRef, ClientCredentialsAuth, Connection, Consistency, DeleteMode, DeletionPolicy,
    Destination, Execution, FieldSpec, HeldDeletes, Jobs, JwtBearerAuth, LastRun, Mapping, MySql, ObjectPhase,
    ObjectSpec, ObjectStatus, PasswordAuth, PhoneNumbers, Postgres, RunKind, SalesforceReplicator,
    SalesforceReplicatorSpec, SalesforceReplicatorStatus, SecretRef, Sqlite, Trigger, UrlSecretRef, UrlSpec,
};

/// The API group.
pub const GROUP: &str = "salesforce-replicator.io";
/// The API version that this package describes.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` as it stands in a resource.
pub const API_VERSION: &str = "salesforce-replicator.io/v1alpha1";
/// The kind.
pub const KIND: &str = "SalesforceReplicator";
