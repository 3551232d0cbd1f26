//! Sigstore bundles of version 0.3: an envelope around a statement that names digests.

use artifact::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::error::Problem;

/// What a layer that holds a bundle says it is.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle";
/// A bundle carries a statement, which may be a bill of materials.
pub(super) const BUNDLE_BYTES_MAX: u64 = 16 << 20;

const STATEMENT: &str = "application/vnd.in-toto+json";

/// A bundle that could be read.
pub(super) struct Bundle {
    json: Bytes,
    /// None in a bundle that signs bytes, not a statement.
    content: Option<Content>,
}

/// An envelope with its one signature.
pub(super) struct Content {
    payload_type: String,
    payload: Vec<u8>,
    /// Of [`Self::signed_bytes`].
    pub(super) signature: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    media_type: String,
    #[serde(default)]
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
struct Statement {
    subject: Vec<About>,
}

#[derive(Deserialize)]
struct About {
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

impl Bundle {
    /// Reads a bundle; those of versions before 0.3 are none, as for cosign.
    pub(super) fn parse(bytes: &Bytes) -> Result<Self, Problem> {
        let malformed = |text: String| Problem::Malformed(format!("bundle: {text}"));
        let json: Json =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if !is_new(&json.media_type) {
            return Err(malformed(format!("unsupported version: {}", json.media_type)));
        }
        let content = json.dsse_envelope.map(Content::new).transpose().map_err(malformed)?;
        Ok(Self { json: bytes.clone(), content })
    }

    /// The bundle as it came.
    pub(super) fn json(&self) -> &[u8] {
        &self.json
    }

    /// What it signs; a bundle of version 0.3 without a statement signs no image.
    pub(super) fn content(&self) -> Result<&Content, Problem> {
        let missing = || Problem::Malformed("bundle does not contain a DSSE envelope".into());
        self.content.as_ref().ok_or_else(missing)
    }
}

impl Content {
    fn new(envelope: Envelope) -> Result<Self, String> {
        let [signature] = envelope.signatures.as_slice() else {
            return Err(format!("{} signatures", envelope.signatures.len()));
        };
        let decode = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
        Ok(Self {
            payload: decode(&envelope.payload)?,
            signature: decode(&signature.sig)?,
            payload_type: envelope.payload_type,
        })
    }

    /// What is signed: the statement with its type and both lengths in front of it.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let (kind, body) = (&self.payload_type, &self.payload);
        let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len()).into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Whether its statement is about the image with this digest.
    pub(super) fn is_for(&self, digest: &Digest) -> Result<(), Problem> {
        if self.payload_type != STATEMENT {
            return Err(Problem::Malformed(format!("payload type {}", self.payload_type)));
        }
        let statement: Statement = serde_json::from_slice(&self.payload)
            .map_err(|error| Problem::Malformed(format!("statement: {error}")))?;
        let mut named = statement.subject.iter().filter_map(|about| about.digest.get("sha256"));
        if named.clone().any(|hex| hex == digest.hex()) {
            return Ok(());
        }
        let first = named.next().map_or("no SHA-256 digest", String::as_str);
        Err(Problem::OtherArtifact(first.into()))
    }
}

/// Whether a media type is that of version 0.3 or newer, in either of its spellings.
fn is_new(media_type: &str) -> bool {
    let rest = media_type.strip_prefix(MEDIA_TYPE).unwrap_or_default();
    let version = rest
        .strip_prefix("+json;version=")
        .or_else(|| rest.strip_prefix(".v").and_then(|rest| rest.strip_suffix("+json")));
    let mut numbers = version.into_iter().flat_map(|version| version.split('.')).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(0u32)), Some(Ok(minor))) => minor >= 3u32,
        (Some(Ok(major)), Some(Ok(_))) => major > 0,
        _ => false,
    }
}
