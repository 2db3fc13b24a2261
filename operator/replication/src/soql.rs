//! The texts of a run's queries.
//!
//! Every read of rows is a queryAll: it also gives archived activities, which `query` hides, and it tells deletions
//! (salesforce-api.md 6.5). Every read is ordered by a key that is unique and that a later query can go on from, because
//! a locator may die at any page, even the last one (salesforce-api.md 12, 14): `Id` for a load of everything, and
//! `SystemModstamp, Id` for changes, since many rows may share one second (salesforce-api.md 6.3, 2).
//!
//! What is selected and from where is a [`Shape`]; which of its rows, a [`Rows`]. The condition of a plan belongs to the
//! shape: whoever reads without it does so on purpose, to find the rows that do not meet it any more (design 6.6).

use std::{fmt::Write as _, sync::Arc};

use jiff::Timestamp;
use salesforce::SelectList;

use crate::plan::{FieldPath, Link, ObjectName, ObjectPlan};

/// Most characters of a statement (salesforce-api.md 7), with room for what a query that goes on behind a row adds.
const STATEMENT: usize = 100_000 - 500;

/// Characters of an Id in a list: quotes, comma and space.
const ID: usize = 18 + 4;

/// What is selected, and from where.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The object.
    pub(crate) object: ObjectName,
    /// The select list.
    pub(crate) select: Vec<FieldPath>,
    /// The same for the reader of pages.
    pub(crate) list: SelectList,
    /// Position of Id.
    pub(crate) id: usize,
    /// Position of SystemModstamp, where the object has it.
    pub(crate) stamp: Option<usize>,
    /// Whether describe has IsDeleted.
    pub(crate) has_deleted: bool,
    /// Beside what [`Rows`] asks for.
    pub(crate) condition: Option<String>,
}

/// Which rows, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All live rows by Id.
    Live,
    /// Rows whose stamp is not older than this, by stamp and Id; deleted ones too.
    ChangedSince(Timestamp),
    /// Rows with one of these values in a reference or Id field, by Id; deleted ones too.
    Among {
        /// The field.
        field: Arc<str>,
        /// Ids, not more than [`Shape::ids_at_once`].
        ids: Arc<[String]>,
    },
}

/// A row behind which another query may go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// SystemModstamp, where the order has it.
    pub(crate) stamp: Option<Timestamp>,
    /// Id. Ids order as their bytes do (salesforce-api.md 7).
    pub(crate) id: String,
}

impl Shape {
    fn new(object: &ObjectName, select: Vec<FieldPath>, has_deleted: bool, condition: Option<String>) -> Arc<Self> {
        let position = |name: &str| {
            let own = |path: &FieldPath| path.relationship.is_none() && *path.field == *name;
            select.iter().position(own)
        };
        Arc::new(Self {
            object: object.clone(),
            list: SelectList::new(select.iter().map(ToString::to_string)),
            id: position("Id").unwrap_or_default(),
            stamp: position("SystemModstamp"),
            select,
            has_deleted,
            condition,
        })
    }

    /// Whole rows of a plan, of those that meet its condition.
    pub(crate) fn whole(plan: &ObjectPlan) -> Arc<Self> {
        let condition = plan.condition.as_ref().map(|condition| condition.soql.clone());
        Self::new(&plan.object, plan.select.clone(), plan.is_deleted.is_some(), condition)
    }

    /// Id and stamp, of rows that meet the plan's condition.
    pub(crate) fn listing(plan: &ObjectPlan) -> Arc<Self> {
        let select = key_and_stamp(plan);
        let condition = plan.condition.as_ref().map(|condition| condition.soql.clone());
        Self::new(&plan.object, select, plan.is_deleted.is_some(), condition)
    }

    /// Id and stamp, whether or not the row meets the condition.
    pub(crate) fn stamps(plan: &ObjectPlan) -> Arc<Self> {
        Self::new(&plan.object, key_and_stamp(plan), plan.is_deleted.is_some(), None)
    }

    /// The Ids of the same rows.
    pub(crate) fn without_values(&self) -> Arc<Self> {
        let select = vec![FieldPath::own("Id")];
        Self::new(&self.object, select, self.has_deleted, self.condition.clone())
    }

