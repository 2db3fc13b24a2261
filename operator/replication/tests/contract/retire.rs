//! "Tables that leave. `retire` puts the tables of objects that are not replicated any more on the list of retired tables and
//! forgets their state; `create` does so with the former table of an object whose state names another one."

use std::sync::Arc;

use replication::{
    Error,
    destination::{Contents, Destination, ObjectTable, RetiredTable, Stretch},
    plan::{Deletes, Identifier, ObjectName, ObjectPlan},
    state::Owner,
};

use super::{
    Harness,
    fixture::{
        LAST, MERGE, Row, Table, checkpoint, contact, counts, created, moment, named, names, open, owner, pending,
        rejected, state_of,
    },
};

fn lead() -> ObjectPlan {
    named(contact(Deletes::Remove), "Lead", "lead")
}

fn retired(table: &str, object: &str, second: u32) -> RetiredTable {
    RetiredTable {
        table: table.to_owned(),
        object: object.to_owned(),
        retired_at: moment(second),
    }
}

fn objects(names: &[&str]) -> Vec<ObjectName> {
    names.iter().map(|name| ObjectName::new(*name)).collect()
}

/// A database with the tables of Contact and Lead, two rows each.
async fn with_tables<H: Harness>() -> (H, Table<H>, Table<H>) {
    let harness = H::start().await;
    let rows = [Row::new(1, 5).name("Meyer"), Row::new(2, 5).name("Huber")];
    let mut contacts = created(&harness, &contact(Deletes::Remove)).await;
    MERGE.write(&mut contacts, &rows).await.unwrap();
    let mut leads = created(&harness, &lead()).await;
    MERGE.write(&mut leads, &rows).await.unwrap();
    (harness, contacts, leads)
}

async fn states<H: Harness>(harness: &H) -> Vec<String> {
    let rows = harness.query("SELECT object FROM _replication_state ORDER BY 1").await;
    rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

/// "Retires the tables of the owner's objects that are not among `kept`, and gives all retired tables of the owner in order of
/// their names." "They keep their rows."
pub(crate) async fn tables_of_objects_that_left_are_kept<H: Harness>() {
    let (harness, contacts, leads) = with_tables::<H>().await;
    drop((contacts, leads));
    let destination = harness.destination();
    let list = destination
        .retire(&owner(), &objects(&["Contact"]), moment(50))
        .await
        .unwrap();
    assert_eq!(list, [retired("lead", "Lead", 50)]);
    assert_eq!(states(&harness).await, ["Contact"]);
    assert_eq!(names(&harness, &lead()).await, ["Meyer 10:00:05", "Huber 10:00:05"]);

    let list = destination.retire(&owner(), &[], moment(60)).await.unwrap();
    assert_eq!(list, [retired("contact", "Contact", 60), retired("lead", "Lead", 50)]);
    assert!(states(&harness).await.is_empty());
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await.len(), 2);
}

/// "Writes nothing where none is to be retired."
pub(crate) async fn where_none_left_nothing_is_written<H: Harness>() {
    let (harness, contacts, leads) = with_tables::<H>().await;
    drop((contacts, leads));
    let destination = harness.destination();
    let both = objects(&["Lead", "Account", "Contact"]);
    let before = harness.fingerprint().await;
    assert!(
        destination
            .retire(&owner(), &both, moment(50))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(harness.fingerprint().await, before);
    // "Whatever the case of their names."
    let other_case = objects(&["LEAD", "contact"]);
    let list = destination.retire(&owner(), &other_case, moment(50)).await.unwrap();
    assert!(list.is_empty(), "{list:?}");
    assert_eq!(harness.fingerprint().await, before);
    destination.retire(&owner(), &both[1..], moment(50)).await.unwrap();
    let before = harness.fingerprint().await;
    let list = destination.retire(&owner(), &both[1..], moment(60)).await.unwrap();
    assert_eq!(list, [retired("lead", "Lead", 50)]);
    assert_eq!(harness.fingerprint().await, before);
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

async fn noted<H: Harness>(harness: &H, object: &str) -> Vec<String> {
    let mut counts = Vec::new();
    for list in ["_pending_delete", "_rejected_row", "_surplus_row"] {
        let sql = format!("SELECT count(*) FROM {list} WHERE object = '{object}'");
        counts.push(harness.query(&sql).await.remove(0).remove(0).unwrap());
    }
    counts
}

/// "What retired objects had noted (pending deletes, surplus, rejected rows) is forgotten with their state."
pub(crate) async fn what_they_had_noted_is_forgotten<H: Harness>() {
    let (harness, mut contacts, mut leads) = with_tables::<H>().await;
    note(&mut contacts).await;
    note(&mut leads).await;
    drop((contacts, leads));
    let kept = objects(&["Lead"]);
    harness.destination().retire(&owner(), &kept, moment(50)).await.unwrap();
    assert_eq!(noted(&harness, "Contact").await, ["0", "0", "0"]);
    assert_eq!(noted(&harness, "Lead").await, ["1", "1", "2"]);
}

/// A process that still has the table open "finds another epoch": "they ... are never written".
pub(crate) async fn a_retired_table_is_not_written<H: Harness>() {
    let (harness, mut contacts, leads) = with_tables::<H>().await;
    drop(leads);
    harness.destination().retire(&owner(), &[], moment(50)).await.unwrap();
    let written = MERGE.write(&mut contacts, &[Row::new(3, 6)]).await;
    assert!(matches!(written, Err(Error::Fenced { .. })), "{written:?}");
    contacts.rollback().await.unwrap();
    let touched = contacts.touch(&checkpoint(7), moment(7)).await;
    assert!(matches!(touched, Err(Error::Fenced { .. })), "{touched:?}");
    assert_eq!(names(&harness, &contact(Deletes::Remove)).await.len(), 2);
    assert!(states(&harness).await.is_empty());
}

/// "A retired table of ours that is named again is taken off the list by `create`, which then finds `Contents::Rows`."
pub(crate) async fn a_retired_table_is_taken_back<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, contacts, leads) = with_tables::<H>().await;
    drop((contacts, leads));
    let destination = harness.destination();
    destination.retire(&owner(), &[], moment(50)).await.unwrap();
    let mut table = destination.open(Arc::new(plan.clone()), owner()).await.unwrap();
    assert_eq!(table.read_state().await.unwrap(), None);
    assert_eq!(table.create(&checkpoint(0), moment(60)).await.unwrap(), Contents::Rows);
    assert_eq!(state_of(&harness, &plan).await.rows, 2);
    let kept = objects(&["Contact"]);
    let list = destination.retire(&owner(), &kept, moment(70)).await.unwrap();
    assert_eq!(list, [retired("lead", "Lead", 50)]);
    let rows = [
        Row::new(1, 5).name("Meyer"),
        Row::new(2, 6).name("Huber"),
        Row::new(3, 6).name("Kunz"),
    ];
    assert_eq!(MERGE.write(&mut table, &rows).await.unwrap(), counts(1, 1, 0));
}

