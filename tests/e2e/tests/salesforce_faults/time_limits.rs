//! Connections that hang and answers that drip, below the binary: its time limits are long, since Salesforce is slow by
//! design.

use std::time::Duration;

use salesforce::{
    AllowHttp, Client, ClientConfig, Credentials, Error, ErrorKind, QueryScope, Timeouts, clock::SystemClock,
};
use simulator::{Config, Rule, Simulator, What};

use crate::bench::config;
use e2e::resource::{PASSWORD, TOKEN, USERNAME};

/// An org, and a client with short time limits.
async fn impatient() -> (Simulator, Client) {
    let org = Simulator::start(Config {
        specimens: 30,
        ..config()
    })
    .await
    .expect("an org");
    let mut config = ClientConfig::new(org.url(), "66.0".parse().expect("a version"));
    config.allow_http = AllowHttp::LoopbackOnly;
    config.timeouts = Timeouts {
        connect: Duration::from_secs(5),
        read: Duration::from_millis(200),
        total: Duration::from_secs(2),
    };
    let credentials = Credentials::Password {
        username: USERNAME.into(),
        password: PASSWORD.into(),
        security_token: Some(TOKEN.into()),
    };
    let client = Client::new(config, credentials, SystemClock::shared()).expect("a client");
    (org, client)
}

#[track_caller]
fn is_time_out(error: &Error, place: &str) {
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!(error.reason(), "SalesforceUnavailable");
    assert!(error.message().starts_with(place), "{}", error.message());
    assert!(error.message().contains("waited"), "{}", error.message());
}

#[tokio::test]
async fn a_hung_connection_is_let_go_and_the_next_call_works() {
    let soql = "SELECT Id, Name FROM Contact ORDER BY Id";
    let (org, client) = impatient().await;
    let control = org.control();
    control.add_rule(Rule::at("login", What::Hang));
    is_time_out(&client.org().await.expect_err("it hangs"), "login at");
    client.org().await.expect("a login");
    control.add_rule(Rule::at("queryAll", What::Hang));
    is_time_out(
        &client.query(QueryScope::All, soql).await.expect_err("it hangs"),
        "queryAll of Contact at",
    );
    client.query(QueryScope::All, soql).await.expect("a page");
    assert_eq!(control.counters().of("login"), 2, "the session is kept");
    control.release_hanging();
}

#[tokio::test]
async fn a_drip_is_borne_up_to_the_whole_time_and_no_longer() {
    let (org, client) = impatient().await;
    let soql = "SELECT Id, Name FROM Contact ORDER BY Id";
    client.org().await.expect("a login");
    let drip = |bytes, milliseconds| Rule::at("queryAll", What::Drip { bytes, milliseconds });
    org.control().add_rule(drip(100_000, 1));
    client.query(QueryScope::All, soql).await.expect("a page");
    // Always within the time for the next piece, and never at an end.
    org.control().add_rule(drip(1, 50));
    is_time_out(
        &client.query(QueryScope::All, soql).await.expect_err("it drips"),
        "queryAll of Contact at",
    );
    // A piece that comes too late.
    org.control().add_rule(drip(100, 1_000));
    is_time_out(
        &client.query(QueryScope::All, soql).await.expect_err("it stops"),
        "queryAll of Contact at",
    );
    client.query(QueryScope::All, soql).await.expect("a page");
}
