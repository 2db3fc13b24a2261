//! The CEL rules, each with its words.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{Cause, Place, causes_of, minimal, with};

fn secret() -> Value {
    json!({"secretRef": {"name": "s"}})
}

#[tokio::test]
async fn exactly_one_way_to_log_in_and_one_database() {
    let place = Place::new("one-of").await;
    let words = "exactly one of password, clientCredentials and jwtBearer must be set";
    let auth = |value| with("/connection/auth", value);
    place.refuses(&auth(json!({})), "spec.connection.auth", words).await;
    let two = auth(json!({"password": secret(), "jwtBearer": secret()}));
    place.refuses(&two, "spec.connection.auth", words).await;
    place.accepts(&auth(json!({"jwtBearer": secret()}))).await;

    let words = "exactly one of postgres, mysql and sqlite must be set";
    let destination = |value| with("/destination", value);
    place.refuses(&destination(json!({})), "spec.destination", words).await;
    let two = destination(json!({"sqlite": {"file": "a.db"}, "mysql": secret()}));
    place.refuses(&two, "spec.destination", words).await;
    place.accepts(&destination(json!({"mysql": secret()}))).await;
}

#[tokio::test]
async fn client_credentials_need_a_my_domain_host() {
    let place = Place::new("my-domain").await;
    let auth = json!({"clientCredentials": secret()});
    let words = "auth.clientCredentials needs the org's own My Domain host as loginUrl, such as \
                 https://acme.my.salesforce.com";
    let field = "spec.connection.loginUrl";
    for url in ["https://login.salesforce.com", "https://test.salesforce.com/"] {
        let document = with("/connection", json!({"auth": auth, "loginUrl": url}));
        place.refuses(&document, field, words).await;
    }
    place
        .refuses(&with("/connection", json!({"auth": auth})), field, words)
        .await;
    let own = json!({"auth": auth, "loginUrl": "https://acme.my.salesforce.com"});
    place.accepts(&with("/connection", own)).await;
}

#[tokio::test]
async fn triggers_do_not_contradict_themselves() {
    let place = Place::new("trigger").await;
    let cases = [
        (
            json!({"schedule": "* * * * *", "interval": "5m"}),
            "spec.trigger",
            "schedule and interval are mutually exclusive",
        ),
        (
            json!({"timeZone": "Europe/Berlin"}),
            "spec.trigger",
            "timeZone needs schedule",
        ),
        (
            json!({"interval": "29s"}),
            "spec.trigger.interval",
            "interval must be at least 30s",
        ),
    ];
    for (trigger, field, words) in cases {
        place.refuses(&with("/trigger", trigger), field, words).await;
    }
    for trigger in [
        json!({"interval": "30s", "manual": "x"}),
        json!({"schedule": "*/15 * * * *", "timeZone": "Europe/Berlin"}),
    ] {
        place.accepts(&with("/trigger", trigger)).await;
    }
}

#[tokio::test]
async fn comparisons_are_off_or_not_too_often() {
    let place = Place::new("consistency").await;
    let verify = "verifyEvery must be 0s (never) or between 1m and 360h";
    for (key, period, words) in [
        ("overlap", "24h1s", "overlap must be at most 24h"),
        ("verifyEvery", "59s", verify),
        ("verifyEvery", "361h", verify),
        (
            "reconcileEvery",
            "1s",
            "reconcileEvery must be 0s (never) or at least 1m",
        ),
        ("refreshEvery", "1s", "refreshEvery must be 0s (never) or at least 1m"),
    ] {
        let document = with("/consistency", json!({key: period}));
        place
            .refuses(&document, &format!("spec.consistency.{key}"), words)
            .await;
    }
    let off = json!({"overlap": "0s", "verifyEvery": "0s", "reconcileEvery": "0h", "refreshEvery": "0m"});
    place.accepts(&with("/consistency", off)).await;
}

#[tokio::test]
async fn other_rules_hold() {
    let place = Place::new("others").await;
    for (pointer, value, field, words) in [
        (
            "/execution",
            json!({"jobs": "Always"}),
            "spec.execution.jobs",
            "execution.jobs must be Never: this version runs everything in the operator",
        ),
        (
            "/phoneNumbers",
            json!({"areaCode": "8151"}),
            "spec.phoneNumbers",
            "areaCode needs defaultRegion",
        ),
        (
            "/destination",
            json!({"sqlite": {"file": "a.db"}, "caSecretRef": {"name": "ca"}}),
            "spec.destination.caSecretRef",
            "caSecretRef is for postgres and mysql: sqlite has no connection to secure",
        ),
        (
            "/destination",
            json!({"postgres": {"secretRef": {"name": "db"}, "schema": "pg_mine"}}),
            "spec.destination.postgres.schema",
            "names that start with pg_ are PostgreSQL's own",
        ),
    ] {
        place.refuses(&with(pointer, value), field, words).await;
    }
    let mut long = minimal();
    long["metadata"]["name"] = json!("n".repeat(64));
    place
        .refuses(&long, "<nil>", "metadata.name must be at most 63 characters")
        .await;
    long["metadata"]["name"] = json!("n".repeat(63));
    place.accepts(&long).await;
}

#[tokio::test]
async fn all_objects_together_have_at_most_2000_entries_and_the_rule_can_afford_to_count_them() {
    let place = Place::new("entries").await;
    let objects = |more: usize| {
        let object = |n: usize| {
            let count = if n == 0 { 5 + more } else { 5 };
            let fields: Vec<_> = (0..count)
                .map(|c| json!({"source": "Name", "column": format!("c{c}")}))
                .collect();
            let exclude: Vec<_> = (0..5).map(|f| format!("F{f}")).collect();
            json!({"name": format!("Object{n}"), "fields": fields, "exclude": exclude})
        };
        with("/objects", (0..200).map(object).collect())
    };
    place.accepts(&objects(0)).await;
    let words = "fields and exclude must have at most 2000 entries in all objects together";
    place.refuses(&objects(1), "spec.objects", words).await;
}

#[tokio::test]
async fn the_schema_of_postgres_is_immutable_and_its_secret_is_not() {
    let place = Place::new("immutable").await;
    let postgres = json!({"postgres": {"secretRef": {"name": "db"}, "schema": "salesforce"}});
    place.create(with("/destination", postgres)).await;
    let patched = async |destination: Value| {
        let patch = Patch::Merge(json!({"spec": {"destination": destination}}));
        place.api.patch("crm", &PatchParams::default(), &patch).await
    };
    let secret = patched(json!({"postgres": {"secretRef": {"name": "other"}}})).await;
    secret.expect("another Secret is another password");

    let refused = patched(json!({"postgres": {"schema": "crm"}}))
        .await
        .expect_err("it is immutable");
    let causes = causes_of(refused);
    let [Cause { field, message }] = &causes[..] else {
        panic!("{causes:?}");
    };
    assert_eq!(field, "spec.destination.postgres.schema");
    assert_eq!(
        message,
        "Forbidden: postgres.schema is immutable: make a new resource for another schema"
    );

    // State lives in the destination: another database starts anew, and so does the way back.
    for destination in [
        json!({"postgres": null, "sqlite": {"file": "crm.db"}}),
        json!({"sqlite": null, "postgres": {"secretRef": {"name": "db"}, "schema": "crm"}}),
    ] {
        patched(destination).await.expect("another database is accepted");
    }
}
