//! The session: one for all clones of a client, made when it is needed, renewed when it ends.
//!
//! Salesforce gives a user 3600 logins an hour and then blocks the user for an hour, for everything (salesforce-api.md
//! 2.3); restforce and others were bitten by logging in for each request (12, trap 19). And a wrong password that is
//! tried again and again locks the user. So a login is a thing to be careful with:
//!
//! * Callers that need a session at the same time share one login: the first logs in, the others wait for its result,
//!   and take its failure too where it fails.
//! * A session is renewed by whoever finds it ended, once; who comes later finds the new one. The session that was
//!   found ended is named by its serial number, so that a late caller does not throw a new session away.
//! * [`Allowance`] bounds logins to [`BURST`] at once and one each [`REFILL`] from then on: at most 140 in the first
//!   hour, so that 25 clients of one user stay below Salesforce's limit. Beyond it nobody waits in here; the caller is
//!   told when to come back.
//! * A refusal of the credentials is remembered for [`REFUSAL_PAUSE`]. A changed Secret means a new client, which
//!   knows nothing of it.
//!
//! Rejected: a pause that the login itself sleeps through. A run that hangs without a word is worse than an error that
//! says until when, and who supervises the run knows better what to do meanwhile.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::{SecretString, zeroize::Zeroizing};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    endpoint::{AllowHttp, ApiVersion, data_endpoint},
    envelope::result,
    error::{Error, ErrorKind, Place, Result},
    user::UserInfo,
    xml::{Xml, XmlError, is_nil, local_name},
};

/// Logins that may follow each other without a pause: sessions can end several times in a run for good reasons.
const BURST: u32 = 20;

/// Time in which one more login becomes free.
const REFILL: Duration = Duration::from_secs(30);

/// How long credentials that were refused are not tried again (design 6.10: one login an hour).
const REFUSAL_PAUSE: Duration = Duration::from_hours(1);

/// A session with the place where its calls go.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) serial: u64,
    pub(crate) id: SecretString,
    pub(crate) url: Url,
    pub(crate) instance: Url,
    pub(crate) sandbox: bool,
    pub(crate) user: Option<UserInfo>,
}

/// What a login returned, before it has a serial number.
#[derive(Debug)]
pub(crate) struct LoginResult {
    id: SecretString,
    url: Url,
    instance: Url,
    sandbox: bool,
    user: Option<UserInfo>,
}

impl LoginResult {
    /// Reads a login response and judges it.
    ///
    /// # Errors
    ///
    /// Credentials where the password has expired or the session is of a kind that SOAP refuses; Invalid where the
    /// serverUrl must not be used.
    pub(crate) fn read(body: &str, version: ApiVersion, allow_http: AllowHttp, place: &Place) -> Result<Self> {
        let members = result(body, place, Members::read)?;
        if members.password_expired {
            return Err(Error::PasswordExpired { place: place.clone() });
        }
        let missing = |what: &str| XmlError::missing(what).at(place);
        let id = members
            .session_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| missing("sessionId of the login result"))?;
        if is_jwt(&id) {
            return Err(Error::JwtSession { place: place.clone() });
        }
        let server_url = members
            .server_url
            .ok_or_else(|| missing("serverUrl of the login result"))?;
        let endpoint = data_endpoint(&server_url, version, allow_http)?;
        Ok(Self {
            id: SecretString::from(id.as_str()),
            url: endpoint.url,
            instance: endpoint.instance,
            sandbox: members.sandbox,
            user: members.user,
        })
    }
}

/// Members of the login result, in any order.
#[derive(Default)]
struct Members {
    session_id: Option<Zeroizing<String>>,
    server_url: Option<String>,
    password_expired: bool,
    sandbox: bool,
    user: Option<UserInfo>,
}

impl Members {
    fn read(xml: &mut Xml<'_>) -> Result<Self, XmlError> {
        let mut members = Self::default();
        xml.members(|xml, start| {
            let nil = is_nil(start);
            match local_name(start) {
                "sessionId" if !nil => members.session_id = Some(Zeroizing::new(xml.text()?)),
                "serverUrl" if !nil => members.server_url = Some(xml.text()?.trim().to_owned()),
                "passwordExpired" => members.password_expired = xml.text()?.trim() == "true",
                "sandbox" => members.sandbox = xml.text()?.trim() == "true",
                "userInfo" if !nil => members.user = Some(UserInfo::read(xml)?),
                _ => xml.skip()?,
            }
            Ok(())
        })?;
        Ok(members)
    }
}

