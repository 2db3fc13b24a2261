//! What goes wrong between the org and the process, by chance.

use fastrand::Rng;
use simulator::{Rule, What};

/// A fault of one of the next calls.
pub(crate) fn fault(rng: &mut Rng, objects: &[String]) -> Rule {
    let call = CALLS[rng.usize(..CALLS.len())];
    let what = match rng.u32(..16) {
        0..8 => of_any(rng),
        _ => of_call(rng, call),
    };
    let rule = Rule::at(call, what).after(rng.u64(..5)).times(rng.u64(1..=3));
    let about_rows = matches!(call, "queryAll" | "queryMore" | "getUpdated" | "getDeleted");
    if about_rows && rng.bool() {
        rule.of(&objects[rng.usize(..objects.len())])
    } else {
        rule
    }
}

/// Where faults come; queries more often than others, since they are most of the calls.
const CALLS: [&str; 16] = [
    "queryAll",
    "queryAll",
    "queryAll",
    "queryAll",
    "queryAll",
    "queryAll",
    "queryMore",
    "queryMore",
    "queryMore",
    "getUpdated",
    "getUpdated",
    "getDeleted",
    "getServerTimestamp",
    "describeGlobal",
    "describeSObjects",
    "login",
];

/// What can happen to any call.
fn of_any(rng: &mut Rng) -> What {
    match rng.u32(..9) {
        0 => What::html(503),
        1 => What::html(502),
        2 => What::fault("SERVER_UNAVAILABLE", "the server is too busy"),
        3 => What::CutBody { at: rng.u64(..4_000) },
        4 => What::Reset,
        5 => What::EndSession,
        6 => What::KillLocators,
        7 => What::Delay {
            milliseconds: rng.u64(1..5),
        },
        _ => What::ReplaceBody {
            text: "<html>a proxy's page</html>".into(),
        },
    }
}

/// What a call itself may say.
fn of_call(rng: &mut Rng, call: &str) -> What {
    let from = |faults: &[What], rng: &mut Rng| faults[rng.usize(..faults.len())].clone();
    let missing = |element: &str| What::MissingElement {
        element: element.into(),
    };
    match call {
        "queryAll" => from(
            &[
                What::query_timeout(),
                What::quota(),
                What::fault("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
                What::InvalidUtf8 { element: None },
                What::Drip {
                    bytes: 400,
                    milliseconds: 0,
                },
                missing("size"),
                missing("done"),
                missing("queryLocator"),
                missing("Id"),
                missing("SystemModstamp"),
            ],
            rng,
        ),
        "queryMore" => from(
            &[
                What::dead_locator(),
                What::dead_locator(),
                What::dead_locator(),
                What::query_timeout(),
                What::quota(),
                missing("done"),
                missing("SystemModstamp"),
            ],
            rng,
        ),
        "getUpdated" | "getDeleted" => from(
            &[
                What::quota(),
                What::fault("EXCEEDED_ID_LIMIT", "exceeded the limit of 600000 ids"),
                What::fault(
                    "INVALID_REPLICATION_DATE",
                    "startDate before org replication enabled date",
                ),
                missing("latestDateCovered"),
            ],
            rng,
        ),
        _ => What::fault("SERVER_UNAVAILABLE", "the server is too busy"),
    }
}
