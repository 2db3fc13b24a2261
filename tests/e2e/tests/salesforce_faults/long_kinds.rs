//! The same faults in a Verify, a Reconcile and a Refresh: kinds that decide about deletes by what is *not* in an answer.

use std::collections::BTreeSet;

use simulator::{Rule, What};

use super::{passing, passing_faults, says};
use crate::bench::{
    Bench, each,
    long::{KINDS, Kind},
    missing, wrong,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_passes_at_every_call_of_a_long_run_is_not_noticed() {
    let faults = || {
        let chosen = [
            "SERVER_UNAVAILABLE",
            "502 with a page",
            "a body cut off",
            "half an envelope",
            "a reset",
        ];
        let mut faults = passing_faults();
        faults.retain(|fault| chosen.contains(&fault.name));
        faults.push(passing("an end of the session", What::EndSession));
        assert_eq!(faults.len(), chosen.len() + 1);
        faults
    };
    let cases = KINDS
        .into_iter()
        .flat_map(|kind| faults().into_iter().map(move |fault| (kind, fault)));
    each(cases, |(kind, fault)| async move {
        let bench = kind.bench().await;
        bench.strike(kind.calls().iter().map(|call| Rule::at(call, fault.what.clone())));
        let outcome = kind.run(&bench).await;
        let name = fault.name;
        assert_eq!(outcome.code, Some(0), "{name}, {kind:?}: {}", outcome.stderr);
        let left = bench.org.rules();
        assert!(left.is_empty(), "{name}, {kind:?} did not happen everywhere: {left:?}");
        bench.assert_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_stays_ends_a_long_run_and_the_next_one_makes_table_and_org_equal() {
    let mut cases = Vec::new();
    for kind in KINDS {
        for call in kind.calls() {
            for (what, words) in [
                (
                    What::fault("SERVER_UNAVAILABLE", "busy"),
                    ["SERVER_UNAVAILABLE", "busy or under maintenance"],
                ),
                (What::quota(), ["REQUEST_LIMIT_EXCEEDED", "24 hours are used up"]),
                (What::fault("BRAND_NEW_CODE", "x"), ["BRAND_NEW_CODE", "at 127.0.0.1"]),
            ] {
                cases.push((kind, *call, what, words));
            }
        }
    }
    each(cases, |(kind, call, what, words)| async move {
        let bench = kind.bench().await;
        let before = ids(&bench).await;
        bench.strike([Rule::at(call, what).forever()]);
        let outcome = kind.run(&bench).await;
        assert_eq!(
            outcome.code,
            Some(5),
            "{words:?} at {call}, {kind:?}: {}",
            outcome.stderr
        );
        says(&outcome, &words);
        assert_only_right_deletes(&bench, &before).await;
        bench.org.clear_rules();
        drop(kind.run(&bench).await.exits(0));
        bench.assert_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_at_any_call_of_a_long_run_is_renewed_once() {
    for kind in KINDS {
        let bench = kind.bench().await;
        drop(kind.run(&bench).await.exits(0));
        let calls: u64 = bench.org.counters().calls.values().sum();
        assert!(calls >= 7, "{kind:?}: {calls}");
        each(1..calls, |call| async move {
            let bench = kind.bench().await;
            bench.strike([Rule::at_any(What::EndSession).after(call)]);
            let outcome = kind.run(&bench).await;
            assert_eq!(outcome.code, Some(0), "call {call}, {kind:?}: {}", outcome.stderr);
            assert!(bench.org.rules().is_empty(), "call {call} was not made");
            assert_eq!(bench.calls("login"), 2, "call {call}, {kind:?}");
            bench.assert_equal().await;
        })
        .await;
    }
}

/// What an answer does not have is no record that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_lacks_records_takes_no_row_away() {
    let cases = [
        ("no records", "queryAll", missing("records")),
        ("an early end", "queryAll", wrong("done", "true")),
        ("no records on a later page", "queryMore", missing("records")),
        ("an early end on a later page", "queryMore", wrong("done", "true")),
        ("no locator", "queryAll", missing("queryLocator")),
        ("a dead locator", "queryMore", What::dead_locator()),
        ("a body cut off", "queryAll", What::CutBody { at: 900 }),
    ];
    let mut all = Vec::new();
    for kind in KINDS {
        for (name, call, what) in &cases {
            // A Verify reads by Id, a page at most.
            if kind == Kind::Verify && (*call == "queryMore" || *name == "no locator") {
                continue;
            }
            for rule in [Rule::at(call, what.clone()), Rule::at(call, what.clone()).forever()] {
                // Not the query for the rights of the user, which nothing depends on.
                all.push((kind, *name, rule.of("Specimen__c")));
            }
        }
    }
    each(all, |(kind, name, rule)| async move {
        let bench = kind.bench().await;
        let before = ids(&bench).await;
        bench.strike([rule]);
        let outcome = kind.run(&bench).await;
        assert!(
            matches!(outcome.code, Some(0 | 5)),
            "{name}, {kind:?}: {}",
            outcome.stderr
        );
        assert_only_right_deletes(&bench, &before).await;
        if outcome.code == Some(0) {
            bench.org.clear_rules();
            bench.assert_equal().await;
        } else {
            says(&outcome, &["Specimen__c"]);
        }
        bench.org.clear_rules();
        drop(kind.run(&bench).await.exits(0));
        bench.assert_equal().await;
    })
    .await;
}

/// What getDeleted says in error is not taken at its word.
#[tokio::test]
async fn a_record_that_the_log_calls_deleted_and_queries_show_stays() {
    let bench = Kind::Verify.bench().await;
    let alive = bench.org.id("Specimen__c", 1).expect("a row");
    bench.strike([Rule::at("getDeleted", wrong("id", &alive))]);
    drop(Kind::Verify.run(&bench).await.exits(0));
    assert!(ids(&bench).await.contains(&alive));
}

#[tokio::test]
async fn a_log_that_does_not_reach_back_is_replaced_by_a_comparison_of_everything() {
    for (call, what) in [
        (
            "getUpdated",
            What::fault(
                "INVALID_REPLICATION_DATE",
                "startDate before org replication enabled date",
            ),
        ),
        (
            "getDeleted",
            What::fault("INVALID_REPLICATION_DATE", "startDate is too old"),
        ),
    ] {
        let bench = Kind::Verify.bench().await;
        bench.strike([Rule::at(call, what)]);
        let outcome = bench
            .run("run", &["--once", "--kind", "verify", "-o", "json"])
            .await
            .exits(0);
        assert_eq!(outcome.json()["runs"][0]["kind"], "Reconcile", "{}", outcome.stdout);
        bench.assert_equal().await;
    }
}

/// Ids of the table's rows.
async fn ids(bench: &Bench) -> BTreeSet<String> {
    let rows = bench.database().query("SELECT salesforce_id FROM specimen__c").await;
    rows.into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}

/// Of the rows that were there, only such are gone as the org has no more.
async fn assert_only_right_deletes(bench: &Bench, before: &BTreeSet<String>) {
    let now = ids(bench).await;
    let rows = bench.org.rows_of("Specimen__c", &["Id"]).expect("the object is there");
    let live: BTreeSet<String> = rows.filter(|row| !row.deleted).map(|row| row.id).collect();
    let wrongly: Vec<_> = before.difference(&now).filter(|id| live.contains(*id)).collect();
    assert!(wrongly.is_empty(), "live records whose rows are gone: {wrongly:?}");
}
