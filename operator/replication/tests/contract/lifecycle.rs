//! "Order of calls": `prepare`, `open`, `read_state`, `create`, segments, `build_indexes`, `touch`.

use std::sync::Arc;

use replication::{
    Error,
    destination::{Contents, Deletions, Destination, Load, ObjectTable, StateWrite},
    plan::{Column, ColumnKind, ColumnSource, Deletes, Identifier, ObjectPlan},
    state::{Checkpoint, Listing, ListingKind, Phase},
};

use super::{
    Harness,
    fixture::{
        DIRECT, MERGE, Row, Table, checkpoint, contact, created, id, lines, moment, open, owner, stamp, state_of,
        state_value,
    },
};

/// "The object's state, `None` where it has none (also where `prepare` never ran)."
pub(crate) async fn a_database_that_was_never_prepared_has_no_state<H: Harness>() {
    let harness = H::start().await;
    let mut table = harness
        .destination()
        .open(Arc::new(contact(Deletes::Remove)), owner())
        .await
        .unwrap();
    assert_eq!(table.read_state().await.unwrap(), None);
}

/// `open`: "Writes nothing." `read_state`: "Writes nothing."
pub(crate) async fn opening_and_reading_state_write_nothing<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    drop(created(&harness, &plan).await);
    let before = harness.fingerprint().await;
    let mut table = harness.destination().open(Arc::new(plan), owner()).await.unwrap();
    assert!(table.read_state().await.unwrap().is_some());
    assert_eq!(harness.fingerprint().await, before);
}

/// "Writes nothing where they are as they should be."
pub(crate) async fn preparing_twice_writes_nothing_the_second_time<H: Harness>() {
    let harness = H::start().await;
    harness.destination().prepare().await.unwrap();
    let before = harness.fingerprint().await;
    harness.destination().prepare().await.unwrap();
    assert_eq!(harness.fingerprint().await, before);
}

/// "`prepare` refuses state tables newer than this binary."
pub(crate) async fn newer_state_tables_are_refused<H: Harness>() {
    let harness = H::start().await;
    harness.destination().prepare().await.unwrap();
    harness.query("UPDATE _replication_meta SET schema_version = 999").await;
    let before = harness.fingerprint().await;
    let error = harness.destination().prepare().await.unwrap_err();
    assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
    assert!(error.message().contains("999"), "{error}");
    assert_eq!(harness.fingerprint().await, before);
}

/// Design 6.1: the state tables and their columns.
pub(crate) async fn state_tables_have_every_column_of_the_design<H: Harness>() {
    let harness = H::start().await;
    harness.destination().prepare().await.unwrap();
    for (table, columns) in [
        (
            "_replication_state",
            "object, replicator, organization_id, table_name, plan_hash, phase, query_start, watermark, last_id, job_id, \
             job_api_version, locator, rows, deletes_window, verified_until, reconciled_at, refreshed_at, checked_at, \
             epoch, updated_at, listing_kind, listing_plan_hash, listing_started, listing_covered, listing_last_id",
        ),
        ("_pending_delete", "object, salesforce_id, stamp, found_at, confirmed"),
        ("_surplus_row", "object, salesforce_id"),
        ("_rejected_row", "object, salesforce_id, column_name, reason, since"),
        (
            "_retired_table",
            "table_name, object, replicator, organization_id, retired_at",
        ),
        ("_freshness", "watermark, verified_until, checked_at"),
    ] {
        assert!(
            harness
                .query(&format!("SELECT {columns} FROM {table}"))
                .await
                .is_empty(),
            "{table}"
        );
    }
    let version = harness.query("SELECT schema_version FROM _replication_meta").await;
    assert_eq!(version, [[Some(replication::state::SCHEMA_VERSION.to_string())]]);
}

/// "Claims the object, writes `checkpoint` as its state and makes its table where it is not there."
pub(crate) async fn create_writes_the_checkpoint_and_makes_the_table<H: Harness>() {
    let harness = H::start().await;
    let destination = harness.destination();
    let plan = contact(Deletes::Mark);
    destination.prepare().await.unwrap();
    let mut table = open(&destination, &plan).await;
    let initial = Checkpoint {
        phase: Phase::Initial,
        watermark: None,
        ..checkpoint(3)
    };
    assert_eq!(table.create(&initial, moment(4)).await.unwrap(), Contents::Empty);
    let columns: Vec<_> = plan.columns.iter().map(|column| column.name.as_str()).collect();
    assert!(
        harness
            .query(&format!("SELECT {} FROM contact", columns.join(", ")))
            .await
            .is_empty()
    );

    let state = open_again(&harness, &plan).await.read_state().await.unwrap().unwrap();
    assert_eq!(state.object, plan.object);
    assert_eq!(state.owner, owner());
    assert_eq!(state.table_name, "contact");
    assert_eq!(state.rows, 0);
    assert_eq!(state.checkpoint, initial);
}

