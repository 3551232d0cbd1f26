//! cosign's older signatures: layers of the image under `sha256-<hex>.sig`, each a small JSON that
//! names the digest it is for, with the signature of these bytes in an annotation.

use artifact::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::attached::Part;
use super::error::Problem;

/// Ending of the tag that the signatures are under.
pub(super) const TAG_ENDING: &str = ".sig";
/// A payload names a digest and some annotations of whoever signed.
pub(super) const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A signature and what it is of.
pub(super) struct Simple {
    pub(super) payload: Bytes,
    pub(super) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl Simple {
    pub(super) fn new(part: &Part, payload: Bytes) -> Result<Self, Problem> {
        let text = part.annotations.get(SIGNATURE).map(String::as_str).unwrap_or_default();
        let signature = STANDARD
            .decode(text)
            .map_err(|error| Problem::Malformed(format!("annotation {SIGNATURE}: {error}")))?;
        Ok(Self { payload, signature })
    }

    /// Whether its payload is about the image with this digest.
    pub(super) fn is_for(&self, digest: &Digest) -> Result<(), Problem> {
        let payload: Payload = serde_json::from_slice(&self.payload)
            .map_err(|error| Problem::Malformed(format!("payload: {error}")))?;
        let found = payload.critical.image.digest;
        if found == digest.to_string() { Ok(()) } else { Err(Problem::OtherArtifact(found)) }
    }
}
