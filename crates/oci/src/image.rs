//! Image manifests and the layer a source takes from them (ocirepository.md, 8).

use std::collections::BTreeMap;

use artifact::{Digest, Revision};
use serde::{Deserialize, Deserializer, Serialize};

pub use crate::blob::Blob;
use crate::error::{Error, Failure};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
pub(crate) const SCHEMA_1_SIGNED: &str =
    "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// A tag, if one was asked for, and the content it stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The tag; `None` for a digest reference.
    pub tag: Option<String>,
    /// Digest of the manifest, or of the index in front of it.
    pub digest: Digest,
}

impl Pin {
    /// `tag@sha256:…` or `sha256:…` (ocirepository.md, 8).
    pub fn revision(&self) -> Revision {
        Revision::new(match &self.tag {
            Some(tag) => format!("{tag}@{}", self.digest),
            None => self.digest.to_string(),
        })
    }
}

/// A blob as a manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type; empty if none is stated.
    #[serde(default)]
    pub media_type: String,
    /// Digest as written.
    pub digest: String,
    /// Size in bytes.
    pub size: u64,
    /// What else is said of it, such as the name of its file.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// Reads `null` as what is not there, as Go does.
pub(crate) fn null_as_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What a source wants from an image (`spec.layerSelector`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LayerSelector {
    /// Exact media type of the layer; `None` takes the first one.
    pub media_type: Option<String>,
    /// `extract`, `copy` or empty, which is `extract`.
    pub operation: String,
}

/// What becomes of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Its files are archived anew, under the ignore rules.
    Extract,
    /// Its bytes are the artifact.
    Copy,
}

/// A chosen layer. Only an [`Image`] gives one, so its bytes are behind the same proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// Which blob.
    pub descriptor: Descriptor,
    /// What for.
    pub operation: Operation,
}

/// A pulled image manifest; for an index that of its linux/amd64 child. Only a pull of something
/// [trusted](crate::verify::Trusted) gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Its annotations, for `status.artifact.metadata`.
    pub annotations: BTreeMap<String, String>,
    /// Its layers.
    pub layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct ManifestBody {
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct IndexBody {
    #[serde(default)]
    manifests: Option<Vec<Child>>,
}

#[derive(Deserialize)]
struct Child {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

impl Image {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let manifest: ManifestBody = serde_json::from_slice(body)
            .map_err(|error| Error::Parse(malformed("image manifest", &error)))?;
        Ok(Self {
            annotations: manifest.annotations.unwrap_or_default(),
            layers: manifest.layers.unwrap_or_default(),
        })
    }

    /// The layer that `selector` names, and what for.
    pub fn layer(&self, selector: &LayerSelector) -> Result<Layer, Error> {
        let first = self.layers.first().ok_or(Error::NoLayers)?;
        let descriptor = match &selector.media_type {
            None => first,
            Some(wanted) => self
                .layers
                .iter()
                .find(|layer| layer.media_type == *wanted)
                .ok_or_else(|| Error::NoSuchLayer(wanted.clone()))?,
        };
        let operation = match selector.operation.as_str() {
            "" | "extract" => Operation::Extract,
            "copy" => Operation::Copy,
            other => return Err(Error::Operation(other.into())),
        };
        Ok(Layer { descriptor: descriptor.clone(), operation })
    }
}

/// Digest of an index's child for linux/amd64; a child without a platform counts as that.
pub(crate) fn child_of_index(body: &[u8], subject: &str) -> Result<Digest, Failure> {
    let index: IndexBody =
        serde_json::from_slice(body).map_err(|error| malformed("image index", &error))?;
    let fits = |child: &Child| {
        let platform = child.platform.as_ref();
        platform.is_none_or(|at| at.os == "linux" && at.architecture == "amd64")
    };
    let child = index.manifests.unwrap_or_default().into_iter().find(fits).ok_or_else(|| {
        let problem = format!("no child with platform linux/amd64 in index {subject}");
        Failure::Malformed { what: "image index".into(), problem }
    })?;
    Ok(Digest::parse_sha256(&child.digest)?)
}

fn malformed(what: &str, error: &serde_json::Error) -> Failure {
    Failure::Malformed { what: what.into(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_layer_of_the_type_is_taken() -> Result<(), Error> {
        let body = br#"{"layers": [{"mediaType": "a", "digest": "1", "size": 1},
            {"mediaType": "b", "digest": "2", "size": 1}, {"mediaType": "b", "digest": "3", "size": 1}]}"#;
        let image = Image::parse(body)?;
        let select = |media_type: Option<&str>, operation: &str| {
            let selector = LayerSelector {
                media_type: media_type.map(str::to_owned),
                operation: operation.into(),
            };
            image.layer(&selector).map(|layer| layer.descriptor.digest).map_err(|e| e.to_string())
        };
        assert_eq!(select(None, ""), Ok("1".into()));
        assert_eq!(select(Some("b"), "copy"), Ok("2".into()));
        let none = "failed to find layer with media type 'c' in artifact";
        assert_eq!(select(Some("c"), ""), Err(none.into()));
        assert_eq!(select(None, "x"), Err("unsupported layer operation: x".into()));
        let empty = Image::parse(br#"{"layers": null}"#)?.layer(&LayerSelector::default());
        assert_eq!(empty.map_err(|e| e.to_string()), Err("no layers found in artifact".into()));
        Ok(())
    }
}
