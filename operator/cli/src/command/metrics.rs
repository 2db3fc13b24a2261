//! `metrics`: what the operator exports.

use controller::metrics::family::{self, Family};
use serde::Serialize;

use crate::{exit::Exit, failure::Failure, printer, session::Context};

/// What `metrics -o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricsOutput {
    /// In the order in which the code declares them: the process, its replicators, their objects.
    metrics: Vec<MetricOutput>,
}

/// A family of metrics.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricOutput {
    /// As it stands in a scrape.
    name: String,
    /// Counter, gauge or histogram.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Names of its labels.
    labels: Vec<&'static str>,
    /// What it says.
    meaning: &'static str,
}

impl From<&Family> for MetricOutput {
    fn from(family: &Family) -> Self {
        Self {
            name: family.full_name(),
            kind: family.kind.as_str(),
            labels: family.all_labels(),
            meaning: family.help,
        }
    }
}

/// Lists all metrics.
pub(crate) fn metrics(context: &Context) -> Result<Exit, Failure> {
    let output = MetricsOutput {
        metrics: family::ALL.iter().map(MetricOutput::from).collect(),
    };
    let rows = output.metrics.iter().map(|metric| {
        vec![
            metric.name.clone(),
            metric.kind.to_owned(),
            metric.labels.join(", "),
            metric.meaning.to_owned(),
        ]
    });
    context
        .printer
        .result(&output, || printer::table(&["NAME", "TYPE", "LABELS", "MEANING"], rows))?;
    Ok(Exit::Success)
}
