//! An org to plan against: the standard objects as describe tells them, and one object with a field of every type.

#![expect(clippy::needless_pass_by_value, reason = "json!(..) is written where it is passed")]

use crds::SalesforceReplicatorSpec;
use salesforce::describe::{FieldDescribe, FieldType, ObjectDescribe, ObjectSummary};
use url::Url;

use super::{Identifier, Input, Plan, Schema, make};
use crate::{Problems, destination::Capabilities};

pub(super) const POSTGRES: Capabilities = Capabilities {
    name: "PostgreSQL",
    max_identifier_bytes: 63,
    max_columns: 1600,
    exact_digits: None,
    segment_rows: 2000,
};

pub(super) fn summary(name: &str) -> ObjectSummary {
    ObjectSummary {
        name: name.to_owned(),
        label: name.trim_end_matches("__c").replace('_', " "),
        key_prefix: None,
        custom: name.ends_with("__c"),
        custom_setting: false,
        queryable: true,
        replicateable: true,
        retrieveable: true,
        deprecated_and_hidden: false,
    }
}

pub(super) fn field(name: &str, field_type: FieldType, length: u32) -> FieldDescribe {
    FieldDescribe {
        name: name.to_owned(),
        label: name.trim_end_matches("__c").replace('_', " "),
        // Long texts cannot stand in WHERE.
        filterable: field_type == FieldType::MultiPicklist || field_type != FieldType::Base64 && length < 4000,
        field_type,
        length,
        custom: name.ends_with("__c"),
        ..FieldDescribe::default()
    }
}

fn text(name: &str, length: u32) -> FieldDescribe {
    field(name, FieldType::String, length)
}

fn labelled(label: &str, field: FieldDescribe) -> FieldDescribe {
    FieldDescribe {
        label: label.to_owned(),
        ..field
    }
}

pub(super) fn reference(name: &str, relationship: &str, to: &[&str]) -> FieldDescribe {
    FieldDescribe {
        relationship_name: Some(relationship.to_owned()),
        reference_to: to.iter().map(|&object| object.to_owned()).collect(),
        polymorphic_foreign_key: to.len() > 1,
        ..field(name, FieldType::Reference, 18)
    }
}

fn number(name: &str, field_type: FieldType, precision: u32, scale: u32) -> FieldDescribe {
    FieldDescribe {
        precision,
        scale,
        ..field(name, field_type, 0)
    }
}

pub(super) fn object(name: &str, fields: Vec<FieldDescribe>) -> ObjectDescribe {
    let mut all = vec![
        field("Id", FieldType::Id, 18),
        field("IsDeleted", FieldType::Boolean, 0),
    ];
    all.extend(fields);
    all.push(field("SystemModstamp", FieldType::DateTime, 0));
    ObjectDescribe {
        summary: summary(name),
        fields: all,
    }
}

fn phones(names: &[&str]) -> Vec<FieldDescribe> {
    names.iter().map(|name| field(name, FieldType::Phone, 40)).collect()
}

fn address(prefix: &str) -> Vec<FieldDescribe> {
    let name = |part: &str| format!("{prefix}{part}");
    vec![
        field(&name("Street"), FieldType::TextArea, 255),
        text(&name("City"), 40),
        text(&name("State"), 80),
        text(&name("PostalCode"), 20),
        text(&name("Country"), 80),
        field(&name("Address"), FieldType::Address, 0),
    ]
}

fn contact() -> ObjectDescribe {
    let mut fields = vec![
        reference("AccountId", "Account", &["Account"]),
        text("LastName", 80),
        text("FirstName", 40),
        field("Salutation", FieldType::Picklist, 40),
        text("Name", 121),
    ];
    fields.extend(address("Mailing"));
    fields.extend(phones(&[
        "Phone",
        "Fax",
        "MobilePhone",
        "HomePhone",
        "OtherPhone",
        "AssistantPhone",
    ]));
    fields.extend([
        reference("ReportsToId", "ReportsTo", &["Contact"]),
        field("Email", FieldType::Email, 80),
        text("Title", 128),
        text("Department", 80),
        labelled("Date of Birth", field("Birthdate", FieldType::Date, 0)),
        reference("OwnerId", "Owner", &["User"]),
        field("DoNotCall", FieldType::Boolean, 0),
        labelled("Sales Region", field("Region__c", FieldType::Picklist, 255)),
        labelled("Level", field("Level_A__c", FieldType::String, 20)),
        labelled("Level", field("Level_B__c", FieldType::String, 20)),
        FieldDescribe {
            calculated: true,
            ..number("Score__c", FieldType::Double, 18, 2)
        },
        reference("Partner__c", "Partner__r", &["Account"]),
        reference("Broker__c", "Broker__r", &["Secret__c"]),
    ]);
    object("Contact", fields)
}

