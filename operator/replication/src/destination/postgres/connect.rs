//! Connections: the URL, TLS, session settings, what the server is.
//!
//! The URL comes from a Secret and is read here and not by sqlx, for three reasons. sqlx logs the parameters that it does
//! not know, with their values. It fills gaps from the environment and from `~/.pgpass`, which in an operator would hand
//! the operator's own secrets to whatever host a resource names. And a password with an unescaped `/` or `?` makes a
//! URL in which a part of the password stands as port, database or parameter, where a message would show it.
//!
//! **Poolers.** A transaction-mode pooler gives each transaction another session: the staging table would be gone or, worse,
//! somebody else's. It is recognised by what it does: two connections that are open at once and tell the same backend
//! process, or one that tells two. pgbouncer in session mode passes.

use std::{future::Future, pin::pin, time::Duration};

use salesforce::ErrorKind;
use secrecy::ExposeSecret as _;
use sqlx::{
    ConnectOptions as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgSslMode},
};
use url::Url;

use super::{
    PostgresConfig,
    failure::{Doing, Endpoint, failure, refusal, timed_out},
    statement::session_settings,
};
use crate::Result;

/// The oldest version served: 13 is the oldest that PostgreSQL's community maintained when this was written.
const OLDEST_VERSION: i32 = 130_000;

/// The first version with MERGE.
const MERGE_VERSION: i32 = 150_000;

/// How long a connection may take, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Whether a server process may work on a statement in this database. Whoever looks may not be shown at what it works: not every
/// role is, and a server may not keep account of it. Background processes, of which nobody is shown a state, have no database.
const AT_WORK: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1 \
     AND datname = current_database() AND (state IS NULL OR state NOT LIKE 'idle%'))";

/// SQLSTATE `too_many_connections`.
const TOO_MANY_CONNECTIONS: &str = "53300";

/// So many looks in a row that were not let in say that the server is gone, and not that it is being started again, or that a
/// pool has no connection left: an hour by the default.
const MOST_UNANSWERED: u32 = 12;

/// Parameters of libpq whose names may be shown in a message. Others may be a piece of a password.
const KNOWN_PARAMETERS: [&str; 24] = [
    "channel_binding",
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcompression",
    "sslcrl",
    "sslnegotiation",
    "sslpassword",
    "tcp_user_timeout",
];

/// What a URL and its settings lead to.
pub(super) struct Target {
    pub(super) options: PgConnectOptions,
    pub(super) endpoint: Endpoint,
    connect_timeout: Duration,
}

/// What the server told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    /// Whether MERGE can be used, and what it did be counted.
    pub(super) has_merge: bool,
}

/// A connection and what has been made on it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: PgConnection,
    /// Whether the staging table is there.
    pub(super) staged: bool,
}

fn invalid(message: impl Into<String>) -> crate::Error {
    refusal(ErrorKind::Invalid, message)
}

