//! A binary COPY under way.
//!
//! A segment is one COPY, fed batch by batch, so that the server inserts while the next batch is read and encoded;
//! a COPY for each batch would make the two wait for each other. sqlx's `PgCopyIn` borrows the connection, and it has to
//! outlive one call of `write`. So a future of our own owns connection and COPY together and takes its chunks from a
//! channel of one; `write` drives it while it waits for room in the channel. Dropping it closes the connection, which is
//! what cancelling needs: the server rolls back.
//!
//! `send` writes and never reads: what the server thinks of the rows is known at the end, which is why segments are
//! bounded (performance.md 2.3).

use std::{
    future::{Future, ready},
    pin::Pin,
};

use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::{connect::Session, statement::Statement};

/// Bytes of one message to the server. 8 KiB, 64 KiB and 1 MiB make no difference (performance.md 1.1); a single row
/// may be longer.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// What a COPY left: the connection, where it can be used on, and how many rows the server took.
pub(super) struct Ended {
    pub(super) session: Option<Session>,
    pub(super) rows: sqlx::Result<u64>,
}

enum Chunk {
    Rows(Vec<u8>),
    GiveUp,
}

/// A COPY under way, and the connection that carries it.
pub(super) struct Copy {
    chunks: mpsc::Sender<Chunk>,
    run: Pin<Box<dyn Future<Output = Ended> + Send + Sync>>,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy").finish_non_exhaustive()
    }
}

impl Copy {
    /// A COPY that begins as soon as it is fed.
    pub(super) fn new(session: Session, statement: &Statement) -> Self {
        let (chunks, taken) = mpsc::channel(1);
        Self {
            chunks,
            run: Box::pin(run(session, statement.clone(), taken)),
        }
    }

    /// Hands bytes to the server, waiting while it is slow.
    ///
    /// # Errors
    /// What ended the COPY early. The connection is gone then.
    pub(super) async fn feed(&mut self, bytes: Vec<u8>) -> sqlx::Result<()> {
        tokio::select! {
            biased;
            ended = &mut self.run => return Err(early(ended)),
            // A channel that is closed belongs to a future that is ready, which is taken above.
            sent = self.chunks.send(Chunk::Rows(bytes)) => sent.map_err(|_closed| lost())?,
        }
        // Starts the write of what was just sent; the server works on it while the next rows are encoded.
        tokio::select! {
            biased;
            ended = &mut self.run => Err(early(ended)),
            () = ready(()) => Ok(()),
        }
    }

    /// Ends the COPY; the server's verdict on its rows comes here.
    pub(super) async fn finish(self) -> Ended {
        let Self { chunks, run } = self;
        drop(chunks);
        run.await
    }

    /// Gives the COPY up; the transaction is aborted then.
    pub(super) async fn abort(mut self) -> Option<Session> {
        tokio::select! {
            biased;
            ended = &mut self.run => return ended.session,
            sent = self.chunks.send(Chunk::GiveUp) => sent.ok()?,
        }
        self.run.await.session
    }
}

fn early(ended: Ended) -> sqlx::Error {
    ended.rows.err().unwrap_or_else(lost)
}

fn lost() -> sqlx::Error {
    std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()
}

async fn run(mut session: Session, statement: Statement, mut chunks: mpsc::Receiver<Chunk>) -> Ended {
    let (usable, rows) = stream(&mut session.connection, statement.as_str(), &mut chunks).await;
    Ended {
        session: usable.then_some(session),
        rows,
    }
}

/// Runs the COPY; says whether the connection can be used afterwards, and how it went.
async fn stream(
    connection: &mut PgConnection,
    statement: &str,
    chunks: &mut mpsc::Receiver<Chunk>,
) -> (bool, sqlx::Result<u64>) {
    let mut copy = match connection.copy_in_raw(statement).await {
        Ok(copy) => copy,
        Err(error) => return refused(error),
    };
    while let Some(chunk) = chunks.recv().await {
        match chunk {
            Chunk::Rows(bytes) => {
                if let Err(error) = copy.send(bytes).await {
                    return (false, Err(error));
                }
            }
            Chunk::GiveUp => {
                return match copy.abort("the segment is given up").await {
                    Ok(()) => (true, Ok(0)),
                    // sqlx leaves the end of the server's answer unread then.
                    Err(error) => (false, Err(error)),
                };
            }
        }
    }
    match copy.finish().await {
        Ok(rows) => (true, Ok(rows)),
        Err(error) => refused(error),
    }
}

/// After an error of the server the connection can be used on; after one of the network it cannot.
fn refused(error: sqlx::Error) -> (bool, sqlx::Result<u64>) {
    (matches!(error, sqlx::Error::Database(_)), Err(error))
}
