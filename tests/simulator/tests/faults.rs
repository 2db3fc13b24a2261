//! Faults on demand.

use simulator::{FaultElement, Rule, What};

use crate::wire::{Client, PASSWORD, TOKEN, USER, config, parse};

const CONTACTS: &str = "SELECT Id, Phone FROM Contact ORDER BY Id";

fn envelope(client: &Client) -> String {
    let call = format!("<urn:query><urn:queryString>{CONTACTS}</urn:queryString></urn:query>");
    client.envelope(&client.session, &call)
}

async fn raw(client: &Client) -> std::io::Result<Vec<u8>> {
    client.try_post("/services/Soap/u/66.0", &envelope(client)).await
}

#[tokio::test]
async fn faults_strike_by_call_object_and_number() {
    let client = Client::ready().await;
    client.control.add_rule(
        Rule::at("query", What::fault("SERVER_UNAVAILABLE", "busy"))
            .of("contact")
            .after(1)
            .times(2),
    );
    client.query("SELECT Id FROM Lead").await.ok();
    client.query(CONTACTS).await.ok();
    for _ in 0..2 {
        let answer = client.query(CONTACTS).await;
        assert_eq!((answer.status, answer.code().as_str()), (500, "SERVER_UNAVAILABLE"));
        assert!(answer.body.contains("<sf:UnexpectedErrorFault "));
    }
    client.query(CONTACTS).await.ok();
    assert_eq!(client.control.rules(), []);
}

#[tokio::test]
async fn rules_can_last_and_name_their_element() {
    let client = Client::ready().await;
    client
        .control
        .add_rule(Rule::at("query", What::query_timeout()).forever());
    for _ in 0..3 {
        assert_eq!(client.query(CONTACTS).await.code(), "QUERY_TIMEOUT");
    }
    client.control.clear_rules();
    client.control.add_rule(Rule::at_any(What::Fault {
        code: "QUERY_TIMEOUT".to_owned(),
        message: "Your query request was running for too long.".to_owned(),
        element: Some(FaultElement::InvalidQueryLocatorFault),
    }));
    assert!(
        client
            .query(CONTACTS)
            .await
            .body
            .contains("<sf:InvalidQueryLocatorFault ")
    );
    client.query(CONTACTS).await.ok();
}

