//! Writes a Grafana dashboard from its source.
//!
//! A panel in Grafana's JSON is seventy lines, of which five say what it is about; the others are the same in all panels. So
//! the five are written by hand, in the `*.yaml` beside `src`, and `make generate` makes the JSON, which is committed too: a
//! person who has no Rust imports it, and the chart ships it. What was rejected: Jsonnet with Grafonnet, a language and a tool
//! more for everybody who builds this; and JSON exported from Grafana, in which nobody can review a change.
//!
//! The JSON has the schema version of Grafana 11.0 ([`grafana::SCHEMA_VERSION`]); later ones bring it up to theirs when they load it.

mod grafana;
mod source;
#[cfg(test)]
mod tests;

use std::io::Write as _;

use anyhow::Context as _;

use crate::source::Dashboard;

/// Prints the dashboard of the source that is named by the argument.
fn main() -> anyhow::Result<()> {
    let file = std::env::args_os()
        .nth(1)
        .context("the source of a dashboard is expected")?;
    let file = std::path::Path::new(&file);
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let dashboard: Dashboard = serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?;
    let json = grafana::dashboard(&dashboard).with_context(|| file.display().to_string())?;
    writeln!(std::io::stdout(), "{json:#}")?;
    Ok(())
}
