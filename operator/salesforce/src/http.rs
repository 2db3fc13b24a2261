//! One request, one bounded answer.
//!
//! Everything that can go wrong between two machines is told apart here: no connection, a certificate that is not
//! trusted, silence, an answer that breaks off, a web page, a status without a SOAP answer, a body that would fill the
//! memory. The body is inflated while it arrives and is bounded after inflating, so that a small answer cannot become
//! a large one. Redirects are not followed: the request holds the session id or the password.
//!
//! Time-outs are tokio's and not the [`Clock`](crate::clock::Clock)'s: what they bound is the real network, also where
//! a test moves the time of everything else.

use std::{error::Error as StdError, future::Future, io::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use flate2::write::GzDecoder;
use reqwest::{
    Certificate, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::zeroize::Zeroizing;
use url::Url;

use crate::{
    endpoint::is_loopback,
    error::{Error, Place, Result, Waiting},
    limits::{BODY_LIMIT_BYTES, Timeouts},
};

/// Sent as User-Agent; an org's login history shows it.
const USER_AGENT: &str = concat!("salesforce-replicator/", env!("CARGO_PKG_VERSION"));

/// Answers are rarely smaller than this. Login answers are far smaller, so they are never copied by growing.
const FIRST_CAPACITY_BYTES: usize = 64 * 1024;

/// An HTTP client with this project's rules.
#[derive(Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    timeouts: Timeouts,
}

/// The body of an answer as text, and the status it came with.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: String,
}

impl Http {
    /// # Errors
    ///
    /// Of kind Invalid, where the CA is not PEM or no root certificates are there.
    pub(crate) fn new(login_url: &Url, ca_pem: Option<&[u8]>, timeouts: Timeouts) -> Result<Self> {
        timeouts.check()?;
        // Another part of the process may have installed a provider: then that one is used.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut roots = Vec::new();
        if let Some(pem) = ca_pem {
            let unusable = || Error::Config("the CA (spec.connection.caSecretRef) holds no PEM certificate".to_owned());
            roots = Certificate::from_pem_bundle(pem).map_err(|error| {
                tracing::debug!(%error, "the CA cannot be read");
                unusable()
            })?;
            if roots.is_empty() {
                return Err(unusable());
            }
        }
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(timeouts.connect)
                .tcp_keepalive(Duration::from_secs(30))
                .tls_certs_merge(roots.clone());
            // A proxy cannot reach this machine under the name of itself.
            if is_loopback(login_url) {
                builder.no_proxy()
            } else {
                builder
            }
        };
        let client = builder().build().or_else(|error| {
            // Without any root certificate on the machine (a bare image) TLS is impossible, but plain HTTP is not.
            if login_url.scheme() == "http" {
                builder().tls_certs_only([]).build()
            } else {
                Err(error)
            }
        });
        let client = client.map_err(|error| {
            tracing::debug!(error = chain(&error), "the HTTP client cannot be built");
            Error::Config(
                "TLS cannot be set up: are root certificates installed (package ca-certificates), and is the CA of \
                 spec.connection.caSecretRef a certificate?"
                    .to_owned(),
            )
        })?;
        Ok(Self { client, timeouts })
    }

    /// Posts an envelope. Dropping the future closes the connection.
    pub(crate) async fn post(&self, url: Url, envelope: Zeroizing<Vec<u8>>, place: &Place) -> Result<Answer> {
        let whole = self.exchange(url, envelope, place);
        within(self.timeouts.total, Waiting::End, place, whole).await?
    }

    async fn exchange(&self, url: Url, envelope: Zeroizing<Vec<u8>>, place: &Place) -> Result<Answer> {
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .header(ACCEPT_ENCODING, "gzip")
            .header("SOAPAction", "\"\"")
            // The bytes are wiped when the last part of the connection lets go of them.
            .body(Bytes::from_owner(envelope));
        let limit = self.timeouts.connect.saturating_add(self.timeouts.answer());
        let response = within(limit, Waiting::Answer, place, request.send()).await?;
        let response = response.map_err(|error| self.failure(error, place))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Error::Redirect {
                place: place.clone(),
                target: target_of(&response),
            });
        }
        let charset = Charset::of(response.headers());
        let retry_after = retry_after(response.headers());
        let body = match self.body(response, place).await {
            Ok(body) => body,
            // What matters about the page of a broken gateway is its status.
            Err(_) if status.is_server_error() && status != StatusCode::INTERNAL_SERVER_ERROR => Vec::new(),
            Err(error) => return Err(error),
        };
        let status = status.as_u16();
        if is_html(&body) {
            return Err(Error::Html {
                place: place.clone(),
                status,
            });
        }
        let body = match charset {
            Some(charset) => charset,
            None => Charset::declared(&body),
        }
        .decode(body)
        .map_err(|offset| Error::Unreadable {
            place: place.clone(),
            problem: "its bytes are not in the encoding that it declares",
            offset,
        })?;
        if status != 200 && !body.trim_start().starts_with('<') {
            return Err(Error::Status {
                place: place.clone(),
                status,
                retry_after,
            });
        }
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    /// Reads and inflates a body, piece by piece.
    async fn body(&self, mut response: Response, place: &Place) -> Result<Vec<u8>> {
        let too_large = || Error::TooLarge {
            place: place.clone(),
            limit_bytes: BODY_LIMIT_BYTES,
        };
        if response
            .content_length()
            .is_some_and(|length| length > BODY_LIMIT_BYTES as u64)
        {
            return Err(too_large());
        }
        let encoding = response
            .headers()
            .get(CONTENT_ENCODING)
            .map(|value| value.as_bytes().to_ascii_lowercase());
        let mut sink = match encoding.as_deref() {
            None | Some(b"" | b"identity") => Sink::Plain(Bounded::new(BODY_LIMIT_BYTES)),
            Some(b"gzip" | b"x-gzip") => Sink::Gzip(Box::new(GzDecoder::new(Bounded::new(BODY_LIMIT_BYTES)))),
            Some(_) => {
                return Err(Error::Unreadable {
                    place: place.clone(),
                    problem: "its Content-Encoding is not gzip, which was asked for",
                    offset: 0,
                });
            }
        };
        let damaged = |offset| Error::Unreadable {
            place: place.clone(),
            problem: "it is not whole gzip data",
            offset,
        };
        let mut received = 0;
        let refused = |sink: &Sink, error: std::io::Error, offset| {
            tracing::debug!(%error, "an answer cannot be taken in");
            if sink.overflow() { too_large() } else { damaged(offset) }
        };
        loop {
            let piece = within(self.timeouts.read, Waiting::Body, place, response.chunk()).await?;
            let Some(piece) = piece.map_err(|error| self.failure(error, place))? else {
                break;
            };
            sink.write_all(&piece)
                .map_err(|error| refused(&sink, error, received))?;
            received += piece.len() as u64;
        }
        sink.flush().map_err(|error| refused(&sink, error, received))?;
        sink.finish().map_err(|error| {
            tracing::debug!(%error, "an answer ends in the middle of its compressed data");
            damaged(received)
        })
    }

    /// What a failure of the HTTP client means.
    fn failure(&self, error: reqwest::Error, place: &Place) -> Error {
        let place = place.clone();
        // The URL is in the place; the driver's text would repeat it.
        let error = error.without_url();
        if error.is_timeout() {
            let (waiting, after) = if error.is_connect() {
                (Waiting::Connection, self.timeouts.connect)
            } else {
                (Waiting::Body, self.timeouts.read)
            };
            return Error::Timeout { place, waiting, after };
        }
        if is_certificate(&error) {
            return Error::Certificate {
                place,
                source: Arc::new(error),
            };
        }
        if error.is_connect() || error.is_builder() {
            return Error::Connect {
                place,
                source: Arc::new(error),
            };
        }
        Error::CutOff {
            place,
            source: Some(Arc::new(error)),
        }
    }
}

