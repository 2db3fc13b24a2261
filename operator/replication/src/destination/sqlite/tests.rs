//! What is SQLite's own: the file and its errors, the log, the turns, the plans of statements. The contract that all
//! destinations share is tested by `tests/contract`.

mod columns;
mod plans;
mod schema;

use std::{cell::RefCell, fs, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use rusqlite::Connection;
use salesforce::ErrorKind;
use tempfile::TempDir;

use super::{Sqlite, SqliteTable, connect, session::Session};
use crate::{
    Error,
    batch::Batch,
    budget::BytePermit,
    destination::{Deletions, Destination, Load, ObjectTable, StateWrite, Stretch},
    fixture::contact,
    guard::Guard,
    plan::{Column, ColumnKind, ColumnSource, Deletes, Identifier, ObjectPlan},
    state::{Checkpoint, Counts, Owner, Phase},
};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

const ADMIT: Deletions = Deletions::Apply(Guard {
    max_percent: 100,
    found_since: None,
});

fn owner() -> Owner {
    Owner {
        replicator: "telephony/crm".into(),
        organization_id: "00D000000000001AAA".into(),
        adopts: None,
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        phase: Phase::Live,
        plan_hash: "hash".into(),
        query_start: None,
        watermark: None,
        last_id: None,
        checked_at: None,
        verified_until: None,
        reconciled_at: None,
        refreshed_at: None,
        listing: None,
    }
}

/// Rows of the fixture's plan: Id, stamp, deleted, surname.
fn batch(rows: &[(&str, u32, bool, &str)]) -> Batch {
    let mut batch = Batch::new(contact().select.len(), BytePermit::unbounded());
    for (id, second, deleted, surname) in rows {
        batch.begin_row();
        batch.set(0, id);
        batch.set(1, &format!("2024-05-01T10:00:{second:02}.000Z"));
        batch.set(2, if *deleted { "true" } else { "false" });
        batch.set(3, surname);
    }
    batch
}

/// A folder with a file of ours.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("crm.db")
    }

    fn destination(&self) -> Sqlite {
        Sqlite::open(self.path()).unwrap()
    }

    fn count(&self, sql: &str) -> i64 {
        Connection::open(self.path())
            .unwrap()
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }
}

async fn open(destination: &Sqlite, plan: ObjectPlan) -> SqliteTable {
    destination.prepare().await.unwrap();
    let mut table = destination.open(Arc::new(plan), owner()).await.unwrap();
    table.read_state().await.unwrap();
    table
}

async fn created(destination: &Sqlite, plan: ObjectPlan) -> SqliteTable {
    let mut table = open(destination, plan).await;
    table.create(&checkpoint(), AT).await.unwrap();
    table
}

async fn segment(table: &mut SqliteTable, rows: &[(&str, u32, bool, &str)]) -> crate::Result<Counts> {
    table.begin(Load::Merge).await?;
    table.write(batch(rows)).await?;
    table
        .commit(&checkpoint(), Deletions::Keep, StateWrite::WithRows, AT)
        .await
}

/// A pragma of the table's own connection.
async fn pragma(table: &SqliteTable, sql: &'static str) {
    let set = table.thread.call(move |session| {
        session.with_connection(|_session, connection| Ok(connection.execute_batch(sql).map_err(|e| e.to_string())))
    });
    set.await.unwrap().unwrap();
}

fn assert_database(error: &Error, expected: ErrorKind, words: &[&str]) {
    assert!(
        matches!(error, Error::Database { kind, .. } if *kind == expected),
        "{error:?}"
    );
    for word in words {
        assert!(error.message().contains(word), "{word}: {error}");
    }
}

