//! The select list of an object's queries.
//!
//! It begins with what every query reads: the Id, by which a load resumes, the stamp, by which changes do, and whether
//! the record is deleted. Nothing is read twice, and nothing that no column needs.

use super::{field_path::FieldPath, findings::Findings, schema::Lookup};

/// The select list while it grows.
pub(super) struct Select {
    pub(super) paths: Vec<FieldPath>,
    /// Position of SystemModstamp, where the object has it.
    pub(super) stamp: Option<usize>,
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
        let mut paths = vec![FieldPath::own("Id")];
        let mut add = |name: &str| {
            known(name).then(|| {
                paths.push(FieldPath::own(name));
                paths.len() - 1
            })
        };
        let (stamp, is_deleted) = (add("SystemModstamp"), add("IsDeleted"));
        Some(Self {
            paths,
            stamp,
            is_deleted,
        })
    }

    pub(super) fn position(&mut self, path: &FieldPath) -> usize {
        self.paths.iter().position(|known| known == path).unwrap_or_else(|| {
            self.paths.push(path.clone());
            self.paths.len() - 1
        })
    }
}
