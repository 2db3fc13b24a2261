//! login with every gate, sessions, getUserInfo, setPassword, logout (salesforce-api.md 2.1 to 2.4).

use jiff::SignedDuration;
use simulator::{FaultPrefix, Login, UserChange};

use crate::wire::{Client, PASSWORD, TOKEN, USER, config};

fn with_token() -> String {
    format!("{PASSWORD}{TOKEN}")
}

#[tokio::test]
async fn the_answer_at_version_37_has_the_recorded_shape() {
    let client = Client::new(config()).await;
    let answer = client.login("37.0", USER, &with_token()).await.ok();
    let (session, name, address) = (
        answer.text("sessionId").unwrap(),
        answer.text("userFullName").unwrap(),
        client.address(),
    );
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><loginResponse><result>\
         <metadataServerUrl>http://{address}/services/Soap/m/37.0/00D000000000001</metadataServerUrl>\
         <passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
         <serverUrl>http://{address}/services/Soap/u/37.0/00D000000000001</serverUrl>\
         <sessionId>{session}</sessionId><userId>005Sm0000000000IAA</userId>\
         <userInfo><accessibilityMode>false</accessibilityMode><currencySymbol>$</currencySymbol>\
         <orgAttachmentFileSizeLimit>5242880</orgAttachmentFileSizeLimit>\
         <orgDefaultCurrencyIsoCode>USD</orgDefaultCurrencyIsoCode>\
         <orgDisallowHtmlAttachments>false</orgDisallowHtmlAttachments>\
         <orgHasPersonAccounts>false</orgHasPersonAccounts><organizationId>00D000000000001EAA</organizationId>\
         <organizationMultiCurrency>false</organizationMultiCurrency>\
         <organizationName>Example, Inc.</organizationName><profileId>{profile}</profileId>\
         {role}<sessionSecondsValid>7200</sessionSecondsValid><userDefaultCurrencyIsoCode xsi:nil=\"true\"/>\
         <userEmail>admin@example.com</userEmail><userFullName>{name}</userFullName>\
         <userLanguage>en_US</userLanguage><userId>005Sm0000000000IAA</userId><userLocale>en_US</userLocale>\
         <userName>admin@example.com</userName><userTimeZone>America/New_York</userTimeZone>\
         <userType>Standard</userType><userUiSkin>Theme3</userUiSkin></userInfo></result></loginResponse>\
         </soapenv:Body></soapenv:Envelope>",
        profile = answer.text("profileId").unwrap(),
        role = answer
            .text("roleId")
            .map_or("<roleId xsi:nil=\"true\"/>".to_owned(), |role| format!(
                "<roleId>{role}</roleId>"
            )),
    );
    assert_eq!(answer.body, expected);
    assert_eq!(session.len(), 112);
    assert!(session.starts_with("00D000000000001!"));
}

#[tokio::test]
async fn get_user_info_has_the_members_of_the_wsdl() {
    let client = Client::ready().await;
    let answer = client.call("<urn:getUserInfo/>").await.ok();
    let body = answer.body.split("<getUserInfoResponse><result>").nth(1).unwrap();
    let members: Vec<&str> = body
        .split("</result>")
        .next()
        .unwrap()
        .split('<')
        .filter(|part| !part.starts_with('/') && !part.is_empty())
        .map(|part| part.split(['>', ' ']).next().unwrap())
        .collect();
    assert_eq!(
        members.join(" "),
        "accessibilityMode chatterExternal currencySymbol orgAttachmentFileSizeLimit \
         orgDefaultCurrencyIsoCode orgDefaultCurrencyLocale orgDisallowHtmlAttachments \
         orgHasPersonAccounts organizationId organizationMultiCurrency organizationName profileId roleId \
         sessionSecondsValid userDefaultCurrencyIsoCode userEmail userFullName userId userLanguage \
         userLocale userName userTimeZone userType userUiSkin"
    );
}

#[tokio::test]
async fn login_has_no_limit_header_and_is_not_counted() {
    let client = Client::ready().await;
    assert!(
        !client
            .login("64.0", USER, &with_token())
            .await
            .ok()
            .body
            .contains("LimitInfoHeader")
    );
    let counters = client.control.counters();
    assert_eq!((counters.of("login"), counters.counted), (2, 0));
}

#[tokio::test]
async fn versions_above_64_and_retired_ones_have_no_login() {
    let client = Client::new(config()).await;
    for version in ["65.0", "68.0"] {
        let answer = client.login(version, USER, &with_token()).await;
        assert_eq!((answer.status, answer.code().as_str()), (500, "INVALID_OPERATION"));
        assert_eq!(
            answer.text("sf:exceptionMessage").unwrap(),
            format!(
                "The SOAP Login operation is not available in the API version specified ({version}). Refer to the \
                 documentation for supported versions."
            )
        );
    }
    for version in ["30.0", "20.0", "69.0", "64.1", "abc"] {
        assert_eq!(
            client.login(version, USER, &with_token()).await.code(),
            "UNSUPPORTED_API_VERSION",
            "{version}"
        );
    }
    client.login("31.0", USER, &with_token()).await.ok();
}

