use std::collections::BTreeSet;

use super::*;
use crate::data::Content;

fn standard() -> Schema {
    Schema::standard(PersonAccounts::Disabled)
}

#[test]
fn a_specimen_has_a_field_of_every_type() {
    let schema = standard();
    let specimen = schema.object("specimen__C").unwrap();
    let types: BTreeSet<FieldType> = specimen.fields.iter().map(|field| field.field_type).collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>().len(), FieldType::ALL.len());
    assert!(specimen.custom && specimen.key_prefix.as_deref() == Some("a00"));
    assert!(specimen.field("HighScale__c").unwrap().high_scale_number);
    let parts: Vec<&str> = specimen
        .components("Location__c")
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(parts, ["Location__Latitude__s", "Location__Longitude__s"]);
}

#[test]
fn standard_fields_have_salesforces_lengths() {
    // directory.md section 5.
    let schema = standard();
    for (path, length) in [
        ("Contact.Salutation", 40),
        ("Contact.FirstName", 40),
        ("Contact.LastName", 80),
        ("Contact.Name", 121),
        ("Contact.Title", 128),
        ("Contact.Department", 80),
        ("Contact.Phone", 40),
        ("Contact.AssistantName", 40),
        ("Contact.Email", 80),
        ("Contact.MailingStreet", 255),
        ("Contact.MailingCity", 40),
        ("Contact.MailingState", 80),
        ("Contact.MailingPostalCode", 20),
        ("Contact.MailingCountry", 80),
        ("Contact.MailingCountryCode", 10),
        ("Contact.Description", 32_000),
        ("Contact.PhotoUrl", 255),
        ("Account.Name", 255),
        ("Account.AccountNumber", 40),
        ("Account.Site", 80),
        ("Account.Website", 255),
        ("Lead.Company", 255),
        ("Lead.Rating", 255),
        ("Lead.Street", 255),
        ("User.Username", 80),
        ("User.Alias", 8),
        ("User.Email", 128),
        ("User.Extension", 40),
        ("User.EmployeeNumber", 20),
        ("User.FullPhotoUrl", 1024),
        ("Contact.Id", 18),
        ("Contact.AccountId", 18),
    ] {
        let (object, field) = path.split_once('.').unwrap();
        let field = schema
            .object(object)
            .unwrap()
            .field(field)
            .unwrap_or_else(|| panic!("{path}"));
        assert_eq!(field.length, length, "{path}");
    }
    for object in schema.objects() {
        let names: BTreeSet<String> = object.fields.iter().map(|field| field.name.to_lowercase()).collect();
        assert_eq!(names.len(), object.fields.len(), "{} has a field twice", object.name);
        assert_eq!(
            object.fields.iter().filter(|field| field.name_field).count(),
            usize::from(!matches!(
                object.name.as_str(),
                "PermissionSetAssignment" | "ObjectPermissions" | "ContactShare"
            )),
            "{}",
            object.name
        );
        if SETUP_OBJECTS.contains(&object.name.as_str()) || matches!(object.name.as_str(), "Group" | "Name") {
            assert!(object.field("IsDeleted").is_none(), "{}", object.name);
            continue;
        }
        if object.name == "ContactShare" {
            assert!(object.field("SystemModstamp").is_none() && object.field("IsDeleted").is_some());
            continue;
        }
        for name in [
            "Id",
            "CreatedDate",
            "LastModifiedDate",
            "SystemModstamp",
            "OwnerId",
            "IsDeleted",
        ] {
            assert_eq!(
                object.field(name).is_some(),
                object.name != "User" || !matches!(name, "OwnerId" | "IsDeleted")
            );
        }
    }
}

#[test]
fn describe_says_what_may_be_filtered() {
    let schema = standard();
    let contact = schema.object("Contact").unwrap();
    for (name, filterable, sortable) in [
        ("Id", true, true),
        ("Description", false, false),
        ("SystemModstamp", true, true),
        ("MailingStreet", true, true),
    ] {
        let field = contact.field(name).unwrap();
        assert_eq!((field.filterable, field.sortable), (filterable, sortable), "{name}");
    }
    let calculated = contact.field("Company_Phone__c").unwrap();
    assert!(calculated.calculated && !calculated.createable && !calculated.updateable);
    assert_eq!(
        contact.field("FirstName").unwrap().compound_field_name.as_deref(),
        Some("Name")
    );
    assert_eq!(
        contact.field("MailingCity").unwrap().compound_field_name.as_deref(),
        Some("MailingAddress")
    );
    assert_eq!(
        contact.field("MailingAddress").unwrap().field_type.soap_type(),
        "urn:address"
    );
    let who = schema.object("Task").unwrap().field("WhoId").unwrap();
    assert!(who.polymorphic_foreign_key && who.reference_to == ["Contact", "Lead"]);
}

#[test]
fn children_follow_from_references() {
    let schema = standard();
    let children = schema.child_relationships("Account");
    let contacts = children
        .iter()
        .find(|child| child.child_object == "Contact" && child.field == "AccountId")
        .unwrap();
    assert!(contacts.cascade_delete && contacts.relationship_name.as_deref() == Some("Contacts"));
    let accounts = children.iter().find(|child| child.field == "ParentId").unwrap();
    assert!(!accounts.cascade_delete && accounts.relationship_name.as_deref() == Some("ChildAccounts"));
    let specimens = children
        .iter()
        .find(|child| child.child_object == "Specimen__c")
        .unwrap();
    assert!(specimens.cascade_delete && specimens.relationship_name.as_deref() == Some("Specimens__r"));
}

