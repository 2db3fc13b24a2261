//! "The state of a replicator that the owner adopts is not refused; the first claim writes the owner's name into it."

use std::sync::Arc;

use replication::{
    Error,
    destination::{Destination, ObjectTable, Stretch},
    plan::{Deletes, ObjectName},
    state::Owner,
};

use super::{
    Harness,
    fixture::{
        MERGE, Row, Table, checkpoint, contact, counts, created, epoch, moment, named, open, owner, state_value,
    },
};

/// Who takes over what `owner()` has.
fn heir() -> Owner {
    Owner {
        replicator: "sales/new".into(),
        adopts: Some("telephony/crm".into()),
        ..owner()
    }
}

async fn opened<H: Harness>(harness: &H, owner: Owner) -> Table<H> {
    let plan = Arc::new(contact(Deletes::Remove));
    harness.destination().open(plan, owner).await.unwrap()
}

async fn with_row<H: Harness>() -> (H, Table<H>) {
    let harness = H::start().await;
    let mut table = created(&harness, &contact(Deletes::Remove)).await;
    MERGE.write(&mut table, &[Row::new(1, 5).name("Meyer")]).await.unwrap();
    (harness, table)
}

/// Reading adopts nothing; the first commit does, and fences the former owner, which is refused from then on.
pub(crate) async fn the_first_commit_takes_over<H: Harness>() {
    let (harness, mut former) = with_row::<H>().await;
    let before = harness.fingerprint().await;
    let claimed = epoch(&harness).await;
    let mut table = opened(&harness, heir()).await;
    let state = table.read_state().await.unwrap().unwrap();
    assert_eq!(state.owner.replicator, "telephony/crm");
    assert_eq!(harness.fingerprint().await, before, "reading writes nothing");

    let touched = checkpoint(7);
    table.touch(&touched, moment(7)).await.unwrap();
    assert_eq!(
        state_value(&harness, "replicator").await.unwrap(),
        "telephony/crm",
        "touch claims nothing"
    );

    assert_eq!(
        MERGE.write(&mut table, &[Row::new(1, 6).name("Meier")]).await.unwrap(),
        counts(0, 1, 0)
    );
    assert_eq!(state_value(&harness, "replicator").await.unwrap(), "sales/new");
    assert_eq!(epoch(&harness).await, claimed + 1);
    let fenced = MERGE.write(&mut former, &[Row::new(1, 7)]).await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");

    let error = opened(&harness, owner()).await.read_state().await.unwrap_err();
    assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
    assert!(error.message().contains("sales/new"), "{error}");
    // Who has taken over needs not adopt any more.
    let own = Owner { adopts: None, ..heir() };
    assert!(opened(&harness, own).await.read_state().await.unwrap().is_some());
}

/// Whatever claims first: `create`, a comparison that notes, a confirmation.
pub(crate) async fn whatever_claims_takes_over<H: Harness>() {
    for claim in ["create", "compare", "confirm"] {
        let (harness, mut former) = with_row::<H>().await;
        MERGE.write(&mut former, &[Row::deleted(1, 6)]).await.unwrap();
        let mut table = opened(&harness, heir()).await;
        let state = table.read_state().await.unwrap().unwrap();
        match claim {
            "create" => {
                table.create(&state.checkpoint, moment(9)).await.unwrap();
            }
            "compare" => {
                let stretch = Stretch {
                    after: None,
                    until: None,
                    listed: &[],
                };
                assert_eq!(table.compare(stretch).await.unwrap().surplus, 1);
            }
            _ => {
                let held = table.held().await.unwrap().unwrap();
                assert!(table.confirm(&held.token, moment(9)).await.unwrap());
            }
        }
        assert_eq!(
            state_value(&harness, "replicator").await.unwrap(),
            "sales/new",
            "{claim}"
        );
    }
}

/// Only the replicator that is named, and only for the same org.
pub(crate) async fn nobody_else_is_adopted<H: Harness>() {
    let (harness, table) = with_row::<H>().await;
    drop(table);
    let of_somebody_else = Owner {
        adopts: Some("sales/old".into()),
        ..heir()
    };
    let of_another_org = Owner {
        organization_id: "00D000000000002AAA".into(),
        ..heir()
    };
    let before = harness.fingerprint().await;
    for owner in [of_somebody_else, of_another_org] {
        let error = opened(&harness, owner).await.read_state().await.unwrap_err();
        assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
        assert!(error.message().contains("telephony/crm"), "{error}");
    }
    assert_eq!(harness.fingerprint().await, before);
}

/// Tables that an object has left go with it: they are listed for who adopts, and are its own from the first claim on.
pub(crate) async fn retired_tables_go_with_their_object<H: Harness>() {
    let (harness, former) = with_row::<H>().await;
    drop(former);
    let destination = harness.destination();
    let moved = |table: &str| named(contact(Deletes::Remove), "Contact", table);
    let mut people = open(&destination, &moved("people")).await;
    people.create(&checkpoint(0), moment(40)).await.unwrap();
    drop(people);
    let kept = [ObjectName::new("Contact")];
    let own = Owner { adopts: None, ..heir() };
    assert_eq!(listed(&harness, &heir(), &kept).await, ["contact"]);
    assert!(listed(&harness, &own, &kept).await.is_empty(), "listing adopts nothing");

    let mut persons = destination.open(Arc::new(moved("persons")), heir()).await.unwrap();
    persons.read_state().await.unwrap();
    persons.create(&checkpoint(0), moment(60)).await.unwrap();
    assert_eq!(listed(&harness, &own, &kept).await, ["contact", "people"]);
    assert!(
        listed(&harness, &owner(), &kept).await.is_empty(),
        "they are not the former owner's"
    );
}

/// So do those of objects that who adopts does not replicate.
pub(crate) async fn objects_that_nobody_keeps_are_retired_for_the_heir<H: Harness>() {
    let (harness, former) = with_row::<H>().await;
    drop(former);
    assert_eq!(listed(&harness, &heir(), &[]).await, ["contact"]);
    let own = Owner { adopts: None, ..heir() };
    assert_eq!(listed(&harness, &own, &[]).await, ["contact"]);
    assert!(listed(&harness, &owner(), &[]).await.is_empty());
    assert!(harness.query("SELECT object FROM _replication_state").await.is_empty());
}

/// The retired tables of an owner after retiring what is not kept.
async fn listed<H: Harness>(harness: &H, owner: &Owner, kept: &[ObjectName]) -> Vec<String> {
    let retired = harness.destination().retire(owner, kept, moment(50)).await.unwrap();
    retired.into_iter().map(|retired| retired.table).collect()
}
