//! What a person wants to know when it happens.
//!
//! Events are found by comparing how a replicator stood with how it stands ([`between`], pure), so a state that lasts is
//! told once, and a process that starts, which recalls how it stood from the status, tells nothing anew. No event says that
//! a periodic run succeeded.

mod publisher;

use crds::Reason;
use salesforce::ErrorKind;

pub(crate) use self::publisher::Publisher;
use crate::standing::{ObjectStanding, Standing};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) is_warning: bool,
    pub(crate) reason: Reason,
    pub(crate) note: String,
}

impl Happening {
    pub(crate) fn normal(reason: Reason, note: impl Into<String>) -> Self {
        Self {
            is_warning: false,
            reason,
            note: note.into(),
        }
    }

    pub(crate) fn warning(reason: Reason, note: impl Into<String>) -> Self {
        Self {
            is_warning: true,
            reason,
            note: note.into(),
        }
    }
}

/// What happened between two looks.
pub(crate) fn between(before: &Standing, after: &Standing) -> Vec<Happening> {
    let mut happened = Vec::new();
    match (&before.trouble, &after.trouble) {
        (former, Some(trouble)) if former.as_ref().is_none_or(|former| former.reason != trouble.reason) => {
            let reason = match trouble.kind {
                _ if trouble.reason == Reason::InvalidSchedule || trouble.reason == Reason::NotServed => {
                    Reason::InvalidSpec
                }
                ErrorKind::Invalid if trouble.reason != Reason::SchemaConflict => Reason::InvalidSpec,
                ErrorKind::Credentials => Reason::CredentialsInvalid,
                ErrorKind::Quota => Reason::QuotaExhausted,
                ErrorKind::Invalid | ErrorKind::Transient | ErrorKind::Fatal => Reason::RunFailed,
            };
            happened.push(Happening::warning(reason, trouble.message.clone()));
        }
        (Some(_), None) => happened.push(Happening::normal(
            Reason::RunRecovered,
            "what kept it from running is mended",
        )),
        (_, Some(_) | None) => {}
    }
    if before.last_manual != after.last_manual
        && let Some(manual) = &after.last_manual
    {
        happened.push(Happening::normal(
            Reason::ManualRunCompleted,
            format!("the manual run {manual} is complete"),
        ));
    }
    let pairs: Vec<(&ObjectStanding, &ObjectStanding)> = after
        .objects
        .iter()
        .filter_map(|object| {
            let former = before.objects.iter().find(|former| former.name == object.name)?;
            Some((former, object))
        })
        .collect();
    happened.extend(of_objects(&pairs));
    let removed: Vec<&str> = before
        .objects
        .iter()
        .filter(|former| !after.objects.iter().any(|object| object.name == former.name))
        .map(|former| former.name.as_str())
        .collect();
    if !removed.is_empty() {
        happened.push(Happening::normal(
            Reason::ObjectRemoved,
            format!(
                "{} left the spec; the tables are kept and no longer updated",
                removed.join(", ")
            ),
        ));
    }
    happened
}

/// What is said of objects, as many in one note as fit.
fn notes<'a>(
    pairs: &[(&'a ObjectStanding, &'a ObjectStanding)],
    say: impl Fn(&'a ObjectStanding, &'a ObjectStanding) -> Option<String>,
) -> Vec<String> {
    const BETWEEN: &str = "; ";
    let mut notes: Vec<String> = Vec::new();
    for said in pairs.iter().filter_map(|(before, after)| say(before, after)) {
        match notes.last_mut() {
            Some(note) if note.len() + BETWEEN.len() + said.len() <= publisher::NOTE_BYTES => {
                note.push_str(BETWEEN);
                note.push_str(&said);
            }
            Some(_) | None => notes.push(said),
        }
    }
    notes
}

/// What happened to objects, those with the same fate together.
fn of_objects(pairs: &[(&ObjectStanding, &ObjectStanding)]) -> Vec<Happening> {
    let mut happened = Vec::new();
    let mut push = |is_warning, reason, notes: Vec<String>| {
        happened.extend(notes.into_iter().map(|note| Happening {
            is_warning,
            reason,
            note,
        }));
    };
    push(
        false,
        Reason::InitialRunCompleted,
        notes(pairs, |before, after| {
            (!before.is_live && after.is_live).then(|| {
                format!(
                    "{}: {} rows in table {}",
                    after.name,
                    after.rows.unwrap_or(0),
                    after.table
                )
            })
        }),
    );
    push(
        true,
        Reason::RunFailed,
        notes(pairs, |before, after| {
            let failure = after.current_failure()?;
            before
                .current_failure()
                .is_none()
                .then(|| format!("{}: {}", after.name, failure.trouble.message))
        }),
    );
    push(
        false,
        Reason::RunRecovered,
        notes(pairs, |before, after| {
            (before.current_failure().is_some() && after.current_failure().is_none()).then(|| after.name.clone())
        }),
    );
    push(
        true,
        Reason::DeleteGuard,
        notes(pairs, |before, after| {
            let held = after.held.as_ref().filter(|_| before.held != after.held)?;
            Some(format!(
                "{}: {} deletes are held; token {}",
                after.name, held.count, held.token
            ))
        }),
    );
    push(
        true,
        Reason::FieldMissing,
        notes(pairs, |before, after| {
            let mut missing = after
                .degraded
                .iter()
                .filter(|found| found.reason == Reason::FieldMissing.as_str() && !before.degraded.contains(found));
            Some(missing.next()?.message.clone())
        }),
    );
    push(
        false,
        Reason::SchemaChanged,
        notes(pairs, |before, after| {
            let kind = after.changing.filter(|_| before.changing.is_none() && before.is_live)?;
            Some(format!(
                "{}: rows are brought to the changed plan by a {kind}",
                after.name
            ))
        }),
    );
    happened
}

#[cfg(test)]
mod tests;
