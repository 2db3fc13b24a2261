use super::*;
use crate::{
    envelope::{Opened, open},
    error::Error,
};

fn place(call: Call) -> Place {
    Place {
        call,
        object: Some("Contact".into()),
        host: "acme.example".into(),
    }
}

/// A fault as Salesforce writes it.
pub(crate) fn envelope(faultcode: &str, faultstring: &str, detail: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
         <faultcode>{faultcode}</faultcode><faultstring>{faultstring}</faultstring>{detail}\
         </soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
}

fn detail(element: &str, code: &str, message: &str, rest: &str) -> String {
    format!(
        "<detail><sf:{element} xsi:type=\"sf:{element}\"><sf:exceptionCode>{code}</sf:exceptionCode>\
         <sf:exceptionMessage>{message}</sf:exceptionMessage>{rest}</sf:{element}></detail>"
    )
}

fn read(call: Call, document: &str) -> Fault {
    match open(&mut Xml::new(document), &place(call)).unwrap().1 {
        Opened::Fault(fault) => fault,
        Opened::Response => panic!("not a fault: {document}"),
    }
}

fn fault(call: Call, code: &str, message: &str) -> Fault {
    let document = envelope(
        &format!("sf:{code}"),
        &format!("{code}: {message}"),
        &detail("UnexpectedErrorFault", code, message, ""),
    );
    read(call, &document)
}

#[test]
fn a_recorded_session_fault_is_told_by_its_code() {
    let document = envelope(
        "sf:INVALID_SESSION_ID",
        "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing \
         session hash: yNHBhash=\nThis error usually occurs after a session expires or a user logs out. ",
        &detail(
            "UnexpectedErrorFault",
            "INVALID_SESSION_ID",
            "Invalid Session ID found in SessionHeader: yNHBhash=",
            "",
        ),
    );
    let fault = read(Call::Query, &document);
    assert!(fault.is_session_lost());
    assert_eq!(fault.code(), "INVALID_SESSION_ID");
    assert_eq!(fault.kind(), ErrorKind::Transient);
    assert!(!format!("{fault} {fault:?}").contains("yNHBhash"));
}

#[test]
fn the_code_is_found_wherever_it_stands() {
    for (faultcode, faultstring, detail) in [
        ("sf:INVALID_LOGIN", "x", String::new()),
        ("INVALID_LOGIN", "x", String::new()),
        ("fns:INVALID_LOGIN", "x", "<detail/>".to_owned()),
        (
            "soapenv:Server",
            "INVALID_LOGIN: Invalid username, password, security token; or user locked out.",
            String::new(),
        ),
        ("soapenv:Server", "x", detail("LoginFault", "INVALID_LOGIN", "x", "")),
    ] {
        let fault = read(Call::Login, &envelope(faultcode, faultstring, &detail));
        assert_eq!(fault.code(), "INVALID_LOGIN", "{faultcode} {faultstring}");
        assert_eq!(
            (fault.kind(), fault.reason()),
            (ErrorKind::Credentials, "InvalidCredentials")
        );
    }
}

#[test]
fn a_code_that_nobody_knows_is_a_fault_all_the_same() {
    let unknown = fault(Call::Query, "SOMETHING_OF_NEXT_YEAR", "whatever");
    assert_eq!(
        (unknown.code(), unknown.kind()),
        ("SOMETHING_OF_NEXT_YEAR", ErrorKind::Fatal)
    );
    let none = read(Call::Query, &envelope("soapenv:Client", "who knows", ""));
    assert_eq!((none.code(), none.kind()), ("Client", ErrorKind::Fatal));
    assert_eq!(
        read(
            Call::Query,
            &envelope("", "a secret <b/>".replace("<b/>", "").as_str(), "")
        )
        .code(),
        "UNKNOWN"
    );
}

#[test]
fn line_ends_after_a_text_change_nothing() {
    let text = "ConcurrentPerOrgLongTxn Limit exceeded.";
    for end in ["", "\n", "\r\n", " \n\n"] {
        let fault = fault(Call::Query, "REQUEST_LIMIT_EXCEEDED", &format!("{text}{end}"));
        assert_eq!(fault.kind(), ErrorKind::Transient, "{end:?}");
    }
}

