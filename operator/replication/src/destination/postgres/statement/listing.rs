//! Statements that compare the table with what Salesforce listed, and with the parents that were read.

use std::fmt::Write as _;

use super::{super::layout::Layout, Names, Statement, quote};
use crate::plan::{Deletes, LinkedColumn, ObjectPlan};

/// A stretch of the table: `$1` object, `$2` and `$3` Ids and stamps that were listed, `$4` behind this Id, `$5` not behind
/// that one where there is one.
#[derive(Debug)]
pub(crate) struct ListingStatements {
    /// What differs: Ids with `m` (missing), `d` (differing) or `v` (rejected, and vanished); and one row with `s`, how many
    /// the listing lacks, and how many of them are noted.
    pub(crate) compare: Stretches,
    /// Notes what the listing lacks: the parameters are the same without the stamps.
    pub(crate) note_surplus: Stretches,
}

/// A statement on a stretch with an end, and one without: an end that may be missing would keep the planner from the index.
#[derive(Debug)]
pub(crate) struct Stretches {
    pub(crate) bounded: Statement,
    pub(crate) open: Statement,
}

pub(super) fn statements(names: &Names) -> ListingStatements {
    let stretches = |make: fn(&Names, bool) -> Statement| Stretches {
        bounded: make(names, true),
        open: make(names, false),
    };
    ListingStatements {
        compare: stretches(compare),
        note_surplus: stretches(note_surplus),
    }
}

fn compare(names: &Names, bounded: bool) -> Statement {
    let Names {
        table,
        rejected,
        surplus,
        key,
        stamp,
        mark,
        deletes,
        ..
    } = names;
    let marked = mark
        .as_ref()
        .map_or("false".to_owned(), |mark| format!("t.{}", mark.is_deleted));
    let (until, rejected_until) = if bounded {
        (format!(" AND t.{key} <= $5"), " AND r.salesforce_id <= $5")
    } else {
        (String::new(), "")
    };
    let leaves_as_surplus = match deletes {
        Deletes::Remove | Deletes::Mark => format!(
            " AND NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = r.salesforce_id{})",
            names.and_unmarked()
        ),
        Deletes::Ignore => String::new(),
    };
    Statement::new(format!(
        "WITH pair AS MATERIALIZED (SELECT l.id AS listed, h.id AS here, h.marked, coalesce(l.id, h.id) AS id \
         FROM (SELECT u.id COLLATE \"C\" AS id, u.stamp FROM unnest($2::text[], $3::timestamptz[]) AS u (id, stamp)) l \
         FULL JOIN (SELECT t.{key} AS id, t.{stamp} AS stamp, {marked} AS marked FROM {table} t \
         WHERE t.{key} > $4{until}) h ON h.id = l.id \
         WHERE l.id IS NULL AND NOT h.marked OR h.id IS NULL OR l.stamp <> h.stamp OR l.id IS NOT NULL AND h.marked) \
         SELECT p.id, CASE WHEN p.here IS NULL THEN 'm' ELSE 'd' END AS what, 0::bigint AS surplus, 0::bigint AS noted \
         FROM pair p WHERE p.listed IS NOT NULL \
         AND NOT EXISTS (SELECT FROM {rejected} r WHERE r.object = $1 AND r.salesforce_id = p.id) \
         UNION ALL SELECT '', 's', count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM {surplus} n \
         WHERE n.object = $1 AND n.salesforce_id = p.id)) FROM pair p WHERE p.listed IS NULL \
         UNION ALL SELECT DISTINCT r.salesforce_id, 'v', 0::bigint, 0::bigint FROM {rejected} r WHERE r.object = $1 \
         AND r.salesforce_id > $4{rejected_until} \
         AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS l (id) WHERE l.id COLLATE \"C\" = r.salesforce_id)\
         {leaves_as_surplus}"
    ))
}

fn note_surplus(names: &Names, bounded: bool) -> Statement {
    let Names {
        table, surplus, key, ..
    } = names;
    let unmarked = names.and_unmarked();
    let until = if bounded {
        format!(" AND t.{key} <= $4")
    } else {
        String::new()
    };
    Statement::new(format!(
        "INSERT INTO {surplus} (object, salesforce_id) SELECT $1, t.{key} FROM {table} t \
         WHERE t.{key} > $3{until}{unmarked} \
         AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS l (id) WHERE l.id COLLATE \"C\" = t.{key}) \
         ON CONFLICT DO NOTHING"
    ))
}

/// Parents with a child that has another value. `$1` their Ids; `$2` whether a value of theirs fits no column of the child;
/// then the values, an array for each compared column, in the column's own type. `None` where the link names no column to
/// find the children by, or none to compare.
pub(crate) fn outdated_parents(
    schema: &str,
    plan: &ObjectPlan,
    layout: &Layout,
    reference: usize,
    compared: &[LinkedColumn],
) -> Option<Statement> {
    let names = Names::new(schema, plan, layout);
    let reference = quote(&layout.place(reference)?.name);
    let (mut arrays, mut columns, mut differs) = (String::new(), String::new(), String::new());
    for (number, LinkedColumn { column, field: _ }) in compared.iter().enumerate() {
        let column = quote(&layout.place(*column)?.name);
        // Writing to a String cannot fail.
        write!(arrays, ", ${}", number + 3).ok();
        write!(columns, ", v{number}").ok();
        write!(differs, " OR t.{column} IS DISTINCT FROM p.v{number}").ok();
    }
    let unmarked = names.and_unmarked();
    Some(Statement::new(format!(
        "SELECT DISTINCT p.id FROM unnest($1::text[], $2::boolean[]{arrays}) AS p (id, unfit{columns}) \
         JOIN {} t ON t.{reference} = p.id WHERE (p.unfit{differs}){unmarked}",
        names.table
    )))
}
