//! What a registry has attached to an image: referrers, and what stands under tags that are made
//! of its digest.

use artifact::Digest;
use artifact::digest::Algorithm;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::Subject;
use crate::ask::Ask;
use crate::client::{Client, MANIFEST_BYTES_MAX, header_text, manifest_ask};
use crate::error::Failure;
use crate::image::{Descriptor, OCI_INDEX, null_as_default};
use crate::reference::Reference;
use crate::transport::{read_body, refusal};

/// Signatures of one image that are looked at; cosign has the same bound.
pub(super) const SIGNATURES_MAX: usize = 1000;

/// What refers to one image: signatures, bills of materials and whatever else.
const REFERRERS_MAX: usize = 10_000;

/// An entry of a referrers list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Referrer {
    pub(super) digest: String,
    /// Empty if none is stated.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) artifact_type: String,
}

/// A referrers list.
#[derive(Deserialize)]
pub(super) struct Index {
    #[serde(default, deserialize_with = "null_as_default")]
    manifests: Vec<Referrer>,
}

/// A manifest of something attached.
#[derive(Deserialize)]
pub(super) struct Attachment {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) layers: Vec<Descriptor>,
}

impl Client {
    /// What refers to the image: by the referrers API, or by the fallback tag of registries that
    /// do not have it.
    pub(super) async fn referrers(&self, of: Subject<'_>) -> Result<Vec<Referrer>, Failure> {
        let ask = Ask::new(Method::GET, &["referrers", &of.digest.to_string()]);
        let response = self.ask(of.reference, &ask).await?;
        let listed = response.status() == StatusCode::OK
            && header_text(response.headers(), CONTENT_TYPE.as_str()).starts_with(OCI_INDEX);
        let what = format!("referrers of {of}");
        let body = if listed {
            Some(read_body(response, MANIFEST_BYTES_MAX, &what).await?)
        } else {
            match response.status() {
                StatusCode::OK
                | StatusCode::NOT_FOUND
                | StatusCode::BAD_REQUEST
                | StatusCode::NOT_ACCEPTABLE => {
                    self.tagged(of.reference, &digest_tag(of.digest, "")).await?
                }
                _ => return Err(refusal(&ask.method, response).await),
            }
        };
        let Some(body) = body else { return Ok(Vec::new()) };
        let index: Index = read(&body, &what)?;
        let found = index.manifests;
        if found.len() > REFERRERS_MAX {
            return Err(Failure::TooLarge { what, max: REFERRERS_MAX as u64, unit: "entries" });
        }
        Ok(found)
    }

    /// The manifest under a tag, if there is one.
    pub(super) async fn tagged(
        &self,
        reference: &Reference,
        tag: &str,
    ) -> Result<Option<Bytes>, Failure> {
        let ask = manifest_ask(Method::GET, tag);
        let response = self.ask(reference, &ask).await?;
        match response.status() {
            StatusCode::OK => {
                let what = format!("manifest {reference}:{tag}");
                read_body(response, MANIFEST_BYTES_MAX, &what).await.map(Some)
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refusal(&ask.method, response).await),
        }
    }

    /// The manifest of something that refers to the image.
    pub(super) async fn attachment(
        &self,
        of: Subject<'_>,
        referrer: &Referrer,
    ) -> Result<Attachment, Failure> {
        let digest = Digest::parse_sha256(&referrer.digest)?;
        let (_, body) = self.manifest(of.reference, &digest).await?;
        read(&body, &format!("manifest {digest}"))
    }

    /// The bytes of a small blob, checked against its digest.
    pub(super) async fn small_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        bytes_max: u64,
    ) -> Result<Bytes, Failure> {
        let digest = Digest::parse_sha256(&descriptor.digest)?;
        let what = format!("blob {digest}");
        if descriptor.size > bytes_max {
            return Err(Failure::TooLarge { what, max: bytes_max, unit: "bytes" });
        }
        let ask = Ask::new(Method::GET, &["blobs", &digest.to_string()]);
        let response = self.ask(reference, &ask).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&ask.method, response).await);
        }
        let bytes = read_body(response, bytes_max, &what).await?;
        let found = Digest::of(Algorithm::Sha256, &bytes);
        if found != digest {
            let (size_bytes, wanted) = (bytes.len() as u64, digest.hex().to_owned());
            return Err(Failure::BlobDigest { size_bytes, found: found.hex().into(), wanted });
        }
        Ok(bytes)
    }
}

/// The tag that is made of a digest, `sha256-<hex>`, and an ending.
pub(super) fn digest_tag(digest: &Digest, ending: &str) -> String {
    format!("{}{ending}", digest.to_string().replace(':', "-"))
}

/// Reads JSON that a registry gave.
pub(super) fn read<T: serde::de::DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::Malformed { what: what.into(), problem: error.to_string() })
}
