//! create, update, delete, undelete, merge, emptyRecycleBin over SOAP, and what the org refuses to write.

use crate::wire::Client;

#[tokio::test]
async fn records_are_created_updated_deleted_and_undeleted() {
    let client = Client::ready().await;
    let answer = client
        .call(
            "<urn:create xmlns:ns1=\"sobject.partner.soap.sforce.com\"><ns1:sObjects><type>Contact</type>\
             <LastName>Müller &amp; Co</LastName><Phone>1</Phone></ns1:sObjects><ns1:sObjects><type>Contact</type>\
             <Nix>1</Nix></ns1:sObjects></urn:create>",
        )
        .await
        .ok();
    let id = answer.text("id").unwrap();
    assert!(
        answer.body.contains(&format!(
            "<createResponse><result><id>{id}</id><success>true</success></result><result><errors><message>No such \
             column &apos;Nix&apos; on sobject of type Contact</message><statusCode>INVALID_FIELD</statusCode></errors>\
             <id xsi:nil=\"true\"/><success>false</success></result></createResponse>"
        )),
        "{}",
        answer.body
    );
    let update = format!(
        "<urn:update><urn:sObjects><type>Contact</type><fieldsToNull>Phone</fieldsToNull><Id>{id}</Id>\
         <FirstName>Ann</FirstName></urn:sObjects></urn:update>"
    );
    assert_eq!(client.call(&update).await.ok().text("success").unwrap(), "true");
    let row = client.control.row("Contact", &id).unwrap().unwrap();
    assert_eq!(
        (row.fields["Phone"].as_deref(), row.fields["Name"].as_deref()),
        (None, Some("Ann Müller & Co"))
    );
    for (call, deleted) in [("delete", true), ("undelete", false), ("delete", true)] {
        let answer = client
            .call(&format!("<urn:{call}><urn:ids>{id}</urn:ids></urn:{call}>"))
            .await
            .ok();
        assert!(answer.body.contains(&format!(
            "<{call}Response><result><id>{id}</id><success>true</success></result>"
        )));
        assert_eq!(client.control.row("Contact", &id).unwrap().unwrap().deleted, deleted);
    }
    let empty = format!("<urn:emptyRecycleBin><urn:ids>{id}</urn:ids></urn:emptyRecycleBin>");
    assert_eq!(client.call(&empty).await.ok().text("success").unwrap(), "true");
    assert_eq!(client.call(&empty).await.ok().text("success").unwrap(), "false");
    let answer = client
        .call(&format!("<urn:undelete><urn:ids>{id}</urn:ids></urn:undelete>"))
        .await
        .ok();
    assert_eq!(answer.text("statusCode").unwrap(), "UNDELETE_FAILED");
    let many = (0..201)
        .map(|_| format!("<urn:ids>{id}</urn:ids>"))
        .collect::<Vec<_>>()
        .concat();
    assert_eq!(
        client.call(&format!("<urn:delete>{many}</urn:delete>")).await.code(),
        "EXCEEDED_ID_LIMIT"
    );
}

#[tokio::test]
async fn records_are_merged() {
    let client = Client::ready().await;
    let (master, loser) = (
        client.control.id("Contact", 1).unwrap(),
        client.control.id("Contact", 2).unwrap(),
    );
    let answer = client
        .call(&format!(
            "<urn:merge><urn:mergeRequests><urn:masterRecord><type>Contact</type><Id>{master}</Id></urn:masterRecord>\
             <urn:recordToMergeIds>{loser}</urn:recordToMergeIds></urn:mergeRequests></urn:merge>"
        ))
        .await
        .ok();
    assert!(answer.body.contains(&format!(
        "<mergeResponse><result><id>{master}</id><mergedRecordIds>{loser}</mergedRecordIds><success>true</success>\
         </result></mergeResponse>"
    )));
    assert!(client.control.row("Contact", &loser).unwrap().unwrap().deleted);
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_and_nothing_is_written() {
    let client = Client::ready().await;
    let code = |values: &[(&str, &str)]| client.control.create("Contact", values).unwrap_err().code;
    assert_eq!(code(&[("Nothing", "x")]), "INVALID_FIELD");
    assert_eq!(code(&[("Id", "x")]), "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert_eq!(code(&[("Birthdate", "1.2.2000")]), "INVALID_TYPE_ON_FIELD_IN_RECORD");
    assert_eq!(code(&[("LastName", &"x".repeat(81))]), "STRING_TOO_LONG");
    assert_eq!(code(&[("AccountId", "nobody")]), "MALFORMED_ID");
    assert_eq!(client.control.create("Nothing", &[]).unwrap_err().code, "INVALID_TYPE");
    assert_eq!(
        client
            .query("SELECT count() FROM Contact")
            .await
            .ok()
            .text("size")
            .unwrap(),
        "1000"
    );
    let transaction = client.control.begin();
    let id = transaction.create("Contact", &[("LastName", "Kept")]).unwrap();
    assert!(
        transaction
            .update("Contact", &id, &[("LastName", "Lost"), ("Nothing", "x")])
            .is_err()
    );
    transaction.commit().unwrap();
    let row = client.control.row("Contact", &id).unwrap().unwrap();
    assert_eq!(row.fields["LastName"].as_deref(), Some("Kept"));
}

#[tokio::test]
async fn new_rows_have_audit_fields_and_defaults() {
    let client = Client::ready().await;
    let id = client.control.create("Contact", &[("LastName", "New")]).unwrap();
    let row = client.control.row("Contact", &id).unwrap().unwrap();
    let admin = client.control.users()[0].user_id.clone();
    for field in ["OwnerId", "CreatedById", "LastModifiedById"] {
        assert_eq!(row.fields[field].as_deref(), Some(admin.as_str()), "{field}");
    }
    for field in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
        assert_eq!(
            row.fields[field].as_deref(),
            Some("2026-11-10T10:00:30.000Z"),
            "{field}"
        );
    }
    assert_eq!(
        (row.fields["IsDeleted"].as_deref(), row.fields["Phone"].as_deref()),
        (Some("false"), None)
    );
    let schema = client.control.schema();
    for field in &schema.object("Contact").unwrap().fields {
        if field.field_type == simulator::schema::FieldType::Boolean {
            assert!(row.fields[&field.name].is_some(), "{} is never null", field.name);
        }
    }
    assert_eq!(
        client.control.rows("Contact").unwrap().last().map(|row| row.id),
        Some(id),
        "its Id sorts last"
    );
}
