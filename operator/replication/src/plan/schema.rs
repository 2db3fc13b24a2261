//! What the org has, as far as a plan needs it: the list of its objects, and the fields of some of them.
//!
//! Making a plan is pure, so describes are fetched before, in two steps: the objects of the spec, then the parents that
//! their linked fields name ([`objects_needed`](super::objects_needed), [`parents_needed`](super::parents_needed)).

use std::collections::BTreeMap;

use salesforce::describe::{FieldDescribe, ObjectDescribe, ObjectSummary};

use super::{
    field_path::{FieldPath, Written},
    suggest,
};

/// The object that describes what polymorphic parents have in common (salesforce-api.md 7).
const POLYMORPHIC_PARENT: &str = "Name";

/// describeGlobal and the describes fetched so far.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    summaries: BTreeMap<String, ObjectSummary>,
    described: BTreeMap<String, ObjectDescribe>,
}

impl Schema {
    /// Begins with the answer of describeGlobal.
    pub fn new(summaries: impl IntoIterator<Item = ObjectSummary>) -> Self {
        let summaries = summaries
            .into_iter()
            .map(|summary| (key(&summary.name), summary))
            .collect();
        Self {
            summaries,
            described: BTreeMap::new(),
        }
    }

    /// Adds describes; a later one of the same object replaces the earlier.
    pub fn extend(&mut self, described: impl IntoIterator<Item = ObjectDescribe>) {
        self.described
            .extend(described.into_iter().map(|object| (key(&object.summary.name), object)));
    }

    /// What describeGlobal tells of an object, whatever case its name is written in.
    pub fn summary(&self, object: &str) -> Option<&ObjectSummary> {
        self.summaries.get(&key(object))
    }

    /// The describe of an object, whatever case its name is written in.
    pub fn describe(&self, object: &str) -> Option<&ObjectDescribe> {
        self.described.get(&key(object))
    }

    /// Names of all objects, for a suggestion.
    pub(super) fn object_names(&self) -> impl Iterator<Item = &str> {
        self.summaries
            .values()
            .filter(|summary| summary.queryable)
            .map(|summary| summary.name.as_str())
    }
}

fn key(object: &str) -> String {
    object.to_ascii_lowercase()
}

/// A field that describe has.
#[derive(Debug, Clone)]
pub(super) struct Found<'a> {
    /// Its path, in describe's case.
    pub(super) path: FieldPath,
    /// Its describe.
    pub(super) field: &'a FieldDescribe,
    /// Whether it belongs to parents of several types.
    pub(super) polymorphic: bool,
}

/// A reference, and what it leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relationship<'a> {
    /// The field that holds the parent's Id.
    pub(super) reference: &'a FieldDescribe,
    /// The parents' object; of parents of several types what they have in common.
    pub(super) parent: &'a ObjectDescribe,
    /// Whether the parents are of several types.
    pub(super) polymorphic: bool,
}

/// Why a field was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotFound {
    /// No such field, or no right to see it: the end of a sentence that begins with the field.
    Missing(String),
    /// Written in a way that no field could be: the same.
    Wrong(String),
}

impl NotFound {
    /// The end of a sentence that begins with the field.
    pub(super) fn because(&self) -> &str {
        match self {
            Self::Missing(text) | Self::Wrong(text) => text,
        }
    }
}

