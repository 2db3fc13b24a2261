//! "Committed means: rows, deletes and checkpoint are in the database together and durable, or none of them is."

use replication::{
    Error,
    destination::{Destination, Load, ObjectTable, StateWrite},
    plan::Deletes,
};

use super::{
    Harness,
    fixture::{
        ADMIT, DIRECT, LAST, MERGE, Row, batch, checkpoint, contact, counts, created, epoch, id, lines, moment, named,
        names, open, stamp, state_value,
    },
};

/// "Rows and checkpoint are in the database together ..., or none of them is."
pub(crate) async fn rows_and_checkpoint_are_committed_together<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let watermark = H::text_of("watermark", replication::plan::ColumnKind::Timestamp);

    table.begin(Load::Merge).await.unwrap();
    table
        .write(batch(&[Row::new(1, 1).name("Meyer"), Row::new(2, 2).name("Huber")]))
        .await
        .unwrap();
    assert!(
        names(&harness, &plan).await.is_empty(),
        "nobody sees a segment before its commit"
    );
    assert_eq!(state_value(&harness, &watermark).await, Some(stamp(0)));

    let written = table
        .commit(&checkpoint(9), ADMIT, StateWrite::WithRows, moment(9))
        .await
        .unwrap();
    assert_eq!(written, counts(2, 0, 0));
    assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:01", "Huber 10:00:02"]);
    assert_eq!(state_value(&harness, &watermark).await, Some(stamp(9)));
}

/// "Gives the open segment up."
pub(crate) async fn rollback_leaves_nothing_and_the_table_usable<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    for load in [Load::Merge, Load::Direct] {
        table.begin(load).await.unwrap();
        table.write(batch(&[Row::new(1, 1).name("Meyer")])).await.unwrap();
        table.rollback().await.unwrap();
        assert!(names(&harness, &plan).await.is_empty());
    }
    assert_eq!(
        MERGE.write(&mut table, &[Row::new(1, 1).name("Huber")]).await.unwrap(),
        counts(1, 0, 0)
    );
    assert_eq!(names(&harness, &plan).await, ["Huber 10:00:01"]);
}

/// "Without one it does nothing."
pub(crate) async fn rollback_without_a_segment_does_nothing<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    MERGE.write(&mut table, &[Row::new(1, 1).name("Meyer")]).await.unwrap();
    let before = harness.fingerprint().await;
    table.rollback().await.unwrap();
    table.rollback().await.unwrap();
    assert_eq!(harness.fingerprint().await, before);
    assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:01"]);
}

/// "Dropping a table in the middle of a segment rolls it back."
pub(crate) async fn a_dropped_table_rolls_its_segment_back<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    LAST.write(&mut table, &[Row::new(1, 1).name("Meyer")]).await.unwrap();
    table.begin(Load::Merge).await.unwrap();
    table
        .write(batch(&[
            Row::new(1, 2).name("Huber"),
            Row::new(2, 2),
            Row::deleted(3, 2),
        ]))
        .await
        .unwrap();
    drop(table);
    assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:01"]);

    let mut table = open(&harness.destination(), &plan).await;
    assert_eq!(
        LAST.write(&mut table, &[Row::new(2, 2).name("Kunz")]).await.unwrap(),
        counts(1, 0, 0)
    );
    assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:01", "Kunz 10:00:02"]);
}

/// A segment whose `write` failed cannot be committed; after it the table works on.
pub(crate) async fn a_failed_write_leaves_nothing_and_the_table_usable<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let before = harness.fingerprint().await;
    for load in [Load::Merge, Load::Direct] {
        table.begin(load).await.unwrap();
        table.write(batch(&[Row::new(1, 1)])).await.unwrap();
        let bad = batch(&[Row::new(2, 1), Row::new(3, 1).without("SystemModstamp")]);
        assert!(matches!(table.write(bad).await, Err(Error::Value { .. })));
        let committed = table.commit(&checkpoint(1), ADMIT, StateWrite::Always, moment(1)).await;
        assert!(committed.is_err(), "a broken segment is not committed");
        table.rollback().await.unwrap();
        assert_eq!(harness.fingerprint().await, before);
    }
    assert_eq!(
        MERGE.write(&mut table, &[Row::new(1, 1).name("Meyer")]).await.unwrap(),
        counts(1, 0, 0)
    );
    assert_eq!(names(&harness, &plan).await, ["Meyer 10:00:01"]);
}

