use serde_json::json;

use super::*;
use crate::v1alpha1::tests::{COMPLETE, MINIMAL, document};

/// The problems of the minimal resource after `change`, as they are printed.
fn problems(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut document = document(MINIMAL);
    change(&mut document);
    match validate(&document) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::to_string).collect(),
    }
}

/// The problems after one member was set.
fn after(pointer: &str, value: Value) -> Vec<String> {
    problems(|document| set(document, pointer, value))
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    parent.as_object_mut().unwrap().insert(key.to_owned(), value);
}

#[test]
fn good_documents_become_resources_with_defaults() {
    for yaml in [COMPLETE, MINIMAL] {
        let resource = validate(&document(yaml)).unwrap();
        assert_eq!(resource.metadata.name.as_deref(), Some("crm"));
        assert_eq!(resource.spec.parallelism, 2);
    }
}

#[test]
fn what_kubectl_prints_can_be_used() {
    let live = json!({"conditions": [], "anything": "the operator wrote"});
    assert_eq!(after("/status", live), [""; 0]);
    let metadata = json!({"name": "crm", "uid": "1", "resourceVersion": "5", "generation": 1, "managedFields": []});
    assert_eq!(after("/metadata", metadata), [""; 0]);
}

#[test]
fn all_problems_come_at_once_sorted_by_path() {
    let found = problems(|document| {
        set(document, "/spec/parallelism", json!(0));
        set(document, "/spec/objets", json!([]));
        set(document, "/spec/destination", json!({}));
        set(
            document,
            "/spec/trigger",
            json!({"timeZone": "Europe/Berln", "interval": "5"}),
        );
    });
    assert_eq!(
        found,
        [
            "spec.destination: exactly one of postgres, mysql and sqlite must be set",
            "spec.objets: unknown field; did you mean objects?",
            "spec.parallelism: must be 1 to 32",
            "spec.trigger: timeZone needs schedule",
            "spec.trigger.interval: must have 2 to 18 characters",
            "spec.trigger.timeZone: \"Europe/Berln\" is not a time zone: write its IANA name, such as Europe/Berlin",
        ]
    );
}

#[test]
fn unknown_fields_are_named_at_every_depth() {
    assert_eq!(
        after("/spec/objects", json!([{"name": "Contact", "tabel": "c"}])),
        ["spec.objects[0].tabel: unknown field; did you mean table?"]
    );
    assert_eq!(
        after("/metadata/lables", json!({})),
        ["metadata.lables: unknown field; did you mean labels?"]
    );
    assert_eq!(after("/sepc", json!({})), ["sepc: unknown field; did you mean spec?"]);
    assert_eq!(
        after("/spec/connection/auth/password/token", json!("x")),
        ["spec.connection.auth.password.token: unknown field; known are secretRef"]
    );
}

#[test]
fn the_envelope_is_checked() {
    assert_eq!(
        after("/apiVersion", json!("v1")),
        ["apiVersion: must be salesforce-replicator.io/v1alpha1"]
    );
    assert_eq!(after("/kind", json!("Pod")), ["kind: must be SalesforceReplicator"]);
    assert_eq!(after("/metadata", json!({})), ["metadata.name: is required"]);
    assert!(after("/metadata/name", json!("CRM"))[0].starts_with("metadata.name: must match"));
    assert_eq!(
        after("/metadata/name", json!("n".repeat(64))),
        ["metadata.name must be at most 63 characters"]
    );
    assert_eq!(
        validate(&json!("text")).unwrap_err()[0].to_string(),
        "must be a resource of kind SalesforceReplicator, not text"
    );
    let nothing = validate(&json!({"apiVersion": API_VERSION, "kind": KIND})).unwrap_err();
    assert_eq!(
        nothing
            .iter()
            .map(|problem| problem.path.to_string())
            .collect::<Vec<_>>(),
        ["metadata", "spec"]
    );
}

#[test]
fn types_are_explained() {
    assert_eq!(
        after("/spec/connection/apiVersion", json!(66.0)),
        ["spec.connection.apiVersion: must be text: write it in quotes, not a number"]
    );
    assert_eq!(
        after("/spec/suspend", json!("yes")),
        ["spec.suspend: must be true or false, not text"]
    );
    assert_eq!(
        after("/spec/parallelism", json!(1.5)),
        ["spec.parallelism: must be a whole number, not a number"]
    );
    assert_eq!(
        after("/spec/objects", json!({"name": "Contact"})),
        ["spec.objects: must be a list, not a mapping"]
    );
    assert_eq!(
        after("/spec/trigger", json!("5m")),
        ["spec.trigger: must be a mapping, not text"]
    );
}

