//! Every bound, pattern, type and required field of the schema.
//!
//! The cases come out of the schema itself: for each field of the spec one value just outside of each thing that the
//! schema asks of it. So a new field is tested when it is made, or the test says that no document here has it.

use std::collections::BTreeSet;

use crds::validate::validate;
use serde_json::{Value, json};

use super::{Place, minimal, set};

/// Resources that are accepted and that together have every field.
fn documents() -> [Value; 3] {
    let secret = json!({"name": "s", "key": "k"});
    let document = |connection: Value, destination: Value, trigger: Value| {
        let mut document = minimal();
        document["spec"] = json!({
            "connection": connection,
            "destination": destination,
            "trigger": trigger,
            "objects": [{
                "name": "Contact",
                "table": "contact",
                "mapping": "Directory",
                "fields": [{"source": "Account.Industry", "column": "industry"}],
                "exclude": ["HomePhone"],
                "urls": [{"column": "contact_url_1", "template": "{instanceUrl}/{Id}"}],
                "where": "MailingCountry = 'Germany'",
                "deletes": "Remove",
                "indexes": [["email"], ["company", "surname"]],
            }],
            "phoneNumbers": {"defaultRegion": "DE", "areaCode": "8151"},
            "consistency": {
                "overlap": "10m",
                "verifyEvery": "1h",
                "reconcileEvery": "24h",
                "refreshEvery": "24h",
                "maxDeletePercent": 10,
            },
            "parallelism": 2,
            "execution": {"jobs": "Never"},
            "suspend": false,
            "deletionPolicy": "Retain",
        });
        document
    };
    [
        document(
            json!({
                "loginUrl": "https://acme.my.salesforce.com",
                "apiVersion": "66.0",
                "caSecretRef": secret,
                "auth": {"password": {"secretRef": {"name": "s"}}},
                "api": "Auto",
                "apiBudgetPercent": 80,
            }),
            json!({"postgres": {"secretRef": secret, "schema": "salesforce"}, "caSecretRef": secret}),
            json!({"interval": "5m", "manual": "2026-11-23-a"}),
        ),
        document(
            json!({
                "loginUrl": "https://acme.my.salesforce.com",
                "auth": {"clientCredentials": {"secretRef": {"name": "s"}}},
            }),
            json!({"mysql": {"secretRef": secret}}),
            json!({"schedule": "*/15 * * * *", "timeZone": "Europe/Berlin"}),
        ),
        document(
            json!({"auth": {"jwtBearer": {
                "secretRef": {"name": "s"},
                "audience": "https://login.salesforce.com",
            }}}),
            json!({"sqlite": {"file": "crm.db"}}),
            json!({}),
        ),
    ]
}

/// `/spec/objects/0/name` as `spec.objects[0].name`.
fn field(pointer: &str) -> String {
    let mut field = String::new();
    for step in pointer.split('/').skip(1) {
        if step.parse::<usize>().is_ok() {
            field.extend(["[", step, "]"]);
        } else {
            field.extend([if field.is_empty() { "" } else { "." }, step]);
        }
    }
    field
}

/// A wrong resource, and where it is wrong.
struct Case {
    document: Value,
    pointer: String,
}

/// The way through a document along the schema.
struct Walk<'a> {
    document: &'a Value,
    cases: Vec<Case>,
    /// Fields that were met, an item of a list as `[]`.
    met: &'a mut BTreeSet<String>,
}

impl Walk<'_> {
    /// One case: another value at a place.
    fn case(&mut self, pointer: &str, value: Value) {
        let mut document = self.document.clone();
        set(&mut document, pointer, value);
        self.cases.push(Case {
            document,
            pointer: pointer.to_owned(),
        });
    }

    fn visit(&mut self, schema: &Value, pointer: &str, path: &str) {
        let Some(value) = self.document.pointer(pointer).cloned() else {
            return;
        };
        if self.met.insert(path.to_owned()) {
            self.around(schema, pointer, &value);
        }
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            self.visit(property, &format!("{pointer}/{key}"), &format!("{path}.{key}"));
        }
        if schema["items"].is_object() {
            self.visit(&schema["items"], &format!("{pointer}/0"), &format!("{path}[]"));
        }
    }

    /// The cases around a value.
    fn around(&mut self, schema: &Value, pointer: &str, value: &Value) {
        match schema["type"].as_str().expect("a type") {
            "string" => self.text(schema, pointer),
            "integer" => {
                let bound = |key| schema[key].as_i64().expect("a bound");
                self.case(pointer, json!(bound("minimum") - 1));
                self.case(pointer, json!(bound("maximum") + 1));
                self.case(pointer, json!("1"));
            }
            "boolean" => self.case(pointer, json!("true")),
            "array" => self.list(schema, pointer, &value[0]),
            "object" => {
                self.case(pointer, json!("text"));
                for key in schema["required"].as_array().into_iter().flatten() {
                    self.without(pointer, key.as_str().expect("a name"));
                }
            }
            other => panic!("{pointer} is {other}: say here what lies outside of it"),
        }
    }

    fn text(&mut self, schema: &Value, pointer: &str) {
        self.case(pointer, json!(5));
        if schema["enum"].is_array() {
            self.case(pointer, json!("Wrong"));
            return;
        }
        let bound = |key| usize::try_from(schema[key].as_u64().expect("a bound")).expect("it fits");
        let (shortest, longest) = (bound("minLength"), bound("maxLength"));
        self.case(pointer, json!("a".repeat(longest + 1)));
        self.case(pointer, json!("a".repeat(shortest - 1)));
        if schema["pattern"].is_string() {
            self.case(pointer, json!("%".repeat(shortest)));
        }
    }

    fn list(&mut self, schema: &Value, pointer: &str, item: &Value) {
        self.case(pointer, json!({}));
        let keys: Vec<_> = schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        let numbered = |n: u64| {
            let mut item = item.clone();
            for key in &keys {
                item[key.as_str().expect("a name")] = json!(format!("a{n}"));
            }
            if item.is_string() { json!(format!("a{n}")) } else { item }
        };
        let longest = schema["maxItems"].as_u64().expect("a bound");
        self.case(pointer, (0..=longest).map(numbered).collect());
        if schema["minItems"].is_number() {
            self.case(pointer, json!([]));
        }
    }

    fn without(&mut self, pointer: &str, key: &str) {
        let mut document = self.document.clone();
        let parent = document.pointer_mut(pointer).and_then(Value::as_object_mut);
        parent.expect("it is there").remove(key);
        self.cases.push(Case {
            document,
            pointer: format!("{pointer}/{key}"),
        });
    }
}

