//! Bodies that are cut, too large, in another form or no answer at all, and hosts that are silent or not there.

use super::*;

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
