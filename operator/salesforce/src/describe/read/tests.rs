use super::*;
use crate::{error::Call, test_server::envelope};

fn place() -> Place {
    Place {
        call: Call::DescribeSObjects,
        object: None,
        host: "acme.example".into(),
    }
}

#[test]
fn describe_global_is_read() {
    let body = envelope(
        "<describeGlobalResponse><result><encoding>UTF-8</encoding><maxBatchSize>200</maxBatchSize>\
         <sobjects><activateable>false</activateable><associateEntityType xsi:nil=\"true\"/><custom>false</custom>\
         <customSetting>false</customSetting><deprecatedAndHidden>false</deprecatedAndHidden>\
         <keyPrefix>003</keyPrefix><label>Contact &amp; more</label><labelPlural>Contacts</labelPlural>\
         <name>Contact</name><queryable>true</queryable><replicateable>true</replicateable>\
         <retrieveable>true</retrieveable></sobjects>\
         <sobjects><custom>true</custom><customSetting>true</customSetting>\
         <deprecatedAndHidden>true</deprecatedAndHidden><keyPrefix xsi:nil=\"true\"/><label>Setting</label>\
         <name>Setting__c</name><queryable>false</queryable><somethingNew><x>1</x></somethingNew></sobjects>\
         </result></describeGlobalResponse>",
    );
    let place = Place {
        call: Call::DescribeGlobal,
        ..place()
    };
    let objects = read_global(&body, &place).unwrap();
    assert_eq!(objects.len(), 2);
    assert_eq!(
        objects[0],
        ObjectSummary {
            name: "Contact".to_owned(),
            label: "Contact & more".to_owned(),
            key_prefix: Some("003".to_owned()),
            custom: false,
            custom_setting: false,
            queryable: true,
            replicateable: true,
            retrieveable: true,
            deprecated_and_hidden: false,
        }
    );
    assert_eq!(
        objects[1],
        ObjectSummary {
            name: "Setting__c".to_owned(),
            label: "Setting".to_owned(),
            key_prefix: None,
            custom: true,
            custom_setting: true,
            queryable: false,
            replicateable: false,
            retrieveable: false,
            deprecated_and_hidden: true,
        }
    );
}

const CONTACT: &str = "<result><actionOverrides><name>New</name><pageId xsi:nil=\"true\"/></actionOverrides>\
    <childRelationships><cascadeDelete>true</cascadeDelete><childSObject>Case</childSObject><field>ContactId</field>\
    </childRelationships><custom>false</custom><deprecatedAndHidden>false</deprecatedAndHidden>\
    <fields><aggregatable>true</aggregatable><byteLength>54</byteLength><calculated>false</calculated>\
    <custom>false</custom><digits>0</digits><filterable>true</filterable><label>Account ID</label><length>18</length>\
    <name>AccountId</name><nameField>false</nameField><picklistValues><label>inner</label><value>x</value>\
    </picklistValues><polymorphicForeignKey>false</polymorphicForeignKey><precision>0</precision>\
    <referenceTo>Account</referenceTo><relationshipName>Account</relationshipName><scale>0</scale>\
    <soapType>tns:ID</soapType><sortable>true</sortable><type>reference</type></fields>\
    <fields><byteLength>0</byteLength><calculated>true</calculated><compoundFieldName>MailingAddress</compoundFieldName>\
    <custom>true</custom><deprecatedAndHidden>true</deprecatedAndHidden><digits>9</digits>\
    <filterable>false</filterable><highScaleNumber>true</highScaleNumber><label>L</label><length>0</length>\
    <name>Weight__c</name><nameField>true</nameField><polymorphicForeignKey>true</polymorphicForeignKey>\
    <precision>18</precision><referenceTo>User</referenceTo><referenceTo>Group</referenceTo>\
    <relationshipName xsi:nil=\"true\"/><scale>8</scale><type>hologram</type></fields>\
    <keyPrefix>003</keyPrefix><label>Contact</label><name>Contact</name>\
    <namedLayoutInfos><name>Layout</name></namedLayoutInfos><queryable>true</queryable>\
    <recordTypeInfos><name>Master</name></recordTypeInfos><replicateable>true</replicateable>\
    <retrieveable>true</retrieveable><supportedScopes><label>All</label><name>everything</name></supportedScopes></result>";

#[test]
fn objects_and_their_fields_are_read() {
    let body = envelope(&format!(
        "<describeSObjectsResponse>{CONTACT}</describeSObjectsResponse>"
    ));
    let objects = read_objects(&body, &place()).unwrap();
    assert_eq!(objects.len(), 1);
    // Names of inner lists are not the object's.
    assert_eq!(
        (objects[0].summary.name.as_str(), objects[0].summary.label.as_str()),
        ("Contact", "Contact")
    );
    assert!(objects[0].summary.queryable && objects[0].summary.replicateable && objects[0].summary.retrieveable);
    assert_eq!(
        objects[0].field("accountid"),
        Some(&FieldDescribe {
            name: "AccountId".to_owned(),
            label: "Account ID".to_owned(),
            field_type: FieldType::Reference,
            length: 18,
            byte_length: 54,
            filterable: true,
            sortable: true,
            relationship_name: Some("Account".to_owned()),
            reference_to: vec!["Account".to_owned()],
            ..FieldDescribe::default()
        })
    );
    assert_eq!(
        objects[0].fields[1],
        FieldDescribe {
            name: "Weight__c".to_owned(),
            label: "L".to_owned(),
            field_type: FieldType::Unknown("hologram".to_owned()),
            digits: 9,
            precision: 18,
            scale: 8,
            high_scale_number: true,
            calculated: true,
            name_field: true,
            custom: true,
            deprecated_and_hidden: true,
            compound_field_name: Some("MailingAddress".to_owned()),
            reference_to: vec!["User".to_owned(), "Group".to_owned()],
            polymorphic_foreign_key: true,
            ..FieldDescribe::default()
        }
    );
}

#[test]
fn a_describe_that_is_cut_anywhere_or_lacks_a_name_is_an_error() {
    let body = envelope(&format!(
        "<describeSObjectsResponse>{CONTACT}</describeSObjectsResponse>"
    ));
    for (end, _) in body.char_indices() {
        assert!(
            read_objects(body.get(..end).unwrap(), &place()).is_err(),
            "cut at {end}"
        );
    }
    for from in ["<name>Contact</name>", "<name>AccountId</name>"] {
        assert!(
            read_objects(&body.replace(from, ""), &place()).is_err(),
            "without {from}"
        );
    }
    assert!(read_objects(&body.replace("<length>18<", "<length>x<"), &place()).is_err());
}

#[test]
fn all_types_of_the_wsdl_are_known() {
    let types = "string picklist multipicklist combobox reference base64 boolean currency textarea int double percent \
                 phone id date datetime time url email encryptedstring datacategorygroupreference location address \
                 anyType json complexvalue long";
    let mut count = 0;
    for name in types.split_whitespace() {
        assert!(!matches!(FieldType::from_wire(name), FieldType::Unknown(_)), "{name}");
        count += 1;
    }
    assert_eq!(count, 27);
    assert_eq!(FieldType::from_wire("urn:address"), FieldType::Address);
}
