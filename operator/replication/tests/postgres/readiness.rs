//! What would refuse a first run is told before it, from the catalogue alone.

use replication::{
    Error,
    destination::{
        Destination,
        postgres::{Postgres, PostgresConfig},
    },
};
use url::Url;

use super::fixture::{Place, unique};

/// What is told of a role that was made for the test, after these statements about it.
struct Role {
    place: Place,
    name: String,
}

impl Role {
    async fn new() -> Self {
        let place = Place::new().await;
        let name = unique("role");
        let role = Self { place, name };
        role.execute("CREATE ROLE {role} LOGIN PASSWORD 'p'").await;
        role
    }

    async fn execute(&self, statement: &str) {
        let statement = statement
            .replace("{role}", &self.name)
            .replace("{schema}", &self.place.schema);
        self.place.server.query(&statement).await;
    }

    async fn told(&self) -> String {
        let mut url = Url::parse(self.place.server.url()).unwrap();
        url.set_username(&self.name).unwrap();
        url.set_password(Some("p")).unwrap();
        let config = PostgresConfig::new(url.as_str(), &self.place.schema);
        let problems = Postgres::connect(config).await.unwrap().readiness().await.unwrap();
        let told: Vec<String> = problems.iter().map(Error::message).collect();
        told.join("\n")
    }
}

#[tokio::test]
async fn each_missing_right_is_told_at_once_and_nothing_is_written() {
    let role = Role::new().await;
    let told = role.told().await;
    let schema = &role.place.schema;
    assert!(told.contains(&format!("make schema {schema}")), "{told}");
    assert!(told.contains("GRANT CREATE ON DATABASE"), "{told}");
    role.execute("CREATE SCHEMA {schema}").await;
    let told = role.told().await;
    assert!(
        told.contains(&format!("GRANT USAGE, CREATE ON SCHEMA \"{schema}\"")),
        "{told}"
    );
    role.execute("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}").await;
    assert_eq!(role.told().await, "");
    role.execute("DROP OWNED BY {role}").await;
    role.execute("DROP ROLE {role}").await;
}

#[tokio::test]
async fn state_tables_of_a_newer_program_are_told() {
    let place = Place::new().await;
    let config = PostgresConfig::new(place.server.url(), &place.schema);
    let postgres = Postgres::connect(config).await.unwrap();
    assert!(postgres.readiness().await.unwrap().is_empty(), "nothing is there yet");
    postgres.prepare().await.unwrap();
    assert!(postgres.readiness().await.unwrap().is_empty());
    let newer = format!("UPDATE {}._replication_meta SET schema_version = 99", place.schema);
    place.server.query(&newer).await;
    let problems = postgres.readiness().await.unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].reason(), "SchemaConflict");
    assert!(
        problems[0].message().contains("version 99"),
        "{}",
        problems[0].message()
    );
}
