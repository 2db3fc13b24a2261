//! Faults: what Salesforce says when it says no.
//!
//! The `exceptionCode` decides everything; texts vary by release and language and quote what must not be shown (the
//! statement with its literals, hashes of the session). So a fault is reduced while it is read: the code, the name of
//! the fault element, a position, and a few [`Detail`]s whose parts are identifiers. The text itself is not kept. The
//! enumeration of codes grows with each release: a code that is not known here is a fault all the same, of kind Fatal
//! (salesforce-api.md 3.4 to 3.7).

use std::{fmt, time::Duration};

use crate::{
    error::{Call, ErrorKind, Place, Retry},
    xml::{Xml, XmlError, local_name},
};

/// A user that logged in too often is blocked for an hour (salesforce-api.md 2.3).
const LOGIN_RATE_PAUSE: Duration = Duration::from_hours(1);

/// A fault that Salesforce answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    place: Place,
    code: String,
    element: String,
    detail: Option<Detail>,
    position: Option<(u32, u32)>,
}

/// What is taken from a fault's text. The parts are identifiers, checked to be such.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Detail {
    /// "No such column 'X' on entity 'Y'"
    NoSuchColumn { field: String, entity: String },
    /// "sObject type 'X' is not supported"
    NoSuchObject { object: String },
    /// "entity type X does not support query"
    NotQueryable { object: String },
    /// "duplicate field selected: X"
    DuplicateField { field: String },
    /// "value of filter criterion for field 'X' must be of type T and should not be enclosed in quotes"
    WrongType {
        field: String,
        wanted: String,
        in_quotes: bool,
    },
    /// "field 'X' can not be filtered in a query call"
    NotFilterable { field: String },
    /// "SOAP API `login()` is disabled by default in this org."
    LoginDisabled,
    /// "The SOAP Login operation is not available in the API version specified"
    LoginRetired,
    /// "Login Rate Exceeded"
    LoginRate,
    /// "`ConcurrentRequests…`", "`ConcurrentPerOrgLongTxn` Limit exceeded"
    ConcurrentRequests,
}

/// A fault as it stands on the wire, before it is reduced.
#[derive(Default)]
struct Raw {
    faultcode: String,
    faultstring: String,
    element: String,
    exception_code: String,
    exception_message: String,
    row: String,
    column: String,
}

impl Fault {
    /// Reads the inside of a `Fault` element whose start tag was read.
    pub(crate) fn read(xml: &mut Xml<'_>, place: &Place) -> Result<Self, XmlError> {
        let mut raw = Raw::default();
        xml.members(|xml, start| match local_name(start) {
            "faultcode" => xml.text().map(|text| raw.faultcode = text),
            "faultstring" => xml.text().map(|text| raw.faultstring = text),
            "detail" => xml.members(|xml, start| {
                if raw.element.is_empty() {
                    local_name(start).clone_into(&mut raw.element);
                }
                xml.members(|xml, start| match local_name(start) {
                    "exceptionCode" => xml.text().map(|text| raw.exception_code = text),
                    "exceptionMessage" => xml.text().map(|text| raw.exception_message = text),
                    "row" => xml.text().map(|text| raw.row = text),
                    "column" => xml.text().map(|text| raw.column = text),
                    _ => xml.skip(),
                })
            }),
            _ => xml.skip(),
        })?;
        Ok(raw.reduce(place))
    }

    /// Salesforce's `exceptionCode`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Local name of the element in `detail`, `InvalidQueryLocatorFault`; empty where there was none.
    pub fn element(&self) -> &str {
        &self.element
    }

    /// Which call failed, for which object.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The field that the statement names and the object lacks, or the user may not see.
    pub fn missing_field(&self) -> Option<&str> {
        if let Some(Detail::NoSuchColumn { field, .. }) = &self.detail {
            Some(field)
        } else {
            None
        }
    }

    /// The field that a condition of the statement compares in a way that it does not allow.
    pub fn filtered_field(&self) -> Option<&str> {
        match &self.detail {
            Some(Detail::WrongType { field, .. } | Detail::NotFilterable { field }) => Some(field),
            Some(
                Detail::NoSuchColumn { .. }
                | Detail::NoSuchObject { .. }
                | Detail::NotQueryable { .. }
                | Detail::DuplicateField { .. }
                | Detail::LoginDisabled
                | Detail::LoginRetired
                | Detail::LoginRate
                | Detail::ConcurrentRequests,
            )
            | None => None,
        }
    }

