#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end at the first surprise")]
//! Hostile archives, the store on disk and its HTTP side.

mod archive;
mod serve;
mod store;
mod unpack;
