//! `/livez`, `/readyz` and `/metrics`.
//!
//! Probes and metrics have an address each, since they have other readers: the kubelet on one hand, Prometheus, from another
//! namespace and perhaps behind a `NetworkPolicy`, on the other.
//!
//! **Live** means that the process does what a process is for: the operator's task turns, and says so by its [`Heartbeat`].
//! It never depends on the API server, on Salesforce or on a database: a restart mends none of them, and with all replicas
//! restarting nobody would be there when they come back. **Ready** means that it can do its work, and names what is missing
//! where it cannot.
//!
//! What answers is one request a connection, without a body, from a table of three paths. So all limits are simple: a
//! request's head has a size, a connection has a time to live, and there are so many of them at once; others wait in the
//! kernel's queue. None of this may ever cost the replication memory that somebody with a browser can choose.

mod heartbeat;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use salesforce::clock::SharedClock;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use self::heartbeat::Heartbeat;

/// The whole of a request, head to answer. A kubelet waits a second, Prometheus ten.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections at once, on each address.
const CONNECTIONS: usize = 64;

/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;

/// Headers of a request.
const HEADERS: usize = 64;

/// How long open connections keep a server from ending.
const DRAIN: Duration = Duration::from_secs(1);

/// Pause after a connection that could not be accepted: mostly, the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers for the process. Asked at each request, so it must not block.
pub trait Health: Send + Sync + 'static {
    /// Whether the process turns.
    ///
    /// # Errors
    /// What does not, as text for a person.
    fn live(&self) -> Result<(), String>;

    /// Whether the process can do its work. A replica that waits for another to die can.
    ///
    /// # Errors
    /// What is missing, as text for a person.
    fn ready(&self) -> Result<(), String>;

    /// All metrics, in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// An address cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {address}: {}", explain(source))]
pub struct BindError {
    flag: &'static str,
    address: SocketAddr,
    #[source]
    source: io::Error,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's list is long and open, and says the rest well enough"
)]
fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there already; give another address".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; give another one".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "this user may not listen there; give a port above 1023, or the right to".to_owned()
        }
        _ => format!("cannot be listened at: {error}"),
    }
}

/// What an address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routes {
    /// `/livez` and `/readyz`.
    Probes,
    /// `/metrics`.
    Metrics,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    routes: Routes,
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    request_timeout: Duration,
    connections: usize,
}

impl Server {
    /// Listens at an address that was given by a flag.
    ///
    /// # Errors
    /// The address is taken, or may not be used; the text names the flag.
    pub async fn bind(routes: Routes, address: SocketAddr, flag: &'static str) -> Result<Self, BindError> {
        let failed = |source| BindError { flag, address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            routes,
            listener,
            address,
            limits: Limits {
                request_timeout: REQUEST_TIMEOUT,
                connections: CONNECTIONS,
            },
        })
    }

    /// Where it listens: the port that the system chose, where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is stopped; then lets requests that came in end, for a moment.
    pub async fn run(self, health: Arc<dyn Health>, clock: SharedClock, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a request ended the task that answers it");
                    }
                    continue;
                }
                accepted = self.accept(&permits) => accepted,
            };
            let Some((stream, permit)) = accepted else {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = clock.sleep(ACCEPT_PAUSE) => {}
                }
                continue;
            };
            let connection = serve_connection(stream, self.routes, Arc::clone(&health));
            let timeout = clock.sleep(self.limits.request_timeout);
            connections.spawn(async move {
                tokio::select! {
                    biased;
                    () = connection => {}
                    () = timeout => tracing::debug!("a request took too long"),
                }
                drop(permit);
            });
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            biased;
            () = drained => {}
            () = clock.sleep(DRAIN) => {}
        }
    }

    /// The next connection, once there is room for it. Cancel safe.
    async fn accept(&self, permits: &Arc<Semaphore>) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, _peer)) => Some((stream, permit)),
            Err(error) => {
                tracing::warn!(%error, address = %self.address, "a connection could not be accepted");
                None
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, routes: Routes, health: Arc<dyn Health>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(routes, request.method(), request.uri().path(), health.as_ref());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The answer to a request.
fn answer(routes: Routes, method: &Method, path: &str, health: &dyn Health) -> Response<Full<Bytes>> {
    let answer: fn(&dyn Health) -> Response<Full<Bytes>> = match (routes, path) {
        (Routes::Probes, "/livez") => |health| verdict(health.live()),
        (Routes::Probes, "/readyz") => |health| verdict(health.ready()),
        (Routes::Metrics, "/metrics") => |health| {
            let mut response = Response::new(Full::from(health.metrics()));
            let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        },
        (Routes::Probes, _) => return text(StatusCode::NOT_FOUND, "not found; here are /livez and /readyz"),
        (Routes::Metrics, _) => return text(StatusCode::NOT_FOUND, "not found; here is /metrics"),
    };
    if method == Method::GET || method == Method::HEAD {
        return answer(health);
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn verdict(verdict: Result<(), String>) -> Response<Full<Bytes>> {
    match verdict {
        Ok(()) => text(StatusCode::OK, "ok"),
        Err(missing) => text(StatusCode::SERVICE_UNAVAILABLE, &missing),
    }
}

fn text(status: StatusCode, line: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{line}\n")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
