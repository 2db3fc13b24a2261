//! What goes wrong when one talks to Salesforce, and what to do then.
//!
//! Each error answers four questions: [`Error::kind`] (who can mend it), [`Error::retry`] (when to try again),
//! [`Error::reason`] (the CamelCase word of a condition, an event and a metric) and [`Error::message`] (for an
//! administrator's eyes: object, field, position, what to do; never a secret or a field's value). `Debug` and the
//! chain of sources are for the log and obey the same ban: an error holds names, numbers and codes, and never a text
//! that Salesforce wrote, because the texts quote the statement with its literals and hashes of the session.

use std::{fmt, sync::Arc, time::Duration};

use crate::fault::Fault;

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can mend an error, and so how it is retried. Used by every crate above this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The resource asks for something that is not there. Until the resource changes, else hourly.
    Invalid,
    /// Wrong or expired credentials. Until the Secret changes, else one login an hour.
    Credentials,
    /// A limit of the org is used up. Until the time given.
    Quota,
    /// It may work in a moment. Back off with jitter.
    Transient,
    /// A person should look. Hourly.
    Fatal,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// When the resource changes, else hourly with a fresh describe.
    WhenResourceChanges,
    /// When the Secret changes, else one login an hour.
    WhenSecretChanges,
    /// Not before this much time has passed.
    After(Duration),
    /// With growing pauses and jitter.
    Backoff,
    /// Once an hour.
    Hourly,
}

impl ErrorKind {
    /// The retry that a kind implies when Salesforce or the database gave no time of its own.
    pub fn retry(self) -> Retry {
        match self {
            Self::Invalid => Retry::WhenResourceChanges,
            Self::Credentials => Retry::WhenSecretChanges,
            Self::Quota => Retry::After(Duration::from_mins(15)),
            Self::Transient => Retry::Backoff,
            Self::Fatal => Retry::Hourly,
        }
    }
}

/// A call of the SOAP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// login
    Login,
    /// logout
    Logout,
    /// getUserInfo
    GetUserInfo,
    /// getServerTimestamp
    GetServerTimestamp,
    /// describeGlobal
    DescribeGlobal,
    /// describeSObjects
    DescribeSObjects,
    /// query
    Query,
    /// queryAll
    QueryAll,
    /// queryMore
    QueryMore,
    /// retrieve
    Retrieve,
    /// getUpdated
    GetUpdated,
    /// getDeleted
    GetDeleted,
}

impl Call {
    /// The name in the WSDL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::GetUserInfo => "getUserInfo",
            Self::GetServerTimestamp => "getServerTimestamp",
            Self::DescribeGlobal => "describeGlobal",
            Self::DescribeSObjects => "describeSObjects",
            Self::Query => "query",
            Self::QueryAll => "queryAll",
            Self::QueryMore => "queryMore",
            Self::Retrieve => "retrieve",
            Self::GetUpdated => "getUpdated",
            Self::GetDeleted => "getDeleted",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which call, for which object, to which host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The call.
    pub call: Call,
    /// The object that it was about, by API name.
    pub object: Option<Arc<str>>,
    /// Host, and port where it is not the usual one.
    pub host: Arc<str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{} of {object} at {}", self.call, self.host),
            None => write!(f, "{} at {}", self.call, self.host),
        }
    }
}

/// What a request was waiting for when its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A connection.
    Connection,
    /// The first byte of the answer.
    Answer,
    /// The next piece of the answer.
    Body,
    /// The end of the answer: the bound on the whole request.
    End,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "a connection",
            Self::Answer => "the answer to begin",
            Self::Body => "the answer to go on",
            Self::End => "the whole answer",
        })
    }
}

