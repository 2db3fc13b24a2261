//! A small HTTP server for tests: answers each request as a closure says, down to the bytes, so that it can also
//! break off or say nothing.

use std::{
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::Url;

use crate::clock::{Clock, Sleep};

/// A clock that moves when a test says so.
#[derive(Debug, Default)]
pub(crate) struct TestClock(Mutex<Duration>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, _duration: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Path of the URL.
    pub(crate) path: String,
    /// Request line and headers.
    pub(crate) head: String,
    /// The envelope.
    pub(crate) body: String,
}

impl Request {
    /// Name of the call.
    pub(crate) fn call(&self) -> &str {
        let (_, rest) = self.body.split_once("<soapenv:Body><urn:").unwrap();
        rest.split(['>', '/', ' ']).next().unwrap()
    }

    /// The text of an element of the request.
    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<urn:{name}>"))?;
        rest.split('<').next()
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then nothing more, without an end.
    Hang(Vec<u8>),
}

impl Reply {
    /// A whole answer.
    pub(crate) fn new(status: u16, headers: &str, body: &[u8]) -> Self {
        let mut bytes = format!(
            "HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }

    /// A SOAP answer.
    pub(crate) fn xml(status: u16, body: &str) -> Self {
        Self::new(status, "Content-Type: text/xml; charset=UTF-8\r\n", body.as_bytes())
    }

    /// A response element in an envelope, with the header of limits.
    pub(crate) fn response(inside: &str) -> Self {
        Self::xml(200, &envelope(inside))
    }

    /// The same, compressed.
    pub(crate) fn gzip(body: &[u8]) -> Self {
        Self::new(
            200,
            "Content-Type: text/xml; charset=UTF-8\r\nContent-Encoding: gzip\r\n",
            &gzip(body),
        )
    }

    /// A fault.
    pub(crate) fn fault(code: &str, message: &str) -> Self {
        Self::xml(
            500,
            &format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
                 xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                 xmlns:sf=\"urn:fault.partner.soap.sforce.com\"><soapenv:Body><soapenv:Fault><faultcode>sf:{code}\
                 </faultcode><faultstring>{code}: {message}</faultstring><detail><sf:UnexpectedErrorFault>\
                 <sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{message}</sf:exceptionMessage>\
                 </sf:UnexpectedErrorFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
            ),
        )
    }
}

/// An envelope with limits around a response.
pub(crate) fn envelope(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:sf=\"urn:sobject.partner.soap.sforce.com\">\
         <soapenv:Header><LimitInfoHeader><limitInfo><current>6</current><limit>5000</limit><type>API REQUESTS</type>\
         </limitInfo></LimitInfoHeader></soapenv:Header><soapenv:Body>{inside}</soapenv:Body></soapenv:Envelope>"
    )
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) url: Url,
    requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server that answers with `handler`, which is given its own URL too.
    pub(crate) async fn start(handler: impl Fn(&Request, &Url) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (handler, own, log) = (Arc::new(handler), url.clone(), Arc::clone(&requests));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (handler, own, log) = (Arc::clone(&handler), own.clone(), Arc::clone(&log));
                connections.spawn(async move {
                    serve(stream, |request| {
                        log.lock().unwrap().push(request.clone());
                        handler(request, &own)
                    })
                    .await;
                });
            }
        });
        Self {
            url,
            requests,
            _tasks: tasks,
        }
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How often a call was made.
    pub(crate) fn count(&self, call: &str) -> usize {
        self.requests().iter().filter(|request| request.call() == call).count()
    }
}

async fn serve(mut stream: TcpStream, answer: impl Fn(&Request) -> Reply) {
    let mut received = Vec::new();
    let head_end = loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8(received[..head_end].to_vec()).unwrap();
    let length: usize = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(|n| n.parse().unwrap())
        })
        .unwrap();
    while received.len() < head_end + length {
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let body = String::from_utf8(received[head_end..].to_vec()).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    match answer(&Request { path, head, body }) {
        Reply::Bytes(bytes) => {
            // The client may have had enough before the end.
            stream.write_all(&bytes).await.ok();
            stream.shutdown().await.ok();
        }
        Reply::Hang(bytes) => {
            stream.write_all(&bytes).await.ok();
            std::future::pending::<()>().await;
        }
    }
}
