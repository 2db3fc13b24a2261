//! A small plan for unit tests.

use std::sync::Arc;

use crate::plan::{
    Column, ColumnKind, ColumnSource, Deletes, FieldPath, Identifier, ObjectName, ObjectPlan, Periods, PlanHash,
    VerifyBy,
};

/// Contact with two columns beside key and stamp.
pub(crate) fn contact() -> ObjectPlan {
    let path = |relationship: Option<&str>, field: &str| FieldPath {
        relationship: relationship.map(Arc::from),
        field: Arc::from(field),
    };
    let column = |name: &str, kind, position| Column {
        name: Identifier::new(name),
        kind,
        source: ColumnSource::Field(position),
    };
    ObjectPlan {
        object: ObjectName::new("Contact"),
        table: Identifier::new("contact"),
        select: vec![
            path(None, "Id"),
            path(None, "SystemModstamp"),
            path(None, "IsDeleted"),
            path(None, "LastName"),
            path(Some("Account"), "Name"),
        ],
        id: 0,
        stamp: Some(1),
        is_deleted: Some(2),
        columns: vec![
            column("salesforce_id", ColumnKind::Id, 0),
            column("system_modstamp", ColumnKind::Timestamp, 1),
            column("surname", ColumnKind::Text { length: Some(80) }, 3),
            column("company", ColumnKind::Text { length: Some(255) }, 4),
        ],
        deletes: Deletes::Remove,
        indexes: Vec::new(),
        condition: None,
        links: Vec::new(),
        verify_by: VerifyBy::Log,
        periods: Periods::default(),
        missing_fields: Vec::new(),
        hash: PlanHash("hash".to_owned()),
    }
}
