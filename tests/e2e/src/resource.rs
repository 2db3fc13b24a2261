//! Resources for the tests, as the YAML that a user would write.

use std::path::Path;

use crate::database::Database;

/// The user that the simulator knows by default.
pub const USERNAME: &str = "admin@example.com";
/// Its password.
pub const PASSWORD: &str = "correct horse";
/// Its security token.
pub const TOKEN: &str = "TOKEN123";

/// A resource and its Secrets.
#[derive(Debug, Clone)]
pub struct Resource {
    /// `metadata.name`.
    pub name: String,
    /// `spec.connection.loginUrl`.
    pub login_url: String,
    /// `spec.connection.apiVersion`.
    pub api_version: String,
    /// The Secret's username.
    pub username: String,
    /// The Secret's password.
    pub password: String,
    /// The Secret's security token, if any.
    pub token: Option<String>,
    /// Where to.
    pub database: Database,
    /// The entries of `spec.objects`, each YAML on one line: `{name: Contact}`.
    pub objects: Vec<String>,
    /// More lines of the spec, each indented by two: `  parallelism: 4`.
    pub more: String,
}

impl Resource {
    /// Of the simulator's default user.
    pub fn new(login_url: &(impl ToString + ?Sized), database: &Database, objects: &[&str]) -> Self {
        Self {
            name: "crm".into(),
            login_url: login_url.to_string(),
            api_version: "66.0".into(),
            username: USERNAME.into(),
            password: PASSWORD.into(),
            token: Some(TOKEN.into()),
            database: database.clone(),
            objects: objects.iter().map(ToString::to_string).collect(),
            more: String::new(),
        }
    }

    /// As YAML of several documents.
    pub fn yaml(&self) -> String {
        let (destination, url) = self.database.destination();
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let mut objects = String::new();
        for object in &self.objects {
            objects.extend(["    - ", object, "\n"]);
        }
        let token = self
            .token
            .as_deref()
            .map(|token| format!("  securityToken: {}\n", quoted(token)))
            .unwrap_or_default();
        let mut yaml = format!(
            "apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {{name: {}}}
spec:
  connection:
    loginUrl: {}
    apiVersion: '{}'
    auth: {{password: {{secretRef: {{name: salesforce}}}}}}
  destination: {destination}
  objects:
{objects}{}
---
apiVersion: v1
kind: Secret
metadata: {{name: salesforce}}
stringData:
  username: {}
  password: {}
{token}",
            self.name,
            self.login_url,
            self.api_version,
            self.more,
            quoted(&self.username),
            quoted(&self.password)
        );
        if let Some(url) = url {
            yaml += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: database}\nstringData:\n";
            yaml.extend(["  url: ", &quoted(&url), "\n"]);
        }
        yaml
    }

    /// Writes it to `crm.yaml` in `folder`.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, folder: &Path) -> String {
        let file = format!("{}.yaml", self.name);
        std::fs::write(folder.join(&file), self.yaml()).expect("the folder can be written to");
        file
    }
}
