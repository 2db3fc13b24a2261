//! Statements on pending deletes, those that name the object's table.

use super::{
    super::encode::Kind,
    Mark, Names, Statement,
    rows::{STAGING, is_one_of},
};

/// Which pending deletes a statement is about: `$1` object, `$2` found since, `$3` only confirmed ones.
const CHOSEN: &str = "p.object = $1 AND ($2::timestamptz IS NULL OR p.found_at >= $2) AND (p.confirmed OR NOT $3)";

/// Statements on pending deletes and the entries of rejected rows that go with them.
#[derive(Debug)]
pub(crate) struct DeleteStatements {
    /// `$1` object: pending deletes that a staged live row disproves.
    pub(crate) take_out: Statement,
    /// The same, whatever the stamps.
    pub(crate) take_out_overwritten: Statement,
    /// `$1` object, `$2` found at.
    pub(crate) note: Statement,
    /// `$1` object: how many nobody has confirmed, how many somebody has; marked rows, where it matters.
    pub(crate) count: Statement,
    /// See [`CHOSEN`]; gives how many rows left or were marked, and how many of them nobody had confirmed.
    pub(crate) apply: Statement,
    /// See [`CHOSEN`]: rejected rows that left with them.
    pub(crate) forget_rejected: Statement,
    /// See [`CHOSEN`].
    pub(crate) forget: Statement,
    /// `$1` object: rejected rows among the staged deletes whose rows are not here.
    pub(crate) forget_rejected_absent: Statement,
    /// `$1` object: rejected rows among the staged deletes.
    pub(crate) forget_rejected_staged: Statement,
}

/// Pending deletes that a statement chooses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pending {
    /// All of them.
    All,
    /// Those that somebody has confirmed.
    Confirmed,
}

pub(super) fn statements(names: &Names) -> DeleteStatements {
    let Names {
        table,
        pending,
        rejected,
        key,
        stamp,
        ..
    } = names;
    let unmarked = names.and_unmarked();
    let marked = names.mark.as_ref().map_or("0::bigint".to_owned(), |mark| {
        format!("(SELECT count(*) FROM {table} t WHERE t.{})", mark.is_deleted)
    });
    let read = is_one_of(&[Kind::Live, Kind::Rejected]);
    let gone = is_one_of(&[Kind::Deleted, Kind::Left]);
    let take_out = format!(
        "DELETE FROM {pending} p USING {STAGING} s WHERE p.object = $1 AND p.salesforce_id = s.{key} AND {read}"
    );
    let of_staged = format!(
        "DELETE FROM {rejected} r USING {STAGING} s WHERE r.object = $1 AND r.salesforce_id = s.{key} AND {gone}"
    );
    DeleteStatements {
        take_out_overwritten: Statement::new(take_out.clone()),
        take_out: Statement::new(if names.stamped {
            format!("{take_out} AND s.{stamp} >= p.stamp")
        } else {
            take_out
        }),
        note: note(names),
        count: Statement::new(format!(
            "SELECT count(*) FILTER (WHERE NOT confirmed), count(*) FILTER (WHERE confirmed), \
             CASE WHEN count(*) FILTER (WHERE NOT confirmed) > 0 THEN {marked} ELSE 0::bigint END FROM {pending} \
             WHERE object = $1"
        )),
        apply: apply(names),
        forget_rejected: Statement::new(format!(
            "DELETE FROM {rejected} r USING {pending} p WHERE {CHOSEN} AND r.object = $1 \
             AND r.salesforce_id = p.salesforce_id AND NOT EXISTS (SELECT FROM {table} t \
             WHERE t.{key} = p.salesforce_id{unmarked})"
        )),
        forget: Statement::new(format!("DELETE FROM {pending} p WHERE {CHOSEN}")),
        forget_rejected_absent: Statement::new(format!(
            "{of_staged} AND NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = s.{key}{unmarked})"
        )),
        forget_rejected_staged: Statement::new(of_staged),
    }
}

/// A record that left gets a stamp that applies to the row that is here, whatever is known of it; so does a deleted one that was
/// read by Id just now (`$3`), though the row be newer, which it can be only by a mistake. It may be staged several times, and as
/// deleted too.
fn note(names: &Names) -> Statement {
    let Names {
        table,
        pending,
        key,
        stamp,
        ..
    } = names;
    let unmarked = names.and_unmarked();
    let (deleted, left) = (is_one_of(&[Kind::Deleted]), is_one_of(&[Kind::Left]));
    let (entry, applies) = if names.stamped {
        (
            format!("max(greatest(s.{stamp}, t.{stamp}))"),
            format!("({left} OR {deleted} AND ($3 OR t.{stamp} <= s.{stamp}))"),
        )
    } else {
        // Of one age with every row.
        ("timestamptz 'epoch'".to_owned(), format!("({left} OR {deleted})"))
    };
    // An entry that is there with the same stamp is left alone: ON CONFLICT would lock it, and a lock is a write.
    Statement::new(format!(
        "INSERT INTO {pending} AS p (object, salesforce_id, stamp, found_at) SELECT $1, f.id, f.stamp, $2 \
         FROM (SELECT t.{key} AS id, {entry} AS stamp \
         FROM {STAGING} s JOIN {table} t ON t.{key} = s.{key} \
         WHERE {applies}{unmarked} GROUP BY 1) f \
         WHERE NOT EXISTS (SELECT FROM {pending} q \
         WHERE q.object = $1 AND q.salesforce_id = f.id AND q.stamp >= f.stamp) \
         ON CONFLICT (object, salesforce_id) DO UPDATE SET stamp = excluded.stamp"
    ))
}

fn apply(names: &Names) -> Statement {
    let Names {
        table,
        pending,
        key,
        stamp,
        mark,
        ..
    } = names;
    let applies = format!("{CHOSEN} AND p.salesforce_id = t.{key}");
    let (applies, marked) = if names.stamped {
        let marked = format!("p.stamp, {stamp} = p.stamp");
        (format!("{applies} AND t.{stamp} <= p.stamp"), marked)
    } else {
        // When it was found is all that is known of a deletion.
        (applies, "p.found_at".to_owned())
    };
    let change = match mark {
        Some(Mark { is_deleted, deleted_at }) => format!(
            "UPDATE {table} t SET {is_deleted} = true, {deleted_at} = {marked} FROM {pending} p \
             WHERE {applies} AND NOT t.{is_deleted}"
        ),
        None => format!("DELETE FROM {table} t USING {pending} p WHERE {applies}"),
    };
    Statement::new(format!(
        "WITH gone AS ({change} RETURNING p.confirmed) \
         SELECT count(*), count(*) FILTER (WHERE NOT confirmed) FROM gone"
    ))
}
