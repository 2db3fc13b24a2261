//! Logins that are refused: one try, and what to do.

use simulator::{Control, Rule, UserChange, What};

use super::says;
use crate::bench::{Bench, SPECIMEN, each};
use e2e::resource::{PASSWORD, TOKEN, USERNAME};

/// Why a login is refused.
struct Refusal {
    name: &'static str,
    /// Makes the org, and the resource, refuse.
    set_up: fn(&mut Bench),
    /// Makes it right.
    mend: fn(&mut Bench),
    code: i32,
    says: &'static [&'static str],
}

fn mend_secret(bench: &mut Bench) {
    bench.resource.password = PASSWORD.into();
    bench.resource.token = Some(TOKEN.into());
}

fn mend_org(bench: &mut Bench) {
    bench.org.clear_rules();
    bench
        .org
        .change_settings(|settings| *settings = simulator::Settings::default());
    let change = UserChange {
        active: Some(true),
        api_auth: Some(true),
        password_expired: Some(false),
        unlock: true,
        ..UserChange::default()
    };
    bench.org.change_user(USERNAME, change).expect("the user is there");
}

fn close_login(org: &Control, code: &str, message: &str) {
    org.add_rule(Rule::at("login", What::fault(code, message)).forever());
}

fn change(org: &Control, change: UserChange) {
    org.change_user(USERNAME, change).expect("the user is there");
}

const INSTEAD: &[&str] = &[
    "login",
    "closed in this org or version",
    "clientCredentials",
    "jwtBearer",
    "Use Any API Auth",
    "Enable SOAP API login()",
];

