//! The only writer to user objects.
//!
//! Takes desired objects and a [`Cluster`], gives what was applied, pruned or found unhealthy. It
//! decides nothing that [`plan`] can decide: it observes, asks for a plan, carries it out. Every
//! request is bounded by its caller and carries the identity that the cluster was opened with.

mod cluster;
mod error;
mod execute;
mod kube_cluster;
mod observe;
mod prune;
mod wait;
mod watch;

pub use cluster::{Cluster, Deleted, Identity};
pub use error::{Error, ObjectError, Operation, Refusal};
pub use execute::{Applied, Settings, Stages};
pub use kube_cluster::{Clusters, KubeCluster};
pub use prune::{Pruned, prune};
pub use wait::{Awaited, Target, Timer, Unhealthy, wait};
pub use watch::{Ownership, Subscription, Watches};
