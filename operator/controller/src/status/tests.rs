use crds::{ConditionType, Trigger};
use replication::progress::Event;
use serde_json::json;

use super::*;
use crate::{
    fixture::{at, live, opened, report, spec},
    standing::Activity,
};

const TEN: &str = "2026-11-28T10:00:00Z";

fn schedule() -> Schedule {
    Schedule::new(&Trigger::default()).unwrap()
}

fn built(standing: &Standing, former: Option<&SalesforceReplicatorStatus>, now: &str) -> SalesforceReplicatorStatus {
    build(&spec(&json!({})), standing, Some(&schedule()), former, at(now))
}

#[test]
fn two_passes_without_a_change_build_the_same_status_at_any_time() {
    let first = built(&live(), None, TEN);
    let second = built(&live(), Some(&first), "2026-11-28T10:07:11Z");
    assert_eq!(first, second);
    assert!(!is_due(Some(&first), &second, None));
}

#[test]
fn a_transition_moves_the_time_of_its_condition_alone() {
    let first = built(&live(), None, TEN);
    let stale = built(&live(), Some(&first), "2026-11-28T10:20:00Z");
    let time_of = |status: &SalesforceReplicatorStatus, of: ConditionType| {
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == of.as_str());
        found.unwrap().last_transition_time.0
    };
    assert_eq!(time_of(&stale, ConditionType::Ready), at("2026-11-28T10:20:00Z"));
    assert_eq!(time_of(&stale, ConditionType::CredentialsValid), at(TEN));
    assert!(
        is_due(Some(&first), &stale, Some(Duration::ZERO)),
        "a change of state is sent at once"
    );
}

#[test]
fn all_conditions_stand_in_their_order() {
    let status = built(&opened(), None, TEN);
    let types: Vec<&str> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(types, ConditionType::ALL.map(ConditionType::as_str));
}

#[test]
fn progress_alone_waits_for_its_turn() {
    let mut standing = opened();
    standing.activity = Activity::Running;
    standing.observe("Contact", RunKind::Initial, &Event::Started);
    let first = built(&standing, None, TEN);
    assert_eq!(first.objects[0].phase, crds::ObjectPhase::Initial);
    standing.observe("Contact", RunKind::Initial, &Event::Read(2000));
    let second = built(&standing, Some(&first), TEN);
    assert_eq!(second.objects[0].rows_read, Some(2000));
    assert!(!is_due(Some(&first), &second, Some(Duration::from_secs(9))));
    assert!(is_due(Some(&first), &second, Some(Duration::from_secs(10))));
    assert!(is_due(Some(&first), &second, None));
    let ended = Event::Ended(Box::new(report("Contact", RunKind::Initial)));
    standing.observe("Contact", RunKind::Initial, &ended);
    let third = built(&standing, Some(&second), TEN);
    assert!(is_due(Some(&second), &third, Some(Duration::ZERO)));
    assert_eq!(third.objects_ready.as_deref(), Some("1/2"));
}

#[test]
fn a_process_that_starts_reports_what_the_status_says() {
    let first = built(&live(), None, TEN);
    let mut recalled = Standing::recall(&spec(&json!({})), Some(&first));
    recalled.generation = Some(1);
    let second = built(&recalled, Some(&first), TEN);
    assert_eq!(second.last_success_time, first.last_success_time);
    assert_eq!(second.objects, first.objects);
    assert_eq!(second.instance_url, first.instance_url);
    assert_eq!(ready(&second), Some(("True", Some(Reason::UpToDate))));
}

#[test]
fn a_restart_takes_no_condition_back_before_anybody_has_looked() {
    let mut standing = live();
    standing.objects[0].degraded = vec![replication::progress::Degradation {
        reason: "PartialVisibility",
        message: "Contact: not every record".to_owned(),
    }];
    let first = built(&standing, None, TEN);
    let mut recalled = Standing::recall(&spec(&json!({})), Some(&first));
    recalled.generation = Some(1);
    let second = built(&recalled, Some(&first), "2026-11-28T10:01:00Z");
    assert_eq!(second.conditions[1..5], first.conditions[1..5]);
    let of = |status: &SalesforceReplicatorStatus, index: usize| {
        let condition = &status.conditions[index];
        format!("{} {} {}", condition.type_, condition.status, condition.reason)
    };
    assert_eq!(of(&second, 2), "CredentialsValid True Authenticated");
    assert_eq!(of(&second, 4), "Degraded True PartialVisibility");
}

