use super::*;
use crate::schema::{PersonAccounts, Schema};
use crate::soql::parse;

fn checked_in(schema: &Schema, user: &str, text: &str) -> Result<Checked, QueryError> {
    check(text, &parse(text).unwrap(), &schema.view(user))
}

fn checked(text: &str) -> Result<Checked, QueryError> {
    checked_in(&Schema::standard(PersonAccounts::Disabled), "u", text)
}

fn error(text: &str) -> (String, String) {
    let error = checked(text).expect_err(text);
    (
        error.code().to_owned(),
        error.message().lines().last().unwrap().to_owned(),
    )
}

#[test]
fn an_unknown_field_is_answered_as_recorded() {
    let error = checked("SELECT Naem FROM Account").unwrap_err();
    assert_eq!(
        error.to_string(),
        "INVALID_FIELD: \nSELECT Naem FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Naem' on entity 'Account'. \
         If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please \
         reference your WSDL or the describe call for the appropriate names."
    );
}

#[test]
fn an_unknown_object_is_answered_as_recorded() {
    let error = checked("SELECT Id FROM Contact123").unwrap_err();
    assert_eq!((error.code(), error.position()), ("INVALID_TYPE", Some((1, 16))));
    assert!(error.message().ends_with(
        "sObject type 'Contact123' is not supported. If you are attempting to use a custom object, be sure to append the \
         '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
    ));
    assert_eq!(error.fault_element(), "InvalidSObjectFault");
}

#[test]
fn names_come_in_describes_case() {
    let query = checked("select ID, account.OWNER.name, CONTACT.phone, (select id from CASES) from contact").unwrap();
    let names: Vec<String> = query
        .columns
        .iter()
        .map(|column| match column {
            Column::Field(path) => path.to_string(),
            Column::Children(children) => {
                format!("{}:{}.{}", children.relationship, children.query.object, children.field)
            }
        })
        .collect();
    assert_eq!(names, ["Id", "Account.Owner.Name", "Phone", "Cases:Case.ContactId"]);
    assert_eq!(query.object, "Contact");
    let Column::Field(path) = &query.columns[1] else {
        panic!()
    };
    assert_eq!(path.hops[0].reference, "AccountId");
    assert_eq!(path.hops[1].targets, ["User"]);
}

#[test]
fn a_field_is_selected_once() {
    let duplicate = checked("SELECT Id, Name, iD FROM Contact").unwrap_err();
    assert_eq!(duplicate.to_string(), "INVALID_FIELD: duplicate field selected: Id");
    assert!(checked("SELECT Id, Account.Id, MailingAddress, MailingStreet FROM Contact").is_ok());
    assert!(checked("SELECT c.Id, Id FROM Contact c").is_err());
}

#[test]
fn paths_lead_through_relationships() {
    let (code, reason) = error("SELECT Acount.Name FROM Contact");
    assert_eq!(code, "INVALID_FIELD");
    assert!(
        reason.starts_with("Didn't understand relationship 'Acount' in field path."),
        "{reason}"
    );
    assert!(
        error("SELECT Account.Nope FROM Contact")
            .1
            .starts_with("No such column 'Nope' on entity 'Account'.")
    );
    // Campaign does not exist in this org.
    assert_eq!(error("SELECT Campaign.Name FROM Opportunity").0, "INVALID_FIELD");
    assert!(checked("SELECT Account__r.Name, Contact__r.Account.Name FROM Specimen__c").is_ok());
    assert!(checked("SELECT Owner.Name, Who.Phone FROM Task").is_ok());
    assert!(error("SELECT Who.MailingCity FROM Task").1.contains("on entity 'Name'"));
    let deep = |levels: usize| format!("SELECT {}Name FROM Account", "Parent.".repeat(levels));
    assert!(checked(&deep(5)).is_ok());
    assert_eq!(error(&deep(6)).0, "INVALID_FIELD");
    assert_eq!(
        error("SELECT Id, (SELECT Id FROM Contact) FROM Account").0,
        "INVALID_TYPE"
    );
}

#[test]
fn fields_are_filtered_and_sorted_only_where_describe_says_so() {
    assert_eq!(
        error("SELECT Id FROM Contact WHERE Description = 'x'"),
        (
            "INVALID_FIELD".to_owned(),
            "field 'Description' can not be filtered in a query call".to_owned()
        )
    );
    assert_eq!(
        error("SELECT Id FROM Specimen__c WHERE Encrypted__c = 'x'").0,
        "INVALID_FIELD"
    );
    assert_eq!(
        error("SELECT Id FROM Specimen__c WHERE AnyType__c = 'x'").0,
        "INVALID_FIELD"
    );
    assert_eq!(
        error("SELECT Id FROM Account WHERE BillingAddress = 'x'").1,
        "Address fields can only be filtered using Distance expressions"
    );
    assert_eq!(
        error("SELECT Id FROM Contact ORDER BY Description"),
        (
            "MALFORMED_QUERY".to_owned(),
            "field 'Description' can not be sorted in a query call".to_owned()
        )
    );
    assert_eq!(
        error("SELECT Id FROM Specimen__c ORDER BY MultiPicklist__c").0,
        "MALFORMED_QUERY"
    );
}

