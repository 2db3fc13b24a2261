//! Runs queries: which rows, in which order.
//!
//! What is found is a list of row numbers; rows are made when a page is written. A condition on Id or SystemModstamp is turned
//! into a range of numbers or stamps by the query's hints, so a poll for changes looks at the changed rows only, however many
//! rows there are.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{
    change,
    cursor::Numbers,
    record::Record,
    store::{Store, Viewer},
    table::Look,
};
use crate::{
    schema::Object,
    soql::{Checked, Column, FieldPath, Hop, Moment, OrderHint, Program, Row, SortKey},
};

/// Which rows a call shows (salesforce-api.md 6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `query`: neither deleted nor archived.
    Live,
    /// `queryAll`
    All,
}

/// One element of a record on the wire.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A field of the object.
    Field(String),
    /// Fields of a parent, in one nested record whose place is that of the first of them.
    Parent { hop: Hop, nodes: Vec<Node> },
    /// A nested result.
    Children {
        relationship: String,
        reference: String,
        query: Box<Checked>,
        nodes: Vec<Node>,
    },
}

/// A query that is ready to be read page by page.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) object: String,
    pub(crate) scope: Scope,
    pub(crate) nodes: Vec<Node>,
    /// Most rows of a page, whatever the client asks for.
    pub(crate) page_cap: u64,
}

/// The tree of a select list.
pub(crate) fn nodes(columns: &[Column]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for column in columns {
        match column {
            Column::Field(path) => place(&mut nodes, path, &path.hops),
            Column::Children(children) => nodes.push(Node::Children {
                relationship: children.relationship.clone(),
                reference: children.field.clone(),
                query: children.query.clone(),
                nodes: self::nodes(&children.query.columns),
            }),
        }
    }
    nodes
}

fn place(nodes: &mut Vec<Node>, path: &FieldPath, hops: &[Hop]) {
    let Some((first, rest)) = hops.split_first() else {
        nodes.push(Node::Field(path.field.clone()));
        return;
    };
    let existing = nodes.iter_mut().find_map(|node| match node {
        Node::Parent { hop, nodes } if hop.relationship == first.relationship => Some(nodes),
        Node::Parent { .. } | Node::Field(_) | Node::Children { .. } => None,
    });
    if let Some(inner) = existing {
        place(inner, path, rest);
    } else {
        let mut inner = Vec::new();
        place(&mut inner, path, rest);
        nodes.push(Node::Parent {
            hop: first.clone(),
            nodes: inner,
        });
    }
}

/// Who runs queries, on which data, when.
#[derive(Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub(crate) store: &'a Store,
    pub(crate) viewer: &'a Viewer,
    pub(crate) look: Look,
}

impl<'a> Runner<'a> {
    /// Prepares a query for matching; subqueries of semi-joins are run.
    pub(crate) fn compile(&self, query: &Checked, scope: Scope) -> Program {
        let moment = Moment {
            now: self.look.now,
            zone: self.time_zone(),
        };
        Program::compile(query, &moment, &mut |subquery| self.column(subquery, scope))
    }

    /// The rows of a query, in its order, within its LIMIT and OFFSET.
    pub(crate) fn find(&self, query: &Checked, scope: Scope) -> Numbers {
        let Some(object) = self.store.schema.object(&query.object) else {
            return Numbers::default();
        };
        let program = self.compile(query, scope);
        let hints = program.hints();
        let numbers = hints.numbers(object);
        let offset = usize::try_from(query.offset.unwrap_or_default()).unwrap_or(usize::MAX);
        let limit = query
            .limit
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let bounded = hints.stamp.from.is_some() || hints.stamp.to.is_some();
        let matches = |n: &u64| {
            self.record(object, *n, scope)
                .is_some_and(|record| hints.exact || program.matches(&record))
        };
        let end = self.store.table(object).map_or(0, super::table::Table::end);
        let (candidates, ordered): (Box<dyn Iterator<Item = u64> + '_>, OrderHint) = if let Some(ids) = &hints.ids {
            let found = ids.iter().filter_map(|id| change::number(object, id).ok());
            let in_stamps = move |n: &u64| !bounded || self.in_stamps(object, *n, hints.stamp.from, hints.stamp.to);
            let range = numbers.clone();
            (
                Box::new(found.filter(move |n| range.contains(n)).filter(in_stamps)),
                OrderHint::Id,
            )
        } else if bounded || hints.order == OrderHint::StampThenId {
            let range = numbers.clone();
            let found = self
                .store
                .by_stamp(object, hints.stamp.from, hints.stamp.to)
                .map(|(_, n)| n);
            (
                Box::new(found.filter(move |n| range.contains(n))),
                OrderHint::StampThenId,
            )
        } else {
            (Box::new(numbers.start..numbers.end.min(end)), OrderHint::Id)
        };
        let found = candidates.filter(matches);
        if hints.order == OrderHint::Any || hints.order == ordered {
            return found.skip(offset).take(limit).collect();
        }
        self.sorted(object, &program, found.collect())
            .into_iter()
            .skip(offset)
            .take(limit)
            .collect()
    }

