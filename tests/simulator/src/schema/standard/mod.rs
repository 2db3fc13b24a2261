//! The objects of a new org: standard ones with Salesforce's own fields, types and lengths (Object Reference; lengths of
//! the directory's fields: directory.md section 5), and `Specimen__c` with a field of every type.
//!
//! The functions here are the vocabulary of the tables in the sub-modules. State and country picklists are switched on, as
//! in most orgs: addresses have `..StateCode` and `..CountryCode`. References name objects that this org may not have
//! (Campaign, Pricebook2, ..): such a reference is null in every record and no path leads through it.

mod activity;
mod business;
mod people;
mod setup;
mod specimen;

pub(crate) use setup::SETUP_OBJECTS;

use super::{Field, FieldType, Object, PersonAccounts};
use crate::data::{AddressPart, Content, Moment, PersonPart};

/// All objects of a new org.
pub(super) fn objects(person_accounts: PersonAccounts) -> Vec<Object> {
    vec![
        business::account(person_accounts),
        people::contact(person_accounts),
        people::contact_share(),
        people::lead(),
        people::user(),
        business::opportunity(),
        activity::task(),
        activity::case(),
        specimen::specimen(),
        setup::profile(),
        setup::permission_set(),
        setup::permission_set_assignment(),
        setup::object_permissions(),
        setup::group(),
        setup::name(),
    ]
}

/// The fields that Salesforce gives to a new custom object.
pub(super) fn custom_object_fields() -> Vec<Field> {
    let mut fields = vec![own_id(), owner(&["Group", "User"]), is_deleted()];
    fields.push(
        text("Name", 80)
            .name_field()
            .content(Content::AutoNumber("N-"))
            .id_lookup(),
    );
    fields.extend(audit());
    fields.extend(viewed());
    fields
}

/// The two components of a custom geolocation; nothing for other fields.
pub(super) fn location_components(field: &Field) -> Vec<Field> {
    let Some(stem) = field
        .name
        .strip_suffix("__c")
        .filter(|_| field.field_type == FieldType::Location)
    else {
        return Vec::new();
    };
    [
        ("Latitude", AddressPart::Latitude),
        ("Longitude", AddressPart::Longitude),
    ]
    .into_iter()
    .map(|(part, content)| {
        Field::new(&format!("{stem}__{part}__s"), FieldType::Double)
            .number(18, 15)
            .component_of(&field.name)
            .content(if field.content == Content::Null {
                Content::Null
            } else {
                Content::Address(7, content)
            })
    })
    .collect()
}

/// The name of a relationship seen from the parent: Salesforce's own for standard fields, the plural with `__r` for custom
/// ones.
pub(super) fn child_relationship_name(child: &str, field: &str, parent: &str) -> Option<String> {
    if let Some(stem) = field.strip_suffix("__c") {
        let child = child.strip_suffix("__c").unwrap_or(child);
        return Some(if stem == parent {
            format!("{child}s__r")
        } else {
            format!("{child}s_{stem}__r")
        });
    }
    let name = match (child, field) {
        ("Account", "ParentId") => "ChildAccounts",
        ("Contact", "AccountId") => "Contacts",
        ("ContactShare", "ContactId") => "Shares",
        ("Opportunity", "AccountId" | "ContactId") => "Opportunities",
        ("Case", "AccountId" | "ContactId" | "ParentId") => "Cases",
        ("Task", "WhoId" | "WhatId") => "Tasks",
        ("User", "ManagerId") => "ManagedUsers",
        ("User", "ContactId" | "AccountId") => "Users",
        ("PermissionSetAssignment", "AssigneeId") => "PermissionSetAssignments",
        ("ObjectPermissions", "ParentId") => "ObjectPerms",
        ("FieldPermissions", "ParentId") => "FieldPerms",
        _ => return None,
    };
    Some(name.to_owned())
}

impl Field {
    /// May identify a record in upsert.
    fn id_lookup(mut self) -> Self {
        self.id_lookup = true;
        self
    }

    /// What describe adds to the type: personname, richtextarea, imageurl, ..
    fn extra(mut self, info: &str) -> Self {
        self.extra_type_info = Some(info.to_owned());
        self
    }
}

fn own_id() -> Field {
    Field::new("Id", FieldType::Id).system().content(Content::OwnId)
}

fn is_deleted() -> Field {
    Field::new("IsDeleted", FieldType::Boolean)
        .label("Deleted")
        .system()
        .content(Content::TrueOnceIn(0))
}

fn master_record(object: &str) -> Field {
    Field::new("MasterRecordId", FieldType::Reference)
        .pointing_to(&[object], Some("MasterRecord"))
        .system()
        .content(Content::Null)
}

fn owner(targets: &[&str]) -> Field {
    Field::new("OwnerId", FieldType::Reference)
        .pointing_to(targets, Some("Owner"))
        .required()
        .content(Content::UserRef)
}

/// The audit fields.
fn audit() -> Vec<Field> {
    let by = |name: &str, relationship: &str| {
        Field::new(name, FieldType::Reference)
            .pointing_to(&["User"], Some(relationship))
            .required()
            .system()
            .content(Content::UserRef)
    };
    let at = |name: &str, moment| {
        Field::new(name, FieldType::DateTime)
            .required()
            .system()
            .content(Content::Moment(moment))
    };
    vec![
        at("CreatedDate", Moment::Created),
        by("CreatedById", "CreatedBy"),
        at("LastModifiedDate", Moment::LastModified),
        by("LastModifiedById", "LastModifiedBy"),
        at("SystemModstamp", Moment::SystemModstamp).label("System Modstamp"),
    ]
}

