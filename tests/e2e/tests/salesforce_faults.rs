//! What goes wrong between the binary and Salesforce: each ends as it should, says what to do, and loses nothing.
//!
//! A fault that passes is put at every kind of call of one run, which must end well. A fault that stays must end the run
//! with its exit code and a message, after a known number of calls; when it is gone, the same command makes table and org
//! equal.

mod answers;
mod login;
mod long_kinds;
mod time_limits;

use e2e::binary::Outcome;
use simulator::{FaultElement, Rule, What};

use crate::bench::{Bench, CALLS, SPECIMEN, each};

/// Tries of one call within a run.
const TRIES: u64 = 5;

/// Pages of the specimens.
const PAGES: u64 = 3;

const CONCURRENT: &str = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";

#[track_caller]
fn says(outcome: &Outcome, words: &[&str]) {
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} is not in:\n{}", outcome.stderr);
    }
}

/// A fault that lasts for one call.
struct Passing {
    name: &'static str,
    what: What,
}

fn passing(name: &'static str, what: What) -> Passing {
    Passing { name, what }
}

fn replace(text: &str) -> What {
    What::ReplaceBody { text: text.to_owned() }
}

/// Faults after which the same call works.
fn passing_faults() -> Vec<Passing> {
    let http = |status, body: &str| What::Http {
        status,
        body: body.to_owned(),
        content_type: "text/plain".to_owned(),
        retry_after: None,
    };
    vec![
        passing("SERVER_UNAVAILABLE", What::fault("SERVER_UNAVAILABLE", "busy")),
        passing(
            "UNKNOWN_EXCEPTION",
            What::fault("UNKNOWN_EXCEPTION", "An unexpected error occurred."),
        ),
        passing("too many at once", What::fault("REQUEST_LIMIT_EXCEEDED", CONCURRENT)),
        passing("502 with a page", What::html(502)),
        passing("503 with a page", What::html(503)),
        passing("503 without a body", http(503, "")),
        passing("420 of the edge", http(420, "enhance your calm")),
        passing("a page with 200", What::html(200)),
        passing("nothing instead of XML", replace("")),
        passing(
            "half an envelope",
            replace("<?xml version=\"1.0\"?><soapenv:Envelope xmlns:soapenv=\"http://sch"),
        ),
        passing("no XML", replace("Service temporarily not available")),
        passing("a body cut off", What::CutBody { at: 300 }),
        passing("bytes that are not UTF-8", What::InvalidUtf8 { element: None }),
        passing("a reset", What::Reset),
        passing("a slow answer", What::Delay { milliseconds: 300 }),
        passing(
            "a drip",
            What::Drip {
                bytes: 400,
                milliseconds: 1,
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_passes_at_every_call_of_a_run_is_not_noticed() {
    each(passing_faults(), |Passing { name, what }| async move {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        bench.strike(CALLS.map(|call| Rule::at(call, what.clone())));
        let outcome = bench.once().await;
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        assert!(
            bench.org.rules().is_empty(),
            "{name} did not happen everywhere: {:?}",
            bench.org.rules()
        );
        let counters = bench.org.counters();
        // Each call twice, and the page whose answer was lost costs a query and its pages more.
        assert!(
            counters.of("login") <= 2 && counters.counted <= 14,
            "{name}: {counters:?}"
        );
        bench.assert_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_at_any_call_is_renewed_once() {
    let bench = Bench::sqlite(&[SPECIMEN]).await;
    bench.replicate().await;
    let first: u64 = bench.org.counters().calls.values().sum();
    bench.org.reset_calls();
    bench.replicate().await;
    let second: u64 = bench.org.counters().calls.values().sum();
    assert!(first >= 7 && second >= 4, "{first} and {second}");
    let cases = (1..first)
        .map(|call| (false, call))
        .chain((1..second).map(|call| (true, call)));
    each(cases, |(is_second, call)| async move {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        if is_second {
            bench.replicate().await;
            let id = bench.org.id("Specimen__c", 7).expect("a row");
            bench
                .org
                .update("Specimen__c", &id, &[("Text__c", "changed since")])
                .expect("a change");
        }
        bench.org.reset_calls();
        bench.strike([Rule::at_any(What::EndSession).after(call)]);
        let outcome = bench.once().await;
        assert_eq!(
            outcome.code,
            Some(0),
            "call {call}, second run: {is_second}: {}",
            outcome.stderr
        );
        assert!(bench.org.rules().is_empty(), "call {call} was not made");
        assert_eq!(bench.calls("login"), 2, "call {call}, second run: {is_second}");
        bench.assert_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_always_end_are_given_up_after_a_few_logins() {
    let bench = Bench::sqlite(&[SPECIMEN, "{name: Contact}"]).await;
    bench.strike([Rule::at_any(What::EndSession).forever()]);
    let outcome = bench.once().await.exits(5);
    says(&outcome, &["a session that it has just issued", "log"]);
    assert!(bench.calls("login") <= 2 * TRIES, "{}", bench.calls("login"));
    bench.org.clear_rules();
    bench.replicate().await;
    bench.assert_equal().await;
}

/// A fault that stays.
struct Staying {
    name: &'static str,
    rules: Vec<Rule>,
    code: i32,
    says: Vec<&'static str>,
    /// How often the call is made, where that is known.
    calls: Option<(&'static str, u64)>,
}

fn staying(
    name: &'static str,
    rule: Rule,
    code: i32,
    says: &[&'static str],
    calls: Option<(&'static str, u64)>,
) -> Staying {
    Staying {
        name,
        rules: vec![rule.forever()],
        code,
        says: says.to_vec(),
        calls,
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn staying_faults() -> Vec<Staying> {
    let mut cases: Vec<Staying> = CALLS
        .into_iter()
        .map(|call| {
            let rule = Rule::at(call, What::fault("SERVER_UNAVAILABLE", "busy"));
            // The second page is asked for TRIES times by each of the queries, which bring a page each.
            let calls = (call != "queryMore").then_some((call, TRIES));
            let mut words = vec![call, "SERVER_UNAVAILABLE", "busy or under maintenance", "127.0.0.1"];
            words.extend(matches!(call, "queryAll" | "queryMore").then_some("Specimen__c"));
            staying("a server that stays busy", rule, 5, &words, calls)
        })
        .collect();
    let at_query = |name, what, says: &[&'static str]| {
        let words: Vec<_> = ["Specimen__c"].iter().chain(says).copied().collect();
        staying(name, Rule::at("queryAll", what), 5, &words, Some(("queryAll", TRIES)))
    };
    cases.extend([
        at_query(
            "a page with 503",
            What::html(503),
            &["a web page (HTTP status 503)", "maintenance"],
        ),
        at_query(
            "a page with 200",
            What::html(200),
            &["a web page (HTTP status 200)", "proxy"],
        ),
        at_query("a reset", What::Reset, &["queryAll of"]),
        at_query(
            "too many at once",
            What::fault("REQUEST_LIMIT_EXCEEDED", CONCURRENT),
            &["too many long requests at once"],
        ),
    ]);
    let once = |name, call: &'static str, what, code, says: &[&'static str]| {
        staying(name, Rule::at(call, what), code, says, Some((call, 1)))
    };
    cases.extend(
        [
            "describeGlobal",
            "describeSObjects",
            "getServerTimestamp",
            "queryAll",
            "queryMore",
        ]
        .map(|call| {
            once(
                "the quota of the day",
                call,
                What::quota(),
                5,
                &["REQUEST_LIMIT_EXCEEDED", "24 hours are used up"],
            )
        }),
    );
    cases.extend([
        once(
            "an unknown code",
            "queryAll",
            What::fault("BRAND_NEW_CODE", "x"),
            5,
            &["Specimen__c", "BRAND_NEW_CODE"],
        ),
        once(
            "a field that went",
            "queryAll",
            What::fault(
                "INVALID_FIELD",
                "No such column 'Text__c' on entity 'Specimen__c'. If you are ..",
            ),
            3,
            &["Specimen__c", "no field Text__c", "field-level security"],
        ),
        once(
            "an object that went",
            "queryAll",
            What::fault("INVALID_TYPE", "sObject type 'Specimen__c' is not supported."),
            3,
            &["no object Specimen__c", "may not see it"],
        ),
        once(
            "a refusal by a proxy",
            "queryAll",
            What::Http {
                status: 403,
                body: "<html>no</html>".into(),
                content_type: "text/html".into(),
                retry_after: None,
            },
            5,
            &["403", "Specimen__c"],
        ),
        Staying {
            name: "a query that runs too long",
            rules: vec![Rule::at("queryAll", What::query_timeout()).forever()],
            code: 5,
            says: vec!["Specimen__c", "longer than Salesforce allows"],
            // As it is, and with two smaller LIMITs.
            calls: Some(("queryAll", 3)),
        },
        Staying {
            name: "a query that runs too long, told as a locator",
            rules: vec![
                Rule::at(
                    "queryAll",
                    What::Fault {
                        code: "INVALID_QUERY_LOCATOR".into(),
                        message: "invalid query locator".into(),
                        element: Some(FaultElement::InvalidQueryLocatorFault),
                    },
                )
                .forever(),
            ],
            code: 5,
            says: vec!["Specimen__c", "longer than Salesforce allows"],
            calls: Some(("queryAll", 3)),
        },
    ]);
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_stays_ends_the_run_and_the_next_one_goes_on() {
    each(
        staying_faults(),
        |Staying {
             name,
             rules,
             code,
             says: words,
             calls,
         }| async move {
            let bench = Bench::sqlite(&[SPECIMEN]).await;
            bench.strike(rules);
            let outcome = bench.once().await;
            assert_eq!(outcome.code, Some(code), "{name}: {}", outcome.stderr);
            says(&outcome, &words);
            if let Some((call, times)) = calls {
                assert_eq!(bench.calls(call), times, "{name}: {:?}", bench.org.counters());
            }
            bench.org.clear_rules();
            bench.replicate().await;
            bench.assert_equal().await;
        },
    )
    .await;
}

#[tokio::test]
async fn what_was_read_before_a_fault_is_kept_and_not_read_again() {
    let bench = Bench::sqlite(&[SPECIMEN]).await;
    bench.strike([Rule::at("queryMore", What::quota()).after(1).forever()]);
    let outcome = bench.run("run", &["--once", "-o", "json"]).await.exits(5);
    let run = &outcome.json()["runs"][0];
    assert_eq!(
        (&run["rowsRead"], &run["error"]["reason"]),
        (&400.into(), &"QuotaExhausted".into()),
        "{run}"
    );
    assert_eq!(bench.database().number("SELECT count(*) FROM specimen__c").await, 400);
    bench.org.clear_rules();
    let outcome = bench.run("run", &["--once", "-o", "json"]).await.exits(0);
    assert_eq!(outcome.json()["runs"][0]["rowsRead"], 50, "{}", outcome.stdout);
    bench.assert_equal().await;
}

#[tokio::test]
async fn one_object_that_fails_does_not_stop_the_others() {
    let bench = Bench::sqlite(&[SPECIMEN, "{name: Contact}", "{name: Account}"]).await;
    bench.strike([Rule::at("queryAll", What::fault("BRAND_NEW_CODE", "x"))
        .of("Contact")
        .forever()]);
    let outcome = bench.once().await.exits(7);
    says(&outcome, &["Contact", "BRAND_NEW_CODE"]);
    assert_eq!(bench.database().number("SELECT count(*) FROM specimen__c").await, 450);
    bench.org.clear_rules();
    bench.replicate().await;
    bench.assert_equal().await;
}

/// Makes rules.
type Rules = fn() -> Vec<Rule>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incremental_that_is_disturbed_brings_every_change() {
    let disturbances: [(&str, Rules); 5] = [
        ("dead locators", || {
            vec![Rule::at("queryMore", What::KillLocators).times(2)]
        }),
        ("a dead locator that stays", || {
            vec![Rule::at("queryMore", What::dead_locator()).forever()]
        }),
        ("a query that runs too long", || {
            vec![Rule::at("queryAll", What::query_timeout())]
        }),
        ("cut pages", || {
            vec![
                Rule::at("queryAll", What::CutBody { at: 5_000 }),
                Rule::at("queryMore", What::CutBody { at: 5_000 }),
            ]
        }),
        ("an end of the session at the last page", || {
            vec![Rule::at("queryMore", What::EndSession).after(1)]
        }),
    ];
    each(disturbances, |(name, rules)| async move {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        bench.replicate().await;
        for row in 0..450 {
            let id = bench.org.id("Specimen__c", row).expect("a row");
            match row % 10 {
                0 => bench.org.delete("Specimen__c", &id).expect("a delete"),
                _ => bench
                    .org
                    .update("Specimen__c", &id, &[("Text20__c", "new")])
                    .expect("a change"),
            }
        }
        bench.org.reset_calls();
        bench.strike(rules());
        let outcome = bench.once().await;
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        assert!(bench.org.counters().counted <= 16, "{name}: {:?}", bench.org.counters());
        bench.org.clear_rules();
        bench.assert_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_load_whose_locators_die_goes_on_behind_the_last_row() {
    let cases: [(&str, Rule); 4] = [
        ("once", Rule::at("queryMore", What::KillLocators)),
        ("at the last page", Rule::at("queryMore", What::KillLocators).after(1)),
        ("always", Rule::at("queryMore", What::KillLocators).forever()),
        (
            "told by a fault, always",
            Rule::at("queryMore", What::dead_locator()).forever(),
        ),
    ];
    each(cases, |(name, rule)| async move {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        bench.strike([rule]);
        let outcome = bench.once().await;
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        assert!(
            bench.calls("queryAll") <= PAGES,
            "{name}: each query brings a page: {:?}",
            bench.org.counters()
        );
        bench.org.clear_rules();
        bench.assert_equal().await;
    })
    .await;
}

#[tokio::test]
async fn an_api_version_that_is_not_served_is_told() {
    let mut bench = Bench::sqlite(&[SPECIMEN]).await;
    bench.resource.api_version = "99.0".into();
    let outcome = bench.once().await.exits(3);
    says(&outcome, &["UNSUPPORTED_API_VERSION", "spec.connection.apiVersion"]);
    bench.resource.api_version = "40.0".into();
    let outcome = bench.once().await.exits(3);
    says(&outcome, &["spec.connection.apiVersion", "66.0"]);
    bench.resource.api_version = "66.0".into();
    bench.replicate().await;
    bench.assert_equal().await;
}

#[tokio::test]
async fn a_host_that_is_no_org_is_told() {
    let mut bench = Bench::sqlite(&[SPECIMEN]).await;
    // The discard port, which nothing listens on.
    let right = std::mem::replace(&mut bench.resource.login_url, "http://127.0.0.1:9".into());
    let outcome = bench.once().await.exits(5);
    says(&outcome, &["login at 127.0.0.1:9", "no connection", "proxy"]);
    bench.resource.login_url = format!("{right}/somewhere/else");
    let outcome = bench.once().await;
    assert!(matches!(outcome.code, Some(0 | 3)), "{}", outcome.stderr);
    bench.resource.login_url = right;
    bench.replicate().await;
    bench.assert_equal().await;
}
