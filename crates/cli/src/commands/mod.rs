//! One file a command: parse, call, print.

pub(crate) mod build;
pub(crate) mod get;
pub(crate) mod push;
pub(crate) mod reconcile;
pub(crate) mod version;
