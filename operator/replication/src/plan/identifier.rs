//! Names in the destination: how they follow from Salesforce's, and what may be written by hand.
//!
//! A name that we make is cut where the database would cut it in silence, and gets a hash of its whole self, so that it
//! is the same in each run and apart from its neighbours. A name that a person wrote is never changed: it is used as
//! it is, or refused.
//!
//! Names are compared without case: SQLite and MySQL do so, and a table whose columns differ by case only is nothing
//! that a reader wants.

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

use crate::destination::Capabilities;

/// Characters of a hash in a name that we make: 32 bits, against a handful of long names of one table.
const HASH_CHARACTERS: usize = 8;

/// Columns that the database has in every table. PostgreSQL refuses to make them (manual, "System Columns"); in SQLite
/// ours would hide `rowid`, by which rows are deleted. Refused for both, so that a resource can change its destination.
const SYSTEM_COLUMNS: [&str; 9] = [
    "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "rowid", "oid", "_rowid_",
];

/// An sObject's API name, in the case of describe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

/// A SQL identifier, unquoted, checked against the destination's limits when the plan is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Arc<str>);

impl ObjectName {
    /// Takes a name that describe or the resource's schema has checked.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Identifier {
    /// Takes a name that the plan has checked against the destination's limits.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// As text, unquoted: quoting is the business of the destination's `statement` module.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that follows from an API name: in snake case, cut to what the destination holds.
    pub(super) fn from_api_name(name: &str, capabilities: Capabilities) -> Self {
        Self::new(shorten(&snake_case(name), capabilities.max_identifier_bytes))
    }

    /// Name of the index over `columns` of `table`. It always ends in a hash of both, so that it depends on nothing
    /// else in the schema and `a_b (c)` is apart from `a (b_c)`.
    pub(super) fn of_index(table: &Self, columns: &[Self], capabilities: Capabilities) -> Self {
        let mut key = table.as_str().to_owned();
        let mut readable = table.as_str().to_owned();
        for column in columns {
            key.push('\0');
            key.push_str(column.as_str());
            readable.push('_');
            readable.push_str(column.as_str());
        }
        readable.push_str("_idx");
        Self::new(cut(&readable, &hash(&key), capabilities.max_identifier_bytes))
    }

    /// The name of the index of a table's marked rows, which no index of columns has.
    pub(super) fn of_marks(table: &Self, capabilities: Capabilities) -> Self {
        let readable = format!("{table}_marked_idx");
        let key = format!("{table}\0\0marked");
        Self::new(cut(&readable, &hash(&key), capabilities.max_identifier_bytes))
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The form of a name that is compared: two names with the same one cannot be in the same place.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// `MailingStreet` -> `mailing_street`, `Region__c` -> `region__c`, `URLField__c` -> `url_field__c`.
pub(super) fn snake_case(name: &str) -> String {
    let mut result = String::with_capacity(name.len() + 8);
    let mut before = None::<char>;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let word_begins = character.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase()))
            });
        if word_begins {
            result.push('_');
        }
        if character.is_alphanumeric() {
            result.extend(character.to_lowercase());
        } else {
            result.push('_');
        }
        before = Some(character);
    }
    result
}

/// The name itself where it fits into `max` bytes, else its beginning and a hash of all of it.
pub(super) fn shorten(name: &str, max: usize) -> String {
    if name.len() <= max {
        name.to_owned()
    } else {
        cut(name, &hash(name), max)
    }
}

/// `name_hash`, with as much of the name as fits into `max` bytes.
fn cut(name: &str, hash: &str, max: usize) -> String {
    let room = max.saturating_sub(hash.len() + 1);
    let mut end = room.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let head = name.get(..end).unwrap_or_default().trim_end_matches('_');
    format!("{head}_{hash}")
}

/// The first characters of SHA-256, in hexadecimal.
fn hash(text: &str) -> String {
    hex(&Sha256::digest(text)).chars().take(HASH_CHARACTERS).collect()
}

/// Bytes in hexadecimal, lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or('0');
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

/// What a written name stands for; the rules differ a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameOf {
    /// A table.
    Table,
    /// A column.
    Column,
}

