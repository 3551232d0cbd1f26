//! What a cluster refuses, in the words that users know from Flux (kustomization.md, 9.7).

use std::fmt;

use manifest::ObjectId;

/// More failed objects than this are counted, not listed (decisions.md, W15).
const OBJECTS_LISTED_MAX: usize = 20;

/// Why a request got no result.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The cluster does not know the kind.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\"")]
    NoMatch {
        /// Kind.
        kind: String,
        /// Group and version.
        api_version: String,
    },
    /// The kind lives in namespaces and none is given.
    #[error("the server could not find the requested resource")]
    NoNamespace,
    /// A name that cannot stand in a request.
    #[error("invalid resource name {0:?}: may not be '.', '..', or contain '/' or '%'")]
    Name(String),
    /// A name that no service account can have.
    #[error("invalid service account name {0:?}: lower-case letters, digits, '-' and '.' only")]
    Account(String),
    /// A kubeconfig that cannot be used, and why.
    #[error("{0}")]
    Kubeconfig(String),
    /// The API server said no.
    #[error("{message}")]
    Api {
        /// HTTP status.
        code: u16,
        /// Reason in one word; may be empty.
        reason: String,
        /// The server's message.
        message: String,
    },
    /// What was awaited did not happen in time.
    #[error("context deadline exceeded")]
    Deadline,
    /// The API server did not answer, or answered with something else than an object.
    #[error("{0}")]
    Transport(String),
}

impl Refusal {
    /// Whether the API server answered with this HTTP status.
    pub fn is_code(&self, wanted: u16) -> bool {
        matches!(self, Self::Api { code, .. } if *code == wanted)
    }
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                Self::Api { code: status.code, reason: status.reason, message: status.message }
            }
            other => {
                let mut text = other.to_string();
                let mut source = std::error::Error::source(&other);
                while let Some(cause) = source {
                    let cause_text = cause.to_string();
                    if !text.contains(&cause_text) {
                        text = format!("{text}: {cause_text}");
                    }
                    source = cause.source();
                }
                Self::Transport(text)
            }
        }
    }
}

/// What was asked of an object when it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading it.
    Query,
    /// Trying the apply.
    DryRun,
    /// Taking its fields over from other managers.
    Takeover,
    /// Applying it.
    Apply,
    /// Deleting it.
    Delete,
    /// Deleting it because it cannot be changed.
    DeleteImmutable,
    /// Awaiting its end because it cannot be changed.
    AwaitImmutable,
}

/// One object that was refused.
#[derive(Debug)]
pub struct ObjectError {
    /// Which object.
    pub id: ObjectId,
    /// What was asked.
    pub operation: Operation,
    /// The answer.
    pub refusal: Refusal,
}

impl fmt::Display for ObjectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.id.subject();
        let refusal = &self.refusal;
        match self.operation {
            Operation::Query => write!(out, "{subject} query failed: {refusal}"),
            Operation::Takeover => {
                write!(out, "{subject} metadata.managedFields cleanup failed: {refusal}")
            }
            Operation::Apply => write!(out, "{subject} apply failed: {refusal}"),
            Operation::Delete => write!(out, "{subject} delete failed: {refusal}"),
            Operation::DeleteImmutable => write!(
                out,
                "{subject} immutable field detected, failed to delete object: {refusal}"
            ),
            Operation::AwaitImmutable => write!(
                out,
                "{subject} immutable field detected, failed to wait for object to be deleted: {refusal}"
            ),
            Operation::DryRun => match refusal {
                Refusal::NoNamespace => write!(out, "{subject} namespace not specified: {refusal}"),
                Refusal::Api { code: 404, .. } => write!(out, "{subject} not found: {refusal}"),
                Refusal::Api { reason, .. } if !reason.is_empty() => {
                    write!(out, "{subject} dry-run failed ({reason}): {refusal}")
                }
                _ => write!(out, "{subject} dry-run failed: {refusal}"),
            },
        }
    }
}

/// Why a set of objects was not applied or pruned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Objects that were refused, in apply order.
    #[error("{}", list(.0))]
    Objects(Vec<ObjectError>),
    /// The rules of ignored fields cannot be followed.
    #[error(transparent)]
    Ignore(#[from] plan::ignore::Error),
    /// A stage that the next one needs did not become ready.
    #[error("{0}")]
    Stage(crate::wait::Unhealthy),
    /// Objects that could not be deleted.
    #[error("delete failed, errors: {};", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(";"))]
    Prune(Vec<ObjectError>),
}

fn list(errors: &[ObjectError]) -> String {
    let mut lines: Vec<String> =
        errors.iter().take(OBJECTS_LISTED_MAX).map(ToString::to_string).collect();
    if errors.len() > OBJECTS_LISTED_MAX {
        lines.push(format!("and {} more", errors.len() - OBJECTS_LISTED_MAX));
    }
    lines.join("\n")
}
