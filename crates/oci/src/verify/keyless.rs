//! cosign without keys: a certificate of an identity, which a Sigstore instance gave for minutes,
//! and the proof that the signature is of these minutes. Everything is judged offline, by a root
//! that is at hand: the chain of the certificate at the time of the signature, the word of the log
//! of certificates, the inclusion in the log of signatures, and the time.

use std::fmt;
use std::sync::Arc;

use artifact::Digest;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::bundle::{
    InclusionPromise, KindVersion, LogId, MediaType, MessageSignature, TransparencyLogEntry,
    VerificationMaterial, VerificationMaterialContent, X509Certificate,
};
use sigstore_verify::types::{
    Bundle as SigstoreBundle, CanonicalizedBody, DerCertificate, LogIndex, LogKeyId, Sha256Hash,
    SignatureBytes, SignatureContent, SignedTimestamp,
};
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier};

use super::bundle::Bundle;
use super::crypto;
use super::error::{InvalidRoot, Problem};
use super::simple::{LogEntry, Simple};
use crate::filter::{Filter, InvalidFilter};

/// The most identities of one source.
const IDENTITIES_MAX: usize = 100;

/// Who may have signed: identities of a Sigstore instance.
#[derive(Clone)]
pub struct Keyless {
    verifier: Arc<Verifier>,
    identities: Vec<Identity>,
}

impl fmt::Debug for Keyless {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keyless").field("identities", &self.identities).finish_non_exhaustive()
    }
}

/// An identity that may have signed. Both are searched for in what the certificate says, in Go's
/// syntax and unanchored, as the reference does; an empty one admits everything.
#[derive(Clone, Debug)]
pub struct Identity {
    issuer: Filter,
    subject: Filter,
}

/// An identity whose pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {part} in identity: {pattern} ")]
pub struct InvalidIdentity {
    part: &'static str,
    pattern: String,
    source: InvalidFilter,
}

impl Identity {
    /// Compiles both patterns.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, InvalidIdentity> {
        let compile = |part, pattern: &str| {
            Filter::new(pattern).map_err(|source| InvalidIdentity {
                part,
                pattern: pattern.into(),
                source,
            })
        };
        Ok(Self { issuer: compile("issuer", issuer)?, subject: compile("subject", subject)? })
    }
}

/// Where the keys of a Sigstore instance come from.
#[derive(Clone, Copy, Debug)]
pub enum Root<'a> {
    /// The public instance: the root that the crate `sigstore-trust-root` ships. It is renewed with
    /// that crate (`cargo update -p sigstore-trust-root`).
    Public,
    /// A `trusted_root.json`.
    Given(&'a [u8]),
}

impl Keyless {
    /// Reads a root; an empty list of identities admits everyone whom it vouches for.
    pub fn new(root: Root<'_>, identities: Vec<Identity>) -> Result<Self, InvalidRoot> {
        crypto::install();
        if identities.len() > IDENTITIES_MAX {
            return Err(InvalidRoot::Identities(IDENTITIES_MAX));
        }
        let parsed = |text: &str| {
            TrustedRoot::from_json(text).map_err(|error| InvalidRoot::Malformed(error.to_string()))
        };
        let root = match root {
            Root::Public => parsed(SIGSTORE_PRODUCTION_TRUSTED_ROOT)?,
            Root::Given(bytes) => {
                let root = parsed(&String::from_utf8_lossy(bytes))?;
                if root.tlogs.is_empty() {
                    return Err(InvalidRoot::NoLog);
                }
                if root.tlogs.iter().all(|log| log.base_url.is_empty()) {
                    return Err(InvalidRoot::NoAddress);
                }
                root
            }
        };
        let verifier =
            Verifier::new(&root).map_err(|error| InvalidRoot::Malformed(error.to_string()))?;
        Ok(Self { verifier: Arc::new(verifier), identities })
    }

    /// Whether a bundle is by one of the identities; what it is about is its statement's matter.
    pub(super) fn judge_bundle(&self, bundle: &Bundle, digest: &Digest) -> Result<(), Problem> {
        let text = std::str::from_utf8(bundle.json())
            .map_err(|error| Problem::Malformed(error.to_string()))?;
        let parsed = SigstoreBundle::from_json(text)
            .map_err(|error| Problem::Malformed(error.to_string()))?;
        let hash = Sha256Hash::from_hex(digest.hex())
            .map_err(|error| Problem::Malformed(error.to_string()))?;
        let policy = VerificationPolicy::any_identity();
        let result =
            self.verifier.verify(hash, &parsed, &policy).map_err(|error| refused(&error))?;
        self.admits(&result)
    }

    /// Whether an older signature is by one of the identities. Such a signature has the log's
    /// promise to include it, which is signed and dated, and no proof that it did.
    pub(super) fn judge_simple(&self, simple: &Simple) -> Result<(), Problem> {
        let (certificate, entry) = simple.keyless()?;
        let bundle = as_bundle(simple, &certificate, &entry)?;
        let policy = VerificationPolicy::any_identity().skip_tlog_unsafe();
        let payload: &[u8] = &simple.payload;
        let result = self.verifier.verify(payload, &bundle, &policy);
        self.admits(&result.map_err(|error| refused(&error))?)
    }

    fn admits(&self, result: &VerificationResult) -> Result<(), Problem> {
        let subject = result.identity().map_or("", sigstore_verify::SubjectAltName::as_str);
        let issuer = result.issuer().unwrap_or_default();
        let fits = |identity: &Identity| {
            identity.issuer.matches(issuer) && identity.subject.matches(subject)
        };
        if self.identities.is_empty() || self.identities.iter().any(fits) {
            return Ok(());
        }
        Err(Problem::Identity { subject: subject.into(), issuer: issuer.into() })
    }
}

/// An older signature in the form of the first bundles.
fn as_bundle(
    simple: &Simple,
    certificate: &[u8],
    entry: &LogEntry,
) -> Result<SigstoreBundle, Problem> {
    let malformed = |what: &str, error: &dyn fmt::Display| {
        Problem::Malformed(format!("{what} of the log entry: {error}"))
    };
    let index = LogIndex::try_from(entry.index).map_err(|error| malformed("index", &error))?;
    let key = LogKeyId::new(entry.log.clone());
    let body = CanonicalizedBody::new(entry.body.clone());
    let time = jiff::Timestamp::from_second(entry.time).map_err(|e| malformed("time", &e))?;
    let promise = InclusionPromise::new(SignedTimestamp::new(entry.promise.clone()));
    let entry =
        TransparencyLogEntry::new(index, LogId::new(key), KindVersion::HashedRekordV001, body)
            .with_integrated_time(time)
            .with_inclusion_promise(promise);
    let leaf = X509Certificate::new(DerCertificate::new(certificate.into()));
    let content = VerificationMaterialContent::X509CertificateChain { certificates: vec![leaf] };
    let material = VerificationMaterial::new(content).with_tlog_entries(vec![entry]);
    let signature = MessageSignature::new(SignatureBytes::new(simple.signature.clone()));
    let content = SignatureContent::MessageSignature(signature);
    Ok(SigstoreBundle::new(MediaType::Bundle0_1, material, content))
}

fn refused(error: &sigstore_verify::Error) -> Problem {
    Problem::Refused(artifact::text::explain(error))
}
