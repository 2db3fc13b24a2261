//! Work for the kinds of run that look for what others miss.

use e2e::binary::Outcome;
use jiff::SignedDuration;
use simulator::Stamps;

use super::{Bench, SPECIMEN};

pub(crate) const KINDS: [Kind; 3] = [Kind::Verify, Kind::Reconcile, Kind::Refresh];

/// Rows of the specimens that are not as their records are, of each sort.
const SPOILT: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Verify,
    Reconcile,
    Refresh,
}

impl Kind {
    /// As it is asked for.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reconcile => "reconcile",
            Self::Refresh => "refresh",
        }
    }

    /// Calls of a run of its own.
    pub(crate) fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Verify => &["getServerTimestamp", "getUpdated", "getDeleted", "queryAll"],
            Self::Reconcile => &["getUpdated", "queryAll", "queryMore"],
            // An Incremental and a Verify follow it.
            Self::Refresh => &["queryAll", "queryMore", "getUpdated", "getDeleted"],
        }
    }

    /// Of `run`. Ids and stamps would all fit into one page of the usual size.
    pub(crate) fn arguments(self) -> [&'static str; 5] {
        ["--once", "--kind", self.word(), "--page-rows", "200"]
    }

    /// Runs it alone.
    pub(crate) async fn run(self, bench: &Bench) -> Outcome {
        bench.run("run", &self.arguments()).await
    }

    /// A replica for which the kind has something to do: rows that come, change and go.
    pub(crate) async fn bench(self) -> Bench {
        let bench = Bench::sqlite(&[SPECIMEN]).await;
        self.make_work(&bench).await;
        bench
    }

    /// Loads, and gives the kind something to do.
    pub(crate) async fn make_work(self, bench: &Bench) {
        bench.replicate().await;
        let org = &bench.org;
        let ids: Vec<String> = (0..5 * SPOILT)
            .map(|row| org.id("Specimen__c", row * 8).expect("a row"))
            .collect();
        let mut sorts = ids.chunks(usize::try_from(SPOILT).expect("few"));
        let mut next = || sorts.next().expect("a sort");
        let (changed, deleted, hard_deleted) = (next(), next(), next());
        let values = [("Text20__c", "changed")];
        org.advance_clock(SignedDuration::from_hours(1));
        for id in hard_deleted {
            org.hard_delete("Specimen__c", id).expect("it is there");
        }
        match self {
            Self::Verify => {
                let transaction = org.begin();
                for id in changed {
                    transaction.update("Specimen__c", id, &values).expect("it is there");
                }
                for id in deleted {
                    transaction.delete("Specimen__c", id).expect("it is there");
                }
                org.advance_clock(SignedDuration::from_mins(25));
                drop(bench.run("run", &["--once", "--kind", "incremental"]).await.exits(0));
                transaction.commit().expect("it is open");
            }
            Self::Reconcile | Self::Refresh => {
                for id in changed {
                    let stamps = if self == Self::Refresh {
                        Stamps::Neither
                    } else {
                        Stamps::Both
                    };
                    org.update_with("Specimen__c", id, &values, stamps)
                        .expect("it is there");
                }
                for id in deleted {
                    org.delete("Specimen__c", id).expect("it is there");
                }
                let (table, states) = (
                    bench.database().table("specimen__c"),
                    bench.database().table("_replication_state"),
                );
                let lost = format!("DELETE FROM {table} WHERE salesforce_id IN ('{}')", next().join("', '"));
                bench.database().execute(&lost).await;
                // The state counts rows, and nobody has told it.
                let told = format!("UPDATE {states} SET rows = rows - {SPOILT}");
                bench.database().execute(&told).await;
            }
        }
        org.advance_clock(SignedDuration::from_mins(30));
        bench.org.reset_calls();
    }
}
