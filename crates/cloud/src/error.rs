//! What can fail between an identity and what it opens.

use std::io;

/// A failed step. Print the whole chain; it holds no secret. The texts that begin a chain are those
/// of the reference (ocirepository.md, 6.4).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A registry that is not the cloud's.
    #[error("invalid {cloud} registry: '{host}'. must match {pattern}")]
    Registry {
        /// Its name as people write it.
        cloud: &'static str,
        /// The registry.
        host: String,
        /// What would be one.
        pattern: String,
    },
    /// No token that could be exchanged for a login.
    #[error("failed to get access token for artifact registry")]
    RegistryToken(#[source] Box<Error>),
    /// A token that is not taken for a login.
    #[error("failed to create artifact registry credentials")]
    RegistryLogin(#[source] Box<Error>),
    /// No token for this process.
    #[error("failed to create provider access token for the controller")]
    Ambient(#[source] Box<Error>),
    /// No token for a ServiceAccount.
    #[error("failed to create provider access token for service account '{account}'")]
    Account {
        /// `namespace/name`.
        account: String,
        /// Why.
        source: Box<Error>,
    },
    /// The cluster gives no token of a ServiceAccount.
    #[error("failed to create kubernetes token for service account '{account}': {problem}")]
    Cluster {
        /// `namespace/name`.
        account: String,
        /// What the cluster said.
        problem: String,
    },
    /// The cluster gives no token of this process.
    #[error("failed to create kubernetes token for controller service account: {0}")]
    OwnToken(String),
    /// No token that opens a cluster.
    #[error("failed to get access token for cluster")]
    ClusterToken(#[source] Box<Error>),
    /// A cluster that is not named as its cloud names it, or whose address cannot be one.
    #[error("{0}")]
    ClusterName(String),
    /// A cluster that its cloud does not describe.
    #[error("failed to describe {cluster}")]
    Describe {
        /// Sort and name.
        cluster: String,
        /// Why.
        source: Box<Error>,
    },
    /// A ServiceAccount whose annotations name no identity.
    #[error("failed to get provider identity from service account '{account}' annotations")]
    Identity {
        /// `namespace/name`.
        account: String,
        /// Why.
        source: Box<Error>,
    },
    /// A ServiceAccount whose token would be for nobody.
    #[error("failed to get provider audience")]
    Audience(#[source] Box<Error>),
    /// An annotation that is missing or malformed.
    #[error("{0}")]
    Annotation(String),
    /// Nothing around the process says who it is.
    #[error("no identity found: {0}")]
    NoIdentity(&'static str),
    /// A variable that holds something else than its name says.
    #[error("environment variable {0} is malformed")]
    Variable(String),
    /// A file that a variable names.
    #[error("failed to read the file of {name}")]
    File {
        /// The variable.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The request did not arrive, or its answer did not come back whole.
    #[error("{what}: {problem}")]
    Unreachable {
        /// The operation.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// The cloud said no.
    #[error("{what}: status {status}: {text}")]
    Refused {
        /// The operation.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the cloud said.
        text: String,
    },
    /// Something that cannot be read.
    #[error("{what}: {problem}")]
    Malformed {
        /// What it is.
        what: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No HTTP client can be made.
    #[error("failed to set up the HTTP client")]
    Http(#[source] reqwest::Error),
}
