//! Logs, on standard error.
//!
//! Without -v only warnings are shown, since results and progress say the rest; a run that goes on by its trigger has no
//! other voice, and tells what it does from the beginning. `RUST_LOG` decides where it is set.

use std::io;

use indicatif::MultiProgress;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, filter_fn},
    fmt::{self, MakeWriter},
    layer::{Filter, SubscriberExt as _},
};

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
        Ok(filter) if !filter.trim().is_empty() => without_answers(&filter),
        Ok(_) | Err(_) => without_answers(filter_of(global.verbose, voice)),
    };
    let text = match global.log_format {
        LogFormat::Auto => printer::is_watched(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let lines = fmt::layer().with_writer(BesideBars(bars.clone()));
    let started = if text {
        let lines = lines.with_ansi(printer::is_watched()).with_target(false);
        tracing::subscriber::set_global_default(Registry::default().with(lines.with_filter(filter)))
    } else {
        let lines = lines.json().flatten_event(true);
        tracing::subscriber::set_global_default(Registry::default().with(lines.with_filter(filter)))
    };
    debug_assert!(started.is_ok(), "logs are started once");
}

/// Our own crates by degrees; drivers and HTTP only when they warn, or with -vv.
fn filter_of(verbose: u8, voice: Voice) -> &'static str {
    match (verbose, voice) {
        (0, Voice::Quiet) => "warn",
        (0, Voice::Telling) => "warn,salesforce_replicator=info,controller=info,replication=info,salesforce=info",
        (1, _) => "warn,salesforce_replicator=debug,controller=debug,replication=debug,salesforce=debug",
        (2.., _) => "info,salesforce_replicator=trace,controller=trace,replication=trace,salesforce=trace",
    }
}

/// A filter that lets through what it asks for but one thing: the Kubernetes client logs the whole answer where it cannot read
/// one, which may be a Secret, beside the error that it gives. No directive does that, since one for a span lets all in it through.
fn without_answers(filter: &str) -> impl Filter<Registry> + use<> {
    let is_answer = |about: &Metadata<'_>| {
        about.is_event() && about.target() == "kube_client::client" && *about.level() > Level::ERROR
    };
    EnvFilter::builder()
        .parse_lossy(filter)
        .and(filter_fn(move |about| !is_answer(about)))
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
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_that_cannot_be_read_are_logged_by_no_filter() {
        for filter in [
            "warn",
            "trace",
            "info,kube_client=debug",
            "warn,[reading]=trace",
            filter_of(3, Voice::Telling),
        ] {
            let logged = Logged::default();
            let writer = logged.clone();
            let lines = fmt::layer().with_writer(move || writer.clone());
            let subscriber = Registry::default().with(lines.with_filter(without_answers(filter)));
            tracing::subscriber::with_default(subscriber, || {
                let _reading = tracing::debug_span!("reading").entered();
                tracing::warn!(target: "kube_client::client", "{}", "the whole answer");
                tracing::warn!(target: "kube_client::client::tls", "{}", "of certificates");
                tracing::warn!("{}", "our own");
            });
            let text = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("the whole answer"), "{filter}: {text}");
            assert!(
                text.contains("of certificates") && text.contains("our own"),
                "{filter}: {text}"
            );
        }
    }

    #[test]
    fn filters_are_filters() {
        for verbose in 0..4 {
            for voice in [Voice::Quiet, Voice::Telling] {
                EnvFilter::builder().parse(filter_of(verbose, voice)).unwrap();
            }
        }
    }
}
