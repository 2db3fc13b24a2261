//! `run`: replicates without Kubernetes, once or by the trigger.
//!
//! What stops the process at its start, before anything ran, is what a person must mend (the resource, the
//! credentials); what may pass by itself is waited for, since a machine may boot before its network is there. Later,
//! nothing but a signal stops a run that goes on by its trigger: see [`crate::ticks`].
//!
//! A resource that is suspended has no runs, and that is no error: somebody wanted it. An operator would wait for the
//! resource to change; a file is read once and not watched, so waiting would be for ever, and the process ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crds::{Reason, Schedule};
use jiff::Timestamp;
use replication::{
    connect::Session,
    guard::HeldDeletes,
    progress::{Drift, RunError, RunKind, RunReport},
    replicator::{TickReport, TickRequest, Tuning},
    retry::{ACROSS_TICKS, SystemRandomness},
};
use salesforce::Retry;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::{Kind, Run},
    exit::Exit,
    failure::Failure,
    printer::{self, Printer},
    session::{Context, Prepared, objects},
    stop, ticks,
};

/// What `run -o json` prints: indented with `--once`, else one line for each tick. Nothing where the resource is suspended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunOutput<'a> {
    /// `namespace/name`.
    replicator: &'a str,
    /// Wall clock.
    start_time: Timestamp,
    /// Wall clock.
    end_time: Timestamp,
    /// One for each run that ended.
    runs: Vec<RunView<'a>>,
    /// Objects whose runs go on.
    running: &'a [String],
    /// What kept every object from running.
    error: Option<&'a RunError>,
    /// When an object that failed is tried again.
    next_try_time: Option<Timestamp>,
}

/// A run as it is printed.
#[derive(Debug, Serialize)]
struct RunView<'a> {
    /// What it did.
    #[serde(flatten)]
    run: &'a RunReport,
    /// `ok`, or the reason why it is not, as the table has it.
    result: &'static str,
}

impl<'a> RunOutput<'a> {
    fn new(replicator: &'a str, report: &'a TickReport) -> Self {
        let TickReport {
            start_time,
            end_time,
            runs,
            running,
            error,
            next_try_time,
        } = report;
        let runs = runs.iter().map(|run| RunView {
            run,
            result: result(run),
        });
        Self {
            replicator,
            start_time: *start_time,
            end_time: *end_time,
            runs: runs.collect(),
            running,
            error: error.as_ref(),
            next_try_time: *next_try_time,
        }
    }
}

/// How a run ended, in a word.
fn result(run: &RunReport) -> &'static str {
    match (&run.error, &run.held, run.rejected) {
        (Some(error), _, _) => error.reason,
        (None, Some(_), _) => "DeleteGuard",
        (None, None, 1..) => "RowsRejected",
        (None, None, 0) => "ok",
    }
}

/// What is said where nothing follows the first tick.
const ONLY_MANUAL: &str =
    "the trigger has nothing but manual, which runs once: set interval or schedule to go on, or write --once";

/// Replicates.
pub(crate) async fn run(arguments: Run, context: &Context) -> Result<Exit, Failure> {
    confirms_what_runs(&arguments)?;
    // Before signals are listened to: standard input may be a terminal, and who waits at it must be able to leave.
    let mut prepared = Prepared::load(&arguments.source.source, context)?;
    prepared.adopt(arguments.adopt.clone());
    prepared.tune(Tuning {
        segment_rows: arguments.segment_rows,
        page_rows: arguments.page_rows,
    });
    if prepared.resource.spec.suspend {
        context
            .printer
            .remark(&suspended(&prepared.identity.to_string(), arguments.once));
        return Ok(Exit::Success);
    }
    let token = CancellationToken::new();
    let work = Box::pin(replicate(arguments, &prepared, context, &token));
    let (done, signal) = stop::until_signal(&token, &context.printer, work).await?;
    match (done, signal) {
        (None | Some(Ok(_)), Some(exit)) => Ok(exit),
        (Some(done), _) => done,
        (None, None) => Err(Failure::Defect("a run ended without a result".to_owned())),
    }
}

