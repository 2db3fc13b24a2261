//! What an administrator reads when something is missing, and which kind of error it is.

use replication::{
    Error,
    destination::{
        Destination, ObjectTable,
        postgres::{Postgres, PostgresConfig},
    },
};
use salesforce::ErrorKind;
use url::Url;

use super::fixture::{Place, batch, checkpoint, merge, now, open, plan, unique};

const PASSWORD: &str = "marked-secret-7f3a";

/// A role without any right, with a password, dropped with its last reference.
struct Role {
    place: Place,
    name: String,
}

impl Role {
    async fn new() -> Self {
        let place = Place::new().await;
        let name = unique("role");
        place
            .server
            .query(&format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"))
            .await;
        Self { place, name }
    }

    fn url(&self) -> Url {
        let mut url = Url::parse(self.place.server.url()).unwrap();
        url.set_username(&self.name).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        url
    }

    async fn connect(&self, url: &Url) -> Result<Postgres, Error> {
        Postgres::connect(PostgresConfig::new(url.as_str(), &self.place.schema)).await
    }

    async fn grant(&self, right: &str) {
        self.place
            .server
            .query(&format!("GRANT {right} TO {}", self.name))
            .await;
    }
}

/// Kind and message; nothing in the error may have the password.
#[track_caller]
fn told(error: &Error) -> (ErrorKind, String) {
    let everything = format!("{error:?} {error} {}", error.message());
    assert!(!everything.contains(PASSWORD), "{everything}");
    (error.kind(), error.message())
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let role = Role::new().await;
    let mut url = role.url();
    url.set_password(Some(&format!("{PASSWORD}-not"))).unwrap();
    let error = role.connect(&url).await.unwrap_err();
    let (kind, message) = told(&error);
    assert_eq!(kind, ErrorKind::Credentials);
    assert_eq!(error.reason(), "DatabaseCredentials");
    assert!(message.contains(&format!("refuses role {}", role.name)), "{message}");
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let role = Role::new().await;
    let mut url = role.url();
    url.set_path("/nowhere");
    let (kind, message) = told(&role.connect(&url).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.contains("there is no database nowhere"), "{message}");
}

#[tokio::test]
async fn an_unreachable_server_is_transient() {
    let role = Role::new().await;
    let mut url = role.url();
    // The discard port: nobody listens there.
    url.set_port(Some(9)).unwrap();
    let (kind, message) = told(&role.connect(&url).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Transient);
    assert!(
        message.contains("127.0.0.1:9") && message.contains("cannot be reached"),
        "{message}"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_told_where_tls_is_asked_for() {
    let role = Role::new().await;
    let mut url = role.url();
    url.set_query(Some("sslmode=verify-full"));
    let (kind, message) = told(&role.connect(&url).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.contains("sslmode"), "{message}");
}

#[tokio::test]
async fn a_missing_host_name_and_a_missing_socket_are_told() {
    let role = Role::new().await;
    let mut url = role.url();
    url.set_host(Some("nowhere.invalid")).unwrap();
    let (kind, message) = told(&role.connect(&url).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Transient);
    assert!(
        message.contains("nowhere.invalid") && message.contains("cannot be reached"),
        "{message}"
    );
    url.set_query(Some("host=/nowhere"));
    let (kind, message) = told(&role.connect(&url).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Transient);
    assert!(
        message.contains("at /nowhere") && message.contains("cannot be reached"),
        "{message}"
    );
}

#[tokio::test]
async fn each_missing_right_is_named_with_the_statement_that_gives_it() {
    let role = Role::new().await;
    let (server, schema) = (&role.place.server, &role.place.schema);
    let destination = role.connect(&role.url()).await.unwrap();

    let (kind, message) = told(&destination.prepare().await.unwrap_err());
    assert_eq!(kind, ErrorKind::Fatal);
    assert!(message.contains("GRANT CREATE ON DATABASE \"postgres\""), "{message}");

    server.query(&format!("CREATE SCHEMA {schema}")).await;
    let (_, message) = told(&destination.prepare().await.unwrap_err());
    assert!(
        message.contains(&format!(
            "GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"{}\"",
            role.name
        )),
        "{message}"
    );

    role.grant(&format!("USAGE, CREATE ON SCHEMA {schema}")).await;
    destination.prepare().await.unwrap();

    let plan = plan(&[]);
    let mut table = open(&destination, &plan).await;
    table.read_state().await.unwrap();
    server
        .query(&format!("REVOKE CREATE ON SCHEMA {schema} FROM {}", role.name))
        .await;
    let (_, message) = told(&table.create(&checkpoint(), now()).await.unwrap_err());
    assert!(
        message.contains("making table contact") && message.contains("GRANT USAGE, CREATE ON SCHEMA"),
        "{message}"
    );
    role.grant(&format!("CREATE ON SCHEMA {schema}")).await;
    table.create(&checkpoint(), now()).await.unwrap();

    server
        .query(&format!("REVOKE INSERT ON contact FROM {}", role.name))
        .await;
    let (kind, message) = told(&merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Fatal);
    assert!(
        message.contains("merging rows into contact") && message.contains("GRANT SELECT, INSERT"),
        "{message}"
    );
    role.grant("INSERT ON contact").await;
    assert_eq!(merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap().inserted, 1);
    drop(table);
    server
        .query(&format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", role.name))
        .await;
}

#[tokio::test]
async fn the_right_to_make_temporary_tables_is_named() {
    let role = Role::new().await;
    let server = &role.place.server;
    // In a database of its own: the right is one of the database, and the others need theirs.
    let database = unique("notemp");
    server
        .query(&format!("CREATE DATABASE {database} OWNER {}", role.name))
        .await;
    server
        .query(&format!(
            "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {}",
            role.name
        ))
        .await;
    let mut url = role.url();
    url.set_path(&database);
    let destination = role.connect(&url).await.unwrap();
    destination.prepare().await.unwrap();
    let plan = plan(&[]);
    let mut table = open(&destination, &plan).await;
    table.read_state().await.unwrap();
    table.create(&checkpoint(), now()).await.unwrap();
    let (_, message) = told(&merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap_err());
    assert!(
        message.contains(&format!("GRANT TEMPORARY ON DATABASE \"{database}\"")),
        "{message}"
    );
    drop(table);
    server.query(&format!("DROP DATABASE {database} WITH (FORCE)")).await;
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let role = Role::new().await;
    let server = &role.place.server;
    let database = unique("latin");
    let sql = format!("CREATE DATABASE {database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    server.query(&sql).await;
    let mut url = role.url();
    url.set_path(&database);
    let (kind, message) = told(&role.connect(&url).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.contains("LATIN1") && message.contains("UTF8"), "{message}");
    server.query(&format!("DROP DATABASE {database} WITH (FORCE)")).await;
}

#[tokio::test]
async fn a_read_only_session_is_told_and_may_pass() {
    let role = Role::new().await;
    let server = &role.place.server;
    server
        .query(&format!(
            "CREATE SCHEMA {} AUTHORIZATION {}",
            role.place.schema, role.name
        ))
        .await;
    server
        .query(&format!(
            "ALTER ROLE {} SET default_transaction_read_only = on",
            role.name
        ))
        .await;
    let destination = role.connect(&role.url()).await.unwrap();
    let (kind, message) = told(&destination.prepare().await.unwrap_err());
    assert_eq!(kind, ErrorKind::Transient);
    assert!(message.contains("takes no writes"), "{message}");
}
