//! Pages and locators: queryMore (salesforce-api.md 3.2, 5.2).

use jiff::SignedDuration;
use simulator::{
    CursorRows, LocatorForm,
    data::Content,
    schema::{Field, FieldType},
};

use crate::wire::{Client, config};

/// Reads a query to its end; returns every record's Id once, and the sizes of the pages.
async fn read(client: &Client, soql: &str) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut pages) = (Vec::new(), Vec::new());
    let mut answer = client.query_all(soql).await.ok();
    loop {
        let own = answer.body.split("<records ").skip(1).map(|record| {
            record
                .split("<sf:Id>")
                .nth(1)
                .unwrap()
                .split('<')
                .next()
                .unwrap()
                .to_owned()
        });
        let before = ids.len();
        ids.extend(own);
        pages.push(ids.len() - before);
        let locator = answer.text("queryLocator");
        assert_eq!(answer.text("done").unwrap(), locator.is_none().to_string());
        let Some(locator) = locator else { return (ids, pages) };
        answer = client.query_more(&locator).await.ok();
    }
}

fn batch(rows: u32) -> String {
    format!("<urn:QueryOptions><urn:batchSize>{rows}</urn:batchSize></urn:QueryOptions>")
}

#[tokio::test]
async fn pages_hold_what_was_asked_for_and_the_size_is_that_of_the_whole() {
    let mut client = Client::ready().await;
    let (ids, pages) = read(&client, "SELECT Id FROM Contact").await;
    assert_eq!(
        (ids.len(), pages.as_slice()),
        (1_000, [1_000].as_slice()),
        "2 000 is the default"
    );
    client.soap_headers = batch(300);
    let (ids, pages) = read(&client, "SELECT Id FROM Contact ORDER BY Id").await;
    assert_eq!(pages, [300, 300, 300, 100]);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    let answer = client.query("SELECT Id FROM Contact").await.ok();
    assert_eq!(answer.text("size").unwrap(), "1000");
    for rows in [199, 2_001, 0] {
        client.soap_headers = batch(rows);
        assert_eq!(
            client.query("SELECT Id FROM Contact").await.code(),
            "INVALID_BATCH_SIZE"
        );
    }
}

