//! What changes resources: one transformer a file.

pub(crate) mod annotations;
pub(crate) mod images;
pub(crate) mod labels;
pub(crate) mod names;
pub(crate) mod namespace;
pub(crate) mod order;
pub(crate) mod patches;
pub(crate) mod put;
pub(crate) mod references;
pub(crate) mod replacements;
pub(crate) mod replicas;
mod structured;
pub(crate) mod variables;
