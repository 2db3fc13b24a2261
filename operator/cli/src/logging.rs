//! Logs, on standard error.
//!
//! Without -v only warnings are shown, since results and progress say the rest; a run that goes on by its trigger has no
//! other voice, and tells what it does from the beginning. `RUST_LOG` decides alone where it is set.

use std::io;

use indicatif::MultiProgress;
use tracing_subscriber::{EnvFilter, fmt, fmt::MakeWriter};

use crate::{
    arguments::{Global, LogFormat},
    printer,
};

/// How much is told without -v.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Warnings.
    Quiet,
    /// What happens.
    Telling,
}

/// Sends logs to standard error from here on; `bars` step aside while a line is written.
pub(crate) fn start(global: &Global, voice: Voice, bars: &MultiProgress) {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.trim().is_empty() => EnvFilter::builder().parse_lossy(filter),
        Ok(_) | Err(_) => EnvFilter::builder().parse_lossy(filter_of(global.verbose, voice)),
    };
    let writer = BesideBars(bars.clone());
    let text = match global.log_format {
        LogFormat::Auto => printer::is_watched(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let started = if text {
        let subscriber = fmt()
            .with_env_filter(filter)
            .with_writer(writer)
            .with_ansi(printer::is_watched())
            .with_target(false);
        tracing::subscriber::set_global_default(subscriber.finish())
    } else {
        let subscriber = fmt()
            .with_env_filter(filter)
            .with_writer(writer)
            .json()
            .flatten_event(true);
        tracing::subscriber::set_global_default(subscriber.finish())
    };
    debug_assert!(started.is_ok(), "logs are started once");
}

/// Our own crates by degrees; drivers and HTTP only when they warn, or with -vv. The Kubernetes client warns with the whole
/// answer where it cannot read one, which may be a Secret, and gives an error beside it that tells enough.
fn filter_of(verbose: u8, voice: Voice) -> String {
    let filter = match (verbose, voice) {
        (0, Voice::Quiet) => "warn",
        (0, Voice::Telling) => "warn,salesforce_replicator=info,controller=info,replication=info,salesforce=info",
        (1, _) => "warn,salesforce_replicator=debug,controller=debug,replication=debug,salesforce=debug",
        (2.., _) => "info,salesforce_replicator=trace,controller=trace,replication=trace,salesforce=trace",
    };
    format!("{filter},kube_client::client=error")
}

/// Writes lines above progress bars instead of through them.
#[derive(Debug, Clone)]
struct BesideBars(MultiProgress);

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            bars: &self.0,
            bytes: Vec::new(),
        }
    }
}

/// One event, written at once.
struct Line<'a> {
    bars: &'a MultiProgress,
    bytes: Vec<u8>,
}

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        self.bars.suspend(|| io::stderr().lock().write_all(&bytes))
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        // A log that cannot be written has nowhere to say so.
        io::Write::flush(self).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_filters() {
        for verbose in 0..4 {
            for voice in [Voice::Quiet, Voice::Telling] {
                EnvFilter::builder().parse(filter_of(verbose, voice)).unwrap();
            }
        }
    }
}
