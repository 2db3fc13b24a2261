//! One request and its answer: which service, which rule strikes, what is logged.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use jiff::SignedDuration;

use super::{
    body::{self, Body, Coding},
    damage::damage,
    inbound::{self, Inbound},
    path::{self, Service},
    respond,
};
use crate::{
    calls::Call,
    control, lock,
    org::{Org, limits::Refused},
    rules::What,
    soap::{
        self, Answer,
        fault::{self, Fault},
        request,
    },
};

/// There is no answer: the connection ends.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a rule ended the connection without an answer")
    }
}

impl std::error::Error for NoAnswer {}

/// Answers a request, or ends its connection; `reset` makes that end a reset.
pub(crate) async fn answer(
    org: Arc<Org>,
    request: Request<Incoming>,
    reset: Arc<AtomicBool>,
) -> Result<Response<Body>, NoAnswer> {
    let path = request.uri().path().to_owned();
    match path::service(&path) {
        Service::Control(below) => Ok(Box::pin(control::http::answer(org, below.to_owned(), request)).await),
        Service::Versions => Box::pin(versions(org, &request, &reset)).await,
        Service::Rest => Ok(respond::rest_not_found()),
        Service::Unknown => Ok(respond::not_found()),
        Service::OtherSoap => Ok(other_soap(&org, request).await),
        Service::Partner { version } => Box::pin(partner(org, version.to_owned(), request, &reset)).await,
    }
}

/// The WSDLs of the other SOAP services have no calls of the partner namespace.
async fn other_soap(org: &Org, request: Request<Incoming>) -> Response<Body> {
    let prefix = org.settings().fault_prefix;
    let fault = match inbound::read(request).await {
        Ok(inbound) => match soap::request::Request::parse(&inbound.body) {
            Ok(request) => request::no_operation(request::PARTNER, &request.call.name),
            Err(fault) => fault,
        },
        Err(fault) => fault,
    };
    let xml = fault.to_xml(prefix).into_bytes();
    respond::soap(
        StatusCode::INTERNAL_SERVER_ERROR,
        xml,
        Coding::Identity,
        org.settings().transfer,
    )
}

/// `GET /services/data/`: no session, not counted (salesforce-api.md 9.1).
async fn versions(org: Arc<Org>, request: &Request<Incoming>, reset: &AtomicBool) -> Result<Response<Body>, NoAnswer> {
    let mut call = Call::new(org.clock.now());
    "versions".clone_into(&mut call.call);
    let struck = lock(&org.rules).strike("versions", None, None);
    call.struck = struck.is_some();
    let mut response = match before_the_call(&org, struck.as_ref(), reset, &mut call).await? {
        Some(response) => response,
        None if request.method() == Method::GET => respond::json(StatusCode::OK, path::versions_json()),
        None => respond::json(
            StatusCode::METHOD_NOT_ALLOWED,
            r#"[{"errorCode":"METHOD_NOT_ALLOWED","message":"HTTP Method not allowed. Allowed are GET,HEAD"}]"#,
        ),
    };
    if let Some(What::CutBody { at }) = struck {
        response = cut(path::versions_json().into_bytes(), at, Coding::Identity);
    }
    call.status = response.status().as_u16();
    lock(&org.calls).note(call);
    Ok(response)
}

/// A SOAP partner call.
async fn partner(
    org: Arc<Org>,
    version: String,
    request: Request<Incoming>,
    reset: &AtomicBool,
) -> Result<Response<Body>, NoAnswer> {
    let mut call = Call::new(org.clock.now());
    call.version.clone_from(&version);
    let (inbound, parsed) = match inbound::read(request).await {
        Ok(inbound) => {
            call.request_bytes = inbound.sent;
            let parsed = soap::request::Request::parse(&inbound.body);
            (inbound, parsed)
        }
        Err(fault) => (
            Inbound {
                body: Vec::new(),
                sent: 0,
                host: String::new(),
                accept_encoding: None,
            },
            Err(fault),
        ),
    };
    let request = match parsed {
        Ok(request) => request,
        Err(fault) => return send(&org, call, &inbound, None, Answer::fault(fault)).await,
    };
    soap::describe_call(&org, &request, &mut call);
    let struck = lock(&org.rules).strike(&call.call, call.object.as_deref(), call.soql.as_deref());
    call.struck = struck.is_some();

    let running = match begin(&org) {
        Ok(running) => running,
        Err(fault) => return send(&org, call, &inbound, None, Answer::fault(fault)).await,
    };
    if let Some(What::EndSession) = struck
        && let Some(session) = &request.headers.session_id
    {
        lock(&org.access).end_session(session);
    }
    if let Some(fault) = struck.as_ref().and_then(What::as_fault) {
        return send(&org, call, &inbound, None, Answer::fault(fault)).await;
    }
    if let Some(response) = before_the_call(&org, struck.as_ref(), reset, &mut call).await? {
        call.status = response.status().as_u16();
        lock(&org.calls).note(call);
        return Ok(response);
    }
    let task_org = Arc::clone(&org);
    let scheme = if org.behind_tls { "https" } else { "http" };
    let origin = format!("{scheme}://{}", inbound.host);
    // A page is built, and a table may be scanned: work for a thread that may block.
    let answered = tokio::task::spawn_blocking(move || {
        let answer = soap::answer(&task_org, &version, &origin, &inbound.body, &request);
        (answer, inbound)
    })
    .await;
    drop(running);
    match answered {
        Ok((answer, inbound)) => send(&org, call, &inbound, struck.as_ref(), answer).await,
        Err(error) => {
            tracing::error!(%error, "call failed");
            let inbound = Inbound {
                body: Vec::new(),
                sent: 0,
                host: String::new(),
                accept_encoding: None,
            };
            let fault = Fault::new("UNKNOWN_EXCEPTION", "An unexpected error occurred.");
            send(&org, call, &inbound, None, Answer::fault(fault)).await
        }
    }
}

