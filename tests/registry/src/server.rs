//! Listening, and the handle that tests hold.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::fault::Fault;
use crate::state::{Entry, State};
use crate::tls::{ClientTls, Tls};

/// How requests arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP.
    #[default]
    Plain,
    /// HTTPS under a certificate authority of this registry's own.
    Tls,
    /// HTTPS, for clients with a certificate of the same authority.
    MutualTls,
    /// HTTPS with the authority's own certificate.
    SelfSigned,
    /// HTTPS with a certificate whose time is over.
    Expired,
    /// HTTPS with a certificate for another host.
    OtherName,
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
    tls: Option<ClientTls>,
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
        let scheme = if setup.transport == Transport::Plain { "http" } else { "https" };
        let state = Arc::new(State::new(setup, format!("{scheme}://{address}")));
        let router = Router::new().fallback(crate::answer::answer).with_state(Arc::clone(&state));
        let tls = Tls::new(setup.transport);
        let (acceptor, tls) = tls.map(|tls| (tls.acceptor, tls.client)).unzip();
        let server = tokio::spawn(accept(listener, acceptor, router));
        Self { state, host: address.to_string(), tls, server }
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
        self.tls.as_ref().map(|tls| tls.authority.as_str())
    }

    /// What a client needs to be let in over TLS.
    pub fn client_tls(&self) -> Option<&ClientTls> {
        self.tls.as_ref()
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
                Some(tls) if speaks_tls(&stream).await => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, router).await;
                    }
                }
                Some(_) => refuse_plain(stream).await,
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Whether a client begins with a TLS handshake.
async fn speaks_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    stream.peek(&mut first).await.is_ok() && first == [0x16]
}

/// What Go's servers answer to plain HTTP where they expect TLS.
async fn refuse_plain(mut stream: TcpStream) {
    let answer =
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let mut request = [0; 4096];
    // A client that went away is not this registry's problem.
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(answer.as_bytes()).await;
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
