//! The operator.
//!
//! Takes parsed [`Args`], a client configuration, a [`Clock`] and the process's [`Surroundings`], gives a running operator
//! ([`start`]): both halves in one process, one work queue a kind, artifacts handed over in memory.
//! Every reconcile has the same shape: observe, decide, converge, report.

pub mod args;
mod clouds;
mod context;
mod events;
mod foreign;
pub mod gates;
pub mod guards;
mod kustomization;
mod metrics;
mod notifier;
mod objects;
mod oci_repository;
mod operator;
mod runtime;
mod unfit;
mod watching;
#[cfg(fuzzing)]
pub use webhook::hostile;
mod webhook;

pub use args::Args;
pub use cloud::Surroundings;
pub use operator::{Addresses, Operator, start};
pub use runtime::clock::Clock;
