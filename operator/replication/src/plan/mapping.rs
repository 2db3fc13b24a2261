//! The `Directory` mapping: the columns of a telephone directory, the same for Contact, Account, Lead and User.
//!
//! One set of columns for all four, so that one `UNION ALL` view is the directory; where an object has nothing to give,
//! the column is there and NULL. The table is that of directory.md 5.5, and describe has the last word: a field that the
//! user may not see leaves its column NULL, since permissions come and go and a directory should not stop for one of
//! them. Person Accounts have their fields only where describe shows them.

use super::{
    column::ColumnKind,
    draft::{Draft, DraftValue, Origin},
    findings::Findings,
    schema::{Found, Lookup},
    suggest, template,
};

/// Where one object's value of a column comes from.
#[derive(Debug, Clone, Copy)]
enum Cell {
    /// This object has none.
    Nothing,
    /// A field, or a parent's field.
    Field(&'static str),
    /// A field that only orgs with Person Accounts have.
    Person(&'static str),
    /// A URL template.
    Url(&'static str),
}

/// A column of the directory; `empty` is what it holds where no describe tells.
struct Row {
    column: &'static str,
    empty: ColumnKind,
    cells: [Cell; 4],
}

const TEXT: ColumnKind = ColumnKind::Text { length: None };
const ID: ColumnKind = ColumnKind::Id;
const FLAG: ColumnKind = ColumnKind::Boolean;
const NOTHING: Cell = Cell::Nothing;

const fn field(name: &'static str) -> Cell {
    Cell::Field(name)
}

const fn person(name: &'static str) -> Cell {
    Cell::Person(name)
}

const fn row(column: &'static str, empty: ColumnKind, cells: [Cell; 4]) -> Row {
    Row { column, empty, cells }
}

/// What tells a Person Account from a company; only orgs with Person Accounts have it.
const PERSON: &str = "IsPersonAccount";

/// The objects of the mapping, in the order of each row's cells.
const OBJECTS: [&str; 4] = ["Contact", "Account", "Lead", "User"];

/// directory.md 5.5, in its order.
#[rustfmt::skip] // A table is read by its columns.
const ROWS: [Row; 28] = [
    //                          Contact                     Account                         Lead                 User
    row("display_name",   TEXT, [field("Name"),              field("Name"),                  field("Name"),       field("Name")]),
    row("given_name",     TEXT, [field("FirstName"),         person("FirstName"),            field("FirstName"),  field("FirstName")]),
    row("surname",        TEXT, [field("LastName"),          person("LastName"),             field("LastName"),   field("LastName")]),
    row("salutation",     TEXT, [field("Salutation"),        person("Salutation"),           field("Salutation"), NOTHING]),
    row("job_title",      TEXT, [field("Title"),             person("PersonTitle"),          field("Title"),      field("Title")]),
    row("department",     TEXT, [field("Department"),        NOTHING,                        NOTHING,             field("Department")]),
    row("company",        TEXT, [field("Account.Name"),      field("Name"),                  field("Company"),    field("CompanyName")]),
    row("company_id",     ID,   [field("AccountId"),         field("Id"),                    NOTHING,             NOTHING]),
    row("street",         TEXT, [field("MailingStreet"),     field("BillingStreet"),         field("Street"),     field("Street")]),
    row("postal_code",    TEXT, [field("MailingPostalCode"), field("BillingPostalCode"),     field("PostalCode"), field("PostalCode")]),
    row("city",           TEXT, [field("MailingCity"),       field("BillingCity"),           field("City"),       field("City")]),
    row("state",          TEXT, [field("MailingState"),      field("BillingState"),          field("State"),      field("State")]),
    row("country",        TEXT, [field("MailingCountry"),    field("BillingCountry"),        field("Country"),    field("Country")]),
    row("phone_business", TEXT, [field("Phone"),             NOTHING,                        field("Phone"),      field("Phone")]),
    row("phone_company",  TEXT, [field("Account.Phone"),     field("Phone"),                 NOTHING,             NOTHING]),
    row("phone_mobile",   TEXT, [field("MobilePhone"),       person("PersonMobilePhone"),    field("MobilePhone"), field("MobilePhone")]),
    row("phone_home",     TEXT, [field("HomePhone"),         person("PersonHomePhone"),      NOTHING,             NOTHING]),
    row("phone_other",    TEXT, [field("OtherPhone"),        person("PersonOtherPhone"),     NOTHING,             NOTHING]),
    row("phone_assistant", TEXT, [field("AssistantPhone"),   person("PersonAssistantPhone"), NOTHING,             NOTHING]),
    row("phone_internal", TEXT, [NOTHING,                    NOTHING,                        NOTHING,             field("Extension")]),
    row("fax",            TEXT, [field("Fax"),               field("Fax"),                   field("Fax"),        field("Fax")]),
    row("email",          TEXT, [field("Email"),             person("PersonEmail"),          field("Email"),      field("Email")]),
    row("website",        TEXT, [field("Account.Website"),   field("Website"),               field("Website"),    NOTHING]),
    row("do_not_call",    FLAG, [field("DoNotCall"),         NOTHING,                        field("DoNotCall"),  NOTHING]),
    row("contact_url_1",  TEXT, [
        Cell::Url("{instanceUrl}/lightning/r/Contact/{Id}/view"),
        Cell::Url("{instanceUrl}/lightning/r/Account/{Id}/view"),
        Cell::Url("{instanceUrl}/lightning/r/Lead/{Id}/view"),
        Cell::Url("{instanceUrl}/lightning/r/User/{Id}/view"),
    ]),
    row("contact_url_2",  TEXT, [Cell::Url("{instanceUrl}/lightning/r/Account/{AccountId}/view"), NOTHING, NOTHING, NOTHING]),
    row("contact_url_3",  TEXT, [NOTHING,                    NOTHING,                        NOTHING,             NOTHING]),
    row("owner_id",       ID,   [field("OwnerId"),           field("OwnerId"),               field("OwnerId"),    NOTHING]),
];

/// Whether the mapping knows an object.
pub(super) fn knows(object: &str) -> bool {
    OBJECTS.iter().any(|known| known.eq_ignore_ascii_case(object))
}

/// The rows of the table for one object.
fn rows_of(object: &str) -> impl Iterator<Item = (&'static Row, Cell)> {
    let position = OBJECTS.iter().position(|known| known.eq_ignore_ascii_case(object));
    ROWS.iter().map(move |row| {
        (
            row,
            position
                .and_then(|position| row.cells.get(position).copied())
                .unwrap_or(NOTHING),
        )
    })
}

/// Written paths of the parents' fields that the mapping takes for an object.
pub(super) fn linked_fields(object: &str) -> impl Iterator<Item = &'static str> {
    rows_of(object).filter_map(|(_, cell)| match cell {
        Cell::Field(name) if name.contains('.') => Some(name),
        Cell::Field(_) | Cell::Person(_) | Cell::Url(_) | Cell::Nothing => None,
    })
}

/// The mapping's columns for the object; `exclude` names fields whose columns stay NULL.
pub(super) fn drafts(lookup: Lookup<'_>, exclude: &[String], findings: &mut Findings<'_>) -> Vec<Draft> {
    check_excluded(lookup, exclude, findings);
    let is_excluded = |name: &str| exclude.iter().any(|excluded| excluded.eq_ignore_ascii_case(name));
    let has_persons = lookup.find(PERSON).is_ok();
    rows_of(lookup.name())
        .map(|(row, cell)| {
            let value = match cell {
                Cell::Nothing => DraftValue::Empty(row.empty),
                Cell::Field(name) | Cell::Person(name) => match usable(lookup, name) {
                    Some((_, kind)) if is_excluded(name) => DraftValue::Excluded(kind),
                    Some((found, kind)) => DraftValue::Field(found.path, kind),
                    // What the column has was read before the field went, and is as unwanted.
                    None if is_excluded(name) => DraftValue::Excluded(row.empty),
                    None if matches!(cell, Cell::Person(_)) && !has_persons => DraftValue::Empty(row.empty),
                    None => DraftValue::Missing(name.to_owned(), row.empty),
                },
                Cell::Url(text) => match unknown_name(lookup, text) {
                    Some(name) => DraftValue::Missing(name, row.empty),
                    None => DraftValue::Template(text.to_owned()),
                },
            };
            Draft {
                column: row.column.to_owned(),
                value,
                origin: Origin::Default,
            }
        })
        .collect()
}

/// A field that can become a column.
fn usable<'a>(lookup: Lookup<'a>, name: &str) -> Option<(Found<'a>, ColumnKind)> {
    let found = lookup.find(name).ok()?;
    let kind = ColumnKind::of(found.field).ok()?;
    Some((found, kind))
}

/// The first name of a template of ours that describe lacks.
fn unknown_name(lookup: Lookup<'_>, text: &str) -> Option<String> {
    template::parse(text).ok()?.into_iter().find_map(|piece| match piece {
        template::Piece::Name(name) if lookup.find(&name).is_err() => Some(name),
        template::Piece::Name(_) | template::Piece::Literal(_) | template::Piece::InstanceUrl => None,
    })
}

/// `exclude` has to name fields that the mapping takes: anything else is a slip.
fn check_excluded(lookup: Lookup<'_>, exclude: &[String], findings: &mut Findings<'_>) {
    let taken: Vec<(&str, &str)> = rows_of(lookup.name())
        .filter_map(|(row, cell)| match cell {
            Cell::Field(name) | Cell::Person(name) => Some((name, row.column)),
            Cell::Url(_) | Cell::Nothing => None,
        })
        .collect();
    for name in exclude {
        if taken.iter().any(|(taken, _)| taken.eq_ignore_ascii_case(name)) {
            continue;
        }
        let by_column = taken
            .iter()
            .find(|(_, column)| column.eq_ignore_ascii_case(name))
            .map(|(field, _)| *field);
        let by_name = || suggest::hint(name, taken.iter().map(|(field, _)| *field));
        let hint = by_column.map_or_else(by_name, |field| format!("; did you mean {field}?"));
        findings.problem(format!("exclude: the Directory mapping takes no field {name}{hint}"));
    }
}

/// Conditions that leave out what a directory of this object should not have (design 8): people who have become somebody
/// else's row (converted leads, Person Accounts where Contact has them), and users who are gone or no people.
pub(super) fn conditions(lookup: Lookup<'_>, with_contacts: bool, findings: &mut Findings<'_>) -> Vec<String> {
    let implied: &[(&str, &str, &str)] = match lookup.name() {
        "Lead" => &[("IsConverted", "IsConverted = false", "converted leads")],
        "User" => &[
            ("IsActive", "IsActive = true", "inactive users"),
            ("UserType", "UserType = 'Standard'", "users that are no people"),
        ],
        // Without the field the org has no Person Accounts, which is nothing to tell.
        "Account" if with_contacts && lookup.find(PERSON).is_ok() => {
            &[(PERSON, "IsPersonAccount = false", "Person Accounts")]
        }
        _ => &[],
    };
    let mut conditions = Vec::with_capacity(implied.len());
    for (field, condition, records) in implied {
        match lookup.find(field) {
            Ok(found) if found.field.filterable => conditions.push((*condition).to_owned()),
            Ok(_) | Err(_) => findings.warning(format!(
                "{records} are not left out of the table: {field} does not exist, or the Salesforce user may not read it"
            )),
        }
    }
    conditions
}
