//! Answers that are broken, or are not what the API promises.

use simulator::{Rule, Transfer, What};

use super::says;
use crate::bench::{Bench, SPECIMEN, each, missing, wrong};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_may_be_cut_anywhere() {
    let positions = [0, 1, 9, 10, 11, 100, 700, 2_000, 8_000, 16_000, 40_000];
    let cases = positions
        .into_iter()
        .enumerate()
        .map(|(index, at)| (at, index % 3 != 0, index % 2 == 0));
    each(cases, |(at, compress, chunked)| async move {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        bench.org.change_settings(|settings| {
            settings.compress = compress;
            settings.transfer = if chunked {
                Transfer::Chunked
            } else {
                Transfer::ContentLength
            };
        });
        let cut = || What::CutBody { at };
        bench.strike([
            Rule::at("describeSObjects", cut()),
            Rule::at("queryAll", cut()),
            Rule::at("queryMore", cut()),
            Rule::at("queryMore", cut()).after(1),
        ]);
        let outcome = bench.once().await;
        assert_eq!(
            outcome.code,
            Some(0),
            "cut at {at}, compressed: {compress}: {}",
            outcome.stderr
        );
        assert!(bench.org.rules().is_empty(), "{:?}", bench.org.rules());
        bench.assert_equal().await;
    })
    .await;
}

/// An answer that is not what the API promises.
struct Wrong {
    name: &'static str,
    rule: Rule,
    code: i32,
    says: &'static [&'static str],
    /// Rows of the first page that are committed all the same.
    rows: i64,
}

fn wrong_answers() -> Vec<Wrong> {
    let at_query = |name, what, code, says| Wrong {
        name,
        rule: Rule::at("queryMore", what).forever(),
        code,
        says,
        rows: 200,
    };
    let before = |name, call, what, says| Wrong {
        name,
        rule: Rule::at(call, what).forever(),
        code: 5,
        says,
        rows: 0,
    };
    vec![
        at_query(
            "a wrong stamp",
            wrong("SystemModstamp", "never mind"),
            6,
            &["Specimen__c", "system_modstamp"],
        ),
        at_query("no Id", missing("Id"), 5, &["Specimen__c", "Id"]),
        at_query(
            "no stamp",
            missing("SystemModstamp"),
            5,
            &["Specimen__c", "SystemModstamp"],
        ),
        at_query("no `done`", missing("done"), 5, &["Specimen__c", "done"]),
        Wrong {
            rows: 400,
            ..at_query(
                "a `done` that is no word",
                wrong("done", "maybe"),
                5,
                &["Specimen__c", "queryLocator"],
            )
        },
        at_query("no result", missing("result"), 5, &["Specimen__c", "result"]),
        before("no session", "login", missing("sessionId"), &["login", "sessionId"]),
        before("no server", "login", missing("serverUrl"), &["login", "serverUrl"]),
        before(
            "no objects",
            "describeSObjects",
            missing("result"),
            &["describeSObjects"],
        ),
        before(
            "no time",
            "getServerTimestamp",
            missing("timestamp"),
            &["getServerTimestamp", "timestamp"],
        ),
        before(
            "a time that is none",
            "getServerTimestamp",
            wrong("timestamp", "noon"),
            &["getServerTimestamp"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_what_was_promised_are_never_rows() {
    each(
        wrong_answers(),
        |Wrong {
             name,
             rule,
             code,
             says: words,
             rows,
         }| async move {
            let bench = Bench::sqlite(&[SPECIMEN]).await;
            bench.strike([rule]);
            let outcome = bench.once().await;
            assert_eq!(outcome.code, Some(code), "{name}: {}", outcome.stderr);
            says(&outcome, words);
            for told in ["never mind", "noon"] {
                assert!(
                    !outcome.all().contains(told),
                    "{name} tells the value: {}",
                    outcome.all()
                );
            }
            assert!(bench.org.counters().counted <= 20, "{name}: {:?}", bench.org.counters());
            if rows > 0 {
                let there = bench.database().number("SELECT count(*) FROM specimen__c").await;
                assert!(there <= rows, "{name}: {there} rows");
            }
            bench.org.clear_rules();
            bench.replicate().await;
            bench.assert_equal().await;
        },
    )
    .await;
}

/// A value that does not fit its column: its row is listed with the column and without the value, and all other rows are
/// there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_do_not_fit_reject_their_rows_and_no_others() {
    let cases = [
        ("Double__c", "double__c", "twelve and a half"),
        ("Int__c", "int__c", "4.5.6"),
        ("Date__c", "date__c", "the day after"),
        ("Date__c", "date__c", "2026-02-30"),
        ("DateTime__c", "date_time__c", "yesterday"),
        ("Checkbox__c", "checkbox__c", "perhaps"),
    ];
    each(cases, |(field, column, value)| async move {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        bench.strike([Rule::at("queryMore", wrong(field, value)).forever()]);
        for _ in 0..2 {
            // They stay rejected, and say so, until somebody mends them.
            let outcome = bench.once().await;
            assert_eq!(outcome.code, Some(6), "{value:?}: {}", outcome.stderr);
            says(&outcome, &["Specimen__c", "250 rows", "_rejected_row"]);
            assert!(!outcome.all().contains(value), "the value is told: {}", outcome.all());
            let rejected =
                "SELECT column_name, count(*), max(instr(reason, '{value}')) FROM _rejected_row GROUP BY column_name";
            assert_eq!(
                bench.database().query(&rejected.replace("{value}", value)).await,
                [[Some(column.to_owned()), Some("250".to_owned()), Some("0".to_owned())]]
            );
            assert_eq!(bench.database().number("SELECT count(*) FROM specimen__c").await, 200);
            bench.org.clear_rules();
        }
        drop(bench.run("run", &["--once", "--kind", "refresh"]).await.exits(0));
        assert_eq!(bench.database().number("SELECT count(*) FROM _rejected_row").await, 0);
        bench.assert_equal().await;
    })
    .await;
}

/// A page that says less than it promised must not make a run a success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_ends_too_soon_is_not_success() {
    each(
        [missing("queryLocator"), missing("records"), wrong("done", "true")],
        |what| async move {
            let bench = Bench::sqlite(&[SPECIMEN]).await;
            bench.strike([Rule::at("queryMore", what)]);
            let outcome = bench.once().await;
            if outcome.code == Some(0) {
                bench.assert_equal().await;
            } else {
                says(&outcome.exits(5), &["Specimen__c"]);
            }
            bench.org.clear_rules();
            bench.replicate().await;
            bench.assert_equal().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_never_hold_what_they_promise_end_the_run() {
    // Where first pages hold their rows, another query goes on behind them, until all are read.
    each([("queryAll", 5), ("queryMore", 0)], |(call, code)| async move {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        bench.strike([Rule::at(call, missing("records")).forever()]);
        let outcome = bench.once().await;
        assert_eq!(outcome.code, Some(code), "{call}: {}", outcome.stderr);
        if code != 0 {
            says(&outcome, &["Specimen__c", "rows that it does not give"]);
        }
        let counters = bench.org.counters();
        assert!(counters.counted <= 20, "{call}: {counters:?}");
        bench.org.clear_rules();
        if code != 0 {
            bench.replicate().await;
        }
        bench.assert_equal().await;
    })
    .await;
}
