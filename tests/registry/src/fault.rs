//! Misbehaviour on demand.

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
