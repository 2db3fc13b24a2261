//! getUpdated, getDeleted, getServerTimestamp, late commits, stamps (salesforce-api.md 6).

use jiff::SignedDuration;
use simulator::{
    ClockStart, Config, Stamps,
    data::Content,
    schema::{Field, FieldType},
};

use crate::wire::{Client, at, config};

const START: &str = "2026-11-10T09:00:00.000Z";
const END: &str = "2026-11-10T10:30:00.000Z";

#[tokio::test]
async fn the_server_timestamp_is_the_orgs_clock() {
    let client = Client::ready().await;
    let answer = client.call("<urn:getServerTimestamp/>").await.ok();
    assert!(answer.body.contains(
        "<getServerTimestampResponse><result><timestamp>2026-11-10T10:00:30.000Z</timestamp></result>\
         </getServerTimestampResponse>"
    ));
    client.control.advance_clock(SignedDuration::from_millis(1_234));
    let answer = client.call("<urn:getServerTimestamp/>").await.ok();
    assert_eq!(answer.text("timestamp").unwrap(), "2026-11-10T10:00:31.234Z");
}

#[tokio::test]
async fn get_updated_lists_changed_rows_in_the_recorded_shape() {
    let client = Client::ready().await;
    let created = client.control.create("Contact", &[("LastName", "New")]).unwrap();
    let changed = client.control.id("Contact", 3).unwrap();
    client.control.update("Contact", &changed, &[("Phone", "1")]).unwrap();
    client
        .control
        .update_with(
            "Contact",
            &client.control.id("Contact", 4).unwrap(),
            &[("Phone", "1")],
            Stamps::Neither,
        )
        .unwrap();
    let answer = client.changes("getUpdated", "Contact", START, END).await.ok();
    assert!(
        answer.body.contains(&format!(
            "<getUpdatedResponse><result><ids>{changed}</ids><ids>{created}</ids>\
             <latestDateCovered>2026-11-10T10:00:00.000Z</latestDateCovered></result></getUpdatedResponse>"
        )),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn get_deleted_lists_deletions_in_the_recorded_shape() {
    let client = Client::ready().await;
    let id = client.control.id("Contact", 3).unwrap();
    client.control.delete("Contact", &id).unwrap();
    client.control.advance_clock(SignedDuration::from_mins(5));
    let answer = client
        .changes("getDeleted", "Contact", START, "2026-11-10T10:05:00Z")
        .await
        .ok();
    assert!(
        answer.body.contains(&format!(
            "<getDeletedResponse><result><deletedRecords><deletedDate>2026-11-10T10:00:30.000Z</deletedDate>\
             <id>{id}</id></deletedRecords><earliestDateAvailable>2026-10-26T10:05:00.000Z</earliestDateAvailable>\
             <latestDateCovered>2026-11-10T10:05:00.000Z</latestDateCovered></result></getDeletedResponse>"
        )),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn seconds_are_cut_off_and_both_ends_belong_to_the_window() {
    let client = Client::logged_in(Config {
        clock: ClockStart::Held(at("2026-11-10T10:05:00Z")),
        ..config()
    })
    .await;
    let id = client.control.id("Contact", 3).unwrap();
    client.control.update("Contact", &id, &[("Phone", "1")]).unwrap();
    client.control.advance_clock(SignedDuration::from_mins(30));
    for (start, end, found) in [
        ("2026-11-10T10:05:59Z", "2026-11-10T10:10:00Z", true),
        ("2026-11-10T10:00:00Z", "2026-11-10T10:05:59Z", true),
        ("2026-11-10T10:00:00Z", "2026-11-10T10:04:59Z", false),
        ("2026-11-10T10:06:00Z", "2026-11-10T10:10:00Z", false),
    ] {
        let answer = client.changes("getUpdated", "Contact", start, end).await.ok();
        assert_eq!(answer.body.contains(&id), found, "{start} {end}");
    }
}

#[tokio::test]
async fn windows_that_reach_too_far_or_backwards_are_refused() {
    let client = Client::ready().await;
    for (call, start, end) in [
        ("getUpdated", END, START),
        ("getUpdated", START, START),
        ("getUpdated", "2026-10-10T10:00:00Z", END),
        ("getDeleted", "2026-10-25T10:00:00Z", END),
        ("getDeleted", "2026-11-10T09:00:00Z", "2026-11-10T09:01:00Z"),
    ] {
        let answer = client.changes(call, "Contact", start, end).await;
        assert_eq!(answer.code(), "INVALID_REPLICATION_DATE", "{call} {start} {end}");
        assert!(answer.body.contains("<sf:UnexpectedErrorFault "));
    }
    let answer = client
        .changes("getUpdated", "Contact", "2026-10-10T10:00:00Z", END)
        .await;
    assert_eq!(
        answer.text("sf:exceptionMessage").unwrap(),
        "startDate before org replication enabled date"
    );
    client
        .changes("getUpdated", "Contact", "2026-10-12T10:00:00Z", END)
        .await
        .ok();
    client
        .changes("getDeleted", "Contact", "2026-10-27T10:00:00Z", END)
        .await
        .ok();
    // More than a minute as written, none after the seconds are cut off.
    let short = ("2026-11-10T09:00:59Z", "2026-11-10T09:02:00Z");
    client.changes("getDeleted", "Contact", short.0, short.1).await.ok();
    let short = ("2026-11-10T09:00:00Z", "2026-11-10T09:01:30Z");
    client.changes("getDeleted", "Contact", short.0, short.1).await.ok();
    client
        .control
        .change_settings(|settings| settings.minute_after_truncation = true);
    assert_eq!(
        client.changes("getDeleted", "Contact", short.0, short.1).await.code(),
        "INVALID_REPLICATION_DATE"
    );
    assert_eq!(
        client.changes("getUpdated", "Nothing", START, END).await.code(),
        "INVALID_TYPE"
    );
    client
        .control
        .change_object("Contact", |object| object.replicateable = false)
        .unwrap();
    assert_eq!(
        client.changes("getUpdated", "Contact", START, END).await.code(),
        "INVALID_TYPE_FOR_OPERATION"
    );
    assert_eq!(client.changes("getUpdated", "Lead", "yesterday", END).await.status, 500);
}

#[tokio::test]
async fn too_many_ids_are_refused() {
    let client = Client::ready().await;
    client.control.change_settings(|settings| settings.replication_ids = 10);
    let ids = client
        .control
        .create_many("Contact", 11, |n| vec![("LastName".to_owned(), format!("C{n}"))])
        .unwrap();
    assert_eq!(
        client.changes("getUpdated", "Contact", START, END).await.code(),
        "EXCEEDED_ID_LIMIT"
    );
    client.control.change_settings(|settings| settings.replication_ids = 11);
    assert_eq!(
        client
            .changes("getUpdated", "Contact", START, END)
            .await
            .ok()
            .texts("ids"),
        ids
    );
    assert_eq!(client.control.settings().replication_ids, 11);
}

#[tokio::test]
async fn a_late_commit_appears_with_an_old_stamp_and_holds_latest_date_covered() {
    let client = Client::ready().await;
    let transaction = client.control.begin();
    let late = transaction.create("Contact", &[("LastName", "Late")]).unwrap();
    let changed = client.control.id("Contact", 9).unwrap();
    transaction
        .update("Contact", &changed, &[("LastName", "Late too")])
        .unwrap();
    client.control.advance_clock(SignedDuration::from_mins(20));
    let since = "SELECT Id FROM Contact WHERE SystemModstamp >= 2026-11-10T10:00:00Z ORDER BY SystemModstamp, Id";
    assert_eq!(
        client.query_all(since).await.ok().text("size").unwrap(),
        "0",
        "not before the commit"
    );
    let answer = client
        .changes("getUpdated", "Contact", START, "2026-11-10T10:20:00Z")
        .await
        .ok();
    assert_eq!(answer.texts("ids"), [""; 0]);
    assert_eq!(
        answer.text("latestDateCovered").unwrap(),
        "2026-11-10T10:00:30.000Z",
        "the transaction's begin"
    );
    let answer = client
        .changes("getDeleted", "Lead", START, "2026-11-10T10:20:00Z")
        .await
        .ok();
    assert_eq!(
        answer.text("latestDateCovered").unwrap(),
        "2026-11-10T10:00:30.000Z",
        "whatever the object"
    );
    transaction.commit().unwrap();
    let answer = client.query_all(since).await.ok();
    assert_eq!(answer.text("size").unwrap(), "2");
    assert!(answer.body.contains(&late) && answer.body.contains(&changed));
    let row = client.control.row("Contact", &late).unwrap().unwrap();
    assert_eq!(
        row.fields["SystemModstamp"].as_deref(),
        Some("2026-11-10T10:00:30.000Z"),
        "the stamp of the writing"
    );
    let answer = client
        .changes("getUpdated", "Contact", START, "2026-11-10T10:20:00Z")
        .await
        .ok();
    assert_eq!(answer.texts("ids").len(), 2);
    assert_eq!(answer.text("latestDateCovered").unwrap(), "2026-11-10T10:20:00.000Z");
}

#[tokio::test]
async fn open_transactions_hold_their_rows_and_can_be_rolled_back() {
    let client = Client::ready().await;
    let id = client.control.id("Contact", 9).unwrap();
    let before = client.control.row("Contact", &id).unwrap();
    let transaction = client.control.begin();
    transaction.update("Contact", &id, &[("LastName", "Mine")]).unwrap();
    transaction.create("Contact", &[("LastName", "Never")]).unwrap();
    let error = client
        .control
        .update("Contact", &id, &[("LastName", "Other")])
        .unwrap_err();
    assert_eq!(error.code, "UNABLE_TO_LOCK_ROW");
    let other = client.control.begin();
    assert_eq!(other.delete("Contact", &id).unwrap_err().code, "UNABLE_TO_LOCK_ROW");
    other.roll_back().unwrap();
    transaction.roll_back().unwrap();
    assert_eq!(client.control.row("Contact", &id).unwrap(), before);
    assert_eq!(
        client
            .query("SELECT count() FROM Contact")
            .await
            .ok()
            .text("size")
            .unwrap(),
        "1000"
    );
    client.control.update("Contact", &id, &[("LastName", "Other")]).unwrap();
}

#[tokio::test]
async fn stamps_move_as_the_change_says() {
    let client = Client::ready().await;
    let id = client.control.id("Contact", 9).unwrap();
    let fields = || client.control.row("Contact", &id).unwrap().unwrap().fields;
    let before = fields();
    client
        .control
        .update_with("Contact", &id, &[("Phone", "1")], Stamps::Neither)
        .unwrap();
    let after = fields();
    assert_eq!(after["Phone"].as_deref(), Some("1"));
    assert_eq!(
        (&after["SystemModstamp"], &after["LastModifiedDate"]),
        (&before["SystemModstamp"], &before["LastModifiedDate"])
    );
    client
        .control
        .update_with("Contact", &id, &[("Phone", "2")], Stamps::SystemModstamp)
        .unwrap();
    let after = fields();
    assert_eq!(after["SystemModstamp"].as_deref(), Some("2026-11-10T10:00:30.000Z"));
    assert_eq!(after["LastModifiedDate"], before["LastModifiedDate"]);
    client.control.update("Contact", &id, &[("Phone", "")]).unwrap();
    let after = fields();
    assert_eq!(after["Phone"], None, "empty is null");
    assert_eq!(after["LastModifiedDate"].as_deref(), Some("2026-11-10T10:00:30.000Z"));
    client
        .control
        .update(
            "Contact",
            &id,
            &[
                ("LastModifiedDate", "2020-01-01T00:00:00Z"),
                ("CreatedDate", "2019-01-01T00:00:00Z"),
            ],
        )
        .unwrap();
    let after = fields();
    assert_eq!(
        after["LastModifiedDate"].as_deref(),
        Some("2020-01-01T00:00:00.000Z"),
        "audit fields can be set"
    );
    assert_eq!(after["SystemModstamp"].as_deref(), Some("2026-11-10T10:00:30.000Z"));
    assert!(
        client
            .control
            .update("Contact", &id, &[("SystemModstamp", "2020-01-01T00:00:00Z")])
            .is_err()
    );
}

#[tokio::test]
async fn a_formula_follows_its_parent_without_a_stamp() {
    let client = Client::ready().await;
    client
        .control
        .add_field(
            "Contact",
            Field::new("AccountIndustry__c", FieldType::String)
                .formula("Account.Industry")
                .content(Content::ParentValue {
                    reference: "AccountId",
                    field: "Industry",
                }),
        )
        .unwrap();
    let account = client
        .control
        .create("Account", &[("Name", "A"), ("Industry", "Banking")])
        .unwrap();
    let id = client
        .control
        .create("Contact", &[("LastName", "F"), ("AccountId", &account)])
        .unwrap();
    let row = || client.control.row("Contact", &id).unwrap().unwrap().fields;
    let before = row();
    assert_eq!(before["AccountIndustry__c"].as_deref(), Some("Banking"));
    client.control.advance_clock(SignedDuration::from_hours(1));
    client
        .control
        .update("Account", &account, &[("Industry", "Energy")])
        .unwrap();
    assert_eq!(row()["AccountIndustry__c"].as_deref(), Some("Energy"));
    assert_eq!(row()["SystemModstamp"], before["SystemModstamp"]);
    let soql = format!("SELECT AccountIndustry__c FROM Contact WHERE Id = '{id}'");
    assert_eq!(
        client.query(&soql).await.ok().text("sf:AccountIndustry__c").as_deref(),
        Some("Energy")
    );
}

#[tokio::test]
async fn ties_share_a_second() {
    let client = Client::ready().await;
    let ids = client
        .control
        .create_many("Contact", 2_500, |n| vec![("LastName".to_owned(), format!("Tie {n}"))])
        .unwrap();
    let answer = client
        .query("SELECT Id FROM Contact WHERE SystemModstamp = 2026-11-10T10:00:30Z ORDER BY SystemModstamp, Id")
        .await
        .ok();
    assert_eq!(answer.text("size").unwrap(), "2500");
    let first = answer.text("sf:Id").unwrap();
    assert_eq!(first, ids[0]);
}
