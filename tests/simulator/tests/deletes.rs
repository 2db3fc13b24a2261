//! Deletes, undeletes, merges, hard deletes, the recycle bin, the delete log (salesforce-api.md 6.5).

use jiff::SignedDuration;

use crate::wire::Client;

const START: &str = "2026-11-10T09:00:00Z";
const END: &str = "2026-11-10T12:00:00Z";

async fn size(client: &Client, soql: &str, all: bool) -> String {
    let answer = if all {
        client.query_all(soql).await
    } else {
        client.query(soql).await
    };
    answer.ok().text("size").unwrap()
}

async fn deleted(client: &Client, object: &str) -> Vec<String> {
    client.changes("getDeleted", object, START, END).await.ok().texts("id")
}

#[tokio::test]
async fn a_deleted_row_is_in_query_all_for_15_days_with_a_new_stamp() {
    let client = Client::ready().await;
    let id = client.control.id("Lead", 3).unwrap();
    client.control.delete("Lead", &id).unwrap();
    let soql = format!("SELECT Id, IsDeleted, SystemModstamp FROM Lead WHERE Id = '{id}'");
    assert_eq!(size(&client, &soql, false).await, "0");
    let answer = client.query_all(&soql).await.ok();
    assert!(
        answer.body.contains(
            "<sf:IsDeleted>true</sf:IsDeleted><sf:SystemModstamp>2026-11-10T10:00:30.000Z</sf:SystemModstamp>"
        )
    );
    assert_eq!(
        size(&client, "SELECT Id FROM Lead WHERE IsDeleted = true", true).await,
        "1"
    );
    assert_eq!(
        client.control.delete("Lead", &id).unwrap_err().code,
        "ENTITY_IS_DELETED"
    );
    assert_eq!(
        client.control.update("Lead", &id, &[]).unwrap_err().code,
        "ENTITY_IS_DELETED"
    );
    let updated = client.changes("getUpdated", "Lead", START, END).await.ok();
    assert!(!updated.body.contains(&id));
    client
        .control
        .change_settings(|settings| settings.updated_lists_deleted = true);
    let updated = client.changes("getUpdated", "Lead", START, END).await.ok();
    assert!(updated.body.contains(&id), "not documented, so it can be switched");
    client
        .control
        .change_settings(|settings| settings.session_seconds = u32::MAX);
    client.control.advance_clock(SignedDuration::from_hours(15 * 24 - 1));
    assert_eq!(size(&client, &soql, true).await, "1");
    client.control.advance_clock(SignedDuration::from_hours(1));
    assert_eq!(size(&client, &soql, true).await, "0");
}

#[tokio::test]
async fn an_undeleted_row_is_live_again_with_a_new_stamp() {
    let client = Client::ready().await;
    let id = client.control.id("Lead", 3).unwrap();
    client.control.delete("Lead", &id).unwrap();
    client.control.advance_clock(SignedDuration::from_mins(3));
    assert_eq!(deleted(&client, "Lead").await, std::slice::from_ref(&id));
    client.control.undelete("Lead", &id).unwrap();
    let answer = client
        .query(&format!("SELECT IsDeleted, SystemModstamp FROM Lead WHERE Id = '{id}'"))
        .await
        .ok();
    assert!(
        answer.body.contains(
            "<sf:IsDeleted>false</sf:IsDeleted><sf:SystemModstamp>2026-11-10T10:03:30.000Z</sf:SystemModstamp>"
        )
    );
    assert_eq!(
        client.control.undelete("Lead", &id).unwrap_err().code,
        "UNDELETE_FAILED"
    );
    assert_eq!(
        deleted(&client, "Lead").await,
        std::slice::from_ref(&id),
        "the log remembers"
    );
    client
        .control
        .change_settings(|settings| settings.undeleted_stays_logged = false);
    assert_eq!(
        deleted(&client, "Lead").await,
        [""; 0],
        "not documented, so it can be switched"
    );
}

#[tokio::test]
async fn children_go_and_come_with_their_parent() {
    let client = Client::ready().await;
    let account = client.control.id("Account", 5).unwrap();
    let children = format!("SELECT Id FROM Contact WHERE AccountId = '{account}'");
    let before = size(&client, &children, false).await;
    assert_ne!(before, "0");
    let alone = client
        .control
        .create("Contact", &[("LastName", "Alone"), ("AccountId", &account)])
        .unwrap();
    client.control.delete("Contact", &alone).unwrap();
    client.control.delete("Account", &account).unwrap();
    assert_eq!(size(&client, &children, false).await, "0");
    let listed = deleted(&client, "Contact").await;
    assert_eq!(
        listed.len().to_string(),
        (before.parse::<u32>().unwrap() + 1).to_string()
    );
    client.control.undelete("Account", &account).unwrap();
    assert_eq!(
        size(&client, &children, false).await,
        before,
        "but not what was deleted before"
    );
}

