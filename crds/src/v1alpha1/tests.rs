use serde_json::{Value, json};

use super::*;
use crate::Period;

/// The resource of the documentation, every field set.
pub(crate) const COMPLETE: &str = r#"
apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {name: crm, namespace: telephony}
spec:
  connection:
    loginUrl: https://acme.my.salesforce.com
    apiVersion: "66.0"
    caSecretRef: {name: crm-ca, key: ca.crt}
    auth:
      password: {secretRef: {name: crm-salesforce}}
    api: Auto
    apiBudgetPercent: 80
  destination:
    postgres: {secretRef: {name: crm-database, key: url}, schema: salesforce}
    caSecretRef: {name: db-ca}
  trigger:
    interval: 5m
    manual: "2026-11-23-a"
  objects:
    - name: Contact
      table: contact
      mapping: Directory
      fields:
        - {source: Account.Industry, column: industry}
        - {source: Region__c, column: region}
      exclude: [HomePhone]
      urls:
        - {column: contact_url_1, template: "{instanceUrl}/lightning/r/Contact/{Id}/view"}
      where: "MailingCountry = 'Germany'"
      deletes: Remove
      indexes: [[email], [company, surname]]
  phoneNumbers: {defaultRegion: DE, areaCode: "8151"}
  consistency: {overlap: 10m, verifyEvery: 1h, reconcileEvery: 24h, refreshEvery: 24h, maxDeletePercent: 10}
  parallelism: 2
  execution: {jobs: Never}
  suspend: false
  deletionPolicy: Retain
"#;

/// As little as there can be.
pub(crate) const MINIMAL: &str = r"
apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {name: crm}
spec:
  connection: {auth: {password: {secretRef: {name: crm-salesforce}}}}
  destination: {sqlite: {file: crm.db}}
  objects: [{name: Contact}]
";

pub(crate) fn document(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

fn resource(document: &Value) -> SalesforceReplicator {
    serde_json::from_value(document.clone()).unwrap()
}

/// The minimal resource with a part of its spec in another way.
fn with(pointer: &str, value: Value) -> SalesforceReplicator {
    let mut document = document(MINIMAL);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(&format!("/spec{parent}")).unwrap();
    parent.as_object_mut().unwrap().insert(key.to_owned(), value);
    resource(&document)
}

#[test]
fn the_complete_resource_survives_a_round_trip() {
    let first = resource(&document(COMPLETE));
    assert_eq!(first.spec.objects[0].fields[1].column, "region");
    assert_eq!(
        first.spec.objects[0].condition.as_deref(),
        Some("MailingCountry = 'Germany'")
    );
    let yaml = serde_saphyr::to_string(&first).unwrap();
    assert_eq!(resource(&document(&yaml)), first);
}

#[test]
fn stable_defaults_are_filled_in_and_the_others_are_left_to_the_plan() {
    let SalesforceReplicatorSpec {
        connection,
        destination,
        trigger,
        objects,
        phone_numbers,
        consistency,
        parallelism,
        execution,
        suspend,
        deletion_policy,
    } = resource(&document(MINIMAL)).spec;
    assert_eq!(connection.login_url, "https://login.salesforce.com");
    assert_eq!(connection.api_version, None);
    assert_eq!(connection.api, BulkApi::Auto);
    assert_eq!(connection.api_budget_percent, 80);
    assert_eq!(destination.sqlite, Some(Sqlite { file: "crm.db".into() }));
    assert_eq!(trigger, Trigger::default());
    assert_eq!(objects[0].mapping, None);
    assert_eq!(objects[0].deletes, DeleteMode::Remove);
    assert_eq!(phone_numbers, None);
    assert_eq!(consistency, Consistency::default());
    assert_eq!(parallelism, 2);
    assert_eq!(execution.jobs, Jobs::Never);
    assert!(!suspend);
    assert_eq!(deletion_policy, DeletionPolicy::Retain);

    let postgres = with(
        "/destination",
        json!({"postgres": {"secretRef": {"name": "db"}}, "caSecretRef": {"name": "ca"}}),
    );
    let Destination {
        postgres,
        ca_secret_ref,
        ..
    } = postgres.spec.destination;
    let postgres = postgres.unwrap();
    assert_eq!(
        (postgres.secret_ref.key.as_str(), postgres.schema.as_str()),
        ("url", "salesforce")
    );
    assert_eq!(ca_secret_ref.unwrap().key, "ca.crt");
}

#[test]
fn defaults_of_types_and_schema_are_the_same() {
    let api_server = kube::core::cel::apply_defaults(
        crate::manifest::crd_value()
            .pointer("/spec/versions/0/schema/openAPIV3Schema")
            .unwrap(),
        &document(MINIMAL),
    );
    let ours = serde_json::to_value(resource(&document(MINIMAL))).unwrap();
    assert_eq!(api_server["spec"], ours["spec"]);
}

#[test]
fn periods_of_the_plan_are_what_the_descriptions_say() {
    for (period, seconds) in [
        (Trigger::DEFAULT_INTERVAL, 300),
        (Consistency::DEFAULT_OVERLAP, 600),
        (Consistency::DEFAULT_VERIFY_EVERY, 3600),
        (Consistency::DEFAULT_RECONCILE_EVERY, 86_400),
        (Consistency::DEFAULT_REFRESH_EVERY, 86_400),
        (Consistency::DEFAULT_REFRESH_EVERY_PLAIN, 604_800),
    ] {
        assert_eq!(period.get().as_secs(), seconds);
        assert_eq!(period.as_str().parse::<Period>().unwrap(), period);
    }
}

/// Asserts that the rules refuse a resource with exactly these words.
fn refused(resource: &SalesforceReplicator, words: &str) {
    let errors = resource.validate_cel().expect_err(words);
    let messages: Vec<_> = errors.as_slice().iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages, [words]);
}

