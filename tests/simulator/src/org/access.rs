//! Who may log in, and sessions.
//!
//! One user has one session, shared by all clients (salesforce-api.md 2.3): a second login returns the same session id,
//! and a logout ends it for everybody. Sessions end by idleness on the org's clock.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::permissions::Rights;
use crate::{
    config::{Login, Settings},
    soap::fault::{self, Fault},
};

/// One user who may log in.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) login: Login,
    /// 18-character Id of the User row.
    pub(crate) user_id: String,
    /// What the user may see beside View All Data, and the rows that say so.
    pub(crate) rights: Rights,
    /// May log in at all.
    pub(crate) active: bool,
    /// Has the permission "Use Any API Auth".
    pub(crate) api_auth: bool,
    /// May do nothing but setPassword.
    pub(crate) password_expired: bool,
    failures: u32,
    locked_until: Option<Timestamp>,
    /// Logins of the last hour.
    logins: VecDeque<Timestamp>,
    blocked_until: Option<Timestamp>,
    session: Option<Session>,
}

#[derive(Debug, Clone)]
struct Session {
    id: String,
    last_used: Timestamp,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) username: String,
    pub(crate) user_id: String,
    pub(crate) view_all_data: bool,
    /// Objects of which every row is seen.
    pub(crate) view_all: Arc<BTreeSet<String>>,
    /// The org lets everybody read everything.
    pub(crate) public_read: bool,
    pub(crate) password_expired: bool,
    pub(crate) session_id: String,
}

/// All users who may log in.
#[derive(Debug)]
pub(crate) struct Access {
    accounts: Vec<Account>,
    /// 15 characters.
    organization: String,
    seed: u64,
    sessions_made: u64,
}

impl Access {
    pub(crate) fn new(organization: &str, seed: u64) -> Self {
        let organization = organization.get(..15).unwrap_or(organization).to_owned();
        Self {
            accounts: Vec::new(),
            organization,
            seed,
            sessions_made: 0,
        }
    }

    pub(crate) fn add(&mut self, login: Login, user_id: String, rights: Rights) {
        self.accounts.push(Account {
            login,
            user_id,
            rights,
            active: true,
            api_auth: true,
            password_expired: false,
            failures: 0,
            locked_until: None,
            logins: VecDeque::new(),
            blocked_until: None,
            session: None,
        });
    }

