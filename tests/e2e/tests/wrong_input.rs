//! What a person writes wrongly: `plan` names it and what to do, and `run` refuses with the same words and writes nothing.

use e2e::{binary::Outcome, database::Database};
use simulator::{
    Config,
    schema::{Field, FieldType},
};

use crate::bench::{Bench, config, each};

/// Errors alone, without logs.
fn errors(outcome: &Outcome) -> String {
    let lines = outcome.stderr.lines().filter(|line| !line.starts_with('{'));
    lines.collect::<Vec<_>>().join("\n")
}

/// Both commands end with `code`, say the same, and the database stays as it was.
async fn refused(bench: &Bench, name: &str, code: i32, words: &[&str]) {
    let before = everything(bench.database()).await;
    let planned = bench.run("plan", &[]).await;
    assert_eq!(
        planned.code,
        Some(code),
        "plan, {name}: {}\n{}",
        planned.stdout,
        planned.stderr
    );
    for word in words {
        assert!(
            planned.stderr.contains(word),
            "{name}: {word:?} is not in:\n{}",
            planned.stderr
        );
    }
    for more in [&["--once"] as &[&str], &[]] {
        if code == 6 && more.is_empty() {
            // It goes on by its trigger: somebody may mend the table meanwhile.
            continue;
        }
        let ran = bench.run("run", more).await;
        assert_eq!(ran.code, Some(code), "run, {name}: {}", ran.stderr);
        let (planned, ran) = (errors(&planned), errors(&ran));
        assert!(
            same_words(&planned, &ran),
            "{name}: plan says\n{planned}\nand run says\n{ran}"
        );
    }
    assert_eq!(
        everything(bench.database()).await,
        before,
        "{name}: something was written"
    );
}

fn same_words(planned: &str, ran: &str) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches("error: ").to_owned();
    bare(ran).contains(&bare(planned))
}

