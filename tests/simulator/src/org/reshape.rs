//! Changes of the schema, with what they do to rows. No row gets a stamp by them (salesforce-api.md 6.4).

use super::{WriteError, store::Store, value};
use crate::schema::{Field, FieldType, Object};

impl Store {
    /// Adds an object without rows.
    pub(crate) fn add_object(&mut self, object: Object) -> Result<(), WriteError> {
        let name = object.name.clone();
        self.schema.add_object(object)?;
        self.table_mut(&name);
        Ok(())
    }

    /// Removes a custom object and its rows.
    pub(crate) fn remove_object(&mut self, object: &str) -> Result<(), WriteError> {
        let removed = self.schema.remove_object(object)?;
        self.tables_mut().remove(&removed.name);
        Ok(())
    }

    /// Gives a custom object another API name; its rows stay. Not where its rows are generated: they are made from its name.
    pub(crate) fn rename_object(&mut self, object: &str, name: &str) -> Result<(), WriteError> {
        let before = self.object(object)?.name.clone();
        if self.generator.rows(&before) > 0 {
            return Err(WriteError::new(
                "INVALID_OPERATION",
                format!("{before} has generated rows and cannot be renamed"),
            ));
        }
        self.lock(&before)?;
        self.schema.rename_object(&before, name)?;
        let table = self.tables_mut().remove(&before).unwrap_or_default();
        self.tables_mut().insert(name.to_owned(), table);
        let renamed = |own: String| if own == before { name.to_owned() } else { own };
        self.origins = std::mem::take(&mut self.origins)
            .into_iter()
            .map(|((object, field), origin)| ((renamed(object), field), origin))
            .collect();
        self.translations = std::mem::take(&mut self.translations)
            .into_iter()
            .map(|((language, object, field), label)| ((language, renamed(object), field), label))
            .collect();
        self.hidden = std::mem::take(&mut self.hidden)
            .into_iter()
            .map(|((user, object), rows)| ((user, renamed(object)), rows))
            .collect();
        Ok(())
    }

    /// What an open transaction has written would keep its values of before: nobody reshapes an object meanwhile.
    fn lock(&self, object: &str) -> Result<(), WriteError> {
        let name = &self.object(object)?.name;
        if self.is_being_written(name) {
            let message = format!("an open transaction has rows of {name}");
            return Err(WriteError::new("UNABLE_TO_LOCK_ROW", message));
        }
        Ok(())
    }

    /// Adds a field.
    pub(crate) fn add_field(&mut self, object: &str, field: Field) -> Result<(), WriteError> {
        Ok(self.schema.add_field(object, field)?)
    }

    /// Removes a custom field, and its values.
    pub(crate) fn remove_field(&mut self, object: &str, field: &str) -> Result<(), WriteError> {
        self.lock(object)?;
        let removed = self.schema.remove_field(object, field)?;
        let object = self.object(object)?.name.clone();
        self.table_mut(&object).forget_field(&removed.name);
        self.origins.remove(&(object, removed.name));
        Ok(())
    }

    /// Gives a custom field another type. Values that do not fit are lost.
    pub(crate) fn convert_field(&mut self, object: &str, field: &str, field_type: FieldType) -> Result<(), WriteError> {
        self.lock(object)?;
        self.schema.convert_field(object, field, field_type)?;
        let object = self.object(object)?.clone();
        let converted = object
            .field(field)
            .ok_or_else(|| WriteError::missing(&object.name, field))?;
        self.table_mut(&object.name)
            .drop_values(&converted.name, |text| value::fits(&object, converted, text));
        self.origins.remove(&(object.name.clone(), converted.name.clone()));
        Ok(())
    }

    /// Gives a custom field another API name; its values stay.
    pub(crate) fn rename_field(&mut self, object: &str, field: &str, name: &str) -> Result<(), WriteError> {
        let owner = self.object(object)?;
        let own = owner
            .field(field)
            .ok_or_else(|| WriteError::missing(&owner.name, field))?;
        if !own.custom || own.field_type.is_compound() || !name.ends_with("__c") {
            return Err(WriteError::new(
                "INVALID_OPERATION",
                format!("{object}.{field} cannot be renamed to {name}"),
            ));
        }
        self.lock(&owner.name)?;
        if owner.field(name).is_some() {
            return Err(WriteError::new("INVALID_OPERATION", format!("{object}.{name} exists")));
        }
        let (object, before) = (owner.name.clone(), own.clone());
        name.clone_into(&mut self.schema.field_mut(&object, &before.name)?.name);
        self.table_mut(&object).rename_field(&before.name, name);
        let origin = self
            .origins
            .remove(&(object.clone(), before.name.clone()))
            .unwrap_or(before);
        self.origins.insert((object, name.to_owned()), origin);
        Ok(())
    }
}
