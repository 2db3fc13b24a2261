//! query, queryAll, retrieve: records on the wire (salesforce-api.md 5).

use simulator::{
    data::Content,
    schema::{Field, FieldType},
};

use crate::wire::Client;

#[tokio::test]
async fn a_last_page_has_the_recorded_shape() {
    let client = Client::ready().await;
    let id = client
        .control
        .create(
            "Contact",
            &[
                ("FirstName", "Geoff"),
                ("LastName", "Minor & Söhne"),
                ("Email", "g@example.com"),
            ],
        )
        .unwrap();
    let answer = client
        .query(&format!(
            "select id, firstname, LASTNAME, MobilePhone, LastModifiedDate from contact where Id = '{id}'"
        ))
        .await
        .ok();
    assert_eq!(
        answer.body,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:sf=\"urn:sobject.partner.soap.sforce.com\">\
             <soapenv:Header><LimitInfoHeader><limitInfo><current>1</current><limit>100000</limit>\
             <type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header><soapenv:Body><queryResponse>\
             <result xsi:type=\"QueryResult\"><done>true</done><queryLocator xsi:nil=\"true\"/>\
             <records xsi:type=\"sf:sObject\"><sf:type>Contact</sf:type><sf:Id>{id}</sf:Id><sf:Id>{id}</sf:Id>\
             <sf:FirstName>Geoff</sf:FirstName><sf:LastName>Minor &amp; Söhne</sf:LastName>\
             <sf:MobilePhone xsi:nil=\"true\"/><sf:LastModifiedDate>2026-11-10T10:00:30.000Z</sf:LastModifiedDate>\
             </records><size>1</size></result></queryResponse></soapenv:Body></soapenv:Envelope>"
        )
    );
}

#[tokio::test]
async fn an_id_that_was_not_selected_is_nil_and_one_that_was_stands_at_its_place() {
    let client = Client::ready().await;
    let answer = client.query("SELECT LastName FROM Contact LIMIT 1").await.ok();
    assert!(
        answer
            .body
            .contains("<sf:type>Contact</sf:type><sf:Id xsi:nil=\"true\"/><sf:LastName>")
    );
    let answer = client.query("SELECT LastName, Id FROM Contact LIMIT 1").await.ok();
    let id = answer.text("sf:Id").unwrap();
    assert!(
        answer
            .body
            .contains(&format!("</sf:LastName><sf:Id>{id}</sf:Id></records>"))
    );
    assert_eq!(answer.texts("sf:Id").len(), 2);
}

#[tokio::test]
async fn parents_are_nested_and_null_parents_are_nil() {
    let client = Client::ready().await;
    let account = client.control.create("Account", &[("Name", "ACME")]).unwrap();
    let child = client
        .control
        .create("Contact", &[("LastName", "A"), ("AccountId", &account)])
        .unwrap();
    let orphan = client.control.create("Contact", &[("LastName", "B")]).unwrap();
    let soql = format!(
        "SELECT Account.Name, LastName, Account.Id, Account.Owner.Username, Account.Parent.Name FROM Contact WHERE Id IN ('{child}', '{orphan}') ORDER BY LastName"
    );
    let answer = client.query(&soql).await.ok();
    assert!(
        answer.body.contains(&format!(
            "<sf:Id xsi:nil=\"true\"/><sf:Account xsi:type=\"sf:sObject\"><sf:type>Account</sf:type>\
             <sf:Id>{account}</sf:Id><sf:Name>ACME</sf:Name><sf:Id>{account}</sf:Id>\
             <sf:Owner xsi:type=\"sf:sObject\"><sf:type>User</sf:type><sf:Id xsi:nil=\"true\"/>\
             <sf:Username>admin@example.com</sf:Username></sf:Owner><sf:Parent xsi:nil=\"true\"/></sf:Account>\
             <sf:LastName>A</sf:LastName></records>"
        )),
        "{}",
        answer.body
    );
    assert!(answer.body.contains(
        "<sf:type>Contact</sf:type><sf:Id xsi:nil=\"true\"/><sf:Account xsi:nil=\"true\"/><sf:LastName>B</sf:LastName>"
    ));
}

