//! What a person asks of a replicator by its resource, and what was not done yet: a manual run, held deletes let go.
//!
//! Both are values that stay in the resource after they were answered, so a worker has to know which it has answered. A manual
//! value is answered when every run of its tick has ended and not all failed (only then it is echoed in the status), a token when a run of its object
//! has taken it or has said that it is not the one. What could not be answered (no connection, a spec that changed meanwhile,
//! the end of the process) is asked again with the ticks and retries that come by themselves, and never at once: a
//! wish must not become a loop of logins.

use std::collections::{BTreeMap, BTreeSet};

use crds::Reason;
use replication::{progress::RunReport, replicator::TickReport};

/// The wishes of one worker.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    manual: Option<Manual>,
    /// Tokens that a tick was given, by object, and whether they were answered.
    tokens: BTreeMap<String, (String, bool)>,
}

/// A manual value that a tick was started for.
#[derive(Debug)]
struct Manual {
    value: String,
    /// Objects whose runs go on; `None` where it has to be tried again.
    running: Option<BTreeSet<String>>,
}

/// Whether something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// For the first time: at once.
    New,
    /// Again: with the next tick or retry.
    Again,
    /// No, or its runs are under way.
    None,
}

impl Asked {
    /// Whether a manual value asks for a tick; `last` is the one that was echoed.
    pub(crate) fn manual(&self, wanted: Option<&str>, last: Option<&str>) -> Wish {
        let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != last) else {
            return Wish::None;
        };
        match self.manual.as_ref().filter(|manual| manual.value == wanted) {
            None => Wish::New,
            Some(Manual { running: None, .. }) => Wish::Again,
            Some(Manual { running: Some(_), .. }) => Wish::None,
        }
    }

    /// A tick for a manual value begins. Whatever ends it early, the value is asked for again.
    pub(crate) fn begins(&mut self, manual: &str) {
        self.manual = Some(Manual {
            value: manual.to_owned(),
            running: None,
        });
    }

    /// Takes a report of a tick, which was `manual` or not. Gives the manual value whose runs have all ended by now.
    pub(crate) fn ended(&mut self, manual: bool, is_cut: bool, report: &TickReport) -> Option<String> {
        let current = self.manual.as_mut()?;
        if manual && !is_cut && served(report) {
            current.running = Some(report.running.iter().cloned().collect());
        }
        let running = current.running.as_mut()?;
        running.retain(|object| report.running.contains(object));
        if !running.is_empty() {
            return None;
        }
        self.manual.take().map(|manual| manual.value)
    }

    /// Another session: runs of the former one are over, whether they came to their end or not.
    pub(crate) fn interrupted(&mut self) {
        if let Some(manual) = &mut self.manual {
            manual.running = None;
        }
    }

    /// The tokens among these that were not answered, and the objects of those that no tick was given yet.
    pub(crate) fn tokens(&self, given: &BTreeMap<String, String>) -> (BTreeMap<String, String>, BTreeSet<String>) {
        let mut open = BTreeMap::new();
        let mut new = BTreeSet::new();
        for (object, token) in given {
            match self.tokens.get(object).filter(|(known, _)| known == token) {
                Some((_, true)) => {}
                Some((_, false)) => {
                    open.insert(object.clone(), token.clone());
                }
                None => {
                    open.insert(object.clone(), token.clone());
                    new.insert(object.clone());
                }
            }
        }
        (open, new)
    }

    /// A tick is given these tokens.
    pub(crate) fn gives(&mut self, tokens: &BTreeMap<String, String>) {
        for (object, token) in tokens {
            self.tokens.insert(object.clone(), (token.clone(), false));
        }
    }

    /// Takes the report of the tick that was given `tokens`. Objects whose runs went on from an earlier tick (`busy`) have not seen
    /// theirs.
    pub(crate) fn answered(&mut self, tokens: &BTreeMap<String, String>, busy: &[String], report: &TickReport) {
        for object in tokens.keys() {
            let is = |name: &str| name.eq_ignore_ascii_case(object);
            if busy.iter().any(|busy| is(busy)) {
                continue;
            }
            if let Some(run) = report.runs.iter().find(|run| is(&run.object))
                && answers(run)
                && let Some((_, is_answered)) = self.tokens.get_mut(object)
            {
                *is_answered = true;
            }
        }
    }
}

/// Whether a tick has done anything: it began, and not all its runs failed. One object that fails for days does not keep a value
/// from being answered.
fn served(report: &TickReport) -> bool {
    let mut runs = report.runs.iter();
    let is_in_vain = report.running.is_empty() && !report.runs.is_empty() && runs.all(|run| run.error.is_some());
    report.error.is_none() && !is_in_vain
}

/// Whether a run has taken its token, or has said that it is another one.
fn answers(run: &RunReport) -> bool {
    run.error
        .as_ref()
        .is_none_or(|error| error.reason == Reason::DeleteGuard.as_str())
}

