//! What tests of this crate start from.

use crds::{Reason, SalesforceReplicatorSpec};
use jiff::Timestamp;
use replication::progress::{Event, RunError, RunKind, RunReport};
use salesforce::ErrorKind;
use serde_json::{Value, json};

use crate::standing::{Activity, Org, Standing};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn spec(more: &Value) -> SalesforceReplicatorSpec {
    let mut spec = json!({
        "connection": {"auth": {"password": {"secretRef": {"name": "org"}}}},
        "destination": {"postgres": {"secretRef": {"name": "database"}}},
        "objects": [{"name": "Contact"}, {"name": "Account"}],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

/// Two objects, a session, and nothing that ran.
pub(crate) fn opened() -> Standing {
    let mut standing = Standing::recall(&spec(&json!({})), None);
    standing.generation = Some(1);
    standing.activity = Activity::Waiting;
    standing.org = Some(Org {
        instance_url: "https://acme.my.salesforce.com".to_owned(),
        organization_id: "00D000000000001AAA".to_owned(),
    });
    standing
}

/// The same after a first load of both at ten o'clock.
pub(crate) fn live() -> Standing {
    let mut standing = opened();
    for object in ["Contact", "Account"] {
        let report = report(object, RunKind::Initial);
        standing.observe(object, RunKind::Initial, &Event::Started);
        standing.observe(object, RunKind::Initial, &Event::Ended(Box::new(report)));
    }
    standing
}

pub(crate) fn report(object: &str, kind: RunKind) -> RunReport {
    RunReport {
        end_time: at("2026-11-28T10:00:00Z"),
        rows: 100,
        rows_read: 100,
        rows_written: 100,
        watermark: Some(at("2026-11-28T09:59:00Z")),
        ..RunReport::new(object, object.to_lowercase(), kind, at("2026-11-28T09:59:00Z"))
    }
}

pub(crate) fn failed(object: &str, kind: RunKind, reason: Reason) -> Event {
    Event::Ended(Box::new(RunReport {
        error: Some(RunError {
            kind: ErrorKind::Transient,
            reason: reason.as_str(),
            message: "what happened".to_owned(),
        }),
        ..report(object, kind)
    }))
}

pub(crate) fn ended(report: RunReport) -> Event {
    Event::Ended(Box::new(report))
}

/// A Reconcile that found something.
pub(crate) fn drifted(object: &str) -> RunReport {
    RunReport {
        drift: Some(replication::progress::Drift {
            missing: 1,
            differing: 2,
            surplus: 3,
        }),
        ..report(object, RunKind::Reconcile)
    }
}
