//! The texts of a run's queries.
//!
//! Every read of rows is a queryAll: it also gives archived activities, which `query` hides, and it tells deletions
//! (salesforce-api.md 6.5). Every read is ordered by a key that is unique and that a later query can go on from, because
//! a locator may die at any page, even the last one (salesforce-api.md 12, 14): `Id` for a load of everything, and
//! `SystemModstamp, Id` for changes, since many rows may share one second (salesforce-api.md 6.3, 2).

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::plan::ObjectPlan;

/// Which rows, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All live rows by Id.
    Live,
    /// Rows whose stamp is not older than this, by stamp and Id; deleted ones too.
    ChangedSince(Timestamp),
}

/// A row behind which another query may go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// SystemModstamp, where the order has it.
    pub(crate) stamp: Option<Timestamp>,
    /// Id. Ids order as their bytes do (salesforce-api.md 7).
    pub(crate) id: String,
}

/// The query for `rows` behind `after`, at most `limit` of them.
pub(crate) fn query(plan: &ObjectPlan, rows: &Rows, after: Option<&Position>, limit: Option<u32>) -> String {
    let mut conditions = Vec::new();
    let order = match rows {
        Rows::Live => {
            if plan.is_deleted.is_some() {
                conditions.push("IsDeleted = false".to_owned());
            }
            if let Some(position) = after {
                conditions.push(format!("Id > {}", text(&position.id)));
            }
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
    let mut soql = String::from("SELECT ");
    for (position, path) in plan.select.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        // Writing into a String cannot fail.
        write!(soql, "{separator}{path}").ok();
    }
    write!(soql, " FROM {}", plan.object).ok();
    if !conditions.is_empty() {
        write!(soql, " WHERE {}", conditions.join(" AND ")).ok();
    }
    write!(soql, " ORDER BY {order}").ok();
    if let Some(limit) = limit {
        write!(soql, " LIMIT {limit}").ok();
    }
    soql
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
}
