//! `kubectl sfr` on a real API server. No operator runs: the test writes the status, and sees what the plugin asks for.

use std::{path::Path, process::Stdio};

use crds::{SalesforceReplicator, annotation};
use e2e::{
    binary::{self, Outcome, until},
    control_plane::{ControlPlane, user::User},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// A namespace with a replicator `crm`, and a folder.
struct Place {
    plane: &'static ControlPlane,
    namespace: String,
    folder: TempDir,
}

impl Place {
    async fn new(name: &str, trigger: &str) -> Self {
        let plane = ControlPlane::shared().await;
        let namespace = plane.namespace(name).await;
        let resource = format!(
            "
apiVersion: salesforce-replicator.io/v1alpha1
kind: SalesforceReplicator
metadata: {{name: crm, namespace: {namespace}}}
spec:
  connection: {{auth: {{password: {{secretRef: {{name: crm-salesforce}}}}}}}}
  destination: {{postgres: {{secretRef: {{name: crm-database}}}}}}
  objects: [{{name: Contact}}, {{name: Account}}, {{name: Lead}}]
{trigger}"
        );
        plane.admin().apply(&resource).await;
        Self {
            plane,
            namespace,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn api(&self) -> Api<SalesforceReplicator> {
        Api::namespaced(self.plane.client(), &self.namespace)
    }

    async fn crm(&self) -> SalesforceReplicator {
        self.api().get("crm").await.unwrap()
    }

    /// The plugin as kubectl starts it, by its name, in the namespace.
    fn command(&self, user: &User, arguments: &[&str]) -> Command {
        let mut command = binary::command(self.folder.path(), arguments);
        command
            .arg0("/usr/local/bin/kubectl-sfr")
            .args(["-n", &self.namespace])
            .env("KUBECONFIG", &user.kubeconfig);
        command
    }

    async fn sfr(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command(self.plane.admin(), arguments);
        command.output().await.unwrap().into()
    }

    /// Writes the status as the operator would.
    async fn report(&self, status: Value) {
        let body = json!({
            "apiVersion": crds::API_VERSION, "kind": crds::KIND, "metadata": {"name": "crm"}, "status": status,
        });
        let params = PatchParams::apply("salesforce-replicator").force();
        self.api()
            .patch_status("crm", &params, &Patch::Apply(&body))
            .await
            .unwrap();
    }
}

fn condition(of: &str, status: &str, reason: &str) -> Value {
    json!({"type": of, "status": status, "reason": reason, "message": format!("{of} is {status}"),
           "lastTransitionTime": "2026-11-28T12:00:00Z"})
}

/// Contact and Lead hold deletes.
fn holding() -> Value {
    let object = |name: &str, held: Value| {
        let mut object = json!({"name": name, "table": name.to_lowercase(), "phase": "Live", "rows": 1000});
        if !held.is_null() {
            object["phase"] = json!("Held");
            object["heldDeletes"] = held;
        }
        object
    };
    json!({
        "observedGeneration": 1,
        "conditions": [condition("Ready", "False", "DeleteGuard")],
        "objectsReady": "1/3",
        "objects": [
            object("Contact", json!({"count": 120, "token": "120-aaaa"})),
            object("Account", Value::Null),
            object("Lead", json!({"count": 7, "token": "7-bbbb"})),
        ],
    })
}

#[tokio::test]
async fn kubectl_finds_the_plugin_and_shows_how_a_replicator_stands() {
    let place = Place::new("plugin-status", "").await;
    let unseen = place.sfr(&["status", "crm"]).await.exits(0);
    assert!(unseen.stdout.contains("no operator has looked at it"), "{unseen:?}");
    place.report(holding()).await;

    std::os::unix::fs::symlink(binary::path(), place.folder.path().join("kubectl-sfr")).unwrap();
    let mut kubectl = place
        .plane
        .admin()
        .kubectl_command(&["sfr", "status", "crm", "-n", &place.namespace]);
    let shown: Outcome = kubectl.env("PATH", place.folder.path()).output().await.unwrap().into();
    let shown = shown.exits(0);
    for words in [
        &format!("Replicator:   {}/crm", place.namespace),
        "Trigger:      every 5m",
        "Ready      False   DeleteGuard",
        "Contact: 120 of 1,000 rows of the table contact",
        &format!("kubectl sfr confirm-deletes crm Lead -n {}", place.namespace),
    ] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }

    let list = place.sfr(&["status"]).await.exits(0).stdout;
    let line = list.lines().nth(1).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words, ["crm", "False", "DeleteGuard", "1/3", "127"]);
    let json = place.sfr(&["status", "crm", "-o", "json"]).await.exits(0).json();
    assert_eq!(json["heldDeletes"][1]["token"], "7-bbbb");
    let everywhere = binary::command(place.folder.path(), &["status", "-A", "-o", "json"])
        .arg0("kubectl-sfr")
        .env("KUBECONFIG", &place.plane.admin().kubeconfig)
        .output()
        .await
        .unwrap();
    let everywhere = Outcome::from(everywhere).exits(0).json();
    let ours = everywhere["replicators"].as_array().unwrap().iter();
    assert_eq!(
        ours.filter(|one| one["namespace"] == place.namespace.as_str()).count(),
        1
    );
}

#[tokio::test]
async fn a_run_by_hand_is_asked_for_and_the_trigger_stays_what_it_was() {
    let place = Place::new("plugin-run", "").await;
    let asked = place.sfr(&["run", "crm", "-o", "json"]).await.exits(0).json();
    let trigger = place.crm().await.spec.trigger;
    assert_eq!(trigger.manual.as_deref(), asked["manual"].as_str());
    assert_eq!(
        trigger.interval.map(|interval| interval.to_string()).as_deref(),
        Some("5m"),
        "an interval that nobody wrote down would be gone"
    );
    let manager = place
        .crm()
        .await
        .metadata
        .managed_fields
        .unwrap()
        .into_iter()
        .find(|fields| fields.manager.as_deref() == Some("kubectl-sfr"));
    assert!(manager.is_some());
}

#[tokio::test]
async fn waiting_ends_with_the_run_and_says_how_it_ended() {
    for (reason, code) in [
        ("UpToDate", 0),
        ("DeleteGuard", 8),
        ("ObjectsFailing", 7),
        ("LoginRejected", 4),
    ] {
        let place = Place::new("plugin-wait", "  trigger: {interval: 1h}\n").await;
        let mut command = place.command(place.plane.admin(), &["run", "crm", "--wait"]);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let is_asked =
            |seen: Option<&SalesforceReplicator>| seen.is_some_and(|seen| seen.spec.trigger.manual.is_some());
        let asked = await_condition(place.api(), "crm", is_asked).await.unwrap().unwrap();
        let manual = asked.spec.trigger.manual.unwrap();

        let status = if code == 0 { "True" } else { "False" };
        let mut report = json!({
            "observedGeneration": asked.metadata.generation,
            "conditions": [condition("Ready", status, reason), condition("Synchronizing", "True", "RunInProgress")],
        });
        place.report(report.clone()).await;
        if code == 4 {
            // Nobody could run it, and the operator tries again later.
            report["conditions"][1] = condition("Synchronizing", "False", "BackingOff");
        } else {
            report["lastManualRun"] = json!(manual);
        }
        place.report(report).await;
        let ended = binary::ended(child).await.exits(code);
        let told = if code == 4 { &ended.stderr } else { &ended.stdout };
        assert!(told.contains(&format!("Ready is {status}")), "{ended:?}");
    }
}

#[tokio::test]
async fn waiting_ends_when_its_time_is_up_and_the_run_goes_on() {
    let place = Place::new("plugin-timeout", "  trigger: {interval: 1h}\n").await;
    let late = place.sfr(&["run", "crm", "--wait", "--timeout", "1s"]).await.exits(1);
    let manual = place.crm().await.spec.trigger.manual.unwrap();
    assert!(
        late.stderr.contains(&format!("the run {manual} is not over after 1s")),
        "{late:?}"
    );
    assert!(late.stderr.contains("kubectl sfr status crm"), "{late:?}");
    let unmeant = place.sfr(&["run", "crm", "--wait", "--timeout", "soon"]).await.exits(2);
    assert!(
        unmeant.stderr.contains("\"soon\" is not a length of time"),
        "{unmeant:?}"
    );
}

#[tokio::test]
async fn suspend_and_resume_say_what_they_did() {
    let place = Place::new("plugin-suspend", "").await;
    for (command, suspended, words) in [
        ("suspend", true, "crm is suspended"),
        ("suspend", true, "already"),
        ("resume", false, "crm is resumed"),
        ("resume", false, "was not suspended"),
        ("suspend", true, "crm is suspended"),
    ] {
        let outcome = place.sfr(&[command, "crm"]).await.exits(0);
        assert!(outcome.stdout.contains(words), "{outcome:?}");
        assert_eq!(place.crm().await.spec.suspend, suspended);
    }
    let generation = place.crm().await.metadata.generation;
    let refused = place.sfr(&["run", "crm", "--wait"]).await.exits(2);
    assert!(refused.stderr.contains("kubectl sfr resume crm"), "{refused:?}");
    assert_eq!(
        place.crm().await.metadata.generation,
        generation,
        "nothing was asked for"
    );
}

#[tokio::test]
async fn exactly_the_deletes_that_are_held_are_confirmed_and_nothing_that_was_said_is_lost() {
    let place = Place::new("plugin-confirm", "").await;
    let said = async || {
        place
            .crm()
            .await
            .annotations()
            .get(annotation::CONFIRM_DELETES)
            .cloned()
    };
    let none = place.sfr(&["confirm-deletes", "crm", "--yes"]).await.exits(0);
    assert!(none.stdout.contains("no deletes are held"), "{none:?}");
    place.report(holding()).await;

    let unasked = place.sfr(&["confirm-deletes", "crm"]).await.exits(2);
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    let other = place
        .sfr(&["confirm-deletes", "crm", "account", "--yes"])
        .await
        .exits(0);
    assert!(other.stdout.contains("no deletes of account are held"), "{other:?}");
    let unknown = place
        .sfr(&["confirm-deletes", "crm", "Contcat", "--yes"])
        .await
        .exits(3);
    assert!(unknown.stderr.contains("did you mean Contact?"), "{unknown:?}");
    assert_eq!(said().await, None);

    let before = json!({"metadata": {"annotations": {
        annotation::CONFIRM_DELETES: "Account=3-cccc, Contact=9-old", "team": "telephony",
    }}});
    let params = PatchParams::default();
    place.api().patch("crm", &params, &Patch::Merge(&before)).await.unwrap();
    let one = place
        .sfr(&["confirm-deletes", "crm", "contact", "--yes"])
        .await
        .exits(0);
    assert!(one.stdout.contains("confirmed: Contact: 120 of 1,000 rows"), "{one:?}");
    assert_eq!(said().await.as_deref(), Some("Account=3-cccc,Contact=120-aaaa"));
    assert_eq!(place.crm().await.annotations()["team"], "telephony");

    let rest = place.sfr(&["confirm-deletes", "crm", "--yes"]).await.exits(0);
    assert!(rest.stdout.contains("confirmed: Lead: 7 of"), "{rest:?}");
    let all = "Account=3-cccc,Contact=120-aaaa,Lead=7-bbbb";
    assert_eq!(said().await.as_deref(), Some(all));
    let version = place.crm().await.resource_version();
    let again = place.sfr(&["confirm-deletes", "crm"]).await.exits(0);
    assert!(again.stdout.contains("confirmed already"), "{again:?}");
    assert_eq!(place.crm().await.resource_version(), version);
}

#[tokio::test]
async fn what_the_api_server_refuses_is_told_with_the_exit_code_of_its_kind() {
    let place = Place::new("plugin-refused", "").await;
    let unknown = place.sfr(&["suspend", "crn"]).await.exits(3);
    assert!(
        unknown.stderr.contains("there is no SalesforceReplicator crn"),
        "{unknown:?}"
    );

    let stranger = place.plane.service_account(&place.namespace, "stranger").await;
    let refused: Outcome = place
        .command(&stranger, &["status", "crm"])
        .output()
        .await
        .unwrap()
        .into();
    let refused = refused.exits(4);
    assert!(refused.stderr.contains("cannot get resource"), "{refused:?}");

    let nowhere = place.sfr(&["status", "--kubeconfig", "/nowhere"]).await.exits(2);
    assert!(nowhere.stderr.contains("/nowhere"), "{nowhere:?}");
    let context = place.sfr(&["status", "--context", "other"]).await.exits(2);
    assert!(context.stderr.contains("other"), "{context:?}");
}

#[tokio::test]
async fn the_flag_leads_to_another_kubeconfig_and_its_namespace() {
    let place = Place::new("plugin-flags", "").await;
    let account = place.plane.service_account(&place.namespace, "viewer").await;
    let role = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: viewer, namespace: {0}}}
rules: [{{apiGroups: [salesforce-replicator.io], resources: [salesforcereplicators], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: viewer, namespace: {0}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: viewer}}
subjects: [{{kind: ServiceAccount, name: viewer, namespace: {0}}}]
",
        place.namespace
    );
    place.plane.admin().apply(&role).await;
    until("the role is in force", async || {
        let group = "salesforce-replicator.io";
        place
            .plane
            .may(&account, "list", group, "salesforcereplicators", &place.namespace)
            .await
    })
    .await;
    let file = account.kubeconfig.to_string_lossy();
    let run = async |folder: &Path, arguments: &[&str]| -> Outcome {
        let mut command = binary::command(folder, arguments);
        command.arg0("kubectl-sfr").env("KUBECONFIG", "/nowhere");
        command.output().await.unwrap().into()
    };
    let arguments = ["status", "--kubeconfig", &file, "-o", "json"];
    let json = run(place.folder.path(), &arguments).await.exits(0).json();
    assert_eq!(json["replicators"][0]["namespace"], place.namespace.as_str());
    let refused = run(place.folder.path(), &["suspend", "crm", "--kubeconfig", &file])
        .await
        .exits(4);
    assert!(refused.stderr.contains("cannot patch resource"), "{refused:?}");
}
