//! Misbehaviour on demand.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Uri, header};
use axum::response::Response;
use futures::{StreamExt, stream};

use crate::answer::{BODY_BYTES_MAX, DIGEST};
use crate::state::{State, digest};

/// Something that goes wrong with the next requests that fit.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Method the request must have; empty for any.
    pub method: String,
    /// Text that the path must contain.
    pub path: String,
    /// How many requests it hits.
    pub times: usize,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// Hits the next `times` requests of `method` whose path contains `path`.
    pub fn new(method: &str, path: &str, times: usize, effect: Effect) -> Self {
        Self { method: method.into(), path: path.into(), times, effect }
    }
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answers this status, with `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// Answers a JSON error.
    Error(u16, &'static str),
    /// Sends a part of the body and never more.
    Endless,
    /// Sends a part of the body and breaks off.
    Truncate,
    /// Flips a bit of the body.
    Flip,
    /// Appends a byte to the body, without a length header.
    Longer,
    /// States another content's digest.
    LyingDigest,
    /// States no digest.
    NoDigest,
    /// Forgets every token that it gave out, the one of this request too.
    ForgetTokens,
    /// Never answers.
    Hang,
    /// Redirects there.
    Redirect(String),
    /// Adds this header.
    Header(&'static str, String),
}

/// What goes wrong with a request, if anything does; it counts as hit.
pub(crate) fn take(state: &State, method: &Method, uri: &Uri) -> Option<Effect> {
    let mut held = state.held();
    let fits = |fault: &&mut Fault| {
        fault.times > 0
            && (fault.method.is_empty() || fault.method == method.as_str())
            && uri.path().contains(&fault.path)
    };
    let fault = held.faults.iter_mut().find(fits)?;
    fault.times -= 1;
    Some(fault.effect.clone())
}

/// An answer as it arrives when something goes wrong with it.
pub(crate) async fn damage(response: Response, effect: Option<Effect>) -> Response {
    let Some(effect) = effect else { return response };
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let half = body.slice(..body.len() / 2);
    let body = match effect {
        Effect::Endless => {
            parts.headers.remove(header::CONTENT_LENGTH);
            Body::from_stream(
                stream::iter([Ok::<_, std::io::Error>(half)]).chain(stream::pending()),
            )
        }
        Effect::Truncate => {
            // What was sent must be on its way before the connection breaks.
            let end = stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("broken off"))
            });
            Body::from_stream(stream::iter([Ok(half)]).chain(end))
        }
        Effect::Flip => {
            let mut bytes = body.to_vec();
            bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            bytes.into()
        }
        Effect::Longer => {
            parts.headers.remove(header::CONTENT_LENGTH);
            Body::from_stream(stream::iter([Ok::<_, std::io::Error>(body), Ok("x".into())]))
        }
        Effect::LyingDigest => {
            parts.headers.insert(DIGEST, digest(b"a lie").parse().unwrap());
            body.into()
        }
        Effect::NoDigest => {
            parts.headers.remove(DIGEST);
            body.into()
        }
        Effect::Header(name, value) => {
            parts.headers.insert(name, value.parse().unwrap());
            body.into()
        }
        _ => body.into(),
    };
    Response::from_parts(parts, body)
}
