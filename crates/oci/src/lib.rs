//! The registry client.
//!
//! Takes the address and the selection of a source ([`Reference`], [`Select`]), gives a [`Pin`],
//! the [`Image`] behind it and the checked bytes of one [`Layer`] as a [`Blob`]; the other way
//! round it pushes an artifact. It refuses malformed addresses, content that is not what its
//! digest says, token services of foreign domains and anything larger than a named bound.
//!
//! Every failure is an [`Error`] whose chain reads as the condition message and whose
//! [`Stage`] is the condition's reason. It knows no cluster; time and temporary space are given.
//!
//! ```no_run
//! # async fn pull() -> Result<(), oci::Error> {
//! use oci::{Client, LayerSelector, Options, PlainHttp, Reference, Select};
//!
//! let client = Client::new(&Options::new("/tmp"))?;
//! # let parse = |url| Reference::parse(url, PlainHttp::LocalOnly).map_err(|_| oci::Error::NoLayers);
//! let reference = parse("oci://registry.example.com/team/app")?;
//! let pin = client.resolve(&reference, &Select::latest()).await?;
//! let image = client.pull(&reference, &pin).await?;
//! let layer = image.layer(&LayerSelector::default())?;
//! let blob = client.fetch_layer(&reference, &layer).await?;
//! # drop(blob);
//! # Ok(())
//! # }
//! ```

mod auth;
mod client;
mod constraint;
mod error;
mod filter;
mod image;
mod keychain;
mod push;
mod reference;
mod select;
mod transport;
mod version;

pub use client::{Blob, Client, Options};
pub use constraint::{Constraint, InvalidConstraint};
pub use error::{Error, Failure, Stage};
pub use filter::{Filter, InvalidFilter};
pub use image::{Descriptor, Image, Layer, LayerSelector, Operation, Pin};
pub use keychain::{Credential, InvalidKeychain, Keychain};
pub use push::{Push, origin_annotations};
pub use reference::{InvalidReference, PlainHttp, Reference};
pub use select::{NoTag, Range, Select, Spelling};
pub use transport::{Clock, Proxy, SystemClock, Tls, Verification};
