//! The client: calls, each with a session that is renewed once when it has ended.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use url::Url;

use crate::{
    changes::{Deleted, Updated, read_server_timestamp},
    clock::SharedClock,
    describe::{
        ObjectDescribe, ObjectSummary,
        read::{read_global, read_objects},
    },
    endpoint::{AllowHttp, ApiVersion, check_url, host_of, login_endpoint},
    envelope::{Opened, Operation, open, result},
    error::{Call, Error, Place, Result},
    http::Http,
    limits::{ApiUsage, OBJECTS_PER_DESCRIBE, PAGE_ROWS, Timeouts},
    query::{Locator, Page, QueryScope, Shape, check_ids},
    server_clock::ServerClock,
    session::{LoginResult, Session, Sessions},
    user::{OrgInfo, UserInfo},
    xml::{Xml, XmlError},
};

/// Answers up to this size are parsed where they arrive; larger ones on a blocking thread. At 300 MB/s
/// (performance.md 1.5) this is a millisecond.
const PARSE_HERE_BYTES: usize = 256 * 1024;

/// How to reach an org.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where to log in: a My Domain host or a generic one.
    pub login_url: Url,
    /// Version of data calls; login has its own.
    pub api_version: ApiVersion,
    /// Certificates in PEM that are trusted besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Where `http` may be used.
    pub allow_http: AllowHttp,
    /// How long a request may take.
    pub timeouts: Timeouts,
    /// Rows of a page that are asked for, 200 to 2000; Salesforce takes it as a hint.
    pub page_rows: u16,
    /// Who is told of each call.
    pub observer: Option<Arc<dyn CallObserver>>,
}

/// Is told of each call to Salesforce, logins included, when its answer is there or it has failed; not of one that was dropped.
/// Must not block.
pub trait CallObserver: std::fmt::Debug + Send + Sync + 'static {
    /// A call took so long. `outcome` has the error where it failed.
    fn called(&self, call: Call, outcome: std::result::Result<(), &Error>, took: Duration);
}

impl ClientConfig {
    /// The usual: system certificates, https, default time-outs, pages of 2000 rows.
    pub fn new(login_url: Url, api_version: ApiVersion) -> Self {
        Self {
            login_url,
            api_version,
            ca_pem: None,
            allow_http: AllowHttp::default(),
            timeouts: Timeouts::default(),
            page_rows: *PAGE_ROWS.end(),
            observer: None,
        }
    }
}

/// What a client logs in with.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// `login()` of the SOAP API.
    Password {
        /// Login name.
        username: String,
        /// Password, with or without the security token at its end.
        password: SecretString,
        /// Security token; not needed from a trusted network, or where the password has it at its end.
        security_token: Option<SecretString>,
    },
}

/// A client of one org as one user.
///
/// Cheap to clone: clones share the session, the connection pool and the org's quota as last seen, and count into the
/// same counter; [`Client::counted`] starts a counter of its own. All calls are cancel safe: dropping one closes its
/// connection and leaves the session as it was.
///
/// Errors of all calls: Transient for the network and Salesforce's bad moments, Credentials from the login, Quota when
/// the org's calls are used up, Invalid and Fatal as the [fault](crate::Fault) says.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    calls: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Shared {
    http: Http,
    config: ClientConfig,
    login_url: Url,
    login_host: Arc<str>,
    username: SecretString,
    password: SecretString,
    clock: SharedClock,
    sessions: Sessions,
    /// What the last answer told, and when it came, on the monotonic clock.
    usage: Mutex<Option<(ApiUsage, Duration)>>,
    server_clock: Mutex<Option<ServerClock>>,
}

/// An answer that is not a fault.
struct Answered {
    place: Place,
    body: String,
}

