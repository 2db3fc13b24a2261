//! Statements by which rows enter one object's table.

use std::fmt::Write as _;

use super::{
    super::{MergeStatement, encode::Kind, layout::Layout},
    Names, Statement,
    columns::{IndexStatements, create_table, index_statements},
    deletes::{self, DeleteStatements},
    listing::{self, ListingStatements},
    trial::{self, TrialStatements},
};
use crate::{destination::Load, plan::ObjectPlan};

/// How staged rows enter the table.
#[derive(Debug)]
pub(crate) enum MergeSql {
    /// One simple query of three statements: rows inserted so far in this transaction, MERGE, the same number again.
    /// MERGE tells only the sum of what it did.
    Merge(Statement),
    /// Two statements, each of which tells its number.
    UpdateInsert { update: Statement, insert: Statement },
}

/// Statements on one object's table.
#[derive(Debug)]
pub(crate) struct TableStatements {
    pub(crate) create_table: Statement,
    pub(crate) drop_table: Statement,
    pub(crate) indexes: Vec<IndexStatements>,
    pub(crate) copy_direct: Statement,
    pub(crate) create_staging: Statement,
    pub(crate) copy_staging: Statement,
    pub(crate) drop_repeated: Statement,
    merge: MergeSql,
    overwrite: MergeSql,
    pub(crate) deletes: DeleteStatements,
    pub(crate) listing: ListingStatements,
    pub(crate) trial: TrialStatements,
    /// `$1` object, `$2` order of reading, `$3` column, `$4` reason, `$5` whether rows that are newer here count, `$6` wall
    /// clock: notes the staged rejected rows; gives how many there are, and how many entries changed.
    pub(crate) note_rejected: Statement,
    /// `$1` object: entries of staged rows that are in the table as they were read.
    pub(crate) forget_written: Statement,
    /// `$1` object: entries of rows that this transaction put into the table.
    pub(crate) forget_loaded: Statement,
    /// Keeps everybody out until the transaction ends, for an exchange of columns; it does not wait long for that.
    pub(crate) lock_table: Statement,
    pub(crate) has_rows: Statement,
    pub(crate) count_rows: Statement,
}

/// Columns that only the staging table has: the order of reading, and what the row is (see [`Kind`]). A plan's names have
/// no `#`.
pub(super) const READ: &str = "\"#read\"";
pub(super) const KIND: &str = "\"#kind\"";

/// The staging table of a connection; a connection serves one object.
pub(super) const STAGING: &str = "pg_temp.\"#staging\"";

/// `s."#kind" IN (..)`.
pub(super) fn is_one_of(kinds: &[Kind]) -> String {
    let codes: Vec<String> = kinds.iter().map(|kind| kind.code().to_string()).collect();
    format!("s.{KIND} IN ({})", codes.join(", "))
}

impl MergeSql {
    /// The same for the live rows of these places in the order of reading alone.
    pub(crate) fn of_part(&self, first: i64, last: i64) -> Self {
        let whole = format!("{STAGING} s");
        let part = format!(
            "(SELECT * FROM {STAGING} s WHERE {} AND s.{READ} BETWEEN {first} AND {last}) s",
            is_one_of(&[Kind::Live])
        );
        let of_part = |statement: &Statement| Statement::new(statement.as_str().replace(&whole, &part));
        match self {
            Self::Merge(statement) => Self::Merge(of_part(statement)),
            Self::UpdateInsert { update, insert } => Self::UpdateInsert {
                update: of_part(update),
                insert: of_part(insert),
            },
        }
    }
}

