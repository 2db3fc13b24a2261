//! Several sessions at one object: the guard, the window and retiring are behind the fence.

use std::sync::Arc;

use futures_util::poll;
use replication::{
    Error, Result,
    destination::{Deletions, Destination, Left, Load, ObjectTable, StateWrite, postgres::PostgresTable},
    plan::ObjectPlan,
    state::{Counts, Owner},
};

use super::fixture::{GUARD, Place, batch, checkpoint, merge, now, open, owner, plan};

fn left(numbers: std::ops::Range<u32>) -> Vec<Left> {
    numbers
        .map(|number| Left {
            id: format!("003{number:012}AAA"),
            stamp: None,
        })
        .collect()
}

/// A table of ten rows.
async fn of_ten(place: &Place, plan: &ObjectPlan) -> PostgresTable {
    let mut table = place.created(plan).await;
    let rows: [&[&str]; 10] = [&["a"]; 10];
    merge(&mut table, batch(plan, &rows)).await.unwrap();
    table
}

async fn leave(table: &mut PostgresTable, numbers: std::ops::Range<u32>) -> Result<Counts> {
    table.begin(Load::Overwrite).await?;
    table.leave(left(numbers)).await?;
    apply(table).await
}

async fn apply(table: &mut PostgresTable) -> Result<Counts> {
    table
        .commit(&checkpoint(), Deletions::Apply(GUARD), StateWrite::WithRows, now())
        .await
}

async fn count(place: &Place, what: &str) -> String {
    place.server.value(&format!("SELECT count(*) FROM {what}")).await
}

