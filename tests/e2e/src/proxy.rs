//! A proxy, as companies put it between their machines and the world: it is asked for a tunnel (`CONNECT`), and leads it to where the
//! test wants it, whatever host was asked for. One that inspects TLS shows a certificate of its own authority for that host.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// Longest head of a request for a tunnel.
const LONGEST_HEAD: usize = 8 * 1024;

/// A proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _work: JoinSet<()>,
}

/// Where tunnels lead to, and who reads along.
#[derive(Clone)]
struct Way {
    to: String,
    inspects: Option<TlsAcceptor>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Leads every tunnel to `to`, `host:port`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(to: &str) -> Self {
        Self::start(to, None).await
    }

    /// Shows a certificate for `host`, and leads what it reads to `to`, where no TLS is. Gives the authority's certificate too, in PEM.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn inspecting(host: &str, to: &str) -> (Self, String) {
        let (acceptor, authority) = acceptor(host);
        (Self::start(to, Some(acceptor)).await, authority)
    }

    async fn start(to: &str, inspects: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let way = Way {
            to: to.to_owned(),
            inspects,
            asked: Arc::clone(&asked),
        };
        let mut work = JoinSet::new();
        work.spawn(serve(listener, way));
        Self {
            address,
            asked,
            _work: work,
        }
    }

    /// What `HTTPS_PROXY` is to say.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The hosts and ports that it was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An end of TLS for a host, and the authority that vouches for it.
fn acceptor(host: &str) -> (TlsAcceptor, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions that the provider has")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("the key is the certificate's");
    (TlsAcceptor::from(Arc::new(config)), authority)
}

async fn serve(listener: TcpListener, way: Way) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let way = way.clone();
        connections.spawn(async move {
            // One that breaks off is the client's matter.
            tunnel(near, way).await.ok();
        });
    }
}

async fn tunnel(mut near: TcpStream, way: Way) -> std::io::Result<()> {
    let mut head = Vec::new();
    // Byte by byte: what comes behind the head belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await?);
        if head.len() > LONGEST_HEAD {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let (Some("CONNECT"), Some(target)) = (words.next(), words.next()) else {
        return near
            .write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    way.asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(target.to_owned());
    let mut far = TcpStream::connect(&way.to).await?;
    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    match way.inspects {
        Some(acceptor) => {
            let mut near = acceptor.accept(near).await?;
            copy_bidirectional(&mut near, &mut far).await?;
        }
        None => {
            copy_bidirectional(&mut near, &mut far).await?;
        }
    }
    Ok(())
}