#[test]
fn required_fields_are_named() {
    assert_eq!(
        after("/spec/objects", json!([{"table": "c"}])),
        ["spec.objects[0].name: is required"]
    );
    assert_eq!(
        after("/spec/connection", json!({})),
        ["spec.connection.auth: is required"]
    );
    assert_eq!(
        after("/spec/objects", json!([{"name": "A", "fields": [{"source": "Name"}]}])),
        ["spec.objects[0].fields[0].column: is required"]
    );
}

#[test]
fn nulls_count_as_absent() {
    assert_eq!(after("/spec/trigger", Value::Null), [""; 0]);
    assert_eq!(
        after("/spec/objects", json!([{"name": "A", "table": null, "fields": null}])),
        [""; 0]
    );
    assert_eq!(after("/spec/objects", Value::Null), ["spec.objects: is required"]);
}

#[test]
fn values_of_enums_are_suggested() {
    assert_eq!(
        after("/spec/deletionPolicy", json!("delete")),
        ["spec.deletionPolicy: must be one of Retain, Delete; did you mean Delete?"]
    );
    assert_eq!(
        after("/spec/objects", json!([{"name": "A", "mapping": "Full"}])),
        ["spec.objects[0].mapping: must be one of Directory, Mirror, None"]
    );
}

#[test]
fn names_are_there_once() {
    assert_eq!(
        after("/spec/objects", json!([{"name": "A"}, {"name": "B"}, {"name": "A"}])),
        ["spec.objects[2].name: A is there twice"]
    );
    let fields = json!([{"source": "Name", "column": "n"}, {"source": "Email", "column": "n"}]);
    assert_eq!(
        after("/spec/objects", json!([{"name": "A", "fields": fields}])),
        ["spec.objects[0].fields[1].column: n is there twice"]
    );
    assert_eq!(
        after("/spec/objects", json!([{"name": "A", "exclude": ["X", "X"]}])),
        ["spec.objects[0].exclude[1]: X is there twice"]
    );
}

