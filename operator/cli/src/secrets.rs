//! Secrets without Kubernetes.
//!
//! Each key is looked for in three places, and the first that has it wins: `kind: Secret` documents in the files, the
//! folder of `--secrets` (as Kubernetes mounts Secrets: one folder each, one file a key), the environment. Key by key, so
//! that a file in version control can hold the user name and the environment the password.
//!
//! The environment's variables are `SFR_<SECRET>_<KEY>` in upper case, other characters as `_`: the key `securityToken`
//! of the secret `crm-salesforce` is `SFR_CRM_SALESFORCE_SECURITYTOKEN`.

use std::{env, fs, io, path::PathBuf};

use crds::{Auth, Connection, SalesforceReplicatorSpec};
use replication::{Error, Result, connect};
use secrecy::{ExposeSecret, SecretString};

use crate::{documents::SecretDocuments, failure::Failure};

/// Gives secrets from files and the environment.
#[derive(Debug)]
pub(crate) struct Secrets {
    documents: SecretDocuments,
    folder: Option<PathBuf>,
    environment: Environment,
}

/// Variables; a value that is passed, so that tests need not change their own process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Environment(pub(crate) fn(&str) -> Option<String>);

impl Environment {
    /// The process's own.
    pub(crate) fn process() -> Self {
        Self(|name| env::var(name).ok())
    }
}

impl Secrets {
    /// Documents first, then the folder, then the environment.
    pub(crate) fn new(documents: SecretDocuments, folder: Option<PathBuf>, environment: Environment) -> Self {
        Self {
            documents,
            folder,
            environment,
        }
    }

    /// Nothing where all secrets that the resource needs are there.
    ///
    /// # Errors
    /// All that are missing, and where each could be put.
    pub(crate) fn check(&self, spec: &SalesforceReplicatorSpec) -> Result<(), Failure> {
        self.check_keys(&needed(spec))
    }

    /// The same for a connection alone.
    pub(crate) fn check_connection(&self, connection: &Connection) -> Result<(), Failure> {
        self.check_keys(&needed_for_connection(connection))
    }

    fn check_keys(&self, needed: &[(&str, &str)]) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for (name, key) in needed {
            if connect::Secrets::secret(self, name, key)?.is_none() {
                missing.push(format!(
                    "secret {name}, key {key}: {}",
                    connect::Secrets::places(self, name, key)
                ));
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Failure::Secrets(missing))
        }
    }
}

/// The keys that a resource cannot do without.
fn needed(spec: &SalesforceReplicatorSpec) -> Vec<(&str, &str)> {
    let mut needed = needed_for_connection(&spec.connection);
    let destination = &spec.destination;
    needed.extend(
        destination
            .postgres
            .iter()
            .map(|postgres| &postgres.secret_ref)
            .map(|url| (url.name.as_str(), url.key.as_str())),
    );
    needed.extend(
        destination
            .mysql
            .iter()
            .map(|mysql| &mysql.secret_ref)
            .map(|url| (url.name.as_str(), url.key.as_str())),
    );
    needed.extend(
        destination
            .ca_secret_ref
            .iter()
            .map(|ca| (ca.name.as_str(), ca.key.as_str())),
    );
    needed
}

fn needed_for_connection(connection: &Connection) -> Vec<(&str, &str)> {
    let Auth {
        password,
        client_credentials,
        jwt_bearer,
    } = &connection.auth;
    let keys = |name, keys: &[&'static str]| keys.iter().map(|key| (name, *key)).collect::<Vec<(&str, &str)>>();
    let mut needed = Vec::new();
    if let Some(password) = password {
        needed.extend(keys(password.secret_ref.name.as_str(), &["username", "password"]));
    }
    if let Some(credentials) = client_credentials {
        needed.extend(keys(
            credentials.secret_ref.name.as_str(),
            &["clientId", "clientSecret"],
        ));
    }
    if let Some(bearer) = jwt_bearer {
        needed.extend(keys(
            bearer.secret_ref.name.as_str(),
            &["clientId", "username", "privateKey"],
        ));
    }
    needed.extend(
        connection
            .ca_secret_ref
            .iter()
            .map(|ca| (ca.name.as_str(), ca.key.as_str())),
    );
    needed
}

impl connect::Secrets for Secrets {
    fn secret(&self, name: &str, key: &str) -> Result<Option<SecretString>> {
        if let Some(value) = self.documents.get(name).and_then(|secret| secret.get(key)) {
            return Ok(Some(value.clone()));
        }
        if let Some(folder) = &self.folder {
            let file = folder.join(name).join(key);
            match fs::read_to_string(&file) {
                // Editors and echo end a file with a newline, and no password does.
                Ok(text) => return Ok(Some(SecretString::from(text.trim_end_matches(['\r', '\n'])))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let message = format!("secret {name}, key {key}: {} cannot be read: {error}", file.display());
                    return Err(Error::Secret {
                        reason: "SecretNotFound",
                        message,
                    });
                }
            }
        }
        let Environment(variable) = self.environment;
        Ok(variable(&variable_name(name, key))
            .map(SecretString::from)
            .filter(|value| !value.expose_secret().is_empty()))
    }

    fn places(&self, name: &str, key: &str) -> String {
        let folder = self.folder.as_ref().map_or_else(
            || format!("{name}/{key} in a folder that --secrets names"),
            |folder| format!("the file {}", folder.join(name).join(key).display()),
        );
        format!(
            "in a document of kind Secret, in {folder}, in the variable {}",
            variable_name(name, key)
        )
    }
}

/// The variable of a key of a secret.
pub(crate) fn variable_name(name: &str, key: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect()
    };
    format!("SFR_{}_{}", plain(name), plain(key))
}