#[test]
fn the_documented_resources_are_accepted() {
    for yaml in [COMPLETE, MINIMAL] {
        resource(&document(yaml)).validate_cel().unwrap();
    }
}

#[test]
fn exactly_one_way_to_log_in_and_one_database() {
    let secret = json!({"secretRef": {"name": "s"}});
    let auth = "exactly one of password, clientCredentials and jwtBearer must be set";
    refused(&with("/connection/auth", json!({})), auth);
    refused(
        &with("/connection/auth", json!({"password": secret, "jwtBearer": secret})),
        auth,
    );
    with("/connection/auth", json!({"jwtBearer": secret}))
        .validate_cel()
        .unwrap();

    let database = "exactly one of postgres, mysql and sqlite must be set";
    refused(&with("/destination", json!({})), database);
    refused(
        &with("/destination", json!({"sqlite": {"file": "a.db"}, "mysql": secret})),
        database,
    );
    with("/destination", json!({"mysql": secret})).validate_cel().unwrap();
}

#[test]
fn client_credentials_need_a_my_domain_host() {
    let auth = json!({"clientCredentials": {"secretRef": {"name": "s"}}});
    let words = "auth.clientCredentials needs the org's own My Domain host as loginUrl, such as \
                 https://acme.my.salesforce.com";
    for url in ["https://login.salesforce.com", "https://test.salesforce.com/"] {
        refused(&with("/connection", json!({"auth": auth, "loginUrl": url})), words);
    }
    refused(&with("/connection", json!({"auth": auth})), words);
    with(
        "/connection",
        json!({"auth": auth, "loginUrl": "https://acme.my.salesforce.com"}),
    )
    .validate_cel()
    .unwrap();
}

#[test]
fn triggers_do_not_contradict_themselves() {
    refused(
        &with("/trigger", json!({"schedule": "* * * * *", "interval": "5m"})),
        "schedule and interval are mutually exclusive",
    );
    refused(
        &with("/trigger", json!({"timeZone": "Europe/Berlin"})),
        "timeZone needs schedule",
    );
    refused(
        &with("/trigger", json!({"interval": "29s"})),
        "interval must be at least 30s",
    );
    with("/trigger", json!({"interval": "30s", "manual": "x"}))
        .validate_cel()
        .unwrap();
    with("/trigger", json!({"schedule": "* * * * *", "timeZone": "UTC"}))
        .validate_cel()
        .unwrap();
}

#[test]
fn comparisons_are_off_or_not_too_often() {
    refused(
        &with("/consistency", json!({"overlap": "24h1s"})),
        "overlap must be at most 24h",
    );
    let verify = "verifyEvery must be 0s (never) or between 1m and 360h";
    refused(&with("/consistency", json!({"verifyEvery": "59s"})), verify);
    refused(&with("/consistency", json!({"verifyEvery": "361h"})), verify);
    let reconcile = "reconcileEvery must be 0s (never) or at least 1m";
    refused(&with("/consistency", json!({"reconcileEvery": "1s"})), reconcile);
    let refresh = "refreshEvery must be 0s (never) or at least 1m";
    refused(&with("/consistency", json!({"refreshEvery": "1s"})), refresh);
    let off = json!({"overlap": "0s", "verifyEvery": "0s", "reconcileEvery": "0h", "refreshEvery": "0m"});
    with("/consistency", off).validate_cel().unwrap();
}

#[test]
fn other_rules_hold() {
    refused(
        &with("/execution", json!({"jobs": "Always"})),
        "execution.jobs must be Never: this version runs everything in the operator",
    );
    refused(
        &with("/phoneNumbers", json!({"areaCode": "8151"})),
        "areaCode needs defaultRegion",
    );
    refused(
        &with(
            "/destination",
            json!({"sqlite": {"file": "a.db"}, "caSecretRef": {"name": "ca"}}),
        ),
        "caSecretRef is for postgres and mysql: sqlite has no connection to secure",
    );
    refused(
        &with(
            "/destination",
            json!({"postgres": {"secretRef": {"name": "db"}, "schema": "pg_mine"}}),
        ),
        "names that start with pg_ are PostgreSQL's own",
    );
    let mut long = resource(&document(MINIMAL));
    long.metadata.name = Some("n".repeat(64));
    refused(&long, "metadata.name must be at most 63 characters");
}

