//! describeGlobal and describeSObjects (salesforce-api.md 4), field-level security, changes of the schema.

use simulator::{
    Login,
    data::Content,
    schema::{Field, FieldType, Object},
};

use crate::wire::Client;

const SECOND: &str = "second@example.com";

fn describe(objects: &[&str]) -> String {
    let types = objects
        .iter()
        .map(|object| format!("<urn:sObjectType>{object}</urn:sObjectType>"))
        .collect::<Vec<_>>()
        .concat();
    format!("<urn:describeSObjects>{types}</urn:describeSObjects>")
}

/// The members of the first element of this kind, in order, without those inside them.
fn members(body: &str, element: &str) -> Vec<String> {
    let inner = body
        .split(&format!("<{element}>"))
        .nth(1)
        .expect("there")
        .split(&format!("</{element}>"))
        .next()
        .unwrap();
    let (mut names, mut depth) = (Vec::new(), 0);
    for part in inner.split('<').skip(1) {
        if part.starts_with('/') {
            depth -= 1;
            continue;
        }
        if depth == 0 {
            names.push(part.split(['>', ' ', '/']).next().unwrap().to_owned());
        }
        if !part.contains("/>") {
            depth += 1;
        }
    }
    names.dedup();
    names
}

/// The markup of one field.
fn field(body: &str, name: &str) -> Option<String> {
    let fields = body
        .split("<fields>")
        .skip(1)
        .map(|field| field.split("</fields>").next().unwrap());
    fields
        .filter(|field| field.contains(&format!("<name>{name}</name>")))
        .map(str::to_owned)
        .next()
}

