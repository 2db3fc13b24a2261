//! Secrets that come late, change, break and come back.

use e2e::operator::condition;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::site;

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_comes_late_is_named_until_it_is_there() {
    let site = site("late").await;
    let _operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    site.secrets()
        .delete("database", &DeleteParams::default())
        .await
        .unwrap();
    let status = site.until_condition("CredentialsValid", "False/SecretNotFound").await;
    let message = &status.conditions[0].message;
    assert!(
        message.contains(&format!("Secret {}/database", site.namespace)),
        "{message}"
    );
    site.apply().await;
    site.until_condition("Ready", "True/UpToDate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_is_named() {
    let site = site("key").await;
    let _operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    let without =
        Patch::Json::<()>(serde_json::from_value(json!([{"op": "remove", "path": "/data/password"}])).unwrap());
    let patched = site
        .secrets()
        .patch("salesforce", &PatchParams::default(), &without)
        .await;
    patched.unwrap();
    let status = site.until_condition("CredentialsValid", "False/KeyMissing").await;
    assert_eq!(condition(&status, "Ready"), "False/CredentialsMissing");
    assert!(
        status.conditions[0].message.contains("key password"),
        "{:?}",
        status.conditions[0]
    );
    site.set_secret("salesforce", json!({"password": e2e::resource::PASSWORD}))
        .await;
    site.until_condition("Ready", "True/UpToDate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_taken_up_at_once_and_a_wrong_password_is_tried_once() {
    let site = site("rotated").await;
    let operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    let before = site.stage.org.counters().of("login");
    site.set_secret("salesforce", json!({"password": "wrong"})).await;
    let status = site.until_condition("Ready", "False/LoginRejected").await;
    assert_eq!(condition(&status, "CredentialsValid"), "False/LoginRejected");
    assert_eq!(
        site.stage.org.counters().of("login") - before,
        1,
        "one login with a wrong password"
    );
    site.set_secret("salesforce", json!({"password": e2e::resource::PASSWORD}))
        .await;
    site.until_condition("Ready", "True/UpToDate").await;
    for reason in ["CredentialsRotated", "CredentialsInvalid"] {
        site.until_event(reason).await;
    }
    for secret in [e2e::resource::PASSWORD, e2e::resource::TOKEN, "wrong"] {
        let log = operator.log();
        assert!(!log.contains(&format!("\"{secret}\"")), "the log has a secret");
    }
}
