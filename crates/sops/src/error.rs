//! Why a document does not open.

/// A document that does not open. The texts are those of the reference (kustomization.md, 8); none
/// holds a value, encrypted or plain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("failed to load encrypted {format} data: {problem}")]
    Load {
        /// The format that it was read as.
        format: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody has its data key: who was tried, and why that did not do.
    #[error("cannot get sops data key: {0}")]
    DataKey(String),
    /// One of its values does not open.
    #[error("error decrypting sops tree: Error walking tree: {0}")]
    Value(String),
    /// It cannot be written in another format.
    #[error("failed to emit encrypted {from} file as decrypted {to}: {problem}")]
    Emit {
        /// The format that it was read in.
        from: &'static str,
        /// The format that was asked for.
        to: &'static str,
        /// What it lacks.
        problem: &'static str,
    },
}
