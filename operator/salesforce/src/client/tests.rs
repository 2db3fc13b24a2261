//! The client against a server in the test. Here is what all of them start with.

mod calls;
mod network;
mod session;
mod told;

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

async fn query(client: &Client) -> Result<u64> {
    client
        .query(QueryScope::All, "SELECT Id FROM Contact")
        .await?
        .read_records(&SelectList::new(["Id"]), &mut Count)
}
