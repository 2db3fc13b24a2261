//! Something to do for each kind of run, and what it must come to.

use std::collections::{BTreeMap, BTreeSet};

use e2e::{
    compare::{Compared, Record, assert_equal},
    stage::Stage,
};
use fastrand::Rng;
use jiff::SignedDuration;
use simulator::Stamps;

use super::Run;

/// Changes that share a second; an hour lies between two such seconds, so the overlap reads one of them again.
pub(super) const TOGETHER: usize = 250;

/// Rows of each sort that are spoilt for a listing to find: all of a stretch, or of the surplus, are read by one page.
const SPOILT: usize = 60;

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    /// Some hundred rows.
    Small,
    /// Two and a half segments, or for a Refresh every row.
    Large,
}

/// What a run of a kind has to come to.
#[derive(Debug)]
pub(super) struct Aim {
    /// Live records by Id.
    pub(super) records: BTreeMap<String, Record>,
    /// Rows that are to be written, each once.
    pub(super) written: BTreeSet<String>,
}

/// The field that the second column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// As at the first load.
    Title,
    /// Another one.
    Department,
}

impl Note {
    pub(super) fn object(self) -> String {
        format!(
            "{{name: Contact, mapping: None, fields: [{{source: LastName, column: last_name}}, {{source: {self:?}, column: note}}]}}"
        )
    }

    fn other(self) -> Self {
        match self {
            Self::Title => Self::Department,
            Self::Department => Self::Title,
        }
    }
}

/// Rows of a segment: less than any database asks for, so that a run of a second has several.
pub(super) const SEGMENT: u64 = 1_000;

/// Rows of a page, the fewest that Salesforce gives.
pub(super) const PAGE: u64 = 200;

/// The org's live contacts.
pub(super) fn live(stage: &Stage) -> BTreeMap<String, Record> {
    let fields = ["LastName", "Title", "Department", "SystemModstamp"];
    let rows = stage.org.rows_of("Contact", &fields).unwrap();
    rows.filter(|row| !row.deleted)
        .map(|row| (row.id, row.fields))
        .collect()
}

/// Fails where the table is not what the org is.
pub(super) async fn compare(stage: &Stage, note: Note, records: &BTreeMap<String, Record>) {
    let column = |column: &str, field: &str, field_type: &str| Compared {
        column: column.to_owned(),
        field: field.to_owned(),
        field_type: field_type.to_owned(),
    };
    let columns = [
        column("last_name", "LastName", "string"),
        column("note", &format!("{note:?}"), "string"),
        column("system_modstamp", "SystemModstamp", "datetime"),
    ];
    assert_equal(stage.database(), "contact", &columns, records).await;
    let states = stage.database().table("_replication_state");
    let rows = stage.database().number(&format!("SELECT rows FROM {states}")).await;
    assert_eq!(
        usize::try_from(rows).unwrap(),
        records.len(),
        "the state counts its rows"
    );
    for list in ["_pending_delete", "_rejected_row"] {
        let left = format!("SELECT count(*) FROM {}", stage.database().table(list));
        assert_eq!(stage.database().number(&left).await, 0, "{list}");
    }
}

/// Makes work for a run; the table is as the org is.
pub(super) async fn make(stage: &mut Stage, run: Run, size: Size, note: &mut Note, rng: &mut Rng) -> Aim {
    let mut ids: Vec<String> = live(stage).into_keys().collect();
    rng.shuffle(&mut ids);
    let written = match run {
        Run::Initial => {
            let records = live(stage);
            let written = records.keys().cloned().collect();
            return Aim { records, written };
        }
        Run::Incremental => change(stage, &ids[..many(size)]),
        Run::Verify => change_unseen(stage, &ids[..many(size)]).await,
        Run::Reconcile => spoil(stage, &ids, Stale::Older).await,
        Run::Refresh => match size {
            Size::Small => {
                let mut written = spoil(stage, &ids, Stale::Same).await;
                // Another value each time: a record may be chosen again.
                let value = format!("As a formula changes {}", rng.u64(..));
                for id in &ids[5 * SPOILT..6 * SPOILT] {
                    let values = [("LastName", value.as_str())];
                    stage.org.update_with("Contact", id, &values, Stamps::Neither).unwrap();
                    written.insert(id.clone());
                }
                written
            }
            Size::Large => {
                *note = note.other();
                stage.resource.objects = vec![note.object()];
                let value = |record: &Record, note: Note| {
                    let value = record.get(&format!("{note:?}")).cloned().flatten();
                    value.filter(|value| !value.is_empty())
                };
                let records = live(stage).into_iter();
                let changed = records.filter(|(_, record)| value(record, *note) != value(record, note.other()));
                changed.map(|(id, _)| id).collect()
            }
        },
    };
    Aim {
        records: live(stage),
        written,
    }
}

