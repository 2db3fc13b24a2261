//! HTTP: headers, compression, keep-alive, versions, what is not there, what is no SOAP.

use std::io::Write;

use simulator::Transfer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::wire::{Client, config, parse, send};

async fn get(client: &Client, path: &str) -> crate::wire::Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    parse(&send(&client.address(), request.as_bytes()).await.unwrap())
}

#[tokio::test]
async fn header_names_are_in_title_case() {
    let client = Client::ready().await;
    let answer = client.call("<urn:getUserInfo/>").await.ok();
    assert_eq!(answer.header("Content-Type"), Some("text/xml;charset=UTF-8"));
    assert!(answer.header("Content-Length").is_some() && answer.header("Date").is_some());
    assert!(!answer.head.contains("content-type"));
}

#[tokio::test]
async fn answers_are_compressed_when_the_client_accepts_it() {
    let mut client = Client::ready().await;
    let plain = client.query("SELECT Id, Name FROM Contact").await.ok();
    assert_eq!(plain.header("Content-Encoding"), None);
    for (accepts, coding) in [("gzip, deflate", "gzip"), ("deflate", "deflate")] {
        client.http_headers = format!("Accept-Encoding: {accepts}\r\n");
        let packed = client.query("SELECT Id, Name FROM Contact").await.ok();
        assert_eq!(packed.header("Content-Encoding"), Some(coding));
        assert_eq!(packed.header("Transfer-Encoding"), Some("chunked"));
        assert!(packed.sent.len() * 4 < packed.body.len());
        assert_eq!(packed.texts("sf:Id"), plain.texts("sf:Id"));
        assert_eq!(
            u64::try_from(packed.sent.len()).unwrap(),
            client.control.calls(1)[0].response_bytes
        );
    }
    client.control.change_settings(|settings| settings.compress = false);
    assert_eq!(
        client
            .query("SELECT Id FROM Contact")
            .await
            .ok()
            .header("Content-Encoding"),
        None
    );
}

#[tokio::test]
async fn the_length_is_told_or_the_body_is_chunked() {
    let client = Client::ready().await;
    for (transfer, chunked) in [(Transfer::Chunked, true), (Transfer::ContentLength, false)] {
        client.control.change_settings(|settings| settings.transfer = transfer);
        let answer = client.query("SELECT Id, Name FROM Contact").await.ok();
        assert_eq!(answer.header("Transfer-Encoding").is_some(), chunked);
        assert_eq!(answer.header("Content-Length").is_some(), !chunked);
        assert_eq!(answer.body.matches("<records ").count(), 1_000);
    }
}

#[tokio::test]
async fn requests_may_be_compressed() {
    let client = Client::ready().await;
    let envelope = client.envelope(&client.session, "<urn:getUserInfo/>");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(envelope.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let mut request = format!(
        "POST /services/Soap/u/66.0 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nSOAPAction: \"\"\r\n\
         Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    parse(&send(&client.address(), &request).await.unwrap()).ok();
}

#[tokio::test]
async fn a_connection_serves_many_calls() {
    let client = Client::ready().await;
    client.control.reset_calls();
    let envelope = client.envelope(&client.session, "<urn:getServerTimestamp/>");
    let request = format!(
        "POST /services/Soap/u/66.0 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nSOAPAction: \"\"\r\nContent-Length: {}\r\n\r\n{envelope}",
        envelope.len()
    );
    let mut stream = TcpStream::connect(client.address()).await.unwrap();
    for _ in 0..5 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"</soapenv:Envelope>") {
            answer.push(stream.read_u8().await.unwrap());
        }
    }
    let counters = client.control.counters();
    assert_eq!((counters.of("getServerTimestamp"), counters.connections), (5, 1));
}

#[tokio::test]
async fn versions_are_listed_without_a_session_and_not_counted() {
    let client = Client::new(config()).await;
    for path in ["/services/data/", "/services/data"] {
        let answer = get(&client, path).await;
        assert_eq!(
            (answer.status, answer.header("Content-Type")),
            (200, Some("application/json;charset=UTF-8"))
        );
        let versions: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(versions.len(), 38);
        assert_eq!(versions[0]["version"], "31.0");
        assert_eq!(
            versions[37],
            serde_json::json!({"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"})
        );
    }
    assert_eq!(
        (client.control.counters().of("versions"), client.control.usage().current),
        (2, 0)
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let client = Client::new(config()).await;
    let answer = get(&client, "/services/data/v66.0/nothing").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            404,
            r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#
        )
    );
    let answer = get(&client, "/nothing").await;
    assert_eq!(
        (answer.status, answer.header("Content-Type")),
        (404, Some("text/html;charset=UTF-8"))
    );
}

#[tokio::test]
async fn what_is_no_soap_gets_a_client_fault() {
    let client = Client::ready().await;
    let post = |headers: &str, body: &str| {
        let request = format!(
            "POST /services/Soap/u/66.0 HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let address = client.address();
        async move { parse(&send(&address, request.as_bytes()).await.unwrap()) }
    };
    let xml = "Content-Type: text/xml; charset=utf-8\r\n";
    let envelope = client.envelope(&client.session, "<urn:getUserInfo/>");
    for (headers, body, text) in [
        (
            "SOAPAction: \"\"\r\nContent-Type: application/json\r\n".to_owned(),
            envelope.as_str(),
            "content-type of the request should be text/xml",
        ),
        (xml.to_owned(), envelope.as_str(), "SOAPAction HTTP header missing"),
        (
            format!("{xml}SOAPAction: \"\"\r\n"),
            "{}",
            "Content is not allowed in prolog.",
        ),
        (format!("{xml}SOAPAction: \"\"\r\n"), "<a/>", "invalid at this location"),
    ] {
        let answer = post(&headers, body).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.text("faultcode").unwrap(), "soapenv:Client");
        assert!(answer.text("faultstring").unwrap().contains(text), "{}", answer.body);
    }
    let answer = get(&client, "/services/Soap/u/66.0").await;
    assert_eq!(
        (answer.status, answer.text("faultcode").unwrap().as_str()),
        (500, "soapenv:Client")
    );
    let answer = client.call("<urn:describeEverything/>").await;
    assert_eq!(
        answer.text("faultstring").unwrap(),
        "No operation available for request {urn:partner.soap.sforce.com}describeEverything, please check the WSDL for \
         the service."
    );
    let answer = client.post("/services/Soap/c/66.0", &envelope).await;
    assert!(
        answer
            .text("faultstring")
            .unwrap()
            .starts_with("No operation available for request {urn:partner")
    );
    for version in ["20.0", "30.0", "69.0", "latest"] {
        let answer = client.post(&format!("/services/Soap/u/{version}"), &envelope).await;
        assert_eq!(answer.code(), "UNSUPPORTED_API_VERSION");
    }
    client.post("/services/Soap/u/68.0/", &envelope).await.ok();
}