#[test]
fn a_missing_field_is_named_and_the_statement_is_not() {
    let message = "\nNaem FROM Contact WHERE Phone = &apos;+49 8151 SECRET&apos;\n^\nERROR at Row:1:Column:8\nNo such column \
                   &apos;Naem&apos; on entity &apos;Contact&apos;. If you are attempting to use a custom field, be sure \
                   to append the &apos;__c&apos; after the custom field name.";
    let rest = "<sf:row>1</sf:row><sf:column>8</sf:column>";
    for rest in [rest, "<sf:row>-1</sf:row><sf:column>-1</sf:column>", ""] {
        let document = envelope(
            "sf:INVALID_FIELD",
            &format!("INVALID_FIELD: {message}"),
            &detail("InvalidFieldFault", "INVALID_FIELD", message, rest),
        );
        let fault = read(Call::QueryAll, &document);
        assert_eq!((fault.kind(), fault.reason()), (ErrorKind::Invalid, "InvalidField"));
        assert_eq!(fault.missing_field(), Some("Naem"));
        assert_eq!(
            fault.to_string(),
            "queryAll of Contact at acme.example: INVALID_FIELD: Contact has no field Naem, or the user may not see it \
             (field-level security) (row 1, column 8 of the query)"
        );
        assert!(!format!("{fault:?}").contains("SECRET"));
    }
}

#[test]
fn what_is_shown_of_a_text_is_always_an_identifier() {
    for message in [
        "No such column &apos;+49 8151 SECRET&apos; on entity &apos;Contact&apos;",
        "No such column &apos;a&apos; on entity &apos;x SECRET&apos;",
        "duplicate field selected: SECRET value",
        "SECRET",
    ] {
        let fault = fault(Call::Query, "INVALID_FIELD", message);
        assert!(!format!("{fault} {fault:?}").contains("SECRET"), "{fault}");
    }
}

