//! The Secrets of a resource, as they were at one moment.
//!
//! Secrets are watched as metadata only, so that no value is in memory that nobody needs; a Secret is read when a resource
//! refers to it and its `resourceVersion` is not the one that was read before. What is read is a [`Snapshot`]: a worker
//! works with the values that it was started with, and a rotation starts it anew with others. A snapshot never prints
//! its values.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crds::{Auth, Connection, Destination, SalesforceReplicatorSpec};
use k8s_openapi::api::core::v1::Secret;
use replication::{Error, Result, connect};
use secrecy::{ExposeSecret, SecretString};

/// The Secrets that a resource refers to; all of them lie in its own namespace.
pub(crate) fn names(spec: &SalesforceReplicatorSpec) -> BTreeSet<&str> {
    let Connection {
        login_url: _,
        api_version: _,
        ca_secret_ref,
        auth: Auth {
            password,
            client_credentials,
            jwt_bearer,
        },
        api: _,
        api_budget_percent: _,
    } = &spec.connection;
    let mut names = names_of_destination(&spec.destination);
    names.extend(ca_secret_ref.iter().map(|reference| reference.name.as_str()));
    names.extend(password.iter().map(|auth| auth.secret_ref.name.as_str()));
    names.extend(client_credentials.iter().map(|auth| auth.secret_ref.name.as_str()));
    names.extend(jwt_bearer.iter().map(|auth| auth.secret_ref.name.as_str()));
    names
}

/// Those of the destination: enough to drop its tables.
pub(crate) fn names_of_destination(destination: &Destination) -> BTreeSet<&str> {
    let Destination {
        postgres,
        mysql,
        sqlite: _,
        ca_secret_ref: database_ca,
    } = destination;
    let mut names: BTreeSet<&str> = BTreeSet::new();
    names.extend(postgres.iter().map(|postgres| postgres.secret_ref.name.as_str()));
    names.extend(mysql.iter().map(|mysql| mysql.secret_ref.name.as_str()));
    names.extend(database_ca.iter().map(|reference| reference.name.as_str()));
    names
}

/// Values of the Secrets of one resource at one moment.
#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    namespace: String,
    secrets: BTreeMap<String, Read>,
}

/// One Secret as it was read.
#[derive(Clone)]
struct Read {
    version: String,
    /// `None` where the value is no text.
    values: BTreeMap<String, Option<SecretString>>,
}

impl Read {
    fn holds(&self, other: &Self) -> bool {
        fn texts(read: &Read) -> impl Iterator<Item = (&str, Option<&str>)> {
            read.values
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_ref().map(ExposeSecret::expose_secret)))
        }
        self.version == other.version || texts(self).eq(texts(other))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("namespace", &self.namespace)
            .field("versions", &self.versions())
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Of a resource in `namespace`, without any Secret.
    pub(crate) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            secrets: BTreeMap::new(),
        }
    }

    /// Takes a Secret in, as the API server gave it.
    pub(crate) fn insert(&mut self, secret: Secret) {
        let Secret { data, metadata, .. } = secret;
        let values = data.unwrap_or_default().into_iter().map(|(key, value)| {
            let text = String::from_utf8(value.0).ok().map(SecretString::from);
            (key, text)
        });
        self.secrets.insert(
            metadata.name.unwrap_or_default(),
            Read {
                version: metadata.resource_version.unwrap_or_default(),
                values: values.collect(),
            },
        );
    }

    /// Takes over a Secret from an earlier snapshot where it is still of this version.
    pub(crate) fn keep(&mut self, earlier: &Self, name: &str, version: &str) -> bool {
        let kept = earlier.secrets.get(name).filter(|read| read.version == version);
        if let Some(read) = kept {
            self.secrets.insert(name.to_owned(), read.clone());
        }
        kept.is_some()
    }

    /// The `resourceVersion` of each Secret.
    pub(crate) fn versions(&self) -> BTreeMap<&str, &str> {
        self.secrets
            .iter()
            .map(|(name, read)| (name.as_str(), read.version.as_str()))
            .collect()
    }

    /// Takes over a Secret from an earlier snapshot, whatever its version: it is not there any more.
    pub(crate) fn keep_gone(&mut self, earlier: &Self, name: &str) -> bool {
        let kept = earlier.secrets.get(name);
        if let Some(read) = kept {
            self.secrets.insert(name.to_owned(), read.clone());
        }
        kept.is_some()
    }

    /// Whether a worker with one of them may go on with the other: by what they hold, since a label or an annotation that
    /// somebody keeps changing gives a Secret another version, and no session has to end for it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.secrets.len() == other.secrets.len()
            && self
                .secrets
                .iter()
                .all(|(name, read)| other.secrets.get(name).is_some_and(|others| read.holds(others)))
    }
}