#[expect(clippy::too_many_lines, reason = "a table")]
fn refusals() -> Vec<Refusal> {
    let of_secret = |name, set_up, says| Refusal {
        name,
        set_up,
        mend: mend_secret,
        code: 4,
        says,
    };
    let of_org = |name, code, set_up, says| Refusal {
        name,
        set_up,
        mend: mend_org,
        code,
        says,
    };
    vec![
        of_secret(
            "a wrong password",
            |bench| bench.resource.password = "not the right one".into(),
            &[
                "INVALID_LOGIN",
                "security token",
                "changes with each",
                "spec.connection.loginUrl",
            ],
        ),
        of_secret(
            "a wrong token",
            |bench| bench.resource.token = Some("XXXXXXXXXXXX".into()),
            &["INVALID_LOGIN", "security token"],
        ),
        of_secret(
            "no token",
            |bench| bench.resource.token = None,
            &["LOGIN_MUST_USE_SECURITY_TOKEN", "securityToken", "trusted addresses"],
        ),
        of_org(
            "login() switched off",
            4,
            |bench| {
                bench
                    .org
                    .change_settings(|settings| settings.soap_login_enabled = false);
            },
            INSTEAD,
        ),
        of_org(
            "no right to login()",
            4,
            |bench| {
                bench.org.change_settings(|settings| settings.api_auth_required = true);
                change(
                    &bench.org,
                    UserChange {
                        api_auth: Some(false),
                        ..UserChange::default()
                    },
                );
            },
            INSTEAD,
        ),
        of_org(
            "login() retired",
            4,
            |bench| {
                close_login(
                    &bench.org,
                    "INVALID_OPERATION",
                    "The SOAP Login operation is not available in the API version specified (64.0). Refer to the \
                     documentation for supported versions.",
                );
            },
            INSTEAD,
        ),
        of_org(
            "an expired password",
            4,
            |bench| {
                change(
                    &bench.org,
                    UserChange {
                        password_expired: Some(true),
                        ..UserChange::default()
                    },
                );
            },
            &["password of the user has expired", "Secret"],
        ),
        of_org(
            "a user that is not active",
            4,
            |bench| {
                change(
                    &bench.org,
                    UserChange {
                        active: Some(false),
                        ..UserChange::default()
                    },
                );
            },
            &["INVALID_LOGIN"],
        ),
        of_org(
            "another lock",
            4,
            |bench| close_login(&bench.org, "PASSWORD_LOCKOUT", "locked"),
            &["PASSWORD_LOCKOUT", "administrator can unlock"],
        ),
        of_org(
            "Login Hours",
            4,
            |bench| close_login(&bench.org, "LOGIN_DURING_RESTRICTED_TIME", "no"),
            &["Login Hours"],
        ),
        of_org(
            "too many logins",
            5,
            |bench| bench.org.change_settings(|settings| settings.logins_per_hour = 0),
            &["logged in too often", "an hour"],
        ),
        of_org(
            "the trial's end",
            5,
            |bench| close_login(&bench.org, "TRIAL_EXPIRED", "over"),
            &["TRIAL_EXPIRED", "trial has expired"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_refused_is_tried_once_and_tells_what_to_do() {
    each(
        refusals(),
        |Refusal {
             name,
             set_up,
             mend,
             code,
             says: words,
         }| async move {
            let mut bench = Bench::sqlite(&[SPECIMEN, "{name: Contact}"]).await;
            set_up(&mut bench);
            for (command, more) in [
                ("run", &["--once"] as &[&str]),
                ("plan", &[]),
                ("objects", &[]),
                ("run", &[]),
            ] {
                if code == 5 && more.is_empty() && command == "run" {
                    // It waits for the hour to pass.
                    continue;
                }
                bench.org.reset_calls();
                let outcome = bench.run(command, more).await;
                assert_eq!(outcome.code, Some(code), "{name}, {command}: {}", outcome.stderr);
                says(&outcome, words);
                assert!(
                    outcome.stderr.contains("127.0.0.1"),
                    "{name} does not name the host: {}",
                    outcome.stderr
                );
                assert_eq!(bench.calls("login"), 1, "{name}, {command}");
                assert_eq!(bench.org.counters().counted, 0, "{name}, {command}");
            }
            assert!(
                !bench.folder().join("replica.db").exists(),
                "{name}: nothing is written"
            );
            mend(&mut bench);
            bench.replicate().await;
            bench.assert_equal().await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_user_that_was_locked_out_is_not_locked_out_further() {
    let mut bench = Bench::sqlite(&[SPECIMEN]).await;
    bench
        .org
        .change_settings(|settings| settings.failed_logins_until_lockout = 2);
    bench.resource.password = "forgotten since long".into();
    for _ in 0..2 {
        says(&bench.once().await.exits(4), &["INVALID_LOGIN"]);
    }
    mend_secret(&mut bench);
    let outcome = bench.once().await.exits(4);
    says(&outcome, &["the user is locked"]);
    assert_eq!(bench.calls("login"), 3);
    change(
        &bench.org,
        UserChange {
            unlock: true,
            ..UserChange::default()
        },
    );
    bench.replicate().await;
    bench.assert_equal().await;
}

#[tokio::test]
async fn a_password_that_changes_in_mid_run_costs_one_login_and_nothing_of_what_was_read() {
    let mut bench = Bench::sqlite(&[SPECIMEN, "{name: Contact}", "{name: Account}"]).await;
    bench.resource.more = "  parallelism: 1\n".into();
    // The second login, which the end of the session asks for, is refused.
    bench.strike([
        Rule::at("queryMore", What::EndSession).after(1),
        Rule::at(
            "login",
            What::fault(
                "INVALID_LOGIN",
                "Invalid username, password, security token; or user locked out.",
            ),
        )
        .after(1)
        .forever(),
    ]);
    let outcome = bench.once().await.exits(4);
    says(&outcome, &["Specimen__c", "Contact", "INVALID_LOGIN"]);
    assert_eq!(bench.calls("login"), 2, "the other objects do not log in again");
    bench.org.clear_rules();
    bench.replicate().await;
    bench.assert_equal().await;
}
