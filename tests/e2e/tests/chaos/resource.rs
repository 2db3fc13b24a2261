//! Resources by chance: which objects go into which columns, which of their records, and what becomes of deleted ones.

use e2e::{
    condition::{CONDITIONS, Condition, Meets, implied},
    database::Database,
};
use fastrand::Rng;
use serde_json::{Value, json};
use url::Url;

/// A resource.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) objects: Vec<Entry>,
    consistency: Value,
    parallelism: u32,
}

/// An entry of `objects`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) object: &'static str,
    mapping: &'static str,
    pub(crate) deletes: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    urls: Vec<(&'static str, &'static str)>,
    /// Index into [`CONDITIONS`].
    condition: Option<usize>,
}

/// Object, mapping, linked fields and URLs.
type Variant = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

/// What may be replicated, and how.
const VARIANTS: [Variant; 14] = [
    ("Contact", "Directory", &[], &[]),
    (
        "Contact",
        "Directory",
        &[("Account.Industry", "industry"), ("ReportsTo.Email", "boss")],
        &[("contact_url_3", "https://phone.example/{LastName}?of={Account.Name}")],
    ),
    (
        "Contact",
        "Mirror",
        &[
            ("Account.Name", "account_name"),
            ("ReportsTo.Phone", "boss_phone"),
            ("Owner.Name", "owner_name"),
        ],
        &[],
    ),
    (
        "Contact",
        "None",
        &[
            ("LastName", "name"),
            ("Email", "email"),
            ("Account.Phone", "phone"),
            ("Company_Phone__c", "formula"),
        ],
        &[("url", "https://crm.example/{Id}/{Account.Site}")],
    ),
    (
        "Account",
        "Directory",
        &[],
        &[("search", "https://phone.example/{Name}/{Phone}")],
    ),
    (
        "Account",
        "Mirror",
        &[("Parent.Name", "parent_name"), ("Owner.Email", "owner_email")],
        &[],
    ),
    ("Account", "Mirror", &[], &[]),
    ("Lead", "Directory", &[], &[]),
    ("Lead", "Mirror", &[("Owner.Name", "owner_name")], &[]),
    ("User", "Directory", &[], &[]),
    ("User", "Mirror", &[("Manager.Name", "manager_name")], &[]),
    (
        "Specimen__c",
        "Mirror",
        &[
            ("Account__r.Name", "account_label"),
            ("Contact__r.Email", "contact_email"),
        ],
        &[],
    ),
    ("Opportunity", "Mirror", &[("Account.Name", "account_name")], &[]),
    ("Case", "Mirror", &[("Contact.Email", "contact_mail")], &[]),
];

impl Resource {
    /// Some objects, parents of one another among them. In a tame life no run heals what an Incremental missed.
    pub(crate) fn random(rng: &mut Rng, tame: bool) -> Self {
        let count = rng.usize(3..=5);
        let mut objects: Vec<Entry> = Vec::new();
        while objects.len() < count {
            let (object, mapping, fields, urls) = VARIANTS[rng.usize(..VARIANTS.len())];
            if objects.iter().any(|known| known.object == object) {
                continue;
            }
            let mut entry = Entry {
                object,
                mapping,
                deletes: ["Remove", "Remove", "Mark", "Ignore"][rng.usize(..4)],
                fields: fields.to_vec(),
                urls: urls.to_vec(),
                condition: None,
            };
            if rng.u32(..3) > 0 {
                entry.change_condition(rng);
            }
            objects.push(entry);
        }
        let pick = |rng: &mut Rng, from: &[&'static str]| if tame { "0s" } else { from[rng.usize(..from.len())] };
        Self {
            objects,
            consistency: json!({
                "overlap": "10m",
                "verifyEvery": pick(rng, &["5m", "1h", "6h", "0s"]),
                "reconcileEvery": pick(rng, &["1h", "24h", "0s"]),
                "refreshEvery": pick(rng, &["2h", "24h", "168h", "0s"]),
                "maxDeletePercent": 100,
            }),
            parallelism: rng.u32(1..=3),
        }
    }

    /// As the API server would give it.
    pub(crate) fn spec(&self, login_url: &Url, database: &Database) -> Value {
        let objects: Vec<Value> = self.objects.iter().map(Entry::json).collect();
        json!({
            "connection": {
                "loginUrl": login_url.to_string(),
                "auth": {"password": {"secretRef": {"name": "org"}}},
            },
            "destination": match database {
                Database::Postgres { .. } => json!({"postgres": {"secretRef": {"name": "database"}}}),
                Database::Sqlite { file } => json!({"sqlite": {"file": file.file_name().unwrap().to_str().unwrap()}}),
            },
            "objects": objects,
            "consistency": self.consistency,
            "parallelism": self.parallelism,
        })
    }

    /// Whether a condition needs the field.
    pub(crate) fn decides_by(&self, object: &str, field: &str) -> bool {
        let conditions = self.objects.iter().filter_map(Entry::condition);
        let mut decisive = conditions.flat_map(|condition| condition.decided_by);
        decisive.any(|(own, name, _)| *own == object && *name == field)
    }
}

impl Entry {
    fn json(&self) -> Value {
        let mut entry = json!({"name": self.object, "mapping": self.mapping, "deletes": self.deletes});
        let list = |pairs: &[(&str, &str)], first: &str, second: &str| -> Value {
            pairs
                .iter()
                .map(|(left, right)| json!({first: left, second: right}))
                .collect()
        };
        if !self.fields.is_empty() {
            entry["fields"] = list(&self.fields, "source", "column");
        }
        if !self.urls.is_empty() {
            entry["urls"] = list(&self.urls, "column", "template");
        }
        if let Some(condition) = self.condition() {
            entry["where"] = json!(condition.soql);
        }
        entry
    }

    /// The condition that is written.
    pub(crate) fn condition(&self) -> Option<&'static Condition> {
        self.condition.map(|place| &CONDITIONS[place])
    }

    /// What a record must be to stand in the table.
    pub(crate) fn meets(&self) -> Vec<Meets> {
        let implied = implied(self.object).filter(|_| self.mapping == "Directory");
        let written = self.condition().map(|condition| condition.meets);
        implied.into_iter().chain(written).collect()
    }

    /// Takes another condition of the object, or none.
    pub(crate) fn change_condition(&mut self, rng: &mut Rng) {
        let own = (0..CONDITIONS.len()).filter(|place| CONDITIONS[*place].object == self.object);
        let mut choices: Vec<Option<usize>> = own.map(Some).collect();
        choices.push(None);
        self.condition = choices[rng.usize(..choices.len())];
    }

    /// Asks for one column more, or for one less.
    pub(crate) fn change_columns(&mut self) {
        const MORE: (&str, &str) = ("chaos_url", "https://chaos.example/{Id}");
        match self.urls.iter().position(|url| *url == MORE) {
            Some(place) => drop(self.urls.remove(place)),
            None => self.urls.push(MORE),
        }
    }
}
