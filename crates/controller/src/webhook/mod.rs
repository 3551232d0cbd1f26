//! The webhook: push notices of registries wake the OCIRepositories that they are about.
//!
//! A sender proves that it knows the token before its body is read or, where it signs the body,
//! before the body is parsed. What a source stands for is asked of its registry, as in every run.

mod guard;
#[cfg(fuzzing)]
pub mod hostile;
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
use guard::Token;
pub(crate) use notice::Notice;

/// A longer body is refused.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bodies that are read at once; who comes then is asked to come again.
const BODIES_MAX: usize = 32;
/// How long a body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Where GitHub writes the signature of the body.
const SIGNATURE: &str = "x-hub-signature-256";

/// What a sender shows of its knowing the token.
enum Proof {
    None,
    Token,
    /// The body's signature under the token.
    Signature {
        token: Arc<Token>,
        signature: Vec<u8>,
    },
}

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
    let token = webhook.guard.token();
    let proof = match (bearer(&head.headers), signature(&head.headers)) {
        (Some(given), _) if token.is(given) => Proof::Token,
        (_, Some(signature)) => Proof::Signature { token, signature },
        _ => Proof::None,
    };
    webhook.answer(proof, body).await
}

async fn with_path(
    State(webhook): State<Arc<Webhook>>,
    Path(token): Path<String>,
    request: Request,
) -> StatusCode {
    let proof = if webhook.guard.token().is(&token) { Proof::Token } else { Proof::None };
    webhook.answer(proof, request.into_body()).await
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
    async fn answer(&self, proof: Proof, body: Body) -> StatusCode {
        let status = self.receive(proof, body).await;
        self.context.metrics.noticed(status.as_u16());
        status
    }

    /// Takes in a body of a sender that knows the token, or has signed it.
    async fn receive(&self, proof: Proof, body: Body) -> StatusCode {
        if matches!(proof, Proof::None) {
            return StatusCode::UNAUTHORIZED;
        }
        let Ok(_turn) = self.bodies.try_acquire() else { return StatusCode::SERVICE_UNAVAILABLE };
        let reading = to_bytes(body, BODY_BYTES_MAX);
        let body = match self.context.clock.timeout(BODY_TIME_MAX, reading).await {
            Some(Ok(body)) => body,
            Some(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
            None => return StatusCode::REQUEST_TIMEOUT,
        };
        if let Proof::Signature { token, signature } = proof
            && !token.signed(&body, &signature)
        {
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
