//! Children of parents that changed.
//!
//! A parent's stamp moves with each of its fields, and few of them are in the table. So the values that were read go to the
//! server, in the types of the columns that they would stand in, and only parents come back that have a child with another
//! value. What does not fit such a column counts as another value: the child is read again then, and says itself what is
//! wrong.

use std::collections::BTreeSet;

use super::{Context, array::Array, connect::Session, failure::Doing, statement::outdated_parents};
use crate::{
    Result,
    batch::Batch,
    plan::{ColumnKind, Link, LinkedColumn},
};

/// Position of `Id` in the select list of a link.
const ID: usize = 0;

/// Those of the parents that have a child with another value, in the order of the batch.
pub(super) async fn outdated(
    context: &Context,
    session: &mut Session,
    link: &Link,
    parents: &Batch,
) -> Result<Vec<String>> {
    let statement = link.reference_column.and_then(|reference| {
        outdated_parents(
            context.schema(),
            &context.plan,
            &context.layout,
            reference,
            &link.compared,
        )
    });
    let Some(statement) = statement else {
        return Err(crate::Error::Internal(format!(
            "a link of {} to {} without columns to compare",
            context.plan.object, link.parent
        )));
    };
    let compared: Vec<(usize, ColumnKind)> = link
        .compared
        .iter()
        .filter_map(|LinkedColumn { column, field }| Some((*field, context.layout.place(*column)?.kind)))
        .collect();
    let mut ids = Array::new(ColumnKind::Id);
    let mut unfit = Array::new(ColumnKind::Boolean);
    let mut values: Vec<Array> = compared.iter().map(|(_, kind)| Array::new(*kind)).collect();
    for row in 0..parents.rows() {
        // A parent without an Id is nobody's.
        let Some(id) = parents.get(row, ID) else { continue };
        // Text and booleans always fit.
        ids.push(Some(id)).ok();
        let mut fits = true;
        for (array, (field, _)) in values.iter_mut().zip(&compared) {
            fits &= array.push(parents.get(row, *field)).is_ok();
        }
        unfit.push(Some(if fits { "false" } else { "true" })).ok();
    }
    let mut query = sqlx::query_scalar(statement.sql())
        .bind(ids)
        .bind(unfit)
        .persistent(false);
    for array in values {
        query = query.bind(array);
    }
    let found: Vec<String> = context
        .database
        .within(
            Doing::Comparing(context.table()),
            query.fetch_all(&mut session.connection),
        )
        .await?;
    let mut found: BTreeSet<String> = found.into_iter().collect();
    // Taken out, so that a parent that was read twice is told once.
    let in_order = (0..parents.rows()).filter_map(|row| found.take(parents.get(row, ID)?));
    Ok(in_order.collect())
}
