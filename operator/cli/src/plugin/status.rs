//! `status`: what `kubectl get -o yaml` has, as a person reads it.

use crds::{
    ApiUsage, ConditionType, LastRun, ObjectStatus, SalesforceReplicator, SalesforceReplicatorStatus, Schedule, Time,
};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::{arguments::Status, cluster::Cluster, confirm, wait::condition};
use crate::{exit::Exit, failure::Failure, printer, session::Context};

/// What `status -o json` prints without a name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplicatorsOutput<'a> {
    /// By namespace and name.
    replicators: Vec<ReplicatorOutput<'a>>,
}

/// What `status NAME -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicatorOutput<'a> {
    namespace: String,
    name: String,
    /// The spec says so; the condition of this name says whether it is in effect.
    suspend: bool,
    /// What confirms held deletes.
    held_deletes: Vec<confirm::Held>,
    /// As the operator wrote it.
    status: Option<&'a SalesforceReplicatorStatus>,
}

/// For programs.
pub(super) fn output(resource: &SalesforceReplicator) -> ReplicatorOutput<'_> {
    ReplicatorOutput {
        namespace: resource.namespace().unwrap_or_default(),
        name: resource.name_any(),
        suspend: resource.spec.suspend,
        held_deletes: confirm::held(resource),
        status: resource.status.as_ref(),
    }
}

/// Shows one or all.
pub(super) async fn show(arguments: Status, cluster: &Cluster, context: &Context) -> Result<Exit, Failure> {
    let Status { name, all_namespaces } = arguments;
    let now = context.clock.now();
    let Some(name) = name else {
        let found = cluster.list(all_namespaces).await?;
        let replicators = ReplicatorsOutput {
            replicators: found.iter().map(output).collect(),
        };
        context
            .printer
            .result(&replicators, || list(&found, all_namespaces, now))?;
        if found.is_empty() {
            let place = if all_namespaces {
                "any namespace".to_owned()
            } else {
                format!("the namespace {}", cluster.namespace)
            };
            context
                .printer
                .remark(&format!("there is no SalesforceReplicator in {place}"));
        }
        return Ok(Exit::Success);
    };
    let resource = cluster.get(&name).await?;
    context
        .printer
        .result(&output(&resource), || text(&resource, now, &cluster.flags))?;
    Ok(Exit::Success)
}

/// A line for each.
fn list(found: &[SalesforceReplicator], all_namespaces: bool, now: Timestamp) -> String {
    if found.is_empty() {
        return String::new();
    }
    let mut header = vec![
        "NAME",
        "READY",
        "REASON",
        "OBJECTS",
        "LAST SUCCESS",
        "NEXT RUN",
        "HELD DELETES",
    ];
    if all_namespaces {
        header.insert(0, "NAMESPACE");
    }
    let rows = found.iter().map(|resource| {
        let status = resource.status.as_ref();
        let ready = condition(status, ConditionType::Ready);
        let held: i64 = confirm::held(resource).iter().map(|held| held.count).sum();
        let mut row = vec![
            resource.name_any(),
            ready.map_or("Unknown".to_owned(), |ready| ready.status.clone()),
            ready.map_or(String::new(), |ready| ready.reason.clone()),
            status
                .and_then(|status| status.objects_ready.clone())
                .unwrap_or_default(),
            ago(status.and_then(|status| status.last_success_time.as_ref()), now),
            match status.and_then(|status| status.next_run_time.as_ref()) {
                _ if resource.spec.suspend => "suspended".to_owned(),
                next => ago(next, now),
            },
            if held > 0 {
                printer::grouped(held)
            } else {
                String::new()
            },
        ];
        if all_namespaces {
            row.insert(0, resource.namespace().unwrap_or_default());
        }
        row
    });
    printer::table(&header, rows)
}

/// All of one, in paragraphs.
pub(super) fn text(resource: &SalesforceReplicator, now: Timestamp, flags: &str) -> String {
    let name = resource.name_any();
    let Some(status) = &resource.status else {
        return format!("{name}: no operator has looked at it yet. Is one running that serves its namespace?");
    };
    let mut paragraphs = vec![head(resource, status, now)];
    paragraphs.extend(conditions(status, now));
    paragraphs.extend(objects(status, now));
    let errors: Vec<String> = status
        .objects
        .iter()
        .filter_map(|object| Some(format!("{}: {}", object.name, object.last_error.as_ref()?)))
        .collect();
    if !errors.is_empty() {
        paragraphs.push(errors.join("\n"));
    }
    if !status.retired_tables.is_empty() {
        let tables = status.retired_tables.join(", ");
        paragraphs.push(format!("Tables that are kept and no longer updated: {tables}"));
    }
    let held = confirm::held(resource);
    if !held.is_empty() {
        let mut lines = vec!["Deletes are held. Where they are meant:".to_owned()];
        for held in held {
            lines.push(format!(
                "  {}\n    kubectl sfr confirm-deletes {name} {}{flags}",
                held.text(),
                held.object
            ));
        }
        paragraphs.push(lines.join("\n"));
    }
    paragraphs.join("\n\n")
}

