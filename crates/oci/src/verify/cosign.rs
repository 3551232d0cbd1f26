//! cosign: bundles that refer to the image, and where there are none, signatures under its tag.
//!
//! Which of the two counts is decided as the reference decides it: one readable bundle is enough
//! for the older signatures not to be looked at.

use std::collections::HashMap;

use artifact::Digest;

use super::attached::{Attachment, Referrer, SIGNATURES_MAX, digest_tag, read};
use super::bundle::{self, BUNDLE_BYTES_MAX, Bundle};
use super::error::{Flaw, Problem, Unverified};
use super::key::PublicKey;
use super::keyless::Keyless;
use super::simple::{PAYLOAD_BYTES_MAX, Simple, TAG_ENDING};
use super::{Signer, Subject};
use crate::client::Client;
use crate::error::Failure;

/// Who may have signed.
#[derive(Clone, Copy)]
pub(super) enum Signers<'a> {
    /// Who has one of these keys.
    Keys(&'a [(String, PublicKey)]),
    /// Whom a Sigstore instance names.
    Keyless(&'a Keyless),
}

impl Signers<'_> {
    /// Whether a bundle is by one of them and about the image.
    fn judge_bundle(self, bundle: &Bundle, digest: &Digest) -> Result<(), Problem> {
        let content = bundle.content()?;
        match self {
            Self::Keys(keys) => {
                let signed = content.signed_bytes();
                by_one_of(keys, |key| key.fits(&signed, &content.signature))?;
            }
            Self::Keyless(keyless) => keyless.judge_bundle(bundle, digest)?,
        }
        content.is_for(digest)
    }

    /// Whether an older signature is by one of them and about the image.
    fn judge_simple(self, simple: &Simple<'_>, digest: &Digest) -> Result<(), Problem> {
        match self {
            Self::Keys(keys) => {
                by_one_of(keys, |key| key.fits(&simple.payload, &simple.signature))?;
            }
            Self::Keyless(keyless) => keyless.judge_simple(simple)?,
        }
        simple.is_for(digest)
    }

    /// What is said when no signature will do.
    fn none(self, image: &Subject<'_>, flaws: Vec<Flaw>) -> Unverified {
        match self {
            Self::Keys(_) => Unverified::NoMatch { image: image.to_string(), flaws },
            Self::Keyless(_) if flaws.is_empty() => Unverified::NoSignatures,
            Self::Keyless(_) => Unverified::NoIdentity(flaws),
        }
    }
}

/// What looking at signatures has brought so far.
#[derive(Default)]
struct Findings {
    flaws: Vec<Flaw>,
    bundles: usize,
}

impl Findings {
    fn flaw(&mut self, signature: &str, problem: Problem) {
        self.flaws.push(Flaw { signature: signature.into(), problem });
    }
}

impl Client {
    pub(super) async fn verify_cosign(
        &self,
        of: Subject<'_>,
        signers: Signers<'_>,
    ) -> Result<Signer, Unverified> {
        let mut found = Findings::default();
        let referrers = self.referrers(of).await.and_then(candidates);
        for referrer in referrers.as_deref().unwrap_or_default() {
            tokio::task::yield_now().await;
            if self.is_good_bundle(of, referrer, signers, &mut found).await {
                return Ok(Signer::Accepted);
            }
        }
        if found.bundles == 0 && self.has_good_signature(of, signers, &mut found).await? {
            return Ok(Signer::Accepted);
        }
        if found.flaws.is_empty() {
            referrers?;
        }
        Err(signers.none(&of, found.flaws))
    }

    /// Whether what refers to the image is a bundle that is as demanded.
    async fn is_good_bundle(
        &self,
        of: Subject<'_>,
        referrer: &Referrer,
        signers: Signers<'_>,
        found: &mut Findings,
    ) -> bool {
        let bundle = match self.bundle(of, referrer).await {
            Ok(Some(bundle)) => bundle,
            Ok(None) => return false,
            Err(problem) => {
                found.flaw(&referrer.digest, problem);
                return false;
            }
        };
        found.bundles += 1;
        match signers.judge_bundle(&bundle, of.digest) {
            Ok(()) => true,
            Err(problem) => {
                found.flaw(&referrer.digest, problem);
                false
            }
        }
    }

    /// The bundle that refers to the image; `None` if it is something else that does.
    async fn bundle(
        &self,
        of: Subject<'_>,
        referrer: &Referrer,
    ) -> Result<Option<Bundle>, Problem> {
        let unreadable = |failure: Failure| Problem::Unreadable(failure.to_string());
        let attachment = self.attachment(of, referrer).await.map_err(unreadable)?;
        let [layer] = attachment.layers.as_slice() else { return Ok(None) };
        if !layer.media_type.starts_with(bundle::MEDIA_TYPE) {
            return Ok(None);
        }
        let bytes = self.small_blob(of.reference, layer, BUNDLE_BYTES_MAX).await;
        Bundle::parse(&bytes.map_err(unreadable)?).map(Some)
    }

    /// Whether a signature under the image's tag is as demanded.
    async fn has_good_signature(
        &self,
        of: Subject<'_>,
        signers: Signers<'_>,
        found: &mut Findings,
    ) -> Result<bool, Unverified> {
        let tag = digest_tag(of.digest, TAG_ENDING);
        let Some(manifest) = self.tagged(of.reference, &tag).await? else { return Ok(false) };
        let Attachment { layers, .. } = read(&manifest, &tag)?;
        if layers.len() > SIGNATURES_MAX {
            let max = SIGNATURES_MAX as u64;
            return Err(Failure::TooLarge { what: tag, max, unit: "signatures" }.into());
        }
        // Signatures of one image mostly are of the same bytes.
        let mut payloads = HashMap::new();
        for (at, part) in layers.iter().enumerate() {
            let name = &part.digest;
            let payload = match payloads.get(name) {
                Some(payload) => Ok(bytes::Bytes::clone(payload)),
                None => self
                    .small_blob(of.reference, part, PAYLOAD_BYTES_MAX)
                    .await
                    .map_err(|failure| Problem::Unreadable(failure.to_string())),
            };
            // Judging computes: between two signatures whoever waits for a deadline gets a turn.
            tokio::task::yield_now().await;
            let judged = payload.and_then(|payload| {
                payloads.insert(name.clone(), payload.clone());
                signers.judge_simple(&Simple::new(part, payload)?, of.digest)
            });
            match judged {
                Ok(()) => return Ok(true),
                Err(problem) => found.flaw(&format!("{tag}, signature {}", at + 1), problem),
            }
        }
        Ok(false)
    }
}

/// The referrers that may be bundles: those that say so, and those that say nothing.
fn candidates(mut referrers: Vec<Referrer>) -> Result<Vec<Referrer>, Failure> {
    referrers.retain(|Referrer { artifact_type, .. }| {
        artifact_type.is_empty() || artifact_type.starts_with(bundle::MEDIA_TYPE)
    });
    if referrers.len() > SIGNATURES_MAX {
        let what = "list of bundles".into();
        return Err(Failure::TooLarge { what, max: SIGNATURES_MAX as u64, unit: "entries" });
    }
    Ok(referrers)
}

fn by_one_of(
    keys: &[(String, PublicKey)],
    fits: impl Fn(&PublicKey) -> bool,
) -> Result<(), Problem> {
    if keys.iter().any(|(_, key)| fits(key)) {
        return Ok(());
    }
    let names: Vec<_> = keys.iter().map(|(name, _)| name.as_str()).collect();
    Err(Problem::OtherKey(names.join(", ")))
}
