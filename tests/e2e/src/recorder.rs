//! Everything that an operator asks its API server, and what goes wrong on the way.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::StreamExt as _;
use serde_json::json;

use crate::gate::{Door, Gate, Target};
use crate::patience::DEADLINE;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `LIST`, `WATCH`, `DRYRUN`, or the method of a write.
    pub verb: &'static str,
    /// The path.
    pub path: String,
    /// Whom it is made as; nobody else when absent.
    pub user: Option<String>,
}

impl fmt::Display for Asked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, path, user } = self;
        write!(out, "{verb} {path}")?;
        user.iter().try_for_each(|user| write!(out, " as {user}"))
    }
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never gets there; this is the answer.
    Refused(u16),
    /// It gets there, and the answer ends in the middle.
    Reset,
    /// It takes its time.
    Delay(Duration),
    /// Nobody ever answers.
    Silence,
}

type Disturbance = dyn Fn(&Asked, usize) -> Option<Fault> + Send + Sync;

/// Writes down what an operator asks, and disturbs it.
#[derive(Clone, Default)]
pub struct Recorder {
    asked: Arc<Mutex<Vec<Asked>>>,
    disturbance: Arc<Mutex<Option<Arc<Disturbance>>>>,
    lies: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
}

impl Recorder {
    /// Opens the way to the API server, with the operator's rights.
    pub async fn cluster(&self) -> Gate {
        Gate::to_cluster(self.clone()).await
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been asked since this was called last; discovery is left out.
    pub fn take(&self) -> Vec<Asked> {
        let asked = std::mem::take(&mut *self.asked());
        asked.into_iter().filter(|asked| asked.verb != "DISCOVERY").collect()
    }

    /// What kinds there are, as it has been asked since [`Self::take`] was called last.
    pub fn discoveries(&self) -> Vec<Asked> {
        self.asked().iter().filter(|asked| asked.verb == "DISCOVERY").cloned().collect()
    }

    /// Waits until so many such requests were made since the last [`Self::take`].
    pub async fn heard(&self, what: &str, count: usize, is_one: impl Fn(&&Asked) -> bool) {
        let began = std::time::Instant::now();
        while self.asked().iter().filter(&is_one).count() < count {
            assert!(began.elapsed() < DEADLINE, "never: {what}: {:#?}", self.asked());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// From now on, this says what goes wrong with a request, which has a number.
    pub fn disturb(&self, fault: impl Fn(&Asked, usize) -> Option<Fault> + Send + Sync + 'static) {
        self.set(Some(Arc::new(fault)));
    }

    /// From now on, nothing goes wrong.
    pub fn calm(&self) {
        self.set(None);
    }

    /// From now on, answers about our own kinds say something else for a text, as if a definition had
    /// let it pass once.
    pub fn lie(&self, text: &'static str, instead: &'static str) {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner).push((text, instead));
    }

    fn lies(&self, asked: &Asked) -> Vec<(&'static str, &'static str)> {
        let lies = self.lies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_ours = asked.path.contains("toolkit.fluxcd.io/");
        if is_ours { lies } else { Vec::new() }
    }

    fn set(&self, disturbance: Option<Arc<Disturbance>>) {
        *self.disturbance.lock().unwrap_or_else(PoisonError::into_inner) = disturbance;
    }
}

impl Asked {
    /// What a request asks.
    pub(crate) fn new(request: &Request) -> Self {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default();
        let user = request.headers().get("impersonate-user");
        let user = user.map(|user| user.to_str().unwrap().to_owned());
        Self { verb: verb(request.method().as_str(), &path, query), path, user }
    }
}

fn verb(method: &str, path: &str, query: &str) -> &'static str {
    let has = |name: &str| query.split('&').any(|part| part.starts_with(name));
    let depth = path.trim_matches('/').split('/').count();
    let root = if path.starts_with("/apis/") { 3 } else { 2 };
    match method {
        _ if has("dryRun=") => "DRYRUN",
        "GET" if depth <= root => "DISCOVERY",
        "GET" if has("watch=") => "WATCH",
        // `namespaces/<ns>/<plural>`, or `<plural>`.
        "GET" if depth == root + 1 || (depth == root + 3 && path.contains("/namespaces/")) => {
            "LIST"
        }
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        other => panic!("{other} {path}"),
    }
}

impl Door for Recorder {
    async fn pass(self, request: Request, target: Target) -> Response {
        let asked = Asked::new(&request);
        let number = {
            let mut all = self.asked();
            all.push(asked.clone());
            all.len()
        };
        let disturbance = self.disturbance.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match disturbance.and_then(|disturbance| disturbance(&asked, number)) {
            None => altered(target.forward(request).await, self.lies(&asked)),
            Some(Fault::Refused(code)) => refusal(code),
            Some(Fault::Reset) => {
                target.forward(request).await;
                let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                let cut = futures::stream::iter([Ok("{"), Err(cut)]);
                Response::new(Body::from_stream(cut))
            }
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                target.forward(request).await
            }
        }
    }
}

/// An answer that says something else, line by line: a watch tells one object a line.
fn altered(answer: Response, lies: Vec<(&'static str, &'static str)>) -> Response {
    if lies.is_empty() {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    head.headers.remove("content-length");
    let mut line = Vec::new();
    let lines = body.into_data_stream().chain(futures::stream::once(async { Ok("\n".into()) }));
    let altered = lines.map(move |part| {
        let part = part.map_err(std::io::Error::other)?;
        line.extend_from_slice(&part);
        let end = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = line.split_off(end);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut line, rest)).into_owned();
        let say = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
        Ok::<_, std::io::Error>(lies.iter().fold(text, say))
    });
    Response::from_parts(head, Body::from_stream(altered))
}

/// The refusal of an API server.
fn refusal(code: u16) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": "Injected", "message": format!("refused with {code} by the story")});
    let answer = Response::builder().status(code).header("content-type", "application/json");
    let answer = if code == 429 { answer.header("retry-after", "1") } else { answer };
    answer.body(Body::from(status.to_string())).unwrap()
}
