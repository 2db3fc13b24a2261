//! Faults in mid-segment: what is told, and that nothing is lost.

use std::time::Duration;

use replication::{
    Error, Result,
    batch::Batch,
    destination::{
        Deletions, Destination, Load, ObjectTable, StateWrite,
        postgres::{MergeStatement, Postgres, PostgresConfig, PostgresTable},
    },
    state::Counts,
};
use salesforce::ErrorKind;

use super::fixture::{GUARD, Place, batch, checkpoint, merge, noise, now, open, plan};

/// An index of somebody over more than the plan's.
const WIDER_INDEX: &str = "CREATE INDEX mine ON contact \
     ((spelled || md5('a' || spelled) || md5('b' || spelled) || md5('c' || spelled) || md5('d' || spelled)))";

/// A table whose sessions bear the name of the schema, so that they can be found.
async fn named_table(place: &Place) -> PostgresTable {
    merging_table(place, None).await
}

/// The same, whose rows are merged by this statement.
async fn merging_table(place: &Place, merge: Option<MergeStatement>) -> PostgresTable {
    let url = format!("{}?application_name={}", place.server.url(), place.schema);
    let mut config = PostgresConfig::new(url, &place.schema);
    config.limits.lock = Duration::from_millis(200);
    config.merge = merge;
    let destination = Postgres::connect(config).await.unwrap();
    destination.prepare().await.unwrap();
    let mut table = open(&destination, &plan(&[])).await;
    table.read_state().await.unwrap();
    table.create(&checkpoint(), now()).await.unwrap();
    table
}

/// Ends the sessions of the place and waits until they are gone; returns how many there were.
async fn terminate(place: &Place) -> usize {
    let sql = format!(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = '{}'",
        place.schema
    );
    place.server.query(&sql).await.len()
}

/// One segment of a first load.
async fn load(table: &mut PostgresTable, batch: Batch) -> Result<Counts> {
    table.begin(Load::Direct).await?;
    table.write(batch).await?;
    table
        .commit(&checkpoint(), Deletions::Keep, StateWrite::Always, now())
        .await
}

async fn spelled(place: &Place) -> Vec<String> {
    let rows = place
        .server
        .query("SELECT spelled FROM contact ORDER BY salesforce_id")
        .await;
    rows.into_iter().flatten().flatten().collect()
}

/// Writes until the dead session is noticed, and then commits if it never was.
async fn go_on(table: &mut PostgresTable) -> Error {
    let plan = plan(&[]);
    let long = "x".repeat(100_000);
    for _ in 0..100 {
        if let Err(error) = table.write(batch(&plan, &[&[&long]])).await {
            return error;
        }
    }
    table
        .commit(&checkpoint(), Deletions::Apply(GUARD), StateWrite::Always, now())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_session_that_ends_in_mid_segment_is_transient_and_nothing_is_lost() {
    let plan = plan(&[]);
    for load in [Load::Direct, Load::Merge] {
        let place = Place::new().await;
        let mut table = named_table(&place).await;
        merge(&mut table, batch(&plan, &[&["before"]])).await.unwrap();
        table.begin(load).await.unwrap();
        let long = "x".repeat(100_000);
        table.write(batch(&plan, &[&[&long], &[&long]])).await.unwrap();
        assert_eq!(terminate(&place).await, 1);
        let error = go_on(&mut table).await;
        assert_eq!(error.kind(), ErrorKind::Transient, "{error:?}");
        assert_eq!(error.reason(), "DatabaseUnavailable");
        assert!(
            error.message().contains("loading rows for contact"),
            "{}",
            error.message()
        );
        assert_eq!(spelled(&place).await, ["before"]);
        // The same table goes on by a session of its own making, and so does another process.
        let counts = merge(&mut table, batch(&plan, &[&["before"], &["after"]]))
            .await
            .unwrap();
        assert_eq!((counts.inserted, counts.updated), (1, 0));
        assert_eq!(spelled(&place).await, ["before", "after"]);
    }
}

#[tokio::test]
async fn a_session_that_ends_between_segments_is_not_even_noticed() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap();
    assert_eq!(terminate(&place).await, 1);
    assert_eq!(
        merge(&mut table, batch(&plan, &[&["a"], &["b"]]))
            .await
            .unwrap()
            .inserted,
        1
    );
    assert_eq!(terminate(&place).await, 1);
    assert!(table.read_state().await.unwrap().is_some());
    assert_eq!(terminate(&place).await, 1);
    table.touch(&checkpoint(), now()).await.unwrap();
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_transient_and_told() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    place.server.query("BEGIN; LOCK TABLE contact IN EXCLUSIVE MODE").await;
    let error = merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.message().contains("holds a lock"), "{}", error.message());
    place.server.query("ROLLBACK").await;
    assert_eq!(merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap().inserted, 1);
}

