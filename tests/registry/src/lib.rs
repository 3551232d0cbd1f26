//! A strict OCI registry inside the test's own process.
//!
//! Gives an address on the loopback interface, plain or with TLS, and ends with the value. It
//! refuses more than real registries do: digests that do not fit, manifests that name unknown
//! blobs, missing media types, malformed names, credentials that follow a redirect. It keeps a
//! log of every request and misbehaves on demand ([`Fault`]). A [`Proxy`] stands in its way when a
//! test wants one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test's tool may end at the first surprise"
)]

mod answer;
mod fault;
mod guard;
mod images;
mod proxy;
mod server;
mod state;
mod tls;

/// Part of every secret of a test: who finds it where it does not belong has found a leak.
pub const CANARY: &str = "canary-5b1f9c";

pub use fault::{Effect, Fault};
pub use images::{layer, odd_layer};
pub use proxy::Proxy;
pub use server::{Guard, Registry, Setup, Transport};
pub use state::Entry;
pub use tar::EntryType;
pub use tls::{ClientTls, ServerTls};