/// One value inside and one outside of a bound, pattern or length.
fn assert_bounds(cases: impl IntoIterator<Item = (&'static str, Value, Value)>) {
    for (pointer, inside, outside) in cases {
        assert_eq!(after(pointer, inside.clone()), [""; 0], "{pointer} {inside}");
        let found = after(pointer, outside.clone());
        assert_eq!(found.len(), 1, "{pointer} {outside}: {found:?}");
    }
}

#[test]
fn bounds_of_the_connection_refuse_what_lies_outside() {
    let jwt = |audience: &str| json!({"jwtBearer": {"secretRef": {"name": "s"}, "audience": audience}});
    let url = "/spec/connection/loginUrl";
    assert_bounds([
        (
            url,
            json!("http://127.0.0.1:8080"),
            json!("ftp://acme.my.salesforce.com"),
        ),
        (
            url,
            json!("https://[::1]:8443/"),
            json!("https://user:secret@acme.my.salesforce.com"),
        ),
        (
            url,
            json!("https://acme.my.salesforce.com"),
            json!("https://acme.my.salesforce.com/?a=b"),
        ),
        (
            url,
            json!("https://acme.my.site.com/portal/"),
            json!("acme.my.salesforce.com"),
        ),
        ("/spec/connection/apiVersion", json!("41.0"), json!("40.0")),
        ("/spec/connection/apiVersion", json!("100.0"), json!("v66.0")),
        (
            "/spec/connection/caSecretRef",
            json!({"name": "a"}),
            json!({"name": "A_B"}),
        ),
        ("/spec/connection/apiBudgetPercent", json!(1), json!(0)),
        ("/spec/connection/apiBudgetPercent", json!(95), json!(96)),
        (
            "/spec/connection/auth",
            jwt("https://login.salesforce.com"),
            jwt("login.salesforce.com"),
        ),
        (
            "/spec/connection/auth/password/secretRef/name",
            json!("a.b-c"),
            json!("-a"),
        ),
    ]);
}

#[test]
fn bounds_of_destination_trigger_and_the_rest_refuse_what_lies_outside() {
    let long = |length: usize| json!("a".repeat(length));
    let postgres = |schema: &str| json!({"postgres": {"secretRef": {"name": "s"}, "schema": schema}});
    let secret = |name: &str, key: &str| json!({"postgres": {"secretRef": {"name": name, "key": key}}});
    let area = |code: &str| json!({"defaultRegion": "DE", "areaCode": code});
    assert_bounds([
        ("/spec/destination", postgres("_crm"), postgres("crm-1")),
        ("/spec/destination", secret("a", "DATABASE_URL"), secret("a", "a/b")),
        ("/spec/destination/sqlite/file", json!("crm.db"), json!("../crm.db")),
        ("/spec/destination/sqlite/file", long(128), long(129)),
        (
            "/spec/trigger",
            json!({"interval": "99999h"}),
            json!({"interval": "100000h"}),
        ),
        (
            "/spec/trigger",
            json!({"schedule": "* * * * *"}),
            json!({"schedule": "* * * *"}),
        ),
        ("/spec/trigger", json!({"manual": "a"}), json!({"manual": ""})),
        (
            "/spec/trigger",
            json!({"manual": long(128)}),
            json!({"manual": long(129)}),
        ),
        (
            "/spec/phoneNumbers",
            json!({"defaultRegion": "DE"}),
            json!({"defaultRegion": "de"}),
        ),
        ("/spec/phoneNumbers", area("8151"), area("08151")),
        (
            "/spec/consistency",
            json!({"maxDeletePercent": 0}),
            json!({"maxDeletePercent": -1}),
        ),
        (
            "/spec/consistency",
            json!({"maxDeletePercent": 100}),
            json!({"maxDeletePercent": 101}),
        ),
        ("/spec/consistency", json!({"overlap": "0s"}), json!({"overlap": "-1s"})),
        ("/spec/parallelism", json!(32), json!(33)),
        ("/spec/execution", json!({"jobs": "Never"}), json!({"jobs": "LongRuns"})),
    ]);
}

#[test]
fn bounds_of_an_object_refuse_what_lies_outside() {
    let object = |key: &str, value: Value| json!([{"name": "A", key: value}]);
    let long = |length: usize| json!("a".repeat(length));
    let list = |count: usize, entry: &dyn Fn(usize) -> Value| Value::Array((0..count).map(entry).collect());
    let objects = |count| list(count, &|n| json!({"name": format!("A{n}")}));
    let fields = |count| {
        object(
            "fields",
            list(count, &|n| json!({"column": format!("c{n}"), "source": "A"})),
        )
    };
    let excluded = |count| object("exclude", list(count, &|n| json!(format!("A{n}"))));
    let urls = |count| {
        object(
            "urls",
            list(count, &|n| json!({"column": format!("c{n}"), "template": "t"})),
        )
    };
    let indexes = |count| object("indexes", list(count, &|_| json!(["a"])));
    let index = |count| object("indexes", json!([list(count, &|_| json!("a"))]));
    let field = |source: &str, column: &str| object("fields", json!([{"source": source, "column": column}]));
    let template = |length| object("urls", json!([{"column": "c", "template": long(length)}]));
    assert_bounds(
        [
            (objects(200), objects(201)),
            (
                json!([{"name": "acme__Region__c"}]),
                json!([{"name": "Account.Contact"}]),
            ),
            (json!([{"name": long(80)}]), json!([{"name": long(81)}])),
            (object("table", long(63)), object("table", long(64))),
            (object("table", json!("Contacts")), object("table", json!("_contacts"))),
            (field("Account.Name", "c"), field("Contact.Account.Name", "c")),
            (field("Name", "_c"), field("Name", "c d")),
            (fields(800), fields(801)),
            (excluded(800), excluded(801)),
            (
                object("exclude", json!(["Account.Name"])),
                object("exclude", json!(["a b"])),
            ),
            (urls(16), urls(17)),
            (template(2048), template(2049)),
            (object("where", long(4000)), object("where", long(4001))),
            (object("where", json!("A = 1")), object("where", json!(""))),
            (indexes(16), indexes(17)),
            (index(1), index(0)),
            (index(8), index(9)),
            (index(1), object("indexes", json!([["a b"]]))),
        ]
        .map(|(inside, outside)| ("/spec/objects", inside, outside)),
    );
}

#[test]
fn every_pattern_of_the_schema_compiles() {
    let mut all = BTreeSet::new();
    collect_patterns(schema(), &mut all);
    assert!(all.len() > 5, "{all:?}");
    for pattern in all {
        assert!(patterns().contains_key(&pattern), "{pattern}");
    }
}

#[test]
fn a_pattern_comes_with_an_example() {
    let found = after("/spec/objects", json!([{"name": "My Contact"}]));
    assert_eq!(
        found,
        ["spec.objects[0].name: must match ^[A-Za-z][A-Za-z0-9_]*$, such as Contact"]
    );
}

#[test]
fn values_are_not_told() {
    let found = problems(|document| {
        set(
            document,
            "/spec/connection/loginUrl",
            json!("https://user:hunter2@acme.my.salesforce.com"),
        );
        set(
            document,
            "/spec/connection/auth/password/secretRef/name",
            json!("Hunter2!"),
        );
    });
    assert_eq!(found.len(), 2);
    assert!(!found.join("").to_lowercase().contains("hunter2"), "{found:?}");
}

#[test]
fn paths_read_back() {
    for text in ["spec.objects[0].fields[12].column", "metadata.name", ""] {
        assert_eq!(Path::parse(text).to_string(), text);
    }
}