#[test]
fn person_accounts_are_a_switch() {
    assert!(standard().object("Account").unwrap().field("PersonEmail").is_none());
    let schema = Schema::standard(PersonAccounts::Enabled);
    assert!(
        schema
            .object("Account")
            .unwrap()
            .field("PersonMailingAddress")
            .is_some()
    );
    assert!(schema.object("Contact").unwrap().field("IsPersonAccount").is_some());
}

#[test]
fn custom_fields_come_and_go() {
    let mut schema = standard();
    schema
        .add_field(
            "contact",
            Field::new("Extra__c", FieldType::String).content(Content::Null),
        )
        .unwrap();
    assert_eq!(
        schema.object("Contact").unwrap().field("extra__C").unwrap().label,
        "Extra"
    );
    let again = schema.add_field("Contact", Field::new("EXTRA__c", FieldType::Date));
    assert!(matches!(again, Err(SchemaError::Exists(_))));
    schema
        .convert_field("Contact", "Extra__c", FieldType::TextArea)
        .unwrap();
    assert!(schema.object("Contact").unwrap().has("Extra__c", FieldType::TextArea));
    schema.field_mut("Contact", "Extra__c").unwrap().label = "Renamed".to_owned();
    schema.remove_field("Contact", "Extra__c").unwrap();
    assert!(schema.object("Contact").unwrap().field("Extra__c").is_none());
    assert!(matches!(
        schema.remove_field("Contact", "Phone"),
        Err(SchemaError::Refused(_))
    ));
    assert!(matches!(
        schema.convert_field("Contact", "Phone", FieldType::Date),
        Err(SchemaError::Refused(_))
    ));
    assert!(matches!(
        schema.remove_field("Contact", "Nope"),
        Err(SchemaError::NoField { .. })
    ));

    schema
        .add_field("Contact", Field::new("Place__c", FieldType::Location))
        .unwrap();
    assert!(schema.object("Contact").unwrap().field("Place__Longitude__s").is_some());
    assert!(matches!(
        schema.remove_field("Contact", "Place__Latitude__s"),
        Err(SchemaError::Refused(_))
    ));
    schema.remove_field("Contact", "Place__c").unwrap();
    assert!(schema.object("Contact").unwrap().field("Place__Longitude__s").is_none());
}

#[test]
fn custom_objects_come_and_go() {
    let mut schema = standard();
    let prefix = schema.free_custom_prefix();
    assert_eq!(prefix, "a01");
    schema
        .add_object(Object::new("Thing__c", &prefix, "Thing", "Things"))
        .unwrap();
    schema
        .add_field(
            "Contact",
            Field::new("Thing__c", FieldType::Reference).pointing_to(&["Thing__c"], Some("Thing__r")),
        )
        .unwrap();
    assert!(schema.object("Thing__c").unwrap().field("SystemModstamp").is_some());
    assert_eq!(schema.object_by_prefix("a01").unwrap().name, "Thing__c");
    let names: Vec<&str> = schema.objects().iter().map(|object| object.name.as_str()).collect();
    assert!(names.is_sorted());
    schema.remove_object("thing__c").unwrap();
    assert!(schema.object("Thing__c").is_none() && schema.object("Contact").unwrap().field("Thing__c").is_none());
    assert!(schema.object("User").is_some());
    assert!(matches!(schema.remove_object("Lead"), Err(SchemaError::Refused(_))));
}

#[test]
fn permissions_are_those_of_one_user() {
    let mut schema = standard();
    let object = |schema: &Schema| schema.object("Contact").unwrap().clone();
    let visible = |schema: &Schema, user: &str, name: &str| {
        let contact = object(schema);
        schema.view(user).field(&contact, name).is_some()
    };
    schema.withdraw("A@x", "Contact", Some("PHONE")).unwrap();
    assert!(!visible(&schema, "a@X", "Phone") && visible(&schema, "b@x", "Phone"));
    assert!(matches!(
        schema.withdraw("a@x", "Contact", Some("Id")),
        Err(SchemaError::Refused(_))
    ));
    assert!(matches!(
        schema.withdraw("a@x", "Contact", Some("LastName")),
        Err(SchemaError::Refused(_))
    ));
    let parts: Vec<String> = object(&schema)
        .components("MailingAddress")
        .map(|field| field.name.clone())
        .collect();
    for part in parts {
        schema.withdraw("a@x", "Contact", Some(&part)).unwrap();
    }
    assert!(!visible(&schema, "a@x", "MailingAddress") && visible(&schema, "a@x", "OtherAddress"));
    schema.withdraw("a@x", "Contact", Some("OtherAddress")).unwrap();
    assert!(!visible(&schema, "a@x", "OtherAddress") && visible(&schema, "a@x", "OtherCity"));
    schema.withdraw("a@x", "Account", None).unwrap();
    assert!(schema.view("a@x").object("Account").is_none() && schema.whole().object("Account").is_some());
    assert!(!schema.view("a@x").objects().any(|object| object.name == "Account"));
    schema.grant("a@x", "Account", None).unwrap();
    assert!(schema.view("a@x").object("Account").is_some());
}

#[test]
fn names_of_types_come_back() {
    for kind in FieldType::ALL {
        assert_eq!(FieldType::from_name(kind.as_str()), Some(kind));
    }
    assert_eq!(FieldType::from_name("DateTime"), Some(FieldType::DateTime));
    assert_eq!(FieldType::from_name("nothing"), None);
}
