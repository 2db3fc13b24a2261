//! The client against a server in the test: sessions, faults of the network, bodies.

use std::{
    fmt::Write as _,
    ops::ControlFlow,
    sync::atomic::{AtomicU64, AtomicUsize},
    time::Duration,
};

use futures_util::future::join_all;

use super::*;
use crate::{
    clock::SystemClock,
    error::{ErrorKind, Retry, Waiting},
    records::{RecordSink, SelectList},
    test_server::{Reply, Request, Server, TestClock, envelope, gzip},
};

const PASSWORD: &str = "MARK-PASSWORD";
const TOKEN: &str = "MARK-TOKEN";
const SESSION: &str = "00D30ACACA00RnR!MARK-SESSION";

/// A login result as Salesforce writes it.
fn login_result(own: &Url, session: &str) -> String {
    format!(
        "<loginResponse><result><metadataServerUrl>{own}services/Soap/m/64.0/00D30ACACA00RnR</metadataServerUrl>\
         <passwordExpired>false</passwordExpired><sandbox>true</sandbox>\
         <serverUrl>{own}services/Soap/u/64.0/00D30ACACA00RnR</serverUrl><sessionId>{session}</sessionId>\
         <userId>005606060606WH5</userId><userInfo><organizationId>00DA0000000YpZ4</organizationId>\
         <organizationName>Foo &amp; Bar</organizationName><roleId xsi:nil=\"true\"/>\
         <sessionSecondsValid>7200</sessionSecondsValid><userId>0015000000WWD7b</userId>\
         <userName>ann@example.com</userName></userInfo></result></loginResponse>"
    )
}

fn login_reply(own: &Url, session: &str) -> Reply {
    // There is no header of limits on login.
    let body = envelope(&login_result(own, session));
    let (head, rest) = body.split_once("<soapenv:Header>").unwrap();
    let (_, rest) = rest.split_once("</soapenv:Header>").unwrap();
    Reply::xml(200, &format!("{head}{rest}"))
}

/// A session that is always good, and `data` for everything else.
fn with_login(
    data: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Request, &Url) -> Reply + Send + Sync {
    move |request, own| {
        if request.call() == "login" {
            login_reply(own, SESSION)
        } else {
            data(request)
        }
    }
}

fn config(server: &Server) -> ClientConfig {
    ClientConfig::new(server.url.clone(), "66.0".parse().unwrap())
}

fn credentials() -> Credentials {
    Credentials::Password {
        username: "ann@example.com".to_owned(),
        password: PASSWORD.into(),
        security_token: Some(TOKEN.into()),
    }
}

fn client(server: &Server) -> Client {
    Client::new(config(server), credentials(), SystemClock::shared()).unwrap()
}

fn clocked(server: &Server) -> (Client, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let client = Client::new(config(server), credentials(), Arc::clone(&clock) as SharedClock).unwrap();
    (client, clock)
}

fn timestamp_reply(text: &str) -> Reply {
    Reply::response(&format!(
        "<getServerTimestampResponse><result><timestamp>{text}</timestamp></result></getServerTimestampResponse>"
    ))
}

fn page_of(records: &str, done: bool) -> String {
    let locator = if done {
        "<queryLocator xsi:nil=\"true\"/>"
    } else {
        "<queryLocator>01g-2000</queryLocator>"
    };
    format!("<queryAllResponse><result><done>{done}</done>{locator}{records}<size>1</size></result></queryAllResponse>")
}

const RECORD: &str =
    "<records><sf:type>Contact</sf:type><sf:Id>003R00000016BMRIA2</sf:Id><sf:Id>003R00000016BMRIA2</sf:Id></records>";

/// Counts records.
struct Count;