#[test]
fn a_folder_is_no_file() {
    let place = Place::new();
    let error = Sqlite::open(place.folder.path()).unwrap_err();
    assert_database(
        &error,
        ErrorKind::Invalid,
        &["folder", &place.folder.path().display().to_string()],
    );
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let place = Place::new();
    let destination = Sqlite::open(place.folder.path().join("missing/crm.db")).unwrap();
    for error in [
        destination.prepare().await.unwrap_err(),
        destination.open(Arc::new(contact()), owner()).await.unwrap_err(),
    ] {
        assert_database(&error, ErrorKind::Invalid, &["missing/crm.db", "folder", "mount"]);
    }
    assert!(!place.folder.path().join("missing").exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let place = Place::new();
    let text = "This is a letter and no database. ".repeat(100);
    fs::write(place.path(), &text).unwrap();
    let error = place.destination().prepare().await.unwrap_err();
    assert_database(&error, ErrorKind::Invalid, &["crm.db", "no SQLite database"]);
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_file_says_what_to_do() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    let rows: Vec<_> = (0..2000).map(|n| format!("003{n:012}AAA")).collect();
    let rows: Vec<_> = rows.iter().map(|id| (id.as_str(), 1, false, "Meyer")).collect();
    segment(&mut table, &rows).await.unwrap();
    pragma(&table, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    drop(table);
    let bytes = fs::read(place.path()).unwrap();
    let damaged: Vec<u8> = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| if at < 4096 { *byte } else { !byte })
        .collect();
    fs::write(place.path(), damaged).unwrap();

    let mut table = place.destination().open(Arc::new(contact()), owner()).await.unwrap();
    let error = table.read_state().await.unwrap_err();
    assert_database(&error, ErrorKind::Fatal, &["crm.db", "damaged", "move it away"]);
}

#[tokio::test]
async fn a_full_disk_keeps_what_was_committed_and_is_tried_again() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    segment(&mut table, &[("003000000000001AAA", 1, false, "Meyer")])
        .await
        .unwrap();
    // The least that SQLite allows is the size that the file has.
    pragma(&table, "PRAGMA max_page_count = 1").await;
    let long = "x".repeat(100_000);
    let error = segment(&mut table, &[("003000000000002AAA", 1, false, &long)])
        .await
        .unwrap_err();
    assert_database(
        &error,
        ErrorKind::Transient,
        &["crm.db", "disk is full", "table contact"],
    );
    assert_eq!(place.count("SELECT count(*) FROM contact"), 1);

    pragma(&table, "PRAGMA max_page_count = 100000").await;
    let written = segment(&mut table, &[("003000000000002AAA", 1, false, &long)])
        .await
        .unwrap();
    assert_eq!(written.inserted, 1);
}

#[tokio::test]
async fn a_file_that_may_only_be_read_says_so() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    pragma(&table, "PRAGMA query_only = 1").await;
    let error = segment(&mut table, &[("003000000000001AAA", 1, false, "Meyer")])
        .await
        .unwrap_err();
    assert_database(
        &error,
        ErrorKind::Invalid,
        &["crm.db", "only be read", "right to write"],
    );
}

#[tokio::test]
async fn another_process_that_writes_is_waited_for_and_named() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    pragma(&table, "PRAGMA busy_timeout = 1").await;
    let error = segment(&mut table, &[("003000000000001AAA", 1, false, "Meyer")])
        .await
        .unwrap_err();
    assert_database(&error, ErrorKind::Transient, &["crm.db", "another process"]);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(
        segment(&mut table, &[("003000000000001AAA", 1, false, "Meyer")])
            .await
            .unwrap()
            .inserted,
        1
    );
}

#[tokio::test]
async fn a_dropped_table_is_named_with_the_way_out() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    Connection::open(place.path())
        .unwrap()
        .execute_batch("DROP TABLE contact")
        .unwrap();
    let error = segment(&mut table, &[("003000000000001AAA", 1, false, "Meyer")])
        .await
        .unwrap_err();
    assert_database(
        &error,
        ErrorKind::Fatal,
        &["crm.db", "no such table: contact", "_replication_state"],
    );
}

