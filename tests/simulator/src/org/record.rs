//! One row, to be read field by field.

use std::borrow::Cow;

use super::{
    store::Store,
    table::{Found, Look, Table},
};
use crate::{
    data::{Content, Generator, id},
    schema::{Field, FieldType, Object},
};

/// A row at some time. Cheap to copy: nothing is read before it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) store: &'a Store,
    pub(crate) object: &'a Object,
    pub(crate) table: &'a Table,
    pub(crate) n: u64,
    pub(crate) found: Found<'a>,
    pub(crate) look: Look,
}

impl<'a> Record<'a> {
    /// Its Id.
    pub(crate) fn id(&self) -> String {
        Generator::id(self.object, self.n)
    }

    /// In the recycle bin, or on its way out of sight.
    pub(crate) fn deleted(&self) -> bool {
        self.found.deleted()
    }

    /// SystemModstamp in seconds.
    pub(crate) fn stamp(&self) -> i64 {
        match self.found {
            Found::Base => self.store.generator.modstamp(self.object, self.n).as_second(),
            Found::Changed(version) => version.stamp,
        }
    }

    /// The text of a field; null, and every compound, is `None`.
    pub(crate) fn value(&self, field: &'a Field) -> Option<Cow<'a, str>> {
        if field.field_type.is_compound() {
            return None;
        }
        if field.field_type == FieldType::Id && field.name == "Id" {
            return Some(Cow::Owned(self.id()));
        }
        if let Some(version) = self.found.version() {
            if field.name == "IsDeleted" {
                return Some(Cow::Borrowed(if self.deleted() { "true" } else { "false" }));
            }
            if let Some(value) = version.values.get(&field.name) {
                return value.as_deref().map(Cow::Borrowed);
            }
        }
        if let Content::ParentValue {
            reference,
            field: parent_field,
        } = field.content
        {
            let parent = self.parent(self.object.field(reference)?)?;
            return parent.value(parent.object.field(parent_field)?);
        }
        let made = if self.n < self.table.base {
            let origin = self.store.origin(self.object, field);
            self.store
                .generator
                .value(&self.store.schema, self.object, origin, self.n)
        } else {
            None
        };
        // A check box is never null, also where the field is younger than the row.
        let unset = || Cow::Borrowed(field.default_value.as_deref().unwrap_or("false"));
        made.or_else(|| (field.field_type == FieldType::Boolean).then(unset))
    }

    /// The value of the field of this name.
    pub(crate) fn value_of(&self, field: &str) -> Option<Cow<'a, str>> {
        self.value(self.object.field(field)?)
    }

    /// The row that a reference field names, if anybody sees it.
    pub(crate) fn parent(&self, reference: &'a Field) -> Option<Record<'a>> {
        let parent_id = self.value(reference)?;
        let (prefix, n) = id::parse(&parent_id)?;
        let object = reference
            .reference_to
            .iter()
            .filter_map(|target| self.store.schema.object(target))
            .find(|target| target.key_prefix.as_deref() == Some(prefix))?;
        self.store.record(object, n, self.look)
    }
}