#[test]
fn other_details_are_told() {
    for (code, message, told) in [
        (
            "INVALID_FIELD",
            "duplicate field selected: Id",
            "field Id is selected twice",
        ),
        (
            "INVALID_TYPE",
            "\nFROM Contact123\n^\nERROR at Row:1:Column:16\nsObject type &apos;Contact123&apos; is not supported. If",
            "there is no object Contact123",
        ),
        (
            "INVALID_TYPE_FOR_OPERATION",
            "entity type Foo__c does not support query",
            "Foo__c cannot be queried",
        ),
    ] {
        let fault = fault(Call::Query, code, message);
        assert!(fault.to_string().contains(told), "{fault}");
        assert_eq!(fault.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_closed_login_says_what_to_use_instead() {
    for (code, message) in [
        (
            "INVALID_OPERATION",
            "SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API login().",
        ),
        (
            "INVALID_OPERATION",
            "The SOAP Login operation is not available in the API version specified (65.0). Refer to the documentation.",
        ),
        ("INVALID_OPERATION", "in another release's words"),
        ("INSUFFICIENT_ACCESS", "x"),
    ] {
        let fault = fault(Call::Login, code, message);
        assert_eq!(
            (fault.kind(), fault.reason()),
            (ErrorKind::Credentials, "SoapLoginUnavailable"),
            "{code} {message}"
        );
        let text = fault.to_string();
        for needed in [
            "spec.connection.auth.clientCredentials",
            "jwtBearer",
            "Setup > User Interface",
            "Use Any API Auth",
        ] {
            assert!(text.contains(needed), "{text}");
        }
    }
    assert_eq!(fault(Call::Query, "INSUFFICIENT_ACCESS", "x").reason(), "AccessDenied");
}

#[test]
fn limits_of_the_org_and_of_a_moment_are_told_apart() {
    let daily = fault(Call::Query, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
    assert_eq!((daily.kind(), daily.reason()), (ErrorKind::Quota, "QuotaExhausted"));
    let moment = fault(
        Call::Query,
        "REQUEST_LIMIT_EXCEEDED",
        "ConcurrentPerOrgLongTxn Limit exceeded",
    );
    assert_eq!((moment.kind(), moment.retry()), (ErrorKind::Transient, Retry::Backoff));
    let logins = fault(Call::Login, "INVALID_LOGIN", "Login Rate Exceeded");
    assert_eq!(
        (logins.kind(), logins.retry()),
        (ErrorKind::Quota, Retry::After(LOGIN_RATE_PAUSE))
    );
}

#[test]
fn dead_locators_and_timed_out_queries_are_told_apart() {
    let dead = read(
        Call::QueryMore,
        &envelope(
            "sf:INVALID_QUERY_LOCATOR",
            "INVALID_QUERY_LOCATOR: invalid query locator",
            &detail(
                "InvalidQueryLocatorFault",
                "INVALID_QUERY_LOCATOR",
                "invalid query locator",
                "",
            ),
        ),
    );
    assert!(dead.is_dead_locator() && !dead.is_query_timeout());
    assert_eq!(
        (dead.kind(), dead.reason()),
        (ErrorKind::Transient, "QueryLocatorExpired")
    );
    let timeout = fault(
        Call::Query,
        "QUERY_TIMEOUT",
        "Your query request was running for too long.",
    );
    assert!(timeout.is_query_timeout() && !timeout.is_dead_locator());
    assert_eq!(
        (timeout.kind(), timeout.reason()),
        (ErrorKind::Transient, "QueryTimeout")
    );
    let both = read(
        Call::QueryAll,
        &envelope(
            "sf:X_Y",
            "",
            &detail("InvalidQueryLocatorFault", "INVALID_QUERY_LOCATOR", "x", ""),
        ),
    );
    assert!(both.is_dead_locator() && both.is_query_timeout());
    assert!(Error::Fault(Box::new(both)).is_dead_locator());
}

/// The groups of salesforce-api.md 3.6.
const GROUPS: [(ErrorKind, &str); 5] = [
    (
        ErrorKind::Credentials,
        "INVALID_LOGIN LOGIN_MUST_USE_SECURITY_TOKEN LOGIN_CHALLENGE_ISSUED LOGIN_CHALLENGE_PENDING \
         LOGIN_DURING_RESTRICTED_DOMAIN LOGIN_DURING_RESTRICTED_TIME PASSWORD_LOCKOUT \
         INVALID_OPERATION_WITH_EXPIRED_PASSWORD INACTIVE_OWNER_OR_USER INACTIVE_PORTAL \
         CLIENT_NOT_ACCESSIBLE_FOR_USER CLIENT_REQUIRE_UPDATE_FOR_USER UNSUPPORTED_CLIENT INVALID_CLIENT \
         MUTUAL_AUTHENTICATION_FAILED",
    ),
    (
        ErrorKind::Fatal,
        "API_DISABLED_FOR_ORG PI_DISABLED_FOR_ORG TRIAL_EXPIRED ORG_LOCKED ORG_IN_MAINTENANCE SSO_SERVICE_DOWN \
         INVALID_REPLICATION_DATE EXCEEDED_ID_LIMIT EXCEEDED_MAX_TYPES_LIMIT",
    ),
    (
        ErrorKind::Transient,
        "API_CURRENTLY_DISABLED SERVER_UNAVAILABLE REQUEST_RUNNING_TOO_LONG UNABLE_TO_LOCK_ROW \
         FUNCTIONALITY_TEMPORARILY_UNAVAILABLE UNKNOWN_EXCEPTION TXN_SECURITY_METERING_ERROR QUERY_TIMEOUT \
         INVALID_QUERY_LOCATOR",
    ),
    (
        ErrorKind::Quota,
        "REQUEST_LIMIT_EXCEEDED LIMIT_EXCEEDED LOGIN_RATE_EXCEEDED",
    ),
    (
        ErrorKind::Invalid,
        "MALFORMED_QUERY INVALID_FIELD INVALID_TYPE INVALID_TYPE_FOR_OPERATION INVALID_QUERY_FILTER_OPERATOR \
         INVALID_FILTER_VALUE QUERY_TOO_COMPLICATED OPERATION_TOO_LARGE NUMBER_OUTSIDE_VALID_RANGE \
         ENTITY_NOT_QUERYABLE EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION INVALID_ID_FIELD MALFORMED_ID \
         ORG_NOT_OWNED_BY_INSTANCE UNSUPPORTED_API_VERSION",
    ),
];

#[test]
fn every_group_of_codes_has_its_kind_and_a_reason_of_the_list() {
    for (kind, codes) in GROUPS {
        for code in codes.split_whitespace() {
            let fault = fault(Call::QueryAll, code, "SECRET text");
            assert_eq!(fault.kind(), kind, "{code}");
            assert!(Error::REASONS.contains(&fault.reason()), "{code} {}", fault.reason());
            assert!(!format!("{fault} {fault:?}").contains("SECRET"));
        }
    }
}

#[test]
fn what_a_condition_compares_wrongly_is_told_by_its_field() {
    for (message, field, advice) in [
        (
            "\n&gt; &apos;SECRET&apos;\n^\nERROR at Row:1:Column:40\nvalue of filter criterion for field &apos;Employees&apos; must be of type int and \
             should not be enclosed in quotes",
            "Employees",
            "write one of type int, without quotes",
        ),
        (
            "value of filter criterion for field &apos;Name&apos; must be of type string and should be enclosed in quotes",
            "Name",
            "write one of type string, in quotes",
        ),
        (
            "field &apos;Description&apos; can not be filtered in a query call",
            "Description",
            "does not filter by field Description",
        ),
    ] {
        let fault = fault(Call::QueryAll, "INVALID_FIELD", message);
        assert_eq!(fault.filtered_field(), Some(field));
        assert!(fault.to_string().contains(advice), "{fault}");
        assert!(!fault.to_string().contains("SECRET"), "{fault}");
    }
    let other = fault(
        Call::QueryAll,
        "INVALID_FIELD",
        "value of filter criterion for field &apos;a b&apos; must be",
    );
    assert_eq!(other.filtered_field(), None);
}
