//! Nothing secret and nothing of a record is ever printed, however much is logged and whatever goes wrong.
//!
//! Secrets have marks that occur nowhere else; numbers and names of records are taken from the org. Everything is run with
//! all logs of all libraries on.

use e2e::{
    binary::{self, Outcome},
    database::Database,
    resource::USERNAME,
};
use simulator::{Config, Login, Rule, What};

use crate::bench::{Bench, config, each, missing, wrong};

const PASSWORD: &str = "Gehe1m pass & wort";
const TOKEN: &str = "Gehe1mTOKEN77";
const DATABASE_PASSWORD: &str = "Gehe1m@Daten/bank";

/// An org, a database and a role of it, all with marked secrets.
async fn marked(name: &str) -> Bench {
    let database = Database::postgres(name).await;
    let role = format!("{name}_{}", std::process::id());
    for statement in [
        format!("DROP ROLE IF EXISTS {role}"),
        format!("CREATE ROLE {role} LOGIN PASSWORD '{DATABASE_PASSWORD}'"),
        format!("GRANT CREATE ON DATABASE {role} TO {role}"),
    ] {
        database.execute(&statement).await;
    }
    let Database::Postgres { url } = &database else {
        panic!("not PostgreSQL")
    };
    let mut url = url::Url::parse(url).expect("a URL");
    url.set_username(&role).expect("a host");
    url.set_password(Some(DATABASE_PASSWORD)).expect("a host");
    let config = Config {
        logins: vec![Login::new(USERNAME, PASSWORD, TOKEN)],
        ..config()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::Postgres { url: url.into() };
    let mut bench = Bench::new(config, folder, &database, &["{name: Contact}", "{name: Specimen__c}"]).await;
    bench.resource.password = PASSWORD.into();
    bench.resource.token = Some(TOKEN.into());
    bench
}

/// Secrets, in each form in which they travel.
fn secrets(bench: &Bench) -> Vec<String> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut marks = vec![
        "Gehe1m".to_owned(),
        format!("{PASSWORD}{TOKEN}"),
        "00D000000000001!".to_owned(),
    ];
    marks.extend([PASSWORD, TOKEN, DATABASE_PASSWORD].map(encoded));
    let Database::Postgres { url } = bench.database() else {
        panic!("not PostgreSQL")
    };
    marks.push(url.clone());
    marks
}

/// Values of records that are too long to be in a log by chance.
fn values(bench: &Bench) -> Vec<String> {
    let mut values = Vec::new();
    for (object, fields) in [
        (
            "Contact",
            &[
                "Phone",
                "MobilePhone",
                "HomePhone",
                "Email",
                "Name",
                "MailingStreet",
                "Description",
            ] as &[&str],
        ),
        (
            "Specimen__c",
            &["Phone__c", "Email__c", "Text__c", "LongText__c", "Encrypted__c"],
        ),
    ] {
        let rows = bench
            .org
            .rows_of(object, fields)
            .expect("the object is there")
            .step_by(5);
        values.extend(
            rows.flat_map(|row| row.fields.into_values())
                .flatten()
                .filter(|value| value.len() > 6),
        );
    }
    assert!(values.len() > 100, "{}", values.len());
    values
}

#[track_caller]
fn assert_silent(name: &str, printed: &str, banned: &[String]) {
    for text in banned {
        if printed.contains(text.as_str()) {
            let line = printed
                .lines()
                .find(|line| line.contains(text.as_str()))
                .unwrap_or_default();
            panic!(
                "{name}: {text:?} is printed: {}",
                line.chars().take(600).collect::<String>()
            );
        }
    }
}

