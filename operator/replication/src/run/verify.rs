//! Verify: late commits and hard deletes, by Salesforce's own log.
//!
//! A stamp is set when a row is written inside a transaction, and a transaction may commit later than any overlap reaches back
//! (salesforce-api.md 6.3, 1); a hard delete leaves nothing behind that a query could find (6.5). `getUpdated` and
//! `getDeleted` know of both, and tell up to when they know everything: `latestDateCovered` is the start of the oldest
//! transaction that is still open. So the time up to which a table is *verified* is the smallest of these answers, and the next
//! window begins there.
//!
//! What the log names is settled by Id ([`settle`](super::settle)): an Id of getDeleted may have been undeleted since, and one
//! of getUpdated may be deleted by now; neither is taken at its word. Parents are asked for too, since their late commits
//! change our linked columns.
//!
//! The log reaches back 30 days for changes and 15 for deletes, less where an org deletes much. What lies before is the
//! business of Reconcile, which then takes Verify's place. What the log of changes does tell is settled all the same: a transaction
//! that committed late may have written the very second in which the row was changed before, and parents change without a stamp of
//! the child, so comparing stamps would find neither.

use std::{collections::BTreeSet, time::Duration};

use jiff::{Timestamp, Unit};
use salesforce::Error as Salesforce;

use super::{
    Context, Memory, incremental, linked,
    settle::{self, Segments},
    watermark,
};
use crate::{
    Result,
    destination::{Load, ObjectTable, StateWrite},
    plan::VerifyBy,
    state::Checkpoint,
};

/// A shorter window waits: getDeleted needs more than a minute, and seconds are ignored (salesforce-api.md 6.1).
const SHORTEST: Duration = Duration::from_mins(2);

/// How far getDeleted reaches back (salesforce-api.md 6.1), less an hour for the run itself.
pub(crate) const REACH: Duration = Duration::from_hours(15 * 24 - 1);

/// What a window before a first query looks at: long enough for a transaction that is open to show in the answer.
const BEFORE: Duration = Duration::from_hours(1);

/// What Salesforce says of a time before its log begins.
const BEYOND: &str = "INVALID_REPLICATION_DATE";

/// How a Verify ended.
#[derive(Debug)]
pub(crate) enum Verified {
    /// All that the log covers is verified.
    Done(Box<Memory>),
    /// The log does not reach back so far: a Reconcile is needed. What the log of changes told is settled.
    Beyond(Box<Memory>),
}

/// What the log says of a window.
struct Window {
    ids: BTreeSet<String>,
    end: Timestamp,
    covered: Timestamp,
    /// The log of deletes does not reach back so far.
    lacks_deletes: bool,
}

impl Window {
    /// A transaction is open that began in it: what lies behind is not known yet. Salesforce ignores seconds (salesforce-api.md 6.1).
    fn is_open(&self) -> bool {
        self.covered < minute(self.end)
    }
}

fn minute(at: Timestamp) -> Timestamp {
    watermark::floor(at, Unit::Minute)
}

/// Where a Verify begins. What lies ahead of Salesforce's clock was verified by a clock that was wrong; when it went wrong
/// nobody knows, so all that the log still has is gone through.
fn begin(from: Timestamp, now: Timestamp) -> Timestamp {
    if from > now && from.duration_until(now).unsigned_abs() > SHORTEST {
        now.checked_sub(REACH).unwrap_or(Timestamp::MIN)
    } else {
        from
    }
}

/// Verifies from `from` on.
///
/// # Errors
/// Salesforce's and the destination's; what was committed stays, and the next Verify begins where this one did.
pub(crate) async fn run<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    memory: &Memory,
    from: Timestamp,
) -> Result<Verified> {
    let client = context.feed.client();
    // A fresh look at the clock: window ends must not be ahead of it.
    let looked = context.feed.retries.call(|| client.server_timestamp()).await;
    let now = looked.map_err(|error| context.explain(error))?;
    let state = &memory.state;
    let guard = settle::guard(context, table, state).await?;
    let mut checkpoint = state.checkpoint.clone();
    let mut until = begin(from, now);
    if until < from {
        tracing::warn!(
            object = %context.object(),
            "what is verified lies ahead of Salesforce's clock, which was wrong for a while: the whole log is gone through again"
        );
    }
    let mut applies = guard.found_since.is_none();
    let mut is_beyond = false;
    while until.duration_until(now).unsigned_abs() > SHORTEST && until < now {
        let Some(window) = read(context, context.object().as_str(), until, now, Log::Both).await? else {
            is_beyond = true;
            break;
        };
        is_beyond |= window.lacks_deletes;
        let mut covered = window.covered;
        let mut is_open = window.is_open();
        for link in context.plan.links.iter().filter(|link| link.replicateable) {
            let parent = link.parent.as_str();
            let Some(parents) = read(context, parent, until, window.end, Log::Updated).await? else {
                is_beyond = true;
                continue;
            };
            // Where the parents' window had to be cut, so is ours: the rest follows in the next round.
            covered = covered.min(parents.covered).min(parents.end);
            is_open |= parents.is_open();
            let ids: Vec<String> = parents.ids.into_iter().collect();
            applies |= linked::of_parents(context, table, &checkpoint, link, &ids).await?;
        }
        let ids: Vec<String> = window.ids.into_iter().collect();
        if !ids.is_empty() {
            let mut segments = Segments::new(context, table, Load::Overwrite);
            segments.settle(&checkpoint, &ids).await?;
            segments.commit(&checkpoint).await?;
            applies |= segments.wrote();
        }
        if covered <= until {
            break;
        }
        until = covered;
        if !is_beyond {
            // While a Refresh is under way it only comes back from ahead of the clock.
            checkpoint.verified_until = if incremental::is_frozen(state) {
                checkpoint.verified_until.min(Some(until))
            } else {
                Some(until)
            };
        }
        if is_open {
            break;
        }
    }
    if is_beyond {
        // What was noted as deleted is looked at again and applied by the Reconcile.
        let known = super::remember(context, table, memory.watermark, memory.verified_until).await?;
        return Ok(Verified::Beyond(Box::new(known)));
    }
    finish(context, table, memory, checkpoint, (until, applies, guard)).await
}

