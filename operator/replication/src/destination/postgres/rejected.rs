//! Records with values that do not fit.
//!
//! Of such a record key and stamp are staged like those of any other, so that the newest row for an Id decides whether it is
//! rejected. What does not fit stays here until the segment ends: a few words for each value, of rows that are the exception.

use jiff::Timestamp;

use super::{Context, connect::Session, encode::Moment, failure::Doing};
use crate::{Result, destination::Load, value::Problem};

/// Values that do not fit, of the rows of a segment.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    /// Place of the row in the order of reading.
    orders: Vec<i64>,
    columns: Vec<String>,
    problems: Vec<Problem>,
}

impl Rejections {
    pub(super) fn push(&mut self, order: i64, column: &str, problem: Problem) {
        self.orders.push(order);
        self.columns.push(column.to_owned());
        self.problems.push(problem);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }
}

/// What noting did.
pub(super) struct Noting {
    /// Records that are listed, now or still.
    pub(super) rows: u64,
    /// Entries that came, changed or went.
    pub(super) entries: u64,
}

/// Lists the staged rejected rows. One that is older than what the table has is none: an older row is never written.
pub(super) async fn note(
    context: &Context,
    session: &mut Session,
    rejections: &Rejections,
    load: Load,
    at: Timestamp,
) -> Result<Noting> {
    let Rejections {
        orders,
        columns,
        problems,
    } = rejections;
    let whatever_is_newer = match load {
        Load::Overwrite => true,
        Load::Direct | Load::Merge => false,
    };
    let query = sqlx::query_as(context.statements.note_rejected.sql())
        .bind(context.plan.object.as_str())
        .bind(orders)
        .bind(columns)
        .bind(problems)
        .bind(whatever_is_newer)
        .bind(Moment(at))
        .persistent(false);
    let (rows, entries): (i64, i64) = context
        .database
        .within(
            Doing::Merging(context.table()),
            query.fetch_one(&mut session.connection),
        )
        .await?;
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok(Noting {
        rows: number(rows),
        entries: number(entries),
    })
}
