//! A line that a test can cut: a port that leads to another one.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::control_plane::user::User;

/// A port that leads to another one. It ends when it is dropped.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    open: watch::Sender<bool>,
    _work: JoinSet<()>,
}

impl Line {
    /// Leads to `to`, `host:port`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let open = watch::Sender::new(true);
        let mut work = JoinSet::new();
        work.spawn(lead(listener, to.to_owned(), open.subscribe()));
        Self {
            address,
            open,
            _work: work,
        }
    }

    /// A user whose way to the API server is a line.
    ///
    /// # Panics
    /// When no port is free, or the kubeconfig is none.
    pub async fn to_api_server(user: &User) -> (User, Self) {
        let url = url::Url::parse(&user.server()).expect("the API server has a URL");
        let host = url.host_str().expect("a host");
        let line = Self::to(&format!("{host}:{}", url.port().expect("a port"))).await;
        (user.behind(&format!("https://{}", line.address()), "line"), line)
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and each new one as soon as it is there.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Leads through again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

async fn lead(listener: TcpListener, to: String, open: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if *open.borrow() {
            connections.spawn(connect(near, to.clone(), open.clone()));
        }
    }
}

async fn connect(mut near: TcpStream, to: String, mut open: watch::Receiver<bool>) {
    if let Ok(mut far) = TcpStream::connect(to).await {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = open.wait_for(|is_open| !is_open) => {}
        }
    }
}