impl Target {
    /// Reads the URL.
    ///
    /// # Errors
    /// It is no URL of PostgreSQL, or asks for something that is not served. The message never shows the URL.
    pub(super) fn new(config: &PostgresConfig) -> Result<Self> {
        let url = Url::parse(config.url.expose_secret().trim()).map_err(|_never_shown| {
            invalid(
                "the database's URL cannot be read: it has the form postgres://user:password@host:5432/database, and \
                 special characters in user and password are percent-encoded",
            )
        })?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(invalid("the database's URL must begin with postgres://"));
        }
        let after_host = [Some(url.path()), url.query(), url.fragment()];
        if url.fragment().is_some() || after_host.into_iter().flatten().any(|part| part.contains('@')) {
            return Err(invalid(
                "the database's URL has an @ or a # after the host: special characters in user and password must be \
                 percent-encoded (@ is %40, / is %2F, # is %23, ? is %3F)",
            ));
        }
        let parts = UrlParts::new(&url)?;
        parts.into_target(config)
    }

    /// Opens one connection, without settings.
    async fn open(&self) -> Result<PgConnection> {
        let connecting = Box::pin(self.options.connect());
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(connection) => connection.map_err(|error| failure(error, Doing::Connecting, &self.endpoint)),
            Err(_elapsed) => Err(timed_out(Doing::Connecting, &self.endpoint)),
        }
    }

    /// Opens a connection and makes its settings.
    pub(super) async fn session(&self, limits: &super::Limits) -> Result<Session> {
        let mut connection = self.open().await?;
        let settings = session_settings(
            limits.statement.as_millis(),
            limits.lock.as_millis(),
            limits.idle_in_transaction.as_millis(),
        );
        self.within(
            limits,
            Doing::Connecting,
            sqlx::raw_sql(settings.sql()).execute(&mut connection),
        )
        .await?;
        Ok(Session {
            connection,
            staged: false,
        })
    }

    /// Waits for the server, but not forever: a peer that vanished from the network never answers, and the server's own
    /// time limits cannot tell us.
    pub(super) async fn within<T>(
        &self,
        limits: &super::Limits,
        doing: Doing<'_>,
        answer: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(limits.statement + self.connect_timeout, answer).await {
            Ok(answer) => answer.map_err(|error| failure(error, doing, &self.endpoint)),
            Err(_elapsed) => Err(timed_out(doing, &self.endpoint)),
        }
    }

    /// Whether the server answers on this connection. One that hangs is as dead as one that is closed.
    pub(super) async fn answers(&self, session: &mut Session) -> bool {
        let ping = sqlx::Connection::ping(&mut session.connection);
        matches!(tokio::time::timeout(self.connect_timeout, ping).await, Ok(Ok(())))
    }

    /// Asks what the server is, and refuses what does not serve.
    ///
    /// # Errors
    /// Unreachable, refused, too old, not in UTF-8, or behind a transaction-mode pooler.
    pub(super) async fn probe(&self, limits: &super::Limits) -> Result<Server> {
        let mut first = self.open().await?;
        let about = "SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::integer AS version, \
                     current_setting('server_encoding') AS encoding, current_setting('track_counts') AS counts";
        let row = self
            .within(limits, Doing::Connecting, sqlx::raw_sql(about).fetch_one(&mut first))
            .await?;
        let read = |error| failure(error, Doing::Connecting, &self.endpoint);
        let pid: i32 = row.try_get("pid").map_err(read)?;
        let version: i32 = row.try_get("version").map_err(read)?;
        let encoding: String = row.try_get("encoding").map_err(read)?;
        let counts: String = row.try_get("counts").map_err(read)?;
        if version < OLDEST_VERSION {
            return Err(invalid(format!(
                "PostgreSQL at {} has version {}.{}: at least 13 is needed",
                self.endpoint.server,
                version / 10_000,
                version % 10_000
            )));
        }
        if encoding != "UTF8" {
            return Err(invalid(format!(
                "database {} is encoded in {encoding} and cannot hold every character: make one with ENCODING 'UTF8'",
                self.endpoint.database
            )));
        }
        self.refuse_transaction_pooler(first, pid, limits).await?;
        Ok(Server {
            has_merge: version >= MERGE_VERSION && counts == "on",
        })
    }

    async fn refuse_transaction_pooler(&self, mut first: PgConnection, pid: i32, limits: &super::Limits) -> Result<()> {
        let mut second = self.open().await?;
        let other = self.backend(&mut second, limits).await?;
        let again = self.backend(&mut first, limits).await?;
        if pid == other || pid != again {
            return Err(invalid(format!(
                "{} is a pooler in transaction mode, which cannot carry a replication's session: use the server's own \
                 address, or a pool with pool_mode = session",
                self.endpoint.server
            )));
        }
        for connection in [first, second] {
            // It was only for asking; whether the goodbye arrives matters to nobody.
            sqlx::Connection::close(connection).await.ok();
        }
        Ok(())
    }

    /// Waits for a statement without a time limit as long as the server is at work on it. The answer of a server that is gone
    /// never comes, and a firewall that forgot a silent connection tells nobody.
    ///
    /// # Errors
    /// Those of the statement. Transient where it is waited for no more; the connection is of no use then.
    pub(super) async fn patiently<T>(
        &self,
        limits: &super::Limits,
        doing: Doing<'_>,
        backend: i32,
        answer: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T> {
        let mut answer = pin!(answer);
        let mut unanswered = 0;
        loop {
            let looking = async {
                tokio::time::sleep(limits.look).await;
                self.is_at_work(backend).await
            };
            let is_at_work = tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|error| failure(error, doing, &self.endpoint)),
                is_at_work = looking => is_at_work,
            };
            match is_at_work {
                Some(true) => unanswered = 0,
                // It may have ended just now.
                Some(false) => break,
                None => unanswered += 1,
            }
            if unanswered == MOST_UNANSWERED {
                break;
            }
        }
        match tokio::time::timeout(self.connect_timeout, &mut answer).await {
            Ok(answer) => answer.map_err(|error| failure(error, doing, &self.endpoint)),
            Err(_elapsed) => Err(timed_out(doing, &self.endpoint)),
        }
    }

    /// `None` where the look is not let in. A server with too many connections is there, and may be at work.
    async fn is_at_work(&self, backend: i32) -> Option<bool> {
        let looking = async {
            let mut connection = Box::pin(self.options.connect()).await?;
            let at_work = sqlx::query_scalar(AT_WORK)
                .bind(backend)
                .fetch_one(&mut connection)
                .await?;
            // Whether the goodbye arrives matters to nobody.
            sqlx::Connection::close(connection).await.ok();
            Ok(at_work)
        };
        match tokio::time::timeout(self.connect_timeout, looking).await {
            Ok(Ok(at_work)) => Some(at_work),
            Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some(TOO_MANY_CONNECTIONS) => {
                Some(true)
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }

    pub(super) async fn backend(&self, connection: &mut PgConnection, limits: &super::Limits) -> Result<i32> {
        let query = sqlx::raw_sql("SELECT pg_backend_pid() AS pid").fetch_one(connection);
        let row = self.within(limits, Doing::Connecting, query).await?;
        row.try_get("pid")
            .map_err(|error| failure(error, Doing::Connecting, &self.endpoint))
    }
}

/// A URL taken apart. No `Debug`: it has the password.
#[derive(Default)]
struct UrlParts {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
    ssl_mode: Option<String>,
    ssl_root_cert: Option<String>,
    ssl_cert: Option<String>,
    ssl_key: Option<String>,
    options: Vec<(String, String)>,
    application_name: Option<String>,
    connect_timeout: Option<Duration>,
}

fn decoded(text: &str) -> Result<Option<String>> {
    let text = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map_err(|_never_shown| invalid("the database's URL has percent-encoded bytes that are no UTF-8"))?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

impl UrlParts {
    fn new(url: &Url) -> Result<Self> {
        // The url crate keeps the brackets of an IPv6 address; the resolver wants none.
        let host = url
            .host_str()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let mut parts = Self {
            host: decoded(host)?,
            port: url.port(),
            user: decoded(url.username())?,
            password: url.password().map(decoded).transpose()?.flatten(),
            database: decoded(url.path().trim_start_matches('/'))?,
            ..Self::default()
        };
        for (key, value) in url.query_pairs() {
            parts.set(&key, value.into_owned())?;
        }
        Ok(parts)
    }

    fn set(&mut self, key: &str, value: String) -> Result<()> {
        let number = |value: &str| {
            value
                .parse()
                .map_err(|_never_shown| invalid(format!("{key} in the database's URL is not a number")))
        };
        match key {
            "host" | "hostaddr" => self.host = Some(value),
            "port" => self.port = Some(number(&value)?),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "dbname" => self.database = Some(value),
            "sslmode" | "ssl-mode" => self.ssl_mode = Some(value),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => self.ssl_root_cert = Some(value),
            "sslcert" | "ssl-cert" => self.ssl_cert = Some(value),
            "sslkey" | "ssl-key" => self.ssl_key = Some(value),
            "application_name" => self.application_name = Some(value),
            "connect_timeout" => {
                let seconds = u64::from(number(&value)?);
                // 0 means "no limit" in libpq; here it means ours.
                self.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            // We write, so that only a server that takes writes will do anyway.
            "target_session_attrs" if matches!(value.as_str(), "any" | "read-write" | "primary") => {}
            "target_session_attrs" => {
                return Err(invalid(
                    "target_session_attrs in the database's URL must be read-write: rows are written",
                ));
            }
            "channel_binding" if matches!(value.as_str(), "prefer" | "disable") => {}
            "channel_binding" => {
                return Err(invalid(
                    "channel_binding=require in the database's URL is not supported: take it out, and use \
                     sslmode=verify-full, which proves the server's identity",
                ));
            }
            key if key.starts_with("options[") && key.ends_with(']') => {
                let name = key.trim_start_matches("options[").trim_end_matches(']');
                self.options.push((name.to_owned(), value));
            }
            key if KNOWN_PARAMETERS.contains(&key) => {
                return Err(invalid(format!(
                    "parameter {key} of the database's URL is not supported: take it out"
                )));
            }
            _ => {
                return Err(invalid(
                    "the database's URL has a parameter that PostgreSQL does not know (its name is not shown: it may be \
                     a piece of a password with an unescaped ?)",
                ));
            }
        }
        Ok(())
    }

    fn into_target(self, config: &PostgresConfig) -> Result<Target> {
        let host = self
            .host
            .clone()
            .ok_or_else(|| invalid("the database's URL names no host"))?;
        let user = self
            .user
            .clone()
            .ok_or_else(|| invalid("the database's URL names no user"))?;
        let database = self
            .database
            .clone()
            .ok_or_else(|| invalid("the database's URL names no database"))?;
        let port = self.port.unwrap_or(5432);
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(port)
            .username(&user)
            // Always set, so that neither PGPASSWORD nor ~/.pgpass fills the gap.
            .password(self.password.as_deref().unwrap_or_default())
            .database(&database)
            .application_name(self.application_name.as_deref().unwrap_or("salesforce-replicator"))
            // Poolers refuse start-up parameters that they do not know.
            .extra_float_digits(None)
            .disable_statement_logging();
        options = if host.starts_with('/') {
            options.socket(&host).ssl_mode(PgSslMode::Disable)
        } else {
            self.tls(options.host(&host), config)?
        };
        let chosen: Vec<(&str, &str)> = self
            .options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        if !chosen.is_empty() {
            options = options.options(chosen);
        }
        let server = if host.starts_with('/') {
            host
        } else {
            format!("{host}:{port}")
        };
        Ok(Target {
            options,
            endpoint: Endpoint {
                server,
                database,
                role: user,
                schema: config.schema.clone(),
            },
            connect_timeout: self.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        })
    }

    /// TLS as libpq reads the same parameters, with two differences: `allow` encrypts where it can, as `prefer` does,
    /// and a CA given without `sslmode` is used in full (`verify-full`) and not ignored.
    fn tls(&self, mut options: PgConnectOptions, config: &PostgresConfig) -> Result<PgConnectOptions> {
        let file = self.ssl_root_cert.as_deref().filter(|file| *file != "system");
        let has_ca = config.ca_pem.is_some() || self.ssl_root_cert.is_some();
        let mode = match (self.ssl_mode.as_deref(), has_ca) {
            (Some("disable"), true) => {
                return Err(invalid("a CA is given, but the database's URL says sslmode=disable"));
            }
            (Some("disable"), false) => PgSslMode::Disable,
            (None, true) | (Some("verify-full"), _) => PgSslMode::VerifyFull,
            (Some("require" | "verify-ca" | "prefer" | "allow"), true) | (Some("verify-ca"), false) => {
                PgSslMode::VerifyCa
            }
            (Some("require"), false) => PgSslMode::Require,
            (None | Some("prefer" | "allow"), false) => PgSslMode::Prefer,
            (Some(_), _) => {
                return Err(invalid(
                    "sslmode in the database's URL must be disable, prefer, require, verify-ca or verify-full",
                ));
            }
        };
        options = options.ssl_mode(mode);
        if let Some(pem) = &config.ca_pem {
            options = options.ssl_root_cert_from_pem(pem.clone());
        } else if let Some(file) = file {
            options = options.ssl_root_cert(file);
        }
        match (&self.ssl_cert, &self.ssl_key) {
            (Some(certificate), Some(key)) => Ok(options.ssl_client_cert(certificate).ssl_client_key(key)),
            (None, None) => Ok(options),
            _ => Err(invalid(
                "sslcert and sslkey in the database's URL must be given together",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target> {
        Target::new(&PostgresConfig::new(url, "salesforce"))
    }

    fn message(url: &str) -> String {
        match target(url) {
            Ok(_) => panic!("accepted"),
            Err(error) => format!("{} {error:?}", error.message()),
        }
    }

    #[test]
    fn a_url_is_read_whole() {
        let target =
            target("postgresql://crm%40acme:p%2Fw@db.example:6432/crm?sslmode=require&application_name=x").unwrap();
        assert_eq!(target.options.get_host(), "db.example");
        assert_eq!(target.options.get_port(), 6432);
        assert_eq!(target.options.get_username(), "crm@acme");
        assert_eq!(target.options.get_database(), Some("crm"));
        assert_eq!(target.options.get_application_name(), Some("x"));
        assert!(matches!(target.options.get_ssl_mode(), PgSslMode::Require));
        assert_eq!(target.endpoint.server, "db.example:6432");
    }

    #[test]
    fn ipv6_and_sockets() {
        assert_eq!(target("postgres://u@[::1]/d").unwrap().options.get_host(), "::1");
        let socket = target("postgres:///d?host=/run/postgresql&user=u").unwrap();
        assert_eq!(socket.endpoint.server, "/run/postgresql");
        assert!(matches!(socket.options.get_ssl_mode(), PgSslMode::Disable));
    }

    #[test]
    fn no_message_shows_any_piece_of_a_url() {
        for url in [
            "hunter2",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@/d",
            "postgres://:hunter2@h/d",
            "postgres://u:hunter2@h",
            "postgres://u:1/hunter2@h/d",
            "postgres://u:1?hunter2@h/d",
            "postgres://u:1#hunter2@h/d",
            "postgres://u:1?hunter2=x",
            "postgres://u:hunter2@h:99999/d",
            "postgres://u:p@h/d?port=hunter2",
            "postgres://u:p@h/d?sslmode=hunter2",
            "postgres://u:p@h/d?sslpassword=hunter2",
            "postgres://u:p@h/d?sslcert=hunter2",
            "postgres://u:p@h/d?connect_timeout=hunter2",
            "postgres://u:p@h/d?channel_binding=hunter2",
            "postgres://u:p@h/d?target_session_attrs=hunter2",
        ] {
            assert!(!message(url).contains("hunter2"), "{url}: {}", message(url));
        }
    }

    #[test]
    fn a_ca_is_used_and_never_silently_ignored() {
        let with_ca = |url: &str| {
            let mut config = PostgresConfig::new(url, "salesforce");
            config.ca_pem = Some(b"-----BEGIN CERTIFICATE-----".to_vec());
            Target::new(&config).map(|target| target.options.get_ssl_mode())
        };
        assert!(matches!(with_ca("postgres://u@h/d").unwrap(), PgSslMode::VerifyFull));
        assert!(matches!(
            with_ca("postgres://u@h/d?sslmode=require").unwrap(),
            PgSslMode::VerifyCa
        ));
        assert!(matches!(
            with_ca("postgres://u@h/d?sslmode=verify-full").unwrap(),
            PgSslMode::VerifyFull
        ));
        assert!(with_ca("postgres://u@h/d?sslmode=disable").is_err());
        assert!(matches!(
            target("postgres://u@h/d").unwrap().options.get_ssl_mode(),
            PgSslMode::Prefer
        ));
    }
}