/// A future that is dropped in the middle of a segment leaves a connection in an unknown state; it is not used again.
#[tokio::test]
async fn a_cancelled_write_leaves_the_table_usable() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    for polls in 0..6 {
        table.begin(Load::Merge).await.unwrap();
        let long = "x".repeat(500_000);
        let rows: [&[&str]; 3] = [&[&long], &[&long], &[&long]];
        {
            let mut writing = Box::pin(table.write(batch(&plan, &rows)));
            for _ in 0..polls {
                if futures_util::poll!(&mut writing).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let counts = merge(&mut table, batch(&plan, &[&[&format!("turn {polls}")]]))
            .await
            .unwrap();
        assert_eq!(counts.inserted + counts.updated, 1);
        assert_eq!(spelled(&place).await, [format!("turn {polls}")]);
    }
}

#[tokio::test]
async fn constraints_and_triggers_of_others_are_told_without_the_values() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    place
        .server
        .query("ALTER TABLE contact ADD CONSTRAINT theirs CHECK (spelled <> 'marked-value')")
        .await;
    let error = merge(&mut table, batch(&plan, &[&["marked-value"]])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(
        error.message().contains("constraint theirs of table contact"),
        "{}",
        error.message()
    );
    let everything = format!("{error:?} {:?} {}", std::error::Error::source(&error), error.message());
    assert!(!everything.contains("marked-value"), "{everything}");

    place.server.query("ALTER TABLE contact DROP CONSTRAINT theirs").await;
    let function = format!(
        "CREATE FUNCTION {0}.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no %', NEW.spelled; END $$; \
         CREATE TRIGGER shout BEFORE INSERT ON contact FOR EACH ROW EXECUTE FUNCTION {0}.shout()",
        place.schema
    );
    place.server.query(&function).await;
    let error = merge(&mut table, batch(&plan, &[&["marked-value"]])).await.unwrap_err();
    let everything = format!("{error:?} {:?} {}", std::error::Error::source(&error), error.message());
    assert!(
        everything.contains("shout()") && everything.contains("trigger") && !everything.contains("marked-value"),
        "{everything}"
    );
}

/// Each message names what it is about and what to do, and never a value.
#[tokio::test]
async fn what_somebody_has_put_on_a_table_is_named_with_its_remedy() {
    let plan = plan(&[]);
    for (change, words) in [
        (
            "ALTER TABLE contact ADD mine text NOT NULL",
            ["column mine of table contact", "drop its NOT NULL"],
        ),
        (
            "CREATE UNIQUE INDEX mine ON contact ((1))",
            ["constraint mine of table contact", "drop it"],
        ),
        (
            "CREATE INDEX mine ON contact ((spelled::int))",
            [
                "a column that it does not name (SQLSTATE 22P02)",
                "an index over an expression",
            ],
        ),
    ] {
        let place = Place::new().await;
        let mut table = named_table(&place).await;
        place.server.query(change).await;
        let rows: [&[&str]; 2] = [&["1"], &["marked-value"]];
        let error = merge(&mut table, batch(&plan, &rows)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal, "{change}");
        let everything = format!("{error:?} {:?} {}", std::error::Error::source(&error), error.message());
        assert!(words.iter().all(|word| error.message().contains(word)), "{everything}");
        assert!(!everything.contains("marked-value"), "{everything}");
    }
}

/// Each is found, though they are many, and each of the others is in the table once.
#[tokio::test]
async fn many_rows_that_a_table_refuses_are_rejected() {
    let plan = plan(&[]);
    let texts: Vec<String> = (0..3_000_u32)
        .map(|n| if n % 10 == 3 { noise(n) } else { format!("short {n}") })
        .collect();
    let values: Vec<[&str; 1]> = texts.iter().map(|text| [text.as_str()]).collect();
    let rows: Vec<&[&str]> = values.iter().map(<[&str; 1]>::as_slice).collect();
    for statement in [MergeStatement::Merge, MergeStatement::UpdateInsert] {
        let place = Place::new().await;
        let mut table = merging_table(&place, Some(statement)).await;
        place.server.query(WIDER_INDEX).await;
        let counts = merge(&mut table, batch(&plan, &rows)).await.unwrap();
        assert_eq!((counts.inserted, counts.updated, counts.rejected), (2_700, 0, 300));
        let whole = "SELECT count(*) FROM contact WHERE spelled LIKE 'short %'";
        assert_eq!(place.server.value(whole).await, "2700");
        let told = "SELECT count(*) FROM _rejected_row WHERE column_name = '*'";
        assert_eq!(place.server.value(told).await, "300");
        // The staging table is as it was, and the next segment as any other.
        let counts = merge(&mut table, batch(&plan, &rows)).await.unwrap();
        assert_eq!((counts.inserted, counts.updated, counts.rejected), (0, 0, 300));
    }
}

/// A first load does not look for the row.
#[tokio::test]
async fn an_index_of_somebody_that_a_first_load_does_not_fit_is_named() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    place.server.query(WIDER_INDEX).await;
    let long = format!("marked-value{}", noise(0));
    let error = load(&mut table, batch(&plan, &[&["1"], &[&long]])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    let everything = format!("{error:?} {:?} {}", std::error::Error::source(&error), error.message());
    let words = ["index \"mine\"", "drop it"];
    assert!(words.iter().all(|word| error.message().contains(word)), "{everything}");
    assert!(!everything.contains("marked-value"), "{everything}");
}

/// A COPY names the column that a value is for, and the value behind it.
#[tokio::test]
async fn a_value_that_the_server_refuses_is_told_by_its_column() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    place
        .server
        .query("ALTER TABLE contact ALTER spelled TYPE varchar(3)")
        .await;
    let error = load(&mut table, batch(&plan, &[&["marked-value"]])).await.unwrap_err();
    let everything = format!("{error:?} {:?} {}", std::error::Error::source(&error), error.message());
    let named = "refuses a value of column spelled (SQLSTATE 22001); exclude its field";
    assert!(error.message().contains(named), "{everything}");
    assert!(!everything.contains("marked-value"), "{everything}");
}