/// "Any number of `write`."
pub(crate) async fn thousands_of_rows_arrive_over_many_batches<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let rows: Vec<_> = (1..=5_000)
        .map(|n| Row::new(n, n % 50).name(&format!("Name {n}")))
        .collect();
    let first = rows[..3_000].chunks(457).map(batch).collect();
    let second = rows[3_000..].chunks(1_000).map(batch).collect();
    assert_eq!(
        DIRECT.write_batches(&mut table, first).await.unwrap(),
        counts(3_000, 0, 0)
    );
    assert_eq!(
        DIRECT.write_batches(&mut table, second).await.unwrap(),
        counts(2_000, 0, 0)
    );

    let again: Vec<_> = (4_001..=6_000)
        .map(|n| Row::new(n, n % 50 + n % 2).name(&format!("Name {n}")))
        .collect();
    let merged = MERGE
        .write_batches(&mut table, again.chunks(300).map(batch).collect())
        .await
        .unwrap();
    assert_eq!(merged, counts(1_000, 500, 0), "every odd row of the old ones is newer");

    let found = lines(&harness, &plan, &["salesforce_id", "last_name"]).await;
    let expected: Vec<_> = (1..=6_000).map(|n| format!("{} Name {n}", id(n))).collect();
    assert_eq!(found, expected);
    assert_eq!(state_value(&harness, "rows").await.as_deref(), Some("6000"));
}

/// `State::rows`: "Number of rows in the table, carried along by each segment."
pub(crate) async fn the_row_counter_is_carried_along<H: Harness>() {
    let harness = H::start().await;
    for (object, deletes, after_delete) in [("Contact", Deletes::Remove, "2"), ("Lead", Deletes::Mark, "3")] {
        let plan = named(contact(deletes), object, &object.to_lowercase());
        let mut table = created(&harness, &plan).await;
        let rows = async || {
            let sql = format!("SELECT rows FROM _replication_state WHERE object = '{object}'");
            harness.query(&sql).await[0][0].clone().unwrap()
        };
        MERGE
            .write(&mut table, &[Row::new(1, 1), Row::new(2, 1)])
            .await
            .unwrap();
        assert_eq!(rows().await, "2");
        MERGE
            .write(&mut table, &[Row::new(2, 2), Row::new(3, 2)])
            .await
            .unwrap();
        assert_eq!(rows().await, "3");
        let last = LAST.write(&mut table, &[Row::deleted(1, 5)]).await.unwrap();
        assert_eq!(last, counts(0, 0, 1));
        assert_eq!(rows().await, after_delete, "{object}: a marked row stays in the table");
    }
}

/// `Load::Direct`: "A unique violation is answered with `Error::RowsExist`", after which the segment goes by `Merge`.
pub(crate) async fn a_direct_load_finds_rows_that_exist<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let rows: Vec<_> = (1..=10).map(|n| Row::new(n, 1).name("Meyer")).collect();
    DIRECT.write(&mut table, &rows[4..6]).await.unwrap();
    let before = harness.fingerprint().await;

    let error = DIRECT.write(&mut table, &rows).await.unwrap_err();
    assert!(
        matches!(&error, Error::RowsExist { object } if object.as_str() == "Contact"),
        "{error:?}"
    );
    table.rollback().await.unwrap();
    assert_eq!(harness.fingerprint().await, before);

    assert_eq!(MERGE.write(&mut table, &rows).await.unwrap(), counts(8, 0, 0));
    assert_eq!(names(&harness, &plan).await.len(), 10);
}

/// The same where one segment has a record twice, as after a change between two pages.
pub(crate) async fn a_direct_load_finds_a_row_twice_in_its_segment<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut table = created(&harness, &plan).await;
    let rows = [
        Row::new(1, 1).name("Meyer"),
        Row::new(2, 1),
        Row::new(1, 2).name("Huber"),
    ];
    let error = DIRECT.write(&mut table, &rows).await.unwrap_err();
    assert!(matches!(error, Error::RowsExist { .. }), "{error:?}");
    table.rollback().await.unwrap();
    MERGE.write(&mut table, &rows[..2]).await.unwrap();
    MERGE.write(&mut table, &rows[2..]).await.unwrap();
    assert_eq!(names(&harness, &plan).await, ["Huber 10:00:02", "- 10:00:01"]);
}

/// "Cloning shares it": tables of several objects are open, and written to, at the same time.
pub(crate) async fn several_objects_write_at_the_same_time<H: Harness>() {
    let harness = H::start().await;
    let destination = harness.destination();
    destination.prepare().await.unwrap();
    let run = async |object: &str| {
        let plan = named(contact(Deletes::Remove), object, &object.to_lowercase());
        let mut table = open(&destination.clone(), &plan).await;
        table.create(&checkpoint(0), moment(0)).await.unwrap();
        for segment in 0..5 {
            let rows: Vec<_> = (1..=200).map(|n| Row::new(segment * 200 + n, 1)).collect();
            MERGE
                .write_batches(&mut table, rows.chunks(50).map(batch).collect())
                .await
                .unwrap();
        }
        table.build_indexes().await.unwrap();
    };
    tokio::join!(run("Contact"), run("Account"), run("Lead"));
    for table in ["contact", "account", "lead"] {
        assert_eq!(
            harness.query(&format!("SELECT count(*) FROM {table}")).await,
            [[Some("1000".to_owned())]]
        );
    }
    assert!(epoch(&harness).await >= 1);
}
