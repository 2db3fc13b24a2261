//! What the next run of an object would do, and why: for `plan` and `check`.
//!
//! It decides nothing itself. Which run comes is asked of [`needs`](super::needs), as a turn asks it; how the table differs was
//! asked of the destination, which exchanges columns by the same comparison.

use std::fmt;

use serde::Serialize;

use super::needs;
use crate::{
    Error, Result,
    destination::{ColumnDifference, ColumnFate},
    plan::ObjectPlan,
    progress::RunKind,
    state::{Phase, State},
};

/// What the next run of an object would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// The kind of run that makes the table as planned; `Incremental` where it is so already.
    pub run: RunKind,
    /// Why, and what it means for the table: a sentence without a stop.
    pub because: String,
    /// How the table differs from the plan.
    pub columns: Vec<ColumnDifference>,
    /// What a changed condition would do to the rows, where that could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
}

/// How many rows would leave a table whose condition changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaving {
    /// Rows of the table.
    pub rows: u64,
    /// Records that meet the new condition at this moment.
    pub meeting: u64,
    /// At least so many rows would leave: more, where records enter that the table does not have.
    pub at_least: u64,
    /// Whether so many would be held until somebody confirms them.
    pub held: bool,
}

/// The outlook of an object whose state may be written by this replicator; `columns` is empty where there is no table.
///
/// # Errors
/// [`Error::SchemaConflict`], as the run itself would end or could not but end.
pub(crate) fn of(plan: &ObjectPlan, state: Option<&State>, columns: Vec<ColumnDifference>) -> Result<Outlook> {
    let demanding = columns.iter().find(|column| column.fate == ColumnFate::Demanding);
    if let Some(ColumnDifference { column, fate: _ }) = demanding {
        return Err(Error::SchemaConflict {
            message: format!(
                "{}: column {column} of table {} is NOT NULL, has no default, and is not one of the plan, so that no row could be \
                 inserted: give it a default, or let it be NULL",
                plan.object, plan.table
            ),
        });
    }
    let mut first = needs::first(plan, None, None, state.cloned())?.kind();
    if first == RunKind::Incremental && plan.stamp.is_none() {
        first = RunKind::Refresh;
    }
    let change = state
        .filter(|_| first != RunKind::Initial)
        .and_then(|state| needs::change(plan, state));
    Ok(Outlook {
        run: change.unwrap_or(first),
        because: because(plan, state, first, change),
        columns,
        leaving: None,
    })
}

fn because(plan: &ObjectPlan, state: Option<&State>, first: RunKind, change: Option<RunKind>) -> String {
    let table = &plan.table;
    let Some(state) = state else {
        return format!(
            "all records are loaded into table {table}; where this replicator has retired a table of that name, it is taken back"
        );
    };
    if state.table_name != table.as_str() {
        return format!(
            "the resource names table {table}, and the rows are in {former}: all records are loaded into {table}; {former} is \
             retired, which keeps it and updates it no more",
            former = state.table_name
        );
    }
    if state.checkpoint.phase == Phase::Initial {
        return if state.checkpoint.plan_hash == plan.hash.0 {
            format!("a first load is under way and goes on; {} rows so far", state.rows)
        } else {
            "a first load is under way by another plan: it is given up, and begun anew by this one".to_owned()
        };
    }
    match change {
        Some(RunKind::Refresh) => {
            "columns, their sources, templates or the delete mode changed: every record is read again".to_owned()
        }
        Some(RunKind::Reconcile) => {
            "the condition changed: all Ids are compared, records that entered are read, rows that left it leave"
                .to_owned()
        }
        Some(RunKind::Verify | RunKind::Incremental | RunKind::Initial) | None if first == RunKind::Initial => {
            "all records are loaded".to_owned()
        }
        Some(RunKind::Verify | RunKind::Incremental | RunKind::Initial) | None if plan.stamp.is_none() => {
            "the table is as planned; without a SystemModstamp every record is read again at each run".to_owned()
        }
        Some(RunKind::Verify | RunKind::Incremental | RunKind::Initial) | None => {
            "the table is as planned: only what changed in Salesforce is read, and long kinds when they are due"
                .to_owned()
        }
    }
}

