//! SOPS documents: which keys open them, and what they hold.
//!
//! Takes the bytes of a document or an encrypted object, and tells what its data key is
//! [`Wrapped`] with. Identities that need nobody else (age, OpenPGP) unwrap it here; what came of
//! all keys is [concluded](Wrapped::conclude) into a [`DataKey`], with which the document opens.
//!
//! No I/O, no clock: keys are values. What is secret is wiped when it is dropped, and no error
//! shows it.

pub mod age;
mod cipher;
mod document;
mod error;
mod format;
pub mod keys;
mod lines;
mod metadata;
pub mod pgp;
mod report;
mod shamir;
mod tree;
mod yaml;

pub use document::{decrypt, decrypt_object, is_encrypted, is_intact, wrapped, wrapped_of};
pub use error::Error;
pub use format::Format;
pub use keys::{DataKey, DataKeys, MasterKey, Wrapped};
