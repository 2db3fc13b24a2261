//! PostgreSQL joins the suite twice, once for each of the statements that merge.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU32, Ordering},
};

use replication::{
    destination::postgres::{MergeStatement, Postgres, PostgresConfig},
    plan::ColumnKind,
};

use super::harness::Harness;
use crate::postgres::server::{Server, wait};

/// The number of the next schema: each test has one of its own.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The state tables as version 1 made them.
const VERSION_1: &[&str] = &[
    "CREATE TABLE _replication_meta (one boolean PRIMARY KEY DEFAULT true CHECK (one), schema_version integer NOT NULL)",
    "CREATE TABLE _replication_state (object text COLLATE \"C\" PRIMARY KEY, replicator text NOT NULL, \
     organization_id text NOT NULL, table_name text NOT NULL, plan_hash text NOT NULL, phase text NOT NULL, \
     query_start timestamptz, watermark timestamptz, last_id text, job_id text, job_api_version text, locator text, \
     rows bigint NOT NULL DEFAULT 0, deletes_window jsonb, verified_until timestamptz, reconciled_at timestamptz, \
     refreshed_at timestamptz, checked_at timestamptz, epoch bigint NOT NULL, updated_at timestamptz NOT NULL)",
    "CREATE TABLE _pending_delete (object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
     stamp timestamptz NOT NULL, found_at timestamptz NOT NULL, PRIMARY KEY (object, salesforce_id))",
    "CREATE UNLOGGED TABLE _listed_row (object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
     system_modstamp timestamptz, PRIMARY KEY (object, salesforce_id))",
    "CREATE TABLE _rejected_row (object text COLLATE \"C\" NOT NULL, salesforce_id text COLLATE \"C\" NOT NULL, \
     column_name text COLLATE \"C\" NOT NULL, reason text NOT NULL, since timestamptz NOT NULL, \
     PRIMARY KEY (object, salesforce_id, column_name))",
    "CREATE TABLE _retired_table (table_name text COLLATE \"C\" PRIMARY KEY, object text NOT NULL, \
     replicator text NOT NULL, organization_id text NOT NULL, retired_at timestamptz NOT NULL)",
    "CREATE VIEW _freshness AS SELECT table_name AS \"table\", watermark, verified_until, checked_at \
     FROM _replication_state",
];

/// A schema of its own on the server that all tests share.
struct Schema {
    server: Server,
    name: String,
    merge: MergeStatement,
}

impl Schema {
    async fn start(merge: MergeStatement) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("contract {merge:?} {} {number}", std::process::id()).to_lowercase();
        let server = Server::connect().await;
        server
            .query(&format!("CREATE SCHEMA \"{name}\"; SET search_path = \"{name}\""))
            .await;
        Self { server, name, merge }
    }

    fn destination(&self) -> Postgres {
        let mut config = PostgresConfig::new(self.server.url(), &self.name);
        config.merge = Some(self.merge);
        wait(Postgres::connect(config)).unwrap()
    }

    /// Every relation and column of the schema, and of every row who wrote it, who locked it and where it lies.
    async fn fingerprint(&self) -> String {
        let relations = format!(
            "SELECT c.oid, c.relname, c.relkind, (SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a \
             WHERE a.attrelid = c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = '{}' ORDER BY c.oid",
            self.name
        );
        let relations = self.server.query(&relations).await;
        let mut print = format!("{relations:?}");
        for relation in &relations {
            if let [_, Some(name), Some(kind), ..] = relation.as_slice()
                && kind == "r"
            {
                let rows = format!("SELECT xmin, xmax, ctid FROM \"{name}\" ORDER BY ctid");
                write!(print, "{name}: {:?}", self.server.query(&rows).await).unwrap();
            }
        }
        print
    }

    async fn relations(&self) -> Vec<String> {
        let sql = format!(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = '{}' AND c.relkind IN ('r', 'v') ORDER BY c.relname",
            self.name
        );
        let rows = self.server.query(&sql).await;
        rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
    }

    async fn indexes(&self, table: &str) -> Vec<String> {
        let sql = format!(
            "SELECT indexname FROM pg_indexes WHERE schemaname = '{}' AND tablename = '{table}' \
             AND indexname NOT LIKE '%\\_pkey' ORDER BY 1",
            self.name
        );
        self.server
            .query(&sql)
            .await
            .into_iter()
            .map(|mut row| row.remove(0).unwrap())
            .collect()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.server.drop_schema(&self.name);
    }
}

fn text_of(column: &str, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Id
        | ColumnKind::Text { length: _ }
        | ColumnKind::Boolean
        | ColumnKind::Int
        | ColumnKind::Long
        | ColumnKind::Date => format!("{column}::text"),
        ColumnKind::Decimal { precision: _, scale: _ } => format!("trim_scale({column})::text"),
        ColumnKind::Time => format!("to_char(date '2000-01-01' + {column}, 'HH24:MI:SS.MS')"),
        ColumnKind::Timestamp => {
            format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
        }
    }
}

/// A harness for one way of merging.
macro_rules! harness {
    ($name:ident, $merge:expr) => {
        struct $name(Schema);

        impl Harness for $name {
            type Destination = Postgres;

            const SEGMENT_LOCKS_DATABASE: bool = false;

            const VIEWS_HOLD_COLUMNS: bool = true;

            const VERSION_1: &'static [&'static str] = VERSION_1;

            async fn start() -> Self {
                Self(Schema::start($merge).await)
            }

            fn destination(&self) -> Postgres {
                self.0.destination()
            }

            async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
                self.0.server.query(sql).await
            }

            async fn fingerprint(&self) -> String {
                self.0.fingerprint().await
            }

            fn text_of(column: &str, kind: ColumnKind) -> String {
                text_of(column, kind)
            }

            async fn relations(&self) -> Vec<String> {
                self.0.relations().await
            }

            async fn indexes(&self, table: &str) -> Vec<String> {
                self.0.indexes(table).await
            }
        }
    };
}

harness!(ByMerge, MergeStatement::Merge);
harness!(ByUpdateInsert, MergeStatement::UpdateInsert);

mod merge {
    crate::contract::contract_suite!(super::ByMerge);
}

mod update_insert {
    crate::contract::contract_suite!(super::ByUpdateInsert);
}
