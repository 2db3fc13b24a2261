//! The org: everything that is on Salesforce's side of the wire, without the wire.
//!
//! Each part has its own lock, held for as short as can be; only a query holds the data for reading while it makes a page.

pub(crate) mod access;
pub(crate) mod change;
pub(crate) mod cursor;
mod delete_log;
mod deletes;
pub(crate) mod limits;
pub(crate) mod people;
pub(crate) mod permissions;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod replication;
mod reshape;
pub(crate) mod store;
pub(crate) mod table;
mod value;

use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use self::{
    access::{Access, Caller},
    change::Context,
    cursor::Cursors,
    limits::Limits,
    store::{Store, Viewer},
    table::Look,
};
use crate::{
    calls::Calls,
    clock::{OrgClock, to_wire},
    config::{Config, Settings},
    data::Generator,
    lock,
    rules::Rules,
    schema::{PersonAccounts, Schema},
};

/// Why the org refuses a change of its rows or its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
#[non_exhaustive]
pub struct WriteError {
    /// Salesforce's status code.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

impl WriteError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn missing(object: &str, id: &str) -> Self {
        Self::new("INVALID_CROSS_REFERENCE_KEY", format!("{object} has no row {id}"))
    }
}

impl From<crate::schema::SchemaError> for WriteError {
    fn from(error: crate::schema::SchemaError) -> Self {
        Self::new("INVALID_OPERATION", error.to_string())
    }
}

/// The org.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) clock: OrgClock,
    /// 18 characters.
    pub(crate) organization_id: String,
    pub(crate) organization_name: String,
    pub(crate) sandbox: bool,
    pub(crate) behind_tls: bool,
    pub(crate) person_accounts: PersonAccounts,
    settings: RwLock<Settings>,
    store: RwLock<Store>,
    pub(crate) access: Mutex<Access>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) cursors: Mutex<Cursors>,
    pub(crate) rules: Mutex<Rules>,
    pub(crate) calls: Mutex<Calls>,
    /// Counts releases of hanging requests.
    release: watch::Sender<u64>,
}

impl Org {
    pub(crate) fn new(config: &Config) -> Result<Self, WriteError> {
        let clock = OrgClock::new(config.clock);
        let users = config.users.max(u64::try_from(config.logins.len()).unwrap_or(u64::MAX));
        let generator = Generator::new(config.seed, clock.stamp())
            .with_rows("User", users)
            .with_rows("Account", config.accounts)
            .with_rows("Contact", config.contacts)
            .with_rows("Lead", config.leads)
            .with_rows("Opportunity", config.opportunities)
            .with_rows("Task", config.tasks)
            .with_rows("Case", config.cases)
            .with_rows("Specimen__c", config.specimens);
        let mut store = Store::new(Schema::standard(config.person_accounts), generator);
        let mut access = Access::new(&config.organization_id, config.seed);
        let context = Context {
            now: clock.stamp(),
            user_id: Generator::id(store.object("User")?, 0),
            bin_days: config.settings.deleted_days,
            gone_hours: config.settings.deleted_row_hours,
        };
        for (n, login) in (0..).zip(&config.logins) {
            // The generator's n-th user becomes the one who logs in, without a trace in the stamps.
            let user_id = Generator::id(store.object("User")?, n);
            let values = [
                ("Username".to_owned(), login.username.clone()),
                ("Email".to_owned(), login.username.clone()),
                ("IsActive".to_owned(), "true".to_owned()),
                ("UserType".to_owned(), "Standard".to_owned()),
                ("LanguageLocaleKey".to_owned(), "en_US".to_owned()),
                ("LocaleSidKey".to_owned(), "en_US".to_owned()),
                ("TimeZoneSidKey".to_owned(), "America/New_York".to_owned()),
            ];
            store.write(None, &context, |change| {
                change.update("User", &user_id, &values, change::Stamps::Neither)
            })?;
            let rights = store.write(None, &context, |change| change.enroll(login, &user_id, n == 0))?;
            access.add(login.clone(), user_id, rights);
        }
        people::settle(&mut store, &context, config)?;
        Ok(Self {
            clock,
            organization_id: config.organization_id.clone(),
            organization_name: config.organization_name.clone(),
            sandbox: config.sandbox,
            behind_tls: config.behind_tls,
            person_accounts: config.person_accounts,
            settings: RwLock::new(config.settings.clone()),
            store: RwLock::new(store),
            access: Mutex::new(access),
            limits: Mutex::new(Limits::default()),
            cursors: Mutex::new(Cursors::default()),
            rules: Mutex::new(Rules::default()),
            calls: Mutex::new(Calls::default()),
            release: watch::Sender::new(0),
        })
    }

    /// The settings as they are.
    pub(crate) fn settings(&self) -> Settings {
        self.settings
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Changes the settings.
    pub(crate) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.write().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// The data, to be read.
    pub(crate) fn store(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The data, to be changed.
    pub(crate) fn store_mut(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The data as it is at this moment.
    pub(crate) fn look(&self) -> Look {
        Look {
            now: self.clock.now(),
            as_of: None,
        }
    }

    /// Changes by a user at this moment.
    pub(crate) fn context(&self, user_id: &str) -> Context {
        let settings = self.settings();
        Context {
            now: self.clock.stamp(),
            user_id: user_id.to_owned(),
            bin_days: settings.deleted_days,
            gone_hours: settings.deleted_row_hours,
        }
    }

    /// Waits until hanging requests are released.
    pub(crate) async fn hang(&self) {
        let mut releases = self.release.subscribe();
        // The sender lives as long as the org, so this ends by a release only.
        releases.changed().await.ok();
    }

    /// Lets hanging requests go: their connections end.
    pub(crate) fn release_hanging(&self) {
        self.release.send_modify(|releases| *releases += 1);
    }

    /// Salesforce's time, as getServerTimestamp tells it.
    pub(crate) fn timestamp(&self) -> String {
        to_wire(self.clock.now())
    }

    /// The administrator: the first of those who may log in.
    pub(crate) fn administrator(&self) -> String {
        lock(&self.access)
            .accounts()
            .first()
            .map(|account| account.user_id.clone())
            .unwrap_or_default()
    }
}

impl From<&Caller> for Viewer {
    fn from(caller: &Caller) -> Self {
        Self {
            username: caller.username.to_lowercase(),
            user_id: caller.user_id.clone(),
            view_all_data: caller.view_all_data,
            view_all: Arc::clone(&caller.view_all),
            public_read: caller.public_read,
        }
    }
}
