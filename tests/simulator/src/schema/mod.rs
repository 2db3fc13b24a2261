//! The objects and fields of the simulated org: what describe tells, and against what SOQL is checked.
//!
//! A [`Schema`] is a value: it is cloned, changed and put back; nothing in it is global. [`Schema::standard`] has Account,
//! Contact, Lead, User, Opportunity, Task, Case with Salesforce's own fields, types and lengths, `Specimen__c`, a
//! custom object with a field of every type, and the objects of Setup that say who may see what. Further objects are added
//! with [`Schema::add_object`]; relationships to children are not stored but found from the reference fields, so they cannot
//! contradict them ([`Schema::child_relationships`]).
//!
//! What one user may see is a [`View`]: the schema without the objects and fields withdrawn from that user. Describe and
//! the check of a query take a view, so a withdrawn field is in neither, exactly as field-level security works
//! (salesforce-api.md 4.2). The record generator and comparisons take the schema itself.
//!
//! Names are looked up without regard to case and answered in describe's own case.

mod field;
mod object;
mod standard;

use std::collections::{BTreeMap, BTreeSet};

pub use field::{Comparison, Field, FieldType, PicklistValue};
pub use object::{ChildRelationship, Object, RecordType};
pub(crate) use standard::SETUP_OBJECTS;

/// Why a change of the schema was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// There is no object of this name.
    #[error("there is no object {0}")]
    NoObject(String),
    /// The object has no field of this name.
    #[error("{object} has no field {field}")]
    NoField {
        /// The object.
        object: String,
        /// The name looked for.
        field: String,
    },
    /// The name is taken.
    #[error("{0} exists")]
    Exists(String),
    /// A standard field or object that Salesforce does not let go, or a change it does not allow.
    #[error("{0}")]
    Refused(String),
}

/// All objects of an org, and what was withdrawn from whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Sorted by name, as describeGlobal lists them.
    objects: Vec<Object>,
    /// Lower-case name to its place in `objects`.
    places: BTreeMap<String, usize>,
    /// User to withdrawn objects and fields: `contact`, `contact.phone`, in lower case.
    withdrawn: BTreeMap<String, BTreeSet<String>>,
}

impl Schema {
    /// Nothing at all.
    pub fn empty() -> Self {
        Self {
            objects: Vec::new(),
            places: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
        }
    }

    /// The standard objects and `Specimen__c`. `person_accounts` is the org switch of that name: Account then has the
    /// fields of a person too.
    pub fn standard(person_accounts: PersonAccounts) -> Self {
        let mut schema = Self::empty();
        for object in standard::objects(person_accounts) {
            schema.place(object);
        }
        schema
    }

    /// All objects, sorted by name.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The object of this API name, in any case.
    pub fn object(&self, name: &str) -> Option<&Object> {
        // In describe's own case no text has to be made: the generator asks for each reference of each record.
        let place = match self.objects.binary_search_by(|object| object.name.as_str().cmp(name)) {
            Ok(place) => place,
            Err(_absent) => *self.places.get(&name.to_lowercase())?,
        };
        self.objects.get(place)
    }

    /// The object whose Ids begin so.
    pub fn object_by_prefix(&self, prefix: &str) -> Option<&Object> {
        self.objects
            .iter()
            .find(|object| object.key_prefix.as_deref() == Some(prefix))
    }

    /// The same as [`Schema::object`], to be changed.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`].
    pub fn object_mut(&mut self, name: &str) -> Result<&mut Object, SchemaError> {
        let place = self.places.get(&name.to_lowercase()).copied();
        place
            .and_then(|place| self.objects.get_mut(place))
            .ok_or_else(|| SchemaError::NoObject(name.to_owned()))
    }

    /// The field of an object, to be changed (label, length, nillable, ..).
    ///
    /// # Errors
    /// [`SchemaError::NoObject`], [`SchemaError::NoField`].
    pub fn field_mut(&mut self, object: &str, field: &str) -> Result<&mut Field, SchemaError> {
        self.object_mut(object)?
            .field_mut(field)
            .ok_or_else(|| no_field(object, field))
    }

