//! Certificates of a registry, made when it starts.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::server::Transport;

/// What a registry shows, and what its clients need.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) client: ClientTls,
}

/// What a client needs.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// PEM of the certificate authority.
    pub authority: String,
    /// PEM of a certificate that the registry lets in.
    pub certificate: String,
    /// PEM of its key.
    pub key: String,
}

/// What a registry that is not ours is to show, for the loopback addresses.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// PEM of the certificate authority.
    pub authority: String,
    /// PEM of its certificate.
    pub certificate: String,
    /// PEM of its key.
    pub key: String,
}

impl ServerTls {
    /// A certificate of a new authority.
    pub fn issue() -> Self {
        let (authority, key) = (issuer(), KeyPair::generate().unwrap());
        let params = CertificateParams::new(names()).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let (authority, certificate) = (authority.pem(), certificate.pem());
        Self { authority, certificate, key: key.serialize_pem() }
    }
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

impl Tls {
    /// `None` for plain HTTP.
    pub(crate) fn new(transport: Transport) -> Option<Self> {
        if transport == Transport::Plain {
            return None;
        }
        let authority = issuer();
        let (chain, key) = match transport {
            Transport::SelfSigned => (authority.der().clone(), authority.key().serialize_der()),
            _ => server(&authority, transport),
        };
        let (certificate, client_key) = client(&authority);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if transport == Transport::MutualTls {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let known = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(known.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key).unwrap();
        let config = builder.with_single_cert(vec![chain], key).unwrap();
        let client = ClientTls { authority: authority.pem(), certificate, key: client_key };
        Some(Self { acceptor: TlsAcceptor::from(Arc::new(config)), client })
    }
}

fn names() -> Vec<String> {
    vec!["localhost".into(), "127.0.0.1".into()]
}

/// An authority, which is for the loopback addresses too, as `openssl req -x509` makes them.
fn issuer() -> Issuer {
    let mut params = CertificateParams::new(names()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn server(authority: &Issuer, transport: Transport) -> (CertificateDer<'static>, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let names = match transport {
        Transport::OtherName => vec!["registry.example.com".into()],
        _ => names(),
    };
    let mut params = CertificateParams::new(names).unwrap();
    if transport == Transport::Expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.der().clone(), key.serialize_der())
}

fn client(authority: &Issuer) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}
