//! Login, sessions, and the clock that comes with one.

use super::*;

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
