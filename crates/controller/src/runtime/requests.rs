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

fn made(mut config: kube::Config, host: Arc<str>, manner: &Manner) -> kube::Result<Client> {
    // It would wait for a quarter of an hour, and as long as a server says.
    config.default_retry = false;
    let Manner { metrics, limit, clock } = manner.clone();
    let count = layer_fn(move |inner| Counted {
        inner,
        metrics: Arc::clone(&metrics),
        host: Arc::clone(&host),
    });
    let client = ClientBuilder::try_from(config)?.with_layer(&count).build();
    Ok(patient(client, limit, clock))
}

/// How often a request is made again because the API server has too much to do or is out of service,
/// and how much time it may ask for. Who asks for more is not waited for: it may be anybody's server.
const BUSY_RETRIES_MAX: u32 = 10;
const BUSY_DELAY_MAX: Duration = Duration::from_secs(10);
/// The same where it does not say how long: the first delay, and twice as much after each more.
const RETRIES_MAX: u32 = 4;
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// An answer that did not come.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the API server within {} (--kube-api-timeout)", GoDuration::from(*.0))]
struct NoAnswer(Duration);

/// The same client, patient within bounds: as long as an answer may take, and for a while with an API
/// server that has too much to do or is out of service (security.md, D8; scenario L13).
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
    for nth in 0.. {
        let again = copy(&request);
        let answer = answer(&client, request, limit).await?;
        let (Some(delay), Some(again)) = (delay(&answer, nth), again) else { return Ok(answer) };
        clock.sleep(delay).await;
        request = again;
    }
    unreachable!("the number of retries is bounded")
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

/// After which time a request is made for the `nth` time again, if it is.
fn delay<B>(answer: &Response<B>, nth: u32) -> Option<Duration> {
    if !matches!(answer.status().as_u16(), 429 | 503) {
        return None;
    }
    let Some(asked) = answer.headers().get(http::header::RETRY_AFTER) else {
        return (nth < RETRIES_MAX).then(|| RETRY_DELAY * 2_u32.pow(nth));
    };
    let asked = Duration::from_secs(asked.to_str().ok()?.parse().ok()?);
    (nth < BUSY_RETRIES_MAX && asked <= BUSY_DELAY_MAX).then_some(asked)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// security.md, D8: no server says how long it is waited for.
    #[test]
    fn a_busy_server_is_asked_again_within_bounds() {
        let answer = |status: u16, asked: Option<&str>| {
            let answer = Response::builder().status(status);
            let answer = match asked {
                Some(asked) => answer.header("retry-after", asked),
                None => answer,
            };
            answer.body(()).unwrap_or_default()
        };
        let seconds = |status, asked, nth| {
            delay(&answer(status, asked), nth).map(|delay| delay.as_secs_f64())
        };
        assert_eq!(seconds(429, Some("2"), 9), Some(2.0));
        assert_eq!(seconds(429, Some("2"), 10), None);
        assert_eq!(seconds(503, Some("31536000"), 0), None);
        assert_eq!(seconds(429, Some("tomorrow"), 0), None);
        assert_eq!((seconds(503, None, 0), seconds(503, None, 3)), (Some(0.1), Some(0.8)));
        assert_eq!(seconds(503, None, 4), None);
        assert_eq!(seconds(500, Some("1"), 0), None);
    }
}
