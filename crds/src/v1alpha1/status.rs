//! `status`: what is reported. Nothing here says where a run goes on; that is in the destination.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the replicator stands. Written by the operator only.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesforceReplicatorStatus {
    /// The generation of the spec that has been acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,
    /// Ready, Synchronizing, CredentialsValid, DestinationReady, Degraded and Suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The org's host, as the last login told it; URLs in the tables start with it. Example: https://acme.my.salesforce.com
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub instance_url: Option<String>,
    /// The org's Id, 18 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub organization_id: Option<String>,
    /// API calls of the org within 24 hours, by anybody, as Salesforce last told them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ApiUsage")]
    pub api_usage: Option<ApiUsage>,
    /// Objects that are up to date, of all. Example: 2/2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub objects_ready: Option<String>,
    /// The last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LastRun")]
    pub last_run: Option<LastRun>,
    /// When all objects were last replicated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub last_success_time: Option<Time>,
    /// When the next run starts by interval or schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub next_run_time: Option<Time>,
    /// When something that failed, or waits for the API budget, is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub next_try_time: Option<Time>,
    /// The value of spec.trigger.manual that was last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_manual_run: Option<String>,
    /// Due times that passed without a run of their own, since the resource was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub missed_runs: Option<i64>,
    /// Tables of objects that left the spec, or whose table changed: kept, no longer updated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub retired_tables: Vec<String>,
    /// Each object, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub objects: Vec<ObjectStatus>,
}

/// API calls of the org within 24 hours.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiUsage {
    /// Calls made.
    pub used: i64,
    /// Calls allowed.
    pub limit: i64,
}

/// One of the five kinds of run.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum RunKind {
    /// All records, for the first time.
    Initial,
    /// What changed since the last run.
    Incremental,
    /// Late commits and hard deletes.
    Verify,
    /// All Ids and stamps compared.
    Reconcile,
    /// Every row read again.
    Refresh,
}

/// The last run, over all objects.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Its name in logs and events.
    pub id: String,
    /// The heaviest kind of its objects.
    pub kind: RunKind,
    /// When it started.
    pub start_time: Time,
    /// When it ended; not there while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub end_time: Option<Time>,
    /// How long it took. Example: 1m12s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub duration: Option<String>,
    /// Records that Salesforce sent.
    pub rows_read: i64,
    /// Rows inserted or updated.
    pub rows_written: i64,
    /// Rows removed or marked.
    pub rows_deleted: i64,
    /// API calls that it needed.
    pub api_calls: i64,
}

/// How far an object is.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum ObjectPhase {
    /// Nothing has been read.
    Pending,
    /// The first load is under way; the table is partial.
    Initial,
    /// The table is complete as of the watermark.
    Live,
    /// The last run failed.
    Failing,
    /// Deletes are held until somebody confirms them.
    Held,
}

/// One object.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// API name of the object.
    pub name: String,
    /// Its table.
    pub table: String,
    /// Pending, Initial, Live, Failing or Held.
    pub phase: ObjectPhase,
    /// How its last large read was done: Soap or Bulk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub api: Option<String>,
    /// Why that way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub api_reason: Option<String>,
    /// Up to here, on Salesforce's clock, every visible change has been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub watermark: Option<Time>,
    /// Rows in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub rows: Option<i64>,
    /// Records read by the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub rows_read: Option<i64>,
    /// Rows inserted or updated by the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub rows_written: Option<i64>,
    /// Rows removed or marked by the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub rows_deleted: Option<i64>,
    /// Rows whose values do not fit their columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub rejected: Option<i64>,
    /// Deletes that the guard holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HeldDeletes")]
    pub held_deletes: Option<HeldDeletes>,
    /// When it was last replicated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub last_success_time: Option<Time>,
    /// What went wrong last, at most 256 bytes; not there once it works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_error: Option<String>,
    /// Failed runs in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub consecutive_failures: Option<i64>,
}

/// Deletes that the guard holds.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldDeletes {
    /// How many.
    pub count: i64,
    /// What the annotation salesforce-replicator.io/confirm-deletes has to say to admit exactly these.
    pub token: String,
}