#[tokio::test]
async fn a_merge_deletes_the_losers_and_moves_their_children() {
    let client = Client::ready().await;
    let ids: Vec<String> = (0..3)
        .map(|n| {
            client
                .control
                .create("Account", &[("Name", &format!("Merge {n}"))])
                .unwrap()
        })
        .collect();
    let child = client
        .control
        .create("Contact", &[("LastName", "Child"), ("AccountId", &ids[1])])
        .unwrap();
    client.control.advance_clock(SignedDuration::from_mins(1));
    client.control.merge("Account", &ids[0], &[&ids[1], &ids[2]]).unwrap();
    let answer = client
        .query_all(
            "SELECT Id, MasterRecordId FROM Account WHERE IsDeleted = true AND MasterRecordId != null ORDER BY Id",
        )
        .await
        .ok();
    assert_eq!(answer.texts("sf:MasterRecordId"), [ids[0].clone(), ids[0].clone()]);
    assert!(answer.body.contains(&ids[1]) && answer.body.contains(&ids[2]));
    let row = client.control.row("Contact", &child).unwrap().unwrap();
    assert_eq!(row.fields["AccountId"].as_deref(), Some(ids[0].as_str()));
    assert_eq!(
        row.fields["SystemModstamp"].as_deref(),
        Some("2026-11-10T10:01:30.000Z")
    );
    assert!(!row.deleted, "it was not taken along");
    client.control.undelete("Account", &ids[1]).unwrap();
    assert_eq!(
        client.control.row("Account", &ids[1]).unwrap().unwrap().fields["MasterRecordId"],
        None
    );
    assert!(client.control.merge("Account", &ids[0], &[&ids[0]]).is_err());
    assert!(
        client
            .control
            .merge("Opportunity", "006Sm0000000000", &["006Sm0000000001"])
            .is_err()
    );
}

#[tokio::test]
async fn a_hard_delete_is_in_the_log_only() {
    let client = Client::ready().await;
    let id = client.control.id("Lead", 3).unwrap();
    client.control.hard_delete("Lead", &id).unwrap();
    client.control.advance_clock(SignedDuration::from_mins(3));
    let soql = format!("SELECT Id FROM Lead WHERE Id = '{id}'");
    assert_eq!(size(&client, &soql, true).await, "0");
    assert_eq!(size(&client, "SELECT count() FROM Lead", true).await, "99");
    assert_eq!(deleted(&client, "Lead").await, std::slice::from_ref(&id));
    assert_eq!(client.control.row("Lead", &id).unwrap(), None);
    assert!(client.control.undelete("Lead", &id).is_err());
}

#[tokio::test]
async fn an_emptied_bin_shows_its_rows_for_a_day() {
    let client = Client::ready().await;
    client
        .control
        .change_settings(|settings| settings.session_seconds = u32::MAX);
    let id = client.control.id("Lead", 3).unwrap();
    client.control.delete("Lead", &id).unwrap();
    assert_eq!(client.control.empty_bin("Lead").unwrap(), 1);
    assert_eq!(client.control.empty_bin("Lead").unwrap(), 0);
    assert_eq!(
        client.control.undelete("Lead", &id).unwrap_err().code,
        "UNDELETE_FAILED"
    );
    let soql = format!("SELECT Id FROM Lead WHERE Id = '{id}'");
    client.control.advance_clock(SignedDuration::from_hours(23));
    assert_eq!(size(&client, &soql, true).await, "1");
    client.control.advance_clock(SignedDuration::from_hours(1));
    assert_eq!(size(&client, &soql, true).await, "0");
}

#[tokio::test]
async fn a_purged_log_refuses_windows_that_begin_before() {
    let client = Client::ready().await;
    client
        .control
        .delete("Lead", &client.control.id("Lead", 3).unwrap())
        .unwrap();
    client.control.advance_clock(SignedDuration::from_mins(10));
    client.control.purge_delete_log("Lead").unwrap();
    client.control.advance_clock(SignedDuration::from_mins(10));
    assert_eq!(
        client.changes("getDeleted", "Lead", START, END).await.code(),
        "INVALID_REPLICATION_DATE"
    );
    let answer = client
        .changes("getDeleted", "Lead", "2026-11-10T10:11:00Z", END)
        .await
        .ok();
    assert_eq!(
        answer.text("earliestDateAvailable").unwrap(),
        "2026-11-10T10:10:30.000Z"
    );
    assert_eq!(answer.texts("id"), [""; 0]);
    client.changes("getDeleted", "Contact", START, END).await.ok();
}

#[tokio::test]
async fn a_full_log_is_purged_by_itself() {
    let client = Client::ready().await;
    client.control.change_settings(|settings| {
        settings.licences = 1;
        settings.session_seconds = u32::MAX;
    });
    let ids = client
        .control
        .create_many("Lead", 5_200, |n| {
            vec![
                ("LastName".to_owned(), format!("L{n}")),
                ("Company".to_owned(), "C".to_owned()),
            ]
        })
        .unwrap();
    for id in &ids {
        client.control.delete("Lead", id).unwrap();
    }
    client.changes("getDeleted", "Lead", START, END).await.ok();
    client.control.advance_clock(SignedDuration::from_hours(3));
    assert_eq!(
        client.changes("getDeleted", "Lead", START, END).await.code(),
        "INVALID_REPLICATION_DATE"
    );
}

#[tokio::test]
async fn some_objects_cannot_be_deleted() {
    let client = Client::ready().await;
    let user = client.control.id("User", 3).unwrap();
    assert!(client.control.delete("User", &user).is_err());
    client.control.update("User", &user, &[("IsActive", "false")]).unwrap();
}