impl Outlook {
    /// What it says beside the kind of run, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.because.clone()];
        let of = |wanted: fn(&ColumnFate) -> Option<String>| -> Vec<String> {
            let named = self
                .columns
                .iter()
                .filter_map(|difference| wanted(&difference.fate).map(|more| format!("{}{more}", difference.column)));
            named.collect()
        };
        let groups = [
            (
                "columns that are added",
                of(|fate| (*fate == ColumnFate::Added).then(String::new)),
            ),
            (
                "columns that are exchanged for others of the type that is needed",
                of(|fate| match fate {
                    ColumnFate::Exchanged { from, to } => Some(format!(" ({from} to {to})")),
                    ColumnFate::Added | ColumnFate::InUse { .. } | ColumnFate::Kept | ColumnFate::Demanding => None,
                }),
            ),
            (
                "columns that need another type and keep theirs, since something depends on them",
                of(|fate| match fate {
                    ColumnFate::InUse { from, to, used_by } => {
                        Some(format!(" ({from} instead of {to}: {})", used_by.join(", ")))
                    }
                    ColumnFate::Added | ColumnFate::Exchanged { .. } | ColumnFate::Kept | ColumnFate::Demanding => None,
                }),
            ),
            (
                "columns that the resource does not ask for, which are kept and not written",
                of(|fate| (*fate == ColumnFate::Kept).then(String::new)),
            ),
        ];
        let told = groups.into_iter().filter(|(_, columns)| !columns.is_empty());
        lines.extend(told.map(|(what, columns)| format!("{what}: {}", columns.join(", "))));
        lines.extend(self.leaving.map(|leaving| leaving.to_string()));
        lines
    }
}

impl fmt::Display for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            meeting,
            at_least,
            held,
        } = self;
        write!(
            f,
            "{meeting} records meet the condition, and the table has {rows} rows: "
        )?;
        match (at_least, held) {
            (0, _) => write!(f, "how many of them leave is not known before they are compared"),
            (_, false) => write!(f, "at least {at_least} of them would leave"),
            (_, true) => write!(
                f,
                "at least {at_least} of them would leave; that is more than consistency.maxDeletePercent allows at once, so they \
                 would be held until somebody confirms them"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        guard::DeletesWindow,
        plan::{Identifier, PlanHash},
        state::{Checkpoint, Epoch, Owner},
    };

    fn state(plan: &ObjectPlan, phase: Phase, hash: &str) -> State {
        State {
            object: plan.object.clone(),
            owner: Owner {
                replicator: "default/crm".to_owned(),
                organization_id: "00D000000000001AAA".to_owned(),
                adopts: None,
            },
            table_name: plan.table.to_string(),
            rows: 10,
            pending: 0,
            confirmed: 0,
            rejected: 0,
            deletes_window: DeletesWindow::default(),
            epoch: Epoch(1),
            checkpoint: Checkpoint {
                phase,
                plan_hash: hash.to_owned(),
                query_start: None,
                watermark: Some(jiff::Timestamp::UNIX_EPOCH),
                last_id: None,
                checked_at: None,
                verified_until: None,
                reconciled_at: None,
                refreshed_at: None,
                listing: None,
            },
        }
    }

    #[test]
    fn each_change_has_its_run_and_its_reason() {
        let mut plan = fixture::contact();
        plan.hash = PlanHash("rows/where".to_owned());
        for (phase, hash, run, part) in [
            (Phase::Live, "rows/where", RunKind::Incremental, "as planned"),
            (Phase::Live, "rows/other", RunKind::Reconcile, "the condition changed"),
            (Phase::Live, "rows", RunKind::Reconcile, "the condition changed"),
            (
                Phase::Live,
                "other/where",
                RunKind::Refresh,
                "every record is read again",
            ),
            (
                Phase::Initial,
                "rows/where",
                RunKind::Initial,
                "goes on; 10 rows so far",
            ),
            (Phase::Initial, "other/where", RunKind::Initial, "begun anew"),
        ] {
            let outlook = of(&plan, Some(&state(&plan, phase, hash)), Vec::new()).unwrap();
            assert_eq!(outlook.run, run, "{hash}");
            assert!(outlook.because.contains(part), "{}", outlook.because);
        }
        let outlook = of(&plan, None, Vec::new()).unwrap();
        assert_eq!(outlook.run, RunKind::Initial);
        let former = state(&plan, Phase::Live, "rows/where");
        plan.table = Identifier::new("people");
        let outlook = of(&plan, Some(&former), Vec::new()).unwrap();
        assert_eq!(outlook.run, RunKind::Initial);
        assert!(outlook.because.contains("is retired"), "{}", outlook.because);
    }

    #[test]
    fn a_column_that_forbids_every_insert_is_a_conflict() {
        let plan = fixture::contact();
        let column = ColumnDifference {
            column: "badge".to_owned(),
            fate: ColumnFate::Demanding,
        };
        let error = of(&plan, None, vec![column]).unwrap_err();
        assert_eq!(error.reason(), "SchemaConflict");
        assert!(error.message().contains("column badge"), "{}", error.message());
    }
}