    pub(crate) fn is_session_lost(&self) -> bool {
        self.code == "INVALID_SESSION_ID"
    }

    pub(crate) fn is_dead_locator(&self) -> bool {
        self.code == "INVALID_QUERY_LOCATOR" || self.element == "InvalidQueryLocatorFault"
    }

    pub(crate) fn is_query_timeout(&self) -> bool {
        let query = matches!(self.place.call, Call::Query | Call::QueryAll);
        // A query that timed out answers with this fault too, although it had no locator (salesforce-api.md 3.8).
        self.code == "QUERY_TIMEOUT" || query && self.element == "InvalidQueryLocatorFault"
    }

    fn is_login_closed(&self) -> bool {
        matches!(self.detail, Some(Detail::LoginDisabled | Detail::LoginRetired))
            || self.place.call == Call::Login
                && matches!(self.code.as_str(), "INVALID_OPERATION" | "INSUFFICIENT_ACCESS")
    }

    /// Who can mend it (design 6.10; the groups are those of salesforce-api.md 3.6).
    pub(crate) fn kind(&self) -> ErrorKind {
        if self.detail == Some(Detail::LoginRate) {
            return ErrorKind::Quota;
        }
        if self.is_login_closed() {
            return ErrorKind::Credentials;
        }
        if self.is_dead_locator() || self.detail == Some(Detail::ConcurrentRequests) {
            return ErrorKind::Transient;
        }
        match self.code.as_str() {
            "INVALID_LOGIN"
            | "LOGIN_MUST_USE_SECURITY_TOKEN"
            | "LOGIN_CHALLENGE_ISSUED"
            | "LOGIN_CHALLENGE_PENDING"
            | "LOGIN_DURING_RESTRICTED_DOMAIN"
            | "LOGIN_DURING_RESTRICTED_TIME"
            | "PASSWORD_LOCKOUT"
            | "INVALID_OPERATION_WITH_EXPIRED_PASSWORD"
            | "INACTIVE_OWNER_OR_USER"
            | "INACTIVE_PORTAL"
            | "CLIENT_NOT_ACCESSIBLE_FOR_USER"
            | "CLIENT_REQUIRE_UPDATE_FOR_USER"
            | "UNSUPPORTED_CLIENT"
            | "INVALID_CLIENT"
            | "MUTUAL_AUTHENTICATION_FAILED" => ErrorKind::Credentials,
            "REQUEST_LIMIT_EXCEEDED"
            | "LIMIT_EXCEEDED"
            | "EXCEEDED_QUOTA"
            | "TOO_MANY_APEX_REQUESTS"
            | "LOGIN_RATE_EXCEEDED" => ErrorKind::Quota,
            "API_CURRENTLY_DISABLED"
            | "SERVER_UNAVAILABLE"
            | "REQUEST_RUNNING_TOO_LONG"
            | "UNABLE_TO_LOCK_ROW"
            | "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE"
            | "UNKNOWN_EXCEPTION"
            | "TXN_SECURITY_METERING_ERROR"
            | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
            | "EXTERNAL_OBJECT_CONNECTION_EXCEPTION"
            | "QUERY_TIMEOUT"
            | "INVALID_SESSION_ID" => ErrorKind::Transient,
            "MALFORMED_QUERY"
            | "INVALID_FIELD"
            | "INVALID_TYPE"
            | "INVALID_TYPE_FOR_OPERATION"
            | "INVALID_QUERY_FILTER_OPERATOR"
            | "INVALID_FILTER_VALUE"
            | "INVALID_DATE_FORMAT"
            | "QUERY_TOO_COMPLICATED"
            | "OPERATION_TOO_LARGE"
            | "NUMBER_OUTSIDE_VALID_RANGE"
            | "ENTITY_NOT_QUERYABLE"
            | "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION"
            | "BIG_OBJECT_UNSUPPORTED_OPERATION"
            | "INVALID_ID_FIELD"
            | "MALFORMED_ID"
            | "ORG_NOT_OWNED_BY_INSTANCE"
            | "UNSUPPORTED_API_VERSION"
            | "INSUFFICIENT_ACCESS" => ErrorKind::Invalid,
            _ => ErrorKind::Fatal,
        }
    }

