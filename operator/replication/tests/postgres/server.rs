//! The server that `scripts/with-postgres` provides.

use std::future::Future;

use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _, ValueRef as _, postgres::PgConnectOptions};
use tokio::{runtime::Builder, sync::Mutex};

/// A superuser's connection to look at what a destination did.
pub(crate) struct Server {
    url: String,
    connection: Mutex<PgConnection>,
}

/// Waits for a future where the caller cannot, on a runtime of its own; so nothing that belongs to another may be in it.
pub(crate) fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(future)
        });
        thread.join().unwrap()
    })
}

/// The URL of the server, or what to do to have one.
pub(crate) fn url() -> String {
    std::env::var("SFR_TEST_POSTGRES_URL").expect(
        "this test needs a PostgreSQL server: run it by `scripts/with-postgres cargo test -p replication`, which starts one",
    )
}

/// Connects also through a pooler, which refuses the start-up parameters that it does not know.
async fn connect(url: &str) -> sqlx::Result<PgConnection> {
    url.parse::<PgConnectOptions>()?
        .extra_float_digits(None)
        .connect()
        .await
}

impl Server {
    /// Connects.
    pub(crate) async fn connect() -> Self {
        Self::at(url()).await
    }

    /// Connects to another server.
    pub(crate) async fn at(url: String) -> Self {
        let connection = connect(&url).await.expect("the server of SFR_TEST_POSTGRES_URL");
        Self {
            url,
            connection: Mutex::new(connection),
        }
    }

    /// The superuser's URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements and gives all values of all rows as text.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = self.connection.lock().await;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
        let value = |row: &sqlx::postgres::PgRow, column: usize| {
            let value = row.try_get_raw(column).unwrap();
            (!value.is_null()).then(|| value.as_str().unwrap().to_owned())
        };
        rows.iter()
            .map(|row| (0..row.len()).map(|column| value(row, column)).collect())
            .collect()
    }

    /// The only value of a query.
    pub(crate) async fn value(&self, sql: &str) -> String {
        self.query(sql).await.remove(0).remove(0).unwrap()
    }

    /// Drops a schema with all that is in it; where it cannot, the schema stays until the server goes.
    pub(crate) fn drop_schema(&self, schema: &str) {
        let sql = format!("SET lock_timeout = '10s'; DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
        wait(async {
            if let Ok(mut connection) = connect(&self.url).await {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.ok();
            }
        });
    }
}
