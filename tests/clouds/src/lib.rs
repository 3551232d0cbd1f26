//! AWS, Azure and Google Cloud inside the test's own process, as far as identities go.
//!
//! One address stands for all of their hosts; the `Host` header says which one is meant. It knows
//! the few identities of [`known`] and refuses everything else: signatures and tokens are checked
//! with code that shares nothing with the client under test, and a refusal repeats what it was sent
//! so that a client which shows it is found out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test's tool may end at the first surprise"
)]

mod asked;
mod aws;
mod azure;
mod clusters;
mod gcp;
mod keys;
pub mod known;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::asked::Asked;

const BODY_BYTES_MAX: usize = 1 << 20;

/// The running imitation; it stops when dropped.
pub struct Imitation {
    address: String,
    held: Arc<Mutex<Held>>,
    server: JoinHandle<()>,
}

/// What the clouds remember.
struct Held {
    log: Vec<String>,
    /// How long what they give is good.
    life_seconds: i64,
}

impl Drop for Imitation {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Imitation {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let held = Arc::new(Mutex::new(Held { log: Vec::new(), life_seconds: 3600 }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&held));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Self { address, held, server }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Every request so far, as `METHOD host/path`.
    pub fn log(&self) -> Vec<String> {
        held(&self.held).log.clone()
    }

    /// Changes how long what is given from now on is good.
    pub fn set_life(&self, seconds: i64) {
        held(&self.held).life_seconds = seconds;
    }
}

fn held(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(state): State<Arc<Mutex<Held>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let life_seconds = held(&state).life_seconds;
    let asked = Asked::new(&parts, body, life_seconds);
    held(&state).log.push(format!("{} {}{}", asked.method, asked.host, asked.path));
    let answers = [clusters::answer, aws::answer, azure::answer, gcp::answer, keys::answer];
    let found = answers.iter().find_map(|answer| answer(&asked));
    found.unwrap_or_else(|| (StatusCode::NOT_FOUND, "no such endpoint").into_response())
}