    /// Parents.
    pub(crate) fn parents(link: &Link) -> Arc<Self> {
        Self::new(&link.parent, link.select.clone(), link.is_deleted.is_some(), None)
    }

    /// How many Ids fit in a query of this shape, at most one page (2000) of them.
    pub(crate) fn ids_at_once(&self) -> usize {
        let none = Rows::Among {
            field: Arc::from("Id"),
            ids: Arc::from([]),
        };
        let left = STATEMENT.saturating_sub(statement(self, &none, None, None).len());
        (left / ID).clamp(1, 2000)
    }
}

/// Id, and the stamp where there is one.
fn key_and_stamp(plan: &ObjectPlan) -> Vec<FieldPath> {
    let stamp = plan.stamp.map(|_| FieldPath::own("SystemModstamp"));
    std::iter::once(FieldPath::own("Id")).chain(stamp).collect()
}

/// The query for whole `rows` of a plan behind `after`, at most `limit` of them.
pub(crate) fn query(plan: &ObjectPlan, rows: &Rows, after: Option<&Position>, limit: Option<u32>) -> String {
    statement(&Shape::whole(plan), rows, after, limit)
}

/// The query for `rows` behind `after`, at most `limit` of them.
pub(crate) fn statement(shape: &Shape, rows: &Rows, after: Option<&Position>, limit: Option<u32>) -> String {
    let mut conditions = Vec::new();
    let order = match rows {
        Rows::Live => {
            if shape.has_deleted {
                conditions.push("IsDeleted = false".to_owned());
            }
            conditions.extend(behind(after));
            "Id"
        }
        Rows::Among { field, ids } => {
            let ids: Vec<String> = ids.iter().map(|id| text(id)).collect();
            conditions.push(format!("{field} IN ({})", ids.join(", ")));
            conditions.extend(behind(after));
            "Id"
        }
        Rows::ChangedSince(from) => {
            match after {
                // The equal half of the condition is what ties within one second need.
                Some(Position { stamp: Some(stamp), id }) => conditions.push(format!(
                    "(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > {id}))",
                    stamp = moment(*stamp),
                    id = text(id)
                )),
                // Without a stamp to go on from, everything is read again: the guard of the table makes that harmless.
                Some(Position { stamp: None, .. }) | None => {
                    conditions.push(format!("SystemModstamp >= {}", moment(*from)));
                }
            }
            "SystemModstamp, Id"
        }
    };
    conditions.extend(shape.condition.clone());
    let mut soql = String::from("SELECT ");
    for (position, path) in shape.select.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        // Writing into a String cannot fail.
        write!(soql, "{separator}{path}").ok();
    }
    write!(soql, " FROM {}", shape.object).ok();
    if !conditions.is_empty() {
        write!(soql, " WHERE {}", conditions.join(" AND ")).ok();
    }
    write!(soql, " ORDER BY {order}").ok();
    if let Some(limit) = limit {
        write!(soql, " LIMIT {limit}").ok();
    }
    soql
}

/// Rows behind one, in the order of Ids.
fn behind(after: Option<&Position>) -> Option<String> {
    after.map(|position| format!("Id > {}", text(&position.id)))
}