#[tokio::test]
async fn an_org_can_forbid_login_and_ask_for_a_permission() {
    let client = Client::new(config()).await;
    client
        .control
        .change_settings(|settings| settings.soap_login_enabled = false);
    let answer = client.login("64.0", USER, &with_token()).await;
    assert_eq!(answer.code(), "INVALID_OPERATION");
    assert_eq!(
        answer.text("sf:exceptionMessage").unwrap(),
        "SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API login()."
    );
    client.control.change_settings(|settings| {
        settings.soap_login_enabled = true;
        settings.api_auth_required = true;
    });
    client.login("64.0", USER, &with_token()).await.ok();
    let without = UserChange {
        api_auth: Some(false),
        ..UserChange::default()
    };
    client.control.change_user(USER, without).unwrap();
    assert_eq!(
        client.login("64.0", USER, &with_token()).await.code(),
        "INSUFFICIENT_ACCESS"
    );
}

#[tokio::test]
async fn wrong_credentials_share_one_text_and_a_missing_token_has_its_own() {
    let client = Client::new(config()).await;
    for (user, password) in [
        (USER, "wrong"),
        ("nobody@example.com", PASSWORD),
        (USER, "correct horseTOKEN12"),
    ] {
        let answer = client.login("64.0", user, password).await;
        assert_eq!(answer.status, 500);
        assert_eq!(
            answer.body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
             <faultcode>INVALID_LOGIN</faultcode><faultstring>INVALID_LOGIN: Invalid username, password, security \
             token; or user locked out.</faultstring><detail><sf:LoginFault xsi:type=\"sf:LoginFault\">\
             <sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>Invalid username, password, \
             security token; or user locked out.</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>\
             </soapenv:Body></soapenv:Envelope>"
        );
    }
    let answer = client.login("64.0", USER, PASSWORD).await;
    assert_eq!(answer.code(), "LOGIN_MUST_USE_SECURITY_TOKEN");
    assert!(answer.body.contains("<sf:LoginFault "));
    client
        .control
        .change_settings(|settings| settings.trusted_address = true);
    client.login("64.0", USER, PASSWORD).await.ok();
    client.login("64.0", USER, &with_token()).await.ok();
}

#[tokio::test]
async fn the_prefix_of_a_faultcode_can_be_switched() {
    let client = Client::new(config()).await;
    for (prefix, login, other) in [
        (
            FaultPrefix::BareOnLogin,
            "<faultcode>INVALID_LOGIN<",
            "<faultcode>sf:INVALID_SESSION_ID<",
        ),
        (
            FaultPrefix::Always,
            "<faultcode>sf:INVALID_LOGIN<",
            "<faultcode>sf:INVALID_SESSION_ID<",
        ),
        (
            FaultPrefix::Never,
            "<faultcode>INVALID_LOGIN<",
            "<faultcode>INVALID_SESSION_ID<",
        ),
    ] {
        client
            .control
            .change_settings(|settings| settings.fault_prefix = prefix);
        assert!(client.login("64.0", USER, "x").await.body.contains(login), "{prefix:?}");
        assert!(
            client.call("<urn:getUserInfo/>").await.body.contains(other),
            "{prefix:?}"
        );
    }
}

#[tokio::test]
async fn lockout_and_login_rate_hold_users_off() {
    let client = Client::new(config()).await;
    client
        .control
        .change_settings(|settings| settings.failed_logins_until_lockout = 3);
    for _ in 0..3 {
        client.login("64.0", USER, "wrong").await;
    }
    assert_eq!(client.login("64.0", USER, &with_token()).await.code(), "INVALID_LOGIN");
    assert!(client.control.users()[0].locked);
    client
        .control
        .change_user(
            USER,
            UserChange {
                unlock: true,
                ..UserChange::default()
            },
        )
        .unwrap();
    client.login("64.0", USER, &with_token()).await.ok();
    client.control.change_settings(|settings| settings.logins_per_hour = 2);
    client.login("64.0", USER, &with_token()).await.ok();
    let answer = client.login("64.0", USER, &with_token()).await;
    assert_eq!(
        answer.text("faultstring").unwrap(),
        "INVALID_LOGIN: Login Rate Exceeded"
    );
    client.control.advance_clock(SignedDuration::from_secs(3_600));
    client.login("64.0", USER, &with_token()).await.ok();
}