    /// When to try again.
    pub(crate) fn retry(&self) -> Retry {
        if self.detail == Some(Detail::LoginRate) || self.code == "LOGIN_RATE_EXCEEDED" {
            return Retry::After(LOGIN_RATE_PAUSE);
        }
        self.kind().retry()
    }

    /// The CamelCase word.
    pub(crate) fn reason(&self) -> &'static str {
        if self.is_login_closed() {
            return "SoapLoginUnavailable";
        }
        if self.is_query_timeout() {
            return "QueryTimeout";
        }
        if self.is_dead_locator() {
            return "QueryLocatorExpired";
        }
        match self.code.as_str() {
            "INVALID_FIELD" => return "InvalidField",
            "INVALID_TYPE" | "INVALID_TYPE_FOR_OPERATION" | "ENTITY_NOT_QUERYABLE" => return "InvalidObject",
            "INSUFFICIENT_ACCESS" | "OPERATION_TOO_LARGE" => return "AccessDenied",
            "INVALID_SESSION_ID" => return "SessionLost",
            "ORG_NOT_OWNED_BY_INSTANCE" | "UNSUPPORTED_API_VERSION" => return "InvalidConnection",
            "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => return "PasswordExpired",
            "INVALID_REPLICATION_DATE" | "EXCEEDED_ID_LIMIT" => return "ReplicationWindow",
            "API_DISABLED_FOR_ORG"
            | "PI_DISABLED_FOR_ORG"
            | "TRIAL_EXPIRED"
            | "ORG_LOCKED"
            | "ORG_IN_MAINTENANCE"
            | "SSO_SERVICE_DOWN" => return "OrgUnavailable",
            _ => {}
        }
        match self.kind() {
            ErrorKind::Credentials => "InvalidCredentials",
            ErrorKind::Quota => "QuotaExhausted",
            ErrorKind::Transient => "SalesforceUnavailable",
            ErrorKind::Invalid => "InvalidQuery",
            ErrorKind::Fatal => "SalesforceFault",
        }
    }

    /// What it means and what to do, from our own words and checked identifiers.
    fn advice(&self) -> Option<String> {
        if let Some(detail) = &self.detail {
            return Some(detail.advice());
        }
        if self.is_login_closed() {
            return Some(Detail::LoginDisabled.advice());
        }
        if self.is_query_timeout() {
            return Some("the query ran for longer than Salesforce allows".to_owned());
        }
        if self.is_dead_locator() {
            return Some("the query's cursor is gone; the query is resumed after the last row".to_owned());
        }
        code_advice(&self.code).map(str::to_owned)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.code)?;
        if let Some(advice) = self.advice() {
            write!(f, ": {advice}")?;
        }
        if let Some((row, column)) = self.position {
            write!(f, " (row {row}, column {column} of the query)")?;
        }
        Ok(())
    }
}

impl Detail {
    fn advice(&self) -> String {
        match self {
            Self::NoSuchColumn { field, entity } => {
                format!("{entity} has no field {field}, or the user may not see it (field-level security)")
            }
            Self::NoSuchObject { object } => {
                format!("there is no object {object}, or the user may not see it; custom objects end with __c")
            }
            Self::NotQueryable { object } => format!("{object} cannot be queried"),
            Self::DuplicateField { field } => format!("field {field} is selected twice"),
            Self::WrongType {
                field,
                wanted,
                in_quotes,
            } => {
                let quotes = if *in_quotes { "in quotes" } else { "without quotes" };
                format!("field {field} is compared with a value of another type: write one of type {wanted}, {quotes}")
            }
            Self::NotFilterable { field } => format!("Salesforce does not filter by field {field}: take another one"),
            Self::LoginDisabled | Self::LoginRetired => {
                "login with user name and password is closed in this org or version; use \
                 spec.connection.auth.clientCredentials or jwtBearer once this version serves them, or let an \
                 administrator switch on 'Enable SOAP API login()' in Setup > User Interface and give the user the \
                 permission 'Use Any API Auth'"
                    .to_owned()
            }
            Self::LoginRate => "the user logged in too often and is blocked for an hour".to_owned(),
            Self::ConcurrentRequests => "too many long requests at once in this org".to_owned(),
        }
    }
}

