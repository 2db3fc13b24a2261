//! A connection that a firewall forgot: nobody is told, and no answer comes.

use std::time::Duration;

use replication::{
    Result,
    destination::{
        Destination, ObjectTable,
        postgres::{Postgres, PostgresConfig, PostgresTable},
    },
};
use salesforce::ErrorKind;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use url::Url;

use super::{
    fixture::{Place, batch, checkpoint, merge, now, open, plan},
    server::url,
};

/// A way to the server. It ends when it is dropped.
struct Way {
    url: String,
    /// Connections so far.
    connections: watch::Receiver<u64>,
    /// Up to which connection answers are lost.
    forgotten: watch::Sender<u64>,
    _work: JoinSet<()>,
}

impl Way {
    async fn new(parameters: &[(&str, &str)]) -> Self {
        let mut url = Url::parse(&url()).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        let (accepted, connections) = watch::channel(0);
        let forgotten = watch::Sender::new(0);
        let forgets = forgotten.subscribe();
        let mut work = JoinSet::new();
        work.spawn(async move {
            let mut leads = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                accepted.send_modify(|count| *count += 1);
                let number = *accepted.borrow();
                leads.spawn(lead(near, server.clone(), number, forgets.clone()));
            }
        });
        Self {
            url: url.into(),
            connections,
            forgotten,
            _work: work,
        }
    }

    /// Answers on connections that are there are lost.
    fn forget(&self) {
        self.forgotten.send_replace(*self.connections.borrow());
    }
}

async fn lead(near: TcpStream, server: (String, u16), number: u64, forgotten: watch::Receiver<u64>) {
    let far = TcpStream::connect(server).await.unwrap();
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let answers = async {
        let mut bytes = vec![0; 8_192];
        while let Ok(count @ 1..) = from_far.read(&mut bytes).await {
            if *forgotten.borrow() < number && to_near.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
        // Whoever is forgotten does not hear of the end either.
        if *forgotten.borrow() >= number {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = answers => {}
        _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
    }
}

/// A table with a row, and how it is reached.
async fn table(place: &Place, way: &Way) -> (Postgres, PostgresTable) {
    let mut config = PostgresConfig::new(way.url.clone(), &place.schema);
    config.limits.look = Duration::from_millis(20);
    let destination = Postgres::connect(config).await.unwrap();
    destination.prepare().await.unwrap();
    let plan = plan(&[]);
    let mut table = open(&destination, &plan).await;
    table.read_state().await.unwrap();
    table.create(&checkpoint(), now()).await.unwrap();
    merge(&mut table, batch(&plan, &[&["a"]])).await.unwrap();
    (destination, table)
}

/// Builds the index, which waits for a transaction of somebody until others have looked a few times.
async fn build(place: &Place, way: &mut Way, table: &mut PostgresTable, then: impl FnOnce(&Way)) -> Result<()> {
    place.server.query("BEGIN").await;
    place.server.query("LOCK TABLE contact IN ROW EXCLUSIVE MODE").await;
    let there = *way.connections.borrow();
    let building = async {
        tokio::join!(table.build_indexes(), async {
            let looked = way.connections.wait_for(|count| *count > there + 3).await;
            drop(looked.unwrap());
            then(way);
            place.server.query("COMMIT").await;
        })
    };
    let (built, ()) = tokio::time::timeout(Duration::from_mins(1), building)
        .await
        .expect("it ends");
    built.map(drop)
}

async fn is_built(place: &Place) -> bool {
    let valid = "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('contact_spelled_idx')";
    place.server.value(valid).await == "1"
}

/// An index takes as long as the server is at work on it, and no longer, though the end of it is told to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_answer_is_lost_is_not_waited_for() {
    let place = Place::new().await;
    let mut way = Way::new(&[("connect_timeout", "1")]).await;
    let (destination, mut lost) = table(&place, &way).await;
    let error = build(&place, &mut way, &mut lost, Way::forget).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert!(error.message().contains("no answer in time"), "{error}");

    let mut table = open(&destination, &plan(&[])).await;
    table.read_state().await.unwrap();
    table.build_indexes().await.unwrap();
    assert!(is_built(&place).await);
}

/// A server that keeps no account of what it works at, as one that shows it to others alone, is not taken for idle.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_making_cannot_be_seen_is_waited_for() {
    let place = Place::new().await;
    let hidden = [("options[track_activities]", "off"), ("connect_timeout", "1")];
    let mut way = Way::new(&hidden).await;
    let (_destination, mut table) = table(&place, &way).await;
    build(&place, &mut way, &mut table, |_way| ()).await.unwrap();
    assert!(is_built(&place).await);
}
