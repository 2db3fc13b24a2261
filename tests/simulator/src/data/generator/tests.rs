use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::schema::PersonAccounts;

fn org() -> (Schema, Generator) {
    let until = "2026-11-24T12:00:00Z".parse().unwrap();
    let generator = Generator::new(42, until)
        .with_rows("User", 20)
        .with_rows("Account", 300)
        .with_rows("Contact", 12_000)
        .with_rows("Lead", 100)
        .with_rows("Opportunity", 200)
        .with_rows("Case", 200)
        .with_rows("Task", 200)
        .with_rows("Specimen__c", 3000);
    (Schema::standard(PersonAccounts::Enabled), generator)
}

#[test]
fn a_record_is_the_same_in_every_generator() {
    let (schema, one) = org();
    let (_, two) = org();
    for object in schema.objects() {
        for field in &object.fields {
            for n in [0, 1, 17, 99] {
                assert_eq!(
                    one.value(&schema, object, field, n),
                    two.value(&schema, object, field, n)
                );
            }
        }
    }
}

#[test]
fn every_value_has_the_form_of_its_type_and_fits_its_field() {
    let (schema, generator) = org();
    for object in schema.objects() {
        for field in &object.fields {
            let place = format!("{}.{}", object.name, field.name);
            for n in 0..generator.rows(&object.name).min(3000) {
                let Some(value) = generator.value(&schema, object, field, n) else {
                    assert!(
                        field.nillable || field.field_type.is_compound(),
                        "{place} is null in {n}"
                    );
                    continue;
                };
                assert!(!value.is_empty(), "{place} is empty in {n}");
                if field.length > 0 {
                    assert!(
                        value.chars().count() <= usize::try_from(field.length).unwrap(),
                        "{place} is too long in {n}"
                    );
                }
                assert!(
                    value.chars().all(|c| c == '\n' || !c.is_control()),
                    "{place} has control characters in {n}"
                );
                let right = match field.field_type {
                    FieldType::Id | FieldType::Reference => id::parse(&value).is_some() && value.len() == 18,
                    FieldType::Boolean => matches!(&*value, "true" | "false"),
                    FieldType::Int => value.parse::<i32>().is_ok(),
                    FieldType::Long => value.parse::<i64>().is_ok(),
                    FieldType::Double | FieldType::Currency | FieldType::Percent => {
                        value.parse::<f64>().is_ok_and(f64::is_finite) && value.contains('.')
                    }
                    FieldType::Date => value.parse::<jiff::civil::Date>().is_ok(),
                    FieldType::DateTime => value.ends_with(".000Z") && value.parse::<Timestamp>().is_ok(),
                    FieldType::Time => value
                        .strip_suffix('Z')
                        .is_some_and(|time| time.parse::<jiff::civil::Time>().is_ok()),
                    FieldType::String
                    | FieldType::Picklist
                    | FieldType::MultiPicklist
                    | FieldType::Combobox
                    | FieldType::Base64
                    | FieldType::TextArea
                    | FieldType::Phone
                    | FieldType::Url
                    | FieldType::Email
                    | FieldType::EncryptedString
                    | FieldType::DataCategoryGroupReference
                    | FieldType::AnyType
                    | FieldType::Json
                    | FieldType::ComplexValue => true,
                    FieldType::Location | FieldType::Address => false,
                };
                assert!(right, "{place} is {value} in {n}");
            }
        }
    }
}

#[test]
fn nulls_are_about_one_in_five_and_long_texts_occur() {
    let (schema, generator) = org();
    let specimen = schema.object("Specimen__c").unwrap();
    for name in ["Text__c", "Picklist__c", "Double__c", "Date__c", "LongText__c"] {
        let field = specimen.field(name).unwrap();
        let nulls = (0..3000)
            .filter(|&n| generator.value(&schema, specimen, field, n).is_none())
            .count();
        assert!((450..750).contains(&nulls), "{nulls} nulls of 3000 in {name}");
    }
    let long = specimen.field("LongText__c").unwrap();
    let longest = (0..3000)
        .filter_map(|n| generator.value(&schema, specimen, long, n))
        .map(|text| text.len())
        .max();
    assert!(longest.unwrap() > 30_000);
}

#[test]
fn the_parts_of_a_person_agree() {
    let (schema, generator) = org();
    let contact = schema.object("Contact").unwrap();
    let get = |name: &str, n| {
        generator
            .value(&schema, contact, contact.field(name).unwrap(), n)
            .map(Cow::into_owned)
    };
    for n in 0..500 {
        let last = get("LastName", n).unwrap();
        let full = get("FirstName", n).map_or_else(|| last.clone(), |first| format!("{first} {last}"));
        assert_eq!(get("Name", n).unwrap(), full.chars().take(121).collect::<String>());
    }
}

#[test]
fn references_name_records_that_exist() {
    let (schema, generator) = org();
    for object in schema.objects() {
        for field in object
            .fields
            .iter()
            .filter(|field| field.field_type == FieldType::Reference)
        {
            for n in 0..generator.rows(&object.name).min(300) {
                let Some(value) = generator.value(&schema, object, field, n) else {
                    continue;
                };
                let (prefix, parent) = id::parse(&value).unwrap();
                let target = schema.object_by_prefix(prefix).unwrap();
                assert!(
                    parent < generator.rows(&target.name),
                    "{}.{} of {n}",
                    object.name,
                    field.name
                );
                assert!(field.reference_to.contains(&target.name));
            }
        }
    }
}