/// A driver's error, for the log.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What went wrong when talking to Salesforce.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection part of the resource, or a request, is not usable: a URL, a version, a certificate, a statement.
    #[error("{0}")]
    Config(String),
    /// The Secret cannot be right: a part is empty, or not a text. Nothing was sent.
    #[error("{0}")]
    UnusableCredentials(&'static str),
    /// No connection: name not found, refused, proxy, TLS.
    #[error("{place}: no connection; is the host right, and does a proxy or a network policy stand in the way?")]
    Connect {
        /// Where.
        place: Place,
        /// The driver's error.
        #[source]
        source: Cause,
    },
    /// The host's certificate is not trusted.
    #[error(
        "{place}: the certificate of the host is not trusted; if a proxy or a private CA signed it, name that CA in \
         spec.connection.caSecretRef"
    )]
    Certificate {
        /// Where.
        place: Place,
        /// The driver's error.
        #[source]
        source: Cause,
    },
    /// Salesforce, or the way to it, took too long.
    #[error("{place}: waited {} s for {waiting}", after.as_secs_f32())]
    Timeout {
        /// Where.
        place: Place,
        /// For what.
        waiting: Waiting,
        /// How long.
        after: Duration,
    },
    /// The answer ended before it was complete.
    #[error("{place}: the answer was cut off")]
    CutOff {
        /// Where.
        place: Place,
        /// The driver's error, where it noticed.
        #[source]
        source: Option<Cause>,
    },
    /// An HTTP status without an answer of the API.
    #[error("{place}: HTTP status {status}{}", status_advice(*status))]
    Status {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// When to come back, where the answer told it (Retry-After), at most an hour.
        retry_after: Option<Duration>,
    },
    /// The host sends requests elsewhere. Credentials do not follow.
    #[error("{place}: redirected to {target}; if that is your org, name it in spec.connection.loginUrl")]
    Redirect {
        /// Where.
        place: Place,
        /// Host of the new place.
        target: String,
    },
    /// A web page instead of an answer.
    #[error(
        "{place}: a web page (HTTP status {status}) instead of XML; either Salesforce is under maintenance, or the host \
         is not that of an org, or a proxy answered"
    )]
    Html {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
    },
    /// The answer is larger than this program holds in memory.
    #[error("{place}: the answer is larger than {} MiB{}", limit_bytes / 1_048_576, size_advice(place.call))]
    TooLarge {
        /// Where.
        place: Place,
        /// The bound, in bytes after inflating.
        limit_bytes: usize,
    },
    /// The answer is not well-formed.
    #[error("{place}: the answer cannot be read: {problem} at byte {offset}")]
    Unreadable {
        /// Where.
        place: Place,
        /// What is wrong, without its content.
        problem: &'static str,
        /// Position in the inflated answer.
        offset: u64,
    },
    /// The answer is well-formed and not what the API promises.
    #[error("{place}: unexpected answer: {problem}")]
    Unexpected {
        /// Where.
        place: Place,
        /// What is wrong: names and positions.
        problem: String,
    },
    /// Salesforce said no.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// Salesforce refused the credentials before; it is not asked again so soon.
    #[error("{cause}; login is not tried again for {} min unless the Secret changes", wait.as_secs().div_ceil(60))]
    LoginRefused {
        /// The first refusal.
        cause: Box<Error>,
        /// How long from here.
        wait: Duration,
    },
    /// So many logins were needed that the next one has to wait, far below the 3600 an hour that Salesforce allows.
    #[error(
        "{host}: sessions end so often that the next login waits {} s; does something log this user out?",
        wait.as_secs()
    )]
    LoginPaused {
        /// The login host.
        host: Arc<str>,
        /// How long from here.
        wait: Duration,
    },
    /// The password has expired: the session allows nothing but a new one.
    #[error("{place}: the password of the user has expired; set a new one in Salesforce, then in the Secret")]
    PasswordExpired {
        /// Where.
        place: Place,
    },
    /// The session id is a JWT, which SOAP calls do not take.
    #[error(
        "{place}: the session is a JSON Web Token, which the SOAP API refuses; switch off 'Issue JSON Web Token \
         (JWT)-based access tokens' in the app's settings"
    )]
    JwtSession {
        /// Where.
        place: Place,
    },
    /// A session that was issued just before does not work.
    #[error(
        "{place}: Salesforce refuses a session that it has just issued; does something log this user out, or is the \
         session locked to another address?"
    )]
    SessionLost {
        /// Where.
        place: Place,
    },
    /// A defect of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

/// What an administrator can do about a status.
fn status_advice(status: u16) -> &'static str {
    match status {
        403 => "; is the API enabled for the user, and does a proxy forbid the host?",
        404 | 410 => {
            "; is spec.connection.loginUrl the host of an org, and is spec.connection.apiVersion still served?"
        }
        407 => "; the proxy asks for credentials",
        408 | 406 | 420 | 429 | 500..=599 => "; Salesforce, or a proxy, is busy or under maintenance",
        _ => "",
    }
}

/// What an administrator can do about a large answer.
fn size_advice(call: Call) -> &'static str {
    match call {
        Call::Query | Call::QueryAll | Call::QueryMore | Call::Retrieve => {
            "; the object is too wide: name the fields that are needed in `fields`, or leave the largest ones out with \
             `exclude`"
        }
        Call::GetUpdated | Call::GetDeleted => "; too many changes in one window",
        Call::DescribeSObjects
        | Call::DescribeGlobal
        | Call::Login
        | Call::Logout
        | Call::GetUserInfo
        | Call::GetServerTimestamp => "",
    }
}

/// Kind of an HTTP status.
fn status_kind(status: u16) -> ErrorKind {
    match status {
        // 406 and 420 come from Salesforce's edge under load (salesforce-api.md 12, 13 and 24).
        406 | 408 | 420 | 425 | 429 | 500..=599 => ErrorKind::Transient,
        404 | 410 => ErrorKind::Invalid,
        _ => ErrorKind::Fatal,
    }
}

impl Error {
    /// Every word that [`Error::reason`] may return.
    pub const REASONS: &[&str] = &[
        "AccessDenied",
        "CertificateNotTrusted",
        "InternalError",
        "InvalidConnection",
        "InvalidCredentials",
        "InvalidField",
        "InvalidObject",
        "InvalidQuery",
        "LoginPaused",
        "OrgUnavailable",
        "PasswordExpired",
        "QueryLocatorExpired",
        "QueryTimeout",
        "QuotaExhausted",
        "ReplicationWindow",
        "ResponseTooLarge",
        "SalesforceFault",
        "SalesforceUnavailable",
        "SessionLost",
        "SoapLoginUnavailable",
        "UnexpectedAnswer",
        "UnreadableAnswer",
    ];