/// A string literal (salesforce-api.md 7, escapes). Ids have no character that needs it; a value that came over the wire
/// is escaped all the same.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A dateTime literal. Stamps have whole seconds (salesforce-api.md 5.4); milliseconds are written only where there are
/// any.
fn moment(at: Timestamp) -> String {
    let form = if at.subsec_millisecond() == 0 {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S.%3fZ"
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_load_reads_live_rows_by_id_and_goes_on_behind_the_last_one() {
        let plan = fixture::contact();
        assert_eq!(
            query(&plan, &Rows::Live, None, None),
            "SELECT Id, SystemModstamp, IsDeleted, LastName, Account.Name FROM Contact WHERE IsDeleted = false ORDER BY Id"
        );
        let after = Position {
            stamp: None,
            id: "003000000000001AAA".to_owned(),
        };
        assert_eq!(
            query(&plan, &Rows::Live, Some(&after), Some(2000)),
            "SELECT Id, SystemModstamp, IsDeleted, LastName, Account.Name FROM Contact \
             WHERE IsDeleted = false AND Id > '003000000000001AAA' ORDER BY Id LIMIT 2000"
        );
    }

    #[test]
    fn without_is_deleted_every_row_is_live() {
        let mut plan = fixture::contact();
        plan.is_deleted = None;
        plan.select.truncate(2);
        assert_eq!(
            query(&plan, &Rows::Live, None, None),
            "SELECT Id, SystemModstamp FROM Contact ORDER BY Id"
        );
    }

    #[test]
    fn a_listing_without_stamps_is_of_ids() {
        let mut plan = fixture::contact();
        (plan.stamp, plan.is_deleted) = (None, None);
        for shape in [Shape::listing(&plan), Shape::stamps(&plan)] {
            assert_eq!(
                statement(&shape, &Rows::Live, None, None),
                "SELECT Id FROM Contact ORDER BY Id"
            );
            assert_eq!((shape.id, shape.stamp), (0, None));
        }
    }

    #[test]
    fn changes_are_inclusive() {
        let plan = fixture::contact();
        let soql = query(&plan, &Rows::ChangedSince(at("2026-11-24T13:20:18Z")), None, None);
        assert!(
            soql.ends_with("WHERE SystemModstamp >= 2026-11-24T13:20:18Z ORDER BY SystemModstamp, Id"),
            "{soql}"
        );
    }

    #[test]
    fn changes_go_on_inside_a_second() {
        let plan = fixture::contact();
        let after = Position {
            stamp: Some(at("2026-11-24T13:20:18Z")),
            id: "0030".to_owned(),
        };
        let soql = query(
            &plan,
            &Rows::ChangedSince(at("2026-11-24T13:00:00Z")),
            Some(&after),
            None,
        );
        assert!(
            soql.ends_with(
                "WHERE (SystemModstamp > 2026-11-24T13:20:18Z OR (SystemModstamp = 2026-11-24T13:20:18Z AND Id > '0030')) \
                 ORDER BY SystemModstamp, Id"
            ),
            "{soql}"
        );
        let after = Position {
            stamp: Some(at("2026-11-24T13:20:18.250Z")),
            id: "0030".to_owned(),
        };
        let soql = query(
            &plan,
            &Rows::ChangedSince(at("2026-11-24T13:00:00Z")),
            Some(&after),
            None,
        );
        assert!(soql.contains("SystemModstamp > 2026-11-24T13:20:18.250Z"), "{soql}");
    }

    #[test]
    fn a_quote_cannot_leave_its_literal() {
        assert_eq!(text(r"a' OR Id != '\"), r"'a\' OR Id != \'\\'");
    }

    #[test]
    fn the_condition_stands_beside_everything_but_stamps() {
        let mut plan = fixture::contact();
        plan.condition = Some(crate::plan::Condition {
            soql: "(Country = 'DE' OR Country = null)".to_owned(),
        });
        let ids = Rows::Among {
            field: Arc::from("Id"),
            ids: Arc::from(["003A".to_owned(), "003B".to_owned()]),
        };
        let after = Position {
            stamp: None,
            id: "003A".to_owned(),
        };
        assert_eq!(
            statement(&Shape::listing(&plan), &ids, Some(&after), None),
            "SELECT Id, SystemModstamp FROM Contact WHERE Id IN ('003A', '003B') AND Id > '003A' AND \
             (Country = 'DE' OR Country = null) ORDER BY Id"
        );
        assert_eq!(
            statement(&Shape::stamps(&plan), &Rows::Live, None, None),
            "SELECT Id, SystemModstamp FROM Contact WHERE IsDeleted = false ORDER BY Id"
        );
    }

    #[test]
    fn a_list_of_ids_fits_into_a_statement() {
        let mut plan = fixture::contact();
        assert_eq!(Shape::whole(&plan).ids_at_once(), 2000);
        let wide = (0..4000).map(|field| FieldPath::own(format!("Field_{field:04}__c")));
        plan.select.extend(wide);
        let shape = Shape::whole(&plan);
        let ids = vec!["003000000000001AAA".to_owned(); shape.ids_at_once()];
        assert!(ids.len() > 500 && ids.len() < 2000, "{}", ids.len());
        let rows = Rows::Among {
            field: Arc::from("Id"),
            ids: Arc::from(ids),
        };
        let after = Position {
            stamp: None,
            id: "003000000000001AAA".to_owned(),
        };
        assert!(statement(&shape, &rows, Some(&after), Some(2000)).len() < 100_000);
    }
}
