//! Images that tests push without a client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::server::Registry;
use crate::state::{Manifest, digest};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

/// A gzip-compressed tar of some files.
pub fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, path, *bytes).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// A gzip-compressed tar of entries as an attacker writes them: every name is put into the header
/// byte by byte. Links point to `/etc/passwd`.
pub fn odd_layer(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, kind, body) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        let link = kind.is_symlink() || kind.is_hard_link();
        let body: &[u8] = if link { &[] } else { body };
        if link {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(body);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, &archive).unwrap();
    encoder.finish().unwrap()
}

impl Registry {
    /// Stores an image of one layer with these files; gives its digest.
    pub fn push_files(&self, repository: &str, tag: &str, files: &[(&str, &[u8])]) -> String {
        self.push_image(repository, tag, &[(CONTENT, &layer(files))], &[])
    }

    /// Stores an image of these layers (media type and bytes) and annotations; gives its digest.
    pub fn push_image(
        &self,
        repository: &str,
        tag: &str,
        layers: &[(&str, &[u8])],
        annotations: &[(&str, &str)],
    ) -> String {
        let descriptors: Vec<Value> =
            layers.iter().map(|(kind, bytes)| self.push_blob(repository, kind, bytes)).collect();
        let config = self.push_blob(repository, "application/vnd.cncf.flux.config.v1+json", b"{}");
        let annotations: serde_json::Map<String, Value> =
            annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config,
            "layers": descriptors, "annotations": annotations,
        });
        self.push_manifest(repository, tag, OCI_MANIFEST, manifest.to_string())
    }

    /// Stores a manifest as it is; gives its digest.
    pub fn push_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        body: impl Into<Bytes>,
    ) -> String {
        let manifest = Manifest { media_type: media_type.into(), body: body.into() };
        let digest = digest(&manifest.body);
        let mut held = self.state.held();
        let repository = held.repositories.entry(repository.into()).or_default();
        repository.manifests.insert(digest.clone(), manifest);
        if !tag.is_empty() {
            repository.tags.insert(tag.into(), digest.clone());
        }
        digest
    }

    /// Stores a blob; gives its descriptor.
    pub fn push_blob(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let mut held = self.state.held();
        let repository = held.repositories.entry(repository.into()).or_default();
        repository.blobs.insert(digest.clone(), Bytes::copy_from_slice(bytes));
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Stores a recorded repository: `{"manifests": [{tag, mediaType, body}], "blobs": [base64]}`.
    pub fn push_recorded(&self, repository: &str, recorded: &str) {
        let recorded: Value = serde_json::from_str(recorded).unwrap();
        for manifest in recorded["manifests"].as_array().unwrap() {
            let part = |key: &str| manifest[key].as_str().unwrap().to_owned();
            self.push_manifest(repository, &part("tag"), &part("mediaType"), part("body"));
        }
        for blob in recorded["blobs"].as_array().unwrap() {
            let bytes = STANDARD.decode(blob.as_str().unwrap()).unwrap();
            self.push_blob(repository, "", &bytes);
        }
    }

    /// Forgets a tag.
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        if let Some(repository) = self.state.held().repositories.get_mut(repository) {
            repository.tags.remove(tag);
        }
    }
}