#[tokio::test]
async fn a_polymorphic_parent_has_the_type_name() {
    let client = Client::ready().await;
    let answer = client.query("SELECT Owner.Name FROM Lead LIMIT 1").await.ok();
    assert!(
        answer
            .body
            .contains("<sf:Owner xsi:type=\"sf:sObject\"><sf:type>Name</sf:type><sf:Id xsi:nil=\"true\"/><sf:Name>")
    );
}

#[tokio::test]
async fn children_are_a_nested_result_and_none_are_nil() {
    let client = Client::ready().await;
    let parent = client.control.create("Account", &[("Name", "Parent")]).unwrap();
    let first = client
        .control
        .create("Contact", &[("LastName", "Zorn"), ("AccountId", &parent)])
        .unwrap();
    client
        .control
        .create("Contact", &[("LastName", "Adam"), ("AccountId", &parent)])
        .unwrap();
    let soql = format!(
        "SELECT Id, (SELECT LastName, Id FROM Contacts WHERE LastName > 'B'), (SELECT Id FROM Opportunities) FROM Account WHERE Id = '{parent}'"
    );
    let answer = client.query(&soql).await.ok();
    assert!(
        answer.body.contains(&format!(
            "<sf:Contacts xsi:type=\"QueryResult\"><done>true</done><queryLocator xsi:nil=\"true\"/>\
             <records xsi:type=\"sf:sObject\"><sf:type>Contact</sf:type><sf:Id>{first}</sf:Id>\
             <sf:LastName>Zorn</sf:LastName><sf:Id>{first}</sf:Id></records><size>1</size></sf:Contacts>\
             <sf:Opportunities xsi:nil=\"true\"/></records>"
        )),
        "{}",
        answer.body
    );
    let generated = client.control.id("Account", 7).unwrap();
    let soql = format!("SELECT Id, (SELECT AccountId FROM Contacts) FROM Account WHERE Id = '{generated}'");
    let answer = client.query(&soql).await.ok();
    let parents = answer.texts("sf:AccountId");
    assert!(parents.len() >= 3, "about one of 200 of 1 000: {}", answer.body);
    assert!(parents.iter().all(|parent| *parent == generated));
}

#[tokio::test]
async fn compound_values_have_their_members_in_the_default_namespace() {
    let client = Client::ready().await;
    let id = client
        .control
        .create(
            "Account",
            &[
                ("Name", "A"),
                ("BillingCity", "keysborough"),
                ("BillingCountry", "Australia"),
                ("BillingStreet", "364cambriard"),
                ("BillingLatitude", "-37.98953058101774"),
            ],
        )
        .unwrap();
    let answer = client
        .query(&format!(
            "SELECT BillingAddress, ShippingAddress FROM Account WHERE Id = '{id}'"
        ))
        .await
        .ok();
    assert!(
        answer.body.contains(
            "<sf:BillingAddress xsi:type=\"address\"><latitude>-37.98953058101774</latitude>\
             <longitude xsi:nil=\"true\"/><city>keysborough</city><country>Australia</country>\
             <countryCode xsi:nil=\"true\"/><geocodeAccuracy xsi:nil=\"true\"/><postalCode xsi:nil=\"true\"/>\
             <state xsi:nil=\"true\"/><stateCode xsi:nil=\"true\"/><street>364cambriard</street></sf:BillingAddress>\
             <sf:ShippingAddress xsi:nil=\"true\"/>"
        ),
        "{}",
        answer.body
    );
    client
        .control
        .add_field(
            "Contact",
            Field::new("Spot__c", FieldType::Location).content(Content::Null),
        )
        .unwrap();
    let id = client
        .control
        .create(
            "Contact",
            &[
                ("LastName", "L"),
                ("Spot__latitude__s", "1.5"),
                ("Spot__longitude__s", "-2.25"),
            ],
        )
        .unwrap();
    let answer = client
        .query(&format!("SELECT Spot__c FROM Contact WHERE Id = '{id}'"))
        .await
        .ok();
    assert!(answer.body.contains(
        "<sf:Spot__c xsi:type=\"location\"><latitude>1.5</latitude><longitude>-2.25</longitude></sf:Spot__c>"
    ));
}

