//! Requests to a repository: scheme, authorisation, and the texts when neither scheme answers
//! (ocirepository.md, 4 and 6.5).

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Response, Url};

use crate::auth::Access;
use crate::client::Client;
use crate::error::Failure;
use crate::progress::Progress;
use crate::reference::Reference;
use crate::transport::{Call, Patience, refusal, retry_after};
use crate::wording::{refusal_text, shown};

/// The longest that a registry is left alone because it asks for it.
const REST_MAX: Duration = Duration::from_mins(15);

/// What is asked of a repository.
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path behind `/v2/<repository>/`.
    pub(crate) path: Vec<String>,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) access: Access,
    /// Who is told how much of the body has gone.
    pub(crate) progress: Progress,
}

impl Ask {
    pub(crate) fn new(method: Method, path: &[&str]) -> Self {
        Self {
            method,
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            query: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            access: Access::Pull,
            progress: Progress::default(),
        }
    }
}

impl Client {
    /// Asks a repository, over HTTPS first and then, where allowed, over plain HTTP.
    pub(crate) async fn ask(&self, reference: &Reference, ask: &Ask) -> Result<Response, Failure> {
        let known = self.schemes().get(reference.registry()).copied();
        if let Some(scheme) = known {
            return self.send(reference, ask, ask_url(scheme, reference, ask)?).await;
        }
        let patience =
            if reference.allows_plain_http() { Patience::GiveUp } else { Patience::Retry };
        let url = ask_url("https", reference, ask)?;
        let secure = self.send_with(reference, ask, url, patience).await;
        let unreachable = match secure {
            Err(Failure::Connection(text)) if reference.allows_plain_http() => text,
            answer => {
                if answer.is_ok() {
                    self.remember(reference, "https");
                }
                return answer.map_err(|failure| as_ping("https", reference, failure));
            }
        };
        match self.send(reference, ask, ask_url("http", reference, ask)?).await {
            Ok(response) if is_tls_server(&response) => {
                let plain = refusal(&Method::GET, response).await;
                Err(joined(reference, &unreachable, &plain))
            }
            Ok(response) => {
                self.remember(reference, "http");
                Ok(response)
            }
            Err(failure @ Failure::Connection(_)) => Err(joined(reference, &unreachable, &failure)),
            Err(failure) => Err(failure),
        }
    }

    /// Sends a request, and once more after a 401 that says how to authorise.
    pub(crate) async fn send(
        &self,
        reference: &Reference,
        ask: &Ask,
        url: Url,
    ) -> Result<Response, Failure> {
        self.send_with(reference, ask, url, Patience::Retry).await
    }

    async fn send_with(
        &self,
        reference: &Reference,
        ask: &Ask,
        url: Url,
        patience: Patience,
    ) -> Result<Response, Failure> {
        self.respect_rest(reference, &ask.method, &url)?;
        let mut call = Call::new(ask.method.clone(), url);
        call.patience = patience;
        call.headers.clone_from(&ask.headers);
        call.body = ask.body.clone();
        call.progress = ask.progress.clone();
        if let Some(header) = self.auth.header(&self.transport, reference, ask.access).await? {
            call.headers.insert(AUTHORIZATION, header);
        }
        let response = self.transport.send(&call).await?;
        self.note_rest(reference, &response);
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if !self.auth.learn(reference, ask.access, &response)? {
            // Some registries challenge at the root only.
            let root = call.url.join("/v2/").map_err(|error| bad_url(reference, &error))?;
            let ping = self.transport.send(&Call::new(Method::GET, root)).await?;
            if !self.auth.learn(reference, ask.access, &ping)? {
                return Ok(response);
            }
        }
        let Some(header) = self.auth.header(&self.transport, reference, ask.access).await? else {
            return Ok(response);
        };
        call.headers.insert(AUTHORIZATION, header);
        self.transport.send(&call).await
    }

    /// Refuses to ask a registry that asked to be left alone, as it would itself.
    fn respect_rest(
        &self,
        reference: &Reference,
        method: &Method,
        url: &Url,
    ) -> Result<(), Failure> {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = resting.get(reference.registry()) else { return Ok(()) };
        let left = until.saturating_duration_since(self.transport.clock().now());
        if left.is_zero() {
            return Ok(());
        }
        let status = StatusCode::TOO_MANY_REQUESTS;
        let text = format!("{method} {}: {}", shown(url), refusal_text(status, b""));
        Err(Failure::Status { text, status: status.as_u16(), retry_after: Some(left) })
    }

    /// Notes that a registry asks to be left alone: everybody who would ask with this client waits.
    fn note_rest(&self, reference: &Reference, response: &Response) {
        if response.status() != StatusCode::TOO_MANY_REQUESTS {
            return;
        }
        let Some(wait) = retry_after(response.headers()) else { return };
        let until = self.transport.clock().now() + wait.min(REST_MAX);
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.insert(reference.registry().into(), until);
    }

    fn schemes(&self) -> std::sync::MutexGuard<'_, HashMap<String, &'static str>> {
        self.schemes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, reference: &Reference, scheme: &'static str) {
        self.schemes().insert(reference.registry().into(), scheme);
    }
}

fn ask_url(scheme: &str, reference: &Reference, ask: &Ask) -> Result<Url, Failure> {
    let text = format!("{scheme}://{}/v2/{}", reference.registry(), reference.repository());
    let mut url = Url::parse(&text).map_err(|error| bad_url(reference, &error))?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(&ask.path);
    }
    url.set_query(ask.query.as_deref());
    Ok(url)
}

fn bad_url(reference: &Reference, error: &dyn std::fmt::Display) -> Failure {
    Failure::Malformed { what: reference.to_string(), problem: error.to_string() }
}

/// Whether a server that was spoken to in plain HTTP wants TLS.
fn is_tls_server(response: &Response) -> bool {
    response.status() == StatusCode::BAD_REQUEST
        && !response.headers().contains_key("docker-distribution-api-version")
        && response.content_length().is_none_or(|length| length < 256)
}

/// Both texts of a registry that answers neither way; the reference finds that out with a ping,
/// and its texts show the ping's address.
fn joined(reference: &Reference, secure: &str, plain: &Failure) -> Failure {
    let secure = ping_text("https", reference, secure);
    let plain = ping_text("http", reference, &plain.to_string());
    Failure::Connection(format!("{secure}; {plain}"))
}

fn as_ping(scheme: &str, reference: &Reference, failure: Failure) -> Failure {
    match failure {
        Failure::Connection(text) => Failure::Connection(ping_text(scheme, reference, &text)),
        failure => failure,
    }
}

/// Puts the ping's method and address in front of what went wrong.
fn ping_text(scheme: &str, reference: &Reference, text: &str) -> String {
    let url = format!("{scheme}://{}/v2/", reference.registry());
    if let Some((_, problem)) = text.split_once("\": ") {
        return format!("Get \"{url}\": {problem}");
    }
    let problem = text.split_once(": ").map_or(text, |(_, problem)| problem);
    format!("GET {url}: {problem}")
}
