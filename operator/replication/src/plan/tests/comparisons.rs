//! What a condition compares has to fit its field, as far as Salesforce's answer is certain.

use serde_json::json;

use crate::plan::fixture;

/// The problems of a condition on the object that has a field of each type.
fn problems(condition: &str) -> Vec<String> {
    let spec = fixture::spec(json!([{"name": "Sample__c", "mapping": "None", "where": condition}]));
    match fixture::make_with(&spec, &fixture::schema(), fixture::POSTGRES) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0,
    }
}

/// A condition, and a part of its only problem.
fn expect(cases: &[(&str, &str)]) {
    for (condition, expected) in cases {
        let problems = problems(condition);
        let [problem] = problems.as_slice() else {
            panic!("{condition}: {problems:?}")
        };
        assert!(problem.starts_with("Sample__c: where: field "), "{problem}");
        assert!(problem.contains(expected), "{condition}: {problem}");
        assert!(!problem.contains("secret") && !problem.contains("Smith"), "{problem}");
    }
}

#[test]
fn a_value_of_another_type_is_named_with_field_place_and_remedy() {
    expect(&[
        (
            "Count__c > 'secret'",
            "field Count__c (character 1) is a number, and a text in quotes stands at character 12: write a number without \
             quotes, such as 100",
        ),
        ("Price__c = true", "is a number, and true stands at character 12"),
        (
            "Rate__c < 2026-01-31",
            "is a number, and the day 2026-01-31 stands at character 11",
        ),
        (
            "Flag__c = 1",
            "field Flag__c (character 1) is true or false, and the number 1 stands at character 11: write true or false, \
             without quotes",
        ),
        ("Flag__c = 'true'", "is true or false, and a text in quotes stands"),
        (
            "Moment__c > 'x'",
            "field Moment__c (character 1) is a moment, and a text in quotes stands at character 13: write a moment without \
             quotes, such as 2026-01-31T08:00:00Z, or a relative date such as LAST_N_DAYS:30",
        ),
        (
            "Moment__c > 2026-01-31",
            "is a moment, and the day 2026-01-31 stands at character 13",
        ),
        (
            "Day__c = 2026-01-31T08:00:00+01:00",
            "is a day, and the moment 2026-01-31T08:00:00+01:00 stands at character 10: write a day without quotes, such as \
             2026-01-31",
        ),
        (
            "Hour__c > '08:00'",
            "is a time of day, and a text in quotes stands at character 11: write a time without quotes",
        ),
        (
            "Name LIKE 5",
            "field Name (character 1) is a text, and the number 5 stands at character 11: write it in quotes, 'like this'",
        ),
        (
            "Picklist__c = TODAY",
            "is a text, and the relative date TODAY stands at character 15",
        ),
        (
            "Name = null AND call__c IN ('1', 2)",
            "field Call__c (character 17) is a text, and the number 2 stands at character 34",
        ),
        (
            "Many__c INCLUDES ('a;b', 3)",
            "is a list of several choices, and the number 3 stands",
        ),
        (
            "Parent__c = 'Smith'",
            "field Parent__c (character 1) is an Id, and the text at character 13 is none: write an Id of 15 or 18 \
             characters, in quotes; a name stands in a field of the parent, such as Account.Name",
        ),
        (
            "Parent__r.AnnualRevenue > '5'",
            "field Parent__r.AnnualRevenue (character 1) is a number",
        ),
    ]);
}

#[test]
fn an_operator_that_a_type_does_not_have_is_named_with_what_it_has() {
    expect(&[
        (
            "Flag__c > true",
            "is true or false, for which there is no >: compare it by = or !=",
        ),
        (
            "Count__c LIKE '5%'",
            "is a number, for which there is no LIKE: compare it by =, <, > or IN",
        ),
        (
            "Parent__c LIKE '001%'",
            "is an Id, for which there is no LIKE: compare it by = or !=",
        ),
        (
            "Name includes ('a')",
            "is a text, for which there is no INCLUDES: compare it by IN or NOT IN",
        ),
        (
            "Many__c <= 'a'",
            "there is no <=: compare it by =, !=, INCLUDES or EXCLUDES",
        ),
    ]);
}

#[test]
fn every_wrong_comparison_is_told_at_once() {
    let problems = problems("Flag__c = 1 OR (Count__c = 'x' AND Name = 'ok') OR Nmae = 5");
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn what_salesforce_takes_or_may_take_is_left_to_it() {
    for condition in [
        "Count__c IN (1, -2, +3.5) AND Price__c > USD5000 AND Rate__c = 1e3 AND Long__c != null",
        "Flag__c = TRUE AND Name != '' AND Call__c LIKE '+49%' AND Picklist__c IN ('a') AND Combo__c >= 'b'",
        "Day__c = LAST_N_DAYS:30 AND Day__c > 2026-01-31 AND Moment__c < TODAY AND Moment__c > 2026-01-31T08:00:00Z",
        "Hour__c > 08:00:00Z AND Many__c INCLUDES ('a;b') AND Many__c = 'a' AND Parent__c = ''",
        "Parent__c IN ('001000000000001', '001000000000001AAA') AND Parent__c IN (SELECT Id FROM Account)",
        // A function gives what it gives, and these types have rules of their own.
        "CALENDAR_YEAR(Moment__c) = 2026 AND Any__c = 5 AND Category__c = 5",
        // Not a day: Salesforce says so better than a guess.
        "Day__c = 2026-13-45",
    ] {
        assert_eq!(problems(condition), Vec::<String>::new(), "{condition}");
    }
}