#[tokio::test]
async fn names_that_look_like_uris_are_files() {
    let place = Place::new();
    for name in ["file:x?mode=memory", ":memory:", "a b%20c#d.db"] {
        let path = place.folder.path().join(name);
        Sqlite::open(&path).unwrap().prepare().await.unwrap();
        assert!(path.is_file(), "{name}");
    }
}

#[tokio::test]
async fn the_log_is_written_ahead_and_the_settings_are_those_of_the_essay() {
    let place = Place::new();
    let table = created(&place.destination(), contact()).await;
    let settings = table.thread.call(|session| {
        session.with_connection(|_session, connection| {
            let ask =
                |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
            Ok(["journal_mode", "synchronous", "temp_store"].map(|name| format!("{:?}", ask(name).unwrap())))
        })
    });
    // 1 is NORMAL, 2 is MEMORY.
    assert_eq!(settings.await.unwrap(), ["Text(\"wal\")", "Integer(1)", "Integer(2)"]);
}

#[test]
fn without_a_write_ahead_log_commits_wait_for_the_disk() {
    let place = Place::new();
    Connection::open(place.path())
        .unwrap()
        .execute_batch("CREATE TABLE other (id INTEGER)")
        .unwrap();
    let connection = connect::open_existing(&place.path()).unwrap().unwrap();
    let synchronous: i64 = connection
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .unwrap();
    assert_eq!(synchronous, 2, "FULL");
}

/// A segment that changes nothing leaves no trace in any file, and no changed row on the connection.
#[tokio::test]
async fn an_unchanged_segment_adds_no_frame_to_the_log() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    let ids: Vec<_> = (0..3000).map(|n| format!("003{n:012}AAA")).collect();
    let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), 5, false, "Meyer")).collect();
    assert_eq!(segment(&mut table, &rows).await.unwrap().inserted, 3000);

    let files = || ["crm.db", "crm.db-wal"].map(|name| fs::read(place.folder.path().join(name)).unwrap());
    let before = files();
    let mut read = rows.clone();
    read.push(("003999999999999AAA", 6, true, ""));
    read.push((ids[0].as_str(), 4, false, "Older"));
    assert!(segment(&mut table, &read).await.unwrap().is_empty());
    table
        .touch(&checkpoint(), AT + jiff::SignedDuration::from_secs(1))
        .await
        .unwrap();
    let touched = files();
    assert!(before != touched, "the comparison sees a write");
    assert!(segment(&mut table, &read).await.unwrap().is_empty());
    assert!(files() == touched, "an unchanged segment wrote");
}

#[tokio::test]
async fn segments_of_one_file_take_turns() {
    let place = Place::new();
    let destination = place.destination();
    let mut first = created(&destination, contact()).await;
    let mut lead = contact();
    lead.object = crate::plan::ObjectName::new("Lead");
    lead.table = Identifier::new("lead");
    let mut second = created(&destination, lead).await;
    first.begin(Load::Merge).await.unwrap();
    first
        .write(batch(&[("003000000000001AAA", 1, false, "Meyer")]))
        .await
        .unwrap();
    let order = RefCell::new(Vec::new());
    let waits = async {
        second.begin(Load::Merge).await.unwrap();
        order.borrow_mut().push("second begins");
        second.rollback().await.unwrap();
    };
    let commits = async {
        first
            .write(batch(&[("003000000000002AAA", 1, false, "Meyer")]))
            .await
            .unwrap();
        order.borrow_mut().push("first commits");
        first
            .commit(&checkpoint(), Deletions::Keep, StateWrite::WithRows, AT)
            .await
            .unwrap();
    };
    tokio::join!(waits, commits);
    assert_eq!(*order.borrow(), ["first commits", "second begins"]);
}

