//! A raw HTTP and SOAP client: it shows what was sent, and hides nothing.

use std::io::Read;

use jiff::Timestamp;
use simulator::{ClockStart, Config, Control, Simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The moment at which the tests' orgs stand still.
pub(crate) const NOW: &str = "2026-11-10T10:00:30Z";

pub(crate) const USER: &str = "admin@example.com";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const TOKEN: &str = "TOKEN123";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// A small org whose clock is held.
pub(crate) fn config() -> Config {
    Config {
        clock: ClockStart::Held(at(NOW)),
        ..Config::default()
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers as they were sent.
    pub(crate) head: String,
    /// As sent, without the transfer coding.
    pub(crate) sent: Vec<u8>,
    /// Decompressed.
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, whose name must be written exactly so.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The text of the first element of this name (with its prefix).
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        texts(&self.body, name).into_iter().next()
    }

    /// The texts of all elements of this name.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        texts(&self.body, name)
    }

    /// exceptionCode of a fault.
    pub(crate) fn code(&self) -> String {
        self.text("sf:exceptionCode")
            .unwrap_or_else(|| panic!("no fault: {}", self.body))
    }

    /// The body, which must not be a fault.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }
}

pub(crate) fn texts(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    body.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split(&close).next())
        .map(unescape)
        .collect()
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Sends one request over its own connection and reads until that ends.
pub(crate) async fn send(address: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Head and body of an answer that was read to its end.
pub(crate) fn parse(raw: &[u8]) -> Answer {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(raw[..end].to_vec()).expect("ASCII");
    let mut sent = raw[end + 4..].to_vec();
    if head.contains("Transfer-Encoding: chunked") {
        sent = dechunk(&sent);
    }
    let mut body = Vec::new();
    if head.contains("Content-Encoding: gzip") {
        flate2::read::GzDecoder::new(sent.as_slice())
            .read_to_end(&mut body)
            .expect("gzip");
    } else if head.contains("Content-Encoding: deflate") {
        flate2::read::ZlibDecoder::new(sent.as_slice())
            .read_to_end(&mut body)
            .expect("zlib");
    } else {
        body.clone_from(&sent);
    }
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Answer {
        status,
        head,
        sent,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).expect("ASCII"), 16).expect("hex");
        rest = &rest[end + 2..];
        if length == 0 {
            break;
        }
        body.extend_from_slice(&rest[..length]);
        rest = &rest[length + 2..];
    }
    body
}

/// An org and one user's session in it.
pub(crate) struct Client {
    pub(crate) org: Simulator,
    pub(crate) control: Control,
    pub(crate) session: String,
    /// More headers of each request, each with its line end.
    pub(crate) http_headers: String,
    /// More SOAP headers, as markup.
    pub(crate) soap_headers: String,
}

impl Client {
    /// A fresh org without a session.
    pub(crate) async fn new(config: Config) -> Self {
        let org = Simulator::start(config).await.expect("started");
        let control = org.control();
        Self {
            org,
            control,
            session: String::new(),
            http_headers: String::new(),
            soap_headers: String::new(),
        }
    }

    /// A fresh org and the administrator's session.
    pub(crate) async fn logged_in(config: Config) -> Self {
        let mut client = Self::new(config).await;
        client.log_in(USER, &format!("{PASSWORD}{TOKEN}")).await;
        client
    }

    /// The org of the default configuration with the administrator's session.
    pub(crate) async fn ready() -> Self {
        Self::logged_in(config()).await
    }

    pub(crate) fn address(&self) -> String {
        let url = self.org.url();
        format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"))
    }

    pub(crate) async fn log_in(&mut self, username: &str, password: &str) {
        let answer = self.login("64.0", username, password).await.ok();
        self.session = answer.text("sessionId").expect("a session");
    }

    pub(crate) async fn login(&self, version: &str, username: &str, password: &str) -> Answer {
        let body = format!(
            "<urn:login><urn:username>{}</urn:username><urn:password>{}</urn:password></urn:login>",
            escape(username),
            escape(password)
        );
        self.post(&format!("/services/Soap/u/{version}/"), &self.envelope("", &body))
            .await
    }

    pub(crate) fn envelope(&self, session: &str, body: &str) -> String {
        let session = if session.is_empty() {
            String::new()
        } else {
            format!("<urn:SessionHeader><urn:sessionId>{session}</urn:sessionId></urn:SessionHeader>")
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:urn=\"urn:partner.soap.sforce.com\">\
             <soapenv:Header>{session}{}</soapenv:Header><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>",
            self.soap_headers
        )
    }

    /// Posts a SOAP envelope.
    pub(crate) async fn post(&self, path: &str, envelope: &str) -> Answer {
        parse(&self.try_post(path, envelope).await.expect("an answer"))
    }

    pub(crate) async fn try_post(&self, path: &str, envelope: &str) -> std::io::Result<Vec<u8>> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: \"\"\r\n\
             Connection: close\r\n{}Content-Length: {}\r\n\r\n{envelope}",
            self.address(),
            self.http_headers,
            envelope.len()
        );
        send(&self.address(), request.as_bytes()).await
    }

    /// A call with the session.
    pub(crate) async fn call(&self, body: &str) -> Answer {
        self.post(
            "/services/Soap/u/66.0/00D000000000001",
            &self.envelope(&self.session, body),
        )
        .await
    }

    pub(crate) async fn query(&self, soql: &str) -> Answer {
        self.call(&format!(
            "<urn:query><urn:queryString>{}</urn:queryString></urn:query>",
            escape(soql)
        ))
        .await
    }

    pub(crate) async fn query_all(&self, soql: &str) -> Answer {
        self.call(&format!(
            "<urn:queryAll><urn:queryString>{}</urn:queryString></urn:queryAll>",
            escape(soql)
        ))
        .await
    }

    pub(crate) async fn query_more(&self, locator: &str) -> Answer {
        self.call(&format!(
            "<urn:queryMore><urn:queryLocator>{locator}</urn:queryLocator></urn:queryMore>"
        ))
        .await
    }

    /// getUpdated or getDeleted.
    pub(crate) async fn changes(&self, call: &str, object: &str, start: &str, end: &str) -> Answer {
        self.call(&format!(
            "<urn:{call}><urn:sObjectType>{object}</urn:sObjectType><urn:startDate>{start}</urn:startDate>\
             <urn:endDate>{end}</urn:endDate></urn:{call}>"
        ))
        .await
    }

    /// A request to the control API: status and JSON.
    pub(crate) async fn http(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address(),
            body.len()
        );
        let answer = parse(&send(&self.address(), request.as_bytes()).await.expect("an answer"));
        (
            answer.status,
            serde_json::from_str(&answer.body).unwrap_or(serde_json::Value::Null),
        )
    }
}
