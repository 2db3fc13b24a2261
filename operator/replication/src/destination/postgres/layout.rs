//! Which column of the table each of the plan's is written into.
//!
//! Mostly its own. A column whose type differs from the plan's cannot be converted in place: that would rewrite the table
//! under a lock that stops readers, and would fail at the first value that does not fit. So it gets a column **beside** it,
//! of the new type and with a name that no reader knows, into which all values go from then on; when every row has been
//! written, the two are exchanged (`columns`). The old one keeps its values until then.
//!
//! Where something of somebody else depends on the old column (a view, an index, a constraint, a policy), it could not be
//! dropped at the end. This is found out before: the column is **in use**, there is none beside it, and values go into the
//! old one, in its own type; those that do not fit reject their row. What depends is asked of the catalogue each time, so
//! nothing has to be remembered: a process that starts anew finds the same.
//!
//! Whatever goes with a column in silence when it is dropped (somebody's index, a constraint) counts as depending too.
//! Rights and comments do not: they are carried over.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;

use super::{
    Inner,
    connect::Session,
    failure::Doing,
    statement::{beside, is_beside, kind_of, type_name, written},
};
use crate::{
    Result,
    destination::{ColumnDifference, ColumnFate},
    plan::{Column, ColumnKind, ColumnSource, ObjectPlan},
};

const COLUMNS: &str = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), c.relkind = 'r', \
     EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1 \
     AND i.indkey[0] = a.attnum), a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// What depends on columns of a table, by name. Left out: the column's own default and NOT NULL, and indexes of the plan.
const DEPENDANTS: &str = "SELECT DISTINCT a.attname::text, \
     CASE WHEN v.oid IS NULL THEN pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) \
     ELSE CASE v.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view ' ELSE 'rule on ' END || vn.nspname || '.' || v.relname END \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid \
     AND d.refobjsubid = a.attnum \
     LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid \
     LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class LEFT JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace \
     LEFT JOIN pg_catalog.pg_class i ON d.classid = 'pg_catalog.pg_class'::regclass AND i.oid = d.objid AND i.relkind = 'i' \
     LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid \
     LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3::text[]::name[]) \
     AND (i.oid IS NULL OR i.relname <> ALL ($4::text[]::name[])) \
     AND (f.oid IS NULL OR f.adrelid <> c.oid OR f.adnum <> a.attnum) \
     AND (k.oid IS NULL OR k.contype <> 'n') ORDER BY 1, 2";

/// A column of the table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Existing {
    type_name: String,
    pub(super) is_plain_table: bool,
    pub(super) is_key: bool,
    /// NOT NULL without a default.
    is_demanding: bool,
}

/// A table as it is.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) columns: BTreeMap<String, Existing>,
    /// What depends on columns whose type is not the plan's.
    used_by: BTreeMap<String, Vec<String>>,
}

/// How one of the plan's columns stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// As planned, or nothing is written into it.
    Planned,
    /// It is not there.
    Missing,
    /// With another type, and beside it is one of the plan's.
    Exchanging,
    /// With another type that somebody else depends on.
    InUse {
        /// What it takes, where that is something that we write.
        kind: Option<ColumnKind>,
        used_by: &'a [String],
    },
    /// With another type, and nothing stands in the way of an exchange.
    Other {
        kind: Option<ColumnKind>,
        /// Whether a column of a third type stands beside it.
        stale: bool,
    },
}

impl Found {
    /// Reads a table; without columns where it is not there.
    pub(super) async fn read(database: &Inner, session: &mut Session, plan: &ObjectPlan) -> Result<Self> {
        let doing = Doing::ReadingTable(plan.table.as_str());
        let query = sqlx::query(COLUMNS).bind(database.schema()).bind(plan.table.as_str());
        let rows = database.within(doing, query.fetch_all(&mut session.connection)).await?;
        let columns = rows.iter().map(|row| {
            let existing = Existing {
                type_name: row.try_get(1)?,
                is_plain_table: row.try_get(2)?,
                is_key: row.try_get(3)?,
                is_demanding: row.try_get(4)?,
            };
            Ok((row.try_get(0)?, existing))
        });
        let columns = columns
            .collect::<sqlx::Result<_>>()
            .map_err(|error| database.failure(error, doing))?;
        let mut found = Self {
            columns,
            used_by: BTreeMap::new(),
        };
        let others = found.of_another_type(plan);
        if others.is_empty() {
            return Ok(found);
        }
        let indexes: Vec<&str> = plan.indexes.iter().map(|index| index.name.as_str()).collect();
        let query = sqlx::query_as(DEPENDANTS)
            .bind(database.schema())
            .bind(plan.table.as_str())
            .bind(others)
            .bind(indexes);
        let dependants: Vec<(String, String)> =
            database.within(doing, query.fetch_all(&mut session.connection)).await?;
        for (column, dependant) in dependants {
            found.used_by.entry(column).or_default().push(dependant);
        }
        Ok(found)
    }

    fn of_another_type(&self, plan: &ObjectPlan) -> Vec<String> {
        let differs = |column: &Column| {
            let existing = self.columns.get(column.name.as_str());
            existing.is_some_and(|existing| existing.type_name != type_name(column.kind))
        };
        written(plan)
            .filter(|(_, column)| differs(column))
            .map(|(_, column)| column.name.as_str().to_owned())
            .collect()
    }

    /// Whether a column is the table's primary key.
    pub(super) fn is_key(&self, column: &str) -> bool {
        self.columns.get(column).is_some_and(|existing| existing.is_key)
    }

