use crds::Trigger;
use replication::{
    guard::HeldDeletes,
    progress::{Degradation, RunKind},
};
use salesforce::ErrorKind;

use super::*;
use crate::fixture::{at, ended, failed, live, opened, report};

const TEN: &str = "2026-11-28T10:00:00Z";

fn every_five_minutes() -> Schedule {
    Schedule::new(&Trigger::default()).unwrap()
}

/// `True UpToDate` of a condition.
fn said(standing: &Standing, of: ConditionType, now: &str) -> String {
    let judged = judge(standing, false, Some(&every_five_minutes()), at(now));
    let verdict = judged.into_iter().flatten().find(|verdict| verdict.of == of).unwrap();
    format!("{} {}", verdict.status(), verdict.reason)
}

fn ready_at(standing: &Standing, now: &str) -> String {
    said(standing, ConditionType::Ready, now)
}

#[test]
fn nothing_is_ready_before_every_object_is_complete() {
    let mut standing = opened();
    assert_eq!(ready_at(&standing, TEN), "False InitialRun");
    standing.observe("Contact", RunKind::Initial, &ended(report("Contact", RunKind::Initial)));
    assert_eq!(ready_at(&standing, TEN), "False InitialRun");
    assert_eq!(ready_at(&live(), TEN), "True UpToDate");
}

#[test]
fn data_that_is_too_old_is_not_ready_though_nothing_failed() {
    let standing = live();
    assert_eq!(ready_at(&standing, "2026-11-28T10:14:59Z"), "True UpToDate");
    assert_eq!(ready_at(&standing, "2026-11-28T10:15:00Z"), "False Stale");
    let cron = Schedule::new(&Trigger {
        schedule: Some("0 * * * *".into()),
        ..Trigger::default()
    })
    .unwrap();
    assert_eq!(stale_at(&cron, at(TEN)), Some(at("2026-11-28T12:15:00Z")));
    assert_eq!(stale_at(&Schedule::Manual, at(TEN)), None);
    let seconds = Schedule::Interval(Duration::from_secs(30));
    assert_eq!(stale_at(&seconds, at(TEN)), Some(at("2026-11-28T10:15:00Z")));
    let hours = Schedule::Interval(Duration::from_hours(1));
    assert_eq!(stale_at(&hours, at(TEN)), Some(at("2026-11-28T13:00:00Z")));
}

#[test]
fn one_object_that_fails_is_named_and_all_that_fail_alike_have_their_reason() {
    let mut standing = live();
    standing.observe(
        "Contact",
        RunKind::Incremental,
        &failed("Contact", RunKind::Incremental, Reason::SalesforceUnavailable),
    );
    assert_eq!(ready_at(&standing, TEN), "False ObjectsFailing");
    let judged = judge(&standing, false, Some(&every_five_minutes()), at(TEN));
    assert_eq!(judged[0].as_ref().unwrap().message, "Contact: what happened");
    standing.observe(
        "Account",
        RunKind::Incremental,
        &failed("Account", RunKind::Incremental, Reason::SessionLost),
    );
    assert_eq!(ready_at(&standing, TEN), "False SourceUnreachable");
    standing.observe(
        "Contact",
        RunKind::Incremental,
        &ended(report("Contact", RunKind::Incremental)),
    );
    standing.observe(
        "Account",
        RunKind::Incremental,
        &ended(report("Account", RunKind::Incremental)),
    );
    assert_eq!(ready_at(&standing, TEN), "True UpToDate");
}

#[test]
fn an_incremental_that_succeeds_does_not_hide_a_reconcile_that_fails() {
    let mut standing = live();
    standing.observe(
        "Contact",
        RunKind::Reconcile,
        &failed("Contact", RunKind::Reconcile, Reason::QueryTimeout),
    );
    standing.observe(
        "Contact",
        RunKind::Incremental,
        &ended(report("Contact", RunKind::Incremental)),
    );
    assert_eq!(ready_at(&standing, TEN), "False ObjectsFailing");
    standing.observe("Contact", RunKind::Refresh, &ended(report("Contact", RunKind::Refresh)));
    assert_eq!(ready_at(&standing, TEN), "True UpToDate");
}

#[test]
fn a_run_that_compares_less_does_not_hide_one_that_fails_and_compares_more() {
    let mut standing = live();
    let mut see = |event: &replication::progress::Event, kind| {
        standing.observe("Contact", kind, event);
        ready_at(&standing, TEN)
    };
    let fails = |kind| failed("Contact", kind, Reason::QueryTimeout);
    let succeeds = |kind| ended(report("Contact", kind));
    assert_eq!(see(&fails(RunKind::Refresh), RunKind::Refresh), "False ObjectsFailing");
    assert_eq!(see(&succeeds(RunKind::Verify), RunKind::Verify), "False ObjectsFailing");
    assert_eq!(see(&fails(RunKind::Verify), RunKind::Verify), "False ObjectsFailing");
    assert_eq!(
        see(&succeeds(RunKind::Reconcile), RunKind::Reconcile),
        "False ObjectsFailing"
    );
    assert_eq!(see(&succeeds(RunKind::Refresh), RunKind::Refresh), "True UpToDate");
    see(&fails(RunKind::Verify), RunKind::Verify);
    assert_eq!(see(&succeeds(RunKind::Reconcile), RunKind::Reconcile), "True UpToDate");
}

