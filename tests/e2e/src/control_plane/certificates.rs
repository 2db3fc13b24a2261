//! The certificates and keys of a control plane.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

/// Files, each in PEM.
#[derive(Debug)]
pub(super) struct Certificates {
    /// The authority that has signed all the others.
    pub(super) authority: PathBuf,
    /// Of the API server.
    pub(super) server: Pair,
    /// Of an administrator.
    pub(super) admin: Pair,
    /// What service account tokens are signed with.
    pub(super) token_key: PathBuf,
    /// What they are checked against: the API server does not take it out of a private key in PKCS#8.
    pub(super) token_public_key: PathBuf,
}

/// A certificate and its key.
#[derive(Debug)]
pub(super) struct Pair {
    /// The certificate.
    pub(super) certificate: PathBuf,
    /// The private key.
    pub(super) key: PathBuf,
}

fn name(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

fn write(folder: &Path, name: &str, pem: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, pem).expect("the folder can be written to");
    file
}

impl Certificates {
    /// New ones, in `folder`.
    pub(super) fn write(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = name("authority", None);
        let authority = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);

        let signed = |file: &str, hosts: &[&str], whose: DistinguishedName, purpose| {
            let key = KeyPair::generate().expect("a key");
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(hosts).expect("names and addresses");
            params.distinguished_name = whose;
            params.extended_key_usages = vec![purpose];
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            Pair {
                certificate: write(folder, &format!("{file}.crt"), &certificate.pem()),
                key: write(folder, &format!("{file}.key"), &key.serialize_pem()),
            }
        };
        let server = signed(
            "apiserver",
            &["localhost", "127.0.0.1", "kubernetes.default.svc"],
            name("kube-apiserver", None),
            ExtendedKeyUsagePurpose::ServerAuth,
        );
        let admin = signed(
            "admin",
            &[],
            name("admin", Some("system:masters")),
            ExtendedKeyUsagePurpose::ClientAuth,
        );
        let token_key = KeyPair::generate().expect("a key");
        Self {
            authority: write(folder, "authority.crt", &authority.pem()),
            server,
            admin,
            token_key: write(folder, "token.key", &token_key.serialize_pem()),
            token_public_key: write(folder, "token.pub", &token_key.public_key_pem()),
        }
    }
}
