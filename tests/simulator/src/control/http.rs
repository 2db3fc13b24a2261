//! The control API over HTTP: JSON in, JSON out. Every route stands in `README.md` and in the answer of `GET /_control`.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Control, http_rows, http_setup};
use crate::{
    org::{Org, WriteError},
    rules::Rule,
    server::{body::Body, respond},
};

/// Most bytes of a control request.
const LONGEST: usize = 16 * 1024 * 1024;

/// Every route and what it does.
pub(super) const ROUTES: &str = include_str!("routes.txt");

/// A request to the control API, taken apart.
pub(super) struct Asked<'a> {
    pub(super) control: &'a Control,
    pub(super) method: &'a Method,
    /// Path below `/_control`, without empty parts.
    pub(super) path: &'a [&'a str],
    query: &'a str,
    body: &'a [u8],
}

impl Asked<'_> {
    /// The body as JSON; an empty one is `{}`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, WriteError> {
        let body = if self.body.is_empty() { b"{}" } else { self.body };
        serde_json::from_slice(body).map_err(|error| WriteError::new("JSON_PARSER_ERROR", error.to_string()))
    }

    /// A parameter of the query string.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A number in the query string.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, WriteError> {
        self.parameter(name)
            .map(|text| text.parse().map_err(|error| bad(format!("{name}: {error}"))))
            .transpose()
    }
}

/// A request that says something impossible.
pub(super) fn bad(message: impl Into<String>) -> WriteError {
    WriteError::new("INVALID_OPERATION", message)
}

/// What a handler says: the answer, or `None` where there is no such route.
pub(super) type Outcome = Result<Option<Value>, WriteError>;

/// Answers a request to `/_control` + `path`.
pub(crate) async fn answer(org: Arc<Org>, path: String, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return failed(StatusCode::BAD_REQUEST, "INVALID_OPERATION", &error.to_string()),
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let handled = tokio::task::spawn_blocking(move || {
        let control = Control::new(org);
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| {
                url::form_urlencoded::parse(part.as_bytes())
                    .map(|(name, _)| name.into_owned())
                    .collect()
            })
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        handle(&Asked {
            control: &control,
            method: &head.method,
            path: &parts,
            query: &query,
            body: &body,
        })
    })
    .await;
    match handled {
        Ok(Ok(Some(Value::String(text)))) => respond::json(StatusCode::OK, text),
        Ok(Ok(Some(value))) => respond::json(StatusCode::OK, value.to_string()),
        Ok(Ok(None)) => failed(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "no such route; GET /_control lists them",
        ),
        Ok(Err(error)) => failed(StatusCode::BAD_REQUEST, &error.code, &error.message),
        Err(error) => failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNKNOWN_EXCEPTION",
            &error.to_string(),
        ),
    }
}

fn failed(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    respond::json(status, json!({ "code": code, "message": message }).to_string())
}

fn handle(asked: &Asked<'_>) -> Outcome {
    let answered = match asked.path.first().copied() {
        None => Some(json!({ "routes": ROUTES.lines().collect::<Vec<_>>() })),
        Some("rows" | "persons" | "bin" | "deletes" | "transactions") => http_rows::handle(asked)?,
        Some("users" | "objects" | "fields" | "translations") => http_setup::handle(asked)?,
        Some(_) => handle_org(asked)?,
    };
    Ok(answered)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    set: Option<Timestamp>,
    advance_seconds: Option<i64>,
    held: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageChange {
    current: u64,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Who {
    username: Option<String>,
}

fn handle_org(asked: &Asked<'_>) -> Outcome {
    let control = asked.control;
    let done = || Ok(Some(json!({})));
    match (asked.method, asked.path) {
        (&Method::GET, ["clock"]) => Ok(Some(json!({ "now": control.now() }))),
        (&Method::PUT, ["clock"]) => {
            let ClockChange {
                set,
                advance_seconds,
                held,
            } = asked.json()?;
            if let Some(held) = held {
                control.hold_clock(held);
            }
            if let Some(moment) = set {
                control.set_clock(moment);
            }
            if let Some(seconds) = advance_seconds {
                control.advance_clock(SignedDuration::from_secs(seconds));
            }
            Ok(Some(json!({ "now": control.now() })))
        }
        (&Method::GET, ["settings"]) => Ok(Some(to_json(&control.settings())?)),
        (&Method::PATCH, ["settings"]) => {
            let mut merged = to_json(&control.settings())?;
            let changes: serde_json::Map<String, Value> = asked.json()?;
            if let Some(all) = merged.as_object_mut() {
                all.extend(changes);
            }
            let settings = serde_json::from_value(merged).map_err(|error| bad(error.to_string()))?;
            control.change_settings(|own| *own = settings);
            Ok(Some(to_json(&control.settings())?))
        }
        (&Method::GET, ["rules"]) => Ok(Some(to_json(&control.rules())?)),
        (&Method::POST, ["rules"]) => {
            control.add_rule(asked.json::<Rule>()?);
            done()
        }
        (&Method::DELETE, ["rules"]) => {
            control.clear_rules();
            done()
        }
        (&Method::POST, ["hanging", "release"]) => {
            control.release_hanging();
            done()
        }
        (&Method::GET, ["counters"]) => Ok(Some(to_json(&control.counters())?)),
        (&Method::GET, ["calls"]) => {
            let most = usize::try_from(asked.number("last")?.unwrap_or(100)).unwrap_or(usize::MAX);
            Ok(Some(to_json(&control.calls(most))?))
        }
        (&Method::DELETE, ["calls"]) => {
            control.reset_calls();
            done()
        }
        (&Method::GET, ["usage"]) => Ok(Some(to_json(&control.usage())?)),
        (&Method::PUT, ["usage"]) => {
            control.set_usage(asked.json::<UsageChange>()?.current);
            Ok(Some(to_json(&control.usage())?))
        }
        (&Method::POST, ["sessions", "end"]) => {
            control.end_sessions(asked.json::<Who>()?.username.as_deref());
            done()
        }
        (&Method::POST, ["locators", "kill"]) => {
            control.kill_locators();
            done()
        }
        _ => Ok(None),
    }
}

/// Any of our types as JSON.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<Value, WriteError> {
    serde_json::to_value(value).map_err(|error| bad(error.to_string()))
}
