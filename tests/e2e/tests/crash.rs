//! Killed and stopped in mid-run: what the next run finds.
//!
//! `kill -9` comes at a random moment of a run of each kind. The next run of the kind must end with a table that is what the
//! org is; it must not read what was committed again; and no row may be written twice, which a trigger on the table counts.
//!
//! A seed gives the same work and draws the same moments again (`SFR_TEST_SEED`), as far as a machine can do the same thing
//! twice. `SFR_TEST_KILLS` says how many kills there are for each kind of run and each database.

mod campaign;
mod kill;
mod witness;
mod work;

use e2e::{
    binary,
    replica::{Replica, Since},
    scramble,
    stage::{Kind, Stage, empty_org},
};
use fastrand::Rng;
use simulator::{Config, Rule, What};

use self::campaign::Campaign;

const OBJECT: &str = "{name: Contact, mapping: None, fields: [{source: LastName, column: last_name}]}";

/// Variable with the number of kills.
const KILLS: &str = "SFR_TEST_KILLS";

/// Kills where nobody says how many: enough to notice that something is broken, and few enough for each push.
const FEW: u64 = 5;

/// A kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Initial,
    Incremental,
    Verify,
    Reconcile,
    Refresh,
}

impl Run {
    /// As it is asked for.
    fn word(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Incremental => "incremental",
            Self::Verify => "verify",
            Self::Reconcile => "reconcile",
            Self::Refresh => "refresh",
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_kills_in_the_first_load() {
    Box::pin(kills(Kind::Postgres, Run::Initial)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kills_in_the_first_load() {
    Box::pin(kills(Kind::Sqlite, Run::Initial)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_kills_in_an_incremental() {
    Box::pin(kills(Kind::Postgres, Run::Incremental)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kills_in_an_incremental() {
    Box::pin(kills(Kind::Sqlite, Run::Incremental)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_kills_in_a_verify() {
    Box::pin(kills(Kind::Postgres, Run::Verify)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kills_in_a_verify() {
    Box::pin(kills(Kind::Sqlite, Run::Verify)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_kills_in_a_reconcile() {
    Box::pin(kills(Kind::Postgres, Run::Reconcile)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kills_in_a_reconcile() {
    Box::pin(kills(Kind::Sqlite, Run::Reconcile)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_kills_in_a_refresh() {
    Box::pin(kills(Kind::Postgres, Run::Refresh)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kills_in_a_refresh() {
    Box::pin(kills(Kind::Sqlite, Run::Refresh)).await;
}

#[tokio::test]
async fn postgres_stops_by_signals_and_goes_on() {
    Box::pin(stops(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_stops_by_signals_and_goes_on() {
    Box::pin(stops(Kind::Sqlite)).await;
}

async fn kills(kind: Kind, run: Run) {
    let seed = scramble::seed();
    println!("SFR_TEST_SEED={seed} kills at the same moments again");
    let kills = std::env::var(KILLS).map_or(FEW, |kills| kills.parse().expect("a number of kills"));
    Campaign::new(kind, run, Rng::with_seed(seed)).await.until(kills).await;
}

/// SIGTERM and SIGINT, while pages come and while the next tick is waited for.
async fn stops(kind: Kind) {
    let config = Config {
        contacts: 10_000,
        ..empty_org()
    };
    let stage = Stage::new(kind, "stops", config, &[OBJECT]).await;
    let mut replica = replica(&stage).await;
    for (command, signal, code) in [
        (["run", "--once"].as_slice(), "TERM", 143),
        (&["run", "--once"], "INT", 130),
        (&["run"], "TERM", 143),
        (&["run"], "INT", 130),
    ] {
        stage.org.add_rule(Rule::at("queryMore", What::Hang).after(2));
        let child = stage.start(command);
        binary::until("a page that does not come", async || stage.org.rules().is_empty()).await;
        binary::signal(&child, signal).await;
        assert_eq!(binary::ended(child).await.code, Some(code), "{command:?} {signal}");
        stage.org.release_hanging();
        assert_eq!(held(&stage).await, 0, "what is not committed is rolled back");
    }
    // The first tick loads everything, the others wait.
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        stage.org.reset_calls();
        let child = stage.start(&["run"]);
        binary::until("the end of the first tick", async || {
            let live = format!(
                "SELECT count(*) FROM {} WHERE phase = 'Live'",
                stage.database().table("_replication_state")
            );
            stage.org.counters().of("queryAll") == 1 && stage.database().number(&live).await == 1
        })
        .await;
        binary::signal(&child, signal).await;
        assert_eq!(binary::ended(child).await.code, Some(code), "{signal}");
        replica.check(&stage.org, Since::Rest).await;
    }
    stage
        .org
        .update(
            "Contact",
            &stage.org.id("Contact", 7).unwrap(),
            &[("LastName", "Afterwards")],
        )
        .unwrap();
    stage.once().await;
    replica.check(&stage.org, Since::Rest).await;
}

/// Rows of the table.
async fn held(stage: &Stage) -> i64 {
    if !witness::is_begun(stage).await {
        return 0;
    }
    let table = stage.database().table("contact");
    stage.database().number(&format!("SELECT count(*) FROM {table}")).await
}

async fn replica(stage: &Stage) -> Replica {
    let plan = stage.command(&["plan", "-o", "json"]).await.exits(0).json();
    Replica::new(&plan, &stage.org.schema(), stage.database())
}
