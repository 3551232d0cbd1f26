//! HTTP to a registry: TLS, proxy, redirects and retries (ocirepository.md, 7).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Response, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::error::{Error, Failure};
use crate::progress::Progress;
use crate::reference::is_local;
pub use crate::tls::{Tls, Verification};
use crate::wording::{body_text, connection_text, is_reset, quoted_call, refusal_text, shown};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Waits before the second and third attempt of one request.
const RETRY_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Redirects of one request.
const REDIRECTS_MAX: usize = 10;
/// How much of a refusing answer is read.
const ERROR_BODY_BYTES_MAX: u64 = 64 * 1024;
/// Requests that one host is asked at once.
const HOST_REQUESTS_MAX: usize = 16;
/// Hosts whose requests are counted; beyond it they are counted anew.
const HOSTS_MAX: usize = 1024;
/// A longer `Retry-After` is cut to this.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// Time, so that tests own it.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Instant;
    /// Completes after `wait`.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;
}

/// The clock of the runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A proxy that overrides the environment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// `http`, `https` or `socks5` URL.
    pub address: String,
    /// User and password.
    pub credentials: Option<(String, String)>,
}

impl Proxy {
    /// Where it listens.
    fn url(&self) -> Result<Url, Error> {
        let url = Url::parse(&self.address).map_err(|_| Error::Proxy)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(Error::Proxy);
        }
        Ok(url)
    }

    /// How requests go through it. It finds the registry's address itself, as with Go's client.
    pub fn route(&self) -> Result<reqwest::Proxy, Error> {
        let address = match self.address.strip_prefix("socks5://") {
            Some(rest) => format!("socks5h://{rest}"),
            None => self.address.clone(),
        };
        let all = reqwest::Proxy::all(address).map_err(|_| Error::Proxy)?;
        Ok(match &self.credentials {
            Some((username, password)) => all.basic_auth(username, password),
            None => all,
        })
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Proxy(***)")
    }
}

/// One request. A body can be sent again, so it is in memory or taken from a file by the caller.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) patience: Patience,
    pub(crate) progress: Progress,
}

/// What happens when a connection breaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The request is sent again.
    #[default]
    Retry,
    /// It is not, because another scheme is tried next.
    GiveUp,
}

impl Call {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            patience: Patience::Retry,
            progress: Progress::default(),
        }
    }
}

/// Connections to registries under one trust and through one proxy, shared by every client that is
/// made on it. One pool a host.
pub struct Transport {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    /// Whom a connection is opened to instead of the registry.
    proxy: Option<Url>,
    /// The budget of each host.
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Transport {
    /// Makes a transport; the caller has installed a rustls provider.
    ///
    /// Without a proxy the environment's is used.
    pub fn new(
        tls: &Tls,
        proxy: Option<&Proxy>,
        user_agent: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(tls.config()?);
        if let Some(proxy) = proxy {
            builder = builder.no_proxy().proxy(proxy.route()?);
        }
        let http = builder.build().map_err(Error::Http)?;
        let proxy = proxy.map(Proxy::url).transpose()?;
        Ok(Self { http, clock, proxy, hosts: Mutex::default() })
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Sends a request, again after a passing failure, and follows redirects.
    ///
    /// Any answer is given back; only what did not arrive is a failure.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response, Failure> {
        let mut waits = RETRY_WAITS.into_iter();
        loop {
            let answer = self.follow(call).await;
            match waits.next() {
                Some(wait) if is_worth_retrying(&answer, call.patience, wait) => {
                    self.clock.sleep(wait).await;
                }
                _ => return answer.map_err(Fault::into_failure),
            }
        }
    }

    async fn follow(&self, call: &Call) -> Result<Response, Fault> {
        let mut url = call.url.clone();
        let mut headers = call.headers.clone();
        for _ in 0..=REDIRECTS_MAX {
            let request = self
                .http
                .request(call.method.clone(), url.clone())
                .headers(headers.clone())
                .body(call.progress.body(&call.body));
            let turn = self.turn(&url).await;
            let response =
                request.send().await.map_err(|error| self.fault(&call.method, &url, &error))?;
            drop(turn);
            let Some(next) = redirect_target(call, &response) else { return Ok(response) };
            let next = next.map_err(Fault::Final)?;
            if authority(&next) != authority(&url) {
                headers.remove(AUTHORIZATION);
            }
            url = next;
        }
        let text =
            format!("{}: stopped after {REDIRECTS_MAX} redirects", quoted_call(&call.method, &url));
        Err(Fault::Final(Failure::Connection(text)))
    }

    /// Waits until a host may be asked one thing more.
    async fn turn(&self, url: &Url) -> Option<OwnedSemaphorePermit> {
        let host = url.host_str().unwrap_or_default();
        let host = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        let permits = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            if hosts.len() >= HOSTS_MAX && !hosts.contains_key(&host) {
                hosts.clear();
            }
            let fresh = || Arc::new(Semaphore::new(HOST_REQUESTS_MAX));
            Arc::clone(hosts.entry(host).or_insert_with(fresh))
        };
        // Nobody closes it.
        permits.acquire_owned().await.ok()
    }