/// What a code means and what to do, where that is known.
fn code_advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "INVALID_LOGIN" => {
            "the user name, password or security token is wrong, or the user is locked; the token changes with each \
             change of the password; is spec.connection.loginUrl the right one (sandboxes: https://test.salesforce.com)?"
        }
        "LOGIN_MUST_USE_SECURITY_TOKEN" => {
            "the security token is missing or wrong: put it into the Secret's key securityToken, or let an administrator \
             add this network to the trusted addresses"
        }
        "LOGIN_CHALLENGE_ISSUED" | "LOGIN_CHALLENGE_PENDING" => {
            "Salesforce asks the user to confirm this device: use the security token, or add this network to the \
             trusted addresses"
        }
        "LOGIN_DURING_RESTRICTED_DOMAIN" => {
            "the user may not log in from this address (Login IP Ranges of the profile)"
        }
        "LOGIN_DURING_RESTRICTED_TIME" => "the user may not log in at this time (Login Hours of the profile)",
        "PASSWORD_LOCKOUT" => "the user is locked after too many attempts; an administrator can unlock it",
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => {
            "the password has expired; set a new one in Salesforce and the Secret"
        }
        "INACTIVE_OWNER_OR_USER" | "INACTIVE_PORTAL" => "the user is not active",
        "MUTUAL_AUTHENTICATION_FAILED" => "the org asks for a client certificate (mutual TLS), which is not offered",
        "CLIENT_NOT_ACCESSIBLE_FOR_USER"
        | "CLIENT_REQUIRE_UPDATE_FOR_USER"
        | "UNSUPPORTED_CLIENT"
        | "INVALID_CLIENT" => "the org does not let this user work with this client",
        "API_DISABLED_FOR_ORG" | "PI_DISABLED_FOR_ORG" => {
            "the API is not enabled for this org or user (permission 'API Enabled'; some editions lack the API)"
        }
        "TRIAL_EXPIRED" => "the org's trial has expired",
        "ORG_LOCKED" => "the org is locked; Salesforce's support can tell why",
        "ORG_IN_MAINTENANCE" => "the org is under maintenance",
        "SSO_SERVICE_DOWN" => "the org's single sign-on service does not answer",
        "ORG_NOT_OWNED_BY_INSTANCE" => {
            "the org does not live at this host: name its My Domain, or https://login.salesforce.com, in \
             spec.connection.loginUrl"
        }
        "REQUEST_LIMIT_EXCEEDED" => "the org's API calls of 24 hours are used up",
        "LIMIT_EXCEEDED" | "EXCEEDED_QUOTA" => "a limit of the org is used up",
        "TXN_SECURITY_METERING_ERROR" => {
            "the org's transaction security policies took too long; give the user 'Exempt from Transaction Security'"
        }
        "API_CURRENTLY_DISABLED" | "SERVER_UNAVAILABLE" | "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE" => {
            "Salesforce is busy or under maintenance"
        }
        "INVALID_FIELD" => "a field does not exist, or the user may not see it, or it may not stand there",
        "INVALID_TYPE" => "the object does not exist, or the user may not see it",
        "INVALID_TYPE_FOR_OPERATION" | "ENTITY_NOT_QUERYABLE" => "the object does not support this call",
        "INVALID_QUERY_FILTER_OPERATOR" | "INVALID_FILTER_VALUE" => {
            "a field is compared in a way that its type does not allow; where it comes from `where`, mend it there"
        }
        "MALFORMED_QUERY" => "the query is not valid SOQL; where it comes from `where`, mend it there",
        "QUERY_TOO_COMPLICATED" => {
            "too many fields or formulas: name fewer in `fields`, or leave some out with `exclude`"
        }
        "OPERATION_TOO_LARGE" => "the user needs the permission 'View All Data' for a query of this size",
        "UNSUPPORTED_API_VERSION" => "the version in spec.connection.apiVersion is not served",
        "INSUFFICIENT_ACCESS" => "the user lacks a permission for this",
        "INVALID_REPLICATION_DATE" => "the window of time is out of reach",
        "EXCEEDED_ID_LIMIT" => "more changes in the window than Salesforce lists",
        "INVALID_SESSION_ID" => "the session has ended",
        _ => return None,
    })
}

