//! Who may see what, as a client reads it: profiles, permission sets, their assignments, object permissions.

use simulator::{Login, UserChange};

use crate::wire::{Answer, Client, USER, config};

const SECOND: &str = "second@example.com";

/// What a client asks to learn whether a user sees every row.
const OF_USER: &str = "SELECT PermissionSetId, PermissionSet.PermissionsViewAllData, \
                       PermissionSet.PermissionsModifyAllData FROM PermissionSetAssignment WHERE AssigneeId = ";

async fn two_users() -> Client {
    let mut config = config();
    config.logins.push(Login::new(SECOND, "p", "t"));
    let mut client = Client::new(config).await;
    client.log_in(SECOND, "pt").await;
    client
}

fn user_id(client: &Client, username: &str) -> String {
    let users = client.control.users();
    users
        .into_iter()
        .find(|user| user.username == username)
        .unwrap()
        .user_id
}

async fn assignments(client: &Client, username: &str) -> Answer {
    client
        .query(&format!("{OF_USER}'{}' ORDER BY Id", user_id(client, username)))
        .await
        .ok()
}

async fn view_all(client: &Client, username: &str, object: &str) -> Vec<String> {
    let soql = format!(
        "SELECT PermissionsViewAllRecords FROM ObjectPermissions WHERE SobjectType = '{object}' AND ParentId IN (SELECT \
         PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{}') ORDER BY Id",
        user_id(client, username)
    );
    client.query(&soql).await.ok().texts("sf:PermissionsViewAllRecords")
}

#[tokio::test]
async fn a_user_has_a_profile_with_its_own_permission_set() {
    let client = two_users().await;
    let answer = assignments(&client, SECOND).await;
    assert_eq!(answer.texts("sf:PermissionsViewAllData"), ["true"]);
    assert_eq!(answer.texts("sf:PermissionsModifyAllData"), ["false"]);
    let set = answer.text("sf:PermissionSetId").unwrap();
    let profile = client
        .query(&format!(
            "SELECT ProfileId, Profile.Name, IsOwnedByProfile FROM PermissionSet WHERE Id = '{set}'"
        ))
        .await
        .ok();
    assert_eq!(profile.text("sf:IsOwnedByProfile").unwrap(), "true");
    assert_eq!(profile.text("sf:Name").unwrap(), format!("Profile of {SECOND}"));
    let user = user_id(&client, SECOND);
    let of_user = client
        .query(&format!("SELECT ProfileId, Profile.Name FROM User WHERE Id = '{user}'"))
        .await
        .ok();
    assert_eq!(of_user.text("sf:ProfileId"), profile.text("sf:ProfileId"));
    let administrator = assignments(&client, USER).await;
    assert_eq!(administrator.texts("sf:PermissionsModifyAllData"), ["true"]);
    assert_eq!(view_all(&client, SECOND, "Contact").await, ["true"]);
    assert_eq!(
        view_all(&client, SECOND, "User").await,
        [""; 0],
        "users have no object permissions"
    );
}

#[tokio::test]
async fn view_all_data_is_withdrawn_and_given_back() {
    let client = two_users().await;
    let set = |granted| UserChange {
        view_all_data: Some(granted),
        ..UserChange::default()
    };
    client.control.change_user(SECOND, set(false)).unwrap();
    let answer = assignments(&client, SECOND).await;
    assert_eq!(answer.texts("sf:PermissionsViewAllData"), ["false"]);
    assert_eq!(view_all(&client, SECOND, "Contact").await, ["false"]);
    let everything = "SELECT count() FROM Contact";
    let seen = |answer: Answer| answer.ok().text("size").unwrap();
    assert_ne!(seen(client.query(everything).await), "1000");
    client.control.change_settings(|settings| settings.public_read = true);
    assert_eq!(seen(client.query(everything).await), "1000", "public to be read");
    let hidden = client.control.id("Contact", 0).unwrap();
    client.control.hide(SECOND, "Contact", &hidden).unwrap();
    assert_eq!(seen(client.query(everything).await), "999", "but for what is hidden");
    client.control.change_user(SECOND, set(true)).unwrap();
    assert_eq!(
        assignments(&client, SECOND).await.texts("sf:PermissionsViewAllData"),
        ["true"]
    );
    assert_eq!(view_all(&client, SECOND, "Contact").await, ["true"]);
    assert_eq!(seen(client.query(everything).await), "1000");
}

