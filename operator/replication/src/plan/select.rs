//! The select list of an object's queries.
//!
//! It begins with what every query reads: the Id, by which a load resumes, the stamp, by which changes do, and whether
//! the record is deleted. Nothing is read twice, and nothing that no column needs.

use super::{field_path::FieldPath, findings::Findings, schema::Lookup};

/// The select list while it grows.
pub(super) struct Select {
    pub(super) paths: Vec<FieldPath>,
    pub(super) is_deleted: Option<usize>,
}

impl Select {
    /// Begins with what every query reads.
    pub(super) fn new(lookup: Lookup<'_>, findings: &mut Findings<'_>) -> Option<Self> {
        let known = |name: &str| lookup.find(name).is_ok();
        if !known("Id") {
            findings.problem("the object has no Id, so its records cannot be told apart");
            return None;
        }
        if !known("SystemModstamp") {
            findings.missing_field(
                "the object has no SystemModstamp, or the Salesforce user may not read it: changes cannot be told, and \
                 reading all of it at each run is not served yet",
            );
            return None;
        }
        let mut paths = vec![FieldPath::own("Id"), FieldPath::own("SystemModstamp")];
        let is_deleted = known("IsDeleted").then(|| {
            paths.push(FieldPath::own("IsDeleted"));
            paths.len() - 1
        });
        Some(Self { paths, is_deleted })
    }

    pub(super) fn position(&mut self, path: &FieldPath) -> usize {
        self.paths.iter().position(|known| known == path).unwrap_or_else(|| {
            self.paths.push(path.clone());
            self.paths.len() - 1
        })
    }
}