/// Runs a command with all logs.
async fn traced(bench: &Bench, arguments: &[&str], rust_log: Option<&str>) -> Outcome {
    let mut command = binary::command(bench.folder(), arguments);
    if let Some(filter) = rust_log {
        command.env("RUST_LOG", filter);
    }
    let outcome = Outcome::from(command.output().await.expect("the binary starts"));
    assert!(
        outcome.stderr.contains("\"level\":\"DEBUG\""),
        "no logs, so nothing is proven: {}",
        outcome.stderr
    );
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_succeed_print_no_secret() {
    let bench = marked("secrets_success").await;
    let (secrets, values) = (secrets(&bench), values(&bench));
    let file = bench.resource.write(bench.folder());
    for rust_log in [None, Some("trace")] {
        for command in [
            &["plan"] as &[&str],
            &["preview", "--rows", "5"],
            &["run", "--once"],
            &["run", "--once", "-o", "json"],
            &["objects"],
            &["fields", "Contact"],
        ] {
            let arguments: Vec<&str> = command.iter().chain(&["-f", file.as_str(), "-vv"]).copied().collect();
            let outcome = traced(&bench, &arguments, rust_log).await.exits(0);
            let name = command.join(" ");
            assert_silent(&name, &outcome.all(), &secrets);
            assert_silent(&name, &outcome.stderr, &values);
            if command[0] != "preview" {
                assert_silent(&name, &outcome.stdout, &values);
            }
        }
        let id = bench.org.id("Contact", 3).expect("a row");
        bench
            .org
            .update("Contact", &id, &[("Department", "changed since")])
            .expect("a change");
    }
}

#[tokio::test]
async fn secrets_of_a_folder_and_of_the_environment_are_not_printed_either() {
    let bench = marked("secrets_places").await;
    let (secrets, values) = (secrets(&bench), values(&bench));
    let yaml = bench.resource.yaml();
    let (resource, _) = yaml.split_once("---").expect("several documents");
    std::fs::write(bench.folder().join("crm.yaml"), resource).expect("a file");
    let Database::Postgres { url } = bench.database() else {
        panic!("not PostgreSQL")
    };
    for (path, text) in [
        ("salesforce/username", USERNAME),
        ("salesforce/password", PASSWORD),
        ("database/url", url),
    ] {
        let path = bench.folder().join("mounted").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, format!("{text}\n")).expect("a file");
    }
    let mut command = binary::command(
        bench.folder(),
        &["run", "-f", "crm.yaml", "--secrets", "mounted", "--once", "-vv"],
    );
    command
        .env("RUST_LOG", "trace")
        .env("SFR_SALESFORCE_SECURITYTOKEN", TOKEN);
    let outcome = Outcome::from(command.output().await.expect("the binary starts")).exits(0);
    assert_silent("places", &outcome.all(), &secrets);
    assert_silent("places", &outcome.all(), &values);
}

