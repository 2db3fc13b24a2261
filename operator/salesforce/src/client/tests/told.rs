//! What leaves the client beside rows: errors and what an observer is told, without a secret in it.

use super::*;

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