/// Names of tables, and the number of their rows.
async fn everything(database: &Database) -> Vec<(String, i64)> {
    let names = match database {
        Database::Postgres { .. } => {
            "SELECT schemaname || '.\"' || tablename || '\"' FROM pg_tables \
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        }
        Database::Sqlite { file } if !file.exists() => return Vec::new(),
        Database::Sqlite { .. } => "SELECT '\"' || name || '\"' FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
    };
    let mut tables = Vec::new();
    for row in database.query(names).await {
        let name = row.into_iter().next().flatten().expect("a name");
        let rows = database.number(&format!("SELECT count(*) FROM {name}")).await;
        tables.push((name, rows));
    }
    tables
}

/// One object of the resource that is wrong, and the words that tell it.
const OBJECTS: &[(&str, &[&str], &[&str])] = &[
    (
        "an unknown object",
        &["{name: Contcat}"],
        &["Contcat", "does not exist", "may not see it", "did you mean Contact?"],
    ),
    (
        "an object without its suffix",
        &["{name: Specimen}"],
        &["Specimen", "did you mean Specimen__c?"],
    ),
    (
        "an object that is like none",
        &["{name: Zebra__c}"],
        &["Zebra__c: the object does not exist"],
    ),
    (
        "an unknown field",
        &["{name: Contact, fields: [{source: Emial, column: email_2}]}"],
        &["Contact: field Emial", "did you mean Email?", "email_2"],
    ),
    (
        "an unknown field of the parent",
        &["{name: Contact, fields: [{source: Account.Industri, column: industry}]}"],
        &["Account.Industri", "did you mean Account.Industry?"],
    ),
    (
        "the field of the reference instead of the relationship",
        &["{name: Contact, fields: [{source: AccountId.Name, column: company_2}]}"],
        &["AccountId.Name", "did you mean Account.Name?"],
    ),
    (
        "a field of binary data",
        &["{name: Specimen__c, mapping: None, fields: [{source: Base64__c, column: bytes}]}"],
        &["Specimen__c", "Base64__c", "binary data"],
    ),
    (
        "a compound field",
        &["{name: Contact, fields: [{source: MailingAddress, column: address}]}"],
        &["MailingAddress", "compound", "MailingStreet"],
    ),
    (
        "two fields for one column",
        &["{name: Contact, mapping: None, fields: [{source: Email, column: x}, {source: Phone, column: x}]}"],
        &["crm.yaml:", "column: x is there twice"],
    ),
    (
        "a field and a template for one column",
        &[
            "{name: Contact, mapping: None, fields: [{source: Email, column: x}], urls: [{column: x, template: \"https://a/{Id}\"}]}",
        ],
        &["Contact", "column x"],
    ),
    (
        "an exclude of what is not there",
        &["{name: Contact, exclude: [HomePhoen]}"],
        &["Contact", "HomePhoen", "did you mean HomePhone?"],
    ),
    (
        "an index of a column that is not there",
        &["{name: Contact, indexes: [[emial]]}"],
        &["Contact", "emial", "did you mean email?"],
    ),
    (
        "an unknown name in a template",
        &["{name: Contact, urls: [{column: contact_url_1, template: \"https://crm.example/{Idd}\"}]}"],
        &["Contact", "names Idd", "did you mean Id?", "contact_url_1"],
    ),
    (
        "a template that is not https",
        &["{name: Contact, urls: [{column: contact_url_1, template: \"http://crm.example/{Id}\"}]}"],
        &["contact_url_1", "https"],
    ),
    (
        "a template whose host is a field",
        &["{name: Contact, urls: [{column: contact_url_1, template: \"{Email}/x\"}]}"],
        &["contact_url_1", "https"],
    ),
    (
        "an open brace",
        &["{name: Contact, urls: [{column: contact_url_1, template: \"https://crm.example/{Id\"}]}"],
        &["contact_url_1", "{"],
    ),
    (
        "a condition with more behind it",
        &["{name: Contact, where: \"Email != null ORDER BY Email\"}"],
        &["Contact: where: ORDER BY at character 15", "behind WHERE"],
    ),
    (
        "a condition with a parenthesis that nobody closes",
        &["{name: Contact, where: \"(Email != null\"}"],
        &["Contact: where: the ( at character 1"],
    ),
    (
        "a condition without quotes",
        &["{name: Contact, where: \"MailingCountry = Germany\"}"],
        &["Contact: where: Germany at character 18", "in quotes"],
    ),
    (
        "an unknown field in a condition",
        &["{name: Contact, where: \"Emial != null\"}"],
        &["Contact: where: field Emial (character 1)", "did you mean Email?"],
    ),
    (
        "a field in a condition that cannot be filtered by",
        &["{name: Contact, where: \"Description != null\"}"],
        &["Contact: where: Salesforce does not filter by field Description"],
    ),
    (
        "a number of a condition in quotes",
        &["{name: Account, where: \"NumberOfEmployees > 'abc'\"}"],
        &[
            "Account: where: field NumberOfEmployees (character 1) is a number",
            "without quotes",
        ],
    ),
    (
        "a moment of a condition in quotes",
        &["{name: Contact, where: \"CreatedDate > 'x'\"}"],
        &[
            "Contact: where: field CreatedDate (character 1) is a moment",
            "2026-01-31T08:00:00Z",
        ],
    ),
    (
        "a number for true or false in a condition",
        &["{name: User, where: \"IsActive = 1\"}"],
        &[
            "User: where: field IsActive (character 1) is true or false",
            "write true or false",
        ],
    ),
    (
        "a name in the place of an Id in a condition",
        &["{name: Contact, where: \"OwnerId = 'Smith'\"}"],
        &[
            "Contact: where: field OwnerId (character 1) is an Id",
            "15 or 18 characters",
        ],
    ),
    (
        "two objects with one table",
        &["{name: Contact, table: people}", "{name: Lead, table: people}"],
        &["people", "Contact", "Lead"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_fields_templates_and_tables() {
    each(OBJECTS, |(name, objects, words)| async move {
        let bench = Bench::sqlite(objects).await;
        refused(&bench, name, 3, words).await;
        assert!(!bench.folder().join("replica.db").exists(), "{name}: no file is made");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_postgresql() {
    let cases = [0, 3, 8, 16, 19].map(|case| (case, OBJECTS[case]));
    each(cases, |(case, (name, objects, words))| async move {
        let bench = Bench::postgres(&format!("wrong_{case}"), objects).await;
        refused(&bench, name, 3, words).await;
        assert_eq!(everything(bench.database()).await, [], "{name}: no table is made");
        assert_eq!(
            bench
                .database()
                .number("SELECT count(*) FROM pg_namespace WHERE nspname = 'salesforce'")
                .await,
            0
        );
    })
    .await;
}

#[tokio::test]
async fn a_field_that_the_user_may_not_read() {
    let bench = Bench::sqlite(&["{name: Contact, mapping: None, fields: [{source: Email, column: email}]}"]).await;
    bench
        .org
        .withdraw("admin@example.com", "Contact", Some("Email"))
        .expect("the field is there");
    refused(&bench, "withdrawn", 3, &["Contact", "Email", "may not read it"]).await;
    bench
        .org
        .grant("admin@example.com", "Contact", Some("Email"))
        .expect("the field is there");
    bench.replicate().await;
}

#[tokio::test]
async fn an_object_that_the_user_may_not_see() {
    let bench = Bench::sqlite(&["{name: Contact}"]).await;
    bench
        .org
        .withdraw("admin@example.com", "Contact", None)
        .expect("the object is there");
    refused(
        &bench,
        "withdrawn",
        3,
        &["Contact: the object does not exist", "may not see it"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_wrong_does_not_stop_the_others() {
    each(["sqlite", "postgres"], |kind| async move {
        let objects = [
            "{name: Contcat}",
            "{name: Account}",
            "{name: Lead, where: \"Nmae != null\"}",
        ];
        let bench = if kind == "sqlite" {
            Bench::sqlite(&objects).await
        } else {
            Bench::postgres("wrong_beside", &objects).await
        };
        let planned = bench.run("plan", &[]).await;
        let ran = bench.run("run", &["--once"]).await;
        assert_eq!(
            (planned.code, ran.code),
            (Some(3), Some(7)),
            "{}\n{}",
            planned.stderr,
            ran.stderr
        );
        for words in ["Contcat: the object does not exist", "Lead: where: field Nmae"] {
            assert!(planned.stderr.contains(words), "{}", planned.stderr);
            assert!(errors(&ran).contains(words), "{}", ran.stderr);
        }
        assert!(planned.stdout.contains("Account -> account"), "{}", planned.stdout);
        let database = bench.database();
        let table = |name: &str| database.table(name);
        let rows = database
            .number(&format!("SELECT count(*) FROM {}", table("account")))
            .await;
        assert!(rows > 0, "{kind}");
        let states = database
            .query(&format!("SELECT object FROM {}", table("_replication_state")))
            .await;
        assert_eq!(states, [[Some("Account".to_owned())]], "{kind}");
    })
    .await;
}

#[tokio::test]
async fn of_two_near_names_none_is_told() {
    let bench = Bench::sqlite(&["{name: Contact, fields: [{source: Region3__c, column: region}]}"]).await;
    for name in ["Region1__c", "Region2__c"] {
        bench
            .org
            .add_field("Contact", Field::new(name, FieldType::String))
            .expect("a new name");
    }
    refused(&bench, "two near names", 3, &["Region3__c"]).await;
    let planned = bench.run("plan", &[]).await;
    assert!(!planned.stderr.contains("did you mean"), "{}", planned.stderr);
}

#[tokio::test]
async fn a_label_that_two_fields_have() {
    let bench = Bench::sqlite(&[
        "{name: Contact, urls: [{column: contact_url_1, template: \"https://crm.example/{Office}\"}]}",
    ])
    .await;
    for name in ["Office_Code__c", "Office_Name__c"] {
        bench
            .org
            .add_field("Contact", Field::new(name, FieldType::String).label("Office"))
            .expect("a new name");
    }
    refused(
        &bench,
        "an ambiguous label",
        3,
        &["Office", "Office_Code__c", "Office_Name__c"],
    )
    .await;
}

/// A change of the file as text, and the words that tell it.
const FILES: &[(&str, &str, &str, &[&str])] = &[
    (
        "two destinations",
        "destination: {",
        "destination: {postgres: {secretRef: {name: database}}, ",
        &["destination", "exactly one"],
    ),
    (
        "no destination",
        "destination: {sqlite: {file: replica.db}}",
        "destination: {}",
        &["destination", "exactly one"],
    ),
    (
        "an unknown key",
        "  objects:",
        "  paralelism: 3\n  objects:",
        &["spec.paralelism", "did you mean parallelism?", "crm.yaml:"],
    ),
    (
        "an unknown key of an object",
        "{name: Contact}",
        "{name: Contact, mappin: None}",
        &["mappin", "did you mean mapping?"],
    ),
    (
        "a wrong value of a list",
        "{name: Contact}",
        "{name: Contact, mapping: Directry}",
        &["mapping", "Directory", "Mirror", "None"],
    ),
    (
        "a wrong mode of deletes",
        "{name: Contact}",
        "{name: Contact, deletes: remove}",
        &["deletes", "Remove", "Mark", "Ignore"],
    ),
    (
        "a bad interval",
        "  objects:",
        "  trigger: {interval: 5 minutes}\n  objects:",
        &["trigger.interval"],
    ),
    (
        "an interval without a unit",
        "  objects:",
        "  trigger: {interval: \"300\"}\n  objects:",
        &["trigger.interval"],
    ),
    (
        "a bad cron line",
        "  objects:",
        "  trigger: {schedule: \"every day\"}\n  objects:",
        &["trigger.schedule"],
    ),
    (
        "a minute that is none",
        "  objects:",
        "  trigger: {schedule: \"61 * * * *\"}\n  objects:",
        &["trigger.schedule"],
    ),
    (
        "a time zone that is none",
        "  objects:",
        "  trigger: {schedule: \"0 6 * * *\", timeZone: Europe/Berlin2}\n  objects:",
        &["timeZone", "Europe/Berlin2"],
    ),
    (
        "both ways of a trigger",
        "  objects:",
        "  trigger: {interval: 5m, schedule: \"0 6 * * *\"}\n  objects:",
        &["trigger", "interval", "schedule"],
    ),
    (
        "a URL that is none",
        "loginUrl: ",
        "loginUrl: not-a-url # ",
        &["loginUrl"],
    ),
    (
        "http to another host",
        "loginUrl: ",
        "loginUrl: http://acme.example # ",
        &["loginUrl", "https"],
    ),
    (
        "a version that is none",
        "apiVersion: '66.0'",
        "apiVersion: new",
        &["apiVersion"],
    ),
    (
        "two ways to log in",
        "auth: {",
        "auth: {clientCredentials: {secretRef: {name: x}}, ",
        &["auth", "exactly one"],
    ),
    (
        "another API",
        "salesforce-replicator.io/v1alpha1",
        "salesforce-replicator.io/v2",
        &["v1alpha1"],
    ),
    (
        "another kind",
        "kind: SalesforceReplicator",
        "kind: SalesforceReplicater",
        &["crm.yaml:", "kind: must be SalesforceReplicator"],
    ),
    (
        "a file with a path",
        "file: replica.db",
        "file: ../replica.db",
        &["sqlite.file"],
    ),
    (
        "no objects",
        "objects:\n    - {name: Contact}\n",
        "objects: []\n",
        &["objects"],
    ),
    (
        "more deletes than all",
        "  objects:",
        "  consistency: {maxDeletePercent: 101}\n  objects:",
        &["maxDeletePercent", "100"],
    ),
    (
        "a period that is none",
        "  objects:",
        "  consistency: {verifyEvery: hourly}\n  objects:",
        &["consistency.verifyEvery"],
    ),
    (
        "one object twice",
        "    - {name: Contact}",
        "    - {name: Contact}\n    - {name: Contact}",
        &["Contact"],
    ),
];

/// Settings that the resource has and this version does not serve.
const NOT_SERVED: &[(&str, &str, &str, &[&str])] = &[
    (
        "MySQL",
        "destination: {sqlite: {file: replica.db}}",
        "destination: {mysql: {secretRef: {name: database}}}",
        &["destination.mysql", "not served"],
    ),
    (
        "Bulk",
        "  connection:\n",
        "  connection:\n    api: Bulk\n",
        &["connection.api", "not served", "Soap"],
    ),
    (
        "client credentials",
        "auth: {password:",
        "auth: {clientCredentials:",
        &["connection.auth.clientCredentials", "not served", "password"],
    ),
    (
        "a JWT",
        "auth: {password:",
        "auth: {jwtBearer:",
        &["connection.auth.jwtBearer", "not served", "password"],
    ),
    (
        "pods",
        "  objects:",
        "  execution: {jobs: Always}\n  objects:",
        &["execution.jobs"],
    ),
    (
        "a region",
        "  objects:",
        "  phoneNumbers: {defaultRegion: DE}\n  objects:",
        &["phoneNumbers", "not served"],
    ),
    (
        "an area",
        "  objects:",
        "  phoneNumbers: {defaultRegion: DE, areaCode: \"8151\"}\n  objects:",
        &["phoneNumbers", "not served"],
    ),
];

/// Runs a command on a file that was changed as text.
async fn with_file(bench: &Bench, from: &str, to: &str, command: &str, more: &[&str]) -> Outcome {
    let text = bench.resource.yaml();
    assert!(text.contains(from), "{from:?} is not in:\n{text}");
    std::fs::write(bench.folder().join("changed/crm.yaml"), text.replacen(from, to, 1)).expect("a file");
    let folder = bench.folder().join("changed");
    let arguments: Vec<&str> = [command, "-f", "crm.yaml"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    e2e::binary::run(&folder, &arguments).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_file_says_and_what_is_not_served() {
    each(FILES.iter().chain(NOT_SERVED), |(name, from, to, words)| async move {
        let bench = Bench::sqlite(&["{name: Contact}"]).await;
        std::fs::create_dir(bench.folder().join("changed")).expect("a folder");
        let planned = with_file(&bench, from, to, "plan", &[]).await;
        assert_eq!(planned.code, Some(3), "{name}: {}\n{}", planned.stdout, planned.stderr);
        for word in *words {
            assert!(
                planned.stderr.contains(word),
                "{name}: {word:?} is not in:\n{}",
                planned.stderr
            );
        }
        for more in [&["--once"] as &[&str], &[]] {
            let ran = with_file(&bench, from, to, "run", more).await;
            assert_eq!(
                (ran.code, errors(&ran)),
                (planned.code, errors(&planned)),
                "{name}: run says other words"
            );
        }
        assert_eq!(
            bench.org.counters().calls.len(),
            0,
            "{name} can be told without Salesforce"
        );
        assert!(
            !bench.folder().join("changed/replica.db").exists(),
            "{name}: no file is made"
        );
    })
    .await;
}

#[tokio::test]
async fn everything_wrong_with_a_resource_is_told_at_once() {
    let bench = Bench::sqlite(&[
        "{name: Contcat}",
        "{name: Lead, fields: [{source: Compny, column: a}, {source: Emial, column: b}]}",
        "{name: Account, urls: [{column: contact_url_1, template: \"https://x/{Nothing}\"}]}",
    ])
    .await;
    refused(
        &bench,
        "several",
        3,
        &["Contcat", "Compny", "Emial", "Nothing", "problems"],
    )
    .await;
    std::fs::create_dir(bench.folder().join("changed")).expect("a folder");
    let change = "  paralelism: 3\n  trigger: {interval: soon}\n  suspend: perhaps\n  objects:";
    let planned = with_file(&bench, "  objects:", change, "plan", &[]).await.exits(3);
    for word in ["paralelism", "trigger.interval", "suspend", "3 problems"] {
        assert!(planned.stderr.contains(word), "{word}: {}", planned.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_secrets_are_told_by_name_and_key() {
    let bench = Bench::postgres("wrong_secrets", &["{name: Contact}"]).await;
    let yaml = bench.resource.yaml();
    let (resource, _) = yaml.split_once("---").expect("several documents");
    std::fs::create_dir(bench.folder().join("changed")).expect("a folder");
    std::fs::write(bench.folder().join("changed/crm.yaml"), resource).expect("a file");
    for command in [
        &["plan", "-f", "crm.yaml"] as &[&str],
        &["run", "-f", "crm.yaml", "--once"],
        &["run", "-f", "crm.yaml"],
    ] {
        let outcome = e2e::binary::run(&bench.folder().join("changed"), command)
            .await
            .exits(4);
        for word in [
            "secret salesforce, key username",
            "secret salesforce, key password",
            "secret database, key url",
            "SFR_SALESFORCE_PASSWORD",
            "SFR_DATABASE_URL",
            "--secrets",
        ] {
            assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
        }
        assert!(
            !outcome.stderr.contains("securityToken"),
            "it is not needed: {}",
            outcome.stderr
        );
    }
    assert_eq!(bench.org.counters().calls.len(), 0);
    // An empty value is missing too.
    std::fs::write(
        bench.folder().join("changed/crm.yaml"),
        yaml.replacen("'correct horse'", "''", 1),
    )
    .expect("a file");
    let outcome = e2e::binary::run(&bench.folder().join("changed"), &["run", "-f", "crm.yaml", "--once"])
        .await
        .exits(4);
    assert!(
        outcome.stderr.contains("salesforce") && outcome.stderr.contains("password"),
        "{}",
        outcome.stderr
    );
    assert_eq!(bench.org.counters().calls.len(), 0);
}

/// The same database with a replica of Contact by somebody else.
async fn both(name: &str) -> [Bench; 2] {
    [
        Bench::sqlite(&["{name: Contact}"]).await,
        Bench::postgres(name, &["{name: Contact}"]).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_org_are_left_alone() {
    for mut first in both("wrong_org").await {
        first.replicate().await;
        let config = Config {
            organization_id: "00D000000000002EAA".into(),
            seed: 2,
            ..config()
        };
        let folder = tempfile::tempdir().expect("a folder");
        let second = Bench::new(config, folder, first.database(), &["{name: Contact}"]).await;
        let right = std::mem::replace(&mut first.resource.login_url, second.resource.login_url.clone());
        refused(
            &first,
            "another org",
            6,
            &["Contact", "00D000000000001EAA", "00D000000000002EAA"],
        )
        .await;
        first.resource.login_url = right;
        first.replicate().await;
        first.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_replicator_are_left_alone() {
    for mut bench in both("wrong_replicator").await {
        bench.replicate().await;
        bench.resource.name = "sales".into();
        refused(
            &bench,
            "another replicator",
            6,
            &["Contact", "default/crm", "default/sales"],
        )
        .await;
        // Another object's table is one's own affair.
        bench.resource.objects = vec!["{name: Account}".into()];
        bench.replicate().await;
        bench.resource.name = "crm".into();
        bench.resource.objects = vec!["{name: Contact}".into()];
        bench.replicate().await;
        bench.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_somebody_else_with_our_name_is_left_alone() {
    for bench in both("wrong_table").await {
        if let Database::Postgres { .. } = bench.database() {
            bench.database().execute("CREATE SCHEMA salesforce").await;
        }
        let table = bench.database().table("contact");
        let mine = format!("CREATE TABLE {table} (mine TEXT); INSERT INTO {table} VALUES ('x')");
        bench.database().execute(&mine).await;
        refused(&bench, "a foreign table", 6, &["contact"]).await;
        bench.database().execute(&format!("DROP TABLE {table}")).await;
        bench.replicate().await;
        bench.assert_equal().await;
    }
}

/// What is wrong is refused also where a table is there already, and what is right is carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_that_changes_after_the_first_load_is_refused_where_it_is_wrong_and_else_carried_out() {
    for mut bench in both("wrong_change").await {
        bench.replicate().await;
        bench.resource.objects = vec!["{name: Contact, deletes: Mark, exclude: [Emial]}".into()];
        refused(
            &bench,
            "another mapping",
            3,
            &["Contact", "Emial", "did you mean Email?"],
        )
        .await;
        bench.resource.objects = vec!["{name: Contact, deletes: Mark}".into()];
        let report = bench.run("run", &["--once", "-o", "json"]).await.exits(0).json();
        let kinds: Vec<_> = report["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .map(|run| &run["kind"])
            .collect();
        assert!(kinds.contains(&&"Refresh".into()), "{report:#}");
        let table = bench.database().table("contact");
        let statement = format!("SELECT count(*) FROM {table} WHERE NOT is_deleted");
        assert_eq!(bench.database().number(&statement).await, 30);
        bench.resource.objects = vec!["{name: Contact}".into()];
        bench.replicate().await;
        bench.assert_equal().await;
    }
}
