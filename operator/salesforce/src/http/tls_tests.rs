//! TLS with a CA of one's own, against a server in the test.
//!
//! The certificates are valid until the year 2126. They were made with openssl: a CA (EC, P-256) and a certificate for
//! `localhost` and 127.0.0.1 that it signed. The key of the CA was not kept.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    thread::JoinHandle,
};

use rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::*;
use crate::error::Call;

const CA: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBvjCCAWOgAwIBAgIUIac+M72vlKumRozrmB6uD/FpnrowCgYIKoZIzj0EAwIw\n\
KzEpMCcGA1UEAwwgVGVzdCBDQSBvZiBzYWxlc2ZvcmNlLXJlcGxpY2F0b3IwIBcN\n\
MjYxMTI0MTM1ODA2WhgPMjEyNjEwMzExMzU4MDZaMCsxKTAnBgNVBAMMIFRlc3Qg\n\
Q0Egb2Ygc2FsZXNmb3JjZS1yZXBsaWNhdG9yMFkwEwYHKoZIzj0CAQYIKoZIzj0D\n\
AQcDQgAESCCAp4otojBGqQ3/MrsAdqN7AIpshocNsT+aqV4ovEpzsIIEyrPXaT1S\n\
jC3wdS6casyqFMAzUU1rCG4sr0u8BqNjMGEwHQYDVR0OBBYEFIq7mpOjIvICjsPU\n\
Q+sZG/GMZ4fIMB8GA1UdIwQYMBaAFIq7mpOjIvICjsPUQ+sZG/GMZ4fIMA8GA1Ud\n\
EwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAoGCCqGSM49BAMCA0kAMEYCIQDw\n\
nYNM+ZE6kFrPOt9CeDyQGdMzOXCkSKqSl+e2B8N7FwIhANZXY5W1kNCAu82ZB4p3\n\
Xj/k042GmZ1H2fnlnryPfljJ\n\
-----END CERTIFICATE-----\n\
";

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBwjCCAWegAwIBAgIUZ8JWhyWxy07hcTMqwQW2tkkRxSMwCgYIKoZIzj0EAwIw\n\
KzEpMCcGA1UEAwwgVGVzdCBDQSBvZiBzYWxlc2ZvcmNlLXJlcGxpY2F0b3IwIBcN\n\
MjYxMTI0MTM1ODA2WhgPMjEyNjEwMzExMzU4MDZaMBQxEjAQBgNVBAMMCWxvY2Fs\n\
aG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKphmxRxqdXZqtd6sAenELCE\n\
pBhRxTAyZKvOF/8Yr6MofhD1lqvvig/UMvbI2wUotuPSEsLLrUPdcmBWKW90qF2j\n\
fjB8MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAJBgNVHRMEAjAAMBMGA1Ud\n\
JQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBT/pTcdwhGSeNjdf75F97Tkt2OBczAf\n\
BgNVHSMEGDAWgBSKu5qToyLyAo7D1EPrGRvxjGeHyDAKBggqhkjOPQQDAgNJADBG\n\
AiEA0D3WYoSj4pNX7xXgGxC4hYZfyxpKhj2E+LmFOclky2wCIQDJXLjrpwb6NadQ\n\
Y0LRyPhdqPLq8ZNpJDPp1y8KK6/WkQ==\n\
-----END CERTIFICATE-----\n\
";

/// Key of a certificate that nothing but this test trusts.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAliSs/XihRjfnXvF\n\
BqpCCx+yt0rPGvfvJ34ST5iR2K+hRANCAASqYZsUcanV2arXerAHpxCwhKQYUcUw\n\
MmSrzhf/GK+jKH4Q9Zar74oP1DL2yNsFKLbj0hLCy61D3XJgVilvdKhd\n\
-----END PRIVATE KEY-----\n\
";

/// Answers one connection with a fixed answer; its thread ends with it.
fn serve_once() -> (Url, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", listener.local_addr().unwrap().port())).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = Stream::new(&mut connection, &mut socket);
        let mut request = [0; 4096];
        // A client that does not trust the certificate ends the handshake here.
        if stream.read(&mut request).is_ok() {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<a/>")
                .unwrap();
            connection.send_close_notify();
            Stream::new(&mut connection, &mut socket).flush().unwrap();
        }
    });
    (url, thread)
}

async fn post(ca_pem: Option<&str>) -> Result<String> {
    let (url, thread) = serve_once();
    let http = Http::new(&url, ca_pem.map(str::as_bytes), Timeouts::default()).unwrap();
    let place = Place {
        call: Call::Login,
        object: None,
        host: "localhost".into(),
    };
    let answer = http.post(url, Zeroizing::new(b"<a/>".to_vec()), &place).await;
    thread.join().unwrap();
    answer.map(|answer| answer.body)
}

#[tokio::test]
async fn a_certificate_of_ones_own_ca_is_trusted_and_of_nobodys_is_not() {
    assert_eq!(post(Some(CA)).await.unwrap(), "<a/>");
    let error = post(None).await.unwrap_err();
    assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
    assert_eq!(
        (error.kind(), error.reason()),
        (crate::ErrorKind::Invalid, "CertificateNotTrusted")
    );
    assert!(error.message().contains("spec.connection.caSecretRef"), "{error}");
}