impl TableStatements {
    pub(crate) fn new(schema: &str, plan: &ObjectPlan, layout: &Layout, merge: MergeStatement) -> Self {
        let names = Names::new(schema, plan, layout);
        Self {
            create_table: create_table(&names, plan),
            // The lock that it takes stops readers, so it does not wait long for it.
            drop_table: Statement::new(format!(
                "SET LOCAL lock_timeout = '5s'; DROP TABLE IF EXISTS {}",
                names.table
            )),
            indexes: plan
                .indexes
                .iter()
                .map(|index| index_statements(&names, index))
                .collect(),
            copy_direct: Statement::new(format!(
                "COPY {} ({}) FROM STDIN (FORMAT binary)",
                names.table,
                names.columns.join(", ")
            )),
            create_staging: create_staging(&names),
            copy_staging: Statement::new(format!(
                "COPY {STAGING} ({READ}, {KIND}, {}) FROM STDIN (FORMAT binary)",
                names.columns.join(", ")
            )),
            drop_repeated: drop_repeated(&names),
            merge: merge_sql(&names, merge, &guard(&names)),
            overwrite: merge_sql(&names, merge, &differs(&names)),
            deletes: deletes::statements(&names),
            listing: listing::statements(&names),
            trial: trial::statements(&names, plan),
            note_rejected: note_rejected(&names),
            forget_written: forget_written(&names),
            forget_loaded: Statement::new(format!(
                "DELETE FROM {} r USING {} t WHERE r.object = $1 AND t.{} = r.salesforce_id \
                 AND t.xmin = pg_current_xact_id()::xid",
                names.rejected, names.table, names.key
            )),
            lock_table: Statement::new(format!(
                "SET LOCAL lock_timeout = '5s'; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
                names.table
            )),
            has_rows: Statement::new(format!("SELECT EXISTS (SELECT FROM {})", names.table)),
            count_rows: Statement::new(format!("SELECT count(*) FROM {}", names.table)),
        }
    }

    /// What makes the table and its indexes, for `plan`.
    pub(crate) fn ddl(&self) -> Vec<String> {
        std::iter::once(&self.create_table)
            .chain(self.indexes.iter().map(|index| &index.create))
            .map(|statement| statement.as_str().to_owned())
            .collect()
    }

    /// What brings staged rows into the table; `None` where rows go there directly.
    pub(crate) fn merging(&self, load: Load) -> Option<&MergeSql> {
        match load {
            Load::Direct => None,
            Load::Merge => Some(&self.merge),
            Load::Overwrite => Some(&self.overwrite),
        }
    }
}

fn create_staging(names: &Names) -> Statement {
    let mut sql = format!("CREATE TEMPORARY TABLE {STAGING} ({READ} bigint NOT NULL, {KIND} smallint NOT NULL");
    for (position, (column, type_name)) in names.columns.iter().zip(&names.types).enumerate() {
        let collation = if position == 0 { " COLLATE \"C\"" } else { "" };
        // Writing to a String cannot fail.
        write!(sql, ", {column} {type_name}{collation}").ok();
    }
    sql.push_str(") ON COMMIT DELETE ROWS");
    Statement::new(sql)
}

/// Of several rows for one Id the newest stamp stays, at equal stamps the later read. A record that left does so in the
/// form that the rows before it gave it, and has not left where it was read as live behind that. Only key, stamp and place
/// are sorted, not the rows.
fn drop_repeated(names: &Names) -> Statement {
    let Names { key, stamp, .. } = names;
    let (is_left, is_read) = (is_one_of(&[Kind::Left]), is_one_of(&[Kind::Live, Kind::Rejected]));
    Statement::new(format!(
        "DELETE FROM {STAGING} d USING (SELECT s.ctid AS place, {is_left} AS is_left, s.{READ} AS read, \
         row_number() OVER (PARTITION BY s.{key}, {is_left} ORDER BY s.{stamp} DESC, s.{READ} DESC) AS number, \
         max(s.{READ}) FILTER (WHERE {is_read}) OVER (PARTITION BY s.{key}) AS last_read FROM {STAGING} s) r \
         WHERE d.ctid = r.place AND CASE WHEN r.is_left THEN r.read < r.last_read ELSE r.number > 1 END"
    ))
}

/// Whether any column but the key differs. Column by column: comparing whole rows costs 1.8 times as much.
fn differs(names: &Names) -> String {
    let stamp = &names.stamp;
    let differs = differing(&names.compared);
    if differs.is_empty() {
        return format!("t.{stamp} <> s.{stamp}");
    }
    format!("(t.{stamp} <> s.{stamp} OR {differs})")
}

/// The guard (performance.md 1.4): an older stamp here, or an equal one and any column that differs.
fn guard(names: &Names) -> String {
    let stamp = &names.stamp;
    let differs = differing(&names.compared);
    match (names.stamped, differs.is_empty()) {
        (true, true) => return format!("t.{stamp} < s.{stamp}"),
        (false, true) => return "false".to_owned(),
        (false, false) => return format!("({differs})"),
        (true, false) => {}
    }
    format!("(t.{stamp} < s.{stamp} OR t.{stamp} = s.{stamp} AND ({differs}))")
}

