//! Random kustomization trees, built here and by the reference.
//!
//! Takes a seed, gives trees of files that use every feature of kustomize with its options; both
//! builders get them and must print the same bytes, or both refuse. What differs is made small.

mod dice;
mod fields;
mod generators;
mod ink;
mod objects;
mod oracle;
mod patches;
mod paths;
mod plugins;
mod references;
mod run;
mod scalars;
mod settings;
mod shrink;
mod tree;
mod workloads;

pub use oracle::{Difference, Files, Oracle, Outcome, Refusal, Verdict, write};
pub use run::{Cases, Tally, run, tree};
pub use shrink::shrink;
pub use tree::Tree;
