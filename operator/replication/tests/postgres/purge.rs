//! What only PostgreSQL knows to stand in the way of a purge, and what it leaves.

use replication::{
    destination::{Destination, Purged},
    plan::ObjectName,
};
use salesforce::ErrorKind;

use super::fixture::{Place, batch, merge, now, owner, plan};

const OURS: &str = "telephony/crm";

async fn filled() -> Place {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut table = place.created(&plan).await;
    merge(&mut table, batch(&plan, &[&["Meyer"], &["Huber"]]))
        .await
        .unwrap();
    place
}

/// The message of a purge that is refused for what depends on the table.
async fn refusal(place: &Place) -> String {
    let error = place.destination().await.purge(OURS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let message = error.message();
    assert!(!message.contains("Meyer"), "{message}");
    message
}

#[tokio::test]
async fn whatever_depends_on_a_table_is_named() {
    let place = filled().await;
    let schema = &place.schema;
    place
        .server
        .query(&format!(
            "CREATE MATERIALIZED VIEW calls AS SELECT spelled FROM contact; \
             CREATE VIEW names AS SELECT contact FROM contact; \
             CREATE TABLE note (contact text REFERENCES contact (salesforce_id)); \
             CREATE FUNCTION first_of() RETURNS SETOF contact LANGUAGE sql AS 'SELECT * FROM {schema}.contact'"
        ))
        .await;
    let message = refusal(&place).await;
    for what in [
        format!("materialized view {schema}.calls"),
        format!("view {schema}.names"),
        format!("constraint note_contact_fkey on table {schema}.note"),
        format!("function {schema}.first_of()"),
    ] {
        assert!(message.contains(&what), "{what}: {message}");
    }
    assert!(message.contains("depend on it: drop those first"), "{message}");
    assert_eq!(place.server.value("SELECT count(*) FROM contact").await, "2");
}

#[tokio::test]
async fn what_goes_with_a_table_does_not_keep_it() {
    let place = filled().await;
    // Rights, a comment, an index, a trigger and a policy of others go with the table, as with any other.
    place
        .server
        .query(
            "COMMENT ON TABLE contact IS 'mine'; GRANT SELECT ON contact TO public; \
             CREATE INDEX lower_name ON contact (lower(spelled)); \
             CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER told AFTER INSERT ON contact EXECUTE FUNCTION nothing(); \
             CREATE POLICY everybody ON contact; CREATE TABLE other (id integer)",
        )
        .await;
    let purged = place.destination().await.purge(OURS).await.unwrap();
    assert_eq!(
        purged,
        Purged {
            tables: vec!["contact".to_owned()]
        }
    );
    let left = format!(
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = '\"{}\"'::regnamespace",
        place.schema
    );
    assert_eq!(
        place.server.value(&left).await,
        "other",
        "the schema stays, with what is not ours"
    );
}

#[tokio::test]
async fn a_table_that_belongs_to_another_role_stays_and_the_right_is_named() {
    let place = filled().await;
    let role = super::fixture::unique("role");
    let schema = &place.schema;
    place
        .server
        .query(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{schema}\" TO {role}"
        ))
        .await;
    let mut config = place.config();
    let mut url = url::Url::parse(place.server.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("x")).unwrap();
    config.url = url.to_string().into();
    let destination = replication::destination::postgres::Postgres::connect(config)
        .await
        .unwrap();
    let error = destination.purge(OURS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    let message = error.message();
    assert!(
        message.contains("dropping table contact") && message.contains("must belong to that role"),
        "{message}"
    );
    assert_eq!(place.server.value("SELECT count(*) FROM contact").await, "2");
    assert_eq!(place.server.value("SELECT count(*) FROM _replication_state").await, "1");
    place
        .server
        .query(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn a_retired_table_that_a_view_reads_stays_retired() {
    let place = filled().await;
    place
        .server
        .query("CREATE VIEW names AS SELECT spelled FROM contact")
        .await;
    let destination = place.destination().await;
    destination
        .retire(&owner(), &[ObjectName::new("Lead")], now())
        .await
        .unwrap();
    let message = refusal(&place).await;
    assert!(
        message.contains("table contact") && message.contains("names"),
        "{message}"
    );
    assert_eq!(
        place.server.value("SELECT table_name FROM _retired_table").await,
        "contact"
    );
    assert_eq!(place.server.value("SELECT count(*) FROM names").await, "2");
    place.server.query("DROP VIEW names").await;
    assert_eq!(destination.purge(OURS).await.unwrap().tables, ["contact"]);
}
