use replication::{
    guard::HeldDeletes,
    progress::{Event as RunEvent, RunKind},
};
use serde_json::json;

use super::*;
use crate::{
    fixture::{ended, failed, live, opened, report, spec},
    standing::Trouble,
};

fn reasons(before: &Standing, after: &Standing) -> Vec<Reason> {
    between(before, after)
        .into_iter()
        .map(|happened| happened.reason)
        .collect()
}

#[test]
fn first_loads_are_told_together_and_once() {
    let happened = between(&opened(), &live());
    assert_eq!(
        happened,
        [Happening::normal(
            Reason::InitialRunCompleted,
            "Contact: 100 rows in table contact; Account: 100 rows in table account"
        )]
    );
    assert_eq!(between(&live(), &live()), []);
}

#[test]
fn what_does_not_fit_into_one_event_is_told_by_several() {
    let objects: Vec<_> = (0..60)
        .map(|number| json!({"name": format!("Object{number:02}__c")}))
        .collect();
    let before = Standing::recall(&spec(&json!({"objects": objects})), None);
    let mut after = before.clone();
    for object in before.objects {
        let run = report(&object.name, RunKind::Initial);
        after.observe(&object.name, RunKind::Initial, &ended(run));
    }
    let before = Standing::recall(&spec(&json!({"objects": objects})), None);
    let notes: Vec<String> = between(&before, &after)
        .into_iter()
        .map(|happened| happened.note)
        .collect();
    assert!(
        notes.len() > 1 && notes.iter().all(|note| note.len() <= 1024),
        "{notes:?}"
    );
    for number in 0..60 {
        let name = format!("Object{number:02}__c: 100 rows");
        assert!(notes.iter().any(|note| note.contains(&name)), "{name}");
    }
}

#[test]
fn the_first_failure_of_a_series_is_told_and_its_end() {
    let fails = |standing: &mut Standing| {
        let run = failed("Contact", RunKind::Incremental, Reason::SalesforceUnavailable);
        standing.observe("Contact", RunKind::Incremental, &run);
    };
    let (before, mut once) = (live(), live());
    fails(&mut once);
    assert_eq!(reasons(&before, &once), [Reason::RunFailed]);
    let mut twice = once.clone();
    fails(&mut twice);
    assert_eq!(reasons(&once, &twice), []);
    let mut mended = twice.clone();
    mended.observe(
        "Contact",
        RunKind::Incremental,
        &ended(report("Contact", RunKind::Incremental)),
    );
    assert_eq!(reasons(&twice, &mended), [Reason::RunRecovered]);
}

#[test]
fn trouble_is_told_by_what_a_person_has_to_mend() {
    for (kind, reason, told) in [
        (
            ErrorKind::Credentials,
            Reason::InvalidCredentials,
            Reason::CredentialsInvalid,
        ),
        (ErrorKind::Invalid, Reason::InvalidField, Reason::InvalidSpec),
        (ErrorKind::Invalid, Reason::SchemaConflict, Reason::RunFailed),
        (ErrorKind::Quota, Reason::QuotaExhausted, Reason::QuotaExhausted),
        (ErrorKind::Transient, Reason::SalesforceUnavailable, Reason::RunFailed),
    ] {
        let mut after = live();
        after.trouble = Some(Trouble::new(kind, reason, "what happened"));
        assert_eq!(between(&live(), &after), [Happening::warning(told, "what happened")]);
        assert_eq!(reasons(&after, &after), []);
        assert_eq!(reasons(&after, &live()), [Reason::RunRecovered]);
    }
}

#[test]
fn held_deletes_are_told_with_their_token_and_again_with_another() {
    let held = |count| {
        let mut standing = live();
        let mut run = report("Contact", RunKind::Incremental);
        run.held = Some(HeldDeletes {
            count,
            token: format!("{count}-abc"),
        });
        standing.observe("Contact", RunKind::Incremental, &RunEvent::Ended(Box::new(run)));
        standing
    };
    let happened = between(&live(), &held(7));
    assert_eq!(
        happened,
        [Happening::warning(
            Reason::DeleteGuard,
            "Contact: 7 deletes are held; token 7-abc"
        )]
    );
    assert_eq!(reasons(&held(7), &held(7)), []);
    assert_eq!(reasons(&held(7), &held(8)), [Reason::DeleteGuard]);
}

#[test]
fn objects_that_leave_and_manual_runs_are_told() {
    let mut after = live();
    let left = after.lists(&spec(&json!({"objects": [{"name": "Account"}]})));
    after.last_manual = Some("today".to_owned());
    assert_eq!(left, ["Contact"]);
    assert_eq!(
        reasons(&live(), &after),
        [Reason::ManualRunCompleted, Reason::ObjectRemoved]
    );
}