async fn open_again<H: Harness>(harness: &H, plan: &ObjectPlan) -> Table<H> {
    harness
        .destination()
        .open(Arc::new(plan.clone()), owner())
        .await
        .unwrap()
}

/// "What `create` found." and "Called with the state's own checkpoint it only claims."
pub(crate) async fn create_finds_rows_that_are_there<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    MERGE
        .at(5)
        .write(&mut table, &[Row::new(1, 1), Row::new(2, 1)])
        .await
        .unwrap();

    let mut other = open_again(&harness, &plan).await;
    let before = other.read_state().await.unwrap().unwrap();
    assert_eq!(
        other.create(&before.checkpoint, moment(6)).await.unwrap(),
        Contents::Rows
    );
    let after = open_again(&harness, &plan).await.read_state().await.unwrap().unwrap();
    assert_eq!(after.checkpoint, before.checkpoint);
    assert_eq!(after.rows, 2);
    assert_eq!(after.epoch.0, before.epoch.0 + 1);
}

/// "Makes its table where it is not there", and the columns that it lacks.
pub(crate) async fn create_adds_the_columns_that_a_plan_gained<H: Harness>() {
    let harness = H::start().await;
    let mut small = contact(Deletes::Remove);
    small
        .columns
        .retain(|column| !["visits", "last_seen"].contains(&column.name.as_str()));
    let mut table = created(&harness, &small).await;
    MERGE.write(&mut table, &[Row::new(1, 1).name("Meyer")]).await.unwrap();

    let plan = contact(Deletes::Mark);
    let mut table = open(&harness.destination(), &plan).await;
    assert_eq!(table.create(&checkpoint(0), moment(2)).await.unwrap(), Contents::Rows);
    MERGE
        .write(&mut table, &[Row::new(2, 1).name("Huber").with("Visits__c", "7")])
        .await
        .unwrap();
    assert_eq!(
        lines(
            &harness,
            &plan,
            &["last_name", "visits", "last_seen", "is_deleted", "deleted_at"]
        )
        .await,
        ["Meyer - - false -", "Huber 7 - false -"]
    );
}

/// `create`: "a table that is not as planned" is an error. It names the columns, and nothing is written. Key and stamp have
/// one type for ever, so another one is not ours.
pub(crate) async fn create_refuses_a_stamp_of_another_type_and_names_it<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    drop(created(&harness, &plan).await);
    let mut other = plan.clone();
    for column in &mut other.columns {
        if column.name.as_str() == "system_modstamp" {
            column.kind = ColumnKind::Int;
        }
    }
    other.columns.push(Column {
        name: Identifier::new("new_column"),
        kind: ColumnKind::Boolean,
        source: ColumnSource::Empty,
    });
    let mut table = open(&harness.destination(), &other).await;
    let before = harness.fingerprint().await;
    let error = table.create(&checkpoint(0), moment(0)).await.unwrap_err();
    assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
    for word in ["contact", "system_modstamp"] {
        assert!(error.message().contains(word), "{word}: {error}");
    }
    assert_eq!(harness.fingerprint().await, before);
}