/// A confirmation for an object that does not run would be lost.
fn confirms_what_runs(arguments: &Run) -> Result<(), Failure> {
    let runs = |object: &String| {
        let mut wanted = arguments.objects.iter();
        arguments.objects.is_empty() || wanted.any(|name| name.eq_ignore_ascii_case(object))
    };
    let lost = arguments.confirm_deletes.iter().find(|(object, _)| !runs(object));
    lost.map_or(Ok(()), |(object, _)| {
        Err(Failure::Usage(format!(
            "--confirm-deletes is for {object}, which --object leaves out ({}), so nothing would be confirmed: add \
             --object {object}, or leave --object out",
            arguments.objects.join(", ")
        )))
    })
}

/// What is said of a resource that is suspended.
fn suspended(replicator: &str, once: bool) -> String {
    let advice = if once {
        "set it to false to run"
    } else {
        "set it to false and start again, since the file is not watched"
    };
    format!("{replicator} is suspended (spec.suspend): nothing is run; {advice}")
}

async fn replicate(
    arguments: Run,
    prepared: &Prepared,
    context: &Context,
    token: &CancellationToken,
) -> Result<Exit, Failure> {
    let Run {
        source: _,
        once,
        kind,
        objects: wanted,
        confirm_deletes,
        adopt: _,
        segment_rows: _,
        page_rows: _,
    } = arguments;
    let schedule = Schedule::new(&prepared.resource.spec.trigger)
        .map_err(|_checked| Failure::Defect("a checked trigger is none".to_owned()))?;
    let Some(mut session) = open(prepared, context, token, once).await? else {
        return Ok(Exit::Success);
    };
    let chosen = objects(&session, &wanted)?;
    let request = TickRequest {
        kind: kind.map(RunKind::from),
        objects: (!wanted.is_empty()).then(|| chosen.iter().cloned().collect()),
        only_due: !once,
        confirm: confirm_deletes.into_iter().collect(),
        manual: prepared.resource.spec.trigger.manual.is_some(),
        until: None,
    };
    let replicator = prepared.identity.to_string();
    if once || matches!(schedule, Schedule::Manual) {
        let report = Box::pin(session.tick(
            &TickRequest {
                only_due: false,
                ..request
            },
            token,
        ))
        .await;
        let output = RunOutput::new(&replicator, &report);
        if once {
            context.printer.result(&output, || text(&report))?;
        } else {
            context.printer.next(&output, || Some(text(&report)))?;
        }
        tell_findings(&report, "--once --confirm-deletes", &context.printer);
        tell_errors(&report, &context.printer);
        if !once {
            context.printer.remark(ONLY_MANUAL);
        }
        return Ok(Exit::of_tick(&report));
    }
    tracing::info!(%replicator, trigger = %schedule, objects = chosen.join(","), "replicating");
    let mut standing = Standing::default();
    let tell = |report: &TickReport| {
        log(report);
        standing.log(report);
        context.printer.next(&RunOutput::new(&replicator, report), || None)
    };
    let mut planned = ticks::Planned {
        session,
        spec: &prepared.resource.spec,
    };
    Box::pin(ticks::go_on(
        &mut planned,
        &schedule,
        &request,
        &context.clock,
        token,
        tell,
    ))
    .await?;
    Ok(Exit::Success)
}

