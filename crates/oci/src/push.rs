//! Pushing an artifact, in the form that `flux push artifact` gives it.

use std::collections::BTreeMap;

use artifact::Digest;
use artifact::digest::Algorithm;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use crate::ask::Ask;
use crate::auth::Access;
use crate::client::Client;
use crate::error::{Error, Failure};
use crate::image::{Descriptor, OCI_MANIFEST};
use crate::reference::Reference;
use crate::transport::refusal;

const CONFIG: &str = "application/vnd.cncf.flux.config.v1+json";
const CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

/// The config says nothing that the manifest does not say; nobody fetches it.
const EMPTY_CONFIG: &[u8] = b"{}";

/// What is pushed.
#[derive(Clone, Debug)]
pub struct Push {
    /// The packed layer.
    pub content: Bytes,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// The annotations every artifact carries; `created` is an RFC 3339 time.
pub fn origin_annotations(created: &str, source: &str, revision: &str) -> BTreeMap<String, String> {
    [("created", created), ("source", source), ("revision", revision)]
        .into_iter()
        .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()))
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: &'a BTreeMap<String, String>,
}

impl Client {
    /// Pushes `push` and tags it; gives the manifest's digest. Blobs that are there are not sent.
    pub async fn push(
        &self,
        reference: &Reference,
        tag: &str,
        push: &Push,
    ) -> Result<Digest, Error> {
        let layer = self.push_blob(reference, CONTENT, &push.content).await;
        let layer = layer.map_err(|error| Error::Push("layer", error))?;
        let config = self.push_blob(reference, CONFIG, &Bytes::from_static(EMPTY_CONFIG)).await;
        let config = config.map_err(|error| Error::Push("config", error))?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            config,
            layers: vec![layer],
            annotations: &push.annotations,
        };
        let body = to_json(&manifest);
        let digest = Digest::of(Algorithm::Sha256, &body);
        self.push_manifest(reference, tag, OCI_MANIFEST, body)
            .await
            .map_err(|error| Error::Push("manifest", error))?;
        Ok(digest)
    }

    async fn push_blob(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Descriptor, Failure> {
        let digest = Digest::of(Algorithm::Sha256, bytes).to_string();
        let descriptor = Descriptor {
            media_type: media_type.into(),
            digest: digest.clone(),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
        };
        let mut head = Ask::new(Method::HEAD, &["blobs", &digest]);
        head.access = Access::Push;
        if self.ask(reference, &head).await?.status() == StatusCode::OK {
            return Ok(descriptor);
        }
        let mut start = Ask::new(Method::POST, &["blobs", "uploads", ""]);
        start.access = Access::Push;
        let response = self.ask(reference, &start).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(refusal(&start.method, response).await);
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location.and_then(|location| response.url().join(location).ok());
        let same_host = |url: &reqwest::Url| url.host_str() == response.url().host_str();
        let mut url = url.filter(same_host).ok_or_else(|| Failure::Malformed {
            what: format!("upload to {reference}"),
            problem: "no usable Location".into(),
        })?;
        url.query_pairs_mut().append_pair("digest", &digest);
        let mut put = Ask::new(Method::PUT, &[]);
        put.access = Access::Push;
        put.body = bytes.clone();
        put.progress = self.progress.clone();
        // A body that is watched does not know its own length.
        put.headers.insert(CONTENT_LENGTH, bytes.len().into());
        put.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let response = self.send(reference, &put, url).await?;
        match response.status() {
            StatusCode::CREATED => Ok(descriptor),
            _ => Err(refusal(&put.method, response).await),
        }
    }

    pub(crate) async fn push_manifest(
        &self,
        reference: &Reference,
        tag: &str,
        media_type: &str,
        body: Bytes,
    ) -> Result<(), Failure> {
        let mut put = Ask::new(Method::PUT, &["manifests", tag]);
        put.access = Access::Push;
        put.body = body;
        let malformed =
            |_| Failure::Malformed { what: "media type".into(), problem: media_type.into() };
        put.headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).map_err(malformed)?);
        let response = self.ask(reference, &put).await?;
        match response.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(refusal(&put.method, response).await),
        }
    }
}

/// Maps with text keys always serialise.
fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