/// `Checkpoint`: "written whole with each segment".
pub(crate) async fn a_checkpoint_is_written_whole<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let full = Checkpoint {
        phase: Phase::Initial,
        plan_hash: "another hash".into(),
        query_start: Some(moment(10)),
        watermark: Some("2024-05-01T10:00:11.123Z".parse().unwrap()),
        last_id: Some("003000000000012AAA".into()),
        checked_at: Some(moment(13)),
        verified_until: Some(moment(14)),
        reconciled_at: Some(moment(15)),
        refreshed_at: Some(moment(16)),
        listing: Some(Listing {
            kind: ListingKind::Refresh,
            plan_hash: "hash of the listing".into(),
            started: moment(17),
            covered: Some(moment(18)),
            last_id: Some(id(19)),
        }),
    };
    let begun = Checkpoint {
        listing: Some(Listing {
            kind: ListingKind::Reconcile,
            plan_hash: "hash".into(),
            started: moment(17),
            covered: None,
            last_id: None,
        }),
        ..full.clone()
    };
    let empty = Checkpoint {
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
    };
    for checkpoint in [full, begun, empty] {
        table.begin(Load::Merge).await.unwrap();
        table
            .commit(&checkpoint, Deletions::Keep, StateWrite::Always, moment(20))
            .await
            .unwrap();
        let state = open_again(&harness, &plan).await.read_state().await.unwrap().unwrap();
        assert_eq!(state.checkpoint, checkpoint);
    }
    let updated = H::text_of("updated_at", ColumnKind::Timestamp);
    assert_eq!(
        state_value(&harness, &updated).await,
        Some(stamp(20)),
        "`at` is the wall clock, for `updated_at`"
    );
}

/// Design 6.1: "what is complete as of when, for readers".
pub(crate) async fn freshness_shows_the_watermark_to_readers<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    MERGE.at(30).write(&mut table, &[Row::new(1, 1)]).await.unwrap();
    let watermark = H::text_of("watermark", ColumnKind::Timestamp);
    let rows = harness
        .query(&format!("SELECT \"table\", {watermark} FROM _freshness"))
        .await;
    assert_eq!(rows, [[Some("contact".to_owned()), Some(stamp(30))]]);
}

/// `touch`: "Writes `checked_at` and the watermark without rows", and when the long kinds of run were complete.
pub(crate) async fn touch_writes_what_a_run_without_rows_moves<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let before = state_of(&harness, &plan).await;
    let touched = Checkpoint {
        phase: Phase::Initial,
        plan_hash: "not written".into(),
        query_start: Some(moment(50)),
        watermark: Some(moment(51)),
        last_id: Some("not written".into()),
        checked_at: Some(moment(52)),
        verified_until: Some(moment(53)),
        reconciled_at: Some(moment(54)),
        refreshed_at: Some(moment(55)),
        listing: Some(Listing {
            kind: ListingKind::Refresh,
            plan_hash: "not written".into(),
            started: moment(56),
            covered: None,
            last_id: None,
        }),
    };
    table.touch(&touched, moment(57)).await.unwrap();
    let after = state_of(&harness, &plan).await;
    let expected = Checkpoint {
        watermark: touched.watermark,
        checked_at: touched.checked_at,
        verified_until: touched.verified_until,
        reconciled_at: touched.reconciled_at,
        refreshed_at: touched.refreshed_at,
        ..before.checkpoint.clone()
    };
    assert_eq!(after.checkpoint, expected);
    assert_eq!((after.epoch, after.rows), (before.epoch, before.rows));
}

/// "Makes the indexes of the plan that are not there yet."
pub(crate) async fn indexes_are_built_once<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    DIRECT.write(&mut table, &[Row::new(1, 1)]).await.unwrap();
    assert!(harness.indexes("contact").await.is_empty(), "indexes come last");
    table.build_indexes().await.unwrap();
    let expected = ["contact_account_name_last_name_idx", "contact_last_name_idx"];
    assert_eq!(harness.indexes("contact").await, expected);
    let before = harness.fingerprint().await;
    table.build_indexes().await.unwrap();
    assert_eq!(
        harness.fingerprint().await,
        before,
        "the second time there is nothing to do"
    );

    harness.query("DROP INDEX contact_last_name_idx").await;
    table.build_indexes().await.unwrap();
    assert_eq!(harness.indexes("contact").await, expected);
}

/// "The statements that would make an object's table and indexes, for `plan`."
pub(crate) async fn the_ddl_is_the_table_and_its_indexes<H: Harness>() {
    let harness = H::start().await;
    let destination = harness.destination();
    let plan = contact(Deletes::Mark);
    destination.prepare().await.unwrap();
    for statement in destination.ddl(&plan) {
        harness.query(&statement).await;
    }
    let columns: Vec<_> = plan.columns.iter().map(|column| column.name.as_str()).collect();
    assert!(
        harness
            .query(&format!("SELECT {} FROM contact", columns.join(", ")))
            .await
            .is_empty()
    );
    assert_eq!(harness.indexes("contact").await.len(), 2);
}
