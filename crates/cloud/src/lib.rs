//! The clouds by their HTTP APIs: who we are, and what that opens.
//!
//! Takes [who](Who) asks, this process or a ServiceAccount, and gives a [login](Login) of a cloud's
//! registry, what a [key service](keys) unwraps, or the way into another [cluster]. What the process may find around it ([`Surroundings`]), the time, the cluster that
//! issues tokens and the counters are given. Tokens are kept while they are good.
//!
//! It speaks with no cluster and knows neither the protocol of registries, nor the documents that hold what is
//! unwrapped. Every failure is an [`Error`] whose
//! chain reads as the condition message; none holds a secret.

mod aws;
mod azure;
pub mod cache;
mod clouds;
pub mod cluster;
mod error;
mod gcp;
mod http;
mod jwt;
pub mod keys;
mod registry;
mod secret;
mod surroundings;
pub mod vault;
pub mod who;

pub use clouds::Clouds;
pub use error::Error;
pub use registry::{Login, Provider};
pub use secret::Secret;
pub use surroundings::Surroundings;
pub use who::Who;
