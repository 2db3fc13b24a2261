//! What the API server makes of a resource before it keeps it.

use crds::validate::validate;
use e2e::control_plane::{ControlPlane, DEFINITION};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{Place, minimal, with};

#[tokio::test]
async fn the_definition_is_accepted_without_a_warning() {
    let control_plane = ControlPlane::shared().await;
    let apply = [
        "apply",
        "--server-side",
        "--field-manager=tests",
        "--force-conflicts",
        "-f",
        DEFINITION,
    ];
    let outcome = control_plane.admin().kubectl(&apply).await.exits(0);
    assert_eq!(outcome.stderr, "");

    let definitions: Api<CustomResourceDefinition> = Api::all(control_plane.client());
    let live = definitions.get("salesforcereplicators.salesforce-replicator.io").await;
    let conditions = live
        .expect("it is there")
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    let mut told: Vec<_> = conditions
        .iter()
        .map(|of| (of.type_.as_str(), of.status.as_str()))
        .collect();
    told.sort_unstable();
    // `NonStructuralSchema` would stand here too.
    assert_eq!(told, [("Established", "True"), ("NamesAccepted", "True")]);
}

#[tokio::test]
async fn the_definition_fits_client_side_apply() {
    let control_plane = ControlPlane::shared().await;
    let apply = ["apply", "--dry-run=server", "-f", DEFINITION];
    let outcome = control_plane.admin().kubectl(&apply).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[tokio::test]
async fn defaults_are_those_of_a_file() {
    let place = Place::new("defaults").await;
    let stored = place.create(minimal()).await;
    let from_file = validate(&minimal()).expect("it is accepted");
    let from_file = serde_json::to_value(from_file.spec).expect("JSON");
    assert_eq!(stored.data["spec"], from_file);
    assert_eq!(
        stored.data["spec"]["connection"]["loginUrl"],
        "https://login.salesforce.com"
    );
    assert_eq!(stored.data["spec"]["parallelism"], 2);
    // What may have another default in the next release is not there.
    assert!(stored.data["spec"]["objects"][0].get("mapping").is_none());
}

#[tokio::test]
async fn unknown_fields_are_pruned_and_kubectl_refuses_them() {
    let place = Place::new("unknown").await;
    let mut document = minimal();
    document["spec"]["brandNew"] = json!({"a": 1});
    document["spec"]["objects"][0]["tabel"] = json!("people");
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("crm.json");
    std::fs::write(&file, document.to_string()).expect("the folder can be written to");
    let control_plane = ControlPlane::shared().await;
    let create = ["create", "-n", &place.namespace, "-f", &file.to_string_lossy()];
    let outcome = control_plane.admin().kubectl(&create).await.exits(1);
    for field in ["spec.brandNew", "spec.objects[0].tabel"] {
        assert!(
            outcome.stderr.contains(&format!("unknown field \"{field}\"")),
            "{}",
            outcome.stderr
        );
    }

    let stored = place.create(document).await;
    assert!(stored.data["spec"].get("brandNew").is_none());
    assert_eq!(
        stored.data["spec"]["objects"],
        json!([{"name": "Contact", "deletes": "Remove"}])
    );
}

#[tokio::test]
async fn an_explicit_null_counts_as_absent() {
    let place = Place::new("nulls").await;
    let mut document = with("/trigger", json!({"interval": null, "manual": null}));
    document["spec"]["suspend"] = Value::Null;
    document["spec"]["objects"][0]["table"] = Value::Null;
    validate(&document).expect("a file may say so too");
    let stored = place.create(document).await;
    assert_eq!(stored.data["spec"]["trigger"], json!({}));
    assert_eq!(stored.data["spec"]["suspend"], false);
    assert!(stored.data["spec"]["objects"][0].get("table").is_none());
}

#[tokio::test]
async fn status_is_written_apart_from_the_spec_and_wholly_owned() {
    let place = Place::new("status").await;
    let mut document = minimal();
    document["status"] = json!({"objectsReady": "9/9"});
    let stored = place.create(document).await;
    assert!(stored.data.get("status").is_none());

    let status = json!({
        "observedGeneration": 1,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "UpToDate", "message": "",
            "lastTransitionTime": "2026-11-24T10:00:00Z", "observedGeneration": 1,
        }],
        "instanceUrl": "https://acme.my.salesforce.com",
        "organizationId": "00D000000000001EAA",
        "apiUsage": {"used": 1200, "limit": 100_000},
        "objectsReady": "1/1",
        "lastRun": {
            "id": "r1", "kind": "Incremental", "startTime": "2026-11-24T10:00:00Z", "endTime": "2026-11-24T10:00:02Z",
            "duration": "2s", "rowsRead": 1, "rowsWritten": 1, "rowsDeleted": 0, "apiCalls": 1,
        },
        "lastSuccessTime": "2026-11-24T10:00:02Z",
        "nextRunTime": "2026-11-24T10:05:00Z",
        "nextTryTime": "2026-11-24T10:05:00Z",
        "lastManualRun": "a",
        "missedRuns": 0,
        "retiredTables": ["old"],
        "objects": [{
            "name": "Contact", "table": "contact", "phase": "Held", "api": "Soap", "apiReason": "fewer rows than 10000",
            "watermark": "2026-11-24T10:00:00Z", "rows": 5, "rowsRead": 1, "rowsWritten": 1, "rowsDeleted": 0,
            "rejected": 0, "heldDeletes": {"count": 4, "token": "4-abc"}, "lastSuccessTime": "2026-11-24T10:00:02Z",
            "lastError": "x", "consecutiveFailures": 1,
        }],
    });
    let apply = async |status: &Value| {
        let body = json!({
            "apiVersion": crds::API_VERSION, "kind": crds::KIND, "metadata": {"name": "crm"},
            "spec": {"suspend": true}, "status": status,
        });
        let params = PatchParams::apply("salesforce-replicator").force();
        let patched = place.api.patch_status("crm", &params, &Patch::Apply(&body)).await;
        patched.expect("it is accepted")
    };
    let patched = apply(&status).await;
    assert_eq!(patched.data["status"], status);
    assert_eq!(patched.data["spec"], stored.data["spec"], "only the status is written");
    assert_eq!(patched.metadata.generation, Some(1));
    let again = apply(&status).await;
    assert_eq!(
        again.resource_version(),
        patched.resource_version(),
        "the same again is no write"
    );

    // What the owner no longer says goes.
    let less = json!({"observedGeneration": 1, "objects": [{"name": "Account", "table": "a", "phase": "Live"}]});
    assert_eq!(apply(&less).await.data["status"], less);
}
