//! A replicator goes, and its tables with it.
//!
//! Table by table, each in a transaction of its own: a schema may have two hundred, and a drop has to wait until nobody reads
//! the table, while new readers wait behind it. So it waits for a few seconds at most, and what could not be had then is
//! tried again with the next purge.
//!
//! **The fence.** An object is claimed first, in a transaction that does nothing else, so that a process that stalled in the
//! middle of a run lets go even where the table cannot be dropped. Table and state then go under the object's lock, where
//! the epoch is still ours. Between the two anybody may have claimed: then it is theirs, and nothing is dropped.
//!
//! **Whose.** The state and the list of retired tables say what is ours; a name alone never does. A table that its owner has
//! dropped by hand, and whose name somebody else has taken since, is theirs: it is in their state, or does not look like
//! one of ours.

use super::{
    Inner,
    connect::Session,
    failure::{Doing, refusal},
    state::lock,
    statement::{PurgeStatements, STATE_RELATIONS, Statement},
    tables::{self, Prepared, look_at_state},
};
use crate::{
    Error, Result,
    destination::{Purged, purging::Purging},
    plan::ObjectName,
};

/// A lock that stops readers is not waited for longer.
const IMPATIENT: &str = "SET LOCAL lock_timeout = '5s'";

/// What depends on tables (`$2`) of a schema (`$1`) and would go with them; themselves apart.
const DEPENDANTS: &str = "SELECT DISTINCT CASE WHEN v.oid IS NULL \
     THEN pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) \
     ELSE CASE v.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view ' ELSE 'rule on ' END \
     || vn.nspname || '.' || v.relname END \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_depend d ON d.deptype = 'n' \
     AND (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid \
     OR d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = c.reltype) \
     LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid \
     LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class \
     LEFT JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace \
     WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]::name[]) \
     AND (v.oid IS NULL OR vn.nspname <> $1 OR v.relname <> ALL ($2::text[]::name[])) ORDER BY 1";

/// Drops all that a replicator has in the schema.
pub(super) async fn purge(database: &Inner, session: &mut Session, replicator: &str) -> Result<Purged> {
    match look_at_state(database, session).await? {
        Prepared::No => return Ok(Purged::default()),
        Prepared::One => tables::prepare(database, session).await?,
        Prepared::Yes => {}
    }
    let mut purge = Purge {
        database,
        session,
        replicator,
        statements: PurgeStatements::new(database.schema()),
        purging: Purging::default(),
    };
    purge.objects().await?;
    purge.retired().await?;
    purge.state().await?;
    purge.purging.end()
}

/// A purge under way.
struct Purge<'a> {
    database: &'a Inner,
    session: &'a mut Session,
    replicator: &'a str,
    statements: PurgeStatements,
    purging: Purging,
}

/// A table that is to go.
#[derive(Clone, Copy)]
struct Going<'a> {
    table: &'a str,
    object: &'a str,
}