/// Whether a tick was cut off by the end of its session: then some object has no run that came to an end of its own.
pub(crate) fn is_cut<'a>(mut objects: impl Iterator<Item = &'a str>, report: &TickReport) -> bool {
    let is_over = |object: &str| {
        let mut runs = report.runs.iter().filter(|run| run.object.eq_ignore_ascii_case(object));
        runs.any(|run| {
            run.error
                .as_ref()
                .is_none_or(|error| error.reason != Reason::Cancelled.as_str())
        })
    };
    objects.any(|object| !is_over(object))
}

#[cfg(test)]
mod tests {
    use replication::progress::{RunError, RunKind};
    use salesforce::ErrorKind;

    use super::*;
    use crate::fixture::{at, report};

    fn tick(runs: Vec<RunReport>, running: &[&str]) -> TickReport {
        TickReport {
            start_time: at("2026-11-28T10:00:00Z"),
            end_time: at("2026-11-28T10:00:01Z"),
            runs,
            running: running.iter().map(|object| (*object).to_owned()).collect(),
            error: None,
            next_try_time: None,
        }
    }

    fn error(reason: Reason) -> RunError {
        RunError {
            kind: ErrorKind::Transient,
            reason: reason.as_str(),
            message: "what happened".to_owned(),
        }
    }

    fn failed(reason: Reason) -> RunReport {
        RunReport {
            error: Some(error(reason)),
            ..report("Contact", RunKind::Incremental)
        }
    }

    #[test]
    fn a_manual_value_is_echoed_when_its_runs_have_ended_and_not_before() {
        let mut asked = Asked::default();
        assert_eq!(asked.manual(Some("a"), None), Wish::New);
        assert_eq!(asked.manual(Some("a"), Some("a")), Wish::None);
        asked.begins("a");
        assert_eq!(asked.ended(true, false, &tick(vec![], &["Contact", "Account"])), None);
        assert_eq!(asked.manual(Some("a"), None), Wish::None, "its runs are under way");
        assert_eq!(asked.ended(false, false, &tick(vec![], &["Contact", "Lead"])), None);
        assert_eq!(
            asked.ended(false, false, &tick(vec![], &["Account"])).as_deref(),
            Some("a"),
            "a run of another tick is not waited for"
        );
    }

    #[test]
    fn a_manual_value_that_was_not_served_is_asked_for_again_and_never_at_once() {
        let mut asked = Asked::default();
        asked.begins("a");
        let unbegun = TickReport {
            error: Some(error(Reason::DestinationUnreachable)),
            ..tick(vec![], &[])
        };
        assert_eq!(asked.ended(true, false, &unbegun), None);
        assert_eq!(asked.manual(Some("a"), None), Wish::Again);
        assert_eq!(asked.manual(Some("b"), None), Wish::New);
        assert_eq!(
            asked.ended(true, false, &tick(vec![failed(Reason::QueryTimeout)], &[])),
            None
        );
        // The end of the process cuts its runs off.
        assert_eq!(asked.ended(true, true, &tick(vec![], &[])), None);
        assert_eq!(asked.manual(Some("a"), None), Wish::Again);
        asked.begins("a");
        asked.ended(true, false, &tick(vec![], &["Contact"]));
        asked.interrupted();
        assert_eq!(asked.manual(Some("a"), None), Wish::Again);
    }

    #[test]
    fn a_token_is_given_until_a_run_answers_it() {
        let given = BTreeMap::from([("contact".to_owned(), "1-x".to_owned())]);
        let mut asked = Asked::default();
        assert_eq!(
            asked.tokens(&given),
            (given.clone(), BTreeSet::from(["contact".to_owned()]))
        );
        asked.gives(&given);
        let again = (given.clone(), BTreeSet::new());
        let success = tick(vec![report("Contact", RunKind::Incremental)], &[]);
        // Its runs go on from an earlier tick, the tick failed, the database was away.
        asked.answered(&given, &["Contact".to_owned()], &success);
        assert_eq!(asked.tokens(&given), again);
        asked.answered(&given, &[], &tick(vec![], &[]));
        asked.answered(&given, &[], &tick(vec![failed(Reason::DatabaseUnavailable)], &[]));
        assert_eq!(asked.tokens(&given), again);
        asked.answered(&given, &[], &tick(vec![failed(Reason::DeleteGuard)], &[]));
        assert!(asked.tokens(&given).0.is_empty(), "it was the wrong one");
        let other = BTreeMap::from([("contact".to_owned(), "2-y".to_owned())]);
        asked.gives(&other);
        asked.answered(&other, &[], &success);
        assert!(asked.tokens(&other).0.is_empty());
    }

    #[test]
    fn a_tick_is_cut_where_an_object_did_not_come_to_its_end() {
        let whole = tick(vec![report("Contact", RunKind::Incremental)], &[]);
        assert!(!is_cut(["contact"].into_iter(), &whole));
        assert!(is_cut(["Contact", "Account"].into_iter(), &whole));
        assert!(is_cut(
            ["Contact"].into_iter(),
            &tick(vec![failed(Reason::Cancelled)], &[])
        ));
        assert!(!is_cut(
            ["Contact"].into_iter(),
            &tick(vec![failed(Reason::QueryTimeout)], &[])
        ));
    }
}
