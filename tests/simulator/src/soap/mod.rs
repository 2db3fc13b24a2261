//! The Partner API over SOAP: which calls there are, who may make them, and what they answer.

pub(crate) mod describe;
pub(crate) mod envelope;
pub(crate) mod fault;
mod label;
mod login;
mod query;
mod replication;
pub(crate) mod request;
mod sobject;
mod userinfo;
mod write;
mod xml;

use self::{
    envelope::{Declares, Writer},
    fault::Fault,
    request::Request,
};
use crate::{
    calls::Call,
    lock,
    org::{
        Org,
        access::Caller,
        limits::{Refused, Usage},
    },
};

/// Longest login request, in bytes (salesforce-api.md 2.1).
const LONGEST_LOGIN: usize = 10 * 1024;

/// What goes back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// A whole document, or a fault.
    pub(crate) result: Result<String, Fault>,
    /// Records, ids or descriptions in it.
    pub(crate) rows: u64,
    /// Who called.
    pub(crate) username: Option<String>,
}

impl Answer {
    /// A fault before anybody knew who called.
    pub(crate) fn fault(fault: Fault) -> Self {
        Self {
            result: Err(fault),
            rows: 0,
            username: None,
        }
    }
}

/// What a call answers: a document but for its end, and how many rows are in it.
pub(crate) struct Reply {
    writer: Writer,
    rows: u64,
}

/// What a call has to know beside its request.
pub(crate) struct Session<'a> {
    pub(crate) org: &'a Org,
    pub(crate) caller: Caller,
    pub(crate) request: &'a Request,
    /// `http://host:port`, as the caller named us.
    pub(crate) origin: &'a str,
    usage: Usage,
}

impl Session<'_> {
    /// Begins an answer: envelope, header with the usage, body.
    pub(crate) fn reply(&self, declares: Declares, capacity: usize) -> Writer {
        let mut writer = Writer::with_capacity(capacity);
        envelope::begin(&mut writer, declares, Some(self.usage));
        writer
    }
}

impl Reply {
    pub(crate) fn new(writer: Writer, rows: usize) -> Self {
        Self {
            writer,
            rows: u64::try_from(rows).unwrap_or(u64::MAX),
        }
    }
}

/// Notes what a request is about, for rules and for the log.
pub(crate) fn describe_call(org: &Org, request: &Request, call: &mut Call) {
    call.call.clone_from(&request.call.name);
    call.batch_size.clone_from(&request.headers.batch_size);
    call.client.clone_from(&request.headers.client);
    let arguments = &request.call;
    match request.call.name.as_str() {
        "query" | "queryAll" => {
            call.soql = arguments.text_of("queryString").map(str::to_owned);
            call.object = call
                .soql
                .as_deref()
                .and_then(|soql| crate::soql::parse(soql).ok())
                .map(|query| {
                    org.store()
                        .schema
                        .object(&query.from.text)
                        .map_or(query.from.text, |own| own.name.clone())
                });
        }
        "queryMore" => {
            call.locator = arguments.text_of("queryLocator").map(str::to_owned);
            call.object = call
                .locator
                .as_deref()
                .and_then(|locator| lock(&org.cursors).object(locator).map(str::to_owned));
        }
        "getUpdated" | "getDeleted" | "retrieve" | "describeSObject" => {
            call.object = arguments.text_of("sObjectType").map(str::to_owned);
            call.asked = count(arguments.texts_of("ids"));
            call.window = arguments
                .text_of("startDate")
                .zip(arguments.text_of("endDate"))
                .map(|(start, end)| (start.to_owned(), end.to_owned()));
        }
        "describeSObjects" => {
            call.asked = count(arguments.texts_of("sObjectType"));
            if call.asked == 1 {
                call.object = arguments.text_of("sObjectType").map(str::to_owned);
            }
        }
        "login" => call.username = arguments.text_of("username").map(str::to_owned),
        _ => {}
    }
}

fn count<'a>(items: impl Iterator<Item = &'a str>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

/// Serves one call.
pub(crate) fn answer(org: &Org, version: &str, origin: &str, body: &[u8], request: &Request) -> Answer {
    let Some(number) = crate::server::path::supported_version(version) else {
        return Answer::fault(Fault::new("UNSUPPORTED_API_VERSION", fault::INVALID_VERSION));
    };
    if request.call.name == "login" {
        let result = if body.len() > LONGEST_LOGIN {
            Err(Fault::new(
                "EXCEEDED_MAX_SIZE_REQUEST",
                "Maximum size of request reached.",
            ))
        } else {
            login::login(org, number, origin, request)
        };
        return Answer {
            result,
            rows: 0,
            username: None,
        };
    }
    let caller = match resume(org, request) {
        Ok(caller) => caller,
        Err(fault) => return Answer::fault(fault),
    };
    let username = Some(caller.username.clone());
    let result = admit(org, caller, origin, request).and_then(|session| call(&session, number));
    match result {
        Ok(Reply { mut writer, rows }) => {
            envelope::end(&mut writer);
            Answer {
                result: Ok(writer.finish()),
                rows,
                username,
            }
        }
        Err(fault) => Answer {
            result: Err(fault),
            rows: 0,
            username,
        },
    }
}

fn resume(org: &Org, request: &Request) -> Result<Caller, Fault> {
    let session_id = request.headers.session_id.as_deref().map(str::trim).unwrap_or_default();
    let settings = org.settings();
    lock(&org.access).resume(session_id, org.clock.now(), &settings)
}

/// An expired password, and the day's calls.
fn admit<'a>(org: &'a Org, caller: Caller, origin: &'a str, request: &'a Request) -> Result<Session<'a>, Fault> {
    if caller.password_expired && request.call.name != "setPassword" {
        return Err(Fault::new(
            "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
            fault::PASSWORD_EXPIRED,
        ));
    }
    let limit = org.settings().daily_calls;
    let usage = lock(&org.limits)
        .take(org.clock.now(), limit)
        .map_err(|refused| match refused {
            Refused::Daily => Fault::new("REQUEST_LIMIT_EXCEEDED", fault::DAILY_LIMIT),
            Refused::Concurrent => Fault::new("REQUEST_LIMIT_EXCEEDED", fault::CONCURRENT_LIMIT),
        })?;
    lock(&org.calls).note_counted();
    Ok(Session {
        org,
        caller,
        request,
        origin,
        usage,
    })
}

fn call(session: &Session<'_>, version: u32) -> Result<Reply, Fault> {
    match session.request.call.name.as_str() {
        "getUserInfo" => Ok(userinfo::get_user_info(session, version)),
        "getServerTimestamp" => Ok(replication::get_server_timestamp(session)),
        "logout" => Ok(login::logout(session)),
        "setPassword" => login::set_password(session),
        "describeGlobal" => describe::global(session),
        "describeSObject" | "describeSObjects" => describe::sobjects(session),
        "query" | "queryAll" => query::query(session),
        "queryMore" => query::query_more(session),
        "retrieve" => query::retrieve(session),
        "getUpdated" => replication::get_updated(session),
        "getDeleted" => replication::get_deleted(session),
        "create" | "update" => write::save(session),
        "delete" | "undelete" | "emptyRecycleBin" => write::by_ids(session),
        "merge" => Ok(write::merge(session)),
        other => Err(request::no_operation(request::PARTNER, other)),
    }
}
