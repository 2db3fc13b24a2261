//! "`read_state` refuses the object when the state belongs to another org or replicator, and when the object's table
//! exists without being in the state; both are `Error::SchemaConflict` and name whose it is."

use std::sync::Arc;

use replication::{
    Error,
    destination::{Destination, ObjectTable},
    plan::{Deletes, ObjectPlan},
    state::Owner,
};

use super::{
    Harness,
    fixture::{contact, created, named, owner},
};

/// The message of the refusal to read a state.
async fn refused<H: Harness>(harness: &H, plan: &ObjectPlan, owner: Owner) -> String {
    let before = harness.fingerprint().await;
    let mut table = harness.destination().open(Arc::new(plan.clone()), owner).await.unwrap();
    let error = table.read_state().await.unwrap_err();
    assert!(matches!(error, Error::SchemaConflict { .. }), "{error:?}");
    assert_eq!(harness.fingerprint().await, before);
    error.message()
}

fn assert_names(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word} is missing: {message}");
    }
}

/// Another org, the same replicator: a sandbox's resource was pointed at production.
pub(crate) async fn state_of_another_org_is_refused<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    drop(created(&harness, &plan).await);
    let other = Owner {
        organization_id: "00D000000000002AAA".into(),
        ..owner()
    };
    let message = refused(&harness, &plan, other).await;
    assert_names(&message, &["Contact", "00D000000000001AAA"]);
}

/// The same for an object that is new with the change of the org: it has no state, and another one has.
pub(crate) async fn a_new_object_of_another_org_is_refused<H: Harness>() {
    let harness = H::start().await;
    drop(created(&harness, &contact(Deletes::Remove)).await);
    let lead = named(contact(Deletes::Remove), "Lead", "lead");
    for adopts in [None, Some("telephony/crm".to_owned())] {
        let other = Owner {
            organization_id: "00D000000000002AAA".into(),
            replicator: adopts
                .clone()
                .map_or_else(|| owner().replicator, |_| "sales/other".into()),
            adopts,
        };
        let message = refused(&harness, &lead, other).await;
        assert_names(
            &message,
            &["Contact", "telephony/crm", "00D000000000001AAA", "00D000000000002AAA"],
        );
    }
    // Other replicators may come from where they like.
    let other = Owner {
        organization_id: "00D000000000002AAA".into(),
        replicator: "sales/other".into(),
        adopts: None,
    };
    let mut table = harness.destination().open(Arc::new(lead), other).await.unwrap();
    assert_eq!(table.read_state().await.unwrap(), None);
}

/// Another replicator, the same org.
pub(crate) async fn state_of_another_replicator_is_refused<H: Harness>() {
    let harness = H::start().await;
    let plan = contact(Deletes::Remove);
    drop(created(&harness, &plan).await);
    let other = Owner {
        replicator: "sales/other".into(),
        ..owner()
    };
    let message = refused(&harness, &plan, other).await;
    assert_names(&message, &["Contact", "telephony/crm"]);
}

/// A table that somebody made by hand is never written to, with state tables and without.
pub(crate) async fn a_table_that_is_not_ours_is_refused<H: Harness>() {
    let plan = contact(Deletes::Remove);
    for prepared in [true, false] {
        let harness = H::start().await;
        if prepared {
            harness.destination().prepare().await.unwrap();
        }
        harness
            .query("CREATE TABLE contact (salesforce_id varchar(18), note varchar(80))")
            .await;
        harness.query("INSERT INTO contact VALUES ('x', 'mine')").await;
        let message = refused(&harness, &plan, owner()).await;
        assert_names(&message, &["contact"]);
        assert_eq!(
            harness.query("SELECT note FROM contact").await,
            [[Some("mine".to_owned())]]
        );
    }
}

/// Two objects of one database cannot have one table.
pub(crate) async fn a_table_of_another_object_is_refused<H: Harness>() {
    let harness = H::start().await;
    drop(created(&harness, &contact(Deletes::Remove)).await);
    let other = named(contact(Deletes::Remove), "Lead", "contact");
    let message = refused(&harness, &other, owner()).await;
    assert_names(&message, &["Lead", "contact", "Contact", "telephony/crm"]);
}

/// Other objects of the same owner go on.
pub(crate) async fn refused_objects_leave_the_database_alone<H: Harness>() {
    let harness = H::start().await;
    harness.destination().prepare().await.unwrap();
    harness.query("CREATE TABLE contact (note varchar(80))").await;
    refused(&harness, &contact(Deletes::Remove), owner()).await;
    drop(created(&harness, &named(contact(Deletes::Remove), "Lead", "lead")).await);
    let objects = harness.query("SELECT object FROM _replication_state").await;
    assert_eq!(objects, [[Some("Lead".to_owned())]]);
}
