//! One field of an object: what describe tells of it, and what the generator writes into it.
//!
//! A field is made by [`Field::new`] from its name and type, with the members that Salesforce gives such a field, and
//! changed by the builder methods where one differs. So the tables of the standard objects state only what is special.

use crate::data::Content;

/// The 27 field types of the Partner WSDL (salesforce-api.md 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldType {
    /// string
    String,
    /// picklist
    Picklist,
    /// multipicklist
    MultiPicklist,
    /// combobox
    Combobox,
    /// reference
    Reference,
    /// base64
    Base64,
    /// boolean
    Boolean,
    /// currency
    Currency,
    /// textarea
    TextArea,
    /// int
    Int,
    /// double
    Double,
    /// percent
    Percent,
    /// phone
    Phone,
    /// id
    Id,
    /// date
    Date,
    /// datetime
    DateTime,
    /// time
    Time,
    /// url
    Url,
    /// email
    Email,
    /// encryptedstring
    EncryptedString,
    /// datacategorygroupreference
    DataCategoryGroupReference,
    /// location
    Location,
    /// address
    Address,
    /// anyType
    AnyType,
    /// json
    Json,
    /// complexvalue
    ComplexValue,
    /// long
    Long,
}

/// How two values of a type are compared in SOQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Case does not matter.
    Text,
    /// 15 or 18 characters, case matters.
    Id,
    /// By value, whatever the notation.
    Number,
    /// true and false.
    Boolean,
    /// Calendar days.
    Date,
    /// Points in time.
    DateTime,
    /// Times of day.
    Time,
    /// Not at all: compounds, base64, anyType and what has no simple value.
    None,
}

impl FieldType {
    /// Every type, in the order of the WSDL's enumeration.
    pub const ALL: [Self; 27] = [
        Self::String,
        Self::Picklist,
        Self::MultiPicklist,
        Self::Combobox,
        Self::Reference,
        Self::Base64,
        Self::Boolean,
        Self::Currency,
        Self::TextArea,
        Self::Int,
        Self::Double,
        Self::Percent,
        Self::Phone,
        Self::Id,
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Url,
        Self::Email,
        Self::EncryptedString,
        Self::DataCategoryGroupReference,
        Self::Location,
        Self::Address,
        Self::AnyType,
        Self::Json,
        Self::ComplexValue,
        Self::Long,
    ];

