//! What needs no org: usage, files, secrets, generated texts.

use std::{os::unix::process::ExitStatusExt, process::Stdio};

use tokio::io::AsyncWriteExt;

use crate::harness::{Desk, LIMIT, feed, finish, stop};

const RESOURCE: &str = "\
apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {name: crm}
spec:
  connection: {auth: {password: {secretRef: {name: crm-salesforce}}}}
  destination: {postgres: {secretRef: {name: crm-database}}}
  objects: [{name: Contact}]
";

#[tokio::test]
async fn usage_errors_end_with_2_and_help_with_0() {
    let desk = Desk::new();
    for arguments in [
        &["run"] as &[&str],
        &["nonsense"],
        &[],
        &["run", "-f", "missing.yaml", "--once"],
    ] {
        let finished = desk.run(arguments).await.ended(2);
        assert!(
            finished.stdout.is_empty() && !finished.stderr.is_empty(),
            "{finished:?}"
        );
    }
    let help = desk.run(&["--help"]).await.ended(0);
    assert!(
        help.stdout.contains("Exit codes:") && help.stderr.is_empty(),
        "{help:?}"
    );
    assert!(
        desk.run(&["--version"])
            .await
            .ended(0)
            .stdout
            .starts_with("salesforce-replicator 0.")
    );
}

#[tokio::test]
async fn problems_of_a_file_are_told_at_once_by_line_and_end_with_3() {
    let desk = Desk::new();
    desk.write(
        "crm.yaml",
        &RESOURCE.replace(
            "objects: [{name: Contact}]",
            "objects: [{nam: Contact}]\n  paralelism: 3",
        ),
    );
    let finished = desk.run(&["plan", "-f", "crm.yaml"]).await.ended(3);
    assert_eq!(
        finished.stderr,
        "error: crm.yaml is not valid, 3 problems:\n  \
         crm.yaml:7:13: spec.objects[0].name: is required\n  \
         crm.yaml:7:14: spec.objects[0].nam: unknown field; did you mean name?\n  \
         crm.yaml:8:3: spec.paralelism: unknown field; did you mean parallelism?\n\
         `salesforce-replicator crd` prints the schema, with a description of every field.\n"
    );
}

#[tokio::test]
async fn a_file_that_is_not_yaml_is_named_with_its_line_and_nothing_of_its_text() {
    let desk = Desk::new();
    desk.write("crm.yaml", "stringData:\n  password: \"hunter2\n");
    let finished = desk.run(&["run", "-f", "crm.yaml", "--once"]).await.ended(3);
    assert!(finished.stderr.contains("crm.yaml:"), "{finished:?}");
    assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
}

#[tokio::test]
async fn missing_secrets_are_told_at_once_and_end_with_4() {
    let desk = Desk::new();
    let finished = feed(desk.command(&["run", "-f", "-", "--once"]), RESOURCE)
        .await
        .ended(4);
    for variable in [
        "SFR_CRM_SALESFORCE_USERNAME",
        "SFR_CRM_SALESFORCE_PASSWORD",
        "SFR_CRM_DATABASE_URL",
    ] {
        assert!(finished.stderr.contains(variable), "{variable}: {finished:?}");
    }
}

#[tokio::test]
async fn a_user_without_a_password_in_the_environment_ends_with_4() {
    let finished = Desk::new().run(&["objects", "--username", "ann"]).await.ended(4);
    assert!(finished.stderr.contains("SFR_PASSWORD"), "{finished:?}");
}

