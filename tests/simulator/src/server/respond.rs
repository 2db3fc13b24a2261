//! Whole answers: status, headers, body.

use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};

use super::body::{self, Body, CHUNKED_FROM, Coding};
use crate::config::Transfer;

const XML: HeaderValue = HeaderValue::from_static("text/xml;charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html;charset=UTF-8");

/// Sends bytes of this type.
pub(crate) fn bytes(status: StatusCode, kind: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache,must-revalidate,max-age=0,no-store,private"),
    );
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// Sends JSON.
pub(crate) fn json(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    bytes(status, JSON, body::whole(text.into()))
}

/// Sends HTML.
pub(crate) fn html(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    bytes(status, HTML, body::whole(text.into()))
}

/// How an encoded SOAP body is sent.
pub(crate) fn soap(status: StatusCode, encoded: Vec<u8>, coding: Coding, transfer: Transfer) -> Response<Body> {
    let chunked = match transfer {
        Transfer::Auto => encoded.len() >= CHUNKED_FROM,
        Transfer::ContentLength => false,
        Transfer::Chunked => true,
    };
    let body = if chunked {
        body::chunked(encoded)
    } else {
        body::whole(encoded)
    };
    let mut response = bytes(status, XML, body);
    mark_coding(&mut response, coding);
    response
}

/// Sets `Content-Encoding` and `Vary`.
pub(crate) fn mark_coding(response: &mut Response<Body>, coding: Coding) {
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(name) = coding.name() {
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
}

/// What REST says of a path that is not there.
pub(crate) fn rest_not_found() -> Response<Body> {
    json(
        StatusCode::NOT_FOUND,
        r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#,
    )
}

/// What a browser sees of a path that is not there.
pub(crate) fn not_found() -> Response<Body> {
    html(
        StatusCode::NOT_FOUND,
        "<html><head><title>URL No Longer Exists</title></head><body><h1>URL No Longer Exists</h1><p>You have attempted to \
         reach a URL that no longer exists on salesforce.com.</p></body></html>",
    )
}
