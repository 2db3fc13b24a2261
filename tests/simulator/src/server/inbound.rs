//! Reads a SOAP request off the wire: headers that must be there, length, compression.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request,
    body::Incoming,
    header::{self, HeaderName},
};

use crate::soap::fault::Fault;

/// Most bytes of a request, after decompression (salesforce-api.md 3.1).
const LONGEST_REQUEST: usize = 50 * 1024 * 1024;

/// A request whose head is in order.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// Decompressed.
    pub(crate) body: Vec<u8>,
    /// Bytes as they were sent.
    pub(crate) sent: u64,
    /// `host:port`, as the caller named us.
    pub(crate) host: String,
    /// `Accept-Encoding`
    pub(crate) accept_encoding: Option<String>,
}

/// The text of a header.
pub(crate) fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// Reads a request to a SOAP path.
///
/// # Errors
/// The fault that answers what Salesforce's SOAP layer refuses.
pub(crate) async fn read(request: Request<Incoming>) -> Result<Inbound, Fault> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return Err(Fault::client("Only POST is allowed for SOAP requests"));
    }
    let kind = header_text(&head.headers, &header::CONTENT_TYPE).unwrap_or_default();
    if !kind.trim_start().to_ascii_lowercase().starts_with("text/xml") {
        return Err(Fault::client("content-type of the request should be text/xml"));
    }
    if !head.headers.contains_key("soapaction") {
        return Err(Fault::client("SOAPAction HTTP header missing"));
    }
    let sent = Limited::new(body, LONGEST_REQUEST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_long()
        } else {
            Fault::client(format!("The request could not be read: {error}"))
        }
    })?;
    let sent = sent.to_bytes();
    let length = u64::try_from(sent.len()).unwrap_or(u64::MAX);
    let coding = header_text(&head.headers, &header::CONTENT_ENCODING).unwrap_or_default();
    let body = match coding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => sent.to_vec(),
        "gzip" | "x-gzip" => inflate(GzDecoder::new(sent.as_ref()))?,
        "deflate" => inflate(ZlibDecoder::new(sent.as_ref()))?,
        other => return Err(Fault::client(format!("Unsupported Content-Encoding: {other}"))),
    };
    let host = header_text(&head.headers, &header::HOST).unwrap_or_else(|| "localhost".to_owned());
    Ok(Inbound {
        body,
        sent: length,
        host,
        accept_encoding: header_text(&head.headers, &header::ACCEPT_ENCODING),
    })
}

fn too_long() -> Fault {
    Fault::new(
        "EXCEEDED_MAX_SIZE_REQUEST",
        format!("Maximum size of request reached. Maximum size of request is {LONGEST_REQUEST} bytes."),
    )
}

fn inflate(decoder: impl Read) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    let most = u64::try_from(LONGEST_REQUEST).unwrap_or(u64::MAX);
    decoder
        .take(most + 1)
        .read_to_end(&mut body)
        .map_err(|error| Fault::client(format!("The compressed request could not be read: {error}")))?;
    if body.len() > LONGEST_REQUEST {
        Err(too_long())
    } else {
        Ok(body)
    }
}