    /// Who can mend it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) | Self::Certificate { .. } | Self::Redirect { .. } | Self::TooLarge { .. } => {
                ErrorKind::Invalid
            }
            Self::UnusableCredentials(_)
            | Self::LoginRefused { .. }
            | Self::PasswordExpired { .. }
            | Self::JwtSession { .. } => ErrorKind::Credentials,
            Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::CutOff { .. }
            | Self::Unreadable { .. }
            | Self::SessionLost { .. } => ErrorKind::Transient,
            // A page with 200 is a maintenance page or a captive portal: it goes away.
            Self::Html { status, .. } if (200..300).contains(status) => ErrorKind::Transient,
            Self::Status { status, .. } | Self::Html { status, .. } => status_kind(*status),
            Self::Fault(fault) => fault.kind(),
            Self::LoginPaused { .. } => ErrorKind::Quota,
            Self::Unexpected { .. } | Self::Internal(_) => ErrorKind::Fatal,
        }
    }

    /// When to try again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::LoginPaused { wait, .. }
            | Self::Status {
                retry_after: Some(wait),
                ..
            } => Retry::After(*wait),
            Self::Fault(fault) => fault.retry(),
            Self::Config(_)
            | Self::UnusableCredentials(_)
            | Self::Connect { .. }
            | Self::Certificate { .. }
            | Self::Timeout { .. }
            | Self::CutOff { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Html { .. }
            | Self::TooLarge { .. }
            | Self::Unreadable { .. }
            | Self::Unexpected { .. }
            | Self::LoginRefused { .. }
            | Self::PasswordExpired { .. }
            | Self::JwtSession { .. }
            | Self::SessionLost { .. }
            | Self::Internal(_) => self.kind().retry(),
        }
    }

    /// The CamelCase word, one of [`Error::REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Redirect { .. } => "InvalidConnection",
            Self::UnusableCredentials(_) | Self::JwtSession { .. } => "InvalidCredentials",
            Self::Connect { .. } | Self::Timeout { .. } | Self::CutOff { .. } => "SalesforceUnavailable",
            Self::Certificate { .. } => "CertificateNotTrusted",
            Self::Status { .. } | Self::Html { .. } => match self.kind() {
                ErrorKind::Transient => "SalesforceUnavailable",
                ErrorKind::Invalid => "InvalidConnection",
                ErrorKind::Credentials | ErrorKind::Quota | ErrorKind::Fatal => "AccessDenied",
            },
            Self::TooLarge { .. } => "ResponseTooLarge",
            Self::Unreadable { .. } => "UnreadableAnswer",
            Self::Unexpected { .. } => "UnexpectedAnswer",
            Self::Fault(fault) => fault.reason(),
            Self::LoginRefused { cause, .. } => cause.reason(),
            Self::LoginPaused { .. } => "LoginPaused",
            Self::PasswordExpired { .. } => "PasswordExpired",
            Self::SessionLost { .. } => "SessionLost",
            Self::Internal(_) => "InternalError",
        }
    }

    /// For an administrator's eyes.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// The fault that Salesforce answered with, where it is one.
    pub fn as_fault(&self) -> Option<&Fault> {
        if let Self::Fault(fault) = self {
            Some(fault)
        } else {
            None
        }
    }

    /// Salesforce's `exceptionCode`, where it answered with a fault.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Fault(fault) => Some(fault.code()),
            Self::LoginRefused { cause, .. } => cause.code(),
            Self::Config(_)
            | Self::UnusableCredentials(_)
            | Self::Connect { .. }
            | Self::Certificate { .. }
            | Self::Timeout { .. }
            | Self::CutOff { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Html { .. }
            | Self::TooLarge { .. }
            | Self::Unreadable { .. }
            | Self::Unexpected { .. }
            | Self::LoginPaused { .. }
            | Self::PasswordExpired { .. }
            | Self::JwtSession { .. }
            | Self::SessionLost { .. }
            | Self::Internal(_) => None,
        }
    }

    /// The fault, where Salesforce answered with one.
    pub fn fault(&self) -> Option<&Fault> {
        if let Self::Fault(fault) = self {
            Some(fault)
        } else {
            None
        }
    }

    /// Whether a query's locator is dead, so that the query has to be resumed by its last Id or stamp: it was used
    /// before, expired, or belongs to a query that timed out (salesforce-api.md 3.8 and 5.2).
    pub fn is_dead_locator(&self) -> bool {
        self.fault().is_some_and(Fault::is_dead_locator)
    }

    /// Whether a query ran for longer than Salesforce allows, so that it has to be asked in smaller parts.
    pub fn is_query_timeout(&self) -> bool {
        self.fault().is_some_and(Fault::is_query_timeout)
    }

    /// Whether the answer was larger than this program holds; smaller pages or windows help.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }
}
