//! What was answered, and the resource that it makes.

use serde_json::{Value, json};

/// Everything that a first resource says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    /// `metadata.name`; the Secrets' names begin with it.
    pub(super) name: String,
    /// `metadata.namespace`.
    pub(super) namespace: Option<String>,
    /// Where to log in.
    pub(super) login_url: String,
    /// As whom: for comments only, since it stands in the Secret.
    pub(super) username: Option<String>,
    /// What to replicate.
    pub(super) objects: Vec<Chosen>,
    /// Where to.
    pub(super) destination: Destination,
    /// From start to start.
    pub(super) interval: String,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// API name.
    pub(super) name: String,
    /// In the user's language, where the org was asked.
    pub(super) label: Option<String>,
}

impl Chosen {
    /// An object of which only the name is known.
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            label: None,
        }
    }
}

/// The databases that this version serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// A schema of PostgreSQL.
    Postgres {
        /// Its name.
        schema: String,
    },
    /// A file.
    Sqlite {
        /// Its name.
        file: String,
    },
}

impl Destination {
    /// The schema where none is named.
    pub(super) const SCHEMA: &'static str = "salesforce";
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            name: "crm".to_owned(),
            namespace: None,
            login_url: crds::Connection::DEFAULT_LOGIN_URL.to_owned(),
            username: None,
            objects: super::DIRECTORY
                .iter()
                .take(super::DEFAULT_OBJECTS)
                .map(|name| Chosen::named(name))
                .collect(),
            destination: Destination::Sqlite {
                file: "crm.db".to_owned(),
            },
            interval: "5m".to_owned(),
        }
    }
}

impl Answers {
    /// The Secret with user name, password and token.
    pub(super) fn salesforce_secret(&self) -> String {
        format!("{}-salesforce", self.name)
    }

    /// The Secret with the database's URL.
    pub(super) fn database_secret(&self) -> String {
        format!("{}-database", self.name)
    }

    /// The resource, as programs read it.
    pub(super) fn to_value(&self) -> Value {
        let mut metadata = json!({ "name": self.name });
        if let (Some(namespace), Some(metadata)) = (&self.namespace, metadata.as_object_mut()) {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        let destination = match &self.destination {
            Destination::Postgres { schema } => json!({
                "postgres": { "secretRef": { "name": self.database_secret(), "key": "url" }, "schema": schema }
            }),
            Destination::Sqlite { file } => json!({ "sqlite": { "file": file } }),
        };
        let objects: Vec<Value> = self
            .objects
            .iter()
            .map(|object| json!({ "name": object.name }))
            .collect();
        json!({
            "apiVersion": crds::API_VERSION,
            "kind": crds::KIND,
            "metadata": metadata,
            "spec": {
                "connection": {
                    "loginUrl": self.login_url,
                    "auth": { "password": { "secretRef": { "name": self.salesforce_secret() } } },
                },
                "destination": destination,
                "trigger": { "interval": self.interval },
                "objects": objects,
            },
        })
    }

    /// All that the schema, and this version, have against it.
    pub(super) fn problems(&self) -> Vec<String> {
        match crds::validate::validate(&self.to_value()) {
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
            Ok(resource) => replication::plan::check_settings(&resource.spec)
                .err()
                .map(|problems| problems.0)
                .unwrap_or_default(),
        }
    }

    /// What is wrong at one place, or below it.
    pub(super) fn problem_at(&self, path: &str) -> Option<String> {
        let problems = crds::validate::validate(&self.to_value()).err()?;
        let own = problems
            .iter()
            .find(|problem| problem.path.to_string().starts_with(path));
        own.map(|problem| problem.message.clone())
    }

    /// The text at a place.
    pub(super) fn at(&self, path: &str) -> String {
        let value = self.to_value();
        let found = path.split('.').try_fold(&value, |value, key| value.get(key));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}
