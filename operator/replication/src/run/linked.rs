//! Linked fields: what changed parents mean for their children.
//!
//! `Account.Name` stands in the row of a contact, and when it changes the contact's own stamp does not (salesforce-api.md
//! 6.4). So each Incremental first asks for the parents that changed since the *child's* watermark, overlap included: one
//! call for each type of parent. Only where a value differs from ours are the children read again, whole; an account whose
//! balance is recomputed each night costs nothing here.
//!
//! What changes a parent without a stamp (its formulas), and parents of several types, are the business of Refresh
//! (design 6.5). So are parents that were hard deleted: their children lose the reference, and with it get a stamp.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::{Context, incremental::ids_of, reader::Reader, settle::Segments};
use crate::{
    Result,
    batch::Batch,
    destination::{Load, ObjectTable},
    plan::Link,
    soql::Shape,
    state::Checkpoint,
};

/// Reads the children of parents that changed since a moment. Tells whether anything was written.
pub(crate) async fn changed_since<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    checkpoint: &Checkpoint,
    since: Timestamp,
    settled: Timestamp,
) -> Result<bool> {
    let mut wrote = false;
    for link in &context.plan.links {
        let shape = Shape::parents(link);
        let reader = Reader::of_changes(context, Arc::clone(&shape), since, settled);
        let parents = outdated(table, link, &shape, reader).await?;
        wrote |= children(context, table, checkpoint, link, parents).await?;
    }
    Ok(wrote)
}

/// Reads the children of some parents again where they are not as their parents are. Tells whether anything was written.
pub(crate) async fn of_parents<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    checkpoint: &Checkpoint,
    link: &Link,
    ids: &[String],
) -> Result<bool> {
    let shape = Shape::parents(link);
    let mut parents = BTreeSet::new();
    for chunk in ids.chunks(shape.ids_at_once()) {
        let reader = Reader::among(context, Arc::clone(&shape), "Id", chunk);
        parents.extend(outdated(table, link, &shape, reader).await?);
    }
    children(context, table, checkpoint, link, parents).await
}

/// The parents among those read whose children are not as they are.
async fn outdated<T: ObjectTable>(
    table: &mut T,
    link: &Link,
    shape: &Shape,
    mut reader: Reader<'_>,
) -> Result<BTreeSet<String>> {
    let mut parents = BTreeSet::new();
    while let Some(batch) = reader.next().await? {
        let compares = link.reference_column.is_some() && !link.compared.is_empty();
        if compares {
            parents.extend(deleted(&batch, link, shape));
            parents.extend(table.outdated_parents(link, batch).await?);
        } else {
            parents.extend(ids_of(&batch, shape.id));
        }
    }
    Ok(parents)
}

/// Deleted parents: what their children have of them is to be looked at, whatever their last values are.
fn deleted(batch: &Batch, link: &Link, shape: &Shape) -> Vec<String> {
    let is_deleted = |row: usize| link.is_deleted.and_then(|field| batch.get(row, field)) == Some("true");
    (0..batch.rows())
        .filter(|row| is_deleted(*row))
        .filter_map(|row| batch.get(row, shape.id).map(str::to_owned))
        .collect()
}

/// Reads the children of parents again.
async fn children<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    checkpoint: &Checkpoint,
    link: &Link,
    parents: BTreeSet<String>,
) -> Result<bool> {
    if parents.is_empty() {
        return Ok(false);
    }
    let parents: Vec<String> = parents.into_iter().collect();
    let mut segments = Segments::new(context, table, Load::Overwrite);
    // With a condition that names the parent, children may leave and arrive: then each is settled.
    let shape = match &context.plan.condition {
        None => Arc::clone(&context.whole),
        Some(_) => Shape::stamps(context.plan),
    };
    for chunk in parents.chunks(context.whole.ids_at_once()) {
        let mut reader = Reader::among(context, Arc::clone(&shape), &link.reference.field, chunk);
        while let Some(batch) = segments.next(&mut reader, checkpoint).await? {
            if context.plan.condition.is_none() {
                segments.write(batch).await?;
            } else {
                let ids = ids_of(&batch, shape.id);
                drop(batch);
                segments.settle(checkpoint, &ids).await?;
            }
            segments.commit_if_full(checkpoint).await?;
        }
    }
    segments.commit(checkpoint).await?;
    Ok(segments.wrote())
}