fn differing(columns: &[String]) -> String {
    let differs: Vec<String> = columns
        .iter()
        .map(|column| format!("t.{column} IS DISTINCT FROM s.{column}"))
        .collect();
    differs.join(" OR ")
}

fn merge_sql(names: &Names, merge: MergeStatement, condition: &str) -> MergeSql {
    let Names {
        table, key, columns, ..
    } = names;
    let assignments: Vec<String> = columns
        .iter()
        .skip(1)
        .map(|column| format!("{column} = s.{column}"))
        .collect();
    let assignments = assignments.join(", ");
    let all = columns.join(", ");
    let staged = names.prefixed("s");
    let live = is_one_of(&[Kind::Live]);
    match merge {
        MergeStatement::Merge => {
            let inserted = format!(
                "SELECT pg_stat_get_xact_tuples_inserted({}::regclass)",
                names.table_literal
            );
            MergeSql::Merge(Statement::new(format!(
                "{inserted}; MERGE INTO {table} t USING {STAGING} s ON t.{key} = s.{key} \
                 WHEN MATCHED AND {live} AND {condition} THEN UPDATE SET {assignments} \
                 WHEN NOT MATCHED AND {live} THEN INSERT ({all}) VALUES ({staged}); {inserted}"
            )))
        }
        MergeStatement::UpdateInsert => MergeSql::UpdateInsert {
            update: Statement::new(format!(
                "UPDATE {table} t SET {assignments} FROM {STAGING} s WHERE t.{key} = s.{key} AND {live} AND {condition}"
            )),
            insert: Statement::new(format!(
                "INSERT INTO {table} ({all}) SELECT {staged} FROM {STAGING} s WHERE {live} \
                 AND NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = s.{key})"
            )),
        },
    }
}

/// Entries that are there with the same reason are left alone: ON CONFLICT would lock them, and a lock is a write.
fn note_rejected(names: &Names) -> Statement {
    let Names {
        table,
        rejected,
        key,
        stamp,
        ..
    } = names;
    let is_rejected = is_one_of(&[Kind::Rejected]);
    Statement::new(format!(
        "WITH seen AS MATERIALIZED (SELECT s.{key} AS id, s.{READ} AS read FROM {STAGING} s WHERE {is_rejected} \
         AND ($5 OR NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = s.{key} AND t.{stamp} > s.{stamp}))), \
         unfit AS MATERIALIZED (SELECT seen.id, u.column_name, u.reason FROM seen \
         JOIN unnest($2::bigint[], $3::text[], $4::text[]) AS u (read, column_name, reason) ON u.read = seen.read), \
         gone AS (DELETE FROM {rejected} r USING seen WHERE r.object = $1 AND r.salesforce_id = seen.id \
         AND NOT EXISTS (SELECT FROM unfit WHERE unfit.id = seen.id AND unfit.column_name = r.column_name) RETURNING 1), \
         noted AS (INSERT INTO {rejected} AS r (object, salesforce_id, column_name, reason, since) \
         SELECT $1, unfit.id, unfit.column_name, unfit.reason, $6 FROM unfit \
         WHERE NOT EXISTS (SELECT FROM {rejected} q WHERE q.object = $1 AND q.salesforce_id = unfit.id \
         AND q.column_name = unfit.column_name AND q.reason = unfit.reason) \
         ON CONFLICT (object, salesforce_id, column_name) DO UPDATE SET reason = excluded.reason, since = excluded.since \
         RETURNING 1) \
         SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM gone) + (SELECT count(*) FROM noted)"
    ))
}

/// A row that is in the table with the stamp of the live one that was read is the one that was read.
fn forget_written(names: &Names) -> Statement {
    let Names {
        table,
        rejected,
        key,
        stamp,
        ..
    } = names;
    let same = if names.stamped {
        format!(" AND t.{stamp} = s.{stamp}")
    } else {
        String::new()
    };
    Statement::new(format!(
        "DELETE FROM {rejected} r USING {STAGING} s, {table} t WHERE r.object = $1 AND r.salesforce_id = s.{key} \
         AND {} AND t.{key} = s.{key}{same}",
        is_one_of(&[Kind::Live])
    ))
}
