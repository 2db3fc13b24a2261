//! What happens to the tables with the resource.
//!
//! Only `deletionPolicy: Delete` has a finalizer: under `Retain` nothing has to be done, so nothing can keep a resource,
//! and with it a namespace, from going. The finalizer is put on before the first run and taken off when the policy changes back.
//! The worker has ended before a table is dropped. Dropping is tried again for as long as it fails, each try bounded; a person who does
//! not want to wait for a database that is gone for good lets the resource go by the annotation `skip-cleanup`.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use crds::{DeletionPolicy, Destination, Reason, SalesforceReplicator, annotation};
use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use replication::connect;
use serde_json::json;

use crate::{
    Error, Result,
    events::Happening,
    reconcile::{self, Context},
    requests::in_time,
    secrets::{self, Snapshot},
    supervisor::{self, Key},
    worker::PATIENCE,
};

/// How long one try may take.
const TRY: Duration = Duration::from_mins(2);

pub(crate) fn has_finalizer(resource: &impl ResourceExt) -> bool {
    resource
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == annotation::FINALIZER)
}

/// Whether the resource is being deleted and waits for us.
pub(crate) fn is_needed(resource: &SalesforceReplicator) -> bool {
    resource.meta().deletion_timestamp.is_some() && has_finalizer(resource)
}

/// Puts the finalizer on or takes it off, as the policy says.
///
/// # Errors
/// The API server's.
pub(crate) async fn settle_finalizer(resource: &SalesforceReplicator, context: &Context) -> Result<()> {
    match (resource.spec.deletion_policy, has_finalizer(resource)) {
        (DeletionPolicy::Delete, false) => {
            let finalizers: Vec<&str> = resource
                .finalizers()
                .iter()
                .map(String::as_str)
                .chain([annotation::FINALIZER])
                .collect();
            set_finalizers(resource, &finalizers, context).await
        }
        (DeletionPolicy::Retain, true) => release(resource, context).await,
        (DeletionPolicy::Delete, true) | (DeletionPolicy::Retain, false) => Ok(()),
    }
}

/// Takes our finalizer off.
///
/// # Errors
/// The API server's.
pub(crate) async fn release(resource: &impl ResourceExt, context: &Context) -> Result<()> {
    let others: Vec<&str> = resource
        .finalizers()
        .iter()
        .map(String::as_str)
        .filter(|finalizer| *finalizer != annotation::FINALIZER)
        .collect();
    set_finalizers(resource, &others, context).await
}

/// Replaces the list, if nobody else has changed the resource meanwhile.
async fn set_finalizers(resource: &impl ResourceExt, finalizers: &[&str], context: &Context) -> Result<()> {
    let (namespace, name) = supervisor::key(resource);
    let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": resource.resource_version()}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let doing = format!("changing the finalizers of {namespace}/{name}");
    let api = context.api(&namespace);
    in_time(doing, api.patch_metadata(&name, &params, &patch))
        .await
        .map(drop)
}

/// Drops the tables of a resource that is being deleted, and lets it go.
///
/// # Errors
/// The API server's, or that the tables could not be dropped: it is tried again.
pub(crate) async fn pass(resource: &SalesforceReplicator, context: &Context) -> Result<Action> {
    let key = supervisor::key(resource);
    let Ok(entry) = context.supervisor.entry(resource).await else {
        return Err(Error::Settings(
            "the metrics of a resource could not be made".to_owned(),
        ));
    };
    context.supervisor.stop(&entry, PATIENCE).await;
    let spec = &resource.spec;
    let earlier = Arc::clone(&entry.memory.lock().unwrap_or_else(PoisonError::into_inner).secrets);
    drop_and_release(
        resource,
        (spec.deletion_policy, Ok(&spec.destination)),
        &earlier,
        context,
    )
    .await?;
    context.supervisor.forget(&key, &entry).await;
    Ok(Action::await_change())
}

/// Drops what the policy says of a destination, and takes our finalizer off. A destination that cannot be read is given as the
/// reason for it.
///
/// # Errors
/// As those of [`pass`].
pub(crate) async fn drop_and_release(
    resource: &impl Resource<DynamicType = ()>,
    (policy, destination): (DeletionPolicy, Result<&Destination, String>),
    earlier: &Snapshot,
    context: &Context,
) -> Result<()> {
    let skips = resource
        .annotations()
        .get(annotation::SKIP_CLEANUP)
        .is_some_and(|skip| skip == "true");
    if policy == DeletionPolicy::Delete && !skips {
        let dropped = match destination {
            Ok(destination) => drop_tables(&supervisor::key(resource), destination, earlier, context).await?,
            Err(message) => Err(message),
        };
        match dropped {
            Ok(tables) => {
                let note = format!("tables dropped: {}", tables.join(", "));
                let happened = [Happening::normal(Reason::TablesDropped, note)];
                context.publisher.publish(resource, &happened).await;
            }
            Err(message) => {
                let note = format!(
                    "{message}; it is tried again; to let the resource go with its tables kept, annotate {}=true",
                    annotation::SKIP_CLEANUP
                );
                let happened = [Happening::warning(Reason::CleanupFailed, note)];
                context.publisher.publish(resource, &happened).await;
                let (namespace, name) = supervisor::key(resource);
                return Err(Error::Cleanup {
                    resource: format!("{namespace}/{name}"),
                    message,
                });
            }
        }
    }
    release(resource, context).await
}

/// The tables that were dropped, or why they were not.
async fn drop_tables(
    key: &Key,
    destination: &Destination,
    earlier: &Snapshot,
    context: &Context,
) -> Result<Result<Vec<String>, String>> {
    let (namespace, _) = key;
    // The database's alone; and where a namespace goes as a whole, its Secrets may go before us.
    let mut secrets = Snapshot::new(namespace);
    for name in secrets::names_of_destination(destination) {
        match reconcile::read_secret(context, namespace, name).await? {
            Some(secret) => secrets.insert(secret),
            None if secrets.keep_gone(earlier, name) => {}
            None => {
                return Ok(Err(format!(
                    "Secret {namespace}/{name} does not exist; the resource refers to it"
                )));
            }
        }
    }
    let options = context.supervisor.workshop().options(key);
    let purged = Box::pin(connect::purge(destination, &secrets, &options));
    Ok(match tokio::time::timeout(TRY, purged).await {
        Ok(Ok(purged)) => Ok(purged.tables),
        Ok(Err(error)) => Err(error.message()),
        Err(_elapsed) => Err(format!("the database did not answer within {} s", TRY.as_secs())),
    })
}
