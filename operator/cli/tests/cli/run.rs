//! `run` against an org, into SQLite.

use std::process::Stdio;

use serde_json::Value;
use simulator::{Rule, What};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::harness::{Bench, LIMIT, feed, field, finish, secret, stop};

const ONCE: [&str; 4] = ["run", "-f", "crm.yaml", "--once"];

#[tokio::test]
async fn once_replicates_every_row() {
    let bench = Bench::new().await;
    let finished = bench.run(&ONCE).await.ended(0);
    assert!(finished.stdout.starts_with("OBJECT"), "{finished:?}");
    assert!(finished.stderr.is_empty(), "a run that is well is silent: {finished:?}");
    assert_eq!(bench.number("SELECT count(*) FROM contact"), 300);
    assert_eq!(bench.number("SELECT count(*) FROM account"), 40);
    let database = bench.database();
    for row in bench.org.rows("Contact").unwrap() {
        let id = &row.id;
        let sql = "SELECT display_name, email, system_modstamp IS NOT NULL FROM contact WHERE salesforce_id = ?1";
        let found: (Option<String>, Option<String>, bool) = database
            .query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        assert_eq!(
            (found.0.as_deref(), found.1.as_deref(), found.2),
            (field(&row, "Name"), field(&row, "Email"), true),
            "{id}"
        );
    }
}

#[tokio::test]
async fn the_next_run_brings_what_changed_and_costs_a_query_for_each_object() {
    let bench = Bench::new().await;
    bench.run(&ONCE).await.ended(0);
    let (changed, deleted) = (bench.org.id("Contact", 3).unwrap(), bench.org.id("Contact", 4).unwrap());
    bench
        .org
        .update("Contact", &changed, &[("LastName", "Umbenannt")])
        .unwrap();
    bench.org.delete("Contact", &deleted).unwrap();
    bench.org.reset_calls();
    let report = bench.run(&[&ONCE[..], &["-o", "json"]].concat()).await.ended(0).json();
    assert_eq!(report["replicator"], "default/crm");
    let run = &report["runs"][0];
    assert_eq!(
        (&run["object"], &run["kind"], &run["result"]),
        (&"Contact".into(), &"Incremental".into(), &"ok".into())
    );
    assert_eq!(
        (&run["rowsWritten"], &run["rowsDeleted"], &run["error"]),
        (&1.into(), &1.into(), &Value::Null)
    );
    for run in report["runs"].as_array().unwrap() {
        // The parents of contacts are asked for too; the org's clock is asked for at the login.
        let calls = if run["object"] == "Contact" { 2 } else { 1 };
        assert_eq!(run["apiCalls"], calls, "{run}");
    }
    let sql = format!("SELECT count(*) FROM contact WHERE salesforce_id = '{changed}' AND surname = 'Umbenannt'");
    assert_eq!(bench.number(&sql), 1);
    assert_eq!(bench.number("SELECT count(*) FROM contact"), 299);
    let counters = bench.org.counters();
    assert_eq!(
        (counters.of("queryAll"), counters.of("queryMore")),
        (3, 0),
        "{counters:?}"
    );
}

#[tokio::test]
async fn a_kind_that_no_object_needs_is_nothing_to_do() {
    let bench = Bench::new().await;
    bench.write(&["Lead"], "");
    let kind = |kind| [&ONCE[..], &["--kind", kind]].concat();
    let first = bench.run(&kind("incremental")).await.ended(0);
    assert!(
        first.stdout.contains("Initial"),
        "an object without state starts with Initial: {first:?}"
    );
    assert_eq!(bench.run(&kind("initial")).await.ended(0).stdout, "nothing to do\n");
}

#[tokio::test]
async fn only_the_objects_that_are_named_run() {
    let bench = Bench::new().await;
    let report = bench
        .run(&[&ONCE[..], &["--object", "account", "-o", "json"]].concat())
        .await
        .ended(0)
        .json();
    assert_eq!(report["runs"].as_array().unwrap().len(), 1);
    assert_eq!(report["runs"][0]["object"], "Account");
    let finished = bench
        .run(&[&ONCE[..], &["--object", "Contcat"]].concat())
        .await
        .ended(3);
    assert!(finished.stderr.contains("did you mean Contact?"), "{finished:?}");
}