#[tokio::test]
async fn describe_global_lists_objects_with_the_members_of_the_wsdl() {
    let client = Client::ready().await;
    let answer = client.call("<urn:describeGlobal/>").await.ok();
    assert!(answer.body.contains("xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""));
    assert!(answer.body.contains(
        "<describeGlobalResponse><result><encoding>UTF-8</encoding><maxBatchSize>200</maxBatchSize><sobjects>"
    ));
    assert_eq!(
        members(&answer.body, "sobjects").join(" "),
        "activateable associateEntityType associateParentEntity createable custom customSetting \
         deepCloneable deletable deprecatedAndHidden feedEnabled hasSubtypes idEnabled isInterface \
         isSubtype keyPrefix label labelPlural layoutable mergeable mruEnabled name queryable \
         replicateable retrieveable searchable triggerable undeletable updateable"
    );
    let names = answer.texts("name");
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    for object in [
        "Account",
        "Case",
        "Contact",
        "Lead",
        "Opportunity",
        "Task",
        "User",
        "Specimen__c",
    ] {
        assert!(names.iter().any(|name| name == object), "{object}");
    }
}

#[tokio::test]
async fn describe_sobjects_has_the_members_of_the_wsdl() {
    let client = Client::ready().await;
    let answer = client.call(&describe(&["contact", "Specimen__c"])).await.ok();
    assert_eq!(answer.body.matches("<result>").count(), 2);
    assert_eq!(
        members(&answer.body, "result").join(" "),
        "activateable associateEntityType associateParentEntity childRelationships compactLayoutable \
         createable custom customSetting deepCloneable defaultImplementation deletable \
         deprecatedAndHidden feedEnabled fields hasSubtypes idEnabled implementedBy implementsInterfaces \
         isInterface isSubtype keyPrefix label labelPlural layoutable mergeable mruEnabled name \
         networkScopeFieldName queryable recordTypeInfos replicateable retrieveable searchLayoutable \
         searchable supportedScopes triggerable undeletable updateable urlDetail urlEdit urlNew"
    );
    assert_eq!(
        answer.text("urlDetail").unwrap(),
        format!("http://{}/{{ID}}", client.address())
    );
    let id = field(&answer.body, "Id").unwrap();
    assert_eq!(
        members(&format!("<fields>{id}</fields>"), "fields").join(" "),
        "aggregatable aiPredictionField autoNumber byteLength calculated caseSensitive createable custom \
         defaultedOnCreate deprecatedAndHidden digits filterable groupable idLookup label length name \
         nameField nillable permissionable polymorphicForeignKey precision queryByDistance \
         restrictedPicklist scale searchPrefilterable soapType sortable type unique updateable",
        "what may be absent is absent"
    );
    assert!(
        id.contains("<length>18</length>")
            && id.contains("<soapType>tns:ID</soapType>")
            && id.contains("<type>id</type>")
    );
    let street = field(&answer.body, "MailingStreet").unwrap();
    assert!(street.contains("<compoundFieldName>MailingAddress</compoundFieldName>"));
    let account = field(&answer.body, "AccountId").unwrap();
    assert!(account.contains("<referenceTo>Account</referenceTo><relationshipName>Account</relationshipName>"));
    let types: std::collections::BTreeSet<String> = answer.texts("type").into_iter().collect();
    for kind in FieldType::ALL {
        assert!(
            types.contains(kind.as_str()),
            "Specimen__c has a field of type {}",
            kind.as_str()
        );
    }
    assert!(
        answer
            .body
            .contains("<defaultValue xsi:type=\"xsd:boolean\">false</defaultValue>")
    );
    assert!(
        answer.body.contains("<highScaleNumber>true</highScaleNumber>") || !answer.body.contains("highScaleNumber")
    );
}

#[tokio::test]
async fn a_wrong_type_or_too_many_are_faults() {
    let client = Client::ready().await;
    let answer = client.call(&describe(&["Contact", "Nothing__c"])).await;
    assert_eq!(answer.code(), "INVALID_TYPE");
    assert!(
        answer
            .body
            .contains("<sf:InvalidSObjectFault xsi:type=\"sf:InvalidSObjectFault\">")
    );
    assert!(answer.body.contains("<sf:row>-1</sf:row><sf:column>-1</sf:column>"));
    assert_eq!(
        client.call(&describe(&["Contact"; 101])).await.code(),
        "EXCEEDED_MAX_TYPES_LIMIT"
    );
    let answer = client.call(&describe(&["Contact"; 100])).await.ok();
    assert_eq!(answer.body.matches("<result>").count(), 100);
    let one = "<urn:describeSObject><urn:sObjectType>User</urn:sObjectType></urn:describeSObject>";
    assert!(
        client
            .call(one)
            .await
            .ok()
            .body
            .contains("<describeSObjectResponse><result>")
    );
}

#[tokio::test]
async fn labels_come_in_the_language_asked_for() {
    let mut client = Client::ready().await;
    client.soap_headers = "<urn:LocaleOptions><urn:language>de</urn:language></urn:LocaleOptions>".to_owned();
    client
        .control
        .translate("de", "Contact", Some("Email"), "E-Mail-Adresse")
        .unwrap();
    let answer = client.call(&describe(&["Contact"])).await.ok();
    assert!(answer.body.contains("<label>Kontakt</label>"));
    assert!(
        field(&answer.body, "Email")
            .unwrap()
            .contains("<label>E-Mail-Adresse</label>")
    );
    assert!(
        field(&answer.body, "LastName")
            .unwrap()
            .contains("<label>Nachname</label>")
    );
    client.soap_headers = "<urn:LocaleOptions><urn:language>xx</urn:language></urn:LocaleOptions>".to_owned();
    assert_eq!(
        client.call(&describe(&["Contact"])).await.code(),
        "INVALID_LOCALE_LANGUAGE"
    );
    client.soap_headers.clear();
    assert!(
        client
            .call(&describe(&["Contact"]))
            .await
            .ok()
            .body
            .contains("<label>Contact</label>")
    );
}

#[tokio::test]
async fn withdrawn_fields_and_objects_are_not_there_for_that_user_only() {
    let mut client = Client::ready().await;
    client.control.add_user(Login::new(SECOND, "p", "t")).unwrap();
    client.control.withdraw(SECOND, "Contact", Some("Phone")).unwrap();
    client.control.withdraw(SECOND, "Lead", None).unwrap();
    let admin = client.session.clone();
    assert!(field(&client.call(&describe(&["Contact"])).await.ok().body, "Phone").is_some());
    client.log_in(SECOND, "pt").await;
    assert!(field(&client.call(&describe(&["Contact"])).await.ok().body, "Phone").is_none());
    assert_eq!(client.query("SELECT Phone FROM Contact").await.code(), "INVALID_FIELD");
    assert_eq!(client.call(&describe(&["Lead"])).await.code(), "INVALID_TYPE");
    assert_eq!(client.query("SELECT Id FROM Lead").await.code(), "INVALID_TYPE");
    let names = client.call("<urn:describeGlobal/>").await.ok().texts("name");
    assert!(!names.iter().any(|name| name == "Lead"));
    client.control.grant(SECOND, "Contact", Some("Phone")).unwrap();
    client.query("SELECT Phone FROM Contact").await.ok();
    client.session = admin;
    client.query("SELECT Id FROM Lead").await.ok();
    assert!(
        client.control.withdraw(SECOND, "Contact", Some("Id")).is_err(),
        "system fields are always visible"
    );
}

#[tokio::test]
async fn fields_can_be_added_converted_renamed_and_removed_without_a_stamp() {
    let client = Client::ready().await;
    let id = client.control.id("Contact", 0).unwrap();
    let stamp = || client.control.row("Contact", &id).unwrap().unwrap().fields["SystemModstamp"].clone();
    let before = stamp();
    let level = Field::new("Tier__c", FieldType::String)
        .length(20)
        .content(Content::Null);
    client.control.add_field("Contact", level).unwrap();
    let value = |name: &'static str| {
        let soql = format!("SELECT {name} FROM Contact WHERE Id = '{id}'");
        let client = &client;
        async move { client.query(&soql).await.ok().text(&format!("sf:{name}")) }
    };
    assert_eq!(value("Tier__c").await, None);
    client
        .control
        .update_with("Contact", &id, &[("Tier__c", "17")], simulator::Stamps::Neither)
        .unwrap();
    assert_eq!(value("Tier__c").await.as_deref(), Some("17"));
    let open = client.control.begin();
    open.update("Contact", &id, &[("Tier__c", "18")]).unwrap();
    let refused = [
        client.control.rename_field("Contact", "Tier__c", "Grade__c"),
        client.control.convert_field("Contact", "Tier__c", FieldType::Double),
        client.control.remove_field("Contact", "Tier__c"),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code, "UNABLE_TO_LOCK_ROW");
    }
    open.roll_back().unwrap();
    client.control.rename_field("Contact", "Tier__c", "Grade__c").unwrap();
    assert_eq!(value("Grade__c").await.as_deref(), Some("17"));
    assert_eq!(
        client.query("SELECT Tier__c FROM Contact").await.code(),
        "INVALID_FIELD"
    );
    client
        .control
        .convert_field("Contact", "Grade__c", FieldType::Double)
        .unwrap();
    assert_eq!(value("Grade__c").await.as_deref(), Some("17"), "what fits stays");
    client
        .control
        .convert_field("Contact", "Grade__c", FieldType::Date)
        .unwrap();
    let described = client.call(&describe(&["Contact"])).await.ok().body;
    assert!(field(&described, "Grade__c").unwrap().contains("<type>date</type>"));
    let row = client.control.row("Contact", &id).unwrap().unwrap();
    assert_eq!(row.fields["Grade__c"], None, "17 is no date");
    client.control.remove_field("Contact", "Grade__c").unwrap();
    assert!(field(&client.call(&describe(&["Contact"])).await.ok().body, "Grade__c").is_none());
    assert_eq!(stamp(), before);
    assert!(
        client.control.remove_field("Contact", "Phone").is_err(),
        "a standard field stays"
    );
}