#[tokio::test]
async fn a_table_dropped_in_its_segment_gives_its_turn_on() {
    let place = Place::new();
    let destination = place.destination();
    let mut first = created(&destination, contact()).await;
    first.begin(Load::Merge).await.unwrap();
    first
        .write(batch(&[("003000000000001AAA", 1, false, "Meyer")]))
        .await
        .unwrap();
    drop(first);
    let mut second = open(&destination, contact()).await;
    assert_eq!(
        segment(&mut second, &[("003000000000001AAA", 1, false, "Huber")])
            .await
            .unwrap()
            .inserted,
        1
    );
}

#[tokio::test]
async fn calls_that_have_no_place_in_a_segment_are_refused_and_do_not_wait_for_themselves() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    assert!(matches!(table.write(batch(&[])).await, Err(Error::Internal(_))));
    table.begin(Load::Merge).await.unwrap();
    assert!(matches!(table.begin(Load::Merge).await, Err(Error::Internal(_))));
    assert!(matches!(table.create(&checkpoint(), AT).await, Err(Error::Internal(_))));
    assert!(matches!(table.touch(&checkpoint(), AT).await, Err(Error::Internal(_))));
    assert!(matches!(table.build_indexes().await, Err(Error::Internal(_))));
    assert!(matches!(table.settle_columns().await, Err(Error::Internal(_))));
    assert!(matches!(
        table.confirm("1-0123456789ab", AT).await,
        Err(Error::Internal(_))
    ));
    assert!(matches!(table.held().await, Err(Error::Internal(_))));
    assert!(matches!(table.pending(None, 1).await, Err(Error::Internal(_))));
    assert!(matches!(table.surplus(None, 1).await, Err(Error::Internal(_))));
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &[],
    };
    assert!(matches!(table.compare(stretch).await, Err(Error::Internal(_))));
    table
        .write(batch(&[("003000000000001AAA", 1, false, "Meyer")]))
        .await
        .unwrap();
    table
        .commit(&checkpoint(), Deletions::Keep, StateWrite::WithRows, AT)
        .await
        .unwrap();
    assert_eq!(place.count("SELECT count(*) FROM contact"), 1);
}

#[tokio::test]
async fn a_state_that_was_not_read_is_not_written() {
    let place = Place::new();
    let destination = place.destination();
    destination.prepare().await.unwrap();
    let mut table = destination.open(Arc::new(contact()), owner()).await.unwrap();
    assert!(matches!(table.create(&checkpoint(), AT).await, Err(Error::Internal(_))));
    assert_eq!(place.count("SELECT count(*) FROM _replication_state"), 0);
}

/// The row that is taken back frees the highest rowid, and the next row gets it.
#[tokio::test]
async fn a_row_after_one_that_was_taken_back_counts_as_new() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    let written = segment(
        &mut table,
        &[
            ("003000000000001AAA", 1, false, "Meyer"),
            ("003000000000002AAA", 1, false, "Huber"),
            ("003000000000002AAA", 2, true, ""),
            ("003000000000003AAA", 1, false, "Kunz"),
            ("003000000000003AAA", 2, false, "Kunze"),
        ],
    );
    assert_eq!(
        written.await.unwrap(),
        Counts {
            inserted: 2,
            updated: 1,
            ..Counts::default()
        }
    );
    assert_eq!(place.count("SELECT rows FROM _replication_state"), 2);
    assert_eq!(place.count("SELECT count(*) FROM contact"), 2);
}

/// The same across segments: the row with the highest rowid left, and an update follows.
#[tokio::test]
async fn an_update_after_the_last_row_left_counts_as_an_update() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    segment(
        &mut table,
        &[
            ("003000000000001AAA", 1, false, "Meyer"),
            ("003000000000002AAA", 1, false, ""),
        ],
    )
    .await
    .unwrap();
    table.begin(Load::Merge).await.unwrap();
    table
        .write(batch(&[("003000000000002AAA", 2, true, "")]))
        .await
        .unwrap();
    let applied = table
        .commit(&checkpoint(), ADMIT, StateWrite::WithRows, AT)
        .await
        .unwrap();
    assert_eq!(applied.deleted, 1);
    let updated = segment(&mut table, &[("003000000000001AAA", 2, false, "Meyer")])
        .await
        .unwrap();
    assert_eq!(
        updated,
        Counts {
            inserted: 0,
            updated: 1,
            ..Counts::default()
        }
    );
    let inserted = segment(&mut table, &[("003000000000003AAA", 2, false, "Meyer")])
        .await
        .unwrap();
    assert_eq!(
        inserted,
        Counts {
            inserted: 1,
            updated: 0,
            ..Counts::default()
        }
    );
}