/// Every field of a schema, an item of a list as `[]`.
fn fields_of(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    into.insert(path.to_owned());
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        fields_of(property, &format!("{path}.{key}"), into);
    }
    if schema["items"].is_object() {
        fields_of(&schema["items"], &format!("{path}[]"), into);
    }
}

#[tokio::test]
async fn every_bound_pattern_and_type_of_the_schema_is_kept_here_and_in_files() {
    let place = Place::new("bounds").await;
    let crd: Value = serde_json::from_str(&crds::crd_json().expect("JSON")).expect("JSON");
    let spec = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .expect("a schema");
    let (mut met, mut all) = (BTreeSet::new(), BTreeSet::new());
    fields_of(spec, "spec", &mut all);
    let mut count = 0;
    for document in documents() {
        place.accepts(&document).await;
        let mut walk = Walk {
            document: &document,
            cases: Vec::new(),
            met: &mut met,
        };
        walk.visit(spec, "/spec", "spec");
        for case in walk.cases {
            let field = field(&case.pointer);
            let value = case.document.pointer(&case.pointer);
            let causes = place.causes(&case.document).await;
            let elsewhere = causes.iter().any(|cause| cause.field != field);
            assert!(!causes.is_empty() && !elsewhere, "{field} {value:?}: {causes:?}");
            let problems = validate(&case.document).expect_err(&field);
            let named = problems.iter().any(|problem| problem.path.to_string() == field);
            assert!(named, "{field} {value:?}: {problems:?}");
            count += 1;
        }
    }
    let unmet: Vec<_> = all.difference(&met).collect();
    assert!(unmet.is_empty(), "no document here has {unmet:?}");
    assert!(count > 150, "{count} cases");
}

#[tokio::test]
async fn values_at_the_edge_of_a_pattern_have_the_same_verdict_here_and_in_files() {
    let place = Place::new("patterns").await;
    let (connection, object) = ("/spec/connection", "/spec/objects/0");
    for (pointer, good, bad) in [
        (
            format!("{connection}/loginUrl"),
            [
                "http://127.0.0.1:8080",
                "https://[::1]:8443/",
                "https://acme.my.site.com/portal/",
            ],
            [
                "https://user:secret@acme.example",
                "https://acme.example/?a=b",
                "acme.my.salesforce.com",
            ],
        ),
        (
            format!("{connection}/apiVersion"),
            ["41.0", "66.0", "100.0"],
            ["40.0", "66.1", "v66.0"],
        ),
        (
            "/spec/destination/postgres/schema".into(),
            ["_crm", "Crm9", "s"],
            ["crm-1", "9crm", "crm\n"],
        ),
        (
            "/spec/trigger/interval".into(),
            ["99999h", "1h30m", "30s"],
            ["-30s", "100000h", "5 m"],
        ),
        (
            format!("{object}/name"),
            ["acme__Region__c", "A", "A1"],
            ["Account.Contact", "1A", "Ä"],
        ),
        (
            format!("{object}/fields/0/source"),
            ["Name", "Account.Name", "Region__r.Name"],
            ["Contact.Account.Name", ".Name", "Name."],
        ),
    ] {
        let mut document = documents()[0].clone();
        for value in good {
            set(&mut document, &pointer, json!(value));
            place.accepts(&document).await;
        }
        for value in bad {
            set(&mut document, &pointer, json!(value));
            let causes = place.causes(&document).await;
            assert!(!causes.is_empty(), "{pointer} {value} is accepted");
            assert!(validate(&document).is_err(), "{pointer} {value} is accepted in a file");
        }
    }
}

#[tokio::test]
async fn names_are_there_once() {
    let place = Place::new("once").await;
    let [document, ..] = documents();
    for pointer in [
        "/spec/objects",
        "/spec/objects/0/fields",
        "/spec/objects/0/exclude",
        "/spec/objects/0/urls",
    ] {
        let mut twice = document.clone();
        let list = twice
            .pointer_mut(pointer)
            .and_then(Value::as_array_mut)
            .expect("a list");
        list.push(list[0].clone());
        let causes = place.causes(&twice).await;
        let found: Vec<_> = causes.iter().map(|cause| cause.field.as_str()).collect();
        assert_eq!(found, [field(&format!("{pointer}/1"))]);
        let problems = validate(&twice).expect_err(pointer);
        assert!(problems[0].message.ends_with("is there twice"), "{problems:?}");
    }
}