fn many(size: Size) -> usize {
    match size {
        Size::Small => TOGETHER,
        Size::Large => usize::try_from(SEGMENT * 5 / 2).unwrap(),
    }
}

/// Changes that a query shows: most are updates, some rows go and as many come.
fn change(stage: &Stage, ids: &[String]) -> BTreeSet<String> {
    let org = &stage.org;
    let mut written: BTreeSet<String> = ids.iter().cloned().collect();
    for ids in ids.chunks(TOGETHER) {
        org.advance_clock(SignedDuration::from_hours(1));
        org.hold_clock(true);
        for (row, id) in ids.iter().enumerate() {
            if row % 50 == 3 {
                org.delete("Contact", id).unwrap();
                written.insert(org.create("Contact", &[("LastName", "Came")]).unwrap());
            } else {
                org.update("Contact", id, &[("LastName", &format!("Changed {row}"))])
                    .unwrap();
            }
        }
        org.hold_clock(false);
    }
    org.advance_clock(SignedDuration::from_hours(1));
    written
}

/// Changes that no Incremental sees: hard deletes, and a transaction that commits when the watermark is past it.
async fn change_unseen(stage: &Stage, ids: &[String]) -> BTreeSet<String> {
    let org = &stage.org;
    let mut written: BTreeSet<String> = ids.iter().cloned().collect();
    org.advance_clock(SignedDuration::from_hours(1));
    let transaction = org.begin();
    for (row, id) in ids.iter().enumerate() {
        match row % 50 {
            3 => transaction.delete("Contact", id).unwrap(),
            4 => org.hard_delete("Contact", id).unwrap(),
            _ => transaction
                .update("Contact", id, &[("LastName", &format!("Late {row}"))])
                .unwrap(),
        }
        if row % 25 == 5 {
            written.insert(transaction.create("Contact", &[("LastName", "Came late")]).unwrap());
        }
    }
    org.advance_clock(SignedDuration::from_mins(25));
    drop(
        stage
            .command(&["run", "--once", "--kind", "incremental"])
            .await
            .exits(0),
    );
    transaction.commit().unwrap();
    org.advance_clock(SignedDuration::from_mins(30));
    written
}

/// Which stamp a row has that is not as its record.
#[derive(Debug, Clone, Copy)]
enum Stale {
    /// The table missed a change.
    Older,
    /// The record's: a listing of stamps does not see it.
    Same,
}

/// Differences that only a look at everything finds: rows that are missing, stale or too many, and deletes that nobody told of.
async fn spoil(stage: &Stage, ids: &[String], how: Stale) -> BTreeSet<String> {
    let (org, database) = (&stage.org, stage.database());
    let table = database.table("contact");
    let mut sorts = ids.chunks(SPOILT);
    let mut next = || sorts.next().unwrap();
    let (missing, staled, hard_deleted, deleted) = (next(), next(), next(), next());
    let list = |ids: &[String]| format!("'{}'", ids.join("', '"));
    let older = match how {
        Stale::Older => ", system_modstamp = '2020-02-02T02:02:02.000Z'",
        Stale::Same => "",
    };
    // As many come as go, so the state's count stays right.
    let ghosts: Vec<String> = (0..SPOILT)
        .map(|row| org.id("Contact", 9_000_000 + u64::try_from(row * 7).unwrap()).unwrap())
        .collect();
    let rows: Vec<String> = ghosts
        .iter()
        .map(|id| format!("('{id}', '2020-02-02T02:02:02.000Z', 'Ghost')"))
        .collect();
    for statement in [
        format!("DELETE FROM {table} WHERE salesforce_id IN ({})", list(missing)),
        format!(
            "UPDATE {table} SET last_name = 'Stale'{older} WHERE salesforce_id IN ({})",
            list(staled)
        ),
        format!(
            "INSERT INTO {table} (salesforce_id, system_modstamp, last_name) VALUES {}",
            rows.join(", ")
        ),
    ] {
        database.execute(&statement).await;
    }
    for id in hard_deleted {
        org.hard_delete("Contact", id).unwrap();
    }
    for id in deleted {
        org.delete("Contact", id).unwrap();
    }
    // Rows for those that left the org, so that it does not run empty; nobody has told of them either.
    let came = org
        .create_many("Contact", u64::try_from(2 * SPOILT).unwrap(), |row| {
            vec![("LastName".to_owned(), format!("Came {row}"))]
        })
        .unwrap();
    let all = [missing, staled, hard_deleted, deleted, &ghosts, &came];
    all.into_iter().flatten().cloned().collect()
}
