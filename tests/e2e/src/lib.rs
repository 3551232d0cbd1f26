//! What the stories stand on: one control plane a test process, and for each story a namespace, a
//! registry, an operator of its own that sees only this namespace, and a clock to move.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test may stop at a surprise"
)]

mod canary;
pub mod gate;
mod made;
mod patience;
pub mod recorder;
mod sources;
pub mod steps;
mod story;
mod world;

pub use patience::{settled, until};
pub use registry::CANARY;
pub use story::{Story, condition, inventory, is_ready, say};
pub use world::World;
