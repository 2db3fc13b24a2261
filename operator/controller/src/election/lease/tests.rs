//! What goes over the wire, and what the answers of an API server mean. The server says what it is told to say; that a real
//! one says such things is known from it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::*;

/// Answers in order, and what was asked.
#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<(u16, Value)>,
    asked: Vec<(String, Value)>,
}

/// A server for one connection after the other.
struct Server {
    script: Arc<Mutex<Script>>,
    leases: KubeLeases,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(answers: &[(u16, Value)]) -> Self {
        let script = Arc::new(Mutex::new(Script {
            answers: answers.iter().cloned().collect(),
            asked: Vec::new(),
        }));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::clone(&script)));
        let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        let settings = ElectionSettings::new("telephony", "salesforce-replicator", "a");
        Self {
            script,
            leases: KubeLeases::new(client, &settings),
            _task: task,
        }
    }

    fn asked(&self) -> (String, Value) {
        self.script.lock().unwrap().asked.pop().expect("a request")
    }
}

async fn serve(listener: TcpListener, script: Arc<Mutex<Script>>) {
    loop {
        let (stream, _peer) = listener.accept().await.unwrap();
        let script = Arc::clone(&script);
        let service = service_fn(move |request| answer(Arc::clone(&script), request));
        let served = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        served.unwrap();
    }
}

async fn answer(script: Arc<Mutex<Script>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let asked = format!("{} {}", request.method(), request.uri().path());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let mut script = script.lock().unwrap();
    script.asked.push((asked, body));
    let (status, answer) = script.answers.pop_front().expect("an answer");
    let mut response = Response::new(Full::from(answer.to_string()));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}

fn lease(version: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"namespace": "telephony", "name": "salesforce-replicator", "resourceVersion": version},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-11-28T12:00:00.123456Z"},
    })
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    (code, status)
}

const ALL: &str = "/apis/coordination.k8s.io/v1/namespaces/telephony/leases";

#[tokio::test]
async fn the_lease_is_read_made_and_replaced_at_the_version_that_was_read() {
    let server = Server::start(&[
        status(404, "NotFound", "not found"),
        (201, lease("6")),
        (200, lease("7")),
        (200, lease("8")),
    ])
    .await;
    assert_eq!(server.leases.get().await.unwrap(), None);
    assert_eq!(server.asked().0, format!("GET {ALL}/salesforce-replicator"));
    let given: Lease = serde_json::from_value(lease("6")).unwrap();
    assert_eq!(server.leases.create(&given).await.unwrap(), given);
    assert_eq!(server.asked().0, format!("POST {ALL}"));

    let read = server.leases.get().await.unwrap().unwrap();
    let replaced = server.leases.replace(&read).await.unwrap();
    assert_eq!(replaced.metadata.resource_version.as_deref(), Some("8"));
    let (asked, body) = server.asked();
    assert_eq!(asked, format!("PUT {ALL}/salesforce-replicator"));
    assert_eq!(body["metadata"]["resourceVersion"], "7");
    // A version of a time that was cut would make every record look changed.
    assert_eq!(body["spec"]["renewTime"], "2026-11-28T12:00:00.123456Z");
}

#[tokio::test]
async fn who_was_slower_gets_a_conflict() {
    let server = Server::start(&[
        status(409, "AlreadyExists", "it already exists"),
        status(409, "Conflict", "the object has been modified"),
        status(404, "NotFound", "it was deleted"),
    ])
    .await;
    let given: Lease = serde_json::from_value(lease("6")).unwrap();
    let outcomes = [
        server.leases.create(&given).await,
        server.leases.replace(&given).await,
        server.leases.replace(&given).await,
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(LeaseError::Conflict)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let server = Server::start(&[status(403, "Forbidden", "User \"x\" cannot get resource \"leases\"")]).await;
    let error = server.leases.get().await.unwrap_err();
    let message = error.to_string();
    for part in [
        "Lease telephony/salesforce-replicator",
        "cannot get resource",
        "get and update on this one",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn an_api_server_that_is_not_there_is_told_from_one_that_refuses() {
    let server = Server::start(&[]).await;
    let Server {
        leases,
        _task: mut task,
        script: _,
    } = server;
    task.shutdown().await;
    let error = leases.get().await.unwrap_err();
    assert!(matches!(error, LeaseError::Unreachable(_)), "{error:?}");
}
