//! Identities against an imitation of the clouds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod clusters;
mod keys;
mod logins;
mod scene;