    /// The name on the wire, as in describe's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::Combobox => "combobox",
            Self::Reference => "reference",
            Self::Base64 => "base64",
            Self::Boolean => "boolean",
            Self::Currency => "currency",
            Self::TextArea => "textarea",
            Self::Int => "int",
            Self::Double => "double",
            Self::Percent => "percent",
            Self::Phone => "phone",
            Self::Id => "id",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Time => "time",
            Self::Url => "url",
            Self::Email => "email",
            Self::EncryptedString => "encryptedstring",
            Self::DataCategoryGroupReference => "datacategorygroupreference",
            Self::Location => "location",
            Self::Address => "address",
            Self::AnyType => "anyType",
            Self::Json => "json",
            Self::ComplexValue => "complexvalue",
            Self::Long => "long",
        }
    }

    /// The type of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// Describe's `soapType` (salesforce-api.md 5.4).
    pub fn soap_type(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::String
            | Self::TextArea
            | Self::Picklist
            | Self::MultiPicklist
            | Self::Phone
            | Self::Url
            | Self::Email
            | Self::EncryptedString
            | Self::Combobox
            | Self::DataCategoryGroupReference => "xsd:string",
            Self::Boolean => "xsd:boolean",
            Self::Int => "xsd:int",
            Self::Long => "xsd:long",
            Self::Double | Self::Currency | Self::Percent => "xsd:double",
            Self::Date => "xsd:date",
            Self::DateTime => "xsd:dateTime",
            Self::Time => "xsd:time",
            Self::Base64 => "xsd:base64Binary",
            Self::Address => "urn:address",
            Self::Location => "urn:location",
            Self::AnyType => "xsd:anyType",
            Self::Json => "tns:json",
            Self::ComplexValue => "tns:ChangeEventHeader",
        }
    }

    /// How SOQL compares values of this type.
    pub fn comparison(self) -> Comparison {
        match self {
            Self::Id | Self::Reference => Comparison::Id,
            Self::String
            | Self::TextArea
            | Self::Picklist
            | Self::MultiPicklist
            | Self::Phone
            | Self::Url
            | Self::Email
            | Self::EncryptedString
            | Self::Combobox
            | Self::DataCategoryGroupReference => Comparison::Text,
            Self::Boolean => Comparison::Boolean,
            Self::Int | Self::Long | Self::Double | Self::Currency | Self::Percent => Comparison::Number,
            Self::Date => Comparison::Date,
            Self::DateTime => Comparison::DateTime,
            Self::Time => Comparison::Time,
            Self::Base64 | Self::Address | Self::Location | Self::AnyType | Self::Json | Self::ComplexValue => {
                Comparison::None
            }
        }
    }

    /// The word of error texts: "must be of type dateTime".
    pub fn criterion_name(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "ID",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Double | Self::Currency | Self::Percent => "double",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Time => "time",
            Self::String
            | Self::TextArea
            | Self::Picklist
            | Self::MultiPicklist
            | Self::Phone
            | Self::Url
            | Self::Email
            | Self::EncryptedString
            | Self::Combobox
            | Self::DataCategoryGroupReference
            | Self::Base64
            | Self::Address
            | Self::Location
            | Self::AnyType
            | Self::Json
            | Self::ComplexValue => "string",
        }
    }

    /// An address or location, whose value stands in component fields.
    pub fn is_compound(self) -> bool {
        matches!(self, Self::Address | Self::Location)
    }
}

/// One value of a picklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PicklistValue {
    /// Still offered.
    pub active: bool,
    /// Preselected.
    pub default_value: bool,
    /// What people see.
    pub label: Option<String>,
    /// API name, which is what records hold.
    pub value: String,
}

impl PicklistValue {
    /// An active value whose label is its API name.
    pub fn new(value: &str) -> Self {
        Self {
            active: true,
            default_value: false,
            label: Some(value.to_owned()),
            value: value.to_owned(),
        }
    }
}

