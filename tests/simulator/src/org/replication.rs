//! getUpdated and getDeleted: what changed between two moments (salesforce-api.md 6.1).
//!
//! Seconds are cut off both ends, both ends are inclusive. `latestDateCovered` is the end of the window, but never later than
//! the clock, and while a transaction is open it is the moment that it began: what it commits later has older stamps.

use jiff::{SignedDuration, Timestamp};

use super::{
    store::{Store, Viewer},
    table::Look,
};
use crate::{clock::whole_minute, config::Settings, data::Generator, schema::Object, soap::fault::Fault};

/// Answer of getUpdated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Updated {
    pub(crate) ids: Vec<String>,
    pub(crate) latest: Timestamp,
}

/// Answer of getDeleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deleted {
    /// Id and time.
    pub(crate) records: Vec<(String, Timestamp)>,
    pub(crate) earliest: Timestamp,
    pub(crate) latest: Timestamp,
}

/// A window as it was asked for, and as it is served.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Timestamp,
    to: Timestamp,
}

/// Who asks for which object, when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) object: &'a Object,
    pub(crate) viewer: &'a Viewer,
    pub(crate) look: Look,
    pub(crate) settings: &'a Settings,
}

fn refused(message: &str) -> Fault {
    Fault::new("INVALID_REPLICATION_DATE", message)
}

fn window(asked: Asked<'_>, start: Timestamp, end: Timestamp, days: u32) -> Result<Window, Fault> {
    if !asked.object.replicateable {
        let message = format!("sObject type '{}' is not replicateable", asked.object.name);
        return Err(Fault::new("INVALID_TYPE_FOR_OPERATION", message));
    }
    if start >= end {
        return Err(refused("endDate must be after startDate"));
    }
    let reach = SignedDuration::from_hours(24 * i64::from(days));
    if asked.look.now.duration_since(start) > reach || start < asked.settings.replication_enabled {
        return Err(refused("startDate before org replication enabled date"));
    }
    Ok(Window {
        from: whole_minute(start),
        to: whole_minute(end),
    })
}

fn latest(store: &Store, asked: Asked<'_>, window: Window) -> Timestamp {
    let covered = window.to.min(whole_minute(asked.look.now));
    store.oldest_transaction().map_or(covered, |begun| covered.min(begun))
}

/// Ids of rows that were made or changed.
pub(crate) fn updated(store: &Store, asked: Asked<'_>, start: Timestamp, end: Timestamp) -> Result<Updated, Fault> {
    let window = window(asked, start, end, asked.settings.updated_days)?;
    let after = window
        .to
        .saturating_add(SignedDuration::from_secs(1))
        .unwrap_or(Timestamp::MAX);
    let most = usize::try_from(asked.settings.replication_ids).unwrap_or(usize::MAX);
    let mut ids = Vec::new();
    for (_, n) in store.by_stamp(asked.object, Some(window.from), Some(after)) {
        let Some(record) = store.record(asked.object, n, asked.look) else {
            continue;
        };
        if (record.deleted() && !asked.settings.updated_lists_deleted) || !store.sees(asked.viewer, &record) {
            continue;
        }
        if ids.len() == most {
            return Err(too_many(most));
        }
        ids.push(record.id());
    }
    Ok(Updated {
        ids,
        latest: latest(store, asked, window),
    })
}

/// Rows that were deleted, as far as the log reaches.
pub(crate) fn deleted(store: &Store, asked: Asked<'_>, start: Timestamp, end: Timestamp) -> Result<Deleted, Fault> {
    let window = window(asked, start, end, asked.settings.deleted_days)?;
    let length = if asked.settings.minute_after_truncation {
        window.to.duration_since(window.from)
    } else {
        end.duration_since(start)
    };
    if length <= SignedDuration::from_mins(1) {
        return Err(refused("endDate must be more than one minute after startDate"));
    }
    let log = store.table(asked.object).map(|table| &table.deletes);
    let reach = SignedDuration::from_hours(24 * i64::from(asked.settings.deleted_days));
    let horizon = whole_minute(asked.look.now.saturating_sub(reach).unwrap_or(Timestamp::MIN));
    let purged = log.and_then(super::delete_log::DeleteLog::earliest);
    if purged.is_some_and(|purged| start < purged) {
        return Err(refused("startDate before the earliest date that is available"));
    }
    let most = usize::try_from(asked.settings.replication_ids).unwrap_or(usize::MAX);
    let mut records = Vec::new();
    let entries = log
        .into_iter()
        .flat_map(|log| log.range(window.from.as_second(), window.to.as_second()));
    for (at, n) in entries {
        let record = store.record(asked.object, n, asked.look);
        let hidden = record.is_some_and(|record| {
            !store.sees(asked.viewer, &record) || (!record.deleted() && !asked.settings.undeleted_stays_logged)
        });
        if hidden {
            continue;
        }
        if records.len() == most {
            return Err(too_many(most));
        }
        records.push((
            Generator::id(asked.object, n),
            Timestamp::from_second(at).unwrap_or(Timestamp::MIN),
        ));
    }
    let earliest = purged
        .unwrap_or(horizon)
        .max(horizon)
        .max(asked.settings.replication_enabled);
    Ok(Deleted {
        records,
        earliest,
        latest: latest(store, asked, window),
    })
}

fn too_many(most: usize) -> Fault {
    Fault::new(
        "EXCEEDED_ID_LIMIT",
        format!("exceeded the limit of {most} ids; use a shorter time span"),
    )
}