async fn finish<T: ObjectTable>(
    context: &Context<'_>,
    table: &mut T,
    memory: &Memory,
    mut checkpoint: Checkpoint,
    (until, applies, guard): (Timestamp, bool, crate::guard::Guard),
) -> Result<Verified> {
    let now = context.clock.now();
    if applies {
        let mut segments = Segments::new(context, table, Load::Overwrite);
        segments.finish(&checkpoint, guard, StateWrite::WithRows).await?;
    }
    let written = applies && table.has_written_state();
    if !written && checkpoint != memory.state.checkpoint {
        checkpoint.checked_at = Some(now);
        table.touch(&checkpoint, now).await?;
    }
    let known = super::remember(context, table, memory.watermark, Some(until)).await?;
    Ok(Verified::Done(Box::new(known)))
}

/// Up to when everything that Salesforce knows is visible just before a first query: what is verified when all rows have been read
/// after it. `None` where nobody can tell, and then a Reconcile will.
///
/// # Errors
/// Salesforce's.
pub(crate) async fn covered_before(context: &Context<'_>, query_start: Timestamp) -> Result<Option<Timestamp>> {
    if context.plan.verify_by == VerifyBy::Listing {
        return Ok(None);
    }
    let from = query_start.checked_sub(BEFORE).unwrap_or(Timestamp::MIN);
    let mut covered = query_start;
    let parents = context.plan.links.iter().filter(|link| link.replicateable);
    let objects = std::iter::once(&context.plan.object).chain(parents.map(|link| &link.parent));
    for object in objects {
        match read(context, object.as_str(), from, query_start, Log::Updated).await? {
            Some(window) => covered = covered.min(window.covered),
            None => return Ok(None),
        }
    }
    Ok(Some(covered))
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// getUpdated.
    Updated,
    /// getUpdated and getDeleted.
    Both,
}

/// Reads the log from `from` to `to`, or to an earlier end where it is too long. `None` where it does not reach back so far.
async fn read(context: &Context<'_>, object: &str, from: Timestamp, to: Timestamp, log: Log) -> Result<Option<Window>> {
    let client = context.feed.client();
    let retries = &context.feed.retries;
    let mut end = to;
    loop {
        let answers = async {
            let updated = retries.call(|| client.get_updated(object, from, end)).await?;
            let mut ids: BTreeSet<String> = updated.ids.into_iter().collect();
            let mut covered = updated.latest_date_covered;
            let mut lacks_deletes = false;
            if log == Log::Both {
                match retries.call(|| client.get_deleted(object, from, end)).await {
                    Ok(deleted) => {
                        covered = covered.min(deleted.latest_date_covered);
                        // Salesforce should have refused it then; where it answers with the rest, the rest is not all.
                        lacks_deletes = minute(deleted.earliest_date_available) > minute(from);
                        ids.extend(deleted.records.into_iter().map(|record| record.id));
                    }
                    Err(error) if error.code() == Some(BEYOND) => lacks_deletes = true,
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, Salesforce>((ids, covered, lacks_deletes))
        };
        match answers.await {
            Ok((ids, covered, lacks_deletes)) => {
                return Ok(Some(Window {
                    ids,
                    end,
                    covered,
                    lacks_deletes,
                }));
            }
            Err(error) => match error.code() {
                Some(BEYOND) => return Ok(None),
                // 600 000 entries of getDeleted are more than an answer may have.
                code if code == Some("EXCEEDED_ID_LIMIT") || error.is_too_large() => {
                    let half = from.duration_until(end).unsigned_abs() / 2;
                    if half <= SHORTEST {
                        // More than 600 000 changes in four minutes: comparing everything is cheaper.
                        return Ok(None);
                    }
                    end = from.checked_add(half).unwrap_or(end);
                }
                _ => return Err(context.explain(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_040 + seconds).unwrap()
    }

    #[test]
    fn what_is_verified_ahead_of_the_clock_is_not_verified() {
        assert_eq!(begin(at(0), at(600)), at(0));
        assert_eq!(begin(at(100), at(0)), at(100), "clocks differ by a little");
        assert_eq!(begin(at(86_400), at(0)), at(0) - REACH);
    }

    #[test]
    fn a_window_is_open_where_its_last_whole_minute_is_not_covered() {
        let window = |covered, end| Window {
            ids: BTreeSet::new(),
            end: at(end),
            covered: at(covered),
            lacks_deletes: false,
        };
        assert!(!window(60, 119).is_open());
        assert!(!window(60, 60).is_open());
        assert!(window(60, 120).is_open());
    }
}
