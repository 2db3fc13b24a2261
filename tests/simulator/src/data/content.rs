//! What the generator writes into a field.

/// What a field contains. Parts of one person or one address agree within a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Values by the field's type, edges included, and about one in five null where the field is nillable.
    ByType,
    /// Null in every record: a field that was just made.
    Null,
    /// The same text in every record.
    Fixed(&'static str),
    /// The record's own Id.
    OwnId,
    /// A part of the person that the record is about.
    Person(PersonPart),
    /// A company's name.
    CompanyName,
    /// A company's web site.
    Website,
    /// An e-mail address that fits the person.
    EmailOf,
    /// A telephone number, written in one of many ways; the number tells the fields of a record apart.
    Phone(u8),
    /// A part of an address; the number tells the addresses of a record apart.
    Address(u8, AddressPart),
    /// One of the picklist's values.
    OneOfValues,
    /// An audit time.
    Moment(Moment),
    /// A reference to a record of the target object: child n points to parent n modulo the parents, one in twenty to none
    /// where the field is nillable.
    Parent,
    /// A reference to a user: owner, creator.
    UserRef,
    /// False, and true once in so many records (0: never).
    TrueOnceIn(u16),
    /// A number that ascends with the record, with this prefix and eight digits.
    AutoNumber(&'static str),
    /// What stands in a field of the parent: a formula. The org evaluates it against the parent as it is, so that a
    /// change there shows here without a stamp (salesforce-api.md 6.4); the generator against the parent as it was made.
    ParentValue {
        /// The reference field that leads to the parent.
        reference: &'static str,
        /// The parent's field.
        field: &'static str,
    },
    /// A short text of one line.
    Line,
    /// A text of several lines; one in fifty is very long (up to the field's length).
    Paragraphs,
}

/// Parts of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonPart {
    /// Salutation.
    Salutation,
    /// First name; sometimes null.
    FirstName,
    /// Last name; never null.
    LastName,
    /// First and last name, as Salesforce joins them.
    FullName,
    /// Job title.
    Title,
    /// Department.
    Department,
    /// Username: unique in the org.
    Username,
    /// Alias of at most 8 characters.
    Alias,
}

/// Parts of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPart {
    /// Street, often of several lines.
    Street,
    /// City.
    City,
    /// State or province by name.
    State,
    /// Postal code.
    PostalCode,
    /// Country by name.
    Country,
    /// State code.
    StateCode,
    /// ISO code of the country.
    CountryCode,
    /// Latitude.
    Latitude,
    /// Longitude.
    Longitude,
    /// Block, Street, City, ...
    GeocodeAccuracy,
}

/// Audit times, with Created <= `LastModified` <= `SystemModstamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `CreatedDate`.
    Created,
    /// `LastModifiedDate`.
    LastModified,
    /// `SystemModstamp`.
    SystemModstamp,
}