#[tokio::test]
async fn logins_and_sessions_fail_on_demand() {
    let client = Client::ready().await;
    client.control.add_rule(Rule::at(
        "login",
        What::fault("LOGIN_DURING_RESTRICTED_DOMAIN", "not from here"),
    ));
    let password = format!("{PASSWORD}{TOKEN}");
    let answer = client.login("64.0", USER, &password).await;
    assert!(
        answer
            .body
            .contains("<faultcode>LOGIN_DURING_RESTRICTED_DOMAIN</faultcode>")
    );
    assert!(answer.body.contains("<sf:LoginFault "));
    client.login("64.0", USER, &password).await.ok();
    client.control.add_rule(Rule::at("query", What::EndSession));
    assert_eq!(client.query(CONTACTS).await.code(), "INVALID_SESSION_ID");
    assert_eq!(
        client.query(CONTACTS).await.code(),
        "INVALID_SESSION_ID",
        "until the next login"
    );
    client.control.add_rule(Rule::at("getUserInfo", What::quota()));
    assert_eq!(client.call("<urn:getUserInfo/>").await.code(), "REQUEST_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn locators_die_in_mid_run() {
    let mut client = Client::ready().await;
    client.soap_headers = "<urn:QueryOptions><urn:batchSize>200</urn:batchSize></urn:QueryOptions>".to_owned();
    client
        .control
        .add_rule(Rule::at("queryMore", What::KillLocators).of("Contact").after(1));
    let first = client.query(CONTACTS).await.ok().text("queryLocator").unwrap();
    let second = client.query_more(&first).await.ok().text("queryLocator").unwrap();
    let answer = client.query_more(&second).await;
    assert_eq!(answer.code(), "INVALID_QUERY_LOCATOR");
    assert!(answer.body.contains("<sf:InvalidQueryLocatorFault "));
}

#[tokio::test]
async fn proxies_answer_with_html_and_a_status() {
    let client = Client::ready().await;
    for status in [420, 502, 503] {
        client.control.add_rule(Rule::at_any(What::html(status)));
        let answer = client.query(CONTACTS).await;
        assert_eq!(
            (answer.status, answer.header("Content-Type")),
            (status, Some("text/html; charset=utf-8"))
        );
        assert!(answer.body.starts_with("<html>"));
    }
    client.control.add_rule(Rule::at_any(What::Http {
        status: 200,
        body: "<html>Down for maintenance</html>".to_owned(),
        content_type: "text/html".to_owned(),
        retry_after: Some(30),
    }));
    let answer = client.query(CONTACTS).await;
    assert_eq!((answer.status, answer.header("Retry-After")), (200, Some("30")));
    assert_eq!(client.control.usage().current, 0, "Salesforce never saw them");
}

#[tokio::test]
async fn bodies_break_off() {
    let mut client = Client::ready().await;
    for headers in ["", "Accept-Encoding: gzip\r\n"] {
        client.http_headers = headers.to_owned();
        client.control.add_rule(Rule::at("query", What::CutBody { at: 1_000 }));
        let answer = raw(&client).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let told: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .unwrap()
            .parse()
            .unwrap();
        assert!(told > 5_000, "{head}");
        assert_eq!(answer.len() - end - 4, 1_000);
    }
    client.http_headers.clear();
    client.control.add_rule(Rule::at("query", What::CutBody { at: 0 }));
    assert!(raw(&client).await.unwrap().ends_with(b"\r\n\r\n"));
    client.query(CONTACTS).await.ok();
}

#[tokio::test]
async fn connections_are_reset() {
    let client = Client::ready().await;
    client.control.add_rule(Rule::at("query", What::Reset));
    let error = raw(&client).await.expect_err("no answer");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    client.query(CONTACTS).await.ok();
}

#[tokio::test]
async fn a_hanging_call_can_be_given_up_and_others_go_on() {
    let client = Client::ready().await;
    client.control.add_rule(Rule::at("query", What::Hang));
    {
        let hanging = raw(&client);
        tokio::pin!(hanging);
        tokio::select! {
            answer = &mut hanging => panic!("{answer:?}"),
            () = async {
                while client.control.counters().of("query") == 0 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
    }
    client.query(CONTACTS).await.ok();
}

#[tokio::test]
async fn slow_answers_are_whole() {
    let client = Client::ready().await;
    client
        .control
        .add_rule(Rule::at("query", What::Delay { milliseconds: 1 }));
    client.control.add_rule(Rule::at(
        "query",
        What::Drip {
            bytes: 20_000,
            milliseconds: 1,
        },
    ));
    for _ in 0..2 {
        let answer = client.query(CONTACTS).await.ok();
        assert_eq!(answer.body.matches("<records ").count(), 1_000);
    }
}

#[tokio::test]
async fn values_and_elements_are_damaged() {
    let client = Client::ready().await;
    let wrong = |element: &str, text: &str| What::WrongValue {
        element: element.to_owned(),
        text: text.to_owned(),
    };
    client.control.add_rule(Rule::at("query", wrong("Phone", "a<b")));
    let answer = client.query(CONTACTS).await.ok();
    assert_eq!(
        answer.body.matches("<sf:Phone>a&lt;b</sf:Phone>").count(),
        1_000,
        "null ones too"
    );
    client.control.add_rule(Rule::at("query", wrong("size", "many")));
    assert_eq!(client.query(CONTACTS).await.ok().text("size").unwrap(), "many");
    client.control.add_rule(Rule::at(
        "query",
        What::MissingElement {
            element: "done".to_owned(),
        },
    ));
    assert_eq!(client.query(CONTACTS).await.ok().text("done"), None);
    client.control.add_rule(Rule::at(
        "query",
        What::ReplaceBody {
            text: "no XML at all".to_owned(),
        },
    ));
    assert_eq!(client.query(CONTACTS).await.ok().body, "no XML at all");
    client.control.add_rule(Rule::at(
        "query",
        What::InvalidUtf8 {
            element: Some("Phone".to_owned()),
        },
    ));
    let answer = parse(&raw(&client).await.unwrap());
    assert!(std::str::from_utf8(&answer.sent).is_err());
    client.query(CONTACTS).await.ok();
}

#[tokio::test]
async fn the_version_list_fails_too() {
    let client = Client::new(config()).await;
    client.control.add_rule(Rule::at("versions", What::html(503)));
    let get = b"GET /services/data/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(
        parse(&crate::wire::send(&client.address(), get).await.unwrap()).status,
        503
    );
    assert_eq!(
        parse(&crate::wire::send(&client.address(), get).await.unwrap()).status,
        200
    );
}