impl Client {
    /// A client that has not logged in yet: the first call does.
    ///
    /// # Errors
    ///
    /// Invalid where a URL, the CA, a time-out or the page size cannot be used; Credentials where a part of them is
    /// empty. Nothing is sent.
    pub fn new(config: ClientConfig, credentials: Credentials, clock: SharedClock) -> Result<Self> {
        check_url(&config.login_url, config.allow_http, "loginUrl")?;
        if !PAGE_ROWS.contains(&config.page_rows) {
            return Err(Error::Config(format!(
                "{} rows a page: Salesforce serves 200 to 2000",
                config.page_rows
            )));
        }
        let Credentials::Password {
            username,
            password,
            security_token,
        } = credentials;
        let password = full_password(&password, security_token.as_ref())?;
        let username = username.trim().to_owned();
        if username.is_empty() {
            return Err(Error::UnusableCredentials("the Secret's user name is empty"));
        }
        let http = Http::new(&config.login_url, config.ca_pem.as_deref(), config.timeouts)?;
        let shared = Shared {
            http,
            login_url: login_endpoint(&config.login_url),
            login_host: host_of(&config.login_url).into(),
            config,
            username: username.into(),
            password,
            clock,
            sessions: Sessions::new(),
            usage: Mutex::new(None),
            server_clock: Mutex::new(None),
        };
        Ok(Self {
            shared: Arc::new(shared),
            calls: Arc::default(),
        })
    }

