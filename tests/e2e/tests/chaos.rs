//! Nothing lost, nothing twice: whatever happens to an org, and to the way there, the tables are what it is.
//!
//! Each seed is a life of an org, a resource and a process: records are created, changed, deleted, undeleted, merged and
//! hard deleted, transactions commit up to half an hour late, parents change, fields come and go and change their types,
//! permissions are withdrawn and restored, clocks move, and any call may fail in any way, while runs of all kinds go on, are
//! cancelled, and outlive their ticks. Now and then everything comes to rest. Then, after the runs that promise it, each table
//! is compared with the org row by row and value by value, and further runs find nothing to write.
//!
//! `SFR_TEST_SEED` replays a seed, `SFR_TEST_SEEDS` says how many are tried; a failure prints the steps that led to it.

mod clock;
mod faults;
mod life;
mod meddler;
mod reshape;
mod resource;

use e2e::{database::Database, scramble, stage::Kind, story::Story};
use life::Life;
use tokio::task::JoinSet;

/// How many seeds are tried.
const SEEDS: &str = "SFR_TEST_SEEDS";

/// Without the variable: what a minute holds.
const FEW: u64 = 12;

/// After so many failures the rest is not tried.
const ENOUGH: usize = 3;

#[tokio::test]
async fn postgres_loses_nothing_and_writes_nothing_twice() {
    Box::pin(lives(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_loses_nothing_and_writes_nothing_twice() {
    Box::pin(lives(Kind::Sqlite)).await;
}

async fn lives(kind: Kind) {
    let given = scramble::given_seed();
    let wanted = std::env::var(SEEDS).ok();
    let count = wanted.map_or(if given.is_some() { 1 } else { FEW }, |count| {
        count.parse().expect("a number")
    });
    let first = given.unwrap_or_else(|| fastrand::u64(..));
    let mut failed = Vec::new();
    for seed in (0..count).map(|n| first.wrapping_add(n)) {
        println!("SFR_TEST_SEED={seed} lives this life again ({kind:?})");
        let folder = tempfile::tempdir().unwrap();
        let database = match kind {
            Kind::Postgres => Database::postgres_alone("chaos").await,
            Kind::Sqlite => Database::sqlite(folder.path()),
        };
        // A task of its own, so that a seed that fails does not keep the others from being tried.
        let mut life = JoinSet::new();
        life.spawn(Box::pin(Life::live(
            seed,
            database,
            folder.path().to_owned(),
            Story::default(),
        )));
        if life.join_next().await.is_some_and(|lived| lived.is_err()) {
            println!("SFR_TEST_SEED={seed} failed ({kind:?})");
            failed.push(seed);
            if failed.len() == ENOUGH {
                break;
            }
        }
    }
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}
