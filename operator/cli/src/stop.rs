//! Ctrl-C and SIGTERM.
//!
//! The first one asks runs to stop: what is not committed rolls back, reports are written, and the process ends with 128
//! and the signal's number. The second one does not wait for that: the runs are dropped, which rolls back as well, by the
//! database's hand. Commands that only read do not come here: the system's own way to end them is quick and harmless.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{exit::Exit, failure::Failure, printer::Printer};

/// Does `work` until it is done or two signals came. Gives its result, and the end that the last signal asks for. `work` must not
/// block: while it does, nobody hears a signal.
///
/// # Errors
/// The system does not let signals be handled.
pub(crate) async fn until_signal<T>(
    token: &CancellationToken,
    printer: &Printer,
    work: impl Future<Output = T>,
) -> Result<(Option<T>, Option<Exit>), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Defect(format!("signals cannot be handled: {error}")));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut work = Box::pin(work);
    let first = tokio::select! {
        biased;
        exit = next(&mut interrupt, &mut terminate) => exit,
        done = &mut work => return Ok((Some(done), None)),
    };
    printer.remark("stopping: what is not committed is rolled back; once more to stop at once");
    token.cancel();
    let done = tokio::select! {
        biased;
        second = next(&mut interrupt, &mut terminate) => return Ok((None, Some(second))),
        done = &mut work => done,
    };
    Ok((Some(done), Some(first)))
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Exit {
    tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    }
}
