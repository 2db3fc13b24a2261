//! From files to one resource and the secrets beside it.
//!
//! A file is what `kubectl apply` takes: several documents, of which those of kind `SalesforceReplicator` and `Secret`
//! concern us; a `List`, which `kubectl get` prints, is opened. Other kinds are left alone, since a file may hold a
//! namespace or a config map beside; but a document of our own group must be one that we know, or a slip of the pen would
//! be a replicator that silently does not run.
//!
//! Everything wrong with all files is told at once, with file, line and column.

use std::{collections::BTreeMap, fmt, fs, io, io::Read, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use crds::{API_VERSION, GROUP, KIND, SalesforceReplicator, nearest, validate};
use secrecy::SecretString;

use crate::{
    arguments::Source,
    failure::Failure,
    tree::{Node, Place},
};

/// Where a resource lives when it does not say.
const DEFAULT_NAMESPACE: &str = "default";

/// What the files hold for the resource that was chosen.
#[derive(Debug)]
pub(crate) struct Documents {
    /// The resource.
    pub(crate) resource: SalesforceReplicator,
    /// Who it is, in the state of a destination.
    pub(crate) identity: Identity,
    /// Secrets of its namespace.
    pub(crate) secrets: SecretDocuments,
}

/// Values of `kind: Secret` documents, by name and key.
pub(crate) type SecretDocuments = BTreeMap<String, BTreeMap<String, SecretString>>;

/// Namespace and name of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    namespace: String,
    name: String,
}