/// Who it is, and when what was run and will be.
fn head(resource: &SalesforceReplicator, status: &SalesforceReplicatorStatus, now: Timestamp) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let place = resource.namespace().unwrap_or_default();
    lines.push(("Replicator", format!("{place}/{}", resource.name_any())));
    if let Some(url) = &status.instance_url {
        let organization = status.organization_id.as_deref().unwrap_or_default();
        lines.push(("Org", format!("{url} {organization}").trim_end().to_owned()));
    }
    if status.observed_generation < resource.metadata.generation {
        lines.push(("Spec", "the operator has not taken up the last change yet".to_owned()));
    }
    let trigger = match Schedule::new(&resource.spec.trigger) {
        _ if resource.spec.suspend => "suspended".to_owned(),
        Ok(schedule) => schedule.to_string(),
        // The conditions say what is wrong with it.
        Err(_problems) => "not valid".to_owned(),
    };
    lines.push(("Trigger", trigger));
    if let Some(run) = &status.last_run {
        lines.push(("Last run", last_run(run, now)));
    }
    for (title, time) in [
        ("Last success", &status.last_success_time),
        ("Next run", &status.next_run_time),
        ("Next try", &status.next_try_time),
    ] {
        if let Some(time) = time {
            lines.push((title, ago(Some(time), now)));
        }
    }
    if let Some(manual) = &status.last_manual_run {
        lines.push(("Last by hand", manual.clone()));
    }
    if let Some(missed) = status.missed_runs.filter(|missed| *missed > 0) {
        lines.push(("Missed runs", printer::grouped(missed)));
    }
    if let Some(ApiUsage { used, limit }) = status.api_usage {
        let [used, limit] = [used, limit].map(printer::grouped);
        lines.push(("API calls", format!("{used} of {limit} within 24 hours, by anybody")));
    }
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(title, text)| format!("{:<14}{text}", format!("{title}:")))
        .collect();
    lines.join("\n")
}

fn last_run(run: &LastRun, now: Timestamp) -> String {
    let LastRun {
        id: _,
        kind,
        start_time,
        end_time,
        duration,
        rows_read,
        rows_written,
        rows_deleted,
        api_calls,
    } = run;
    let [read, written, deleted, calls] =
        [rows_read, rows_written, rows_deleted, api_calls].map(|n| printer::grouped(*n));
    let took = match (end_time, duration) {
        (None, _) => format!("started {}, in progress", ago(Some(start_time), now)),
        (Some(end), None) => format!("ended {}", ago(Some(end), now)),
        (Some(end), Some(duration)) => format!("ended {} after {duration}", ago(Some(end), now)),
    };
    format!("{kind:?}, {took}: {read} read, {written} written, {deleted} deleted, {calls} API calls")
}

fn conditions(status: &SalesforceReplicatorStatus, now: Timestamp) -> Option<String> {
    let rows: Vec<Vec<String>> = status
        .conditions
        .iter()
        .map(|condition| {
            vec![
                condition.type_.clone(),
                condition.status.clone(),
                condition.reason.clone(),
                ago(Some(&condition.last_transition_time), now),
                condition.message.replace('\n', " "),
            ]
        })
        .collect();
    let header = ["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"];
    (!rows.is_empty()).then(|| printer::table(&header, rows))
}

fn objects(status: &SalesforceReplicatorStatus, now: Timestamp) -> Option<String> {
    let number = |number: Option<i64>| number.map(printer::grouped).unwrap_or_default();
    let rows: Vec<Vec<String>> = status
        .objects
        .iter()
        .map(|object| {
            let ObjectStatus {
                name,
                table,
                phase,
                rows,
                rows_read,
                rows_written,
                rows_deleted,
                rejected,
                last_success_time,
                ..
            } = object;
            vec![
                name.clone(),
                table.clone(),
                format!("{phase:?}"),
                number(*rows),
                number(*rows_read),
                number(*rows_written),
                number(*rows_deleted),
                number(rejected.filter(|rejected| *rejected > 0)),
                ago(last_success_time.as_ref(), now),
            ]
        })
        .collect();
    let header = [
        "OBJECT",
        "TABLE",
        "PHASE",
        "ROWS",
        "READ",
        "WRITTEN",
        "DELETED",
        "REJECTED",
        "LAST SUCCESS",
    ];
    (!rows.is_empty()).then(|| printer::table(&header, rows))
}

