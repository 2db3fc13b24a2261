//! Users who do not see every row.

use std::collections::BTreeSet;

use simulator::{Login, UserChange};

use crate::wire::{Client, config};

const SECOND: &str = "second@example.com";

async fn restricted() -> (Client, BTreeSet<String>) {
    let mut config = config();
    config.logins.push(Login {
        view_all_data: false,
        ..Login::new(SECOND, "p", "t")
    });
    let mut client = Client::new(config).await;
    client.log_in(SECOND, "pt").await;
    let user = client.control.users()[1].user_id.clone();
    let own = client
        .control
        .rows_of("Contact", &["OwnerId"])
        .unwrap()
        .filter(|row| row.fields["OwnerId"].as_deref() == Some(user.as_str()))
        .map(|row| row.id)
        .collect();
    (client, own)
}

#[tokio::test]
async fn without_view_all_data_only_own_rows_are_there() {
    let (client, own) = restricted().await;
    assert!(own.len() > 10 && own.len() < 500, "{} of 1 000", own.len());
    let answer = client.query("SELECT Id FROM Contact").await.ok();
    assert_eq!(answer.text("size").unwrap(), own.len().to_string());
    assert_eq!(answer.texts("sf:Id").into_iter().collect::<BTreeSet<_>>(), own);
    let foreign = (0..1_000)
        .map(|n| client.control.id("Contact", n).unwrap())
        .find(|id| !own.contains(id))
        .unwrap();
    let soql = format!("SELECT Id FROM Contact WHERE Id = '{foreign}'");
    assert_eq!(client.query_all(&soql).await.ok().text("size").unwrap(), "0");
    client.control.update("Contact", &foreign, &[("Phone", "1")]).unwrap();
    let mine = own.first().unwrap();
    client.control.update("Contact", mine, &[("Phone", "1")]).unwrap();
    let answer = client
        .changes("getUpdated", "Contact", "2026-11-10T09:00:00Z", "2026-11-10T11:00:00Z")
        .await
        .ok();
    assert_eq!(answer.texts("ids"), std::slice::from_ref(mine));
    client.control.delete("Contact", &foreign).unwrap();
    let answer = client
        .changes("getDeleted", "Contact", "2026-11-10T09:00:00Z", "2026-11-10T11:00:00Z")
        .await
        .ok();
    assert_eq!(answer.texts("id"), [""; 0]);
    let everybody = client.query("SELECT Id FROM User").await.ok();
    assert_eq!(everybody.text("size").unwrap(), "20", "users have no owner");
}

#[tokio::test]
async fn rows_can_be_hidden_one_by_one_and_permissions_change_at_once() {
    let (client, own) = restricted().await;
    let hidden = own.first().unwrap();
    client.control.hide(SECOND, "Contact", hidden).unwrap();
    let size = |answer: crate::wire::Answer| answer.ok().text("size").unwrap();
    let count = "SELECT count() FROM Contact";
    assert_eq!(size(client.query(count).await), (own.len() - 1).to_string());
    client.control.show(SECOND, "Contact", hidden).unwrap();
    assert_eq!(size(client.query(count).await), own.len().to_string());
    let all = UserChange {
        view_all_data: Some(true),
        ..UserChange::default()
    };
    client.control.change_user(SECOND, all).unwrap();
    assert_eq!(size(client.query(count).await), "1000");
    let inactive = UserChange {
        active: Some(false),
        ..UserChange::default()
    };
    client.control.change_user(SECOND, inactive).unwrap();
    assert_eq!(client.query(count).await.code(), "INVALID_SESSION_ID");
    assert_eq!(client.login("64.0", SECOND, "pt").await.code(), "INVALID_LOGIN");
}