    fn fault(&self, method: &Method, url: &Url, error: &reqwest::Error) -> Fault {
        let problem = connection_text(url, self.proxy.as_ref(), error);
        let text = format!("{}: {problem}", quoted_call(method, url));
        if is_reset(error) {
            return Fault::Lost(text);
        }
        Fault::Final(Failure::Connection(text))
    }
}

/// Why there is no answer.
enum Fault {
    /// The connection broke; another attempt may succeed.
    Lost(String),
    /// It will not get better within this request.
    Final(Failure),
}

impl Fault {
    fn into_failure(self) -> Failure {
        match self {
            Self::Lost(text) => Failure::Connection(text),
            Self::Final(failure) => failure,
        }
    }
}

/// Whether a request may fare better after `wait`. A registry that asks for more time than that
/// gets it from the caller, who does not hold a request meanwhile.
fn is_worth_retrying(answer: &Result<Response, Fault>, patience: Patience, wait: Duration) -> bool {
    match answer {
        Ok(response) => {
            let asked = retry_after(response.headers());
            is_passing(response.status()) && asked.is_none_or(|asked| asked <= wait)
        }
        Err(Fault::Lost(_)) => patience == Patience::Retry,
        Err(Fault::Final(_)) => false,
    }
}

/// Statuses after which the same request is sent again.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 499 | 500 | 502 | 503 | 504 | 522)
}

/// Where a redirect leads, if it is one and the method may follow it. Never from HTTPS to HTTP,
/// and never from a public host to an address of the inside.
fn redirect_target(call: &Call, response: &Response) -> Option<Result<Url, Failure>> {
    let reading = call.method == Method::GET || call.method == Method::HEAD;
    if !reading || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target = response.headers().get(LOCATION)?.to_str().ok()?;
    let from = response.url();
    let refuse = |problem: &str| {
        let text = format!("{}: refused redirect: {problem}", quoted_call(&call.method, from));
        Some(Err(Failure::Connection(text)))
    };
    let Ok(target) = from.join(target) else { return refuse("malformed location") };
    let host = target.host_str().unwrap_or_default();
    match (from.scheme(), target.scheme()) {
        ("https", "https") | ("http", "http" | "https") => {}
        _ => return refuse("scheme downgrade"),
    }
    let inside = is_inside(host) && !is_inside(from.host_str().unwrap_or_default());
    if inside && authority(&target) != authority(from) {
        return refuse("address of a private network");
    }
    Some(Ok(target))
}

/// Whether a host is local or a literal of a network that is not public.
pub(crate) fn is_inside(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let unrouted =
        |ip: std::net::Ipv4Addr| ip.is_link_local() || ip.is_unspecified() || ip.octets()[0] == 0;
    is_local(host)
        || host.parse().is_ok_and(unrouted)
        || host.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| {
            ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.to_ipv4_mapped().is_some_and(|ip| is_local(&ip.to_string()) || unrouted(ip))
        })
}

pub(crate) fn authority(url: &Url) -> (Option<&str>, Option<u16>) {
    (url.host_str(), url.port_or_known_default())
}

/// Reads a whole body of at most `max` bytes.
pub(crate) async fn read_body(
    mut response: Response,
    max: u64,
    what: &str,
) -> Result<Bytes, Failure> {
    let too_large = || Failure::TooLarge { what: what.into(), max, unit: "bytes" };
    if response.content_length().is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if (bytes.len() + chunk.len()) as u64 > max => return Err(too_large()),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes.into()),
            Err(error) => {
                return Err(Failure::Connection(format!("{what}: {}", body_text(&error))));
            }
        }
    }
}

/// What a refusing answer says.
pub(crate) async fn refusal(method: &Method, response: Response) -> Failure {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let subject = format!("{method} {}", shown(response.url()));
    let body = read_body(response, ERROR_BODY_BYTES_MAX, &subject).await.unwrap_or_default();
    let text = format!("{subject}: {}", refusal_text(status, &body));
    Failure::Status { text, status: status.as_u16(), retry_after }
}

/// `Retry-After` in seconds; dates are not read.
pub(crate) fn retry_after(headers: &HeaderMap<HeaderValue>) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_inside() {
        for host in
            ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "[fd00::1]", "::ffff:10.0.0.1"]
        {
            assert!(is_inside(host), "{host}");
        }
        for host in ["example.com", "8.8.8.8", "2001:db8::1"] {
            assert!(!is_inside(host), "{host}");
        }
    }
}