    fn sorted(&self, object: &Object, program: &Program, mut found: Vec<u64>) -> Vec<u64> {
        let stamp = |n: u64| self.store.record(object, n, self.look).map(|record| record.stamp());
        match program.hints().order {
            OrderHint::Any => {}
            OrderHint::Id => found.sort_unstable(),
            OrderHint::IdDescending => found.sort_unstable_by(|left, right| right.cmp(left)),
            OrderHint::StampThenId => found.sort_by_cached_key(|&n| (stamp(n), n)),
            OrderHint::Other => {
                let key = |n: u64| {
                    self.store
                        .record(object, n, self.look)
                        .map_or_else(SortKey::default, |row| program.sort_key(&row))
                };
                found.sort_by_cached_key(|&n| (key(n), n));
            }
        }
        found
    }

    /// A row, if this call shows it to this user.
    pub(crate) fn record(&self, object: &'a Object, n: u64, scope: Scope) -> Option<Record<'a>> {
        let record = self.store.record(object, n, self.look)?;
        let shown = match scope {
            Scope::All => true,
            Scope::Live => !record.deleted() && !is_archived(&record),
        };
        (shown && self.store.sees(self.viewer, &record)).then_some(record)
    }

    /// Live rows that point to a row and match, in order.
    pub(crate) fn children(
        &self,
        parent: &Record<'a>,
        reference: &str,
        query: &Checked,
        program: &Program,
        scope: Scope,
    ) -> Vec<Record<'a>> {
        let Some(child) = self.store.schema.object(&query.object) else {
            return Vec::new();
        };
        let Some(field) = child.field(reference) else {
            return Vec::new();
        };
        let id = parent.id();
        let points = |record: &Record<'a>| record.value(field).is_some_and(|own| own == id) && program.matches(record);
        let found: Vec<u64> = self
            .store
            .may_point_to(child, field, parent.object, parent.n)
            .into_iter()
            .filter(|&n| self.record(child, n, scope).is_some_and(|record| points(&record)))
            .collect();
        let limit = query
            .limit
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let offset = usize::try_from(query.offset.unwrap_or_default()).unwrap_or(usize::MAX);
        self.sorted(child, program, found)
            .into_iter()
            .skip(offset)
            .take(limit)
            .filter_map(|n| self.store.record(child, n, self.look))
            .collect()
    }

    /// The one column of a semi-join's subquery.
    fn column(&self, query: &Checked, scope: Scope) -> Vec<String> {
        let Some(object) = self.store.schema.object(&query.object) else {
            return Vec::new();
        };
        let Some(Column::Field(path)) = query.columns.first() else {
            return Vec::new();
        };
        let mut values = Vec::new();
        for n in self.find(query, scope).iter() {
            let Some(record) = self.store.record(object, n, self.look) else {
                continue;
            };
            if let Some(value) = reach(record, path) {
                values.push(value);
            }
        }
        values
    }

    fn in_stamps(&self, object: &Object, n: u64, from: Option<jiff::Timestamp>, to: Option<jiff::Timestamp>) -> bool {
        self.store.record(object, n, self.look).is_some_and(|record| {
            let stamp = record.stamp();
            from.is_none_or(|from| stamp >= from.as_second()) && to.is_none_or(|to| stamp < to.as_second())
        })
    }

    /// The zone of the user who asks: TODAY begins there at midnight.
    fn time_zone(&self) -> TimeZone {
        let user = self.store.schema.object("User").and_then(|users| {
            self.store
                .record(users, change::number(users, &self.viewer.user_id).ok()?, self.look)
        });
        user.and_then(|user| user.value_of("TimeZoneSidKey").map(Cow::into_owned))
            .and_then(|name| TimeZone::get(&name).ok())
            .unwrap_or(TimeZone::UTC)
    }
}

fn reach(record: Record<'_>, path: &FieldPath) -> Option<String> {
    let mut at = record;
    for hop in &path.hops {
        at = Row::parent(&at, hop)?;
    }
    at.value_of(&path.field).map(Cow::into_owned)
}

/// Tasks and events are archived a year after they ended; only queryAll shows them (salesforce-api.md 6.5).
fn is_archived(record: &Record<'_>) -> bool {
    matches!(record.object.name.as_str(), "Task" | "Event")
        && record.value_of("IsArchived").is_some_and(|archived| archived == "true")
}

impl Row for Record<'_> {
    fn value(&self, field: &str) -> Option<Cow<'_, str>> {
        self.value_of(field)
    }

    fn parent(&self, hop: &Hop) -> Option<Self> {
        Record::parent(self, self.object.field(&hop.reference)?)
    }
}
