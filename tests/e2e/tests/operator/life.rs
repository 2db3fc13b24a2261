//! A resource from its birth to its end.

use crds::ObjectPhase;
use e2e::{binary::until, operator::condition};
use serde_json::json;

use super::{count, site};

#[tokio::test(flavor = "multi_thread")]
async fn from_apply_to_rows_and_a_change_in_the_org_to_a_changed_row() {
    let site = site("life").await;
    let operator = site.begin().await;
    let status = site.until_condition("Ready", "True/UpToDate").await;
    assert_eq!(status.objects_ready.as_deref(), Some("2/2"));
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(status.objects.len(), 2);
    assert!(status.objects.iter().all(|object| object.phase == ObjectPhase::Live));
    assert_eq!((status.objects[0].rows, status.objects[1].rows), (Some(300), Some(40)));
    for (of, wanted) in [
        ("CredentialsValid", "True/Authenticated"),
        ("DestinationReady", "True/Applied"),
        ("Degraded", "False/AsExpected"),
        ("Suspended", "False/AsExpected"),
    ] {
        assert_eq!(condition(&status, of), wanted);
    }
    assert_eq!(count(&site, "contact").await, 300);
    site.until_event("InitialRunCompleted").await;

    let id = site.stage.org.id("Contact", 0).unwrap();
    site.stage
        .org
        .update("Contact", &id, &[("LastName", "Umbenannt")])
        .unwrap();
    // A person does not wait for the interval.
    site.patch(json!({"spec": {"trigger": {"manual": "now"}}})).await;
    let status = site
        .until("the manual run is echoed", |status| {
            status.last_manual_run.as_deref() == Some("now")
        })
        .await;
    assert_eq!(condition(&status, "Ready"), "True/UpToDate");
    let row = format!("SELECT surname FROM salesforce.contact WHERE salesforce_id = '{id}'");
    assert_eq!(
        site.stage.database().query(&row).await[0][0].as_deref(),
        Some("Umbenannt")
    );

    for object in &status.objects {
        assert_eq!(object.api.as_deref(), Some("Soap"), "{object:?}");
        assert!(
            object.api_reason.as_deref().is_some_and(|why| why.contains("Bulk")),
            "{object:?}"
        );
    }

    let wide = site.plane.admin().kubectl(&["get", "sfr", "-n", &site.namespace]).await;
    assert!(
        wide.stdout.contains("UpToDate") && wide.stdout.contains("2/2"),
        "{}",
        wide.stdout
    );
    let waited = site
        .plane
        .admin()
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "sfr/crm",
            "-n",
            &site.namespace,
            "--timeout=10s",
        ])
        .await;
    assert_eq!(waited.code, Some(0), "{}", waited.stderr);
    let ended = operator.stop().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_tells_what_the_database_does_and_which_rows_needed_no_write() {
    let site = site("scrape").await;
    let operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    let skipped = r#"salesforce_replicator_object_rows_total{object="Contact",operation="skipped""#;
    assert_eq!(operator.metric(skipped).await, Some(0.0));
    let segments = "salesforce_replicator_destination_segment_duration_seconds_count";
    let first = operator.metric(segments).await.unwrap();
    assert!(first >= 2.0, "{first}");
    let id = site.stage.org.id("Contact", 0).unwrap();
    site.stage.org.update("Contact", &id, &[("LastName", "Neu")]).unwrap();
    // The second run reads the record again, since it lies within the overlap.
    for manual in ["1", "2"] {
        site.patch(json!({"spec": {"trigger": {"manual": manual}}})).await;
        site.until("it ran", |status| status.last_manual_run.as_deref() == Some(manual))
            .await;
    }
    assert!(operator.metric(skipped).await.unwrap() >= 1.0);
    assert!(operator.metric(segments).await.unwrap() > first);
    for state in ["in_use", "idle"] {
        let connections = format!(
            "salesforce_replicator_destination_connections{{replicator=\"crm\",replicator_namespace=\"{}\",state=\"{state}\"}}",
            site.namespace
        );
        until("connections are given back", async || {
            operator.metric(&connections).await == Some(0.0)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interval_brings_a_change_by_itself() {
    let site = site("interval").await;
    let _operator = site.begin().await;
    let first = site.until_condition("Ready", "True/UpToDate").await;
    let id = site.stage.org.id("Account", 0).unwrap();
    site.stage.org.update("Account", &id, &[("Name", "Seeblick")]).unwrap();
    site.until("the next tick", |status| {
        status.last_success_time.as_ref().map(|time| time.0) > first.last_success_time.as_ref().map(|time| time.0)
            && status
                .objects
                .iter()
                .any(|object| object.rows_written.is_some_and(|rows| rows > 0) && object.name == "Account")
            && status.objects.iter().any(|object| object.rows_written == Some(1))
    })
    .await;
    let row = format!("SELECT display_name FROM salesforce.account WHERE salesforce_id = '{id}'");
    assert_eq!(
        site.stage.database().query(&row).await[0][0].as_deref(),
        Some("Seeblick")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_resource_runs_nothing_until_it_is_resumed() {
    let mut site = site("suspended").await;
    site.stage.resource.more += "  suspend: true\n";
    let _operator = site.begin().await;
    site.until_condition("Suspended", "True/Active").await;
    assert_eq!(site.stage.org.counters().of("login"), 0);
    // A value that is set meanwhile waits.
    site.patch(json!({"spec": {"trigger": {"manual": "later"}}})).await;
    site.until("the generation is seen", |status| status.observed_generation == Some(2))
        .await;
    assert_eq!(site.status().await.last_manual_run, None);
    site.patch(json!({"spec": {"suspend": false}})).await;
    let status = site.until_condition("Ready", "True/UpToDate").await;
    assert_eq!(
        status.last_manual_run.as_deref(),
        Some("later"),
        "consumed by the first load"
    );
    site.until_event("Resumed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_spec_is_said_and_mended_by_a_change() {
    let mut site = site("invalid").await;
    site.stage.resource.more = "  trigger: {schedule: '61 * * * *'}\n".to_owned();
    let _operator = site.begin().await;
    let status = site.until_condition("Ready", "False/InvalidSchedule").await;
    assert_eq!(status.observed_generation, Some(1));
    site.patch(json!({"spec": {"trigger": {"schedule": "0 3 * * *"}}}))
        .await;
    let status = site.until_condition("Ready", "True/UpToDate").await;
    let next = status.next_run_time.unwrap().0;
    assert!(next.to_string().ends_with("T03:00:00Z"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_taken_off_keeps_its_table_and_a_new_one_is_loaded() {
    let site = site("objects").await;
    let _operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    site.patch(json!({"spec": {"objects": [{"name": "Contact"}, {"name": "User"}]}}))
        .await;
    let status = site
        .until("the new object is live", |status| {
            status.observed_generation == Some(2) && condition(status, "Ready") == "True/UpToDate"
        })
        .await;
    let names: Vec<&str> = status.objects.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["Contact", "User"]);
    assert_eq!(status.retired_tables, ["account"]);
    assert_eq!(count(&site, "account").await, 40);
    site.until_event("ObjectRemoved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_deletes_wait_for_the_annotation_with_their_token() {
    let site = site("guard").await;
    let _operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    for number in 0..150 {
        let id = site.stage.org.id("Contact", number).unwrap();
        site.stage.org.delete("Contact", &id).unwrap();
    }
    site.patch(json!({"spec": {"trigger": {"manual": "1"}}})).await;
    let status = site.until_condition("Ready", "False/DeleteGuard").await;
    let held = status.objects[0].held_deletes.clone().unwrap();
    assert_eq!(held.count, 150);
    assert_eq!(count(&site, "contact").await, 300);
    let confirm = format!("Contact={}", held.token);
    site.patch(json!({"metadata": {"annotations": {"salesforce-replicator.io/confirm-deletes": confirm}}}))
        .await;
    site.until_condition("Ready", "True/UpToDate").await;
    assert_eq!(count(&site, "contact").await, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replicators_tables_are_taken_over_only_by_the_annotation() {
    let mut site = site("adopt").await;
    let _operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    site.api()
        .delete("crm", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    until("the resource is gone", async || {
        site.api().get_opt("crm").await.unwrap().is_none()
    })
    .await;
    "sales".clone_into(&mut site.stage.resource.name);
    site.apply().await;
    let former = format!("{}/crm", site.namespace);
    let status = site.until_condition("Ready", "False/SchemaConflict").await;
    assert_eq!(condition(&status, "DestinationReady"), "False/SchemaConflict");
    let message = &status.conditions[0].message;
    assert!(message.contains(&former), "{message}");
    let owners = "SELECT DISTINCT replicator FROM salesforce._replication_state";
    assert_eq!(
        site.stage.database().query(owners).await[0][0].as_deref(),
        Some(former.as_str())
    );
    site.patch(json!({"metadata": {"annotations": {"salesforce-replicator.io/adopt": former}}}))
        .await;
    let status = site.until_condition("Ready", "True/UpToDate").await;
    let now = format!("{}/sales", site.namespace);
    assert_eq!(
        site.stage.database().query(owners).await[0][0].as_deref(),
        Some(now.as_str())
    );
    let run = status.last_run.unwrap();
    assert_ne!(
        run.kind,
        crds::RunKind::Initial,
        "the rows are there and not loaded again"
    );
    assert_eq!(run.rows_written, 0);
    assert_eq!(
        (count(&site, "contact").await, count(&site, "account").await),
        (300, 40)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_stay_or_go_with_the_resource_as_the_policy_says() {
    let site = site("deletion").await;
    let operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    assert_eq!(site.resource().await.metadata.finalizers, None);
    site.api()
        .delete("crm", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let crm = r#"replicator="crm""#;
    until("the series are gone", async || !operator.metrics().await.contains(crm)).await;
    assert_eq!(count(&site, "contact").await, 300);

    site.apply().await;
    site.patch(json!({"spec": {"deletionPolicy": "Delete"}})).await;
    site.until_condition("Ready", "True/UpToDate").await;
    let finalizers = site.resource().await.metadata.finalizers.unwrap_or_default();
    assert_eq!(finalizers, ["salesforce-replicator.io/cleanup"]);
    site.api()
        .delete("crm", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    until("the resource is gone", async || {
        site.api().get_opt("crm").await.unwrap().is_none()
    })
    .await;
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'salesforce'";
    assert_eq!(site.stage.database().query(tables).await[0][0].as_deref(), Some("0"));
    site.until_event("TablesDropped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_somebody_wiped_is_written_again_and_then_left_alone() {
    let mut site = site("wiped").await;
    site.stage.resource.more = "  trigger: {interval: 24h}\n".to_owned();
    let operator = site.begin().await;
    let before = site.until_condition("Ready", "True/UpToDate").await;
    let emptied = kube::api::Patch::Merge(json!({"status": null}));
    let params = kube::api::PatchParams::default();
    site.api().patch_status("crm", &params, &emptied).await.unwrap();
    let after = site.until_condition("Ready", "True/UpToDate").await;
    assert_eq!(after.last_run, before.last_run);
    assert_eq!(after.instance_url, before.instance_url);
    let passes = "salesforce_replicator_reconciliations_total{outcome=\"success\"}";
    let patches = format!(
        "salesforce_replicator_status_patches_total{{replicator=\"crm\",replicator_namespace=\"{}\",result=\"success\"}}",
        site.namespace
    );
    let mut written = Vec::new();
    // Who is woken for the first may still have something to write; another pass has nothing.
    for note in ["1", "2", "3"] {
        let so_far = operator.metric(passes).await.unwrap();
        site.patch(json!({"metadata": {"annotations": {"example.com/note": note}}}))
            .await;
        until("the pass is made", async || {
            operator.metric(passes).await.unwrap() > so_far
        })
        .await;
        written.push(operator.metric(&patches).await);
    }
    assert_eq!(written[1], written[2], "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_whose_database_is_gone_for_good_is_let_go_by_the_annotation() {
    let mut site = site("skip").await;
    site.stage.resource.more += "  deletionPolicy: Delete\n";
    let _operator = site.begin().await;
    site.until_condition("Ready", "True/UpToDate").await;
    site.set_secret("database", json!({"url": "postgres://nobody:x@127.0.0.1:1/nothing"}))
        .await;
    site.api()
        .delete("crm", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    until("cleanup has failed", async || {
        site.events().await.contains(&"CleanupFailed".to_owned())
    })
    .await;
    site.patch(json!({"metadata": {"annotations": {"salesforce-replicator.io/skip-cleanup": "true"}}}))
        .await;
    until("the resource is gone", async || {
        site.api().get_opt("crm").await.unwrap().is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_its_definition_waits_and_says_so() {
    let plane = e2e::control_plane::ControlPlane::start().await;
    let definition = ["delete", "crd", "salesforcereplicators.salesforce-replicator.io"];
    assert_eq!(plane.admin().kubectl(&definition).await.code, Some(0));
    let group = format!("{}/{}", crds::GROUP, crds::VERSION);
    until("it is not served any more", async || {
        plane.client().list_api_group_resources(&group).await.is_err()
    })
    .await;
    let namespace = plane.namespace("waits").await;
    let user = plane
        .operator(&namespace, e2e::control_plane::rights::Scope::Cluster)
        .await;
    let folder = tempfile::tempdir().unwrap();
    let operator = e2e::operator::Operator::start(&user, folder.path(), &["--lease-namespace", &namespace]).await;
    let mut answer = (0, String::new());
    until("it says what is missing", async || {
        answer = operator.get("/readyz").await;
        answer.1.contains("CustomResourceDefinition")
    })
    .await;
    assert_eq!(answer.0, 503);
    assert_eq!(operator.get("/livez").await.0, 200);
    plane.install_definition().await;
    until("it is ready", async || operator.get("/readyz").await.0 == 200).await;
}
