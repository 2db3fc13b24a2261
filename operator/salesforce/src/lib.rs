//! Talks to Salesforce. Knows no database.
//!
//! One [`Client`] is one org as one user, over the SOAP Partner API: the API that user name, password and security
//! token open, and that tells deletes, changes and its own clock. Its parts, from the wire upwards: `endpoint` (hosts,
//! paths, versions), `http` (one request, one bounded answer), `xml` and `envelope` (pull reading, writing), `fault`
//! and `error` (what went wrong, and who can mend it), `session` (one login for all), `query` and `records` (pages,
//! straight into a batch), `describe`, `changes`.
//!
//! Three promises hold throughout. Nothing is read in part without an error: a record lacks no selected field, an
//! answer that breaks off is no answer. Memory is bounded by bytes, whatever Salesforce sends. And no secret, no field
//! value and no statement's literal reaches a log, an error or a `Debug`.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use salesforce::{Client, ClientConfig, Credentials, QueryScope, RecordSink, SelectList, clock::SystemClock};
//!
//! struct Print;
//! impl RecordSink for Print {
//!     fn begin_record(&mut self) {}
//!     fn value(&mut self, column: usize, text: &str) {
//!         println!("{column}: {text}");
//!     }
//!     fn end_record(&mut self) -> ControlFlow<()> {
//!         ControlFlow::Continue(())
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ClientConfig::new("https://acme.my.salesforce.com".parse()?, "66.0".parse()?);
//! let credentials = Credentials::Password {
//!     username: "replicator@acme.example".to_owned(),
//!     password: std::env::var("PASSWORD")?.into(),
//!     security_token: None,
//! };
//! let client = Client::new(config, credentials, SystemClock::shared())?;
//! let mut page = client.query(QueryScope::All, "SELECT Id, Account.Name FROM Contact").await?;
//! loop {
//!     page.read_records(&SelectList::new(["Id", "Account.Name"]), &mut Print)?;
//!     let Some(locator) = page.locator() else { break };
//!     page = client.query_more(locator).await?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod clock;
pub mod describe;
pub mod id;

mod changes;
mod client;
mod endpoint;
mod envelope;
mod error;
mod fault;
mod http;
mod limits;
mod query;
mod records;
mod server_clock;
mod session;
mod user;
mod xml;

#[cfg(test)]
mod test_server;

pub use changes::{Deleted, DeletedRecord, Updated};
pub use client::{CallObserver, Client, ClientConfig, Credentials};
pub use endpoint::{AllowHttp, ApiVersion};
pub use error::{Call, Cause, Error, ErrorKind, Place, Result, Retry, Waiting};
pub use fault::Fault;
pub use limits::{ApiUsage, IDS_PER_RETRIEVE, Timeouts};
pub use query::{Locator, Page, QueryScope};
pub use records::{RecordSink, SelectList};
pub use user::{OrgInfo, UserInfo};
