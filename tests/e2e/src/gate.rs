//! A way to the API server on which a test can stand: it lets requests through, holds one, answers one itself, or breaks a
//! watch off in the middle of an object.
//!
//! The real API server does all that it can be made to do: a conflict is made by holding a request while somebody else
//! changes the object. Only what it cannot be asked for (a full queue, an internal error, a history that is gone) is answered here, once
//! for each rule. It speaks plain HTTP to the process under test, and to the API server as the user that it stands for.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

use crate::control_plane::user::User;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Headers of one connection, which the other one makes for itself.
const OWN: [HeaderName; 5] = [HOST, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

/// A way to the API server. It ends when it is dropped.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    watchman: Arc<Watchman>,
    _work: JoinSet<()>,
}

/// What stands at the gate.
#[derive(Debug)]
struct Watchman {
    rules: Mutex<Vec<Rule>>,
    /// The next event of a watch is broken off in its middle.
    cuts: AtomicBool,
}

/// What is done with the next request of a kind.
#[derive(Debug)]
struct Rule {
    method: &'static str,
    /// A part of path and query.
    within: &'static str,
    act: Act,
}

#[derive(Debug)]
enum Act {
    Answer(Answer),
    Hold(Arc<Hold>),
}

/// An answer of the gate's own.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    retry_after: Option<u32>,
    body: String,
}

#[derive(Debug)]
struct Hold {
    reached: Semaphore,
    goes: Semaphore,
}

/// A request that is held, or will be.
#[derive(Debug)]
pub struct Held(Arc<Hold>);

impl Held {
    /// Waits until the request is there.
    ///
    /// # Panics
    /// Never: the gate outlives it.
    pub async fn reached(&self) {
        self.0.reached.acquire().await.expect("it is never closed").forget();
    }

    /// Lets it through.
    pub fn let_go(&self) {
        self.0.goes.add_permits(1);
    }
}

impl Answer {
    /// As the API server says that something is wrong.
    pub fn failure(code: u16, reason: &str) -> Self {
        Self {
            status: code,
            retry_after: None,
            body: failure(code, reason).to_string(),
        }
    }

    /// With the time after which to come back, seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A watch that tells at once that the versions which it was to begin behind are gone.
    pub fn gone() -> Self {
        let event = json!({"type": "ERROR", "object": failure(410, "Expired")});
        Self {
            status: 200,
            retry_after: None,
            body: format!("{event}\n"),
        }
    }
}

fn failure(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("the gate says {reason}"), "reason": reason, "code": code,
    })
}

impl Gate {
    /// A gate for `user`, and the user who comes through it.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn of(user: &User) -> (User, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let watchman = Arc::new(Watchman {
            rules: Mutex::default(),
            cuts: AtomicBool::new(false),
        });
        let mut work = JoinSet::new();
        work.spawn(serve(listener, user.client(), Arc::clone(&watchman)));
        let gate = Self {
            address,
            watchman,
            _work: work,
        };
        (user.behind(&format!("http://{}", gate.address), "gate"), gate)
    }

    /// Answers the next requests of this method whose path and query have `within`, each once.
    pub fn answer(&self, method: &'static str, within: &'static str, answers: impl IntoIterator<Item = Answer>) {
        let acts = answers.into_iter().map(Act::Answer);
        self.rules().extend(acts.map(|act| Rule { method, within, act }));
    }

    /// Holds the next request of this method whose path and query have `within`.
    pub fn hold(&self, method: &'static str, within: &'static str) -> Held {
        let hold = Arc::new(Hold {
            reached: Semaphore::new(0),
            goes: Semaphore::new(0),
        });
        let act = Act::Hold(Arc::clone(&hold));
        self.rules().push(Rule { method, within, act });
        Held(hold)
    }

    /// Breaks the next event of a watch of `salesforcereplicators` off in its middle.
    pub fn cut_next_event(&self) {
        self.watchman.cuts.store(true, Ordering::SeqCst);
    }

    /// Whether every rule was used, and the cut made.
    pub fn is_done(&self) -> bool {
        self.rules().is_empty() && !self.watchman.cuts.load(Ordering::SeqCst)
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.watchman.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, client: Client, watchman: Arc<Watchman>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (client, watchman) = (client.clone(), Arc::clone(&watchman));
        let service = service_fn(move |request| pass(request, client.clone(), Arc::clone(&watchman)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            // One that was broken off is what a test wants.
            connection.await.ok();
        });
    }
}

async fn pass(
    request: Request<Incoming>,
    client: Client,
    watchman: Arc<Watchman>,
) -> Result<Response<Body>, Infallible> {
    let of = request.uri().path_and_query().map_or("/", |of| of.as_str()).to_owned();
    let act = watchman.take(request.method().as_str(), &of);
    match act {
        Some(Act::Answer(answer)) => return Ok(answered(answer)),
        Some(Act::Hold(hold)) => {
            hold.reached.add_permits(1);
            hold.goes.acquire().await.expect("it is never closed").forget();
        }
        None => {}
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(answered(Answer::failure(400, "BadRequest")));
    };
    let mut forward = Request::builder().method(parts.method).uri(&of);
    for (name, value) in parts.headers.iter().filter(|(name, _)| !OWN.contains(name)) {
        forward = forward.header(name, value);
    }
    let body = kube::client::Body::from(body.to_bytes().to_vec());
    let forward = forward.body(body).expect("a request that came is one");
    let Ok(answer) = client.send(forward).await else {
        return Ok(answered(Answer::failure(503, "ServiceUnavailable")));
    };
    let (parts, body) = answer.into_parts();
    let mut through = Response::builder().status(parts.status);
    for (name, value) in parts.headers.iter().filter(|(name, _)| !OWN.contains(name)) {
        through = through.header(name, value);
    }
    let is_watch = of.contains("watch=true") && of.contains("/salesforcereplicators");
    let frames = broken(body.into_data_stream(), is_watch.then_some(watchman));
    let body = StreamBody::new(frames).boxed_unsync();
    Ok(through.body(body).expect("an answer that came is one"))
}

/// The bytes of an answer; the half of some, and then an end, where a watch is to be cut.
fn broken<E>(
    bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    watchman: Option<Arc<Watchman>>,
) -> impl Stream<Item = Result<Frame<Bytes>, io::Error>> + Send
where
    E: std::error::Error + Send + Sync + 'static,
{
    let begin = (Box::pin(bytes), watchman, false);
    stream::unfold(begin, |(mut bytes, watchman, is_cut)| async move {
        if is_cut {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, "the gate is shut");
            return Some((Err(error), (bytes, watchman, true)));
        }
        let next = match bytes.next().await? {
            Ok(next) => next,
            Err(error) => return Some((Err(io::Error::other(error)), (bytes, watchman, true))),
        };
        let is_cut = watchman
            .as_ref()
            .is_some_and(|watchman| watchman.cuts.swap(false, Ordering::SeqCst));
        let next = if is_cut { next.slice(..next.len() / 2) } else { next };
        Some((Ok(Frame::data(next)), (bytes, watchman, is_cut)))
    })
}

impl Watchman {
    /// The first rule for a request; it is used up.
    fn take(&self, method: &str, of: &str) -> Option<Act> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |rule: &Rule| rule.method == method && of.contains(rule.within);
        let place = rules.iter().position(fits)?;
        Some(rules.remove(place).act)
    }
}

fn answered(answer: Answer) -> Response<Body> {
    let Answer {
        status,
        retry_after,
        body,
    } = answer;
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    response.body(body.boxed_unsync()).expect("an answer")
}
