//! How a Kustomization refers to its source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The source of a Kustomization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceReference {
    /// Accepted and ignored, as Flux does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind.
    pub kind: SourceKind,
    /// Name.
    pub name: String,
    /// Namespace; that of the Kustomization when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Which kind the source is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SourceKind {
    /// OCIRepository.
    OCIRepository,
    /// GitRepository.
    GitRepository,
    /// Bucket.
    Bucket,
    /// ExternalArtifact.
    ExternalArtifact,
}

impl SourceKind {
    /// Its name, as objects bear it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OCIRepository => "OCIRepository",
            Self::GitRepository => "GitRepository",
            Self::Bucket => "Bucket",
            Self::ExternalArtifact => "ExternalArtifact",
        }
    }
}