    /// Adds an object. One without fields gets Id, Name, owner and the audit fields, as Salesforce gives them to a custom
    /// object.
    ///
    /// # Errors
    /// [`SchemaError::Exists`] for its name or prefix.
    pub fn add_object(&mut self, mut object: Object) -> Result<(), SchemaError> {
        if self.object(&object.name).is_some() {
            return Err(SchemaError::Exists(object.name));
        }
        if let Some(prefix) = object.key_prefix.as_deref()
            && self.object_by_prefix(prefix).is_some()
        {
            return Err(SchemaError::Exists(prefix.to_owned()));
        }
        if object.fields.is_empty() {
            object.fields = standard::custom_object_fields();
        }
        self.place(object);
        Ok(())
    }

    /// A prefix for one more custom object: `a00`, `a01`, ..
    pub fn free_custom_prefix(&self) -> String {
        (0..62 * 62)
            .map(crate::data::id::custom_prefix)
            .find(|prefix| self.object_by_prefix(prefix).is_none())
            .unwrap_or_else(|| "aZZ".to_owned())
    }

    /// Removes a custom object, and the reference fields that pointed to nothing else.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`]; [`SchemaError::Refused`] for a standard object.
    pub fn remove_object(&mut self, name: &str) -> Result<Object, SchemaError> {
        let place = self.places.get(&name.to_lowercase()).copied();
        let (Some(place), Some(object)) = (place, self.object(name)) else {
            return Err(SchemaError::NoObject(name.to_owned()));
        };
        if !object.custom {
            return Err(SchemaError::Refused(format!(
                "{name} is a standard object and cannot be deleted"
            )));
        }
        let removed = self.objects.remove(place);
        for object in &mut self.objects {
            for field in &mut object.fields {
                field.reference_to.retain(|target| *target != removed.name);
            }
            object
                .fields
                .retain(|field| field.field_type != FieldType::Reference || !field.reference_to.is_empty());
        }
        self.renumber();
        Ok(removed)
    }

    /// Gives a custom object another API name; its fields, its prefix and what points to it stay.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`], [`SchemaError::Exists`]; [`SchemaError::Refused`] for a standard object, and for a name that
    /// is not one of a custom object.
    pub fn rename_object(&mut self, name: &str, to: &str) -> Result<(), SchemaError> {
        let place = self.places.get(&name.to_lowercase()).copied();
        let (Some(place), Some(object)) = (place, self.object(name)) else {
            return Err(SchemaError::NoObject(name.to_owned()));
        };
        if !object.custom || !to.ends_with("__c") {
            return Err(SchemaError::Refused(format!("{name} cannot be renamed to {to}")));
        }
        if self.object(to).is_some() {
            return Err(SchemaError::Exists(to.to_owned()));
        }
        let mut object = self.objects.remove(place);
        let before = std::mem::replace(&mut object.name, to.to_owned());
        self.place(object);
        for target in self
            .objects
            .iter_mut()
            .flat_map(|object| &mut object.fields)
            .flat_map(|field| &mut field.reference_to)
            .filter(|target| **target == before)
        {
            to.clone_into(target);
        }
        let (before, after) = (before.to_lowercase(), to.to_lowercase());
        for withdrawn in self.withdrawn.values_mut() {
            *withdrawn = std::mem::take(withdrawn)
                .into_iter()
                .map(|key| match key.strip_prefix(&before) {
                    Some(field) if field.is_empty() || field.starts_with('.') => format!("{after}{field}"),
                    Some(_) | None => key,
                })
                .collect();
        }
        Ok(())
    }

    /// Adds a field at the end of an object. A geolocation brings its two components, unless they are there.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`], [`SchemaError::Exists`].
    pub fn add_field(&mut self, object: &str, field: Field) -> Result<(), SchemaError> {
        let owner = self.object_mut(object)?;
        if owner.field(&field.name).is_some() {
            return Err(SchemaError::Exists(format!("{object}.{}", field.name)));
        }
        let components = standard::location_components(&field);
        owner.fields.push(field);
        for component in components {
            if owner.field(&component.name).is_none() {
                owner.fields.push(component);
            }
        }
        Ok(())
    }