#[test]
fn a_comparison_that_waits_for_the_budget_is_no_failure_and_a_first_load_that_does_is() {
    let over = |kind| {
        let mut over = report("Contact", kind);
        over.error = Some(replication::progress::RunError {
            kind: ErrorKind::Quota,
            reason: "QuotaExhausted",
            message: "what happened".to_owned(),
        });
        ended(over)
    };
    let mut standing = live();
    standing.observe("Contact", RunKind::Verify, &over(RunKind::Verify));
    assert_eq!(ready_at(&standing, TEN), "True UpToDate");
    standing.observe("Contact", RunKind::Initial, &over(RunKind::Initial));
    assert_eq!(ready_at(&standing, TEN), "False ObjectsFailing");
}

#[test]
fn the_refresh_of_an_object_without_stamp_is_its_tick() {
    let mut standing = live();
    standing.plans([("Contact", "contact", true), ("Account", "account", false)].into_iter());
    let mut later = report("Contact", RunKind::Refresh);
    later.end_time = at("2026-11-28T11:00:00Z");
    let mut account = report("Account", RunKind::Incremental);
    account.end_time = at("2026-11-28T11:00:01Z");
    standing.observe("Contact", RunKind::Refresh, &ended(later));
    standing.observe("Account", RunKind::Incremental, &ended(account));
    assert_eq!(standing.last_success, Some(at("2026-11-28T11:00:00Z")));
    assert_eq!(ready_at(&standing, "2026-11-28T11:05:00Z"), "True UpToDate");
    let fails = failed("Contact", RunKind::Refresh, Reason::QueryTimeout);
    standing.observe("Contact", RunKind::Refresh, &fails);
    assert!(standing.objects[0].failure.is_some());
}

#[test]
fn a_changed_spec_is_observed_when_its_first_runs_have_told_what_it_changes() {
    let mut standing = live();
    standing.follows(2);
    assert_eq!(standing.generation, Some(1), "ready is of the former one");
    let mut changed = report("Contact", RunKind::Incremental);
    changed.changing = Some(RunKind::Refresh);
    standing.observe("Contact", RunKind::Incremental, &ended(changed));
    standing.goes_on(3);
    assert_eq!(standing.generation, Some(1));
    let cancelled = failed("Account", RunKind::Incremental, Reason::Cancelled);
    standing.observe("Account", RunKind::Incremental, &cancelled);
    assert_eq!(standing.generation, Some(1), "that run has told nothing");
    let account = ended(report("Account", RunKind::Incremental));
    standing.observe("Account", RunKind::Incremental, &account);
    assert_eq!(standing.generation, Some(3));
    assert_eq!(ready_at(&standing, TEN), "False PlanChanged");
    standing.follows(4);
    assert_eq!(standing.generation, Some(4), "it does not look complete anyway");
}

#[test]
fn a_time_that_is_computed_anew_is_no_change() {
    let mut standing = live();
    standing.plans_next(Some(at(TEN)), None);
    let before = standing.clone();
    standing.plans_next(Some(at("2026-11-28T10:00:00.4Z")), None);
    assert_eq!(standing, before);
    standing.plans_next(Some(at("2026-11-28T10:00:01Z")), Some(at(TEN)));
    assert_eq!(standing.next_run, Some(at("2026-11-28T10:00:01Z")));
    standing.plans_next(None, None);
    assert_eq!((standing.next_run, standing.next_try), (None, None));
}

#[test]
fn what_was_wrong_with_a_spec_ends_with_it_and_a_suspended_tick_has_an_end() {
    let mut standing = live();
    standing.trouble = Some(Trouble::new(ErrorKind::Invalid, Reason::InvalidSpec, "wrong"));
    standing.tick = Some(crate::standing::Tick {
        id: "1".to_owned(),
        kind: RunKind::Incremental,
        start: at(TEN),
        end: None,
        rows_read: 0,
        rows_written: 0,
        rows_deleted: 0,
        api_calls: 0,
    });
    standing.suspended(at("2026-11-28T10:01:00Z"));
    assert_eq!(standing.trouble, None);
    assert_eq!(standing.tick.unwrap().end, Some(at("2026-11-28T10:01:00Z")));
}