/// What happens in the org while it is replicated.
#[expect(clippy::too_many_lines, reason = "a table")]
fn faults() -> Vec<(&'static str, Vec<Rule>)> {
    let once = |call: &str, what| vec![Rule::at(call, what)];
    let quoting = "INVALID_FIELD: SELECT Id FROM Contact WHERE Phone = 'Gehe1m number' ERROR at Row:1:Column:5";
    vec![
        ("an end of the session", once("queryAll", What::EndSession)),
        (
            "a session that always ends",
            vec![Rule::at_any(What::EndSession).forever()],
        ),
        (
            "a refused login",
            once(
                "login",
                What::fault("INVALID_LOGIN", &format!("{PASSWORD}{TOKEN} is wrong")),
            ),
        ),
        (
            "a fault that quotes",
            vec![Rule::at("queryAll", What::fault("INVALID_FIELD", quoting)).forever()],
        ),
        (
            "an unknown fault that quotes",
            vec![Rule::at("queryAll", What::fault("NEW", quoting)).forever()],
        ),
        (
            "a code that is a secret",
            vec![Rule::at("queryAll", What::fault("Gehe1m code", quoting)).forever()],
        ),
        (
            "a page that quotes",
            once(
                "describeGlobal",
                What::Http {
                    status: 403,
                    body: format!("<html>you sent {PASSWORD}</html>"),
                    content_type: "text/html".into(),
                    retry_after: None,
                },
            ),
        ),
        (
            "an answer that quotes",
            once(
                "queryAll",
                What::ReplaceBody {
                    text: format!("<{PASSWORD}"),
                },
            ),
        ),
        ("a broken login", once("login", What::CutBody { at: 700 })),
        (
            "a login without a server",
            vec![Rule::at("login", missing("serverUrl")).forever()],
        ),
        (
            "a login to another server",
            vec![Rule::at("login", wrong("serverUrl", "https://evil.example/elsewhere")).forever()],
        ),
        (
            "a server that is no URL",
            vec![Rule::at("login", wrong("serverUrl", "Gehe1m")).forever()],
        ),
        (
            "a wrong number",
            vec![Rule::at("queryMore", wrong("Double__c", "Gehe1m")).forever()],
        ),
        (
            "a wrong date",
            vec![
                Rule::at("queryAll", wrong("Date__c", "Gehe1m"))
                    .of("Specimen__c")
                    .forever(),
            ],
        ),
        (
            "a wrong stamp",
            vec![Rule::at("queryAll", wrong("SystemModstamp", "Gehe1m")).forever()],
        ),
        (
            "a wrong Id",
            vec![Rule::at("queryAll", wrong("Id", "Gehe1m")).forever()],
        ),
        (
            "bytes that are not UTF-8",
            once(
                "queryAll",
                What::InvalidUtf8 {
                    element: Some("Phone".into()),
                },
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_print_no_secret() {
    each(faults().into_iter().enumerate(), |(number, (name, rules))| async move {
        let bench = marked(&format!("secrets_fault_{number}")).await;
        let (secrets, values) = (secrets(&bench), values(&bench));
        let file = bench.resource.write(bench.folder());
        bench.strike(rules);
        let outcome = traced(&bench, &["run", "-f", &file, "--once", "-vv"], Some("trace")).await;
        assert!(outcome.code.is_some(), "{name}: {}", outcome.stderr);
        assert_silent(name, &outcome.all(), &secrets);
        assert_silent(name, &outcome.all(), &values);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_prints_no_secret() {
    let bench = marked("secrets_database").await;
    let (secrets, values) = (secrets(&bench), values(&bench));
    let file = bench.resource.write(bench.folder());
    bench.replicate().await;
    // Constraints and triggers quote the row.
    for (name, statement, undo) in [
        (
            "a constraint",
            "ALTER TABLE salesforce.contact ADD CONSTRAINT mine CHECK (department IS DISTINCT FROM 'same')",
            "ALTER TABLE salesforce.contact DROP CONSTRAINT mine",
        ),
        (
            "a trigger",
            "CREATE FUNCTION salesforce.mine() RETURNS trigger LANGUAGE plpgsql AS \
             $$BEGIN RAISE EXCEPTION 'row % is refused', NEW; END$$; \
             CREATE TRIGGER mine BEFORE UPDATE ON salesforce.contact FOR EACH ROW EXECUTE FUNCTION salesforce.mine()",
            "DROP FUNCTION salesforce.mine() CASCADE",
        ),
    ] {
        bench.database().execute(statement).await;
        for row in 0..3 {
            let id = bench.org.id("Contact", row).expect("a row");
            bench
                .org
                .update("Contact", &id, &[("Department", "same"), ("Title", name)])
                .expect("a change");
        }
        let outcome = traced(&bench, &["run", "-f", &file, "--once", "-vv"], Some("trace")).await;
        assert!(matches!(outcome.code, Some(6 | 7)), "{name}: {}", outcome.stderr);
        assert_silent(name, &outcome.all(), &secrets);
        assert_silent(name, &outcome.all(), &values);
        bench.database().execute(undo).await;
        bench.replicate().await;
    }
}