/// A table that the object leaves stays ours, and is taken back when it is named again.
#[tokio::test]
async fn a_table_that_is_left_is_kept_and_taken_back() {
    let place = Place::new();
    let destination = place.destination();
    let mut table = created(&destination, contact()).await;
    segment(&mut table, &[("003000000000001AAA", 1, false, "Meyer")])
        .await
        .unwrap();
    let mut moved = contact();
    moved.table = Identifier::new("people");
    let mut people = created(&destination, moved).await;
    assert_eq!(
        place.count("SELECT rows FROM _replication_state WHERE table_name = 'people'"),
        0
    );
    assert_eq!(
        place.count("SELECT count(*) FROM _retired_table WHERE table_name = 'contact'"),
        1
    );
    segment(&mut people, &[("003000000000001AAA", 1, false, "Meyer")])
        .await
        .unwrap();

    drop(created(&destination, contact()).await);
    assert_eq!(
        place.count("SELECT rows FROM _replication_state WHERE table_name = 'contact'"),
        1
    );
    assert_eq!(
        place.count("SELECT count(*) FROM _retired_table WHERE table_name = 'people'"),
        1
    );
    assert_eq!(place.count("SELECT count(*) FROM _retired_table"), 1);

    let stranger = Owner {
        replicator: "sales/other".into(),
        ..owner()
    };
    let mut lead = contact();
    lead.object = crate::plan::ObjectName::new("Lead");
    lead.table = Identifier::new("People");
    let mut other = destination.open(Arc::new(lead), stranger).await.unwrap();
    let error = other.read_state().await.unwrap_err();
    assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
    assert!(error.message().contains("telephony/crm"), "{error}");
}

/// A plan with as many columns as SQLite takes, and names that have to be quoted.
fn wide(columns: usize) -> ObjectPlan {
    let mut plan = contact();
    plan.deletes = Deletes::Mark;
    plan.table = Identifier::new("order \"by\"");
    for number in plan.columns.len()..columns - 2 {
        plan.columns.push(Column {
            name: Identifier::new(format!("select \"{number}\"")),
            kind: ColumnKind::Text { length: None },
            source: ColumnSource::Field(3),
        });
    }
    for (name, kind, source) in [
        ("is_deleted", ColumnKind::Boolean, ColumnSource::IsDeleted),
        ("deleted_at", ColumnKind::Timestamp, ColumnSource::DeletedAt),
    ] {
        plan.columns.push(Column {
            name: Identifier::new(name),
            kind,
            source,
        });
    }
    plan
}

#[tokio::test]
async fn the_widest_table_with_the_strangest_names_is_written_and_compared() {
    let place = Place::new();
    let destination = place.destination();
    let mut table = created(&destination, wide(destination.capabilities().max_columns)).await;
    let row = |second, name| [("003000000000001AAA", second, false, name)];
    assert_eq!(segment(&mut table, &row(1, "Meyer")).await.unwrap().inserted, 1);
    assert!(segment(&mut table, &row(1, "Meyer")).await.unwrap().is_empty());
    assert_eq!(segment(&mut table, &row(1, "Huber")).await.unwrap().updated, 1);
    for updated in [1, 0] {
        table.begin(Load::Overwrite).await.unwrap();
        table.write(batch(&row(1, "Kunz"))).await.unwrap();
        let checkpoint = checkpoint();
        let commit = table.commit(&checkpoint, Deletions::Keep, StateWrite::WithRows, AT);
        assert_eq!(commit.await.unwrap().updated, updated);
    }
}