#[test]
fn held_deletes_rejected_rows_and_a_changed_plan_are_each_a_reason() {
    let with = |change: fn(&mut replication::progress::RunReport)| {
        let mut changed = report("Contact", RunKind::Incremental);
        change(&mut changed);
        let mut standing = live();
        standing.observe("Contact", RunKind::Incremental, &ended(changed));
        standing
    };
    let held = with(|run| {
        run.held = Some(HeldDeletes {
            count: 7,
            token: "7-abc".to_owned(),
        });
    });
    assert_eq!(ready_at(&held, TEN), "False DeleteGuard");
    let judged = judge(&held, false, None, at(TEN));
    let message = &judged[0].as_ref().unwrap().message;
    assert!(
        message.contains("salesforce-replicator.io/confirm-deletes: \"Contact=7-abc\""),
        "{message}"
    );
    assert_eq!(ready_at(&with(|run| run.rejected = 1), TEN), "False RowsRejected");
    assert_eq!(
        ready_at(&with(|run| run.changing = Some(RunKind::Refresh)), TEN),
        "False PlanChanged"
    );
    let degraded = with(|run| {
        run.degraded = vec![Degradation {
            reason: "PartialVisibility",
            message: "Contact: not every record".to_owned(),
        }];
    });
    assert_eq!(ready_at(&degraded, TEN), "True UpToDate");
    assert_eq!(said(&degraded, ConditionType::Degraded, TEN), "True PartialVisibility");
}

#[test]
fn trouble_shows_on_its_own_side() {
    let with = |kind, reason| {
        let mut standing = live();
        standing.trouble = Some(Trouble::new(kind, reason, "what happened"));
        standing
    };
    for (kind, reason, ready, credentials, destination) in [
        (
            ErrorKind::Credentials,
            Reason::InvalidCredentials,
            "False LoginRejected",
            "False LoginRejected",
            "True Applied",
        ),
        (
            ErrorKind::Credentials,
            Reason::SecretNotFound,
            "False CredentialsMissing",
            "False SecretNotFound",
            "True Applied",
        ),
        (
            ErrorKind::Transient,
            Reason::DatabaseUnavailable,
            "False DestinationUnreachable",
            "True Authenticated",
            "False ConnectionFailed",
        ),
        (
            ErrorKind::Invalid,
            Reason::SchemaConflict,
            "False SchemaConflict",
            "True Authenticated",
            "False SchemaConflict",
        ),
        (
            ErrorKind::Quota,
            Reason::QuotaExhausted,
            "False QuotaExhausted",
            "True Authenticated",
            "True Applied",
        ),
        (
            ErrorKind::Invalid,
            Reason::InvalidSchedule,
            "False InvalidSchedule",
            "True Authenticated",
            "True Applied",
        ),
    ] {
        let standing = with(kind, reason);
        assert_eq!(ready_at(&standing, TEN), ready, "{reason}");
        assert_eq!(
            said(&standing, ConditionType::CredentialsValid, TEN),
            credentials,
            "{reason}"
        );
        assert_eq!(
            said(&standing, ConditionType::DestinationReady, TEN),
            destination,
            "{reason}"
        );
    }
}

#[test]
fn what_was_not_tried_is_unknown() {
    let standing = Standing::default();
    assert_eq!(said(&standing, ConditionType::CredentialsValid, TEN), "Unknown Pending");
    assert_eq!(said(&standing, ConditionType::DestinationReady, TEN), "Unknown Pending");
}

#[test]
fn while_suspended_ready_keeps_its_value_unless_the_spec_is_wrong() {
    let mut standing = live();
    standing.activity = Activity::Suspended;
    let judged = judge(&standing, true, Some(&every_five_minutes()), at("2026-12-24T10:00:00Z"));
    assert_eq!(judged[0], None);
    let said: Vec<String> = judged
        .iter()
        .flatten()
        .map(|verdict| format!("{} {} {}", verdict.of, verdict.status(), verdict.reason))
        .collect();
    assert!(said.contains(&"Suspended True Active".to_owned()), "{said:?}");
    assert!(said.contains(&"Synchronizing False Suspended".to_owned()), "{said:?}");
    standing.trouble = Some(Trouble::new(ErrorKind::Invalid, Reason::InvalidSpec, "wrong"));
    let judged = judge(&standing, true, None, at(TEN));
    assert_eq!(judged[0].as_ref().unwrap().reason, Reason::InvalidSpec);
}

#[test]
fn many_objects_are_told_in_few_words() {
    let objects: Vec<ObjectStanding> = (0..5)
        .map(|number| ObjectStanding::new(&format!("O{number}"), "t"))
        .collect();
    let said = named(&objects, |object| Some(object.name.clone())).unwrap();
    assert_eq!(said, "O0; O1; O2; and 2 more objects");
}
