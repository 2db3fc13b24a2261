//! `check` against an org: everything that is wrong, at once, and what is well beside it.

use serde_json::Value;
use simulator::UserChange;

use crate::harness::{Bench, Desk, Finished, finish, secret};

const USER: &str = "admin@example.com";

/// The finding's line, as a person reads it.
#[track_caller]
fn line<'a>(finished: &'a Finished, verdict: &str, subject: &str, part: &str) -> &'a str {
    finished
        .stdout
        .lines()
        .find(|line| {
            let mut words = line.splitn(2, ' ');
            words.next() == Some(verdict)
                && words.next().is_some_and(|rest| rest.trim_start().starts_with(subject))
                && line.contains(part)
        })
        .unwrap_or_else(|| {
            panic!(
                "no {verdict} of {subject} with {part:?} in\n{}{}",
                finished.stdout, finished.stderr
            )
        })
}

fn written(bench: &Bench, objects: &str, password: &str) {
    let resource = bench.resource(objects, "");
    bench.desk.write("crm.yaml", &format!("{resource}{}", secret(password)));
}

#[tokio::test]
async fn a_good_resource_is_well_and_nothing_is_written() {
    let bench = Bench::new().await;
    written(
        &bench,
        "    - {name: Contact, where: \"Phone != null\"}\n    - {name: Account}\n",
        "correct horse",
    );
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(0);
    line(&finished, "ok", "Settings", "");
    line(&finished, "ok", "Secrets", "every key");
    line(&finished, "ok", "Login", USER);
    line(&finished, "ok", "API usage", "of 100000 calls");
    line(&finished, "ok", "Contact", "sees every record");
    line(&finished, "ok", "Contact", "where: Salesforce understands it");
    line(&finished, "ok", "Account", "every field is there");
    line(&finished, "ok", "Account", "is new");
    line(&finished, "ok", "Destination", "SQLite");
    assert!(
        finished.stdout.contains("All is well.") || finished.stdout.contains("No problems"),
        "{finished:?}"
    );
    assert!(!bench.desk.path("crm.db").exists(), "check writes nothing");
    let sent = bench.org.calls(100);
    let conditions = sent
        .iter()
        .filter(|call| call.call == "queryAll" && call.object.as_deref() == Some("Contact"));
    let sent: Vec<&str> = conditions.filter_map(|call| call.soql.as_deref()).collect();
    let [query] = sent.as_slice() else { panic!("{sent:?}") };
    for part in [
        "LastName",
        "Account.Name",
        "IsDeleted = false",
        "(Phone != null)",
        "LIMIT 1",
    ] {
        assert!(query.contains(part), "{part} is not in {query}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let bench = Bench::new().await;
    let objects = "    - {name: Contcat}
    - {name: Lead, mapping: None, fields: [{source: Compny, column: company}]}
    - {name: Account, where: \"Name LIKE 5\"}
    - {name: Contact, where: \"LastName = 'Nobody of this name'\"}
    - {name: Case}
";
    written(&bench, objects, "correct horse");
    bench
        .database()
        .execute_batch("CREATE TABLE contact (mine TEXT)")
        .unwrap();
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(6);
    line(&finished, "PROBLEM", "Contcat", "Contact");
    line(&finished, "PROBLEM", "Lead", "Company");
    line(
        &finished,
        "PROBLEM",
        "Account",
        "where: field Name (character 1) is a text, and the number 5",
    );
    line(&finished, "warning", "Contact", "no record meets it");
    line(&finished, "PROBLEM", "Contact", "contact");
    line(&finished, "ok", "Case", "every field is there");
    line(&finished, "ok", "Case", "is new");
    assert!(finished.stdout.contains("4 problems, "), "{finished:?}");
    assert!(!finished.stdout.contains("Nobody of this name"), "{finished:?}");
}

#[tokio::test]
async fn a_wrong_password_leaves_the_rest_to_be_looked_at() {
    let bench = Bench::new().await;
    written(&bench, "    - {name: Contact}\n", "hunter2");
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(4);
    line(&finished, "PROBLEM", "Login", "");
    line(&finished, "ok", "Destination", "SQLite");
    line(&finished, "skipped", "Contact", "");
    assert!(!finished.stdout.contains("hunter2") && !finished.stderr.contains("hunter2"));
}

#[tokio::test]
async fn missing_secrets_are_told_all_at_once_and_nobody_logs_in() {
    let bench = Bench::new().await;
    let resource = bench.resource("    - {name: Contact}\n", "");
    bench.desk.write("crm.yaml", &resource);
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(4);
    line(&finished, "PROBLEM", "Secrets", "SFR_CRM_SALESFORCE_USERNAME");
    line(&finished, "PROBLEM", "Secrets", "SFR_CRM_SALESFORCE_PASSWORD");
    line(&finished, "skipped", "Login", "");
    line(&finished, "ok", "Destination", "");
    assert_eq!(bench.org.counters().of("login"), 0);
}

#[tokio::test]
async fn a_database_that_is_not_there_leaves_the_org_to_be_looked_at() {
    let bench = Bench::new().await;
    let resource = bench
        .resource("    - {name: Contact, exclude: [Fax, Nix__c]}\n", "")
        .replace(
            "{sqlite: {file: crm.db}}",
            "{postgres: {secretRef: {name: crm-database}}}",
        );
    bench
        .desk
        .write("crm.yaml", &format!("{resource}{}", secret("correct horse")));
    let mut command = bench.desk.command(&["check", "-f", "crm.yaml"]);
    // Nobody listens on the port of discard.
    command.env("SFR_CRM_DATABASE_URL", "postgres://ann:hunter2@127.0.0.1:9/crm");
    let finished = finish(command).await.ended(6);
    line(&finished, "PROBLEM", "Destination", "PostgreSQL");
    line(&finished, "ok", "Login", USER);
    line(&finished, "PROBLEM", "Contact", "Nix__c");
    assert!(!finished.stdout.contains("hunter2"), "{finished:?}");
}

#[tokio::test]
async fn rights_that_hide_records_are_warnings() {
    let bench = Bench::new().await;
    let change = |change| bench.org.change_user(USER, change).unwrap();
    change(UserChange {
        view_all_data: Some(false),
        ..UserChange::default()
    });
    bench.org.grant_view_all(USER, "Account").unwrap();
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(0);
    line(&finished, "warning", "Contact", "Grant \"View All\" of Contact");
    line(&finished, "ok", "Account", "sees every record");
    assert!(finished.stdout.contains("No problems, "), "{finished:?}");
    change(UserChange {
        view_setup: Some(false),
        ..UserChange::default()
    });
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(0);
    line(&finished, "warning", "Account", "View Setup and Configuration");
}

#[tokio::test]
async fn calls_beyond_the_budget_are_a_warning() {
    let bench = Bench::new().await;
    bench.org.set_usage(90_000);
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(0);
    line(&finished, "warning", "API usage", "from 80 % on");
}

#[tokio::test]
async fn a_field_that_the_user_may_not_read_is_named() {
    let bench = Bench::new().await;
    let objects =
        "    - {name: Contact, mapping: None, fields: [{source: Email, column: email}]}\n    - {name: Account}\n";
    written(&bench, objects, "correct horse");
    bench.org.withdraw(USER, "Contact", Some("Email")).unwrap();
    bench.org.withdraw(USER, "Account", None).unwrap();
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(3);
    line(&finished, "PROBLEM", "Contact", "Email");
    line(&finished, "PROBLEM", "Account", "");
}

#[tokio::test]
async fn settings_that_are_not_served_do_not_hide_the_rest() {
    let bench = Bench::new().await;
    let resource = bench
        .resource("    - {name: Contcat}\n", "")
        .replace("{sqlite: {file: crm.db}}", "{mysql: {secretRef: {name: crm-database}}}");
    bench
        .desk
        .write("crm.yaml", &format!("{resource}{}", secret("correct horse")));
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(3);
    line(&finished, "PROBLEM", "Settings", "mysql");
    line(&finished, "PROBLEM", "Contcat", "Contact");
}

#[tokio::test]
async fn a_check_has_a_stable_shape_for_programs() {
    let bench = Bench::new().await;
    written(&bench, "    - {name: Contcat}\n", "correct horse");
    let json = bench
        .run(&["check", "-f", "crm.yaml", "-o", "json"])
        .await
        .ended(3)
        .json();
    assert_eq!(
        (&json["replicator"], &json["problems"], &json["warnings"]),
        (&"default/crm".into(), &1.into(), &0.into())
    );
    let problem = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["verdict"] == "Problem")
        .unwrap();
    assert_eq!(
        (&problem["subject"], &problem["reason"]),
        (&"Contcat".into(), &"InvalidObject".into())
    );
    let members: Vec<&String> = problem.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 4, "{members:?}");
    let yaml = bench
        .run(&["check", "-f", "crm.yaml", "-o", "yaml"])
        .await
        .ended(3)
        .stdout;
    assert!(yaml.contains("verdict: Problem"), "{yaml}");
    assert!(matches!(json["findings"][0]["verdict"], Value::String(_)));
}

#[tokio::test]
async fn a_file_that_is_no_resource_is_refused_as_everywhere() {
    let desk = Desk::new();
    desk.write("crm.yaml", "kind: SalesforceReplicator\n");
    let finished = desk.run(&["check", "-f", "crm.yaml"]).await.ended(3);
    assert!(finished.stderr.contains("crm.yaml"), "{finished:?}");
}

#[tokio::test]
async fn a_file_that_could_not_be_written_is_told_before_a_run() {
    let bench = Bench::new().await;
    written(&bench, "    - {name: Contact}\n", "correct horse");
    bench
        .database()
        .execute_batch("CREATE TABLE _replication_meta (one INTEGER, schema_version INTEGER); INSERT INTO _replication_meta VALUES (1, 99)")
        .unwrap();
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(6);
    line(&finished, "PROBLEM", "Destination", "version 99");
    line(&finished, "ok", "Contact", "every field is there");

    let folder = std::fs::metadata(bench.desk.path("")).unwrap().permissions();
    let mut read_only = folder.clone();
    read_only.set_readonly(true);
    std::fs::set_permissions(bench.desk.path(""), read_only).unwrap();
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(6);
    std::fs::set_permissions(bench.desk.path(""), folder).unwrap();
    line(&finished, "PROBLEM", "Destination", "read-only");
}

#[tokio::test]
async fn what_waits_for_a_person_is_told() {
    let bench = Bench::new().await;
    written(&bench, "    - {name: Contact}\n", "correct horse");
    bench.run(&["run", "-f", "crm.yaml", "--once"]).await.ended(0);
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(0);
    line(&finished, "ok", "Contact", "300 rows, complete as of");
    for n in 0..150 {
        let id = bench.org.id("Contact", n).unwrap();
        bench.org.delete("Contact", &id).unwrap();
    }
    let held = bench
        .run(&["run", "-f", "crm.yaml", "--once", "-o", "json"])
        .await
        .ended(8);
    assert_eq!(held.json()["runs"][0]["result"], "DeleteGuard");
    let id = bench.org.id("Contact", 200).unwrap();
    bench
        .database()
        .execute(
            "INSERT INTO _rejected_row (object, salesforce_id, column_name, reason, since) VALUES ('Contact', ?1, 'email', 'x', \
             '2026-01-01T00:00:00.000Z')",
            [&id],
        )
        .unwrap();
    let finished = bench.run(&["check", "-f", "crm.yaml"]).await.ended(0);
    let held = line(&finished, "warning", "Contact", "held deletes: 150");
    let token = held.split("Contact=").nth(1).unwrap().split(' ').next().unwrap();
    line(&finished, "warning", "Contact", "values that do not fit the table: 1");
    bench.database().execute("DELETE FROM _rejected_row", []).unwrap();
    let confirmed = format!("Contact={token}");
    let wrong = [
        "run",
        "-f",
        "crm.yaml",
        "--once",
        "--confirm-deletes",
        "Contact=1-0123456789ab",
    ];
    let refused = bench.run(&wrong).await.ended(8);
    let advice = format!("let exactly them go by run --once --confirm-deletes {confirmed}");
    assert!(refused.stderr.contains(&advice), "{refused:?}");
    bench
        .run(&["run", "-f", "crm.yaml", "--once", "--confirm-deletes", &confirmed])
        .await
        .ended(0);
    assert_eq!(bench.number("SELECT count(*) FROM contact"), 150);
}