impl RecordSink for Count {
    fn begin_record(&mut self) {}
    fn value(&mut self, _column: usize, _text: &str) {}
    fn end_record(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[tokio::test]
async fn usage_that_is_old_is_asked_for_again() {
    let used = Arc::new(AtomicU64::new(6));
    let told = Arc::clone(&used);
    let server = Server::start(with_login(move |_| {
        let current = format!("<current>{}</current>", told.load(Ordering::Relaxed));
        let reply = envelope(
            "<getServerTimestampResponse><result><timestamp>2026-11-10T09:00:00.000Z</timestamp></result>\
             </getServerTimestampResponse>",
        );
        Reply::xml(200, &reply.replace("<current>6</current>", &current))
    }))
    .await;
    let (client, clock) = clocked(&server);
    let usage = |used| Some(ApiUsage { used, limit: 5000 });
    let minute = Duration::from_mins(1);
    assert_eq!(
        client.recent_api_usage(minute).await.unwrap(),
        usage(6),
        "nothing was told yet"
    );
    used.store(9, Ordering::Relaxed);
    clock.advance(minute);
    assert_eq!(client.recent_api_usage(minute).await.unwrap(), usage(6));
    assert_eq!(client.calls(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(client.recent_api_usage(minute).await.unwrap(), usage(9));
    assert_eq!(client.calls(), 2);
}

async fn query(client: &Client) -> Result<u64> {
    client
        .query(QueryScope::All, "SELECT Id FROM Contact")
        .await?
        .read_records(&SelectList::new(["Id"]), &mut Count)
}

#[tokio::test]
async fn login_and_data_have_their_own_versions_and_the_answer_names_the_host() {
    let server = Server::start(with_login(|_| Reply::response(&page_of(RECORD, true)))).await;
    let client = client(&server);
    let org = client.org().await.unwrap();
    assert_eq!(org.organization_id, "00DA0000000YpZ4MAK");
    assert_eq!(org.organization_name, "Foo & Bar");
    assert_eq!(org.instance_url, server.url);
    assert!(org.sandbox);
    assert_eq!(
        (org.user_id.as_str(), org.user_name.as_str()),
        ("0015000000WWD7bAAH", "ann@example.com")
    );
    assert_eq!((org.user.role_id, org.user.session_seconds_valid), (None, 7200));
    assert_eq!(query(&client).await.unwrap(), 1);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].path, "/services/Soap/u/64.0");
    assert_eq!(requests[0].element("username"), Some("ann@example.com"));
    assert_eq!(requests[0].element("password"), Some("MARK-PASSWORDMARK-TOKEN"));
    assert_eq!(requests[1].path, "/services/Soap/u/66.0/00D30ACACA00RnR");
    assert_eq!(requests[1].element("sessionId"), Some(SESSION));
    assert_eq!(requests[1].element("batchSize"), Some("2000"));
    assert_eq!(requests[1].element("queryString"), Some("SELECT Id FROM Contact"));
    for head in [&requests[0].head, &requests[1].head] {
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains("accept-encoding: gzip\r\n") && head.contains("soapaction: \"\"\r\n"),
            "{head}"
        );
        assert!(head.contains("content-type: text/xml; charset=utf-8\r\n"), "{head}");
    }
    assert_eq!(client.api_usage(), Some(ApiUsage { used: 6, limit: 5000 }));
}

#[test]
fn the_token_is_appended_once() {
    let full = |password: &str, token: Option<&str>| {
        let token = token.map(SecretString::from);
        full_password(&password.into(), token.as_ref()).map(|full| full.expose_secret().to_owned())
    };
    assert_eq!(full("pass", Some("TOKEN")).unwrap(), "passTOKEN");
    assert_eq!(full("pass", None).unwrap(), "pass");
    assert_eq!(full("passTOKEN", None).unwrap(), "passTOKEN");
    assert_eq!(full("passTOKEN", Some("TOKEN")).unwrap(), "passTOKEN");
    assert_eq!(full("pass\n", Some("TOKEN\n")).unwrap(), "passTOKEN");
    assert_eq!(full("pass", Some("")).unwrap(), "pass");
    assert_eq!(full("", Some("TOKEN")).unwrap_err().kind(), ErrorKind::Credentials);
}

#[tokio::test]
async fn nothing_is_sent_with_settings_that_cannot_be_right() {
    let server = Server::start(with_login(|_| Reply::response(""))).await;
    let make = |change: &dyn Fn(&mut ClientConfig)| {
        let mut config = config(&server);
        change(&mut config);
        Client::new(config, credentials(), SystemClock::shared()).map(|_| ())
    };
    assert!(make(&|_| {}).is_ok());
    for kind in [
        make(&|config| config.login_url = "http://login.salesforce.com".parse().unwrap()),
        make(&|config| config.page_rows = 100),
        make(&|config| config.ca_pem = Some(b"no certificate".to_vec())),
        make(&|config| config.timeouts.read = Duration::ZERO),
    ] {
        assert_eq!(kind.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let empty = Credentials::Password {
        username: " ".to_owned(),
        password: "x".into(),
        security_token: None,
    };
    let error = Client::new(config(&server), empty, SystemClock::shared()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_login() {
    let server = Server::start(with_login(|_| Reply::response(&page_of(RECORD, true)))).await;
    let client = client(&server);
    let clones: Vec<_> = (0..8).map(|_| client.counted()).collect();
    for outcome in join_all(clones.iter().map(query)).await {
        assert_eq!(outcome.unwrap(), 1);
    }
    assert_eq!(server.count("login"), 1);
    assert!(clones.iter().all(|clone| clone.calls() == 1));
    assert_eq!(client.calls(), 0);
}

#[tokio::test]
async fn callers_at_the_same_time_share_a_failed_login() {
    let server = Server::start(|_, _| Reply::new(503, "", b"busy")).await;
    let client = client(&server);
    let clones: Vec<_> = (0..8).map(|_| client.clone()).collect();
    for outcome in join_all(clones.iter().map(query)).await {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Transient);
    }
    assert_eq!(server.count("login"), 1);
    assert!(query(&client).await.is_err());
    assert_eq!(server.count("login"), 2);
}

/// A server whose sessions are numbered; only the one of `valid` works.
async fn numbered(valid: Arc<AtomicU64>) -> Server {
    let logins = AtomicU64::new(0);
    Server::start(move |request, own| {
        if request.call() == "login" {
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            valid.store(number, Ordering::SeqCst);
            return login_reply(own, &format!("{SESSION}{number}"));
        }
        let session = request.element("sessionId").unwrap();
        if session != format!("{SESSION}{}", valid.load(Ordering::SeqCst)) {
            return Reply::fault(
                "INVALID_SESSION_ID",
                "Illegal Session. Session not found, missing session hash: x",
            );
        }
        match request.call() {
            "getServerTimestamp" => timestamp_reply("2026-11-24T10:00:00.000Z"),
            "logout" => Reply::response("<logoutResponse/>"),
            _ => Reply::response(&page_of(RECORD, true)),
        }
    })
    .await
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_once_for_all() {
    let valid = Arc::new(AtomicU64::new(0));
    let server = numbered(Arc::clone(&valid)).await;
    let client = client(&server);
    assert_eq!(query(&client).await.unwrap(), 1);
    valid.store(0, Ordering::SeqCst);
    let clones: Vec<_> = (0..6).map(|_| client.counted()).collect();
    for outcome in join_all(clones.iter().map(query)).await {
        assert_eq!(outcome.unwrap(), 1);
    }
    assert_eq!(server.count("login"), 2);
    // What an ended session answers, is no call that Salesforce counts.
    assert!(clones.iter().all(|clone| clone.calls() == 1));
}

#[tokio::test]
async fn a_session_that_is_refused_at_once_is_not_renewed_again_and_again() {
    let server = Server::start(with_login(|_| Reply::fault("INVALID_SESSION_ID", "x"))).await;
    let client = client(&server);
    let error = query(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Transient, "SessionLost"));
    assert_eq!((server.count("login"), server.count("queryAll")), (2, 2));
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_for_an_hour() {
    let server =
        Server::start(|_, _| Reply::fault("INVALID_LOGIN", "Invalid username, password, security token.")).await;
    let (client, clock) = clocked(&server);
    let first = query(&client).await.unwrap_err();
    assert_eq!(
        (first.kind(), first.reason(), first.code()),
        (ErrorKind::Credentials, "InvalidCredentials", Some("INVALID_LOGIN"))
    );
    clock.advance(Duration::from_mins(59));
    let second = query(&client).await.unwrap_err();
    assert!(matches!(second, Error::LoginRefused { .. }), "{second}");
    assert_eq!(
        (second.kind(), second.retry()),
        (ErrorKind::Credentials, Retry::WhenSecretChanges)
    );
    assert_eq!(
        (second.reason(), second.code()),
        ("InvalidCredentials", Some("INVALID_LOGIN"))
    );
    assert!(second.message().contains("not tried again for 1 min"), "{second}");
    assert_eq!(server.count("login"), 1);
    clock.advance(Duration::from_mins(1));
    assert!(query(&client).await.is_err());
    assert_eq!(server.count("login"), 2);
    // A new Secret is a new client, which tries at once.
    let (client, _clock) = clocked(&server);
    assert!(query(&client).await.is_err());
    assert_eq!(server.count("login"), 3);
}

#[tokio::test]
async fn logins_are_bounded_far_below_what_salesforce_allows() {
    let server = Server::start(with_login(|_| Reply::fault("INVALID_SESSION_ID", "x"))).await;
    let (client, clock) = clocked(&server);
    let paused = loop {
        let error = query(&client).await.unwrap_err();
        if matches!(error, Error::LoginPaused { .. }) {
            break error;
        }
    };
    assert_eq!(server.count("login"), 20);
    assert_eq!(
        (paused.kind(), paused.retry()),
        (ErrorKind::Quota, Retry::After(Duration::from_secs(30)))
    );
    clock.advance(Duration::from_secs(30));
    assert!(query(&client).await.is_err());
    assert_eq!(server.count("login"), 21);
    for _ in 0..600 {
        clock.advance(Duration::from_secs(6));
        assert!(query(&client).await.is_err());
    }
    assert!(
        server.count("login") <= 141,
        "{} logins in an hour",
        server.count("login")
    );
}

#[tokio::test]
async fn a_login_that_cannot_be_used_says_why() {
    let answer = |change: fn(String) -> String| async move {
        let server = Server::start(move |_, own| Reply::response(&change(login_result(own, SESSION)))).await;
        let error = query(&client(&server)).await.unwrap_err();
        assert!(!error.message().contains("MARK"), "{error}");
        error
    };
    let expired = answer(|text| text.replace("<passwordExpired>false", "<passwordExpired>true")).await;
    assert_eq!(
        (expired.kind(), expired.reason()),
        (ErrorKind::Credentials, "PasswordExpired")
    );
    let jwt = answer(|text| text.replace(SESSION, "eyJMARK.eyJzdWIi.c2ln-_")).await;
    assert!(matches!(jwt, Error::JwtSession { .. }), "{jwt}");
    let elsewhere = answer(|text| text.replace("http://127.0.0.1", "http://evil.example.com")).await;
    assert_eq!(
        (elsewhere.kind(), elsewhere.reason()),
        (ErrorKind::Invalid, "InvalidConnection")
    );
    let none = answer(|text| text.replace("sessionId>", "other>")).await;
    assert_eq!((none.kind(), none.reason()), (ErrorKind::Fatal, "UnexpectedAnswer"));
}

#[tokio::test]
async fn logout_ends_the_session_and_only_where_there_is_one() {
    let server = numbered(Arc::default()).await;
    let client = client(&server);
    client.logout().await.unwrap();
    assert!(server.requests().is_empty());
    query(&client).await.unwrap();
    client.logout().await.unwrap();
    assert_eq!(server.count("logout"), 1);
    query(&client).await.unwrap();
    assert_eq!(server.count("login"), 2);
}

#[tokio::test]
async fn the_servers_clock_is_asked_once_a_session_and_carried_on() {
    let valid = Arc::new(AtomicU64::new(0));
    let server = numbered(Arc::clone(&valid)).await;
    let (client, clock) = clocked(&server);
    assert_eq!(client.server_now().await.unwrap().to_string(), "2026-11-24T10:00:00Z");
    clock.advance(Duration::from_secs(100));
    assert_eq!(
        client.clone().server_now().await.unwrap().to_string(),
        "2026-11-24T10:01:39.95Z"
    );
    assert_eq!(server.count("getServerTimestamp"), 1);
    assert_eq!(
        client.server_timestamp().await.unwrap().to_string(),
        "2026-11-24T10:00:00Z"
    );
    assert_eq!(client.server_now().await.unwrap().to_string(), "2026-11-24T10:00:00Z");
    valid.store(0, Ordering::SeqCst);
    query(&client).await.unwrap();
    client.server_now().await.unwrap();
    assert_eq!(server.count("getServerTimestamp"), 3);
}

#[tokio::test]
async fn a_session_that_ends_at_each_call_costs_a_login_each() {
    let valid = Arc::new(AtomicU64::new(0));
    let server = numbered(Arc::clone(&valid)).await;
    let client = client(&server);
    for round in 1..=6 {
        query(&client).await.unwrap();
        valid.store(0, Ordering::SeqCst);
        client.server_timestamp().await.unwrap();
        valid.store(0, Ordering::SeqCst);
        assert_eq!(server.count("login"), round * 2);
    }
}

#[tokio::test]
async fn faults_keep_their_place_and_no_literal() {
    let server = Server::start(with_login(|_| {
        Reply::fault(
            "MALFORMED_QUERY",
            "\nPhone = &apos;MARK-LITERAL&apos;\n^\nERROR at Row:1:Column:40\nunexpected token: MARK-LITERAL",
        )
    }))
    .await;
    let client = client(&server);
    let soql = "SELECT Id FROM Contact WHERE Phone = 'MARK-LITERAL'";
    let error = client.query(QueryScope::Live, soql).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason(), error.code()),
        (ErrorKind::Invalid, "InvalidQuery", Some("MALFORMED_QUERY"))
    );
    assert!(error.message().starts_with("query of Contact at 127.0.0.1:"), "{error}");
    assert!(error.message().contains("row 1, column 40"), "{error}");
    assert!(!format!("{error} {error:?}").contains("MARK"), "{error:?}");
    assert_eq!(client.calls(), 1);
    let more = client.query_more(&Locator::new("01g-2000")).await.unwrap_err();
    assert!(more.message().starts_with("queryMore at 127.0.0.1:"), "{more}");
}

#[tokio::test]
async fn a_gzip_answer_is_inflated() {
    let server = Server::start(with_login(|_| Reply::gzip(envelope(&page_of(RECORD, true)).as_bytes()))).await;
    assert_eq!(query(&client(&server)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_chunked_answer_is_read_and_a_cut_one_is_noticed() {
    let body = envelope(&page_of(RECORD, true));
    let (first, second) = body.split_at(200);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let whole = format!(
        "{head}{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let cut = format!(
        "{head}{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n",
        first.len(),
        second.len()
    );
    let server = Server::start(with_login(move |request| {
        let text = if request.body.contains("Cut__c") { &cut } else { &whole };
        Reply::Bytes(text.clone().into_bytes())
    }))
    .await;
    let client = client(&server);
    assert_eq!(query(&client).await.unwrap(), 1);
    let error = client
        .query(QueryScope::All, "SELECT Id FROM Cut__c")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::CutOff { .. }), "{error:?}");
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Transient, "SalesforceUnavailable")
    );
}

#[tokio::test]
async fn cut_off_bodies_are_noticed_however_they_are_cut() {
    let xml = envelope(&page_of(RECORD, true));
    let whole = gzip(xml.as_bytes());
    let reply = move |object: &str| -> Vec<u8> {
        let gzip_head = "Content-Encoding: gzip\r\n";
        let (head, body) = match object {
            "Length" => ("Content-Length: 100000\r\n".to_owned(), xml.clone().into_bytes()),
            "Gzip" => (
                format!("{gzip_head}Content-Length: {}\r\n", whole.len() - 9),
                whole[..whole.len() - 9].to_vec(),
            ),
            "Trailer" => (
                format!("{gzip_head}Content-Length: {}\r\n", whole.len() - 4),
                whole[..whole.len() - 4].to_vec(),
            ),
            "Closed" => (String::new(), xml.clone().into_bytes()[..xml.len() - 30].to_vec()),
            "NoGzip" => (gzip_head.to_owned(), b"this is not gzip data at all".to_vec()),
            other => panic!("{other}"),
        };
        let mut bytes = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{head}\r\n").into_bytes();
        bytes.extend(body);
        bytes
    };
    let server = Server::start(with_login(move |request| {
        let soql = request.element("queryString").unwrap();
        Reply::Bytes(reply(soql.rsplit(' ').next().unwrap()))
    }))
    .await;
    let client = client(&server);
    for object in ["Length", "Gzip", "Trailer", "Closed", "NoGzip"] {
        let page = client.query(QueryScope::All, &format!("SELECT Id FROM {object}")).await;
        let error = page
            .and_then(|page| page.read_records(&SelectList::new(["Id"]), &mut Count))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{object}: {error:?}");
        assert!(
            matches!(error, Error::CutOff { .. } | Error::Unreadable { .. }),
            "{object}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_would_fill_the_memory_is_refused() {
    let large = b"<?xml version=\"1.0\"?>"
        .iter()
        .copied()
        .chain(vec![b' '; 33 * 1024 * 1024]);
    let unbounded: Vec<u8> = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        .iter()
        .copied()
        .chain(large)
        .collect();
    let server = Server::start(with_login(move |request| {
        Reply::Bytes(match request.call() {
            "queryAll" => unbounded.clone(),
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<".to_vec(),
        })
    }))
    .await;
    let client = client(&server);
    let error = query(&client).await.unwrap_err();
    assert!(error.is_too_large());
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "ResponseTooLarge"));
    let text = error.message();
    assert!(
        text.contains("Contact") && text.contains("`fields`") && text.contains("`exclude`"),
        "{text}"
    );
    assert!(client.describe_global().await.unwrap_err().is_too_large());
}

#[tokio::test]
async fn what_is_no_answer_of_the_api_is_told_apart() {
    let reply = |object: &str| match object {
        "Html" => Reply::new(
            200,
            "Content-Type: text/html\r\n",
            b"\n<!DOCTYPE html><html>maintenance</html>",
        ),
        "HtmlGone" => Reply::new(404, "", b"<html><body>no such page</body></html>"),
        "Html503" => Reply::new(503, "", b"<HTML>busy</HTML>"),
        "Bad502" => Reply::new(502, "", b"bad gateway"),
        "Busy503" => Reply::new(503, "", b""),
        "Edge420" => Reply::new(420, "", b"{\"error\":\"enhance your calm\"}"),
        "Not406" => Reply::new(406, "", b""),
        "Many429" => Reply::new(429, "", b""),
        "Forbidden" => Reply::new(403, "", b"no"),
        "Plain500" => Reply::new(500, "", b"oops"),
        "Gateway504" => Reply::new(504, "", b"<?xml version=\"1.0\"?><error>timeout</error>"),
        "Moved" => Reply::new(302, "Location: https://other.example.com/?sid=MARK\r\n", b""),
        "Text" => Reply::new(200, "", b"hello"),
        "Empty" => Reply::new(200, "", b""),
        "Utf8" => Reply::new(200, "", b"<?xml version=\"1.0\"?><a>\xff\xfe</a>"),
        "Utf16" => Reply::new(200, "Content-Type: text/xml; charset=UTF-16\r\n", b"<\0a\0"),
        other => panic!("{other}"),
    };
    let server = Server::start(with_login(move |request| {
        reply(request.element("queryString").unwrap().rsplit(' ').next().unwrap())
    }))
    .await;
    let client = client(&server);
    for (object, kind, reason) in [
        ("Html", ErrorKind::Transient, "SalesforceUnavailable"),
        ("HtmlGone", ErrorKind::Invalid, "InvalidConnection"),
        ("Html503", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Bad502", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Busy503", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Edge420", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Not406", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Many429", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Forbidden", ErrorKind::Fatal, "AccessDenied"),
        ("Plain500", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Gateway504", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Moved", ErrorKind::Invalid, "InvalidConnection"),
        ("Text", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Empty", ErrorKind::Transient, "SalesforceUnavailable"),
        ("Utf8", ErrorKind::Transient, "UnreadableAnswer"),
        ("Utf16", ErrorKind::Transient, "UnreadableAnswer"),
    ] {
        let error = client
            .query(QueryScope::All, &format!("SELECT Id FROM {object}"))
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{object}: {error:?}");
        assert!(
            error.message().contains(object) && !format!("{error:?}").contains("MARK"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_busy_server_may_say_when_to_come_back() {
    let server = Server::start(with_login(|request| {
        let wait = if request.body.contains("Long__c") { 86_400 } else { 120 };
        Reply::new(503, &format!("Retry-After: {wait}\r\n"), b"")
    }))
    .await;
    let client = client(&server);
    assert_eq!(
        query(&client).await.unwrap_err().retry(),
        Retry::After(Duration::from_mins(2))
    );
    let error = client
        .query(QueryScope::All, "SELECT Id FROM Long__c")
        .await
        .unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn an_org_of_the_last_century_answers_in_latin_1() {
    let server = Server::start(with_login(|request| {
        let declared = request.body.contains("Declared__c");
        let xml = envelope(
            "<getUserInfoResponse><result><organizationId>00DA0000000YpZ4</organizationId>\
                            <organizationName>M\u{fc}ller</organizationName></result></getUserInfoResponse>",
        );
        let xml = xml.replace("UTF-8", "ISO-8859-1");
        let bytes: Vec<u8> = xml
            .chars()
            .map(|character| u8::try_from(u32::from(character)).unwrap())
            .collect();
        let head = if declared {
            ""
        } else {
            "Content-Type: text/xml; charset=ISO-8859-1\r\n"
        };
        Reply::new(200, head, &bytes)
    }))
    .await;
    assert_eq!(client(&server).user_info().await.unwrap().organization_name, "Müller");
}

#[tokio::test]
async fn silence_ends_with_the_time_out_that_it_broke() {
    let body = envelope(&page_of(RECORD, true));
    let server = Server::start(with_login(move |request| {
        let half = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
            body.len(),
            body.get(..100).unwrap()
        );
        Reply::Hang(if request.call() == "query" {
            half.into_bytes()
        } else {
            Vec::new()
        })
    }))
    .await;
    let short = Duration::from_millis(60);
    let with = |timeouts: Timeouts| {
        let mut config = config(&server);
        config.timeouts = timeouts;
        Client::new(config, credentials(), SystemClock::shared()).unwrap()
    };
    let quick = with(Timeouts {
        connect: short,
        read: short,
        total: Duration::from_mins(1),
    });
    for (scope, expected) in [(QueryScope::All, Waiting::Answer), (QueryScope::Live, Waiting::Body)] {
        let error = quick.query(scope, "SELECT Id FROM Contact").await.unwrap_err();
        assert!(
            matches!(error, Error::Timeout { waiting, .. } if waiting == expected),
            "{error:?}"
        );
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::Transient, "SalesforceUnavailable")
        );
    }
    let bounded = with(Timeouts {
        connect: short,
        read: Duration::from_mins(1),
        total: Duration::from_millis(200),
    });
    let error = bounded
        .query(QueryScope::All, "SELECT Id FROM Contact")
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                waiting: Waiting::End,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_and_costs_no_call() {
    let server = Server::start(with_login(|_| Reply::response(""))).await;
    let url = server.url.clone();
    drop(server);
    // The port is free again once the listener is gone.
    tokio::task::yield_now().await;
    let config = ClientConfig::new(url, "66.0".parse().unwrap());
    let client = Client::new(config, credentials(), SystemClock::shared()).unwrap();
    let error = client.org().await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!((error.kind(), client.calls()), (ErrorKind::Transient, 0));
}

#[tokio::test]
async fn describes_come_in_batches_of_a_hundred_and_smaller_ones_where_they_are_too_large() {
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&largest);
    let server = Server::start(with_login(move |request| {
        let names: Vec<&str> = request
            .body
            .split("<urn:sObjectType>")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap())
            .collect();
        seen.fetch_max(names.len(), Ordering::SeqCst);
        if names.contains(&"Wide__c") && names.len() > 1 {
            return Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n<".to_vec());
        }
        let results = names.iter().fold(String::new(), |results, name| {
            results + "<result><name>" + name + "</name></result>"
        });
        Reply::response(&format!(
            "<describeSObjectsResponse>{results}</describeSObjectsResponse>"
        ))
    }))
    .await;
    let client = client(&server);
    let mut names: Vec<String> = (0..250).map(|number| format!("Object{number}__c")).collect();
    let names_of = |objects: Vec<ObjectDescribe>| {
        objects
            .into_iter()
            .map(|object| object.summary.name)
            .collect::<Vec<_>>()
    };
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names_of(client.describe(&borrowed).await.unwrap()), names);
    assert_eq!((client.calls(), largest.load(Ordering::SeqCst)), (3, 100));
    names[130] = "Wide__c".to_owned();
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names_of(client.describe(&borrowed).await.unwrap()), names);
    assert!(client.describe(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn changes_are_asked_for_and_read() {
    let server = Server::start(with_login(|request| match request.call() {
        "getUpdated" => Reply::response(
            "<getUpdatedResponse><result><ids>0012x000007RVCcAAO</ids><ids>0015000000WWD7bAAH</ids>\
             <latestDateCovered>2020-06-30T05:05:00.000Z</latestDateCovered></result></getUpdatedResponse>",
        ),
        "getDeleted" => Reply::response(
            "<getDeletedResponse><result><deletedRecords><deletedDate>2013-05-07T22:07:19.000Z</deletedDate>\
             <id>0015000000WWD7bAAH</id></deletedRecords><earliestDateAvailable>2013-05-03T15:57:00.000Z\
             </earliestDateAvailable><latestDateCovered>2013-05-08T21:20:00.000Z</latestDateCovered></result>\
             </getDeletedResponse>",
        ),
        other => panic!("{other}"),
    }))
    .await;
    let client = client(&server);
    let start: Timestamp = "2026-11-01T00:00:00.25Z".parse().unwrap();
    let end: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
    let updated = client.get_updated("Account", start, end).await.unwrap();
    assert_eq!(updated.ids, ["0012x000007RVCcAAO", "0015000000WWD7bAAH"]);
    assert_eq!(updated.latest_date_covered.to_string(), "2020-06-30T05:05:00Z");
    let deleted = client.get_deleted("Account", start, end).await.unwrap();
    assert_eq!(deleted.records[0].id, "0015000000WWD7bAAH");
    assert_eq!(deleted.records[0].deleted_date.to_string(), "2013-05-07T22:07:19Z");
    assert_eq!(deleted.earliest_date_available.to_string(), "2013-05-03T15:57:00Z");
    assert_eq!(deleted.latest_date_covered.to_string(), "2013-05-08T21:20:00Z");
    let request = server.requests().pop().unwrap();
    assert_eq!(request.element("sObjectType"), Some("Account"));
    assert_eq!(request.element("startDate"), Some("2026-11-01T00:00:00.250Z"));
    assert_eq!(request.element("endDate"), Some("2026-11-02T00:00:00.000Z"));
}

#[tokio::test]
async fn retrieve_names_fields_once_and_ids_each() {
    let server = Server::start(with_login(|_| {
        Reply::response("<retrieveResponse><result xsi:nil=\"true\"/><result xsi:nil=\"true\"/></retrieveResponse>")
    }))
    .await;
    let client = client(&server);
    let page = client
        .retrieve(
            "Contact",
            &["Id", "Name"],
            &["003R00000016BMRIA2", "0015000000WWD7bAAH"],
        )
        .await
        .unwrap();
    assert_eq!(
        page.read_records(&SelectList::new(["Id", "Name"]), &mut Count).unwrap(),
        0
    );
    let request = server.requests().pop().unwrap();
    assert_eq!(request.element("fieldList"), Some("Id,Name"));
    assert_eq!(request.body.matches("<urn:ids>").count(), 2);
    let ids = vec!["003R00000016BMRIA2"; 2001];
    assert!(client.retrieve("Contact", &["Id"], &ids).await.is_err());
    assert_eq!(server.count("retrieve"), 1);
}

#[tokio::test]
async fn an_answer_that_says_nothing_or_answers_another_call_is_an_error() {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let server = Server::start(with_login(|request| {
        let call = request.call();
        let own = |inside: &str| Reply::response(&format!("<{call}Response>{inside}</{call}Response>"));
        match request.element("sObjectType").map_or(1, str::len) {
            // Told by the length of the object's name, since there is nothing else to tell by.
            1 => own(""),
            2 => own("<result xsi:nil=\"true\"/>"),
            3 => Reply::response(
                "<somethingResponse><result><done>true</done><size>0</size>\
                 <latestDateCovered>2026-11-01T00:00:00Z</latestDateCovered></result></somethingResponse>",
            ),
            4 => own(&"<result><latestDateCovered>2026-11-01T00:00:00Z</latestDateCovered></result>".repeat(2)),
            _ => own("<result><latestDateCovered>2026-11-01T00:00:00Z</latestDateCovered></result>"),
        }
    }))
    .await;
    let client = client(&server);
    let outcomes = [
        client.describe_global().await.map(drop),
        client.user_info().await.map(drop),
        client.server_timestamp().await.map(drop),
        query(&client).await.map(drop),
        client.get_updated("A", start, start).await.map(drop),
        client.get_updated("Ab", start, start).await.map(drop),
        client.get_updated("Abc", start, start).await.map(drop),
        client.get_updated("Abcd", start, start).await.map(drop),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let error = outcome.expect_err(&number.to_string());
        assert_eq!(error.reason(), "UnexpectedAnswer", "{number}: {error}");
    }
    assert!(client.get_updated("Abcde", start, start).await.is_ok());
}

#[tokio::test]
async fn arguments_are_escaped_and_control_characters_refused() {
    let server = Server::start(with_login(|_| Reply::response(&page_of(RECORD, true)))).await;
    let client = client(&server);
    client
        .query(QueryScope::All, "SELECT Id FROM A WHERE B = '<&>\"\r\n' AND C > 1")
        .await
        .unwrap();
    let request = server.requests().pop().unwrap();
    assert_eq!(
        request.element("queryString"),
        Some("SELECT Id FROM A WHERE B = &apos;&lt;&amp;&gt;&quot;&#13;\n&apos; AND C &gt; 1")
    );
    let error = client
        .query(QueryScope::All, "SELECT Id FROM A WHERE B = 'MARK\u{1}'")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!error.message().contains("MARK"));
}

#[tokio::test]
async fn no_secret_is_in_any_error_or_debug_text() {
    let hostile = format!("{PASSWORD} {TOKEN} {SESSION}");
    let replies: Vec<fn(&str, &str) -> Reply> = vec![
        |text, _call| Reply::fault("INVALID_LOGIN", text),
        |text, _call| Reply::fault("INVALID_SESSION_ID", text),
        |text, _call| Reply::fault(text, text),
        |text, _call| Reply::fault("INVALID_FIELD", &format!("No such column '{text}' on entity '{text}'")),
        |text, _call| Reply::new(503, "", text.as_bytes()),
        |text, _call| Reply::new(200, "", text.as_bytes()),
        |text, _call| Reply::new(200, "", format!("<html>{text}</html>").as_bytes()),
        |text, _call| Reply::new(302, &format!("Location: http://a/{}\r\n", text.replace(' ', "")), b""),
        |text, _call| Reply::new(200, "", format!("<a><b>{text}</a>").as_bytes()),
        |text, _call| Reply::new(200, "", format!("<a>&{};</a>", text.replace(' ', "")).as_bytes()),
        |text, call| {
            Reply::response(&format!(
                "<{call}Response><result><done>false</done><x>{text}</x></result></{call}Response>"
            ))
        },
        |text, call| {
            Reply::response(&format!(
                "<{call}Response><result><done>true</done><size>{text}</size></result></{call}Response>"
            ))
        },
        |text, call| {
            Reply::response(&format!(
                "<{call}Response><result><timestamp>{text}</timestamp></result></{call}Response>"
            ))
        },
        |text, _call| Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{text}").into_bytes()),
        |text, _call| Reply::Bytes(format!("{text}\r\n\r\n").into_bytes()),
        |text, _call| Reply::new(200, "Content-Encoding: gzip\r\n", text.as_bytes()),
    ];
    for at_login in [true, false] {
        for (number, reply) in replies.iter().copied().enumerate() {
            let text = hostile.clone();
            let server = Server::start(move |request, own| {
                if request.call() == "login" && !at_login {
                    login_reply(own, SESSION)
                } else {
                    reply(&text, request.call())
                }
            })
            .await;
            let (client, _clock) = clocked(&server);
            let errors = [
                query(&client).await.map(|_| ()).unwrap_err(),
                client.server_timestamp().await.map(|_| ()).unwrap_err(),
                client.describe(&["Contact"]).await.map(|_| ()).unwrap_err(),
            ];
            for error in errors {
                let mut texts = format!("{error} {error:?} {} {client:?}", error.message());
                let mut source = std::error::Error::source(&error);
                while let Some(error) = source {
                    write!(texts, " {error} {error:?}").unwrap();
                    source = error.source();
                }
                assert!(!texts.contains("MARK"), "reply {number}, at login {at_login}: {texts}");
                assert!(Error::REASONS.contains(&error.reason()), "{}", error.reason());
            }
        }
    }
    assert!(!format!("{:?}", credentials()).contains("MARK"));
}

/// Remembers what it was told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl CallObserver for Told {
    fn called(&self, call: Call, outcome: std::result::Result<(), &Error>, _took: Duration) {
        let code = outcome.err().map_or("ok", Error::reason);
        self.0.lock().unwrap().push(format!("{call} {code}"));
    }
}

#[tokio::test]
async fn an_observer_is_told_of_each_call_with_what_came_of_it() {
    let server = Server::start(with_login(|request| match request.call() {
        "getServerTimestamp" => Reply::xml(503, ""),
        _ => Reply::xml(200, "<html/>"),
    }))
    .await;
    let told = Arc::new(Told::default());
    let mut config = config(&server);
    config.observer = Some(Arc::<Told>::clone(&told));
    let client = Client::new(config, credentials(), SystemClock::shared()).unwrap();
    assert!(client.server_timestamp().await.is_err());
    let told = told.0.lock().unwrap().clone();
    assert_eq!(told, ["login ok", "getServerTimestamp SalesforceUnavailable"]);
}