#[tokio::test]
async fn an_object_that_cannot_be_planned_does_not_stop_the_others() {
    let bench = Bench::new().await;
    bench.write(&["Contcat", "Account"], "");
    let finished = bench.run(&ONCE).await.ended(7);
    assert_eq!(bench.number("SELECT count(*) FROM account"), 40);
    assert!(
        finished.stdout.contains("InvalidObject") && finished.stdout.contains("ok"),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("error: Contcat: the object does not exist")
            && finished.stderr.contains("did you mean Contact?"),
        "{finished:?}"
    );
    let report = bench.run(&[&ONCE[..], &["-o", "json"]].concat()).await.ended(7).json();
    assert_eq!(
        (&report["runs"][0]["result"], &report["runs"][1]["result"]),
        (&"ok".into(), &"InvalidObject".into())
    );
    let only = |object| [&ONCE[..], &["--object", object]].concat();
    bench.run(&only("Account")).await.ended(0);
    bench.run(&only("contcat")).await.ended(3);
    bench.write(&["Contcat", "Acount"], "");
    let finished = bench.run(&ONCE).await.ended(3);
    assert!(finished.stderr.contains("2 problems"), "{finished:?}");
}

#[tokio::test]
async fn a_confirmation_for_an_object_that_does_not_run_is_a_wrong_use() {
    let bench = Bench::new().await;
    let confirm = ["--confirm-deletes", "Contact=1-0123456789ab"];
    let finished = bench
        .run(&[&ONCE[..], &confirm, &["--object", "Account"]].concat())
        .await
        .ended(2);
    assert!(
        finished.stderr.contains("--confirm-deletes is for Contact") && finished.stderr.contains("--object Contact"),
        "{finished:?}"
    );
    assert_eq!(bench.org.counters().of("login"), 0);
    bench
        .run(&[&ONCE[..], &confirm, &["--object", "Account", "--object", "contact"]].concat())
        .await
        .ended(0);
}

#[tokio::test]
async fn secrets_come_from_a_folder_or_the_environment_too() {
    let bench = Bench::new().await;
    let resource = bench.resource("    - {name: Lead}\n", "");
    std::fs::create_dir_all(bench.desk.path("secrets/crm-salesforce")).unwrap();
    bench
        .desk
        .write("secrets/crm-salesforce/username", "admin@example.com\n");
    bench.desk.write("secrets/crm-salesforce/password", "correct horse\n");
    let mut command = bench
        .desk
        .command(&["run", "-f", "-", "--secrets", "secrets", "--once"]);
    command.env("SFR_CRM_SALESFORCE_SECURITYTOKEN", "TOKEN123");
    feed(command, &resource).await.ended(0);
    assert_eq!(bench.number("SELECT count(*) FROM lead"), 20);
}

#[tokio::test]
async fn a_wrong_password_ends_with_4_and_is_not_shown() {
    let bench = Bench::new().await;
    let objects = "    - {name: Contact}\n";
    bench.desk.write(
        "crm.yaml",
        &format!("{}{}", bench.resource(objects, ""), secret("hunter2")),
    );
    for arguments in [
        &ONCE[..],
        &["run", "-f", "crm.yaml"],
        &["plan", "-f", "crm.yaml"],
        &["objects", "-f", "crm.yaml", "-vv"],
    ] {
        let finished = bench.run(arguments).await.ended(4);
        assert!(
            finished.stderr.contains("error:") && !finished.stderr.contains("hunter2"),
            "{finished:?}"
        );
    }
}

#[tokio::test]
async fn an_unknown_object_alone_ends_with_3() {
    let bench = Bench::new().await;
    bench.write(&["Acount"], "");
    let finished = bench.run(&ONCE).await.ended(3);
    assert!(
        finished.stderr.contains("Acount") && finished.stderr.contains("Account"),
        "{finished:?}"
    );
    assert!(!bench.desk.path("crm.db").exists(), "nothing is written");
}

#[tokio::test]
async fn a_table_of_somebody_else_ends_with_6_and_is_left_alone() {
    let bench = Bench::new().await;
    bench
        .database()
        .execute_batch("CREATE TABLE contact (mine TEXT); INSERT INTO contact VALUES ('x');")
        .unwrap();
    bench.write(&["Contact"], "");
    let finished = bench.run(&ONCE).await.ended(6);
    assert!(finished.stderr.contains("contact"), "{finished:?}");
    assert_eq!(bench.number("SELECT count(*) FROM contact WHERE mine = 'x'"), 1);
}

#[tokio::test]
async fn an_object_that_fails_does_not_stop_the_others_and_ends_with_7() {
    let bench = Bench::new().await;
    bench.org.add_rule(
        Rule::at("queryAll", What::fault("INVALID_FIELD", "No such column"))
            .of("Account")
            .forever(),
    );
    bench.org.add_rule(
        Rule::at("query", What::fault("INVALID_FIELD", "No such column"))
            .of("Account")
            .forever(),
    );
    let finished = bench.run(&ONCE).await.ended(7);
    assert!(
        finished.stderr.contains("error: ") && finished.stderr.contains("Account"),
        "{finished:?}"
    );
    assert_eq!(bench.number("SELECT count(*) FROM contact"), 300);
}

