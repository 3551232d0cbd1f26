//! Listening, and the handle that tests hold.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::fault::Fault;
use crate::state::{Entry, State};

/// How requests arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP.
    #[default]
    Plain,
    /// HTTPS under a certificate authority of this registry's own.
    Tls,
}

/// Who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Everybody.
    #[default]
    Open,
    /// This user with this password.
    Basic(String, String),
    /// Who has a token; this user with this password gets one.
    Bearer(String, String),
}

/// What a registry is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How requests arrive.
    pub transport: Transport,
    /// Who may come in.
    pub guard: Guard,
    /// The most tags of one page.
    pub page: usize,
    /// Whether blobs are elsewhere.
    pub redirect_blobs: bool,
    /// How long tokens say they live, in seconds.
    pub token_life_seconds: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            transport: Transport::Plain,
            guard: Guard::Open,
            page: 1000,
            redirect_blobs: false,
            token_life_seconds: 300,
        }
    }
}

/// A running registry; it stops when dropped.
pub struct Registry {
    pub(crate) state: Arc<State>,
    host: String,
    authority: Option<String>,
    server: JoinHandle<()>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Registry {
    /// An open registry over plain HTTP on a free port.
    pub async fn start() -> Self {
        Self::start_with(&Setup::default()).await
    }

    /// A registry on a free port.
    pub async fn start_with(setup: &Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, setup)
    }

    /// A registry on a listener of the caller's.
    pub fn serve(listener: TcpListener, setup: &Setup) -> Self {
        let address = listener.local_addr().unwrap();
        let scheme = if setup.transport == Transport::Tls { "https" } else { "http" };
        let state = Arc::new(State::new(setup, format!("{scheme}://{address}")));
        let router = Router::new().fallback(crate::answer::answer).with_state(Arc::clone(&state));
        let tls = (setup.transport == Transport::Tls).then(certificate);
        let (acceptor, authority) = tls.unzip();
        let server = tokio::spawn(accept(listener, acceptor, router));
        Self { state, host: address.to_string(), authority, server }
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `oci://…` of a repository.
    pub fn url(&self, repository: &str) -> String {
        format!("oci://{}/{repository}", self.host)
    }

    /// PEM of the certificate authority.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Every request so far.
    pub fn log(&self) -> Vec<Entry> {
        self.state.held().log.clone()
    }

    /// Every request so far as `METHOD path status`, and forgets them.
    pub fn take_log(&self) -> Vec<String> {
        let log = std::mem::take(&mut self.state.held().log);
        log.iter().map(|one| format!("{} {} {}", one.method, one.path, one.status)).collect()
    }

    /// Misbehaves with the next requests that fit.
    pub fn misbehave(&self, fault: Fault) {
        self.state.held().faults.push(fault);
    }

    /// Behaves well again.
    pub fn calm(&self) {
        self.state.held().faults.clear();
    }

    /// Makes every token that was given out invalid.
    pub fn expire_tokens(&self) {
        self.state.held().tokens.clear();
    }

    /// How many tokens were given out.
    pub fn tokens_issued(&self) -> u64 {
        self.state.held().issued
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (router, tls) = (router.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, router).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, router).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = tower_service(router);
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    // A client that went away is not this registry's problem.
    let _ = connection.await;
}

fn tower_service(
    router: Router,
) -> impl tower::Service<
    hyper::Request<hyper::body::Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    tower::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        let request: Request = request.map(axum::body::Body::new);
        async move { tower::ServiceExt::oneshot(router, request).await }
    })
}

/// A certificate for the loopback addresses, and its authority.
fn certificate() -> (TlsAcceptor, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = rcgen::CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority_certificate.pem())
}
