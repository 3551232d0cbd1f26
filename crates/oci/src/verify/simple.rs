//! cosign's older signatures: layers of the image under `sha256-<hex>.sig`, each a small JSON that
//! names the digest it is for, with the signature of these bytes in an annotation.

use std::collections::BTreeMap;

use artifact::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::error::Problem;
use crate::image::Descriptor;

/// Ending of the tag that the signatures are under.
pub(super) const TAG_ENDING: &str = ".sig";
/// A payload names a digest and some annotations of whoever signed.
pub(super) const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";

/// A signature and what it is of.
pub(super) struct Simple<'a> {
    pub(super) payload: Bytes,
    pub(super) signature: Vec<u8>,
    annotations: &'a BTreeMap<String, String>,
}

/// What the log of signatures says of a signature, and its promise to include it.
pub(super) struct LogEntry {
    pub(super) promise: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// Seconds since 1970.
    pub(super) time: i64,
    pub(super) index: i64,
    /// Hash of the log's key.
    pub(super) log: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryJson {
    signed_entry_timestamp: String,
    payload: EntryPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
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

impl<'a> Simple<'a> {
    pub(super) fn new(part: &'a Descriptor, payload: Bytes) -> Result<Self, Problem> {
        let text = part.annotations.get(SIGNATURE).map(String::as_str).unwrap_or_default();
        let signature = STANDARD
            .decode(text)
            .map_err(|error| Problem::Malformed(format!("annotation {SIGNATURE}: {error}")))?;
        Ok(Self { payload, signature, annotations: &part.annotations })
    }

    /// The certificate that it was made under, in DER, and the log's entry of it.
    pub(super) fn keyless(&self) -> Result<(Vec<u8>, LogEntry), Problem> {
        let missing = |what: &str| Problem::Malformed(format!("no {what} found on signature"));
        let malformed = |name: &str, error: &dyn std::fmt::Display| {
            Problem::Malformed(format!("annotation {name}: {error}"))
        };
        let text = self.annotations.get(CERTIFICATE).ok_or_else(|| missing("certificate"))?;
        let certificate = pem::parse(text).map_err(|error| malformed(CERTIFICATE, &error))?;
        let text = self.annotations.get(LOG_ENTRY).ok_or_else(|| missing("log entry"))?;
        let entry: EntryJson =
            serde_json::from_str(text).map_err(|error| malformed(LOG_ENTRY, &error))?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|e| malformed(LOG_ENTRY, &e));
        let EntryPayload { body, integrated_time, log_index, log_id } = entry.payload;
        let entry = LogEntry {
            promise: decode(&entry.signed_entry_timestamp)?,
            body: decode(&body)?,
            time: integrated_time,
            index: log_index,
            log: hex::decode(&log_id).map_err(|error| malformed(LOG_ENTRY, &error))?,
        };
        Ok((certificate.into_contents(), entry))
    }

    /// Whether its payload is about the image with this digest.
    pub(super) fn is_for(&self, digest: &Digest) -> Result<(), Problem> {
        let payload: Payload = serde_json::from_slice(&self.payload)
            .map_err(|error| Problem::Malformed(format!("payload: {error}")))?;
        let found = payload.critical.image.digest;
        if found == digest.to_string() { Ok(()) } else { Err(Problem::OtherArtifact(found)) }
    }
}
