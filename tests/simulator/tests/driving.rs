//! What a random driver needs beside single writes: late commits of every kind of write, objects that are renamed, and all of
//! it over HTTP.

use jiff::SignedDuration;
use serde_json::json;
use simulator::{
    Stamps,
    schema::{Field, FieldType, Object},
};

use crate::wire::{Client, USER};

async fn count(client: &Client, soql: &str) -> String {
    client.query_all(soql).await.ok().text("size").unwrap()
}

#[tokio::test]
async fn every_kind_of_write_can_be_committed_half_an_hour_late() {
    let client = Client::ready().await;
    let control = &client.control;
    let contact = |n| control.id("Contact", n).unwrap();
    let lead = control.id("Lead", 0).unwrap();
    let (master, loser, gone, quiet) = (contact(0), contact(1), contact(2), contact(3));
    let before = control.row("Contact", &quiet).unwrap().unwrap().fields["SystemModstamp"].clone();
    let late = control.begin();
    late.merge("Contact", &master, &[&loser]).unwrap();
    late.hard_delete("Contact", &gone).unwrap();
    late.update_with("Contact", &quiet, &[("Phone", "1")], Stamps::Neither)
        .unwrap();
    let converted = late.convert_lead(&lead).unwrap();
    assert_eq!(control.delete("Contact", &gone).unwrap_err().code, "UNABLE_TO_LOCK_ROW");
    control.advance_clock(SignedDuration::from_mins(30));
    let live = format!("SELECT Id FROM Contact WHERE Id IN ('{loser}', '{gone}') AND IsDeleted = false");
    assert_eq!(count(&client, &live).await, "2", "nothing shows before the commit");
    assert!(control.row("Contact", &converted.contact).unwrap().is_none());
    late.commit().unwrap();
    assert_eq!(count(&client, &live).await, "0");
    let row = control.row("Contact", &loser).unwrap().unwrap();
    assert!(row.deleted);
    assert_eq!(row.fields["MasterRecordId"].as_deref(), Some(master.as_str()));
    assert_eq!(
        row.fields["SystemModstamp"].as_deref(),
        Some("2026-11-10T10:00:30.000Z"),
        "stamps are those of the writing"
    );
    assert!(control.row("Contact", &gone).unwrap().is_none());
    let row = control.row("Contact", &quiet).unwrap().unwrap();
    assert_eq!(
        (row.fields["Phone"].as_deref(), &row.fields["SystemModstamp"]),
        (Some("1"), &before)
    );
    assert!(control.row("Contact", &converted.contact).unwrap().is_some());
}

#[tokio::test]
async fn a_renamed_object_keeps_its_rows_and_what_points_to_them() {
    let client = Client::ready().await;
    let control = &client.control;
    control
        .add_object(Object::new("Device__c", "a08", "Device", "Devices"))
        .unwrap();
    control
        .add_field("Device__c", Field::new("Serial__c", FieldType::String).length(20))
        .unwrap();
    let link = Field::new("Device__c", FieldType::Reference).pointing_to(&["Device__c"], Some("Device__r"));
    control.add_field("Contact", link).unwrap();
    let device = control.create("Device__c", &[("Serial__c", "4711")]).unwrap();
    let contact = control.id("Contact", 0).unwrap();
    control.update("Contact", &contact, &[("Device__c", &device)]).unwrap();
    control.withdraw(USER, "Device__c", Some("Serial__c")).unwrap();
    control.rename_object("device__C", "Unit__c").unwrap();
    assert_eq!(client.query("SELECT Id FROM Device__c").await.code(), "INVALID_TYPE");
    assert_eq!(
        client.query("SELECT Serial__c FROM Unit__c").await.code(),
        "INVALID_FIELD",
        "what was withdrawn stays withdrawn"
    );
    control.grant(USER, "Unit__c", Some("Serial__c")).unwrap();
    let answer = client.query("SELECT Id, Serial__c FROM Unit__c").await.ok();
    assert_eq!(answer.text("sf:Serial__c").unwrap(), "4711");
    assert_eq!(answer.text("sf:Id").unwrap(), device);
    let linked = format!("SELECT Device__r.Serial__c FROM Contact WHERE Id = '{contact}'");
    assert_eq!(client.query(&linked).await.ok().text("sf:Serial__c").unwrap(), "4711");
    for (from, to) in [
        ("Contact", "Person__c"),
        ("Unit__c", "Unit"),
        ("Unit__c", "Specimen__c"),
        ("Specimen__c", "Sample__c"),
    ] {
        assert!(control.rename_object(from, to).is_err(), "{from} to {to}");
    }
}

#[tokio::test]
async fn people_and_permissions_change_over_http() {
    let client = Client::ready().await;
    let lead = client.control.id("Lead", 0).unwrap();
    let post = async |path: &str, body: serde_json::Value| client.http("POST", path, &body.to_string()).await;
    let (status, converted) = post(&format!("/_control/rows/Lead/{lead}/convert"), json!({})).await;
    assert_eq!(status, 200, "{converted}");
    assert!(converted["contact"].as_str().unwrap().starts_with("003"));
    let (status, answer) = post("/_control/persons", json!({"values": {"LastName": "x"}})).await;
    assert_eq!(
        (status, &answer["code"]),
        (400, &json!("INVALID_OPERATION")),
        "not enabled"
    );
    let user = format!("/_control/users/{USER}");
    let change = json!({"viewAllData": false, "viewSetup": false}).to_string();
    assert_eq!(client.http("PATCH", &user, &change).await.0, 200);
    assert_eq!(
        post(&format!("{user}/grant-view-all"), json!({"object": "Contact"}))
            .await
            .0,
        200
    );
    let (_, users) = client.http("GET", "/_control/users", "").await;
    assert_eq!(
        (&users[0]["viewAllData"], &users[0]["viewSetup"], &users[0]["viewAll"]),
        (&json!(false), &json!(false), &json!(["Contact"]))
    );
    assert_eq!(
        post(&format!("{user}/withdraw-view-all"), json!({"object": "Contact"}))
            .await
            .0,
        200
    );
    post("/_control/objects", json!({"name": "Device__c"})).await;
    let (status, _) = client
        .http("PATCH", "/_control/objects/Device__c", r#"{"name":"Unit__c"}"#)
        .await;
    assert_eq!(status, 200);
    assert!(client.control.schema().object("Unit__c").is_some());
}
