//! Objects are planned apart: what is wrong with one keeps no other one from running.

use serde_json::{Value, json};
use url::Url;

use crate::{
    Problems,
    plan::{Input, Plan, fixture, make},
};

fn planned(objects: Value, more: Value) -> Result<Plan, Problems> {
    make(Input {
        spec: &fixture::spec_with(objects, more),
        schema: &fixture::schema(),
        instance_url: &Url::parse("https://acme.my.salesforce.com").unwrap(),
        capabilities: fixture::POSTGRES,
        existing: &std::collections::BTreeMap::new(),
    })
}

fn wrong() -> Value {
    json!([
        {"name": "Contcat", "table": "people"},
        {"name": "account", "where": "Nmae != null"},
        {"name": "Lead"},
        {"name": "User", "mapping": "None", "fields": [{"source": "Emial", "column": "a"}, {"source": "MailingAddress", "column": "b"}],
         "where": "Email != null ORDER BY Email"},
    ])
}

#[test]
fn what_is_wrong_with_an_object_is_told_beside_the_plans_of_the_others() {
    let plan = planned(wrong(), json!({})).unwrap();
    let objects: Vec<&str> = plan.objects.iter().map(|plan| plan.object.as_str()).collect();
    assert_eq!(objects, ["Lead"]);
    let unplanned: Vec<_> = plan
        .unplanned
        .iter()
        .map(|unplanned| {
            let (object, table) = (unplanned.object.as_str(), unplanned.table.as_str());
            (object, table, unplanned.reason, unplanned.problems.0.len())
        })
        .collect();
    assert_eq!(
        unplanned,
        [
            ("Contcat", "people", "InvalidObject", 1),
            ("Account", "account", "InvalidField", 1),
            // Of several reasons none is the one.
            ("User", "user", "InvalidSpec", 3),
        ]
    );
    let error = plan.unplanned[0].error();
    assert_eq!(
        (error.kind(), error.reason()),
        (salesforce::ErrorKind::Invalid, "InvalidObject")
    );
    assert_eq!(error.message(), plan.problems().0[0]);
    assert_eq!(plan.problems().0.len(), 5);
}

#[test]
fn an_object_is_planned_as_it_would_be_without_the_others() {
    let alone = planned(json!([{"name": "Lead"}]), json!({})).unwrap();
    let beside = planned(wrong(), json!({})).unwrap();
    assert_eq!(beside.objects, alone.objects);
    assert_eq!((beside.warnings, beside.api_calls), (alone.warnings, alone.api_calls));
    // An Account leaves out whom a Contact brings, whether that can be planned at the moment or not.
    let accounts = |contact: Value| {
        let plan = planned(json!([contact, {"name": "Account"}]), json!({})).unwrap();
        let account = plan.objects.into_iter().find(|plan| plan.object.as_str() == "Account");
        account.unwrap().hash
    };
    assert_eq!(
        accounts(json!({"name": "Contact"})),
        accounts(json!({"name": "Contact", "where": "Nmae != null"}))
    );
}

#[test]
fn what_is_wrong_with_the_whole_refuses_everything_and_tells_all_of_it() {
    for (more, twice, words) in [
        (json!({"parallelism": 0}), json!([]), "parallelism"),
        (json!({"execution": {"jobs": "Always"}}), json!([]), "execution.jobs"),
        (
            json!({}),
            json!([{"name": "Opportunity", "table": "lead"}]),
            "that of Lead already",
        ),
        (json!({}), json!([{"name": "lead"}]), "listed twice"),
    ] {
        let mut objects = wrong();
        objects
            .as_array_mut()
            .unwrap()
            .extend(twice.as_array().unwrap().clone());
        let Problems(problems) = planned(objects, more).unwrap_err();
        assert!(problems.len() >= 6, "{problems:#?}");
        for word in [words, "Contcat", "Nmae", "Emial", "MailingAddress", "ORDER BY"] {
            assert!(
                problems.iter().any(|problem| problem.contains(word)),
                "{word}: {problems:#?}"
            );
        }
    }
}
