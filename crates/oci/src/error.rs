//! What can fail between an address and a layer.

use std::io;
use std::time::Duration;

use artifact::digest::InvalidDigest;

use crate::select::NoTag;

/// A failed step. The texts are those of ocirepository.md, 15; print the whole chain with
/// `artifact::text::explain`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No tag: reason `ReadOperationFailed`.
    #[error("failed to determine the artifact tag for '{url}'")]
    Select {
        /// The source's address.
        url: String,
        /// Why.
        source: Failure,
    },
    /// No digest: reason `OCIArtifactPullFailed`.
    #[error("failed to determine artifact digest")]
    Resolve(#[source] Failure),
    /// No image manifest: reason `OCIArtifactPullFailed`.
    #[error("failed to pull artifact from '{url}'")]
    Pull {
        /// The source's address.
        url: String,
        /// Why.
        source: Failure,
    },
    /// An image manifest that cannot be read. This and all below have the reason
    /// `OCIArtifactLayerOperationFailed`.
    #[error("failed to parse artifact manifest")]
    Parse(#[source] Failure),
    /// An image without layers.
    #[error("no layers found in artifact")]
    NoLayers,
    /// No layer of the wanted type.
    #[error("failed to find layer with media type '{0}' in artifact")]
    NoSuchLayer(String),
    /// An operation that is neither `extract` nor `copy`.
    #[error("unsupported layer operation: {0}")]
    Operation(String),
    /// The layer's blob is not given out.
    #[error("failed to extract the first layer from artifact")]
    OpenLayer(#[source] Failure),
    /// The blob breaks off or is another one, and was to be extracted.
    #[error("failed to extract layer contents from artifact")]
    Extract(#[source] Failure),
    /// The blob breaks off or is another one, and was to be copied.
    #[error("failed to copy layer from artifact")]
    Copy(#[source] Failure),
    /// The certificate authority in a secret; follows `failed to generate transport for '<url>': `.
    #[error("failed to parse CA certificate")]
    Authority,
    /// The client certificate in a secret; follows the same text.
    #[error("failed to parse TLS certificate and key")]
    Identity(#[source] InvalidIdentity),
    /// The proxy's address is none. It may hold a password, so it is not shown.
    #[error("failed to get proxy address: the address is malformed")]
    Proxy,
    /// No rustls provider is installed.
    #[error("no TLS provider is installed")]
    NoProvider,
    /// TLS cannot be set up.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be made.
    #[error("failed to set up the HTTP client")]
    Http(#[source] reqwest::Error),
    /// Something could not be looked at or named, which no controller does.
    #[error("failed to {what}")]
    Browse {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: Failure,
    },
    /// Something could not be pushed.
    #[error("failed to push {0}")]
    Push(&'static str, #[source] Failure),
}

/// Which condition reason an error has (ocirepository.md, 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// TLS or proxy material: `AuthenticationFailed`.
    Transport,
    /// Listing and choosing tags: `ReadOperationFailed`.
    Select,
    /// Digest or manifest: `OCIArtifactPullFailed`.
    Pull,
    /// Layer: `OCIArtifactLayerOperationFailed`.
    Layer,
    /// Pushing, which no controller does.
    Push,
}

impl Error {
    /// Where it failed.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Select { .. } => Stage::Select,
            Self::Resolve(_) | Self::Pull { .. } => Stage::Pull,
            Self::Authority
            | Self::Identity(_)
            | Self::Proxy
            | Self::NoProvider
            | Self::Tls(_)
            | Self::Http(_) => Stage::Transport,
            Self::Push(..) => Stage::Push,
            _ => Stage::Layer,
        }
    }

    /// How long the registry asked to be left alone (429 and 503 answers).
    pub fn retry_after(&self) -> Option<Duration> {
        let failure = match self {
            Self::Select { source, .. } | Self::Pull { source, .. } | Self::Push(_, source) => {
                source
            }
            Self::Resolve(source)
            | Self::Parse(source)
            | Self::OpenLayer(source)
            | Self::Extract(source)
            | Self::Copy(source) => source,
            _ => return None,
        };
        match failure {
            Failure::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What is wrong with a client certificate, in the words of Go's standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// No certificate.
    #[error("tls: failed to find any PEM data in certificate input")]
    NoCertificate,
    /// A key where the certificate should be.
    #[error(
        "tls: failed to find certificate PEM data in certificate input, but did find a private \
         key; PEM inputs may have been switched"
    )]
    KeyAsCertificate,
    /// No key.
    #[error("tls: failed to find any PEM data in key input")]
    NoKey,
    /// A certificate where the key should be.
    #[error("tls: found a certificate rather than a key in the PEM for the private key")]
    CertificateAsKey,
    /// The key of another certificate.
    #[error("tls: private key does not match public key")]
    Mismatch,
    /// A certificate or key that cannot be read.
    #[error("tls: failed to parse private key")]
    Malformed,
}

/// What a registry or the way to it did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No tag can be chosen.
    #[error(transparent)]
    NoTag(#[from] NoTag),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// The request did not reach the registry, or its answer did not come back whole.
    #[error("{0}")]
    Connection(String),
    /// An answer that refuses.
    #[error("{text}")]
    Status {
        /// `<METHOD> <url>: <CODE>: <message>`, as the reference prints it.
        text: String,
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// A manifest that is not the one that was asked for.
    #[error(
        "manifest digest: \"{found}\" does not match requested digest: \"{wanted}\" for \"{subject}\""
    )]
    ManifestDigest {
        /// Digest of what came.
        found: String,
        /// Digest asked for.
        wanted: String,
        /// The image.
        subject: String,
    },
    /// A blob that is not the one that was asked for.
    #[error(
        "error verifying sha256 checksum after reading {size_bytes} bytes; got \"{found}\", want \"{wanted}\""
    )]
    BlobDigest {
        /// Bytes read.
        size_bytes: u64,
        /// Hash of what came.
        found: String,
        /// Hash asked for.
        wanted: String,
    },
    /// A blob of another size.
    #[error("error verifying size; got {found}, want {wanted}")]
    BlobSize {
        /// Bytes that came, so far.
        found: u64,
        /// Bytes that were announced.
        wanted: u64,
    },
    /// More than a named bound allows.
    #[error("{what} is larger than {max} {unit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The bound.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// An answer that means nothing.
    #[error("{what}: {problem}")]
    Malformed {
        /// What was read.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No token from the registry's token service.
    #[error("refused to ask {realm} for a token of {registry}: {problem}")]
    Realm {
        /// Where the registry points to.
        realm: String,
        /// The registry.
        registry: String,
        /// Why it is not trusted.
        problem: &'static str,
    },
    /// A local file.
    #[error("failed to keep the layer")]
    File(#[from] io::Error),
    /// What is to be pushed.
    #[error(transparent)]
    Artifact(#[from] artifact::Error),
}
