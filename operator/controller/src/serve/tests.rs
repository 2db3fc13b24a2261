//! Servers on real sockets, with clients that behave and clients that do not.

use std::sync::Mutex;

use jiff::Timestamp;
use salesforce::clock::{Clock, Sleep};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
};

use super::*;

/// Moves when it is told to.
#[derive(Debug)]
struct StillClock {
    now: watch::Sender<Duration>,
}

impl StillClock {
    fn shared() -> Arc<Self> {
        Arc::new(Self {
            now: watch::channel(Duration::ZERO).0,
        })
    }

    fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.now.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.monotonic() + duration;
        let mut now = self.now.subscribe();
        Box::pin(async move {
            now.wait_for(|now| *now >= until).await.expect("a clock");
        })
    }
}

/// What the tests want to be answered.
struct Answers {
    heartbeat: Heartbeat,
    missing: Mutex<Option<&'static str>>,
}

impl Health for Answers {
    fn live(&self) -> Result<(), String> {
        self.heartbeat.check()
    }

    fn ready(&self) -> Result<(), String> {
        match *self.missing.lock().unwrap() {
            None => Ok(()),
            Some(missing) => Err(missing.to_owned()),
        }
    }

    fn metrics(&self) -> String {
        "# TYPE salesforce_replicator_leader gauge\nsalesforce_replicator_leader 1\n".to_owned()
    }
}

/// A server under way.
struct Running {
    address: SocketAddr,
    clock: Arc<StillClock>,
    answers: Arc<Answers>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Running {
    async fn start(routes: Routes, connections: usize) -> Self {
        let clock = StillClock::shared();
        let shared: SharedClock = Arc::<StillClock>::clone(&clock);
        let answers = Arc::new(Answers {
            heartbeat: Heartbeat::new(Arc::clone(&shared), Duration::from_mins(1)),
            missing: Mutex::default(),
        });
        let mut server = Server::bind(routes, local(), "--address").await.unwrap();
        server.limits.connections = connections;
        let (address, stop, mut task) = (server.address(), CancellationToken::new(), JoinSet::new());
        let health: Arc<dyn Health> = Arc::<Answers>::clone(&answers);
        task.spawn(server.run(health, shared, stop.clone()));
        Self {
            address,
            clock,
            answers,
            stop,
            task,
        }
    }

    /// Sends text and leaves the connection open.
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// The status, the head in lower case and the body of an answer.
    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n");
        read(self.send(&request).await).await
    }
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Everything that comes until the server closes the connection.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end as well: of a request that was not read to its own.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}