#[tokio::test]
async fn any_type_values_carry_their_type() {
    let client = Client::ready().await;
    let field = client
        .control
        .schema()
        .object("Specimen__c")
        .unwrap()
        .fields
        .iter()
        .find(|field| field.field_type == FieldType::AnyType)
        .unwrap()
        .name
        .clone();
    let answer = client.query(&format!("SELECT {field} FROM Specimen__c")).await.ok();
    assert!(answer.body.contains("xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""));
    assert!(
        answer.body.contains(&format!("<sf:{field} xsi:type=\"xsd:")),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn control_characters_are_stripped() {
    let client = Client::ready().await;
    let id = client
        .control
        .create("Contact", &[("LastName", "A\u{0}B\u{b}C\tD\nE\u{1f}")])
        .unwrap();
    let answer = client
        .query(&format!("SELECT LastName FROM Contact WHERE Id = '{id}'"))
        .await
        .ok();
    assert_eq!(answer.text("sf:LastName").unwrap(), "ABC\tD\nE");
    let row = client.control.row("Contact", &id).unwrap().unwrap();
    assert_eq!(
        row.fields["LastName"].as_deref(),
        Some("ABC\tD\nE"),
        "rows are told as the API sends them"
    );
}

#[tokio::test]
async fn count_has_a_size_and_no_records() {
    let client = Client::ready().await;
    let answer = client.query("SELECT count() FROM Contact").await.ok();
    assert!(answer.body.contains(
        "<result xsi:type=\"QueryResult\"><done>true</done><queryLocator xsi:nil=\"true\"/><size>1000</size></result>"
    ));
}

#[tokio::test]
async fn refused_queries_show_the_place() {
    let client = Client::ready().await;
    let answer = client.query("SELECT Naem FROM Account").await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.text("faultstring").unwrap(),
        "INVALID_FIELD: \nSELECT Naem FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Naem' on entity \
         'Account'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field \
         name. Please reference your WSDL or the describe call for the appropriate names."
    );
    assert!(answer.body.contains("<faultcode>sf:INVALID_FIELD</faultcode>"));
    assert!(
        answer
            .body
            .contains("<sf:InvalidFieldFault xsi:type=\"sf:InvalidFieldFault\">")
    );
    assert!(
        answer
            .body
            .contains("<sf:row>1</sf:row><sf:column>8</sf:column></sf:InvalidFieldFault>")
    );
    let answer = client.query("SELECT Id FROM Contact123").await;
    assert_eq!(answer.code(), "INVALID_TYPE");
    assert!(answer.body.contains("<sf:InvalidSObjectFault "));
    let answer = client.query("SELECT Id, Id FROM Contact").await;
    assert_eq!(
        answer.text("sf:exceptionMessage").unwrap().trim(),
        "duplicate field selected: Id"
    );
    let answer = client.query("SELEC Id").await;
    assert_eq!(answer.code(), "MALFORMED_QUERY");
    assert!(answer.body.contains("<sf:MalformedQueryFault "));
    assert_eq!(client.call("<urn:query/>").await.code(), "MISSING_ARGUMENT");
}

#[tokio::test]
async fn retrieve_answers_in_the_order_of_the_ids_with_nil_for_what_is_not_there() {
    let client = Client::ready().await;
    let (first, second, third) = (
        client.control.id("Contact", 3).unwrap(),
        client.control.id("Contact", 1).unwrap(),
        client.control.id("Contact", 9_999).unwrap(),
    );
    let retrieve = |fields: &str, ids: &[&str]| {
        let ids = ids
            .iter()
            .map(|id| format!("<urn:ids>{id}</urn:ids>"))
            .collect::<Vec<_>>()
            .concat();
        format!(
            "<urn:retrieve><urn:fieldList>{fields}</urn:fieldList><urn:sObjectType>Contact</urn:sObjectType>{ids}</urn:retrieve>"
        )
    };
    let answer = client
        .call(&retrieve("Id, lastname", &[&first, &third, &second[..15]]))
        .await
        .ok();
    let results: Vec<&str> = answer.body.split("<result ").skip(1).collect();
    assert_eq!(results.len(), 3);
    assert!(results[0].starts_with(&format!(
        "xsi:type=\"sf:sObject\"><sf:type>Contact</sf:type><sf:Id>{first}</sf:Id><sf:Id>{first}</sf:Id><sf:LastName>"
    )));
    assert!(results[1].starts_with("xsi:nil=\"true\"/>"));
    assert!(results[2].contains(&second));
    client.control.delete("Contact", &first).unwrap();
    assert!(
        client
            .call(&retrieve("Id", &[&first]))
            .await
            .ok()
            .body
            .contains("<result xsi:nil=\"true\"/>")
    );
    assert_eq!(client.call(&retrieve("Id,Id", &[&first])).await.code(), "INVALID_FIELD");
    assert_eq!(client.call(&retrieve("Nix", &[&first])).await.code(), "INVALID_FIELD");
    let answer = client.call(&retrieve("Id", &["no id"])).await;
    assert_eq!(answer.code(), "MALFORMED_ID");
    assert!(answer.body.contains("<sf:InvalidIdFault "));
    let many = vec![second.as_str(); 2_001];
    assert_eq!(client.call(&retrieve("Id", &many)).await.code(), "EXCEEDED_ID_LIMIT");
    assert_eq!(
        client
            .call(&retrieve("Id", &many[..2_000]))
            .await
            .ok()
            .body
            .matches("<result ")
            .count(),
        2_000
    );
}

#[tokio::test]
async fn archived_tasks_are_in_query_all_only() {
    let client = Client::ready().await;
    let task = client.control.id("Task", 4).unwrap();
    let live = |answer: &crate::wire::Answer| answer.text("size").unwrap().parse::<u32>().unwrap();
    let before = live(&client.query("SELECT Id FROM Task").await.ok());
    let all = live(&client.query_all("SELECT Id FROM Task").await.ok());
    let row = client.control.row("Task", &task).unwrap().unwrap();
    let archived = if row.fields["IsArchived"].as_deref() == Some("true") {
        "false"
    } else {
        "true"
    };
    client
        .control
        .update("Task", &task, &[("IsArchived", archived)])
        .unwrap();
    let after = live(&client.query("SELECT Id FROM Task").await.ok());
    assert_eq!(after.abs_diff(before), 1);
    assert_eq!(live(&client.query_all("SELECT Id FROM Task").await.ok()), all);
}

#[tokio::test]
async fn semi_joins_orders_limits_and_offsets_work_over_changed_rows() {
    let client = Client::ready().await;
    let account = client.control.create("Account", &[("Name", "Join GmbH")]).unwrap();
    let ids: Vec<String> = ["Berta", "anton", "Cäsar"]
        .iter()
        .map(|name| {
            client
                .control
                .create("Contact", &[("LastName", name), ("AccountId", &account)])
                .unwrap()
        })
        .collect();
    let soql = "SELECT LastName FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Name = 'join gmbh')";
    let names = |answer: crate::wire::Answer| answer.ok().texts("sf:LastName");
    assert_eq!(
        names(client.query(&format!("{soql} ORDER BY LastName")).await),
        ["anton", "Berta", "Cäsar"]
    );
    assert_eq!(
        names(
            client
                .query(&format!("{soql} ORDER BY LastName DESC LIMIT 1 OFFSET 1"))
                .await
        ),
        ["Berta"]
    );
    assert_eq!(
        names(client.query(&format!("{soql} ORDER BY Id DESC LIMIT 2")).await),
        ["Cäsar", "anton"]
    );
    let keyset = format!(
        "SELECT LastName FROM Contact WHERE Id > '{}' ORDER BY Id LIMIT 10",
        ids[0]
    );
    assert_eq!(names(client.query(&keyset).await), ["anton", "Cäsar"]);
}