/// Another replicator's objects are not ours to retire, and its retired tables are not ours to take.
pub(crate) async fn tables_of_others_are_left_alone<H: Harness>() {
    let harness = H::start().await;
    drop(created(&harness, &contact(Deletes::Remove)).await);
    let stranger = Owner {
        replicator: "sales/other".into(),
        ..owner()
    };
    let of_another_org = Owner {
        organization_id: "00D000000000002AAA".into(),
        ..owner()
    };
    let destination = harness.destination();
    let before = harness.fingerprint().await;
    for owner in [&stranger, &of_another_org] {
        assert!(destination.retire(owner, &[], moment(50)).await.unwrap().is_empty());
    }
    assert_eq!(harness.fingerprint().await, before);

    destination.retire(&owner(), &[], moment(60)).await.unwrap();
    for owner in [stranger, of_another_org] {
        assert!(destination.retire(&owner, &[], moment(70)).await.unwrap().is_empty());
        let mut table = destination
            .open(Arc::new(contact(Deletes::Remove)), owner)
            .await
            .unwrap();
        let error = table.read_state().await.unwrap_err();
        assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
        assert!(error.message().contains("telephony/crm"), "{error}");
    }
}

/// "`create` does so with the former table of an object whose state names another one." What was noted was noted of that one.
pub(crate) async fn another_table_retires_the_former_one<H: Harness>() {
    let plan = contact(Deletes::Remove);
    let (harness, mut contacts, leads) = with_tables::<H>().await;
    note(&mut contacts).await;
    drop((contacts, leads));
    let mut moved = plan.clone();
    moved.table = Identifier::new("people");
    moved.indexes.clear();
    let destination = harness.destination();
    let mut people = open(&destination, &moved).await;
    assert_eq!(
        people.create(&checkpoint(0), moment(40)).await.unwrap(),
        Contents::Empty
    );
    let state = state_of(&harness, &moved).await;
    assert_eq!((state.table_name.as_str(), state.rows), ("people", 0));
    assert!(pending(&harness).await.is_empty() && rejected(&harness).await.is_empty());
    assert_eq!(noted(&harness, "Lead").await, ["0", "0", "0"]);
    let kept = objects(&["Contact", "Lead"]);
    let list = destination.retire(&owner(), &kept, moment(50)).await.unwrap();
    assert_eq!(list, [retired("contact", "Contact", 40)]);
    assert_eq!(
        LAST.write(&mut people, &[Row::new(7, 6).name("Kunz")]).await.unwrap(),
        counts(1, 0, 0)
    );
    assert_eq!(names(&harness, &plan).await.len(), 2, "the former table keeps its rows");

    let unfit = Row::new(9, 6).with("Visits__c", "many");
    MERGE.write(&mut people, &[Row::deleted(7, 7), unfit]).await.unwrap();
    assert_eq!((pending(&harness).await.len(), rejected(&harness).await.len()), (1, 1));
    let mut back = open(&destination, &plan).await;
    assert_eq!(back.create(&checkpoint(0), moment(60)).await.unwrap(), Contents::Rows);
    assert!(pending(&harness).await.is_empty() && rejected(&harness).await.is_empty());
    let list = destination.retire(&owner(), &kept, moment(70)).await.unwrap();
    assert_eq!(list, [retired("people", "Contact", 60)]);
    assert_eq!(state_of(&harness, &plan).await.rows, 2);
}

/// "A retired table of ours" is that of its object: rows of two objects are not mixed.
pub(crate) async fn a_retired_table_of_another_object_is_refused<H: Harness>() {
    let (harness, contacts, leads) = with_tables::<H>().await;
    drop((contacts, leads));
    let destination = harness.destination();
    destination.retire(&owner(), &[], moment(50)).await.unwrap();
    let before = harness.fingerprint().await;
    let mixed = named(contact(Deletes::Remove), "Lead", "contact");
    let mut table = destination.open(Arc::new(mixed), owner()).await.unwrap();
    let error = table.read_state().await.unwrap_err();
    assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
    assert!(error.message().contains("is retired and holds Contact"), "{error}");
    assert_eq!(harness.fingerprint().await, before);
}