#[tokio::test]
async fn view_all_of_one_object_shows_its_rows_and_no_others() {
    let client = two_users().await;
    let withdrawn = UserChange {
        view_all_data: Some(false),
        ..UserChange::default()
    };
    client.control.change_user(SECOND, withdrawn).unwrap();
    client.control.grant_view_all(SECOND, "contact").unwrap();
    assert_eq!(view_all(&client, SECOND, "Contact").await, ["false", "true"]);
    assert_eq!(view_all(&client, SECOND, "Account").await, ["false"]);
    let count = async |object: &str| {
        let soql = format!("SELECT count() FROM {object}");
        client.query(&soql).await.ok().text("size").unwrap()
    };
    assert_eq!(count("Contact").await, "1000");
    assert_ne!(count("Account").await, "200");
    let sets = assignments(&client, SECOND).await;
    assert_eq!(sets.texts("sf:PermissionsViewAllData"), ["false", "false"]);
    client.control.withdraw_view_all(SECOND, "Contact").unwrap();
    assert_eq!(view_all(&client, SECOND, "Contact").await, ["false"]);
    assert_ne!(count("Contact").await, "1000");
    assert!(client.control.grant_view_all(SECOND, "User").is_err());
    assert!(client.control.grant_view_all("nobody", "Contact").is_err());
}

#[tokio::test]
async fn setup_is_not_there_for_users_who_may_not_read_it() {
    let client = two_users().await;
    let set = |granted| UserChange {
        view_setup: Some(granted),
        ..UserChange::default()
    };
    client.control.change_user(SECOND, set(false)).unwrap();
    for object in [
        "PermissionSetAssignment",
        "PermissionSet",
        "ObjectPermissions",
        "Profile",
    ] {
        let answer = client.query(&format!("SELECT Id FROM {object}")).await;
        assert_eq!(answer.code(), "INVALID_TYPE", "{object}");
    }
    let answer = client.query("SELECT Profile.Name FROM User").await;
    assert_eq!(answer.code(), "INVALID_FIELD");
    let states = client.control.users();
    assert_eq!((states[0].view_setup, states[1].view_setup), (true, false));
    client.control.change_user(SECOND, set(true)).unwrap();
    assignments(&client, SECOND).await;
}

#[tokio::test]
async fn permissions_follow_objects_that_come_go_and_are_renamed() {
    let client = two_users().await;
    let device = simulator::schema::Object::new("Device__c", "a07", "Device", "Devices");
    client.control.add_object(device).unwrap();
    assert_eq!(view_all(&client, SECOND, "Device__c").await, ["true"]);
    client.control.grant_view_all(SECOND, "Device__c").unwrap();
    client.control.rename_object("Device__c", "Unit__c").unwrap();
    assert_eq!(view_all(&client, SECOND, "Device__c").await, [""; 0]);
    assert_eq!(view_all(&client, SECOND, "Unit__c").await, ["true", "true"]);
    assert_eq!(client.control.users()[1].view_all, ["Unit__c"]);
    client.control.remove_object("Unit__c").unwrap();
    assert_eq!(view_all(&client, SECOND, "Unit__c").await, [""; 0]);
}

#[tokio::test]
async fn a_user_added_later_has_a_profile_too() {
    let client = two_users().await;
    let login = Login {
        view_all_data: false,
        ..Login::new("third@example.com", "p", "t")
    };
    client.control.add_user(login).unwrap();
    let answer = assignments(&client, "third@example.com").await;
    assert_eq!(answer.texts("sf:PermissionsViewAllData"), ["false"]);
}