    /// Removes a custom field, with the components of a compound.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`], [`SchemaError::NoField`]; [`SchemaError::Refused`] for a standard field or a component.
    pub fn remove_field(&mut self, object: &str, field: &str) -> Result<Field, SchemaError> {
        let owner = self.object_mut(object)?;
        let place = owner.fields.iter().position(|own| own.name.eq_ignore_ascii_case(field));
        let (Some(place), Some(own)) = (place, owner.field(field)) else {
            return Err(no_field(object, field));
        };
        if !own.custom || own.name_field {
            return Err(SchemaError::Refused(format!(
                "{object}.{field} is a standard field and cannot be deleted"
            )));
        }
        if own.compound_field_name.is_some() {
            return Err(SchemaError::Refused(format!(
                "{object}.{field} is a part of a compound field"
            )));
        }
        let removed = owner.fields.remove(place);
        owner
            .fields
            .retain(|own| own.compound_field_name.as_deref() != Some(removed.name.as_str()));
        Ok(removed)
    }

    /// Converts a custom field to another type, as an administrator can (salesforce-api.md 6.4: rows get no stamp). What
    /// happens to values that do not fit is the org's business.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`], [`SchemaError::NoField`]; [`SchemaError::Refused`] for a standard field, and for
    /// types that Salesforce does not convert from or to.
    pub fn convert_field(&mut self, object: &str, field: &str, field_type: FieldType) -> Result<(), SchemaError> {
        let own = self.field_mut(object, field)?;
        let fixed = |kind: FieldType| {
            matches!(
                kind,
                FieldType::Id | FieldType::Reference | FieldType::Base64 | FieldType::AnyType
            ) || kind.is_compound()
        };
        if !own.custom || own.compound_field_name.is_some() || fixed(own.field_type) || fixed(field_type) {
            return Err(SchemaError::Refused(format!(
                "{object}.{field} cannot be converted to {}",
                field_type.as_str()
            )));
        }
        *own = own.converted(field_type);
        Ok(())
    }

    /// Withdraws a field, or the whole object where no field is named, from a user. System fields and required fields are
    /// always visible, as in Salesforce: withdrawing them is refused.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`], [`SchemaError::NoField`], [`SchemaError::Refused`].
    pub fn withdraw(&mut self, user: &str, object: &str, field: Option<&str>) -> Result<(), SchemaError> {
        let key = self.permission_key(object, field)?;
        if let Some(own) = field.and_then(|field| self.object(object)?.field(field))
            && !own.permissionable
        {
            return Err(SchemaError::Refused(format!("{object}.{} is always visible", own.name)));
        }
        self.withdrawn.entry(user.to_lowercase()).or_default().insert(key);
        Ok(())
    }

    /// Gives back what [`Schema::withdraw`] took.
    ///
    /// # Errors
    /// [`SchemaError::NoObject`], [`SchemaError::NoField`].
    pub fn grant(&mut self, user: &str, object: &str, field: Option<&str>) -> Result<(), SchemaError> {
        let key = self.permission_key(object, field)?;
        if let Some(withdrawn) = self.withdrawn.get_mut(&user.to_lowercase()) {
            withdrawn.remove(&key);
        }
        Ok(())
    }

