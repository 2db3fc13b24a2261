//! What Salesforce does with people by itself: a lead becomes an account and a contact, and a person account is one person in
//! two rows (directory.md section 5.2), of which each change reaches the other.

use super::{
    WriteError,
    change::{Change, Context, Stamps, number},
    store::Store,
    table::State,
};
use crate::{
    clock::to_wire,
    config::Config,
    data::Generator,
    schema::{Object, PersonAccounts},
};

/// The rows that a converted lead became.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Converted {
    /// Id of the account.
    pub account: String,
    /// Id of the contact.
    pub contact: String,
}

/// The rows of a person account.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Person {
    /// Id of the account.
    pub account: String,
    /// Id of its contact.
    pub contact: String,
}

/// Fields that both rows of a person have by the same name; the account's others have `Person` before the contact's name.
const SHARED: [&str; 6] = ["LastName", "FirstName", "Salutation", "Phone", "Fax", "OwnerId"];

/// The contact's field of an account's field, where there is one.
fn of_contact<'a>(account: &Object, contact: &'a Object, field: &str) -> Option<&'a str> {
    let field = &account.field(field)?.name;
    let name = if SHARED.contains(&field.as_str()) {
        field
    } else {
        field.strip_prefix("Person")?
    };
    contact.field(name).map(|field| field.name.as_str())
}

/// The account's field of a contact's field, where there is one.
fn of_account<'a>(account: &'a Object, contact: &Object, field: &str) -> Option<&'a str> {
    let field = &contact.field(field)?.name;
    let field = if SHARED.contains(&field.as_str()) {
        account.field(field)
    } else {
        account.field(&format!("Person{field}"))
    };
    field.map(|field| field.name.as_str())
}

impl Change<'_> {
    /// Converts a lead, as a person does who makes no opportunity of it.
    pub(crate) fn convert_lead(&mut self, id: &str) -> Result<Converted, WriteError> {
        let lead = self.store.object("Lead")?;
        let n = number(lead, id)?;
        let row = self.row(lead, n)?;
        let text = |field: &str| (field.to_owned(), self.text(lead, n, &row, field).unwrap_or_default());
        let named = |from: &str, to: &str| (to.to_owned(), text(from).1);
        if row.state != State::Live || text("IsConverted").1 == "true" {
            let message = format!("Lead {id} is deleted or converted already");
            return Err(WriteError::new("CANNOT_UPDATE_CONVERTED_LEAD", message));
        }
        let account = [named("Company", "Name"), text("Phone"), text("Website")];
        let mut contact = [
            "LastName",
            "FirstName",
            "Salutation",
            "Title",
            "Phone",
            "MobilePhone",
            "Fax",
            "Email",
        ]
        .map(text)
        .to_vec();
        let account = self.create("Account", &account)?;
        contact.push(("AccountId".to_owned(), account.clone()));
        let contact = self.create("Contact", &contact)?;
        self.note_conversion(id, &account, &contact, Stamps::Both)?;
        Ok(Converted { account, contact })
    }

    fn note_conversion(&mut self, id: &str, account: &str, contact: &str, stamps: Stamps) -> Result<(), WriteError> {
        let now = to_wire(self.context.now);
        let today = now.get(..10).unwrap_or_default().to_owned();
        let values = [
            ("IsConverted", "true"),
            ("Status", "Closed - Converted"),
            ("ConvertedDate", &today),
            ("ConvertedAccountId", account),
            ("ConvertedContactId", contact),
        ]
        .map(|(field, text)| (field.to_owned(), text.to_owned()));
        self.update("Lead", id, &values, stamps)
    }

    /// Makes a person account: an account, and the contact that belongs to it. `values` are fields of the account.
    pub(crate) fn create_person(&mut self, values: &[(String, String)]) -> Result<Person, WriteError> {
        let (account, contact) = (self.store.object("Account")?, self.store.object("Contact")?);
        if account.field("IsPersonAccount").is_none() {
            return Err(WriteError::new(
                "INVALID_OPERATION",
                "person accounts are not enabled in this org",
            ));
        }
        let mut of_person: Vec<(String, String)> = values
            .iter()
            .filter_map(|(field, text)| {
                of_contact(account, contact, field).map(|field| (field.to_owned(), text.clone()))
            })
            .collect();
        let mut own = values.to_vec();
        own.push(("IsPersonAccount".to_owned(), "true".to_owned()));
        let account = self.create("Account", &own)?;
        of_person.push(("AccountId".to_owned(), account.clone()));
        of_person.push(("IsPersonAccount".to_owned(), "true".to_owned()));
        let contact = self.create("Contact", &of_person)?;
        let link = [("PersonContactId".to_owned(), contact.clone())];
        self.update_row("Account", &account, &link, Stamps::Neither)?;
        Ok(Person { account, contact })
    }

    /// Carries a change of one row of a person to the other.
    pub(super) fn mirror(
        &mut self,
        object: &Object,
        id: &str,
        values: &[(String, String)],
        stamps: Stamps,
    ) -> Result<(), WriteError> {
        let reference = match object.name.as_str() {
            "Account" => "PersonContactId",
            "Contact" => "AccountId",
            _ => return Ok(()),
        };
        let (account, contact) = (self.store.object("Account")?, self.store.object("Contact")?);
        let is_person =
            contact.field("IsPersonAccount").is_some() && self.read(&object.name, id, "IsPersonAccount")? == "true";
        if !is_person {
            return Ok(());
        }
        let counterpart = |field: &str| {
            if object.name == "Account" {
                of_contact(account, contact, field)
            } else {
                of_account(account, contact, field)
            }
        };
        let mirrored: Vec<(String, String)> = values
            .iter()
            .filter_map(|(field, text)| counterpart(field).map(|field| (field.to_owned(), text.clone())))
            .collect();
        let other = self.read(&object.name, id, reference)?;
        if mirrored.is_empty() || other.is_empty() {
            return Ok(());
        }
        let target = if object.name == "Account" { "Contact" } else { "Account" };
        self.update_row(target, &other, &mirrored, stamps)
    }
}

