//! What goes wrong between the binary and the database: each ends with its code, says what to do, and when it is mended,
//! table and org are equal again.

use std::time::Duration;

use e2e::{
    binary::{self, Outcome},
    database::Database,
};
use simulator::{Rule, What};
use sqlx::Connection;

use crate::bench::{
    Bench, SPECIMEN, each,
    long::{KINDS, Kind},
};

/// Longest wait for something that must happen; a test that needs it has failed.
const LIMIT: Duration = Duration::from_mins(1);

/// Takes everything away.
const DROP: &str = "DROP SCHEMA salesforce CASCADE";

/// Sessions of ours that write rows.
const WRITES: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND application_name = 'salesforce-replicator' AND query ILIKE 'COPY%'";

/// The password of roles that the tests make.
const ROLE_PASSWORD: &str = "Fern-0815-weh";

#[track_caller]
fn says(name: &str, outcome: &Outcome, words: &[&str]) {
    for word in words {
        assert!(
            outcome.stderr.contains(word),
            "{name}: {word:?} is not in:\n{}",
            outcome.stderr
        );
    }
    assert!(
        !outcome.all().contains(ROLE_PASSWORD),
        "{name}: the password is told:\n{}",
        outcome.all()
    );
}

/// Runs a statement as the superuser; `false` where the server refuses it.
async fn try_execute(database: &Database, statement: &str) -> bool {
    let Database::Postgres { url } = database else {
        panic!("not PostgreSQL")
    };
    let mut connection = sqlx::PgConnection::connect(url).await.expect("the server answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&mut connection)
        .await
        .is_ok()
}

/// Makes a role without rights and gives the same database's URL for it.
async fn role(database: &Database, name: &str) -> (String, Database) {
    let Database::Postgres { url } = database else {
        panic!("not PostgreSQL")
    };
    let name = format!("{name}_{}", std::process::id());
    for statement in [
        format!("DROP ROLE IF EXISTS {name}"),
        format!("CREATE ROLE {name} LOGIN PASSWORD '{ROLE_PASSWORD}'"),
    ] {
        database.execute(&statement).await;
    }
    let mut url = url::Url::parse(url).expect("a URL");
    url.set_username(&name).expect("a URL with a host");
    url.set_password(Some(ROLE_PASSWORD)).expect("a URL with a host");
    (name, Database::Postgres { url: url.into() })
}

/// The statements that a message tells to run.
fn advised(message: &str, role: &str) -> Vec<String> {
    let end = format!("TO \"{role}\"");
    // Logs repeat it as JSON, with quotes escaped.
    let lines = message
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect::<Vec<_>>()
        .join("\n");
    let pieces = lines.split("GRANT ").skip(1);
    pieces
        .filter_map(|piece| Some(format!("GRANT {}{end}", piece.split_once(&end)?.0)))
        .collect()
}

/// A right that is missing.
struct Right {
    name: &'static str,
    /// Whether everything is there already, made by somebody else.
    replicated: bool,
    /// What is given or taken beforehand; `{role}` and `{database}` stand for theirs.
    set_up: &'static [&'static str],
    says: &'static [&'static str],
    /// What the superuser does besides what the message tells.
    mend: &'static [&'static str],
}

