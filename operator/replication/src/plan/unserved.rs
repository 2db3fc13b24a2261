//! What the resource may ask for and this version does not do.
//!
//! The schema of the resource is complete from its first day; the program is not. A value that was set to something
//! that is not served is a problem, since nothing may be ignored in silence; a default that is not served is told in
//! the plan, since nobody asked for it.
//!
//! Each struct is taken apart without `..`: a field that is added to the resource does not compile until somebody has
//! decided here, or in the plan of an object, what it does.

use crds::{Auth, BulkApi, Connection, Destination, Execution, Jobs, PhoneNumbers, SalesforceReplicatorSpec};

use super::findings::Findings;

/// Tells what is set and not served as problems; the answer lists the defaults that are not served.
pub(super) fn check(spec: &SalesforceReplicatorSpec, findings: &mut Findings<'_>) -> Vec<String> {
    let SalesforceReplicatorSpec {
        connection,
        destination,
        trigger: _,
        // Served whole, and planned by their own modules.
        objects: _,
        consistency: _,
        phone_numbers,
        parallelism: _,
        execution,
        suspend: _,
        // The operator's business: a file is not deleted, it is not run any more.
        deletion_policy: _,
    } = spec;
    let mut defaults = Vec::new();
    check_connection(connection, &mut defaults, findings);
    check_destination(destination, findings);
    check_phone_numbers(phone_numbers.as_ref(), &mut defaults, findings);
    let Execution { jobs } = execution;
    match jobs {
        Jobs::Never => {}
        Jobs::LongRuns | Jobs::Always => refuse("execution.jobs", "runs in pods of their own", "Never", findings),
    }
    defaults
}

/// Says that `setting` is set, `what` is not served, and what to write.
fn refuse(setting: &str, what: &str, instead: &str, findings: &mut Findings<'_>) {
    findings.problem(format!(
        "{setting}: {what} is not served by this version yet: write {instead}, or leave it out"
    ));
}

fn check_connection(connection: &Connection, defaults: &mut Vec<String>, findings: &mut Findings<'_>) {
    let Connection {
        login_url: _,
        api_version: _,
        ca_secret_ref: _,
        auth,
        api,
        // Planned by the module of API calls.
        api_budget_percent: _,
    } = connection;
    match api {
        BulkApi::Soap => {}
        BulkApi::Auto => {
            defaults.push("connection.api Auto: large reads go by SOAP, Bulk is not served yet".to_owned());
        }
        BulkApi::Bulk => refuse("connection.api: Bulk", "reading by the Bulk API", "Soap", findings),
    }
    let Auth {
        password,
        client_credentials,
        jwt_bearer,
    } = auth;
    match (password, client_credentials, jwt_bearer) {
        (Some(_), None, None) => {}
        (None, Some(_), None) => {
            refuse_login("connection.auth.clientCredentials", findings);
        }
        (None, None, Some(_)) => {
            refuse_login("connection.auth.jwtBearer", findings);
        }
        (None, None, None) => findings.problem("connection.auth: exactly one way to log in must be set, and none is"),
        (Some(_), _, _) | (_, Some(_), Some(_)) => {
            findings.problem("connection.auth: exactly one way to log in must be set, and several are");
        }
    }
}

fn refuse_login(setting: &str, findings: &mut Findings<'_>) {
    findings.problem(format!(
        "{setting} is not served by this version yet: write connection.auth.password"
    ));
}

fn check_destination(destination: &Destination, findings: &mut Findings<'_>) {
    let Destination {
        postgres,
        mysql,
        sqlite,
        ca_secret_ref: _,
    } = destination;
    let set: Vec<&str> = [
        postgres.as_ref().map(|_| "postgres"),
        mysql.as_ref().map(|_| "mysql"),
        sqlite.as_ref().map(|_| "sqlite"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match set.as_slice() {
        [] => findings.problem("destination: exactly one of postgres, mysql and sqlite must be set, and none is"),
        ["mysql"] => findings.problem(
            "destination.mysql: MySQL and MariaDB are not served by this version yet: write postgres or sqlite",
        ),
        [_] => {}
        several => findings.problem(format!(
            "destination: exactly one of postgres, mysql and sqlite must be set, and {} are",
            several.join(" and ")
        )),
    }
}

fn check_phone_numbers(numbers: Option<&PhoneNumbers>, defaults: &mut Vec<String>, findings: &mut Findings<'_>) {
    let set = numbers.is_some_and(|numbers| {
        let PhoneNumbers {
            default_region,
            area_code,
        } = numbers;
        default_region.is_some() || area_code.is_some()
    });
    if set {
        findings.problem(
            "phoneNumbers: the table of numbers in E.164 is not served by this version yet: leave it out; phone columns \
             hold what Salesforce has",
        );
    } else {
        defaults.push(
            "phoneNumbers: there is no table of numbers in E.164 yet; phone columns hold what Salesforce has"
                .to_owned(),
        );
    }
}
