//! The registry client.
//!
//! Takes the address and the selection of a source ([`Reference`], [`Select`]), gives a [`Pin`],
//! the proof that its signature is [as demanded](verify::Trusted), the [`Image`] behind it and the
//! checked bytes of one [layer](image::Layer); the other way round it pushes an artifact. It refuses malformed addresses, content that is not what its
//! digest says, token services of foreign domains and anything larger than a named bound.
//!
//! Every failure is an [`Error`] whose chain reads as the condition message and whose
//! [stage](error::Stage) is the condition's reason. It knows no cluster; time and temporary space are given.
//!
//! ```no_run
//! # async fn pull() -> Result<(), oci::Error> {
//! use oci::image::LayerSelector;
//! use oci::reference::PlainHttp;
//! use oci::verify::Trusted;
//! use oci::{Client, Options, Reference, Select};
//!
//! let client = Client::new(&Options::new("/tmp"))?;
//! # let parse = |url| Reference::parse(url, PlainHttp::LocalOnly).map_err(|_| oci::Error::NoLayers);
//! let reference = parse("oci://registry.example.com/team/app")?;
//! let pin = client.resolve(&reference, &Select::latest()).await?;
//! let trusted = Trusted::not_requested(pin);
//! let image = client.pull(&reference, &trusted).await?;
//! let layer = image.layer(&LayerSelector::default())?;
//! let blob = client.fetch_layer(&reference, &layer).await?;
//! # drop(blob);
//! # Ok(())
//! # }
//! ```

mod ask;
mod auth;
mod blob;
pub mod browse;
mod client;
pub mod constraint;
pub mod error;
pub mod filter;
mod filter_syntax;
#[cfg(fuzzing)]
pub mod hostile;
pub mod image;
pub mod keychain;
pub mod progress;
pub mod push;
pub mod reference;
pub mod select;
mod tls;
pub mod transport;
pub mod verify;
mod version;
mod wording;

pub use client::{Client, Options};
pub use error::Error;
pub use image::{Image, Pin};
pub use reference::Reference;
pub use select::Select;
