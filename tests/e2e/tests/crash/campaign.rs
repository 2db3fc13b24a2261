//! Rounds of work, kills and a run that ends.

use std::collections::BTreeMap;

use e2e::{
    database::Database,
    stage::{Kind, Stage, empty_org},
};
use fastrand::Rng;
use simulator::Config;

use super::{
    Run,
    kill::{self, Rehearsal},
    witness::{self, Sent},
    work::{self, Aim, Note, PAGE, SEGMENT, Size},
};

/// Contacts at the first load.
const ROWS: u64 = 8 * SEGMENT;

/// Rows on their way beside those of an open segment: the batch that fills it, four batches in the channel behind it, a page
/// that is parsed, one that waits for it and one that is fetched. A batch has rows of one page.
const IN_FLIGHT: u64 = 8 * PAGE;

/// Which rounds are large, one of so many; the first is.
const LARGE: u64 = 4;

/// Kills of one kind of run into one database.
pub(super) struct Campaign {
    stage: Stage,
    run: Run,
    rng: Rng,
    note: Note,
    rehearsals: BTreeMap<Size, Rehearsal>,
    tally: Tally,
}

/// What came of all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    kills: u64,
    /// Runs that ended before their kill.
    early: u64,
    /// Kills behind the commit that completes a run.
    complete: u64,
    /// Kills behind a commit that does not.
    resumed: u64,
    /// Rows that were read again after a kill, at most and in all.
    most_again: u64,
    again: u64,
    /// Rows that were written in all rounds.
    written: u64,
}

/// Where a killed run has left the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many live records are behind it.
    At(u64),
    /// The run had done all of its work.
    Complete,
}

