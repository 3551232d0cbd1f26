//! Artifacts at rest.
//!
//! Takes a gzip-compressed tar of a registry layer, gives a bounded [`Tree`] of its files, and
//! packs what the [`Ignore`] rules leave of it into an archive whose bytes depend on the content
//! only. A [`Store`] keeps such archives on disk, checks them against their [`Digest`], expires
//! them and, through [`Store::router`], serves them read-only.
//!
//! It refuses names that leave the tree, hard links, devices, archives over their [`Limits`], and
//! stored bytes that are not what their digest says. It knows neither registries nor clusters.
//!
//! ```
//! let tree = artifact::Tree::from_files([("deploy/app.yaml", b"kind: List".as_slice())])?;
//! let ignore = artifact::Ignore::new(&tree, Some("/*\n!/deploy\n"))?;
//! let mut archive = Vec::new();
//! tree.pack(&ignore, &mut archive)?;
//! # Ok::<(), artifact::Error>(())
//! ```

mod contents;
pub mod digest;
mod directory;
mod error;
pub mod glob;
mod ignore;
mod pack;
mod revision;
mod serve;
pub mod store;
pub mod text;
mod tree;
mod unpack;

pub use digest::Digest;
pub use directory::Links;
pub use error::Error;
pub use ignore::Ignore;
pub use revision::Revision;
pub use store::Store;
pub use tree::{Entries, Limits, Tree};
