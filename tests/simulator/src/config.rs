//! How an org begins, and its settings: those that an administrator has, those that Salesforce has, and those that
//! decide what no page documents.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{clock::ClockStart, schema::PersonAccounts, soap::fault::FaultPrefix};

/// What an org is made of at its start. Everything else can be changed while it runs, by `Control`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address that is listened on.
    pub address: IpAddr,
    /// Port that is listened on; 0 lets the machine choose one.
    pub port: u16,
    /// Something before it terminates TLS: the URLs that it tells of itself begin with https.
    pub behind_tls: bool,
    /// The same seed gives the same rows.
    pub seed: u64,
    /// Rows of Contact.
    pub contacts: u64,
    /// Rows of Account.
    pub accounts: u64,
    /// Rows of Lead.
    pub leads: u64,
    /// Rows of Opportunity.
    pub opportunities: u64,
    /// Rows of Task.
    pub tasks: u64,
    /// Rows of Case.
    pub cases: u64,
    /// Rows of User; at least as many as `logins`.
    pub users: u64,
    /// Of the users, so many are inactive: the last ones.
    pub inactive_users: u64,
    /// Of the users, so many are not of `UserType` Standard: those before the inactive ones.
    pub technical_users: u64,
    /// Of the leads, so many are converted.
    pub converted_leads: u64,
    /// Person accounts, on top of `accounts` and `contacts`. None unless `person_accounts` are enabled.
    pub persons: u64,
    /// Rows of `Specimen__c`, the custom object that has a field of every type.
    pub specimens: u64,
    /// Who may log in. The first is the administrator, who has made the org's rows.
    pub logins: Vec<Login>,
    /// The org's clock.
    pub clock: ClockStart,
    /// 18 characters.
    pub organization_id: String,
    /// The company's name.
    pub organization_name: String,
    /// A sandbox.
    pub sandbox: bool,
    /// Accounts may be persons.
    pub person_accounts: PersonAccounts,
    /// What may be changed while it runs too.
    pub settings: Settings,
}

/// A user who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Security token, to be appended to the password.
    pub token: String,
    /// Has View All Data. Without it the user sees own rows, rows without owner, users, and what
    /// [`Control::grant_view_all`](crate::Control::grant_view_all) or [`Settings::public_read`] adds.
    pub view_all_data: bool,
}

impl Login {
    /// A user with View All Data.
    pub fn new(username: &str, password: &str, token: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            token: token.to_owned(),
            view_all_data: true,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            behind_tls: false,
            seed: 1,
            contacts: 1_000,
            accounts: 200,
            leads: 100,
            opportunities: 100,
            tasks: 100,
            cases: 50,
            users: 20,
            inactive_users: 0,
            technical_users: 0,
            converted_leads: 0,
            persons: 0,
            specimens: 100,
            logins: vec![Login::new("admin@example.com", "correct horse", "TOKEN123")],
            clock: ClockStart::default(),
            organization_id: "00D000000000001EAA".to_owned(),
            organization_name: "Example, Inc.".to_owned(),
            sandbox: false,
            person_accounts: PersonAccounts::Disabled,
            settings: Settings::default(),
        }
    }
}

/// Form of a query locator (salesforce-api.md 5.2). Both are in use; clients must take them as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LocatorForm {
    /// 18 characters that begin with 0r8; another one for each page.
    #[default]
    Cursor,
    /// `01g<id>-<offset>`
    Historic,
}

/// What queryMore shows of a row that changed after the query. Not documented (salesforce-api.md 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CursorRows {
    /// Which rows is settled by the query, their values are those of the moment. Rows that are gone are left out.
    #[default]
    Live,
    /// Rows and values are those of the query.
    AsOfQuery,
}

/// How an answer's length is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Transfer {
    /// Chunked above 8 KiB, as Salesforce does with what it compresses.
    #[default]
    Auto,
    /// `Content-Length` always.
    ContentLength,
    /// `Transfer-Encoding: chunked` always.
    Chunked,
}

/// Settings of a running org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, as in Salesforce's Setup"
)]
pub struct Settings {
    /// "Enable SOAP API `login()`" of Setup, User Interface.
    pub soap_login_enabled: bool,
    /// Logins need the permission "Use Any API Auth".
    pub api_auth_required: bool,
    /// The caller's address is in the org's trusted range: no security token needed.
    pub trusted_address: bool,
    /// Wrong passwords in a row until the user is locked out; 0 never.
    pub failed_logins_until_lockout: u32,
    /// How long a lockout lasts, in minutes.
    pub lockout_minutes: u32,
    /// The organization-wide default of every object is Public Read Only: users without View All Data see the rows of others
    /// too, unless they are hidden from them.
    pub public_read: bool,
    /// Logins of one user in an hour.
    pub logins_per_hour: u32,
    /// Seconds without a call after which a session ends.
    pub session_seconds: u32,
    /// How `faultcode` is written.
    pub fault_prefix: FaultPrefix,
    /// Calls of 24 hours.
    pub daily_calls: u64,
    /// Long requests at a time.
    pub concurrent_calls: u32,
    /// Seconds after which a request is long.
    pub long_call_seconds: u32,
    /// Form of query locators.
    pub locator_form: LocatorForm,
    /// Hours that a locator lives.
    pub locator_hours: u32,
    /// Days that getUpdated reaches back.
    pub updated_days: u32,
    /// Days that getDeleted reaches back, and that a row stays in the recycle bin.
    pub deleted_days: u32,
    /// Ids that getUpdated and getDeleted return at most.
    pub replication_ids: u64,
    /// Before this moment nothing is known of changes.
    pub replication_enabled: Timestamp,
    /// User licences: the delete log keeps 5 000 entries for each.
    pub licences: u32,
    /// Hours that a physically deleted row stays visible to queryAll.
    pub deleted_row_hours: u32,
    /// Not documented: what queryMore shows.
    pub cursor_rows: CursorRows,
    /// Not documented: getUpdated lists deleted rows too.
    pub updated_lists_deleted: bool,
    /// Not documented: an undeleted row stays in the delete log.
    pub undeleted_stays_logged: bool,
    /// Not documented: "more than one minute" of getDeleted is judged after the seconds are cut off.
    pub minute_after_truncation: bool,
    /// Answers are compressed when the client accepts it.
    pub compress: bool,
    /// How an answer's length is told.
    pub transfer: Transfer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            soap_login_enabled: true,
            api_auth_required: false,
            trusted_address: false,
            failed_logins_until_lockout: 10,
            lockout_minutes: 15,
            public_read: false,
            logins_per_hour: 3_600,
            session_seconds: 7_200,
            fault_prefix: FaultPrefix::default(),
            daily_calls: 100_000,
            concurrent_calls: 25,
            long_call_seconds: 20,
            locator_form: LocatorForm::default(),
            locator_hours: 48,
            updated_days: 30,
            deleted_days: 15,
            replication_ids: 600_000,
            replication_enabled: Timestamp::UNIX_EPOCH,
            licences: 10,
            deleted_row_hours: 24,
            cursor_rows: CursorRows::default(),
            updated_lists_deleted: false,
            undeleted_stays_logged: true,
            minute_after_truncation: false,
            compress: true,
            transfer: Transfer::default(),
        }
    }
}