const RIGHTS: &[Right] = &[
    Right {
        name: "no right to make a schema",
        replicated: false,
        set_up: &[],
        says: &[
            "making the state tables",
            "permission denied",
            "GRANT CREATE ON DATABASE",
        ],
        mend: &[],
    },
    Right {
        name: "no right in the schema",
        replicated: false,
        set_up: &["CREATE SCHEMA salesforce"],
        says: &[
            "permission denied for schema salesforce",
            "GRANT USAGE, CREATE ON SCHEMA \"salesforce\"",
        ],
        mend: &[],
    },
    Right {
        name: "no right to make tables in the schema",
        replicated: false,
        set_up: &["CREATE SCHEMA salesforce", "GRANT USAGE ON SCHEMA salesforce TO {role}"],
        says: &[
            "permission denied for schema salesforce",
            "GRANT USAGE, CREATE ON SCHEMA \"salesforce\"",
        ],
        mend: &[],
    },
    Right {
        name: "no right to read the state",
        replicated: true,
        set_up: &["GRANT USAGE, CREATE ON SCHEMA salesforce TO {role}"],
        says: &[
            "reading the replication state",
            "permission denied",
            "GRANT SELECT, INSERT, UPDATE, DELETE",
        ],
        mend: &[],
    },
    Right {
        name: "no right to write rows",
        replicated: true,
        set_up: &[
            "GRANT USAGE, CREATE ON SCHEMA salesforce TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA salesforce TO {role}",
            "REVOKE INSERT, UPDATE ON salesforce.specimen__c FROM {role}",
        ],
        says: &[
            "specimen__c",
            "permission denied",
            "GRANT SELECT, INSERT, UPDATE, DELETE",
        ],
        mend: &[],
    },
    Right {
        name: "no right to write the state",
        replicated: true,
        set_up: &[
            "GRANT USAGE, CREATE ON SCHEMA salesforce TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA salesforce TO {role}",
            "REVOKE UPDATE ON salesforce._replication_state FROM {role}",
        ],
        says: &[
            "specimen__c",
            "_replication_state",
            "permission denied",
            "GRANT SELECT, INSERT, UPDATE, DELETE",
        ],
        mend: &[],
    },
    Right {
        name: "no right to make temporary tables",
        replicated: true,
        set_up: &[
            "GRANT USAGE, CREATE ON SCHEMA salesforce TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA salesforce TO {role}",
            "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
        ],
        says: &["specimen__c", "permission denied", "GRANT TEMPORARY ON DATABASE"],
        mend: &[],
    },
    Right {
        name: "a role that may only read",
        replicated: true,
        set_up: &[
            "GRANT USAGE, CREATE ON SCHEMA salesforce TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA salesforce TO {role}",
            "ALTER ROLE {role} SET default_transaction_read_only = on",
        ],
        says: &["the server takes no writes", "default_transaction_read_only"],
        mend: &["ALTER ROLE {role} RESET default_transaction_read_only"],
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_named_with_the_statement_that_gives_it() {
    each(RIGHTS.iter().enumerate(), |(number, right)| async move {
        let Right {
            name,
            replicated,
            set_up,
            says: words,
            mend,
        } = right;
        let mut bench = Bench::postgres(&format!("rights_{number}"), &[SPECIMEN]).await;
        let admin = bench.database().clone();
        if *replicated {
            bench.replicate().await;
            for row in 0..5 {
                let id = bench.org.id("Specimen__c", row).expect("a row");
                bench
                    .org
                    .update("Specimen__c", &id, &[("Text20__c", "new")])
                    .expect("a change");
            }
        }
        let (role, restricted) = role(&admin, &format!("rights_{number}")).await;
        let database = admin.query("SELECT current_database()").await[0][0]
            .clone()
            .expect("a name");
        let filled = |statement: &&str| statement.replace("{role}", &role).replace("{database}", &database);
        for statement in set_up.iter().map(filled) {
            admin.execute(&statement).await;
        }
        bench.resource.database = restricted;
        let outcome = bench.once().await;
        assert_eq!(outcome.code, Some(6), "{name}: {}", outcome.stderr);
        says(name, &outcome, words);
        says(name, &outcome, &["PostgreSQL at 127.0.0.1:", &database]);
        let advice = advised(&outcome.stderr, &role);
        assert!(
            !advice.is_empty() || !mend.is_empty(),
            "{name}: nothing is advised: {}",
            outcome.stderr
        );
        let mut helped = false;
        for statement in advice.iter().cloned().chain(mend.iter().map(filled)) {
            // Of two ways that are told, one may not be open.
            helped |= try_execute(&admin, &statement).await;
        }
        assert!(helped, "{name}: {advice:?}");
        bench.replicate().await;
        bench.resource.database = admin;
        bench.assert_equal().await;
    })
    .await;
}

/// A URL that leads nowhere.
struct Nowhere {
    name: &'static str,
    change: fn(&mut url::Url),
    code: i32,
    says: &'static [&'static str],
}

const NOWHERE: &[Nowhere] = &[
    Nowhere {
        name: "a wrong password",
        change: |url| url.set_password(Some(ROLE_PASSWORD)).expect("a host"),
        // The superuser's password goes as it is; any refusal is one of credentials.
        code: 4,
        says: &["the server refuses role postgres", "wrong password"],
    },
    Nowhere {
        name: "an unknown role",
        change: |url| {
            url.set_username("nobody_here").expect("a host");
            url.set_password(Some(ROLE_PASSWORD)).expect("a host");
        },
        code: 4,
        says: &["the server refuses role nobody_here"],
    },
    Nowhere {
        name: "no such database",
        change: |url| url.set_path("/nothing_here"),
        code: 6,
        says: &["there is no database nothing_here", "make it or mend the URL"],
    },
    Nowhere {
        name: "a port where nobody listens",
        change: |url| url.set_port(Some(9)).expect("a host"),
        code: 6,
        says: &["PostgreSQL at 127.0.0.1:9", "cannot be reached", "check host, port"],
    },
    Nowhere {
        name: "a host that is none",
        change: |url| url.set_host(Some("nowhere.invalid")).expect("a host"),
        code: 6,
        says: &["PostgreSQL at nowhere.invalid:", "cannot be reached"],
    },
    Nowhere {
        name: "TLS that is not offered",
        change: |url| url.set_query(Some("sslmode=require")),
        code: 6,
        says: &["no TLS connection as asked for", "sslmode"],
    },
    Nowhere {
        name: "a server that takes no writes",
        change: |url| url.set_query(Some("options[default_transaction_read_only]=on")),
        code: 6,
        says: &["the server takes no writes"],
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_used_is_told() {
    each(NOWHERE.iter().enumerate(), |(number, case)| async move {
        let Nowhere {
            name,
            change,
            code,
            says: words,
        } = case;
        let mut bench = Bench::postgres(&format!("nowhere_{number}"), &[SPECIMEN]).await;
        let right = bench.database().clone();
        let Database::Postgres { url } = &right else {
            panic!("not PostgreSQL")
        };
        let mut url = url::Url::parse(url).expect("a URL");
        change(&mut url);
        bench.resource.database = Database::Postgres { url: url.into() };
        let outcome = bench.once().await;
        assert_eq!(outcome.code, Some(*code), "{name}: {}", outcome.stderr);
        says(name, &outcome, words);
        assert_eq!(
            bench.org.counters().of("queryAll"),
            0,
            "{name}: nothing is read that cannot be written"
        );
        bench.resource.database = right;
        bench.replicate().await;
        bench.assert_equal().await;
    })
    .await;
}

#[tokio::test]
async fn a_url_that_is_none_is_told_without_a_letter_of_it() {
    let bench = Bench::postgres("no_url", &[SPECIMEN]).await;
    for url in [
        format!("mysql://me:{ROLE_PASSWORD}@db/crm"),
        format!("postgres://me:{ROLE_PASSWORD}?x@db/crm"),
        format!("postgres://me:{ROLE_PASSWORD}/x@db/crm"),
        format!("host=db password={ROLE_PASSWORD}"),
        format!("postgres://me:{ROLE_PASSWORD}@db:port/crm"),
        format!("postgres://me:x@db/crm?{ROLE_PASSWORD}=1"),
    ] {
        // `assert_discreet` reads the URL, and this one is none.
        let file = {
            let right = bench.resource.clone();
            let Database::Postgres { url: old } = bench.database() else {
                panic!("not PostgreSQL")
            };
            let yaml = right.yaml().replace(&format!("'{old}'"), &format!("'{url}'"));
            std::fs::write(bench.folder().join("broken.yaml"), yaml).expect("a file");
            "broken.yaml"
        };
        let outcome = binary::run(bench.folder(), &["run", "-f", file, "--once"])
            .await
            .exits(6);
        says(&url, &outcome, &["the database's URL"]);
    }
    assert_eq!(bench.org.counters().calls.len(), 0);
}

/// Starts a run whose second page comes late, and waits until its first page is on its way into the table.
async fn in_mid_segment(bench: &Bench, more: &[&str]) -> tokio::process::Child {
    bench.strike([Rule::at("queryMore", What::Delay { milliseconds: 4_000 })]);
    let file = bench.resource.write(bench.folder());
    let arguments: Vec<&str> = ["run", "-f", &file, "--once"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    let child = binary::command(bench.folder(), &arguments)
        .spawn()
        .expect("the binary starts");
    let wait = async {
        while bench.database().number(WRITES).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .expect("the first page is written");
    child
}

async fn finish(child: tokio::process::Child) -> Outcome {
    let output = tokio::time::timeout(LIMIT, child.wait_with_output())
        .await
        .expect("it ends in time");
    output.expect("it ends").into()
}

#[tokio::test]
async fn a_connection_that_is_killed_in_mid_segment_loses_nothing() {
    for (name, replicated) in [("killed_first", false), ("killed_later", true)] {
        let bench = Bench::postgres(name, &[SPECIMEN]).await;
        if replicated {
            bench.replicate().await;
            for row in 0..450 {
                let id = bench.org.id("Specimen__c", row).expect("a row");
                bench
                    .org
                    .update("Specimen__c", &id, &[("Text20__c", "new")])
                    .expect("a change");
            }
        }
        let child = in_mid_segment(&bench, &[]).await;
        let killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                      WHERE datname = current_database() AND application_name = 'salesforce-replicator'";
        assert!(bench.database().number(killed).await > 0, "{name}");
        let outcome = finish(child).await.exits(6);
        bench.assert_discreet(&outcome.all());
        says(name, &outcome, &["PostgreSQL at 127.0.0.1:", "specimen__c"]);
        assert!(
            ["the connection was lost", "ended our session"]
                .iter()
                .any(|words| outcome.stderr.contains(words)),
            "{name}: {}",
            outcome.stderr
        );
        bench.replicate().await;
        bench.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_killed_in_a_long_run_loses_nothing() {
    for kind in KINDS {
        let bench = Bench::postgres(&format!("killed_{}", kind.word()), &[SPECIMEN]).await;
        kind.make_work(&bench).await;
        // While records are read by their Ids, between two stretches, and in the middle of a segment.
        let call = if kind == Kind::Verify { "queryAll" } else { "queryMore" };
        bench.strike([Rule::at(call, What::Hang).of("Specimen__c")]);
        let file = bench.resource.write(bench.folder());
        let mut arguments = vec!["run", "-f", &file];
        arguments.extend(kind.arguments());
        let child = binary::start(bench.folder(), &arguments);
        binary::until("an answer that does not come", async || bench.org.rules().is_empty()).await;
        if kind == Kind::Refresh {
            // The page was asked for before the one in front of it was written.
            binary::until("a row on its way", async || bench.database().number(WRITES).await > 0).await;
        }
        let killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                      WHERE datname = current_database() AND application_name = 'salesforce-replicator'";
        assert!(bench.database().number(killed).await > 0, "{kind:?}");
        bench.org.release_hanging();
        let outcome = finish(child).await;
        bench.assert_discreet(&outcome.all());
        if outcome.code == Some(0) {
            // A connection that was not in use is replaced by another one.
            assert!(kind != Kind::Refresh, "a segment does not outlive its connection");
            bench.assert_equal().await;
        } else {
            let words = ["PostgreSQL at 127.0.0.1:", "Specimen__c"];
            says(kind.word(), &outcome.exits(6), &words);
        }
        drop(kind.run(&bench).await.exits(0));
        bench.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_another_process_holds_in_a_long_run_is_told() {
    for kind in KINDS {
        let bench = kind.bench().await;
        let other = rusqlite::Connection::open(bench.folder().join("replica.db")).expect("it opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
        let outcome = kind.run(&bench).await.exits(6);
        says(kind.word(), &outcome, &["replica.db", "another process writes to it"]);
        other.execute_batch("ROLLBACK").expect("it was begun");
        drop(kind.run(&bench).await.exits(0));
        bench.assert_equal().await;
    }
}

#[tokio::test]
async fn a_schema_that_is_dropped_in_mid_run_is_told_and_filled_anew() {
    let bench = Bench::postgres("dropped_run", &[SPECIMEN]).await;
    let child = in_mid_segment(&bench, &[]).await;
    // The COPY holds a lock on the table, so the drop waits for the segment's end; either may then be the victim of a
    // deadlock.
    let database = bench.database().clone();
    let (outcome, dropped) = tokio::join!(finish(child), try_execute(&database, DROP));
    bench.assert_discreet(&outcome.all());
    if outcome.code != Some(0) {
        says(
            "dropped",
            &outcome.exits(6),
            &["PostgreSQL at 127.0.0.1:", "Specimen__c"],
        );
    }
    if !dropped {
        bench.database().execute(DROP).await;
    }
    bench.replicate().await;
    bench.assert_equal().await;
}

#[tokio::test]
async fn a_schema_that_is_dropped_between_runs_is_filled_anew() {
    let bench = Bench::postgres("dropped_all", &[SPECIMEN]).await;
    bench.replicate().await;
    bench.database().execute(DROP).await;
    bench.replicate().await;
    bench.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_dropped_between_runs_is_told_and_never_taken_for_an_empty_one() {
    for bench in [
        Bench::sqlite(&[SPECIMEN]).await,
        Bench::postgres("dropped_table", &[SPECIMEN]).await,
    ] {
        bench.replicate().await;
        let table = bench.database().table("specimen__c");
        bench.database().execute(&format!("DROP TABLE {table}")).await;
        let id = bench.org.id("Specimen__c", 3).expect("a row");
        bench
            .org
            .update("Specimen__c", &id, &[("Text20__c", "new")])
            .expect("a change");
        let outcome = bench.once().await.exits(6);
        says("dropped", &outcome, &["specimen__c", "_replication_state"]);
        let state = bench.database().table("_replication_state");
        bench
            .database()
            .execute(&format!("DELETE FROM {state} WHERE object = 'Specimen__c'"))
            .await;
        bench.replicate().await;
        bench.assert_equal().await;
    }
}

/// Puts something where the file should be.
type Spoil = fn(&std::path::Path);

#[tokio::test]
async fn a_sqlite_file_that_cannot_be_one_is_told() {
    let bench = Bench::sqlite(&[SPECIMEN]).await;
    let file = bench.folder().join("replica.db");
    let cases: [(&str, Spoil, &[&str]); 4] = [
        (
            "a folder",
            |file| std::fs::create_dir(file).expect("a folder"),
            &["replica.db", "this is a folder"],
        ),
        (
            "no database",
            |file| {
                std::fs::write(
                    file,
                    "these are my notes, and they are longer than a header of SQLite. ".repeat(40),
                )
                .expect("a file");
            },
            &["replica.db", "no SQLite database", "move it away"],
        ),
        (
            "a link to where nothing can be made",
            |file| std::os::unix::fs::symlink("/proc/nothing/here.db", file).expect("a link"),
            &["replica.db", "cannot be opened", "rights"],
        ),
        (
            "a device",
            |file| std::os::unix::fs::symlink("/dev/full", file).expect("a link"),
            &["replica.db"],
        ),
    ];
    for (name, spoil, words) in cases {
        spoil(&file);
        let outcome = bench.once().await;
        assert_eq!(outcome.code, Some(6), "{name}: {}", outcome.stderr);
        says(name, &outcome, words);
        assert_eq!(
            bench.org.counters().of("queryAll"),
            0,
            "{name}: nothing is read that cannot be written"
        );
        if file.is_dir() && !file.is_symlink() {
            std::fs::remove_dir(&file).expect("it is empty");
        } else {
            std::fs::remove_file(&file).expect("it is there");
        }
    }
    bench.replicate().await;
    bench.assert_equal().await;
}

#[tokio::test]
async fn a_sqlite_file_that_another_process_holds_is_waited_for_and_then_told() {
    let bench = Bench::sqlite(&[SPECIMEN]).await;
    bench.replicate().await;
    let id = bench.org.id("Specimen__c", 3).expect("a row");
    bench
        .org
        .update("Specimen__c", &id, &[("Text20__c", "new")])
        .expect("a change");
    let other = rusqlite::Connection::open(bench.folder().join("replica.db")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    let outcome = bench.once().await.exits(6);
    says("locked", &outcome, &["replica.db", "another process writes to it"]);
    other.execute_batch("ROLLBACK").expect("it was begun");
    bench.replicate().await;
    bench.assert_equal().await;
}

#[tokio::test]
async fn a_disk_that_takes_no_more_loses_nothing() {
    let bench = Bench::sqlite(&[SPECIMEN]).await;
    let file = bench.resource.write(bench.folder());
    // A limit on the size of files stands for the end of a disk, and any user may set it. The unit is 512 bytes.
    for blocks in ["100", "400"] {
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let output = tokio::process::Command::new("sh")
            .args(["-c", &limit, "sh"])
            .arg(binary::path())
            .args(["run", "-f", &file, "--once"])
            .current_dir(bench.folder())
            .output()
            .await
            .expect("sh is there");
        let outcome = Outcome::from(output);
        assert_eq!(outcome.code, Some(6), "{blocks} blocks: {}", outcome.stderr);
        bench.assert_discreet(&outcome.all());
        says("full", &outcome, &["replica.db", "disk"]);
    }
    bench.replicate().await;
    bench.assert_equal().await;
}
