//! "Purging. `purge` drops every table of a replicator, those that are retired too, whatever org their rows came from, and
//! forgets its state; the state tables go with the last replicator."

use std::sync::Arc;

use replication::{
    Error,
    destination::{Destination, Load, ObjectTable, Purged, Stretch},
    plan::{Deletes, Identifier, ObjectName, ObjectPlan},
    state::Owner,
};
use salesforce::ErrorKind;

use super::{
    Harness,
    fixture::{MERGE, Row, Table, batch, checkpoint, contact, created, epoch, moment, named, names, open, owner},
};

const OURS: &str = "telephony/crm";
const THEIRS: &str = "sales/other";

const STATE: [&str; 7] = [
    "_freshness",
    "_pending_delete",
    "_rejected_row",
    "_replication_meta",
    "_replication_state",
    "_retired_table",
    "_surplus_row",
];

fn lead() -> ObjectPlan {
    named(contact(Deletes::Remove), "Lead", "lead")
}

fn account() -> ObjectPlan {
    named(contact(Deletes::Remove), "Account", "account")
}

fn them() -> Owner {
    Owner {
        replicator: THEIRS.into(),
        ..owner()
    }
}

fn rows() -> [Row; 2] {
    [Row::new(1, 5).name("Meyer"), Row::new(2, 5).name("Huber")]
}

fn purged(tables: &[&str]) -> Purged {
    Purged {
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
    }
}

fn assert_fenced<T: std::fmt::Debug>(outcome: &replication::Result<T>) {
    assert!(matches!(outcome, Err(Error::Fenced { .. })), "{outcome:?}");
}

/// The table of an object with two rows, owned by somebody.
async fn filled<H: Harness>(harness: &H, plan: &ObjectPlan, owner: Owner) -> Table<H> {
    let destination = harness.destination();
    destination.prepare().await.unwrap();
    let mut table = destination.open(Arc::new(plan.clone()), owner).await.unwrap();
    table.read_state().await.unwrap();
    table.create(&checkpoint(0), moment(0)).await.unwrap();
    MERGE.write(&mut table, &rows()).await.unwrap();
    table
}

/// Notes a pending delete, a rejected row and surplus.
async fn note(table: &mut impl ObjectTable) {
    let unfit = Row::new(9, 6).with("Visits__c", "many");
    MERGE.write(table, &[Row::deleted(1, 6), unfit]).await.unwrap();
    let stretch = Stretch {
        after: None,
        until: None,
        listed: &[],
    };
    assert_eq!(table.compare(stretch).await.unwrap().surplus, 2);
}

/// Which objects have something noted.
async fn noted<H: Harness>(harness: &H) -> Vec<String> {
    let mut found = Vec::new();
    for list in ["_pending_delete", "_rejected_row", "_surplus_row"] {
        let sql = format!("SELECT DISTINCT object FROM {list} ORDER BY 1");
        found.extend(
            harness
                .query(&sql)
                .await
                .into_iter()
                .map(|mut row| row.remove(0).unwrap()),
        );
    }
    found
}

/// State relations and these tables, in order.
fn with_state(tables: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = STATE.iter().chain(tables).map(|name| (*name).to_owned()).collect();
    all.sort_unstable();
    all
}

/// A former table of an object, one of an object that left, and one that was dropped by hand.
pub(crate) async fn all_tables_of_a_replicator_are_dropped<H: Harness>() {
    let harness = H::start().await;
    let mut moved = contact(Deletes::Remove);
    moved.table = Identifier::new("people");
    let mut former = filled(&harness, &moved, owner()).await;
    note(&mut former).await;
    drop(former);
    let mut contacts = filled(&harness, &contact(Deletes::Remove), owner()).await;
    contacts.build_indexes().await.unwrap();
    note(&mut contacts).await;
    drop(contacts);
    drop(filled(&harness, &lead(), owner()).await);
    drop(filled(&harness, &account(), owner()).await);
    let destination = harness.destination();
    let kept = ["Contact", "Account"].map(ObjectName::new);
    destination.retire(&owner(), &kept, moment(50)).await.unwrap();
    harness.query("DROP TABLE account").await;

    assert_eq!(harness.relations().await, with_state(&["contact", "lead", "people"]));
    assert_eq!(
        destination.purge(OURS).await.unwrap(),
        purged(&["contact", "lead", "people"])
    );
    assert_eq!(harness.relations().await, [""; 0]);
    // And a new life begins with nothing of the old one.
    let mut table = created(&harness, &contact(Deletes::Remove)).await;
    MERGE.write(&mut table, &rows()).await.unwrap();
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await.len(), 2);
    assert_eq!(noted(&harness).await, [""; 0]);
}