    /// The type of a column, for messages.
    pub(super) fn type_of(&self, column: &str) -> &str {
        self.columns
            .get(column)
            .map(|existing| existing.type_name.as_str())
            .unwrap_or_default()
    }

    /// How a column stands.
    pub(super) fn standing(&self, column: &Column) -> Standing<'_> {
        let name = column.name.as_str();
        let Some(existing) = self.columns.get(name) else {
            return Standing::Missing;
        };
        let wanted = type_name(column.kind);
        let takes_it = match column.source {
            ColumnSource::Empty => true,
            // NULL fits every type.
            ColumnSource::Null => kind_of(&existing.type_name).is_some(),
            ColumnSource::Field(_) | ColumnSource::Template(_) | ColumnSource::IsDeleted | ColumnSource::DeletedAt => {
                false
            }
        };
        if takes_it || existing.type_name == wanted {
            return Standing::Planned;
        }
        let standing_beside = self.columns.get(&beside(name));
        if standing_beside.is_some_and(|existing| existing.type_name == wanted) {
            return Standing::Exchanging;
        }
        let kind = kind_of(&existing.type_name);
        match self.used_by(name) {
            [] => Standing::Other {
                kind,
                stale: standing_beside.is_some(),
            },
            used_by => Standing::InUse { kind, used_by },
        }
    }

    /// How the columns differ from the plan's; empty without a table.
    pub(super) fn differences(&self, plan: &ObjectPlan) -> Vec<ColumnDifference> {
        if self.columns.is_empty() {
            return Vec::new();
        }
        let planned = plan.columns.iter().filter_map(|column| {
            let name = column.name.as_str();
            let (from, to) = (self.type_of(name).to_owned(), type_name(column.kind).to_owned());
            let fate = match self.standing(column) {
                Standing::Planned => return None,
                Standing::Missing => ColumnFate::Added,
                Standing::Exchanging | Standing::Other { .. } => ColumnFate::Exchanged { from, to },
                Standing::InUse { kind: _, used_by } => ColumnFate::InUse {
                    from,
                    to,
                    used_by: used_by.to_vec(),
                },
            };
            Some(ColumnDifference {
                column: name.to_owned(),
                fate,
            })
        });
        let names: BTreeSet<&str> = plan.columns.iter().map(|column| column.name.as_str()).collect();
        let foreign = self
            .columns
            .iter()
            .filter(|(name, _)| !names.contains(name.as_str()) && !is_beside(name));
        let foreign = foreign.map(|(name, existing)| ColumnDifference {
            column: name.clone(),
            fate: if existing.is_demanding {
                ColumnFate::Demanding
            } else {
                ColumnFate::Kept
            },
        });
        planned.chain(foreign).collect()
    }

    /// What depends on a column whose type is not the plan's.
    pub(super) fn used_by(&self, column: &str) -> &[String] {
        self.used_by.get(column).map(Vec::as_slice).unwrap_or_default()
    }

    /// Columns beside others that the plan does not want there (any more).
    pub(super) fn left_over(&self, plan: &ObjectPlan) -> Vec<String> {
        let wanted: BTreeSet<String> = plan
            .columns
            .iter()
            .filter(|column| self.standing(column) == Standing::Exchanging)
            .map(|column| beside(column.name.as_str()))
            .collect();
        self.columns
            .keys()
            .filter(|name| is_beside(name) && !wanted.contains(*name))
            .cloned()
            .collect()
    }

    /// Whether rows of this plan may stand in columns that readers do not know, or columns that they know may hold what
    /// another plan wrote: an exchange that was not finished, one that was given up, or one that has become possible.
    pub(super) fn is_apart(&self, plan: &ObjectPlan) -> bool {
        let is_unsettled = |column: &Column| match self.standing(column) {
            Standing::Exchanging | Standing::Other { .. } => true,
            Standing::Planned | Standing::Missing | Standing::InUse { .. } => false,
        };
        plan.columns.iter().any(is_unsettled) || !self.left_over(plan).is_empty()
    }
}

/// Where the values of a column go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of a column of the table.
    pub(super) name: String,
    /// What it takes.
    pub(super) kind: ColumnKind,
}

/// Where the values of all columns go, by position in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    places: Vec<Place>,
}

impl Layout {
    /// Each column is itself.
    pub(super) fn planned(plan: &ObjectPlan) -> Self {
        Self::of(plan, &Found::default())
    }

    /// As it follows from the table.
    pub(super) fn of(plan: &ObjectPlan, found: &Found) -> Self {
        let place = |column: &Column| {
            let own = |kind| Place {
                name: column.name.as_str().to_owned(),
                kind,
            };
            match found.standing(column) {
                Standing::Planned if column.source == ColumnSource::Null => {
                    own(kind_of(found.type_of(column.name.as_str())).unwrap_or(column.kind))
                }
                Standing::Planned | Standing::Missing => own(column.kind),
                Standing::Exchanging => Place {
                    name: beside(column.name.as_str()),
                    kind: column.kind,
                },
                Standing::InUse { kind, used_by: _ } | Standing::Other { kind, stale: _ } => {
                    own(kind.unwrap_or(column.kind))
                }
            }
        };
        Self {
            places: plan.columns.iter().map(place).collect(),
        }
    }

    /// Where the column at this position of the plan goes.
    pub(super) fn place(&self, position: usize) -> Option<&Place> {
        self.places.get(position)
    }
}