async fn within<T>(limit: Duration, waiting: Waiting, place: &Place, work: impl Future<Output = T>) -> Result<T> {
    // The elapsed error says nothing that the place and the limit do not say.
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_elapsed| Error::Timeout {
            place: place.clone(),
            waiting,
            after: limit,
        })
}

/// Seconds that a busy server asks to wait. A date, or more than an hour, is not followed: who backs off knows better.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds)).filter(|wait| *wait <= Duration::from_hours(1))
}

/// Host that a redirect names. The path could hold tokens.
fn target_of(response: &Response) -> String {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| response.url().join(location).ok());
    target
        .as_ref()
        .and_then(Url::host_str)
        .unwrap_or("an unnamed host")
        .to_owned()
}

/// Whether rustls refused the host's certificate.
///
/// Its error is wrapped into I/O errors, and the source of an I/O error is not what it wraps but the source of that. So
/// what is wrapped is looked at, as deep as it goes.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut next = StdError::source(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref::<rustls::Error>() {
            return true;
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

/// An error with its sources, for the log.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Whether a body is a web page.
fn is_html(body: &[u8]) -> bool {
    let start = body
        .iter()
        .position(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
    let body = start.and_then(|start| body.get(start..)).unwrap_or_default();
    [b"<!doctype html".as_slice(), b"<html".as_slice()].iter().any(|mark| {
        body.get(..mark.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(mark))
    })
}

/// Encodings that an org answers in: UTF-8, or ISO-8859-1 for old ones (salesforce-api.md 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
    Other,
}