/// "Writes nothing where it has nothing here."
pub(crate) async fn to_purge_again_writes_nothing<H: Harness>() {
    let harness = H::start().await;
    let destination = harness.destination();
    assert_eq!(destination.purge(OURS).await.unwrap(), purged(&[]));
    drop(filled(&harness, &contact(Deletes::Remove), owner()).await);
    drop(filled(&harness, &lead(), them()).await);
    assert_eq!(destination.purge(OURS).await.unwrap(), purged(&["contact"]));
    let before = harness.fingerprint().await;
    for nobody in [OURS, "telephony/c", "telephony/crm2", ""] {
        assert_eq!(destination.purge(nobody).await.unwrap(), purged(&[]));
    }
    assert_eq!(harness.fingerprint().await, before);
}

/// "The state tables go with the last replicator."
pub(crate) async fn tables_of_another_replicator_stay<H: Harness>() {
    let harness = H::start().await;
    let mut contacts = filled(&harness, &contact(Deletes::Remove), owner()).await;
    note(&mut contacts).await;
    drop(contacts);
    let mut leads = filled(&harness, &lead(), them()).await;
    note(&mut leads).await;
    drop(filled(&harness, &account(), them()).await);
    let destination = harness.destination();
    let kept = [ObjectName::new("Lead")];
    destination.retire(&them(), &kept, moment(50)).await.unwrap();

    assert_eq!(destination.purge(OURS).await.unwrap(), purged(&["contact"]));
    assert_eq!(harness.relations().await, with_state(&["account", "lead"]));
    assert_eq!(noted(&harness).await, ["Lead", "Lead", "Lead"]);
    // Nobody was fenced who goes on.
    MERGE.write(&mut leads, &[Row::new(3, 7).name("Kunz")]).await.unwrap();
    assert_eq!(names(&harness, &lead()).await.len(), 3);
    drop(leads);
    assert_eq!(destination.purge(THEIRS).await.unwrap(), purged(&["account", "lead"]));
    assert_eq!(harness.relations().await, [""; 0]);
}

/// "Whatever org their rows came from": the resource may have had another one when they came.
pub(crate) async fn rows_of_any_org_go<H: Harness>() {
    let harness = H::start().await;
    drop(filled(&harness, &contact(Deletes::Remove), owner()).await);
    drop(filled(&harness, &lead(), owner()).await);
    harness
        .query("UPDATE _replication_state SET organization_id = '00D000000000002AAA' WHERE object = 'Lead'")
        .await;
    let destination = harness.destination();
    assert_eq!(destination.purge(OURS).await.unwrap(), purged(&["contact", "lead"]));
}

/// "A process that still has it open is fenced", with the state tables there and without.
pub(crate) async fn what_is_open_is_fenced<H: Harness>() {
    for is_last in [false, true] {
        let harness = H::start().await;
        let mut stalled = filled(&harness, &contact(Deletes::Remove), owner()).await;
        let mut has_read = open(&harness.destination(), &contact(Deletes::Remove)).await;
        if !is_last {
            drop(filled(&harness, &lead(), them()).await);
        }
        harness.destination().purge(OURS).await.unwrap();
        let after = harness.relations().await;
        for table in [&mut stalled, &mut has_read] {
            assert_fenced(&MERGE.write(table, &[Row::new(3, 6)]).await);
            table.rollback().await.unwrap();
            // Where there is no state at all the database says so in its own words.
            table.create(&checkpoint(9), moment(9)).await.unwrap_err();
        }
        assert_eq!(harness.relations().await, after);
    }
}

/// The same where rows are on their way.
pub(crate) async fn a_segment_under_way_is_fenced<H: Harness>() {
    if H::SEGMENT_LOCKS_DATABASE {
        return;
    }
    let harness = H::start().await;
    let mut stalled = filled(&harness, &contact(Deletes::Remove), owner()).await;
    drop(filled(&harness, &lead(), them()).await);
    stalled.begin(Load::Merge).await.unwrap();
    stalled.write(batch(&[Row::new(3, 6)])).await.unwrap();
    assert_eq!(harness.destination().purge(OURS).await.unwrap(), purged(&["contact"]));
    assert_fenced(&MERGE.commit(&mut stalled).await);
    assert_eq!(harness.relations().await, with_state(&["lead"]));
}

