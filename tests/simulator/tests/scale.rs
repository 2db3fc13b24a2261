//! A million rows: no gigabytes, and what changed is found without a look at the rest.

use simulator::Config;

use crate::wire::{Client, config};

/// Resident memory of this process in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse::<u64>()
        .expect("kB")
        / 1_024
}

#[tokio::test]
async fn a_million_contacts_take_no_memory_and_changes_are_found() {
    let client = Client::logged_in(Config {
        contacts: 1_000_000,
        accounts: 200_000,
        ..config()
    })
    .await;
    let before = resident_mib();
    let answer = client.query("SELECT count() FROM Contact").await.ok();
    assert_eq!(answer.text("size").unwrap(), "1000000");
    for order in ["", "ORDER BY Id", "ORDER BY SystemModstamp, Id"] {
        let mut answer = client
            .query_all(&format!("SELECT Id, LastName, Phone FROM Contact {order}"))
            .await
            .ok();
        for _ in 0..5 {
            assert_eq!(answer.body.matches("<records ").count(), 2_000);
            assert_eq!(answer.text("size").unwrap(), "1000000");
            answer = client.query_more(&answer.text("queryLocator").unwrap()).await.ok();
        }
        client.control.kill_locators();
    }
    let middle = client.control.id("Contact", 500_000).unwrap();
    let keyset = format!("SELECT Id FROM Contact WHERE Id > '{middle}' ORDER BY Id LIMIT 3");
    assert_eq!(
        client.query(&keyset).await.ok().texts("sf:Id")[0],
        client.control.id("Contact", 500_001).unwrap()
    );
    let after = resident_mib();
    assert!(after < before + 120, "{before} MiB before, {after} MiB after");

    for n in [1, 10, 100] {
        let id = client.control.id("Contact", n).unwrap();
        client.control.update("Contact", &id, &[("Phone", "1")]).unwrap();
    }
    let changes = "SELECT Id FROM Contact WHERE SystemModstamp >= 2026-11-10T10:00:00Z ORDER BY SystemModstamp, Id";
    let answer = client.query_all(changes).await.ok();
    assert_eq!(answer.text("size").unwrap(), "3");
    let account = client.control.id("Account", 77_777).unwrap();
    client.control.delete("Account", &account).unwrap();
    let gone = client.query_all(&format!("SELECT Id FROM Contact WHERE AccountId = '{account}' AND SystemModstamp >= 2026-11-10T10:00:00Z AND IsDeleted = true")).await.ok();
    assert!(
        (3..=5).contains(&gone.text("size").unwrap().parse::<u32>().unwrap()),
        "{}",
        gone.body
    );
}
