//! Notation: envelopes that refer to an image, judged under a trust policy by the certificates of
//! a secret.
//!
//! Left out, and therefore refused where a policy enforces it: asking others whether a certificate
//! was revoked, times of timestamp authorities, and plugins.

mod certificate;
mod chain;
mod cose;
mod envelope;
mod judge;
mod jws;
mod names;
mod policy;
mod scope;
mod trust;

use std::fmt;

use jiff::Timestamp;

use super::attached::Referrer;
use super::error::{Flaw, Unverified};
use super::{Signer, Subject};
use crate::client::Client;
use envelope::Envelope;
use judge::{Target, Verdict};
pub use policy::InvalidPolicy;
use policy::Policy;

/// What a signature's manifest says it is.
const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";
/// Signatures of one image that are looked at, as in the reference: more of them, and the registry
/// could choose which ones count.
const ATTEMPTS_MAX: usize = 3;
/// An envelope holds a few certificates.
const ENVELOPE_BYTES_MAX: u64 = 4 << 20;

/// What a trust policy and a secret's certificates demand.
#[derive(Clone)]
pub struct Notation {
    policy: Policy,
    /// In DER.
    trusted: Vec<Vec<u8>>,
    now: Timestamp,
}

impl fmt::Debug for Notation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Notation").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Notation {
    /// Reads a `trustpolicy.json`, and certificates in PEM or DER; of PEM the first block counts.
    /// What has expired at `now` has expired.
    pub fn new(
        policy: &[u8],
        certificates: impl IntoIterator<Item = Vec<u8>>,
        now: Timestamp,
    ) -> Result<Self, InvalidPolicy> {
        let der = |bytes: Vec<u8>| match pem::parse(&bytes) {
            Ok(block) => block.into_contents(),
            Err(_) => bytes,
        };
        let trusted = certificates.into_iter().map(der).collect();
        Ok(Self { policy: Policy::parse(policy)?, trusted, now })
    }
}

impl Client {
    pub(super) async fn verify_notation(
        &self,
        of: Subject<'_>,
        notation: &Notation,
    ) -> Result<Signer, Unverified> {
        let statement = notation
            .policy
            .applicable(&of.reference.to_string())
            .ok_or_else(|| Unverified::NoStatement(of.to_string()))?;
        if statement.skips() {
            return Ok(Signer::Ignored);
        }
        let (media_type, body) = self.manifest(of.reference, of.digest).await?;
        let target = Target { media_type, digest: of.digest.to_string(), size: body.len() as u64 };
        let mut referrers = self.referrers(of).await?;
        referrers.retain(|referrer| referrer.artifact_type == ARTIFACT_TYPE);
        if referrers.is_empty() {
            return Err(Unverified::NoEnvelope(of.to_string()));
        }
        let mut flaws = Vec::new();
        for referrer in referrers.iter().take(ATTEMPTS_MAX) {
            let envelope = self.envelope(of, referrer).await?;
            let judged = envelope.and_then(|envelope| {
                judge::judge(&envelope, statement, &notation.trusted, &target, notation.now)
            });
            match judged {
                Ok(Verdict::Verified) => return Ok(Signer::Accepted),
                Ok(Verdict::Ignored) => return Ok(Signer::Ignored),
                Err(problem) => {
                    flaws.push(Flaw { signature: referrer.digest.clone(), problem });
                }
            }
        }
        if flaws.len() >= ATTEMPTS_MAX {
            return Err(Unverified::Attempts { max: ATTEMPTS_MAX, flaws });
        }
        Err(Unverified::NoEnvelopeFits(flaws))
    }

    /// An envelope, as far as it can be read; it fails as a whole when the registry does not give
    /// it.
    async fn envelope(
        &self,
        of: Subject<'_>,
        referrer: &Referrer,
    ) -> Result<Result<Envelope, super::Problem>, Unverified> {
        let unread = |problem: String| Unverified::Unread {
            signature: referrer.digest.clone(),
            image: of.to_string(),
            problem,
        };
        let attachment = self.attachment(of, referrer).await.map_err(|e| unread(e.to_string()))?;
        let [layer] = attachment.layers.as_slice() else {
            let count = attachment.layers.len();
            let text = "signature manifest requries exactly one signature envelope blob, got";
            return Err(unread(format!("{text} {count}")));
        };
        let bytes = self.small_blob(of.reference, layer, ENVELOPE_BYTES_MAX).await;
        let bytes = bytes.map_err(|error| unread(error.to_string()))?;
        Ok(Envelope::parse(&layer.media_type, &bytes))
    }
}

/// Reads `bytes` as everything that it could be.
#[cfg(fuzzing)]
pub(super) fn hostile(bytes: &[u8]) {
    for media_type in [jws::MEDIA_TYPE, cose::MEDIA_TYPE] {
        if let Ok(envelope) = Envelope::parse(media_type, bytes) {
            let _ = chain::parse(&envelope.certificates);
        }
    }
    let _ = Policy::parse(bytes);
    if let Ok(certificate) = certificate::Certificate::parse(bytes) {
        let _ = chain::parse(&[bytes.to_vec(), bytes.to_vec()]);
        let _ = names::of_certificate(certificate.subject());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = names::parse(text);
        let _ = scope::check(text);
    }
}