/// One field, with all members of describe (salesforce-api.md 4.3). Members that may be absent from a describe are
/// `Option`, or a `bool` that is written only when true.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "Salesforce's own members, named as in the WSDL"
)]
pub struct Field {
    /// What the generator writes into it; no member of describe.
    pub content: Content,
    /// May stand in aggregate functions.
    pub aggregatable: bool,
    /// Predicted by Einstein.
    pub ai_prediction_field: bool,
    /// Numbered by Salesforce.
    pub auto_number: bool,
    /// Most bytes; 0 where the type has no text.
    pub byte_length: u32,
    /// A formula or roll-up.
    pub calculated: bool,
    /// The formula's text.
    pub calculated_formula: Option<String>,
    /// Deleting the parent deletes this record.
    pub cascade_delete: bool,
    /// Text is compared with case.
    pub case_sensitive: bool,
    /// The compound field that this is a component of.
    pub compound_field_name: Option<String>,
    /// The field that controls a dependent picklist.
    pub controller_name: Option<String>,
    /// May be set at creation.
    pub createable: bool,
    /// Made by the customer or a package.
    pub custom: bool,
    /// Default value, as text of the field's type.
    pub default_value: Option<String>,
    /// Default as a formula.
    pub default_value_formula: Option<String>,
    /// Filled by Salesforce at creation where nothing is given.
    pub defaulted_on_create: bool,
    /// Depends on `controller_name`.
    pub dependent_picklist: bool,
    /// Reserved.
    pub deprecated_and_hidden: bool,
    /// Most digits of an int.
    pub digits: u32,
    /// A location shown as decimal degrees.
    pub display_location_in_decimal: bool,
    /// Encrypted by Shield.
    pub encrypted: bool,
    /// An external Id.
    pub external_id: bool,
    /// plaintextarea, richtextarea, imageurl, ...
    pub extra_type_info: Option<String>,
    /// May stand in WHERE.
    pub filterable: bool,
    /// A formula that reads null as zero.
    pub formula_treat_null_number_as_zero: bool,
    /// May stand in GROUP BY.
    pub groupable: bool,
    /// Stored to 8 decimals whatever `scale` says.
    pub high_scale_number: bool,
    /// Contains HTML.
    pub html_formatted: bool,
    /// May identify a record in upsert.
    pub id_lookup: bool,
    /// Help text.
    pub inline_help_text: Option<String>,
    /// Label in the org's language.
    pub label: String,
    /// Most characters; 0 where the type has no text.
    pub length: u32,
    /// The character of an encrypted string's mask.
    pub mask: Option<String>,
    /// Which characters are masked: all, lastFour, ...
    pub mask_type: Option<String>,
    /// API name.
    pub name: String,
    /// The object's name field.
    pub name_field: bool,
    /// A reference to objects through their Name.
    pub name_pointing: bool,
    /// May be null.
    pub nillable: bool,
    /// Field-level security applies; system fields are always visible.
    pub permissionable: bool,
    /// Values of a picklist.
    pub picklist_values: Vec<PicklistValue>,
    /// A reference to several types.
    pub polymorphic_foreign_key: bool,
    /// Digits in all of a number.
    pub precision: u32,
    /// May stand in `DISTANCE()`.
    pub query_by_distance: bool,
    /// The target's field of an indirect lookup.
    pub reference_target_field: Option<String>,
    /// Types that a reference may point to.
    pub reference_to: Vec<String>,
    /// Dot paths to the parent start with it.
    pub relationship_name: Option<String>,
    /// 0 or 1 in a master-detail field.
    pub relationship_order: Option<u32>,
    /// A parent with such children cannot be deleted.
    pub restricted_delete: bool,
    /// Only listed values are accepted.
    pub restricted_picklist: bool,
    /// Digits after the point of a number.
    pub scale: u32,
    /// Indexed for search.
    pub search_prefilterable: bool,
    /// May stand in ORDER BY.
    pub sortable: bool,
    /// Its type.
    pub field_type: FieldType,
    /// No two records have the same value.
    pub unique: bool,
    /// May be changed.
    pub updateable: bool,
    /// Writing needs read access to the master.
    pub write_requires_master_read: bool,
}

impl Field {
    /// A field as Salesforce makes one of this type. A name that ends in `__c` is custom; the label is made from the
    /// name. References still need [`Field::pointing_to`], picklists [`Field::values`].
    pub fn new(name: &str, field_type: FieldType) -> Self {
        let plain = field_type.comparison() != Comparison::None && field_type != FieldType::EncryptedString;
        let grouped = !matches!(
            field_type,
            FieldType::Double
                | FieldType::Currency
                | FieldType::Percent
                | FieldType::DateTime
                | FieldType::Time
                | FieldType::MultiPicklist
        );
        let written = !field_type.is_compound() && field_type != FieldType::Id;
        let mut field = Self::bare(name, field_type);
        field.aggregatable = plain && !matches!(field_type, FieldType::Boolean | FieldType::MultiPicklist);
        field.case_sensitive = field_type == FieldType::EncryptedString;
        field.createable = written;
        field.updateable = written;
        field.default_value = (field_type == FieldType::Boolean).then(|| "false".to_owned());
        field.defaulted_on_create = matches!(field_type, FieldType::Boolean | FieldType::Id);
        field.display_location_in_decimal = field_type == FieldType::Location;
        field.extra_type_info = (field_type == FieldType::TextArea).then(|| "plaintextarea".to_owned());
        field.filterable = plain || field_type.is_compound();
        field.groupable = plain && grouped;
        field.html_formatted = field_type == FieldType::Url && field.custom;
        field.id_lookup = matches!(field_type, FieldType::Id | FieldType::Email);
        field.nillable = !matches!(field_type, FieldType::Boolean | FieldType::Id);
        field.query_by_distance = field_type.is_compound();
        field.search_prefilterable = field_type == FieldType::Reference;
        field.sortable = plain && field_type != FieldType::MultiPicklist;
        field.sized()
    }

