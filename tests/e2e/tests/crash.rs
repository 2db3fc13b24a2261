//! Killed and stopped in mid-run: what the next run finds.
//!
//! A kill comes at a moment that is chosen by what the org was asked and by what the database holds, not by the clock: at
//! a call that hangs (all rows before it are on their way into an open segment), at a call while everything is in flight,
//! and just behind a commit.

use e2e::{
    binary,
    replica::{Replica, Since},
    scramble,
    stage::{Kind, Stage, empty_org},
};
use fastrand::Rng;
use jiff::SignedDuration;
use simulator::{Config, Control, Rule, What};

const OBJECT: &str = "{name: Contact, mapping: None, fields: [{source: LastName, column: last_name}]}";

/// Rows of a page.
const PAGE: u64 = 2_000;

/// Rows of a segment.
const fn segment(kind: Kind) -> u64 {
    match kind {
        Kind::Postgres => 50_000,
        Kind::Sqlite => 20_000,
    }
}

/// Rows on their way beside those of an open segment: the batch that fills it, four batches in the channel behind it, a
/// page that is parsed and one that is fetched. A batch of such short rows holds two pages at most.
const IN_FLIGHT: u64 = 12 * PAGE;

/// When a kill comes.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// A call for the next page hangs, so many pages were read before.
    Hanging(u64),
    /// So many pages were asked for, and everything goes on.
    InFlight(u64),
    /// A segment has just been committed.
    Committed,
}