#[test]
fn literals_have_the_type_of_their_field() {
    let stamp = checked("SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'").unwrap_err();
    assert_eq!((stamp.code(), stamp.position()), ("INVALID_FIELD", Some((1, 47))));
    assert!(stamp.message().ends_with(
        "value of filter criterion for field 'SystemModstamp' must be of type dateTime and should not be enclosed in quotes"
    ));
    for (condition, expected) in [
        ("CreatedDate > 2026-01-01", "dateTime and should not"),
        ("Birthdate = 2026-01-01T00:00:00Z", "date and should not"),
        ("LastName = 5", "string and should be"),
        ("LastName = true", "string and should be"),
        ("IsDeleted = 'false'", "boolean and should not"),
        ("MailingLatitude = '1'", "double and should not"),
        ("Id = 5", "ID and should be"),
        ("Id IN ('003000000000000', 5)", "ID and should be"),
        ("LastName = TODAY", "string and should be"),
    ] {
        let (code, reason) = error(&format!("SELECT Id FROM Contact WHERE {condition}"));
        assert_eq!(code, "INVALID_FIELD", "{condition}");
        assert!(
            reason.contains(&format!("must be of type {expected}")),
            "{condition}: {reason}"
        );
    }
    for good in [
        "LastName = null",
        "LastName = ''",
        "Birthdate = TODAY",
        "SystemModstamp >= LAST_N_DAYS:3",
        "IsDeleted = null",
        "MailingLatitude < 1e3",
        "AccountId = ''",
        "Id > '000000000000000'",
    ] {
        assert!(
            checked(&format!("SELECT Id FROM Contact WHERE {good}")).is_ok(),
            "{good}"
        );
    }
}

#[test]
fn operators_fit_their_field() {
    for (condition, reason) in [
        ("Id = 'abc'", "invalid ID field: abc"),
        ("Id LIKE '003%'", "invalid operator on id field"),
        ("IsDeleted > false", "invalid operator on boolean field"),
        ("Birthdate LIKE '2026%'", "invalid operator on date field"),
        (
            "LastName INCLUDES ('x')",
            "includes/excludes operators only valid on multi-picklist field",
        ),
    ] {
        assert_eq!(
            error(&format!("SELECT Id FROM Contact WHERE {condition}")),
            ("INVALID_QUERY_FILTER_OPERATOR".to_owned(), reason.to_owned())
        );
    }
    assert!(checked("SELECT Id FROM Specimen__c WHERE MultiPicklist__c INCLUDES ('Alpha;Beta', 'Gamma')").is_ok());
}

#[test]
fn semi_joins_compare_ids() {
    assert!(checked("SELECT Id FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Name LIKE 'a%')").is_ok());
    assert!(checked("SELECT Id FROM Contact WHERE Id NOT IN (SELECT ContactId FROM Case)").is_ok());
    assert_eq!(
        error("SELECT Id FROM Contact WHERE LastName IN (SELECT Id FROM Account)").0,
        "MALFORMED_QUERY"
    );
    assert_eq!(
        error("SELECT Id FROM Contact WHERE AccountId IN (SELECT Name FROM Account)").0,
        "MALFORMED_QUERY"
    );
    assert_eq!(
        error("SELECT Id FROM Contact WHERE AccountId IN (SELECT Id FROM Nope)").0,
        "INVALID_TYPE"
    );
}

#[test]
fn what_is_withdrawn_from_a_user_does_not_exist_for_them() {
    let mut schema = Schema::standard(PersonAccounts::Disabled);
    schema.withdraw("u", "contact", Some("phone")).unwrap();
    schema.withdraw("u", "Lead", None).unwrap();
    assert_eq!(
        checked_in(&schema, "u", "SELECT Phone FROM Contact")
            .unwrap_err()
            .code(),
        "INVALID_FIELD"
    );
    assert_eq!(
        checked_in(&schema, "u", "SELECT Id FROM Contact WHERE Phone = null")
            .unwrap_err()
            .code(),
        "INVALID_FIELD"
    );
    assert_eq!(
        checked_in(&schema, "u", "SELECT Id FROM Lead").unwrap_err().code(),
        "INVALID_TYPE"
    );
    assert!(checked_in(&schema, "other", "SELECT Phone FROM Contact").is_ok());
    schema.grant("U", "Contact", Some("Phone")).unwrap();
    assert!(checked_in(&schema, "u", "SELECT Phone FROM Contact").is_ok());
}

#[test]
fn an_object_that_cannot_be_queried_is_refused() {
    let mut schema = Schema::standard(PersonAccounts::Disabled);
    schema.object_mut("Task").unwrap().queryable = false;
    let error = checked_in(&schema, "u", "SELECT Id FROM Task").unwrap_err();
    assert_eq!(
        error.to_string(),
        "INVALID_TYPE_FOR_OPERATION: entity type Task does not support query"
    );
}
