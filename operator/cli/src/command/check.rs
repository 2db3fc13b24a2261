//! `check`: everything that a run needs, looked at once.

use replication::check::{Checkup, Finding, Verdict};
use serde::Serialize;

use crate::{
    arguments::Check,
    exit::Exit,
    failure::Failure,
    printer,
    session::{Context, Prepared},
};

/// What `check -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckOutput {
    /// `namespace/name`.
    replicator: String,
    /// How many findings have to be mended.
    problems: u64,
    /// How many are to be known.
    warnings: u64,
    /// In the order of a run.
    #[serde(flatten)]
    checkup: Checkup,
}

/// Checks a resource.
pub(crate) async fn check(arguments: Check, context: &Context) -> Result<Exit, Failure> {
    let prepared = Prepared::load(&arguments.source.source, context)?;
    let checkup = prepared.check().await;
    let exit = Exit::of_checkup(&checkup);
    let count = |verdict| u64::try_from(checkup.count(verdict)).unwrap_or(u64::MAX);
    let output = CheckOutput {
        replicator: prepared.identity.to_string(),
        problems: count(Verdict::Problem),
        warnings: count(Verdict::Warning),
        checkup,
    };
    context.printer.result(&output, || output.to_text())?;
    Ok(exit)
}

impl CheckOutput {
    fn to_text(&self) -> String {
        let Self {
            replicator: _,
            problems,
            warnings,
            checkup,
        } = self;
        let rows = checkup.findings.iter().map(|finding| {
            let Finding {
                verdict,
                subject,
                message,
                reason: _,
                kind: _,
            } = finding;
            let verdict = match verdict {
                Verdict::Passed => "ok",
                Verdict::Skipped => "skipped",
                Verdict::Warning => "warning",
                Verdict::Problem => "PROBLEM",
            };
            vec![verdict.to_owned(), subject.clone(), message.clone()]
        });
        let conclusion = match (problems, warnings) {
            (0, 0) => "All is well.".to_owned(),
            (0, _) => format!("No problems, {}.", printer::count(*warnings, "warning", "warnings")),
            (_, 0) => format!("{}.", printer::count(*problems, "problem", "problems")),
            (..) => format!(
                "{}, {}.",
                printer::count(*problems, "problem", "problems"),
                printer::count(*warnings, "warning", "warnings")
            ),
        };
        format!(
            "{}\n\n{conclusion}",
            printer::table(&["RESULT", "WHAT", "FINDING"], rows)
        )
    }
}