/// Both would be let through alone; the second finds what the first one took, or lets go.
#[tokio::test]
async fn two_processes_cannot_pass_the_guard_together() {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut first = of_ten(&place, &plan).await;
    let mut second = open(&place.destination().await, &plan).await;
    second.read_state().await.unwrap();

    second.begin(Load::Overwrite).await.unwrap();
    second.leave(left(5..9)).await.unwrap();
    // The lock of the object makes both wait at the fence, the first before the second.
    let lock = format!("hashtextextended('salesforce-replicator/{}/Contact', 0)", place.schema);
    place.server.query(&format!("SELECT pg_advisory_lock({lock})")).await;
    first.begin(Load::Overwrite).await.unwrap();
    first.leave(left(0..4)).await.unwrap();
    let (counts, fenced) = {
        let mut taking = Box::pin(apply(&mut first));
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = \
                       (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid IN \
                       (SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_advisory_xact_lock%')";
        while place.server.value(waiting).await == "0" {
            assert!(poll!(&mut taking).is_pending());
            tokio::task::yield_now().await;
        }
        place.server.query(&format!("SELECT pg_advisory_unlock({lock})")).await;
        let counts = taking.await.unwrap();
        (counts, apply(&mut second).await)
    };
    assert_eq!(counts.deleted, 4);
    // The first had claimed before; so the second, which has not, may go on, and finds the window.
    match fenced {
        Ok(counts) => assert_eq!((counts.deleted, counts.held), (0, 4)),
        Err(error) => panic!("{error:?}"),
    }
    assert_eq!(count(&place, "contact").await, "6");
    assert_eq!(count(&place, "_pending_delete").await, "4");
    // The second has claimed: the first lets go, and what is held stays held.
    let error = leave(&mut first, 4..5).await.unwrap_err();
    assert!(matches!(error, Error::Fenced { .. }), "{error:?}");
    assert_eq!(count(&place, "_pending_delete").await, "4");
}

#[tokio::test]
async fn a_confirmation_and_a_commit_do_not_cross() {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut table = of_ten(&place, &plan).await;
    assert_eq!(leave(&mut table, 0..6).await.unwrap().held, 6);
    let token = table.held().await.unwrap().unwrap().token;
    let mut other = open(&place.destination().await, &plan).await;
    other.read_state().await.unwrap();
    // A segment that began before somebody else confirmed does not apply what was confirmed.
    table.begin(Load::Overwrite).await.unwrap();
    table.leave(left(6..7)).await.unwrap();
    assert!(other.confirm(&token, now()).await.unwrap());
    let error = apply(&mut table).await.unwrap_err();
    assert!(matches!(error, Error::Fenced { .. }), "{error:?}");
    assert_eq!(count(&place, "contact").await, "10");
    let counts = leave(&mut other, 7..8).await.unwrap();
    assert_eq!((counts.deleted, counts.held), (7, 0));
}

#[tokio::test]
async fn who_writes_into_a_table_that_is_retired_lets_go() {
    let place = Place::new().await;
    let plan = plan(&[]);
    let mut table = of_ten(&place, &plan).await;
    let destination = place.destination().await;
    table.begin(Load::Merge).await.unwrap();
    table.write(batch(&plan, &[&["b"]])).await.unwrap();
    let retired = destination.retire(&owner(), &[], now()).await.unwrap();
    assert_eq!(retired.len(), 1);
    let error = apply(&mut table).await.unwrap_err();
    assert!(matches!(error, Error::Fenced { .. }), "{error:?}");
    assert_eq!(count(&place, "contact WHERE spelled = 'a'").await, "10");
}

/// A retired table that somebody drops is no news for a status.
#[tokio::test]
async fn a_retired_table_that_is_dropped_is_not_listed() {
    let place = Place::new().await;
    let plan = plan(&[]);
    drop(of_ten(&place, &plan).await);
    let destination = place.destination().await;
    assert_eq!(
        destination.retire(&owner(), &[], now()).await.unwrap()[0].table,
        "contact"
    );
    place.server.query("DROP TABLE contact").await;
    assert_eq!(destination.retire(&owner(), &[], now()).await.unwrap(), Vec::new());
}

#[tokio::test]
async fn nothing_is_retired_where_nothing_was_prepared() {
    let place = Place::new().await;
    let destination = place.destination().await;
    assert_eq!(destination.retire(&owner(), &[], now()).await.unwrap(), Vec::new());
}

#[tokio::test]
async fn a_retired_table_of_another_object_is_not_taken_back() {
    let place = Place::new().await;
    let mut plan = plan(&[]);
    drop(of_ten(&place, &plan).await);
    let destination = place.destination().await;
    destination.retire(&owner(), &[], now()).await.unwrap();
    plan.object = replication::plan::ObjectName::new("Lead");
    let mut table = open(&destination, &plan).await;
    let error = table.read_state().await.unwrap_err();
    assert!(
        matches!(&error, Error::SchemaConflict { message } if message.contains("retired") && message.contains("Contact")),
        "{error:?}"
    );
}

/// With an object that is taken over goes the table that it was in before.
#[tokio::test]
async fn an_adopted_object_brings_its_former_table() {
    let place = Place::new().await;
    let mut plan = plan(&[]);
    drop(of_ten(&place, &plan).await);
    let destination = place.destination().await;
    plan.table = replication::plan::Identifier::new("people");
    let mut table = open(&destination, &plan).await;
    table.read_state().await.unwrap();
    table.create(&checkpoint(), now()).await.unwrap();
    drop(table);
    let adopting = Owner {
        replicator: "telephony/next".into(),
        adopts: Some(owner().replicator),
        ..owner()
    };
    let mut table = destination
        .open(Arc::new(plan.clone()), adopting.clone())
        .await
        .unwrap();
    table.read_state().await.unwrap();
    merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap();
    let owners = "SELECT string_agg(replicator, ' ') FROM (SELECT replicator FROM _replication_state \
                  UNION ALL SELECT replicator FROM _retired_table) o";
    assert_eq!(place.server.value(owners).await, "telephony/next telephony/next");
    let kept = [plan.object.clone()];
    let own = Owner {
        adopts: None,
        ..adopting
    };
    assert_eq!(
        destination.retire(&own, &kept, now()).await.unwrap()[0].table,
        "contact"
    );
    assert_eq!(destination.retire(&owner(), &kept, now()).await.unwrap(), Vec::new());
}
