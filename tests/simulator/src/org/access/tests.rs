use super::*;

const ADMIN: &str = "admin@example.com";

fn access() -> Access {
    let mut access = Access::new("00D000000000001EAA", 1);
    access.add(
        Login::new(ADMIN, "pass word", "TOKEN"),
        "005000000000001AAA".to_owned(),
        Rights::default(),
    );
    access
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).expect("in range")
}

fn code(result: Result<Caller, Fault>) -> String {
    result.map_or_else(|fault| fault.code, |_| "ok".to_owned())
}

#[test]
fn token_is_appended_unless_the_address_is_trusted() {
    let (mut access, mut settings) = (access(), Settings::default());
    assert_eq!(
        code(access.log_in("ADMIN@example.com", "pass wordTOKEN", at(0), &settings)),
        "ok"
    );
    assert_eq!(
        code(access.log_in(ADMIN, "pass word", at(0), &settings)),
        "LOGIN_MUST_USE_SECURITY_TOKEN"
    );
    assert_eq!(
        code(access.log_in(ADMIN, "pass wordOTHER", at(0), &settings)),
        "INVALID_LOGIN"
    );
    assert_eq!(
        code(access.log_in("nobody", "pass wordTOKEN", at(0), &settings)),
        "INVALID_LOGIN"
    );
    settings.trusted_address = true;
    assert_eq!(code(access.log_in(ADMIN, "pass word", at(0), &settings)), "ok");
    assert_eq!(code(access.log_in(ADMIN, "pass wordTOKEN", at(0), &settings)), "ok");
}

#[test]
fn sessions_are_shared_kept_alive_and_end_by_idleness() {
    let (mut access, settings) = (access(), Settings::default());
    let first = access
        .log_in(ADMIN, "pass wordTOKEN", at(0), &settings)
        .expect("in")
        .session_id;
    assert_eq!(first.len(), 112);
    assert!(first.starts_with("00D000000000001!"));
    let second = access
        .log_in(ADMIN, "pass wordTOKEN", at(10), &settings)
        .expect("in")
        .session_id;
    assert_eq!(first, second);
    assert_eq!(code(access.resume(&first, at(7_200), &settings)), "ok");
    assert_eq!(
        code(access.resume(&first, at(14_400), &settings)),
        "ok",
        "each call resets the timer"
    );
    assert_eq!(code(access.resume(&first, at(21_601), &settings)), "INVALID_SESSION_ID");
    let third = access
        .log_in(ADMIN, "pass wordTOKEN", at(21_602), &settings)
        .expect("in")
        .session_id;
    assert_ne!(first, third);
    access.end_sessions(Some(ADMIN));
    assert_eq!(code(access.resume(&third, at(21_602), &settings)), "INVALID_SESSION_ID");
}

#[test]
fn wrong_passwords_lock_the_user_out_for_a_while() {
    let mut access = access();
    let settings = Settings {
        failed_logins_until_lockout: 2,
        ..Settings::default()
    };
    for _ in 0..2 {
        assert_eq!(code(access.log_in(ADMIN, "wrong", at(0), &settings)), "INVALID_LOGIN");
    }
    assert_eq!(
        code(access.log_in(ADMIN, "pass wordTOKEN", at(899), &settings)),
        "INVALID_LOGIN"
    );
    assert_eq!(code(access.log_in(ADMIN, "pass wordTOKEN", at(900), &settings)), "ok");
}

#[test]
fn too_many_logins_block_the_user_for_an_hour() {
    let mut access = access();
    let settings = Settings {
        logins_per_hour: 2,
        ..Settings::default()
    };
    for _ in 0..2 {
        assert_eq!(code(access.log_in(ADMIN, "pass wordTOKEN", at(0), &settings)), "ok");
    }
    let fault = access
        .log_in(ADMIN, "pass wordTOKEN", at(10), &settings)
        .expect_err("blocked");
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str()),
        ("INVALID_LOGIN", "Login Rate Exceeded")
    );
    assert_eq!(
        code(access.log_in(ADMIN, "pass wordTOKEN", at(3_609), &settings)),
        "INVALID_LOGIN"
    );
    assert_eq!(code(access.log_in(ADMIN, "pass wordTOKEN", at(3_610), &settings)), "ok");
}

#[test]
fn use_any_api_auth_and_a_new_password() {
    let mut access = access();
    let settings = Settings {
        api_auth_required: true,
        ..Settings::default()
    };
    access.account_mut(ADMIN).expect("there").api_auth = false;
    assert_eq!(
        code(access.log_in(ADMIN, "pass wordTOKEN", at(0), &settings)),
        "INSUFFICIENT_ACCESS"
    );
    let settings = Settings::default();
    assert_eq!(
        access.set_password("005000000000001", "short").map_err(|f| f.code),
        Err("INVALID_NEW_PASSWORD".into())
    );
    access.set_password("005000000000001", "other word").expect("accepted");
    assert_eq!(
        code(access.log_in(ADMIN, "pass wordTOKEN", at(0), &settings)),
        "INVALID_LOGIN"
    );
    let token = access.account(ADMIN).expect("there").login.token.clone();
    assert_ne!(token, "TOKEN");
    assert_eq!(
        code(access.log_in(ADMIN, &format!("other word{token}"), at(0), &settings)),
        "ok"
    );
}