    /// What this user may see.
    pub fn view(&self, user: &str) -> View<'_> {
        View {
            schema: self,
            withdrawn: self.withdrawn.get(&user.to_lowercase()),
        }
    }

    /// Everything, as the org itself sees it.
    pub fn whole(&self) -> View<'_> {
        View {
            schema: self,
            withdrawn: None,
        }
    }

    /// The relationships to children of an object, by child object and field. A cascading reference of the child (a
    /// master-detail field, or a standard one that Salesforce deletes with its parent) makes `cascade_delete`.
    pub fn child_relationships(&self, parent: &str) -> Vec<ChildRelationship> {
        let mut children = Vec::new();
        for child in &self.objects {
            for field in &child.fields {
                if field
                    .reference_to
                    .iter()
                    .any(|target| target.eq_ignore_ascii_case(parent))
                {
                    children.push(ChildRelationship {
                        cascade_delete: field.cascade_delete,
                        child_object: child.name.clone(),
                        field: field.name.clone(),
                        relationship_name: standard::child_relationship_name(&child.name, &field.name, parent),
                        restricted_delete: field.restricted_delete,
                    });
                }
            }
        }
        children
    }

    fn place(&mut self, object: Object) {
        let place = self.objects.partition_point(|own| own.name < object.name);
        self.objects.insert(place, object);
        self.renumber();
    }

    fn renumber(&mut self) {
        self.places.clear();
        for (place, object) in self.objects.iter().enumerate() {
            self.places.insert(object.name.to_lowercase(), place);
        }
    }

    fn permission_key(&self, object: &str, field: Option<&str>) -> Result<String, SchemaError> {
        let owner = self
            .object(object)
            .ok_or_else(|| SchemaError::NoObject(object.to_owned()))?;
        match field {
            None => Ok(owner.name.to_lowercase()),
            Some(name) => {
                let own = owner.field(name).ok_or_else(|| no_field(object, name))?;
                Ok(field_key(&owner.name, &own.name))
            }
        }
    }
}

/// The org switch of that name (directory.md section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonAccounts {
    /// Account has no fields of a person.
    #[default]
    Disabled,
    /// Account has `IsPersonAccount`, `FirstName`, `PersonEmail`, ..; Contact has `IsPersonAccount`.
    Enabled,
}

/// A schema through the eyes of one user.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    schema: &'a Schema,
    withdrawn: Option<&'a BTreeSet<String>>,
}

impl<'a> View<'a> {
    /// The schema behind it.
    pub fn schema(self) -> &'a Schema {
        self.schema
    }

    /// The visible objects, sorted by name.
    pub fn objects(self) -> impl Iterator<Item = &'a Object> {
        self.schema
            .objects
            .iter()
            .filter(move |object| self.shows_object(object))
    }

    /// The object of this name, in any case, if it is visible.
    pub fn object(self, name: &str) -> Option<&'a Object> {
        self.schema.object(name).filter(|object| self.shows_object(object))
    }

    /// The visible fields of an object, in describe's order. A compound is visible while one of its components is.
    pub fn fields(self, object: &'a Object) -> impl Iterator<Item = &'a Field> {
        object
            .fields
            .iter()
            .filter(move |field| self.shows_field(object, field))
    }

    /// The field of this name, in any case, if it is visible.
    pub fn field(self, object: &'a Object, name: &str) -> Option<&'a Field> {
        object.field(name).filter(|field| self.shows_field(object, field))
    }

    /// True where the user may read the field.
    pub fn shows_field(self, object: &Object, field: &Field) -> bool {
        let Some(withdrawn) = self.withdrawn else { return true };
        let visible = |field: &Field| !withdrawn.contains(&field_key(&object.name, &field.name));
        if field.field_type.is_compound() {
            let mut components = object.components(&field.name).peekable();
            return visible(field) && (components.peek().is_none() || components.any(visible));
        }
        visible(field)
    }

    /// True where the user may read the object.
    pub fn shows_object(self, object: &Object) -> bool {
        self.withdrawn
            .is_none_or(|withdrawn| !withdrawn.contains(&object.name.to_lowercase()))
    }
}

fn field_key(object: &str, field: &str) -> String {
    format!("{}.{}", object.to_lowercase(), field.to_lowercase())
}

fn no_field(object: &str, field: &str) -> SchemaError {
    SchemaError::NoField {
        object: object.to_owned(),
        field: field.to_owned(),
    }
}

#[cfg(test)]
mod tests;
