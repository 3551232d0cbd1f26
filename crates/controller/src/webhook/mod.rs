//! The webhook: push notices of registries wake the OCIRepositories that they are about.
//!
//! A sender proves that it knows the token before its body is read or, where it signs the body,
//! before the body is parsed. What a source stands for is asked of its registry, as in every run.

mod guard;
mod notice;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::oci_repository::triggers;

pub(crate) use guard::Guard;
pub(crate) use notice::Notice;

/// A longer body is refused.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bodies that are read at once; who comes then is asked to come again.
const BODIES_MAX: usize = 32;
/// How long a body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Where GitHub writes the signature of the body.
const SIGNATURE: &str = "x-hub-signature-256";

struct Webhook {
    context: Arc<Context>,
    guard: Guard,
    bodies: Semaphore,
}

/// `POST /hook`, and `/hook/<token>` for senders that cannot set headers.
pub(crate) fn router(context: Arc<Context>, guard: Guard) -> Router {
    let webhook = Webhook { context, guard, bodies: Semaphore::new(BODIES_MAX) };
    Router::new()
        .route("/hook", post(with_headers))
        .route("/hook/{token}", post(with_path))
        .with_state(Arc::new(webhook))
}

async fn with_headers(State(webhook): State<Arc<Webhook>>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let token = bearer(&head.headers);
    let trusted = token.is_some_and(|token| webhook.guard.knows(token));
    webhook.receive(trusted, signature(&head.headers), body).await
}

async fn with_path(
    State(webhook): State<Arc<Webhook>>,
    Path(token): Path<String>,
    request: Request,
) -> StatusCode {
    let trusted = webhook.guard.knows(&token);
    webhook.receive(trusted, None, request.into_body()).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn signature(headers: &HeaderMap) -> Option<Vec<u8>> {
    let text = headers.get(SIGNATURE)?.to_str().ok()?;
    hex::decode(text.strip_prefix("sha256=")?).ok()
}

impl Webhook {
    /// Takes in a body of a sender that is trusted, or has signed it.
    async fn receive(&self, trusted: bool, signature: Option<Vec<u8>>, body: Body) -> StatusCode {
        if !trusted && signature.is_none() {
            return StatusCode::UNAUTHORIZED;
        }
        let Ok(_turn) = self.bodies.try_acquire() else { return StatusCode::SERVICE_UNAVAILABLE };
        let reading = to_bytes(body, BODY_BYTES_MAX);
        let body = match self.context.clock.timeout(BODY_TIME_MAX, reading).await {
            Some(Ok(body)) => body,
            Some(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
            None => return StatusCode::REQUEST_TIMEOUT,
        };
        let signed = |signature: Vec<u8>| self.guard.signed(&body, &signature);
        if !trusted && !signature.is_some_and(signed) {
            return StatusCode::UNAUTHORIZED;
        }
        match notice::notices(&body) {
            Ok(notices) => {
                triggers::noticed(&self.context, &notices);
                StatusCode::ACCEPTED
            }
            Err(notice::Unreadable::Unknown) => StatusCode::BAD_REQUEST,
            Err(notice::Unreadable::TooMany) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}