/// Makes some rows of a new org what its configuration asks for. Stamps stay as they are, but for persons, who are new.
pub(super) fn settle(store: &mut Store, context: &Context, config: &Config) -> Result<(), WriteError> {
    let users = store.generator.rows("User");
    let logins = u64::try_from(config.logins.len()).unwrap_or(u64::MAX);
    // From the end, so that those who log in stay what they are.
    let inactive = users.saturating_sub(config.inactive_users).max(logins)..users;
    let technical = inactive.start.saturating_sub(config.technical_users).max(logins)..inactive.start;
    let parents = (store.generator.rows("Account"), store.generator.rows("Contact"));
    store.write(None, context, |change| {
        let object = change.store.object("User")?;
        for (range, field, text) in [
            (inactive, "IsActive", "false"),
            (technical, "UserType", "AutomatedProcess"),
        ] {
            for n in range {
                let value = [(field.to_owned(), text.to_owned())];
                change.update("User", &Generator::id(object, n), &value, Stamps::Neither)?;
            }
        }
        let objects = ["Lead", "Account", "Contact"].map(|name| change.store.object(name));
        let [Ok(lead), Ok(account), Ok(contact)] = objects else {
            return Ok(());
        };
        for n in 0..config.converted_leads.min(config.leads) {
            let parent = |object, rows: u64| {
                n.checked_rem(rows)
                    .map(|n| Generator::id(object, n))
                    .unwrap_or_default()
            };
            // Every second one, as far as that goes: converted leads lie among the others.
            let every = if config.converted_leads.saturating_mul(2) <= config.leads {
                2
            } else {
                1
            };
            let id = Generator::id(lead, n * every);
            change.note_conversion(
                &id,
                &parent(account, parents.0),
                &parent(contact, parents.1),
                Stamps::Neither,
            )?;
        }
        if config.person_accounts == PersonAccounts::Enabled {
            for n in 0..config.persons {
                let values = [
                    ("LastName", format!("Person {n}")),
                    ("FirstName", "Example".to_owned()),
                    ("Phone", format!("+49 89 {n:06}")),
                    ("PersonMobilePhone", format!("+49 170 {n:07}")),
                    ("PersonEmail", format!("person{n}@example.com")),
                    ("PersonMailingCity", "München".to_owned()),
                ]
                .map(|(field, text)| (field.to_owned(), text));
                change.create_person(&values)?;
            }
        }
        Ok(())
    })
}
