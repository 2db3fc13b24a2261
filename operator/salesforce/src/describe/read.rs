//! Reads describeGlobal and describeSObjects. Members come by name: their order and presence differ between versions.

use quick_xml::events::BytesStart;

use super::{FieldDescribe, FieldType, ObjectDescribe, ObjectSummary};
use crate::{
    envelope::{result, results},
    error::{Place, Result},
    xml::{Xml, XmlError, is_nil, local_name},
};

/// The objects of describeGlobal.
pub(crate) fn read_global(body: &str, place: &Place) -> Result<Vec<ObjectSummary>> {
    result(body, place, |xml| {
        let mut objects = Vec::new();
        xml.members(|xml, start| {
            if local_name(start) != "sobjects" {
                return xml.skip();
            }
            let mut summary = empty_summary();
            xml.members(|xml, start| {
                if summary.member(xml, start)? {
                    Ok(())
                } else {
                    xml.skip()
                }
            })?;
            objects.push(summary.checked()?);
            Ok(())
        })?;
        Ok(objects)
    })
}

/// The objects of describeSObjects, in the order of the answer.
pub(crate) fn read_objects(body: &str, place: &Place) -> Result<Vec<ObjectDescribe>> {
    let mut objects = Vec::new();
    results(body, place, |xml| {
        let (mut summary, mut fields) = (empty_summary(), Vec::new());
        xml.members(|xml, start| {
            if local_name(start) == "fields" {
                fields.push(FieldDescribe::read(xml)?);
                return Ok(());
            }
            if summary.member(xml, start)? {
                Ok(())
            } else {
                xml.skip()
            }
        })?;
        objects.push(ObjectDescribe {
            summary: summary.checked()?,
            fields,
        });
        Ok(())
    })?;
    Ok(objects)
}

fn empty_summary() -> ObjectSummary {
    ObjectSummary {
        name: String::new(),
        label: String::new(),
        key_prefix: None,
        custom: false,
        custom_setting: false,
        queryable: false,
        replicateable: false,
        retrieveable: false,
        deprecated_and_hidden: false,
    }
}

impl ObjectSummary {
    /// Reads one member; false where it is not one of ours, and was not read.
    fn member(&mut self, xml: &mut Xml<'_>, start: &BytesStart<'_>) -> Result<bool, XmlError> {
        match local_name(start) {
            "name" => self.name = xml.text()?,
            "label" => self.label = xml.text()?,
            "keyPrefix" => self.key_prefix = optional(xml, start)?,
            "custom" => self.custom = boolean(xml)?,
            "customSetting" => self.custom_setting = boolean(xml)?,
            "queryable" => self.queryable = boolean(xml)?,
            "replicateable" => self.replicateable = boolean(xml)?,
            "retrieveable" => self.retrieveable = boolean(xml)?,
            "deprecatedAndHidden" => self.deprecated_and_hidden = boolean(xml)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn checked(self) -> Result<Self, XmlError> {
        if self.name.is_empty() {
            Err(XmlError::missing("the name of an object"))
        } else {
            Ok(self)
        }
    }
}

impl FieldDescribe {
    fn read(xml: &mut Xml<'_>) -> Result<Self, XmlError> {
        let mut field = Self::default();
        xml.members(|xml, start| {
            match local_name(start) {
                "name" => field.name = xml.text()?,
                "label" => field.label = xml.text()?,
                "type" => field.field_type = FieldType::from_wire(xml.text()?.trim()),
                "length" => field.length = number(xml, "length")?,
                "byteLength" => field.byte_length = number(xml, "byteLength")?,
                "digits" => field.digits = number(xml, "digits")?,
                "precision" => field.precision = number(xml, "precision")?,
                "scale" => field.scale = number(xml, "scale")?,
                "highScaleNumber" => field.high_scale_number = boolean(xml)?,
                "calculated" => field.calculated = boolean(xml)?,
                "filterable" => field.filterable = boolean(xml)?,
                "sortable" => field.sortable = boolean(xml)?,
                "nameField" => field.name_field = boolean(xml)?,
                "custom" => field.custom = boolean(xml)?,
                "deprecatedAndHidden" => field.deprecated_and_hidden = boolean(xml)?,
                "compoundFieldName" => field.compound_field_name = optional(xml, start)?,
                "relationshipName" => field.relationship_name = optional(xml, start)?,
                "referenceTo" => field.reference_to.extend(optional(xml, start)?),
                "polymorphicForeignKey" => field.polymorphic_foreign_key = boolean(xml)?,
                _ => xml.skip()?,
            }
            Ok(())
        })?;
        if field.name.is_empty() {
            Err(XmlError::missing("the name of a field"))
        } else {
            Ok(field)
        }
    }
}

impl FieldType {
    /// A type as describe writes it, with or without a prefix.
    pub(crate) fn from_wire(text: &str) -> Self {
        match text.rsplit(':').next().unwrap_or(text) {
            "string" => Self::String,
            "picklist" => Self::Picklist,
            "multipicklist" => Self::MultiPicklist,
            "combobox" => Self::Combobox,
            "reference" => Self::Reference,
            "base64" => Self::Base64,
            "boolean" => Self::Boolean,
            "currency" => Self::Currency,
            "textarea" => Self::TextArea,
            "int" => Self::Int,
            "double" => Self::Double,
            "percent" => Self::Percent,
            "phone" => Self::Phone,
            "id" => Self::Id,
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            "time" => Self::Time,
            "url" => Self::Url,
            "email" => Self::Email,
            "encryptedstring" => Self::EncryptedString,
            "datacategorygroupreference" => Self::DataCategoryGroupReference,
            "location" => Self::Location,
            "address" => Self::Address,
            "anyType" => Self::AnyType,
            "json" => Self::Json,
            "complexvalue" => Self::ComplexValue,
            "long" => Self::Long,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

fn boolean(xml: &mut Xml<'_>) -> Result<bool, XmlError> {
    Ok(matches!(xml.text()?.trim(), "true" | "1"))
}

fn number(xml: &mut Xml<'_>, what: &str) -> Result<u32, XmlError> {
    xml.text()?
        .trim()
        .parse()
        .map_err(|_not_shown| XmlError::Unexpected(format!("{what} of a field is not a number")))
}

/// A text, where the element is neither nil nor empty.
fn optional(xml: &mut Xml<'_>, start: &BytesStart<'_>) -> Result<Option<String>, XmlError> {
    let nil = is_nil(start);
    Ok(Some(xml.text()?).filter(|text| !nil && !text.is_empty()))
}

#[cfg(test)]
mod tests;
