//! Why an artifact is not trusted.

use std::time::Duration;

use crate::error::Failure;

/// No signature is as demanded. The texts are those of ocirepository.md, 9; they follow
/// `failed to verify the signature using provider '<p>': `.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// None of the signatures fits one of the keys, or there is none.
    #[error("no matching signatures were found for '{image}'")]
    NoMatch {
        /// `host/repository@digest`.
        image: String,
        /// What is wrong with each signature that was looked at.
        flaws: Vec<Flaw>,
    },
    /// The registry does not say which signatures there are.
    #[error(transparent)]
    Registry(#[from] Failure),
}

impl Unverified {
    /// What is wrong with each signature that was looked at.
    pub fn flaws(&self) -> &[Flaw] {
        match self {
            Self::NoMatch { flaws, .. } => flaws,
            Self::Registry(_) => &[],
        }
    }

    /// How long the registry asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Registry(Failure::Status { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }
}

/// What is wrong with one signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{signature}: {problem}")]
pub struct Flaw {
    /// Which signature: the digest it is stored under.
    pub signature: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be had.
    #[error("not readable: {0}")]
    Unreadable(String),
    /// It is not of the form that it claims to be.
    #[error("{0}")]
    Malformed(String),
    /// No key fits.
    #[error("not made by {0}")]
    OtherKey(String),
    /// It is a good signature of something else.
    #[error("made for another artifact: {0}")]
    OtherArtifact(String),
}
