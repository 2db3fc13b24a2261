//! Converted leads, users who are inactive or no persons, person accounts, and parents of several types.

use simulator::{Config, schema::PersonAccounts};

use crate::wire::{Answer, Client, config};

fn size(answer: Answer) -> String {
    answer.ok().text("size").unwrap()
}

#[tokio::test]
async fn a_lead_becomes_an_account_and_a_contact() {
    let client = Client::ready().await;
    let id = client.control.id("Lead", 3).unwrap();
    let before = client.control.row("Lead", &id).unwrap().unwrap();
    client.control.advance_clock(jiff::SignedDuration::from_mins(5));
    let converted = client.control.convert_lead(&id).unwrap();
    let after = client.control.row("Lead", &id).unwrap().unwrap();
    let text = |row: &simulator::Row, field: &str| row.fields[field].clone().unwrap_or_default();
    assert_eq!(text(&after, "IsConverted"), "true");
    assert_eq!(text(&after, "ConvertedContactId"), converted.contact);
    assert!(text(&after, "SystemModstamp") > text(&before, "SystemModstamp"));
    let contact = client.control.row("Contact", &converted.contact).unwrap().unwrap();
    assert_eq!(text(&contact, "LastName"), text(&before, "LastName"));
    assert_eq!(text(&contact, "AccountId"), converted.account);
    let account = client.control.row("Account", &converted.account).unwrap().unwrap();
    assert_eq!(text(&account, "Name"), text(&before, "Company"));
    assert_eq!(
        client.control.convert_lead(&id).unwrap_err().code,
        "CANNOT_UPDATE_CONVERTED_LEAD"
    );
}

#[tokio::test]
async fn an_org_may_begin_with_people_who_are_no_contacts() {
    let client = Client::logged_in(Config {
        converted_leads: 30,
        inactive_users: 4,
        technical_users: 2,
        persons: 7,
        person_accounts: PersonAccounts::Enabled,
        ..config()
    })
    .await;
    for (soql, expected) in [
        ("SELECT count() FROM Lead WHERE IsConverted = true", "30"),
        (
            "SELECT count() FROM Lead WHERE IsConverted = true AND ConvertedContactId = null",
            "0",
        ),
        ("SELECT count() FROM User WHERE IsActive = false", "4"),
        (
            "SELECT count() FROM User WHERE IsActive = true AND UserType != 'Standard'",
            "2",
        ),
        ("SELECT count() FROM Account WHERE IsPersonAccount = true", "7"),
        ("SELECT count() FROM Contact WHERE IsPersonAccount = true", "7"),
        ("SELECT count() FROM Account", "207"),
        ("SELECT count() FROM Contact", "1007"),
    ] {
        assert_eq!(size(client.query(soql).await), expected, "{soql}");
    }
}

#[tokio::test]
async fn both_rows_of_a_person_change_together() {
    let client = Client::logged_in(Config {
        person_accounts: PersonAccounts::Enabled,
        ..config()
    })
    .await;
    let control = &client.control;
    let person = control
        .create_person(&[
            ("LastName", "Öz"),
            ("FirstName", "Ida"),
            ("PersonEmail", "ida@example.com"),
        ])
        .unwrap();
    let field = |object: &str, id: &str, field: &str| {
        control.row(object, id).unwrap().unwrap().fields[field]
            .clone()
            .unwrap_or_default()
    };
    assert_eq!(field("Account", &person.account, "Name"), "Ida Öz");
    assert_eq!(field("Account", &person.account, "PersonContactId"), person.contact);
    assert_eq!(field("Contact", &person.contact, "Email"), "ida@example.com");
    control.advance_clock(jiff::SignedDuration::from_secs(60));
    control
        .update(
            "Account",
            &person.account,
            &[("PersonMobilePhone", "1"), ("LastName", "Yılmaz")],
        )
        .unwrap();
    assert_eq!(field("Contact", &person.contact, "MobilePhone"), "1");
    assert_eq!(field("Contact", &person.contact, "Name"), "Ida Yılmaz");
    assert_eq!(
        field("Contact", &person.contact, "SystemModstamp"),
        field("Account", &person.account, "SystemModstamp")
    );
    control
        .update("Contact", &person.contact, &[("Email", "i@example.com")])
        .unwrap();
    assert_eq!(field("Account", &person.account, "PersonEmail"), "i@example.com");
    control.delete("Account", &person.account).unwrap();
    assert!(control.row("Contact", &person.contact).unwrap().unwrap().deleted);
    let disabled = Client::ready().await;
    assert!(disabled.control.create_person(&[("LastName", "x")]).is_err());
}

#[tokio::test]
async fn an_owner_is_a_user_or_a_queue_and_shows_what_both_have() {
    let client = Client::ready().await;
    let queue = client
        .control
        .create("Group", &[("Name", "Inbound"), ("Type", "Queue")])
        .unwrap();
    let lead = client.control.id("Lead", 0).unwrap();
    client.control.update("Lead", &lead, &[("OwnerId", &queue)]).unwrap();
    let soql = format!("SELECT Owner.Name, Owner.Email FROM Lead WHERE Id = '{lead}'");
    let answer = client.query(&soql).await.ok();
    assert_eq!(answer.text("sf:Name").unwrap(), "Inbound");
    let other = client.control.id("Lead", 1).unwrap();
    let answer = client
        .query(&format!("SELECT Owner.Name FROM Lead WHERE Id = '{other}'"))
        .await
        .ok();
    assert!(!answer.text("sf:Name").unwrap().is_empty());
    let answer = client.query("SELECT Owner.Department FROM Lead").await;
    assert_eq!(answer.code(), "INVALID_FIELD");
    let body = "<urn:sObjectType>Name</urn:sObjectType>";
    let described = client
        .call(&format!("<urn:describeSObjects>{body}</urn:describeSObjects>"))
        .await
        .ok();
    assert_eq!(described.text("queryable").unwrap(), "false");
    assert_eq!(
        client.query("SELECT Id FROM Name").await.code(),
        "INVALID_TYPE_FOR_OPERATION"
    );
}
