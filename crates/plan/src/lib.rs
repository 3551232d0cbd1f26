//! Decisions about a cluster, made without one.
//!
//! Takes desired objects and what was observed of the cluster, gives values: the [`stages`] to
//! apply in, the [`Plan`] of one stage, the [`inventory`] after it, what to [`prune`] and whether
//! a [`guard`] lets it, and an
//! object's [`health`]. It refuses nothing and does nothing: no client, no clock, no `async`.
//!
//! ```
//! let object = |name: &str| manifest::Object::try_from(serde_json::json!({
//!     "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"},
//! })).expect("an object");
//! let plan = plan::plan(vec![(object("a"), plan::Observed::Absent)], &plan::Policy::default());
//! assert_eq!(plan.expect("no rule is broken").to_string(), "ConfigMap/shop/a created");
//! ```

mod action;
mod digest;
mod drift;
pub mod guard;
pub mod health;
pub mod ignore;
pub mod inventory;
mod managed;
pub mod markers;
mod memory;
mod normalize;
pub mod ownership;
mod prepare;
pub mod prune;
mod reports;
mod sighting;
pub mod stage;

pub use action::{Action, DryRun, Observed, Plan, Policy, Step, plan};
pub use drift::Field;
pub use memory::{Content, Known, Memory, Recall};
pub use normalize::{Error as NotNormal, normalize};
pub use prepare::{Unfit, Unknown, prepare};
pub use sighting::{Mark, Sighting};
pub use stage::{Stage, stages};