/// Whether a session id is a JSON Web Token, which SOAP answers with `INVALID_SESSION_ID` for ever (salesforce-api.md
/// 2.6): three parts of base64url between dots, where opaque ids are `<organization>!<opaque>`.
pub(crate) fn is_jwt(id: &str) -> bool {
    let parts: Vec<&str> = id.split('.').collect();
    let base64url = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    parts.len() == 3 && parts.iter().all(base64url)
}

/// How many logins are free: a bucket that refills with time.
#[derive(Debug)]
struct Allowance {
    free: u32,
    refilled_at: Duration,
}

impl Allowance {
    /// Takes one login, or tells how long to wait for it. `now` is monotonic.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let passed = now.saturating_sub(self.refilled_at);
        let refills = u32::try_from(passed.as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if self.free.saturating_add(refills) >= BURST {
            self.free = BURST;
            self.refilled_at = now;
        } else {
            self.free += refills;
            self.refilled_at += REFILL * refills;
        }
        match self.free.checked_sub(1) {
            Some(left) => {
                self.free = left;
                Ok(())
            }
            None => Err((self.refilled_at + REFILL).saturating_sub(now)),
        }
    }
}

/// What the one who logs in knows.
#[derive(Debug)]
struct Gate {
    allowance: Allowance,
    /// The refusal, and until when on the monotonic clock it stands.
    refusal: Option<(Error, Duration)>,
    last_failure: Option<Error>,
    serial: u64,
}

/// The session of a client, shared by its clones.
#[derive(Debug)]
pub(crate) struct Sessions {
    current: RwLock<Option<Arc<Session>>>,
    gate: Mutex<Gate>,
    /// Logins that have ended, well or not: tells a caller that waited whether one ended while it waited.
    ended: AtomicU64,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            current: RwLock::new(None),
            gate: Mutex::new(Gate {
                allowance: Allowance {
                    free: BURST,
                    refilled_at: Duration::ZERO,
                },
                refusal: None,
                last_failure: None,
                serial: 0,
            }),
            ended: AtomicU64::new(0),
        }
    }

    /// The session, where there is one that is not the one called ended.
    pub(crate) fn current(&self, ended: Option<u64>) -> Option<Arc<Session>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .filter(|session| Some(session.serial) != ended)
            .map(Arc::clone)
    }

    /// Forgets a session.
    pub(crate) fn forget(&self, serial: u64) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|session| session.serial == serial) {
            *current = None;
        }
    }

    /// The session; `log_in` makes one where there is none but the one called `ended`. Cancel safe: who waits next
    /// logs in then.
    ///
    /// `now` is the monotonic clock, `host` that of the login, for texts.
    pub(crate) async fn obtain<F: Future<Output = Result<LoginResult>>>(
        &self,
        ended: Option<u64>,
        host: &Arc<str>,
        now: impl Fn() -> Duration + Send,
        log_in: impl FnOnce() -> F + Send,
    ) -> Result<Arc<Session>> {
        if let Some(session) = self.current(ended) {
            return Ok(session);
        }
        let before = self.ended.load(Ordering::Acquire);
        let mut gate = self.gate.lock().await;
        if let Some(session) = self.current(ended) {
            return Ok(session);
        }
        if self.ended.load(Ordering::Acquire) != before
            && let Some(failure) = &gate.last_failure
        {
            return Err(failure.clone());
        }
        gate.admit(now(), host)?;
        let result = log_in().await;
        self.ended.fetch_add(1, Ordering::AcqRel);
        match result {
            Ok(LoginResult {
                id,
                url,
                instance,
                sandbox,
                user,
            }) => {
                gate.serial += 1;
                gate.last_failure = None;
                gate.refusal = None;
                let session = Arc::new(Session {
                    serial: gate.serial,
                    id,
                    url,
                    instance,
                    sandbox,
                    user,
                });
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Some(Arc::clone(&session));
                Ok(session)
            }
            Err(error) => {
                gate.last_failure = Some(error.clone());
                if error.kind() == ErrorKind::Credentials {
                    gate.refusal = Some((error.clone(), now() + REFUSAL_PAUSE));
                }
                Err(error)
            }
        }
    }
}

impl Gate {
    fn admit(&mut self, now: Duration, host: &Arc<str>) -> Result<()> {
        if let Some((cause, until)) = &self.refusal {
            let wait = until.saturating_sub(now);
            if !wait.is_zero() {
                return Err(Error::LoginRefused {
                    cause: Box::new(cause.clone()),
                    wait,
                });
            }
        }
        self.allowance.take(now).map_err(|wait| Error::LoginPaused {
            host: Arc::clone(host),
            wait,
        })
    }
}

#[cfg(test)]
mod tests;