#[test]
fn a_resource_that_was_made_suspended_has_every_condition() {
    let mut standing = Standing::recall(&spec(&json!({})), None);
    standing.generation = Some(1);
    standing.activity = Activity::Suspended;
    let status = build(
        &spec(&json!({"suspend": true})),
        &standing,
        Some(&schedule()),
        None,
        at(TEN),
    );
    assert_eq!(status.conditions.len(), 6);
    assert_eq!(ready(&status), Some(("Unknown", Some(Reason::Suspended))));
}

#[test]
fn texts_are_cut_between_characters() {
    assert_eq!(cut("short", 8), "short");
    assert_eq!(cut("äöüäöüäöü", 10), "äöü…");
    assert!(cut(&"ä".repeat(500), ERROR_BYTES).len() <= ERROR_BYTES);
}

#[test]
fn lengths_of_time_are_readable() {
    let said = |seconds: f64| duration(SignedDuration::from_secs_f64(seconds));
    assert_eq!(
        [said(0.25), said(72.0), said(3725.0), said(-5.0)],
        ["0.2s", "1m12s", "1h2m5s", "0.0s"]
    );
}

#[test]
fn two_hundred_failing_objects_fit() {
    let objects: Vec<_> = (0..200)
        .map(|number| json!({"name": format!("O{number}__c")}))
        .collect();
    let spec = spec(&json!({ "objects": objects }));
    let mut standing = Standing::recall(&spec, None);
    for object in &mut standing.objects {
        object.failure = Some(crate::standing::Failure {
            trouble: crate::standing::Trouble::new(salesforce::ErrorKind::Fatal, Reason::RunFailed, "x".repeat(4000)),
            count: 1,
            kind: RunKind::Incremental,
        });
    }
    let status = build(&spec, &standing, None, None, at(TEN));
    let bytes = serde_json::to_vec(&status).unwrap().len();
    assert!(bytes < 200_000, "{bytes} bytes");
}

/// The resource at a version, with a status.
fn resource(version: &str, status: Option<&SalesforceReplicatorStatus>) -> SalesforceReplicator {
    let mut resource = SalesforceReplicator::new("crm", spec(&json!({})));
    resource.metadata.resource_version = Some(version.to_owned());
    resource.status = status.cloned();
    resource
}

#[test]
fn a_store_that_is_behind_is_not_believed_and_one_that_is_ahead_is() {
    let older = built(&opened(), None, TEN);
    let newer = built(&live(), None, TEN);
    let mut written = Written::default();
    assert_eq!(written.standing(&resource("1", Some(&older))), Some(older.clone()));
    written.wrote(&resource("1", None), Some("2".to_owned()), &older);
    written.wrote(&resource("1", None), Some("3".to_owned()), &newer);
    for behind in ["1", "2"] {
        assert_eq!(
            written.standing(&resource(behind, None)),
            Some(newer.clone()),
            "{behind}"
        );
    }
    assert_eq!(written.standing(&resource("3", Some(&newer))), Some(newer.clone()));
    // Somebody wiped it.
    assert_eq!(written.standing(&resource("4", None)), None);
    // A write that changed nothing has no version of its own.
    written.wrote(&resource("4", Some(&newer)), Some("4".to_owned()), &newer);
    assert_eq!(written.standing(&resource("4", Some(&newer))), Some(newer));
    assert_eq!(written.standing(&resource("5", None)), None);
}

#[test]
fn a_large_read_tells_its_api_and_why_and_a_restart_remembers_it() {
    let run = |standing: &mut Standing, kind| standing.observe("Contact", kind, &Event::Started);
    let mut standing = opened();
    standing.reads = Some(crate::standing::Reads::of(&spec(&json!({})).connection));
    run(&mut standing, RunKind::Incremental);
    let told = |standing: &Standing| {
        let object = built(standing, None, TEN).objects.remove(0);
        (object.api, object.api_reason)
    };
    assert_eq!(told(&standing), (None, None));
    run(&mut standing, RunKind::Initial);
    let soap = (
        Some("Soap".to_owned()),
        Some("this version does not serve the Bulk API yet".to_owned()),
    );
    assert_eq!(told(&standing), soap);
    let status = built(&standing, None, TEN);
    let recalled = Standing::recall(&spec(&json!({})), Some(&status));
    assert_eq!(told(&recalled), soap);
}