#[tokio::test]
async fn postgres_survives_kills_in_the_first_load() {
    Box::pin(kills_in_initial(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_survives_kills_in_the_first_load() {
    Box::pin(kills_in_initial(Kind::Sqlite)).await;
}

#[tokio::test]
async fn postgres_survives_kills_among_changes() {
    Box::pin(kills_in_incremental(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_survives_kills_among_changes() {
    Box::pin(kills_in_incremental(Kind::Sqlite)).await;
}

#[tokio::test]
async fn postgres_stops_by_signals_and_goes_on() {
    Box::pin(stops(Kind::Postgres)).await;
}

#[tokio::test]
async fn sqlite_stops_by_signals_and_goes_on() {
    Box::pin(stops(Kind::Sqlite)).await;
}

/// Kills a load of two and a half segments six times.
async fn kills_in_initial(kind: Kind) {
    let mut rng = random();
    let segment = segment(kind);
    let rows = segment * 5 / 2;
    let config = Config {
        contacts: rows,
        ..empty_org()
    };
    let stage = Stage::new(kind, "kills_initial", config, &[OBJECT]).await;
    let mut replica = replica(&stage).await;
    let within = 1..segment / PAGE;
    for moment in [
        Moment::Hanging(rng.u64(within.clone())),
        Moment::InFlight(rng.u64(within.clone())),
        Moment::Committed,
        Moment::InFlight(rng.u64(within.clone())),
        Moment::Committed,
        // Half a segment is left.
        Moment::Hanging(rng.u64(1..segment / PAGE / 2 - 1)),
    ] {
        let before = held(&stage).await;
        kill(&stage, moment).await;
        released(&stage).await;
        let after = held(&stage).await;
        let again = rows_sent(&stage.org) - (after - before);
        assert!(
            again <= segment + IN_FLIGHT,
            "{moment:?}: {again} rows are to be read again"
        );
        if let Moment::Committed = moment {
            assert!(
                after >= before + segment,
                "{moment:?}: {before} rows before, {after} after"
            );
        }
    }
    let before = held(&stage).await;
    stage.org.reset_calls();
    let report = stage.once().await;
    assert_eq!(report["runs"][0]["kind"], "Initial", "{report:#}");
    assert_eq!(
        rows_sent(&stage.org),
        rows - before,
        "what is committed is not read again"
    );
    replica.check(&stage.org, Since::Rest).await;
}

/// Kills a run of one and a half segments of changes, deletes among them, six times.
async fn kills_in_incremental(kind: Kind) {
    /// Changes that share a second; an hour lies between two such seconds, so the overlap reads one of them again.
    const TOGETHER: usize = 500;
    let mut rng = random();
    let segment = segment(kind);
    let changed = segment * 3 / 2;
    let config = Config {
        contacts: changed + 2_000,
        ..empty_org()
    };
    let stage = Stage::new(kind, "kills_incremental", config, &[OBJECT]).await;
    let org = &stage.org;
    let mut replica = replica(&stage).await;
    stage.once().await;
    replica.check(org, Since::Rest).await;

    let ids: Vec<String> = org.rows_of("Contact", &["Id"]).unwrap().map(|row| row.id).collect();
    let mut chosen: Vec<&String> = ids.iter().take(usize::try_from(changed).unwrap()).collect();
    rng.shuffle(&mut chosen);
    for (second, ids) in chosen.chunks(TOGETHER).enumerate() {
        org.advance_clock(SignedDuration::from_hours(1));
        org.hold_clock(true);
        for (row, id) in ids.iter().enumerate() {
            if row % 10 == 3 {
                org.delete("Contact", id).unwrap();
            } else {
                org.update("Contact", id, &[("LastName", &format!("Changed {second}, {row}"))])
                    .unwrap();
            }
        }
        org.hold_clock(false);
    }
    org.advance_clock(SignedDuration::from_hours(1));

    let (within, left) = (1..segment / PAGE, 1..(changed - segment) / PAGE - 1);
    for moment in [
        Moment::InFlight(rng.u64(within.clone())),
        Moment::Hanging(rng.u64(within.clone())),
        Moment::Committed,
        Moment::InFlight(rng.u64(left.clone())),
        Moment::Hanging(rng.u64(left.clone())),
        Moment::InFlight(rng.u64(left.clone())),
    ] {
        kill(&stage, moment).await;
    }
    org.reset_calls();
    stage.once().await;
    let (sent, together) = (rows_sent(org), u64::try_from(TOGETHER).unwrap());
    assert!(
        sent <= changed - segment + together + PAGE,
        "{sent} rows were read, {changed} had changed and a segment was committed"
    );
    replica.check(org, Since::Rest).await;
    let pending = format!("SELECT count(*) FROM {}", stage.database().table("_pending_delete"));
    assert_eq!(stage.database().number(&pending).await, 0, "all deletes were applied");
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

/// A run that is killed.
async fn kill(stage: &Stage, moment: Moment) {
    println!("{moment:?}");
    let org = &stage.org;
    org.reset_calls();
    let before = checkpoint(stage).await;
    if let Moment::Hanging(pages) = moment {
        org.add_rule(Rule::at("queryMore", What::Hang).after(pages));
    }
    let mut child = stage.start(&["run", "--once"]);
    binary::until("the moment of the kill, or an early end", async || {
        let is_now = match moment {
            Moment::Hanging(_) => org.rules().is_empty(),
            Moment::InFlight(pages) => org.counters().of("queryMore") >= pages,
            Moment::Committed => checkpoint(stage).await != before,
        };
        is_now || child.try_wait().unwrap().is_some()
    })
    .await;
    binary::signal(&child, "KILL").await;
    let outcome = binary::ended(child).await;
    assert_eq!(
        outcome.code,
        None,
        "{moment:?}: it ended before it was killed: {}",
        outcome.all()
    );
    org.release_hanging();
}

/// Where the next run would go on.
async fn checkpoint(stage: &Stage) -> Option<Vec<Option<String>>> {
    if !is_begun(stage).await {
        return None;
    }
    let states = stage.database().table("_replication_state");
    let statement = format!(
        "SELECT last_id, watermark FROM {states} WHERE object = 'Contact' AND (last_id IS NOT NULL OR watermark IS NOT NULL)"
    );
    stage.database().query(&statement).await.pop()
}

/// Rows of the table, which are the first of the org without a hole, as the state says.
async fn held(stage: &Stage) -> u64 {
    if !is_begun(stage).await {
        return 0;
    }
    let (database, table) = (stage.database(), stage.database().table("contact"));
    let states = database.table("_replication_state");
    let statement = format!(
        "SELECT count(*), max(salesforce_id), (SELECT last_id FROM {states}), (SELECT rows FROM {states}) FROM {table}"
    );
    let row = database.query(&statement).await.pop().unwrap();
    let count: u64 = row[0].as_deref().unwrap().parse().unwrap();
    assert_eq!(row[0], row[3], "the state counts its rows");
    assert_eq!(row[1], row[2], "the state names the last row");
    if count > 0 {
        assert_eq!(
            row[1].as_deref(),
            Some(stage.org.id("Contact", count - 1).unwrap().as_str()),
            "rows in order of Id"
        );
    }
    count
}

/// Whether the object's table is there.
async fn is_begun(stage: &Stage) -> bool {
    let statement = match stage.kind() {
        Kind::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = 'salesforce' AND tablename = 'contact'",
        Kind::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'contact'",
    };
    stage.database().number(statement).await == 1
}

/// Waits until the server has noticed that its client is gone: it may still be committing what it was told to.
async fn released(stage: &Stage) {
    if stage.kind() == Kind::Postgres {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                      AND backend_type = 'client backend'";
        binary::until("the end of the killed session", async || {
            stage.database().number(others).await == 0
        })
        .await;
    }
}

/// Records that the org has sent.
fn rows_sent(org: &Control) -> u64 {
    let calls = org.calls(10_000).into_iter();
    calls
        .filter(|call| call.call.starts_with("query"))
        .map(|call| call.rows)
        .sum()
}

async fn replica(stage: &Stage) -> Replica {
    let plan = stage.command(&["plan", "-o", "json"]).await.exits(0).json();
    Replica::new(&plan, &stage.org.schema(), stage.database())
}

fn random() -> Rng {
    let seed = scramble::seed();
    println!("SFR_TEST_SEED={seed} kills at the same calls again");
    Rng::with_seed(seed)
}
