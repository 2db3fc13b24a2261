//! SOAP faults as Salesforce words and shapes them (salesforce-api.md 3.4 to 3.6).
//!
//! The texts are constants of this module, so that a test of a client can be read beside them. They are those that
//! were recorded or documented; where only the code is known the text is plain English.

use super::envelope::{Writer, begin_fault, end};

/// The element inside `<detail>`, which the WSDL calls the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum FaultElement {
    /// login failed.
    LoginFault,
    /// An object that does not exist or cannot be seen.
    InvalidSObjectFault,
    /// A field that does not exist or cannot be seen.
    InvalidFieldFault,
    /// SOQL that cannot be understood.
    MalformedQueryFault,
    /// A locator that is used up, dead, or was never given out.
    InvalidQueryLocatorFault,
    /// An Id that is none.
    InvalidIdFault,
    /// A password that is not accepted.
    InvalidNewPasswordFault,
    /// Everything else, sessions included.
    UnexpectedErrorFault,
}

impl FaultElement {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginFault => "LoginFault",
            Self::InvalidSObjectFault => "InvalidSObjectFault",
            Self::InvalidFieldFault => "InvalidFieldFault",
            Self::MalformedQueryFault => "MalformedQueryFault",
            Self::InvalidQueryLocatorFault => "InvalidQueryLocatorFault",
            Self::InvalidIdFault => "InvalidIdFault",
            Self::InvalidNewPasswordFault => "InvalidNewPasswordFault",
            Self::UnexpectedErrorFault => "UnexpectedErrorFault",
        }
    }

    /// The base type `ApiQueryFault` adds row and column.
    fn has_position(self) -> bool {
        matches!(
            self,
            Self::InvalidSObjectFault | Self::InvalidFieldFault | Self::MalformedQueryFault
        )
    }

    /// The element that belongs to a code (salesforce-api.md 3.4, "fault element by cause").
    pub fn of_code(code: &str) -> Self {
        match code {
            "INVALID_LOGIN"
            | "LOGIN_MUST_USE_SECURITY_TOKEN"
            | "LOGIN_CHALLENGE_ISSUED"
            | "LOGIN_CHALLENGE_PENDING"
            | "LOGIN_DURING_RESTRICTED_DOMAIN"
            | "LOGIN_DURING_RESTRICTED_TIME"
            | "PASSWORD_LOCKOUT"
            | "ORG_LOCKED"
            | "TRIAL_EXPIRED"
            | "INACTIVE_OWNER_OR_USER" => Self::LoginFault,
            "INVALID_TYPE" | "INVALID_TYPE_FOR_OPERATION" => Self::InvalidSObjectFault,
            "INVALID_FIELD" => Self::InvalidFieldFault,
            "MALFORMED_QUERY" => Self::MalformedQueryFault,
            "INVALID_QUERY_LOCATOR" => Self::InvalidQueryLocatorFault,
            "MALFORMED_ID" | "INVALID_ID_FIELD" => Self::InvalidIdFault,
            "INVALID_NEW_PASSWORD" => Self::InvalidNewPasswordFault,
            _ => Self::UnexpectedErrorFault,
        }
    }
}

/// How `faultcode` is written. Both ways were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum FaultPrefix {
    /// `sf:CODE`, but for login, whose faults come bare: the mixture that recordings show.
    #[default]
    BareOnLogin,
    /// `sf:CODE` always.
    Always,
    /// `CODE` always.
    Never,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `exceptionCode`, or a SOAP code such as `soapenv:Client` where `element` is none.
    pub code: String,
    /// `exceptionMessage`.
    pub message: String,
    /// What stands in `<detail>`; the SOAP layer's own faults have nothing there.
    pub element: Option<FaultElement>,
    /// Row and column of a query's error.
    pub position: Option<(i64, i64)>,
}