/// `12s ago`, `in 4m`: one unit, rounded down.
fn ago(time: Option<&Time>, now: Timestamp) -> String {
    let Some(Time(time)) = time else {
        return String::new();
    };
    let seconds = now.as_second().saturating_sub(time.as_second());
    let length = seconds.unsigned_abs();
    let length = match length {
        0..60 => format!("{length}s"),
        60..3600 => format!("{}m", length / 60),
        3600..86_400 => format!("{}h", length / 3600),
        _ => format!("{}d", length / 86_400),
    };
    if seconds < 0 {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn replicator(status: &Value) -> SalesforceReplicator {
        serde_json::from_value(json!({
            "apiVersion": crds::API_VERSION, "kind": crds::KIND,
            "metadata": {"namespace": "telephony", "name": "crm", "generation": 3},
            "spec": {
                "connection": {"auth": {"password": {"secretRef": {"name": "a"}}}},
                "destination": {"sqlite": {"file": "a.db"}},
                "objects": [{"name": "Contact"}, {"name": "Account"}],
            },
            "status": status,
        }))
        .unwrap()
    }

    fn held() -> SalesforceReplicator {
        replicator(&json!({
            "observedGeneration": 2,
            "conditions": [{
                "type": "Ready", "status": "False", "reason": "DeleteGuard", "message": "Contact: 1200 deletes are held",
                "lastTransitionTime": "2026-11-28T11:55:00Z",
            }],
            "instanceUrl": "https://acme.my.salesforce.com", "organizationId": "00Dxx0000000001EAA",
            "apiUsage": {"used": 1200, "limit": 100_000},
            "objectsReady": "1/2",
            "lastRun": {"id": "a", "kind": "Incremental", "startTime": "2026-11-28T11:59:00Z",
                        "endTime": "2026-11-28T11:59:30Z", "duration": "30s", "rowsRead": 1234, "rowsWritten": 12,
                        "rowsDeleted": 0, "apiCalls": 4},
            "lastSuccessTime": "2026-11-28T09:00:00Z", "nextRunTime": "2026-11-28T12:04:00Z",
            "retiredTables": ["lead"],
            "objects": [
                {"name": "Contact", "table": "contact", "phase": "Held", "rows": 10_000, "rowsRead": 1234,
                 "rowsWritten": 12, "rowsDeleted": 0, "heldDeletes": {"count": 1200, "token": "1200-0123456789ab"},
                 "lastSuccessTime": "2026-11-26T09:00:00Z"},
                {"name": "Account", "table": "account", "phase": "Failing", "rejected": 2, "lastError": "no such field"},
            ],
        }))
    }

    fn noon() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn all_of_one_is_told_with_the_command_that_confirms() {
        assert_eq!(
            text(&held(), noon(), " -n telephony"),
            "\
Replicator:   telephony/crm
Org:          https://acme.my.salesforce.com 00Dxx0000000001EAA
Spec:         the operator has not taken up the last change yet
Trigger:      every 5m
Last run:     Incremental, ended 30s ago after 30s: 1,234 read, 12 written, 0 deleted, 4 API calls
Last success: 3h ago
Next run:     in 4m
API calls:    1,200 of 100,000 within 24 hours, by anybody

CONDITION  STATUS  REASON       SINCE   MESSAGE
Ready      False   DeleteGuard  5m ago  Contact: 1200 deletes are held

OBJECT   TABLE    PHASE    ROWS    READ   WRITTEN  DELETED  REJECTED  LAST SUCCESS
Contact  contact  Held     10,000  1,234  12       0                  2d ago
Account  account  Failing                                   2

Account: no such field

Tables that are kept and no longer updated: lead

Deletes are held. Where they are meant:
  Contact: 1,200 of 10,000 rows of the table contact
    kubectl sfr confirm-deletes crm Contact -n telephony"
        );
    }

    #[test]
    fn what_no_operator_has_seen_is_told_as_that() {
        let mut unseen = replicator(&Value::Null);
        unseen.status = None;
        assert!(text(&unseen, noon(), "").contains("no operator has looked at it"));
        assert!(list(&[unseen], false, noon()).contains("Unknown"));
    }

    #[test]
    fn the_list_has_a_line_for_each_and_the_namespace_where_there_are_several() {
        let mut suspended = replicator(&json!({}));
        suspended.spec.suspend = true;
        let text = list(&[held(), suspended], true, noon());
        assert_eq!(
            text,
            "\
NAMESPACE  NAME  READY    REASON       OBJECTS  LAST SUCCESS  NEXT RUN   HELD DELETES
telephony  crm   False    DeleteGuard  1/2      3h ago        in 4m      1,200
telephony  crm   Unknown                                      suspended"
        );
    }

    #[test]
    fn programs_get_the_status_and_what_confirms() {
        let printed = serde_json::to_value(output(&held())).unwrap();
        assert_eq!(printed["heldDeletes"][0]["token"], "1200-0123456789ab");
        assert_eq!(printed["status"]["objectsReady"], "1/2");
        assert_eq!(printed["suspend"], false);
    }
}