/// A request that is being answered; it counts as running until this is dropped.
struct Running {
    org: Arc<Org>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.org.limits).end(self.number);
    }
}

fn begin(org: &Arc<Org>) -> Result<Running, Fault> {
    let settings = org.settings();
    let long = SignedDuration::from_secs(i64::from(settings.long_call_seconds));
    let number = lock(&org.limits)
        .begin(org.clock.now(), settings.concurrent_calls, long)
        .map_err(|refused| match refused {
            Refused::Daily => Fault::new("REQUEST_LIMIT_EXCEEDED", fault::DAILY_LIMIT),
            Refused::Concurrent => Fault::new("REQUEST_LIMIT_EXCEEDED", fault::CONCURRENT_LIMIT),
        })?;
    Ok(Running {
        org: Arc::clone(org),
        number,
    })
}

/// What happens before the org sees the call: nothing, a wait, another answer, or the end of the connection.
async fn before_the_call(
    org: &Org,
    struck: Option<&What>,
    reset: &AtomicBool,
    call: &mut Call,
) -> Result<Option<Response<Body>>, NoAnswer> {
    match struck {
        Some(What::Http {
            status,
            body,
            content_type,
            retry_after,
        }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let kind = HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("text/html"));
            let mut response = respond::bytes(status, kind, body::whole(body.clone()));
            if let Some(seconds) = retry_after {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            call.response_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            Ok(Some(response))
        }
        Some(What::Delay { milliseconds }) => {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
            Ok(None)
        }
        Some(What::Hang) => {
            lock(&org.calls).note(call.clone());
            org.hang().await;
            Err(NoAnswer)
        }
        Some(What::Reset) => {
            lock(&org.calls).note(call.clone());
            reset.store(true, Ordering::Release);
            Err(NoAnswer)
        }
        Some(What::KillLocators) => {
            lock(&org.cursors).clear();
            Ok(None)
        }
        None
        | Some(
            What::Fault { .. }
            | What::CutBody { .. }
            | What::ReplaceBody { .. }
            | What::InvalidUtf8 { .. }
            | What::WrongValue { .. }
            | What::MissingElement { .. }
            | What::Drip { .. }
            | What::EndSession,
        ) => Ok(None),
    }
}

/// Encodes, logs and sends an answer, as far as the rule lets it.
async fn send(
    org: &Org,
    mut call: Call,
    inbound: &Inbound,
    struck: Option<&What>,
    answer: Answer,
) -> Result<Response<Body>, NoAnswer> {
    let settings = org.settings();
    let (status, xml) = match answer.result {
        Ok(xml) => (StatusCode::OK, xml),
        Err(fault) => {
            call.fault = Some(fault.code.clone());
            (StatusCode::INTERNAL_SERVER_ERROR, fault.to_xml(settings.fault_prefix))
        }
    };
    let coding = if settings.compress {
        Coding::accepted(inbound.accept_encoding.as_deref())
    } else {
        Coding::Identity
    };
    let bytes = match struck {
        Some(what) => damage(what, xml),
        None => xml.into_bytes(),
    };
    let encoded = if bytes.len() < 4_096 {
        Ok((bytes, coding)).and_then(|(bytes, coding)| coding.encode(bytes))
    } else {
        // Compressing megabytes takes a while, and other connections are served by this thread too.
        tokio::task::spawn_blocking(move || coding.encode(bytes))
            .await
            .unwrap_or_else(|error| Err(error.into()))
    };
    let Ok(encoded) = encoded else {
        tracing::error!("answer could not be compressed");
        return Err(NoAnswer);
    };
    call.username = answer.username.or(call.username);
    call.rows = answer.rows;
    call.status = status.as_u16();
    call.compressed = coding != Coding::Identity;
    call.response_bytes = u64::try_from(encoded.len()).unwrap_or(u64::MAX);
    lock(&org.calls).note(call);
    Ok(match struck {
        Some(What::CutBody { at }) => cut(encoded, *at, coding),
        Some(What::Drip { bytes, milliseconds }) => {
            let piece = usize::try_from(*bytes).unwrap_or(usize::MAX);
            let body = body::dripping(encoded, piece, Duration::from_millis(*milliseconds));
            let mut response = respond::bytes(status, HeaderValue::from_static("text/xml;charset=UTF-8"), body);
            respond::mark_coding(&mut response, coding);
            response
        }
        Some(_) | None => respond::soap(status, encoded, coding, settings.transfer),
    })
}

/// The head tells the whole length, the connection ends after `at` bytes.
fn cut(encoded: Vec<u8>, at: u64, coding: Coding) -> Response<Body> {
    let length = encoded.len();
    let kept = usize::try_from(at).unwrap_or(usize::MAX).min(length);
    let body = body::cut(Bytes::from(encoded).slice(..kept));
    let mut response = respond::bytes(StatusCode::OK, HeaderValue::from_static("text/xml;charset=UTF-8"), body);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    respond::mark_coding(&mut response, coding);
    response
}