/// Finds the fields of one object and of its parents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup<'a> {
    schema: &'a Schema,
    object: &'a ObjectDescribe,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(schema: &'a Schema, object: &'a ObjectDescribe) -> Self {
        Self { schema, object }
    }

    /// The object's API name.
    pub(super) fn name(self) -> &'a str {
        &self.object.summary.name
    }

    /// The object's own fields.
    pub(super) fn fields(self) -> &'a [FieldDescribe] {
        &self.object.fields
    }

    /// The field of a written path, whatever its case.
    pub(super) fn find(self, text: &str) -> Result<Found<'a>, NotFound> {
        match Written::parse(text) {
            Written::Own(name) => {
                let field = self.object.field(name).ok_or_else(|| self.no_field(name))?;
                Ok(Found { path: FieldPath::own(field.name.as_str()), field, polymorphic: false })
            }
            Written::Linked(relationship, name) => self.find_linked(relationship, name),
            Written::TooDeep => Err(NotFound::Wrong(
                "goes up more than one level; this version reads the fields of direct parents only, such as Account.Name"
                    .to_owned(),
            )),
            Written::Broken => Err(NotFound::Wrong("is no field's name: write one such as Email or Account.Name".to_owned())),
        }
    }

    fn no_field(self, name: &str) -> NotFound {
        let by_name = suggest::near(name, self.object.fields.iter().map(|field| field.name.as_str()));
        let by_label = || {
            let mut labelled = self
                .object
                .fields
                .iter()
                .filter(|field| field.label.eq_ignore_ascii_case(name));
            labelled
                .next()
                .filter(|_| labelled.next().is_none())
                .map(|field| field.name.as_str())
        };
        let hint = by_name
            .or_else(by_label)
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        NotFound::Missing(format!("does not exist, or the Salesforce user may not read it{hint}"))
    }

    /// The reference of a relationship, and the parent whose fields stand behind it.
    fn find_linked(self, relationship: &str, name: &str) -> Result<Found<'a>, NotFound> {
        let Some(reference) = self.reference(relationship) else {
            return Err(self.no_relationship(relationship, name));
        };
        let linked = reference.relationship_name.as_deref().unwrap_or(relationship);
        let polymorphic = is_polymorphic(reference);
        let Some(parent) = parent_of(reference).and_then(|parent| self.schema.describe(parent)) else {
            let parents = reference.reference_to.join(", ");
            return Err(if polymorphic {
                NotFound::Wrong(format!(
                    "belongs to a parent of several types ({parents}), and this org does not tell what they have in common"
                ))
            } else {
                NotFound::Missing(format!(
                    "cannot be read: the Salesforce user may not see the object {parents}"
                ))
            });
        };
        let Some(field) = parent.field(name) else {
            let hint = suggest::hint(name, parent.fields.iter().map(|field| field.name.as_str()));
            let parent = &parent.summary.name;
            return Err(NotFound::Missing(format!(
                "does not exist on {parent}, or the Salesforce user may not read it{}",
                hint.replace("did you mean ", &format!("did you mean {linked}."))
            )));
        };
        Ok(Found {
            path: FieldPath::linked(linked, field.name.as_str()),
            field,
            polymorphic,
        })
    }

    /// A relationship whose parent is described.
    pub(super) fn relationship(self, name: &str) -> Option<Relationship<'a>> {
        let reference = self.reference(name)?;
        Some(Relationship {
            reference,
            parent: self.schema.describe(parent_of(reference)?)?,
            polymorphic: is_polymorphic(reference),
        })
    }

    fn reference(self, relationship: &str) -> Option<&'a FieldDescribe> {
        self.object.fields.iter().find(|field| {
            field
                .relationship_name
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(relationship))
        })
    }

    fn no_relationship(self, relationship: &str, name: &str) -> NotFound {
        // `AccountId.Name` and `Parent__c.Name` name the reference instead of the relationship.
        let by_reference = self
            .object
            .field(relationship)
            .and_then(|reference| reference.relationship_name.as_deref());
        let names = self
            .object
            .fields
            .iter()
            .filter_map(|field| field.relationship_name.as_deref());
        let hint = by_reference
            .or_else(|| suggest::near(relationship, names))
            .map(|near| format!("; did you mean {near}.{name}?"))
            .unwrap_or_default();
        NotFound::Missing(format!(
            "does not exist: {} has no parent {relationship}{hint}",
            self.name()
        ))
    }

    /// The object whose describe a written path needs beside the object's own.
    pub(super) fn parent_needed(self, text: &str) -> Option<&'a str> {
        let Written::Linked(relationship, _) = Written::parse(text) else {
            return None;
        };
        let parent = parent_of(self.reference(relationship)?)?;
        self.schema.summary(parent).map(|summary| summary.name.as_str())
    }
}

fn is_polymorphic(reference: &FieldDescribe) -> bool {
    reference.polymorphic_foreign_key || reference.reference_to.len() > 1
}

fn parent_of(reference: &FieldDescribe) -> Option<&str> {
    if is_polymorphic(reference) {
        Some(POLYMORPHIC_PARENT)
    } else {
        reference.reference_to.first().map(String::as_str)
    }
}
