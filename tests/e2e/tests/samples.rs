//! The resources that are shipped as samples: an API server takes each, and each replicates.

use std::{collections::BTreeSet, path::PathBuf};

use e2e::{
    binary::{self, Outcome},
    control_plane::{ControlPlane, rights::DEPLOY},
    database::Database,
    resource::{PASSWORD, TOKEN, USERNAME},
};
use serde_json::Value;
use simulator::{Config, Simulator};

fn samples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("{DEPLOY}/samples")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn read(file: &PathBuf) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// The resource of a sample.
fn resource(text: &str) -> Value {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    let mut resources = documents.into_iter().filter(|document| document["kind"] == crds::KIND);
    let resource = resources.next().expect("a resource");
    assert!(resources.next().is_none(), "one resource");
    resource
}

#[tokio::test]
async fn an_api_server_takes_each_without_a_warning() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("samples").await;
    for file in samples() {
        let name = file.to_string_lossy();
        let apply = ["apply", "--dry-run=server", "--namespace", &namespace, "-f", &name];
        let outcome = control_plane.admin().kubectl(&apply).await.exits(0);
        assert_eq!(outcome.stderr, "", "{name}");
        assert!(
            outcome
                .stdout
                .contains("salesforcereplicator.salesforce-replicator.io/crm created"),
            "{name}: {}",
            outcome.stdout
        );
    }
}

/// Runs a sample once, on an org and a database of the tests.
async fn run(file: &PathBuf, folder: &std::path::Path, org: &str, database: &str) -> Outcome {
    let text = read(file)
        .replace("https://acme.my.salesforce.com", org)
        .replace("integration@acme.example", USERNAME)
        .replace("password: change-me", &format!("password: {PASSWORD}"))
        .replace("securityToken: change-me-too", &format!("securityToken: {TOKEN}"))
        .replace("postgres://replicator:change-me@db.example.com/crm", database);
    let name = "sample.yaml";
    std::fs::write(folder.join(name), text).unwrap();
    binary::command(folder, &["run", "-f", name, "--once", "-o", "json"])
        .env("SFR_CRM_SALESFORCE_USERNAME", USERNAME)
        .env("SFR_CRM_SALESFORCE_PASSWORD", PASSWORD)
        .env("SFR_CRM_SALESFORCE_SECURITYTOKEN", TOKEN)
        .env("SFR_CRM_DATABASE_URL", database)
        .output()
        .await
        .expect("the binary starts")
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_replicates() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    for (number, file) in samples().iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let postgres = Database::postgres(&format!("sample_{number}")).await;
        let (_, url) = postgres.destination();
        let outcome = run(file, folder.path(), simulator.url().as_ref(), &url.unwrap()).await;
        let name = file.display();
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.all());
        let resource = resource(&read(file));
        let database = match resource["spec"]["destination"]["sqlite"]["file"].as_str() {
            Some(file) => Database::Sqlite {
                file: folder.path().join(file),
            },
            None => postgres,
        };
        for object in resource["spec"]["objects"].as_array().unwrap() {
            let object_name = object["name"].as_str().unwrap().to_lowercase();
            let table = object["table"].as_str().unwrap_or(&object_name);
            let rows = database
                .number(&format!("SELECT count(*) FROM {}", database.table(table)))
                .await;
            assert!(rows > 0, "{name}: {table} is empty");
        }
    }
}

#[test]
fn they_show_each_destination_and_each_way_to_use_it() {
    let mut shown = BTreeSet::new();
    for file in samples() {
        let spec = resource(&read(&file))["spec"].take();
        for part in ["destination", "trigger"] {
            shown.extend(spec[part].as_object().unwrap().keys().cloned());
        }
        for object in spec["objects"].as_array().unwrap() {
            shown.extend(object.as_object().unwrap().keys().cloned());
            shown.extend(
                ["mapping", "deletes"]
                    .iter()
                    .filter_map(|key| object[*key].as_str().map(str::to_owned)),
            );
        }
    }
    for way in [
        "postgres", "sqlite", "interval", "schedule", "manual", "where", "fields", "exclude", "urls", "indexes",
        "table", "Mirror", "None", "Mark", "Ignore",
    ] {
        assert!(shown.contains(way), "no sample shows {way}: {shown:?}");
    }
}
