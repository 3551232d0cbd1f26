//! Looking at what a repository holds, and naming it anew: what the command line does.

use std::collections::BTreeMap;

use artifact::Digest;
use artifact::digest::Algorithm;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde::Deserialize;

use crate::client::{Client, MANIFEST_BYTES_MAX, header_text, manifest_ask};
use crate::error::{Error, Failure};
use crate::reference::Reference;
use crate::transport::{read_body, refusal};

/// What a tag or digest stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// Digest of the manifest.
    pub digest: Digest,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Client {
    /// Every tag of a repository, in the registry's order.
    pub async fn list(&self, reference: &Reference) -> Result<Vec<String>, Error> {
        let what = || format!("list the tags of {reference}");
        self.tags(reference).await.map_err(|source| Error::Browse { what: what(), source })
    }

    /// Reads the manifest behind a tag or digest.
    pub async fn describe(&self, reference: &Reference, name: &str) -> Result<Described, Error> {
        let what = || format!("read {reference}, `{name}`");
        let failed = |source| Error::Browse { what: what(), source };
        let (_, body) = self.named_manifest(reference, name).await.map_err(failed)?;
        let parsed: Annotated = serde_json::from_slice(&body).map_err(|error| {
            failed(Failure::Malformed { what: "manifest".into(), problem: error.to_string() })
        })?;
        let annotations = parsed.annotations.unwrap_or_default();
        Ok(Described { digest: Digest::of(Algorithm::Sha256, &body), annotations })
    }

    /// Names what stands behind a tag or digest by one tag more, and gives its digest.
    pub async fn tag(&self, reference: &Reference, name: &str, tag: &str) -> Result<Digest, Error> {
        let failed = |source| {
            let what = format!("tag {reference}, `{name}`, as `{tag}`");
            Error::Browse { what, source }
        };
        let (media_type, body) = self.named_manifest(reference, name).await.map_err(failed)?;
        let digest = Digest::of(Algorithm::Sha256, &body);
        self.push_manifest(reference, tag, &media_type, body).await.map_err(failed)?;
        Ok(digest)
    }

    /// Media type and bytes of a manifest; those of a digest are checked.
    async fn named_manifest(
        &self,
        reference: &Reference,
        name: &str,
    ) -> Result<(String, Bytes), Failure> {
        if name.contains(':') {
            return self.manifest(reference, &Digest::parse_sha256(name)?).await;
        }
        let ask = manifest_ask(Method::GET, name);
        let response = self.ask(reference, &ask).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&ask.method, response).await);
        }
        let media_type = header_text(response.headers(), CONTENT_TYPE.as_str()).to_owned();
        let what = format!("manifest {reference}:{name}");
        Ok((media_type, read_body(response, MANIFEST_BYTES_MAX, &what).await?))
    }
}