impl Purge<'_> {
    async fn objects(&mut self) -> Result<()> {
        let query = sqlx::query_as(self.statements.objects.sql()).bind(self.replicator);
        let objects: Vec<(String, String)> = self
            .database
            .within(Doing::ReadingState, query.fetch_all(&mut self.session.connection))
            .await?;
        for (object, table) in &objects {
            let going = Going { table, object };
            if let Some(epoch) = self.claim(going).await? {
                let outcome = self.drop_object(going, epoch).await;
                self.settle(&[table], outcome).await?;
            }
        }
        Ok(())
    }

    /// Fences every process that has the object open; `None` where it is not this replicator's any more.
    async fn claim(&mut self, Going { table, object }: Going<'_>) -> Result<Option<i64>> {
        let doing = Doing::Purging(table);
        self.database.simple(doing, self.session, "BEGIN").await?;
        lock(self.database, self.session, &self.database.lock_name(object), doing).await?;
        let query = sqlx::query_scalar(self.statements.claim.sql())
            .bind(object)
            .bind(self.replicator);
        let epoch = self
            .database
            .within(doing, query.fetch_optional(&mut self.session.connection))
            .await?;
        self.database.simple(doing, self.session, "COMMIT").await?;
        Ok(epoch)
    }

    /// Drops the table of an object that was claimed, and its state; gives whether the table was there.
    async fn drop_object(&mut self, going: Going<'_>, epoch: i64) -> Result<bool> {
        let Going { table, object } = going;
        let doing = Doing::Purging(table);
        self.begin(object, doing).await?;
        let query = sqlx::query(self.statements.forget_claimed.sql())
            .bind(object)
            .bind(table)
            .bind(epoch);
        let forgotten = self
            .database
            .within(doing, query.execute(&mut self.session.connection))
            .await?;
        if forgotten.rows_affected() == 0 {
            return Err(Error::Fenced {
                object: ObjectName::new(object),
            });
        }
        let state = &self.database.state;
        for forget in [&state.forget_pending, &state.forget_surplus, &state.forget_rejected] {
            let query = sqlx::query(forget.sql()).bind(object);
            self.database
                .within(doing, query.execute(&mut self.session.connection))
                .await?;
        }
        let is_dropped = self.drop_table(going).await?;
        self.database.simple(doing, self.session, "COMMIT").await?;
        Ok(is_dropped)
    }

    async fn retired(&mut self) -> Result<()> {
        let query = sqlx::query_as(self.statements.retired.sql()).bind(self.replicator);
        let retired: Vec<(String, String)> = self
            .database
            .within(Doing::ReadingState, query.fetch_all(&mut self.session.connection))
            .await?;
        for (table, object) in &retired {
            let outcome = self.drop_retired(Going { table, object }).await;
            self.settle(&[table], outcome).await?;
        }
        Ok(())
    }

    async fn drop_retired(&mut self, going: Going<'_>) -> Result<bool> {
        let doing = Doing::Purging(going.table);
        // Whoever takes it back holds the object's lock.
        self.begin(going.object, doing).await?;
        let query = sqlx::query(self.statements.forget_retired.sql())
            .bind(going.table)
            .bind(self.replicator);
        let forgotten = self
            .database
            .within(doing, query.execute(&mut self.session.connection))
            .await?;
        let is_dropped = forgotten.rows_affected() > 0 && self.drop_table(going).await?;
        self.database.simple(doing, self.session, "COMMIT").await?;
        Ok(is_dropped)
    }

    async fn begin(&mut self, object: &str, doing: Doing<'_>) -> Result<()> {
        self.database.simple(doing, self.session, "BEGIN").await?;
        self.database.simple(doing, self.session, IMPATIENT).await?;
        lock(self.database, self.session, &self.database.lock_name(object), doing).await
    }

    /// Drops a table that is there and ours; gives whether it was. Within a transaction that has forgotten it.
    async fn drop_table(&mut self, Going { table, object }: Going<'_>) -> Result<bool> {
        let doing = Doing::Purging(table);
        let query = sqlx::query_scalar(self.statements.is_ours.sql())
            .bind(self.database.schema())
            .bind(table);
        let is_ours: Option<bool> = self
            .database
            .within(doing, query.fetch_optional(&mut self.session.connection))
            .await?;
        match is_ours {
            Some(true) => {
                let statement = self.statements.drop_table(table);
                self.run(doing, &statement).await?;
                Ok(true)
            }
            Some(false) => {
                tracing::warn!(
                    table,
                    object,
                    "the table is not replication's any more, it is left alone"
                );
                Ok(false)
            }
            None => Ok(false),
        }
    }

    async fn run(&mut self, doing: Doing<'_>, statement: &Statement) -> Result<()> {
        let query = sqlx::raw_sql(statement.sql()).execute(&mut self.session.connection);
        self.database.within(doing, query).await?;
        Ok(())
    }

    /// Drops the state tables when nobody has anything in them.
    async fn state(&mut self) -> Result<()> {
        if self.is_used().await? {
            return Ok(());
        }
        let outcome = self.drop_state().await;
        self.settle(&STATE_RELATIONS, outcome.map(|()| false)).await
    }

    async fn drop_state(&mut self) -> Result<()> {
        let doing = Doing::Purging("_replication_state");
        self.begin("", doing).await?;
        let lock_state = self.statements.lock_state.clone();
        self.run(doing, &lock_state).await?;
        // Another replicator may have begun while this one waited.
        if !self.is_used().await? {
            let drop_state = self.statements.drop_state.clone();
            self.run(doing, &drop_state).await?;
        }
        self.database.simple(doing, self.session, "COMMIT").await
    }

    async fn is_used(&mut self) -> Result<bool> {
        let query = sqlx::query_scalar(self.statements.is_used.sql());
        self.database
            .within(Doing::ReadingState, query.fetch_one(&mut self.session.connection))
            .await
    }

    /// Notes what became of a transaction; rolls back one that failed, and tells what stood in its way.
    async fn settle(&mut self, relations: &[&str], outcome: Result<bool>) -> Result<()> {
        let name = relations.first().copied().unwrap_or_default();
        let error = match outcome {
            Ok(true) => {
                self.purging.dropped(name);
                return Ok(());
            }
            Ok(false) => return Ok(()),
            Err(error) => error,
        };
        let doing = Doing::Purging(name);
        // Where not even that is possible the connection is gone, and with it the rest of the purge.
        if self.database.simple(doing, self.session, "ROLLBACK").await.is_err() {
            return Err(error);
        }
        let dependants = if matches!(error, Error::Database { .. }) {
            self.dependants(relations).await?
        } else {
            Vec::new()
        };
        self.purging.kept(if dependants.is_empty() {
            error
        } else {
            in_use(self.database.schema(), relations, &dependants)
        });
        Ok(())
    }

    async fn dependants(&mut self, relations: &[&str]) -> Result<Vec<String>> {
        let names: Vec<String> = relations.iter().map(|name| (*name).to_owned()).collect();
        let query = sqlx::query_scalar(DEPENDANTS).bind(self.database.schema()).bind(names);
        self.database
            .within(Doing::ReadingState, query.fetch_all(&mut self.session.connection))
            .await
    }
}

fn in_use(schema: &str, relations: &[&str], dependants: &[String]) -> Error {
    let what = match relations {
        [table] => format!("table {table}"),
        _ => "the state tables".to_owned(),
    };
    let (depends, them) = match dependants {
        [_] => ("depends", "that"),
        _ => ("depend", "those"),
    };
    refusal(
        salesforce::ErrorKind::Invalid,
        format!(
            "{what} of schema {schema} cannot be dropped, since {} {depends} on it: drop {them} first, or keep the tables",
            dependants.join(", ")
        ),
    )
}
