//! The client against a simulated org: what the two make of the documentation has to be the same.

use std::{collections::BTreeMap, ops::ControlFlow};

use salesforce::{
    Client, ClientConfig, Credentials, Error, ErrorKind, Page, QueryScope, RecordSink, SelectList, clock::SystemClock,
    describe::FieldType,
};
use simulator::{Config, Control, Rule, Simulator, What};

async fn org(contacts: u64) -> (Simulator, Control, Client) {
    let org = Simulator::start(Config {
        contacts,
        accounts: 20,
        ..Config::default()
    })
    .await
    .unwrap();
    let control = org.control();
    let client = client(&org, "correct horse", Some("TOKEN123"));
    (org, control, client)
}

fn client(org: &Simulator, password: &str, token: Option<&str>) -> Client {
    let credentials = Credentials::Password {
        username: "admin@example.com".to_owned(),
        password: password.into(),
        security_token: token.map(Into::into),
    };
    let mut config = ClientConfig::new(org.url(), "66.0".parse().unwrap());
    // The least that Salesforce serves, so that few rows make several pages.
    config.page_rows = 200;
    Client::new(config, credentials, SystemClock::shared()).unwrap()
}

/// Rows by their first column.
#[derive(Default)]
struct Rows {
    width: usize,
    open: Vec<Option<String>>,
    by_id: BTreeMap<String, Vec<Option<String>>>,
}

impl RecordSink for Rows {
    fn begin_record(&mut self) {
        self.open = vec![None; self.width];
    }

    fn value(&mut self, column: usize, text: &str) {
        self.open[column] = Some(text.to_owned());
    }

    fn end_record(&mut self) -> ControlFlow<()> {
        let id = self.open[0].clone().unwrap();
        assert!(self.by_id.insert(id, std::mem::take(&mut self.open)).is_none());
        ControlFlow::Continue(())
    }
}

async fn read_all(client: &Client, mut page: Page, select: &SelectList) -> (Rows, usize) {
    let mut rows = Rows {
        width: select.len(),
        ..Rows::default()
    };
    let mut pages = 1;
    loop {
        page.read_records(select, &mut rows).unwrap();
        let Some(locator) = page.locator() else { break };
        page = client.query_more(locator).await.unwrap();
        pages += 1;
    }
    (rows, pages)
}

#[tokio::test]
async fn the_password_works_with_its_token_apart_and_appended() {
    let (org, _control, _client) = org(0).await;
    for (password, token) in [
        ("correct horse", Some("TOKEN123")),
        ("correct horseTOKEN123", None),
        ("correct horseTOKEN123", Some("TOKEN123")),
    ] {
        let told = client(&org, password, token).org().await.unwrap();
        assert_eq!(told.user_name, "admin@example.com");
        assert_eq!((told.organization_id.len(), told.instance_url.scheme()), (18, "http"));
    }
    let error = client(&org, "wrong", None).org().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Credentials, "InvalidCredentials")
    );
}

#[tokio::test]
async fn every_row_and_value_arrives_over_several_pages() {
    let (_org, control, client) = org(450).await;
    let described = client.describe(&["Contact"]).await.unwrap().remove(0);
    let mut paths: Vec<String> = vec!["Id".to_owned()];
    paths.extend(
        described
            .fields
            .iter()
            .filter(|field| {
                !matches!(
                    field.field_type,
                    FieldType::Id | FieldType::Address | FieldType::Location
                )
            })
            .map(|field| field.name.clone()),
    );
    let own: Vec<&str> = paths.iter().map(String::as_str).collect();
    let expected: BTreeMap<String, Vec<Option<String>>> = control
        .rows_of("Contact", &own)
        .unwrap()
        .map(|row| {
            let values: Vec<Option<String>> = own
                .iter()
                .map(|name| row.fields.get(*name).cloned().flatten())
                .collect();
            (values[0].clone().unwrap(), values)
        })
        .collect();
    let select = SelectList::new(&paths);
    let soql = format!("SELECT {} FROM Contact ORDER BY Id", paths.join(", "));
    let before = client.calls();
    let page = client.query(QueryScope::All, &soql).await.unwrap();
    assert_eq!(page.size(), Some(450));
    let (rows, pages) = read_all(&client, page, &select).await;
    assert_eq!(client.calls() - before, pages as u64);
    assert!(pages >= 3, "{pages} pages");
    assert_eq!(rows.by_id.len(), expected.len());
    for (id, values) in &expected {
        assert_eq!(rows.by_id.get(id), Some(values), "{id}");
    }
    assert!(client.api_usage().is_some_and(|usage| usage.used > 0));
}