    /// The length, digits and mask of a field of this type that nobody chose otherwise.
    fn sized(mut self) -> Self {
        match self.field_type {
            FieldType::Id | FieldType::Reference => return self.length(18),
            FieldType::Phone => return self.length(40),
            FieldType::Email => return self.length(80),
            FieldType::MultiPicklist => return self.length(4099),
            FieldType::EncryptedString => {
                self.mask = Some("asterisk".to_owned());
                self.mask_type = Some("all".to_owned());
                return self.length(175);
            }
            FieldType::String
            | FieldType::Picklist
            | FieldType::Combobox
            | FieldType::TextArea
            | FieldType::Url
            | FieldType::DataCategoryGroupReference => return self.length(255),
            FieldType::Double | FieldType::Currency | FieldType::Percent => return self.number(18, 2),
            FieldType::Int => self.digits = 8,
            FieldType::Long => self.digits = 18,
            FieldType::Boolean
            | FieldType::Base64
            | FieldType::Date
            | FieldType::DateTime
            | FieldType::Time
            | FieldType::Location
            | FieldType::Address
            | FieldType::AnyType
            | FieldType::Json
            | FieldType::ComplexValue => {}
        }
        self
    }

    /// A field of which nothing is said but its name and type.
    fn bare(name: &str, field_type: FieldType) -> Self {
        Self {
            content: Content::ByType,
            aggregatable: false,
            ai_prediction_field: false,
            auto_number: false,
            byte_length: 0,
            calculated: false,
            calculated_formula: None,
            cascade_delete: false,
            case_sensitive: false,
            compound_field_name: None,
            controller_name: None,
            createable: false,
            custom: name.ends_with("__c") || name.ends_with("__s"),
            default_value: None,
            default_value_formula: None,
            defaulted_on_create: false,
            dependent_picklist: false,
            deprecated_and_hidden: false,
            digits: 0,
            display_location_in_decimal: false,
            encrypted: false,
            external_id: false,
            extra_type_info: None,
            filterable: false,
            formula_treat_null_number_as_zero: false,
            groupable: false,
            high_scale_number: false,
            html_formatted: false,
            id_lookup: false,
            inline_help_text: None,
            label: label_of(name),
            length: 0,
            mask: None,
            mask_type: None,
            name: name.to_owned(),
            name_field: false,
            name_pointing: false,
            nillable: false,
            permissionable: true,
            picklist_values: Vec::new(),
            polymorphic_foreign_key: false,
            precision: 0,
            query_by_distance: false,
            reference_target_field: None,
            reference_to: Vec::new(),
            relationship_name: None,
            relationship_order: None,
            restricted_delete: false,
            restricted_picklist: false,
            scale: 0,
            search_prefilterable: false,
            sortable: false,
            field_type,
            unique: false,
            updateable: false,
            write_requires_master_read: false,
        }
    }

    /// Sets the length in characters, and the bytes that Salesforce tells for it: three a character. A text area above
    /// 255 characters is long: not to be filtered, sorted or grouped.
    #[must_use]
    pub fn length(mut self, characters: u32) -> Self {
        self.length = characters;
        self.byte_length = if matches!(self.field_type, FieldType::Id | FieldType::Reference) {
            characters
        } else {
            characters.saturating_mul(3)
        };
        if self.field_type == FieldType::TextArea && characters > 255 {
            self.filterable = false;
            self.sortable = false;
            self.groupable = false;
            self.aggregatable = false;
        }
        self
    }

    /// Sets what the generator writes into it.
    #[must_use]
    pub fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// Sets the label.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    /// Sets digits in all and digits after the point.
    #[must_use]
    pub fn number(mut self, precision: u32, scale: u32) -> Self {
        self.precision = precision;
        self.scale = scale;
        self
    }