impl Raw {
    fn reduce(self, place: &Place) -> Fault {
        let message = if self.exception_message.is_empty() {
            &self.faultstring
        } else {
            &self.exception_message
        };
        let position = match (self.row.trim().parse(), self.column.trim().parse()) {
            (Ok(row), Ok(column)) => Some((row, column)),
            // -1 is "unknown": then the text may have it.
            _ => position_in(message),
        };
        let code = self.code();
        Fault {
            place: place.clone(),
            detail: detail_in(&code, message),
            code,
            element: identifier(&self.element),
            position,
        }
    }

    /// `exceptionCode`, else the code that `faultcode` (`sf:CODE` or `CODE`) or the beginning of the text holds.
    fn code(&self) -> String {
        let faultcode = self.faultcode.rsplit(':').next().unwrap_or_default().trim();
        let in_text = self.faultstring.split(':').next().unwrap_or_default().trim();
        let candidates = [self.exception_code.trim(), faultcode, in_text];
        let code = candidates.into_iter().find(|text| is_code(text)).unwrap_or(faultcode);
        let code = identifier(code);
        if code.is_empty() { "UNKNOWN".to_owned() } else { code }
    }
}

/// Whether a text has the form of Salesforce's codes.
fn is_code(text: &str) -> bool {
    text.len() > 2
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The text where it is an identifier or a dotted path; empty where it is not, since then it may be anything.
fn identifier(text: &str) -> String {
    let fine = text.len() <= 255
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if fine { text.to_owned() } else { String::new() }
}

/// The identifier between two texts.
fn between(message: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = message.split_once(before)?;
    let (inside, _) = rest.split_once(after)?;
    Some(identifier(inside)).filter(|inside| !inside.is_empty())
}

/// What a text tells that may be shown.
///
/// The texts end with the sentence that is looked for, after an excerpt of the statement, whose literals could hold
/// the same words: so the last occurrence counts, and what is taken has to be an identifier.
fn detail_in(code: &str, message: &str) -> Option<Detail> {
    let message = message.trim_end();
    let tail = message.rsplit('\n').next().unwrap_or(message);
    match code {
        "INVALID_FIELD" => {
            let column = between(tail, "No such column '", "'").zip(between(tail, "on entity '", "'"));
            column
                .map(|(field, entity)| Detail::NoSuchColumn { field, entity })
                .or_else(|| {
                    let (_, field) = tail.split_once("duplicate field selected: ")?;
                    let field = identifier(field.trim());
                    (!field.is_empty()).then_some(Detail::DuplicateField { field })
                })
                .or_else(|| filter_in(tail))
        }
        "INVALID_TYPE" => between(tail, "sObject type '", "'").map(|object| Detail::NoSuchObject { object }),
        "INVALID_TYPE_FOR_OPERATION" => {
            between(tail, "entity type ", " does not support").map(|object| Detail::NotQueryable { object })
        }
        "INVALID_OPERATION" if tail.contains("login() is disabled") => Some(Detail::LoginDisabled),
        "INVALID_OPERATION" if tail.contains("Login operation is not available") => Some(Detail::LoginRetired),
        "REQUEST_LIMIT_EXCEEDED" if tail.contains("Concurrent") => Some(Detail::ConcurrentRequests),
        _ if tail.to_ascii_lowercase().contains("login rate exceeded") => Some(Detail::LoginRate),
        _ => None,
    }
}

/// What is wrong with a field of a condition.
fn filter_in(tail: &str) -> Option<Detail> {
    if let Some(field) = between(tail, "filter criterion for field '", "'") {
        return Some(Detail::WrongType {
            field,
            wanted: between(tail, "must be of type ", " and should")?,
            in_quotes: !tail.contains("should not be enclosed"),
        });
    }
    let is_refused = tail.contains("can not be filtered");
    let field = between(tail, "field '", "'").filter(|_| is_refused)?;
    Some(Detail::NotFilterable { field })
}

/// "ERROR at Row:1:Column:8"
fn position_in(message: &str) -> Option<(u32, u32)> {
    let (_, rest) = message.rsplit_once("ERROR at Row:")?;
    let (row, rest) = rest.split_once(":Column:")?;
    let digits = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((row.parse().ok()?, rest.get(..digits)?.parse().ok()?))
}

#[cfg(test)]
mod tests;
