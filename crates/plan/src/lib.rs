//! Decisions about a cluster, made without one.
//!
//! Takes desired objects and what was observed of the cluster, gives values: the [`stages`] to
//! apply in, the [`Plan`] of one stage, the [`inventory`] after it, what to [`prune`], and an
//! object's [`health`]. It refuses nothing and does nothing: no client, no clock, no `async`.
//!
//! ```
//! let object = |name: &str| manifest::Object::try_from(serde_json::json!({
//!     "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"},
//! })).expect("an object");
//! let plan = plan::plan(vec![(object("a"), plan::Observed { live: None, dry_run: object("a") })]);
//! assert_eq!(plan.to_string(), "ConfigMap/shop/a created");
//! ```

mod action;
mod drift;
pub mod health;
pub mod inventory;
pub mod markers;
pub mod ownership;
pub mod prune;
pub mod stage;

pub use action::{Action, Observed, Plan, Step, plan};
pub use stage::{Stage, stages};