#[cfg(test)]
mod tests {
    use replication::connect::Secrets as _;

    use super::*;

    fn documents(entries: &[(&str, &str, &str)]) -> SecretDocuments {
        let mut documents = SecretDocuments::new();
        for (name, key, value) in entries {
            documents
                .entry((*name).to_owned())
                .or_default()
                .insert((*key).to_owned(), SecretString::from(*value));
        }
        documents
    }

    fn nothing(_name: &str) -> Option<String> {
        None
    }

    fn variables(name: &str) -> Option<String> {
        match name {
            "SFR_CRM_SALESFORCE_SECURITYTOKEN" | "SFR_A_K" => Some("from the environment".to_owned()),
            "SFR_A_EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn value(secrets: &Secrets, name: &str, key: &str) -> Option<String> {
        secrets
            .secret(name, key)
            .unwrap()
            .map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn documents_win_over_the_folder_and_the_folder_over_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/k"), "from the folder\n").unwrap();
        let path = Some(folder.path().to_owned());
        let all = Secrets::new(
            documents(&[("a", "k", "from a document")]),
            path.clone(),
            Environment(variables),
        );
        assert_eq!(value(&all, "a", "k").as_deref(), Some("from a document"));
        let two = Secrets::new(documents(&[("a", "other", "x")]), path, Environment(variables));
        assert_eq!(value(&two, "a", "k").as_deref(), Some("from the folder"));
        let one = Secrets::new(documents(&[]), None, Environment(variables));
        assert_eq!(value(&one, "a", "k").as_deref(), Some("from the environment"));
        assert_eq!(
            value(&one, "crm-salesforce", "securityToken").as_deref(),
            Some("from the environment")
        );
        assert_eq!(value(&one, "a", "empty"), None);
    }

    #[test]
    fn only_line_ends_are_cut_from_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/k"), " x y \r\n").unwrap();
        let secrets = Secrets::new(documents(&[]), Some(folder.path().to_owned()), Environment(nothing));
        assert_eq!(value(&secrets, "a", "k").as_deref(), Some(" x y "));
        fs::create_dir(folder.path().join("a/folder")).unwrap();
        assert!(secrets.secret("a", "folder").is_err(), "a folder is no key");
    }

    #[test]
    fn all_missing_secrets_are_told_at_once_with_their_places() {
        let document = serde_json::json!({
            "connection": {"auth": {"password": {"secretRef": {"name": "crm-salesforce"}}}},
            "destination": {"postgres": {"secretRef": {"name": "db"}}},
            "objects": [{"name": "Contact"}]
        });
        let spec: SalesforceReplicatorSpec = serde_json::from_value(document).unwrap();
        let secrets = Secrets::new(
            documents(&[("crm-salesforce", "username", "ann")]),
            None,
            Environment(nothing),
        );
        let text = secrets.check(&spec).unwrap_err().to_string();
        assert_eq!(
            text,
            "secrets are missing:\n  \
             secret crm-salesforce, key password: in a document of kind Secret, in crm-salesforce/password in a folder that \
             --secrets names, in the variable SFR_CRM_SALESFORCE_PASSWORD\n  \
             secret db, key url: in a document of kind Secret, in db/url in a folder that --secrets names, in the variable \
             SFR_DB_URL"
        );
        let rest = documents(&[
            ("crm-salesforce", "password", "x"),
            ("crm-salesforce", "username", "a"),
            ("db", "url", "u"),
        ]);
        Secrets::new(rest, None, Environment(nothing)).check(&spec).unwrap();
    }

    #[test]
    fn secrets_are_not_shown_by_debug() {
        let secrets = Secrets::new(documents(&[("a", "k", "hunter2")]), None, Environment(nothing));
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
