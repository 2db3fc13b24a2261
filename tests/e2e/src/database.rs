//! Databases to replicate into, and what stands in them.

use std::path::{Path, PathBuf};

use sqlx::{Connection, Row};

use crate::binary;

/// Variable with the URL of a PostgreSQL superuser.
const POSTGRES: &str = "SFR_TEST_POSTGRES_URL";

/// A destination of a test, fresh.
#[derive(Debug, Clone)]
pub enum Database {
    /// A database of its own in the test server.
    Postgres {
        /// With user and password.
        url: String,
    },
    /// A file.
    Sqlite {
        /// Where it lies.
        file: PathBuf,
    },
}

/// A value as text, in one form for both databases.
pub type Cell = Option<String>;

impl Database {
    /// A new PostgreSQL database for the binary.
    ///
    /// # Panics
    /// Where no server is at hand.
    pub async fn postgres(name: &str) -> Self {
        // The first who needs the binary waits for its build, and the thread with it: longer than a server waits for
        // somebody who is about to log in.
        binary::path();
        Self::postgres_alone(name).await
    }

    /// A new PostgreSQL database for a test that does without the binary.
    ///
    /// # Panics
    /// Where no server is at hand.
    pub async fn postgres_alone(name: &str) -> Self {
        let name = format!("{name}_{}", std::process::id()).to_lowercase();
        let mut admin = admin().await;
        run(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        run(&mut admin, format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&server()).expect("a URL");
        url.set_path(&name);
        Self::Postgres { url: url.into() }
    }

    /// A SQLite file in `folder`.
    pub fn sqlite(folder: &Path) -> Self {
        Self::Sqlite {
            file: folder.join("replica.db"),
        }
    }

    /// A copy under another name. Whoever is connected to a PostgreSQL database is thrown out.
    ///
    /// # Panics
    /// Where it cannot be copied.
    pub async fn copy(&self, name: &str) -> Self {
        match self {
            Self::Postgres { url } => {
                let mut copied = url::Url::parse(url).expect("a URL");
                let source = copied.path().trim_start_matches('/').to_owned();
                let name = format!("{name}_{}", std::process::id()).to_lowercase();
                copied.set_path(&name);
                let mut admin = admin().await;
                for statement in [
                    format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{source}'"),
                    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                    format!("CREATE DATABASE {name} TEMPLATE {source}"),
                ] {
                    run(&mut admin, statement).await;
                }
                Self::Postgres { url: copied.into() }
            }
            Self::Sqlite { file } => {
                let copied = file.with_file_name(format!("{name}.db"));
                for end in ["", "-wal", "-shm"] {
                    let mut old = copied.clone().into_os_string();
                    old.push(end);
                    // There may be none.
                    std::fs::remove_file(old).ok();
                }
                self.execute(&format!("VACUUM INTO '{}'", copied.display())).await;
                Self::Sqlite { file: copied }
            }
        }
    }

    /// The destination of a resource, as YAML on one line, and the Secret's value for the key `url`.
    ///
    /// # Panics
    /// Where the file has no name.
    pub fn destination(&self) -> (String, Option<String>) {
        match self {
            Self::Postgres { url } => ("{postgres: {secretRef: {name: database}}}".into(), Some(url.clone())),
            Self::Sqlite { file } => {
                let name = file.file_name().expect("a file has a name").to_string_lossy();
                (format!("{{sqlite: {{file: {name}}}}}"), None)
            }
        }
    }

    /// The name of a table in a statement of this database.
    pub fn table(&self, name: &str) -> String {
        match self {
            Self::Postgres { .. } => format!("salesforce.\"{name}\""),
            Self::Sqlite { .. } => format!("\"{name}\""),
        }
    }

    /// Rows of a statement, each value as text. Timestamps and times of PostgreSQL come in the form that SQLite stores.
    ///
    /// # Panics
    /// When the statement fails.
    pub async fn query(&self, statement: &str) -> Vec<Vec<Cell>> {
        match self {
            Self::Postgres { url } => query_postgres(url, statement).await,
            Self::Sqlite { file } => query_sqlite(file, statement),
        }
    }

    /// One number.
    ///
    /// # Panics
    /// When the statement fails or gives none.
    pub async fn number(&self, statement: &str) -> i64 {
        self.query(statement).await[0][0]
            .as_ref()
            .expect("not NULL")
            .parse()
            .expect("a number")
    }

    /// Runs a statement that gives no rows.
    ///
    /// # Panics
    /// When it fails.
    pub async fn execute(&self, statement: &str) {
        match self {
            Self::Postgres { url } => {
                let mut connection = sqlx::PgConnection::connect(url).await.expect("the server answers");
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
                    .execute(&mut connection)
                    .await
                    .expect(statement);
            }
            Self::Sqlite { file } => {
                rusqlite::Connection::open(file)
                    .and_then(|db| db.execute_batch(statement))
                    .expect(statement);
            }
        }
    }
}

/// The URL of a superuser of the test server.
fn server() -> String {
    std::env::var(POSTGRES).unwrap_or_else(|_| {
        panic!("{POSTGRES} is not set: run the tests by `make test-rust` or `scripts/with-postgres`")
    })
}

async fn admin() -> sqlx::PgConnection {
    sqlx::PgConnection::connect(&server())
        .await
        .expect("the server answers")
}

async fn run(admin: &mut sqlx::PgConnection, statement: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(admin)
        .await
        .expect("a superuser may do that");
}

async fn query_postgres(url: &str, statement: &str) -> Vec<Vec<Cell>> {
    let mut connection = sqlx::PgConnection::connect(url).await.expect("the server answers");
    sqlx::raw_sql("SET TIME ZONE 'UTC'")
        .execute(&mut connection)
        .await
        .expect("UTC is known");
    // The simple protocol gives every type as text, without a decoder for each.
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .fetch_all(&mut connection)
        .await
        .expect(statement);
    let text = |row: &sqlx::postgres::PgRow, column: usize| {
        let value = row.try_get_raw(column).expect("a column");
        value.as_str().ok().map(str::to_owned)
    };
    rows.iter()
        .map(|row| (0..row.len()).map(|column| text(row, column)).collect())
        .collect()
}

fn query_sqlite(file: &Path, statement: &str) -> Vec<Vec<Cell>> {
    use rusqlite::types::ValueRef;

    let db = rusqlite::Connection::open(file).expect("the file opens");
    let mut prepared = db.prepare(statement).expect(statement);
    let width = prepared.column_count();
    let mut rows = prepared.query([]).expect(statement);
    let mut all = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let cell = |column| match row.get_ref(column).expect("a column") {
            ValueRef::Null => None,
            ValueRef::Integer(value) => Some(value.to_string()),
            ValueRef::Real(value) => Some(value.to_string()),
            ValueRef::Text(text) => Some(String::from_utf8(text.to_vec()).expect("UTF-8")),
            ValueRef::Blob(_) => panic!("no column holds bytes"),
        };
        all.push((0..width).map(cell).collect());
    }
    all
}
