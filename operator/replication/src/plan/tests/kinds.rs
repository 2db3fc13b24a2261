//! When each kind of run is due, and what is held.

#![expect(clippy::needless_pass_by_value, reason = "json!(..) is written where it is passed")]

use std::time::Duration;

use salesforce::describe::ObjectDescribe;
use serde_json::{Value, json};

use crate::plan::{ObjectPlan, PlanView, VerifyBy, fixture};

fn make(objects: Value, consistency: Value) -> crate::plan::Plan {
    let spec = fixture::spec_with(objects, json!({"consistency": consistency}));
    fixture::make_with(&spec, &fixture::schema(), fixture::POSTGRES).unwrap()
}

fn hours(plan: &ObjectPlan) -> [Option<u64>; 3] {
    let periods = plan.periods;
    [periods.verify, periods.reconcile, periods.refresh].map(|period| period.map(|period| period.as_secs() / 3600))
}

#[test]
fn objects_whose_columns_change_without_a_stamp_are_refreshed_each_day() {
    for (object, expected) in [
        (json!({"name": "Contact"}), 24),
        (json!({"name": "Account"}), 168),
        (json!({"name": "Lead"}), 168),
        (
            json!({"name": "Lead", "fields": [{"source": "Owner.Name", "column": "owner"}]}),
            24,
        ),
        (json!({"name": "Contact", "mapping": "Mirror"}), 24),
        (
            json!({"name": "Contact", "mapping": "Mirror", "exclude": ["Score__c"]}),
            168,
        ),
        (
            json!({"name": "Account", "urls": [{"column": "u", "template": "https://example.com/{Owner.Name}"}]}),
            24,
        ),
        (json!({"name": "Account", "where": "Owner.Name = 'x'"}), 168),
    ] {
        let plan = make(json!([object]), json!({}));
        assert_eq!(hours(&plan.objects[0]), [Some(1), Some(24), Some(expected)], "{object}");
        assert_eq!(plan.objects[0].verify_by, VerifyBy::Log);
    }
}

#[test]
fn what_is_written_counts_for_all_objects() {
    let plan = make(
        json!([{"name": "Contact"}, {"name": "Account"}]),
        json!({"verifyEvery": "2h", "reconcileEvery": "0s", "refreshEvery": "72h", "maxDeletePercent": 0}),
    );
    for object in &plan.objects {
        assert_eq!(hours(object), [Some(2), None, Some(72)], "{}", object.object);
    }
    assert_eq!(plan.max_delete_percent, 0);
    let percent = |consistency| make(json!([{"name": "Account"}]), consistency).max_delete_percent;
    assert_eq!(
        (percent(json!({})), percent(json!({"maxDeletePercent": 100}))),
        (10, 100)
    );
}

/// An object that Salesforce keeps no log of.
fn log() -> ObjectDescribe {
    let mut object = fixture::object("Log__c", Vec::new());
    object.summary.replicateable = false;
    object
}

#[test]
fn reconcile_takes_the_place_of_verify_where_salesforce_keeps_no_log() {
    let make = |consistency: Value| {
        let spec = fixture::spec_with(json!([{"name": "Log__c"}]), json!({"consistency": consistency}));
        fixture::make_with(&spec, &fixture::schema_with([log()]), fixture::POSTGRES).unwrap()
    };
    for (consistency, listing, told) in [
        (
            json!({}),
            Some(1),
            "are found by Reconcile only, which takes Verify's place and runs every 1h",
        ),
        (
            json!({"verifyEvery": "90m", "reconcileEvery": "30m"}),
            Some(0),
            "are found by Reconcile only, which takes Verify's place and runs every 30m",
        ),
        (
            json!({"verifyEvery": "0s"}),
            Some(24),
            "are found by Reconcile only, which takes Verify's place and runs every 24h",
        ),
        (
            json!({"verifyEvery": "0s", "reconcileEvery": "0s"}),
            None,
            "are not found, since consistency.verifyEvery and reconcileEvery are 0s",
        ),
    ] {
        let plan = make(consistency.clone());
        let object = &plan.objects[0];
        assert_eq!(object.verify_by, VerifyBy::Listing);
        let period = object
            .periods
            .listing(object.verify_by)
            .map(|period| period.as_secs() / 3600);
        assert_eq!(period, listing, "{consistency}");
        assert_eq!(
            plan.warnings,
            [format!(
                "Log__c: Salesforce does not list its changes and deletes (it is not replicateable): late commits and hard \
                 deletes {told}"
            )]
        );
    }
    let plan = make(json!({"reconcileEvery": "24h"}));
    assert_eq!(
        plan.objects[0].periods.reconcile,
        Some(Duration::from_hours(24)),
        "its own period stays"
    );
    let view = PlanView::new(&plan, |_| Vec::new());
    let kinds = serde_json::to_value(&view.objects[0].kinds).unwrap();
    assert_eq!(
        kinds,
        json!([
            {"kind": "Incremental", "every": "each run", "callsPerDay": 288},
            {"kind": "Verify", "every": "by Reconcile", "callsPerDay": 0},
            {"kind": "Reconcile", "every": "1h", "callsPerDay": 24},
            {"kind": "Refresh", "every": "168h", "callsPerDay": 1},
        ])
    );
}

#[test]
fn deletes_that_no_query_shows_are_told_with_who_finds_them() {
    let mut object = fixture::object("A__c", Vec::new());
    object.fields.retain(|field| field.name != "IsDeleted");
    let schema = fixture::schema_with([object]);
    for (consistency, expected) in [
        (json!({}), "found by Verify and Reconcile"),
        (json!({"verifyEvery": "0s"}), "found by Reconcile"),
        (
            json!({"verifyEvery": "0s", "reconcileEvery": "0s"}),
            "and Verify and Reconcile are switched off, so its deletes are not found",
        ),
    ] {
        let spec = fixture::spec_with(json!([{"name": "A__c"}]), json!({"consistency": consistency}));
        let plan = fixture::make_with(&spec, &schema, fixture::POSTGRES).unwrap();
        assert_eq!(
            plan.warnings,
            [format!(
                "A__c: it has no IsDeleted: Incremental cannot see its deletes, {expected}"
            )]
        );
    }
}
