//! What Salesforce tells of its objects and fields.

pub(crate) mod read;

/// One object of describeGlobal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "Salesforce's own members, named as in the WSDL"
)]
pub struct ObjectSummary {
    /// API name.
    pub name: String,
    /// Label in the user's language.
    pub label: String,
    /// First three characters of its Ids, where it has a prefix.
    pub key_prefix: Option<String>,
    /// Made by the customer or a package.
    pub custom: bool,
    /// A custom setting.
    pub custom_setting: bool,
    /// Can be queried.
    pub queryable: bool,
    /// getUpdated and getDeleted serve it.
    pub replicateable: bool,
    /// retrieve serves it.
    pub retrieveable: bool,
    /// Reserved; never replicated.
    pub deprecated_and_hidden: bool,
}

/// One object of describeSObjects, with the fields that the user may see (salesforce-api.md 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectDescribe {
    /// What describeGlobal tells too.
    pub summary: ObjectSummary,
    /// Fields in describe's order.
    pub fields: Vec<FieldDescribe>,
}

/// One field (salesforce-api.md 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "Salesforce's own members, named as in the WSDL"
)]
pub struct FieldDescribe {
    /// API name.
    pub name: String,
    /// Label in the user's language.
    pub label: String,
    /// Its type.
    pub field_type: FieldType,
    /// Most characters.
    pub length: u32,
    /// Most bytes.
    pub byte_length: u32,
    /// Most digits of an int.
    pub digits: u32,
    /// Digits in all of a number.
    pub precision: u32,
    /// Digits after the point of a number.
    pub scale: u32,
    /// Stored to 8 decimals whatever `scale` says.
    pub high_scale_number: bool,
    /// A formula or roll-up: changes without moving SystemModstamp (salesforce-api.md 6.4).
    pub calculated: bool,
    /// May stand in WHERE.
    pub filterable: bool,
    /// May stand in ORDER BY.
    pub sortable: bool,
    /// The object's name field.
    pub name_field: bool,
    /// Made by the customer or a package.
    pub custom: bool,
    /// Reserved; never replicated.
    pub deprecated_and_hidden: bool,
    /// The compound field that this is a component of.
    pub compound_field_name: Option<String>,
    /// Dot paths to the parent start with it.
    pub relationship_name: Option<String>,
    /// Types that a reference may point to; several make it polymorphic.
    pub reference_to: Vec<String>,
    /// A reference to several types.
    pub polymorphic_foreign_key: bool,
}

/// The 27 field types of the Partner WSDL, and what may come (salesforce-api.md 5.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FieldType {
    /// string
    #[default]
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
    /// A type that this version does not know, as Salesforce wrote it.
    Unknown(String),
}

impl ObjectDescribe {
    /// The field of this API name, whatever case it is written in.
    pub fn field(&self, name: &str) -> Option<&FieldDescribe> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}
