//! Why an artifact is not trusted.

use std::time::Duration;

use artifact::text::quoted;

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
    /// Nothing is signed, and no keys are demanded.
    #[error("no signatures found")]
    NoSignatures,
    /// None of the signatures is by one of the identities.
    #[error("no matching signatures: {}", listed(.0))]
    NoIdentity(Vec<Flaw>),
    /// No statement of the trust policy is about the image.
    #[error(
        "artifact {} has no applicable trust policy statement. Trust policy applicability for a \
         given artifact is determined by registryScopes. To create a trust policy, see: \
         https://notaryproject.dev/docs/quickstart/#create-a-trust-policy",
        quoted(.0)
    )]
    NoStatement(String),
    /// Nothing is signed, and an envelope is demanded.
    #[error(
        "no signature is associated with {}, make sure the artifact was signed successfully",
        quoted(.0)
    )]
    NoEnvelope(String),
    /// An envelope that the registry lists and does not give.
    #[error(
        "unable to retrieve digital signature with digest {} associated with {} from the \
         Repository, error : {problem}",
        quoted(.signature), quoted(.image)
    )]
    Unread {
        /// Digest of its manifest.
        signature: String,
        /// `host/repository@digest`.
        image: String,
        /// Why.
        problem: String,
    },
    /// None of the envelopes is as demanded.
    #[error("signature verification failed{}", each(.0))]
    NoEnvelopeFits(Vec<Flaw>),
    /// None of the first envelopes is as demanded.
    #[error(
        "signature evaluation stopped. \
         The configured limit of {max} signatures to verify per artifact exceeded"
    )]
    Attempts {
        /// How many were looked at.
        max: usize,
        /// What is wrong with each.
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
            Self::NoMatch { flaws, .. }
            | Self::NoIdentity(flaws)
            | Self::NoEnvelopeFits(flaws)
            | Self::Attempts { flaws, .. } => flaws,
            _ => &[],
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

/// How many problems a text lists.
const LISTED_MAX: usize = 20;

/// The problems, each on a line of its own, as the reference joins them.
fn listed(flaws: &[Flaw]) -> String {
    let problems: Vec<_> =
        flaws.iter().take(LISTED_MAX).map(|flaw| shortened(&flaw.problem)).collect();
    problems.join("\n ")
}

/// Every envelope on a line of its own.
fn each(flaws: &[Flaw]) -> String {
    let line = |flaw: &Flaw| {
        let problem = shortened(&flaw.problem);
        format!("\nfailed to verify signature with digest {}, {problem}", flaw.signature)
    };
    flaws.iter().map(line).collect()
}

/// The most that is shown of a problem: a part of it may be the signature's own words.
const PROBLEM_BYTES_MAX: usize = 1000;

fn shortened(problem: &Problem) -> String {
    let mut text = problem.to_string();
    if text.len() > PROBLEM_BYTES_MAX {
        text.truncate(text.floor_char_boundary(PROBLEM_BYTES_MAX));
        text.push_str("...");
    }
    text
}

/// A root that cannot be judged by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoot {
    /// Not of the form of a root, or with keys that are none.
    #[error("unable to parse trusted root: {0}")]
    Malformed(String),
    /// No log of signatures.
    #[error(
        "unable to extract Rekor URL from trusted root: \
         no transparency log entries found in trusted root"
    )]
    NoLog,
    /// No log of signatures that says where it is.
    #[error(
        "unable to extract Rekor URL from trusted root: \
         no transparency log entry with a BaseURL found in trusted root"
    )]
    NoAddress,
    /// Too many identities.
    #[error("more than {0} identities")]
    Identities(usize),
}

/// What is wrong with one signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{signature}: {}", shortened(.problem))]
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
    /// The certificate, the logs or the times do not bear it out.
    #[error("{0}")]
    Refused(String),
    /// It is by somebody else.
    #[error(
        "none of the expected identities matched what was in the certificate, \
         got subjects [{subject}] with issuer {issuer}"
    )]
    Identity {
        /// Whom the certificate names.
        subject: String,
        /// Who says so.
        issuer: String,
    },
    /// It is a good signature of something else.
    #[error("made for another artifact: {0}")]
    OtherArtifact(String),
}