async fn read(stream: TcpStream) -> (u16, String, String) {
    let answer = read_to_end(stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn probes_tell_what_is_wrong() {
    let server = Running::start(Routes::Probes, CONNECTIONS).await;
    let (status, head, body) = server.ask("GET", "/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(server.ask("GET", "/livez?verbose").await.0, 200);

    *server.answers.missing.lock().unwrap() = Some("the CustomResourceDefinition is not installed");
    let (status, _, body) = server.ask("GET", "/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (503, "the CustomResourceDefinition is not installed\n")
    );
    assert_eq!(
        server.ask("GET", "/livez").await.0,
        200,
        "what is missing is no reason to restart"
    );
}

#[tokio::test]
async fn a_loop_that_stands_still_is_not_live_until_it_turns_again() {
    let server = Running::start(Routes::Probes, CONNECTIONS).await;
    server.clock.advance(Duration::from_mins(1));
    assert_eq!(server.ask("GET", "/livez").await.0, 200);
    server.clock.advance(Duration::from_secs(1));
    let (status, _, body) = server.ask("GET", "/livez").await;
    assert_eq!(status, 503);
    assert!(body.contains("has not turned for 61 s"), "{body}");
    assert_eq!(server.ask("GET", "/readyz").await.0, 200);
    server.answers.heartbeat.beat();
    assert_eq!(server.ask("GET", "/livez").await.0, 200);
}

#[tokio::test]
async fn metrics_are_text_for_prometheus_on_their_own_address() {
    let server = Running::start(Routes::Metrics, CONNECTIONS).await;
    let (status, head, body) = server.ask("GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.ends_with("salesforce_replicator_leader 1\n"), "{body}");
    assert_eq!(server.ask("GET", "/readyz").await.0, 404);
    let probes = Running::start(Routes::Probes, CONNECTIONS).await;
    assert_eq!(probes.ask("GET", "/metrics").await.0, 404);
}

#[tokio::test]
async fn other_requests_are_told_what_there_is() {
    let server = Running::start(Routes::Probes, CONNECTIONS).await;
    let (status, _, body) = server.ask("GET", "/").await;
    assert_eq!(
        (status, body.as_str()),
        (404, "not found; here are /livez and /readyz\n")
    );
    let (status, head, _) = server.ask("POST", "/readyz").await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: get, head"), "{head}");
    assert_eq!(server.ask("DELETE", "/other").await.0, 404);
    let (status, head, body) = server.ask("HEAD", "/readyz").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: 3"), "{head}");
}

#[tokio::test]
async fn what_is_no_request_of_a_probe_is_refused() {
    let server = Running::start(Routes::Probes, CONNECTIONS).await;
    assert_eq!(read(server.send("nonsense\r\n\r\n").await).await.0, 400);
    let long = format!(
        "GET /readyz HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n",
        "x".repeat(2 * HEAD_BYTES)
    );
    let answer = read_to_end(server.send(&long).await).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    let many = "X: y\r\n".repeat(HEADERS + 1);
    let many = format!("GET /readyz HTTP/1.1\r\nHost: here\r\n{many}\r\n");
    assert_eq!(read(server.send(&many).await).await.0, 431);
    assert_eq!(server.ask("GET", "/readyz").await.0, 200, "and the next one is served");
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let server = Running::start(Routes::Probes, CONNECTIONS).await;
    let slow = server.send("GET /readyz HT").await;
    // Answered after the slow one was accepted, since the server takes them one by one.
    assert_eq!(server.ask("GET", "/readyz").await.0, 200);
    server.clock.advance(REQUEST_TIMEOUT);
    assert_eq!(read_to_end(slow).await, "");
}

#[tokio::test]
async fn so_many_connections_at_once_and_the_others_wait() {
    let server = Running::start(Routes::Probes, 2).await;
    let slow = [server.send("GET").await, server.send("GET").await];
    let waiting = server.ask("GET", "/readyz");
    tokio::pin!(waiting);
    let patience = async {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = &mut waiting => panic!("there is no room: {answer:?}"),
        () = patience => {}
    }
    server.clock.advance(REQUEST_TIMEOUT);
    assert_eq!(waiting.await.0, 200);
    for slow in slow {
        assert_eq!(read_to_end(slow).await, "");
    }
}

#[tokio::test]
async fn a_server_that_is_stopped_lets_requests_end_and_takes_no_other() {
    let mut server = Running::start(Routes::Probes, CONNECTIONS).await;
    let mut begun = server.send("GET /readyz HTTP/1.1\r\n").await;
    assert_eq!(server.ask("GET", "/readyz").await.0, 200);
    server.stop.cancel();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    begun.write_all(b"Host: here\r\n\r\n").await.unwrap();
    assert_eq!(read(begun).await.0, 200);
    server.task.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_stays_open_does_not_keep_the_server() {
    let mut server = Running::start(Routes::Probes, CONNECTIONS).await;
    let open = server.send("GET").await;
    assert_eq!(server.ask("GET", "/readyz").await.0, 200);
    server.stop.cancel();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.clock.advance(DRAIN);
    server.task.join_next().await.unwrap().unwrap();
    assert_eq!(read_to_end(open).await, "");
}

#[tokio::test]
async fn an_address_that_cannot_be_had_names_its_flag() {
    let taken = Server::bind(Routes::Probes, local(), "--health-address").await.unwrap();
    let address = taken.address();
    let error = Server::bind(Routes::Metrics, address, "--metrics-address")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("--metrics-address {address}: another process listens there already; give another address")
    );
    let foreign = SocketAddr::from(([192, 0, 2, 1], 8080));
    let error = Server::bind(Routes::Metrics, foreign, "--metrics-address")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no such address"), "{error}");
}
