//! `objects` and `fields` against an org.

use serde_json::Value;

use crate::harness::{Bench, finish};

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn objects_are_listed_from_a_file() {
    let bench = Bench::new().await;
    let text = bench.run(&["objects", "-f", "crm.yaml"]).await.ended(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[0].contains("LABEL"), "{text}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("Contact ") && line.contains("003")),
        "{text}"
    );
    let json = bench
        .run(&["objects", "accou", "-f", "crm.yaml", "-o", "json"])
        .await
        .ended(0)
        .json();
    assert!(names(&json["objects"]).contains(&"Account"), "{json}");
    assert!(!names(&json["objects"]).contains(&"Contact"), "{json}");
    let account = json["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|object| object["name"] == "Account")
        .unwrap();
    assert_eq!(
        (&account["keyPrefix"], &account["queryable"], &account["custom"]),
        (&"001".into(), &true.into(), &false.into())
    );
}

#[tokio::test]
async fn objects_are_listed_for_a_user_whose_password_is_in_the_environment() {
    let bench = Bench::new().await;
    let mut command = bench.desk.command(&[
        "objects",
        "--login-url",
        &bench.url,
        "--username",
        "admin@example.com",
        "-o",
        "yaml",
    ]);
    command
        .env("SFR_PASSWORD", "correct horse")
        .env("SFR_SECURITY_TOKEN", "TOKEN123");
    let finished = finish(command).await.ended(0);
    assert!(finished.stdout.starts_with("objects:\n"), "{finished:?}");
    assert!(finished.stdout.contains("name: Contact\n"), "{finished:?}");
}

#[tokio::test]
async fn fields_are_listed_with_their_types_and_parents() {
    let bench = Bench::new().await;
    let text = bench
        .run(&["fields", "contact", "-f", "crm.yaml"])
        .await
        .ended(0)
        .stdout;
    let line = |name: &str| {
        text.lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(line("AccountId").contains("Account.FIELD of Account"), "{text}");
    assert!(line("LastName").contains("string(80)"), "{text}");
    let json = bench
        .run(&["fields", "Contact", "phone", "-f", "crm.yaml", "-o", "json"])
        .await
        .ended(0)
        .json();
    assert_eq!(json["object"], "Contact");
    assert!(names(&json["fields"]).contains(&"MobilePhone"), "{json}");
    assert!(!names(&json["fields"]).contains(&"LastName"), "{json}");
}

#[tokio::test]
async fn an_object_that_is_not_there_ends_with_3_and_a_suggestion() {
    let bench = Bench::new().await;
    let finished = bench.run(&["fields", "Contcat", "-f", "crm.yaml"]).await.ended(3);
    assert!(finished.stderr.contains("did you mean Contact?"), "{finished:?}");
    let stranger = bench.run(&["fields", "Zebra", "-f", "crm.yaml"]).await.ended(3);
    assert!(
        stranger.stderr.contains("salesforce-replicator objects"),
        "{stranger:?}"
    );
}