impl connect::Secrets for Snapshot {
    fn secret(&self, name: &str, key: &str) -> Result<Option<SecretString>> {
        let Some(read) = self.secrets.get(name) else {
            return Err(Error::Secret {
                reason: "SecretNotFound",
                message: format!(
                    "Secret {}/{name} does not exist; the resource needs its key {key}",
                    self.namespace
                ),
            });
        };
        match read.values.get(key) {
            None => Ok(None),
            Some(Some(value)) => Ok(Some(value.clone())),
            Some(None) => Err(Error::Secret {
                reason: "KeyMissing",
                message: format!(
                    "Secret {}/{name}: the value of key {key} is not text in UTF-8",
                    self.namespace
                ),
            }),
        }
    }

    fn places(&self, name: &str, _key: &str) -> String {
        format!("in Secret {}/{name}", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use kube::core::ObjectMeta;
    use replication::connect::Secrets as _;

    use super::*;

    fn secret(name: &str, version: &str, data: &[(&str, &[u8])]) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(name.into()),
                resource_version: Some(version.into()),
                ..ObjectMeta::default()
            },
            data: Some(
                data.iter()
                    .map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())))
                    .collect(),
            ),
            ..Secret::default()
        }
    }

    #[test]
    fn what_is_missing_is_named_and_no_value_is_printed() {
        let mut snapshot = Snapshot::new("telephony");
        snapshot.insert(secret("org", "7", &[("password", b"swordfish"), ("key", &[0xff])]));
        assert_eq!(
            snapshot.secret("org", "password").unwrap().unwrap().expose_secret(),
            "swordfish"
        );
        assert!(snapshot.secret("org", "username").unwrap().is_none());
        let not_there = snapshot.secret("database", "url").unwrap_err();
        assert_eq!(
            (not_there.reason(), not_there.message().as_str()),
            (
                "SecretNotFound",
                "Secret telephony/database does not exist; the resource needs its key url"
            )
        );
        let no_text = snapshot.secret("org", "key").unwrap_err();
        assert_eq!(no_text.reason(), "KeyMissing");
        assert!(no_text.message().contains("org: the value of key key"), "{no_text}");
        assert!(!format!("{snapshot:?}").contains("swordfish"));
    }

    #[test]
    fn only_a_secret_of_another_version_is_read_again() {
        let mut first = Snapshot::new("telephony");
        first.insert(secret("org", "7", &[("password", b"a")]));
        let mut second = Snapshot::new("telephony");
        assert!(second.keep(&first, "org", "7"));
        assert!(second.is_same(&first));
        let mut third = Snapshot::new("telephony");
        assert!(!third.keep(&first, "org", "8") && !third.keep(&first, "database", "1"));
        third.insert(secret("org", "8", &[("password", b"b")]));
        assert!(!third.is_same(&first));
        let mut labelled = Snapshot::new("telephony");
        labelled.insert(secret("org", "9", &[("password", b"b")]));
        assert!(labelled.is_same(&third) && !labelled.is_same(&first));
    }

    #[test]
    fn every_reference_of_a_resource_is_known() {
        let spec: SalesforceReplicatorSpec = serde_json::from_value(serde_json::json!({
            "connection": {
                "caSecretRef": {"name": "a"},
                "auth": {"password": {"secretRef": {"name": "b"}}, "clientCredentials": {"secretRef": {"name": "c"}},
                         "jwtBearer": {"secretRef": {"name": "d"}}},
            },
            "destination": {"postgres": {"secretRef": {"name": "e"}}, "mysql": {"secretRef": {"name": "f"}},
                            "caSecretRef": {"name": "g"}},
            "objects": [{"name": "Contact"}],
        }))
        .unwrap();
        assert_eq!(names(&spec), BTreeSet::from(["a", "b", "c", "d", "e", "f", "g"]));
        assert_eq!(names_of_destination(&spec.destination), BTreeSet::from(["e", "f", "g"]));
    }
}
