//! A Salesforce org in one process, to test replicating clients against.
//!
//! It is what the documentation and recorded traffic say that Salesforce is, not what our client expects: public clients
//! (simple-salesforce, jsforce) are run against it. It speaks SOAP (the Partner API): login with every gate, describe, SOQL
//! with paging, getUpdated and getDeleted. Its rows are made on demand, so a million contacts take no memory; what is changed
//! lies on top. A test holds a [`Control`] and can change rows, schema, permissions and the clock, leave transactions open,
//! and make any call fail in any way; it can read back what clients did and what every row is. The same is served as JSON
//! under `/_control/` for people and for other languages (see `README.md`).
//!
//! ```
//! # async fn example() -> Result<(), simulator::StartError> {
//! let org = simulator::Simulator::start(simulator::Config { contacts: 10_000, ..Default::default() }).await?;
//! println!("log in at {} as admin@example.com", org.url());
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it knows |
//! | --- | --- |
//! | `server` | connections, paths, bodies, and how rules damage them |
//! | `soap` | envelopes, calls, faults, records on the wire |
//! | `org` | sessions, limits, rows, transactions, cursors, deletes |
//! | [`schema`], [`data`], [`soql`] | objects and fields, generated records, the query language |
//! | `control` | what tests do |

pub mod data;
pub mod schema;
pub mod soql;

mod calls;
mod clock;
mod config;
mod control;
mod org;
mod rules;
mod server;
mod soap;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

pub use calls::{Call, Counters};
pub use clock::ClockStart;
pub use config::{Config, CursorRows, LocatorForm, Login, Settings, Transfer};
pub use control::{Control, Row, Rows, Transaction, UserChange, UserState};
pub use org::{
    WriteError,
    change::Stamps,
    limits::Usage,
    people::{Converted, Person},
};
pub use rules::{Rule, What};
pub use soap::fault::{FaultElement, FaultPrefix};

/// Why an org did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The configuration contradicts itself.
    #[error("the org cannot be set up: {0}")]
    Setup(#[from] WriteError),
    /// The address is no URL.
    #[error("the address has no URL: {0}")]
    Url(#[from] url::ParseError),
}

/// A running org. It ends when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    url: Url,
    org: Arc<org::Org>,
    server: JoinSet<()>,
}

impl Simulator {
    /// Starts an org; it accepts connections when this returns.
    ///
    /// # Errors
    /// The address is taken, or the configuration contradicts itself.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let org = Arc::new(org::Org::new(&config)?);
        let address = SocketAddr::new(config.address, config.port);
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let url = Url::parse(&format!("http://{address}"))?;
        let mut server = JoinSet::new();
        server.spawn(server::connection::serve(listener, Arc::clone(&org)));
        Ok(Self { url, org, server })
    }

    /// The login URL: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The handle that changes the org and tells what happened.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.org))
    }

    /// Serves until the server fails, which it does not by itself.
    pub async fn run(mut self) {
        while let Some(ended) = self.server.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "server ended");
            }
        }
    }
}

/// A lock whose holder panicked still guards whole values: every change here is one assignment or one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