    /// The same client and session with a counter of calls of its own.
    #[must_use]
    pub fn counted(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            calls: Arc::default(),
        }
    }

    /// Calls made by this counter that Salesforce counts: each request that was sent, but logins and those that a
    /// session's end answered.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls of the whole org in the last 24 hours, as the last answer to any clone told.
    pub fn api_usage(&self) -> Option<ApiUsage> {
        self.shared.told_usage().map(|(usage, _)| usage)
    }

    /// The same, told not longer than `most` ago: else asked for by one call of getServerTimestamp. `None` where no answer
    /// tells it.
    ///
    /// # Errors
    ///
    /// Those of [`Client::server_timestamp`], where it has to be asked.
    pub async fn recent_api_usage(&self, most: Duration) -> Result<Option<ApiUsage>> {
        let now = self.shared.clock.monotonic();
        let is_recent = |(_, told): &(ApiUsage, Duration)| now.saturating_sub(*told) <= most;
        if let Some((usage, _)) = self.shared.told_usage().filter(is_recent) {
            return Ok(Some(usage));
        }
        self.server_timestamp().await?;
        Ok(self.shared.told_usage().filter(is_recent).map(|(usage, _)| usage))
    }

    /// The org that is talked to. Logs in where no session is; no call of the API otherwise.
    ///
    /// # Errors
    ///
    /// Those of the login.
    pub async fn org(&self) -> Result<OrgInfo> {
        let session = self.session(None).await?;
        let user = match &session.user {
            Some(user) => user.clone(),
            // The WSDL lets a login result come without it.
            None => self.user_info().await?,
        };
        Ok(OrgInfo {
            organization_id: user.organization_id.clone(),
            organization_name: user.organization_name.clone(),
            instance_url: session.instance.clone(),
            sandbox: session.sandbox,
            user_id: user.user_id.clone(),
            user_name: user.user_name.clone(),
            user,
        })
    }

    /// Salesforce's clock: asked once after a login, carried on by the monotonic clock, and never ahead of the truth.
    ///
    /// # Errors
    ///
    /// Those of [`Client::server_timestamp`], where it has to be asked.
    pub async fn server_now(&self) -> Result<Timestamp> {
        let session = self.session(None).await?;
        {
            let known = self.shared.server_clock.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(clock) = known.as_ref().filter(|clock| clock.session() >= session.serial) {
                return Ok(clock.now(self.shared.clock.monotonic()));
            }
        }
        self.server_timestamp().await
    }

    /// getServerTimestamp: Salesforce's clock, whole seconds. What [`Client::server_now`] carries on begins anew.
    ///
    /// # Errors
    ///
    /// As described at [`Client`].
    pub async fn server_timestamp(&self) -> Result<Timestamp> {
        let answered = self.call(&Operation::GetServerTimestamp).await?;
        let received = self.shared.clock.monotonic();
        let now = read_server_timestamp(&answered.body, &answered.place)?;
        let session = self.shared.sessions.current(None).map_or(0, |session| session.serial);
        *self.shared.server_clock.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(ServerClock::new(now, received, session));
        Ok(now)
    }

    /// getUserInfo: the user and organization of the session.
    ///
    /// # Errors
    ///
    /// As described at [`Client`].
    pub async fn user_info(&self) -> Result<UserInfo> {
        let answered = self.call(&Operation::GetUserInfo).await?;
        result(&answered.body, &answered.place, UserInfo::read)
    }

    /// describeGlobal: all objects that the user may see.
    ///
    /// # Errors
    ///
    /// As described at [`Client`].
    pub async fn describe_global(&self) -> Result<Vec<ObjectSummary>> {
        let answered = self.call(&Operation::DescribeGlobal).await?;
        parse(answered, read_global).await
    }

    /// describeSObjects: objects with their fields, in the order given. 100 objects a call, fewer where their answer
    /// would be too large.
    ///
    /// # Errors
    ///
    /// Invalid (`INVALID_TYPE`) where one of the objects does not exist or the user may not see it; none is described
    /// then.
    pub async fn describe(&self, objects: &[&str]) -> Result<Vec<ObjectDescribe>> {
        let mut described = Vec::with_capacity(objects.len());
        let mut waiting: Vec<&[&str]> = objects.chunks(OBJECTS_PER_DESCRIBE).rev().collect();
        while let Some(chunk) = waiting.pop() {
            match self.call(&Operation::DescribeSObjects { objects: chunk }).await {
                Ok(answered) => {
                    let expected = chunk.len();
                    described.extend(parse(answered, move |body, place| read_described(body, place, expected)).await?);
                }
                Err(error) if error.is_too_large() && chunk.len() > 1 => {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    waiting.extend([second, first]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(described)
    }

    /// query or queryAll: the first page.
    ///
    /// # Errors
    ///
    /// As described at [`Client`]; see [`Error::is_query_timeout`] and [`Error::is_too_large`].
    pub async fn query(&self, scope: QueryScope, soql: &str) -> Result<Page> {
        let operation = match scope {
            QueryScope::Live => Operation::Query { soql },
            QueryScope::All => Operation::QueryAll { soql },
        };
        let answered = self.call(&operation).await?;
        Page::read(answered.body, answered.place, Shape::Query)
    }

    /// queryMore: the next page. A locator is to be used once; where the answer is lost, the query has to be resumed by
    /// its last Id or stamp.
    ///
    /// # Errors
    ///
    /// As described at [`Client`]; see [`Error::is_dead_locator`].
    pub async fn query_more(&self, locator: &Locator) -> Result<Page> {
        let operation = Operation::QueryMore {
            locator: locator.as_str(),
            object: locator.object(),
        };
        let answered = self.call(&operation).await?;
        Page::read(answered.body, answered.place, Shape::Query)
    }

    /// retrieve: records by Id, at most [`IDS_PER_RETRIEVE`](crate::IDS_PER_RETRIEVE), in one page. Ids that are not
    /// there, or deleted, are left out.
    ///
    /// # Errors
    ///
    /// As described at [`Client`].
    pub async fn retrieve(&self, object: &str, fields: &[&str], ids: &[&str]) -> Result<Page> {
        check_ids(object, ids)?;
        let answered = self.call(&Operation::Retrieve { object, fields, ids }).await?;
        Page::read(answered.body, answered.place, Shape::Retrieve { asked: ids.len() })
    }

    /// getUpdated: Ids created or changed in a window of at most 30 days back. Salesforce ignores seconds and includes
    /// both ends.
    ///
    /// # Errors
    ///
    /// As described at [`Client`]; `INVALID_REPLICATION_DATE` and `EXCEEDED_ID_LIMIT` by [`Error::code`].
    pub async fn get_updated(&self, object: &str, start: Timestamp, end: Timestamp) -> Result<Updated> {
        let answered = self.call(&Operation::GetUpdated { object, start, end }).await?;
        parse(answered, Updated::read).await
    }

    /// getDeleted: records deleted in a window of at most 15 days back and of more than a minute.
    ///
    /// # Errors
    ///
    /// As those of [`Client::get_updated`].
    pub async fn get_deleted(&self, object: &str, start: Timestamp, end: Timestamp) -> Result<Deleted> {
        let answered = self.call(&Operation::GetDeleted { object, start, end }).await?;
        parse(answered, Deleted::read).await
    }

    /// Ends the session, for every program that logged in as this user: Salesforce gives them one session. So it is
    /// called only where somebody asks for it. Without a session nothing is sent.
    ///
    /// # Errors
    ///
    /// As described at [`Client`]; the session is forgotten all the same.
    pub async fn logout(&self) -> Result<()> {
        let Some(session) = self.shared.sessions.current(None) else {
            return Ok(());
        };
        self.shared.sessions.forget(session.serial);
        match self.attempt(&session, &Operation::Logout).await {
            Ok(_) => Ok(()),
            Err(error) if is_session_lost(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One call, with one more try in a renewed session where the session has ended.
    async fn call(&self, operation: &Operation<'_>) -> Result<Answered> {
        let session = self.session(None).await?;
        match self.attempt(&session, operation).await {
            Err(error) if is_session_lost(&error) => {
                tracing::info!(call = %operation.call(), "the session has ended and is renewed");
                let session = self.session(Some(session.serial)).await?;
                match self.attempt(&session, operation).await {
                    Err(Error::Fault(fault)) if fault.is_session_lost() => {
                        self.shared.sessions.forget(session.serial);
                        Err(Error::SessionLost {
                            place: fault.place().clone(),
                        })
                    }
                    outcome => outcome,
                }
            }
            outcome => outcome,
        }
    }

    async fn attempt(&self, session: &Session, operation: &Operation<'_>) -> Result<Answered> {
        let envelope = operation.write(Some(&session.id), self.shared.config.page_rows)?;
        let place = Place {
            call: operation.call(),
            object: operation.object().map(Into::into),
            host: host_of(&session.url).into(),
        };
        let outcome = self.shared.exchange(session.url.clone(), envelope, place).await;
        match &outcome {
            // Nothing reached Salesforce, or nothing that it counts.
            Err(Error::Connect { .. } | Error::Certificate { .. }) => {}
            Err(error) if is_session_lost(error) => {}
            Ok(_) | Err(_) => {
                self.calls.fetch_add(1, Ordering::Relaxed);
            }
        }
        outcome
    }

    /// The session, or a new one where it is the one called `ended`.
    async fn session(&self, ended: Option<u64>) -> Result<Arc<Session>> {
        let shared = &self.shared;
        if let Some(session) = shared.sessions.current(ended) {
            return Ok(session);
        }
        let now = || shared.clock.monotonic();
        // Boxed, since it is rarely needed and every call would carry its size.
        Box::pin(
            shared
                .sessions
                .obtain(ended, &shared.login_host, now, || shared.log_in()),
        )
        .await
    }
}

impl Shared {
    fn told_usage(&self) -> Option<(ApiUsage, Duration)> {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn log_in(&self) -> Result<LoginResult> {
        let operation = Operation::Login {
            username: &self.username,
            password: &self.password,
        };
        let place = Place {
            call: operation.call(),
            object: None,
            host: Arc::clone(&self.login_host),
        };
        let envelope = operation.write(None, self.config.page_rows)?;
        let answered = self.exchange(self.login_url.clone(), envelope, place).await?;
        let body = Zeroizing::new(answered.body);
        let result = LoginResult::read(&body, self.config.api_version, self.config.allow_http, &answered.place)?;
        tracing::info!(host = %self.login_host, "logged in to Salesforce");
        Ok(result)
    }

    /// Posts an envelope, and tells faults from answers.
    async fn exchange(&self, url: Url, envelope: Zeroizing<Vec<u8>>, place: Place) -> Result<Answered> {
        let started = self.clock.monotonic();
        let call = place.call;
        let outcome = self.exchange_unobserved(url, envelope, place).await;
        if let Some(observer) = &self.config.observer {
            let took = self.clock.monotonic().saturating_sub(started);
            observer.called(call, outcome.as_ref().map(|_| ()), took);
        }
        outcome
    }

    async fn exchange_unobserved(&self, url: Url, envelope: Zeroizing<Vec<u8>>, place: Place) -> Result<Answered> {
        let started = self.clock.monotonic();
        let answer = self.http.post(url, envelope, &place).await?;
        tracing::debug!(
            call = %place.call,
            object = place.object.as_deref(),
            status = answer.status,
            bytes = answer.body.len(),
            duration = ?self.clock.monotonic().saturating_sub(started),
            "salesforce answered"
        );
        let opened = open(&mut Xml::new(&answer.body), &place);
        match opened {
            Ok((usage, opened)) => {
                if let Some(usage) = usage {
                    let told = (usage, self.clock.monotonic());
                    *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
                }
                match opened {
                    Opened::Fault(fault) => Err(Error::Fault(Box::new(fault))),
                    Opened::Response if answer.status == 200 => Ok(Answered {
                        place,
                        body: answer.body,
                    }),
                    Opened::Response => Err(Error::Status {
                        place,
                        status: answer.status,
                        retry_after: answer.retry_after,
                    }),
                }
            }
            // A gateway's own XML, or half of it: its status says more.
            Err(_) if answer.status != 200 && answer.status != 500 => Err(Error::Status {
                place,
                status: answer.status,
                retry_after: answer.retry_after,
            }),
            Err(error) => Err(error.at(&place)),
        }
    }
}

/// The password as `login()` takes it: the security token at its end, once (salesforce-api.md 2.1).
///
/// Secrets that were written with `echo` or an editor end with a line end, which no password does.
fn full_password(password: &SecretString, security_token: Option<&SecretString>) -> Result<SecretString> {
    let password = password.expose_secret().trim_end_matches(['\n', '\r']);
    let token = security_token.map_or("", |token| token.expose_secret().trim());
    if password.is_empty() {
        return Err(Error::UnusableCredentials("the Secret's password is empty"));
    }
    if password.ends_with(token) {
        return Ok(password.into());
    }
    let mut full = Zeroizing::new(String::with_capacity(password.len() + token.len()));
    full.push_str(password);
    full.push_str(token);
    Ok(full.as_str().into())
}

/// Objects of one describeSObjects, checked to be as many as were asked for.
fn read_described(body: &str, place: &Place, expected: usize) -> Result<Vec<ObjectDescribe>> {
    let objects = read_objects(body, place)?;
    if objects.len() == expected {
        return Ok(objects);
    }
    Err(XmlError::Unexpected(format!("{} objects where {expected} were asked for", objects.len())).at(place))
}

fn is_session_lost(error: &Error) -> bool {
    error.fault().is_some_and(crate::fault::Fault::is_session_lost)
}

/// Parses a large answer on a blocking thread, a small one here.
async fn parse<T: Send + 'static>(
    answered: Answered,
    read: impl FnOnce(&str, &Place) -> Result<T> + Send + 'static,
) -> Result<T> {
    if answered.body.len() <= PARSE_HERE_BYTES {
        return read(&answered.body, &answered.place);
    }
    tokio::task::spawn_blocking(move || read(&answered.body, &answered.place))
        .await
        .map_err(|error| Error::Internal(format!("parsing an answer did not end: {error}")))?
}

#[cfg(test)]
mod tests;
