//! Names: they tell releases apart, and are cut where Kubernetes has no room.

use std::collections::BTreeSet;

use e2e::helm::{Documents, Helm};
use serde_json::Value;

use super::{HERE, RELEASE};

/// The longest name of a release that helm takes.
const LONGEST: &str = "crm-replication-for-the-telephone-directory-of-the-us";

/// What labels, and names of Services, have room for.
const ROOM: usize = 63;

async fn everything(release: &str, more: &[&str]) -> Documents {
    let values = format!("{HERE}/values/everything.yaml");
    let mut arguments = vec!["--values", &values, "--set", "nameOverride=,fullnameOverride="];
    arguments.extend(more.iter().flat_map(|setting| ["--set", *setting]));
    let outcome = Helm::offline().await.template(release, "replication", &arguments).await;
    Documents::of(&outcome.exits(0).stdout)
}

fn labels(value: &Value, into: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        match key.as_str() {
            "labels" | "matchLabels" => into.extend(
                value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(_, label)| label.as_str().map(str::to_owned)),
            ),
            _ => labels(value, into),
        }
    }
}

#[tokio::test]
async fn names_and_labels_have_room_and_no_two_are_the_same() {
    assert_eq!(LONGEST.len(), 53);
    let long = "b".repeat(ROOM);
    let (name, full) = (format!("nameOverride={long}"), format!("fullnameOverride={long}"));
    for more in [&[][..], &[name.as_str()], &[full.as_str()]] {
        let documents = everything(LONGEST, more).await;
        let names: BTreeSet<String> = documents.names().into_iter().collect();
        assert_eq!(names.len(), documents.0.len(), "{names:?}");
        for document in &documents.0 {
            let name = document["metadata"]["name"].as_str().unwrap();
            let ours = name.starts_with("crm-") || name.starts_with('b');
            let is_free = ["ConfigMap", "CustomResourceDefinition"].contains(&document["kind"].as_str().unwrap());
            assert!(is_free || (ours && name.len() <= ROOM), "{name}");
            assert!(!name.ends_with('-') && !name.contains("--"), "{name}");
            let mut found = Vec::new();
            labels(document, &mut found);
            for label in found {
                assert!(label.len() <= ROOM && !label.ends_with('-'), "{label}");
            }
        }
        let services = documents.of_kind("Service");
        let service = services[0]["metadata"]["name"].as_str().unwrap();
        assert!(service.ends_with("-metrics"), "{service}");
    }
}

#[tokio::test]
async fn a_release_is_told_apart_by_its_name_and_its_pods_by_their_labels() {
    let helm = Helm::offline().await;
    let name = async |release: &str| {
        let rendered = helm.template(release, "replication", &[]).await.exits(0);
        let documents = Documents::of(&rendered.stdout);
        let deployment = documents.of_kind("Deployment")[0].clone();
        let lease = documents.one(
            "Role",
            &format!("{}-election", deployment["metadata"]["name"].as_str().unwrap()),
        )["rules"][1]["resourceNames"][0]
            .clone();
        (deployment["metadata"]["name"].clone(), lease, deployment)
    };
    let (own, lease, _) = name(RELEASE).await;
    assert_eq!((own.as_str(), lease.as_str()), (Some(RELEASE), Some(RELEASE)));
    let (other, lease, deployment) = name("crm").await;
    assert_eq!(other, "crm-salesforce-replicator");
    assert_eq!(lease, other);
    let selector = deployment["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let pod = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(selector["app.kubernetes.io/instance"], "crm");
    for (key, value) in selector {
        assert_eq!(&pod[key], value);
    }
    assert!(
        pod.get("helm.sh/chart").is_none(),
        "a new chart of the same version starts no pod anew"
    );
}

#[tokio::test]
async fn what_is_given_takes_no_label_of_ours_away() {
    let documents = everything(RELEASE, &["podLabels.app\\.kubernetes\\.io/name=other"]).await;
    for document in &documents.0 {
        if document["kind"] != "ConfigMap" {
            assert_eq!(
                document["metadata"]["labels"]["app.kubernetes.io/part-of"], RELEASE,
                "{document}"
            );
            assert_eq!(document["metadata"]["labels"]["team"], "crm", "{document}");
        }
    }
    let deployment = documents.of_kind("Deployment")[0];
    let pod = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(
        pod["app.kubernetes.io/name"],
        deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
    );
}