impl Fault {
    /// A fault whose element follows from its code.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            element: Some(FaultElement::of_code(code)),
            position: None,
        }
    }

    /// A fault of login; whatever the code, the element is `LoginFault`.
    pub(crate) fn login(code: &str, message: impl Into<String>) -> Self {
        Self {
            element: Some(FaultElement::LoginFault),
            ..Self::new(code, message)
        }
    }

    /// The version has no `login()` (salesforce-api.md 3.6).
    pub(crate) fn login_unavailable(version: u32) -> Self {
        Self::new(
            "INVALID_OPERATION",
            format!(
                "The SOAP Login operation is not available in the API version specified ({version}.0). Refer to the \
                 documentation for supported versions."
            ),
        )
    }

    /// The object does not exist, or the caller may not see it.
    pub(crate) fn unknown_object(name: &str) -> Self {
        Self::new(
            "INVALID_TYPE",
            format!(
                "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append \
                 the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate \
                 names."
            ),
        )
    }

    /// The field does not exist, or the caller may not see it.
    pub(crate) fn unknown_field(object: &str, name: &str) -> Self {
        Self::new(
            "INVALID_FIELD",
            format!(
                "No such column '{name}' on entity '{object}'. If you are attempting to use a custom field, be sure to \
                 append the '__c' after the custom field name. Please reference your WSDL or the describe call for the \
                 appropriate names."
            ),
        )
    }

    /// A fault of the SOAP layer itself: `soapenv:Client`, no detail.
    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self {
            code: "soapenv:Client".to_owned(),
            message: message.into(),
            element: None,
            position: None,
        }
    }

    /// The session is unknown, has ended, or was never one.
    pub(crate) fn invalid_session(hash: &str) -> Self {
        Self::new(
            "INVALID_SESSION_ID",
            format!(
                "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash: \
                 {hash}\nThis error usually occurs after a session expires or a user logs out. "
            ),
        )
    }

    /// The whole answer.
    pub(crate) fn to_xml(&self, prefix: FaultPrefix) -> String {
        let mut writer = Writer::default();
        begin_fault(&mut writer);
        writer.raw("<soapenv:Fault>");
        if let Some(element) = self.element {
            let bare = match prefix {
                FaultPrefix::BareOnLogin => element == FaultElement::LoginFault,
                FaultPrefix::Always => false,
                FaultPrefix::Never => true,
            };
            let qualified = if bare {
                self.code.clone()
            } else {
                format!("sf:{}", self.code)
            };
            writer.leaf("faultcode", &qualified);
            writer.leaf("faultstring", &format!("{}: {}", self.code, self.message));
            self.write_detail(&mut writer, element);
        } else {
            writer.leaf("faultcode", &self.code);
            writer.leaf("faultstring", &self.message);
        }
        writer.raw("</soapenv:Fault>");
        end(&mut writer);
        writer.finish()
    }

    fn write_detail(&self, writer: &mut Writer, element: FaultElement) {
        let name = format!("sf:{}", element.as_str());
        writer.open("detail");
        writer.open(&format!("{name} xsi:type=\"{name}\""));
        writer.leaf("sf:exceptionCode", &self.code);
        writer.leaf("sf:exceptionMessage", &self.message);
        if element.has_position() {
            let (row, column) = self.position.unwrap_or((-1, -1));
            writer.number("sf:row", row);
            writer.number("sf:column", column);
        }
        writer.close(&name);
        writer.close("detail");
    }
}

/// Wrong user, password or token, a locked or inactive user: one text for all, so that nobody can guess.
pub(crate) const INVALID_LOGIN: &str = "Invalid username, password, security token; or user locked out.";

/// The password is right, its token is missing and the address is not trusted.
pub(crate) const MUST_USE_TOKEN: &str = "Invalid username, password, security token; or user locked out. Are you at a \
     new location? When accessing Salesforce--either via a desktop client or the API--from outside of your company's \
     trusted networks, you must add a security token to your password to log in. To get your new security token, log in \
     to Salesforce. From your personal settings, enter Reset My Security Token in the Quick Find box, then select Reset \
     My Security Token.";

/// The org does not allow `login()` (salesforce-api.md 3.6).
pub(crate) const LOGIN_DISABLED: &str = "SOAP API login() is disabled by default in this org. Contact the org \
     administrator to enable SOAP API login().";

/// The user may not use the API; the code is known, the text is ours.
pub(crate) const LACKS_API_AUTH: &str =
    "insufficient access rights: the user does not have the \"Use Any API Auth\" permission";

/// More than 3 600 logins in an hour.
pub(crate) const LOGIN_RATE: &str = "Login Rate Exceeded";

/// The password has expired, and the call is not setPassword.
pub(crate) const PASSWORD_EXPIRED: &str =
    "The users password has expired, you must call SetPassword before attempting any other API operations";

/// The version in the path is unknown or retired.
pub(crate) const INVALID_VERSION: &str = "Invalid Api version specified on URL";

/// The calls of 24 hours are used up.
pub(crate) const DAILY_LIMIT: &str = "TotalRequests Limit exceeded.";

/// Too many long requests are running.
pub(crate) const CONCURRENT_LIMIT: &str = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";

/// A locator that leads nowhere.
pub(crate) const INVALID_LOCATOR: &str = "invalid query locator";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_the_recorded_shape() {
        let xml = Fault::invalid_session("yNHB=").to_xml(FaultPrefix::default());
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
             <faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Invalid Session ID found in \
             SessionHeader: Illegal Session. Session not found, missing session hash: yNHB=\nThis error usually occurs \
             after a session expires or a user logs out. </faultstring><detail><sf:UnexpectedErrorFault \
             xsi:type=\"sf:UnexpectedErrorFault\"><sf:exceptionCode>INVALID_SESSION_ID</sf:exceptionCode>\
             <sf:exceptionMessage>Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing \
             session hash: yNHB=\nThis error usually occurs after a session expires or a user logs out. \
             </sf:exceptionMessage></sf:UnexpectedErrorFault></detail></soapenv:Fault></soapenv:Body>\
             </soapenv:Envelope>"
        );
    }

    #[test]
    fn prefixes_and_positions() {
        let login = Fault::login("INVALID_LOGIN", INVALID_LOGIN);
        assert!(
            login
                .to_xml(FaultPrefix::BareOnLogin)
                .contains("<faultcode>INVALID_LOGIN</faultcode>")
        );
        assert!(
            login
                .to_xml(FaultPrefix::Always)
                .contains("<faultcode>sf:INVALID_LOGIN</faultcode>")
        );
        let query = Fault {
            position: Some((1, 8)),
            ..Fault::new("INVALID_FIELD", "No such column 'x'")
        };
        let xml = query.to_xml(FaultPrefix::Never);
        assert!(xml.contains("<faultcode>INVALID_FIELD</faultcode>"));
        assert!(
            xml.contains(
                "No such column &apos;x&apos;</sf:exceptionMessage><sf:row>1</sf:row><sf:column>8</sf:column>"
            )
        );
        assert!(!Fault::client("x").to_xml(FaultPrefix::Always).contains("<detail>"));
    }
}