impl Identity {
    fn of(resource: &SalesforceReplicator) -> Self {
        let namespace = resource
            .metadata
            .namespace
            .as_deref()
            .unwrap_or(DEFAULT_NAMESPACE)
            .to_owned();
        Self {
            namespace,
            name: resource.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// Whether somebody who writes `NAME` or `NAMESPACE/NAME` means it.
    fn is_meant_by(&self, wanted: &str) -> bool {
        match wanted.split_once('/') {
            Some((namespace, name)) => self.namespace == namespace && self.name == name,
            None => self.name == wanted,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Secret document.
#[derive(Debug)]
struct Secret {
    namespace: String,
    name: String,
    values: BTreeMap<String, SecretString>,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    resources: Vec<SalesforceReplicator>,
    secrets: Vec<Secret>,
    problems: Vec<String>,
}

/// Reads the files and chooses the resource.
pub(crate) fn load(source: &Source) -> Result<Documents, Failure> {
    let files = source.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    choose(parse(&files)?, source.name.as_deref())
}

/// A file's name, as problems show it, and its text.
struct File {
    name: String,
    text: String,
}

fn read(path: &PathBuf) -> Result<File, Failure> {
    let (name, text) = if path.as_os_str() == "-" {
        let mut text = String::new();
        (
            "standard input".to_owned(),
            io::stdin().lock().read_to_string(&mut text).map(|_| text),
        )
    } else {
        (path.display().to_string(), fs::read_to_string(path))
    };
    match text {
        Ok(text) => Ok(File { name, text }),
        Err(source) => Err(Failure::File { name, source }),
    }
}

fn parse(files: &[File]) -> Result<Found, Failure> {
    let mut found = Found::default();
    for File { name, text } in files {
        match Node::read_all(text) {
            Ok(documents) => documents.iter().for_each(|document| found.take(name, document)),
            Err(error) => {
                let place = error.place.map(|place| format!(":{place}")).unwrap_or_default();
                found
                    .problems
                    .push(format!("{name}{place}: this is not YAML: {}", error.message));
            }
        }
    }
    if found.problems.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let count = found.problems.len();
    Err(Failure::Invalid {
        heading: format!(
            "{} {} not valid, {count} {}:",
            names.join(", "),
            plural(names.len(), "is", "are"),
            plural(count, "problem", "problems")
        ),
        problems: found.problems,
        advice: "`salesforce-replicator crd` prints the schema, with a description of every field.",
    })
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

impl Found {
    fn take(&mut self, file: &str, document: &Node) {
        let text = |key: &str| document.get(key).and_then(Node::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if kind == "List" && api_version == "v1" {
            let items = document.get("items").map(Node::items).unwrap_or_default();
            for item in items {
                self.take(file, item);
            }
        } else if kind == "Secret" && api_version == "v1" {
            self.take_secret(file, document);
        } else if kind == KIND || api_version == API_VERSION || api_version.split('/').next() == Some(GROUP) {
            self.take_resource(file, document);
        } else if kind.is_empty() {
            self.problem(
                file,
                document.place(),
                "a document without kind: a resource begins with apiVersion and kind",
            );
        } else if nearest(kind, [KIND]).is_some() {
            self.problem(
                file,
                document.place(),
                &format!("kind: {kind} is not known; did you mean {KIND}?"),
            );
        } else {
            tracing::info!(file, kind, "a document of another kind is left alone");
        }
    }

    fn take_resource(&mut self, file: &str, document: &Node) {
        match validate::validate(&document.to_value()) {
            Ok(resource) => self.resources.push(resource),
            Err(problems) => {
                let mut placed: Vec<_> = problems
                    .iter()
                    .map(|problem| (document.place_of(&problem.path), problem))
                    .collect();
                placed.sort();
                self.problems.extend(
                    placed
                        .iter()
                        .map(|(place, problem)| format!("{file}:{place}: {problem}")),
                );
            }
        }
    }

    fn take_secret(&mut self, file: &str, document: &Node) {
        let metadata = |key: &str| {
            document
                .get("metadata")
                .and_then(|metadata| metadata.get(key))
                .and_then(Node::as_str)
        };
        let Some(name) = metadata("name").filter(|name| !name.is_empty()) else {
            self.problem(file, document.place(), "a Secret without metadata.name");
            return;
        };
        let mut values = BTreeMap::new();
        let encoded = document.get("data").into_iter().flat_map(Node::members);
        for (key, place, node) in encoded {
            match node.as_str().and_then(decode) {
                Some(value) => drop(values.insert(key.to_owned(), value)),
                None => self.problem(file, place, &format!("Secret {name}: data.{key} is not base64 of text")),
            }
        }
        // What stringData says wins over data, as it does on an API server.
        for (key, place, node) in document.get("stringData").into_iter().flat_map(Node::members) {
            match node.as_str() {
                Some(value) => drop(values.insert(key.to_owned(), SecretString::from(value))),
                None => self.problem(
                    file,
                    place,
                    &format!("Secret {name}: stringData.{key} must be text: write it in quotes"),
                ),
            }
        }
        let namespace = metadata("namespace").unwrap_or_default().to_owned();
        self.secrets.push(Secret {
            namespace,
            name: name.to_owned(),
            values,
        });
    }

    fn problem(&mut self, file: &str, place: Place, message: &str) {
        self.problems.push(format!("{file}:{place}: {message}"));
    }
}

fn decode(text: &str) -> Option<SecretString> {
    // A block scalar may have broken lines.
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(compact).ok()?;
    String::from_utf8(bytes).ok().map(SecretString::from)
}

fn choose(found: Found, wanted: Option<&str>) -> Result<Documents, Failure> {
    let Found {
        resources,
        secrets,
        problems: _,
    } = found;
    let identities: Vec<Identity> = resources.iter().map(Identity::of).collect();
    let names = identities
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let mut meant: Vec<_> = identities
        .into_iter()
        .zip(resources)
        .filter(|(identity, _)| wanted.is_none_or(|wanted| identity.is_meant_by(wanted)))
        .collect();
    match (meant.pop(), wanted) {
        (Some((identity, resource)), _) if meant.is_empty() => {
            let secrets = of_namespace(secrets, &identity.namespace);
            Ok(Documents {
                resource,
                identity,
                secrets,
            })
        }
        (Some(_), _) => Err(Failure::Usage(format!(
            "there are several replicators, {names}: choose one with --name"
        ))),
        (None, None) => Err(Failure::Usage(format!("there is no document of kind {KIND}"))),
        (None, Some(_)) if names.is_empty() => Err(Failure::Usage(format!("there is no document of kind {KIND}"))),
        (None, Some(wanted)) => Err(Failure::Usage(format!(
            "there is no replicator {wanted}; there are {names}"
        ))),
    }
}

/// Secrets are read in the resource's own namespace only; one that says none lies there too. Of two with one name the
/// later wins, key by key.
fn of_namespace(secrets: Vec<Secret>, namespace: &str) -> SecretDocuments {
    let mut documents = SecretDocuments::new();
    for secret in secrets
        .into_iter()
        .filter(|secret| secret.namespace.is_empty() || secret.namespace == namespace)
    {
        documents.entry(secret.name).or_default().extend(secret.values);
    }
    documents
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const CRM: &str = "\
apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {name: crm, namespace: telephony}
spec:
  connection: {auth: {password: {secretRef: {name: crm-salesforce}}}}
  destination: {sqlite: {file: crm.db}}
  objects: [{name: Contact}]
";

    fn from(texts: &[&str], name: Option<&str>) -> Result<Documents, Failure> {
        let files: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| File {
                name: format!("{index}.yaml"),
                text: (*text).to_owned(),
            })
            .collect();
        choose(parse(&files)?, name)
    }

    fn problems(text: &str) -> Vec<String> {
        let failure = from(&[text], None).unwrap_err();
        let Failure::Invalid { problems, .. } = failure else {
            panic!("{failure}")
        };
        problems
    }

    fn value(documents: &Documents, name: &str, key: &str) -> Option<String> {
        documents
            .secrets
            .get(name)?
            .get(key)
            .map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn a_resource_knows_who_it_is() {
        assert_eq!(from(&[CRM], None).unwrap().identity.to_string(), "telephony/crm");
        let bare = CRM.replace(", namespace: telephony", "");
        assert_eq!(from(&[&bare], None).unwrap().identity.to_string(), "default/crm");
    }

    #[test]
    fn one_of_several_is_chosen_by_name() {
        let both = format!("{CRM}---\n{}", CRM.replace("name: crm,", "name: hr,"));
        assert_eq!(from(&[&both], Some("hr")).unwrap().identity.to_string(), "telephony/hr");
        assert_eq!(
            from(&[&both], Some("telephony/crm")).unwrap().identity.to_string(),
            "telephony/crm"
        );
        for (name, words) in [
            (
                None,
                "there are several replicators, telephony/crm, telephony/hr: choose one with --name",
            ),
            (
                Some("x"),
                "there is no replicator x; there are telephony/crm, telephony/hr",
            ),
            (
                Some("other/crm"),
                "there is no replicator other/crm; there are telephony/crm, telephony/hr",
            ),
        ] {
            assert_eq!(from(&[&both], name).unwrap_err().to_string(), words);
        }
        assert_eq!(
            from(&["kind: Pod\n"], None).unwrap_err().to_string(),
            "there is no document of kind SalesforceReplicator"
        );
    }

    #[test]
    fn lists_are_opened_and_other_kinds_left_alone() {
        let indented: Vec<_> = CRM.lines().map(|line| format!("    {line}\n")).collect();
        let indented = indented.concat();
        let list = format!("apiVersion: v1\nkind: List\nitems:\n  -\n{indented}---\napiVersion: v1\nkind: Namespace\n");
        assert_eq!(from(&[&list], None).unwrap().identity.to_string(), "telephony/crm");
    }

    #[test]
    fn secrets_come_from_any_file_and_only_from_the_namespace() {
        let secret = |namespace: &str, body: &str| {
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: crm-salesforce{namespace}}}\n{body}\n")
        };
        let texts = [
            secret(
                "",
                "data: {username: YW5u, password: b2xk}\nstringData: {password: new}",
            ),
            secret(", namespace: other", "stringData: {password: foreign}"),
            secret(", namespace: telephony", "stringData: {securityToken: \"123\"}"),
        ];
        let documents = from(&[CRM, &texts[0], &texts[1], &texts[2]], None).unwrap();
        assert_eq!(value(&documents, "crm-salesforce", "username").as_deref(), Some("ann"));
        assert_eq!(value(&documents, "crm-salesforce", "password").as_deref(), Some("new"));
        assert_eq!(
            value(&documents, "crm-salesforce", "securityToken").as_deref(),
            Some("123")
        );
        assert_eq!(value(&documents, "crm-salesforce", "url"), None);
    }

    #[test]
    fn problems_name_file_line_and_column_all_at_once() {
        let bad = CRM.replace(
            "  objects: [{name: Contact}]",
            "  parallelism: 0\n  objects:\n    - {name: Contact, tabel: x}\n  trigger: 5m",
        );
        assert_eq!(
            problems(&bad),
            [
                "0.yaml:7:3: spec.parallelism: must be 1 to 32",
                "0.yaml:9:23: spec.objects[0].tabel: unknown field; did you mean table?",
                "0.yaml:10:3: spec.trigger: must be a mapping, not text",
            ]
        );
        let text = from(&[&bad], None).unwrap_err().to_string();
        assert!(
            text.starts_with("0.yaml is not valid, 3 problems:\n  0.yaml:7:3:"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_yaml_is_named_by_file_and_line() {
        let found = problems("a: 1\nb: [1, 2\n");
        assert!(
            found[0].starts_with("0.yaml:") && found[0].contains("this is not YAML"),
            "{found:?}"
        );
    }

    #[test]
    fn slips_of_the_pen_are_not_left_alone() {
        for text in [
            CRM.replace("kind: SalesforceReplicator", "kind: SalesforceReplicater"),
            CRM.replace("io/v1alpha1", "io/v1"),
            CRM.replace("apiVersion: salesforce-replicator.io/v1alpha1\n", ""),
            "apiVersion: v1\nkind: SalesforceReplikator\n".to_owned(),
            "spec: {}\n".to_owned(),
        ] {
            assert_eq!(problems(&text).len(), 1, "{text}: {:?}", problems(&text));
        }
    }

    #[test]
    fn secrets_that_are_none_are_refused_without_their_values() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: 'hunter2!', b: /w==}\nstringData: {c: 31337}\n---\napiVersion: v1\nkind: Secret\n";
        let found = problems(text);
        assert_eq!(
            found,
            [
                "0.yaml:4:8: Secret s: data.a is not base64 of text",
                "0.yaml:4:23: Secret s: data.b is not base64 of text",
                "0.yaml:5:14: Secret s: stringData.c must be text: write it in quotes",
                "0.yaml:7:1: a Secret without metadata.name",
            ]
        );
    }
}
