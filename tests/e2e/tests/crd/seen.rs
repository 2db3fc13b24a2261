//! What somebody sees who works with kubectl.

use e2e::{binary::until, control_plane::ControlPlane};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Place, minimal};

/// A line of a table of kubectl, whose columns are three blanks apart.
fn cells(line: &str) -> Vec<&str> {
    line.split("   ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[tokio::test]
async fn the_columns_tell_how_it_stands() {
    let place = Place::new("columns").await;
    let admin = ControlPlane::shared().await.admin();
    place.create(minimal()).await;
    let get = ["get", "sfr", "-n", &place.namespace];
    let fresh = admin.kubectl(&get).await.exits(0).stdout;
    let head = cells(fresh.lines().next().expect("a line")).join("|");
    assert_eq!(head, "NAME|READY|REASON|OBJECTS|LAST SUCCESS|AGE");

    let status = json!({"status": {
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "DeleteGuard", "message": "50 deletes are held",
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        }],
        "objectsReady": "0/1",
        "lastSuccessTime": "2020-01-01T00:00:00Z",
        "nextRunTime": "2099-01-01T00:00:00Z",
    }});
    let patched = place
        .api
        .patch_status("crm", &PatchParams::default(), &Patch::Merge(&status))
        .await;
    patched.expect("it is accepted");
    let wide = [&get[..], &["-o", "wide"]].concat();
    let shown = admin.kubectl(&wide).await.exits(0).stdout;
    let lines: Vec<Vec<&str>> = shown.lines().map(cells).collect();
    assert_eq!(
        lines[0].join("|"),
        "NAME|READY|REASON|OBJECTS|LAST SUCCESS|NEXT RUN|SUSPENDED|AGE"
    );
    assert_eq!(lines[1][..4], ["crm", "False", "DeleteGuard", "0/1"]);
    // An age: years and days.
    assert!(lines[1][4].contains('y'), "{shown}");
    assert_eq!(lines[1][5..7], ["2099-01-01T00:00:00Z", "false"]);
}

#[tokio::test]
async fn it_has_a_short_name_and_a_category_that_is_not_all() {
    let place = Place::new("names").await;
    let admin = ControlPlane::shared().await.admin();
    place.create(minimal()).await;
    for (what, found) in [
        ("sfr", true),
        ("salesforcereplicator", true),
        ("salesforcereplicators.salesforce-replicator.io", true),
        ("replication", true),
        ("all", false),
    ] {
        let names = admin
            .kubectl(&["get", what, "-n", &place.namespace, "-o", "name"])
            .await
            .exits(0)
            .stdout;
        let name = "salesforcereplicator.salesforce-replicator.io/crm";
        assert_eq!(names.lines().any(|line| line == name), found, "{what}: {names}");
    }
}

#[tokio::test]
async fn explain_describes_every_field() {
    let admin = ControlPlane::shared().await.admin();
    // What explain reads is published some time after the definition is established.
    until("the schema is published", async || {
        admin.kubectl(&["explain", "sfr"]).await.code == Some(0)
    })
    .await;
    let spec = admin.kubectl(&["explain", "sfr.spec"]).await.exits(0).stdout;
    for text in [
        "KIND:       SalesforceReplicator",
        "VERSION:    v1alpha1",
        "Which org, which objects, which database, how often.",
        "connection\t<Object> -required-",
        "objects\t<[]Object> -required-",
        "The objects, 1 to 200.",
        "parallelism\t<integer>",
    ] {
        assert!(spec.contains(text), "{text} is not in\n{spec}");
    }
    let interval = admin
        .kubectl(&["explain", "sfr.spec.trigger.interval"])
        .await
        .exits(0)
        .stdout;
    assert!(interval.contains("FIELD: interval <string>"), "{interval}");
    let status = admin
        .kubectl(&["explain", "sfr.status.objects.heldDeletes.token"])
        .await
        .exits(0)
        .stdout;
    assert!(status.contains("salesforce-replicator.io/confirm-deletes"), "{status}");
}