#[tokio::test]
async fn an_expired_password_allows_set_password_only() {
    let mut client = Client::new(config()).await;
    let expired = UserChange {
        password_expired: Some(true),
        ..UserChange::default()
    };
    client.control.change_user(USER, expired).unwrap();
    let answer = client.login("64.0", USER, &with_token()).await.ok();
    assert_eq!(answer.text("passwordExpired").unwrap(), "true");
    client.session = answer.text("sessionId").unwrap();
    assert_eq!(
        client.call("<urn:describeGlobal/>").await.code(),
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD"
    );
    let set = |password: &str| {
        format!(
            "<urn:setPassword><urn:userId>005Sm0000000000</urn:userId><urn:password>{password}</urn:password></urn:setPassword>"
        )
    };
    assert_eq!(client.call(&set("short")).await.code(), "INVALID_NEW_PASSWORD");
    let answer = client.call(&set("a longer one")).await.ok();
    assert!(
        answer
            .body
            .contains("<setPasswordResponse><result xsi:type=\"SetPasswordResult\"/></setPasswordResponse>")
    );
    client.call("<urn:describeGlobal/>").await.ok();
    let token = client.control.users()[0].token.clone();
    assert_ne!(token, TOKEN, "a new password brings a new token");
    client.login("64.0", USER, &format!("a longer one{token}")).await.ok();
}

#[tokio::test]
async fn sessions_end_by_idleness_and_by_anybodys_logout() {
    let mut client = Client::ready().await;
    let first = client.session.clone();
    client.control.advance_clock(SignedDuration::from_secs(7_200));
    client.call("<urn:getUserInfo/>").await.ok();
    client.control.advance_clock(SignedDuration::from_secs(7_201));
    let answer = client.call("<urn:getUserInfo/>").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "INVALID_SESSION_ID"));
    assert!(!answer.body.contains("LimitInfoHeader"));
    assert!(
        answer
            .body
            .contains("<sf:UnexpectedErrorFault xsi:type=\"sf:UnexpectedErrorFault\">")
    );
    assert!(answer.text("faultstring").unwrap().starts_with(
        "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing \
         session hash: "
    ));
    assert!(
        answer
            .text("faultstring")
            .unwrap()
            .ends_with("=\nThis error usually occurs after a session expires or a user logs out. ")
    );
    client.log_in(USER, &with_token()).await;
    assert_ne!(client.session, first);
    let shared = client
        .login("64.0", USER, &with_token())
        .await
        .ok()
        .text("sessionId")
        .unwrap();
    assert_eq!(shared, client.session, "clients of one user share the session");
    let answer = client.call("<urn:logout/>").await.ok();
    assert!(answer.body.contains("<soapenv:Body><logoutResponse/></soapenv:Body>"));
    assert!(answer.body.contains("LimitInfoHeader"));
    assert_eq!(client.call("<urn:getUserInfo/>").await.code(), "INVALID_SESSION_ID");
}

#[tokio::test]
async fn what_is_no_session_is_refused() {
    let mut client = Client::ready().await;
    for session in [
        "",
        "00D000000000001!nonsense",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
    ] {
        client.session = session.to_owned();
        assert_eq!(
            client.call("<urn:getUserInfo/>").await.code(),
            "INVALID_SESSION_ID",
            "{session}"
        );
    }
}

#[tokio::test]
async fn several_users_have_their_own_sessions() {
    let mut client = Client::ready().await;
    let admin = client.session.clone();
    let id = client
        .control
        .add_user(Login::new("second@example.com", "other words", "T2"))
        .unwrap();
    client.log_in("second@example.com", "other wordsT2").await;
    let answer = client.call("<urn:getUserInfo/>").await.ok();
    assert_eq!(answer.text("userId"), Some(id));
    assert_ne!(admin, client.session);
    client.call("<urn:logout/>").await.ok();
    client.session = admin;
    client.call("<urn:getUserInfo/>").await.ok();
}

#[tokio::test]
async fn server_urls_are_those_of_the_host_that_was_asked() {
    let client = Client::new(config()).await;
    let envelope = client.envelope(
        "",
        &format!(
            "<urn:login><urn:username>{USER}</urn:username><urn:password>{}</urn:password></urn:login>",
            with_token()
        ),
    );
    let request = format!(
        "POST /services/Soap/u/64.0 HTTP/1.1\r\nHost: acme.my.salesforce.test:8080\r\nContent-Type: text/xml\r\n\
         SOAPAction: login\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{envelope}",
        envelope.len()
    );
    let answer = crate::wire::parse(&crate::wire::send(&client.address(), request.as_bytes()).await.unwrap());
    assert_eq!(
        answer.text("serverUrl").unwrap(),
        "http://acme.my.salesforce.test:8080/services/Soap/u/64.0/00D000000000001"
    );
}

#[tokio::test]
async fn a_login_request_has_at_most_10_kilobytes() {
    let client = Client::new(config()).await;
    assert_eq!(
        client.login("64.0", USER, &"x".repeat(11_000)).await.code(),
        "EXCEEDED_MAX_SIZE_REQUEST"
    );
}

#[tokio::test]
async fn an_org_can_have_person_accounts() {
    let persons = simulator::Config {
        person_accounts: simulator::schema::PersonAccounts::Enabled,
        ..config()
    };
    let client = Client::logged_in(persons).await;
    let answer = client.call("<urn:getUserInfo/>").await.ok();
    assert_eq!(answer.text("orgHasPersonAccounts").unwrap(), "true");
    client
        .query("SELECT IsPersonAccount, PersonEmail FROM Account LIMIT 1")
        .await
        .ok();
}
