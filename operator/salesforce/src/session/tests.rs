use super::*;

#[test]
fn tokens_of_three_base64url_parts_are_jwts_and_session_ids_are_not() {
    for (id, jwt) in [
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIx.c2lnbmF0dXJl-_", true),
        ("00D30ACACA00RnR!AQQAQHLr.x_y", false),
        ("00D30ACACA00RnR!AQQA.QHLr.x_y", false),
        ("a.b", false),
        ("a..b", false),
        ("", false),
    ] {
        assert_eq!(is_jwt(id), jwt, "{id}");
    }
}

#[test]
fn the_allowance_refills_with_time_and_not_beyond_its_burst() {
    let mut allowance = Allowance {
        free: BURST,
        refilled_at: Duration::ZERO,
    };
    let mut now = Duration::from_hours(1);
    for _ in 0..BURST {
        assert_eq!(allowance.take(now), Ok(()));
    }
    assert_eq!(allowance.take(now), Err(REFILL));
    now += REFILL / 3;
    assert_eq!(allowance.take(now), Err(REFILL * 2 / 3));
    now += REFILL;
    assert_eq!(allowance.take(now), Ok(()));
    assert!(allowance.take(now).is_err());
    now += Duration::from_hours(1_000_000);
    for _ in 0..BURST {
        assert_eq!(allowance.take(now), Ok(()));
    }
    assert!(allowance.take(now).is_err());
}

/// The recorded answer of salesforce-api.md 2.2.
const RECORDED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><loginResponse><result>
<metadataServerUrl>https://foobar.my.salesforce.com/services/Soap/m/37.0/00D30ACACA00RnR</metadataServerUrl>
<passwordExpired>false</passwordExpired><sandbox>false</sandbox>
<serverUrl>https://foobar.my.salesforce.com/services/Soap/u/37.0/00D30ACACA00RnR</serverUrl>
<sessionId>00D30ACACA00RnR!AQQAQHLr</sessionId>
<userId>000606060606WH5AAO</userId>
<userInfo><accessibilityMode>false</accessibilityMode><currencySymbol>$</currencySymbol>
<orgAttachmentFileSizeLimit>5242880</orgAttachmentFileSizeLimit>
<orgDefaultCurrencyIsoCode>USD</orgDefaultCurrencyIsoCode>
<orgDisallowHtmlAttachments>false</orgDisallowHtmlAttachments><orgHasPersonAccounts>true</orgHasPersonAccounts>
<organizationId>0090909ACA00RnREAU</organizationId><organizationMultiCurrency>false</organizationMultiCurrency>
<organizationName>Foo Bar, Inc.</organizationName><profileId>00e</profileId><roleId>00E</roleId>
<sessionSecondsValid>14400</sessionSecondsValid><userDefaultCurrencyIsoCode xsi:nil="true"/>
<userEmail>homer@example.com</userEmail><userFullName>FooBar Homer</userFullName><userLanguage>en_US</userLanguage>
<userId>000606060606WH5AAO</userId><userLocale>en_US</userLocale><userName>homer@example.com</userName>
<userTimeZone>America/New_York</userTimeZone>
<userType>Standard</userType><userUiSkin>Theme3</userUiSkin></userInfo>
</result></loginResponse></soapenv:Body></soapenv:Envelope>"#;

fn read(body: &str) -> Result<LoginResult> {
    let place = Place {
        call: crate::error::Call::Login,
        object: None,
        host: "login.salesforce.com".into(),
    };
    LoginResult::read(body, "68.0".parse().unwrap(), AllowHttp::LoopbackOnly, &place)
}

#[test]
fn a_recorded_login_is_read() {
    let login = read(RECORDED).unwrap();
    assert_eq!(
        login.url.as_str(),
        "https://foobar.my.salesforce.com/services/Soap/u/68.0/00D30ACACA00RnR"
    );
    assert_eq!(login.instance.as_str(), "https://foobar.my.salesforce.com/");
    assert!(!login.sandbox);
    let user = login.user.unwrap();
    assert_eq!(user.organization_id, "0090909ACA00RnREAU");
    assert_eq!(user.organization_name, "Foo Bar, Inc.");
    assert!(user.has_person_accounts && !user.organization_multi_currency);
    assert_eq!(
        (user.user_name.as_str(), user.user_time_zone.as_str()),
        ("homer@example.com", "America/New_York")
    );
    assert_eq!(
        (user.role_id.as_deref(), user.default_currency.as_deref()),
        (Some("00E"), Some("USD"))
    );
    assert_eq!(user.session_seconds_valid, 14400);
}

#[test]
fn members_that_are_not_known_do_not_matter_whatever_is_in_them() {
    let unknown = "<userInfo><futurePolicies><policy><name>a</name></policy><userName>b</userName></futurePolicies>\
                   <futureNil xsi:nil=\"true\"/><futureEmpty/>";
    let login = read(&RECORDED.replace("<userInfo>", unknown)).unwrap();
    assert_eq!(login.user, read(RECORDED).unwrap().user);
}

#[test]
fn a_login_answer_that_is_cut_anywhere_is_an_error() {
    for (end, _) in RECORDED.char_indices() {
        assert!(read(RECORDED.get(..end).unwrap()).is_err(), "cut at {end}");
    }
}

#[test]
fn a_login_without_user_info_is_read() {
    let (head, rest) = RECORDED.split_once("<userInfo>").unwrap();
    let (_, rest) = rest.split_once("</userInfo>").unwrap();
    assert!(read(&format!("{head}{rest}")).unwrap().user.is_none());
}
