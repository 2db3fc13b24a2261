//! Whether a first run would be refused by the server: what can be told of it by looking at the catalogue alone.
//!
//! A right is a matter of the moment it is used; this asks for those that every run uses (a schema, tables in it, temporary
//! tables), and for the state tables' version. Rights on tables that are there are told by the first run that lacks one.

use salesforce::ErrorKind;
use sqlx::Row;

use super::{
    Postgres,
    failure::{Doing, Endpoint, refusal},
    tables,
};
use crate::{Error, Result};

/// `$1` schema. One row, whether or not it is there.
const RIGHTS: &str = "SELECT namespace.oid IS NOT NULL AS is_there, \
                      has_database_privilege(current_database(), 'CREATE') AS makes_schemas, \
                      has_database_privilege(current_database(), 'TEMPORARY') AS makes_temporary, \
                      coalesce(has_schema_privilege(namespace.oid, 'USAGE'), false) AS uses, \
                      coalesce(has_schema_privilege(namespace.oid, 'CREATE'), false) AS makes_tables \
                      FROM (SELECT $1::text AS name) AS asked \
                      LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = asked.name";

impl Postgres {
    /// What would keep a first run from writing: missing rights, each with the statement that gives it, and state tables that
    /// are not ours or newer than this program. Empty where nothing is known that would. Writes nothing.
    ///
    /// # Errors
    /// The database cannot be reached any more.
    pub async fn readiness(&self) -> Result<Vec<Error>> {
        let database = &self.inner;
        let mut session = database.session().await?;
        let doing = Doing::ReadingState;
        let query = sqlx::query(RIGHTS)
            .bind(database.schema())
            .fetch_one(&mut session.connection);
        let row = database.within(doing, query).await?;
        let has = |name: &str| {
            row.try_get::<bool, _>(name)
                .map_err(|error| database.failure(error, doing))
        };
        let rights = Rights {
            is_there: has("is_there")?,
            makes_schemas: has("makes_schemas")?,
            makes_temporary: has("makes_temporary")?,
            uses: has("uses")?,
            makes_tables: has("makes_tables")?,
        };
        let mut problems = rights.missing(&database.target.endpoint);
        if rights.is_there && rights.uses {
            problems.extend(tables::look_at_state(database, &mut session).await.err());
        }
        Ok(problems)
    }
}

/// What the role may do.
#[expect(
    clippy::struct_excessive_bools,
    reason = "rights that are independent in PostgreSQL too"
)]
struct Rights {
    is_there: bool,
    makes_schemas: bool,
    makes_temporary: bool,
    uses: bool,
    makes_tables: bool,
}

impl Rights {
    fn missing(&self, endpoint: &Endpoint) -> Vec<Error> {
        let Endpoint {
            server,
            database,
            role,
            schema,
        } = endpoint;
        let refused = |what: String, grant: String| {
            let message = format!("{server}: role {role} may not {what}; a right is missing: {grant}");
            refusal(ErrorKind::Fatal, message)
        };
        let mut problems = Vec::new();
        if !self.is_there && !self.makes_schemas {
            problems.push(refused(
                format!("make schema {schema}, which is not there"),
                format!("GRANT CREATE ON DATABASE \"{database}\" TO \"{role}\", or make the schema for it"),
            ));
        }
        if self.is_there && !(self.uses && self.makes_tables) {
            problems.push(refused(
                format!("make tables in schema {schema}"),
                format!("GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"{role}\""),
            ));
        }
        if !self.makes_temporary {
            problems.push(refused(
                "make temporary tables, through which changed rows go".to_owned(),
                format!("GRANT TEMPORARY ON DATABASE \"{database}\" TO \"{role}\""),
            ));
        }
        problems
    }
}