fn account() -> ObjectDescribe {
    let mut fields = vec![text("Name", 255), field("Type", FieldType::Picklist, 255)];
    fields.extend(address("Billing"));
    fields.extend(phones(&["Phone", "Fax"]));
    fields.extend([
        field("Website", FieldType::Url, 255),
        field("Industry", FieldType::Picklist, 255),
        number("AnnualRevenue", FieldType::Currency, 18, 0),
        field("NumberOfEmployees", FieldType::Int, 0),
        reference("OwnerId", "Owner", &["User"]),
        field("Description", FieldType::TextArea, 32_000),
    ]);
    object("Account", fields)
}

/// Account as an org with Person Accounts has it.
pub(super) fn person_account() -> ObjectDescribe {
    let mut account = account();
    account.fields.extend([
        text("FirstName", 40),
        text("LastName", 80),
        field("Salutation", FieldType::Picklist, 40),
        field("IsPersonAccount", FieldType::Boolean, 0),
        field("PersonEmail", FieldType::Email, 80),
        text("PersonTitle", 80),
    ]);
    account.fields.extend(phones(&[
        "PersonMobilePhone",
        "PersonHomePhone",
        "PersonOtherPhone",
        "PersonAssistantPhone",
    ]));
    account
}

fn lead() -> ObjectDescribe {
    let mut fields = vec![
        text("LastName", 80),
        text("FirstName", 40),
        field("Salutation", FieldType::Picklist, 40),
        text("Name", 121),
        text("Title", 128),
        text("Company", 255),
    ];
    fields.extend(address(""));
    fields.extend(phones(&["Phone", "MobilePhone", "Fax"]));
    fields.extend([
        field("Email", FieldType::Email, 80),
        field("Website", FieldType::Url, 255),
        field("DoNotCall", FieldType::Boolean, 0),
        field("IsConverted", FieldType::Boolean, 0),
        reference("OwnerId", "Owner", &["Group", "User"]),
    ]);
    object("Lead", fields)
}

fn user() -> ObjectDescribe {
    let mut fields = vec![
        text("LastName", 80),
        text("FirstName", 40),
        text("Name", 121),
        text("CompanyName", 80),
        text("Department", 80),
        text("Title", 80),
    ];
    fields.extend(address(""));
    fields.extend(phones(&["Phone", "Extension", "MobilePhone", "Fax"]));
    fields.extend([
        field("Email", FieldType::Email, 128),
        field("IsActive", FieldType::Boolean, 0),
        field("UserType", FieldType::Picklist, 40),
    ]);
    let mut user = object("User", fields);
    user.fields.retain(|field| field.name != "IsDeleted");
    user
}

