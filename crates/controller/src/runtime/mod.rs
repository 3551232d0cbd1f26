//! What every reconcile stands on: time, queue, slots, cache, servers.

pub mod cache;
pub mod clock;
pub(crate) mod lanes;
pub mod queue;
pub mod requests;
pub mod server;
pub mod slots;