/// Opens the session. What may pass by itself is waited for, unless it is to run once. `None`: stopped meanwhile.
async fn open(
    prepared: &Prepared,
    context: &Context,
    token: &CancellationToken,
    once: bool,
) -> Result<Option<Session>, Failure> {
    let mut failures = 0;
    loop {
        let opened = tokio::select! {
            biased;
            () = token.cancelled() => return Ok(None),
            opened = Box::pin(prepared.open()) => opened,
        };
        let error = match opened {
            Ok(session) => return Ok(Some(session)),
            Err(Failure::Engine(error)) if !once => error,
            Err(failure) => return Err(failure),
        };
        failures += 1;
        let pause = match error.retry() {
            Retry::Backoff => ACROSS_TICKS.pause(failures, &SystemRandomness),
            Retry::After(pause) => pause,
            Retry::WhenResourceChanges | Retry::WhenSecretChanges | Retry::Hourly => {
                return Err(Failure::Engine(error));
            }
        };
        tracing::warn!(error = error.message(), ?pause, "not connected yet, it is tried again");
        tokio::select! {
            biased;
            () = token.cancelled() => return Ok(None),
            () = context.clock.sleep(pause) => {}
        }
    }
}

impl From<Kind> for RunKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Initial => Self::Initial,
            Kind::Incremental => Self::Incremental,
            Kind::Verify => Self::Verify,
            Kind::Reconcile => Self::Reconcile,
            Kind::Refresh => Self::Refresh,
        }
    }
}

/// A tick for people.
fn text(report: &TickReport) -> String {
    if report.runs.is_empty() {
        return match report.error {
            Some(_) => String::new(),
            None => "nothing to do".to_owned(),
        };
    }
    let rows = report.runs.iter().map(|run| {
        let RunReport {
            object,
            table,
            kind,
            rows_read,
            rows_written,
            rows_deleted,
            api_calls,
            rows,
            ..
        } = run;
        let numbers = [*rows_read, *rows_written, *rows_deleted, *api_calls].map(printer::grouped);
        let [read, written, deleted, calls] = numbers;
        let time = seconds(run.start_time, run.end_time);
        let kind = format!("{kind:?}");
        vec![
            object.clone(),
            table.clone(),
            kind,
            read,
            written,
            deleted,
            printer::grouped(*rows),
            calls,
            time,
            result(run).to_owned(),
        ]
    });
    printer::table(
        &[
            "OBJECT", "TABLE", "KIND", "READ", "WRITTEN", "DELETED", "ROWS", "CALLS", "TIME", "RESULT",
        ],
        rows,
    )
}