#[tokio::test]
async fn a_table_that_somebody_dropped_is_told() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    place.server.query("DROP TABLE contact").await;
    let error = merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.message().contains("dropped or renamed"), "{}", error.message());
}

/// Between fence and commit a process is alone with its object: the next one waits, and is told if it takes too long.
#[tokio::test]
async fn two_processes_never_merge_into_one_table_at_once() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    let lock = format!("hashtextextended('salesforce-replicator/{}/Contact', 0)", place.schema);
    place.server.query(&format!("SELECT pg_advisory_lock({lock})")).await;
    let error = merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!(spelled(&place).await, Vec::<String>::new());
    place.server.query(&format!("SELECT pg_advisory_unlock({lock})")).await;
    assert_eq!(merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap().inserted, 1);
}

/// Somebody has what our transaction waits for, and wants our rows: the server ends ours, which waits for a shorter time.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_transient_and_the_segment_is_tried_again() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let url = format!("{}?application_name={}", place.server.url(), place.schema);
    let destination = Postgres::connect(PostgresConfig::new(url, &place.schema))
        .await
        .unwrap();
    destination.prepare().await.unwrap();
    let mut table = open(&destination, &plan).await;
    table.read_state().await.unwrap();
    table.create(&checkpoint(), now()).await.unwrap();
    merge(&mut table, batch(&plan, &[&["a"], &["b"]])).await.unwrap();
    let lock = format!("pg_advisory_xact_lock(hashtext('{}'))", place.schema);
    let trigger = format!(
        "CREATE FUNCTION {0}.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM set_config('deadlock_timeout', '3s', true); PERFORM {lock}; RETURN NULL; END $$; \
         CREATE TRIGGER wait AFTER UPDATE ON contact FOR EACH ROW WHEN (NEW.spelled = 'one') \
         EXECUTE FUNCTION {0}.wait()",
        place.schema
    );
    place.server.query(&trigger).await;
    let held = format!("BEGIN; SET LOCAL deadlock_timeout = '1min'; SELECT {lock}");
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}' AND wait_event_type = 'Lock'",
        place.schema
    );
    place.server.query(&held).await;
    let (merged, ()) = tokio::join!(merge(&mut table, batch(&plan, &[&["one"], &["two"]])), async {
        while place.server.value(&waits).await != "1" {
            tokio::task::yield_now().await;
        }
        let first = "UPDATE contact SET spelled = 'theirs' WHERE spelled = 'a'; COMMIT";
        place.server.query(first).await;
    });
    let error = merged.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error:?}");
    assert_eq!(error.reason(), "DatabaseUnavailable");
    assert!(error.message().contains("deadlock"), "{}", error.message());
    assert_eq!(spelled(&place).await, ["theirs", "b"]);
    let counts = merge(&mut table, batch(&plan, &[&["one"], &["two"]])).await.unwrap();
    assert_eq!(counts.updated, 2);
    assert_eq!(spelled(&place).await, ["one", "two"]);
}

/// Whoever runs our transactions at another level of isolation (a role's or a database's setting is overridden by ours, a
/// trigger's is not): the server asks for another try.
#[tokio::test]
async fn a_serialization_failure_is_transient() {
    let plan = plan(&[]);
    let place = Place::new().await;
    let mut table = named_table(&place).await;
    let function = format!(
        "CREATE FUNCTION {0}.fail() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE 'could not serialize access to marked-value' USING ERRCODE = '40001'; END $$; \
         CREATE TRIGGER fail BEFORE INSERT ON contact FOR EACH ROW EXECUTE FUNCTION {0}.fail()",
        place.schema
    );
    place.server.query(&function).await;
    let error = merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error:?}");
    let everything = format!("{error:?} {}", error.message());
    assert!(!everything.contains("marked-value"), "{everything}");
    place.server.query("DROP TRIGGER fail ON contact").await;
    assert_eq!(merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap().inserted, 1);
}
