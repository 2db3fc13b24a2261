//! The table against a stretch of a listing.
//!
//! One statement finds all differences; it writes nothing, and a stretch without surplus ends there. Ids ascend bytewise on
//! both sides, so a stretch is a range of the table's key, read by its index whatever the size of the table.

use super::{
    Context,
    array::Array,
    connect::Session,
    failure::Doing,
    merge::of_object,
    state::{self, Known},
};
use crate::{
    Result,
    destination::{Differences, Stretch},
    plan::ColumnKind,
    state::Epoch,
};

/// What a comparison found, and the epoch where it claimed.
pub(super) struct Compared {
    pub(super) differences: Differences,
    pub(super) epoch: Option<Epoch>,
}

fn ids(stretch: &Stretch<'_>) -> Array {
    let mut ids = Array::new(ColumnKind::Id);
    for listed in stretch.listed {
        // Text always fits.
        ids.push(Some(&listed.id)).ok();
    }
    ids
}

/// Compares a stretch, and notes its surplus.
pub(super) async fn compare(
    context: &Context,
    session: &mut Session,
    known: Known,
    stretch: Stretch<'_>,
) -> Result<Compared> {
    let listed_before = state::look(context, session, known).await?;
    // Noted where deletes are ignored too: rows that stay without being read keep their values when columns are exchanged.
    let (differences, unnoted) = read(context, session, &stretch).await?;
    let forgets = stretch.after.is_none() && listed_before.surplus;
    let notes = differences.surplus > 0 && unnoted > 0;
    if !forgets && !notes {
        return Ok(Compared {
            differences,
            epoch: None,
        });
    }
    let doing = Doing::Comparing(context.table());
    context.database.simple(doing, session, "BEGIN").await?;
    state::fence(context, session, known).await?;
    if forgets {
        of_object(context, session, &context.database.state.forget_surplus).await?;
    }
    if differences.surplus > 0 {
        note(context, session, &stretch).await?;
    }
    let epoch = state::claim(context, session, known, None).await?;
    context.database.simple(doing, session, "COMMIT").await?;
    Ok(Compared {
        differences,
        epoch: Some(epoch),
    })
}

/// What differs, and how many rows of the surplus are not noted yet.
async fn read(context: &Context, session: &mut Session, stretch: &Stretch<'_>) -> Result<(Differences, i64)> {
    let mut stamps = Array::new(ColumnKind::Timestamp);
    for listed in stretch.listed {
        stamps.push_moment(listed.stamp);
    }
    let statements = &context.statements.listing.compare;
    let statement = if stretch.until.is_some() {
        &statements.bounded
    } else {
        &statements.open
    };
    let mut query = sqlx::query_as(statement.sql())
        .bind(context.plan.object.as_str())
        .bind(ids(stretch))
        .bind(stamps)
        // Nothing is before the empty text.
        .bind(stretch.after.unwrap_or_default())
        .persistent(false);
    if let Some(until) = stretch.until {
        query = query.bind(until);
    }
    let rows: Vec<(String, String, i64, i64)> = context
        .database
        .within(
            Doing::Comparing(context.table()),
            query.fetch_all(&mut session.connection),
        )
        .await?;
    let mut differences = Differences::default();
    let mut unnoted = 0;
    for (id, what, surplus, noted) in rows {
        match what.as_str() {
            "m" => differences.missing.push(id),
            "d" => differences.differing.push(id),
            "v" => differences.vanished.push(id),
            _ => {
                differences.surplus = u64::try_from(surplus).unwrap_or_default();
                unnoted = surplus - noted;
            }
        }
    }
    differences.missing.sort_unstable();
    differences.differing.sort_unstable();
    differences.vanished.sort_unstable();
    Ok((differences, unnoted))
}

async fn note(context: &Context, session: &mut Session, stretch: &Stretch<'_>) -> Result<()> {
    let statements = &context.statements.listing.note_surplus;
    let statement = if stretch.until.is_some() {
        &statements.bounded
    } else {
        &statements.open
    };
    let mut query = sqlx::query(statement.sql())
        .bind(context.plan.object.as_str())
        .bind(ids(stretch))
        .bind(stretch.after.unwrap_or_default())
        .persistent(false);
    if let Some(until) = stretch.until {
        query = query.bind(until);
    }
    context
        .database
        .within(
            Doing::Comparing(context.table()),
            query.execute(&mut session.connection),
        )
        .await?;
    Ok(())
}