/// Nothing is opened where there is nothing.
#[tokio::test]
async fn without_a_file_nothing_is_retired_and_no_column_is_there() {
    let place = Place::new();
    let destination = place.destination();
    assert!(destination.retire(&owner(), &[], AT).await.unwrap().is_empty());
    let tables = [Identifier::new("contact")];
    assert!(destination.existing_columns(&tables).await.unwrap().is_empty());
    assert!(!place.path().exists());
    // A database of somebody else has none of ours.
    Connection::open(place.path())
        .unwrap()
        .execute_batch("CREATE TABLE other (id INTEGER)")
        .unwrap();
    assert!(destination.retire(&owner(), &[], AT).await.unwrap().is_empty());
}

/// One that a person has dropped is nothing to tell of.
#[tokio::test]
async fn a_retired_table_that_was_dropped_is_not_told_of() {
    let place = Place::new();
    let destination = place.destination();
    drop(created(&destination, contact()).await);
    assert_eq!(destination.retire(&owner(), &[], AT).await.unwrap().len(), 1);
    Connection::open(place.path())
        .unwrap()
        .execute_batch("DROP TABLE contact")
        .unwrap();
    assert!(destination.retire(&owner(), &[], AT).await.unwrap().is_empty());
    // It may be made anew.
    drop(created(&destination, contact()).await);
    assert_eq!(place.count("SELECT count(*) FROM _retired_table"), 0);
}

#[test]
fn a_session_without_a_file_reads_no_state_and_makes_none() {
    let place = Place::new();
    let mut session = Session::new(place.path(), Arc::new(contact()), owner());
    assert_eq!(session.read_state().unwrap(), None);
    let error = session.create(&checkpoint(), AT).unwrap_err();
    assert_database(&error, ErrorKind::Invalid, &["crm.db", "not there"]);
    assert!(!place.path().exists());
}

/// `wanted`: "Ends when somebody else waits for what the open segment holds".
#[tokio::test]
async fn a_segment_is_told_that_another_table_waits_for_its_turn() {
    let place = Place::new();
    let destination = place.destination();
    let mut first = created(&destination, contact()).await;
    let mut plan = contact();
    plan.object = crate::plan::ObjectName::new("Lead");
    plan.table = Identifier::new("lead");
    let mut second = created(&destination, plan).await;
    first.begin(Load::Merge).await.unwrap();
    tokio::select! {
        biased;
        () = first.wanted() => panic!("nobody waits"),
        () = tokio::task::yield_now() => {}
    }
    {
        let begins = second.begin(Load::Merge);
        tokio::select! {
            _ = begins => panic!("two write at once"),
            () = first.wanted() => {}
        }
    }
    // Whoever has given up waits no more.
    tokio::select! {
        biased;
        () = first.wanted() => panic!("nobody waits"),
        () = tokio::task::yield_now() => {}
    }
    first.rollback().await.unwrap();
    second.begin(Load::Merge).await.unwrap();
}

#[tokio::test]
async fn what_a_trigger_says_stays_out_of_message_and_log() {
    let place = Place::new();
    let mut table = created(&place.destination(), contact()).await;
    Connection::open(place.path())
        .unwrap()
        .execute_batch("CREATE TRIGGER shout BEFORE INSERT ON contact BEGIN SELECT RAISE(ABORT, 'no Muster here'); END")
        .unwrap();
    let error = segment(&mut table, &[("003000000000001AAA", 1, false, "Muster")])
        .await
        .unwrap_err();
    assert_database(&error, ErrorKind::Fatal, &["constraint"]);
    let told = format!("{error} {error:?}");
    assert!(!told.contains("Muster") && told.contains("1811"), "{told}");
}
