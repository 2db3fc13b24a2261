//! Conditions for tests: as SOQL, and as what a row must be.
//!
//! The simulator's SOQL decides what the replicator reads. Whether it read the right rows is decided here, by a few lines of
//! Rust for each condition, which know nothing of SOQL.

use simulator::Row;

use crate::column::{Records, own};

/// A condition of an object.
#[derive(Debug)]
pub struct Condition {
    /// The object.
    pub object: &'static str,
    /// What stands in `where`.
    pub soql: &'static str,
    /// The same in Rust.
    pub meets: Meets,
    /// It may begin or cease to be met without a change of the record's own.
    pub moves: bool,
    /// Object and field that decide, and values that decide one way and the other; an empty one is null.
    pub decided_by: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// Whether a row is to be in the table.
pub type Meets = fn(&Row, &Records) -> bool;

/// Conditions over fields of all kinds, some of them over a parent's.
pub const CONDITIONS: [Condition; 15] = [
    Condition {
        object: "Contact",
        soql: "DoNotCall = false",
        meets: |row, _| !is(row, "DoNotCall", "true"),
        moves: false,
        decided_by: &[("Contact", "DoNotCall", &["true", "false"])],
    },
    Condition {
        object: "Contact",
        soql: "Level__c IN ('Primary', 'Secondary') OR Email = null",
        meets: |row, _| {
            is(row, "Level__c", "Primary") || is(row, "Level__c", "Secondary") || own(row, "Email").is_none()
        },
        moves: false,
        decided_by: &[
            ("Contact", "Level__c", &["Primary", "Secondary", "Tertiary", ""]),
            ("Contact", "Email", &["a@example.com", ""]),
        ],
    },
    Condition {
        object: "Contact",
        soql: "Account.Industry = 'Banking' OR Account.Industry = null",
        meets: |row, records| match linked(row, records, "AccountId", "Account", "Industry") {
            Some(industry) => industry.eq_ignore_ascii_case("Banking"),
            None => true,
        },
        moves: true,
        decided_by: &[("Account", "Industry", &["Banking", "Media", ""])],
    },
    Condition {
        object: "Account",
        soql: "Rating != 'Cold' AND NumberOfEmployees >= 100",
        meets: |row, _| {
            !is(row, "Rating", "Cold") && number(row, "NumberOfEmployees").is_some_and(|number| number >= 100.0)
        },
        moves: false,
        decided_by: &[
            ("Account", "Rating", &["Hot", "Cold", ""]),
            ("Account", "NumberOfEmployees", &["99", "100", "5000", ""]),
        ],
    },
    Condition {
        object: "Account",
        soql: "(Name LIKE 'a%' OR Type = 'Other') AND NOT (Site LIKE '%x%')",
        meets: |row, _| {
            let begins = own(row, "Name").is_some_and(|name| name.to_lowercase().starts_with('a'));
            let with_x = own(row, "Site").is_some_and(|site| site.to_lowercase().contains('x'));
            (begins || is(row, "Type", "Other")) && !with_x
        },
        moves: false,
        decided_by: &[
            ("Account", "Name", &["Alpha AG", "Beta KG"]),
            ("Account", "Type", &["Other", "Prospect"]),
            ("Account", "Site", &["Next", "Here", ""]),
        ],
    },
    Condition {
        object: "Account",
        soql: "Parent.Rating = 'Hot' OR ParentId = null",
        meets: |row, records| {
            own(row, "ParentId").is_none()
                || linked(row, records, "ParentId", "Account", "Rating").is_some_and(|rating| rating == "Hot")
        },
        moves: true,
        decided_by: &[("Account", "Rating", &["Hot", "Cold"])],
    },
    Condition {
        object: "Lead",
        soql: "Rating IN ('Hot', 'Warm') OR Industry = 'Media'",
        meets: |row, _| is(row, "Rating", "Hot") || is(row, "Rating", "Warm") || is(row, "Industry", "Media"),
        moves: false,
        decided_by: &[
            ("Lead", "Rating", &["Hot", "Warm", "Cold", ""]),
            ("Lead", "Industry", &["Media", "Banking"]),
        ],
    },
    Condition {
        object: "Lead",
        soql: "City != null",
        meets: |row, _| own(row, "City").is_some(),
        moves: false,
        decided_by: &[("Lead", "City", &["Starnberg", ""])],
    },
    Condition {
        object: "User",
        soql: "Department != 'Sales'",
        meets: |row, _| !is(row, "Department", "Sales"),
        moves: false,
        decided_by: &[("User", "Department", &["Sales", "Support", ""])],
    },
    Condition {
        object: "Specimen__c",
        soql: "Checkbox__c = true AND Double__c > 0",
        meets: |row, _| is(row, "Checkbox__c", "true") && number(row, "Double__c").is_some_and(|number| number > 0.0),
        moves: false,
        decided_by: &[
            ("Specimen__c", "Checkbox__c", &["true", "false"]),
            ("Specimen__c", "Double__c", &["-1", "0", "0.0001", "7"]),
        ],
    },
    Condition {
        object: "Specimen__c",
        soql: "Account__r.Rating = 'Hot' OR Int__c < 0",
        meets: |row, records| {
            linked(row, records, "Account__c", "Account", "Rating").is_some_and(|rating| rating == "Hot")
                || number(row, "Int__c").is_some_and(|number| number < 0.0)
        },
        moves: true,
        decided_by: &[
            ("Account", "Rating", &["Hot", "Cold"]),
            ("Specimen__c", "Int__c", &["-1", "1", ""]),
        ],
    },
    Condition {
        object: "Specimen__c",
        soql: "Date__c >= 2020-01-01",
        meets: |row, _| own(row, "Date__c").is_some_and(|date| date.as_str() >= "2020-01-01"),
        moves: false,
        decided_by: &[("Specimen__c", "Date__c", &["2019-12-31", "2020-01-01", ""])],
    },
    Condition {
        object: "Opportunity",
        soql: "Amount >= 1000 AND NextStep = null",
        meets: |row, _| number(row, "Amount").is_some_and(|amount| amount >= 1000.0) && own(row, "NextStep").is_none(),
        moves: false,
        decided_by: &[
            ("Opportunity", "Amount", &["999.99", "1000", "1.0E7"]),
            ("Opportunity", "NextStep", &["call", ""]),
        ],
    },
    Condition {
        object: "Opportunity",
        soql: "Account.Rating = 'Hot'",
        meets: |row, records| {
            linked(row, records, "AccountId", "Account", "Rating").is_some_and(|rating| rating == "Hot")
        },
        moves: true,
        decided_by: &[("Account", "Rating", &["Hot", "Cold"])],
    },
    Condition {
        object: "Case",
        soql: "Priority = 'High'",
        meets: |row, _| is(row, "Priority", "High"),
        moves: false,
        decided_by: &[("Case", "Priority", &["High", "Low"])],
    },
];

/// What the Directory mapping leaves out by itself, in an org without Person Accounts (design 8).
pub fn implied(object: &str) -> Option<Meets> {
    match object {
        "Lead" => Some(|row, _| !is(row, "IsConverted", "true")),
        "User" => Some(|row, _| is(row, "IsActive", "true") && is(row, "UserType", "Standard")),
        _ => None,
    }
}

/// SOQL compares texts without regard to case.
fn is(row: &Row, field: &str, text: &str) -> bool {
    own(row, field).is_some_and(|own| own.to_lowercase() == text.to_lowercase())
}

fn number(row: &Row, field: &str) -> Option<f64> {
    own(row, field)?.parse().ok()
}

fn linked(row: &Row, records: &Records, reference: &str, object: &str, field: &str) -> Option<String> {
    let id = own(row, reference)?;
    own(records.get(object)?.get(&id)?, field)
}