/// Checks a name that a person wrote, or that followed from an API name. The answer goes behind "table x " or
/// "column x " in a problem.
pub(super) fn check(name: &str, of: NameOf, capabilities: Capabilities) -> Result<(), String> {
    let Some(first) = name.chars().next() else {
        return Err("has no name".to_owned());
    };
    if let Some(odd) = name
        .chars()
        .find(|character| !(character.is_alphanumeric() || *character == '_'))
    {
        return Err(format!(
            "has the character {odd:?} in its name: use letters, digits and _"
        ));
    }
    if first.is_numeric() {
        return Err("begins with a digit: begin it with a letter".to_owned());
    }
    if name.len() > capabilities.max_identifier_bytes {
        return Err(format!(
            "has {} bytes in its name, and {} takes {}: choose a shorter one",
            name.len(),
            capabilities.name,
            capabilities.max_identifier_bytes
        ));
    }
    let folded = folded(name);
    match of {
        NameOf::Table if first == '_' => {
            Err("begins with _, as the replicator's own tables do: choose another name".to_owned())
        }
        NameOf::Table if folded.starts_with("sqlite_") => {
            Err("begins with sqlite_, which SQLite keeps for itself: choose another name".to_owned())
        }
        NameOf::Column if SYSTEM_COLUMNS.contains(&folded.as_str()) => {
            Err("has the name of a column that the database has in every table: choose another name".to_owned())
        }
        NameOf::Table | NameOf::Column => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn holding(max_identifier_bytes: usize) -> Capabilities {
        Capabilities {
            name: "PostgreSQL",
            max_identifier_bytes,
            max_columns: 1600,
            exact_digits: None,
            segment_rows: 2000,
        }
    }

    #[test]
    fn api_names_become_snake_case() {
        for (name, expected) in [
            ("Contact", "contact"),
            ("MailingStreet", "mailing_street"),
            ("Region__c", "region__c"),
            ("X__latitude__s", "x__latitude__s"),
            ("Location__Latitude__s", "location__latitude__s"),
            ("ns__My_Field__c", "ns__my_field__c"),
            ("AccountId", "account_id"),
            ("DoNotCall", "do_not_call"),
            ("HasOptedOutOfEmail", "has_opted_out_of_email"),
            ("URLField__c", "url_field__c"),
            ("OwnerID", "owner_id"),
            ("Is_VIP__c", "is_vip__c"),
            ("Address2Line", "address2_line"),
            ("AB2C", "ab2_c"),
            ("already_snake", "already_snake"),
        ] {
            assert_eq!(snake_case(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_that_fits_stays_and_a_longer_one_ends_in_its_hash() {
        let fits = "a".repeat(63);
        assert_eq!(shorten(&fits, 63), fits);
        let long = shorten(&"a".repeat(64), 63);
        assert_eq!(long.len(), 63);
        assert_eq!(
            long,
            format!("{}_ffe054fe", "a".repeat(54)),
            "the suffix is the same in every version"
        );
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let name = shorten(&"ü".repeat(40), 63);
        assert!(name.len() <= 63 && name.starts_with("üü"), "{name}");
    }

    #[test]
    fn index_names_tell_tables_and_columns_apart() {
        let name = |table: &str, columns: &[&str]| {
            let columns: Vec<_> = columns.iter().map(|column| Identifier::new(*column)).collect();
            Identifier::of_index(&Identifier::new(table), &columns, holding(63))
        };
        assert_eq!(name("contact", &["email"]).as_str(), "contact_email_idx_aa9a9d56");
        assert_ne!(name("a_b", &["c"]), name("a", &["b_c"]));
        assert_ne!(name("a", &["b", "c"]), name("a", &["c", "b"]));
        assert_ne!(name("a", &["b_c"]), name("a", &["b", "c"]));
    }

    #[test]
    fn written_names_are_checked_and_not_changed() {
        for (name, of, problem) in [
            ("region", NameOf::Column, None),
            ("Straße_2", NameOf::Column, None),
            ("_rank", NameOf::Column, None),
            ("", NameOf::Column, Some("has no name")),
            ("a b", NameOf::Column, Some("character ' '")),
            ("a\"b", NameOf::Table, Some("character '\"'")),
            ("a.b", NameOf::Table, Some("character '.'")),
            ("2nd", NameOf::Column, Some("begins with a digit")),
            ("_state", NameOf::Table, Some("begins with _")),
            ("SQLite_x", NameOf::Table, Some("sqlite_")),
            ("Ctid", NameOf::Column, Some("database has in every table")),
            (
                "abcdefghijk",
                NameOf::Table,
                Some("has 11 bytes in its name, and PostgreSQL takes 10"),
            ),
        ] {
            let found = check(name, of, holding(10)).err();
            match problem {
                None => assert_eq!(found, None, "{name}"),
                Some(text) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(text)),
                    "{name}: {found:?}"
                ),
            }
        }
    }

    proptest! {
        #[test]
        fn shortened_names_fit_and_stay_apart(
            names in proptest::collection::btree_set("[a-z]{60}[a-z0-9_]{1,40}", 1..40), max in 20_usize..64,
        ) {
            let short: BTreeSet<String> = names.iter().map(|name| shorten(name, max)).collect();
            prop_assert_eq!(short.len(), names.len());
            prop_assert!(short.iter().all(|name| name.len() <= max));
        }

        #[test]
        fn names_of_api_names_pass_their_own_check(name in "[A-Za-z][A-Za-z0-9]{0,60}(_[A-Za-z0-9]{1,20})?(__c)?") {
            let capabilities = holding(63);
            let identifier = Identifier::from_api_name(&name, capabilities);
            prop_assert!(identifier.as_str().len() <= 63);
            prop_assert_eq!(identifier.as_str(), folded(identifier.as_str()));
            if !SYSTEM_COLUMNS.contains(&identifier.as_str()) {
                prop_assert_eq!(check(identifier.as_str(), NameOf::Column, capabilities), Ok(()));
            }
        }
    }
}
