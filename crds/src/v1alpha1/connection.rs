//! `spec.connection`: which org, and as whom.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Salesforce org that is read, and as whom.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "!has(self.auth.clientCredentials) || !(self.loginUrl.matches('^https?://(login|test)[.]salesforce[.]com(:[0-9]+)?/?$'))")
    .message("auth.clientCredentials needs the org's own My Domain host as loginUrl, such as https://acme.my.salesforce.com")
    .field_path(".loginUrl"))]
pub struct Connection {
    /// Where to log in: scheme and host, and for a site of Experience Cloud its path. Default
    /// https://login.salesforce.com; a sandbox has https://test.salesforce.com, and every org its own My Domain host. http
    /// is accepted for loopback hosts only, elsewhere the flag --allow-http is needed. Example:
    /// https://acme.my.salesforce.com
    #[serde(default = "default_login_url")]
    #[schemars(
        length(min = 8, max = 255),
        regex(
            pattern = r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$"
        )
    )]
    pub login_url: String,
    /// Version of the Salesforce API for data calls, 41.0 or newer. Default 66.0. Logging in has a version of its own,
    /// 64.0, the last one with a password login. Write it in quotes. Example: "66.0"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        length(min = 4, max = 5),
        regex(pattern = r"^(4[1-9]|[5-9][0-9]|[1-9][0-9]{2})\.0$")
    )]
    pub api_version: Option<String>,
    /// A Secret with certificates in PEM that are trusted beside the system's own, for a proxy that inspects TLS.
    /// Default: none. The environment's `HTTPS_PROXY` is honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CaSecretRef")]
    pub ca_secret_ref: Option<CaSecretRef>,
    /// How to log in: exactly one of password, clientCredentials and jwtBearer.
    pub auth: Auth,
    /// How large reads are done: Auto (by the number of rows), Soap or Bulk. Default Auto.
    #[serde(default)]
    pub api: BulkApi,
    /// Part of the org's daily API calls, in percent and used by anybody, above which first loads and full comparisons
    /// wait. Incremental runs go on to 95. Default 80.
    #[serde(default = "default_api_budget_percent")]
    #[schemars(range(min = 1, max = 95))]
    pub api_budget_percent: i32,
}

impl Connection {
    /// `apiVersion` where none is given.
    pub const DEFAULT_API_VERSION: &'static str = "66.0";
    /// `apiBudgetPercent` where none is given.
    pub const DEFAULT_API_BUDGET_PERCENT: i32 = 80;
    /// `loginUrl` where none is given.
    pub const DEFAULT_LOGIN_URL: &'static str = "https://login.salesforce.com";
}

fn default_login_url() -> String {
    Connection::DEFAULT_LOGIN_URL.to_owned()
}

fn default_api_budget_percent() -> i32 {
    Connection::DEFAULT_API_BUDGET_PERCENT
}

/// How large reads are done.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
pub enum BulkApi {
    /// By the number of rows.
    #[default]
    Auto,
    /// Pages of the SOAP API.
    Soap,
    /// Jobs of the Bulk API 2.0.
    Bulk,
}

/// How to log in: exactly one way.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "[has(self.password), has(self.clientCredentials), has(self.jwtBearer)].filter(x, x).size() == 1")
    .message("exactly one of password, clientCredentials and jwtBearer must be set"))]
pub struct Auth {
    /// With a user name, a password and a security token, over the SOAP login that Salesforce retires in summer 2027.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PasswordAuth")]
    pub password: Option<PasswordAuth>,
    /// With the client credentials of a connected or external client app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClientCredentialsAuth")]
    pub client_credentials: Option<ClientCredentialsAuth>,
    /// With a signed token of a connected app (JWT bearer flow).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JwtBearerAuth")]
    pub jwt_bearer: Option<JwtBearerAuth>,
}

/// Logs in with a user name and a password.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordAuth {
    /// A Secret with the keys username, password and, unless the token is appended to the password or the address is
    /// trusted, securityToken.
    pub secret_ref: SecretRef,
}

/// Logs in with the client credentials of an app.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCredentialsAuth {
    /// A Secret with the keys clientId and clientSecret.
    pub secret_ref: SecretRef,
}

/// Logs in with a signed token.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtBearerAuth {
    /// A Secret with the keys clientId, username and privateKey (PEM).
    pub secret_ref: SecretRef,
    /// Whom the token is for. Default: https://test.salesforce.com for a sandbox, else https://login.salesforce.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 8, max = 255), regex(pattern = r"^https?://[^\s]+$"))]
    pub audience: Option<String>,
}

/// A Secret of the resource's own namespace; which keys it has is said where it is used.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of a Secret in the resource's own namespace. Example: crm-salesforce
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// A key with certificates of a Secret in the resource's own namespace.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaSecretRef {
    /// Name of a Secret in the resource's own namespace. Example: crm-ca
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The key that holds the certificates in PEM. Default ca.crt.
    #[serde(default = "default_ca_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_ca_key() -> String {
    "ca.crt".to_owned()
}
