//! Statements that take a replicator out of a schema.

use super::{STATE_RELATIONS, Statement, quote};

/// Statements of one schema.
#[derive(Debug)]
pub(crate) struct PurgeStatements {
    schema: String,
    /// `$1` replicator: its objects, with their tables.
    pub(crate) objects: Statement,
    /// `$1` replicator: its retired tables, with their objects.
    pub(crate) retired: Statement,
    /// `$1` object, `$2` replicator. Gives the epoch.
    pub(crate) claim: Statement,
    /// `$1` object, `$2` table, `$3` epoch.
    pub(crate) forget_claimed: Statement,
    /// `$1` table, `$2` replicator.
    pub(crate) forget_retired: Statement,
    /// `$1` schema, `$2` table: whether it looks like one of ours, and is in nobody's state; no row where it is not there.
    pub(crate) is_ours: Statement,
    /// Whether any replicator has anything.
    pub(crate) is_used: Statement,
    /// Keeps everybody from beginning to use the state tables until the transaction ends.
    pub(crate) lock_state: Statement,
    /// The view and the tables.
    pub(crate) drop_state: Statement,
}

impl PurgeStatements {
    pub(crate) fn new(schema: &str) -> Self {
        let schema = quote(schema);
        let (state, retired) = (
            format!("{schema}._replication_state"),
            format!("{schema}._retired_table"),
        );
        // The view first, since it reads one of the tables.
        let tables: Vec<String> = STATE_RELATIONS
            .iter()
            .filter(|name| **name != "_freshness")
            .map(|name| format!("{schema}.{name}"))
            .collect();
        Self {
            objects: Statement::new(format!(
                "SELECT object, table_name FROM {state} WHERE replicator = $1 ORDER BY object"
            )),
            retired: Statement::new(format!(
                "SELECT table_name, object FROM {retired} WHERE replicator = $1 ORDER BY table_name"
            )),
            claim: Statement::new(format!(
                "UPDATE {state} SET epoch = epoch + 1 WHERE object = $1 AND replicator = $2 RETURNING epoch"
            )),
            forget_claimed: Statement::new(format!(
                "DELETE FROM {state} WHERE object = $1 AND table_name = $2 AND epoch = $3"
            )),
            forget_retired: Statement::new(format!(
                "DELETE FROM {retired} WHERE table_name = $1 AND replicator = $2"
            )),
            is_ours: Statement::new(format!(
                "SELECT c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_index i \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
                 WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1 AND a.attname = 'salesforce_id') \
                 AND NOT EXISTS (SELECT FROM {state} s WHERE s.table_name = $2) \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2::text::name"
            )),
            is_used: Statement::new(format!(
                "SELECT EXISTS (SELECT FROM {state}) OR EXISTS (SELECT FROM {retired})"
            )),
            lock_state: Statement::new(format!("LOCK TABLE {state}, {retired} IN ACCESS EXCLUSIVE MODE")),
            drop_state: Statement::new(format!(
                "DROP VIEW {schema}._freshness; DROP TABLE {}",
                tables.join(", ")
            )),
            schema,
        }
    }

    /// Drops a table, where nothing depends on it.
    pub(crate) fn drop_table(&self, table: &str) -> Statement {
        Statement::new(format!("DROP TABLE {}.{}", self.schema, quote(table)))
    }
}
