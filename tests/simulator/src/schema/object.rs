//! One object: what describeGlobal and describeSObjects tell of it.

use super::field::{Field, FieldType};

/// A relationship seen from the parent (salesforce-api.md 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildRelationship {
    /// Deleting the parent deletes the children.
    pub cascade_delete: bool,
    /// The object that points here.
    pub child_object: String,
    /// Its reference field.
    pub field: String,
    /// The name that a child subquery uses.
    pub relationship_name: Option<String>,
    /// A parent with children cannot be deleted.
    pub restricted_delete: bool,
}

/// A record type of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordType {
    /// API name.
    pub developer_name: String,
    /// Label.
    pub name: String,
    /// The one of records without a record type.
    pub master: bool,
    /// 18-character Id; `012000000000000AAA` of the master type.
    pub id: String,
}

/// One object. The booleans are those of describeGlobal, in its order.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "Salesforce's own members, named as in the WSDL"
)]
pub struct Object {
    /// API name.
    pub name: String,
    /// Label in the singular.
    pub label: String,
    /// Label in the plural.
    pub label_plural: String,
    /// First three characters of its Ids.
    pub key_prefix: Option<String>,
    /// Can be activated.
    pub activateable: bool,
    /// "History", "Share", ... of a companion object.
    pub associate_entity_type: Option<String>,
    /// The object that a companion belongs to.
    pub associate_parent_entity: Option<String>,
    /// Records may be made.
    pub createable: bool,
    /// Made by the customer or a package.
    pub custom: bool,
    /// A custom setting.
    pub custom_setting: bool,
    /// Can be cloned with its children.
    pub deep_cloneable: bool,
    /// Records may be deleted.
    pub deletable: bool,
    /// Reserved.
    pub deprecated_and_hidden: bool,
    /// Has a feed.
    pub feed_enabled: bool,
    /// Reserved.
    pub has_subtypes: bool,
    /// Reserved.
    pub id_enabled: bool,
    /// Reserved.
    pub is_interface: bool,
    /// Reserved.
    pub is_subtype: bool,
    /// Has page layouts.
    pub layoutable: bool,
    /// Records may be merged.
    pub mergeable: bool,
    /// Has a list of recently used records.
    pub mru_enabled: bool,
    /// Can be queried.
    pub queryable: bool,
    /// getUpdated and getDeleted serve it.
    pub replicateable: bool,
    /// retrieve serves it.
    pub retrieveable: bool,
    /// Can be searched.
    pub searchable: bool,
    /// Can have triggers.
    pub triggerable: bool,
    /// Records may be undeleted.
    pub undeletable: bool,
    /// Records may be changed.
    pub updateable: bool,
    /// Fields in describe's order.
    pub fields: Vec<Field>,
    /// Record types; the master type is always there.
    pub record_types: Vec<RecordType>,
}

impl Object {
    /// An object with the members of an ordinary standard or custom object and no fields. A name that ends in `__c` is
    /// custom.
    pub fn new(name: &str, key_prefix: &str, label: &str, label_plural: &str) -> Self {
        let custom = name.ends_with("__c");
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            label_plural: label_plural.to_owned(),
            key_prefix: Some(key_prefix.to_owned()),
            activateable: false,
            associate_entity_type: None,
            associate_parent_entity: None,
            createable: true,
            custom,
            custom_setting: false,
            deep_cloneable: false,
            deletable: true,
            deprecated_and_hidden: false,
            feed_enabled: !custom,
            has_subtypes: false,
            id_enabled: true,
            is_interface: false,
            is_subtype: false,
            layoutable: true,
            mergeable: false,
            mru_enabled: true,
            queryable: true,
            replicateable: true,
            retrieveable: true,
            searchable: true,
            triggerable: true,
            undeletable: true,
            updateable: true,
            fields: Vec::new(),
            record_types: vec![RecordType {
                developer_name: "Master".to_owned(),
                name: "Master".to_owned(),
                master: true,
                id: "012000000000000AAA".to_owned(),
            }],
        }
    }

    /// The object with these fields appended.
    #[must_use]
    pub fn with(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// The field of this API name, in any case.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The same, to be changed.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut Field> {
        self.fields
            .iter_mut()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The reference field whose relationship has this name, in any case.
    pub fn relationship(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| {
            field
                .relationship_name
                .as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
        })
    }

    /// The component fields of a compound field, in describe's order.
    pub fn components(&self, compound: &str) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| {
            field
                .compound_field_name
                .as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(compound))
        })
    }

    /// The name field: Name, or `CaseNumber` and Subject where there is none.
    pub fn name_field(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.name_field)
    }

    /// Describe's urlDetail, urlEdit and urlNew for a host; none where the object has no prefix or no layout.
    pub fn urls(&self, instance_url: &str) -> Option<[String; 3]> {
        let prefix = self.key_prefix.as_deref().filter(|_| self.layoutable)?;
        let base = instance_url.trim_end_matches('/');
        Some([
            format!("{base}/{{ID}}"),
            format!("{base}/{{ID}}/e"),
            format!("{base}/{prefix}/e"),
        ])
    }

    /// True where the object has a field of this name and type.
    pub fn has(&self, name: &str, field_type: FieldType) -> bool {
        self.field(name).is_some_and(|field| field.field_type == field_type)
    }
}
