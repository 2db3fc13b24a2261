//! "Makes or migrates the state tables": those of version 1 keep their rows and become those of this version.

use replication::{
    destination::{Destination, ObjectTable},
    plan::Deletes,
    state::SCHEMA_VERSION,
};

use super::{
    Harness,
    fixture::{LAST, Row, contact, counts, id, moment, names, open, pending, stamp, state_of},
};

/// A database as version 1 left it: two contacts, of which one has a pending delete, a rejected row, and a listed row.
async fn of_version_1<H: Harness>() -> H {
    let harness = H::start().await;
    for statement in H::VERSION_1 {
        harness.query(statement).await;
    }
    harness
        .query("INSERT INTO _replication_meta (schema_version) VALUES (1)")
        .await;
    for statement in harness.destination().ddl(&contact(Deletes::Remove)) {
        harness.query(&statement).await;
    }
    let (first, second, at) = (id(1), id(2), stamp(5));
    for statement in [
        format!("INSERT INTO contact (salesforce_id, system_modstamp, last_name) VALUES ('{first}', '{at}', 'Meyer')"),
        format!("INSERT INTO contact (salesforce_id, system_modstamp, last_name) VALUES ('{second}', '{at}', 'Huber')"),
        format!(
            "INSERT INTO _replication_state (object, replicator, organization_id, table_name, plan_hash, phase, watermark, \
             rows, epoch, updated_at) VALUES ('Contact', 'telephony/crm', '00D000000000001AAA', 'contact', \
             'hash of the plan', 'Live', '{at}', 2, 7, '{at}')"
        ),
        format!(
            "INSERT INTO _pending_delete VALUES ('Contact', '{first}', '{}', '{at}')",
            stamp(6)
        ),
        format!("INSERT INTO _rejected_row VALUES ('Contact', '{second}', 'visits', 'is not a number', '{at}')"),
        format!("INSERT INTO _listed_row VALUES ('Contact', '{first}', '{at}')"),
        format!(
            "INSERT INTO _retired_table VALUES ('people', 'Contact', 'telephony/crm', '00D000000000001AAA', '{at}')"
        ),
    ] {
        harness.query(&statement).await;
    }
    harness
}

/// All of it at once, and only once.
pub(crate) async fn state_tables_of_version_1_are_brought_forward<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let harness = of_version_1::<H>().await;
    harness.destination().prepare().await.unwrap();
    let version = harness.query("SELECT schema_version FROM _replication_meta").await;
    assert_eq!(version, [[Some(SCHEMA_VERSION.to_string())]]);

    let state = state_of(&harness, &plan).await;
    assert_eq!((state.pending, state.confirmed, state.rejected), (1, 0, 1));
    assert_eq!((state.rows, state.epoch.0), (2, 7));
    assert_eq!(state.checkpoint.watermark, Some(moment(5)));
    assert_eq!(state.checkpoint.listing, None);
    assert_eq!(pending(&harness).await, [format!("{} 10:00:06", id(1))]);
    assert!(harness.query("SELECT * FROM _surplus_row").await.is_empty());
    let retired = harness.query("SELECT table_name FROM _retired_table").await;
    assert_eq!(retired, [[Some("people".to_owned())]]);
    let freshness = harness.query("SELECT \"table\" FROM _freshness").await;
    assert_eq!(freshness, [[Some("contact".to_owned())]]);

    let before = harness.fingerprint().await;
    harness.destination().prepare().await.unwrap();
    assert_eq!(harness.fingerprint().await, before);

    let mut table = open(&harness.destination(), &plan).await;
    let held = table.held().await.unwrap().unwrap();
    assert!(table.confirm(&held.token, moment(9)).await.unwrap());
    assert_eq!(
        LAST.write(&mut table, &[Row::new(2, 6).name("Huber")]).await.unwrap(),
        counts(0, 1, 1)
    );
    assert_eq!(names(&harness, &plan).await, ["Huber 10:00:06"]);
    assert_eq!(state_of(&harness, &plan).await.rejected, 0);
}

/// `_listed_row` is not needed any more.
pub(crate) async fn what_only_version_1_had_is_gone<H: Harness>() {
    let harness = of_version_1::<H>().await;
    let tables = [replication::plan::Identifier::new("_listed_row")];
    assert_eq!(harness.destination().existing_columns(&tables).await.unwrap().len(), 1);
    harness.destination().prepare().await.unwrap();
    assert!(
        harness
            .destination()
            .existing_columns(&tables)
            .await
            .unwrap()
            .is_empty()
    );
}
