//! The two kinds that users write, and the words that Sluice shares with Flux.
//!
//! Takes nothing, gives types: [`OCIRepository`] and [`Kustomization`] with their status, the
//! CustomResourceDefinitions made from them ([`crds`]), conditions, Go durations and the well-known
//! labels and annotations. It talks to no cluster.
//!
//! ```
//! let interval: api::duration::GoDuration = "4m30s".parse()?;
//! assert_eq!(interval.to_string(), "4m30s");
//! # Ok::<(), api::duration::InvalidDuration>(())
//! ```

pub mod condition;
pub mod crd;
pub mod duration;
pub mod kustomization;
pub mod oci_repository;
mod source_reference;
pub mod well_known;

pub use crd::crds;
pub use kustomization::Kustomization;
pub use oci_repository::OCIRepository;