#[tokio::test]
async fn parents_and_retrieved_rows_arrive() {
    let (_org, _control, client) = org(50).await;
    let paths = [
        "Id",
        "Account.Name",
        "LastName",
        "Account.Id",
        "AccountId",
        "Owner.Username",
    ];
    let select = SelectList::new(paths);
    let page = client
        .query(QueryScope::Live, &format!("SELECT {} FROM Contact", paths.join(", ")))
        .await
        .unwrap();
    let (rows, _) = read_all(&client, page, &select).await;
    assert_eq!(rows.by_id.len(), 50);
    assert!(rows.by_id.values().any(|row| row[1].is_some()));
    for row in rows.by_id.values() {
        assert_eq!(row[3], row[4]);
        assert_eq!(row[1].is_some(), row[3].is_some());
    }
    let ids: Vec<&str> = rows.by_id.keys().map(String::as_str).take(10).collect();
    let page = client.retrieve("Contact", &["Id", "LastName"], &ids).await.unwrap();
    let (retrieved, _) = read_all(&client, page, &SelectList::new(["Id", "LastName"])).await;
    for id in &ids {
        assert_eq!(retrieved.by_id[*id][1], rows.by_id[*id][2]);
    }
}

#[tokio::test]
async fn objects_are_discovered_and_unknown_ones_named() {
    let (_org, _control, client) = org(1).await;
    let objects = client.describe_global().await.unwrap();
    assert!(
        objects
            .iter()
            .any(|object| object.name == "Contact" && object.replicateable && object.queryable)
    );
    let specimen = client.describe(&["Specimen__c", "User"]).await.unwrap().remove(0);
    assert!(
        specimen
            .fields
            .iter()
            .all(|field| !matches!(field.field_type, FieldType::Unknown(_)))
    );
    let error = client.describe(&["Contact", "Nonsense__c"]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason(), error.code()),
        (ErrorKind::Invalid, "InvalidObject", Some("INVALID_TYPE"))
    );
    assert!(error.message().contains("Nonsense__c"), "{error}");
    let error = client
        .query(QueryScope::All, "SELECT Id, Naem FROM Contact")
        .await
        .unwrap_err();
    assert_eq!(error.fault().unwrap().missing_field(), Some("Naem"));
}

#[tokio::test]
async fn changes_and_deletes_are_listed() {
    let (_org, control, client) = org(10).await;
    let start = client.server_timestamp().await.unwrap();
    let (changed, deleted) = (control.id("Contact", 1).unwrap(), control.id("Contact", 2).unwrap());
    control.update("Contact", &changed, &[("LastName", "Neu")]).unwrap();
    control.delete("Contact", &deleted).unwrap();
    control.advance_clock(jiff::SignedDuration::from_mins(5));
    let end = client.server_timestamp().await.unwrap();
    let updated = client.get_updated("Contact", start, end).await.unwrap();
    assert!(updated.ids.contains(&changed));
    assert!(updated.latest_date_covered <= end);
    let gone = client.get_deleted("Contact", start, end).await.unwrap();
    assert_eq!(
        gone.records.iter().map(|record| &record.id).collect::<Vec<_>>(),
        [&deleted]
    );
}

#[tokio::test]
async fn a_session_that_ends_before_each_call_is_renewed() {
    let (_org, control, client) = org(10).await;
    control.end_sessions(None);
    let end = client.server_timestamp().await.unwrap();
    control.end_sessions(None);
    client.describe_global().await.unwrap();
    control.end_sessions(None);
    client.describe(&["Contact"]).await.unwrap();
    control.end_sessions(None);
    client.query(QueryScope::All, "SELECT Id FROM Contact").await.unwrap();
    control.end_sessions(None);
    client
        .get_updated("Contact", end - jiff::SignedDuration::from_hours(1), end)
        .await
        .unwrap();
    control.end_sessions(None);
    client.user_info().await.unwrap();
    client.logout().await.unwrap();
    client.user_info().await.unwrap();
}

#[tokio::test]
async fn faults_of_the_org_have_their_kinds() {
    let (_org, control, client) = org(10).await;
    let soql = "SELECT Id FROM Contact";
    for (what, kind, reason) in [
        (What::quota(), ErrorKind::Quota, "QuotaExhausted"),
        (What::query_timeout(), ErrorKind::Transient, "QueryTimeout"),
        (
            What::fault("SERVER_UNAVAILABLE", "busy"),
            ErrorKind::Transient,
            "SalesforceUnavailable",
        ),
        (What::html(503), ErrorKind::Transient, "SalesforceUnavailable"),
    ] {
        control.add_rule(Rule::at("queryAll", what).times(1));
        let error: Error = client.query(QueryScope::All, soql).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{error:?}");
        control.clear_rules();
    }
    client.query(QueryScope::All, soql).await.unwrap();
}

#[tokio::test]
async fn a_locator_that_died_is_told() {
    let (_org, control, client) = org(450).await;
    let page = client.query(QueryScope::All, "SELECT Id FROM Contact").await.unwrap();
    control.kill_locators();
    let error = client.query_more(page.locator().unwrap()).await.unwrap_err();
    assert!(error.is_dead_locator() && !error.is_query_timeout());
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Transient, "QueryLocatorExpired")
    );
    assert!(error.message().contains("queryMore of Contact"), "{error}");
}
