//! The only writer to user objects.
//!
//! Takes desired objects and a [`Cluster`], gives what was applied, pruned or found unhealthy. It
//! decides nothing that [`plan`] can decide: it observes, asks for a plan, carries it out. Every
//! request is bounded by its caller and carries the identity that the cluster was opened with.

pub mod bearer;
pub mod cluster;
mod clusters;
pub mod end;
pub mod error;
pub mod execute;
mod knowledge;
mod kube_cluster;
mod kubeconfig;
mod observe;
mod pods;
pub mod preview;
pub mod prune;
pub mod wait;
pub mod watch;

pub use cluster::{Cluster, Identity};
pub use clusters::{Clusters, Connect, Place, Reach};
pub use error::{Error, Refusal};
pub use execute::Stages;
pub use knowledge::Knowledge;
pub use kube_cluster::KubeCluster;
pub use kubeconfig::Trust;
