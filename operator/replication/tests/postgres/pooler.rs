//! A pooler in transaction mode, as small as it can be: every client shares one session of the server, a transaction at a
//! time. That is what pgbouncer does with `pool_mode = transaction` and `default_pool_size = 1`.

use std::{net::SocketAddr, sync::Arc};

use replication::destination::postgres::{Postgres, PostgresConfig};
use salesforce::ErrorKind;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
};
use url::Url;

use super::server::url;

/// `SSLRequest` in place of a protocol version.
const SSL_REQUEST: u32 = 80_877_103;

struct Message {
    tag: u8,
    body: Vec<u8>,
}

impl Message {
    fn new(tag: u8, body: &[u8]) -> Self {
        Self {
            tag,
            body: body.to_vec(),
        }
    }

    async fn read(from: &mut TcpStream) -> std::io::Result<Self> {
        let tag = from.read_u8().await?;
        let mut body = vec![0; usize::try_from(from.read_u32().await?).unwrap() - 4];
        from.read_exact(&mut body).await?;
        Ok(Self { tag, body })
    }

    async fn write(&self, into: &mut TcpStream) -> std::io::Result<()> {
        let mut bytes = vec![self.tag];
        bytes.extend((u32::try_from(self.body.len()).unwrap() + 4).to_be_bytes());
        bytes.extend(&self.body);
        into.write_all(&bytes).await
    }
}

fn startup(url: &Url) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in [
        "user",
        url.username(),
        "database",
        url.path().trim_start_matches('/'),
        "",
    ] {
        body.extend(text.as_bytes());
        body.push(0);
    }
    let mut packet = (u32::try_from(body.len()).unwrap() + 4).to_be_bytes().to_vec();
    packet.extend(body);
    packet
}

/// Logs in; the server asks the superuser for the password as it is.
async fn log_in(url: &Url) -> TcpStream {
    let mut server = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap()))
        .await
        .unwrap();
    server.write_all(&startup(url)).await.unwrap();
    loop {
        let message = Message::read(&mut server).await.unwrap();
        match (message.tag, message.body.as_slice()) {
            (b'R', [0, 0, 0, 3]) => {
                let password = format!("{}\0", url.password().unwrap());
                Message::new(b'p', password.as_bytes())
                    .write(&mut server)
                    .await
                    .unwrap();
            }
            (b'Z', _) => return server,
            (b'E', body) => panic!("{}", String::from_utf8_lossy(body)),
            _ => {}
        }
    }
}

async fn greet(client: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let length = client.read_u32().await?;
        let mut packet = vec![0; usize::try_from(length).unwrap() - 4];
        client.read_exact(&mut packet).await?;
        if packet.starts_with(&SSL_REQUEST.to_be_bytes()) {
            client.write_all(b"N").await?;
            continue;
        }
        Message::new(b'R', &[0; 4]).write(client).await?;
        Message::new(b'S', b"server_version\x0015.0\0").write(client).await?;
        Message::new(b'K', &[0; 8]).write(client).await?;
        return Message::new(b'Z', b"I").write(client).await;
    }
}

/// Simple queries are all that is asked before a pooler is recognised.
async fn serve(mut client: TcpStream, server: Arc<Mutex<TcpStream>>) -> std::io::Result<()> {
    greet(&mut client).await?;
    loop {
        let request = Message::read(&mut client).await?;
        if request.tag == b'X' {
            return Ok(());
        }
        let mut server = server.lock().await;
        request.write(&mut server).await?;
        loop {
            let answer = Message::read(&mut server).await?;
            answer.write(&mut client).await?;
            if answer.tag == b'Z' {
                break;
            }
        }
    }
}

async fn pool(listener: TcpListener, server: TcpStream) {
    let server = Arc::new(Mutex::new(server));
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        clients.spawn(serve(client, Arc::clone(&server)));
    }
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_recognised_and_refused() {
    let mut url: Url = url().parse().unwrap();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(pool(listener, log_in(&url).await));
    url.set_port(Some(port)).unwrap();
    let error = Postgres::connect(PostgresConfig::new(url.as_str(), "salesforce"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let message = error.message();
    assert!(
        message.contains("transaction mode") && message.contains("pool_mode = session"),
        "{message}"
    );
}
