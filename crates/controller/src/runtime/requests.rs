//! The client of the API server, whose requests are counted and bounded.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use api::duration::GoDuration;
use futures::future::BoxFuture;
use http::{Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tower::layer::layer_fn;
use tower::{BoxError, Service};
use tower_http::timeout::TimeoutBody;

use crate::metrics::Metrics;
use crate::runtime::clock::Clock;

/// How requests are made.
#[derive(Clone)]
pub(crate) struct Manner {
    /// Where they are counted.
    pub(crate) metrics: Arc<Metrics>,
    /// How long an answer may take.
    pub(crate) limit: Duration,
    /// On which one waits until an API server that is busy may be asked again.
    pub(crate) clock: Clock,
}

/// The host of clusters that users name: their number is for nobody to choose (security.md, G9).
const OTHER_HOST: &str = "other";

/// How long a cluster that users name may take to answer (kustomization.md, 13).
const OTHER_ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a watch may say nothing: longer than one lasts, so that only a broken one does.
const WATCH_SILENCE_MAX: Duration = Duration::from_secs(330);

/// Makes clients of other identities and clusters, counted as [`client`] is; what is not the
/// operator's own cluster, which `own` describes, counts as one host.
pub(crate) fn connector(own: &kube::Config, manner: &Manner) -> apply::Connect {
    let (own, manner) = (own.cluster_url.clone(), manner.clone());
    Box::new(move |config| {
        if config.cluster_url == own {
            return client(config, &manner);
        }
        let limit = manner.limit.min(OTHER_ANSWER_TIME_MAX);
        made(config, OTHER_HOST.into(), &Manner { limit, ..manner.clone() })
    })
}

/// A client whose requests are counted under the names of client-go. A TLS provider must be
/// installed.
pub(crate) fn client(config: kube::Config, manner: &Manner) -> kube::Result<Client> {
    let host = config.cluster_url.authority().map_or("", |host| host.as_str()).into();
    made(config, host, manner)
}

fn made(config: kube::Config, host: Arc<str>, manner: &Manner) -> kube::Result<Client> {
    let Manner { metrics, limit, clock } = manner.clone();
    let count = layer_fn(move |inner| Counted {
        inner,
        metrics: Arc::clone(&metrics),
        host: Arc::clone(&host),
    });
    let client = ClientBuilder::try_from(config)?.with_layer(&count).build();
    Ok(patient(client, limit, clock))
}

/// How often a request is made again because the API server asks for time, and the most it is given
/// each time.
const BUSY_RETRIES_MAX: usize = 10;
const BUSY_DELAY_MAX: Duration = Duration::from_secs(30);

/// An answer that did not come.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the API server within {} (--kube-api-timeout)", GoDuration::from(*.0))]
struct NoAnswer(Duration);

/// The same client, patient within bounds: as long as an answer may take, and as often as an API
/// server that has too much to do asks for time (security.md, D8; scenario L13).
///
/// A connection may be gone without either side being told, and whoever waits for an answer holds a
/// slot. That is measured in real time, as connecting is: what is under way has nothing to do with the
/// clock that a test moves.
fn patient(inner: Client, limit: Duration, clock: Clock) -> Client {
    let namespace = inner.default_namespace().to_owned();
    let ask = move |request| ask(inner.clone(), request, limit, clock.clone());
    Client::new(tower::service_fn(ask), namespace)
}

async fn ask(
    client: Client,
    mut request: Request<Body>,
    limit: Duration,
    clock: Clock,
) -> Result<Response<TimeoutBody<Body>>, BoxError> {
    let query = request.uri().query().unwrap_or_default();
    let is_watch = query.split('&').any(|part| part == "watch=true");
    let limit = if is_watch { WATCH_SILENCE_MAX } else { limit };
    for _ in 0..BUSY_RETRIES_MAX {
        let again = copy(&request);
        let answer = answer(&client, request, limit).await?;
        let (Some(delay), Some(again)) = (asked_delay(&answer), again) else { return Ok(answer) };
        clock.sleep(delay.min(BUSY_DELAY_MAX)).await;
        request = again;
    }
    answer(&client, request, limit).await
}

async fn answer(
    client: &Client,
    request: Request<Body>,
    limit: Duration,
) -> Result<Response<TimeoutBody<Body>>, BoxError> {
    let answer = tokio::time::timeout(limit, client.send(request)).await;
    let answer = answer.map_err(|_| NoAnswer(limit))??;
    Ok(answer.map(|body| TimeoutBody::new(limit, body)))
}

/// How long an API server that has too much to do wants to be left alone.
fn asked_delay<B>(answer: &Response<B>) -> Option<Duration> {
    let delay = answer.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?;
    let is_busy = answer.status() == http::StatusCode::TOO_MANY_REQUESTS;
    delay.parse().ok().filter(|_| is_busy).map(Duration::from_secs)
}

/// The same request, if its body can be sent twice.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
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
