//! The objects and fields of the simulated org: what describe tells, and against what SOQL is checked.
//!
//! A [`Schema`] is a value: it is cloned, changed and put back; nothing in it is global. [`Schema::standard`] has Account,
//! Contact, Lead, User, Opportunity, Task, Case with Salesforce's own fields, types and lengths, and `Specimen__c`, a
//! custom object with a field of every type. Further objects (Profile, PermissionSet, ..) are added with
//! [`Schema::add_object`]; relationships to children are not stored but found from the reference fields, so they cannot
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