#[tokio::test]
async fn a_renamed_field_keeps_the_generated_values() {
    let client = Client::ready().await;
    client
        .control
        .add_field("Contact", Field::new("Code__c", FieldType::String).length(30))
        .unwrap();
    let values = |field: &'static str| -> Vec<Option<String>> {
        client
            .control
            .rows_of("Contact", &[field])
            .unwrap()
            .map(|row| row.fields[field].clone())
            .collect()
    };
    let before = values("Code__c");
    assert!(before.iter().any(Option::is_some));
    client.control.rename_field("Contact", "Code__c", "Mark__c").unwrap();
    assert_eq!(values("Mark__c"), before);
}

#[tokio::test]
async fn objects_can_be_added_closed_and_removed() {
    let client = Client::ready().await;
    let prefix = client.control.schema().free_custom_prefix();
    client
        .control
        .add_object(Object::new("Device__c", &prefix, "Device", "Devices"))
        .unwrap();
    let id = client.control.create("Device__c", &[("Name", "Telephone")]).unwrap();
    assert!(id.starts_with(&prefix));
    let answer = client.query("SELECT Id, Name FROM Device__c").await.ok();
    assert_eq!(answer.text("sf:Name").as_deref(), Some("Telephone"));
    client
        .control
        .change_object("Device__c", |object| object.queryable = false)
        .unwrap();
    let answer = client.query("SELECT Id FROM Device__c").await;
    assert_eq!(
        answer.text("faultstring").unwrap(),
        "INVALID_TYPE_FOR_OPERATION: entity type Device__c does not support query"
    );
    client.control.remove_object("Device__c").unwrap();
    assert_eq!(client.query("SELECT Id FROM Device__c").await.code(), "INVALID_TYPE");
}