/// `1.2 s`, `3 min 5 s`.
fn seconds(start: Timestamp, end: Timestamp) -> String {
    let duration = Duration::try_from(end.duration_since(start)).unwrap_or(Duration::ZERO);
    match duration.as_secs() {
        whole @ 60.. => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// What is not as it should be although the runs came to their end, each thing once.
fn tell_findings(report: &TickReport, confirm: &str, printer: &Printer) {
    let mut told = BTreeSet::new();
    let mut tell = |text: String| {
        if told.insert(text.clone()) {
            printer.remark(&text);
        }
    };
    for run in &report.runs {
        let object = &run.object;
        for degradation in &run.degraded {
            tell(format!("warning: {}", degradation.message));
        }
        if let Some(drift) = run.drift.filter(|drift| *drift != Drift::default()) {
            let Drift {
                missing,
                differing,
                surplus,
            } = drift;
            tell(format!(
                "{object}: comparing everything found {missing} rows missing, {differing} differing and {surplus} too many; \
                 they are mended now, apart from deletes that are held"
            ));
        }
    }
    // What an object's last run says is how it stands.
    let last: BTreeMap<&str, &RunReport> = report.runs.iter().map(|run| (run.object.as_str(), run)).collect();
    for (object, run) in last {
        if let Some(HeldDeletes { count, token }) = &run.held {
            tell(format!(
                "error: {object}: {count} deletes are held, since that is more than spec.consistency.maxDeletePercent allows: \
                 the rows stay in table {}; where they are meant, let exactly them go by {confirm} {object}={token}",
                run.table
            ));
        }
        if run.rejected > 0 {
            tell(format!(
                "error: {object}: {} rows have values that do not fit their columns and stay as they were; _rejected_row lists \
                 them",
                run.rejected
            ));
        }
        if let Some(kind) = run.changing {
            tell(format!(
                "{object}: the resource or the org has changed; the rows of table {} are as they were until a {kind:?} is complete",
                run.table
            ));
        }
    }
}

/// Errors of a tick on standard error, each with its object. That a run was stopped is not one: somebody wanted it.
fn tell_errors(report: &TickReport, printer: &Printer) {
    let told = |error: &&RunError| error.reason.parse() != Ok(Reason::Cancelled);
    if let Some(error) = report.error.as_ref().filter(told) {
        printer.remark(&format!("error: {}", error.message));
    }
    for run in &report.runs {
        if let Some(error) = run.error.as_ref().filter(told) {
            // Messages of most errors name their object already.
            let named = if error.message.contains(&run.object) {
                String::new()
            } else {
                format!("{}: ", run.object)
            };
            printer.remark(&format!("error: {named}{}", error.message));
        }
    }
}

/// What was logged of how objects stand, so that each change is one line and a week of held deletes is not two thousand.
#[derive(Debug, Default)]
struct Standing(BTreeMap<String, Stand>);

/// How one object stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stand {
    held: Option<HeldDeletes>,
    rejected: u64,
    changing: Option<RunKind>,
    degraded: Vec<String>,
}

impl Standing {
    fn log(&mut self, report: &TickReport) {
        for run in &report.runs {
            if run.error.is_some() {
                continue;
            }
            let degraded: Vec<String> = run.degraded.iter().map(|found| found.message.clone()).collect();
            let now = Stand {
                held: run.held.clone(),
                rejected: run.rejected,
                changing: run.changing,
                degraded,
            };
            let before = self.0.insert(run.object.clone(), now.clone()).unwrap_or_default();
            let (object, rejected) = (&run.object, run.rejected);
            if let Some(HeldDeletes { count, token }) = run.held.as_ref().filter(|_| now.held != before.held) {
                tracing::error!(%object, count, confirm = format!("{object}={token}"), "deletes are held");
            }
            if rejected > 0 && rejected != before.rejected {
                tracing::error!(%object, rejected, "rows are rejected, see _rejected_row");
            }
            if let Some(kind) = run.changing.filter(|_| now.changing != before.changing) {
                tracing::warn!(%object, until = ?kind, "the plan has changed, rows are as they were");
            } else if before.changing.is_some() && now.changing.is_none() {
                tracing::info!(%object, "rows are as the plan has them");
            }
            for message in now.degraded.iter().filter(|message| !before.degraded.contains(message)) {
                tracing::warn!(%object, message, "degraded");
            }
        }
    }
}

/// A line for a tick that did something; the engine logs errors where they happen.
fn log(report: &TickReport) {
    let sum = |count: fn(&RunReport) -> u64| report.runs.iter().map(count).sum::<u64>();
    let (read, written, deleted) = (
        sum(|run| run.rows_read),
        sum(|run| run.rows_written),
        sum(|run| run.rows_deleted),
    );
    let (objects, calls) = (report.runs.len(), report.api_calls());
    let took = seconds(report.start_time, report.end_time);
    if written + deleted > 0 {
        tracing::info!(objects, read, written, deleted, calls, took, "replicated");
    } else {
        tracing::debug!(objects, read, written, deleted, calls, took, "nothing changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            seconds(at("2026-11-24T10:00:00Z"), at("2026-11-24T10:00:01.25Z")),
            "1.2 s"
        );
        assert_eq!(
            seconds(at("2026-11-24T10:00:00Z"), at("2026-11-24T10:03:05Z")),
            "3 min 5 s"
        );
        assert_eq!(seconds(at("2026-11-24T10:00:00Z"), at("2026-11-24T09:00:00Z")), "0.0 s");
    }
}
