//! The control API over HTTP.

use serde_json::{Value, json};

use crate::wire::{Client, PASSWORD, TOKEN, USER};

async fn done(client: &Client, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, answer) = client.http(method, path, &body).await;
    assert_eq!(status, 200, "{method} {path}: {answer}");
    answer
}

#[tokio::test]
async fn rows_are_made_changed_and_removed() {
    let client = Client::ready().await;
    let made = done(
        &client,
        "POST",
        "/_control/rows/Contact",
        &json!({"values": {"LastName": "Example", "DoNotCall": true, "Phone": "1"}, "count": 2}),
    )
    .await;
    let id = made["ids"][1].as_str().unwrap().to_owned();
    let path = format!("/_control/rows/Contact/{id}");
    done(&client, "PATCH", &path, &json!({"values": {"Phone": null}})).await;
    let row = done(&client, "GET", &path, &Value::Null).await;
    assert_eq!(
        (&row["fields"]["Phone"], &row["fields"]["DoNotCall"]),
        (&Value::Null, &json!("true"))
    );
    done(&client, "DELETE", &path, &Value::Null).await;
    assert_eq!(done(&client, "GET", &path, &Value::Null).await["deleted"], true);
    done(&client, "POST", &format!("{path}/undelete"), &Value::Null).await;
    done(
        &client,
        "POST",
        &format!("{path}/merge"),
        &json!({"losers": [made["ids"][0]]}),
    )
    .await;
    done(&client, "DELETE", &format!("{path}?hard=true"), &Value::Null).await;
    let (status, answer) = client.http("GET", &path, "").await;
    assert_eq!((status, &answer["code"]), (400, &json!("INVALID_CROSS_REFERENCE_KEY")));
    let emptied = done(&client, "POST", "/_control/bin/Contact/empty", &Value::Null).await;
    assert_eq!(emptied["rows"], 1);
    done(&client, "POST", "/_control/deletes/Contact/purge", &Value::Null).await;
    let page = done(
        &client,
        "GET",
        "/_control/rows/Contact?from=990&most=5&fields=LastName,Phone",
        &Value::Null,
    )
    .await;
    assert_eq!(page["rows"].as_array().map(Vec::len), Some(5));
    assert_eq!(page["rows"][0]["fields"].as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(page["next"], 995, "where the next page begins");
}

#[tokio::test]
async fn transactions_commit_late() {
    let client = Client::ready().await;
    let number = done(&client, "POST", "/_control/transactions", &Value::Null).await["transaction"].clone();
    let create = format!("/_control/rows/Contact?transaction={number}");
    let made = done(&client, "POST", &create, &json!({"values": {"LastName": "Late"}})).await;
    let soql = format!(
        "SELECT Id FROM Contact WHERE Id = '{}'",
        made["ids"][0].as_str().unwrap()
    );
    assert_eq!(client.query(&soql).await.ok().text("size").unwrap(), "0");
    done(
        &client,
        "POST",
        &format!("/_control/transactions/{number}/commit"),
        &Value::Null,
    )
    .await;
    assert_eq!(client.query(&soql).await.ok().text("size").unwrap(), "1");
    let (status, _) = client
        .http("POST", &format!("/_control/transactions/{number}/rollback"), "")
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn clock_settings_rules_and_usage_change() {
    let client = Client::ready().await;
    done(
        &client,
        "PUT",
        "/_control/clock",
        &json!({"set": "2027-01-01T00:00:00Z", "advanceSeconds": 60}),
    )
    .await;
    assert_eq!(
        done(&client, "GET", "/_control/clock", &Value::Null).await["now"],
        "2027-01-01T00:01:00Z"
    );
    let settings = done(
        &client,
        "PATCH",
        "/_control/settings",
        &json!({"soapLoginEnabled": false, "locatorForm": "historic"}),
    )
    .await;
    assert_eq!(
        (&settings["locatorForm"], &settings["dailyCalls"]),
        (&json!("historic"), &json!(100_000))
    );
    let password = format!("{PASSWORD}{TOKEN}");
    assert_eq!(client.login("64.0", USER, &password).await.code(), "INVALID_OPERATION");
    let (status, _) = client
        .http("PATCH", "/_control/settings", r#"{"soapLogin":true}"#)
        .await;
    assert_eq!(status, 400, "a setting that does not exist");
    done(
        &client,
        "PATCH",
        "/_control/settings",
        &json!({"soapLoginEnabled": true}),
    )
    .await;
    let rule = json!({"call": "login", "what": {"fault": {"code": "ORG_LOCKED", "message": "locked"}}});
    done(&client, "POST", "/_control/rules", &rule).await;
    assert_eq!(
        done(&client, "GET", "/_control/rules", &Value::Null).await[0]["what"]["fault"]["code"],
        "ORG_LOCKED"
    );
    assert_eq!(client.login("64.0", USER, &password).await.code(), "ORG_LOCKED");
    done(
        &client,
        "POST",
        "/_control/rules",
        &json!({"what": "hang", "times": null}),
    )
    .await;
    done(&client, "DELETE", "/_control/rules", &Value::Null).await;
    client.login("64.0", USER, &password).await.ok();
    let usage = done(&client, "PUT", "/_control/usage", &json!({"current": 99_999})).await;
    assert_eq!(usage, json!({"current": 99_999, "limit": 100_000}));
    let counters = done(&client, "GET", "/_control/counters", &Value::Null).await;
    assert_eq!(counters["calls"]["login"], 4);
    assert_eq!(
        done(&client, "GET", "/_control/calls?last=1", &Value::Null).await[0]["call"],
        "login"
    );
    done(&client, "DELETE", "/_control/calls", &Value::Null).await;
    done(&client, "POST", "/_control/sessions/end", &Value::Null).await;
    done(&client, "POST", "/_control/locators/kill", &Value::Null).await;
    done(&client, "POST", "/_control/hanging/release", &Value::Null).await;
}

#[tokio::test]
async fn users_objects_and_fields_change() {
    let client = Client::ready().await;
    let user = json!({"username": "u@example.com", "password": "p", "token": "t", "viewAllData": true});
    done(&client, "POST", "/_control/users", &user).await;
    done(
        &client,
        "POST",
        "/_control/users/u@example.com/withdraw",
        &json!({"object": "Contact", "field": "Phone"}),
    )
    .await;
    let id = client.control.id("Contact", 0).unwrap();
    done(
        &client,
        "POST",
        "/_control/users/u%40example.com/hide",
        &json!({"object": "Contact", "ids": [id]}),
    )
    .await;
    done(
        &client,
        "PATCH",
        "/_control/users/u@example.com",
        &json!({"passwordExpired": true}),
    )
    .await;
    let users = done(&client, "GET", "/_control/users", &Value::Null).await;
    assert_eq!(
        (&users[1]["passwordExpired"], &users[1]["token"]),
        (&json!(true), &json!("t"))
    );
    done(&client, "POST", "/_control/objects", &json!({"name": "Device__c"})).await;
    let field = json!({"name": "Serial__c", "type": "string", "length": 20, "label": "Serial number"});
    done(&client, "POST", "/_control/fields/Device__c", &field).await;
    done(
        &client,
        "PATCH",
        "/_control/fields/Device__c/Serial__c",
        &json!({"type": "double", "name": "Number__c"}),
    )
    .await;
    let translation = json!({"language": "de", "object": "Device__c", "label": "Gerät"});
    done(&client, "POST", "/_control/translations", &translation).await;
    done(
        &client,
        "PATCH",
        "/_control/objects/Device__c",
        &json!({"replicateable": false}),
    )
    .await;
    done(
        &client,
        "POST",
        "/_control/rows/Device__c",
        &json!({"values": {"Name": "x", "Number__c": 1.5}}),
    )
    .await;
    assert_eq!(
        client
            .query("SELECT Number__c FROM Device__c")
            .await
            .ok()
            .text("sf:Number__c")
            .unwrap(),
        "1.5"
    );
    done(&client, "DELETE", "/_control/fields/Device__c/Number__c", &Value::Null).await;
    done(&client, "DELETE", "/_control/objects/Device__c", &Value::Null).await;
}

#[tokio::test]
async fn every_route_that_is_listed_exists_and_the_readme_lists_them() {
    let client = Client::ready().await;
    let routes = done(&client, "GET", "/_control", &Value::Null).await["routes"].clone();
    let routes: Vec<String> = routes
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(routes.len() > 35);
    for route in &routes {
        assert!(readme.contains(route), "README.md lacks: {route}");
        let mut words = route.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let path = path
            .replace("{object}", "Contact")
            .replace("{id}", "003Sm0000000000IAA")
            .replace("{username}", USER)
            .replace("{field}", "Phone")
            .replace("{number}", "999");
        let (status, answer) = client.http(method, &path, "{\"what\":1}").await;
        assert_ne!(status, 404, "{method} {path}: {answer}");
    }
    assert_eq!(client.http("GET", "/_control/nothing", "").await.0, 404);
}