#[tokio::test]
async fn orders_by_stamp_are_complete_across_pages() {
    let mut client = Client::logged_in(simulator::Config {
        contacts: 3_000,
        ..config()
    })
    .await;
    client.soap_headers = batch(200);
    let newest = client.control.id("Contact", 5).unwrap();
    client.control.update("Contact", &newest, &[("Phone", "1")]).unwrap();
    let (ids, _) = read(&client, "SELECT Id FROM Contact ORDER BY SystemModstamp, Id").await;
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((ids.len(), unique.len()), (3_000, 3_000));
    assert_eq!(ids.last(), Some(&newest));
    let stamps: Vec<(String, String)> = client
        .control
        .rows_of("Contact", &["SystemModstamp"])
        .unwrap()
        .map(|row| (row.fields["SystemModstamp"].clone().unwrap(), row.id))
        .collect();
    let mut expected = stamps;
    expected.sort();
    assert_eq!(ids, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

#[tokio::test]
async fn base64_comes_one_at_a_time_and_long_texts_by_200() {
    let client = Client::logged_in(simulator::Config {
        specimens: 450,
        ..config()
    })
    .await;
    let schema = client.control.schema();
    let specimen = schema.object("Specimen__c").unwrap();
    let base64 = specimen
        .fields
        .iter()
        .find(|field| field.field_type == FieldType::Base64)
        .unwrap()
        .name
        .clone();
    let (_, pages) = read(&client, &format!("SELECT Id, {base64} FROM Specimen__c LIMIT 3")).await;
    assert_eq!(pages, [1, 1, 1]);
    for name in ["LongA__c", "LongB__c"] {
        let field = Field::new(name, FieldType::TextArea)
            .length(32_000)
            .content(Content::Null);
        client.control.add_field("Specimen__c", field).unwrap();
    }
    let (_, pages) = read(&client, "SELECT Id, LongA__c FROM Specimen__c").await;
    assert_eq!(pages, [450]);
    let (_, pages) = read(&client, "SELECT Id, LongA__c, LongB__c FROM Specimen__c").await;
    assert_eq!(pages, [200, 200, 50]);
}

#[tokio::test]
async fn children_count_towards_the_page() {
    let mut client = Client::ready().await;
    client.soap_headers = batch(200);
    let answer = client
        .query("SELECT Id, (SELECT Id FROM Contacts) FROM Account")
        .await
        .ok();
    let records = answer.body.matches("<records ").count();
    assert!((200..210).contains(&records), "{records} with their children");
    assert_eq!(answer.text("done").unwrap(), "false");
}

#[tokio::test]
async fn locators_are_used_once_and_both_forms_exist() {
    let mut client = Client::ready().await;
    client.soap_headers = batch(200);
    let locator = client
        .query("SELECT Id FROM Contact")
        .await
        .ok()
        .text("queryLocator")
        .unwrap();
    assert_eq!((locator.len(), locator.get(..3)), (18, Some("0r8")));
    let next = client.query_more(&locator).await.ok().text("queryLocator").unwrap();
    assert_ne!(next, locator);
    let answer = client.query_more(&locator).await;
    assert_eq!(answer.code(), "INVALID_QUERY_LOCATOR");
    assert_eq!(answer.text("sf:exceptionMessage").unwrap(), "invalid query locator");
    assert!(answer.body.contains("<sf:InvalidQueryLocatorFault "));
    client.query_more(&next).await.ok();
    client
        .control
        .change_settings(|settings| settings.locator_form = LocatorForm::Historic);
    let first = client
        .query("SELECT Id FROM Contact")
        .await
        .ok()
        .text("queryLocator")
        .unwrap();
    assert!(first.starts_with("01g") && first.ends_with("-200"), "{first}");
    let second = client.query_more(&first).await.ok().text("queryLocator").unwrap();
    assert!(
        second.ends_with("-400") && second.split('-').next() == first.split('-').next(),
        "{second}"
    );
}

#[tokio::test]
async fn locators_die_by_age_by_command_and_are_nobody_elses() {
    let mut client = Client::ready().await;
    client.soap_headers = batch(200);
    let old = client
        .query("SELECT Id FROM Contact")
        .await
        .ok()
        .text("queryLocator")
        .unwrap();
    for _ in 0..47 {
        client.control.advance_clock(SignedDuration::from_hours(1));
        client.call("<urn:getServerTimestamp/>").await.ok();
    }
    let old = client.query_more(&old).await.ok().text("queryLocator").unwrap();
    client.control.advance_clock(SignedDuration::from_hours(1));
    assert_eq!(
        client.query_more(&old).await.code(),
        "INVALID_QUERY_LOCATOR",
        "48 hours after the query"
    );
    let killed = client
        .query("SELECT Id FROM Contact")
        .await
        .ok()
        .text("queryLocator")
        .unwrap();
    assert_eq!(client.control.open_locators(), 1);
    client.control.kill_locators();
    assert_eq!(client.query_more(&killed).await.code(), "INVALID_QUERY_LOCATOR");
    let own = client
        .query("SELECT Id FROM Contact")
        .await
        .ok()
        .text("queryLocator")
        .unwrap();
    client
        .control
        .add_user(simulator::Login::new("other@example.com", "p", "t"))
        .unwrap();
    client.log_in("other@example.com", "pt").await;
    assert_eq!(client.query_more(&own).await.code(), "INVALID_QUERY_LOCATOR");
}

/// The second page of all contacts after a row of it was changed, another deleted, and one created at the end.
async fn second_page_after_changes(kind: CursorRows) -> (crate::wire::Answer, String) {
    let mut client = Client::ready().await;
    client.soap_headers = batch(500);
    client.control.change_settings(|settings| settings.cursor_rows = kind);
    let changed = client.control.id("Contact", 600).unwrap();
    client
        .control
        .update("Contact", &changed, &[("LastName", "before")])
        .unwrap();
    let first = client.query("SELECT Id, LastName FROM Contact ORDER BY Id").await.ok();
    client
        .control
        .update("Contact", &changed, &[("LastName", "after")])
        .unwrap();
    let deleted = client.control.id("Contact", 601).unwrap();
    client.control.delete("Contact", &deleted).unwrap();
    client.control.create("Contact", &[("LastName", "created")]).unwrap();
    (
        client.query_more(&first.text("queryLocator").unwrap()).await.ok(),
        deleted,
    )
}

#[tokio::test]
async fn later_pages_have_the_rows_of_the_query_with_their_values_of_the_moment() {
    let (page, deleted) = second_page_after_changes(CursorRows::Live).await;
    assert_eq!(
        (
            page.text("size").unwrap().as_str(),
            page.body.matches("<records ").count()
        ),
        ("1000", 499)
    );
    assert!(page.body.contains("<sf:LastName>after</sf:LastName>") && !page.body.contains("before"));
    assert!(!page.body.contains(&deleted) && !page.body.contains("<sf:LastName>created</sf:LastName>"));
}

#[tokio::test]
async fn later_pages_can_be_those_of_the_query_altogether() {
    let (page, deleted) = second_page_after_changes(CursorRows::AsOfQuery).await;
    assert_eq!(
        (
            page.text("size").unwrap().as_str(),
            page.body.matches("<records ").count()
        ),
        ("1000", 500)
    );
    assert!(page.body.contains("<sf:LastName>before</sf:LastName>"));
    assert!(page.body.contains(&deleted) && !page.body.contains("<sf:LastName>created</sf:LastName>"));
}
