//! Objects that a kustomization makes from files and literals.

pub(crate) mod data;
pub(crate) mod hash;
mod literals;