#[tokio::test]
async fn an_unreachable_host_ends_with_5() {
    let desk = Desk::new();
    let mut command = desk.command(&["objects", "--username", "ann", "--login-url", "http://127.0.0.1:9"]);
    command.env("SFR_PASSWORD", "hunter2");
    let finished = finish(command).await.ended(5);
    assert!(
        finished.stderr.contains("127.0.0.1:9") && !finished.stderr.contains("hunter2"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn http_to_another_machine_is_refused() {
    let desk = Desk::new();
    let mut command = desk.command(&[
        "objects",
        "--username",
        "ann",
        "--login-url",
        "http://salesforce.invalid",
    ]);
    command.env("SFR_PASSWORD", "hunter2");
    let finished = finish(command).await.ended(3);
    assert!(finished.stderr.contains("http"), "{finished:?}");
}

#[tokio::test]
async fn a_suspended_resource_is_not_run_and_that_is_said_and_no_error() {
    let desk = Desk::new();
    let suspended = format!("{RESOURCE}  suspend: true\n");
    for (more, advice) in [
        (&["--once"] as &[&str], "to run"),
        (&[], "the file is not watched"),
        (&["-o", "json"], "the file is not watched"),
    ] {
        let command = desk.command(&[&["run", "-f", "-"], more].concat());
        let finished = feed(command, &suspended).await.ended(0);
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
        for words in ["default/crm is suspended (spec.suspend): nothing is run", advice] {
            assert!(finished.stderr.contains(words), "{finished:?}");
        }
        assert!(finished.stdout.is_empty(), "{finished:?}");
    }
}

#[tokio::test]
async fn a_signal_ends_a_run_that_waits_for_its_standard_input() {
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        let desk = Desk::new();
        let mut command = desk.command_that_heeds_signals(&["run", "-f", "-"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // More than a pipe holds: once it is written, it is being read.
        let comment = "# more to come\n".repeat(20_000);
        let mut stdin = child.stdin.take().unwrap();
        tokio::time::timeout(LIMIT, stdin.write_all(comment.as_bytes()))
            .await
            .expect("it is read")
            .unwrap();
        let status = stop(child, signal).await;
        assert_eq!(status.signal(), Some(number), "{status}");
    }
}

#[tokio::test]
async fn the_crd_is_the_file_of_the_repository() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds/salesforcereplicator.yaml");
    for arguments in [&["crd"] as &[&str], &["crd", "-o", "yaml"]] {
        let printed = Desk::new().run(arguments).await.ended(0).stdout;
        assert_eq!(printed, std::fs::read_to_string(file).unwrap());
    }
    let json = Desk::new().run(&["crd", "-o", "json"]).await.ended(0).json();
    assert_eq!(json["spec"]["names"]["kind"], "SalesforceReplicator");
}

#[tokio::test]
async fn metrics_are_listed_for_people_and_for_programs() {
    let text = Desk::new().run(&["metrics"]).await.ended(0).stdout;
    assert!(text.starts_with("NAME "), "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with("salesforce_replicator_object_rows_total "))
        .unwrap();
    for words in [
        "counter",
        "replicator_namespace, replicator, object, operation",
        "upserted",
    ] {
        assert!(line.contains(words), "{line}");
    }
    let json = Desk::new().run(&["metrics", "-o", "json"]).await.ended(0).json();
    let metrics = json["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), text.lines().count() - 1);
    assert_eq!(metrics[1]["name"], "salesforce_replicator_leader");
    assert_eq!(metrics[1]["type"], "gauge");
    assert_eq!(metrics[1]["labels"], serde_json::json!([]));
}

#[tokio::test]
async fn the_pages_made_from_the_code_are_the_files_of_the_repository() {
    for page in ["metrics", "conditions"] {
        let file = format!("{}/../../docs/{page}.md", env!("CARGO_MANIFEST_DIR"));
        let printed = Desk::new().run(&["reference", page]).await.ended(0).stdout;
        assert_eq!(printed, std::fs::read_to_string(file).unwrap());
    }
}

#[tokio::test]
async fn what_would_be_ignored_is_a_usage_error() {
    for arguments in [
        &["completions", "bash", "-o", "json"] as &[&str],
        &["reference", "metrics", "-o", "json"],
        &["objects", "--username", "ann", "--secrets", "."],
    ] {
        let finished = Desk::new().run(arguments).await.ended(2);
        assert!(finished.stdout.is_empty(), "{finished:?}");
    }
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Desk::new().run(&["completions", shell]).await.ended(0).stdout;
        assert!(script.contains("preview") && script.contains("objects"), "{shell}");
    }
}