/// "A table that something of somebody else depends on stays, with its state, and the error names what depends; the others
/// are dropped all the same." "To purge again goes on where it ended."
pub(crate) async fn a_table_that_a_view_reads_stays<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut stalled = filled(&harness, &plan, owner()).await;
    drop(filled(&harness, &lead(), owner()).await);
    drop(filled(&harness, &account(), owner()).await);
    harness
        .destination()
        .retire(
            &owner(),
            &[ObjectName::new("Contact"), ObjectName::new("Lead")],
            moment(50),
        )
        .await
        .unwrap();
    harness
        .query("CREATE VIEW dialled AS SELECT last_name FROM contact")
        .await;
    harness.query("CREATE VIEW unrelated AS SELECT 1 AS one").await;
    let before = epoch(&harness).await;

    let error = harness.destination().purge(OURS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let message = error.message();
    assert!(
        message.contains("table contact") && message.contains("dialled"),
        "{message}"
    );
    assert!(!message.contains("unrelated"), "{message}");
    assert_eq!(
        harness.relations().await,
        with_state(&["contact", "dialled", "unrelated"])
    );
    assert_eq!(names(&harness, &plan).await.len(), 2);
    assert!(epoch(&harness).await > before, "what stays is claimed all the same");
    assert_fenced(&MERGE.write(&mut stalled, &[Row::new(3, 6)]).await);
    drop(stalled);

    harness.query("DROP VIEW dialled").await;
    assert_eq!(harness.destination().purge(OURS).await.unwrap(), purged(&["contact"]));
    assert_eq!(harness.relations().await, ["unrelated"]);
}

/// "... or, where there is no state, begins with one that no former state of the object had."
pub(crate) async fn a_writer_of_a_former_life_is_fenced_in_the_next<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    let mut stalled = filled(&harness, &plan, owner()).await;
    assert_eq!(harness.destination().purge(OURS).await.unwrap(), purged(&["contact"]));

    harness.destination().prepare().await.unwrap();
    let mut next = open(&harness.destination(), &plan).await;
    next.create(&checkpoint(30), moment(30)).await.unwrap();
    assert_fenced(&MERGE.write(&mut stalled, &[Row::new(3, 6).name("Stalled")]).await);
    stalled.rollback().await.unwrap();
    assert_fenced(&stalled.touch(&checkpoint(31), moment(31)).await);
    assert_eq!(names(&harness, &plan).await, [""; 0]);
    MERGE.write(&mut next, &[Row::new(1, 6)]).await.unwrap();

    // The same where the object was retired and is taken back.
    let mut stalled = next;
    harness.destination().retire(&owner(), &[], moment(40)).await.unwrap();
    let mut next = open(&harness.destination(), &plan).await;
    next.create(&checkpoint(50), moment(50)).await.unwrap();
    assert_fenced(&MERGE.write(&mut stalled, &[Row::new(1, 7).name("Stalled")]).await);
}

/// The same for what shows how fresh the tables are.
pub(crate) async fn state_tables_that_a_view_reads_stay<H: Harness>() {
    let harness = H::start().await;
    drop(filled(&harness, &contact(Deletes::Remove), owner()).await);
    harness
        .query("CREATE VIEW dashboard AS SELECT watermark FROM _freshness")
        .await;
    let error = harness.destination().purge(OURS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let message = error.message();
    assert!(
        message.contains("state tables") && message.contains("dashboard"),
        "{message}"
    );
    assert_eq!(harness.relations().await, with_state(&["dashboard"]));
    harness.query("DROP VIEW dashboard").await;
    assert_eq!(harness.destination().purge(OURS).await.unwrap(), purged(&[]));
    assert_eq!(harness.relations().await, [""; 0]);
}

/// "What is not a table of ours any more (another has its name by now) is left alone and forgotten."
pub(crate) async fn what_is_not_ours_any_more_is_left_alone<H: Harness>() {
    let harness = H::start().await;
    drop(filled(&harness, &contact(Deletes::Remove), owner()).await);
    drop(filled(&harness, &lead(), owner()).await);
    let destination = harness.destination();
    let kept = [ObjectName::new("Lead")];
    destination.retire(&owner(), &kept, moment(50)).await.unwrap();
    // Somebody has dropped both. One name belongs to a person by now, the other to another replicator.
    for table in ["lead", "contact"] {
        harness.query(&format!("DROP TABLE {table}")).await;
    }
    harness
        .query("CREATE TABLE lead (salesforce_id TEXT, metal TEXT)")
        .await;
    let mut theirs = filled(&harness, &contact(Deletes::Remove), them()).await;

    assert_eq!(destination.purge(OURS).await.unwrap(), purged(&[]));
    assert_eq!(harness.relations().await, with_state(&["contact", "lead"]));
    MERGE.write(&mut theirs, &[Row::new(3, 7).name("Kunz")]).await.unwrap();
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await.len(), 3);
    drop(theirs);
    assert_eq!(destination.purge(THEIRS).await.unwrap(), purged(&["contact"]));
    assert_eq!(harness.relations().await, ["lead"]);
}