#[test]
fn a_formula_shows_the_parents_value() {
    let (schema, generator) = org();
    let contact = schema.object("Contact").unwrap();
    let account = schema.object("Account").unwrap();
    let formula = contact.field("Company_Phone__c").unwrap();
    let mut seen = 0;
    for n in 0..200 {
        let parent = generator.value(&schema, contact, contact.field("AccountId").unwrap(), n);
        let expected = parent.and_then(|id| {
            let n = Generator::number(account, &id).unwrap();
            generator
                .value(&schema, account, account.field("Phone").unwrap(), n)
                .map(Cow::into_owned)
        });
        seen += usize::from(expected.is_some());
        assert_eq!(
            generator.value(&schema, contact, formula, n).map(Cow::into_owned),
            expected
        );
    }
    assert!(seen > 100);
}

#[test]
fn rows_by_stamp_are_all_rows_in_the_order_of_stamp_and_id() {
    let (schema, generator) = org();
    for name in ["User", "Account", "Contact"] {
        let object = schema.object(name).unwrap();
        let rows = generator.rows(name);
        let mut expected: Vec<u64> = (0..rows).collect();
        expected.sort_by_key(|&n| (generator.modstamp(object, n), n));
        let found: Vec<u64> = generator.rows_by_stamp(object, StampRange::default()).collect();
        assert_eq!(found, expected, "{name}");

        let from = generator.modstamp(object, rows / 2);
        let to = generator.until.checked_sub(SignedDuration::from_secs(1)).unwrap();
        let range = StampRange {
            from: Some(from),
            to: Some(to),
        };
        expected.retain(|&n| (from..to).contains(&generator.modstamp(object, n)));
        assert_eq!(
            generator.rows_by_stamp(object, range).collect::<Vec<_>>(),
            expected,
            "{name}"
        );
        assert_eq!(
            generator.count_by_stamp(object, range),
            u64::try_from(expected.len()).unwrap()
        );
    }
}

#[test]
fn seconds_are_shared_by_more_rows_than_a_page_holds() {
    let (schema, generator) = org();
    let contact = schema.object("Contact").unwrap();
    let mut seconds: BTreeMap<Timestamp, u64> = BTreeMap::new();
    for n in 0..12_000 {
        *seconds.entry(generator.modstamp(contact, n)).or_default() += 1;
    }
    let most = seconds.values().copied().max().unwrap();
    assert!(most >= 2500, "{most}");
    assert!(seconds.values().filter(|&&rows| rows == 40).count() > 50);
    assert!(seconds.values().filter(|&&rows| rows == 1).count() > 1000);
    assert!(seconds.keys().all(|stamp| *stamp < generator.until));
}

#[test]
fn times_are_written_as_soap_writes_them() {
    for text in [
        "2015-02-10T01:56:14.000Z",
        "1700-01-01T00:00:00.000Z",
        "4000-12-31T23:59:59.000Z",
    ] {
        assert_eq!(wire(text.parse().unwrap()), text);
    }
}

#[test]
fn audit_times_are_in_order() {
    let (schema, generator) = org();
    let contact = schema.object("Contact").unwrap();
    let get = |name: &str, n| {
        generator
            .value(&schema, contact, contact.field(name).unwrap(), n)
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    let mut differ = 0;
    for n in 0..500 {
        assert!(get("CreatedDate", n) <= get("LastModifiedDate", n));
        assert!(get("LastModifiedDate", n) <= get("SystemModstamp", n));
        differ += u32::from(get("LastModifiedDate", n) != get("SystemModstamp", n));
    }
    assert!(differ > 20);
}

#[test]
fn the_names_hold_what_breaks_careless_software() {
    let (schema, generator) = org();
    let contact = schema.object("Contact").unwrap();
    let account = schema.object("Account").unwrap();
    let mut seen = BTreeSet::new();
    let all = (0..2000).filter_map(|n| generator.value(&schema, contact, contact.field("Name").unwrap(), n));
    let companies = (0..2000).filter_map(|n| generator.value(&schema, account, account.field("Name").unwrap(), n));
    let streets =
        (0..2000).filter_map(|n| generator.value(&schema, contact, contact.field("MailingStreet").unwrap(), n));
    for text in all.chain(companies).chain(streets) {
        seen.extend("äß'\"<>&\n;\\日😀Щ".chars().filter(|&letter| text.contains(letter)));
    }
    assert_eq!(seen.len(), "äß'\"<>&\n;\\日😀Щ".chars().count(), "{seen:?}");
}

#[test]
fn a_million_rows_need_no_memory_and_no_start() {
    let (schema, generator) = org();
    let generator = generator.with_rows("Lead", 100_000_000);
    let lead = schema.object("Lead").unwrap();
    let range = StampRange {
        from: Some("2026-11-24T11:59:00Z".parse().unwrap()),
        to: None,
    };
    let late: Vec<u64> = generator.rows_by_stamp(lead, range).collect();
    assert!(!late.is_empty() && late.len() < 10_000, "{}", late.len());
}
