//! Faults on demand: a queue of rules, each of which waits for its call.
//!
//! A rule says which call it waits for, how many of them it lets pass first, what it does, and how often. Of the rules
//! that wait for a call the oldest acts; a rule that has acted as often as it was told leaves the queue. So a test writes
//! down beforehand what will go wrong and in which order, and nothing depends on time.

use serde::{Deserialize, Serialize};

use crate::soap::fault::{Fault, FaultElement};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Call by name: `login`, `query`, `queryMore`, ..; `versions` is `GET /services/data/`. None: any call.
    #[serde(default)]
    pub call: Option<String>,
    /// Object by name; a queryMore has the object of its query. None: any.
    #[serde(default)]
    pub object: Option<String>,
    /// Only queries that ask for more rows than this: with a larger LIMIT, or without one. None: any call.
    #[serde(default)]
    pub above_rows: Option<u64>,
    /// So many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// How often it acts; none is for ever.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// What it does.
    pub what: What,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the type of the field that it is the default of"
)]
fn once() -> Option<u64> {
    Some(1)
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum What {
    /// A SOAP fault instead of an answer; nothing is done.
    Fault {
        /// `exceptionCode`
        code: String,
        /// `exceptionMessage`
        message: String,
        /// Where it differs from the element that belongs to the code.
        #[serde(default)]
        element: Option<FaultElement>,
    },
    /// An HTTP answer of a proxy, a load balancer or a maintenance page; nothing is done.
    Http {
        /// Status.
        status: u16,
        /// Body.
        #[serde(default)]
        body: String,
        /// Its type.
        #[serde(default = "html")]
        content_type: String,
        /// Seconds of a Retry-After header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The right answer, after so many bytes of which the connection ends. The length told is the whole one.
    CutBody {
        /// Bytes that arrive, of the body as it is sent (compressed, where it is).
        at: u64,
    },
    /// This text instead of the body, with status 200 and the type of XML.
    ReplaceBody {
        /// The text.
        text: String,
    },
    /// The right answer with bytes that are not UTF-8 in the first value of this element, or in mid-body.
    InvalidUtf8 {
        /// As on the wire, without prefix.
        #[serde(default)]
        element: Option<String>,
    },
    /// The right answer with another text in every occurrence of this element, null ones too.
    WrongValue {
        /// As on the wire, without prefix.
        element: String,
        /// The text, without escapes.
        text: String,
    },
    /// The right answer without any occurrence of this element.
    MissingElement {
        /// As on the wire, without prefix.
        element: String,
    },
    /// The right answer, later.
    Delay {
        /// Milliseconds of real time.
        milliseconds: u64,
    },
    /// The right answer, a little at a time.
    Drip {
        /// Bytes of a piece.
        bytes: u64,
        /// Milliseconds of real time between two.
        milliseconds: u64,
    },
    /// No answer, while the connection stays open, until `Control::release_hanging`.
    Hang,
    /// The connection is reset (RST).
    Reset,
    /// The session of the caller ends just before the call.
    EndSession,
    /// All locators die just before the call.
    KillLocators,
}

fn html() -> String {
    "text/html; charset=utf-8".to_owned()
}

impl Rule {
    /// Acts once, at the first such call.
    pub fn at(call: &str, what: What) -> Self {
        Self {
            call: Some(call.to_owned()),
            object: None,
            above_rows: None,
            skip: 0,
            times: Some(1),
            what,
        }
    }

    /// Acts at any call.
    pub fn at_any(what: What) -> Self {
        Self {
            call: None,
            object: None,
            above_rows: None,
            skip: 0,
            times: Some(1),
            what,
        }
    }

    /// Only for calls about this object.
    #[must_use]
    pub fn of(mut self, object: &str) -> Self {
        self.object = Some(object.to_owned());
        self
    }

    /// Only for queries that ask for more rows than this.
    #[must_use]
    pub fn above_rows(mut self, rows: u64) -> Self {
        self.above_rows = Some(rows);
        self
    }

    /// Lets so many matching calls pass first.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Acts so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Acts until the rules are cleared.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.times = None;
        self
    }

    fn waits_for(&self, call: &str, object: Option<&str>, soql: Option<&str>) -> bool {
        let asks_above = |rows: u64| soql.is_some_and(|soql| limit(soql).is_none_or(|limit| limit > rows));
        self.above_rows.is_none_or(asks_above)
            && self.call.as_deref().is_none_or(|own| own == call)
            && self
                .object
                .as_deref()
                .is_none_or(|own| object.is_some_and(|object| own.eq_ignore_ascii_case(object)))
    }
}

/// The LIMIT of a query.
fn limit(soql: &str) -> Option<u64> {
    let (_, limit) = soql.rsplit_once(" LIMIT ")?;
    limit.trim().parse().ok()
}

impl What {
    /// A SOAP fault of this code.
    pub fn fault(code: &str, message: &str) -> Self {
        Self::Fault {
            code: code.to_owned(),
            message: message.to_owned(),
            element: None,
        }
    }

    /// A page of HTML with this status.
    pub fn html(status: u16) -> Self {
        Self::Http {
            status,
            body: format!(
                "<html><head><title>{status}</title></head><body><h1>Temporarily unavailable</h1></body></html>"
            ),
            content_type: html(),
            retry_after: None,
        }
    }

    /// The calls of the day are used up.
    pub fn quota() -> Self {
        Self::fault("REQUEST_LIMIT_EXCEEDED", crate::soap::fault::DAILY_LIMIT)
    }

    /// The query took too long, as a query says it.
    pub fn query_timeout() -> Self {
        Self::fault("QUERY_TIMEOUT", "Your query request was running for too long.")
    }

    /// The locator is dead, as queryMore says it.
    pub fn dead_locator() -> Self {
        Self::fault("INVALID_QUERY_LOCATOR", crate::soap::fault::INVALID_LOCATOR)
    }

    /// The fault, where it is one.
    pub(crate) fn as_fault(&self) -> Option<Fault> {
        let Self::Fault { code, message, element } = self else {
            return None;
        };
        let fault = Fault::new(code, message.clone());
        Some(Fault {
            element: element.or(fault.element),
            ..fault
        })
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    queue: Vec<Rule>,
}

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.queue.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn waiting(&self) -> &[Rule] {
        &self.queue
    }

    /// What happens to this call. Every rule that waits for such calls counts it, the oldest that is due acts.
    pub(crate) fn strike(&mut self, call: &str, object: Option<&str>, soql: Option<&str>) -> Option<What> {
        let mut struck = None;
        self.queue.retain_mut(|rule| {
            if !rule.waits_for(call, object, soql) {
                return true;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                return true;
            }
            if struck.is_some() {
                return true;
            }
            struck = Some(rule.what.clone());
            match &mut rule.times {
                None => true,
                Some(times) => {
                    *times = times.saturating_sub(1);
                    *times > 0
                }
            }
        });
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_strike_in_order_and_leave() {
        let mut rules = Rules::default();
        rules.add(Rule::at("query", What::Reset).of("Contact").after(1));
        rules.add(Rule::at("query", What::Hang).times(2));
        rules.add(Rule::at_any(What::quota()).forever().of("Lead"));
        assert_eq!(rules.strike("query", Some("contact"), None), Some(What::Hang));
        assert_eq!(rules.strike("queryMore", Some("Contact"), None), None);
        assert_eq!(rules.strike("query", Some("Contact"), None), Some(What::Reset));
        assert_eq!(rules.strike("query", Some("Contact"), None), Some(What::Hang));
        assert_eq!(rules.strike("query", Some("Contact"), None), None);
        for _ in 0..3 {
            assert_eq!(rules.strike("getUpdated", Some("Lead"), None), Some(What::quota()));
        }
        assert_eq!(rules.waiting().len(), 1);
        rules.clear();
        assert_eq!(rules.strike("getUpdated", Some("Lead"), None), None);
    }

    #[test]
    fn rules_wait_for_queries_of_many_rows() {
        let mut rules = Rules::default();
        rules.add(Rule::at("queryAll", What::Reset).above_rows(10).forever());
        let mut struck = |soql| rules.strike("queryAll", Some("Contact"), soql).is_some();
        assert!(struck(Some("SELECT Id FROM Contact ORDER BY Id")));
        assert!(struck(Some("SELECT Id FROM Contact ORDER BY Id LIMIT 11")));
        assert!(!struck(Some("SELECT Id FROM Contact ORDER BY Id LIMIT 10")));
        assert!(!struck(None));
    }

    #[test]
    fn rules_are_written_as_json() {
        let rule: Rule = serde_json::from_str(
            r#"{"call":"queryMore","object":"Contact","skip":2,"times":null,"what":{"cutBody":{"at":100}}}"#,
        )
        .expect("a rule");
        assert_eq!(
            rule,
            Rule::at("queryMore", What::CutBody { at: 100 })
                .of("Contact")
                .after(2)
                .forever()
        );
        let rule: Rule = serde_json::from_str(r#"{"what":"hang"}"#).expect("a rule");
        assert_eq!(rule, Rule::at_any(What::Hang));
        assert!(serde_json::from_str::<Rule>(r#"{"what":"hang","cal":"x"}"#).is_err());
    }
}