#[test]
fn all_objects_together_have_at_most_2000_entries() {
    let object = |name: &str, fields: usize, excluded: usize| {
        let fields: Vec<_> = (0..fields)
            .map(|n| json!({"source": "Name", "column": format!("c{n}")}))
            .collect();
        let exclude: Vec<_> = (0..excluded).map(|n| format!("F{n}")).collect();
        json!({"name": name, "fields": fields, "exclude": exclude})
    };
    with("/objects", json!([object("A", 800, 400), object("B", 800, 0)]))
        .validate_cel()
        .unwrap();
    refused(
        &with("/objects", json!([object("A", 800, 400), object("B", 801, 0)])),
        "fields and exclude must have at most 2000 entries in all objects together",
    );
}

#[test]
fn the_schema_of_postgres_is_immutable_and_its_secret_is_not() {
    let postgres = |secret: &str, schema: &str| {
        with(
            "/destination",
            json!({"postgres": {"secretRef": {"name": secret}, "schema": schema}}),
        )
    };
    let old = postgres("db", "salesforce");
    postgres("other", "salesforce").validate_cel_update(&old).unwrap();
    let errors = postgres("db", "crm").validate_cel_update(&old).unwrap_err();
    assert_eq!(
        errors.as_slice()[0].message,
        "postgres.schema is immutable: make a new resource for another schema"
    );
    with("/destination", json!({"sqlite": {"file": "a.db"}}))
        .validate_cel_update(&old)
        .unwrap();
}

#[test]
fn every_field_of_the_spec_is_described() {
    fn walk(path: &str, schema: &Value) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            let described = property["description"]
                .as_str()
                .is_some_and(|text| text.len() >= 8 && text.ends_with(|last: char| last != ' '));
            assert!(described, "{path} has no description");
            walk(&path, property);
            walk(&path, &property["items"]);
        }
    }
    let crd = crate::manifest::crd_value();
    walk("", crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap());
}

#[test]
fn every_text_list_and_number_of_the_spec_is_bounded() {
    fn walk(path: &str, schema: &Value) {
        let bounded = match schema["type"].as_str().unwrap() {
            "string" => schema["enum"].is_array() || schema["maxLength"].is_number(),
            "array" => schema["maxItems"].is_number(),
            "integer" => schema["minimum"].is_number() && schema["maximum"].is_number(),
            _ => true,
        };
        assert!(bounded, "{path} is not bounded");
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{key}"), property);
        }
        if schema["items"].is_object() {
            walk(&format!("{path}[]"), &schema["items"]);
        }
    }
    let crd = crate::manifest::crd_value();
    walk(
        "spec",
        crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
            .unwrap(),
    );
}

#[test]
fn a_status_is_read_and_written() {
    let status = json!({
        "observedGeneration": 3,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "UpToDate", "message": "",
            "lastTransitionTime": "2026-11-24T10:00:00Z", "observedGeneration": 3
        }],
        "instanceUrl": "https://acme.my.salesforce.com",
        "organizationId": "00D000000000001EAA",
        "apiUsage": {"used": 1200, "limit": 100_000},
        "objectsReady": "1/1",
        "lastRun": {
            "id": "r1", "kind": "Incremental", "startTime": "2026-11-24T10:00:00Z", "endTime": "2026-11-24T10:00:02Z",
            "duration": "2s", "rowsRead": 1, "rowsWritten": 1, "rowsDeleted": 0, "apiCalls": 1
        },
        "lastSuccessTime": "2026-11-24T10:00:02Z",
        "nextRunTime": "2026-11-24T10:05:00Z",
        "nextTryTime": "2026-11-24T10:05:00Z",
        "lastManualRun": "a",
        "missedRuns": 0,
        "retiredTables": ["old"],
        "objects": [{
            "name": "Contact", "table": "contact", "phase": "Held", "api": "Soap", "apiReason": "fewer rows than 10000",
            "watermark": "2026-11-24T10:00:00Z", "rows": 5, "rowsRead": 1, "rowsWritten": 1, "rowsDeleted": 0, "rejected": 0,
            "heldDeletes": {"count": 4, "token": "4-abc"}, "lastSuccessTime": "2026-11-24T10:00:02Z",
            "lastError": "x", "consecutiveFailures": 1
        }]
    });
    let read: SalesforceReplicatorStatus = serde_json::from_value(status.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), status);
}

#[test]
fn fields_of_a_newer_schema_do_not_stop_the_operator() {
    let mut newer = document(MINIMAL);
    newer["spec"]["brandNew"] = json!({"a": 1});
    assert_eq!(resource(&newer).spec.parallelism, 2);
}
