use std::collections::BTreeMap;

use super::*;
use crate::data::StampRange;
use crate::schema::{PersonAccounts, Schema};
use crate::soql::{OrderHint, check, parse};

/// A record of a test: its values, and its parents by reference field.
#[derive(Clone, Default)]
struct Record<'a> {
    values: BTreeMap<&'a str, &'a str>,
    parents: BTreeMap<&'a str, Box<Record<'a>>>,
}

impl Row for Record<'_> {
    fn value(&self, field: &str) -> Option<Cow<'_, str>> {
        self.values.get(field).map(|value| Cow::Borrowed(*value))
    }

    fn parent(&self, hop: &Hop) -> Option<Self> {
        self.parents
            .get(hop.reference.as_str())
            .map(|parent| (**parent).clone())
    }
}

fn record<'a>(values: &[(&'a str, &'a str)]) -> Record<'a> {
    Record {
        values: values.iter().copied().collect(),
        parents: BTreeMap::new(),
    }
}

fn program(text: &str) -> Program {
    let schema = Schema::standard(PersonAccounts::Disabled);
    let checked = check(text, &parse(text).unwrap(), &schema.whole()).unwrap();
    let moment = Moment {
        now: "2026-11-24T23:30:00Z".parse().unwrap(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    };
    Program::compile(&checked, &moment, &mut |inner| {
        assert_eq!(inner.object, "Account");
        vec!["001Sm0000000001AAA".to_owned(), "001Sm0000000002".to_owned()]
    })
}

fn matches_in(object: &str, condition: &str, values: &[(&str, &str)]) -> bool {
    program(&format!("SELECT Id FROM {object} WHERE {condition}")).matches(&record(values))
}

fn matches(condition: &str, values: &[(&str, &str)]) -> bool {
    matches_in("Contact", condition, values)
}

#[test]
fn text_is_compared_without_case_and_ids_with_it() {
    assert!(matches("LastName = 'MÜLLER'", &[("LastName", "Müller")]));
    assert!(!matches("LastName != 'müller'", &[("LastName", "Müller")]));
    assert!(matches("LastName IN ('x', 'mÜller')", &[("LastName", "Müller")]));
    assert!(matches("LastName > 'm' AND LastName <= 'N'", &[("LastName", "Müller")]));
    let id = [("Id", "003Sm000000000aAAA")];
    assert!(matches("Id = '003Sm000000000a'", &id));
    assert!(matches("Id = '003Sm000000000aAAA'", &id));
    assert!(!matches("Id = '003Sm000000000A'", &id));
    assert!(matches("Id > '003Sm000000000Z'", &id) && matches("Id < '003Sm000000000b'", &id));
    assert!(matches("Id IN ('003Sm000000000a')", &id) && !matches("Id NOT IN ('003Sm000000000a')", &id));
}

#[test]
fn null_is_like_nothing_but_null() {
    for (condition, expected) in [
        ("Phone = null", true),
        ("Phone != null", false),
        ("Phone = ''", true),
        ("Phone = 'x'", false),
        ("Phone != 'x'", true),
        ("Phone < 'x'", false),
        ("Phone >= 'x'", false),
        ("Phone LIKE '%'", false),
        ("NOT Phone = 'x'", true),
        ("NOT Phone = null", false),
        ("Phone IN ('x')", false),
        ("Phone IN ('x', null)", true),
        ("Phone NOT IN ('x')", true),
        ("Birthdate < TODAY", false),
        ("MailingLatitude != 1", true),
        ("Account.Name = null", true),
        ("Account.Name != 'x'", true),
        ("DoNotCall = false", true),
        ("DoNotCall != true", true),
    ] {
        assert_eq!(matches(condition, &[]), expected, "{condition}");
    }
    assert!(matches("Phone != null", &[("Phone", "1")]) && !matches("Phone = null", &[("Phone", "1")]));
}

#[test]
fn numbers_dates_and_booleans_are_compared_by_value() {
    let specimen = |condition: &str, values: &[(&str, &str)]| matches_in("Specimen__c", condition, values);
    assert!(specimen("Double__c = 10000000", &[("Double__c", "1.0E7")]));
    assert!(specimen("Double__c > 9 AND Double__c < 1e3", &[("Double__c", "10.5")]));
    assert!(specimen(
        "Long__c != 9007199254740993",
        &[("Long__c", "9007199254740992")]
    ));
    assert!(specimen("Checkbox__c = TRUE", &[("Checkbox__c", "true")]));
    assert!(specimen(
        "Date__c >= 1700-01-01 AND Date__c < 4000-12-31",
        &[("Date__c", "1700-01-01")]
    ));
    assert!(specimen(
        "DateTime__c = 2026-01-01T01:00:00+01:00",
        &[("DateTime__c", "2026-01-01T00:00:00.000Z")]
    ));
    assert!(specimen("Time__c < 09:30:00.000Z", &[("Time__c", "09:29:59.999Z")]));
    assert!(specimen("Time__c = 09:30:00Z", &[("Time__c", "09:30:00.000Z")]));
}

#[test]
fn relative_dates_are_days_of_the_users_zone() {
    // 23:30 UTC on the 24th is the 25th in Berlin, which begins at 23:00 UTC.
    assert!(matches("Birthdate = TODAY", &[("Birthdate", "2026-11-25")]));
    assert!(matches(
        "SystemModstamp = TODAY",
        &[("SystemModstamp", "2026-11-24T23:00:00.000Z")]
    ));
    assert!(!matches(
        "SystemModstamp = TODAY",
        &[("SystemModstamp", "2026-11-24T22:59:59.000Z")]
    ));
    assert!(matches(
        "SystemModstamp = YESTERDAY",
        &[("SystemModstamp", "2026-11-24T22:59:59.000Z")]
    ));
    assert!(matches(
        "SystemModstamp < TODAY",
        &[("SystemModstamp", "2026-11-24T22:59:59.000Z")]
    ));
    assert!(matches(
        "SystemModstamp > YESTERDAY",
        &[("SystemModstamp", "2026-11-24T23:00:00.000Z")]
    ));
    assert!(matches(
        "SystemModstamp <= THIS_MONTH",
        &[("SystemModstamp", "2026-11-30T22:59:59.000Z")]
    ));
    assert!(matches(
        "SystemModstamp != LAST_N_DAYS:2",
        &[("SystemModstamp", "2026-11-01T00:00:00.000Z")]
    ));
}

#[test]
fn patterns() {
    let name = [("LastName", "O'Brien 100%_x\\y")];
    for (pattern, expected) in [
        ("o_brien%", true),
        ("%100\\%%", true),
        ("%100\\_%", false),
        ("%\\_x%", true),
        ("%x\\\\y", true),
        ("O\\'BRIEN%", true),
        ("brien", false),
        ("%brien%y", true),
        ("%b%b%b%b%", false),
        ("%", true),
        ("______", false),
    ] {
        assert_eq!(
            matches(&format!("LastName LIKE '{pattern}'"), &name),
            expected,
            "{pattern}"
        );
    }
}

#[test]
fn multi_select_picklists() {
    let values = [("MultiPicklist__c", "Alpha;Beta")];
    for (condition, expected) in [
        ("MultiPicklist__c INCLUDES ('alpha')", true),
        ("MultiPicklist__c INCLUDES ('Alpha;Beta')", true),
        ("MultiPicklist__c INCLUDES ('Alpha;Gamma')", false),
        ("MultiPicklist__c INCLUDES ('Alpha;Gamma', 'Beta')", true),
        ("MultiPicklist__c EXCLUDES ('Gamma')", true),
        ("MultiPicklist__c EXCLUDES ('Beta')", false),
        ("MultiPicklist__c = 'Alpha;Beta'", true),
    ] {
        assert_eq!(matches_in("Specimen__c", condition, &values), expected, "{condition}");
    }
    assert!(matches_in("Specimen__c", "MultiPicklist__c EXCLUDES ('Beta')", &[]));
}

#[test]
fn parents_and_semi_joins() {
    let mut contact = record(&[("AccountId", "001Sm0000000001AAA")]);
    contact
        .parents
        .insert("AccountId", Box::new(record(&[("Name", "Acme")])));
    assert!(program("SELECT Id FROM Contact WHERE Account.Name LIKE 'ac%'").matches(&contact));
    assert!(!program("SELECT Id FROM Contact WHERE Account.Name = null").matches(&contact));
    assert!(program("SELECT Id FROM Contact WHERE Account.Owner.Name = null").matches(&contact));
    assert!(program("SELECT Id FROM Contact WHERE AccountId IN (SELECT Id FROM Account)").matches(&contact));
    assert!(!program("SELECT Id FROM Contact WHERE AccountId NOT IN (SELECT Id FROM Account)").matches(&contact));
    assert!(!matches(
        "AccountId IN (SELECT Id FROM Account)",
        &[("AccountId", "001Sm0000000003AAA")]
    ));
}

#[test]
fn and_or_not_combine() {
    let values = [("LastName", "a"), ("Phone", "1")];
    assert!(matches("LastName = 'a' AND Phone = '1'", &values));
    assert!(!matches("LastName = 'a' AND Phone = '2'", &values));
    assert!(matches("LastName = 'b' OR Phone = '1'", &values));
    assert!(matches("NOT (LastName = 'b' OR Phone = '2')", &values));
    assert!(matches(
        "LastName = 'a' AND (NOT Phone = '2') AND (LastName = 'z' OR Phone = '1')",
        &values
    ));
}

#[test]
fn keys_order_as_order_by_says() {
    let sorted = |order: &str, values: &[&'static str]| -> Vec<&'static str> {
        let program = program(&format!("SELECT Id FROM Specimen__c ORDER BY {order}"));
        let field = if order.starts_with("Double") {
            "Double__c"
        } else {
            "Text__c"
        };
        let mut rows: Vec<&'static str> = values.to_vec();
        rows.sort_by_cached_key(|value| {
            program.sort_key(&if value.is_empty() {
                record(&[])
            } else {
                record(&[(field, value)])
            })
        });
        rows
    };
    assert_eq!(sorted("Text__c", &["b", "", "A", "c"]), ["", "A", "b", "c"]);
    assert_eq!(sorted("Text__c DESC", &["b", "", "A", "c"]), ["", "c", "b", "A"]);
    assert_eq!(
        sorted("Text__c DESC NULLS LAST", &["b", "", "A", "c"]),
        ["c", "b", "A", ""]
    );
    assert_eq!(
        sorted("Double__c", &["10.0", "9.0", "-1.0", "1.0E7"]),
        ["-1.0", "9.0", "10.0", "1.0E7"]
    );

    let program = program("SELECT Id FROM Contact ORDER BY SystemModstamp DESC, Id");
    let key = |stamp, id| program.sort_key(&record(&[("SystemModstamp", stamp), ("Id", id)]));
    assert!(key("2026-01-02T00:00:00.000Z", "b") < key("2026-01-01T00:00:00.000Z", "a"));
    assert!(key("2026-01-01T00:00:00.000Z", "B") < key("2026-01-01T00:00:00.000Z", "a"));
}

#[test]
fn hints_hold_the_ranges_of_replication() {
    let hints = |rest: &str| program(&format!("SELECT Id FROM Contact {rest}")).hints().clone();
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let schema = Schema::standard(PersonAccounts::Disabled);
    let contact = schema.object("Contact").unwrap();

    let all = hints("");
    assert!(all.exact && all.order == OrderHint::Any && all.numbers(contact).start == 0);

    let keyset = hints(&format!("WHERE Id > '{}' ORDER BY Id LIMIT 10", id::format("003", 41)));
    assert_eq!(
        (keyset.exact, keyset.order, keyset.numbers(contact).start),
        (true, OrderHint::Id, 42)
    );
    let chunk = hints(&format!(
        "WHERE Id >= '{}' AND Id < '{}'",
        id::format("003", 5),
        id::format("003", 9)
    ));
    assert_eq!(chunk.numbers(contact), 5..9);
    let chunk = hints(&format!(
        "WHERE Id >= '000000000000000' AND Id <= '{}'",
        id::format("003", 9)
    ));
    assert_eq!(chunk.numbers(contact), 0..10);
    assert!(hints("WHERE Id > '00Q000000000000'").numbers(contact).is_empty());

    let since = hints(
        "WHERE SystemModstamp >= 2026-01-01T00:00:00Z AND SystemModstamp < 2026-01-02T00:00:00.500Z ORDER BY SystemModstamp, Id",
    );
    let range = StampRange {
        from: at("2026-01-01T00:00:00Z"),
        to: at("2026-01-02T00:00:01Z"),
    };
    assert_eq!(
        (since.stamp, since.exact, since.order),
        (range, true, OrderHint::StampThenId)
    );
    let after = hints("WHERE SystemModstamp > 2026-01-01T00:00:00Z AND IsDeleted = false");
    assert_eq!((after.stamp.from, after.exact), (at("2026-01-01T00:00:01Z"), false));
    assert_eq!(
        hints("WHERE SystemModstamp = TODAY").stamp,
        StampRange {
            from: at("2026-11-24T23:00:00Z"),
            to: at("2026-11-25T23:00:00Z")
        }
    );

    let resumed = hints(
        "WHERE (SystemModstamp = 2026-01-01T00:00:00Z AND Id > '003Sm0000000001') OR SystemModstamp > 2026-01-01T00:00:00Z",
    );
    assert_eq!(
        resumed.stamp,
        StampRange {
            from: at("2026-01-01T00:00:00Z"),
            to: None
        }
    );
    assert!(!resumed.exact && resumed.numbers(contact).start == 0);

    let ids = hints("WHERE Id IN ('003Sm0000000001', '003Sm0000000002') AND Id != null");
    assert_eq!(ids.ids.unwrap().len(), 2);
    assert_eq!(hints("WHERE Id = '003Sm0000000001'").ids.unwrap().len(), 1);
    assert_eq!(hints("WHERE NOT Id IN ('003Sm0000000001')").ids, None);
    assert_eq!(hints("WHERE Id IN ('003Sm0000000001') OR LastName = 'x'").ids, None);
    assert_eq!(hints("ORDER BY LastName, Id").order, OrderHint::Other);
    assert_eq!(hints("ORDER BY Id DESC").order, OrderHint::IdDescending);
    assert_eq!(hints("ORDER BY SystemModstamp DESC, Id").order, OrderHint::Other);
}
