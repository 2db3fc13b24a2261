//! What a replicator leaves when it goes: nothing, also where its org has gone before.

use std::collections::BTreeMap;

use replication::{connect::purge, destination::Purged};
use serde_json::json;
use simulator::Config;

use super::fixture::{Bench, TestSecrets, good_tick, query};

#[tokio::test(flavor = "multi_thread")]
async fn a_replicator_is_purged_without_its_org() {
    let config = Config {
        contacts: 250,
        ..Config::default()
    };
    let objects = json!([{"name": "Contact"}, {"name": "Account"}]);
    let mut bench = Bench::start(config, objects.clone()).await;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    drop(session);

    // No secret of the org is asked for, nor whether the resource still makes sense.
    let calls = bench.counted();
    bench.secrets = TestSecrets(BTreeMap::new());
    bench.objects = json!([{"name": "Gone__c"}]);
    let purged = purge(&bench.spec().destination, &bench.secrets, &bench.options())
        .await
        .unwrap();
    assert_eq!(purged.tables, ["account", "contact"]);
    assert_eq!(bench.counted(), calls);
    assert_eq!(query(&bench.file(), "SELECT count(*) FROM sqlite_schema"), [["0"]]);
    let again = purge(&bench.spec().destination, &bench.secrets, &bench.options())
        .await
        .unwrap();
    assert_eq!(again, Purged::default());

    // The same resource, made again, begins with all rows.
    bench.secrets = TestSecrets::right();
    bench.objects = objects;
    let mut session = bench.session().await;
    good_tick(&mut session).await;
    bench.assert_equal(&session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_never_made_is_purged_without_making_it() {
    let bench = Bench::start(Config::default(), json!([{"name": "Contact"}])).await;
    let purged = purge(&bench.spec().destination, &bench.secrets, &bench.options())
        .await
        .unwrap();
    assert_eq!(purged, Purged::default());
    assert!(!bench.file().exists());
}