    /// The user of this name; user names are compared without case.
    pub(crate) fn account(&self, username: &str) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.login.username.eq_ignore_ascii_case(username))
    }

    pub(crate) fn account_mut(&mut self, username: &str) -> Option<&mut Account> {
        self.accounts
            .iter_mut()
            .find(|account| account.login.username.eq_ignore_ascii_case(username))
    }

    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// `login()`: every gate that concerns the user, in Salesforce's order. A wrong user, password or token and a locked
    /// user get the same text.
    pub(crate) fn log_in(
        &mut self,
        username: &str,
        password: &str,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<Caller, Fault> {
        let wrong = || Fault::login("INVALID_LOGIN", fault::INVALID_LOGIN);
        let session = self.next_session_id();
        let account = self.account_mut(username).ok_or_else(wrong)?;
        account.check_rate(now, settings)?;
        if !account.active || account.locked_until.is_some_and(|until| now < until) {
            return Err(wrong());
        }
        let with_token = password.strip_prefix(&account.login.password);
        match with_token {
            Some("") if settings.trusted_address => {}
            Some("") => return Err(Fault::login("LOGIN_MUST_USE_SECURITY_TOKEN", fault::MUST_USE_TOKEN)),
            Some(token) if token == account.login.token => {}
            Some(_) | None => {
                account.fail(now, settings);
                return Err(wrong());
            }
        }
        account.failures = 0;
        account.locked_until = None;
        if settings.api_auth_required && !account.api_auth {
            return Err(Fault::login("INSUFFICIENT_ACCESS", fault::LACKS_API_AUTH));
        }
        let alive = account.session.take().filter(|session| !session.ended(now, settings));
        let session = Session {
            id: alive.map_or(session, |alive| alive.id),
            last_used: now,
        };
        account.session = Some(session.clone());
        Ok(account.caller(session.id, settings))
    }

    /// Whose session this is; the call keeps it alive.
    pub(crate) fn resume(&mut self, session_id: &str, now: Timestamp, settings: &Settings) -> Result<Caller, Fault> {
        for account in &mut self.accounts {
            match account.session.as_mut().filter(|session| session.id == session_id) {
                Some(session) if session.ended(now, settings) => account.session = None,
                Some(session) if account.active => {
                    session.last_used = now;
                    return Ok(account.caller(session_id.to_owned(), settings));
                }
                Some(_) | None => {}
            }
        }
        Err(Fault::invalid_session(&hash_text(session_id)))
    }

    /// Follows an object to its other name.
    pub(crate) fn rename_object(&mut self, from: &str, to: &str) {
        for account in &mut self.accounts {
            account.rights.rename(from, to);
        }
    }

    /// Ends the session of a user, or of all.
    pub(crate) fn end_sessions(&mut self, username: Option<&str>) {
        for account in &mut self.accounts {
            if username.is_none_or(|name| account.login.username.eq_ignore_ascii_case(name)) {
                account.session = None;
            }
        }
    }

    /// Ends one session.
    pub(crate) fn end_session(&mut self, session_id: &str) {
        for account in &mut self.accounts {
            if account.session.as_ref().is_some_and(|session| session.id == session_id) {
                account.session = None;
            }
        }
    }

    /// Sets a password: the token changes with it, the session and the lockout end (salesforce-api.md 2.1).
    pub(crate) fn set_password(&mut self, user_id: &str, password: &str) -> Result<(), Fault> {
        let organization = self.organization.clone();
        let account = self
            .accounts
            .iter_mut()
            .find(|account| same_id(&account.user_id, user_id))
            .ok_or_else(|| Fault::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"))?;
        if password.chars().count() < 8 {
            return Err(Fault::new(
                "INVALID_NEW_PASSWORD",
                "Your password must be at least 8 characters long.",
            ));
        }
        if password == account.login.password {
            return Err(Fault::new("INVALID_NEW_PASSWORD", "invalid repeated password"));
        }
        password.clone_into(&mut account.login.password);
        account.login.token = scramble(&[&organization, user_id, password], 24);
        account.password_expired = false;
        account.failures = 0;
        account.locked_until = None;
        Ok(())
    }

    /// `<15-character organization id>!<opaque>`, 112 characters in all (salesforce-api.md 2.3).
    fn next_session_id(&mut self) -> String {
        self.sessions_made += 1;
        let opaque = scramble(
            &[
                &self.organization,
                &self.seed.to_string(),
                &self.sessions_made.to_string(),
            ],
            96,
        );
        format!("{}!{opaque}", self.organization)
    }
}

impl Account {
    fn caller(&self, session_id: String, settings: &Settings) -> Caller {
        Caller {
            username: self.login.username.clone(),
            user_id: self.user_id.clone(),
            view_all_data: self.login.view_all_data,
            view_all: Arc::clone(self.rights.view_all()),
            public_read: settings.public_read,
            password_expired: self.password_expired,
            session_id,
        }
    }

    /// Locked out by wrong passwords at this moment.
    pub(crate) fn locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Lets a locked user in again.
    pub(crate) fn unlock(&mut self) {
        self.failures = 0;
        self.locked_until = None;
        self.blocked_until = None;
        self.logins.clear();
    }

    /// Beyond 3 600 logins in an hour the user is blocked for an hour (salesforce-api.md 2.3).
    fn check_rate(&mut self, now: Timestamp, settings: &Settings) -> Result<(), Fault> {
        let exceeded = || Fault::login("INVALID_LOGIN", fault::LOGIN_RATE);
        let hour = SignedDuration::from_hours(1);
        if self.blocked_until.is_some_and(|until| now < until) {
            return Err(exceeded());
        }
        self.logins.retain(|&at| now.duration_since(at) < hour);
        if u32::try_from(self.logins.len()).unwrap_or(u32::MAX) >= settings.logins_per_hour {
            self.blocked_until = now.checked_add(hour).ok();
            return Err(exceeded());
        }
        self.logins.push_back(now);
        Ok(())
    }

    fn fail(&mut self, now: Timestamp, settings: &Settings) {
        self.failures += 1;
        if settings.failed_logins_until_lockout > 0 && self.failures >= settings.failed_logins_until_lockout {
            let lockout = SignedDuration::from_mins(i64::from(settings.lockout_minutes));
            self.locked_until = now.checked_add(lockout).ok();
            self.failures = 0;
        }
    }
}

impl Session {
    fn ended(&self, now: Timestamp, settings: &Settings) -> bool {
        now.duration_since(self.last_used) > SignedDuration::from_secs(i64::from(settings.session_seconds))
    }
}

/// 15 and 18 characters name the same record.
pub(crate) fn same_id(left: &str, right: &str) -> bool {
    matches!((left.get(..15), right.get(..15)), (Some(left), Some(right)) if left == right)
        && matches!(right.len(), 15 | 18)
}

/// Text of letters, digits, dot and underscore that nobody guesses but that is the same in each run.
fn scramble(parts: &[&str], length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    let mut text = String::with_capacity(length);
    for block in 0_u8.. {
        let mut hash = Sha256::new();
        hash.update([block]);
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        for byte in hash.finalize() {
            if text.len() == length {
                return text;
            }
            text.extend(ALPHABET.get(usize::from(byte % 64)).map(|&letter| char::from(letter)));
        }
    }
    text
}

/// What Salesforce calls the session hash: it tells nothing of the id.
fn hash_text(session_id: &str) -> String {
    format!("{}=", scramble(&["session", session_id], 43))
}

#[cfg(test)]
mod tests;