impl Campaign {
    pub(super) async fn new(kind: Kind, run: Run, rng: Rng) -> Self {
        let config = Config {
            contacts: ROWS,
            ..empty_org()
        };
        let name = format!("kills_{run:?}").to_lowercase();
        let note = Note::Title;
        let mut stage = Stage::new(kind, &name, config, &[&note.object()]).await;
        stage.resource.more = "  consistency: {maxDeletePercent: 100}\n".into();
        witness::notes(&stage).await;
        Self {
            stage,
            run,
            rng,
            note,
            rehearsals: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Goes on until so many runs were killed.
    pub(super) async fn until(mut self, kills: u64) {
        if self.run != Run::Initial {
            drop(self.stage.command(&["run", "--once"]).await.exits(0));
            witness::watch(&self.stage).await;
        }
        while self.tally.kills < kills {
            let size = if self.tally.rounds.is_multiple_of(LARGE) {
                Size::Large
            } else {
                Size::Small
            };
            if !self.rehearsals.contains_key(&size) {
                self.rehearse(size).await;
            }
            self.round(size).await;
            assert!(
                self.tally.early <= kills / 2 + 5,
                "the kills come too late: {:?}",
                self.tally
            );
        }
        println!(
            "{:?} into {:?}, {} rows: {:?}",
            self.run,
            self.stage.kind(),
            work::live(&self.stage).len(),
            self.tally
        );
    }

    fn command(&self) -> [&'static str; 10] {
        [
            "run",
            "--once",
            "-o",
            "json",
            "--kind",
            self.run.word(),
            // As the constants say.
            "--segment-rows",
            "1000",
            "--page-rows",
            "200",
        ]
    }

    async fn make(&mut self, size: Size) -> Aim {
        if self.run == Run::Initial {
            self.clear().await;
        }
        let aim = work::make(&mut self.stage, self.run, size, &mut self.note, &mut self.rng).await;
        witness::forget(&self.stage).await;
        aim
    }

    /// Takes everything away that a load has made.
    async fn clear(&self) {
        match self.stage.database() {
            Database::Postgres { .. } => {
                self.stage
                    .database()
                    .execute("DROP SCHEMA IF EXISTS salesforce CASCADE")
                    .await;
            }
            Database::Sqlite { file } => {
                for end in ["", "-wal", "-shm"] {
                    std::fs::remove_file(format!("{}{end}", file.display())).ok();
                }
            }
        }
        witness::notes(&self.stage).await;
    }

    async fn rehearse(&mut self, size: Size) {
        let aim = self.make(size).await;
        let rehearsal = Rehearsal::of(&self.stage, &self.command()).await;
        work::compare(&self.stage, self.note, &aim.records).await;
        if self.run != Run::Initial {
            self.assert_written_once(&aim).await;
        }
        self.rehearsals.insert(size, rehearsal);
    }

    /// Work, one kill or two, and the run that ends with equality.
    async fn round(&mut self, size: Size) {
        let mut aim = self.make(size).await;
        let ids: Vec<String> = aim.records.keys().cloned().collect();
        let before = self.completed().await;
        let mut place = Place::At(0);
        let mut is_watched = self.run != Run::Initial;
        for _ in 0..self.rng.u32(1..=2) {
            let moment = self.rehearsals[&size].moment(&mut self.rng);
            println!("{:?} into {:?}, {size:?}: {moment:?}", self.run, self.stage.kind());
            if let Some(outcome) = kill::kill(&self.stage, &self.command(), moment).await {
                drop(outcome.exits(0));
                self.tally.early += 1;
                // The machine has less to do now than it had in the rehearsal.
                self.rehearsals.remove(&size);
                place = Place::Complete;
                break;
            }
            self.tally.kills += 1;
            witness::released(&self.stage).await;
            let now = self.place(&ids, before.as_ref()).await;
            self.count_again(place, now, witness::sent(&self.stage.org));
            place = now;
            if !is_watched && witness::is_begun(&self.stage).await {
                is_watched = true;
                witness::watch(&self.stage).await;
                if let Place::At(there) = place {
                    aim.written = ids[usize::try_from(there).unwrap()..].iter().cloned().collect();
                } else {
                    aim.written.clear();
                }
            }
            if place == Place::Complete {
                // Another run would begin anew.
                break;
            }
        }
        self.end(&aim, place).await;
        if is_watched {
            self.assert_written_once(&aim).await;
        }
        self.tally.rounds += 1;
    }

    /// The next run of the kind, which nobody kills.
    async fn end(&mut self, aim: &Aim, place: Place) {
        let pending = format!(
            "SELECT count(*) FROM {}",
            self.stage.database().table("_pending_delete")
        );
        let pending = if witness::is_begun(&self.stage).await {
            self.stage.database().number(&pending).await
        } else {
            0
        };
        self.stage.org.reset_calls();
        let report = self.stage.command(&self.command()).await.exits(0).json();
        let runs = report["runs"].as_array().unwrap();
        let is_loaded = self.run == Run::Initial && place == Place::Complete;
        match runs.first() {
            Some(run) => assert_eq!(run["kind"], format!("{:?}", self.run), "{report:#}"),
            None => assert!(is_loaded, "{report:#}"),
        }
        work::compare(&self.stage, self.note, &aim.records).await;
        let sent = witness::sent(&self.stage.org);
        let live = u64::try_from(aim.records.len()).unwrap();
        match (self.run, place) {
            (Run::Initial | Run::Reconcile | Run::Refresh, Place::At(there)) => {
                assert_eq!(sent.listed, live - there, "what is committed is not read again");
            }
            (Run::Initial, Place::Complete) => assert_eq!(sent.all, 0, "all is there already"),
            (Run::Reconcile | Run::Refresh, Place::Complete) => assert_eq!(sent.listed, live),
            (Run::Incremental | Run::Verify, _) => {
                // Deletes that were noted are read once more before they are applied.
                let whole = run_of(aim) + u64::try_from(pending).unwrap();
                assert!(sent.all <= whole, "{} rows were read, the run has {whole}", sent.all);
                let again = if place == Place::Complete { 0 } else { sent.all };
                self.tally.most_again = self.tally.most_again.max(again);
                self.tally.again += again;
            }
        }
    }

    /// Counts what a killed run has read in vain.
    fn count_again(&mut self, before: Place, now: Place, sent: Sent) {
        match (self.run, before, now) {
            (_, _, Place::Complete) => self.tally.complete += 1,
            (Run::Initial | Run::Reconcile | Run::Refresh, Place::At(before), Place::At(now)) => {
                assert!(now >= before, "the place went back from {before} to {now}");
                self.tally.resumed += u64::from(now > before);
                let again = sent.listed.saturating_sub(now - before);
                let most = SEGMENT + IN_FLIGHT;
                assert!(again <= most, "{again} rows are to be read again, {most} at most");
                self.tally.most_again = self.tally.most_again.max(again);
                self.tally.again += again;
            }
            (_, _, Place::At(_)) => {}
        }
    }

    /// What changes in the state when a run of the kind is complete.
    async fn completed(&self) -> Option<String> {
        let column = match self.run {
            Run::Initial => "watermark",
            Run::Incremental => "NULL",
            Run::Verify => "verified_until",
            Run::Reconcile => "reconciled_at",
            Run::Refresh => "refreshed_at",
        };
        let [now] = witness::state(&self.stage, [column]).await;
        now
    }

    async fn place(&self, ids: &[String], before: Option<&String>) -> Place {
        if self.completed().await.as_ref() != before {
            return Place::Complete;
        }
        let last = match self.run {
            Run::Initial => "last_id",
            Run::Reconcile | Run::Refresh => "listing_last_id",
            Run::Incremental | Run::Verify => return Place::At(0),
        };
        let [last] = witness::state(&self.stage, [last]).await;
        let there = last.map_or(0, |last| ids.partition_point(|id| *id <= last));
        Place::At(u64::try_from(there).unwrap())
    }

    /// Each row that was to be written was, once, and no other was.
    async fn assert_written_once(&mut self, aim: &Aim) {
        let writes = witness::writes(&self.stage).await;
        let twice: Vec<_> = writes.iter().filter(|(_, times)| **times > 1).take(10).collect();
        assert!(twice.is_empty(), "written more than once: {twice:?}");
        let not: Vec<_> = aim
            .written
            .iter()
            .filter(|id| !writes.contains_key(*id))
            .take(10)
            .collect();
        let needless: Vec<_> = writes.keys().filter(|id| !aim.written.contains(*id)).take(10).collect();
        assert!(not.is_empty(), "not written: {not:?}");
        assert!(
            needless.is_empty(),
            "written although nothing had changed: {needless:?}"
        );
        self.tally.written += u64::try_from(writes.len()).unwrap();
    }
}

/// Rows that a whole run reads, the overlap among them.
fn run_of(aim: &Aim) -> u64 {
    u64::try_from(aim.written.len() + work::TOGETHER).unwrap()
}
