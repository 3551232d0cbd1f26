//! Kubernetes objects as data.
//!
//! Takes YAML or JSON text, gives [`Object`]s: ordered trees that are proven to have an
//! `apiVersion`, a `kind` and a name. It refuses everything else with an error that names what is
//! missing. Nothing here does I/O, reads a clock or knows a cluster.
//!
//! ```
//! let object = manifest::Object::try_from(serde_json::json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment",
//!     "metadata": {"name": "web", "namespace": "shop"},
//! }))?;
//! assert_eq!(object.id().to_string(), "shop_web_apps_Deployment");
//! assert_eq!(object.id().subject(), "Deployment/shop/web");
//! # Ok::<(), manifest::NotAnObject>(())
//! ```

mod id;
mod map;
mod object;
pub mod parts;
pub mod path;
pub mod pattern;
pub mod pointer;
pub mod scope;
pub mod selector;
mod target;
mod text;
pub mod value;
pub mod yaml;

pub use id::{GroupKind, Gvk, ObjectId};
pub use map::{Entry, Key, Map};
pub use object::{NotAnObject, Object};
pub use target::Target;
pub use text::{Style, Tag, Text};
pub use value::Value;
