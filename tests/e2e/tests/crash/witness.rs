//! Who wrote which row how often, and who read which rows: asked of the database and of the org.
//!
//! A trigger on the table notes each write of each row in a table of its own, in the writer's transaction: what is rolled
//! back is not noted, and what is committed twice is noted twice.

use std::collections::BTreeMap;

use e2e::stage::{Kind, Stage};
use simulator::Control;

/// Makes the table of notes.
pub(super) async fn notes(stage: &Stage) {
    let database = stage.database();
    match stage.kind() {
        Kind::Postgres => {
            let statement = "CREATE TABLE IF NOT EXISTS public.noted (id text, operation text); TRUNCATE public.noted; \
                             CREATE OR REPLACE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS \
                             $$BEGIN INSERT INTO public.noted VALUES (coalesce(NEW.salesforce_id, OLD.salesforce_id), TG_OP); \
                             RETURN NULL; END$$";
            database.execute(statement).await;
        }
        Kind::Sqlite => {
            database
                .execute("CREATE TABLE IF NOT EXISTS noted (id TEXT, operation TEXT); DELETE FROM noted")
                .await;
        }
    }
}

/// Has writes to the table noted from here on.
pub(super) async fn watch(stage: &Stage) {
    let statement = match stage.kind() {
        Kind::Postgres => "CREATE OR REPLACE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON salesforce.contact \
                           FOR EACH ROW EXECUTE FUNCTION public.note()"
            .to_owned(),
        Kind::Sqlite => [("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")]
            .map(|(operation, row)| {
                format!(
                    "CREATE TRIGGER IF NOT EXISTS note_{operation} AFTER {operation} ON contact \
                     BEGIN INSERT INTO noted VALUES ({row}.salesforce_id, '{operation}'); END;"
                )
            })
            .concat(),
    };
    stage.database().execute(&statement).await;
}

/// Forgets what was noted.
pub(super) async fn forget(stage: &Stage) {
    let statement = match stage.kind() {
        Kind::Postgres => "TRUNCATE public.noted",
        Kind::Sqlite => "DELETE FROM noted",
    };
    stage.database().execute(statement).await;
}

/// How often each row was written.
pub(super) async fn writes(stage: &Stage) -> BTreeMap<String, u64> {
    let table = match stage.kind() {
        Kind::Postgres => "public.noted",
        Kind::Sqlite => "noted",
    };
    let rows = stage
        .database()
        .query(&format!("SELECT id, count(*) FROM {table} GROUP BY id"))
        .await;
    let rows = rows.into_iter().map(|row| {
        let [id, count] = <[_; 2]>::try_from(row).unwrap();
        (id.unwrap(), count.unwrap().parse().unwrap())
    });
    rows.collect()
}

/// Whether the object's table is there.
pub(super) async fn is_begun(stage: &Stage) -> bool {
    let statement = match stage.kind() {
        Kind::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = 'salesforce' AND tablename = 'contact'",
        Kind::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'contact'",
    };
    stage.database().number(statement).await == 1
}

/// Some columns of the object's state; all NULL where it has none.
pub(super) async fn state<const N: usize>(stage: &Stage, columns: [&str; N]) -> [Option<String>; N] {
    let nothing = [const { None }; N];
    if !is_begun(stage).await {
        return nothing;
    }
    let statement = format!(
        "SELECT {} FROM {} WHERE object = 'Contact'",
        columns.join(", "),
        stage.database().table("_replication_state")
    );
    let row = stage.database().query(&statement).await.pop();
    row.map_or(nothing, |row| row.try_into().unwrap())
}

/// Waits until the server has noticed that its client is gone: it may still be committing what it was told to.
pub(super) async fn released(stage: &Stage) {
    if stage.kind() == Kind::Postgres {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                      AND backend_type = 'client backend'";
        e2e::binary::until("the end of the killed session", async || {
            stage.database().number(others).await == 0
        })
        .await;
    }
}

/// Contacts that the org has sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// In passes over all records by Id.
    pub(super) listed: u64,
    /// In all queries.
    pub(super) all: u64,
}

/// What the org has sent since the last reset.
pub(super) fn sent(org: &Control) -> Sent {
    let mut sent = Sent::default();
    let mut lists = false;
    for call in org.calls(10_000) {
        if call.object.as_deref() != Some("Contact") || !call.call.starts_with("query") {
            continue;
        }
        let by_id = match call.soql.as_deref() {
            // Records by their Ids fit into one page: a page that follows belongs to the query before.
            Some(soql) if soql.contains(" IN (") => false,
            Some(soql) => {
                lists = soql.contains("ORDER BY Id");
                lists
            }
            None => lists,
        };
        sent.all += call.rows;
        sent.listed += if by_id { call.rows } else { 0 };
    }
    sent
}
