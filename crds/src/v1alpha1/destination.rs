//! `spec.destination`: which database.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CaSecretRef;

/// The database that is written: exactly one of postgres, mysql and sqlite.
// The rule of the immutable schema compares the two ends of one update. Two updates, to another database and back with
// another schema, get past it, as they would wherever it stood: CEL knows no state but the last. The tables of the former
// schema then stay as they are, with their state in them, and the other schema is loaded from the beginning.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.postgres), has(self.mysql), has(self.sqlite)].filter(x, x).size() == 1")
    .message("exactly one of postgres, mysql and sqlite must be set"))]
#[x_kube(validation = Rule::new(
        "!has(self.postgres) || !has(oldSelf.postgres) || self.postgres.schema == oldSelf.postgres.schema")
    .message("postgres.schema is immutable: make a new resource for another schema")
    .reason(Reason::FieldValueForbidden).field_path(".postgres.schema"))]
#[x_kube(validation = Rule::new("!has(self.caSecretRef) || !has(self.sqlite)")
    .message("caSecretRef is for postgres and mysql: sqlite has no connection to secure").field_path(".caSecretRef"))]
pub struct Destination {
    /// PostgreSQL 13 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Postgres")]
    pub postgres: Option<Postgres>,
    /// MySQL 8 or MariaDB 10.6, or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MySql")]
    pub mysql: Option<MySql>,
    /// A SQLite file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Sqlite")]
    pub sqlite: Option<Sqlite>,
    /// A Secret with certificates in PEM that the database's certificate is checked against, beside the URL's own TLS
    /// parameters. Default: none, the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CaSecretRef")]
    pub ca_secret_ref: Option<CaSecretRef>,
}

/// A PostgreSQL database.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Postgres {
    /// The Secret key that holds the URL, such as postgres://user:password@host:5432/database?sslmode=verify-full
    pub secret_ref: UrlSecretRef,
    /// The schema that holds the tables; it is made where it is missing. Immutable. Default salesforce.
    #[serde(default = "default_schema")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('pg_')").message("names that start with pg_ are PostgreSQL's own"))]
    pub schema: String,
}

fn default_schema() -> String {
    "salesforce".to_owned()
}

/// A MySQL or MariaDB database.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MySql {
    /// The Secret key that holds the URL, such as mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY
    pub secret_ref: UrlSecretRef,
}

/// A SQLite file.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sqlite {
    /// The file's name, without a folder: where it lies is the operator's setting, and the working folder on the command
    /// line. Example: crm.db
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub file: String,
}

/// A key with a URL of a Secret in the resource's own namespace.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlSecretRef {
    /// Name of a Secret in the resource's own namespace. Example: crm-database
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The key that holds the URL. Default url.
    #[serde(default = "default_url_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_url_key() -> String {
    "url".to_owned()
}
