//! What the resource may ask for and this version does not do.
//!
//! The schema of the resource is complete from its first day; the program is not. A value that was set to something
//! that is not served is a problem, since nothing may be ignored in silence; a default that is not served is told in
//! the plan, since nobody asked for it. Switching a kind of run off is always served: it is what happens.
//!
//! Each struct is taken apart without `..`: a field that is added to the resource does not compile until somebody has
//! decided here, or in the plan of an object, what it does.

use crds::{
    Auth, BulkApi, Connection, Consistency, DeletionPolicy, Destination, Execution, Jobs, ObjectSpec, Period,
    PhoneNumbers, SalesforceReplicatorSpec,
};

use super::findings::Findings;

/// Tells what is set and not served as problems; the answer lists the defaults that are not served.
pub(super) fn check(spec: &SalesforceReplicatorSpec, findings: &mut Findings<'_>) -> Vec<String> {
    let SalesforceReplicatorSpec {
        connection,
        destination,
        trigger: _,
        objects,
        phone_numbers,
        consistency,
        parallelism: _,
        execution,
        suspend: _,
        deletion_policy,
    } = spec;
    let mut defaults = Vec::new();
    check_connection(connection, &mut defaults, findings);
    check_destination(destination, findings);
    check_consistency(consistency, &mut defaults, findings);
    check_phone_numbers(phone_numbers.as_ref(), &mut defaults, findings);
    let Execution { jobs } = execution;
    match jobs {
        Jobs::Never => {}
        Jobs::LongRuns | Jobs::Always => refuse("execution.jobs", "runs in pods of their own", "Never", findings),
    }
    match deletion_policy {
        DeletionPolicy::Retain => {}
        DeletionPolicy::Delete => refuse(
            "deletionPolicy: Delete",
            "dropping tables with the resource",
            "Retain",
            findings,
        ),
    }
    for object in objects {
        check_object(object, findings);
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
        api_budget_percent,
    } = connection;
    match api {
        BulkApi::Soap => {}
        BulkApi::Auto => {
            defaults.push("connection.api Auto: large reads go by SOAP, Bulk is not served yet".to_owned());
        }
        BulkApi::Bulk => refuse("connection.api: Bulk", "reading by the Bulk API", "Soap", findings),
    }
    if *api_budget_percent == Connection::DEFAULT_API_BUDGET_PERCENT {
        defaults.push(format!(
            "connection.apiBudgetPercent {api_budget_percent}: no run waits for the budget of API calls yet"
        ));
    } else {
        let default = Connection::DEFAULT_API_BUDGET_PERCENT.to_string();
        refuse(
            "connection.apiBudgetPercent",
            "a budget of API calls",
            &default,
            findings,
        );
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

fn check_consistency(consistency: &Consistency, defaults: &mut Vec<String>, findings: &mut Findings<'_>) {
    let Consistency {
        overlap: _,
        verify_every,
        reconcile_every,
        refresh_every,
        max_delete_percent,
    } = consistency;
    let kinds = [
        (
            "consistency.verifyEvery",
            verify_every,
            [Consistency::DEFAULT_VERIFY_EVERY; 2],
            "looking for late commits and hard deletes (Verify)",
        ),
        (
            "consistency.reconcileEvery",
            reconcile_every,
            [Consistency::DEFAULT_RECONCILE_EVERY; 2],
            "comparing all Ids with the table (Reconcile)",
        ),
        (
            "consistency.refreshEvery",
            refresh_every,
            [
                Consistency::DEFAULT_REFRESH_EVERY,
                Consistency::DEFAULT_REFRESH_EVERY_PLAIN,
            ],
            "reading every row again (Refresh)",
        ),
    ];
    for (setting, written, default, what) in kinds {
        check_period(setting, written.as_ref(), &default, what, defaults, findings);
    }
    let default = Consistency::DEFAULT_MAX_DELETE_PERCENT;
    match max_delete_percent {
        // 100 switches the guard off, which is what happens.
        Some(100) => {}
        None => defaults.push(format!(
            "consistency.maxDeletePercent {default}: no deletes are held back yet"
        )),
        Some(percent) if *percent == default => {
            defaults.push(format!(
                "consistency.maxDeletePercent {default}: no deletes are held back yet"
            ));
        }
        Some(_) => refuse(
            "consistency.maxDeletePercent",
            "holding back deletes",
            &format!("{default}, 100 (which switches the guard off)"),
            findings,
        ),
    }
}

fn check_period(
    setting: &str,
    written: Option<&Period>,
    defaults_of_kind: &[Period; 2],
    what: &str,
    defaults: &mut Vec<String>,
    findings: &mut Findings<'_>,
) {
    let [default, other] = defaults_of_kind;
    match written {
        Some(period) if period.is_zero() => {}
        Some(period) if period.get() != default.get() && period.get() != other.get() => {
            refuse(setting, what, "0s", findings);
        }
        Some(_) | None => {
            let every = written.unwrap_or(default);
            defaults.push(format!("{setting} {every}: {what} is not served yet"));
        }
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

/// `where` is the only part of an object that is not served; its other parts are planned.
fn check_object(object: &ObjectSpec, findings: &mut Findings<'_>) {
    if object.condition.is_some() {
        findings
            .of(&object.name)
            .problem("where: conditions are not served by this version yet: leave it out");
    }
}
