//! `init`: a first resource, from flags and from a terminal.

use std::fs;

use crate::harness::{Bench, Desk, assert_golden, feed, finish};

#[tokio::test]
async fn without_a_terminal_it_asks_for_flags() {
    let finished = Desk::new().run(&["init"]).await.ended(2);
    assert!(finished.stderr.contains("--yes"), "{finished:?}");
    assert!(finished.stdout.is_empty(), "{finished:?}");
}

#[tokio::test]
async fn defaults_make_a_resource_that_people_can_read() {
    let desk = Desk::new();
    let sqlite = desk.run(&["init", "--yes"]).await.ended(0).stdout;
    assert_golden("init-sqlite.yaml", &sqlite);
    let flags = "--yes --name people --namespace telephony --login-url https://acme.my.salesforce.com --username ann@acme.example \
                 --database postgres --object Contact --object Invoice__c --interval 15m";
    let arguments: Vec<&str> = std::iter::once("init").chain(flags.split_whitespace()).collect();
    let finished = desk.run(&arguments).await.ended(0);
    assert!(
        finished.stderr.contains("SFR_PASSWORD"),
        "says why nothing was looked up: {finished:?}"
    );
    assert_golden("init-postgres.yaml", &finished.stdout);
}

#[tokio::test]
async fn what_it_writes_can_be_checked_and_run() {
    let bench = Bench::new().await;
    let written = bench
        .run(&[
            "init",
            "--yes",
            "--login-url",
            &bench.url,
            "--object",
            "Account",
            "--file",
            "first.db",
        ])
        .await
        .ended(0);
    bench.desk.write("first.yaml", &written.stdout);
    for arguments in [
        &["check", "-f", "first.yaml"][..],
        &["run", "-f", "first.yaml", "--once"],
    ] {
        let mut command = bench.desk.command(arguments);
        command
            .env("SFR_CRM_SALESFORCE_USERNAME", "admin@example.com")
            .env("SFR_CRM_SALESFORCE_PASSWORD", "correct horse")
            .env("SFR_CRM_SALESFORCE_SECURITYTOKEN", "TOKEN123");
        finish(command).await.ended(0);
    }
    let database = rusqlite::Connection::open(bench.desk.path("first.db")).unwrap();
    let rows: i64 = database
        .query_row("SELECT count(*) FROM account", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 40);
}

#[tokio::test]
async fn programs_get_the_resource_without_comments() {
    let desk = Desk::new();
    let json = desk.run(&["init", "--yes", "-o", "json"]).await.ended(0).json();
    assert_eq!(json["spec"]["objects"][0]["name"], "Contact");
    let yaml = desk.run(&["init", "--yes", "-o", "yaml"]).await.ended(0).stdout;
    assert!(!yaml.contains('#'), "{yaml}");
}

#[tokio::test]
async fn flags_that_make_no_resource_are_refused_all_at_once() {
    let finished = Desk::new()
        .run(&[
            "init",
            "--yes",
            "--name",
            "C R M",
            "--interval",
            "5x",
            "--login-url",
            "acme",
        ])
        .await
        .ended(3);
    for path in ["metadata.name", "spec.trigger.interval", "spec.connection.loginUrl"] {
        assert!(finished.stderr.contains(path), "{path}: {finished:?}");
    }
    assert!(finished.stdout.is_empty(), "{finished:?}");
}

#[tokio::test]
async fn with_a_password_objects_are_looked_up() {
    let bench = Bench::new().await;
    let run = async |object: &str, password: &str| {
        let mut command = bench.desk.command(&[
            "init",
            "--yes",
            "--login-url",
            &bench.url,
            "--username",
            "admin@example.com",
            "--object",
            object,
        ]);
        command
            .env("SFR_PASSWORD", password)
            .env("SFR_SECURITY_TOKEN", "TOKEN123");
        finish(command).await
    };
    let finished = run("specimen__C", "correct horse").await.ended(0);
    assert!(
        finished.stdout.contains("- name: Specimen__c # Specimen: every field"),
        "{finished:?}"
    );
    assert!(!finished.stdout.contains("correct horse") && !finished.stdout.contains("TOKEN123"));
    let finished = run("Contcat", "correct horse").await.ended(3);
    assert!(finished.stderr.contains("did you mean Contact?"), "{finished:?}");
    let finished = run("Contact", "hunter2").await.ended(4);
    assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
}

#[tokio::test]
async fn on_a_terminal_it_asks_and_the_answers_become_the_file() {
    let desk = Desk::new();
    // script(1) of util-linux lends a terminal; what is typed is there before the first question.
    let command = format!("'{}' init > crm.yaml", env!("CARGO_BIN_EXE_salesforce-replicator"));
    let mut terminal = tokio::process::Command::new("script");
    terminal
        .args(["-qec", &command, "/dev/null"])
        .current_dir(desk.path(""))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .kill_on_drop(true);
    // Name, login URL, user, objects, database (one down), schema, interval.
    let finished = feed(terminal, "people\r\r\rContact, Lead\r\x1b[B\r\r1h\r")
        .await
        .ended(0);
    assert!(finished.stdout.contains("Name of the replicator"), "{finished:?}");
    let yaml = fs::read_to_string(desk.path("crm.yaml")).unwrap();
    for part in [
        "name: people\n",
        "schema: salesforce",
        "- name: Lead",
        "interval: 1h",
        "name: people-database",
    ] {
        assert!(yaml.contains(part), "{part} in {yaml}");
    }
}
