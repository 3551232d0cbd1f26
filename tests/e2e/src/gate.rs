//! The ways of an operator to its API server and its registry, with somebody at the door.

use std::future::Future;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use kube::Client;
use tokio::task::JoinHandle;

use crate::World;

/// A longer body is none of a story.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Who decides what becomes of each request.
pub trait Door: Clone + Send + Sync + 'static {
    /// Answers a request; forwarding it is one way to.
    fn pass(self, request: Request, target: Target) -> impl Future<Output = Response> + Send;
}

/// Where a way leads.
#[derive(Clone)]
pub enum Target {
    /// The API server, with the operator's rights.
    Cluster(Client),
    /// A registry.
    Registry(reqwest::Client, String),
}

/// A way; it is closed when dropped.
pub struct Gate {
    /// `127.0.0.1:<port>`.
    pub host: String,
    server: JoinHandle<()>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Gate {
    /// Opens a way to the API server, with the operator's rights.
    pub async fn to_cluster(door: impl Door) -> Self {
        let client = Client::try_from(World::shared().operator().await).unwrap();
        Self::open(door, Target::Cluster(client)).await
    }

    /// Opens a way to a registry.
    pub async fn to_registry(door: impl Door, host: &str) -> Self {
        Self::open(door, Target::Registry(reqwest::Client::new(), host.to_owned())).await
    }

    async fn open<D: Door>(door: D, target: Target) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let pass = |State((door, target)): State<(D, Target)>, request: Request| {
            door.pass(request, target)
        };
        let router = Router::new().fallback(pass).with_state((door, target));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, server }
    }
}

impl Target {
    /// The answer of whoever the request is for.
    pub async fn forward(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap();
        let path = head.uri.path_and_query().unwrap().as_str().to_owned();
        match self {
            Self::Cluster(client) => {
                let mut request = axum::http::Request::builder().method(head.method).uri(path);
                for (name, value) in head.headers.iter().filter(|(name, _)| *name != "host") {
                    request = request.header(name, value);
                }
                let request = request.body(kube::client::Body::from(body)).unwrap();
                match client.send(request).await {
                    Ok(answer) => answer.map(Body::new),
                    Err(error) => {
                        let answer = Response::builder().status(502);
                        answer.body(Body::from(error.to_string())).unwrap()
                    }
                }
            }
            Self::Registry(client, host) => {
                let request = client.request(head.method, format!("http://{host}{path}"));
                let answer = request.headers(head.headers).send().await.unwrap();
                let mut response = Response::builder().status(answer.status());
                let headers = answer.headers().clone();
                let kept = headers.iter().filter(|(name, _)| *name != "transfer-encoding");
                for (name, value) in kept {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
            }
        }
    }
}