#[tokio::test]
async fn a_quota_that_is_used_up_ends_with_5() {
    let bench = Bench::new().await;
    for call in ["query", "queryAll", "describeGlobal"] {
        bench.org.add_rule(Rule::at(call, What::quota()).forever());
    }
    bench.run(&ONCE).await.ended(5);
}

#[tokio::test]
async fn a_trigger_with_nothing_but_manual_runs_once_and_says_so() {
    let bench = Bench::new().await;
    bench.write(&["Lead"], "  trigger: {manual: a}\n");
    let finished = bench.run(&["run", "-f", "crm.yaml"]).await.ended(0);
    assert!(finished.stderr.contains("manual"), "{finished:?}");
    assert_eq!(bench.number("SELECT count(*) FROM lead"), 20);
    let finished = bench.run(&["run", "-f", "crm.yaml", "-o", "json"]).await.ended(0);
    assert_eq!(finished.json()["runs"][0]["object"], "Lead");
    assert_eq!(
        finished.stdout.lines().count(),
        1,
        "one line for each tick: {finished:?}"
    );
}

/// Starts a run by the trigger and gives it once the first tick is told.
async fn going_on(bench: &Bench) -> (tokio::process::Child, Value) {
    let mut command = bench.desk.command(&["run", "-f", "crm.yaml", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(LIMIT, lines.next_line())
        .await
        .expect("a tick in time")
        .unwrap();
    let tick = serde_json::from_str(&line.unwrap_or_default()).unwrap();
    (child, tick)
}

#[tokio::test]
async fn a_run_by_the_trigger_goes_on_until_a_signal() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let bench = Bench::new().await;
        bench.write(&["Lead"], "  trigger: {interval: 1h}\n");
        let (mut child, tick) = going_on(&bench).await;
        assert_eq!(
            (&tick["runs"][0]["kind"], &tick["runs"][0]["rowsWritten"]),
            (&"Initial".into(), &20.into())
        );
        let mut stderr = child.stderr.take().unwrap();
        assert_eq!(stop(child, signal).await.code(), Some(code));
        let mut text = String::new();
        stderr.read_to_string(&mut text).await.unwrap();
        assert!(
            text.lines()
                .any(|line| line.starts_with('{') && line.contains("replicating")),
            "logs are JSON: {text}"
        );
    }
}

#[tokio::test]
async fn a_signal_in_mid_run_rolls_back_and_the_next_run_is_complete() {
    let bench = Bench::new().await;
    bench.write(&["Contact"], "");
    bench.org.add_rule(Rule::at("queryAll", What::Hang).of("Contact"));
    bench.org.add_rule(Rule::at("query", What::Hang).of("Contact"));
    let child = bench
        .desk
        .command(&ONCE)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let hanging = async {
        tokio::select! {
            () = bench.called("queryAll", "Contact") => {}
            () = bench.called("query", "Contact") => {}
        }
    };
    hanging.await;
    assert_eq!(stop(child, "-INT").await.code(), Some(130));
    bench.org.clear_rules();
    bench.org.release_hanging();
    bench.run(&ONCE).await.ended(0);
    assert_eq!(bench.number("SELECT count(*) FROM contact"), 300);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new().await;
    let mut command = bench.desk.command(&["fields", "Contact", "-f", "crm.yaml"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = tokio::time::timeout(LIMIT, child.wait())
        .await
        .expect("it ends in time")
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn more_is_told_when_it_is_asked_for_and_never_a_secret() {
    let bench = Bench::new().await;
    bench.write(&["Lead"], "");
    let mut command = bench
        .desk
        .command(&[&ONCE[..], &["-vv", "--log-format", "text"]].concat());
    command.env("RUST_LOG", "trace");
    let finished = finish(command).await.ended(0);
    assert!(!finished.stderr.is_empty());
    for secret in ["correct horse", "TOKEN123"] {
        assert!(!finished.stderr.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_condition_that_only_salesforce_can_refuse_is_named_as_where() {
    let bench = Bench::new().await;
    let objects = "    - {name: Contact, where: \"AccountId IN (SELECT Nix__c FROM Account)\"}\n";
    let resource = bench.resource(objects, "");
    bench
        .desk
        .write("crm.yaml", &format!("{resource}{}", secret("correct horse")));
    let finished = bench.run(&["run", "-f", "crm.yaml", "--once"]).await;
    let told = format!("{}{}", finished.stdout, finished.stderr);
    assert!(told.contains("Contact: where: ") && told.contains("Nix__c"), "{told}");
    assert!(told.contains("mend `where` of this object"), "{told}");
    assert!(!told.contains("was removed"), "{told}");
}
