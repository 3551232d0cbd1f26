//! What a cluster can be asked for.

use std::future::Future;

use manifest::{Object, ObjectId, Value};

use crate::error::Refusal;

/// As whom requests are made. A request that must be impersonated cannot be built without it: the
/// cluster it is sent to was opened with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The operator itself.
    Operator,
    /// A service account (kustomization.md, 13).
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Identity {
    /// The user name to impersonate, if any.
    pub fn user(&self) -> Option<String> {
        match self {
            Self::Operator => None,
            Self::ServiceAccount { namespace, name } => {
                Some(format!("system:serviceaccount:{namespace}:{name}"))
            }
        }
    }
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// The object waits for its finalizers or its grace period.
    Terminating,
}

/// A cluster, seen with one identity.
pub trait Cluster: Send + Sync {
    /// Reads an object; `None` when it or its kind does not exist.
    fn read(
        &self,
        id: &ObjectId,
        version: &str,
    ) -> impl Future<Output = Result<Option<Object>, Refusal>> + Send;

    /// Gives the object without its namespace if its kind has none, after checking that the kind
    /// exists and that a namespace is there where one is needed.
    fn place(&self, object: Object) -> impl Future<Output = Result<Object, Refusal>> + Send;

    /// Whether the kinds that a definition makes are served; true for any other object.
    fn serves(&self, definition: &Object) -> impl Future<Output = bool> + Send;

    /// What an apply would make of the object.
    fn dry_run(&self, object: &Object) -> impl Future<Output = Result<Object, Refusal>> + Send;

    /// Applies the object server-side, as the owner of all its fields.
    fn apply(&self, object: &Object) -> impl Future<Output = Result<Object, Refusal>> + Send;

    /// Sends a JSON patch to the object.
    fn patch(
        &self,
        object: &Object,
        operations: &Value,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Deletes the incarnation `uid` of an object in the background.
    fn delete(
        &self,
        id: &ObjectId,
        version: &str,
        uid: &str,
    ) -> impl Future<Output = Result<Deleted, Refusal>> + Send;
}