/// When the user who asks last looked at the record: null for a user of the API.
fn viewed() -> Vec<Field> {
    vec![
        Field::new("LastViewedDate", FieldType::DateTime)
            .system()
            .content(Content::Null),
        Field::new("LastReferencedDate", FieldType::DateTime)
            .system()
            .content(Content::Null),
    ]
}

fn last_activity() -> Field {
    Field::new("LastActivityDate", FieldType::Date)
        .label("Last Activity")
        .system()
        .content(Content::ByType)
}

fn text(name: &str, length: u32) -> Field {
    Field::new(name, FieldType::String).length(length)
}

fn area(name: &str, length: u32) -> Field {
    Field::new(name, FieldType::TextArea)
        .length(length)
        .content(Content::Paragraphs)
}

fn picklist(name: &str, values: &[&str]) -> Field {
    Field::new(name, FieldType::Picklist)
        .values(values)
        .content(Content::OneOfValues)
}

fn flag(name: &str, once_in: u16) -> Field {
    Field::new(name, FieldType::Boolean).content(Content::TrueOnceIn(once_in))
}

fn phone(name: &str, number: u8) -> Field {
    Field::new(name, FieldType::Phone).content(Content::Phone(number))
}

fn date(name: &str) -> Field {
    Field::new(name, FieldType::Date)
}

fn datetime(name: &str) -> Field {
    Field::new(name, FieldType::DateTime)
}

fn int(name: &str, digits: u32) -> Field {
    let mut field = Field::new(name, FieldType::Int);
    field.digits = digits;
    field
}

fn lookup(name: &str, targets: &[&str], relationship: &str) -> Field {
    Field::new(name, FieldType::Reference)
        .pointing_to(targets, Some(relationship))
        .content(Content::Parent)
}

fn picture(name: &str, length: u32) -> Field {
    Field::new(name, FieldType::Url)
        .length(length)
        .system()
        .extra("imageurl")
        .content(Content::Fixed("/services/images/photo/"))
}

/// The fields of a person's name, with the compound that they are components of.
fn person_name() -> Vec<Field> {
    vec![
        text("LastName", 80)
            .required()
            .component_of("Name")
            .content(Content::Person(PersonPart::LastName)),
        text("FirstName", 40)
            .component_of("Name")
            .content(Content::Person(PersonPart::FirstName)),
        picklist("Salutation", &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."])
            .length(40)
            .component_of("Name")
            .content(Content::Person(PersonPart::Salutation)),
        text("Name", 121)
            .required()
            .read_only()
            .name_field()
            .label("Full Name")
            .extra("personname")
            .content(Content::Person(PersonPart::FullName)),
    ]
}

/// The components of an address and the compound itself; `number` tells the addresses of a record apart.
fn address(prefix: &str, number: u8) -> Vec<Field> {
    let compound = if prefix.is_empty() {
        "Address".to_owned()
    } else {
        format!("{prefix}Address")
    };
    let name = |part: &str| format!("{prefix}{part}");
    let has = |part| Content::Address(number, part);
    let mut street = area(&name("Street"), 255).content(has(AddressPart::Street));
    street.extra_type_info = Some("plaintextarea".to_owned());
    let mut fields = vec![
        street,
        text(&name("City"), 40).content(has(AddressPart::City)),
        text(&name("State"), 80).content(has(AddressPart::State)),
        text(&name("PostalCode"), 20).content(has(AddressPart::PostalCode)),
        text(&name("Country"), 80).content(has(AddressPart::Country)),
        picklist(
            &name("StateCode"),
            &["BW", "BY", "BE", "NY", "CA", "TX", "NSW", "VIC", "ON", "QC", "MI", "RM"],
        )
        .length(10)
        .restricted()
        .content(has(AddressPart::StateCode)),
        picklist(
            &name("CountryCode"),
            &[
                "DE", "AT", "CH", "FR", "GB", "US", "AU", "CA", "IT", "ES", "JP", "PL", "TR", "CN", "RU", "BR",
            ],
        )
        .length(10)
        .restricted()
        .content(has(AddressPart::CountryCode)),
        Field::new(&name("Latitude"), FieldType::Double)
            .number(18, 15)
            .content(has(AddressPart::Latitude)),
        Field::new(&name("Longitude"), FieldType::Double)
            .number(18, 15)
            .content(has(AddressPart::Longitude)),
        picklist(
            &name("GeocodeAccuracy"),
            &[
                "Address",
                "NearAddress",
                "Block",
                "Street",
                "ExtendedZip",
                "Zip",
                "Neighborhood",
                "City",
                "County",
                "State",
                "Unknown",
            ],
        )
        .length(40)
        .restricted()
        .content(has(AddressPart::GeocodeAccuracy)),
    ];
    fields = fields.into_iter().map(|field| field.component_of(&compound)).collect();
    fields.push(Field::new(&compound, FieldType::Address));
    fields
}

const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Apparel",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Entertainment",
    "Environmental",
    "Finance",
    "Food & Beverage",
    "Government",
    "Healthcare",
    "Hospitality",
    "Insurance",
    "Machinery",
    "Manufacturing",
    "Media",
    "Not For Profit",
    "Recreation",
    "Retail",
    "Shipping",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
    "Other",
];

const SOURCES: &[&str] = &["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];

const CLEAN_STATUS: &[&str] = &[
    "Matched",
    "Different",
    "Acknowledged",
    "NotFound",
    "Inactive",
    "Pending",
    "SelectMatch",
    "Skipped",
];