impl Charset {
    fn named(name: &str) -> Self {
        match name
            .trim_matches(|character: char| character == '"' || character.is_whitespace())
            .to_ascii_lowercase()
            .as_str()
        {
            "utf-8" | "utf8" | "us-ascii" => Self::Utf8,
            "iso-8859-1" | "latin1" => Self::Latin1,
            _ => Self::Other,
        }
    }

    /// From the Content-Type, which goes before what the document says.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
        let (_, charset) = content_type.split_once("charset=")?;
        Some(Self::named(charset.split(';').next().unwrap_or_default()))
    }

    /// From the XML declaration; UTF-8 where there is none.
    fn declared(body: &[u8]) -> Self {
        let head = body.get(..body.len().min(200)).unwrap_or_default();
        let head: String = head.iter().map(|byte| char::from(*byte)).collect();
        let declaration = head.split("?>").next().filter(|head| head.contains("<?xml"));
        let Some((_, name)) = declaration.and_then(|declaration| declaration.split_once("encoding=")) else {
            return Self::Utf8;
        };
        Self::named(
            name.trim_start_matches(['"', '\''])
                .split(['"', '\''])
                .next()
                .unwrap_or_default(),
        )
    }

    /// The text, or the position of the first byte that is wrong.
    fn decode(self, mut body: Vec<u8>) -> Result<String, u64> {
        match self {
            Self::Utf8 => {
                if body.starts_with(b"\xef\xbb\xbf") {
                    body.drain(..3);
                }
                String::from_utf8(body).map_err(|error| error.utf8_error().valid_up_to() as u64)
            }
            Self::Latin1 => Ok(body.iter().map(|byte| char::from(*byte)).collect()),
            Self::Other => Err(0),
        }
    }
}

/// A vector with a bound.
struct Bounded {
    bytes: Vec<u8>,
    limit_bytes: usize,
    overflow: bool,
}

impl Bounded {
    fn new(limit_bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(FIRST_CAPACITY_BYTES),
            limit_bytes,
            overflow: false,
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + piece.len() > self.limit_bytes {
            self.overflow = true;
            return Err(std::io::Error::other("the body is larger than its bound"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Sink {
    Plain(Bounded),
    Gzip(Box<GzDecoder<Bounded>>),
}

impl Sink {
    fn write_all(&mut self, piece: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(bounded) => bounded.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
        }
    }

    /// Passes on what the decoder still holds, which may be what overflows.
    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(bounded) => bounded.flush(),
            Self::Gzip(decoder) => decoder.flush(),
        }
    }

    fn overflow(&self) -> bool {
        match self {
            Self::Plain(bounded) => bounded.overflow,
            Self::Gzip(decoder) => decoder.get_ref().overflow,
        }
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain(bounded) => Ok(bounded.bytes),
            Self::Gzip(decoder) => decoder.finish().map(|bounded| bounded.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::gzip;

    #[test]
    fn a_body_is_bounded_after_inflating() {
        let bomb = gzip(&[b' '; 10_000]);
        assert!(bomb.len() < 1000);
        for (limit_bytes, fits) in [(10_000, true), (9_999, false)] {
            let mut sink = Sink::Gzip(Box::new(GzDecoder::new(Bounded::new(limit_bytes))));
            let outcome = sink.write_all(&bomb).and_then(|()| sink.flush());
            assert_eq!((outcome.is_ok(), sink.overflow()), (fits, !fits));
        }
        let mut sink = Sink::Plain(Bounded::new(10));
        assert!(sink.write_all(b"0123456789").is_ok());
        assert!(sink.write_all(b"0").is_err() && sink.overflow());
    }

    #[test]
    fn the_encoding_is_declared_by_the_document_or_utf_8() {
        for (body, charset) in [
            (
                b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>".as_slice(),
                Charset::Utf8,
            ),
            (b"<?xml version='1.0' encoding='iso-8859-1'?><a/>", Charset::Latin1),
            (b"<?xml version='1.0' encoding='KOI8-R'?><a/>", Charset::Other),
            (b"<a encoding='iso-8859-1'/>", Charset::Utf8),
            (b"", Charset::Utf8),
        ] {
            assert_eq!(Charset::declared(body), charset, "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(
            Charset::Utf8.decode(b"\xef\xbb\xbf<a/>".to_vec()).as_deref(),
            Ok("<a/>")
        );
        assert_eq!(Charset::Utf8.decode(b"ab\xff".to_vec()), Err(2));
        assert_eq!(Charset::Latin1.decode(b"\xfc".to_vec()).as_deref(), Ok("\u{fc}"));
    }
}

#[cfg(test)]
mod tls_tests;
