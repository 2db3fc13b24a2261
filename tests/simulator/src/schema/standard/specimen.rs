//! `Specimen__c`: a custom object with a field of every type, for tests of types.
//!
//! Some of these types Salesforce gives to no custom field (int, long, base64, anyType, combobox, json, complexvalue): they
//! stand for the standard and system objects that have them (Attachment, `AccountHistory`, `FlexQueueItem`, ..), so that one
//! object exercises every branch of a client. `Base64__c` makes a query return one record a batch.

use super::{area, custom_object_fields, int as whole, location_components, picklist, text};
use crate::data::{AddressPart, Content};
use crate::schema::{Field, FieldType, Object};

pub(super) fn specimen() -> Object {
    let location = Field::new("Location__c", FieldType::Location);
    let components = location_components(&location);
    Object::new("Specimen__c", "a00", "Specimen", "Specimens")
        .with(custom_object_fields())
        .with(texts())
        .with(numbers())
        .with([
            Field::new("Checkbox__c", FieldType::Boolean).content(Content::TrueOnceIn(2)),
            Field::new("Date__c", FieldType::Date),
            Field::new("DateTime__c", FieldType::DateTime),
            Field::new("Time__c", FieldType::Time),
            Field::new("Account__c", FieldType::Reference)
                .pointing_to(&["Account"], Some("Account__r"))
                .content(Content::Parent)
                .cascading(),
            Field::new("Contact__c", FieldType::Reference)
                .pointing_to(&["Contact"], Some("Contact__r"))
                .content(Content::Parent),
            Field::new("Base64__c", FieldType::Base64),
            Field::new("AnyType__c", FieldType::AnyType).read_only(),
            Field::new("Json__c", FieldType::Json),
            Field::new("ComplexValue__c", FieldType::ComplexValue),
            location,
        ])
        .with(components)
        .with(custom_address())
        .with([
            text("Account_Name__c", 1300)
                .formula("Account__r.Name")
                .content(Content::ParentValue {
                    reference: "Account__c",
                    field: "Name",
                }),
            Field::new("Double_Formula__c", FieldType::Double)
                .number(18, 4)
                .formula("Double__c * 2"),
            Field::new("Flag_Formula__c", FieldType::Boolean)
                .formula("NOT(Checkbox__c)")
                .content(Content::TrueOnceIn(2)),
        ])
}

fn texts() -> Vec<Field> {
    let mut auto = text("AutoNumber__c", 30).read_only().content(Content::AutoNumber("S-"));
    auto.auto_number = true;
    auto.nillable = false;
    let mut unicode = text("CaseSensitive__c", 60)
        .external_id(true)
        .content(Content::AutoNumber("Key-"));
    unicode.case_sensitive = true;
    let mut rich = area("RichText__c", 32_768)
        .extra("richtextarea")
        .content(Content::ByType);
    rich.html_formatted = true;
    vec![
        text("Text__c", 255),
        text("Text20__c", 20),
        unicode,
        auto,
        area("TextArea__c", 255),
        area("LongText__c", 131_072),
        rich,
        picklist("Picklist__c", &["Red", "Green", "Blue", "Grün & Gelb", "O'Brien <x>"]).restricted(),
        Field::new("MultiPicklist__c", FieldType::MultiPicklist)
            .values(&["Alpha", "Beta", "Gamma", "Delta", "Größe"])
            .content(Content::OneOfValues),
        Field::new("Combobox__c", FieldType::Combobox)
            .values(&["Call", "Email"])
            .content(Content::OneOfValues),
        Field::new("Phone__c", FieldType::Phone).content(Content::Phone(0)),
        Field::new("Url__c", FieldType::Url).content(Content::Website),
        Field::new("Email__c", FieldType::Email).content(Content::EmailOf),
        Field::new("Encrypted__c", FieldType::EncryptedString),
        Field::new("Category__c", FieldType::DataCategoryGroupReference).length(80),
    ]
}

fn numbers() -> Vec<Field> {
    let mut high_scale = Field::new("HighScale__c", FieldType::Double).number(18, 2);
    high_scale.high_scale_number = true;
    vec![
        whole("Int__c", 10),
        Field::new("Long__c", FieldType::Long),
        Field::new("Double__c", FieldType::Double).number(18, 4),
        Field::new("Whole__c", FieldType::Double).number(18, 0),
        high_scale,
        Field::new("Currency__c", FieldType::Currency).number(16, 2),
        Field::new("Percent__c", FieldType::Percent).number(18, 2),
    ]
}

/// A custom address, whose components end in `__s`.
fn custom_address() -> Vec<Field> {
    let part = |name: &str, field_type, part| {
        Field::new(&format!("Address__{name}__s"), field_type)
            .component_of("Address__c")
            .content(Content::Address(3, part))
    };
    let mut fields = vec![
        part("Street", FieldType::TextArea, AddressPart::Street),
        part("City", FieldType::String, AddressPart::City).length(40),
        part("PostalCode", FieldType::String, AddressPart::PostalCode).length(20),
        part("StateCode", FieldType::Picklist, AddressPart::StateCode).length(10),
        part("CountryCode", FieldType::Picklist, AddressPart::CountryCode).length(10),
        part("Latitude", FieldType::Double, AddressPart::Latitude).number(18, 15),
        part("Longitude", FieldType::Double, AddressPart::Longitude).number(18, 15),
        part("GeocodeAccuracy", FieldType::Picklist, AddressPart::GeocodeAccuracy).length(40),
    ];
    fields.push(Field::new("Address__c", FieldType::Address));
    fields
}
