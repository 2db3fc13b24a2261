//! An object that cannot be planned: what is wrong with it, and whose table stays as it is.
//!
//! It has not left the resource, so nothing that is done for objects that left may be done to it.

use crds::ObjectSpec;

use super::{
    Plan,
    findings::{self, Problem},
    identifier::{Identifier, ObjectName},
    object,
    schema::Schema,
};
use crate::{Error, Problems, destination::Capabilities};

/// An object of the resource that cannot be planned, and so does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplanned {
    /// The object: in describe's case where the org shows it, else as it is written.
    pub object: ObjectName,
    /// Its table.
    pub table: Identifier,
    /// The CamelCase word: `InvalidObject`, `InvalidField` or `InvalidSpec`.
    pub reason: &'static str,
    /// All that is wrong, each a sentence that begins with the object.
    pub problems: Problems,
}

impl Unplanned {
    pub(super) fn new(
        spec: &ObjectSpec,
        (schema, capabilities): (&Schema, Capabilities),
        problems: Vec<Problem>,
    ) -> Self {
        let name = schema.summary(&spec.name).map_or(&spec.name, |summary| &summary.name);
        Self {
            object: ObjectName::new(name.as_str()),
            table: object::table_of(spec, schema, capabilities),
            reason: findings::reason(&problems),
            problems: Problems(findings::texts(problems)),
        }
    }

    /// Why it does not run.
    pub fn error(&self) -> Error {
        Error::Unplanned {
            reason: self.reason,
            problems: self.problems.clone(),
        }
    }
}

impl Plan {
    /// What is wrong with objects, all of it at once; nothing where each of them can be planned.
    pub fn problems(&self) -> Problems {
        let problems = self.unplanned.iter().flat_map(|object| &object.problems.0);
        Problems(problems.cloned().collect())
    }
}
