//! The client of the API server, whose requests are counted, and tried again a little while.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use kube::Client;
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder};
use tower::layer::layer_fn;
use tower::retry::Retry;
use tower::{BoxError, Service};

use crate::metrics::Metrics;

/// The host of clusters that users name: their number is for nobody to choose (security.md, G9).
const OTHER_HOST: &str = "other";

/// How often a request is tried again in the same run when the server is busy or out of service.
const RETRIES_MAX: u32 = 4;
/// How long the first try is waited for, and the longest; each is twice as long as the one before.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Makes clients of other identities and clusters, counted as [`client`] is; what is not the
/// operator's own cluster, which `own` describes, counts as one host.
pub(crate) fn connector(own: &kube::Config, metrics: &Arc<Metrics>) -> apply::Connect {
    let (own, metrics) = (own.cluster_url.clone(), Arc::clone(metrics));
    Box::new(move |config| {
        let host = if config.cluster_url == own { authority(&config) } else { OTHER_HOST.into() };
        counted(config, host, &metrics)
    })
}

/// A client whose requests are counted under the names of client-go. A TLS provider must be
/// installed.
pub(crate) fn client(config: kube::Config, metrics: &Arc<Metrics>) -> kube::Result<Client> {
    let host = authority(&config);
    counted(config, host, metrics)
}

fn authority(config: &kube::Config) -> Arc<str> {
    config.cluster_url.authority().map_or("", |host| host.as_str()).into()
}

fn counted(
    mut config: kube::Config,
    host: Arc<str>,
    metrics: &Arc<Metrics>,
) -> kube::Result<Client> {
    config.default_retry = false;
    let metrics = Arc::clone(metrics);
    let count = layer_fn(move |inner| Counted {
        inner,
        metrics: Arc::clone(&metrics),
        host: Arc::clone(&host),
    });
    Ok(patient(ClientBuilder::try_from(config)?.with_layer(&count).build()))
}

/// A client that tries again for a moment only, and no longer because a server says so: it may be
/// anybody's, and whoever waits holds a worker.
fn patient(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let send = move |request: Request<Body>| {
        let client = client.clone();
        async move { client.send(request).await.map_err(BoxError::from) }
    };
    let (first, longest) = RETRY_DELAYS;
    let service = tower::service_fn(send);
    match RetryPolicy::new(first, longest, RETRIES_MAX, false) {
        Ok(policy) => Client::new(Retry::new(policy, service), namespace),
        // Not with the delays above.
        Err(_) => Client::new(service, namespace),
    }
}

#[derive(Clone)]
struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
    host: Arc<str>,
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (metrics, host) = (Arc::clone(&self.metrics), Arc::clone(&self.host));
        let method = request.method().clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let result = answer.await;
            let status = result.as_ref().ok().map(|response| response.status().as_u16());
            metrics.requested(status, &host, method.as_str());
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::Router;
    use axum::http::StatusCode;

    use super::*;

    /// security.md, D8: a server that is out of service for a year is given up at once.
    #[tokio::test]
    async fn no_server_says_how_long_it_is_waited_for() -> Result<(), Box<dyn std::error::Error>> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let refuse = move || {
            count.fetch_add(1, Ordering::Relaxed);
            async { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "31536000")]) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let server =
            tokio::spawn(axum::serve(listener, Router::new().fallback(refuse)).into_future());
        let metrics = Arc::new(Metrics::new(crate::Clock::default()));
        let client = client(kube::Config::new(url.parse()?), &metrics)?;
        let request = Request::get("/api/v1/namespaces/a").body(Vec::new())?;
        let answer = client.request_text(request).await;
        assert!(answer.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), RETRIES_MAX + 1);
        server.abort();
        Ok(())
    }
}
