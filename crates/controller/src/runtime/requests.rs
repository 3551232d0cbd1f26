//! The client of the API server, whose requests are counted.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tower::Service;
use tower::layer::layer_fn;

use crate::metrics::Metrics;

/// The host of clusters that users name: their number is for nobody to choose (security.md, G9).
const OTHER_HOST: &str = "other";

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

fn counted(config: kube::Config, host: Arc<str>, metrics: &Arc<Metrics>) -> kube::Result<Client> {
    let metrics = Arc::clone(metrics);
    let count = layer_fn(move |inner| Counted {
        inner,
        metrics: Arc::clone(&metrics),
        host: Arc::clone(&host),
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&count).build())
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
