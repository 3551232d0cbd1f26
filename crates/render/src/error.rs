//! Why a Kustomization has no meaning.

use crate::substitute;

/// A failure of rendering; the texts are the reference's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `spec.path` is not in the artifact: the artifact is at fault, not the build.
    #[error("kustomization path not found: stat {0}: no such file or directory")]
    PathNotFound(String),
    /// The root kustomization cannot be generated or merged.
    #[error("{0}")]
    Compose(String),
    /// A file that a generated kustomization would list is no manifest.
    #[error("failed to decode Kubernetes YAML from {file}: {why}")]
    Manifest {
        /// The file, from the root of the artifact.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The build failed; the text is the engine's whole story.
    #[error("kustomize build failed: {0}")]
    Build(String),
    /// What was built is no object.
    #[error("{0}")]
    Decode(String),
    /// What the variables of an object are to be read from cannot be read.
    #[error("post build failed for '{object}': {why}")]
    Variables {
        /// Kind and name of the object.
        object: String,
        /// Which reference, and why.
        why: String,
    },
    /// A file that the build reads is encrypted and does not open.
    #[error("error decrypting sources: {0}")]
    Sources(String),
    /// An object is encrypted and does not open.
    #[error("decryption failed for '{object}': {why}")]
    Decrypt {
        /// The object.
        object: String,
        /// Why; it never shows a value.
        why: String,
    },
    /// A Secret is encrypted and nobody asked for its decryption.
    #[error(
        "{0} is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
    )]
    Encrypted(String),
    /// The name of a variable is not allowed, whatever uses it.
    #[error(
        "post build failed for '{object}': envsubst error: '{name}' var name is invalid, must \
         match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
    )]
    VariableName {
        /// The first object that is substituted.
        object: String,
        /// The name.
        name: String,
    },
    /// A variable of an object cannot be substituted.
    #[error(
        "post build failed for '{object}': envsubst error: variable substitution failed: {source}"
    )]
    Substitute {
        /// The object.
        object: String,
        /// What is wrong; it never shows a value.
        source: substitute::Error,
    },
    /// The text of an object is no YAML once its variables are substituted.
    #[error("post build failed for '{object}': envsubst error: YAMLToJSON: {why}")]
    Substituted {
        /// The object.
        object: String,
        /// What is wrong with the text.
        why: String,
    },
}
