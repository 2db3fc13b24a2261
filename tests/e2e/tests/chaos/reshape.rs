//! Administrators: fields come and go, get other types, names and lengths, and permissions are withdrawn and restored.

use std::collections::BTreeMap;

use e2e::{resource::USERNAME, scramble::OWN_FIELDS, story::Story, truth::Known};
use fastrand::Rng;
use simulator::{
    Control,
    data::Content,
    schema::{Field, FieldType},
};

use super::resource::Resource;

/// Types that an administrator gives to a field, and changes it to.
const TYPES: [FieldType; 9] = [
    FieldType::String,
    FieldType::TextArea,
    FieldType::Boolean,
    FieldType::Double,
    FieldType::Currency,
    FieldType::Percent,
    FieldType::Date,
    FieldType::DateTime,
    FieldType::Phone,
];

/// Standard and custom fields that are withdrawn and restored, of children and of parents.
const SECRETS: [(&str, &str); 22] = [
    ("Contact", "Phone"),
    ("Contact", "MobilePhone"),
    ("Contact", "Title"),
    ("Contact", "Email"),
    ("Contact", "Region__c"),
    ("Contact", "ReportsToId"),
    ("Contact", "MailingCity"),
    ("Contact", "Company_Phone__c"),
    ("Account", "Phone"),
    ("Account", "Website"),
    ("Account", "Industry"),
    ("Account", "Site"),
    ("Account", "AnnualRevenue"),
    ("Lead", "Phone"),
    ("Lead", "Title"),
    ("User", "Department"),
    ("User", "Phone"),
    ("Specimen__c", "Text__c"),
    ("Specimen__c", "Int__c"),
    ("Specimen__c", "Date__c"),
    ("Opportunity", "Amount"),
    ("Case", "Subject"),
];

/// What administrators did.
#[derive(Debug)]
pub(crate) struct Shaper {
    org: Control,
    story: Story,
    objects: Vec<&'static str>,
    /// Fields that they made.
    made: Vec<(&'static str, String)>,
    /// Names of fields that they removed.
    free: Vec<(&'static str, String)>,
    withdrawn: Vec<(String, String)>,
    count: u32,
}

impl Shaper {
    pub(crate) fn new(org: &Control, story: &Story, objects: &[&'static str]) -> Self {
        Self {
            org: org.clone(),
            story: story.clone(),
            objects: objects.to_vec(),
            made: Vec::new(),
            free: Vec::new(),
            withdrawn: Vec::new(),
            count: 0,
        }
    }

    /// Changes the schema. What changes values without a stamp is noted.
    pub(crate) fn reshape(&mut self, rng: &mut Rng, known: &mut BTreeMap<&'static str, Known>) {
        if self.made.is_empty() || rng.u32(..5) < 2 {
            self.add(rng);
            return;
        }
        let place = rng.usize(..self.made.len());
        let (object, name) = self.made[place].clone();
        let mut unstamped = |name: &str| {
            known.entry(object).or_default().unstamped.insert(name.to_owned());
        };
        match rng.u32(..4) {
            0 => {
                self.story.tell(format!("remove field {object}.{name}"));
                // Refused while an open transaction has rows of the object; so are the next two.
                if self.org.remove_field(object, &name).is_ok() {
                    unstamped(&name);
                    self.free.push(self.made.remove(place));
                }
            }
            1 => {
                let to = TYPES[rng.usize(..TYPES.len())];
                self.story
                    .tell(format!("convert field {object}.{name} to {}", to.as_str()));
                if self.org.convert_field(object, &name, to).is_ok() {
                    unstamped(&name);
                }
            }
            2 => {
                self.count += 1;
                let to = format!("{OWN_FIELDS}{}__c", self.count);
                self.story.tell(format!("rename field {object}.{name} to {to}"));
                if self.org.rename_field(object, &name, &to).is_ok() {
                    unstamped(&name);
                    unstamped(&to);
                    self.made[place].1 = to;
                    self.withdrawn.retain(|(own, field)| own != object || *field != name);
                }
            }
            _ => {
                let more = rng.u32(1..200);
                self.story
                    .tell(format!("relabel field {object}.{name}, longer by {more}"));
                let change = |field: &mut Field| {
                    field.label = format!("{} (new)", field.label);
                    if field.length > 0 {
                        field.length += more;
                    }
                };
                self.org.change_field(object, &name, change).unwrap();
            }
        }
    }

    fn add(&mut self, rng: &mut Rng) {
        let again = !self.free.is_empty() && rng.bool();
        let (object, name) = if again {
            self.free.remove(rng.usize(..self.free.len()))
        } else {
            self.count += 1;
            let object = self.objects[rng.usize(..self.objects.len())];
            (object, format!("{OWN_FIELDS}{}__c", self.count))
        };
        let field_type = TYPES[rng.usize(..TYPES.len())];
        self.story
            .tell(format!("add field {object}.{name}: {}", field_type.as_str()));
        let field = Field::new(&name, field_type).content(Content::Null);
        self.org.add_field(object, field).unwrap();
        self.made.push((object, name));
    }

    /// Withdraws a field from the replicator's user, or gives one back.
    pub(crate) fn permit(&mut self, rng: &mut Rng, resource: &Resource) {
        if !self.withdrawn.is_empty() && rng.bool() {
            let (object, field) = self.withdrawn.remove(rng.usize(..self.withdrawn.len()));
            self.restore(&object, &field);
            return;
        }
        let made = self.made.iter().map(|(object, field)| (*object, field.as_str()));
        let choices: Vec<(&str, &str)> = SECRETS
            .into_iter()
            .chain(made)
            .filter(|(object, field)| !resource.decides_by(object, field))
            .filter(|(object, _)| self.objects.contains(object) || *object == "Account")
            .collect();
        if choices.is_empty() {
            return;
        }
        let (object, field) = choices[rng.usize(..choices.len())];
        self.story.tell(format!("withdraw {object}.{field}"));
        if self.org.withdraw(USERNAME, object, Some(field)).is_ok() {
            self.withdrawn.push((object.to_owned(), field.to_owned()));
        }
    }

    /// Gives everything back.
    pub(crate) fn restore_all(&mut self) {
        for (object, field) in std::mem::take(&mut self.withdrawn) {
            self.restore(&object, &field);
        }
    }

    fn restore(&self, object: &str, field: &str) {
        self.story.tell(format!("restore {object}.{field}"));
        // A field that was removed meanwhile has no permissions any more.
        self.org.grant(USERNAME, object, Some(field)).ok();
    }
}
