//! One file a command: parse, call, print.

pub(crate) mod build;
pub(crate) mod diff;
mod diff_kustomization;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod reconcile;
pub(crate) mod tag;
pub(crate) mod version;