/// One field of each type that there is.
fn every_type() -> ObjectDescribe {
    object(
        "Sample__c",
        vec![
            text("Name", 80),
            field("Picklist__c", FieldType::Picklist, 255),
            field("Many__c", FieldType::MultiPicklist, 4099),
            field("Combo__c", FieldType::Combobox, 255),
            reference("Parent__c", "Parent__r", &["Account"]),
            field("Body__c", FieldType::Base64, 0),
            field("Flag__c", FieldType::Boolean, 0),
            number("Price__c", FieldType::Currency, 18, 2),
            field("Notes__c", FieldType::TextArea, 32_768),
            field("Count__c", FieldType::Int, 0),
            number("Ratio__c", FieldType::Double, 16, 4),
            number("Rate__c", FieldType::Percent, 5, 1),
            field("Call__c", FieldType::Phone, 40),
            field("Day__c", FieldType::Date, 0),
            field("Moment__c", FieldType::DateTime, 0),
            field("Hour__c", FieldType::Time, 0),
            field("Link__c", FieldType::Url, 255),
            field("Mail__c", FieldType::Email, 80),
            field("Secret__c", FieldType::EncryptedString, 175),
            field("Category__c", FieldType::DataCategoryGroupReference, 40),
            field("Place__c", FieldType::Location, 0),
            number("Place__Latitude__s", FieldType::Double, 18, 15),
            number("Place__Longitude__s", FieldType::Double, 18, 15),
            field("Address__c", FieldType::Address, 0),
            field("Any__c", FieldType::AnyType, 0),
            field("Json__c", FieldType::Json, 0),
            field("Complex__c", FieldType::ComplexValue, 0),
            field("Long__c", FieldType::Long, 0),
            FieldDescribe {
                deprecated_and_hidden: true,
                ..text("Hidden__c", 10)
            },
        ],
    )
}

fn name() -> ObjectDescribe {
    let mut name = object("Name", vec![text("Name", 255), field("Email", FieldType::Email, 80)]);
    name.summary.queryable = false;
    name
}

/// All objects of the org with all their describes.
pub(super) fn objects() -> Vec<ObjectDescribe> {
    vec![contact(), account(), lead(), user(), every_type(), name()]
}

/// The org with one object more, or another one of the same name.
pub(super) fn schema_with(more: impl IntoIterator<Item = ObjectDescribe>) -> Schema {
    let mut all = objects();
    for object in more {
        all.retain(|known| known.summary.name != object.summary.name);
        all.push(object);
    }
    // In the org, and nobody told its fields.
    let undescribed = [summary("Opportunity"), summary("Secret__c")];
    let mut schema = Schema::new(all.iter().map(|object| object.summary.clone()).chain(undescribed));
    schema.extend(all);
    schema
}

pub(super) fn schema() -> Schema {
    schema_with([])
}

/// A resource with these objects (JSON, as `spec.objects` has them).
pub(super) fn spec(objects: serde_json::Value) -> SalesforceReplicatorSpec {
    spec_with(objects, serde_json::json!({}))
}

/// The same, with other members of `spec` replaced.
pub(super) fn spec_with(objects: serde_json::Value, more: serde_json::Value) -> SalesforceReplicatorSpec {
    let mut spec = serde_json::json!({
        "connection": {"auth": {"password": {"secretRef": {"name": "crm"}}}},
        "destination": {"postgres": {"secretRef": {"name": "db"}}},
        "objects": objects,
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

pub(super) fn make_with(
    spec: &SalesforceReplicatorSpec,
    schema: &Schema,
    capabilities: Capabilities,
) -> Result<Plan, Problems> {
    make_over(spec, schema, capabilities, &[])
}

/// The same over tables that are there already, with these columns. What is wrong with one object is as for the whole.
pub(super) fn make_over(
    spec: &SalesforceReplicatorSpec,
    schema: &Schema,
    capabilities: Capabilities,
    tables: &[(&str, &[&str])],
) -> Result<Plan, Problems> {
    let instance_url = Url::parse("https://acme.my.salesforce.com").unwrap();
    let existing = tables
        .iter()
        .map(|(table, columns)| {
            (
                Identifier::new(*table),
                columns.iter().map(|&column| column.to_owned()).collect(),
            )
        })
        .collect();
    let plan = make(Input {
        spec,
        schema,
        instance_url: &instance_url,
        capabilities,
        existing: &existing,
    })?;
    match plan.problems() {
        Problems(problems) if problems.is_empty() => Ok(plan),
        problems => Err(problems),
    }
}

/// Plans these objects against the org.
pub(super) fn plan(objects: serde_json::Value) -> Result<Plan, Problems> {
    make_with(&spec(objects), &schema(), POSTGRES)
}

/// The problems of these objects.
pub(super) fn problems(objects: serde_json::Value) -> Vec<String> {
    match plan(objects) {
        Ok(plan) => panic!("a plan was made: {plan:#?}"),
        Err(Problems(problems)) => problems,
    }
}