    /// Makes it a reference to these objects; several make it polymorphic.
    #[must_use]
    pub fn pointing_to(mut self, objects: &[&str], relationship_name: Option<&str>) -> Self {
        self.reference_to = objects.iter().map(|&object| object.to_owned()).collect();
        self.relationship_name = relationship_name.map(str::to_owned);
        self.polymorphic_foreign_key = objects.len() > 1;
        self.name_pointing = objects.len() > 1;
        self
    }

    /// Gives a picklist its values.
    #[must_use]
    pub fn values(mut self, values: &[&str]) -> Self {
        self.picklist_values = values.iter().map(|&value| PicklistValue::new(value)).collect();
        self
    }

    /// Only listed values are accepted.
    #[must_use]
    pub fn restricted(mut self) -> Self {
        self.restricted_picklist = true;
        self
    }

    /// Makes it a component of a compound field.
    #[must_use]
    pub fn component_of(mut self, compound: &str) -> Self {
        self.compound_field_name = Some(compound.to_owned());
        self
    }

    /// A field that Salesforce keeps: not to be written, always visible.
    #[must_use]
    pub fn system(mut self) -> Self {
        self.createable = false;
        self.updateable = false;
        self.permissionable = false;
        self.defaulted_on_create = self.field_type != FieldType::Reference || !self.nillable;
        self
    }

    /// Never null.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.nillable = false;
        self.permissionable = false;
        self
    }

    /// May not be written; field-level security still applies.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.createable = false;
        self.updateable = false;
        self
    }

    /// A formula or roll-up.
    #[must_use]
    pub fn formula(mut self, formula: &str) -> Self {
        self.calculated = true;
        self.calculated_formula = (!formula.is_empty()).then(|| formula.to_owned());
        self.formula_treat_null_number_as_zero = true;
        self.read_only()
    }

    /// The object's name field.
    #[must_use]
    pub fn name_field(mut self) -> Self {
        self.name_field = true;
        self
    }

    /// An external Id, indexed; `unique` refuses duplicates.
    #[must_use]
    pub fn external_id(mut self, unique: bool) -> Self {
        self.external_id = true;
        self.id_lookup = true;
        self.unique = unique;
        self
    }

    /// May not stand in WHERE or ORDER BY.
    #[must_use]
    pub fn not_filterable(mut self) -> Self {
        self.filterable = false;
        self.sortable = false;
        self.groupable = false;
        self.aggregatable = false;
        self
    }

    /// Deleting the parent deletes this record (a master-detail field).
    #[must_use]
    pub fn cascading(mut self) -> Self {
        self.cascade_delete = true;
        self
    }

    /// Changes the type as Salesforce does when an administrator converts a field: name, label and position stay,
    /// everything else is as in a field of that type made anew.
    #[must_use]
    pub fn converted(&self, field_type: FieldType) -> Self {
        let mut converted = Self::new(&self.name, field_type);
        converted.label.clone_from(&self.label);
        converted.inline_help_text.clone_from(&self.inline_help_text);
        if !matches!(field_type, FieldType::Id | FieldType::Reference) && self.length > 0 && converted.length > 0 {
            converted = converted.length(self.length);
        }
        if field_type == FieldType::Picklist || field_type == FieldType::MultiPicklist {
            converted.picklist_values.clone_from(&self.picklist_values);
        }
        converted
    }
}

/// `NumberOfEmployees` is "Number Of Employees", `Region__c` is "Region", `OwnerId` is "Owner ID".
fn label_of(name: &str) -> String {
    let base = name
        .strip_suffix("__c")
        .or_else(|| name.strip_suffix("__s"))
        .unwrap_or(name)
        .replace("__", "_");
    let mut label = String::with_capacity(base.len() + 4);
    let mut before = ' ';
    for letter in base.chars() {
        if letter == '_' {
            label.push(' ');
        } else {
            if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
                label.push(' ');
            }
            label.push(letter);
        }
        before = letter;
    }
    match label.strip_suffix(" Id") {
        Some(stem) => format!("{stem} ID"),
        None if label == "Id" => "Record ID".to_owned(),
        None => label,
    }
}
