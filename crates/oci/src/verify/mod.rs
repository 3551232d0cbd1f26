//! Whether an artifact is signed as its source demands (ocirepository.md, 9).
//!
//! A [`Demand`] and a pin go in, a proof comes out: [`Trusted`], without which nothing is pulled.
//! Everything is bound to the pin's digest; the tag is never looked up again. What a registry says
//! decides nothing but what there is to look at: every signature is judged by keys and roots that
//! the source's own cluster gave.

mod attached;
mod bundle;
mod cosign;
mod crypto;
mod error;
#[cfg(fuzzing)]
pub mod hostile;
pub mod key;
pub mod keyless;
pub mod notation;
mod simple;

use artifact::Digest;

use crate::client::Client;
use crate::image::Pin;
use crate::reference::Reference;
use cosign::Signers;
pub use error::{Flaw, InvalidRoot, Problem, Unverified};
pub use key::PublicKey;
pub use keyless::Keyless;
pub use notation::Notation;

/// Keys of one source; every signature is tried with each.
pub const KEYS_MAX: usize = 100;

/// What a source demands of an artifact's signatures.
#[derive(Clone, Debug)]
pub enum Demand {
    /// cosign, by one of these keys, each under its name in the secret.
    CosignKeys(Vec<(String, PublicKey)>),
    /// cosign without keys.
    CosignKeyless(Keyless),
    /// Notation, under a trust policy.
    Notation(Notation),
}

/// A pin that may be pulled: its signature was verified, or nobody asked for one.
#[derive(Clone, Debug)]
pub struct Trusted {
    pin: Pin,
    by: Signer,
}

/// Why a pin is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// No signature was asked for.
    NotRequested,
    /// Someone whom the demand names.
    Accepted,
    /// Nobody whom the demand names, and it lets that pass.
    Ignored,
}

impl Trusted {
    /// Of a source that demands no signature.
    pub fn not_requested(pin: Pin) -> Self {
        Self { pin, by: Signer::NotRequested }
    }

    /// What is trusted.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// Why.
    pub fn by(&self) -> Signer {
        self.by
    }
}

/// The image whose signatures are looked at.
#[derive(Clone, Copy)]
struct Subject<'a> {
    reference: &'a Reference,
    digest: &'a Digest,
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}@{}", self.reference, self.digest)
    }
}

impl Client {
    /// Verifies the signatures of what `pin` stands for, and nothing else of it.
    pub async fn verify(
        &self,
        reference: &Reference,
        pin: Pin,
        demand: &Demand,
    ) -> Result<Trusted, Unverified> {
        let subject = Subject { reference, digest: &pin.digest };
        let by = match demand {
            Demand::CosignKeys(keys) => self.verify_cosign(subject, Signers::Keys(keys)).await?,
            Demand::CosignKeyless(keyless) => {
                self.verify_cosign(subject, Signers::Keyless(keyless)).await?
            }
            Demand::Notation(notation) => self.verify_notation(subject, notation).await?,
        };
        Ok(Trusted { pin, by })
    }
}
