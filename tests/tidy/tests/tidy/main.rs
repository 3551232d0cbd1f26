//! Rules that no other tool checks. Functions over 70 lines and more than five parameters are left
//! to clippy (`clippy.toml`); licences and sources to cargo-deny.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at a surprise"
)]

mod crates;
mod documents;
mod image;
mod shape;
