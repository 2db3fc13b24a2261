//! What clients did: counters by call, and the last calls in full, for a test to assert on.
//!
//! Passwords and session ids are not kept.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Calls that are kept in full.
const KEPT: usize = 10_000;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Counted from 1.
    pub number: u64,
    /// When it came, on the org's clock.
    pub at: Timestamp,
    /// Name: `login`, `query`, ..; `versions`; `unknown` for what was no call at all.
    pub call: String,
    /// API version of the path, as written there.
    pub version: String,
    /// The object it is about.
    pub object: Option<String>,
    /// Who called.
    pub username: Option<String>,
    /// `CallOptions/client`
    pub client: Option<String>,
    /// SOQL of a query.
    pub soql: Option<String>,
    /// Locator of a queryMore.
    pub locator: Option<String>,
    /// Window of getUpdated and getDeleted, as written.
    pub window: Option<(String, String)>,
    /// Ids that retrieve asked for, or types that describeSObjects asked for.
    pub asked: u64,
    /// `QueryOptions/batchSize`, as written.
    pub batch_size: Option<String>,
    /// HTTP status; 0 where there was no answer.
    pub status: u16,
    /// Code of the SOAP fault.
    pub fault: Option<String>,
    /// Records, ids or descriptions in the answer.
    pub rows: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body as sent.
    pub response_bytes: u64,
    /// The answer was compressed.
    pub compressed: bool,
    /// A rule acted.
    pub struck: bool,
}

impl Call {
    /// A call of which nothing is known but when it came.
    pub(crate) fn new(at: Timestamp) -> Self {
        Self {
            number: 0,
            at,
            call: "unknown".to_owned(),
            version: String::new(),
            object: None,
            username: None,
            client: None,
            soql: None,
            locator: None,
            window: None,
            asked: 0,
            batch_size: None,
            status: 0,
            fault: None,
            rows: 0,
            request_bytes: 0,
            response_bytes: 0,
            compressed: false,
            struck: false,
        }
    }
}

/// Counters since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Calls by name, faults included.
    pub calls: BTreeMap<String, u64>,
    /// Calls by name and object: `query Contact`.
    pub calls_by_object: BTreeMap<String, u64>,
    /// Faults by code.
    pub faults: BTreeMap<String, u64>,
    /// Calls that count for the org's allowance: all but login and `GET /services/data/`.
    pub counted: u64,
    /// Records, ids and descriptions sent.
    pub rows: u64,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of answers' bodies as sent.
    pub response_bytes: u64,
    /// Connections accepted.
    pub connections: u64,
}

impl Counters {
    /// How often a call was made.
    pub fn of(&self, call: &str) -> u64 {
        self.calls.get(call).copied().unwrap_or_default()
    }

    /// How often a call was made about an object.
    pub fn of_object(&self, call: &str, object: &str) -> u64 {
        self.calls_by_object
            .get(&format!("{call} {object}"))
            .copied()
            .unwrap_or_default()
    }
}

/// Counters and log.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    counters: Counters,
    log: VecDeque<Call>,
    made: u64,
}

impl Calls {
    pub(crate) fn note(&mut self, mut call: Call) {
        self.made += 1;
        call.number = self.made;
        let counters = &mut self.counters;
        *counters.calls.entry(call.call.clone()).or_default() += 1;
        if let Some(object) = &call.object {
            *counters
                .calls_by_object
                .entry(format!("{} {object}", call.call))
                .or_default() += 1;
        }
        if let Some(fault) = &call.fault {
            *counters.faults.entry(fault.clone()).or_default() += 1;
        }
        counters.rows += call.rows;
        counters.request_bytes += call.request_bytes;
        counters.response_bytes += call.response_bytes;
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(call);
    }

    pub(crate) fn note_connection(&mut self) {
        self.counters.connections += 1;
    }

    pub(crate) fn note_counted(&mut self) {
        self.counters.counted += 1;
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// The last calls, oldest first.
    pub(crate) fn log(&self, most: usize) -> Vec<Call> {
        self.log
            .iter()
            .skip(self.log.len().saturating_sub(most))
            .cloned()
            .collect()
    }

    /// Counts from zero; numbers of calls go on.
    pub(crate) fn reset(&mut self) {
        self.counters = Counters::default();
        self.log.clear();
    }
}
